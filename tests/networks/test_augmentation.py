"""Graphs, weights and missing values drawn in turns: against the chains of a complete series, and against the truth."""

import equinox as eqx
import jax
import numpy as np
import pandas as pd
import pytest

from sostruct.discovery.estimator import CausalDiscovery, discover
from sostruct.networks.lagged import augmentation
from sostruct.networks.lagged.augmentation import augmented
from sostruct.networks.lagged.gaps import Process
from sostruct.networks.lagged.moments import moments
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.networks.lagged.sampling import Prior, probabilities
from sostruct.networks.lagged.turns import Gaps
from sostruct.tasks import SparseVAR

from .reference import series

LAGS = 2
ROWS = 30


def drawn(values: np.ndarray, draws: int, prior: Prior | None = None, lags: int = LAGS, **rules):
    """What is drawn from a series, and the network that its priors are of."""
    names = [f"x{number}" for number in range(values.shape[1])]
    network = LaggedNetwork.bare(names, lags, **rules)
    observed = ~np.isnan(values)
    gaps = Gaps(np.where(observed, values, 0.0), observed, np.arange(len(values)) >= lags)
    active = np.asarray(network.packed.prior.required)
    start = Process(np.zeros(active.shape), np.ones(len(names)), np.zeros(len(names)))
    return augmented(gaps, network.packed, active, start, lags, seed=0, draws=draws, prior=prior), network


def test_without_gaps_probabilities_are_those_of_the_chains():
    values = series(1, 3, ROWS)
    prior = Prior((0.3, 1.1), 4.0)
    found, network = drawn(values, 4000, prior)
    data = network.prepare(values)
    network, signals = network.epoch(data, key=jax.random.key(0))
    chains = probabilities(network.packed, signals.gains, data, seed=0, steps=30_000, prior=prior)
    assert ((chains.term > 0.1) & (chains.term < 0.9)).sum() >= 3, "too easy a case"
    np.testing.assert_allclose(found.chances.term, chains.term, atol=0.02)
    np.testing.assert_allclose(found.chances.cause, chains.cause, atol=0.02)
    assert found.share == pytest.approx(1.0)
    raw = moments(values, LAGS)
    total = raw.first + raw.count * np.tile(raw.offset, LAGS + 1)
    np.testing.assert_allclose(found.first, total, atol=1e-9)


def evidence_of(values: np.ndarray, target: int, chosen: list[int], prior: Prior, log_odds: float) -> float:
    """Log evidence of a target's parents at lag 1 under the moment prior, in the units of the values."""
    past, own = values[:-1], values[1:, target]
    rows = len(own)
    standard = (past - past.mean(axis=0)) / past.std(axis=0)
    outcome = (own - own.mean()) / own.std()
    design = standard[:, chosen]
    inverse = np.linalg.inv(design.T @ design + prior.strength * np.eye(len(chosen)))
    weight = inverse @ design.T @ outcome
    rss = outcome @ outcome - weight @ design.T @ outcome
    moment = prior.strength * (rows * weight**2 / rss + np.diag(inverse))
    odds = [log_odds + prior.shift[link == target] for link in chosen]
    fit = -rows / 2 * np.log(rss) + np.linalg.slogdet(inverse)[1] / 2 + len(chosen) / 2 * np.log(prior.strength)
    return float(fit + np.log(moment).sum() + sum(odds) - rows * np.log(own.std()))


def test_two_missing_values_of_a_short_series_against_every_graph_and_value():
    """Both missing values on a grid, all 16 graphs on each of its points."""
    values = np.random.default_rng(3).normal(size=(14, 2))
    values[1:, 1] += 0.9 * values[:-1, 0]
    values = (values - values.mean(axis=0)) / values.std(axis=0)
    values[5, 0], values[9, 0] = np.nan, np.nan
    prior = Prior((0.2, -0.4), 3.0)
    found, network = drawn(values, 3000, prior, lags=1)
    sets = [[], [0], [1], [0, 1]]
    log_odds = float(np.asarray(network.packed.prior.log_odds)[0, 0])
    grid = np.linspace(-5, 5, 41)
    weight, share = [], []
    for one in grid:
        for other in grid:
            whole = values.copy()
            whole[5, 0], whole[9, 0] = one, other
            table = np.array(
                [[evidence_of(whole, target, chosen, prior, log_odds) for chosen in sets] for target in (0, 1)]
            )
            total = np.logaddexp.reduce(table, axis=1)
            chance = np.exp(table - total[:, None])
            weight.append(total.sum())
            share.append(np.stack([chance[:, 1] + chance[:, 3], chance[:, 2] + chance[:, 3]], axis=1))
    weight = np.exp(np.array(weight) - max(weight))
    exact = np.tensordot(weight / weight.sum(), np.array(share), axes=1)
    np.testing.assert_allclose(found.chances.term, exact, atol=0.03)


