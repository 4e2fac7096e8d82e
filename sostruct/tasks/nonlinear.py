"""Nonlinear structural processes: effects that a correlation may miss entirely.

Design note. Every mechanism is bounded by 1 and every self link is below 1, so that whatever graph is drawn, |x_j| <=
(sum of |weights| + largest |innovation|) / (1 - |self link|): the process cannot diverge. Three of
the four mechanisms are not monotone and one of them is even, which is what separates methods that see curves from
methods that see slopes. The default weights are small beside a long memory: flexible learners that do not test each
edge on its own find few of them in 500 rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sostruct.tasks.base import AbstractTask, Task, interval, number, series_names, streams, whole
from sostruct.tasks.links import Links, random_links, simulate
from sostruct.tasks.truth import Link, truth_graph


def hyperbolic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """tanh(x): a slope that saturates."""
    return np.tanh(x)


def sine(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """sin(2 x): rises, then falls."""
    return np.sin(2.0 * x)


def square(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """2 x^2 / (1 + x^2) - 1: even, a square that saturates."""
    return 1.0 - 2.0 / (1.0 + x**2)


def hump(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """x exp((1 - x^2) / 2): a slope near 0 that fades away."""
    return x * np.exp(0.5 * (1.0 - x**2))


all_mechanisms: Mapping[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = MappingProxyType(
    {"tanh": hyperbolic, "sine": sine, "square": square, "hump": hump}
)
"""Every mechanism by name; all of them map the real line into [-1, 1]."""


@final
@dataclass(frozen=True)
class Nonlinear(AbstractTask):
    """x_j(t) = a_j x_j(t - 1) + sum over parents i of w_ij f_ij(x_i(t - lag_ij)) + e_j(t), e ~ N(0, noise^2).

    Args:
        nodes: number of series, at least 2.
        steps: number of rows.
        max_lag: largest lag, in steps.
        parents: expected number of other nodes that act on a node, at most nodes - 1.
        strength: range of |w|; signs are random.
        memory: range of |a|, below 1; signs are random.
        noise: standard deviation of the innovations.
        burn_in: rows simulated before the first one kept.

    Raises:
        ConfigError: a setting is of the wrong type or out of range.
    """

    nodes: int = 10
    steps: int = 500
    max_lag: int = 3
    parents: float = 2.0
    strength: tuple[float, float] = (0.2, 0.6)
    memory: tuple[float, float] = (0.4, 0.8)
    noise: float = 1.0
    burn_in: int = 200

    def __post_init__(self) -> None:
        nodes = whole("a nonlinear process", "nodes", self.nodes, 2)
        checked = {
            "nodes": nodes,
            "steps": whole("a nonlinear process", "steps", self.steps, 1),
            "max_lag": whole("a nonlinear process", "max_lag", self.max_lag, 1),
            "parents": number("a nonlinear process", "parents", self.parents, 0.0, nodes - 1),
            "strength": interval("a nonlinear process", "strength", self.strength, 1e-6, 100.0),
            "memory": interval("a nonlinear process", "memory", self.memory, 0.0, 0.99),
            "noise": number("a nonlinear process", "noise", self.noise, 1e-50, 1e50),
            "burn_in": whole("a nonlinear process", "burn_in", self.burn_in, 0),
        }
        for setting, value in checked.items():
            object.__setattr__(self, setting, value)

    def load(self, seed: int = 0) -> Task:
        """Graph, mechanisms, weights and noise drawn from the seed.

        Raises:
            ConfigError: the seed is not a whole number of at least 0.
        """
        structure, noise = streams(seed)
        links, kinds = self._system(structure)
        innovations = self.noise * noise.standard_normal((self.burn_in + self.steps, self.nodes))
        names = series_names(self.nodes)
        return Task(
            name="nonlinear",
            frame=pd.DataFrame(simulate(links, innovations, _responses(kinds))[self.burn_in :], columns=list(names)),
            truth=truth_graph(names, links.named(names)),
            truth_lags=True,
            description=f"Nonlinear structural process of {self.nodes} series over {self.steps} steps.",
            provenance=f"Simulated by sostruct.tasks.{self!r} with seed {seed}.",
        )

    def mechanisms(self, seed: int = 0) -> dict[Link, str]:
        """Every link of the task with this seed and the mechanism it acts through; "identity" for self links.

        Raises:
            ConfigError: the seed is not a whole number of at least 0.
        """
        links, kinds = self._system(streams(seed)[0])
        names = ("identity", *all_mechanisms)
        return dict(zip(links.named(series_names(self.nodes)), (names[kind] for kind in kinds), strict=True))

    def _system(self, rng: np.random.Generator) -> tuple[Links, NDArray[np.int64]]:
        """The links, and the mechanism of each: 0 for the identity, then in the order of `all_mechanisms`."""
        links = random_links(rng, self.nodes, self.max_lag, self.parents, self.strength, self.memory)
        drawn = rng.integers(1, len(all_mechanisms) + 1, size=len(links.lag))
        return links, np.where(links.cause == links.effect, 0, drawn)


def _responses(
    kinds: NDArray[np.int64],
) -> Callable[[NDArray[np.float64], NDArray[np.int64]], NDArray[np.float64]]:
    places: list[NDArray[np.int64]] = []

    def respond(values: NDArray[np.float64], table: NDArray[np.int64]) -> NDArray[np.float64]:
        if not places:
            code = np.where(table >= 0, kinds[table], 0).reshape(-1)
            places.extend(np.flatnonzero(code == kind) for kind in range(1, len(all_mechanisms) + 1))
        flat = values.reshape(-1)
        for place, mechanism in zip(places, all_mechanisms.values(), strict=True):
            flat[place] = mechanism(flat[place])
        return values

    return respond
