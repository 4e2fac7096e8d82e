"""Gaps: statistics, and what is found with and without them."""

import numpy as np
import pandas as pd
import pytest

from sostruct.discovery.estimator import CausalDiscovery, discover
from sostruct.errors import ConfigError, DataError
from sostruct.networks.lagged import missing
from sostruct.networks.lagged.missing import _affordable, _available, expected
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.networks.lagged.turns import Gaps
from sostruct.tasks import SparseVAR


def test_without_gaps_nothing_is_expected():
    values = SparseVAR(nodes=3, steps=60, max_lag=2).load(0).frame.to_numpy()
    network = LaggedNetwork.bare(["x0", "x1", "x2"], 2)
    found, plain = expected([values], network), network.prepare(values)
    assert plain.chances is None
    assert found.chances.term.shape == (3, 6)
    assert float(found.count) == pytest.approx(58.0)
    for name in ("gram", "cross", "term_mean", "term_scale"):
        np.testing.assert_allclose(getattr(found, name), getattr(plain, name), rtol=1e-6, atol=1e-6)


def test_realizations_add_and_do_not_touch():
    values = SparseVAR(nodes=3, steps=240, max_lag=2).load(0).frame.to_numpy()
    values = values - values.mean(axis=0)
    parts = [values[:100], values[100:]]
    network = LaggedNetwork.bare(["x0", "x1", "x2"], 2)
    found = expected(parts, network)
    rows = [np.hstack([part[2 - lag : len(part) - lag] for lag in (1, 2)]) for part in parts]
    assert float(found.count) == pytest.approx(236.0)
    np.testing.assert_allclose(found.gram / found.count, np.corrcoef(np.vstack(rows).T), atol=1e-6)


def test_moments_of_what_is_there():
    generator = np.random.default_rng(0)
    values = generator.normal(size=(400, 2))
    observed = generator.random(values.shape) < 0.7
    found = _available(Gaps(np.where(observed, values, 0.0), observed, np.arange(400) >= 1), 1)
    both = observed[1:, 0] & observed[:-1, 1]
    assert found.second[0, 3] / found.count == pytest.approx(np.mean((values[1:, 0] * values[:-1, 1])[both]))


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
    chance = found.summary_probability.to_numpy()
    sure = chance > 1 - 1e-9
    assert (chance[sure] <= 1).all()
    np.testing.assert_allclose(1 / (1 + np.exp(-found.summary.to_numpy()[~sure])), chance[~sure], rtol=1e-6)
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


def test_large_systems_have_fewer_chains_and_draws():
    assert _affordable(500, 10, 3) == (4, 100)
    assert _affordable(1000, 60, 3) == (1, 100)
    assert _affordable(10_000, 60, 5) == (1, 20)
    chains, draws = _affordable(2500, 30, 3)
    assert 1 < chains < 4
    assert draws == 100
