"""Sampling from a belief network: the process whose filter the network is.

Design note. Parents act within a step, so a node's whole series follows from its parents' whole series: nodes are
sampled one after another, parents first, each in one pass over time. The noise is drawn step by step across nodes, so a
longer series begins with the shorter one.

A sampler does not keep a process bounded; the graph does. With |lam| < 1 in a parent its influence has a stationary
law. A random walk (lam = 1) wanders as the square root of time, which is harmless above an input and ruinous above the
log variance of another node.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import accumulate
from statistics import NormalDist

import networkx as nx
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sostruct.errors import ConfigError, GraphError
from sostruct.graph import Edge, Node, Topology
from sostruct.tasks.base import whole

_LARGEST = 300.0
"""Log variance beyond which a draw is refused: its square is near the largest number there is."""


def sample_beliefs(
    graph: nx.MultiDiGraph | Topology,
    steps: int,
    rng: np.random.Generator,
    *,
    start: Mapping[str, float] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Series drawn from a belief graph.

        x_t = lam x_(t-1) + rho + sum_b w_b b_t + N(0, exp(om + sum_c kap_c c_t))
        u_t = sum_b w_b b_t + N(0, 1 / precision + [exp(sum_c kap_c c_t) where u has volatility parents])

    with b_t and c_t the value and volatility parents in the same step. Leaves are the inputs u; a binary input is 1
    with probability sigmoid(sum_b w_b b_t), and a constant is 1.

    One step before the first row a state is drawn, if |lam| < 1, from its stationary law given its parents' draws,
    N((rho + sum_b w_b b) / (1 - lam), exp(om + sum_c kap_c c) / (1 - lam^2)), and if not, from N(mean, 1 / precision).

    Args:
        graph: nodes of kind "continuous", "binary" and "constant"; every edge directed, at lag 0, with the function
            "identity".
        steps: number of rows, 1 or more.
        rng: where the draws come from: the starts of all nodes first, then row after row.
        start: values before the first row of some hidden nodes, such as the last row of earlier latents; the others
            start as above.

    Returns:
        inputs [time x leaf], sorted by name, and latents [time x hidden node], sorted by name.

    Raises:
        ConfigError: steps is not a whole number of at least 1.
        GraphError: a kind, lag, mark or function is not one that can be sampled; or the draw leaves the numbers there
            are: the message names the first such node.
    """
    steps = whole("a sample", "steps", steps, 1)
    topology = graph if isinstance(graph, Topology) else Topology.from_networkx(graph)
    _check(topology)
    names = topology.names
    first = dict(zip(names, rng.standard_normal(len(names)), strict=True))
    noise = dict(zip(names, rng.standard_normal((steps, len(names))).T, strict=True))
    before: dict[str, float] = {}
    series: dict[str, NDArray[np.float64]] = {}
    inputs = []
    for name in parents_first(topology):
        node, parents = topology.node(name), topology.parents(name)
        value = _drive(parents, "value", series, steps)
        log_variance = _drive(parents, "volatility", series, steps)
        if node.kind == "constant":
            before[name], series[name] = 1.0, np.ones(steps)
        elif not topology.children(name):
            inputs.append(name)
            noisy = any(edge.coupling == "volatility" for edge in parents)
            series[name] = _observed(node, value, log_variance if noisy else None, noise[name])
        else:
            given = None if start is None else start.get(name)
            before[name] = _first(node, parents, before, first[name]) if given is None else float(given)
            series[name] = _walked(node, before[name], value, log_variance, noise[name])
        _check_bounded(name, series[name])
    hidden = [name for name in names if name not in set(inputs)]
    return _frame(series, sorted(inputs)), _frame(series, hidden)


def parents_first(topology: Topology) -> list[str]:
    """The nodes of a graph, every parent before its children, ties by name."""
    order = nx.DiGraph()
    order.add_nodes_from(topology.names)
    order.add_edges_from((edge.source, edge.target) for edge in topology.edges)
    return list(nx.lexicographical_topological_sort(order))


def parameter(node: Node, name: str) -> float:
    """A parameter of a node."""
    return dict(node.parameters)[name]


def _drive(
    parents: tuple[Edge, ...], coupling: str, series: Mapping[str, NDArray[np.float64]], steps: int
) -> NDArray[np.float64]:
    """Sum over the parents of one coupling of strength times value [time]."""
    total = np.zeros(steps)
    for edge in parents:
        if edge.coupling == coupling:
            total += edge.strength * series[edge.source]
    return total


