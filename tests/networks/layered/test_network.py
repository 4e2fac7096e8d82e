"""A layered network: predictions against numpy, surprise against formulas, gradients against differences, and what
edits leave alone."""

import equinox as eqx
import jax
import numpy as np
import optax
import pytest
from scipy.special import log_softmax, softmax

from sostruct.errors import ConfigError, DataError, GraphError
from sostruct.graph import (
    AddConnections,
    AddEdge,
    AddUnits,
    Edge,
    RemoveConnections,
    RemoveEdge,
    RemoveNode,
    RemoveUnits,
    SetParameters,
    SetWeights,
    apply,
    invert,
)
from sostruct.networks import base
from sostruct.networks.layered.building import birth, feedforward
from sostruct.networks.layered.learning import Learning
from sostruct.networks.layered.network import LayeredNetwork
from sostruct.networks.layered.plan import size_of
from tests.networks.layered.conftest import by_hand, network, rows, trained, winding

KEY = jax.random.key(7)


def test_predictions_are_what_numpy_says(features):
    net, data = trained()
    net = net.standardized(data)
    np.testing.assert_allclose(net.mean(features), softmax(by_hand(net, features), axis=1), atol=2e-6)
    net, data = trained(kind="regression", units=2)
    net = net.standardized(data)
    units = net.packed.units
    np.testing.assert_allclose(
        net.mean(features), by_hand(net, features) * units.target_scale + units.target_center, atol=2e-6
    )


def test_two_classes_have_one_unit(features):
    net = network(graph=winding("classification", 1))
    z = by_hand(net, features)[:, 0]
    np.testing.assert_allclose(net.mean(features)[:, 1], 1 / (1 + np.exp(-z)), atol=1e-6)
    data = net.prepare((features, [0, 1, 1, 0, 1, 0, 1]))
    after, signals = net.epoch(data, key=KEY)
    z = by_hand(after, features)[:, 0]
    expected = np.logaddexp(0, z).sum() - (np.asarray(data.target) * z).sum()
    assert float(-signals.evidence) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_signals_are_the_surprise_of_the_output_in_nats(kind):
    net, data = trained(kind=kind, units=3 if kind == "classification" else 2)
    net = net.standardized(data)
    after, signals = net.epoch(data, key=KEY)
    z, target = by_hand(after, data.inputs), np.asarray(data.target, np.float64)
    place = after.nodes.index("y")
    if kind == "classification":
        own = -log_softmax(z, axis=1)[np.arange(len(z)), np.asarray(data.target)].sum()
        entropy = -(softmax(z, axis=1) * log_softmax(z, axis=1)).sum()
    else:
        units = after.packed.units
        mean = z * units.target_scale + units.target_center
        variance = ((target - mean) ** 2).mean(axis=0)
        own = 0.5 * len(z) * np.log(2 * np.pi * np.e * variance).sum()
        entropy = own
        assert signals.error[place] == pytest.approx(np.sqrt(variance.sum()), rel=1e-4)
    assert signals.surprise[place] == pytest.approx(own, rel=1e-4)
    assert signals.expected[place] == pytest.approx(entropy, rel=1e-4)
    assert float(signals.evidence) == pytest.approx(-own, rel=1e-4)
    assert np.asarray(signals.count).tolist() == [0, 0, 0, 0, 40]
    assert (np.delete(np.asarray(signals.surprise), place) == 0).all()
    frame = after.reading
    import pandas as pd

    table = pd.DataFrame(np.asarray(data.inputs), columns=frame.features)
    for column, name in enumerate(frame.targets):
        table[name] = np.asarray(data.target).reshape(len(z), -1)[:, column]
    assert after.surprise(table).sum() == pytest.approx(own, rel=1e-4)


def test_a_step_of_gradient_descent_is_the_slope_of_the_mean_surprise():
    rate = 1e-3
    learning = Learning(optax.sgd(rate), batch=40, decay=0.3)
    net = network(learning=learning)
    data = net.prepare(rows())
    after, _ = net.epoch(data, key=KEY)

    def loss(one):
        z = by_hand(one, data.inputs)
        own = -log_softmax(z, axis=1)[np.arange(len(z)), np.asarray(data.target)].mean()
        squares = sum((np.asarray(w, np.float64) ** 2).sum() for w in one.packed.parameters.weights)
        return own + 0.5 * 0.3 * squares

    for source, target, unit in (("a", "first", (1, 2)), ("first", "first", (0, 2)), ("b", "y", (0, 1))):
        place = next(at for at, edge in enumerate(net.topology.edges) if (edge.source, edge.target) == (source, target))
        slopes = []
        for step in (1e-3, -1e-3):
            weights = list(net.packed.parameters.weights)
            weights[place] = np.array(weights[place])
            weights[place][unit] += step
            slopes.append(
                loss(net.with_packed(eqx.tree_at(lambda p: p.parameters.weights, net.packed, tuple(weights))))
            )
        slope = (slopes[0] - slopes[1]) / 2e-3
        moved = after.weights(source, target)[unit] - net.weights(source, target)[unit]
        assert moved == pytest.approx(-rate * slope, rel=2e-2, abs=1e-7)


