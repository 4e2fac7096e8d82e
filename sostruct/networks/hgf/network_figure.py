"""The picture of a belief network: inputs at the bottom, and above each node what its prediction depends on.

A value coupling is a solid line with a filled head, a volatility coupling a dashed one with a hollow head. A node says
its name and what is believed of it, or its parameters; an edge says its strength and function where they are not 1 and
the identity. Everything is laid out in points (see `layering`) and shrunk as a whole where it would not fit.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final, final

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Polygon
from matplotlib.textpath import text_to_path
from numpy.typing import NDArray

from sostruct.errors import ConfigError
from sostruct.graph import Edge, Node, Topology
from sostruct.graph.layering import Layers, layers
from sostruct.networks.hgf.beliefs import Beliefs, place_of_subject
from sostruct.networks.hgf.kinds import KINDS
from sostruct.networks.hgf.kinds.base import AbstractVariable
from sostruct.networks.hgf.palette import BAND, BLUE, GROUND, INK, MUTED, PAPER, VERMILION

_WIDEST, _HIGHEST = 1800.0, 1200.0  # points of a new figure
_GAP, _RISE, _MARGIN, _LEGEND = 22.0, 50.0, 14.0, 30.0
_NAME, _DETAIL, _LABEL = 10.0, 8.0, 7.5  # font sizes
_LINE = 11.0  # height of a line of detail
_HEAD = 8.0
_NARROWEST = 300.0
_FLAT = np.array([0.5, 1.0])  # a label is wider than high
_LONGEST = 22  # characters of a name
_MINUS: Final = "\N{MINUS SIGN}"
_RHO: Final = "\N{GREEK SMALL LETTER RHO}"


def draw_network(network: Any, values: str | int = "last", *, subject: Any = None, ax: Axes | None = None) -> Axes:
    """Draw a belief network, with beliefs or parameters in its nodes.

    Args:
        network: beliefs that a filter returned, an `HGF`, a `Topology`, or a networkx graph that follows the schema.
        values: "last" for beliefs after the last step, a step's number (from 0, or from the end where negative), or
            "parameters". A state says its posterior mean and standard deviation, an input what was predicted of it.
            Where `network` is no beliefs, nodes say their parameters.
        subject: which subject, by label, where the beliefs are of several; by default the first.
        ax: axes to draw on; those of a new figure by default.

    Returns:
        The axes.

    Raises:
        ConfigError: `network` has no graph, or there is no such step or subject.
        GraphError: the graph does not follow the schema.
    """
    topology, inputs = _graph_of(network)
    if isinstance(network, Beliefs) and values != "parameters":
        step = _step(network, values)
        at = (*place_of_subject(network, subject), step)
        details = _beliefs(network, at)
        title = f"Beliefs after {_moment(network.series.index, step)}, mean ± sd; of inputs, the prediction"
        if network.series.subjects is not None:
            title = f"Subject {network.series.subjects[at[0]]}. {title}"
    else:
        if values not in ("last", "parameters"):
            raise ConfigError(
                f"Cannot draw values={values!r}. This is because there are no beliefs to take them from. "
                f"Try draw_network(net.filter(data), {values!r})."
            )
        details = {node.name: _parameters(node, node.name in inputs) for node in topology.nodes}
        title = "Beliefs before the first step, mean ± sd, and parameters"
    drawing = _Drawing.of(topology, inputs, details)
    if ax is None:
        _, ax = plt.subplots(
            figsize=drawing.figure_size, gridspec_kw={"left": 0.0, "right": 1.0, "bottom": 0.0, "top": 1.0}
        )
    drawing.draw(ax, title)
    return ax


def _graph_of(network: Any) -> tuple[Topology, tuple[str, ...]]:
    if isinstance(network, nx.Graph):
        network = Topology.from_networkx(network)
    topology = network if isinstance(network, Topology) else getattr(network, "topology", None)
    if not isinstance(topology, Topology):
        raise ConfigError(
            f"Cannot draw {type(network).__name__!r}. This is because it has no graph. "
            f"Try a network, what its filter returned, or a networkx graph."
        )
    inputs = getattr(network, "inputs", None)
    if inputs is None:
        leaves = (node for node in topology.nodes if not topology.children(node.name))
        inputs = tuple(node.name for node in leaves if node.kind != "constant")
    return topology, inputs


def _step(beliefs: Beliefs, values: str | int) -> int:
    steps = len(beliefs.series.index)
    if values == "last":
        return steps - 1
    if isinstance(values, str) or not -steps <= values < steps:
        raise ConfigError(
            f"Cannot draw values={values!r}. This is because the beliefs have {steps} steps, counted from 0. "
            f"Try 'last', 'parameters', or a number from 0 to {steps - 1}."
        )
    return int(values) % steps


def _moment(index: pd.Index, step: int) -> str:
    if isinstance(index, pd.RangeIndex) or pd.api.types.is_numeric_dtype(index.dtype):
        return f"step {index[step]}"
    return str(index[step]).removesuffix(" 00:00:00")


def _beliefs(beliefs: Beliefs, at: tuple[int, ...]) -> dict[str, tuple[str, ...]]:
    """What every node says about what is believed of it."""
    details: dict[str, tuple[str, ...]] = {}
    for place, name in enumerate(beliefs.nodes):
        kind = beliefs.topology.node(name).kind
        if kind == "constant":
            details[name] = ("1",)
        elif kind in ("binary", "category"):
            details[name] = (f"P(1) = {beliefs.expected_mean[at][place]:.3f}",)
        elif name in beliefs.inputs:
            known = isinstance(KINDS[kind], AbstractVariable)
            noise = 0.0 if known else _spread(beliefs.expected_precision[at][place])
            spread = math.hypot(noise, math.sqrt(beliefs.input_variance[at][beliefs.inputs.index(name)]))
            details[name] = (with_spread(float(beliefs.expected_mean[at][place]), spread),)
        else:
            mean, precision = beliefs.mean[at][place], beliefs.precision[at][place]
            details[name] = (with_spread(float(mean), _spread(precision)),)
    for number, name in enumerate(beliefs.volatile):
        mean, precision = (beliefs.inside(f"volatility_{quantity}")[at][number] for quantity in ("mean", "precision"))
        details[name] += (f"inside {with_spread(float(mean), _spread(precision))}",)
    return details


def _spread(precision: float) -> float:
    return float(precision) ** -0.5 if precision > 0.0 else math.inf


def _parameters(node: Node, observed: bool) -> tuple[str, ...]:
    """What a node says about its parameters: those that matter to its kind, drift and decay where there is any."""
    given = dict(node.parameters)
    if node.kind == "constant":
        return ("1",)
    if "precision" not in given:
        return (node.kind,)
    if observed and node.kind != "continuous" and "mean" not in given:
        return (node.kind,)
    if node.kind == "average":
        growth = f"growth {_number(given['growth'])}"
        return (with_spread(given["mean"], given["precision"] ** -0.5), growth)
    if observed:
        lines = [f"noise sd {_number(given['precision'] ** -0.5)}"]
        return (*lines, *_level(given, "volatility_", "inside ")) if "volatility_mean" in given else tuple(lines)
    return (*_level(given, "", ""), *(_level(given, "volatility_", "inside ") if "volatility_mean" in given else ()))


def _level(given: Mapping[str, float], prefix: str, label: str) -> tuple[str, ...]:
    first = f"{label}{with_spread(given[prefix + 'mean'], given[prefix + 'precision'] ** -0.5)}"
    second = f"{label}ω {_number(given[prefix + 'tonic_volatility'])}"
    if given[prefix + "tonic_drift"] != 0.0:
        second += f"  {_RHO} {_number(given[prefix + 'tonic_drift'])}"
    if given[prefix + "autoconnection"] != 1.0:
        second += f"  λ {_number(given[prefix + 'autoconnection'])}"
    return first, second


def with_spread(mean: float, spread: float) -> str:
    """A mean and its standard deviation, to two digits of the latter: 1.0412 ± 0.0031."""
    if not (math.isfinite(mean) and math.isfinite(spread) and spread > 0.0):
        return f"{_number(mean)} ± {_number(spread)}"
    decimals = 1 - math.floor(math.log10(spread))
    if abs(mean) >= 1e5 or spread >= 1e5 or decimals > 5:
        return f"{_number(mean)} ± {_number(spread)}"
    decimals = max(0, decimals)
    mean = round(mean, decimals) + 0.0  # no minus zero
    return f"{mean:.{decimals}f} ± {spread:.{decimals}f}".replace("-", _MINUS)


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", _MINUS)


@final
@dataclass(frozen=True)
class _Box:
    """A node: its center, size, and text."""

    x: float
    y: float
    width: float
    height: float
    name: str
    lines: tuple[str, ...]


@final
@dataclass(frozen=True)
class _Drawing:
    """A network laid out in points, the origin at the bottom left.

    Attributes:
        topology: what is drawn.
        inputs: the observed nodes.
        boxes: by name.
        paths: [point, 2] of each edge, from the parent's lower to the child's upper side.
        width: of everything.
        height: of everything.
    """

    topology: Topology
    inputs: tuple[str, ...]
    boxes: Mapping[str, _Box]
    paths: Mapping[Edge, NDArray[np.float64]]
    width: float
    height: float

    @classmethod
    def of(cls, topology: Topology, inputs: tuple[str, ...], details: Mapping[str, tuple[str, ...]]) -> _Drawing:
        names = {node.name: _shortened(node.name) for node in topology.nodes}
        wide = {name: _text_width(names[name], details[name]) for name in names}
        framed = {node.name: 4.0 if node.kind == "volatile" else 0.0 for node in topology.nodes}
        tall = {name: 20.0 + framed[name] + _LINE * len(details[name]) for name in names}
        places = layers(topology, inputs, wide, _GAP)
        edges = [edge for edge in topology.edges if edge.lag == 0]
        middles, height = [], _LEGEND + _MARGIN
        for row in range(1 + max(places.level.values(), default=0)):
            thickness = max((tall[name] for name in names if places.level[name] == row), default=0.0)
            crowd = sum(places.level[edge.target] <= row < places.level[edge.source] for edge in edges)
            middles.append(height + thickness / 2)
            height += thickness + _RISE + min(2.5 * crowd, 80.0)
        top = max((middles[places.level[name]] + tall[name] / 2 for name in names), default=height)
        width = max(places.width + 2 * _MARGIN, _NARROWEST)
        left = (width - places.width) / 2
        boxes = {
            name: _Box(
                left + places.center[name], middles[places.level[name]], wide[name], tall[name], names[name], lines
            )
            for name, lines in details.items()
        }
        paths = _paths(
            edges, boxes, {link: [left + x for x in bends] for link, bends in places.bends.items()}, places, middles
        )
        return cls(topology, inputs, boxes, paths, width, top + 2 * _MARGIN + 4.0)

    @property
    def figure_size(self) -> tuple[float, float]:
        """Inches of a figure of its own."""
        scale = min(1.0, _WIDEST / self.width, _HIGHEST / self.height)
        return self.width * scale / 72.0, self.height * scale / 72.0

    def draw(self, ax: Axes, title: str) -> None:
        """Draw into axes of any size, shrunk or slightly enlarged to fit."""
        box = ax.get_window_extent()
        points = 72.0 / ax.figure.figure.dpi
        scale = min(1.25, box.width * points / self.width, box.height * points / self.height)
        ax.set_axis_off()
        ax.set_aspect("equal")
        for limit, size, own in ((ax.set_xlim, box.width, self.width), (ax.set_ylim, box.height, self.height)):
            room = size * points / scale - own
            limit(-room / 2, own + room / 2)
        pen = _Pen(ax, scale)
        for edge, path in self.paths.items():
            pen.edge(edge.coupling, path)
        self._labels(pen)
        for node in self.topology.nodes:
            pen.box(self.boxes[node.name], node.kind, node.name in self.inputs)
        size = min(8.5, 8.5 * (self.width - 2 * _MARGIN) / (1.1 * _measured(title, 8.5)))
        pen.write(_MARGIN, self.height - _MARGIN, title, size, MUTED, ha="left")
        pen.legend(self.width / 2, _LEGEND / 2, {edge.coupling for edge in self.paths})

    def _labels(self, pen: _Pen) -> None:
        """Write each label on its edge, where it is farthest from other edges, nodes and labels."""
        corners = [
            (box.x + across * box.width / 2, box.y + up * box.height / 2)
            for box in self.boxes.values()
            for across in (-1.0, -0.5, 0.0, 0.5, 1.0)
            for up in (-1.0, 0.0, 1.0)
        ]
        taken = [np.array(corners).reshape(-1, 2)]
        for edge, path in self.paths.items():
            text = "" if edge.strength == 1.0 else _number(edge.strength)
            if edge.function != "identity":
                text = f"{text} {edge.function}".strip()
            if not text:
                continue
            others = np.concatenate([*taken, *(other[::4] for key, other in self.paths.items() if key is not edge)])
            candidates = path[len(path) // 6 : -len(path) // 6]
            room = np.hypot(*np.moveaxis((candidates[:, None] - others[None]) * _FLAT, -1, 0)).min(1)
            middle = 1e-3 * np.abs(np.arange(len(candidates)) - len(candidates) / 2)
            x, y = candidates[int(np.argmax(np.minimum(room, 30.0) - middle))]
            half = _measured(text, _LABEL) / 2
            x = min(max(x, half + 4.0), self.width - half - 4.0)
            taken.append(np.array([[x - half, y], [x, y], [x + half, y]]))
            color = INK if edge.coupling == "value" else VERMILION
            ground = {"boxstyle": "round,pad=0.12", "facecolor": PAPER, "edgecolor": "none", "alpha": 0.9}
            pen.write(x, y, text, _LABEL, color, zorder=4, bbox=ground)


def _paths(
    edges: Sequence[Edge],
    boxes: Mapping[str, _Box],
    bends: Mapping[tuple[str, str], Sequence[float]],
    places: Layers,
    middles: Sequence[float],
) -> dict[Edge, NDArray[np.float64]]:
    """Smooth curves that leave and arrive upright; those that share a side of a node are spread along it."""
    corners = {}
    for edge in edges:
        above = range(places.level[edge.source] - 1, places.level[edge.target], -1)
        corners[edge] = [(x, middles[row]) for x, row in zip(bends[edge.source, edge.target], above, strict=True)]
    leaving: dict[Edge, float] = {}
    arriving: dict[Edge, float] = {}
    for name, box in boxes.items():
        down = {e: corners[e][0][0] if corners[e] else boxes[e.target].x for e in edges if e.source == name}
        up = {e: corners[e][-1][0] if corners[e] else boxes[e.source].x for e in edges if e.target == name}
        for ports, far in ((leaving, down), (arriving, up)):
            step = min(16.0, 0.8 * box.width / max(len(far), 1))
            ranked = sorted(far.items(), key=lambda item: (item[1], item[0].coupling))
            for number, (edge, _) in enumerate(ranked):
                ports[edge] = box.x + step * (number - (len(ranked) - 1) / 2)
    paths = {}
    for edge in edges:
        source, target = boxes[edge.source], boxes[edge.target]
        stops = [(leaving[edge], source.y - source.height / 2), *corners[edge]]
        stops.append((arriving[edge], target.y + target.height / 2 + _HEAD))
        pieces = [_curve(np.array(start), np.array(stop)) for start, stop in pairwise(stops)]
        paths[edge] = np.concatenate([*pieces, [[arriving[edge], target.y + target.height / 2]]])
    return paths


def _curve(start: NDArray[np.float64], stop: NDArray[np.float64]) -> NDArray[np.float64]:
    """A cubic Bezier curve that leaves and arrives vertically [point, 2]."""
    t = np.linspace(0.0, 1.0, 25)[:, None]
    reach = np.array([0.0, 0.5 * (start[1] - stop[1])])
    one, two = start - reach, stop + reach
    curve: NDArray[np.float64] = (
        (1 - t) ** 3 * start + 3 * t * (1 - t) ** 2 * one + 3 * t**2 * (1 - t) * two + t**3 * stop
    )
    return curve


@final
@dataclass(frozen=True)
class _Pen:
    """Draws in layout points on axes whose unit is one of them, shrunk by `scale`."""

    ax: Axes
    scale: float

    def edge(self, coupling: str, path: NDArray[np.float64]) -> None:
        """A line with its head at the last point, which the line itself does not reach."""
        value = coupling == "value"
        color = INK if value else VERMILION
        line = Line2D(*path[:-1].T, color=color, linewidth=1.2 * self.scale, zorder=2, solid_capstyle="butt")
        if not value:
            line.set_linestyle((0, (4.0, 2.2)))
        self.ax.add_line(line)
        tip = path[-1]
        corners = tip + _HEAD * np.array([[0.0, 0.0], [-0.42, 1.0], [0.42, 1.0]])
        head = Polygon(corners, closed=True, facecolor=color if value else PAPER, edgecolor=color, zorder=2.5)
        head.set_linewidth(1.0 * self.scale)
        head.set_joinstyle("miter")
        self.ax.add_patch(head)

    def box(self, box: _Box, kind: str, observed: bool) -> None:
        """A node: rounded where it is hidden, square and tinted where it is observed, doubly framed where volatile."""
        ground = BAND if observed else GROUND if kind == "constant" else PAPER
        frames = (0.0, 2.5) if kind == "volatile" else (0.0,)
        for inset in frames:
            shape = FancyBboxPatch(
                (box.x - box.width / 2 + inset, box.y - box.height / 2 + inset),
                box.width - 2 * inset,
                box.height - 2 * inset,
                boxstyle="square,pad=0" if observed else f"round,pad=0,rounding_size={8.0 - inset}",
                facecolor=ground,
                edgecolor=BLUE if observed else MUTED if kind == "constant" else INK,
                linewidth=1.1 * self.scale,
                zorder=3,
            )
            self.ax.add_patch(shape)
        top = box.y + box.height / 2 - 11.0 - 2.0 * (len(frames) - 1)
        self.write(box.x, top, box.name, _NAME, INK, fontweight="bold")
        for number, text in enumerate(box.lines):
            self.write(box.x, top - 1.5 - _LINE * (number + 1), text, _DETAIL, INK)

    def legend(self, x: float, y: float, couplings: set[str]) -> None:
        """What the two kinds of line mean."""
        shown = [coupling for coupling in ("value", "volatility") if coupling in couplings]
        widths = [31.0 + _measured(f"{coupling} coupling", _DETAIL) for coupling in shown]
        left = x - (sum(widths) + 18.0 * max(len(shown) - 1, 0)) / 2
        for coupling, width in zip(shown, widths, strict=True):
            self.ax.add_line(
                Line2D(
                    [left, left + 18.0],
                    [y, y],
                    color=INK if coupling == "value" else VERMILION,
                    linewidth=1.2 * self.scale,
                    linestyle="-" if coupling == "value" else (0, (4.0, 2.2)),
                )
            )
            tip = left + 18.0 + _HEAD
            head = [(tip, y), (tip - _HEAD, y + 0.42 * _HEAD), (tip - _HEAD, y - 0.42 * _HEAD)]
            color = INK if coupling == "value" else VERMILION
            self.ax.add_patch(
                Polygon(
                    head,
                    closed=True,
                    facecolor=color if coupling == "value" else PAPER,
                    edgecolor=color,
                    linewidth=1.0 * self.scale,
                )
            )
            self.write(tip + 5.0, y, f"{coupling} coupling", _DETAIL, MUTED, ha="left")
            left += width + 18.0

    def write(self, x: float, y: float, text: str, size: float, color: str, **options: Any) -> None:
        """Text at a place; a name with dollar signs is no formula."""
        settings = {"ha": "center", "va": "center", "zorder": 5, "parse_math": False, **options}
        self.ax.text(x, y, text, fontsize=size * self.scale, color=color, **settings)


def _shortened(name: str) -> str:
    name = " ".join(name.split())
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 7]}…{name[-6:]}"


def _text_width(name: str, lines: Sequence[str]) -> float:
    return max(34.0, 16.0 + _measured(name, _NAME, "bold"), *(16.0 + _measured(line, _DETAIL) for line in lines))


@lru_cache(maxsize=4096)
def _measured(text: str, size: float, weight: str = "normal") -> float:
    """Width in points."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a glyph that the font lacks is drawn as a box, and measured as one
        font = FontProperties(size=size, weight=weight)
        return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0])
