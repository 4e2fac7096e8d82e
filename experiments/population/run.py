"""Many seeds as one population beside one process per seed: wall time, and whether the journals are the same.

    .venv/bin/python experiments/population/run.py
    .venv/bin/python experiments/population/run.py --seeds 4 --caches none --no-write

Both go through the `sostruct` command and both pay for starting up, compiling, running and writing results. Where the
settings keep compiled programs on disk, an empty cache and a filled one are measured apart, and so are processes that
keep none. The processes of the other side are started two at a time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

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

PROGRAM = Path(sys.executable).parent / "sostruct"
QUIET = ("run.report=false", "run.progress=false")
JOURNAL = "journal.jsonl"
CACHES = {
    "none": "no cache: every process compiles",
    "empty": "the default cache, empty at first",
    "filled": "the default cache, filled by the run before",
}
GOAL_SPEED, GOAL_SAME = 5.0, 31 / 32

Row = dict[str, object]


@dataclass(frozen=True, slots=True)
class Study:
    """The settings that both sides run.

    Attributes:
        overrides: what is typed for all seeds.
        seeds: how many, from 0.
        at_a_time: processes of the one-per-seed side that run at once.
    """

    overrides: tuple[str, ...]
    seeds: int
    at_a_time: int

    def population(self, folder: Path, environment: Mapping[str, str], extra: Sequence[str]) -> float:
        """One command for all seeds; its wall seconds."""
        sweep = ["-m", *self.overrides, f"seed=range(0,{self.seeds})", f"run.population={self.seeds}", "report=none"]
        return _timed([*sweep, *QUIET, *extra, f"hydra.sweep.dir={folder}"], environment)

    def processes(self, folder: Path, environment: Mapping[str, str], extra: Sequence[str]) -> float:
        """One command per seed, `at_a_time` at once; the wall seconds of all of them."""

        def one(seed: int) -> float:
            own = [*self.overrides, f"seed={seed}", *QUIET, *extra, f"hydra.run.dir={folder / str(seed)}"]
            return _timed(own, environment)

        start = time.perf_counter()
        with ThreadPoolExecutor(self.at_a_time) as pool:
            list(pool.map(one, range(self.seeds)))
        return time.perf_counter() - start


def _timed(arguments: Sequence[str], environment: Mapping[str, str]) -> float:
    start = time.perf_counter()
    done = subprocess.run(
        [str(PROGRAM), *arguments],
        cwd=ROOT,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        shown = " ".join(arguments)
        raise SystemExit(f"sostruct {shown} ended with exit code {done.returncode}:\n{done.stderr.strip()[-2000:]}")
    return time.perf_counter() - start


def by_seed(sweep: Path) -> dict[int, Path]:
    """The folder of every seed of a sweep, as its job says."""
    found = {}
    for job in sweep.rglob("job.json"):
        overrides = json.loads(job.read_text("utf-8"))["overrides"]
        seeds = [int(text.partition("=")[2]) for text in overrides if text.startswith("seed=")]
        if len(seeds) == 1:
            found[seeds[0]] = job.parent
    return found


def compared(seed: int, together: Path, alone: Path) -> Row:
    """One seed's two journals, line by line, and what else must not depend on who it ran with."""
    ours, theirs = ((folder / JOURNAL).read_text("utf-8").splitlines() for folder in (together, alone))
    differing = [number for number, pair in enumerate(zip(ours, theirs, strict=False), 1) if pair[0] != pair[1]]
    if len(ours) != len(theirs):
        differing.append(min(len(ours), len(theirs)) + 1)
    decisions = [[_decision(line) for line in lines[1:]] for lines in (ours, theirs)]
    gap = 0.0
    if decisions[0] == decisions[1]:
        pairs = zip(ours[1:], theirs[1:], strict=True)
        gap = max((abs(_nats(one) - _nats(other)) for one, other in pairs if one != other), default=0.0)
    equal = {name: (together / name).read_bytes() == (alone / name).read_bytes() for name in _RESULTS}
    return {
        "seed": seed,
        "lines": len(theirs),
        "lines_differing": len(differing),
        "first_differing": differing[0] if differing else "",
        "decisions": "same" if decisions[0] == decisions[1] else "DIFFERENT",
        "largest_gap_nats": gap if decisions[0] == decisions[1] else "",
        "other_files": ", ".join(name for name, same in equal.items() if not same) or "same",
    }


_RESULTS = ("edges.csv", "graph.json", "metrics.json", "signals.csv")


def _decision(line: str) -> Row:
    return {name: value for name, value in json.loads(line).items() if name != "nats"}


