"""The exponential input: a duration whose mean is the sum of its parents."""

from __future__ import annotations

from typing import ClassVar, final

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from sostruct.networks.hgf.couplings import Real
from sostruct.networks.hgf.kinds.base import Noise, Scored, register
from sostruct.networks.hgf.kinds.statistic import AbstractSingle, worth
from sostruct.networks.hgf.updates.base import Prediction
from sostruct.networks.hgf.variables.groups import Parts

_LEAST = 1e-6


@final
class Exponential(AbstractSingle):
    """x >= 0 with t(x) = x.

    The conjugate prior of the rate is Gamma(nu + 1, nu xi), so x is predicted by the Lomax distribution with shape
    a = nu + 1 and scale b = nu xi, whose mean is xi: log p(x) = log a - log b - (a + 1) log(1 + x / b). xi is no
    distribution unless positive, and at least 1e-6 in the density.
    """

    name: ClassVar[str] = "exponential"

    def density(self, parts: Parts, prediction: Prediction, mean: Real, variance: Real, value: Real) -> Scored:
        """Lomax."""
        del parts
        nu = worth(prediction, variance)
        shape, scale = nu + 1.0, nu * jnp.maximum(mean, _LEAST)
        ratio = jnp.log(scale) - jnp.log(shape)
        log_density = -ratio - (shape + 1.0) * jnp.log1p(jnp.maximum(value, 0.0) / scale)
        return Scored(log_density, ratio + 1.0 + 1.0 / shape, mean > 0.0)

    def drawn(self, parts: Parts, expected: Real, noise: Noise) -> Real:
        """A duration with mean xi."""
        del parts
        return jnp.where(expected > 0.0, -expected * jnp.log1p(-noise.uniform), jnp.nan)

    def refusal(self, values: NDArray[np.float64]) -> str | None:
        """Durations are finite and not negative."""
        bad = values[~np.isfinite(values) | (values < 0.0)]
        return f"{bad[0]} is not a duration, at least 0" if bad.size else None


register(Exponential())
