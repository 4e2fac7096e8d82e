"""Sweeps that are killed, and sweeps under other launchers: is the outcome the same?

    .venv/bin/python experiments/sweeps/run.py                     # ten kills, tables into results/reference/
    .venv/bin/python experiments/sweeps/run.py --kills 2 --no-write

An uninterrupted sweep comes first. Then the same sweep is begun in another folder, killed with all its processes
(SIGKILL) at a random moment, begun again, killed again, and so on; at last it is left alone. Moments are drawn
uniformly between a sixth and a half of the uninterrupted sweep's duration, so that kills fall into start-up, jobs and
the moments between them. Compared at the end: every file of every job that a run must reproduce, and the tables of the
report. A finished job must never be touched again: the time and identity of its done.json are noted after every kill
and must stay. A third folder has the same sweep under the other launcher.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
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

SWEEP = (
    "experiment=growth_rules",
    "growth=evidence,every,random,none",
    "seed=range(0,4)",
    "task.nodes=30",
    "controller=one_by_one",
    "run.progress=false",
)
"""One edit per epoch, so that jobs last long enough to be killed in the middle."""
OWN = ("environment.json", "timing.json", "checkpoint.eqx", ".lock", "report.html")
"""Files that say when, where and how, and may differ."""


def begin(folder: Path, *extra: str) -> subprocess.Popen[bytes]:
    """Starts the sweep, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "sostruct.cli", "-m", *SWEEP, *extra, f"hydra.sweep.dir={folder}"],
        cwd=ROOT,
        env=child_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[bytes]) -> float:
    """Waits for a sweep that must succeed; its seconds from here."""
    begun = time.monotonic()
    _, told = process.communicate()
    if process.returncode:
        raise SystemExit(f"A sweep ended with exit code {process.returncode}:\n{told.decode()[-2000:]}")
    return time.monotonic() - begun


def kill(process: subprocess.Popen[bytes], moment: float) -> bool:
    """Kills a sweep and every process it has started; False where it had ended before."""
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    time.sleep(0.5)
    return process.returncode == -signal.SIGKILL


def finished(folder: Path) -> dict[str, tuple[int, int]]:
    """Of every finished job, when its done.json was written and which file it is."""
    found = {}
    for path in folder.glob("*/done.json"):
        about = path.stat()
        found[path.parent.name] = (about.st_mtime_ns, about.st_ino)
    return found


def results(folder: Path) -> dict[str, str]:
    """SHA-256 of every file that must be equal between equal sweeps: jobs' results, and the report's tables (as CSV:
    the LaTeX ones begin with the command, which names the folder)."""
    found = {}
    for path in sorted(folder.rglob("*")):
        told = path.name in OWN or path.suffix == ".tex" or "figures" in path.parts or path.parent == folder
        if path.is_file() and not told:
            content = path.read_bytes()
            found[str(path.relative_to(folder))] = hashlib.sha256(content).hexdigest()
    return found


def differing(one: dict[str, str], other: dict[str, str]) -> str:
    """Which files differ, in words."""
    names = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    return "nothing" if not names else f"{len(names)} files, {names[0]} first"


def main() -> None:
    """Measures, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10, help="kills of one sweep (10)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (0)")
    parser.add_argument("--no-write", action="store_true", help="show the tables, leave results/reference/ as it is")
    choice = parser.parse_args()
    random = np.random.default_rng(choice.seed)
    with tempfile.TemporaryDirectory(prefix="sostruct-sweeps-") as name:
        root = Path(name)
        lasted = finish(begin(root / "whole"))
        whole = results(root / "whole")
        rows, known, again = [], {}, 0
        for number in range(choice.kills):
            moment = float(random.uniform(1 / 6, 1 / 2) * lasted)
            struck = kill(begin(root / "killed"), moment)
            now = finished(root / "killed")
            again += sum(now.get(job) != mark for job, mark in known.items())
            known = now
            rows.append(
                {
                    "kill": number + 1,
                    "after, s": f"{moment:.1f}",
                    "killed": "yes" if struck else "it had ended",
                    "jobs finished": len(now),
                    "half-done": sum(
                        not (path.parent / "done.json").exists() for path in (root / "killed").glob("*/config.yaml")
                    ),
                    "finished jobs run again": again,
                }
            )
            print(rows[-1], file=sys.stderr, flush=True)
        finish(begin(root / "killed"))
        last = finished(root / "killed")
        again += sum(last.get(job) != mark for job, mark in known.items())
        finish(begin(root / "basic", "launcher=basic"))
        outcome = [
            {"compared with the uninterrupted sweep": "killed and begun again", "files": len(whole)}
            | {"differs": differing(whole, results(root / "killed")), "finished jobs run again": again},
            {"compared with the uninterrupted sweep": "launcher=basic", "files": len(whole)}
            | {"differs": differing(whole, results(root / "basic")), "finished jobs run again": 0},
        ]
        begun = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "sostruct.cli", *SWEEP[:1], *SWEEP[3:], f"hydra.run.dir={root / 'alone'}"],
            cwd=ROOT,
            env=child_environment(),
            stdout=subprocess.DEVNULL,
            check=True,
        )
        alone = time.monotonic() - begun
        firsts = [
            json.loads(path.read_text("utf-8"))["to_first_epoch"] for path in (root / "whole").glob("*/timing.json")
        ]
    clock = [
        {"what": "the sweep", "seconds": f"{lasted:.1f}"},
        {"what": f"from a job's start to the end of its first epoch, median of {len(firsts)}"}
        | {"seconds": f"{np.median(firsts):.2f}"},
        {
            "what": "the same, longest (the first job of a process imports and compiles)",
            "seconds": f"{max(firsts):.2f}",
        },
        {"what": "one run by itself, from the command to its end, without a page", "seconds": f"{alone:.2f}"},
    ]
    page = [
        f"`sostruct -m {' '.join(SWEEP)}`",
        markdown_table(outcome),
        "The kills:",
        markdown_table(rows),
        "What the framework takes, wall seconds:",
        markdown_table(clock),
        versions_line(versions(("jax", "equinox", "numpy", "hydra-core", "hydra-joblib-launcher"))),
    ]
    print("\n\n".join(page))
    if not choice.no_write:
        write_markdown(REFERENCE / "sweeps.md", "Sweeps that are killed", page)
        write_csv(REFERENCE / "sweeps.csv", pd.DataFrame(rows))


if __name__ == "__main__":
    main()