def test_learning_is_deterministic_and_goes_on():
    one, other = trained()[0], trained()[0]
    assert eqx.tree_equal(one.packed, other.packed)
    net = network(learning=Learning(optax.adam(0.02), batch=8))
    features, _ = rows()
    data = net.prepare((features, np.where(features[:, 0] * features[:, 2] > 0, 2, 0)))
    for epoch in range(60):
        net, _ = net.epoch(data, key=jax.random.key(epoch))
    z = by_hand(net, data.inputs)
    assert np.mean(z.argmax(axis=1) == np.asarray(data.target)) > 0.9


def test_the_last_batch_counts_rows_once():
    net = network(learning=Learning(optax.sgd(0.1), batch=16))
    twice = network(learning=Learning(optax.sgd(0.1), batch=64))
    data = net.prepare(rows(5))
    one, other = (each.epoch(data, key=KEY)[0] for each in (net, twice))
    np.testing.assert_allclose(one.weights("b", "y"), other.weights("b", "y"), atol=1e-7)


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_growth_changes_no_prediction(kind, features):
    net, _ = trained(kind=kind, units=3 if kind == "classification" else 2)
    before, ones = net.mean(features), [1.0] * net.packed.plan.widths[net.packed.plan.output]
    cut = net.edited([RemoveConnections("a", "first", "value", 0, ((0, 1), (1, 2)))], key=KEY)
    for edits in (
        [AddUnits("first", (3,))],
        [AddUnits("second", (2,)), SetWeights("second", 2, {"a": [1.0, -2.0], "first": [0.5] * 3}, 0.25)],
        [
            AddUnits("second", (2,)),
            SetWeights("second", 2, {"a": [0, 0], "first": [0] * 3}, 0.0, {"y": ones}),
        ],
        list(birth(net.topology, 2)),
        list(birth(net.topology, 2, cascade=True, function="relu")),
        [AddEdge(Edge("a", "y"))],
    ):
        after = net.edited(edits, key=KEY)
        np.testing.assert_array_equal(after.mean(features), before)
        assert after.packed.best_surprise == net.packed.best_surprise
        assert after.topology == apply(net.topology, edits)
    between = net.edited([AddUnits("first", (0, 2))], key=KEY)
    np.testing.assert_allclose(between.mean(features), before, atol=1e-6)  # sums in another order
    joined = cut.edited([AddConnections("a", "first", "value", 0, ((0, 1),))], key=KEY)
    np.testing.assert_array_equal(joined.mean(features), cut.mean(features))
    assert cut.packed.best_surprise == np.inf, "what is best is forgotten where predictions change"


def test_growth_beyond_a_capacity_changes_no_prediction(features):
    net, data = trained()
    after = net.edited([AddUnits("first", tuple(range(3, 12)))], key=KEY)
    assert (net.packed.capacity.latent_width, after.packed.capacity.latent_width) == (8, 16)
    np.testing.assert_allclose(after.mean(features), net.mean(features), atol=1e-6)
    assert np.isfinite(after.epoch(data, key=KEY)[1].evidence)


def moments(net, name="mu"):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(optax.tree_utils.tree_get(net.packed.state, name))]


def test_what_no_edit_names_stays_bit_for_bit_and_moments_move_along():
    net, _ = trained()
    edits = [RemoveUnits("first", (1,)), AddUnits("first", (0,)), RemoveConnections("b", "y", "value", 0, ((0, 1),))]
    after = net.edited(edits, key=KEY)
    place = {edge.key: at for at, edge in enumerate(net.topology.edges)}
    for source, target in (("a", "second"), ("second", "y")):
        np.testing.assert_array_equal(after.weights(source, target), net.weights(source, target))
    for name in ("mu", "nu"):
        old, new = moments(net, name), moments(after, name)
        key = place["a", "first", "value", 0]
        np.testing.assert_array_equal(new[key][:2, :3], np.insert(np.delete(old[key][:2, :3], 1, 1), 0, 0.0, 1))
        key = place["first", "y", "value", 0]
        np.testing.assert_array_equal(new[key][:3, :3], np.insert(np.delete(old[key][:3, :3], 1, 0), 0, 0.0, 0))
        assert new[place["b", "y", "value", 0]][0, 1] == 0.0
    assert optax.tree_utils.tree_get(after.packed.state, "count") == 15
    np.testing.assert_array_equal(after.weights("first", "y")[1:], np.delete(net.weights("first", "y"), 1, 0))
    assert (after.weights("first", "y")[0] == 0).all()
    assert (after.weights("a", "first")[:, 0] != 0).all()


