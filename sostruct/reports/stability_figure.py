"""How often every pair of variables is linked in resampled series: cause by effect, in shares of the resamples.

The deeper a cell, the more resamples have the link; pairs that are linked in the graph of all rows have an outline, so
that what is found but not stable, and what is often found but not in the graph, both catch the eye.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from sostruct.reports.canvas import TIP, figure_of, settings
from sostruct.reports.evidence_figure import MOST_NUMBERED, MOST_OUTLINED, fitting_axes, name_axes
from sostruct.reports.palette import LIGHT, STEPS

_DEEP = 0.6
"""Share from which a cell's ink is light."""


def draw_stability(summary: pd.DataFrame, found: Iterable[tuple[str, str]]) -> Figure:
    """Draw the share of resamples that link every cause (row) to every effect (column).

    Args:
        summary: cause x effect, shares.
        found: the pairs (cause, effect) that the graph of all rows links.

    Returns:
        The figure.
    """
    share = summary.to_numpy(dtype=np.float64)
    causes, effects = [str(name) for name in summary.index], [str(name) for name in summary.columns]
    with settings():
        ax = fitting_axes(causes, effects)
        ramp = LinearSegmentedColormap.from_list("share", [LIGHT["even"], LIGHT[f"for-{STEPS}"]])
        extent = (0.0, float(len(effects)), float(len(causes)), 0.0)
        ax.imshow(share, cmap=ramp, vmin=0.0, vmax=1.0, extent=extent, interpolation="none", aspect="auto")
        name_axes(ax, causes, effects)
        if max(share.shape) <= MOST_NUMBERED:
            for (row, column), value in np.ndenumerate(share):
                ax.text(
                    column + 0.5,
                    row + 0.5,
                    f"{100 * value:.0f}",
                    ha="center",
                    va="center_baseline",
                    fontsize=7.5,
                    color=LIGHT["cell-strong-ink" if value >= _DEEP else "cell-weak-ink"],
                    gid=f"{TIP}{causes[row]} → {effects[column]}\n{100 * value:.0f} % of resamples",
                )
        if max(share.shape) <= MOST_OUTLINED:
            row_of = {name: row for row, name in enumerate(causes)}
            column_of = {name: column for column, name in enumerate(effects)}
            for cause, effect in sorted(set(found)):
                corner = (column_of[effect] + 0.04, row_of[cause] + 0.04)
                ax.add_patch(Rectangle(corner, 0.92, 0.92, fill=False, edgecolor=LIGHT["ink"], linewidth=1.0))
        ax.set_xlabel("% of resamples (outlined: in the graph of all rows)", fontsize=8, color=LIGHT["muted"])
    return figure_of(ax)
