"""Which inputs are parts of one observed variable, by position: static for one graph, tables for any graph.

A categorical variable is a leaf for every label and a normal one a leaf for every sufficient statistic, so that each
part has parents of its own and takes part in edits like any other leaf. Only their density is of the whole; it needs
to know, for every part, where the others are. `Group` says that for one graph, `Parts` for all inputs of a packed one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

Real: TypeAlias = Any


@final
@dataclass(frozen=True, slots=True)
class Group:
    """One variable by the positions of its parts.

    Args:
        parts: all of them, in the order of the inputs.
        first: those that observe a column of the data as it is, column by column; empty where parts are labels.
        second: those that observe the product of two columns, by row and column.
    """

    parts: tuple[int, ...]
    first: tuple[int, ...] = ()
    second: tuple[tuple[int, ...], ...] = ()


@final
class Parts(eqx.Module):
    """The variables of some inputs as tables; an input that is no part of any is a variable of its own.

    Attributes:
        leader: position of the first part of the variable [input].
        first: where the statistic of each single column is, in the rows of leaders; 0 in padding [input, column].
        second: where the statistic of each product of two columns is [input, column, column].
        real: 1 where the variable has so many columns [input, column].
    """

    leader: Any
    first: Any
    second: Any
    real: Any

    def sums(self, numbers: Real) -> Array:
        """Sums over the parts of every input's variable [input]."""
        leader = jnp.asarray(self.leader)
        same = (leader[:, None] == leader[None, :]).astype(numbers.dtype)
        return jnp.sum(same * numbers[None, :], -1)


def tabulated(groups: Sequence[Group], width: int, columns: int) -> Parts:
    """The tables of some variables among `width` inputs, none of which has more than so many columns."""
    leader = np.arange(width, dtype=np.int32)
    first, second = np.zeros((width, columns), np.int32), np.zeros((width, columns, columns), np.int32)
    real = np.zeros((width, columns))
    for group in groups:
        head, size = group.parts[0], len(group.first)
        leader[list(group.parts)] = head
        if size:
            first[head, :size], real[head, :size] = group.first, 1.0
            second[head, :size, :size] = group.second
    return Parts(leader, first, second, real)


def taken(numbers: Real, places: Real) -> Array:
    """Entries at places that are known to be in range."""
    return jnp.take(numbers, places, axis=0, mode="clip")


def moved(parts: Parts) -> Parts:
    """On the device."""
    placed: Parts = jax.tree.map(jnp.asarray, parts)
    return placed
