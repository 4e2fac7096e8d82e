"""The volatile node: a continuous node with its own volatility level inside, coupled with strength 1.

It is exactly a continuous node plus a private continuous volatility parent, in one node, so that a layer of them keeps
one graph node per unit (Legrand et al. 2024, arXiv 2410.09206). The level inside has the parameters of a continuous
node under the prefix "volatility_".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeVar, final

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool
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
    zeros,
)
from sostruct.networks.hgf.kinds.continuous import (
    drift,
    emitted,
    finite_refusal,
    gaussian_message,
    gaussian_observation,
    seen_through_noise,
    walk,
    wandered,
)
from sostruct.networks.hgf.updates.base import (
    MAXIMUM_PRECISION,
    AbstractChildren,
    Options,
    Prediction,
    VolatilityMessage,
    volatility_message,
)
from sostruct.numerics import Numbers

_T = TypeVar("_T")
_INNER = "volatility_"


@final
class Volatile(AbstractLatent, AbstractInput):
    """A real-valued state or input whose step size (as an input: noise) has a belief of its own."""

    name: ClassVar[str] = "volatile"
    state: ClassVar[tuple[str, ...]] = (_INNER + "mean", _INNER + "precision")

    def initial(self, parameters: Mapping[str, Numbers]) -> dict[str, Numbers | float]:
        """The parameters of both levels."""
        return {name: parameters[name] for name in ("mean", "precision", *self.state)}

    def held(self, state: Mapping[str, Real], prediction: Prediction) -> dict[str, Real]:
        """The predictions of both levels."""
        del state
        return gaussian_held(prediction) | {
            _INNER + key: value for key, value in gaussian_held(_own(prediction)).items()
        }

    def expect(self, parameters: Mapping[str, Real], state: Mapping[str, Real], value: Real, clock: Clock) -> Real:
        """The mean of the value level."""
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
        """A random walk with the level inside as one more volatility parent."""
        inside, drive = _with_level(parameters, state, drive, clock, options)
        return walk(parameters, mean, state["precision"], drive, clock, options)._replace(inner=inside)

    def predict_input(
        self, parameters: Mapping[str, Real], state: Mapping[str, Real], drive: Drive, clock: Clock, options: Options
    ) -> Prediction:
        """The parents' sum seen through noise that the level inside sets."""
        inside, drive = _with_level(parameters, state, drive, clock, options)
        return seen_through_noise(parameters, drive)._replace(inner=inside)

    def posterior(
        self, state: Mapping[str, Real], prediction: Prediction, children: AbstractChildren, options: Options
    ) -> dict[str, Real]:
        """The value level from the children, then the level inside from the value level."""
        mean, precision = options.update.posterior(state["mean"], prediction, children, options)
        precision = jnp.minimum(precision, MAXIMUM_PRECISION)
        return _with_inside(state, prediction, mean, precision, 1.0 / precision, options)

    def observe(
        self,
        parameters: Mapping[str, Real],
        state: Mapping[str, Real],
        prediction: Prediction,
        value: Real,
        options: Options,
    ) -> dict[str, Real]:
        """m = u, then the level inside from the misfit."""
        precision = parameters["precision"]
        return _with_inside(state, prediction, value, precision, options.observed_variance(precision), options)

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
        """The level inside takes its step first, and is one more volatility parent in that of the value."""
        none = zeros(drive.value)
        inside = wandered(
            parameters, values[_INNER + "mean"], Drive(none, none, none, none), clock, noise.inner, _INNER
        )
        drive = drive._replace(volatility=drive.volatility + inside, volatility_parents=drive.volatility_parents + 1.0)
        if observed:
            value = emitted(parameters, drive, noise.normal)
        else:
            value = wandered(parameters, values["mean"], drive, clock, noise.normal)
        return {"mean": value, _INNER + "mean": inside}


@final
@dataclass(frozen=True, slots=True)
class _ValueLevel(AbstractChildren):
    """The one child of the level inside."""

    message: VolatilityMessage

    @property
    def volatile(self) -> Bool[Array, ...]:
        return jnp.asarray(True)

    def value_terms(self, point: Real, variance: Real) -> tuple[Real, Real]:
        del variance
        return zeros(point), zeros(point)

    def sum(self, term: Callable[[Real, VolatilityMessage], Real]) -> Real:
        return term(zeros(self.message.error) + 1.0, self.message)

    def fold(self, step: Callable[[_T, Real, VolatilityMessage], _T], start: _T) -> _T:
        return step(start, zeros(self.message.error) + 1.0, self.message)

    def each(self, own: Real) -> Real:
        return own


def _with_level(
    parameters: Mapping[str, Real], state: Mapping[str, Real], drive: Drive, clock: Clock, options: Options
) -> tuple[dict[str, Real], Drive]:
    """The prediction of the level inside, by field, and the drive with that level among the volatility parents."""
    none = zeros(drive.value)
    mean = drift(parameters, state[_INNER + "mean"], none, clock, _INNER)
    inside = walk(parameters, mean, state[_INNER + "precision"], Drive(none, none, none, none), clock, options, _INNER)
    volatility = drive.volatility + inside.mean
    if options.relaxed:
        volatility = volatility + 0.5 * inside.variance
    fields = {name: value for name, value in inside._asdict().items() if name != "inner"}
    return fields, drive._replace(volatility=volatility, volatility_parents=drive.volatility_parents + 1.0)


def _own(prediction: Prediction) -> Prediction:
    return Prediction(**prediction.inner, inner={})


def _with_inside(
    state: Mapping[str, Real], prediction: Prediction, mean: Real, precision: Real, variance: Real, options: Options
) -> dict[str, Real]:
    """Both levels' beliefs once the value level is settled."""
    message = volatility_message(prediction, mean, variance, zeros(mean) + 1.0)
    level = _ValueLevel(message)
    inner_mean, inner_precision = options.update.posterior(state[_INNER + "mean"], _own(prediction), level, options)
    return {
        "mean": mean,
        "precision": precision,
        _INNER + "mean": inner_mean,
        _INNER + "precision": jnp.minimum(inner_precision, MAXIMUM_PRECISION),
    }


register(Volatile())
