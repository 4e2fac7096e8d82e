"""Realizations: rows of one never predict rows of another.

Design note. Everything that reads a series `values [time, variable]` reads one table or a sequence of them, all of one
system under the same conditions; a plain table is a sequence of one, and gives the same numbers to the last bit. Rows
with a complete past are L..T-1 of every table, one table after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Table = NDArray[np.float64]

Series = Table | Sequence[Table]
"""One table of values [time, variable], or one per realization."""


def segments_of(data: Any) -> tuple[Table, ...]:
    """The tables of a series, float64: of a frame with an index (realization, time), of each realization; of a
    sequence, its members; of anything else, itself."""
    if isinstance(data, pd.DataFrame):
        values = data.to_numpy(np.float64)
        if not isinstance(data.index, pd.MultiIndex):
            return (values,)
        codes = np.asarray(data.index.codes[0])
        return tuple(np.split(values, np.flatnonzero(np.diff(codes)) + 1))
    if isinstance(data, np.ndarray):
        return (data.astype(np.float64, copy=False),)
    return tuple(np.asarray(table, np.float64) for table in data)


def joined(values: Series) -> Table:
    """All rows, one table after the other [row, variable]."""
    segments = segments_of(values)
    return segments[0] if len(segments) == 1 else np.concatenate(segments)


def predicted_rows(values: Series, max_lag: int) -> Table:
    """The rows that have a complete past [row, variable]."""
    return joined([table[max_lag:] for table in segments_of(values)])
