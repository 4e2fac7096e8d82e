"""Graphs that say the same are equal, graphs that do not are not, and the matching is the best there is."""

from __future__ import annotations

import itertools
import math
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sostruct.errors import GraphError
from sostruct.graph import Edge, Node, Topology
from sostruct.networks.hgf.builders import bare_hgf
from sostruct.structure.compare import Agreement, compare_beliefs
from sostruct.structure.equivalence import Arrow, canonical
from sostruct.structure.matching import best_matching, image
from sostruct.tasks import HiddenStructure, sample_beliefs
from sostruct.tasks.hidden import bare
from sostruct.tasks.motifs import FAMILIES

INPUTS = ("x", "y", "z")


def latent(name: str, lam: float = 1.0, log_step: float = 0.0) -> Node:
    return Node(name, "continuous", {"autoconnection": lam, "tonic_volatility": log_step})


def built(nodes: list[Node], edges: list[tuple[Any, ...]], inputs: tuple[str, ...] = INPUTS) -> Topology:
    """Inputs with a state each, where nothing else is above them, and these nodes and edges."""
    told = {edge[1] for edge in edges}
    own = [name for name in inputs if name not in told]
    drawn = [Edge(*edge[:3], strength=edge[3] if len(edge) > 3 else 1.0) for edge in edges]
    drawn += [Edge(f"{name}_state", name) for name in own]
    known = {node.name for node in nodes}
    states = [latent(f"{name}_state") for name in own if f"{name}_state" not in known]
    return Topology((*(Node(name, "continuous") for name in inputs), *states, *nodes), tuple(drawn))


def relabeled(topology: Topology, inputs: tuple[str, ...], order: list[int]) -> Topology:
    """The same graph under other names of its hidden nodes."""
    hidden = [name for name in topology.names if name not in inputs]
    names = {name: f"h{order[place]}" for place, name in enumerate(hidden)} | {name: name for name in inputs}
    nodes = [Node(names[node.name], node.kind, node.parameters) for node in topology.nodes]
    edges = [Edge(names[e.source], names[e.target], e.coupling, strength=e.strength) for e in topology.edges]
    return Topology(tuple(nodes), tuple(edges))


def isomorphic(one: Topology, other: Topology, inputs: tuple[str, ...]) -> bool:
    """By networkx, inputs held in place."""
    graphs = []
    for topology in (one, other):
        graph = nx.DiGraph()
        graph.add_nodes_from((name, {"fixed": name if name in inputs else ""}) for name in topology.names)
        for edge in topology.edges:
            there = graph.get_edge_data(edge.source, edge.target, {"coupling": frozenset()})["coupling"]
            graph.add_edge(edge.source, edge.target, coupling=there | {edge.coupling})
        graphs.append(graph)
    return bool(
        nx.is_isomorphic(
            *graphs,
            node_match=lambda a, b: a["fixed"] == b["fixed"],
            edge_match=lambda a, b: a["coupling"] == b["coupling"],
        )
    )


@st.composite
def belief_graphs(draw: st.DrawFn, hidden: int = 6) -> Topology:
    """Any acyclic graph of hidden nodes above three inputs, all influences of similar size and all lam distinct."""
    count = draw(st.integers(1, hidden))
    names = [f"h{number}" for number in range(count)]
    nodes = [latent(name, 0.4 + 0.5 * number / count) for number, name in enumerate(names)]
    edges = []
    for place, source in enumerate(names):
        for target in (*names[place + 1 :], *INPUTS):
            coupling = draw(st.sampled_from([None, None, "value", "volatility"]))
            if coupling and not (coupling == "volatility" and target in INPUTS):
                edges.append(Edge(source, target, coupling))
    return Topology((*nodes, *(Node(name, "continuous") for name in INPUTS)), tuple(edges))


