"""How the arrays of a belief network follow its graph.

An edit repacks the graph from its topology, which says everything about new nodes and edges, and then carries over by
name whatever the edit did not touch: parameters, coupling strengths, beliefs and the covariances between them, bit for
bit. Setting a parameter is the one edit that moves nothing, and the one that may be traced.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from sostruct.graph import AbstractEdit, EdgeKey, Packing, RemoveEdge, RemoveNode, Rewire, SetParameters, Topology
from sostruct.networks.hgf.filtering import BeliefState
from sostruct.networks.hgf.layout import Wiring
from sostruct.networks.hgf.packed import PackedHGF, fresh
from sostruct.numerics import Numbers

Place: TypeAlias = str | EdgeKey
"""A node by name or an edge by key: what has parameters."""

Value: TypeAlias = tuple[Place, str, Any]
"""Which parameter of which place is to have which value."""

Spot: TypeAlias = int | tuple[int, int]
"""A place in the arrays: the slot of a node, or the row and column of an edge's strength."""


def moved(
    packed: PackedHGF,
    before: tuple[Topology, Packing],
    after: tuple[Topology, Packing],
    replaced: Collection[Place] = (),
) -> PackedHGF:
    """The arrays of a network on another graph or in another capacity.

    Args:
        packed: the arrays.
        before: the graph they stand for, and where it places them.
        after: the graph they are to stand for, and where it places them.
        replaced: nodes and edges that went and came back, and so are new.
    """
    (old_topology, old), (topology, new) = before, after
    start = fresh(new, packed.wiring.options)
    gone = frozenset(replaced)
    kept = [
        node.name
        for node in topology.nodes
        if node.name in old.slot and node.name not in gone and old_topology.node(node.name).kind == node.kind
    ]
    source, target = ([packing.slot[name] for name in kept] for packing in (old, new))

    def carried(own: Mapping[str, Numbers], numbers: Mapping[str, Numbers]) -> dict[str, Numbers]:
        result: dict[str, Numbers] = {}
        for name, values in own.items():
            mine = np.array(values)
            if name in numbers:
                mine[target] = np.asarray(numbers[name])[source]
            result[name] = mine
        return result

    wiring = Wiring(
        carried(start.wiring.parameters, packed.wiring.parameters),
        _carried_strength(packed.wiring.strength, before, after, frozenset(kept), gone),
        start.wiring.tables,
        new.capacity,
        packed.wiring.options,
    )
    beliefs = carried(start.state.beliefs, packed.state.beliefs)
    covariance, previous = np.array(start.state.covariance), np.asarray(packed.state.covariance)
    if covariance.size and previous.size:
        hidden = [
            (one - old.capacity.input_width, other - new.capacity.input_width)
            for one, other in zip(source, target, strict=True)
            if other >= new.capacity.input_width
        ]
        out, into = ([pair[end] for pair in hidden] for end in (0, 1))
        covariance[np.ix_(into, into)] = previous[np.ix_(out, out)]
    return PackedHGF(wiring, BeliefState(beliefs, covariance))


def assigned(packed: PackedHGF, topology: Topology, packing: Packing, values: Iterable[Value]) -> PackedHGF:
    """The arrays with some parameters set; traced where a value is.

    The parameters a belief starts from ("mean", "precision") are beliefs as well: setting one sets both.
    """
    return assigned_at(packed, [(spot(topology, packing, place), name, value) for place, name, value in values])


def spot(topology: Topology, packing: Packing, place: Place) -> Spot:
    """Where a node or an edge stands in the arrays."""
    return packing.slot[place] if isinstance(place, str) else _row_and_column(topology, packing, place)


