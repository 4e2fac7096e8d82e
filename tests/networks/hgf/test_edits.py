"""Editing a belief network: what an edit does not touch stays bit for bit; no edit within a capacity recompiles."""

from pathlib import Path

import equinox as eqx
import jax
import networkx as nx
import numpy as np
import pytest

from sostruct.control.controller import Controller
from sostruct.control.run import run
from sostruct.errors import ConfigError, GraphError
from sostruct.graph import (
    AddEdge,
    AddNode,
    Edge,
    RemoveEdge,
    RemoveNode,
    Rewire,
    SetParameters,
    Topology,
    apply,
    invert,
)
from sostruct.growth import catalogue
from sostruct.growth.counterfactual import evaluate
from sostruct.networks.base import _epoch
from sostruct.networks.hgf.network import HGF
from sostruct.networks.hgf.packed import PackedHGF
from tests.networks.hgf.graphs import random_graph, series

KEY = jax.random.key(0)


def grown(seed: int = 3, nodes: int = 12) -> tuple[HGF, np.ndarray]:
    """A network whose beliefs have moved and whose parameters are no longer the graph's, and data for it."""
    rng = np.random.default_rng(seed)
    graph, inputs = random_graph(rng, nodes, several_parents=True)
    net, data = HGF(graph, inputs=inputs, schedule="packed"), series(rng, graph, inputs, 20)
    believed, _ = net.epoch(net.prepare(data), key=KEY)
    wiring = believed.packed.wiring
    learned = eqx.tree_at(
        lambda packed: (packed.wiring.strength, packed.wiring.parameters["tonic_volatility"]),
        believed.packed,
        (np.asarray(wiring.strength) * 1.01, np.asarray(wiring.parameters["tonic_volatility"]) - 0.01),
    )
    return believed.with_packed(learned), data


def numbers(net: HGF) -> tuple[dict[str, dict[str, float]], dict[tuple[str, str, str, int], float], dict[str, object]]:
    """Parameters and beliefs by node, strengths by edge, covariances by pair of nodes."""
    slot, packed = net.packing.slot, net.packed
    nodes = {
        name: {
            **{f"parameter {key}": float(values[place]) for key, values in packed.wiring.parameters.items()},
            **{f"belief {key}": float(values[place]) for key, values in packed.state.beliefs.items()},
        }
        for name, place in slot.items()
    }
    edges = {
        edge.key: float(packed.wiring.strength[slot[edge.target], column])
        for name in net.nodes
        for column, edge in enumerate(net.topology.parents(name))
    }
    width, covariance = packed.capacity.input_width, np.asarray(packed.state.covariance)
    hidden = [name for name in net.nodes if name not in net.inputs]
    pairs = {
        (one, other): float(covariance[slot[one] - width, slot[other] - width])
        for one in hidden
        for other in hidden
        if covariance.size
    }
    return nodes, edges, pairs


def same_apart_from(before: HGF, after: HGF, touched: set[object]) -> None:
    for old, new in zip(numbers(before), numbers(after), strict=True):
        for name in old.keys() & new.keys() - touched:
            if isinstance(name, str):
                assert {key: new[name][key] for key in old[name]} == old[name], name
            else:
                assert new[name] == old[name], name


def test_what_an_edit_does_not_touch_stays_bit_for_bit() -> None:
    net, _ = grown()
    hidden = [name for name in net.nodes if name not in net.inputs and net.topology.node(name).kind == "continuous"]
    edge = net.topology.parents(net.inputs[0])[0]
    edits = [
        AddNode("new", "continuous", {"mean": 0.7, "autoconnection": 0.5}),
        AddEdge(Edge("new", net.inputs[0], strength=0.25)),
        AddEdge(Edge("new", hidden[0], "volatility", strength=0.3)),
        RemoveEdge(*edge.key),
        SetParameters(hidden[1], {"tonic_drift": 0.125}),
    ]
    after = net.edited(edits, key=KEY)
    assert after.topology == apply(net.topology, edits)
    same_apart_from(net, after, {hidden[1]})
    nodes, edges, pairs = numbers(after)
    was = numbers(net)
    assert nodes["new"]["belief mean"] == nodes["new"]["parameter mean"] == 0.7
    assert edges["new", net.inputs[0], "value", 0] == 0.25
    assert edge.key not in edges
    assert nodes[hidden[1]] == was[0][hidden[1]] | {"parameter tonic_drift": 0.125}
    assert was[2], "the case must carry covariances"
    assert any(was[2].values())
    assert all(value == 0.0 for pair, value in pairs.items() if "new" in pair)


