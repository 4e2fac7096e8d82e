"""Lasso per target with the penalty chosen by cross-validation (scikit-learn's LassoCV at its defaults).

Cross-validation aims at prediction and keeps too many terms, so three customary remedies are read from the same fit:
a threshold on the standardized weight (.05, .1), and the one-standard-error penalty (Hastie, Tibshirani & Friedman
2009, section 7.10). `blocked` replaces the default folds by scikit-learn's TimeSeriesSplit.
"""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import Lasso, LassoCV
from sklearn.model_selection import TimeSeriesSplit

from .outcome import Outcome, lag_table, off_diagonal


def one_standard_error(model: LassoCV, terms: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Weights [K] at the largest penalty whose cross-validated error is within one standard error of the best."""
    folds = model.mse_path_
    mean = folds.mean(axis=1)
    best = int(np.argmin(mean))
    bound = mean[best] + folds[best].std(ddof=1) / np.sqrt(folds.shape[1])
    penalty = model.alphas_[mean <= bound].max()
    return Lasso(alpha=float(penalty)).fit(terms, target).coef_


def fit(series: np.ndarray, max_lag: int, *, blocked: bool = False) -> Outcome:
    """Scores by absolute standardized weight; a pair is an edge when one of its lags is."""
    targets, terms = lag_table(series, max_lag)
    nodes = targets.shape[1]
    weights = np.zeros((nodes, nodes, max_lag))
    sparse = np.zeros_like(weights)
    for effect in range(nodes):
        model = LassoCV(cv=TimeSeriesSplit(5)) if blocked else LassoCV()
        model.fit(terms, targets[:, effect])
        weights[:, effect] = np.abs(model.coef_).reshape(max_lag, nodes).T
        sparse[:, effect] = np.abs(one_standard_error(model, terms, targets[:, effect])).reshape(max_lag, nodes).T
    tested = off_diagonal(nodes)
    strongest = weights.max(axis=2)
    return Outcome(
        edges={"weight": weights},
        summary={"weight": strongest, "weight, one SE": sparse.max(axis=2)},
        decisions={
            "nonzero": tested & (strongest > 0),
            "weight > .05": tested & (strongest > 0.05),
            "weight > .1": tested & (strongest > 0.1),
            "nonzero, one SE": tested & (sparse.max(axis=2) > 0),
        },
    )
