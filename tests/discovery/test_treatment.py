"""Seasons, counts and irregular rows, from the data to the forecast: against regressions and simulations by hand."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import sostruct as ss
from sostruct.discovery.estimator import CausalDiscovery, discover
from sostruct.discovery.intervention import intervene
from sostruct.discovery.posterior import Posterior
from sostruct.errors import ConfigError, DataError
from sostruct.tasks import SparseVAR
from sostruct.tasks.clock import Clock
from sostruct.tasks.season import Season
from sostruct.tasks.treatment import UNTREATED, Treatment, treated

from .test_intervention import NO_PAIRS, certain

PERIOD = 6
WAVE = np.array([[0.0, 4, 1, -3, -2, 0], [5, 0, -5, 0, 5, -5], [1, 2, 3, -1, -2, -3]]).T


@pytest.fixture(scope="module")
def task():
    return SparseVAR(nodes=3, steps=420, max_lag=2).load(5)


@pytest.fixture(scope="module")
def seasonal(task):
    wave = 3 * WAVE[np.arange(420) % PERIOD] + 10
    return pd.DataFrame(
        task.frame.to_numpy() + wave, columns=task.frame.columns, index=pd.date_range("2001", periods=420)
    )


@pytest.fixture(scope="module")
def found(seasonal):
    return discover(seasonal.iloc[:360], 2, season=PERIOD, functions="linear")


KEYS = ["cause", "effect", "lag"]


def test_a_season_neither_makes_nor_hides_links(task, seasonal, found):
    without = discover(task.frame.iloc[:360], 2, functions="linear")
    misled = discover(seasonal.iloc[:360], 2, functions="linear")
    assert set(map(tuple, found.edges[KEYS].to_numpy())) == set(map(tuple, without.edges[KEYS].to_numpy()))
    scores = [one.compare(task.truth).loc["lag_by_lag", "f1"] for one in (found, misled)]
    assert scores[0] > scores[1] + 0.1


def test_it_is_the_regression_on_past_and_season_together(seasonal, found):
    """Weights of least squares with a dummy per place, on the rows that have a past; noise by its degrees of freedom.
    Differences are of the order of one row's share: the season is taken off all rows, the first ones included."""
    values, names = seasonal.iloc[:360].to_numpy(), list(seasonal.columns)
    assert found.posterior.count == 358 - 5
    dummies = np.eye(PERIOD)[np.arange(2, 360) % PERIOD]
    for effect in names:
        rows = found.edges[found.edges["effect"] == effect]
        past = [
            values[2 - lag : 360 - lag, names.index(cause)]
            for cause, lag in zip(rows["cause"], rows["lag"], strict=True)
        ]
        design = np.column_stack([*past, dummies])
        target = values[2:, names.index(effect)]
        solution = np.linalg.lstsq(design, target, rcond=None)[0]
        left = target - design @ solution
        np.testing.assert_allclose(rows["weight"], solution[: len(rows)], atol=0.01)
        sd = np.sqrt(left @ left / (358 - 5))
        assert found.graph.nodes[effect]["noise_sd"] == pytest.approx(sd, rel=0.01)


def test_forecasts_put_the_season_back_where_it_is(seasonal, found):
    later = seasonal.iloc[361:]
    one = found.predict(later)
    errors = (one.mean - later.loc[one.mean.index]).std()
    np.testing.assert_allclose(errors, found.posterior.noise_sd, rtol=0.25)
    ahead = found.predict(seasonal.iloc[:400], steps=12).future
    place = 3 * WAVE[np.arange(400, 412) % PERIOD] + 10
    assert np.corrcoef(ahead.to_numpy().ravel(), place.ravel())[0, 1] > 0.95
    assert ahead.index[0] == seasonal.index[400]
    misplaced = found.predict(later.set_axis(later.index + pd.Timedelta(days=3), axis=0))
    assert (misplaced.log_score < one.log_score - 1).all()


