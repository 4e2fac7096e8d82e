"""What a filter's own errors say about the graph, gathered while it filters.

Two errors of every node at every step, both without unit and, but for the input's value error, without tuning: the
standardized value error z = d sqrt(ph) and the volatility error D = ph / p + ph d^2 - 1, whose expectation under the
node's own prediction is 0 (Mathys et al. 2014). An input has no posterior of its own, and its prediction leaves its
parents' variance out; its errors are those of its predictive density, D = 2 (surprise - entropy), z^2 = D + 1.

Sums go along in the loop over time; what two nodes have in common is left to whoever asks: the loop keeps smoothed
errors, thinned, from which products of any two nodes are a multiplication on the host (`surprise.ErrorSignals`).
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from sostruct.surprise import ERROR_MEMORY, ERROR_STRIDE, ErrorSignals


class Pair(NamedTuple):
    """Something of both errors of every node, apart: the loop over time does not like them stacked [2, slot].

    Attributes:
        value: of z [slot].
        volatility: of D [slot].
    """

    value: Array
    volatility: Array


def errors(
    error: Float[Array, " slot"],
    misfit: Float[Array, " slot"],
    variance: Float[Array, " slot"],
    excess: Float[Array, " input"],
    gaussian: Float[Array, " input"],
    news: Float[Array, " slot"],
) -> Pair:
    """z and D of every node, 0 without news.

    Args:
        error: d.
        misfit: ph / p + ph d^2 - 1.
        variance: 1 / ph, positive.
        excess: surprise - entropy of the inputs, nats.
        gaussian: 1 where the predictive density of the input is Gaussian; elsewhere z is d sqrt(ph).
        news: 1 where the node learnt something.
    """
    inputs = excess.shape[0]
    volatility = news * jnp.concatenate([2.0 * excess, misfit[inputs:]])
    squared = jnp.where(gaussian > 0.0, 2.0 * excess + 1.0, error[:inputs] ** 2 / variance[:inputs])
    size = jnp.sqrt(jnp.maximum(jnp.concatenate([squared, error[inputs:] ** 2 / variance[inputs:]]), 0.0))
    return Pair(news * jnp.where(error < 0.0, -size, size), volatility)


@final
class ErrorSums(eqx.Module):
    """Sums over the steps so far, and where smoothing stands.

    Attributes:
        last: errors of the step before.
        news: 1 where the node learnt something in the step before [slot].
        total: sums of the errors.
        squared: sums of their squares.
        lagged: sums of their products with those of the step before.
        pairs: steps with news that follow a step with news [slot].
        smooth: exponentially smoothed errors.
        kept: `smooth` at the end of every `ERROR_STRIDE` steps [sample, slot].
    """

    last: Pair
    news: Float[Array, " slot"]
    total: Pair
    squared: Pair
    lagged: Pair
    pairs: Float[Array, " slot"]
    smooth: Pair
    kept: Pair

    @classmethod
    def before(cls, steps: int, slots: int, dtype: Any) -> ErrorSums:
        """Nothing seen of a series of so many steps."""
        none, samples = jnp.zeros(slots, dtype), jnp.zeros((-(-steps // ERROR_STRIDE), slots), dtype)
        both = Pair(none, none)
        return cls(both, none, both, both, both, none, both, Pair(samples, samples))

    def after(self, now: Pair, news: Float[Array, " slot"], step: Int[Array, ""]) -> ErrorSums:
        """With one more step."""

        def each(function: Any, *pairs: Pair) -> Pair:
            return Pair(*map(function, *pairs))

        smooth = each(lambda before, own: before + (own - before) / ERROR_MEMORY, self.smooth, now)
        return ErrorSums(
            now,
            news,
            each(lambda sums, own: sums + own, self.total, now),
            each(lambda sums, own: sums + own**2, self.squared, now),
            each(lambda sums, own, before: sums + own * before, self.lagged, now, self.last),
            self.pairs + news * self.news,
            smooth,
            each(partial(_put, step // ERROR_STRIDE), self.kept, smooth),
        )

    def signals(
        self, count: Float[Array, " slot"], mean: Float[Array, " slot"], variance: Float[Array, " slot"]
    ) -> ErrorSignals:
        """As an epoch reports them, by slot.

        Args:
            count: steps with news.
            mean: of the belief after the last step.
            variance: likewise.
        """
        return ErrorSignals(
            value=self.total.value,
            value_squared=self.squared.value,
            value_lagged=self.lagged.value,
            volatility=self.total.volatility,
            volatility_squared=self.squared.volatility,
            volatility_lagged=self.lagged.volatility,
            count=count,
            pairs=self.pairs,
            smooth_value=self.kept.value,
            smooth_volatility=self.kept.volatility,
            belief_mean=mean,
            belief_variance=variance,
        )


def _put(place: Int[Array, ""], kept: Array, row: Array) -> Array:
    written: Array = jax.lax.dynamic_update_index_in_dim(kept, row, place, 0)
    return written
