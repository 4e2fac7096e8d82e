"""How far the nodes of a belief graph move: variances of steps and of states, in closed form.

Design note. These are what makes numbers of different graphs comparable: a noise is large or small beside the step of
the state it hides, a drift beside the step of its child. They are exact where parents are independent autoregressions
of order one, and otherwise treat them as such.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import networkx as nx

from sostruct.graph import Topology
from sostruct.tasks.belief import parameter, parents_first


def stationary_variances(graph: nx.MultiDiGraph | Topology) -> dict[str, float]:
    """Variance of every hidden node in the long run, infinite where there is none.

        Var x = (E[Omega] + sum_b w_b^2 Var b (1 + lam lam_b) / (1 - lam lam_b)) / (1 - lam^2)
        E[Omega] = exp(om + sum_c kap_c E[c] + sum_c kap_c^2 Var c / 2)

    for value parents b and volatility parents c that are independent of each other, b autoregressions.

    Args:
        graph: a belief graph; a node without children is an input and has no entry.
    """
    topology = graph if isinstance(graph, Topology) else Topology.from_networkx(graph)
    variances: dict[str, float] = {}
    for name in parents_first(topology):
        node = topology.node(name)
        if not topology.children(name):
            continue
        if node.kind != "continuous":
            variances[name] = 0.0
            continue
        lam = parameter(node, "autoconnection")
        if abs(lam) >= 1.0:
            variances[name] = math.inf
            continue
        total = expected_step_variance(topology, name, variances)
        for edge in topology.parents(name):
            if edge.coupling == "value" and edge.strength and variances[edge.source]:
                product = lam * _autoconnection(topology, edge.source)
                total += edge.strength**2 * variances[edge.source] * (1.0 + product) / (1.0 - product)
        variances[name] = total / (1.0 - lam**2)
    return variances


def expected_step_variance(topology: Topology, name: str, variances: Mapping[str, float]) -> float:
    """E[Omega] of a state: the variance of its own noise, averaged over its volatility parents.

    Args:
        topology: a belief graph.
        name: a hidden continuous node.
        variances: of its parents at least, see `stationary_variances`.
    """
    exponent = parameter(topology.node(name), "tonic_volatility")
    for edge in topology.parents(name):
        if edge.coupling == "volatility" and edge.strength:
            exponent += edge.strength * _mean(topology, edge.source)
            exponent += 0.5 * edge.strength**2 * variances[edge.source]
    return math.exp(exponent) if exponent < 700.0 else math.inf


def marginal_step_variance(topology: Topology, name: str, variances: Mapping[str, float]) -> float:
    """Variance of a state given its last value alone: E[Omega] + sum_b w_b^2 Var b.

    Args:
        topology: a belief graph.
        name: a hidden continuous node.
        variances: of its parents at least, see `stationary_variances`.
    """
    parents = [edge for edge in topology.parents(name) if edge.coupling == "value" and edge.strength]
    return expected_step_variance(topology, name, variances) + sum(
        edge.strength**2 * variances[edge.source] for edge in parents
    )


def _autoconnection(topology: Topology, name: str) -> float:
    node = topology.node(name)
    return parameter(node, "autoconnection") if node.kind == "continuous" else 0.0


def _mean(topology: Topology, name: str) -> float:
    """Long-run mean of a node by its own drift."""
    node = topology.node(name)
    if node.kind != "continuous":
        return 1.0
    lam = parameter(node, "autoconnection")
    return parameter(node, "tonic_drift") / (1.0 - lam) if abs(lam) < 1.0 else parameter(node, "mean")
