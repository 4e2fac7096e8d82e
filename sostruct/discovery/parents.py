r"""The evidence for any parent set of an effect, from the moments that a result keeps.

    F(S) = -n/2 log rss_S - 1/2 log|A_S| + sum_S (1/2 log lam + q),    A_S = G_SS + diag(lam_S),
    rss_S = n (1 + kappa) - c_S' A_S^-1 c_S,

as in `networks.lagged.evidence`, for many sets at once: what the search never tried can be asked afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sostruct.discovery.posterior import Posterior

Table = NDArray[np.float64]
Sets = NDArray[np.int64]
"""Numbers of columns [case, member]."""

_LEAST = 1e-12
"""Least share of the variance that a set of parents leaves: keeps evidence finite where nothing is left."""


@dataclass(frozen=True)
class Balance:
    """A price in its parts, nats: `nats = fit + complexity + prior`.

    Attributes:
        fit: what the edge explains, `-n/2 log(rss with / rss without)`.
        complexity: what its coefficients cost, `-1/2 log(|A| with / |A| without) + 1/2 log lam`; below 0.
        prior: log prior odds.
        share: of what the other parents leave unexplained, the share that the edge explains.
        columns: number of its coefficients.
    """

    fit: float
    complexity: float
    prior: float
    share: float
    columns: int

    @property
    def nats(self) -> float:
        """The price."""
        return self.fit + self.complexity + self.prior


@dataclass(frozen=True, eq=False)
class ParentSets:
    """The parent sets of one effect; columns are numbered as in `posterior.kept`.

    Attributes:
        posterior: keeps the moments.
        target: number of the effect.
    """

    posterior: Posterior
    target: int

    @property
    def found(self) -> list[int]:
        """The columns of the graph."""
        slots = self.posterior.slots[self.target]
        return [int(place) for place in np.searchsorted(self.posterior.kept, np.sort(slots[slots >= 0]))]

    def of_link(self, link: int) -> list[int]:
        """The columns of the graph whose terms touch a link; none if it is not in the graph."""
        terms = self.posterior.terms
        columns = self.posterior.kept[self.found]
        touched = (terms.touched[terms.layout.term_of(columns)] == link).any(axis=1)
        return [column for column, touches in zip(self.found, touched, strict=True) if touches]

    def line(self, link: int) -> int:
        """The column of a link as a line."""
        return int(np.searchsorted(self.posterior.kept, link))

    def evidence(self, sets: Sets | Sequence[Sequence[int]]) -> Table:
        """F of every set [case]; all have one size."""
        posterior = self.posterior
        chosen = np.asarray(sets, np.int64)
        rss, half, entry = self._parts(chosen)
        return -posterior.rows_of(self.target) / 2 * np.log(rss) - half + entry

    def balance(self, without: Sequence[int], block: Sequence[int]) -> Balance:
        """The price of a block of columns beside a set, in its parts."""
        posterior = self.posterior
        before, after = (np.array([columns], np.int64).reshape(1, -1) for columns in (without, [*without, *block]))
        (rss, half, _), (less, more, _) = self._parts(before), self._parts(after)
        own = np.asarray(block, np.int64)
        ridge = np.log(posterior.ridge[own]).sum() / 2
        return Balance(
            fit=float(-posterior.rows_of(self.target) / 2 * np.log(less / rss)[0]),
            complexity=float(half[0] - more[0] + ridge),
            prior=float(posterior.entry[self.target, own].sum() - ridge),
            share=float(1 - less[0] / rss[0]),
            columns=len(own),
        )

    def _parts(self, sets: Sets) -> tuple[Table, Table, Table]:
        """rss, half the log determinant of A, and the sum of entries [case]."""
        posterior = self.posterior
        power = posterior.rows_of(self.target) * (1 + posterior.terms.floor)
        if sets.shape[1] == 0:
            return np.full(len(sets), power), np.zeros(len(sets)), np.zeros(len(sets))
        precision = (
            posterior.products_of(self.target)[sets[:, :, None], sets[:, None, :]]
            + np.eye(sets.shape[1]) * (posterior.ridge[sets][:, :, None])
        )
        moment = posterior.cross[self.target, sets]
        explained = np.einsum("cm,cm->c", moment, np.linalg.solve(precision, moment[..., None])[..., 0])
        rss = np.maximum(power - explained, _LEAST * power)
        return rss, np.linalg.slogdet(precision)[1] / 2, posterior.entry[self.target, sets].sum(axis=1)
