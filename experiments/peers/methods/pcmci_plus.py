"""PCMCI+ with partial correlation, as tigramite runs it with its own defaults (Runge 2020).

It finds lagged links and links within a step, and orients the latter where colliders and the rules that follow from
them allow it. tigramite is GPL-3: it is installed by the user into this separate environment and run as a separate
program. Nothing here is imported by sostruct.
"""

from __future__ import annotations

import numpy as np
from tigramite.data_processing import DataFrame
from tigramite.independence_tests.parcorr import ParCorr
from tigramite.pcmci import PCMCI

from .outcome import Outcome, off_diagonal

OPEN = ("-->", "o-o", "x-x")
"""Marks of a link that may lead from cause to effect: directed, not oriented, oriented both ways by its rules."""


def fit(series: np.ndarray, max_lag: int) -> Outcome:
    """Scores by p-value and by absolute partial correlation, decisions by the graph that the algorithm returns.

    A link within a step counts in every direction that its mark leaves open, and ranks nowhere in a direction that its
    mark excludes.
    """
    search = PCMCI(dataframe=DataFrame(series), cond_ind_test=ParCorr(), verbosity=0)
    found = search.run_pcmciplus(tau_min=0, tau_max=max_lag)
    p_values = np.asarray(found["p_matrix"])
    correlation = np.abs(np.asarray(found["val_matrix"]))
    graph = np.asarray(found["graph"])
    excluded = graph == "<--"
    # Underflowing p-values tie at zero: the partial correlation, below 1, breaks their ties.
    evidence = np.where(excluded, 0.0, -np.log10(np.maximum(p_values, 1e-300)) + 1e-6 * correlation)
    correlation = np.where(excluded, 0.0, correlation)
    pairs = off_diagonal(series.shape[1])
    links = np.isin(graph, OPEN) & pairs[:, :, None]
    return Outcome(
        edges={"p": evidence[:, :, 1:], "correlation": correlation[:, :, 1:]},
        summary={
            "p": evidence.max(axis=2),
            "p, lagged": evidence[:, :, 1:].max(axis=2),
            "correlation": correlation.max(axis=2),
            "correlation, lagged": correlation[:, :, 1:].max(axis=2),
        },
        decisions={"graph": links.any(axis=2), "graph, lagged": links[:, :, 1:].any(axis=2)},
        within={"p": evidence[:, :, 0]},
        within_decisions={"graph": links[:, :, 0]},
    )
