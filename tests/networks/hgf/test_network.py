"""The belief network as users hold it: filters against the plain reference, evidence, refusals by name."""

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
import pandas as pd
import pytest

from sostruct.errors import BeliefError, ConfigError, DataError, GraphError
from sostruct.graph import Edge, Node, Topology, register_function_name
from sostruct.networks.hgf.admission import check_choice
from sostruct.networks.hgf.network import HGF
from tests.networks.hgf import reference
from tests.networks.hgf.graphs import random_graph, series

QUANTITIES = ("mean", "precision", "expected_mean", "expected_precision")


def three_levels() -> nx.MultiDiGraph:
    graph = nx.MultiDiGraph()
    graph.add_node("u", kind="continuous", precision=20.0)
    graph.add_node("x1", kind="continuous", tonic_volatility=-3.0)
    graph.add_node("x2", kind="continuous", tonic_volatility=-4.0)
    graph.add_edge("x1", "u", coupling="value")
    graph.add_edge("x2", "x1", coupling="volatility", strength=0.8)
    return graph


def walk(steps: int = 60, seed: int = 0) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).normal(0.0, 0.3, steps))


@pytest.mark.parametrize("schedule", ["packed", "unrolled"])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_filter_is_the_reference_filter(seed: int, schedule: str) -> None:
    rng = np.random.default_rng(seed)
    graph, inputs = random_graph(rng, 6, several_parents=seed == 2)
    elapsed = rng.uniform(0.5, 2.0, 30) if seed == 2 else None
    data = series(rng, graph, inputs, 30, missing=0.2, time_steps=elapsed)
    beliefs = HGF(graph, inputs=inputs, schedule=schedule).filter(data, elapsed)
    truth = reference.run(graph, inputs, data, elapsed)
    assert beliefs.nodes == tuple(sorted(graph))
    for quantity in QUANTITIES:
        expected = np.stack([getattr(truth, quantity)[name] for name in beliefs.nodes], axis=1)
        np.testing.assert_allclose(getattr(beliefs, quantity), expected, rtol=1e-8, atol=1e-10, err_msg=quantity)
    np.testing.assert_allclose(beliefs.surprise, truth.surprise, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(beliefs.composite, truth.composite, rtol=1e-8, atol=1e-10)
    excess = np.stack([truth.excess[name] for name in beliefs.nodes], axis=1)
    np.testing.assert_allclose(beliefs.excess, excess, rtol=1e-7, atol=1e-9)


def test_it_filters_in_double_precision_whatever_the_flag() -> None:
    net, data = HGF(three_levels()), walk()
    with jax.enable_x64(False):
        single = net.filter(data)
    with jax.enable_x64(True):
        double = HGF(three_levels()).filter(data)
    assert single.mean.dtype == np.float64
    np.testing.assert_array_equal(single.mean, double.mean)
    assert net.log_evidence(data).dtype == np.float64


def test_it_filters_in_single_precision_when_asked() -> None:
    net, data = HGF(three_levels(), dtype="float32"), walk()
    with jax.enable_x64(True):
        beliefs, evidence = net.filter(data), net.log_evidence(data)
        _, signals = net.epoch(net.prepare(data), key=jax.random.key(0))
    assert beliefs.mean.dtype == evidence.dtype == signals.surprise.dtype == np.float32
    np.testing.assert_allclose(beliefs.mean, HGF(three_levels()).filter(data).mean, atol=1e-4)


def test_auto_unrolls_small_graphs_until_they_are_edited() -> None:
    chain = nx.path_graph([f"x{number}" for number in range(9)], create_using=nx.DiGraph)
    nx.set_node_attributes(chain, {name: {"kind": "continuous", "autoconnection": 0.5} for name in chain})
    assert HGF(three_levels()).drawn is not None
    assert HGF(chain).drawn is None
    assert HGF(chain, schedule="unrolled").drawn is not None
    longer = nx.path_graph([f"x{number:02d}" for number in range(17)], create_using=nx.DiGraph)
    nx.set_node_attributes(longer, "continuous", "kind")
    with pytest.raises(ConfigError, match=r"Cannot unroll 17 nodes.*Try schedule='packed'"):
        HGF(longer, schedule="unrolled")


def test_inputs_are_the_leaves_that_can_be_observed() -> None:
    graph = three_levels()
    graph.add_node("b", kind="binary")
    graph.add_node("alone", kind="constant")
    graph.add_edge("x1", "b")
    assert HGF(graph).inputs == ("b", "u")
    assert HGF(graph, inputs=["u", "b"]).inputs == ("u", "b")
    graph.remove_node("b")
    graph.add_node("leaf", kind="continuous")
    graph.add_edge("x1", "leaf")
    beliefs = HGF(graph, inputs=["u"]).filter(walk())
    truth = reference.run(graph, ["u"], walk())
    np.testing.assert_allclose(beliefs.mean[:, beliefs.nodes.index("leaf")], truth.mean["leaf"], rtol=1e-9)


def test_evidence_is_minus_the_surprise() -> None:
    net, data = HGF(three_levels()), walk()
    beliefs = net.filter(data)
    assert float(net.log_evidence(data)) == pytest.approx(beliefs.log_evidence, abs=1e-10)
    several = np.stack([data, data + 0.5])[..., None]
    assert float(net.log_evidence(several)) == pytest.approx(net.filter(several).log_evidence, abs=1e-9)


@pytest.mark.parametrize("schedule", ["packed", "unrolled"])
def test_evidence_is_differentiable_in_parameters_strengths_and_first_beliefs(schedule: str) -> None:
    net, data = HGF(three_levels(), schedule=schedule), walk()

    def evidence(numbers: jax.Array) -> jax.Array:
        values = {
            "x1": {"tonic_volatility": numbers[0], "mean": numbers[1]},
            ("x2", "x1"): {"strength": numbers[2]},
        }
        return net.with_parameters(values).log_evidence(data)

    with jax.enable_x64(True):
        at, step = jnp.array([-3.0, 0.1, 0.8]), 1e-5
        slopes = [(evidence(at + step * unit) - evidence(at - step * unit)) / (2 * step) for unit in jnp.eye(3)]
        np.testing.assert_allclose(jax.grad(evidence)(at), slopes, rtol=1e-6)
        plain = net.with_parameters({"x1": {"tonic_volatility": -3.0, "mean": 0.1}}).log_evidence(data)
        np.testing.assert_allclose(jax.jit(evidence)(at), plain, rtol=1e-12)


def test_evidence_maps_over_data() -> None:
    net, data = HGF(three_levels()), np.stack([walk(seed=seed) for seed in range(3)])
    with jax.enable_x64(True):
        np.testing.assert_allclose(
            jax.vmap(net.log_evidence)(jnp.asarray(data)), [float(net.log_evidence(one)) for one in data], rtol=1e-12
        )
        with pytest.raises(DataError, match=r"shape is \(3, 60\).*1 inputs"):
            jax.jit(net.log_evidence)(jnp.asarray(data))
        with pytest.raises(DataError, match=r"time_steps.*shape is \(7,\).*60 steps"):
            jax.jit(net.log_evidence)(jnp.asarray(data[0]), jnp.ones(7))


def test_networks_made_while_tracing_do_not_leak() -> None:
    net, data = HGF(three_levels()), walk()
    assert np.isfinite(float(jax.jit(lambda: net.log_evidence(data))()))
    assert np.isfinite(net.filter(data).log_evidence)
    with pytest.raises(ConfigError, match="Cannot filter while JAX traces"):
        jax.grad(lambda v: net.with_parameters({"x1": {"mean": v}}).filter(data).log_evidence)(0.0)


def test_a_filter_goes_on_from_where_another_ended() -> None:
    net, data = HGF(three_levels()), walk()
    whole = net.filter(data)
    half = net.filter(data[:25])
    rest = net.filter(data[25:], start=half.last)
    np.testing.assert_allclose(np.concatenate([half.mean, rest.mean]), whole.mean, rtol=1e-12)
    np.testing.assert_allclose(half.log_evidence + rest.log_evidence, whole.log_evidence, rtol=1e-12)


def test_subjects_are_filtered_as_if_alone() -> None:
    net = HGF(three_levels())
    data = {name: walk(seed=seed) for seed, name in enumerate(["ann", "bob", "cyd"])}
    elapsed = np.random.default_rng(3).uniform(0.5, 1.5, (3, 60))
    together = net.filter(data, elapsed)
    assert together.mean.shape == (3, 60, 3)
    for row, name in enumerate(data):
        alone = net.filter(data[name], elapsed[row])
        for quantity in QUANTITIES:
            np.testing.assert_allclose(getattr(together, quantity)[row], getattr(alone, quantity), rtol=1e-10)
        np.testing.assert_allclose(together.composite[row], alone.composite, rtol=1e-9)
    more = {name: walk(20, seed=10 + seed) for seed, name in enumerate(data)}
    later = net.filter(more, start=together.last)
    last = net.filter(data["cyd"], elapsed[2]).last
    np.testing.assert_allclose(later.mean[2], net.filter(more["cyd"], start=last).mean, rtol=1e-10)
    common = net.filter(more, start=last)
    np.testing.assert_allclose(common.mean[2], later.mean[2], rtol=1e-10)
    with pytest.raises(DataError, match=r"Cannot start from these beliefs.*\[3\] subjects"):
        net.filter(walk(5), start=together.last)


def jump() -> np.ndarray:
    data = np.full(30, 0.1)
    data[12] = 60.0
    return data


def test_a_posterior_that_is_no_belief_is_refused_by_name() -> None:
    graph = three_levels()
    nx.set_node_attributes(graph, {"x1": 100.0, "x2": 0.05, "u": 500.0}, "precision")
    dates = pd.date_range("2020-01-01", periods=30, name="day")
    frame = pd.DataFrame({"u": jump()}, index=dates)
    for schedule in ("packed", "unrolled"):
        net = HGF(graph, update="standard", schedule=schedule)
        with pytest.raises(
            BeliefError,
            match=r"Cannot update 'x2' at step \d+ \(2020-01-\d\d.*\)\. This is because .* under update='standard'\. "
            r"Try update='ehgf' or 'unbounded', or strict=False",
        ):
            net.filter(frame)
        with pytest.raises(BeliefError, match="of subject 1"):
            net.filter(np.stack([np.zeros(30), jump()])[..., None])
        assert np.isnan(net.log_evidence(frame))
        held = net.filter(frame, strict=False)
        truth = reference.run(graph, ["u"], jump(), update="standard", strict=False)
        assert held.held.to_dict() == truth.held
        assert held.held["x2"] > 0
        np.testing.assert_allclose(held.mean[:, 2], truth.mean["x2"], rtol=1e-8)
        assert not HGF(graph, update="unbounded", schedule=schedule).filter(frame).held.any()


def test_a_prediction_that_diverges_is_blamed_on_where_it_began() -> None:
    graph = nx.MultiDiGraph()
    for name, factor in (("top", 40.0), ("low", 0.5), ("u", 1.0)):
        graph.add_node(name, kind="continuous", autoconnection=factor, mean=1.0)
    graph.add_edge("top", "low")
    graph.add_edge("low", "u")
    for schedule in ("packed", "unrolled"):
        with pytest.raises(BeliefError, match=r"Cannot update 'top'.*its prediction has diverged.*autoconnection"):
            HGF(graph, schedule=schedule).filter(np.full(400, np.nan))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"update": "fast"}, r"update='fast'.*'ehgf', 'standard', 'unbounded'.*Try 'ehgf'"),
        ({"carry": "both"}, r"carry='both'.*'exact', 'literature'"),
        ({"linearize": "posterior"}, "linearize='posterior'"),
        ({"assimilate": "both"}, "assimilate='both'"),
        ({"schedule": "fast"}, "schedule='fast'"),
        ({"dtype": "float16"}, "dtype='float16'"),
    ],
)
def test_unknown_settings_are_refused(settings: dict, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        HGF(three_levels(), **settings)


def test_a_number_is_no_choice_between_true_and_false() -> None:
    with pytest.raises(ConfigError, match=r"mean_field=1.*True, False"):
        check_choice("mean_field", 1, (True, False))


def build(nodes: dict[str, str], *edges: Edge) -> Topology:
    return Topology(tuple(Node(name, kind) for name, kind in nodes.items()), edges)


LATENT = {"u": "continuous", "x": "continuous", "b": "binary", "c": "constant"}
SEEN = (Edge("x", "u"), Edge("x", "b"), Edge("c", "x"))


@pytest.mark.parametrize(
    ("graph", "inputs", "told"),
    [
        (build({"s": "series", "u": "continuous"}, Edge("s", "u")), None, "'s'.*'series' holds no belief"),
        (build(LATENT, Edge("x", "u"), Edge("x", "b", lag=1)), None, r"x -> b \(lag 1\).*within a step"),
        (build(LATENT, *SEEN[:2], Edge("c", "x", mark="undirected")), None, "undirected"),
        (build(LATENT, *SEEN[:2], Edge("x", "c")), None, "x -> c.*'constant'.*no value parents"),
        (build(LATENT, *SEEN[:2], Edge("b", "u")), ["u"], "'b' as a parent of 'u'.*only be observed"),
        (build(LATENT, *SEEN), ["u"], "leave 'b' unobserved"),
        (build(LATENT, *SEEN), ["u", "b", "x"], "observe 'x'.*child 'b'"),
        (build(LATENT, *SEEN), ["u", "v"], r"observe 'v'.*no node.*'b', 'u'"),
        (build(LATENT, *SEEN), ["u", "b", "u"], "observe 'u' twice"),
        (build(LATENT, Edge("x", "u"), Edge("x", "b")), ["u", "b", "c"], "observe 'c'.*'constant'"),
        (build(LATENT, *SEEN), "u", r"inputs='u'.*Try inputs=\['u'\]"),
        (build(LATENT, *SEEN), [], "without inputs"),
        (build({"c": "constant"}), None, "without inputs"),
        (build(LATENT, Edge("x", "u"), Edge("x", "b", "volatility")), None, "'binary'.*no volatility parents"),
        (build(LATENT, Edge("x", "b"), Edge("x", "u", "volatility", function="tanh")), None, "'tanh' on the edge"),
    ],
)
def test_graphs_a_filter_cannot_express_are_refused(graph: Topology, inputs: object, told: str) -> None:
    with pytest.raises(GraphError, match=told) as refusal:
        HGF(graph, inputs=inputs)
    assert "Try " in str(refusal.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda graph: graph.add_edge("u", "x2"), "u -> x2 -> x1 -> u"),
        (lambda graph: graph.add_node("q", kind="quantum"), "'q'.*'quantum'"),
        (lambda graph: graph.add_node("q", kind="continuous", omega=1.0), "'q'.*'omega'"),
        (lambda graph: graph.add_node("q", kind="continuous", precision=-1.0), "'q'.*precision"),
        (lambda graph: graph.add_edge("x1", "x2", coupling="magic"), "x1 -> x2.*'magic'"),
        (lambda graph: graph.add_edge("x1", "u", key="again"), "x1 -> u is there twice"),
        (lambda graph: graph.add_node(7, kind="continuous"), "7"),
    ],
)
def test_graphs_that_break_the_schema_are_refused(change: object, told: str) -> None:
    graph = three_levels()
    change(graph)
    with pytest.raises(GraphError, match=told):
        HGF(graph)


