"""Graphs under noise that is not Gaussian: `ss.discover` with weights of rows and without, beside two peers.

    nice -n 10 .venv/bin/python experiments/noise/run.py                  # 20 seeds of every family
    .venv/bin/python experiments/noise/run.py --seeds 0:3 --no-peers --no-write --only bursts

Sparse VARs with three lags, of 10 series over 300 rows where their name says nothing else: with heavy tails, with
strength that comes in bursts, and controls in which there is nothing to weigh. `sostruct` is the default,
`noise="auto"`; `all rows alike` is `noise="gaussian"`. Graphs are judged on "does i cause j?" over pairs of different
series; probabilities, of all links between those, by their Brier score; predictions by their log score on the next 200
rows.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence
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
from experiments.peers.client import PEERS, fit_peer, peers_versions, require_peers
from experiments.tables import GRAPH, OURS, Metric, differences, levels

MAX_LAG = 3
AFTER = 200
ALIKE = "all rows alike"
SETTINGS = {OURS: "auto", ALIKE: "gaussian"}
RIVALS = ("VAR F-test", "lasso-CV")
KINDS = ("gaussian", "student", "volatile")
BELIEFS = (
    Metric("brier", "Brier score", 4, lower=True),
    Metric("log_score", "log score", 3),
    Metric("surplus", "false edges beyond those expected", 2, lower=True),
)

Drawn = tuple[pd.DataFrame, np.ndarray]
"""A series, and its links [lag, cause, effect]."""


def tailed(freedom: float, nodes: int = 10, steps: int = 300) -> Callable[[int], Drawn]:
    """Sparse VARs with Student-t noise of unit scale; Gaussian where the degrees of freedom are infinite."""

    def draw(seed: int) -> Drawn:
        from sostruct.tasks import SparseVAR

        task = SparseVAR(nodes=nodes, steps=1, max_lag=MAX_LAG)
        coefficients = task.coefficients(seed)
        generator = np.random.default_rng([seed, 1])
        shape = (task.burn_in + steps + AFTER, nodes)
        noise = generator.standard_normal(shape)
        if np.isfinite(freedom):
            noise /= np.sqrt(generator.chisquare(freedom, shape) / freedom)
        values = np.zeros(shape)
        for row in range(MAX_LAG, len(values)):
            values[row] = np.einsum("lij,lj->i", coefficients, values[row - MAX_LAG : row][::-1]) + noise[row]
        frame = pd.DataFrame(values[task.burn_in :], columns=list(task.load(seed).frame))
        return frame, coefficients.astype(bool).transpose(0, 2, 1)

    return draw


def of_task(name: str, steps: int = 300, **settings: Any) -> Callable[[int], Drawn]:
    """A task of ten series, with its links."""

    def draw(seed: int) -> Drawn:
        import sostruct.tasks

        drawn = getattr(sostruct.tasks, name)(nodes=10, steps=steps + AFTER, **settings).load(seed)
        place = {series: number for number, series in enumerate(drawn.frame)}
        links = np.zeros((MAX_LAG, len(place), len(place)), bool)
        for cause, effect, lag in drawn.truth.edges(data="lag"):
            links[lag - 1, place[cause], place[effect]] = True
        return drawn.frame, links

    return draw


FAMILIES = {
    "Student-t(4)": tailed(4.0),
    "Student-t(2.5)": tailed(2.5),
    "bursts of 5 times the noise": of_task("BurstingVAR"),
    "bursts of 20 times the noise": of_task("BurstingVAR", burst=20.0),
    "Gaussian": tailed(np.inf),
    "Gaussian, p20 T200": tailed(np.inf, nodes=20, steps=200),
    "Lorenz-96 F40, T250": of_task("Lorenz96", steps=250, forcing=40.0),
}

NO_LAGS = ("Lorenz-96 F40, T250",)
"""Families of sampled flows: an effect within the step may be seen at any lag."""

Row = tuple[str, str, int, str, float]


def ours(family: str, seed: int, frame: pd.DataFrame, links: np.ndarray) -> list[Row]:
    """Figures of both settings."""
    import sostruct as ss

    names = list(frame)
    seen, after = frame.iloc[:-AFTER], frame.iloc[-AFTER - MAX_LAG :]
    rows: list[Row] = []
    for method, noise in SETTINGS.items():
        found = ss.discover(seen, MAX_LAG, noise=noise)
        evidence = found.summary.loc[names, names].to_numpy(copy=True)
        np.fill_diagonal(evidence, 0.0)
        decided = np.zeros(evidence.shape, bool)
        for edge in found.edges.itertuples():
            decided[names.index(str(edge.cause)), names.index(str(edge.effect))] = True
        figures = score_row(referee(links.any(axis=0), evidence, decided))
        scores = found.scores[(found.scores["cause"] != found.scores["effect"]) & (found.scores["lag"] > 0)]
        cause, effect = (scores[name].map(names.index).to_numpy() for name in ("cause", "effect"))
        true = links[scores["lag"].to_numpy() - 1, cause, effect]
        figures["brier"] = float(np.mean((scores["probability"] - true) ** 2))
        false = sum(not links[e.lag - 1, names.index(e.cause), names.index(e.effect)] for e in found.edges.itertuples())
        figures["surplus"] = float(false - found.expected_false_edges)
        figures["log_score"] = float(found.predict(after.reset_index(drop=True)).log_score.mean())
        figures |= {kind: float(found.noise["kind"].eq(kind).mean()) for kind in KINDS}
        rows += [(family, method, seed, metric, value) for metric, value in figures.items()]
    return rows


def kinds(table: pd.DataFrame) -> list[dict[str, object]]:
    """Share of the series with noise of each kind, by `sostruct`."""
    rows = []
    for family in dict.fromkeys(table["family"]):
        own = table[(table["family"] == family) & (table["method"] == OURS)]
        row: dict[str, object] = {"noise": family}
        for kind in KINDS:
            row[kind] = with_error(*mean_and_error(own.loc[own["metric"] == kind, "value"]))
        rows.append(row)
    return rows


def written(table: pd.DataFrame, peers: Sequence[Any]) -> list[str]:
    """The page."""
    own = table[table["method"].isin(SETTINGS) & ~table["family"].isin(NO_LAGS)]
    beliefs = [
        "Of systems whose true lags mean something: probabilities of links between different series (Brier score), "
        "false edges in the graph beyond `expected_false_edges`, and the mean log predictive density of the next 200 "
        "rows, nats per value:",
        *(markdown_table(made(own, BELIEFS, "noise")) for made in (levels, differences) if len(own)),
    ]
    return [
        f"Sparse VARs p 10, T 300 where nothing else is said, {table['seed'].nunique()} seeds; mean ± standard error. "
        '`sostruct` is the default, `noise="auto"`; `all rows alike` is `noise="gaussian"`.',
        markdown_table(levels(table, GRAPH, "noise")),
        "`sostruct` minus the others, seed by seed:",
        markdown_table(differences(table, GRAPH, "noise")),
        *(beliefs if len(own) else ()),
        "Share of the series whose noise is said to be of each kind:",
        markdown_table(kinds(table)),
        versions_line(versions() | peers_versions(peers)),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seeds", type=seed_range, default=range(1000, 1020), help="FIRST:END, default 1000:1020")
    parser.add_argument("--only", default="", help="families whose name holds this")
    parser.add_argument("--no-peers", action="store_true", help="ours alone")
    parser.add_argument("--no-write", action="store_true", help="show the page, leave results/reference/ as it is")
    given = parser.parse_args(arguments)
    peers = [] if given.no_peers else [peer for peer in PEERS if peer.name in RIVALS]
    require_peers(peer.methods[0] for peer in peers)
    warnings.filterwarnings("ignore", category=UserWarning)

    rows: list[Row] = []
    for family, draw in FAMILIES.items():
        if given.only not in family:
            continue
        print(family, file=sys.stderr, flush=True)
        drawn = {seed: draw(seed) for seed in given.seeds}
        for seed, (frame, links) in drawn.items():
            rows += ours(family, seed, frame, links)
        series = {f"seed_{seed:06d}": frame.to_numpy()[:-AFTER] for seed, (frame, _) in drawn.items()}
        for peer in peers:
            fits = fit_peer(peer.methods[0], series, MAX_LAG)
            for seed, (_, links) in drawn.items():
                fit = fits[f"seed_{seed:06d}"]
                figures = score_row(referee(links.any(axis=0), peer.ranking(fit), peer.decision(fit)))
                rows += [(family, peer.name, seed, metric, value) for metric, value in figures.items()]
    table = pd.DataFrame(rows, columns=["family", "method", "seed", "metric", "value"])
    page = written(table, peers)
    print("\n\n".join(page))
    if not given.no_write:
        write_csv(REFERENCE / "noise.csv", table)
        write_markdown(REFERENCE / "noise.md", "Graphs under noise that is not Gaussian", page)


if __name__ == "__main__":
    main()
