"""What an edit, or an epoch of edits, changed in a graph, in terms that survive renaming.

Restraints that look back need to know which edits were made, and whether a proposal takes one back. They read it off
the graph: what was made is the difference between the graph now and the graph they saw last. Nodes that were grown have
names that come and go, so a coupling is known by the nodes that were there from the start; two grown parents of one
node are the same coupling.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import NamedTuple

from sostruct.graph import AbstractEdit, Topology, apply
from sostruct.growth.base import State


class Change(NamedTuple):
    """Couplings that came and that went."""

    added: frozenset[str]
    removed: frozenset[str]


def elements(topology: Topology) -> frozenset[str]:
    """Every node and edge under its own name, as JSON."""
    nodes = (json.dumps(name) for name in topology.names)
    return frozenset((*nodes, *(json.dumps(edge.key) for edge in topology.edges)))


def couplings(topology: Topology, start: Collection[str]) -> frozenset[str]:
    """Every edge as JSON, null for its ends that are not in `start`."""

    def known(name: str) -> str | None:
        return name if name in start else None

    return frozenset(
        json.dumps([known(edge.source), known(edge.target), edge.coupling, edge.lag]) for edge in topology.edges
    )


def change(topology: Topology, edits: Sequence[AbstractEdit], start: Collection[str]) -> Change:
    """What a bundle of edits would change."""
    before, after = couplings(topology, start), couplings(apply(topology, edits), start)
    return Change(after - before, before - after)


# Following a graph from epoch to epoch; the state is {"start": names, "couplings": of the graph last seen, "clock":
# epochs so far, "seen": what the clock showed then}.


def unseen() -> State:
    """Before the first epoch."""
    return {"start": None, "couplings": [], "clock": 0, "seen": 0}


def rested(state: State) -> State:
    """After an epoch in which nothing was considered, and so nothing was edited."""
    return {**state, "clock": state["clock"] + 1}


def followed(topology: Topology, state: State) -> tuple[Change, int, State]:
    """What was edited since the graph was last seen, when, and the state after this epoch."""
    start = list(topology.names) if state["start"] is None else state["start"]
    now = couplings(topology, set(start))
    before = now if state["start"] is None else frozenset(state["couplings"])
    clock = state["clock"] + 1
    after = {"start": start, "couplings": sorted(now), "clock": clock, "seen": clock}
    return Change(now - before, before - now), state["seen"], {**state, **after}
