"""The exact counterfactual: what the evidence would be, had the graph been edited.

Incumbent and candidates are packed to one joined capacity, padded in number to a power of two, started from identical
beliefs and run through one compiled epoch. Arrays that no candidate changes are shared, not copied. Small graphs are
vmapped; large ones run one after another inside the same program (measured: at 200 nodes `lax.map` is about 3 times
faster).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree
from numpy.typing import NDArray

from sostruct.graph import AbstractEdit
from sostruct.networks.base import AbstractNetwork, AbstractPacked
from sostruct.numerics import double_precision

_LARGE = 64
"""Nodes from which candidates run in sequence rather than vmapped."""


def evaluate(
    network: AbstractNetwork, data: PyTree, bundles: Sequence[Sequence[AbstractEdit]], *, key: PRNGKeyArray
) -> NDArray[np.float64]:
    """Log evidence with each bundle of edits minus log evidence without [bundle], nats.

    Args:
        network: the incumbent; it is not changed.
        data: what `network.prepare` returned.
        bundles: each a sequence of edits made together.
        key: used for every candidate and the incumbent alike.

    Raises:
        GraphError: an edit that does not fit the graph.
    """
    if not bundles:
        return np.zeros(0)
    edited = [network.edited(tuple(bundle), key=key) for bundle in bundles]
    capacity = reduce(lambda joined, member: joined.join(member.packed.capacity), edited, network.packed.capacity)
    packed = [member.at_capacity(capacity).packed for member in (network, *edited)]
    packed += [packed[0]] * ((1 << (len(packed) - 1).bit_length()) - len(packed))
    leaves, structures = zip(*(jax.tree.flatten(member) for member in packed), strict=True)
    shared = tuple(
        all(leaf is first for leaf in column) for column in zip(*leaves, strict=True) for first in column[:1]
    )
    with double_precision(network.needs_double):
        columns = [
            column[0] if common else jnp.stack(column)
            for column, common in zip(zip(*leaves, strict=True), shared, strict=True)
        ]
        population = jax.tree.unflatten(structures[0], columns)
        evidence = np.asarray(_evidence(population, shared, data, key, network.topology.size > _LARGE))
    return np.asarray(evidence[1 : len(bundles) + 1] - evidence[0], np.float64)


@eqx.filter_jit
def _evidence(
    population: AbstractPacked, shared: tuple[bool, ...], data: PyTree, key: PRNGKeyArray, large: bool
) -> Float[Array, " member"]:
    leaves, structure = jax.tree.flatten(population)

    def member(own: list[Array]) -> Float[Array, ""]:
        mine = iter(own)
        full = [leaf if common else next(mine) for leaf, common in zip(leaves, shared, strict=True)]
        packed: AbstractPacked = jax.tree.unflatten(structure, full)
        return packed.epoch(data, key=key)[1].evidence

    varying = [leaf for leaf, common in zip(leaves, shared, strict=True) if not common]
    return jax.lax.map(member, varying) if large else jax.vmap(member)(varying)