def assigned_at(packed: PackedHGF, values: Iterable[tuple[Spot, str, Any]]) -> PackedHGF:
    """`assigned` for those who know where things stand: compiled code, which no names reach."""
    wiring = packed.wiring
    parameters, beliefs = dict(wiring.parameters), dict(packed.state.beliefs)
    strength = wiring.strength
    for at, name, value in values:
        if not isinstance(at, int):
            strength = _set(strength, at, value)
            continue
        parameters[name] = _set(parameters[name], at, value)
        if name in beliefs:
            beliefs[name] = _set(beliefs[name], at, value)
    return PackedHGF(
        Wiring(parameters, strength, wiring.tables, wiring.capacity, wiring.options),
        BeliefState(beliefs, packed.state.covariance),
    )


def replaced(edits: Iterable[AbstractEdit]) -> set[Place]:
    """The nodes and edges that a batch takes out, whether or not it brings them back."""
    gone: set[Place] = set()
    for edit in edits:
        match edit:
            case RemoveNode():
                gone.add(edit.name)
            case RemoveEdge():
                gone.add(edit.key)
            case Rewire():
                gone.add(edit.remove.key)
    return gone


def given(edits: Iterable[AbstractEdit], topology: Topology) -> list[Value]:
    """What a batch sets, as the graph after it has it."""
    return [
        (edit.target, name, _value(topology, edit.target, name))
        for edit in edits
        if isinstance(edit, SetParameters) and _present(topology, edit.target)
        for name, _ in edit.parameters
        if name != "function"
    ]


def differing(before: Topology, after: Topology) -> list[Value]:
    """The parameters of common nodes and edges in which two graphs differ, as the second has them."""
    found: list[Value] = []
    for node in after.nodes:
        if node.name in before and (old := before.node(node.name)) != node and old.kind == node.kind:
            found += [(node.name, *pair) for pair in node.parameters if pair not in old.parameters]
    found += [
        (edge.key, "strength", edge.strength)
        for edge in after.edges
        if before.has_edge(edge.key) and before.edge(edge.key).strength != edge.strength
    ]
    return found


def _carried_strength(
    strength: Numbers,
    before: tuple[Topology, Packing],
    after: tuple[Topology, Packing],
    kept: frozenset[str],
    gone: frozenset[Place],
) -> Numbers:
    """Strengths by slot and column: the old one of every edge that stayed, the graph's elsewhere."""
    numbers = {
        edge.key: number
        for number, edge in enumerate(before[0].edges)
        if edge.source in kept and edge.target in kept and edge.key not in gone
    }
    pairs = [(numbers[edge.key], number) for number, edge in enumerate(after[0].edges) if edge.key in numbers]
    result = np.array(after[1].parent_strength)
    if pairs:
        out, into = np.asarray(pairs).T
        old, new = _rows_and_columns(before[1]), _rows_and_columns(after[1])
        result[new[0][into], new[1][into]] = np.asarray(strength)[old[0][out], old[1][out]]
    return result


def _rows_and_columns(packing: Packing) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where every edge of the topology stands among the parents, by its number."""
    rows, columns = np.nonzero(packing.parent_mask)
    order = np.argsort(packing.parent_edge[rows, columns])
    return rows[order], columns[order]


def _row_and_column(topology: Topology, packing: Packing, key: EdgeKey) -> tuple[int, int]:
    """Where an edge stands among the parents of its target: rows are in canonical order."""
    return packing.slot[key[1]], [edge.key for edge in topology.parents(key[1])].index(key)


def _set(numbers: Numbers, index: Any, value: Any) -> Numbers:
    if isinstance(value, jax.core.Tracer) or isinstance(numbers, jax.core.Tracer):
        return jnp.asarray(numbers).at[index].set(value)
    changed = np.array(numbers)
    changed[index] = value
    return changed


def _present(topology: Topology, place: Place) -> bool:
    return place in topology if isinstance(place, str) else topology.has_edge(place)


def _value(topology: Topology, place: Place, name: str) -> float:
    if isinstance(place, str):
        return dict(topology.node(place).parameters)[name]
    return topology.edge(place).strength
