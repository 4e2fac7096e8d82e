r"""Block bootstrap of a lagged series: which rows a resample has, and its statistics.

A row of the design is y(t) together with its own past, so what is drawn anew is pairs (y_t, past_t), and no resampled
row straddles a seam. Rows come in blocks of neighbors (Kunsch 1989, Ann. Stat. 17), around the end of the series to its
beginning (circular: Politis & Romano 1992), so that every row is as likely as any other. If the regressions have all
the past that matters, their errors are independent and blocks of one row would do; blocks are for what they miss. A
resample is a vector of counts w, and its statistics are `Z' diag(w) Z`: no series is ever put together.

The block length is the rule of Politis & White (2004, Econometric Reviews 23, with the correction of Patton, Politis &
White 2009, ibid. 28), for the mean of each series: with autocovariances R(k), the flat-top window
`lambda(s) = 1 for |s| <= 1/2, 2 (1 - |s|) up to 1`, and M twice the lag after which `K_n = max(5, sqrt(log10 n))`
autocorrelations in a row stay within `2 sqrt(log10 n / n)`,

    b = (2 g^2 / d)^(1/3) n^(1/3),   g = sum_k lambda(k / M) |k| R(k),   d = 4/3 (sum_k lambda(k / M) R(k))^2.

The median over the series is taken, within 1 and `min(3 sqrt(n), n / 3)`.
"""

from __future__ import annotations

import math

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from sostruct.networks.lagged.moments import LaggedData
from sostruct.numerics import double_precision

Table = NDArray[np.float64]

_CONSTANT = 1e-9
"""A standardized column with a smaller standard deviation in a resample is constant there, and explains nothing."""


def block_length(values: Table) -> int:
    """Rows of a block, by the rule of Politis & White.

    Args:
        values: the series [time, variable], complete.
    """
    rows = len(values)
    most = max(1, math.floor(min(3 * math.sqrt(rows), rows / 3)))
    lengths = [_optimal(series) for series in (values - values.mean(axis=0)).T]
    return int(np.clip(math.ceil(float(np.median(lengths)) - 1e-9), 1, most))


def _optimal(series: Table) -> float:
    """b of the module's docstring for one centered series."""
    rows = len(series)
    quiet = max(5, math.ceil(math.sqrt(math.log10(rows))))
    most = min(math.ceil(math.sqrt(rows)) + quiet, rows - 1)
    covariance = np.array([series[: rows - lag] @ series[lag:] for lag in range(most + 1)]) / rows
    small = np.abs(covariance[1:] / covariance[0]) < 2 * math.sqrt(math.log10(rows) / rows)
    last = next((lag for lag in range(most - quiet + 1) if small[lag : lag + quiet].all()), None)
    if last is None:  # autocorrelations that never die out: the last distinct one
        last = int(np.flatnonzero(~small)[-1]) + 1 if not small.all() else 1
    width = min(2 * max(last, 1), most)
    lag = np.arange(-width, width + 1)
    window = np.clip(2 * (1 - np.abs(lag) / width), 0, 1) * covariance[np.abs(lag)]
    spread, flat = float(np.sum(np.abs(lag) * window)), 4 / 3 * float(np.sum(window)) ** 2
    return 1.0 if flat <= 0 else (2 * spread**2 / flat) ** (1 / 3) * rows ** (1 / 3)


def block_counts(rows: int, block: int, resamples: int, seed: int) -> NDArray[np.int64]:
    """How often every row is in every resample [resample, row]; each resample has `rows` rows.

    Args:
        rows: rows of the design n.
        block: rows of a block, 1 to n; the last block of a resample is cut.
        resamples: their number.
        seed: of the draw.
    """
    generator = np.random.default_rng(seed)
    starts = generator.integers(0, rows, (resamples, -(-rows // block)))
    places = (starts[:, :, None] + np.arange(block)) % rows
    places = places.reshape(resamples, -1)[:, :rows]
    counts = np.zeros((resamples, rows), np.int64)
    np.add.at(counts, (np.arange(resamples)[:, None], places), 1)
    return counts


def weighted(data: LaggedData, design: Table, targets: Table, counts: NDArray[np.int64]) -> LaggedData:
    """Statistics of the rows with these counts, standardized over them.

    Args:
        data: statistics of all rows; their scales, means, slopes and floor.
        design: its columns [row, column], standardized over all rows.
        targets: the same of the targets [row, target].
        counts: how often every row counts [row].
    """
    both = np.concatenate([targets, design], axis=1)
    total = float(counts.sum())
    mean = counts @ both / total
    covariance = (both * counts[:, None]).T @ both / total - np.outer(mean, mean)
    scale = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    constant = scale < _CONSTANT
    divisor = np.where(constant, 1.0, scale)
    correlation = covariance / divisor[:, None] / divisor
    correlation[constant] = correlation[:, constant] = 0.0
    np.fill_diagonal(correlation, np.where(constant, 0.0, 1.0))
    products, size = total * correlation, targets.shape[1]
    location = np.concatenate([np.asarray(data.target_mean), np.asarray(data.term_mean)])
    unit = np.concatenate([np.asarray(data.target_scale), np.asarray(data.term_scale)])
    location, unit = location + unit * mean, unit * divisor
    with double_precision():
        gram, cross = jnp.asarray(products[size:, size:]), jnp.asarray(products[:size, size:])
    found: LaggedData = eqx.tree_at(
        lambda one: (
            *(one.gram, one.cross, one.power, one.targets, one.count),
            *(one.term_mean, one.term_scale, one.target_mean, one.target_scale),
        ),
        data,
        (
            *(gram, cross, np.full(size, total * (1 + float(data.floor))), products[:size, :size], np.asarray(total)),
            *(location[size:], unit[size:], location[:size], unit[:size]),
        ),
    )
    return found
