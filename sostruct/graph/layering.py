"""Where the nodes of a hierarchy go when it is drawn: inputs at the bottom, every parent above its children.

The method is that of Sugiyama: nodes stand on levels (the longest path down to an input), an edge that spans several
levels gets a bend on each level between, the order within levels is swept until few edges cross, and then every level
is moved as close to its neighbors as the widths of its nodes allow, which is an isotonic regression. Nothing is random.

Reference: K. Sugiyama, S. Tagawa and M. Toda, "Methods for visual understanding of hierarchical system structures",
IEEE Transactions on Systems, Man, and Cybernetics 11(2), 1981.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from sostruct.graph.topology import Topology

Item: TypeAlias = str | tuple[int, int]
"""A node, or the bend of an edge (its number, level)."""
Link: TypeAlias = tuple[str, str]

_SWEEPS = 24
_BEND = 10.0


@final
@dataclass(frozen=True)
class Layers:
    """Places in points.

    Attributes:
        level: 0 for inputs, upwards.
        center: horizontal place of every node; the leftmost edge of the drawing is near 0.
        bends: for each edge (parent, child), horizontal places on the levels between, from the parent down.
        width: of the drawing.
    """

    level: Mapping[str, int]
    center: Mapping[str, float]
    bends: Mapping[Link, tuple[float, ...]]
    width: float


def levels_of(topology: Topology, inputs: Sequence[str]) -> dict[str, int]:
    """The level of every node: inputs at 0, any other one above its highest child."""
    level: dict[str, int] = {}
    for name in reversed(topology.order):
        below = [level[edge.target] for edge in topology.children(name) if edge.lag == 0]
        level[name] = 0 if name in inputs else 1 + max(below, default=0)
    return level


def leaves(topology: Topology) -> tuple[str, ...]:
    """The inputs of a belief network that says nothing else: the nodes that drive nothing, constants aside."""
    return tuple(node.name for node in topology.nodes if node.kind != "constant" and not topology.children(node.name))


def layers(topology: Topology, inputs: Sequence[str], width: Mapping[str, float], gap: float) -> Layers:
    """Lay a hierarchy out.

    Args:
        topology: its directed edges at lag 0 run downwards.
        inputs: the nodes at the bottom, in their order from left to right where nothing else decides it.
        width: of every node, points.
        gap: between nodes of one level, points.
    """
    level = levels_of(topology, inputs)
    links = list(dict.fromkeys((edge.source, edge.target) for edge in topology.edges if edge.lag == 0))
    rows: list[list[Item]] = [[] for _ in range(1 + max(level.values(), default=0))]
    first = [*inputs, *(name for name in topology.order[::-1] if name not in inputs)]
    for name in first:
        rows[level[name]].append(name)
    pairs: list[tuple[Item, Item]] = []
    for number, (parent, child) in enumerate(links):
        chain: list[Item] = [parent]
        for height in range(level[parent] - 1, level[child], -1):
            rows[height].append((number, height))
            chain.append((number, height))
        chain.append(child)
        pairs += list(pairwise(chain))
    below: dict[Item, list[Item]] = {item: [] for row in rows for item in row}
    above: dict[Item, list[Item]] = {item: [] for row in rows for item in row}
    for upper, lower in pairs:
        below[upper].append(lower)
        above[lower].append(upper)
    rows = _ordered(rows, below, above)
    sizes = {item: width[item] if isinstance(item, str) else _BEND for row in rows for item in row}
    place = _placed(rows, below, above, sizes, gap)
    left = min(place[item] - sizes[item] / 2 for item in place)
    right = max(place[item] + sizes[item] / 2 for item in place)
    bends = {
        link: tuple(place[number, height] - left for height in range(level[link[0]] - 1, level[link[1]], -1))
        for number, link in enumerate(links)
    }
    return Layers(level, {name: place[name] - left for name in level}, bends, right - left)


def _ordered(
    rows: list[list[Item]], below: Mapping[Item, list[Item]], above: Mapping[Item, list[Item]]
) -> list[list[Item]]:
    """The order within rows with the fewest crossings among those that sweeps by the mean neighbor meet."""
    best, fewest = [list(row) for row in rows], _crossings(rows, below)
    for sweep in range(_SWEEPS):
        if fewest == 0:
            break
        upwards = sweep % 2 == 0
        numbers = range(1, len(rows)) if upwards else range(len(rows) - 2, -1, -1)
        for number in numbers:
            fixed = rows[number - 1] if upwards else rows[number + 1]
            position = {item: float(at) for at, item in enumerate(fixed)}
            neighbors = below if upwards else above
            wanted = {}
            for at, item in enumerate(rows[number]):
                seen = [position[other] for other in neighbors[item]]
                wanted[item] = (sum(seen) / len(seen) if seen else float(at), at)
            rows[number] = _switched(sorted(rows[number], key=wanted.__getitem__), neighbors, position)
        crossings = _crossings(rows, below)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    return best


def _switched(row: list[Item], neighbors: Mapping[Item, list[Item]], position: Mapping[Item, float]) -> list[Item]:
    """Swap adjacent items while that removes crossings with one fixed row."""
    places = {item: np.array([position[other] for other in neighbors[item]]) for item in row}
    for _ in range(len(row)):
        changed = False
        for at in range(len(row) - 1):
            one, two = places[row[at]][:, None], places[row[at + 1]][None, :]
            if (one > two).sum() > (one < two).sum():
                row[at], row[at + 1] = row[at + 1], row[at]
                changed = True
        if not changed:
            break
    return row


def _crossings(rows: Sequence[Sequence[Item]], below: Mapping[Item, list[Item]]) -> int:
    total = 0
    for upper, lower in zip(rows[1:], rows, strict=False):
        position = {item: at for at, item in enumerate(lower)}
        ends = [(at, position[other]) for at, item in enumerate(upper) for other in below[item]]
        if ends:
            one, two = np.array(ends).T
            total += int(((one[:, None] < one[None, :]) & (two[:, None] > two[None, :])).sum())
    return total


def _placed(
    rows: Sequence[Sequence[Item]],
    below: Mapping[Item, list[Item]],
    above: Mapping[Item, list[Item]],
    sizes: Mapping[Item, float],
    gap: float,
) -> dict[Item, float]:
    """Horizontal places: sweeps that move each row to the means of its neighbors, as far as widths allow."""
    offsets = []
    place: dict[Item, float] = {}
    for row in rows:
        wide = np.array([sizes[item] for item in row])
        offset = np.concatenate([[0.0], np.cumsum((wide[1:] + wide[:-1]) / 2 + gap)])
        offsets.append(offset)
        place |= dict(zip(row, (offset - offset[-1] / 2).tolist(), strict=True))
    for sweep in range(2 * _SWEEPS):
        numbers = range(len(rows)) if sweep % 2 else range(len(rows) - 1, -1, -1)
        for number in numbers:
            row = rows[number]
            wanted = np.empty(len(row))
            for at, item in enumerate(row):
                near = [*below[item], *above[item]]
                wanted[at] = np.mean([place[other] for other in near]) if near else place[item]
            moved = _isotonic(wanted - offsets[number]) + offsets[number]
            place |= dict(zip(row, moved.tolist(), strict=True))
    return place


def _isotonic(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The non-decreasing sequence nearest to the values in least squares, by pooling adjacent violators."""
    pools: list[tuple[float, int]] = []
    for value in values.tolist():
        mean, count = value, 1
        while pools and pools[-1][0] > mean:
            other, size = pools.pop()
            mean, count = (mean * count + other * size) / (count + size), count + size
        pools.append((mean, count))
    return np.repeat([mean for mean, _ in pools], [count for _, count in pools])
