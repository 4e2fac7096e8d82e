"""Clusters that drift, appear, join and vanish: streams for mixtures whose number of components grows and shrinks.

Design note. A cluster has a home, far from the homes of all others, and wanders around it as an autoregression, so that
clusters never meet by accident: what the truth counts is what a picture shows. Of two that merge one is led into the
other, and they are one from the row where it gets there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sostruct.errors import ConfigError
from sostruct.tasks.base import AbstractTask, Task, listed, number, series_names, streams, whole

_EVENTS = ("birth", "merge", "death")
_WANDER_LAM = 0.995


@final
@dataclass(frozen=True)
class DriftingMixture(AbstractTask):
    """Points x_t ~ N(mean of cluster k_t, 1) in several dimensions, k_t uniform over the clusters that are there.

    A cluster's mean is its home plus an autoregression (lam .995) of sd `wander` in every dimension. Homes are at least
    `separation` apart.

    Args:
        clusters: number at the start.
        dims: number of columns.
        steps: number of rows.
        events: what happens: "birth" of a cluster, "merge" of the nearest two, "death" of one; the n-th of them in row
            n * every.
        every: rows between events.
        glide: rows before a merge over which one moves into the other, at most `every`.
        separation: least distance of homes, in sd of a cluster.
        wander: sd of a mean around its home, in sd of a cluster; 0 keeps it there.
        heldout: number of further rows, held out.

    Raises:
        ConfigError: a setting is of the wrong type or out of range, or an event has no cluster to happen to.
    """

    clusters: int = 3
    dims: int = 2
    steps: int = 3000
    events: tuple[str, ...] = ("birth", "merge", "death")
    every: int = 750
    glide: int = 200
    separation: float = 8.0
    wander: float = 0.7
    heldout: int = 0

    def __post_init__(self) -> None:
        owner = "a drifting mixture"
        every = whole(owner, "every", self.every, 1)
        checked: dict[str, object] = {
            "clusters": whole(owner, "clusters", self.clusters, 1),
            "dims": whole(owner, "dims", self.dims, 1),
            "steps": whole(owner, "steps", self.steps, 1),
            "events": tuple(self.events),
            "every": every,
            "glide": int(number(owner, "glide", whole(owner, "glide", self.glide, 0), 0, every)),
            "separation": number(owner, "separation", self.separation, 0.0, 1000.0),
            "wander": number(owner, "wander", self.wander, 0.0, 1000.0),
            "heldout": whole(owner, "heldout", self.heldout, 0),
        }
        for setting, value in checked.items():
            object.__setattr__(self, setting, value)
        there = self.clusters
        for event in self.events:
            if event not in _EVENTS:
                raise ConfigError(
                    f"Cannot build {owner}. This is because events has {event!r}. Try some of {listed(_EVENTS)}."
                )
            there += 1 if event == "birth" else -1
            if there < 1:
                raise ConfigError(
                    f"Cannot build {owner}. This is because events={self.events!r} leaves no cluster of "
                    f"{self.clusters}. Try more clusters, or a birth first."
                )

    def load(self, seed: int = 0) -> Task:
        """The stream, with the cluster of every row; no graph says when which is there.

        Raises:
            ConfigError: the seed is not a whole number of at least 0.
        """
        points, which, _ = self._stream(seed)
        frame = pd.DataFrame(points, columns=list(series_names(self.dims)))
        return Task(
            name="mixture",
            frame=frame.iloc[: self.steps].copy(),
            truth=None,
            truth_lags=False,
            description=f"{self.clusters} drifting clusters in {self.dims} dimensions over {self.steps} steps.",
            provenance=f"Simulated by sostruct.tasks.{self!r} with seed {seed}.",
            heldout=frame.iloc[self.steps :].copy() if self.heldout else None,
            labels=which,
        )

    def labels(self, seed: int = 0) -> pd.DataFrame:
        """Of every row of the task with this seed, rows held out included: which cluster, and how many there are.

        Returns:
            columns "cluster" (a number that stays with it, counting from 0) and "clusters" [time x 2].

        Raises:
            ConfigError: the seed is not a whole number of at least 0.
        """
        _, which, there = self._stream(seed)
        return pd.DataFrame({"cluster": which, "clusters": there.sum(axis=1)})

    def means(self, seed: int = 0) -> NDArray[np.float64]:
        """Where the clusters are, nan before the first and after the last row of each [time x cluster x dim].

        Raises:
            ConfigError: the seed is not a whole number of at least 0.
        """
        structure, noise = streams(seed)
        return self._means(structure, noise.spawn(3)[0])

    def _stream(self, seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]:
        """Points [time x dim], their clusters [time], and which clusters are there [time x cluster]."""
        structure, noise = streams(seed)
        wandering, choosing, scattering = noise.spawn(3)
        means = self._means(structure, wandering)
        there = ~np.isnan(means[:, :, 0])
        rank = np.floor(choosing.random(len(means)) * there.sum(axis=1)).astype(np.int64)
        which = (np.cumsum(there, axis=1) > rank[:, None]).argmax(axis=1)
        points = means[np.arange(len(means)), which] + scattering.standard_normal((len(means), self.dims))
        return points, which, there

    def _means(self, structure: np.random.Generator, wandering: np.random.Generator) -> NDArray[np.float64]:
        rows = self.steps + self.heldout
        slots = self.clusters + self.events.count("birth")
        homes = self._homes(structure, slots)
        path = homes + self.wander * _wandering(wandering, rows, slots, self.dims)
        first, last = np.zeros(slots, dtype=np.int64), np.full(slots, rows)
        alive = list(range(self.clusters))
        for number_, event in enumerate(self.events, start=1):
            row = number_ * self.every
            if event == "birth":
                alive.append(self.clusters + self.events[: number_ - 1].count("birth"))
                first[alive[-1]] = row
                continue
            gone = alive[structure.integers(len(alive))]
            if event == "merge":
                # of the nearest two, so that no third one lies on the way
                gone, kept = _nearest(homes, alive)
                _lead(path, gone, kept, row - self.glide, row)
            alive.remove(gone)
            last[gone] = row
        time = np.arange(rows)[:, None]
        path[(time < first) | (time >= last)] = np.nan
        return path

    def _homes(self, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
        """Random places at least `separation` apart, in a cube that grows until they fit."""
        side = self.separation * count ** (1.0 / self.dims)
        homes = np.empty((0, self.dims))
        while len(homes) < count:
            place = rng.uniform(-side, side, self.dims)
            if (np.sqrt(((homes - place) ** 2).sum(axis=1)) >= self.separation).all():
                homes = np.vstack([homes, place])
            side *= 1.01
        return homes


def _wandering(rng: np.random.Generator, rows: int, slots: int, dims: int) -> NDArray[np.float64]:
    """Stationary autoregressions of variance 1 [time x cluster x dim]."""
    path = rng.standard_normal((rows, slots, dims))
    scale = np.sqrt(1.0 - _WANDER_LAM**2)
    for row in range(1, rows):
        path[row] = _WANDER_LAM * path[row - 1] + scale * path[row]
    return path


def _nearest(homes: NDArray[np.float64], alive: list[int]) -> tuple[int, int]:
    """The two clusters whose homes are nearest, the later one first."""
    pairs = [(one, other) for place, other in enumerate(alive) for one in alive[place + 1 :]]
    return min(pairs, key=lambda pair: float(np.sum((homes[pair[0]] - homes[pair[1]]) ** 2)))


def _lead(path: NDArray[np.float64], gone: int, kept: int, start: int, end: int) -> None:
    """Move one cluster into another, evenly over the rows from `start` to `end`."""
    rows = np.arange(max(start, 0), min(end, len(path)))
    part = ((rows - start) / max(end - start, 1))[:, None]
    path[rows, gone] += part * (path[rows, kept] - path[rows, gone])
