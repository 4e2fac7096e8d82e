"""What is done with data before the search, and what it is worth: seasons, realizations, irregular rows, counts; and
how often advice is given.

    .venv/bin/python experiments/data_in/run.py                  # 20 seeds of every case
    .venv/bin/python experiments/data_in/run.py --seeds 0:3 --no-write

Every case is a system whose graph is known, once as it would be searched without the treatment, once with it and, where
there is such a thing, once as it was before it was spoiled. Judged on the summary graph without its diagonal.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable
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
from experiments.tables import GRAPH, levels

MAX_LAG = 2
ROWS = 500
WALKS = (150, 500, 2000)

Case = dict[str, tuple[Any, dict[str, Any]]]
"""Data and settings by the name of the treatment."""


def seasonal(frame: pd.DataFrame, seed: int) -> Case:
    """A wave of 24 rows, three times as large as the noise, with a phase of its own in every series."""
    phase = np.random.default_rng([seed, 1]).uniform(0, 2 * np.pi, frame.shape[1])
    wave = 3 * np.sin(2 * np.pi * np.arange(len(frame))[:, None] / 24 + phase)
    spoiled = frame + wave
    return {"as it is": (spoiled, {}), "season=24": (spoiled, {"season": 24}), "without the wave": (frame, {})}


def parted(frame: pd.DataFrame, seed: int) -> Case:
    """Stretches of 14 rows, 10 rows between them lost."""
    parts = [frame.iloc[start : start + 14].reset_index(drop=True) for start in range(0, len(frame) - 14, 24)]
    glued = pd.concat(parts, ignore_index=True)
    return {"rows glued together": (glued, {}), "realizations": (parts, {}), "nothing lost": (frame, {})}


def irregular(frame: pd.DataFrame, seed: int) -> Case:
    """Every tenth row lost, the others taken up to a fifth of a step early or late."""
    generator = np.random.default_rng([seed, 2])
    timed = frame.set_axis(np.arange(len(frame)) + generator.uniform(-0.2, 0.2, len(frame)), axis=0)
    kept = timed[generator.random(len(frame)) > 0.1]
    return {
        "rows taken for steps": (kept.reset_index(drop=True), {}),
        "irregular='resample'": (kept, {"irregular": "resample"}),
        "nothing lost": (frame, {}),
    }


def counted(seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Six Poisson series whose log rates depend on the logs of counts before; the summary graph [cause, effect]."""
    generator = np.random.default_rng(seed)
    size, level = 6, float(generator.choice([1.0, 3.0]))
    weights = np.zeros((MAX_LAG, size, size))
    for cause, effect in np.argwhere(generator.random((size, size)) < 0.3).tolist():
        if cause != effect:
            weights[generator.integers(MAX_LAG), effect, cause] = generator.uniform(0.15, 0.35) * generator.choice(
                [-1, 1]
            )
    weights[0] += 0.3 * np.eye(size)
    values = np.full((ROWS + 50, size), level)
    for row in range(MAX_LAG, len(values)):
        past = [np.log((values[row - lag] + 1) / (level + 1)) for lag in range(1, MAX_LAG + 1)]
        rate = level * np.exp(sum(own @ before for own, before in zip(weights, past, strict=True)))
        values[row] = generator.poisson(np.minimum(rate, 100.0))
    frame = pd.DataFrame(values[50:], columns=[f"x{number}" for number in range(size)])
    return frame, weights.any(axis=0).T


def scored(found: Any, truth: np.ndarray) -> dict[str, float]:
    evidence = found.summary.to_numpy(copy=True)
    np.fill_diagonal(evidence, 0.0)
    names = list(found.summary.columns)
    decided = np.zeros(evidence.shape, bool)
    for edge in found.edges.itertuples():
        decided[names.index(edge.cause), names.index(edge.effect)] = True
    return score_row(referee(truth, evidence, decided))


