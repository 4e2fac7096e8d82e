"""Handwritten digits of 8 x 8 pixels: networks that grow and are pruned, beside fixed ones of the first and last size.

    .venv/bin/python experiments/layered_digits/run.py             # 3 seeds of every fold
    .venv/bin/python experiments/layered_digits/run.py --seeds 0:1 --no-write

Folds are those of StratifiedKFold(5, shuffle=True, random_state=0). The settings of "grown, pruned (Fisher)" are those
of `sostruct experiment=digits`. No run chooses anything on the rows held out; the settings themselves (noise, schedule
of pruning) were chosen from runs of other seeds on the same folds.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from experiments.common import (
    REFERENCE,
    markdown_table,
    mean_and_error,
    seed_range,
    versions,
    versions_line,
    with_error,
    write_csv,
    write_markdown,
)

COMMON = {
    "target": "label",
    "rate": 0.005,
    "anneal": True,
    "noise": 0.2,
    "patience": None,
    "validation": 0.0,
    "standardize": False,
    "epochs": 160,
}


def methods() -> dict[str, dict[str, Any]]:
    """Settings by method."""
    from sostruct.growth.accept import Always
    from sostruct.growth.layered import catalogue, pruning
    from sostruct.growth.layered.limits import Units
    from sostruct.growth.rule import GrowthRule
    from sostruct.growth.score import Random
    from sostruct.growth.several import Several
    from sostruct.growth.trigger_span import During

    drawn = GrowthRule(During(30), Random(), Always(), (Units(31),))
    pruned = catalogue.pruned(0.54, 70, 35, pruning.Fisher())
    return {
        "grown, pruned (Fisher)": {"hidden": (4,), "growth": catalogue.grown_and_pruned()},
        "grown at random, pruned (Fisher)": {"hidden": (4,), "growth": Several((drawn, pruned))},
        "fixed, 31 units, pruned (Fisher)": {"hidden": (31,), "growth": pruned},
        "fixed, 31 units": {"hidden": (31,)},
        "fixed, 14 units": {"hidden": (14,)},
        "linear": {"hidden": ()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seeds", type=seed_range, default=range(1000, 1003), help="FIRST:END, default 1000:1003")
    parser.add_argument("--no-write", action="store_true", help="show the page, leave results/reference/ as it is")
    arguments = parser.parse_args()

    import sostruct as ss
    from sostruct.prediction.store import metrics
    from sostruct.tasks import Digits

    rows = []
    for method, settings in methods().items():
        for seed in arguments.seeds:
            for fold in range(5):
                task = Digits(fold).load()
                start = time.perf_counter()
                found = ss.LayeredClassifier(seed=seed, **COMMON, **settings).fit(task.frame).result_
                seconds = time.perf_counter() - start
                numbers = metrics(found, heldout=task.heldout)
                rows.append((method, seed, fold, *(numbers[name] for name in _NUMBERS), seconds))
        print(method, file=sys.stderr, flush=True)
    table = pd.DataFrame(rows, columns=["method", "seed", "fold", *_NUMBERS, "seconds"])

    lines = []
    for method, own in table.groupby("method", sort=False):
        by_seed = own.groupby("seed")["test_accuracy"].mean()
        lines.append(
            {
                "method": method,
                "accuracy": with_error(*mean_and_error(by_seed), 4),
                "parameters": f"{own['parameters'].mean():.0f}",
                "most parameters": f"{own['most_parameters'].max()}",
                "units": f"{own['units'].mean():.1f}",
                "seconds, median": f"{own['seconds'].median():.1f}",
            }
        )
    page = [
        f"Five folds, {len(arguments.seeds)} seeds; accuracy on the rows held out, mean over folds, ± standard error "
        "over seeds. Parameters are trainable numbers that are not 0 at the end, and that there were at most. Seconds "
        "of a fit include the scoring of candidates. No run chooses anything on the rows held out, but the settings "
        "(noise, schedule of pruning) were chosen from runs of other seeds on the same folds: read them as tuned.",
        markdown_table(lines),
        versions_line(versions()),
    ]
    print("\n\n".join(page))
    if not arguments.no_write:
        write_csv(REFERENCE / "layered_digits.csv", table)
        write_markdown(REFERENCE / "layered_digits.md", "Handwritten digits", page)


_NUMBERS = ("test_accuracy", "parameters", "most_parameters", "units")

if __name__ == "__main__":
    main()