def test_a_node_that_comes_back_is_new() -> None:
    net, _ = grown()
    name = next(name for name in net.nodes if name not in net.inputs and net.topology.node(name).kind == "continuous")
    removal = [RemoveNode(name)]
    back = net.edited([*removal, *invert(net.topology, removal)], key=KEY)
    assert back.topology == net.topology
    same_apart_from(net, back, {name, *(key for key in numbers(net)[1] if name in key[:2])} | _pairs(net, name))
    fresh = numbers(HGF(net.topology, inputs=net.inputs))
    assert numbers(back)[0][name] == fresh[0][name]
    assert {key: numbers(back)[1][key] for key in fresh[1] if name in key[:2]} == {
        key: value for key, value in fresh[1].items() if name in key[:2]
    }
    edge = net.topology.edges[0]
    turned = net.edited([Rewire(RemoveEdge(*edge.key), AddEdge(edge))], key=KEY)
    assert numbers(turned)[1][edge.key] == edge.strength
    same_apart_from(net, turned, {edge.key})


def _pairs(net: HGF, name: str) -> set[object]:
    return {pair for pair in numbers(net)[2] if name in pair}


def test_setting_what_a_node_starts_from_sets_what_it_believes() -> None:
    net, _ = grown()
    name = next(name for name in net.nodes if name not in net.inputs and net.topology.node(name).kind == "continuous")
    after = numbers(net.edited([SetParameters(name, {"mean": 2.0})], key=KEY))[0][name]
    assert after["parameter mean"] == after["belief mean"] == 2.0
    assert after["belief precision"] == numbers(net)[0][name]["belief precision"]


def test_setting_a_number_to_what_the_graph_says_undoes_what_was_learned() -> None:
    net, _ = grown()
    edge = net.topology.edges[0]
    assert numbers(net)[1][edge.key] != edge.strength
    after = net.edited([SetParameters(edge.key, {"strength": edge.strength})], key=KEY)
    assert numbers(after)[1][edge.key] == edge.strength
    same_apart_from(net, after, {edge.key})
    bent = net.edited([SetParameters(edge.key, {"function": "tanh"})], key=KEY)
    assert bent.topology.edge(edge.key).function == "tanh"
    same_apart_from(net, bent, set())


def test_an_edited_network_is_the_network_of_the_edited_graph() -> None:
    rng = np.random.default_rng(5)
    graph, inputs = random_graph(rng, 10)
    net, data = HGF(graph, inputs=inputs), series(rng, graph, inputs, 30)
    source = next(name for name in net.nodes if not net.topology.parents(name) and name not in inputs)
    edits = [
        AddNode("v", "volatile", {"autoconnection": 0.5}),
        AddEdge(Edge("v", inputs[0], strength=0.2)),
        AddNode("leaf", "continuous"),
        AddEdge(Edge(source, "leaf")),
    ]
    after = net.edited(edits, key=KEY)
    anew = HGF(apply(net.topology, edits), inputs=inputs, schedule="packed")
    assert after.inputs == tuple(inputs), "a new leaf is a hidden state"
    np.testing.assert_allclose(after.filter(data).mean, anew.filter(data).mean, rtol=1e-12)
    np.testing.assert_allclose(after.filter(data).surprise, anew.filter(data).surprise, rtol=1e-12)
    assert after.at_topology(net.topology).topology == net.topology


