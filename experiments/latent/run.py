"""Hidden common causes within a step, and effects that must not be taken for them: what `ss.discover` calls each.

    .venv/bin/python experiments/latent/run.py                 # 20 seeds of every family
    .venv/bin/python experiments/latent/run.py --seeds 0:3 --no-write

Confounded VARs have pairs of series with a hidden cause in common and no effects within the step; structural VARs have
effects within the step and nothing hidden. Counted are pairs of series by what they are and by the mark they get.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
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

MAX_LAG = 3
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "hidden causes, Laplace, T 500": ("ConfoundedVAR", {"shape": "laplace"}),
    "hidden causes, uniform, T 500": ("ConfoundedVAR", {"shape": "uniform"}),
    "hidden causes, Gaussian, T 500": ("ConfoundedVAR", {"shape": "gaussian"}),
    "hidden causes, Laplace, T 2000": ("ConfoundedVAR", {"shape": "laplace", "steps": 2000}),
    "hidden causes, Gaussian, T 2000": ("ConfoundedVAR", {"shape": "gaussian", "steps": 2000}),
    "of three series each, Laplace, T 2000": ("ConfoundedVAR", {"shape": "laplace", "children": 3, "steps": 2000}),
    "hidden causes that persist, Laplace, T 500": ("ConfoundedVAR", {"shape": "laplace", "persistence": 0.8}),
    "effects, Laplace, T 500": ("StructuralVAR", {"shape": "laplace"}),
    "effects, uniform, T 500": ("StructuralVAR", {"shape": "uniform"}),
    "effects, Gaussian, T 500": ("StructuralVAR", {"shape": "gaussian"}),
    "effects, Laplace, T 200": ("StructuralVAR", {"shape": "laplace", "steps": 200}),
}
MARKS = ("bidirected", "undirected", "directed", "reversed", "not found")


def counted(task: Any) -> Counter[tuple[str, str]]:
    """How many pairs of a system are what and called what."""
    import sostruct as ss

    edges = ss.discover(task.frame, MAX_LAG).edges
    within = edges[edges["lag"] == 0]
    called = {frozenset(row[:2]): row for row in within[["cause", "effect", "mark"]].itertuples(index=False, name=None)}
    found: Counter[tuple[str, str]] = Counter()
    for cause, effect, data in task.truth.edges(data=True):
        if data["lag"]:
            continue
        kind = "hidden" if data["mark"] == "bidirected" else "effect"
        row = called.pop(frozenset((cause, effect)), (cause, effect, "not found"))
        turned = kind == "effect" and row[2] == "directed" and row[0] != cause
        found[kind, "reversed" if turned else row[2]] += 1
    for _, _, mark in called.values():
        found["neither", mark] += 1
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seeds", type=seed_range, default=range(1000, 1020), help="FIRST:END, default 1000:1020")
    parser.add_argument("--no-write", action="store_true", help="show the page, leave results/reference/ as it is")
    arguments = parser.parse_args()

    import sostruct.tasks

    rows = []
    for family, (name, settings) in FAMILIES.items():
        print(family, file=sys.stderr, flush=True)
        task = getattr(sostruct.tasks, name)(**settings)
        for seed in arguments.seeds:
            own = counted(task.load(seed))
            kinds = ("hidden" if name == "ConfoundedVAR" else "effect", "neither")
            rows += [(family, seed, kind, mark, own[kind, mark]) for kind in kinds for mark in MARKS]
    table = pd.DataFrame(rows, columns=["family", "seed", "pair", "called", "count"])
    mean = table.groupby(["family", "pair", "called"], sort=False)["count"].mean().unstack().loc[:, list(MARKS)]
    mean.insert(0, "pairs", mean.sum(axis=1))
    shown = mean.reset_index()
    shown.loc[shown["pair"] == "neither", "not found"] = np.nan
    figures = shown.map(lambda value: "" if value != value else f"{value:.2f}" if isinstance(value, float) else value)
    page = [
        f"{len(arguments.seeds)} seeds, p 10, {MAX_LAG} lags; pairs of series per system. Right is `bidirected` for a "
        "hidden cause, `directed` for an effect, and nothing for neither; `undirected` leaves it open.",
        markdown_table(figures.to_dict("records")),
        versions_line(versions()),
    ]
    print("\n\n".join(page))
    if not arguments.no_write:
        write_csv(REFERENCE / "latent.csv", table)
        write_markdown(REFERENCE / "latent.md", "Hidden common causes within a step", page)


if __name__ == "__main__":
    main()
