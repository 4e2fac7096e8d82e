"""Recovery as pictures: fitted against true parameters, and which model was chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from numpy.typing import NDArray

from sostruct.errors import ConfigError
from sostruct.networks.hgf.palette import BLUE, HAIR, INK, MUTED, PAPER

if TYPE_CHECKING:
    from sostruct.networks.hgf.generative.recovery import Recovery

_WIDE: Final = 3
_COLORS: Final = LinearSegmentedColormap.from_list("share", [PAPER, BLUE])


def draw_recovery(
    recovery: Recovery, *, level: float = 0.9, axes: Sequence[Axes] | NDArray[np.object_] | None = None
) -> NDArray[np.object_]:
    """A panel for each model and parameter: fitted values with intervals against the truth, and the diagonal.

    Args:
        recovery: the study.
        level: the probability of the intervals.
        axes: one for each model and parameter; by default those of a new figure.

    Returns:
        The axes, in the order of `Recovery.parameters`.

    Raises:
        ConfigError: the level is not between 0 and 1, or the number of axes is wrong.
    """
    table = recovery.parameters(level)
    count = len(table)
    if axes is None:
        columns = min(count, _WIDE)
        rows = -(-count // columns)
        _, grid = plt.subplots(rows, columns, figsize=(3.1 * columns, 3.0 * rows), layout="constrained", squeeze=False)
        for empty in grid.reshape(-1)[count:]:
            empty.set_visible(False)
        drawn = grid.reshape(-1)[:count]
    else:
        drawn = np.asarray(axes, dtype=object).reshape(-1)
        if len(drawn) != count:
            raise ConfigError(
                f"Cannot draw on {len(drawn)} axes. This is because there are {count} parameters. Try {count} axes, or "
                "none for a new figure."
            )
    for ax, (model, place, name) in zip(drawn, table.index, strict=True):
        fit, true = recovery.fits[model, model], recovery.truths[model][place, name].to_numpy()
        found = fit.parameters[place, name].to_numpy()
        own = fit.intervals(level).xs((place, name), level=("place", "parameter"))
        low, high = own["lower"].to_numpy(), own["upper"].to_numpy()
        known = np.isfinite(low) & np.isfinite(high)
        ax.vlines(true[known], low[known], high[known], color=HAIR, linewidth=1.0)
        ax.plot(true, found, ".", color=BLUE, markersize=5)
        ends = [min(true.min(), found.min()), max(true.max(), found.max())]
        ax.plot(ends, ends, "--", color=MUTED, linewidth=0.8)
        room = 0.1 * (ends[1] - ends[0]) + 1e-9
        ax.set_ylim(ends[0] - room, ends[1] + room)
        title = f"{place} {name}" if len(recovery.models) == 1 else f"{model}: {place} {name}"
        ax.set_title(title, loc="left", color=INK, fontsize=9)
        ax.text(
            0.04, 0.96, f"r {table.loc[(model, place, name), 'correlation']:.2f}", transform=ax.transAxes, va="top",
            color=MUTED, fontsize=8,
        )  # fmt: skip
        ax.set_xlabel("true", color=MUTED, fontsize=8)
        ax.set_ylabel("fitted", color=MUTED, fontsize=8)
        ax.tick_params(colors=MUTED, labelsize=8)
        ax.spines[["top", "right"]].set_visible(False)
    return drawn


def draw_confusion(recovery: Recovery, *, ax: Axes | None = None) -> Axes:
    """`Recovery.confusion` as a heat map: models that acted in rows, models that were chosen in columns.

    Args:
        recovery: the study.
        ax: axes to draw on; those of a new figure by default.
    """
    table = recovery.confusion
    numbers: NDArray[Any] = table.to_numpy(np.float64)
    count = len(table)
    if ax is None:
        side = 1.4 + 0.8 * count
        _, ax = plt.subplots(figsize=(side + 0.8, side), layout="constrained")
    ax.imshow(numbers, vmin=0.0, vmax=1.0, cmap=_COLORS)
    for row, column in np.ndindex(count, count):
        share = numbers[row, column]
        ax.text(column, row, f"{share:.2f}", ha="center", va="center", color=PAPER if share > 0.6 else INK, fontsize=9)
    names = [str(name) for name in recovery.models]
    ax.set_xticks(range(count), names, color=INK)
    ax.set_yticks(range(count), names, color=INK)
    ax.set_xlabel("chosen", color=MUTED)
    ax.set_ylabel("acted", color=MUTED)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax
