"""Irregular rows on equal steps: what is observed stays what it was, and nothing is invented."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from sostruct.errors import DataError, DataWarning
from sostruct.tasks.resampling import resampled
from sostruct.tasks.timestamps import check_index

from .refusals import refused

ROWS = 120


def series(index: pd.Index | np.ndarray) -> pd.DataFrame:
    values = np.random.default_rng(0).normal(size=(len(index), 2))
    return pd.DataFrame(values, columns=["a", "b"], index=index)


def quietly(frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    with pytest.warns(DataWarning, match="put on"):
        return resampled(frame)


@pytest.mark.parametrize(
    "index",
    [
        pd.RangeIndex(ROWS),
        pd.Index(np.arange(ROWS) * 0.1),
        pd.date_range("2020-01-31", periods=ROWS, freq="ME"),
        pd.Index([f"row {number}" for number in range(ROWS)]),
    ],
    ids=["rows", "numbers", "months", "labels"],
)
def test_equal_steps_stay_as_they_are(index: pd.Index) -> None:
    frame = series(index)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found, done = resampled(frame)
    assert found is frame
    assert done == ""


@pytest.mark.parametrize(
    ("index", "step"),
    [
        (pd.Index(np.arange(ROWS) * 0.25 + 3), "steps of 0.25:"),
        (pd.date_range("2020-01-01", periods=ROWS, freq="h"), "steps of 0 days 01:00:00:"),
        (pd.date_range("2020-01-01", periods=ROWS, tz="Europe/Berlin"), "steps of 1 day:"),
        (pd.date_range("2020-01-01", periods=ROWS, freq="B"), "steps of 1 business day:"),
        (pd.date_range("2015-01-31", periods=ROWS, freq="QE"), "steps of 3 months:"),
        (pd.period_range("1990Q1", periods=ROWS, freq="Q"), "steps of 1 period:"),
        (pd.to_timedelta(np.arange(ROWS) * 40, unit="ms"), "steps of 0 days 00:00:00.040000:"),
    ],
    ids=["numbers", "hours", "days across a clock change", "business days", "quarters", "periods", "durations"],
)
def test_gaps_are_left_missing_and_no_row_moves(index: pd.Index, step: str) -> None:
    whole = series(index)
    lost = [4, 30, 31, 88]
    found, done = quietly(whole.drop(index=index[lost]))
    expected = whole.to_numpy().copy()
    expected[lost] = np.nan
    np.testing.assert_array_equal(found, expected)
    check_index(found.index)
    assert step in done
    assert f"{ROWS - 4} rows" in done
    assert "(0 of them moved" in done
    assert "0 dropped" in done
    assert "4 steps left missing" in done
    kept = np.delete(np.arange(ROWS), lost)
    if isinstance(index, (pd.DatetimeIndex, pd.PeriodIndex)) and not str(step).endswith("months:"):
        assert (found.index[kept] == index[kept]).all()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("gaps", [False, True])
def test_rows_near_a_step_go_to_it(seed: int, gaps: bool) -> None:
    """Times that are multiples of .7 up to a third of it: every row is where it belongs, over thousands of steps."""
    generator = np.random.default_rng(seed)
    rows = 3000
    whole = series(np.arange(rows) * 0.7 + generator.uniform(-0.2, 0.2, rows))
    lost = generator.choice(np.arange(1, rows - 1), 300 if gaps else 1, replace=False)
    found, done = quietly(whole.drop(index=whole.index[lost]))
    expected = whole.to_numpy().copy()
    expected[lost] = np.nan
    np.testing.assert_array_equal(found, expected)
    assert "0 dropped" in done
    np.testing.assert_allclose(np.diff(found.index), 0.7, rtol=1e-3)


def test_times_at_random_keep_the_nearest_row_of_every_step() -> None:
    times = np.sort(np.random.default_rng(1).uniform(0, 100, 100))
    frame = series(times)
    found, done = quietly(frame)
    step = float(np.diff(found.index).mean())
    assert step == pytest.approx(np.median(np.diff(times)))
    for time, row in zip(found.index, found.to_numpy(), strict=True):
        away = np.abs(times - time)
        if np.isnan(row).all():
            assert away.min() > step / 2 - 1e-9
        else:
            np.testing.assert_array_equal(row, frame.iloc[int(away.argmin())])
            assert away.min() <= step / 2 + 1e-9
    seen = int(found["a"].notna().sum())
    assert f"{seen} values of every series observed" in done
    assert f"{100 - seen} dropped" in done
    assert f"{len(found) - seen} steps left missing" in done


def test_realizations_share_a_step() -> None:
    one, other = series(np.arange(50) * 0.5), series(np.arange(50) * 0.5 + 0.1)
    frame = pd.concat([one.drop(index=one.index[3]), other], keys=["u", "v"])
    found, done = quietly(frame)
    np.testing.assert_array_equal(found.loc["v"], other)
    assert found.loc["u"].isna().all(axis=1).tolist() == [row == 3 for row in range(50)]
    assert "99 rows" in done


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (series(np.arange(40.0)[::-1]), ["not in order"]),
        (series(np.array([0.0, 1, 1, 2, 3, 5])), ["twice"]),
        (series(np.array([0.0, 1, 2, 3, 4, 1e6])), ["6 rows", "empty"]),
        (series(np.array([0.0, 1, 2, 3, 5])).assign(a="blue"), ["'a'"]),
    ],
)
def test_what_no_grid_can_be_made_of_is_refused(frame: pd.DataFrame, words: list[str]) -> None:
    with refused(DataError, *words):
        resampled(frame)
