"""The moves of a mixture as bundles of edits: a birth, a death, a split, a merge, another beginning.

A component is a node with one value edge to every input, whose strength is where it begins. A birth adds these, a death
removes them. A merge is a removal directly followed by new places of the edges of the heir, or by its `count` where it
takes over no more than the weight: `merges` reads it back from a batch, and the network then moves what would be lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count, pairwise

from sostruct.graph import AbstractEdit, AddEdge, AddNode, Edge, RemoveNode, SetParameters, Topology, apply

COMPONENT = "component"
"""Kind of a component, and the stem of the names of those that are born."""


def birth(
    topology: Topology, inputs: Sequence[str], place: Sequence[float], *, weight: float = 1.0
) -> tuple[AbstractEdit, ...]:
    """A new component.

    Args:
        topology: the graph it enters; its name is the first free one of component_1, component_2, ...
        inputs: the inputs of the mixture.
        place: where it begins, in the units of each input.
        weight: how many points that is worth.
    """
    name = next(name for number in count(1) if (name := f"{COMPONENT}_{number}") not in topology)
    node = AddNode(name, COMPONENT, {"count": weight})
    edges = [AddEdge(Edge(name, into, strength=float(where))) for into, where in zip(inputs, place, strict=True)]
    return (node, *edges)


def births(topology: Topology, inputs: Sequence[str], places: Iterable[Sequence[float]]) -> tuple[AbstractEdit, ...]:
    """Several new components."""
    edits: list[AbstractEdit] = []
    for place in places:
        own = birth(topology, inputs, place)
        topology = apply(topology, own)
        edits += own
    return tuple(edits)


def born(edits: Iterable[AbstractEdit]) -> str:
    """The name of the first component that a bundle adds."""
    return next(edit.name for edit in edits if isinstance(edit, AddNode))


def begin(name: str, inputs: Sequence[str], place: Sequence[float]) -> tuple[AbstractEdit, ...]:
    """A component begins elsewhere; what it has seen is forgotten."""
    return tuple(
        SetParameters((name, into, "value", 0), {"strength": float(where)})
        for into, where in zip(inputs, place, strict=True)
    )


def split(
    name: str, topology: Topology, inputs: Sequence[str], halves: Sequence[Sequence[float]]
) -> tuple[AbstractEdit, ...]:
    """A component begins again at one place, and a new one at another; what it has seen is nobody's any more."""
    one, other = halves
    return (*begin(name, inputs, one), *birth(topology, inputs, other))


def death(name: str) -> tuple[AbstractEdit, ...]:
    """A component less."""
    return (RemoveNode(name),)


def merge(gone: str, heir: str, inputs: Sequence[str], place: Sequence[float]) -> tuple[AbstractEdit, ...]:
    """Two components become one, which keeps the name of the heir and begins at `place`."""
    return (RemoveNode(gone), *begin(heir, inputs, place))


def absorb(gone: str, heir: str, weight: float) -> tuple[AbstractEdit, ...]:
    """A component goes and another answers for its points, as it is: it takes over the weight, not the place.

    Args:
        gone: the one that goes.
        heir: the one that stays.
        weight: the `count` of the heir, which does not change.
    """
    return (RemoveNode(gone), SetParameters(heir, {"count": weight}))


def merges(edits: Iterable[AbstractEdit]) -> dict[str, tuple[str, bool]]:
    """The merges in a batch: by who is gone, the heir, and whether what they have seen is pooled or weight alone."""
    found: dict[str, tuple[str, bool]] = {}
    for one, other in pairwise(edits):
        if isinstance(one, RemoveNode) and isinstance(other, SetParameters):
            pooled = not isinstance(other.target, str)
            heir = other.target if isinstance(other.target, str) else other.target[0]
            if heir != one.name and (pooled or dict(other.parameters).keys() == {"count"}):
                found[one.name] = (heir, pooled)
    return found


def touched(edits: Iterable[AbstractEdit]) -> set[str]:
    """The components that a batch adds or gives another beginning."""
    found: set[str] = set()
    for edit in edits:
        match edit:
            case AddNode():
                found.add(edit.name)
            case SetParameters(target=str(name)):
                found.add(name)
            case SetParameters(target=key):
                found.add(key[0])
            case _:
                pass
    return found
