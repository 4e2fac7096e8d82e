"""What accuracy costs: the main metric against the size of the graph and against the epochs it took."""

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sostruct.reports.canvas import new_figure
from sostruct.reports.palette import LIGHT
from sostruct.reports.sweep.analysis import Analysis
from sostruct.reports.sweep.options import metric_label
from sostruct.reports.sweep.statistics import mean_interval
from sostruct.reports.sweep.style import bare, legend, muted, number_axis, styles
from sostruct.reports.typography import shorten

WIDTH: Final = 10.4
COSTS: Final = {"edges": "edges of the graph", "epochs": "epochs"}
"""Metric on the horizontal axis -> its title."""

MOST_COLUMNS: Final = 5


def costs_of(analysis: Analysis, metric: str) -> tuple[str, ...]:
    """The costs that the runs record, other than the metric itself."""
    return tuple(name for name in COSTS if name in analysis.sweep.metrics and name != metric)


def draw_tradeoff(analysis: Analysis, metric: str) -> Figure:
    """Draw a metric against every cost: replicates as points, the means of a condition as a cross of intervals."""
    costs = costs_of(analysis, metric)
    rows = -(-len(analysis.sweep.conditions) // MOST_COLUMNS)
    head, foot, upper = 0.12 + 0.2 * rows, 0.48, 2.6
    height = head + foot + upper
    figure = new_figure(WIDTH, height)
    for place, cost in enumerate(costs):
        ax = figure.add_axes((0.075 + 0.5 * place, foot / height, 0.41, upper / height))
        for condition in analysis.sweep.conditions:
            _condition(ax, analysis, metric, cost, condition)
        bare(ax, grid="both")
        ax.margins(0.06)
        number_axis(ax.xaxis, 6, whole=True)
        number_axis(ax.yaxis)
        ax.set_xlabel(COSTS[cost], **muted())
        ax.set_ylabel(metric_label(metric), **muted())
        if place == 0:
            legend(ax, MOST_COLUMNS)
    return figure


def _condition(ax: Axes, analysis: Analysis, metric: str, cost: str, condition: str) -> None:
    frame = analysis.sweep.frame
    both = frame.loc[frame["condition"] == condition, [cost, metric]].dropna().to_numpy(dtype=np.float64)
    if not len(both):
        return
    look = styles(analysis)[condition]
    confidence = analysis.options.confidence
    x, y = mean_interval(both[:, 0], confidence), mean_interval(both[:, 1], confidence)
    ax.plot(
        both[:, 0],
        both[:, 1],
        linestyle="none",
        marker=look.marker,
        markersize=3.6,
        color=look.color,
        alpha=0.4,
        markeredgewidth=0,
    )
    if x.n > 1:
        ax.plot([x.low, x.high], [y.mean, y.mean], color=look.color, linewidth=1.4)
        ax.plot([x.mean, x.mean], [y.low, y.high], color=look.color, linewidth=1.4)
    ax.plot(
        [x.mean],
        [y.mean],
        linestyle="none",
        marker=look.marker,
        markersize=7.5,
        color=look.color,
        markeredgecolor=LIGHT["surface"],
        markeredgewidth=0.8,
        label=shorten(analysis.labels[condition], 24),
    )
