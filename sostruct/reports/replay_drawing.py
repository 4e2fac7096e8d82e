"""The drawing of a film: one picture of everything that was ever there, and what each part of it is in each frame.

Belief networks are layered and lagged networks lie on a ring, as in their still pictures. The picture is laid out once,
so that nothing that stays moves; a page shows a frame by switching parts on and off, filling boxes and changing texts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import networkx as nx
import numpy as np
from matplotlib.figure import Figure

from sostruct.graph import Edge, EdgeKey, Node, Topology
from sostruct.reports import facts
from sostruct.reports.belief_figure import draw_layout, strength_label
from sostruct.reports.belief_layout import lay_out, measured, union
from sostruct.reports.evidence_figure import bounds, steps
from sostruct.reports.graph_figure import draw_changing
from sostruct.reports.links import Pair, compare
from sostruct.reports.replay import PRESENT, Film, Frame, state
from sostruct.reports.selection import select
from sostruct.reports.tables import RunTables
from sostruct.reports.typography import with_spread

UNKNOWN: Final = "-"
LESS: Final = "abcdef"
MORE: Final = "123456"
"""Letters of the fill of a box: less or more than expected, from 1 nat upwards; 0 is about as expected."""


@dataclass(frozen=True, slots=True)
class Changing:
    """A picture that changes.

    Attributes:
        figure: the picture, every part in it.
        nodes: names of the parts that are nodes; they are the first ones.
        states: by frame, one letter per part: see `replay.state`.
        fills: by frame, one letter per node.
        texts: by frame, what parts say that say something: number -> text.
        measure: the column of signals.csv, or "excess", that fills the boxes.
        scale: nats at which the fill gets a step darker.
        note: what of the graph is left out; empty where nothing is.
    """

    figure: Figure
    nodes: tuple[str, ...]
    states: tuple[str, ...]
    fills: tuple[str, ...]
    texts: tuple[Mapping[int, str], ...]
    measure: str
    scale: tuple[float, ...]
    note: str


def draw_film(shown: Film, tables: RunTables) -> Changing:
    """Draw a run, as what kind of network it is; inside `canvas.settings`."""
    return _belief(shown, tables) if tables.belief else _lagged(shown, tables)


def _belief(shown: Film, tables: RunTables) -> Changing:
    whole = union(shown.graphs)
    names = whole.topology.names
    parts: dict[str | EdgeKey, int] = {name: number for number, name in enumerate(names)}
    parts |= {edge.key: len(names) + number for number, edge in enumerate(whole.edges)}
    said = [{name: _belief_of(frame, name) for name in names} for frame in shown.frames]
    widest = {name: (max((words[name] for words in said), key=_width),) for name in names}
    inputs = facts.inputs(tables)
    labels: dict[EdgeKey, str] = {}
    texts: list[dict[int, str]] = []
    for frame, words in zip(shown.frames, said, strict=True):
        own = {edge.key: strength_label(edge) for edge in frame.after.edges if edge.key in parts}
        labels |= {key: label for key, label in own.items() if label}
        texts.append({parts[name]: word for name, word in words.items()} | {parts[key]: own[key] for key in own})
    layout = lay_out(whole, inputs, widest)
    figure = draw_layout(whole, inputs, layout, labels, parts=parts)
    states = []
    for frame in shown.frames:
        before, after = _content(frame.before), _content(frame.after)
        states.append("".join(state(before.get(part), after.get(part)) for part in parts))
    fills, scale = _fills(shown.frames, names, "excess")
    return Changing(figure, names, tuple(states), fills, tuple(texts), "excess", scale, "")


def _content(graph: Topology) -> dict[str | EdgeKey, Node | Edge]:
    return {node.name: node for node in graph.nodes} | {edge.key: edge for edge in graph.edges}


def _belief_of(frame: Frame, name: str) -> str:
    """Mean and standard deviation; a space where nothing is known, so that the text is drawn and can change."""
    signal = frame.signals.get(name, {})
    mean, variance = signal.get("mean", math.nan), signal.get("variance", math.nan)
    return with_spread(mean, math.sqrt(variance)) if math.isfinite(mean) and variance >= 0.0 else " "


def _width(text: str) -> float:
    return measured(text, 8.0)


def _lagged(shown: Film, tables: RunTables) -> Changing:
    """All links that ever were, with the evidence of those that were kept."""
    ever = nx.MultiDiGraph()
    ever.add_nodes_from(tables.graph.nodes)
    lags: list[tuple[dict[Pair, tuple[int, ...]], dict[Pair, tuple[int, ...]]]] = []
    for frame in shown.frames:
        lags.append((_lags(frame.before), _lags(frame.after)))
        for graph in (frame.before, frame.after):
            for edge in graph.edges:
                key = f"{edge.coupling}:{edge.lag}"
                if not ever.has_edge(edge.source, edge.target, key):
                    kept = tables.graph.get_edge_data(edge.source, edge.target, key) or {}
                    ever.add_edge(edge.source, edge.target, key=key, lag=edge.lag, mark=edge.mark, **_evidence(kept))
    compared = compare(ever, tables.truth)
    chosen = select(compared)
    parts: dict[str | Pair, int] = {name: number for number, name in enumerate(chosen.order)}
    parts |= {link.pair: len(chosen.order) + number for number, link in enumerate(chosen.found)}
    pairs = [link.pair for link in chosen.found]
    nodes = PRESENT * len(chosen.order)
    states = tuple(nodes + "".join(state(old.get(pair), new.get(pair)) for pair in pairs) for old, new in lags)
    texts = tuple(
        {parts[pair]: ",".join(map(str, new[pair])) if new[pair] != (0,) else "" for pair in pairs if pair in new}
        for _, new in lags
    )
    fills, scale = _fills(shown.frames, chosen.order, "reducible")
    figure = draw_changing(compared, chosen, parts)
    return Changing(figure, chosen.order, states, fills, texts, "reducible", scale, chosen.note)


def _evidence(kept: Mapping[str, object]) -> dict[str, object]:
    return {name: kept[name] for name in ("weight", "weight_sd", "nats") if name in kept}


def _lags(graph: Topology) -> dict[Pair, tuple[int, ...]]:
    found: dict[Pair, list[int]] = {}
    for edge in graph.edges:
        found.setdefault((edge.source, edge.target), []).append(edge.lag)
    return {pair: tuple(sorted(lags)) for pair, lags in found.items()}


def measured_by(measure: str, signal: Mapping[str, float]) -> float:
    """What fills a node's box: "excess" surprise, or what is "reducible", which is never negative."""
    return signal["surprise"] - signal["expected"] if measure == "excess" else max(signal["reducible"], 0.0)


def _fills(frames: Sequence[Frame], names: Sequence[str], measure: str) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """The step of every node's fill in every frame."""
    table = np.full((len(frames), len(names)), math.nan)
    for row, frame in enumerate(frames):
        for column, name in enumerate(names):
            if name in frame.signals:
                table[row, column] = measured_by(measure, frame.signals[name])
    edges = bounds(table)
    letters = {0: "0"} | {n + 1: MORE[n] for n in range(6)} | {-n - 1: LESS[n] for n in range(6)}
    taken = steps(table, edges)
    return tuple(
        "".join(UNKNOWN if math.isnan(value) else letters[int(step)] for value, step in zip(values, row, strict=True))
        for values, row in zip(table, taken, strict=True)
    ), edges
