"""Delimited text to columns: numbers where every cell is one, text where not.

Design note. One parser reads every cell once and Python's `float` turns it into the nearest number, so that what a
program wrote is read back bit for bit, and a name, a line or a mark that is off can be quoted as it stands in the
file. Decimal commas are understood where the delimiter is something else and no reading of the file could mean
thousands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sostruct.errors import DataError
from sostruct.tasks.checks import check_names
from sostruct.tasks.text import delimiter_of, rows_of
from sostruct.tasks.timestamps import looks_like_time

_Column: TypeAlias = NDArray[np.float64] | NDArray[np.object_]

_MISSING = frozenset({"", "na", "n/a", "nan", "-nan", "null", "none", "#n/a", "#na", "<na>", "?", "."})
_BOOLEAN = {"true": 1.0, "false": 0.0}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_COMMA_NUMBER = re.compile(r"[+-]?(\d+,?\d*|,\d+)([eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}([., ']\d{3})+([.,]\d+)?")


def parse_delimited(text: str, path: Path) -> pd.DataFrame:
    """Comma-, semicolon-, tab-, bar- or space-separated columns beneath a header.

    Args:
        text: what the file holds.
        path: where it is from, for messages.

    Returns:
        a frame with the header's names (blanks around them removed): float64 where every cell is a number, a Boolean or
        missing (empty, NA, NaN, null, ?, .), and otherwise object columns of text. A first column without a name, as
        pandas writes its index, is called "".

    Raises:
        DataError: there are no lines, the first one holds numbers instead of names, a name occurs
            twice, a line has too few or too many fields, or numbers are written in a way that could mean two things.
    """
    delimiter = delimiter_of(text)
    header, columns = _plain(text, path, delimiter) or _cell_by_cell(text, path, delimiter)
    return pd.DataFrame(dict(enumerate(columns))).set_axis(header, axis=1)


def _plain(text: str, path: Path, delimiter: str) -> tuple[list[str], list[_Column]] | None:
    """A table of even lines that holds numbers, and perhaps one column of times; None for any other."""
    lines = [line for line in text.split("\n") if line.strip(" ")]
    width = lines[0].count(delimiter) + 1 if lines else 0
    if width < 2 or len(lines) < 2 or '"' in text or any(line.count(delimiter) != width - 1 for line in lines):
        return None
    header = [cell.strip() for cell in lines[0].split(delimiter)]
    kinds = [_numbers([cell]).dtype for cell in lines[1].split(delimiter)]
    numeric = [column for column, kind in enumerate(kinds) if kind == np.float64]
    if not header[-1] or not numeric or width - len(numeric) > 1:
        return None
    try:
        columns: list[_Column] = list(
            np.loadtxt(lines[1:], delimiter=delimiter, usecols=numeric, comments=None, ndmin=2).T
        )
    except ValueError:
        return None
    for column in set(range(width)).difference(numeric):
        cells = [line.split(delimiter, column + 1)[column].strip() for line in lines[1:]]
        if not looks_like_time(cells):
            return None
        columns.insert(column, np.array(cells, dtype=object))
    _check_header(path, header)
    return header, columns


def _cell_by_cell(text: str, path: Path, delimiter: str) -> tuple[list[str], list[_Column]]:
    lines = list(_spaced(text)) if _is_spaced(text, delimiter) else rows_of(text, path, "the file", delimiter)
    header, body = [cell.strip() for cell in lines[0][1]], lines[1:]
    for line, row in body:
        if len(row) != len(header):
            raise DataError(
                f"Cannot read the file {str(path)!r}. This is because line {line} has {len(row)} fields and the header "
                f"has {len(header)}. Try one name per column, and quotes around fields that hold {delimiter!r}."
            )
    cells = [[row[column] for _, row in body] for column in range(len(header))]
    while header and not header[-1] and not any(cell.strip() for cell in cells[-1]):
        header, cells = header[:-1], cells[:-1]  # a delimiter at the end of every line
    _check_header(path, header)
    return header, _columns(path, header, cells, delimiter)


def _is_spaced(text: str, delimiter: str) -> bool:
    """Whether nothing but blanks separates the fields."""
    if delimiter in text.split("\n", 1)[0]:
        return False
    widths = {len(line.split()) for line in text.split("\n")[:50] if line.strip()}
    return len(widths) == 1 and widths != {1}


def _spaced(text: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line.split()


def _check_header(path: Path, header: Sequence[str]) -> None:
    counted = [[str(number) for number in range(first, first + len(header))] for first in (0, 1)]
    if all(_NUMBER.fullmatch(name) for name in header) and list(header) not in counted:
        raise DataError(
            f"Cannot read the file {str(path)!r}. This is because its first line holds numbers where the names of the "
            f"columns should be. Try adding a header, or names that are not plain numbers."
        )
    if "" in header[1:]:
        raise DataError(
            f"Cannot read the file {str(path)!r}. This is because column number {header.index('', 1) + 1} has no name. "
            f"Try completing the header."
        )
    named = header if header[:1] != [""] else header[1:]
    try:
        check_names(named)
    except DataError as error:
        raise DataError(f"Cannot read the file {str(path)!r}. This is because of its header: {error}") from None


def _columns(path: Path, header: Sequence[str], cells: Sequence[Sequence[str]], delimiter: str) -> list[_Column]:
    found: list[_Column] = [_numbers(column) for column in cells]
    comma = [number for number, column in enumerate(found) if delimiter != "," and _has_decimal_commas(column)]
    if comma:
        written = [cell for number in comma for cell in found[number] if "," in cell]
        pointed = any(_NUMBER.fullmatch(cell.strip()) and "." in cell for column in cells for cell in column)
        if pointed or all(_THOUSANDS.fullmatch(cell) for cell in written):
            raise DataError(
                f"Cannot read the numbers in column {header[comma[0]]!r} of {str(path)!r}. This is because "
                f"{written[0]!r} may have a decimal comma or a thousands separator. Try decimal points, and no "
                f"separators between thousands."
            )
        for number in comma:
            found[number] = _numbers([cell.replace(",", ".") for cell in found[number]])
    for number, column in enumerate(found):
        if column.dtype == object and all(_THOUSANDS.fullmatch(cell) or as_number(cell) is not None for cell in column):
            separated = next(cell for cell in column if as_number(cell) is None)
            raise DataError(
                f"Cannot read the numbers in column {header[number]!r} of {str(path)!r}. This is because {separated!r} "
                f"has separators between its thousands or a decimal comma. Try decimal points, and no separators."
            )
    return found


def _numbers(column: Sequence[str]) -> _Column:
    """The cells as numbers, or as stripped text where one of them is none."""
    try:
        if any("_" in cell for cell in column):  # Python would read 1_000 as a number
            raise ValueError
        return np.fromiter(map(float, column), np.float64, len(column))
    except ValueError:
        numbers = [as_number(cell) for cell in column]
        if any(number is None for number in numbers):
            return np.array([cell.strip() for cell in column], dtype=object)
        return np.array(numbers, dtype=np.float64)


def as_number(cell: str) -> float | None:
    """A cell as a number, NaN where it says that a value is missing, or None where it is text."""
    plain = cell.strip().casefold()
    if plain in _MISSING:
        return np.nan
    if plain in _BOOLEAN:
        return _BOOLEAN[plain]
    try:
        return None if "_" in plain else float(plain)
    except ValueError:
        return None


def _has_decimal_commas(column: _Column) -> bool:
    return (
        column.dtype == object
        and any("," in cell for cell in column)
        and all(_COMMA_NUMBER.fullmatch(cell) or as_number(cell) is not None for cell in column)
    )
