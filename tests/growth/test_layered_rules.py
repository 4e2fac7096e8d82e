"""The contract of every rule for layered networks, what each scores against plain numpy, and the pitfalls that each is
there to avoid."""

import json
import math
from dataclasses import replace

import equinox as eqx
import jax
import numpy as np
import optax
import pytest

from sostruct.control.controller import Controller
from sostruct.control.run import run
from sostruct.errors import ConfigError
from sostruct.graph import (
    AddConnections,
    AddNode,
    AddUnits,
    RemoveConnections,
    RemoveUnits,
    SetWeights,
    apply,
    width_of,
)
from sostruct.growth.accept import Always, Counterfactual
from sostruct.growth.counterfactual import Pricing
from sostruct.growth.layered.cascade import Cascade
from sostruct.growth.layered.catalogue import layered_rules, pruned
from sostruct.growth.layered.common import arrival, places
from sostruct.growth.layered.expansion import NaturalExpansion
from sostruct.growth.layered.gain import Sample, gains, trainable
from sostruct.growth.layered.gradmax import GradMax
from sostruct.growth.layered.limits import Units
from sostruct.growth.layered.pruning import DormantUnits, Fisher, Magnitude, Prune, Reduction, Saliency, reduction_gain
from sostruct.growth.layered.rewiring import RewireConnections
from sostruct.growth.rule import GrowthRule
from sostruct.growth.score import Random
from sostruct.growth.trigger import Every
from sostruct.growth.trigger_plateau import Plateau
from sostruct.growth.trigger_span import During
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.networks.layered.building import birth, feedforward
from sostruct.networks.layered.learning import Learning
from sostruct.networks.layered.network import LayeredNetwork
from sostruct.networks.layered.plan import size_of
from sostruct.networks.layered.statistics import gradients, squares, statistics

KEY = jax.random.key(3)
_GENERATOR = np.random.default_rng(1)
FEATURES = _GENERATOR.normal(size=(60, 3)).astype(np.float32)
LABELS = ((FEATURES[:, 0] * FEATURES[:, 1] > 0) + (FEATURES[:, 2] > 0)).astype(int)
LEARNING = Learning(optax.adam(0.01), batch=20)


def learned(hidden=(5,), epochs=5, validation=0.0, learning=LEARNING):
    net = LayeredNetwork.of(feedforward(3, hidden, "classification", 3), learning=learning, key=KEY)
    net = replace(net, reading=replace(net.reading, validation=validation))
    data, signals = net.prepare((FEATURES, LABELS)), None
    for epoch in range(epochs):
        net, signals = net.epoch(data, key=jax.random.key(epoch))
    return net, data, signals


@pytest.fixture(scope="module")
def case():
    return learned()


def asked(scorer, case, state=None, key=KEY):
    net, data, signals = case
    state = scorer.init(net) if state is None else state
    return scorer.score(net, signals, state, evaluate=Pricing(net, data, key), key=key)


@pytest.mark.parametrize("name", sorted(layered_rules))
class TestEveryRule:
    def test_proposals_fit_the_graph_and_states_are_json(self, name, case):
        net, data, signals = case
        rule = layered_rules[name]()
        state = rule.init(net)
        again = json.loads(json.dumps(state))
        for _ in range(6):
            proposals, state = rule.propose(net, signals, state, evaluate=Pricing(net, data, KEY), key=KEY)
            other, again = rule.propose(net, signals, again, evaluate=Pricing(net, data, KEY), key=KEY)
            assert [one.edit for one in proposals] == [one.edit for one in other], "a function of its arguments"
            again = json.loads(json.dumps(again))
            assert again == json.loads(json.dumps(state))
            for one in proposals:
                after = net.edited(one.edits, key=KEY)
                assert after.alive == size_of(after.topology)
                assert one.reason

    def test_networks_of_other_kinds_are_refused(self, name):
        if name in ("random", "set_rewiring", "rigl", "pruned", "grown_and_pruned"):
            pytest.skip("its scorer takes any network, or refuses when it is asked")
        with pytest.raises(ConfigError, match="layered"):
            layered_rules[name]().init(LaggedNetwork.bare(("a", "b"), 1))


GROWING = {
    "random": Random(),
    "natural_expansion": NaturalExpansion(pool=32),
    "cascade": Cascade(pool=4, tried=2, steps=20),
    "gradmax": GradMax(),
}


