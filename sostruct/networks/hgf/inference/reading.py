"""What a fit is given: inputs and responses of one subject or of many, checked and padded to one length.

Subjects of unequal length are padded at the end. A padded step has no input and no response, so nothing in it is
scored; it lasts next to no time, so that no belief drifts away before the series is over. Where a node's autoconnection
is negative, which such a step cannot have, padded steps last as long as any.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sostruct.errors import DataError
from sostruct.networks.hgf.inference.objective import Subject
from sostruct.networks.hgf.inference.responses import AbstractResponse
from sostruct.networks.hgf.inputs import Series, by_subject
from sostruct.networks.hgf.runner import Runner
from sostruct.networks.hgf.variables.names import Variable
from sostruct.tasks.base import listed

_INSTANT = 1e-9
"""Time that a padded step takes, in units of time."""


@final
@dataclass(frozen=True, eq=False)
class Panel:
    """Data of one subject or of many.

    Attributes:
        variables: what the inputs are parts of.
        values: NaN where missing or padded [subject, time, input].
        time_steps: as the filter takes them [subject, time], or None.
        responses: NaN where missing or padded [subject, time], or None.
        lengths: steps of each subject.
        indices: labels of each subject's steps.
        subjects: labels of the subjects, or None where there is one series.
        irregular: whether time steps were given that differ from 1.
    """

    variables: tuple[Variable, ...]
    values: NDArray[np.float64]
    time_steps: NDArray[np.float64] | None
    responses: NDArray[np.float64] | None
    lengths: tuple[int, ...]
    indices: tuple[pd.Index, ...]
    subjects: tuple[Any, ...] | None
    irregular: bool

    @property
    def labels(self) -> tuple[Any, ...]:
        """Labels of the subjects; 0 for one series."""
        return (0,) if self.subjects is None else self.subjects

    @property
    def complete(self) -> bool:
        """Whether no input is missing."""
        return not np.isnan(self.values).any()

    @property
    def explained(self) -> NDArray[np.float64]:
        """What a fit explains: responses, or inputs where there are none."""
        return self.values if self.responses is None else self.responses

    @property
    def scored(self) -> NDArray[np.float64]:
        """How many numbers of each subject are explained: responses, or observations, a label being one."""
        there = ~np.isnan(self.explained)
        if self.responses is not None:
            return np.asarray(there.sum(-1), np.float64)
        seen = [there[..., list(one.positions)].any(-1).sum(-1) * len(one.columns) for one in self.variables]
        return np.asarray(np.sum(seen, axis=0), np.float64)

    def regular(self) -> Panel:
        """The same with padded steps as long as any, where all others are 1."""
        return self if self.irregular else replace(self, time_steps=None)

    def arrays(self) -> Subject:
        """As an objective takes them."""
        if self.responses is None:
            return Subject(self.values, self.time_steps, None, None)
        present = ~np.isnan(self.responses)
        first = self.responses[np.arange(len(present)), present.argmax(-1)]
        return Subject(self.values, self.time_steps, np.where(present, self.responses, first[:, None]), present)

    def series(self, number: int) -> Series:
        """What one subject saw, by its number, without padding, as a filter reads it."""
        length, elapsed = self.lengths[number], None
        if self.irregular and self.time_steps is not None:
            elapsed = self.time_steps[number, :length]
        return Series(self.values[number, :length], elapsed, self.indices[number], None)


def read_panel(
    runner: Runner, inputs: Any, time_steps: Any, responses: Any, response: AbstractResponse | None
) -> Panel:
    """Checked data.

    Args:
        runner: of the network.
        inputs: as in `HGF.filter`; members of a dict may differ in length.
        time_steps: as in `HGF.filter`.
        responses: [time], [subject, time], a dict of subject -> [time], or a column with the index (subject, time); NaN
            where missing; None.
        response: which knows what a response can be.

    Raises:
        DataError: see `HGF.filter`; or responses are not as long as inputs, are not what the model explains, or a
            subject has nothing to be explained.
    """
    inputs, responses = by_subject(inputs), by_subject(responses)
    if isinstance(inputs, Mapping) and _ragged(inputs):
        panel = _padded(runner, inputs, time_steps)
    else:
        panel = _whole(runner.read(inputs, time_steps), runner.reader.variables)
    if response is not None:
        panel = _with_responses(panel, responses, response)
    counts = panel.scored
    if not counts.all():
        what = "inputs" if response is None else "responses"
        who = "" if panel.subjects is None else f" of subject {panel.labels[int(np.argmin(counts))]!r}"
        raise DataError(
            f"Cannot fit the {what}{who}. This is because all of them are missing. Try leaving "
            f"{'the subject out' if who else 'missing values out'}, or check how they were read."
        )
    return panel


def _ragged(inputs: Mapping[Any, Any]) -> bool:
    lengths = {len(one) for one in inputs.values() if hasattr(one, "__len__")}
    return len(lengths) > 1


def _whole(series: Series, variables: tuple[Variable, ...]) -> Panel:
    values = series.values if series.values.ndim == 3 else series.values[None]
    elapsed = series.time_steps
    if elapsed is not None:
        elapsed = np.array(np.broadcast_to(elapsed, values.shape[:2]))
    count = len(values)
    lengths, indices = (values.shape[1],) * count, (series.index,) * count
    return Panel(variables, values, elapsed, None, lengths, indices, series.subjects, elapsed is not None)


def _padded(runner: Runner, inputs: Mapping[Any, Any], time_steps: Any) -> Panel:
    subjects = tuple(inputs)
    if time_steps is not None and (not isinstance(time_steps, Mapping) or set(time_steps) != set(subjects)):
        raise DataError(
            "Cannot read time_steps. This is because subjects differ in length and the time steps are not given for "
            f"each of them. Try a dict with the keys {listed(subjects)}."
        )
    read = [
        runner.read({subject: one}, None if time_steps is None else {subject: time_steps[subject]})
        for subject, one in inputs.items()
    ]
    longest = max(series.values.shape[1] for series in read)
    values = np.full((len(read), longest, read[0].values.shape[-1]), np.nan)
    elapsed = np.full((len(read), longest), _INSTANT)
    for number, series in enumerate(read):
        length = series.values.shape[1]
        values[number, :length] = series.values[0]
        elapsed[number, :length] = 1.0 if series.time_steps is None else np.ravel(series.time_steps)
    irregular = any(series.time_steps is not None for series in read)
    lengths = tuple(series.values.shape[1] for series in read)
    variables = runner.reader.variables
    return Panel(variables, values, elapsed, None, lengths, tuple(one.index for one in read), subjects, irregular)


def _with_responses(panel: Panel, responses: Any, response: AbstractResponse) -> Panel:
    rows = np.full(panel.values.shape[:2], np.nan)
    for number, (label, own) in enumerate(zip(panel.labels, _by_subject(panel, responses), strict=True)):
        who = "" if panel.subjects is None else f" of subject {label!r}"
        column = _column(own, who)
        length = panel.lengths[number]
        if len(column) != length:
            raise DataError(
                f"Cannot fit the responses{who}. This is because there are {len(column)} of them and {length} steps "
                "of inputs. Try one response for each step, NaN where it is missing."
            )
        there = ~np.isnan(column)
        why = response.refusal(column[there])
        if why is not None:
            bad = next(step for step in np.flatnonzero(there) if response.refusal(column[step : step + 1]) is not None)
            raise DataError(
                f"Cannot fit the responses{who}. This is because {why}, in step {bad} (counting from 0). Try recoding "
                "the responses, or NaN where one is missing."
            )
        rows[number, :length] = column
    return replace(panel, responses=rows)


def _by_subject(panel: Panel, responses: Any) -> list[Any]:
    """Each subject's own, in the order of the subjects."""
    if isinstance(responses, Mapping):
        if panel.subjects is None or set(responses) != set(panel.subjects):
            raise DataError(
                f"Cannot fit the responses. This is because they are given for {listed(responses)} and the inputs for "
                f"{'one series' if panel.subjects is None else listed(panel.subjects)}. Try the same keys for both."
            )
        return [responses[subject] for subject in panel.subjects]
    if panel.subjects is None:
        return [responses]
    rows = [responses] if isinstance(responses, pd.Series | pd.DataFrame) else list(responses)
    if len(rows) != len(panel.subjects):
        raise DataError(
            f"Cannot fit the responses. This is because there are {len(rows)} rows of them and {len(panel.subjects)} "
            f"subjects. Try an array [subject, time], or a dict with the keys {listed(panel.subjects)}."
        )
    return rows


def _column(responses: Any, who: str) -> NDArray[np.float64]:
    """Responses [time] as floats."""
    try:
        column = np.asarray(responses)
    except ValueError:
        column = np.asarray(None)
    if column.ndim == 2 and column.shape[1] == 1:
        column = column[:, 0]
    if column.ndim != 1 or column.dtype.kind not in "fiub":
        raise DataError(
            f"Cannot fit the responses{who}. This is because they are an array of type {column.dtype} and shape "
            f"{column.shape}, and one number is needed for each step. Try floats [time], NaN where one is missing."
        )
    own = column.astype(np.float64)
    if isinstance(responses, np.ma.MaskedArray):
        own[np.ma.getmaskarray(responses).ravel()] = np.nan
    return own
