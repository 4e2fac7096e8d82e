"""Scores against a truth: scikit-learn, set arithmetic and networkx say what they should be."""

from __future__ import annotations

import math

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sostruct.discovery.scores import agreement, compare
from sostruct.errors import DataError

metrics = pytest.importorskip("sklearn.metrics")

# few distinct values, so that ties are the rule; -inf is the price of a forbidden edge
PRICES = st.sampled_from([-math.inf, -700.0, -3.5, -1e-9, 0.0, 1e-9, 2.0, 2.0 + 1e-12, 1e6]) | st.floats(-5, 5)
CANDIDATES = st.lists(st.tuples(st.booleans(), st.booleans(), PRICES), min_size=1, max_size=40)


def scored(candidates):
    truth, decided, nats = (list(column) for column in zip(*candidates, strict=True))
    return np.array(truth), np.array(decided), np.array(nats)


@given(CANDIDATES)
@settings(max_examples=150)
def test_rankings_are_scikit_learns(candidates):
    truth, decided, nats = scored(candidates)
    assume(truth.any() and not truth.all())
    ranks = np.unique(nats, return_inverse=True)[1]  # scikit-learn refuses infinite scores; ranks keep order and ties
    view = agreement(truth, decided, nats)
    assert view.auroc == pytest.approx(metrics.roc_auc_score(truth, ranks), abs=1e-12)
    assert view.auprc == pytest.approx(metrics.average_precision_score(truth, ranks), abs=1e-12)


@given(CANDIDATES)
@settings(max_examples=100)
def test_auroc_is_the_chance_that_a_true_edge_outranks_a_false_one(candidates):
    truth, decided, nats = scored(candidates)
    assume(truth.any() and not truth.all())
    duels = [(right > wrong) + (right == wrong) / 2 for right in nats[truth] for wrong in nats[~truth]]
    assert agreement(truth, decided, nats).auroc == pytest.approx(np.mean(duels), abs=1e-12)


@given(CANDIDATES)
@settings(max_examples=100)
def test_decisions_are_set_arithmetic(candidates):
    truth, decided, nats = scored(candidates)
    view = agreement(truth, decided, nats)
    true, found = set(np.flatnonzero(truth)), set(np.flatnonzero(decided))
    both = len(true & found)
    assert view.edges == len(true)
    assert view.shd == len(true ^ found)
    assert view.precision == (both / len(found) if found else 0.0)
    assert view.recall == (both / len(true) if true else 0.0)
    if true | found:
        assert view.f1 == pytest.approx(2 * both / (len(true) + len(found)))
        assert view.f1 == pytest.approx(metrics.f1_score(truth, decided, zero_division=0.0))
    else:
        assert view.f1 == 0.0


@pytest.mark.parametrize("truth", [[True, True], [False, False]])
def test_a_ranking_without_both_kinds_is_undefined(truth):
    view = agreement(np.array(truth), np.array([True, False]), np.array([1.0, 0.0]))
    assert math.isnan(view.auroc)
    assert math.isnan(view.auprc)


NAMES = ("a", "b", "c")


def tables(rng, max_lag):
    """Made-up results over NAMES: scores, edges and summary as a discovery has them, with unsorted rows."""
    rows = [(cause, effect, lag) for cause in NAMES for effect in NAMES for lag in range(1, max_lag + 1)]
    scores = pd.DataFrame(rows, columns=["cause", "effect", "lag"])
    scores["nats"] = rng.integers(-3, 4, len(rows)).astype(float)
    scores.loc[rng.random(len(rows)) < 0.2, "nats"] = -math.inf
    edges = scores[rng.random(len(rows)) < 0.4]
    summary = pd.DataFrame(rng.integers(-3, 4, (3, 3)).astype(float), index=NAMES, columns=NAMES)
    return (table.sample(frac=1, random_state=int(rng.integers(2**31))) for table in (scores, edges, summary))


def random_truth(rng, max_lag):
    graph = nx.MultiDiGraph()
    graph.add_nodes_from(rng.permutation(NAMES).tolist())
    for cause in NAMES:
        for effect in NAMES:
            for lag in range(1, max_lag + 1):
                if rng.random() < 0.3:
                    graph.add_edge(cause, effect, lag=lag)
    return graph


