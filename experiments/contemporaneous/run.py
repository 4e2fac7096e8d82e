"""Effects within a step: lagged and contemporaneous links of structural VARs, beside peers on the same series.

    .venv/bin/python experiments/contemporaneous/run.py                  # 20 seeds of every family
    .venv/bin/python experiments/contemporaneous/run.py --seeds 0:3 --no-peers --no-write

Lagged: is there a link from cause to effect at a lag of 1 or more (pairs of different series; AUROC by the highest
evidence of any lag). Within: is there one at lag 0, in this direction; `skeleton`, in either.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from experiments.common import (
    REFERENCE,
    markdown_table,
    referee,
    seed_range,
    versions,
    versions_line,
    write_csv,
    write_markdown,
)
from experiments.peers.client import PEERS, fit_peer, peers_versions, require_peers
from experiments.tables import OURS, Goal, Metric, differences, levels, reached, strongest

MAX_LAG = 3

FAMILIES = {
    "Laplace p10 T500": {"nodes": 10, "steps": 500, "shape": "laplace"},
    "Laplace p10 T200": {"nodes": 10, "steps": 200, "shape": "laplace"},
    "uniform p10 T500": {"nodes": 10, "steps": 500, "shape": "uniform"},
    "Gaussian p10 T500": {"nodes": 10, "steps": 500, "shape": "gaussian"},
    "Laplace p20 T1000": {"nodes": 20, "steps": 1000, "shape": "laplace"},
}

RIVALS = {
    "VARLiNGAM": ("varlingam", "weight", "nonzero", "nonzero"),
    "PCMCI+": ("pcmci_plus", "p, lagged", "graph, lagged", "graph"),
    "DYNOTEARS": ("dynotears", "weight, lagged", "nonzero, lagged", "nonzero"),
    "DYNOTEARS, weight > .1": ("dynotears", "weight, lagged", "weight > .1, lagged", "weight > .1"),
}
"""Name -> method of run_peer.py and its readings: ranking and decision of lagged links, decision within the step."""

METRICS = (
    Metric("lagged AUROC", "lagged AUROC"),
    Metric("lagged F1", "lagged F1"),
    Metric("within F1", "within F1"),
    Metric("within SHD", "within SHD", 2, lower=True),
    Metric("skeleton F1", "skeleton F1"),
)
GOALS = (
    Goal("Laplace p10 T500", METRICS[0], 0.999),
    Goal("Laplace p10 T500", METRICS[1], 0.98),
    Goal("Laplace p10 T500", METRICS[2], 0.99),
)


def ours(values: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """The figures of `ss.discover` at its defaults; an undirected edge counts in the direction in which it is named."""
    import sostruct as ss

    result = ss.discover(values, max_lag=MAX_LAG)
    place = {name: number for number, name in enumerate(result.summary.columns)}
    nats = np.full((MAX_LAG + 1, len(place), len(place)), -1e9)
    decided = np.zeros(nats.shape, bool)
    for table, fill in ((result.scores, nats), (result.edges, decided)):
        lag, effect, cause = table["lag"], table["effect"].map(place), table["cause"].map(place)
        fill[lag, cause, effect] = table["nats"].clip(lower=-1e9) if fill is nats else True
    return scores(truth, nats[1:].max(axis=0), decided[1:].any(axis=0), decided[0])


def scores(truth: np.ndarray, evidence: np.ndarray, lagged: np.ndarray, within: np.ndarray) -> dict[str, float]:
    """The figures of one series: truth [lag, effect, cause], what was found [cause, effect]."""
    past, now = truth[1:].any(axis=0).T, truth[0].T
    nothing = np.zeros(now.shape)
    of_past, of_now = referee(past, evidence, lagged), referee(now, nothing, within)
    return {
        "lagged AUROC": of_past.auroc,
        "lagged F1": of_past.f1,
        "within F1": of_now.f1,
        "within SHD": of_now.shd,
        "skeleton F1": referee(now | now.T, nothing, within | within.T).f1,
    }


def rival(name: str, series: Mapping[int, np.ndarray], truths: Mapping[int, np.ndarray]) -> dict[int, dict[str, float]]:
    """The figures of a peer, by seed."""
    method, ranking, past, now = RIVALS[name]
    fits = fit_peer(method, {f"seed_{seed:06d}": values for seed, values in series.items()}, MAX_LAG)
    found = {seed: fits[f"seed_{seed:06d}"] for seed in series}
    return {
        seed: scores(truths[seed], fit.summary[ranking], fit.decisions[past], fit.within_decisions[now])
        for seed, fit in found.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seeds", type=seed_range, default=range(1000, 1020), help="FIRST:END, default 1000:1020")
    parser.add_argument("--no-peers", action="store_true", help="ours alone")
    parser.add_argument("--no-write", action="store_true", help="show the page, leave results/reference/ as it is")
    arguments = parser.parse_args()
    names = [] if arguments.no_peers else list(RIVALS)
    require_peers(RIVALS[name][0] for name in names)

    from sostruct.tasks import StructuralVAR

    rows = []
    for family, settings in FAMILIES.items():
        task = StructuralVAR(**settings)  # type: ignore[arg-type]
        series = {seed: task.load(seed).frame.to_numpy() for seed in arguments.seeds}
        truths = {seed: task.coefficients(seed) != 0 for seed in arguments.seeds}
        found = {OURS: {seed: ours(values, truths[seed]) for seed, values in series.items()}}
        for name in names:
            print(f"{family}: {name}", file=sys.stderr, flush=True)
            found[name] = rival(name, series, truths)
        for method, by_seed in found.items():
            rows += [(family, method, seed, *item) for seed, row in by_seed.items() for item in row.items()]
    table = pd.DataFrame(rows, columns=["family", "method", "seed", "metric", "value"])

    page = [
        f"Structural VARs, {len(arguments.seeds)} seeds, {MAX_LAG} lags; mean ± standard error. Where a method leaves "
        "a direction within a step open, `within` counts the edge in the direction in which it is named if ours does, "
        "in both if PCMCI+ does. Peers at their defaults; DYNOTEARS also without its small weights.",
        markdown_table(levels(table, METRICS)),
    ]
    if names:
        page += ["Ours minus each peer, seed by seed:", markdown_table(differences(table, METRICS))]
        page += ["The strongest peer of every family:", markdown_table(strongest(table, METRICS[:3]))]
    used = [peer for peer in PEERS if any(peer.methods[0] == RIVALS[name][0] for name in names)]
    page += ["Goals:", markdown_table(reached(table, GOALS)), versions_line(versions() | peers_versions(used))]
    print("\n\n".join(page))
    if not arguments.no_write:
        write_csv(REFERENCE / "contemporaneous.csv", table)
        write_markdown(REFERENCE / "contemporaneous.md", "Effects within a step", page)


if __name__ == "__main__":
    main()
