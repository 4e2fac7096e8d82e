"""A grown mixture as files, and back.

Everything written here is a function of the result alone, with floats in full, so that equal runs are equal files. The
network travels as a JSON line (graph, inputs, log evidence) and its arrays, what it has seen among them, as
`tree_serialise_leaves` writes them; nothing is pickled.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sostruct.clusters.agreement import adjusted_rand_index
from sostruct.clusters.result import POINTS, Mixture, follow, mean_surprise
from sostruct.control.finished import damaged, read_finished
from sostruct.control.history import SignalHistory
from sostruct.control.recorder import JOURNAL, SIGNALS
from sostruct.errors import SostructError
from sostruct.graph import Journal, Topology, write_atomically, write_graph
from sostruct.networks.mixture.network import MixtureNetwork

NETWORK = "mixture.eqx"
"""The file that makes a run folder one of a mixture."""

_POINTS = "points.csv"


def write_results(folder: Path, found: Mixture, numbers: Mapping[str, Any]) -> None:
    """Writes mixture.eqx, components.csv, points.csv, edges.csv, nodes.csv, graph.json, graph.graphml and metrics.json
    (the `numbers`).

    Raises:
        RunError: a file cannot be written.
    """
    write_atomically(folder / NETWORK, _written(found))
    for name in ("components", "edges", "nodes"):
        write_atomically(folder / f"{name}.csv", getattr(found, name).to_csv(index=False, lineterminator="\n"))
    write_atomically(folder / _POINTS, found.points.to_csv(index_label="row", lineterminator="\n"))
    for name in ("graph.json", "graph.graphml"):
        write_graph(found.graph, folder / name)
    write_atomically(folder / "metrics.json", json.dumps(numbers, indent=2, sort_keys=True) + "\n")


def metrics(
    found: Mixture,
    frame: pd.DataFrame,
    *,
    heldout: pd.DataFrame | None = None,
    labels: NDArray[np.int64] | None = None,
) -> dict[str, Any]:
    """The run in numbers.

    Counts of inputs, rows, components, epochs and edits; `settled`; `log_evidence` of the rows it was grown on, nats,
    their `surprise_per_step` and `heldout_surprise_per_step`, of the rows that follow, nats, each also of the graph
    that it started from (`..._before`). In the first the components have paid for their places, in the others not.
    Where the truth is known, `clusters`, how many there are among the rows it was grown on, and
    `adjusted_rand_index` of their labels with the components, and `heldout_adjusted_rand_index` of the rows that
    follow.

    Args:
        found: the result.
        frame: the rows it was grown on.
        heldout: rows that follow them, if there are any.
        labels: the known clusters of all these rows, if they are known.
    """
    before = follow(found.network.afresh(found.journal.replay(-1)), frame)
    numbers: dict[str, Any] = {
        "inputs": len(found.inputs),
        "rows": len(found.points),
        "components": len(found.network.components),
        "epochs": len(found.history),
        "edits": sum(entry.accepted for entry in found.journal),
        "settled": found.settled,
        "log_evidence_before": before.log_evidence,
        "log_evidence": found.log_evidence,
        "surprise_per_step_before": mean_surprise(before),
        "surprise_per_step": float(found.points["surprise"].mean()),
    }
    if labels is not None:
        numbers["clusters"] = len(np.unique(labels[: len(frame)]))
        numbers["adjusted_rand_index"] = found.compare(labels[: len(frame)])
    if heldout is not None and len(heldout):
        after = found.follow(heldout)
        numbers["heldout_surprise_per_step_before"] = mean_surprise(follow(before.network, heldout))
        numbers["heldout_surprise_per_step"] = mean_surprise(after)
        if labels is not None:
            own = after.points["component"].to_numpy().astype(str)
            numbers["heldout_adjusted_rand_index"] = adjusted_rand_index(own, labels[len(frame) :])
    return numbers


def load(folder: str | Path) -> Mixture:
    """The result of a finished run folder.

    Raises:
        RunError: the folder is not a finished run of a mixture, or was written by another schema version.
    """
    folder = Path(folder)
    settled = read_finished(folder)
    try:
        network, about = _read(folder / NETWORK)
        points = _points(folder / _POINTS, int(about["rows"]), network.inputs)
        log_evidence = float(about["log_evidence"])
        history = SignalHistory.read(folder / SIGNALS)
    except (SostructError, OSError, EOFError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise damaged(folder, error) from error
    return Mixture(network, points, log_evidence, Journal.read(folder / JOURNAL), history, settled)


def _written(found: Mixture) -> bytes:
    network = found.network
    line = {
        "topology": network.topology.node_link(),
        "inputs": list(network.inputs),
        "rows": len(found.points),
        "log_evidence": found.log_evidence,
    }
    buffer = io.BytesIO()
    buffer.write(json.dumps(line, sort_keys=True).encode() + b"\n")
    eqx.tree_serialise_leaves(buffer, jax.tree.map(np.asarray, network.packed))
    return buffer.getvalue()


def _read(path: Path) -> tuple[MixtureNetwork, dict[str, Any]]:
    with path.open("rb") as handle:
        about = json.loads(handle.readline())
        blank = MixtureNetwork.of(Topology.from_node_link(about["topology"]), inputs=tuple(about["inputs"]))
        packed = eqx.tree_deserialise_leaves(handle, blank.packed)
    return blank.with_packed(packed), about


def _points(path: Path, rows: int, inputs: Sequence[str]) -> pd.DataFrame:
    with path.open(encoding="utf-8", newline="") as handle:
        header, *lines = list(csv.reader(handle)) or [[]]
    values = [f"{name} value" for name in inputs]
    if header != ["row", *POINTS, *values] or len(lines) != rows:
        raise ValueError(f"{path.name} does not have a row for each of the {rows} rows that were met")
    _, components, *columns = zip(*lines, strict=True)
    numbers = {
        name: [float(cell) if cell else math.nan for cell in column]
        for name, column in zip((*POINTS[1:], *values), columns, strict=True)
    }
    return pd.DataFrame({"component": np.array(components, dtype=object), **numbers})
