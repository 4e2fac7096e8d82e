"""Adaptation: does growth on a live stream follow when the generating graph changes, and return when it returns?

    .venv/bin/python experiments/adaptation/run.py                                  # everything, then the report
    .venv/bin/python experiments/adaptation/run.py --kinds drift --seeds 0-1 --rules residual oracle --out /tmp/some
    .venv/bin/python experiments/adaptation/run.py --report                         # the report of what is there

The lines of a learner on a series are written when it is done with it, and are not made again (--again names rules
whose lines are to be replaced).
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import jax

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import experiments.common as common  # turns loops into native code, before JAX starts
from experiments.adaptation.learners import LEARNERS, Line, followed
from experiments.adaptation.report import report
from sostruct.tasks.regimes import RegimeSwitch

KINDS = ("drift", "volatility")
KEY = ("kind", "seed", "rule")
FIELDS = (*KEY, *Line._fields)


def main() -> None:
    """Runs what is missing, then reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--seeds", type=_seeds, default=range(120, 130), help="FIRST-LAST; 120-129")
    parser.add_argument("--rules", nargs="+", choices=LEARNERS, default=list(LEARNERS))
    parser.add_argument("--steps", type=int, default=1000, help="rows of each of the three regimes")
    parser.add_argument("--again", nargs="*", choices=LEARNERS, default=[], help="rules whose lines are replaced")
    parser.add_argument(
        "--out", type=Path, default=common.REFERENCE / "adaptation", help="table and report, without suffix"
    )
    parser.add_argument("--report", action="store_true", help="only report")
    choice = parser.parse_args()
    table = choice.out.with_suffix(".csv")
    if not choice.report:
        jax.config.update("jax_compilation_cache_dir", str(common.CACHE / "jax"))  # type: ignore[no-untyped-call]
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)  # type: ignore[no-untyped-call]
        seeds = {str(seed) for seed in choice.seeds}
        done = _begun(
            table,
            lambda row: row["rule"] in choice.again and row["seed"] in seeds and row["kind"] in choice.kinds,
        )
        for seed in choice.seeds:
            for kind in choice.kinds:
                task = RegimeSwitch(kind=kind, steps=choice.steps, heldout=0)
                for rule in choice.rules:
                    if (kind, str(seed), rule) not in done:
                        _append(table, (kind, str(seed), rule), followed(task, seed, rule))
    report(table, choice.out.with_suffix(".md"))


def _append(table: Path, key: tuple[str, str, str], lines: list[Line]) -> None:
    """The lines of one learner on one series, all at once."""
    with table.open("a", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows((*key, *line) for line in lines)
    same = sum(line.f1 == 1.0 for line in lines)
    seconds = sum(line.seconds for line in lines)
    print(f"{' '.join(key)}: the regime's graph after {same} of {len(lines)} chunks, {seconds:.0f} s", flush=True)


def _begun(table: Path, replaced: object) -> set[tuple[str, ...]]:
    """What is there, without the lines to be replaced; the file is made where it is missing."""
    assert callable(replaced)
    lines: list[dict[str, str]] = []
    if table.exists():
        with table.open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(line for line in file if not line.startswith("#")))
    kept = [row for row in lines if not replaced(row)]
    if kept != lines or not table.exists():
        table.parent.mkdir(parents=True, exist_ok=True)
        with table.open("w", newline="", encoding="utf-8") as file:
            file.write(f"# {common.command_line()}\n")
            writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(kept)
    return {tuple(row[name] for name in KEY) for row in kept}


def _seeds(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


if __name__ == "__main__":
    main()
