"""How strong the noise of every series is over the rows: one panel per series, its kind beside its name.

Panels share rows and not scales: what matters is how much a series' noise changes, not whose is larger.
"""

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sostruct.reports.canvas import new_figure, settings
from sostruct.reports.palette import LIGHT
from sostruct.reports.typography import shorten

MOST_SERIES: Final = 20
_HEIGHT: Final = 0.55


def draw_noise(noise: pd.DataFrame, volatility: pd.DataFrame) -> Figure:
    """Draw the standard deviation of the noise of every series, those that change most first.

    Args:
        noise: by series, columns kind, freedom, sd, sd_quiet and sd_strong.
        volatility: standard deviations [row x series].

    Returns:
        The figure; of up to `MOST_SERIES` series.
    """
    change = (noise["sd_strong"] / noise["sd_quiet"]).sort_values(ascending=False, kind="stable")
    shown = list(change.index[:MOST_SERIES])
    height = 0.7 + _HEIGHT * len(shown)
    rows = np.arange(max(len(volatility), 2))
    with settings():
        figure = new_figure(8.0, height)
        for place, name in enumerate(shown):
            bottom = (height - 0.25 - _HEIGHT * (place + 1)) / height
            ax = figure.add_axes((0.26, bottom, 0.72, 0.85 * _HEIGHT / height))
            sd = np.resize(volatility[name].to_numpy(), len(rows))
            ax.fill_between(rows, sd, color=LIGHT["blue"], alpha=0.25, linewidth=0)
            ax.plot(rows, sd, color=LIGHT["blue"], linewidth=0.9)
            ax.set(xlim=(0, rows[-1]), ylim=(0, 1.1 * sd.max()))
            ax.set_yticks([float(noise.loc[name, "sd"])], [f"{noise.loc[name, 'sd']:.3g}"])
            ax.tick_params(length=2, pad=2, labelsize=7, colors=LIGHT["muted"], labelbottom=place == len(shown) - 1)
            for side in ("top", "right", "left"):
                ax.spines[side].set_visible(False)
            ax.spines["bottom"].set_color(LIGHT["hair"])
            ax.text(-0.08, 0.62, shorten(str(name), 16), ha="right", va="center", transform=ax.transAxes, fontsize=8.5)
            ax.text(
                -0.08, 0.22, _kind(noise.loc[name]), ha="right", va="center", transform=ax.transAxes, fontsize=7,
                color=LIGHT["muted"],
            )  # fmt: skip
        ax.set_xlabel("row; standard deviation of the noise", fontsize=8, color=LIGHT["muted"])
    return figure


def _kind(row: pd.Series) -> str:
    tails = f", t({row['freedom']:.1f})" if np.isfinite(row["freedom"]) else ""
    return f"{row['kind']}{tails}"
