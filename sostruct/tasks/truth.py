"""The graph behind a task: built from links, read from a file, and checked against the columns it speaks of.

Design note. A truth is a `networkx.MultiDiGraph` that follows the graph schema: nodes of kind "series", edges from
cause to effect with coupling "value" and a lag of at least 0, keyed "value:lag". A file may know less: only who
causes whom. Then every edge gets lag 1 and the reader says that the lags mean nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, final

import networkx as nx

from sostruct.errors import DataError
from sostruct.tasks.base import listed
from sostruct.tasks.text import decode, delimiter_of, read_bytes, rows_of


@final
class Link(NamedTuple):
    """An edge of a truth: `cause` acts on `effect` after `lag` steps, with a strength where one is known."""

    cause: str
    effect: str
    lag: int = 1
    strength: float | None = None


def truth_graph(names: Sequence[str], links: Iterable[Link]) -> nx.MultiDiGraph:
    """The graph of these links over all `names`, in the order of the series."""
    graph = nx.MultiDiGraph()
    graph.add_nodes_from(names, kind="series")
    for cause, effect, lag, strength in links:
        known = {} if strength is None else {"strength": strength}
        graph.add_edge(cause, effect, key=f"value:{lag}", coupling="value", lag=lag, mark="directed", **known)
    return graph


def check_truth(graph: nx.MultiDiGraph, names: Iterable[str], max_lag: int) -> None:
    """Refuse a truth that these series, searched up to this lag, could not show.

    Args:
        graph: edges from cause to effect with a `lag`.
        names: the columns of the series.
        max_lag: the largest lag, in steps, that is looked for.

    Raises:
        DataError: a node is not among the columns, or an edge has a lag outside 0..max_lag.
    """
    columns = tuple(names)
    unknown = [name for name in graph.nodes if name not in set(columns)]
    if unknown:
        raise DataError(
            f"Cannot use the truth. This is because it names {listed(unknown)}, which the series do not have. "
            f"Try the names of the columns: {listed(columns)}."
        )
    for cause, effect, lag in graph.edges(data="lag"):
        if not 0 <= lag <= max_lag:
            raise DataError(
                f"Cannot use the truth. This is because its edge {cause} -> {effect} has lag {lag}, outside the lags "
                f"0 to {max_lag} that are looked for. Try a max_lag that covers it, or leave the edge out."
            )


def read_truth(path: Path, names: Sequence[str]) -> tuple[nx.MultiDiGraph, bool]:
    """Read a truth over the series `names`.

    A .json file holds a node-link graph (edges with "source", "target" and "lag"). Any other file is delimited text
    whose header has the columns cause and effect, and lag where lags are known; further columns are not read, so the
    `edges.csv` of a finished run is a truth as well. The same link given twice counts once.

    Returns:
        the graph, and whether its lags were given.

    Raises:
        DataError: the file cannot be read, lacks a column, names an unknown series, or has a lag that is not a whole
            number of at least 0.
    """
    text = decode(read_bytes(path, "the truth file"), path, "the truth file")
    rows = _json_rows(path, text) if path.suffix.lower() == ".json" else _text_rows(path, text)
    columns = set(names)
    links: dict[Link, None] = {}
    timed: set[bool] = set()
    for place, cause, effect, lag in rows:
        for name in (cause, effect):
            if name not in columns:
                raise DataError(
                    f"Cannot use the truth file {str(path)!r}. This is because {place} names {name!r}, which is not a "
                    f"column of the series. Try one of {listed(names)}."
                )
        timed.add(lag is not None)
        links[Link(cause, effect, 1 if lag is None else _lag(path, place, lag))] = None
    if len(timed) > 1:
        raise DataError(
            f"Cannot use the truth file {str(path)!r}. This is because some of its edges have a lag and others have "
            f"none. Try giving every edge a lag, or none of them."
        )
    return truth_graph(names, links), timed == {True}


def _json_rows(path: Path, text: str) -> list[tuple[str, str, str, object]]:
    def refused(reason: str) -> DataError:
        return DataError(
            f"Cannot use the truth file {str(path)!r}. This is because {reason}. Try a node-link graph as written by "
            f'a run: {{"nodes": [{{"id": ...}}], "edges": [{{"source": ..., "target": ..., "lag": ...}}]}}.'
        )

    try:
        content = json.loads(text)
    except ValueError as error:
        raise refused(f"it is not JSON ({error})") from None
    edges = content.get("edges", content.get("links")) if isinstance(content, dict) else None
    if not isinstance(edges, list) or not all(isinstance(edge, dict) for edge in edges):
        raise refused('it has no list of "edges"')
    rows: list[tuple[str, str, str, object]] = []
    for position, edge in enumerate(edges, start=1):
        if not {"source", "target"} <= edge.keys():
            raise refused(f'its edge number {position} lacks "source" or "target"')
        rows.append((f"its edge number {position}", str(edge["source"]), str(edge["target"]), edge.get("lag")))
    return rows


def _text_rows(path: Path, text: str) -> list[tuple[str, str, str, object]]:
    found = rows_of(text, path, "the truth file", delimiter_of(text))
    cells = [(line, [cell.strip() for cell in row]) for line, row in found]
    header = [name.lower() for name in cells[0][1]]
    missing = [name for name in ("cause", "effect") if name not in header]
    if missing:
        raise DataError(
            f"Cannot use the truth file {str(path)!r}. This is because its header {', '.join(cells[0][1])!r} lacks the "
            f"column {' and '.join(missing)}. Try the columns cause, effect and, where lags are known, lag."
        )
    rows: list[tuple[str, str, str, object]] = []
    for line, row in cells[1:]:
        if len(row) != len(header):
            raise DataError(
                f"Cannot use the truth file {str(path)!r}. This is because line {line} has {len(row)} fields and the "
                f"header has {len(header)}. Try quoting names that hold a delimiter."
            )
        record = dict(zip(header, row, strict=True))
        rows.append((f"line {line}", record["cause"], record["effect"], record.get("lag")))
    return rows


def _lag(path: Path, place: str, given: object) -> int:
    try:
        lag = float(str(given))
        if isinstance(given, bool) or lag < 0 or lag != int(lag):
            raise ValueError
    except (ValueError, OverflowError):
        raise DataError(
            f"Cannot use the truth file {str(path)!r}. This is because {place} has the lag {given!r}, which is not a "
            f"whole number of at least 0. Try the number of steps by which the cause precedes the effect."
        ) from None
    return int(lag)
