"""Samples have the moments that the equations say, and the filter of the same network is calibrated on them."""

import jax
import networkx as nx
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit

import sostruct as ss
from sostruct.graph import AddEdge, AddNode, Edge
from sostruct.networks.hgf.generative import process
from sostruct.networks.hgf.generative.sampling import Sampled, sample
from tests.networks.hgf.graphs import random_graph
from tests.networks.hgf.reference_parts import BELIEF, explicit, links

KEY = jax.random.key(0)
MANY = 6000


def network(edges: list[tuple], settings: dict[str, object] | None = None, **nodes: dict[str, object]) -> ss.HGF:
    graph = nx.MultiDiGraph()
    for name, parameters in nodes.items():
        graph.add_node(name, **({"kind": "continuous"} | parameters))
    for parent, child, *own in edges:
        graph.add_edge(parent, child, **(own[0] if own else {}))
    return ss.HGF(graph, **(settings or {}))


def close(values: np.ndarray, expected: float, deviations: float = 4.5) -> None:
    """Whether the mean of independent numbers is the expected one, up to the error it has."""
    error = values.std() / np.sqrt(len(values))
    assert abs(values.mean() - expected) < deviations * error, (values.mean(), expected, error)


def at(found: Sampled, name: str) -> np.ndarray:
    """The values of a node [subject, time]."""
    return found.values[..., found.nodes.index(name)]


LEVEL = {"mean": 1.0, "precision": 2.0, "tonic_volatility": -1.0, "tonic_drift": 0.3}


@pytest.mark.parametrize("irregular", [False, True])
def test_a_random_walk_spreads_with_time(irregular: bool) -> None:
    time_steps = np.array([0.5, 2.0, 1.0, 0.1, 3.0]) if irregular else None
    elapsed = np.cumsum(np.ones(5) if time_steps is None else time_steps)
    found = network([("x", "u")], u={"precision": 4.0}, x=LEVEL).sample(KEY, 5, subjects=MANY, time_steps=time_steps)
    for step, passed in enumerate(elapsed):
        x, u = (at(found, name)[:, step] for name in ("x", "u"))
        close(x, 1.0 + 0.3 * passed)
        close((x - 1.0 - 0.3 * passed) ** 2, 0.5 + passed * np.exp(-1.0))
        close((u - x) ** 2, 0.25)  # noise of an observation does not grow with the time since the last


def test_an_autoconnection_keeps_a_stationary_law() -> None:
    lam, variance = 0.8, np.exp(-1.0) / (1.0 - 0.8**2)
    state = {"precision": 1.0 / variance, "tonic_volatility": -1.0, "autoconnection": lam}
    x = at(network([("x", "u")], u={}, x=state).sample(KEY, 12, subjects=MANY), "x")
    for step in (0, 11):
        close(x[:, step] ** 2, variance)
    close(x[:, 11] * x[:, 8], variance * lam**3)
    longer = at(network([("x", "u")], u={}, x=state).sample(KEY, 2, subjects=MANY, time_steps=[1.0, 2.5]), "x")
    close(longer[:, 0] * longer[:, 1], variance * lam**2.5)


VOLATILITY = {"mean": 0.4, "precision": 1.0 / 0.15, "tonic_volatility": -3.0}
INNER = {f"volatility_{name}": value for name, value in VOLATILITY.items()}


@pytest.mark.parametrize("inside", [False, True])
def test_a_volatility_parent_makes_steps_log_normal(inside: bool) -> None:
    """Steps N(0, exp(om + kap v)) with v ~ N(m, s^2): moments exp(om + kap m + kap^2 s^2 / 2), 3 exp(2 ...)."""
    kap = 1.0 if inside else 0.7
    if inside:
        net = network([("x", "u")], u={}, x={"kind": "volatile", "tonic_volatility": -1.0, **INNER})
    else:
        edges = [("x", "u"), ("v", "x", {"coupling": "volatility", "strength": kap})]
        net = network(edges, u={}, x={"tonic_volatility": -1.0}, v=VOLATILITY)
    found = net.sample(KEY, 2, subjects=4 * MANY)
    step = np.diff(at(found, "x"), axis=1)[:, 0]
    variance = 0.15 + 2.0 * np.exp(-3.0)
    close(step**2, np.exp(-1.0 + kap * 0.4 + kap**2 * variance / 2.0))
    close(step**4, 3.0 * np.exp(2.0 * (-1.0 + kap * 0.4) + 2.0 * kap**2 * variance))
    v = (found.levels["x"] if inside else found.states["v"]).to_numpy().reshape(-1, 2)
    close((v[:, 1] - 0.4) ** 2, variance)


