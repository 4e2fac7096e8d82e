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
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from experiments.common import (
    METRICS,
    REFERENCE,
    ROOT,
    Score,
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
from experiments.peers.client import PEERS, Peer, fit_peer, peer_versions, require_peers

Row = dict[str, Any]

OURS = "sostruct"
DEFAULTS = ("default", *(reading for peer in PEERS for reading in peer.defaults))
KINDS = ("default", "best")
LOWER_IS_BETTER = ("shd",)
DATA = ROOT.parent / "shared" / "data"
"""Published series with known graphs; families without theirs are left out, and the page has none of them."""

TITLES = {"auroc": "AUROC", "auprc": "AUPRC", "f1": "F1", "shd": "SHD"}


MAX_LAG = 3
"""Every method is offered the same lags, whatever the system has."""

Drawn = tuple[pd.DataFrame, np.ndarray]


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of system, where its series come from, and what ours should reach on it.

    Attributes:
        name: as in the tables.
        source: draws one seed of a task of ours; or the folders of published series, whose places are the seeds.
        goals: metric and value.
    """

    name: str
    source: Callable[[int], Drawn] | tuple[str, ...]
    goals: tuple[tuple[str, float], ...]

    def drawn(self, seeds: range) -> dict[int, Drawn]:
        """Series and truth [cause, effect] by seed."""
        if isinstance(self.source, tuple):
            return {number: published(folder) for number, folder in enumerate(self.source)}
        return {seed: self.source(seed) for seed in seeds}

    @property
    def here(self) -> bool:
        """Whether its files are."""
        return not isinstance(self.source, tuple) or all((DATA / folder).is_dir() for folder in self.source)


def task(name: str, **settings: Any) -> Callable[[int], Drawn]:
    """Draws from a task of ours."""

    def draw(seed: int) -> Drawn:
        import sostruct.tasks

        drawn = getattr(sostruct.tasks, name)(**settings).load(seed)
        return drawn.frame, matrix(list(drawn.frame.columns), drawn.truth.edges())

    return draw


def published(folder: str) -> Drawn:
    """A published series and its graph."""
    frame, truth = pd.read_csv(DATA / folder / "series.csv"), pd.read_csv(DATA / folder / "truth.csv")
    frame.columns = [str(name) for name in frame.columns]
    pairs = zip(truth["cause"].astype(str), truth["effect"].astype(str), strict=True)
    return frame, matrix(list(frame.columns), pairs)


def matrix(names: Sequence[str], pairs: Iterable[tuple[Any, ...]]) -> np.ndarray:
    """A graph as Booleans [cause, effect]."""
    place = {str(name): index for index, name in enumerate(names)}
    truth = np.zeros((len(names), len(names)), dtype=bool)
    for cause, effect in pairs:
        truth[place[str(cause)], place[str(effect)]] = True
    return truth


def goals(auroc: float, f1: float | None = None) -> tuple[tuple[str, float], ...]:
    """The goals of a family."""
    return (("auroc", auroc), *([] if f1 is None else [("f1", f1)]))


FAMILIES = (
    Family("VAR p10 T500", task("SparseVAR", nodes=10, steps=500, max_lag=3), goals(0.999, 0.99)),
    Family("VAR p20 T200", task("SparseVAR", nodes=20, steps=200, max_lag=3), goals(0.98, 0.87)),
    Family("VAR p10 T100", task("SparseVAR", nodes=10, steps=100, max_lag=3), goals(0.925, 0.75)),
    Family("Lorenz-96 F10 T500", task("Lorenz96", nodes=10, steps=500, forcing=10.0), goals(0.999, 0.97)),
    Family("Lorenz-96 F40 T500", task("Lorenz96", nodes=10, steps=500, forcing=40.0), goals(0.993, 0.91)),
    Family("nonlinear p10 T500", task("Nonlinear", nodes=10, steps=500, max_lag=3), goals(0.93, 0.88)),
    Family("S30 file", ("var_S30_T500",), goals(0.996, 0.91)),
    Family("Lorenz-96 F10 T250 file", ("lorenz96_F10_T250",), (*goals(0.999), ("shd", 1.0))),
    Family("Lorenz-96 F40 T250 file", ("lorenz96_F40_T250",), (*goals(0.999), ("shd", 1.0))),
    Family("Lorenz-96 F40 T500 file", ("lorenz96_F40_T500",), goals(0.993, 0.91)),
    Family("Lotka-Volterra file", ("lotka_volterra_r0",), goals(0.995)),
    Family("NetSim-15, 6 subjects", tuple(f"netsim_sim3_subject{number}" for number in range(6)), goals(0.92)),
    Family("IT monitoring 1", ("it_monitoring_1",), goals(0.592)),
)


@dataclass(frozen=True, slots=True)
class Judged:
    """One method's score on one series, under one reading."""

    method: str
    reading: str
    seed: int
    score: Score


def judge_ours(frame: pd.DataFrame, truth: np.ndarray, seed: int) -> Judged:
    """Scores `ss.discover` as a user calls it: ranks by nats, decides by the edges of the found graph."""
    import sostruct as ss

    found = ss.discover(frame, max_lag=MAX_LAG)
    names = list(frame.columns)
    evidence = found.summary.reindex(index=names, columns=names).to_numpy(dtype=np.float64, copy=True)
    np.fill_diagonal(evidence, 0.0)
    position = {name: index for index, name in enumerate(names)}
    decision = np.zeros_like(truth)
    for cause, effect in zip(found.edges["cause"], found.edges["effect"], strict=True):
        decision[position[cause], position[effect]] = True
    return Judged(OURS, "default", seed, referee(truth, evidence, decision))


def judge_peer(peer: Peer, series: dict[int, np.ndarray], truths: dict[int, np.ndarray]) -> list[Judged]:
    """Scores of every reading of every method of a peer.

    Ranking and decision are scored apart (a reading has one or the other), the missing half is nan.
    """
    judged = []
    for method in peer.methods:
        fits = fit_peer(method, {f"seed_{seed:06d}": array for seed, array in series.items()}, MAX_LAG)
        for seed, truth in truths.items():
            fit = fits[f"seed_{seed:06d}"]
            nothing = np.zeros_like(truth)
            for name, evidence in fit.summary.items():
                ranked = referee(truth, evidence, nothing)
                score = Score(ranked.auroc, ranked.auprc, float("nan"), float("nan"))
                judged.append(Judged(peer.name, f"{method}: {name}", seed, score))
            for name, decision in fit.decisions.items():
                decided = referee(truth, nothing.astype(np.float64), decision)
                score = Score(float("nan"), float("nan"), decided.f1, decided.shd)
                judged.append(Judged(peer.name, f"{method}: {name}", seed, score))
    return judged


def tabulate(judged: Sequence[Judged]) -> pd.DataFrame:
    """One row per seed, method, reading and metric."""
    rows = [
        {"seed": item.seed, "method": item.method, "reading": item.reading, "metric": metric, "value": value}
        for item in judged
        for metric, value in score_row(item.score).items()
        if not np.isnan(value)
    ]
    return pd.DataFrame(rows)


def summarize(family: Family, table: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard error per reading, paired differences of ours to it, and which readings are quoted."""
    ours = {(row["metric"], row["seed"]): row["value"] for row in records(table) if row["method"] == OURS}
    rows = []
    for (method, reading, metric), group in table.groupby(["method", "reading", "metric"], sort=False):
        mean, error = mean_and_error(group["value"])
        row: Row = {"family": family.name, "method": method, "reading": reading, "metric": metric}
        row |= {"mean": mean, "standard_error": error, "seeds": len(group)}
        if ours and method != OURS:
            gaps = [ours[metric, seed] - value for seed, value in zip(group["seed"], group["value"], strict=True)]
            gap, gap_error = mean_and_error(gaps)
            row |= {"ours_minus_it": gap, "difference_error": gap_error}
        rows.append(row)
    summary = pd.DataFrame(rows)
    signed = summary["mean"].where(~summary["metric"].isin(LOWER_IS_BETTER), -summary["mean"])
    summary["default"] = summary["reading"].isin(DEFAULTS)
    summary["best"] = summary.index.isin(signed.groupby([summary["method"], summary["metric"]]).idxmax())
    return summary


def records(table: pd.DataFrame) -> list[Row]:
    """The rows of a table as dictionaries."""
    rows: list[Row] = table.to_dict("records")  # type: ignore[assignment]
    return rows


def readable(summary: pd.DataFrame, families: Sequence[Family]) -> list[str]:
    """The page: one table of levels, one of paired differences, one of goals, one of the readings quoted."""
    rows = records(summary)
    methods = list(dict.fromkeys(row["method"] for row in rows))
    quoted = {(row["family"], row["method"], kind, row["metric"]): row for kind in KINDS for row in rows if row[kind]}
    levels, gaps, goals, readings = [], [], [], []
    for family in families:
        for method in methods:
            for kind in KINDS[:1] if method == OURS else KINDS:
                own = {metric: quoted[family.name, method, kind, metric] for metric in METRICS}
                start = {"data": family.name, "method": method if method == OURS else f"{method}, {kind}"}
                levels.append(
                    start | {TITLES[metric]: _cell(row, "mean", "standard_error") for metric, row in own.items()}
                )
                if method == OURS:
                    continue
                if kind == "best":
                    readings.append(start | {TITLES[metric]: row["reading"] for metric, row in own.items()})
                if OURS in methods:
                    gap = {
                        TITLES[metric]: _cell(row, "ours_minus_it", "difference_error") for metric, row in own.items()
                    }
                    gaps.append(start | gap)
        if OURS in methods:
            goals += _goals(family, quoted, [method for method in methods if method != OURS])
    page = ["Mean ± standard error over seeds; summary graph without its diagonal.", markdown_table(levels)]
    if gaps:
        page += [
            "Paired differences, ours minus peer, ± standard error (SHD: negative is better):",
            markdown_table(gaps),
        ]
    if goals:
        page += ["Goals, and the F1 of the strongest peer with the paired difference to it:", markdown_table(goals)]
    if readings:
        page += ["What `best` is, as method: reading (peers/README.md names the defaults):", markdown_table(readings)]
    return page


def _cell(row: Row, value: str, error: str) -> str:
    digits = 2 if row["metric"] == "shd" else 3
    return with_error(row[value], row[error], digits, sign=value != "mean")


def _goals(
    family: Family, quoted: Mapping[tuple[str, str, str, str], Row], peers: Sequence[str]
) -> list[dict[str, str]]:
    ours = {metric: float(quoted[family.name, OURS, "default", metric]["mean"]) for metric in METRICS}
    rows = []
    for metric, goal in family.goals:
        lower = metric in LOWER_IS_BETTER
        row = {
            "data": family.name,
            "metric": TITLES[metric],
            "goal": f"<= {goal:g}" if lower else f">= {goal:.3f}",
            "reached": f"{ours[metric]:.4f}",
        }
        rows.append(row | {"met": "yes" if (ours[metric] <= goal if lower else ours[metric] >= goal) else "no"})
    for kind in KINDS if peers else ():
        strongest = max((quoted[family.name, peer, kind, "f1"] for peer in peers), key=lambda row: float(row["mean"]))
        gap = _cell(strongest, "ours_minus_it", "difference_error")
        goal_text = f"> {strongest['mean']:.3f} ({strongest['method']}, {kind})"
        row = {"data": family.name, "metric": "F1", "goal": goal_text, "reached": f"{ours['f1']:.4f} ({gap})"}
        rows.append(row | {"met": "yes" if ours["f1"] > strongest["mean"] else "no"})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seeds", type=seed_range, default=range(1000, 1020), help="FIRST:END, default 1000:1020")
    parser.add_argument("--families", nargs="+", choices=[family.name for family in FAMILIES], help="default: all")
    parser.add_argument("--no-peers", action="store_true", help="ours alone")
    parser.add_argument("--no-ours", action="store_true", help="the peers alone")
    parser.add_argument("--no-write", action="store_true", help="show the page, leave results/reference/ as it is")
    arguments = parser.parse_args()
    peers = () if arguments.no_peers else PEERS
    if peers:
        require_peers()

    families = [family for family in FAMILIES if arguments.families is None or family.name in arguments.families]
    for family in [family for family in families if not family.here]:
        print(f"{family.name}: left out, since {DATA} has no such series", file=sys.stderr)
        families.remove(family)
    summaries = []
    for family in families:
        drawn = family.drawn(arguments.seeds)
        judged: list[Judged] = []
        if not arguments.no_ours:
            judged += [judge_ours(frame, truth, seed) for seed, (frame, truth) in drawn.items()]
        series = {seed: frame.to_numpy(dtype=np.float64) for seed, (frame, _) in drawn.items()}
        truths = {seed: truth for seed, (_, truth) in drawn.items()}
        for peer in peers:
            print(f"{family.name}: {peer.name}", file=sys.stderr, flush=True)
            judged += judge_peer(peer, series, truths)
        summaries.append(summarize(family, tabulate(judged)))

    summary = pd.concat(summaries, ignore_index=True)
    page = readable(summary, families)
    print("\n\n".join(page))
    if not arguments.no_write:
        found = versions() | ({} if arguments.no_peers else {f"peers' {k}": v for k, v in peer_versions().items()})
        write_csv(REFERENCE / "accuracy.csv", summary)
        write_markdown(REFERENCE / "accuracy.md", "Accuracy at default settings", [*page, versions_line(found)])


if __name__ == "__main__":
    main()