def softly(x: jax.Array) -> jax.Array:
    return jnp.arcsinh(x)


def test_functions_on_edges_are_known_by_their_names() -> None:
    graph = three_levels()
    graph.edges["x1", "u", 0]["function"] = softly
    net = HGF(graph)
    assert net.graph.edges["x1", "u", "value:0"]["function"] == "softly"
    assert graph.edges["x1", "u", 0]["function"] is softly, "the user's graph stays as it is"
    assert np.isfinite(net.filter(walk()).log_evidence)
    graph.edges["x1", "u", 0]["function"] = lambda x: x
    with pytest.raises(GraphError, match=r"x1 -> u.*no name of its own.*register_function"):
        HGF(graph)
    graph.edges["x1", "u", 0]["function"] = np.tanh
    with pytest.raises(GraphError, match=r"'tanh'.*NumPy.*Try jax.numpy.tanh"):
        HGF(graph)


def test_a_function_known_by_name_alone_is_refused() -> None:
    register_function_name("mystery")
    with pytest.raises(GraphError, match=r"'mystery' on the edge x -> u.*register_function\('mystery'"):
        HGF(build({"x": "continuous", "u": "continuous"}, Edge("x", "u", function="mystery")))


def test_parameters_are_set_by_name() -> None:
    net, data = HGF(three_levels()), walk()
    other = net.with_parameters({"x1": {"tonic_volatility": np.float32(-2.0)}, ("x2", "x1"): {"strength": 0.5}})
    graph = three_levels()
    graph.nodes["x1"]["tonic_volatility"] = -2.0
    graph.edges["x2", "x1", 0]["strength"] = 0.5
    assert other.topology == HGF(graph).topology
    np.testing.assert_array_equal(other.filter(data).mean, HGF(graph).filter(data).mean)
    assert net.topology == HGF(three_levels()).topology, "the network itself stays as it is"
    moved = net.with_parameters({"x1": {"mean": 3.0, "precision": 4.0}})
    graph = three_levels()
    graph.add_node("x1", mean=3.0, precision=4.0)
    np.testing.assert_array_equal(moved.filter(data).mean, HGF(graph).filter(data).mean)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"z": {"mean": 0.0}}, "'z'"),
        ({"x1": {"omega": 0.0}}, "'x1'.*'omega'.*'tonic_volatility'"),
        ({"x1": {"precision": 0.0}}, "precision"),
        ({"x1": {"mean": np.zeros(2)}}, r"'mean' is of shape \(2,\)"),
        ({("x1", "x2"): {"strength": 0.0}}, "no such edge.*x2' has no parents|no such edge"),
        ({("x1", "z"): {"strength": 0.0}}, "neither the name of a node"),
        ({("x2", "x1"): {"function": "tanh"}}, "'function' is not one of them"),
        ({("x2", "x1"): {"strength": 0.0}}, r"two couplings.*'value'.*'volatility'"),
    ],
)
def test_parameters_that_are_not_there_are_refused(values: dict, told: str) -> None:
    graph = three_levels()
    if "two" in told:
        graph.add_edge("x2", "x1", coupling="value")
    with pytest.raises(GraphError, match=told):
        HGF(graph).with_parameters(values)


