"""A run's state on disk: one file, replaced atomically, readable without trust.

A JSON line (schema version, epoch, topology, capacity, the rule's state, lengths of the growing files, fingerprint of
the data) followed by the packed arrays as `equinox.tree_serialise_leaves` writes them. Nothing is pickled.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PyTree
from numpy.typing import NDArray

from sostruct.errors import RunError, SostructError
from sostruct.graph import Capacity, Topology, write_atomically
from sostruct.graph.files import SCHEMA
from sostruct.networks.base import AbstractNetwork
from sostruct.numerics import double_precision

CHECKPOINT = "checkpoint.eqx"


@dataclass(frozen=True)
class Header:
    """What a checkpoint says besides its arrays.

    Attributes:
        epoch: epochs completed.
        settled: whether the run has reached its fixed point.
        rule: the growth rule's state.
        sizes: bytes of every growing file that belong to these epochs.
        data: fingerprint of the prepared data.
        key: the run's random key data.
        stream: rows of the chunks that a stream remembers, whose arrays follow those of the network; None for a run
            over one data set.
    """

    epoch: int
    settled: bool
    rule: Mapping[str, Any]
    sizes: Mapping[str, int]
    data: str
    key: tuple[int, ...]
    stream: tuple[int, ...] | None = None


def save(folder: Path, network: AbstractNetwork, header: Header, remembered: PyTree = None) -> None:
    """Replaces the folder's checkpoint; `remembered` are the rows of a stream after the network."""
    line = {
        "schema": SCHEMA,
        "topology": json.loads(network.topology.to_json()),
        "capacity": capacity_to_dict(network.packed.capacity),
        **asdict(header),
    }
    buffer = io.BytesIO()
    buffer.write(json.dumps(line, sort_keys=True).encode() + b"\n")
    eqx.tree_serialise_leaves(buffer, network.packed)
    for leaf in jax.tree.leaves(remembered):
        np.save(buffer, np.asarray(leaf), allow_pickle=False)
    write_atomically(folder / CHECKPOINT, buffer.getvalue())


def restore(folder: Path, blank: AbstractNetwork) -> tuple[AbstractNetwork, Header, list[NDArray[Any]]]:
    """The network and header of a folder's checkpoint, and the arrays of what its stream remembers.

    Args:
        folder: a run folder with a checkpoint.
        blank: a network of the same settings before any edit.

    Raises:
        RunError: the checkpoint cannot be read, or was made by another schema version.
    """
    path = folder / CHECKPOINT
    with path.open("rb") as handle:
        try:
            line = json.loads(handle.readline())
            schema = line.pop("schema")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunError(
                f"Cannot resume {folder}. This is because {path.name} is not a checkpoint ({error}). Try starting "
                "afresh."
            ) from error
        if schema != SCHEMA:
            raise RunError(
                f"Cannot resume {folder}. This is because its checkpoint has schema version {schema} and this version "
                f"of sostruct writes {SCHEMA}. Try the version recorded in its environment.json."
            )
        try:
            topology = Topology.from_json(json.dumps(line.pop("topology")))
            network = blank.at_capacity(capacity_from_dict(line.pop("capacity"))).at_topology(topology)
            stream = line.get("stream")
            header = Header(**line | {"key": tuple(line["key"]), "stream": None if stream is None else tuple(stream)})
            with double_precision(network.needs_double):
                packed = eqx.tree_deserialise_leaves(handle, network.packed)
            arrays = []
            while header.stream is not None and handle.peek(1):
                arrays.append(np.load(handle, allow_pickle=False))
        except (SostructError, RuntimeError, ValueError, KeyError, TypeError, EOFError, OSError) as error:
            raise RunError(
                f"Cannot resume {folder}. This is because its checkpoint is damaged: {error}. Try a new run."
            ) from error
    return network.with_packed(packed), header, arrays


def fingerprint(data: PyTree) -> str:
    """SHA-256 over every array of prepared data: a run continues on the data it began with, or not at all."""
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(data):
        array = np.ascontiguousarray(leaf)
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def capacity_to_dict(capacity: Capacity) -> dict[str, Any]:
    """JSON-ready form of a capacity."""
    return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in asdict(capacity).items()}


def capacity_from_dict(fields: Mapping[str, Any]) -> Capacity:
    """The inverse of `capacity_to_dict`."""
    sizes: dict[str, Any] = {
        name: frozenset(value) if isinstance(value, list) else value for name, value in fields.items()
    }
    return Capacity(**sizes)
