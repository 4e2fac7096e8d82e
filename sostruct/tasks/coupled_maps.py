"""Coupled chaotic maps on a random graph: motion in discrete time, with little correlation to see it by.

Design note. The maps are even, so that a series hardly correlates with the last values of its parents: what is there to
find is a curve, smooth in the logistic map and with a corner in the tent. A mean of values of a map stays in [-1, 1],
and what the noise takes beyond is reflected, so that no graph and no coupling lets the system diverge. Time is
discrete: every edge has lag 1 and means it. Sums are plain ones and no product of matrices, whose rounding differs
between machines: chaos would make it another series.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sostruct.errors import ConfigError
from sostruct.tasks.base import AbstractTask, Task, number, series_names, streams, whole
from sostruct.tasks.links import random_links
from sostruct.tasks.truth import Link, truth_graph


def logistic(x: NDArray[np.float64], a: float) -> NDArray[np.float64]:
    """1 - a x^2."""
    return 1.0 - a * x**2


def tent(x: NDArray[np.float64], a: float) -> NDArray[np.float64]:
    """1 - a |x|."""
    return 1.0 - a * np.abs(x)


all_maps: Mapping[str, Callable[[NDArray[np.float64], float], NDArray[np.float64]]] = MappingProxyType(
    {"logistic": logistic, "tent": tent}
)
"""Every map by name, a function of x and a; all of them map [-1, 1] into itself."""


@final
@dataclass(frozen=True)
class CoupledMaps(AbstractTask):
    """x_i(t) = (1 - coupling) f(x_i(t - 1)) + coupling mean over parents j of f(x_j(t - 1)) + e_i(t).

    f(x) = 1 - a x^2 is the logistic map on [-1, 1], f(x) = 1 - a |x| the tent. A node without parents follows its own
    map. The strength of an edge is the factor before f.

    Args:
        nodes: number of series, at least 2.
        steps: number of rows.
        parents: expected number of other nodes that act on a node, at most nodes - 1.
        coupling: share of a node's next value that comes from its parents. From about .15 upwards some fall into step
            with a parent, and the more the closer they are, the less can tell one from the other.
        map: f: "logistic" or "tent".
        steepness: a, at most 1.99 (at 2, rounding ends the motion of a tent). A lone logistic map is chaotic at most
            values from about 1.4 upwards, a tent from 1.
        noise: standard deviation of e, 0 for none.
        burn_in: rows simulated before the first one kept.

    Raises:
        ConfigError: a setting is of the wrong type or out of range.

    Reference: K. Kaneko, "Overview of coupled map lattices", Chaos 2 (1992).
    """

    nodes: int = 10
    steps: int = 500
    parents: float = 2.0
    coupling: float = 0.1
    map: str = "logistic"
    steepness: float = 1.9
    noise: float = 0.02
    burn_in: int = 200

    def __post_init__(self) -> None:
        owner = "coupled maps"
        if self.map not in all_maps:
            raise ConfigError(
                f"Cannot build {owner}. This is because map is {self.map!r}. Try one of {', '.join(all_maps)}."
            )
        nodes = whole(owner, "nodes", self.nodes, 2)
        checked: dict[str, int | float] = {
            "nodes": nodes,
            "steps": whole(owner, "steps", self.steps, 1),
            "parents": number(owner, "parents", self.parents, 0.0, nodes - 1),
            "coupling": number(owner, "coupling", self.coupling, 0.01, 0.99),
            "steepness": number(owner, "steepness", self.steepness, 0.1, 1.99),
            "noise": number(owner, "noise", self.noise, 0.0, 1.0),
            "burn_in": whole(owner, "burn_in", self.burn_in, 0),
        }
        for setting, value in checked.items():
            object.__setattr__(self, setting, value)

    def load(self, seed: int = 0) -> Task:
        """A graph, a start and noise drawn from the seed.

        Raises:
            ConfigError: the seed is not a whole number of at least 0.
        """
        structure, noise = streams(seed)
        weights = self._weights(structure)
        state = structure.uniform(-1.0, 1.0, size=self.nodes)
        path = self.noise * noise.standard_normal((self.burn_in + self.steps, self.nodes))
        step = all_maps[self.map]
        for row in path:
            row[:] = state = reflected((weights * step(state, self.steepness)).sum(axis=1) + row)
        names = series_names(self.nodes)
        links = [
            Link(names[cause], names[effect], 1, float(weights[effect, cause]))
            for effect, cause in np.argwhere(weights).tolist()
        ]
        return Task(
            name="coupled_maps",
            frame=pd.DataFrame(path[self.burn_in :], columns=list(names)),
            truth=truth_graph(names, links),
            truth_lags=True,
            description=f"{self.nodes} coupled {self.map} maps over {self.steps} steps.",
            provenance=f"Simulated by sostruct.tasks.{self!r} with seed {seed}.",
        )

    def weights(self, seed: int = 0) -> NDArray[np.float64]:
        """The factors before f of the task with this seed [effect x cause].

        Raises:
            ConfigError: the seed is not a whole number of at least 0.
        """
        return self._weights(streams(seed)[0])

    def _weights(self, rng: np.random.Generator) -> NDArray[np.float64]:
        links = random_links(rng, self.nodes, 1, self.parents, (1.0, 1.0), (1.0, 1.0))
        acts = np.zeros((self.nodes, self.nodes))
        acts[links.effect, links.cause] = 1.0
        np.fill_diagonal(acts, 0.0)
        count = acts.sum(axis=1, keepdims=True)
        weights: NDArray[np.float64] = self.coupling * acts / np.maximum(count, 1.0)
        np.fill_diagonal(weights, np.where(count[:, 0] > 0, 1.0 - self.coupling, 1.0))
        return weights


def reflected(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values folded into [-1, 1] at its ends, as often as it takes."""
    folded: NDArray[np.float64] = 1.0 - np.abs((values + 1.0) % 4.0 - 2.0)
    return folded