def test_a_treatment_is_kept_in_files(found, seasonal, tmp_path):
    with (tmp_path / "posterior.npz").open("wb") as file:
        found.posterior.save(file)
    again = Posterior.load(tmp_path / "posterior.npz")
    assert again.treatment == found.posterior.treatment
    assert Treatment.from_json(UNTREATED.to_json()) == UNTREATED
    assert "season of 6 rows, 5 terms" in repr(found)
    assert hash(again.treatment) == hash(found.posterior.treatment)


def counts(seed: int, rows: int) -> pd.DataFrame:
    """b counts more the more a counted one row before."""
    generator, values = np.random.default_rng(seed), np.ones((rows, 2))
    for row in range(1, rows):
        values[row, 0] = generator.poisson(1.0 + 0.4 * values[row - 1, 0])
        values[row, 1] = generator.poisson(0.5 + 1.2 * values[row - 1, 0])
    return pd.DataFrame(values, columns=["a", "b"])


@pytest.mark.filterwarnings("ignore:Counts")
def test_counts_are_predicted_as_counts():
    shown, later = counts(0, 600), counts(1, 600)
    found, kept = (discover(shown, 1, functions="linear", discrete=how) for how in ("transform", "keep"))
    for one in (found, kept):
        assert ("a", "b", 1) in one.graph.edges(data="lag")
        assert ("b", "a", 1) not in one.graph.edges(data="lag")
    ahead = found.predict(later)
    truth = 0.5 + 1.2 * later["a"].to_numpy()[:-1]
    assert np.abs(ahead.mean["b"] - truth).mean() < 0.45
    spread = np.corrcoef(ahead.sd["b"], np.sqrt(truth))[0, 1]
    assert spread > 0.9
    assert ahead.log_score["b"] > kept.predict(later).log_score["b"]
    assert found.treatment == ("2 series of counts were searched as 2 sqrt(x + 3/8).",)
    assert kept.treatment == ()


def test_irregular_rows_go_all_the_way(task):
    times = np.arange(420) + np.random.default_rng(0).uniform(-0.2, 0.2, 420)
    frame = task.frame.set_axis(times, axis=0).drop(index=times[[7, 200, 201]])
    with pytest.raises(DataError, match="irregular='resample'"):
        CausalDiscovery(2).check(frame)
    with pytest.warns(ss.DataWarning, match="417 rows at unequal distances were put on 420 equal steps"):
        found = discover(frame, 2, irregular="resample")
    assert found.treatment[0].startswith("417 rows")
    complete = discover(task.frame, 2, functions="linear")
    assert (
        len(set(found.edges["cause"] + found.edges["effect"]) ^ set(complete.edges["cause"] + complete.edges["effect"]))
        <= 1
    )


def test_everything_at_once_and_in_order(task):
    """Realizations with gaps in time, seasons and counts."""
    whole = task.frame.assign(clicks=np.random.default_rng(0).poisson(2.0, 420).astype(float))
    wave = np.concatenate([WAVE[np.arange(420) % PERIOD], np.zeros((420, 1))], axis=1)
    shifted = whole + wave
    parts = {"u": shifted.iloc[:200], "v": shifted.iloc[210:].drop(index=[300])}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        frame, treatment = treated(parts, 2, season=PERIOD, irregular="resample")
    assert [str(one.message)[:6] for one in told] == ["409 ro", "Counts"]
    assert len(treatment.steps) == 4
    assert len(frame) == 410
    assert frame.loc["v"].isna().all(axis=1).sum() == 1
    left = frame.drop(columns="clicks").to_numpy() - task.frame.to_numpy()[np.r_[:200, 210:420]]
    assert np.nanstd(left, axis=0).max() < 0.35


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"season": 1}, "season=1"),
        ({"season": 400}, "season of 400 rows"),
        ({"season": PERIOD, "harmonics": "all"}, "harmonics='all'"),
        ({"irregular": "interpolate"}, "irregular='interpolate'"),
        ({"discrete": "log"}, "discrete='log'"),
    ],
)
def test_settings_that_do_not_exist_are_refused(task, settings, named):
    with pytest.raises(ConfigError, match=named):
        CausalDiscovery(2, **settings).check(task.frame)


