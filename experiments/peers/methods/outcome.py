"""What every peer returns, so that one referee can score them all.

Matrices are indexed [cause, effect] and [cause, effect, lag - 1]; larger scores mean stronger evidence. A peer with
several customary readings of the same fit (significance levels, thresholds) returns all of them by name: the
comparison quotes the reading that serves the peer best. Peers that look within a step return what they found there as
well, [cause, effect].
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, slots=True)
class Outcome:
    """Scores per edge and lag, scores per pair, and yes/no decisions per pair, each by name of its reading.

    `within` and `within_decisions` are scores and decisions at lag 0 alone; an edge whose direction the peer leaves
    open stands in both directions.
    """

    edges: dict[str, np.ndarray]  # [p, p, L]
    summary: dict[str, np.ndarray]  # [p, p]
    decisions: dict[str, np.ndarray]  # [p, p], bool
    within: dict[str, np.ndarray] = field(default_factory=dict)  # [p, p]
    within_decisions: dict[str, np.ndarray] = field(default_factory=dict)  # [p, p], bool

    def flat(self) -> dict[str, np.ndarray]:
        """The same content as arrays named `edges/...`, `summary/...`, `decision/...`, `within/...` and
        `within_decision/...`."""
        groups = {
            "edges": self.edges,
            "summary": self.summary,
            "decision": self.decisions,
            "within": self.within,
            "within_decision": self.within_decisions,
        }
        return {f"{group}/{name}": array for group, arrays in groups.items() for name, array in arrays.items()}


def lag_table(series: np.ndarray, max_lag: int) -> tuple[np.ndarray, np.ndarray]:
    """Standardized targets [n, p] and their standardized lagged terms [n, L * p], lag-major, with n = T - L."""
    steps, nodes = series.shape
    rows = steps - max_lag
    terms = np.empty((rows, max_lag * nodes))
    for lag in range(1, max_lag + 1):
        terms[:, (lag - 1) * nodes : lag * nodes] = series[max_lag - lag : steps - lag]
    targets = series[max_lag:] - series[max_lag:].mean(axis=0)
    targets /= targets.std(axis=0)
    terms -= terms.mean(axis=0)
    terms /= terms.std(axis=0)
    return targets, terms


def benjamini_hochberg(p_values: np.ndarray, tested: np.ndarray, level: float) -> np.ndarray:
    """Rejections at false-discovery rate `level` among the `tested` entries (Benjamini & Hochberg, 1995)."""
    flat = p_values[tested]
    ordered = np.sort(flat)
    passed = np.nonzero(ordered <= level * np.arange(1, flat.size + 1) / flat.size)[0]
    cutoff = ordered[passed[-1]] if passed.size else -1.0
    return tested & (p_values <= cutoff)


def off_diagonal(nodes: int) -> np.ndarray:
    """The pairs of different variables."""
    return ~np.eye(nodes, dtype=bool)
