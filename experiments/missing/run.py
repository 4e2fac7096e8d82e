"""Graphs through gaps: `ss.discover` on VARs with missing values, beside peers on interpolated series.

    .venv/bin/python experiments/missing/run.py                  # 20 seeds of every family
    .venv/bin/python experiments/missing/run.py --seeds 0:3 --no-peers --no-write

Peers do not take missing values: they are given the series with gaps filled by straight lines between neighbors, at
their defaults. All methods are offered three lags, and judged on the summary graph without its diagonal. What our
probabilities of ordered pairs are worth is told apart.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

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
from experiments.peers.client import PEERS, fit_peer, peers_versions, require_peers
from experiments.probabilities.run import measures
from experiments.tables import GRAPH, OURS, Goal, differences, levels, reached, strongest

MAX_LAG = 3
RIVALS = ("VAR F-test", "lasso-CV", "PCMCI+", "DYNOTEARS", "extra-trees")
FAMILIES = {
    "20 % of values": (0.2, 0),
    "40 % of values": (0.4, 0),
    "stretches of 50 rows, 40 %": (0.4, 50),
}
GOALS = (Goal("40 % of values", GRAPH[0], 0.995), Goal("40 % of values", GRAPH[2], 0.91))


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


def calibration(stated: dict[int, np.ndarray], truths: dict[int, np.ndarray]) -> dict[str, str]:
    """How far probabilities of ordered pairs are from shares, all seeds together."""
    off = ~np.eye(len(next(iter(stated.values()))), dtype=bool)
    found = measures(*(np.concatenate([part[seed][off] for seed in stated]) for part in (stated, truths)))
    return {
        "calibration error": f"{found['calibration_error']:.3f}",
        "values": f"{found['values']}",
        "Brier": f"{found['brier']:.4f}",
        "edges expected / true": f"{found['expected_edges']:.0f} / {found['edges']}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seeds", type=seed_range, default=range(1000, 1020), help="FIRST:END, default 1000:1020")
    parser.add_argument("--no-peers", action="store_true", help="ours alone")
    parser.add_argument("--no-write", action="store_true", help="show the page, leave results/reference/ as it is")
    arguments = parser.parse_args()
    peers = [] if arguments.no_peers else [peer for peer in PEERS if peer.name in RIVALS]
    require_peers(peer.methods[0] for peer in peers)

    import sostruct as ss
    from sostruct.tasks import SparseVAR

    task = SparseVAR(nodes=10, steps=500, max_lag=MAX_LAG)
    rows, worth = [], []
    for family, (share, stretch) in FAMILIES.items():
        truths, series, stated = {}, {}, {}
        for seed in arguments.seeds:
            drawn = task.load(seed)
            names = list(drawn.frame.columns)
            truths[seed] = task.coefficients(seed).any(axis=0).T
            values = gapped(drawn.frame.to_numpy(), share, stretch, seed)
            found = ss.discover(pd.DataFrame(values, columns=names), MAX_LAG)
            evidence = found.summary.to_numpy(copy=True)
            np.fill_diagonal(evidence, 0.0)
            stated[seed] = found.summary_probability.to_numpy()
            decided = np.zeros(evidence.shape, bool)
            for edge in found.edges.itertuples():
                decided[names.index(str(edge.cause)), names.index(str(edge.effect))] = True
            score = referee(truths[seed], evidence, decided)
            rows += [(family, OURS, seed, metric, value) for metric, value in score_row(score).items()]
            filled = pd.DataFrame(values).interpolate(limit_direction="both").to_numpy()
            series[f"seed_{seed:06d}"] = filled
        worth.append({"missing": family} | calibration(stated, truths))
        for peer in peers:
            print(f"{family}: {peer.name}", file=sys.stderr, flush=True)
            fits = fit_peer(peer.methods[0], series, MAX_LAG)
            for seed in arguments.seeds:
                fit = fits[f"seed_{seed:06d}"]
                score = referee(truths[seed], peer.ranking(fit), peer.decision(fit))
                rows += [(family, peer.name, seed, metric, value) for metric, value in score_row(score).items()]
    table = pd.DataFrame(rows, columns=["family", "method", "seed", "metric", "value"])

    page = [
        f"Sparse VARs p 10, T 500, {len(arguments.seeds)} seeds; mean ± standard error. Peers see interpolated series.",
        markdown_table(levels(table, GRAPH, "missing")),
    ]
    if peers:
        page += ["Ours minus each peer, seed by seed:", markdown_table(differences(table, GRAPH, "missing"))]
        page += ["The strongest peer:", markdown_table(strongest(table, (GRAPH[0], GRAPH[2]), "missing"))]
    page += [
        "Our probabilities of an edge at any lag (calibration over those in [.05, .95]):",
        markdown_table(worth),
        "Goals:",
        markdown_table(reached(table, GOALS, "missing")),
        versions_line(versions() | peers_versions(peers)),
    ]
    print("\n\n".join(page))
    if not arguments.no_write:
        write_csv(REFERENCE / "missing.csv", table)
        write_markdown(REFERENCE / "missing.md", "Graphs through gaps", page)


if __name__ == "__main__":
    main()
