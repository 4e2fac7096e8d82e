"""The results of tigramite: arrays [cause i, effect j, lag tau], tau = 0..tau_max, in one dictionary.

`graph[i, j, tau]` is a string of three characters, a mark at i, a line and a mark at j, for a link from x_i(t - tau)
to x_j(t): "-->" directed, "<->" a hidden common cause, "o-o" without a direction, "x-x" with conflicting ones, "" none.
Links within the step stand twice, at [i, j, 0] and mirrored at [j, i, 0] ("-->" and "<--"). `val_matrix` has the test
statistic of every candidate, `p_matrix` its p-value (tigramite's documentation of `PCMCI.run_pcmciplus`).

Read here, arrowheads are what counts: "o->" is directed, "o-o" and "x-x" undirected, and a link from the past without
an arrowhead points to the present. P-values are not kept: they are not probabilities of an edge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd

from sostruct.discovery.converters.reading import add_edge, mark_of, places, series_graph
from sostruct.errors import DataError

_MARKS = {"directed": ("-->", "<--"), "undirected": ("o-o", "o-o"), "bidirected": ("<->", "<->")}


def to_tigramite(
    scores: pd.DataFrame, edges: pd.DataFrame, names: Sequence[str], max_lag: int, count: float
) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    """The arrays `graph`, `val_matrix` and `p_matrix`.

    `val_matrix` has partial correlations given the other parents of the effect, `w / sqrt(w^2 + (n - 2) sd^2)` for a
    weight w of standard deviation sd, and `p_matrix` has 1 - probability: small where a link is sure, as a p-value
    would be, but it is the posterior probability that there is no link.

    Args:
        scores, edges: the tables of a discovery.
        names, max_lag: its series and largest lag.
        count: rows n behind it.
    """
    shape = (len(names), len(names), max_lag + 1)
    graph = np.full(shape, "", dtype="<U3")
    values, doubts = np.zeros(shape), np.ones(shape)
    for table in (scores, edges):
        cause, effect, lag = places(table, names)
        weight, spread, chance = (table[name].to_numpy(np.float64) for name in ("weight", "weight_sd", "probability"))
        partial = weight / np.sqrt(weight**2 + (count - 2) * spread**2)
        # what links a pair within the step without being a mechanism is a partial correlation already
        partial = np.where(table["mark"].eq("directed").to_numpy(), partial, weight)
        values[cause, effect, lag], doubts[cause, effect, lag] = partial, 1 - chance
    marks = np.array([_MARKS[str(mark)] for mark in edges["mark"]], "<U3").reshape(-1, 2)
    graph[cause, effect, lag] = marks[:, 0]
    now = lag == 0
    cause, effect = cause[now], effect[now]
    graph[effect, cause, 0] = marks[now, 1]
    for array in (values, doubts):
        array[effect, cause, 0] = array[cause, effect, 0]
    return {"graph": graph, "val_matrix": values, "p_matrix": doubts}


def from_tigramite(results: Mapping[str, Any], names: Sequence[str]) -> nx.MultiDiGraph:
    """The graph in a dictionary of results of tigramite; weights are those of its `val_matrix`, where it has one.

    Args:
        results: what `run_pcmci`, `run_pcmciplus` and their like return.
        names: of the series, in the order of the arrays.

    Raises:
        DataError: no such dictionary, arrays that do not fit, marks that contradict each other or time.
    """
    if not isinstance(results, Mapping) or "graph" not in results:
        raise DataError(
            "Cannot read these results. This is because they have no 'graph'. Try the dictionary that tigramite's "
            "run_pcmci or run_pcmciplus returns."
        )
    marks = np.asarray(results["graph"])
    if marks.ndim != 3 or marks.shape[0] != marks.shape[1] or marks.dtype.kind != "U":
        raise DataError(
            f"Cannot read a graph of shape {marks.shape} and type {marks.dtype}. This is because it is to have strings "
            "[cause, effect, lag]. Try the 'graph' of tigramite's results as it is."
        )
    graph = series_graph(names, marks.shape[0], marks.shape)
    labels = list(graph)
    values = None if results.get("val_matrix") is None else np.asarray(results["val_matrix"], np.float64)
    if values is not None and values.shape != marks.shape:
        raise DataError(
            f"Cannot read a val_matrix of shape {values.shape}. This is because the graph has {marks.shape}. Try both "
            "as tigramite returns them."
        )
    for cause, effect, lag in np.argwhere(marks != "").tolist():
        mark = str(marks[cause, effect, lag])
        if lag == 0 and mark[::-1].translate(str.maketrans("<>", "><")) != marks[effect, cause, 0]:
            raise DataError(
                f"Cannot read the link {labels[cause]} {mark} {labels[effect]} at lag 0. This is because the other way "
                f"round it is {str(marks[effect, cause, 0])!r}. Try a graph in which the two agree."
            )
        if lag == 0 and cause >= effect:
            continue
        kind, reversed_ = mark_of(mark[0] == "<", mark[-1] == ">")
        if lag and reversed_:
            raise DataError(
                f"Cannot read the link {labels[cause]} {mark} {labels[effect]} at lag {lag}. This is because it points "
                "to the past. Try a graph whose links point forward in time."
            )
        source, target = (effect, cause) if reversed_ else (cause, effect)
        kind = "directed" if lag and kind == "undirected" else kind
        weight = None if values is None else float(values[source, target, lag])
        add_edge(graph, labels[source], labels[target], lag, kind, weight)
    return graph
