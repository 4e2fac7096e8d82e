"""The epochs of many networks as one compiled call: what a population runs on.

Networks whose packed arrays, data and keys agree in structure, shapes and types are stacked [member, ...] and go
through one program. How many of them there are is data: a program has room for a power of two of members and stops
after the last, so a population whose members finish one by one compiles once, and one whose groups grow O(log n) times.

On a CPU members run one after another inside the program, and every number is bit for bit what the network's own
`epoch` gives. Side by side (vmap) is no faster there (2 cores, 32 lagged networks of 10 series: 17 to 18 ms a round
either way; 4 of 100 series: 23 to 24 ms), and it rounds differently: XLA multiplies by the reciprocal where a table is
divided by a scalar and divides where the divisor is a vector of members, and sums over slots in another order, so
prices differ in their last digits, and journals with them. An accelerator needs members side by side to be busy: there
they are, while they are small, and prices agree to rounding.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PRNGKeyArray, PyTree

from sostruct.networks.base import AbstractNetwork, AbstractPacked
from sostruct.numerics import Numbers, double_precision
from sostruct.surprise import Signals

_LARGE = 64
"""Nodes from which members run one after another wherever they are, as counterfactuals do: large tables keep any
processor busy by themselves, and side by side they would all have to be in memory."""

_Network = TypeVar("_Network", bound=AbstractNetwork)


class Together:
    """Carries out epochs, those that share a program in one compiled call, and remembers how many it has room for."""

    def __init__(self) -> None:
        self._room: dict[Hashable, int] = {}

    def epochs(
        self, networks: Sequence[_Network], datas: Sequence[PyTree], keys: Sequence[PRNGKeyArray]
    ) -> list[tuple[_Network, Signals]]:
        """`network.epoch(data, key=key)` of every network, in order.

        Args:
            networks: any networks; one that never shared a program with another runs alone.
            datas: what each network's `prepare` returned.
            keys: one for each network.
        """
        members = list(zip(networks, datas, keys, strict=True))
        groups: dict[Hashable, list[int]] = {}
        for place, member in enumerate(members):
            groups.setdefault(_program(*member), []).append(place)
        found: dict[int, tuple[_Network, Signals]] = {}
        for program, places in groups.items():
            room = max(self._room.get(program, 1), 1 << (len(places) - 1).bit_length())
            self._room[program] = room
            if room == 1:
                network, data, key = members[places[0]]
                found[places[0]] = network.epoch(data, key=key)
            else:
                found.update(zip(places, _group([members[place] for place in places], room), strict=True))
        return [found[place] for place in range(len(members))]


def _program(network: AbstractNetwork, data: PyTree, key: PRNGKeyArray) -> Hashable:
    """What the compiled epoch depends on: classes, capacity and other static parts, shapes and types."""
    leaves, structure = jax.tree.flatten((network.packed, data, key))
    shapes = tuple((np.shape(leaf), getattr(leaf, "dtype", type(leaf))) for leaf in leaves)
    return type(network), network.needs_double, _side_by_side(network), structure, shapes


def _side_by_side(network: AbstractNetwork) -> bool:
    return jax.default_backend() != "cpu" and network.topology.size <= _LARGE


def _group(members: Sequence[tuple[_Network, PyTree, PRNGKeyArray]], room: int) -> list[tuple[_Network, Signals]]:
    """The epochs of networks that share a program, in a call with room for `room` of them."""
    first, count = members[0][0], len(members)
    padded = [*members, *[members[0]] * (room - count)]
    packed, data = jax.tree.map(
        lambda *column: np.stack([np.asarray(leaf) for leaf in column]),
        *((network.packed, data) for network, data, _ in padded),
    )
    keys = tuple(key for _, _, key in padded)
    with double_precision(first.needs_double):
        done = _epochs(packed, data, keys, np.asarray(count, np.int32), _side_by_side(first))
        leaves, structure = jax.tree.flatten(done)
        columns = [np.asarray(leaf) for leaf in leaves]
        found = []
        for place, (network, _, _) in enumerate(members):
            believed, signals = jax.tree.unflatten(structure, [column[place, ...] for column in columns])
            reported = network.reported(jax.tree.map(jnp.asarray, signals))
            found.append((network.with_packed(believed), reported))
    return found


@partial(jax.jit, static_argnums=4)
def _epochs(
    packed: AbstractPacked,
    data: PyTree,
    keys: tuple[PRNGKeyArray, ...],
    count: Int[Numbers, ""],
    side_by_side: bool,
) -> tuple[AbstractPacked, Signals]:
    """The epochs of the first `count` stacked members [member, ...]; later rows hold no results."""
    members = (packed, data, jnp.stack(keys))

    def epoch(own: Any) -> tuple[AbstractPacked, Signals]:
        believed: tuple[AbstractPacked, Signals] = own[0].epoch(own[1], key=own[2])
        return believed

    def row(place: Int[Array, ""]) -> Any:
        return jax.tree.map(lambda leaf: leaf[place], members)

    def step(place: Int[Array, ""], results: Any) -> Any:
        return jax.tree.map(lambda column, own: column.at[place].set(own), results, epoch(row(place)))

    if side_by_side:
        return jax.vmap(epoch)(members)
    shapes = jax.eval_shape(lambda: epoch(row(jnp.int32(0))))
    blank = jax.tree.map(lambda leaf: jnp.zeros((len(keys), *leaf.shape), leaf.dtype), shapes)
    results: tuple[AbstractPacked, Signals] = jax.lax.fori_loop(0, count, step, blank)
    return results
