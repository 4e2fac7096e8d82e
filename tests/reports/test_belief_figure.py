"""The drawing of a belief network: nothing overlaps, nothing that stays moves, edges run as they should."""

from __future__ import annotations

from itertools import combinations

import networkx as nx
import numpy as np
import pytest
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Polygon

from sostruct.errors import GraphError
from sostruct.graph import Edge, Node, Topology
from sostruct.graph.layering import leaves
from sostruct.reports import draw_beliefs
from sostruct.reports.belief_figure import described, strength_label
from sostruct.reports.belief_layout import label_place, lay_out, union
from sostruct.reports.canvas import part, svg
from sostruct.reports.palette import LIGHT
from sostruct.reports.typography import with_spread

from .beliefs import bare, history


def layout_of(*graphs: Topology, lines: int = 1):
    whole = union(graphs)
    details = dict.fromkeys(whole.topology.names, ("0.00 ± 0.10",) * lines)
    return whole, lay_out(whole, leaves(graphs[0]), details)


def test_the_union_has_every_node_and_edge_and_no_cycle() -> None:
    journal = history()
    graphs = [graph for _, graph in journal.graphs()]
    whole = union(graphs)
    assert set(whole.topology.names) == {name for graph in graphs for name in graph.names}
    assert {edge.key for edge in whole.edges} == {edge.key for graph in graphs for edge in graph.edges}
    assert [edge.key for edge in whole.against] == [("price_state", "rate_state", "value", 0)], (
        "the last graph is right"
    )
    assert whole.topology.node("price_state") == journal.final.node("price_state")
    assert union([]).topology == Topology()


def test_boxes_are_apart_and_parents_above() -> None:
    whole, layout = layout_of(*(graph for _, graph in history().graphs()))
    for one, other in combinations(layout.boxes.values(), 2):
        beside = abs(one.x - other.x) >= (one.width + other.width) / 2
        above = abs(one.y - other.y) >= (one.height + other.height) / 2
        assert beside or above
    for edge in whole.topology.edges:
        assert layout.boxes[edge.source].y > layout.boxes[edge.target].y
    assert {layout.boxes[name].y for name in ("price", "rate")} == {min(box.y for box in layout.boxes.values())}
    for box in layout.boxes.values():
        assert 0 <= box.x - box.width / 2 <= box.x + box.width / 2 <= layout.width
        assert 0 <= box.y - box.height / 2 <= box.y + box.height / 2 <= layout.height


def test_edges_start_and_end_at_the_sides_of_their_boxes() -> None:
    whole, layout = layout_of(*(graph for _, graph in history().graphs()))
    assert len(whole.against) == 1
    for edge in whole.edges:
        path, source, target = layout.paths[edge.key], layout.boxes[edge.source], layout.boxes[edge.target]
        sign = 1 if edge in whole.against else -1
        assert path[0][1] == pytest.approx(source.y + sign * source.height / 2)
        assert path[-1][1] == pytest.approx(target.y - sign * target.height / 2)
        assert abs(path[0][0] - source.x) <= source.width / 2
        assert abs(path[-1][0] - target.x) <= target.width / 2
    tips = [tuple(path[-1]) for path in layout.paths.values()]
    assert len(set(tips)) == len(tips), "no two arrows end at one place"


def test_value_and_volatility_couplings_differ_in_line_head_and_color() -> None:
    figure = draw_beliefs(history().replay(2))
    lines = [line for line in figure.axes[0].lines if line.get_gid()]
    assert sorted((line.get_linestyle(), line.get_color()) for line in lines) == sorted(
        [("-", LIGHT["ink"])] * 3 + [("--", LIGHT["vermilion"])]
    )
    heads = [patch for patch in figure.axes[0].patches if isinstance(patch, Polygon) and patch.get_gid()]
    hollow = [head for head in heads if np.allclose(head.get_facecolor(), (1, 1, 1, 1))]
    assert (len(heads), len(hollow)) == (4, 1)


