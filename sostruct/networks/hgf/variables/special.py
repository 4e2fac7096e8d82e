"""Differences of log Gamma and digamma that keep their digits where the arguments are large.

A pseudo-count of a million makes log Gamma(r + k) - log Gamma(r) a small difference of numbers of ten million. From
`_LARGE` on the terms of Stirling's series are subtracted one by one instead; below, nothing large cancels.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import digamma, gammaln

Real: TypeAlias = Any

_LARGE = 16.0
"""Where Stirling's series to the terms below is exact to rounding."""

_STIRLING = (1.0 / 12.0, -1.0 / 360.0, 1.0 / 1260.0, -1.0 / 1680.0, 1.0 / 1188.0)
"""log Gamma(z) = (z - 1/2) log z - z + log(2 pi)/2 + sum_n c_n z^(1 - 2n)."""

_POINTS = 128


def log_rising(start: Real, steps: Real) -> Real:
    """log Gamma(start + steps) - log Gamma(start), of positive `start` and non-negative `steps`."""
    small = jnp.minimum(start, _LARGE)
    direct = gammaln(small + steps) - gammaln(small)
    low = jnp.maximum(start, _LARGE)
    high = low + steps
    rest = sum(c * (high ** (1 - 2 * n) - low ** (1 - 2 * n)) for n, c in enumerate(_STIRLING, 1))
    series = steps * jnp.log(low) - steps + (high - 0.5) * jnp.log1p(steps / low) + rest
    return jnp.where(start < _LARGE, direct, series)


def digamma_rise(start: Real, steps: Real) -> Real:
    """digamma(start + steps) - digamma(start), of positive `start` and non-negative `steps`."""
    small = jnp.minimum(start, _LARGE)
    direct = digamma(small + steps) - digamma(small)
    low = jnp.maximum(start, _LARGE)
    high = low + steps
    rest = sum(c * (1 - 2 * n) * (high ** (-2 * n) - low ** (-2 * n)) for n, c in enumerate(_STIRLING, 1))
    series = jnp.log1p(steps / low) + 0.5 * (1.0 / low - 1.0 / high) + rest
    return jnp.where(start < _LARGE, direct, series)


def expected_log_choices(mean: Real, shape: Real) -> Real:
    """E[log Gamma(k + r) - log Gamma(r) - log k!] of a negative binomial k of this mean and shape r.

    Malmsten's integral of log Gamma makes it one of the probability generating function G (Malmsten 1847):
    int_0^inf (1 - G(e^-t)) (e^-t - e^-rt) / ((1 - e^-t) t) dt, taken in log t, where the integrand is analytic and
    decays at both ends, so that the trapezoidal rule is exact to rounding.
    """
    low = -30.0 - jnp.log1p(mean + shape)
    high = jnp.log(40.0 / jnp.minimum(shape, 1.0))
    width = (high - low) / (_POINTS - 1)
    t = jnp.exp(low[..., None] + width[..., None] * jnp.asarray(np.arange(_POINTS), mean.dtype))
    r, m = shape[..., None], mean[..., None]
    fall = -jnp.expm1(-t)
    unlike = -jnp.expm1(-r * jnp.log1p(fall * m / r))
    return width * jnp.sum(unlike * (jnp.exp(-t) - jnp.exp(-r * t)) / fall, -1)
