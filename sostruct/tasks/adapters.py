"""What series may come as: one frame or array, several realizations of one system, or labeled arrays of xarray.

Design note. Everything becomes one DataFrame, one column per series. Several realizations are told apart by an index of
two levels, (realization, time), the rows of each together and in the order given; whatever reads the frame later splits
it there. xarray is recognized by its objects and never imported.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from sostruct.errors import DataError
from sostruct.tasks.base import listed, series_names

REALIZATION = "realization"
"""Name of the first level of the index, where it has none."""

_TIMES = frozenset({"time", "t", "date", "datetime", "timestamp", "step"})
_VARIABLES = frozenset({"variable", "variables", "var", "series", "node", "column", "channel", "feature", "region"})
_REALIZATIONS = frozenset(
    {"realization", "realisation", "subject", "trial", "sample", "member", "ensemble", "run", "draw", "chain", "epoch"}
)


def gathered(data: Any) -> pd.DataFrame:
    """The data as one frame; with several realizations, its index has the levels (realization, time).

    Args:
        data: a DataFrame, whose index may have two levels, (realization, time); an array [time x series], whose columns
            are then called x0, x1, ...; a list or a dict of frames or arrays with the same columns, one per
            realization; an xarray DataArray of time, variable and perhaps realization, or a Dataset with a variable per
            series over time and perhaps realization.

    Raises:
        DataError: none of these; columns that differ between realizations; dimensions that cannot be told apart.
    """
    if isinstance(data, pd.DataFrame):
        return _leveled(data) if isinstance(data.index, pd.MultiIndex) else data
    if _is_labeled(data):
        return _from_array(data) if type(data).__name__ == "DataArray" else _from_dataset(data)
    if isinstance(data, Mapping):
        return _stacked(list(data), list(data.values()))
    if isinstance(data, (list, tuple)) and data and all(map(_is_table, data)):
        return _stacked(range(len(data)), data)
    return _framed(data)


def like(data: Any, variables: Sequence[str]) -> pd.DataFrame:
    """Data gathered, with columns without names of their own called after `variables`, in their order.

    Raises:
        DataError: see `gathered`; an array has another number of columns.
    """
    frame = gathered(data)
    members = data.values() if isinstance(data, Mapping) else data if isinstance(data, (list, tuple)) else [data]
    if _is_labeled(data) or any(isinstance(member, pd.DataFrame) for member in members):
        return frame
    if frame.shape[1] != len(variables):
        raise DataError(
            f"Cannot use an array of shape {frame.shape}. This is because there are {len(variables)} series. Try an "
            f"array of shape (time, {len(variables)})."
        )
    return frame.set_axis(list(variables), axis=1)


def realizations(frame: pd.DataFrame) -> Iterator[tuple[Hashable, pd.DataFrame]]:
    """The realizations of a gathered frame with the times of their rows as index; a plain frame is one, named None."""
    if not isinstance(frame.index, pd.MultiIndex):
        yield None, frame
        return
    labels, codes = frame.index.levels[0].tolist(), np.asarray(frame.index.codes[0])
    starts = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(frame)]
    for start, end in pairwise(starts):
        yield labels[codes[start]], frame.iloc[start:end].droplevel(0)


def _leveled(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame of (realization, time), the rows of a realization together, realizations in order of appearance."""
    index = frame.index
    assert isinstance(index, pd.MultiIndex)
    if index.nlevels != 2:
        raise DataError(
            f"Cannot use the rows of this frame. This is because their index has several levels ({index.nlevels}), and "
            "two are understood: the realization and the time. Try `frame.reset_index(drop=True)` for one series of "
            "rows, or an index of two levels."
        )
    if not _is_clock(index, 1) and _is_clock(index, 0):
        frame = frame.swaplevel()
        index = frame.index
        assert isinstance(index, pd.MultiIndex)
    codes = np.asarray(index.codes[0])
    if (codes < 0).any():
        raise DataError(
            f"Cannot use the rows of this frame. This is because row {int((codes < 0).argmax())} (counting from 0) "
            "belongs to no realization. Try naming it or removing the row."
        )
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(first[inverse], kind="stable")
    ordered = frame if (np.diff(order) == 1).all() else frame.iloc[order]
    names = [index.names[0] or REALIZATION, index.names[1]]
    return ordered.set_axis(ordered.index.set_names(names), axis=0)


def _is_clock(index: pd.MultiIndex, level: int) -> bool:
    values = index.levels[level]
    named = str(index.names[level]).casefold() in _TIMES
    return named or isinstance(values, (pd.DatetimeIndex, pd.PeriodIndex, pd.TimedeltaIndex))


def _is_labeled(data: object) -> bool:
    kind = type(data)
    return kind.__module__.partition(".")[0] == "xarray" and kind.__name__ in ("DataArray", "Dataset")


def _is_table(member: object) -> bool:
    return isinstance(member, pd.DataFrame) or getattr(member, "ndim", None) == 2


