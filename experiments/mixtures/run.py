"""How many clusters: mixtures that grow beside mixtures that are refitted, on streams whose clusters drift.

    .venv/bin/python experiments/mixtures/run.py                  # ten seeds, tables into results/reference/
    .venv/bin/python experiments/mixtures/run.py --seeds 0:2 --no-write
    .venv/bin/python experiments/mixtures/run.py --seeds 100:110 --remembered 500 --no-write   # a longer memory

Every method follows the same streams in chunks of 100 rows. Before a chunk it is asked for its log density, after it
for the number of clusters and the cluster of every row.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_rand_score

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from experiments.common import (
    REFERENCE,
    markdown_table,
    mean_and_error,
    seed_range,
    versions,
    versions_line,
    with_error,
    write_csv,
    write_markdown,
)
from experiments.mixtures.methods import LEAST, Follower, Grown, Recorded, Refitted, pyhgf
from sostruct.tasks import DriftingMixture

STEPS, CHUNK, SETTLED = 2000, 100, 2
"""Rows of a stream, rows of a chunk, chunks at the start that do not count."""

MEMORY = 300.0
REMEMBERED = 200
WINDOWS = {"all rows": None, f"last {REMEMBERED}": REMEMBERED, "last 500": 500}
"""Steps over which ours forgets where it does, and rows over which it prices edits; rows to which scikit-learn's is
refitted: all, as many as ours has, and more."""

CONDITIONS = {
    "still": {"events": (), "wander": 0.0},
    "close": {"events": (), "wander": 0.0, "separation": 5.0},
    "drift": {"events": (), "wander": 0.7},
    "drift and events": {"events": ("birth", "merge", "death"), "every": 500, "wander": 0.7},
}
"""Homes are at least 8 standard deviations of a cluster apart (close: 5); events: one is born at row 500, two are one
from row 1000 on, one is gone from row 1500 on."""

GRID = {2: (tuple(CONDITIONS), (2, 5, 8)), 1: (("drift", "drift and events"), (2, 4))}
"""Conditions and numbers of clusters by dimension; pyhgf's node takes one number per step."""


@dataclass(frozen=True)
class Stream:
    """One stream with its truth."""

    dims: int
    condition: str
    clusters: int
    seed: int
    points: np.ndarray
    label: np.ndarray
    there: np.ndarray

    @property
    def name(self) -> str:
        return f"{self.dims}-{self.condition}-{self.clusters}-{self.seed}"


def streams(seeds: range) -> Iterator[Stream]:
    """All streams."""
    for dims, (conditions, numbers) in GRID.items():
        for condition in conditions:
            for clusters in numbers:
                task = DriftingMixture(clusters=clusters, dims=dims, steps=STEPS, **CONDITIONS[condition])
                for seed in seeds:
                    labels = task.labels(seed)
                    points = task.load(seed).frame.to_numpy()
                    truth = (labels[column].to_numpy() for column in ("cluster", "clusters"))
                    yield Stream(dims, condition, clusters, seed, points, *truth)


def followed(stream: Stream, method: str, follower: Follower, seconds: float = 0.0) -> dict[str, object]:
    """A row of results: one method on one stream."""
    counts, rands, scores = [], [], []
    start = time.perf_counter()
    for first in range(0, STEPS, CHUNK):
        rows = slice(first, first + CHUNK)
        chunk = stream.points[rows]
        if first >= SETTLED * CHUNK:
            scores.append(float(np.mean(follower.log_density(chunk))))
        follower.learn(chunk)
        if first >= SETTLED * CHUNK:
            counts.append(follower.count() - int(stream.there[rows][-1]))
            rands.append(adjusted_rand_score(stream.label[rows], follower.labels(chunk)))
    errors = np.abs(np.array(counts))
    return {
        "dims": stream.dims,
        "condition": stream.condition,
        "clusters": stream.clusters,
        "seed": stream.seed,
        "method": method,
        "right": float(np.mean(errors == 0)),
        "right_at_end": float(errors[-1] == 0),
        "off_by": float(np.mean(errors)),
        "ari": float(np.mean(rands)),
        "log_score": float(np.mean(scores)),
        "seconds": seconds or time.perf_counter() - start,
    }


