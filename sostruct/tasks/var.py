"""Sparse vector autoregressions: the linear family every method is first measured on.

Design note. Stability is built in, not hoped for: scaling A_tau by s**tau scales every eigenvalue of the companion
matrix by exactly s, because the substitution y(t) = x(t) s**t turns one process into the other. A draw whose largest
eigenvalue exceeds the limit is therefore brought onto it, its zeros untouched, and no draw is thrown away.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import networkx as nx
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sostruct.tasks.base import AbstractTask, Task, interval, number, series_names, streams, whole
from sostruct.tasks.links import Links, random_links, simulate
from sostruct.tasks.truth import truth_graph


@final
@dataclass(frozen=True)
class SparseVAR(AbstractTask):
    """x(t) = sum over tau of A_tau x(t - tau) + e(t), e ~ N(0, noise^2 I), with few non-zero coefficients.

    Every node depends on its own last value, and on `parents` other nodes in expectation, each at one lag.

    Args:
        nodes: number of series, at least 2.
        steps: number of rows.
        max_lag: largest lag, in steps.
        parents: expected number of other nodes that act on a node, at most nodes - 1.
        strength: range of |coefficient|, self links included; signs are random.
        radius: limit on the largest |eigenvalue| of the companion matrix, below 1. Draws beyond it are scaled onto it.
        noise: standard deviation of the innovations.
        burn_in: rows simulated before the first one kept.

    Raises:
        ConfigError: a setting is of the wrong type or out of range.
    """

    nodes: int = 10
    steps: int = 500
    max_lag: int = 3
    parents: float = 2.0
    strength: tuple[float, float] = (0.2, 0.5)
    radius: float = 0.95
    noise: float = 1.0
    burn_in: int = 200

    def __post_init__(self) -> None:
        settle(self, "a sparse VAR")

    def load(self, seed: int = 0) -> Task:
        """Coefficients and noise drawn from the seed.

        Raises:
            ConfigError: the seed is not a whole number of at least 0.
        """
        structure, noise = streams(seed)
        links = self._links(structure)
        innovations = self.noise * noise.standard_normal((self.burn_in + self.steps, self.nodes))
        names = series_names(self.nodes)
        return Task(
            name="var",
            frame=pd.DataFrame(simulate(links, innovations)[self.burn_in :], columns=list(names)),
            truth=truth_graph(names, links.named(names)),
            truth_lags=True,
            description=f"Sparse vector autoregression of {self.nodes} series over {self.steps} steps.",
            provenance=f"Simulated by sostruct.tasks.{self!r} with seed {seed}.",
        )

    def coefficients(self, seed: int = 0) -> NDArray[np.float64]:
        """A of the task with this seed [lag x effect x cause], lag 1 first.

        Raises:
            ConfigError: the seed is not a whole number of at least 0.
        """
        links = self._links(streams(seed)[0])
        dense = np.zeros((self.max_lag, self.nodes, self.nodes))
        dense[links.lag - 1, links.effect, links.cause] = links.weight
        return dense

    def _links(self, rng: np.random.Generator) -> Links:
        return stable_links(rng, self.nodes, self.max_lag, self.parents, self.strength, self.radius)


def settle(task: AbstractTask, owner: str, **own: object) -> None:
    """Puts checked settings in the place of given ones: those that every linear process has, and its `own`.

    Raises:
        ConfigError: a setting that every linear process has is of the wrong type or out of range.
    """
    given = vars(task)
    nodes = whole(owner, "nodes", given["nodes"], 2)
    checked: dict[str, object] = {
        "nodes": nodes,
        "steps": whole(owner, "steps", given["steps"], 1),
        "max_lag": whole(owner, "max_lag", given["max_lag"], 1),
        "parents": number(owner, "parents", given["parents"], 0.0, nodes - 1),
        "strength": interval(owner, "strength", given["strength"], 1e-6, 10.0),
        "radius": number(owner, "radius", given["radius"], 0.01, 0.999),
        "noise": number(owner, "noise", given["noise"], 1e-50, 1e50),
        "burn_in": whole(owner, "burn_in", given["burn_in"], 0),
        **own,
    }
    for setting, value in checked.items():
        object.__setattr__(task, setting, value)


def stable_links(
    rng: np.random.Generator,
    nodes: int,
    max_lag: int,
    parents: float,
    strength: tuple[float, float],
    radius: float,
) -> Links:
    """Random links of a linear process whose largest |eigenvalue| is at most `radius`."""
    links = random_links(rng, nodes, max_lag, parents, strength, strength)
    drawn = spectral_radius(links, nodes)
    return links if drawn <= radius else replace(links, weight=links.weight * (radius / drawn) ** links.lag)


def spectral_radius(links: Links, nodes: int) -> float:
    """The largest |eigenvalue| of the companion matrix of these links.

    The states are (node, delay): a link moves from (cause, lag - 1) to (effect, 0), and waiting from (i, d) to (i, d
    + 1). Ordered by strongly connected components the matrix is block triangular, so its eigenvalues are those of the
    components, and delays that nothing reads drop out.
    """
    states = nx.DiGraph()
    for cause, effect, lag, weight in zip(links.cause, links.effect, links.lag, links.weight, strict=True):
        states.add_edge((int(cause), int(lag) - 1), (int(effect), 0), weight=float(weight))
        for delay in range(int(lag) - 1):
            states.add_edge((int(cause), delay), (int(cause), delay + 1), weight=1.0)
    radius = 0.0
    for component in nx.strongly_connected_components(states):
        block = nx.to_numpy_array(states.subgraph(component), nodelist=sorted(component))
        radius = max(radius, float(np.abs(np.linalg.eigvals(block)).max()))
    return radius
