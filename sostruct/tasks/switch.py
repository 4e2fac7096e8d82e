"""A linear system whose graph is another one after each switch: what a single graph over all rows cannot describe.

Design note. The numbers of the regimes are names: where one comes back, so does its graph, with every coefficient. Each
graph is drawn from a stream of its own, in the order of first appearance, so that one more regime at the end changes
none before it. The states go on across a switch, so that no jump gives it away: only what drives them is new.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import final

import numpy as np
import pandas as pd

from sostruct.errors import ConfigError
from sostruct.tasks.base import AbstractTask, Task, series_names, streams, whole
from sostruct.tasks.links import Links, simulate
from sostruct.tasks.noise import check_shape, unit_noise
from sostruct.tasks.regimes import Regime
from sostruct.tasks.truth import truth_graph
from sostruct.tasks.var import settle, stable_links


@final
@dataclass(frozen=True)
class SwitchingVAR(AbstractTask):
    """Sparse vector autoregressions as in `SparseVAR`, one per regime, each over an equal part of the rows.

    One graph over all rows is an average of the regimes, and none of them. `truth` is the graph that holds at the end,
    which is what a method that follows changes should know by then; `graphs` has that of every regime, to judge a
    method on the rows of one, or by their union on all rows. A longer series has its switches later, and begins with
    the first regime of the shorter one.

    Args:
        nodes: number of series, at least 2.
        steps: number of rows, of all regimes together.
        max_lag: largest lag, in steps.
        parents: expected number of other nodes that act on a node, at most nodes - 1.
        regimes: the regimes in the order in which they hold, as numbers; equal numbers have equal graphs, and those
            that follow each other differ.
        strength: range of |coefficient|, self links included; signs are random.
        radius: limit on the largest |eigenvalue| of the companion matrix, below 1. Draws beyond it are scaled onto it.
        noise: standard deviation of the innovations.
        shape: of the innovations: "laplace", "uniform", "student" or "gaussian".
        burn_in: rows simulated before the first one kept, in the first regime.

    Raises:
        ConfigError: a setting is of the wrong type or out of range.
    """

    nodes: int = 10
    steps: int = 1000
    max_lag: int = 3
    parents: float = 2.0
    regimes: tuple[int, ...] = (0, 1)
    strength: tuple[float, float] = (0.2, 0.5)
    radius: float = 0.95
    noise: float = 1.0
    shape: str = "gaussian"
    burn_in: int = 200

    def __post_init__(self) -> None:
        owner = "a switching VAR"
        steps = whole(owner, "steps", self.steps, 1)
        settle(self, owner, regimes=_order(owner, self.regimes, steps), shape=check_shape(owner, self.shape))

    def load(self, seed: int = 0) -> Task:
        """Graphs and noise drawn from the seed; `truth` is the graph of the last regime.

        Raises:
            ConfigError: the seed is not a whole number of at least 0.
        """
        structure, noise = streams(seed)
        systems = self._systems(structure)
        innovations = self.noise * unit_noise(noise, self.shape, (self.burn_in + self.steps, self.nodes))
        values = np.empty((0, self.nodes))
        # the first regime has the burn-in as well
        bounds = [0, *(first + self.burn_in for first in self._firsts()[1:]), len(innovations)]
        for links, (begin, end) in zip(systems, pairwise(bounds), strict=True):
            values = np.concatenate([values, simulate(links, innovations[begin:end], past=values)])
        names = series_names(self.nodes)
        return Task(
            name="switch",
            frame=pd.DataFrame(values[self.burn_in :], columns=list(names)),
            truth=truth_graph(names, systems[-1].named(names)),
            truth_lags=True,
            truth_scope=f"of the last regime, from row {self._firsts()[-1]} on" if len(systems) > 1 else "",
            description=(
                f"Sparse vector autoregressions of {self.nodes} series over {self.steps} steps, in the regimes "
                f"{', '.join(map(str, self.regimes))}; the known graph is that of the last one."
            ),
            provenance=f"Simulated by sostruct.tasks.{self!r} with seed {seed}.",
        )

    def graphs(self, seed: int = 0) -> tuple[Regime, ...]:
        """The graph of every regime of the task with this seed, and the row from which it holds.

        Raises:
            ConfigError: the seed is not a whole number of at least 0.
        """
        names = series_names(self.nodes)
        systems = self._systems(streams(seed)[0])
        return tuple(
            Regime(first, truth_graph(names, links.named(names)))
            for first, links in zip(self._firsts(), systems, strict=True)
        )

    def _firsts(self) -> list[int]:
        return [self.steps * place // len(self.regimes) for place in range(len(self.regimes))]

    def _systems(self, rng: np.random.Generator) -> list[Links]:
        """The links of every regime, in the order in which they hold."""
        labels = list(dict.fromkeys(self.regimes))
        drawn = {
            label: stable_links(stream, self.nodes, self.max_lag, self.parents, self.strength, self.radius)
            for label, stream in zip(labels, rng.spawn(len(labels)), strict=True)
        }
        return [drawn[label] for label in self.regimes]


def _order(owner: str, given: object, steps: int) -> tuple[int, ...]:
    regimes = tuple(given) if hasattr(given, "__iter__") and not isinstance(given, str) else ()
    if not regimes:
        raise ConfigError(
            f"Cannot build {owner}. This is because regimes is {given!r}, and it must be a list of numbers. "
            f"Try regimes=(0, 1)."
        )
    order = tuple(whole(owner, "regimes", regime, 0) for regime in regimes)
    if any(one == other for one, other in pairwise(order)):
        raise ConfigError(
            f"Cannot build {owner}. This is because regimes is {order!r}, where a regime follows itself, which is no "
            f"switch. Try naming it once."
        )
    if len(order) > steps:
        raise ConfigError(
            f"Cannot build {owner}. This is because {len(order)} regimes do not fit into steps={steps}. "
            f"Try fewer regimes or more steps."
        )
    return order
