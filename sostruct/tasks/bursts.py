"""A linear system whose noise comes in bursts: the same graph throughout, at a variance that nobody can take as given.

Design note. Every series is quiet or bursting by a telegraph process of its own, independent of everything else, so
that bursts say nothing about the graph: a method that takes two variances that rise together, or large values that
follow each other, for an effect reports edges that are not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sostruct.tasks.base import AbstractTask, Task, number, series_names, streams
from sostruct.tasks.links import simulate
from sostruct.tasks.truth import truth_graph
from sostruct.tasks.var import settle, stable_links


@final
@dataclass(frozen=True)
class BurstingVAR(AbstractTask):
    """x(t) = sum over tau of A_tau x(t - tau) + s(t) e(t), each s_j(t) either `noise` or `burst` times as much.

    A series that is quiet begins a burst, and one that bursts falls quiet, with probability 1 / `duration` per step.

    Args:
        nodes: number of series, at least 2.
        steps: number of rows.
        max_lag: largest lag, in steps.
        parents: expected number of other nodes that act on a node, at most nodes - 1.
        burst: standard deviation of the innovations in a burst over that in quiet times.
        duration: expected number of steps of a burst, and of the quiet between two; at 2 the states of a series have no
            memory.
        strength: range of |coefficient|, self links included; signs are random.
        radius: limit on the largest |eigenvalue| of the companion matrix, below 1. Draws beyond it are scaled onto it.
        noise: standard deviation of the innovations in quiet times.
        burn_in: rows simulated before the first one kept.

    Raises:
        ConfigError: a setting is of the wrong type or out of range.

    Reference: J. D. Hamilton and R. Susmel, "Autoregressive conditional heteroskedasticity and changes in regime",
    Journal of Econometrics 64 (1994).
    """

    nodes: int = 10
    steps: int = 500
    max_lag: int = 3
    parents: float = 2.0
    burst: float = 5.0
    duration: float = 20.0
    strength: tuple[float, float] = (0.2, 0.5)
    radius: float = 0.95
    noise: float = 1.0
    burn_in: int = 200

    def __post_init__(self) -> None:
        owner = "a VAR with bursts"
        settle(
            self,
            owner,
            burst=number(owner, "burst", self.burst, 1.0, 1e6),
            duration=number(owner, "duration", self.duration, 2.0, 1e9),
        )

    def load(self, seed: int = 0) -> Task:
        """Coefficients, bursts and noise drawn from the seed.

        Raises:
            ConfigError: the seed is not a whole number of at least 0.
        """
        structure, noise = streams(seed)
        links = stable_links(structure, self.nodes, self.max_lag, self.parents, self.strength, self.radius)
        scale = np.where(self._bursting(noise), self.noise * self.burst, self.noise)
        innovations = scale * noise.standard_normal(scale.shape)
        names = series_names(self.nodes)
        return Task(
            name="bursts",
            frame=pd.DataFrame(simulate(links, innovations)[self.burn_in :], columns=list(names)),
            truth=truth_graph(names, links.named(names)),
            truth_lags=True,
            description=(
                f"Sparse vector autoregression of {self.nodes} series over {self.steps} steps, with bursts of "
                f"{self.burst:g} times the noise."
            ),
            provenance=f"Simulated by sostruct.tasks.{self!r} with seed {seed}.",
        )

    def bursting(self, seed: int = 0) -> NDArray[np.bool_]:
        """Which series of the task with this seed are in a burst, and when [time x node].

        Raises:
            ConfigError: the seed is not a whole number of at least 0.
        """
        return self._bursting(streams(seed)[1])[self.burn_in :]

    def _bursting(self, rng: np.random.Generator) -> NDArray[np.bool_]:
        """The telegraph processes, burn-in included, from a stream of their own."""
        drawn = rng.spawn(1)[0].random((self.burn_in + self.steps, self.nodes))
        changes = drawn < 1.0 / self.duration
        changes[0] = drawn[0] < 0.5
        bursting: NDArray[np.bool_] = changes.cumsum(axis=0) % 2 == 1
        return bursting
