"""The drawing of a belief network: inputs at the bottom, and above each node what its prediction depends on.

A value coupling is a solid line with a filled head, a volatility coupling a dashed one with a hollow head. Inputs are
square and tinted, hidden nodes rounded. The same drawing serves as a still picture and, with its parts numbered, as one
that a page changes: every box and edge lies on a halo of its own that marks it when it is new.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Polygon

from sostruct.graph import Edge, EdgeKey, Node, Topology
from sostruct.graph.layering import leaves
from sostruct.reports.belief_layout import (
    DETAIL,
    HEAD,
    LINE,
    NAME,
    Box,
    Layout,
    Path,
    Union,
    label_place,
    lay_out,
    union,
)
from sostruct.reports.canvas import TIP, figure_of, new_figure, part
from sostruct.reports.palette import LIGHT
from sostruct.reports.typography import minus

HALO: Final = 7.0
_LEGEND: Final = 26.0
_WIDEST: Final = 1500.0

Parts = Mapping[str | EdgeKey, int]
"""Number of every part of a drawing that changes: nodes by name, edges by key."""


def draw_beliefs(graph: nx.Graph | Topology, ax: Axes | None = None, *, inputs: Sequence[str] | None = None) -> Figure:
    """Draw a belief network; nodes say their parameters.

    Args:
        graph: follows the schema of graphs; annotations are ignored.
        ax: axes to draw on; a new figure otherwise.
        inputs: the observed nodes; by default those that drive no other.

    Returns:
        The figure that was drawn on.

    Raises:
        GraphError: the graph does not follow the schema.
    """
    topology = graph if isinstance(graph, Topology) else Topology.from_networkx(graph)
    inputs = leaves(topology) if inputs is None else inputs
    details = {node.name: described(node, node.name in inputs) for node in topology.nodes}
    labels = {edge.key: strength_label(edge) for edge in topology.edges}
    whole = union([topology])
    return draw_layout(whole, inputs, lay_out(whole, inputs, details), labels, ax)


def described(node: Node, observed: bool) -> tuple[str, ...]:
    """What a node says about its parameters: of an input its noise, of a state its volatility and decay."""
    given = dict(node.parameters)
    if "tonic_volatility" not in given:
        return (node.kind,) if node.kind != "constant" else ("1",)
    if observed:
        return (f"noise {short(given['precision'] ** -0.5)}",)
    words = f"ω {short(given['tonic_volatility'])}"
    if given["autoconnection"] != 1.0:
        words += f"  λ {short(given['autoconnection'])}"
    return (words,)


def short(value: float) -> str:
    """A number in a box: three significant digits."""
    return minus(f"{value:.3g}")


def strength_label(edge: Edge) -> str:
    """What is written on an edge: its strength and function where they are not 1 and the identity."""
    words = [] if edge.strength == 1.0 else [short(edge.strength)]
    return " ".join([*words, *([] if edge.function == "identity" else [edge.function])])


def draw_layout(
    graph: Union,
    inputs: Sequence[str],
    layout: Layout,
    labels: Mapping[EdgeKey, str],
    ax: Axes | None = None,
    parts: Parts | None = None,
) -> Figure:
    """Draw what was laid out.

    Args:
        graph: what is drawn.
        inputs: the nodes that are drawn as observed.
        layout: where everything goes.
        labels: text on edges; none where it is empty.
        ax: axes to draw on; a new figure otherwise.
        parts: numbers of the parts, for a drawing that changes.

    Returns:
        The figure that was drawn on.
    """
    height = layout.height + _LEGEND
    if ax is None:
        scale = min(1.0, _WIDEST / layout.width) / 72.0
        ax = new_figure(layout.width * scale, height * scale).add_axes((0.0, 0.0, 1.0, 1.0))
    pen = _Pen(ax, layout.width, height, parts)
    for edge in graph.edges:
        pen.edge(edge, layout.paths[edge.key])
    for edge in graph.edges:
        if labels.get(edge.key):
            others = [path for key, path in layout.paths.items() if key != edge.key]
            pen.label(edge, label_place(layout.paths[edge.key], others), labels[edge.key])
    for node in graph.topology.nodes:
        pen.box(node, layout.boxes[node.name], observed=node.name in inputs)
    pen.legend(layout.width / 2, {edge.coupling for edge in graph.edges})
    return figure_of(ax)


class _Pen:
    """Draws in layout points on axes whose unit is one of them, shrunk where it does not fit."""

    def __init__(self, ax: Axes, width: float, height: float, parts: Parts | None) -> None:
        self.ax = ax
        self.parts = parts
        figure = figure_of(ax)
        place = ax.get_position()
        room = np.array(figure.get_size_inches()) * 72.0 * np.array([place.width, place.height])
        self.scale = float(min(1.0, room[0] / width, room[1] / height))
        ax.set_axis_off()
        ax.set_aspect("equal")
        slack = room / self.scale - np.array([width, height])
        ax.set_xlim(-slack[0] / 2, width + slack[0] / 2)
        ax.set_ylim(-_LEGEND - slack[1] / 2, height - _LEGEND + slack[1] / 2)

    def gid(self, key: str | EdgeKey, role: str, tip: str = "") -> str:
        if self.parts is None:
            return f"{TIP}{tip}" if tip else ""
        return part(self.parts[key], role, tip)

    def edge(self, edge: Edge, path: Path) -> None:
        value = edge.coupling == "value"
        color = LIGHT["ink"] if value else LIGHT["vermilion"]
        tip = f"{edge.source} → {edge.target}\n{edge.coupling} coupling"
        if self.parts is not None:
            halo = Line2D(*path.T, color=LIGHT["halo"], linewidth=HALO * self.scale, zorder=1)
            halo.set_gid(self.gid(edge.key, "halo"))
            self.ax.add_line(halo)
        line = Line2D(*path[:-1].T, color=color, linewidth=1.3 * self.scale, zorder=2, solid_capstyle="butt")
        if not value:
            line.set_linestyle((0, (4.0, 2.2)))
        line.set_gid(self.gid(edge.key, "line", tip))
        self.ax.add_line(line)
        head = Polygon(_head(path), closed=True, facecolor=color if value else LIGHT["surface"], edgecolor=color)
        head.set(zorder=2.5, linewidth=1.0 * self.scale, gid=self.gid(edge.key, "line", tip))
        self.ax.add_patch(head)

    def label(self, edge: Edge, place: np.ndarray, text: str) -> None:
        color = LIGHT["ink"] if edge.coupling == "value" else LIGHT["vermilion"]
        ground = {"boxstyle": "round,pad=0.1", "facecolor": LIGHT["surface"], "edgecolor": "none"}
        self.write(place[0], place[1], text, 7.5, color, self.gid(edge.key, "text"), zorder=2.8, bbox=ground)

    def box(self, node: Node, box: Box, *, observed: bool) -> None:
        if self.parts is not None:
            self._frame(box, -4.0, observed, LIGHT["halo"], "none", 2.9, self.gid(node.name, "halo"))
        ground = LIGHT["band"] if observed else LIGHT["even"] if node.kind == "constant" else LIGHT["surface"]
        edge = LIGHT["blue"] if observed else LIGHT["muted"] if node.kind == "constant" else LIGHT["ink"]
        for inset in (0.0, 2.5) if node.kind == "volatile" else (0.0,):
            self._frame(box, inset, observed, ground, edge, 3.0, self.gid(node.name, "box", node.name))
        top = box.y + box.height / 2 - (12.5 if node.kind == "volatile" else 10.5)
        self.write(box.x, top, box.label, NAME, LIGHT["ink"], self.gid(node.name, "ink"), fontweight="bold")
        for number, text in enumerate(box.lines):
            self.write(box.x, top - 1.0 - LINE * (number + 1), text, DETAIL, LIGHT["ink"], self.gid(node.name, "text"))

    def _frame(self, box: Box, inset: float, square: bool, ground: str, edge: str, zorder: float, gid: str) -> None:
        shape = FancyBboxPatch(
            (box.x - box.width / 2 + inset, box.y - box.height / 2 + inset),
            box.width - 2 * inset,
            box.height - 2 * inset,
            boxstyle="square,pad=0" if square else f"round,pad=0,rounding_size={8.0 - inset}",
            facecolor=ground,
            edgecolor=edge,
            linewidth=1.1 * self.scale,
            zorder=zorder,
        )
        shape.set_gid(gid or None)
        self.ax.add_patch(shape)

    def legend(self, x: float, couplings: set[str]) -> None:
        """What the kinds of line mean, centered below the drawing."""
        shown = [coupling for coupling in ("value", "volatility") if coupling in couplings]
        y, step = -_LEGEND / 2, 112.0
        for number, coupling in enumerate(shown):
            left = x + step * (number - len(shown) / 2) + 4.0
            value = coupling == "value"
            color = LIGHT["ink"] if value else LIGHT["vermilion"]
            line = Line2D([left, left + 16.0], [y, y], color=color, linewidth=1.3 * self.scale)
            line.set_linestyle("-" if value else (0, (4.0, 2.2)))
            self.ax.add_line(line)
            path = np.array([[left, y], [left + 16.0 + HEAD, y]])
            head = Polygon(_head(path), closed=True, facecolor=color if value else LIGHT["surface"], edgecolor=color)
            head.set_linewidth(1.0 * self.scale)
            self.ax.add_patch(head)
            self.write(left + 29.0, y, f"{coupling} coupling", DETAIL, LIGHT["muted"], ha="left")

    def write(self, x: float, y: float, text: str, size: float, color: str, gid: str = "", **options: object) -> None:
        """Text at a place; a name with dollar signs is not a formula."""
        settings = {"ha": "center", "va": "center_baseline", "zorder": 5, "parse_math": False, **options}
        written = self.ax.text(float(x), float(y), text, fontdict=settings, fontsize=size * self.scale, color=color)
        written.set_gid(gid or None)


def _head(path: Path) -> np.ndarray:
    """An isosceles triangle whose tip is the last point of a path, in the direction of its end."""
    tip = path[-1]
    direction = tip - path[-2]
    direction = direction / max(math.hypot(*direction), 1e-9)
    side = np.array([-direction[1], direction[0]]) * 0.42 * HEAD
    corners: np.ndarray = np.stack([tip, tip - HEAD * direction + side, tip - HEAD * direction - side])
    return corners
