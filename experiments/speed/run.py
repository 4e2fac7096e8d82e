"""What discovery costs: against its peers, on large systems, as systems grow, and in compilations.

    .venv/bin/python experiments/speed/run.py                          # everything
    .venv/bin/python experiments/speed/run.py --parts peers            # one of: peers large growth compilations
    .venv/bin/python experiments/speed/run.py --parts growth --no-peers

Every method runs in a process of its own that stays alive, imports done, and is asked for one fit at a time. Methods
take turns, so that a busy moment of the machine falls on all of them. The first answer of a fresh process is its first
call (ours compiles then); later answers are summarized by their median. JAX's compilation cache on disk is off.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from experiments.common import (
    REFERENCE,
    ROOT,
    markdown_table,
    versions,
    versions_line,
    write_csv,
    write_markdown,
    write_svg,
)
from experiments.peers.client import Conversation, converse, peer_versions, require_peers

Row = dict[str, Any]
OURS, SEARCH = "sostruct", "sostruct_search"
TITLES = {
    OURS: "sostruct",
    SEARCH: "sostruct, search alone",
    "var_ftest": "VAR F-test, vectorized",
    "var_ftest_statsmodels": "VAR F-test, statsmodels",
    "lasso_cv": "lasso-CV",
    "varlingam": "VARLiNGAM",
    "varlingam_all_lags": "VARLiNGAM, all lags",
    "pcmci": "PCMCI",
}
VARIANTS = ("var_ftest_statsmodels", "varlingam_all_lags")  # in the comparison only


@dataclass(frozen=True, slots=True)
class Size:
    """A system to fit: variables, time steps, lags, and the seed of its draw."""

    nodes: int
    steps: int
    max_lag: int
    seed: int = 0

    def __str__(self) -> str:
        return f"p{self.nodes} T{self.steps} L{self.max_lag}"

    def write(self, folder: Path) -> Path:
        """Draws the series once and returns the file that holds it."""
        path = folder / f"p{self.nodes}_T{self.steps}_L{self.max_lag}_{self.seed}.npz"
        if not path.exists():
            from sostruct.tasks.var import SparseVAR

            task = SparseVAR(nodes=self.nodes, steps=self.steps, max_lag=self.max_lag).load(self.seed)
            np.savez(path, series=task.frame.to_numpy(dtype=np.float64))
        return path


LARGE = (Size(200, 5000, 5), Size(1000, 5000, 2), Size(5000, 2000, 1))


@contextmanager
def fresh(method: str) -> Iterator[tuple[Conversation, float]]:
    """A new process for a method, and the seconds until it was ready (interpreter and imports)."""
    start = time.perf_counter()
    if method in (OURS, SEARCH):
        worker = ROOT / "experiments" / "speed" / "worker.py"
        options = ["--search"] if method == SEARCH else []
        conversation = Conversation([sys.executable, worker, *options], JAX_ENABLE_COMPILATION_CACHE="false")
    else:
        conversation = converse(method)
    try:
        yield conversation, time.perf_counter() - start
    finally:
        conversation.close()


def against_peers(folder: Path, methods: Sequence[str], rounds: int) -> list[Row]:
    """First and repeated calls of all methods on one system, taking turns; fast methods answer many times a turn."""
    size = Size(20, 500, 3)
    path = size.write(folder)
    rows: dict[str, Row] = {}
    seconds: dict[str, list[float]] = {method: [] for method in methods}
    with ExitStack() as stack:
        programs = {}
        for method in methods:
            programs[method], ready = stack.enter_context(fresh(method))
            first = programs[method].ask(path, size.max_lag)["seconds"]
            rows[method] = {"data": str(size), "method": TITLES[method], "start": ready, "first_call": first}
        for _ in range(rounds):
            for method, program in programs.items():
                turn: list[float] = []
                while len(turn) < 20 and sum(turn) < 0.5:
                    turn.append(program.ask(path, size.max_lag)["seconds"])
                seconds[method] += turn
    ours = statistics.median(seconds[OURS])
    for method, row in rows.items():
        repeated = statistics.median(seconds[method])
        row |= {"repeated_call": repeated, "fastest_call": min(seconds[method]), "calls": len(seconds[method])}
        row["times_ours"] = repeated / ours
    return list(rows.values())


def large_systems(folder: Path, methods: Sequence[str]) -> list[Row]:
    """First call, second call and peak memory on large systems, each in a fresh process."""
    rows: list[Row] = []
    for size in LARGE:
        path = size.write(folder)
        for method in methods:
            if method == "var_ftest" and size.nodes * size.max_lag >= size.steps:
                continue  # more regressors than rows
            _say(f"{size}: {TITLES[method]}")
            with fresh(method) as (program, ready):
                first, second = program.ask(path, size.max_lag), program.ask(path, size.max_lag)
                row: Row = {"data": str(size), "method": TITLES[method], "start": ready}
                row |= {"first_call": first["seconds"], "second_call": second["seconds"]}
                rows.append(row | {"peak_GB": second["peak_mib"] * 2**20 / 1e9})
    return rows


def growth(folder: Path, methods: Sequence[str], budget: float) -> list[Row]:
    """Seconds of a repeated call along three axes; a method leaves an axis once one fit exceeds the budget."""
    axes = {
        "p": [Size(nodes, 1000, 2) for nodes in (5, 10, 20, 50, 100, 200, 400)],
        "T": [Size(20, steps, 2) for steps in (200, 500, 1000, 2000, 5000, 10000, 20000)],
        "L": [Size(20, 2000, lags) for lags in (1, 2, 3, 5, 8, 12, 16)],
    }
    rows = []
    for method in methods:
        with fresh(method) as (program, _):
            for axis, sizes in axes.items():
                for size in sizes:
                    path = size.write(folder)
                    first = program.ask(path, size.max_lag)["seconds"]
                    turn = [program.ask(path, size.max_lag)["seconds"]]
                    while len(turn) < 7 and sum(turn) < budget:
                        turn.append(program.ask(path, size.max_lag)["seconds"])
                    row: Row = {"method": TITLES[method], "axis": axis, "p": size.nodes, "T": size.steps}
                    row |= {"L": size.max_lag, "first_here": first, "repeated_call": statistics.median(turn)}
                    rows.append(row | {"fastest_call": min(turn)})
                    _say(f"growth: {TITLES[method]} {size}: {min(turn):.4f} s")
                    if min(turn) > budget:
                        break
    return rows


def draw_growth(rows: Sequence[Row], path: Path) -> None:
    """Cost against p, T and L, one panel each."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure, panels = plt.subplots(1, 3, figsize=(10.5, 3.4), sharey=True, layout="constrained")
        names = {"p": "variables p (T 1000, L 2)", "T": "time steps T (p 20, L 2)", "L": "lags L (p 20, T 2000)"}
        for panel, (axis, name) in zip(panels, names.items(), strict=True):
            for method in dict.fromkeys(row["method"] for row in rows):
                points = [
                    (row[axis], row["fastest_call"]) for row in rows if (row["method"], row["axis"]) == (method, axis)
                ]
                strong = (
                    {"linewidth": 2.2, "color": "black", "zorder": 3} if method == TITLES[OURS] else {"linewidth": 1.1}
                )
                panel.loglog(*zip(*points, strict=True), marker="o", markersize=3.5, label=method, **strong)
            panel.set_xlabel(name)
            panel.grid(alpha=0.25)
        panels[0].set_ylabel("seconds per call, compiled")
        panels[0].legend(frameon=False, fontsize=8)
        write_svg(path, figure)
        plt.close(figure)


