"""The joint predictive density of one step's inputs.

Inputs with common ancestors are correlated within a step, and only their joint density can price a shared parent.
Given the beliefs before the step, every hidden state a has an independent innovation of variance 1/pc_a, carried to the
inputs by the linearized couplings, so the inputs' linear predictors are jointly Gaussian. Where every node has at most
one uncertain value parent, the innovations are integrated out from the leaves upwards in time linear in the number of
nodes (`pass_on`). Elsewhere the covariance of the linear predictors is formed and the inputs are assimilated one after
another (`one_after_another`): Gaussian inputs exactly, others by moment matching, which still is a normalized
predictive distribution. `linear_update` is the same idea for beliefs: the exact update of correlated states.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from sostruct.networks.hgf.couplings import Real
from sostruct.networks.hgf.kinds.base import AbstractInput, AbstractVariable, Observation
from sostruct.networks.hgf.updates.base import Prediction
from sostruct.networks.hgf.variables.groups import Parts


class Upward(NamedTuple):
    """log p(inputs below | deviation x of a node from its mean) = log_density - precision x^2 / 2 + error x."""

    precision: Real
    error: Real
    log_density: Real


def of_input(observation: Observation) -> Upward:
    """An observed Gaussian input, from its density given the parents (zero variance in its linear predictor)."""
    return Upward(observation.shrink, observation.pull, observation.log_density)


def pass_on(precision: Real, error: Real, variance: Real) -> Upward:
    """Integrate out a node's own innovation ~ N(0, variance); what remains depends on its parent's deviation."""
    growth = 1.0 + precision * variance
    share = 1.0 / growth
    log_density = 0.5 * variance * error**2 * share - 0.5 * jnp.log(growth)
    return Upward(precision * share, error * share, log_density)


class Candidates(NamedTuple):
    """A kind of input.

    Attributes:
        chosen: which inputs are of it [input].
        kind: the kind.
        prediction: of all inputs as that kind makes it, without levels inside.
    """

    chosen: Bool[Array, " input"]
    kind: AbstractInput
    prediction: Prediction

    def density(self, number: Array, mean: Array, variance: Array, value: Array, parts: Parts | None) -> Observation:
        """Of one input, given means and variances of all; that of a variable counts at its first part."""
        own: Prediction = jax.tree.map(lambda all: all[number], self.prediction)
        seen = self.kind.observation(own, mean[number], variance[number], value[number])
        if not isinstance(self.kind, AbstractVariable):
            return seen
        assert parts is not None
        leader = jnp.asarray(parts.leader)
        whole = self.kind.density(parts, self.prediction, mean, variance, value).log_density
        return seen._replace(
            log_density=jnp.sum(jnp.where((leader == number) & (leader[number] == number), whole, 0.0))
        )


def one_after_another(
    mean: Float[Array, " input"],
    covariance: Float[Array, "input input"],
    kinds: Sequence[Candidates],
    value: Float[Array, " input"],
    news: Bool[Array, " input"],
    parts: Parts | None,
) -> Float[Array, ""]:
    """Log predictive density of the observed inputs, each given those before it.

    Args:
        mean: of the linear predictors.
        covariance: of the linear predictors.
        kinds: of the inputs, Gaussian ones first.
        value: what the inputs show.
        news: which inputs were observed.
        parts: which inputs are parts of one variable.
    """
    total = jnp.zeros_like(mean[0])
    for own in kinds:

        def body(number: Array, carry: tuple[Array, Array, Array], own: Candidates = own) -> tuple[Array, Array, Array]:
            mean, covariance, total = carry
            seen = own.density(number, mean, jnp.diagonal(covariance), value, parts)
            counts = jnp.where(own.chosen[number] & news[number], 1.0, 0.0)
            column = covariance[:, number]
            return (
                mean + counts * seen.pull * column,
                covariance - counts * seen.shrink * column[:, None] * column[None, :],
                total + counts * seen.log_density,
            )

        mean, covariance, total = jax.lax.fori_loop(0, mean.shape[0], body, (mean, covariance, total))
    return total


def shared_out(
    kinds: Sequence[Candidates], alone: Observation, mean: Array, variance: Array, value: Array, parts: Parts
) -> tuple[Observation, Bool[Array, " input"]]:
    """Densities of inputs by themselves with those of whole variables shared out among their parts; and whether these
    are distributions.

    Args:
        kinds: of the inputs.
        alone: densities of the inputs that are no parts.
        mean: of the linear predictors.
        variance: of the linear predictors.
        value: what the inputs show.
        parts: which inputs are parts of one variable.
    """
    sound = jnp.ones_like(value, bool)
    for own in kinds:
        if isinstance(own.kind, AbstractVariable):
            found = own.kind.density(parts, own.prediction, mean, variance, value)
            log_density = jnp.where(own.chosen, found.log_density, alone.log_density)
            entropy = jnp.where(own.chosen, found.entropy, alone.entropy)
            alone = alone._replace(log_density=log_density, entropy=entropy)
            sound = sound & (found.sound | ~own.chosen)
    return alone, sound


class LinearUpdate(NamedTuple):
    """What correlated states learn from the inputs.

    Attributes:
        precision: increase of each state's marginal precision.
        error: its precision-weighted shift: mean - mh = error * posterior variance.
        covariance: posterior covariance of the states.
        weight: q of each input for each state, the other states' variance included [input, state].
        news: whether the state is correlated with anything observed.
    """

    precision: Float[Array, " state"]
    error: Float[Array, " state"]
    covariance: Float[Array, "state state"]
    weight: Float[Array, "input state"]
    news: Bool[Array, " state"]


def linear_update(
    covariance: Float[Array, "state state"],
    slopes: Float[Array, "input state"],
    precision: Float[Array, " input"],
    error: Float[Array, " input"],
    news: Bool[Array, " input"],
) -> LinearUpdate:
    """The Kalman update of correlated states, one input after another.

    Args:
        covariance: P, predicted; the diagonal holds 1 / ph.
        slopes: A, derivative of each input's linear predictor with respect to each state.
        precision: q of each input's message.
        error: r d of each input's message.
        news: which inputs were observed.
    """
    variance = jnp.diagonal(covariance)
    safe = jnp.where(variance > 0.0, variance, 1.0)
    cross = slopes @ covariance
    noise = 1.0 / jnp.where(news, precision, 1.0)
    total = jnp.sum(cross * slopes, 1) + noise
    weight = 1.0 / (total[:, None] - cross**2 / safe)

    def body(number: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        shift, posterior = carry
        row = slopes[number]
        column = posterior @ row
        counts = jnp.where(news[number], 1.0, 0.0)
        spread = row @ column + noise[number]
        innovation = error[number] * noise[number] - row @ shift
        return (
            shift + counts * column * (innovation / spread),
            posterior - counts * column[:, None] * column[None, :] / spread,
        )

    start = (jnp.zeros_like(variance), covariance)
    shift, posterior = jax.lax.fori_loop(0, slopes.shape[0], body, start)
    after = jnp.diagonal(posterior)
    settled = jnp.where(after > 0.0, after, 1.0)
    certain = variance <= 0.0
    return LinearUpdate(
        precision=jnp.where(certain, 0.0, 1.0 / settled - 1.0 / safe),
        error=jnp.where(certain, 0.0, shift / settled),
        covariance=posterior,
        weight=weight,
        news=jnp.any((cross != 0.0) & news[:, None], 0),
    )


def settled(covariance: Array, precision: Array) -> Array:
    """Covariances of states that an exact update left correlated, scaled to the precisions they ended with."""
    known = jnp.diagonal(covariance)
    scale = jnp.where(known > 0.0, jnp.sqrt(1.0 / (precision * jnp.where(known > 0.0, known, 1.0))), 0.0)
    return covariance * scale[:, None] * scale[None, :] * (1.0 - jnp.eye(len(scale), dtype=scale.dtype))
