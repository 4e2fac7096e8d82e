"""Random growth of a belief network: one coupling per target, and no two of them close a cycle together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sostruct.graph import AddEdge, Edge, Topology
from sostruct.graph.schema import COUPLINGS
from sostruct.networks.base import Candidate
from sostruct.networks.hgf.admission import takes_parent


def draw(topology: Topology, inputs: tuple[str, ...], generator: np.random.Generator) -> list[Candidate]:
    """A value or volatility coupling for every node that can take one, from a state that is no descendant of it.

    Targets are visited in random order, and each draws uniformly from the absent couplings that keep the graph acyclic
    with those drawn before it, so any of them can be made together. Strengths are the default. They come back in the
    order of their targets' names; a node that can take no coupling is left out.
    """
    names = topology.names
    number = {name: place for place, name in enumerate(names)}
    reach = _reach(topology, number)
    absent = np.zeros((len(names), len(COUPLINGS), len(names)), np.bool_)
    state = np.array([name not in inputs for name in names])
    for place, node in enumerate(topology.nodes):
        absent[place] = np.outer([takes_parent(node.kind, coupling) for coupling in COUPLINGS], state)
    for edge in topology.edges:
        absent[number[edge.target], COUPLINGS.index(edge.coupling), number[edge.source]] = False
    found: dict[str, Candidate] = {}
    for place in generator.permutation(len(names)).tolist():
        free = np.flatnonzero(absent[place] & ~reach[place])
        if free.size:
            coupling, source = divmod(int(generator.choice(free)), len(names))
            reach[reach[:, source]] |= reach[place]
            edge = Edge(names[source], names[place], COUPLINGS[coupling])
            found[edge.target] = Candidate(edge.target, AddEdge(edge), float("nan"))
    return [found[name] for name in names if name in found]


def _reach(topology: Topology, number: dict[str, int]) -> NDArray[np.bool_]:
    """Who is a descendant of whom, itself included [ancestor, descendant]."""
    reach = np.eye(len(number), dtype=np.bool_)
    for name in reversed(topology.order):
        for edge in topology.children(name):
            reach[number[name]] |= reach[number[edge.target]]
    return reach
