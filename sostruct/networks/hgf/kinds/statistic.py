"""Sufficient statistics as inputs: what variables of the exponential family have in common.

A variable x of an exponential family has sufficient statistics t(x), each observed by a leaf of its own, and what is
expected of them is xi, the linear predictors of these leaves. Of a conjugate prior worth nu observations, xi moves by
(t(x) - xi) / (1 + nu) when x is seen (Mathys and Weber 2020). A leaf that sees its parents through Gaussian noise of
variance s, where they leave its linear predictor the variance v, moves that by (t(x) - xi) v / (v + s): the ratio of
error to step is 1 + s / v, so nu = s / v is what the parents' belief is worth before x is seen (the ratio itself counts
x too). Read off variances, nu does not depend on x, so that the predictive density is one. Over several statistics,
whose filters may disagree, nu is the mean.

Parents decide how nu goes: an `average` keeps it fixed or counts, states with volatility parents track it. To fixed nu
only the ratio s / v matters; a volatility parent compares errors with s + v, so there the precision of the leaf, 1 / s,
should be that with which t(x) varies around what is expected.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np

from sostruct.errors import GraphError
from sostruct.networks.hgf.couplings import Real
from sostruct.networks.hgf.kinds.base import (
    AbstractVariable,
    Clock,
    Drive,
    Noise,
    Observation,
    ValueMessage,
    gaussian_held,
    zeros,
)
from sostruct.networks.hgf.kinds.continuous import gaussian_message, gaussian_observation, seen_through_noise
from sostruct.networks.hgf.updates.base import Options, Prediction
from sostruct.networks.hgf.variables.groups import Group
from sostruct.numerics import Numbers


class AbstractStatistic(AbstractVariable):
    """A leaf that observes a sufficient statistic: to its parents a continuous input."""

    gaussian: ClassVar[bool] = False

    def initial(self, parameters: Mapping[str, Numbers]) -> dict[str, Numbers | float]:
        """Nothing is believed of an input before it is seen."""
        return {"mean": 0.0, "precision": parameters["precision"]}

    def held(self, state: Mapping[str, Real], prediction: Prediction) -> dict[str, Real]:
        """The prediction."""
        del state
        return gaussian_held(prediction)

    def predict_input(
        self, parameters: Mapping[str, Real], state: Mapping[str, Real], drive: Drive, clock: Clock, options: Options
    ) -> Prediction:
        """See `continuous.seen_through_noise`; mh = xi."""
        del state, clock, options
        return seen_through_noise(parameters, drive)

    def observe(
        self,
        parameters: Mapping[str, Real],
        state: Mapping[str, Real],
        prediction: Prediction,
        value: Real,
        options: Options,
    ) -> dict[str, Real]:
        """m = t(x); the precision stays that of the input."""
        del state, prediction, options
        return {"mean": value, "precision": parameters["precision"]}

    def input_message(self, prediction: Prediction, value: Real) -> ValueMessage:
        """q = r = ph."""
        return gaussian_message(prediction, value)

    def generate(
        self,
        parameters: Mapping[str, Real],
        values: Mapping[str, Real],
        drive: Drive,
        clock: Clock,
        noise: Noise,
        observed: bool,
    ) -> dict[str, Real]:
        """xi; what is observed of it is drawn for whole variables."""
        del parameters, values, clock, noise, observed
        return {"mean": drive.value}

    def observation(self, prediction: Prediction, mean: Real, variance: Real, value: Real) -> Observation:
        """The pull and shrink of a continuous input."""
        seen = gaussian_observation(prediction, mean, variance, value)
        return seen._replace(log_density=zeros(value), entropy=zeros(value))


class AbstractSingle(AbstractStatistic):
    """A variable with one statistic, x itself: one leaf with the name of its column."""

    def columns(self, name: str, labels: tuple[str, ...]) -> tuple[str, ...]:
        """One, of its own name."""
        if labels != ("",):
            raise GraphError(
                f"Cannot observe {name + '=' + labels[0]!r}. This is because its kind {self.name!r} has one statistic, "
                f"and a name with '=' says that there are several. Try the name of the column of data, {name!r}."
            )
        return (name,)

    def group(self, positions: tuple[int, ...], labels: tuple[str, ...]) -> Group:
        """Itself."""
        del labels
        return Group(positions)

    def spread(self, values: Any, labels: tuple[str, ...]) -> list[Any]:
        """As it is."""
        del labels
        return [values[..., 0]]

    def gather(self, values: Any, labels: tuple[str, ...]) -> list[Any]:
        """As it is."""
        del labels
        return [values[..., 0]]


def worth(prediction: Prediction, variance: Real) -> Real:
    """nu, how many observations the parents' belief is worth; at most the inverse of the rounding error."""
    least = float(np.finfo(variance.dtype).eps) * prediction.variance
    return prediction.variance / jnp.maximum(variance, least)
