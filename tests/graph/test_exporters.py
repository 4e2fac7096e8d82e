"""Files: round trips with annotations, canonical bytes, other programs' readers, atomic writes."""

from __future__ import annotations

import json
import math
import os

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sostruct.errors import GraphError, RunError
from sostruct.graph import Edge, Node, Topology, read_graph, to_dot, write_atomically, write_graph
from sostruct.graph.schema import ANNOTATIONS

from .strategies import topologies

FORMATS = (".json", ".graphml")
RESULTS = (0.1, -2.0, 1e-300, 3, 0.0, math.inf, -math.inf, math.nan)


def annotate(graph, rng):
    """Put random results on about half of the nodes and edges."""
    for _, attributes in graph.nodes(data=True):
        attributes.update({name: rng.choice(RESULTS) for name in sorted(ANNOTATIONS["node"]) if rng.random() < 0.5})
    for _, _, attributes in graph.edges(data=True):
        attributes.update({name: rng.choice(RESULTS) for name in sorted(ANNOTATIONS["edge"]) if rng.random() < 0.5})
    return graph


def content(graph):
    """All of a graph, comparable: NaN equals NaN."""
    nodes = {name: repr(sorted(attributes.items())) for name, attributes in graph.nodes(data=True)}
    edges = {end[:3]: repr(sorted(end[3].items())) for end in graph.edges(data=True, keys=True)}
    return nodes, edges


def shuffled(graph, rng):
    other = nx.MultiDiGraph()
    nodes, edges = list(graph.nodes(data=True)), list(graph.edges(data=True))
    rng.shuffle(nodes)
    rng.shuffle(edges)
    other.add_nodes_from(nodes)
    other.add_edges_from(edges)
    return other


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("graphs")


@pytest.mark.parametrize("suffix", FORMATS)
@given(topology=topologies(), rng=st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_a_graph_with_results_round_trips(folder, suffix, topology, rng):
    graph = annotate(topology.graph, rng)
    path = folder / f"graph{suffix}"
    write_graph(graph, path)
    back = read_graph(path)
    assert type(back) is nx.MultiDiGraph
    assert content(back) == content(graph)
    assert Topology.from_networkx(back) == topology
    first = path.read_bytes()
    write_graph(shuffled(graph, rng), path)
    assert path.read_bytes() == first, "the order in which a graph was built shows in its file"
    write_graph(back, path)
    assert path.read_bytes() == first


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_topology_writes_what_its_networkx_graph_writes(folder, small, suffix):
    one, two = folder / f"one{suffix}", folder / f"two{suffix}"
    write_graph(small, one)
    write_graph(small.graph, str(two))
    assert one.read_bytes() == two.read_bytes()
    assert content(read_graph(one)) == content(small.graph)


def test_json_is_the_canonical_text_of_the_topology(folder, small):
    write_graph(small, folder / "small.json")
    assert (folder / "small.json").read_text(encoding="utf-8") == small.to_json() + "\n"


def test_other_programs_read_what_is_written(folder, small):
    write_graph(small, folder / "small.json")
    write_graph(small, folder / "small.graphml")
    data = json.loads((folder / "small.json").read_text(), parse_constant=pytest.fail)
    assert Topology.from_networkx(nx.node_link_graph(data, edges="edges")) == small
    read = nx.read_graphml(folder / "small.graphml", force_multigraph=True)
    assert read.edges["level", "volume", "value:0"]["strength"] == -0.4
    assert read.nodes["price"]["precision"] == 10.0


def test_json_holds_only_json_even_when_a_result_is_infinite(folder, small):
    graph = small.graph
    graph.edges["level", "price", "value:0"].update(nats=math.inf, weight=math.nan)
    write_graph(graph, folder / "infinite.json")
    text = (folder / "infinite.json").read_text()
    json.loads(text, parse_constant=pytest.fail)
    assert '"nats":"inf"' in text
    assert '"weight":null' in text
    attributes = read_graph(folder / "infinite.json").edges["level", "price", "value:0"]
    assert attributes["nats"] == math.inf
    assert math.isnan(attributes["weight"])


def test_dot_is_this_text(folder):
    nodes = (Node('say "hi"', "series"), Node("back\\slash", "series"), Node("two\nlines", "series"))
    edges = (
        Edge("back\\slash", "two\nlines", lag=2),
        Edge("back\\slash", "two\nlines", mark="bidirected"),
        Edge('say "hi"', "two\nlines", coupling="volatility"),
        Edge('say "hi"', "back\\slash", mark="undirected"),
    )
    graph = Topology(nodes, edges).graph
    graph.edges["back\\slash", "two\nlines", "value:2"].update(nats=12.3456, weight=-0.5)
    graph.nodes["two\nlines"]["intercept"] = 1.5
    expected = r"""digraph {
  "back\\slash";
  "say \"hi\"";
  "two\nlines" [comment="intercept=1.5"];
  "back\\slash" -> "say \"hi\"" [dir="none"];
  "back\\slash" -> "two\nlines" [dir="both"];
  "back\\slash" -> "two\nlines" [label="lag 2, 12.35 nats", comment="nats=12.3456, weight=-0.5"];
  "say \"hi\"" -> "two\nlines" [style="dashed"];
}
"""
    assert to_dot(graph) == expected
    write_graph(graph, folder / "graph.dot")
    assert (folder / "graph.dot").read_text() == expected
    assert to_dot(Topology(nodes, edges)).count("->") == 4


def test_a_suffix_without_a_format_is_refused(folder, small, refusal):
    with pytest.raises(GraphError) as raised:
        write_graph(small, folder / "graph.gml")
    refusal(raised, "graph.gml", "'.gml'", "'.dot'", "'.graphml'", "'.json'")
    with pytest.raises(GraphError) as raised:
        read_graph(folder / "graph.dot")
    refusal(raised, "graph.dot", "'.graphml'", "'.json'")
    write_graph(small, folder / "UPPER.JSON")
    assert Topology.from_networkx(read_graph(folder / "UPPER.JSON")) == small


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("broken.json", "{", ["broken.json", "JSON"]),
        ("list.json", "[]", ["list.json", "'nodes'"]),
        ("latin.json", "ü".encode("latin-1"), ["latin.json"]),
        ("kind.json", '{"directed":true,"nodes":[{"id":"a","kind":"odd"}],"edges":[]}', ["kind.json", "'a'", "'odd'"]),
        (
            "note.json",
            '{"directed":true,"nodes":[{"id":"a","kind":"series","level":"up"}],"edges":[]}',
            ["note.json", "'a'", "'level'", "'up'"],
        ),
        ("broken.graphml", "<graphml", ["broken.graphml", "GraphML"]),
        ("empty.graphml", "", ["empty.graphml", "GraphML"]),
        ("other.graphml", "<html></html>", ["other.graphml", "GraphML"]),
    ],
)
def test_a_file_that_holds_no_graph_is_refused(folder, name, text, named, refusal):
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(GraphError) as raised:
        read_graph(folder / name)
    refusal(raised, *named)


