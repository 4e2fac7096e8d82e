"""Block-packed arrays: a graph as index tables of a few fixed sizes, so that editing it writes data.

Design note. Compiled programs depend on a `Capacity` and never on which edges exist. Nodes stand in flat slots: inputs
first, then everything else in the order of its level, its longest directed path at lag 0 down to an input or leaf. A
level is cut into blocks of at most `BLOCK` nodes; a sweep over the blocks, upwards or downwards, meets every node
after the ones it depends on, and compiles once however many levels there are.

    slots  | inputs: input_width | others, by level: latent_width | BLOCK of padding |
    parents [slots, degree]: a node's row holds its parents, in canonical order of the edges, then padding
    children [edges]: every edge once, by the slot of its parent; a block's edges are a window of this list

Sizes are powers of two with floors, so a growing graph meets few capacities, each a compilation. Two alternatives are
worse for trees: one padded slice per level, all of the widest level's width, takes several times the slots; and a
padded row of children per node wastes most of its arithmetic, since most nodes have one child and a few have many.
Padding holds -1 where a number is a code or an edge and 0 where it is a slot, lag, column or strength: gathers stay in
range, products vanish, and `code == k` is false. Mixed graphs (undirected or bidirected marks) say what is known about
a cause and not how a node predicts, so they are refused here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from itertools import groupby
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from sostruct.errors import GraphError
from sostruct.graph.schema import COUPLINGS, node_kind
from sostruct.graph.topology import Topology

BLOCK = 8
"""Nodes per block: fewer mean more turns of a sweep, more mean more padding."""
NODE_FLOOR = 8
DEGREE_FLOOR = 4
EDGE_FLOOR = 64
WINDOW_FLOOR = 16

Ints: TypeAlias = NDArray[np.int32]
Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]

_SIZES = ("input_width", "latent_width", "blocks", "degree", "edges", "window", "fan")


@final
@dataclass(frozen=True, slots=True)
class Capacity:
    """The sizes and the vocabulary that a compiled program depends on: static, hashable, joined by maximum and union.

    Args:
        input_width: slots of inputs; a power of two.
        latent_width: slots of all other nodes; a power of two.
        blocks: blocks of nodes; a power of two.
        degree: parents per node, all lags together; a power of two.
        edges: edges in all; a power of two.
        window: edges to children of one block; a power of two.
        fan: children per node; a power of two.
        kinds: the node kinds present.
        functions: the coupling functions present.
        traits: whatever else about the graph a network compiles differently for; the network's own words.

    Raises:
        GraphError: a size is not a power of two.
    """

    input_width: int
    latent_width: int
    blocks: int
    degree: int
    edges: int
    window: int
    fan: int
    kinds: frozenset[str]
    functions: frozenset[str]
    traits: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for size in _SIZES:
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
        level = _levels(topology, inputs)
        order, observed = _order(topology, level, inputs)
        window = _window(topology, order[observed:], WINDOW_FLOOR)
        return _needed(topology, observed, _blocks(topology, order, observed, level, window), window)

    def join(self, other: Capacity) -> Capacity:
        """The smallest capacity that holds whatever either of two holds."""
        return Capacity(
            **{size: max(getattr(self, size), getattr(other, size)) for size in _SIZES},
            kinds=self.kinds | other.kinds,
            functions=self.functions | other.functions,
            traits=self.traits | other.traits,
        )

    @property
    def slots(self) -> int:
        """The number of flat slots: `input_width + latent_width + BLOCK`."""
        return self.input_width + self.latent_width + BLOCK

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
        inputs: the names of the input slots, in order.
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
        child_edge: [edges + window] position in `topology.edges`, by the slot of the parent, -1 in padding.
        child_source: [edges + window] flat slot of the parent, 0 in padding.
        child_target: [edges + window] flat slot of the child, 0 in padding.
        child_column: [edges + window] where the edge stands in its target's row of parents, so that learned weights
            live once: `strength[child_target, child_column]`; 0 in padding.
        child_coupling: [edges + window] position in `schema.COUPLINGS`, -1 in padding.
        child_function: [edges + window] position in `capacity.function_names`, -1 in padding.
        block_node: [blocks, 2] first slot and number of slots of every block, upwards; padding has none.
        block_edge: [blocks, 2] first position and number of its edges in the child list.
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
    child_source: Ints
    child_target: Ints
    child_column: Ints
    child_coupling: Ints
    child_function: Ints
    block_node: Ints
    block_edge: Ints

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
        inputs: the nodes in the input slots, in this order; a leaf that is not among them is hidden. By default the
            leaves, in the order of their names.

    Raises:
        GraphError: an edge has no direction; an input is unknown, named twice, or has a child at lag 0.
    """
    level = _levels(topology, inputs)
    order, observed = _order(topology, level, inputs)
    floor = WINDOW_FLOOR if at_least is None else max(WINDOW_FLOOR, at_least.window)
    window = _window(topology, order[observed:], floor)
    blocks = _blocks(topology, order, observed, level, window)
    capacity = _needed(topology, observed, blocks, window)
    if at_least is not None:
        capacity = capacity.join(at_least)

    shift = capacity.input_width - observed
    slot = {name: position + (shift if position >= observed else 0) for position, name in enumerate(order)}
    names: list[str | None] = [None] * capacity.slots
    for name, position in slot.items():
        names[position] = name

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
    column = np.append(parent_column, np.int32(0))
    child_edge = np.full(capacity.edges + capacity.window, -1, np.int32)
    child_edge[:count] = np.argsort(source[:-1], kind="stable")
    block_node = np.zeros((capacity.blocks, 2), np.int32)
    block_node[:, 0] = capacity.slots - BLOCK
    block_edge = np.zeros((capacity.blocks, 2), np.int32)
    first = np.searchsorted(source[child_edge[:count]], np.arange(capacity.slots + 1))
    for number, (start, size) in enumerate(blocks):
        begin = start + shift
        block_node[number] = begin, size
        block_edge[number] = first[begin], first[begin + size] - first[begin]
    return Packing(
        capacity=capacity,
        inputs=tuple(order[:observed]),
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
        child_source=source[child_edge],
        child_target=target[child_edge],
        child_column=column[child_edge],
        child_coupling=coupling[child_edge],
        child_function=function[child_edge],
        block_node=block_node,
        block_edge=block_edge,
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


def _order(topology: Topology, level: dict[str, int], inputs: tuple[str, ...] | None) -> tuple[list[str], int]:
    """Names by position, inputs first and then by level, and the number of inputs."""
    chosen = inputs if inputs is not None else tuple(name for name in topology.names if level[name] == 0)
    seen = frozenset(chosen)
    others = sorted((name for name in topology.names if name not in seen), key=lambda name: level[name])
    return [*chosen, *others], len(chosen)


def _window(topology: Topology, hidden: list[str], floor: int) -> int:
    """Edges per block: no node has more children than fit."""
    return power_of_two(max((len(topology.children(name)) for name in hidden), default=1), floor)


def _blocks(
    topology: Topology, order: list[str], observed: int, level: dict[str, int], window: int
) -> list[tuple[int, int]]:
    """First position and number of nodes of every block, upwards."""
    blocks = []
    position = observed
    for _, group in groupby(order[observed:], level.__getitem__):
        start, edges = position, 0
        for name in group:
            children = len(topology.children(name))
            if position - start == BLOCK or edges + children > window:
                blocks.append((start, position - start))
                start, edges = position, 0
            edges += children
            position += 1
        blocks.append((start, position - start))
    return blocks


def _needed(topology: Topology, observed: int, blocks: list[tuple[int, int]], window: int) -> Capacity:
    return Capacity(
        input_width=power_of_two(observed, NODE_FLOOR),
        latent_width=power_of_two(topology.size - observed, NODE_FLOOR),
        blocks=power_of_two(len(blocks)),
        degree=power_of_two(max((len(topology.parents(name)) for name in topology.names), default=0), DEGREE_FLOOR),
        edges=power_of_two(len(topology.edges), EDGE_FLOOR),
        window=window,
        fan=power_of_two(max((len(topology.children(name)) for name in topology.names), default=0), DEGREE_FLOOR),
        kinds=frozenset(node.kind for node in topology.nodes),
        functions=frozenset(edge.function for edge in topology.edges),
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
