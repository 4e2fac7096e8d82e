"""The standard update: precision first, then the mean with it (Mathys et al. 2014; Weber et al. 2023)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from sostruct.networks.hgf.couplings import Real
from sostruct.networks.hgf.updates.base import (
    AbstractChildren,
    AbstractUpdate,
    Options,
    Prediction,
    VolatilityMessage,
)


@final
@dataclass(frozen=True, slots=True)
class Standard(AbstractUpdate):
    """Quadratic expansion of the error surface at the prediction.

    With g the gain of a child and D its volatility error, each volatility child adds to the precision
    `.5 (kap g)^2 + (kap g)^2 D - .5 kap^2 g D` and to the mean `kap g D / (2 p)`. The precision can turn negative
    where data are much quieter than predicted; eHGF and unbounded cannot.

    References: Mathys et al. (2014), Frontiers in Human Neuroscience 8:825; Weber et al. (2023), arXiv 2305.10937.
    """

    name: ClassVar[str] = "standard"
    reads: ClassVar[frozenset[str]] = frozenset({"gain", "error"})

    def posterior(
        self, previous: Real, prediction: Prediction, children: AbstractChildren, options: Options
    ) -> tuple[Real, Real]:
        """Posterior mean and precision."""
        added, error = children.value_terms(options.point(previous, prediction.mean), prediction.variance)
        precision = 1.0 / prediction.variance + added + children.sum(_precision)
        return prediction.mean + (error + children.sum(_error)) / precision, precision


def _precision(strength: Real, child: VolatilityMessage) -> Real:
    return 0.5 * (strength * child.gain) ** 2 * (1.0 + 2.0 * child.error) - 0.5 * strength**2 * child.gain * child.error


def _error(strength: Real, child: VolatilityMessage) -> Real:
    return 0.5 * strength * child.gain * child.error
