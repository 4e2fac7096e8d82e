"""Which step of time a row is: what seasons and grids are counted on.

Design note. A season's phase is a matter of time, not of where a frame begins: rows that follow, a held-out stretch and
another realization must all meet the season where they are. So the clock of the series a graph was found on is kept,
and rows that carry times of the same kind are placed on it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sostruct.errors import DataWarning
from sostruct.tasks.timestamps import measures, position, steps_of

ROWS = "row"
"""The clock of rows that carry no time: a count from the first."""


@final
@dataclass(frozen=True)
class Clock:
    """Equal steps of time.

    Args:
        unit: of the counts below: a clock of `timestamps.measures`, or "row".
        origin: count at step 0.
        step: counts per step.
    """

    unit: str = ROWS
    origin: float = 0.0
    step: float = 1.0

    @classmethod
    def of(cls, indices: Iterable[pd.Index]) -> Clock:
        """The clock of checked rows, step 0 at the first of them; several realizations share one."""
        first, found, steps = None, None, []
        for index in indices:
            first = index if first is None else first
            if isinstance(index, pd.RangeIndex):
                found = ("number", float(index.step))
                return cls(found[0], float(first[0]), found[1])
            own = steps_of(index)
            if own is not None:
                found = own
                steps.append(own[1])
        if found is None or first is None:
            return cls()
        return cls(found[0], float(_counts(first, found[0])[0]), float(np.mean(steps)))

    def steps(self, index: pd.Index) -> NDArray[np.float64]:
        """The step of every row [row], a count from the origin; from the first row where they carry no such time."""
        if self.unit != ROWS:
            counts = _counts(index, self.unit)
            if len(counts):
                return (counts - self.origin) / self.step
            warnings.warn(
                "The rows carry no times like those that the season was found on. It is taken to begin with the first "
                "row as it did there. Try the same kind of index.",
                DataWarning,
                stacklevel=2,
            )
        return np.arange(len(index), dtype=np.float64)


def _counts(index: pd.Index, unit: str) -> NDArray[np.float64]:
    """The rows on one clock; empty where they do not carry it."""
    if isinstance(index, pd.RangeIndex):
        return index.to_numpy(np.float64) if unit == "number" else np.empty(0)
    calendar = unit in ("day", "business day", "month")
    if calendar and isinstance(index, pd.DatetimeIndex):
        return position(index, unit)
    found = measures(index)
    if calendar and "microsecond" in found:  # text: parsed by measures alone
        return position(pd.DatetimeIndex(pd.to_datetime([str(label) for label in index])), unit)
    if unit == "microsecond" and unit in found:
        moment = index[0] if isinstance(index, pd.DatetimeIndex) else pd.Timestamp(str(index[0]))
        return found[unit] + moment.timestamp() * 1e6
    return found.get(unit, np.empty(0))
