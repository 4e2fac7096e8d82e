"""Lorenz-96: chaotic flow on a ring, observed in time steps.

Design note. Samples of a flow have no lags of their own: within one sampling step a node is moved by its neighbors,
theirs by their neighbors, and so on. The truth is therefore who appears in whose equation, every edge at lag 1, and
`truth_lags` is False. The self link (-x_i) is part of the truth, as in every family.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sostruct.tasks.base import AbstractTask, Task, number, series_names, streams, whole
from sostruct.tasks.truth import Link, truth_graph


@final
@dataclass(frozen=True)
class Lorenz96(AbstractTask):
    """dx_i/dt = (x_{i+1} - x_{i-2}) x_{i-1} - x_i + F on a ring, sampled every dt, with noise on the observations.

    The noise of .1 on a flow sampled every .05 is the convention of the benchmark files of Khanna & Tan (2020), after
    Tank et al. (2018).

    Args:
        nodes: number of series, at least 4.
        steps: number of rows.
        forcing: F; the flow is chaotic from about 5 upwards, strongly so at 10.
        dt: time between rows; 1 stands for five days of weather.
        noise: standard deviation of the observation noise, 0 for none.
        burn_in: rows simulated before the first one kept.

    Raises:
        ConfigError: a setting is of the wrong type or out of range.

    Reference: E. N. Lorenz, "Predictability: a problem partly solved", ECMWF seminar (1996).
    """

    nodes: int = 10
    steps: int = 500
    forcing: float = 10.0
    dt: float = 0.05
    noise: float = 0.1
    burn_in: int = 500

    def __post_init__(self) -> None:
        checked = {
            "nodes": whole("Lorenz-96", "nodes", self.nodes, 4),
            "steps": whole("Lorenz-96", "steps", self.steps, 1),
            "forcing": number("Lorenz-96", "forcing", self.forcing, -1000.0, 1000.0),
            "dt": number("Lorenz-96", "dt", self.dt, 1e-6, 10.0),
            "noise": number("Lorenz-96", "noise", self.noise, 0.0, 1e50),
            "burn_in": whole("Lorenz-96", "burn_in", self.burn_in, 0),
        }
        for setting, value in checked.items():
            object.__setattr__(self, setting, value)

    def load(self, seed: int = 0) -> Task:
        """A trajectory from a random start near the unstable fixed point x = F, and its observation noise.

        Raises:
            ConfigError: the seed is not a whole number of at least 0.
        """
        starts, noise = streams(seed)
        state = self.forcing + starts.standard_normal(self.nodes)
        path = trajectory(state, self.forcing, self.dt, self.burn_in + self.steps)[self.burn_in :]
        observed = path + self.noise * noise.standard_normal(path.shape)
        names = series_names(self.nodes)
        links = [
            Link(names[(i + offset) % self.nodes], names[i]) for i in range(self.nodes) for offset in (-2, -1, 0, 1)
        ]
        return Task(
            name="lorenz96",
            frame=pd.DataFrame(observed, columns=list(names)),
            truth=truth_graph(names, links),
            truth_lags=False,
            description=f"Lorenz-96 flow of {self.nodes} series over {self.steps} steps, forcing {self.forcing:g}.",
            provenance=f"Simulated by sostruct.tasks.{self!r} with seed {seed}.",
        )


def derivative(state: NDArray[np.float64], forcing: float) -> NDArray[np.float64]:
    """dx/dt of states [... x node]."""
    # two wrapped nodes before and one behind, so that neighbors are slices
    ring = np.concatenate([state[..., -2:], state, state[..., :1]], axis=-1)
    change: NDArray[np.float64] = (ring[..., 3:] - ring[..., :-3]) * ring[..., 1:-2] - state + forcing
    return change


def trajectory(state: NDArray[np.float64], forcing: float, dt: float, steps: int) -> NDArray[np.float64]:
    """States after 1, 2, ..., `steps` times dt [step x ... x node], by the classical Runge-Kutta method.

    The inner step shortens with the forcing, as speeds grow: at most .1 / max(10, |F|), where halving
    it changes the state after .05 by less than 1e-5 of its size.
    """
    inner = math.ceil(dt * max(10.0, abs(forcing)) / 0.1)
    h = dt / inner
    path = np.empty((steps, *state.shape))
    for step in range(steps):
        for _ in range(inner):
            k1 = derivative(state, forcing)
            k2 = derivative(state + 0.5 * h * k1, forcing)
            k3 = derivative(state + 0.5 * h * k2, forcing)
            k4 = derivative(state + h * k3, forcing)
            state = state + h / 6.0 * (k1 + 2.0 * (k2 + k3) + k4)
        path[step] = state
    return path
