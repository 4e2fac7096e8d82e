"""The matrices of causal-learn's graphs: what stands at [i, j] is the end at i of the edge between i and j.

-1 is a tail, 1 an arrowhead, 2 a circle, 0 no edge: i -> j is [i, j] = -1 and [j, i] = 1, i - j is -1 twice, i <-> j
1 twice, i o-> j [i, j] = 2 and [j, i] = 1 (causal-learn's documentation of `PC` and `FCI`). Its nodes have no lags; for
time series, the columns of its data are series at lags, and their names say so: "x(t)" or "x", "x(t-1)", "x(t-2)",
also "x_t-1" or "x_lag1".

Read here, arrowheads are what counts: o-> is directed, o-o undirected, and an edge from the past without an arrowhead
points to the present. Only edges with an end at t count: those between columns of the past are the same again, with
their causes cut off. The matrices have no weights and no probabilities.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import networkx as nx
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sostruct.discovery.converters.reading import add_edge, mark_of, places, series_graph
from sostruct.errors import DataError

TAIL, ARROW, CIRCLE = -1, 1, 2
_LAGGED = re.compile(r"(?P<name>.+?)(?:\(t-(?P<a>\d+)\)|_t-(?P<b>\d+)|_lag(?P<c>\d+)|\(t\))$")
_ENDS = {"directed": (TAIL, ARROW), "undirected": (TAIL, TAIL), "bidirected": (ARROW, ARROW)}


@final
@dataclass(frozen=True, eq=False)
class EndpointGraph:
    """A graph over series at lags, as causal-learn has it.

    Attributes:
        matrix: the ends of edges [node, node].
        names: of the nodes, "x(t)", "x(t-1)", ...: all series at lag 0, then all at lag 1, and so on.
    """

    matrix: NDArray[np.int64]
    names: tuple[str, ...]


def to_causal_learn(edges: pd.DataFrame, names: Sequence[str], max_lag: int) -> EndpointGraph:
    """A found graph over series at lags; edges end at t, and are not repeated in the past.

    With causal-learn at hand: `G = GeneralGraph([GraphNode(name) for name in names]); G.graph = matrix`.
    """
    nodes = tuple(f"{name}(t-{lag})" if lag else f"{name}(t)" for lag in range(max_lag + 1) for name in names)
    matrix = np.zeros((len(nodes), len(nodes)), np.int64)
    cause, effect, lag = places(edges, names)
    earlier = cause + len(names) * lag
    ends = np.array([_ENDS[str(mark)] for mark in edges["mark"]], np.int64).reshape(-1, 2)
    matrix[earlier, effect], matrix[effect, earlier] = ends.T
    return EndpointGraph(matrix, nodes)


def from_causal_learn(matrix: ArrayLike | Any, names: Sequence[str]) -> nx.MultiDiGraph:
    """The graph of `G.graph`, the matrix of a `GeneralGraph`, and of `G.get_node_names()`.

    Raises:
        DataError: a matrix of another shape or with other ends, names that do not fit, an edge that points to the past.
    """
    ends = np.asarray(matrix)
    if ends.ndim != 2 or ends.shape[0] != ends.shape[1]:
        raise DataError(
            f"Cannot read a matrix of shape {ends.shape}. This is because it is to be [node, node]. Try `G.graph`."
        )
    nodes = [_read(str(name)) for name in names]
    series = dict.fromkeys(name for name, _ in nodes)
    if len(nodes) != len(ends) or len(set(nodes)) < len(nodes):
        series_graph([str(name) for name in names], len(ends), ends.shape)  # says what is wrong with the names
        raise DataError("Cannot read these names. This is because two are one series at one lag. Try distinct names.")
    graph = series_graph(list(series), len(series), ends.shape)
    for one, other in np.argwhere(np.triu((ends != 0) | (ends.T != 0))).tolist():
        pair = int(ends[one, other]), int(ends[other, one])
        label = f"{names[one]} and {names[other]}"
        if not {*pair} <= {TAIL, ARROW, CIRCLE}:
            raise DataError(
                f"Cannot read the edge between {label}. This is because its ends are {pair[0]} and {pair[1]}. Try a "
                "graph of tails (-1), arrowheads (1) and circles (2)."
            )
        if nodes[one][1] < nodes[other][1]:
            one, other, pair = other, one, pair[::-1]
        (cause, earlier), (effect, later) = nodes[one], nodes[other]
        if later:
            continue
        kind, reversed_ = mark_of(pair[0] == ARROW, pair[1] == ARROW)
        if earlier and reversed_:
            raise DataError(
                f"Cannot read the edge between {label}. This is because it points to the past. Try causal-learn's "
                "background knowledge, which forbids that."
            )
        if reversed_:
            cause, effect = effect, cause
        add_edge(graph, cause, effect, earlier, "directed" if earlier and kind == "undirected" else kind)
    return graph


def _read(name: str) -> tuple[str, int]:
    """The series and lag in the name of a node."""
    found = _LAGGED.fullmatch(name)
    if found is None:
        return name, 0
    lag = next((group for group in (found["a"], found["b"], found["c"]) if group is not None), "0")
    return found["name"], int(lag)
