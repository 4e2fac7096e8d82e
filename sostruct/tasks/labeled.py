"""Rows with a label: tasks for networks that tell classes apart, with the splits that published numbers are about.

Design note. A published accuracy belongs to a split: on the digits it moves by four points from one to another. The
folds here are those of scikit-learn's StratifiedKFold(5, shuffle=True, random_state=0), row for row, made without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sostruct.tasks.base import AbstractTask, Task, number, whole

LABEL = "label"
"""The column of labels."""

_FOLDS = 5
_ALPHABET = "0123456789abcdefg"


@final
@dataclass(frozen=True)
class Digits(AbstractTask):
    """Handwritten digits, 8 x 8 pixels between 0 and 1: 1,797 images of ten classes, a fifth of them held out.

    Columns "r0c0" to "r7c7" and "label".

    Args:
        fold: which of the five folds is held out, 0 to 4, in the order of StratifiedKFold(5, shuffle=True,
            random_state=0).

    Raises:
        ConfigError: there is no such fold.
    """

    fold: int = 0

    def __post_init__(self) -> None:
        whole("the digits", "fold", self.fold, 0)
        number("the digits", "fold", self.fold, 0, _FOLDS - 1)

    def load(self, seed: int = 0) -> Task:
        """The images; the seed changes nothing.

        Raises:
            ConfigError: the seed is not a whole number of at least 0.
        """
        whole("a task", "seed", seed, 0)
        lines = files("sostruct.tasks").joinpath("data", "digits.txt").read_text(encoding="utf-8").split()
        values = np.array([[_ALPHABET.index(mark) for mark in line] for line in lines], np.float64)
        table = pd.DataFrame(
            values[:, :-1] / 16.0, columns=[f"r{row}c{column}" for row in range(8) for column in range(8)]
        )
        table[LABEL] = values[:, -1]
        out = stratified_folds(values[:, -1].astype(np.int64), _FOLDS) == self.fold
        rows = pd.concat([table[~out], table[out]], ignore_index=True)
        count = int((~out).sum())
        return Task(
            name="digits",
            frame=rows.iloc[:count].copy(),
            truth=None,
            truth_lags=False,
            description=f"Handwritten digits of 8 x 8 pixels, fold {self.fold} of 5 held out.",
            provenance=(
                "E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits (test part), UCI Machine "
                "Learning Repository, doi:10.24432/C50P49, CC BY 4.0."
            ),
            heldout=rows.iloc[count:].copy(),
        )


def stratified_folds(labels: NDArray[np.int64], folds: int, seed: int = 0) -> NDArray[np.int64]:
    """The fold of each row, every class divided as evenly as can be, as scikit-learn's StratifiedKFold(folds,
    shuffle=True, random_state=seed) has it [row].

    Args:
        labels: of the rows.
        folds: how many.
        seed: of the legacy generator that scikit-learn draws from.
    """
    generator = np.random.RandomState(seed)  # the published folds are drawn from it
    _, first, codes = np.unique(labels, return_index=True, return_inverse=True)
    codes = np.argsort(np.argsort(first))[codes]  # classes are numbered as they come up
    ordered = np.sort(codes)
    counts = np.array([np.bincount(ordered[fold::folds], minlength=len(first)) for fold in range(folds)])
    found = np.empty(len(labels), np.int64)
    for code in range(len(first)):
        own = np.arange(folds).repeat(counts[:, code])
        generator.shuffle(own)
        found[codes == code] = own
    return found


@final
@dataclass(frozen=True)
class XOR(AbstractTask):
    """Two bits and whether exactly one of them is 1: the four rows that no linear network tells apart."""

    def load(self, seed: int = 0) -> Task:
        """The rows; the seed changes nothing.

        Raises:
            ConfigError: the seed is not a whole number of at least 0.
        """
        whole("a task", "seed", seed, 0)
        frame = pd.DataFrame({"x0": [0.0, 0.0, 1.0, 1.0], "x1": [0.0, 1.0, 0.0, 1.0], LABEL: [0.0, 1.0, 1.0, 0.0]})
        return Task("xor", frame, None, False, "Exclusive or of two bits.", "Its definition.")


@final
@dataclass(frozen=True)
class TwoSpirals(AbstractTask):
    """Two intertwined spirals of three turns each: 194 points of two classes.

    Point i of the first is at the angle i pi / 16 and the radius 6.5 (104 - i) / 104, i from 0 to 96; the second is the
    first turned by half a turn (Lang & Witbrock 1988, "Learning to tell two spirals apart").
    """

    def load(self, seed: int = 0) -> Task:
        """The points; the seed changes nothing.

        Raises:
            ConfigError: the seed is not a whole number of at least 0.
        """
        whole("a task", "seed", seed, 0)
        turn = np.arange(97)
        angle, radius = turn * np.pi / 16.0, 6.5 * (104 - turn) / 104.0
        one = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)
        points = np.concatenate([one, -one])
        frame = pd.DataFrame({"x0": points[:, 0], "x1": points[:, 1], LABEL: np.repeat([1.0, 0.0], 97)})
        return Task("two_spirals", frame, None, False, "Two spirals of 97 points each.", "Lang & Witbrock 1988.")
