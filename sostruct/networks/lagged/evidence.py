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
recomputed from the moments at every epoch, so no rounding accumulates over a search. `prices.py` makes prices
of them, also for terms with several columns. Everything is for one target and vmapped over targets by the caller.

A noise floor kappa adds `n kappa` to y'y: the inverse-gamma prior `p(s2) ~ s2^-1 exp(-n kappa / (2 s2))`, which says
that no series is predicted better than to a share kappa of its variance. It counts on nearly deterministic data only,
where every term of a sampled flow would else be significant.

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
        log_odds: log prior odds q of each term [term], finite; a term of several columns pays once.
        allowed: terms that may enter [term].
        required: terms that may never leave [term].
        required_cause: variables of which at least one term must stay [variable].
        direction: log odds that a variable acts on the target within a step rather than anything else that links them;
            -inf where it may not [variable].
    """

    log_odds: Float[Numbers, "*target term"]
    allowed: Bool[Numbers, "*target term"]
    required: Bool[Numbers, "*target term"]
    required_cause: Bool[Numbers, "*target variable"]
    direction: Float[Numbers, "*target variable"]


class Factorization(eqx.Module):
    """One target's regression on its active columns. Padded slots have `mask` False, weight 0 and variance 0."""

    mask: Bool[Array, " slot"]
    columns: Int[Array, " slot"]
    weight: Float[Array, " slot"]
    inverse: Float[Array, "slot slot"]
    rows: Float[Array, "slot column"]
    projection: Float[Array, "slot column"]
    schur: Float[Array, " column"]
    residual_moment: Float[Array, " column"]
    rss: Float[Array, ""]
    half_log_determinant: Float[Array, ""]


def factorize(
    gram: Float[Numbers, "column column"],
    cross: Float[Numbers, " column"],
    power: Float[Numbers, ""],
    ridge: Float[Numbers, " column"],
    active: Int[Numbers, " slot"],
    mask: Bool[Numbers, " slot"],
) -> Factorization:
    """Posterior of the weights of the active columns, and the regression of every other column on them."""
    mask = jnp.asarray(mask)
    columns = jnp.where(mask, active, 0)
    rows = jnp.where(mask[:, None], gram[columns], 0.0)
    both = mask[:, None] & mask
    precision = jnp.where(both, rows[:, columns], 0.0) + jnp.diag(jnp.where(mask, ridge[columns], 1.0))
    inverse, half_log_determinant = invert(precision)
    projection = inverse @ rows
    moment = jnp.where(mask, cross[columns], 0.0)
    weight = inverse @ moment
    return Factorization(
        mask=mask,
        columns=columns,
        weight=weight,
        inverse=jnp.where(both, inverse, 0.0),
        rows=rows,
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


def log_evidence(fit: Factorization, count: Float[Numbers, ""], ridge: Float[Numbers, " column"]) -> Float[Array, ""]:
    """Log marginal density of the standardized target (natural logarithm), without the structure prior.

    `-n/2 log(pi rss) + lgamma(n/2) - 1/2 log|A_S| + 1/2 sum_S log lam`: the scale-invariant prior on the noise
    variance makes it a density from the second sample on.
    """
    log_ridge = jnp.sum(jnp.where(fit.mask, jnp.log(ridge[fit.columns]), 0.0))
    likelihood = gammaln(count / 2) - count / 2 * (math.log(math.pi) + jnp.log(fit.rss))
    return likelihood - fit.half_log_determinant + log_ridge / 2
