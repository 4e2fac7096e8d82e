import math
from typing import Any

import matplotlib as mpl
import networkx as nx
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Circle, PathPatch

from sostruct.reports import draw_evidence, draw_found, draw_graph, draw_surprise, draw_truth
from sostruct.reports.canvas import inline_svg, png, svg
from sostruct.reports.evidence_figure import bounds, steps, strongest_of_blocks
from sostruct.reports.graph_ink import line_width
from sostruct.reports.links import compare
from sostruct.reports.palette import DARK, LIGHT
from sostruct.reports.selection import MOST_LINKS, MOST_NODES, select
from sostruct.reports.surprise_figure import totals
from sostruct.reports.tables import RunTables
from sostruct.reports.typography import compact, shorten


def random_graph(size: int, seed: int = 0, links: float = 2.0) -> nx.MultiDiGraph:
    rng = np.random.default_rng(seed)
    graph = nx.MultiDiGraph()
    graph.add_nodes_from(f"x{place}" for place in range(size))
    for source, target in rng.integers(size, size=(int(links * size), 2)):
        lag = int(rng.integers(1, 4))
        notes = {"nats": float(rng.exponential(20)), "weight": float(rng.normal()), "weight_sd": 0.1}
        graph.add_edge(f"x{source}", f"x{target}", key=lag, lag=lag, **notes)
    return graph


def shapes(figure: Figure, kind: type) -> list[Any]:
    return [patch for ax in figure.axes for patch in ax.patches if isinstance(patch, kind)]


@pytest.mark.parametrize("size", [2, 3, 10, 25, 40, 60, 200])
def test_graphs_of_any_size_are_drawn(size: int) -> None:
    figure = draw_graph(random_graph(size, 1), random_graph(size, 2))
    assert len(figure.axes) == 2
    assert svg(figure).count("<title>") > size / 5


def test_every_link_is_an_arrow_in_the_color_of_its_verdict() -> None:
    found, true = nx.MultiDiGraph(), nx.MultiDiGraph()
    for graph, edges in ((found, "ab bc cc"), (true, "ab cd cc")):
        graph.add_nodes_from("abcd")
        graph.add_edges_from((pair[0], pair[1], {"lag": 1, "nats": 5.0}) for pair in edges.split())
    figure = draw_graph(found, true)
    per_panel = [
        sorted(to_hex(patch.get_edgecolor()) for patch in ax.patches if isinstance(patch, PathPatch))
        for ax in figure.axes
    ]
    assert per_panel[0] == sorted([LIGHT["blue"], LIGHT["vermilion"]])
    assert per_panel[1] == sorted([LIGHT["blue"], LIGHT["amber"]])
    borders = [to_hex(disc.get_edgecolor()) for disc in figure.axes[0].patches if isinstance(disc, Circle)]
    assert borders.count(LIGHT["blue"]) == 1
    assert borders.count(LIGHT["hair"]) == 3


def test_without_a_truth_color_is_the_sign_of_the_weight() -> None:
    graph = nx.MultiDiGraph()
    graph.add_edge("a", "b", lag=1, weight=0.5, nats=3.0)
    graph.add_edge("b", "a", lag=1, weight=-0.5, nats=3.0)
    colors = {to_hex(patch.get_edgecolor()) for patch in shapes(draw_graph(graph), PathPatch)}
    assert colors == {LIGHT["blue"], LIGHT["vermilion"]}


def test_width_grows_with_evidence() -> None:
    widths = [line_width(nats) for nats in (-3.0, 0.0, 1.0, 10.0, 1000.0)]
    assert widths[0] == widths[1]
    assert widths[1:] == sorted(set(widths[1:]))
    assert line_width(math.nan) > 0


def test_a_large_graph_is_reduced_to_a_connected_part() -> None:
    graph = random_graph(1000)
    chosen = select(compare(graph, random_graph(1000, 1)))
    assert len(chosen.order) == MOST_NODES
    assert sum(not link.own_past for link in chosen.found) <= MOST_LINKS
    assert "of 1,000 variables" in chosen.note
    part = nx.Graph((link.source, link.target) for link in (*chosen.found, *chosen.true))
    assert nx.is_connected(part)
    strongest = next(link for link in compare(graph).found.values() if not link.own_past)
    assert {strongest.source, strongest.target} <= set(chosen.order)
    assert draw_graph(graph)


