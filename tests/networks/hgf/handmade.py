"""Beliefs as a filter might have returned them, made up by hand: what reads them is tested without a filter."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import networkx as nx
import numpy as np
import pandas as pd

from sostruct.graph import Topology
from sostruct.networks.hgf.beliefs import Beliefs
from sostruct.networks.hgf.inputs import Series


class Recorded(NamedTuple):
    """What a filter hands over."""

    beliefs: dict[str, Any]
    expected_mean: Any
    expected_precision: Any
    surprise: Any


class Made(NamedTuple):
    """Made-up beliefs, the numbers behind them by node, and how often the second pass was asked for."""

    beliefs: Beliefs
    numbers: dict[str, dict[str, np.ndarray]]
    marginal: np.ndarray
    entropy: np.ndarray
    passes: list[int]


def made(
    graph: nx.MultiDiGraph,
    inputs: Sequence[str],
    steps: int = 40,
    *,
    seed: int = 0,
    subjects: Sequence[Any] | None = None,
    index: pd.Index | None = None,
    missing: float = 0.0,
    padded: bool = True,
    held: dict[str, int] | None = None,
) -> Made:
    """Random numbers for every node, in shuffled columns.

    Args:
        graph: follows the schema.
        inputs: observed leaves.
        steps: length of the series.
        seed: of everything.
        subjects: labels, or None for one series.
        index: labels of the steps.
        missing: share of observations that are missing.
        padded: one array with padding, as the packed schedule leaves it, or as the unrolled one does.
        held: by node, how many predictions were held.
    """
    rng = np.random.default_rng(seed)
    topology = Topology.from_networkx(graph)
    names = topology.names
    shape = (steps,) if subjects is None else (len(subjects), steps)
    kinds = {name: topology.node(name).kind for name in names}
    numbers: dict[str, dict[str, np.ndarray]] = {name: {} for name in names}
    for name, own in numbers.items():
        own["mean"] = np.cumsum(rng.normal(0, 0.2, shape), -1)
        own["precision"] = rng.uniform(0.5, 4.0, shape)
        own["expected_mean"] = own["mean"] + rng.normal(0, 0.2, shape)
        own["expected_variance"] = 1.0 / (own["precision"] * rng.uniform(0.4, 0.95, shape))
        if kinds[name] == "constant":
            own |= {"mean": np.ones(shape), "precision": np.ones(shape)}
            own |= {"expected_mean": np.ones(shape), "expected_variance": np.zeros(shape)}
        if kinds[name] == "binary":
            own["expected_mean"] = rng.uniform(0.05, 0.95, shape)
            own["expected_variance"] = 1.0 / (own["expected_mean"] * (1.0 - own["expected_mean"]))
        with np.errstate(divide="ignore"):
            own["expected_precision"] = 1.0 / own["expected_variance"]
        own["volatility_mean"] = rng.normal(0, 1, shape)
        own["volatility_precision"] = rng.uniform(0.5, 4.0, shape)
    values = np.stack(
        [
            rng.integers(0, 2, shape).astype(float) if kinds[name] == "binary" else rng.normal(0, 1, shape)
            for name in inputs
        ],
        -1,
    )
    values[rng.random(values.shape) < missing] = np.nan
    order = [*inputs, *rng.permutation([name for name in names if name not in inputs])]

    def columns(quantity: str) -> np.ndarray:
        found = [numbers[name][quantity] for name in order]
        return np.stack([*found, np.full(shape, 999.0)] if padded else found, -1)

    marginal, entropy = rng.normal(1, 0.3, (2, *values.shape))
    spread = np.full(values.shape, 0.1)
    passes: list[int] = []

    def detail() -> tuple[Any, Any]:
        passes.append(1)
        parts = marginal, entropy, spread
        return tuple(np.concatenate([part, np.full((*shape, 2), 999.0)], -1) for part in parts) if padded else parts

    quantities = ("mean", "precision", "volatility_mean", "volatility_precision")
    recorded = Recorded(
        {quantity: columns(quantity) for quantity in quantities},
        columns("expected_mean"),
        columns("expected_precision"),
        rng.normal(1, 0.5, shape),
    )
    labels = pd.RangeIndex(steps) if index is None else index
    beliefs = Beliefs(
        nodes=names,
        inputs=tuple(inputs),
        columns=np.array([order.index(name) for name in names]),
        trajectory=recorded,
        series=Series(values, None, labels, None if subjects is None else tuple(subjects)),
        ended=partial(str, "the last state"),
        failures=np.array([(held or {}).get(name, 0) for name in order]),
        detail=detail,
        topology=topology,
    )
    return Made(beliefs, numbers, marginal, entropy, passes)


def example() -> tuple[nx.MultiDiGraph, list[str]]:
    """Every kind of node and coupling: two inputs, one of them binary, with shared and nonlinear parents."""
    graph = nx.MultiDiGraph()
    graph.add_node("u", kind="continuous", precision=4.0)
    graph.add_node("choice", kind="binary")
    graph.add_node("bias", kind="constant")
    graph.add_node("x", kind="continuous")
    graph.add_node("y", kind="volatile", tonic_drift=0.1, autoconnection=0.9)
    graph.add_node("z", kind="continuous")
    graph.add_edge("x", "u", coupling="value", strength=0.5)
    graph.add_edge("y", "u", coupling="value", strength=-2.0, function="tanh")
    graph.add_edge("bias", "u", coupling="value", strength=3.0)
    graph.add_edge("y", "choice", coupling="value")
    graph.add_edge("z", "x", coupling="volatility", strength=0.7)
    graph.add_edge("z", "y", coupling="value")
    return graph, ["u", "choice"]