@pytest.mark.parametrize("seed", range(20))
def test_both_views_leave_the_diagonal_out(seed):
    rng = np.random.default_rng(seed)
    scores, edges, summary = tables(rng, 2)
    truth = random_truth(rng, 2)
    table = compare(scores, edges, summary, truth)
    assert list(table.index) == ["summary", "lag_by_lag"]

    pairs = [(cause, effect) for cause in NAMES for effect in NAMES if cause != effect]
    found = nx.DiGraph(zip(edges["cause"], edges["effect"], strict=True))
    expected = agreement(
        np.array([truth.has_edge(*pair) for pair in pairs]),
        np.array([found.has_edge(*pair) for pair in pairs]),
        np.array([summary.loc[pair] for pair in pairs]),
    )
    one, other = ({edge[:2] for edge in graph.edges if edge[0] != edge[1]} for graph in (truth, found))
    assert table.loc["summary", "shd"] == len(one ^ other)
    assert dict(table.loc["summary"]) == pytest.approx(vars(expected), nan_ok=True)

    lagged = scores[scores["cause"] != scores["effect"]]
    keys = list(zip(lagged["cause"], lagged["effect"], lagged["lag"], strict=True))
    true = {(cause, effect, lag) for cause, effect, lag in truth.edges(data="lag")}
    chosen = set(zip(edges["cause"], edges["effect"], edges["lag"], strict=True))
    expected = agreement(
        np.array([key in true for key in keys]), np.array([key in chosen for key in keys]), lagged["nats"].to_numpy()
    )
    assert dict(table.loc["lag_by_lag"]) == pytest.approx(vars(expected), nan_ok=True)


def perfect(*edges, max_lag=2):
    """Results that hold exactly these edges, with a nat for each and -1 for every other candidate."""
    rows = [(cause, effect, lag) for cause in NAMES for effect in NAMES for lag in range(1, max_lag + 1)]
    scores = pd.DataFrame(rows, columns=["cause", "effect", "lag"])
    scores["nats"] = [1.0 if row in edges else -1.0 for row in rows]
    pairs = {edge[:2] for edge in edges}
    summary = pd.DataFrame([[1.0 if (a, b) in pairs else -1.0 for b in NAMES] for a in NAMES], NAMES, NAMES)
    return scores, scores[scores["nats"] > 0], summary


def graph_of(*edges):
    graph = nx.MultiDiGraph()
    graph.add_nodes_from(NAMES)
    graph.add_edges_from((cause, effect, {"lag": lag}) for cause, effect, lag in edges)
    return graph


def test_the_truth_itself_scores_full_marks():
    edges = (("a", "b", 1), ("a", "b", 2), ("c", "a", 2), ("b", "b", 1))
    table = compare(*perfect(*edges), graph_of(*edges))
    assert (table[["auroc", "auprc", "precision", "recall", "f1"]] == 1.0).all(axis=None)
    assert list(table["shd"]) == [0, 0]
    assert list(table["edges"]) == [2, 3]


def test_a_reversed_edge_counts_twice_and_a_wrong_lag_in_one_view_only():
    table = compare(*perfect(("a", "b", 1)), graph_of(("b", "a", 1)))
    assert list(table["shd"]) == [2, 2]
    table = compare(*perfect(("a", "b", 1)), graph_of(("a", "b", 2)))
    assert list(table["shd"]) == [0, 2]


def test_true_lags_beyond_the_largest_are_missed_in_the_summary_alone():
    edges = (("a", "b", 1),)
    table = compare(*perfect(*edges), graph_of(*edges, ("c", "b", 7)))
    assert dict(table["edges"]) == {"summary": 2, "lag_by_lag": 1}
    assert dict(table["shd"]) == {"summary": 1, "lag_by_lag": 0}
    table = compare(*perfect(*edges), graph_of(("a", "b", 7)))
    assert table.loc["summary", "f1"] == 1.0
    assert table.loc["lag_by_lag", "recall"] == 0.0


def test_a_truth_without_lags_is_lag_one():
    table = compare(*perfect(("a", "b", 1)), nx.DiGraph([("a", "b")]))
    assert list(table["f1"]) == [1.0, 1.0]


def test_nothing_found():
    scores, edges, summary = perfect(("a", "b", 1))
    table = compare(scores, edges.iloc[:0], summary, graph_of(("a", "b", 1), ("b", "c", 2)))
    assert list(table["f1"]) == [0.0, 0.0]
    assert list(table["shd"]) == [2, 2]


def test_a_node_the_data_do_not_have_is_named():
    truth = graph_of(("a", "b", 1))
    truth.add_node("zebra")
    with pytest.raises(DataError, match=r"zebra.*a, b, c"):
        compare(*perfect(("a", "b", 1)), truth)