def test_an_undirected_graphml_is_refused(folder):
    nx.write_graphml_xml(nx.Graph([("a", "b")]), folder / "undirected.graphml")
    with pytest.raises(GraphError, match="cause to effect"):
        read_graph(folder / "undirected.graphml")


def test_a_missing_file_is_named(folder, refusal):
    with pytest.raises(RunError) as raised:
        read_graph(folder / "nothing.json")
    refusal(raised, "nothing.json")


def test_a_name_that_xml_cannot_hold_is_refused(folder, refusal):
    topology = Topology([Node("bell\x07", "series")])
    with pytest.raises(GraphError) as raised:
        write_graph(topology, folder / "bell.graphml")
    refusal(raised, "'bell\\x07'", ".json")
    assert not (folder / "bell.graphml").exists()
    write_graph(topology, folder / "bell.json")
    assert Topology.from_networkx(read_graph(folder / "bell.json")) == topology


def test_a_graph_that_breaks_the_schema_is_not_written(folder):
    with pytest.raises(GraphError, match="'kind'"):
        write_graph(nx.DiGraph([("a", "b")]), folder / "bad.json")
    assert not (folder / "bad.json").exists()


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, small, monkeypatch, refusal):
    path = tmp_path / "graph.json"
    path.write_text("old")

    def fail(*_):
        raise OSError("disk full")

    for part in ("replace", "fsync"):
        with monkeypatch.context() as patch:
            patch.setattr(os, part, fail)
            with pytest.raises(RunError) as raised:
                write_graph(small, path)
        refusal(raised, str(path), "disk full")
        assert path.read_text() == "old"
        assert os.listdir(tmp_path) == ["graph.json"]


def test_written_text_is_utf8_with_plain_line_ends(tmp_path):
    path = tmp_path / "text"
    write_atomically(path, "ü\nb\n")
    assert path.read_bytes() == b"\xc3\xbc\nb\n"
    write_atomically(str(path), b"\x00")
    assert path.read_bytes() == b"\x00"
    with pytest.raises(RunError, match="Cannot write"):
        write_atomically(tmp_path / "missing" / "text", "")
