"""What series must be before a network that takes gaps is grown on them: a filter of beliefs, a mixture.

Such networks take gaps, single series and rows of any number, so less is refused than for lagged regressions: what is
left is what no variance can be read off. Values and the order of rows are the network's own business
(`networks.hgf.inputs`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sostruct.errors import DataError
from sostruct.tasks.base import series_names
from sostruct.tasks.checks import check_names, check_numbers

FEWEST = 10
"""Observed values that a series needs: a random walk and its noise have a variance each to be told apart, and so have
the centers of clusters and the points about them."""


def check_series(data: Any) -> pd.DataFrame:
    """Series as a float64 frame of their own, NaN where a value is missing.

    Args:
        data: a DataFrame, a pandas Series, or an array [time x input] or [time], whose columns are then called x0,
            x1, ... Labels that are no strings become strings.

    Raises:
        DataError: there is no column, a name occurs twice, or a column is not numeric, holds infinite values, fewer
            than ten observed ones, or the same one everywhere.
    """
    frame = data if isinstance(data, pd.DataFrame) else _framed(data)
    names = check_names(frame.columns)
    if not names:
        raise DataError("Cannot use this frame. This is because it has no columns. Try at least one column of numbers.")
    values = check_numbers(frame, names)
    for column, name in enumerate(names):
        series = values[:, column]
        if np.isinf(series).any():
            row = int(np.isinf(series).argmax())
            raise DataError(
                f"Cannot use column {name!r}. This is because it is infinite in row {row} (counting from 0). Try NaN, "
                "which is a missing value."
            )
        seen = series[~np.isnan(series)]
        if len(seen) < FEWEST:
            raise DataError(
                f"Cannot use column {name!r}. This is because it has {len(seen)} observed values, and {FEWEST} are "
                "needed. Try a longer series, or leaving the column out."
            )
        if seen.min() == seen.max():
            raise DataError(
                f"Cannot use column {name!r}. This is because it is constant: {seen[0]:.6g} wherever it is observed. "
                "Try leaving it out."
            )
    return pd.DataFrame(values, index=frame.index, columns=list(names), copy=True)


def _framed(data: Any) -> pd.DataFrame:
    if isinstance(data, pd.Series):
        return data.to_frame("x0" if data.name is None else data.name)
    array = np.ma.filled(data, np.nan) if isinstance(data, np.ma.MaskedArray) else np.asarray(data)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2:
        raise DataError(
            f"Cannot use an array with {array.ndim} dimensions as series. This is because series are rows of time by "
            "columns of inputs. Try an array of shape (time, input)."
        )
    return pd.DataFrame(array, columns=list(series_names(array.shape[1])))
