"""What a result says, against regressions written out by hand, and that it does not depend on units."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp

from sostruct.discovery.estimator import discover
from sostruct.errors import ConfigError
from sostruct.graph import Topology
from sostruct.graph.schema import ANNOTATIONS

from .conftest import MAX_LAG
from .regressions import Regression, parents

COLUMNS = ["cause", "effect", "lag", "weight", "weight_sd", "nats", "probability", "function", "mark"]


@pytest.fixture(scope="module")
def constrained(frame):
    """With a forbidden edge that would be in the graph, one that would not, and required edges of both forms."""
    return discover(
        frame,
        max_lag=MAX_LAG,
        forbidden=[("x0", "x0", 1), ("x3", "x4")],
        required=[("x1", "x2", 3), ("x4", "x2")],
    )


def test_the_system_is_worth_testing_on(found):
    assert found.settled
    assert 8 <= len(found.edges) <= 20
    assert (found.edges["lag"] > 1).any()
    assert len({entry.accepted for entry in found.journal}) == 2


def test_tables_have_exactly_these_columns_and_types(found):
    for table in (found.edges, found.scores):
        assert list(table.columns) == COLUMNS
        assert list(map(str, table.dtypes)) == ["object", "object", "int64"] + 4 * ["float64"] + 2 * ["object"]
        assert {type(name) for column in ("cause", "effect") for name in table[column]} == {str}
        assert list(table.index) == list(range(len(table)))
    assert list(found.summary.index) == list(found.summary.columns) == ["x0", "x1", "x2", "x3", "x4"]
    assert (found.summary.index.name, found.summary.columns.name) == ("cause", "effect")


def test_an_empty_graph_has_the_same_tables(frame):
    names = list(frame.columns)
    nothing = discover(frame, max_lag=MAX_LAG, forbidden=[(cause, effect) for cause in names for effect in names])
    assert len(nothing.edges) == 0
    assert list(map(str, nothing.edges.dtypes)) == ["object", "object", "int64"] + 4 * ["float64"] + 2 * ["object"]
    assert list(nothing.graph.nodes) == names
    assert nothing.graph.number_of_edges() == 0
    assert (nothing.summary == -np.inf).all(axis=None)
    assert (nothing.scores["probability"] == 0.0).all()
    np.testing.assert_allclose(nothing.predict(frame).mean, np.tile(frame.iloc[MAX_LAG:].mean(), (len(frame) - 3, 1)))


def test_scores_hold_every_candidate_once_in_order(found):
    names = list(found.summary.columns)
    expected = [(cause, effect, lag) for cause in names for effect in names for lag in range(1, MAX_LAG + 1)]
    assert list(zip(found.scores["cause"], found.scores["effect"], found.scores["lag"], strict=True)) == expected


def test_edges_are_the_scores_of_the_graph_best_first(found):
    assert found.edges["nats"].is_monotonic_decreasing
    merged = found.edges.merge(found.scores, on=COLUMNS)
    assert len(merged) == len(found.edges), "an edge is not among the scores, value for value"


def test_the_graph_holds_the_edges(found):
    edges = {(row.cause, row.effect, row.lag): row for row in found.edges.itertuples()}
    graph = found.graph
    assert len(edges) == graph.number_of_edges()
    for cause, effect, key, attributes in graph.edges(keys=True, data=True):
        row = edges[cause, effect, attributes["lag"]]
        assert key == f"value:{row.lag}"
        assert attributes["coupling"] == "value"
        assert attributes["strength"] == attributes["weight"] == row.weight
        for name in ("weight_sd", "nats", "probability"):
            assert attributes[name] == getattr(row, name)
        assert all(type(value) in (str, int, float) for value in attributes.values())


def test_the_graph_follows_the_schema(found):
    topology = Topology.from_networkx(found.graph)
    assert Topology.from_networkx(topology.to_networkx()) == topology
    assert Topology.from_json(topology.to_json()) == topology
    assert topology.names == tuple(found.summary.columns)
    for name, attributes in found.graph.nodes(data=True):
        assert attributes.keys() <= {"kind"} | ANNOTATIONS["node"], name
    for edge in found.graph.edges(data=True):
        assert edge[2].keys() >= ANNOTATIONS["edge"]


def test_the_journal_ends_with_the_graph(found):
    final = {(edge.source, edge.target, edge.lag) for edge in found.journal.final.edges}
    assert final == {(cause, effect, lag) for cause, effect, lag in found.graph.edges(data="lag")}


def test_posteriors_are_those_of_a_regression_on_the_parents(found, frame):
    values = frame.to_numpy()
    scores = found.scores.set_index(["cause", "effect", "lag"])
    names = list(frame.columns)
    for target, effect in enumerate(names):
        terms = parents(found, effect)
        regression = Regression(values, target, terms, MAX_LAG)
        rows = [scores.loc[(names[cause], effect, lag)] for cause, lag in terms]
        np.testing.assert_allclose([row["weight"] for row in rows], regression.weight, rtol=1e-9)
        np.testing.assert_allclose([row["weight_sd"] for row in rows], regression.weight_sd, rtol=1e-9)
        node = found.graph.nodes[effect]
        assert node["intercept"] == pytest.approx(regression.intercept, rel=1e-9)
        assert node["noise_sd"] == pytest.approx(regression.noise_sd, rel=1e-9)


def test_an_absent_edge_shows_the_posterior_it_would_have(found, frame):
    values, names = frame.to_numpy(), list(frame.columns)
    for row in found.scores.itertuples():
        terms, term = parents(found, row.effect), (names.index(row.cause), row.lag)
        if term in terms:
            continue
        regression = Regression(values, names.index(row.effect), [*terms, term], MAX_LAG)
        assert row.weight == pytest.approx(regression.weight[-1], rel=1e-8)
        assert row.weight_sd == pytest.approx(regression.weight_sd[-1], rel=1e-8)


def test_nats_are_differences_of_evidence(found, frame):
    """Of every candidate: evidence with the edge minus evidence without, the rest of the graph as found."""
    values, names = frame.to_numpy(), list(frame.columns)
    for row in found.scores.itertuples():
        target, term = names.index(row.effect), (names.index(row.cause), row.lag)
        others = [other for other in parents(found, row.effect) if other != term]
        without, within = (Regression(values, target, terms, MAX_LAG) for terms in (others, [*others, term]))
        assert row.nats == pytest.approx(within.evidence - without.evidence, abs=1e-8)


def test_no_single_edit_raises_the_evidence(found):
    """A settled graph: every edge in it is worth having, no other one is."""
    chosen = found.scores.merge(found.edges[COLUMNS[:3]], how="left", indicator=True)["_merge"] == "both"
    assert (found.scores["nats"][chosen] > 0).all()
    assert (found.scores["nats"][~chosen] <= 1e-6).all()


def test_the_summary_is_the_evidence_for_all_lags_together(found, frame):
    values, names = frame.to_numpy(), list(frame.columns)
    scores = found.scores.set_index(["cause", "effect", "lag"])["nats"]
    for effect in names:
        terms = parents(found, effect)
        full = Regression(values, names.index(effect), terms, MAX_LAG).evidence
        for number, cause in enumerate(names):
            others = [term for term in terms if term[0] != number]
            if len(others) < len(terms):
                expected = full - Regression(values, names.index(effect), others, MAX_LAG).evidence
                assert found.summary.loc[cause, effect] > 0
            else:
                expected = logsumexp(scores.loc[cause, effect].to_numpy())
            assert found.summary.loc[cause, effect] == pytest.approx(expected, abs=1e-8)


def test_a_cause_of_several_lags_is_one_summary_edge():
    """One series drives another at two lags; both are in the graph, and the summary prices them together."""
    values = np.random.default_rng(3).standard_normal((300, 5))
    values[2:, 0] += 0.5 * values[1:-1, 1] - 0.5 * values[:-2, 1]
    both = discover(pd.DataFrame(values, columns=["effect", "driver", "c", "d", "e"]), max_lag=MAX_LAG)
    lags = both.edges[(both.edges["cause"] == "driver") & (both.edges["effect"] == "effect")]
    assert set(lags["lag"]) == {1, 2}
    assert both.summary.loc["driver", "effect"] > lags["nats"].max()


def test_units_do_not_matter(found, frame):
    """A column in other units and with another zero: the same graph at the same price, weights in the new units."""
    factor, shift = 1000.0, 12345.0
    changed = discover(frame.assign(x2=frame["x2"] * factor + shift), max_lag=MAX_LAG)
    keys = ["cause", "effect", "lag"]
    assert set(map(tuple, changed.edges[keys].to_numpy())) == set(map(tuple, found.edges[keys].to_numpy()))
    np.testing.assert_allclose(changed.scores["nats"], found.scores["nats"], atol=1e-8)
    np.testing.assert_allclose(changed.scores["probability"], found.scores["probability"], atol=1e-6)
    np.testing.assert_allclose(changed.summary, found.summary, atol=1e-8)
    effect = np.where(found.scores["effect"] == "x2", factor, 1.0)
    cause = np.where(found.scores["cause"] == "x2", factor, 1.0)
    np.testing.assert_allclose(changed.scores["weight"], found.scores["weight"] * effect / cause, rtol=1e-7)
    np.testing.assert_allclose(changed.scores["weight_sd"], found.scores["weight_sd"] * effect / cause, rtol=1e-9)
    sd = dict(found.graph.nodes(data="noise_sd"))
    for name, value in changed.graph.nodes(data="noise_sd"):
        assert value == pytest.approx(sd[name] * (factor if name == "x2" else 1.0), rel=1e-9)


def test_predictions_move_with_the_units(found, frame):
    changed = discover(frame.assign(x2=frame["x2"] * 1000 + 12345), max_lag=MAX_LAG)
    before = found.predict(frame).mean
    after = changed.predict(frame.assign(x2=frame["x2"] * 1000 + 12345)).mean
    np.testing.assert_allclose(after["x2"], before["x2"] * 1000 + 12345, rtol=1e-7)
    np.testing.assert_allclose(after.drop(columns="x2"), before.drop(columns="x2"), atol=1e-7)


def test_forbidden_and_required_edges_are_certain(constrained):
    scores = constrained.scores.set_index(["cause", "effect", "lag"])
    for edge in (("x0", "x0", 1), ("x3", "x4", 1), ("x3", "x4", 2), ("x3", "x4", 3)):
        assert scores.loc[edge, "nats"] == -np.inf
        assert scores.loc[edge, "probability"] == 0.0
        assert np.isfinite(scores.loc[edge, ["weight", "weight_sd"]].astype(float)).all()
    assert constrained.summary.loc["x3", "x4"] == -np.inf
    assert constrained.summary_probability.loc["x3", "x4"] == 0.0
    assert constrained.summary_probability.loc["x1", "x2"] == 1.0
    assert constrained.summary_probability.loc["x4", "x2"] == 1.0
    assert np.isfinite(constrained.summary.loc["x0", "x0"])
    assert scores.loc[("x1", "x2", 3), "probability"] == 1.0
    assert np.isfinite(scores.loc[("x1", "x2", 3), "nats"])
    others = scores.drop([("x1", "x2", 3)])
    assert (others["probability"] < 1).any()
    assert not scores.isna().any(axis=None)


def test_a_required_edge_keeps_its_own_evidence(constrained, frame):
    """Required, not believed: its nats say what the data think of it."""
    names, values = list(frame.columns), frame.to_numpy()
    terms = parents(constrained, "x2")
    assert (1, 3) in terms
    others = [term for term in terms if term != (1, 3)]
    expected = Regression(values, names.index("x2"), terms, MAX_LAG).evidence
    expected -= Regression(values, names.index("x2"), others, MAX_LAG).evidence
    row = constrained.scores[(constrained.scores[["cause", "effect", "lag"]] == ["x1", "x2", 3]).all(axis=1)]
    assert row["nats"].item() == pytest.approx(expected, abs=1e-8)


def test_a_pair_is_at_least_as_probable_as_its_best_lag(found):
    best = found.scores.groupby(["cause", "effect"])["probability"].max().unstack()
    assert (found.summary_probability >= best - 1e-9).all(axis=None)
    assert (found.summary_probability <= 1 + 1e-12).all(axis=None)


def test_without_averages_probabilities_are_given_the_graph(frame):
    plain = discover(frame, max_lag=MAX_LAG, probabilities=False)
    expected = 1 / (1 + np.exp(-plain.scores["nats"].clip(-700, 700)))
    np.testing.assert_allclose(plain.scores["probability"], expected, rtol=1e-12)


def test_doubt_adds_up(found):
    assert found.expected_false_edges == pytest.approx((1 - found.edges["probability"]).sum(), abs=1e-9)
    assert 0 < found.expected_false_edges < len(found.edges) / 2


@pytest.mark.parametrize("level", [0.0, 0.01, 0.1, 0.5])
def test_reported_edges_keep_their_level_and_no_larger_set_does(found, level):
    reported = found.edges_at(level)
    assert list(reported.columns) == COLUMNS
    doubt = np.sort(1 - found.scores["probability"].to_numpy())
    assert np.all(doubt[: len(reported)].sum() <= level * len(reported) + 1e-12)
    assert np.isclose(np.sum(1 - reported["probability"]), doubt[: len(reported)].sum())
    assert doubt[: len(reported) + 1].mean() > level


@pytest.mark.parametrize("level", [-0.1, 1.0, float("nan")])
def test_a_level_that_is_no_share_is_refused(found, level):
    with pytest.raises(ConfigError, match="false_discovery"):
        found.edges_at(level)


def test_agreement_is_at_hand(found, task):
    table = found.compare(task.truth)
    assert list(table.index) == ["summary", "lag_by_lag"]
    assert table.loc["summary", "f1"] >= 0.7


def test_a_result_introduces_itself(found):
    text = repr(found)
    assert f"{len(found.edges)} edges among 5 series" in text
    assert "297 rows" in text
    assert "not settled" not in text


def test_plot(found, task):
    plt = pytest.importorskip("matplotlib.pyplot")
    for truth in (None, task.truth):
        figure = found.plot(truth)
        assert figure.axes
        plt.close(figure)


@pytest.mark.parametrize(
    ("kind", "panels"), [("overview", 2), ("summary", 1), ("lags", 1), ("evidence", 1), ("noise", 5)]
)
def test_plots_of_every_kind(found, kind, panels):
    figure = found.plot(kind=kind)
    assert sum(ax.get_position().height > 0.1 for ax in figure.axes) == panels


def test_plots_of_no_kind(found):
    with pytest.raises(ConfigError, match="kind='ring'"):
        found.plot(kind="ring")
