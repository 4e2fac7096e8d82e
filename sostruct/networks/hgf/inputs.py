"""What a belief network is fed: series read once, checked once, and kept as plain float64.

Design note. A filter accepts gaps and irregular steps, so almost any array runs; what it cannot tell is a column that
stands in the wrong place, an outcome coded 1 and 2, rows in the wrong order, or a time step of zero. All of that is
refused here, before anything is compiled, in the user's own names. Columns of a frame are matched by name and never by
position; a column of a variable that is several inputs becomes theirs last. A plain array costs a copy and two passes,
since a fit reads its series again and again.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sostruct.errors import DataError
from sostruct.networks.hgf.kinds.base import AbstractInput
from sostruct.networks.hgf.variables.names import Variable, columns_of, variables_of
from sostruct.networks.hgf.variables.reading import is_labeled, numbered, spread
from sostruct.tasks.base import listed
from sostruct.tasks.checks import check_names, check_numbers
from sostruct.tasks.timestamps import check_index

_BECAUSE = ". This is because"


@final
@dataclass(frozen=True, eq=False)
class Series:
    """Observations in the order of a network's inputs, one for each of them; the arrays are read-only.

    Attributes:
        values: [time, input] or [subject, time, input], NaN where missing.
        time_steps: elapsed time before each step [time] or [subject, time], or None where it is 1 throughout.
        index: labels of the steps: a frame's own, else 0, 1, 2 ...
        subjects: labels of the subjects, or None where there is one series.
    """

    values: NDArray[np.float64]
    time_steps: NDArray[np.float64] | None
    index: pd.Index
    subjects: tuple[Any, ...] | None


@final
@dataclass(frozen=True)
class Reader:
    """What is to be read.

    Attributes:
        variables: what the columns say something about.
        columns: of the data, in order.
        kinds: of each column.
        labeled: the variables whose columns hold labels, by column.
    """

    variables: tuple[Variable, ...]
    columns: tuple[str, ...]
    kinds: Mapping[str, AbstractInput]
    labeled: Mapping[str, Variable]

    @classmethod
    def of(cls, inputs: Sequence[str], kinds: Mapping[str, AbstractInput]) -> Reader:
        """For the inputs of a network, each of which is a column, but that parts of one variable share its columns.

        Args:
            inputs: their names; see `variables.names` for those of parts.
            kinds: the kind of each, which knows the values it can observe.

        Raises:
            GraphError: see `variables.names.variables_of`.
        """
        variables = variables_of(inputs, kinds)
        return cls(
            variables,
            columns_of(variables),
            {column: variable.kind for variable in variables for column in variable.columns},
            {variable.name: variable for variable in variables if is_labeled(variable)},
        )


def read_series(reader: Reader, data: Any, time_steps: Any) -> Series:
    """Series that a network with these inputs can be run on.

    Args:
        reader: knows the inputs.
        data: an array [time] (one column), [time, column] or [subject, time, column]; a DataFrame with these columns,
            in any order; a pandas Series (one column); or a dict of subject -> any of these, equally long. NaN is a
            missing value. Integers and booleans become floats. A categorical variable's column holds its labels. An
            index of two levels, the first of them named "subject", is several subjects as well.
        time_steps: elapsed time before each step, all positive: [time], [subject, time], or a dict of subject ->
            [time]; None where steps are equally long. Times in a frame's index are labels and not read for this.

    Raises:
        DataError: dimensions, columns or lengths do not fit, a column does not hold real numbers, a value is infinite
            or not one that its input can observe, timestamps are out of order, or a time step is not positive.
    """
    subjects: tuple[Any, ...] | None
    data = by_subject(data)
    if isinstance(data, Mapping):
        values, index, subjects = _panel(reader, data)
    else:
        values, index = _one(reader, data, panel=True)
        subjects = tuple(range(len(values))) if values.ndim == 3 else None
    values = spread(reader.variables, values)
    elapsed = None if time_steps is None else read_time_steps(time_steps, values.shape[:-1], subjects)
    values.flags.writeable = False
    return Series(values, elapsed, index, subjects)


def by_subject(data: Any) -> Any:
    """A frame or column whose index is (subject, time) as a dict of subject -> its own; anything else as it is."""
    if isinstance(data, pd.DataFrame | pd.Series) and data.index.nlevels == 2 and data.index.names[0] == "subject":
        return {subject: one.droplevel(0) for subject, one in data.groupby(level=0, sort=False)}
    return data


def read_time_steps(
    time_steps: Any, shape: tuple[int, ...], subjects: tuple[Any, ...] | None
) -> NDArray[np.float64] | None:
    """Elapsed times for series of a shape [time] or [subject, time], or None where all are 1; see `read_series`.

    Raises:
        DataError: they do not fit the series, or one is not positive.
    """
    if isinstance(time_steps, Mapping):
        if subjects is None or set(time_steps) != set(subjects):
            raise DataError(
                f"Cannot read time_steps. This is because they are given for {listed(time_steps)} and the "
                f"series for {'no subjects' if subjects is None else listed(subjects)}. "
                f"Try one array for each subject, or one array for all."
            )
        rows = []
        for subject in subjects:
            with _of(f"subject {subject!r}"):
                rows.append(_steps(time_steps[subject], shape[-1:]))
        elapsed = np.stack(rows)
    else:
        elapsed = _steps(time_steps, shape)
    if (elapsed == 1.0).all():
        return None
    elapsed.flags.writeable = False
    return elapsed


def _panel(reader: Reader, data: Mapping[Any, Any]) -> tuple[NDArray[np.float64], pd.Index, tuple[Any, ...]]:
    """Subjects stacked; the index is theirs where they share one, else a count."""
    if not data:
        raise DataError(
            "Cannot read the series. This is because the dict of subjects is empty. Try {'subject 1': frame}."
        )
    subjects = tuple(data)
    if set(subjects) == set(reader.columns) and not any(isinstance(one, pd.DataFrame) for one in data.values()):
        raise DataError(
            f"Cannot read the series. This is because the keys of the dict are the network's inputs "
            f"({listed(reader.columns)}), and keys are taken for subjects. Try pandas.DataFrame(data)."
        )
    read = []
    for subject, one in data.items():
        with _of(f"subject {subject!r}"):
            read.append(_one(reader, one))
    first = len(read[0][0])
    for subject, (values, _) in zip(subjects, read, strict=True):
        if len(values) != first:
            raise DataError(
                f"Cannot run subjects of unequal length together. This is because {subjects[0]!r} has {first} steps "
                f"and {subject!r} has {len(values)}. Try padding the shorter ones with NaN at the end, which counts "
                f"as missing and adds no surprise."
            )
    index = read[0][1]
    if not all(index.equals(other) for _, other in read[1:]):
        index = pd.RangeIndex(first)
    return np.stack([values for values, _ in read]), index, subjects


def _one(reader: Reader, data: Any, panel: bool = False) -> tuple[NDArray[np.float64], pd.Index]:
    """Values [time, column], or [subject, time, column] where a panel may be; and the labels of the steps."""
    inputs = reader.columns
    if isinstance(data, pd.DataFrame):
        values, index = _of_frame(reader, data, inputs), data.index
    elif isinstance(data, pd.Series):
        values, index = _of_frame(reader, data.to_frame(inputs[0]), inputs[:1]), data.index
    else:
        values, index = _of_labels(reader, data, panel) if reader.labeled else _of_array(data), None
    values = _shaped(inputs, values, panel)
    if index is None:
        index = pd.RangeIndex(values.shape[-2])
    else:
        _check_order(index)
    if values.ndim == 2:
        _check_values(inputs, values, reader.kinds, index)
    else:
        for number, one in enumerate(values):
            with _of(f"subject {number}"):
                _check_values(inputs, one, reader.kinds, index)
    return values, index


def _of_frame(reader: Reader, frame: pd.DataFrame, inputs: tuple[str, ...]) -> NDArray[np.float64]:
    names = check_names(frame.columns)
    if names != inputs:
        missing, extra = [name for name in inputs if name not in names], [name for name in names if name not in inputs]
        if missing or extra:
            faults = [f"it has no column {listed(missing)}"] * bool(missing)
            faults += [f"{listed(extra)} {'is' if len(extra) == 1 else 'are'} no input"] * bool(extra)
            view = "inputs" if all(variable.labels == ("",) for variable in reader.variables) else "columns"
            advice = "renaming its columns" if missing else f"leaving out the others: frame[list(net.{view})]"
            raise DataError(
                f"Cannot read the frame. This is because {' and '.join(faults)} of the network, whose inputs are "
                f"{listed(inputs)}. Try {advice}."
            )
        frame = frame.iloc[:, [names.index(name) for name in inputs]]
    if reader.labeled:
        frame = frame.set_axis(list(inputs), axis=1)
        own = {name: variable for name, variable in reader.labeled.items() if name in inputs}
        frame = frame.assign(**{name: numbered(variable, frame[name]) for name, variable in own.items()})
    values = check_numbers(frame, inputs)
    return np.array(values, order="C") if len(values) else values


def _of_labels(reader: Reader, data: Any, panel: bool) -> NDArray[np.float64]:
    """An array with columns of labels, as a frame for every subject."""
    try:
        known = np.asarray(data)
        mixed = np.array(data if known.dtype.kind not in "fiub" else known, object)
    except ValueError:
        return _of_array(data)
    if isinstance(data, np.ma.MaskedArray):
        mixed[np.ma.getmaskarray(data)] = None
    if mixed.ndim == 1:
        mixed = mixed[:, None]
    if mixed.ndim not in (2, 3) or mixed.shape[-1] != len(reader.columns):
        return _shaped(reader.columns, np.zeros(mixed.shape), panel)
    tables = mixed.reshape(-1, *mixed.shape[-2:])
    read = []
    for number, table in enumerate(tables):
        frame = pd.DataFrame(table, columns=list(reader.columns)).infer_objects()
        if mixed.ndim == 2:
            return _of_frame(reader, frame, reader.columns)
        with _of(f"subject {number}"):
            read.append(_of_frame(reader, frame, reader.columns))
    return np.stack(read)


def _of_array(data: Any) -> NDArray[np.float64]:
    try:
        array = np.asarray(data)
    except ValueError:
        raise DataError(
            "Cannot read the series. This is because its rows have unequal lengths. Try an array [time, input] with "
            "NaN where a value is missing."
        ) from None
    if array.dtype.kind not in "fiub":
        raise DataError(
            f"Cannot read the series. This is because it holds values of type {array.dtype}, and only real numbers "
            f"can be observed. Try converting it to float64, with NaN where a value is missing."
        )
    with np.errstate(over="ignore"):
        values = np.array(array, np.float64, order="C")
    if isinstance(data, np.ma.MaskedArray):
        values[np.ma.getmaskarray(data)] = np.nan
    return values


def _shaped(inputs: tuple[str, ...], values: NDArray[np.float64], panel: bool) -> NDArray[np.float64]:
    count = len(inputs)
    if values.ndim == 1 and count == 1:
        values = values[:, None]
    if values.ndim not in ((2, 3) if panel else (2,)):
        shapes = (["[time]"] if count == 1 else []) + ["[time, input]"] + (["[subject, time, input]"] if panel else [])
        raise DataError(
            f"Cannot read the series. This is because it has {values.ndim} dimension{'' if values.ndim == 1 else 's'} "
            f"and the network {count} input{'' if count == 1 else 's'} ({listed(inputs)}). "
            f"Try an array {' or '.join(shapes)}."
        )
    if values.shape[-1] != count:
        hint = ", or data[..., None] if each row is a subject" if count == 1 and values.ndim == 2 else ""
        raise DataError(
            f"Cannot read the series. This is because it has {values.shape[-1]} columns and the network {count} "
            f"input{'' if count == 1 else 's'} ({listed(inputs)}). Try one column for each{hint}."
        )
    if 0 in values.shape:
        raise DataError("Cannot read the series. This is because it is empty. Try at least one step.")
    return values


def _check_order(index: pd.Index) -> None:
    if isinstance(index, pd.MultiIndex):
        raise DataError(
            "Cannot read the frame. This is because its index has several levels, and one series of steps is needed. "
            "Try a dict of subject to frame: {name: one.droplevel(0) for name, one in frame.groupby(level=0)}."
        )
    if isinstance(index, (pd.DatetimeIndex, pd.PeriodIndex, pd.TimedeltaIndex)):
        check_index(index, equally_spaced=False)


def _check_values(
    inputs: Sequence[str], values: NDArray[np.float64], kinds: Mapping[str, AbstractInput], index: pd.Index
) -> None:
    for column, name in enumerate(inputs):
        numbers = values[:, column]
        missing = np.isnan(numbers)
        seen = numbers[~missing] if missing.any() else numbers
        refusal = kinds[name].refusal
        if not _refused(refusal, seen):
            continue
        bad = bisect_left(range(len(seen)), True, key=lambda at: _refused(refusal, seen[: at + 1]))
        step = int(np.flatnonzero(~missing)[bad])
        place = "" if isinstance(index, pd.RangeIndex) else f", at {index[step]}"
        why = refusal(seen[bad : bad + 1]) or f"{seen[bad]} is not a finite number"
        raise DataError(
            f"Cannot use column {name!r}. This is because {why}, in step {step} (counting from 0{place}). "
            f"Try correcting it, or NaN where the value is missing."
        )


def _refused(refusal: Callable[[NDArray[np.float64]], str | None], seen: NDArray[np.float64]) -> bool:
    return bool(np.isinf(seen).any()) or refusal(seen) is not None


def _steps(time_steps: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    try:
        array = np.asarray(time_steps)
    except ValueError:
        array = np.asarray(None)
    if array.dtype.kind not in "fiu":
        raise DataError(
            f"Cannot read time_steps. This is because they hold values of type {array.dtype}, and elapsed times are "
            f"real numbers. Try dividing durations by their unit, such as pandas.Timedelta(1, 'h')."
        )
    if array.shape not in (shape, shape[-1:]):
        wanted = f"{shape[-1]}" if len(shape) == 1 else f"{shape[-1]} or {shape}"
        raise DataError(
            f"Cannot read time_steps. This is because their shape is {array.shape} and the series has "
            f"{shape[-1]} steps. Try one elapsed time for each step: shape {wanted}."
        )
    elapsed = np.array(array, np.float64)
    wrong = ~(np.isfinite(elapsed) & (elapsed > 0.0))
    if wrong.any():
        place = tuple(int(part) for part in np.argwhere(wrong)[0])
        whose = f" of subject number {place[0]}" if len(place) == 2 else ""
        raise DataError(
            f"Cannot read time_steps. This is because step {place[-1]}{whose} (counting from 0) lasts "
            f"{elapsed[place]}, and time that elapses is positive and finite. Try removing or averaging observations "
            f"made at the same time."
        )
    return elapsed


@contextmanager
def _of(owner: str) -> Iterator[None]:
    """Say in a refusal whose data it was about."""
    try:
        yield
    except DataError as error:
        raise DataError(str(error).replace(_BECAUSE, f" of {owner}{_BECAUSE}", 1)) from None
