"""Bayesian regressions of a lagged series, written out in numpy from the equations; nothing is shared with the package.

One target at a time, by least squares on rows augmented with the prior (`[Z; sqrt(ridge) I] w = [y; 0]`) and not by the
normal equations: other arithmetic than the package's, the same mathematics.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Term = tuple[int, int]
"""(column of the cause, lag)."""


@dataclass(frozen=True)
class Regression:
    """Column `target` of `values` on `terms` at earlier rows, with prior precision `ridge` of standardized weights."""

    values: NDArray[np.float64]
    target: int
    terms: Sequence[Term]
    max_lag: int
    ridge: float = 1.0
    expected_parents: float = 2.0

    def __post_init__(self):
        steps, width = self.values.shape
        rows = range(self.max_lag, steps)
        columns = [[self.values[row - lag, cause] for row in rows] for cause, lag in self.terms]
        past = np.array(columns).reshape(len(self.terms), len(rows)).T
        effect = self.values[self.max_lag :, self.target]
        count, terms = past.shape
        center, scale = past.mean(axis=0), past.std(axis=0)
        standard, response = (past - center) / scale, (effect - effect.mean()) / effect.std()
        design = np.vstack([standard, math.sqrt(self.ridge) * np.eye(terms)])
        padded = np.append(response, np.zeros(terms))
        solution = np.linalg.lstsq(design, padded, rcond=None)[0]
        pseudo = np.linalg.pinv(design)
        share = min(self.expected_parents / (width * self.max_lag), 0.5)
        found = {
            "count": count,
            "standard_weight": solution,
            "rss": float(np.sum((padded - design @ solution) ** 2)),
            "inverse": pseudo @ pseudo.T,
            "design": design,
            "prior": terms * (math.log(share / (1 - share)) + math.log(self.ridge) / 2),
            "center": center,
            "scale": scale,
            "effect_center": effect.mean(),
            "effect_scale": effect.std(),
        }
        for name, value in found.items():
            object.__setattr__(self, name, value)

    @property
    def weight(self):
        return self.standard_weight * self.effect_scale / self.scale

    @property
    def weight_sd(self):
        """Of a Student-t posterior with `count` degrees of freedom."""
        variance = self.rss / (self.count - 2) * np.diag(self.inverse)
        return np.sqrt(variance) * self.effect_scale / self.scale

    @property
    def intercept(self):
        return self.effect_center - self.weight @ self.center

    @property
    def noise_sd(self):
        return self.effect_scale * math.sqrt(self.rss / (self.count - 2))

    @property
    def evidence(self):
        """Log evidence plus log prior of this parent set, up to what no parent set changes."""
        determinant = np.linalg.slogdet(self.design.T @ self.design)[1] if len(self.terms) else 0.0
        return -self.count / 2 * math.log(self.rss) - determinant / 2 + self.prior

    def predictive(self, past_rows):
        """Location and scale of the Student-t prediction of the row after `past_rows`, which has the last one last."""
        now = np.array([past_rows[len(past_rows) - lag, cause] for cause, lag in self.terms])
        standard = (now - self.center) / self.scale if self.terms else np.zeros(0)
        spread = 1 + 1 / self.count + standard @ self.inverse @ standard
        location = self.effect_center + self.effect_scale * (standard @ self.standard_weight)
        return float(location), float(self.effect_scale * math.sqrt(self.rss / self.count * spread))


def parents(found, effect: str) -> list[Term]:
    """The terms in the graph of a discovery that predict `effect`."""
    number = {name: column for column, name in enumerate(found.summary.columns)}
    rows = found.edges[found.edges["effect"] == effect]
    return [(number[cause], int(lag)) for cause, lag in zip(rows["cause"], rows["lag"], strict=True)]
