"""Confounded VARs: hidden causes leave a correlation that no edge explains, and nothing else."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from sostruct.errors import ConfigError
from sostruct.tasks import ConfoundedVAR, SparseVAR

from .linear import coefficients, refit
from .refusals import refused


def pairs(task: ConfoundedVAR, seed: int) -> dict[tuple[int, int], float]:
    """The pairs that the truth says have a hidden cause in common, with their strengths."""
    return {
        (int(one[1:]), int(other[1:])): data["strength"]
        for one, other, data in task.load(seed).truth.edges(data=True)
        if data["mark"] == "bidirected"
    }


def test_least_squares_find_the_lagged_links_alone() -> None:
    task = ConfoundedVAR(nodes=6, steps=40_000, max_lag=2, confounding=(1.0, 1.5))
    known = coefficients(task.load(5).truth, 2)
    np.testing.assert_array_equal(known, SparseVAR(nodes=6, max_lag=2).coefficients(5))
    np.testing.assert_allclose(refit(task.load(5).frame.to_numpy(), 2)[0], known, atol=0.02)


@pytest.mark.parametrize("shape", ["laplace", "gaussian"])
def test_what_lagged_links_leave_is_correlated_where_a_hidden_cause_is_shared_and_nowhere_else(shape: str) -> None:
    task = ConfoundedVAR(nodes=9, steps=40_000, max_lag=2, latents=2, children=3, shape=shape)
    found = np.corrcoef(refit(task.load(1).frame.to_numpy(), 2)[1].T)
    strengths = pairs(task, 1)
    assert len(strengths) == 2 * 3
    for one, other in combinations(range(9), 2):
        assert found[one, other] == pytest.approx(strengths.get((one, other), 0.0), abs=0.02)
    assert min(map(abs, strengths.values())) > 0.15


def test_strengths_are_the_covariance_of_loadings_over_standard_deviations() -> None:
    task = ConfoundedVAR(nodes=7, latents=2, children=3, noise=3.0)
    loadings = task.loadings(8)
    assert ((loadings != 0).sum(axis=0) == 3).all()
    assert ((loadings != 0).sum(axis=1) <= 1).all()
    size = np.abs(loadings[loadings != 0])
    assert size.min() >= 0.5
    assert size.max() <= 1.0
    covariance = loadings @ loadings.T + np.eye(7)
    scale = np.sqrt(np.diag(covariance))
    for (one, other), strength in pairs(task, 8).items():
        assert strength == pytest.approx(covariance[one, other] / scale[one] / scale[other])
    shared = {pair for pair in combinations(range(7), 2) if covariance[pair] != 0}
    assert set(pairs(task, 8)) == shared


def test_no_linear_model_of_the_observed_series_makes_the_correlation_go_away() -> None:
    """More lags do not help: white hidden causes are not in the past."""
    task = ConfoundedVAR(nodes=4, steps=20_000, max_lag=1, latents=1)
    ((pair, strength),) = pairs(task, 0).items()
    left = refit(task.load(0).frame.to_numpy(), 6)[1]
    assert np.corrcoef(left.T)[pair] == pytest.approx(strength, abs=0.03)


def test_a_hidden_cause_that_persists_makes_the_past_of_one_child_predict_another() -> None:
    settings = {"nodes": 4, "steps": 40_000, "max_lag": 1, "latents": 1, "parents": 0.0, "confounding": (1.0, 1.0)}
    for persistence in (0.0, 0.9):
        task = ConfoundedVAR(persistence=persistence, **settings)
        (pair,) = pairs(task, 2)
        # without other links, x_j(t) - a_j x_j(t - 1) is W h + e exactly, of variance 2 and correlation 1/2
        values, own = task.load(2).frame.to_numpy(), coefficients(task.load(2).truth, 1)[0].diagonal()
        driven = values[1:] - own * values[:-1]
        assert driven[:, pair].var() == pytest.approx(2.0, rel=0.1)
        assert abs(np.corrcoef(driven[:, pair].T)[0, 1]) == pytest.approx(0.5, abs=0.04)
        later = np.corrcoef(driven[1:, pair[0]], driven[:-1, pair[1]])[0, 1]
        assert abs(later) == pytest.approx(0.5 * persistence, abs=0.04)


def test_without_hidden_series_it_is_a_sparse_var() -> None:
    bare = ConfoundedVAR(nodes=5, steps=60, latents=0, shape="gaussian").load(3)
    plain = SparseVAR(nodes=5, steps=60).load(3)
    np.testing.assert_array_equal(bare.frame, plain.frame)
    assert not pairs(ConfoundedVAR(latents=0), 3)
    assert bare.truth_scope == ""
    assert ConfoundedVAR().load(3).truth_scope == "without hidden common causes"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("latents", 6),
        ("latents", -1),
        ("children", 1),
        ("confounding", (1.0, 0.5)),
        ("persistence", 1.0),
        ("shape", "cauchy"),
        ("shape", ["laplace"]),
    ],
)
def test_wrong_settings_are_named(setting: str, value: object) -> None:
    with refused(ConfigError, setting):
        ConfoundedVAR(**{setting: value})  # type: ignore[arg-type]
