r"""The compiled half of a stream of lagged regressions: what every row does, and when it raises an alarm.

Per row t: the model of the last refit (`Model`) predicts every series, its surprise is tested for change, and the
moments of the lagged columns take the row up, after all that was there is scaled by the forgetting factor. Nothing is
refitted here; `current.py` does that from the moments, at row counts that grow geometrically.

**Surprise.** With e_j the one-step error, z the standardized terms, V = A_S^-1 and v_j = 1 + 1/n + z' V z, the squared
error in units of what is expected is `u_j = e_j^2 / (s_j^2 v_j)`. Squared errors of heavy-tailed noise have no
variance, so the predictive is Student-t, with freedom nu out of `FREEDOMS` and a scale of its own for each:

    s2 <- s2 + g ((nu + 1) u / (nu + u) - 1) s2,    g = 2 / (m + 2),

the recursive maximum likelihood estimate (EM of the scale: Liu & Rubin 1995, Statistica Sinica 5), m rows into the
regime, the recent half weighing most because early models are worse. Every series has the nu that has predicted it
best.

**Change.** A model that no longer holds predicts worse: errors as if the squared scale were f times as large. The log
likelihood ratio of one row,

    l_j(f) = -1/2 log f + (nu + 1)/2 [log(1 + u/nu) - log(1 + u/(nu f))],

is observed less expected surprise with a drift that makes E exp(l) = 1 while nothing changes, and at most
`(nu + 1)/2 log f` however far a row strays. One-sided cumulative sums (Page 1954, Biometrika 41) `C <- max(0, C + l)`
run for every series and factor in `FACTORS`, and, because a change may touch all, for the sum over all series. The mean
time to a false alarm of each is at least exp(threshold) (Lorden 1971, Ann. Math. Stat. 42) if the predictive is right,
so with half of the tolerated rate for the sums and half for the single series the thresholds are `log(2 R F)` and
`log(2 R F p)` for one false alarm in R rows of the whole system and F factors. The change point is where the sum that
raised the alarm last left 0: its maximum likelihood estimate. A change that does not make errors larger by a factor of
`(log f) / (1 - 1/f)`, 1.09 for the least f, is not seen.

One program serves chunks of every length: a block of `BLOCK` rows, of which a while loop takes some and stops at an
alarm. Rows are processed one by one by the same code, so how a stream is cut into chunks changes not a bit.
"""

from __future__ import annotations

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln
from jaxtyping import Array, Bool, Float, Int

from sostruct.networks.lagged.challenger import MEMORIES, Challenger, challenged, unchallenged
from sostruct.numerics import Numbers

BLOCK = 256
"""Rows that a compiled call can take."""

FREEDOMS = (3.0, 5.0, 10.0, 30.0)
"""Degrees of freedom that the noise of a series may have."""

FACTORS = (1.2, 1.5, 3.0)
"""How many times larger squared errors are after a change."""

SETTLED = tuple(max(40, round(16 / (factor - 1) ** 2)) for factor in FACTORS)
"""Rows of a regime before each of them is looked for: scales must be known to much less than that."""


DOUBT = 2.0
"""Standard errors by which scales may have been estimated too small."""


class Model(eqx.Module):
    """What predicts the next row; fixed between refits. In centered data units.

    Attributes:
        weight: of every lagged column [series, term].
        intercept: [series].
        active: columns of the terms in use [series, slot].
        inverse: A_S^-1, 0 where a slot is not in use [series, slot, slot].
        mean, scale: of every lagged column [term].
        count: rows n behind it.
    """

    weight: Float[Numbers, "series term"]
    intercept: Float[Numbers, " series"]
    active: Int[Numbers, "series slot"]
    inverse: Float[Numbers, "series slot slot"]
    mean: Float[Numbers, " term"]
    scale: Float[Numbers, " term"]
    count: Float[Numbers, ""]


class Noise(eqx.Module):
    """What is known of the noise of every series, for each of `FREEDOMS`.

    Attributes:
        square: squared scale of the Student-t [freedom, series].
        score: log predictive density of the rows so far, up to what all share [freedom, series].
    """

    square: Float[Numbers, "freedom series"]
    score: Float[Numbers, "freedom series"]


