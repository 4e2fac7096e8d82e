"""The belief networks and series that are timed, drawn from seeds, as plain JSON that every program can read.

A graph here is `{"nodes": [...], "edges": [...]}` in the project's node-link schema. Names sort in such an order that
inputs come first (`i000`, then `s000`, ...), so that columns mean the same to everybody.

Random trees are what the comparison needs them to be: every state predicts its children by one kind of coupling (a
parent with both kinds, precise inputs and an eHGF update overshoots and diverges, in the equations themselves), states
return to zero (autoconnection .8), and strengths are 1, which is all the Rust backend of pyhgf takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Graph = dict[str, list[dict[str, Any]]]

SIX = (
    ("n0", "precision"),
    ("n1", "mean"),
    ("n1", "tonic_volatility"),
    ("n2", "mean"),
    ("n2", "tonic_volatility"),
    ("n2", "n1", "strength"),
)
"""The six parameters of the three-level filter that are varied and differentiated."""

SIX_VALUES = (1e4, 1.04, -13.0, 1.0, -2.0, 1.0)


def three_level(values: Sequence[float] = SIX_VALUES) -> Graph:
    """An input, its value parent, and the value parent's volatility parent; `values` are those of `SIX`."""
    precision, mean, volatility, upper_mean, upper_volatility, strength = values
    return {
        "nodes": [
            {"id": "n0", "kind": "continuous", "precision": precision},
            {"id": "n1", "kind": "continuous", "mean": mean, "precision": 1e4, "tonic_volatility": volatility},
            {"id": "n2", "kind": "continuous", "mean": upper_mean, "precision": 10.0}
            | {"tonic_volatility": upper_volatility},
        ],
        "edges": [
            {"source": "n1", "target": "n0", "coupling": "value", "strength": 1.0},
            {"source": "n2", "target": "n1", "coupling": "volatility", "strength": strength},
        ],
    }


def exchange_rate(steps: int, seed: int = 0) -> np.ndarray:
    """A random walk around 1 whose step size itself drifts and returns, observed with little noise [time, 1]."""
    generator = np.random.default_rng(seed)
    drift, log_step = generator.normal(size=steps), np.zeros(steps)
    for step in range(1, steps):
        log_step[step] = 0.99 * log_step[step - 1] + 0.1 * drift[step]
    moves = 0.0025 * np.exp(0.5 * log_step) * generator.normal(size=steps)
    walk = np.zeros(steps)
    for step in range(1, steps):
        walk[step] = 0.999 * walk[step - 1] + moves[step]
    return (1.04 + walk + 0.01 * generator.normal(size=steps))[:, None]


def parameter_sets(count: int, seed: int = 0) -> np.ndarray:
    """Values of `SIX` near their defaults [set, parameter]."""
    scale = np.array([500.0, 0.01, 0.3, 0.1, 0.3, 0.05])
    return np.asarray(SIX_VALUES) + scale * np.random.default_rng(seed).normal(size=(count, len(SIX)))


def tree(size: int, seed: int = 0) -> Graph:
    """A random tree of `size` nodes: states under random earlier states, an input under every childless state."""
    generator = np.random.default_rng([size, seed])
    parent: list[int | None] = [None]
    childless = {0}
    while len(parent) + len(childless) < size:
        room = size - len(parent) - len(childless)
        choice = int(generator.integers(len(parent)))
        if room == 1 and choice not in childless:  # another childless state would be one node too many
            choice = int(generator.choice(sorted(childless)))
        childless = (childless - {choice}) | {len(parent)}
        parent.append(choice)
    height = [0] * len(parent)
    for state in range(len(parent) - 1, 0, -1):  # children have higher numbers than their parents
        above = parent[state]
        assert above is not None
        height[above] = max(height[above], height[state] + 1)
    by_value = generator.random(len(parent)) < 0.7
    by_volatility = {state for state, tall in enumerate(height) if tall > 1 or (tall == 1 and not by_value[state])}

    nodes = [{"id": f"i{index:03d}", "kind": "continuous", "precision": 10.0} for index in range(len(childless))]
    nodes += [
        {"id": f"s{index:03d}", "kind": "continuous", "autoconnection": 0.8}
        | {"tonic_volatility": -6.0 if index in by_volatility else -3.0, "precision": 10.0}
        for index in range(len(parent))
    ]
    edges = [
        {"source": f"s{above:03d}", "target": f"s{index:03d}", "strength": 1.0}
        | {"coupling": "volatility" if above in by_volatility else "value"}
        for index, above in enumerate(parent)
        if above is not None
    ]
    edges += [
        {"source": f"s{state:03d}", "target": f"i{index:03d}", "strength": 1.0, "coupling": "value"}
        for index, state in enumerate(sorted(childless))
    ]
    return {"nodes": nodes, "edges": edges}


def leaves(graph: Graph) -> list[str]:
    """Names of the nodes without children, sorted: the inputs in column order."""
    parents = {edge["source"] for edge in graph["edges"]}
    return sorted(node["id"] for node in graph["nodes"] if node["id"] not in parents)


def smooth(steps: int, inputs: int, seed: int = 0) -> np.ndarray:
    """Series that return slowly to zero, with noise [time, input]."""
    generator = np.random.default_rng(seed)
    series = np.zeros((steps, inputs))
    moves = 0.2 * generator.normal(size=(steps, inputs))
    for step in range(1, steps):
        series[step] = 0.9 * series[step - 1] + moves[step]
    return series + 0.3 * generator.normal(size=(steps, inputs))


def networkx_graph(graph: Graph) -> Any:
    """The same as networkx, which is what the library takes."""
    import networkx as nx

    found = nx.MultiDiGraph()
    for node in graph["nodes"]:
        found.add_node(node["id"], **{key: value for key, value in node.items() if key != "id"})
    for edge in graph["edges"]:
        found.add_edge(
            edge["source"], edge["target"], **{k: v for k, v in edge.items() if k not in ("source", "target")}
        )
    return found
