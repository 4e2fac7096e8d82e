"""Parameters as users set them: by name, plain or traced, checked before any array is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import jax
import numpy as np

from sostruct.errors import GraphError
from sostruct.graph import EdgeKey, Topology
from sostruct.graph.schema import quoted
from sostruct.networks.hgf.moving import Value

EdgeName: TypeAlias = tuple[str, str] | tuple[str, str, str] | EdgeKey
"""An edge as people write it: (parent, child), with its coupling where there are two, or its whole key."""


def settings(topology: Topology, values: Mapping[Any, Mapping[str, Any]]) -> list[Value]:
    """What is to be set, by node name and edge key; plain numbers as floats, traced ones as they are.

    Raises:
        GraphError: there is no such node, edge or parameter, a name fits several edges, or a value is not one number.
    """
    found: list[Value] = []
    for place, own in values.items():
        if isinstance(place, str):
            at: str | EdgeKey = place
            known = [name for name, _ in topology.node(place).parameters]
            what = f"parameters of {place!r}"
        else:
            at, known = edge_of(topology, place), ["strength"]
            what = f"parameters of the edge {topology.edge(at)}"
        for name, value in own.items():
            if name not in known:
                has = f"it has {quoted(known)}" if known else "its kind has none"
                raise GraphError(
                    f"Cannot set {what}. This is because {name!r} is not one of them. Try another name: {has}."
                )
            found.append((at, name, _number(what, name, value)))
    return found


def edge_of(topology: Topology, place: Any) -> EdgeKey:
    """The key of the one edge that a name fits.

    Raises:
        GraphError: there is none, or several.
    """
    parts = tuple(place) if isinstance(place, tuple | list) else ()
    if not 2 <= len(parts) <= 4 or parts[0] not in topology or parts[1] not in topology:
        raise GraphError(
            f"Cannot set parameters of {place!r}. This is because it is neither the name of a node nor a (parent, "
            f"child) of two. Try one of {quoted(topology.names)}."
        )
    fitting = [edge.key for edge in topology.parents(parts[1]) if edge.key[: len(parts)] == parts]
    if len(fitting) != 1:
        there = [str(edge) for edge in topology.parents(parts[1])]
        why = "two couplings connect them" if fitting else "there is no such edge"
        remedy = f"one of {', '.join(there)}" if there else f"an edge into another node: {parts[1]!r} has no parents"
        if fitting:
            remedy = " or ".join(repr(key[:3]) for key in fitting)
        raise GraphError(f"Cannot set parameters of the edge {place!r}. This is because {why}. Try {remedy}.")
    return fitting[0]


def _number(what: str, name: str, value: Any) -> Any:
    shape = np.shape(value)
    if shape != ():
        raise GraphError(
            f"Cannot set {what}. This is because {name!r} is of shape {shape}, and must be one number. Try one value, "
            "or jax.vmap over several."
        )
    if isinstance(value, jax.core.Tracer):
        return value
    return value.item() if isinstance(value, np.ndarray | np.generic | jax.Array) else value
