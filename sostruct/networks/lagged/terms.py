"""The term table: which functions of the past may predict a target.

A term is a function of one or more lagged variables; edits act on terms, and edges of the graph are the projection of
the active ones. The linear table is the worked instance: term k is x_i(t - tau) with `k = (tau - 1) p + i`. Tables live
on the host: compiled code sees only `causes`.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray


class AbstractTerms(abc.ABC):
    """A numbered dictionary of terms over named variables, with one edge (variable, lag) per term."""

    variables: tuple[str, ...]
    max_lag: int

    @property
    @abc.abstractmethod
    def links(self) -> tuple[tuple[str, int], ...]:
        """The (variable, lag) of every term [term]."""

    @property
    @abc.abstractmethod
    def causes(self) -> NDArray[np.int64]:
        """The variable number of every term [term]."""


@dataclass(frozen=True)
class LinearTerms(AbstractTerms):
    """Every variable at every lag 1..L, as it is: term `(lag - 1) p + i`."""

    variables: tuple[str, ...]
    max_lag: int

    @property
    def size(self) -> int:
        """Number of terms K = p L."""
        return len(self.variables) * self.max_lag

    @cached_property
    def links(self) -> tuple[tuple[str, int], ...]:
        """Variable i at lag 1 + k div p."""
        return tuple((name, lag) for lag in range(1, self.max_lag + 1) for name in self.variables)

    @cached_property
    def numbers(self) -> Mapping[tuple[str, int], int]:
        """The inverse of `links`."""
        return MappingProxyType({link: number for number, link in enumerate(self.links)})

    @property
    def causes(self) -> NDArray[np.int64]:
        """k mod p."""
        return np.tile(np.arange(len(self.variables)), self.max_lag)