def test_interventions_on_realizations(task):
    halves = [task.frame.iloc[:200], task.frame.iloc[200:].reset_index(drop=True)]
    together = discover(halves, 2, functions="linear")
    assert np.isfinite(together.intervene({"x0": 1.0}, 3, samples=5, start=halves[0]).effect.to_numpy()).all()
    assert np.isfinite(together.intervene({"x0": 1.0}, 3, samples=5, noise=halves).effect.to_numpy()).all()
    with pytest.raises(DataError, match="several realizations"):
        together.intervene({"x0": 1.0}, 3, samples=5, start=halves)


def held(treatment, coefficients, values, against, start):
    """Interventions on a system without noise or doubt that is treated so."""
    posterior = Posterior(**(vars(certain(coefficients, np.full(2, 1e-9))) | {"treatment": treatment}))
    return intervene(posterior, NO_PAIRS, values, 5, against=against, samples=2, start=start)


def test_interventions_hold_series_beside_their_season():
    """x = s + y with y(t) = A y(t-1), by hand: what x0 is held at moves x1 by as much as it is off its season."""
    season = Season((4.0,), (0.25,), ((2.0, -1.0), (0.5, 3.0)), (0.0, 0.0), Clock())
    matrix = np.array([[0.5, 0.0], [0.8, 0.3]])
    start = pd.DataFrame(np.random.default_rng(0).normal(size=(6, 2)), columns=["x0", "x1"])
    result = held(Treatment(season=season), matrix[None], {"x0": 7.0}, None, start)
    wave = np.array([[2.0, -1.0], [0.5, 3.0], [-2.0, 1.0], [-0.5, -3.0]])[np.arange(11) % 4]
    free = forced = start.to_numpy()[-1] - wave[5]
    for step in range(6, 11):
        free, forced = matrix @ free, matrix @ forced
        forced[0] = 7.0 - wave[step, 0]
        np.testing.assert_allclose(result.mean.loc[step], forced + wave[step], atol=1e-6)
        np.testing.assert_allclose(result.reference.loc[step], free + wave[step], atol=1e-6)
        np.testing.assert_allclose(result.effect.loc[step], forced - free, atol=1e-6)
    assert (result.held["x0"] == 7.0).all()
    with pytest.raises(DataError, match=r"start=frame.*rows to go on from"):
        held(Treatment(season=season), matrix[None], {"x0": 7.0}, None, None)


def test_interventions_hold_counts_as_counts():
    """x0 a count, x1 not: y0 = 2 sqrt(x0 + 3/8) drives x1, which drives y0."""
    matrix = np.array([[0.0, 0.6], [0.5, 0.0]])
    counted = Treatment(kinds=("count", ""))
    result = held(counted, matrix[None], {"x0": 4.0}, {"x0": 0.0}, None)
    assert result.mean["x0"].to_numpy() == pytest.approx(4.0)
    assert result.reference["x0"].to_numpy() == pytest.approx(0.0)
    assert result.effect["x1"].iloc[1] == pytest.approx(np.sqrt(4.375) - np.sqrt(0.375), abs=1e-6)
    course = np.array([5.0, 9.0, -3.0, 6.0, 1.0])
    moved = held(counted, matrix[None], {"x1": course}, None, None)
    expected = np.maximum((0.6 * course[:-1]) ** 2 / 4 - 0.375, 0.0) * (course[:-1] > 0)
    np.testing.assert_allclose(moved.mean["x0"].iloc[1:], expected, atol=1e-6)
    with pytest.raises(DataError, match=r"'x0' at -1.*counts"):
        held(counted, matrix[None], {"x0": -1.0}, None, None)


def test_interventions_on_found_seasons_are_in_the_users_units(seasonal, found):
    """Without being held where it matters, courses are the forecasts, which put the season back."""
    start = seasonal.iloc[:360]
    ahead = found.predict(start, 4)
    natural = found.intervene({"x0": 0.0}, 4, start=start, noise=start, samples=4000).reference
    assert natural.index.equals(ahead.future.index)
    assert ((natural - ahead.future).abs() < 4.5 * ahead.future_sd / np.sqrt(4000)).all(axis=None)
