"""Nonlinear processes against the equation that defines them, and their bound."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sostruct.errors import ConfigError
from sostruct.tasks import Nonlinear
from sostruct.tasks.base import streams
from sostruct.tasks.nonlinear import all_mechanisms

from .refusals import refused

FORMULAS = {
    "identity": lambda x: x,
    "tanh": math.tanh,
    "sine": lambda x: math.sin(2 * x),
    "square": lambda x: 2 * x * x / (1 + x * x) - 1,
    "hump": lambda x: x * math.exp((1 - x * x) / 2),
}


@pytest.mark.parametrize("name", sorted(all_mechanisms))
@given(st.floats(-1e6, 1e6))
def test_mechanisms_are_their_formulas_and_bounded_by_one(name: str, x: float) -> None:
    value = float(all_mechanisms[name](np.array([x]))[0])
    assert abs(value) <= 1 + 1e-12
    assert math.isclose(value, FORMULAS[name](x), rel_tol=1e-9, abs_tol=1e-12)


def test_mechanisms_reach_their_bound() -> None:
    grid = np.linspace(-50, 50, 400_001)
    for mechanism in all_mechanisms.values():
        assert np.abs(mechanism(grid)).max() > 0.999


@settings(max_examples=40, deadline=None)
@given(
    st.builds(
        Nonlinear,
        nodes=st.integers(2, 7),
        steps=st.integers(1, 25),
        max_lag=st.integers(1, 4),
        parents=st.floats(0, 1),
        noise=st.floats(0.1, 5),
        burn_in=st.integers(0, 20),
    ),
    st.integers(0, 2**40),
)
def test_rows_satisfy_the_equation(task: Nonlinear, seed: int) -> None:
    """A plain loop over links, one at a time, gives the same series."""
    loaded = task.load(seed)
    names = list(loaded.frame.columns)
    total = task.burn_in + task.steps
    x = task.noise * streams(seed)[1].standard_normal((total, task.nodes))
    links = task.mechanisms(seed)
    for t in range(total):
        for link, mechanism in links.items():
            past = x[t - link.lag, names.index(link.cause)] if t >= link.lag else 0.0
            x[t, names.index(link.effect)] += link.strength * FORMULAS[mechanism](past)
    np.testing.assert_allclose(loaded.frame, x[task.burn_in :], rtol=1e-9, atol=1e-9)


def test_cannot_diverge() -> None:
    task = Nonlinear(nodes=8, steps=2000, parents=7.0, strength=(20.0, 50.0), memory=(0.9, 0.99))
    for seed in range(5):
        names = [f"x{i}" for i in range(8)]
        links = task.mechanisms(seed)
        innovations = np.abs(streams(seed)[1].standard_normal((2200, 8))).max()
        frame = task.load(seed).frame
        for name in names:
            memory = abs(next(link.strength or 0 for link in links if link.cause == link.effect == name))
            drive = sum(abs(link.strength or 0) for link in links if link.effect == name != link.cause)
            assert frame[name].abs().max() <= (drive + innovations) / (1 - memory)


def test_self_links_are_linear_and_others_draw_every_mechanism() -> None:
    links = Nonlinear(nodes=60, steps=1).mechanisms(0)
    counts = {name: sum(kind == name for kind in links.values()) for name in ("identity", *all_mechanisms)}
    assert counts.pop("identity") == 60
    assert {
        link.cause for link, kind in links.items() if kind == "identity" and link.effect == link.cause and link.lag == 1
    } == {f"x{i:02d}" for i in range(60)}
    expected = sum(counts.values()) / 4
    assert sum((count - expected) ** 2 / expected for count in counts.values()) < 30


def test_truth_holds_the_links() -> None:
    task = Nonlinear(nodes=9)
    truth = task.load(2).truth
    assert truth is not None
    found = {(cause, effect, data["lag"], data["strength"]) for cause, effect, data in truth.edges(data=True)}
    assert found == {tuple(link) for link in task.mechanisms(2)}


@pytest.mark.parametrize(
    ("setting", "value"), [("memory", (0.5, 1.0)), ("strength", (0.0, 1.0)), ("parents", 10), ("max_lag", 0)]
)
def test_refuses_impossible_settings(setting: str, value: object) -> None:
    with refused(ConfigError, "nonlinear process", setting):
        Nonlinear(**{setting: value})  # type: ignore[arg-type]
