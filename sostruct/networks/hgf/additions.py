"""Random growth of a belief network: one coupling per target, uniform over all that keep the graph acyclic."""

from __future__ import annotations

import numpy as np

from sostruct.graph import AddEdge, Edge, Topology
from sostruct.graph.schema import COUPLINGS
from sostruct.networks.base import Candidate
from sostruct.networks.hgf.admission import can_have_parent


def draw(topology: Topology, inputs: tuple[str, ...], generator: np.random.Generator) -> list[Candidate]:
    """A value or volatility coupling for every node that can take one, from a state that is no descendant of it.

    The draw is uniform over the absent couplings of the target; strengths are the default. Targets are in the order of
    their names, and a node that can take no coupling is left out.
    """
    descendants = _descendants(topology)
    names = np.array(topology.names)
    state = np.array([name not in inputs for name in topology.names])
    found = []
    for target in topology.names:
        possible = state & ~descendants[target]
        couplings = [coupling for coupling in COUPLINGS if can_have_parent(topology, target, coupling)]
        free = [
            (str(source), coupling)
            for coupling in couplings
            for source in names[possible]
            if not topology.has_edge((str(source), target, coupling, 0))
        ]
        if free:
            source, coupling = free[generator.integers(len(free))]
            found.append(Candidate(target, AddEdge(Edge(source, target, coupling)), float("nan")))
    return found


def _descendants(topology: Topology) -> dict[str, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Every node's descendants, itself among them, as masks over the sorted names."""
    number = {name: position for position, name in enumerate(topology.names)}
    found: dict[str, np.ndarray[tuple[int], np.dtype[np.bool_]]] = {}
    for name in reversed(topology.order):
        mask = np.zeros(len(number), np.bool_)
        mask[number[name]] = True
        for edge in topology.children(name):
            mask |= found[edge.target]
        found[name] = mask
    return found
