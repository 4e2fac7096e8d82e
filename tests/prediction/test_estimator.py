"""Layered networks as users call them: habits, scores, files, growth, and what is refused before any work."""

import json

import jax
import networkx as nx
import numpy as np
import optax
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score

import sostruct as ss
from sostruct.errors import ConfigError, DataError, GraphError, RunError
from sostruct.growth.accept import Always
from sostruct.growth.layered import catalogue
from sostruct.growth.layered.limits import Units
from sostruct.growth.rule import GrowthRule
from sostruct.growth.score import Random
from sostruct.growth.trigger import Every

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(120, 3))
LABELS = np.where(X[:, 0] + X[:, 1] > 0, "yes", np.where(X[:, 2] > 0, "no", "maybe"))
VALUES = X @ np.array([[1.0, 0.0], [2.0, -1.0], [0.0, 3.0]]) + 10.0 + 0.1 * GENERATOR.normal(size=(120, 2))


@pytest.fixture(scope="module")
def fitted():
    return ss.LayeredClassifier((8,), rate=0.02, epochs=40).fit(X, LABELS)


def test_it_learns_and_answers_as_scikit_learn_would(fitted):
    assert fitted.score(X, LABELS) > 0.85
    probabilities = fitted.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-6)
    assert list(fitted.classes_) == ["maybe", "no", "yes"]
    np.testing.assert_array_equal(fitted.predict(X), fitted.classes_[probabilities.argmax(axis=1)])
    assert fitted.score(X, LABELS) == np.mean(fitted.predict(X) == LABELS)
    assert (fitted.n_features_in_, fitted.feature_names_in_) == (3, ["x0", "x1", "x2"])
    assert fitted.n_iter_ == len(fitted.result_.history) <= 40
    assert fitted.get_params()["rate"] == 0.02
    assert fitted.set_params(rate=0.01).rate == 0.01


def test_numbers_of_parameters_are_those_that_are_not_zero(fitted):
    found = fitted.result_
    assert found.parameters == 3 * 8 + 8 + 8 * 3 + 3 == found.populations["parameters"].sum()
    assert list(found.edges["connections"]) == [24, 24]
    assert isinstance(found.graph, nx.MultiDiGraph)


def test_a_fit_is_a_function_of_settings_and_data(fitted):
    again = ss.LayeredClassifier((8,), rate=0.02, epochs=40).fit(X, LABELS)
    np.testing.assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))
    other = ss.LayeredClassifier((8,), rate=0.02, epochs=40, seed=1).fit(X, LABELS)
    assert (other.predict_proba(X) != fitted.predict_proba(X)).any()


def test_columns_and_labels_may_be_in_one_table(fitted):
    table = pd.DataFrame(X, columns=["x0", "x1", "x2"]).assign(kind=LABELS)
    own = ss.LayeredClassifier((8,), rate=0.02, epochs=40, target="kind").fit(table)
    np.testing.assert_array_equal(own.predict_proba(table[["x2", "x0", "x1"]]), fitted.predict_proba(X))
    assert own.score(table) == fitted.score(X, LABELS)


def test_values_of_several_columns():
    learner = ss.LayeredRegressor((), rate=0.05, epochs=80, batch=16).fit(X, VALUES)
    assert learner.predict(X).shape == (120, 2)
    linear = LinearRegression().fit(X, VALUES)
    assert learner.score(X, VALUES) == pytest.approx(r2_score(VALUES, learner.predict(X)))
    assert learner.score(X, VALUES) > linear.score(X, VALUES) - 0.01
    table = learner.joined(X, VALUES)
    spread = VALUES - learner.predict(X)
    packed = learner.result_.network.packed
    noise = np.asarray(packed.noise) * np.asarray(packed.units.target_scale) ** 2
    expected = 0.5 * (np.log(2 * np.pi * noise) + spread**2 / noise).sum(axis=1).mean()
    assert learner.result_.surprise_per_row(table) == pytest.approx(expected, rel=1e-3)
    one = ss.LayeredRegressor((4,), epochs=3).fit(X, VALUES[:, 0])
    assert one.predict(X).shape == (120,)


def test_learning_stops_early_and_keeps_the_best():
    noisy = GENERATOR.integers(2, size=120)
    learner = ss.LayeredClassifier((16,), rate=0.05, patience=5, validation=0.3, epochs=300).fit(X, noisy)
    assert learner.n_iter_ < 300
    assert learner.result_.settled
    totals = [learner.result_.history.total(epoch) for epoch in range(learner.n_iter_)]
    data = learner.result_.network.prepare(learner.joined(X, noisy))
    kept = learner.result_.network
    held = pd.DataFrame(np.asarray(data.heldout_inputs), columns=list(kept.reading.features)).assign(
        y=data.heldout_target
    )
    assert kept.surprise(held).sum() == pytest.approx(min(totals), rel=2e-3)


def test_growth_by_a_rule_from_a_graph_of_ones_own():
    graph = nx.MultiDiGraph()
    for name, kind, width in (("pixels", "input", 3), ("hidden", "dense", 1), ("kind", "classification", 3)):
        graph.add_node(name, kind=kind, width=width)
    graph.add_edge("pixels", "hidden")
    graph.add_edge("pixels", "kind")
    graph.add_edge("hidden", "kind", function="relu")
    rule = GrowthRule(Every(2), Random(), Always(), (Units(3),))
    learner = ss.LayeredClassifier(start=graph, growth=rule, epochs=8).fit(X, LABELS)
    assert learner.result_.network.units == 3
    assert [entry.epoch for entry in learner.result_.journal if entry.accepted] == [1, 3]
    assert learner.result_.journal.graph_at(-1).nodes["hidden"]["width"] == 1.0


