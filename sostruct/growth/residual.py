"""Surprise-driven growth of belief networks: errors name the edits, evidence prices them.

A network that misses structure makes errors with a pattern: volatility errors D that do not average 0 or follow each
other call for a volatility parent, autocorrelated value errors d for a drift, errors of two nodes that go together for
a parent they share. Patterns only order the candidates. What counts is the gain in the joint evidence of the components
that an edit touches, with the parameters of its neighbourhood fitted, less what it costs:

    price = log p(data | after, fitted) - log p(data | before, fitted) - 1/2 ln T (free parameters added) - ln K

with T steps (Schwarz 1978) and K the number of candidates of the same sort: the best of K is the best by chance, too.
A mis-set tonic volatility looks like a missing parent, so parameters come first: no structure is priced on a component
whose parameters are not at their best.

On a stream, every chunk is another look, and the best of L looks costs ln L. Where only the recent part of a stream
asks for an edit, the graph as it stands has its parameters from the past for nothing, and the graph after the edit pays
for the past that is forgotten and gets nothing back for parameters that go.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import PRNGKeyArray

from sostruct.errors import ConfigError, GraphError
from sostruct.graph import AbstractEdit, AddEdge, AddNode, SetParameters, apply
from sostruct.growth.base import Evaluate, State
from sostruct.growth.moves import Move, Moves
from sostruct.growth.score import AbstractScorer
from sostruct.networks.base import AbstractNetwork, Candidate
from sostruct.networks.hgf.components import Component, components, part
from sostruct.networks.hgf.fitting import Problem, fit, free_knobs, starts, value_of
from sostruct.networks.hgf.network import HGF
from sostruct.networks.hgf.workbench import Knob, Trial, Workbench
from sostruct.surprise import Signals

MOVES = (
    "parameters",
    "volatility",
    "noise volatility",
    "drift",
    "state",
    "second state",
    "shared volatility",
    "shared drift",
    "one state",
    "see",
    "join",
    "merge",
    "rewire",
    "split",
    "detach",
    "prune",
    "autoconnection",
    "random walk",
    "tonic drift",
    "no tonic drift",
)
"""Every sort of edit that is considered; see `growth.moves`."""


@final
@dataclass(frozen=True)
class Residual(AbstractScorer):
    """Candidates by the patterns of a belief network's errors, priced by fitted counterfactuals.

    Args:
        moves: which sorts of edits to consider.
        pairs: how many pairs of nodes are tried per sort of tie, those with the most alike errors first.
        refined: how many candidates per component have their parameters fitted at a time.
        slack: nats by which a candidate may miss its price at its starting values and still be fitted.
        margin: nats that a volatility parent of anything but an input or its state must win by on top.
        tolerance: nats that new parameters must win by.
        regime: nats on top for whatever only the recent part of a stream asks for: it was chosen among several parts,
            and the past is forgotten for it.

    Raises:
        ConfigError: a setting is not one there is.
    """

    moves: Sequence[str] = MOVES
    pairs: int = 24
    refined: int = 4
    slack: float = 30.0
    margin: float = 20.0
    tolerance: float = 0.2
    regime: float = 5.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "moves", tuple(self.moves))
        unknown = sorted(set(self.moves) - set(MOVES))
        if unknown or not self.moves:
            raise ConfigError(
                f"Cannot score the moves {unknown or list(self.moves)}. This is because the moves are "
                f"{', '.join(MOVES)}. Try some of them."
            )
        for name in ("pairs", "refined"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"Cannot score with {name}={getattr(self, name)}. This is because it is a count. Try 1 or more."
                )

    def init(self) -> State:
        """Nothing is fitted, nothing refused."""
        return {"fitted": [], "refused": {}}

    def score(
        self, network: AbstractNetwork, signals: Signals, state: State, *, evaluate: Evaluate, key: PRNGKeyArray
    ) -> tuple[Sequence[Candidate], State]:
        """Better parameters for components that have none of the best, and edits of the others.

        Raises:
            ConfigError: the network is no belief network, or one that cannot be priced by components.
        """
        if not isinstance(network, HGF):
            raise ConfigError(
                "Cannot score by residuals. This is because the network is no belief network. Try scorer=evidence."
            )
        search = _Search(self, network, signals, evaluate.bench, state)
        found = [*search.parameters(), *search.structure()]
        return sorted(found, key=lambda one: -one.nats), search.remembered()


class _Region:
    """The components that a move touches, before and after it."""

    def __init__(self, before: Sequence[Component], after: Sequence[Component], move: Move) -> None:
        self.before, self.after, self.move = tuple(before), tuple(after), move
        self.values: dict[Knob, float] = {}
        self.gain = -math.inf
        self.added = sum(len(free_knobs(one)) for one in after) - sum(len(free_knobs(one)) for one in before)


class _Search:
    """One epoch's candidates."""

    def __init__(self, rule: Residual, network: HGF, signals: Signals, bench: Workbench, state: State) -> None:
        self.rule, self.network, self.signals, self.bench = rule, network, signals, bench
        self.parts = bench.components(network.topology)
        self.owner = {name: number for number, one in enumerate(self.parts) for name in one.nodes}
        self.mark = [_signature(one, bench.mark) for one in self.parts]
        self.fitted = set(state["fitted"])
        self.refused: dict[str, float] = dict(state["refused"])
        self.asked: dict[str, float] = {}
        self.log_steps = math.log(max(bench.steps, 2))
        self.looks = math.log(bench.looks)
        self.best: dict[str, float] = {}

    def remembered(self) -> State:
        """What holds as long as components stay as they are."""
        return {"fitted": sorted(self.fitted), "refused": dict(sorted(self.asked.items()))}

    def parameters(self) -> list[Candidate]:
        """Better parameters, one bundle per component; components without are fitted from now on."""
        if "parameters" not in self.rule.moves:
            self.fitted = set(self.mark)
            return []
        waiting = [number for number, mark in enumerate(self.mark) if mark not in self.fitted]
        found: list[Candidate] = []
        now = self.bench.evidence([self.parts[number] for number in waiting])
        fits = self._best([(self.parts[number], free_knobs(self.parts[number]), {}) for number in waiting])
        self.fitted &= set(self.mark)
        for number, before, (values, after_fit) in zip(waiting, now, fits, strict=True):
            own = self.parts[number]
            gain = after_fit - (before if math.isfinite(before) else -1e6)
            cost = self._toll(len(free_knobs(own)))
            if not self.bench.recent:
                self.best[self.mark[number]] = max(float(before), after_fit)
            if not gain > cost:
                self.fitted.add(self.mark[number])
                continue
            edits = _settings(own, values)
            after = Component(apply(own.topology, edits), own.inputs)
            self.fitted.add(_signature(after, self.bench.mark))
            found.append(Candidate(own.inputs[0], edits, gain - cost if self.bench.recent else gain, own.nodes))
        return found

    def _toll(self, knobs: int) -> float:
        """Nats that new parameters must win by: hardly any over one data set; more than chance where data keep coming;
        what another regime costs where only the recent past asks for them."""
        if self.bench.recent:
            return 0.5 * knobs * self.log_steps + self.rule.regime + self.looks
        return max(self.rule.tolerance, float(knobs)) if self.bench.running else self.rule.tolerance

    def _evidence(self, own: Component) -> float:
        """Log evidence of a component of the graph, its parameters at their best where they were fitted."""
        found = float(self.bench.evidence([own])[0])
        mark = self.mark[self.owner[next(iter(own.nodes))]]
        return max(found, self.best.get(mark, found)) if math.isfinite(found) else found

    def structure(self) -> list[Candidate]:
        """Edits worth their price, and the best of those that are not."""
        ready = {number for number, mark in enumerate(self.mark) if self.bench.recent or mark in self.fitted}
        moves = [move for move in self._moves() if move.name in self.rule.moves]
        rivals = Counter(move.name for move in moves)
        regions: list[tuple[str, _Region]] = []
        for move in moves:
            touched = sorted({self.owner[name] for name in move.named if name in self.owner})
            if not touched or not ready.issuperset(touched):
                continue
            mark = _digest(move.name, *sorted(move.named), *(self.mark[number] for number in touched))
            if mark in self.refused:
                self.asked[mark] = self.refused[mark]
                continue
            region = self._region([self.parts[number] for number in touched], move)
            if region is not None and self.bench.recent:
                region.added = max(region.added, 0)
            if region is not None:
                regions.append((mark, region))
        self._roughly([region for _, region in regions])
        return self._refined(regions, rivals)

    def _moves(self) -> Iterator[Move]:
        """Moves of single nodes, and of those pairs whose errors are most alike."""
        steps = np.nanvar(np.diff(self.bench.inputs, axis=0), axis=0)
        scale = {name: float(max(step, 1e-12)) for name, step in zip(self.network.inputs, steps, strict=True)}
        moves = Moves(self.network.topology, self.network.inputs, scale)
        yield from moves.single()
        errors = self.signals.errors
        if errors is None:
            return
        place = {name: number for number, name in enumerate(self.network.nodes)}
        alike = {"value": np.abs(errors.value_correlation), "volatility": np.abs(errors.volatility_correlation)}
        ties = sorted(moves.pairs(), key=lambda tie: -float(alike[tie.coupling][place[tie.one], place[tie.other]]))
        sorts: Counter[str] = Counter()
        for tie in ties:
            for move in tie.moves():
                if sorts[move.name] < self.rule.pairs:
                    sorts[move.name] += 1
                    yield move

    def _region(self, before: Sequence[Component], move: Move) -> _Region | None:
        """The move's surroundings, or None where it does not fit the graph."""
        topology = before[0].topology
        if len(before) > 1:
            topology = part(self.network.topology, [name for one in before for name in one.nodes])
        inputs = [name for name in self.network.inputs if name in topology]
        try:
            after = components(apply(topology, move.edits), inputs)
        except GraphError:
            return None
        return _Region(before, after, move)

    def _roughly(self, regions: Sequence[_Region]) -> None:
        """Gains at the starting values of the moves."""
        trials, owners = [], []
        for region in regions:
            for own in region.after:
                knobs = tuple(dict.fromkeys(knob for row in region.move.grid for knob in row if _has(own, knob)))
                rows = [
                    [row[knob] if knob in row else value_of(own, knob) for knob in knobs] for row in region.move.grid
                ]
                values = (
                    np.unique(np.array(rows, np.float64).reshape(len(rows), len(knobs)), axis=0)
                    if knobs
                    else np.zeros((1, 0))
                )
                trials.append(Trial(self.bench.sketch(own), knobs, values))
                owners.append(region)
        base = {id(region): math.fsum(self._evidence(one) for one in region.before) for region in regions}
        gains: dict[int, float] = {}
        for region, trial, found in zip(owners, trials, self.bench.filter(trials), strict=True):
            best = int(np.argmax(np.where(np.isfinite(found), found, -np.inf)))
            nats = float(found[best]) if math.isfinite(found[best]) else -math.inf
            gains[id(region)] = gains.get(id(region), -base[id(region)]) + nats
            region.values |= dict(zip(trial.knobs, trial.values[best].tolist(), strict=True))
        for region in regions:
            region.gain = gains[id(region)]

    def _refined(self, regions: Sequence[tuple[str, _Region]], rivals: Mapping[str, int]) -> list[Candidate]:
        """The best candidates of every component with their neighbourhoods fitted, until one is worth its price."""

        def price(region: _Region) -> float:
            own = region.move
            cost = 0.5 * self.log_steps * region.added + math.log(rivals[own.name]) + self.looks
            cost += self.rule.regime if self.bench.recent else 0.0
            return region.gain - cost - (self.rule.margin if own.deep else 0.0)

        waiting = sorted(regions, key=lambda entry: -price(entry[1]))
        done: list[tuple[str, _Region]] = []
        settled: set[int] = set()
        while waiting:
            chosen, left, load = [], [], Counter[int]()
            for mark, region in waiting:
                touched = {self.owner[next(iter(one.nodes))] for one in region.before}
                if touched & settled:
                    continue
                if price(region) < -self.rule.slack:
                    done.append((mark, region))
                elif any(load[number] >= self.rule.refined for number in touched):
                    left.append((mark, region))
                else:
                    load.update(touched)
                    chosen.append((mark, region))
            self._fit([region for _, region in chosen])
            for _, region in chosen:
                if price(region) > 0.0:
                    settled |= {self.owner[next(iter(one.nodes))] for one in region.before}
            done += chosen
            waiting = left
        candidates = []
        for mark, region in done:
            nats = price(region)
            if nats > 0.0 or nats > -self.rule.slack:
                touches = frozenset().union(*(one.nodes for one in (*region.before, *region.after)))
                edits = _made(region)
                candidates.append(Candidate(region.move.target, edits, nats, touches))
            if nats <= 0.0:
                self.asked[mark] = max(nats, -1e9)
        return candidates

    def _fit(self, regions: Sequence[_Region]) -> None:
        """Fits the numbers of nodes near each move, from the best starting values."""
        wanted, owners = [], []
        for region in regions:
            for own in region.after:
                knobs = _near(own, region.move)
                if knobs:
                    wanted.append((own, knobs, region.values))
                    owners.append((id(region), id(own)))
        fits = dict(zip(owners, self._best(wanted), strict=True))
        for region in regions:
            gain = -math.fsum(self._evidence(one) for one in region.before)
            for own in region.after:
                if (id(region), id(own)) in fits:
                    values, evidence = fits[id(region), id(own)]
                    gain += evidence
                    region.values |= values
                else:
                    gain += float(self.bench.evidence([own])[0])
            region.gain = gain if math.isfinite(gain) else -math.inf

    def _best(
        self, wanted: Sequence[tuple[Component, tuple[Knob, ...], Mapping[Knob, float]]]
    ) -> list[tuple[dict[Knob, float], float]]:
        """Fitted numbers of components and the log evidence with them, from every start there is."""
        problems, owners = [], []
        for number, (own, knobs, values) in enumerate(wanted):
            drawn = self.bench.sketch(own)
            for start in starts(own, knobs, values):
                problems.append(Problem(drawn, knobs, start))
                owners.append(number)
        best: list[tuple[dict[Knob, float], float]] = [({}, -math.inf)] * len(wanted)
        for number, problem, found in zip(owners, problems, fit(self.bench, problems), strict=True):
            if found.evidence > best[number][1]:
                best[number] = (dict(zip(problem.knobs, found.values.tolist(), strict=True)), found.evidence)
        return best


