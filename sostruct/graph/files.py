"""Writing a file so that a reader sees the old content or the new, never a part of it."""

from __future__ import annotations

import os
from pathlib import Path

from sostruct.errors import RunError

SCHEMA = 3
"""Version of everything in a run folder; raised when an old folder can no longer be continued."""


def write_atomically(path: str | Path, content: str | bytes) -> None:
    """Write a file beside its place, flush it to disk, and move it there in one step.

    Args:
        path: an existing file is replaced.
        content: text is written as UTF-8 with "\\n" line ends.

    Raises:
        RunError: the folder is missing, or the file cannot be written; no partial file is left.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        try:
            with open(temporary, "wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(
            f"Cannot write {str(path)!r}. This is because of {error}. Try a folder that exists and can be written."
        ) from None
