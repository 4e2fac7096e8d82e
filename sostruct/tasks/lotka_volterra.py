"""Predators and prey of many species: spikes, long quiet times, and effects that are products.

Design note. Two properties hold by construction. Numbers stay positive, because what the noise takes below zero is
reflected, and bounded, because prey alone grow towards a capacity. The equations are integrated in steps that shorten
as rates grow, so that a spike cannot make the integrator diverge, and with plain sums, whose rounding is the same on
every machine. As in every flow the truth is who appears in whose
equation, every edge at lag 1, and `truth_lags` is False; self links are part of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sostruct.errors import ConfigError
from sostruct.tasks.base import AbstractTask, Task, number, series_names, streams, whole
from sostruct.tasks.truth import Link, truth_graph

_INNER = 0.02  # longest time between two draws of the noise
_CAPACITY = 200.0**2  # of a population of prey that nobody eats
_CHANGE = 0.25  # largest relative change of a population in one step of the integrator, roughly


@final
@dataclass(frozen=True)
class LotkaVolterra(AbstractTask):
    """dx_i/dt = growth x_i - eaten x_i sum(y_j) - growth (x_i / 200)^2, dy_j/dt = fed y_j sum(x_i) - death y_j.

    The first half of the series are prey x and the second half predators y; noise is added to both. They live in groups
    of `parents` prey and as many predators, in which every predator eats every prey; who shares a group is random. The
    groups, the sums over all of a group and the rates are those of the files of Marcinkevics & Vogt.

    Args:
        nodes: number of series, even: half of them prey and half of them predators.
        steps: number of rows.
        parents: number of predators that eat a prey, and of prey that a predator eats; half of `nodes` is a multiple.
        growth: rate at which prey multiply.
        eaten: rate at which a predator removes prey.
        fed: rate at which a prey multiplies predators.
        death: rate at which predators die.
        dt: time between rows.
        noise: standard deviation of what is added to a population per square root of time, 0 for none; at 0 the sizes
            within a group keep their ratio.
        burn_in: rows simulated before the first one kept.

    Raises:
        ConfigError: a setting is of the wrong type or out of range.

    Reference: R. Marcinkevics and J. E. Vogt, "Interpretable models for Granger causality using self-explaining neural
    networks", ICLR (2021); N. Bacaer, "A short history of mathematical population dynamics", Springer (2011).
    """

    nodes: int = 20
    steps: int = 2000
    parents: int = 2
    growth: float = 1.2
    eaten: float = 0.2
    fed: float = 0.05
    death: float = 1.1
    dt: float = 0.1
    noise: float = 1.0
    burn_in: int = 200

    def __post_init__(self) -> None:
        owner = "predators and prey"
        nodes = whole(owner, "nodes", self.nodes, 2)
        parents = whole(owner, "parents", self.parents, 1)
        if nodes % (2 * parents):
            raise ConfigError(
                f"Cannot build {owner}. This is because nodes={nodes!r} cannot be divided into groups of "
                f"parents={parents} prey and as many predators. Try a multiple of {2 * parents} as nodes."
            )
        checked = {
            "nodes": nodes,
            "steps": whole(owner, "steps", self.steps, 1),
            "parents": parents,
            "growth": number(owner, "growth", self.growth, 0.01, 10.0),
            "eaten": number(owner, "eaten", self.eaten, 0.001, 1.0),
            "fed": number(owner, "fed", self.fed, 0.001, 1.0),
            "death": number(owner, "death", self.death, 0.01, 10.0),
            "dt": number(owner, "dt", self.dt, 1e-6, 10.0),
            "noise": number(owner, "noise", self.noise, 0.0, 10.0),
            "burn_in": whole(owner, "burn_in", self.burn_in, 0),
        }
        for setting, value in checked.items():
            object.__setattr__(self, setting, value)

    def load(self, seed: int = 0) -> Task:
        """Groups, a start and noise drawn from the seed.

        Raises:
            ConfigError: the seed is not a whole number of at least 0.
        """
        structure, noise = streams(seed)
        own, acts = self._rates(structure)
        state = structure.uniform(10.0, 100.0, size=self.nodes)
        draws = math.ceil(self.dt / _INNER)
        h = self.dt / draws
        path = np.empty((self.burn_in + self.steps, self.nodes))
        for row in path:
            for _ in range(draws):
                state = _flow(state, own, acts, h)
                state = np.abs(state + self.noise * math.sqrt(h) * noise.standard_normal(self.nodes))
            row[:] = state
        names = series_names(self.nodes)
        # a population is in its own equation whether or not it acts on its own growth
        shown = (acts != 0.0) | np.eye(self.nodes, dtype=bool)
        links = [Link(names[cause], names[effect]) for effect, cause in np.argwhere(shown).tolist()]
        return Task(
            name="lotka_volterra",
            frame=pd.DataFrame(path[self.burn_in :], columns=list(names)),
            truth=truth_graph(names, links),
            truth_lags=False,
            description=f"Predators and prey of {self.nodes} species over {self.steps} steps.",
            provenance=f"Simulated by sostruct.tasks.{self!r} with seed {seed}.",
        )

    def rates(self, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """b [species] and M [effect x cause] of the task with this seed, in ds/dt = s (b + M s) without noise.

        Raises:
            ConfigError: the seed is not a whole number of at least 0.
        """
        return self._rates(streams(seed)[0])

    def _rates(self, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        half = self.nodes // 2
        predators, prey = rng.permutation(half), rng.permutation(half)
        eats = np.zeros((half, half))
        eats[np.ix_(predators, prey)] = np.kron(np.eye(half // self.parents), np.ones((self.parents, self.parents)))
        crowding = -self.growth / _CAPACITY * np.eye(half)
        acts = np.block([[crowding, -self.eaten * eats.T], [self.fed * eats, np.zeros((half, half))]])
        return np.repeat([self.growth, -self.death], half), acts


def _flow(
    state: NDArray[np.float64], own: NDArray[np.float64], acts: NDArray[np.float64], time: float
) -> NDArray[np.float64]:
    """The state after some time without noise, by the classical Runge-Kutta method in steps that fit the rates."""

    def change(s: NDArray[np.float64]) -> NDArray[np.float64]:
        moved: NDArray[np.float64] = s * (own + (acts * s).sum(axis=1))
        return moved

    sizes = np.abs(acts)
    while time > 0.0:
        h = min(time, _CHANGE / float((np.abs(own) + (sizes * state).sum(axis=1)).max()))
        k1 = change(state)
        k2 = change(state + 0.5 * h * k1)
        k3 = change(state + 0.5 * h * k2)
        k4 = change(state + h * k3)
        state = state + h / 6.0 * (k1 + 2.0 * (k2 + k3) + k4)
        time -= h
    return state
