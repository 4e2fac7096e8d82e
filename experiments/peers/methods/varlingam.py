"""VARLiNGAM of the `lingam` package: non-Gaussian instantaneous effects on top of a vector autoregression.

Hyvärinen, Zhang, Shimizu & Hoyer (2010). The library's default chooses the number of lags by BIC up to `max_lag` and
prunes by adaptive lasso; `all_lags` takes `max_lag` as given and `prune=False` keeps every weight (better for
ranking). The summary graph reads the lagged matrices only, since the systems compared have no instantaneous effects.
"""

from __future__ import annotations

import lingam
import numpy as np

from .outcome import Outcome, off_diagonal


def fit(series: np.ndarray, max_lag: int, *, all_lags: bool = False, prune: bool = True) -> Outcome:
    """Scores by absolute weight; a pair is an edge when a lagged weight survives the package's own pruning."""
    model = lingam.VARLiNGAM(lags=max_lag, criterion=None if all_lags else "bic", prune=prune)
    model.fit(series)
    lagged = np.abs(np.asarray(model.adjacency_matrices_)[1 : max_lag + 1])  # [lag, effect, cause]
    nodes = series.shape[1]
    weights = np.zeros((nodes, nodes, max_lag))
    weights[:, :, : lagged.shape[0]] = lagged.transpose(2, 1, 0)
    strongest = weights.max(axis=2)
    tested = off_diagonal(nodes)
    decisions = {"weight > .1": tested & (strongest > 0.1)}
    if prune:
        decisions = {"nonzero": tested & (strongest > 0), **decisions}
    return Outcome(edges={"weight": weights}, summary={"weight": strongest}, decisions=decisions)
