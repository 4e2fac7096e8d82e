"""Growth rules beside their controls: the sweep of `experiment=growth_rules`, its report, and the time it takes.

    .venv/bin/python experiments/growth_rules/run.py              # ten seeds, tables into results/reference/
    .venv/bin/python experiments/growth_rules/run.py --seeds 3 --no-write

Runs the command that the README names, as a program, into results/growth_rules/sweep (continued if it is there
already; --fresh begins again), and copies the tables of its report.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from experiments.common import REFERENCE, ROOT, markdown_table, versions, versions_line, write_csv, write_markdown

SWEEP = ROOT / "results" / "growth_rules" / "sweep"


def main() -> None:
    """Sweeps, reports, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, help="replicates of every rule (10)")
    parser.add_argument("--fresh", action="store_true", help="begin again instead of continuing")
    parser.add_argument("--no-write", action="store_true", help="leave results/reference/ as it is")
    choice = parser.parse_args()
    if choice.fresh and SWEEP.exists():
        shutil.rmtree(SWEEP)
    command = [
        str(Path(sys.executable).parent / "sostruct"),
        "-m",
        "experiment=growth_rules",
        "growth=evidence,every,random,none",
        f"seed=range(0,{choice.seeds})",
        f"hydra.sweep.dir={SWEEP}",
    ]
    begun = time.monotonic()
    subprocess.run(command, cwd=ROOT, check=True)
    seconds = time.monotonic() - begun
    times = [json.loads(path.read_text("utf-8")) for path in sorted(SWEEP.glob("*/timing.json"))]
    firsts = np.array([one["to_first_epoch"] for one in times])
    lasting = np.array([one["seconds"] for one in times])
    clock = [
        {"what": "the whole sweep, report included", "seconds": f"{seconds:.0f}"},
        {"what": "a job, median", "seconds": f"{np.median(lasting):.2f}"},
        {"what": "a job from its start to its first epoch, median", "seconds": f"{np.median(firsts):.2f}"},
        {"what": "a job from its start to its first epoch, longest", "seconds": f"{firsts.max():.2f}"},
    ]
    print(markdown_table(clock))
    if choice.no_write:
        return
    table = pd.read_csv(SWEEP / "tables" / "means.csv")
    page = [
        f"`sostruct -m experiment=growth_rules growth=evidence,every,random,none 'seed=range(0,{choice.seeds})'`",
        "Sparse linear systems of 20 series and 300 rows with known truth, one system per seed.",
        markdown_table([_shown(row) for row in table.to_dict("records")]),
        "Wall time on this machine:",
        markdown_table(clock),
        versions_line(versions(("jax", "equinox", "numpy", "hydra-core"))),
    ]
    write_markdown(REFERENCE / "growth_rules.md", "Growth rules and their controls", page)
    write_csv(REFERENCE / "growth_rules.csv", table)


def _shown(row: dict[Hashable, Any]) -> dict[str, str]:
    return {str(name): f"{value:.4g}" if isinstance(value, float) else str(value) for name, value in row.items()}


if __name__ == "__main__":
    main()
