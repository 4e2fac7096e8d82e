"""Courses of series with an intervention and without it, one small panel each.

All panels share their time and none its values: series have units of their own. The band is where nine courses of ten
run; the dashed line is the course to compare with. Of many series, those that are moved most, in units of the band's
width, are drawn.
"""

import math
from collections.abc import Collection, Sequence
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sostruct.errors import DataError
from sostruct.reports.canvas import new_figure, settings
from sostruct.reports.palette import LIGHT
from sostruct.reports.typography import shorten

MOST_PANELS: Final = 12
WIDTH, HEIGHT = 2.2, 1.5


def draw_courses(
    mean: pd.DataFrame,
    lower: pd.DataFrame,
    upper: pd.DataFrame,
    reference: pd.DataFrame,
    held: Collection[str],
    series: Sequence[str] | None = None,
) -> Figure:
    """Draw the courses of some series.

    Args:
        mean, lower, upper: with the intervention [step x variable].
        reference: mean of the courses to compare with [step x variable].
        held: the series that are held.
        series: which to draw; the held ones and those that are moved most when None.

    Raises:
        DataError: a series that is not in the tables.
    """
    names = _most_moved(mean, lower, upper, reference, held) if series is None else list(series)
    unknown = [name for name in names if name not in mean.columns]
    if unknown or not names:
        raise DataError(
            f"Cannot draw {', '.join(map(repr, unknown)) or 'nothing'}. This is because the courses are those of "
            f"{', '.join(map(str, mean.columns[:20]))}. Try some of them."
        )
    across = min(len(names), 4 if len(names) > 3 else 3)
    down = math.ceil(len(names) / across)
    width, height = 0.35 + WIDTH * across, 0.62 + HEIGHT * down
    steps = np.arange(1, len(mean) + 1)
    with settings():
        figure = new_figure(width, height)
        for place, name in enumerate(names):
            row, column = divmod(place, across)
            left, bottom = 0.35 + 0.25 + WIDTH * column, height - 0.3 - HEIGHT * (row + 1) + 0.38
            ax = figure.add_axes((left / width, bottom / height, (WIDTH - 0.4) / width, (HEIGHT - 0.55) / height))
            ax.fill_between(steps, lower[name], upper[name], color=LIGHT["band"], linewidth=0)
            ax.plot(steps, reference[name], color=LIGHT["muted"], linewidth=1.0, linestyle=(0.0, (4.0, 2.0)))
            color = LIGHT["vermilion"] if name in held else LIGHT["blue"]
            ax.plot(steps, mean[name], color=color, linewidth=1.6)
            title = f"{shorten(name, 22)}{' (held)' if name in held else ''}"
            ax.set_title(title, loc="left", color=LIGHT["ink"], fontsize=8.5, pad=3, parse_math=False)
            ax.locator_params(axis="y", nbins=4)
            ax.locator_params(axis="x", nbins=5, integer=True)
            ax.tick_params(length=2, pad=2, labelsize=7, colors=LIGHT["muted"])
            for side in ("top", "right"):
                ax.spines[side].set_visible(False)
            for side in ("left", "bottom"):
                ax.spines[side].set_color(LIGHT["hair"])
        words = "line: mean with the intervention, band: nine courses of ten; dashed: to compare with; x: steps"
        if len(names) < mean.shape[1]:
            words += f"; {len(names)} of {mean.shape[1]} series"
        figure.text(0.2 / width, 0.1 / height, words, color=LIGHT["muted"], fontsize=7.5, ha="left", va="bottom")
    return figure


def _most_moved(
    mean: pd.DataFrame, lower: pd.DataFrame, upper: pd.DataFrame, reference: pd.DataFrame, held: Collection[str]
) -> list[str]:
    width = (upper - lower).mean().clip(lower=1e-300)
    moved = ((mean - reference).abs().max() / width).drop(labels=list(held))
    moved = moved[moved > 0].sort_values(ascending=False, kind="stable")
    chosen = {*held, *moved.index[: max(MOST_PANELS - len(held), 1)]}
    return [str(name) for name in mean.columns if name in chosen]
