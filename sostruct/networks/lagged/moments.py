"""Sufficient statistics of a lagged series: computed once, whatever graph is tried on them.

Every quantity a lagged network needs (posteriors, evidence, the price of every edit) is a function of the raw moments
of the columns x_i(t - a), i = 1..p, a = 0..L, over the rows t = L..T-1. Moments add: over chunks, over realizations,
and with a minus sign for deletion. Standardization happens on the way out, never on the moments themselves.

The joint second moment has p (L + 1) rows, but its block (a, b) is the block (0, b - a) shifted by a samples, so L + 1
products of p x p x T and a handful of rank-one corrections replace (L + 1)^2 products.
"""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from sostruct.networks.lagged.segments import Series, joined, segments_of
from sostruct.numerics import Numbers, double_precision


class Moments(eqx.Module):
    """Raw moments of the columns (lag a, variable i), at index a p + i.

    Attributes:
        count: number of rows (or weight sum) n.
        first: column sums [column].
        second: column products [column, column].
        offset: per-variable shift subtracted from the data beforehand [variable], in the data's units; moments add
            only when offsets are equal.
        max_lag: L.
    """

    count: float
    first: NDArray[np.float64]
    second: NDArray[np.float64]
    offset: NDArray[np.float64]
    max_lag: int = eqx.field(static=True)


class Chances(eqx.Module):
    """Posterior probabilities that the statistics of a series with gaps do not hold (`missing.py`).

    Attributes:
        term: of every term [target, term].
        cause: of any term of a cause [target, cause].
    """

    term: Float[Numbers, "target term"]
    cause: Float[Numbers, "target cause"]


class LaggedData(eqx.Module):
    """Standardized statistics: what a lagged network's epoch consumes.

    Where rows are weighted (`weighted.py`), every target has products, counts, means and scales of its own.

    Attributes:
        gram: Z'Z of the standardized columns [column, column]; its diagonal is `count`. Weighted, [target, column,
            column].
        cross: Z'y of every standardized target [target, column].
        power: y'y of every standardized target, and the noise floor [target].
        targets: Y'Y of the standardized targets, without the floor [target, target].
        count: number of rows n; weighted, [target].
        term_mean, term_scale: mean and standard deviation of every column [column], in the data's units; weighted,
            [target, column].
        target_mean, target_scale: the same of every target [target].
        slope: mean derivative of every column by the first and second link of its term [column, 2].
        floor: noise floor kappa; power is `n (1 + kappa)`.
        chances: of a series with gaps.
    """

    gram: Float[Numbers, "*target column column"]
    cross: Float[Numbers, "target column"]
    power: Float[Numbers, " target"]
    targets: Float[Numbers, "target target"]
    count: Float[Numbers, "*target"]
    term_mean: Float[Numbers, "*target column"]
    term_scale: Float[Numbers, "*target column"]
    target_mean: Float[Numbers, " target"]
    target_scale: Float[Numbers, " target"]
    slope: Float[Numbers, "column 2"]
    floor: Float[Numbers, ""]
    chances: Chances | None = None


def moments(values: Series, max_lag: int) -> Moments:
    """Raw moments of a complete series, or sums of those of several realizations, about their common mean.

    `second[a p + i, b p + j] = sum_{t=L}^{T-1} x_i(t - a) x_j(t - b)`.

    Args:
        values: the series [time, variable], float64, without missing entries, more than `max_lag` rows; or one per
            realization.
        max_lag: the largest lag L.
    """
    segments = segments_of(values)
    offset = joined(segments).mean(axis=0)
    rows = float(sum(len(segment) - max_lag for segment in segments))
    first, second = _sums(segments[0] - offset, max_lag)
    for segment in segments[1:]:
        more, products = _sums(segment - offset, max_lag)
        first, second = first + more, second + products
    return Moments(rows, first, second, offset, max_lag)


def _sums(values: NDArray[np.float64], max_lag: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Column sums and products of one realization."""
    steps, variables = values.shape
    centered = np.ascontiguousarray(values)
    lags = max_lag + 1
    second = np.empty((lags, variables, lags, variables))
    for distance in range(lags):
        block = centered[max_lag:].T @ centered[max_lag - distance : steps - distance]
        for lag in range(lags - distance):
            if lag > 0:
                entering, leaving = max_lag - lag, steps - lag
                block = block + np.outer(centered[entering], centered[entering - distance])
                block -= np.outer(centered[leaving], centered[leaving - distance])
            second[lag, :, lag + distance, :] = block
            second[lag + distance, :, lag, :] = block.T
    first = np.stack([centered[max_lag - lag : steps - lag].sum(axis=0) for lag in range(lags)])
    size = lags * variables
    return first.reshape(size), second.reshape(size, size)


def standardized(raw: Moments, *, instant: bool = False) -> LaggedData:
    """Correlations times n, with the means and scales that undo them; columns at lag 0 come last, if at all."""
    variables = raw.offset.shape[0]
    size = len(raw.first)
    columns = np.arange(variables, size + variables if instant else size) % size
    mean = raw.first / raw.count
    covariance = raw.second / raw.count - np.outer(mean, mean)
    scale = np.sqrt(np.diag(covariance))
    correlation = covariance / scale[:, None] / scale
    np.fill_diagonal(correlation, 1.0)
    location = mean + np.tile(raw.offset, raw.max_lag + 1)
    with double_precision():
        gram = jnp.asarray(raw.count * correlation[np.ix_(columns, columns)])
        cross = jnp.asarray(raw.count * correlation[:variables, columns])
    return LaggedData(
        gram=gram,
        cross=cross,
        power=np.full(variables, raw.count),
        targets=raw.count * correlation[:variables, :variables],
        count=np.asarray(raw.count),
        term_mean=location[columns],
        term_scale=scale[columns],
        target_mean=location[:variables],
        target_scale=scale[:variables],
        slope=np.tile([1.0, 0.0], (len(columns), 1)),
        floor=np.asarray(0.0),
    )


def less(data: LaggedData, spent: int) -> LaggedData:
    """The same statistics on `spent` rows fewer, the degrees of freedom of what was removed from every series: with
    residuals' sums of squares as they are, variances are sums over n - spent."""
    share = np.asarray((data.count - spent) / data.count)
    names = ("gram", "cross", "power", "targets", "count", "term_scale", "target_scale")
    old = [np.asarray(getattr(data, name)) for name in names]
    own = [share.reshape(share.shape + (1,) * (part.ndim - 1)) if share.ndim else share for part in old]
    scaled = [part * by for part, by in zip(old[:5], own[:5], strict=True)]
    new = [*scaled, *(part / np.sqrt(by) for part, by in zip(old[5:], own[5:], strict=True))]
    found: LaggedData = eqx.tree_at(lambda one: [getattr(one, name) for name in names], data, new)
    return found
