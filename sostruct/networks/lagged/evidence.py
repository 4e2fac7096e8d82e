r"""The evidence of a parent set, and the price of every edit of it, from one factorization.

One target y (n samples, standardized) and K standardized terms Z with G = Z'Z, c = Z'y. For an active set S, ridge
`lam_k` (unit information: 1) and log prior odds `q_k` per term, the normal-inverse-gamma model

    y | w, s2 ~ N(Z_S w, s2 I),   w_k | s2 ~ N(0, s2 / lam_k),   p(s2) ~ 1 / s2

has, up to terms that do not depend on S, the log evidence plus log prior

    F(S) = -n/2 log rss_S - 1/2 log|A_S| + 1/2 sum_S log lam_k + sum_S q_k,
    A_S = G_SS + diag(lam_S),   rss_S = y'y - c_S' A_S^-1 c_S.

With P = A_S^-1, b = P c_S, W = P G_S., d = diag(G) + lam - sum_S G_S. W and r = c - b' G_S. (Schur complements and
residual moments of all terms at once):

    add k        -n/2 log(1 - r_k^2 / (d_k rss)) - 1/2 log d_k  + 1/2 log lam_k + q_k
    prune s      -n/2 log(1 + b_s^2 / (P_ss rss)) - 1/2 log P_ss - 1/2 log lam_s - q_s
    rewire s->k  prune s, then add k with  d_k + W_sk^2 / P_ss,  r_k + W_sk b_s / P_ss,  rss + b_s^2 / P_ss

The prune price is Bayesian model reduction (Friston & Penny 2011, NeuroImage 56): nothing is refitted. All of it is
recomputed from the moments at every epoch, so no rounding accumulates over a search. Everything here is written for one
target and vmapped over targets by the caller.

References: Zellner 1971 (normal-inverse-gamma regression); Kass & Wasserman 1995, JASA 90 (unit information).
"""

from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.special import gammaln
from jaxtyping import Array, Bool, Float, Int

from sostruct.numerics import Numbers

ALMOST_ALL = 1.0 - 1e-14
"""Largest share of the residual one term may explain: keeps a price finite on noiseless data, where it rounds to 1."""


class TargetPrior(eqx.Module):
    """What may be a parent of a target, and how likely that is beforehand; stacked over targets in a network.

    Attributes:
        log_odds: log prior odds q of each term [term], finite.
        allowed: terms that may enter [term].
        required: terms that may never leave [term].
        required_cause: variables of which at least one term must stay [variable].
    """

    log_odds: Float[Numbers, "*target term"]
    allowed: Bool[Numbers, "*target term"]
    required: Bool[Numbers, "*target term"]
    required_cause: Bool[Numbers, "*target variable"]


class Factorization(eqx.Module):
    """One target's regression on its active terms. Padded slots have `mask` False, weight 0 and variance 0."""

    mask: Bool[Array, " slot"]
    terms: Int[Array, " slot"]
    weight: Float[Array, " slot"]
    inverse: Float[Array, "slot slot"]
    projection: Float[Array, "slot term"]
    schur: Float[Array, " term"]
    residual_moment: Float[Array, " term"]
    rss: Float[Array, ""]
    half_log_determinant: Float[Array, ""]


class TargetGains(eqx.Module):
    """Prices at one target, nats; -inf where a move is not legal.

    Attributes:
        add: of each absent term [term].
        prune: of each active slot [slot].
        rewire: of removing each active slot for its best replacement [slot].
        replacement: that replacement [slot].
    """

    add: Float[Array, " term"]
    prune: Float[Array, " slot"]
    rewire: Float[Array, " slot"]
    replacement: Int[Array, " slot"]


def factorize(
    gram: Float[Numbers, "term term"],
    cross: Float[Numbers, " term"],
    power: Float[Numbers, ""],
    ridge: Float[Numbers, " term"],
    active: Int[Numbers, " slot"],
    mask: Bool[Numbers, " slot"],
) -> Factorization:
    """Posterior of the weights of the active terms, and the regression of every other term on them."""
    mask = jnp.asarray(mask)
    terms = jnp.where(mask, active, 0)
    rows = jnp.where(mask[:, None], gram[terms], 0.0)
    both = mask[:, None] & mask
    precision = jnp.where(both, rows[:, terms], 0.0) + jnp.diag(jnp.where(mask, ridge[terms], 1.0))
    inverse, half_log_determinant = invert(precision)
    projection = inverse @ rows
    moment = jnp.where(mask, cross[terms], 0.0)
    weight = inverse @ moment
    return Factorization(
        mask=mask,
        terms=terms,
        weight=weight,
        inverse=jnp.where(both, inverse, 0.0),
        projection=projection,
        schur=jnp.maximum(jnp.diagonal(gram) + ridge - jnp.sum(rows * projection, axis=0), ridge),
        residual_moment=jnp.asarray(cross - weight @ rows),
        rss=jnp.asarray(power - weight @ moment),
        half_log_determinant=half_log_determinant,
    )


