"""Series drawn from a belief network's own generative model, in plain numpy.

One step, parents before children, dt = 1:

    state   x_a = lam x_a + rho + sum_b w g(x_b) + N(0, exp(om + sum_c kap x_c))
    input   u   = sum_b w g(x_b) + N(0, 1 / precision + [exp(sum_c kap x_c) with volatility parents])
    binary  u   ~ Bernoulli(sigmoid(sum_b w g(x_b)))

A volatile node has one more volatility parent of its own; a constant is 1. States start at N(mean, 1 / precision).
"""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

FUNCTIONS = {"identity": lambda x: x, "tanh": np.tanh}
DEFAULTS = {"mean": 0.0, "precision": 1.0, "tonic_volatility": -4.0, "tonic_drift": 0.0, "autoconnection": 1.0}


def draw(graph: nx.MultiDiGraph, inputs: tuple[str, ...], subjects: int, steps: int, seed: int) -> NDArray[np.float64]:
    """Series [subject, time, input]; every subject is an independent draw, states and all."""
    random = np.random.default_rng(seed)
    order = list(nx.topological_sort(graph))
    state: dict[str, NDArray[np.float64]] = {}
    inner: dict[str, NDArray[np.float64]] = {}
    for name in order:
        node = _full(graph.nodes[name])
        if name in inputs:
            state[name] = np.zeros(subjects)
        elif node["kind"] == "constant":
            state[name] = np.ones(subjects)
        else:
            state[name] = _normal(random, subjects, node["mean"], 1.0 / node["precision"])
        if node["kind"] == "volatile":
            inner[name] = _normal(random, subjects, node["volatility_mean"], 1.0 / node["volatility_precision"])
    series = np.empty((subjects, steps, len(inputs)))
    for step in range(steps):
        for name in order:
            node = _full(graph.nodes[name])
            if node["kind"] == "constant":
                continue
            value, volatility = np.zeros(subjects), np.zeros(subjects)
            moved = node["kind"] == "volatile"
            if moved:
                inner[name] = _walk(random, node, inner[name], 0.0, 0.0, "volatility_")
                volatility = volatility + inner[name]
            for parent, _, edge in graph.in_edges(name, data=True):
                strength = edge.get("strength", 1.0)
                if edge.get("coupling", "value") == "volatility":
                    volatility, moved = volatility + strength * state[parent], True
                else:
                    value = value + strength * FUNCTIONS[edge.get("function", "identity")](state[parent])
            if name not in inputs:
                state[name] = _walk(random, node, state[name], value, volatility)
            elif node["kind"] == "binary":
                state[name] = (random.random(subjects) < 1.0 / (1.0 + np.exp(-value))).astype(np.float64)
            else:
                noise = 1.0 / node["precision"] + (np.exp(volatility) if moved else 0.0)
                state[name] = _normal(random, subjects, value, noise)
        series[:, step] = np.stack([state[name] for name in inputs], 1)
    return series


def _full(node: dict[str, Any]) -> dict[str, Any]:
    inside = {f"volatility_{name}": value for name, value in DEFAULTS.items()} if node["kind"] == "volatile" else {}
    return {**DEFAULTS, **inside, **node}


def _normal(random: np.random.Generator, count: int, mean: Any, variance: Any) -> NDArray[np.float64]:
    return np.asarray(mean + np.sqrt(variance) * random.normal(size=count))


def _walk(
    random: np.random.Generator,
    node: dict[str, Any],
    before: NDArray[np.float64],
    value: Any,
    volatility: Any,
    prefix: str = "",
) -> NDArray[np.float64]:
    mean = node[prefix + "autoconnection"] * before + node[prefix + "tonic_drift"] + value
    return _normal(random, len(before), mean, np.exp(node[prefix + "tonic_volatility"] + volatility))
