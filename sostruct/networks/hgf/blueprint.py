"""A graph as the unrolled schedule compiles it: static, hashable, by slots and not by names.

Networks of the same shape have equal blueprints and so share their compilation, whatever their nodes are called.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from sostruct.graph import Packing
from sostruct.networks.hgf.kinds import KINDS
from sostruct.networks.hgf.kinds.base import AbstractInput, AbstractVariable
from sostruct.networks.hgf.variables.groups import Group
from sostruct.networks.hgf.variables.names import variables_of


@final
@dataclass(frozen=True, slots=True)
class Link:
    """An edge by slots: the other end, and where its strength stands in `Wiring.strength`."""

    other: int
    row: int
    column: int
    volatility: bool
    function: str


@final
@dataclass(frozen=True, slots=True)
class Place:
    """A node by slot, with its edges in canonical order."""

    slot: int
    kind: str
    observed: bool
    parents: tuple[Link, ...]
    children: tuple[Link, ...]


@final
@dataclass(frozen=True, slots=True)
class Blueprint:
    """A graph as the unrolled schedule compiles it, children before parents; variables whose kind has parts by kind."""

    places: tuple[Place, ...]
    inputs: int
    variables: tuple[tuple[str, Group], ...] = ()


def blueprint(packing: Packing) -> Blueprint:
    """The static shape of a packed graph."""
    functions, kinds = packing.capacity.function_names, packing.capacity.kind_names
    places = []
    below: dict[int, list[int]] = {}
    for position in (packing.child_edge >= 0).nonzero()[0]:
        below.setdefault(int(packing.child_source[position]), []).append(int(position))
    for slot in sorted(packing.slot.values()):
        parents = tuple(
            Link(
                int(packing.parent_source[slot, column]),
                slot,
                int(column),
                bool(packing.parent_coupling[slot, column] == 1),
                functions[packing.parent_function[slot, column]],
            )
            for column in packing.parent_mask[slot].nonzero()[0]
        )
        children = tuple(
            Link(
                int(packing.child_target[position]),
                int(packing.child_target[position]),
                int(packing.child_column[position]),
                bool(packing.child_coupling[position] == 1),
                functions[packing.child_function[position]],
            )
            for position in below.get(slot, ())
        )
        observed = slot < len(packing.inputs)
        places.append(Place(slot, kinds[packing.kind[slot]], observed, parents, children))
    return Blueprint(tuple(places), len(packing.inputs), _variables(packing, places))


def _variables(packing: Packing, places: list[Place]) -> tuple[tuple[str, Group], ...]:
    kinds: dict[str, AbstractInput] = {}
    for name, place in zip(packing.inputs, places, strict=False):
        kind = KINDS[place.kind]
        assert isinstance(kind, AbstractInput)
        kinds[name] = kind
    if not any(isinstance(kind, AbstractVariable) for kind in kinds.values()):
        return ()
    return tuple(
        (variable.kind.name, variable.group)
        for variable in variables_of(packing.inputs, kinds)
        if isinstance(variable.kind, AbstractVariable)
    )