def test_capacity_grows_and_never_shrinks() -> None:
    net, data = grown()
    roomy = net.at_capacity(grown(nodes=40)[0].packed.capacity)
    assert net.at_capacity(net.packed.capacity) is net
    assert roomy.packed.capacity.latent_width > net.packed.capacity.latent_width
    same_apart_from(net, roomy, set())
    np.testing.assert_allclose(roomy.filter(data).surprise, net.filter(data).surprise, rtol=1e-11)
    back = roomy.edited([RemoveEdge(*net.topology.edges[0].key)], key=KEY)
    assert back.packed.capacity == roomy.packed.capacity


def test_at_topology_takes_what_differs_from_the_graph() -> None:
    net, _ = grown()
    name = next(name for name in net.nodes if name not in net.inputs and net.topology.node(name).kind == "continuous")
    edge = net.topology.edges[0]
    edits = [SetParameters(name, {"tonic_drift": 0.5}), SetParameters(edge.key, {"strength": 0.125})]
    after = net.at_topology(apply(net.topology, edits))
    same_apart_from(net, after, {name, edge.key})
    assert numbers(after)[0][name] == numbers(net)[0][name] | {"parameter tonic_drift": 0.5}
    assert numbers(after)[1][edge.key] == 0.125


def test_edits_a_filter_cannot_express_are_refused() -> None:
    net, _ = grown()
    hidden = next(name for name in net.nodes if name not in net.inputs and net.topology.parents(name))
    for edits, told in (
        ([RemoveNode(net.inputs[0])], rf"Cannot remove node {net.inputs[0]}.*an input.*Try"),
        ([AddNode("b", "binary")], "leave 'b' unobserved"),
        ([AddNode("s", "series")], "'s'.*'series'"),
        ([AddNode("c", "constant"), AddEdge(Edge(hidden, "c"))], f"{hidden} -> c"),
        ([AddEdge(Edge(net.inputs[0], hidden))], f"{net.inputs[0]}.*"),
        ([AddEdge(Edge(hidden, net.inputs[0], lag=1))], "lag 1"),
        ([RemoveEdge("no", "way")], "no -> way"),
    ):
        with pytest.raises(GraphError, match=told):
            net.edited(edits, key=KEY)


def test_schedules_follow_edits() -> None:
    graph = nx.DiGraph([("x", "u")])
    nx.set_node_attributes(graph, "continuous", "kind")
    addition = [AddNode("v", "continuous"), AddEdge(Edge("v", "x", "volatility"))]
    data = np.random.default_rng(0).normal(size=20)
    assert HGF(graph).drawn is not None
    assert HGF(graph).edited(addition, key=KEY).drawn is None
    unrolled = HGF(graph, schedule="unrolled").edited(addition, key=KEY)
    assert len(unrolled.drawn.places) == 3
    np.testing.assert_allclose(
        unrolled.filter(data).mean, HGF(graph).edited(addition, key=KEY).filter(data).mean, rtol=1e-10
    )
    with pytest.raises(ConfigError, match="Cannot unroll 17 nodes"):
        unrolled.edited([AddNode(f"n{number}", "continuous") for number in range(14)], key=KEY)


def test_a_counterfactual_is_the_difference_of_two_filters() -> None:
    rng = np.random.default_rng(6)
    graph, inputs = random_graph(rng, 9, kinds=("continuous",), functions=("identity",))
    net, data = HGF(graph, inputs=inputs), series(rng, graph, inputs, 30)
    net, _ = net.epoch(net.prepare(data), key=KEY)
    source = next(name for name in net.topology.order if name not in inputs)
    absent = [name for name in inputs if not net.topology.has_edge((source, name, "value", 0))]
    bundles = [
        [AddNode("new", "continuous", {"autoconnection": 0.5}), AddEdge(Edge("new", inputs[0], strength=0.5))],
        [RemoveEdge(*net.topology.edges[0].key)],
        [AddEdge(Edge(source, absent[0], strength=0.1))] if absent else [],
        [],
    ]
    nats = evaluate(net, net.prepare(data), bundles, key=KEY)
    now = net.filter(data).log_evidence
    for bundle, price in zip(bundles, nats, strict=True):
        assert price == pytest.approx(net.edited(bundle, key=KEY).filter(data).log_evidence - now, abs=1e-8)


