"""The drawing of a graph: who leads whom, after how long, and with how much evidence.

Variables sit on a ring (see `ring`). An arrow's width grows with the logarithm of its evidence and its label is the
lag. The border of a disc stands for the variable's own past, so that no self-loop clutters the picture. What color and
line style mean is in `graph_ink`; what a graph too large to read is reduced to is in `selection`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import networkx as nx
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, PathPatch, Polygon
from matplotlib.path import Path as Outline

from sostruct.reports.canvas import TIP, figure_of, new_figure, part
from sostruct.reports.graph_ink import DASHES, draw_legend, line_width, link_color
from sostruct.reports.links import Comparison, Link, Pair, Verdict, compare
from sostruct.reports.palette import LIGHT
from sostruct.reports.ring import along, curve, cut, label_places, ring_places
from sostruct.reports.selection import Selection, select
from sostruct.reports.typography import shorten

PANEL: Final = 5.0
"""Side of one square panel, inches."""

Parts = Mapping[str | Pair, int]
"""Number of every part of a drawing that changes: nodes by name, links by pair."""

MOST_UPRIGHT: Final = 30
MOST_LABELED: Final = 60
HALO: Final = 6.0
"""Points by which the mark of a new link is wider than the link."""


def draw_graph(graph: nx.Graph, truth: nx.Graph | None = None, ax: Axes | None = None) -> Figure:
    """Draw a found graph; beside it, when a true graph is known and no axes are given, the truth.

    Args:
        graph: edges may carry lag, nats, weight and weight_sd.
        truth: the known graph over the same variables, if there is one.
        ax: axes to draw the found graph on; a new figure otherwise.

    Returns:
        The figure that was drawn on.
    """
    compared = compare(graph, truth)
    if ax is not None:
        _draw_found(ax, compared)
        return figure_of(ax)
    panels = 1 if truth is None else 2
    height = PANEL + 0.6
    figure = new_figure(PANEL * panels, height)
    for position, (title, draw) in enumerate((("Found", _draw_found), ("Truth", _draw_truth))[:panels]):
        axes = figure.add_axes((position / panels, 0.055, 1 / panels, PANEL / height))
        draw(axes, compared)
        if panels == 2:
            axes.set_title(title, loc="left", x=0.04, color=LIGHT["ink"], fontsize=11, fontweight="bold")
    return figure


def draw_truth(truth: nx.Graph, graph: nx.Graph, ax: Axes | None = None) -> Figure:
    """Draw the true graph on the found graph's ring, with the links that were missed marked."""
    if ax is None:
        _, ax = one_panel()
    _draw_truth(ax, compare(graph, truth))
    return figure_of(ax)


def draw_changing(compared: Comparison, chosen: Selection, parts: Parts) -> Figure:
    """Draw all links that a graph ever had, each a part that a page can show or hide, with a halo to mark it as new.

    Args:
        compared: the graph of all links.
        chosen: what of it is drawn.
        parts: the number of every part.
    """
    figure, ax = one_panel()
    _draw(ax, chosen.order, chosen.found, compared.judged, parts=parts)
    draw_legend(ax, chosen.found, compared.judged, weighted=True)
    return figure


def one_panel() -> tuple[Figure, Axes]:
    """A figure with room for one graph and its legend."""
    height = PANEL + 0.3
    figure = new_figure(PANEL, height)
    return figure, figure.add_axes((0.0, 0.3 / height, 1.0, PANEL / height))


def _draw_found(ax: Axes, compared: Comparison) -> None:
    chosen = select(compared)
    _draw(ax, chosen.order, chosen.found, compared.judged)
    draw_legend(ax, chosen.found, compared.judged, weighted=True)


def _draw_truth(ax: Axes, compared: Comparison) -> None:
    chosen = select(compared)
    _draw(ax, chosen.order, chosen.true, compared.judged, plain=True)
    draw_legend(ax, chosen.true, compared.judged, weighted=False)


@dataclass(frozen=True, slots=True)
class _Ring:
    """Sizes of one drawing: radius of a disc in ring radii, points per ring radius, and how names are set."""

    places: Mapping[str, Float[np.ndarray, "2"]]
    radius: float
    unit: float
    inside: bool
    upright: bool

    @classmethod
    def of(cls, order: Sequence[str]) -> "_Ring":
        places = ring_places(order)
        spacing = 2 * math.sin(math.pi / max(len(order), 2))
        upright = len(order) <= MOST_UPRIGHT
        if all(len(name) <= 4 for name in order) and len(order) <= 24:
            return cls(places, min(0.125, 0.32 * spacing), PANEL * 36 / 1.28, True, upright)
        radius = min(0.062, 0.3 * spacing)
        return cls(places, radius, _ring_points(places, radius, upright), False, upright)


