"""The same F-test as statsmodels offers it, one call per pair: what most users type, quoted for its speed only."""

from __future__ import annotations

import numpy as np
from statsmodels.tsa.api import VAR

from .outcome import Outcome, off_diagonal


def fit(series: np.ndarray, max_lag: int) -> Outcome:
    """Scores by the F statistic of `test_causality`, decisions at p < .05."""
    model = VAR(series).fit(max_lag)
    nodes = series.shape[1]
    statistic, p_values = np.zeros((nodes, nodes)), np.ones((nodes, nodes))
    for cause in range(nodes):
        for effect in range(nodes):
            if cause != effect:
                test = model.test_causality(effect, cause, kind="f")
                statistic[cause, effect], p_values[cause, effect] = test.test_statistic, test.pvalue
    repeated = np.repeat(statistic[:, :, None], max_lag, axis=2)
    return Outcome(
        edges={"F": repeated},
        summary={"F": statistic},
        decisions={"p < .05": off_diagonal(nodes) & (p_values < 0.05)},
    )
