"""Interventions against closed forms: impulse and step responses of autoregressions, structural equations by hand."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from sostruct.discovery.estimator import discover
from sostruct.discovery.intervention import intervene
from sostruct.discovery.posterior import Posterior
from sostruct.discovery.result import COLUMNS
from sostruct.discovery.simulation import WithinStep, residuals
from sostruct.errors import ConfigError, DataError

from .test_forecast import known

NO_PAIRS = pd.DataFrame(columns=list(COLUMNS))


def certain(coefficients, noise_sd, intercept=None, within=None, doubt=0.0):
    """A system as of `known`, with its coefficients also by slot; `doubt` is what A_S^-1 has on its diagonal."""
    posterior = known(coefficients, noise_sd, intercept, count=1e9, within=within)
    width, links = posterior.weight.shape
    slots = np.where(posterior.active, np.arange(links), -1)
    changed = {
        "slots": slots,
        "coefficient": np.where(posterior.active, posterior.weight, 0.0),
        "inverse": np.tile(np.eye(links), (width, 1, 1)) * doubt,
    }
    return Posterior(**(vars(posterior) | changed))


def pair(cause, effect, partial, mark):
    row = (cause, effect, 0, partial, 0.1, 5.0, 0.99, "line", mark)
    return pd.DataFrame([row], columns=list(COLUMNS))


@pytest.fixture(scope="module")
def lagged():
    rng = np.random.default_rng(3)
    return rng.uniform(-0.35, 0.35, (2, 4, 4)) * (rng.random((2, 4, 4)) < 0.7)


def test_the_effect_is_that_of_a_system_driven_from_outside(lagged):
    """With x0 held at a course, the others follow their equations without noise, x0 as an input."""
    posterior = certain(lagged, np.ones(4), [0.1, -0.2, 0.3, 0.0])
    course, other = np.array([1.0, -2.0, 0.5, 3.0, 0.0, 1.0]), np.zeros(6)
    result = intervene(posterior, NO_PAIRS, {"x0": course}, 6, against={"x0": other}, samples=3)
    path = np.zeros((8, 4))
    for step in range(2, 8):
        path[step] = lagged[0] @ path[step - 1] + lagged[1] @ path[step - 2]
        path[step, 0] = course[step - 2]
    np.testing.assert_allclose(result.effect, path[2:], atol=1e-3)
    np.testing.assert_allclose(result.effect_sd, 0.0, atol=1e-3)
    assert list(result.effect.index) == [1, 2, 3, 4, 5, 6]


def test_what_is_held_for_long_leads_to_the_steady_state(lagged):
    """x_R = (I - A_RR)^-1 (A_R0 v + a_R), A the sum over lags."""
    intercept = np.array([0.5, 1.0, -1.0, 0.2])
    posterior = certain(lagged, np.full(4, 1e-9), intercept)
    result = intervene(posterior, NO_PAIRS, {"x0": 2.0}, 200, samples=2)
    total = lagged.sum(axis=0)
    steady = np.linalg.solve(np.eye(3) - total[1:, 1:], total[1:, 0] * 2.0 + intercept[1:])
    np.testing.assert_allclose(result.mean.iloc[-1, 1:], steady, rtol=1e-6)
    assert (result.mean["x0"] == 2.0).all()
    natural = np.linalg.solve(np.eye(4) - total, intercept)
    np.testing.assert_allclose(result.reference.iloc[-1], natural, rtol=1e-6)


def test_the_spread_is_that_of_the_process(lagged):
    """Mean and standard deviation of courses, against the moments of a vector autoregression."""
    posterior = certain(lagged[:1], [0.5, 1.0, 2.0, 1.0])
    result = intervene(posterior, NO_PAIRS, {"x0": 0.0}, 3, samples=20_000)
    free, noise = lagged[0][1:, 1:], np.diag([1.0, 4.0, 1.0])
    variance = noise + free @ noise @ free.T + free @ free @ noise @ free.T @ free.T
    np.testing.assert_allclose(result.sd.iloc[-1, 1:], np.sqrt(np.diag(variance)), rtol=0.03)
    assert (result.sd["x0"] == 0.0).all()
    inside = result.upper.iloc[-1, 1:] - result.lower.iloc[-1, 1:]
    np.testing.assert_allclose(inside, 2 * 1.645 * np.sqrt(np.diag(variance)), rtol=0.04)


def test_causes_of_what_is_held_have_no_influence():
    """x0 -> x1 -> x2: with x1 held, x2 does not care where x0 begins; without, it does."""
    chain = np.zeros((1, 3, 3))
    chain[0, 0, 0], chain[0, 1, 0], chain[0, 2, 1] = 0.9, 0.8, 0.7
    posterior = certain(chain, np.ones(3))
    low, high = (pd.DataFrame(np.full((4, 3), value), columns=posterior.variables) for value in (-50.0, 50.0))
    held = [intervene(posterior, NO_PAIRS, {"x1": 1.0}, 5, start=start, samples=50) for start in (low, high)]
    pd.testing.assert_series_equal(held[0].mean["x2"].iloc[1:], held[1].mean["x2"].iloc[1:])
    pd.testing.assert_frame_equal(held[0].effect[["x0"]], held[0].effect[["x0"]] * 0)
    assert (held[0].reference["x2"].iloc[1:] < held[1].reference["x2"].iloc[1:]).all()
    assert list(held[0].mean.index) == [4, 5, 6, 7, 8]


def test_effects_within_the_step_follow_their_order():
    """x0 -> x1 -> x2 within the step: holding x0 moves both at once, holding x1 leaves x0 alone."""
    within = np.array([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [0.2, -2.0, 0.0]])
    posterior = certain(np.eye(3)[None] * 0.3, np.ones(3), [1.0, 0.0, 0.0], within)
    first = intervene(posterior, NO_PAIRS, {"x0": 4.0}, 1, against={"x0": 0.0}, samples=2).effect.iloc[0]
    np.testing.assert_allclose(first, [4.0, 2.0, 0.2 * 4.0 - 2.0 * 2.0], atol=1e-3)
    second = intervene(posterior, NO_PAIRS, {"x1": 4.0}, 1, against={"x1": 0.0}, samples=2).effect.iloc[0]
    np.testing.assert_allclose(second, [0.0, 4.0, -8.0], atol=1e-3)
    alone = intervene(posterior, NO_PAIRS, {"x1": 0.0}, 4, samples=20_000)
    response = np.linalg.inv(np.eye(3) - within)
    np.testing.assert_allclose(alone.reference.iloc[0], response @ [1.0, 0.0, 0.0], atol=0.06)


@pytest.mark.parametrize(
    ("mark", "moved"), [("undirected", 0.0), ("bidirected", 0.0), ("directed", 0.6 * 2.0 / 0.5 * 3.0)]
)
def test_pairs_share_their_noise_and_pass_on_what_has_a_direction(mark, moved):
    """With partial correlation .6 and no other pair, x1 given x0 has the slope .6 sd_1 / sd_0."""
    posterior = certain(np.zeros((1, 3, 3)), [0.5, 2.0, 1.0])
    result = intervene(posterior, pair("x0", "x1", 0.6, mark), {"x0": 3.0}, 1, samples=20_000)
    np.testing.assert_allclose(result.effect["x1"].iloc[0], moved, atol=0.1)
    assert result.effect["x2"].iloc[0] == 0.0
    assert len(result.notes) == (mark != "directed")
    back = intervene(posterior, pair("x0", "x1", 0.6, mark), {"x1": 3.0}, 1, samples=10)
    assert back.effect["x0"].iloc[0] == 0.0


def test_partial_correlations_that_belong_to_no_distribution_are_shrunk():
    rows = pd.concat([pair(f"x{i}", f"x{j}", 0.9, "undirected") for i in range(3) for j in range(i)])
    within = WithinStep.of(certain(np.zeros((1, 3, 3)), np.ones(3)), rows)
    np.testing.assert_allclose(np.diag(within.factor @ within.factor.T), 1.0, rtol=1e-9)


def skewed(lagged, rows=4000):
    """Rows of a system whose noise is exponential less its mean, shared by x1 and x2; and that noise."""
    posterior = certain(lagged, np.ones(4), [0.1, -0.2, 0.3, 0.0])
    noise = np.random.default_rng(0).exponential(size=(rows, 4)) - 1
    noise[:, 2] = 0.8 * noise[:, 1] + 0.6 * noise[:, 2]
    values = np.zeros((rows + 2, 4))
    for row in range(2, rows + 2):
        values[row] = posterior.intercept + lagged[0] @ values[row - 1] + lagged[1] @ values[row - 2] + noise[row - 2]
    return posterior, pd.DataFrame(values, columns=posterior.variables), noise


def test_residuals_are_the_noise(lagged):
    posterior, frame, noise = skewed(lagged, 50)
    np.testing.assert_allclose(residuals(posterior, frame.to_numpy()), noise, atol=1e-12)
    within = np.array([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [0.2, -2.0, 0.0]])
    instant = certain(np.eye(3)[None] * 0.3, np.ones(3), [1.0, 0.0, 0.0], within)
    errors = np.random.default_rng(1).normal(size=(20, 3))
    values = np.zeros((21, 3))
    for row in range(1, 21):
        values[row] = np.linalg.solve(np.eye(3) - within, [1.0, 0.0, 0.0] + 0.3 * values[row - 1] + errors[row - 1])
    np.testing.assert_allclose(residuals(instant, values), errors, atol=1e-12)


def test_noise_may_have_the_shape_of_residuals(lagged):
    """One step from the means: quantiles of the exponential, not of the Gaussian; correlation of what is shared."""
    posterior, frame, noise = skewed(lagged)
    still = Posterior(**(vars(posterior) | {"noise_sd": np.full(4, 2.0), "coefficient": posterior.coefficient * 0}))
    drawn, plain = (intervene(still, NO_PAIRS, {"x0": 0.0}, 1, samples=20_000, noise=rows) for rows in (frame, None))
    shape = residuals(still, frame.to_numpy())
    expected = 2 * (np.quantile(shape, 0.05, axis=0) - shape.mean(axis=0)) / shape.std(axis=0)
    np.testing.assert_allclose((drawn.lower - posterior.intercept).iloc[0, 1:], expected[1:], atol=0.06)
    np.testing.assert_allclose((plain.lower - posterior.intercept).iloc[0, 1:], -3.29, atol=0.1)
    np.testing.assert_allclose(drawn.sd.iloc[0, 1:], 2.0, rtol=0.03)
    both = np.zeros((1, 4, 4))
    both[0, 3, 1], both[0, 3, 2] = 1.0, -1.0
    difference = certain(both, [1.0, 1.0, 1.0, 1e-9])
    alone = pd.DataFrame(noise, columns=frame.columns)
    alone["x3"] += (alone["x1"] - alone["x2"]).shift(fill_value=0.0)
    shared, apart = (
        intervene(difference, NO_PAIRS, {"x0": 0.0}, 2, samples=20_000, noise=rows) for rows in (alone, None)
    )
    rho = np.corrcoef(noise[:, 1], noise[:, 2])[0, 1]
    assert shared.sd["x3"].iloc[1] == pytest.approx(np.sqrt(2 - 2 * rho), rel=0.03)
    assert apart.sd["x3"].iloc[1] == pytest.approx(np.sqrt(2), rel=0.03)
    with pytest.raises(DataError, match=r"9 residuals.*fewer than 10"):
        intervene(posterior, NO_PAIRS, {"x0": 0.0}, 1, noise=frame.head(11))
    with pytest.raises(DataError, match="0 residuals"):
        intervene(posterior, NO_PAIRS, {"x0": 0.0}, 1, noise=frame.head(1))


def test_doubt_about_a_coefficient_is_doubt_about_the_effect():
    """One edge with slope w ~ N(.5, s^2 v): the effect of a unit is w."""
    slope = np.zeros((1, 2, 2))
    slope[0, 1, 0] = 0.5
    posterior = certain(slope, [1.0, 2.0], doubt=0.01)
    result = intervene(posterior, NO_PAIRS, {"x0": 1.0}, 2, against={"x0": 0.0}, samples=20_000)
    assert result.effect["x1"].iloc[1] == pytest.approx(0.5, abs=0.01)
    assert result.effect_sd["x1"].iloc[1] == pytest.approx(2.0 * 0.1, rel=0.03)


def test_curves_and_products_are_followed():
    """x1(t) = x0(t-1) x2(t-1): holding both at 2 and at 0 differs by the product of what they are held at."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(800, 3))
    values[1:, 1] = values[:-1, 0] * values[:-1, 2] + 0.2 * values[1:, 1]
    found = discover(pd.DataFrame(values, columns=["a", "b", "c"]), 1, functions="curved")
    assert found.edges["function"].str.contains("product").any()
    result = found.intervene({"a": 1.5, "c": -1.0}, 2, against={"a": 0.0, "c": 0.0}, samples=50)
    assert result.effect["b"].iloc[1] == pytest.approx(-1.5, abs=0.15)


