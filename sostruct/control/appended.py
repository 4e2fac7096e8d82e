"""A text file that only grows, and can be cut back to what a checkpoint vouches for."""

from __future__ import annotations

import os
from pathlib import Path


class AppendedFile:
    """Appends to `path`, flushing to disk every time."""

    def __init__(self, path: Path, size: int = 0) -> None:
        """Opens `path`, keeping its first `size` bytes.

        Raises:
            OSError: the file is shorter than `size`, or cannot be written.
        """
        self.path = path
        path.touch()
        if path.stat().st_size < size:
            raise OSError(f"{path} is shorter than the {size} bytes its checkpoint vouches for")
        os.truncate(path, size)
        self.size = size

    def append(self, text: str) -> None:
        """Adds text and flushes it to disk."""
        data = text.encode("utf-8")
        if not data:
            return
        with self.path.open("ab") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        self.size += len(data)