def compilations(folder: Path) -> list[Row]:
    """How often JAX traced and compiled in a sequence of calls in one process."""
    story = (
        ("first call", Size(20, 500, 3)),
        ("same series again", Size(20, 500, 3)),
        ("other series, other graph", Size(20, 500, 3, seed=1)),
        ("other series, other graph", Size(20, 500, 3, seed=2)),
        ("fewer time steps", Size(20, 450, 3)),
        ("fewer variables", Size(18, 450, 3)),
        ("more variables", Size(40, 500, 3)),
        ("more variables", Size(80, 500, 3)),
        ("more variables", Size(160, 500, 3)),
        ("back to the first", Size(20, 500, 3)),
    )
    rows = []
    with fresh(OURS) as (program, _):
        for what, size in story:
            answer = program.ask(size.write(folder), size.max_lag)
            row: Row = {"call": what, "data": str(size), "edges": int(answer["edges"])}
            row |= {"traces": int(answer["traces"]), "compilations": int(answer["compilations"])}
            rows.append(row | {"compile_s": answer["compile_seconds"], "call_s": answer["seconds"]})
    return rows


def goals(peers: Sequence[Row], large: Sequence[Row]) -> list[Row]:
    """What the measurements should show, and whether they do."""
    rows: list[Row] = []

    def add(what: str, goal: str, reached: str, met: bool) -> None:
        rows.append({"what": what, "goal": goal, "reached": reached, "met": "yes" if met else "no"})

    by_name = {row["method"]: row for row in peers}
    for method, least in (("pcmci", 200.0), ("varlingam", 80.0), ("var_ftest", 1.0)):
        if TITLES[method] in by_name:
            for own in (OURS, SEARCH):
                ratio = by_name[TITLES[method]]["repeated_call"] / by_name[TITLES[own]]["repeated_call"]
                add(f"{TITLES[method]} / {TITLES[own]}, p20 T500 L3", f">= {least:g}", f"{ratio:.3g}", ratio >= least)
    if peers:
        first = by_name[TITLES[OURS]]["first_call"]
        add("first call, p20 T500 L3", "< 3 s", f"{first:.2f} s", first < 3)
    for row, (seconds, memory) in zip(
        [row for row in large if row["method"] == TITLES[OURS]], ((3.0, 2.0), (30.0, 4.0), (600.0, 12.0)), strict=False
    ):
        add(
            f"second call, {row['data']}",
            f"< {seconds:g} s",
            f"{row['second_call']:.2f} s",
            row["second_call"] < seconds,
        )
        add(f"peak memory, {row['data']}", f"< {memory:g} GB", f"{row['peak_GB']:.2f} GB", row["peak_GB"] < memory)
    return rows


