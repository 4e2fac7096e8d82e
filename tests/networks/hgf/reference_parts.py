"""What the reference filter is made of: couplings and their derivatives, beliefs, volatile nodes, a quadrature."""

from __future__ import annotations

import math
from dataclasses import dataclass

import networkx as nx
import numpy as np
from scipy.special import expit, log_expit, logsumexp

BELIEF = {"mean": 0.0, "precision": 1.0, "tonic_volatility": -4.0, "tonic_drift": 0.0, "autoconnection": 1.0}
ABSCISSAE, WEIGHTS = np.polynomial.hermite_e.hermegauss(32)
LOG_WEIGHTS = np.log(WEIGHTS / WEIGHTS.sum())

# name -> (g, g', g'')
FUNCTIONS = {
    "identity": (lambda x: x, lambda x: 1.0, lambda x: 0.0),
    "relu": (lambda x: max(x, 0.0), lambda x: float(x > 0.0), lambda x: 0.0),
    "sigmoid": (expit, lambda x: expit(x) * expit(-x), lambda x: expit(x) * expit(-x) * (expit(-x) - expit(x))),
    "tanh": (np.tanh, lambda x: 1.0 - np.tanh(x) ** 2, lambda x: -2.0 * np.tanh(x) * (1.0 - np.tanh(x) ** 2)),
}


@dataclass(frozen=True)
class Link:
    """One coupling."""

    parent: str
    child: str
    strength: float
    function: str

    def g(self, x: float) -> float:
        return float(FUNCTIONS[self.function][0](x))

    def slope(self, x: float) -> float:
        return float(FUNCTIONS[self.function][1](x))

    def curvature(self, x: float) -> float:
        return float(FUNCTIONS[self.function][2](x))


@dataclass
class Belief:
    """What the filter knows of one node within one step."""

    mean: float
    precision: float
    expected_mean: float = 0.0
    expected_precision: float = 0.0
    conditional_precision: float = 0.0  # without the uncertainty of its value parents
    carried: float = 0.0  # the variance left over from the step before
    added: float = 0.0  # the variance that this step adds: Omega
    previous: float = 0.0  # the mean of the step before
    news: bool = False
    value_error: float = 0.0
    volatility_error: float = 0.0


def explicit(graph: nx.MultiDiGraph) -> nx.MultiDiGraph:
    """The same graph with every volatile node as a continuous node and a volatility parent of its own."""
    result = nx.MultiDiGraph(graph)
    for name, attributes in graph.nodes(data=True):
        if attributes["kind"] == "volatile":
            own = {key: attributes.get(f"volatility_{key}", default) for key, default in BELIEF.items()}
            result.add_node(f"{name}/volatility", kind="continuous", **own)
            result.add_edge(f"{name}/volatility", name, coupling="volatility", strength=1.0)
            result.nodes[name]["kind"] = "continuous"
    return result


def links(graph: nx.MultiDiGraph, coupling: str) -> list[Link]:
    """All couplings of one sort, in canonical order."""
    found = [
        Link(parent, child, data.get("strength", 1.0), data.get("function", "identity"))
        for parent, child, data in graph.edges(data=True)
        if data.get("coupling", "value") == coupling
    ]
    return sorted(found, key=lambda link: (link.parent, link.child))


def normal_surprise(error: float, variance: float) -> float:
    """-log N(error; 0, variance)."""
    return 0.5 * (math.log(2.0 * math.pi * variance) + error**2 / variance)


def binary_surprise(u: float, mean: float, variance: float) -> tuple[float, float, float]:
    """-log p(u) for u ~ Bernoulli(sigmoid(eta)), eta ~ N(mean, variance), and the mean and variance of eta given u."""
    eta = mean + math.sqrt(max(variance, 0.0)) * ABSCISSAE
    log_terms = LOG_WEIGHTS + log_expit(eta if u > 0.5 else -eta)
    log_evidence = float(logsumexp(log_terms))
    weights = np.exp(log_terms - log_evidence)
    tilted = float(weights @ eta)
    return -log_evidence, tilted, float(weights @ (eta - tilted) ** 2)
