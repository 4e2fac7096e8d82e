r"""Curves and interactions: the term table of nonlinear mechanisms.

With z the standardized links, every link has a *line*, z, and a *curve*, the block of z and `BUMPS` Gaussian bumps

    exp(-(z - c_m)^2 / (2 w^2)),    c_m at equally spaced quantiles of z, w a quarter of the range they span,

which enters and pays as one group; every two links, and every link with itself, have a *product* z_i z_j. A line and a
curve of the same link exclude each other. Which of them a target needs, the evidence decides (`discovery/dictionary.py`
decides whether these terms are offered to it at all).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from sostruct.networks.lagged.moments import LaggedData
from sostruct.networks.lagged.prices import Layout
from sostruct.networks.lagged.segments import Series, joined, predicted_rows
from sostruct.networks.lagged.terms import CURVE, LINE, PRODUCT, AbstractTerms, Table, Term
from sostruct.numerics import double_precision

BUMPS = 5

NOISE_FLOOR = 0.05
"""No series is taken to be predictable to less than this share of its variance: a flow sampled in steps is nearly
deterministic, and every effect of an effect within one step would else be significant."""

CURVE_RIDGE = 100.0
"""Prior precision of a curve's standardized columns, in units of that of a line: their six weights together are
expected to move a target by a quarter of its noise (sd), where that of a line would move it by all of it. With less, a
curve would pay for shapes that nobody expects."""

MOST_COLUMNS = 3000
"""Tables beyond this have no products; beyond it without them, there are no curves either."""

_NOTHING = 1e-9
"""A column with a smaller standard deviation is taken as constant, and explains nothing."""


@final
@dataclass(frozen=True)
class CurvedTerms(AbstractTerms):
    """Lines, products and curves of every variable at every lag.

    Args:
        location, scale: of every variable, which the functions are of [variable].
        centers: of the bumps, in standardized units [variable, bump].
        width: of the bumps [variable].
        products: whether there are products.
    """

    location: tuple[float, ...]
    scale: tuple[float, ...]
    centers: tuple[tuple[float, ...], ...]
    width: tuple[float, ...]
    products: bool = True

    @classmethod
    def fitted(cls, variables: Sequence[str], max_lag: int, values: Series) -> CurvedTerms | None:
        """The table for a series [time, variable], or one per realization; None where it would have more than
        `MOST_COLUMNS` columns."""
        values = joined(values)
        location, scale = values.mean(axis=0), values.std(axis=0)
        standard = (values - location) / scale
        centers = np.quantile(standard, (np.arange(BUMPS) + 0.5) / BUMPS, axis=0).T
        width = np.maximum((centers[:, -1] - centers[:, 0]) / 4, 0.1)
        links = len(variables) * max_lag
        curves = (BUMPS + 2) * links
        if curves > MOST_COLUMNS:
            return None
        return cls(
            variables=tuple(variables),
            max_lag=max_lag,
            location=tuple(location.tolist()),
            scale=tuple(scale.tolist()),
            centers=tuple(tuple(row) for row in centers.tolist()),
            width=tuple(width.tolist()),
            products=curves + links * (links + 1) // 2 <= MOST_COLUMNS,
        )

    @property
    def floor(self) -> float:
        """`NOISE_FLOOR`."""
        return NOISE_FLOOR

    @cached_property
    def _pairs(self) -> NDArray[np.int64]:
        count = len(self.links) if self.products else 0
        return np.stack(np.triu_indices(count), axis=1)

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """Lines, products, curves."""
        links = self.links
        pairs = [
            Term(PRODUCT, (links[one], links[other]) if one != other else (links[one],))
            for one, other in self._pairs.tolist()
        ]
        return (*(Term(LINE, (link,)) for link in links), *pairs, *(Term(CURVE, (link,)) for link in links))

    @cached_property
    def ridge(self) -> Table:
        """`CURVE_RIDGE` for the columns of curves."""
        return np.where(np.arange(self.layout.columns) < self.layout.singles, 1.0, CURVE_RIDGE)

    @cached_property
    def layout(self) -> Layout:
        """Curves are blocks."""
        count = len(self.links)
        return Layout(count + len(self._pairs), count, BUMPS + 1, count)

    def columns(self, links: Table, which: Sequence[int] | NDArray[np.int64]) -> Table:
        """The functions of the module's docstring."""
        places = np.asarray(which, np.int64)
        standard = self._standard(links)
        found = np.empty((*links.shape[:-1], len(places)))
        lines, singles = self.layout.lines, self.layout.singles
        line, product, curve = (
            places < lines,
            (places >= lines) & (places < singles),
            places >= singles,
        )
        found[..., line] = standard[..., places[line]]
        pairs = self._pairs[places[product] - lines]
        found[..., product] = standard[..., pairs[:, 0]] * standard[..., pairs[:, 1]]
        link, member = np.divmod(places[curve] - singles, BUMPS + 1)
        found[..., curve] = np.where(member == 0, standard[..., link], self._bump(standard, link, member)[0])
        return found

    def slopes(self, links: Table) -> Table:
        """Of a product, the mean of the other factor; of bumps, of their derivative."""
        count, standard = len(self.links), self._standard(links)
        unit = 1 / np.tile(self.scale, self.max_lag)
        found = np.zeros((self.layout.columns, 2))
        found[:count, 0] = unit
        one, other = self._pairs.T
        means = standard.mean(axis=0)
        same = one == other
        found[count : self.layout.singles, 0] = np.where(same, 2.0, 1.0) * means[other] * unit[one]
        found[count : self.layout.singles, 1] = np.where(same, 0.0, means[one] * unit[other])
        link, member = np.divmod(np.arange(count * (BUMPS + 1)), BUMPS + 1)
        bump, width = self._bump(standard, link, member)
        center = np.asarray(self.centers)[link % len(self.variables), np.maximum(member - 1, 0)]
        tilt = (-(standard[:, link] - center) / width**2 * bump).mean(axis=0)
        found[self.layout.singles :, 0] = np.where(member == 0, 1.0, tilt) * unit[link]
        return found

    def prepared(self, values: Series) -> LaggedData:
        """From the design matrix [row, column]; columns that do not vary are zero."""
        links = self.lagged(values)
        design = self.columns(links, np.arange(self.layout.columns))
        targets = predicted_rows(values, self.max_lag)
        mean, scale = design.mean(axis=0), design.std(axis=0)
        constant = scale < _NOTHING
        scale = np.where(constant, 1.0, scale)
        standard = np.where(constant, 0.0, (design - mean) / scale)
        target_mean, target_scale = targets.mean(axis=0), targets.std(axis=0)
        standard_targets = (targets - target_mean) / target_scale
        rows = len(targets)
        with double_precision():
            gram = jnp.asarray(standard.T @ standard)
            cross = jnp.asarray(standard_targets.T @ standard)
        return LaggedData(
            gram=gram,
            cross=cross,
            power=np.full(len(self.variables), rows * (1 + self.floor)),
            targets=standard_targets.T @ standard_targets,
            count=np.asarray(float(rows)),
            term_mean=mean,
            term_scale=scale,
            target_mean=target_mean,
            target_scale=target_scale,
            slope=self.slopes(links),
            floor=np.asarray(self.floor),
        )

    def _standard(self, links: Table) -> Table:
        standard: Table = (links - np.tile(self.location, self.max_lag)) / np.tile(self.scale, self.max_lag)
        return standard

    def _bump(self, standard: Table, link: NDArray[np.int64], member: NDArray[np.int64]) -> tuple[Table, Table]:
        """The bumps `member` - 1 of the links `link`, and their widths; anything for member 0."""
        variable = link % len(self.variables)
        center = np.asarray(self.centers)[variable, np.maximum(member - 1, 0)]
        width = np.asarray(self.width)[variable]
        return np.exp(-(((standard[..., link] - center) / width) ** 2) / 2), width
