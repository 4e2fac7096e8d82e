"""Topology: the frozen, canonical, hashable view of a graph.

Design note. A networkx graph is the user's; it is mutable, has no equality and no order. A `Topology` is the same
content sorted by name and key, so that equal graphs are equal, hash equal and serialize to equal bytes. It is what
controllers and journals hold. It never reaches a compiled function: `packing` turns it into arrays for that.

The public constructor checks everything. `_trusted` checks nothing and is for edits, which have checked what they
touch: a batch on a large graph costs a sort of nearly sorted keys, not a second validation.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import networkx as nx

from sostruct.errors import GraphError
from sostruct.graph.elements import Edge, EdgeKey, Node, key_text
from sostruct.graph.records import (
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

__all__ = ["Edge", "EdgeKey", "Node", "Topology", "find_cycle", "validate"]


@final
@dataclass(frozen=True, eq=False, repr=False)
class Topology:
    """A graph as a value: nodes sorted by name, edges sorted by key.

    Args:
        nodes: in any order.
        edges: in any order; between nodes that are there.

    Raises:
        GraphError: see `validate`.
    """

    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()

    def __post_init__(self) -> None:
        nodes, edges = tuple(self.nodes), tuple(self.edges)
        validate(nodes, edges)
        object.__setattr__(self, "nodes", tuple(sorted(nodes, key=lambda node: node.name)))
        object.__setattr__(self, "edges", tuple(sorted(edges, key=lambda edge: edge.key)))

    @classmethod
    def _trusted(cls, nodes: dict[str, Node], edges: dict[EdgeKey, Edge]) -> Topology:
        """A topology from indexes that are known to be valid and sorted; they must not be changed afterwards."""
        topology = object.__new__(cls)
        topology.__dict__.update(
            nodes=tuple(nodes.values()), edges=tuple(edges.values()), _node_index=nodes, _edge_index=edges
        )
        return topology

    @classmethod
    def from_networkx(cls, graph: nx.DiGraph) -> Topology:
        """The topology of a `networkx.MultiDiGraph` or `DiGraph` whose attributes follow the schema.

        Node attributes are `kind` and that kind's parameters; edge attributes `coupling`, `lag`, `mark`, `strength`
        and `function`; all but `kind` have defaults. Annotations (`schema.ANNOTATIONS`) are dropped.

        Raises:
            GraphError: the graph is undirected, or does not follow the schema; the message names the node or edge.
        """
        return cls._from_records(networkx_records(graph))

    def to_networkx(self) -> nx.MultiDiGraph:
        """A new `networkx.MultiDiGraph` with every attribute; the key of an edge is "coupling:lag"."""
        return to_networkx(*self._bare())

    @property
    def graph(self) -> nx.MultiDiGraph:
        """The same as `to_networkx()`."""
        return self.to_networkx()

    @classmethod
    def from_json(cls, text: str) -> Topology:
        """The topology in a node-link JSON text, as `to_json` or `networkx.node_link_data` writes it.

        Raises:
            GraphError: the text is not JSON, not a node-link graph, or the graph does not follow the schema.
        """
        return cls.from_node_link(decode(text))

    def to_json(self) -> str:
        """Canonical node-link JSON: equal topologies give equal bytes, and no others do."""
        return encode(self.node_link())

    def node_link(self) -> dict[str, Any]:
        """The node-link data behind `to_json`, for embedding in other JSON."""
        return node_link(*self._bare())

    @classmethod
    def from_node_link(cls, data: Any) -> Topology:
        """The topology of node-link data, see `from_json`.

        Raises:
            GraphError: see `from_json`.
        """
        return cls._from_records(node_link_records(data))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the nodes, sorted."""
        return tuple(self._node_index)

    @property
    def size(self) -> int:
        """The number of nodes."""
        return len(self.nodes)

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The names in the order of the directed edges at lag 0: every parent before its children."""
        return tuple(_sources_first(self._node_index, self.edges)[0])

    def __contains__(self, name: object) -> bool:
        return name in self._node_index

    def node(self, name: str) -> Node:
        """The node of that name.

        Raises:
            GraphError: there is none.
        """
        try:
            return self._node_index[name]
        except KeyError:
            raise self._missing(name) from None

    def edge(self, key: EdgeKey) -> Edge:
        """The edge with that (source, target, coupling, lag).

        Raises:
            GraphError: there is none.
        """
        try:
            return self._edge_index[key]
        except KeyError:
            raise GraphError(
                f"Cannot find the edge {key_text(key)}. This is because the graph has no edge with that source, "
                f"target, coupling and lag. Try {self._nearest(key)}."
            ) from None

    def has_edge(self, key: EdgeKey) -> bool:
        """Whether there is an edge with that (source, target, coupling, lag)."""
        return key in self._edge_index

    def parents(self, name: str) -> tuple[Edge, ...]:
        """The directed edges into a node, in canonical order, at all lags.

        Raises:
            GraphError: there is no such node.
        """
        return self._adjacency(name)[0]

    def children(self, name: str) -> tuple[Edge, ...]:
        """The directed edges out of a node, in canonical order, at all lags.

        Raises:
            GraphError: there is no such node.
        """
        return self._adjacency(name)[1]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Topology):
            return NotImplemented
        return self is other or (self.nodes == other.nodes and self.edges == other.edges)

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"Topology({len(self.nodes)} nodes, {len(self.edges)} edges)"

    def __reduce__(self) -> tuple[type[Topology], tuple[tuple[Node, ...], tuple[Edge, ...]]]:
        # Hashes of strings differ between processes, so no cache may travel.
        return (Topology, (self.nodes, self.edges))

    @classmethod
    def _from_records(cls, records: Records) -> Topology:
        nodes, edges = read_graph_records(records)
        return cls(tuple(node for node, _ in nodes), tuple(edge for edge, _ in edges))

    def _bare(self) -> tuple[list[tuple[Node, Notes]], list[tuple[Edge, Notes]]]:
        nothing: Notes = {}
        return [(node, nothing) for node in self.nodes], [(edge, nothing) for edge in self.edges]

    @cached_property
    def _hash(self) -> int:
        return hash((self.nodes, self.edges))

    @cached_property
    def _node_index(self) -> dict[str, Node]:
        return {node.name: node for node in self.nodes}

    @cached_property
    def _edge_index(self) -> dict[EdgeKey, Edge]:
        return {edge.key: edge for edge in self.edges}

    @cached_property
    def _neighbors(self) -> dict[str, tuple[tuple[Edge, ...], tuple[Edge, ...]]]:
        parents: dict[str, list[Edge]] = {name: [] for name in self._node_index}
        children: dict[str, list[Edge]] = {name: [] for name in self._node_index}
        for edge in self.edges:
            if edge.mark == "directed":
                parents[edge.target].append(edge)
                children[edge.source].append(edge)
        return {name: (tuple(parents[name]), tuple(children[name])) for name in parents}

    def _adjacency(self, name: str) -> tuple[tuple[Edge, ...], tuple[Edge, ...]]:
        try:
            return self._neighbors[name]
        except KeyError:
            raise self._missing(name) from None

    def _missing(self, name: object) -> GraphError:
        return GraphError(
            f"Cannot find the node {name!r}. This is because the graph has no node of that name. "
            f"Try {_some(self._node_index)}."
        )

    def _nearest(self, key: EdgeKey) -> str:
        ends = {key[0], key[1]}
        between = [str(edge) for edge in self.edges if {edge.source, edge.target} == ends]
        return ", ".join(between) if between else "another pair of nodes: nothing connects these two"


def validate(nodes: Iterable[Node], edges: Iterable[Edge]) -> None:
    """Check what only a whole graph can say; each node and edge is valid by itself already.

    Raises:
        GraphError: two nodes share a name, two edges share a key, an edge ends at a node that is not there, or the
            directed edges at lag 0 form a cycle. The message names them.
    """
    names: set[str] = set()
    for node in nodes:
        if node.name in names:
            raise GraphError(
                f"Cannot build the graph. This is because two nodes are named {node.name!r}. Try distinct names."
            )
        names.add(node.name)
    keys: set[EdgeKey] = set()
    edges = tuple(edges)
    for edge in edges:
        for end in (edge.source, edge.target):
            if end not in names:
                raise GraphError(
                    f"Cannot build the graph. This is because the edge {edge} needs a node {end!r}, which is not "
                    f"there. Try adding it first, or {_some(names)}."
                )
        key = edge.key
        if key in keys:
            raise GraphError(
                f"Cannot build the graph. This is because the edge {edge} is there twice: same source, target, "
                f"coupling and lag. Try one edge with the combined strength."
            )
        keys.add(key)
    cycle = find_cycle(names, edges)
    if cycle is not None:
        raise GraphError(f"Cannot build the graph. {cycle_text(cycle)}")


def find_cycle(names: Iterable[str], edges: Iterable[Edge]) -> tuple[str, ...] | None:
    """A cycle of the directed edges at lag 0, as the names along it, or None; deterministic."""
    order, parents = _sources_first(names, edges)
    if len(order) == len(parents):
        return None
    left = parents.keys() - set(order)
    path: dict[str, None] = {}
    name = min(left)
    while name not in path:
        path[name] = None
        name = min(parent for parent in parents[name] if parent in left)
    walked = list(path)
    cycle = walked[walked.index(name) :][::-1]
    first = cycle.index(min(cycle))
    return tuple(cycle[first:] + cycle[:first])


def cycle_text(cycle: tuple[str, ...]) -> str:
    """The second and third sentence of an error about a cycle."""
    around = " -> ".join((*cycle, cycle[0]))
    return (
        f"This is because the directed edges at lag 0 form a cycle: {around}. "
        f"Try removing one of them, or giving one a lag of 1 or more."
    )


def _sources_first(names: Iterable[str], edges: Iterable[Edge]) -> tuple[list[str], dict[str, list[str]]]:
    """Kahn's algorithm on the directed edges at lag 0: the names that can be ordered, and everyone's parents."""
    parents: dict[str, list[str]] = {name: [] for name in names}
    children: dict[str, list[str]] = {}
    for edge in edges:
        if edge.lag == 0 and edge.mark == "directed":
            parents[edge.target].append(edge.source)
            children.setdefault(edge.source, []).append(edge.target)
    waiting = {name: len(above) for name, above in parents.items()}
    ready = deque(name for name, count in waiting.items() if count == 0)
    order: list[str] = []
    while ready:
        name = ready.popleft()
        order.append(name)
        for child in children.get(name, ()):
            waiting[child] -= 1
            if waiting[child] == 0:
                ready.append(child)
    return order, parents


def _some(names: Iterable[str], limit: int = 12) -> str:
    known = sorted(names)
    if not known:
        return "adding nodes first: there are none"
    return f"one of {quoted(known[:limit])}" + (f" and {len(known) - limit} more" if len(known) > limit else "")