@settings(max_examples=60)
@given(belief_graphs(), st.randoms(use_true_random=False))
def test_names_of_hidden_nodes_mean_nothing(graph: Topology, random: Any) -> None:
    order = list(range(len(graph.nodes)))
    random.shuffle(order)
    other = relabeled(graph, INPUTS, order)
    assert isomorphic(graph, other, INPUTS)
    same = compare_beliefs(other, graph, INPUTS)
    assert same.f1 == same.hidden.f1 == 1.0
    assert same.missing == same.spurious == ()


@settings(max_examples=80)
@given(belief_graphs(4), belief_graphs(4))
def test_all_edges_agree_exactly_where_graphs_are_isomorphic(one: Topology, other: Topology) -> None:
    forms = [canonical(graph, INPUTS) for graph in (one, other)]
    compared = compare_beliefs(one, other, INPUTS)
    assert (compared.f1 == 1.0) == isomorphic(*forms, INPUTS)
    assert compared.edges.found == len(forms[0].edges)
    assert compared.edges.truth - compared.edges.hits == len(compared.missing)
    assert compared.edges.found - compared.edges.hits == len(compared.spurious)
    backwards = compare_beliefs(other, one, INPUTS)
    assert (backwards.precision, backwards.recall) == (compared.recall, compared.precision)


def most(found: set[Arrow], truth: set[Arrow]) -> int:
    """The largest number of common edges over every assignment there is."""
    ours, theirs = (sorted({end for edge in edges for end in edge[:2]} - set(INPUTS)) for edges in (found, truth))
    padded = [*theirs, *(f"nobody{number}" for number in range(len(ours)))]
    return max(
        sum(image(edge, dict(zip(ours, chosen, strict=True)), INPUTS) in truth for edge in found)
        for chosen in itertools.permutations(padded, len(ours))
    )


@settings(max_examples=40)
@given(belief_graphs(4), belief_graphs(3))
def test_the_matching_is_the_best_of_all(one: Topology, other: Topology) -> None:
    found, truth = ({edge.key[:3] for edge in graph.edges} for graph in (one, other))
    matching = best_matching(found, truth, INPUTS)
    assert len(set(matching.values())) == len(matching)
    hits = sum(image(edge, matching, INPUTS) in truth for edge in found)
    assert hits == (most(found, truth) if found and truth else 0)


@settings(max_examples=60)
@given(belief_graphs())
def test_the_canonical_form_is_its_own(graph: Topology) -> None:
    once = canonical(graph, INPUTS)
    assert canonical(once, INPUTS) == once
    drawn = nx.DiGraph([edge.key[:2] for edge in once.edges])
    above = [nx.ancestors(drawn, name) for name in INPUTS if name in drawn]
    assert set(once.names) == set(INPUTS).union(*above)


