"""The regimes of a stream: which one is present, which are over, and which is back.

Everything here happens at rows that the stream's own content decides, never at the ends of chunks, so the same rows
give the same result however they arrive.

Regimes that are over are kept in a library. Of a system that never settles it would grow for ever: each of them has the
sums of all pairs of columns, and each is compared with whatever comes. So it is bounded: of more, the one that was
present least recently is dropped. That it was there is known; what it was is not, and it would not be recognized.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import jax
import numpy as np

from sostruct.discovery.present import Present
from sostruct.discovery.regimes import Kept, Table, combined, recognized, statistics
from sostruct.networks.lagged.challenger import withdrawn
from sostruct.networks.lagged.current import evidence_for_change, refitted
from sostruct.networks.lagged.moments import Moments
from sostruct.networks.lagged.streaming import Thresholds
from sostruct.numerics import double_precision

_SINGLE = math.log(20.0)
"""Nats from which a series is named in an alarm that others raised."""

_CONFIRMED = 5.0
"""Nats of evidence for a change of a mechanism that an alarm needs."""

_SHARES = (0.5, 0.7, 1.0, 1.4, 2.0)
"""Change points that are tried, by rows since then: shares of the time for which a challenger has been ahead."""


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


@dataclass(frozen=True, slots=True)
class Dropped:
    """A regime that is over and no longer kept.

    Attributes:
        number: of the regime.
        stretches: first row of the stream and the row after the last, of each time it was there.
    """

    number: int
    stretches: tuple[tuple[int, int], ...]


@dataclass
class Streamed:
    """A stream of centered rows: its present regime, those that are over, and what has happened.

    Attributes:
        present: the regime that the last rows belong to.
        tolerated: rows of the stream for one false alarm; None for no alarms.
        most_regimes: size of the library; None for no bound.
        numbers: how many regimes have begun.
        library: regimes that are over, by number.
        dropped: those of them that are no longer kept, in the order in which they were dropped.
        asked: first row by which the present one may turn out to be one of them; None where it is known.
        alarms, returns: all of them.
    """

    present: Present
    tolerated: float | None
    most_regimes: int | None
    numbers: int = 1
    library: dict[int, Kept] = field(default_factory=dict)
    dropped: list[Dropped] = field(default_factory=list)
    asked: int | None = None
    alarms: list[Alarm] = field(default_factory=list)
    returns: list[Return] = field(default_factory=list)

    def take(self, values: Table) -> None:
        """Rows of the stream [row, series], centered."""
        present = self.present
        present.append(values)
        limits = Thresholds.of(self.tolerated, values.shape[1])
        place = 0
        with double_precision():
            while place < len(values):
                taken, alarm = present.step(values[place:], limits)
                place += taken
                if alarm:
                    self._alarm(limits)
                elif present.due:
                    present.refit()
                    self._ask()
        present.trim()

    def delete(self, first: int, last: int) -> None:
        """Takes rows out of the present regime (`Present.delete`), which is no longer taken for an earlier one."""
        self.asked = None
        self.present.delete(first, last)

    def _alarm(self, limits: Thresholds) -> None:
        """The present regime ends at the change point, and another begins there."""
        present = self.present
        row, state = present.seen - 1, jax.tree.map(np.asarray, present.state)
        single, total = state.single - np.asarray(limits.single), state.total - np.asarray(limits.total)
        rival = state.challenger.evidence - np.asarray(limits.challenger)
        larger = max(single.max(), total.max()) > 0
        if not larger:
            place, series = np.unravel_index(rival.argmax(), rival.shape)
            since = self._confirmed(int(state.challenger.since[place, series]), int(series))
            if since is None:
                present.refit()
                present.state = replace(present.state, challenger=withdrawn(present.state.challenger, int(series)))
                return
        elif total.max() >= single.max():
            since = int(state.total_since[total.argmax()])
        else:
            since = int(state.single_since[np.unravel_index(single.argmax(), single.shape)])
        highest = np.maximum(state.single.max(axis=0), state.challenger.evidence.max(axis=0))
        order = np.argsort(-highest, kind="stable")
        names = present.network.terms.variables
        worst = tuple(names[node] for place, node in enumerate(order) if place == 0 or highest[node] > _SINGLE)
        rows = min(max(min(since, present.remembered), present.fewest), present.seen - present.start)
        self.alarms.append(Alarm(row, worst, present.seen - rows, self.numbers, "errors" if larger else "parents"))
        kept = present.before(rows)
        if kept is not None:
            self._keep(kept)
        present.begin(self.numbers, rows)
        self.numbers += 1
        self.asked = present.seen - min(since, present.remembered)
        self._ask()

    def _keep(self, kept: Kept) -> None:
        """Puts a regime that is over into the library, and drops those that were present least recently if full."""
        self.library[kept.number] = kept
        while self.most_regimes is not None and len(self.library) > self.most_regimes:
            oldest = min(self.library.values(), key=lambda one: one.stretches[-1][1])
            del self.library[oldest.number]
            self.dropped.append(Dropped(oldest.number, oldest.stretches))

    def _confirmed(self, since: int, series: int) -> int | None:
        """Rows since the change of the mechanism of a series; None if one mechanism explains all rows well enough.

        The model that was challenged had not seen the last rows, and may have been imprecise. So the evidence for two
        mechanisms is weighed against one that is fitted to all rows, for several change points.
        """
        best, found = _CONFIRMED, None
        present = self.present
        now, own = present.moments(), int(present.state.own)
        for share in _SHARES:
            rows = min(round(since * share), present.remembered)
            if min(rows, own - rows) < present.fewest:
                continue
            tail = present.moments_from(present.seen - rows)
            nats = self._evidence_for_change(now, combined(now, tail, -1.0), tail)
            if nats is not None and nats[series] > best:
                best, found = float(nats[series]), rows
        return found

    def _ask(self) -> None:
        """Whether the present regime is one that was there before."""
        if self.asked is None:
            return
        present = self.present
        if present.seen - self.asked > max(present.remembered, present.fewest):
            self.asked = None
            return
        rows = present.between(self.asked - present.max_lag, present.seen)
        passed = []
        for kept in self.library.values():
            data = statistics(kept.moments)
            if data is not None:
                model = refitted(present.network.packed, data, kept.sets).model
                density = recognized(model, kept.noise, rows, present.max_lag)
                if density is not None and self._same(kept):
                    passed.append((density, kept.number))
        if passed:
            self._return(self.library[max(passed)[1]])

    def _same(self, kept: Kept) -> bool:
        """Whether no series is better explained by one mechanism in a regime that is over and another in this one."""
        present = self.present
        now = present.moments()
        both = combined(now, kept.moments, present.forgetting ** (present.seen - present.start))
        nats = self._evidence_for_change(both, kept.moments, now)
        return nats is not None and bool((nats < 0).all())

    def _evidence_for_change(self, whole: Moments, first: Moments, last: Moments) -> Table | None:
        """`evidence_for_change` between two parts of the rows; None while a column does not vary in one of them."""
        fits = []
        for part in (whole, first, last):
            data = statistics(part)
            if data is None:
                return None
            fits.append(refitted(self.present.network.packed, data, self.present.sets))
        return np.asarray(evidence_for_change(fits[0], (fits[1], fits[2])))

    def _return(self, kept: Kept) -> None:
        """Goes on with a regime where it was left."""
        del self.library[kept.number]
        self.returns.append(Return(self.present.seen - 1, kept.number, self.present.number))
        self.asked = None
        self.present.resume(kept)
