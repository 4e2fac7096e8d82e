"""The binary input: an outcome 0 or 1 whose log odds are the sum of its value parents (Mathys et al. 2011)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

import jax
import numpy as np
from numpy.typing import NDArray

from sostruct.networks.hgf.couplings import Real
from sostruct.networks.hgf.kinds.base import Clock, Drive, Noise, Observation, register
from sostruct.networks.hgf.kinds.outcome import AbstractOutcome, bernoulli
from sostruct.networks.hgf.updates.base import Prediction


@final
class Binary(AbstractOutcome):
    """An observed 0 or 1.

    Its predictive probability integrates the sigmoid over the parents' Gaussian by 32-point Gauss-Hermite quadrature;
    the literature's plug-in -log mh leaves their uncertainty out.
    """

    name: ClassVar[str] = "binary"

    def observation(self, prediction: Prediction, mean: Real, variance: Real, value: Real) -> Observation:
        """See `bernoulli`."""
        del prediction
        return bernoulli(mean, variance, value)

    def refusal(self, values: NDArray[np.float64]) -> str | None:
        """Outcomes are 0 or 1."""
        bad = values[(values != 0.0) & (values != 1.0)]
        return f"{bad[0]} is not 0 or 1" if bad.size else None

    def generate(
        self,
        parameters: Mapping[str, Real],
        values: Mapping[str, Real],
        drive: Drive,
        clock: Clock,
        noise: Noise,
        observed: bool,
    ) -> dict[str, Real]:
        """1 with probability sigmoid(sum_b w g(x_b))."""
        del parameters, values, clock, observed
        return {"mean": (noise.uniform < jax.nn.sigmoid(drive.value)).astype(drive.value.dtype)}


register(Binary())
