"""The run folder of a belief network, written by hand: a small history, and numbers that go with it.

Two series: each has an input and a hidden state at first. The run tunes a parameter, grows a volatility parent, a drift
that both states share, tries an edge the wrong way round, turns it, and takes the drift's second edge back.
"""

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd

from sostruct.graph import (
    AddEdge,
    AddNode,
    Edge,
    Entry,
    Journal,
    Node,
    RemoveEdge,
    Rewire,
    SetParameters,
    Topology,
    write_graph,
)

STATE = {"tonic_volatility": -3.0}
COLUMNS = ("error", "precision", "volatility_error", "autocorrelation", "mean", "variance")


def bare(names: tuple[str, ...] = ("price", "rate")) -> Topology:
    """Every series by itself."""
    nodes = [Node(name, "continuous", {"precision": 4.0}) for name in names]
    nodes += [Node(f"{name}_state", "continuous", STATE) for name in names]
    return Topology(tuple(nodes), tuple(Edge(f"{name}_state", name) for name in names))


def history(names: tuple[str, ...] = ("price", "rate")) -> Journal:
    """Seven epochs: accepted edits in 0, 1, 2, 3, 4 and 5, and a last one that finds nothing."""
    one, two = (f"{name}_state" for name in names)
    volatility = (
        AddNode("volatility_1", "continuous", {"autoconnection": 0.95}),
        AddEdge(Edge("volatility_1", one, coupling="volatility")),
    )
    drift = (AddNode("drift_1", "continuous", {"autoconnection": 0.9}), AddEdge(Edge("drift_1", one, strength=0.5)))
    decisions: list[tuple[int, Any, float, bool, str, str]] = [
        (0, SetParameters(one, {"tonic_volatility": -2.0}), 41.5, True, "parameters first", one),
        (0, volatility, 12.25, False, "another edit went first", one),
        (1, volatility, 30.0, True, "mean volatility error .31 after 400 steps", one),
        (1, AddEdge(Edge(one, two)), -3.0, False, "costs more than it saves", two),
        (2, drift, 18.0, True, "autocorrelated errors", one),
        (2, AddEdge(Edge("drift_1", two, strength=0.4)), math.nan, False, "no price yet", two),
        (3, AddEdge(Edge("drift_1", two, strength=0.4)), 9.5, True, "errors go together", two),
        (3, AddEdge(Edge(one, two)), 2.0, True, "errors go together", two),
        (4, Rewire(RemoveEdge(one, two), AddEdge(Edge(two, one))), 1.5, True, "the other way round", one),
        (5, RemoveEdge("drift_1", two), 4.0, True, "its evidence is gone", two),
        (6, AddEdge(Edge("drift_1", two)), -5.0, False, "costs more than it saves", two),
    ]
    return Journal(bare(names), (Entry(*decision) for decision in decisions))


def write_beliefs(
    folder: Path,
    *,
    names: tuple[str, ...] = ("price", "rate"),
    truth: bool = True,
    beliefs: bool = True,
    journal: Journal | None = None,
    epochs: int = 7,
) -> Path:
    """Write every file of a finished run except `done.json` and the report.

    Args:
        folder: made.
        names: of the two series.
        truth: whether the true network is known.
        beliefs: whether signals.csv has the columns that only belief networks have.
        journal: another history.
        epochs: with signals.
    """
    folder.mkdir(parents=True, exist_ok=True)
    journal = history(names) if journal is None else journal
    journal.write(folder / "journal.jsonl")
    signals(journal, epochs, beliefs=beliefs).to_csv(folder / "signals.csv", index=False)
    final = journal.final
    write_graph(final, folder / "graph.json")
    if truth:
        write_graph(journal.replay(2), folder / "truth.json")
    edges = [(e.source, e.target, e.coupling, e.strength, e.function) for e in final.edges]
    columns = ["source", "target", "coupling", "strength", "function"]
    pd.DataFrame(edges, columns=columns).to_csv(folder / "edges.csv", index=False)
    nodes = [
        {"node": n.name, "kind": n.kind, "observed": not final.children(n.name)} | dict(n.parameters)
        for n in final.nodes
    ]
    pd.DataFrame(nodes).to_csv(folder / "nodes.csv", index=False)
    metrics: dict[str, Any] = {
        "inputs": len(names),
        "rows": 400,
        "epochs": epochs,
        "edits": 7,
        "settled": True,
        "surprise_per_step": 1.25,
        "heldout_surprise_per_step_before": 1.5,
        "heldout_surprise_per_step": -0.75,
    }
    task = {"name": "hidden", "description": "Two series", "provenance": "Simulated with seed 0."}
    environment = {"command": "sostruct experiment=structure", "schema": 2, "seed": 0, "task": task}
    _json(folder / "metrics.json", metrics | ({"edge_f1": 0.875} if truth else {}))
    _json(folder / "environment.json", environment)
    (folder / "config.yaml").write_text("task:\n  _target_: sostruct.tasks.Hidden\nseed: 0\n")
    return folder


def signals(journal: Journal, epochs: int, *, beliefs: bool = True) -> pd.DataFrame:
    """Surprise that falls by the price of every edit, spread over nodes; beliefs that widen upwards."""
    rows = []
    for epoch in range(epochs):
        graph = journal.replay(epoch - 1)
        spent = math.fsum(e.nats for e in journal if e.accepted and e.epoch < epoch and not math.isnan(e.nats))
        for place, name in enumerate(graph.names):
            row: dict[str, Any] = {"epoch": epoch, "node": name, "surprise": 600.0 + 7 * place - spent / 2}
            row["expected"] = row["surprise"] - 40.0 / (epoch + 1) + 9.0 * place
            row["reducible"] = 0.0
            if beliefs:
                row |= dict.fromkeys(COLUMNS[:4], 0.1)
                row |= {"mean": 0.5 * place - 0.1 * epoch, "variance": (0.1 + 0.2 * place) ** 2}
            rows.append(row)
    return pd.DataFrame(rows)


def _json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, sort_keys=True), encoding="utf-8")