@pytest.mark.parametrize("inside", [False, True])
def test_a_volatility_parent_adds_to_the_noise_of_an_input(inside: bool) -> None:
    if inside:
        net = network([("x", "u")], u={"kind": "volatile", "precision": 2.0, **INNER}, x={})
    else:
        net = network([("x", "u"), ("v", "u", {"coupling": "volatility"})], u={"precision": 2.0}, x={}, v=VOLATILITY)
    found = net.sample(KEY, 1, subjects=4 * MANY)
    close(((at(found, "u") - at(found, "x")) ** 2)[:, 0], 0.5 + np.exp(0.4 + (0.15 + np.exp(-3.0)) / 2.0))


def test_inputs_of_one_state_have_noise_of_their_own() -> None:
    net = network([("x", "u"), ("x", "v", {"strength": -0.5})], u={"precision": 4.0}, v={"precision": 1.0}, x={})
    found = net.sample(KEY, 4, subjects=MANY)
    first, second = at(found, "u") - at(found, "x"), at(found, "v") + 0.5 * at(found, "x")
    close(first.ravel() ** 2, 0.25)
    close(second.ravel() ** 2, 1.0)
    for other in (second, np.roll(second, 1, axis=1), np.diff(at(found, "x"), axis=1, prepend=0.0)):
        close((first * other).ravel(), 0.0)


def test_biases_functions_and_outcomes() -> None:
    edges = [("x", "u", {"function": "tanh", "strength": 2.0}), ("c", "u", {"strength": -0.5}), ("x", "b")]
    net = network(edges, u={"precision": 100.0}, b={"kind": "binary"}, x={"mean": 0.8}, c={"kind": "constant"})
    found = net.sample(KEY, 1, subjects=MANY)
    x, u, b = (at(found, name)[:, 0] for name in ("x", "u", "b"))
    close(u - 2.0 * np.tanh(x), -0.5)
    close(b - expit(x), 0.0)
    assert set(b) == {0.0, 1.0}
    assert (found.states["c"] == 1.0).all()


@pytest.mark.parametrize("seed", range(4))
def test_every_step_of_any_graph_is_the_one_the_equations_say(seed: int) -> None:
    """What a step leaves over its expectation, over its deviation, is standard noise, independent across nodes."""
    rng = np.random.default_rng(seed)
    graph, inputs = random_graph(rng, 14, several_parents=True)
    net = ss.HGF(graph, inputs=inputs)
    time_steps = rng.uniform(0.5, 1.5, 30)
    found = net.sample(jax.random.key(seed), 30, subjects=40, time_steps=time_steps)
    graph = explicit(graph)
    names = [name for name in graph if graph.nodes[name]["kind"] not in ("constant", "binary")]
    left = np.stack([_left(graph, inputs, found, name, time_steps) for name in names])
    count = left[0].size
    assert np.abs(left.mean((1, 2))).max() < 5.0 / np.sqrt(count)
    assert np.abs((left**2).mean((1, 2)) - 1.0).max() < 5.0 * np.sqrt(2.0 / count)
    flat = left.reshape(len(names), -1)
    correlation = flat @ flat.T / count - np.diag((flat**2).mean(1))
    assert np.abs(correlation).max() < 5.0 / np.sqrt(count)


def _left(graph: nx.MultiDiGraph, inputs: list[str], found: Sampled, name: str, time_steps: np.ndarray) -> np.ndarray:
    """(x - E x) / sd of every step but the first [subject, time], in plain numpy; the graph writes levels inside
    volatile nodes as nodes."""
    values = {node: at(found, node) for node in found.nodes}
    values |= {f"{node}/volatility": found.levels[node].to_numpy().reshape(40, 30) for node in found.volatile}
    node = BELIEF | dict(graph.nodes[name])
    linear, log_variance, noisy = np.zeros((40, 30)), np.zeros((40, 30)), False
    for link in links(graph, "value"):
        if link.child == name:
            linear = linear + link.strength * np.vectorize(link.g)(values[link.parent])
    for link in links(graph, "volatility"):
        if link.child == name:
            log_variance, noisy = log_variance + link.strength * values[link.parent], True
    if name in inputs:
        return ((values[name] - linear) / np.sqrt(1.0 / node["precision"] + noisy * np.exp(log_variance)))[:, 1:]
    decay = node["autoconnection"] ** time_steps[1:]
    mean = decay * values[name][:, :-1] + time_steps[1:] * (node["tonic_drift"] + linear[:, 1:])
    sd = np.sqrt(time_steps[1:] * np.exp(node["tonic_volatility"] + log_variance[:, 1:]))
    return (values[name][:, 1:] - mean) / sd


