"""The Poisson input: a count whose rate is the sum of its parents."""

from __future__ import annotations

from typing import ClassVar, final

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaincc, gammaln
from numpy.typing import NDArray

from sostruct.networks.hgf.couplings import Real
from sostruct.networks.hgf.kinds.base import Noise, Scored, register
from sostruct.networks.hgf.kinds.statistic import AbstractSingle, worth
from sostruct.networks.hgf.updates.base import Prediction
from sostruct.networks.hgf.variables.groups import Parts
from sostruct.networks.hgf.variables.special import expected_log_choices, log_rising

_LEAST = 1e-6


@final
class Poisson(AbstractSingle):
    """x in {0, 1, 2 ...} with t(x) = x.

    The conjugate prior of the rate is Gamma(nu xi, nu), with mean xi, so x is predicted by the negative binomial with
    shape r = nu xi and probability 1 / (1 + nu): log p(x) = log Gamma(x + r) - log Gamma(r) - log x! + r log(nu / (1 +
    nu)) - x log(1 + nu). xi is no distribution unless positive, and at least 1e-6 in the density.
    """

    name: ClassVar[str] = "poisson"

    def density(self, parts: Parts, prediction: Prediction, mean: Real, variance: Real, value: Real) -> Scored:
        """Negative binomial."""
        del parts
        nu, rate, count = worth(prediction, variance), jnp.maximum(mean, _LEAST), jnp.maximum(value, 0.0)
        shape = nu * rate
        none, each = shape * jnp.log1p(1.0 / nu), jnp.log1p(nu)
        log_density = log_rising(shape, count) - gammaln(count + 1.0) - none - count * each
        entropy = none + rate * each - expected_log_choices(rate, shape)
        return Scored(log_density, entropy, mean > 0.0)

    def drawn(self, parts: Parts, expected: Real, noise: Noise) -> Real:
        """A count with rate xi: the least k with P(x <= k) above a uniform draw, by bisection."""
        del parts
        rate = jnp.maximum(expected, _LEAST)
        most = jnp.ceil(rate + 12.0 * jnp.sqrt(rate) + 40.0)

        def halve(_: int, ends: tuple[Real, Real]) -> tuple[Real, Real]:
            low, high = ends
            middle = jnp.floor(0.5 * (low + high))
            above = gammaincc(middle + 1.0, rate) > noise.uniform
            return jnp.where(above, low, middle + 1.0), jnp.where(above, middle, high)

        found = jax.lax.fori_loop(0, 40, halve, (jnp.zeros_like(rate), most))[1]
        return jnp.where(expected > 0.0, found, jnp.nan)

    def refusal(self, values: NDArray[np.float64]) -> str | None:
        """Counts are whole and not negative."""
        bad = values[(values < 0.0) | (values != np.round(values))]
        return f"{bad[0]} is not a count, 0, 1, 2 ..." if bad.size else None


register(Poisson())
