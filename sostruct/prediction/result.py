"""What was learned from the rows of a table: a layered network, how it came about, and what it predicts.

Design note. The network is the one that was best on the rows held out of learning, of all that had the final graph or
led to it without a change of what is predicted; nothing else of the run matters to a prediction.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, final

import networkx as nx
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sostruct.control.history import SignalHistory
from sostruct.graph import Journal, decode_connections, edge_table, width_of
from sostruct.networks.layered.network import LayeredNetwork
from sostruct.networks.layered.reading import Label


@final
@dataclass(frozen=True, eq=False)
class Predictor:
    """A layered network that has learned.

    Attributes:
        network: with the parameters that were best.
        rows: how many rows it was grown on, those held out of learning among them.
        journal: every edit considered, with its price; `journal.replay(epoch)` is the graph at any epoch, down to the
            unit and the connection.
        history: surprise at every epoch.
        settled: whether the run ended by itself: nothing had improved for a while, and nothing was worth editing.
    """

    network: LayeredNetwork
    rows: int
    journal: Journal
    history: SignalHistory
    settled: bool

    @property
    def graph(self) -> nx.MultiDiGraph:
        """The graph of populations; a copy."""
        return self.network.graph

    @property
    def classes(self) -> tuple[Label, ...]:
        """The labels, in the order of `predict_proba`; none for a regression."""
        return self.network.reading.classes

    @property
    def parameters(self) -> int:
        """How many trainable numbers are not 0."""
        return self.network.nonzero

    @cached_property
    def populations(self) -> pd.DataFrame:
        """The populations, parents before children: `node`, `kind`, `width`, and `parameters`, the trainable numbers
        not 0 of its biases and of what it receives."""
        topology = self.network.topology
        names = sorted(
            topology.names, key=lambda name: (topology.node(name).kind != "input", topology.order.index(name))
        )
        sizes = []
        for name in names:
            received = [np.count_nonzero(self.network.weights(edge.source, name)) for edge in topology.parents(name)]
            sizes.append(int(np.count_nonzero(self.network.biases(name))) + int(sum(received)))
        return pd.DataFrame(
            {
                "node": list(names),
                "kind": [topology.node(name).kind for name in names],
                "width": [width_of(topology.node(name)) for name in names],
                "parameters": sizes,
            }
        )

    @cached_property
    def edges(self) -> pd.DataFrame:
        """The edges: `source`, `target`, `coupling`, `strength`, `function`, and `connections`, how many there are."""
        table = edge_table(self.network.topology)
        counts = []
        for edge in self.network.topology.edges:
            ends = [width_of(self.network.topology.node(end)) or 0 for end in (edge.source, edge.target)]
            own = decode_connections(edge.connections, ends[0], ends[1], edge.source == edge.target)
            counts.append(int(own.sum()))
        return table.assign(connections=counts)

    def predict(self, rows: Any) -> NDArray[Any]:
        """The likeliest class of each row, or its predicted value [row] or [row, target].

        Raises:
            DataError: features are missing, or values are missing or no numbers.
        """
        mean = self.network.mean(rows)
        if self.classes:
            return np.asarray(np.array(self.classes)[mean.argmax(axis=1)])
        return np.asarray(mean[:, 0] if mean.shape[1] == 1 else mean)

    def predict_proba(self, rows: Any) -> NDArray[np.float64]:
        """The probability of every class [row, class]."""
        return self.network.mean(rows)

    def accuracy(self, frame: pd.DataFrame) -> float:
        """Share of rows whose likeliest class is theirs.

        Raises:
            DataError: see `predict`; or labels are none of the classes.
        """
        target = self.network.reading.target(frame)
        return float(np.mean(self.network.mean(frame).argmax(axis=1) == target))

    def explained(self, frame: pd.DataFrame) -> float:
        """Coefficient of determination of a regression, the mean over its targets: 1 minus squared errors over squared
        differences from the mean.

        Raises:
            DataError: see `predict`.
        """
        target = np.asarray(self.network.reading.target(frame), np.float64)
        errors = ((target - self.network.mean(frame)) ** 2).sum(axis=0)
        spread = ((target - target.mean(axis=0)) ** 2).sum(axis=0)
        return float(np.mean(1.0 - errors / np.where(spread > 0.0, spread, 1.0)))

    def surprise_per_row(self, frame: pd.DataFrame) -> float:
        """Mean of minus the log probability, or density, of the targets given the features, nats per row."""
        return float(self.network.surprise(frame).mean())

    def save(self, folder: str | Path) -> None:
        """Keeps it in a folder, which `sostruct.load` reads.

        Raises:
            RunError: a network is there already, or the folder cannot be written.
        """
        from sostruct.prediction.store import save

        save(self, folder)

    def __repr__(self) -> str:
        return f"Predictor({self.network.units} hidden units, {self.parameters} parameters, {self.rows} rows)"
