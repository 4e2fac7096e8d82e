"""One epoch's search over the edits of a belief network: what fits, at which numbers, at what price.

What is asked for is in `residual.py`; the moves themselves are in `moves.py`. A search works on the components of the
network's graph, and remembers what it refused for as long as the components that an edit would touch stay as they are.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from sostruct.errors import ConfigError, GraphError
from sostruct.graph import apply
from sostruct.growth.base import State
from sostruct.growth.marks import digest, shape, signature
from sostruct.growth.moves import Move, Moves
from sostruct.growth.region import Region, at_values, has, made, near, settings
from sostruct.networks.base import AbstractNetwork, Candidate
from sostruct.networks.hgf.components import Component, components, part
from sostruct.networks.hgf.fitting import Fit, Problem, fit, free_knobs, starts, value_of
from sostruct.networks.hgf.network import HGF
from sostruct.networks.hgf.plausible import Plausible, complexity
from sostruct.networks.hgf.workbench import Knob, Trial, Workbench, believed, unsuitable
from sostruct.surprise import Signals

_BACK = {
    "prune": ("volatility", "noise volatility", "drift", "second state", "shared volatility", "shared drift"),
    "detach": ("join", "see"),
    "random walk": ("autoconnection",),
    "no tonic drift": ("tonic drift",),
}
"""Moves that take away, and those that would bring back what they take, which paid for being chosen among many."""


SHARED = frozenset({"one state", "shared drift", "shared volatility"})
"""Ways to tie two components, of which the best of each is always fitted: roughly priced, one passes for another."""


_INVALID = -1e6
"""Stands for the log evidence of a component in which a belief is invalid at some step, so that whatever is valid has a
finite price beside it, however bad."""


@final
@dataclass(frozen=True)
class Effort:
    """How far a search goes, and what it asks for; see `Residual`, whose settings these are."""

    pairs: int = 24
    refined: int = 4
    slack: float = 30.0
    margin: float = 20.0
    tolerance: float = 0.2


def belief_network(network: AbstractNetwork) -> HGF:
    """The network, where its components can be priced.

    Raises:
        ConfigError: they cannot.
    """
    why = unsuitable(network) if isinstance(network, HGF) else "it is no belief network"
    if not isinstance(network, HGF) or why is not None:
        raise ConfigError(
            f"Cannot search the structure of this network. This is because {why}. Try a belief network with "
            "mean_field=True and linear couplings, or another growth rule."
        )
    return network


def checked_sorts(setting: str, sorts: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """Sorts of moves as a setting names them.

    Raises:
        ConfigError: there is none, or one is not known.
    """
    unknown = sorted(set(sorts) - set(known))
    if unknown or not sorts:
        raise ConfigError(
            f"Cannot use {setting}={unknown or list(sorts)}. This is because the moves are {', '.join(known)}. Try "
            "some of them."
        )
    return tuple(sorts)


@final
class Search:
    """One epoch's candidates.

    Args:
        effort: how far to go.
        moves: which sorts of edits to consider.
        network: the network.
        signals: the errors that order pairs of nodes.
        bench: filters variants of the network's components.
        state: as `remembered` returned it after the epoch before, or `nothing()`.
    """

    def __init__(
        self,
        effort: Effort,
        moves: Sequence[str],
        network: HGF,
        signals: Signals,
        bench: Workbench,
        state: State,
    ) -> None:
        self.effort, self.sorts, self.network, self.signals, self.bench = effort, moves, network, signals, bench
        self.parts = bench.components(network.topology)
        self.owner = {name: number for number, one in enumerate(self.parts) for name in one.nodes}
        self.mark = [signature(one.topology, bench.mark) for one in self.parts]
        self.fitted = set(state["fitted"])
        self.known: dict[str, int] = dict(state["known"])
        self.refused: dict[str, float] = dict(state["refused"])
        self.asked: dict[str, float] = {}
        self.log_steps = math.log(max(bench.steps, 2))
        self.looks = math.log(bench.looks)
        self.best: dict[str, float] = {}

    @staticmethod
    def nothing() -> State:
        """What is remembered at first."""
        return {"fitted": [], "known": {}, "refused": {}}

    def remembered(self) -> State:
        """What holds as long as components stay as they are."""
        shapes = {shape(one.topology): mark for one, mark in zip(self.parts, self.mark, strict=True)}
        known = {own: self.known.get(own, 0) + 1 for own in shapes if own in self.known or shapes[own] in self.fitted}
        return {
            "fitted": sorted(self.fitted),
            "known": dict(sorted(known.items())),
            "refused": dict(sorted(self.asked.items())),
        }

    def age(self, move: Move) -> int:
        """For how many looks the components that a move touches have been known, since their numbers were fitted for
        the first time; 0 where they were not yet."""
        return min(self.known.get(shape(self.parts[number].topology), 0) for number in self._touched(move))

    def parameters(self) -> list[Candidate]:
        """Better parameters, one bundle per component; components without are fitted from now on."""
        if "parameters" not in self.sorts:
            self.fitted = set(self.mark)
            return []
        waiting = [number for number, mark in enumerate(self.mark) if mark not in self.fitted]
        found: list[Candidate] = []
        now = self.bench.evidence([self.parts[number] for number in waiting])
        fits = self._best([(self.parts[number], free_knobs(self.parts[number]), {}) for number in waiting])
        self.fitted &= set(self.mark)
        for number, before, (values, after_fit) in zip(waiting, now, fits, strict=True):
            own = self.parts[number]
            gain = after_fit - (before if math.isfinite(before) else _INVALID)
            cost = self._toll(len(free_knobs(own)))
            self.best[self.mark[number]] = max(float(before), after_fit)
            if not gain > cost:
                self.fitted.add(self.mark[number])
                continue
            edits = settings(own, values)
            self.fitted.add(signature(apply(own.topology, edits), self.bench.mark))
            found.append(Candidate(own.inputs[0], edits, gain, own.nodes))
        return found

    def _toll(self, knobs: int) -> float:
        """Nats that new parameters must win by: hardly any over one data set; more than chance where data keep
        coming."""
        return max(self.effort.tolerance, float(knobs)) if self.bench.running else self.effort.tolerance

    def _evidence(self, own: Component) -> float:
        """Log evidence of a component of the graph, its parameters at their best where they were fitted."""
        found = float(self.bench.evidence([own])[0])
        mark = self.mark[self.owner[next(iter(own.nodes))]]
        return max(found, self.best.get(mark, found)) if math.isfinite(found) else found

    def structure(self) -> list[Candidate]:
        """Edits worth their price, and the best of those that are not."""
        ready = {number for number, mark in enumerate(self.mark) if mark in self.fitted}
        moves = list(self.moves())
        rivals = Counter(move.name for move in moves)
        regions: list[tuple[str, Region]] = []
        for move in moves:
            touched = self._touched(move)
            if not touched or not ready.issuperset(touched):
                continue
            mark = digest(move.name, *sorted(move.named), *(self.mark[number] for number in touched))
            if mark in self.refused:
                self.asked[mark] = self.refused[mark]
                continue
            region = self.region(move)
            if region is not None:
                regions.append((mark, region))
        self.roughly([region for _, region in regions])
        return self._refined(regions, rivals)

    def drawn(self, generator: np.random.Generator) -> Candidate | None:
        """An addition of a random sort at a random place, its neighbourhood fitted; None where there is none."""
        moves: dict[str, list[Move]] = {}
        for move in self._every_move():
            if move.name in self.sorts:
                moves.setdefault(move.name, []).append(move)
        for name in generator.permutation(sorted(moves)).tolist():
            for place in generator.permutation(len(moves[name])).tolist():
                found = self.tried(moves[name][place], math.log(len(moves[name]) * len(moves)))
                if found is not None:
                    return found
        return None

    def tried(self, move: Move, choice: float = 0.0) -> Candidate | None:
        """A move with its neighbourhood fitted; None where it does not fit the graph or the data. `choice` is what it
        pays, nats, for being one of many."""
        region = self.region(move)
        if region is None:
            return None
        self.roughly([region])
        self._fit([region])
        return self.candidate(region, self._price(region, choice)) if math.isfinite(region.gain) else None

    def _every_move(self) -> Iterator[Move]:
        moves = self._anatomy()
        yield from moves.single()
        for tie in moves.pairs():
            yield from tie.moves()

    def moves(self) -> Iterator[Move]:
        """Moves of single nodes, and of those pairs whose errors are most alike, of the sorts that are asked for."""
        moves = self._anatomy()
        yield from (move for move in moves.single() if move.name in self.sorts)
        errors = self.signals.errors
        if errors is None:
            return
        place = {name: number for number, name in enumerate(self.network.nodes)}
        alike = {"value": np.abs(errors.value_correlation), "volatility": np.abs(errors.volatility_correlation)}
        ties = sorted(moves.pairs(), key=lambda tie: -float(alike[tie.coupling][place[tie.one], place[tie.other]]))
        sorts: Counter[str] = Counter()
        for tie in ties:
            for move in tie.moves():
                if move.name in self.sorts and sorts[move.name] < self.effort.pairs:
                    sorts[move.name] += 1
                    yield move

    def _anatomy(self) -> Moves:
        steps = np.diff(self.bench.inputs, axis=0).T
        scale = {name: _variance(own[~np.isnan(own)]) for name, own in zip(self.network.inputs, steps, strict=True)}
        return Moves(self.network.topology, self.network.inputs, scale, self._slopes(), self._levels())

    def _levels(self) -> dict[str, tuple[float, ...]]:
        """Where a stream's beliefs began, and over the whole of what is remembered also where they are; a pass over one
        data set begins where it is expected."""
        if not self.bench.running:
            return {}
        then, now = self.bench.believed, believed(self.network)
        moments = (then,) if self.bench.recent else (then, now)
        return {name: tuple(one[name]["mean"] for one in moments) for name in now if name in then}

    def _slopes(self) -> dict[tuple[str, str], tuple[float, ...]]:
        """Of every series on every other, in levels and over ten steps."""
        levels = self.bench.inputs
        found = []
        for series in (levels, levels[10:] - levels[:-10]):
            seen = np.nan_to_num(series)
            power = np.maximum(np.sum(seen**2, 0), 1e-12)
            found.append(seen.T @ seen / power[:, None])
        names = list(enumerate(self.network.inputs))
        return {(on, of): tuple(float(one[row, column]) for one in found) for row, on in names for column, of in names}

    def _touched(self, move: Move) -> list[int]:
        """Numbers of the components that a move touches."""
        return sorted({self.owner[name] for name in move.named if name in self.owner})

    def region(self, move: Move) -> Region | None:
        """The move's surroundings, or None where it does not fit the graph."""
        before = [self.parts[number] for number in self._touched(move)]
        topology = before[0].topology
        if len(before) > 1:
            topology = part(self.network.topology, [name for one in before for name in one.nodes])
        inputs = [name for name in self.network.inputs if name in topology]
        try:
            after = components(apply(topology, move.edits), inputs)
        except GraphError:
            return None
        return Region(before, after, move)

    def roughly(self, regions: Sequence[Region], *, mixed: bool = False) -> None:
        """Gains at the best starting values of the moves, or those of the mixture of all, with equal weights."""
        trials, owners = [], []
        for region in regions:
            grid = self._grid(region.move) if mixed else region.move.grid
            for own in region.after:
                knobs = tuple(dict.fromkeys(knob for row in grid for knob in row if has(own, knob)))
                rows = [[row[knob] if knob in row else value_of(own, knob) for knob in knobs] for row in grid]
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
            if mixed and math.isfinite(nats):
                nats += math.log(float(np.mean(np.exp(np.where(np.isfinite(found), found, -np.inf) - nats))))
            gains[id(region)] = gains.get(id(region), -base[id(region)]) + nats
            region.values |= dict(zip(trial.knobs, trial.values[best].tolist(), strict=True))
        for region in regions:
            region.gain = gains[id(region)]

    def _grid(self, move: Move) -> tuple[dict[Knob, float], ...]:
        """Starting values of a move; where it adds nodes also with the numbers of those that are there left alone: they
        have not had to make up for what was missing, if it is new."""
        if self.owner.keys() >= move.named:
            return move.grid
        alone = [{knob: value for knob, value in row.items() if not self._there(knob)} for row in move.grid]
        return (*move.grid, *(row for row in alone if row not in move.grid))

    def _there(self, knob: Knob) -> bool:
        place = knob[0]
        return place in self.owner if isinstance(place, str) else self.network.topology.has_edge(place)

    def _refined(self, regions: Sequence[tuple[str, Region]], rivals: Mapping[str, int]) -> list[Candidate]:
        """The best candidates of every component with their neighbourhoods fitted, until one is worth its price."""

        def price(region: Region) -> float:
            return self._price(region, _choice(region.move.name, rivals, self.bench.running))

        waiting = sorted(regions, key=lambda entry: -price(entry[1]))
        done: list[tuple[str, Region]] = []
        if self.effort.refined == 0:
            done, waiting = waiting, []
        settled: set[int] = set()
        while waiting:
            chosen, left, load = [], [], Counter[int]()
            tied: set[tuple[str, int]] = set()
            for mark, region in waiting:
                touched = {self.owner[next(iter(one.nodes))] for one in region.before}
                if touched & settled:
                    continue
                if price(region) < -self.effort.slack:
                    done.append((mark, region))
                elif any(load[number] >= self.effort.refined for number in touched) and (
                    region.move.name not in SHARED or any((region.move.name, number) in tied for number in touched)
                ):
                    left.append((mark, region))
                else:
                    tied |= {(region.move.name, number) for number in touched}
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
            if nats > 0.0 or nats > -self.effort.slack:
                candidates.append(self.candidate(region, nats))
            if nats <= 0.0:
                self.asked[mark] = max(nats, -1e9)
        return candidates

    def _price(self, region: Region, choice: float) -> float:
        """What a move is worth with its numbers as they are, less what it costs; `choice` for being one of many."""
        numbers = 0.5 * self.log_steps * region.added if region.cost is None else region.cost
        deep = self.effort.margin if region.move.deep else 0.0
        return region.gain - numbers - choice - self.looks - deep

    def candidate(self, region: Region, nats: float) -> Candidate:
        """The move with its numbers as they are."""
        return Candidate(region.move.target, made(region), nats, region.names)

    def _fit(self, regions: Sequence[Region]) -> None:
        """Fits the numbers of nodes near each move, from the best starting values."""
        wanted, owners = [], []
        for region in regions:
            for own in region.after:
                knobs = near(own, region.move)
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
        if not self.bench.running:
            self._weigh(regions)

    def _weigh(self, regions: Sequence[Region]) -> None:
        """What the free numbers of regions cost more, or less, than those that are there now."""
        settled = [at_values(own, region.values) for region in regions for own in region.after]
        before = [own for region in regions for own in region.before]
        costs = iter(complexity(self.bench, [*settled, *dict.fromkeys(before)]))
        after = [math.fsum(next(costs) for _ in region.after) for region in regions]
        now = dict(zip(dict.fromkeys(before), costs, strict=True))
        for region, cost in zip(regions, after, strict=True):
            region.cost = cost - math.fsum(now[own] for own in region.before)

    def _best(
        self, wanted: Sequence[tuple[Component, tuple[Knob, ...], Mapping[Knob, float]]]
    ) -> list[tuple[dict[Knob, float], float]]:
        """Fitted numbers of components and the log evidence with them, from every start there is."""
        problems, owners = [], []
        for number, (own, knobs, values) in enumerate(wanted):
            drawn, prior = self.bench.sketch(own), Plausible(own, knobs)
            for start in starts(own, knobs, values):
                problems.append(Problem(drawn, knobs, start, prior))
                owners.append(number)
        best: dict[int, Fit] = {}
        for number, found in zip(owners, fit(self.bench, problems), strict=True):
            if number not in best or found.posterior > best[number].posterior:
                best[number] = found
        return [
            (dict(zip(knobs, best[number].values.tolist(), strict=True)), best[number].evidence)
            for number, (_, knobs, _) in enumerate(wanted)
        ]


def _choice(name: str, rivals: Mapping[str, int], running: bool) -> float:
    """Nats for being one of many: the best of them is the best by chance, too. What is taken away gives them back, but
    on a stream, where a quiet spell must not take away what the next rows bring back."""
    if name in _BACK:
        return 0.0 if running else -math.log((max(rivals.get(other, 0) for other in _BACK[name]) + 1) * len(rivals))
    return math.log(rivals[name] * len(rivals))


def _variance(steps: NDArray[np.float64]) -> float:
    """Variance of the steps of a series; 1 where none was seen."""
    return max(float(np.var(steps)), 1e-12) if steps.size else 1.0