def _ring_points(places: Mapping[str, Float[np.ndarray, "2"]], radius: float, upright: bool) -> float:
    """Radius of the ring in points that leaves room for the names outside it."""
    half = PANEL * 36 - 8.0
    ring = (half - 16.0) / (1 + radius)
    for name, place in places.items():
        room = max(len(line) for line in shorten(name, wrap=upright).split("\n")) * (5.4 if upright else 4.6)
        if not upright:
            ring = min(ring, (half - room) / (1 + radius))
        elif abs(place[0]) >= 0.25:
            ring = min(ring, (half - room) / ((1 + radius) * abs(float(place[0]))))
    return max(ring, 60.0)


def _draw(
    ax: Axes,
    order: Sequence[str],
    shown: Sequence[Link],
    judged: Mapping[Pair, Verdict],
    *,
    plain: bool = False,
    parts: Parts | None = None,
) -> None:
    ring = _Ring.of(order)
    reach = PANEL * 36 / ring.unit
    ax.set_aspect("equal")
    ax.set_xlim(-reach, reach)
    ax.set_ylim(-reach, reach)
    ax.set_axis_off()
    across = [link for link in shown if not link.own_past]
    present = {link.pair for link in across}
    curves = {
        link.pair: curve(
            ring.places[link.source],
            ring.places[link.target],
            gap=ring.radius + 4.0 / ring.unit,
            two_way=link.pair[::-1] in present,
        )
        for link in across
    }
    crowd = min(1.0, (26 / max(len(across), 1)) ** 0.4)
    for depth, link in enumerate(reversed(across)):
        width = crowd * (1.2 if plain else line_width(link.nats))
        above = judged[link.pair] in (Verdict.FALSE, Verdict.MISSED, Verdict.OTHER_LAG)
        depth_within = (2.0 if above else 1.0) + depth / (len(across) + 1)
        draw_arrow(ax, curves[link.pair], link, width, judged[link.pair], ring.unit, depth_within, parts)
    if len(across) <= MOST_LABELED and not all(link.lags in ((0,), (1,)) for link in across):
        size = 8.0 if len(across) <= 30 else 6.5
        for link, place in zip(across, label_places(curves).values(), strict=True):
            first, _, last = curves[link.pair]
            if float(np.hypot(*(last - first))) * ring.unit < 3.2 * size:  # a label would hide so short an arrow
                place = place * (1 - size / ring.unit / max(float(np.hypot(*place)), 1e-9))
            label, gid = link.lag_label, _gid(parts, link.pair, "text")
            _label(ax, place, label or (" " if gid else ""), link_color(link, judged[link.pair]), size, gid)
    own = {link.source: link for link in shown if link.own_past}
    for name in order:
        color = _disc(ax, name, ring, own.get(name), judged, plain=plain, parts=parts)
        _name(ax, name, ring, _gid(parts, name, "ink") if ring.inside else None)
        if name in own and own[name].lags != (1,):
            _own_lag(ax, ring, name, own[name].lag_label, color, _gid(parts, own[name].pair, "text"))


def _gid(parts: Parts | None, key: str | Pair, role: str, tip: str = "") -> str | None:
    """The handle by which a page finds an artist; None where nothing is to be found or told."""
    if parts is None:
        return f"{TIP}{tip}" if tip else None
    return part(parts[key], role, tip)


def draw_arrow(
    ax: Axes,
    control: Float[np.ndarray, "3 2"],
    link: Link,
    width: float,
    verdict: Verdict,
    unit: float,
    zorder: float,
    parts: Parts | None = None,
    color: str | None = None,
) -> None:
    """Draw a link along a quadratic curve, with the heads of its mark.

    Args:
        ax: axes of equal aspect.
        control: control points of the curve.
        link: its mark makes the heads, its weight or verdict the color, its words what is shown on hovering.
        width: of the line, points.
        verdict: what a known graph says of it.
        unit: points per unit of the axes.
        zorder: larger ones lie above.
        parts: numbers of the parts of a changing drawing.
        color: another color than that of weight or verdict.
    """
    color = link_color(link, verdict) if color is None else color
    gid = _gid(parts, link.pair, "line", link.description)
    length = (5.0 + 1.5 * width) / unit
    if parts is not None:
        under = Outline(control, [Outline.MOVETO, Outline.CURVE3, Outline.CURVE3])
        halo = PathPatch(under, facecolor="none", edgecolor=LIGHT["halo"], linewidth=width + HALO, zorder=0.5)
        halo.set_gid(_gid(parts, link.pair, "halo"))
        ax.add_patch(halo)
    for backwards in (False, True):
        if link.mark == "undirected" or (backwards and link.mark != "bidirected"):
            continue
        control, head = _head(control[::-1] if backwards else control, length)
        ax.add_patch(Polygon(head, closed=True, facecolor=color, edgecolor="none", zorder=zorder + 0.1, gid=gid))
    body = Outline(control, [Outline.MOVETO, Outline.CURVE3, Outline.CURVE3])
    line = PathPatch(body, facecolor="none", edgecolor=color, linewidth=width, zorder=zorder, gid=gid)
    line.set_linestyle(DASHES[verdict])
    line.set_capstyle("butt")
    ax.add_patch(line)


