"""A plain-Python lagged regression written from the equations, one matrix inverse at a time, for tests to compare
with."""

from __future__ import annotations

import math

import numpy as np


def design(values: np.ndarray, max_lag: int) -> tuple[np.ndarray, np.ndarray]:
    """Standardized targets [row, variable] and terms [row, term], term (lag - 1) p + i."""
    steps = len(values)
    columns = [values[max_lag - lag : steps - lag] for lag in range(max_lag + 1)]
    standard = [(block - block.mean(axis=0)) / block.std(axis=0) for block in columns]
    return standard[0], np.concatenate(standard[1:], axis=1)


def log_evidence(target: np.ndarray, terms: np.ndarray, ridge: float = 1.0) -> float:
    """Log marginal density of y ~ N(Z w, s2), w ~ N(0, s2 / ridge), p(s2) ~ 1 / s2, by its n x n covariance.

    y given s2 is N(0, s2 C) with C = I + Z Z' / ridge, so integrating s2 gives
    pi^(-n/2) Gamma(n/2) |C|^(-1/2) (y' C^-1 y)^(-n/2).
    """
    count = len(target)
    covariance = np.eye(count) + terms @ terms.T / ridge
    quadratic = target @ np.linalg.solve(covariance, target)
    _, log_determinant = np.linalg.slogdet(covariance)
    return math.lgamma(count / 2) - count / 2 * math.log(math.pi * quadratic) - log_determinant / 2


def score(target: np.ndarray, table: np.ndarray, active: list[int], log_odds: float, ridge: float = 1.0) -> float:
    """Evidence plus structure prior: what prices are differences of."""
    return log_evidence(target, table[:, active], ridge) + log_odds * len(active)


def series(seed: int, nodes: int = 4, steps: int = 60) -> np.ndarray:
    """A short stable system with some dependence."""
    generator = np.random.default_rng(seed)
    weights = np.where(generator.random((nodes, nodes)) < 0.4, generator.normal(size=(nodes, nodes)), 0.0)
    weights /= max(1.0, np.abs(np.linalg.eigvals(weights)).max() / 0.8)
    values = generator.normal(size=(steps, nodes))
    for step in range(1, steps):
        values[step] += weights @ values[step - 1]
    return values * np.arange(1, nodes + 1) + 5.0
