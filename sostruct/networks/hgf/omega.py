"""The Wright omega function on the real line: the w > 0 with w + log w = z, that is Lambert's W0(exp(z)).

Written in z, where W0(exp(z)) itself would overflow. Two steps of the quartic iteration of Fritsch, Shafer and Crowley
(1973), Communications of the ACM 16:123, reach rounding from the asymptotic start below.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from sostruct.networks.hgf.couplings import Real


@partial(jax.custom_jvp)
def wright_omega(z: Real) -> Real:
    """omega(z), elementwise: omega + log(omega) = z. Its derivative is omega / (1 + omega)."""
    small = jnp.exp(jnp.minimum(z, 0.0))
    low = small / (1.0 + small * (1.0 - 0.5 * small))
    middle = jnp.exp((jnp.clip(z, -1.0, 3.0) - 1.0) * 0.6)
    large = jnp.maximum(z, 2.0)
    high = large - jnp.log(large) * (1.0 - 1.0 / large)
    omega = jnp.where(z < -1.0, low, jnp.where(z < 3.0, middle, high))
    omega = jnp.maximum(omega, np.finfo(omega.dtype).tiny)
    for _ in range(2):
        residual = z - omega - jnp.log(omega)
        first = 1.0 + omega
        second = 2.0 * first * (first + 2.0 / 3.0 * residual)
        omega = omega * (1.0 + residual / first * (second - residual) / (second - 2.0 * residual))
    return jnp.where(z < -40.0, small, omega)  # to rounding; further down, the logarithm of an underflow


@wright_omega.defjvp
def _derivative(primals: tuple[Real], tangents: tuple[Real]) -> tuple[Real, Real]:
    omega = wright_omega(primals[0])
    return omega, omega / (1.0 + omega) * tangents[0]
