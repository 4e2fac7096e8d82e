"""Nodes and edges as attribute dictionaries: networkx graphs and node-link JSON, in and out.

Design note. networkx, JSON and GraphML all hold a graph as named records with attributes. They are read and written by
this one file, so an attribute is spelled, checked and defaulted in one place. Reading is strict: an attribute that is
neither part of the schema nor a registered annotation is refused by name, because a misspelled parameter that is
silently ignored is the most expensive kind of error.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any, Literal, TypeAlias, TypeVar

import networkx as nx

from sostruct.errors import GraphError
from sostruct.graph.elements import Edge, Node
from sostruct.graph.schema import ANNOTATIONS, EDGE_ATTRIBUTES, checked_name, node_kind, node_kinds, quoted

Notes: TypeAlias = Mapping[str, float]
"""Annotations by name."""
_Element = TypeVar("_Element", Node, Edge)
Noted: TypeAlias = tuple[_Element, Notes]
"""A node or an edge with its annotations."""
Records: TypeAlias = tuple[
    Iterable[tuple[Any, Mapping[str, Any]]],
    Iterable[tuple[Any, Any, Mapping[str, Any]]],
]
"""(name, attributes) of every node and (source, target, attributes) of every edge, unchecked."""

_TO_JSON = {"nan": None, "inf": "inf", "-inf": "-inf"}
_FROM_JSON = {None: math.nan, "inf": math.inf, "-inf": -math.inf}


def read_node(name: object, attributes: Mapping[str, Any]) -> Noted[Node]:
    """A node and its annotations from its attributes.

    Raises:
        GraphError: `kind` is missing or unknown, or an attribute is neither a parameter of it nor an annotation.
    """
    name = checked_name(name, "node")
    if "kind" not in attributes:
        raise GraphError(
            f"Cannot read node {name!r}. This is because it has no attribute 'kind'. "
            f"Try kind= one of {quoted(kind.name for kind in node_kinds())}."
        )
    known = ANNOTATIONS["node"] - node_kind_parameters(attributes["kind"])
    rest = {key: value for key, value in attributes.items() if key != "kind" and key not in known}
    notes = {key: attributes[key] for key in known & attributes.keys()}
    return Node(name, attributes["kind"], rest), _checked_notes(f"node {name!r}", notes)


def node_kind_parameters(kind: str) -> frozenset[str]:
    """The parameter names of a kind, none if it is unknown (`Node` says so with the node's name)."""
    try:
        return frozenset(node_kind(kind).parameters)
    except GraphError:
        return frozenset()


def read_edge(source: object, target: object, attributes: Mapping[str, Any]) -> Noted[Edge]:
    """An edge and its annotations from its attributes.

    Raises:
        GraphError: an attribute does not follow the schema, or is neither part of it nor an annotation.
    """
    notes, given = {}, {}
    for key, value in attributes.items():
        if key in EDGE_ATTRIBUTES:
            given[key] = value
        elif key in ANNOTATIONS["edge"]:
            notes[key] = value
        else:
            raise GraphError(
                f"Cannot read edge {source} -> {target}. This is because its attribute {key!r} is unknown. "
                f"Try one of {quoted(EDGE_ATTRIBUTES)}, or the annotations {quoted(ANNOTATIONS['edge'])}."
            )
    edge = Edge(source, target, **given)  # type: ignore[arg-type]
    return edge, _checked_notes(f"edge {edge}", notes) if notes else notes


def _checked_notes(owner: str, notes: Mapping[str, Any]) -> Notes:
    plain: dict[str, float] = {}
    for key in sorted(notes):
        value = notes[key]
        if isinstance(value, bool) or not isinstance(value, Real):
            raise GraphError(
                f"Cannot read {owner}. This is because its annotation {key!r} is {value!r} of type "
                f"{type(value).__name__}, and annotations are numbers. Try a float."
            )
        plain[key] = int(value) if isinstance(value, Integral) else float(value) + 0.0
    return plain


def read_graph_records(source: Records) -> tuple[list[Noted[Node]], list[Noted[Edge]]]:
    """Every node and edge with its annotations, in the order of the records; each is checked, their relations are not.

    Raises:
        GraphError: a record does not follow the schema.
    """
    nodes, edges = source
    return [read_node(*record) for record in nodes], [read_edge(*record) for record in edges]


def networkx_records(graph: nx.DiGraph) -> Records:
    """The records of a networkx graph.

    Raises:
        GraphError: it is not a directed networkx graph.
    """
    if not isinstance(graph, nx.DiGraph):
        raise GraphError(
            f"Cannot read a graph from {type(graph).__name__}. This is because edges point from cause to effect. "
            f"Try a networkx.MultiDiGraph (mark='undirected' for an edge without orientation)."
        )
    return graph.nodes(data=True), graph.edges(data=True)


def node_link_records(data: Any, task: str = "read the graph") -> Records:
    """The records of node-link data, as `node_link` or `networkx.node_link_data(graph, edges="edges")` gives it.

    Args:
        data: decoded JSON.
        task: what is being done, for the error message: "Cannot {task}. This is because ...".

    Raises:
        GraphError: it is not node-link data of a directed graph.
    """
    nodes, edges = _listed(data, "nodes", task), _listed(data, "edges", task)
    if data.get("directed") is not True:
        raise GraphError(
            f"Cannot {task}. This is because its JSON does not say 'directed': true, and edges point from cause to "
            f"effect. Try writing a networkx.MultiDiGraph."
        )
    return (
        [(record.get("id"), _attributes(record, "node", {"id"})) for record in nodes],
        [
            (record.get("source"), record.get("target"), _attributes(record, "edge", {"source", "target", "key"}))
            for record in edges
        ],
    )


def _listed(data: Any, field: str, task: str) -> list[dict[str, Any]]:
    records = data.get(field) if isinstance(data, dict) else None
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise GraphError(
            f"Cannot {task}. This is because its JSON has no list of records {field!r}, so it is not "
            f'node-link data. Try networkx.node_link_data(graph, edges="edges").'
        )
    return records


def _attributes(record: dict[str, Any], owner: Literal["node", "edge"], ends: set[str]) -> dict[str, Any]:
    notes = ANNOTATIONS[owner]
    return {
        key: _FROM_JSON.get(value, value) if key in notes and (value is None or isinstance(value, str)) else value
        for key, value in record.items()
        if key not in ends
    }


def node_attributes(node: Node) -> dict[str, Any]:
    """A node's attributes as a networkx graph holds them."""
    return {"kind": node.kind, **dict(node.parameters)}


def edge_attributes(edge: Edge) -> dict[str, Any]:
    """An edge's attributes as a networkx graph holds them; `connections` only where some are missing."""
    found = {attribute: getattr(edge, attribute) for attribute in EDGE_ATTRIBUTES}
    return found if edge.connections else {name: value for name, value in found.items() if name != "connections"}


def edge_label(edge: Edge) -> str:
    """The key of an edge between its two nodes in a MultiDiGraph."""
    return f"{edge.coupling}:{edge.lag}"


def to_networkx(nodes: Iterable[Noted[Node]], edges: Iterable[Noted[Edge]]) -> nx.MultiDiGraph:
    """A networkx graph of these nodes and edges with their annotations, in this order."""
    graph = nx.MultiDiGraph()
    graph.add_nodes_from((node.name, {**node_attributes(node), **notes}) for node, notes in nodes)
    graph.add_edges_from(
        (edge.source, edge.target, edge_label(edge), {**edge_attributes(edge), **notes}) for edge, notes in edges
    )
    return graph


def node_link(nodes: Iterable[Noted[Node]], edges: Iterable[Noted[Edge]]) -> dict[str, Any]:
    """These nodes and edges with their annotations as node-link data; annotations that are not finite become JSON."""
    return {
        "directed": True,
        "multigraph": True,
        "graph": {},
        "nodes": [{"id": node.name} | node_attributes(node) | _jsonable(notes) for node, notes in nodes],
        "edges": [
            {"source": edge.source, "target": edge.target, "key": edge_label(edge)}
            | edge_attributes(edge)
            | _jsonable(notes)
            for edge, notes in edges
        ],
    }


def _jsonable(notes: Notes) -> dict[str, float | str | None]:
    return {key: value if math.isfinite(value) else _TO_JSON[repr(value)] for key, value in notes.items()}


def encode(data: Any) -> str:
    """Canonical JSON: sorted keys, no spaces, shortest exact floats."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def decode(text: str | bytes, task: str = "read the graph") -> Any:
    """Strict JSON in UTF-8: NaN and Infinity are refused, as the standard has it.

    Args:
        text: the JSON.
        task: what is being done, for the error message: "Cannot {task}. This is because ...".

    Raises:
        GraphError: the text is not JSON; the message says where.
    """

    def refuse(constant: str) -> None:
        raise ValueError(f"it holds {constant}")

    try:
        return json.loads(text.decode() if isinstance(text, bytes) else text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise GraphError(
            f"Cannot {task}. This is because its text is not JSON: {error}. Try a file that sostruct wrote."
        ) from None
