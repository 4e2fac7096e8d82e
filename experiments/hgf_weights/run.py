"""Do the local rules of weight learning find strengths that predict as well as the true ones?

    .venv/bin/python experiments/hgf_weights/run.py                        # 20 seeds
    .venv/bin/python experiments/hgf_weights/run.py --seeds 0:3 --no-write

Two AR(1) states, each seen by an input of its own, drive a child through tanh and sigmoid. Series are drawn from the
network with the true strengths (`HGF.sample`); learning starts at 0, knows everything else, sees the first half of a
series, and is judged by its surprise on the second. Everything is per seed: the truth and all rules see the same data.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

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

TRUE = (0.8, -1.0)
STEPS = 500
LOCAL_EPOCHS, EVIDENCE_EPOCHS = 10, 40
LOCAL_RATE, EVIDENCE_RATE = 1e-2, 0.1
RULES = (
    ("standard", "prediction"),
    ("standard", "posterior"),
    ("precision_weighted", "prediction"),
    ("precision_weighted", "posterior"),
    ("evidence", ""),
)
CHILDREN = ("state", "input")
GOAL = 0.02


def network(child: str) -> tuple[Any, list[tuple[str, str]]]:
    """The network with the true strengths, and the edges to be learnt."""
    import networkx as nx

    import sostruct as ss

    graph = nx.MultiDiGraph()
    for number in (1, 2):
        graph.add_node(f"u{number}", kind="continuous", precision=20.0)
        graph.add_node(f"x{number}", kind="continuous", tonic_volatility=-1.0, autoconnection=0.9, precision=0.5)
        graph.add_edge(f"x{number}", f"u{number}")
    graph.add_node("u3", kind="continuous", precision=4.0)
    target = "u3"
    if child == "state":
        target = "y"
        graph.add_node("y", kind="continuous", tonic_volatility=-2.0, autoconnection=0.5)
        graph.add_edge("y", "u3")
    for parent, function, strength in (("x1", "tanh", TRUE[0]), ("x2", "sigmoid", TRUE[1])):
        graph.add_edge(parent, target, function=function, strength=strength)
    return ss.HGF(graph), [("x1", target), ("x2", target)]


def measure(child: str, seed: int, optimizers: dict[bool, Any]) -> list[dict[str, Any]]:
    """Held-out surprise per step, and strengths, of the truth, the start and every rule."""
    import jax

    true, edges = network(child)
    frame = true.sample(jax.random.key(seed), 2 * STEPS).frame
    seen, later = frame[:STEPS], frame[STEPS:].reset_index(drop=True)
    start = true.with_parameters({edge: {"strength": 0.0} for edge in edges})

    def row(rule: str, parents: str, own: Any, weights: Any) -> dict[str, Any]:
        surprise = -own.filter(later).log_evidence / STEPS
        named = {"tanh": float(weights[0]), "sigmoid": float(weights[1])}
        return {"child": child, "seed": seed, "rule": rule, "parents": parents, "surprise": surprise, **named}

    rows = [row("true strengths", "", true, TRUE), row("initial strengths", "", start, (0.0, 0.0))]
    for kind, parents in RULES:
        evidence = kind == "evidence"
        learned = start.learn_weights(
            seen,
            optimizer=optimizers[evidence],
            edges=edges,
            kind=kind,
            parents=parents or "prediction",
            epochs=EVIDENCE_EPOCHS if evidence else LOCAL_EPOCHS,
        )
        rows.append(row(kind.replace("_", " "), parents, learned.network, learned.path[-1]))
    return rows


def main() -> None:
    """Draws, learns, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=seed_range, default=range(1000, 1020), help="FIRST:END, default 1000:1020")
    parser.add_argument("--no-write", action="store_true", help="show the page, leave results/reference/ as it is")
    choice = parser.parse_args()
    import optax

    # one object for each, so that all fits share their compiled passes
    optimizers = {False: optax.adam(LOCAL_RATE), True: optax.adam(EVIDENCE_RATE)}
    rows = []
    for child in CHILDREN:
        for seed in choice.seeds:
            rows += measure(child, seed, optimizers)
            print(f"{child} {seed}: done", file=sys.stderr, flush=True)
    table = pd.DataFrame(rows)
    page = [
        f"{len(choice.seeds)} series of {2 * STEPS} steps; mean ± standard error over them. Surprise: joint, per step "
        "of the second half, nats. `over the truth`: its excess over that of the true strengths "
        f"({TRUE[0]:g} through tanh, {TRUE[1]:g} through sigmoid), seed by seed, in percent; goal: at most "
        f"{100 * GOAL:g} %. Local rules: online, Adam {LOCAL_RATE:g}, {LOCAL_EPOCHS} epochs; evidence: Adam "
        f"{EVIDENCE_RATE:g}, {EVIDENCE_EPOCHS} epochs. Adam divides out a constant precision, so that weighting by it "
        "changes little here.",
        markdown_table(summarized(table)),
        versions_line(versions(("jax", "equinox", "optax", "numpy"))),
    ]
    print("\n\n".join(page))
    if not choice.no_write:
        write_csv(REFERENCE / "hgf_weights.csv", table)
        write_markdown(REFERENCE / "hgf_weights.md", "Learning coupling strengths", page)


def summarized(table: pd.DataFrame) -> list[dict[str, str]]:
    """A row for each child and rule."""
    found = []
    for (child, rule, parents), own in table.groupby(["child", "rule", "parents"], sort=False):
        truth = table[(table["child"] == child) & (table["rule"] == "true strengths")].set_index("seed")["surprise"]
        values = own.set_index("seed")["surprise"]
        each = 100.0 * (values - truth) / truth.abs()
        excess = mean_and_error(each)
        within = f"{int((each <= 100.0 * GOAL).sum())} of {len(each)}"
        row = {
            "child": str(child),
            "rule": str(rule),
            "parents at their": str(parents),
            "surprise": with_error(*mean_and_error(values), 3),
            "over the truth, %": "" if rule == "true strengths" else with_error(*excess, 2, sign=True),
            "tanh": with_error(*mean_and_error(own["tanh"]), 3),
            "sigmoid": with_error(*mean_and_error(own["sigmoid"]), 3),
            f"seeds within {100 * GOAL:g} %": "" if rule == "true strengths" else within,
            "goal met": "" if rule.endswith("strengths") else ("yes" if excess[0] <= 100 * GOAL else "no"),
        }
        found.append(row)
    assert np.isfinite(table["surprise"]).all()
    return found


if __name__ == "__main__":
    main()
