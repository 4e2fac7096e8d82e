"""Graphs to start from, and populations that are born into one, as edits."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count, pairwise

from sostruct.graph import AbstractEdit, AddEdge, AddNode, Edge, Node, Topology, apply
from sostruct.networks.layered.plan import DENSE, INPUT, OUTPUTS


def feedforward(
    columns: int, hidden: Sequence[int], output: str, units: int, *, function: str = "tanh", skip: bool = False
) -> Topology:
    """One dense population after the other between one input and the output.

    Args:
        columns: width of the input "x".
        hidden: widths of the dense populations "hidden_1", "hidden_2", ...; none for a linear network.
        output: kind of the output "y".
        units: its width.
        function: what units send.
        skip: whether the input also feeds the output.
    """
    names = ["x", *(f"hidden_{place}" for place in range(1, len(hidden) + 1)), "y"]
    kinds, widths = [INPUT, *([DENSE] * len(hidden)), output], [columns, *hidden, units]
    nodes = [Node(name, kind, {"width": float(wide)}) for name, kind, wide in zip(names, kinds, widths, strict=True)]
    edges = [
        Edge(source, target, function="identity" if source == "x" else function) for source, target in pairwise(names)
    ]
    if skip and hidden:
        edges.append(Edge("x", "y"))
    return Topology(tuple(nodes), tuple(edges))


def birth(
    topology: Topology, width: int, *, function: str = "tanh", cascade: bool = False, name: str | None = None
) -> tuple[AbstractEdit, ...]:
    """A new dense population between all inputs and the output.

    Args:
        topology: the graph it enters.
        width: its units.
        function: what they send.
        cascade: whether each also sends to the units after it.
        name: the first free one of hidden_1, hidden_2, ... when None.
    """
    name = next(one for number in count(1) if (one := f"hidden_{number}") not in topology) if name is None else name
    inputs = [node.name for node in topology.nodes if node.kind == INPUT]
    output = next(node.name for node in topology.nodes if node.kind in OUTPUTS)
    edges = [Edge(source, name) for source in inputs]
    edges += [Edge(name, name, lag=1, function=function)] if cascade else []
    edges.append(Edge(name, output, function=function))
    edits = (AddNode(name, DENSE, {"width": float(width)}), *(AddEdge(edge) for edge in edges))
    apply(topology, edits)
    return edits
