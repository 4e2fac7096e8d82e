"""The unbounded update: two Gaussian expansions, at the prediction and at the far mode, blended by their evidence.

The error surface of a volatility parent has up to two modes: one near the prediction, one where the child's whole
spread is explained by volatility. Expanding at only one of them loses large steps (the standard update) or shrinks them
(eHGF). Here both are expanded and moment-matched. Several children are folded: value children first (Gaussian, hence
exact), then each volatility child in turn with the running belief as its prior.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np

from sostruct.networks.hgf.couplings import Real
from sostruct.networks.hgf.omega import wright_omega
from sostruct.networks.hgf.updates.base import (
    AbstractChildren,
    AbstractUpdate,
    Options,
    Prediction,
    VolatilityMessage,
    bounded,
)


@final
@dataclass(frozen=True, slots=True)
class Unbounded(AbstractUpdate):
    """Expansion at the prediction and at the far mode, blended.

    With al = v0_j, be = 1 / p_j + d_j^2, log Omega s(z) = log dt + kap z + om_j and the belief (mu, pi) so far, the
    objective is `I(z) = -.5 log(al + e^s) - .5 be / (al + e^s) - .5 pi (z - mu)^2`; its expansions (m1, p1) at mu and
    (m2, p2) at the far mode are mixed with weight `beta = sigmoid(I(m2) - I(m1))`. With several children the
    expansion at mu takes the child's variance at mu, not at the prediction; with one child alone that is the same.

    Reference: Weber et al. (2023), arXiv 2305.10937; the fold over several children is this library's.
    """

    name: ClassVar[str] = "unbounded"
    reads: ClassVar[frozenset[str]] = frozenset({"prior", "spread", "log_step", "precision"})

    def posterior(
        self, previous: Real, prediction: Prediction, children: AbstractChildren, options: Options
    ) -> tuple[Real, Real]:
        """Posterior mean and precision."""
        added, error = children.value_terms(options.point(previous, prediction.mean), prediction.variance)
        precision = 1.0 / prediction.variance + added
        start = _Belief(prediction.mean + error / precision, precision, prediction.mean, prediction.variance)

        def absorb(belief: _Belief, strength: Real, child: VolatilityMessage) -> _Belief:
            own = strength * belief.predicted
            if options.relaxed:
                own = own + 0.5 * strength**2 * belief.variance
            counts = (strength != 0.0) & (child.news > 0.0)
            strength = jnp.where(counts, strength, 1.0)
            mean, precision = _two_expansions(belief, strength, child, child.log_step - own)
            return belief._replace(
                mean=jnp.where(counts, mean, belief.mean), precision=jnp.where(counts, precision, belief.precision)
            )

        belief = children.fold(absorb, start)
        return belief.mean, belief.precision


class _Belief(NamedTuple):
    """The running belief (mu, pi) of a node, and its prediction mh with variance 1 / ph."""

    mean: Real
    precision: Real
    predicted: Real
    variance: Real


def _two_expansions(belief: _Belief, strength: Real, child: VolatilityMessage, tonic: Real) -> tuple[Real, Real]:
    mu, pi = belief.mean, belief.precision
    prior, spread = child.prior, child.spread
    log_prior = jnp.log(prior)

    def log_step(z: Real) -> Real:
        return bounded(strength * z + tonic)

    def objective(z: Real) -> Real:
        total = prior + jnp.exp(log_step(z))
        return -0.5 * jnp.log(total) - 0.5 * spread / total - 0.5 * pi * (z - mu) ** 2

    near_weight = jax.nn.sigmoid(log_step(mu) - log_prior)
    near_precision = pi + 0.5 * strength**2 * near_weight * (1.0 - near_weight)
    moved = jnp.exp(bounded(child.log_step)) * jnp.expm1(bounded(strength * (mu - belief.predicted)))
    near = mu + strength * near_weight * (spread / (1.0 / child.precision + moved) - 1.0) / (2.0 * near_precision)

    stiffness = pi / strength**2
    half = 0.5 / stiffness
    some = jnp.maximum(spread, float(np.finfo(spread.dtype).tiny))  # an input may equal its prediction
    reach = log_step(mu) + wright_omega(jnp.log(some) + jnp.log(half) + half - log_step(mu)) - half
    far_point = (reach - tonic) / strength
    far_weight = jax.nn.sigmoid(log_step(far_point) - log_prior)
    far_excess = spread / (prior + jnp.exp(log_step(far_point))) - 1.0
    full = pi + 0.5 * strength**2 * far_weight * (far_weight + (2.0 * far_weight - 1.0) * far_excess)
    safe = pi + 0.5 * strength**2 * far_weight * (1.0 - far_weight)
    far_precision = jnp.where(full > 0.0, full, safe)
    far = far_point + (0.5 * strength * far_weight * far_excess - pi * (far_point - mu)) / far_precision

    usable = jnp.isfinite(far) & jnp.isfinite(far_precision)
    far, far_precision = jnp.where(usable, far, near), jnp.where(usable, far_precision, near_precision)
    blend = jnp.where(usable, jax.nn.sigmoid(objective(far) - objective(near)), 0.0)
    variance = (1.0 - blend) / near_precision + blend / far_precision + blend * (1.0 - blend) * (near - far) ** 2
    return (1.0 - blend) * near + blend * far, 1.0 / variance
