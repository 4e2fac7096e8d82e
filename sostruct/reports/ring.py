"""Where things go when a graph is drawn on a ring.

A ring is the one layout in which an edge never crosses a node that is not its own, names have room outside, and two
graphs over the same variables can be compared place by place. What is left to choose is the order of the nodes (fewest
crossings, by sifting each node around the ring) and the place of each label on its curve. Nothing is random.

Reference: M. Baur and U. Brandes, "Crossing reduction in circular layouts", 2004.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

Pair = tuple[str, str]

SWEEPS = 8


def ring_order(names: Sequence[str], pairs: Iterable[Pair]) -> tuple[str, ...]:
    """Order the nodes around the ring so that few edges cross.

    Args:
        names: the nodes in the user's order, which breaks every tie.
        pairs: edges as (source, target); direction, repetition and self-loops are ignored.

    Returns:
        The same names, turned and mirrored so that the first stays first and the second comes early.
    """
    index = {name: position for position, name in enumerate(names)}
    links = sorted({(min(index[a], index[b]), max(index[a], index[b])) for a, b in pairs if a != b})
    if len(names) < 4 or len(links) < 2:
        return tuple(names)
    order = _grow(len(names), links)
    ends = np.array(links)
    for _ in range(SWEEPS):
        before = list(order)
        for node in range(len(names)):
            order = _sift(node, order, ends)
        if order == before:
            break
    start = order.index(0)
    order = order[start:] + order[:start]
    if order.index(1) > len(order) / 2:
        order = [order[0], *order[:0:-1]]
    return tuple(names[node] for node in order)


def _grow(size: int, links: Sequence[tuple[int, int]]) -> list[int]:
    """First order: next comes the node with most neighbors already placed and fewest still open."""
    neighbors: list[set[int]] = [set() for _ in range(size)]
    for a, b in links:
        neighbors[a].add(b)
        neighbors[b].add(a)
    placed: list[int] = []
    open_nodes = set(range(size))
    while open_nodes:
        node = max(open_nodes, key=lambda n: (len(neighbors[n] - open_nodes), -len(neighbors[n] & open_nodes), -n))
        open_nodes.remove(node)
        placed.append(node)
    return placed


def _sift(node: int, order: list[int], ends: np.ndarray) -> list[int]:
    """Move one node to the slot where its edges cross fewest others, then to where they are shortest."""
    others = [other for other in order if other != node]
    mine = (ends == node).any(axis=1)
    if not mine.any():
        return order
    place = np.empty(len(order), dtype=np.int64)
    place[others] = np.arange(len(others))
    neighbors = place[ends[mine].sum(axis=1) - node]
    rest = place[ends[~mine]]
    slots = np.arange(len(others)) - 0.5
    low = np.minimum(slots[:, None], neighbors[None, :])[..., None]
    high = np.maximum(slots[:, None], neighbors[None, :])[..., None]
    inside: Bool[np.ndarray, "slot neighbor link end"] = (rest > low[..., None]) & (rest < high[..., None])
    outside: Bool[np.ndarray, "slot neighbor link end"] = (rest < low[..., None]) | (rest > high[..., None])
    crossings = ((inside[..., 0] & outside[..., 1]) | (inside[..., 1] & outside[..., 0])).sum(axis=(1, 2))
    apart = np.abs(slots[:, None] - neighbors[None, :])
    length = np.minimum(apart, len(order) - apart).sum(axis=1)
    current = order.index(node)
    best = np.lexsort((np.abs(slots - current), length, crossings))[0]
    return [*others[:best], node, *others[best:]]


def ring_places(order: Sequence[str]) -> dict[str, Float[np.ndarray, "2"]]:
    """Places on the unit circle, clockwise from the top."""
    angles = 2 * np.pi * np.arange(len(order)) / max(len(order), 1)
    return {name: np.array([np.sin(angle), np.cos(angle)]) for name, angle in zip(order, angles, strict=True)}


def curve(
    start: Float[np.ndarray, "2"], stop: Float[np.ndarray, "2"], *, gap: float, two_way: bool
) -> Float[np.ndarray, "3 2"]:
    """Quadratic Bézier curve from one node to another, bent towards the middle of the ring.

    Args:
        start: place of the source (ring radius 1).
        stop: place of the target.
        gap: distance from either place at which the curve begins and ends.
        two_way: the opposite edge exists too, so this one steps aside to its right.

    Returns:
        The control points.
    """
    chord = stop - start
    length = float(np.hypot(*chord))
    bend = (start + stop) / 2 * (1 - min(0.36, 0.13 + 0.45 * length))
    if two_way:
        bend = bend + np.array([chord[1], -chord[0]]) / length * min(0.16, 0.24 * length)
    whole = np.stack([start, bend, stop])
    return cut(whole, *_free(whole, gap))


def _free(whole: Float[np.ndarray, "3 2"], gap: float) -> tuple[float, float]:
    """First and last parameter at which a curve is at least `gap` from both its ends."""
    t = np.linspace(0.0, 1.0, 513)
    line = along(whole, t)
    clear = np.minimum(np.hypot(*(line - whole[0]).T), np.hypot(*(line - whole[2]).T)) >= gap
    kept = t[clear]
    return (float(kept[0]), float(kept[-1])) if kept.size > 1 else (0.4, 0.6)


def along(control: Float[np.ndarray, "3 2"], t: Float[np.ndarray, " points"]) -> Float[np.ndarray, "points 2"]:
    """Points of a quadratic Bézier curve: `(1 - t)^2 p0 + 2 t (1 - t) p1 + t^2 p2`."""
    points: Float[np.ndarray, "points 2"] = np.stack([(1 - t) ** 2, 2 * t * (1 - t), t**2], axis=1) @ control
    return points


def cut(control: Float[np.ndarray, "3 2"], first: float, last: float) -> Float[np.ndarray, "3 2"]:
    """The part of a quadratic Bézier curve between two parameters, as control points of its own."""
    p0, p1, p2 = control
    ends = along(control, np.array([first, last]))
    middle = (1 - first) * (1 - last) * p0 + ((1 - first) * last + first * (1 - last)) * p1 + first * last * p2
    return np.stack([ends[0], middle, ends[1]])


def label_places(curves: Mapping[Pair, Float[np.ndarray, "3 2"]]) -> dict[Pair, Float[np.ndarray, "2"]]:
    """For each curve, its point that is farthest from the other curves and from the labels already placed."""
    coarse = {pair: along(control, np.linspace(0.0, 1.0, 12)) for pair, control in curves.items()}
    placed: dict[Pair, Float[np.ndarray, 2]] = {}
    for pair, control in curves.items():
        candidates = along(control, np.linspace(0.22, 0.72, 17))
        lines = [other for key, other in coarse.items() if key != pair]
        clearance = _clearance(candidates, np.concatenate(lines)) if lines else np.ones(len(candidates))
        if placed:
            clearance = np.minimum(clearance, 0.6 * _clearance(candidates, np.stack(list(placed.values()))))
        placed[pair] = candidates[int(np.argmax(clearance))]
    return placed


def _clearance(
    points: Float[np.ndarray, "points 2"], obstacles: Float[np.ndarray, "obstacles 2"]
) -> Float[np.ndarray, " points"]:
    away: Float[np.ndarray, " points"] = np.hypot(*np.moveaxis(points[:, None] - obstacles[None], -1, 0)).min(axis=1)
    return away
