r"""Statistics of series whose noise is not equally strong at every row: each target has weights of its own.

Target j is `y_jt ~ N(z_t w_j, s2_j / v_jt)` with precision weights v_jt that are taken as known. Given them, everything
stays exact and conjugate: with V_j = diag(v_j1, v_j2, ...), the statistics are `G_j = Z' V_j Z`, `c_j = Z' V_j y_j` and
`y_j' V_j y_j`, columns and target centered at their weighted means (which integrates a flat prior on the intercept) and
divided by their weighted standard deviations (so that the ridge is unit information here too). The density has a factor
`prod sqrt(v_jt)` that no graph changes. A table of K columns for each of p targets takes p K^2 numbers instead of K^2:
`MOST_NUMBERS` is the limit.

**What a row is worth.** Weights that are estimated from the very residuals they weigh say too much: with Student-t
noise of nu degrees of freedom, v_t = (nu + 1) / (nu + r_t^2 / s2), the weighted regression counts `n / s2` nats of
curvature where the likelihood has `(nu + 1) / (nu + 3) n / s2`. All statistics of a target, n included, are therefore
multiplied by a share r_j: the log evidence is that of the t likelihood to second order, and posterior variances are
those of its maximum (Lange, Little & Taylor 1989, JASA 84).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from sostruct.networks.lagged.moments import LaggedData
from sostruct.numerics import double_precision

if TYPE_CHECKING:
    from sostruct.networks.lagged.terms import AbstractTerms

KINDS = ("gaussian", "student", "volatile")
"""What the noise of a series may be."""

MOST_NUMBERS = 1e8
"""In the products of all targets: .8 GB."""

_NOTHING = 1e-9
"""A column with a smaller standard deviation is taken as constant, and explains nothing."""

Table = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Weights:
    """How much every row of a series says about every target.

    Attributes:
        segments: the series, in complete pieces [time, variable].
        rows: v of the rows L..T-1 of every segment, one after the other [row, target]; mean 1.
        foreseen: the part of v that owes nothing to the row itself: volatility, without tails [row, target].
        share: r, what a row of mean weight is worth [target].
    """

    segments: tuple[Table, ...]
    rows: Table
    foreseen: Table
    share: Table

    def drawn(self, counts: NDArray[np.int64]) -> Weights:
        """Those of a resample in which every row counts so often [row]."""
        rows, foreseen = (own * counts[:, None] for own in (self.rows, self.foreseen))
        return replace(self, rows=rows / rows.mean(axis=0), foreseen=foreseen / foreseen.mean(axis=0))


@dataclass(frozen=True, eq=False)
class Noise:
    """What the noise of every series is like.

    Attributes:
        kind: number of its kind in `KINDS` [series].
        nats: log evidence of every kind over that of Gaussian noise; -inf where it was not considered [series, kind].
        freedom: degrees of freedom of its tails; inf where they are Gaussian [series].
    """

    kind: NDArray[np.int64]
    nats: Table
    freedom: Table


def fits(terms: AbstractTerms) -> bool:
    """Whether statistics of every target's own stay within `MOST_NUMBERS`."""
    return len(terms.variables) * float(terms.layout.columns) ** 2 <= MOST_NUMBERS


def design(terms: AbstractTerms, segments: Sequence[Table]) -> tuple[Table, Table, Table]:
    """Links [row, link], columns [row, column] and targets [row, target] of the rows that have a full past, one segment
    after the other, in the data's units."""
    links = np.concatenate([terms.lagged(values) for values in segments])
    targets = np.concatenate([values[terms.max_lag :] for values in segments])
    return links, terms.columns(links, np.arange(terms.layout.columns)), targets


def weighted(terms: AbstractTerms, weights: Weights) -> LaggedData:
    """Standardized statistics of every target under its own weights (module docstring)."""
    links, columns, targets = design(terms, weights.segments)
    size, count = columns.shape[1], targets.shape[1]
    gram, cross, power = np.empty((count, size, size)), np.empty((count, size)), np.empty(count)
    mean, scale = np.empty((count, size)), np.empty((count, size))
    target_mean, target_scale, rows = np.empty(count), np.empty(count), len(targets) * weights.share
    for target, (share, own) in enumerate(zip(weights.share, weights.rows.T, strict=True)):
        root = np.sqrt(own)
        parts = np.concatenate([columns, targets[:, [target]]], axis=1)
        center = root**2 @ parts / len(root)
        parts = (parts - center) * root[:, None]
        spread = np.sqrt(np.einsum("tk,tk->k", parts, parts) / len(root))
        constant = spread < _NOTHING
        parts = np.where(constant, 0.0, parts / np.where(constant, 1.0, spread))
        gram[target] = share * (parts[:, :-1].T @ parts[:, :-1])
        cross[target] = share * (parts[:, -1] @ parts[:, :-1])
        power[target] = rows[target] * (1 + terms.floor)
        mean[target], scale[target] = center[:-1], np.where(constant, 1.0, spread)[:-1]
        target_mean[target], target_scale[target] = center[-1], spread[-1]
    with double_precision():
        products, moments = jnp.asarray(gram), jnp.asarray(cross)
    return LaggedData(
        gram=products,
        cross=moments,
        power=power,
        targets=np.diag(rows),
        count=rows,
        term_mean=mean,
        term_scale=scale,
        target_mean=target_mean,
        target_scale=target_scale,
        slope=terms.slopes(links),
        floor=np.asarray(terms.floor),
    )


def of_target(table: Any, target: int) -> Table:
    """A target's own row of `term_mean` or `term_scale`, whether all share one or each has its own [column]."""
    found: Table = np.asarray(table)
    return found[target] if found.ndim == 2 else found


def by_target(table: Any, targets: int) -> Table:
    """The same for all targets, without a copy [target, column]."""
    found = np.asarray(table)
    return np.broadcast_to(found, (targets, found.shape[-1]))
