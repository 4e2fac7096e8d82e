"""A linear system with hidden series that drive several observed ones at once: common causes that nobody recorded.

Design note. A hidden series acts within the step and is white by default, so that all it leaves in the observed ones is
a correlation of their innovations: they are a VAR with the lagged graph of the truth, exactly, and every lagged edge is
an effect. A hidden series that persists is the harder case: the past of one child predicts another, and no method that
sees the children alone and believes that nothing is hidden can tell that from an effect. No series has two hidden
causes, so that none can cancel another.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import final

import networkx as nx
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.signal import lfilter

from sostruct.errors import ConfigError
from sostruct.tasks.base import AbstractTask, Task, interval, number, series_names, streams, whole
from sostruct.tasks.links import Links, simulate
from sostruct.tasks.noise import check_shape, unit_noise
from sostruct.tasks.truth import truth_graph
from sostruct.tasks.var import settle, stable_links


@final
@dataclass(frozen=True)
class ConfoundedVAR(AbstractTask):
    """x(t) = sum over tau of A_tau x(t - tau) + W h(t) + e(t) with hidden h(t) = m h(t - 1) + sqrt(1 - m^2) z(t).

    The truth has the links of A and, for every pair that shares a hidden series, an edge of lag 0 with the mark
    "bidirected", whose strength is the correlation of the two sums W h + e.

    Args:
        nodes: number of series that are seen, at least 2.
        steps: number of rows.
        max_lag: largest lag, in steps.
        parents: expected number of other nodes that act on a node, at most nodes - 1.
        latents: number of hidden series.
        children: number of series that each of them drives, at least 2; none is driven by two.
        confounding: range of |W|; signs are random.
        persistence: m, the autocorrelation of the hidden series at lag 1, below 1. From 0 upwards the past of one child
            predicts another that it does not act on.
        shape: of e and z: "laplace", "uniform", "student" or "gaussian".
        strength: range of |coefficient| of lagged links, self links included; signs are random.
        radius: limit on the largest |eigenvalue| of the companion matrix, below 1. Draws beyond it are scaled onto it.
        noise: standard deviation of e, and of h and z.
        burn_in: rows simulated before the first one kept.

    Raises:
        ConfigError: a setting is of the wrong type or out of range.

    Reference: A. Gerhardus and J. Runge, "High-recall causal discovery for autocorrelated time series with latent
    confounders", NeurIPS (2020).
    """

    nodes: int = 10
    steps: int = 500
    max_lag: int = 3
    parents: float = 2.0
    latents: int = 2
    children: int = 2
    confounding: tuple[float, float] = (0.5, 1.0)
    persistence: float = 0.0
    shape: str = "laplace"
    strength: tuple[float, float] = (0.2, 0.5)
    radius: float = 0.95
    noise: float = 1.0
    burn_in: int = 200

    def __post_init__(self) -> None:
        owner = "a confounded VAR"
        nodes = whole(owner, "nodes", self.nodes, 2)
        latents = whole(owner, "latents", self.latents, 0)
        children = whole(owner, "children", self.children, 2)
        if latents * children > nodes:
            raise ConfigError(
                f"Cannot build {owner}. This is because latents={latents} with children={children} each drive more "
                f"series than nodes={nodes}, and none is driven by two. Try fewer of them, or more nodes."
            )
        settle(
            self,
            owner,
            latents=latents,
            children=children,
            confounding=interval(owner, "confounding", self.confounding, 1e-6, 100.0),
            persistence=number(owner, "persistence", self.persistence, 0.0, 0.99),
            shape=check_shape(owner, self.shape),
        )

    def load(self, seed: int = 0) -> Task:
        """Coefficients, hidden causes and noise drawn from the seed.

        Raises:
            ConfigError: the seed is not a whole number of at least 0.
        """
        structure, noise = streams(seed)
        links, loadings = self._system(structure)
        # one draw for both, row by row, so that a longer series begins with the shorter one
        drawn = self.noise * unit_noise(noise, self.shape, (self.burn_in + self.steps, self.nodes + self.latents))
        hidden = lfilter([np.sqrt(1.0 - self.persistence**2)], [1.0, -self.persistence], drawn[:, self.nodes :], axis=0)
        innovations = drawn[:, : self.nodes] + hidden @ loadings.T
        names = series_names(self.nodes)
        truth = truth_graph(names, links.named(names))
        _add_common_causes(truth, names, loadings)
        return Task(
            name="confounded",
            frame=pd.DataFrame(simulate(links, innovations)[self.burn_in :], columns=list(names)),
            truth=truth,
            truth_lags=True,
            truth_scope="without hidden common causes" if self.latents else "",
            description=(
                f"Sparse vector autoregression of {self.nodes} series over {self.steps} steps with {self.latents} "
                f"hidden common causes and {self.shape} noise."
            ),
            provenance=f"Simulated by sostruct.tasks.{self!r} with seed {seed}.",
        )

    def loadings(self, seed: int = 0) -> NDArray[np.float64]:
        """W of the task with this seed [node x hidden series].

        Raises:
            ConfigError: the seed is not a whole number of at least 0.
        """
        return self._system(streams(seed)[0])[1]

    def _system(self, rng: np.random.Generator) -> tuple[Links, NDArray[np.float64]]:
        links = stable_links(rng, self.nodes, self.max_lag, self.parents, self.strength, self.radius)
        driven = rng.permutation(self.nodes)[: self.latents * self.children]
        size = rng.uniform(*self.confounding, size=len(driven)) * rng.choice([-1.0, 1.0], size=len(driven))
        loadings = np.zeros((self.nodes, self.latents))
        loadings[driven, np.repeat(np.arange(self.latents), self.children)] = size
        return links, loadings


def _add_common_causes(truth: nx.MultiDiGraph, names: tuple[str, ...], loadings: NDArray[np.float64]) -> None:
    """An edge for every pair of series with a hidden cause in common, the first of them by name as its source."""
    scale = np.sqrt(1.0 + (loadings**2).sum(axis=1))
    shared = (loadings @ loadings.T) / np.outer(scale, scale)
    for one, other in combinations(range(len(names)), 2):
        if shared[one, other] != 0.0:
            truth.add_edge(
                names[one],
                names[other],
                key="value:0",
                coupling="value",
                lag=0,
                mark="bidirected",
                strength=float(shared[one, other]),
            )
