"""What only the recent part of a stream asks for: the test that a regime is over.

The graph as it stands, its numbers as the past has them, is held against graphs that differ by one edit per component,
over the same recent rows and from the same beliefs. Nothing is fitted. An edit is a mixture over a grid of numbers, the
grid's rows with equal weights, and edits share the weight of their sort:

    price = ln mean over rows p(recent | edited, row) - log p(recent | as it stands) - ln K - ln 2

with K the number of sorts times that of edits of the same sort; ln 2 because a component may also stay as it is; and
20 nats more for deep volatility, as everywhere. Components whose numbers have not been fitted once are left alone: what
is new is never right at first. Prices of edits that touch different components add up: they are one alternative, which
pays once for being another regime.

Were the graph right, numbers included, the exponential of such a sum would be an e-value, of mean 1; the largest over
all starting points exceeds exp(regime) less often than once in exp(regime) looks on average, however many starting
points there are (Shin, Ramdas & Rinaldo 2024, "E-detectors: a nonparametric framework for sequential change
detection", arXiv 2203.03532). Three things make this a guide and no guarantee: numbers are estimates, the filter is an
approximation wherever volatility is hidden, and of many pairs of nodes those are tried whose errors go together.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from sostruct.graph import SetParameters
from sostruct.growth.base import disjoint
from sostruct.growth.moves import Move
from sostruct.growth.region import Region
from sostruct.growth.search import Search
from sostruct.networks.base import Candidate
from sostruct.networks.hgf.fitting import free_knobs, value_of
from sostruct.networks.hgf.workbench import Knob

REGIME = 9.0
"""Eight thousand looks between false alarms, on average, or more: some are kept for numbers that are but estimates."""

_SHIFTS = (-1.4, -0.7, 0.7, 1.4)
"""Changes of a log variance that are tried."""

_LONG = 8
"""Looks from which a regime has its full price for components that are older than what is remembered."""


def recent(search: Search, regime: float) -> list[Candidate]:
    """Edits that the recent part asks for, best first; their prices sum to what they are worth together.

    Components that were there before what is remembered have outlived a regime: whether the change that ended it
    changed them, too, costs less, the less is remembered.

    Args:
        search: over the recent part.
        regime: nats that another regime costs.
    """
    looks = search.bench.looks
    priced = _priced(search, [*search.moves(), *(_shifts(search) if "parameters" in search.sorts else ())])
    old = [entry for entry in priced if search.age(entry[1].move) > looks]
    both = _together(priced, regime), _together(old, regime * min(1.0, looks / _LONG))
    return [search.candidate(region, price) for price, region in max(both, key=_total)]


def _priced(search: Search, every: Sequence[Move]) -> list[tuple[float, Region]]:
    """Moves of components whose numbers have been fitted, with their prices."""
    moves = [move for move in every if search.age(move)]
    rivals = Counter(move.name for move in moves)
    regions = [region for region in (search.region(move) for move in moves) if region is not None]
    search.roughly(regions, mixed=True)
    priced: list[tuple[float, Region]] = []
    for region in regions:
        weight = math.log(2.0 * len(rivals) * rivals[region.move.name])
        deep = search.effort.margin if region.move.deep else 0.0
        priced.append((region.gain - weight - deep, region))
    return priced


def _together(priced: Sequence[tuple[float, Region]], cost: float) -> list[tuple[float, Region]]:
    """The best edits that touch different components, their prices less what they cost together, in proportion."""
    worth = sorted((entry for entry in priced if entry[0] > 0.0), key=lambda entry: -entry[0])
    chosen = disjoint(worth, lambda entry: entry[1].names)
    total = _total(chosen)
    return [(price * (1.0 - cost / total), region) for price, region in chosen]


def _total(priced: Sequence[tuple[float, Region]]) -> float:
    return math.fsum(price for price, _ in priced) if priced else -math.inf


def _shifts(search: Search) -> Iterator[Move]:
    """A log variance or log precision is another."""
    for own in search.parts:
        for knob in free_knobs(own):
            place, name = knob
            if not isinstance(place, str) or name not in ("tonic_volatility", "precision"):
                continue
            now = value_of(own, knob)
            rows: list[dict[Knob, float]] = [
                {knob: now + shift if name == "tonic_volatility" else now * math.exp(shift)} for shift in _SHIFTS
            ]
            yield Move("shift", place, (SetParameters(place, {name: rows[0][knob]}),), tuple(rows))
