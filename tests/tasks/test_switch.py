"""Switching VARs against a plain loop over the regimes, and each regime against least squares on its rows."""

from __future__ import annotations

from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sostruct.errors import ConfigError
from sostruct.tasks import SwitchingVAR
from sostruct.tasks.base import streams

from .linear import autoregression, coefficients, refit
from .refusals import refused


@settings(max_examples=40, deadline=None)
@given(
    st.builds(
        SwitchingVAR,
        nodes=st.integers(2, 6),
        steps=st.integers(4, 40),
        max_lag=st.integers(1, 4),
        parents=st.floats(0, 1),
        regimes=st.sampled_from([(0,), (0, 1), (5, 2), (0, 1, 0), (0, 1, 2, 1)]),
        strength=st.just((0.2, 1.5)),
        noise=st.floats(0.1, 5),
        burn_in=st.integers(0, 10),
    ),
    st.integers(0, 2**40),
)
def test_rows_follow_the_regime_that_holds(task: SwitchingVAR, seed: int) -> None:
    total = task.burn_in + task.steps
    innovations = task.noise * streams(seed)[1].standard_normal((total, task.nodes))
    regimes = task.graphs(seed)
    known = [coefficients(regime.graph, task.max_lag) for regime in regimes]
    firsts = [regime.first for regime in regimes]
    # the burn-in is in the first regime
    holds = [
        max(place for place, first in enumerate(firsts) if first <= max(row, 0))
        for row in range(-task.burn_in, task.steps)
    ]
    expected = autoregression([known[place] for place in holds], innovations)[task.burn_in :]
    np.testing.assert_allclose(task.load(seed).frame, expected, rtol=1e-9, atol=1e-9)


def test_least_squares_on_its_rows_find_each_regime_and_on_all_rows_find_none() -> None:
    task = SwitchingVAR(nodes=4, steps=60_000, max_lag=2, regimes=(0, 1))
    values, (one, other) = task.load(3).frame.to_numpy(), task.graphs(3)
    assert (one.first, other.first) == (0, 30_000)
    before, after = coefficients(one.graph, 2), coefficients(other.graph, 2)
    assert np.abs(before - after).max() > 0.2
    np.testing.assert_allclose(refit(values[:30_000], 2)[0], before, atol=0.025)
    np.testing.assert_allclose(refit(values[30_000:], 2)[0], after, atol=0.025)
    average = refit(values, 2)[0]
    assert min(np.abs(average - before).max(), np.abs(average - after).max()) > 0.1


def test_the_truth_is_the_graph_that_holds_at_the_end_and_says_so() -> None:
    task = SwitchingVAR(nodes=5, steps=90, regimes=(0, 1, 2))
    loaded, regimes = task.load(0), task.graphs(0)
    assert nx.utils.graphs_equal(loaded.truth, regimes[-1].graph)
    assert loaded.truth_scope == "of the last regime, from row 60 on"
    assert "known graph" in loaded.description
    assert SwitchingVAR(regimes=(3,), steps=20).load(0).truth_scope == ""
    for one, other in pairwise(regimes):
        assert not nx.utils.graphs_equal(one.graph, other.graph)


def test_a_regime_that_comes_back_has_its_graph_and_one_more_changes_none_before_it() -> None:
    there = SwitchingVAR(nodes=5, regimes=(0, 1)).graphs(2)
    back = SwitchingVAR(nodes=5, regimes=(0, 1, 0)).graphs(2)
    assert nx.utils.graphs_equal(back[0].graph, back[2].graph)
    for one, other in zip(there, back, strict=False):
        assert nx.utils.graphs_equal(one.graph, other.graph)


def test_a_switch_makes_no_jump() -> None:
    """The step after a switch is the new regime's from the old regime's last rows, with an innovation of usual size."""
    sizes = []
    for seed in range(200):
        task = SwitchingVAR(nodes=3, steps=20, max_lag=1)
        values, after = task.load(seed).frame.to_numpy(), coefficients(task.graphs(seed)[1].graph, 1)[0]
        sizes.append(values[10] - after @ values[9])
    assert np.std(sizes) == pytest.approx(1.0, rel=0.1)


def test_heavy_tails_come_in_the_same_size() -> None:
    task = SwitchingVAR(nodes=4, steps=40_000, max_lag=1, regimes=(0,), shape="student", noise=2.0)
    left = refit(task.load(0).frame.to_numpy(), 1)[1]
    assert left.std() == pytest.approx(2.0, rel=0.03)
    # P(|t| > 4 standard deviations) is .0049 for 4 degrees of freedom and .00006 for Gaussian noise
    assert np.mean(np.abs(left) > 8.0) == pytest.approx(0.0049, rel=0.2)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("regimes", ()),
        ("regimes", 2),
        ("regimes", "01"),
        ("regimes", (0, 0)),
        ("regimes", (0, 1.5)),
        ("regimes", (0, -1)),
        ("steps", 1),
        ("shape", "cauchy"),
        ("max_lag", 0),
    ],
)
def test_wrong_settings_are_named(setting: str, value: object) -> None:
    with refused(ConfigError, setting):
        SwitchingVAR(**{setting: value})  # type: ignore[arg-type]
