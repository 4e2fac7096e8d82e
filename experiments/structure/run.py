"""Recovery: do belief networks grow the graph that made the data, from bare inputs with wrong parameters?

    .venv/bin/python experiments/structure/run.py                                     # everything, then the report
    .venv/bin/python experiments/structure/run.py --families drift shared_state --seeds 100-102 --rules residual truth
    .venv/bin/python experiments/structure/run.py --report                            # the report of what is there

A line of the table is written as soon as a learner is done with a series, and lines that are there are not made again
(--again names rules whose lines are to be replaced).
"""

from __future__ import annotations

import argparse
import csv
import functools
import hashlib
import sys
from pathlib import Path

import jax

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import sostruct as ss
from experiments.common import CACHE, REFERENCE, ROOT, command_line
from experiments.structure import learners
from experiments.structure.cases import CASES, Case, chosen
from experiments.structure.report import report
from sostruct.structure.compare import compare_beliefs
from sostruct.tasks.base import Task

RULES = ("none", "residual", "random", "every", "truth", "fitted truth")
FIELDS = (
    *CASES[0].key,
    "seed",
    "rule",
    "edits",
    "additions",
    "epochs",
    "f1",
    "precision",
    "recall",
    "hidden_f1",
    "false",
    "dynamics",
    "train",
    "heldout",
    "surprise",
    "held",
    "seconds",
    "first",
    "steps_taken",
    "missing",
    "spurious",
    "code",
)
_RULE = ("anatomy", "marks", "moves", "random_structure", "region", "residual", "search")
_MAPPINGS = 30_000
"""Memory mappings of this process from which compiled programs are forgotten: a process may have 65,530."""


