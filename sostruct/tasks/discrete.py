r"""Counts and binary series: recognized, and handed on knowingly.

Design note. Regressions with Gaussian noise take any numbers, so a series of counts or of zeros and ones runs through
them without a word, although its noise grows with its level or is all there is between two values. What is done about
it is a choice of the user's, said in a warning and kept with the result:

- *counts* (whole numbers of zero or more, few of them different) are put on the scale `y = 2 sqrt(x + 3/8)`, on which a
  Poisson count has a variance of about 1 whatever its mean (Anscombe 1948, Biometrika 35); predictions are put back by
  `E[x] = (E[y]^2 + Var[y]) / 4 - 3/8`.
- *binary* series (two different values) stay as they are: a linear probability model. Its weights are differences in
  probability; its noise is not equal in size, so that evidence and intervals are approximate.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sostruct.errors import ConfigError, DataError, DataWarning
from sostruct.tasks.base import listed

DISCRETE = ("transform", "keep", "refuse")
"""What may be done with counts and binary series."""

COUNT, BINARY = "count", "binary"

MOST_VALUES = 25
"""Different values that a series of counts may have: beyond them, it is nearly continuous."""

_REPEATS = 4  # rows per different value, so that a few rounded numbers are no counts


def kinds_of(values: NDArray[np.float64]) -> tuple[str, ...]:
    """What each column is: "count", "binary", or "" for anything else [variable].

    Args:
        values: [row, variable], NaN where a value is missing.
    """
    few = values[:: max(1, len(values) // 64)]
    with np.errstate(invalid="ignore"):
        whole = (np.nan_to_num(few) == np.floor(np.nan_to_num(few))).all(axis=0)
    found = [""] * values.shape[1]
    for column in range(values.shape[1]):
        if not whole[column] and len(np.unique(few[~np.isnan(few[:, column]), column])) > 2:
            continue
        series = values[:, column]
        different = np.unique(series[~np.isnan(series)])
        if len(different) == 2:
            found[column] = BINARY
        elif (
            len(different) <= MOST_VALUES
            and len(series) >= _REPEATS * len(different)
            and different[0] >= 0
            and different[0] <= different[-1] / 4
            and (different == np.floor(different)).all()
        ):
            found[column] = COUNT
    return tuple(found)


def recognized(values: NDArray[np.float64], names: Sequence[str], discrete: str) -> tuple[str, ...]:
    """Which columns are to be transformed ("count"), with a warning that says so [variable].

    Raises:
        ConfigError: a setting that does not exist.
        DataError: some column is discrete, and they are to be refused.
    """
    if discrete not in DISCRETE:
        raise ConfigError(
            f"Cannot use discrete={discrete!r}. This is because it is one of {', '.join(DISCRETE)}. Try 'transform', "
            "which puts counts on a scale of equal noise."
        )
    kinds = kinds_of(values)
    counts, binary = ([name for name, kind in zip(names, kinds, strict=True) if kind == one] for one in (COUNT, BINARY))
    if discrete == "refuse" and counts + binary:
        raise DataError(
            f"Cannot use {listed(counts + binary)}. This is because they are counts or have two values only, and "
            "discrete='refuse'. Try discrete='transform' or 'keep', or leaving them out."
        )
    if counts:
        done = (
            "are searched as 2 sqrt(x + 3/8), on which scale the noise of a count does not grow with its mean: weights "
            "are in these units, predictions are counts. Try discrete='keep' for the numbers as they are."
            if discrete == "transform"
            else "are searched as they are, though the noise of a count grows with its mean. Try discrete='transform'."
        )
        warnings.warn(f"Counts: {listed(counts)} {done}", DataWarning, stacklevel=2)
    if binary:
        warnings.warn(
            f"Two values only: {listed(binary)}, predicted as a linear probability model. Weights are differences in "
            "probability, and evidence and intervals are approximate where probabilities come near 0 or 1. Try a "
            "finer measurement of the same, or more rows for each value.",
            DataWarning,
            stacklevel=2,
        )
    return tuple(kind if kind == COUNT and discrete == "transform" else "" for kind in kinds)


def stabilized(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Counts on the scale of equal noise; below zero, the line that goes on from zero."""
    root: NDArray[np.float64] = 2 * np.sqrt(np.maximum(values, 0.0) + 0.375)
    root += np.minimum(values, 0.0) / np.sqrt(0.375)
    return root


def destabilized(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The counts whose transforms these are: the inverse of `stabilized` down to a count of 0, and 0 below."""
    return np.asarray(np.maximum(values, 2 * np.sqrt(0.375)) ** 2 / 4 - 0.375)


def restored(mean: NDArray[np.float64], sd: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of the count whose transform is normal with these."""
    square = mean**2
    return (square + sd**2) / 4 - 0.375, sd * np.sqrt(4 * square + 2 * sd**2) / 4


def log_slope(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log derivative of the transform: what the log density of a count has more than that of its transform."""
    found: NDArray[np.float64] = -np.log(np.maximum(values, 0.0) + 0.375) / 2
    return found
