r"""One draw of missing values, graph and weights after the other, in chains side by side: what `augmentation.py` runs.

1. All missing values given graph, weights and noise (`gaps.py`).
2. Per target, the parent set given the completed series, weights and noise integrated out: the chain of `sampling.py`,
   in its own time, for `_TIME` units of it. Only at a fixed time is where it stands a draw; in that time every term has
   been asked `_TIME` times on average.
3. Noise and weights given parent set and completed series. Their normal posterior is drawn as in `gaps.py`, from
   perturbed data; the moment prior, prod lam w^2 / s2, picks one of `_PICKS` draws in proportion to it.

Everything that may differ between two runs on series of one shape is data: one program serves all.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray
from numpy.typing import NDArray

from sostruct.networks.lagged.gaps import Process, eliminated, resolved
from sostruct.networks.lagged.sampling import TOGETHER, Averages, Target, chain, entry, joint
from sostruct.numerics import Numbers

_TIME = 4.0
_MOST_MOVES = 64
_PICKS = 8

Table = NDArray[np.float64]


class Gaps(NamedTuple):
    """A series with gaps, about standardized.

    Attributes:
        seen: realizations one after the other, 0 where a value is missing [row, variable].
        observed: which values are there [row, variable].
        predicted: rows with L rows of the same realization before them [row].
    """

    seen: Table
    observed: NDArray[np.bool_]
    predicted: NDArray[np.bool_]


class Sums(eqx.Module):
    """What is averaged: of one draw, or over all."""

    first: Float[Array, " column"]
    second: Float[Array, "column column"]
    value: Float[Array, "row variable"]
    square: Float[Array, "row variable"]
    held: Averages
    chance: Float[Array, "target term"]


class State(eqx.Module):
    """Where the chains stand, one beside the other, and averages over all."""

    active: Bool[Numbers, "chain target candidate"]
    process: Process
    sums: Sums


@eqx.filter_jit
def drawn(
    gaps: Gaps,
    ridge: Float[Numbers, " term"],
    rows: Target,
    odds: Float[Numbers, "target term"],
    inside: Bool[Numbers, "chain target candidate"],
    process: Process,
    max_lag: int,
    draws: Int[Numbers, ""],
    skipped: Int[Numbers, ""],
    key: PRNGKeyArray,
) -> State:
    """`draws` draws after `skipped` ones, and where they end.

    Args:
        gaps: the series.
        ridge: lam.
        rows: candidates of every target; its statistics and parent sets are those of the draws.
        odds: log prior odds of all terms, -inf where forbidden.
        inside: parent sets to start from.
        process: to start from, stacked over chains.
        max_lag: L.
        draws, skipped: of every chain.
        key: of the draws.
    """
    seen, observed, predicted = (jnp.asarray(part) for part in gaps)
    ridge, odds = jnp.asarray(ridge), jnp.asarray(odds)
    length, variables = seen.shape
    terms = ridge.shape[0]
    count = jnp.sum(predicted).astype(seen.dtype)
    weight = predicted[:, None].astype(seen.dtype)

    def draw(
        key: PRNGKeyArray, active: Bool[Numbers, "target candidate"], process: Process
    ) -> tuple[Bool[Numbers, "target candidate"], Process, Sums]:
        fill, pick, perturb, freedom, center = jax.random.split(key, 5)
        noise = jax.random.normal(fill, seen.shape, seen.dtype)
        values = resolved(eliminated(seen, observed, predicted, process, noise, max_lag))
        columns = jnp.concatenate([jnp.roll(values, lag, axis=0) for lag in range(max_lag + 1)], axis=1) * weight
        first, second = columns.sum(axis=0), columns.T @ columns
        mean = first / count
        scale = jnp.sqrt(jnp.diagonal(second) / count - mean**2)
        standard = (columns - mean) / scale * weight
        own = jnp.arange(variables, variables + terms) % columns.shape[1]  # lag 0, if at all, stands last
        past, target_scale = standard[:, own], scale[:variables]
        gram, cross = past.T @ past, standard[:, :variables].T @ past

        def target(one: tuple[Target, Array, Array]) -> tuple[Array, Array, Array, Averages, Array]:
            row, odds, freedom = one
            most = jnp.asarray(_MOST_MOVES)
            end = chain(row, joint(row, gram, ridge), ridge[row.places], most, pick, burn_in=0, limit=_TIME)
            there, rss = end.active, end.matrix[-1, -1]
            inverse = jnp.where(there[:, None] & there, -end.matrix[:-1, :-1], 0.0)
            mean = jnp.where(there, end.matrix[:-1, -1], 0.0)
            deviation = jnp.sqrt(rss / freedom)
            data, beyond, choice = jax.random.split(jax.random.fold_in(perturb, row.number), 3)
            push = jax.random.normal(data, (_PICKS, length), seen.dtype) @ past[:, row.places]
            push += jax.random.normal(beyond, push.shape, seen.dtype) * jnp.sqrt(ridge[row.places])
            weights = mean + deviation * (push @ inverse)
            sizes = jnp.sum(jnp.where(there, jnp.log(weights**2), 0.0), axis=1)
            chosen = weights[jax.random.categorical(choice, sizes)]
            held = jax.tree.map(lambda part: part / end.time, end.held)
            beside = gram[row.places]
            schur = jnp.diagonal(gram) + ridge - jnp.sum(beside * (inverse @ beside), axis=0)
            moment = row.cross - mean @ beside
            outside = jax.nn.sigmoid(entry(jnp.maximum(schur, ridge), moment, rss, ridge, count) + odds)
            chance = outside.at[row.places].set(held.term)
            return there, jnp.zeros(terms).at[row.places].set(chosen), deviation, held, chance

        now = eqx.tree_at(
            lambda parts: (parts.count, parts.cross, parts.power, parts.active),
            rows,
            (jnp.full(variables, count), cross, jnp.full(variables, count), active),
        )
        chi = 2 * jax.random.gamma(freedom, count / 2, (variables,), seen.dtype)
        active, weights, deviation, held, chance = jax.lax.map(
            target, (now, odds, chi), batch_size=min(TOGETHER, variables)
        )
        weights = weights * target_scale[:, None] / scale[own]
        deviation = deviation * target_scale
        doubt = jax.random.normal(center, (variables,), seen.dtype) / jnp.sqrt(count)
        shift = mean[:variables] - weights @ mean[own] + deviation * doubt
        sums = Sums(first, second, values, values**2, held, chance)
        return active, Process(weights, deviation, shift), sums

    def together(number: Int[Array, ""], state: State) -> State:
        keys = jax.random.split(jax.random.fold_in(key, number), inside.shape[0])
        active, process, now = jax.vmap(draw)(keys, state.active, state.process)
        share = jnp.where(number >= skipped, 1.0 / draws, 0.0)
        sums = jax.tree.map(lambda so_far, one: so_far + share * one.mean(axis=0), state.sums, now)
        return State(active, process, sums)

    candidates, column = jnp.zeros(rows.places.shape), variables * (max_lag + 1)
    nothing = Sums(
        first=jnp.zeros(column),
        second=jnp.zeros((column, column)),
        value=jnp.zeros(seen.shape),
        square=jnp.zeros(seen.shape),
        held=Averages(candidates, candidates, candidates),
        chance=jnp.zeros(odds.shape),
    )
    start = State(jnp.asarray(inside), jax.tree.map(jnp.asarray, process), nothing)
    end: State = jax.lax.fori_loop(0, draws + skipped, together, start)
    return end
