"""The compiled search: where slots run out, what it says of the posterior there, and how often it compiles."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest

from sostruct.graph import AddEdge, Edge
from sostruct.networks.lagged import ascent
from sostruct.networks.lagged.ascent import LEAST, ascended
from sostruct.networks.lagged.current import SLOTS, refitted, starting_sets
from sostruct.networks.lagged.curved import CurvedTerms
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.networks.lagged.settling import settled

from .reference import series

NAMES = ("a", "b", "c", "d")


def crowded_system(series: int = 12, steps: int = 800):
    """The first of all series follows every other one."""
    values = np.random.default_rng(1).normal(size=(steps, series))
    values[1:, 0] += 0.5 * values[:-1, 1:].sum(axis=1)
    network = LaggedNetwork.bare(tuple(f"x{number}" for number in range(series)), 1)
    return network, network.prepare(values)


def searched(network, data, width=None):
    packed = network.packed
    active, mask = (np.asarray(leaf)[None] for leaf in (packed.active, packed.mask))
    if width is not None:
        active, mask = (np.pad(leaf, ((0, 0), (0, 0), (0, width - leaf.shape[2]))) for leaf in (active, mask))
    return ascended(packed, [data], active, mask)


def rows(ends):
    return [active[used].tolist() for active, used in zip(ends.active[0], ends.mask[0], strict=True)]


def test_sets_without_room_grow_no_further_and_say_so():
    network, data = crowded_system()
    few, many = searched(network, data), searched(network, data, 16)
    assert few.mask.shape[2] == 8
    assert few.crowded[0].tolist() == [True] + [False] * 11
    assert few.mask[0, 0].all()
    assert not many.crowded.any()
    assert rows(few)[1:] == rows(many)[1:]
    assert len(rows(many)[0]) >= 11
    full = network.edited([AddEdge(Edge(f"x{cause}", "x0", lag=1)) for cause in rows(few)[0]], key=jax.random.key(0))
    _, signals = full.epoch(data, key=jax.random.key(0))
    add, prune, rewire = (np.asarray(getattr(signals.gains, move))[0] for move in ("add", "prune", "rewire"))
    assert add.max() > LEAST
    assert max(prune.max(), rewire.max()) <= LEAST


def test_a_block_needs_as_many_slots_as_it_has_columns():
    generator = np.random.default_rng(0)
    values = generator.normal(size=(300, 2))
    values[1:, 1] += np.sin(3 * values[:-1, 0])
    table = CurvedTerms.fitted(("a", "b"), 1, values)
    network = LaggedNetwork.bare(("a", "b"), 1, terms=table)
    size = table.layout.size
    active, mask = np.zeros((1, 2, size - 1), np.int64), np.zeros((1, 2, size - 1), bool)
    few = ascended(network.packed, [table.prepared(values)], active, mask)
    assert few.crowded[0].tolist() == [False, True]
    assert all(column < table.layout.singles for column in rows(few)[1])
    enough = searched(network, table.prepared(values), 32)
    assert not enough.crowded.any()
    assert len(rows(enough)[1]) >= size


@pytest.mark.parametrize("seed", range(3))
def test_posteriors_are_ridge_regressions_on_the_sets(seed):
    bare = LaggedNetwork.bare(NAMES, 2, expected_parents=1.0)
    data = bare.prepare(series(seed))
    ends = searched(bare, data)
    gram, cross, power = (np.asarray(part) for part in (data.gram, data.cross, data.power))
    log_odds = np.log((1 / 8) / (7 / 8))
    for target, own in enumerate(rows(ends)):
        precision = gram[np.ix_(own, own)] + np.eye(len(own))
        weight = np.linalg.solve(precision, cross[target, own])
        slots = slice(0, len(own))
        np.testing.assert_allclose(ends.weight[0, target, slots], weight, rtol=1e-9)
        np.testing.assert_allclose(ends.inverse[0, target, slots, slots], np.linalg.inv(precision), rtol=1e-9)
        assert not ends.weight[0, target, len(own) :].any()
        np.testing.assert_allclose(ends.rss[0, target], power[target] - weight @ cross[target, own], rtol=1e-9)
        penalty = len(own) * log_odds - np.linalg.slogdet(precision)[1] / 2
        np.testing.assert_allclose(ends.penalty[0, target], penalty, rtol=1e-9)


def test_refits_and_resamples_of_one_shape_share_a_program():
    network = LaggedNetwork.bare(NAMES, 2)
    first, second, third = (network.prepare(series(seed)) for seed in range(3))
    sets = refitted(network.packed, first, starting_sets(network.packed)).sets
    compiled = ascent._search._cache_size()
    refitted(network.packed, second, sets)
    refitted(network.packed, third, sets)
    wide = network.at_capacity(replace(network.packed.capacity, degree=SLOTS))
    settled(wide, [third])
    assert ascent._search._cache_size() == compiled