def test_a_small_graph_is_shown_whole() -> None:
    assert select(compare(random_graph(30))).note == ""


@pytest.mark.parametrize("mark", ["directed", "undirected", "bidirected"])
def test_marks_have_their_heads(mark: str) -> None:
    graph = nx.MultiDiGraph()
    graph.add_edge("a", "b", lag=0, mark=mark)
    heads = [patch for patch in draw_graph(graph).axes[0].patches if type(patch).__name__ == "Polygon"]
    assert len(heads) == {"directed": 1, "undirected": 0, "bidirected": 2}[mark]


def test_drawing_on_given_axes_makes_no_figure_of_its_own(tables: RunTables) -> None:
    for draw in (
        lambda ax: draw_graph(tables.graph, tables.truth, ax),
        lambda ax: draw_truth(tables.truth or tables.graph, tables.graph, ax),
        lambda ax: draw_evidence(tables.summary, tables.truth, ax),
        lambda ax: draw_surprise(tables.signals, tables.journal, ax),
    ):
        figure = Figure()
        assert draw(figure.add_subplot()) is figure
        assert draw(figure.subfigures().add_subplot()) is figure


def test_steps_are_symmetric_and_half_decades() -> None:
    nats = np.array([[0.0, 0.9, 1.0, 5.0, 10.0, 299.0, 300.0, 2e3, np.nan]])
    level = steps(nats, bounds(nats))
    assert level.tolist() == [[0, 0, 1, 2, 3, 5, 6, 6, 0]]
    assert (steps(-nats, bounds(nats)) == -level).all()
    assert steps(np.array([[5e4, 50.0]]), bounds(np.array([[5e4]]))).tolist() == [[5, 2]]


def test_blocks_keep_their_strongest_pair() -> None:
    nats = np.full((5, 5), -4.0)
    nats[4, 1], nats[0, 0] = 7.0, np.nan
    pooled = strongest_of_blocks(nats, 2)
    assert pooled.shape == (3, 3)
    assert pooled[2, 0] == 7.0
    assert (pooled == -4.0).sum() == 8
    assert np.isnan(strongest_of_blocks(np.full((2, 2), np.nan), 2)).all()


@pytest.mark.parametrize("size", [1, 2, 13, 14, 45, 60, 61, 200])
def test_evidence_of_any_size_is_drawn(size: int) -> None:
    names = [f"x{place}" for place in range(size)]
    nats = np.random.default_rng(size).normal(-3, 20, (size, size))
    nats[0, 0] = np.nan
    figure = draw_evidence(pd.DataFrame(nats, names, names), random_graph(size))
    assert len(svg(figure)) < 400_000


def test_cells_say_their_nats() -> None:
    text = svg(draw_evidence(pd.DataFrame([[12.3, -4.56], [2000.0, np.nan]], ["a", "b"], ["a", "b"])))
    for number in (">12<", ">\N{MINUS SIGN}4.6<", ">2.0k<", "<title>a → b\n-4.56 nats</title>"):
        assert number in text


def test_surprise_is_summed_over_nodes_and_reducible_never_negative() -> None:
    signals = pd.DataFrame(
        {
            "epoch": [0, 0, 1, 1],
            "node": ["a", "b", "a", "b"],
            "surprise": [10.0, 20.0, 9.0, 15.0],
            "expected": [9.0, 19.0, 9.0, 15.0],
            "reducible": [5.0, -3.0, -1.0, -2.0],
        }
    )
    frame = totals(signals)
    assert frame["surprise"].tolist() == [30.0, 24.0]
    assert frame["reducible"].tolist() == [5.0, 0.0]


