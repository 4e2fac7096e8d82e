"""Linear networks are exact: their surprise is that of a Kalman filter with the full covariance."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from sostruct.networks.hgf.network import HGF


def kalman(decay, process, seen, noise, data, steps):
    """Surprise, means and variances of x = L x + N(0, Q dt), u = A x + N(0, R), x0 ~ N(0, I), for every step."""
    mean, covariance = np.zeros(len(decay)), np.eye(len(decay))
    surprise, means, variances = [], [], []
    for row, elapsed in zip(data, steps, strict=True):
        shrink = np.diag(decay**elapsed)
        mean, covariance = shrink @ mean, shrink @ covariance @ shrink + np.diag(process * elapsed)
        there = ~np.isnan(row)
        nats = 0.0
        if there.any():
            visible = seen[there]
            spread = visible @ covariance @ visible.T + np.diag(noise[there])
            error = row[there] - visible @ mean
            nats = 0.5 * (np.linalg.slogdet(2 * np.pi * spread)[1] + error @ np.linalg.solve(spread, error))
            gain = np.linalg.solve(spread, visible @ covariance).T
            mean, covariance = mean + gain @ error, covariance - gain @ visible @ covariance
        surprise.append(nats)
        means.append(mean)
        variances.append(np.diag(covariance))
    return np.array(surprise), np.array(means), np.array(variances)


CASES = {
    "local level": np.array([[1.0]]),
    "two inputs under one state": np.array([[1.3], [-0.6]]),
    "two states over one input": np.array([[1.0, 0.7]]),
    "five states over six inputs": np.random.default_rng(5).normal(size=(6, 5)),
}


@pytest.mark.parametrize("schedule", ["packed", "unrolled"])
@pytest.mark.parametrize("name", CASES)
def test_equals_the_kalman_filter(name, schedule):
    seen = CASES[name]
    if schedule == "unrolled" and seen.size > 4:
        pytest.skip("many states over many inputs compile slowly when written out")
    inputs, states = seen.shape
    rng = np.random.default_rng(seen.size)
    decay, volatility, precision = rng.uniform(0.3, 1, states), rng.uniform(-3, 0, states), rng.uniform(1, 20, inputs)
    graph = nx.MultiDiGraph()
    for number in range(states):
        own = {"tonic_volatility": float(volatility[number]), "autoconnection": float(decay[number])}
        graph.add_node(f"x{number}", kind="continuous", **own)
    for number in range(inputs):
        graph.add_node(f"u{number}", kind="continuous", precision=float(precision[number]))
    for (row, column), strength in np.ndenumerate(seen):
        graph.add_edge(f"x{column}", f"u{row}", strength=float(strength))
    network = HGF(graph, inputs=[f"u{number}" for number in range(inputs)], schedule=schedule)
    data, steps = rng.normal(size=(200, inputs)), rng.uniform(0.2, 3, 200)
    data[rng.random(data.shape) < 0.2] = np.nan
    surprise, means, variances = kalman(decay, np.exp(volatility), seen, 1 / precision, data, steps)
    beliefs = network.filter(data, steps)
    np.testing.assert_allclose(beliefs.surprise, surprise, rtol=0, atol=1e-10)
    assert beliefs.log_evidence == pytest.approx(-surprise.sum(), rel=1e-10)
    hidden = [f"x{number}" for number in range(states)]
    np.testing.assert_allclose(beliefs.frame("mean")[hidden], means, rtol=0, atol=1e-10)
    np.testing.assert_allclose(1 / beliefs.frame("precision")[hidden], variances, rtol=0, atol=1e-10)


def test_separate_assimilation_is_not_exact_and_joint_is_the_default():
    graph = nx.MultiDiGraph()
    graph.add_node("u", kind="continuous", precision=50.0)
    for name in ("a", "b"):
        graph.add_node(name, kind="continuous", tonic_volatility=-2.0)
        graph.add_edge(name, "u")
    data = np.random.default_rng(0).normal(size=100)
    joint, separate = HGF(graph), HGF(graph, assimilate="separate")
    exact, _, _ = kalman(
        np.ones(2), np.exp([-2.0, -2.0]), np.ones((1, 2)), np.array([0.02]), data[:, None], np.ones(100)
    )
    assert joint.filter(data).log_evidence == pytest.approx(-exact.sum(), rel=1e-10)
    assert separate.filter(data, strict=False).log_evidence < -exact.sum() - 10
