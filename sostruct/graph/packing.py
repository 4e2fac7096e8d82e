"""Level-packed arrays: a graph as index tables of a few fixed sizes, so that editing it writes data.

Design note. Compiled programs depend on a `Capacity` and never on which edges exist. Nodes are grouped by level, their
longest directed path at lag 0 down to an input or leaf (level 0), and laid out in flat slots: level 0 first, then every
hidden level, each padded to one shared width. A node gathers from a padded row of its parents, and one of its
children: `sum(strength * x[parent_source], axis=1)`. So a filter sweeps levels as contiguous slices.

    slots   | level 0: input_width | level 1: hidden_width | level 2: hidden_width | ...
    tables  [slots, degree]: row = the node's parents, in canonical order of the edges, then padding

Sizes are powers of two with floors and shared by all hidden levels, so a growing graph meets few capacities, each a
compilation. Padding holds -1 where a number is a code or an edge and 0 where it is a slot, lag, column or strength:
gathers stay in range, products vanish, and `code == k` is false. Mixed graphs (undirected or bidirected marks) say what
is known about a cause and not how a node predicts, so they are refused here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from sostruct.errors import GraphError
from sostruct.graph.schema import COUPLINGS, node_kind
from sostruct.graph.topology import Topology

NODE_FLOOR = 8
DEGREE_FLOOR = 8

Ints: TypeAlias = NDArray[np.int32]
Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]


@final
@dataclass(frozen=True, slots=True)
class Capacity:
    """The sizes and the vocabulary that a compiled program depends on: static, hashable, joined by maximum and union.

    Args:
        levels: number of levels, level 0 among them; a power of two.
        input_width: slots of level 0; a power of two.
        hidden_width: slots of every other level; a power of two.
        degree: parents per node, all lags together; a power of two.
        kinds: the node kinds present.
        functions: the coupling functions present.
        children_degree: children per node, all lags together; a power of two.
        traits: whatever else about the graph a network compiles differently for; the network's own words.

    Raises:
        GraphError: a size is not a power of two.
    """

    levels: int
    input_width: int
    hidden_width: int
    degree: int
    kinds: frozenset[str]
    functions: frozenset[str]
    children_degree: int = DEGREE_FLOOR
    traits: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for size in ("levels", "input_width", "hidden_width", "degree", "children_degree"):
            value = getattr(self, size)
            if value < 1 or value & (value - 1):
                raise GraphError(
                    f"Cannot make a capacity. This is because its {size} is {value}, and sizes are powers of two so "
                    f"that growing graphs share compilations. Try {power_of_two(max(1, value))}."
                )

    @classmethod
    def of(cls, topology: Topology, inputs: tuple[str, ...] | None = None) -> Capacity:
        """The smallest capacity that holds a topology.

        Raises:
            GraphError: see `pack`.
        """
        return _needed(topology, _levels(topology, inputs))

    def join(self, other: Capacity) -> Capacity:
        """The smallest capacity that holds whatever either of two holds."""
        return Capacity(
            levels=max(self.levels, other.levels),
            input_width=max(self.input_width, other.input_width),
            hidden_width=max(self.hidden_width, other.hidden_width),
            degree=max(self.degree, other.degree),
            kinds=self.kinds | other.kinds,
            functions=self.functions | other.functions,
            children_degree=max(self.children_degree, other.children_degree),
            traits=self.traits | other.traits,
        )

    @property
    def slots(self) -> int:
        """The number of flat slots: `input_width + (levels - 1) * hidden_width`."""
        return self.input_width + (self.levels - 1) * self.hidden_width

    def level_slice(self, level: int) -> slice:
        """The flat slots of a level."""
        if level == 0:
            return slice(0, self.input_width)
        start = self.input_width + (level - 1) * self.hidden_width
        return slice(start, start + self.hidden_width)

    @property
    def kind_names(self) -> tuple[str, ...]:
        """The node kinds; the position of one is its code."""
        return tuple(sorted(self.kinds))

    @property
    def function_names(self) -> tuple[str, ...]:
        """The coupling functions; the position of one is its code."""
        return tuple(sorted(self.functions))


@final
@dataclass(frozen=True, eq=False, repr=False)
class Packing:
    """A topology as padded arrays; see the module's docstring for the layout. All arrays are read-only.

    Args:
        capacity: their sizes.
        inputs: the names at level 0, by slot.
        slot: name -> flat slot.
        names: name by flat slot, None in padding.
        mask: [slots] whether a node is there.
        kind: [slots] position of the node's kind in `capacity.kind_names`, -1 in padding.
        parameters: name -> [slots], for every parameter of the kinds in the capacity; where a node has no such
            parameter, the default of the first kind that has it, so that padding computes nothing invalid.
        parent_edge: [slots, degree] position of the edge in `topology.edges`, -1 in padding.
        parent_source: [slots, degree] flat slot of the parent, 0 in padding.
        parent_lag: [slots, degree] steps, 0 in padding.
        parent_mask: [slots, degree] whether an edge is there.
        parent_strength: [slots, degree] coupling weight, 0 in padding.
        parent_coupling: [slots, degree] position in `schema.COUPLINGS`, -1 in padding.
        parent_function: [slots, degree] position in `capacity.function_names`, -1 in padding.
        child_edge: [slots, children_degree], as `parent_edge`.
        child_target: [slots, children_degree] flat slot of the child, 0 in padding.
        child_column: [slots, children_degree] where the edge stands in its target's row of parents, so that learned
            weights live once: `strength[child_target, child_column]`; 0 in padding.
        child_lag: [slots, children_degree], and the following likewise.
        child_mask: as `parent_mask`.
        child_strength: as `parent_strength`.
        child_coupling: as `parent_coupling`.
        child_function: as `parent_function`.
    """

    capacity: Capacity
    inputs: tuple[str, ...]
    slot: dict[str, int]
    names: tuple[str | None, ...]
    mask: Bools
    kind: Ints
    parameters: dict[str, Floats]
    parent_edge: Ints
    parent_source: Ints
    parent_lag: Ints
    parent_mask: Bools
    parent_strength: Floats
    parent_coupling: Ints
    parent_function: Ints
    child_edge: Ints
    child_target: Ints
    child_column: Ints
    child_lag: Ints
    child_mask: Bools
    child_strength: Floats
    child_coupling: Ints
    child_function: Ints

    def __post_init__(self) -> None:
        values = [getattr(self, field.name) for field in fields(self)]
        for value in (*values, *self.parameters.values()):
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    def __repr__(self) -> str:
        return f"Packing({len(self.slot)} nodes, {self.capacity})"


def pack(topology: Topology, at_least: Capacity | None = None, inputs: tuple[str, ...] | None = None) -> Packing:
    """Lay a topology out in slots and index tables.

    Args:
        topology: all its edges are directed.
        at_least: a capacity to keep; the result's is its join with what the topology needs.
        inputs: the nodes at level 0, in this order; a leaf that is not among them stands at level 1. By default the
            leaves, in the order of their names.

    Raises:
        GraphError: an edge has no direction; an input is unknown, named twice, or has a child at lag 0.
    """
    level = _levels(topology, inputs)
    capacity = _needed(topology, level)
    if at_least is not None:
        capacity = capacity.join(at_least)

    members: list[list[str]] = [[] for _ in range(capacity.levels)]
    for name in topology.names:
        members[level[name]].append(name)
    if inputs is not None:
        members[0] = list(inputs)
    names: list[str | None] = [None] * capacity.slots
    for number, present in enumerate(members):
        start = capacity.level_slice(number).start
        names[start : start + len(present)] = present
    slot = {name: position for position, name in enumerate(names) if name is not None}

    count = len(topology.edges)
    functions = _codes(capacity.function_names)
    couplings = _codes(COUPLINGS)
    source = _column((slot[edge.source] for edge in topology.edges), count, 0)
    target = _column((slot[edge.target] for edge in topology.edges), count, 0)
    lag = _column((edge.lag for edge in topology.edges), count, 0)
    coupling = _column((couplings[edge.coupling] for edge in topology.edges), count, -1)
    function = _column((functions[edge.function] for edge in topology.edges), count, -1)
    strength = np.fromiter((*(edge.strength for edge in topology.edges), 0.0), np.float64, count + 1)

    parent_edge, parent_column = _rows(target[:-1], capacity.slots, capacity.degree)
    child_edge, _ = _rows(source[:-1], capacity.slots, capacity.children_degree)
    column = np.append(parent_column, np.int32(0))
    return Packing(
        capacity=capacity,
        inputs=tuple(members[0]),
        slot=slot,
        names=tuple(names),
        mask=np.array([name is not None for name in names], dtype=np.bool_),
        kind=_kind_codes(topology, slot, capacity),
        parameters=_parameters(topology, slot, capacity),
        parent_edge=parent_edge,
        parent_source=source[parent_edge],
        parent_lag=lag[parent_edge],
        parent_mask=parent_edge >= 0,
        parent_strength=strength[parent_edge],
        parent_coupling=coupling[parent_edge],
        parent_function=function[parent_edge],
        child_edge=child_edge,
        child_target=target[child_edge],
        child_column=column[child_edge],
        child_lag=lag[child_edge],
        child_mask=child_edge >= 0,
        child_strength=strength[child_edge],
        child_coupling=coupling[child_edge],
        child_function=function[child_edge],
    )


def power_of_two(count: int, floor: int = 1) -> int:
    """The smallest power of two that is at least `count` and at least `floor`, itself a power of two."""
    return max(floor, 1 << (count - 1).bit_length() if count > 0 else 1)


def _levels(topology: Topology, inputs: tuple[str, ...] | None) -> dict[str, int]:
    """The level of every node: its longest directed path at lag 0 to level 0."""
    for edge in topology.edges:
        if edge.mark != "directed":
            raise GraphError(
                f"Cannot pack the graph. This is because the edge {edge} has no direction, and a node predicts from "
                f"its parents. Try a Rewire that orients it, or removing it."
            )
    leaf_level = 0
    if inputs is not None:
        _check_inputs(topology, inputs)
        leaf_level = 1
    level: dict[str, int] = {}
    chosen = frozenset(inputs or ())
    for name in reversed(topology.order):
        above = [level[edge.target] + 1 for edge in topology.children(name) if edge.lag == 0]
        level[name] = max(above) if above else (0 if name in chosen else leaf_level)
    return level


def _check_inputs(topology: Topology, inputs: tuple[str, ...]) -> None:
    seen: set[str] = set()
    for name in inputs:
        if name not in topology:
            raise GraphError(
                f"Cannot pack the graph. This is because its input {name!r} is not one of its nodes. "
                f"Try adding the node, or naming only nodes as inputs."
            )
        if name in seen:
            raise GraphError(
                f"Cannot pack the graph. This is because the input {name!r} is named twice. Try naming it once."
            )
        seen.add(name)
        below = [edge for edge in topology.children(name) if edge.lag == 0]
        if below:
            raise GraphError(
                f"Cannot pack the graph. This is because the input {name!r} has the child {below[0].target!r} at "
                f"lag 0, and inputs are leaves. Try a lag of 1 or more, or a latent parent of both."
            )


def _needed(topology: Topology, level: dict[str, int]) -> Capacity:
    widths = np.bincount(np.fromiter(level.values(), np.intp, len(level)), minlength=1)
    return Capacity(
        levels=power_of_two(len(widths)),
        input_width=power_of_two(int(widths[0]), NODE_FLOOR),
        hidden_width=power_of_two(int(widths[1:].max(initial=0)), NODE_FLOOR),
        degree=power_of_two(max((len(topology.parents(name)) for name in level), default=0), DEGREE_FLOOR),
        kinds=frozenset(node.kind for node in topology.nodes),
        functions=frozenset(edge.function for edge in topology.edges),
        children_degree=power_of_two(max((len(topology.children(name)) for name in level), default=0), DEGREE_FLOOR),
    )


def _codes(names: tuple[str, ...]) -> dict[str, int]:
    return {name: code for code, name in enumerate(names)}


def _column(values: Iterable[int], count: int, padding: int) -> Ints:
    """One number per edge, and the padding behind them, where index -1 finds it."""
    column = np.full(count + 1, padding, dtype=np.int32)
    column[:count] = np.fromiter(values, np.int32, count)
    return column


def _rows(group: Ints, slots: int, width: int) -> tuple[Ints, Ints]:
    """Edges by the slot they belong to: the padded table [slots, width], and the column of every edge in it."""
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    column = np.empty(len(group), dtype=np.int32)
    column[order] = np.arange(len(group)) - np.searchsorted(ordered, ordered, side="left")
    table = np.full((slots, width), -1, dtype=np.int32)
    table[group, column] = np.arange(len(group), dtype=np.int32)
    return table, column


def _kind_codes(topology: Topology, slot: dict[str, int], capacity: Capacity) -> Ints:
    codes = _codes(capacity.kind_names)
    kind = np.full(capacity.slots, -1, dtype=np.int32)
    for node in topology.nodes:
        kind[slot[node.name]] = codes[node.kind]
    return kind


def _parameters(topology: Topology, slot: dict[str, int], capacity: Capacity) -> dict[str, Floats]:
    defaults: dict[str, float] = {}
    for name in capacity.kind_names:
        defaults = {**node_kind(name).parameters, **defaults}
    columns = {name: [defaults[name]] * capacity.slots for name in sorted(defaults)}
    for node in topology.nodes:
        position = slot[node.name]
        for name, value in node.parameters:
            columns[name][position] = value
    return {name: np.array(column, dtype=np.float64) for name, column in columns.items()}
