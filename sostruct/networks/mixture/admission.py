"""What is refused before a mixture is built: graphs that are none, settings out of their range."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sostruct.errors import ConfigError, DataError, GraphError
from sostruct.graph import Edge, Topology
from sostruct.graph.schema import quoted
from sostruct.networks.mixture.conjugate import Prior
from sostruct.networks.mixture.moves import COMPONENT

_INPUT = "continuous"


def read_inputs(topology: Topology, given: Sequence[str] | None) -> tuple[str, ...]:
    """The inputs in the order of the data's columns.

    Raises:
        GraphError: there are none, or those that are given are not the graph's.
    """
    own = tuple(node.name for node in topology.nodes if node.kind == _INPUT)
    chosen = own if given is None else tuple(given)
    if not own or sorted(chosen) != list(own):
        raise GraphError(
            f"Cannot use the inputs {list(chosen)}. This is because the graph's nodes of kind {_INPUT!r} are "
            f"{list(own)}, and each is an input. Try naming each once, or a graph that has some."
        )
    return chosen


def check_graph(topology: Topology, inputs: Sequence[str]) -> None:
    """Refuse a graph that is not a mixture's: inputs, components, and one value edge from each of these to each input.

    Raises:
        GraphError: an input is missing or new, a node is of another kind, an edge does not fit or is missing.
    """
    found = {node.name for node in topology.nodes if node.kind == _INPUT}
    if found != set(inputs):
        raise GraphError(
            f"Cannot change the inputs of a mixture to {quoted(found)}. This is because the data have a column for "
            f"each of {quoted(inputs)}. Try edits of components, or a new mixture."
        )
    for node in topology.nodes:
        if node.kind not in (_INPUT, COMPONENT):
            raise GraphError(
                f"Cannot have the node {node.name!r} in a mixture. This is because it is of kind {node.kind!r}, and a "
                f"mixture has inputs ({_INPUT!r}) and components ({COMPONENT!r}). Try one of these."
            )
    for edge in topology.edges:
        _check_edge(topology, edge)
    for node in topology.nodes:
        if node.kind != COMPONENT:
            continue
        absent = [name for name in inputs if not topology.has_edge((node.name, name, "value", 0))]
        if absent:
            raise GraphError(
                f"Cannot do without the edge {node.name} -> {absent[0]}. This is because its strength is where the "
                f"component {node.name!r} begins. Try adding it, or removing the component."
            )


def _check_edge(topology: Topology, edge: Edge) -> None:
    plain = edge.coupling == "value" and edge.lag == 0 and edge.mark == "directed" and edge.function == "identity"
    ends = topology.node(edge.source).kind, topology.node(edge.target).kind
    if not plain or ends != (COMPONENT, _INPUT):
        raise GraphError(
            f"Cannot use the edge {edge} ({edge.coupling}, {edge.mark}, {edge.function}) in a mixture. This is because "
            "a component acts on inputs, by its mean and within the step. Try a value edge from a component to an "
            "input."
        )


def read_prior(
    inputs: Sequence[str],
    spread: float | Sequence[float],
    concentration: float,
    freedom: float,
    memory: float | None,
) -> Prior:
    """The prior of the settings; its center and precision are the graph's and are filled in from there.

    Raises:
        ConfigError: a setting is out of its range.
    """
    _check("concentration", concentration, 0.0, "it weighs a new component against points already seen", "1")
    _check("freedom", freedom, 2.0, "a variance is expected only then", "4")
    if memory is not None:
        _check("memory", memory, 1.0, "it counts steps", "200, or None to forget nothing")
    zero = np.zeros(len(inputs))
    return Prior(
        center=zero,
        precision=zero + 1.0,
        spread=each("spread", spread, inputs, positive=True),
        concentration=np.asarray(float(concentration)),
        freedom=np.asarray(float(freedom)),
        keep=np.asarray(1.0 if memory is None else math.exp(-1.0 / memory)),
    )


def each(setting: str, value: Any, inputs: Sequence[str], *, positive: bool) -> NDArray[np.float64]:
    """A setting as one number per input.

    Raises:
        ConfigError: it is neither one number nor one per input, or not finite or not positive where it has to be.
    """
    try:
        numbers = np.broadcast_to(np.asarray(value, np.float64), len(inputs)).copy()
    except (TypeError, ValueError):
        numbers = np.full(1, np.nan)
    if not np.isfinite(numbers).all() or (positive and (numbers <= 0.0).any()):
        raise ConfigError(
            f"Cannot use {setting}={value!r}. This is because it is one {'positive ' if positive else ''}number, or "
            f"one for each of the {len(inputs)} inputs. Try {setting}=1."
        )
    return numbers


def _check(setting: str, value: Any, least: float, why: str, instead: str) -> None:
    if isinstance(value, bool) or not isinstance(value, Real) or not least < float(value) < math.inf:
        raise ConfigError(
            f"Cannot use {setting}={value!r}. This is because {why}, so it must be above {least:g}. Try {instead}."
        )


def read_points(data: Any, inputs: Sequence[str]) -> NDArray[np.float64]:
    """Points [time, input] from a table or an array.

    Raises:
        DataError: see `MixtureNetwork.prepare`.
    """
    if hasattr(data, "columns"):
        absent = [name for name in inputs if name not in data.columns]
        if absent:
            raise DataError(
                f"Cannot read the data. This is because they have no column {', '.join(map(repr, absent))}. Try a "
                "table with a column for every input."
            )
        data = data[list(inputs)]
    try:
        values = np.asarray(data, np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"Cannot read the data. This is because not all are numbers ({error}). Try floats.") from None
    if values.ndim != 2 or values.shape[1] != len(inputs) or not len(values):
        raise DataError(
            f"Cannot read data of shape {values.shape}. This is because a mixture of {len(inputs)} inputs "
            f"takes rows of {len(inputs)} numbers. Try an array [time, input]."
        )
    if np.isinf(values).any():
        row = int(np.nonzero(np.isinf(values))[0][0])
        raise DataError(f"Cannot read the data. This is because row {row} is infinite. Try NaN for missing values.")
    return values