def main() -> None:
    """Runs what is missing, then reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", nargs="+", default=["all"], help="family, family:signal or mixed:nodes; all")
    parser.add_argument("--rules", nargs="+", choices=RULES, default=list(RULES), help="learners to run; all")
    parser.add_argument("--seeds", type=_seeds, default=range(100, 120), help="FIRST-LAST; 100-119")
    parser.add_argument("--timed", type=int, default=5, help="of so many seeds residual growth runs twice (5)")
    parser.add_argument("--again", nargs="*", choices=RULES, default=[], help="rules whose lines are replaced")
    parser.add_argument("--out", type=Path, default=REFERENCE / "structure", help="table and report, without suffix")
    parser.add_argument("--report", action="store_true", help="only report")
    choice = parser.parse_args()
    table = choice.out.with_suffix(".csv")
    if not choice.report:
        jax.config.update("jax_compilation_cache_dir", str(CACHE / "jax"))  # type: ignore[no-untyped-call]
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)  # type: ignore[no-untyped-call]
        cases = chosen(choice.families)
        seeds = [str(seed) for seed in choice.seeds]
        lines = _begun(table, lambda row: row["rule"] in choice.again and row["seed"] in seeds and _of(row, cases))
        for seed in choice.seeds:
            for case in cases:
                _carry_out(case, seed, choice.rules, lines, table, timed=seed - choice.seeds.start < choice.timed)
    report(table, choice.out.with_suffix(".md"))


def _carry_out(case: Case, seed: int, rules: list[str], lines: list[dict[str, str]], table: Path, timed: bool) -> None:
    """The learners that are missing on one series."""
    done = {row["rule"]: row for row in lines if _of(row, [case]) and row["seed"] == str(seed)}
    controls = case.family == "none"  # no edits to make
    wanted = [rule for rule in rules if rule not in done and not (controls and rule in ("random", "every"))]
    if not wanted:
        return
    task = case.load(seed)
    assert task.truth is not None
    assert task.start is not None
    bare = None
    for rule in RULES:
        if rule not in wanted:
            continue
        if rule in ("none", "random", "every") and bare is None:
            bare = learners.fitted(task.start, task, case.update)
        first = float("nan")
        match rule:
            case "none":
                assert bare is not None
                found = bare
            case "residual":
                found = learners.residual(task, case.update, seed)
                if timed:
                    first, found = found.seconds, learners.residual(task, case.update, seed)
            case "random":
                assert bare is not None
                if "residual" not in done:
                    print(f"{case.label}, seed {seed}: random wants the line of residual first")
                    continue
                found = learners.random(bare.network, task, int(float(done["residual"]["additions"])), seed)
            case "every":
                assert bare is not None
                found = learners.every(bare.network, task, learners.needed(task), seed)
            case "truth":
                network = ss.HGF(task.truth, schedule="packed", update=case.update)
                found = learners.Outcome(network)
            case _:
                calmer = (0.0, 2.0, 4.0) if "chain" in case.family else (0.0,)
                found = learners.fitted_truth(task, case.update, calmer)
        row = {**case.key, "seed": str(seed), "rule": rule, **_scored(found, task, first), "code": _code()}
        done[rule] = row
        lines.append(row)
        with table.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, FIELDS, lineterminator="\n").writerow(row)
        print(
            f"{case.label}, seed {seed}, {rule}: F1 {row['f1']} heldout {row['heldout']} seconds {row['seconds']}"
            + (f" missing {row['missing']} spurious {row['spurious']}" if rule == "residual" else ""),
            flush=True,
        )
    with open("/proc/self/maps", encoding="utf-8") as maps:
        if sum(1 for _ in maps) > _MAPPINGS:
            jax.clear_caches()  # type: ignore[no-untyped-call]


def _scored(found: learners.Outcome, task: Task, first: float) -> dict[str, str]:
    """A learner's columns."""
    assert task.truth is not None
    assert task.heldout is not None
    network = found.network
    compared = compare_beliefs(network.graph, task.truth, network.inputs)
    ahead = learners.foreseen(network, task)
    held, evidence = learners.trained(network, task)
    numbers: dict[str, float] = {
        "edits": found.edits,
        "additions": found.additions,
        "epochs": found.epochs,
        "f1": compared.f1,
        "precision": compared.precision,
        "recall": compared.recall,
        "hidden_f1": compared.hidden.f1,
        "false": len(compared.spurious),
        "dynamics": learners.dynamics(network),
        "train": evidence,
        "heldout": ahead,
        "surprise": -ahead / len(task.heldout),
        "held": held,
        "seconds": found.seconds,
        "first": first,
    }
    return {
        **{name: f"{value:.8g}" for name, value in numbers.items()},
        "steps_taken": "; ".join(found.steps),
        "missing": " ".join(f"{a}->{b}:{c}" for a, b, c in compared.missing),
        "spurious": " ".join(f"{a}->{b}:{c}" for a, b, c in compared.spurious),
    }


def _begun(table: Path, replaced: object) -> list[dict[str, str]]:
    """The lines that are there, without those to be replaced; the file is made where it is missing."""
    assert callable(replaced)
    lines: list[dict[str, str]] = []
    if table.exists():
        with table.open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(line for line in file if not line.startswith("#")))
    kept = [row for row in lines if not replaced(row)]
    if kept != lines or not table.exists():
        table.parent.mkdir(parents=True, exist_ok=True)
        with table.open("w", newline="", encoding="utf-8") as file:
            file.write(f"# {command_line()}\n")
            writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(kept)
    return kept


def _of(row: dict[str, str], cases: list[Case]) -> bool:
    return any(all(row[name] == value for name, value in case.key.items()) for case in cases)


@functools.cache
def _code() -> str:
    """Which version of the rule and the filter made a line."""
    digest = hashlib.blake2b(digest_size=4)
    package = ROOT / "sostruct"
    for path in sorted([*(package / "networks" / "hgf").glob("*.py"), *(package / "growth").glob("*.py")]):
        if path.parent.name == "hgf" or path.stem in _RULE:
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _seeds(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


if __name__ == "__main__":
    main()
