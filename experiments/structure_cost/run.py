"""What structure learning costs at 50 nodes, and ten thousand random edit sequences.

    .venv/bin/python experiments/structure_cost/run.py                                   # about half an hour, 2 cores
    .venv/bin/python experiments/structure_cost/run.py --sequences 200 --no-write        # to see that it works

JAX's compilation cache on disk is off. Compilations come first, while the process has compiled nothing.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import sostruct as ss
from experiments.common import REFERENCE, markdown_table, versions, versions_line, write_csv, write_markdown
from experiments.speed.worker import BACKEND_COMPILE, CompileCounter
from experiments.structure_cost.loop import (
    INPUTS,
    NEVER,
    NODES,
    RESIDUAL,
    SCHEDULED,
    Epoch,
    Restless,
    bare_calls,
    epochs_of,
    task,
)

STEPS = 1000
EPOCHS, EDITS = 200, 50
MOST_OUTSIDE, MOST_EDIT, MOST_PROGRAMS = 2.0, 10.0, 8
Row = dict[str, str]


def main() -> None:
    """Measures, and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=STEPS, help="rows of the series")
    parser.add_argument("--sequences", type=int, default=10_000, help="random edit sequences")
    parser.add_argument("--no-write", action="store_true", help="show the tables, leave results/reference/ as it is")
    choice = parser.parse_args()
    jax.config.update("jax_enable_compilation_cache", False)  # type: ignore[no-untyped-call]
    counter = CompileCounter()
    made = task(choice.steps)
    network = ss.HGF(made.truth, schedule="packed")
    assert network.topology.size == NODES

    scheduled, programs = counted(counter, lambda: epochs_of(network, made.frame, Restless(SCHEDULED), EPOCHS, True)[1])
    edits = [one for one in scheduled if one.edits]
    timed = [("no rule", "", epoch_rows(network, made.frame, Restless(NEVER), False))]
    timed.append(("no rule", "yes", epoch_rows(network, made.frame, Restless(NEVER), True)))
    grown, more = counted(counter, lambda: ss.run(network, made.frame, ss.Controller(RESIDUAL), epochs=40))
    settled = grown.network.begun()
    assert isinstance(settled, ss.HGF)
    timed.append(("residual, settled", "", epoch_rows(settled, made.frame, Restless(RESIDUAL), False)))
    timed.append(("residual, settled", "yes", epoch_rows(settled, made.frame, Restless(RESIDUAL), True)))
    bare, silent = bare_calls(network, made.frame, 50)

    quiet = [quiet_row(rule, disk, own) for rule, disk, own in timed]
    compiled = [
        program_row(f"{len(scheduled)} epochs, {len(edits)} edits, unpriced", programs, MOST_PROGRAMS),
        program_row(f"residual growth to its end: {grown.epochs} epochs, {taken(grown)} edits, priced", more, None),
    ]
    live, broken = sequences(choice.sequences)
    for rows in (quiet, edit_rows(edits), compiled, live):
        print(markdown_table(rows), end="\n\n")
    print("\n".join(broken[:20]))
    if choice.no_write:
        return
    write_markdown(
        REFERENCE / "structure_cost.md",
        "What structure learning costs",
        [
            f"A belief graph of {NODES} nodes over {INPUTS} inputs, series of {choice.steps} rows (packed schedule, "
            f"float64). The compiled epoch alone takes {1e3 * bare:.1f} ms; without its signals (excess and its error, "
            f"value and volatility errors, their auto- and cross-correlations) {1e3 * silent:.1f} ms: signals cost "
            f"{100.0 * (bare / silent - 1.0):.0f} %. Milliseconds, median and 90th percentile.",
            "## Epochs without edits",
            markdown_table(quiet),
            "*outside*: the epoch less its compiled calls and less writing to disk, processor time of the loop's "
            "thread; *wall* is what a clock says, other work on the machine included. *settled*: all candidates were "
            "considered and refused before.",
            "## Edits",
            markdown_table(edit_rows(edits)),
            "## Compilations",
            markdown_table(compiled),
            "Every program that XLA compiled, helpers such as the drawing of keys included.",
            "## Random edit sequences through the live controller",
            markdown_table(live),
            "Moves of growth by residuals and arbitrary bundles, random prices, random restraints, batch runs and "
            "streams (`tests/control/wild.py`). After every epoch: the graph is acyclic, nodes are sorted, inputs are "
            "leaves and have a value parent where Reachability asks for it, every hidden node reaches an input there, "
            "arrays agree with the graph, beliefs are finite, the capacity never shrinks, the journal replays to the "
            "graph, the rule's state is JSON.",
            *([f"Violations: {'; '.join(broken[:20])}"] if broken else []),
            versions_line(versions(("jax", "equinox", "numpy"))),
        ],
    )
    lines = [{"what": "epoch without edits", **own} for own in quiet]
    lines += [{"what": "edit", **own} for own in edit_rows(edits)] + [
        {"what": "compilations", **own} for own in compiled
    ]
    lines += [{"what": "random sequences", **own} for own in live]
    write_csv(REFERENCE / "structure_cost.csv", pd.DataFrame(lines).fillna(""))


