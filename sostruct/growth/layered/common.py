"""What the rules for layered networks share: which networks they take, and how a unit arrives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import PRNGKeyArray, PyTree
from numpy.typing import NDArray

from sostruct.errors import ConfigError
from sostruct.graph import AbstractEdit, AddEdge, AddNode, AddUnits, SetWeights
from sostruct.growth.base import Evaluate
from sostruct.networks.base import AbstractNetwork, Candidate
from sostruct.networks.layered.arrays import generator_of
from sostruct.networks.layered.building import birth
from sostruct.networks.layered.network import LayeredNetwork
from sostruct.networks.layered.packed import LayeredData
from sostruct.networks.layered.plan import width


def layered(network: AbstractNetwork, rule: str) -> LayeredNetwork:
    """The network, as the one kind that these rules take.

    Raises:
        ConfigError: it is none.
    """
    if not isinstance(network, LayeredNetwork):
        raise ConfigError(
            f"Cannot use {rule} for a network of the class {type(network).__name__}. This is because only a layered "
            "network has units and connections. Try a LayeredNetwork, or another rule."
        )
    return network


def rows_of(evaluate: Evaluate) -> LayeredData:
    """The rows that an epoch went over."""
    data: PyTree = evaluate.data
    assert isinstance(data, LayeredData)
    return data


def drawing(key: PRNGKeyArray) -> np.random.Generator:
    """NumPy's generator of a key."""
    return generator_of(key)


class Place(NamedTuple):
    """Where a unit may be added: a population, who feeds it with which functions, and whom it feeds; and whether units
    of it also feed those after them."""

    name: str
    into: tuple[tuple[str, str], ...]
    out: tuple[str, ...]
    function: str
    cascade: bool
    before: tuple[AbstractEdit, ...]
    """Edits that make the population, with one unit, where it is not there yet."""

    width: int


def places(network: LayeredNetwork, *, function: str = "tanh", cascade: bool = False) -> list[Place]:
    """Every dense population whose outgoing edges have one function; or the first one, which is yet to be born.

    Args:
        network: any.
        function: of the units of the first one.
        cascade: whether they also feed those after them.
    """
    topology = network.topology
    if not network.hidden:
        edits = birth(topology, 1, function=function, cascade=cascade)
        edges = [edit.edge for edit in edits if isinstance(edit, AddEdge)]
        name = next(edit.name for edit in edits if isinstance(edit, AddNode))
        into = tuple((edge.source, edge.function) for edge in edges if edge.target == name != edge.source)
        out = tuple(edge.target for edge in edges if edge.source == name != edge.target)
        return [Place(name, into, out, function, cascade, edits, 0)]
    found = []
    for name in network.hidden:
        children = topology.children(name)
        functions = {edge.function for edge in children}
        if len(functions) == 1:
            found.append(
                Place(
                    name,
                    tuple((edge.source, edge.function) for edge in topology.parents(name) if edge.source != name),
                    tuple(edge.target for edge in children if edge.target != name),
                    functions.pop(),
                    any(edge.target == name for edge in children),
                    (),
                    width(topology, name),
                )
            )
    return found


def arrival(
    place: Place,
    incoming: Mapping[str, Sequence[float]] | Mapping[str, NDArray[np.float64]],
    bias: float,
    outgoing: Mapping[str, Sequence[float]] | Mapping[str, NDArray[np.float64]] | None = None,
) -> tuple[AbstractEdit, ...]:
    """A unit at the end of a population, with the weights it begins with; where `outgoing` is None, it sends by 0."""
    come = place.before or (AddUnits(place.name, (place.width,)),)
    given = {name: [float(one) for one in values] for name, values in incoming.items()}
    if place.cascade:
        given.setdefault(place.name, [0.0] * (place.width + 1))
        given[place.name] = [*given[place.name][: place.width], 0.0]
    sends = {} if outgoing is None else {name: [float(one) for one in values] for name, values in outgoing.items()}
    return (*come, SetWeights(place.name, place.width, given, float(bias), sends))


def candidate(network: LayeredNetwork, place: Place, edits: tuple[AbstractEdit, ...], nats: float) -> Candidate:
    """A unit as something to be decided on. Every unit changes what all others are worth, so it touches all nodes."""
    return Candidate(place.name, edits, nats, frozenset({*network.nodes, place.name}))