class TestCounts:
    truth = built(
        [latent("v", 0.9), latent("d", 0.9)], [("v", "x_state", "volatility"), ("d", "y_state", "value", 0.5)]
    )

    def test_whoever_finds_nothing_has_the_bare_edges_and_no_more(self) -> None:
        compared = compare_beliefs(bare_hgf(INPUTS), self.truth, INPUTS)
        assert compared.edges == Agreement(3, 3, 5)
        assert compared.hidden == Agreement(0, 0, 2)
        assert (compared.precision, compared.recall, compared.f1) == (1.0, 0.6, 0.75)
        assert compared.hidden.f1 == 0.0
        assert compared.missing == (("d", "y_state", "value"), ("v", "x_state", "volatility"))
        assert compared.matching == {f"{name}_state": f"{name}_state" for name in INPUTS}

    def test_nothing_to_find_and_nothing_found(self) -> None:
        compared = compare_beliefs(bare_hgf(INPUTS), bare_hgf(INPUTS), INPUTS)
        assert compared.f1 == compared.hidden.f1 == compared.hidden.precision == 1.0

    def test_a_false_addition(self) -> None:
        compared = compare_beliefs(self.truth, bare_hgf(INPUTS), INPUTS)
        assert compared.hidden == Agreement(0, 2, 0)
        assert (compared.hidden.f1, compared.hidden.recall, compared.hidden.precision) == (0.0, 1.0, 0.0)

    def test_a_parent_of_the_wrong_coupling_is_wrong(self) -> None:
        wrong = built([latent("v", 0.9), latent("d", 0.9)], [("v", "x_state", "value"), ("d", "y_state", "value", 0.5)])
        compared = compare_beliefs(wrong, self.truth, INPUTS)
        assert compared.hidden == Agreement(1, 2, 2)
        assert compared.missing == (("v", "x_state", "volatility"),)
        assert compared.spurious == (("v", "x_state", "value"),)

    def test_two_parents_for_one_that_is_shared(self) -> None:
        shared = built([latent("v", 0.9)], [("v", "x_state", "volatility"), ("v", "y_state", "volatility", -0.8)])
        apart = built(
            [latent("v", 0.9), latent("w", 0.9)], [("v", "x_state", "volatility"), ("w", "y_state", "volatility")]
        )
        assert compare_beliefs(apart, shared, INPUTS).hidden == Agreement(1, 2, 2)
        assert compare_beliefs(shared, apart, INPUTS).hidden == Agreement(1, 2, 2)

    def test_a_shared_state_and_two_of_their_own(self) -> None:
        shared = built([latent("s")], [("s", "x", "value"), ("s", "y", "value", -0.7)])
        compared = compare_beliefs(bare_hgf(INPUTS), shared, INPUTS)
        assert compared.edges == Agreement(2, 3, 3)
        assert compared.hidden == Agreement(1, 2, 2)
        assert compare_beliefs(shared, shared, INPUTS).hidden == Agreement(2, 2, 2)


def shapes(nodes: list[Node], edges: list[tuple[Any, ...]]) -> set[Arrow]:
    return {edge.key[:3] for edge in canonical(built(nodes, edges, ("x", "y")), ("x", "y")).edges}


BARE = {("x_state", "x", "value"), ("y_state", "y", "value")}


