"""Negentropy and dependence, against what is known of distributions and of chi-squared tests."""

import numpy as np
import pytest
from scipy import stats

from sostruct.discovery.shapes import dependence, negentropy


def standard(columns):
    return (columns - columns.mean(axis=0)) / columns.std(axis=0)


def test_negentropy_is_0_for_gaussian_and_positive_for_others():
    generator = np.random.default_rng(0)
    assert negentropy(standard(generator.normal(size=(100_000, 1))))[0] == pytest.approx(0.0, abs=1e-4)
    assert negentropy(standard(generator.laplace(size=(100_000, 1))))[0] > 0.03
    assert negentropy(standard(generator.uniform(size=(100_000, 1))))[0] > 0.02


def remainder(regressor, target):
    left = target - (regressor @ target) / (regressor @ regressor) * regressor
    return standard(left)


def test_dependence_of_independent_residuals_is_that_of_a_test():
    """The largest of three: each is over x with the chance of a chi-squared variable with one degree over 2 x."""
    generator = np.random.default_rng(1)
    found = []
    for _ in range(2000):
        cause, noise = standard(generator.laplace(size=(1000, 2))).T
        found.append(dependence(cause, remainder(cause, 0.7 * cause + noise)))
    each = stats.chi2(1).sf(2 * 3.0)
    assert each < np.mean(np.array(found) > 3.0) < 3 * each + 3 * np.sqrt(3 * each / 2000)


@pytest.mark.parametrize("shape", ["laplace", "exponential"])
def test_what_a_wrong_regression_leaves_is_dependent(shape):
    generator = np.random.default_rng(2)
    cause, noise = standard(getattr(generator, shape)(size=(20_000, 2))).T
    effect = standard(0.8 * cause + noise)
    assert dependence(cause, remainder(cause, effect)) < 6
    assert dependence(effect, remainder(effect, cause)) > 20


def test_behind_a_hidden_common_cause_neither_regression_is_right():
    generator = np.random.default_rng(2)
    one, two, hidden = standard(generator.exponential(size=(5_000, 3))).T
    one, two = standard(0.9 * hidden + one), standard(0.9 * hidden + two)
    assert min(dependence(one, remainder(one, two)), dependence(two, remainder(two, one))) > 6


def test_noise_that_is_loud_at_the_same_times_is_no_dependence():
    generator = np.random.default_rng(3)
    scale = np.exp(generator.normal(size=3000))
    one, two = standard(generator.normal(size=(3000, 2)) * scale[:, None]).T
    assert dependence(one, remainder(one, two)) < 8
