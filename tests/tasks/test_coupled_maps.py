"""Coupled maps against the equation that defines them, and their bound."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sostruct.errors import ConfigError
from sostruct.tasks import CoupledMaps
from sostruct.tasks.base import streams
from sostruct.tasks.coupled_maps import reflected

from .refusals import refused

FORMULAS = {"logistic": lambda x, a: 1 - a * x * x, "tent": lambda x, a: 1 - a * abs(x)}


def parents(task: CoupledMaps, seed: int) -> list[list[int]]:
    """Who acts on every node, itself left out, by the truth."""
    truth = task.load(seed).truth
    return [[int(cause[1:]) for cause in truth.predecessors(name) if cause != name] for name in truth]


small = st.builds(
    CoupledMaps,
    nodes=st.integers(2, 7),
    steps=st.integers(2, 25),
    parents=st.floats(0, 1),
    coupling=st.floats(0.05, 0.95),
    map=st.sampled_from(sorted(FORMULAS)),
    steepness=st.floats(1.0, 1.99),
    noise=st.just(0.0),
    burn_in=st.integers(0, 10),
)


@settings(max_examples=60, deadline=None)
@given(small, st.integers(0, 2**40))
def test_every_row_is_the_map_of_the_one_before(task: CoupledMaps, seed: int) -> None:
    values, acting, f = task.load(seed).frame.to_numpy(), parents(task, seed), FORMULAS[task.map]
    for before, after in pairwise(values):
        for node, causes in enumerate(acting):
            expected = f(before[node], task.steepness)
            if causes:
                pushed = sum(f(before[cause], task.steepness) for cause in causes) / len(causes)
                expected = (1 - task.coupling) * expected + task.coupling * pushed
            assert after[node] == pytest.approx(expected, abs=1e-9)


def test_the_strengths_of_the_truth_are_the_coupling() -> None:
    task = CoupledMaps(nodes=8, coupling=0.3)
    truth, weights = task.load(2).truth, task.weights(2)
    for node, causes in enumerate(parents(task, 2)):
        own = truth[f"x{node}"][f"x{node}"]["value:1"]["strength"]
        assert own == pytest.approx(0.7 if causes else 1.0)
        for cause in causes:
            assert truth[f"x{cause}"][f"x{node}"]["value:1"]["strength"] == pytest.approx(0.3 / len(causes))
    known = np.zeros_like(weights)
    for cause, effect, data in truth.edges(data=True):
        known[int(effect[1:]), int(cause[1:])] = data["strength"]
        assert data["lag"] == 1
    np.testing.assert_array_equal(weights, known)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)


@pytest.mark.parametrize("name", sorted(FORMULAS))
def test_regression_on_the_map_recovers_the_coupling(name: str) -> None:
    task = CoupledMaps(nodes=5, steps=20_000, map=name, noise=0.01, steepness=1.8)
    values = task.load(1).frame.to_numpy()
    mapped = np.array([[FORMULAS[name](x, 1.8) for x in row] for row in values[:-1]])
    inside = np.abs(values[1:]).max(axis=1) < 0.95  # away from where noise is reflected
    solution, *_ = np.linalg.lstsq(mapped[inside], values[1:][inside], rcond=None)
    np.testing.assert_allclose(solution.T, task.weights(1), atol=0.01)


@pytest.mark.parametrize("name", sorted(FORMULAS))
@pytest.mark.parametrize("coupling", [0.05, 0.5, 0.95])
def test_bounded_and_moving_at_every_coupling(name: str, coupling: float) -> None:
    values = CoupledMaps(nodes=6, steps=3000, map=name, coupling=coupling, noise=0.3).load(0).frame.to_numpy()
    assert np.abs(values).max() <= 1.0
    assert (values[-500:].std(axis=0) > 0.1).all()


def test_lone_maps_are_chaotic() -> None:
    """Neighbors part by log 2 per step in the logistic map at its steepest, and by log a in the tent."""
    rng = np.random.default_rng(0)
    for name, slope in (("logistic", lambda x: -2 * 1.99 * x), ("tent", lambda x: 1.99 * np.ones_like(x))):
        task = CoupledMaps(nodes=2, steps=20_000, parents=0.0, map=name, steepness=1.99, noise=0.0)
        values = task.load(int(rng.integers(100))).frame.to_numpy()
        exponent = np.log(np.abs(slope(values))).mean()
        assert exponent == pytest.approx({"logistic": np.log(2), "tent": np.log(1.99)}[name], abs=0.08)


def test_correlations_hardly_show_the_edges() -> None:
    task = CoupledMaps(steps=2000)
    values, weights = task.load(0).frame.to_numpy(), task.weights(0)
    unit = (values - values.mean(axis=0)) / values.std(axis=0)
    correlation = np.abs(unit[1:].T @ unit[:-1]) / (len(unit) - 1)
    edges = (weights > 0) & ~np.eye(10, dtype=bool)
    assert correlation[edges].mean() < 0.15


def test_noise_enters_after_the_map_and_is_reflected() -> None:
    task = CoupledMaps(nodes=2, steps=50, parents=0.0, burn_in=0, noise=0.5)
    noise = streams(4)[1]
    values = task.load(4).frame.to_numpy()
    drawn = 0.5 * noise.standard_normal((50, 2))
    for before, after, added in zip(values[:-1], values[1:], drawn[1:], strict=True):
        for x, y, e in zip(before, after, added, strict=True):
            wanted = 1 - 1.9 * x * x + e
            while abs(wanted) > 1:
                wanted = (2 if wanted > 0 else -2) - wanted
            assert y == pytest.approx(wanted, abs=1e-9)


@given(st.floats(-50, 50))
def test_reflection_stays_inside_and_leaves_what_is_inside(x: float) -> None:
    (folded,) = reflected(np.array([x]))
    assert -1.0 <= folded <= 1.0
    if abs(x) <= 1.0:
        assert folded == pytest.approx(x, abs=1e-12)
    elif abs(x) <= 3.0:
        assert folded == pytest.approx(np.sign(x) * 2 - x, abs=1e-12)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("coupling", 1.0), ("coupling", 0.0), ("map", "circle"), ("map", 3), ("steepness", 2.0), ("noise", -0.1)],
)
def test_wrong_settings_are_named(setting: str, value: object) -> None:
    with refused(ConfigError, setting):
        CoupledMaps(**{setting: value})  # type: ignore[arg-type]
