"""Beliefs inside compiled code are the beliefs of `filter`, and can be differentiated."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sostruct as ss
from sostruct.networks.hgf.trace import QUANTITIES
from sostruct.numerics import double_precision


@pytest.fixture
def outcomes() -> np.ndarray:
    drawn = (np.random.default_rng(0).random(40) < 0.7).astype(float)
    drawn[7] = np.nan
    return drawn


@pytest.mark.parametrize("schedule", ["unrolled", "packed"])
def test_a_trace_holds_what_a_filter_returns(schedule: str, outcomes: np.ndarray) -> None:
    network = ss.HGF(ss.binary_hgf(levels=3), schedule=schedule)
    beliefs, trace = network.filter(outcomes), network.trace(outcomes)
    for quantity in QUANTITIES:
        for name in network.nodes:
            expected = beliefs.frame(quantity)[name]
            np.testing.assert_allclose(
                getattr(trace, quantity)[name], expected, rtol=1e-12, err_msg=f"{quantity} {name}"
            )
    np.testing.assert_allclose(trace.surprise, beliefs.surprise, rtol=1e-12)
    assert float(trace.log_evidence) == pytest.approx(beliefs.log_evidence, rel=1e-12)
    assert trace.sound


@pytest.mark.parametrize("schedule", ["unrolled", "packed"])
def test_subjects_get_an_axis_of_their_own(schedule: str, outcomes: np.ndarray) -> None:
    network = ss.HGF(ss.binary_hgf(levels=2), schedule=schedule)
    both = network.trace(np.stack([outcomes, 1.0 - outcomes])[..., None])
    for number, series in enumerate((outcomes, 1.0 - outcomes)):
        alone = network.trace(series)
        np.testing.assert_allclose(both.expected_mean["x2"][number], alone.expected_mean["x2"], rtol=1e-12)
    assert both.sound.shape == (2,)
    assert both.sound.all()


@pytest.mark.parametrize("schedule", ["unrolled", "packed"])
def test_beliefs_are_differentiable(schedule: str, outcomes: np.ndarray) -> None:
    network = ss.HGF(ss.binary_hgf(levels=3), schedule=schedule)

    def last(volatility: float | jax.Array) -> jax.Array:
        own = network.with_parameters({"x2": {"tonic_volatility": volatility}})
        return own.trace(outcomes).expected_mean["u"][-1]

    with double_precision():
        slope = jax.jit(jax.grad(last))(jnp.asarray(-2.0))
        up, down = (float(jax.jit(last)(jnp.asarray(-2.0 + step))) for step in (1e-5, -1e-5))
    assert float(slope) == pytest.approx((up - down) / 2e-5, rel=1e-6)
    assert abs(float(slope)) > 1e-4


def test_a_breakdown_is_told(outcomes: np.ndarray) -> None:
    network = ss.HGF(ss.binary_hgf(levels=3, omega=(4.0, 4.0)), update="standard")
    with pytest.raises(ss.BeliefError):
        network.filter(outcomes)
    trace = network.trace(outcomes)
    assert not trace.sound
    assert np.isnan(trace.log_evidence)
