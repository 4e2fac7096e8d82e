"""The estimator: scikit-learn's habits, what it starts from, what it accepts and refuses."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from sostruct.clusters.estimator import MixtureLearning, learn_mixture
from sostruct.errors import ConfigError, DataError, GraphError
from sostruct.growth import catalogue

QUIET = {"growth": catalogue.none(), "epochs": 1}


def start_of(frame, **settings):
    """The mixture that learning starts from."""
    return MixtureLearning(**settings).starting(frame)[1]


def test_settings_are_parameters():
    learner = MixtureLearning(memory=100.0, seed=3)
    assert learner.get_params()["memory"] == 100.0
    assert learner.set_params(epochs=2) is learner
    assert repr(learner) == "MixtureLearning(memory=100.0, epochs=2, seed=3)"
    with pytest.raises(ConfigError, match=r"'noises'.*MixtureLearning.*noise"):
        learner.set_params(noises=1.0)
    with pytest.raises(TypeError, match="noises"):
        learn_mixture(np.zeros((2, 2)), noises=1.0)


def test_clone_keeps_settings_and_forgets_results(learner, task):
    base = pytest.importorskip("sklearn.base")
    twin = base.clone(learner)
    assert not hasattr(twin, "result_")
    pd.testing.assert_frame_equal(twin.fit(task.frame).result_.points, learner.result_.points, check_exact=True)


def test_clusters_are_found(learner, task):
    assert learner.fit(task.frame, None) is learner
    assert learner.n_features_in_ == 2
    assert learner.feature_names_in_ == list(task.frame.columns)
    assert len(learner.result_.components) == 3
    assert learner.result_.compare(task.labels[:120]) > 0.9
    assert set(learner.labels_) <= {*learner.result_.components["component"], "new"}
    assert nx.is_isomorphic(learner.graph_, learner.result_.graph)


def test_other_rows_are_sorted_and_scored(learner, task):
    found = learner.result_
    names, shares = learner.predict(task.heldout), learner.predict_proba(task.heldout)
    assert shares.shape == (60, 4)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    columns = [*found.network.components, "new"]
    assert list(names) == [columns[place] for place in shares.argmax(axis=1)]
    assert learner.score(task.heldout) == -found.heldout_surprise_per_step(task.heldout)
    empty = np.full((1, 2), np.nan)
    assert list(learner.predict(empty)) == [""]


def test_what_is_expected_is_in_the_units_of_the_columns(task):
    frame = task.frame * [1.0, 100.0] + [0.0, 1e4]
    network = start_of(frame)
    sd = frame.std(ddof=0).to_numpy()
    np.testing.assert_allclose(network.packed.prior.center, frame.mean())
    np.testing.assert_allclose(network.packed.prior.spread, sd)
    np.testing.assert_allclose(network.packed.prior.precision, 25.0 / sd**2)
    assert network.components == ("component_1",)
    gaps = frame.mask(np.random.default_rng(0).random(frame.shape) < 0.2)
    np.testing.assert_allclose(start_of(gaps).packed.prior.center, gaps.mean())


def test_settings_reach_the_network(task):
    given = {"center": [1.0, 2.0], "spread": 3.0, "noise": 0.5, "concentration": 2.0, "freedom": 6.0, "memory": 50.0}
    prior = start_of(task.frame, **given).packed.prior
    np.testing.assert_array_equal(prior.center, [1.0, 2.0])
    np.testing.assert_array_equal(prior.spread, [3.0, 3.0])
    np.testing.assert_allclose(prior.precision, 4.0)
    assert (prior.concentration, prior.freedom, prior.keep) == (2.0, 6.0, pytest.approx(np.exp(-1 / 50)))


def test_it_goes_on_from_a_graph(found, task):
    again = learn_mixture(task.frame, start=found.graph, **QUIET)
    assert again.log_evidence == found.log_evidence
    pd.testing.assert_frame_equal(again.points, found.points, check_exact=True)


def test_rows_with_gaps_and_arrays(task):
    values = task.frame.to_numpy().copy()
    values[5:9, 0], values[20] = np.nan, np.nan
    found = learn_mixture(values, **QUIET)
    assert found.inputs == ("x0", "x1")
    assert np.isfinite(found.log_evidence)
    nobody = found.points.iloc[20]
    assert (nobody["component"], nobody["surprise"]) == ("", 0.0)
    assert np.isnan(nobody["share"])
    assert "" not in set(found.labels[:20])


@pytest.mark.parametrize(
    ("change", "error", "named"),
    [
        (lambda frame: frame.assign(x1=1.0), DataError, "'x1'.*constant"),
        (lambda frame: frame.assign(x1=np.inf), DataError, "'x1'.*infinite in row 0"),
        (lambda frame: frame.assign(x1=np.nan), DataError, "'x1'.*0 observed"),
        (lambda frame: frame.assign(x1="much"), DataError, "'x1'.*much"),
        (lambda frame: frame[:9], DataError, "'x0'.*9 observed"),
        (lambda frame: frame.iloc[:, :0], DataError, "no columns"),
        (lambda frame: frame.set_axis(["a", "a"], axis=1), DataError, "'a'"),
        (lambda frame: frame.to_numpy()[None], DataError, "3 dimensions"),
        (lambda frame: frame.rename(columns={"x1": "y"}), GraphError, "y"),
    ],
)
def test_data_that_cannot_be_used_are_refused_before_work(task, found, change, error, named):
    learner = MixtureLearning(found.graph if error is GraphError else None, **QUIET)
    for work in (learner.check, learner.fit):
        with pytest.raises(error, match=named):
            work(change(task.frame))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"epochs": 0}, "0 epochs"),
        ({"edits_per_epoch": 0}, "0 edits"),
        ({"growth": catalogue.evidence()}, "growth=crp"),
        ({"growth": catalogue.residual()}, "no belief network"),
        ({"noise": 0.0}, "noise=0.0"),
        ({"spread": [1.0, 2.0, 3.0]}, "spread=.*2 inputs"),
        ({"center": "left"}, "center='left'"),
        ({"concentration": -1.0}, "concentration"),
        ({"freedom": 2.0}, "freedom"),
        ({"memory": 0.5}, "memory"),
    ],
)
def test_settings_that_do_not_fit_are_refused_before_work(task, settings, named):
    with pytest.raises(ConfigError, match=named):
        MixtureLearning(**{**QUIET, **settings}).check(task.frame)


@pytest.mark.parametrize("setting", ["center", "noise"])
def test_what_a_graph_says_is_not_said_again(task, found, setting):
    with pytest.raises(ConfigError, match=f"{setting}=1.0 with a graph"):
        MixtureLearning(found.graph, **{setting: 1.0}, **QUIET).check(task.frame)


def test_a_graph_of_another_kind_is_refused(task):
    graph = nx.MultiDiGraph()
    graph.add_node("x0", kind="continuous")
    graph.add_node("x1", kind="continuous")
    graph.add_node("state", kind="continuous")
    graph.add_edge("state", "x0", coupling="value")
    with pytest.raises(GraphError, match="Cannot"):
        MixtureLearning(graph, **QUIET).check(task.frame)
