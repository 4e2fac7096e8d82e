"""Graphs on disk: node-link JSON, GraphML and DOT, chosen by the suffix of the file.

Design note. What is written is always the canonical form of the graph, with its annotations: equal graphs are equal
files, and a file that was read follows the schema. JSON and GraphML are read back; DOT is for drawing programs and is
only written.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import TypeVar
from xml.etree.ElementTree import ParseError

import networkx as nx

from sostruct.errors import GraphError, RunError
from sostruct.graph.elements import Edge, Node
from sostruct.graph.files import write_atomically
from sostruct.graph.records import (
    Noted,
    Notes,
    Records,
    decode,
    encode,
    networkx_records,
    node_link,
    node_link_records,
    read_graph_records,
    to_networkx,
)
from sostruct.graph.schema import quoted
from sostruct.graph.topology import Topology

_Format = TypeVar("_Format")
_Content = tuple[list[Noted[Node]], list[Noted[Edge]]]
# What XML 1.0 cannot hold, escaped or not.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_graph(graph: nx.DiGraph | Topology, path: str | Path) -> None:
    """Write a graph with its annotations, atomically, in the format that the suffix names.

    Args:
        graph: a topology, or a networkx graph that follows the schema.
        path: ends in .json, .graphml or .dot.

    Raises:
        GraphError: the suffix is unknown, or the graph does not follow the schema or fit the format.
        RunError: the file cannot be written.
    """
    write = _format(path, _WRITERS, "write")
    write_atomically(path, write(_content(graph.graph if isinstance(graph, Topology) else graph)))


def read_graph(path: str | Path) -> nx.MultiDiGraph:
    """Read a graph with its annotations; every attribute of the schema is there, defaults filled in.

    Args:
        path: ends in .json or .graphml.

    Raises:
        GraphError: the suffix is unknown, or the file does not hold a graph that follows the schema.
        RunError: the file cannot be read.
    """
    read = _format(path, _READERS, "read")
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise RunError(
            f"Cannot read the graph {str(path)!r}. This is because of {error}. Try the path of an existing file."
        ) from None
    task = f"read the graph {str(path)!r}"
    records = read(content, task)
    try:
        return to_networkx(*_checked(records))
    except GraphError as error:
        raise GraphError(f"Cannot {task}. {error}") from None


def to_dot(graph: nx.DiGraph | Topology) -> str:
    """A graph in the DOT language: lags and nats as labels, volatility couplings dashed, marks as arrow ends.

    Raises:
        GraphError: the graph does not follow the schema.
    """
    return _write_dot(_content(graph.graph if isinstance(graph, Topology) else graph))


def _content(graph: nx.DiGraph) -> _Content:
    return _checked(networkx_records(graph))


def _checked(records: Records) -> _Content:
    """Nodes and edges with annotations in canonical order, known to make a valid graph."""
    nodes, edges = read_graph_records(records)
    Topology(tuple(node for node, _ in nodes), tuple(edge for edge, _ in edges))
    return sorted(nodes, key=lambda noted: noted[0].name), sorted(edges, key=lambda noted: noted[0].key)


def _write_dot(content: _Content) -> str:
    nodes, edges = content
    lines = ["digraph {"]
    lines += [f"  {_dot_string(node.name)}{_dot_attributes(_dot_comment(notes))};" for node, notes in nodes]
    for edge, notes in edges:
        label = [f"lag {edge.lag}"] if edge.lag else []
        label += [f"{notes['nats']:.4g} nats"] if "nats" in notes else []
        attributes = {"label": ", ".join(label)} if label else {}
        if edge.mark != "directed":
            attributes["dir"] = {"undirected": "none", "bidirected": "both"}[edge.mark]
        if edge.coupling == "volatility":
            attributes["style"] = "dashed"
        text = _dot_attributes(attributes | _dot_comment(notes))
        lines.append(f"  {_dot_string(edge.source)} -> {_dot_string(edge.target)}{text};")
    return "\n".join([*lines, "}", ""])


def _dot_comment(notes: Notes) -> dict[str, str]:
    # Under their own names some annotations would be layout hints: "weight" pulls the ends of an edge together.
    return {"comment": ", ".join(f"{name}={notes[name]!r}" for name in sorted(notes))} if notes else {}


def _dot_attributes(attributes: dict[str, str]) -> str:
    text = ", ".join(f"{name}={_dot_string(value)}" for name, value in attributes.items())
    return f" [{text}]" if text else ""


def _dot_string(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _write_json(content: _Content) -> str:
    return encode(node_link(*content)) + "\n"


def _read_json(content: bytes, task: str) -> Records:
    return node_link_records(decode(content, task), task)


def _write_graphml(content: _Content) -> bytes:
    for node, _ in content[0]:
        bad = _NOT_XML.search(node.name)
        if bad:
            raise GraphError(
                f"Cannot write the node {node.name!r} as GraphML. This is because XML has no way to hold the "
                f"character {bad.group()!r}. Try the suffix .json."
            )
    buffer = BytesIO()
    nx.write_graphml_xml(to_networkx(*content), buffer, encoding="utf-8", prettyprint=True)
    return buffer.getvalue() + b"\n"


def _read_graphml(content: bytes, task: str) -> Records:
    try:
        graph = nx.read_graphml(BytesIO(content), force_multigraph=True)
    except (ParseError, nx.NetworkXError, ValueError, KeyError) as error:
        raise GraphError(
            f"Cannot {task}. This is because it is not GraphML: {error}. Try a file that sostruct or networkx wrote."
        ) from None
    return networkx_records(graph)


def _format(path: str | Path, formats: dict[str, _Format], verb: str) -> _Format:
    suffix = Path(path).suffix.lower()
    if suffix not in formats:
        raise GraphError(
            f"Cannot {verb} the graph {str(path)!r}. This is because no format to {verb} has the suffix {suffix!r}. "
            f"Try {quoted(formats)}."
        )
    return formats[suffix]


_WRITERS: dict[str, Callable[[_Content], str | bytes]] = {
    ".json": _write_json,
    ".graphml": _write_graphml,
    ".dot": _write_dot,
}
_READERS: dict[str, Callable[[bytes, str], Records]] = {".json": _read_json, ".graphml": _read_graphml}
