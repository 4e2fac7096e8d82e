"""Which parameters the data cannot tell apart: every pair of them, at a mode or in draws, with their correlations."""

from __future__ import annotations

import math
from typing import Any, Final

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from sostruct.errors import ConfigError
from sostruct.networks.hgf.inference import coordinates
from sostruct.networks.hgf.inference.draws import Draws
from sostruct.networks.hgf.inference.marginals import Posterior, marginal, mode_of
from sostruct.networks.hgf.inference.posterior_figure import style
from sostruct.networks.hgf.inference.result import Fit
from sostruct.networks.hgf.palette import BAND, BLUE, INK, MUTED, VERMILION

_PANEL: Final = 1.9  # inches
_MOST: Final = 1500  # draws that are told apart
_LEVELS: Final = (0.9, 0.5)  # probabilities inside the lines


def draw_pairs(posterior: Posterior, *, subject: Any = None) -> NDArray[np.object_]:
    """Every pair of parameters below the diagonal, every one on it, correlations above.

    Draws are dots; of a fit, lines hold 50 and 90 % of Laplace's Gaussian in each pair, curved where the parameters'
    own units are. Correlations are of the unbounded coordinates, in which both are nearest to Gaussian.

    Args:
        posterior: a fit or draws.
        subject: by label, where there are several; by default the first.

    Returns:
        The axes [parameter, parameter]; those above the diagonal hold a number alone.

    Raises:
        ConfigError: there is one parameter, the subject is unknown, or its mode is no peak.
    """
    fit = mode_of(posterior)
    number = 0 if subject is None else fit._number(subject)
    count = len(fit.free)
    if count < 2:
        raise ConfigError(
            "Cannot draw pairs of parameters. This is because there is one. Try plot(), which draws each by itself."
        )
    correlation = _correlation(posterior, number)
    _, axes = plt.subplots(
        count, count, squeeze=False, figsize=(_PANEL * count + 0.6, _PANEL * count), sharex="col", layout="constrained"
    )
    for row, column in np.ndindex(count, count):
        ax: Any = axes[row, column]
        style(ax)
        ax.xaxis.set_major_locator(MaxNLocator(3))
        ax.yaxis.set_major_locator(MaxNLocator(3))
        if row == column:
            _draw_one(ax, posterior, number, row)
        elif row > column:
            _draw_pair(ax, posterior, number, row, column)
        else:
            _draw_number(ax, float(correlation[row, column]))
        if column == 0 and row:
            ax.set_ylabel(_name(fit, row), fontsize=8, color=INK, parse_math=False)
        if row == count - 1:
            ax.set_xlabel(_name(fit, column), fontsize=8, color=INK, parse_math=False)
    if fit.subjects is not None:
        axes[0, 0].set_title(f"subject {fit.panel.labels[number]}", loc="left", fontsize=9, color=INK, parse_math=False)
    return axes


def _correlation(posterior: Posterior, number: int) -> NDArray[np.float64]:
    """Of z [parameter, parameter]."""
    if isinstance(posterior, Draws):
        points = posterior.chains.points[number]
        own: NDArray[np.float64] = np.corrcoef(points.reshape(-1, points.shape[-1]).T)
        return own
    covariance = posterior.covariance[number]
    if not np.isfinite(covariance).all():
        raise ConfigError(
            f"Cannot draw pairs of parameters of {posterior.panel.labels[number]!r}. This is because the mode of its "
            "posterior is no peak, so that nothing says how they vary. Try method='nuts'."
        )
    sds = np.sqrt(np.diag(covariance))
    found: NDArray[np.float64] = covariance / np.outer(sds, sds)
    return found


def _draw_one(ax: Axes, posterior: Posterior, number: int, column: int) -> None:
    curve = marginal(posterior, number, column, 0.9)
    inside = (curve.at >= curve.lower) & (curve.at <= curve.upper)
    ax.fill_between(curve.at, 0.0, curve.density, where=inside.tolist(), color=BAND, linewidth=0)
    ax.plot(curve.at, curve.density, color=BLUE, linewidth=1.2)
    ax.set_ylim(bottom=0.0)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)


def _draw_pair(ax: Axes, posterior: Posterior, number: int, row: int, column: int) -> None:
    fit = mode_of(posterior)
    own = [column, row]
    supports = [fit.free[one].prior.support for one in own]
    if isinstance(posterior, Draws):
        drawn = posterior.values[number].reshape(-1, len(fit.free))[:, own]
        kept = drawn[np.linspace(0, len(drawn) - 1, min(len(drawn), _MOST)).astype(int)]
        ax.plot(*kept.T, ".", markersize=3.2, markeredgewidth=0, color=BLUE, alpha=0.5, rasterized=True)
        return
    root = np.linalg.cholesky(posterior.covariance[number][np.ix_(own, own)])
    turn = np.linspace(0.0, 2.0 * math.pi, 181)
    for level in _LEVELS:
        reach = math.sqrt(-2.0 * math.log(1.0 - level))
        line = fit.points[number, own] + reach * np.stack([np.cos(turn), np.sin(turn)], -1) @ root.T
        ax.plot(*coordinates.outward(supports, line).T, color=BLUE, linewidth=1.2 if level == min(_LEVELS) else 0.8)
    ax.plot(*fit.values[number, own], "+", color=VERMILION, markersize=6)


def _draw_number(ax: Axes, value: float) -> None:
    strong = abs(value) > 0.6
    ax.text(
        0.5, 0.5, f"{value:.2f}".replace("-", "\N{MINUS SIGN}"), transform=ax.transAxes, ha="center", va="center",
        fontsize=8 + 6 * abs(value), color=VERMILION if strong else MUTED,
    )  # fmt: skip
    ax.set_axis_off()


def _name(fit: Fit, column: int) -> str:
    return f"{fit.free[column].label}\n{fit.free[column].name}"
