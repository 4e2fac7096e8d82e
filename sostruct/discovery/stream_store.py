"""A stream as files, and back: arrays in a NumPy archive without pickles, everything else as JSON.

The archive is named by its content and written first; stream.json, which names it, is then moved into place in one
step. So whenever writing stops, the folder holds a whole stream: the one before or the one after.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import jax
import numpy as np
from numpy.typing import NDArray

from sostruct.discovery.regimes import Kept
from sostruct.discovery.streamed import Alarm, Dropped, Return
from sostruct.errors import RunError
from sostruct.graph import write_atomically
from sostruct.networks.lagged.moments import Moments

if TYPE_CHECKING:
    from sostruct.discovery.streaming import StreamingDiscovery

PLAN = "stream.json"

_SCHEMA = 1
_PRESENT = ("seen", "blind", "number", "start", "fitted", "next_fit")
_ENGINE = ("numbers", "asked")

Arrays = dict[str, NDArray[Any]]


def save(stream: StreamingDiscovery, folder: Path) -> None:
    """Writes a stream (`StreamingDiscovery.save`).

    Raises:
        RunError: the folder cannot be written.
    """
    engine = stream.engine
    plan: dict[str, Any] = {"schema": _SCHEMA, "settings": stream.settings, "variables": None}
    arrays: Arrays = {}
    if engine is not None:
        present = engine.present
        plan["variables"] = list(present.network.terms.variables)
        plan |= {name: getattr(present, name) for name in _PRESENT} | {"base": present.oldest}
        plan |= {name: getattr(engine, name) for name in _ENGINE}
        plan["stretches"] = [list(part) for part in present.stretches]
        plan["alarms"] = [asdict(alarm) for alarm in engine.alarms]
        plan["returns"] = [asdict(entry) for entry in engine.returns]
        plan["library"] = [
            {"number": kept.number, "stretches": [list(part) for part in kept.stretches], "own": kept.own}
            for kept in engine.library.values()
        ]
        plan["dropped"] = [asdict(entry) for entry in engine.dropped]
        if stream.offset is not None:
            arrays["offset"] = stream.offset
        arrays |= {"rows": present.between(present.oldest, present.seen), "gone": present.gone}
        for name, tree in (("state", present.state), ("model", present.model), ("sets", present.sets)):
            arrays |= _leaves(name, tree)
        for kept in engine.library.values():
            moments, mark = kept.moments, f"kept{kept.number}"
            arrays |= _leaves(f"{mark}_noise", kept.noise) | _leaves(f"{mark}_sets", kept.sets)
            arrays |= {f"{mark}_count": np.asarray(moments.count), f"{mark}_first": moments.first}
            arrays[f"{mark}_second"] = moments.second
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    content = buffer.getvalue()
    plan["digest"] = hashlib.sha256(content).hexdigest()
    plan["arrays"] = f"stream-{plan['digest'][:16]}.npz"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"Cannot write {str(folder)!r}. This is because of {error}. Try a folder that can be written."
        ) from None
    write_atomically(folder / plan["arrays"], content)
    write_atomically(folder / PLAN, json.dumps(plan, indent=1, default=_number) + "\n")
    for old in folder.glob("stream-*.npz"):
        if old.name != plan["arrays"]:
            old.unlink(missing_ok=True)


def load(folder: Path) -> StreamingDiscovery:
    """Reads a stream (`StreamingDiscovery.load`).

    Raises:
        RunError: the folder holds none, or it is damaged.
    """
    from sostruct.discovery.streaming import StreamingDiscovery

    try:
        plan = json.loads((folder / PLAN).read_text("utf-8"))
        if plan["schema"] != _SCHEMA:
            raise ValueError(f"schema {plan['schema']} instead of {_SCHEMA}")
        content = (folder / plan["arrays"]).read_bytes()
        if hashlib.sha256(content).hexdigest() != plan["digest"]:
            raise ValueError("other bytes than were written")
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        stream = StreamingDiscovery(plan["variables"], **plan["settings"])
        if stream.engine is not None:
            _fill(stream, plan, arrays)
    except (OSError, EOFError, BadZipFile, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"Cannot read a stream from {str(folder)!r}. This is because of {type(error).__name__}: {error}. Try a "
            "folder that `StreamingDiscovery.save` has written."
        ) from error
    return stream


def _fill(stream: StreamingDiscovery, plan: dict[str, Any], arrays: Arrays) -> None:
    engine = stream.engine
    assert engine is not None
    present = engine.present
    for owner, names in ((present, _PRESENT), (engine, _ENGINE)):
        for name in names:
            setattr(owner, name, plan[name])
    present.base = plan["base"]
    present.stretches = _pairs(plan["stretches"])
    engine.alarms = [Alarm(**{**alarm, "nodes": tuple(alarm["nodes"])}) for alarm in plan["alarms"]]
    engine.returns = [Return(**entry) for entry in plan["returns"]]
    engine.dropped = [Dropped(one["number"], _pairs(one["stretches"])) for one in plan.get("dropped", ())]
    present.rows, present.room, present.gone = arrays["rows"], len(arrays["rows"]), arrays["gone"]
    stream.offset = arrays.get("offset")
    noise, sets = present.state.noise, present.sets
    present.state = _tree("state", present.state, arrays)
    present.model = _tree("model", present.model, arrays)
    present.sets = _tree("sets", present.sets, arrays)
    for entry in plan["library"]:
        mark = f"kept{entry['number']}"
        first, second = arrays[f"{mark}_first"], arrays[f"{mark}_second"]
        engine.library[entry["number"]] = Kept(
            number=entry["number"],
            stretches=_pairs(entry["stretches"]),
            moments=Moments(
                float(arrays[f"{mark}_count"]), first, second, np.zeros(present.rows.shape[1]), present.max_lag
            ),
            own=entry["own"],
            noise=_tree(f"{mark}_noise", noise, arrays),
            sets=_tree(f"{mark}_sets", sets, arrays),
        )


def _leaves(name: str, tree: Any) -> Arrays:
    return {f"{name}{place}": np.asarray(leaf) for place, leaf in enumerate(jax.tree.leaves(tree))}


def _tree(name: str, like: Any, arrays: Arrays) -> Any:
    leaves, structure = jax.tree.flatten(like)
    return jax.tree.unflatten(structure, [arrays[f"{name}{place}"] for place in range(len(leaves))])


def _pairs(parts: list[list[int]]) -> tuple[tuple[int, int], ...]:
    return tuple((first, last) for first, last in parts)


def _number(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
