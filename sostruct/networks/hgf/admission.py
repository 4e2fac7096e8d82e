"""Which graphs a belief network can filter, said before anything is packed.

The schema knows what a graph is; this file knows what a filter needs of one: kinds that hold beliefs, couplings that
act within a step, and inputs that are leaves. Functions on edges may come as Python functions and leave as names.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import networkx as nx
import numpy as np

from sostruct.errors import ConfigError, GraphError
from sostruct.graph import Edge, Topology
from sostruct.graph.schema import quoted
from sostruct.networks.hgf.couplings import FUNCTIONS, register_function
from sostruct.networks.hgf.kinds import KINDS
from sostruct.networks.hgf.kinds.base import AbstractInput, AbstractLatent, AbstractVariable
from sostruct.networks.hgf.layout import COLUMNS
from sostruct.networks.hgf.variables.names import variables_of


def read_topology(graph: nx.DiGraph | Topology) -> Topology:
    """The topology of a graph whose edges may hold coupling functions themselves instead of their names.

    Raises:
        GraphError: the graph does not follow the schema, or a function has no name of its own.
    """
    if isinstance(graph, Topology):
        return graph
    called = [
        (source, target, attributes["function"])
        for source, target, attributes in graph.edges(data=True)
        if callable(attributes.get("function"))
    ]
    if called:
        names = {id(function): _registered(source, target, function) for source, target, function in called}
        graph = graph.copy()
        for _, _, attributes in graph.edges(data=True):
            function = attributes.get("function")
            if callable(function):
                attributes["function"] = names[id(function)]
    return Topology.from_networkx(graph)


def read_inputs(topology: Topology, inputs: Sequence[str] | None) -> tuple[str, ...]:
    """The observed leaves, in the order of the data's columns: by default every leaf but constants, sorted by name.

    Raises:
        GraphError: there is none, or one is unknown, named twice, not a leaf, or of a kind that is not observed; or a
            node is of a kind without beliefs.
    """
    _check_kinds(topology)
    if inputs is None:
        chosen = tuple(
            node.name
            for node in topology.nodes
            if not topology.children(node.name) and isinstance(KINDS[node.kind], AbstractInput)
        )
    elif isinstance(inputs, str):
        raise GraphError(
            f"Cannot use inputs={inputs!r}. This is because it is one string, and inputs are a list of names. "
            f"Try inputs=[{inputs!r}]."
        )
    else:
        chosen = tuple(inputs)
    if not chosen:
        raise GraphError(
            "Cannot filter a graph without inputs. This is because beliefs change only by what is observed. "
            "Try a node without children, of the kind 'continuous' or 'binary', among the inputs."
        )
    seen: set[str] = set()
    for name in chosen:
        _check_input(topology, name, name in seen)
        seen.add(name)
    return chosen


def check_graph(topology: Topology, inputs: tuple[str, ...]) -> None:
    """Refuse what a filter cannot express; `inputs` are as `read_inputs` returns them.

    Raises:
        GraphError: a kind without beliefs, a coupling that does not act within a step or has no effect, a parent that
            is not a state, a child that cannot have such parents, a function that is known by name alone, a node
            that can only be observed and is not an input, or inputs whose names make no variable.
    """
    _check_kinds(topology)
    _check_variables(topology, inputs)
    observed = frozenset(inputs)
    for node in topology.nodes:
        if node.name not in observed and not _can_hide(node.kind):
            raise _unobservable(topology, node.name, node.kind)
    for edge in topology.edges:
        _check_edge(topology, edge, observed)


def check_choice(setting: str, value: object, choices: Sequence[object]) -> None:
    """Refuse a setting that is not one of the choices, the first of which is the default.

    Raises:
        ConfigError: it is not.
    """
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        raise ConfigError(
            f"Cannot use {setting}={value!r}. This is because {setting} is one of "
            f"{', '.join(repr(choice) for choice in choices)}. Try {choices[0]!r}."
        )


@cache
def takes_parent(kind: str, coupling: str) -> bool:
    """Whether nodes of a kind take couplings of this sort."""
    known = KINDS[kind]
    if isinstance(known, AbstractLatent) and not known.caused:
        return False
    return coupling == "value" or not isinstance(known, AbstractInput) or known.noisy


@cache
def _can_hide(kind: str) -> bool:
    return isinstance(KINDS[kind], AbstractLatent)


def _check_kinds(topology: Topology) -> None:
    for node in topology.nodes:
        if node.kind not in KINDS:
            raise GraphError(
                f"Cannot filter with the node {node.name!r}. This is because its kind {node.kind!r} holds no belief. "
                f"Try one of {quoted(KINDS)}."
            )


def _check_variables(topology: Topology, inputs: tuple[str, ...]) -> None:
    kinds = {name: KINDS[topology.node(name).kind] for name in inputs}
    observed = {name: kind for name, kind in kinds.items() if isinstance(kind, AbstractInput)}
    if not any(isinstance(kind, AbstractVariable) for kind in observed.values()):
        return
    most = max(COLUMNS.values())
    for variable in variables_of(inputs, observed):
        if len(variable.columns) > most:
            raise GraphError(
                f"Cannot observe {variable.name!r}. This is because it has {len(variable.columns)} columns, and every "
                f"step factors a matrix of that size for at most {most}. Try several variables."
            )


def _registered(source: Any, target: Any, function: Any) -> str:
    """The name under which a function on an edge is known from now on."""
    name = getattr(function, "__name__", None)
    if not isinstance(name, str) or name == "<lambda>":
        raise GraphError(
            f"Cannot use the function on the edge {source} -> {target}. This is because it has no name of its own, and "
            "graphs refer to functions by name. Try sostruct.register_function(name, function) and that name."
        )
    if isinstance(function, np.ufunc):
        raise GraphError(
            f"Cannot use the function {name!r} on the edge {source} -> {target}. This is because it is NumPy's, which "
            f"cannot be differentiated. Try jax.numpy.{name}."
        )
    return register_function(name, function).name


def _check_input(topology: Topology, name: str, again: bool) -> None:
    if name not in topology:
        raise GraphError(
            f"Cannot observe {name!r}. This is because the graph has no node of that name. "
            f"Try some of {quoted(leaf for leaf in topology.names if not topology.children(leaf))}."
        )
    if again:
        raise GraphError(
            f"Cannot observe {name!r} twice. This is because every input is one column of the data. Try naming it once."
        )
    children = topology.children(name)
    if children:
        raise GraphError(
            f"Cannot observe {name!r}. This is because it has the child {children[0].target!r}, and inputs are leaves. "
            f"Try a latent parent of both, or leaving {name!r} out of the inputs."
        )
    kind = topology.node(name).kind
    if not isinstance(KINDS[kind], AbstractInput):
        raise GraphError(
            f"Cannot observe {name!r}. This is because its kind {kind!r} is not one that can be observed. "
            f"Try one of {quoted(known for known in KINDS if isinstance(KINDS[known], AbstractInput))}."
        )


def _unobservable(topology: Topology, name: str, kind: str) -> GraphError:
    children = topology.children(name)
    if children:
        return GraphError(
            f"Cannot use {name!r} as a parent of {children[0].target!r}. This is because its kind {kind!r} can only be "
            "observed. Try a continuous parent of both."
        )
    return GraphError(
        f"Cannot leave {name!r} unobserved. This is because its kind {kind!r} can only be observed, and it is not "
        "among the inputs. Try naming it as an input when the network is built, or removing it."
    )


def _check_edge(topology: Topology, edge: Edge, observed: frozenset[str]) -> None:
    if edge.lag or edge.mark != "directed":
        raise GraphError(
            f"Cannot filter with the edge {edge} ({edge.mark}). This is because beliefs carry the past themselves and "
            "a coupling acts from parent to child within a step. Try a directed edge at lag 0."
        )
    if edge.source in observed:
        raise GraphError(
            f"Cannot filter with the edge {edge}. This is because {edge.source!r} is an input, and inputs are leaves. "
            "Try a latent parent of both."
        )
    kind = topology.node(edge.target).kind
    if not takes_parent(kind, edge.coupling):
        raise GraphError(
            f"Cannot filter with the edge {edge}. This is because {edge.target!r} is of the kind {kind!r}, which has "
            f"no {edge.coupling} parents. Try another child."
        )
    if edge.function not in FUNCTIONS:
        raise GraphError(
            f"Cannot filter with the function {edge.function!r} on the edge {edge}. This is because a filter needs its "
            f"derivatives. Try sostruct.register_function({edge.function!r}, ...), or one of {quoted(FUNCTIONS)}."
        )
    if edge.coupling == "volatility" and edge.function != "identity":
        raise GraphError(
            f"Cannot filter with the function {edge.function!r} on the edge {edge}. This is because a volatility "
            "parent enters through the exponential alone. Try leaving the function out."
        )
