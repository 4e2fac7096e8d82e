"""The belief networks against published runs, exact likelihoods and a filter in plain Python.

.venv/bin/python experiments/hgf_accuracy/run.py
.venv/bin/python experiments/hgf_accuracy/run.py --graphs 50 --no-write
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import reduce
from itertools import product
from pathlib import Path
from typing import Any

import jax
import networkx as nx
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
)

ORACLES = ROOT.parent / "shared" / "oracles"
BELIEFS = ("mean", "precision", "expected_mean", "expected_precision")
SCHEDULES = ("packed", "unrolled")
LITERATURE: dict[str, Any] = {"carry": "literature", "assimilate": "separate", "linearize": "previous"}
Row = dict[str, Any]


def relative(found: np.ndarray, wanted: np.ndarray) -> float:
    """Largest relative deviation; equal infinities agree, anything else that is not finite is infinitely wrong."""
    same = (found == wanted) | (np.isnan(found) & np.isnan(wanted))
    with np.errstate(invalid="ignore", divide="ignore"):
        gap = np.abs(found - wanted) / np.maximum(np.abs(wanted), 1e-300)
    return float(np.max(np.where(same, 0.0, np.where(np.isnan(gap), np.inf, gap)), initial=0.0))


def shaken(inputs: np.ndarray, binary: list[bool]) -> np.ndarray:
    """Inputs moved by 1e-7 of themselves, in turn up and down; outcomes that are 0 or 1 stay."""
    moved = inputs * (1.0 + 1e-7 * np.where(np.arange(len(inputs))[:, None] % 2, 1, -1))
    return np.where(binary, inputs, moved)


def published() -> list[Row]:
    """Every published run, both schedules, double and single precision."""
    import sostruct as ss

    rows = []
    for path in sorted(ORACLES.glob("*.json")):
        case = json.loads(path.read_text("utf-8"))
        truth = np.load(path.with_suffix(".npz"))
        graph = nx.MultiDiGraph()
        for node in case["nodes"]:
            graph.add_node(node["id"], **{key: value for key, value in node.items() if key != "id"})
        for edge in case["edges"]:
            graph.add_edge(
                edge["source"], edge["target"], **{k: edge[k] for k in edge if k not in ("source", "target")}
            )
        settings = {"update": case["update"], "mean_field": case["mean_field"], **LITERATURE}
        for schedule in SCHEDULES:

            def run(
                data: np.ndarray,
                dtype: str = "float64",
                graph: nx.MultiDiGraph = graph,
                settings: dict[str, Any] = {"schedule": schedule, "inputs": case["inputs"], **settings},  # noqa: B006
            ) -> Any:
                network = ss.HGF(graph, dtype=dtype, **settings)
                return network.filter(data)

            double = run(truth["inputs"])
            moved = run(shaken(truth["inputs"], [graph.nodes[name]["kind"] == "binary" for name in case["inputs"]]))
            single = run(truth["inputs"], "float32")
            worst, excess = 0.0, 0.0
            for column, name in enumerate(double.nodes):
                for kind in BELIEFS:
                    exact = np.asarray(getattr(double, kind))[:, column]
                    worst = max(worst, relative(exact, truth[f"{name}/{kind}"]))
                    if np.isfinite(exact).all():
                        change = np.abs(np.asarray(getattr(moved, kind))[:, column] - exact).max()
                        floor = np.finfo(np.float32).eps * np.abs(exact).max()
                        gap = np.abs(np.asarray(getattr(single, kind), np.float64)[:, column] - exact).max()
                        excess = max(excess, gap / max(change, floor))
            rows.append(
                {
                    "run": path.stem,
                    "schedule": schedule,
                    "float64, largest relative deviation": worst,
                    "float32, times the change by 1e-7 of the inputs": excess,
                }
            )
    return rows


def kalman(
    transition: np.ndarray,
    process: np.ndarray,
    seen: np.ndarray,
    noise: np.ndarray,
    data: np.ndarray,
    steps: np.ndarray,
) -> np.ndarray:
    """Surprise per step of the exact filter: x = L x + N(0, Q dt) with L diagonal, u = A x + N(0, R), x0 ~ N(0, I)."""
    mean, covariance = np.zeros(len(transition)), np.eye(len(transition))
    surprise = np.zeros(len(data))
    for step, (row, elapsed) in enumerate(zip(data, steps, strict=True)):
        decay = np.diag(transition**elapsed)
        mean, covariance = decay @ mean, decay @ covariance @ decay + np.diag(process * elapsed)
        there = ~np.isnan(row)
        if there.any():
            visible = seen[there]
            spread = visible @ covariance @ visible.T + np.diag(noise[there])
            error = row[there] - visible @ mean
            _, log_determinant = np.linalg.slogdet(2 * np.pi * spread)
            surprise[step] = 0.5 * (log_determinant + error @ np.linalg.solve(spread, error))
            gain = np.linalg.solve(spread, visible @ covariance).T
            mean, covariance = mean + gain @ error, covariance - gain @ visible @ covariance
    return surprise


def exact() -> list[Row]:
    """Linear networks against the Kalman filter."""
    import sostruct as ss

    random = np.random.default_rng(0)
    cases = {
        "local level": np.array([[1.0]]),
        "two inputs under one state": np.array([[1.3], [-0.6]]),
        "two states over one input": np.array([[1.0, 0.7]]),
        "three states over two inputs": np.array([[1.0, 0.7, 0.0], [0.0, -0.5, 1.2]]),
        "five states over six inputs": random.normal(size=(6, 5)),
    }
    rows = []
    for (name, seen), spacing, schedule in product(cases.items(), ("regular", "irregular, a fifth missing"), SCHEDULES):
        inputs, states = seen.shape
        transition, volatility = random.uniform(0.3, 1.0, states), random.uniform(-3.0, 0.0, states)
        precision = random.uniform(1.0, 20.0, inputs)
        graph = nx.MultiDiGraph()
        for number in range(states):
            graph.add_node(
                f"x{number}",
                kind="continuous",
                tonic_volatility=float(volatility[number]),
                autoconnection=float(transition[number]),
            )
        for number in range(inputs):
            graph.add_node(f"u{number}", kind="continuous", precision=float(precision[number]))
        for (row, column), strength in np.ndenumerate(seen):
            if strength:
                graph.add_edge(f"x{column}", f"u{row}", strength=float(strength))
        data = random.normal(size=(200, inputs))
        steps = np.ones(200)
        if spacing != "regular":
            steps = random.uniform(0.2, 3.0, 200)
            data[random.random(data.shape) < 0.2] = np.nan
        wanted = kalman(transition, np.exp(volatility), seen, 1.0 / precision, data, steps)
        network = ss.HGF(graph, inputs=[f"u{number}" for number in range(inputs)], schedule=schedule)
        found = network.filter(data, None if spacing == "regular" else steps)
        rows.append(
            {
                "network": name,
                "steps": spacing,
                "schedule": schedule,
                "largest deviation per step, nats": float(np.abs(np.asarray(found.surprise) - wanted).max()),
                "log evidence": float(found.log_evidence),
                "relative deviation": abs(float(found.log_evidence) + wanted.sum()) / abs(wanted.sum()),
            }
        )
    return rows


def random_networks(count: int) -> tuple[list[Row], list[Row]]:
    """The packed schedule against plain Python on random networks, at one shared capacity; and invariants."""
    import sostruct as ss
    from tests.networks.hgf.graphs import random_graph, series
    from tests.networks.hgf.reference import run

    conventions = (
        ("exact", "prediction", "joint"),
        ("literature", "previous", "separate"),
        ("exact", "previous", "joint"),
    )
    names = ("update", "mean_field", "carry", "linearize", "assimilate")
    choices = [
        dict(zip(names, (update, field, *conventions[(number + field) % 3]), strict=True))
        for number, update in enumerate(("ehgf", "standard", "unbounded"))
        for field in (True, False)
    ]
    drawn = []
    for number in range(count):
        random = np.random.default_rng(number)
        graph, inputs = random_graph(random, int(random.integers(2, 61)), several_parents=bool(number % 2))
        steps = random.uniform(0.3, 2.0, 24) if number % 2 else None
        data = series(random, graph, inputs, 24, missing=0.15 if number % 4 == 0 else 0.0, time_steps=steps)
        drawn.append((graph, inputs, data, steps, choices[number // 2 % len(choices)]))
    networks = [ss.HGF(graph, inputs=inputs, schedule="packed", **choice) for graph, inputs, _, _, choice in drawn]
    capacities: dict[bool, Any] = {}
    for number, network in enumerate(networks):
        own = network.packed.capacity
        capacities[bool(number % 2)] = reduce(
            lambda one, other: one.join(other), [own], capacities.get(bool(number % 2), own)
        )
    rows, halves, paddings = [], [], []
    # networks with the same settings follow each other, and their programs are dropped when the settings change:
    # otherwise a process runs out of memory mappings for compiled code
    order = sorted(range(count), key=lambda number: (str(drawn[number][4]), number % 2, drawn[number][3] is None))
    settings = drawn[order[0]][4]
    for done, number in enumerate(order, 1):
        network, (graph, inputs, data, steps, choice) = networks[number], drawn[number]
        if choice != settings:
            jax.clear_caches()
            settings = choice
        shared = network.at_capacity(capacities[bool(number % 2)])
        found = shared.filter(data, steps, strict=False)
        wanted = run(graph, inputs, data, steps, strict=False, **choice)
        deviation = 0.0
        for column, name in enumerate(found.nodes):
            for kind in BELIEFS:
                mine, theirs = np.asarray(getattr(found, kind))[:, column], getattr(wanted, kind)[name]
                scale = np.abs(theirs[np.isfinite(theirs)]).max(initial=1.0) if "mean" in kind else None
                gap = np.abs(mine - theirs).max() / scale if scale else relative(mine, theirs)
                deviation = max(deviation, float(gap))
        surprise = float(np.abs(np.asarray(found.surprise) - wanted.surprise).max())
        held = sum(wanted.held.values())
        rows.append(
            {
                "nodes": graph.number_of_nodes(),
                "edges": graph.number_of_edges(),
                "several value parents": bool(number % 2),
                **choice,
                "beliefs": deviation,
                "surprise": surprise / max(1.0, float(np.abs(wanted.surprise).max())),
                "held": held,
                "held as in the reference": int(found.held.sum()) == held,
            }
        )
        if number < 4:
            first = shared.filter(data[:11], None if steps is None else steps[:11], strict=False)
            second = shared.filter(data[11:], None if steps is None else steps[11:], start=first.last, strict=False)
            halves.append(relative(np.concatenate([first.mean, second.mean]), np.asarray(found.mean)))
            tight = network.filter(data, steps, strict=False)
            paddings.append(relative(np.asarray(tight.mean), np.asarray(found.mean)))
        if done % 50 == 0:
            print(f"{done} of {count} random networks", flush=True)
    invariants: list[Row] = [
        {"invariant": "two halves against the whole, means", "networks": len(halves), "largest": max(halves)},
        {
            "invariant": "own capacity against the shared one, means",
            "networks": len(paddings),
            "largest": max(paddings),
        },
    ]
    return rows, invariants


def summary(rows: list[Row]) -> list[Row]:
    """Random networks by update, uncertainty and number of value parents."""
    table = pd.DataFrame(rows)
    found = []
    for keys, group in table.groupby(["update", "mean_field", "several value parents"], sort=True):
        found.append(
            {
                "update": keys[0],
                "uncertainty": "mean field" if keys[1] else "relaxed",
                "several value parents": "yes" if keys[2] else "no",
                "networks": len(group),
                "nodes": f"{group['nodes'].min()} to {group['nodes'].max()}",
                "beliefs, median": f"{group['beliefs'].median():.1e}",
                "beliefs, largest": f"{group['beliefs'].max():.1e}",
                "surprise, largest": f"{group['surprise'].max():.1e}",
                "within 1e-9": f"{int(((group['beliefs'] < 1e-9) & (group['surprise'] < 1e-9)).sum())}",
                "held steps agree": f"{int(group['held as in the reference'].sum())}",
            }
        )
    return found


def shown(rows: list[Row]) -> list[Row]:
    """Numbers as text."""
    return [{key: f"{value:.2g}" if isinstance(value, float) else value for key, value in row.items()} for row in rows]


def main() -> None:
    """Measures, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graphs", type=int, default=500, help="random networks (500)")
    parser.add_argument("--no-write", action="store_true", help="print the tables only")
    choice = parser.parse_args()
    likelihoods = exact()
    networks, invariants = random_networks(choice.graphs)
    page = [
        "Exact likelihoods: linear networks against a Kalman filter with the full covariance, 200 steps.",
        markdown_table(shown(likelihoods)),
        "Random networks: the packed schedule against a filter in plain Python, 24 steps each. Precisions: relative "
        "deviation; means and surprise: deviation relative to the largest of the series.",
        markdown_table(summary(networks)),
        "Invariants, relative deviation:",
        markdown_table(shown(invariants)),
    ]
    tables = [pd.DataFrame(likelihoods).assign(part="exact"), pd.DataFrame(networks).assign(part="random")]
    if ORACLES.is_dir():
        runs = published()
        page = [f"Published runs: {len({row['run'] for row in runs})} cases.", markdown_table(shown(runs)), *page]
        tables.insert(0, pd.DataFrame(runs).assign(part="published"))
    else:
        page.insert(0, "Published runs: not at hand, left out.")
    page.append(versions_line(versions(("jax", "equinox", "numpy"))))
    if choice.no_write:
        print("\n\n".join(page))
        return
    write_markdown(REFERENCE / "hgf_accuracy.md", "Accuracy of the belief networks", page)
    write_csv(REFERENCE / "hgf_accuracy.csv", pd.concat(tables))


if __name__ == "__main__":
    main()
