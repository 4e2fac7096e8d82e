"""What a sweep says of itself, from nothing but its folders."""

from __future__ import annotations

import io
import json
import os
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from sostruct.app.progress import Watch, _drawn, summary
from sostruct.app.sweep import Sweep
from sostruct.reports.sweep.options import SweepOptions

NAMES = ("seed=0", "seed=1", "seed=2", "seed=3", "seed=4")


def touched(path: Path, content: str = "", *, ago: float = 0.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    os.utime(path, (time.time() - ago, time.time() - ago))


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    """Five jobs: one done before; then one is done, one failed, one runs; and a lock is left from another day."""
    touched(tmp_path / "seed=0" / "done.json")
    touched(tmp_path / "seed=4" / ".lock", ago=3600.0)
    found = Watch(Sweep(tmp_path, (), NAMES, (), tmp_path / "sweep-0.json", SweepOptions(), True))
    touched(tmp_path / "seed=1" / "done.json")
    touched(tmp_path / "seed=2" / ".lock")
    touched(tmp_path / "seed=2" / "failed.json", json.dumps({"error": "out of order", "traceback": "..."}))
    touched(tmp_path / "seed=3" / ".lock")
    return found


def test_states_follow_from_files(watch: Watch) -> None:
    states = ("done", "done", "failed", "running", "waiting")
    assert watch.states() == dict(zip(NAMES, states, strict=True))
    assert watch.earlier == {"seed=0"}


def test_a_failure_of_an_earlier_sweep_is_none_of_this_one(watch: Watch) -> None:
    touched(watch.sweep.folder / "seed=2" / "failed.json", "{}", ago=3600.0)
    assert watch.state("seed=2") == "running"


def test_time_left_goes_by_the_jobs_of_this_sweep(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that stands still a minute after the start: two jobs over, two to come."""
    now = watch._since + 60.0
    monkeypatch.setattr("sostruct.app.progress.time", SimpleNamespace(monotonic=lambda: now))
    assert watch.seconds_left(Counter(done=1, waiting=4)) is None
    assert watch.seconds_left(Counter(done=2, failed=1, running=1, waiting=1)) == pytest.approx(60.0)


def test_the_table_counts_and_names_what_runs(watch: Watch) -> None:
    text = io.StringIO()
    Console(file=text, width=80).print(_drawn(watch))
    lines = text.getvalue().splitlines()
    assert lines[0].split() == ["done", "running", "waiting", "failed", "time", "left"]
    assert lines[1].split()[:4] == ["2", "1", "1", "1"]
    assert any("seed=3" in line for line in lines[2:])


def test_the_end_names_what_is_not_done(watch: Watch, capsys: pytest.CaptureFixture[str]) -> None:
    left = summary(watch)
    assert set(left) == {"seed=2", "seed=3", "seed=4"}
    assert left["seed=2"] == "out of order"
    said = capsys.readouterr()
    assert "2 of 5 jobs are done, 1 of them before" in said.out
    assert "not done: seed=2: out of order" in said.err
