r"""Another mechanism for every series, learned from the latest rows alone, and the evidence that it is the better one.

When the parents of a single series change, its errors may grow by no more than a fifth, and a test of their size waits
for thousands of rows. But what the model no longer explains is then explained by other weights. So every series has a
challenger for every memory in `MEMORIES`: the model of the last refit plus a sparse shift delta of its weights, learned
from errors that count half after some two thirds of that many rows.

With e the error of the model over its scale s, left = e - delta' x what the challenger leaves, x the lagged columns,
and psi(y) = (nu + 3) y / (nu + y^2), the score of a Student-t over its information `k = (nu + 1) / (nu + 3)`, kept are

    G <- f G + x x',    r <- f r + psi(left) x,    f = 1 - 1 / memory.

In every `STRIDE`th row one weight of every series is moved, to where a regression on it alone would have it. With
`b = r + diag(G) delta` and `a = diag(G) + lam`, lam the variance of the column (a prior of one row), that is `b / a`,
worth `k b^2 / (2 a) - 1/2 log(a / lam) - q` nats, q the log prior odds against a shift of one weight; where this is
negative it is 0. The weight that gains most is moved, and r follows: `r <- r - (change of delta_i) G_i.`. No row is
looked at twice, and nothing is inverted.

A challenger is fixed before the row that it predicts, so whatever it is, the likelihood ratio of that row, challenger
to model, has the mean 1 under the model, and its cumulative sum `C <- max(0, C + l)` passes `log(3 R M p)` no more
often than once in 3 R rows by chance, for all series and M memories together (Lorden 1971, Ann. Math. Stat. 42; with
estimates that do not look ahead: Lorden & Pollak 2005, Ann. Stat. 33). Where delta is 0, there is no evidence to sum.
"""

from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from sostruct.numerics import Numbers

MEMORIES = (60.0, 240.0)
"""Rows from which a challenger is learned."""

STRIDE = 4
"""Rows from one move of weights to the next: learning costs more than summing, and a few rows later will do."""

PARENTS = 2.0
"""Weights of a series that are expected to shift when any does."""


class Challenger(eqx.Module):
    """Challengers of all series.

    Attributes:
        gram: G [memory, term, term].
        moment: r [memory, series, term].
        shift: delta, in scales of the noise per unit of the column [memory, series, term].
        evidence: C, nats [memory, series].
        since: rows for which C has been above 0 [memory, series].
    """

    gram: Float[Numbers, "memory term term"]
    moment: Float[Numbers, "memory series term"]
    shift: Float[Numbers, "memory series term"]
    evidence: Float[Numbers, "memory series"]
    since: Int[Numbers, "memory series"]


def unchallenged(series: int, terms: int) -> Challenger:
    """Challengers that have seen nothing."""
    memories = len(MEMORIES)
    return Challenger(
        gram=np.zeros((memories, terms, terms)),
        moment=np.zeros((memories, series, terms)),
        shift=np.zeros((memories, series, terms)),
        evidence=np.zeros((memories, series)),
        since=np.zeros((memories, series), np.int64),
    )


def challenged(
    before: Challenger,
    error: Float[Array, " series"],
    width: Float[Array, " series"],
    freedom: Float[Array, " series"],
    column: Float[Array, " term"],
    scale: Float[Array, " term"],
    row: Int[Array, ""],
) -> Challenger:
    """Challengers after one more row.

    Args:
        before: those before it.
        error: of the model, in scales of the noise.
        width: the factor by which weights that are not quite known widen its square.
        freedom: of the noise, nu.
        column: the lagged columns x, centered.
        scale: their standard deviation.
        row: its number; weights are moved in every `STRIDE`th.
    """
    decay = 1 - 1 / jnp.asarray(MEMORIES)[:, None, None]
    shift = jnp.asarray(before.shift)
    left = error - shift @ column
    ratio = (freedom + 1) / 2 * (jnp.log1p(error**2 / (freedom * width)) - jnp.log1p(left**2 / (freedom * width)))
    stands = jnp.any(shift != 0, axis=-1)
    evidence = jnp.where(stands, jnp.maximum(before.evidence + ratio, 0.0), 0.0)
    gram = decay * before.gram + column[:, None] * column
    psi = (freedom + 3) * left / (freedom + left**2)
    moment = decay * before.moment + psi[..., None] * column
    information = ((freedom + 1) / (freedom + 3))[:, None]
    moment, shift = jax.lax.cond(
        row % STRIDE == 0,
        lambda: _moved(gram, moment, shift, information, scale),
        lambda: (moment, shift),
    )
    return Challenger(gram, moment, shift, evidence, jnp.where(evidence > 0, before.since + 1, 0))


def _moved(
    gram: Float[Array, "memory term term"],
    moment: Float[Array, "memory series term"],
    shift: Float[Array, "memory series term"],
    information: Float[Array, "series 1"],
    scale: Float[Array, " term"],
) -> tuple[Float[Array, "memory series term"], Float[Array, "memory series term"]]:
    """r and delta after the weight of every series that gains most by it has been moved."""
    diagonal = jnp.diagonal(gram, axis1=1, axis2=2)[:, None]
    curvature = diagonal + scale**2
    price = jnp.log(curvature / scale**2) / 2 + math.log(max(len(scale) / PARENTS - 1, 1.0))
    slope = moment + diagonal * shift
    best = slope * (1 / curvature)
    worth = jnp.maximum(information * best * slope / 2 - price, 0.0)
    present = information * (slope - curvature * shift / 2) * shift - jnp.where(shift != 0, price, 0.0)
    place = jnp.argmax(worth - present, axis=-1)[..., None]
    kept = jnp.take_along_axis(worth, place, axis=-1) > 0
    chosen = jnp.where(kept, jnp.take_along_axis(best, place, axis=-1), 0.0)
    change = chosen - jnp.take_along_axis(shift, place, axis=-1)
    moment = moment - change * jnp.take_along_axis(gram, place, axis=1)
    return moment, jnp.where(jnp.arange(len(scale)) == place, chosen, shift)


def rebased(
    challenger: Challenger, change: Float[Numbers, "series term"], root: Float[Numbers, " series"]
) -> Challenger:
    """The same challengers beside another model.

    Args:
        challenger: beside the model so far.
        change: weights of that model less those of the new one, in the data's units.
        root: scale of the noise, in the data's units.
    """
    shift = np.asarray(challenger.shift) + change / np.asarray(root)[:, None]
    return Challenger(challenger.gram, challenger.moment, shift, challenger.evidence, challenger.since)


def withdrawn(challenger: Challenger, series: int) -> Challenger:
    """The challengers of one series begin anew: what they know of the rows stays, shift and evidence are 0."""
    gram, moment, shift, evidence, since = (
        np.array(part)
        for part in (challenger.gram, challenger.moment, challenger.shift, challenger.evidence, challenger.since)
    )
    moment[:, series] += np.einsum("mt,mtk->mk", shift[:, series], gram)
    shift[:, series], evidence[:, series], since[:, series] = 0.0, 0.0, 0
    return Challenger(gram, moment, shift, evidence, since)
