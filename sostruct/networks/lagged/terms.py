r"""The term table: which functions of the past may predict a target.

A *link* is a variable at a lag, number `(tau - 1) p + i`, and `L p + i` at lag 0, where a table has that. A *term* is
a function of one link or of two; edits act on terms, and edges between series are the links that the active terms
touch. Every term has one column of the design, or a block of them that enters as a whole (`prices.Layout`). Tables live
on the host: compiled code sees columns, layout and `causes` only.

- `LinearTerms`: every link as it is.
- `CurvedTerms` (`curved.py`): also a curve of every link, and the product of every two.

A table of one's own is a subclass: say what its terms are, and compute their columns from the links.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from sostruct.networks.lagged.moments import LaggedData, moments, standardized
from sostruct.networks.lagged.prices import Layout
from sostruct.networks.lagged.segments import Series, joined, segments_of

Table = NDArray[np.float64]

LINE, CURVE, PRODUCT = "line", "curve", "product"


@dataclass(frozen=True, slots=True)
class Term:
    """A function of the past: its kind and the (variable, lag) links it looks at."""

    kind: str
    links: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class AbstractTerms(abc.ABC):
    """A numbered dictionary of terms over named variables."""

    variables: tuple[str, ...]
    max_lag: int

    @property
    @abc.abstractmethod
    def terms(self) -> tuple[Term, ...]:
        """Every term [term]; the first are the links as they are."""

    @property
    @abc.abstractmethod
    def layout(self) -> Layout:
        """Which columns each of them has."""

    @property
    @abc.abstractmethod
    def ridge(self) -> Table:
        """Prior precision of every column, in units of that of a line [column]."""

    @property
    @abc.abstractmethod
    def floor(self) -> float:
        """Noise floor kappa (`evidence.py`): a share of every target's variance."""

    @abc.abstractmethod
    def columns(self, links: Table, which: Sequence[int] | NDArray[np.int64]) -> Table:
        """Columns of the design [..., column], from the values of all links [..., link], in the data's units."""

    @abc.abstractmethod
    def slopes(self, links: Table) -> Table:
        """Mean over the rows of every column's derivative by the links of its term [column, 2], 0 where there is no
        second."""

    @abc.abstractmethod
    def prepared(self, values: Series) -> LaggedData:
        """Standardized statistics of a complete series [time, variable], or of one per realization."""

    @property
    def lags(self) -> tuple[int, ...]:
        """The lags of links, in the order of their numbers."""
        return tuple(range(1, self.max_lag + 1))

    @cached_property
    def links(self) -> tuple[tuple[str, int], ...]:
        """The (variable, lag) of every link: variable k mod p at the lag number k div p."""
        return tuple((name, lag) for lag in self.lags for name in self.variables)

    @cached_property
    def link_numbers(self) -> Mapping[tuple[str, int], int]:
        """The inverse of `links`."""
        return MappingProxyType({link: number for number, link in enumerate(self.links)})

    @cached_property
    def numbers(self) -> Mapping[Term, int]:
        """The inverse of `terms`."""
        return MappingProxyType({term: number for number, term in enumerate(self.terms)})

    @cached_property
    def touched(self) -> NDArray[np.int64]:
        """The two links of every term [term, 2]; the same twice where it has one."""
        number = self.link_numbers
        return np.array([(number[term.links[0]], number[term.links[-1]]) for term in self.terms], np.int64)

    @cached_property
    def causes(self) -> NDArray[np.int64]:
        """The variable of every term of one link; p for a product, which stands for no one cause [term]."""
        count = len(self.variables)
        single = np.array([len(term.links) == 1 for term in self.terms])
        return np.where(single, self.touched[:, 0] % count, count)

    def columns_of(self, terms: Sequence[int]) -> list[int]:
        """The columns of some terms, ascending if those are."""
        return [column for term in terms for column in self.layout.columns_of(term)]

    def lagged(self, values: Series) -> Table:
        """Values of all links at rows L..T-1 of every realization [row, link]."""
        return joined(
            [
                np.concatenate([table[self.max_lag - lag : len(table) - lag] for lag in self.lags], axis=1)
                for table in segments_of(values)
            ]
        )


@dataclass(frozen=True)
class LinearTerms(AbstractTerms):
    """Every variable at every lag, as it is: a link is a term.

    Args:
        instant: whether lag 0 is among them.
    """

    instant: bool = False

    @property
    def lags(self) -> tuple[int, ...]:
        """1..L, then 0."""
        return (*range(1, self.max_lag + 1), *((0,) if self.instant else ()))

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """The links."""
        return tuple(Term(LINE, (link,)) for link in self.links)

    @property
    def layout(self) -> Layout:
        """One column each."""
        return Layout(len(self.links))

    @property
    def ridge(self) -> Table:
        """1."""
        return np.ones(self.layout.columns)

    @property
    def floor(self) -> float:
        """None."""
        return 0.0

    def columns(self, links: Table, which: Sequence[int] | NDArray[np.int64]) -> Table:
        """The links."""
        return links[..., np.asarray(which, np.int64)]

    def slopes(self, links: Table) -> Table:
        """1."""
        return np.stack([np.ones(links.shape[1]), np.zeros(links.shape[1])], axis=1)

    def prepared(self, values: Series) -> LaggedData:
        """By sums over shifted series, without a design matrix."""
        return standardized(moments(values, self.max_lag), instant=self.instant)