@pytest.mark.parametrize("name", sorted(GROWING))
@pytest.mark.parametrize("hidden", [(), (5,)])
def test_growth_changes_no_prediction_and_can_learn(name, hidden):
    if name == "cascade" and hidden:
        pytest.skip("grows cascades alone")
    case = learned(hidden)
    net, data, _ = case
    found, _ = asked(GROWING[name], case)
    assert found
    after = net.edited(found[0].edits, key=KEY)
    np.testing.assert_array_equal(after.mean(FEATURES), net.mean(FEATURES))
    assert after.units == net.units + 1
    trained, _ = after.epoch(data, key=KEY)
    (place,) = places(net)
    unit = width_of(after.topology.node(place.name)) - 1
    sends = [trained.weights(place.name, child)[unit] for child in place.out]
    receives = [trained.weights(name, place.name)[:, unit] for name, _ in place.into]
    assert any((np.abs(part) > 0).any() for part in sends)
    assert any((np.abs(part) > 0).any() for part in receives)
    assert not (unit and np.allclose(receives[0], trained.weights("x", place.name)[:, 0])), "no copy of another"


def test_slopes_are_those_of_the_surprise(case):
    net, data, _ = case
    rows = statistics(net, data)
    mean = net.mean(FEATURES)
    np.testing.assert_allclose(rows.slopes["y"], mean - np.eye(3)[LABELS], atol=1e-5)
    back = (rows.slopes["y"] @ net.weights("hidden_1", "y").T) * (1 - np.tanh(rows.sums["hidden_1"]) ** 2)
    np.testing.assert_allclose(rows.slopes["hidden_1"], back, atol=1e-5)
    key = ("x", "hidden_1", "value", 0)
    np.testing.assert_allclose(gradients(net, data)[key], FEATURES.T @ back / 60, atol=1e-5)
    single = np.stack([np.outer(FEATURES[row], back[row]) for row in range(60)])
    np.testing.assert_allclose(squares(net, data)[key], (single**2).mean(axis=0), atol=1e-5)


def test_the_gain_is_that_of_the_quadratic_form():
    generator = np.random.default_rng(0)
    sent, slopes = generator.normal(size=(50, 1)), generator.normal(size=(50, 2))
    sample = Sample(sent, slopes)
    weights = sample.best

    def lost(v):
        return float(-(v * sample.b[:, 0]).sum() + 0.5 * v @ sample.S @ v * sample.A[0])

    best = lost(weights[:, 0])
    assert sample.gain(weights)[0] == pytest.approx(-best)
    for step in generator.normal(size=(20, 2)) * 0.1:
        assert lost(weights[:, 0] + step) >= best


def test_a_unit_that_adds_nothing_new_gains_nothing():
    case = learned(epochs=60)
    net, data, _ = case
    (place,) = places(net)
    copy = {"x": net.weights("x", "hidden_1").astype(float)}
    fresh = {"x": np.random.default_rng(0).normal(size=(3, 200))}
    same = gains(net, data, place, copy, net.biases("hidden_1").astype(float))
    other = gains(net, data, place, fresh, np.zeros(200))
    assert np.abs(same).max() < 0.05 * np.abs(other).max()
    assert trainable(net, data, place) >= 0.0
    assert trainable(net, data, places(learned(hidden=())[0])[0]) == 0.0


def test_natural_expansion_finds_the_product_that_a_linear_network_lacks():
    features = np.random.default_rng(2).normal(size=(400, 3)).astype(np.float32)
    labels = (features[:, 0] * features[:, 1] > 0).astype(int)

    def expanded(hidden, epochs):
        learning = Learning(optax.adam(0.02), batch=100)
        net = LayeredNetwork.of(feedforward(3, hidden, "classification", 1), learning=learning, key=KEY)
        data = net.prepare((features, labels))
        for epoch in range(epochs):
            net, signals = net.epoch(data, key=jax.random.key(epoch))
        return asked(NaturalExpansion(pool=128), (net, data, signals))[0]

    (found,) = expanded((), 30)
    assert found.nats > 10.0
    (later,) = expanded((12,), 200)
    assert later.nats < found.nats


def test_natural_expansion_waits_while_training_would_gain_more():
    case = learned(epochs=1)
    net, data, _ = case
    assert trainable(net, data, places(net)[0]) > 0.0
    assert asked(NaturalExpansion(pool=16, ratio=1e6), case)[0] == []
    assert len(asked(NaturalExpansion(pool=16), case)[0]) == 1


def test_the_degenerate_curvature_measures_gradients_and_is_refused():
    with pytest.raises(ConfigError, match="diagonal"):
        NaturalExpansion(curvature="diagonal")
    gradient, eps = np.array([1e-2, 1.0, 100.0]), 1e-8
    degenerate = gradient * gradient / (gradient**2 + eps)
    np.testing.assert_allclose(degenerate, 1.0, atol=1e-3)


