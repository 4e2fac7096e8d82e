"""Nonlinear mechanisms as users meet them: found, named, predicted with, written and read."""

from __future__ import annotations

import json

import jax
import numpy as np
import pandas as pd
import pytest

from sostruct.control.finished import DONE
from sostruct.discovery import dictionary
from sostruct.discovery.estimator import CausalDiscovery, discover
from sostruct.discovery.store import load, metrics, write_results
from sostruct.errors import ConfigError
from sostruct.graph import AddEdge, Edge, Topology
from sostruct.graph.files import SCHEMA
from sostruct.networks.lagged.curved import CurvedTerms
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.tasks import Lorenz96, SparseVAR

ROWS = 400
KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def frame():
    """A product of two drivers at two lags, a hump that has no slope, and a line."""
    generator = np.random.default_rng(0)
    values = generator.normal(size=(ROWS, 5))
    for step in range(2, ROWS):
        past, before = values[step - 1], values[step - 2]
        values[step, 1] += past[0] * before[3]
        values[step, 2] += 2 * np.exp(-(past[0] ** 2)) - 1
        values[step, 4] += 0.8 * past[3]
    return pd.DataFrame(values, columns=["drive", "product", "hump", "gate", "line"])


@pytest.fixture(scope="module")
def found(frame):
    return discover(frame, max_lag=2)


def test_each_mechanism_is_found_and_named(found):
    assert found.settled
    sure = found.edges[found.edges["nats"] > 5]
    named = {(row.cause, row.effect, row.lag): row.function for row in sure.itertuples()}
    assert named == {
        ("drive", "product", 1): "product",
        ("gate", "product", 2): "product",
        ("drive", "hump", 1): "curve",
        ("gate", "line", 1): "line",
    }
    assert (found.scores["function"][found.scores["nats"] < 0] == "").all()


def test_interactions_are_listed_with_their_coefficients(found, frame):
    row = max(found.interactions.itertuples(), key=lambda row: abs(row.coefficient / row.coefficient_sd))
    assert (row.effect, row.cause_1, row.lag_1, row.cause_2, row.lag_2) == ("product", "drive", 1, "gate", 2)
    scale = frame["drive"].std(ddof=0) * frame["gate"].std(ddof=0)
    assert row.coefficient == pytest.approx(scale, abs=4 * row.coefficient_sd)
    assert 0 < row.coefficient_sd < 0.1


def test_lines_have_their_weight_and_standard_error(found, frame):
    linear = discover(frame, max_lag=2, functions="linear")
    assert set(linear.edges["function"]) == {"line"}
    for result in (found, linear):
        row = result.edges.set_index(["cause", "effect", "lag"]).loc[("gate", "line", 1)]
        assert row["weight"] == pytest.approx(0.8, abs=3 * row["weight_sd"])
        assert row["weight_sd"] == pytest.approx(1 / np.sqrt(ROWS), rel=0.15)


def test_the_graph_follows_the_schema_and_shows_series_only(found, frame):
    assert list(found.graph.nodes) == list(frame.columns)
    functions = {(a, b): data["function"] for a, b, data in found.graph.edges(data=True)}
    assert functions["drive", "hump"] == "curve"
    assert functions["gate", "product"] == "product"
    assert functions["gate", "line"] == "identity"
    assert Topology.from_networkx(found.graph).names == tuple(sorted(frame.columns))
    assert "drive(t-1) gate(t-2) -> product" in found.journal.final.names


def test_predictions_use_the_mechanisms(found, frame):
    """One step: the variance left is that of the noise, 1. Two: of `product`, whose input two steps back is known."""
    linear = discover(frame, max_lag=2, functions="linear")
    new = frame.iloc[200:]
    error = (found.predict(new).mean - new.iloc[2:]).std()
    worse = (linear.predict(new).mean - new.iloc[2:]).std()
    assert error["product"] < 1.1 < worse["product"]
    assert error["hump"] < 0.9 * worse["hump"]
    ahead = found.predict(new, steps=2)
    assert np.isfinite(ahead.mean.to_numpy()).all()
    assert (ahead.sd.to_numpy() > 0).all()
    assert ahead.future.shape == (2, 5)
    residual = (new.loc[ahead.mean.index] - ahead.mean) / ahead.sd
    assert (residual.std() - 1).abs().max() < 0.2
    pd.testing.assert_frame_equal(found.predict(new, steps=2).mean, ahead.mean)


