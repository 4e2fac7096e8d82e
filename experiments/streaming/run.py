"""Streams whose graph changes: accuracy after the change, delay, false alarms.

    .venv/bin/python experiments/streaming/run.py                  # seeds 1000 to 1019
    .venv/bin/python experiments/streaming/run.py --seeds 0:3 --no-peers --no-write

The stream is not told that anything changes. Batch methods, ours and the peers at their defaults, see all rows at once,
with and without what a stream is not told: where the last graph begins. All are offered three lags, and judged on the
summary graph without its diagonal.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from experiments.common import (
    REFERENCE,
    markdown_table,
    referee,
    score_row,
    seed_range,
    versions,
    versions_line,
    write_csv,
    write_markdown,
)
from experiments.peers.client import fit_peer, require_peers
from experiments.tables import GRAPH, Cells, levels

MAX_LAG = 3
NODES = 10
NOISE = ("Gaussian", "Student-t(4)")
CHUNK = 50
BURN_IN = 200
STATIONARY = 20_000
SWITCH = 500
OURS = "stream, not told"
LEVELS = (GRAPH[0], GRAPH[2], replace(GRAPH[3], digits=1))
PEERS = {"VAR F-test": ("var_ftest", "F", "BH .05"), "VARLiNGAM": ("varlingam", "weight", "nonzero")}


def innovations(generator: np.random.Generator, noise: str, steps: int) -> np.ndarray:
    """Noise of variance 1 [time x node]."""
    shape = (steps, NODES)
    return generator.standard_normal(shape) if noise == NOISE[0] else generator.standard_t(4, shape) / np.sqrt(2)


def coefficients(seed: int, number: int) -> np.ndarray:
    """One of the graphs of a seed [lag, effect, cause]."""
    from sostruct.tasks import SparseVAR

    return SparseVAR(nodes=NODES, max_lag=MAX_LAG).coefficients(100 * seed + number)


def mended(seed: int) -> tuple[np.ndarray, np.ndarray, int]:
    """A graph, the same with other parents of one series, and the number of that series."""
    series = seed % NODES
    first = coefficients(seed, 0)
    for number in range(1, 100):
        second = first.copy()
        second[:, series] = coefficients(seed, number)[:, series]
        companion = np.eye(NODES * MAX_LAG, k=-NODES)
        companion[:NODES] = np.concatenate(list(second), axis=1)
        others = np.arange(NODES) != series
        same = np.array_equal(first[:, series, others] != 0, second[:, series, others] != 0)
        if not same and np.abs(np.linalg.eigvals(companion)).max() < 0.97:
            return first, second, series
    raise RuntimeError(f"no other parents of series {series} with seed {seed} give a stable system")


def system(seed: int, noise: str, parts: list[tuple[np.ndarray, int]]) -> np.ndarray:
    """Sparse autoregressions one after the other, each from where the one before ended [time x node].

    Args:
        seed: of the noise.
        noise: one of `NOISE`.
        parts: coefficients [lag, effect, cause], and how many rows they make.
    """
    generator = np.random.default_rng([seed, 7])
    series = np.zeros((MAX_LAG, NODES))
    for weight, steps in [(parts[0][0], BURN_IN), *parts]:
        wide = np.concatenate(list(weight), axis=1)
        drawn = innovations(generator, noise, steps)
        held = np.concatenate([series[-MAX_LAG:], drawn])
        for step in range(MAX_LAG, steps + MAX_LAG):
            held[step] += wide @ held[step - MAX_LAG : step][::-1].reshape(-1)
        series = np.concatenate([series, held[MAX_LAG:]])
    return series[MAX_LAG + BURN_IN :]


def streamed(series: np.ndarray, chunk: int = CHUNK) -> Any:
    """A stream that has seen a series."""
    import sostruct as ss

    stream = ss.StreamingDiscovery(max_lag=MAX_LAG)
    for start in range(0, len(series), chunk):
        stream.observe(series[start : start + chunk])
    return stream


def judged(found: Any, truth: np.ndarray) -> dict[str, Any]:
    """Scores of a summary graph; truth [cause, effect]."""
    decided = np.zeros((NODES, NODES), dtype=bool)
    place = {variable: number for number, variable in enumerate(found.summary.index)}
    for cause, effect in found.edges[found.edges["lag"] > 0][["cause", "effect"]].itertuples(index=False):
        decided[place[cause], place[effect]] = True
    return score_row(referee(truth, found.summary.to_numpy(), decided))


def followed(kind: str, seed: int, noise: str, parts: list[tuple[np.ndarray, int]]) -> list[dict[str, Any]]:
    """What a stream and batches say of the last of two graphs, at the end."""
    import sostruct as ss

    series, start = system(seed, noise, parts), parts[0][1]
    truth = parts[1][0].any(axis=0).T
    stream = streamed(series)
    late = stream.alarms[stream.alarms["row"] >= start]
    settings: dict[str, Any] = {"max_lag": MAX_LAG, "functions": "linear"}
    rows = []
    for name, found in (
        (OURS, stream.found),
        ("sostruct, all rows", ss.discover(series, **settings)),
        ("sostruct, told the switch", ss.discover(series[start:], **settings)),
    ):
        rows.append({"kind": kind, "noise": noise, "seed": seed, "method": name} | judged(found, truth))
    rows[0]["delay"] = int(late["row"].iloc[0]) - start if len(late) else np.nan
    rows[0]["other_alarms"] = len(stream.alarms) - min(len(late), 1)
    rows[0]["nodes"] = " ".join(late["nodes"].iloc[0]) if len(late) else ""
    return rows


def peers(seeds: list[int]) -> list[dict[str, Any]]:
    """The peers on the same series, with and without the rows before the switch."""
    rows = []
    for noise in NOISE:
        series = {seed: system(seed, noise, redrawn(seed)) for seed in seeds}
        for known, start in (("all rows", 0), ("told the switch", SWITCH)):
            given = {f"seed_{seed:06d}": one[start:] for seed, one in series.items()}
            for name, (method, ranking, decision) in PEERS.items():
                print(f"{noise}: {name}, {known}", file=sys.stderr, flush=True)
                fits = fit_peer(method, given, MAX_LAG)
                for seed in seeds:
                    fit = fits[f"seed_{seed:06d}"]
                    truth = redrawn(seed)[1][0].any(axis=0).T
                    row = {"kind": "redrawn", "noise": noise, "seed": seed, "method": f"{name}, {known}"}
                    rows.append(row | score_row(referee(truth, fit.summary[ranking], fit.decisions[decision])))
    return rows


def redrawn(seed: int) -> list[tuple[np.ndarray, int]]:
    """A graph, and another one."""
    return [(coefficients(seed, 0), SWITCH), (coefficients(seed, 1), SWITCH)]


def one_series(seed: int, noise: str) -> list[dict[str, Any]]:
    """A graph, and the same with other parents of one series."""
    first, second, series = mended(seed)
    rows = followed("one series", seed, noise, [(first, SWITCH), (second, 2 * SWITCH)])
    rows[0]["named"] = f"x{series}" in str(rows[0]["nodes"]).split()
    return rows


def back(seed: int, noise: str) -> dict[str, Any]:
    """Whether the return of an earlier graph is recognized, and whether a new one is taken for an earlier one."""
    series = system(seed, noise, [(coefficients(seed, number), 400) for number in (0, 1, 0, 2)])
    returns = streamed(series).alarms.query("row >= 800")
    there, new = returns[returns["row"] < 1200], returns[returns["row"] >= 1200]
    return {
        "noise": noise,
        "seed": seed,
        "recognized": bool((there["returned"] == 0).any()),
        "mistaken": bool(new["returned"].notna().any()),
    }


def stationary(seed: int, noise: str) -> dict[str, Any]:
    """False alarms where nothing changes."""
    series = system(seed, noise, [(coefficients(seed, 0), STATIONARY)])
    return {"noise": noise, "seed": seed, "false_alarms": len(streamed(series, 1000).alarms)}


def pages(accuracy: pd.DataFrame, returned: pd.DataFrame, calm: pd.DataFrame) -> list[str]:
    """The tables of the page."""
    goals = []
    for noise, own in accuracy.query("kind == 'redrawn' and method == @OURS").groupby("noise", sort=False):
        goals += [
            goal(f"AUROC, {noise}", own["auroc"].mean(), 0.998, "≥", 4),
            goal(f"F1, {noise}", own["f1"].mean(), 0.98, "≥", 4),
            goal(f"median delay, rows, {noise}", own["delay"].fillna(np.inf).median(), 50, "≤", 0),
        ]
    share = returned.groupby("noise", sort=False)[["recognized", "mistaken"]].sum()
    size = len(returned) // len(NOISE)
    again = [
        {"noise": noise, "returns recognized": f"{row.recognized} of {size}", "new taken for old": f"{row.mistaken}"}
        for noise, row in share.iterrows()
    ]
    quiet = []
    for noise, own in calm.groupby("noise", sort=False):
        seen = STATIONARY * len(own)
        rate = own["false_alarms"].sum() / seen * 20_000
        goals.append(goal(f"false alarms per 20,000 rows, {noise}", rate, 1, "≤", 2))
        quiet.append(
            {
                "noise": noise,
                "rows": f"{seen:,}",
                "false alarms": str(int(own["false_alarms"].sum())),
                "per 20,000 rows": f"{rate:.2f}",
            }
        )
    return [
        f"{NODES} series, {2 * SWITCH} rows, the graph redrawn at row {SWITCH}; chunks of {CHUNK} rows; the summary "
        "graph after the last row against the last graph; mean ± standard error. `other alarms`: all but the first "
        "after the switch, over all systems.",
        markdown_table(shown(accuracy, "redrawn")),
        "Goals of the stream:",
        markdown_table(goals),
        f"Other parents of one series from row {SWITCH} on, {3 * SWITCH} rows. `not found`: no alarm in {2 * SWITCH} "
        "rows. `series named`: the alarm names the series.",
        markdown_table(shown(accuracy, "one series")),
        "Graphs A, B, A, C of 400 rows each: is the second A known to be the first, is C taken for A or B?",
        markdown_table(again),
        f"One graph, {STATIONARY:,} rows a system.",
        markdown_table(quiet),
    ]


def shown(accuracy: pd.DataFrame, kind: str) -> list[Cells]:
    """Levels of every method after one kind of change, and of the stream how it noticed."""
    own = accuracy.loc[accuracy["kind"] == kind].rename(columns={"noise": "family"})
    scores = own.melt(["family", "method", "seed"], [metric.name for metric in LEVELS], "metric", "value")
    rows = []
    for row in levels(scores, LEVELS, "noise"):
        del row["seeds"]
        stream = own.loc[(own["family"] == row["noise"]) & (own["method"] == row["method"])]
        ours = row["method"] == OURS
        row["median delay (most)"] = f"{stream['delay'].median():.0f} ({stream['delay'].max():.0f})" if ours else ""
        row["not found"] = str(int(stream["delay"].isna().sum())) if ours else ""
        row["other alarms"] = str(int(stream["other_alarms"].sum())) if ours else ""
        if kind == "one series":
            row["series named"] = f"{int(stream['named'].sum())} of {len(stream)}" if ours else ""
        rows.append(row)
    return rows


def goal(name: str, reached: float, wanted: float, sign: str, digits: int) -> dict[str, str]:
    """A line of the table of goals."""
    met = reached >= wanted if sign == "≥" else reached <= wanted
    return {"": name, "goal": f"{sign} {wanted}", "reached": f"{reached:.{digits}f}", "met": "yes" if met else "no"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seeds", type=seed_range, default=range(1000, 1020), help="FIRST:END, default 1000:1020")
    parser.add_argument("--no-peers", action="store_true", help="ours alone")
    parser.add_argument("--no-write", action="store_true", help="show the page, leave results/reference/ as it is")
    arguments = parser.parse_args()
    if not arguments.no_peers:
        require_peers()
    rows: list[dict[str, Any]] = []
    pairs = [(seed, noise) for noise in NOISE for seed in arguments.seeds]
    for seed, noise in pairs:
        print(f"{noise}, seed {seed}", file=sys.stderr, flush=True)
        rows += followed("redrawn", seed, noise, redrawn(seed))
    rows += [] if arguments.no_peers else peers(list(arguments.seeds))
    for seed, noise in pairs:
        rows += one_series(seed, noise)
    accuracy = pd.DataFrame(rows).sort_values(["kind", "noise"], ascending=[False, True], kind="stable")
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
