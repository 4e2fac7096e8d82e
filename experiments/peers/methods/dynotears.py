"""DYNOTEARS as causalnex runs it (Pamfil et al. 2020): a sparse structural VAR, acyclic within a step.

Its package asks for series of one scale: they are standardized, as everywhere here. The default keeps every weight that
is not zero, at penalties of .1; users cut small weights, so thresholds are read from the same fit.
"""

from __future__ import annotations

import numpy as np
from causalnex.structure.dynotears import from_numpy_dynamic

from .outcome import Outcome, lag_table, off_diagonal


def weights(series: np.ndarray, max_lag: int, **settings: float) -> np.ndarray:
    """Weights [cause, effect, lag] of standardized series, lag 0 first."""
    targets, terms = lag_table(series, max_lag)
    nodes = targets.shape[1]
    found = np.zeros((nodes, nodes, max_lag + 1))
    for cause, effect, weight in from_numpy_dynamic(targets, terms, **settings).edges(data="weight"):
        node, lag = cause.split("_lag")
        found[int(node), int(effect.split("_lag")[0]), int(lag)] = weight
    return found


def fit(series: np.ndarray, max_lag: int, **settings: float) -> Outcome:
    """Scores by absolute weight; a pair is an edge when a weight survives the penalty or a threshold."""
    found = np.abs(weights(series, max_lag, **settings))
    lagged, strongest = found[:, :, 1:].max(axis=2), found.max(axis=2)
    tested = off_diagonal(series.shape[1])
    within = found[:, :, 0]
    return Outcome(
        edges={"weight": found[:, :, 1:]},
        summary={"weight": strongest, "weight, lagged": lagged},
        decisions={
            "nonzero": tested & (strongest > 0),
            "nonzero, lagged": tested & (lagged > 0),
            "weight > .05": tested & (strongest > 0.05),
            "weight > .05, lagged": tested & (lagged > 0.05),
            "weight > .1": tested & (strongest > 0.1),
            "weight > .1, lagged": tested & (lagged > 0.1),
        },
        within={"weight": within},
        within_decisions={"nonzero": tested & (within > 0), "weight > .1": tested & (within > 0.1)},
    )
