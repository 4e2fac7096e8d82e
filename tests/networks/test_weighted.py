"""Weighted statistics: against a weighted regression written out, and against the unweighted path."""

import jax
import numpy as np
import pytest

from sostruct.errors import DataError
from sostruct.graph import AddEdge, Edge
from sostruct.networks.base import _epoch
from sostruct.networks.lagged.conclusions import conclude
from sostruct.networks.lagged.curved import CurvedTerms
from sostruct.networks.lagged.fixed_point import searched
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.networks.lagged.sampling import probabilities
from sostruct.networks.lagged.terms import LinearTerms
from sostruct.networks.lagged.weighted import Weights, fits, weighted

NAMES = ("a", "b", "c")
KEY = jax.random.key(0)


def series(seed: int = 0, rows: int = 80) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = np.zeros((rows, 3))
    for row in range(1, rows):
        values[row] = values[row - 1] @ np.array([[0.4, 0.5, 0], [0, 0.3, 0.4], [0, 0, 0.2]]) + rng.normal(size=3)
    return values + 5.0


def weights_of(values: np.ndarray, lag: int, seed: int = 1, share: float = 1.0) -> Weights:
    rng = np.random.default_rng(seed)
    rows = rng.gamma(2.0, size=(len(values) - lag, 3))
    rows /= rows.mean(axis=0)
    return Weights((values,), rows, np.ones_like(rows), np.full(3, share))


def alike(values: np.ndarray, lag: int) -> Weights:
    ones = np.ones((len(values) - lag, 3))
    return Weights((values,), ones, ones, np.ones(3))


def brute(values: np.ndarray, lag: int, own: np.ndarray, share: float, target: int, active: list[int]) -> dict:
    """Weighted ridge regression with a free intercept, in the units of its own standardization."""
    rows = len(values) - lag
    design = np.column_stack([values[lag - k : lag - k + rows, i] for k in range(1, lag + 1) for i in range(3)])
    y = values[lag:, target]
    center = lambda x: x - np.average(x, axis=0, weights=own)  # noqa: E731
    scale = lambda x: np.sqrt(np.average(center(x) ** 2, axis=0, weights=own))  # noqa: E731
    z, t = center(design) / scale(design), center(y) / scale(y)
    v = np.diag(own * share)
    inner = z[:, active].T @ v @ z[:, active] + np.eye(len(active))
    moment = z[:, active].T @ v @ t
    weight = np.linalg.solve(inner, moment)
    rss = t @ v @ t - moment @ weight
    n = share * rows
    evidence = -n / 2 * np.log(rss) - np.linalg.slogdet(inner)[1] / 2
    slope = weight * scale(y) / scale(design)[active]
    intercept = np.average(y, weights=own) - slope @ np.average(design, axis=0, weights=own)[active]
    return {"weight": weight, "evidence": evidence, "rss": rss, "slope": slope, "intercept": intercept, "n": n}


@pytest.mark.parametrize("share", [1.0, 0.7])
def test_weighted_regression_and_every_price(share: float) -> None:
    values, lag = series(), 2
    weights = weights_of(values, lag, share=share)
    edges = [AddEdge(Edge("a", "b", lag=1)), AddEdge(Edge("b", "b", lag=2))]
    network = LaggedNetwork.bare(NAMES, lag).weighted(weights).edited(edges, key=KEY)
    data = network.prepare(values)
    network, signals = network.epoch(data, key=KEY)
    now = brute(values, lag, weights.rows[:, 1], share, 1, [0, 4])
    np.testing.assert_allclose(np.asarray(network.packed.weight)[1, :2], now["weight"], rtol=1e-9)
    np.testing.assert_allclose(np.asarray(network.packed.noise)[1] * now["n"], now["rss"], rtol=1e-9)
    odds = np.asarray(network.packed.prior.log_odds)[1]
    for column in (1, 2, 3, 5):
        after = brute(values, lag, weights.rows[:, 1], share, 1, sorted([0, 4, column]))
        gain = after["evidence"] - now["evidence"] + odds[column]
        np.testing.assert_allclose(np.asarray(signals.gains.add)[1, column], gain, rtol=1e-7, atol=1e-9)
    less = brute(values, lag, weights.rows[:, 1], share, 1, [4])
    loss = less["evidence"] - now["evidence"] - odds[0]
    np.testing.assert_allclose(np.asarray(signals.gains.prune)[1, 0], loss, rtol=1e-7)
    found = conclude(network, signals, data)
    np.testing.assert_allclose(found.nats[1, 0], -loss, rtol=1e-7)
    np.testing.assert_allclose(found.weight[1, [0, 4]], now["weight"], rtol=1e-9)
    absent = np.asarray(signals.surprise)[0]
    empty = brute(values, lag, weights.rows[:, 0], share, 0, [])
    full = network.edited([AddEdge(Edge("c", "a", lag=1))], key=KEY).epoch(data, key=KEY)[1]
    other = brute(values, lag, weights.rows[:, 0], share, 0, [2])
    np.testing.assert_allclose(absent - np.asarray(full.surprise)[0], other["evidence"] - empty["evidence"], rtol=1e-7)