def test_edits_within_a_capacity_compile_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    graph, inputs = random_graph(rng, 20, kinds=("continuous",), functions=("identity",), several_parents=True)
    net, data = HGF(graph, inputs=inputs), series(rng, graph, inputs, 20)
    traces = []
    epoch = PackedHGF.epoch

    def counted(self: PackedHGF, data: object, *, key: object) -> object:
        traces.append(self.capacity)
        return epoch(self, data, key=key)

    monkeypatch.setattr(PackedHGF, "epoch", counted)
    _epoch.clear_cache()
    prepared = net.prepare(data)
    for step in range(8):
        net, _ = net.epoch(prepared, key=KEY)
        drawn = net.draw(key=jax.random.key(step))[step].edit.edge
        weak = Edge(drawn.source, drawn.target, drawn.coupling, strength=0.01)
        removed = net.topology.edges[step].key
        net = net.edited([AddEdge(weak), RemoveEdge(*removed), SetParameters(weak.key, {"strength": 0.02})], key=KEY)
    assert len(traces) == len(set(traces)) <= 3, "one for each capacity"


def test_draws_are_legal_and_meet_every_coupling() -> None:
    net, _ = grown()
    seen = set()
    for seed in range(400):
        for one in net.draw(key=jax.random.key(seed)):
            assert np.isnan(one.nats)
            assert one.edit.edge.target == one.target
            seen.add(one.edit.edge.key)
    together = [one.edit for one in net.draw(key=KEY)]
    assert net.edited(together, key=KEY).topology.size == net.topology.size, "they can all be made together"
    for target in net.nodes:
        kind = net.topology.node(target).kind
        ancestors = nx.descendants(net.graph, target)
        possible = {
            (source, target, coupling, 0)
            for source in net.nodes
            for coupling in ("value", "volatility")
            if source not in net.inputs
            and source != target
            and source not in ancestors
            and kind != "constant"
            and not (kind == "binary" and coupling == "volatility")
            and not net.topology.has_edge((source, target, coupling, 0))
        }
        assert {key for key in seen if key[1] == target} == possible


def test_the_network_is_restored_from_its_arrays() -> None:
    net, data = grown()
    blank = HGF(Topology(net.topology.nodes, ()), inputs=net.inputs)
    restored = blank.at_capacity(net.packed.capacity).at_topology(net.topology)
    arrays = jax.tree.unflatten(jax.tree.structure(restored.packed), jax.tree.leaves(net.packed))
    np.testing.assert_array_equal(restored.with_packed(arrays).filter(data).mean, net.filter(data).mean)


def test_a_growing_run_resumes_to_the_same_arrays(tmp_path: Path) -> None:
    graph = nx.DiGraph([("x", "u"), ("y", "u"), ("y", "w")])
    nx.set_node_attributes(graph, {name: {"kind": "continuous", "autoconnection": 0.5} for name in graph})
    net, data = HGF(graph), np.random.default_rng(0).normal(size=(20, 2))
    controller = Controller(catalogue.random(), edits_per_epoch=1)
    whole = run(net, data, controller, epochs=4)
    run(net, data, controller, epochs=2, folder=tmp_path)
    resumed = run(net, data, controller, epochs=4, folder=tmp_path)
    assert resumed.network.topology == whole.network.topology != net.topology
    for one, other in zip(jax.tree.leaves(resumed.network.packed), jax.tree.leaves(whole.network.packed), strict=True):
        np.testing.assert_array_equal(one, other)


def test_beliefs_of_a_filter_move_on_with_the_network():
    graph = nx.MultiDiGraph()
    for name in ("u", "x"):
        graph.add_node(name, kind="continuous")
    graph.add_edge("x", "u")
    network, data = HGF(graph, schedule="packed"), np.random.default_rng(0).normal(size=20)
    later = network.with_state(network.filter(data[:12]).last).filter(data[12:])
    np.testing.assert_array_equal(later.mean, network.filter(data).mean[12:])
    other = HGF(nx.MultiDiGraph(graph), inputs=["u"])
    with pytest.raises(ConfigError, match="several subjects"):
        other.with_state(network.filter(np.stack([data, data])[..., None]).last)
