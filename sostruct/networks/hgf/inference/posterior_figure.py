"""What data taught: the prior and the posterior of every parameter, for one subject or for many in one panel."""

from __future__ import annotations

from typing import Any, Final

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from sostruct.errors import ConfigError
from sostruct.networks.hgf.inference.draws import Draws
from sostruct.networks.hgf.inference.marginals import Curve, Posterior, marginal, mode_of, prior_density, prior_range
from sostruct.networks.hgf.inference.parameters import Free
from sostruct.networks.hgf.palette import BAND, BLUE, HAIR, INK, MUTED, VERMILION

_ACROSS: Final = 3  # panels side by side
_PANEL: Final = (3.3, 2.5)  # inches
_PRIOR: Final = (0, (4, 2))


def draw_posteriors(
    posterior: Posterior,
    *,
    subject: Any = None,
    level: float = 0.9,
    axes: Any = None,
) -> NDArray[np.object_]:
    """One panel a parameter: its prior (dashed), and its posterior with the mode (of draws, the median).

    One subject's posterior is filled over its central interval; those of several subjects are lines of one color, with
    a tick for each at the bottom. Where a mode is no peak there is the tick alone, in another color.

    Args:
        posterior: a fit, drawn by its Laplace approximation, or draws, by a kernel estimate.
        subject: one subject, by label; by default all.
        level: the probability of the interval.
        axes: one for each parameter; by default those of a new figure.

    Returns:
        The axes, in the order of the parameters.

    Raises:
        ConfigError: the subject is unknown, the level is not between 0 and 1, or the number of axes is wrong.
    """
    fit = mode_of(posterior)
    posterior.intervals(level)
    numbers = range(len(fit.panel.labels)) if subject is None else [fit._number(subject)]
    drawn = _axes(len(fit.free), axes)
    for column, (ax, free) in enumerate(zip(drawn, fit.free, strict=True)):
        curves = [marginal(posterior, number, column, level) for number in numbers]
        _draw_panel(ax, free, curves, level, "median" if isinstance(posterior, Draws) else "mode")
    drawn[0].legend(frameon=False, fontsize=8, labelcolor=INK, handlelength=1.6)
    return drawn


def _draw_panel(ax: Axes, free: Free, curves: list[Curve], level: float, center: str) -> None:
    style(ax)
    shown = [curve for curve in curves if curve.at.size]
    low, high = prior_range(free.prior)
    for curve in shown:
        enough = curve.density > 0.02 * np.nanmax(curve.density)
        low, high = min(low, curve.at[enough].min()), max(high, curve.at[enough].max())
    # bounds of the support are no place to look
    margin = 0.02 * (high - low)
    lower, upper = free.prior.support
    at = np.linspace(max(low - margin, lower), min(high + margin, upper), 400)[1:-1]
    prior = prior_density(free.prior, at)
    tall = max([float(np.nanmax(curve.density)) for curve in shown] or [float(prior.max())])
    several = len(curves) > 1
    alpha = float(np.clip(6 / max(len(shown), 1), 0.25, 0.8)) if several else 1.0
    for number, curve in enumerate(shown):
        label = None if number else "posteriors" if several else "posterior"
        ax.plot(curve.at, curve.density, color=BLUE, linewidth=0.8 if several else 1.4, alpha=alpha, label=label)
        if not several:
            inside = (curve.at >= curve.lower) & (curve.at <= curve.upper)
            ax.fill_between(curve.at, 0.0, curve.density, where=inside.tolist(), color=BAND, linewidth=0)
            ax.vlines(curve.center, 0.0, np.interp(curve.center, curve.at, curve.density), color=BLUE, linewidth=1.0)
    ax.plot(at, prior, color=MUTED, linestyle=_PRIOR, linewidth=1.2, label="prior", zorder=3)
    for curve in curves:
        peaked = bool(curve.at.size)
        if several or not peaked:
            ax.plot(
                [curve.center],
                [0.0],
                marker="|",
                markersize=7,
                color=BLUE if peaked else VERMILION,
                clip_on=False,
                zorder=4,
            )
    ax.set_xlim(float(at[0]), float(at[-1]))
    ax.set_ylim(0.0, 1.08 * max(tall, float(np.nanmin([prior.max(), 3.0 * tall]))))
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.set_title(f"{free.label} {free.name}", loc="left", fontsize=10, color=INK, pad=18, parse_math=False)
    ax.annotate(
        _note(curves, level, center), (0, 1), (0, 6), xycoords="axes fraction", textcoords="offset points", fontsize=8,
        color=MUTED,
    )  # fmt: skip


def _note(curves: list[Curve], level: float, center: str) -> str:
    flat = sum(not curve.at.size for curve in curves)
    if len(curves) > 1:
        lost = f", {flat} without a peak" if flat else ""
        return f"{len(curves)} subjects, {center}s from {_number(min(c.center for c in curves))} to " + (
            f"{_number(max(c.center for c in curves))}{lost}"
        )
    (curve,) = curves
    if flat:
        return f"{center} {_number(curve.center)}, which is no peak"
    return f"{center} {_number(curve.center)}, {100 * level:g} % {_number(curve.lower)} to {_number(curve.upper)}"


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "\N{MINUS SIGN}")


def _axes(count: int, given: Any) -> NDArray[np.object_]:
    if given is not None:
        found: NDArray[np.object_] = np.asarray(given, dtype=object).reshape(-1)
        if len(found) != count:
            raise ConfigError(
                f"Cannot draw on {len(found)} axes. This is because there are {count} parameters. Try {count} axes, or "
                "none for a new figure."
            )
        return found
    across = min(count, _ACROSS)
    down = -(-count // across)
    _, grid = plt.subplots(
        down, across, squeeze=False, figsize=(_PANEL[0] * across, _PANEL[1] * down), layout="constrained"
    )
    for spare in grid.flat[count:]:
        spare.set_visible(False)
    own: NDArray[np.object_] = grid.reshape(-1)[:count]
    return own


def style(ax: Axes) -> None:
    """Two quiet spines."""
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(HAIR)
    ax.tick_params(colors=MUTED, labelsize=8, length=3, color=HAIR)
    ax.xaxis.set_major_locator(MaxNLocator(5))