def test_what_is_not_there_is_never_learned():
    noisy = optax.chain(optax.add_noise(0.1, 0.5, 0), optax.adamw(0.01, weight_decay=0.1))
    learning = Learning(noisy, batch=8, decay=0.1, noise=0.5)
    net, data = trained(learning=learning)
    net = net.edited(
        [RemoveConnections("a", "first", "value", 0, ((0, 1), (1, 2))), RemoveUnits("second", (0,))], key=KEY
    )
    for epoch in range(3):
        net, _ = net.epoch(data, key=jax.random.key(epoch))
    parts = (net.packed.parameters, *(optax.tree_utils.tree_get(net.packed.state, name) for name in ("mu", "nu")))
    for part in parts:
        for leaf, there in zip(jax.tree.leaves(part), jax.tree.leaves(net.packed.there), strict=True):
            assert (np.asarray(leaf)[~np.asarray(there)] == 0).all()
    assert net.alive == net.nonzero == size_of(net.topology)
    assert net.weights("first", "first")[np.tril_indices(3)].any() == False  # noqa: E712


def test_connections_that_come_back_begin_at_zero():
    net, _ = trained()
    pair = ((1, 1),)
    edits = [RemoveConnections("a", "first", "value", 0, pair), AddConnections("a", "first", "value", 0, pair)]
    after = net.edited(edits, key=KEY)
    assert after.topology == net.topology
    assert after.weights("a", "first")[1, 1] == 0.0


def test_edits_within_a_capacity_compile_nothing(monkeypatch):
    counted = eqx.debug.assert_max_traces(base._epoch.__wrapped__, max_traces=None)
    monkeypatch.setattr(base, "_epoch", eqx.filter_jit(counted))
    net, data = trained(epochs=1)
    edits = [
        [AddUnits("first", (3,))],
        [RemoveUnits("second", (1,))],
        [RemoveConnections("a", "first", "value", 0, ((0, 1), (1, 2)))],
        [AddUnits("second", (0, 1, 2))],
    ]
    for epoch, edit in enumerate(edits):
        net = net.edited(edit, key=jax.random.key(epoch))
        net, _ = net.epoch(data, key=KEY)
    assert eqx.debug.get_num_traces(counted) == 1
    net, _ = net.edited(birth(net.topology, 1), key=KEY).epoch(data, key=KEY)
    assert eqx.debug.get_num_traces(counted) == 2, "a population compiles once"


def test_an_edit_and_its_inverse_give_the_same_graph():
    net, _ = trained()
    edits = [RemoveUnits("first", (0, 2)), RemoveEdge("a", "second")]
    back = net.edited(edits, key=KEY).edited(invert(net.topology, edits), key=KEY)
    assert back.topology == net.topology
    np.testing.assert_array_equal(back.weights("a", "first")[:, 1], net.weights("a", "first")[:, 1])


def test_the_best_parameters_are_kept(features):
    net, data = trained()
    worse = net.with_packed(eqx.tree_at(lambda p: p.best_surprise, net.packed, np.array(-100.0, np.float32)))
    after = worse
    for epoch in range(4):
        after, signals = after.epoch(data, key=jax.random.key(epoch))
    assert int(signals.gains.quiet) == 4
    np.testing.assert_array_equal(after.at_best().mean(features), net.at_best().mean(features))
    assert not after.at_rest
    resting = network(learning=Learning(batch=8, patience=2))
    resting = resting.with_packed(eqx.tree_at(lambda p: p.quiet, resting.packed, np.array(2, np.int32)))
    assert resting.at_rest
    assert not resting.edited([AddUnits("first", (0,))], key=KEY).at_rest, "patience begins anew"


def test_rows_held_out_are_not_learned():
    from dataclasses import replace

    net = network()
    net = replace(net, reading=replace(net.reading, validation=0.25, seed=4))
    features, labels = rows(60)
    data = net.prepare((features, labels))
    counts = np.bincount(labels)
    assert np.bincount(np.asarray(data.heldout_target)).tolist() == [round(0.25 * count) for count in counts]
    shuffled = eqx.tree_at(lambda d: d.heldout_target, data, np.roll(np.asarray(data.heldout_target), 1))
    one, other = net.epoch(data, key=KEY), net.epoch(shuffled, key=KEY)
    assert eqx.tree_equal(one[0].packed.parameters, other[0].packed.parameters)
    assert float(one[1].evidence) != float(other[1].evidence)


