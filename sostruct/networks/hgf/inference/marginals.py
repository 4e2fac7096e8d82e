"""Posterior densities of single parameters as curves, from a mode and its curvature or from draws: what pictures draw.

Both are densities of z carried to the parameter's own units, p(x) = p(z) / |dx/dz|, so that none leaks over a bound:
Laplace's Gaussian, or a Gaussian kernel estimate of the draws.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import jax
import numpy as np
import scipy.stats
from numpy.typing import NDArray

from sostruct.networks.hgf.inference import coordinates
from sostruct.networks.hgf.inference.draws import Draws
from sostruct.networks.hgf.inference.priors import AbstractPrior
from sostruct.networks.hgf.inference.result import Fit
from sostruct.numerics import double_precision

Posterior: TypeAlias = Fit | Draws
"""What is drawn."""

_POINTS = 241
_REACH = 4.0
"""Standard deviations of z on either side of a mode that a curve covers."""


class Curve(NamedTuple):
    """A density of one parameter, in its own units.

    Attributes:
        center: the mode, or the median of draws.
        lower: end of the central interval; nan where there is no peak.
        upper: the other end.
        at: where the density is told [point]; empty where there is no peak.
        density: there [point].
    """

    center: float
    lower: float
    upper: float
    at: NDArray[np.float64]
    density: NDArray[np.float64]


def mode_of(posterior: Posterior) -> Fit:
    """The fit itself, or the one that draws were begun from."""
    return posterior.mode if isinstance(posterior, Draws) else posterior


def marginal(posterior: Posterior, number: int, column: int, level: float) -> Curve:
    """The posterior of one parameter of one subject.

    Args:
        posterior: a fit, or draws.
        number: of the subject.
        column: of the parameter.
        level: the probability of its central interval.
    """
    fit = mode_of(posterior)
    support = fit.free[column].prior.support
    tail = 0.5 - 0.5 * level
    if isinstance(posterior, Draws):
        drawn = posterior.chains.points[number, :, :, column].ravel()
        center, low, high = np.quantile(drawn, [0.5, tail, 1.0 - tail])
        if drawn.min() == drawn.max():
            points = density = np.empty(0)
        else:
            points = np.linspace(*_covered(drawn), _POINTS)
            density = scipy.stats.gaussian_kde(drawn)(points)
    else:
        center, sd = fit.points[number, column], math.sqrt(fit.covariance[number, column, column])
        low, high = scipy.stats.norm.ppf([tail, 1.0 - tail], center, sd)
        points = center + sd * np.linspace(-_REACH, _REACH, _POINTS) if math.isfinite(sd) else np.empty(0)
        density = scipy.stats.norm.pdf(points, center, sd) if math.isfinite(sd) else np.empty(0)
    at = _outward(support, points)
    ends = _outward(support, np.array([center, low, high]))
    slope = coordinates.slopes([support], at[:, None])[:, 0]
    order = np.argsort(at)
    with np.errstate(divide="ignore", invalid="ignore"):
        own = np.where(slope > 0.0, density / slope, np.nan)
    lower, upper = sorted((float(ends[1]), float(ends[2])))
    return Curve(float(ends[0]), lower, upper, at[order], own[order])


def prior_density(prior: AbstractPrior, at: NDArray[np.float64]) -> NDArray[np.float64]:
    """A prior's density; 0 outside its support."""
    lower, upper = prior.support
    inside = (at > lower) & (at < upper)
    found = np.zeros_like(at)
    with double_precision():
        found[inside] = np.exp(np.asarray(prior.log_density(jax.numpy.asarray(at[inside]))))
    return found


def prior_range(prior: AbstractPrior) -> tuple[float, float]:
    """Where nearly all of a prior is: between its 1 % and 97 % quantiles, of a symmetric one its 1 and 99 %."""
    with double_precision():
        drawn = np.asarray(prior.sample(jax.random.key(0), (4000,)), np.float64)
    low, high = np.quantile(drawn, [0.01, 0.99 if math.isinf(prior.support[0]) else 0.97])
    return float(low), float(high)


def _covered(drawn: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(drawn, [0.001, 0.999])
    room = 0.1 * (high - low)
    return float(low - room), float(high + room)


def _outward(support: tuple[float, float], points: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = coordinates.outward([support], points[:, None])[:, 0]
    return found
