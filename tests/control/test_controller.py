"""Edits that are made together, also where a rule says less than it should about what they touch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import jax
import pytest
from jaxtyping import PRNGKeyArray

from sostruct.control.controller import Controller, made
from sostruct.control.run import run, stream
from sostruct.errors import GraphError
from sostruct.graph import AddEdge, Edge, RemoveEdge
from sostruct.growth.base import AbstractGrowthRule, Evaluate, Proposal, State
from sostruct.networks.base import AbstractNetwork
from sostruct.networks.hgf.network import HGF
from sostruct.surprise import Signals
from tests.control.test_stream import FRAME, KEY, filter_of

NAMES = ("a", "b")


def wanted(target: str, edits: tuple[AddEdge | RemoveEdge, ...], nats: float) -> Proposal:
    return Proposal(target, edits, nats, True, "raises the evidence")


def tie(target: str, nats: float) -> Proposal:
    """Another state above an input: one of the two makes the other's edges a cycle."""
    source = next(f"{name}_state" for name in NAMES if name != target)
    return wanted(target, (AddEdge(Edge(source, f"{target}_state", "value", strength=0.3)),), nats)


@final
@dataclass(frozen=True)
class Careless(AbstractGrowthRule):
    """Two edits that exclude each other, each said to touch its input alone."""

    def init(self, network: AbstractNetwork) -> State:
        return {"asked": 0}

    def propose(
        self, network: AbstractNetwork, signals: Signals, state: State, *, evaluate: Evaluate, key: PRNGKeyArray
    ) -> tuple[Sequence[Proposal], State]:
        return ([] if state["asked"] else [tie("a", 1.0), tie("b", 2.0)]), {"asked": 1}

    def waiting(self, state: State) -> bool:
        return False


def network() -> HGF:
    return filter_of(*NAMES)


def test_of_edits_that_exclude_each_other_the_best_priced_is_made() -> None:
    finished = run(network(), FRAME, Controller(Careless()), epochs=3)
    first = [(entry.target, entry.accepted, entry.reason) for entry in finished.journal]
    assert first == [("b", True, "raises the evidence"), ("a", False, "another edit went first this epoch")]
    assert finished.journal.final == finished.network.topology
    live = stream(network(), Controller(Careless()), key=KEY)
    live.observe(FRAME.iloc[:30])
    assert [(entry.target, entry.accepted, entry.reason) for entry in live.journal] == first
    assert live.journal.final == live.network.topology


def test_edits_that_fit_are_made_in_their_order() -> None:
    start = network().edited(tie("b", 1.0).edits, key=KEY)
    gone = wanted("a", (RemoveEdge("a_state", "b_state", "value"),), 1.0)
    after, done, lost = made(start, [gone, tie("a", 2.0)], jax.random.key(0))
    assert done == [gone, tie("a", 2.0)]
    assert lost == []
    assert [edge.key for edge in after.topology.edges if edge.target == "a_state"] == [
        ("b_state", "a_state", "value", 0)
    ]


def test_an_edit_that_does_not_fit_by_itself_is_an_error() -> None:
    none = wanted("a", (RemoveEdge("b_state", "a_state", "value"),), 3.0)
    with pytest.raises(GraphError, match="b_state"):
        made(network(), [none, tie("a", 1.0)], KEY)
