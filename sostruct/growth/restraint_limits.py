"""Restraints on what a graph may become: how large, and who must stay connected to what is observed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

from sostruct.errors import ConfigError
from sostruct.graph import Topology, apply
from sostruct.growth.base import Proposal, State
from sostruct.growth.restraint import AbstractRestraint
from sostruct.networks.base import AbstractNetwork


@final
@dataclass(frozen=True)
class Budgets(AbstractRestraint):
    """Limits on the whole graph and on the edits after one epoch; None for no limit.

    The best priced proposals are served first, each as if all before it were made. What makes the graph no larger in a
    limited respect is never refused for it.

    Attributes:
        nodes: most nodes.
        edges: most edges.
        parameters: most parameters, those of the nodes and a strength of every edge.
        edits: most proposals after one epoch; the others wait.
    """

    nodes: int | None = None
    edges: int | None = None
    parameters: int | None = None
    edits: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("nodes", 0), ("edges", 0), ("parameters", 0), ("edits", 1)):
            limit = getattr(self, name)
            if limit is not None and limit < least:
                raise ConfigError(
                    f"Cannot use a budget of {limit} {name}. This is because it is a count. Try {least} or more, or "
                    "null for no limit."
                )

    def init(self) -> State:
        """Nothing to remember: the graph itself is the account."""
        return {}

    def hold(
        self, proposals: Sequence[Proposal], network: AbstractNetwork, state: State
    ) -> tuple[Sequence[Proposal], bool, State]:
        """Refuses what would exceed a limit."""
        limits = {"nodes": self.nodes, "edges": self.edges, "parameters": self.parameters}
        now = _size(network.topology)
        granted, edits, pending = dict.fromkeys(limits, 0), 0, False
        held = list(proposals)
        places = [place for place, proposal in enumerate(held) if proposal.wanted]
        for place in sorted(places, key=lambda place: (math.isnan(held[place].nats), -held[place].nats)):
            proposal = held[place]
            if self.edits is not None and edits >= self.edits:
                held[place], pending = replace(proposal, wanted=False, reason=f"{self.edits} edits this epoch"), True
                continue
            after = _size(apply(network.topology, proposal.edits))
            more = {name: after[name] - now[name] for name in limits}
            full = [
                f"budget of {limit} {name} spent"
                for name, limit in limits.items()
                if limit is not None and more[name] > 0 and now[name] + granted[name] + more[name] > limit
            ]
            if full:
                held[place] = replace(proposal, wanted=False, reason=full[0])
                continue
            edits += 1
            granted = {name: granted[name] + max(more[name], 0) for name in limits}
        return held, pending, state

    def rest(self, state: State) -> State:
        """Unchanged."""
        return state


def _size(topology: Topology) -> dict[str, int]:
    edges = len(topology.edges)
    return {
        "nodes": topology.size,
        "edges": edges,
        "parameters": edges + sum(len(node.parameters) for node in topology.nodes),
    }


@final
@dataclass(frozen=True)
class Reachability(AbstractRestraint):
    """Hidden nodes keep an observed descendant, and inputs a value parent.

    Observed are the leaves that the start graph has at lag 0: all variables of a lagged network, the inputs of a belief
    network. An edit is refused if after it an input is gone, or has no value parent though it had one at the start, or
    a node that was not so before cannot reach any input.
    """

    def init(self) -> State:
        """No graph seen."""
        return {"inputs": None, "carried": []}

    def hold(
        self, proposals: Sequence[Proposal], network: AbstractNetwork, state: State
    ) -> tuple[Sequence[Proposal], bool, State]:
        """Refuses what would cut something off."""
        topology = network.topology
        if state["inputs"] is None:
            leaves = [name for name in topology.names if all(edge.lag for edge in topology.children(name))]
            state = {"inputs": leaves, "carried": [name for name in leaves if _carried(topology, name)]}
        inputs, lost = set(state["inputs"]), _lost(topology, state["inputs"])
        held = []
        for proposal in proposals:
            if proposal.wanted:
                after = apply(topology, proposal.edits)
                gone = sorted(inputs - set(after.names))
                bare = [name for name in state["carried"] if name in after and not _carried(after, name)]
                cut = sorted(_lost(after, state["inputs"]) - lost)
                reasons = [f"would remove the input {name}" for name in gone]
                reasons += [f"would leave the input {name} without a value parent" for name in bare]
                reasons += [f"would leave {name} without an observed descendant" for name in cut]
                proposal = replace(proposal, wanted=False, reason=reasons[0]) if reasons else proposal
            held.append(proposal)
        return held, False, state

    def rest(self, state: State) -> State:
        """Unchanged."""
        return state


def _carried(topology: Topology, name: str) -> bool:
    return any(edge.coupling == "value" for edge in topology.parents(name))


def _lost(topology: Topology, inputs: Sequence[str]) -> set[str]:
    """Nodes that no directed path leads from to an input."""
    found: set[str] = set()
    waiting = [name for name in inputs if name in topology]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [edge.source for edge in topology.parents(name)]
    return set(topology.names) - found
