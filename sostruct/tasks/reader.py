"""A user's own file as a task: CSV and its kin, or parquet.

Design note. A file is read in two steps. Its format gives columns of numbers, text or times under the names that it
holds; then one of them may turn out to be the clock, and the rest must be numbers. Whether those numbers can be
searched for causes is `check_frame`'s question, which every frame is asked, wherever it comes from.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sostruct.errors import ConfigError, DataError
from sostruct.tasks.adapters import REALIZATION, gathered, realizations
from sostruct.tasks.base import AbstractTask, Task, listed
from sostruct.tasks.checks import check_names, check_numbers
from sostruct.tasks.delimited import as_number, parse_delimited
from sostruct.tasks.text import decode, read_bytes
from sostruct.tasks.timestamps import check_index, looks_like_time, parse_times
from sostruct.tasks.truth import check_truth, read_truth

_CLOCKS = ("time", "date", "datetime", "timestamp")
_PARQUET = b"PAR1"


@final
@dataclass(frozen=True)
class Table(AbstractTask):
    """Series in a file, one column each, beneath a header.

    Delimited text may use commas, semicolons (with decimal commas too), tabs, bars or blanks, in UTF-8 or UTF-16;
    parquet is recognized by its content. A column of timestamps becomes the index: the one named by `time`; else an
    index that was saved with the frame; else the only column that holds dates; else a first column called time, date,
    datetime or timestamp.

    Args:
        path: the file.
        time: the column that holds the times of the rows, where it is not to be found as above.
        truth: a file with the true links: delimited text with the columns cause, effect and perhaps lag, or a node-link
            graph in JSON.
        realization: the column that says which of several realizations of one system a row belongs to.
        by_row: rows are consecutive steps whatever their times say (trading days, say): times must be in order, and
            are then dropped.
    """

    path: str
    time: str | None = None
    truth: str | None = None
    by_row: bool = False
    realization: str | None = None

    def __post_init__(self) -> None:
        for setting in ("path", "truth"):
            given = getattr(self, setting)
            if setting == "truth" and given is None:
                continue
            if not isinstance(given, (str, os.PathLike)) or not str(given).strip():
                raise ConfigError(
                    f"Cannot read a table. This is because {setting} is {given!r}, which is not the path of a file. "
                    f"Try {setting}=my.csv."
                )
            object.__setattr__(self, setting, os.fspath(given))

    def load(self, seed: int = 0) -> Task:
        """The series, with their truth where one was named; the seed changes nothing.

        Raises:
            DataError: a file is missing, empty, not readable as a table or a truth, or its times cannot be used; a
                column is not numeric.
        """
        path = Path(self.path)
        frame = self._timed(_read(path))
        if not frame.shape[1]:
            raise DataError(
                f"Cannot use the file {self.path!r}. This is because it holds no column of series beside the times of "
                f"the rows. Try at least one, separated by commas."
            )
        if self.by_row:
            frame = self._counted(frame)
        truth, truth_lags = None, False
        if self.truth is not None:
            truth, truth_lags = read_truth(Path(self.truth), list(frame.columns))
            check_truth(truth, frame.columns, max(1, len(frame) - 1))
        return Task(
            name=path.name.split(".")[0] or path.name,
            frame=frame,
            truth=truth,
            truth_lags=truth_lags,
            description=f"{frame.shape[1]} series of {len(frame)} rows from {path.name}.",
            provenance=f"Read from {self.path}." + (f" Truth from {self.truth}." if self.truth is not None else ""),
        )

    def _timed(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The numeric columns, with the times of the rows as index."""
        if not len(frame):
            raise DataError(
                f"Cannot use the file {self.path!r}. This is because it has a header and no rows. Try a file with rows."
            )
        labels = self._labels(frame)
        if labels is not None:
            frame = frame.drop(columns=str(self.realization))
        clock = self._clock(frame)
        if clock is not None:
            frame = frame.set_axis(_index(frame[clock], clock), axis=0).drop(columns=clock)
        text = [name for name in frame.columns if not pd.api.types.is_numeric_dtype(frame[name].dtype)]
        for name in text:
            cells = frame[name]
            written = enumerate(cells, start=1)
            row, cell = next(((row, cell) for row, cell in written if as_number(str(cell)) is None), (1, cells.iloc[0]))
            others = f" (nor is {listed(text[1:])})" if text[1:] else ""
            raise DataError(
                f"Cannot use column {name!r} of {self.path!r}. This is because it is not numeric{others}: data row "
                f"{row} holds {cell!r}. Try correcting it or leaving the column out; if it holds the times of the "
                f"rows, name it with time={name}."
            )
        values = check_numbers(frame, list(frame.columns))
        found = pd.DataFrame(values, index=frame.index, columns=frame.columns)
        if labels is None:
            return found
        times = labels.groupby(labels, sort=False).cumcount().to_numpy() if clock is None else found.index
        return gathered(found.set_axis(pd.MultiIndex.from_arrays([labels, times], names=[REALIZATION, clock]), axis=0))

    def _labels(self, frame: pd.DataFrame) -> pd.Series | None:
        """Which realization every row belongs to."""
        if self.realization is None:
            return None
        if self.realization not in frame.columns:
            raise DataError(
                f"Cannot use realization={self.realization!r}. This is because {self.path!r} has no such column. "
                f"Try one of {listed(frame.columns)}."
            )
        labels = frame[self.realization].reset_index(drop=True)
        empty = (labels.isna() | (labels.astype(str).str.strip() == "")).to_numpy()
        if empty.any():
            raise DataError(
                f"Cannot use realization={self.realization!r}. This is because data row {int(empty.argmax()) + 1} has "
                "none. Try filling it in or removing the row."
            )
        return labels

    @staticmethod
    def _counted(frame: pd.DataFrame) -> pd.DataFrame:
        """The same rows in place of their times."""
        pieces = list(realizations(frame))
        for _, piece in pieces:
            check_index(piece.index, equally_spaced=False)
        counted = [piece.reset_index(drop=True) for _, piece in pieces]
        if not isinstance(frame.index, pd.MultiIndex):
            return counted[0]
        return pd.concat(counted, keys=[label for label, _ in pieces], names=[REALIZATION, None])

    def _clock(self, frame: pd.DataFrame) -> str | None:
        """The name of the column that holds the times of the rows."""
        names: list[str] = list(frame.columns)
        if self.time is not None:
            if self.time not in names:
                raise DataError(
                    f"Cannot use time={self.time!r}. This is because {self.path!r} has no such column. "
                    f"Try one of {listed(names)}."
                )
            return self.time
        if "" in names:
            return ""
        if not isinstance(frame.index, pd.RangeIndex):
            return None
        dated = [name for name in names if _holds_times(frame[name])]
        if len(dated) > 1:
            raise DataError(
                f"Cannot tell when the rows of {self.path!r} were taken. This is because columns {listed(dated)} all "
                f"hold times. Try naming one with time=... and leaving out the others."
            )
        if dated:
            return dated[0]
        return names[0] if names[0].casefold() in _CLOCKS else None


