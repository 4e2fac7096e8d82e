"""Every price against the difference of two marginal likelihoods computed by brute force."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sostruct.graph import AddEdge, Edge
from sostruct.networks.lagged.network import LaggedNetwork

from .reference import design, log_evidence, score, series

LAGS, NODES = 2, 4
NAMES = tuple(f"v{index}" for index in range(NODES))
KEY = jax.random.key(0)
ACTIVE = {0: [1, 4], 1: [], 2: [0, 2, 7], 3: [5]}
"""Active terms of each target: term (lag - 1) p + i."""


def network(ridge: float = 1.0) -> LaggedNetwork:
    edges = [
        AddEdge(Edge(NAMES[term % NODES], NAMES[target], lag=1 + term // NODES))
        for target, terms in ACTIVE.items()
        for term in terms
    ]
    return LaggedNetwork.bare(NAMES, LAGS, ridge=ridge).edited(edges, key=KEY)


@pytest.fixture(scope="module", params=[1.0, 0.3])
def case(request: pytest.FixtureRequest):
    ridge = request.param
    values = series(11, NODES, 50)
    start = network(ridge)
    after, signals = start.epoch(start.prepare(values), key=KEY)
    targets, terms = design(values, LAGS)
    log_odds = np.log(0.25 / 0.75)
    return ridge, after, signals, targets, terms, log_odds


def test_surprise_is_minus_the_log_marginal_density(case) -> None:
    ridge, _, signals, targets, terms, log_odds = case
    expected = [log_evidence(targets[:, j], terms[:, ACTIVE[j]], ridge) for j in range(NODES)]
    np.testing.assert_allclose(-signals.surprise, expected, rtol=1e-10)
    structure = log_odds * sum(map(len, ACTIVE.values()))
    np.testing.assert_allclose(signals.evidence, sum(expected) + structure, rtol=1e-10)


def test_add_prices(case) -> None:
    ridge, _, signals, targets, terms, log_odds = case
    for j, active in ACTIVE.items():
        base = score(targets[:, j], terms, active, log_odds, ridge)
        for k in range(terms.shape[1]):
            price = float(signals.gains.add[j, k])
            if k in active:
                assert price == -np.inf
            else:
                assert price == pytest.approx(
                    score(targets[:, j], terms, [*active, k], log_odds, ridge) - base, abs=1e-8
                )


def test_prune_and_rewire_prices(case) -> None:
    ridge, _, signals, targets, terms, log_odds = case
    for j, active in ACTIVE.items():
        base = score(targets[:, j], terms, active, log_odds, ridge)
        for slot in range(signals.gains.prune.shape[1]):
            prune, rewire = float(signals.gains.prune[j, slot]), float(signals.gains.rewire[j, slot])
            if slot >= len(active):
                assert prune == rewire == -np.inf
                continue
            rest = [term for term in active if term != active[slot]]
            assert prune == pytest.approx(score(targets[:, j], terms, rest, log_odds, ridge) - base, abs=1e-8)
            swaps = {
                k: score(targets[:, j], terms, [*rest, k], log_odds, ridge) - base
                for k in range(terms.shape[1])
                if k not in active
            }
            best = max(swaps, key=swaps.__getitem__)
            assert rewire == pytest.approx(swaps[best], abs=1e-8)
            assert int(signals.gains.replacement[j, slot]) == best


def test_posterior_is_the_ridge_regression(case) -> None:
    ridge, after, signals, targets, terms, _ = case
    for j, active in ACTIVE.items():
        design_matrix = terms[:, active]
        precision = design_matrix.T @ design_matrix + ridge * np.eye(len(active))
        weight = np.linalg.solve(precision, design_matrix.T @ targets[:, j])
        np.testing.assert_allclose(after.packed.weight[j, : len(active)], weight, atol=1e-10)
        np.testing.assert_allclose(
            after.packed.inverse[j, : len(active), : len(active)], np.linalg.inv(precision), atol=1e-10
        )
        rss = targets[:, j] @ targets[:, j] - weight @ design_matrix.T @ targets[:, j]
        np.testing.assert_allclose(signals.error[j] ** 2, rss / len(targets), rtol=1e-10)


def test_expected_surprise_is_the_entropy_of_the_fitted_prediction(case) -> None:
    _, _, signals, targets, _, _ = case
    entropy = len(targets) / 2 * np.log(2 * np.pi * np.e * np.asarray(signals.error) ** 2)
    np.testing.assert_allclose(signals.expected, entropy, rtol=1e-10)
    np.testing.assert_allclose(signals.precision, 1 / np.asarray(signals.error) ** 2, rtol=1e-10)


def test_prices_stay_finite_on_noiseless_data() -> None:
    steps = np.arange(200.0)
    wave = np.stack([np.sin(0.3 * steps), np.cos(0.3 * steps), np.sin(0.3 * steps + 1)], axis=1)
    start = LaggedNetwork.bare(("a", "b", "c"), 2)
    _, signals = start.epoch(start.prepare(wave), key=KEY)
    assert not jnp.isnan(signals.gains.add).any()
    assert jnp.isfinite(signals.gains.reducible).all()