def counted(counter: CompileCounter, call: Callable[[], object]) -> tuple[object, int]:
    """What a call gives, and how many programs were compiled for it."""
    counter.reset()
    return call(), counter.count.get(BACKEND_COMPILE, 0)


def epoch_rows(network: ss.HGF, data: pd.DataFrame, rule: Restless, disk: bool) -> list[Epoch]:
    """Epochs without edits, those apart in which something had to be compiled or looked at for the first time."""
    return [one for one in epochs_of(network, data, rule, 63, disk)[1][2:] if not one.edits]


def quiet_row(rule: str, disk: str, own: Sequence[Epoch]) -> Row:
    """A row of the first table."""
    outside = [1e3 * one.outside for one in own]
    return {
        "rule": rule,
        "to disk": disk,
        "epochs": str(len(own)),
        "whole epoch": spread([1e3 * one.whole for one in own]),
        "compiled calls": spread([1e3 * one.compiled for one in own]),
        "writing": spread([1e3 * one.recorded for one in own]) if disk else "",
        "outside, wall": spread([1e3 * one.waited for one in own]),
        "outside": spread(outside),
        "goal": f"<= {MOST_OUTSIDE:g}",
        "met": "yes" if statistics.median(outside) <= MOST_OUTSIDE else "no",
    }


def edit_rows(own: Sequence[Epoch]) -> list[Row]:
    """The table of edits."""
    inside = [1e3 * one.edited for one in own]
    return [
        {
            "edits": str(len(own)),
            "edited": spread(inside),
            "slowest": f"{max(inside):.2f}",
            "journal, signals and checkpoint": spread([1e3 * one.recorded for one in own]),
            "rest of the epoch, outside": spread([1e3 * one.outside for one in own]),
            "goal": f"<= {MOST_EDIT:g}",
            "met": "yes" if statistics.median(inside) <= MOST_EDIT else "no",
        }
    ]


def program_row(what: str, programs: int, goal: int | None) -> Row:
    """A row of the table of compilations."""
    met = "" if goal is None else "yes" if programs <= goal else "no"
    return {"run": what, "programs": str(programs), "goal": "" if goal is None else f"<= {goal}", "met": met}


def taken(run: object) -> int:
    """Edits that a run made."""
    return sum(entry.accepted for entry in run.journal)  # type: ignore[attr-defined]


def spread(values: Sequence[float]) -> str:
    """Median and 90th percentile."""
    ordered = sorted(values)
    return f"{statistics.median(ordered):.2f} ({ordered[int(0.9 * (len(ordered) - 1))]:.2f})"


def sequences(count: int) -> tuple[list[Row], list[str]]:
    """Random sequences through the live controller: what they did, and what was broken."""
    from tests.control.wild import sequence

    edits, refused, broken = Counter[str](), Counter[str](), list[str]()
    epochs = capacities = 0
    begun = time.perf_counter()
    for seed in range(count):
        try:
            found = sequence(seed)
        except Exception as error:
            broken.append(f"seed {seed} ended with {type(error).__name__}: {error}")
            continue
        edits += found.edits
        refused += found.refused
        broken += found.broken
        epochs += found.epochs
        capacities += found.capacities
        if seed % 1000 == 999:
            print(f"{seed + 1} sequences, {len(broken)} violations, {time.perf_counter() - begun:.0f} s", flush=True)
    row = {
        "sequences": str(count),
        "epochs": str(epochs),
        "edits": str(edits.total()),
        **{name: str(edits[name]) for name in sorted(edits)},
        "refused": str(refused.total()),
        "larger capacities": str(capacities),
        "violations": str(len(broken)),
    }
    return [row], broken


if __name__ == "__main__":
    main()
