"""Node and Edge: the two things a graph is made of, valid from the moment they exist.

Design note. Whatever can be said about one node or one edge alone (known kind, finite numbers, lag >= 0, no loop at
lag 0) is checked once, where it is built, and brought into one canonical form. What only a whole graph can say
(duplicates, missing ends, cycles) is `topology.validate`. Equal content is therefore equal objects, equal hashes and
equal bytes on disk, whichever way it was written down.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import index
from typing import TypeAlias, final

from sostruct.errors import GraphError
from sostruct.graph.schema import (
    COUPLINGS,
    MARKS,
    checked_name,
    finite_number,
    function_names,
    is_function_name,
    node_kind,
    node_kinds,
    quoted,
)

EdgeKey: TypeAlias = tuple[str, str, str, int]
"""(source, target, coupling, lag): what no two edges of a graph share."""

_HEXADECIMAL = re.compile("[0-9a-f]*")
_ARROWS = {"directed": "->", "undirected": "--", "bidirected": "<->"}


@final
@dataclass(frozen=True, slots=True, order=True, init=False)
class Node:
    """A named node of some kind, with every parameter of that kind.

    Args:
        name: the user's own name.
        kind: the name of a registered node kind.
        parameters: those that differ from the kind's defaults, as a mapping or as pairs. They are stored complete,
            as pairs sorted by name.

    Raises:
        GraphError: the name is no string, the kind is unknown, or a parameter does not fit the kind.
    """

    name: str
    kind: str
    parameters: tuple[tuple[str, float], ...]

    def __init__(
        self, name: str, kind: str, parameters: Mapping[str, float] | Iterable[tuple[str, float]] = ()
    ) -> None:
        name = checked_name(name, "node")
        try:
            known = node_kind(kind)
        except GraphError:
            raise GraphError(
                f"Cannot accept node {name!r}. This is because its kind {kind!r} is not registered. "
                f"Try one of {quoted(known.name for known in node_kinds())}, or register it with `register_kind`."
            ) from None
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "kind", known.name)
        object.__setattr__(self, "parameters", known.complete(f"accept node {name!r}", dict(parameters)))


@final
@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """An influence from a cause to an effect.

    Args:
        source: the cause; at lag l it acts from l steps before.
        target: the effect.
        coupling: what of the target it drives: "value" (the mean) or "volatility" (the log variance).
        lag: steps of time, 0 or more.
        mark: "directed", "undirected" (orientation unknown) or "bidirected" (a latent common cause). At lag 0 the last
            two have no first end, and are stored with source before target; at lag 1 or more the source is the
            earlier one.
        strength: coupling weight.
        function: the name of a registered coupling function.
        connections: between populations of units, which of the connections are there (`connections.py`); "" for all.

    Raises:
        GraphError: an attribute is not one the schema knows, or the edge is a loop at lag 0.
    """

    source: str
    target: str
    coupling: str = "value"
    lag: int = 0
    mark: str = "directed"
    strength: float = 1.0
    function: str = "identity"
    connections: str = ""

    def __post_init__(self) -> None:
        source, target, _, lag = checked_key(self.source, self.target, self.coupling, self.lag)
        if self.mark not in MARKS:
            raise _unknown(source, target, "mark", self.mark, MARKS)
        if not is_function_name(self.function):
            raise _unknown(source, target, "function", self.function, function_names())
        if not isinstance(self.connections, str) or not _HEXADECIMAL.fullmatch(self.connections):
            raise GraphError(
                f"Cannot accept edge {source} -> {target}. This is because its connections {self.connections!r} are "
                'no bits in hexadecimal. Try "" for all of them, or what `encode_connections` writes.'
            )
        strength = finite_number(self.strength, f"accept edge {source} -> {target}", "strength")
        if lag == 0:
            if source == target:
                raise GraphError(
                    f"Cannot accept edge {source} -> {target} at lag 0. This is because {source!r} would be its own "
                    f"cause within one step. Try a lag of 1 or more."
                )
            if self.mark != "directed" and target < source:
                source, target = target, source
        for attribute, value in (("source", source), ("target", target), ("lag", lag), ("strength", strength)):
            object.__setattr__(self, attribute, value)

    @property
    def key(self) -> EdgeKey:
        """(source, target, coupling, lag), which identifies the edge within its graph."""
        return (self.source, self.target, self.coupling, self.lag)

    def __str__(self) -> str:
        return key_text(self.key, self.mark)


def checked_key(source: object, target: object, coupling: object, lag: object) -> EdgeKey:
    """An edge's key with its parts checked and made plain.

    Raises:
        GraphError: a name is not a string, the coupling is unknown, or the lag is not a whole number of 0 or more.
    """
    source = checked_name(source, "node")
    target = checked_name(target, "node")
    if coupling not in COUPLINGS:
        raise _unknown(source, target, "coupling", coupling, COUPLINGS)
    if type(lag) is not int:
        try:
            if isinstance(lag, bool):
                raise TypeError
            lag = index(lag)  # type: ignore[arg-type]
        except TypeError:
            raise GraphError(
                f"Cannot accept edge {source} -> {target}. This is because its lag is {lag!r} of type "
                f"{type(lag).__name__}, and must be a whole number of steps. Try 0, 1, 2 ..."
            ) from None
    if lag < 0:
        raise GraphError(
            f"Cannot accept edge {source} -> {target}. This is because its lag is {lag}, and a cause cannot come "
            f"after its effect. Try 0, 1, 2 ..."
        )
    return (source, target, str(coupling), lag)


def key_text(key: EdgeKey, mark: str = "directed") -> str:
    """An edge for people: "a -> b (lag 2)", "v -> x (volatility)"."""
    source, target, coupling, lag = key
    notes = ([coupling] if coupling != "value" else []) + ([f"lag {lag}"] if lag else [])
    return f"{source} {_ARROWS[mark]} {target}" + (f" ({', '.join(notes)})" if notes else "")


def _unknown(source: str, target: str, attribute: str, value: object, known: Iterable[str]) -> GraphError:
    return GraphError(
        f"Cannot accept edge {source} -> {target}. This is because its {attribute} {value!r} is unknown. "
        f"Try one of {quoted(known)}."
    )
