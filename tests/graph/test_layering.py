"""Layers: every parent above its children, boxes of one row apart, inputs at the bottom."""

from __future__ import annotations

from itertools import pairwise

import pytest

from sostruct.graph import Edge, Node, Topology
from sostruct.graph.layering import layers, leaves, levels_of


def network(*edges: str, constant: tuple[str, ...] = ()) -> Topology:
    names = sorted({end for edge in edges for end in edge.split(">")} | set(constant))
    nodes = tuple(Node(name, "constant" if name in constant else "continuous") for name in names)
    return Topology(nodes, tuple(Edge(*edge.split(">")) for edge in edges))


def test_inputs_are_the_leaves_that_are_no_constants() -> None:
    assert leaves(network("s>x", "t>x", "t>y", "v>s", constant=("one",))) == ("x", "y")
    assert leaves(Topology()) == ()


def test_a_parent_is_one_level_above_its_highest_child() -> None:
    graph = network("s>x", "v>s", "v>x", "w>v", "t>y")
    assert levels_of(graph, ("x", "y")) == {"x": 0, "y": 0, "s": 1, "t": 1, "v": 2, "w": 3}


def test_boxes_of_a_row_are_apart_by_the_gap_and_long_edges_bend() -> None:
    graph = network("a>x", "b>x", "c>y", "d>a", "d>y", "e>y")
    width = {name: 30.0 + 4 * place for place, name in enumerate(graph.names)}
    found = layers(graph, ("x", "y"), width, 20.0)
    for level in range(3):
        row = sorted((found.center[name], name) for name in graph.names if found.level[name] == level)
        for (left, one), (right, other) in pairwise(row):
            assert right - left >= (width[one] + width[other]) / 2 + 20.0 - 1e-9
    assert {link for link, bends in found.bends.items() if bends} == {("d", "y")}
    assert min(found.center[name] - width[name] / 2 for name in graph.names) >= -1e-9
    assert max(found.center[name] + width[name] / 2 for name in graph.names) == pytest.approx(found.width, abs=60)
