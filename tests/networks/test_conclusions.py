"""What a graph says about its edges, against removing and adding them by brute force."""

import jax
import numpy as np
import pytest

from sostruct.graph import AddEdge, Edge
from sostruct.networks.lagged.conclusions import conclude
from sostruct.networks.lagged.network import LaggedNetwork

from .reference import design, score, series

NAMES = ("a", "b", "c")
LAGS = 3
ACTIVE = {0: [0, 3, 6, 1], 1: [], 2: [2, 5, 7]}
KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def case():
    edges = [
        AddEdge(Edge(NAMES[term % 3], NAMES[target], lag=1 + term // 3))
        for target, terms in ACTIVE.items()
        for term in terms
    ]
    network = LaggedNetwork.bare(NAMES, LAGS).edited(edges, key=KEY)
    values = series(21, 3, 60)
    data = network.prepare(values)
    believed, signals = network.epoch(data, key=KEY)
    targets, terms = design(values, LAGS)
    return conclude(believed, signals, data), targets, terms, np.log((2 / 9) / (7 / 9))


def test_nats_are_the_evidence_for_each_edge_given_the_others(case) -> None:
    found, targets, terms, log_odds = case
    for j, active in ACTIVE.items():
        base = score(targets[:, j], terms, active, log_odds)
        for k in range(9):
            other = [term for term in active if term != k] if k in active else [*active, k]
            difference = base - score(targets[:, j], terms, other, log_odds)
            assert found.nats[j, k] == pytest.approx(difference if k in active else -difference, abs=1e-8)
            assert found.active[j, k] == (k in active)


def test_summary_removes_all_lags_together_or_lets_one_enter(case) -> None:
    found, targets, terms, log_odds = case
    for j, active in ACTIVE.items():
        base = score(targets[:, j], terms, active, log_odds)
        for cause in range(3):
            own = [term for term in active if term % 3 == cause]
            if own:
                rest = [term for term in active if term % 3 != cause]
                expected = base - score(targets[:, j], terms, rest, log_odds)
            else:
                entered = [score(targets[:, j], terms, [*active, k], log_odds) - base for k in range(cause, 9, 3)]
                expected = np.logaddexp.reduce(entered)
            assert found.summary[j, cause] == pytest.approx(expected, abs=1e-8)


def test_weights_of_absent_terms_are_those_they_would_have(case) -> None:
    found, targets, terms, _ = case
    count = len(targets)
    for j, active in ACTIVE.items():
        for k in range(9):
            chosen = active if k in active else [*active, k]
            table = terms[:, chosen]
            inverse = np.linalg.inv(table.T @ table + np.eye(len(chosen)))
            weight = inverse @ table.T @ targets[:, j]
            rss = targets[:, j] @ targets[:, j] - weight @ table.T @ targets[:, j]
            place = chosen.index(k)
            assert found.weight[j, k] == pytest.approx(weight[place], abs=1e-10)
            spread = np.sqrt(rss / (count - 2) * inverse[place, place])
            assert found.weight_sd[j, k] == pytest.approx(spread, rel=1e-9)


def test_noise_is_the_unexplained_part(case) -> None:
    found, targets, terms, _ = case
    table = terms[:, ACTIVE[0]]
    weight = np.linalg.solve(table.T @ table + np.eye(4), table.T @ targets[:, 0])
    rss = targets[:, 0] @ targets[:, 0] - weight @ table.T @ targets[:, 0]
    assert found.noise_sd[0] == pytest.approx(np.sqrt(rss / (len(targets) - 2)))
