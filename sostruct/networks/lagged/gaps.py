r"""The missing values of a linear Gaussian process, drawn at once given all that is there.

Row t of a series follows from the L rows before it,

    x(t) = c + W_0 x(t) + sum_tau W_tau x(t - tau) + s e(t),    e(t) ~ N(0, I),

and the first L rows of every realization are N(0, I). Given the observed values, the others are Gaussian, and because
every row meets only the L before and the L after, their precision matrix is banded. `eliminated` goes through the rows
once and takes each out of the joint density of those that come later (block Cholesky, as in Rue 2001, JRSS B 63; a
Kalman filter in information form); `resolved` goes back and puts the values in. What was observed is a constant there.

**A draw from a solution.** With every `e(t)` in place of zero, perturbed as if it were data, the same two passes return
not the conditional mean but a draw from the conditional density: mean and covariance of the perturbed right-hand side
are those that the precision matrix asks for (Papandreou & Yuille 2010, NIPS 23; Durbin & Koopman 2002, Biometrika 89,
for state space models). No covariance is ever factorized or kept.

One pass takes of the order of T p^3 L^2 operations and keeps T p^2 (L + 1) numbers.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from sostruct.networks.lagged.evidence import invert
from sostruct.numerics import Numbers


class Process(eqx.Module):
    """A linear process.

    Attributes:
        weights: W_1, ..., W_L and, if effects within a step have directions, W_0 (acyclic) [variable, column].
        noise: standard deviations s [variable].
        shift: intercepts c [variable].
    """

    weights: Float[Numbers, "variable column"]
    noise: Float[Numbers, " variable"]
    shift: Float[Numbers, " variable"]


class Elimination(eqx.Module):
    """Every row given the L later ones: `x(t) = constant - reach (x(t+1), ..., x(t+L)) + N(0, spread)`."""

    constant: Float[Array, "*row variable"]
    reach: Float[Array, "*row variable link"]


def eliminated(
    seen: Float[Numbers, "row variable"],
    observed: Bool[Numbers, "row variable"],
    predicted: Bool[Numbers, " row"],
    process: Process,
    noise: Float[Numbers, "row variable"],
    max_lag: int,
) -> Elimination:
    """Takes every row out of the joint density of the later ones.

    Args:
        seen: the series, realizations one after the other, 0 where a value is missing.
        observed: which values are there.
        predicted: rows that the process explains; False for the first L of every realization.
        process: what explains them.
        noise: e(t), of the first rows their perturbation; 0 for the conditional mean.
        max_lag: L.
    """
    variables = jnp.asarray(seen).shape[1]
    links = variables * max_lag
    weights = jnp.asarray(process.weights)
    past = weights[:, :links].reshape(variables, max_lag, variables)[:, ::-1].reshape(variables, links)
    within = jnp.eye(variables)
    if weights.shape[1] > links:
        within = within - weights[:, links:]
    white = jnp.concatenate([-past, within], axis=1) / jnp.asarray(process.noise)[:, None]
    center = jnp.asarray(process.shift / process.noise)
    alone = jnp.zeros((links + variables,) * 2).at[links:, links:].set(jnp.eye(variables))
    explained = white.T @ white

    def row(
        state: tuple[Float[Array, "link link"], Float[Array, " link"]],
        own: tuple[Array, Array, Array, Array, Array],
    ) -> tuple[tuple[Float[Array, "link link"], Float[Array, " link"]], Elimination]:
        curvature, pull = state
        value, there, enters, follows, push = own
        toward = jnp.where(follows, white.T @ (center + push), jnp.zeros(links + variables).at[links:].set(push))
        curvature = jnp.pad(curvature, (0, variables)) + enters * jnp.where(follows, explained, alone)
        pull = jnp.pad(pull, (0, variables)) + enters * toward - curvature[:, :variables] @ value
        gone = ~there[:, None] & ~there
        inner = jnp.where(gone, curvature[:variables, :variables], 0.0) + jnp.diag(jnp.where(there, 1.0, 0.0))
        spread = jnp.where(gone, invert(inner)[0], 0.0)
        reach = spread @ curvature[:variables, variables:]
        found = Elimination(value + spread @ pull[:variables], reach)
        left = curvature[variables:, variables:] - curvature[variables:, :variables] @ reach
        return ((left + left.T) / 2, pull[variables:] - reach.T @ pull[:variables]), found

    noise, predicted = jnp.asarray(noise), jnp.asarray(predicted)
    ends = jnp.zeros((max_lag, variables))
    ahead = (
        jnp.concatenate([jnp.ones(len(predicted) - max_lag), jnp.zeros(max_lag)]),
        jnp.concatenate([predicted[max_lag:], jnp.zeros(max_lag, bool)]),
        jnp.concatenate([noise[max_lag:], ends]),
    )
    start = (jnp.eye(links), noise[:max_lag].ravel())
    _, found = jax.lax.scan(row, start, (jnp.asarray(seen), jnp.asarray(observed), *ahead))
    return found


def resolved(rows: Elimination) -> Float[Array, "row variable"]:
    """All values, from the last row to the first."""
    _, variables, links = rows.reach.shape

    def row(later: Float[Array, " link"], own: Elimination) -> tuple[Float[Array, " link"], Float[Array, " variable"]]:
        value = own.constant - own.reach @ later
        return jnp.concatenate([value, later[: links - variables]]), value

    _, values = jax.lax.scan(row, jnp.zeros(links), rows, reverse=True)
    return jnp.asarray(values)
