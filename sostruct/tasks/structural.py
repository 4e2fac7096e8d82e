"""Structural vector autoregressions: effects within a step beside lagged ones.

Design note. The process is stable by construction, as in `var.py`: scaling B_tau by s**tau scales every eigenvalue of
the reduced form's companion matrix, of (I - B_0)^-1 B_tau, by s, whatever acts within the step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sostruct.tasks.base import AbstractTask, Task, interval, number, series_names, streams, whole
from sostruct.tasks.links import random_links
from sostruct.tasks.noise import check_shape, unit_noise
from sostruct.tasks.truth import Link, truth_graph
from sostruct.tasks.var import settle


@final
@dataclass(frozen=True)
class StructuralVAR(AbstractTask):
    """x(t) = B_0 x(t) + sum over tau of B_tau x(t - tau) + e(t), B_0 without cycles, e independent.

    Every node depends on its own last value, on `parents` other nodes in expectation, each at one lag, and on
    `within` others at the same step.

    Args:
        nodes: number of series, at least 2.
        steps: number of rows.
        max_lag: largest lag, in steps.
        parents: expected number of other nodes that act on a node with a lag, at most nodes - 1.
        within: expected number of nodes that act on a node within the step, at most (nodes - 1) / 2.
        strength: range of |coefficient| of lagged links, self links included; signs are random.
        instant: the same of links within the step.
        shape: of the noise: "laplace", "uniform", "student" or "gaussian"; directions within a step show in all but
            the last.
        radius: limit on the largest |eigenvalue| of the companion matrix, below 1. Draws beyond it are scaled onto it.
        noise: standard deviation of the noise.
        burn_in: rows simulated before the first one kept.

    Raises:
        ConfigError: a setting is of the wrong type or out of range.

    Reference: A. Hyvarinen, K. Zhang, S. Shimizu and P. Hoyer, "Estimation of a structural vector autoregression model
    using non-Gaussianity", JMLR 11 (2010).
    """

    nodes: int = 10
    steps: int = 500
    max_lag: int = 3
    parents: float = 2.0
    within: float = 1.0
    strength: tuple[float, float] = (0.2, 0.5)
    instant: tuple[float, float] = (0.3, 0.8)
    shape: str = "laplace"
    radius: float = 0.95
    noise: float = 1.0
    burn_in: int = 200

    def __post_init__(self) -> None:
        owner = "a structural VAR"
        nodes = whole(owner, "nodes", self.nodes, 2)
        settle(
            self,
            owner,
            within=number(owner, "within", self.within, 0.0, (nodes - 1) / 2),
            instant=interval(owner, "instant", self.instant, 1e-6, 10.0),
            shape=check_shape(owner, self.shape),
        )

    def load(self, seed: int = 0) -> Task:
        """Coefficients and noise drawn from the seed.

        Raises:
            ConfigError: the seed is not a whole number of at least 0.
        """
        draws = streams(seed)[1]
        weights = self.coefficients(seed)
        response = np.linalg.inv(np.eye(self.nodes) - weights[0])
        reduced = response @ weights[1:]
        driven = self.noise * unit_noise(draws, self.shape, (self.burn_in + self.steps, self.nodes)) @ response.T
        values = np.zeros((self.max_lag + len(driven), self.nodes))
        for row, innovation in enumerate(driven, start=self.max_lag):
            past = values[row - self.max_lag : row][::-1]
            values[row] = np.einsum("lij,lj->i", reduced, past) + innovation
        names = series_names(self.nodes)
        links = [
            Link(names[cause], names[effect], lag, float(weights[lag, effect, cause]))
            for lag, effect, cause in np.argwhere(weights).tolist()
        ]
        return Task(
            name="structural_var",
            frame=pd.DataFrame(values[self.max_lag + self.burn_in :], columns=list(names)),
            truth=truth_graph(names, links),
            truth_lags=True,
            description=f"Structural VAR of {self.nodes} series over {self.steps} steps with {self.shape} noise.",
            provenance=f"Simulated by sostruct.tasks.{self!r} with seed {seed}.",
        )

    def coefficients(self, seed: int = 0) -> NDArray[np.float64]:
        """B of the task with this seed [lag x effect x cause], lag 0 first.

        Raises:
            ConfigError: the seed is not a whole number of at least 0.
        """
        rng = streams(seed)[0]
        links = random_links(rng, self.nodes, self.max_lag, self.parents, self.strength, self.strength)
        weights = np.zeros((self.max_lag + 1, self.nodes, self.nodes))
        weights[links.lag, links.effect, links.cause] = links.weight
        rank = np.argsort(rng.permutation(self.nodes))
        shape = (self.nodes, self.nodes)
        chosen = (rng.random(shape) < 2 * self.within / (self.nodes - 1)) & (rank[:, None] > rank)
        drawn = rng.uniform(*self.instant, size=shape) * rng.choice([-1.0, 1.0], size=shape)
        weights[0] = np.where(chosen, drawn, 0.0)
        reduced = np.linalg.inv(np.eye(self.nodes) - weights[0]) @ weights[1:]
        size = self.nodes * self.max_lag
        companion = np.eye(size, k=-self.nodes)
        companion[: self.nodes] = reduced.transpose(1, 0, 2).reshape(self.nodes, size)
        radius = float(np.abs(np.linalg.eigvals(companion)).max())
        if radius > self.radius:
            weights[1:] *= ((self.radius / radius) ** np.arange(1, self.max_lag + 1))[:, None, None]
        return weights
