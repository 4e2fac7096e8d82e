"""What series must be before any method sees them.

Design note. A method that is handed a constant column, a copy of another column or a gap divides by zero somewhere deep
inside, or worse, does not. So everything that no method can make sense of is refused here, once, with the user's own
names, and whatever passes is a float64 frame in which every lagged regression is well posed. The cost is a few passes
over the data; copies among p columns are found by projecting them onto three random directions and sorting, not by
comparing p^2 pairs.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.extensions import ExtensionDtype

from sostruct.errors import ConfigError, DataError, DataWarning
from sostruct.tasks.adapters import gathered, realizations
from sostruct.tasks.base import listed
from sostruct.tasks.timestamps import check_index, steps_of

_SAME = 1e-12  # two columns are copies where 1 - |correlation| is below this
_MANY = 0.6  # share of missing values from which there is a warning
_SAME_STEP = 0.01  # realizations are sampled alike where their steps differ by less, as a share
_SMALLEST, _LARGEST = 1e-100, 1e100  # squares of such numbers, and sums of them, stay well inside float64


def rows_needed(max_lag: int) -> int:
    """The fewest rows that can be searched up to `max_lag`: 10 + 2 max_lag.

    A series of T rows gives T - max_lag rows with a complete past, and at least 10 + max_lag of them are asked for, so
    that a variable's own lags can always be told from its intercept and noise.
    """
    return 10 + 2 * max_lag


def check_max_lag(max_lag: object) -> int:
    """A largest lag that makes sense.

    Raises:
        ConfigError: it is not a whole number of at least 1.
    """
    if type(max_lag) is bool or not isinstance(max_lag, Integral) or max_lag < 1:
        raise ConfigError(
            f"Cannot look for causes up to max_lag={max_lag!r}. This is because a lag is a whole number of steps, at "
            f"least 1. Try max_lag=3."
        )
    return int(max_lag)


def check_names(labels: Iterable[object]) -> tuple[str, ...]:
    """Column labels as names: every label becomes a string, and all of them differ.

    Raises:
        DataError: two labels give the same name, or one gives an empty name.
    """
    names = tuple(label if type(label) is str else str(label) for label in labels)
    if len(set(names)) < len(names):
        twice = [name for name, count in Counter(names).items() if count > 1]
        raise DataError(
            f"Cannot use these columns. This is because more than one is named {listed(twice)}. "
            f"Try giving each column a name of its own."
        )
    if not all(names):
        raise DataError(
            f"Cannot use these columns. This is because column number {names.index('') + 1} has an empty name. "
            f"Try naming it."
        )
    return names


def check_frame(data: Any, max_lag: int, *, gaps: bool = False) -> pd.DataFrame:
    """Series that can be searched for causes up to a lag, as a float64 frame of their own.

    Args:
        data: a DataFrame or an array [time x node], or several realizations (`adapters.gathered`). Labels that are no
            strings become strings. Integers and booleans become floats. An index of times, periods or numbers must
            be in order and equally spaced, in every realization alike.
        max_lag: the largest lag, in rows.
        gaps: whether values may be missing. A warning says so where most are.

    Returns:
        a new frame [time x node] with the same index; of several realizations, with an index (realization, time).

    Raises:
        ConfigError: `max_lag` is not a whole number of at least 1.
        DataError: a name occurs twice; there is only one column, or fewer than `rows_needed(max_lag)` rows; a column
            is not numeric, holds missing or infinite values, is constant (throughout, or within a lagged window), or
            is a copy of another up to offset and scale; or the times of the rows are out of order or unequally spaced.
    """
    max_lag = check_max_lag(max_lag)
    frame = gathered(data)
    names = check_names(frame.columns)
    rows, columns = frame.shape
    if rows == 0 and columns == 0:
        raise DataError("Cannot use this frame. This is because it is empty. Try at least two columns of numbers.")
    if columns < 2:
        raise DataError(
            f"Cannot look for causes among {columns} column{'' if columns else 's'}. This is because a cause and its "
            f"effect need one each. Try at least two columns."
        )
    values = check_numbers(frame, names)
    lengths = _check_rows(frame, max_lag)
    _check_finite(values, names, frame.index, gaps=gaps)
    filled = values if not gaps else _filled(values, names)
    _check_varying(np.split(filled, np.cumsum(lengths)[:-1]), names, max_lag)
    _check_distinct(filled, names)
    return pd.DataFrame(values, index=frame.index, columns=list(names), copy=True)


def _check_rows(frame: pd.DataFrame, max_lag: int) -> list[int]:
    """Times and number of the rows of every realization; returns the numbers."""
    lengths, steps = [], []
    for label, piece in realizations(frame):
        try:
            check_index(piece.index)
        except DataError as error:
            if label is None:
                raise
            raise DataError(f"Cannot use realization {label!r}. {error}") from None
        steps.append((label, steps_of(piece.index)))
        lengths.append(len(piece))
        if label is not None and len(piece) <= max_lag:
            raise DataError(
                f"Cannot use realization {label!r} with max_lag={max_lag}. This is because it has {len(piece)} rows, "
                f"none of which has {max_lag} rows before it. Try leaving it out, or a smaller max_lag."
            )
    timed = [(label, step) for label, step in steps if step is not None]
    for label, step in timed:
        if step[0] != timed[0][1][0] or abs(step[1] - timed[0][1][1]) > _SAME_STEP * abs(step[1]):
            raise DataError(
                f"Cannot use realizations {timed[0][0]!r} and {label!r} together. This is because the steps between "
                "their rows differ, and a lag counts rows. Try resampling one of them first."
            )
    several = len(lengths)
    rows = sum(lengths)
    possible = (rows - 10) // (several + 1)
    if rows - several * max_lag < 10 + max_lag:
        lower = f", or max_lag={possible}" if possible >= 1 else ""
        needed = f"{rows_needed(max_lag)} rows are needed: 10 + 2 max_lag"
        if several > 1:
            needed = (
                f"{10 + (several + 1) * max_lag} are needed: 10 + max_lag, and max_lag more in each of the {several} "
                "realizations"
            )
        raise DataError(
            f"Cannot search {rows} rows up to max_lag={max_lag}. This is because {needed}. Try at least that "
            f"many{lower}."
        )
    return lengths


def check_numbers(frame: pd.DataFrame, names: Sequence[str]) -> NDArray[np.float64]:
    """The columns of a frame as float64 [time x node], with NaN where a value is missing.

    Raises:
        DataError: a column does not hold real numbers.
    """
    kinds = set(frame.dtypes)
    if not all(_is_real(kind) for kind in kinds):
        bad = [position for position, kind in enumerate(frame.dtypes) if not _is_real(kind)]
        cells = frame.iloc[:, bad[0]]
        row = next((row for row, cell in enumerate(cells) if not _is_number(cell)), 0)
        others = f" (and so do {listed(names[position] for position in bad[1:])})" if bad[1:] else ""
        example = f", such as {cells.iloc[row]!r} in row {row} (counting from 0)" if len(cells) else ""
        raise DataError(
            f"Cannot use column {names[bad[0]]!r}. This is because it holds values of type {cells.dtype}{example}"
            f"{others}, and only real numbers can be used. Try converting it to numbers, dropping it, or, if it holds "
            f"the times of the rows, making it the index."
        )
    if all(isinstance(kind, np.dtype) for kind in kinds):
        with np.errstate(over="ignore"):
            return frame.to_numpy(dtype=np.float64)
    return frame.to_numpy(dtype=np.float64, na_value=np.nan)


def _is_real(kind: np.dtype[np.generic] | ExtensionDtype) -> bool:
    if isinstance(kind, pd.CategoricalDtype):
        return False
    if pd.api.types.is_bool_dtype(kind):
        return True
    return pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_complex_dtype(kind)


def _is_number(cell: object) -> bool:
    try:
        float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return False
    return not isinstance(cell, str)


def _filled(values: NDArray[np.float64], names: Sequence[str]) -> NDArray[np.float64]:
    """The values with the mean of its column in place of each that is missing, for checks of what is there."""
    absent = np.isnan(values)
    empty: NDArray[np.bool_] = absent.sum(axis=0) == len(values)
    for column in _where(empty):
        raise DataError(
            f"Cannot use column {names[column]!r}. This is because all of its values are missing. Try leaving it out."
        )
    share = float(absent.mean())
    if share > _MANY:
        warnings.warn(
            f"{share:.0%} of the values are missing. What is left may not decide between graphs: look at "
            "`probability`, and try a smaller max_lag, fewer series or rows from a better recorded stretch.",
            DataWarning,
            stacklevel=2,
        )
    return np.where(absent, np.nanmean(values, axis=0), values) if absent.any() else values


def _check_finite(values: NDArray[np.float64], names: Sequence[str], index: pd.Index, *, gaps: bool) -> None:
    if np.isfinite(values).all():
        return
    missing = np.isnan(values).sum(axis=0)
    infinite = np.isinf(values)
    if infinite.any():
        column = int(infinite.any(axis=0).argmax())
        row = int(infinite[:, column].argmax())
        place = "" if isinstance(index, pd.RangeIndex) else f", at {index[row]}"
        raise DataError(
            f"Cannot use column {names[column]!r}. This is because it is infinite in row {row} (counting from "
            f"0{place}). Try replacing or removing such rows."
        )
    if gaps:
        return
    columns = _where(missing > 0)
    counts = ", ".join(f"{names[column]!r} ({missing[column]})" for column in columns[:12])
    more = f" and {len(columns) - 12} more columns" if len(columns) > 12 else ""
    raise DataError(
        f"Cannot use series with missing values. This is because {int(missing.sum())} are missing, in {counts}{more}, "
        f"and missing data are not supported yet. Try interpolating them, or keeping a stretch without gaps."
    )


def _check_varying(segments: Sequence[NDArray[np.float64]], names: Sequence[str], max_lag: int) -> None:
    """Every column must vary in each window that a lagged regression reads, rows max_lag - lag to T - 1 - lag of every
    realization."""
    values = segments[0] if len(segments) == 1 else np.concatenate(segments)
    lowest, highest = values.min(axis=0), values.max(axis=0)
    size = np.maximum(np.abs(lowest), np.abs(highest))
    span = highest * 0.5 - lowest * 0.5
    for column in _where((size > _LARGEST) | ((span < _SMALLEST) & (span > 0))):
        raise DataError(
            f"Cannot use column {names[column]!r}. This is because its values, up to {size[column]:.3g} in size and "
            f"{2 * span[column]:.3g} apart, have squares that floating-point numbers cannot hold. Try other units."
        )
    for column in _where(span <= 64 * np.finfo(np.float64).eps * size):
        exactly = "has the same value everywhere" if span[column] == 0 else "differs by no more than rounding"
        raise DataError(
            f"Cannot use column {names[column]!r}. This is because it is constant: it {exactly}, around "
            f"{values[0, column]:.6g}. Try leaving it out, or subtracting its offset where it was written."
        )
    core = np.concatenate([table[max_lag : max(max_lag, len(table) - max_lag)] for table in segments])
    unvarying = core.min(axis=0) == core.max(axis=0) if len(core) else np.ones(len(names), bool)
    for column in _where(unvarying):
        for lag in range(max_lag + 1):
            window = np.concatenate([table[max_lag - lag : len(table) - lag, column] for table in segments])
            if window.min() == window.max():
                last = f"{len(values) - 1 - lag}" if len(segments) == 1 else f"the last but {lag}"
                where = " of every realization" if len(segments) > 1 else ""
                raise DataError(
                    f"Cannot use column {names[column]!r} with max_lag={max_lag}. This is because it is constant in "
                    f"rows {max_lag - lag} to {last} (counting from 0){where}, which is all that "
                    f"{f'its lag {lag}' if lag else 'a prediction of it'} sees. Try leaving it out, or a smaller "
                    f"max_lag."
                )


def _check_distinct(values: NDArray[np.float64], names: Sequence[str]) -> None:
    """No column may be another one times a number plus a number.

    Columns of mean 0 and norm 1 that agree up to sign to a distance d agree in |projection| onto any unit vector to
    d, so copies are neighbors once projections are sorted; two further projections discard chance neighbors and the
    rest is compared in full.
    """
    unit = values - values.mean(axis=0)
    unit /= np.sqrt(np.einsum("tj,tj->j", unit, unit))
    directions = np.random.default_rng(0).standard_normal((3, len(unit)))
    directions /= np.sqrt((directions**2).sum(axis=1, keepdims=True))
    projections = np.abs(directions @ unit)
    tolerance = 2 * np.sqrt(2 * _SAME)
    order = np.argsort(projections[0], kind="stable")
    ranked = projections[:, order]
    for ahead in range(1, len(order)):
        near = np.abs(ranked[:, ahead:] - ranked[:, :-ahead]) < tolerance
        if not near[0].any():
            return
        for position in _where(near.all(axis=0)):
            one, other = sorted((int(order[position]), int(order[position + ahead])))
            correlation = float(unit[:, one] @ unit[:, other])
            if 1 - abs(correlation) < _SAME:
                raise DataError(
                    f"Cannot tell columns {names[one]!r} and {names[other]!r} apart. This is because "
                    f"{_relation(values[:, one], values[:, other], correlation)}. Try leaving one of them out."
                )


def _relation(one: NDArray[np.float64], other: NDArray[np.float64], correlation: float) -> str:
    if np.array_equal(one, other):
        return "they are identical"
    if np.array_equal(one, -other):
        return "one is the negative of the other"
    return f"one is the other times a {'positive' if correlation > 0 else 'negative'} number plus an offset"


def _where(columns: NDArray[np.bool_]) -> list[int]:
    found: list[int] = np.flatnonzero(columns).tolist()
    return found
