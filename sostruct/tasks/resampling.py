"""Rows at unequal distances in time, put on equal steps without inventing values.

Design note. Nothing is interpolated. The grid has the median step, and every point of it the observed row that is
nearest, if one is within half a step; points that have none are missing, for the smoother to handle. Where times are
whole steps apart but for gaps (a holiday, a lost record), the grid is that of the clock they keep to, a calendar if
need be, and no row moves. Where they are so but for errors, step and origin are refined first, since an error of the
median of one part in a thousand is a whole row after a thousand.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sostruct.errors import DataError, DataWarning
from sostruct.tasks.adapters import realizations
from sostruct.tasks.checks import check_names, check_numbers
from sostruct.tasks.timestamps import JITTER, check_index, measures

_MOST_GROWTH = 20
"""Grid points per observed row, beyond which there is nothing to fill gaps from."""

_REFINED = 0.1  # share of the median step by which the refined one may differ from it
_FEWEST = 32  # rows over which the step is first refined
_OVERSAMPLED = 16  # steps tried per width of a peak
_DISTINCT = 0.4  # length of the mean of exp(2 pi i t / step) from which times are multiples of a step but for errors


class _Grid(NamedTuple):
    """One realization on equal steps: its frame, how far rows moved in steps, and rows that had no point for them."""

    frame: pd.DataFrame
    moved: NDArray[np.float64]
    dropped: int


def resampled(frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The rows on equal steps of time, and what was done, in words; rows that are equally spaced stay as they are.

    Args:
        frame: gathered series.

    Raises:
        DataError: columns that are not numeric, times out of order or twice, or so far apart that most of the grid
            would be empty.

    Warns:
        DataWarning: what was done.
    """
    check_numbers(frame, check_names(frame.columns))
    pieces = list(realizations(frame))
    uneven = False
    for label, piece in pieces:
        try:
            check_index(piece.index, equally_spaced=False)
        except DataError as error:
            raise error if label is None else DataError(f"Cannot use realization {label!r}. {error}") from None
        uneven = uneven or not _even(piece.index)
    if not uneven:
        return frame, ""
    unit, step, whole = _clock(piece.index for _, piece in pieces)
    grids = [_on_grid(piece, unit, step, whole) for _, piece in pieces]
    moved = np.concatenate([grid.moved for grid in grids])
    rows, points = len(frame), sum(len(grid.frame) for grid in grids)
    dropped = sum(grid.dropped for grid in grids)
    plural = "s" if step != 1 else ""
    shown = f"{step:g}" if unit == "number" else f"{step:g} {unit}{plural}"
    if unit in ("microsecond", "duration"):
        shown = str(pd.Timedelta(step, "us"))
    shifted = int((moved > JITTER).sum())
    done = (
        f"{rows} rows at unequal distances were put on {points} equal steps of {shown}: "
        f"{rows - dropped} values of every series observed ({shifted} of them moved, by up to "
        f"{float(moved.max(initial=0.0)):.2g} of a step), {dropped} dropped for a nearer one, "
        f"{points - rows + dropped} steps left missing."
    )
    doubt = " The order of effects within a step is lost where rows moved: compare with a coarser sampling of your own."
    warnings.warn(
        f"{done} Nothing was interpolated.{doubt if shifted else ''}",
        DataWarning,
        stacklevel=2,
    )
    if isinstance(frame.index, pd.MultiIndex):
        labels = [label for label, _ in pieces]
        return pd.concat([grid.frame for grid in grids], keys=labels, names=list(frame.index.names)), done
    return grids[0].frame, done


def _even(index: pd.Index) -> bool:
    try:
        check_index(index)
    except DataError:
        return False
    return True


def _clock(indices: Iterable[pd.Index]) -> tuple[str, float, bool]:
    """The clock to count steps on, its median step, and whether all rows are whole steps apart on it."""
    found: dict[str, list[NDArray[np.float64]]] = {}
    clocks = [measures(index) for index in indices]
    for name in set.intersection(*(set(clock) for clock in clocks)):
        found[name] = [clock[name] for clock in clocks]
    best: tuple[float, str, float] | None = None
    for name, ticks in found.items():
        differences = np.concatenate([np.diff(own) for own in ticks])
        step = float(np.median(differences))
        if step <= 0:
            continue
        multiples = differences / step
        if (np.abs(multiples - np.round(multiples)) <= JITTER).all():
            points = float(np.round(multiples).sum())
            if best is None or points < best[0]:
                best = points, name, step
    if best is not None:
        return best[1], best[2], True
    name = next(one for one in ("microsecond", "duration", "period", "number") if one in found)
    differences = np.concatenate([np.diff(own) for own in found[name]])
    return name, _refined(found[name], float(np.median(differences))), False


