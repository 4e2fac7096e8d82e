"""Bytes on disk to text, and the delimiter that text uses.

Design note. Files come from spreadsheets as often as from programs: with a byte order mark, in UTF-16, with
semicolons or tabs, or under the wrong suffix. What can be told for sure is handled; what would be a guess is refused
by name.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from sostruct.errors import DataError

_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE = 50
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_FORMATS = (
    (b"PAR1", "a parquet file", "the suffix .parquet"),
    (b"PK\x03\x04", "a spreadsheet or zip archive", "saving the sheet as CSV"),
    (b"\x1f\x8b", "compressed with gzip", "unpacking it first"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "saving the sheet as CSV"),
    (b"\x89HDF", "an HDF5 file", "exporting it as CSV or parquet"),
)


def read_bytes(path: Path, what: str) -> bytes:
    """The content of a file.

    Args:
        path: where it is; `~` is the home folder.
        what: what to call it in a message.

    Raises:
        DataError: there is no such file, it is a folder, it cannot be read, or it is empty.
    """
    path = path.expanduser()
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(
            f"Cannot read {what} {str(path)!r}. This is because there is no such file, looking from "
            f"{str(Path.cwd())!r}. Try its full path."
        ) from None
    except IsADirectoryError:
        raise DataError(
            f"Cannot read {what} {str(path)!r}. This is because it is a folder. Try the path of a file in it."
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise DataError(
            f"Cannot read {what} {str(path)!r}. This is because the system refused it: {reason}. "
            f"Try a file that you are allowed to read."
        ) from None
    if not content.strip():
        raise DataError(
            f"Cannot read {what} {str(path)!r}. This is because it is empty. "
            f"Try a file with a header and rows beneath it."
        )
    return content


def decode(content: bytes, path: Path, what: str) -> str:
    """The text of a file in UTF-8 or UTF-16, without byte order mark, its lines ending in a line feed.

    Raises:
        DataError: the content is not text.
    """
    for mark, name, remedy in _FORMATS:
        if content.startswith(mark):
            raise DataError(f"Cannot read {what} {str(path)!r} as text. This is because it is {name}. Try {remedy}.")
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(
            f"Cannot read {what} {str(path)!r} as text. This is because the byte at position {error.start} is not "
            f"{encoding.removesuffix('-sig').upper()}. Try saving the file as UTF-8 text."
        ) from None
    if "\0" in text:
        raise DataError(
            f"Cannot read {what} {str(path)!r} as text. This is because it holds binary data. "
            f"Try a CSV or parquet file."
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def rows_of(text: str, path: Path, what: str, delimiter: str) -> list[tuple[int, list[str]]]:
    """All rows of delimited text, each with its line number: the header first.

    Raises:
        DataError: there is none, or a quotation never ends.
    """
    rows = list(records(text, delimiter))
    if not rows:
        raise DataError(
            f"Cannot read {what} {str(path)!r}. This is because it is empty. "
            f"Try a file with a header and rows beneath it."
        )
    return rows


def records(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of delimited text, each with the number of the line it ends on; blank lines are passed over.

    Raises:
        DataError: a quotation runs on for longer than any field can be.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        for row in reader:
            if len(row) > 1 or (row and row[0].strip()):
                yield reader.line_num, row
    except csv.Error as error:
        raise DataError(
            f"Cannot read the text beyond line {reader.line_num}. This is because a field there never ends ({error}). "
            f"Try closing its quotation mark."
        ) from None


def delimiter_of(text: str) -> str:
    """What separates the fields: the first of comma, semicolon, tab and bar that cuts every line into equally many.

    Where none does so, the one that cuts the header into most fields, so that the uneven line can be named.
    """
    widths = {mark: [len(row) for _, row in islice(records(text, mark), _SAMPLE)] for mark in _DELIMITERS}
    for mark, found in widths.items():
        if found and found[0] > 1 and len(set(found)) == 1:
            return mark
    return max(_DELIMITERS, key=lambda mark: widths[mark][0] if widths[mark] else 0)
