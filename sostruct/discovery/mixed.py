r"""The graph of effects within a step that is most probable, hidden common causes included.

Series whose residuals are correlated may act on each other within the step, i -> j, or have a hidden common cause,
i <-> j. A graph of such links, directed ones without cycles, is worth

    sum_j [ log evidence of x_j given its causes within the step and the lagged parents that are best beside them
            + n J(e_j / sd) ]  +  sum over groups linked by <-> of what their common distribution adds,

e_j what the parents leave and J its negentropy (`shapes.py`). Both parts tell directions apart. Non-Gaussian parts are
independent under the true one only (Shimizu et al. 2006, JMLR 7; Hyvarinen et al. 2010, JMLR 11). And in Gaussian data
too, causes have pasts: where i -> j is true, the past of i reaches j through i alone, and a graph with j -> i or
i <-> j has to pay for these lagged parents of i once more at j. (PCMCI+ orients by the same asymmetry; Runge 2020, UAI.
A hidden common cause hands on nobody's past, so there it is cheaper than either direction.)

A group linked by <->, with R the correlation of its residuals and R_0 the same with 0 between series that are not
linked, adds

    -n/2 (log |R_0| + tr R_0^-1 R - m)  -  sum over links of [1/2 log((n + lam) / lam) - q]

as one pair's link does in a regression. Its negentropy is that of the best order of its series, each freed of those
before it, which any common distribution exceeds by the dependence that is left. A link adds the smaller dependence of
its two directions, less `log n` for the two sources that a hidden cause adds; independence, which it would make a
coincidence, counts against it by as much, but by no more than there is negentropy to show it.

The graph is found by coordinate ascent over pairs, and over two pairs that share a series, from several starts; what
the other states of a pair cost is found by the same ascent with that state held, over the pairs around it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sostruct.discovery.shapes import dependence, negentropy

Table = NDArray[np.float64]
Pair = tuple[int, int]

NONE, FORWARD, BACKWARD, HIDDEN = range(4)
"""States of a pair (i, j), i < j: no link, i -> j, j -> i, i <-> j."""

_STARTS = 3
_MOST_ORDERED = 4
"""Series of a group of which all orders are tried."""
_CLOSE = 20.0
"""Nats within which another state of a pair is looked at twice."""

_LEAST = 1e-6
_NULL = 1.0
"""Nats of negentropy that a Gaussian residual seems to have."""


@dataclass(frozen=True, eq=False)
class Cases:
    """What is known of every set of causes within the step that is considered.

    Attributes:
        rows: number of the case of (series, its causes).
        nats: log evidence of the series given these and the best lagged parents, log prior odds included [case].
        residuals: what they leave of it, standardized [row, case].
        odds: log prior odds q of a link within the step.
        ridge: lam, prior precision of a standardized weight.
    """

    rows: Mapping[tuple[int, frozenset[int]], int]
    nats: Table
    residuals: Table
    odds: float
    ridge: float


@dataclass(frozen=True)
class Mixed:
    """The best graph of one connected group of series.

    Attributes:
        states: of every pair.
        nats: of the pairs that it links, log evidence of the best graph with the pair linked in each way, less that of
            the best of all; -inf where it may not be, for no link, and for the other pairs [state].
    """

    states: Mapping[Pair, int]
    nats: Mapping[Pair, tuple[float, ...]]


def best_graph(cases: Cases, options: Mapping[Pair, Sequence[int]], *, seed: int = 0) -> Mixed:
    """The best graph over the given pairs.

    Args:
        cases: prices of causes.
        options: the states that each pair (i, j), i < j, may have.
        seed: of the orders that searches start from.
    """
    worth = _Worth(cases)
    series = sorted({one for pair in options for one in pair})
    generator = np.random.default_rng(seed)
    best = _Graph(worth, options)
    best.climb(list(options))
    for _ in range(_STARTS - 1):
        rank = dict(zip(series, generator.permutation(len(series)).tolist(), strict=True))
        other = _Graph(worth, options)
        for pair, allowed in options.items():
            along = FORWARD if rank[pair[0]] < rank[pair[1]] else BACKWARD
            if along in allowed:
                other.change({pair: along})
        other.climb(list(options))
        best = other if other.nats > best.nats + _LEAST else best
    found: dict[Pair, tuple[float, ...]] = {}
    for pair, allowed in options.items():
        if best.states[pair] == NONE:
            found[pair] = (-math.inf,) * 4
            continue
        around = [other for other in options if other != pair and set(other) & set(pair)]
        nats = [-math.inf] * 4
        for state in set(allowed) - {NONE}:
            held = best.copy()
            if held.change({pair: state}, cut=around):
                held.climb(around, together=False)
                if held.nats > best.nats - _CLOSE:
                    held.climb(around)
                nats[state] = held.nats - best.nats
        found[pair] = tuple(nats)
    return Mixed(dict(best.states), found)


class _Worth:
    """Prices of cases and of groups with hidden common causes, each computed once."""

    def __init__(self, cases: Cases) -> None:
        self.cases = cases
        self.count = len(cases.residuals)
        self.shape = self.count * negentropy(cases.residuals)
        self.value = (cases.nats + self.shape).tolist()
        self._groups: dict[tuple[tuple[int, ...], tuple[Pair, ...]], float] = {}
        self._pairs: dict[Pair, float] = {}
        self._freed: dict[tuple[int, frozenset[int]], float] = {}

    def group(self, rows: tuple[int, ...], links: tuple[Pair, ...]) -> float:
        """What the common distribution of some residuals adds.

        Args:
            rows: their cases.
            links: positions in `rows` that have a hidden common cause.
        """
        key = rows, links
        if key not in self._groups:
            self._groups[key] = self._gaussian(rows, links) + self._beyond(rows, links)
        return self._groups[key]

    def _gaussian(self, rows: tuple[int, ...], links: tuple[Pair, ...]) -> float:
        own = self.cases.residuals[:, rows]
        correlation = own.T @ own / self.count
        kept = np.eye(len(rows))
        for one, other in links:
            kept[one, other] = kept[other, one] = correlation[one, other]
        if np.linalg.eigvalsh(kept)[0] < _LEAST:
            return -math.inf
        fit = np.linalg.slogdet(kept)[1] + np.trace(np.linalg.solve(kept, correlation)) - len(rows)
        entry = math.log((self.count + self.cases.ridge) / self.cases.ridge) / 2 - self.cases.odds
        return float(-self.count / 2 * fit - len(links) * entry)

    def _beyond(self, rows: tuple[int, ...], links: tuple[Pair, ...]) -> float:
        found = self._ordered(rows) - float(self.shape[list(rows)].sum())
        for one, other in links:
            pair = rows[one], rows[other]
            if pair not in self._pairs:
                self._pairs[pair] = self._linked(*pair)
            found += self._pairs[pair]
        return found

    def _ordered(self, rows: tuple[int, ...]) -> float:
        """Negentropy of some residuals, each freed of those before it, in the best order."""
        if len(rows) > _MOST_ORDERED:
            return max(sum(self._free(order[k], order[:k]) for k in range(len(rows))) for order in (rows, rows[::-1]))
        best = {frozenset[int](): 0.0}
        for size in range(1, len(rows) + 1):
            for members in map(frozenset, itertools.combinations(rows, size)):
                best[members] = max(
                    best[members - {last}] + self._free(last, sorted(members - {last})) for last in members
                )
        return best[frozenset(rows)]

    def _free(self, row: int, others: Sequence[int]) -> float:
        """Negentropy of what some residuals leave of another."""
        key = row, frozenset(others)
        if key not in self._freed:
            self._freed[key] = self.count * float(negentropy(self._left(row, others)[:, None])[0])
        return self._freed[key]

    def _left(self, row: int, others: Sequence[int]) -> Table:
        """What some residuals leave of another, standardized."""
        own, rest = self.cases.residuals[:, row], self.cases.residuals[:, list(others)]
        left: Table = own - rest @ np.linalg.lstsq(rest.T @ rest, rest.T @ own, rcond=None)[0]
        return left / max(float(left.std()), _LEAST)

    def _linked(self, one: int, other: int) -> float:
        """What dependence says for a hidden common cause of two residuals."""
        shown = min(self._free(one, ()) + self._free(other, (one,)), self._free(other, ()) + self._free(one, (other,)))
        left = min(
            dependence(self.cases.residuals[:, regressor], self._left(target, (regressor,)))
            for regressor, target in ((one, other), (other, one))
        )
        return max(left - math.log(self.count), -max(shown - 2 * _NULL, 0.0))


class _Graph:
    """A graph within the step that changes pair by pair, and what it is worth beside one without links, nats."""

    def __init__(self, worth: _Worth, options: Mapping[Pair, Sequence[int]]) -> None:
        self.worth = worth
        self.options = options
        self.states = dict.fromkeys(options, NONE)
        self.causes: dict[int, frozenset[int]] = {one: frozenset() for pair in options for one in pair}
        self.hidden: dict[int, frozenset[int]] = dict(self.causes)
        self.nats = 0.0

    def copy(self) -> _Graph:
        other = _Graph(self.worth, self.options)
        other.states, other.causes, other.hidden = dict(self.states), dict(self.causes), dict(self.hidden)
        other.nats = self.nats
        return other

    def climb(self, pairs: Sequence[Pair], *, together: bool = True) -> None:
        """Changes the states of some pairs as long as that pays, one at a time, or also two that share a series, to
        states without hidden causes."""
        both = itertools.combinations(pairs, 2) if together else ()
        beside = [(one, other) for one, other in both if set(one) & set(other)]
        while True:
            before = self.nats
            for pair in pairs:
                for state in self.options[pair]:
                    self.change({pair: state}, pays=True)
            if self.nats > before + _LEAST:
                continue
            for one, other in beside:
                for first, second in itertools.product(self.options[one], self.options[other]):
                    if HIDDEN not in (first, second):
                        self.change({one: first, other: second}, pays=True)
            if self.nats <= before + _LEAST:
                return

    def change(self, wanted: Mapping[Pair, int], *, pays: bool = False, cut: Sequence[Pair] = ()) -> bool:
        """Puts pairs in other states, if the graph stays without cycles and known; says whether it did.

        Args:
            wanted: new states.
            pays: only if the graph is worth more then.
            cut: pairs whose links may be dropped so that the change can be made.
        """
        wanted = {pair: state for pair, state in wanted.items() if self.states[pair] != state}
        if not wanted:
            return not pays
        kept = dict(self.states), dict(self.causes), dict(self.hidden), self.nats
        touched = {one for pair in wanted for one in pair}
        before = self._part(touched)
        for pair, state in wanted.items():
            self._set(pair, state)
        after = self._part(touched) if not self._cyclic(wanted) else -math.inf
        self.nats += after - before
        if math.isfinite(after) and (not pays or self.nats > kept[3] + _LEAST):
            return True
        self.states, self.causes, self.hidden, self.nats = kept
        linked = [pair for pair in cut if self.states[pair] != NONE]
        if linked and self.change(dict.fromkeys(linked, NONE)):
            return self.change(wanted)
        return False

    def _set(self, pair: Pair, state: int) -> None:
        one, other = pair
        self.states[pair] = state
        for own, cause, along in ((other, one, FORWARD), (one, other, BACKWARD)):
            self.causes[own] = self.causes[own] - {cause} | ({cause} if state == along else set())
            self.hidden[own] = self.hidden[own] - {cause} | ({cause} if state == HIDDEN else set())

    def _part(self, series: set[int]) -> float:
        """What depends on the causes and hidden links of some series."""
        total, seen = 0.0, set[int]()
        for one in sorted(series):
            case = self.worth.cases.rows.get((one, self.causes[one]))
            if case is None:
                return -math.inf
            total += self.worth.value[case]
        for one in sorted(series):
            if self.hidden[one] and one not in seen:
                members = self._group(one)
                seen |= set(members)
                rows = [self.worth.cases.rows[member, self.causes[member]] for member in members]
                place = {member: number for number, member in enumerate(members)}
                links = tuple((place[a], place[b]) for a in members for b in sorted(self.hidden[a]) if a < b)
                total += self.worth.group(tuple(rows), links)
        return total

    def _group(self, series: int) -> list[int]:
        members, waiting = {series}, [series]
        while waiting:
            new = self.hidden[waiting.pop()] - members
            members |= new
            waiting += new
        return sorted(members)

    def _cyclic(self, changed: Mapping[Pair, int]) -> bool:
        for (one, other), state in changed.items():
            if state not in (FORWARD, BACKWARD):
                continue
            cause, effect = (one, other) if state == FORWARD else (other, one)
            seen, waiting = {cause}, [cause]
            while waiting:
                new = self.causes[waiting.pop()] - seen
                if effect in new:
                    return True
                seen |= new
                waiting += new
        return False
