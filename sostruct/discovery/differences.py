"""How two found graphs differ: of two subjects, two periods, two settings, or of two methods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import networkx as nx
import numpy as np
import pandas as pd

from sostruct.discovery.result import Discovery
from sostruct.errors import DataError
from sostruct.tasks.base import listed

_EDGE = ["cause", "effect", "lag"]
_PAIR = ["cause", "effect"]


@final
@dataclass(frozen=True, eq=False)
class GraphDifference:
    """Two graphs over the same series, edge by edge.

    Attributes:
        edges: every edge of either graph. Columns: `cause`, `effect`, `lag`, `where` ("both", "first", "second"),
            `weight_1`, `weight_2`, `probability_1`, `probability_2` (of an edge that is not in a graph: what it would
            have there; NaN where the other graph had no such candidate), and `z`, the difference of weights, second
            minus first, in standard deviations of the difference, `sqrt(sd_1^2 + sd_2^2)`.
        shared, only_first, only_second: numbers of edges, lag by lag.
        jaccard: shared over all edges; 1 where both graphs are empty.
        summary_distance: pairs of series that are linked in one graph and not in the other.
        expected_distance: expected number of pairs (cause, effect), a series' own past left out, that are linked in one
            system and not in the other, given both data sets: `sum p (1 - q) + q (1 - p)`. Two graphs that differ may
            well come from one system; where this is small beside `summary_distance`, they do. NaN if one of the two is
            a bare graph, which has no probabilities.
    """

    edges: pd.DataFrame
    shared: int
    only_first: int
    only_second: int
    jaccard: float
    summary_distance: int
    expected_distance: float

    def __repr__(self) -> str:
        return (
            f"GraphDifference: {self.shared} edges in both graphs, {self.only_first} in the first alone, "
            f"{self.only_second} in the second alone (Jaccard {self.jaccard:.2f}); summary graphs differ in "
            f"{self.summary_distance} pairs, {self.expected_distance:.1f} expected from both probabilities"
        )


def compare(first: Discovery | nx.DiGraph, second: Discovery | nx.DiGraph) -> GraphDifference:
    """Compares two found graphs over the same series, whatever their lags and settings.

    Args:
        first, second: what was found; or a graph of another method (`from_tigramite`, `from_lingam`,
            `from_causal_learn`), whose edges have `lag`, `mark` and perhaps `weight`.

    Raises:
        DataError: they are not of the same series.
    """
    names, others = (_series(found) for found in (first, second))
    if set(names) != set(others):
        apart = sorted(set(names) ^ set(others))
        raise DataError(
            f"Cannot compare these graphs. This is because {listed(apart)} are in one of them only. Try graphs of the "
            "same series."
        )
    one, other = (_candidates(found) for found in (first, second))
    chosen = one.index[one["found"]].union(other.index[other["found"]], sort=False)
    one, other = one.reindex(chosen), other.reindex(chosen)
    in_first, in_second = (table["found"].eq(True) for table in (one, other))
    spread = np.sqrt(one["weight_sd"] ** 2 + other["weight_sd"] ** 2)
    edges = pd.DataFrame(
        {
            "where": np.where(in_first & in_second, "both", np.where(in_first, "first", "second")),
            "weight_1": one["weight"],
            "weight_2": other["weight"],
            "probability_1": one["probability"],
            "probability_2": other["probability"],
            "z": (other["weight"] - one["weight"]) / spread,
        },
        index=chosen,
    ).reset_index()
    shared = int((in_first & in_second).sum())
    pairs = [set(map(tuple, _edges(found)[_PAIR].to_numpy().tolist())) for found in (first, second)]
    apart_pairs = {(cause, effect) for cause, effect in pairs[0] ^ pairs[1] if cause != effect}
    off = ~np.eye(len(names), dtype=bool)
    p, q = (
        found.summary_probability.loc[names, names].to_numpy()[off] if isinstance(found, Discovery) else np.nan
        for found in (first, second)
    )
    return GraphDifference(
        edges=edges,
        shared=shared,
        only_first=int(in_first.sum()) - shared,
        only_second=int(in_second.sum()) - shared,
        jaccard=shared / len(edges) if len(edges) else 1.0,
        summary_distance=len(apart_pairs),
        expected_distance=float(np.sum(p * (1 - q) + q * (1 - p))),
    )


def _series(found: Discovery | nx.DiGraph) -> list[str]:
    return list(found.summary.columns) if isinstance(found, Discovery) else list(map(str, found.nodes))


def _edges(found: Discovery | nx.DiGraph) -> pd.DataFrame:
    """The edges of a discovery or a graph; NaN where a graph does not say."""
    if isinstance(found, Discovery):
        return found.edges
    columns = [*_EDGE, "weight", "weight_sd", "probability", "mark"]
    rows = [
        (
            str(cause),
            str(effect),
            int(data.get("lag", 1)),
            *(float(data.get(name, np.nan)) for name in columns[3:6]),
            str(data.get("mark", "directed")),
        )
        for cause, effect, data in found.edges(data=True)
    ]
    return pd.DataFrame(rows, columns=columns).astype({"lag": np.int64})


def _candidates(found: Discovery | nx.DiGraph) -> pd.DataFrame:
    """Every candidate, and the edges that are none (undirected ones, by names in alphabetical order), by cause, effect
    and lag."""
    edges = _edges(found)
    cause, effect = edges["cause"], edges["effect"]
    unordered = (edges["mark"] != "directed") & (cause > effect)
    edges = edges.assign(cause=cause.where(~unordered, effect), effect=effect.where(~unordered, cause), found=True)
    edges = edges.set_index(_EDGE)
    if not isinstance(found, Discovery):
        return edges
    scores = found.scores.set_index(_EDGE).assign(found=False)
    return pd.concat([edges, scores[~scores.index.isin(edges.index)]])