def _stacked(labels: Sequence[Any], members: Sequence[Any]) -> pd.DataFrame:
    """One frame of realizations with the same columns."""
    if not members:
        raise DataError("Cannot use these series. This is because there are none. Try one frame per realization.")
    for label, member in zip(labels, members, strict=True):
        if not _is_table(member):
            raise DataError(
                f"Cannot use {label!r} as a realization. This is because it is no frame and no array of rows by "
                "columns. Try a dict of frames, one per realization; or, where it maps names to columns, "
                "`pd.DataFrame(data)`."
            )
    frames = [member if isinstance(member, pd.DataFrame) else _framed(member) for member in members]
    columns = list(frames[0].columns)
    for label, frame in zip(labels, frames, strict=True):
        if isinstance(frame.index, pd.MultiIndex):
            raise DataError(
                f"Cannot use realization {label!r}. This is because its index has several levels. Try one frame with "
                "the levels (realization, time), or frames with one level each."
            )
        if len(frame.columns) != len(columns) or set(frame.columns) != set(columns):
            other = sorted(set(map(str, frame.columns)) ^ set(map(str, columns)))
            raise DataError(
                f"Cannot use realization {label!r}. This is because its columns are not those of realization "
                f"{labels[0]!r}: {listed(other)} is in one of them only. Try the same columns in all."
            )
    stacked = pd.concat([frame[columns] for frame in frames], keys=list(labels), names=[REALIZATION, None])
    return _leveled(stacked)


def _framed(data: ArrayLike) -> pd.DataFrame:
    array = data.filled(np.nan) if isinstance(data, np.ma.MaskedArray) else np.asarray(data)
    if array.ndim != 2:
        several = " For several realizations, try `list(array)`, one array each." if array.ndim == 3 else ""
        raise DataError(
            f"Cannot use an array with {array.ndim} dimension{'' if array.ndim == 1 else 's'} as series. This is "
            f"because series are rows of time by columns of nodes. Try an array of shape (time, node).{several}"
        )
    return pd.DataFrame(array, columns=list(series_names(array.shape[1])))


def _time_of(data: Any, dims: Sequence[Hashable]) -> Hashable:
    """The dimension that is time: by its name, or by its coordinate."""
    named = [dim for dim in dims if str(dim).casefold() in _TIMES]
    dated = [dim for dim in dims if dim in data.indexes and isinstance(data.indexes[dim], pd.DatetimeIndex)]
    for found in (named, dated):
        if len(found) == 1:
            return found[0]
    if len(dims) == 1:
        return dims[0]
    raise DataError(
        f"Cannot use this {type(data).__name__}. This is because none of its dimensions {listed(dims)} is named time. "
        f"Try `data.rename({dims[0]}='time')`."
    )


def _from_array(data: Any) -> pd.DataFrame:
    """A DataArray of time, variable and perhaps realization."""
    dims = list(data.dims)
    if len(dims) not in (2, 3):
        raise DataError(
            f"Cannot use this DataArray. This is because it has the dimensions {listed(dims)}, and time, variable and "
            "perhaps realization are understood. Try selecting or stacking the others."
        )
    time = _time_of(data, dims)
    others = [dim for dim in dims if dim != time]
    realization = None
    if len(others) == 2:
        last = [dim for dim in others if str(dim).casefold() in _VARIABLES]
        first = [dim for dim in others if str(dim).casefold() in _REALIZATIONS]
        if len(last) != 1 and len(first) != 1:
            raise DataError(
                f"Cannot tell variables from realizations. This is because the dimensions beside time are called "
                f"{listed(others)}. Try naming them 'variable' and 'realization'."
            )
        variable = last[0] if len(last) == 1 else next(dim for dim in others if dim != first[0])
        realization = next(dim for dim in others if dim != variable)
    else:
        variable = others[0]
    names = list(data.indexes[variable]) if variable in data.indexes else list(series_names(data.sizes[variable]))
    times = data.indexes[time] if time in data.indexes else pd.RangeIndex(data.sizes[time], name=str(time))
    if realization is None:
        return pd.DataFrame(data.transpose(time, variable).to_numpy(), index=times, columns=names)
    count = data.sizes[realization]
    labels = list(data.indexes[realization]) if realization in data.indexes else list(range(count))
    tables = data.transpose(realization, time, variable).to_numpy()
    frames = [_trimmed(pd.DataFrame(table, index=times, columns=names)) for table in tables]
    return _named(_stacked(labels, frames), realization, time)


def _from_dataset(data: Any) -> pd.DataFrame:
    """A Dataset with a variable per series, over time and perhaps realization."""
    names = list(data.data_vars)
    dims = list(dict.fromkeys(dim for name in names for dim in data[name].dims))
    if not dims:
        raise DataError(
            "Cannot use this Dataset. This is because it has no variable over time. Try one variable per series."
        )
    time = _time_of(data, dims)
    others = [dim for dim in dims if dim != time]
    if len(others) > 1:
        raise DataError(
            f"Cannot use this Dataset. This is because beside time its variables have the dimensions {listed(others)}, "
            "and one at most, the realization, is understood. Try selecting, averaging or stacking the others."
        )
    coordinates = [dim for dim in (*others, time) if dim not in data.indexes]
    data = data.assign_coords({dim: range(data.sizes[dim]) for dim in coordinates})
    frame: pd.DataFrame = data.to_dataframe(dim_order=[*others, time])[names]
    if not others:
        return frame
    pieces = list(realizations(_leveled(frame)))
    labels = [label for label, _ in pieces]
    return _named(_stacked(labels, [_trimmed(piece) for _, piece in pieces]), others[0], time)


def _named(frame: pd.DataFrame, realization: Hashable, time: Hashable) -> pd.DataFrame:
    assert isinstance(frame.index, pd.MultiIndex)
    return frame.set_axis(frame.index.set_names([str(realization), str(time)]), axis=0)


def _trimmed(frame: pd.DataFrame) -> pd.DataFrame:
    """Without the empty rows by which a shorter realization is padded."""
    seen = np.flatnonzero(frame.notna().any(axis=1))
    return frame.iloc[seen[0] : seen[-1] + 1] if len(seen) else frame
