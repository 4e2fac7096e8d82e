"""Streams whose graph changes: accuracy after the change, delay, false alarms, cost per row.

.venv/bin/python experiments/streaming/run.py                  # seeds 1000 to 1019
.venv/bin/python experiments/streaming/run.py --seeds 2000:2003 --no-write
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

MAX_LAG = 3
NODES = 10
NOISE = ("Gaussian", "Student-t(4)")
CHUNK = 50
STATIONARY = 20_000
SWITCH = 500


def innovations(generator: np.random.Generator, noise: str, steps: int) -> np.ndarray:
    """Noise of variance 1 [time x node]."""
    shape = (steps, NODES)
    return generator.standard_normal(shape) if noise == NOISE[0] else generator.standard_t(4, shape) / np.sqrt(2)


def system(seed: int, noise: str, parts: tuple[tuple[int, int], ...]) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Sparse autoregressions one after the other, each from where the one before ended.

    Args:
        seed: of graphs and noise.
        noise: one of `NOISE`.
        parts: number of a graph, and how many rows it makes.

    Returns:
        the series, and by number of the graph its pairs [cause, effect].
    """
    from sostruct.tasks.links import simulate
    from sostruct.tasks.var import SparseVAR

    generator = np.random.default_rng([seed, 7])
    task = SparseVAR(nodes=NODES, max_lag=MAX_LAG)
    graphs = {number: task._links(np.random.default_rng([seed, number])) for number, _ in parts}
    series = simulate(graphs[parts[0][0]], innovations(generator, noise, task.burn_in))
    start = len(series)
    for number, steps in parts:
        links, drawn = graphs[number], innovations(generator, noise, steps)
        past = series[-MAX_LAG:]
        for step in range(steps):
            row = drawn[step].copy()
            np.add.at(row, links.effect, links.weight * past[MAX_LAG - links.lag, links.cause])
            past = np.concatenate([past[1:], row[None]])
            drawn[step] = row
        series = np.concatenate([series, drawn])
    pairs = {}
    for number, links in graphs.items():
        pairs[number] = np.zeros((NODES, NODES), dtype=bool)
        pairs[number][links.cause, links.effect] = True
    return series[start:], pairs


def streamed(series: np.ndarray, chunk: int = CHUNK) -> Any:
    """A stream that has seen a series."""
    import sostruct as ss

    stream = ss.StreamingDiscovery(max_lag=MAX_LAG)
    for start in range(0, len(series), chunk):
        stream.observe(series[start : start + chunk])
    return stream


def switch(seed: int, noise: str) -> list[dict[str, Any]]:
    """What each method says of the last regime, at the end."""
    import sostruct as ss

    series, pairs = system(seed, noise, ((0, SWITCH), (1, SWITCH)))
    stream = streamed(series)
    late = stream.alarms[stream.alarms["row"] >= SWITCH]
    settings: dict[str, Any] = {"max_lag": MAX_LAG, "functions": "linear"}
    methods = {
        "stream, not told": stream.found,
        "batch, all rows": ss.discover(series, **settings),
        "batch, told the switch": ss.discover(series[SWITCH - MAX_LAG :], **settings),
    }
    rows = []
    for name, found in methods.items():
        decided = np.zeros((NODES, NODES), dtype=bool)
        place = {variable: number for number, variable in enumerate(found.summary.index)}
        for cause, effect in found.edges[found.edges["lag"] > 0][["cause", "effect"]].itertuples(index=False):
            decided[place[cause], place[effect]] = True
        row: dict[str, Any] = {"noise": noise, "seed": seed, "method": name}
        row |= score_row(referee(pairs[1], found.summary.to_numpy(), decided))
        if name == "stream, not told":
            row["delay"] = int(late["row"].iloc[0]) - SWITCH if len(late) else np.nan
            row["early_alarms"] = len(stream.alarms) - len(late)
            row["late_alarms"] = max(len(late) - 1, 0)
        rows.append(row)
    return rows


def back(seed: int, noise: str) -> dict[str, Any]:
    """Whether the return of an earlier graph is recognized, and whether a new one is taken for an earlier one."""
    series, _ = system(seed, noise, ((0, 400), (1, 400), (0, 400), (2, 400)))
    returns = streamed(series).alarms.query("row >= 800")
    there, new = returns[returns["row"] < 1200], returns[returns["row"] >= 1200]
    return {
        "noise": noise,
        "seed": seed,
        "recognized": bool((there["returned"] == 0).any()),
        "mistaken": bool(new["returned"].notna().any()),
    }