def test_a_found_system_is_followed(found, frame):
    """Without anything open, the courses of a found system are its forecasts: the same mean, the same spread."""
    ahead = found.predict(frame, 4)
    result = found.intervene({"x0": 0.0}, 4, start=frame, samples=4000)
    natural = result.reference
    assert natural.index.equals(ahead.future.index)
    error = ahead.future_sd / np.sqrt(4000)
    assert ((natural - ahead.future).abs() < 4.5 * error).all(axis=None)
    unmoved = [name for name in frame if (result.effect[name] == 0).all()]
    ratio = result.sd[unmoved] / ahead.future_sd[unmoved]
    assert ((ratio - 1).abs() < 0.06).all(axis=None)


def test_equal_seeds_are_equal_courses(found):
    one, same, other = (found.intervene({"x1": 1.0}, 3, samples=20, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one.mean, same.mean)
    assert (one.mean["x0"] != other.mean["x0"]).all()


def test_what_is_far_is_said(found, frame):
    far = float(frame["x2"].mean() + 9 * frame["x2"].std())
    result = found.intervene({"x2": far}, 2, samples=5)
    assert any("x2" in note and "standard deviations from its mean" in note for note in result.notes)
    assert "extrapolated" in repr(result)
    assert "x2 at" in repr(result)
    assert found.intervene({"x2": float(frame["x2"].mean())}, 2, samples=5).notes == ()


def test_plot(found):
    result = found.intervene({"x0": 1.0}, 5, samples=20)
    downstream = nx.descendants(found.graph, "x0") | {"x0"}
    assert {name for name in result.effect if result.effect[name].any()} <= downstream
    assert len(result.plot().axes) == result.effect.any().sum() > 1
    assert len(found.intervene({"x0": 1.0}, 1, samples=20).plot(["x3"]).axes) == 1
    with pytest.raises(DataError, match="'nobody'"):
        found.intervene({"x0": 1.0}, 1, samples=5).plot(["nobody"])


@pytest.mark.parametrize(
    ("values", "kind", "named"),
    [
        ({"nobody": 1.0}, ConfigError, "'nobody'.*'x0'"),
        ({}, ConfigError, "which series"),
        ("x0", ConfigError, "which series"),
        ({"x0": np.nan}, DataError, "'x0'.*missing or infinite"),
        ({"x0": [1.0, np.inf, 0.0]}, DataError, "'x0'.*missing or infinite"),
        ({"x0": [1.0, 2.0]}, DataError, r"'x0'.*\(2,\).*3 steps"),
        ({"x0": [[1.0, 2.0, 3.0]]}, DataError, r"'x0'.*\(1, 3\)"),
        ({"x0": "high"}, DataError, "'x0'.*'high'"),
        ({"x0": None}, DataError, "'x0'"),
    ],
)
def test_interventions_that_mean_nothing(found, values, kind, named):
    with pytest.raises(kind, match=named):
        found.intervene(values, 3)
    with pytest.raises(kind, match=named):
        found.intervene({"x0": 0.0}, 3, against=values)


@pytest.mark.parametrize("bad", [0, -1, 1.5, True, "3"])
def test_counts(found, bad):
    with pytest.raises(DataError, match="steps"):
        found.intervene({"x0": 1.0}, bad)
    with pytest.raises(DataError, match="samples"):
        found.intervene({"x0": 1.0}, 3, samples=bad)


def test_starts(found, frame):
    with pytest.raises(DataError, match=r"2 rows.*back 3 rows"):
        found.intervene({"x0": 1.0}, 3, start=frame.head(2))
    with pytest.raises(DataError, match="'x1'"):
        found.intervene({"x0": 1.0}, 3, start=frame.drop(columns="x1"))


def test_systems_that_run_away_say_so():
    posterior = certain([[[50.0]]], [1.0])
    with pytest.raises(DataError, match="run away"):
        intervene(certain(np.array([[[0.0, 0.0], [0.0, 50.0]]]), [1.0, 1.0]), NO_PAIRS, {"x0": 1.0}, 400, samples=2)
    assert intervene(posterior, NO_PAIRS, {"x0": 1.0}, 3, against={"x0": 0.0}, samples=2).effect["x0"].eq(1.0).all()
