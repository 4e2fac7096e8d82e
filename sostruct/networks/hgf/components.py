"""Connected components of a belief network, and how they are laid out for the dense schedule.

The evidence of a graph is the sum over its connected components, so an edit is priced by filtering the components it
touches and nothing else. A `Sketch` is one component as host arrays in one of a few sizes; sketches of equal size run
side by side whatever their graphs are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from sostruct.graph import EdgeKey, Topology
from sostruct.graph.packing import power_of_two
from sostruct.graph.schema import node_kind
from sostruct.networks.hgf.kinds import KINDS
from sostruct.networks.hgf.layout import traits

Floats = NDArray[np.float64]

_SMALLEST = 2
"""Input slots of the smallest size."""

_PARENTS = 2
"""Hidden slots beyond one for each input slot: most inputs have a state of their own, and few states a parent."""


@final
@dataclass(frozen=True)
class Component:
    """A connected part of a graph.

    Attributes:
        topology: its nodes and edges.
        inputs: its inputs, in the order of the data's columns.
    """

    topology: Topology
    inputs: tuple[str, ...]

    @property
    def nodes(self) -> frozenset[str]:
        """The names of its nodes."""
        return frozenset(self.topology.names)

    @property
    def size(self) -> int:
        """Input slots that its sketch has: a power of two; hidden ones are `_PARENTS` more."""
        hidden = self.topology.size - len(self.inputs)
        return power_of_two(max(len(self.inputs), hidden - _PARENTS), _SMALLEST)


def components(topology: Topology, inputs: Sequence[str]) -> tuple[Component, ...]:
    """The connected components that have an input, in the order of their first column."""
    skeleton = nx.Graph()
    skeleton.add_nodes_from(topology.names)
    skeleton.add_edges_from((edge.source, edge.target) for edge in topology.edges)
    owner: dict[str, int] = {}
    found: list[list[str]] = []
    for column in inputs:
        if column not in owner:
            names = nx.node_connected_component(skeleton, column)
            owner.update(dict.fromkeys(names, len(found)))
            found.append([])
        found[owner[column]].append(column)
    if len(found) == 1 and len(owner) == topology.size:
        return (Component(topology, tuple(inputs)),)
    nodes: list[list[str]] = [[] for _ in found]
    for name, number in owner.items():
        nodes[number].append(name)
    return tuple(Component(part(topology, names), tuple(own)) for names, own in zip(nodes, found, strict=True))


def part(topology: Topology, names: Iterable[str]) -> Topology:
    """The graph of some nodes and of the edges among them."""
    chosen = sorted(names)
    kept = set(chosen)
    edges = sorted(edge for name in chosen for edge in topology.parents(name) if edge.source in kept)
    return Topology(tuple(topology.node(name) for name in chosen), tuple(edges))


@final
@dataclass(frozen=True, eq=False)
class Sketch:
    """One component as host arrays: `dense.Lanes` without lanes.

    Attributes:
        slot: name -> slot.
        inputs: its inputs, by slot.
        parameters: name -> [slot].
        value: strengths of value couplings [parent, slot]; parents are numbered from the first hidden slot.
        volatility: likewise of volatility couplings.
        coupled: 1 where the volatility coupling is there [parent, slot].
        kind: position of each node's kind among `kinds` [slot].
        beliefs: before the first step, name -> [slot].
        kinds: names of the kinds a network uses.
        traits: see `layout`.
    """

    slot: Mapping[str, int]
    inputs: tuple[str, ...]
    parameters: Mapping[str, Floats]
    value: Floats
    volatility: Floats
    coupled: Floats
    kind: NDArray[np.int32]
    beliefs: Mapping[str, Floats]
    kinds: tuple[str, ...]
    traits: frozenset[str]

    @property
    def width(self) -> int:
        """Its input slots."""
        return int(self.value.shape[1] - self.value.shape[0])

    def place(self, key: EdgeKey) -> tuple[int, int]:
        """Where an edge stands in `value` or `volatility`."""
        return self.slot[key[0]] - self.width, self.slot[key[1]]


def sketch(
    component: Component,
    size: int,
    kinds: tuple[str, ...],
    believed: Mapping[str, Mapping[str, float]],
) -> Sketch:
    """A component laid out in `size` input slots and `_PARENTS` more hidden ones.

    Args:
        component: fits the size.
        size: a power of two.
        kinds: every kind that the network uses, sorted.
        believed: beliefs of nodes that have left their initial ones, by name.
    """
    topology, inputs = component.topology, component.inputs
    observed = frozenset(inputs)
    hidden = [name for name in reversed(topology.order) if name not in observed]
    slot = {name: number for number, name in enumerate(inputs)}
    slot |= {name: size + number for number, name in enumerate(hidden)}
    latent = size + _PARENTS
    slots = size + latent
    defaults: dict[str, float] = {}
    state: set[str] = {"mean", "precision"}
    for name in kinds:
        defaults = {**node_kind(name).parameters, **defaults}
        state |= set(KINDS[name].state)
    parameters = {name: np.full(slots, value) for name, value in defaults.items()}
    beliefs = {name: np.full(slots, 1.0 if name.endswith("precision") else 0.0) for name in state}
    kind = np.full(slots, -1, np.int32)
    for node in topology.nodes:
        place = slot[node.name]
        kind[place] = kinds.index(node.kind)
        own = dict(node.parameters)
        for name, number in own.items():
            parameters[name][place] = number
        initial = KINDS[node.kind].initial({name: np.asarray(number) for name, number in own.items()})
        for belief, start in believed.get(node.name, initial).items():
            beliefs[belief][place] = start
    value, volatility, coupled = (np.zeros((latent, slots)) for _ in range(3))
    for edge in topology.edges:
        row, column = slot[edge.source] - size, slot[edge.target]
        if edge.coupling == "value":
            value[row, column] = edge.strength
        else:
            volatility[row, column], coupled[row, column] = edge.strength, 1.0
    own_traits = traits(topology, inputs)
    return Sketch(slot, inputs, parameters, value, volatility, coupled, kind, beliefs, kinds, own_traits)
