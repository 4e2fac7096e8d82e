"""The compiled half of a mixture: components as rows of arrays, one pass over the points.

Every step is predicted before it is learned. With n points remembered, component k is expected with probability n_k /
(alpha + n) and a new one with alpha / (alpha + n) (Blackwell & MacQueen 1973); the point then belongs to component k by
the share of the density that k gave it, and k's statistics move by that share (quasi-Bayes, Smith & Makov 1978). The
share of "new" is learned by nobody: that is what surprises a mixture, and what a birth would explain. The log density
of the whole, summed, is the prequential log evidence.

The capacity's `latent_width` is the number of component slots; a birth or a merge within it writes arrays.
"""

from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.special import xlogy
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from sostruct.graph import Capacity
from sostruct.networks.base import AbstractPacked
from sostruct.networks.mixture.conjugate import (
    Prior,
    Statistics,
    believe,
    log_density,
    merge_price,
    nothing,
    seed_price,
)
from sostruct.numerics import Numbers
from sostruct.surprise import AbstractGains, Signals


class MixtureData(eqx.Module):
    """Points in the order they came in [time, dim]; NaN is missing."""

    values: Float[Numbers, "time dim"]


class MixtureGains(AbstractGains):
    """What an epoch says about single points and pairs of components.

    Attributes:
        reducible: nats of the best merge of each node, floored at 0 [node].
        merge: of every two components, closed form (`conjugate.merge_price`); -inf on the diagonal [component,
            component].
        charge: what each component paid for its place in this epoch, at most 0 [component].
        fresh: whether it began the epoch as a seed, so that the epoch is all it knows [component].
        share: how far each point belongs to each component, before it is learned [time, component]; what is missing
            to 1 is the share of "new".
        log_density: of each point, before it is learned [time], nats.
        points: the points themselves [time, dim].
    """

    reducible: Float[Array, " node"]
    merge: Float[Array, "component component"]
    charge: Float[Array, " component"]
    fresh: Bool[Array, " component"]
    share: Float[Array, "time component"]
    log_density: Float[Array, " time"]
    points: Float[Array, "time dim"]


class PackedMixture(AbstractPacked):
    """Arrays of a mixture.

    What an edit writes may be NumPy arrays; they reach the device with the next epoch, and change no program.

    Attributes:
        mask: which slots hold a component [slot].
        start: what components are taken to have seen before the first point.
        state: what they have seen by now.
        prior: what all of them have in common.
        capacity: the sizes compiled code depends on.
    """

    mask: Bool[Numbers, " slot"]
    start: Statistics
    state: Statistics
    prior: Prior
    capacity: Capacity = eqx.field(static=True)

    @property
    def at_rest(self) -> bool:
        """True: an epoch begins anew, and finds the same."""
        return True

    def epoch(self, data: MixtureData, *, key: PRNGKeyArray) -> tuple[PackedMixture, Signals]:
        """Predict and learn point by point from where the statistics stand. Deterministic: `key` is unused.

        The surprise of an input is that of its value given the inputs before it in the same row, so that the rows add
        up to the joint surprise; it is expected to be at most the entropy of the labels, which counts for the first
        input, plus the Gaussian bound on that of the components. A component observes nothing: its row is half its
        mean squared standardized error less one, expected to be 0.
        """
        del key
        prior, mask, before = self.prior, jnp.asarray(self.mask), self.state
        charge = seed_price(prior, before.weight, jnp.asarray(before.mean)) + jnp.log(prior.concentration)
        charge = jnp.where(mask & before.fresh, charge, 0.0)
        after, rows = jax.lax.scan(
            lambda state, point: _step(prior, mask, state, point), _loop(before), jnp.asarray(data.values)
        )
        state = Statistics(*after, fresh=jnp.zeros_like(mask))
        merge = jnp.where(
            mask[:, None] & mask & ~jnp.eye(mask.shape[0], dtype=bool), merge_price(prior, state), -jnp.inf
        )
        dims = rows.surprise.shape[1]
        belief = believe(prior, state.seen, state.mean, state.square)
        weight, answered = jnp.sum(rows.share, axis=0), jnp.sum(rows.answered, axis=0)
        seen = jnp.sum(rows.seen, axis=0)
        signals = Signals(
            surprise=jnp.concatenate([jnp.sum(rows.surprise, axis=0), 0.5 * (jnp.sum(rows.misfit, axis=0) - answered)]),
            expected=jnp.concatenate([jnp.sum(rows.expected, axis=0), jnp.zeros_like(weight)]),
            error=jnp.sqrt(
                jnp.concatenate([_mean(rows.squared, seen), jnp.sum(rows.misfit, axis=0) / _positive(answered)])
            ),
            precision=jnp.concatenate([_mean(rows.precision, seen), jnp.exp(-jnp.mean(jnp.log(belief.variance), 1))]),
            count=jnp.concatenate([seen, weight]),
            evidence=-jnp.sum(rows.surprise) + jnp.sum(charge),
            gains=MixtureGains(
                reducible=jnp.concatenate([jnp.zeros(dims), jnp.maximum(jnp.max(merge, axis=1), 0.0)]),
                merge=merge,
                charge=charge,
                fresh=mask & before.fresh,
                share=rows.share,
                log_density=-jnp.sum(rows.surprise, axis=1),
                points=jnp.asarray(data.values),
            ),
        )
        believed = PackedMixture(
            mask=self.mask, start=self.start, state=state, prior=self.prior, capacity=self.capacity
        )
        return believed, signals