def _refined(ticks: list[NDArray[np.float64]], step: float) -> float:
    """The step on whose multiples the times lie closest, if they do so distinctly near the median step; else that.

    Times near multiples of h, but for an offset, have a large mean of exp(2 pi i t / h). Its peak is narrow, so it is
    sought over more and more rows, each time within the width of the peak before.
    """
    low, high = (1 - _REFINED) / step, (1 + _REFINED) / step
    rows, most = _FEWEST, max(map(len, ticks))
    while True:
        parts = [own[:rows] for own in ticks]
        reach = max(float(own[-1] - own[0]) for own in parts)
        found = np.linspace(low, high, max(3, int(_OVERSAMPLED * (high - low) * reach) + 1))
        agreement = np.array([sum(abs(np.exp(2j * np.pi * rate * own).sum()) for own in parts) for rate in found])
        best = int(agreement.argmax())
        rate, share = float(found[best]), float(agreement[best]) / sum(map(len, parts))
        if share < _DISTINCT:
            return step
        if rows >= most:
            return 1 / rate
        low, high, rows = rate - 1 / (2 * reach), rate + 1 / (2 * reach), 2 * rows


def _on_grid(piece: pd.DataFrame, unit: str, step: float, whole: bool) -> _Grid:
    ticks = measures(piece.index)[unit] / step
    ticks = ticks - ticks[0]
    offset = 0.0 if whole else float(np.angle(np.exp(2j * np.pi * ticks).mean()) / (2 * np.pi))
    places = np.round(ticks - offset).astype(np.int64)
    offset, places = offset + places[0], places - places[0]
    points = int(places[-1]) + 1
    if points > _MOST_GROWTH * len(piece):
        raise DataError(
            f"Cannot resample {len(piece)} rows. This is because {points} equal steps would be needed, nearly all of "
            "them empty. Try a stretch without long gaps, or resampling to a coarser step yourself."
        )
    away = np.abs(ticks - offset - places)
    order = np.lexsort((away, places))
    first = np.ones(len(order), bool)
    first[1:] = np.diff(places[order]) > 0
    kept = np.sort(order[first])
    values = np.full((points, piece.shape[1]), np.nan)
    values[places[kept]] = piece.to_numpy(np.float64, na_value=np.nan)[kept]
    return _Grid(
        pd.DataFrame(values, index=_times(piece.index, unit, step, offset, points), columns=piece.columns),
        away[kept],
        len(piece) - len(kept),
    )


def _times(index: Any, unit: str, step: float, offset: float, points: int) -> Any:
    """The times of the grid."""
    counts = np.arange(points)
    if unit == "number":
        first = float(index[0]) + offset * step
        return pd.Index(first + counts * step, name=index.name)
    if unit == "duration":
        return pd.TimedeltaIndex(index[0] + pd.to_timedelta((counts + offset) * step, unit="us"), name=index.name)
    if unit == "period":
        ordinals = np.round(index.asi8[0] + (counts + offset) * step).astype(np.int64)
        return type(index).from_ordinals(ordinals, freq=index.freq, name=index.name)
    if not isinstance(index, pd.DatetimeIndex):
        index = pd.DatetimeIndex(pd.to_datetime([str(label) for label in index], format="ISO8601"), name=index.name)
    if unit == "microsecond":
        return pd.DatetimeIndex(index[0] + pd.to_timedelta((counts + offset) * step, unit="us"), name=index.name)
    whole = round(step)
    if unit == "business day":
        return pd.date_range(index[0], periods=points, freq=pd.offsets.BusinessDay(whole), name=index.name)
    later = (whole * counts).tolist()
    if unit == "day":
        return pd.DatetimeIndex([index[0] + pd.DateOffset(days=count) for count in later], name=index.name)
    return pd.DatetimeIndex([index[0] + pd.DateOffset(months=count) for count in later], name=index.name)