def sweep(matrix: Float[Array, "slot slot"], k: Int[Array, ""]) -> Float[Array, "slot slot"]:
    """A symmetric matrix with index k swept in, or out again if it was in.

    With pivot d = a_kk, a_ij becomes `a_ij - a_ik a_kj / d`, row and column k `a_kj / |d|` and a_kk `-1 / d`. Sweeping
    the indices of S in [G + diag(lam), c; c', y'y] leaves minus A_S^-1 in S, Schur complements on the rest of the
    diagonal, weights and residual moments in the last column and rss in the corner (Beaton 1964; Goodnight 1979, The
    American Statistician 33).
    """
    index = jnp.arange(matrix.shape[0])
    column = matrix[:, k]
    pivot = column[k]
    edge = jnp.where(index == k, -1 / pivot, column / jnp.abs(pivot))
    inner = matrix - column[:, None] * (column / pivot)
    return jnp.where((index == k)[:, None], edge, jnp.where(index == k, edge[:, None], inner))


def invert(matrix: Float[Array, "slot slot"]) -> tuple[Float[Array, "slot slot"], Float[Array, ""]]:
    """Inverse of a symmetric positive definite matrix and half its log determinant, by sweeping every index in turn.

    After all of them the matrix is minus its inverse and the pivots multiply to its determinant. As fast as LAPACK at
    these sizes, and unlike its batched kernels it takes no lock on the thread pool: two of those in one program can
    wait for each other for ever on two processors (jaxlib 0.10).
    """

    def step(
        current: Float[Array, "slot slot"], k: Int[Array, ""]
    ) -> tuple[Float[Array, "slot slot"], Float[Array, ""]]:
        return sweep(current, k), current[k, k]

    swept, pivots = jax.lax.scan(step, matrix, jnp.arange(matrix.shape[0]))
    return -swept, jnp.sum(jnp.log(pivots)) / 2


def log_evidence(fit: Factorization, count: Float[Numbers, ""], ridge: Float[Numbers, " term"]) -> Float[Array, ""]:
    """Log marginal density of the standardized target (natural logarithm), without the structure prior.

    `-n/2 log(pi rss) + lgamma(n/2) - 1/2 log|A_S| + 1/2 sum_S log lam`: the scale-invariant prior on the noise
    variance makes it a density from the second sample on.
    """
    log_ridge = jnp.sum(jnp.where(fit.mask, jnp.log(ridge[fit.terms]), 0.0))
    likelihood = gammaln(count / 2) - count / 2 * (math.log(math.pi) + jnp.log(fit.rss))
    return likelihood - fit.half_log_determinant + log_ridge / 2


def price(
    fit: Factorization,
    count: Float[Numbers, ""],
    ridge: Float[Numbers, " term"],
    cause: Int[Numbers, " term"],
    prior: TargetPrior,
) -> TargetGains:
    """The price of every addition, removal and replacement at one target (module docstring)."""
    half = count / 2
    present = jnp.zeros(prior.allowed.shape, bool).at[fit.terms].max(fit.mask)
    absent = prior.allowed & ~present
    entry = jnp.log(ridge) / 2 + prior.log_odds

    def addition(
        schur: Float[Array, "*slot term"], moment: Float[Array, "*slot term"], rss: Float[Array, "*slot 1"]
    ) -> Float[Array, "*slot term"]:
        explained = jnp.minimum(moment**2 / (schur * rss), ALMOST_ALL)
        return entry - half * jnp.log1p(-explained) - jnp.log(schur) / 2

    variance = jnp.where(fit.mask, jnp.diagonal(fit.inverse), 1.0)
    released = fit.weight**2 / variance
    prune = -half * jnp.log1p(released / fit.rss) - jnp.log(variance) / 2 - entry[fit.terms]
    slot_cause = cause[fit.terms]
    siblings = jnp.sum(fit.mask & (slot_cause[:, None] == slot_cause), axis=1)
    last = prior.required_cause[slot_cause] & (siblings == 1)
    removable = fit.mask & ~prior.required[fit.terms]

    schur = fit.schur + fit.projection**2 / variance[:, None]
    moment = fit.residual_moment + fit.projection * (fit.weight / variance)[:, None]
    legal = absent & (~last[:, None] | (slot_cause[:, None] == cause))
    swap = jnp.where(legal, addition(schur, moment, (fit.rss + released)[:, None]), -jnp.inf)
    replacement = jnp.argmax(swap, axis=1)
    return TargetGains(
        add=jnp.where(absent, addition(fit.schur, fit.residual_moment, fit.rss[None]), -jnp.inf),
        prune=jnp.where(removable & ~last, prune, -jnp.inf),
        rewire=jnp.where(removable, prune + jnp.max(swap, axis=1), -jnp.inf),
        replacement=replacement,
    )
