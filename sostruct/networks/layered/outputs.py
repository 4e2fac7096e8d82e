"""What an output predicts: how surprised it is by a target, in nats, and what it says of rows without one.

A class per likelihood, told apart by the kind and width of the output node. Predictions arrive as the weighted sum z of
the output's parents [row, unit]; targets are numbers [row, unit] for regression and classes [row] for classification.
"""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass
from typing import final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sostruct.networks.layered.plan import REGRESSION

Rows = Float[Array, " row"]
Values = Float[Array, "row unit"]


@dataclass(frozen=True)
class AbstractOutput(abc.ABC):
    """A likelihood of targets given z. `noise` is the variance of targets about z [unit], for those that have one."""

    @abc.abstractmethod
    def surprise(self, z: Values, target: Array, noise: Array, smoothing: float = 0.0) -> Rows:
        """Minus the log density of each target [row], nats; of a smoothed one, in which a share `smoothing` of the
        probability is spread over all classes (Szegedy et al. 2016)."""

    @abc.abstractmethod
    def expected(self, z: Values, noise: Array) -> Rows:
        """What the surprise is expected to be under the prediction itself, its entropy [row], nats."""

    @abc.abstractmethod
    def mean(self, z: Values) -> Values:
        """The mean of the target [row, unit], or the probability of every class."""

    @abc.abstractmethod
    def squared(self, z: Values, target: Array) -> Values:
        """Squared differences of target and mean [row, unit]."""


@final
@dataclass(frozen=True)
class GaussianOutput(AbstractOutput):
    """y ~ N(z, noise), every unit by itself."""

    def surprise(self, z: Values, target: Array, noise: Array, smoothing: float = 0.0) -> Rows:
        """1/2 ln(2 pi noise) + (y - z)^2 / (2 noise), summed over units."""
        del smoothing
        return 0.5 * jnp.sum(jnp.log(2.0 * math.pi * noise) + (target - z) ** 2 / noise, axis=1)

    def expected(self, z: Values, noise: Array) -> Rows:
        """1/2 ln(2 pi e noise), summed over units."""
        return jnp.broadcast_to(0.5 * jnp.sum(jnp.log(2.0 * math.pi * math.e * noise)), z.shape[:1])

    def mean(self, z: Values) -> Values:
        """z."""
        return z

    def squared(self, z: Values, target: Array) -> Values:
        """(y - z)^2."""
        return (target - z) ** 2


@final
@dataclass(frozen=True)
class BinaryOutput(AbstractOutput):
    """One of two classes: the second has probability 1 / (1 + exp(-z))."""

    def surprise(self, z: Values, target: Array, noise: Array, smoothing: float = 0.0) -> Rows:
        """ln(1 + exp(z)) - y z, y smoothed towards 1/2."""
        del noise
        y = (1.0 - smoothing) * target + 0.5 * smoothing
        return jax.nn.softplus(z[:, 0]) - y * z[:, 0]

    def expected(self, z: Values, noise: Array) -> Rows:
        """The entropy."""
        del noise
        return jax.nn.softplus(z[:, 0]) - jax.nn.sigmoid(z[:, 0]) * z[:, 0]

    def mean(self, z: Values) -> Values:
        """Probabilities of both classes."""
        return jnp.concatenate([jax.nn.sigmoid(-z), jax.nn.sigmoid(z)], axis=1)

    def squared(self, z: Values, target: Array) -> Values:
        """(y - p)^2 of the second class."""
        return (target[:, None] - jax.nn.sigmoid(z)) ** 2


@final
@dataclass(frozen=True)
class CategoricalOutput(AbstractOutput):
    """One of several classes, with probabilities softmax(z)."""

    def surprise(self, z: Values, target: Array, noise: Array, smoothing: float = 0.0) -> Rows:
        """ln sum exp(z) - z_y, the target smoothed towards all classes alike."""
        del noise
        own = jnp.take_along_axis(z, target[:, None].astype(jnp.int32), axis=1)[:, 0]
        return jax.nn.logsumexp(z, axis=1) - (1.0 - smoothing) * own - smoothing * jnp.mean(z, axis=1)

    def expected(self, z: Values, noise: Array) -> Rows:
        """The entropy."""
        del noise
        return -jnp.sum(jax.nn.softmax(z) * jax.nn.log_softmax(z), axis=1)

    def mean(self, z: Values) -> Values:
        """The probabilities."""
        return jax.nn.softmax(z)

    def squared(self, z: Values, target: Array) -> Values:
        """(y - p)^2 of every class."""
        return (jax.nn.one_hot(target.astype(jnp.int32), z.shape[1]) - jax.nn.softmax(z)) ** 2


def output_of(kind: str, width: int) -> AbstractOutput:
    """The likelihood of an output node: classification of width 1 tells two classes apart."""
    if kind == REGRESSION:
        return GaussianOutput()
    return BinaryOutput() if width == 1 else CategoricalOutput()
