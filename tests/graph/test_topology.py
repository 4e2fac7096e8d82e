"""Topology: canonical form, equality and hash, networkx and JSON round trips, acyclicity against networkx."""

from __future__ import annotations

import copy
import itertools
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sostruct
from sostruct.errors import GraphError
from sostruct.graph import Edge, Node, Topology, validate
from sostruct.graph.topology import find_cycle

from .strategies import random_topology, topologies


def instant(edges):
    """The directed part at lag 0 as networkx sees it."""
    graph = nx.DiGraph()
    graph.add_edges_from((e.source, e.target) for e in edges if e.lag == 0 and e.mark == "directed")
    return graph


@given(topologies(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_order_of_construction_does_not_matter(topology, rng):
    nodes, edges = list(topology.nodes), list(topology.edges)
    rng.shuffle(nodes)
    rng.shuffle(edges)
    other = Topology(nodes, edges)
    assert other == topology
    assert hash(other) == hash(topology)
    assert other.to_json() == topology.to_json()
    assert [node.name for node in other.nodes] == sorted(topology.names)
    assert list(other.edges) == sorted(edges, key=lambda edge: edge.key)


@given(topologies(), topologies())
@settings(max_examples=100, deadline=None)
def test_equal_content_equal_hash_equal_bytes_and_no_other_way(one, two):
    same = set(one.nodes) == set(two.nodes) and set(one.edges) == set(two.edges)
    assert (one == two) == same
    assert (one.to_json() == two.to_json()) == same
    assert hash(one) == hash(Topology(one.nodes, one.edges))


@given(topologies())
@settings(max_examples=100, deadline=None)
def test_round_trips(topology):
    text = topology.to_json()
    assert Topology.from_json(text) == topology
    assert Topology.from_json(text).to_json() == text
    assert Topology.from_networkx(topology.to_networkx()) == topology
    # networkx's own reader and writer of the same format are the oracle.
    assert Topology.from_networkx(nx.node_link_graph(json.loads(text), edges="edges")) == topology
    assert Topology.from_json(json.dumps(nx.node_link_data(topology.graph, edges="edges"))) == topology


@given(topologies())
@settings(max_examples=100, deadline=None)
def test_lookups_agree_with_the_content(topology):
    assert topology.names == tuple(node.name for node in topology.nodes)
    assert topology.size == len(topology.nodes)
    for node in topology.nodes:
        assert node.name in topology
        assert topology.node(node.name) is node
        directed = [edge for edge in topology.edges if edge.mark == "directed"]
        assert topology.parents(node.name) == tuple(edge for edge in directed if edge.target == node.name)
        assert topology.children(node.name) == tuple(edge for edge in directed if edge.source == node.name)
    for edge in topology.edges:
        assert topology.edge(edge.key) is edge
        assert topology.has_edge(edge.key)
    assert "nowhere" not in topology
    assert 3 not in topology
    assert not topology.has_edge(("nowhere", "a", "value", 0))


@given(topologies())
@settings(max_examples=100, deadline=None)
def test_order_puts_parents_before_children(topology):
    position = {name: place for place, name in enumerate(topology.order)}
    assert position.keys() == set(topology.names)
    assert all(position[source] < position[target] for source, target in instant(topology.edges).edges)


@given(st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_cycles_are_found_exactly_when_networkx_finds_them(rng):
    names = [f"n{i}" for i in range(rng.randint(2, 6))]
    edges = {}
    for _ in range(rng.randint(0, 10)):
        source, target = rng.sample(names, 2)
        edge = Edge(
            source, target, lag=rng.choice((0, 0, 0, 1)), mark=rng.choice(("directed", "directed", "undirected"))
        )
        edges[edge.key] = edge
    graph = instant(edges.values())
    nodes = [Node(name, "series") for name in names]
    cycle = find_cycle(names, edges.values())
    assert (cycle is None) == nx.is_directed_acyclic_graph(graph)
    if cycle is None:
        Topology(nodes, edges.values())
        return
    assert len(set(cycle)) == len(cycle)
    around = [*cycle, cycle[0]]
    assert all(graph.has_edge(*step) for step in itertools.pairwise(around))
    with pytest.raises(GraphError) as raised:
        Topology(nodes, edges.values())
    assert " -> ".join(around) in str(raised.value)


def test_canonical_json_is_this_text():
    topology = Topology((Node("ü", "constant"), Node("a", "series")), (Edge("ü", "a", "volatility", 2, strength=0.1),))
    assert topology.to_json() == (
        '{"directed":true,"edges":[{"coupling":"volatility","function":"identity","key":"volatility:2","lag":2,'
        '"mark":"directed","source":"ü","strength":0.1,"target":"a"}],"graph":{},"multigraph":true,'
        '"nodes":[{"id":"a","kind":"series"},{"id":"ü","kind":"constant"}]}'
    )


def test_networkx_graph_has_every_attribute(small):
    graph = small.graph
    assert type(graph) is nx.MultiDiGraph
    assert graph.nodes["level"] == {
        "kind": "continuous",
        "mean": 0.5,
        "precision": 1.0,
        "tonic_volatility": -4.0,
        "tonic_drift": 0.0,
        "autoconnection": 1.0,
    }
    assert graph.edges["level", "volume", "value:0"] == {
        "coupling": "value",
        "lag": 0,
        "mark": "directed",
        "strength": -0.4,
        "function": "tanh",
    }
    assert ("turbulence", "level", "volatility:0") in graph.edges
    graph.remove_node("level")
    assert "level" in small, "the networkx graph is the caller's own copy"


def test_a_plain_digraph_with_defaults_and_annotations_is_read():
    graph = nx.DiGraph()
    graph.add_node("a", kind="series", intercept=0.3)
    graph.add_node("b", kind="continuous", mean=1)
    graph.add_edge("a", "b", lag=1, weight=0.5, nats=float("inf"), probability=1)
    assert Topology.from_networkx(graph) == Topology(
        (Node("a", "series"), Node("b", "continuous", {"mean": 1.0})), (Edge("a", "b", lag=1),)
    )


def graph_of(*edges, **attributes):
    graph = nx.MultiDiGraph()
    graph.add_node("a", kind="series")
    graph.add_node("b", kind="series")
    for source, target in edges:
        graph.add_edge(source, target, **attributes)
    return graph


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: Topology.from_networkx(nx.Graph([("a", "b")])), ["Graph", "cause to effect"]),
        (lambda: Topology.from_networkx([("a", "b")]), ["list"]),
        (lambda: Topology.from_networkx(nx.DiGraph([("a", "b")])), ["'a'", "'kind'", "'series'"]),
        (lambda: Topology.from_networkx(nx.DiGraph([(1, 2)])), ["1", "int", "'1'"]),
        (lambda: Topology.from_networkx(graph_of(("a", "b"), delay=2)), ["a -> b", "'delay'", "'lag'"]),
        (lambda: Topology.from_networkx(graph_of(("a", "b"), lag=-2)), ["a -> b", "-2"]),
        (lambda: Topology.from_networkx(graph_of(("a", "b"), weight="heavy")), ["a -> b", "'weight'", "'heavy'"]),
        (lambda: Topology.from_networkx(graph_of(("a", "b"), weight=True)), ["a -> b", "'weight'", "bool"]),
        (lambda: Topology.from_networkx(graph_of(("a", "b"), ("a", "b"))), ["a -> b", "twice"]),
        (lambda: Topology.from_networkx(graph_of(("a", "b"), ("b", "a"))), ["a -> b -> a", "cycle"]),
        (lambda: Topology.from_networkx(graph_of(("a", "c"))), ["'c'", "'kind'"]),
        (lambda: Topology((Node("a", "series"), Node("a", "binary"))), ["'a'", "distinct"]),
        (lambda: Topology((Node("a", "series"),), (Edge("a", "z", lag=1),)), ["a -> z (lag 1)", "'z'", "'a'"]),
        (lambda: Topology((), (Edge("y", "z"),)), ["y -> z", "'y'", "there are none"]),
        (lambda: Topology.from_json("{"), ["JSON"]),
        (lambda: Topology.from_json("[]"), ["'nodes'"]),
        (lambda: Topology.from_json('{"nodes":[1],"edges":[]}'), ["'nodes'"]),
        (lambda: Topology.from_json('{"nodes":[]}'), ["'edges'"]),
        (lambda: Topology.from_json('{"nodes":[],"edges":[],"directed":false}'), ["'directed'"]),
        (lambda: Topology.from_json('{"nodes":[{"kind":"series"}],"edges":[],"directed":true}'), ["None"]),
        (
            lambda: Topology.from_json('{"nodes":[{"id":"a","kind":["series"]}],"edges":[],"directed":true}'),
            ["'a'", "['series']"],
        ),
        (
            lambda: Topology.from_json('{"nodes":[{"id":"a","kind":"continuous","mean":NaN}],"edges":[]}'),
            ["NaN"],
        ),
        (
            lambda: Topology.from_json('{"nodes":[],"edges":[{"source":"a","target":"b"}],"directed":true}'),
            ["a -> b", "'a'"],
        ),
    ],
)
def test_a_graph_that_breaks_the_schema_is_refused_by_name(make, named, refusal):
    with pytest.raises(GraphError) as raised:
        make()
    refusal(raised, *named)


