"""What a hierarchical fit says of the group, under the users' names."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sostruct.networks.hgf.inference import coordinates
from sostruct.networks.hgf.inference.hierarchy import Level
from sostruct.networks.hgf.inference.laplace import positive_definite
from sostruct.networks.hgf.inference.parameters import Free


@final
@dataclass(frozen=True, eq=False, repr=False)
class Group:
    """The distribution of the members' parameters, z ~ N(m, S) in unbounded coordinates.

    Attributes:
        free: the parameters.
        level: m, S and how they were found.
        curvature: the members', under the group [subject, parameter, parameter].
        subjects: their labels.
        scored: how many numbers were explained, all members together.
    """

    free: tuple[Free, ...]
    level: Level
    curvature: NDArray[np.float64]
    subjects: tuple[Any, ...]
    scored: float

    @property
    def parameters(self) -> pd.DataFrame:
        """One row for each parameter.

        Columns: "center", the parameter at m, in its own units; "mean" and "sd", m and the root of the diagonal of S,
        in unbounded coordinates; "mean_se", the standard error of m with S taken for known, whose square is
        (sum_i (S + L_i^-1)^-1)^-1, L_i the curvature of a member's likelihood; "shrinkage", the mean over members.
        """
        supports = [one.prior.support for one in self.free]
        return pd.DataFrame(
            {
                "center": coordinates.outward(supports, self.level.mean),
                "mean": self.level.mean,
                "sd": np.sqrt(np.diag(self.level.covariance)),
                "mean_se": self._mean_se,
                "shrinkage": np.nanmean(self._shrinkage, 0),
            },
            index=self._columns,
        )

    @property
    def correlation(self) -> pd.DataFrame:
        """Between parameters across members, in unbounded coordinates; the identity unless `correlated=True`."""
        sd = np.sqrt(np.diag(self.level.covariance))
        return pd.DataFrame(self.level.covariance / (sd[:, None] * sd), index=self._columns, columns=self._columns)

    @property
    def shrinkage(self) -> pd.DataFrame:
        """Share of a member's estimate that is the group's [subject x parameter]: posterior variance / group variance.

        0: the member's data decide alone. 1: they say nothing, and the estimate is the group's mean; a little more than
        1 where their likelihood curves upward. nan of a member whose mode is no peak.
        """
        return pd.DataFrame(self._shrinkage, index=pd.Index(self.subjects, name="subject"), columns=self._columns)

    @property
    def log_evidence(self) -> float:
        """sum_i log p(y_i | m, S) by Laplace's approximation, nats. m and S are at their maximum: see `ibic`."""
        return self.level.evidence

    @property
    def ibic(self) -> float:
        """Integrated BIC (Huys et al. 2011): k log n - 2 sum_i log p(y_i | m, S); smaller is better.

        k counts what describes the group, means, variances and with `correlated=True` correlations; n is the number of
        responses or inputs of all members.
        """
        return self._described * math.log(self.scored) - 2.0 * self.log_evidence

    @property
    def _described(self) -> int:
        size = len(self.free)
        return 2 * size + (size * (size - 1) // 2 if self.level.correlated else 0)

    def __repr__(self) -> str:
        centers = ", ".join(
            f"{one.label} {one.name} {value:.4g}"
            for one, value in zip(self.free, self.parameters["center"], strict=True)
        )
        return (
            f"Group of {len(self.subjects)}: {centers}; log evidence {self.log_evidence:.6g} nats, iBIC {self.ibic:.6g}"
        )

    @cached_property
    def _covariance(self) -> NDArray[np.float64]:
        """Of the members' posteriors [subject, parameter, parameter]."""
        peaked = positive_definite(self.curvature)[:, None, None]
        inverse = np.linalg.inv(np.where(peaked, self.curvature, np.eye(self.curvature.shape[-1])))
        return np.where(peaked, inverse, np.nan)

    @property
    def _shrinkage(self) -> NDArray[np.float64]:
        own = np.diagonal(self._covariance, axis1=1, axis2=2) / np.diag(self.level.covariance)
        return np.asarray(own, np.float64)

    @property
    def _mean_se(self) -> NDArray[np.float64]:
        inverse = np.linalg.inv(self.level.covariance)
        # (S + L^-1)^-1 = S^-1 - S^-1 H^-1 S^-1 with H = L + S^-1, which needs no inverse of L
        told = np.nansum(inverse - inverse @ self._covariance @ inverse, axis=0)
        return np.sqrt(np.asarray(np.diag(np.linalg.pinv(told)), np.float64))

    @property
    def _columns(self) -> pd.MultiIndex:
        return pd.MultiIndex.from_tuples([(one.label, one.name) for one in self.free], names=["place", "parameter"])