class StreamState(eqx.Module):
    """All that a stream remembers of a regime, of a size that does not grow.

    Attributes:
        count: sum of the weights of the rows.
        first, second: weighted sums of the lagged columns and of their products, lag 0 first, as in `Moments`
            [column], [column, column].
        window: the last L rows, the latest first [term].
        own: rows of this regime, m.
        noise: what is known of the noise.
        single, total: cumulative sums, by series and over all of them [factor, series], [factor].
        single_since, total_since: rows of the stream for which they have been above 0 [factor, series], [factor].
        challenger: other mechanisms, learned from the latest rows.
    """

    count: Float[Numbers, ""]
    first: Float[Numbers, " column"]
    second: Float[Numbers, "column column"]
    window: Float[Numbers, " term"]
    own: Int[Numbers, ""]
    noise: Noise
    single: Float[Numbers, "factor series"]
    total: Float[Numbers, " factor"]
    single_since: Int[Numbers, "factor series"]
    total_since: Int[Numbers, " factor"]
    challenger: Challenger


class Thresholds(eqx.Module):
    """When a cumulative sum is an alarm, nats."""

    single: Float[Numbers, ""]
    total: Float[Numbers, ""]
    challenger: Float[Numbers, ""]

    @classmethod
    def of(cls, rows_per_false_alarm: float | None, series: int) -> Thresholds:
        """For at most one false alarm in so many rows of the whole system; None for none at all."""
        if rows_per_false_alarm is None:
            return cls(np.asarray(np.inf), np.asarray(np.inf), np.asarray(np.inf))
        one = math.log(3 * rows_per_false_alarm)
        total, single = one + math.log(len(FACTORS)), one + math.log(len(FACTORS) * series)
        return cls(np.asarray(single), np.asarray(total), np.asarray(one + math.log(len(MEMORIES) * series)))


def beginning(series: int, max_lag: int) -> StreamState:
    """The state before the first row that has a past."""
    terms = series * max_lag
    columns = series + terms
    return StreamState(
        count=np.asarray(0.0),
        first=np.zeros(columns),
        second=np.zeros((columns, columns)),
        window=np.zeros(terms),
        own=np.asarray(0),
        noise=Noise(np.ones((len(FREEDOMS), series)), np.zeros((len(FREEDOMS), series))),
        **quiet(series, terms),
    )


def quiet(series: int, terms: int) -> dict[str, Any]:
    """Cumulative sums at 0."""
    factors = len(FACTORS)
    return {
        "single": np.zeros((factors, series)),
        "total": np.zeros(factors),
        "single_since": np.zeros((factors, series), np.int64),
        "total_since": np.zeros(factors, np.int64),
        "challenger": unchallenged(series, terms),
    }


def blank(series: int, max_lag: int, slots: int) -> Model:
    """The model before the first refit: everything is 0."""
    terms = series * max_lag
    return Model(
        weight=np.zeros((series, terms)),
        intercept=np.zeros(series),
        active=np.zeros((series, slots), np.int64),
        inverse=np.zeros((series, slots, slots)),
        mean=np.zeros(terms),
        scale=np.ones(terms),
        count=np.asarray(1.0),
    )


def expected_square(model: Model, window: Float[Numbers, "*row term"]) -> Float[Array, "*row series"]:
    """v of the module docstring: how much weights that are not quite known add to the noise."""
    standard = (window - model.mean) / model.scale
    own = standard[..., jnp.asarray(model.active)]
    return 1 + 1 / jnp.asarray(model.count) + jnp.einsum("...js,jst,...jt->...j", own, model.inverse, own)


def chosen_noise(noise: Noise) -> tuple[Float[Array, " series"], Float[Array, " series"]]:
    """Freedom and squared scale of every series: of the freedom that has predicted it best."""
    best = jnp.argmax(noise.score, axis=0)
    square = jnp.take_along_axis(jnp.asarray(noise.square), best[None], axis=0)[0]
    return jnp.asarray(FREEDOMS)[best], square


