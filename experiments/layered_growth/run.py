"""How many units exclusive or and the two spirals need, by cascades that grow.

    .venv/bin/python experiments/layered_growth/run.py           # 100 runs of XOR, 10 of the spirals and their controls
    .venv/bin/python experiments/layered_growth/run.py --xor 0:5 --spirals 0:2 --no-write

The settings are those of `sostruct experiment=xor` and `experiment=two_spirals`. Controls see the same number of units,
placed at random, and of passes over the rows; a linear network and fixed networks of one population stand beside.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from experiments.common import (
    REFERENCE,
    markdown_table,
    seed_range,
    versions,
    versions_line,
    write_csv,
    write_markdown,
)

XOR = {"batch": 4, "passes": 300, "rate": 0.05, "patience": 10, "validation": 0.0, "epochs": 60}
SPIRALS = {"batch": 194, "passes": 400, "rate": 0.01, "patience": 10, "validation": 0.0, "epochs": 100}


def methods() -> dict[str, dict[str, dict[str, Any]]]:
    """Settings by task and method."""
    from sostruct.growth.accept import Always
    from sostruct.growth.layered import catalogue
    from sostruct.growth.layered.limits import Units
    from sostruct.growth.rule import GrowthRule
    from sostruct.growth.score import Random
    from sostruct.growth.trigger_plateau import Plateau

    drawn = GrowthRule(Plateau(2, 1.0, 0.02), Random(), Always(), (Units(30),))
    return {
        "xor": {
            "cascade": XOR | {"hidden": (), "growth": catalogue.cascade()},
            "random growth": XOR | {"hidden": (), "growth": drawn},
            "fixed, 2 units": XOR | {"hidden": (2,)},
            "linear": XOR | {"hidden": ()},
        },
        "two_spirals": {
            "cascade": SPIRALS | {"hidden": (), "growth": catalogue.cascade()},
            "random growth": SPIRALS | {"hidden": (), "growth": drawn},
            "fixed, 10 units": SPIRALS | {"hidden": (10,)},
            "fixed, 64 units": SPIRALS | {"hidden": (64,)},
            "linear": SPIRALS | {"hidden": ()},
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--xor", type=seed_range, default=range(1000, 1100), help="FIRST:END, default 1000:1100")
    parser.add_argument("--spirals", type=seed_range, default=range(1000, 1010), help="FIRST:END, default 1000:1010")
    parser.add_argument("--no-write", action="store_true", help="show the page, leave results/reference/ as it is")
    arguments = parser.parse_args()

    import sostruct as ss
    from sostruct.tasks import all_tasks

    rows = []
    for task, own in methods().items():
        frame = all_tasks[task]().load(0).frame
        for method, settings in own.items():
            seeds = arguments.xor if task == "xor" else arguments.spirals
            for seed in seeds if method == "cascade" else seeds[:10]:
                start = time.perf_counter()
                found = ss.LayeredClassifier(target="label", seed=seed, **settings).fit(frame).result_
                seconds = time.perf_counter() - start
                right = found.accuracy(frame)
                rows.append((task, method, seed, right, found.network.units, found.parameters, seconds))
            print(f"{task}: {method}", file=sys.stderr, flush=True)
    columns = ["task", "method", "seed", "accuracy", "units", "parameters", "seconds"]
    table = pd.DataFrame(rows, columns=columns)

    lines = []
    for (task, method), own in table.groupby(["task", "method"], sort=False):
        lines.append(
            {
                "task": task,
                "method": method,
                "solved": f"{int((own['accuracy'] == 1.0).sum())} of {len(own)}",
                "mean accuracy": f"{own['accuracy'].mean():.3f}",
                "hidden units, median (least to most)": f"{np.median(own['units']):g} "
                f"({own['units'].min()} to {own['units'].max()})",
                "parameters, median": f"{np.median(own['parameters']):g}",
                "seconds, median": f"{np.median(own['seconds']):.1f}",
            }
        )
    page = [
        "Training accuracy: these tasks have no other rows. Seconds include compilation and the scoring of candidates.",
        markdown_table(lines),
        versions_line(versions()),
    ]
    print("\n\n".join(page))
    if not arguments.no_write:
        write_csv(REFERENCE / "layered_growth.csv", table)
        write_markdown(REFERENCE / "layered_growth.md", "Exclusive or and two spirals", page)


if __name__ == "__main__":
    main()
