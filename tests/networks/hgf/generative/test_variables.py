"""Samples of categorical variables and of the exponential family have the distributions that their parents say."""

import jax
import networkx as nx
import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

import sostruct as ss

KEY = jax.random.key(0)
MANY = 4000
STILL = {"kind": "continuous", "precision": 1e10, "tonic_volatility": -30.0}


def variables(**nodes: tuple[str, float]) -> ss.HGF:
    """Every node with a state of its own that stands still at a value; names have spaces for "="."""
    graph = nx.MultiDiGraph()
    for name, (kind, mean) in nodes.items():
        own = name.replace("__", "=").replace("_x_", "*")
        graph.add_node(own, kind=kind)
        graph.add_node(f"state of {own}", **STILL, mean=mean)
        graph.add_edge(f"state of {own}", own)
    return ss.HGF(graph)


def test_labels_have_the_chances_of_their_shares() -> None:
    odds = np.array([0.5, -1.0, 1.5])
    net = variables(
        color__blue=("category", odds[0]), color__green=("category", odds[1]), color__red=("category", odds[2])
    )
    found = net.sample(KEY, 1, subjects=MANY)
    assert list(found.frame.columns) == ["color"]
    counts = found.frame["color"].value_counts()[["blue", "green", "red"]].to_numpy()
    assert stats.chisquare(counts, MANY * expit(odds) / expit(odds).sum()).pvalue > 0.001
    assert (found.values[..., [found.nodes.index(name) for name in net.inputs]].sum(-1) == 1.0).all()
    beliefs = net.filter(found.frame)
    places = [net.nodes.index(name) for name in net.inputs]
    np.testing.assert_array_equal(beliefs.mean[..., places], found.values[..., places])
    assert set(found.series.ravel()) == {0.0, 1.0, 2.0}


def test_counts_durations_and_outcomes() -> None:
    net = variables(count=("poisson", 3.5), many=("poisson", 400.0), wait=("exponential", 2.0), hit=("bernoulli", 0.3))
    frame = net.sample(KEY, 1, subjects=MANY).frame
    observed = np.bincount(frame["count"].astype(int), minlength=30)[:10]
    expected = stats.poisson(3.5).pmf(np.arange(10))
    both = [np.append(part, whole - part.sum()) for part, whole in ((observed, MANY), (MANY * expected, MANY))]
    assert stats.chisquare(*both).pvalue > 0.001
    assert abs(frame["many"].mean() - 400.0) < 4.5 * 20.0 / np.sqrt(MANY)
    assert abs(frame["many"].var() / 400.0 - 1.0) < 4.5 * np.sqrt(2.0 / MANY)
    assert stats.kstest(frame["wait"], stats.expon(scale=2.0).cdf).pvalue > 0.001
    assert abs(frame["hit"].mean() - 0.3) < 4.5 * np.sqrt(0.21 / MANY)
    assert net.filter(frame).log_evidence < 0.0


def test_normal_variables_have_the_moments_expected_of_them() -> None:
    """E x = (1, -2), E x x' = ((3, -1), (-1, 5)): covariance ((2, 1), (1, 1))."""
    net = variables(
        p__a=("normal", 1.0),
        p__b=("normal", -2.0),
        p__a_x_a=("normal", 3.0),
        p__a_x_b=("normal", -1.0),
        p__b_x_b=("normal", 5.0),
    )
    found = net.sample(KEY, 1, subjects=MANY)
    assert list(found.frame.columns) == ["a", "b"]
    x = found.frame.to_numpy()
    np.testing.assert_allclose(x.mean(0), [1.0, -2.0], atol=0.1)
    np.testing.assert_allclose(np.cov(x.T), [[2.0, 1.0], [1.0, 1.0]], atol=0.15)
    assert stats.kstest(x[:, 0], stats.norm(1.0, np.sqrt(2.0)).cdf).pvalue > 0.001
    place = {name: found.values[:, 0, found.nodes.index(name)] for name in net.inputs}
    np.testing.assert_allclose(place["p=a*b"], x[:, 0] * x[:, 1], rtol=1e-12)


def test_what_is_expected_and_no_distribution_is_refused() -> None:
    for own in ({"wait": ("exponential", -1.0)}, {"count": ("poisson", -1.0)}, {"hit": ("bernoulli", 1.5)}):
        with pytest.raises(ss.BeliefError, match=f"Cannot sample '{next(iter(own))}' at step 0 "):
            variables(**own).sample(KEY, 3)


def test_an_agent_sees_labels_as_numbers() -> None:
    net = variables(color__0=("category", 0.0), color__1=("category", 1.0))

    class Same(ss.AbstractEnvironment):
        start: object = ()

        def respond(self, key, action, step, state):  # type: ignore[no-untyped-def]
            return ss.Outcome(action[None], action, state, {})

    found = ss.simulate(net, ss.ArmSoftmax(net.inputs, 1.0), Same(), 6, key=KEY)
    assert list(found.frame.columns) == ["color"]
    beliefs = net.filter(found.frame)
    np.testing.assert_allclose(found.belief().to_numpy(), beliefs.expected_mean, rtol=1e-9)