def test_gradmax_sends_along_the_first_singular_vector(case):
    net, data, _ = case
    (found,), _ = asked(GradMax(size=2.0), case)
    weights = found.edits[1]
    assert isinstance(weights, SetWeights)
    rows = statistics(net, data)
    slope = rows.slopes["y"].T @ FEATURES / 60
    sends = np.array(dict(weights.outgoing)["y"])
    assert np.linalg.norm(sends) == pytest.approx(2.0)
    assert np.linalg.norm(sends @ slope) == pytest.approx(2.0 * np.linalg.svd(slope)[1][0], rel=1e-4)
    assert set(np.ravel([values for _, values in weights.incoming])) == {0.0}
    for function in ("sigmoid", "relu"):
        with pytest.raises(ConfigError, match=function):
            GradMax(function=function)


def test_a_cascade_correlates_with_the_errors():
    case = learned(hidden=(), epochs=30)
    net, data, _ = case
    rows = statistics(net, data)

    def correlation(candidate):
        weights = next(edit for edit in candidate.edits if isinstance(edit, SetWeights))
        sent = np.tanh(FEATURES @ np.array(dict(weights.incoming)["x"]) + weights.bias)
        away = sent - sent.mean()
        errors = rows.slopes["y"] - rows.slopes["y"].mean(axis=0)
        return np.abs(away @ errors).sum() / np.sqrt((away**2).sum())

    trained, _ = asked(Cascade(pool=8, tried=8, steps=200), case)
    drawn, _ = asked(Cascade(pool=8, tried=8, steps=0), case)
    assert max(map(correlation, trained)) > max(map(correlation, drawn))
    values = [correlation(one) for one in trained]
    assert values == sorted(values, reverse=True)
    first = net.edited(trained[0].edits, key=KEY)
    assert first.topology.has_edge(("hidden_1", "hidden_1", "value", 1))
    assert any(isinstance(edit, AddNode) for edit in trained[0].edits)
    after, signals = first.epoch(data, key=KEY)
    second, _ = asked(Cascade(pool=4, tried=1, steps=5), (after, data, signals))
    assert isinstance(second[0].edits[0], AddUnits)


MEASURES = {"magnitude": Magnitude(), "saliency": Saliency(), "fisher": Fisher(), "reduction": Reduction()}


@pytest.mark.parametrize("name", sorted(MEASURES))
def test_what_does_least_goes_first(name, case):
    net, data, _ = case
    measure = MEASURES[name]
    values = measure.measure(net, data)
    (found,), _ = asked(Prune(0.4, 1, measure=measure), case)
    gone = {edit.key: edit.pairs for edit in found.edits if isinstance(edit, RemoveConnections)}
    assert sum(map(len, gone.values())) == 30 - math.ceil(0.6 * 30)
    cut = max(values[key][pair] for key, pairs in gone.items() for pair in pairs)
    left = [
        values[key][row, column]
        for key, own in values.items()
        for row, column in np.ndindex(own.shape)
        if (row, column) not in gone.get(key, ())
    ]
    assert cut <= min(left)
    assert math.isnan(found.nats) == (not measure.nats)


def test_fisher_is_the_rise_of_surprise_to_the_second_order():
    """Of a linear model with the errors that its own probabilities expect, the empirical Fisher information is the
    curvature; a small weight is taken, since the third order is not counted."""
    case = learned(hidden=(), epochs=300, learning=Learning(optax.adam(0.01), batch=60, patience=None))
    net, data, _ = case
    prices = Fisher().measure(net, data)["x", "y", "value", 0]
    weights = np.abs(net.weights("x", "y"))
    row, column = np.unravel_index(np.argmin(np.where(prices > 0.02, weights, np.inf)), weights.shape)
    after = net.edited([RemoveConnections("x", "y", "value", 0, ((int(row), int(column)),))], key=KEY)

    def surprise(one):
        return -np.log(one.mean(FEATURES)[np.arange(60), LABELS]).sum()

    assert surprise(after) - surprise(net) == pytest.approx(prices[row, column], rel=1.0, abs=0.3)