def stationary(seed: int, noise: str) -> dict[str, Any]:
    """False alarms, and microseconds per row in chunks of 1,000."""
    series, _ = system(seed, noise, ((0, STATIONARY),))
    streamed(series[:2000], 1000)  # compiles
    start = time.perf_counter()
    stream = streamed(series, 1000)
    taken = time.perf_counter() - start
    start = time.perf_counter()
    streamed(series[:1000], 1000)
    first = time.perf_counter() - start
    return {
        "noise": noise,
        "seed": seed,
        "false_alarms": len(stream.alarms),
        "us_per_row": taken / STATIONARY * 1e6,
        "us_per_row_first_1000": first / 1000 * 1e6,
    }


def pages(accuracy: pd.DataFrame, returned: pd.DataFrame, calm: pd.DataFrame) -> list[str]:
    """The tables of the page."""
    rows = []
    for (noise, method), own in accuracy.groupby(["noise", "method"], sort=False):
        row = {"noise": noise, "method": method}
        for metric, title in (("auroc", "AUROC"), ("f1", "F1"), ("shd", "SHD")):
            row[title] = with_error(*mean_and_error(own[metric]), 1 if metric == "shd" else 3)
        told = own["delay"].notna().any()
        row["median delay (most)"] = f"{own['delay'].median():.0f} ({own['delay'].max():.0f})" if told else ""
        row["not found"] = str(int(own["delay"].isna().sum())) if told else ""
        row["other alarms"] = str(int((own["early_alarms"] + own["late_alarms"]).sum())) if told else ""
        rows.append(row)
    share = returned.groupby("noise", sort=False)[["recognized", "mistaken"]].sum()
    size = len(returned) // len(NOISE)
    again = [
        {"noise": noise, "returns recognized": f"{row.recognized} of {size}", "new taken for old": f"{row.mistaken}"}
        for noise, row in share.iterrows()
    ]
    quiet = []
    for noise, own in calm.groupby("noise", sort=False):
        seen = STATIONARY * len(own)
        quiet.append(
            {
                "noise": noise,
                "rows": f"{seen:,}",
                "false alarms": str(int(own["false_alarms"].sum())),
                "per 20,000 rows": f"{own['false_alarms'].sum() / seen * 20_000:.2f}",
                "microseconds per row": f"{own['us_per_row'].median():.1f}",
                "of the first 1,000": f"{own['us_per_row_first_1000'].median():.1f}",
            }
        )
    return [
        f"{NODES} series, {2 * SWITCH} rows, the graph redrawn at row {SWITCH}; chunks of {CHUNK} rows; the summary "
        "graph after the last row against the last graph. `other alarms`: all but the first after the switch, over "
        "all systems.",
        markdown_table(rows),
        "Graphs A, B, A, C of 400 rows each: is the second A known to be the first, is C taken for A or B?",
        markdown_table(again),
        f"One graph, {STATIONARY:,} rows a system. Cost: compiled and warm, chunks of 1,000, median over systems.",
        markdown_table(quiet),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seeds", type=seed_range, default=range(1000, 1020), help="FIRST:END, default 1000:1020")
    parser.add_argument("--no-write", action="store_true", help="show the page, leave the files as they are")
    arguments = parser.parse_args()
    pairs = [(seed, noise) for noise in NOISE for seed in arguments.seeds]
    accuracy = pd.DataFrame([row for seed, noise in pairs for row in switch(seed, noise)])
    returned = pd.DataFrame([back(seed, noise) for seed, noise in pairs])
    calm = pd.DataFrame([stationary(seed, noise) for seed, noise in pairs])
    page = [f"Seeds {arguments.seeds[0]} to {arguments.seeds[-1]}.", *pages(accuracy, returned, calm)]
    print("\n\n".join(page))
    if not arguments.no_write:
        parts = [("switch", accuracy), ("return", returned), ("stationary", calm)]
        table = pd.concat([part.assign(part=name) for name, part in parts], ignore_index=True)
        write_csv(REFERENCE / "streaming.csv", table)
        write_markdown(REFERENCE / "streaming.md", "Streams whose graph changes", [*page, versions_line(versions())])


if __name__ == "__main__":
    main()
