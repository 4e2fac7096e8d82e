"""Forecasts against closed forms: vector autoregressions with known coefficients, and Bayesian regressions by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sostruct.discovery.estimator import discover
from sostruct.discovery.forecast import forecast
from sostruct.discovery.posterior import Posterior
from sostruct.errors import DataError
from sostruct.tasks import SparseVAR

from .regressions import Regression, parents

stats = pytest.importorskip("scipy.stats")


def known(coefficients, noise_sd, intercept=None, count=1e6, within=None):
    """A posterior that is sure of x(t) = B x(t) + sum_tau A_tau x(t - tau) + a + e; `coefficients` is [lag x effect x
    cause], `within` is B."""
    coefficients = np.asarray(coefficients, float)
    lags, width, _ = coefficients.shape
    weight = np.concatenate([*coefficients, *([] if within is None else [np.asarray(within, float)])], axis=1)
    empty = np.zeros_like(weight)
    return Posterior(
        variables=tuple(f"x{number}" for number in range(width)),
        max_lag=lags,
        count=count,
        weight=weight,
        weight_sd=empty,
        nats=empty,
        summary=np.zeros((width, width)),
        probability=empty,
        summary_probability=np.zeros((width, width)),
        active=weight != 0,
        functions=np.where(weight != 0, "line", ""),
        required=np.zeros_like(weight, bool),
        pair_nats=np.full((width, width), -np.inf),
        partial=np.zeros((width, width)),
        direction=np.zeros((width, width)),
        instant=within is not None,
        intercept=np.zeros(width) if intercept is None else np.asarray(intercept, float),
        noise_sd=np.asarray(noise_sd, float),
        slots=np.full((width, 1), -1),
        coefficient=np.zeros((width, 1)),
        inverse=np.zeros((width, 1, 1)),
        term_mean=np.zeros(weight.shape[1]),
        term_scale=np.ones(weight.shape[1]),
        location=np.zeros(0),
        scale=np.zeros(0),
        centers=np.zeros(0),
        width=np.zeros(0),
        products=False,
    )


def series(posterior, rows, seed=0):
    values = np.random.default_rng(seed).standard_normal((rows, len(posterior.variables)))
    return pd.DataFrame(values, columns=posterior.variables)


def companion(coefficients):
    lags, width, _ = coefficients.shape
    matrix = np.zeros((lags * width, lags * width))
    matrix[:width] = np.concatenate(coefficients, axis=1)
    matrix[width:, :-width] = np.eye((lags - 1) * width)
    return matrix


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_an_autoregression_of_one_series(steps):
    slope, offset, noise, count = 0.8, 3.0, 0.5, 1e6
    posterior = known([[[slope]]], [noise], [offset], count)
    frame = series(posterior, 12)
    ahead = forecast(posterior, frame, steps)
    level = offset / (1 - slope)
    past = frame["x0"].to_numpy()
    np.testing.assert_allclose(ahead.mean["x0"], level + slope**steps * (past[:-steps] - level), rtol=1e-12)
    variance = noise**2 * ((1 - slope ** (2 * steps)) / (1 - slope**2) + 1 / count)
    np.testing.assert_allclose(ahead.sd["x0"], np.sqrt(variance), rtol=1e-12)
    np.testing.assert_allclose(ahead.future["x0"].iloc[-1], level + slope**steps * (past[-1] - level), rtol=1e-12)


@pytest.mark.parametrize("steps", [1, 2, 3, 6])
@pytest.mark.parametrize("lags", [1, 2, 3])
def test_the_mean_is_a_matrix_power_and_the_variance_a_sum_of_them(lags, steps):
    rng = np.random.default_rng(lags)
    width, count, rows = 3, 1e6, 20
    coefficients = rng.uniform(-0.4, 0.4, (lags, width, width)) * (rng.random((lags, width, width)) < 0.7)
    noise = np.array([0.5, 1.0, 20.0])
    posterior = known(coefficients, noise, count=count)
    frame = series(posterior, rows)
    ahead = forecast(posterior, frame, steps)

    matrix = companion(coefficients)
    power = np.linalg.matrix_power(matrix, steps)
    states = [frame.to_numpy()[end - lags : end][::-1].ravel() for end in range(lags, rows + 1)]
    expected = np.array([(power @ state)[:width] for state in states])
    variance = np.zeros(width)
    for step in range(steps):
        response = np.linalg.matrix_power(matrix, step)[:width, :width]
        variance += np.diag(response @ np.diag(noise**2) @ response.T)
    variance += noise**2 / count

    assert ahead.mean.shape == ahead.sd.shape == (rows - lags - steps + 1, width)
    np.testing.assert_allclose(ahead.mean, expected[: len(ahead.mean)], atol=1e-12)
    np.testing.assert_allclose(ahead.sd**2, np.tile(variance, (len(ahead.sd), 1)), rtol=1e-10)
    assert ahead.future.shape == ahead.future_sd.shape == (steps, width)
    np.testing.assert_allclose(ahead.future.iloc[-1], expected[-1], atol=1e-12)
    np.testing.assert_allclose(ahead.future_sd.iloc[-1] ** 2, variance, rtol=1e-10)


def test_effects_within_a_step_are_passed_on():
    lagged, within = np.array([[[0.5, 0.3], [0.0, 0.4]], [[0.0, 0.2], [0.1, 0.0]]]), np.array([[0.0, 0.0], [0.7, 0.0]])
    noise, intercept = np.array([1.0, 0.5]), np.array([0.3, -0.2])
    response = np.linalg.inv(np.eye(2) - within)
    reduced = known(response @ lagged, [1.0, 1.0], response @ intercept)
    structural = known(lagged, noise, intercept, within=within)
    frame = series(structural, 20)
    for steps in (1, 3):
        one, other = forecast(structural, frame, steps), forecast(reduced, frame, steps)
        np.testing.assert_allclose(one.mean, other.mean, atol=1e-12)
        np.testing.assert_allclose(one.future, other.future, atol=1e-12)
    variance = np.diag(response @ np.diag(noise**2) @ response.T)
    np.testing.assert_allclose(forecast(structural, frame, 1).sd.to_numpy() ** 2, np.tile(variance, (18, 1)), rtol=1e-5)
    power = response @ lagged[0] @ response
    variance = variance + np.diag(power @ np.diag(noise**2) @ power.T)
    np.testing.assert_allclose(forecast(structural, frame, 2).future_sd.iloc[-1] ** 2, variance, rtol=1e-5)


def test_weights_that_are_not_in_the_graph_predict_nothing():
    certain = known([[[0.5, 0.3], [0.0, 0.4]]], [1.0, 1.0])
    weight = certain.weight.copy()
    weight[1, 0] = 9.0  # what it would be if it entered
    doubtful = Posterior(**(vars(certain) | {"weight": weight}))
    frame = series(certain, 10)
    pd.testing.assert_frame_equal(forecast(certain, frame, 2).mean, forecast(doubtful, frame, 2).mean)


@pytest.fixture(scope="module")
def regressions(found, frame):
    values = frame.to_numpy()
    return [
        Regression(values, target, parents(found, name), found.posterior.max_lag)
        for target, name in enumerate(frame.columns)
    ]


@pytest.fixture(scope="module")
def unseen(frame):
    """Rows the graph was not found on, in the same units."""
    return frame.iloc[:40] * 1.5 + 0.3


def test_one_step_is_the_student_t_of_bayesian_regression(found, regressions, unseen):
    """Location, scale and density of every prediction, with the uncertainty of weights and level in the scale."""
    ahead = found.predict(unseen)
    lags, values = found.posterior.max_lag, unseen.to_numpy()
    assert list(ahead.mean.index) == list(unseen.index[lags:])
    for target, regression in enumerate(regressions):
        predictions = np.array([regression.predictive(values[:row]) for row in range(lags, len(values))])
        location, scale, freedom = predictions[:, 0], predictions[:, 1], regression.count
        np.testing.assert_allclose(ahead.mean.iloc[:, target], location, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(ahead.sd.iloc[:, target], stats.t.std(freedom, location, scale), rtol=1e-9)
        density = stats.t.logpdf(values[lags:, target], freedom, location, scale)
        assert ahead.log_score.iloc[target] == pytest.approx(density.mean(), rel=1e-9)
        future = regression.predictive(values)
        assert ahead.future.iloc[0, target] == pytest.approx(future[0], rel=1e-9)
        assert ahead.future_sd.iloc[0, target] == pytest.approx(stats.t.std(freedom, *future), rel=1e-9)


@pytest.mark.parametrize("steps", [1, 3])
def test_the_score_is_the_mean_density_of_the_predictions(steps):
    posterior = known([[[0.5, 0.3], [0.0, 0.4]]], [0.7, 2.0], count=25.0)
    frame = series(posterior, 30)
    ahead = forecast(posterior, frame, steps)
    scale = ahead.sd * np.sqrt(23 / 25)
    density = stats.t.logpdf(frame.loc[ahead.mean.index], 25, ahead.mean, scale)
    np.testing.assert_allclose(ahead.log_score, density.mean(axis=0), rtol=1e-10)
    assert list(ahead.log_score.index) == ["x0", "x1"]


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_what_comes_next_is_what_the_rows_would_have_been_told(found, unseen, steps):
    """The last prediction of the longer series is the farthest prediction beyond the end of the shorter one."""
    whole, cut = found.predict(unseen, steps), found.predict(unseen.iloc[:-steps], steps)
    np.testing.assert_allclose(whole.mean.iloc[-1], cut.future.iloc[-1], rtol=1e-12)
    np.testing.assert_allclose(whole.sd.iloc[-1], cut.future_sd.iloc[-1], rtol=1e-12)
    assert whole.mean.index[-1] == cut.future.index[-1]


def test_knowing_the_system_scores_better_than_its_spread(found):
    """Held out from the same system, predictions beat the best constant density."""
    later = SparseVAR(nodes=5, steps=600, max_lag=3).load(4).frame.iloc[300:]
    constant = stats.norm.logpdf(later, later.mean(), later.std()).mean()
    assert found.predict(later).log_score.mean() > constant + 0.1


def test_as_many_rows_as_lags_predict_the_future_alone(found, frame):
    lags = found.posterior.max_lag
    ahead = found.predict(frame.iloc[:lags], 2)
    assert ahead.mean.shape == (0, len(frame.columns))
    assert ahead.log_score.isna().all()
    assert np.isfinite(ahead.future.to_numpy()).all()
    assert list(ahead.future.index) == [lags, lags + 1]


def test_columns_are_found_by_name_and_arrays_by_place(found, unseen):
    ahead = found.predict(unseen)
    shuffled = unseen[list(unseen.columns[::-1])].assign(another=np.nan)
    pd.testing.assert_frame_equal(found.predict(shuffled).mean, ahead.mean)
    np.testing.assert_array_equal(found.predict(unseen.to_numpy()).mean, ahead.mean)


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (pd.RangeIndex(8), [8, 9]),
        (pd.RangeIndex(100, 108), [108, 109]),
        (pd.date_range("2020-01-31", periods=8, freq="ME"), list(pd.date_range("2020-09-30", periods=2, freq="ME"))),
        (
            pd.DatetimeIndex(list(pd.date_range("2020-01-01", periods=8, freq="D"))),
            list(pd.to_datetime(["2020-01-09", "2020-01-10"])),
        ),
        (pd.Index(list("abcdefgh")), [8, 9]),
    ],
    ids=["count", "count from 100", "months", "days without a frequency", "labels"],
)
def test_the_future_continues_the_index(index, expected):
    posterior = known([[[0.5]]], [1.0])
    frame = series(posterior, 8).set_axis(index)
    ahead = forecast(posterior, frame, 2)
    assert list(ahead.future.index) == expected
    assert list(ahead.mean.index) == list(index[2:])


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_few_rows_with_times_are_enough(rows):
    posterior = known([[[0.5]]], [1.0])
    times = pd.DatetimeIndex(list(pd.date_range("2020-01-01", periods=rows, freq="D")))
    ahead = forecast(posterior, series(posterior, rows).set_axis(times), 2)
    assert len(ahead.future) == 2


@pytest.mark.parametrize("steps", [0, -1, True, 1.0, "1", None])
def test_steps_count_rows(found, frame, steps):
    with pytest.raises(DataError, match=rf"steps={steps!r}"):
        found.predict(frame, steps)


def test_numpy_counts_are_counts(found, unseen):
    pd.testing.assert_frame_equal(found.predict(unseen, np.int64(2)).mean, found.predict(unseen, 2).mean)


def test_too_few_rows(found, frame):
    with pytest.raises(DataError, match=r"2 rows.*back 3 rows"):
        found.predict(frame.iloc[:2])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_gaps_are_named(found, frame, bad):
    broken = frame.copy()
    broken.iloc[7, 2] = bad
    with pytest.raises(DataError, match=r"'x2'.*row 7"):
        found.predict(broken)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda frame: frame.drop(columns=["x1", "x3"]), r"'x1', 'x3'"),
        (lambda frame: frame.assign(x4="blue"), r"'x4'"),
        (lambda frame: frame[["x0", "x1", "x2", "x3", "x4", "x4"]], r"twice"),
        (lambda frame: frame.to_numpy()[:, :4], r"\(300, 4\).*5 series"),
        (lambda frame: frame.to_numpy()[:, 0], "1 dimension"),
    ],
    ids=["missing columns", "text", "a column twice", "narrow array", "flat array"],
)
def test_other_columns(found, frame, change, named):
    with pytest.raises(DataError, match=named):
        found.predict(change(frame))


def test_periods_continue_as_periods() -> None:
    index = pd.period_range("2020Q1", periods=60, freq="Q")
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 2)), index=index, columns=["a", "b"])
    future = discover(frame, 1).predict(frame, 2).future
    assert future.index.equals(pd.period_range("2035Q1", periods=2, freq="Q"))
