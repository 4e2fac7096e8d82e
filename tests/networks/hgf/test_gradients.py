"""Derivatives of the log evidence against central differences, in both schedules, and maps over parameters."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
import pytest

from sostruct.networks.hgf.network import HGF


@pytest.fixture(scope="module")
def graph():
    """Every kind of node, both couplings, a nonlinear function, a constant."""
    graph = nx.MultiDiGraph()
    graph.add_node("u", kind="continuous", precision=4.0)
    graph.add_node("y", kind="binary")
    graph.add_node("x1", kind="continuous", tonic_volatility=-2.0, autoconnection=0.9)
    graph.add_node("x2", kind="volatile", tonic_volatility=-2.0, autoconnection=0.8, volatility_tonic_volatility=-3.0)
    graph.add_node("v", kind="continuous", tonic_volatility=-3.0, autoconnection=0.9, tonic_drift=0.1)
    graph.add_node("c", kind="constant")
    graph.add_edge("x1", "u", strength=0.8)
    graph.add_edge("x2", "y")
    graph.add_edge("v", "x1", coupling="volatility", strength=0.7)
    graph.add_edge("v", "x2", strength=0.5, function="tanh")
    graph.add_edge("c", "x1", strength=0.2)
    return graph


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    table = np.stack([rng.normal(size=30), (rng.random(30) < 0.5).astype(float)], 1)
    table[5, 0] = table[9, 1] = np.nan
    return table


PLACES = [
    ("x1", "tonic_volatility"),
    ("x1", "autoconnection"),
    ("v", "tonic_drift"),
    ("v", "mean"),
    ("u", "precision"),
    ("x2", "volatility_tonic_volatility"),
    (("v", "x1"), "strength"),
    (("v", "x2"), "strength"),
    (("c", "x1"), "strength"),
]


@pytest.mark.parametrize("schedule", ["packed", "unrolled"])
def test_derivatives_of_the_log_evidence(graph, data, schedule):
    network = HGF(graph, inputs=["u", "y"], schedule=schedule)

    def where(place):
        return graph.nodes[place[0]] if isinstance(place[0], str) else graph.edges[(*place[0], 0)]

    start = np.array([where(place).get(place[1], 0.0) for place in PLACES])

    def evidence(numbers):
        values = {}
        for (place, parameter), number in zip(PLACES, numbers, strict=True):
            values.setdefault(place, {})[parameter] = number
        return network.with_parameters(values).log_evidence(data)

    with jax.enable_x64(True):
        value, slope = jax.value_and_grad(lambda numbers: evidence(list(numbers)))(jnp.asarray(start))
    assert float(value) == pytest.approx(network.filter(data).log_evidence, rel=1e-12)
    assert np.isfinite(slope).all()
    for number in range(len(PLACES)):
        step = np.zeros(len(PLACES))
        step[number] = 1e-5
        rise = float(evidence((start + step).tolist()) - evidence((start - step).tolist())) / 2e-5
        assert slope[number] == pytest.approx(rise, rel=1e-5, abs=1e-6), PLACES[number]


def test_many_parameter_sets_at_once(graph, data):
    network = HGF(graph, inputs=["u", "y"])
    numbers = np.linspace(-4.0, 0.0, 5)

    def evidence(number):
        return network.with_parameters({"x1": {"tonic_volatility": number}}).log_evidence(data)

    with jax.enable_x64(True):
        together = jax.vmap(evidence)(jnp.asarray(numbers))
    np.testing.assert_allclose(together, [float(evidence(number)) for number in numbers.tolist()], rtol=1e-11)
