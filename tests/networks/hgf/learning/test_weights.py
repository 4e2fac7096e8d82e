"""Learning follows the gradients that the equations say, step by step, and finds the strengths that made the data."""

from typing import Any

import jax
import networkx as nx
import numpy as np
import optax
import pytest
from scipy.special import expit

import sostruct as ss
from sostruct.networks.hgf.learning import rules

KEY = jax.random.key(0)
PLAIN = optax.sgd(1.0)
SMALL = optax.sgd(0.05)


def network(first: float = 0.8, second: float = -1.0, bias: float = 0.3, **settings: Any) -> ss.HGF:
    """Two states seen by inputs of their own drive a third through tanh and sigmoid; a constant is its bias."""
    graph = nx.MultiDiGraph()
    for number in (1, 2):
        graph.add_node(f"u{number}", kind="continuous", precision=20.0)
        graph.add_node(f"x{number}", kind="continuous", tonic_volatility=-1.0, autoconnection=0.9, precision=0.5)
        graph.add_edge(f"x{number}", f"u{number}")
    graph.add_node("u3", kind="continuous", precision=4.0)
    graph.add_node("y", kind="continuous", tonic_volatility=-2.0, autoconnection=0.5)
    graph.add_node("one", kind="constant")
    graph.add_edge("y", "u3")
    graph.add_edge("x1", "y", function="tanh", strength=first)
    graph.add_edge("x2", "y", function="sigmoid", strength=second)
    graph.add_edge("one", "y", strength=bias)
    return ss.HGF(graph, **settings)


EDGES = [("x1", "y"), ("x2", "y"), ("one", "y")]
FUNCTIONS = {"x1": np.tanh, "x2": expit, "one": lambda x: x}
TRUE = network()
START = network(0.4, -0.2, 0.0)
SAMPLED = TRUE.sample(KEY, 30, subjects=2, time_steps=np.random.default_rng(0).uniform(0.5, 1.5, 30))


def slopes(beliefs: Any, kind: str, parents: str, time_steps: np.ndarray) -> np.ndarray:
    """-dw of every edge at every step [*subject, time, edge], from what a filter reports."""
    node = {name: place for place, name in enumerate(beliefs.nodes)}
    error = (beliefs.mean - beliefs.expected_mean)[..., node["y"]] * time_steps
    if kind == "precision_weighted":
        error = error * beliefs.precision[..., node["y"]]
    source = beliefs.mean if parents == "posterior" else beliefs.expected_mean
    return np.stack([error * FUNCTIONS[name](source[..., node[name]]) for name, _ in EDGES], -1)


@pytest.mark.parametrize("kind", ["standard", "precision_weighted"])
@pytest.mark.parametrize("parents", ["prediction", "posterior"])
def test_a_pass_moves_strengths_by_the_mean_of_error_times_parent(kind: str, parents: str) -> None:
    data = SAMPLED.series.copy()
    data[0, 3:9] = np.nan
    found = START.learn_weights(
        data,
        optimizer=PLAIN,
        edges=EDGES,
        kind=kind,
        parents=parents,
        online=False,
        epochs=1,
        time_steps=SAMPLED.time_steps,
    )
    beliefs = START.filter(data, SAMPLED.time_steps)
    expected = slopes(beliefs, kind, parents, SAMPLED.time_steps)
    assert (expected[0, 3:9] == 0.0).all()
    np.testing.assert_allclose(found.path[1] - found.path[0], expected.mean((0, 1)), rtol=1e-9)
    assert found.training[0] == pytest.approx(-beliefs.log_evidence / 60, rel=1e-9)


def test_online_strengths_move_after_every_step() -> None:
    data = SAMPLED.series[:, :8]
    found = START.learn_weights(data, optimizer=SMALL, edges=EDGES, epochs=1)
    current, last, total = START, START.filter(data[:, :1]).last, 0.0
    weights = np.array([0.4, -0.2, 0.0])
    for step in range(8):
        beliefs = current.filter(data[:, step : step + 1], start=None if step == 0 else last)
        last, total = beliefs.last, total - beliefs.log_evidence
        weights = weights + 0.05 * slopes(beliefs, "standard", "prediction", np.ones(1)).mean((0, 1))
        current = START.with_parameters(
            {edge: {"strength": weight} for edge, weight in zip(EDGES, weights, strict=True)}
        )
    np.testing.assert_allclose(found.path[1], weights, rtol=1e-9)
    assert found.training[0] == pytest.approx(total / 16, rel=1e-9)