def test_written_and_read_again(found, frame, tmp_path):
    learner = CausalDiscovery(2)
    stored = learner.fit(frame, folder=tmp_path).result_
    (tmp_path / "config.yaml").write_text("name: test\n")
    write_results(tmp_path, stored, metrics(stored, None))
    (tmp_path / DONE).write_text(json.dumps({"schema": SCHEMA, "settled": stored.settled}))
    back = load(tmp_path)
    pd.testing.assert_frame_equal(back.edges, found.edges, check_exact=True)
    pd.testing.assert_frame_equal(back.interactions, found.interactions, check_exact=True)
    pd.testing.assert_frame_equal(back.predict(frame, 2).sd, found.predict(frame, 2).sd, check_exact=True)
    again = learner.fit(frame, folder=tmp_path).result_
    pd.testing.assert_frame_equal(again.edges, found.edges, check_exact=True)


def test_linear_data_get_lines_only():
    for seed in range(3):
        frame = SparseVAR(nodes=6, steps=150, max_lag=2).load(seed).frame
        automatic, linear = (discover(frame, max_lag=2, functions=functions) for functions in ("auto", "linear"))
        pd.testing.assert_frame_equal(automatic.scores, linear.scores, check_exact=True)


def test_a_flow_is_found_whatever_lags_are_offered():
    """Lorenz-96: with three lags offered, every series keeps to the first, where the effects are."""
    task = Lorenz96(nodes=6, steps=300).load(0)
    assert task.truth is not None
    table = discover(task.frame, max_lag=3).compare(task.truth)
    assert table.loc["summary", "auroc"] > 0.99
    assert table.loc["summary", "f1"] > 0.93


def test_constraints_reach_products_and_curves(frame):
    bound = discover(
        frame, max_lag=2, forbidden=[("gate", "product"), ("drive", "hump", 1)], required=[("line", "hump")]
    )
    pairs = set(zip(bound.edges["cause"], bound.edges["effect"], bound.edges["lag"], strict=True))
    assert not {("gate", "product", 1), ("gate", "product", 2), ("drive", "hump", 1)} & pairs
    assert {("line", "hump", 1), ("line", "hump", 2)} & pairs
    assert bound.summary.loc["gate", "product"] == -np.inf
    assert bound.summary_probability.loc["gate", "product"] == 0.0


@pytest.mark.parametrize("settings", [{"functions": "curved"}, {"functions": "linear", "probabilities": False}])
def test_what_is_required_is_certain_without_chains_too(frame, settings):
    required = [("line", "hump"), ("gate", "hump", 2)]
    bound = discover(frame, max_lag=2, required=required, **settings)
    assert bound.summary_probability.loc["line", "hump"] == 1.0
    assert bound.summary_probability.loc["gate", "hump"] == 1.0
    assert (bound.summary_probability.to_numpy() < 1).any()


def test_what_is_offered_is_priced_as_the_search_prices_it(frame):
    """Beside no lines exactly; beside lines, where the search bars the curves of present lines, at least as high."""
    values, names = frame.to_numpy(), tuple(frame.columns)
    table = CurvedTerms.fitted(names, 2, values)
    curved, linear = LaggedNetwork.bare(names, 2, terms=table), LaggedNetwork.bare(names, 2)
    edges = [AddEdge(Edge("gate", "line", lag=1)), AddEdge(Edge("line", "hump", lag=2))]
    for lines in ([], edges):
        before, after = (network.edited(lines, key=KEY) for network in (linear, curved))
        _, signals = after.epoch(after.prepare(values), key=KEY)
        expected = np.asarray(signals.gains.add)[:, table.layout.lines :].max(axis=1)
        offered = dictionary._best_beside(before, curved, table, values)
        bare = [name not in {edge.edge.target for edge in lines} for name in names]
        np.testing.assert_allclose(offered[bare], expected[bare], atol=1e-8)
        assert (offered >= expected - 1e-8).all()


def test_checking_searches_nothing(frame, monkeypatch):
    def searched(*_, **__):
        raise AssertionError

    monkeypatch.setattr(dictionary, "searched", searched)
    CausalDiscovery(2).check(frame)
    with pytest.raises(AssertionError):
        CausalDiscovery(2).fit(frame)


def test_wrong_settings_are_named():
    generator = np.random.default_rng(0)
    with pytest.raises(ConfigError, match="functions='cubic'"):
        discover(generator.normal(size=(100, 3)), functions="cubic")
    with pytest.raises(ConfigError, match=r"functions='curved' with 150 series"):
        discover(generator.normal(size=(100, 150)), functions="curved")
    assert isinstance(
        CausalDiscovery(1, functions="curved").starting(generator.normal(size=(100, 3)))[1].terms, CurvedTerms
    )
