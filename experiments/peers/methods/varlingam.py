"""VARLiNGAM of the `lingam` package: non-Gaussian instantaneous effects on top of a vector autoregression.

Hyvärinen, Zhang, Shimizu & Hoyer (2010). The library's default chooses the number of lags by BIC up to `max_lag` and
prunes by adaptive lasso; `all_lags` takes `max_lag` as given and `prune=False` keeps every weight (better for
ranking). The summary graph has two readings: of the lagged matrices only (most of the systems compared have no
effects within a step), and with them.
"""

from __future__ import annotations

import lingam
import numpy as np

from .outcome import Outcome, off_diagonal


def fit(series: np.ndarray, max_lag: int, *, all_lags: bool = False, prune: bool = True) -> Outcome:
    """Scores by absolute weight; a pair is an edge when a weight survives the package's own pruning."""
    model = lingam.VARLiNGAM(lags=max_lag, criterion=None if all_lags else "bic", prune=prune)
    model.fit(series)
    nodes = series.shape[1]
    found = np.abs(np.asarray(model.adjacency_matrices_)[: max_lag + 1])  # [lag, effect, cause], lag 0 first
    weights = np.zeros((nodes, nodes, max_lag + 1))
    weights[:, :, : found.shape[0]] = found.transpose(2, 1, 0)
    lagged, strongest = weights[:, :, 1:].max(axis=2), weights.max(axis=2)
    tested = off_diagonal(nodes)
    decisions = {"weight > .1": tested & (lagged > 0.1), "weight > .1, lag 0 too": tested & (strongest > 0.1)}
    if prune:
        kept = {"nonzero": tested & (lagged > 0), "nonzero, lag 0 too": tested & (strongest > 0)}
        decisions = kept | decisions
    return Outcome(
        edges={"weight": weights[:, :, 1:]},
        summary={"weight": lagged, "weight, lag 0 too": strongest},
        decisions=decisions,
        within={"weight": weights[:, :, 0]},
        within_decisions={"nonzero": tested & (weights[:, :, 0] > 0)},
    )
