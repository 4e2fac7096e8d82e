r"""Regimes of a stream: what is kept of each, and how one that comes back is recognized.

A regime is a stretch of rows under one graph. When it ends, its statistics stop at the change point and are kept; they
are all its graph, weights and probabilities need. When another has begun, every kept one is asked whether the new rows
are its own: with l the log likelihood ratio of errors twice as large in the square to errors as that regime expects
them (`networks.lagged.streaming`), summed over the new rows and all series, it is the one where the sum falls to
`-_SURE`, unless
one series alone has too large errors; while it does not, more rows may decide, up to as many as are remembered (Wald's
sequential test, 1945, Ann. Math. Stat. 16, one-sided). Of regimes with errors that much larger, a share of exp(-_SURE)
at most is taken for it. Where several pass, the one that predicts the rows best is the one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from sostruct.networks.lagged.current import Sets
from sostruct.networks.lagged.moments import LaggedData, Moments, standardized
from sostruct.networks.lagged.streaming import Model, Noise, chosen_noise, expected_square, log_density, log_ratio
from sostruct.numerics import double_precision

_SURE = 5.0
"""Nats for a return."""

_FACTOR = 2.0

Table = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Kept:
    """What is kept of a regime that is over.

    Attributes:
        number: of the regime, in the order in which they began.
        stretches: first row of the stream and the row after the last, of each time it was there.
        moments: of its rows, the last one with weight 1; their offset is 0: rows are centered beforehand.
        own: number of its rows.
        noise: what was known of its noise.
        sets: the parent sets of its last refit.
    """

    number: int
    stretches: tuple[tuple[int, int], ...]
    moments: Moments
    own: int
    noise: Noise
    sets: Sets


def weighted(rows: Table, max_lag: int, weight: Table) -> Moments:
    """Weighted moments of the rows of a series that have a past within it.

    Args:
        rows: centered [time, series], `max_lag` of them before the first that counts.
        max_lag: L.
        weight: of every row that counts [time - L].
    """
    steps, series = rows.shape
    design = np.concatenate([rows[max_lag - lag : steps - lag] for lag in range(max_lag + 1)], axis=1)
    scaled = design * weight[:, None]
    return Moments(float(weight.sum()), scaled.sum(axis=0), scaled.T @ design, np.zeros(series), max_lag)


def combined(one: Moments, other: Moments, factor: float = 1.0) -> Moments:
    """The first and `factor` times the second."""
    return Moments(
        one.count + factor * other.count,
        one.first + factor * other.first,
        one.second + factor * other.second,
        one.offset,
        one.max_lag,
    )


def faded(moments: Moments, factor: float) -> Moments:
    """The same rows with other weights."""
    return Moments(
        factor * moments.count, factor * moments.first, factor * moments.second, moments.offset, moments.max_lag
    )


def statistics(moments: Moments) -> LaggedData | None:
    """Standardized statistics; None while a column does not vary."""
    mean = moments.first / moments.count
    square = np.diag(moments.second) / moments.count
    if not (square - mean**2 > 1e-12 * np.maximum(square, 1e-300)).all():
        return None
    return standardized(moments)


def recognized(model: Model, noise: Noise, rows: Table, max_lag: int) -> float | None:
    """Log density of rows by a regime, nats, if they are its own (module docstring); None if not, or not yet.

    Args:
        model: of the regime.
        noise: of the regime.
        rows: centered [time, series], `max_lag` of them before the first that counts.
        max_lag: L.
    """
    steps = len(rows)
    window = np.concatenate([rows[max_lag - lag : steps - lag] for lag in range(1, max_lag + 1)], axis=1)
    error = rows[max_lag:] - window @ np.asarray(model.weight).T - np.asarray(model.intercept)
    with double_precision():
        freedom, square = chosen_noise(noise)
        excess = error**2 / (expected_square(model, window) * square)
        ratio = np.asarray(log_ratio(freedom, excess, jnp.asarray(_FACTOR))).sum(axis=0)
        density = float(jnp.sum(log_density(freedom, square, excess)))
    doubtful = ratio.sum() > -_SURE or ratio.max() > _SURE + math.log(len(ratio))
    return None if doubtful else density