def advised(seeds: range) -> list[dict[str, object]]:
    """Share of cases in which some advice is given."""
    from sostruct.tasks import Lorenz96, Nonlinear, SparseVAR, StructuralVAR
    from sostruct.tasks.advice import advise

    def share(draw: Callable[[int], pd.DataFrame]) -> str:
        told = []
        for seed in seeds:
            frame = draw(seed)
            with warnings.catch_warnings(record=True) as given:
                warnings.simplefilter("always")
                advise([frame.to_numpy()], list(frame.columns))
            told.append(float(len(given) > 0))
        return with_error(*mean_and_error(told), 2)

    def walk(rows: int, root: float) -> Callable[[int], pd.DataFrame]:
        def draw(seed: int) -> pd.DataFrame:
            noise, series = np.random.default_rng(seed).normal(size=(rows + 300, 2)), np.zeros(rows + 300)
            for row in range(1, rows + 300):
                series[row] = root * series[row - 1] + noise[row, 0]
            return pd.DataFrame({"walk": series[300:], "noise": noise[300:, 1]})

        return draw

    families = {"VAR": SparseVAR, "structural VAR": StructuralVAR, "Lorenz-96": Lorenz96, "nonlinear": Nonlinear}
    rows: list[dict[str, object]] = [
        {
            "series": f"{name}, 10 series, 500 rows",
            "advised": share(lambda seed, task=task: task(nodes=10, steps=ROWS).load(seed).frame),
        }
        for name, task in families.items()
    ]
    for length in WALKS:
        for root, name in (
            (1.0, "a random walk"),
            (0.95, "an autoregression of .95"),
            (0.9, "an autoregression of .9"),
        ):
            rows.append({"series": f"{name} beside noise, {length} rows", "advised": share(walk(length, root))})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seeds", type=seed_range, default=range(1000, 1020), help="FIRST:END, default 1000:1020")
    parser.add_argument("--no-write", action="store_true", help="show the page, leave results/reference/ as it is")
    arguments = parser.parse_args()

    import sostruct as ss
    from sostruct.tasks import SparseVAR

    task = SparseVAR(nodes=8, steps=ROWS, max_lag=MAX_LAG)
    rows = []
    log_scores: dict[str, list[float]] = {"keep": [], "transform": []}
    warnings.simplefilter("ignore", ss.DataWarning)  # each case is about something that is warned of
    for seed in arguments.seeds:
        print(f"seed {seed}", file=sys.stderr, flush=True)
        frame = task.load(seed).frame
        truth = task.coefficients(seed).any(axis=0).T
        cases = {
            "daily wave": seasonal(frame, seed),
            "stretches of 14 rows": parted(frame, seed),
            "irregular rows": irregular(frame, seed),
        }
        for case, treatments in cases.items():
            for name, (data, settings) in treatments.items():
                found = ss.discover(data, MAX_LAG, functions="linear", **settings)
                rows += [(case, name, seed, metric, value) for metric, value in scored(found, truth).items()]
        counts, truth = counted(seed)
        shown, later = counts.iloc[:400], counts.iloc[400:]
        for how in log_scores:
            found = ss.discover(shown, MAX_LAG, functions="linear", discrete=how)
            name = f"discrete='{how}'"
            rows += [("counts", name, seed, metric, value) for metric, value in scored(found, truth).items()]
            log_scores[how].append(float(found.predict(later).log_score.mean()))
    table = pd.DataFrame(rows, columns=["family", "method", "seed", "metric", "value"])
    gain = np.subtract(log_scores["transform"], log_scores["keep"])
    page = [
        f"Sparse VARs p 8, T {ROWS}, lags 1 and 2, lines; counts: Poisson autoregressions p 6, T 400, mean 1 or 3. "
        f"{len(arguments.seeds)} seeds; mean ± standard error.",
        markdown_table(levels(table, GRAPH, "data")),
        "Log score of counts on the 100 rows that follow, nats per value, transformed minus as they are: "
        f"{with_error(*mean_and_error(gain), sign=True)}.",
        "Share of cases in which there is advice before the search (of a random walk, there should be):",
        markdown_table(advised(arguments.seeds)),
        versions_line(versions()),
    ]
    print("\n\n".join(page))
    if not arguments.no_write:
        write_csv(REFERENCE / "data_in.csv", table)
        write_markdown(REFERENCE / "data_in.md", "What is done with data before the search", page)


if __name__ == "__main__":
    main()
