"""Kill -9 at random moments, resume, and compare the finished run byte for byte with an uninterrupted one.

    .venv/bin/python experiments/resume/run.py                      # twenty kills
    .venv/bin/python experiments/resume/run.py --kills 3 --no-write
    .venv/bin/python experiments/resume/run.py --override task=lorenz96 run.report=false

Two uninterrupted runs with the same seed come first: they must be identical to each other, and the duration of the
second (the first may have filled a compilation cache) is the interval from which the moments of the kills are drawn
uniformly; a moment after a run's end is drawn again. Since starting up takes most of a short run, a few more runs are
killed twice inside the loop, at random numbers of decisions in the journal, the second time while being resumed. A
killed run is resumed with `run.resume=DIR`. When the kill came before DIR was a run (resuming is then refused with
exit code 2), the run is started again in the same folder.
"""

from __future__ import annotations

import argparse
import hashlib
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from experiments.common import (
    REFERENCE,
    ROOT,
    child_environment,
    markdown_table,
    versions,
    versions_line,
    write_csv,
    write_markdown,
)

COMPARED = ("edges.csv", "journal.jsonl", "graph.json")
DONE = "done.json"


@dataclass(frozen=True, slots=True)
class Program:
    """The `sostruct` command with the settings under test."""

    overrides: tuple[str, ...]

    def start(self, folder: Path, *extra: str) -> subprocess.Popen[str]:
        """Starts a run in `folder`."""
        arguments = [f"hydra.run.dir={folder}", *self.overrides, *extra]
        return self._launch(arguments)

    def resume(self, folder: Path) -> subprocess.Popen[str]:
        """Resumes the run in `folder`."""
        return self._launch([f"run.resume={folder}"])

    def _launch(self, arguments: Sequence[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "sostruct.cli", *arguments],
            cwd=ROOT,
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )


def finish(process: subprocess.Popen[str], what: str) -> float:
    """Waits for a run that must succeed; its wall seconds from here."""
    start = time.perf_counter()
    _, complaint = process.communicate()
    if process.returncode:
        raise SystemExit(f"{what} ended with exit code {process.returncode}:\n{complaint.strip()[-2000:]}")
    return time.perf_counter() - start


def fingerprint(folder: Path) -> dict[str, str]:
    """SHA-256 of every compared file; a missing one counts as such."""
    return {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() if (folder / name).exists() else "missing"
        for name in COMPARED
    }


def decisions(folder: Path) -> int:
    """Decisions in the journal so far, its first line apart; -1 without a journal."""
    journal = folder / "journal.jsonl"
    return len(journal.read_bytes().splitlines()) - 1 if journal.exists() else -1


def state(folder: Path, total: int) -> tuple[str, str]:
    """How far a killed run had come, as its folder shows it: the phase, and the decisions of the journal."""
    seen = decisions(folder)
    share = f"{max(seen, 0)} of {total}"
    if (folder / DONE).exists():
        return "finished", share
    if (folder / "edges.csv").exists():
        return "results and report", share
    if seen >= 0:
        return "loop", share
    return "input and compilation" if (folder / "config.yaml").exists() else "before it was a run", share


def journal_holds(folder: Path, mark: int, _seconds: float) -> bool:
    """Whether the journal has come to `mark` decisions."""
    return decisions(folder) >= mark


def strike(process: subprocess.Popen[str], due: Callable[[float], bool]) -> bool:
    """Kills a process (SIGKILL) once `due(seconds since the call)`; False when it ended before that."""
    start = time.perf_counter()
    while process.poll() is None:
        if due(time.perf_counter() - start):
            process.kill()
            break
        time.sleep(0.001)
    process.communicate()
    return process.returncode == -signal.SIGKILL


def complete(program: Program, folder: Path) -> str:
    """Resumes a killed run to its end, or starts it again where it was not a run yet; says which."""
    resumed = program.resume(folder)
    _, complaint = resumed.communicate()
    if resumed.returncode == 2 and not (folder / "config.yaml").exists():
        finish(program.start(folder), "The run that was started again")
        return "started again"
    if resumed.returncode:
        raise SystemExit(f"Resuming ended with exit code {resumed.returncode}:\n{complaint.strip()[-2000:]}")
    return "resumed"


