"""The estimator: scikit-learn's habits, what it accepts and refuses, and that it finds known graphs."""

from __future__ import annotations

import math

import jax
import numpy as np
import pandas as pd
import pytest

from sostruct.discovery.estimator import CausalDiscovery, discover
from sostruct.errors import ConfigError, DataError, SostructError
from sostruct.growth import catalogue
from sostruct.tasks import SparseVAR

from .conftest import MAX_LAG

KEYS = ["cause", "effect", "lag"]


def edges(result):
    return set(map(tuple, result.edges[KEYS].to_numpy()))


def same(one, other):
    """Results equal in every number."""
    for name in ("edges", "scores", "summary"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name), check_exact=True)
    pd.testing.assert_frame_equal(one.history.frame(), other.history.frame(), check_exact=True)
    assert list(one.journal) == list(other.journal)


# ---------------------------------------------------------------------------------------------- scikit-learn's habits


def test_settings_are_parameters():
    estimator = CausalDiscovery(5, ridge=2.0, forbidden=[("a", "b")])
    settings = estimator.get_params()
    assert settings["max_lag"] == 5
    assert settings["ridge"] == 2.0
    assert settings["forbidden"] == [("a", "b")]
    assert set(settings) == {
        "max_lag",
        "forbidden",
        "required",
        "expected_parents",
        "ridge",
        "functions",
        "contemporaneous",
        "exogenous",
        "prior_odds",
        "noise",
        "probabilities",
        "season",
        "harmonics",
        "irregular",
        "discrete",
        "growth",
        "epochs",
        "edits_per_epoch",
        "seed",
    }
    assert estimator.set_params(max_lag=2, epochs=7) is estimator
    assert (estimator.max_lag, estimator.epochs, estimator.ridge) == (2, 7, 2.0)


def test_a_setting_that_does_not_exist_is_named():
    with pytest.raises(ConfigError, match=r"'maxlag'.*max_lag"):
        CausalDiscovery().set_params(maxlag=3)
    with pytest.raises(TypeError, match="maxlag"):
        discover(np.zeros((2, 2)), maxlag=3)


def test_only_changed_settings_are_shown():
    assert repr(CausalDiscovery()) == "CausalDiscovery()"
    assert repr(CausalDiscovery(4, ridge=0.5)) == "CausalDiscovery(max_lag=4, ridge=0.5)"


def test_clone_keeps_settings_and_forgets_results(frame):
    base = pytest.importorskip("sklearn.base")
    estimator = CausalDiscovery(
        MAX_LAG, forbidden=[("x0", "x1")], growth=catalogue.every(2, 1), edits_per_epoch=3, seed=5
    ).fit(frame)
    twin = base.clone(estimator)
    assert type(twin) is CausalDiscovery
    assert not hasattr(twin, "result_")
    settings, copied = estimator.get_params(), twin.get_params()
    assert settings.keys() == copied.keys()
    for name, value in settings.items():
        assert copied[name] == value, name
    same(twin.fit(frame).result_, estimator.result_)


def test_fit_returns_self_with_what_it_learned(frame, found):
    estimator = CausalDiscovery(MAX_LAG)
    assert not hasattr(estimator, "result_")
    assert estimator.fit(frame, None) is estimator
    same(estimator.result_, found)
    assert estimator.n_features_in_ == 5
    assert estimator.feature_names_in_ == list(frame.columns)
    assert set(estimator.graph_.edges(keys=True)) == set(found.graph.edges(keys=True))
    pd.testing.assert_frame_equal(estimator.predict(frame, 2), found.predict(frame, 2).mean)
    assert estimator.score(frame) == pytest.approx(found.predict(frame).log_score.mean())


def test_an_array_is_a_frame_without_names(frame, found):
    same(discover(frame.to_numpy(), MAX_LAG), found)
    assert list(discover(frame.to_numpy()[:100], MAX_LAG).summary.columns) == ["x0", "x1", "x2", "x3", "x4"]


def test_names_are_the_users_own(frame, found):
    names = ["rate, €", 'the "index"', "3", "NA", "x0"]
    renamed = discover(frame.set_axis(names, axis=1), MAX_LAG)
    back = dict(zip(names, frame.columns, strict=True))
    assert {(back[cause], back[effect], lag) for cause, effect, lag in edges(renamed)} == edges(found)
    assert set(renamed.graph.nodes) == set(names)


