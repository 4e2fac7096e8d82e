"""What a stream does between its compiled blocks: refits, alarms, regimes that end and return, deletion.

Everything here happens at rows that the stream's own content decides, never at the ends of chunks, so the same rows
give the same result however they arrive.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import jax
import numpy as np
from numpy.typing import NDArray

from sostruct.discovery.regimes import Kept, combined, faded, recognized, weighted
from sostruct.networks.lagged.challenger import rebased, unchallenged, withdrawn
from sostruct.networks.lagged.current import Sets, evidence_for_change, refitted, starting_sets
from sostruct.networks.lagged.moments import LaggedData, Moments, standardized
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.networks.lagged.streaming import (
    BLOCK,
    FREEDOMS,
    Model,
    Noise,
    StreamState,
    Thresholds,
    advance,
    beginning,
    blank,
    quiet,
)
from sostruct.numerics import double_precision

GROWTH = 1.4
"""Rows of a regime from refit to refit."""

_SINGLE = math.log(20.0)
"""Nats from which a series is named in an alarm that others raised."""

_CONFIRMED = 5.0
"""Nats of evidence for a change of a mechanism that an alarm needs."""

_SHARES = (0.5, 0.7, 1.0, 1.4, 2.0)
"""Change points that are tried, by rows since then: shares of the time for which a challenger has been ahead."""

Table = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Alarm:
    """A change of the system.

    Attributes:
        row: row of the stream that raised it, from 0.
        nodes: the series whose predictions have become worse, the worst first.
        change: first row of the new regime, as estimated.
        regime: number of the new regime; one that returns is known by its old number later (`Return`).
        reason: "errors": they have become larger than they should be; "parents": other parents or weights, learned
            from the latest rows, predict better.
    """

    row: int
    nodes: tuple[str, ...]
    change: int
    regime: int
    reason: str


@dataclass(frozen=True, slots=True)
class Return:
    """A regime that was there before is back.

    Attributes:
        row: row of the stream by which it was recognized.
        regime: its number.
        instead_of: the number that the alarm gave it.
    """

    row: int
    regime: int
    instead_of: int


@dataclass
class Streamed:
    """A stream of centered rows: its state, its regimes, and its end.

    Attributes:
        network: the bare network: names, prior, ridge.
        max_lag: L.
        half_life: rows after which a row counts half; None for ever.
        tolerated: rows of the stream for one false alarm; None for no alarms.
        remembered: most rows that a new regime takes over.
        keep: whether all rows of the present regime are kept.
        seen: rows of the stream so far.
        blind: row before which rows only fill the window: the first L, and those whose window touches deleted rows.
        number, stretches: of the present regime: its number, and when it was there before.
        start: its first row, this time.
        numbers: how many regimes have begun.
        state, model, sets: compiled state, model of the last refit, and its parent sets.
        fitted: whether there has been a refit in this regime.
        next_fit: row of the regime at which the next is due.
        rows: the last rows of the stream [row, series], centered; the first `room` of them are in use.
        base: row of the stream that they begin with.
        gone: rows of the present regime that have no part in its statistics.
        library: regimes that are over, by number.
        asked: first row by which the present one may turn out to be one of them; None where it is known.
        alarms, returns: all of them.
    """

    network: LaggedNetwork
    max_lag: int
    half_life: float | None
    tolerated: float | None
    remembered: int
    keep: bool
    state: StreamState = field(init=False)
    model: Model = field(init=False)
    sets: Sets = field(init=False)
    rows: Table = field(init=False)
    seen: int = 0
    blind: int = field(init=False)
    number: int = 0
    stretches: tuple[tuple[int, int], ...] = ()
    start: int = field(init=False)
    numbers: int = 1
    fitted: bool = False
    next_fit: int = field(init=False)
    room: int = 0
    base: int = 0
    gone: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    library: dict[int, Kept] = field(default_factory=dict)
    asked: int | None = None
    alarms: list[Alarm] = field(default_factory=list)
    returns: list[Return] = field(default_factory=list)

    def __post_init__(self) -> None:
        series = len(self.network.terms.variables)
        self.sets = starting_sets(self.network.packed)
        self.state = beginning(series, self.max_lag)
        self.model = blank(series, self.max_lag, self.sets.mask.shape[1])
        self.rows = np.zeros((BLOCK, series))
        self.blind = self.start = self.max_lag
        self.next_fit = self.fewest

    @property
    def fewest(self) -> int:
        """Rows that a regime begins with, and before which nothing is fitted: 10 + L, as many as a search needs."""
        return 10 + self.max_lag

    @property
    def oldest(self) -> int:
        """The first row that is kept."""
        if self.keep:
            return self.start - self.max_lag
        return max(self.start, self.seen - max(self.remembered, self.fewest)) - self.max_lag

    @property
    def forgetting(self) -> float:
        """Factor on the weight of every row, per row."""
        return 1.0 if self.half_life is None else float(0.5 ** (1 / self.half_life))

    def moments(self) -> Moments:
        """Of the present regime."""
        first, second = np.array(self.state.first), np.array(self.state.second)
        return Moments(float(self.state.count), first, second, np.zeros(self.rows.shape[1]), self.max_lag)

    def take(self, values: Table) -> None:
        """Rows of the stream [row, series], centered."""
        self._append(values)
        series = values.shape[1]
        limits = Thresholds.of(self.tolerated, series)
        never = Thresholds.of(None, series)
        place, steps = 0, len(values)
        with double_precision():
            while place < steps:
                if self.seen < self.blind:
                    self._pass(values[place])
                    place += 1
                    continue
                end = min(steps - place, BLOCK, self.next_fit - int(self.state.own))
                block = np.zeros((BLOCK, series))
                block[:end] = values[place : place + end]
                state, taken, alarm = advance(
                    self.state,
                    self.model,
                    limits if self.fitted else never,
                    np.asarray(self.forgetting),
                    block,
                    np.asarray(end),
                )
                self.state = state
                place += int(taken)
                self.seen += int(taken)
                if alarm:
                    self._alarm(limits)
                elif int(state.own) >= self.next_fit:
                    self.refit()
                    self._ask()
        self._trim()

    def refit(self) -> None:
        """Searches the parent sets again and solves the regressions on them."""
        own = int(self.state.own)
        self.next_fit = own + max(math.ceil((GROWTH - 1) * own), 1)
        if self.half_life is not None:
            self.next_fit = min(self.next_fit, own + max(int(self.half_life / 4), 1))
        data = self.data(self.moments())
        if data is None:
            return
        before, refit = self.model, refitted(self.network.packed, data, self.sets)
        self.sets, self.model = refit.sets, refit.model
        series, terms = refit.model.weight.shape
        if self.fitted:
            square, best = np.asarray(self.state.noise.square), np.asarray(self.state.noise.score).argmax(axis=0)
            change = np.asarray(before.weight) - np.asarray(refit.model.weight)
            challenger = rebased(self.state.challenger, change, np.sqrt(square[best, np.arange(series)]))
            self.state = replace(self.state, challenger=challenger)
        else:
            shrink = np.array([(freedom - 2) / freedom for freedom in FREEDOMS])
            score = np.asarray(self.state.noise.score) if self.number else np.zeros((len(FREEDOMS), series))
            noise = Noise(shrink[:, None] * refit.variance, score)
            self.state = replace(self.state, noise=noise, challenger=unchallenged(series, terms))
        self.fitted = True

    def delete(self, first: int, last: int) -> None:
        """Takes rows out of the present regime's statistics: all whose lag window touches `first` to `last`."""
        touched = np.arange(max(first, self.start), min(last + self.max_lag + 1, self.seen))
        touched = np.setdiff1d(touched, self.gone)
        left = self.moments()
        for run in _runs(touched):
            left = combined(left, self._part(int(run[0]), int(run[-1]) + 1), -1.0)
        self.gone = np.union1d(self.gone, touched)
        self.blind, self.asked = max(self.blind, last + self.max_lag + 1), None
        self._set(left, max(int(self.state.own) - len(touched), 0), self.state.noise)
        if int(self.state.own) >= self.fewest:
            self.refit()
        else:
            self.fitted, self.next_fit = False, self.fewest

    def between(self, first: int, last: int) -> Table:
        """Kept rows `first` to `last - 1` of the stream, centered."""
        return self.rows[first - self.base : last - self.base]

    def _pass(self, row: Table) -> None:
        """A row that only fills the window."""
        state, forgetting = self.state, self.forgetting
        window = np.concatenate([row, np.asarray(state.window)])[: len(np.asarray(state.window))]
        moments = self.moments()
        self.state = replace(
            state,
            count=np.asarray(moments.count * forgetting),
            first=moments.first * forgetting,
            second=moments.second * forgetting,
            window=window,
        )
        if self.seen >= self.start:
            self.gone = np.union1d(self.gone, [self.seen])
        self.seen += 1

    def _alarm(self, limits: Thresholds) -> None:
        """The present regime ends at the change point, and another begins there."""
        row, state = self.seen - 1, jax.tree.map(np.asarray, self.state)
        single, total = state.single - np.asarray(limits.single), state.total - np.asarray(limits.total)
        rival = state.challenger.evidence - np.asarray(limits.challenger)
        larger = max(single.max(), total.max()) > 0
        if not larger:
            place, series = np.unravel_index(rival.argmax(), rival.shape)
            since = self._confirmed(int(state.challenger.since[place, series]), int(series))
            if since is None:
                self.refit()
                self.state = replace(self.state, challenger=withdrawn(self.state.challenger, int(series)))
                return
        elif total.max() >= single.max():
            since = int(state.total_since[total.argmax()])
        else:
            since = int(state.single_since[np.unravel_index(single.argmax(), single.shape)])
        highest = np.maximum(state.single.max(axis=0), state.challenger.evidence.max(axis=0))
        order = np.argsort(-highest, kind="stable")
        names = self.network.terms.variables
        worst = tuple(names[node] for place, node in enumerate(order) if place == 0 or highest[node] > _SINGLE)
        taken = min(max(min(since, self.remembered), self.fewest), self.seen - self.start)
        change = self.seen - taken
        tail = self._moments_from(change)
        inside = int(np.sum(self.gone < change))
        before, own = combined(self.moments(), tail, -1.0), int(state.own) - (taken - (len(self.gone) - inside))
        if own >= self.fewest:
            stretches = (*self.stretches, (self.start, change))
            before = faded(before, self.forgetting**-taken)
            self.library[self.number] = Kept(self.number, stretches, before, own, state.noise, self.sets)
        self.alarms.append(Alarm(row, worst, change, self.numbers, "errors" if larger else "parents"))
        self.number, self.stretches, self.start = self.numbers, (), change
        self.numbers += 1
        self.gone = self.gone[inside:]
        self.fitted = False
        self.asked = self.seen - min(since, self.remembered)
        self._set(tail, taken - len(self.gone), state.noise)
        self.refit()
        self._ask()

    def _confirmed(self, since: int, series: int) -> int | None:
        """Rows since the change of the mechanism of a series; None if one mechanism explains all rows well enough.

        The model that was challenged had not seen the last rows, and may have been imprecise. So the evidence for two
        mechanisms is weighed against one that is fitted to all rows, for several change points.
        """
        best, found = _CONFIRMED, None
        now, own = self.moments(), int(self.state.own)
        for share in _SHARES:
            rows = min(round(since * share), self.remembered)
            if min(rows, own - rows) < self.fewest:
                continue
            tail = self._moments_from(self.seen - rows)
            nats = self._evidence_for_change(now, combined(now, tail, -1.0), tail)
            if nats is not None and nats[series] > best:
                best, found = float(nats[series]), rows
        return found

    def _ask(self) -> None:
        """Whether the present regime is one that was there before."""
        if self.asked is None:
            return
        if self.seen - self.asked > max(self.remembered, self.fewest):
            self.asked = None
            return
        rows = self.between(self.asked - self.max_lag, self.seen)
        passed = []
        for kept in self.library.values():
            data = self.data(kept.moments)
            if data is not None:
                model = refitted(self.network.packed, data, kept.sets).model
                density = recognized(model, kept.noise, rows, self.max_lag)
                if density is not None and self._same(kept):
                    passed.append((density, kept.number))
        if passed:
            self._return(self.library[max(passed)[1]])

    def _same(self, kept: Kept) -> bool:
        """Whether no series is better explained by one mechanism in a regime that is over and another in this one."""
        now = self.moments()
        both = combined(now, kept.moments, self.forgetting ** (self.seen - self.start))
        nats = self._evidence_for_change(both, kept.moments, now)
        return nats is not None and bool((nats < 0).all())

    def _evidence_for_change(self, whole: Moments, first: Moments, last: Moments) -> Table | None:
        """`evidence_for_change` between two parts of the rows; None while a column does not vary in one of them."""
        fits = []
        for part in (whole, first, last):
            data = self.data(part)
            if data is None:
                return None
            fits.append(refitted(self.network.packed, data, self.sets))
        return np.asarray(evidence_for_change(fits[0], (fits[1], fits[2])))

    def _return(self, kept: Kept) -> None:
        """Goes on with a regime where it was left."""
        del self.library[kept.number]
        self.returns.append(Return(self.seen - 1, kept.number, self.number))
        weight = self.forgetting ** (self.seen - self.start)
        own = kept.own + int(self.state.own)
        self._set(combined(self.moments(), kept.moments, weight), own, kept.noise)
        self.number, self.stretches, self.sets, self.asked = kept.number, kept.stretches, kept.sets, None
        self.refit()

    def _set(self, moments: Moments, own: int, noise: Noise) -> None:
        """Other statistics, with every cumulative sum at 0."""
        self.state = StreamState(
            count=np.asarray(moments.count),
            first=moments.first,
            second=moments.second,
            window=self.state.window,
            own=np.asarray(own),
            noise=noise,
            **quiet(self.rows.shape[1], self.rows.shape[1] * self.max_lag),
        )

    def _moments_from(self, first: int) -> Moments:
        """Weighted moments of the rows from `first` on that have not been deleted."""
        rows = np.setdiff1d(np.arange(first, self.seen), self.gone)
        parts = [self._part(int(run[0]), int(run[-1]) + 1) for run in _runs(rows)]
        found = parts[0]
        for part in parts[1:]:
            found = combined(found, part)
        return found

    def _part(self, first: int, last: int) -> Moments:
        """Moments of rows `first` to `last - 1`, with the weights they have now."""
        weight = np.power(self.forgetting, np.arange(self.seen - first, self.seen - last, -1.0) - 1)
        return weighted(self.between(first - self.max_lag, last), self.max_lag, weight)

    @staticmethod
    def data(moments: Moments) -> LaggedData | None:
        """Standardized statistics; None while a column does not vary."""
        mean = moments.first / moments.count
        square = np.diag(moments.second) / moments.count
        if not (square - mean**2 > 1e-12 * np.maximum(square, 1e-300)).all():
            return None
        return standardized(moments)

    def _append(self, values: Table) -> None:
        needed = self.room + len(values)
        if needed > len(self.rows):
            grown = np.zeros((max(needed, 2 * len(self.rows)), self.rows.shape[1]))
            grown[: self.room] = self.rows[: self.room]
            self.rows = grown
        self.rows[self.room : needed] = values
        self.room = needed

    def _trim(self) -> None:
        """Lets go of rows that nothing will ask for."""
        drop = self.oldest - self.base
        if drop > len(self.rows) // 2:
            self.rows[: self.room - drop] = self.rows[drop : self.room].copy()
            self.room -= drop
            self.base += drop


def _runs(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Rows as stretches without gaps."""
    return np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1) if len(rows) else []