@pytest.mark.parametrize("schedule", ["unrolled", pytest.param("packed", marks=pytest.mark.slow)])
def test_the_evidence_is_followed_through_the_whole_filter(schedule: str) -> None:
    start = network(0.4, -0.2, 0.0, schedule=schedule)

    def cost(weights: jax.Array) -> jax.Array:
        values = {edge: {"strength": weight} for edge, weight in zip(EDGES, weights, strict=True)}
        return -start.with_parameters(values).log_evidence(SAMPLED.series, SAMPLED.time_steps) / 60

    found = start.learn_weights(
        SAMPLED.series, optimizer=SMALL, edges=EDGES, kind="evidence", epochs=2, time_steps=SAMPLED.time_steps
    )
    with jax.enable_x64(True):
        slope = jax.jit(jax.grad(cost))(np.array([0.4, -0.2, 0.0]))
    np.testing.assert_allclose(found.path[1] - found.path[0], -0.05 * np.asarray(slope), rtol=1e-8)
    assert found.training[1] < found.training[0]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["standard", "precision_weighted", "evidence"])
def test_learning_finds_what_made_the_data(kind: str) -> None:
    frame = TRUE.sample(jax.random.key(5), 800).frame
    later = frame[500:].reset_index(drop=True)
    optimizer = optax.adam(0.1 if kind == "evidence" else 1e-2)
    edges = EDGES[:2]
    start = TRUE.with_parameters({edge: {"strength": 0.0} for edge in edges})
    found = start.learn_weights(frame[:500], optimizer=optimizer, edges=edges, kind=kind, epochs=25, validation=later)
    true, initial = (-one.filter(later).log_evidence / 300 for one in (TRUE, start))
    learned = -found.network.filter(later).log_evidence / 300
    assert learned < true + 0.02 * abs(true)
    assert initial > true + 0.2 * abs(true)
    assert found.validation[found.best] == pytest.approx(learned, rel=1e-9)
    assert found.best == np.argmin(found.validation)
    assert found.network.topology.edge(("x1", "y", "value", 0)).strength == found.path[found.best, 0]
    np.testing.assert_allclose(found.path[-1], [0.8, -1.0], atol=0.25)


def test_what_comes_back() -> None:
    found = START.learn_weights(SAMPLED.frame, epochs=2, validation=SAMPLED.frame)
    assert len(found.edges) == 6
    assert list(found.weights.columns) == ["parent", "child", "coupling", "function", "initial", "learned"]
    assert found.history.shape == (3, 2)
    assert found.history["training"].isna().tolist() == [True, False, False]
    assert found.network.inputs == START.inputs
    np.testing.assert_array_equal(found.network.state.beliefs["mean"], START.state.beliefs["mean"])
    assert repr(found).startswith("LearnedWeights: 6 strengths, 2 epochs (best: ")
    assert START.topology.edge(("x1", "y", "value", 0)).strength == 0.4


def test_other_numbers_compile_nothing() -> None:
    START.learn_weights(SAMPLED.series, epochs=1, edges=EDGES)
    compiled = rules.local_pass._cache_size()
    TRUE.learn_weights(SAMPLED.series + 1.0, epochs=1, edges=[("one", "y"), ("x1", "y"), ("x2", "y")])
    assert rules.local_pass._cache_size() == compiled


VOLATILE = ss.HGF(ss.continuous_hgf(levels=2))
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"kind": "hebbian"}, "kind is one of"),
    ({"parents": "both"}, "parents is one of"),
    ({"online": 1}, "online is one of"),
    ({"kind": "evidence", "online": True}, "whole series"),
    ({"epochs": 0}, "epochs is 0"),
    ({"edges": []}, "none to be learnt"),
    ({"edges": [("x1", "y"), ("x1", "y")]}, "named twice"),
    ({"edges": [("x1", "x2")]}, "no such edge"),
    ({"data": np.zeros((5, 2))}, "2 columns"),
    ({"network": VOLATILE, "edges": [("x2", "x1")], "data": np.zeros(5)}, "volatility coupling"),
]


@pytest.mark.parametrize(("wrong", "words"), REFUSED, ids=lambda part: part if isinstance(part, str) else "")
def test_what_is_refused(wrong: dict[str, Any], words: str) -> None:
    given: dict[str, Any] = {"network": START, "data": SAMPLED.series} | wrong
    with pytest.raises((ss.ConfigError, ss.GraphError, ss.DataError), match=words):
        given.pop("network").learn_weights(given.pop("data"), **given)


@pytest.mark.parametrize("kind", ["standard", "evidence"])
def test_steps_that_are_too_large_are_refused(kind: str) -> None:
    with pytest.raises(ss.BeliefError, match="in epoch"):
        START.learn_weights(SAMPLED.series, optimizer=optax.sgd(1e6), edges=EDGES, kind=kind, epochs=30)


def test_the_strength_of_a_volatility_coupling_follows_the_evidence() -> None:
    data = np.cumsum(np.random.default_rng(0).normal(size=60)) * 0.01 + 1.04
    found = VOLATILE.learn_weights(data, edges=[("x2", "x1")], kind="evidence", epochs=3, optimizer=optax.sgd(1e-3))
    assert found.training[-1] < found.training[0]