def test_inputs_are_square_and_tinted() -> None:
    figure = draw_beliefs(bare())
    boxes = [patch for patch in figure.axes[0].patches if isinstance(patch, FancyBboxPatch)]
    styles = sorted(type(box.get_boxstyle()).__name__ for box in boxes)
    assert styles == ["Round", "Round", "Square", "Square"]
    named = draw_beliefs(bare(), inputs=("price",))
    styles = sorted(
        type(box.get_boxstyle()).__name__ for box in named.axes[0].patches if isinstance(box, FancyBboxPatch)
    )
    assert styles == ["Round", "Round", "Round", "Square"]


@pytest.mark.parametrize("size", [0, 1, 40])
def test_networks_of_any_size_are_drawn(size: int) -> None:
    names = tuple(f"s{number}" for number in range(size))
    graph = bare(names)
    shared = [Edge("all", f"{name}_state") for name in names[:10]]
    graph = Topology((*graph.nodes, Node("all", "volatile"), Node("one", "constant")), (*graph.edges, *shared))
    figure = draw_beliefs(graph.graph)
    assert svg(figure).count("<title>") == 2 * len(graph.edges) + graph.size + 1
    assert max(figure.get_size_inches()) < 22
    assert svg(figure) == svg(draw_beliefs(graph))


def test_nothing_at_all_is_drawn() -> None:
    assert not [line for line in draw_beliefs(Topology()).axes[0].get_children() if isinstance(line, Line2D)]
    with pytest.raises(GraphError, match="'kind'"):
        draw_beliefs(nx.MultiDiGraph([("a", "b")]))


def test_names_are_shown_as_they_are_spelled() -> None:
    text = svg(draw_beliefs(bare(("$M_2$", "<b>&"))))
    assert "$M_2$" in text
    assert "&lt;b&gt;&amp;" in text


def test_what_boxes_and_edges_say() -> None:
    state = Node("x", "continuous", {"tonic_volatility": -2.5, "autoconnection": 0.95})
    assert described(state, observed=False) == ("ω \N{MINUS SIGN}2.5  λ 0.95",)
    assert described(Node("x", "continuous"), observed=False) == ("ω \N{MINUS SIGN}4",)
    assert described(Node("x", "continuous", {"precision": 4.0}), observed=True) == ("noise 0.5",)
    assert described(Node("x", "constant"), observed=False) == ("1",)
    assert described(Node("x", "binary"), observed=True) == ("binary",)
    assert strength_label(Edge("a", "b")) == ""
    assert strength_label(Edge("a", "b", strength=-0.5, function="tanh")) == "\N{MINUS SIGN}0.5 tanh"


def test_a_label_stands_where_there_is_room() -> None:
    path = np.stack([np.linspace(0, 100, 41), np.zeros(41)], axis=1)
    assert label_place(path, []).tolist() == pytest.approx([50, 0], abs=3)
    crossing = np.stack([np.full(9, 50.0), np.linspace(-20, 20, 9)], axis=1)
    assert abs(label_place(path, [crossing])[0] - 50) > 15


def test_a_part_is_found_by_number_and_role() -> None:
    figure = draw_beliefs(bare())
    figure.axes[0].lines[0].set_gid(part(12, "line", 'a "b"\n<c>'))
    figure.axes[0].lines[1].set_gid(part(3, "halo"))
    text = svg(figure)
    assert '<g data-part="12" data-role="line"><title>a "b"\n&lt;c&gt;</title>' in text
    assert '<g data-part="3" data-role="halo">\n' in text


@pytest.mark.parametrize(
    ("mean", "spread", "shown"),
    [
        (1.04123, 0.00312, "1.0412 ± 0.0031"),
        (-0.001, 0.5, "0.00 ± 0.50"),
        (-12.34, 9.87, "\N{MINUS SIGN}12.3 ± 9.9"),
        (1.0, 0.0, "1 ± 0"),
        (123456.0, 2.0, "1.23e+05 ± 2"),
    ],
)
def test_beliefs_have_two_digits_of_their_spread(mean: float, spread: float, shown: str) -> None:
    assert with_spread(mean, spread) == shown
