"""The signals of a run, epoch by epoch, as plain columns."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sostruct.surprise import Signals

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("epoch", "node", "surprise", "expected", "reducible")
"""Columns of signals.csv; the last three in nats over the epoch."""


class SignalHistory:
    """Surprise, expected and reducible surprise of every node at every epoch."""

    def __init__(self, nodes: Sequence[str]) -> None:
        self.nodes = tuple(nodes)
        self._epochs: list[NDArray[np.float64]] = []

    def record(self, signals: Signals) -> None:
        """Adds an epoch."""
        rows = (signals.surprise, signals.expected, signals.reducible)
        self._epochs.append(np.stack([np.asarray(row, np.float64) for row in rows], axis=1))

    def lines(self, epoch: int) -> Iterator[str]:
        """The rows of one epoch as CSV lines, floats exact."""
        for node, values in zip(self.nodes, self._epochs[epoch].tolist(), strict=True):
            yield ",".join((str(epoch), quote(node), *map(repr, values))) + "\n"

    @classmethod
    def read(cls, path: Path, nodes: Sequence[str]) -> SignalHistory:
        """The history that `lines` wrote, every float as it was.

        Raises:
            ValueError: a row is not what `lines` writes, or epochs are incomplete.
        """
        history = cls(nodes)
        with path.open(encoding="utf-8", newline="") as handle:
            header, *rows = list(csv.reader(handle)) or [[]]
        if tuple(header) != COLUMNS:
            raise ValueError(f"{path.name} does not begin with {','.join(COLUMNS)}")
        for start in range(0, len(rows), len(history.nodes)):
            epoch = rows[start : start + len(history.nodes)]
            if tuple(row[1] for row in epoch) != history.nodes:
                raise ValueError(f"{path.name} does not list every node once per epoch")
            history._epochs.append(np.array([[float(cell) for cell in row[2:]] for row in epoch]))
        return history

    def frame(self) -> pd.DataFrame:
        """All epochs as a DataFrame with the columns `COLUMNS`."""
        import pandas as pd

        epochs = len(self._epochs)
        values = np.concatenate(self._epochs) if epochs else np.zeros((0, 3))
        index = np.repeat(np.arange(epochs), len(self.nodes))
        return pd.DataFrame(
            {"epoch": index, "node": list(self.nodes) * epochs}
            | {name: values[:, column] for column, name in enumerate(COLUMNS[2:])}
        )

    def total(self, epoch: int) -> float:
        """Surprise of all nodes together after an epoch, nats."""
        return math.fsum(self._epochs[epoch][:, 0].tolist())

    def __len__(self) -> int:
        return len(self._epochs)


def quote(text: str) -> str:
    """A CSV field, quoted where it must be (RFC 4180)."""
    if any(mark in text for mark in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text