@pytest.mark.parametrize("epochs", [0, 1, 5, 100])
def test_surprise_of_any_length_is_drawn(epochs: int) -> None:
    signals = pd.DataFrame(
        [(epoch, "a", 100.0 / (epoch + 1), 50.0, 10.0) for epoch in range(epochs)],
        columns=["epoch", "node", "surprise", "expected", "reducible"],
    )
    kinds = ["add", "prune", "rewire", "tune"]
    journal = pd.DataFrame(
        [(epoch, kind, True) for epoch in range(epochs) for kind in kinds[: 1 + epoch % 4]],
        columns=["epoch", "kind", "accepted"],
    ).astype({"epoch": "int64", "accepted": "bool"})
    assert svg(draw_surprise(signals, journal))


def test_only_accepted_edits_are_marked_and_by_kind() -> None:
    signals = pd.DataFrame({"epoch": [0], "node": ["a"], "surprise": [1.0], "expected": [1.0], "reducible": [0.0]})
    rows = [(0, "add", True), (0, "add", True), (0, "add", False), (0, "prune", True), (0, "rewire", False)]
    text = svg(draw_surprise(signals, pd.DataFrame(rows, columns=["epoch", "kind", "accepted"])))
    assert "added (2)" in text
    assert "pruned (1)" in text
    assert "rewired" not in text


@pytest.mark.parametrize("known", [True, False])
def test_found_is_one_figure(tables: RunTables, known: bool) -> None:
    figure = draw_found(tables.graph, tables.summary, tables.truth if known else None)
    assert len(figure.axes) == (3 if known else 2)
    assert png(figure, 40).startswith(b"\x89PNG")


def test_figures_are_the_same_bytes_every_time(tables: RunTables) -> None:
    for make in (svg, png):
        assert make(draw_graph(tables.graph, tables.truth)) == make(draw_graph(tables.graph, tables.truth))  # type: ignore[operator]


def test_the_users_matplotlib_settings_are_neither_used_nor_changed(tables: RunTables) -> None:
    plain = svg(draw_found(tables.graph, tables.summary))
    with mpl.rc_context({"font.size": 30.0, "svg.fonttype": "path", "axes.facecolor": "red"}):
        before = dict(mpl.rcParams)
        assert svg(draw_found(tables.graph, tables.summary)) == plain
        assert dict(mpl.rcParams) == before


def test_inline_drawings_follow_the_mode_and_share_a_page(tables: RunTables) -> None:
    one, two = (inline_svg(draw_graph(tables.graph), prefix, "a graph") for prefix in ("one", "two"))
    assert not [color for color in LIGHT.values() if f": {color}" in one]
    assert "var(--ink)" in one
    assert 'id="one-' in one
    assert 'id="one-' not in two
    assert LIGHT.keys() == DARK.keys()
    assert len(set(LIGHT.values())) == len(LIGHT)


def test_names_with_markup_and_formulas_are_text() -> None:
    graph = nx.MultiDiGraph()
    for name in ("<b>\"&'", "$x^2$", "#0072b2", "a\x01b", 'id="'):
        graph.add_edge(name, "y", lag=1, nats=4.0)
    text = inline_svg(draw_graph(graph), "g", "a graph")
    for shown in ("&lt;b&gt;\"&amp;'<", ">$x^2$<", ">#0072b2<", ">ab<", '>id="<'):
        assert shown in text
    assert "<b>" not in text


def test_long_names_keep_what_tells_them_apart() -> None:
    names = [f"station_{place:02d}_mean_temperature_at_noon" for place in range(30)]
    assert len({shorten(name) for name in names}) == 30
    assert max(len(shorten(name)) for name in names) <= 18
    assert shorten("wages & salaries", wrap=True) == "wages &\nsalaries"


def test_compact_numbers_are_short() -> None:
    values = (0.04, -3.21, 9.96, -87.2, 999.6, -12345.0)
    assert [compact(value) for value in values] == [
        "0.0",
        "\N{MINUS SIGN}3.2",
        "10",
        "\N{MINUS SIGN}87",
        "1.0k",
        "\N{MINUS SIGN}12k",
    ]