def test_a_negative_autoconnection_takes_regular_steps_only() -> None:
    graph = three_levels()
    graph.nodes["x2"]["autoconnection"] = -0.5
    net = HGF(graph)
    assert np.isfinite(net.filter(walk()).log_evidence)
    for run in (net.filter, net.log_evidence, net.prepare):
        with pytest.raises(GraphError, match=r"irregular time steps.*'x2' has autoconnection -0.5"):
            run(walk(), np.full(60, 2.0))


def test_an_epoch_reports_nodes_and_moves_beliefs() -> None:
    rng = np.random.default_rng(4)
    graph, inputs = random_graph(rng, 8)
    net, data = HGF(graph, inputs=inputs), series(rng, graph, inputs, 40, missing=0.1)
    beliefs = net.filter(data)
    after, signals = net.epoch(net.prepare(data), key=jax.random.key(0))
    assert signals.surprise.shape == (8,)
    np.testing.assert_allclose(signals.excess, beliefs.excess.sum(), rtol=1e-7, atol=1e-9)
    seen = [net.nodes.index(name) for name in inputs]
    np.testing.assert_allclose(np.asarray(signals.surprise)[seen].sum(), beliefs.composite.sum(), rtol=1e-10)
    np.testing.assert_array_equal(np.asarray(signals.count)[seen], (~np.isnan(data)).sum(0))
    np.testing.assert_allclose(signals.evidence, beliefs.log_evidence, rtol=1e-10)
    slots = list(net.packing.slot.values())
    for name, numbers in beliefs.last.beliefs.items():
        np.testing.assert_allclose(np.asarray(after.state.beliefs[name])[slots], np.asarray(numbers)[slots], rtol=1e-9)
    assert after.log_evidence(data) != pytest.approx(float(net.log_evidence(data)), abs=1e-6)
    np.testing.assert_array_equal(after.reset().filter(data).mean, beliefs.mean)
    with pytest.raises(DataError, match="Cannot prepare several subjects"):
        net.prepare(data[None])
