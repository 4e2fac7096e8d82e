"""The compiled half of a lagged network: active terms as data, one regression per target.

The capacity's `degree` is the number of parent slots per target. Everything else that sets a shape (variables, terms)
comes from the data's own statistics, so a run recompiles only when some target outgrows its slots: O(log) times.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from sostruct.graph import Capacity
from sostruct.networks.base import AbstractPacked
from sostruct.networks.lagged import evidence
from sostruct.networks.lagged.evidence import TargetPrior
from sostruct.networks.lagged.moments import LaggedData
from sostruct.networks.lagged.prices import Layout, TargetGains, couplings, price, structure
from sostruct.numerics import Numbers
from sostruct.surprise import AbstractGains, Signals

_CHUNK_ELEMENTS = 2**21
"""Elements of one slot x term table that a chunk of targets may hold (16 MiB in float64, some six tables live)."""

Rows = TypeVar("Rows")
Outcome = TypeVar("Outcome")


class LaggedGains(AbstractGains):
    """Prices of every edit of one term at every target, nats; -inf where a move is not legal.

    Attributes:
        add: of each absent term [target, term].
        prune: of each active term, at its first slot [target, slot].
        rewire: of its best replacement, at its first slot [target, slot].
        replacement: the replacing term [target, slot].
        schur: Schur complement d of each column given the active ones [target, column].
        residual_moment: residual moment r of each column; an absent one would enter with weight r / d [target, column].
        couplings: Schur complements between the lags of each variable (`prices.couplings`) [target, pair]; None where
            there are none.
        reducible: nats of the best of them, floored at 0 [target].
    """

    add: Float[Array, "target term"]
    prune: Float[Array, "target slot"]
    rewire: Float[Array, "target slot"]
    replacement: Int[Array, "target slot"]
    schur: Float[Array, "target column"]
    residual_moment: Float[Array, "target column"]
    couplings: Float[Array, "target pair"] | None
    reducible: Float[Array, " target"]


class PackedLagged(AbstractPacked):
    """Arrays of a lagged network.

    What an edit writes may be NumPy arrays; they reach the device with the next epoch, and change no program.

    Attributes:
        active: active column of each slot, ascending, 0 where masked [target, slot].
        mask: which slots are in use [target, slot].
        weight: posterior mean of each active weight, standardized units [target, slot].
        inverse: A_S^-1: posterior scale of the active weights over the noise variance [target, slot, slot].
        noise: residual variance rss / n, standardized units [target].
        ridge: prior precision of each weight, in units of the noise precision [column].
        cause: variable number of each term [term].
        prior: what may be a parent of each target [target, ...].
        layout: which columns each term has.
        capacity: the sizes compiled code depends on.
    """

    active: Int[Numbers, "target slot"]
    mask: Bool[Numbers, "target slot"]
    weight: Float[Numbers, "target slot"]
    inverse: Float[Numbers, "target slot slot"]
    noise: Float[Numbers, " target"]
    ridge: Float[Numbers, " column"]
    cause: Int[Numbers, " term"]
    prior: TargetPrior
    layout: Layout = eqx.field(static=True)
    capacity: Capacity = eqx.field(static=True)

    @property
    def at_rest(self) -> bool:
        """True: an epoch begins anew, and finds the same."""
        return True

    def epoch(self, data: LaggedData, *, key: PRNGKeyArray) -> tuple[PackedLagged, Signals]:
        """Exact posteriors of the present graph and the price of every edit of it. Deterministic: `key` is unused."""
        del key
        ridge, cause = jnp.asarray(self.ridge), jnp.asarray(self.cause)
        variables = self.prior.required_cause.shape[-1]

        def target(row: _Row) -> _Outcome:
            gram = jnp.asarray(data.gram if row.gram is None else row.gram)
            fit = evidence.factorize(gram, row.cross, row.power, ridge, row.active, row.mask)
            return _Outcome(
                gains=price(fit, row.count, gram, ridge, cause, row.prior, self.layout),
                weight=fit.weight,
                inverse=fit.inverse,
                schur=fit.schur,
                residual_moment=fit.residual_moment,
                couplings=couplings(fit, gram, variables, self.layout),
                rss=fit.rss,
                likelihood=evidence.log_evidence(fit, row.count, ridge),
                structure=structure(fit, row.prior, self.layout),
            )

        count = jnp.broadcast_to(jnp.asarray(data.count), data.power.shape)
        own = data.gram if data.gram.ndim == 3 else None
        rows = _Row(own, count, data.cross, data.power, self.active, self.mask, self.prior)
        found = over_targets(target, rows, self.mask.shape[1] * self.ridge.shape[0] * self.layout.size)
        gains = found.gains
        noise = found.rss / count
        best = [jnp.max(table, axis=1) for table in (gains.add, gains.prune, gains.rewire)]
        signals = Signals(
            surprise=-found.likelihood,
            expected=jnp.asarray(count / 2 * (jnp.log(noise) + math.log(2 * math.pi) + 1)),
            error=jnp.sqrt(noise),
            precision=1 / noise,
            count=count,
            evidence=jnp.sum(found.likelihood) + jnp.sum(found.structure),
            gains=LaggedGains(
                add=gains.add,
                prune=gains.prune,
                rewire=gains.rewire,
                replacement=gains.replacement,
                schur=found.schur,
                residual_moment=found.residual_moment,
                couplings=found.couplings,
                reducible=jnp.maximum(jnp.maximum(best[0], jnp.maximum(best[1], best[2])), 0.0),
            ),
        )
        believed = eqx.tree_at(
            lambda packed: (packed.weight, packed.inverse, packed.noise), self, (found.weight, found.inverse, noise)
        )
        return believed, signals


class _Row(eqx.Module):
    """What one target's regression is made from; stacked over targets. `gram` is None where all share one."""

    gram: Float[Numbers, "*target column column"] | None
    count: Float[Numbers, "*target"]
    cross: Float[Numbers, "*target column"]
    power: Float[Numbers, "*target"]
    active: Int[Numbers, "*target slot"]
    mask: Bool[Numbers, "*target slot"]
    prior: TargetPrior


