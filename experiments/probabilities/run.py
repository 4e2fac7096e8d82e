"""Are edges of probability q there a share q of the time? Calibration and Brier scores on systems with known graphs.

.venv/bin/python experiments/probabilities/run.py                  # seeds 3000 to 3099
.venv/bin/python experiments/probabilities/run.py --seeds 3000:3010 --no-write
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from experiments.common import (
    REFERENCE,
    ROOT,
    markdown_table,
    seed_range,
    versions,
    versions_line,
    write_csv,
    write_markdown,
)

FAMILIES = {"VAR p10 T100": (10, 100), "VAR p20 T200": (20, 200), "VAR p10 T500": (10, 500)}
MAX_LAG = 3
EDGES = np.linspace(0.05, 0.95, 11)
READINGS = ("probability", "1 / (1 + exp(-nats))")
POOLED = "all three"
PICTURE = ROOT / "docs" / "images" / "probability_calibration.svg"
MOST_TIMED = 20


def sigmoid(nats: np.ndarray) -> np.ndarray:
    """The probability if the rest of the graph were known."""
    return 1 / (1 + np.exp(-np.clip(nats, -700, 700)))


def judge(family: str, seed: int) -> pd.DataFrame:
    """Stated probabilities and truth of every candidate between different series, by lag and by pair."""
    import sostruct as ss
    from sostruct.tasks.var import SparseVAR

    nodes, steps = FAMILIES[family]
    task = SparseVAR(nodes=nodes, steps=steps, max_lag=MAX_LAG).load(seed)
    assert task.truth is not None
    found = ss.discover(task.frame, max_lag=MAX_LAG)
    true = {(cause, effect, lag) for cause, effect, lag in task.truth.edges(data="lag")}
    pairs = {(cause, effect) for cause, effect, _ in true}
    by_lag = found.scores[found.scores["cause"] != found.scores["effect"]]
    tables = [
        pd.DataFrame(
            {
                "view": "by lag",
                READINGS[0]: by_lag["probability"],
                READINGS[1]: sigmoid(by_lag["nats"].to_numpy()),
                "true": [row in true for row in zip(by_lag["cause"], by_lag["effect"], by_lag["lag"], strict=True)],
            }
        )
    ]
    names = list(found.summary.index)
    off = ~np.eye(nodes, dtype=bool)
    actual = np.array([[(cause, effect) in pairs for effect in names] for cause in names])
    tables.append(
        pd.DataFrame(
            {
                "view": "by pair",
                READINGS[0]: found.summary_probability.to_numpy()[off],
                READINGS[1]: sigmoid(found.summary.to_numpy()[off]),
                "true": actual[off],
            }
        )
    )
    return pd.concat(tables).assign(family=family, seed=seed)


def bins(stated: np.ndarray, true: np.ndarray) -> pd.DataFrame:
    """Mean stated probability, observed share and number of candidates of every bin that is not empty."""
    inside = (stated >= EDGES[0]) & (stated <= EDGES[-1])
    which = np.minimum(np.digitize(stated[inside], EDGES), len(EDGES) - 1)
    table = pd.DataFrame({"bin": which, "stated": stated[inside], "observed": true[inside].astype(float)})
    grouped = table.groupby("bin")
    return grouped.mean().assign(values=grouped.size()).reset_index(drop=True)


def measures(stated: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """Calibration error, how many values it rests on, Brier score, expected and actual number of edges."""
    table = bins(stated, true)
    distance = (table["stated"] - table["observed"]).abs()
    return {
        "calibration_error": float(np.average(distance, weights=table["values"])),
        "values": int(table["values"].sum()),
        "brier": float(np.mean((stated - true) ** 2)),
        "expected_edges": float(stated.sum()),
        "edges": int(true.sum()),
    }


def summarize(judged: pd.DataFrame) -> pd.DataFrame:
    """One row per family (and all of them together), view and reading."""
    rows = []
    for family in (*FAMILIES, POOLED):
        for view in ("by lag", "by pair"):
            chosen = judged[((judged["family"] == family) | (family == POOLED)) & (judged["view"] == view)]
            for reading in READINGS:
                row: dict[str, Any] = {"family": family, "view": view, "reading": reading}
                rows.append(row | measures(chosen[reading].to_numpy(), chosen["true"].to_numpy()))
    return pd.DataFrame(rows)


def cost(family: str, seeds: range) -> dict[str, str]:
    """Median milliseconds of a discovery with and without probabilities, in turns."""
    import sostruct as ss
    from sostruct.networks.lagged.sampling import Prior, Probabilities
    from sostruct.tasks.var import SparseVAR

    nodes, steps = FAMILIES[family]
    nothing = Probabilities(np.zeros((nodes, nodes * MAX_LAG)), np.zeros((nodes, nodes)), Prior())
    times: dict[bool, list[float]] = {True: [], False: []}
    for seed in [seeds[0], *seeds[:MOST_TIMED]]:  # the first one warms up
        frame = SparseVAR(nodes=nodes, steps=steps, max_lag=MAX_LAG).load(seed).frame
        for wanted, taken in times.items():
            start = time.perf_counter()
            if wanted:
                ss.discover(frame, max_lag=MAX_LAG)
            else:
                with patch("sostruct.discovery.posterior.probabilities", lambda *_, **__: nothing):
                    ss.discover(frame, max_lag=MAX_LAG)
            taken.append(time.perf_counter() - start)
    within, without = (1000 * float(np.median(times[wanted][1:])) for wanted in (True, False))
    return {
        "data": family,
        "search alone, ms": f"{without:.1f}",
        "with probabilities, ms": f"{within:.1f}",
        "ratio": f"{within / without:.1f}",
    }


def readable(summary: pd.DataFrame) -> str:
    """The table of the page."""
    return markdown_table(
        [
            {
                "data": row.family,
                "candidates": row.view,
                "reading": f"`{row.reading}`",
                "calibration error": f"{row.calibration_error:.3f}",
                "values": f"{row.values}",
                "Brier": f"{row.brier:.5f}",
                "edges expected / true": f"{row.expected_edges:.0f} / {row.edges}",
            }
            for row in summary.itertuples(index=False)
        ]
    )


def draw(judged: pd.DataFrame, path: Path) -> None:
    """Observed against stated, all families together, with 95 % intervals of the observed share (Wilson 1927)."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    with plt.rc_context({"svg.hashsalt": "sostruct", "font.size": 9}):
        figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.4), sharey=True, layout="constrained")
        for axis, view in zip(axes, ("by lag", "by pair"), strict=True):
            chosen = judged[judged["view"] == view]
            axis.plot([0, 1], [0, 1], color="0.7", linewidth=1)
            for reading, color in zip(READINGS, ("#0b6e4f", "#c1666b"), strict=True):
                table = bins(chosen[reading].to_numpy(), chosen["true"].to_numpy())
                share, number = table["observed"].to_numpy(), table["values"].to_numpy()
                low, high = wilson(share, number)
                axis.errorbar(
                    table["stated"], share, [share - low, high - share], color=color, marker="o", ms=4, label=reading
                )
            axis.set(title=view, xlabel="stated probability", xlim=(0, 1), ylim=(0, 1))
        axes[0].set_ylabel("share that is there")
        axes[0].legend(frameon=False, fontsize=8)
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)


