"""The Bernoulli input: an outcome 0 or 1 whose probability itself, not its log odds, is the sum of its parents."""

from __future__ import annotations

from typing import ClassVar, final

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from sostruct.networks.hgf.couplings import Real
from sostruct.networks.hgf.kinds.base import Noise, Scored, register
from sostruct.networks.hgf.kinds.statistic import AbstractSingle
from sostruct.networks.hgf.updates.base import Prediction
from sostruct.networks.hgf.variables.groups import Parts

_CLIP = 1e-6


@final
class Bernoulli(AbstractSingle):
    """x in {0, 1} with t(x) = x; the conjugate prior is Beta(nu xi, nu (1 - xi)) and the predictive probability xi.

    xi is clipped to [1e-6, 1 - 1e-6] in the probability, and no distribution outside [0, 1].
    """

    name: ClassVar[str] = "bernoulli"

    def density(self, parts: Parts, prediction: Prediction, mean: Real, variance: Real, value: Real) -> Scored:
        """x log xi + (1 - x) log(1 - xi)."""
        del parts, prediction, variance
        chance = jnp.clip(mean, _CLIP, 1.0 - _CLIP)
        one, other = jnp.log(chance), jnp.log1p(-chance)
        log_density = jnp.where(value > 0.5, one, other)
        return Scored(log_density, -chance * one - (1.0 - chance) * other, (mean >= 0.0) & (mean <= 1.0))

    def drawn(self, parts: Parts, expected: Real, noise: Noise) -> Real:
        """1 with probability xi."""
        del parts
        sound = (expected >= 0.0) & (expected <= 1.0)
        return jnp.where(sound, (noise.uniform < expected).astype(expected.dtype), jnp.nan)

    def refusal(self, values: NDArray[np.float64]) -> str | None:
        """Outcomes are 0 or 1."""
        bad = values[(values != 0.0) & (values != 1.0)]
        return f"{bad[0]} is not 0 or 1" if bad.size else None


register(Bernoulli())
