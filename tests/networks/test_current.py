"""The model of a stream: the sets and weights of a batch search, and the evidence that there are two of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

import sostruct as ss
from sostruct.networks.lagged.current import evidence_for_change, refitted, starting_sets
from sostruct.networks.lagged.moments import moments, standardized
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.tasks import SparseVAR

NAMES = ("a", "b", "c")


def one(values: np.ndarray, lags: int = 1, **settings: object):
    network = LaggedNetwork.bare(NAMES, lags, **settings)
    return refitted(network.packed, standardized(moments(values, lags)), starting_sets(network.packed))


def test_the_model_is_that_of_a_batch():
    frame = SparseVAR(nodes=3, steps=300, max_lag=2).load(0).frame.set_axis(list(NAMES), axis=1)
    fit = one(frame.to_numpy(), 2)
    batch = ss.discover(frame, max_lag=2, functions="linear", contemporaneous=False, probabilities=False)
    weight = np.zeros((3, 6))
    for edge in batch.edges.itertuples():
        weight[NAMES.index(edge.effect), (edge.lag - 1) * 3 + NAMES.index(edge.cause)] = edge.weight
    np.testing.assert_allclose(fit.model.weight, weight, rtol=1e-8, atol=1e-12)
    intercept = [batch.graph.nodes[name]["intercept"] for name in NAMES]
    np.testing.assert_allclose(fit.model.intercept, intercept, rtol=1e-7, atol=1e-9)


def test_evidence_for_change_is_a_ratio_of_integrals():
    """Without parents: sums of squares about one mean or two, the variance integrated out numerically."""
    generator = np.random.default_rng(0)
    values = generator.standard_normal((41, 3))
    values[21:, 0] += 1.5
    forbidden = [(cause, effect) for cause in NAMES for effect in NAMES]
    parts = values[:21], values[20:]
    found = evidence_for_change(
        one(values, forbidden=forbidden), tuple(one(part, forbidden=forbidden) for part in parts)
    )
    for series in range(3):
        y = values[1:, series]
        squares = ((y - y.mean()) ** 2).sum(), sum(((z - z.mean()) ** 2).sum() for z in (y[:20], y[20:]))

        def marginal(square: float) -> float:
            return quad(lambda log: np.exp(-20 * log - square / (2 * np.exp(log)) + 20), -6, 8)[0]

        expected = np.log(marginal(squares[1]) / marginal(squares[0])) - np.log(20 * 20 / 40) / 2
        np.testing.assert_allclose(found[series], expected, rtol=1e-6)


@pytest.mark.parametrize("weight", [0.0, 0.8])
def test_a_new_parent_is_evidence_for_change_and_one_mechanism_is_not(weight):
    generator = np.random.default_rng(3)
    values = generator.standard_normal((401, 3))
    for row in range(201, 401):
        values[row, 1] += weight * values[row - 1, 0]
    nats = evidence_for_change(one(values), (one(values[:201]), one(values[200:])))
    assert (np.delete(nats, 1) < 0).all()
    assert nats[1] > 5 if weight else nats[1] < 0


def test_units_do_not_matter():
    values = np.random.default_rng(4).standard_normal((200, 3))
    scale = np.array([1e-3, 10.0, 1e4])
    plain = evidence_for_change(one(values), (one(values[:100]), one(values[99:])))
    scaled = evidence_for_change(one(values * scale), (one(values[:100] * scale), one(values[99:] * scale)))
    np.testing.assert_allclose(scaled, plain, rtol=1e-6)