def _read(path: Path) -> pd.DataFrame:
    content = read_bytes(path, "the file")
    if content.startswith(_PARQUET) or path.suffix.lower() in {".parquet", ".pq"}:
        return _parse_parquet(content, path)
    return parse_delimited(decode(content, path, "the file"), path)


def _parse_parquet(content: bytes, path: Path) -> pd.DataFrame:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise DataError(
            f"Cannot read the parquet file {str(path)!r}. This is because pyarrow is not installed. "
            f"Try `pip install 'sostruct[parquet]'`, or a CSV file."
        ) from None
    try:
        table = pq.ParquetFile(pa.BufferReader(content)).read()
        check_names(table.column_names)
        frame: pd.DataFrame = table.to_pandas()
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"Cannot read the parquet file {str(path)!r}. This is because it is damaged or not parquet: "
            f"{str(error).splitlines()[0]}. Try writing it again, or a CSV file."
        ) from None
    return frame.set_axis(list(check_names(frame.columns)), axis=1)


def _holds_times(column: pd.Series) -> bool:
    if isinstance(column.dtype, (pd.DatetimeTZDtype, pd.PeriodDtype)) or column.dtype.kind == "M":
        return True
    return not pd.api.types.is_numeric_dtype(column.dtype) and looks_like_time(_cells(column))


def _index(column: pd.Series, name: str) -> pd.Index:
    """A column as the clock of the rows: text and numbers such as 20200131 become dates, all else stays as it is."""
    if isinstance(column.dtype, (pd.DatetimeTZDtype, pd.PeriodDtype)) or column.dtype.kind == "M":
        index = pd.Index(column)
    elif pd.api.types.is_numeric_dtype(column.dtype):
        index = _as_clock(column.to_numpy(dtype=np.float64, na_value=np.nan), name)
    else:
        cells = _cells(column)
        index = parse_times(cells, name) if name or looks_like_time(cells) else pd.Index(cells)
    named: pd.Index = index.rename(name or None)
    return named


def _as_clock(numbers: NDArray[np.float64], name: str) -> pd.Index:
    """Numbers as a clock: dates written as 20200131, a count of steps, or time in any unit."""
    if not np.isfinite(numbers).all() or (numbers != np.round(numbers)).any() or np.abs(numbers).max() >= 2**53:
        return pd.Index(numbers)
    whole = numbers.astype(np.int64)
    days, months, years = whole % 100, whole // 100 % 100, whole // 10000
    if bool(((days >= 1) & (days <= 31) & (months >= 1) & (months <= 12) & (years >= 1500) & (years <= 2500)).all()):
        dates = zip(years.tolist(), months.tolist(), days.tolist(), strict=True)
        return parse_times([f"{year:04d}-{month:02d}-{day:02d}" for year, month, day in dates], name)
    return pd.Index(whole)


def _cells(column: pd.Series) -> Sequence[str]:
    return ["" if pd.isna(cell) else str(cell).strip() for cell in column]
