"""Draft: a mutable working copy of a topology, on which one batch of edits is carried out.

Design note. A topology is frozen, so a thousand edits one by one would sort and index it a thousand times. A draft
copies its two indexes once, takes every edit in constant time, and is frozen once. Facts about one edit (the node is
there, the edge is not) are checked at once and in order; acyclicity is a fact about the result and is checked at the
end, so a batch may turn an edge around in any order. The draft is thrown away when an edit does not fit, which is why
nothing is ever half applied.
"""

from __future__ import annotations

from typing import Any, final

from sostruct.graph.elements import Edge, EdgeKey, Node
from sostruct.graph.topology import Topology, find_cycle


class MisfitError(Exception):
    """An edit that does not fit its graph: why, and what to try. `edits.apply` adds which edit it was."""

    def __init__(self, why: str, remedy: str) -> None:
        super().__init__(why, remedy)
        self.why = why
        self.remedy = remedy


@final
class Draft:
    """A topology under revision.

    Args:
        topology: where it starts; it is not changed.
    """

    __slots__ = ("_edges", "_edges_unsorted", "_incident", "_nodes", "_nodes_unsorted", "_start", "_touched", "cause")

    def __init__(self, topology: Topology) -> None:
        self._start = topology
        self._nodes: dict[str, Node] = dict(topology._node_index)
        self._edges: dict[EdgeKey, Edge] = dict(topology._edge_index)
        self._incident: dict[str, set[EdgeKey]] | None = None
        self._nodes_unsorted = False
        self._edges_unsorted = False
        self._touched = False
        self.cause: dict[EdgeKey, Any] = {}
        """Directed edges at lag 0 added so far; the value is for the caller, who knows which edit it was."""

    def node(self, name: str) -> Node:
        """The node of that name, or a MisfitError."""
        try:
            return self._nodes[name]
        except KeyError:
            raise MisfitError(
                f"the graph has no node {name!r}", "the name of a node that is there, or adding it first"
            ) from None

    def edge(self, key: EdgeKey) -> Edge:
        """The edge of that key, or a MisfitError."""
        edge = self._edges.get(key)
        if edge is not None:
            return edge
        source, target, coupling, lag = key
        turned = self._edges.get((target, source, coupling, lag))
        raise MisfitError(
            "the graph has no such edge",
            f"{turned}, which is there" if turned is not None else "an edge that is there, with its coupling and lag",
        )

    def incident(self, name: str) -> list[Edge]:
        """Every edge at a node, in and out, in canonical order."""
        if self._incident is None:
            self._incident = {name: set() for name in self._nodes}
            for source, target, coupling, lag in self._edges:
                self._incident[source].add((source, target, coupling, lag))
                self._incident[target].add((source, target, coupling, lag))
        return [self._edges[key] for key in sorted(self._incident[name])]

    def add_node(self, node: Node) -> None:
        """Add a node, or a `MisfitError` if the name is taken."""
        if node.name in self._nodes:
            raise MisfitError(f"a node {node.name!r} is there already", "another name, or setting its parameters")
        self._nodes[node.name] = node
        if self._incident is not None:
            self._incident[node.name] = set()
        self._touched = self._nodes_unsorted = True

    def remove_node(self, name: str) -> None:
        """Remove a node that has no edges any more."""
        del self._nodes[name]
        self._touched = True

    def replace_node(self, node: Node) -> None:
        """Give a node other parameters."""
        self._nodes[node.name] = node
        self._touched = True

    def add_edge(self, edge: Edge, cause: object = None) -> None:
        """Add an edge, or a `MisfitError` if an end is missing or its key is taken."""
        key = edge.key
        if edge.source not in self._nodes:
            self.node(edge.source)
        if edge.target not in self._nodes:
            self.node(edge.target)
        if key in self._edges:
            raise MisfitError(
                f"the edge {self._edges[key]} is there already, with the same coupling and lag",
                "setting its parameters, or another lag",
            )
        self._edges[key] = edge
        if edge.lag == 0 and edge.mark == "directed":
            self.cause[key] = cause
        if self._incident is not None:
            self._incident[edge.source].add(key)
            self._incident[edge.target].add(key)
        self._touched = self._edges_unsorted = True

    def remove_edge(self, key: EdgeKey) -> Edge:
        """Remove an edge and return it, or a `MisfitError` if it is not there."""
        edge = self.edge(key)
        del self._edges[key]
        self.cause.pop(key, None)
        if self._incident is not None:
            self._incident[edge.source].discard(key)
            self._incident[edge.target].discard(key)
        self._touched = True
        return edge

    def replace_edge(self, edge: Edge) -> None:
        """Give an edge another strength or function."""
        self._edges[edge.key] = edge
        self._touched = True

    def cycle(self) -> tuple[str, ...] | None:
        """A cycle at lag 0 that the edges added so far have closed, or None."""
        return find_cycle(self._nodes, self._edges.values()) if self.cause else None

    def freeze(self) -> Topology:
        """The topology as it stands; the draft must not be used any more."""
        if not self._touched:
            return self._start
        nodes = dict(sorted(self._nodes.items())) if self._nodes_unsorted else self._nodes
        edges = dict(sorted(self._edges.items())) if self._edges_unsorted else self._edges
        return Topology._trusted(nodes, edges)
