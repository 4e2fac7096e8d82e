"""What all converters share: places of edges, names that fit, edges that follow the schema, and warnings of loss."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import networkx as nx
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sostruct.errors import DataError
from sostruct.tasks.base import listed


def series_graph(names: Sequence[str], count: int, shape: Sequence[int]) -> nx.MultiDiGraph:
    """A graph of `count` series without edges.

    Raises:
        DataError: other than `count` names, or one twice.
    """
    labels = [str(name) for name in names]
    if len(labels) != count:
        raise DataError(
            f"Cannot read an array of shape {tuple(shape)} with {len(labels)} names. This is because it is of {count} "
            "series. Try one name for each."
        )
    if len(set(labels)) < count:
        twice = sorted({name for name in labels if labels.count(name) > 1})
        raise DataError(f"Cannot read this graph. This is because {listed(twice)} occurs twice. Try distinct names.")
    graph = nx.MultiDiGraph()
    graph.add_nodes_from(labels, kind="series")
    return graph


def places(edges: pd.DataFrame, names: Sequence[str]) -> tuple[NDArray[np.int64], ...]:
    """Numbers of cause and effect, and the lag, of every edge of a table."""
    number = {name: place for place, name in enumerate(names)}
    columns = (edges["cause"].map(number), edges["effect"].map(number), edges["lag"])
    return tuple(np.asarray(column, np.int64) for column in columns)


def add_edge(graph: nx.MultiDiGraph, cause: str, effect: str, lag: int, mark: str, weight: float | None = None) -> None:
    """Adds an edge as the schema has it; of an undirected or bidirected pair, once."""
    attributes = {} if weight is None else {"weight": weight, "strength": weight}
    graph.add_edge(
        cause, effect, key=f"value:{lag}", coupling="value", lag=lag, mark=mark, function="identity", **attributes
    )


def mark_of(tail: bool, head: bool) -> tuple[str, bool]:
    """The mark of an edge by its arrowheads at the first and second node, and whether it points to the first."""
    if tail and head:
        return "bidirected", False
    return ("directed", tail) if tail or head else ("undirected", False)


def warn_of_loss(edges: pd.DataFrame, package: str) -> None:
    """Says which edges a format has no place for."""
    if len(edges):
        pairs = listed([f"{row.cause} and {row.effect}" for row in edges.itertuples()])
        warnings.warn(
            f"The format of {package} holds directed effects only: the links within the step between {pairs}, whose "
            "direction is not known, are left out.",
            stacklevel=4,
        )
