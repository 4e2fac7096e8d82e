"""The signals of a run, epoch by epoch, as plain columns.

Every epoch has the nodes its graph had, so growing graphs have more rows later on. What the columns are is said by the
header: belief networks add what each node believed after the epoch and the errors it made.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sostruct.surprise import Signals

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("epoch", "node", "surprise", "expected", "reducible")
"""Columns of signals.csv; the last three in nats over the epoch."""

BELIEF_COLUMNS = (*COLUMNS, "error", "precision", "volatility_error", "autocorrelation", "mean", "variance")
"""Those of a belief network: root mean square value error and mean precision of the predictions, mean volatility error,
lag-1 autocorrelation of the standardized value error; mean and variance of the belief after the epoch."""


class SignalHistory:
    """The signals of every node at every epoch.

    Attributes:
        columns: `COLUMNS` or `BELIEF_COLUMNS`, as the first epoch recorded says; `COLUMNS` before it.
    """

    def __init__(self) -> None:
        self.columns: tuple[str, ...] = COLUMNS
        self._nodes: list[tuple[str, ...]] = []
        self._epochs: list[NDArray[np.float64]] = []
        self._forgotten = 0

    def forget(self, keep: int) -> None:
        """Drops all but the last `keep` epochs; the others keep their numbers."""
        gone = max(0, len(self._epochs) - keep)
        self._forgotten += gone
        del self._epochs[:gone], self._nodes[:gone]

    def record(self, nodes: Sequence[str], signals: Signals) -> None:
        """Adds an epoch.

        Args:
            nodes: names of the rows of the signals.
            signals: what the epoch reported.

        Raises:
            ValueError: earlier epochs had beliefs and this one has none, or the other way round.
        """
        rows: list[Any] = [signals.surprise, signals.expected, signals.reducible]
        errors = signals.errors
        columns: tuple[str, ...] = COLUMNS
        if errors is not None:
            rows += [signals.error, signals.precision, errors.mean_volatility, errors.value_autocorrelation]
            rows += [errors.belief_mean, errors.belief_variance]
            columns = BELIEF_COLUMNS
        if self._epochs and columns != self.columns:
            raise ValueError("epochs with beliefs and epochs without do not go into one history")
        self._add(columns, tuple(nodes), np.stack([np.asarray(row, np.float64) for row in rows], axis=1))

    def _add(self, columns: tuple[str, ...], nodes: tuple[str, ...], values: NDArray[np.float64]) -> None:
        self.columns = columns
        # names are kept once for as long as the graph has the same
        self._nodes.append(self._nodes[-1] if self._nodes and self._nodes[-1] == nodes else nodes)
        self._epochs.append(values)

    @property
    def header(self) -> str:
        """The first CSV line."""
        return ",".join(self.columns) + "\n"

    def nodes(self, epoch: int) -> tuple[str, ...]:
        """The nodes that the graph had in an epoch."""
        return self._nodes[epoch - self._forgotten]

    def lines(self, epoch: int) -> Iterator[str]:
        """The rows of one epoch as CSV lines, floats exact."""
        for node, values in zip(self.nodes(epoch), self._epochs[epoch - self._forgotten].tolist(), strict=True):
            yield ",".join((str(epoch), quote(node), *map(repr, values))) + "\n"

    @classmethod
    def read(cls, path: Path, nodes: Sequence[str] | None = None) -> SignalHistory:
        """The history that `header` and `lines` wrote, every float as it was.

        Args:
            path: the file.
            nodes: what every epoch must list; None where they may change.

        Raises:
            ValueError: a row is not what `lines` writes, or epochs are incomplete.
        """
        history = cls()
        with path.open(encoding="utf-8", newline="") as handle:
            header, *rows = list(csv.reader(handle)) or [[]]
        columns = tuple(header)
        if columns not in (COLUMNS, BELIEF_COLUMNS):
            raise ValueError(f"{path.name} does not begin with {','.join(COLUMNS)}")
        for number, (epoch, group) in enumerate(groupby(rows, key=lambda row: row[:1])):
            own = list(group)
            names = tuple(row[1] for row in own)
            if (nodes is not None and names != tuple(nodes)) or len(set(names)) < len(names):
                raise ValueError(f"{path.name} does not list every node once per epoch")
            if epoch != [str(number)] or any(len(row) != len(columns) for row in own):
                raise ValueError(f"{path.name} has a row out of place at epoch {number}")
            history._add(columns, names, np.array([[float(cell) for cell in row[2:]] for row in own]))
        return history

    def frame(self) -> pd.DataFrame:
        """All epochs as a DataFrame with the columns `columns`."""
        import pandas as pd

        values = np.concatenate(self._epochs) if self._epochs else np.zeros((0, len(self.columns) - 2))
        index = np.repeat(np.arange(self._forgotten, len(self)), [len(nodes) for nodes in self._nodes])
        return pd.DataFrame(
            {"epoch": index, "node": [node for nodes in self._nodes for node in nodes]}
            | {name: values[:, column] for column, name in enumerate(self.columns[2:])}
        )

    def total(self, epoch: int) -> float:
        """Surprise of all nodes together after an epoch, nats."""
        return math.fsum(self._epochs[epoch - self._forgotten][:, 0].tolist())

    def __len__(self) -> int:
        return self._forgotten + len(self._epochs)


def quote(text: str) -> str:
    """A CSV field, quoted where it must be (RFC 4180)."""
    if any(mark in text for mark in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text
