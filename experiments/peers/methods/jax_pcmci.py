"""PCMCI with partial correlation of the package `jax-pcmci`, at its own defaults (pc_alpha .05, single precision).

Its PCMCI+ is not compared: version 1.4.0 returns a graph that is always empty, since it codes oriented links as 1 where
its result reads 2 and 3.
"""

from __future__ import annotations

import numpy as np
from jax_pcmci import PCMCI, DataHandler, ParCorr

from .outcome import Outcome, benjamini_hochberg, off_diagonal


def fit(series: np.ndarray, max_lag: int) -> Outcome:
    """Scores by p-value and by absolute partial correlation; a pair is an edge when one of its lags is significant."""
    found = PCMCI(DataHandler(series), cond_ind_test=ParCorr(), verbosity=0).run(tau_max=max_lag)
    p_values = np.asarray(found.pval_matrix, dtype=np.float64)[:, :, 1:]
    correlation = np.abs(np.asarray(found.val_matrix, dtype=np.float64))[:, :, 1:]
    # Underflowing p-values tie at zero: the partial correlation, below 1, breaks their ties.
    evidence = -np.log10(np.maximum(p_values, 1e-300)) + 1e-6 * correlation
    lowest = p_values.min(axis=2)
    pairs = off_diagonal(series.shape[1])
    return Outcome(
        edges={"p": evidence, "correlation": correlation},
        summary={"p": evidence.max(axis=2), "correlation": correlation.max(axis=2)},
        decisions={
            "p < .05": pairs & (lowest < 0.05),
            "p < .01": pairs & (lowest < 0.01),
            "p < .001": pairs & (lowest < 0.001),
            "BH .05": benjamini_hochberg(p_values, np.repeat(pairs[:, :, None], max_lag, 2), 0.05).any(axis=2),
        },
    )
