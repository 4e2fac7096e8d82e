"""Predators and prey against the equations, an integrator of scipy's, and a conserved quantity."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from sostruct.errors import ConfigError
from sostruct.tasks import LotkaVolterra

from .refusals import refused


def interactions(task: LotkaVolterra, seed: int) -> np.ndarray:
    """Who appears in whose equation, by the truth [effect x cause]."""
    truth = task.load(seed).truth
    place = {name: position for position, name in enumerate(truth)}
    acts = np.zeros((len(place), len(place)), dtype=bool)
    for cause, effect, data in truth.edges(data=True):
        assert data["lag"] == 1
        acts[place[effect], place[cause]] = True
    return acts


def rates(task: LotkaVolterra, state: np.ndarray, acts: np.ndarray) -> np.ndarray:
    """The equations of the docstring, species by species."""
    half = task.nodes // 2
    change = np.empty(task.nodes)
    for i in range(half):
        predators = [j for j in range(half, task.nodes) if acts[i, j]]
        prey = [j for j in range(half) if acts[half + i, j]]
        x, y = state[i], state[half + i]
        change[i] = task.growth * x - task.eaten * x * sum(state[j] for j in predators) - task.growth * (x / 200) ** 2
        change[half + i] = task.fed * y * sum(state[j] for j in prey) - task.death * y
    return change


@pytest.mark.parametrize(("nodes", "parents"), [(4, 1), (8, 2), (12, 3), (20, 2)])
def test_the_truth_is_groups_in_which_every_predator_eats_every_prey(nodes: int, parents: int) -> None:
    half = nodes // 2
    for seed in range(3):
        acts = interactions(LotkaVolterra(nodes=nodes, parents=parents, steps=2, burn_in=0), seed)
        assert acts.diagonal().all()
        np.testing.assert_array_equal(acts, acts.T)
        bare = acts & ~np.eye(nodes, dtype=bool)
        assert not bare[:half, :half].any()
        assert not bare[half:, half:].any()
        assert (bare.sum(axis=1) == parents).all()
        # those who share one enemy share them all
        assert len({tuple(row) for row in bare[:half, half:].tolist()}) == half // parents


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**40), st.floats(0.0, 3.0))
def test_the_truth_is_who_appears_in_whose_equation(seed: int, noise: float) -> None:
    task = LotkaVolterra(nodes=8, steps=2, noise=noise, burn_in=0)
    acts, (own, matrix) = interactions(task, seed), task.rates(seed)
    np.testing.assert_array_equal(acts, (matrix != 0) | np.eye(8, dtype=bool))
    state = np.random.default_rng(seed).uniform(5.0, 60.0, size=8)
    base = rates(task, state, acts)
    np.testing.assert_allclose(state * (own + matrix @ state), base, rtol=1e-12)
    for cause in range(8):
        moved = state.copy()
        moved[cause] *= 1.1
        np.testing.assert_array_equal(~np.isclose(rates(task, moved, acts), base, rtol=1e-9), acts[:, cause])


def test_without_noise_it_is_the_flow() -> None:
    task = LotkaVolterra(nodes=8, steps=60, noise=0.0, burn_in=0)
    values, acts = task.load(3).frame.to_numpy(), interactions(task, 3)
    flow = solve_ivp(
        lambda _, state: rates(task, state, acts),
        (0.0, 5.9),
        values[0],
        method="DOP853",
        t_eval=np.arange(60) * 0.1,
        rtol=1e-10,
        atol=1e-12,
    )
    np.testing.assert_allclose(values, flow.y.T, rtol=5e-3, atol=1e-3)


def test_a_pair_conserves_its_first_integral() -> None:
    """fed x - death log x + eaten y - growth log y is constant, up to the prey's capacity, which pulls it down."""
    task = LotkaVolterra(nodes=2, parents=1, steps=300, noise=0.0, burn_in=0, growth=1.0, death=1.0)
    x, y = task.load(1).frame.to_numpy().T
    kept = task.fed * x - task.death * np.log(x) + task.eaten * y - task.growth * np.log(y)
    assert kept[-1] < kept[0]
    assert np.ptp(kept) < 0.05 * np.abs(kept).mean()


@pytest.mark.parametrize("noise", [0.0, 1.0, 10.0])
def test_positive_finite_and_bounded(noise: float) -> None:
    for seed in range(2):
        values = LotkaVolterra(nodes=8, steps=400, noise=noise).load(seed).frame.to_numpy()
        assert np.isfinite(values).all()
        assert values.min() > 0.0
        assert values.max() < 40_000.0


def test_stays_finite_at_the_ends_of_its_settings() -> None:
    fast = LotkaVolterra(nodes=4, steps=2, growth=10.0, eaten=1.0, fed=1.0, death=10.0, noise=10.0, burn_in=0, dt=0.02)
    slow = LotkaVolterra(
        nodes=4, steps=3, burn_in=0, growth=0.01, eaten=0.001, fed=0.001, death=0.01, noise=0.0, dt=10.0
    )
    for task in (fast, slow):
        values = task.load(0).frame.to_numpy()
        assert np.isfinite(values).all()
        assert values.min() > 0.0


def test_a_regression_of_growth_on_the_enemies_finds_the_rates() -> None:
    task = LotkaVolterra(nodes=8, steps=6000, noise=0.5, dt=0.02)
    values, acts = task.load(0).frame.to_numpy(), interactions(task, 0)
    for i in range(4):
        predators = [j for j in range(4, 8) if acts[i, j]]
        x = values[:-1, i]
        design = np.column_stack([x, *(x * values[:-1, j] for j in predators)])
        solution, *_ = np.linalg.lstsq(design, np.diff(values[:, i]) / task.dt, rcond=None)
        np.testing.assert_allclose(solution[1:], -task.eaten, rtol=0.2)
        assert solution[0] == pytest.approx(task.growth, rel=0.2)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("nodes", 7), ("parents", 3), ("parents", 0), ("growth", 0.0), ("fed", 2.0), ("dt", 0.0), ("noise", -1.0)],
)
def test_wrong_settings_are_named(setting: str, value: object) -> None:
    with refused(ConfigError, setting):
        LotkaVolterra(**{setting: value})  # type: ignore[arg-type]
