"""Random valid graphs and edits, and a plain-dictionary model of a graph that says what every edit must do.

The generators draw from a `random.Random`. Under hypothesis that is one it controls and can shrink; in bulk tests it is
seeded, which makes thousands of sequences cheap. The model shares no code with the package: it is the oracle.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from hypothesis import strategies as st

from sostruct.graph import (
    AbstractEdit,
    AddEdge,
    AddNode,
    Capacity,
    Edge,
    Node,
    RemoveEdge,
    RemoveNode,
    Rewire,
    SetParameters,
    Topology,
    function_names,
    node_kind,
    node_kinds,
)

NAMES = (
    "a",
    "b",
    "c",
    "d",
    "x_10",
    "x_2",
    "Größe",
    "US GDP (%)",
    'q"uote',
    "back\\slash",
    "two\nlines",
    "\u2028",
    "名",
)
NUMBERS = (-3.0, -0.5, -0.0, 0.0, 0.1, 1.0, 2.5, 1e-300, 1e300, 0.1 + 0.2)
POSITIVE = tuple(number for number in NUMBERS if number > 0)


def edge_key(edge):
    return (edge.source, edge.target, edge.coupling, edge.lag)


def reaches(edges, start, goal):
    """Whether directed edges at lag 0 lead from one node to another."""
    below = {}
    for edge in edges:
        if edge.lag == 0 and edge.mark == "directed":
            below.setdefault(edge.source, []).append(edge.target)
    seen, ready = {start}, [start]
    while ready:
        name = ready.pop()
        if name == goal:
            return True
        new = [child for child in below.get(name, ()) if child not in seen]
        seen.update(new)
        ready.extend(new)
    return False


@dataclass
class Model:
    """A graph as two dictionaries, and the meaning of every edit on them."""

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: dict[tuple, Edge] = field(default_factory=dict)

    @classmethod
    def of(cls, topology):
        return cls({node.name: node for node in topology.nodes}, {edge_key(edge): edge for edge in topology.edges})

    def freeze(self):
        return Topology(tuple(self.nodes.values()), tuple(self.edges.values()))

    def do(self, edit):
        match edit:
            case AddNode(name, kind, parameters):
                self.nodes[name] = Node(name, kind, parameters)
            case RemoveNode(name):
                del self.nodes[name]
                self.edges = {key: edge for key, edge in self.edges.items() if name not in key[:2]}
            case AddEdge(edge):
                self.edges[edge_key(edge)] = edge
            case RemoveEdge(source, target, coupling, lag):
                del self.edges[source, target, coupling, lag]
            case Rewire(remove, add):
                self.do(remove)
                self.do(add)
            case SetParameters(str() as name, parameters):
                node = self.nodes[name]
                self.nodes[name] = Node(name, node.kind, dict(node.parameters) | dict(parameters))
            case SetParameters(key, parameters):
                edge = self.edges[key]
                new = dict(parameters)
                self.edges[key] = Edge(
                    edge.source,
                    edge.target,
                    edge.coupling,
                    edge.lag,
                    edge.mark,
                    new.get("strength", edge.strength),
                    new.get("function", edge.function),
                )


def random_parameters(rng, kind):
    known = node_kind(kind)
    chosen = [name for name in known.parameters if rng.random() < 0.4]
    return {name: rng.choice(POSITIVE if name in known.positive else NUMBERS) for name in chosen}


def random_edge(rng, model, directed_only=False):
    """An edge that fits the model, or None if this draw does not."""
    source, target = rng.choice(sorted(model.nodes)), rng.choice(sorted(model.nodes))
    lag = rng.choice((0, 0, 1, 2, 7))
    mark = "directed" if directed_only or rng.random() < 0.7 else rng.choice(("undirected", "bidirected"))
    if lag == 0 and source == target:
        return None
    if lag == 0 and mark == "directed" and reaches(model.edges.values(), target, source):
        return None
    coupling = rng.choice(("value", "value", "volatility"))
    edge = Edge(source, target, coupling, lag, mark, rng.choice(NUMBERS), rng.choice(function_names()))
    return None if edge_key(edge) in model.edges else edge


def random_node(rng, model):
    free = [name for name in NAMES if name not in model.nodes]
    if not free:
        return None
    kind = rng.choice([kind.name for kind in node_kinds()])
    return AddNode(rng.choice(free), kind, random_parameters(rng, kind))


def random_topology(rng, most_nodes=8, most_edges=16, directed_only=False):
    model = Model()
    for _ in range(rng.randint(0, most_nodes)):
        edit = random_node(rng, model)
        if edit is not None:
            model.do(edit)
    for _ in range(rng.randint(0, most_edges) if model.nodes else 0):
        edge = random_edge(rng, model, directed_only)
        if edge is not None:
            model.do(AddEdge(edge))
    return model.freeze()


def random_edit(rng, model, directed_only=False) -> AbstractEdit | None:
    """An edit that fits the model, or None if this draw does not."""
    which = rng.choice(
        (AddNode, RemoveNode, AddEdge, AddEdge, AddEdge, RemoveEdge, Rewire, SetParameters, SetParameters)
    )
    keys = sorted(model.edges)
    if which is AddNode:
        return random_node(rng, model)
    if not model.nodes:
        return None
    if which is RemoveNode:
        return RemoveNode(rng.choice(sorted(model.nodes)))
    if which is AddEdge:
        edge = random_edge(rng, model, directed_only)
        return None if edge is None else AddEdge(edge)
    if which is SetParameters and (not keys or rng.random() < 0.5):
        name = rng.choice(sorted(model.nodes))
        parameters = random_parameters(rng, model.nodes[name].kind)
        return SetParameters(name, parameters) if parameters else None
    if not keys:
        return None
    key = rng.choice(keys)
    if which is RemoveEdge:
        return RemoveEdge(*key)
    if which is SetParameters:
        return SetParameters(key, {"strength": rng.choice(NUMBERS), "function": rng.choice(function_names())})
    rest = Model(model.nodes, {other: edge for other, edge in model.edges.items() if other != key})
    edge = random_edge(rng, rest, directed_only)
    return None if edge is None else Rewire(RemoveEdge(*key), AddEdge(edge))


def random_batch(rng, topology, most=10, directed_only=False):
    """A batch of edits that fits a topology, and the topology that must come of it."""
    model = Model.of(topology)
    batch = []
    for _ in range(rng.randint(0, most)):
        edit = random_edit(rng, model, directed_only)
        if edit is not None:
            model.do(edit)
            batch.append(edit)
    return tuple(batch), model.freeze()


def seeded(count):
    """Independent generators for a bulk test."""
    return (random.Random(seed) for seed in range(count))


@st.composite
def topologies(draw, **sizes):
    return random_topology(draw(st.randoms(use_true_random=False)), **sizes)


@st.composite
def topologies_and_batches(draw, most=6, **sizes):
    rng = draw(st.randoms(use_true_random=False))
    topology = random_topology(rng, **sizes)
    return (topology, *random_batch(rng, topology, most))


_sizes = st.sampled_from([2**power for power in range(7)])

capacities = st.builds(
    Capacity,
    input_width=_sizes,
    latent_width=_sizes,
    blocks=_sizes,
    degree=_sizes,
    edges=_sizes,
    window=_sizes,
    fan=_sizes,
    kinds=st.frozensets(st.sampled_from(["series", "continuous", "binary", "constant", "volatile"])),
    functions=st.frozensets(st.sampled_from(["identity", "relu", "sigmoid", "tanh"])),
    traits=st.frozensets(st.sampled_from(["one", "other"])),
)
