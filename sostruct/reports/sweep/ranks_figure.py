"""Average ranks with Nemenyi's critical difference (Demsar 2006, figure 1).

Methods stand on a scale of average ranks, the best on the left. A thick line joins methods whose ranks do not differ by
as much as the critical difference, which is drawn to scale above.
"""

import math
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sostruct.reports.canvas import TIP, new_figure
from sostruct.reports.palette import LIGHT
from sostruct.reports.sweep.analysis import Analysis
from sostruct.reports.sweep.statistics import cliques
from sostruct.reports.sweep.style import muted
from sostruct.reports.typography import shorten

WIDTH: Final = 5.4
STEP: Final = 0.24
BAR: Final = 0.13
MOST_LETTERS: Final = 20


def draw_ranks(analysis: Analysis, metric: str) -> Figure:
    """Draw the rank plot of a metric of `analysis.rankings`; the vertical axis is in inches."""
    ranking = analysis.rankings[metric]
    found, methods = ranking.result, len(ranking.methods)
    names = [shorten(analysis.labels[method], MOST_LETTERS) for method in ranking.methods]
    groups = cliques(found.ranks, found.critical_difference)
    rows = math.ceil(methods / 2)
    side = min(1.9, 0.3 + 0.075 * max(len(name) for name in names))
    height = 0.98 + BAR * len(groups) + STEP * rows
    figure = new_figure(WIDTH, height)
    ax = figure.add_axes((side / WIDTH, 0.0, 1 - 2 * side / WIDTH, 1.0))
    ax.set_axis_off()
    ax.set_xlim(1.0, float(methods))
    ax.set_ylim(0.0, height)
    top = height - 0.72
    _line(ax, [1, methods], [top, top])
    for rank in range(1, methods + 1):
        _line(ax, [rank, rank], [top, top + 0.06])
        ax.text(rank, top + 0.09, str(rank), ha="center", va="bottom", **muted(8))
    _difference(ax, methods, found.critical_difference, top)
    order = sorted(range(methods), key=lambda place: found.ranks[place])
    for place, method in enumerate(order):
        left = place < rows
        row = place if left else methods - 1 - place
        level = top - 0.16 - BAR * len(groups) - STEP * row
        _method(ax, found.ranks[method], names[method], (top, level), left=left, margin=0.12 * (methods - 1) / WIDTH)
    for place, group in enumerate(groups):
        ends = [found.ranks[member] for member in group]
        level = top - 0.1 - BAR * place
        _line(ax, [min(ends) - 0.012 * (methods - 1), max(ends) + 0.012 * (methods - 1)], [level, level], width=3.2)
    return figure


def _line(ax: Axes, x: list[float], y: list[float], *, width: float = 1.0, role: str = "ink") -> None:
    ax.plot(x, y, color=LIGHT[role], linewidth=width, solid_capstyle="butt", clip_on=False)


def _difference(ax: Axes, methods: int, width: float, top: float) -> None:
    """The critical difference to scale, or in words where it is wider than the scale."""
    if width > methods - 1:
        words = f"critical difference {width:.2f}, wider than the scale"
        ax.text((1 + methods) / 2, top + 0.38, words, ha="center", va="bottom", **muted(8))
        return
    _line(ax, [1, 1 + width], [top + 0.36, top + 0.36], width=1.4, role="muted")
    for end in (1, 1 + width):
        _line(ax, [end, end], [top + 0.32, top + 0.4], width=1.4, role="muted")
    words = f"critical difference {width:.2f}"
    ax.text(1, top + 0.43, words, ha="left", va="bottom", **muted(8))


def _method(ax: Axes, rank: float, name: str, levels: tuple[float, float], *, left: bool, margin: float) -> None:
    """A line from a method's rank on the scale down and out to its name; its average rank stands beside it."""
    top, level = levels
    edge = ax.get_xlim()[0] - margin if left else ax.get_xlim()[1] + margin
    _line(ax, [rank, rank, edge], [top, level, level], width=0.9)
    ax.annotate(
        name,
        (edge, level),
        xytext=(-4 if left else 4, 0),
        textcoords="offset points",
        ha="right" if left else "left",
        va="center",
        color=LIGHT["ink"],
        fontsize=8.5,
        parse_math=False,
        annotation_clip=False,
        gid=f"{TIP}{name}: average rank {rank:.2f}",
    )
