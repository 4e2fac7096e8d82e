"""Probabilities of edges, against the enumeration of every parent set."""

from __future__ import annotations

import itertools
import math

import jax
import numpy as np
import pandas as pd
import pytest

from sostruct.discovery.estimator import CausalDiscovery
from sostruct.networks.lagged.moments import LaggedData
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.networks.lagged.sampling import Prior, Probabilities, probabilities
from sostruct.surprise import Signals

from .reference import design, log_evidence, series

NAMES = ("a", "b", "c")
LAGS = 2
TERMS = len(NAMES) * LAGS
STRENGTH = 4.0
SHIFT = (0.3, 1.1)
KEY = jax.random.key(0)
LONG = 30_000
"""Moves after which a chain's averages are within 0.01 of their limits."""


def settled(values: np.ndarray, max_lag: int = LAGS, **rules) -> tuple[LaggedNetwork, Signals, LaggedData]:
    """The network of a search, the signals of an epoch on it, and its data."""
    names = NAMES if values.shape[1] == 3 else [f"x{number}" for number in range(values.shape[1])]
    frame = pd.DataFrame(values, columns=list(names))
    learner = CausalDiscovery(max_lag, **rules)
    network = learner.starting(frame)[1].at_topology(learner.fit(frame).result_.journal.final)
    data = network.prepare(values)
    return *network.epoch(data, key=KEY), data


def sampled(values: np.ndarray, *, prior: Prior | None, seed: int = 0, steps: int = LONG, **rules) -> Probabilities:
    network, signals, data = settled(values, **rules)
    return probabilities(network.packed, signals.gains, data, seed=seed, steps=steps, prior=prior)


def score(target: np.ndarray, terms: np.ndarray, chosen: tuple[int, ...], log_odds: np.ndarray) -> float:
    """Log evidence under the moment prior, factor by factor, plus the structure prior: from the equations."""
    table = terms[:, chosen]
    inverse = np.linalg.inv(table.T @ table + STRENGTH * np.eye(len(chosen)))
    weight = inverse @ table.T @ target
    rss = target @ target - weight @ table.T @ target
    factors = STRENGTH * (len(target) * weight**2 / rss + np.diag(inverse))
    return log_evidence(target, table, STRENGTH) + float(np.log(factors).sum() + log_odds[list(chosen)].sum())


def enumerated(values: np.ndarray, legal=lambda target, chosen: True) -> tuple[np.ndarray, np.ndarray]:
    """P(term) and P(any term of a cause) by all 2^6 parent sets of every target."""
    targets, terms = design(values, LAGS)
    odds = math.log((2 / TERMS) / (1 - 2 / TERMS))
    by_term, by_cause = np.zeros((3, TERMS)), np.zeros((3, 3))
    subsets = [s for size in range(TERMS + 1) for s in itertools.combinations(range(TERMS), size)]
    for target in range(3):
        log_odds = odds + np.where(np.arange(TERMS) % 3 == target, SHIFT[1], SHIFT[0])
        allowed = [chosen for chosen in subsets if legal(target, chosen)]
        scores = np.array([score(targets[:, target], terms, chosen, log_odds) for chosen in allowed])
        share = np.exp(scores - np.logaddexp.reduce(scores))
        for chosen, probability in zip(allowed, share, strict=True):
            by_term[target, list(chosen)] += probability
            by_cause[target, sorted({term % 3 for term in chosen})] += probability
    return by_term, by_cause


@pytest.mark.parametrize("seed", [1, 5])
def test_probabilities_are_those_of_all_parent_sets(seed):
    values = series(seed, 3, 30)
    found = sampled(values, prior=Prior(SHIFT, STRENGTH))
    term, cause = enumerated(values)
    assert ((term > 0.1) & (term < 0.9)).sum() >= 3, "too easy a case"
    np.testing.assert_allclose(found.term, term, atol=0.012)
    np.testing.assert_allclose(found.cause, cause, atol=0.012)


def test_constraints_are_kept():
    values = series(3, 3, 30)

    def legal(target: int, chosen: tuple[int, ...]) -> bool:
        if target == 0:
            return 1 not in chosen and 4 not in chosen
        if target == 1:
            return 3 in chosen
        return bool({0, 3} & set(chosen))

    found = sampled(values, prior=Prior(SHIFT, STRENGTH), forbidden=[("b", "a")], required=[("a", "b", 2), ("a", "c")])
    term, cause = enumerated(values, legal)
    assert found.term[0, 1] == found.term[0, 4] == found.cause[0, 1] == 0.0
    assert found.term[1, 3] == 1.0
    assert found.cause[1, 0] == found.cause[2, 0] == 1.0
    np.testing.assert_allclose(found.term, term, atol=0.012)
    np.testing.assert_allclose(found.cause, cause, atol=0.012)


def test_terms_beyond_the_candidates_have_their_probability_at_the_graph(monkeypatch):
    """With two candidates per target, every other term is priced at the found graph."""
    values = series(1, 3, 30)
    network, signals, data = settled(values)
    monkeypatch.setattr("sostruct.networks.lagged.sampling.CANDIDATES", (2,))
    few = probabilities(network.packed, signals.gains, data, seed=0, prior=Prior(SHIFT, STRENGTH))
    targets, terms = design(values, LAGS)
    odds = math.log((2 / TERMS) / (1 - 2 / TERMS))
    add = np.asarray(signals.gains.add)
    checked = 0
    for target in range(3):
        mask = np.asarray(network.packed.mask)[target]
        parents = tuple(np.asarray(network.packed.active)[target][mask].tolist())
        width = max(2, int(np.asarray(network.packed.mask).sum(axis=1).max()))
        ranked = [*parents, *[k for k in np.argsort(-add[target]) if k not in parents]]
        log_odds = odds + np.where(np.arange(TERMS) % 3 == target, SHIFT[1], SHIFT[0])
        for term in ranked[width:]:
            if parents:
                continue  # the parents' own factors and ridge are left as they are: exact without parents only
            gain = score(targets[:, target], terms, (term,), log_odds) - score(targets[:, target], terms, (), log_odds)
            assert few.term[target, term] == pytest.approx(1 / (1 + math.exp(-gain)), abs=1e-9)
            checked += 1
    assert checked >= 3
    assert np.all((few.term > 0) & (few.term < 1))


def test_the_same_seed_gives_the_same_numbers_and_another_one_close_ones():
    values = series(5, 3, 30)
    one, again, other = (sampled(values, prior=None, seed=seed, steps=768) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.term, again.term)
    assert (one.term != other.term).any()
    np.testing.assert_allclose(other.term, one.term, atol=0.1)


def test_density_and_strength_are_learned():
    """Twelve series, none or all of which drive their neighbor: the share of links follows, and so does their size."""
    generator = np.random.default_rng(0)
    noise = generator.normal(size=(400, 12))
    learned = {}
    for strength in (0.0, 0.25, 0.6):
        values = noise.copy()
        for step in range(1, 400):
            values[step] += strength * np.roll(values[step - 1], 1)
        learned[strength] = sampled(values, prior=None, steps=768).prior
    assert learned[0.0].shift[0] < -1 < learned[0.6].shift[0]
    assert learned[0.6].shift[1] < 0, "no series depends on its own past"
    # standardized weights have w^2 / s2 = a^2 / (1 - a^2), and the prior counts as four of 1
    for strength in (0.25, 0.6):
        expected = (12 * strength**2 / (1 - strength**2) + 4) / 16
        assert 3 / learned[strength].strength == pytest.approx(expected, rel=0.2)