def test_what_is_not_there_is_refused_by_name(small, refusal):
    for look in (small.node, small.parents, small.children):
        with pytest.raises(GraphError) as raised:
            look("prise")
        refusal(raised, "'prise'", "'price'")
    with pytest.raises(GraphError) as raised:
        small.edge(("volume", "price", "value", 2))
    refusal(raised, "volume -> price (lag 2)", "price -> volume (lag 2)")
    with pytest.raises(GraphError) as raised:
        small.edge(("turbulence", "price", "value", 0))
    refusal(raised, "turbulence -> price", "nothing connects")


def test_many_nodes_do_not_flood_a_message():
    topology = Topology([Node(f"n{i:03}", "series") for i in range(500)])
    with pytest.raises(GraphError, match="and 488 more") as raised:
        topology.node("x")
    assert len(str(raised.value)) < 400


def test_validate_accepts_generators():
    validate((Node(name, "series") for name in "ab"), (Edge("a", "b", lag=lag) for lag in (0, 1)))


def test_a_topology_is_frozen_and_differs_from_everything_else(small):
    with pytest.raises(AttributeError):
        small.nodes = ()
    assert small != "small"
    assert small != small.graph
    assert repr(small) == "Topology(4 nodes, 5 edges)"
    assert Topology() == Topology((), ())