def test_data_are_not_changed(frame):
    mine = frame.copy()
    discover(mine, MAX_LAG)
    pd.testing.assert_frame_equal(mine, frame, check_exact=True)


# --------------------------------------------------------------------------------------------------------- invariances


@pytest.mark.parametrize("seed", [0, 1])
def test_the_order_of_columns_does_not_matter(frame, found, seed):
    order = np.random.default_rng(seed).permutation(frame.columns).tolist()
    permuted = discover(frame[order], MAX_LAG)
    assert list(permuted.summary.columns) == order
    assert edges(permuted) == edges(found)
    mine, theirs = (result.scores.set_index(KEYS) for result in (permuted, found))
    chance, exact = "probability", theirs.columns.drop("probability")
    pd.testing.assert_frame_equal(mine.loc[theirs.index, exact], theirs[exact], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(mine.loc[theirs.index, chance], theirs[chance], atol=0.02)  # sampled
    names = list(frame.columns)
    pd.testing.assert_frame_equal(permuted.summary.loc[names, names], found.summary, rtol=1e-9, atol=1e-9)


def test_two_calls_agree_to_the_last_bit(frame, found):
    same(discover(frame, max_lag=MAX_LAG), found)


def test_random_rules_follow_the_seed(frame):
    one, again, other = (discover(frame, max_lag=MAX_LAG, growth=catalogue.random(2), seed=seed) for seed in (1, 1, 2))
    assert edges(one) == edges(again)
    assert edges(one) != edges(other)


@pytest.mark.parametrize("enabled", [False, True])
def test_the_callers_precision_neither_matters_nor_changes(frame, found, enabled):
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", enabled)
    try:
        result = discover(frame, MAX_LAG)
        assert jax.config.jax_enable_x64 is enabled
    finally:
        jax.config.update("jax_enable_x64", before)
    same(result, found)


def test_float32_columns_are_read_as_they_are(frame):
    narrow = frame.astype("float32")
    same(discover(narrow, MAX_LAG), discover(narrow.astype("float64"), MAX_LAG))


# ------------------------------------------------------------------------------------------------------------ recovery


@pytest.mark.parametrize("seed", range(6))
def test_known_graphs_are_recovered(seed):
    task = SparseVAR(nodes=10, steps=500).load(seed)
    result = discover(task.frame, max_lag=3)
    table = result.compare(task.truth)
    assert result.settled
    assert (table["f1"] >= 0.9).all(), table
    assert (table["auroc"] >= 0.98).all(), table


def test_weights_are_near_the_coefficients_behind_the_data():
    settings = SparseVAR(nodes=10, steps=500)
    result = discover(settings.load(1).frame, max_lag=3)
    coefficients = settings.coefficients(1)  # [lag x effect x cause]
    number = {name: position for position, name in enumerate(result.summary.columns)}
    misses = [
        (row.weight - coefficients[row.lag - 1, number[row.effect], number[row.cause]]) / row.weight_sd
        for row in result.edges.itertuples()
    ]
    assert len(misses) > 20
    assert np.abs(misses).max() < 4.5
    assert 0.7 < np.sqrt(np.mean(np.square(misses))) < 1.5


# --------------------------------------------------------------------------------------------- forbidden and required


def test_forbidden_edges_are_never_tried(frame, found):
    cause, effect, lag = found.edges.loc[0, KEYS]
    result = discover(frame, MAX_LAG, forbidden=[(cause, effect, lag), ("x2", "x3")])
    for graph in [result.graph, *(result.journal.replay(epoch).to_networkx() for epoch in result.journal.epochs)]:
        present = {(one, other, step) for one, other, step in graph.edges(data="lag")}
        assert (cause, effect, lag) not in present
        assert not {("x2", "x3", step) for step in (1, 2, 3)} & present


def worst_candidate(found):
    return tuple(found.scores.loc[found.scores["nats"].idxmin(), KEYS])


def test_required_edges_are_always_there(frame, found):
    edge = worst_candidate(found)
    assert edge not in edges(found)
    result = discover(frame, MAX_LAG, required=[edge])
    epochs = [-1, *result.journal.epochs]
    assert all(edge in {(e.source, e.target, e.lag) for e in result.journal.replay(epoch).edges} for epoch in epochs)
    assert edge in edges(result)
    row = result.edges[(result.edges[KEYS] == list(edge)).all(axis=1)]
    assert row["probability"].item() == 1.0
    assert row["nats"].item() < 0


def test_a_required_pair_is_there_at_its_best_lag(frame, found):
    """x_cause acts on nobody at no lag in particular, so one lag is kept: the one with most evidence."""
    pairs = set(map(tuple, found.edges[["cause", "effect"]].to_numpy()))
    absent = [(a, b) for a in frame.columns for b in frame.columns if (a, b) not in pairs]
    assert len(absent) > 3
    best_lags = set()
    for pair in absent:
        result = discover(frame, MAX_LAG, required=[pair])
        lags = {lag for cause, effect, lag in edges(result) if (cause, effect) == pair}
        assert len(lags) == 1, "evidence against a pair keeps no more of it than must be"
        alone = found.scores[(found.scores["cause"] == pair[0]) & (found.scores["effect"] == pair[1])]
        best = alone.loc[alone["nats"].idxmax(), "lag"]
        others = edges(result) - {(*pair, *lags)}
        if others == edges(found):  # the rest did not rearrange itself around the new edge
            assert lags == {best}
            best_lags |= lags
    assert len(best_lags) > 1, "only the first lag was ever seen to win"


def test_a_required_pair_with_forbidden_lags_keeps_another(frame, found):
    cause, effect, _ = worst_candidate(found)
    result = discover(frame, MAX_LAG, required=[(cause, effect)], forbidden=[(cause, effect, 1), (cause, effect, 3)])
    assert {edge for edge in edges(result) if edge[:2] == (cause, effect)} == {(cause, effect, 2)}


@pytest.mark.parametrize(
    ("required", "forbidden"),
    [
        ([("x1", "x2", 2)], [("x1", "x2", 2)]),
        ([("x1", "x2", 2)], [("x1", "x2")]),
        ([("x1", "x2")], [("x1", "x2")]),
        ([("x1", "x2")], [("x1", "x2", lag) for lag in (1, 2, 3)]),
    ],
)
def test_an_edge_cannot_be_both(frame, required, forbidden):
    with pytest.raises(ConfigError, match=r"x1 -> x2.*also forbidden"):
        discover(frame, MAX_LAG, required=required, forbidden=forbidden)


# -------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"max_lag": 0}, r"max_lag=0"),
        ({"max_lag": -2}, r"max_lag=-2"),
        ({"max_lag": 1.5}, r"max_lag=1\.5"),
        ({"max_lag": 200}, r"300 rows.*max_lag=200.*410"),
        ({"epochs": 0}, r"0 epochs"),
        ({"edits_per_epoch": 0}, r"0 edits per epoch"),
        ({"expected_parents": 0.0}, r"expected_parents=0\.0"),
        ({"expected_parents": float("nan")}, r"expected_parents=nan"),
        ({"ridge": -1.0}, r"ridge=-1\.0"),
        ({"forbidden": [("x1", "zebra")]}, r"'zebra' in forbidden"),
        ({"required": [("zebra", "x1", 1)]}, r"'zebra' in required"),
        ({"required": [("x0", "x1", 4)]}, r"lag 4 of x0 -> x1 in required.*max_lag=3"),
        ({"forbidden": [("x0", "x1", -1)]}, r"lag -1 of x0 -> x1 in forbidden"),
        ({"required": [("x0", "x1", 0)]}, r"lag 0 of x0 -> x1 in required"),
        ({"forbidden": ["x0"]}, r"'x0' of forbidden"),
        ({"exogenous": ["z"]}, r"'z' in exogenous"),
        ({"exogenous": "x0"}, r"exogenous='x0'.*\['x0'\]"),
        ({"prior_odds": [("x0", "x1")]}, r"of prior_odds"),
        ({"prior_odds": [("x0", "z", 2.0)]}, r"'z' in prior_odds"),
        ({"prior_odds": [("x0", "x1", 0.0)]}, r"prior odds 0.0 of x0 -> x1"),
        ({"prior_odds": [("x0", "x1", 1, float("inf"))]}, r"prior odds inf"),
        ({"prior_odds": [("x0", "x1", 9, 2.0)]}, r"lag 9 of x0 -> x1 in prior_odds"),
        ({"forbidden": [("x0",)]}, r"\('x0',\) of forbidden"),
    ],
)
def test_settings_that_do_not_fit_are_refused_before_work(frame, settings, named):
    estimator = CausalDiscovery(**({"max_lag": MAX_LAG} | settings))
    for work in (estimator.check, estimator.fit):
        with pytest.raises(SostructError, match=named):
            work(frame)
    assert not hasattr(estimator, "result_")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda frame: frame.iloc[:15], r"15 rows.*16 rows"),
        (lambda frame: frame[["x0"]], r"1 column"),
        (lambda frame: frame.assign(x3=1.25), r"'x3'.*constant"),
        (lambda frame: frame.assign(x3=frame["x1"]), r"'x1' and 'x3'.*identical"),
        (lambda frame: frame.assign(x1=float("nan")), r"'x1'.*all of its values are missing"),
        (lambda frame: frame.assign(x3="blue"), r"'x3'"),
    ],
)
def test_data_that_cannot_be_used_are_refused(frame, change, named):
    with pytest.raises(DataError, match=named):
        discover(change(frame), MAX_LAG)


