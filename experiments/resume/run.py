"""Kill -9 at random moments, resume, and compare the finished run byte for byte with an uninterrupted one.

    .venv/bin/python experiments/resume/run.py                      # twenty kills
    .venv/bin/python experiments/resume/run.py --kills 3 --no-write
    .venv/bin/python experiments/resume/run.py --override task=lorenz96 run.report=false

Two uninterrupted runs with the same seed come first: they must be identical to each other, and the duration of the
second (the first may have filled a compilation cache) is the interval from which the moments of the kills are drawn
uniformly. A killed run is resumed with `run.resume=DIR`. When the kill came before DIR was a run (resuming is then
refused with exit code 2), the run is started again in the same folder.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
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


def kill_and_resume(program: Program, folder: Path, moment: float, whole: Path) -> dict[str, object]:
    """One trial: what was killed, how it was continued, and which files then differ."""
    process = program.start(folder)
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate()
    phase, journal = state(folder, decisions(whole))

    continued = "not needed"
    if phase != "finished":
        continued = "resumed"
        resumed = program.resume(folder)
        _, complaint = resumed.communicate()
        if resumed.returncode == 2:
            continued = "started again"
            finish(program.start(folder), "The run that was started again")
        elif resumed.returncode:
            raise SystemExit(f"Resuming ended with exit code {resumed.returncode}:\n{complaint.strip()[-2000:]}")
    found, wanted = fingerprint(folder), fingerprint(whole)
    differing = [name for name in COMPARED if found[name] != wanted[name]]
    return {
        "killed_at_s": round(moment, 3),
        "phase": phase,
        "decisions": journal,
        "continued": continued,
        "done": "yes" if (folder / DONE).exists() else "no",
        "differs": ", ".join(differing) or "nothing",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the run and of the moments (default 0)")
    parser.add_argument("--override", nargs="*", default=["task=var", "task.nodes=40"], help="settings of the run")
    parser.add_argument("--no-write", action="store_true", help="show the table, leave results/reference/ as it is")
    arguments = parser.parse_args()
    program = Program((*arguments.override, f"seed={arguments.seed}"))

    with tempfile.TemporaryDirectory(prefix="sostruct-resume-") as name:
        root = Path(name)
        durations = [finish(program.start(root / f"whole-{i}"), "The uninterrupted run") for i in range(2)]
        wanted = fingerprint(root / "whole-0")
        if "missing" in wanted.values():
            raise SystemExit(f"The uninterrupted run did not write all of {', '.join(COMPARED)}.")
        second = fingerprint(root / "whole-1")
        twins = [name for name in COMPARED if wanted[name] != second[name]]

        generator = np.random.default_rng(arguments.seed)
        rows = []
        for trial, moment in enumerate(generator.uniform(0.0, durations[1], size=arguments.kills)):
            folder = root / f"killed-{trial:02d}"
            row = {"trial": trial, **kill_and_resume(program, folder, float(moment), root / "whole-0")}
            print(row, file=sys.stderr, flush=True)
            rows.append(row)

    same = sum(row["differs"] == "nothing" and row["done"] == "yes" for row in rows)
    phases = Counter(str(row["phase"]) for row in rows)
    facts = [
        f"Settings: `{' '.join(program.overrides)}`; uninterrupted: {durations[0]:.1f} s and {durations[1]:.1f} s.",
        f"Same seed in two processes: {'identical files' if not twins else 'DIFFERENT: ' + ', '.join(twins)}.",
        f"Killed with SIGKILL {len(rows)} times: {same} ended with {', '.join(COMPARED)} byte-identical.",
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
