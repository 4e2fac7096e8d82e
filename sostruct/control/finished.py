"""When a run folder is finished, and by which version of the files: what every reader of results asks first."""

from __future__ import annotations

import json
from pathlib import Path

from sostruct.errors import RunError
from sostruct.graph.files import SCHEMA, write_atomically

DONE = "done.json"
"""Written last: without it a run has not finished."""

ENVIRONMENT = "environment.json"


def mark_finished(folder: Path, *, settled: bool) -> None:
    """Writes done.json: every other file is whole."""
    write_atomically(folder / DONE, json.dumps({"schema": SCHEMA, "settled": settled}) + "\n")


def read_finished(folder: Path) -> bool:
    """Whether the finished run of a folder had settled.

    Raises:
        RunError: the folder is not a finished run, or was written by another schema version.
    """
    if not (folder / DONE).is_file():
        state = "has not finished" if (folder / "config.yaml").is_file() else "is not a run folder"
        remedy = (
            f"`sostruct run.resume={folder}` first" if (folder / "config.yaml").is_file() else "a folder under results/"
        )
        raise RunError(f"Cannot load {folder}. This is because it {state}. Try {remedy}.")
    try:
        done = json.loads((folder / DONE).read_text("utf-8"))
        schema, settled = done["schema"], bool(done["settled"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(folder, error) from error
    if schema != SCHEMA:
        raise RunError(
            f"Cannot load {folder}. This is because it was written with schema version {schema}, and this version of "
            f"sostruct reads {SCHEMA}. Try the version in its {ENVIRONMENT}."
        )
    return settled


def damaged(folder: Path, error: Exception) -> RunError:
    """The refusal of a folder whose files cannot be read."""
    return RunError(f"Cannot load {folder}. This is because its files are damaged: {error}. Try running it again.")