class _Outcome(eqx.Module):
    """What one target's regression gives; stacked over targets."""

    gains: TargetGains
    weight: Float[Array, "*target slot"]
    inverse: Float[Array, "*target slot slot"]
    schur: Float[Array, "*target column"]
    residual_moment: Float[Array, "*target column"]
    couplings: Float[Array, "*target pair"] | None
    rss: Float[Array, "*target"]
    likelihood: Float[Array, "*target"]
    structure: Float[Array, "*target"]


def over_targets(function: Callable[[Rows], Outcome], rows: Rows, elements_per_target: int) -> Outcome:
    """`function` over all targets, vmapped within equal chunks whose slot x term tables fit `_CHUNK_ELEMENTS`."""
    targets = jax.tree.leaves(rows)[0].shape[0]
    chunks = -(-targets // max(1, _CHUNK_ELEMENTS // elements_per_target))
    if chunks == 1:
        return jax.vmap(function)(rows)
    chunk = -(-targets // chunks)
    mapped: Outcome = jax.lax.map(function, rows, batch_size=chunk)
    return mapped


def with_rows(packed: PackedLagged, rows: Mapping[int, Sequence[int]]) -> PackedLagged:
    """The same arrays with other active columns at some targets; what stays keeps weight and covariance bit for bit.

    Args:
        packed: arrays with at least as many slots as the longest row.
        rows: active columns of each changed target, ascending.
    """
    if not rows:
        return packed
    active, mask, weight, inverse = (
        np.array(leaf) for leaf in (packed.active, packed.mask, packed.weight, packed.inverse)
    )
    changed = np.fromiter(rows, np.int64)
    lengths = np.array([len(row) for row in rows.values()])
    width = mask.shape[1]
    new_mask = np.arange(width) < lengths[:, None]
    new_active = np.zeros((len(changed), width), np.int64)
    new_active[new_mask] = [column for row in rows.values() for column in row]
    stays = (new_active[:, :, None] == active[changed][:, None, :]) & new_mask[:, :, None] & mask[changed][:, None, :]
    case, after, before = np.nonzero(stays)
    new_weight = np.zeros((len(changed), width))
    new_weight[case, after] = weight[changed[case], before]
    source = np.full((len(changed), width), -1)
    source[case, after] = before
    kept = (source >= 0)[:, :, None] & (source >= 0)[:, None, :]
    moved = inverse[changed[:, None, None], source[:, :, None], source[:, None, :]]
    active[changed], mask[changed], weight[changed] = new_active, new_mask, new_weight
    inverse[changed] = np.where(kept, moved, 0.0)
    return PackedLagged(
        active=active,
        mask=mask,
        weight=weight,
        inverse=inverse,
        noise=packed.noise,
        ridge=packed.ridge,
        cause=packed.cause,
        prior=packed.prior,
        layout=packed.layout,
        capacity=packed.capacity,
    )
