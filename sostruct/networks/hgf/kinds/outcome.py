"""Outcomes that are there or not: what binary inputs and the labels of categorical variables have in common.

References:
    C. Mathys et al., "A Bayesian foundation for individual learning under uncertainty", Frontiers in Human Neuroscience
    5:39, 2011.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from sostruct.networks.hgf.couplings import Real
from sostruct.networks.hgf.kinds.base import (
    AbstractInput,
    Clock,
    Drive,
    Observation,
    ValueMessage,
    gaussian_held,
    zeros,
)
from sostruct.networks.hgf.updates.base import Options, Prediction
from sostruct.numerics import Numbers

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(32)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
_CLIP = 1e-6


class AbstractOutcome(AbstractInput):
    """An observed 0 or 1 whose log odds are the sum of its value parents.

    mh = sigmoid(sum_b w g(mh_b)), clipped to [1e-6, 1 - 1e-6], with variance s = mh (1 - mh). As a child it tells its
    value parents q = s and r d = u - mh.
    """

    gaussian: ClassVar[bool] = False
    noisy: ClassVar[bool] = False

    def initial(self, parameters: Mapping[str, Numbers]) -> dict[str, Numbers | float]:
        """An even chance."""
        del parameters
        return {"mean": 0.5, "precision": 0.25}

    def held(self, state: Mapping[str, Real], prediction: Prediction) -> dict[str, Real]:
        """The prediction."""
        del state
        return gaussian_held(prediction)

    def predict_input(
        self, parameters: Mapping[str, Real], state: Mapping[str, Real], drive: Drive, clock: Clock, options: Options
    ) -> Prediction:
        """See `chance_of`."""
        del parameters, state, clock, options
        return chance_of(drive.value)

    def observe(
        self,
        parameters: Mapping[str, Real],
        state: Mapping[str, Real],
        prediction: Prediction,
        value: Real,
        options: Options,
    ) -> dict[str, Real]:
        """m = u; the precision reported is s."""
        del parameters, state, options
        return {"mean": value, "precision": 1.0 / prediction.variance}

    def input_message(self, prediction: Prediction, value: Real) -> ValueMessage:
        """q = s, r d = u - mh, without a curvature term: the precision it adds is never negative."""
        error = value - prediction.mean
        return ValueMessage(1.0 / prediction.variance, error, zeros(error))


def chance_of(log_odds: Real) -> Prediction:
    """The chance of a 1; `variance` is 1 / s, so that the "precision" reported is s, as in the literature."""
    chance = jnp.clip(jax.nn.sigmoid(log_odds), _CLIP, 1.0 - _CLIP)
    variance = 1.0 / (chance * (1.0 - chance))
    none = zeros(chance)
    return Prediction(chance, variance, variance, variance, none, none, none + 1.0, none, {})


def bernoulli(mean: Real, variance: Real, value: Real) -> Observation:
    """Bernoulli with P(1) = E[sigmoid(eta)]; the pull and shrink of the moment-matched Gaussian of eta."""
    safe = jnp.maximum(variance, np.finfo(variance.dtype).eps)
    weights, deviation = _quadrature(safe)
    log_odds = jnp.where(value > 0.5, 1.0, -1.0)[..., None] * (mean[..., None] + deviation)
    likelihood = weights * jax.nn.sigmoid(log_odds)
    chance = jnp.sum(likelihood, -1)
    shift = jnp.sum(likelihood * deviation, -1) / chance
    tilted = jnp.sum(likelihood * deviation**2, -1) / chance - shift**2
    other = 1.0 - chance
    entropy = -chance * jnp.log(chance) - other * jnp.log(jnp.maximum(other, np.finfo(other.dtype).tiny))
    return Observation(jnp.log(chance), shift / safe, (safe - tilted) / safe**2, entropy)


def expected_chance(mean: Real, variance: Real) -> Real:
    """E[sigmoid(eta)] for a Gaussian eta."""
    weights, deviation = _quadrature(jnp.maximum(variance, np.finfo(variance.dtype).eps))
    return jnp.sum(weights * jax.nn.sigmoid(mean[..., None] + deviation), -1)


def _quadrature(variance: Real) -> tuple[Real, Real]:
    """Weights and deviations [..., node] of a Gaussian."""
    nodes, weights = jnp.asarray(_NODES, variance.dtype), jnp.asarray(_WEIGHTS, variance.dtype)
    return weights, jnp.sqrt(variance)[..., None] * nodes