def _first(node: Node, parents: tuple[Edge, ...], before: Mapping[str, float], draw: float) -> float:
    """The value of a state before the first row."""
    lam = parameter(node, "autoconnection")
    if abs(lam) >= 1.0:
        return parameter(node, "mean") + draw / math.sqrt(parameter(node, "precision"))
    drift, log_variance = parameter(node, "tonic_drift"), parameter(node, "tonic_volatility")
    for edge in parents:
        if edge.coupling == "value":
            drift += edge.strength * before[edge.source]
        else:
            log_variance += edge.strength * before[edge.source]
    sd = float(_sd(node.name, np.array([log_variance]))[0])
    return drift / (1.0 - lam) + draw * sd / math.sqrt(1.0 - lam**2)


def _walked(
    node: Node,
    before: float,
    value: NDArray[np.float64],
    log_variance: NDArray[np.float64],
    noise: NDArray[np.float64],
) -> NDArray[np.float64]:
    """x_t = lam x_(t-1) + shock_t [time]."""
    lam = parameter(node, "autoconnection")
    sd = _sd(node.name, parameter(node, "tonic_volatility") + log_variance)
    shocks = (parameter(node, "tonic_drift") + value + sd * noise).tolist()
    path = accumulate(shocks, lambda x, shock: lam * x + shock, initial=float(before))
    return np.array(list(path)[1:])


def _observed(
    node: Node, value: NDArray[np.float64], log_variance: NDArray[np.float64] | None, noise: NDArray[np.float64]
) -> NDArray[np.float64]:
    if node.kind == "binary":
        # the same draw as a uniform one: rank < sigmoid(value)
        normal = NormalDist()
        rank = np.array([normal.cdf(draw) for draw in noise])
        return (rank < 1.0 / (1.0 + np.exp(-np.clip(value, -700.0, 700.0)))).astype(np.float64)
    variance = np.full(len(value), 1.0 / parameter(node, "precision"))
    if log_variance is not None:
        variance += _sd(node.name, log_variance) ** 2
    seen: NDArray[np.float64] = value + np.sqrt(variance) * noise
    return seen


def _sd(name: str, log_variance: NDArray[np.float64]) -> NDArray[np.float64]:
    largest = float(np.max(log_variance))
    if not largest <= _LARGEST:
        raise GraphError(
            f"Cannot sample this graph. This is because the log variance of {name!r} reaches {largest:.3g}. Try an "
            f"autoconnection below 1, or a lower tonic volatility, in its volatility parents."
        )
    sd: NDArray[np.float64] = np.exp(0.5 * log_variance)
    return sd


def _check_bounded(name: str, values: NDArray[np.float64]) -> None:
    if not np.isfinite(values).all():
        raise GraphError(
            f"Cannot sample this graph. This is because {name!r} leaves the numbers there are in step "
            f"{int(np.argmin(np.isfinite(values)))} (counting from 0). Try an autoconnection of at most 1."
        )


def _check(topology: Topology) -> None:
    for node in topology.nodes:
        leaf = not topology.children(node.name)
        if node.kind not in ("continuous", "constant") and not (node.kind == "binary" and leaf):
            raise GraphError(
                f"Cannot sample the node {node.name!r}. This is because its kind is {node.kind!r}"
                f"{' and it has children' if node.kind == 'binary' else ''}. Try 'continuous', or 'binary' for a leaf."
            )
    for edge in topology.edges:
        if edge.lag or edge.mark != "directed" or edge.function != "identity":
            raise GraphError(
                f"Cannot sample across the edge {edge}. This is because it is {edge.mark}, at lag {edge.lag}, with the "
                f"function {edge.function!r}. Try a directed edge at lag 0 with the function 'identity'."
            )
        if edge.coupling == "volatility" and topology.node(edge.target).kind != "continuous":
            raise GraphError(
                f"Cannot sample across the edge {edge}. This is because {edge.target!r} is "
                f"{topology.node(edge.target).kind} and has no volatility. Try a continuous child."
            )


def _frame(series: Mapping[str, NDArray[np.float64]], names: list[str]) -> pd.DataFrame:
    if not names:
        raise ConfigError(
            "Cannot sample this graph. This is because it has no hidden node or no input. Try a state with one input."
        )
    return pd.DataFrame({name: series[name] for name in names})
