"""The continuous node: a Gaussian random walk whose drift and step size its parents may set.

As a hidden state it carries a mean and a precision through time; as an input it is the sum of its value parents seen
through Gaussian noise (Mathys et al. 2014; Weber et al. 2023, arXiv 2305.10937).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, final

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from sostruct.networks.hgf.couplings import Real
from sostruct.networks.hgf.kinds.base import (
    AbstractInput,
    AbstractLatent,
    Clock,
    Drive,
    Noise,
    Observation,
    ValueMessage,
    gaussian_held,
    register,
    spread,
    zeros,
)
from sostruct.networks.hgf.updates.base import (
    MAXIMUM_PRECISION,
    AbstractChildren,
    Options,
    Prediction,
    bounded,
)
from sostruct.numerics import Numbers


@final
class Continuous(AbstractLatent, AbstractInput):
    """A real-valued state or input."""

    name: ClassVar[str] = "continuous"

    def initial(self, parameters: Mapping[str, Numbers]) -> dict[str, Numbers | float]:
        """The parameters "mean" and "precision"."""
        return {"mean": parameters["mean"], "precision": parameters["precision"]}

    def held(self, state: Mapping[str, Real], prediction: Prediction) -> dict[str, Real]:
        """The prediction."""
        del state
        return gaussian_held(prediction)

    def expect(self, parameters: Mapping[str, Real], state: Mapping[str, Real], value: Real, clock: Clock) -> Real:
        """See `drift`."""
        return drift(parameters, state["mean"], value, clock)

    def predict(
        self,
        parameters: Mapping[str, Real],
        state: Mapping[str, Real],
        mean: Real,
        drive: Drive,
        clock: Clock,
        options: Options,
    ) -> Prediction:
        """See `walk`."""
        return walk(parameters, mean, state["precision"], drive, clock, options)

    def predict_input(
        self, parameters: Mapping[str, Real], state: Mapping[str, Real], drive: Drive, clock: Clock, options: Options
    ) -> Prediction:
        """See `seen_through_noise`."""
        del state, clock, options
        return seen_through_noise(parameters, drive)

    def posterior(
        self, state: Mapping[str, Real], prediction: Prediction, children: AbstractChildren, options: Options
    ) -> dict[str, Real]:
        """The update's posterior, its precision capped."""
        mean, precision = options.update.posterior(state["mean"], prediction, children, options)
        return {"mean": mean, "precision": jnp.minimum(precision, MAXIMUM_PRECISION)}

    def observe(
        self,
        parameters: Mapping[str, Real],
        state: Mapping[str, Real],
        prediction: Prediction,
        value: Real,
        options: Options,
    ) -> dict[str, Real]:
        """m = u; the precision stays that of the input."""
        del state, prediction, options
        return {"mean": value, "precision": parameters["precision"]}

    def input_message(self, prediction: Prediction, value: Real) -> ValueMessage:
        """q = r = ph."""
        return gaussian_message(prediction, value)

    def observation(self, prediction: Prediction, mean: Real, variance: Real, value: Real) -> Observation:
        """Gaussian with the noise variance added."""
        return gaussian_observation(prediction, mean, variance, value)

    def refusal(self, values: NDArray[np.float64]) -> str | None:
        """Any finite number can be observed."""
        return finite_refusal(values)

    def generate(
        self,
        parameters: Mapping[str, Real],
        values: Mapping[str, Real],
        drive: Drive,
        clock: Clock,
        noise: Noise,
        observed: bool,
    ) -> dict[str, Real]:
        """See `wandered`, and of an input `emitted`."""
        if observed:
            return {"mean": emitted(parameters, drive, noise.normal)}
        return {"mean": wandered(parameters, values["mean"], drive, clock, noise.normal)}


def drift(parameters: Mapping[str, Real], mean: Real, value: Real, clock: Clock, prefix: str = "") -> Real:
    """Mean of a Gaussian random walk: mh = lam m + dt (rho + sum_b w g(mh_b)), lam^dt where steps are irregular."""
    autoconnection = _decay(parameters, clock, prefix)
    return autoconnection * mean + clock.dt * (parameters[prefix + "tonic_drift"] + value)


