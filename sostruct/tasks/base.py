"""What a task is: series with named columns, and the graph that made them where that is known.

Design note. A task's settings are a frozen dataclass, and `load(seed)` turns them into data without touching any global
state, so the settings and one integer are all it takes to write a data set into a paper. Every simulator draws its
structure and its noise from two separate streams: the same seed gives the same graph at every length, and a longer
series begins with the shorter one.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Integral
from typing import final

import networkx as nx
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sostruct.errors import ConfigError


@final
@dataclass(frozen=True, eq=False)
class Task:
    """Series to explain.

    Args:
        name: short and fit for a folder name.
        frame: float64 series [time x node], NaN where a value is missing; the columns are strings and the index, where
            it is not a plain count of rows, says when each row was taken.
        truth: the graph behind the series, or None where it is not known. Of lagged systems every column is a node of
            kind "series"; of belief networks every column is an input and the other nodes are hidden.
        truth_lags: whether the lags of `truth` mean something. Where they do not (a flow sampled in time, a list of
            causes and effects alone) every edge carries lag 1.
        description: one sentence for a report.
        provenance: where the numbers come from, in enough detail to get them again.
        heldout: the rows that follow `frame`, with the same columns, which no learner is shown; None where there are
            none.
        start: the belief graph from which a learner of structure starts; None leaves it to the learner.
        labels: which cluster each row of `frame`, and then of `heldout`, comes from, as numbers [time]; None where the
            rows come from no clusters, or nobody knows from which.
        truth_scope: of what the truth is the graph, where that is not all of what made the series, to be read after
            "the known graph"; "" where it is.
    """

    name: str
    frame: pd.DataFrame
    truth: nx.MultiDiGraph | None
    truth_lags: bool
    description: str
    provenance: str
    heldout: pd.DataFrame | None = None
    start: nx.MultiDiGraph | None = None
    labels: NDArray[np.int64] | None = None
    truth_scope: str = ""


class AbstractTask(abc.ABC):
    """Settings from which a `Task` is loaded; every subclass is a frozen dataclass."""

    @abc.abstractmethod
    def load(self, seed: int = 0) -> Task:
        """The task for one seed: equal seeds give equal tasks, in every process.

        Args:
            seed: a whole number, zero or more. Recorded series are the same for every seed.

        Raises:
            SostructError: the seed, or what the settings refer to, cannot be used.
        """


def series_names(count: int) -> tuple[str, ...]:
    """Names for columns that have none: x0, x1, ..., with leading zeros, so that they sort as they count."""
    width = len(str(count - 1))
    return tuple(f"x{number:0{width}d}" for number in range(count))


def streams(seed: int) -> tuple[np.random.Generator, np.random.Generator]:
    """Two independent generators, the first for the structure of a system and the second for its noise.

    Raises:
        ConfigError: the seed is not a whole number of zero or more.
    """
    structure, noise = np.random.default_rng(whole("a task", "seed", seed, 0)).spawn(2)
    return structure, noise


def whole(owner: str, setting: str, value: object, least: int) -> int:
    """A setting that counts something.

    Raises:
        ConfigError: it is not a whole number, or is less than `least`.
    """
    if type(value) is bool or not isinstance(value, Integral) or value < least:
        raise ConfigError(
            f"Cannot build {owner}. This is because {setting} is {value!r}, which is not a whole number of at least "
            f"{least}. Try {setting}={max(least, 1)}."
        )
    return int(value)


def number(owner: str, setting: str, value: object, least: float, most: float) -> float:
    """A setting that measures something.

    Raises:
        ConfigError: it is not a number in [least, most].
    """
    if isinstance(value, (int, float, np.integer, np.floating)) and type(value) is not bool and least <= value <= most:
        return float(value)
    raise ConfigError(
        f"Cannot build {owner}. This is because {setting} is {value!r}, and it must be a number from {least:g} to "
        f"{most:g}. Try another {setting}."
    )


def interval(owner: str, setting: str, value: object, least: float, most: float) -> tuple[float, float]:
    """A setting that is a range from a lower to an upper end.

    Raises:
        ConfigError: it is not two ordered numbers in [least, most].
    """
    ends = list(value) if isinstance(value, (tuple, list)) or hasattr(value, "__iter__") else []
    if len(ends) != 2 or isinstance(value, str):
        raise ConfigError(
            f"Cannot build {owner}. This is because {setting} is {value!r}, and it must be two numbers, the lower and "
            f"the upper end of a range. Try {setting}=({least:g}, {most:g})."
        )
    low, high = (number(owner, setting, end, least, most) for end in ends)
    if low > high:
        raise ConfigError(
            f"Cannot build {owner}. This is because {setting} runs from {low:g} down to {high:g}. "
            f"Try {setting}=({high:g}, {low:g})."
        )
    return low, high


def listed(names: Iterable[object], most: int = 12) -> str:
    """Names for a message: quoted, separated by commas, and counted beyond the first few."""
    shown = [repr(name) for name in names]
    return ", ".join(shown[:most]) + (f" and {len(shown) - most} more" if len(shown) > most else "")