def wilson(share: np.ndarray, number: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """95 % interval of a share."""
    squared = 1.959964**2
    center = (share + squared / (2 * number)) / (1 + squared / number)
    half = np.sqrt(share * (1 - share) * squared / number + squared**2 / (4 * number**2)) / (1 + squared / number)
    return np.minimum(center - half, share), np.maximum(center + half, share)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seeds", type=seed_range, default=range(3000, 3100), help="FIRST:END, default 3000:3100")
    parser.add_argument("--no-write", action="store_true", help="show the page, leave the files as they are")
    arguments = parser.parse_args()
    judged = pd.concat([judge(family, seed) for family in FAMILIES for seed in arguments.seeds], ignore_index=True)
    summary = summarize(judged)
    page = [
        f"Seeds {arguments.seeds[0]} to {arguments.seeds[-1]} of each family; calibration over stated probabilities in "
        "[.05, .95].",
        readable(summary),
        f"Wall time, median over {min(MOST_TIMED, len(arguments.seeds))} series, compiled and warm:",
        markdown_table([cost(family, arguments.seeds) for family in FAMILIES]),
    ]
    print("\n\n".join(page))
    if not arguments.no_write:
        write_csv(REFERENCE / "probabilities.csv", summary)
        write_markdown(
            REFERENCE / "probabilities.md", "Calibration of probabilities", [*page, versions_line(versions())]
        )
        draw(judged, PICTURE)


if __name__ == "__main__":
    main()