def main() -> None:
    """Follows all streams with all methods, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=seed_range, default=range(110, 120), help="FIRST:END (110:120)")
    parser.add_argument("--remembered", type=int, default=REMEMBERED, help="rows over which ours prices edits (200)")
    parser.add_argument("--no-peers", action="store_true", help="leave out pyhgf, which has its own environment")
    parser.add_argument("--no-write", action="store_true", help="leave results/reference/ as it is")
    choice = parser.parse_args()
    every = list(streams(choice.seeds))
    flat = {stream.name: stream.points for stream in every if stream.dims == 1}
    answers = None if choice.no_peers else pyhgf(flat, range(CHUNK, STEPS + 1, CHUNK))
    rows = []
    for stream in every:
        first, before = stream.points[:CHUNK], len(rows)
        rows.append(followed(stream, "sostruct", Grown(first, MEMORY, choice.remembered)))
        for name, window in WINDOWS.items():
            for informed, prior in ((False, ""), (True, ", our prior")):
                refitted = Refitted(window, stream.seed, informed=informed)
                rows.append(followed(stream, f"scikit-learn, {name}{prior}", refitted))
        if answers is not None and stream.dims == 1:
            own = answers.streams[stream.name]
            for least in (LEAST, 0.05):
                method = f"pyhgf, above {least:.0%}"
                rows.append(followed(stream, method, Recorded(own, least), float(own["seconds"])))
        print(stream.name, f"{rows[before]['right']:.2f}", flush=True)
    table = pd.DataFrame(rows)
    by_condition, by_number = summary(table, ["dims", "condition"]), summary(table[table["dims"] == 2], ["clusters"])
    print(markdown_table(by_condition), markdown_table(by_number), sep="\n\n")
    if choice.no_write:
        return
    seen = versions(("jax", "equinox", "numpy", "scikit-learn"))
    page = [
        f"Streams of {STEPS} rows in chunks of {CHUNK}, {len(choice.seeds)} seeds each, with 2, 5 and 8 clusters in "
        "two dimensions and 2 and 4 in one. After every chunk but the first two: is the number of clusters right, by "
        "how much is it off, the adjusted Rand index of the chunk's rows; before it, their log density (nats a row, "
        "higher is better). Mean and standard error over streams.",
        markdown_table(by_condition),
        "By number of clusters, all conditions in two dimensions:",
        markdown_table(by_number),
        f"sostruct: `MixtureNetwork.suited(first chunk, memory={MEMORY:g})` with the rule `crp`, every chunk observed "
        f"once by `ss.stream(limit={choice.remembered})`, the same settings throughout. scikit-learn: "
        "BayesianGaussianMixture with 12 components, refitted after every chunk, its density "
        "that of the expected parameters; by default it expects a component to be as wide as the data, with our prior "
        'diagonal and a fifth as wide. pyhgf: the node "dp-state" with 12 parents "ef-state", at its defaults, in '
        "units of a cluster's standard deviation. Of the fixed pools, components with more than 2 % of the points "
        "count as clusters (pyhgf's also with more than 5 %). pyhgf's node takes one number per step, activates "
        "components and never merges or removes them, and reports no predictive density.",
        versions_line(seen if answers is None else {**seen, "pyhgf": answers.version}),
    ]
    write_markdown(REFERENCE / "mixtures.md", "Mixtures that grow", page)
    write_csv(REFERENCE / "mixtures.csv", table)


def summary(table: pd.DataFrame, by: list[str]) -> list[dict[str, str]]:
    """Means over streams."""
    found = []
    for key, group in table.groupby([*by, "method"], sort=False):
        row = {name: str(value) for name, value in zip([*by, "method"], key, strict=True)}
        for column, digits in (("right", 2), ("right_at_end", 2), ("off_by", 2), ("ari", 3), ("log_score", 3)):
            mean, error = mean_and_error(group[column])
            row[column.replace("_", " ")] = "-" if np.isnan(mean) else with_error(mean, error, digits)
        row["seconds a stream"] = f"{group['seconds'].median():.1f}"
        found.append(row)
    return found


if __name__ == "__main__":
    main()