def log_ratio(
    freedom: Float[Array, "*#shape"], excess: Float[Array, "*#shape"], factor: Float[Array, "*#shape"]
) -> Float[Array, ...]:
    """l of the module docstring, from u."""
    before, after = jnp.log1p(excess / freedom), jnp.log1p(excess / (freedom * factor))
    return (freedom + 1) / 2 * (before - after) - jnp.log(factor) / 2


def log_density(
    freedom: Float[Array, "*#shape"], square: Float[Array, "*#shape"], excess: Float[Array, "*#shape"]
) -> Float[Array, ...]:
    """Log density of errors under a Student-t, from u; what weights that are not quite known add is left out."""
    constant = gammaln((freedom + 1) / 2) - gammaln(freedom / 2) - jnp.log(freedom * math.pi) / 2
    return constant - (jnp.log(square) + (freedom + 1) * jnp.log1p(excess / freedom)) / 2


@eqx.filter_jit
def advance(
    state: StreamState,
    model: Model,
    thresholds: Thresholds,
    forgetting: Float[Numbers, ""],
    block: Float[Numbers, "row series"],
    end: Int[Numbers, ""],
) -> tuple[StreamState, Int[Array, ""], Bool[Array, ""]]:
    """Takes the first `end` rows of a block, or those up to an alarm.

    Args:
        state: of the stream before them.
        model: what predicts them.
        thresholds: what an alarm is.
        forgetting: factor on the weight of all earlier rows, per row.
        block: centered rows [BLOCK, series].
        end: how many of them to take.

    Returns:
        the state after them; how many were taken; whether the last one raised an alarm.
    """
    rows = jnp.asarray(block)
    freedoms, factors = jnp.asarray(FREEDOMS)[:, None], jnp.asarray(FACTORS)[:, None]
    held = jax.tree.map(jnp.asarray, model)

    def step(carry: tuple[StreamState, Array, Array]) -> tuple[StreamState, Array, Array]:
        before, taken, _ = carry
        row = rows[taken]
        error = row - held.weight @ before.window - held.intercept
        width = expected_square(held, before.window)
        squared = error**2 / width
        noise = before.noise
        excess = squared / noise.square
        score = log_density(freedoms, jnp.asarray(noise.square), excess)
        freedom, square = chosen_noise(noise)
        doubt = DOUBT * jnp.sqrt(8 * (freedom + 3) / (3 * freedom * (before.own + 2.0)))
        each = log_ratio(freedom, squared / (square * (1 + doubt)), factors)
        every = log_ratio(freedom, squared / (square * (1 + doubt / math.sqrt(len(row)))), factors)
        gain = 2 / (before.own + 2.0)
        moved = noise.square * (1 + gain * ((freedoms + 1) * excess / (freedoms + excess) - 1))
        watched = before.own >= jnp.asarray(SETTLED)
        single = jnp.where(watched[:, None], jnp.maximum(before.single + each, 0.0), 0.0)
        total = jnp.where(watched, jnp.maximum(before.total + jnp.sum(every, axis=1), 0.0), 0.0)
        root = jnp.sqrt(square)
        column, scale = before.window - held.mean, jnp.asarray(held.scale)
        challenger = challenged(before.challenger, error / root, width, freedom, column, scale, jnp.asarray(before.own))
        full = jnp.concatenate([row, before.window])
        after = StreamState(
            count=before.count * forgetting + 1,
            first=before.first * forgetting + full,
            second=before.second * forgetting + full[:, None] * full,
            window=full[: before.window.shape[0]],
            own=before.own + 1,
            noise=Noise(moved, noise.score + score),
            single=single,
            total=total,
            single_since=jnp.where(single > 0, before.single_since + 1, 0),
            total_since=jnp.where(total > 0, before.total_since + 1, 0),
            challenger=challenger,
        )
        alarm = jnp.any(single > thresholds.single) | jnp.any(total > thresholds.total)
        return after, taken + 1, alarm | jnp.any(challenger.evidence > thresholds.challenger)

    def going(carry: tuple[StreamState, Array, Array]) -> Array:
        return (carry[1] < end) & ~carry[2]

    started = jax.tree.map(jnp.asarray, state), jnp.zeros((), jnp.int64), jnp.zeros((), bool)
    found: tuple[StreamState, Array, Array] = jax.lax.while_loop(going, step, started)
    return found
