"""Effects within one step, against systems whose structure is known and against formulas written out in numpy."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from sostruct.discovery.contemporaneous import mark_of, pairs
from sostruct.discovery.estimator import discover
from sostruct.discovery.orientation import _sets
from sostruct.discovery.posterior import Posterior
from sostruct.networks.lagged.fixed_point import searched
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.networks.lagged.terms import LinearTerms
from sostruct.tasks import ConfoundedVAR, SparseVAR

from .regressions import Regression

NAMES = ["a", "b", "c", "d"]
WITHIN = {("a", "b"): 0.8, ("b", "c"): -0.7}
LAGGED = {("a", "a", 1): 0.5, ("b", "b", 1): 0.4, ("c", "c", 1): 0.5, ("d", "d", 1): 0.4, ("a", "d", 2): 0.5}


def system(noise, rows=600, seed=0, lagged=LAGGED, within=WITHIN):
    """x(t) = B x(t) + sum_tau A_tau x(t - tau) + e with the links above."""
    generator = np.random.default_rng(seed)
    shape = (rows + 50, len(NAMES))
    draw = generator.laplace(scale=np.sqrt(0.5), size=shape) if noise == "laplace" else generator.normal(size=shape)
    values = np.zeros(shape)
    place = {name: number for number, name in enumerate(NAMES)}
    for row in range(2, len(values)):
        values[row] = draw[row]
        for (cause, effect, lag), weight in lagged.items():
            values[row, place[effect]] += weight * values[row - lag, place[cause]]
        for (cause, effect), weight in within.items():  # causes come first
            values[row, place[effect]] += weight * values[row, place[cause]]
    return pd.DataFrame(values[50:], columns=NAMES)


@pytest.fixture(scope="module")
def oriented():
    frame = system("laplace")
    return frame, discover(frame, max_lag=2)


@pytest.fixture(scope="module")
def gaussian():
    """Gaussian, and no cause within the step has a past: nothing tells directions apart."""
    frame = system("gauss", lagged={("d", "d", 1): 0.4})
    return frame, discover(frame, max_lag=2)


def test_where_noise_is_not_gaussian_links_have_directions(oriented):
    _, found = oriented
    edges = {(row.cause, row.effect, row.lag) for row in found.edges.itertuples()}
    assert edges == set(LAGGED) | {(*pair, 0) for pair in WITHIN}
    assert set(found.edges["mark"]) == {"directed"}
    graph = found.graph
    assert graph["a"]["b"]["value:0"]["weight"] == pytest.approx(0.8, abs=0.1)
    assert found.summary.loc["a", "b"] > found.summary.loc["b", "a"] + 10
    assert found.summary_probability.loc["a", "b"] > 0.99
    assert np.isfinite(found.summary_probability.to_numpy()).all()


def test_weights_beside_links_within_the_step_are_those_of_a_regression(oriented):
    frame, _ = oriented
    found = discover(frame, max_lag=2, noise="gaussian")
    edges = found.edges[found.edges["effect"] == "c"].set_index(["cause", "lag"])
    by_hand = Regression(frame.to_numpy(), 2, [(2, 1), (1, 0)], 2)
    np.testing.assert_allclose(edges.loc[[("c", 1), ("b", 0)], "weight"], by_hand.weight, rtol=1e-9)
    np.testing.assert_allclose(edges.loc[[("c", 1), ("b", 0)], "weight_sd"], by_hand.weight_sd, rtol=1e-9)


def test_scores_hold_lag_0_where_it_was_offered(oriented):
    frame, found = oriented
    assert sorted(set(found.scores["lag"])) == [0, 1, 2]
    rows = found.scores.set_index(["cause", "effect", "lag"])
    assert rows.loc[("b", "a", 0), "probability"] == 0.0  # against the order
    assert rows.loc[("a", "b", 0), "nats"] > 10
    reduced = discover(frame, 2, contemporaneous=False).predict(frame)
    np.testing.assert_allclose(found.predict(frame).log_score, reduced.log_score, atol=0.05)  # one process, two forms


def test_agreement_has_a_row_for_effects_within_the_step(oriented):
    _, found = oriented
    truth = nx.MultiDiGraph()
    truth.add_nodes_from(NAMES)
    for cause, effect, lag in [*LAGGED, *((*pair, 0) for pair in WITHIN)]:
        truth.add_edge(cause, effect, lag=lag)
    truth.add_edge("a", "c", lag=0, mark="bidirected")  # no part of the question
    table = found.compare(truth)
    assert list(table.index) == ["summary", "lag_by_lag", "contemporaneous"]
    assert table["f1"].tolist() == [1.0, 1.0, 1.0]
    assert table["auroc"].tolist() == [1.0, 1.0, 1.0]
    assert table["edges"].tolist() == [3, 1, 2]


def test_causes_that_have_a_past_show_in_gaussian_noise_too():
    found = discover(system("gauss"), max_lag=2)
    edges = {(row.cause, row.effect, row.lag) for row in found.edges.itertuples()}
    assert edges == set(LAGGED) | {(*pair, 0) for pair in WITHIN}  # a lagged a -> b is none: it passes through a
    assert set(found.edges["mark"]) == {"directed"}


def test_links_that_others_cancel_are_found():
    within = {("a", "b"): 0.6, ("a", "c"): 0.8, ("b", "c"): 0.75}  # precision of a and b: -.6 + .8 x .75
    frame = system("laplace", rows=800, within=within)
    network = LaggedNetwork.bare(NAMES, 2)
    data = network.prepare(frame)
    assert not pairs(searched(network, data)[0], data).linked[0, 1]
    edges = discover(frame, 2).edges
    found = {(row.cause, row.effect) for row in edges[edges["lag"] == 0].itertuples() if row.mark == "directed"}
    assert found == set(within)


@pytest.mark.parametrize("shape", ["laplace", "gaussian"])
def test_hidden_common_causes_are_no_effects(shape):
    task = ConfoundedVAR(nodes=5, steps=1500, latents=1, max_lag=2, shape=shape, confounding=(1.0, 1.2)).load(3)
    edges = discover(task.frame, 2).edges
    within = {(*sorted((row.cause, row.effect)), row.mark) for row in edges[edges["lag"] == 0].itertuples()}
    hidden = [edge for edge in task.truth.edges(data=True) if edge[2].get("mark") == "bidirected"]
    assert within == {(*sorted(edge[:2]), "bidirected") for edge in hidden}
    lagged = {(row.cause, row.effect) for row in edges[edges["lag"] > 0].itertuples()}
    assert lagged == {(cause, effect) for cause, effect, data in task.truth.edges(data=True) if data["lag"] > 0}


def test_marks_follow_the_odds():
    known, out = np.log(100.0), np.log(20.0)
    assert mark_of(known, -6.0) == mark_of(-9.0, known) == mark_of(0.0, -np.inf) == "directed"
    assert mark_of(known - 0.1, -6.0) == mark_of(0.0, 0.0) == mark_of(0.1 - out, -6.0) == "undirected"
    assert mark_of(-out, -6.0) == mark_of(-np.inf, -np.inf) == mark_of(-out, -np.inf) == "bidirected"


def test_without_pasts_or_shapes_links_have_no_direction(gaussian):
    _, found = gaussian
    within = found.edges[found.edges["lag"] == 0]
    assert set(within["mark"]) == {"undirected"}
    assert {frozenset(pair) for pair in zip(within["cause"], within["effect"], strict=True)} == set(
        map(frozenset, WITHIN)
    )
    assert 0 not in set(found.scores["lag"])
    assert found.expected_false_edges == pytest.approx(np.sum(1 - found.edges["probability"]))
    assert [data["mark"] for _, _, data in found.graph.edges(data=True)].count("undirected") == 2


def test_weights_of_pairs_are_partial_correlations(gaussian):
    frame, found = gaussian
    left = frame.iloc[2:] - found.predict(frame).mean
    precision = np.linalg.inv(left[["a", "b", "c"]].corr())
    by_hand = -precision[0, 1] / np.sqrt(precision[0, 0] * precision[1, 1])
    pair = found.edges[found.edges["lag"] == 0].set_index(["cause", "effect"])["weight"]
    assert pair[("a", "b") if ("a", "b") in pair.index else ("b", "a")] == pytest.approx(by_hand, abs=0.02)


def test_a_pair_is_in_the_summary_in_both_directions(gaussian):
    _, found = gaussian
    assert found.summary.loc["a", "b"] > 5 < found.summary.loc["b", "a"]
    assert found.summary_probability.loc["a", "b"] > 0.2 < found.summary_probability.loc["b", "a"]


def test_forbidden_directions_are_not_reported(gaussian):
    frame, _ = gaussian
    one_way = discover(frame, 2, forbidden=[("b", "a", 0)]).edges.set_index(["cause", "effect", "lag"])
    assert one_way.loc[("a", "b", 0), "mark"] == "directed"
    hidden = discover(frame, 2, forbidden=[("b", "a"), ("a", "b")])
    rows = hidden.edges[hidden.edges["lag"] == 0].set_index(["cause", "effect"])
    assert rows.loc[("a", "b"), "mark"] == "bidirected"
    assert hidden.summary.loc["a", "b"] == -np.inf
    assert hidden.summary_probability.loc["a", "b"] == 0.0


def test_nothing_is_looked_for_where_that_is_not_wanted(gaussian):
    frame, _ = gaussian
    assert 0 not in set(discover(frame, 2, contemporaneous=False).edges["lag"])


def test_systems_without_effects_within_the_step_have_none():
    for seed in range(5):
        found = discover(SparseVAR(nodes=6, steps=150, max_lag=2).load(seed).frame, 2)
        assert 0 not in set(found.edges["lag"])
        assert (found.posterior.pair_nats == -np.inf).all()


def test_files_keep_them(gaussian, oriented, tmp_path):
    for number, (_, found) in enumerate((gaussian, oriented)):
        with (tmp_path / f"{number}.npz").open("wb") as file:
            found.posterior.save(file)
        again = Posterior.load(tmp_path / f"{number}.npz")
        assert again.instant == (number == 1)
        np.testing.assert_array_equal(again.pair_nats, found.posterior.pair_nats)
        assert len(again.terms.links) == again.weight.shape[1]


def test_residual_products_are_those_of_residuals(gaussian):
    frame, _ = gaussian
    values = frame.to_numpy()
    network = LaggedNetwork.bare(NAMES, 2)
    data = network.prepare(values)
    network, _ = searched(network, data)
    found = pairs(network, data)
    one_pair = np.argwhere(np.triu(found.linked))[0]
    assert tuple(one_pair) == (0, 1)
    np.testing.assert_allclose(found.nats, found.nats.T)
    np.testing.assert_allclose(found.partial, found.partial.T)


def test_columns_at_lag_0_come_last():
    values = np.random.default_rng(0).normal(size=(40, 2))
    data = LinearTerms(("a", "b"), 2, instant=True).prepared(values)
    past = np.hstack([values[1:-1], values[:-2], values[2:]])
    standard = (past - past.mean(axis=0)) / past.std(axis=0)
    np.testing.assert_allclose(data.gram, standard.T @ standard, atol=1e-9)
    np.testing.assert_allclose(data.cross, standard[:, 4:].T @ standard, atol=1e-9)
    np.testing.assert_allclose(data.targets, standard[:, 4:].T @ standard[:, 4:], atol=1e-9)


def test_sets_of_causes_stay_few():
    linked = np.zeros((12, 12), bool)
    linked[0, 1:] = True
    canceled = np.zeros_like(linked)
    canceled[1, [2, 3]] = True
    sets = _sets(linked, canceled, 500)
    own = [causes for target, causes in sets if target == 0]
    assert len(own) == 1 + 11 + 55 + 165  # the next size would be more than 512
    assert [causes for target, causes in sets if target == 1] == [set(), {2}, {3}]
    assert len(set(sets)) == len(sets)
    fewer = _sets(linked, canceled, 2**25 // 100)
    assert max(len(causes) for _, causes in fewer) == 2
    assert _sets(linked, canceled, 2**25 // 20) is None


def test_where_mechanisms_are_curved_pairs_have_no_direction():
    generator = np.random.default_rng(0)
    values = np.zeros((600, 3))
    noise = generator.laplace(size=values.shape)
    for row in range(1, len(values)):
        a, b, c = values[row - 1]
        values[row] = noise[row] + [2 * np.sin(a), np.tanh(2 * c) * 2, 2 * np.sin(b)]
        values[row, 1] += 0.9 * noise[row, 0]
    found = discover(pd.DataFrame(values, columns=list("abc")), 1, functions="curved")
    within = found.edges[found.edges["lag"] == 0]
    assert within["mark"].tolist() == ["undirected"]
    assert within[["cause", "effect"]].to_numpy().tolist() == [["a", "b"]]  # the more probable order
    assert found.posterior.direction[1, 0] > np.log(100.0)
