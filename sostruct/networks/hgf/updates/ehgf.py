"""The eHGF update: mean first, then a precision that cannot fall (Weber et al. 2023, arXiv 2305.10937)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import jax.numpy as jnp

from sostruct.networks.hgf.couplings import Real
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
class Ehgf(AbstractUpdate):
    """Mean with the predicted precision, then the expansion of the volatility terms at that new mean.

    Per volatility child, with v = exp(log Omega) at the new mean m, Q = 1 / (v0 + v), G = v Q, W = (v - v0) Q and
    E = (1 / p_j + d_j^2) Q - 1, the precision grows by `max(0, .5 kap^2 G (G + W E))`. Nodes without a volatility
    child are updated as in `Standard`.

    References: Weber et al. (2023), arXiv 2305.10937; Legrand et al. (2024), arXiv 2410.09206.
    """

    name: ClassVar[str] = "ehgf"
    reads: ClassVar[frozenset[str]] = frozenset({"gain", "error", "prior", "spread", "log_step"})

    def posterior(
        self, previous: Real, prediction: Prediction, children: AbstractChildren, options: Options
    ) -> tuple[Real, Real]:
        """Posterior mean and precision."""
        sharp = 1.0 / prediction.variance
        added, error = children.value_terms(options.point(previous, prediction.mean), prediction.variance)
        volatile = children.volatile
        step = (error + children.sum(_error)) * jnp.where(volatile, prediction.variance, 1.0 / (sharp + added))
        mean = prediction.mean + step
        if not options.at_prediction:
            added = jnp.where(volatile, children.value_terms(mean, prediction.variance)[0], added)
        own, spread = children.each(step), children.each(prediction.variance)

        def term(strength: Real, child: VolatilityMessage) -> Real:
            shift = strength * own
            if options.relaxed:
                shift = shift - 0.5 * strength**2 * spread
            variance = jnp.exp(bounded(child.log_step + shift))
            total = 1.0 / (child.prior + variance)
            gain = variance * total
            excess = child.spread * total - 1.0
            slope = (variance - child.prior) * total
            return child.news * jnp.maximum(0.0, 0.5 * strength**2 * gain * (gain + slope * excess))

        return mean, sharp + added + children.sum(term)


def _error(strength: Real, child: VolatilityMessage) -> Real:
    return 0.5 * strength * child.gain * child.error
