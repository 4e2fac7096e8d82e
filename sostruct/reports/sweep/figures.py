"""Every figure of a sweep by name: pure functions of its analysis, one file each."""

from matplotlib.figure import Figure

from sostruct.reports.canvas import settings
from sostruct.reports.sweep.analysis import Analysis
from sostruct.reports.sweep.curves_figure import draw_curves
from sostruct.reports.sweep.means_figure import draw_means
from sostruct.reports.sweep.ranks_figure import draw_ranks
from sostruct.reports.sweep.tradeoff_figure import costs_of, draw_tradeoff

__all__ = ["draw_curves", "draw_means", "draw_ranks", "draw_tradeoff", "figure_name", "main_metric", "sweep_figures"]


def main_metric(analysis: Analysis) -> str:
    """The metric that costs are drawn against: the first with a direction, else the first."""
    return next(iter(analysis.rankings), analysis.metrics[0])


def sweep_figures(analysis: Analysis) -> dict[str, Figure]:
    """The figures that the jobs at hand allow; none before a job has finished."""
    if not analysis.metrics:
        return {}
    figures: dict[str, Figure] = {}
    with settings():
        for metric in analysis.metrics:
            figures[figure_name("means", metric)] = draw_means(analysis, metric)
        for metric in analysis.rankings:
            figures[figure_name("ranks", metric)] = draw_ranks(analysis, metric)
        if len(analysis.sweep.curves):
            figures["curves"] = draw_curves(analysis)
        if costs_of(analysis, main_metric(analysis)):
            figures["tradeoff"] = draw_tradeoff(analysis, main_metric(analysis))
    return figures


def figure_name(kind: str, metric: str) -> str:
    """Name of the figure of a metric, fit for a file and an anchor."""
    return f"{kind}_" + "".join(letter if letter.isalnum() or letter in "_-" else "_" for letter in metric)
