r"""Noise with heavy tails: the Student-t density of a series' residuals, and the weights that follow from it.

Residual r_t has the density of `s e^{h_t / 2} tau_t`, tau_t Student-t with nu degrees of freedom; the log variances h_t
are known (0 where nothing is known of them: `volatility.py`). Given nu, the scale is the fixed point of the
parameter-expanded EM iteration (Kent, Tyler & Vardi 1994, Commun. Stat. Simul. 23)

    v_t = (nu + 1) / (nu + r_t^2 e^{-h_t} / s2),    s2 <- sum_t v_t r_t^2 e^{-h_t} / sum_t v_t,

at which no step lowers the likelihood; nu is where that is highest among `FREEDOM`, refined by a parabola in 1 / nu.
The evidence is the mean over `FREEDOM` of the likelihood at the best scale, which the scale-invariant prior makes
comparable with that of Gaussian noise. nu stays above 2: noise has a variance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

FREEDOM = np.array([2.2, 2.7, 3.3, 4.0, 5.0, 6.5, 9.0, 14.0, 25.0])
"""Degrees of freedom considered, equally probable beforehand; beyond the last there is little to tell from Gaussian."""

_ITERATIONS = 40
_SETTLED = 1e-9
"""Relative change of every scale in a step, below which the iteration ends."""

_HINT = 1.0
"""Standard errors of kurtosis above that of Gaussian noise from which tails are fitted: under Gaussian noise, one
series in seven."""

Table = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Tails:
    """Student-t fits of residuals.

    Attributes:
        freedom: nu at the maximum of the likelihood [series].
        scale: s there, in the residuals' units [series].
        evidence: log density of all rows, nats, nu averaged out [series].
    """

    freedom: Table
    scale: Table
    evidence: Table

    def weights(self, residuals: Table, volatility: Table | float = 0.0) -> Table:
        """v_t e^{-h_t} of every row [row, series]."""
        relative = np.exp(-np.asarray(volatility))
        found: Table = relative * precision(residuals**2 * relative, self.freedom, self.scale**2)
        return found

    @property
    def share(self) -> Table:
        """What a row is worth of what its weight says (`networks.lagged.weighted`) [series]."""
        return (self.freedom + 1) / (self.freedom + 3)


def tailed(residuals: Table) -> NDArray[np.bool_]:
    """Whether extreme values are more frequent than under Gaussian noise, as far as costs nothing to say [series]."""
    square = residuals**2
    excess = np.mean(square**2, axis=0) / np.mean(square, axis=0) ** 2 - 3
    found: NDArray[np.bool_] = excess > _HINT * math.sqrt(24 / len(residuals))
    return found


def precision(square: Table, freedom: Table, variance: Table) -> Table:
    """Expected precision of a row given its squared residual, `(nu + 1) / (nu + r^2 / s2)`."""
    return (freedom + 1) / (freedom + square / variance)


def scale_step(square: Table, freedom: Table, variance: Table) -> Table:
    """One step of the iteration for s2, rows on the last axis but one [..., row, series] -> [..., series]."""
    own = precision(square, freedom[..., None, :], variance[..., None, :])
    found: Table = (own * square).sum(axis=-2) / own.sum(axis=-2)
    return found


def student_density(square: Table, freedom: Table, variance: Table) -> Table:
    """Log density of rows with these squared residuals, nats."""
    constant = gammaln((freedom + 1) / 2) - gammaln(freedom / 2) - np.log(freedom * math.pi * variance) / 2
    found: Table = constant - (freedom + 1) / 2 * np.log1p(square / variance / freedom)
    return found


def gaussian_density(residuals: Table, volatility: Table | float = 0.0) -> Table:
    """Log density of all rows at the best scale, nats [series]."""
    own = np.broadcast_to(np.asarray(volatility, np.float64), residuals.shape)
    variance = np.mean(residuals**2 * np.exp(-own), axis=0)
    found: Table = -len(residuals) / 2 * (np.log(2 * math.pi * variance) + 1) - own.sum(axis=0) / 2
    return found


def tails(residuals: Table, volatility: Table | float = 0.0) -> Tails:
    """Student-t fits of every series of residuals [row, series] around mean 0 (module docstring)."""
    own = np.broadcast_to(np.asarray(volatility, np.float64), residuals.shape)
    square = np.maximum(residuals**2 * np.exp(-own), 1e-300)
    shift = -own.sum(axis=0) / 2
    start = np.maximum(np.median(square, axis=0), 1e-3 * square.mean(axis=0))
    density, scales = [], []
    variance = start
    for freedom in FREEDOM:
        nu = np.full(square.shape[1], freedom)
        variance = _variance(square, nu, variance)
        scales.append(variance)
        density.append(student_density(square, nu, variance).sum(axis=0) + shift)
    table = np.stack(density)
    nu = -1 / _peak(-1 / FREEDOM, table)
    variance = _variance(square, nu, np.take_along_axis(np.stack(scales), table.argmax(axis=0)[None], axis=0)[0])
    evidence = np.logaddexp.reduce(table, axis=0) - math.log(len(FREEDOM))
    return Tails(nu, np.sqrt(variance), evidence)


def of_rows(residuals: Table, foreseen: Table, freedom: Table) -> Table:
    """Standard deviation of the noise at every row, in the residuals' units [row, series].

    Args:
        residuals: around 0 [row, series].
        foreseen: precision of every row up to a factor, e^{-h} [row, series].
        freedom: nu of every series, inf for Gaussian noise [series].
    """
    square = residuals**2 * foreseen
    gaussian = np.isinf(freedom)
    nu = np.where(gaussian, 3.0, freedom)
    student = _variance(np.maximum(square, 1e-300), nu, np.maximum(np.median(square, axis=0), 1e-300))
    variance = np.where(gaussian, square.mean(axis=0), student * nu / (nu - 2))
    found: Table = np.sqrt(variance / foreseen)
    return found


def _variance(square: Table, freedom: Table, start: Table) -> Table:
    variance = start
    for _ in range(_ITERATIONS):
        before, variance = variance, scale_step(square, freedom, variance)
        if np.all(np.abs(variance - before) <= _SETTLED * before):
            break
    return variance


def _peak(places: Table, values: Table) -> Table:
    """Where the parabola through the largest of some values [place, series] and its neighbors is highest [series]."""
    best = values.argmax(axis=0)
    middle = np.clip(best, 1, len(places) - 2)
    rows = np.arange(values.shape[1])
    x = np.stack([places[middle - 1], places[middle], places[middle + 1]])
    y = np.stack([values[middle - 1, rows], values[middle, rows], values[middle + 1, rows]])
    left, right = (y[1] - y[0]) / (x[1] - x[0]), (y[2] - y[1]) / (x[2] - x[1])
    bend = (right - left) / (x[2] - x[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        peak = (x[0] + x[1]) / 2 - left / (2 * bend)
    usable = (bend < 0) & (best == middle)
    found: Table = np.where(usable, np.clip(peak, x[0], x[2]), places[best])
    return found