# ------------------------------------------------------------------------------------------------------------ the loop


def test_every_epoch_is_reported(frame, found):
    reports = []
    result = CausalDiscovery(MAX_LAG).fit(frame, on_epoch=reports.append).result_
    assert [report.epoch for report in reports] == list(range(len(result.history)))
    assert {report.epochs for report in reports} == {100}
    assert reports[-1].edges == len(found.edges)
    assert reports[-1].edits == 0
    assert sum(report.edits for report in reports) == sum(entry.accepted for entry in found.journal)


def test_one_edit_per_epoch_gets_there_more_slowly(frame, found):
    slow = discover(frame, MAX_LAG, edits_per_epoch=1)
    assert len(slow.history) > len(found.history)
    assert edges(slow) == edges(found)
    accepted = [entry.epoch for entry in slow.journal if entry.accepted]
    assert accepted == sorted(set(accepted))


def test_too_few_epochs_are_said_to_be_unsettled(frame, found):
    assert found.settled
    stopped = discover(frame, MAX_LAG, epochs=1)
    assert not stopped.settled
    assert len(stopped.history) == 1
    assert "not settled" in repr(stopped)


def test_a_folder_continues_where_it_stopped(frame, found, tmp_path):
    folder = tmp_path / "run"
    CausalDiscovery(MAX_LAG, epochs=2).fit(frame, folder=folder)
    seen = []
    result = CausalDiscovery(MAX_LAG).fit(frame, folder=folder, on_epoch=seen.append).result_
    assert seen[0].epoch == 2
    same(result, found)