class _Row(eqx.Module):
    """What one step reports; stacked over steps."""

    surprise: Float[Array, "*time dim"]
    expected: Float[Array, "*time dim"]
    squared: Float[Array, "*time dim"]
    precision: Float[Array, "*time dim"]
    seen: Float[Array, "*time dim"]
    share: Float[Array, "*time slot"]
    misfit: Float[Array, "*time slot"]
    answered: Float[Array, "*time slot"]


_Loop = tuple[
    Float[Array, " slot"],
    Float[Array, "slot dim"],
    Float[Array, "slot dim"],
    Float[Array, "slot dim"],
    Float[Array, "slot slot"],
]
"""What a step changes: the fields of `Statistics` but `fresh`, in order."""


def _loop(state: Statistics) -> _Loop:
    parts = (state.weight, state.seen, state.mean, state.square, state.overlap)
    return tuple(jnp.asarray(part, jnp.float64) for part in parts)  # type: ignore[return-value]


def label_density(prior: Prior, mask: Bool[Array, " slot"], weight: Float[Array, " slot"]) -> Float[Array, " label"]:
    """Log probability that the next point is of each component, then that it is of a new one [slot + 1]."""
    counts = jnp.concatenate([jnp.where(mask, weight, 0.0), jnp.asarray(prior.concentration)[None]])
    return jnp.log(counts) - jnp.log(jnp.sum(counts))


def _step(prior: Prior, mask: Bool[Array, " slot"], state: _Loop, point: Float[Array, " dim"]) -> tuple[_Loop, _Row]:
    weight, seen, mean, square, overlap = state
    present = ~jnp.isnan(point)
    value = jnp.where(present, point, 0.0)
    labels = label_density(prior, mask, weight)
    own, none = believe(prior, seen, mean, square), nothing(prior)
    densities = jnp.concatenate([log_density(own, value), log_density(none, value)[None]])
    so_far = labels[:, None] + jnp.cumsum(jnp.where(present, densities, 0.0), axis=1)
    joint = jax.nn.logsumexp(so_far, axis=0)
    shares = jnp.exp(so_far[:, -1] - joint[-1])[:-1] * jnp.any(present)

    # what was to be expected: of the mixture in every dimension, and of every component
    means = jnp.concatenate([own.mean, none.mean[None]])
    variances = jnp.concatenate([own.variance, none.variance[None]])
    chance = jnp.exp(labels)
    center = chance @ means
    variance = chance @ (variances + (means - center) ** 2)
    entropy = chance @ (0.5 * jnp.log(2.0 * math.pi * math.e * variances))
    first = jnp.arange(point.shape[0]) == jnp.argmax(present)
    doubt = -jnp.sum(xlogy(chance, chance))
    standardized = jnp.sum(jnp.where(present, (value - own.mean) ** 2 / own.variance, 0.0), axis=1)
    row = _Row(
        surprise=jnp.where(present, jnp.concatenate([jnp.zeros(1), joint[:-1]]) - joint, 0.0),
        expected=jnp.where(present, entropy + first * doubt, 0.0),
        squared=jnp.where(present, (value - center) ** 2, 0.0),
        precision=jnp.where(present, 1.0 / variance, 0.0),
        seen=present.astype(jnp.float64),
        share=shares,
        misfit=shares * standardized,
        answered=shares * jnp.sum(present),
    )

    keep = jnp.asarray(prior.keep)
    new = shares[:, None] * present
    old = keep * seen
    both = _positive(old + new)
    apart = value - mean
    entropies = xlogy(shares, shares)
    pair = shares[:, None] + shares
    learned = (
        keep * weight + shares,
        old + new,
        mean + new / both * apart,
        keep * square + old * new / both * apart**2,
        keep * overlap + xlogy(pair, pair) - entropies[:, None] - entropies,
    )
    return learned, row


def _positive(numbers: Float[Array, "*any"]) -> Float[Array, "*any"]:
    """Something to divide by: 1 where there is nothing."""
    return jnp.where(numbers > 0.0, numbers, 1.0)


def _mean(rows: Float[Array, "time dim"], count: Float[Array, " dim"]) -> Float[Array, " dim"]:
    return jnp.sum(rows, axis=0) / _positive(count)