def outcome(folder: Path, whole: Path) -> dict[str, object]:
    """Whether the run is finished and which of its files differ from the uninterrupted run's."""
    found, wanted = fingerprint(folder), fingerprint(whole)
    differing = [name for name in COMPARED if found[name] != wanted[name]]
    return {"done": "yes" if (folder / DONE).exists() else "no", "differs": ", ".join(differing) or "nothing"}


def at_a_moment(program: Program, folder: Path, moment: float, whole: Path) -> dict[str, object] | None:
    """One kill at a moment in seconds; None when the run had ended before it, which is no kill."""
    killed = strike(program.start(folder), lambda seconds: seconds >= moment)
    phase, seen = state(folder, decisions(whole))
    if not killed or phase == "finished":
        return None
    row: dict[str, object] = {"kill": f"after {moment:.3f} s", "phase": phase, "decisions": seen}
    return row | {"continued": complete(program, folder)} | outcome(folder, whole)


def twice_in_the_loop(program: Program, folder: Path, marks: tuple[int, int], whole: Path) -> dict[str, object]:
    """A kill once the journal holds `marks[0]` decisions, another of the resumed run at `marks[1]`."""
    launches = (program.start, program.resume)
    for launch, mark in zip(launches, marks, strict=True):
        strike(launch(folder), partial(journal_holds, folder, mark))
        phase, seen = state(folder, decisions(whole))
    row: dict[str, object] = {"kill": f"at {marks[0]} and {marks[1]} decisions", "phase": phase, "decisions": seen}
    continued = "not needed" if phase == "finished" else complete(program, folder)
    return row | {"continued": continued} | outcome(folder, whole)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--kills", type=int, default=20, help="at moments uniform over the run (default 20)")
    parser.add_argument("--loop-kills", type=int, default=5, help="trials killed twice within the loop (default 5)")
    parser.add_argument("--seed", type=int, default=0, help="of the run and of the moments (default 0)")
    parser.add_argument("--override", nargs="*", default=["task=var", "task.nodes=40"], help="settings of the run")
    parser.add_argument("--no-write", action="store_true", help="show the table, leave results/reference/ as it is")
    arguments = parser.parse_args()
    program = Program((*arguments.override, f"seed={arguments.seed}"))

    with tempfile.TemporaryDirectory(prefix="sostruct-resume-") as name:
        root = Path(name)
        whole = root / "whole-0"
        durations = [finish(program.start(root / f"whole-{i}"), "The uninterrupted run") for i in range(2)]
        wanted, second = fingerprint(whole), fingerprint(root / "whole-1")
        if "missing" in wanted.values():
            raise SystemExit(f"The uninterrupted run did not write all of {', '.join(COMPARED)}.")
        twins = [name for name in COMPARED if wanted[name] != second[name]]

        generator = np.random.default_rng(arguments.seed)
        rows: list[dict[str, object]] = []
        late = 0
        while len(rows) < arguments.kills:
            moment = float(generator.uniform(0.0, durations[1]))
            trial = at_a_moment(program, root / f"killed-{len(rows)}-{late}", moment, whole)
            late += trial is None
            if trial is not None:
                rows.append(trial)
                print(trial, file=sys.stderr, flush=True)
        for index in range(arguments.loop_kills):
            first, last = sorted(int(mark) for mark in generator.integers(1, decisions(whole), size=2))
            rows.append(twice_in_the_loop(program, root / f"twice-{index}", (first, last), whole))
            print(rows[-1], file=sys.stderr, flush=True)

    same = sum(row["differs"] == "nothing" and row["done"] == "yes" for row in rows)
    phases = Counter(str(row["phase"]) for row in rows)
    facts = [
        f"Settings: `{' '.join(program.overrides)}`; uninterrupted: {durations[0]:.1f} s and {durations[1]:.1f} s.",
        f"Same seed in two processes: {'identical files' if not twins else 'DIFFERENT: ' + ', '.join(twins)}.",
        f"{len(rows)} runs killed with SIGKILL: {same} ended with {', '.join(COMPARED)} byte-identical "
        f"({late} moments fell after the end of their run and were drawn again).",
        "Phase when killed: " + ", ".join(f"{phase} {count}" for phase, count in phases.items()) + ".",
    ]
    page = [*facts, markdown_table(rows)]
    print("\n\n".join(page))
    if not arguments.no_write:
        write_csv(REFERENCE / "resume.csv", pd.DataFrame(rows))
        write_markdown(REFERENCE / "resume.md", "Kill and resume", [*page, versions_line(versions())])
    if twins or same < len(rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
