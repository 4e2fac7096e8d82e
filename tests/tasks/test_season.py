"""Seasons: least squares written out, phases by the clock, and the same numbers whatever the form of the data."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from sostruct.errors import ConfigError, DataError, DataWarning
from sostruct.tasks.clock import Clock
from sostruct.tasks.season import Season
from sostruct.tasks.treatment import treated

from .refusals import refused


def noise(rows: int, seed: int = 0) -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(rows, 2)), columns=["a", "b"])


def test_a_short_season_is_a_mean_for_every_place() -> None:
    frame = noise(96)
    season = Season.fitted(frame, 12, None)
    assert season.terms == 11
    place = np.arange(96) % 12
    means = frame.groupby(place).transform("mean") - frame.mean()
    np.testing.assert_allclose(season.along(frame), means, atol=1e-10)


def test_odd_and_broken_periods_are_least_squares_on_waves() -> None:
    frame = noise(100)
    season = Season.fitted(frame, 7.3, 2)
    angle = 2 * np.pi * np.arange(100)[:, None] * np.array([1, 2]) / 7.3
    design = np.column_stack([np.ones(100), np.cos(angle), np.sin(angle)])
    solution = np.linalg.lstsq(design, frame.to_numpy(), rcond=None)[0]
    fitted = design[:, 1:] @ solution[1:]
    np.testing.assert_allclose(season.along(frame), fitted - fitted.mean(axis=0), atol=1e-10)
    assert Season.fitted(frame, 7, None).terms == 6


def test_waves_that_periods_share_count_once() -> None:
    """Of a day and a week of hours: 12 waves each, of which the day's first is the week's seventh."""
    frame = noise(168 * 4)
    season = Season.fitted(frame, [24, 168], None)
    assert len(season.frequencies) == 12 + 12 - 1
    assert season.terms == 2 * 23 - 1  # the day's twelfth has no sine
    assert Season.fitted(frame, 168, 3).terms == 6


def test_gaps_are_left_out_of_the_means() -> None:
    frame = noise(96)
    frame.iloc[3:20, 0] = np.nan
    season = Season.fitted(frame, 4, None)
    seen = frame["a"].notna().to_numpy()
    design = np.column_stack([np.ones(96), np.eye(4)[np.arange(96) % 4][:, 1:]])
    solution = np.linalg.lstsq(design[seen], frame["a"][seen], rcond=None)[0]
    fitted = design @ solution
    found = season.along(frame)[:, 0]
    np.testing.assert_allclose(found - found[0], fitted - fitted[0], atol=1e-10)


@pytest.mark.parametrize(
    ("index", "later"),
    [
        (pd.RangeIndex(60), pd.RangeIndex(67, 80)),
        (pd.Index(np.arange(60) * 0.5 + 10), pd.Index(np.arange(67, 80) * 0.5 + 10)),
        (pd.date_range("2020-01-31", periods=60, freq="ME"), pd.date_range("2020-01-31", periods=80, freq="ME")[67:]),
        (pd.period_range("2020-01", periods=60, freq="M"), pd.period_range("2020-01", periods=80, freq="M")[67:]),
        (pd.date_range("2020-01-01", periods=60, freq="B"), pd.date_range("2020-01-01", periods=80, freq="B")[67:]),
        (pd.date_range("2020-03-01", periods=60, tz="CET"), pd.date_range("2020-03-01", periods=80, tz="CET")[67:]),
        (pd.to_timedelta(np.arange(60), "s"), pd.to_timedelta(np.arange(67, 80), "s")),
        (
            pd.Index([str(day.date()) for day in pd.date_range("2020-01-01", periods=60)]),
            pd.Index([str(day.date()) for day in pd.date_range("2020-01-01", periods=80)[67:]]),
        ),
    ],
    ids=["rows", "numbers", "months", "periods", "business days", "days", "durations", "text"],
)
def test_rows_that_follow_meet_the_season_where_they_are(index: pd.Index, later: pd.Index) -> None:
    clock = Clock.of([index])
    np.testing.assert_allclose(clock.steps(index), np.arange(60), atol=1e-6)
    np.testing.assert_allclose(clock.steps(later), np.arange(67, 80), atol=1e-6)


def test_rows_without_times_begin_where_the_season_did() -> None:
    clock = Clock.of([pd.date_range("2020-01-01", periods=30)])
    with pytest.warns(DataWarning, match="no times like those"):
        np.testing.assert_array_equal(clock.steps(pd.RangeIndex(5, 9)), np.arange(4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(Clock.of([pd.Index(list("uvw"))]).steps(pd.Index(list("xy"))), [0, 1])


def test_realizations_share_a_season_by_their_own_time() -> None:
    """The second begins in another phase, and its index says so."""
    phase = np.arange(200)
    wave = np.column_stack([np.sin(2 * np.pi * phase / 5), np.cos(2 * np.pi * phase / 5)])
    frame = pd.DataFrame(wave + 3, columns=["a", "b"], index=phase)
    season = Season.fitted(pd.concat([frame.iloc[:91], frame.iloc[112:]], keys=[0, 1]), 5, None)
    np.testing.assert_allclose(season.along(frame.iloc[112:]), wave[112:], atol=0.05)
    swapped = Season.fitted(pd.concat([frame.iloc[:91], frame.iloc[112:].reset_index(drop=True)], keys=[0, 1]), 5, None)
    assert np.abs(swapped.along(frame.iloc[112:]) - wave[112:]).max() > 0.3


@pytest.mark.parametrize(
    ("index", "name", "period"),
    [
        (pd.date_range("2020-01-01", periods=400, freq="h"), "day", 24),
        (pd.date_range("2020-01-01", periods=400, freq="h"), "week", 168),
        (pd.date_range("2020-01-01", periods=900, freq="D"), "year", 365.2425),
        (pd.date_range("2020-01-01", periods=60, freq="B"), "week", 5),
        (pd.date_range("2020-01-31", periods=60, freq="ME"), "year", 12),
        (pd.date_range("2020-03-31", periods=60, freq="QE"), "year", 4),
    ],
)
def test_calendars_say_how_long_a_season_is(index: pd.DatetimeIndex, name: str, period: float) -> None:
    frame = noise(len(index)).set_axis(index)
    assert Season.fitted(frame, name, 1).periods == (pytest.approx(period),)


@pytest.mark.parametrize(
    ("season", "harmonics", "words"),
    [
        (1.5, None, ["1.5 rows", "at least 2"]),
        (60, None, ["60 rows", "100"]),
        ("day", None, ["'day'", "no timestamps"]),
        ([], None, ["no period"]),
        (True, None, ["season=True"]),
        (12, 0, ["harmonics=0"]),
        ([20, 19, 17, 13], None, ["100 rows", "harmonics=2"]),
    ],
)
def test_seasons_that_do_not_fit_are_refused(season: object, harmonics: int | None, words: list[str]) -> None:
    with refused(ConfigError, *words):
        Season.fitted(noise(100), season, harmonics)


def test_a_place_that_is_never_observed_is_refused() -> None:
    frame = noise(96)
    frame.iloc[::4, 1] = np.nan
    with refused(DataError, "season off 'b'"):
        Season.fitted(frame, 4, None)
    wave = pd.DataFrame({"a": np.tile([1.0, 2, 4, 3], 24), "b": noise(96)["b"]})
    with pytest.warns(DataWarning, match="Counts"), pytest.raises(DataError, match="'a'"):
        treated(wave, 2, season=4)