def test_any_optimizer_and_any_function():
    ss.register_function("sine of a layer", jax.numpy.sin)
    for optimizer in (optax.sgd(0.1, momentum=0.9), optax.adamw(0.01), optax.lbfgs(), optax.rmsprop(0.01)):
        rule = GrowthRule(Every(2), Random(), Always(), (Units(6),))
        learner = ss.LayeredClassifier(
            (4,), function="sine of a layer", optimizer=optimizer, batch=102, growth=rule, epochs=5
        ).fit(X, LABELS)
        assert learner.result_.network.units == 6
        assert learner.score(X, LABELS) > 0.3


def test_what_was_learned_is_kept_in_a_folder(fitted, tmp_path):
    found = fitted.result_
    found.save(tmp_path / "kept")
    back = ss.load(tmp_path / "kept")
    np.testing.assert_array_equal(back.predict_proba(X), found.predict_proba(X))
    assert (back.classes, back.rows, back.settled) == (found.classes, found.rows, found.settled)
    assert list(back.journal) == list(found.journal)
    assert back.history.total(3) == found.history.total(3)
    numbers = json.loads((tmp_path / "kept" / "metrics.json").read_text())
    assert (numbers["parameters"], numbers["units"]) == (found.parameters, 8)
    with pytest.raises(RunError, match="already"):
        found.save(tmp_path / "kept")


def test_what_was_pruned_is_kept_too(tmp_path):
    rule = catalogue.pruned(0.5, 3)
    learner = ss.LayeredClassifier((8,), growth=rule, epochs=6).fit(X, LABELS)
    learner.result_.save(tmp_path / "kept")
    back = ss.load(tmp_path / "kept")
    assert back.parameters == learner.result_.parameters <= 24 + 11
    np.testing.assert_array_equal(back.predict_proba(X), learner.predict_proba(X))


def refused(kind, why, make):
    with pytest.raises(kind, match=why) as told:
        make()
    message = str(told.value)
    assert message.startswith("Cannot ")
    assert "This is because" in message
    assert "Try " in message


def test_bad_input_is_refused_before_any_work(fitted):
    gap = X.copy()
    gap[7, 1] = np.nan
    classifier = ss.LayeredClassifier
    refused(DataError, "'x1'.*row 7.*missing", lambda: classifier().fit(gap, LABELS))
    refused(DataError, "'x1'.*row 7.*missing", lambda: fitted.predict(gap))
    refused(DataError, "of 1 class", lambda: classifier().fit(X, np.zeros(120)))
    refused(DataError, "3 columns|2 columns", lambda: fitted.predict(X[:, :2]))
    refused(DataError, "'never' is none of the classes", lambda: fitted.score(X[:1], ["never"]))
    refused(DataError, "'yes' is none of the classes", lambda: classifier(classes=["no", "maybe"]).fit(X, LABELS))
    refused(DataError, "X has 120 rows", lambda: classifier().fit(X, LABELS[:5]))
    refused(DataError, "without y", lambda: classifier().fit(X))
    refused(DataError, "mix text and numbers", lambda: classifier().fit(X, np.array([1, "a"] * 60, object)))
    refused(ConfigError, "rate=-1", lambda: classifier(rate=-1).fit(X, LABELS))
    refused(ConfigError, "hidden=", lambda: classifier((0,)).fit(X, LABELS))
    refused(ConfigError, "'sine'", lambda: classifier(function="sine").fit(X, LABELS))
    refused(ConfigError, "validation=1", lambda: classifier(validation=1.0).fit(X, LABELS))
    refused(ConfigError, "batch=0", lambda: classifier(batch=0).fit(X, LABELS))
    budget = GrowthRule(Every(1), Random(), Always(), (Units(4),))
    refused(ConfigError, "start with 8 units", lambda: classifier((8,), growth=budget).fit(X, LABELS))


def test_graphs_that_do_not_fit_are_refused():
    def graph(**changes):
        made = nx.MultiDiGraph()
        for name, kind, width in (("x", "input", 3), ("h", "dense", 2), ("y", "classification", 3)):
            made.add_node(name, **({"kind": kind, "width": width} | changes.get(name, {})))
        made.add_edge("x", "h")
        made.add_edge("h", "y", function="tanh")
        return made

    def fit(start, kind=ss.LayeredClassifier, target=LABELS):
        return lambda: kind(start=start).fit(X, target)

    refused(GraphError, "'dense_layer' is not registered", fit(graph(h={"kind": "dense_layer"})))
    refused(DataError, "4 wide together", fit(graph(x={"width": 4})))
    refused(DataError, "width 5, which is for 5", fit(graph(y={"width": 5})))
    refused(ConfigError, "of the kind 'classification'", fit(graph(), ss.LayeredRegressor, X[:, 0]))
    cyclic = graph()
    cyclic.add_edge("h", "g")
    cyclic.add_edge("g", "h")
    cyclic.nodes["g"].update(kind="dense", width=1)
    refused(GraphError, "form a cycle", fit(cyclic))
