"""Formats of other packages against arrays written by hand, whose meaning their documentation states."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pandas as pd
import pytest

import sostruct as ss
from sostruct.discovery.converters.causal_learn import to_causal_learn
from sostruct.discovery.converters.lingam import to_lingam
from sostruct.discovery.converters.tigramite import to_tigramite
from sostruct.discovery.result import COLUMNS
from sostruct.errors import DataError
from sostruct.graph import Topology

NAMES = ["a", "b", "c"]
EDGES = [
    ("a", "a", 1, 0.5, "directed"),
    ("a", "b", 2, -0.7, "directed"),
    ("b", "c", 0, 0.4, "directed"),
    ("a", "c", 0, 0.3, "undirected"),
]


def table(rows):
    frame = pd.DataFrame(
        [(cause, effect, lag, weight, 0.1, 9.0, 0.98, "line", mark) for cause, effect, lag, weight, mark in rows],
        columns=list(COLUMNS),
    )
    return frame.astype({"lag": np.int64})


def content(graph):
    """Edges as a set; those without a direction in alphabetical order."""
    found = set()
    for cause, effect, data in graph.edges(data=True):
        ends = (cause, effect) if data["mark"] == "directed" else tuple(sorted((cause, effect)))
        found.add((*ends, data["lag"], data["mark"]))
    return found


def wanted(rows):
    return {(*((row[0], row[1]) if row[4] == "directed" else tuple(sorted(row[:2]))), row[2], row[4]) for row in rows}


def marks(entries, size=3, lags=3):
    graph = np.full((size, size, lags), "", dtype="<U3")
    for place, mark in entries.items():
        graph[place] = mark
    return graph


def test_tigramite_written() -> None:
    """`graph[i, j, tau]` is a link from i at t - tau to j at t; within the step, the mirrored mark at [j, i, 0]."""
    results = to_tigramite(table(EDGES), table(EDGES), NAMES, 2, 102.0)
    expected = {(0, 0, 1): "-->", (0, 1, 2): "-->", (1, 2, 0): "-->", (2, 1, 0): "<--"}
    expected |= {(0, 2, 0): "o-o", (2, 0, 0): "o-o"}
    np.testing.assert_array_equal(results["graph"], marks(expected))
    assert results["val_matrix"][0, 1, 2] == pytest.approx(-0.7 / np.sqrt(0.49 + 100 * 0.01))
    assert results["val_matrix"][0, 2, 0] == results["val_matrix"][2, 0, 0] == 0.3
    assert results["p_matrix"][0, 1, 2] == pytest.approx(0.02)
    assert results["p_matrix"][2, 2, 1] == 1.0


def test_tigramite_read() -> None:
    entries = {(0, 0, 1): "-->", (0, 1, 2): "-->", (2, 1, 0): "<--", (1, 2, 0): "-->", (0, 2, 0): "o-o"}
    results = {"graph": marks(entries | {(2, 0, 0): "o-o"}), "val_matrix": np.full((3, 3, 3), 0.25)}
    graph = ss.from_tigramite(results, NAMES)
    assert content(graph) == wanted(EDGES)
    assert all(data["weight"] == 0.25 for _, _, data in graph.edges(data=True))
    assert Topology.from_networkx(graph).names == tuple(NAMES)


@pytest.mark.parametrize(
    ("mark", "mirrored", "lag", "expected"),
    [
        ("x-x", "x-x", 0, ("a", "b", "undirected")),
        ("<->", "<->", 0, ("a", "b", "bidirected")),
        ("<--", "-->", 0, ("b", "a", "directed")),
        ("o->", "<-o", 0, ("a", "b", "directed")),
        ("<->", "", 1, ("a", "b", "bidirected")),
        ("o->", "", 1, ("a", "b", "directed")),
        ("o-o", "", 1, ("a", "b", "directed")),
    ],
)
def test_arrowheads_are_what_counts(mark, mirrored, lag, expected) -> None:
    entries = {(0, 1, lag): mark} | ({(1, 0, 0): mirrored} if lag == 0 else {})
    graph = ss.from_tigramite({"graph": marks(entries)}, NAMES)
    assert [(cause, effect, data["mark"]) for cause, effect, data in graph.edges(data=True)] == [expected]


def test_lingam_written_and_read() -> None:
    """`adjacency_matrices_[tau, effect, cause]`: x(t) = sum B_tau x(t - tau) + e(t)."""
    with pytest.warns(UserWarning, match="a and c"):
        matrices = to_lingam(table(EDGES), NAMES, 2)
    expected = np.zeros((3, 3, 3))
    expected[1, 0, 0], expected[2, 1, 0], expected[0, 2, 1] = 0.5, -0.7, 0.4
    np.testing.assert_array_equal(matrices, expected)
    graph = ss.from_lingam(expected, NAMES)
    assert content(graph) == wanted(EDGES[:3])
    assert graph.edges["a", "b", "value:2"]["weight"] == -0.7
    np.testing.assert_array_equal(ss.from_lingam(expected, NAMES).nodes, NAMES)


def test_the_model_of_lingam_is_the_one_that_is_simulated(found, frame) -> None:
    """x(t) = B_1 x(t-1) + ... reproduces the one-step predictions, levels apart."""
    matrices = found.to_lingam()
    values = frame.to_numpy()
    steps = [values[3 - lag : len(values) - lag] @ matrices[lag].T for lag in range(1, 4)]
    ahead = found.predict(frame).mean.to_numpy()
    np.testing.assert_allclose(np.diff(sum(steps), axis=0), np.diff(ahead, axis=0), atol=1e-9)


def test_causal_learn_written_and_read() -> None:
    """[i, j] is the end at i: -1 a tail, 1 an arrowhead."""
    out = to_causal_learn(table(EDGES), NAMES, 2)
    assert out.names[:4] == ("a(t)", "b(t)", "c(t)", "a(t-1)")
    place = {name: number for number, name in enumerate(out.names)}

    def ends(one, other):
        return out.matrix[place[one], place[other]], out.matrix[place[other], place[one]]

    assert ends("a(t-1)", "a(t)") == ends("a(t-2)", "b(t)") == ends("b(t)", "c(t)") == (-1, 1)
    assert ends("a(t)", "c(t)") == (-1, -1)
    assert np.count_nonzero(out.matrix) == 8
    assert content(ss.from_causal_learn(out.matrix, out.names)) == wanted(EDGES)


@pytest.mark.parametrize(
    "names", [["a", "b", "a(t-1)", "b(t-1)"], ["a", "b", "a_t-1", "b_t-1"], ["a", "b", "a_lag1", "b_lag1"]]
)
def test_causal_learn_by_hand(names) -> None:
    matrix = np.zeros((4, 4), int)
    matrix[2, 1], matrix[1, 2] = -1, 1  # a(t-1) -> b
    matrix[2, 0], matrix[0, 2] = 2, 1  # a(t-1) o-> a
    matrix[0, 1] = matrix[1, 0] = 1  # a <-> b
    matrix[2, 3], matrix[3, 2] = 1, 1  # between columns of the past
    matrix[3, 1] = matrix[1, 3] = -1  # b(t-1) - b: time says which way
    graph = ss.from_causal_learn(matrix, names)
    assert content(graph) == {
        ("a", "b", 1, "directed"),
        ("a", "a", 1, "directed"),
        ("a", "b", 0, "bidirected"),
        ("b", "b", 1, "directed"),
    }


def test_found_graphs_survive_the_journey(found) -> None:
    names, expected = list(found.summary.columns), content(found.graph)
    endpoint = found.to_causal_learn()
    for graph in (
        ss.from_tigramite(found.to_tigramite(), names),
        ss.from_lingam(found.to_lingam(), names),
        ss.from_causal_learn(endpoint.matrix, endpoint.names),
    ):
        assert content(graph) == expected
        agreement = found.compare(graph)
        assert (agreement["f1"] == 1.0).all()
        assert (agreement["shd"] == 0).all()
        difference = ss.compare(found, graph)
        assert (difference.shared, difference.only_first, difference.only_second) == (len(expected), 0, 0)
        assert np.isnan(difference.expected_distance)
        assert difference.edges["probability_2"].isna().all()


def test_values_of_tigramite_are_partial_correlations(found, frame) -> None:
    """Of an edge of the graph: residuals of effect and cause on the other parents of the effect."""
    results, values, names = found.to_tigramite(), frame.to_numpy(), list(frame.columns)
    for row in found.edges.itertuples():
        others = found.edges[(found.edges["effect"] == row.effect)]
        columns = {
            (one.cause, one.lag): values[3 - one.lag : len(values) - one.lag, names.index(one.cause)]
            for one in others.itertuples()
        }
        own = columns.pop((row.cause, row.lag))
        design = np.column_stack([np.ones(len(own)), *columns.values()])
        left = [
            series - design @ np.linalg.lstsq(design, series, rcond=None)[0]
            for series in (own, values[3:, names.index(row.effect)])
        ]
        expected = np.corrcoef(*left)[0, 1]
        place = names.index(row.cause), names.index(row.effect), row.lag
        assert results["val_matrix"][place] == pytest.approx(expected, abs=0.01)
        assert results["p_matrix"][place] == pytest.approx(1 - row.probability)


def test_graphs_of_two_methods_compare_without_a_discovery() -> None:
    one = ss.from_lingam([np.zeros((2, 2)), [[0.5, 0.0], [0.3, 0.0]]], ["a", "b"])
    other = ss.from_tigramite({"graph": marks({(0, 0, 1): "-->", (1, 0, 1): "-->"}, 2, 2)}, ["b", "a"])
    difference = ss.compare(one, other)
    assert (difference.shared, difference.only_first, difference.only_second) == (1, 1, 1)
    assert difference.summary_distance == 0
    with pytest.raises(DataError, match="'c'"):
        ss.compare(one, nx.MultiDiGraph([("a", "c")]))


@pytest.mark.parametrize(
    ("read", "named"),
    [
        (lambda: ss.from_tigramite({"p_matrix": 1}, NAMES), "no 'graph'"),
        (lambda: ss.from_tigramite(np.zeros((3, 3, 2)), NAMES), "no 'graph'"),
        (lambda: ss.from_tigramite({"graph": np.zeros((3, 3, 2))}, NAMES), "float64"),
        (lambda: ss.from_tigramite({"graph": marks({}, 2)}, NAMES), "3 names"),
        (lambda: ss.from_tigramite({"graph": marks({})}, ["a", "b", "a"]), "'a'"),
        (lambda: ss.from_tigramite({"graph": marks({(0, 1, 1): "<--"})}, NAMES), "a <-- b at lag 1.*past"),
        (lambda: ss.from_tigramite({"graph": marks({(0, 1, 0): "-->"})}, NAMES), "the other way"),
        (lambda: ss.from_tigramite({"graph": marks({}), "val_matrix": np.zeros(3)}, NAMES), "val_matrix"),
        (lambda: ss.from_lingam(np.zeros((3, 3)), NAMES), r"\(3, 3\)"),
        (lambda: ss.from_lingam(np.full((1, 3, 3), np.nan), NAMES), "not finite"),
        (lambda: ss.from_lingam([np.eye(3)], NAMES), "a acts on itself"),
        (lambda: ss.from_lingam(np.zeros((1, 3, 3)), ["a"]), "1 names"),
        (lambda: ss.from_causal_learn(np.zeros((2, 3)), NAMES), r"\(2, 3\)"),
        (lambda: ss.from_causal_learn(np.zeros((2, 2)), ["a"]), "1 names"),
        (lambda: ss.from_causal_learn(np.zeros((2, 2)), ["a", "a(t)"]), "one series at one lag"),
        (lambda: ss.from_causal_learn([[0, 5], [4, 0]], ["a", "b"]), "5 and 4"),
        (lambda: ss.from_causal_learn([[0, -1], [1, 0]], ["a", "a(t-1)"]), "points to the past"),
    ],
)
def test_what_cannot_be_read_is_named(read, named) -> None:
    with pytest.raises(DataError, match=named):
        read()
