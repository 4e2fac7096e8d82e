"""VARs with bursts against the equation that defines them, and bursts against a telegraph process."""

from __future__ import annotations

import numpy as np
import pytest

from sostruct.errors import ConfigError
from sostruct.tasks import BurstingVAR, SparseVAR

from .linear import coefficients, lagged, refit
from .refusals import refused


def test_the_graph_is_that_of_the_process_without_bursts() -> None:
    settings = {"nodes": 6, "max_lag": 2, "strength": (0.3, 0.9)}
    np.testing.assert_array_equal(
        coefficients(BurstingVAR(**settings).load(4).truth, 2), SparseVAR(**settings).coefficients(4)
    )


def test_least_squares_weighted_by_the_true_variance_find_the_coefficients() -> None:
    task = BurstingVAR(nodes=4, steps=30_000, max_lag=2)
    values, bursting = task.load(2).frame.to_numpy(), task.bursting(2)
    design = lagged(values, 2)
    known = coefficients(task.load(2).truth, 2)
    for effect in range(4):
        weight = np.where(bursting[2:, effect], 1 / task.burst, 1.0)
        solution, *_ = np.linalg.lstsq(weight[:, None] * design, weight * values[2:, effect], rcond=None)
        np.testing.assert_allclose(solution.reshape(2, 4), known[:, effect], atol=0.02)


def test_innovations_in_a_burst_have_so_many_times_the_standard_deviation() -> None:
    task = BurstingVAR(nodes=5, steps=40_000, burst=4.0, noise=0.5)
    values, bursting = task.load(0).frame.to_numpy(), task.bursting(0)[3:]
    left = refit(values, 3)[1]
    for series, wild in zip(left.T, bursting.T, strict=True):
        assert series[~wild].std() == pytest.approx(0.5, rel=0.03)
        assert series[wild].std() / series[~wild].std() == pytest.approx(4.0, rel=0.05)
        # Gaussian in either state: all of the heavy tails come from bursts
        assert np.mean((series[wild] / series[wild].std()) ** 4) == pytest.approx(3.0, abs=0.2)
    assert np.mean((left / left.std()) ** 4) > 5.0


def test_bursts_are_telegraph_processes_of_their_own() -> None:
    bursting = BurstingVAR(nodes=6, steps=60_000, duration=15.0).bursting(1)
    share = bursting.mean(axis=0)
    np.testing.assert_allclose(share, 0.5, atol=0.05)
    changes = np.diff(bursting.astype(int), axis=0) != 0
    np.testing.assert_allclose(1 / changes.mean(axis=0), 15.0, rtol=0.08)
    correlation = np.corrcoef(bursting.T)
    assert np.abs(correlation - np.eye(6)).max() < 0.1
    # the autocovariance of a telegraph process falls by 1 - 2 / duration per step
    signs = 2.0 * bursting - 1.0
    assert np.mean(signs[5:] * signs[:-5]) == pytest.approx((1 - 2 / 15) ** 5, abs=0.03)


def test_without_a_difference_there_are_no_bursts() -> None:
    left = refit(BurstingVAR(nodes=4, steps=20_000, burst=1.0).load(0).frame.to_numpy(), 3)[1]
    assert np.mean((left / left.std(axis=0)) ** 4) == pytest.approx(3.0, abs=0.15)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("burst", 0.5), ("burst", float("nan")), ("duration", 1.0), ("parents", 20.0), ("strength", (0.5, 0.2))],
)
def test_wrong_settings_are_named(setting: str, value: object) -> None:
    with refused(ConfigError, setting):
        BurstingVAR(**{setting: value})  # type: ignore[arg-type]
