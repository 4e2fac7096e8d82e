"""Gaps: the smoother against conditioning one large Gaussian, and what is found with and without them."""

import numpy as np
import pandas as pd
import pytest

from sostruct.discovery.estimator import CausalDiscovery, discover
from sostruct.errors import ConfigError, DataError
from sostruct.networks.lagged import missing
from sostruct.networks.lagged.missing import _available, _smoothed, expected_moments
from sostruct.networks.lagged.moments import moments
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.numerics import double_precision
from sostruct.tasks import SparseVAR


def by_conditioning(seen, observed, weights, noise, shift):
    """Mean and covariance of all x(t), t = 1-L..T-1, given what was observed, from their joint Gaussian."""
    rows, variables = seen.shape
    lags = weights.shape[1] // variables
    steps = rows + lags
    size = steps * variables
    mean, factor = np.zeros(size), np.zeros((size, size))
    start = (lags + 1) * variables  # the state at t = 0 has a standard normal prior
    factor[:start, :start] = np.eye(start)
    for step in range(lags + 1, steps):
        here = slice(step * variables, (step + 1) * variables)
        mean[here] = shift
        for lag in range(1, lags + 1):
            before = slice((step - lag) * variables, (step - lag + 1) * variables)
            part = weights[:, (lag - 1) * variables : lag * variables]
            mean[here] += part @ mean[before]
            factor[here] += part @ factor[before]
        factor[here, here] += noise
    covariance = factor @ factor.T
    known = np.concatenate([np.zeros(lags * variables, bool), observed.ravel()])
    values = np.concatenate([np.zeros(lags * variables), seen.ravel()])
    gain = covariance[:, known] @ np.linalg.inv(covariance[np.ix_(known, known)])
    return mean + gain @ (values - mean)[known], covariance - gain @ covariance[known], lags


@pytest.mark.parametrize("lags", [1, 2])
def test_the_smoother_is_conditioning(lags):
    generator = np.random.default_rng(lags)
    rows, variables = 9, 2
    observed = generator.random((rows, variables)) < 0.6
    observed[4] = False  # a whole row
    seen = np.where(observed, generator.normal(size=(rows, variables)), 0.0)
    weights = generator.uniform(-0.5, 0.5, (variables, variables * lags))
    noise, shift = np.array([[0.9, 0.0], [0.3, 0.7]]), np.array([0.2, -0.1])
    with double_precision():
        first, second, doubt = map(np.asarray, _smoothed(seen, observed, weights, noise, shift))
    mean, covariance, _ = by_conditioning(seen, observed, weights, noise, shift)
    size = variables * (lags + 1)
    total, products = np.zeros(size), np.zeros((size, size))
    for row in range(lags, rows):
        places = np.concatenate([np.arange(variables) + (row + lags - lag) * variables for lag in range(lags + 1)])
        total += mean[places]
        products += np.outer(mean[places], mean[places]) + covariance[np.ix_(places, places)]
    np.testing.assert_allclose(first, total, atol=1e-9)
    np.testing.assert_allclose(second, products, atol=1e-9)
    own = np.diag(covariance)[lags * variables :].reshape(rows, variables)
    np.testing.assert_allclose(doubt, own.mean(axis=0), atol=1e-9)


def test_without_gaps_nothing_is_expected():
    values = SparseVAR(nodes=3, steps=60, max_lag=2).load(0).frame.to_numpy()
    raw, worth = expected_moments(values, LaggedNetwork.bare(["x0", "x1", "x2"], 2))
    plain = moments(values, 2)
    assert worth == pytest.approx(1.0, abs=1e-9)
    np.testing.assert_allclose(raw.second, plain.second, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(raw.first, plain.first, atol=1e-6)


def test_moments_of_what_is_there():
    generator = np.random.default_rng(0)
    values = generator.normal(size=(400, 2))
    observed = generator.random(values.shape) < 0.7
    rows, _, second = _available([np.where(observed, values, 0.0)], [observed], 1)
    both = observed[1:, 0] & observed[:-1, 1]
    assert second[0, 3] / rows == pytest.approx(np.mean((values[1:, 0] * values[:-1, 1])[both]))


@pytest.fixture(scope="module")
def gapped():
    task = SparseVAR(nodes=5, steps=500, max_lag=2).load(1)
    frame = task.frame.copy()
    generator = np.random.default_rng(0)
    frame = frame.mask(generator.random(frame.shape) < 0.3)
    frame.iloc[100:130] = np.nan
    return task, frame


def test_graphs_are_found_through_gaps(gapped):
    task, frame = gapped
    found = discover(frame, 2)
    complete = discover(task.frame, 2)
    assert found.compare(task.truth).loc["summary", "f1"] >= 0.85
    assert 0.4 * len(frame) < found.posterior.count < 0.95 * len(frame)
    both = found.edges.merge(complete.edges, on=["cause", "effect", "lag"])
    np.testing.assert_allclose(both["weight_x"], both["weight_y"], atol=0.2)
    assert (both["weight_sd_x"] > both["weight_sd_y"]).mean() > 0.9
    again = discover(frame, 2)
    pd.testing.assert_frame_equal(found.scores, again.scores)  # same data, same bytes


def test_what_no_gap_can_be_filled_with_is_refused(gapped, monkeypatch):
    _, frame = gapped
    nothing = frame.assign(x3=np.nan)
    with pytest.raises(DataError, match=r"'x3'.*all of its values are missing"):
        CausalDiscovery(2).check(nothing)
    with pytest.raises(ConfigError, match="functions='curved' with missing values"):
        discover(frame, 2, functions="curved")
    monkeypatch.setattr(missing, "MOST_NUMBERS", 1e4)
    with pytest.raises(DataError, match="gaps of 5 series over 500 rows"):
        discover(frame, 2)


def test_many_gaps_are_warned_of(gapped):
    _, frame = gapped
    sparse = frame.mask(np.random.default_rng(1).random(frame.shape) < 0.5)
    with pytest.warns(UserWarning, match=r"6\d% of the values are missing"):
        CausalDiscovery(2).check(sparse)
