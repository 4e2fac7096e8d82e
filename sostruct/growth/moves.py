"""The edits that a belief network may consider: bundles with the numbers to try them at.

Every move is a bundle that stands or falls together, and a small grid of starting values: a new node whose parameters
are far from right looks worthless however well it fits. Conventions keep graphs identifiable: the first child of a
parent has loading 1, which gives the parent its scale; a hidden parent has mean 0, its child's tonic level takes the
rest; and moves never give a node two volatility parents.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations
from typing import NamedTuple, TypeAlias, final

from sostruct.graph import AbstractEdit, AddEdge, AddNode, Edge, RemoveEdge, RemoveNode, SetParameters, Topology
from sostruct.growth.anatomy import Anatomy, held_off
from sostruct.networks.hgf.workbench import Knob

VOLATILE = ((0.5, 0.95), (1.0, 0.95), (1.0, 0.7))
"""Stationary sd of the log variance and autoconnection at which volatility parents are tried."""

DRIFTING = ((0.4, 0.95), (0.8, 0.9), (0.7, 0.5))
"""Stationary sd in steps of the child and autoconnection at which drifts are tried."""

_LOADING = 0.9
"""Where the search for a free loading starts: exactly 1 would hold it."""


@final
@dataclass(frozen=True)
class Move:
    """A bundle of edits and where to try it.

    Attributes:
        name: what it does, for people and for `Residual.moves`.
        target: the node it is mainly about.
        edits: the bundle; its parameters are those of the first row of the grid.
        grid: starting values, a mapping of knobs per row; a knob that a row leaves out has its value in the edits.
        deep: whether it makes the variance of a variance uncertain, which eHGF follows badly: it must win by more.
    """

    name: str
    target: str
    edits: tuple[AbstractEdit, ...]
    grid: tuple[dict[Knob, float], ...] = ({},)
    deep: bool = False
    named: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        names: set[str] = set()
        for edit in self.edits:
            match edit:
                case AddNode(name=name) | RemoveNode(name=name):
                    names.add(name)
                case AddEdge(edge=edge):
                    names |= {edge.source, edge.target}
                case RemoveEdge(source=source, target=target):
                    names |= {source, target}
                case SetParameters(target=place):
                    names |= {place} if isinstance(place, str) else {place[0], place[1]}
        object.__setattr__(self, "named", frozenset(names))


Slopes: TypeAlias = Mapping[tuple[str, str], tuple[float, ...]]


class Tie(NamedTuple):
    """Two nodes, the coupling whose errors would show that they belong together, and the moves that tie them."""

    one: str
    other: str
    coupling: str
    moves: Callable[[], Iterable[Move]]


@final
class Moves:
    """The moves that fit a graph.

    Args:
        topology: the graph.
        inputs: its inputs.
        scale: variance of the steps of each input's series, for inputs that have no state yet.
        slopes: of one input's series on another's, (on, of) -> several estimates.
        levels: see `Anatomy`.
    """

    def __init__(
        self,
        topology: Topology,
        inputs: Sequence[str],
        scale: Mapping[str, float],
        slopes: Slopes,
        levels: Mapping[str, tuple[float, ...]] | None = None,
    ) -> None:
        self.graph, self.scale, self.slopes = Anatomy(topology, inputs, levels), scale, slopes

    # single nodes

    def single(self) -> Iterator[Move]:
        """Moves that concern one node and what is above it."""
        for name in self.graph.hidden:
            if not self.graph.parents(name, "volatility"):
                yield self._volatility((name,), deep=name not in self.graph.states)
            if name in self.graph.value_parents and not self.graph.parents(name, "value"):
                yield self._drift((name,))
            if name in self.graph.value_parents:
                yield from self._dynamics(name)
        for column in sorted(self.graph.inputs):
            if self.graph.topology.node(column).kind != "continuous":
                continue
            if not self.graph.parents(column, "volatility"):
                yield self._noise_volatility(column)
            above = self.graph.parents(column, "value")
            if not above:
                yield self._first_state(column)
            elif len(above) == 1:
                yield self._second_state(column, above[0].source)
        for parent in (*self.graph.volatility_parents, *self.graph.drifts):
            yield self._prune(parent)
            if len(self.graph.topology.children(parent)) > 1:
                for edge in self.graph.topology.children(parent):
                    yield self._detach(edge)
                    yield self._split(edge)
        for state in self.graph.states:
            if len(self.graph.topology.children(state)) > 1:
                for edge in self.graph.topology.children(state):
                    if len(self.graph.parents(edge.target, "value")) > 1:
                        yield self._detach(edge)
                    else:
                        yield self._split(edge)
            elif len(self.graph.parents(self.graph.topology.children(state)[0].target, "value")) > 1:
                yield self._prune(state)

    # pairs of nodes

    def pairs(self) -> Iterator[Tie]:
        """Pairs of nodes and the moves that tie them."""
        free = {
            "volatility": [name for name in self.graph.states if not self.graph.parents(name, "volatility")],
            "value": [name for name in self.graph.states if not self.graph.parents(name, "value")],
        }
        for one, other in combinations(free["volatility"], 2):
            yield Tie(one, other, "volatility", partial(self._shared_volatility, one, other))
        for one, other in combinations(free["value"], 2):
            yield Tie(one, other, "value", partial(self._shared_drift, one, other))
        for one, other in combinations(self.graph.states, 2):
            yield Tie(one, other, "value", partial(self._one_state, one, other))
            yield Tie(one, other, "value", partial(self._see, one, other))
        for coupling, parents in (("volatility", self.graph.volatility_parents), ("value", self.graph.drifts)):
            for parent in parents:
                yield from self._ties(parent, parents, coupling, free[coupling])

    def _ties(self, parent: str, parents: Sequence[str], coupling: str, free: Sequence[str]) -> Iterator[Tie]:
        """A parent gets another child, another child in place of its own, or the children of another parent."""
        near = self.graph.topology.children(parent)[0].target
        for name in free:
            if not self.graph.above(name, parent):
                yield Tie(near, name, coupling, partial(self._join, parent, name, coupling))
        for rival in parents:
            if rival == parent:
                continue
            first = self.graph.topology.children(rival)[0].target
            for edge in self.graph.topology.children(parent):
                if not self.graph.above(edge.target, rival):
                    yield Tie(first, edge.target, coupling, partial(self._rewire, edge, rival))
            if (
                parent < rival
                and first != near
                and not self.graph.topology.parents(parent) + self.graph.topology.parents(rival)
            ):
                yield Tie(near, first, coupling, partial(self._merge, parent, rival))

    # new nodes

    def _shared_volatility(self, one: str, other: str) -> Iterator[Move]:
        yield self._volatility((one, other))

    def _shared_drift(self, one: str, other: str) -> Iterator[Move]:
        yield self._drift((one, other))

    def _volatility(self, children: Sequence[str], deep: bool = False) -> Move:
        name = self.graph.fresh("volatility")
        rows: list[dict[Knob, float]] = []
        for signal, decay in VOLATILE:
            for loadings in _signs(len(children)):
                row: dict[Knob, float] = _autoregressive(name, signal**2, decay)
                for child, loading in zip(children, loadings, strict=True):
                    row[(child, "tonic_volatility")] = self.graph.log_step(child) - 0.35 * (signal * loading) ** 2
                    row[((name, child, "volatility", 0), "strength")] = loading
                rows.append(row)
        return _built(
            "shared volatility" if len(children) > 1 else "volatility",
            children[0],
            name,
            "volatility",
            children,
            rows,
            deep,
        )

    def _drift(self, children: Sequence[str]) -> Move:
        name = self.graph.fresh("drift")
        rows: list[dict[Knob, float]] = []
        for signal, decay in DRIFTING:
            for loadings in _signs(len(children)):
                row: dict[Knob, float] = _autoregressive(
                    name, signal**2 * math.exp(self.graph.log_step(children[0])), decay
                )
                for child, loading in zip(children, loadings, strict=True):
                    ratio = math.exp(0.5 * (self.graph.log_step(child) - self.graph.log_step(children[0])))
                    row[(child, "tonic_volatility")] = self.graph.log_step(child) - math.log1p(signal**2)
                    row[((name, child, "value", 0), "strength")] = (
                        loading if loading == 1.0 else held_off(loading * ratio)
                    )
                rows.append(row)
        return _built("shared drift" if len(children) > 1 else "drift", children[0], name, "value", children, rows)

    def _noise_volatility(self, column: str) -> Move:
        name = self.graph.fresh("volatility")
        precision = self.graph.parameters[column]["precision"]
        level = -math.log(precision)
        rows: list[dict[Knob, float]] = []
        for signal, decay in VOLATILE:
            row = _autoregressive(name, signal**2, decay)
            mean = level - 0.35 * signal**2
            row |= {
                (name, "mean"): mean,
                (name, "tonic_drift"): (1.0 - decay) * mean,
                (column, "precision"): 10.0 * precision,
            }
            rows.append(row | {((name, column, "volatility", 0), "strength"): 1.0})
        return _built("noise volatility", column, name, "volatility", (column,), rows)

    def _first_state(self, column: str) -> Move:
        name = self.graph.fresh("state")
        step = self.scale[column]
        rows: list[dict[Knob, float]] = []
        for share in (0.1, 0.5):
            row: dict[Knob, float] = {
                (name, "tonic_volatility"): math.log(share * step),
                (column, "precision"): 2.0 / ((1.0 - share) * step),
            }
            rows.append(row | {((name, column, "value", 0), "strength"): 1.0})
        return _built("state", column, name, "value", (column,), rows)

    def _second_state(self, column: str, state: str) -> Move:
        name = self.graph.fresh("state")
        noise, step = 1.0 / self.graph.parameters[column]["precision"], math.exp(self.graph.log_step(state))
        edge: Knob = ((name, column, "value", 0), "strength")
        rows: list[dict[Knob, float]] = []
        for decay in (0.5, 0.85):
            row = _autoregressive(name, 0.8 * noise, decay)
            rows.append(row | {(column, "precision"): 4.0 / noise, edge: 1.0})
            row = _autoregressive(name, step / (1.0 - decay), decay)
            rows.append(row | {(state, "tonic_volatility"): self.graph.log_step(state) - 2.5, edge: 1.0})
        return _built("second state", column, name, "value", (column,), rows)

    def _dynamics(self, name: str) -> Iterator[Move]:
        """A random walk becomes autoregressive, or the other way; likewise a tonic drift."""
        own = self.graph.parameters[name]
        if own["autoconnection"] == 1.0:
            rows: list[dict[Knob, float]] = [{(name, "autoconnection"): decay} for decay in (0.99, 0.9, 0.5)]
            yield Move("autoconnection", name, (SetParameters(name, {"autoconnection": 0.99}),), tuple(rows))
        elif name in self.graph.states:
            yield Move("random walk", name, (SetParameters(name, {"autoconnection": 1.0}),))
        if name in self.graph.states and own["tonic_drift"] == 0.0:
            size = 0.1 * math.exp(0.5 * self.graph.log_step(name))
            rows = [{(name, "tonic_drift"): size}, {(name, "tonic_drift"): -size}]
            yield Move("tonic drift", name, (SetParameters(name, {"tonic_drift": size}),), tuple(rows))
        elif name in self.graph.states:
            yield Move("no tonic drift", name, (SetParameters(name, {"tonic_drift": 0.0}),))

    # nodes that go

    def _prune(self, name: str) -> Move:
        edges = self.graph.topology.children(name)
        row: dict[Knob, float] = {}
        for edge in edges:
            row |= self.graph.raised(edge)
        gone = (name, *self.graph.orphans(name))
        rows = ({}, row, *self.graph.left(edges))
        return Move("prune", edges[0].target, tuple(RemoveNode(one) for one in gone), rows)

    def _detach(self, edge: Edge) -> Move:
        edits, rows = self._without(edge)
        return Move(
            "detach",
            edge.target,
            edits,
            tuple({**row, **own} for row in rows for own in ({}, self.graph.raised(edge), *self.graph.left([edge]))),
        )

    def _split(self, edge: Edge) -> Move:
        edits, rows = self._without(edge)
        kind = (
            "volatility"
            if edge.coupling == "volatility"
            else ("state" if edge.target in self.graph.inputs else "drift")
        )
        name = self.graph.fresh(kind)
        own = dict(self.graph.parameters[edge.source])
        own["tonic_volatility"] += 2.0 * math.log(max(abs(edge.strength), 1e-3))
        own["mean"] *= edge.strength
        own["tonic_drift"] *= edge.strength
        added = (AddNode(name, "continuous", own), AddEdge(replace(edge, source=name, strength=1.0)))
        return Move("split", edge.target, (*edits, *added), (*rows, *self.graph.left([edge])))

    def _without(self, edge: Edge) -> tuple[tuple[AbstractEdit, ...], tuple[dict[Knob, float], ...]]:
        """Removing one of several edges; where it set the scale, the next one does."""
        rest = [one for one in self.graph.topology.children(edge.source) if one != edge]
        edits: list[AbstractEdit] = [RemoveEdge(*edge.key)]
        heir = next((one for one in rest if one.strength != 0.0), None)
        if edge.strength == 1.0 and heir is not None and all(one.strength != 1.0 for one in rest):
            unit = heir.strength
            own = self.graph.parameters[edge.source]
            values = {"tonic_volatility": own["tonic_volatility"] + 2.0 * math.log(max(abs(unit), 1e-3))}
            values |= {name: own[name] * unit for name in ("mean", "tonic_drift") if own[name] != 0.0}
            edits.append(SetParameters(edge.source, values))
            for one in rest:
                strength = 1.0 if one is heir else held_off(one.strength / unit)
                edits.append(SetParameters(one.key, {"strength": strength}))
        return tuple(edits), ({},)

    # nodes that are tied

    def _join(self, parent: str, name: str, coupling: str) -> Iterator[Move]:
        rows: list[dict[Knob, float]] = []
        for loading in (_LOADING, -_LOADING, 0.4, -0.4):
            row, loading = self.graph.lowered(parent, name, coupling, loading)
            rows.append(row | {((parent, name, coupling, 0), "strength"): loading})
        edge = Edge(parent, name, coupling, strength=rows[0][((parent, name, coupling, 0), "strength")])
        yield Move("join", name, (AddEdge(edge),), tuple(rows))

    def _rewire(self, edge: Edge, rival: str) -> Iterator[Move]:
        edits, _ = (
            self._without(edge)
            if len(self.graph.topology.children(edge.source)) > 1
            else ((RemoveNode(edge.source), *(RemoveNode(one) for one in self.graph.orphans(edge.source))), None)
        )
        rows: list[dict[Knob, float]] = []
        for loading in (_LOADING, -_LOADING):
            strength = self.graph.loading(rival, edge.target, edge.coupling, loading)
            rows.append({((rival, edge.target, edge.coupling, 0), "strength"): strength})
        added = AddEdge(Edge(rival, edge.target, edge.coupling, strength=next(iter(rows[0].values()))))
        yield Move("rewire", edge.target, (*edits, added), tuple(rows))

    def _merge(self, one: str, other: str) -> Iterator[Move]:
        """Two parents of the same sort become one: the first keeps its children and takes the other's."""
        ratio = math.exp(0.5 * (self.graph.variance(other) - self.graph.variance(one)))
        edges = self.graph.topology.children(other)
        rows: list[dict[Knob, float]] = [
            {
                ((one, edge.target, edge.coupling, 0), "strength"): held_off(sign * ratio * edge.strength)
                for edge in edges
            }
            for sign in (1.0, -1.0)
        ]
        added = [
            AddEdge(replace(edge, source=one, strength=rows[0][((one, edge.target, edge.coupling, 0), "strength")]))
            for edge in edges
        ]
        yield Move("merge", edges[0].target, (RemoveNode(other), *added), tuple(rows))

    def _one_state(self, one: str, other: str) -> Iterator[Move]:
        """Two states become one behind the inputs of both; a drift that they share stays with it or goes, too."""
        graph = self.graph
        own, theirs = graph.topology.children(one), graph.topology.children(other)
        if {edge.target for edge in own} & {edge.target for edge in theirs}:
            return
        if graph.above(one, other) or graph.above(other, one):
            return
        above = {name: {edge.source for edge in graph.parents(name, "value")} for name in (one, other)}
        if above[one] and above[other] and above[one] != above[other]:
            return
        if (above[other] and not above[one]) or (
            graph.parents(other, "volatility") and not graph.parents(one, "volatility")
        ):
            one, other, theirs = other, one, own
        ratio = math.exp(0.5 * (graph.log_step(other) - graph.log_step(one)))
        keys = [(one, edge.target, "value", 0) for edge in theirs]
        rows: list[dict[Knob, float]] = []
        sizes = (1.0, -1.0, 0.5, -0.5)
        guesses = [[size * ratio * edge.strength for edge in theirs] for size in sizes]
        if all(edge.target in graph.inputs for edge in theirs):
            guesses += [list(each) for each in zip(*(self._seen(own, edge.target) for edge in theirs), strict=True)]
        for guess in guesses:
            loadings = [held_off(each) for each in guess]
            row: dict[Knob, float] = {(key, "strength"): own for key, own in zip(keys, loadings, strict=True)}
            rows += [row, row | self._noisier(theirs, math.exp(graph.log_step(other)))]
        added = [
            AddEdge(replace(edge, source=one, strength=rows[0][(key, "strength")]))
            for key, edge in zip(keys, theirs, strict=True)
        ]
        shared = [edge for edge in graph.topology.parents(other) if len(graph.topology.children(edge.source)) > 1]
        freed = [edit for edge in shared for edit in self._without(edge)[0]]
        gone = [RemoveNode(name) for name in (other, *graph.orphans(other))]
        yield Move("one state", theirs[0].target, (*freed, *gone, *added), tuple(rows))
        for edge in shared:
            rest = [each for each in graph.topology.children(edge.source) if each.target != other]
            if edge.coupling == "value" and [each.target for each in rest] == [one]:
                drift = [RemoveNode(name) for name in (edge.source, *graph.orphans(edge.source))]
                raised = tuple(row | graph.raised(rest[0]) for row in rows)
                yield Move("one state", theirs[0].target, (*drift, *gone, *added), raised)

    def _seen(self, edges: Sequence[Edge], column: str) -> list[float]:
        """Loadings of a column on a state that others see, as the series themselves have them: walks that are one and
        the same tell their ratio very exactly, and a loading that is a little wrong looks hopeless."""
        first = next(edge for edge in edges if edge.target in self.graph.inputs)
        return [first.strength * slope for slope in self.slopes[first.target, column]]

    def _noisier(self, edges: Sequence[Edge], variance: float) -> dict[Knob, float]:
        """More noise for inputs that get another state: a loading that is not quite right yet must not look absurd."""
        own = {edge.target: self.graph.parameters[edge.target].get("precision") for edge in edges}
        return {(name, "precision"): 1.0 / (1.0 / old + variance) for name, old in own.items() if old is not None}

    def _see(self, one: str, other: str) -> Iterator[Move]:
        """An input sees the state of another beside its own."""
        for state, rival in ((one, other), (other, one)):
            for edge in self.graph.topology.children(rival):
                if edge.target not in self.graph.inputs or len(self.graph.parents(edge.target, "value")) > 1:
                    continue
                if self.graph.topology.has_edge((state, edge.target, "value", 0)):
                    continue
                key = (state, edge.target, "value", 0)
                ratio = math.exp(0.5 * (self.graph.log_step(rival) - self.graph.log_step(state)))
                rows: list[dict[Knob, float]] = [
                    {(key, "strength"): held_off(sign * 0.5 * ratio)} for sign in (1.0, -1.0)
                ]
                yield Move(
                    "see",
                    edge.target,
                    (AddEdge(Edge(state, edge.target, "value", strength=rows[0][(key, "strength")])),),
                    tuple(rows),
                )


def _autoregressive(name: str, variance: float, decay: float) -> dict[Knob, float]:
    """An AR(1) node of a stationary variance."""
    return {(name, "tonic_volatility"): math.log(variance * (1.0 - decay**2)), (name, "autoconnection"): decay}


def _signs(children: int) -> list[tuple[float, ...]]:
    """Loadings at which a new parent is tried: the first sets the scale."""
    return (
        [(1.0,)] if children == 1 else [(1.0, *(sign * _LOADING for _ in range(children - 1))) for sign in (1.0, -1.0)]
    )


def _built(
    what: str,
    target: str,
    name: str,
    coupling: str,
    children: Sequence[str],
    rows: Sequence[dict[Knob, float]],
    deep: bool = False,
) -> Move:
    """A new continuous node over children."""
    first = rows[0]
    own = {parameter: value for (place, parameter), value in first.items() if place == name}
    edges = [
        AddEdge(Edge(name, child, coupling, strength=first[((name, child, coupling, 0), "strength")]))
        for child in children
    ]
    return Move(what, target, (AddNode(name, "continuous", own), *edges), tuple(rows), deep)