def _nats(line: str) -> float:
    value = json.loads(line)["nats"]
    return float("nan") if value is None else float(value)


def measured(study: Study, caches: Sequence[str], root: Path) -> tuple[list[Row], list[Row]]:
    """Wall times under each cache, and the comparison of the journals of the first."""
    times: list[Row] = []
    journals: list[Row] = []
    for cache in caches:
        extra = ["jax.cache=null"] if cache == "none" else []
        seconds, folders = {}, {}
        for side, carry_out in (("population", study.population), ("processes", study.processes)):
            home = root / f"home-{side}"  # the default cache is a folder in the user's home: each side has its own
            home.mkdir(exist_ok=True)
            folders[side] = root / cache / side
            seconds[side] = carry_out(folders[side], child_environment(HOME=str(home)), extra)
            print(f"{CACHES[cache]}: {side} {seconds[side]:.1f} s", file=sys.stderr, flush=True)
        sweep = by_seed(folders["population"])
        if sorted(sweep) != list(range(study.seeds)):
            raise SystemExit(f"The sweep has folders for the seeds {sorted(sweep)} and not for all {study.seeds}.")
        rows = [compared(seed, sweep[seed], folders["processes"] / str(seed)) for seed in range(study.seeds)]
        journals = journals or rows
        times.append(
            {
                "compiled programs": CACHES[cache],
                "population_s": seconds["population"],
                "process_per_seed_s": seconds["processes"],
                "times_faster": seconds["processes"] / seconds["population"],
                "journals_identical": sum(row["lines_differing"] == 0 for row in rows),
                "decisions_identical": sum(row["decisions"] == "same" for row in rows),
                "of": study.seeds,
            }
        )
    return times, journals


def goals(times: Sequence[Row]) -> list[Row]:
    """What the measurements should show, and whether they do."""
    rows: list[Row] = []
    for row in times:
        faster, same, seeds = (float(str(row[name])) for name in ("times_faster", "journals_identical", "of"))
        where = row["compiled programs"]
        for what, goal, reached, met in (
            ("times faster", f">= {GOAL_SPEED:g}", f"{faster:.2f}", faster >= GOAL_SPEED),
            ("journals identical", f">= {GOAL_SAME * seeds:g}", f"{same:g}", same >= GOAL_SAME * seeds),
        ):
            rows.append({"what": what, "where": where, "goal": goal, "reached": reached, "met": "yes" if met else "no"})
    return rows


def shown(rows: Sequence[Row]) -> str:
    """Rows as a Markdown table with three significant digits."""
    return markdown_table(
        [{key: f"{value:.3g}" if isinstance(value, float) else value for key, value in row.items()} for row in rows]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seeds", type=int, default=32, help="how many, from 0 (default 32)")
    parser.add_argument("--at-a-time", type=int, default=2, help="processes at once on the other side (default 2)")
    parser.add_argument("--override", nargs="*", default=["task=var", "growth=evidence"], help="settings of both")
    parser.add_argument("--caches", nargs="+", choices=tuple(CACHES), default=list(CACHES))
    parser.add_argument("--no-write", action="store_true", help="show the tables, leave results/reference/ as it is")
    arguments = parser.parse_args()
    study = Study(tuple(arguments.override), arguments.seeds, arguments.at_a_time)

    with tempfile.TemporaryDirectory(prefix="sostruct-population-") as name:
        times, journals = measured(study, arguments.caches, Path(name))

    checks = goals(times)
    settings = " ".join(study.overrides)
    unequal = [row for row in journals if row["lines_differing"] or row["other_files"] != "same"]
    lines = sum(int(str(row["lines"])) for row in journals)
    page = [
        f"`sostruct -m {settings} 'seed=range(0,{study.seeds})' run.population={study.seeds} report=none "
        f"{' '.join(QUIET)}` beside "
        f"`sostruct {settings} seed=N {' '.join(QUIET)}` for the same seeds, {study.at_a_time} at a time. "
        "Wall seconds, interpreters, imports, compilation and results included.",
        shown(times),
        "Goals:",
        markdown_table(checks),
        f"The journals, {lines} lines in {len(journals)} files, line by line: "
        + (f"{len(unequal)} seeds differ in a line or a result:" if unequal else "no line and no result differs."),
        *([shown(unequal)] if unequal else []),
    ]
    print("\n\n".join(page))
    if not arguments.no_write:
        write_csv(REFERENCE / "population.csv", pd.DataFrame(journals))
        write_csv(REFERENCE / "population_speed.csv", pd.DataFrame(times))
        write_markdown(REFERENCE / "population.md", "Populations", [*page, versions_line(versions())])


if __name__ == "__main__":
    main()