def _head(
    control: Float[np.ndarray, "3 2"], length: float
) -> tuple[Float[np.ndarray, "3 2"], Float[np.ndarray, "3 2"]]:
    """Cut a curve where its arrowhead begins; the head is an isosceles triangle that ends where the curve did."""
    tip = control[2]
    t = np.linspace(0.0, 1.0, 129)
    before = t[np.hypot(*(along(control, t) - tip).T) >= 0.85 * length]
    body = cut(control, 0.0, float(before[-1]) if before.size > 1 else 0.2)
    direction = tip - body[2]
    direction = direction / max(float(np.hypot(*direction)), 1e-9)
    side = np.array([-direction[1], direction[0]]) * 0.36 * length
    return body, np.stack([tip, tip - direction * length + side, tip - direction * length - side])


def _label(ax: Axes, place: Float[np.ndarray, "2"], text: str, color: str, size: float, gid: str | None) -> None:
    if text:
        ground = {"boxstyle": "round,pad=0.14", "facecolor": LIGHT["surface"], "edgecolor": "none"}
        _write(ax, place, text, size, color, zorder=3.5, bbox=ground, gid=gid)


def _disc(
    ax: Axes,
    name: str,
    ring: _Ring,
    own: Link | None,
    judged: Mapping[Pair, Verdict],
    *,
    plain: bool,
    parts: Parts | None,
) -> str:
    """Draw a variable's disc, its border in the color and width of its dependence on its own past."""
    verdict = judged[own.pair] if own is not None else Verdict.UNKNOWN
    color = LIGHT["hair"] if own is None else link_color(own, verdict)
    width = 1.0 if own is None else (1.6 if plain else line_width(own.nats))
    x, y = ring.places[name]
    if parts is not None:
        ground = Circle(
            (float(x), float(y)), ring.radius, facecolor=LIGHT["surface"], edgecolor=LIGHT["hair"], zorder=4
        )
        ground.set_gid(_gid(parts, name, "box", name))
        ax.add_patch(ground)
        if own is None:
            return color
        halo = Circle((float(x), float(y)), ring.radius, facecolor="none", edgecolor=LIGHT["halo"], zorder=3.9)
        halo.set(linewidth=width + HALO, gid=_gid(parts, own.pair, "halo"))
        ax.add_patch(halo)
    disc = Circle((float(x), float(y)), ring.radius, facecolor=LIGHT["surface"], edgecolor=color, zorder=4)
    disc.set_linewidth(width if ring.inside else min(width, 3.0))
    disc.set_linestyle(DASHES[verdict])
    if parts is None:
        disc.set_gid(TIP + (name if own is None else own.description))
    elif own is not None:
        disc.set(facecolor="none", zorder=4.1, gid=_gid(parts, own.pair, "line", own.description))
    ax.add_patch(disc)
    return color


def _own_lag(ax: Axes, ring: _Ring, name: str, label: str, color: str, gid: str | None) -> None:
    """Print the lags of a variable's own past: outside a disc that holds the name, else inside."""
    place = ring.places[name]
    if ring.inside:
        _write(ax, place * (1 + ring.radius + 0.065), label, 7.5, color, gid=gid)
    elif ring.radius * ring.unit > 5.5:
        _write(ax, place, label, 6.0, color, gid=gid)


def _name(ax: Axes, name: str, ring: _Ring, gid: str | None) -> None:
    place, ink = ring.places[name], LIGHT["ink"]
    if ring.inside:
        _write(ax, place, name, min(10.0, ring.radius * ring.unit), ink, gid=gid)
        return
    right = place[0] > -1e-9
    side = "left" if right else "right"
    anchor = place * (1 + ring.radius + 4.0 / ring.unit)
    if ring.upright:
        ha = "center" if abs(place[0]) < 0.25 else side
        va = "center" if abs(place[1]) < 0.6 else ("bottom" if place[1] > 0 else "top")
        _write(ax, anchor, shorten(name, wrap=True), 8.5, ink, ha=ha, va=va, linespacing=1.05)
        return
    angle = math.degrees(math.atan2(place[1], place[0])) + (0 if right else 180)
    _write(ax, anchor, shorten(name), 7.0, ink, ha=side, rotation=angle, rotation_mode="anchor")


def _write(ax: Axes, place: Float[np.ndarray, "2"], text: str, size: float, color: str, **options: object) -> None:
    """Text at a place; a name with dollar signs is not a formula."""
    settings = {"ha": "center", "va": "center_baseline", "zorder": 5, "parse_math": False, **options}
    x, y = float(place[0]), float(place[1])
    ax.text(x, y, text, fontdict=settings, fontsize=size, color=color)
