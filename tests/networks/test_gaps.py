"""Missing values of a process, against conditioning one large Gaussian."""

import jax
import numpy as np
import pytest

from sostruct.networks.lagged.gaps import Process, eliminated, resolved
from sostruct.numerics import double_precision


def joint(process: Process, predicted: np.ndarray, lags: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of all values, row by row from the equation of the process."""
    variables = len(process.noise)
    weights = np.zeros((variables, variables * (lags + 1)))
    weights[:, : process.weights.shape[1]] = process.weights
    through = np.linalg.inv(np.eye(variables) - weights[:, variables * lags :])
    size = len(predicted) * variables
    mean, factor = np.zeros(size), np.zeros((size, size))
    for row, explained in enumerate(predicted):
        here = slice(row * variables, (row + 1) * variables)
        if not explained:
            factor[here, here] = np.eye(variables)
            continue
        mean[here] = process.shift
        factor[here, here] = np.diag(process.noise)
        for lag in range(1, lags + 1):
            before = slice((row - lag) * variables, (row - lag + 1) * variables)
            part = weights[:, (lag - 1) * variables : lag * variables]
            mean[here] += part @ mean[before]
            factor[here] += part @ factor[before]
        mean[here], factor[here] = through @ mean[here], through @ factor[here]
    return mean, factor @ factor.T


def conditional(process, seen, observed, predicted, lags):
    mean, covariance = joint(process, predicted, lags)
    known = observed.ravel()
    gain = covariance[:, known] @ np.linalg.inv(covariance[np.ix_(known, known)])
    return mean + gain @ (seen.ravel() - mean)[known], covariance - gain @ covariance[known]


@pytest.mark.parametrize(("lags", "instant"), [(1, False), (2, False), (2, True)])
def test_mean_and_covariance_of_draws_are_those_of_conditioning(lags, instant):
    generator = np.random.default_rng(lags)
    rows, variables = 10, 2
    observed = generator.random((rows, variables)) < 0.6
    observed[4] = False  # a whole row
    seen = np.where(observed, generator.normal(size=(rows, variables)), 0.0)
    predicted = np.arange(rows) >= lags
    predicted[6 : 6 + lags] = False  # a second realization
    weights = generator.uniform(-0.5, 0.5, (variables, variables * (lags + instant)))
    if instant:
        weights[:, -2:] = [[0.0, 0.0], [0.8, 0.0]]
    process = Process(weights, np.array([0.9, 0.4]), np.array([0.2, -0.1]))

    @jax.jit
    @jax.vmap
    def drawn(noise):
        return resolved(eliminated(seen, observed, predicted, process, noise.reshape(seen.shape), lags)).ravel()

    with double_precision():
        mean, *moved = np.asarray(drawn(np.eye(seen.size + 1, seen.size, -1)))
    response = (np.array(moved) - mean).T  # a draw is linear in its noise
    expected, covariance = conditional(process, seen, observed, predicted, lags)
    np.testing.assert_allclose(mean, expected, atol=1e-12)
    np.testing.assert_allclose(response @ response.T, covariance, atol=1e-12)
    np.testing.assert_array_equal(mean[observed.ravel()], seen[observed])


def test_without_gaps_a_draw_is_the_series():
    generator = np.random.default_rng(0)
    values, noise = generator.normal(size=(2, 12, 3))
    process = Process(generator.uniform(-0.3, 0.3, (3, 6)), np.ones(3), np.zeros(3))
    with double_precision():
        found = resolved(eliminated(values, np.ones(values.shape, bool), np.arange(12) >= 2, process, noise, 2))
    np.testing.assert_array_equal(found, values)