def test_no_cached_hash_travels_to_a_copy(small):
    hash(small)
    small.parents("price")
    copied = copy.deepcopy(small)
    assert copied == small
    assert vars(copied).keys() == {"nodes", "edges"}


_PROGRAM = """
import random
from sostruct.graph import Edge, Journal, Node, Topology, pack
from strategies import random_topology
topology = random_topology(random.Random(8), 12, 60, directed_only=True)
assert len(topology.edges) > 15
print(topology.to_json(), topology.order, Journal(topology).header(), pack(topology).parent_edge.tolist())
try:
    Topology([Node(n, "series") for n in "abcdef"], [Edge(*pair) for pair in ("ab", "bc", "ca", "de", "ef", "fd")])
except ValueError as error:
    print(error)
"""


def test_nothing_depends_on_the_order_of_a_set():
    here = Path(__file__).parent
    path = os.pathsep.join([str(here), str(Path(sostruct.__file__).parents[1])])

    def run(seed):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8", "PYTHONPATH": path}
        return subprocess.run(
            [sys.executable, "-c", _PROGRAM], env=environment, stdout=subprocess.PIPE, check=True
        ).stdout

    first = run("1")
    assert b"cycle: a -> b -> c -> a" in first
    assert first == run("2")


def test_random_graphs_are_not_trivial():
    """The generator behind the tests above does make every kind of thing."""
    graphs = [random_topology(random.Random(seed)) for seed in range(200)]
    edges = [edge for graph in graphs for edge in graph.edges]
    assert {edge.mark for edge in edges} == {"directed", "undirected", "bidirected"}
    assert {edge.coupling for edge in edges} == {"value", "volatility"}
    assert {edge.lag for edge in edges} >= {0, 1, 2}
    assert any(edge.source == edge.target for edge in edges)
    assert {node.kind for graph in graphs for node in graph.nodes} >= {"series", "continuous", "binary", "constant"}
    assert max(len(graph.edges) for graph in graphs) > 8
