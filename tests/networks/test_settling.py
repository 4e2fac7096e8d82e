"""The compiled search against the search through the host, and its sizes."""

from dataclasses import replace

import equinox as eqx
import jax
import numpy as np
import pytest

from sostruct.graph import AddEdge, Edge
from sostruct.networks.lagged import ascent, settling
from sostruct.networks.lagged.curved import CurvedTerms
from sostruct.networks.lagged.fixed_point import searched
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.networks.lagged.settling import settled
from sostruct.tasks import SparseVAR

from .reference import series

NAMES = ("a", "b", "c", "d")


def rows(network):
    mask, active = np.asarray(network.packed.mask), np.asarray(network.packed.active)
    return [active[target][used].tolist() for target, used in enumerate(mask)]


def ends(found, number):
    return [active[used].tolist() for active, used in zip(found.active[number], found.mask[number], strict=True)]


def weights(found, number):
    return np.concatenate([own[used] for own, used in zip(found.weight[number], found.mask[number], strict=True)])


def test_it_ends_where_the_search_through_the_host_ends():
    tasks = [SparseVAR(nodes=6, steps=200, max_lag=3).load(seed).frame for seed in range(5)]
    bare = LaggedNetwork.bare(tuple(tasks[0].columns), 3)
    datas = [bare.prepare(frame.to_numpy()) for frame in tasks]
    found = settled(bare, datas)
    for number, data in enumerate(datas):
        network, _ = searched(bare, data)
        assert ends(found, number) == rows(network)
        own = np.asarray(network.packed.weight)[np.asarray(network.packed.mask)]
        np.testing.assert_allclose(weights(found, number), own, rtol=1e-9)


def collinear(seed, nodes=8, steps=150):
    """Series that stand in for each other, so that some parents give way to better ones."""
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(steps, 3)) @ generator.normal(size=(3, nodes))
    values += 0.5 * generator.normal(size=(steps, nodes))
    chosen = generator.random((nodes, nodes)) < 0.4
    values[1:] += values[:-1] @ (generator.normal(size=(nodes, nodes)) * chosen) * 0.4
    return values


def test_so_where_parents_are_replaced_and_removed():
    names = tuple("abcdefgh")
    bare = LaggedNetwork.bare(names, 2)
    datas = [bare.prepare(collinear(seed)) for seed in range(12)]
    crowded = bare.edited([AddEdge(Edge(cause, "a", lag=1)) for cause in names], key=jax.random.key(0))
    found, pruned = settled(bare, datas), settled(crowded, datas)
    replaced = 0
    for number, data in enumerate(datas):
        assert ends(found, number) == rows(searched(bare, data)[0])
        assert ends(pruned, number) == rows(searched(crowded, data)[0])
        alone = bare
        for _ in range(20):  # additions alone end elsewhere where a replacement is due
            alone, signals = alone.epoch(data, key=jax.random.key(0))
            best = alone.candidates(signals, best=1, moves=frozenset({"add"}))
            alone = alone.edited([edit for one in best if one.nats > 1e-6 for edit in one.edits], key=jax.random.key(0))
        replaced += ends(found, number) != rows(alone)
    assert replaced > 0


def test_so_with_edges_required_forbidden_and_favored():
    values = series(4, 4, 150)
    bare = LaggedNetwork.bare(
        NAMES,
        2,
        required=[("a", "b", 2), ("c", "d")],
        forbidden=[("b", "b"), ("d", "a", 1)],
        prior_odds=[("a", "c", 1, 500.0)],
    )
    data = bare.prepare(values)
    found = settled(bare, [data])
    assert ends(found, 0) == rows(searched(bare, data)[0])
    assert 4 in ends(found, 0)[1]  # a at lag 2


def test_so_with_curves_and_products():
    generator = np.random.default_rng(0)
    values = generator.normal(size=(200, 3))
    for row in range(1, 200):
        values[row, 1] += np.sin(2 * values[row - 1, 0])
        values[row, 2] += values[row - 1, 0] * values[row - 1, 1]
    table = CurvedTerms.fitted(NAMES[:3], 1, values)
    bare = LaggedNetwork.bare(NAMES[:3], 1, terms=table)
    data = table.prepared(values)
    found = settled(bare, [data])
    assert ends(found, 0) == rows(searched(bare, data)[0])
    assert any(len(row) >= table.layout.size for row in ends(found, 0))


def test_targets_with_more_parents_than_slots_get_more_slots():
    generator = np.random.default_rng(1)
    values = generator.normal(size=(800, 12))
    values[1:, 0] += 0.5 * values[:-1, 1:].sum(axis=1)
    bare = LaggedNetwork.bare(tuple(f"x{number}" for number in range(12)), 1)
    data = bare.prepare(values)
    found = settled(bare, [data, data])
    assert found.mask.shape[2] == 16
    assert set(range(1, 12)) <= set(ends(found, 1)[0])
    assert ends(found, 0) == rows(searched(bare, data)[0])


def test_many_data_sets_go_in_parts_of_one_size(monkeypatch):
    bare = LaggedNetwork.bare(NAMES, 2)
    datas = [bare.prepare(series(seed)) for seed in range(5)]
    whole = settled(bare, datas)
    size = np.asarray(datas[0].gram).nbytes + np.asarray(datas[0].cross).nbytes
    monkeypatch.setattr(settling, "_BYTES", 2 * size)
    parts = settled(bare, datas)
    for leaf in ("active", "mask", "weight"):
        np.testing.assert_array_equal(getattr(parts, leaf), getattr(whole, leaf))


def test_other_data_and_other_beginnings_of_one_shape_do_not_compile_again():
    bare = LaggedNetwork.bare(NAMES, 2)
    datas = [bare.prepare(series(seed)) for seed in range(4)]
    settled(bare, datas[:2])
    compiled = ascent._search._cache_size()
    settled(bare, datas[2:])
    settled(searched(bare, datas[0])[0], datas[2:])
    assert ascent._search._cache_size() == compiled


@pytest.mark.parametrize("degree", [16, 32])
def test_slots_to_spare_change_nothing(degree):
    bare = LaggedNetwork.bare(NAMES, 2)
    datas = [bare.prepare(series(9))]
    wide = bare.at_capacity(replace(bare.packed.capacity, degree=degree))
    one, other = settled(bare, datas), settled(wide, datas)
    assert ends(one, 0) == ends(other, 0)
    np.testing.assert_allclose(weights(one, 0), weights(other, 0), rtol=1e-12)


def test_a_search_from_a_fixed_point_stays_there():
    bare = LaggedNetwork.bare(NAMES, 2)
    data = bare.prepare(series(2))
    end, _ = searched(bare, data)
    found = settled(end, [data])
    assert ends(found, 0) == rows(end)
    assert eqx.tree_equal(jax.tree.map(np.asarray, found.mask[0]), np.asarray(end.packed.mask))