LINEAR = network(
    [("x", "u"), ("x", "v", {"strength": 0.5}), ("y", "v")],
    u={"precision": 3.0},
    v={"precision": 5.0},
    x={"tonic_volatility": -1.5, "autoconnection": 0.9},
    y={"tonic_volatility": -2.0, "precision": 4.0},
)


def test_a_linear_filter_is_as_surprised_by_samples_as_it_expects() -> None:
    """The Kalman filter's predictive covariance S depends on no data: E[surprise] = log det(2 pi e S) / 2."""
    beliefs = LINEAR.filter(LINEAR.sample(KEY, 20, subjects=2000).frame)
    decay, noise = np.diag([0.9, 1.0]), np.diag([1.0 / 3.0, 1.0 / 5.0])
    seen, added, own = np.array([[1.0, 0.0], [0.5, 1.0]]), np.diag(np.exp([-1.5, -2.0])), np.diag([1.0, 0.25])
    for step in range(20):
        predicted = decay @ own @ decay + added
        spread = seen @ predicted @ seen.T + noise
        close(beliefs.surprise[:, step], 0.5 * np.linalg.slogdet(2.0 * np.pi * np.e * spread)[1])
        own = predicted - predicted @ seen.T @ np.linalg.inv(spread) @ seen @ predicted


def test_predictions_of_samples_are_uniform_in_probability() -> None:
    net = network([("x", "u")], u={"precision": 3.0}, x={"tonic_volatility": -1.5, "autoconnection": 0.9})
    found = net.sample(KEY, 25, subjects=200)
    beliefs = net.filter(found.frame)
    place = beliefs.nodes.index("u")
    variance = beliefs.input_variance[..., 0] + 1.0 / beliefs.expected_precision[..., place]
    rank = stats.norm.cdf((found.series[..., 0] - beliefs.expected_mean[..., place]) / np.sqrt(variance))
    assert stats.kstest(rank.ravel(), "uniform").pvalue > 0.01
    assert abs(stats.pearsonr(rank[:, 1:].ravel(), rank[:, :-1].ravel()).statistic) < 0.05


def test_a_filtered_network_forecasts() -> None:
    """States over one input are correlated after a filter, and so are the draws."""
    net = network(
        [("x", "u"), ("y", "u")],
        u={"precision": 9.0},
        x={"tonic_volatility": -8.0},
        y={"tonic_volatility": -8.0, "mean": 1.0},
    )
    last = net.filter(np.array([1.0, 2.0, 1.5])).last
    assert np.asarray(last.covariance).any()
    found = net.with_state(last).sample(KEY, 1, subjects=MANY)
    belief = {name: float(last.beliefs["mean"][net.packing.slot[name]]) for name in "xy"}
    away = {name: at(found, name)[:, 0] - belief[name] for name in "xy"}
    width = net.packed.capacity.input_width
    places = [net.packing.slot[name] - width for name in "xy"]
    close(away["x"], 0.0)
    close(away["x"] * away["y"], float(np.asarray(last.covariance)[places[0], places[1]]))
    close(away["x"] ** 2, 1.0 / float(last.beliefs["precision"][net.packing.slot["x"]]) + np.exp(-8.0))


def test_the_key_decides_and_nothing_else() -> None:
    graph = LINEAR.topology
    first = LINEAR.sample(KEY, 6, subjects=3)
    again = ss.HGF(graph, schedule="packed").sample(KEY, 6, subjects=3)
    np.testing.assert_array_equal(first.values, again.values)
    np.testing.assert_array_equal(first.values, ss.HGF(graph, update="unbounded").sample(KEY, 6, subjects=3).values)
    assert (first.values != LINEAR.sample(jax.random.key(1), 6, subjects=3).values).all()
    np.testing.assert_array_equal(first.values[:2, :4], LINEAR.sample(KEY, 4, subjects=["anna", "ben"]).values)
    np.testing.assert_array_equal(first.values[0], LINEAR.sample(KEY, 6).values)
    assert len({*first.values.ravel()}) == first.values.size


