"""Edits of populations: units come and go, connections come and go, and new units begin with weights.

Design note. A population is a node with a `width`; its units are known by their place, 0 to width - 1. When some go the
others move up, so that a width says which units there are; when some come, the edit says at which places, so that it
undoes a removal exactly. Connections are bits of an edge (`connections.py`), and units come with all of theirs.
Learned weights are no part of a graph, but what new units begin with is decided by a rule and belongs into the journal:
that is `SetWeights`, which changes nothing in a graph and must fit it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from sostruct.errors import GraphError
from sostruct.graph.connections import Mask, all_connections, decode_connections, encode_connections
from sostruct.graph.draft import Draft, MisfitError
from sostruct.graph.edits import AbstractEdit, register_edit
from sostruct.graph.elements import Edge, EdgeKey, Node, checked_key, key_text
from sostruct.graph.schema import checked_name, finite_number

WIDTH = "width"
"""The parameter that makes a node a population."""

Vectors: TypeAlias = tuple[tuple[str, tuple[float, ...]], ...]


def width_of(node: Node) -> int | None:
    """How many units a population has; None for a node that is none, or has no whole number of them."""
    width = dict(node.parameters).get(WIDTH)
    return int(width) if width is not None and width == math.floor(width) else None


def _population(draft: Draft, name: str) -> int:
    node = draft.node(name)
    width = width_of(node)
    if width is None:
        raise MisfitError(f"{name!r} is no population of a whole number of units", "a node with a `width`")
    return width


def mask_of(draft: Draft, edge: Edge) -> Mask:
    """Which connections an edge has [source unit, target unit]."""
    rows, columns = _population(draft, edge.source), _population(draft, edge.target)
    return decode_connections(edge.connections, rows, columns, edge.source == edge.target)


def _checked_units(units: object, what: str) -> tuple[int, ...]:
    """Places of units, ascending, each once."""
    try:
        found = tuple(sorted({int(unit) for unit in units}))  # type: ignore[attr-defined]
        fine = bool(found) and found[0] >= 0 and len(found) == len(tuple(units))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        fine = False
    if not fine:
        raise GraphError(
            f"Cannot {what} {units!r}. This is because units are known by their places, whole numbers from 0 on, each "
            "once. Try (0,)."
        )
    return found


@register_edit
@final
@dataclass(frozen=True, slots=True)
class AddUnits(AbstractEdit):
    """Add units to a population, with all the connections of its edges.

    Args:
        name: the population.
        units: the places they have afterwards; those that were there keep their order.
    """

    op: ClassVar[str] = "add_units"
    name: str
    units: tuple[int, ...]

    def __post_init__(self) -> None:
        checked_name(self.name, "node")
        object.__setattr__(self, "units", _checked_units(self.units, f"add to {self.name} the units"))

    def carry_out(self, draft: Draft) -> tuple[AbstractEdit, ...]:
        width = _population(draft, self.name) + len(self.units)
        if self.units[-1] >= width:
            raise MisfitError(f"there are {width} units afterwards, so the last is {width - 1}", "places below that")
        added = np.zeros(width, np.bool_)
        added[list(self.units)] = True
        masks = [(edge, _widened(mask_of(draft, edge), edge, self.name, added)) for edge in draft.incident(self.name)]
        _resize(draft, self.name, width, masks)
        return (RemoveUnits(self.name, self.units),)

    def arguments(self) -> dict[str, Any]:
        return {"name": self.name, "units": list(self.units)}

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> AddUnits:
        return cls(**arguments)

    def __str__(self) -> str:
        return f"add {_counted(self.units, 'unit')} to {self.name}"


@register_edit
@final
@dataclass(frozen=True, slots=True)
class RemoveUnits(AbstractEdit):
    """Remove units from a population, and every connection at them; at least one stays.

    Args:
        name: the population.
        units: their places.
    """

    op: ClassVar[str] = "remove_units"
    name: str
    units: tuple[int, ...]

    def __post_init__(self) -> None:
        checked_name(self.name, "node")
        object.__setattr__(self, "units", _checked_units(self.units, f"remove from {self.name} the units"))

    def carry_out(self, draft: Draft) -> tuple[AbstractEdit, ...]:
        width = _population(draft, self.name)
        if self.units[-1] >= width:
            raise MisfitError(f"{self.name} has {width} units, so the last is {width - 1}", "places below that")
        if len(self.units) == width:
            raise MisfitError("no unit would be left", f"removing the node {self.name}")
        masks, undo = [], []
        for edge in draft.incident(self.name):
            mask = mask_of(draft, edge)
            if edge.connections:
                missing = all_connections(mask.shape[0], mask.shape[1], edge.source == edge.target) & ~mask
                ours = np.zeros_like(mask)
                if edge.source == self.name:
                    ours[list(self.units)] = True
                if edge.target == self.name:
                    ours[:, list(self.units)] = True
                if (missing & ours).any():
                    undo.append(RemoveConnections(*edge.key, pairs_of(missing & ours)))
            for axis, end in enumerate((edge.source, edge.target)):
                if end == self.name:
                    mask = np.delete(mask, list(self.units), axis)
            masks.append((edge, mask))
        _resize(draft, self.name, width - len(self.units), masks)
        return (AddUnits(self.name, self.units), *undo)

    def arguments(self) -> dict[str, Any]:
        return {"name": self.name, "units": list(self.units)}

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> RemoveUnits:
        return cls(**arguments)

    def __str__(self) -> str:
        return f"remove {_counted(self.units, 'unit')} from {self.name}"


@register_edit
@final
@dataclass(frozen=True, slots=True)
class AddConnections(AbstractEdit):
    """Add connections between the units of two populations that an edge joins.

    Args:
        source, target, coupling, lag: as in `Edge`; the edge is there.
        pairs: (source unit, target unit) of connections that are not.
    """

    op: ClassVar[str] = "add_connections"
    source: str
    target: str
    coupling: str
    lag: int
    pairs: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        checked_key(self.source, self.target, self.coupling, self.lag)
        object.__setattr__(self, "pairs", _checked_pairs(self.pairs, self.key))

    @property
    def key(self) -> EdgeKey:
        """The key of the edge."""
        return (self.source, self.target, self.coupling, self.lag)

    def carry_out(self, draft: Draft) -> tuple[AbstractEdit, ...]:
        _change(draft, self.key, self.pairs, True)
        return (RemoveConnections(*self.key, self.pairs),)

    def arguments(self) -> dict[str, Any]:
        return _connection_arguments(self.key, self.pairs)

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> AddConnections:
        return cls(**arguments)

    def __str__(self) -> str:
        return f"add {_counted(self.pairs, 'connection')} of {key_text(self.key)}"


@register_edit
@final
@dataclass(frozen=True, slots=True)
class RemoveConnections(AbstractEdit):
    """Remove connections between the units of two populations; the edge stays.

    Args:
        source, target, coupling, lag: as in `Edge`; the edge is there.
        pairs: (source unit, target unit) of connections that are.
    """

    op: ClassVar[str] = "remove_connections"
    source: str
    target: str
    coupling: str
    lag: int
    pairs: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        checked_key(self.source, self.target, self.coupling, self.lag)
        object.__setattr__(self, "pairs", _checked_pairs(self.pairs, self.key))

    @property
    def key(self) -> EdgeKey:
        """The key of the edge."""
        return (self.source, self.target, self.coupling, self.lag)

    def carry_out(self, draft: Draft) -> tuple[AbstractEdit, ...]:
        _change(draft, self.key, self.pairs, False)
        return (AddConnections(*self.key, self.pairs),)

    def arguments(self) -> dict[str, Any]:
        return _connection_arguments(self.key, self.pairs)

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> RemoveConnections:
        return cls(**arguments)

    def __str__(self) -> str:
        return f"remove {_counted(self.pairs, 'connection')} of {key_text(self.key)}"


@register_edit
@final
@dataclass(frozen=True, slots=True, init=False)
class SetWeights(AbstractEdit):
    """Give a unit weights to go on from. The graph does not change: it holds which connections there are, and learned
    weights are the network's.

    Args:
        name: the population.
        unit: its place.
        incoming: weights from all units of a parent, by the name of the parent; its own name for those before it.
        bias: what is added to the weighted sum; None leaves it.
        outgoing: weights to all units of a child, by its name; its own name for those after it.
    """

    op: ClassVar[str] = "set_weights"
    name: str
    unit: int
    incoming: Vectors
    bias: float | None
    outgoing: Vectors

    def __init__(
        self,
        name: str,
        unit: int,
        incoming: Mapping[str, Sequence[float]] | Iterable[tuple[str, Sequence[float]]] = (),
        bias: float | None = None,
        outgoing: Mapping[str, Sequence[float]] | Iterable[tuple[str, Sequence[float]]] = (),
    ) -> None:
        task = f"set weights of unit {unit} of {name}"
        object.__setattr__(self, "name", checked_name(name, "node"))
        object.__setattr__(self, "unit", _checked_units((unit,), "set weights of the units")[0])
        for side, given in (("incoming", incoming), ("outgoing", outgoing)):
            vectors = {
                checked_name(other, "node"): tuple(finite_number(float(value), task, side) for value in values)
                for other, values in dict(given).items()
            }
            object.__setattr__(self, side, tuple(sorted(vectors.items())))
        object.__setattr__(self, "bias", None if bias is None else finite_number(float(bias), task, "bias"))

    def carry_out(self, draft: Draft) -> tuple[AbstractEdit, ...]:
        width = _population(draft, self.name)
        if self.unit >= width:
            raise MisfitError(f"{self.name} has {width} units, so the last is {width - 1}", "a place below that")
        for side, vectors in (("incoming", self.incoming), ("outgoing", self.outgoing)):
            for other, values in vectors:
                ends = (other, self.name) if side == "incoming" else (self.name, other)
                draft.edge((*ends, "value", int(other == self.name)))
                units = _population(draft, other)
                if len(values) != units:
                    raise MisfitError(f"{other} has {units} units and there are {len(values)} weights", "one for each")
        return ()

    def arguments(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "unit": self.unit,
            "incoming": {other: list(values) for other, values in self.incoming},
            "bias": self.bias,
            "outgoing": {other: list(values) for other, values in self.outgoing},
        }

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> SetWeights:
        return cls(**arguments)

    def __str__(self) -> str:
        return f"set weights of unit {self.unit} of {self.name}"


def pairs_of(mask: Mask) -> tuple[tuple[int, int], ...]:
    """The connections of a mask as (source unit, target unit), ascending."""
    return tuple(zip(*(places.tolist() for places in np.nonzero(mask)), strict=True))


def _checked_pairs(pairs: object, key: EdgeKey) -> tuple[tuple[int, int], ...]:
    try:
        array: NDArray[np.int64] = np.asarray(pairs)
        whole = np.issubdtype(array.dtype, np.integer)
    except (TypeError, ValueError):
        whole = False
    if not whole or array.ndim != 2 or array.shape[1] != 2 or not len(array) or array.min() < 0:
        raise GraphError(
            f"Cannot change connections of {key_text(key)}. This is because they are not given as pairs of whole "
            "numbers, the places of a unit of each end. Try ((0, 1), (0, 2))."
        )
    array = array[np.lexsort((array[:, 1], array[:, 0]))]
    if (np.diff(array, axis=0) == 0).all(axis=1).any():
        raise GraphError(
            f"Cannot change connections of {key_text(key)}. This is because one is named twice. Try each once."
        )
    return tuple(map(tuple, array.tolist()))


def _connection_arguments(key: EdgeKey, pairs: tuple[tuple[int, int], ...]) -> dict[str, Any]:
    names = ("source", "target", "coupling", "lag")
    return dict(zip(names, key, strict=True)) | {"pairs": [list(pair) for pair in pairs]}


def _change(draft: Draft, key: EdgeKey, pairs: tuple[tuple[int, int], ...], there: bool) -> None:
    """Connections that are not there come, or that are there go."""
    edge = draft.edge(key)
    mask = mask_of(draft, edge)
    ordered = edge.source == edge.target
    rows, columns = np.array(pairs).T
    if rows.max() >= mask.shape[0] or columns.max() >= mask.shape[1]:
        raise MisfitError(f"there are {mask.shape[0]} units with {mask.shape[1]}", "places below these")
    if ordered and (rows >= columns).any():
        raise MisfitError("units of a population act on those after them only", "pairs (i, j) with i < j")
    if (mask[rows, columns] == there).any():
        raise MisfitError(f"one of them {'is there already' if there else 'is not there'}", "the others")
    mask[rows, columns] = there
    draft.replace_edge(replace(edge, connections=encode_connections(mask, ordered)))


def _widened(mask: Mask, edge: Edge, name: str, added: NDArray[np.bool_]) -> Mask:
    """The connections of an edge after units came to one of its ends, or to both."""
    ordered = edge.source == edge.target
    rows, columns = (
        ~added if end == name else np.ones(size, np.bool_)
        for end, size in zip((edge.source, edge.target), mask.shape, strict=True)
    )
    wide = all_connections(len(rows), len(columns), ordered)
    wide[np.ix_(rows, columns)] = mask
    return wide


def _resize(draft: Draft, name: str, width: int, masks: Iterable[tuple[Edge, Mask]]) -> None:
    node = draft.node(name)
    draft.replace_node(Node(name, node.kind, {**dict(node.parameters), WIDTH: float(width)}))
    for edge, mask in masks:
        text = encode_connections(mask, edge.source == edge.target)
        if text != edge.connections:
            draft.replace_edge(replace(edge, connections=text))


def _counted(things: Sequence[object], what: str) -> str:
    return f"{len(things)} {what}{'' if len(things) == 1 else 's'}"