def test_constraints_are_kept():
    values = series(3, 3, ROWS)
    values[::4, 0] = np.nan
    found, _ = drawn(values, 40, forbidden=[("x1", "x0")], required=[("x0", "x1", 2), ("x0", "x2")])
    term, cause = found.chances.term, found.chances.cause
    assert term[0, 1] == term[0, 4] == cause[0, 1] == 0.0
    assert term[1, 3] == 1.0
    assert cause[1, 0] == cause[2, 0] == 1.0


def test_terms_that_may_not_flip_have_their_probability_at_every_draw(monkeypatch):
    """With fewer candidates than terms, the others are priced beside the parents of each draw."""
    values = series(5, 3, ROWS)
    values[::5, 1] = np.nan
    every, _ = drawn(values, 100)
    monkeypatch.setattr(augmentation, "_CANDIDATES", 3)
    monkeypatch.setattr(augmentation, "_ROOM", 0)
    few, _ = drawn(values, 100)
    assert (few.chances.term > 0).all()
    likely = every.chances.term > 0.5
    assert (few.chances.term[likely] > 0.3).all()
    assert (few.chances.term[every.chances.term < 0.1] < 0.3).all()


def test_numbers_of_draws_and_data_of_one_shape_share_a_program(monkeypatch):
    counted = eqx.debug.assert_max_traces(augmentation.drawn.__wrapped__, max_traces=1)
    monkeypatch.setattr(augmentation, "drawn", eqx.filter_jit(counted))
    for seed, draws in ((2, 3), (3, 5)):
        values = series(seed, 3, ROWS)
        values[3:9, seed % 3] = np.nan
        drawn(values, draws)
    assert eqx.debug.get_num_traces(counted) == 1


@pytest.mark.slow
def test_probabilities_through_gaps_are_as_calibrated_as_without():
    """Of the edges with a stated probability around q, about a share q is there."""
    task = SparseVAR(nodes=5, steps=100, max_lag=LAGS, parents=1.0)
    other = np.arange(5 * LAGS) % 5 != np.arange(5)[:, None]
    distance = {}
    for share in (0.0, 0.3):
        parts = []
        for seed in range(60):
            frame = task.load(seed).frame
            frame = frame.mask(np.random.default_rng(seed).random(frame.shape) < share)
            chance = discover(frame, LAGS).posterior.probability
            actual = task.coefficients(seed).transpose(1, 0, 2).reshape(5, -1) != 0
            parts.append(pd.DataFrame({"stated": chance[other], "true": actual[other]}))
        table = pd.concat(parts)
        doubtful = table[(table["stated"] > 0.05) & (table["stated"] < 0.95)]
        assert len(doubtful) > 200
        bins = doubtful.groupby(pd.cut(doubtful["stated"], 9), observed=True)
        off = (bins["stated"].mean() - bins["true"].mean()).abs()
        distance[share] = np.average(off, weights=bins.size())
    assert distance[0.3] < distance[0.0] + 0.04


def test_another_seed_gives_close_numbers():
    values = series(4, 3, ROWS)
    values[np.random.default_rng(0).random(values.shape) < 0.3] = np.nan
    frame = pd.DataFrame(values, columns=["a", "b", "c"])
    one, again, other = (CausalDiscovery(LAGS, seed=seed).fit(frame).result_.posterior for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.probability, again.probability)
    assert (one.probability != other.probability).any()
    np.testing.assert_allclose(one.probability, other.probability, atol=0.2)
