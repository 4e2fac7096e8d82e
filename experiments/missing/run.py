"""Graphs through gaps: `ss.discover` on VARs with missing values, beside peers on interpolated series.

    .venv/bin/python experiments/missing/run.py                  # 20 seeds of every family
    .venv/bin/python experiments/missing/run.py --seeds 0:3 --no-peers --no-write

Peers do not take missing values: they are given the series with gaps filled by straight lines between neighbors, at
their defaults. All methods are offered three lags, and judged on the summary graph without its diagonal.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from experiments.common import (
    METRICS,
    REFERENCE,
    markdown_table,
    mean_and_error,
    referee,
    score_row,
    seed_range,
    versions,
    versions_line,
    with_error,
    write_csv,
    write_markdown,
)
from experiments.peers.client import fit_peer, require_peers

MAX_LAG = 3
PEERS = {"VAR F-test": ("var_ftest", "F", "BH .05"), "lasso-CV": ("lasso_cv", "weight", "nonzero")}
FAMILIES = {
    "20 % of values": (0.2, 0),
    "40 % of values": (0.4, 0),
    "stretches of 50 rows, 40 %": (0.4, 50),
}
GOALS = {"auroc": 0.995, "f1": 0.91}
GOAL_FAMILY = "40 % of values"


def gapped(values: np.ndarray, share: float, stretch: int, seed: int) -> np.ndarray:
    """A share of the values missing: each by itself, or in stretches of rows of single series."""
    generator = np.random.default_rng([seed, 1])
    rows, nodes = values.shape
    missing = generator.random(values.shape) < share
    if stretch:
        missing[:] = False
        for node in range(nodes):
            while missing[:, node].mean() < share:
                start = int(generator.integers(0, rows - stretch + 1))
                missing[start : start + stretch, node] = True
    return np.where(missing, np.nan, values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seeds", type=seed_range, default=range(1000, 1020), help="FIRST:END, default 1000:1020")
    parser.add_argument("--no-peers", action="store_true", help="ours alone")
    parser.add_argument("--no-write", action="store_true", help="show the page, leave results/reference/ as it is")
    arguments = parser.parse_args()
    if not arguments.no_peers:
        require_peers()

    import sostruct as ss
    from sostruct.tasks import SparseVAR

    task = SparseVAR(nodes=10, steps=500, max_lag=MAX_LAG)
    rows = []
    for family, (share, stretch) in FAMILIES.items():
        truths, series = {}, {}
        for seed in arguments.seeds:
            drawn = task.load(seed)
            names = list(drawn.frame.columns)
            truths[seed] = task.coefficients(seed).any(axis=0).T
            values = gapped(drawn.frame.to_numpy(), share, stretch, seed)
            found = ss.discover(pd.DataFrame(values, columns=names), MAX_LAG)
            evidence = found.summary.to_numpy(copy=True)
            np.fill_diagonal(evidence, 0.0)
            decided = np.zeros(evidence.shape, bool)
            for edge in found.edges.itertuples():
                decided[names.index(str(edge.cause)), names.index(str(edge.effect))] = True
            score = referee(truths[seed], evidence, decided)
            rows += [(family, "sostruct", seed, metric, value) for metric, value in score_row(score).items()]
            filled = pd.DataFrame(values).interpolate(limit_direction="both").to_numpy()
            series[f"seed_{seed:06d}"] = filled
        for name, (method, ranking, decision) in {} if arguments.no_peers else PEERS.items():
            print(f"{family}: {name}", file=sys.stderr, flush=True)
            fits = fit_peer(method, series, MAX_LAG)
            for seed in arguments.seeds:
                fit = fits[f"seed_{seed:06d}"]
                score = referee(truths[seed], fit.summary[ranking], fit.decisions[decision])
                rows += [(family, name, seed, metric, value) for metric, value in score_row(score).items()]
    table = pd.DataFrame(rows, columns=["family", "method", "seed", "metric", "value"])

    levels, goals = [], []
    for (family, method), group in table.groupby(["family", "method"], sort=False):
        row = {"missing": str(family), "method": str(method)}
        for metric in METRICS:
            mean, error = mean_and_error(group.loc[group["metric"] == metric, "value"])
            row[metric.upper()] = with_error(mean, error)
            if family == GOAL_FAMILY and method == "sostruct" and metric in GOALS:
                met = "yes" if mean >= GOALS[metric] else "no"
                goals.append({"metric": metric.upper(), "goal": GOALS[metric], "reached": f"{mean:.4f}", "met": met})
        levels.append(row)
    page = [
        f"Sparse VARs p 10, T 500, {len(arguments.seeds)} seeds; mean ± standard error. Peers see interpolated series.",
        markdown_table(levels),
        f"Goals, {GOAL_FAMILY}:",
        markdown_table(goals),
        versions_line(versions()),
    ]
    print("\n\n".join(page))
    if not arguments.no_write:
        write_csv(REFERENCE / "missing.csv", table)
        write_markdown(REFERENCE / "missing.md", "Graphs through gaps", page)


if __name__ == "__main__":
    main()
