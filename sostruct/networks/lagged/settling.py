"""The whole search of the default rule as one compiled call, for many data sets at once.

`fixed_point.searched` runs the same search epoch by epoch through the host, which keeps the graph, its edits and a
journal; where only the last graph is wanted, of hundreds of resamples, that costs more than the arithmetic. Here every
target's rows of active columns are edited on the device: as long as an edit pays, the best of its additions, removals
and replacements (`prices.py`, the same numbers and the same order among equals) is made, and a sort puts the columns in
order. Targets do not wait for each other's edits, so each runs to its own end. Data sets run one after another, the
targets of one side by side.

Groups of lags (`groups.py`) are priced on the host where single edits end, as in a run, and searches go on from those
that pay.

Slots are few; a search that would need more stops and says so, and all are run again with twice as many: O(log)
programs, whatever is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from numpy.typing import NDArray

from sostruct.graph.packing import power_of_two
from sostruct.networks.lagged import evidence
from sostruct.networks.lagged.evidence import TargetPrior
from sostruct.networks.lagged.groups import Group, groups
from sostruct.networks.lagged.moments import LaggedData
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.networks.lagged.packed import PackedLagged, over_targets, with_rows
from sostruct.networks.lagged.prices import Layout, price, term_of
from sostruct.numerics import Numbers, double_precision

_MOST_EDITS = 200
"""Of one target in one search."""

_LEAST = 1e-6
"""Nats from which an edit pays, as for the default rule."""

_BYTES = 2**28
"""Room for the statistics of the data sets of one call."""


@dataclass(frozen=True, eq=False)
class Settled:
    """Where the searches ended.

    Attributes:
        active: active columns, ascending, 0 where masked [data set, target, slot].
        mask: slots in use [data set, target, slot].
        weight: posterior means of their weights, standardized units of each data set [data set, target, slot].
    """

    active: NDArray[np.int64]
    mask: NDArray[np.bool_]
    weight: NDArray[np.float64]


def settled(network: LaggedNetwork, datas: Sequence[LaggedData]) -> Settled:
    """The fixed point of the best edit per target on every data set, each from the network's own graph.

    Args:
        network: where every search begins, and what may be in a graph.
        datas: statistics of the same shapes.
    """
    packed = network.packed
    starts = [_rows(np.asarray(packed.active), np.asarray(packed.mask))] * len(datas)
    width, last = 0, None
    while True:
        width = power_of_two(max(len(row) for rows in starts for row in rows), max(width, packed.capacity.degree))
        packed = network.at_capacity(replace(packed.capacity, degree=width)).packed
        found, crowded = _searched(packed, datas, starts)
        if crowded:
            width *= 2
            continue
        ends = [_rows(active, mask) for active, mask in zip(found.active, found.mask, strict=True)]
        there = network.with_packed(packed)
        waiting = range(len(datas)) if last is None else [n for n, end in enumerate(ends) if end != last[n]]
        last, starts = ends, list(ends)
        for number in waiting:
            starts[number] = _grouped(there, datas[number], ends[number])
        if starts == ends:
            return found


Row = list[int]


def _rows(active: NDArray[np.int64], mask: NDArray[np.bool_]) -> list[Row]:
    """Active columns of every target."""
    return [own[used].tolist() for own, used in zip(active, mask, strict=True)]


def _grouped(network: LaggedNetwork, data: LaggedData, rows: list[Row]) -> list[Row]:
    """The rows with the best group of lags that pays made at every target."""
    there = network.with_packed(with_rows(network.packed, dict(enumerate(rows))))
    there, signals = there.epoch(data, key=jax.random.key(0))
    best: dict[int, Group] = {}
    for group in groups(there.packed, signals):
        if group.nats > max(_LEAST, best[group.target].nats if group.target in best else -np.inf):
            best[group.target] = group
    return [sorted(set(row) ^ set(best[target].terms)) if target in best else row for target, row in enumerate(rows)]


def _searched(packed: PackedLagged, datas: Sequence[LaggedData], starts: Sequence[list[Row]]) -> tuple[Settled, bool]:
    """Where single edits lead from the starts, and whether any search ran out of slots."""
    width = packed.mask.shape[1]
    size = np.asarray(datas[0].gram).nbytes + np.asarray(datas[0].cross).nbytes
    room = min(len(datas), max(1, _BYTES // size))
    ridge, cause, prior = jax.tree.map(np.asarray, (packed.ridge, packed.cause, packed.prior))
    parts = []
    for start in range(0, len(datas), room):
        members = list(zip(datas, starts, strict=True))[start : start + room]
        padded = [*members, *[members[0]] * (room - len(members))]
        mask = np.array([[np.arange(width) < len(row) for row in rows] for _, rows in padded])
        active = np.zeros(mask.shape, np.int64)
        active[mask] = [column for _, rows in padded for row in rows for column in row]
        with double_precision():
            gram, cross, power, count = (
                np.stack([np.asarray(getattr(data, name)) for data, _ in padded])
                for name in ("gram", "cross", "power", "count")
            )
            found = _search(gram, cross, power, count, ridge, cause, active, mask, prior, packed.layout)
            parts.append([np.asarray(leaf)[: len(members)] for leaf in found])
    active, mask, weight, crowded = (np.concatenate(leaves) for leaves in zip(*parts, strict=True))
    return Settled(active, mask, weight), bool(crowded.any())


class _Target(eqx.Module):
    """One target's statistics, where its search begins, and what it may have; stacked over targets."""

    cross: Float[Numbers, "*target column"]
    power: Float[Numbers, "*target"]
    active: Int[Numbers, "*target slot"]
    mask: Bool[Numbers, "*target slot"]
    prior: TargetPrior