class TestWhatDataCannotTell:
    def test_nodes_above_nothing(self) -> None:
        assert shapes([latent("a"), latent("b")], [("a", "b", "value")]) == BARE

    @pytest.mark.parametrize(("strength", "kept"), [(0.0, False), (0.04, False), (0.06, True), (-0.06, True)])
    def test_weak_volatility(self, strength: float, kept: bool) -> None:
        one = latent("v", 0.6, math.log(1.0 - 0.36))  # sd 1
        assert (shapes([one], [("v", "x_state", "volatility", strength)]) != BARE) is kept

    @pytest.mark.parametrize(("strength", "kept"), [(0.04, False), (0.06, True)])
    def test_weak_drift_is_measured_in_steps_of_its_child(self, strength: float, kept: bool) -> None:
        nodes = [latent("d", 0.6, math.log(1.0 - 0.36)), latent("x_state", log_step=math.log(9.0))]
        assert (shapes(nodes, [("d", "x_state", "value", 3.0 * strength)]) != BARE) is kept

    def test_a_shared_parent_with_one_loading_near_nothing_is_not_shared(self) -> None:
        one = latent("v", 0.6, 1.0)
        edges = [("v", "x_state", "volatility"), ("v", "y_state", "volatility", 0.09)]
        assert shapes([one], edges) == BARE | {("v", "x_state", "volatility")}
        edges[1] = ("v", "y_state", "volatility", -0.11)
        assert len(shapes([one], edges)) == 4

    def test_loadings_are_compared_on_the_children_s_scales(self) -> None:
        nodes = [latent("d", 0.9), latent("x_state", log_step=0.0), latent("y_state", log_step=math.log(1e-4))]
        assert len(shapes(nodes, [("d", "x_state", "value"), ("d", "y_state", "value", 0.02)])) == 4
        assert len(shapes(nodes, [("d", "x_state", "value"), ("d", "y_state", "value", 0.0009)])) == 3

    def test_a_state_that_one_input_hardly_sees(self) -> None:
        seen = [("s", "x", "value"), ("s", "y", "value", 0.05), ("t", "y", "value")]
        assert shapes([latent("s"), latent("t")], seen) == {("s", "x", "value"), ("t", "y", "value")}

    def test_a_white_drift_is_tonic_volatility(self) -> None:
        form = canonical(built([latent("d", 0.05)], [("d", "x_state", "value", 2.0)]), INPUTS)
        assert "d" not in form
        assert dict(form.node("x_state").parameters)["tonic_volatility"] == pytest.approx(math.log(5.0))
        assert len(shapes([latent("d", 0.15)], [("d", "x_state", "value", 2.0)])) == 3

    def test_a_white_state_is_noise(self) -> None:
        form = canonical(built([latent("s", 0.0)], [("s", "x", "value", 2.0)]), INPUTS)
        assert dict(form.node("x").parameters)["precision"] == pytest.approx(0.2)

    def test_white_parents_that_are_more_than_noise(self) -> None:
        shared = [("d", "x_state", "value"), ("d", "y_state", "value")]
        assert len(shapes([latent("d", 0.0)], shared)) == 4
        restless = [("d", "x_state", "value"), ("v", "d", "volatility")]
        assert len(shapes([latent("d", 0.0), latent("v", 0.9)], restless)) == 4
        beside = [("d", "x_state", "value"), ("v", "x_state", "volatility")]
        assert len(shapes([latent("d", 0.0), latent("v", 0.9)], beside)) == 4

    def test_a_relay_passes_its_parent_on(self) -> None:
        chain = [("top", "d", "value", 2.0), ("d", "x_state", "value", 0.5)]
        form = canonical(built([latent("d", 0.0), latent("top", 0.9)], chain), INPUTS)
        assert form.edge(("top", "x_state", "value", 0)).strength == 1.0

    def test_twins_are_one(self) -> None:
        twice = [("a", "x_state", "value"), ("b", "x_state", "value", 2.0)]
        form = canonical(built([latent("a", 0.9), latent("b", 0.9)], twice), INPUTS)
        assert "b" not in form
        assert dict(form.node("a").parameters)["tonic_volatility"] == pytest.approx(math.log(5.0))

    @pytest.mark.parametrize("coupling", ["value", "volatility"])
    def test_a_sum_is_a_chain(self, coupling: str) -> None:
        nodes = [latent("slow", 0.97), latent("fast", 0.6)]
        both = shapes(nodes, [("slow", "x_state", coupling), ("fast", "x_state", coupling)])
        assert both == BARE | {("slow", "fast", "value"), ("fast", "x_state", coupling)}
        assert both == shapes(nodes, [("slow", "fast", "value"), ("fast", "x_state", coupling)])

    def test_no_sum_where_a_parent_does_something_else_too(self) -> None:
        edges = [("slow", "x_state", "value"), ("fast", "x_state", "value"), ("fast", "y_state", "value")]
        assert len(shapes([latent("slow", 0.97), latent("fast", 0.6)], edges)) == 5


