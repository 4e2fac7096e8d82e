"""Rows in order and equally spaced, on clocks and on calendars."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sostruct.errors import DataError
from sostruct.tasks import check_frame
from sostruct.tasks.timestamps import check_index, looks_like_time, parse_times

from .refusals import refused

START = "2019-11-03"

REGULAR = {
    **{
        frequency: pd.date_range(START, periods=40, freq=frequency)
        for frequency in [
            "s",
            "100ms",
            "1us",
            "1ns",
            "15min",
            "h",
            "D",
            "3D",
            "B",
            "2B",
            "W",
            "W-WED",
            "MS",
            "QS",
            "YS",
        ]
    },
    **{
        f"{frequency} end": pd.date_range(START, periods=40, freq=offset)
        for frequency, offset in {
            "month": pd.offsets.MonthEnd(),
            "business month": pd.offsets.BMonthEnd(),
            "business month start": pd.offsets.BMonthBegin(),
            "two months": pd.offsets.MonthEnd(2),
            "quarter": pd.offsets.QuarterEnd(),
            "business quarter": pd.offsets.BQuarterEnd(),
            "year": pd.offsets.YearEnd(),
            "third Friday": pd.offsets.WeekOfMonth(week=2, weekday=4),
        }.items()
    },
    "fifteenth of the month": pd.DatetimeIndex([f"2020-{month:02d}-15" for month in range(1, 13)]),
    "decades": pd.DatetimeIndex([f"{year}-01-01" for year in range(1900, 2020, 10)]),
    "days over a clock change": pd.date_range("2020-03-01", periods=60, freq="D", tz="Europe/Berlin"),
    "hours over a clock change": pd.date_range("2020-03-28", periods=60, freq="h", tz="Europe/Berlin"),
    "business days over a clock change": pd.date_range("2020-03-02", periods=60, freq="B", tz="America/New_York"),
    "jitter": pd.date_range(START, periods=40, freq="s") + pd.to_timedelta(np.arange(40) % 2 * 4, unit="ms"),
    "centuries ago": pd.DatetimeIndex(
        np.arange("0622-01-01", "0662-01-01", 366, dtype="datetime64[D]").astype("M8[s]")
    ),
    "periods": pd.period_range("2019Q1", periods=40, freq="Q"),
    "durations": pd.timedelta_range("1h", periods=40, freq="7min"),
    "numbers": pd.Index(np.arange(40) * 0.05 + 3),
    "whole numbers": pd.Index(np.arange(40) * 7),
    "count": pd.RangeIndex(40),
    "every other": pd.RangeIndex(5, 85, 2),
    "dates as text": pd.Index([f"2020-01-{day:02d}" for day in range(1, 32)]),
    "labels": pd.Index(["b", "a", "b"]),
    "truth values": pd.Index([True, False, True]),
    "one": pd.DatetimeIndex(["2020-01-01"]),
    "none": pd.DatetimeIndex([]),
    "two": pd.DatetimeIndex(["2020-01-01", "2020-01-05"]),
}


@pytest.mark.parametrize("name", REGULAR)
def test_regular(name: str) -> None:
    check_index(REGULAR[name])


days = pd.date_range("2020-01-01", periods=40)
hours = pd.date_range("2020-01-06", periods=72, freq="h")

IRREGULAR: dict[str, tuple[pd.Index, list[str]]] = {
    "missing day": (days.delete(9), ["2020-01-09", "2020-01-11", "resampling"]),
    "holiday": (pd.bdate_range("2020-01-01", periods=40).delete(13), ["2020-01-17", "2020-01-21", "by_row"]),
    "missing month": (pd.date_range("2020-01-01", periods=40, freq="MS").delete(7), ["2020-07-01", "2020-09-01"]),
    "any day of the month": (
        pd.DatetimeIndex(["2020-01-01", "2020-02-28", "2020-03-02", "2020-04-15"]),
        ["2020-02-28"],
    ),
    "a late row": (days[:-1].append(days[-1:] + pd.Timedelta("3h")), ["2020-02-08"]),
    "missing number": (pd.Index([1, 2, 3, 5, 6, 7, 8]), ["3 to 5"]),
    "missing period": (pd.period_range("2019Q1", periods=9, freq="Q").delete(4), ["2019Q4", "2020Q2"]),
    "office hours": (
        hours[(hours.hour >= 9) & (hours.hour < 17)],
        ["2020-01-06 16:00", "2020-01-07 09:00"],
    ),
}


@pytest.mark.parametrize("name", IRREGULAR)
def test_unequal_distances(name: str) -> None:
    index, words = IRREGULAR[name]
    with refused(DataError, "unequal distances", *words):
        check_index(index)
    check_index(index, equally_spaced=False)


@pytest.mark.parametrize("equally_spaced", [True, False])
@pytest.mark.parametrize(
    ("index", "words"),
    [
        (days.insert(5, days[4]), ["2020-01-05", "twice", "rows 4 and 5"]),
        (days.append(days[:1]), ["not in order", "2020-01-01", "row 40", "2020-02-09"]),
        (days[::-1], ["not in order", "row 1", "2020-02-08"]),
        (pd.RangeIndex(40, 0, -1), ["not in order"]),
        (pd.Index([0, 1, 1, 2]), ["1 occurs twice"]),
        (pd.Index([0.0, 2.0, 1.0]), ["not in order"]),
        (pd.Index([f"2020-01-{day:02d}" for day in (1, 3, 2)]), ["not in order", "2020-01-02"]),
        (pd.period_range("2020", periods=3, freq="Y")[::-1], ["not in order"]),
        (pd.DatetimeIndex(["2020-01-01", None, "2020-01-03"]), ["row 1 ", "has none"]),
        (pd.Index([0.0, 1.0, np.nan]), ["row 2 ", "has none"]),
        (pd.MultiIndex.from_product([["u", "v"], [1, 2]]), ["several levels"]),
    ],
)
def test_out_of_order(index: pd.Index, words: list[str], equally_spaced: bool) -> None:
    with refused(DataError, *words):
        check_index(index, equally_spaced)


def test_a_frame_is_asked_for_its_times() -> None:
    frame = pd.DataFrame(np.random.default_rng(0).standard_normal((40, 2)), index=days, columns=["a", "b"])
    pd.testing.assert_frame_equal(check_frame(frame, 3), frame, check_freq=False)
    with refused(DataError, "unequal distances"):
        check_frame(frame.drop(days[20]), 3)
    with refused(DataError, "not in order"):
        check_frame(frame.sample(frac=1.0, random_state=0), 3)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["2020-01-31", "2020-02-01"], ["2020-01-31", "2020-02-01"]),
        (["2020-01-31T14:30", "2020-01-31T14:45:30.5"], ["2020-01-31 14:30", "2020-01-31 14:45:30.5"]),
        (["2020-01", "2020-02"], ["2020-01-01", "2020-02-01"]),
        (["2019Q4", "2020Q1"], ["2019-10-01", "2020-01-01"]),
        (["2019-Q4", "2020-Q1"], ["2019-10-01", "2020-01-01"]),
        (["31/12/2019", "01/01/2020"], ["2019-12-31", "2020-01-01"]),
        (["12/30/2019", "12/31/2019"], ["2019-12-30", "2019-12-31"]),
        (["01/02/2020", "13/02/2020"], ["2020-02-01", "2020-02-13"]),
        (["31.12.2019 23:00", "01.01.2020 00:00"], ["2019-12-31 23:00", "2020-01-01"]),
        (["05/05/2020", "06/06/2020"], ["2020-05-05", "2020-06-06"]),
        (["2020-10-25T02:00+02:00", "2020-10-25T02:00+01:00"], ["2020-10-25T00:00Z", "2020-10-25T01:00Z"]),
        (["1. Jan 2020", "2. Jan 2020"], ["2020-01-01", "2020-01-02"]),
    ],
)
def test_parse_times(cells: list[str], expected: list[str]) -> None:
    assert parse_times(cells, "when").tolist() == [pd.Timestamp(text) for text in expected]


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["2020-01-01", "", "2020-01-03"], ["'when'", "row 2", "has none"]),
        (["2020-01-01", "soon"], ["'when'", "'soon'", "row 2"]),
        (["2020-01-01", "2020-02-30"], ["'2020-02-30'"]),
        (["01/02/2020", "02/02/2020"], ["'01/02/2020'", "day", "month"]),
    ],
)
def test_unreadable_times(cells: list[str], words: list[str]) -> None:
    with refused(DataError, *words):
        parse_times(cells, "when")


@given(st.lists(st.datetimes(pd.Timestamp("1700-01-01"), pd.Timestamp("2200-01-01")), min_size=1, max_size=20))
def test_iso_times_come_back(moments: list[pd.Timestamp]) -> None:
    cells = [moment.isoformat() for moment in moments]
    assert looks_like_time(cells)
    assert list(parse_times(cells, "when")) == [pd.Timestamp(moment) for moment in moments]


@pytest.mark.parametrize("cell", ["1.5", "abc", "2020", "", "1-2", "may", "10.0.0.1.2", "1e-5-3x"])
def test_what_does_not_look_like_a_time(cell: str) -> None:
    assert not looks_like_time([cell])