class _End(eqx.Module):
    """A search at some edit; `room` is False where it needed more slots."""

    active: Int[Array, "*target slot"]
    mask: Bool[Array, "*target slot"]
    weight: Float[Array, "*target slot"]
    going: Bool[Array, "*target"]
    room: Bool[Array, "*target"]
    edits: Int[Array, "*target"]


@partial(jax.jit, static_argnames="layout")
def _search(
    gram: Float[Numbers, "data column column"],
    cross: Float[Numbers, "data target column"],
    power: Float[Numbers, "data target"],
    count: Float[Numbers, " data"],
    ridge: Float[Numbers, " column"],
    cause: Int[Numbers, " term"],
    active: Int[Numbers, "data target slot"],
    mask: Bool[Numbers, "data target slot"],
    prior: TargetPrior,
    layout: Layout,
) -> tuple[Array, Array, Array, Array]:
    """Active columns, their mask and weights, and where slots ran out."""
    ridge, cause = jnp.asarray(ridge), jnp.asarray(cause)

    def one(own: tuple[Array, Array, tuple[Array, Array, Array, Array]]) -> _End:
        products, rows, targets = own
        search = partial(_target, gram=products, count=rows, ridge=ridge, cause=cause, layout=layout)
        return over_targets(search, _Target(*targets, prior), mask.shape[2] * ridge.shape[0] * layout.size)

    end = jax.lax.map(one, jax.tree.map(jnp.asarray, (gram, count, (cross, power, active, mask))))
    return end.active, end.mask, end.weight, ~end.room


def _target(
    row: _Target,
    *,
    gram: Float[Array, "column column"],
    count: Float[Array, ""],
    ridge: Float[Array, " column"],
    cause: Int[Array, " term"],
    layout: Layout,
) -> _End:
    """One target's search."""
    width, nowhere = row.mask.shape[0], layout.columns
    member = jnp.arange(layout.size)

    def edit(state: _End) -> _End:
        fit = evidence.factorize(gram, row.cross, row.power, ridge, state.active, state.mask)
        gains = price(fit, count, gram, ridge, cause, row.prior, layout)
        prices = jnp.concatenate([gains.add, gains.prune, gains.rewire])
        best = jnp.argmax(prices)
        going = prices[best] > _LEAST
        removal, slot = jnp.divmod(best - layout.terms, width)
        enters = jnp.where(best < layout.terms, best, jnp.where(removal == 1, gains.replacement[slot], -1))
        leaves = jnp.where(best < layout.terms, -1, term_of(layout, state.active[slot]))
        stays = state.mask & (term_of(layout, state.active) != leaves)
        block = layout.singles + (enters - layout.singles) * layout.size + member
        columns = jnp.where(enters < layout.singles, jnp.where(member == 0, enters, -1), block)
        new = jnp.sort(
            jnp.concatenate([jnp.where(stays, state.active, nowhere), jnp.where(columns < 0, nowhere, columns)])
        )
        room = state.room & (new[width] == nowhere)
        moves = going & room
        inside = new[:width] < nowhere
        return _End(
            active=jnp.where(moves, jnp.where(inside, new[:width], 0), state.active),
            mask=jnp.where(moves, inside, state.mask),
            weight=fit.weight,
            going=moves,
            room=room | ~going,
            edits=state.edits + moves,
        )

    true = jnp.ones((), bool)
    begin = _End(
        active=jnp.asarray(row.active),
        mask=jnp.asarray(row.mask),
        weight=jnp.zeros(width, gram.dtype),
        going=true,
        room=true,
        edits=jnp.zeros((), jnp.int64),
    )
    end: _End = jax.lax.while_loop(lambda state: state.going & (state.edits < _MOST_EDITS), edit, begin)
    return end