def exact_log_evidence(graph: Topology, series: np.ndarray) -> np.ndarray:
    """Kalman filter of the linear graph above the one input "x", from 0: log predictive densities [time].

    x_t = L x_(t-1) + W x_t + e is x_t = (1 - W)^-1 (L x_(t-1) + e).
    """
    names = [node.name for node in graph.nodes if node.name != "x"]
    own = {node.name: dict(node.parameters) for node in graph.nodes}
    W, seen = np.zeros((len(names), len(names))), np.zeros(len(names))
    for edge in graph.edges:
        if edge.target == "x":
            seen[names.index(edge.source)] = edge.strength
        else:
            W[names.index(edge.target), names.index(edge.source)] = edge.strength
    through = np.linalg.inv(np.eye(len(names)) - W)
    F = through * [own[name]["autoconnection"] for name in names]
    Q = (through * [math.exp(own[name]["tonic_volatility"]) for name in names]) @ through.T
    mean, P, density = np.zeros(len(names)), np.zeros_like(W), []
    for value in series:
        mean, P = F @ mean, F @ P @ F.T + Q
        total = float(seen @ P @ seen) + 1.0 / own["x"]["precision"]
        error = value - float(seen @ mean)
        density.append(-0.5 * (math.log(2.0 * math.pi * total) + error**2 / total))
        mean, P = mean + P @ seen * error / total, P - np.outer(P @ seen, P @ seen) / total
    return np.array(density)


@pytest.mark.parametrize("case", ["sum", "twins", "white", "relay"])
def test_reduced_graphs_predict_alike(case: str) -> None:
    """Once the start is forgotten, exact filters of a linear graph and of its canonical form score a series alike."""
    nodes, edges = {
        "sum": ([latent("a", 1.0, -1.0), latent("b", 0.7, 0.5)], [("a", "x", "value", 1.3), ("b", "x", "value", -0.8)]),
        "twins": ([latent("a", 0.9), latent("b", 0.9, -1.0)], [("a", "x", "value"), ("b", "x", "value", 0.5)]),
        "white": ([latent("x_state"), latent("d", 0.0)], [("x_state", "x", "value"), ("d", "x_state", "value", 0.7)]),
        "relay": (
            [latent("s", 0.9), latent("d", 0.0), latent("top", 0.8)],
            [("s", "x", "value"), ("d", "s", "value", 0.7), ("top", "d", "value", 2.0)],
        ),
    }[case]
    graph = built(nodes, edges, ("x",))
    form = canonical(graph, ("x",))
    assert form != graph
    series = sample_beliefs(graph, 1200, np.random.default_rng(3))[0]["x"].to_numpy()
    given, reduced = (exact_log_evidence(one, series) for one in (graph, form))
    np.testing.assert_allclose(given[400:], reduced[400:], atol=1e-3)
    assert np.abs(given[:50] - reduced[:50]).max() < 1.0


@pytest.mark.parametrize("family", [*FAMILIES, "mixed"])
def test_tasks_agree_with_themselves_and_not_with_bare_inputs(family: str) -> None:
    for seed in range(6):
        task = HiddenStructure(family=family, steps=2, heldout=0).load(seed)
        assert task.truth is not None
        truth = Topology.from_networkx(task.truth)
        inputs = tuple(task.frame.columns)
        order = list(np.random.default_rng(seed).permutation(len(truth.nodes)))
        assert compare_beliefs(relabeled(truth, inputs, order), truth, inputs).f1 == 1.0
        nothing = compare_beliefs(bare(truth, inputs), truth, inputs)
        assert (nothing.hidden.f1 < 0.6) == (family != "none")
        again = canonical(truth, inputs)
        assert len(again.nodes) == len(truth.nodes)
        assert len(again.edges) == len(truth.edges)


def test_a_graph_of_thirty_nodes() -> None:
    task = HiddenStructure(family="mixed", inputs=10, nodes=30, steps=2, heldout=0).load(3)
    other = HiddenStructure(family="mixed", inputs=10, nodes=30, steps=2, heldout=0).load(4)
    inputs = list(task.frame.columns)
    compared = compare_beliefs(task.truth, other.truth, inputs)  # type: ignore[arg-type]
    assert 0.3 < compared.f1 < 0.9


def test_what_is_refused() -> None:
    graph = bare_hgf(["a", "b"])
    for name in ("c", "a_state"):
        with pytest.raises(GraphError, match=rf"{name}.*not one of its leaves.*'a', 'b'"):
            compare_beliefs(graph, graph, ["a", name])
