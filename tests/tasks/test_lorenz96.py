"""Lorenz-96 against what is known of the flow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.integrate import solve_ivp

from sostruct.errors import ConfigError
from sostruct.tasks import Lorenz96
from sostruct.tasks.lorenz96 import derivative, trajectory

from .refusals import refused

states = st.integers(4, 12).flatmap(lambda nodes: arrays(np.float64, nodes, elements=st.floats(-50, 50)))


@given(states, st.floats(-20, 20))
def test_derivative_is_the_equation(x: np.ndarray, forcing: float) -> None:
    n = len(x)
    expected = [(x[(i + 1) % n] - x[i - 2]) * x[i - 1] - x[i] + forcing for i in range(n)]
    np.testing.assert_allclose(derivative(x, forcing), expected, rtol=1e-12, atol=1e-9)


@given(states, st.floats(-20, 20))
def test_advection_conserves_energy(x: np.ndarray, forcing: float) -> None:
    """d/dt |x|^2 / 2 = -|x|^2 + F sum x: the quadratic terms cancel around the ring."""
    assert np.isclose(x @ derivative(x, forcing), -x @ x + forcing * x.sum(), rtol=1e-9, atol=1e-6)


def test_volume_contracts_at_rate_n() -> None:
    """The divergence of the flow is -N everywhere, so volumes shrink by exp(-N t), whatever the state."""
    nodes, forcing, dt, steps, small = 6, 8.0, 0.02, 10, 1e-5
    start = forcing + np.random.default_rng(0).standard_normal(nodes)
    start = trajectory(start, forcing, 0.05, 100)[-1]
    nudged = np.concatenate([start + small * np.eye(nodes), start - small * np.eye(nodes)])
    ends = trajectory(nudged, forcing, dt, steps)[-1]
    jacobian = (ends[:nodes] - ends[nodes:]) / (2 * small)
    np.testing.assert_allclose(np.linalg.det(jacobian), np.exp(-nodes * dt * steps), rtol=1e-4)


def test_largest_lyapunov_exponent() -> None:
    """1.68 for 40 nodes and F = 8: Lorenz & Emanuel (1998) give a doubling time of .42, log 2 / .42 = 1.65."""
    nodes, copies, small = 40, 40, 1e-6
    rng = np.random.default_rng(0)
    state = trajectory(8.0 + rng.standard_normal((copies, nodes)), 8.0, 0.05, 200)[-1]
    nudge = rng.standard_normal((copies, nodes))
    twin = state + small * nudge / np.linalg.norm(nudge, axis=-1, keepdims=True)
    growth = []
    for step in range(100):
        state, twin = trajectory(np.stack([state, twin]), 8.0, 0.2, 1)[-1]
        distance = np.linalg.norm(twin - state, axis=-1, keepdims=True)
        twin = state + (twin - state) * small / distance
        if step >= 20:  # by then the difference points along the fastest direction
            growth.append(np.log(distance / small).mean() / 0.2)
    assert np.mean(growth) == pytest.approx(1.68, abs=0.08)


@pytest.mark.parametrize("forcing", [-5.0, 3.0, 10.0, 40.0])
def test_trajectory_agrees_with_an_adaptive_solver(forcing: float) -> None:
    start = trajectory(forcing + np.random.default_rng(1).standard_normal(7), forcing, 0.05, 60)[-1]
    expected = solve_ivp(
        lambda _, x: derivative(x, forcing),
        (0, 0.1),
        start,
        method="DOP853",
        t_eval=[0.05, 0.1],
        rtol=1e-11,
        atol=1e-11,
    )
    found = trajectory(start, forcing, 0.05, 2)
    np.testing.assert_allclose(found, expected.y.T, atol=5e-5 * np.abs(start).max())


def test_rest_state_and_its_stability() -> None:
    rest = np.full(8, 3.0)
    np.testing.assert_array_equal(derivative(rest, 3.0), np.zeros(8))
    nudged = rest + np.random.default_rng(0).standard_normal(8)
    assert np.abs(trajectory(nudged / 6, 0.5, 0.05, 400)[-1] - 0.5).max() < 1e-3  # calm for F < 8/9


def test_ring_has_no_first_node() -> None:
    start = np.random.default_rng(0).standard_normal(9)
    np.testing.assert_allclose(
        np.roll(trajectory(start, 8.0, 0.05, 20), 4, axis=-1), trajectory(np.roll(start, 4), 8.0, 0.05, 20), rtol=1e-12
    )


def test_truth_is_where_the_jacobian_is_not_zero() -> None:
    task = Lorenz96(nodes=11, steps=5).load(0)
    x = np.random.default_rng(0).standard_normal(11)
    jacobian = (derivative(x + 1e-3 * np.eye(11), 8.0) - derivative(x - 1e-3 * np.eye(11), 8.0)).T  # [effect, cause]
    names = list(task.frame.columns)
    assert task.truth is not None
    assert {(names[cause], names[effect]) for effect, cause in np.argwhere(np.abs(jacobian) > 1e-9)} == set(
        task.truth.edges()
    )
    assert not task.truth_lags


def test_observation_noise_is_added_to_the_flow() -> None:
    clean, noisy = (Lorenz96(steps=2000, noise=noise).load(3).frame.to_numpy() for noise in (0.0, 0.3))
    np.testing.assert_allclose((noisy - clean).std(), 0.3, rtol=0.03)
    assert abs(np.corrcoef((noisy - clean).ravel(), clean.ravel())[0, 1]) < 0.03


def test_sampled_states_stay_on_the_attractor() -> None:
    """At F = 10: mean about 2.4 and deviation about 4.3, as in the published series of this size."""
    values = Lorenz96(steps=3000, noise=0.0).load(0).frame.to_numpy()
    assert values.mean() == pytest.approx(2.4, abs=0.2)
    assert values.std() == pytest.approx(4.3, abs=0.25)
    # energy balance on the attractor: <|x|^2> = F <sum x>
    assert (values**2).mean() == pytest.approx(10 * values.mean(), rel=0.02)


@pytest.mark.parametrize(("setting", "value"), [("nodes", 3), ("dt", 0.0), ("forcing", float("inf")), ("noise", -0.1)])
def test_refuses_impossible_settings(setting: str, value: object) -> None:
    with refused(ConfigError, "Lorenz-96", setting):
        Lorenz96(**{setting: value})  # type: ignore[arg-type]
