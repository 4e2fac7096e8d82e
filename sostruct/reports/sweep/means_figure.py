"""One metric over conditions: the mean with its interval, and every replicate as a point.

With ten replicates the points say more than any summary, so they are always there; the interval stands above them.
"""

import math
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from sostruct.reports.canvas import TIP, new_figure
from sostruct.reports.palette import LIGHT
from sostruct.reports.sweep import wording
from sostruct.reports.sweep.analysis import Analysis
from sostruct.reports.sweep.jobs import natural
from sostruct.reports.sweep.options import direction_note, metric_label
from sostruct.reports.sweep.style import bare, muted, number_axis, styles
from sostruct.reports.typography import shorten

WIDTH: Final = 5.4
ROW: Final = 0.46
MOST_LETTERS: Final = 26


def draw_means(analysis: Analysis, metric: str) -> Figure:
    """Draw a metric: a row per condition in the order of the sweep, mean and interval above its replicates."""
    conditions = analysis.sweep.conditions
    looks = styles(analysis)
    height = 0.62 + ROW * len(conditions)
    names = [shorten(analysis.labels[condition], MOST_LETTERS) for condition in conditions]
    left = min(2.2, 0.25 + 0.068 * max(len(name) for name in names))
    figure = new_figure(WIDTH, height)
    ax = figure.add_axes((left / WIDTH, 0.48 / height, (WIDTH - left - 0.12) / WIDTH, (height - 0.54) / height))
    decimals = wording.column_places(analysis.means[analysis.means["metric"] == metric])
    for row, condition in enumerate(conditions):
        values = analysis.values(metric, condition)
        ordered = values.loc[sorted(values.index, key=lambda name: natural(str(name)))].to_numpy(dtype=np.float64)
        look, found = looks[condition], analysis.row(metric, condition)
        if not len(ordered):
            ax.text(0.01, row, "no value yet", transform=ax.get_yaxis_transform(), va="center", **muted(8))
            continue
        # A fixed scatter in the order of replicates: equal numbers stay visible, equal sweeps stay equal bytes.
        offsets = 0.24 + 0.1 * np.cos(np.pi * np.arange(len(ordered)))
        ax.plot(
            ordered,
            row + offsets,
            linestyle="none",
            marker=look.marker,
            markersize=3.6,
            color=look.color,
            alpha=0.45,
            markeredgewidth=0,
        )
        middle = row - 0.1
        if not math.isnan(found["low"]):
            ax.plot(
                [found["low"], found["high"]], [middle, middle], color=look.color, linewidth=2.0, solid_capstyle="butt"
            )
        spread = wording.interval(found["low"], found["high"], decimals)
        ax.plot(
            [found["mean"]],
            [middle],
            marker=look.marker,
            markersize=7.5,
            color=look.color,
            markeredgecolor=LIGHT["surface"],
            markeredgewidth=0.8,
            gid=f"{TIP}{analysis.labels[condition]}: {wording.fixed(found['mean'], decimals)} {spread}".rstrip(),
        )
    ax.set_ylim(len(conditions) - 0.45, -0.55)
    ax.set_yticks(range(len(conditions)), names, parse_math=False)
    bare(ax, grid="x")
    ax.tick_params(axis="y", labelsize=8.5, labelcolor=LIGHT["ink"])
    ax.margins(x=0.06)
    number_axis(ax.xaxis)
    note = direction_note(metric)
    ax.set_xlabel(metric_label(metric) + (f" ({note})" if note else ""), **muted())
    return figure
