"""Student-t fits: against scipy's density, recovery of what was drawn, and steps that never go down."""

import numpy as np
import pytest
from scipy.stats import t as student_t

from sostruct.discovery.tails import gaussian_density, scale_step, student_density, tails


def drawn(freedom: float, rows: int = 4000, seed: int = 0) -> np.ndarray:
    return 2.0 * np.random.default_rng(seed).standard_t(freedom, (rows, 3))


@pytest.mark.parametrize("freedom", [3.0, 5.0, 10.0])
def test_recovers_tails_and_scale(freedom: float) -> None:
    found = tails(drawn(freedom))
    np.testing.assert_allclose(1 / found.freedom, 1 / freedom, atol=0.04)
    np.testing.assert_allclose(found.scale, 2.0, rtol=0.06)
    for own, values in zip(found.freedom, drawn(freedom).T, strict=True):
        np.testing.assert_allclose(1 / own, 1 / student_t.fit(values, floc=0)[0], atol=0.006)
    np.testing.assert_allclose(found.share, (found.freedom + 1) / (found.freedom + 3))


def test_density_is_that_of_scipy() -> None:
    values = drawn(4.0, 20)
    ours = student_density(values**2, np.array([3.0, 4.0, 9.0]), np.array([1.0, 2.0, 3.0]) ** 2)
    theirs = student_t.logpdf(values, [3.0, 4.0, 9.0], scale=[1.0, 2.0, 3.0])
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_no_step_lowers_the_likelihood() -> None:
    square = drawn(3.0, 200) ** 2
    freedom, variance = np.array([2.5, 4.0, 20.0]), np.array([100.0, 0.01, 1.0])
    before = student_density(square, freedom, variance).sum(axis=0)
    for _ in range(20):
        variance = scale_step(square, freedom, variance)
        after = student_density(square, freedom, variance).sum(axis=0)
        assert (after >= before - 1e-9).all()
        before = after


def test_evidence_tells_heavy_tails_from_none() -> None:
    heavy, light = drawn(4.0, 500), np.random.default_rng(1).normal(size=(500, 30))
    assert (tails(heavy).evidence - gaussian_density(heavy) > 10).all()
    assert (tails(light).evidence - gaussian_density(light) < 3).all()


def test_known_volatility_is_taken_out() -> None:
    volatility = np.repeat([0.0, 3.0], 1000)[:, None] * np.ones(3)
    values = drawn(5.0, 2000) * np.exp(volatility / 2)
    found = tails(values, volatility)
    np.testing.assert_allclose(found.freedom, 5.0, rtol=0.35)
    np.testing.assert_allclose(found.scale, 2.0, rtol=0.06)
    weights = found.weights(values, volatility)
    np.testing.assert_allclose((weights * values**2).mean(axis=0), found.scale**2, rtol=0.06)
    shift = gaussian_density(values, volatility) - gaussian_density(values)
    assert (shift > 200).all()