def test_at_capacity_and_at_topology_keep_what_was_learned(features):
    net, _ = trained()
    wide = net.at_capacity(net.edited([AddUnits("first", tuple(range(3, 20)))], key=KEY).packed.capacity)
    assert wide.packed.capacity.latent_width == 32
    np.testing.assert_allclose(wide.mean(features), net.mean(features), atol=1e-6)
    other = apply(net.topology, [AddUnits("second", (2,)), AddEdge(Edge("a", "y"))])
    moved = net.at_topology(other)
    assert moved.topology == other
    np.testing.assert_array_equal(moved.weights("a", "first"), net.weights("a", "first"))
    assert moved.alive == size_of(other)


def test_smoothing_spreads_a_share_over_all_classes():
    learning = Learning(optax.sgd(0.0), batch=40, smoothing=0.1)
    net = network(learning=learning)
    output = net.packed.output
    z, target = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32), np.array([0, 1, 2, 0, 1, 2])
    spread = 0.9 * np.eye(3)[target] + 0.1 / 3
    expected = -(spread * log_softmax(z, axis=1)).sum(axis=1)
    np.testing.assert_allclose(output.surprise(z, target, np.ones(3), 0.1), expected, rtol=1e-5)


def test_random_growth_draws_units_and_a_first_population():
    net, _ = trained()
    (candidate,) = net.draw(key=KEY)
    assert isinstance(candidate.edit[0], AddUnits)
    assert np.isnan(candidate.nats)
    bare = LayeredNetwork.of(feedforward(3, (), "classification", 3), key=KEY)
    (first,) = bare.draw(key=KEY)
    assert bare.edited(first.edits, key=KEY).units == 1


def without(name):
    graph = winding()
    graph.remove_node(name)
    return graph


def changed(**nodes):
    graph = winding()
    for name, attributes in nodes.items():
        graph.nodes[name].update(attributes)
    return graph


def joined(source, target, **attributes):
    graph = winding()
    graph.add_edge(source, target, **attributes)
    return graph


@pytest.mark.parametrize(
    ("graph", "why"),
    [
        (lambda: changed(first={"kind": "densee"}), "kind 'densee' is not registered"),
        (lambda: changed(first={"kind": "component"}), "has no attribute|not a parameter"),
        (lambda: changed(first={"width": 2.5}), "its width is 2.5"),
        (lambda: joined("y", "first"), "form a cycle"),
        (lambda: joined("y", "y", lag=1), "target is an input or output|output with children"),
        (lambda: joined("a", "second", lag=1), "its lag is 1"),
        (lambda: joined("a", "b"), "an input with parents"),
        (lambda: joined("first", "second", coupling="volatility"), "its coupling is 'volatility'"),
        (lambda: joined("b", "second", strength=2.0), "its strength is 2"),
        (lambda: joined("b", "second", function="curve"), "its function 'curve' is none of"),
        (lambda: joined("b", "second", connections="00ff"), "characters and 2 are needed"),
        (lambda: without("y"), "has 0 outputs"),
        (lambda: without("second"), None),
    ],
)
def test_graphs_that_are_no_layered_networks_are_refused_by_name(graph, why):
    if why is None:
        assert network(graph=graph()).units == 3
        return
    with pytest.raises(GraphError, match=why):
        network(graph=graph())


def test_edits_that_a_layered_network_cannot_express_are_refused():
    net = network()
    for edit, why in (
        (AddUnits("a", (0,)), "Cannot change a"),
        (RemoveNode("b"), "Cannot change b"),
        (SetParameters("first", {"width": 5}), "AddUnits"),
        (AddEdge(Edge("second", "first")), "form a cycle"),
        (RemoveUnits("y", (0,)), "Cannot change y"),
    ):
        with pytest.raises(GraphError, match=why):
            net.edited([edit], key=KEY)


def test_rows_that_do_not_fit_are_refused():
    net = network()
    features, labels = rows()
    with pytest.raises(DataError, match=r"2 columns.*3 features"):
        net.prepare((features[:, :2], labels))
    with pytest.raises(DataError, match="3 is none of the classes"):
        net.prepare((features, labels + 1))
    features[4, 1] = np.nan
    with pytest.raises(DataError, match=r"'x1'.*row 4.*missing"):
        net.prepare((features, labels))


@pytest.mark.parametrize(
    "settings",
    [{"batch": 0}, {"decay": -1.0}, {"smoothing": 1.0}, {"noise": np.nan}, {"patience": 0}, {"optimizer": "adam"}],
)
def test_settings_of_learning_out_of_range_are_refused(settings):
    with pytest.raises(ConfigError, match="Cannot learn with"):
        Learning(**settings)
