"""Several realizations: one graph, no row of one predicting another, in every kind of statistics."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sostruct.discovery.estimator import CausalDiscovery, discover
from sostruct.discovery.posterior import Posterior
from sostruct.tasks import Nonlinear, SparseVAR, StructuralVAR

from .conftest import MAX_LAG
from .test_estimator import edges, same


def test_a_list_of_one_is_the_frame_to_the_last_bit(frame, found):
    for given in ([frame], {"only": frame}, pd.concat([frame], keys=["only"])):
        same(discover(given, MAX_LAG), found)


def hand_made(parts, found):
    """Weights of the found graph by ridge regression on rows that have their past in their own realization."""
    names = list(parts[0].columns)
    values = [part.to_numpy() for part in parts]
    lags = found.posterior.max_lag
    weights = {}
    for effect in names:
        rows = found.edges[found.edges["effect"] == effect]
        terms = [(names.index(cause), lag) for cause, lag in zip(rows["cause"], rows["lag"], strict=True)]
        past = np.array([[table[t - lag, k] for k, lag in terms] for table in values for t in range(lags, len(table))])
        target = np.array([table[t, names.index(effect)] for table in values for t in range(lags, len(table))])
        scale = past.std(axis=0)
        standard = (past - past.mean(axis=0)) / scale
        inner = standard.T @ standard + np.eye(len(terms))
        solution = np.linalg.solve(inner, standard.T @ (target - target.mean())) / scale
        weights |= {(names[k], effect, lag): value for (k, lag), value in zip(terms, solution, strict=True)}
    return weights


def test_halves_are_a_regression_without_the_rows_between(frame):
    """Levels differ between halves, so a row that crossed would show."""
    parts = [frame.iloc[:140], frame.iloc[140:].reset_index(drop=True)]
    found = discover(parts, MAX_LAG, functions="linear", contemporaneous=False, probabilities=False)
    assert found.posterior.count == len(frame) - 2 * MAX_LAG
    expected = hand_made(parts, found)
    for row in found.edges.itertuples():
        assert row.weight == pytest.approx(expected[row.cause, row.effect, row.lag], abs=1e-9)


def test_many_short_realizations_show_what_none_does():
    """Forty stretches of 14 rows of one system."""
    task = SparseVAR(nodes=5, steps=40 * 30, max_lag=2).load(3)
    parts = [task.frame.iloc[start : start + 14] for start in range(0, 40 * 30, 30)]
    found = discover([part.reset_index(drop=True) for part in parts], 2)
    assert found.posterior.count == 40 * 12
    assert found.compare(task.truth).loc["summary", "f1"] >= 0.9


def test_curves_and_effects_within_a_step_are_found_in_parts():
    for task, settings in (
        (Nonlinear(nodes=5, steps=600).load(1), {"functions": "curved"}),
        (StructuralVAR(nodes=5, steps=600).load(1), {}),
    ):
        halves = [task.frame.iloc[:300], task.frame.iloc[300:].reset_index(drop=True)]
        whole, found = (discover(given, 2, probabilities=False, **settings) for given in (task.frame, halves))
        assert found.posterior.count == whole.posterior.count - 2
        common = edges(found) & edges(whole)
        assert len(common) >= 0.8 * max(len(edges(found)), len(edges(whole)))


def test_gaps_in_realizations():
    task = SparseVAR(nodes=4, steps=400, max_lag=1).load(2)
    holes = task.frame.mask(np.random.default_rng(0).random(task.frame.shape) < 0.15)
    parts = [holes.iloc[:200], holes.iloc[200:].reset_index(drop=True)]
    found = discover(parts, 1)
    assert found.compare(task.truth).loc["summary", "f1"] >= 0.85
    assert 200 < found.posterior.count < 398


def test_every_realization_is_predicted_by_itself(frame, found):
    parts = {"u": frame.iloc[:100], "v": frame.iloc[100:].reset_index(drop=True)}
    together = found.predict(parts, steps=2)
    alone = {name: found.predict(part, steps=2) for name, part in parts.items()}
    for name, one in alone.items():
        for table in ("mean", "sd", "future", "future_sd"):
            mine = getattr(together, table).loc[name]
            np.testing.assert_array_equal(mine, getattr(one, table))
            assert mine.index.tolist() == getattr(one, table).index.tolist()
    rows = {name: len(one.mean) for name, one in alone.items()}
    expected = sum(rows[name] * alone[name].log_score for name in rows) / sum(rows.values())
    pd.testing.assert_series_equal(together.log_score, expected.rename("log_score"))
    stacked = pd.concat(parts.values(), keys=parts)
    pd.testing.assert_frame_equal(found.predict(stacked, 2).mean, together.mean, check_names=False)
    plain = found.predict([part.to_numpy() for part in parts.values()], 2)
    np.testing.assert_array_equal(plain.mean, together.mean)


def test_labeled_arrays_of_other_packages(frame, found):
    xarray = pytest.importorskip("xarray")
    array = xarray.DataArray(frame.to_numpy(), dims=("time", "variable"), coords={"variable": list(frame.columns)})
    same(discover(array, MAX_LAG), found)
    same(discover(array.to_dataset("variable"), MAX_LAG), found)
    np.testing.assert_array_equal(found.predict(array).mean, found.predict(frame).mean)


def test_what_was_done_is_kept(frame, tmp_path):
    halves = [frame.iloc[:150], frame.iloc[150:].reset_index(drop=True)]
    found = CausalDiscovery(MAX_LAG).fit(halves).result_
    assert found.treatment == ("2 realizations were searched together.",)
    assert found.treatment[0] in repr(found)
    with (tmp_path / "posterior.npz").open("wb") as file:
        found.posterior.save(file)
    assert Posterior.load(tmp_path / "posterior.npz").treatment == found.posterior.treatment
