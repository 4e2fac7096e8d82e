"""At most so many nodes and edges more than at the start."""

from __future__ import annotations

import math

import pytest

from sostruct.errors import ConfigError
from sostruct.graph import AddEdge, AddNode, Edge, RemoveEdge, apply
from sostruct.growth.base import Proposal
from sostruct.growth.restraint_additions import Additions
from sostruct.networks.hgf.builders import bare_hgf
from sostruct.networks.hgf.network import HGF


@pytest.fixture
def network():
    return HGF(bare_hgf(["a", "b", "c"]))


def parent(number, child, nats=math.nan):
    name = f"volatility_{number}"
    edge = Edge(name, f"{child}_state", "volatility")
    return Proposal(f"{child}_state", (AddNode(name, "continuous"), AddEdge(edge)), nats, True, "wanted")


def wanted(restraint, proposals, network, state):
    held, pending, state = restraint.hold(proposals, network, state)
    assert not pending, "what is over budget now is over budget later"
    return [one.wanted for one in held], state


def test_what_is_added_is_counted_from_the_first_graph_seen(network):
    restraint = Additions(nodes=2, edges=None)
    first, state = wanted(restraint, [parent(1, "a")], network, restraint.init())
    assert first == [True]
    network = HGF(apply(network.topology, parent(1, "a").edits))
    second, state = wanted(restraint, [parent(2, "b", 1.0), parent(3, "c", 5.0)], network, restraint.rest(state))
    assert second == [False, True], "the best priced goes first"
    network = HGF(apply(network.topology, parent(3, "c").edits))
    assert wanted(restraint, [parent(2, "b")], network, state)[0] == [False]


def test_edges_have_a_limit_of_their_own(network):
    restraint = Additions(nodes=None, edges=1)
    proposals = [parent(1, "a"), parent(2, "b")]
    assert wanted(restraint, proposals, network, restraint.init())[0] == [True, False]
    away = Proposal("a", RemoveEdge("a_state", "a"), 1.0, True, "wanted")
    none = Additions(0, 0)
    assert wanted(none, [*proposals, away], network, none.init())[0] == [False, False, True]


def test_reasons_name_the_limit(network):
    restraint = Additions(nodes=0)
    held, _, _ = restraint.hold([parent(1, "a")], network, restraint.init())
    assert "nodes" in held[0].reason


@pytest.mark.parametrize("limits", [{"nodes": -1}, {"edges": -2}])
def test_limits_are_counts(limits):
    with pytest.raises(ConfigError, match="count"):
        Additions(**limits)
