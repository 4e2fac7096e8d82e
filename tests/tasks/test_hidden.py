"""Series with hidden structure: what the truth says is what was drawn, and nothing leaves its bounds."""

from __future__ import annotations

import math

import networkx as nx
import numpy as np
import pytest

from sostruct.errors import ConfigError
from sostruct.graph import Topology
from sostruct.tasks import HiddenStructure, Task
from sostruct.tasks.belief import parameter
from sostruct.tasks.hidden import bare
from sostruct.tasks.moments import stationary_variances
from sostruct.tasks.motifs import FAMILIES, MIXED

from .refusals import refused

EVERY = (*FAMILIES, "mixed")


def loaded(family: str, seed: int = 0, **settings: object) -> tuple[Task, Topology]:
    task = HiddenStructure(family=family, **settings).load(seed)  # type: ignore[arg-type]
    assert task.truth is not None
    return task, Topology.from_networkx(task.truth)


def secrets(topology: Topology) -> list[tuple[str, str, str]]:
    """Edges other than that from an input's own state to it."""
    return [edge.key[:3] for edge in topology.edges if edge.source != f"{edge.target}_state"]


@pytest.mark.parametrize("family", EVERY)
class TestEveryFamily:
    def test_heldout_goes_on_where_the_frame_ends(self, family: str) -> None:
        task, _ = loaded(family, 3, steps=60, heldout=40)
        whole, _ = loaded(family, 3, steps=100, heldout=0)
        assert task.heldout is not None
        assert whole.heldout is None
        np.testing.assert_array_equal(whole.frame.iloc[:60], task.frame)
        np.testing.assert_array_equal(whole.frame.iloc[60:], task.heldout)
        assert list(task.heldout.columns) == list(task.frame.columns)
        assert nx.utils.graphs_equal(whole.truth, task.truth)

    def test_hidden_parents_are_bounded_at_every_seed(self, family: str) -> None:
        for seed in range(40):
            task, truth = loaded(family, seed, steps=500, heldout=500)
            under = {edge.source for edge in truth.edges if not truth.children(edge.target)}
            for name, variance in stationary_variances(truth).items():
                if name not in under:
                    assert 0.5 <= parameter(truth.node(name), "autoconnection") < 1.0
                    assert variance < 50.0, (seed, name)
            values = np.concatenate([task.frame, task.heldout])
            # a random walk of 1000 steps of sd .6, with a drift of .3 for a memory of 40 steps, twice over
            assert np.abs(values).max() < 1500.0, seed

    def test_seeds_differ_and_repeat(self, family: str) -> None:
        (one, _), (same, _), (other, _) = (loaded(family, seed, steps=50) for seed in (1, 1, 2))
        np.testing.assert_array_equal(one.frame, same.frame)
        assert nx.utils.graphs_equal(one.start, same.start)
        assert not np.allclose(one.frame, other.frame)

    def test_start_is_bare_and_wrong_by_at_most_what_is_asked(self, family: str) -> None:
        task, truth = loaded(family, 4, steps=5, wrong=1.5)
        columns = list(task.frame.columns)
        start, right = Topology.from_networkx(task.start), bare(truth, columns)
        assert start.edges == right.edges
        assert [edge.key for edge in start.edges] == [(f"{name}_state", name, "value", 0) for name in columns]
        errors = []
        for node in start.nodes:
            for key, value in node.parameters:
                exact = parameter(right.node(node.name), key)
                if key == "tonic_volatility" and node.name not in columns:
                    errors.append(value - exact)
                elif key == "precision" and node.name in columns:
                    errors.append(math.log(value / exact))
                else:
                    assert value == exact
        assert len(errors) == 2 * len(columns)
        assert max(map(abs, errors)) <= 1.5
        assert np.std(errors) > 0.4
        exact_start, _ = loaded(family, 4, steps=5, wrong=0.0)
        assert Topology.from_networkx(exact_start.start) == right

    def test_provenance_rebuilds_the_task(self, family: str) -> None:
        task, _ = loaded(family, 5, steps=30)
        expression = task.provenance.removeprefix("Simulated by sostruct.tasks.").removesuffix(" with seed 5.")
        assert expression == repr(HiddenStructure(family=family, steps=30))


def shape(family: str, seed: int) -> nx.MultiDiGraph:
    return loaded(family, seed, steps=1)[0].truth


@pytest.mark.parametrize("seed", range(8))
class TestTheSecretIsWhatTheNameSays:
    def test_none(self, seed: int) -> None:
        assert secrets(loaded("none", seed)[1]) == []

    def test_two_parents_of_two_states(self, seed: int) -> None:
        for family, coupling in (("volatility", "volatility"), ("drifts", "value")):
            edges = secrets(loaded(family, seed, steps=1)[1])
            assert len(edges) == len({e[0] for e in edges}) == len({e[1] for e in edges}) == 2
            assert {e[2] for e in edges} == {coupling}

    def test_one_parent(self, seed: int) -> None:
        for family, coupling, counts in (
            ("shared_volatility", "volatility", {2, 3, 4}),
            ("drift", "value", {1}),
            ("shared_drift", "value", {2}),
        ):
            edges = secrets(loaded(family, seed, steps=1)[1])
            assert len({e[0] for e in edges}) == 1
            assert len(edges) in counts
            assert {e[2] for e in edges} == {coupling}

    def test_shared_state_and_coparents(self, seed: int) -> None:
        _, truth = loaded("shared_state", seed, steps=1)
        assert len(truth.nodes) == 7
        assert len(truth.children("state_1")) == 2
        _, truth = loaded("coparents", seed, steps=1)
        (edge,) = truth.children("state_1")
        assert sorted(parent.source for parent in truth.parents(edge.target)) == ["state_1", f"{edge.target}_state"]

    def test_chains(self, seed: int) -> None:
        for family, coupling in (("volatility_chain", "volatility"), ("drift_chain", "value")):
            _, truth = loaded(family, seed, steps=1)
            name = coupling if coupling == "volatility" else "drift"
            (edge,) = truth.children(f"{name}_2")
            assert edge.key == (f"{name}_2", f"{name}_1", coupling, 0)
            (below,) = truth.children(f"{name}_1")
            assert below.coupling == coupling
            assert parameter(truth.node(below.target), "autoconnection") < 1.0


