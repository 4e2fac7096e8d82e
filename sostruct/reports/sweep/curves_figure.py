"""Learning curves: surprise and edges by epoch, mean and band over replicates, with the epochs that edited marked.

Replicates settle after different numbers of epochs. A run that has settled stays as it is, so its last epoch is carried
on to the longest run of the sweep, and every mean of a condition is over the same replicates.
"""

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sostruct.reports.canvas import new_figure
from sostruct.reports.palette import LIGHT
from sostruct.reports.sweep.analysis import Analysis
from sostruct.reports.sweep.statistics import mean_interval
from sostruct.reports.sweep.style import bare, legend, muted, number_axis, styles
from sostruct.reports.typography import shorten

WIDTH: Final = 10.4
MOST_COLUMNS: Final = 5
MOST_LETTERS: Final = 24
LANE: Final = 0.2


def per_step(analysis: Analysis) -> bool:
    """Whether every curve knows its surprise per step, so that curves of different lengths of data compare."""
    curves = analysis.sweep.curves
    return bool(len(curves)) and bool(curves["surprise_per_step"].notna().all())


def curve_table(analysis: Analysis, condition: str, column: str) -> pd.DataFrame:
    """Epoch x replicate: a column of the curves of a condition, every run carried on from its last epoch."""
    jobs = analysis.sweep.frame.loc[analysis.sweep.frame["condition"] == condition, "job"]
    curves = analysis.sweep.curves
    own = curves[curves["job"].isin(jobs)]
    table = own.pivot(index="epoch", columns="job", values=column).astype("float64")
    return table.reindex(sorted(set(curves["epoch"]))).ffill() if len(table) else table


def edit_epochs(analysis: Analysis, condition: str) -> pd.Series:
    """Mean number of edits accepted after each epoch, per replicate; epochs without any are left out."""
    jobs = analysis.sweep.frame.loc[analysis.sweep.frame["condition"] == condition, "job"]
    own = analysis.sweep.curves[analysis.sweep.curves["job"].isin(jobs)]
    if own.empty:
        return pd.Series(dtype="float64")
    mean = own.groupby("epoch")["edits"].sum() / own["job"].nunique()
    return mean[mean > 0]


def draw_curves(analysis: Analysis) -> Figure:
    """Draw surprise and edges by epoch for every condition, and below them a lane of accepted edits each."""
    conditions = [
        condition for condition in analysis.sweep.conditions if len(curve_table(analysis, condition, "surprise"))
    ]
    lanes = LANE * len(conditions) + 0.1
    legend_rows = -(-len(conditions) // MOST_COLUMNS)
    head, foot, upper = 0.12 + 0.2 * legend_rows, 0.45, 2.5
    height = head + upper + 0.12 + lanes + foot
    figure = new_figure(WIDTH, height)
    names = ("surprise_per_step" if per_step(analysis) else "surprise", "edges")
    titles = ("surprise per step, nats" if per_step(analysis) else "surprise, nats", "edges")
    last = int(analysis.sweep.curves["epoch"].max())
    for place, (name, title) in enumerate(zip(names, titles, strict=True)):
        left = 0.075 + 0.5 * place
        ax = figure.add_axes((left, (foot + lanes + 0.12) / height, 0.41, upper / height))
        strip = figure.add_axes((left, foot / height, 0.41, lanes / height))
        _curves(ax, analysis, conditions, name)
        _lanes(strip, analysis, conditions)
        for axes in (ax, strip):
            axes.set_xlim(-0.3, max(last, 1) + 0.8)
            axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
        ax.tick_params(labelbottom=False)
        ax.set_ylabel(title, **muted())
        strip.set_ylabel("edits", **muted())
        strip.set_xlabel("epoch", **muted())
        figure.align_ylabels([ax, strip])
        if place == 0:
            legend(ax, MOST_COLUMNS)
    return figure


def _curves(ax: Axes, analysis: Analysis, conditions: list[str], name: str) -> None:
    looks = styles(analysis)
    for condition in conditions:
        table = curve_table(analysis, condition, name)
        found = [mean_interval(row, analysis.options.confidence) for row in table.to_numpy()]
        epochs = table.index.to_numpy(dtype=np.float64)
        look = looks[condition]
        low, high = (np.array([getattr(one, end) for one in found]) for end in ("low", "high"))
        if not np.isnan(low).all():
            ax.fill_between(epochs, low, high, color=look.color, alpha=0.16, linewidth=0)
        ax.plot(
            epochs,
            [one.mean for one in found],
            color=look.color,
            linestyle=look.line,
            linewidth=1.6,
            marker=look.marker if len(epochs) <= 40 else None,
            markersize=3.4,
            markeredgewidth=0,
            label=shorten(analysis.labels[condition], MOST_LETTERS),
        )
    bare(ax)
    number_axis(ax.yaxis, whole=name == "edges")


def _lanes(strip: Axes, analysis: Analysis, conditions: list[str]) -> None:
    """One lane per condition: a mark between the epochs after which edits were accepted, larger for more of them."""
    looks = styles(analysis)
    every = {condition: edit_epochs(analysis, condition) for condition in conditions}
    most = max((float(edits.max()) for edits in every.values() if len(edits)), default=1.0)
    for lane, (condition, edits) in enumerate(every.items()):
        strip.axhline(lane, color=LIGHT["hair"], linewidth=0.6, zorder=0)
        if len(edits):
            strip.scatter(
                edits.index.to_numpy(dtype=np.float64) + 0.5,
                np.full(len(edits), lane),
                s=6 + 30 * edits.to_numpy(dtype=np.float64) / most,
                marker=looks[condition].marker,
                color=looks[condition].color,
                linewidths=0,
            )
    bare(strip)
    strip.grid(visible=False)
    strip.set_yticks([])
    strip.set_ylim(len(conditions) - 0.4, -0.6)
