"""A grown belief network as files, and back.

Everything written here is a function of the result alone, with floats in full, so that equal runs are equal files. The
network travels as a JSON line (graph, inputs, settings) and the beliefs it ended with as `tree_serialise_leaves` writes
them; nothing is pickled.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import networkx as nx
import numpy as np
import pandas as pd

from sostruct.control.finished import damaged, read_finished
from sostruct.control.history import SignalHistory
from sostruct.control.recorder import JOURNAL, SIGNALS
from sostruct.errors import SostructError
from sostruct.graph import Journal, Topology, write_atomically, write_graph
from sostruct.networks.hgf.filtering import BeliefState
from sostruct.networks.hgf.network import HGF
from sostruct.numerics import double_precision
from sostruct.structure.result import Structure, mean_surprise, rebuilt, settings_of

NETWORK = "network.eqx"
"""The file that makes a run folder one of a belief network."""


def write_results(
    folder: Path, found: Structure, numbers: Mapping[str, Any], truth: nx.MultiDiGraph | None = None
) -> None:
    """Writes network.eqx, edges.csv, nodes.csv, graph.json, graph.graphml, metrics.json (the `numbers`) and, where
    known, truth.json.

    Raises:
        RunError: a file cannot be written.
    """
    write_atomically(folder / NETWORK, _written(found))
    write_atomically(folder / "edges.csv", found.edges.to_csv(index=False, lineterminator="\n"))
    write_atomically(folder / "nodes.csv", found.nodes.to_csv(index=False, lineterminator="\n"))
    for name in ("graph.json", "graph.graphml"):
        write_graph(found.graph, folder / name)
    if truth is not None:
        write_graph(truth, folder / "truth.json")
    write_atomically(folder / "metrics.json", json.dumps(numbers, indent=2, sort_keys=True) + "\n")


def metrics(
    found: Structure,
    frame: pd.DataFrame,
    *,
    heldout: pd.DataFrame | None = None,
    truth: nx.MultiDiGraph | None = None,
) -> dict[str, Any]:
    """The run in numbers.

    Counts of inputs, rows, nodes, edges, epochs and edits; `settled`; `held`, at how many steps some node's posterior
    was no belief and its prediction was held; `surprise_per_step`, the mean joint surprise of the rows it was grown on,
    and `heldout_surprise_per_step`, of the rows that follow, nats, each also of the graph that it started from
    (`..._before`). Where a network diverges its surprise is infinite, written as None, and `diverged` is true. Where
    the truth is known `edge_f1`, `edge_precision` and `edge_recall` of all edges, and `hidden_f1`, ... of those that
    inputs by themselves do not have.

    Args:
        found: the result.
        frame: the rows it was grown on.
        heldout: rows that follow them, if there are any.
        truth: the known graph, if there is one.
    """
    topology = found.network.topology
    start = rebuilt(found.journal.replay(-1), found.inputs, settings_of(found.network))
    before = start.filter(frame, strict=False)
    numbers: dict[str, Any] = {
        "inputs": len(found.inputs),
        "rows": found.rows,
        "nodes": topology.size,
        "edges": len(topology.edges),
        "epochs": len(found.history),
        "edits": sum(entry.accepted for entry in found.journal),
        "settled": found.settled,
        "held": int(found.network.filter(frame, strict=False).held.sum()),
        "surprise_per_step_before": mean_surprise(before),
        "surprise_per_step": -found.log_evidence / found.rows,
    }
    if heldout is not None and len(heldout):
        followed = start.filter(heldout, start=before.last, strict=False)
        numbers["heldout_surprise_per_step_before"] = mean_surprise(followed)
        numbers["heldout_surprise_per_step"] = found.heldout_surprise_per_step(heldout)
    endless = [name for name, value in numbers.items() if isinstance(value, float) and not math.isfinite(value)]
    numbers |= dict.fromkeys(endless) | {"diverged": any(not name.endswith("before") for name in endless)}
    if truth is not None:
        compared = found.compare(truth)
        for view, agreement in (("edge", compared.edges), ("hidden", compared.hidden)):
            for name in ("precision", "recall", "f1"):
                numbers[f"{view}_{name}"] = float(getattr(agreement, name))
    return numbers


def load(folder: str | Path) -> Structure:
    """The result of a finished run folder.

    Raises:
        RunError: the folder is not a finished run of a belief network, or was written by another schema version.
    """
    folder = Path(folder)
    settled = read_finished(folder)
    try:
        network, last, about = _read(folder / NETWORK)
        history = SignalHistory.read(folder / SIGNALS)
        rows, log_evidence = int(about["rows"]), float(about["log_evidence"])
    except (SostructError, OSError, EOFError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise damaged(folder, error) from error
    return Structure(network, last, rows, log_evidence, Journal.read(folder / JOURNAL), history, settled)


def _written(found: Structure) -> bytes:
    network = found.network
    line = {
        "topology": network.topology.node_link(),
        "inputs": list(network.inputs),
        "settings": settings_of(network),
        "rows": found.rows,
        "log_evidence": found.log_evidence,
    }
    buffer = io.BytesIO()
    buffer.write(json.dumps(line, sort_keys=True).encode() + b"\n")
    eqx.tree_serialise_leaves(buffer, found.last)
    return buffer.getvalue()


def _read(path: Path) -> tuple[HGF, BeliefState, dict[str, Any]]:
    with path.open("rb") as handle:
        about = json.loads(handle.readline())
        network = rebuilt(Topology.from_node_link(about["topology"]), tuple(about["inputs"]), about["settings"])
        with double_precision(network.needs_double):
            number = np.float64 if network.needs_double else np.float32
            blank: BeliefState = jax.tree.map(lambda leaf: np.asarray(leaf, number), network.state)
            return network, eqx.tree_deserialise_leaves(handle, blank), about
