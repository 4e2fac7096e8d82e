"""Kill -9 at random moments, resume, and compare the files byte for byte: structure learning, at once and on a stream.

    .venv/bin/python experiments/structure_resume/run.py                      # twelve kills each
    .venv/bin/python experiments/structure_resume/run.py --kills 2 --no-write

Runs of the command (`experiment=structure`) are resumed with `run.resume=DIR`; a stream, which nobody finishes, by the
same program in the same folder. Uninterrupted runs come first, two of each, and must be identical. Moments are uniform
over the duration of the second; half of the kills are followed by another while the run goes on. All processes share
one cache of compiled programs.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
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
from experiments.resume.run import decisions, finish, strike

BATCH = ("experiment=structure", "task.inputs=3", "task.steps=600", "task.heldout=200", "report=none")
WORKER = Path(__file__).with_name("worker.py")
STREAM_FILES = ("journal.jsonl", "signals.csv", "checkpoint.eqx")
BATCH_FILES = (*STREAM_FILES, "edges.csv", "nodes.csv", "graph.json")


@dataclass(frozen=True, slots=True)
class Batch:
    """The command, over one data set."""

    seed: int
    cache: Path
    files = BATCH_FILES
    name = "run"

    def start(self, folder: Path) -> subprocess.Popen[str]:
        """Begins or goes on."""
        fresh = not (folder / "config.yaml").exists()
        settings = [f"hydra.run.dir={folder}", *BATCH, f"seed={self.seed}"] if fresh else [f"run.resume={folder}"]
        return launched(["-m", "sostruct.cli", *settings], self.cache)

    def finished(self, folder: Path) -> bool:
        """Whether nothing is left to do."""
        return (folder / "done.json").exists()


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream of chunks."""

    seed: int
    cache: Path
    files = STREAM_FILES
    name = "stream"

    def start(self, folder: Path) -> subprocess.Popen[str]:
        """Begins or goes on."""
        return launched([str(WORKER), str(folder), str(self.seed)], self.cache)

    def finished(self, folder: Path) -> bool:
        """Never known from outside: another start costs nothing."""
        return False


def launched(arguments: list[str], cache: Path) -> subprocess.Popen[str]:
    """A Python process that may be killed."""
    kept = {"JAX_COMPILATION_CACHE_DIR": str(cache), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=child_environment(**kept),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def contents(program: Batch | Stream, folder: Path) -> dict[str, bytes]:
    """Every compared file; a missing one is empty."""
    return {name: (folder / name).read_bytes() if (folder / name).exists() else b"" for name in program.files}


def killed(program: Batch | Stream, folder: Path, moments: list[float], whole: dict[str, bytes]) -> dict[str, object]:
    """A run that is killed at these moments of its goes, then goes on to its end."""
    struck, seen = [], []
    for moment in moments:
        if program.finished(folder):
            break
        if strike(program.start(folder), partial(_due, moment)):
            struck.append(moment)
            seen.append(max(decisions(folder), 0))
    if not program.finished(folder):
        finish(program.start(folder), f"The {program.name} that went on")
    found = contents(program, folder)
    differing = [name for name, data in whole.items() if found[name] != data]
    return {
        "program": program.name,
        "killed after, s": ", ".join(f"{moment:.2f}" for moment in struck),
        "kills": len(struck),
        "decisions by then": ", ".join(map(str, seen)),
        "differs": ", ".join(differing) or "nothing",
    }


def _due(moment: float, seconds: float) -> bool:
    return seconds >= moment


def main() -> None:
    """Kills, compares, writes the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--kills", type=int, default=12, help="trials of each program (default 12)")
    parser.add_argument("--seed", type=int, default=0, help="of the runs and of the moments (default 0)")
    parser.add_argument("--no-write", action="store_true", help="show the table, leave results/reference/ as it is")
    choice = parser.parse_args()
    rng = np.random.default_rng(choice.seed)
    rows: list[dict[str, object]] = []
    twins: Counter[str] = Counter()
    notes = []
    with tempfile.TemporaryDirectory(prefix="sostruct-resume-") as name:
        root = Path(name)
        for program in (Batch(choice.seed, root / "cache"), Stream(choice.seed, root / "cache")):
            for one in range(2):
                begun = time.perf_counter()
                finish(program.start(root / f"{program.name}-whole-{one}"), f"The uninterrupted {program.name}")
                duration = time.perf_counter() - begun
            whole, again = (contents(program, root / f"{program.name}-whole-{one}") for one in range(2))
            if not all(whole.values()):
                raise SystemExit(f"The uninterrupted {program.name} did not write all of {', '.join(program.files)}.")
            twins[program.name] = sum(whole[name] != again[name] for name in whole)
            notes.append(
                f"{program.name.capitalize()}: {duration:.1f} s uninterrupted, "
                f"{decisions(root / f'{program.name}-whole-0')} decisions; files: {', '.join(program.files)}."
            )
            made = 0
            while made < choice.kills:
                moments = rng.uniform(0.0, duration, size=1 + made % 2).tolist()
                row = killed(program, root / f"{program.name}-{made}-{rng.integers(2**31)}", moments, whole)
                if row["kills"]:
                    made += 1
                    rows.append(row)
                    print(row, file=sys.stderr, flush=True)
    same = sum(row["differs"] == "nothing" for row in rows)
    kills = sum(int(str(row["kills"])) for row in rows)
    verdict = f"{same} of {len(rows)} killed runs ended with the same bytes as the uninterrupted one ({kills} kills)."
    alike = "Two uninterrupted runs were identical." if not twins.total() else f"Uninterrupted runs differ: {twins}."
    print(verdict, alike)
    if not choice.no_write:
        write_csv(REFERENCE / "structure_resume.csv", pd.DataFrame(rows))
        page = [verdict, alike, *notes, markdown_table(rows), versions_line(versions(("jax", "equinox", "numpy")))]
        write_markdown(REFERENCE / "structure_resume.md", "Kill and resume: structure learning", page)
    if twins.total() or same < len(rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
