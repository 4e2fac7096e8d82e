"""Sparse VARs against the equations that define them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sostruct.errors import ConfigError
from sostruct.tasks import SparseVAR
from sostruct.tasks.base import streams

from .refusals import refused


def companion(coefficients: np.ndarray) -> np.ndarray:
    """The textbook matrix: x(t), ..., x(t - L + 1) from their predecessors."""
    lags, nodes, _ = coefficients.shape
    matrix = np.zeros((lags * nodes, lags * nodes))
    matrix[:nodes] = np.concatenate(list(coefficients), axis=1)
    matrix[nodes:, :-nodes] = np.eye((lags - 1) * nodes)
    return matrix


def radius(coefficients: np.ndarray) -> float:
    return float(np.abs(np.linalg.eigvals(companion(coefficients))).max())


small = st.builds(
    SparseVAR,
    nodes=st.integers(2, 8),
    steps=st.integers(1, 30),
    max_lag=st.integers(1, 4),
    parents=st.floats(0, 1),
    strength=st.tuples(st.floats(0.05, 0.4), st.floats(0.4, 3.0)),
    radius=st.floats(0.3, 0.99),
    noise=st.floats(0.1, 10),
    burn_in=st.integers(0, 20),
)


@settings(max_examples=60, deadline=None)
@given(small, st.integers(0, 2**40))
def test_rows_satisfy_the_autoregression(task: SparseVAR, seed: int) -> None:
    """A plain loop over the dense coefficients gives the same series."""
    A = task.coefficients(seed)
    total = task.burn_in + task.steps
    noise = task.noise * streams(seed)[1].standard_normal((total, task.nodes))
    x = np.zeros((total + task.max_lag, task.nodes))
    for t in range(task.max_lag, total + task.max_lag):
        x[t] = noise[t - task.max_lag] + sum(A[lag - 1] @ x[t - lag] for lag in range(1, task.max_lag + 1))
    np.testing.assert_allclose(task.load(seed).frame, x[task.max_lag + task.burn_in :], rtol=1e-9, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(small, st.integers(0, 2**40))
def test_stable_by_construction(task: SparseVAR, seed: int) -> None:
    assert radius(task.coefficients(seed)) <= task.radius * (1 + 1e-6)


def test_scaling_moves_every_eigenvalue_alike_and_only_when_needed() -> None:
    settings_ = {"nodes": 6, "max_lag": 3, "strength": (0.3, 0.9)}
    loose = SparseVAR(radius=0.999, **settings_)
    seeds = [seed for seed in range(40) if radius(loose.coefficients(seed)) < 0.99]
    assert len(seeds) > 3
    for seed in seeds:
        free = loose.coefficients(seed)
        np.testing.assert_array_equal(SparseVAR(radius=0.99, **settings_).coefficients(seed), free)
        bound = SparseVAR(radius=0.4, **settings_).coefficients(seed)
        np.testing.assert_allclose(radius(bound), 0.4, rtol=1e-9)
        scale = 0.4 / radius(free)
        np.testing.assert_allclose(bound, free * scale ** np.arange(1, 4)[:, None, None], rtol=1e-9)
        before, after = (np.sort(np.abs(np.linalg.eigvals(companion(A)))) for A in (free, bound))
        np.testing.assert_allclose(after, scale * before, rtol=1e-6, atol=1e-4)  # zero eigenvalues are ill-conditioned


def test_autocovariances_solve_the_yule_walker_equations() -> None:
    task = SparseVAR(nodes=4, steps=60_000, max_lag=2, parents=1.5, noise=2.0, burn_in=500)
    A = task.coefficients(1)
    C = companion(A)
    Q = np.zeros_like(C)
    Q[:4, :4] = 4.0 * np.eye(4)
    # stationary covariance of the companion state: S = C S C' + Q, as one linear system
    S = np.linalg.solve(np.eye(64) - np.kron(C, C), Q.reshape(-1)).reshape(8, 8)
    gamma = [S[:4, :4], S[:4, 4:]]
    gamma.append(A[0] @ gamma[1] + A[1] @ gamma[0])  # Yule-Walker beyond the state
    x = task.load(1).frame.to_numpy()
    scale = np.sqrt(np.diag(gamma[0]))
    for lag, expected in enumerate(gamma):
        found = x[lag:].T @ x[: len(x) - lag] / (len(x) - lag)
        np.testing.assert_allclose(found / np.outer(scale, scale), expected / np.outer(scale, scale), atol=0.03)
    np.testing.assert_allclose(x.mean(axis=0) / scale, 0, atol=0.05)


def test_structure_has_the_stated_law() -> None:
    task = SparseVAR(nodes=150, steps=1, max_lag=4, parents=2.0, strength=(0.01, 0.02), burn_in=0)
    A = task.coefficients(0)
    present = A != 0
    itself = np.eye(150, dtype=bool)
    assert present[0][itself].all()
    assert not present[1:, itself].any()
    links = present & ~itself
    assert links.sum(axis=0).max() == 1  # one lag per ordered pair
    count = links.sum()
    assert abs(count - 300) < 5 * np.sqrt(300)
    by_lag = links.sum(axis=(1, 2))
    assert ((by_lag - count / 4) ** 2 / (count / 4)).sum() < 30  # chi-squared, 3 degrees of freedom
    weights = A[present]
    assert ((np.abs(weights) >= 0.01) & (np.abs(weights) <= 0.02)).all()
    assert abs(np.sign(weights).sum()) < 5 * np.sqrt(len(weights))
    np.testing.assert_allclose(np.abs(weights).mean(), 0.015, atol=5 * 0.01 / np.sqrt(12 * len(weights)))


def test_truth_holds_the_coefficients() -> None:
    task = SparseVAR(nodes=12, steps=5, max_lag=3)
    A = task.coefficients(4)
    loaded = task.load(4)
    names = list(loaded.frame.columns)
    assert loaded.truth is not None
    from_truth = np.zeros_like(A)
    for cause, effect, data in loaded.truth.edges(data=True):
        from_truth[data["lag"] - 1, names.index(effect), names.index(cause)] = data["strength"]
    np.testing.assert_array_equal(from_truth, A)
    assert sorted(names) == names


def test_no_parents_leaves_independent_series() -> None:
    A = SparseVAR(nodes=5, parents=0.0).coefficients(0)
    assert ((A != 0) == (np.eye(5, dtype=bool) & (np.arange(3) == 0)[:, None, None])).all()


def test_every_possible_parent() -> None:
    A = SparseVAR(nodes=5, parents=4.0).coefficients(0)
    assert (A != 0).any(axis=0).all()


def test_settings_take_their_own_types() -> None:
    assert SparseVAR(nodes=np.int64(5), strength=[0.1, 1]) == SparseVAR(nodes=5, strength=(0.1, 1.0))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("max_lag", 0),
        ("max_lag", 1.0),
        ("parents", -0.1),
        ("parents", 9.5),
        ("parents", "2"),
        ("strength", (0.5, 0.2)),
        ("strength", 0.3),
        ("strength", "ab"),
        ("strength", (0.1, 0.2, 0.3)),
        ("strength", (0.1, float("inf"))),
        ("radius", 1.0),
        ("radius", 0.0),
        ("noise", 0.0),
        ("noise", True),
    ],
)
def test_refuses_impossible_settings(setting: str, value: object) -> None:
    with refused(ConfigError, "sparse VAR", setting):
        SparseVAR(**{setting: value})  # type: ignore[arg-type]
