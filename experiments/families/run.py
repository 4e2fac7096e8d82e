"""Graphs of families that break an assumption or a habit: `ss.discover` at its defaults, beside two peers.

    nice -n 10 .venv/bin/python experiments/families/run.py                 # 20 seeds of every family
    .venv/bin/python experiments/families/run.py --seeds 0:3 --no-peers --no-write --only bursts

Changing graphs, gaps, hidden common causes, noise in bursts and with heavy tails, predators and prey, chaotic maps. All
methods are offered three lags and judged on "does i cause j?" over pairs of different series; peers do not take missing
values and are given straight lines between neighbors. Of a system that switches, rows are judged by the graph that made
them, and all rows together by the graph at the end and by the edges that were ever there. Hidden common causes are no
edges; what became of them is a table of its own.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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
from experiments.tables import GRAPH, OURS, Cells, differences, levels

MAX_LAG = 3
LEVELS = tuple(replace(metric, digits=3) for metric in GRAPH)
AHEAD = tuple(metric for metric in LEVELS if metric.name in ("auroc", "f1"))
PEERS = {"VAR F-test": ("var_ftest", "F", "BH .05"), "lasso-CV": ("lasso_cv", "weight", "nonzero")}


@dataclass(frozen=True, slots=True)
class Drawn:
    """Series, what they are judged by [cause, effect] for every question, and pairs with a hidden cause in common."""

    frame: pd.DataFrame
    truths: dict[str, np.ndarray]
    hidden: np.ndarray


@dataclass(frozen=True, slots=True)
class Family:
    """Series of one kind."""

    name: str
    draw: Callable[[int], Drawn]


def matrix(graph: Any, mark: str = "directed") -> np.ndarray:
    """The edges of a known graph with a mark, as Booleans [cause, effect]."""
    place = {name: index for index, name in enumerate(graph)}
    found = np.zeros((len(place), len(place)), dtype=bool)
    for cause, effect, kind in graph.edges(data="mark"):
        if kind == mark:
            found[place[cause], place[effect]] = True
    return found


def whole(name: str, **settings: Any) -> Callable[[int], Drawn]:
    """All rows of a task, judged by its truth."""

    def draw(seed: int) -> Drawn:
        import sostruct.tasks

        drawn = getattr(sostruct.tasks, name)(**settings).load(seed)
        return Drawn(drawn.frame, {"": matrix(drawn.truth)}, matrix(drawn.truth, "bidirected"))

    return draw


def switching(rows: slice, regimes: Sequence[int], **settings: Any) -> Callable[[int], Drawn]:
    """Some rows of two systems, T 500 each, that follow each other, judged by the graphs of these regimes."""

    def draw(seed: int) -> Drawn:
        from sostruct.tasks import SwitchingVAR

        task = SwitchingVAR(nodes=10, steps=1000, max_lag=MAX_LAG, **settings)
        graphs = [matrix(regime.graph) for regime in task.graphs(seed)]
        truths = {", the last graph": graphs[-1], ", edges that ever were": np.logical_or.reduce(graphs)}
        frame = task.load(seed).frame.iloc[rows].reset_index(drop=True)
        known = truths if len(regimes) > 1 else {"": graphs[regimes[0]]}
        return Drawn(frame, known, np.zeros_like(graphs[0]))

    return draw


FAMILIES = (
    Family("switch, rows of the first graph", switching(slice(0, 500), [0])),
    Family("switch, rows of the last graph", switching(slice(500, 1000), [1])),
    Family("switch, all rows", switching(slice(0, 1000), [0, 1])),
    Family("gaps, 40 % of values", whole("GappedVAR", missing=0.4)),
    Family("gaps, all series pause 4 x 50 rows", whole("GappedVAR", missing=0.0, stretches=4, stretch_length=50)),
    Family(
        "gaps, each series pauses 4 x 50 rows",
        whole("GappedVAR", missing=0.0, stretches=4, stretch_length=50, together=False),
    ),
    Family("confounded, Laplace", whole("ConfoundedVAR", shape="laplace")),
    Family("confounded, Gaussian", whole("ConfoundedVAR", shape="gaussian")),
    Family("confounded, hidden series persist", whole("ConfoundedVAR", shape="gaussian", persistence=0.8)),
    Family("bursts of 5 times the noise", whole("BurstingVAR", burst=5.0)),
    Family("bursts of 20 times the noise", whole("BurstingVAR", burst=20.0)),
    Family("Student-t noise", whole("SwitchingVAR", steps=500, regimes=(0,), shape="student")),
    Family("logistic maps, coupling .1", whole("CoupledMaps")),
    Family("logistic maps, coupling .3", whole("CoupledMaps", coupling=0.3)),
    Family("tent maps, coupling .1", whole("CoupledMaps", map="tent")),
    Family("tent maps, coupling .3", whole("CoupledMaps", map="tent", coupling=0.3)),
    Family("Lotka-Volterra p20 T500", whole("LotkaVolterra", steps=500)),
    Family("Lotka-Volterra p20 T2000", whole("LotkaVolterra")),
)
"""Sparse VARs have 10 series, 500 rows and Gaussian noise where their name says nothing else."""


def ours(drawn: Drawn) -> tuple[np.ndarray, np.ndarray, dict[str, float]]:
    """Evidence and edges with a lag [cause, effect] of `ss.discover`, and what it says of pairs within a step."""
    import sostruct as ss

    found = ss.discover(drawn.frame, MAX_LAG)
    place = {name: index for index, name in enumerate(drawn.frame.columns)}
    evidence = np.full(drawn.hidden.shape, -np.inf)
    lagged = found.scores[found.scores["lag"] > 0]
    for (cause, effect), nats in lagged.groupby(["cause", "effect"])["nats"].max().items():
        evidence[place[cause], place[effect]] = nats
    if (found.edges["lag"] > 0).all():  # nothing within a step: all lags together, as users have it
        evidence = found.summary.loc[list(place), list(place)].to_numpy(copy=True)
    np.fill_diagonal(evidence, 0.0)
    decided = np.zeros(drawn.hidden.shape, dtype=bool)
    hidden = drawn.hidden | drawn.hidden.T
    within = dict.fromkeys(("directed", "undirected", "bidirected", "elsewhere"), 0.0)
    for edge in found.edges.itertuples():
        cause, effect = place[edge.cause], place[edge.effect]
        if edge.lag > 0:
            decided[cause, effect] = True
        elif hidden[cause, effect]:
            within[str(edge.mark)] += 1
        else:
            within["elsewhere"] += 1
    within["with a lag"] = float(np.sum(decided & hidden & ~next(iter(drawn.truths.values()))))
    return evidence, decided, within


COLUMNS = ["family", "method", "seed", "metric", "value"]
Row = tuple[str, str, int, str, float]


def fitted(family: Family, seeds: Sequence[int], *, peers: bool) -> tuple[list[Row], list[dict[str, float]]]:
    """Scores (family, method, seed, metric, value) of all methods, and ours of hidden common causes per seed."""
    rows: list[Row] = []
    fates: list[dict[str, float]] = []
    drawn = {seed: family.draw(seed) for seed in seeds}

    def score(method: str, seed: int, evidence: np.ndarray, decided: np.ndarray) -> None:
        for question, truth in drawn[seed].truths.items():
            found = score_row(referee(truth, evidence, decided))
            rows.extend((family.name + question, method, seed, metric, value) for metric, value in found.items())

    for seed in seeds:
        evidence, decided, fate = ours(drawn[seed])
        score(OURS, seed, evidence, decided)
        if drawn[seed].hidden.any():
            fates.append({"hidden": float(drawn[seed].hidden.sum()), **fate})
    filled = {f"seed_{seed:06d}": drawn[seed].frame.interpolate(limit_direction="both").to_numpy() for seed in seeds}
    for name, (method, ranking, decision) in PEERS.items() if peers else ():
        fits = fit_peer(method, filled, MAX_LAG)
        for seed in seeds:
            fit = fits[f"seed_{seed:06d}"]
            score(name, seed, fit.summary[ranking], fit.decisions[decision])
    return rows, fates


def shown(table: pd.DataFrame) -> list[Cells]:
    """Levels of every method on every family, and how far ours is ahead of each peer, seed by seed."""
    gaps = {(row["family"], row["method"]): row for row in differences(table, AHEAD, "family")}
    rows = []
    for row in levels(table, LEVELS, "family"):
        del row["seeds"]
        gap = gaps.get((row["family"], row["method"]), {})
        rows.append(row | {f"ours ahead, {metric.title}": gap.get(metric.title, "") for metric in AHEAD})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seeds", type=seed_range, default=range(1000, 1020), help="FIRST:END, default 1000:1020")
    parser.add_argument("--only", default="", help="families whose name begins so")
    parser.add_argument("--no-peers", action="store_true", help="ours alone")
    parser.add_argument("--no-write", action="store_true", help="show the page, leave results/reference/ as it is")
    arguments = parser.parse_args()
    if not arguments.no_peers:
        require_peers()
    rows: list[Row] = []
    causes = []
    for family in FAMILIES:
        if not family.name.startswith(arguments.only):
            continue
        print(family.name, file=sys.stderr, flush=True)
        scored, fates = fitted(family, arguments.seeds, peers=not arguments.no_peers)
        rows += scored
        print(markdown_table(shown(pd.DataFrame(scored, columns=COLUMNS))), file=sys.stderr, flush=True)
        if fates:
            means = {name: f"{value:.2f}" for name, value in pd.DataFrame(fates).mean().items()}
            causes.append({"family": family.name, **means})
    table = pd.DataFrame(rows, columns=COLUMNS)
    page = [
        f"{len(arguments.seeds)} seeds; mean ± standard error; differences are paired by seed. VARs and maps have p 10 "
        "and T 500 (T 1,000 where all rows of a switch are used).",
        markdown_table(shown(table)),
    ]
    if causes:
        page += [
            "Hidden common causes: pairs that have one, per graph, and how many of them `ss.discover` reports as an "
            "edge within the step, by its mark (only `bidirected` is right); `elsewhere`: other edges within the step, "
            "all of them false; `with a lag`: false lagged edges between two such series.",
            markdown_table(causes),
        ]
    page.append(versions_line(versions()))
    print("\n\n".join(page))
    if not arguments.no_write:
        write_csv(REFERENCE / "families.csv", table)
        write_markdown(REFERENCE / "families.md", "Graphs of families that break an assumption", page)


if __name__ == "__main__":
    main()
