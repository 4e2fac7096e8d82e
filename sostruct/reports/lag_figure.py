"""The time-lag graph: series as rows, steps as columns, an edge from its cause `lag` steps back to its effect now.

What ends now, in the last column, is drawn in full; the same edges one and two steps earlier are drawn faintly behind
it where there is room, since the graph repeats itself in time. Edges within a step bulge to the right of the last
column: with an arrowhead if they have a direction, without if not, with two for a hidden common cause. Color and width
are those of the ring (`graph_ink`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import networkx as nx
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sostruct.reports.canvas import new_figure, settings
from sostruct.reports.graph_figure import draw_arrow
from sostruct.reports.graph_ink import draw_legend, line_width
from sostruct.reports.links import Link, Verdict, compare, links
from sostruct.reports.palette import LIGHT
from sostruct.reports.ring import along, cut
from sostruct.reports.selection import select
from sostruct.reports.typography import MINUS, shorten

POINTS: Final = 72.0
MOST_REPEATED: Final = 24
"""Edges up to which earlier copies are drawn."""

MOST_NAMED_ONCE: Final = 12
"""Rows beyond which the names stand on both sides."""

_WORDS: Final = {"undirected": "no arrowhead: of either direction", "bidirected": "two: a hidden common cause"}

LEAST: Final = 4.6
"""Least width, inches: what the legend needs."""

NODE: Final = 3.2
"""Radius of a node, points."""


@dataclass(frozen=True, slots=True)
class _Grid:
    """Places of nodes, inches: rows of series from the top, columns of steps to the left of now."""

    rows: Mapping[str, int]
    lags: int
    left: float
    right: float
    step: float
    row: float
    bottom: float
    both: bool

    @property
    def width(self) -> float:
        return max(self.left + self.step * self.lags + self.right, LEAST)

    @property
    def height(self) -> float:
        return self.bottom + self.row * len(self.rows) + 0.3

    def place(self, name: str, back: int) -> Float[np.ndarray, "2"]:
        """Of a series, some steps before now."""
        across = self.left + self.step * (self.lags - back)
        return np.array([across, self.bottom + self.row * (len(self.rows) - 0.5 - self.rows[name])])


def draw_lags(graph: nx.Graph) -> Figure:
    """Draw a graph unrolled in time.

    Args:
        graph: edges carry `lag` and may carry mark, nats and weight; of more than 48 series, the strongest connected
            part is drawn.

    Returns:
        A figure whose height grows with the number of series and whose width with the largest lag.
    """
    chosen = select(compare(graph))
    shown = set(chosen.order)
    edges = [link for link in _edges(graph) if {link.source, link.target} <= shown]
    order = _order(chosen.order, edges)
    grid = _grid(order, edges)
    with settings():
        figure = new_figure(grid.width, grid.height)
        ax = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        ax.set_xlim(0.0, grid.width)
        ax.set_ylim(0.0, grid.height)
        ax.set_axis_off()
        _lattice(ax, grid, order)
        if len(edges) <= MOST_REPEATED:
            for link in edges:
                for back in range(1, grid.lags - link.lags[0] + 1):
                    _edge(ax, grid, link, back, 0.8, 0.5, LIGHT["hair"])
        for depth, link in enumerate(reversed(edges)):
            width = line_width(link.nats) * min(1.0, (30 / max(len(edges), 1)) ** 0.4)
            _edge(ax, grid, link, 0, width, 1 + depth / (len(edges) + 1), None)
        legend = figure.add_axes((0.0, 0.28 / grid.height, 1.0, 0.001))
        legend.set_axis_off()
        across = [link for link in edges if not link.own_past]
        draw_legend(legend, across, dict.fromkeys((link.pair for link in across), Verdict.UNKNOWN), weighted=True)
        marks = {link.mark for link in edges}
        notes = [word for mark, word in _WORDS.items() if mark in marks]
        notes += [f"shown: {chosen.note}"] if chosen.note else []
        words = {"fontsize": 6.8, "color": LIGHT["muted"], "va": "bottom", "ha": "center"}
        ax.text(grid.width / 2, 0.06, "; ".join(notes), fontdict=words)
    return figure


def _edges(graph: nx.Graph) -> list[Link]:
    """One link per edge, strongest evidence first."""
    apart = []
    for link in links(graph).values():
        apart += [Link(link.source, link.target, term.mark, (term,)) for term in link.terms]
    return sorted(apart, key=lambda link: -np.nan_to_num(link.nats, nan=0.0))


def _order(ring: Sequence[str], edges: Sequence[Link]) -> list[str]:
    """The order of the ring, cut where the edges then span fewest rows."""
    if not ring:
        return []

    def span(start: int) -> int:
        place = {name: (number - start) % len(ring) for number, name in enumerate(ring)}
        return sum(abs(place[link.source] - place[link.target]) for link in edges)

    start = min(range(len(ring)), key=span)
    return [*ring[start:], *ring[:start]]


def _grid(order: Sequence[str], edges: Sequence[Link]) -> _Grid:
    names = max((len(shorten(name)) for name in order), default=0)
    within = [abs(order.index(link.source) - order.index(link.target)) for link in edges if link.lags == (0,)]
    row = float(np.clip(5.0 / max(len(order), 1), 0.27, 0.55))
    both = len(order) > MOST_NAMED_ONCE and not within
    return _Grid(
        rows={name: number for number, name in enumerate(order)},
        lags=max((link.lags[0] for link in edges), default=1) or 1,
        left=0.35 + 0.085 * names,
        right=0.35 + (_bulge(max(within), row) if within else 0.085 * names * both),
        step=float(np.clip(1.1 + 0.02 * len(order), 1.2, 1.9)),
        row=row,
        bottom=0.72,
        both=both,
    )


def _bulge(rows: int, row: float) -> float:
    """How far an edge within the step over some rows leaves the column, inches."""
    return min(0.22 + 0.32 * row * rows, 1.5)


def _lattice(ax: Axes, grid: _Grid, order: Sequence[str]) -> None:
    for name in order:
        x, y = grid.place(name, grid.lags)
        font = {"fontsize": min(9.0, 28 * grid.row), "color": LIGHT["ink"], "va": "center_baseline"}
        ax.text(x - 0.14, y, shorten(name), fontdict=font, ha="right", parse_math=False)
        if grid.both:
            ax.text(grid.place(name, 0)[0] + 0.14, y, shorten(name), fontdict=font, ha="left", parse_math=False)
    places = np.array([grid.place(name, back) for name in order for back in range(grid.lags + 1)]).reshape(-1, 2)
    ax.plot(
        *places.T,
        linestyle="none",
        marker="o",
        markersize=2 * NODE,
        color=LIGHT["surface"],
        markeredgecolor=LIGHT["muted"],
        markeredgewidth=0.8,
        zorder=3,
    )
    for back in range(grid.lags + 1):
        x = grid.left + grid.step * (grid.lags - back)
        label = "t" if back == 0 else f"t {MINUS} {back}"
        y = grid.height - 0.2
        ax.text(x, y, label, ha="center", fontsize=8.5, color=LIGHT["ink" if back == 0 else "muted"])


def _edge(ax: Axes, grid: _Grid, link: Link, back: int, width: float, zorder: float, color: str | None) -> None:
    lag = link.lags[0]
    start, stop = grid.place(link.source, back + lag), grid.place(link.target, back)
    middle = (start + stop) / 2
    if lag == 0:
        rows = abs(grid.rows[link.source] - grid.rows[link.target])
        middle = middle + np.array([2 * _bulge(rows, grid.row) - 0.2, 0.0])
    elif lag > 1:  # nodes lie between: pass them on the side
        middle = middle + np.array([0.0, 0.42 * grid.row * (1 + 0.15 * (lag - 2))])
    control = np.stack([start, middle, stop])
    gap = (NODE + 1.5) / POINTS
    t = np.linspace(0.0, 1.0, 257)
    line = along(control, t)
    free = t[np.minimum(np.hypot(*(line - start).T), np.hypot(*(line - stop).T)) >= gap]
    draw_arrow(ax, cut(control, free[0], free[-1]), link, width, Verdict.UNKNOWN, POINTS, zorder, color=color)
