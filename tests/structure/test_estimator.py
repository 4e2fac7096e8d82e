"""The estimator: scikit-learn's habits, what it starts from, what it accepts and refuses."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from sostruct.errors import ConfigError, DataError, GraphError
from sostruct.growth import catalogue
from sostruct.growth.rule import GrowthRule
from sostruct.networks.hgf.builders import bare_hgf
from sostruct.networks.hgf.network import HGF
from sostruct.structure.estimator import StructureLearning, learn_structure

QUIET = {"growth": catalogue.none(), "epochs": 1}


def test_settings_are_parameters():
    learner = StructureLearning(update="unbounded", seed=3)
    assert learner.get_params()["update"] == "unbounded"
    assert learner.set_params(epochs=2) is learner
    assert repr(learner) == "StructureLearning(epochs=2, seed=3, update='unbounded')"
    with pytest.raises(ConfigError, match=r"'updates'.*StructureLearning.*update"):
        learner.set_params(updates="ehgf")
    with pytest.raises(TypeError, match="updates"):
        learn_structure(np.zeros((2, 2)), updates="ehgf")


def test_clone_keeps_settings_and_forgets_results(learner, task):
    base = pytest.importorskip("sklearn.base")
    twin = base.clone(learner)
    assert not hasattr(twin, "result_")
    again = twin.fit(task.frame).result_
    pd.testing.assert_frame_equal(again.edges, learner.result_.edges, check_exact=True)
    assert again.log_evidence == learner.result_.log_evidence


def test_fit_returns_self_with_what_it_learned(learner, task):
    assert learner.fit(task.frame, None) is learner
    assert learner.n_features_in_ == 3
    assert learner.feature_names_in_ == list(task.frame.columns)
    assert nx.is_isomorphic(learner.graph_, learner.result_.graph)
    assert learner.graph_.number_of_edges() > task.start.number_of_edges()


def test_without_a_start_every_input_is_by_itself(task):
    found = learn_structure(task.frame, **QUIET)
    assert set(found.graph) == set(bare_hgf(task.frame))
    assert set(found.edges[["source", "target"]].itertuples(index=False, name=None)) == {
        (f"{name}_state", name) for name in task.frame
    }


def test_settings_reach_the_network(task):
    found = learn_structure(task.frame, update="unbounded", mean_field=False, assimilate="separate", **QUIET)
    options = found.network.options
    assert (options.update.name, options.relaxed, options.joint) == ("unbounded", True, False)


def test_columns_are_matched_by_name(task):
    columns = list(task.frame.columns)
    turned = task.frame[columns[::-1]]
    one, other = learn_structure(task.frame, **QUIET), learn_structure(turned, **QUIET)
    assert other.inputs == tuple(columns[::-1])
    assert other.log_evidence == pytest.approx(one.log_evidence, rel=1e-12)


def test_gaps_single_series_and_arrays(task):
    values = task.frame.to_numpy().copy()
    values[5:9, 0] = np.nan
    whole, gaps = learn_structure(task.frame.to_numpy(), **QUIET), learn_structure(values, **QUIET)
    assert gaps.inputs == ("x0", "x1", "x2")
    assert np.isfinite(gaps.log_evidence)
    assert gaps.log_evidence != whole.log_evidence
    single = learn_structure(task.frame["x0"], **QUIET)
    assert single.inputs == ("x0",)
    assert learn_structure(task.frame["x0"].to_numpy(), **QUIET).log_evidence == single.log_evidence


def test_outcomes(task):
    coins = pd.DataFrame({"coin": (task.frame["x0"] > task.frame["x0"].median()).astype(float)})
    found = learn_structure(coins, binary=["coin"], **QUIET)
    assert found.nodes.set_index("node").loc["coin", "kind"] == "binary"
    assert 0 < found.surprise_per_step(coins) < 1.5


@pytest.mark.parametrize(
    ("change", "error", "named"),
    [
        (lambda frame: frame.assign(x1=1.0), DataError, "'x1'.*constant"),
        (lambda frame: frame.assign(x1=np.inf), DataError, "'x1'.*infinite in row 0"),
        (lambda frame: frame.assign(x1=np.nan), DataError, "'x1'.*0 observed"),
        (lambda frame: frame.assign(x1="much"), DataError, "'x1'.*much"),
        (lambda frame: frame[:9], DataError, "'x0'.*9 observed"),
        (lambda frame: frame.iloc[:, :0], DataError, "no columns"),
        (lambda frame: frame.set_axis(["a", "a", "b"], axis=1), DataError, "'a'"),
        (lambda frame: frame.to_numpy()[None], DataError, "3 dimensions"),
        (lambda frame: frame.set_axis(pd.date_range("2020", periods=len(frame))).iloc[::-1], DataError, "order"),
        (lambda frame: frame.rename(columns={"x2": "y"}), GraphError, "y"),
    ],
)
def test_data_that_cannot_be_used_are_refused_before_work(task, change, error, named):
    learner = StructureLearning(task.start if error is GraphError else None, **QUIET)
    for work in (learner.check, learner.fit):
        with pytest.raises(error, match=named):
            work(change(task.frame))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"update": "ehfg"}, "update='ehfg'"),
        ({"epochs": 0}, "0 epochs"),
        ({"edits_per_epoch": 0}, "0 edits"),
        ({"growth": catalogue.evidence()}, "growth=residual"),
        ({"binary": ["nosuch"]}, "nosuch"),
    ],
)
def test_settings_that_do_not_fit_are_refused_before_work(task, settings, named):
    with pytest.raises(ConfigError, match=named):
        StructureLearning(**{**QUIET, **settings}).check(task.frame)


def test_a_rule_that_never_fires_may_have_any_scorer(task):
    rule = catalogue.none()
    assert isinstance(rule, GrowthRule)
    StructureLearning(growth=rule).check(task.frame)


def test_new_rows_continue_the_fitted_ones(learner, task):
    """Filtering the rest from where the fit ended is filtering everything at once."""
    network = learner.result_.network
    assert isinstance(network, HGF)
    whole = network.filter(pd.concat([task.frame, task.heldout]), strict=False)
    rest = whole.surprise[len(task.frame) :]
    np.testing.assert_allclose(learner.filter(task.heldout).surprise, rest, rtol=1e-10)
    assert learner.score(task.heldout) == pytest.approx(-rest.mean(), rel=1e-10)
    predicted = learner.predict(task.heldout)
    assert list(predicted.columns) == list(task.frame.columns)
    assert predicted.index.equals(task.heldout.index)
    np.testing.assert_allclose(
        predicted, whole.frame("expected_mean")[list(predicted.columns)].iloc[len(task.frame) :], rtol=1e-8
    )
