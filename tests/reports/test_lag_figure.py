"""The time-lag graph: every edge ends now, where its lag says it began, with the heads of its mark."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import PathPatch, Polygon

from sostruct.reports import draw_graph, draw_lags
from sostruct.reports.canvas import svg
from sostruct.reports.lag_figure import MOST_REPEATED
from sostruct.reports.links import links
from sostruct.reports.palette import LIGHT

from .test_figures import random_graph


def graph_of(*edges):
    graph = nx.MultiDiGraph()
    graph.add_nodes_from("abcd")
    for number, (cause, effect, lag, mark) in enumerate(edges):
        graph.add_edge(cause, effect, key=number, lag=lag, mark=mark, weight=0.5, nats=5.0)
    return graph


def strokes(figure, color):
    return [
        patch
        for patch in figure.axes[0].patches
        if isinstance(patch, PathPatch) and to_hex(patch.get_edgecolor()) == LIGHT[color]
    ]


def nodes(figure):
    """Places of nodes by row from the top and steps back."""
    places = figure.axes[0].lines[0].get_xydata()
    columns, rows = np.unique(places[:, 0]), np.unique(places[:, 1])[::-1]
    return columns[::-1], rows


def test_edges_go_from_their_lag_to_now() -> None:
    figure = draw_lags(graph_of(("a", "b", 2, "directed"), ("c", "b", 1, "directed"), ("d", "d", 3, "directed")))
    columns, rows = nodes(figure)
    assert (len(columns), len(rows)) == (4, 4)
    names = [text.get_text() for text in figure.axes[0].texts if text.get_text() in "abcd"][:4]
    wanted = {("a", 2, "b"), ("c", 1, "b"), ("d", 3, "d")}
    found = set()
    for patch in strokes(figure, "blue"):
        start, _, end = patch.get_path().vertices
        back = int(np.abs(columns - start[0]).argmin())
        assert np.abs(columns - end[0]).argmin() == 0
        source, target = (names[int(np.abs(rows - point[1]).argmin())] for point in (start, end))
        found.add((source, back, target))
    assert found == wanted
    earlier = strokes(figure, "hair")
    assert len(earlier) == 1 + 2 + 0


@pytest.mark.parametrize(("mark", "heads"), [("directed", 1), ("undirected", 0), ("bidirected", 2)])
def test_marks_within_the_step_are_told_apart(mark, heads) -> None:
    figure = draw_lags(graph_of(("a", "b", 0, mark), ("c", "d", 1, "directed")))
    columns, _ = nodes(figure)
    own = [patch for patch in strokes(figure, "blue") if patch.get_path().vertices[1, 0] > columns[0]]
    assert len(own) == 1
    colors = [to_hex(patch.get_facecolor()) for patch in figure.axes[0].patches if isinstance(patch, Polygon)]
    assert colors.count(LIGHT["blue"]) == heads + 1
    words = " ".join(text.get_text() for text in figure.axes[0].texts)
    assert ("of either direction" in words) == (mark == "undirected")
    assert ("hidden common cause" in words) == (mark == "bidirected")


def test_many_edges_are_not_repeated() -> None:
    assert not strokes(draw_lags(random_graph(30)), "hair")
    edges = [("a", "b", lag, "directed") for lag in range(1, MOST_REPEATED + 1)]
    assert strokes(draw_lags(graph_of(*edges)), "hair")


@pytest.mark.parametrize("size", [1, 2, 4, 13, 30, 48, 200])
def test_graphs_of_any_size_are_drawn(size) -> None:
    figure = draw_lags(random_graph(size, 1))
    assert svg(figure)
    rows = nodes(figure)[1]
    assert len(rows) == min(size, 48)
    if len(rows) > 1:
        assert np.abs(np.diff(rows)).min() > 0.25, "rows are at least a quarter of an inch apart"


def test_a_graph_without_edges_is_drawn() -> None:
    assert svg(draw_lags(graph_of()))


def test_an_arrow_of_several_marks_says_which_is_which() -> None:
    """On the ring, one arrow stands for a lagged effect and a link within the step without a direction."""
    graph = graph_of(("a", "b", 0, "undirected"), ("a", "b", 1, "directed"), ("c", "d", 0, "bidirected"))
    both, apart = links(graph)["a", "b"], links(graph)["c", "d"]
    assert (both.mark, both.lag_label) == ("directed", "0\N{EN DASH},1")
    assert (apart.mark, apart.lag_label) == ("bidirected", "")
    assert "c \N{LEFT RIGHT ARROW} d" in apart.description
    assert draw_graph(graph).axes