def shown(rows: Sequence[Row]) -> str:
    """Rows as a Markdown table with three significant digits."""
    return markdown_table(
        [{key: f"{value:.3g}" if isinstance(value, float) else value for key, value in row.items()} for row in rows]
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    parts = ("peers", "large", "growth", "compilations")
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    parser.add_argument("--rounds", type=int, default=5, help="turns per method in the comparison (default 5)")
    parser.add_argument("--budget", type=float, default=4.0, help="seconds a fit may take in the growth study")
    parser.add_argument("--no-peers", action="store_true", help="ours alone")
    parser.add_argument("--no-write", action="store_true", help="show the tables, leave results/reference/ as it is")
    arguments = parser.parse_args()
    if not arguments.no_peers:
        require_peers()
    peers = [] if arguments.no_peers else [method for method in TITLES if method not in (OURS, SEARCH)]
    others = [SEARCH, *peers]
    versions_text = versions_line(versions() | ({} if arguments.no_peers else peer_versions()))

    def publish(part: str, title: str, rows: list[Row], notes: str) -> None:
        print(f"{title}\n\n{shown(rows)}\n", flush=True)
        if not arguments.no_write:
            write_csv(REFERENCE / f"speed_{part}.csv", pd.DataFrame(rows))
            checks = goals(rows if part == "peers" else (), rows if part == "large" else ())
            extra = ["Goals:", markdown_table(checks)] if checks else []
            write_markdown(REFERENCE / f"speed_{part}.md", title, [notes, shown(rows), *extra, versions_text])

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "peers" in arguments.parts:
            rows = against_peers(folder, [OURS, *others], arguments.rounds)
            notes = (
                "Seconds. `start`: interpreter and imports; `first_call`: in a fresh process, compilation included; "
                "`repeated_call`: median; `fastest_call`: least; `times_ours`: ratio of repeated calls. Ours stands "
                "twice: at its defaults, which look for nonlinear mechanisms and average probabilities over graphs, "
                'and with `functions="linear", probabilities=False`, the search for a linear graph alone.'
            )
            publish("peers", "Speed against the peers", rows, notes)
        if "large" in arguments.parts:
            rows = large_systems(folder, [OURS, *(method for method in others if method in (SEARCH, "var_ftest"))])
            publish("large", "Large systems", rows, "Seconds; peak memory of the whole process.")
        if "growth" in arguments.parts:
            rows = growth(folder, [OURS, *(method for method in others if method not in VARIANTS)], arguments.budget)
            notes = f"![cost](speed_growth.svg)\n\nA method leaves an axis once a call exceeds {arguments.budget:g} s."
            publish("growth", "Growth of cost", rows, notes)
            if not arguments.no_write:
                draw_growth(rows, REFERENCE / "speed_growth.svg")
        if "compilations" in arguments.parts:
            notes = (
                "One process, calls in this order. `traces` and `compilations` are JAX's own events, small helper "
                "programs included; an edit of the graph is data and causes neither."
            )
            publish("compilations", "Compilations", compilations(folder), notes)


if __name__ == "__main__":
    main()