def test_model_reduction_by_evidence_of_one_weight():
    """y = w x + noise of variance 1: the posterior is exact, and so is the evidence with w and without."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=30)
    for strength in (0.0, 0.05, 0.6):
        y = strength * x + generator.normal(size=30)
        precision = x @ x + 1.0 / 2.0
        mean = x @ y / precision
        covariance = np.eye(30) + 2.0 * np.outer(x, x)
        with_it = -0.5 * (np.linalg.slogdet(covariance)[1] + y @ np.linalg.solve(covariance, y))
        gain = reduction_gain(np.array(mean), np.array(precision), 2.0)
        assert gain == pytest.approx(-0.5 * y @ y - with_it)
        assert (gain > 0) == (precision * mean**2 < np.log(precision * 2.0))


def test_a_schedule_is_cubic_and_ends(case):
    net, data, _ = case
    scorer, left = Prune(0.5, 4, begin=2), []
    state = scorer.init(net)
    for _ in range(8):
        found, state = asked(scorer, (net, data, case[2]), state)
        for one in found:
            net = net.edited(one.edits, key=KEY)
        left.append(sum(int(np.asarray(w).sum()) for w in net.packed.there.weights))
    wanted = [30, 30] + [math.ceil(30 * (1 - 0.5 * (1 - (1 - t / 4) ** 3))) for t in (1, 2, 3, 4)] + [15, 15]
    assert all(have <= want for have, want in zip(left, wanted, strict=True))
    assert left[1] == 30
    assert left[5] >= 15 - 6, "units without connections take theirs along"


def test_units_that_lost_all_connections_go_too():
    case = learned(hidden=(2,))
    net = case[0]
    cuts = [RemoveConnections("hidden_1", "y", "value", 0, ((1, 0), (1, 1)))]
    net = net.edited(cuts, key=KEY)
    weights = net.weights("hidden_1", "y")
    weights[1, 2] = 1e-9
    place = [edge.key for edge in net.topology.edges].index(("hidden_1", "y", "value", 0))
    padded = np.array(net.packed.parameters.weights[place])
    padded[:2] = weights
    parts = list(net.packed.parameters.weights)
    parts[place] = padded
    net = net.with_packed(eqx.tree_at(lambda one: one.parameters.weights, net.packed, tuple(parts)))
    (found,), _ = asked(Prune(0.1, 1), (net, case[1], case[2]))
    assert RemoveUnits("hidden_1", (1,)) in found.edits
    assert net.edited(found.edits, key=KEY).units == 1


def test_dormant_units_go():
    case = learned()
    net = case[0]
    quiet = net.edited([SetWeights("hidden_1", 2, {"x": [0.0] * 3}, 0.001)], key=KEY)
    (found,), _ = asked(DormantUnits(0.05), (quiet, case[1], case[2]))
    assert found.edit == (RemoveUnits("hidden_1", (2,)),)


@pytest.mark.parametrize("by", ["gradient", "random"])
def test_rewiring_keeps_the_number_of_connections(by):
    case = learned()
    net, data, signals = case
    (cut,), _ = asked(Prune(0.5, 1), case)
    net = net.edited(cut.edits, key=KEY)
    scorer = RewireConnections(by, share=0.4, epochs=10, every=1)
    (found,), _ = asked(scorer, (net, data, signals))
    after = net.edited(found.edits, key=KEY)
    assert after.alive == net.alive
    slopes = gradients(net, data)
    for edit in found.edits:
        if not isinstance(edit, AddConnections):
            continue
        assert all(after.weights(*edit.key[:2])[pair] == 0.0 for pair in edit.pairs)
        if by == "gradient":
            mask = np.asarray(net.weights(*edit.key[:2])) == 0
            free = np.abs(slopes[edit.key])[mask]
            chosen = [abs(slopes[edit.key][pair]) for pair in edit.pairs]
            assert min(chosen) >= np.sort(free)[-len(chosen)] - 1e-12
    assert asked(scorer, (net, data, signals), {"seen": 10})[0] == ()


def test_a_counterfactual_prices_units_and_populations_side_by_side():
    case = learned(hidden=())
    net, data, _ = case
    (born,), _ = asked(Random(), case)
    grown = net.edited(born.edits, key=KEY)
    nats = Pricing(net, data, KEY)([born.edits])
    assert nats[0] == pytest.approx(
        float(grown.epoch(data, key=KEY)[1].evidence - net.epoch(data, key=KEY)[1].evidence), abs=1e-3
    )
    pricing = Pricing(grown, data, KEY)
    bundles = [[AddUnits("hidden_1", (1,))], birth(grown.topology, 2)]
    one, other = pricing(bundles), [pricing([bundle])[0] for bundle in bundles]
    np.testing.assert_allclose(one, other, atol=1e-3)


def test_a_run_grows_prunes_resumes_and_replays(tmp_path):
    net, _, _ = learned(hidden=(2,), epochs=0)
    rule = layered_rules["grown_and_pruned"](5, 4, 0.5, 4, 6)
    whole = run(net, (FEATURES, LABELS), Controller(rule), epochs=14, key=KEY, folder=tmp_path / "whole")
    run(net, (FEATURES, LABELS), Controller(rule), epochs=8, key=KEY, folder=tmp_path / "parts")
    parts = run(net, (FEATURES, LABELS), Controller(rule), epochs=14, key=KEY, folder=tmp_path / "parts")
    assert eqx.tree_equal(
        jax.tree.map(np.asarray, whole.network.packed), jax.tree.map(np.asarray, parts.network.packed)
    )
    assert whole.journal.final == parts.journal.final == whole.network.topology
    for name in ("journal.jsonl", "signals.csv"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()
    widths = [width_of(whole.journal.replay(epoch).node("hidden_1")) for epoch in range(4)]
    assert widths == [3, 4, 5, 5]
    assert size_of(whole.network.topology) < size_of(whole.journal.replay(4))


def test_learning_goes_on_after_an_epoch_without_an_edit():
    net, _, _ = learned(epochs=0, learning=Learning(optax.adam(0.03), batch=60, decay=0.1, patience=3))
    still = GrowthRule(Every(1), NaturalExpansion(pool=4), Always(), (Units(5),))
    done = run(net, (FEATURES, LABELS), Controller(still), epochs=400, key=KEY)
    assert 10 < done.epochs < 400
    assert done.settled
    assert done.network.at_rest


def test_limits_are_kept_and_checked():
    net, data, signals = learned()
    (found,), _ = asked(NaturalExpansion(pool=4), (net, data, signals))
    proposals = Always().judge([found], evaluate=Pricing(net, data, KEY))
    for limits, reason in ((Units(5), "budget of 5 units"), (Units(None, 38), "budget of 38 parameters")):
        held, pending, _ = limits.hold(proposals, net, limits.init())
        assert not held[0].wanted
        assert reason in held[0].reason
        assert not pending
    assert Units(6).hold(proposals, net, {})[0][0].wanted
    with pytest.raises(ConfigError, match="start with 5 units"):
        Units(4).check(net)
    with pytest.raises(ConfigError, match="count"):
        Units(-1)


def test_triggers_of_growing():
    net, _, signals = learned()
    span, state, fired = During(3, 2), During(3, 2).init(), []
    for _ in range(5):
        now, state = span.fire(net, signals, state)
        fired.append(now)
    assert fired == [False, True, False, False, False]
    assert span.exhausted(state)
    enough = Plateau(1, 1e9, enough=1e9)
    _, state = enough.fire(net, signals, enough.init())
    assert enough.fire(net, signals, state) == (False, {"best": state["best"], "since": 1, "last": state["last"]})
    assert enough.exhausted(state)
    assert not Plateau(1, 1e9).exhausted(state)


def test_arrivals_are_edits_of_the_graph(case):
    net = case[0]
    (place,) = places(net)
    edits = arrival(place, {"x": [1.0, 2.0, 3.0]}, 0.5)
    assert width_of(apply(net.topology, edits).node("hidden_1")) == 6
    after = net.edited(edits, key=KEY)
    np.testing.assert_array_equal(after.weights("x", "hidden_1")[:, 5], [1, 2, 3])
    assert after.biases("hidden_1")[5] == 0.5


def test_a_price_by_running_says_whether_a_unit_pays():
    case = learned(hidden=(), epochs=40, learning=Learning(optax.adam(0.05), batch=60, passes=60))
    net, data, _ = case
    candidates, _ = asked(Cascade(pool=8, tried=4), case)
    proposals = Counterfactual().judge(candidates, evaluate=Pricing(net, data, KEY))
    assert max(one.nats for one in proposals) > 5.0
    assert any(one.wanted for one in proposals)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Prune(0.0),
        lambda: Prune(0.5, every=0),
        lambda: Reduction(0.0),
        lambda: DormantUnits(1.0),
        lambda: RewireConnections("age"),
        lambda: RewireConnections(share=0.0),
        lambda: Cascade(pool=2, tried=3),
        lambda: Cascade(function="sine"),
        lambda: NaturalExpansion(pool=0),
        lambda: NaturalExpansion(function="sine"),
        lambda: GradMax(size=0.0),
        lambda: During(0),
    ],
)
def test_settings_out_of_range_are_refused(make):
    with pytest.raises(ConfigError, match="Cannot"):
        make()


def test_the_rule_of_that_name_prunes_by_what_it_is_told():
    assert pruned(0.3, 5, 2, Fisher()).scorer == Prune(0.3, 5, 2, measure=Fisher())