def test_an_edit_leaves_the_noise_of_other_nodes_alone() -> None:
    edits = [AddNode(f"z{number}", "continuous") for number in range(9)]
    edits += [AddEdge(Edge(f"z{number}", "y")) for number in range(9)]
    edited = LINEAR.edited(edits, key=KEY)
    assert edited.packed.capacity != LINEAR.packed.capacity
    before, after = LINEAR.sample(KEY, 5), edited.sample(KEY, 5)
    np.testing.assert_allclose(after.states["x"], before.states["x"], rtol=1e-12)
    assert (after.states["y"] != before.states["y"]).all()


def test_other_parameters_compile_nothing() -> None:
    LINEAR.sample(KEY, 7)
    compiled = process.drawn._cache_size()
    other = LINEAR.with_parameters({"x": {"tonic_volatility": -3.0, "mean": 2.0}, ("x", "v"): {"strength": 0.1}})
    other.sample(jax.random.key(3), 7)
    network([("y", "u"), ("y", "v"), ("x", "v")], u={}, v={}, x={}, y={}).sample(KEY, 7)
    assert process.drawn._cache_size() == compiled


def test_what_comes_back() -> None:
    found = LINEAR.sample(KEY, 3, subjects=["anna", "ben"], time_steps=[[1.0, 2.0, 0.5], [1.0, 1.0, 1.0]])
    assert list(found.frame.columns) == ["u", "v"]
    assert list(found.states.columns) == ["x", "y"]
    assert found.frame.index.equals(found.states.index)
    assert found.frame.loc["ben"].shape == (3, 2)
    assert found.levels.empty
    beliefs = LINEAR.filter(found.frame, found.time_steps)
    assert beliefs.frame("mean").index.equals(found.frame.index)
    np.testing.assert_array_equal(beliefs.mean, LINEAR.filter(found.series, found.time_steps).mean)
    assert repr(found) == "Sampled: 3 steps of 2 subjects, inputs u, v, 2 hidden nodes"
    one = LINEAR.sample(KEY, 3)
    assert one.frame.index.equals(pd.RangeIndex(3))
    with pytest.raises(ValueError, match="read-only"):
        one.values[0] = 0.0


def test_a_path_that_diverges_is_refused_by_node_and_step() -> None:
    edges = [("x", "u"), ("v", "x", {"coupling": "volatility"}), ("x", "w")]
    net = network(edges, u={}, w={}, x={}, v={"mean": 0.0, "precision": 1e8, "tonic_drift": 50.0})
    with pytest.raises(ss.BeliefError, match=r"Cannot sample 'x' at step 5 ") as caught:
        net.sample(KEY, 20, subjects=2)  # 283.9 is the largest log variance there is, and the tonic one is -4
    assert "v" not in str(caught.value).split(". This")[0]
    chain = network([("x", "u")], u={}, x={"autoconnection": 1e60})
    with pytest.raises(ss.BeliefError, match=r"'x' at step [56] "):
        chain.sample(KEY, 20)


REFUSED = [
    ({"steps": 0}, "steps is 0"),
    ({"steps": 2.5}, "steps is 2.5"),
    ({"subjects": 0}, "subjects is 0"),
    ({"subjects": []}, "there is none"),
    ({"subjects": ["a", "a"]}, "occurs twice"),
    ({"time_steps": [1.0, 0.0, 1.0]}, "step 1"),
    ({"time_steps": [1.0]}, r"\(1,\)"),
    ({"key": 3}, r"jax\.random\.key\(0\)"),
    ({"key": jax.random.split(KEY)}, "not one random key"),
]


@pytest.mark.parametrize(("wrong", "words"), REFUSED, ids=lambda part: str(part))
def test_what_is_refused(wrong: dict[str, object], words: str) -> None:
    given: dict[str, object] = {"network": LINEAR, "key": KEY, "steps": 3} | wrong
    with pytest.raises((ss.ConfigError, ss.DataError), match=words):
        sample(**given)


def test_parameters_that_jax_traces_are_refused() -> None:
    with pytest.raises(ss.ConfigError, match="traces the parameters"):
        jax.jit(lambda drift: LINEAR.with_parameters({"x": {"tonic_drift": drift}}).sample(KEY, 2))(0.1)


def test_an_old_key_is_a_key() -> None:
    old = jax.random.key_data(KEY)
    np.testing.assert_array_equal(LINEAR.sample(old, 3).values, LINEAR.sample(KEY, 3).values)
