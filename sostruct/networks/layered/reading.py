"""How rows of a table become inputs and targets: which columns, which classes, and which rows are held out.

Everything that no network can learn from is refused here, by name and before any work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sostruct.errors import ConfigError, DataError
from sostruct.networks.layered.packed import LayeredData
from sostruct.tasks.base import listed, series_names
from sostruct.tasks.checks import check_names, check_numbers

Label: TypeAlias = str | int | float | bool


@final
@dataclass(frozen=True)
class Reading:
    """Which columns are features, which are targets, and which rows are held out.

    Attributes:
        features: columns in the order of the inputs.
        targets: columns that are predicted; one for classes.
        classes: the labels, in the order of the output's units; empty for a regression.
        validation: share of the rows held out of learning, of every class alike; 0 for none.
        seed: of which rows these are.

    Raises:
        ConfigError: the share is none.
    """

    features: tuple[str, ...]
    targets: tuple[str, ...]
    classes: tuple[Label, ...] = ()
    validation: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.0 <= self.validation < 1.0:
            raise ConfigError(
                f"Cannot hold out validation={self.validation} of the rows. This is because it is a share of them, and "
                "some must be left to learn. Try 0.15, or 0 for none."
            )

    def data(self, frame: pd.DataFrame) -> LayeredData:
        """Inputs and targets of a table with all these columns.

        Raises:
            DataError: a column is missing, holds no numbers or missing ones, or labels outside the classes; or there
                are too few rows.
        """
        inputs, target = self.inputs(frame), self.target(frame)
        heldout = self._heldout(target)
        if len(inputs) - int(heldout.sum()) < 2:
            raise DataError(
                f"Cannot learn from {len(inputs)} rows, {int(heldout.sum())} of them held out. This is because a "
                "network needs at least two. Try more rows, or validation=0."
            )
        return LayeredData(inputs[~heldout], target[~heldout], inputs[heldout], target[heldout])

    def inputs(self, data: Any) -> NDArray[np.float32]:
        """The features of a table, or of an array in their order [row, column].

        Raises:
            DataError: see `data`.
        """
        frame = framed(data, self.features)
        _check_columns(frame, self.features, "features")
        return _numbers(frame, self.features)

    def target(self, frame: pd.DataFrame) -> NDArray[Any]:
        """The targets of a table: values [row, unit] or classes by number [row].

        Raises:
            DataError: see `data`.
        """
        _check_columns(frame, self.targets, "targets")
        if not self.classes:
            return _numbers(frame, self.targets)
        labels = frame[self.targets[0]]
        if labels.isna().any():
            raise DataError(
                f"Cannot use the labels {self.targets[0]!r}. This is because row "
                f"{int(labels.isna().to_numpy().argmax())} (counting from 0) has none. Try leaving it out."
            )
        places = {label: place for place, label in enumerate(self.classes)}
        own = [plain(label) for label in labels.tolist()]
        foreign = [label for label in dict.fromkeys(own) if label not in places]
        if foreign:
            raise DataError(
                f"Cannot use the labels {self.targets[0]!r}. This is because {listed(foreign)} "
                f"{'is' if len(foreign) == 1 else 'are'} none of the classes. Try one of {listed(self.classes)}."
            )
        return np.array([places[label] for label in own], np.int32)

    def _heldout(self, target: NDArray[Any]) -> NDArray[np.bool_]:
        """Which rows are held out: of every class the same share, drawn from the seed."""
        found = np.zeros(len(target), np.bool_)
        if self.validation == 0.0:
            return found
        generator = np.random.default_rng(self.seed)
        groups = [np.flatnonzero(target == place) for place in range(len(self.classes))] or [np.arange(len(target))]
        for rows in groups:
            count = round(self.validation * len(rows))
            found[generator.permutation(rows)[:count]] = True
        return found


def plain(label: Any) -> Label:
    """A label as Python's own: one that JSON can hold."""
    found: Label = label.item() if isinstance(label, np.generic) else label
    return found


def classes_of(labels: Sequence[Any], name: str) -> tuple[Label, ...]:
    """The different labels, sorted.

    Raises:
        DataError: there are fewer than two, one is missing, or they cannot be sorted or are none of numbers and text.
    """
    found = {plain(label) for label in labels}
    wrong = [label for label in found if not isinstance(label, (str, int, float, bool)) or label != label]
    if wrong:
        raise DataError(
            f"Cannot use the labels {name!r}. This is because {wrong[0]!r} is among them. Try text or whole numbers, "
            "and leaving rows without a label out."
        )
    if len(found) < 2:
        raise DataError(
            f"Cannot tell classes apart. This is because the labels {name!r} are of {len(found)} class. Try rows of at "
            "least two."
        )
    try:
        return tuple(sorted(found))
    except TypeError:
        raise DataError(
            f"Cannot use the labels {name!r}. This is because they mix text and numbers. Try labels of one kind."
        ) from None


def framed(data: Any, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Rows as a table: an array's columns are `names`, else x0, x1, ...

    Raises:
        DataError: it is no table [row, column], or has another number of columns than names.
    """
    if isinstance(data, pd.DataFrame):
        return data.set_axis(list(check_names(data.columns)), axis=1)
    array = np.asarray(data)
    if array.ndim != 2:
        raise DataError(
            f"Cannot use an array with {array.ndim} dimensions. This is because a table has rows and columns. Try an "
            "array of shape (row, column)."
        )
    names = series_names(array.shape[1]) if names is None else names
    if len(names) != array.shape[1]:
        raise DataError(
            f"Cannot use {array.shape[1]} columns. This is because the network has {len(names)} features: "
            f"{listed(names)}. Try a column for each, in that order."
        )
    return pd.DataFrame(array, columns=list(names))


def _check_columns(frame: pd.DataFrame, names: Sequence[str], what: str) -> None:
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise DataError(
            f"Cannot use this table. This is because it lacks {what} of the network: {listed(missing)}. Try the "
            f"columns {listed(names)}."
        )


def _numbers(frame: pd.DataFrame, names: Sequence[str]) -> NDArray[np.float32]:
    values = check_numbers(frame[list(names)], tuple(names))
    bad = ~np.isfinite(values)
    if bad.any():
        row, column = (int(place) for place in np.argwhere(bad)[0])
        what = "missing" if np.isnan(values[row, column]) else "infinite"
        raise DataError(
            f"Cannot use column {names[column]!r}. This is because its value in row {row} (counting from 0) is {what}. "
            "Try leaving the row out, or filling the gap."
        )
    return values.astype(np.float32)
