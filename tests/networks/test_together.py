"""Epochs together: every network gets its own epoch, whoever shares its program."""

from typing import Any

import equinox as eqx
import jax
import networkx as nx
import numpy as np
import pytest

from sostruct.networks import together
from sostruct.networks.base import AbstractNetwork
from sostruct.networks.hgf.network import HGF
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.networks.together import Together
from tests.networks.reference import series


def lagged(seed: int, nodes: int) -> tuple[AbstractNetwork, Any, Any]:
    network = LaggedNetwork.bare(tuple("abcdef"[:nodes]), 2)
    return network, network.prepare(series(seed, nodes)), jax.random.key(seed)


def belief(seed: int, strength: float) -> tuple[AbstractNetwork, Any, Any]:
    graph = nx.DiGraph()
    graph.add_edge("x", "u", strength=strength)
    graph.add_edge("x", "w", strength=1.0)
    nx.set_node_attributes(graph, {name: {"kind": "continuous", "precision": 5.0} for name in graph})
    network = HGF(graph, schedule="packed")
    data = np.cumsum(np.random.default_rng(seed).normal(size=(12, 2)), axis=0)
    data[3, 0] = np.nan
    return network, network.prepare(data), jax.random.key(seed)


@pytest.mark.parametrize("side_by_side", [False, True])
def test_answers_come_in_order_from_as_many_programs_as_needed(
    side_by_side: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "_side_by_side", lambda network: side_by_side)
    sizes: list[int] = []
    whole = together._group
    monkeypatch.setattr(together, "_group", lambda members, room: sizes.append(len(members)) or whole(members, room))
    members = [lagged(0, 4), belief(1, 0.5), lagged(2, 3), lagged(3, 4), belief(4, 1.5), lagged(5, 4)]
    answers = Together().epochs(*zip(*members, strict=True))
    assert sizes == [3, 2]
    for (network, data, key), (after, signals) in zip(members, answers, strict=True):
        alone, wanted = network.epoch(data, key=key)
        assert type(after) is type(network)
        assert after.topology == network.topology
        assert jax.tree.structure(after.packed) == jax.tree.structure(alone.packed)
        assert jax.tree.structure(signals) == jax.tree.structure(wanted)
        for mine, other in zip(
            jax.tree.leaves((after.packed, signals)), jax.tree.leaves((alone.packed, wanted)), strict=True
        ):
            assert (mine.shape, mine.dtype) == (other.shape, other.dtype)
            np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-12)
        assert [type(leaf) for leaf in jax.tree.leaves(signals)] == [type(leaf) for leaf in jax.tree.leaves(wanted)]


def test_a_program_has_room_for_fewer_and_is_compiled_again_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = eqx.debug.assert_max_traces(together._epochs.__wrapped__, max_traces=None)
    monkeypatch.setattr(together, "_epochs", eqx.filter_jit(counted))
    members = [lagged(seed, 3) for seed in range(9)]
    own = Together()
    for size, wanted in ((1, 0), (5, 1), (8, 1), (3, 1), (1, 1), (9, 2), (2, 2)):
        answers = own.epochs(*zip(*members[:size], strict=True))
        assert len(answers) == size
        assert eqx.debug.get_num_traces(counted) == wanted
        for (network, data, key), (after, signals) in zip(members, answers, strict=False):
            alone, expected = network.epoch(data, key=key)
            np.testing.assert_array_equal(after.packed.weight, alone.packed.weight)
            np.testing.assert_array_equal(signals.gains.add, expected.gains.add)


def test_no_networks_have_no_epochs() -> None:
    assert Together().epochs([], [], []) == []
