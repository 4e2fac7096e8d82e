"""Granger's F-test in the full vector autoregression, all pairs from one factorization.

With terms Z (lags 1..L of all p variables), b = (Z'Z)^-1 Z'y and V = (Z'Z)^-1, the F statistic for "all lags of
cause g are zero in the equation of y" is the Wald form b_g' V_gg^-1 b_g / (L s^2), which equals the usual comparison
of residual sums of squares without refitting p restricted models (Lütkepohl 2005, section 3.6). It is the
fastest form of the test that we know, so ours is compared with the method and not with a slow loop.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import fdtrc

from .outcome import Outcome, benjamini_hochberg, lag_table, off_diagonal


def f_statistics(series: np.ndarray, max_lag: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """F statistics [p, p], their p-values [p, p], and absolute t statistics [p, p, L], all [cause, effect]."""
    targets, terms = lag_table(series, max_lag)
    rows, nodes = targets.shape
    freedom = rows - nodes * max_lag - 1
    if freedom < 1:
        raise SystemExit(f"var_ftest: {rows} rows are too few for {nodes * max_lag} terms and an intercept")
    moments = terms.T @ targets
    inverse = cho_solve(cho_factor(terms.T @ terms, lower=True), np.eye(nodes * max_lag))
    weights = inverse @ moments
    variance = np.maximum(rows - np.einsum("kj,kj->j", weights, moments), 1e-12) / freedom

    by_lag = weights.reshape(max_lag, nodes, nodes)
    index = np.arange(nodes)
    blocks = inverse.reshape(max_lag, nodes, max_lag, nodes)[:, index, :, index]
    by_cause = by_lag.transpose(1, 0, 2)
    statistic = np.einsum("gle,gle->ge", by_cause, np.linalg.solve(blocks, by_cause)) / (max_lag * variance)
    spread = np.sqrt(np.diag(inverse).reshape(max_lag, nodes, 1) * variance)
    t_values = np.abs(by_lag / spread).transpose(1, 2, 0)
    return statistic, fdtrc(max_lag, freedom, statistic), t_values


def fit(series: np.ndarray, max_lag: int) -> Outcome:
    """Scores by F, decisions at customary levels with and without correction for the number of tests."""
    statistic, p_values, t_values = f_statistics(series, max_lag)
    tested = off_diagonal(series.shape[1])
    return Outcome(
        edges={"t": t_values},
        summary={"F": statistic},
        decisions={
            "BH .05": benjamini_hochberg(p_values, tested, 0.05),
            "BH .01": benjamini_hochberg(p_values, tested, 0.01),
            "p < .05": tested & (p_values < 0.05),
            "p < .01": tested & (p_values < 0.01),
        },
    )
