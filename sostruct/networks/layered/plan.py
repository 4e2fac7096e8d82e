"""What compiled code knows of a layered graph: which populations feed which, through which functions, and no names.

Programs depend on the plan and on one width that all dense populations share, a power of two; which units and
connections there are is data. So an edit of units or connections within that width compiles nothing, and a population
that comes or goes compiles once. Inputs and outputs are as wide as the data are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, final

from sostruct.graph import Capacity, Edge, EdgeKey, Topology, decode_connections, width_of
from sostruct.graph.packing import power_of_two

INPUT, DENSE, REGRESSION, CLASSIFICATION = "input", "dense", "regression", "classification"
OUTPUTS = (REGRESSION, CLASSIFICATION)
UNITS_FLOOR = 8
"""Fewest slots of a dense population: small networks that grow compile once."""


class Arrow(NamedTuple):
    """An edge: places of its ends among the nodes of the plan, and its function."""

    source: int
    target: int
    function: str


@final
@dataclass(frozen=True, slots=True)
class Plan:
    """The static part of a packed network.

    Attributes:
        kinds: of the nodes, parents before children.
        widths: of inputs and outputs, 0 for dense populations, whose width is `dense`.
        arrows: the edges, in canonical order.
        dense: slots of every dense population; a power of two.
    """

    kinds: tuple[str, ...]
    widths: tuple[int, ...]
    arrows: tuple[Arrow, ...]
    dense: int

    def slots(self, place: int) -> int:
        """How many units the arrays of a node have room for."""
        return self.widths[place] or self.dense

    def into(self, place: int) -> tuple[int, ...]:
        """Places of the arrows from other nodes into one."""
        return tuple(at for at, arrow in enumerate(self.arrows) if arrow.target == place != arrow.source)

    def within(self, place: int) -> int | None:
        """Place of the arrow from a population to itself, if it has one."""
        own = [at for at, arrow in enumerate(self.arrows) if arrow.target == place == arrow.source]
        return own[0] if own else None

    @property
    def output(self) -> int:
        """Place of the output."""
        return next(place for place, kind in enumerate(self.kinds) if kind in OUTPUTS)

    @property
    def inputs(self) -> tuple[int, ...]:
        """Places of the inputs, in the order of their names."""
        return tuple(place for place, kind in enumerate(self.kinds) if kind == INPUT)


def nodes_of(topology: Topology) -> tuple[str, ...]:
    """Names by place in the plan: inputs in the order of their names, then the others, parents before children."""
    inputs = [node.name for node in topology.nodes if node.kind == INPUT]
    return (*inputs, *(name for name in topology.order if topology.node(name).kind != INPUT))


def edges_of(topology: Topology) -> tuple[Edge, ...]:
    """Edges by place in the plan."""
    return topology.edges


def width(topology: Topology, name: str) -> int:
    """How many units a population of a checked graph has."""
    found = width_of(topology.node(name))
    assert found is not None
    return found


def shape(topology: Topology, key: EdgeKey) -> tuple[int, int]:
    """Units of the source and of the target of an edge."""
    return width(topology, key[0]), width(topology, key[1])


def size_of(topology: Topology) -> int:
    """How many trainable numbers a checked graph has: connections, and biases of all populations but inputs."""
    biases = sum(width(topology, node.name) for node in topology.nodes if node.kind != INPUT)
    return biases + sum(
        int(decode_connections(edge.connections, *shape(topology, edge.key), edge.source == edge.target).sum())
        for edge in topology.edges
    )


def plan_of(topology: Topology, dense: int) -> Plan:
    """The plan of a checked graph whose dense populations have room for so many units."""
    names = nodes_of(topology)
    place = {name: number for number, name in enumerate(names)}
    kinds = tuple(topology.node(name).kind for name in names)
    widths = tuple(0 if kind == DENSE else width(topology, name) for name, kind in zip(names, kinds, strict=True))
    arrows = tuple(Arrow(place[edge.source], place[edge.target], edge.function) for edge in edges_of(topology))
    return Plan(kinds, widths, arrows, dense)


def needed_capacity(topology: Topology) -> Capacity:
    """What a graph needs: `latent_width` is the room of every dense population."""
    widths = {node.kind: width(topology, node.name) for node in topology.nodes}
    dense = max((width(topology, node.name) for node in topology.nodes if node.kind == DENSE), default=1)
    return Capacity(
        input_width=power_of_two(widths[INPUT]),
        latent_width=power_of_two(dense, UNITS_FLOOR),
        blocks=1,
        degree=1,
        edges=1,
        window=1,
        fan=1,
        kinds=frozenset(widths),
        functions=frozenset(edge.function for edge in topology.edges),
    )
