import math

import networkx as nx
import pytest

from sostruct.reports.links import Verdict, compare, knows_lags, links


def graph(*edges: tuple[str, str, int], nodes: str = "abcd", **notes: float) -> nx.MultiDiGraph:
    made = nx.MultiDiGraph()
    made.add_nodes_from(nodes)
    for source, target, lag in edges:
        made.add_edge(source, target, lag=lag, **notes)
    return made


def test_lags_of_a_pair_are_one_link() -> None:
    made = graph(("a", "b", 3), ("a", "b", 1), nats=4.0, weight=0.5, weight_sd=0.1, probability=0.9)
    (link,) = links(made).values()
    assert link.lags == (1, 3)
    assert link.lag_label == "1,3"
    assert link.nats == 8.0
    assert "lag 3, weight 0.5 ± 0.1, 4.0 nats" in link.description


def test_links_come_strongest_first_and_the_weight_is_of_the_strongest_lag() -> None:
    made = graph()
    made.add_edge("a", "b", lag=1, nats=1.0, weight=0.1)
    made.add_edge("c", "d", lag=1, nats=2.0, weight=0.2)
    made.add_edge("c", "d", lag=2, nats=9.0, weight=-0.7)
    assert list(links(made)) == [("c", "d"), ("a", "b")]
    assert links(made)["c", "d"].weight == -0.7


def test_a_graph_without_annotations_has_links_without_evidence() -> None:
    (link,) = links(graph(("a", "a", 1))).values()
    assert math.isnan(link.nats)
    assert math.isnan(link.weight)
    assert link.own_past
    assert link.description == "a → a\nlag 1"


def test_an_instantaneous_link_has_no_lag_label() -> None:
    (link,) = links(graph(("a", "b", 0))).values()
    assert link.lag_label == ""
    assert link.description == "a → b"


def test_hidden_common_causes_are_no_links_to_be_found() -> None:
    true = graph(("a", "b", 1))
    true.add_edge("a", "b", lag=0, mark="bidirected")
    true.add_edge("c", "d", lag=0, mark="bidirected")
    judged = compare(graph(("a", "b", 1), ("d", "c", 1)), true)
    assert judged.judged == {("a", "b"): Verdict.HIT, ("d", "c"): Verdict.FALSE}
    assert set(compare(graph(), true).judged.values()) == {Verdict.MISSED}


def test_every_verdict() -> None:
    found = graph(("a", "b", 1), ("b", "c", 2), ("c", "a", 1))
    true = graph(("a", "b", 1), ("b", "c", 1), ("d", "a", 3))
    assert compare(found, true).judged == {
        ("a", "b"): Verdict.HIT,
        ("b", "c"): Verdict.OTHER_LAG,
        ("c", "a"): Verdict.FALSE,
        ("d", "a"): Verdict.MISSED,
    }
    assert set(compare(found).judged.values()) == {Verdict.UNKNOWN}


def test_a_reversed_link_is_false_and_the_true_one_missed() -> None:
    judged = compare(graph(("b", "a", 1)), graph(("a", "b", 1))).judged
    assert judged == {("b", "a"): Verdict.FALSE, ("a", "b"): Verdict.MISSED}


def test_a_truth_without_lags_is_not_held_to_its_lags() -> None:
    found, true = graph(("a", "b", 2), ("b", "c", 3)), graph(("a", "b", 1), ("b", "c", 1))
    assert not knows_lags(true)
    assert set(compare(found, true).judged.values()) == {Verdict.HIT}
    true.graph["truth_lags"] = True
    assert set(compare(found, true).judged.values()) == {Verdict.OTHER_LAG}


def test_edges_are_judged_by_their_own_lag() -> None:
    compared = compare(graph(("a", "b", 1), ("a", "b", 2)), graph(("a", "b", 1), ("c", "d", 3)))
    assert compared.judged["a", "b"] is Verdict.HIT
    assert compared.verdict("a", "b", 1) is Verdict.HIT
    assert compared.verdict("a", "b", 2) is Verdict.OTHER_LAG
    assert compared.verdict("b", "a", 1) is Verdict.FALSE


@pytest.mark.parametrize("nodes", ["abcd", "abcdef"])
def test_names_are_those_of_both_graphs(nodes: str) -> None:
    assert compare(graph(), graph(nodes=nodes)).names == tuple(nodes)
