"""A run as a film: which epochs are shown, and what each of them shows.

A frame is one epoch: the graph after its edits, beside the graph of the frame before, so that what came and what went
can be marked; the signals of its pass over the data, which came before its edits and are why they were made; and every
decision since the frame before. A short run is shown whole; of a long one the first and the last epoch and those whose
edits changed the graph go first, and the page says how many are left out.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import pandas as pd

from sostruct.graph import Topology
from sostruct.reports.tables import RunTables

MOST_FRAMES: Final = 60
"""Frames on one page."""

ABSENT, PRESENT, NEW, TUNED, GONE = ".", "o", "n", "t", "g"
"""What a part is in a frame: not there, there, added, changed, or removed since the frame before."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One epoch of a run.

    Attributes:
        epoch: its number.
        since: the epoch of the frame before; -1 at first.
        before: the graph after the edits of `since`.
        after: the graph after the edits of `epoch`.
        signals: what signals.csv says of this epoch, by node and column; empty where it says nothing.
        decisions: rows of the journal of the epochs after `since`, up to `epoch`.
    """

    epoch: int
    since: int
    before: Topology
    after: Topology
    signals: Mapping[str, Mapping[str, float]]
    decisions: pd.DataFrame


@dataclass(frozen=True, slots=True)
class Film:
    """The frames of a run, oldest first, and how many epochs the run has."""

    frames: tuple[Frame, ...]
    epochs: int

    @property
    def graphs(self) -> tuple[Topology, ...]:
        """Every graph that is shown, the start first."""
        return (self.frames[0].before, *(frame.after for frame in self.frames)) if self.frames else ()


def film(tables: RunTables) -> Film:
    """The film of a run.

    Raises:
        GraphError: an accepted edit of the journal does not fit the graph it was recorded for.
    """
    recorded, decided = tables.signals["epoch"], tables.journal["epoch"]
    epochs = sorted({int(epoch) for epoch in recorded} | {int(epoch) for epoch in decided})
    graphs = dict(tables.history.graphs())
    chosen = choose(epochs, [epoch for epoch in graphs if epoch >= 0])
    changes, kept = sorted(graphs), list(graphs.values())

    def graph(epoch: int) -> Topology:
        return kept[bisect_right(changes, epoch) - 1]

    signals: dict[int, dict[str, dict[str, float]]] = {}
    shown = tables.signals[recorded.isin(chosen)]
    columns = [str(name) for name in shown.columns if name not in ("epoch", "node")]
    for epoch, node, *values in shown[["epoch", "node", *columns]].itertuples(index=False, name=None):
        signals.setdefault(int(epoch), {})[str(node)] = dict(zip(columns, map(float, values), strict=True))
    frames = [
        Frame(
            epoch,
            since,
            graph(since),
            graph(epoch),
            signals.get(epoch, {}),
            tables.journal[(decided > since) & (decided <= epoch)],
        )
        for since, epoch in pairwise([-1, *chosen])
    ]
    return Film(tuple(frames), len(epochs))


def choose(epochs: Sequence[int], changed: Iterable[int], most: int = MOST_FRAMES) -> tuple[int, ...]:
    """Which epochs to show: all, or the first, the last, those whose edits changed the graph, and some between.

    Args:
        epochs: ascending.
        changed: those whose edits changed the graph.
        most: how many to show, 2 or more.
    """
    if len(epochs) <= most:
        return tuple(epochs)
    shown = {epochs[0], epochs[-1]}
    shown |= _evenly(sorted(set(changed) - shown), most - len(shown))
    shown |= _evenly([epoch for epoch in epochs if epoch not in shown], most - len(shown))
    return tuple(sorted(shown))


def _evenly(epochs: Sequence[int], most: int) -> set[int]:
    if len(epochs) <= most:
        return set(epochs)
    return {epochs[place] for place in np.linspace(0, len(epochs) - 1, most).round().astype(int)} if most else set()


def state(before: object, after: object) -> str:
    """What a part is in a frame, from what it was and is; None where it was not or is not there."""
    if after is None:
        return ABSENT if before is None else GONE
    return NEW if before is None else PRESENT if before == after else TUNED
