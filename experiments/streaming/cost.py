"""What a row of a stream costs once everything is compiled, by the size of chunks and the age of the stream.

    .venv/bin/python experiments/streaming/cost.py            # writes results/reference/streaming_cost.md and .csv
    .venv/bin/python experiments/streaming/cost.py --no-write

Wall time of `observe` on a machine that does nothing else, best of five; a graph is not asked for.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from experiments.common import REFERENCE, markdown_table, versions, versions_line, write_csv, write_markdown
from experiments.streaming.run import MAX_LAG, NODES, NOISE, coefficients, system

ROWS = 20_000
YOUNG = 1_000
CHUNKS = (1, 50, 1000)
GOAL = 15.0
REPEATS = 5


def seconds(series: np.ndarray, chunk: int) -> tuple[float, float]:
    """Of the first `YOUNG` rows, and of all."""
    import sostruct as ss

    stream = ss.StreamingDiscovery(max_lag=MAX_LAG)
    begun, young = time.perf_counter(), 0.0
    for start in range(0, len(series), chunk):
        stream.observe(series[start : start + chunk])
        if start + chunk == YOUNG:
            young = time.perf_counter() - begun
    return young, time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--no-write", action="store_true", help="show the page, leave results/reference/ as it is")
    arguments = parser.parse_args()
    series = system(1000, NOISE[0], [(coefficients(1000, 0), ROWS)])
    seconds(series[: 2 * YOUNG], 1000)
    rows, shown = [], []
    for chunk in CHUNKS:
        young, all_rows = np.min([seconds(series, chunk) for _ in range(REPEATS)], axis=0)
        rows.append({"chunk": chunk, "us_first_1000": young / YOUNG * 1e6, "us_all": all_rows / ROWS * 1e6})
        shown.append(
            {
                "rows a chunk": f"{chunk:,}",
                f"first {YOUNG:,} rows": f"{rows[-1]['us_first_1000']:.1f}",
                f"all {ROWS:,} rows": f"{rows[-1]['us_all']:.1f}",
            }
        )
    reached = rows[-1]["us_all"]
    page = [
        f"{NODES} series, {MAX_LAG} lags: microseconds per row, compiled and warm.",
        markdown_table(shown),
        f"Goal: at most {GOAL:.0f} microseconds per row, chunks of 1,000: {reached:.1f}, "
        f"{'met' if reached <= GOAL else 'not met'}.",
        versions_line(versions()),
    ]
    print("\n\n".join(page))
    if not arguments.no_write:
        write_csv(REFERENCE / "streaming_cost.csv", pd.DataFrame(rows))
        write_markdown(REFERENCE / "streaming_cost.md", "What a row of a stream costs", page)


if __name__ == "__main__":
    main()