def test_edges_given_as_an_iterator_are_not_used_up() -> None:
    frame = pd.DataFrame(np.random.default_rng(1).normal(size=(60, 2)), columns=["a", "b"])
    estimator = CausalDiscovery(1, required=(edge for edge in [("a", "b", 1)]))
    estimator.check(frame)
    assert ("a", "b", "value:1") in estimator.fit(frame).graph_.edges


def test_nothing_but_its_past_acts_on_an_exogenous_series(frame):
    found = discover(frame, 2, exogenous=["x1"])
    assert set(found.scores.query("effect == 'x1' and cause != 'x1'")["nats"]) == {-float("inf")}
    assert found.scores.query("effect == 'x1' and cause == 'x1'")["nats"].gt(-float("inf")).all()
    assert set(found.edges.query("effect == 'x1'")["cause"]) <= {"x1"}


def test_prior_odds_are_added_to_the_evidence(frame):
    plain = discover(frame, 2, functions="linear").scores.set_index(["cause", "effect", "lag"])["nats"]
    odds = [("x0", "x1", 3.0), ("x2", "x0", 1, 0.5)]
    told = discover(frame, 2, functions="linear", prior_odds=odds).scores.set_index(["cause", "effect", "lag"])["nats"]
    change = (told - plain)[abs(told - plain) > 1e-9]
    expected = {("x0", "x1", 1): math.log(3), ("x0", "x1", 2): math.log(3), ("x2", "x0", 1): math.log(0.5)}
    assert change.to_dict() == pytest.approx(expected)
