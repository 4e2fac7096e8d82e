"""Effects within a step: lagged and contemporaneous links of structural VARs, beside VARLiNGAM on the same series.

    .venv/bin/python experiments/contemporaneous/run.py                  # 20 seeds of every family
    .venv/bin/python experiments/contemporaneous/run.py --seeds 0:3 --no-peers --no-write

Lagged: is there a link from cause to effect at a lag of 1 or more (pairs of different series; AUROC by the highest
evidence of any lag). Within: is there one at lag 0, in this direction; `skeleton`, in either.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from experiments.common import (
    REFERENCE,
    ROOT,
    child_environment,
    markdown_table,
    mean_and_error,
    referee,
    seed_range,
    versions,
    versions_line,
    with_error,
    write_csv,
    write_markdown,
)
from experiments.peers.client import HERE, PYTHON, require_peers

MAX_LAG = 3

FAMILIES = {
    "Laplace p10 T500": {"nodes": 10, "steps": 500, "shape": "laplace"},
    "Laplace p10 T200": {"nodes": 10, "steps": 200, "shape": "laplace"},
    "uniform p10 T500": {"nodes": 10, "steps": 500, "shape": "uniform"},
    "Gaussian p10 T500": {"nodes": 10, "steps": 500, "shape": "gaussian"},
    "Laplace p20 T1000": {"nodes": 20, "steps": 1000, "shape": "laplace"},
}

GOALS = {("Laplace p10 T500", "lagged AUROC"): 0.999, ("Laplace p10 T500", "lagged F1"): 0.98}
GOALS[("Laplace p10 T500", "within F1")] = 0.99

Method = Callable[[dict[int, np.ndarray]], dict[int, tuple[np.ndarray, np.ndarray]]]


def ours(series: dict[int, np.ndarray]) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Evidence and decisions [lag, effect, cause] of `ss.discover` at its defaults; an undirected edge counts in the
    direction in which it is named."""
    import sostruct as ss

    found = {}
    for seed, values in series.items():
        result = ss.discover(values, max_lag=MAX_LAG)
        place = {name: number for number, name in enumerate(result.summary.columns)}
        size = (MAX_LAG + 1, len(place), len(place))
        nats, decided = np.full(size, -1e9), np.zeros(size, bool)
        for table, fill in ((result.scores, nats), (result.edges, decided)):
            lag, effect, cause = table["lag"], table["effect"].map(place), table["cause"].map(place)
            fill[lag, effect, cause] = table["nats"].clip(lower=-1e9) if fill is nats else True
        found[seed] = nats, decided
    return found


def varlingam(series: dict[int, np.ndarray]) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """The same of VARLiNGAM: weights, and which of them are not zero."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.npz"), Path(folder, "out.npz")
        np.savez(source, allow_pickle=False, **{str(seed): values for seed, values in series.items()})
        command = [str(PYTHON), str(HERE / "varlingam_within.py"), str(source), str(target), str(MAX_LAG)]
        subprocess.run(command, env=child_environment(), cwd=ROOT, check=True)
        with np.load(target, allow_pickle=False) as archive:
            return {seed: (np.abs(archive[str(seed)]), archive[str(seed)] != 0) for seed in series}


def scores(truth: np.ndarray, evidence: np.ndarray, decided: np.ndarray) -> dict[str, float]:
    """The figures of one series; arrays [lag, effect, cause]."""
    true, found = truth[1:].any(axis=0), decided[1:].any(axis=0)
    lagged = referee(true, evidence[1:].max(axis=0), found)
    within = referee(truth[0], np.zeros(truth[0].shape), decided[0])
    skeleton = referee(truth[0] | truth[0].T, np.zeros(truth[0].shape), decided[0] | decided[0].T)
    return {
        "lagged AUROC": lagged.auroc,
        "lagged F1": lagged.f1,
        "within F1": within.f1,
        "within SHD": within.shd,
        "skeleton F1": skeleton.f1,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seeds", type=seed_range, default=range(1000, 1020), help="FIRST:END, default 1000:1020")
    parser.add_argument("--no-peers", action="store_true", help="ours alone")
    parser.add_argument("--no-write", action="store_true", help="show the page, leave results/reference/ as it is")
    arguments = parser.parse_args()
    methods: dict[str, Method] = {"sostruct": ours}
    if not arguments.no_peers:
        require_peers()
        methods["VARLiNGAM"] = varlingam

    from sostruct.tasks import StructuralVAR

    rows = []
    for family, settings in FAMILIES.items():
        task = StructuralVAR(**settings)  # type: ignore[arg-type]
        series = {seed: task.load(seed).frame.to_numpy() for seed in arguments.seeds}
        for method, fit in methods.items():
            print(f"{family}: {method}", file=sys.stderr, flush=True)
            for seed, (evidence, decided) in fit(series).items():
                for metric, value in scores(task.coefficients(seed) != 0, evidence, decided).items():
                    rows.append((family, method, seed, metric, value))
    table = pd.DataFrame(rows, columns=["family", "method", "seed", "metric", "value"])

    levels, goals = [], []
    for (family, method), group in table.groupby(["family", "method"], sort=False):
        row = {"data": str(family), "method": str(method)}
        for metric, own in group.groupby("metric", sort=False):
            mean, error = mean_and_error(own["value"])
            row[str(metric)] = with_error(mean, error)
            goal = GOALS.get((str(family), str(metric)))
            if goal is not None and method == "sostruct":
                met = "yes" if mean >= goal else "no"
                goals.append({"data": family, "metric": metric, "goal": goal, "reached": f"{mean:.4f}", "met": met})
        levels.append(row)
    page = [
        f"Structural VARs, {len(arguments.seeds)} seeds, {MAX_LAG} lags; mean ± standard error. Directions within a "
        "step cannot be known from Gaussian data: ours reports undirected edges there, which `within` counts in the "
        "direction in which they are named.",
        markdown_table(levels),
        "Goals:",
        markdown_table(goals),
        versions_line(versions()),
    ]
    print("\n\n".join(page))
    if not arguments.no_write:
        write_csv(REFERENCE / "contemporaneous.csv", table)
        write_markdown(REFERENCE / "contemporaneous.md", "Effects within a step", page)


if __name__ == "__main__":
    main()
