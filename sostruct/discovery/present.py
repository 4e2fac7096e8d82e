"""The rows of a stream's present regime, and what follows from them: moments, refits, deletion.

Refits happen at row counts that grow geometrically (`networks.lagged.current`), between the blocks of the compiled half
(`networks.lagged.streaming`). When a regime ends or is back is decided in `streamed.py`; here that is other statistics
to go on with.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import jax
import numpy as np
from numpy.typing import NDArray

from sostruct.discovery.regimes import Kept, Table, combined, faded, statistics, weighted
from sostruct.networks.lagged.challenger import rebased, unchallenged
from sostruct.networks.lagged.current import Sets, refitted, starting_sets
from sostruct.networks.lagged.moments import Moments
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

GROWTH = 1.4
"""Rows of a regime from refit to refit."""


@dataclass
class Present:
    """The present regime of a stream of centered rows.

    Attributes:
        network: the bare network: names, prior, ridge.
        max_lag: L.
        half_life: rows after which a row counts half; None for ever.
        remembered: most rows that a new regime takes over.
        keep: whether all rows of the regime are kept.
        seen: rows of the stream so far.
        blind: row before which rows only fill the window: the first L, and those whose window touches deleted rows.
        number, stretches: of the regime: its number, and when it was there before.
        start: its first row, this time.
        state, model, sets: compiled state, model of the last refit, and its parent sets.
        fitted: whether there has been a refit in this regime.
        next_fit: row of the regime at which the next is due.
        rows: the last rows of the stream [row, series], centered; the first `room` of them are in use.
        base: row of the stream that they begin with.
        gone: rows of the regime that have no part in its statistics.
    """

    network: LaggedNetwork
    max_lag: int
    half_life: float | None
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
    fitted: bool = False
    next_fit: int = field(init=False)
    room: int = 0
    base: int = 0
    gone: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

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

    def step(self, rows: Table, limits: Thresholds) -> tuple[int, bool]:
        """Takes rows up to the next refit, to the end of a block or to an alarm.

        Args:
            rows: centered, already among `rows` [row, series].
            limits: what an alarm is.

        Returns:
            how many were taken; whether the last one raised an alarm.
        """
        if self.seen < self.blind:
            self._pass(rows[0])
            return 1, False
        end = min(len(rows), BLOCK, self.next_fit - int(self.state.own))
        block = np.zeros((BLOCK, rows.shape[1]))
        block[:end] = rows[:end]
        used = limits if self.fitted else Thresholds.of(None, rows.shape[1])
        self.state, taken, alarm = advance(
            self.state, self.model, used, np.asarray(self.forgetting), block, np.asarray(end)
        )
        self.seen += int(taken)
        return int(taken), bool(alarm)

    @property
    def due(self) -> bool:
        """Whether a refit is due."""
        return int(self.state.own) >= self.next_fit

    def refit(self) -> None:
        """Searches the parent sets again and solves the regressions on them."""
        own = int(self.state.own)
        self.next_fit = own + max(math.ceil((GROWTH - 1) * own), 1)
        if self.half_life is not None:
            self.next_fit = min(self.next_fit, own + max(int(self.half_life / 4), 1))
        data = statistics(self.moments())
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
        self.blind = max(self.blind, last + self.max_lag + 1)
        self.restart(left, max(int(self.state.own) - len(touched), 0), self.state.noise)
        if int(self.state.own) >= self.fewest:
            self.refit()
        else:
            self.fitted, self.next_fit = False, self.fewest

    def begin(self, number: int, rows: int) -> None:
        """Another regime begins with the last rows.

        Args:
            number: of the regime.
            rows: how many of the rows so far are its own.
        """
        change = self.seen - rows
        tail, self.gone = self.moments_from(change), self.gone[self.gone >= change]
        self.number, self.stretches, self.start, self.fitted = number, (), change, False
        self.restart(tail, rows - len(self.gone), self.state.noise)
        self.refit()

    def resume(self, kept: Kept) -> None:
        """Goes on with a regime where it was left: the present rows are its own."""
        weight = self.forgetting ** (self.seen - self.start)
        own = kept.own + int(self.state.own)
        self.restart(combined(self.moments(), kept.moments, weight), own, kept.noise)
        self.number, self.stretches, self.sets = kept.number, kept.stretches, kept.sets
        self.refit()

    def before(self, rows: int) -> Kept | None:
        """What is kept of the regime if it ended so many rows ago; None if too little is left of it."""
        change = self.seen - rows
        own = int(self.state.own) - (rows - int(np.sum(self.gone >= change)))
        if own < self.fewest:
            return None
        moments = combined(self.moments(), self.moments_from(change), -1.0)
        return Kept(
            number=self.number,
            stretches=(*self.stretches, (self.start, change)),
            moments=faded(moments, self.forgetting**-rows),
            own=own,
            noise=jax.tree.map(np.asarray, self.state.noise),
            sets=self.sets,
        )

    def between(self, first: int, last: int) -> Table:
        """Kept rows `first` to `last - 1` of the stream, centered."""
        return self.rows[first - self.base : last - self.base]

    def restart(self, moments: Moments, own: int, noise: Noise) -> None:
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

    def moments_from(self, first: int) -> Moments:
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

    def append(self, values: Table) -> None:
        """Keeps rows that are about to be taken."""
        needed = self.room + len(values)
        if needed > len(self.rows):
            grown = np.zeros((max(needed, 2 * len(self.rows)), self.rows.shape[1]))
            grown[: self.room] = self.rows[: self.room]
            self.rows = grown
        self.rows[self.room : needed] = values
        self.room = needed

    def trim(self) -> None:
        """Lets go of rows that nothing will ask for."""
        drop = self.oldest - self.base
        if drop > len(self.rows) // 2:
            self.rows[: self.room - drop] = self.rows[drop : self.room].copy()
            self.room -= drop
            self.base += drop

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


def _runs(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Rows as stretches without gaps."""
    return np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1) if len(rows) else []
