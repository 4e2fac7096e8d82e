"""Extremely randomized trees per target (scikit-learn's ExtraTreesRegressor at its defaults; Geurts et al. 2006).

A cause ranks by the share of the target's variance reduction that its lags bring together, as in dynGENIE3 (Huynh-Thu &
Geurts 2018). Trees decide nothing by themselves: the default decision is the one that scikit-learn's SelectFromModel
makes from importances when nothing is chosen, above their mean, which is 1 / (terms) here since they sum to one.
"""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor

from .outcome import Outcome, lag_table, off_diagonal


def fit(series: np.ndarray, max_lag: int) -> Outcome:
    """Scores by importance; a pair is an edge when the importance of one of its lags is above the threshold."""
    targets, terms = lag_table(series, max_lag)
    nodes = targets.shape[1]
    importance = np.zeros((nodes, nodes, max_lag))
    for effect in range(nodes):
        trees = ExtraTreesRegressor(random_state=0).fit(terms, targets[:, effect])
        importance[:, effect] = trees.feature_importances_.reshape(max_lag, nodes).T
    tested = off_diagonal(nodes)
    strongest, together, mean = importance.max(axis=2), importance.sum(axis=2), 1.0 / (nodes * max_lag)
    return Outcome(
        edges={"importance": importance},
        summary={"importance": together, "importance, one lag": strongest},
        decisions={
            "> mean": tested & (strongest > mean),
            "> 2 means": tested & (strongest > 2.0 * mean),
            "share > 1 / p": tested & (together > 1.0 / nodes),
        },
    )
