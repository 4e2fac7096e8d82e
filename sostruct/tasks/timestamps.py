"""When the rows were taken: reading timestamps, and refusing rows that are not equally spaced in order.

Design note. A lag counts rows, so it means a time only where rows are in order and equally far apart. Calendars are
regular in their own way: months differ in length and business days skip the weekend, yet one row a month and one row a
business day are one step each. Anything else, a missing row included, is refused with the first place where it happens.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sostruct.errors import DataError

JITTER = 0.01
"""How far a time step may be from the usual one, as a share of it."""

_CALENDAR_JITTER = 6  # days: the last business day, or the third Friday, of every month
_LOOKS_LIKE_TIME = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ].*)?|\d{4}-\d{2}|\d{4}-?Q[1-4]")
_QUARTER = re.compile(r"(\d{4})-?Q([1-4])")


def looks_like_time(cells: Sequence[str]) -> bool:
    """Whether every cell has the shape of a date (2020-01-31, 31.1.2020 14:00, 2020-01, 2020Q1)."""
    return len(cells) > 0 and all(_LOOKS_LIKE_TIME.fullmatch(cell) for cell in cells)


def parse_times(cells: Sequence[str], column: str) -> pd.DatetimeIndex:
    """Timestamps from text: ISO 8601, quarters such as 2020Q1, and day, month and year in either order.

    Args:
        cells: one text per row.
        column: the column they are from, for messages.

    Raises:
        DataError: a cell is empty or no timestamp, or day and month cannot be told apart.
    """
    for row, cell in enumerate(cells, start=1):
        if not cell:
            raise DataError(
                f"Cannot read the times in column {column!r}. This is because data row {row} has none. "
                f"Try filling it in or removing the row."
            )
    if all(_QUARTER.fullmatch(cell) for cell in cells):
        cells = [_QUARTER.sub(lambda match: f"{match[1]}-{3 * int(match[2]) - 2:02d}-01", cell) for cell in cells]
    iso = _parsed(cells, format="ISO8601")
    if iso is not None:
        return iso
    month_first, day_first = _parsed(cells, dayfirst=False), _parsed(cells, dayfirst=True)
    if month_first is None and day_first is None:
        bad = next((row for row, cell in enumerate(cells) if _parsed([cell], dayfirst=True) is None), 0)
        raise DataError(
            f"Cannot read the times in column {column!r}. This is because {cells[bad]!r} in data row {bad + 1} is not "
            f"a timestamp, or not written like the first. Try ISO 8601, as in 2020-01-31 or 2020-01-31T14:00."
        )
    if month_first is not None and day_first is not None and not month_first.equals(day_first):
        raise DataError(
            f"Cannot read the times in column {column!r}. This is because {cells[0]!r} may begin with the day or with "
            f"the month, and no row decides it. Try ISO 8601, as in 2020-01-31."
        )
    found = month_first if month_first is not None else day_first
    assert found is not None
    return found


def check_index(index: pd.Index, equally_spaced: bool = True) -> None:
    """Refuse rows out of order, at the same time, or (where asked) at unequal distances.

    Timestamps, periods, durations and numbers are clocks and are checked; text that is no date is taken for labels of
    the rows, and a plain count of rows needs no check. Steps within 1 % of the usual one count as equal, and so do
    calendar steps: days, business days, months, quarters, years.

    Raises:
        DataError: the first row at fault is named.
    """
    if isinstance(index, pd.RangeIndex) and index.step > 0:
        return
    if isinstance(index, pd.MultiIndex):
        raise DataError(
            "Cannot use the rows of this frame. This is because their index has several levels, and one series of rows "
            "is needed. Try selecting one realization, or `frame.reset_index(drop=True)`."
        )
    clock = _clock(index)
    if clock is None:
        return
    index, ticks = clock
    unknown = np.flatnonzero(pd.isna(index))
    if len(unknown):
        raise DataError(
            f"Cannot use the times of the rows. This is because row {unknown[0]} (counting from 0) has none. "
            f"Try filling it in or removing the row."
        )
    steps = np.diff(ticks)
    wrong = np.flatnonzero(steps <= 0)
    if len(wrong):
        at = wrong[0]
        if steps[at] == 0:
            raise DataError(
                f"Cannot use the times of the rows. This is because {index[at]} occurs twice, in rows {at} and "
                f"{at + 1} (counting from 0). Try removing or averaging duplicates."
            )
        raise DataError(
            f"Cannot use the times of the rows. This is because they are not in order: {index[at + 1]} in row {at + 1} "
            f"(counting from 0) comes after {index[at]}. Try sorting by time."
        )
    if equally_spaced and len(steps):
        uneven = min((_uneven(np.diff(measure)) for measure in measures(index).values()), key=len)
        if len(uneven):
            at = uneven[0]
            raise DataError(
                f"Cannot use rows at unequal distances in time. This is because the step from {index[at]} to "
                f"{index[at + 1]} is not the usual one, and a lag counts rows. Try resampling first, or, where rows "
                f"are consecutive steps all the same (trading days), drop the times: `frame.reset_index(drop=True)`, "
                f"`by_row=True` for a file. `irregular='resample'` puts rows on equal steps and says what it did."
            )


def measures(index: pd.Index) -> dict[str, NDArray[np.float64]]:
    """Where the rows stand on every clock that they keep to: the one they carry, and for timestamps calendars.

    Returns:
        by name of the clock, the count of its units [row]: "number", "microsecond" (since the first row), "duration"
        (microseconds), "period", "day", "business day" or "month" (since 1970); empty where the index only labels rows.
    """
    clock = _clock(index)
    if clock is None:
        return {}
    index, ticks = clock
    if isinstance(index, pd.DatetimeIndex):
        return {"microsecond": ticks} | {name: position(index, name) for name in _calendars(index)}
    kinds = {pd.TimedeltaIndex: "duration", pd.PeriodIndex: "period"}
    return {kinds.get(type(index), "number"): ticks}


def steps_of(index: pd.Index) -> tuple[str, float] | None:
    """The clock by which the rows of a checked index are equally spaced, and the mean step on it; None where the index
    carries no clock or has one row only."""
    if isinstance(index, pd.RangeIndex):
        return None
    found = {name: ticks for name, ticks in measures(index).items() if len(ticks) > 1}
    if not found:
        return None
    name = min(found, key=lambda one: len(_uneven(np.diff(found[one]))))
    ticks = found[name]
    return name, float((ticks[-1] - ticks[0]) / (len(ticks) - 1))


def position(index: pd.DatetimeIndex, calendar: str) -> NDArray[np.float64]:
    """Timestamps as a count of calendar units since 1970: "day", "business day" or "month", by local time."""
    days = index.tz_localize(None).to_numpy().astype("datetime64[D]")
    if calendar == "day":
        return days.astype(np.float64)
    if calendar == "month":
        return days.astype("datetime64[M]").astype(np.float64)
    return np.busday_count(np.datetime64("1970-01-01"), days).astype(np.float64)


def _clock(index: pd.Index) -> tuple[pd.Index, NDArray[np.float64]] | None:
    """The index as a clock and its ticks, or None where it only labels the rows."""
    if isinstance(index, pd.DatetimeIndex):
        moments = index.tz_convert(None).to_numpy() if index.tz is not None else index.to_numpy()
        return index, (moments - moments[:1]) / np.timedelta64(1, "us")
    if isinstance(index, pd.TimedeltaIndex):
        return index, index.to_numpy() / np.timedelta64(1, "us")
    if isinstance(index, pd.PeriodIndex):
        return index, index.asi8.astype(np.float64)
    if pd.api.types.is_bool_dtype(index.dtype) or isinstance(index.dtype, pd.CategoricalDtype):
        return None
    if pd.api.types.is_numeric_dtype(index.dtype) and not pd.api.types.is_complex_dtype(index.dtype):
        return index, index.to_numpy(dtype=np.float64, na_value=np.nan)
    cells = [str(label) for label in index]
    times = _parsed(cells, format="ISO8601") if looks_like_time(cells) else None
    return None if times is None else _clock(times)


def _uneven(steps: NDArray[np.float64]) -> NDArray[np.int64]:
    """The steps that are not the usual one; all of them where that is nothing."""
    usual = np.median(steps)
    return np.flatnonzero((np.abs(steps - usual) > JITTER * usual) | (usual <= 0))


def _calendars(index: pd.DatetimeIndex) -> list[str]:
    """The calendars that the times keep to: days across a clock change, business days, months."""
    local = index.tz_localize(None)
    days = local.to_numpy().astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    found = []
    hours = (local - local.normalize()) / np.timedelta64(1, "h")
    if np.ptp(hours) <= 24 * JITTER:
        found.append("day")
        if np.is_busday(days).all():
            found.append("business day")
    from_start = (days - months.astype("datetime64[D]")).astype(np.int64)
    to_end = ((months + np.timedelta64(1, "M")).astype("datetime64[D]") - days).astype(np.int64)
    if min(np.ptp(from_start), np.ptp(to_end)) <= _CALENDAR_JITTER:
        found.append("month")
    return found


def _parsed(cells: Sequence[str], **how: object) -> pd.DatetimeIndex | None:
    """The cells as timestamps, in UTC where they carry an offset; None where one of them is no timestamp."""
    offsets = any(re.search(r"[T ]\d{1,2}:.*(Z|[+-]\d{2}:?\d{2})$", cell) for cell in cells)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas warns when it guesses a format: both guesses are compared above
        try:
            return pd.DatetimeIndex(pd.to_datetime(list(cells), utc=offsets, **how))  # type: ignore[call-overload]
        except (ValueError, TypeError, OverflowError):
            return None
