"""The whole search of the default rule as one compiled call, for many data sets at once.

`fixed_point.searched` runs the same search epoch by epoch through the host, which keeps the graph, its edits and a
journal; where only the last graph is wanted, of hundreds of resamples (`settling.py`) or at every refit of a stream
(`current.py`), that costs more than the arithmetic. Here every target's rows of active columns are edited on the
device: as long as an edit pays, the best of its additions, removals and replacements (`prices.py`, the same numbers and
the same order among equals) is made, and a sort puts the columns in order. Targets do not wait for each other's edits,
so each runs to its own end. Data sets run one after another, the targets of one side by side.

An edit that needs more slots than there are is not made, and the search says so: callers give more and search again, or
take what is found. Nothing but sizes and the layout of terms reaches the compiled program.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from sostruct.networks.lagged.evidence import TargetPrior, factorize
from sostruct.networks.lagged.moments import LaggedData
from sostruct.networks.lagged.packed import PackedLagged, over_targets
from sostruct.networks.lagged.prices import Layout, price, structure, term_of
from sostruct.numerics import Numbers, double_precision

LEAST = 1e-6
"""Nats from which an edit pays, as for the default rule."""

_MOST_EDITS = 200
"""Of one target in one search."""


class Ends(eqx.Module):
    """Where searches ended, and the posteriors there; a case is a target, or a target of a data set.

    Weights are in the standardized units of the data set.

    Attributes:
        active: active columns, ascending, 0 where masked.
        mask: slots in use.
        weight: posterior means of their weights, 0 where masked.
        inverse: A_S^-1, 0 where masked.
        rss: what is left of the sum of squares, ridge included.
        penalty: log evidence of the set, structure prior included, but for what errors add, nats.
        crowded: whether an edit was left out for want of slots.
    """

    active: Int[Numbers, "*case slot"]
    mask: Bool[Numbers, "*case slot"]
    weight: Float[Numbers, "*case slot"]
    inverse: Float[Numbers, "*case slot slot"]
    rss: Float[Numbers, "*case"]
    penalty: Float[Numbers, "*case"]
    crowded: Bool[Numbers, "*case"]


def ascended(
    packed: PackedLagged,
    datas: Sequence[LaggedData],
    active: Int[Numbers, "data target slot"],
    mask: Bool[Numbers, "data target slot"],
) -> Ends:
    """Where single edits lead on every data set, as NumPy arrays.

    Args:
        packed: what may be a parent, and how likely it is.
        datas: statistics of the same shapes.
        active, mask: where every search begins: active columns, ascending, and the slots in use.
    """
    ridge, cause, prior = jax.tree.map(np.asarray, (packed.ridge, packed.cause, packed.prior))
    with double_precision():
        gram, cross, power, count = (
            np.stack([np.asarray(getattr(data, name)) for data in datas])
            for name in ("gram", "cross", "power", "count")
        )
        found = _search(
            gram, cross, power, count, ridge, cause, np.asarray(active), np.asarray(mask), prior, packed.layout
        )
        ends: Ends = jax.tree.map(np.asarray, found)
    return ends


class _Target(eqx.Module):
    """One target's statistics, where its search begins, and what it may have; stacked over targets. `gram` is None
    where all share one."""

    gram: Float[Numbers, "*target column column"] | None
    count: Float[Numbers, "*target"]
    cross: Float[Numbers, "*target column"]
    power: Float[Numbers, "*target"]
    active: Int[Numbers, "*target slot"]
    mask: Bool[Numbers, "*target slot"]
    prior: TargetPrior


class _Rows(eqx.Module):
    """A search at some edit."""

    active: Int[Array, " slot"]
    mask: Bool[Array, " slot"]
    going: Bool[Array, ""]
    crowded: Bool[Array, ""]
    edits: Int[Array, ""]


@partial(jax.jit, static_argnames="layout")
def _search(
    gram: Float[Numbers, "data *target column column"],
    cross: Float[Numbers, "data target column"],
    power: Float[Numbers, "data target"],
    count: Float[Numbers, "*data"],
    ridge: Float[Numbers, " column"],
    cause: Int[Numbers, " term"],
    active: Int[Numbers, "data target slot"],
    mask: Bool[Numbers, "data target slot"],
    prior: TargetPrior,
    layout: Layout,
) -> Ends:
    """Every search, and its posteriors."""
    ridge, cause = jnp.asarray(ridge), jnp.asarray(cause)

    def one(own: tuple[Array, Array, tuple[Array, Array, Array, Array]]) -> Ends:
        products, rows, targets = own
        search = partial(_target, shared=products, ridge=ridge, cause=cause, layout=layout)
        apart = products if products.ndim == 3 else None
        stacked = _Target(apart, jnp.broadcast_to(rows, targets[1].shape), *targets, prior)
        return over_targets(search, stacked, mask.shape[2] * ridge.shape[0] * layout.size)

    ends: Ends = jax.lax.map(one, jax.tree.map(jnp.asarray, (gram, count, (cross, power, active, mask))))
    return ends


def _target(
    row: _Target,
    *,
    shared: Float[Array, "*target column column"],
    ridge: Float[Array, " column"],
    cause: Int[Array, " term"],
    layout: Layout,
) -> Ends:
    """One target's search."""
    gram, count = shared if row.gram is None else jnp.asarray(row.gram), jnp.asarray(row.count)
    width, nowhere = row.mask.shape[0], layout.columns
    member = jnp.arange(layout.size)
    term = jnp.arange(layout.terms)

    def edit(state: _Rows) -> _Rows:
        fit = factorize(gram, row.cross, row.power, ridge, state.active, state.mask)
        gains = price(fit, count, gram, ridge, cause, row.prior, layout)
        own = term_of(layout, state.active)
        free = width - jnp.sum(state.mask)
        leaving = jnp.sum(state.mask & (own[:, None] == own), axis=1)
        fits = jnp.concatenate(
            [
                _size(layout, term) <= free,
                jnp.ones(width, bool),
                _size(layout, gains.replacement) <= free + leaving,
            ]
        )
        every = jnp.concatenate([gains.add, gains.prune, gains.rewire])
        prices = jnp.where(fits, every, -jnp.inf)
        best = jnp.argmax(prices)
        going = prices[best] > LEAST
        removal, slot = jnp.divmod(best - layout.terms, width)
        enters = jnp.where(best < layout.terms, best, jnp.where(removal == 1, gains.replacement[slot], -1))
        leaves = jnp.where(best < layout.terms, -1, own[slot])
        stays = state.mask & (own != leaves)
        block = layout.singles + (enters - layout.singles) * layout.size + member
        columns = jnp.where(enters < layout.singles, jnp.where(member == 0, enters, -1), block)
        new = jnp.sort(
            jnp.concatenate([jnp.where(stays, state.active, nowhere), jnp.where(columns < 0, nowhere, columns)])
        )[:width]
        return _Rows(
            active=jnp.where(going, jnp.where(new < nowhere, new, 0), state.active),
            mask=jnp.where(going, new < nowhere, state.mask),
            going=going,
            crowded=state.crowded | (jnp.max(every) > jnp.maximum(prices[best], LEAST)),
            edits=state.edits + going,
        )

    begin = _Rows(
        active=jnp.asarray(row.active),
        mask=jnp.asarray(row.mask),
        going=jnp.ones((), bool),
        crowded=jnp.zeros((), bool),
        edits=jnp.zeros((), jnp.int64),
    )
    end: _Rows = jax.lax.while_loop(lambda state: state.going & (state.edits < _MOST_EDITS), edit, begin)
    fit = factorize(gram, row.cross, row.power, ridge, end.active, end.mask)
    log_ridge = jnp.sum(jnp.where(end.mask, jnp.log(ridge[fit.columns]), 0.0))
    return Ends(
        active=end.active,
        mask=end.mask,
        weight=jnp.where(end.mask, fit.weight, 0.0),
        inverse=fit.inverse,
        rss=fit.rss,
        penalty=log_ridge / 2 + structure(fit, row.prior, layout) - fit.half_log_determinant,
        crowded=end.crowded,
    )


def _size(layout: Layout, term: Int[Array, " term"]) -> Int[Array, " term"]:
    """How many columns terms have."""
    return jnp.where(term < layout.singles, 1, layout.size)