def test_equal_weights_are_the_unweighted_path() -> None:
    values, lag = series(), 3
    plain = LaggedNetwork.bare(NAMES, lag)
    other = plain.weighted(alike(values, lag))
    plain_data, data = plain.prepare(values), other.prepare(values)
    plain, plain_signals = searched(plain, plain_data)
    other, signals = searched(other, data)
    assert plain.topology == other.topology
    for left, right in zip(jax.tree.leaves(plain_signals), jax.tree.leaves(signals), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-9)
    one = probabilities(plain.packed, plain_signals.gains, plain_data, seed=0)
    two = probabilities(other.packed, signals.gains, data, seed=0)
    np.testing.assert_allclose(one.term, two.term, atol=1e-9)
    np.testing.assert_allclose(one.cause, two.cause, atol=1e-9)


def test_the_scale_of_curves_and_the_floor_carry_over() -> None:
    values, lag = series(), 1
    table = CurvedTerms.fitted(NAMES, lag, values)
    assert table is not None
    plain, other = table.prepared(values), weighted(table, alike(values, lag))
    for target in range(3):
        np.testing.assert_allclose(np.asarray(other.gram)[target], plain.gram, atol=1e-9)
        np.testing.assert_allclose(np.asarray(other.term_scale)[target], plain.term_scale, atol=1e-12)
    np.testing.assert_allclose(other.power, plain.power)
    np.testing.assert_allclose(other.slope, plain.slope)


def test_a_row_of_no_weight_is_as_good_as_gone() -> None:
    values, lag = series(), 1
    weights = alike(values, lag)
    rows = weights.rows.copy()
    rows[30] = 1e-12
    spoiled = values.copy()
    spoiled[31] = 1e3  # the target of row 30
    own = Weights((spoiled,), rows / rows.mean(axis=0), rows, np.ones(3))
    gone = weighted(LinearTerms(NAMES, lag), own)
    kept = np.delete(np.arange(len(values) - 1), 30)
    target = values[1:, 0]
    np.testing.assert_allclose(np.asarray(gone.target_mean)[0], target[kept].mean(), rtol=0.2)


def test_segments_follow_each_other() -> None:
    values, lag = series(rows=120), 2
    parts = (values[:50], values[50:])
    rows = np.concatenate([np.ones((48, 3)), np.ones((68, 3))])
    data = weighted(LinearTerms(NAMES, lag), Weights(parts, rows, rows, np.ones(3)))
    design = np.concatenate([np.column_stack([part[1:-1], part[:-2]]) for part in parts])
    np.testing.assert_allclose(np.asarray(data.term_mean)[0], design.mean(axis=0))
    np.testing.assert_allclose(np.asarray(data.gram)[2], 116 * np.corrcoef(design.T), atol=1e-9)


def test_other_weights_do_not_retrace_and_are_float64() -> None:
    values, lag = series(), 2
    network = LaggedNetwork.bare(NAMES, lag)
    first = network.weighted(weights_of(values, lag, 1))
    first.epoch(first.prepare(values), key=KEY)
    traced = _epoch._cache_size()
    for seed in (2, 3):
        again = network.weighted(weights_of(values, lag, seed, share=0.5))
        data = again.prepare(values)
        again.epoch(data, key=KEY)
        assert all(np.asarray(leaf).dtype == np.float64 for leaf in jax.tree.leaves(data))
    assert _epoch._cache_size() == traced


def test_weights_stay_with_the_network_and_fit_no_other_series() -> None:
    values, lag = series(), 2
    network = LaggedNetwork.bare(NAMES, lag).weighted(weights_of(values, lag))
    edited = network.edited([AddEdge(Edge("a", "b", lag=1))], key=KEY)
    assert edited.weights is network.weights
    assert edited.with_packed(edited.packed).weights is network.weights
    with pytest.raises(DataError, match="weighs the rows of another one"):
        network.prepare(values[:-1])
    assert network.weighted(None).prepare(values[:-1]).count == len(values) - 3


def test_large_tables_do_not_fit() -> None:
    assert fits(LinearTerms(tuple(map(str, range(100))), 3))
    assert not fits(LinearTerms(tuple(map(str, range(1000))), 1))
