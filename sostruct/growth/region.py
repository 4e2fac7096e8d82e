"""What a move touches, before and after it, and the edits it comes to once its numbers are known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import final

from sostruct.graph import AbstractEdit, AddEdge, AddNode, SetParameters, apply
from sostruct.growth.moves import Move
from sostruct.networks.hgf.components import Component
from sostruct.networks.hgf.fitting import free_knobs, value_of
from sostruct.networks.hgf.workbench import Knob


@final
class Region:
    """The components that a move touches, before and after it."""

    def __init__(self, before: Sequence[Component], after: Sequence[Component], move: Move) -> None:
        self.before, self.after, self.move = tuple(before), tuple(after), move
        self.values: dict[Knob, float] = {}
        self.gain = -math.inf
        self.cost: float | None = None
        self.added = sum(len(free_knobs(one)) for one in after) - sum(len(free_knobs(one)) for one in before)

    @property
    def names(self) -> frozenset[str]:
        """The nodes of these components."""
        return frozenset[str]().union(*(one.nodes for one in (*self.before, *self.after)))


def near(own: Component, move: Move) -> tuple[Knob, ...]:
    """The knobs of nodes that a move names or tries at other values, of nodes right below them, and between them."""
    names = set(move.named)
    names |= {edge.target for name in move.named if name in own.topology for edge in own.topology.children(name)}
    names |= {place if isinstance(place, str) else place[1] for row in move.grid for place, _ in row}
    return tuple(
        knob
        for knob in free_knobs(own)
        if (knob[0] in names if isinstance(knob[0], str) else knob[0][0] in names and knob[0][1] in names)
    )


def has(own: Component, knob: Knob) -> bool:
    """Whether a component has the number that a knob turns."""
    place = knob[0]
    return place in own.topology if isinstance(place, str) else own.topology.has_edge(place)


def made(region: Region) -> tuple[AbstractEdit, ...]:
    """The bundle with its numbers as fitted."""
    values = dict(region.values)
    edits: list[AbstractEdit] = []
    for edit in region.move.edits:
        match edit:
            case AddNode():
                numbers = {name: values.pop((edit.name, name), value) for name, value in edit.parameters}
                edits.append(AddNode(edit.name, edit.kind, _stationary(numbers)))
            case AddEdge():
                edits.append(
                    AddEdge(replace(edit.edge, strength=values.pop((edit.edge.key, "strength"), edit.edge.strength)))
                )
            case _:
                edits.append(edit)
    for own in region.after:
        edits += settings(own, {knob: value for knob, value in values.items() if has(own, knob)})
    return tuple(edits)


def at_values(own: Component, values: Mapping[Knob, float]) -> Component:
    """The component with those of the numbers that are its own."""
    mine = {knob: value for knob, value in values.items() if has(own, knob)}
    return Component(apply(own.topology, settings(own, mine)), own.inputs)


def settings(own: Component, values: Mapping[Knob, float]) -> tuple[AbstractEdit, ...]:
    """The edits that set numbers which differ from a component's."""
    places: dict[object, dict[str, float]] = {}
    for (place, name), value in values.items():
        if value != value_of(own, (place, name)):
            places.setdefault(place, {})[name] = value
    return tuple(SetParameters(place, parameters) for place, parameters in places.items())  # type: ignore[arg-type]


def _stationary(parameters: dict[str, float]) -> dict[str, float]:
    """A new node believes at first what it believes without data."""
    decay = parameters["autoconnection"]
    if abs(decay) < 1.0:
        parameters["precision"] = min((1.0 - decay**2) / math.exp(parameters["tonic_volatility"]), 1e10)
        parameters["mean"] = parameters["tonic_drift"] / (1.0 - decay)
    return parameters
