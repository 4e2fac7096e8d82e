"""A layered network that has learned as files, and back.

Everything written here is a function of the result alone, with floats in full, so that equal runs are equal files. The
network travels as a JSON line (graph, columns, classes) and its arrays as `tree_serialise_leaves` writes them; nothing
is pickled. What the optimizer remembers stays in the checkpoint of a run: a result predicts, and learns no more.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
import pandas as pd

from sostruct.control.checkpoint import capacity_from_dict, capacity_to_dict
from sostruct.control.finished import damaged, mark_finished, read_finished
from sostruct.control.history import SignalHistory
from sostruct.control.recorder import JOURNAL, SIGNALS
from sostruct.errors import RunError, SostructError
from sostruct.graph import Journal, Topology, write_atomically, write_graph
from sostruct.networks.layered.network import LayeredNetwork
from sostruct.networks.layered.packed import PackedLayered
from sostruct.networks.layered.plan import size_of
from sostruct.networks.layered.reading import Reading
from sostruct.numerics import double_precision
from sostruct.prediction.result import Predictor

NETWORK = "layered.eqx"
"""The file that makes a run folder one of a layered network."""


def write_results(folder: Path, found: Predictor, numbers: Mapping[str, Any]) -> None:
    """Writes layered.eqx, nodes.csv, edges.csv, graph.json, graph.graphml and metrics.json (the `numbers`).

    Raises:
        RunError: a file cannot be written.
    """
    write_atomically(folder / NETWORK, _written(found))
    write_atomically(folder / "nodes.csv", found.populations.to_csv(index=False, lineterminator="\n"))
    write_atomically(folder / "edges.csv", found.edges.to_csv(index=False, lineterminator="\n"))
    for name in ("graph.json", "graph.graphml"):
        write_graph(found.graph, folder / name)
    write_atomically(folder / "metrics.json", json.dumps(numbers, indent=2, sort_keys=True) + "\n")


def save(found: Predictor, folder: str | Path) -> None:
    """Keeps a result that no run folder has; `load` reads it.

    Raises:
        RunError: a run is in the folder already, or it cannot be written.
    """
    folder = Path(folder)
    if (folder / NETWORK).exists():
        raise RunError(f"Cannot save into {folder}. This is because a network is there already. Try another folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"Cannot save into {folder}. This is because of: {error.strerror or error}. Try another folder."
        ) from error
    found.journal.write(folder / JOURNAL)
    lines = [line for epoch in range(len(found.history)) for line in found.history.lines(epoch)]
    write_atomically(folder / SIGNALS, found.history.header + "".join(lines))
    write_results(folder, found, metrics(found))
    mark_finished(folder, settled=found.settled)


def metrics(
    found: Predictor, *, frame: pd.DataFrame | None = None, heldout: pd.DataFrame | None = None
) -> dict[str, Any]:
    """The run in numbers.

    Counts of rows, `features`, populations, hidden `units`, epochs and edits; `parameters`, how many trainable numbers
    are not 0, and `most_parameters`, how many there could be at any time of the run; `settled`. With the rows it was
    grown on and rows that it has not seen, `train_` and `test_accuracy` (of a regression `..._explained`, the
    coefficient of determination) and `..._surprise_per_row`, nats.

    Args:
        found: the result.
        frame: the rows it was grown on, those held out of learning among them.
        heldout: rows it has not seen.
    """
    graphs = [graph for _, graph in found.journal.graphs()]
    numbers: dict[str, Any] = {
        "rows": found.rows,
        "features": len(found.network.reading.features),
        "populations": len(found.network.hidden),
        "units": found.network.units,
        "epochs": len(found.history),
        "edits": sum(entry.accepted for entry in found.journal),
        "parameters": found.parameters,
        "most_parameters": max(size_of(graph) for graph in graphs),
        "settled": found.settled,
    }
    for name, rows in (("train", frame), ("test", heldout)):
        if rows is not None and len(rows):
            if found.classes:
                numbers[f"{name}_accuracy"] = found.accuracy(rows)
            else:
                numbers[f"{name}_explained"] = found.explained(rows)
            numbers[f"{name}_surprise_per_row"] = found.surprise_per_row(rows)
    return numbers


def load(folder: str | Path) -> Predictor:
    """The result of a finished run folder, or of one that `save` made.

    Raises:
        RunError: the folder is not that of a layered network, has not finished, or was written by another schema
            version.
    """
    folder = Path(folder)
    settled = read_finished(folder)
    try:
        network, rows = _read(folder / NETWORK)
        history = SignalHistory.read(folder / SIGNALS)
    except (SostructError, OSError, EOFError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise damaged(folder, error) from error
    return Predictor(network, rows, Journal.read(folder / JOURNAL), history, settled)


def _kept(packed: PackedLayered) -> tuple[Any, ...]:
    return (packed.parameters, packed.there, packed.noise, packed.units)


def _written(found: Predictor) -> bytes:
    network = found.network
    line = {
        "topology": network.topology.node_link(),
        "reading": asdict(network.reading),
        "capacity": capacity_to_dict(network.packed.capacity),
        "rows": found.rows,
    }
    buffer = io.BytesIO()
    buffer.write(json.dumps(line, sort_keys=True).encode() + b"\n")
    eqx.tree_serialise_leaves(buffer, jax.tree.map(np.asarray, _kept(network.packed)))
    return buffer.getvalue()


def _read(path: Path) -> tuple[LayeredNetwork, int]:
    with path.open("rb") as handle:
        about = json.loads(handle.readline())
        given: dict[str, Any] = {
            name: tuple(own) if isinstance(own, list) else own for name, own in about["reading"].items()
        }
        blank = LayeredNetwork.of(
            Topology.from_node_link(about["topology"]), reading=Reading(**given), key=jax.random.key(0)
        ).at_capacity(capacity_from_dict(about["capacity"]))
        with double_precision(False):
            kept = eqx.tree_deserialise_leaves(handle, _kept(blank.packed))
    return blank.with_packed(eqx.tree_at(_kept, blank.packed, kept)), int(about["rows"])