def walk(
    parameters: Mapping[str, Real],
    mean: Real,
    precision: Real,
    drive: Drive,
    clock: Clock,
    options: Options,
    prefix: str = "",
) -> Prediction:
    """One step of a Gaussian random walk with autoconnection lam and tonic volatility om.

    Omega = dt exp(om + volatility), 1/pc = v0 + Omega, 1/ph = 1/pc + R sum_b (dt w g'(mh_b))^2 / ph_b.

    Args:
        mean: mh, see `drift`.
        precision: p of the step before.
    """
    autoconnection = _decay(parameters, clock, prefix)
    prior = 1.0 / precision
    if options.exact:
        prior = autoconnection**2 * prior
    log_step = parameters[prefix + "tonic_volatility"] + drive.volatility
    if not clock.regular:
        log_step = log_step + jnp.log(clock.dt)
    log_step = bounded(log_step)
    step = jnp.exp(log_step)
    conditional = prior + step
    variance = conditional
    if options.relaxed:
        variance = conditional + clock.dt**2 * drive.value_variance
    return Prediction(
        mean=mean,
        variance=variance,
        conditional=conditional,
        prior=prior,
        log_step=log_step,
        gain=step * (1.0 / variance),
        volatility_parents=jnp.maximum(1.0, drive.volatility_parents),
        decay=autoconnection,
        inner={},
    )


def _decay(parameters: Mapping[str, Real], clock: Clock, prefix: str) -> Real:
    autoconnection = parameters[prefix + "autoconnection"]
    return autoconnection if clock.regular else autoconnection**clock.dt


def seen_through_noise(parameters: Mapping[str, Real], drive: Drive) -> Prediction:
    """An input: mh = sum_b w g(mh_b), noise variance 1/p, with volatility parents + exp(sum_c kap mh_c)."""
    fixed = 1.0 / parameters["precision"]
    log_step = bounded(drive.volatility)
    step = jnp.where(drive.volatility_parents > 0.0, jnp.exp(log_step), 0.0)
    variance = fixed + step
    return Prediction(
        mean=drive.value,
        variance=variance,
        conditional=variance,
        prior=fixed,
        log_step=log_step,
        gain=step * (1.0 / variance),
        volatility_parents=jnp.maximum(1.0, drive.volatility_parents),
        decay=zeros(step),
        inner={},
    )


def wandered(
    parameters: Mapping[str, Real], before: Real, drive: Drive, clock: Clock, noise: Real, prefix: str = ""
) -> Real:
    """x = lam x' + dt (rho + sum_b w g(x_b)) + N(0, dt exp(om + sum_c kap x_c)), lam^dt where steps are irregular."""
    log_step = parameters[prefix + "tonic_volatility"] + drive.volatility
    if not clock.regular:
        log_step = log_step + jnp.log(clock.dt)
    return drift(parameters, before, drive.value, clock, prefix) + spread(log_step) * noise


def emitted(parameters: Mapping[str, Real], drive: Drive, noise: Real) -> Real:
    """u = sum_b w g(x_b) + N(0, 1/p), with volatility parents + N(0, exp(sum_c kap x_c))."""
    volatile = jnp.where(drive.volatility_parents > 0.0, spread(drive.volatility), 0.0)
    return drive.value + jnp.sqrt(1.0 / parameters["precision"] + volatile**2) * noise


def gaussian_message(prediction: Prediction, value: Real) -> ValueMessage:
    """q = r = ph, d = u - mh."""
    sharp = 1.0 / prediction.variance
    error = sharp * (value - prediction.mean)
    return ValueMessage(sharp, error, error)


def gaussian_observation(prediction: Prediction, mean: Real, variance: Real, value: Real) -> Observation:
    """log N(value; mean, variance + noise variance) and its derivatives."""
    total = variance + prediction.variance
    error = value - mean
    entropy = 0.5 * jnp.log(2.0 * math.pi * math.e * total)
    pull = error / total
    return Observation(0.5 - entropy - 0.5 * error * pull, pull, 1.0 / total, entropy)


def finite_refusal(values: NDArray[np.float64]) -> str | None:
    """Infinite values are refused."""
    bad = values[~np.isfinite(values)]
    return f"{bad[0]} is not a finite number" if bad.size else None


register(Continuous())
