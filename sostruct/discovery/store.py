"""A discovery as files, and back.

Everything written here is a function of the result alone, with floats in full, so that equal runs are equal files;
times and machines are in environment.json, which the command line writes.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import networkx as nx
import pandas as pd

from sostruct.control.finished import damaged, read_finished
from sostruct.control.history import SignalHistory
from sostruct.control.recorder import JOURNAL, SIGNALS
from sostruct.discovery.posterior import Posterior
from sostruct.discovery.result import Discovery
from sostruct.graph import Journal, write_atomically, write_graph

POSTERIOR = "posterior.npz"


def write_results(
    folder: Path, found: Discovery, numbers: Mapping[str, Any], truth: nx.MultiDiGraph | None = None
) -> None:
    """Writes edges.csv, scores.csv, summary.csv, summary_probability.csv, noise.csv, graph.json, posterior.npz,
    metrics.json (the `numbers`) and, where known, truth.json.

    Raises:
        RunError: a file cannot be written.
    """
    buffer = io.BytesIO()
    found.posterior.save(buffer)
    write_atomically(folder / POSTERIOR, buffer.getvalue())
    write_atomically(folder / "edges.csv", found.edges.to_csv(index=False, lineterminator="\n"))
    write_atomically(folder / "scores.csv", found.scores.to_csv(index=False, lineterminator="\n"))
    write_atomically(folder / "summary.csv", found.summary.to_csv(lineterminator="\n"))
    table = found.summary_probability.to_csv(lineterminator="\n")
    write_atomically(folder / "summary_probability.csv", table)
    write_atomically(folder / "noise.csv", found.noise.to_csv(lineterminator="\n"))
    write_graph(found.graph, folder / "graph.json")
    if truth is not None:
        write_graph(truth, folder / "truth.json")
    write_atomically(folder / "metrics.json", json.dumps(numbers, indent=2, sort_keys=True) + "\n")


def metrics(found: Discovery, truth: nx.MultiDiGraph | None, *, lags_known: bool = True) -> dict[str, Any]:
    """The run in numbers: edges, epochs, edits, surprise per step and, where the truth is known, the agreement with it.

    Args:
        found: the result.
        truth: the known graph, if there is one.
        lags_known: whether its lags mean something; if not, only the summary graph is compared.
    """
    history, count = found.history, found.posterior.count
    accepted = sum(entry.accepted for entry in found.journal)
    numbers: dict[str, Any] = {
        "series": len(found.posterior.variables),
        "rows": count,
        "edges": int(found.posterior.active.sum()),
        "expected_false_edges": found.expected_false_edges,
        "epochs": len(history),
        "edits": accepted,
        "settled": found.settled,
        "surprise_per_step_before": history.total(0) / count,
        "surprise_per_step": history.total(len(history) - 1) / count,
    }
    if truth is not None:
        table = found.compare(truth)
        for view, row in table.iterrows() if lags_known else table.head(1).iterrows():
            numbers[str(view)] = {
                name: None if pd.isna(value) else (int(value) if name in ("shd", "edges") else float(value))
                for name, value in row.items()
            }
    return numbers


def load(folder: str | Path) -> Discovery:
    """The result of a finished run folder.

    Raises:
        RunError: the folder is not a finished run, or was written by another schema version.
    """
    folder = Path(folder)
    settled = read_finished(folder)
    try:
        posterior = Posterior.load(folder / POSTERIOR)
        history = SignalHistory.read(folder / SIGNALS, posterior.variables)
    except (OSError, EOFError, BadZipFile, ValueError, KeyError, TypeError) as error:
        raise damaged(folder, error) from error
    return Discovery(posterior, Journal.read(folder / JOURNAL), history, settled)