@pytest.mark.parametrize("seed", range(6))
def test_signals_are_what_they_are_said_to_be(seed: int) -> None:
    _, truth = loaded("volatility", seed, steps=1, signal=0.7)
    variances = stationary_variances(truth)
    assert variances["volatility_1"] == pytest.approx(0.49)
    _, truth = loaded("drift", seed, steps=1, signal=0.4)
    (edge,) = truth.children("drift_1")
    omega = math.exp(parameter(truth.node(edge.target), "tonic_volatility"))
    assert stationary_variances(truth)["drift_1"] == pytest.approx(0.16 * omega)
    for name in ("x0", "x3"):
        step = math.exp(0.5 * parameter(truth.node(f"{name}_state"), "tonic_volatility"))
        assert 0.3 * step <= parameter(truth.node(name), "precision") ** -0.5 <= step
    _, truth = loaded("shared_drift", seed, steps=1)
    sizes = [
        abs(edge.strength) * math.exp(-0.5 * parameter(truth.node(edge.target), "tonic_volatility"))
        for edge in truth.children("drift_1")
    ]
    assert 0.69 <= max(sizes) / min(sizes) <= 1 / 0.69
    _, truth = loaded("coparents", seed, steps=1, signal=3.0)
    (edge,) = truth.children("state_1")
    slow = math.exp(parameter(truth.node(f"{edge.target}_state"), "tonic_volatility"))
    assert stationary_variances(truth)["state_1"] == pytest.approx(9.0 * slow)


def test_constants_and_places_are_drawn() -> None:
    graphs = [loaded("shared_volatility", seed, steps=1)[1] for seed in range(40)]
    assert len({tuple(secrets(graph)) for graph in graphs}) > 8
    assert len({parameter(graph.node("volatility_1"), "autoconnection") for graph in graphs}) == 40
    loadings = [edge.strength for graph in graphs for edge in graph.children("volatility_1")]
    assert min(loadings) < 0.0 < max(loadings)


@pytest.mark.parametrize(("inputs", "nodes"), [(4, 10), (4, 12), (7, 20), (10, 30), (10, 21)])
def test_mixed_graphs_have_the_size_asked_for_and_many_motifs(inputs: int, nodes: int) -> None:
    graphs = [loaded("mixed", seed, inputs=inputs, nodes=nodes, steps=1)[1] for seed in range(12)]
    assert {len(graph.nodes) for graph in graphs} == {nodes}
    assert len({len(graph.edges) for graph in graphs}) > 1
    assert len(MIXED) == 7
    for graph in graphs:
        for name in (f"x{number}" for number in range(inputs)):
            beside = [edge.source for edge in graph.parents(name)]
            assert len(beside) == 1 or not any(graph.parents(state) for state in beside)
    if nodes == 30:
        names = {name.split("_")[0] for graph in graphs for name in graph.names}
        assert {"volatility", "drift", "state"} <= names


def test_states_may_return() -> None:
    task, truth = loaded("volatility", 1, autoconnection=0.9)
    assert {parameter(truth.node(f"x{i}_state"), "autoconnection") for i in range(4)} == {0.9}
    assert all(math.isfinite(variance) for variance in stationary_variances(truth).values())
    start = Topology.from_networkx(task.start)
    assert parameter(start.node("x0_state"), "autoconnection") == 0.9


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"family": "wild"}, ["'wild'", "shared_drift", "mixed"]),
        ({"family": "shared_state", "inputs": 1}, ["inputs", "1"]),
        ({"inputs": 0}, ["inputs"]),
        ({"steps": 0}, ["steps"]),
        ({"heldout": -1}, ["heldout"]),
        ({"wrong": -1.0}, ["wrong"]),
        ({"signal": "big"}, ["signal", "'big'"]),
        ({"family": "none", "signal": 1.0}, ["signal", "'none'"]),
        ({"nodes": 12}, ["nodes", "mixed"]),
        ({"family": "mixed", "nodes": 13}, ["nodes", "9 to 12"]),
        ({"family": "mixed", "nodes": 8}, ["nodes", "9 to 12"]),
        ({"autoconnection": 1.2}, ["autoconnection"]),
    ],
)
def test_refuses_impossible_settings(settings: dict[str, object], words: list[str]) -> None:
    with refused(ConfigError, "hidden structure", *words):
        HiddenStructure(**settings)  # type: ignore[arg-type]
