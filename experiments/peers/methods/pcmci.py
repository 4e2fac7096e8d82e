"""PCMCI with partial correlation, as tigramite runs it with its own defaults (Runge et al. 2019).

tigramite is GPL-3: it is installed by the user into this separate environment and run as a separate program. Nothing
here is imported by sostruct.
"""

from __future__ import annotations

import numpy as np
from tigramite.data_processing import DataFrame
from tigramite.independence_tests.parcorr import ParCorr
from tigramite.pcmci import PCMCI

from .outcome import Outcome, benjamini_hochberg, off_diagonal


def fit(series: np.ndarray, max_lag: int, *, pc_alpha: float | None = 0.2) -> Outcome:
    """Scores by p-value and by absolute partial correlation; a pair is an edge when one of its lags is significant."""
    search = PCMCI(dataframe=DataFrame(series), cond_ind_test=ParCorr(), verbosity=0)
    found = search.run_pcmci(tau_min=1, tau_max=max_lag, pc_alpha=pc_alpha)
    p_values = np.asarray(found["p_matrix"])[:, :, 1:]
    correlation = np.abs(np.asarray(found["val_matrix"])[:, :, 1:])
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
