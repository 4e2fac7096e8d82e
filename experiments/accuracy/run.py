"""Accuracy of `ss.discover` at its default settings on systems with known graphs, against its peers on the same series.

    .venv/bin/python experiments/accuracy/run.py                  # all families, 20 seeds, all peers
    .venv/bin/python experiments/accuracy/run.py --seeds 0:3 --families "VAR p10 T100" --no-write

Every method's matrices go through the same referee. A peer stands in the tables twice: at its defaults, and, because
several readings of it are customary (significance levels, thresholds, options), with whichever reading turned out best
for it on each family and metric. The second is an advantage in its favor that a user, who does not know the truth,
would not have. Ours has one reading: the defaults.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from experiments.accuracy.families import DATA, FAMILIES, Drawn, Family
from experiments.accuracy.figure import draw
from experiments.common import (
    REFERENCE,
    markdown_table,
    mean_and_error,
    referee,
    score_row,
    seed_range,
    versions,
    versions_line,
    write_csv,
    write_markdown,
)
from experiments.peers.client import PEERS, Peer, fit_peer, peers_versions, require_peers
from experiments.tables import (
    GRAPH,
    OURS,
    SECONDS,
    differences,
    levels,
    reached,
    seconds,
    strongest,
)

DEFAULT, BEST = ", default", ", best"
MAX_LAG = 3
"""Every method is offered the same lags, whatever the system has."""

COLUMNS = ("family", "method", "reading", "seed", "metric", "value")
Row = tuple[str, str, str, int, str, float]


def judge_ours(family: str, drawn: dict[int, Drawn]) -> list[Row]:
    """Scores `ss.discover` as a user calls it: ranks by nats, decides by the edges of the found graph.

    The first series is discovered twice: its first call compiles for all others.
    """
    import sostruct as ss

    ss.discover(next(iter(drawn.values()))[0], max_lag=MAX_LAG)
    rows: list[Row] = []
    for seed, (frame, truth) in drawn.items():
        wall, processor = time.perf_counter(), time.process_time()
        found = ss.discover(frame, max_lag=MAX_LAG)
        summary, edges = found.summary, found.edges
        taken = {"seconds": time.perf_counter() - wall, SECONDS.name: time.process_time() - processor}
        names = list(frame.columns)
        evidence = summary.reindex(index=names, columns=names).to_numpy(dtype=np.float64, copy=True)
        np.fill_diagonal(evidence, 0.0)
        position = {name: index for index, name in enumerate(names)}
        decision = np.zeros_like(truth)
        decision[edges["cause"].map(position), edges["effect"].map(position)] = True
        scored = score_row(referee(truth, evidence, decision)) | taken
        rows += [(family, OURS, "default", seed, metric, value) for metric, value in scored.items()]
    return rows


def judge_peer(family: str, peer: Peer, drawn: dict[int, Drawn]) -> list[Row]:
    """Scores of every reading of every method of a peer; a reading either ranks or decides."""
    rows: list[Row] = []
    seeds = list(drawn)[: peer.first]
    for method in peer.methods:
        series = {f"seed_{seed:06d}": drawn[seed][0].to_numpy(dtype=np.float64) for seed in seeds}
        fits = fit_peer(method, series, MAX_LAG)
        for seed in seeds:
            fit, truth = fits[f"seed_{seed:06d}"], drawn[seed][1]
            nothing = np.zeros_like(truth)
            for name, evidence in fit.summary.items():
                ranked = referee(truth, evidence, nothing)
                scored = {"auroc": ranked.auroc, "auprc": ranked.auprc}
                rows += [(family, peer.name, f"{method}: {name}", seed, *item) for item in scored.items()]
            for name, decision in fit.decisions.items():
                decided = referee(truth, nothing.astype(np.float64), decision)
                scored = {"f1": decided.f1, "shd": decided.shd}
                rows += [(family, peer.name, f"{method}: {name}", seed, *item) for item in scored.items()]
            taken = {"seconds": fit.seconds, SECONDS.name: fit.processor_seconds}
            rows += [(family, peer.name, method, seed, *item) for item in taken.items()]
    return rows


def summarize(table: pd.DataFrame) -> pd.DataFrame:
    """One row per family, method, reading and metric, and which of them the page quotes."""
    rows = []
    for (family, method, reading, metric), group in table.groupby([*COLUMNS[:3], "metric"], sort=False):
        mean, error = mean_and_error(group["value"])
        row = {"family": family, "method": method, "reading": reading, "metric": metric}
        middle = group["value"].median()
        rows.append(row | {"mean": mean, "standard_error": error, "median": middle, "seeds": len(group)})
    summary = pd.DataFrame(rows)
    defaults = {"default", *(name for peer in PEERS for name in (*peer.defaults, peer.methods[0]))}
    scored = summary["metric"].isin([metric.name for metric in GRAPH])
    signed = summary["mean"].where(summary["metric"] != "shd", -summary["mean"])[scored]
    summary["default"] = summary["reading"].isin(defaults)
    summary["best"] = summary.index.isin(
        signed.groupby([summary["family"], summary["method"], summary["metric"]]).idxmax()
    )
    return summary


def quoted(table: pd.DataFrame, summary: pd.DataFrame) -> pd.DataFrame:
    """The rows of `table` that the page quotes, methods named `PCMCI, default` and `PCMCI, best`."""
    parts = []
    for kind, suffix in (("default", DEFAULT), ("best", BEST)):
        chosen = summary.loc[summary[kind], ["family", "method", "reading", "metric"]]
        part = table.merge(chosen, on=["family", "method", "reading", "metric"])
        part = part.loc[part["method"] != OURS] if kind == "best" else part
        parts.append(part.assign(method=part["method"].where(part["method"] == OURS, part["method"] + suffix)))
    both = pd.concat(parts, ignore_index=True)
    names = [OURS, *(peer.name + suffix for peer in PEERS for suffix in (DEFAULT, BEST))]
    families = list(dict.fromkeys(table["family"]))
    both["place"] = both["family"].map(families.index) * len(names) + both["method"].map(names.index)
    return both.sort_values("place", kind="stable", ignore_index=True).drop(columns="place")


def readings(summary: pd.DataFrame) -> list[dict[str, object]]:
    """Which reading of every peer turned out best, by family and metric."""
    best = summary.loc[summary["best"] & (summary["method"] != OURS)]
    rows = []
    for (family, method), group in best.groupby(["family", "method"], sort=False):
        row: dict[str, object] = {"data": family, "method": method}
        by_metric = dict(zip(group["metric"], group["reading"], strict=True))
        rows.append(row | {metric.title: by_metric[metric.name] for metric in GRAPH})
    return rows


def readable(
    table: pd.DataFrame, summary: pd.DataFrame, families: Sequence[Family], peers: Sequence[Peer]
) -> list[str]:
    """The page: levels, paired differences, the strongest peers, goals, seconds, and the readings quoted."""
    page = [
        "Mean ± standard error over seeds; summary graph without its diagonal. Effects within a step count in it, "
        "where a method looks for them: VARLiNGAM's only in its readings `lag 0 too`, PCMCI+'s in both directions "
        "where it leaves the direction open, ours in the more probable one.",
        markdown_table(levels(table, GRAPH)),
    ]
    ours = OURS in set(table["method"])
    if ours and peers:
        page += [
            "Paired differences, ours minus peer, ± standard error (SHD: negative is better):",
            markdown_table(differences(table, GRAPH)),
        ]
        for kind, words in ((DEFAULT, "at its defaults"), (BEST, "with the reading that turned out best for it")):
            page += [
                f"The strongest peer of every family, {words}, and the paired difference to it:",
                markdown_table(strongest(table, (GRAPH[0], GRAPH[2]), peers=kind)),
            ]
    if ours and (checks := reached(table, [goal for family in families for goal in family.goals])):
        page += ["Goals:", markdown_table(checks)]
    page += [
        "Seconds of one fit, at defaults: processor time of all threads together, which is what an idle core takes, "
        "however busy the machine was; median over seeds, imports not counted, ours after a first call.",
        markdown_table([{name.removesuffix(DEFAULT): cell for name, cell in row.items()} for row in seconds(table)]),
    ]
    if peers:
        page += [
            "What `best` is, as method: reading (peers/README.md names the defaults):",
            markdown_table(readings(summary)),
        ]
    fewer = [f"{peer.name} on the first {peer.first}" for peer in peers if peer.first is not None]
    if fewer:
        page.append(f"On fewer seeds, since a fit is slow: {', '.join(fewer)}; compared with ours on the same ones.")
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seeds", type=seed_range, default=range(1000, 1020), help="FIRST:END, default 1000:1020")
    parser.add_argument("--families", nargs="+", choices=[family.name for family in FAMILIES], help="default: all")
    parser.add_argument("--peers", nargs="*", choices=[peer.name for peer in PEERS], help="default: all")
    parser.add_argument("--no-peers", action="store_true", help="ours alone")
    parser.add_argument("--no-ours", action="store_true", help="the peers alone")
    parser.add_argument("--no-write", action="store_true", help="show the page, leave results/reference/ as it is")
    parser.add_argument("--redraw", action="store_true", help="only the figure, from results/reference/accuracy.csv")
    arguments = parser.parse_args()
    if arguments.redraw:
        kept = pd.read_csv(REFERENCE / "accuracy.csv", comment="#")
        if "median" not in kept:
            parser.error("cannot redraw: the table was written before it had medians; try a whole run")
        draw(kept, REFERENCE / "accuracy.svg")
        return
    wanted = [] if arguments.no_peers else arguments.peers
    peers = [peer for peer in PEERS if wanted is None or peer.name in wanted]
    require_peers(method for peer in peers for method in peer.methods)

    families = [family for family in FAMILIES if arguments.families is None or family.name in arguments.families]
    for family in [family for family in families if not family.here]:
        print(f"{family.name}: left out, since {DATA} has no such series", file=sys.stderr)
        families.remove(family)
    rows: list[Row] = []
    for family in families:
        drawn = family.drawn(arguments.seeds)
        if not arguments.no_ours:
            print(f"{family.name}: ours", file=sys.stderr, flush=True)
            rows += judge_ours(family.name, drawn)
        for peer in peers:
            print(f"{family.name}: {peer.name}", file=sys.stderr, flush=True)
            rows += judge_peer(family.name, peer, drawn)

    table = pd.DataFrame(rows, columns=list(COLUMNS))
    summary = summarize(table)
    shown = quoted(table, summary)
    page = readable(shown, summary, families, peers)
    print("\n\n".join(page))
    if not arguments.no_write:
        found = versions() | peers_versions(peers)
        picture = "![accuracy against seconds](accuracy.svg)"
        write_csv(REFERENCE / "accuracy.csv", summary)
        draw(summary, REFERENCE / "accuracy.svg")
        write_markdown(
            REFERENCE / "accuracy.md", "Accuracy at default settings", [picture, *page, versions_line(found)]
        )


if __name__ == "__main__":
    main()
