"""Truths from files, and truths that do not fit their series."""

from __future__ import annotations

import json
from pathlib import Path

import networkx as nx
import pytest

from sostruct.errors import DataError
from sostruct.graph import Topology, write_graph
from sostruct.tasks import Link, SparseVAR, check_truth, read_truth, truth_graph

from .refusals import refused

NAMES = ["gdp", "NA", "rate, real"]


def written(folder: Path, content: str, name: str = "truth.csv") -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def edges(graph: nx.MultiDiGraph) -> set[tuple[str, str, int]]:
    return set(graph.edges(data="lag"))


def test_a_truth_is_a_valid_graph_over_all_names() -> None:
    graph = truth_graph(NAMES, [Link("gdp", "NA", 2, 0.5), Link("gdp", "gdp"), Link("gdp", "NA", 1)])
    topology = Topology.from_networkx(graph)
    assert sorted(topology.names) == sorted(NAMES)
    assert {edge.key for edge in topology.edges} == {
        ("gdp", "NA", "value", 2),
        ("gdp", "gdp", "value", 1),
        ("gdp", "NA", "value", 1),
    }
    assert topology.edge(("gdp", "NA", "value", 2)).strength == 0.5


@pytest.mark.parametrize(
    "content",
    [
        'cause,effect,lag\ngdp,NA,2\n"rate, real",gdp,1\n',
        'lag;Effect;nats;Cause\n2;NA;7.1;gdp\n1;gdp;0.2;"rate, real"\n',
        "cause\teffect\tlag\r\ngdp\tNA\t2.0\r\n\r\nrate, real\tgdp\t1\r\n",
        '\ufeffcause, effect, lag\ngdp, NA, 2\n"rate, real", gdp, 1\ngdp,NA,2\n',
    ],
)
def test_links_with_lags(tmp_path: Path, content: str) -> None:
    graph, timed = read_truth(written(tmp_path, content), NAMES)
    assert timed
    assert list(graph.nodes) == NAMES
    assert edges(graph) == {("gdp", "NA", 2), ("rate, real", "gdp", 1)}


def test_links_without_lags(tmp_path: Path) -> None:
    graph, timed = read_truth(written(tmp_path, "cause,effect\ngdp,NA\ngdp,NA\n"), NAMES)
    assert not timed
    assert list(graph.edges(data="lag")) == [("gdp", "NA", 1)]


def test_no_links_at_all(tmp_path: Path) -> None:
    graph, timed = read_truth(written(tmp_path, "cause,effect,lag\n"), NAMES)
    assert not timed
    assert list(graph.nodes) == NAMES
    assert graph.number_of_edges() == 0


def test_a_graph_that_was_written_comes_back(tmp_path: Path) -> None:
    truth = SparseVAR(nodes=6).load(1).truth
    assert truth is not None
    write_graph(truth, tmp_path / "truth.json")
    graph, timed = read_truth(tmp_path / "truth.json", list(truth.nodes))
    assert timed
    assert edges(graph) == edges(truth)
    assert graph.number_of_edges() == truth.number_of_edges()


@pytest.mark.parametrize("name", ["edges", "links"])
def test_a_graph_from_networkx_itself(tmp_path: Path, name: str) -> None:
    graph = nx.DiGraph([("gdp", "NA")])
    path = written(tmp_path, json.dumps(nx.node_link_data(graph, edges=name)), "truth.json")
    found, timed = read_truth(path, NAMES)
    assert not timed
    assert edges(found) == {("gdp", "NA", 1)}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ["empty"]),
        ("\n\n", ["empty"]),
        ('"', ["empty"]),
        ("from,to\na,b\n", ["cause and effect", "from, to"]),
        ("cause,lag\ngdp,1\n", ["effect"]),
        ("cause,effect\ngdp,unemployment\n", ["line 2", "'unemployment'", "'gdp'", "'rate, real'"]),
        ("cause,effect\nGDP,NA\n", ["line 2", "'GDP'"]),
        ("cause,effect\ngdp,\n", ["line 2", "''"]),
        ("cause,effect\nrate, real,gdp\n", ["line 2", "3 fields", "2"]),
        ("cause,effect,lag\ngdp,NA,-1\n", ["line 2", "'-1'"]),
        ("cause,effect,lag\ngdp,NA,1\n\ngdp,NA,-1\n", ["line 4", "'-1'"]),
        ("cause,effect,lag\ngdp,NA,1.5\n", ["'1.5'"]),
        ("cause,effect,lag\ngdp,NA,\n", ["''"]),
        ("cause,effect,lag\ngdp,NA,soon\n", ["'soon'"]),
        ("cause,effect,lag\ngdp,NA,inf\n", ["'inf'"]),
        ("cause,effect,lag\ngdp,NA,nan\n", ["'nan'"]),
    ],
)
def test_refused_text(tmp_path: Path, content: str, words: list[str]) -> None:
    with refused(DataError, "truth file", *words):
        read_truth(written(tmp_path, content), NAMES)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", ["not JSON"]),
        ("[1, 2]", ['"edges"']),
        ('{"nodes": []}', ['"edges"']),
        ('{"edges": [["gdp", "NA"]]}', ['"edges"']),
        ('{"edges": [{"source": "gdp"}]}', ["edge number 1", '"target"']),
        ('{"edges": [{"source": "gdp", "target": "x"}]}', ["edge number 1", "'x'"]),
        ('{"edges": [{"source": "gdp", "target": "NA", "lag": -1}]}', ["edge number 1", "lag -1"]),
        ('{"edges": [{"source": "gdp", "target": "NA", "lag": true}]}', ["lag True"]),
        (
            '{"edges": [{"source": "gdp", "target": "NA", "lag": 1}, {"source": "NA", "target": "gdp"}]}',
            ["some of its edges"],
        ),
    ],
)
def test_refused_json(tmp_path: Path, content: str, words: list[str]) -> None:
    with refused(DataError, "truth file", *words):
        read_truth(written(tmp_path, content, "truth.json"), NAMES)


def test_refused_files(tmp_path: Path) -> None:
    with refused(DataError, "no such file", "missing.csv"):
        read_truth(tmp_path / "missing.csv", NAMES)
    with refused(DataError, "folder"):
        read_truth(tmp_path, NAMES)


def test_a_truth_must_fit_its_series() -> None:
    graph = truth_graph(["a", "b"], [Link("a", "b", 3)])
    check_truth(graph, ["a", "b", "c"], 3)
    with refused(DataError, "'b'", "'a', 'c'"):
        check_truth(graph, ["a", "c"], 3)
    with refused(DataError, "a -> b", "lag 3", "0 to 2"):
        check_truth(graph, ["a", "b"], 2)
