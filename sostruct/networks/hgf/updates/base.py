"""What a posterior update is, and what it may ask of a node's children.

An update turns a prediction and the messages of the children into a posterior. It is elementwise like the kinds of
node; how children are stored (rows of a padded table, or a Python list) is behind `AbstractChildren`, which offers just
a sum and a fold over them.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, TypeVar, final

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from sostruct.networks.hgf.couplings import Real

MAXIMUM_PRECISION = 1e10
"""Posterior precisions are capped here, as in the literature's implementations."""

_T = TypeVar("_T")


class Prediction(NamedTuple):
    """A node's belief about itself before the step's data.

    Attributes:
        mean: mh.
        variance: 1 / ph.
        conditional: 1 / pc, the variance given the parents; differs from `variance` in the relaxed filter only.
        prior: v0', the variance carried over from the step before.
        log_step: log Omega, the log of the variance that this step adds.
        gain: Omega ph, the share of that in the variance (effective precision).
        volatility_parents: how many nodes set log_step, at least 1.
        decay: factor that takes a deviation from one step to the next (autoconnection).
        inner: what its own kind takes from here to the posterior: predictions of levels inside the node, shares.
    """

    mean: Real
    variance: Real
    conditional: Real
    prior: Real
    log_step: Real
    gain: Real
    volatility_parents: Real
    decay: Real
    inner: dict[str, Real]


class VolatilityMessage(NamedTuple):
    """What a child tells its volatility parents.

    Attributes:
        gain: Omega ph.
        error: D = (ph / p + ph d^2 - 1) / number of its volatility parents.
        prior: v0'.
        spread: 1 / p + d^2, how far the state is from where it was predicted.
        log_step: log Omega.
        precision: ph.
        news: 1 where the child saw data in this step, else 0; a child without news has gain 0.
    """

    gain: Real
    error: Real
    prior: Real
    spread: Real
    log_step: Real
    precision: Real
    news: Real


class AbstractChildren(abc.ABC):
    """The children of one node, or of a level of nodes."""

    @property
    @abc.abstractmethod
    def volatile(self) -> Bool[Array, ...]:
        """Whether the node has a volatility child at all."""

    @abc.abstractmethod
    def value_terms(self, point: Real, variance: Real) -> tuple[Real, Real]:
        """Sums over value children: precision `q_o [(w g')^2 - w g'' d]` and error `w g' r_o d`, g' at `point`.

        `variance` is the node's own predictive variance, which joint assimilation needs to leave it out of the
        variance that the other parents explain.
        """

    @abc.abstractmethod
    def sum(self, term: Callable[[Real, VolatilityMessage], Real]) -> Real:
        """Sum of `term(strength, message)` over volatility children. `term` vanishes at strength 0."""

    @abc.abstractmethod
    def fold(self, step: Callable[[_T, Real, VolatilityMessage], _T], start: _T) -> _T:
        """`step(carry, strength, message)` over volatility children in their canonical order."""

    @abc.abstractmethod
    def each(self, own: Real) -> Real:
        """A number of the node, shaped so that it combines with its children's inside `sum`."""


class AbstractUpdate(abc.ABC):
    """A way to turn children's messages into a posterior.

    Attributes:
        name: as users name it.
        reads: the fields of `VolatilityMessage` that it uses beside `news`; others may hold anything.
    """

    name: ClassVar[str]
    reads: ClassVar[frozenset[str]]

    @abc.abstractmethod
    def posterior(
        self, previous: Real, prediction: Prediction, children: AbstractChildren, options: Options
    ) -> tuple[Real, Real]:
        """Posterior mean and precision, the latter not yet capped.

        Args:
            previous: posterior mean of the step before.
        """


@final
@dataclass(frozen=True, slots=True)
class Options:
    """How a filter approximates; see `HGF` for what each choice means.

    Args:
        update: how posteriors are computed.
        relaxed: parents' uncertainty enters their children's predictions.
        exact: the variance carried over is multiplied by the squared autoconnection, and an observed input has no
            posterior variance; in the literature neither is so.
        at_prediction: couplings are linearized at the prediction rather than at the previous posterior.
        joint: several value parents of one child share its error instead of each correcting all of it.
    """

    update: AbstractUpdate
    relaxed: bool
    exact: bool
    at_prediction: bool
    joint: bool

    def observed_variance(self, precision: Real) -> Real:
        """Posterior variance of an observed input of this (fixed) precision."""
        return jnp.zeros_like(precision) if self.exact else 1.0 / precision

    def point(self, previous: Real, predicted: Real) -> Real:
        """Where couplings are linearized."""
        return predicted if self.at_prediction else previous


def bounded(exponent: Real) -> Real:
    """A log variance whose exponential and its square are finite in the precision at hand."""
    return jnp.minimum(exponent, largest_exponent(exponent.dtype))


def largest_exponent(dtype: np.dtype[Any]) -> float:
    """See `bounded`."""
    return 0.4 * math.log(float(np.finfo(dtype).max))


def volatility_message(prediction: Prediction, mean: Real, variance: Real, news: Real) -> VolatilityMessage:
    """What a node tells its volatility parents, from its prediction and its posterior mean and variance."""
    spread = variance + (mean - prediction.mean) ** 2
    sharp = 1.0 / prediction.variance
    return VolatilityMessage(
        gain=prediction.gain * news,
        error=(sharp * spread - 1.0) / prediction.volatility_parents,
        prior=prediction.prior,
        spread=spread,
        log_step=prediction.log_step,
        precision=sharp,
        news=news,
    )
