"""One job of a sweep: begun, continued or left alone, whatever its folder holds; a failure is a file, not an end.

A job's folder is locked while a process works in it (the lock goes when the process does, however that happens), so two
sweeps over the same jobs share the work. What is finished is not run again.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from sostruct.app.naming import settings_of
from sostruct.errors import RunError, SostructError

JOB = "job.json"
FAILED = "failed.json"
TIMING = "timing.json"
LOCK = ".lock"

_ASIDE = ("run", "report", "jax")
"""Settings that may differ between a folder's run and the job that finds it."""


class Clock:
    """Wall seconds of a job, to its end and to the end of its first epoch."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self.first: float | None = None

    def tick(self, *_: Any) -> None:
        """An epoch is over."""
        if self.first is None:
            self.first = time.monotonic() - self._start

    def write(self, folder: Path) -> None:
        """Seconds so far, as timing.json."""
        from sostruct.graph import write_atomically

        numbers = {"seconds": time.monotonic() - self._start, "to_first_epoch": self.first}
        write_atomically(folder / TIMING, json.dumps(numbers) + "\n")


def carry_out(config: DictConfig, folder: Path, overrides: Sequence[str], *, external: bool) -> None:
    """Runs the job of `folder`, unless it is finished or another process works on it.

    Whatever goes wrong is written to failed.json and raised no further.
    """
    from sostruct.app.session import resume, start

    with locked(folder) as mine:
        if not mine:
            return
        with recorded(folder, overrides) as clock:
            state = begun(folder, config)
            if state == "unfinished":
                resume(folder, external=external, quiet=True, on_epoch=clock.tick)
            elif state == "new":
                start(config, folder, overrides, external=external, quiet=True, on_epoch=clock.tick)
            if state != "finished":
                clock.write(folder)


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """The lock of a job's folder, and whether it was to be had."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        os.utime(folder / LOCK)
        for left in folder.glob(".*.tmp"):  # half-written by a process that was killed
            left.unlink()
        yield True


@contextmanager
def recorded(folder: Path, overrides: Sequence[str]) -> Iterator[Clock]:
    """Turns an exception into failed.json."""
    from sostruct.control.finished import DONE
    from sostruct.graph import write_atomically

    try:
        if not (folder / DONE).exists():
            write_atomically(folder / JOB, json.dumps({"overrides": settings_of(overrides)}) + "\n")
        yield Clock()
        (folder / FAILED).unlink(missing_ok=True)
    except Exception as error:  # a sweep goes on, whatever a job of it raises
        lines = str(error).splitlines() or [type(error).__name__]
        told = " ".join(lines) if isinstance(error, SostructError) else f"{type(error).__name__}: {lines[0]}"
        failure = {"error": told, "traceback": "".join(traceback.format_exception(error))}
        with suppress(OSError):  # a full disk: the sweep's summary says that the job is not done
            write_atomically(folder / FAILED, json.dumps(failure, indent=2) + "\n")


def begun(folder: Path, config: DictConfig) -> str:
    """What a job's folder holds: "new", "unfinished" or "finished".

    Raises:
        RunError: a run with other settings.
    """
    from sostruct.app.session import CONFIG
    from sostruct.control.finished import DONE

    if not (folder / CONFIG).is_file():
        return "new"
    then, now = _settings(OmegaConf.load(folder / CONFIG)), _settings(config)
    if then != now:
        differs = ", ".join(sorted(key for key in then.keys() | now.keys() if then.get(key) != now.get(key)))
        raise RunError(
            f"Cannot run this job in {folder}. This is because a run with other settings ({differs}) is there. Try "
            "another folder (hydra.sweep.dir=DIR)."
        )
    return "finished" if (folder / DONE).exists() else "unfinished"


def _settings(config: Any) -> dict[str, Any]:
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items() if key not in _ASIDE}
