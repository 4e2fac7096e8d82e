"""Where the parts of a belief network go when it is drawn: inputs at the bottom, parents above their children.

Places come from `graph.layering`; here boxes get their sizes from their text, and edges become smooth curves that leave
and arrive upright. A graph that changes is laid out once, as the union of all its moments, so that what stays keeps its
place. In such a union an edge may run against the others (it was turned around on the way): it is drawn upwards.
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

import numpy as np
from jaxtyping import Float
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from sostruct.graph import Edge, EdgeKey, Node, Topology
from sostruct.graph.layering import Layers, layers
from sostruct.graph.topology import find_cycle
from sostruct.reports.typography import shorten

NAME: Final = 10.0
DETAIL: Final = 8.0
LINE: Final = 11.0
HEAD: Final = 8.0

_GAP, _RISE, _MARGIN = 20.0, 46.0, 10.0
_NARROWEST: Final = 220.0
_LONGEST: Final = 20

Path = Float[np.ndarray, "point 2"]


@dataclass(frozen=True, slots=True)
class Box:
    """A node: its center and size in points, its shortened name, and its lines of detail."""

    x: float
    y: float
    width: float
    height: float
    label: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """A network laid out in points, the origin at the bottom left.

    Attributes:
        boxes: by name.
        paths: of every edge, from the parent's side to the tip of the arrow.
        width: of everything.
        height: of everything.
    """

    boxes: Mapping[str, Box]
    paths: Mapping[EdgeKey, Path]
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Union:
    """Several graphs as one.

    Attributes:
        topology: every node, as it was last, and every edge at lag 0 that fits without a cycle.
        against: the other edges at lag 0.
    """

    topology: Topology
    against: tuple[Edge, ...]

    @property
    def edges(self) -> tuple[Edge, ...]:
        """All edges, those that fit first."""
        return (*self.topology.edges, *self.against)


def union(graphs: Iterable[Topology]) -> Union:
    """All nodes and edges of graphs that followed each other; where they disagree, the last one is right."""
    nodes: dict[str, Node] = {}
    edges: dict[EdgeKey, Edge] = {}
    last: Topology | None = None
    for last in graphs:
        nodes.update((node.name, node) for node in last.nodes)
        edges.update((edge.key, edge) for edge in last.edges if edge.lag == 0)
    final = set() if last is None else {edge.key for edge in last.edges}
    fitting: list[Edge] = []
    against: list[Edge] = []
    for edge in sorted(edges.values(), key=lambda edge: (edge.key not in final, edge.key)):
        (fitting if find_cycle(nodes, [*fitting, edge]) is None else against).append(edge)
    return Union(Topology(tuple(nodes.values()), tuple(fitting)), tuple(against))


def lay_out(graph: Union, inputs: Sequence[str], details: Mapping[str, Sequence[str]]) -> Layout:
    """Find the place of everything.

    Args:
        graph: what is drawn.
        inputs: the nodes at the bottom.
        details: lines below a node's name; for a drawing whose text changes, the widest.
    """
    topology = graph.topology
    if not topology.nodes:
        return Layout({}, {}, _NARROWEST, 60.0)
    labels = {name: shorten(name, _LONGEST) for name in topology.names}
    lines = {name: tuple(details.get(name, ())) for name in topology.names}
    wide = {name: _width(labels[name], lines[name]) for name in labels}
    tall = {node.name: 20.0 + LINE * len(lines[node.name]) + 4.0 * (node.kind == "volatile") for node in topology.nodes}
    places = layers(topology, inputs, wide, _GAP)
    middles, height = [], _MARGIN
    for row in range(1 + max(places.level.values())):
        thickness = max((tall[name] for name in labels if places.level[name] == row), default=0.0)
        crowd = sum(places.level[edge.target] <= row < places.level[edge.source] for edge in topology.edges)
        middles.append(height + thickness / 2)
        height += thickness + _RISE + min(2.5 * crowd, 60.0)
    width = max(places.width + 2 * _MARGIN, _NARROWEST)
    left = (width - places.width) / 2
    boxes = {
        name: Box(
            left + places.center[name], middles[places.level[name]], wide[name], tall[name], labels[name], lines[name]
        )
        for name in labels
    }
    top = max(box.y + box.height / 2 for box in boxes.values())
    return Layout(boxes, _paths(graph, boxes, places, middles, left), width, top + _MARGIN)


def _paths(
    graph: Union, boxes: Mapping[str, Box], places: Layers, middles: Sequence[float], left: float
) -> dict[EdgeKey, Path]:
    """Edges that share a side of a box are spread along it in the order of where they go."""
    level = places.level
    down = [edge for edge in graph.topology.edges if level[edge.source] > level[edge.target]]
    up = [edge for edge in graph.edges if level[edge.source] <= level[edge.target]]
    corners = {edge.key: _corners(edge, places, middles, left) for edge in down}
    below: dict[str, list[tuple[float, EdgeKey]]] = {name: [] for name in boxes}
    above: dict[str, list[tuple[float, EdgeKey]]] = {name: [] for name in boxes}
    for edge in down:
        bends = corners[edge.key]
        below[edge.source].append((bends[0][0] if bends else boxes[edge.target].x, edge.key))
        above[edge.target].append((bends[-1][0] if bends else boxes[edge.source].x, edge.key))
    for edge in up:
        above[edge.source].append((boxes[edge.target].x, edge.key))
        below[edge.target].append((boxes[edge.source].x, edge.key))
    ports = {(name, key): x for name, ends in below.items() for key, x in _spread(boxes[name], ends)}
    ports |= {(name, key): x for name, ends in above.items() for key, x in _spread(boxes[name], ends)}
    paths = {}
    for edge in (*down, *up):
        rising = edge in up
        sign = 1.0 if rising else -1.0
        source, target = boxes[edge.source], boxes[edge.target]
        start = (ports[edge.source, edge.key], source.y + sign * source.height / 2)
        tip = (ports[edge.target, edge.key], target.y - sign * target.height / 2)
        stops = [start, *corners.get(edge.key, ()), (tip[0], tip[1] - sign * HEAD)]
        pieces = [_curve(np.array(one), np.array(other), sign) for one, other in pairwise(stops)]
        paths[edge.key] = np.concatenate([*pieces, np.array([tip])])
    return {edge.key: paths[edge.key] for edge in graph.edges}


def _corners(edge: Edge, places: Layers, middles: Sequence[float], left: float) -> list[tuple[float, float]]:
    rows = range(places.level[edge.source] - 1, places.level[edge.target], -1)
    return [(left + x, middles[row]) for x, row in zip(places.bends[edge.source, edge.target], rows, strict=True)]


def _spread(box: Box, ends: Sequence[tuple[float, EdgeKey]]) -> Iterable[tuple[EdgeKey, float]]:
    step = min(14.0, 0.8 * box.width / max(len(ends), 1))
    for number, (_, key) in enumerate(sorted(ends)):
        yield key, box.x + step * (number - (len(ends) - 1) / 2)


def _curve(start: Float[np.ndarray, "2"], stop: Float[np.ndarray, "2"], sign: float) -> Path:
    """A cubic Bezier curve that leaves and arrives vertically; between boxes of one row it makes a bow."""
    t = np.linspace(0.0, 1.0, 17)[:, None]
    reach = np.array([0.0, sign * max(0.5 * abs(stop[1] - start[1]), 30.0 if sign > 0 else 0.0)])
    one, two = start + reach, stop - reach
    curve: Path = (1 - t) ** 3 * start + 3 * t * (1 - t) ** 2 * one + 3 * t**2 * (1 - t) * two + t**3 * stop
    return curve


def label_place(path: Path, others: Iterable[Path]) -> Float[np.ndarray, "2"]:
    """The point in the middle part of a path that is farthest from the other paths."""
    candidates = path[len(path) // 4 : max(len(path) - len(path) // 4, len(path) // 4 + 1)]
    lines = [other[::3] for other in others]
    if not lines:
        return np.asarray(candidates[len(candidates) // 2])
    obstacles = np.concatenate(lines)
    room = np.hypot(*np.moveaxis(candidates[:, None] - obstacles[None], -1, 0)).min(1)
    middle = 1e-3 * np.abs(np.arange(len(candidates)) - len(candidates) / 2)
    place: Float[np.ndarray, 2] = candidates[int(np.argmax(np.minimum(room, 24.0) - middle))]
    return place


def _width(label: str, lines: Sequence[str]) -> float:
    return max(34.0, 16.0 + measured(label, NAME, "bold"), *(14.0 + measured(line, DETAIL) for line in lines))


@lru_cache(maxsize=4096)
def measured(text: str, size: float, weight: str = "normal") -> float:
    """Width of a text in points."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a glyph that the font lacks is drawn as a box, and measured as one
        font = FontProperties(family="DejaVu Sans", size=size, weight=weight)
        return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0])
