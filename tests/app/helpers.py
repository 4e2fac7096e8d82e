"""What the tests of the command line share: refusals, interruptions, and what must be equal between equal runs."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from pkgutil import resolve_name

import pytest

RECORD = "sostruct.control.recorder.Recorder.record"
"""Called when an epoch is over and nothing of it is on disk."""

SAVE = "sostruct.control.recorder.save"
"""Called when its decisions and signals are on disk and its checkpoint is not."""


def refused(finished, *words):
    """Asserts exit code 2 and one line on standard error that names all of this; gives the line."""
    assert finished.code == 2, finished
    assert finished.out == []
    assert len(finished.err) == 1, finished.err
    (line,) = finished.err
    assert line.startswith("sostruct: Cannot ")
    assert "This is because" in line
    for word in words:
        assert word in line, line
    return line


@contextmanager
def interruption(monkeypatch, name, after):
    """Lets the function of that name be called `after` times, and breaks off as ctrl-C does at the next call."""
    original, calls = resolve_name(name), []

    def until(*arguments, **settings):
        calls.append(name)
        if len(calls) > after:
            raise KeyboardInterrupt
        return original(*arguments, **settings)

    with monkeypatch.context() as patched:
        patched.setattr(name, until)
        try:
            yield
        except KeyboardInterrupt:
            return
    pytest.fail(f"{name} was called {len(calls)} times, too few to be broken off at call {after + 1}")


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a run folder that a run of equal settings must reproduce byte for byte."""
    own = ("environment.json", "report.html", "config.yaml", "checkpoint.eqx")
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in own
    }
