"""How close a found graph is to a known one.

Two views are scored: the *summary* graph (is there an edge cause -> effect at any lag) and the graph *lag by lag*. Self
links are part of every system and of no question, so both leave the diagonal out. Rankings (AUROC, AUPRC) use the nats
of every candidate; decisions (F1, SHD) use the edges in the graph.
"""

from __future__ import annotations

from dataclasses import dataclass

import networkx as nx
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sostruct.errors import DataError


@dataclass(frozen=True)
class Agreement:
    """Scores of one view.

    Attributes:
        auroc: probability that a true edge is ranked above a false one, ties counting one half.
        auprc: average precision, `sum_k (recall_k - recall_{k-1}) precision_k` over distinct thresholds.
        precision, recall, f1: of the edges in the graph; 0 where nothing is found or nothing is there.
        shd: structural Hamming distance: false plus missed edges (a reversed edge counts twice).
        edges: number of true edges.
    """

    auroc: float
    auprc: float
    precision: float
    recall: float
    f1: float
    shd: int
    edges: int


def agreement(truth: NDArray[np.bool_], found: NDArray[np.bool_], nats: NDArray[np.float64]) -> Agreement:
    """Scores of decisions and rankings over any set of candidates (arrays of one shape)."""
    truth, found, nats = truth.ravel(), found.ravel(), nats.ravel()
    hits = int((truth & found).sum())
    positives, predicted = int(truth.sum()), int(found.sum())
    precision = hits / predicted if predicted else 0.0
    recall = hits / positives if positives else 0.0
    f1 = 2 * hits / (positives + predicted) if positives + predicted else 0.0
    auroc, auprc = _ranking(truth, nats)
    return Agreement(auroc, auprc, precision, recall, f1, positives + predicted - 2 * hits, positives)


def _ranking(truth: NDArray[np.bool_], nats: NDArray[np.float64]) -> tuple[float, float]:
    positives, negatives = int(truth.sum()), int((~truth).sum())
    order = np.argsort(-nats, kind="stable")
    ordered = nats[order]
    last = np.append(ordered[1:] != ordered[:-1], True) if len(ordered) else np.zeros(0, bool)
    hits, false = np.cumsum(truth[order])[last], np.cumsum(~truth[order])[last]
    if not positives or not negatives:
        return float("nan"), float("nan")
    recall, fallout = np.append(0.0, hits / positives), np.append(0.0, false / negatives)
    auroc = float(np.sum(np.diff(fallout) * (recall[1:] + recall[:-1]) / 2))
    auprc = float(np.sum(np.diff(recall) * hits / (hits + false)))
    return auroc, auprc


def compare(
    scores: pd.DataFrame,
    edges: pd.DataFrame,
    summary: pd.DataFrame,
    truth: nx.DiGraph,
    *,
    within: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Agreement of a found graph with a known one, one row per view ("summary", "lag_by_lag", and "contemporaneous" if
    either graph has effects at lag 0).

    Args:
        scores: every candidate, columns cause, effect, lag, nats.
        edges: the edges in the graph, columns cause, effect, lag.
        summary: nats over all lags together [cause x effect].
        truth: edges from cause to effect with attribute `lag`; a lag beyond the candidates' largest cannot be found and
            counts as missed in the summary only. Edges with the mark "bidirected" are not of this question.
        within: nats of effects at lag 0 that are not among the candidates [cause x effect]. An undirected edge counts
            in the direction in which it is named.

    Raises:
        DataError: the truth names a node the data do not have.
    """
    names = list(summary.columns)
    number = {name: index for index, name in enumerate(names)}
    unknown = sorted(str(node) for node in truth if node not in number)
    if unknown:
        raise DataError(
            f"Cannot compare with the truth. This is because it names {', '.join(unknown)}, which the data do not "
            f"have. Try the names of the columns: {', '.join(names[:20])}."
        )
    count, max_lag = len(names), int(scores["lag"].max())
    true: NDArray[np.bool_] = np.zeros((max_lag + 2, count, count), bool)
    for cause, effect, data in truth.edges(data=True):
        if data.get("mark") != "bidirected":
            true[min(data.get("lag", 1), max_lag + 1), number[cause], number[effect]] = True
    found: NDArray[np.bool_] = np.zeros_like(true)
    found[edges["lag"].to_numpy(), *_places(edges, number)] = True
    nats = np.full(true.shape, -np.inf)
    if within is not None:
        nats[0] = within.loc[names, names].to_numpy()
    nats[scores["lag"].to_numpy(), *_places(scores, number)] = scores["nats"].to_numpy()
    off: NDArray[np.bool_] = np.logical_not(np.eye(count, dtype=bool))
    ranked = summary.loc[names, names].to_numpy()
    views = {
        "summary": agreement(np.any(true, axis=0)[off], np.any(found, axis=0)[off], ranked[off]),
        "lag_by_lag": agreement(true[1:-1, off], found[1:-1, off], nats[1:-1, off]),
    }
    if true[0].any() or found[0].any():
        views["contemporaneous"] = agreement(true[0][off], found[0][off], nats[0][off])
    return pd.DataFrame([vars(view) for view in views.values()], index=pd.Index(views, name="view"))


def _places(frame: pd.DataFrame, number: dict[str, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    cause = np.asarray(frame["cause"].map(number), np.int64)
    return cause, np.asarray(frame["effect"].map(number), np.int64)