def _near(own: Component, move: Move) -> tuple[Knob, ...]:
    """The knobs of nodes that a move names or tries at other values, of nodes right below them, and between them."""
    names = set(move.named)
    names |= {edge.target for name in move.named if name in own.topology for edge in own.topology.children(name)}
    names |= {place if isinstance(place, str) else place[1] for row in move.grid for place, _ in row}
    return tuple(
        knob
        for knob in free_knobs(own)
        if (knob[0] in names if isinstance(knob[0], str) else knob[0][0] in names and knob[0][1] in names)
    )


def _has(own: Component, knob: Knob) -> bool:
    place = knob[0]
    return place in own.topology if isinstance(place, str) else own.topology.has_edge(place)


def _made(region: _Region) -> tuple[AbstractEdit, ...]:
    """The bundle with its numbers as fitted."""
    values = dict(region.values)
    edits: list[AbstractEdit] = []
    for edit in region.move.edits:
        match edit:
            case AddNode():
                numbers = {name: values.pop((edit.name, name), value) for name, value in edit.parameters}
                edits.append(AddNode(edit.name, edit.kind, _stationary(numbers)))
            case AddEdge():
                edits.append(
                    AddEdge(replace(edit.edge, strength=values.pop((edit.edge.key, "strength"), edit.edge.strength)))
                )
            case _:
                edits.append(edit)
    for own in region.after:
        edits += _settings(own, {knob: value for knob, value in values.items() if _has(own, knob)})
    return tuple(edits)


def _settings(own: Component, values: Mapping[Knob, float]) -> tuple[AbstractEdit, ...]:
    """The edits that set numbers which differ from a component's."""
    places: dict[object, dict[str, float]] = {}
    for (place, name), value in values.items():
        if value != value_of(own, (place, name)):
            places.setdefault(place, {})[name] = value
    return tuple(SetParameters(place, parameters) for place, parameters in places.items())  # type: ignore[arg-type]


def _stationary(parameters: dict[str, float]) -> dict[str, float]:
    """A new node believes at first what it believes without data."""
    decay = parameters["autoconnection"]
    if abs(decay) < 1.0:
        parameters["precision"] = min((1.0 - decay**2) / math.exp(parameters["tonic_volatility"]), 1e10)
        parameters["mean"] = parameters["tonic_drift"] / (1.0 - decay)
    return parameters


def _signature(own: Component, data: str) -> str:
    return _digest(own.topology.to_json(), data)


def _digest(*words: str) -> str:
    return hashlib.blake2b("\0".join(words).encode(), digest_size=8).hexdigest()
