"""What only the recent part of a stream asks for: the test that a regime is over.

The graph as it stands, its numbers as the past has them, is held against graphs that differ by one edit per component,
over the same recent rows and from the same beliefs. Nothing is fitted. An edit is a mixture over a grid of numbers, the
grid's rows with equal weights, and edits share the weight of their sort:

    price = ln mean over rows p(recent | edited, row) - log p(recent | as it stands) - ln K - ln 2

with K the number of sorts times that of edits of the same sort; ln 2 because a component may also stay as it is; and
20 nats more for deep volatility, as everywhere. Components whose numbers have not been fitted once are left alone: what
is new is never right at first. Prices
of edits that touch different components add up: they are one alternative, which pays once for being another regime.
Were the graph right, numbers included, the exponential of such a sum would be an e-value, of mean 1; the largest over
all starting points exceeds exp(regime) less often than once in exp(regime) looks on average, however many starting
points there are (Shin, Ramdas & Rinaldo 2024, "E-detectors: a nonparametric framework for sequential change
detection", arXiv 2203.03532).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from sostruct.graph import SetParameters
from sostruct.growth.moves import Move
from sostruct.growth.search import Region, Search
from sostruct.networks.base import Candidate
from sostruct.networks.hgf.fitting import free_knobs, value_of
from sostruct.networks.hgf.workbench import Knob

REGIME = 7.0
"""About a thousand looks between false alarms, on average, or more."""

_SHIFTS = (-1.4, -0.7, 0.7, 1.4)
"""Changes of a log variance that are tried."""

_LONG = 8
"""Looks from which another regime has its full price. Where less is remembered, because the past was forgotten a moment
ago, there is less to lose, and where the new regime began is not known to the row."""


def recent(search: Search, regime: float) -> list[Candidate]:
    """Edits that the recent part asks for, best first; their prices sum to what they are worth together.

    Args:
        search: over the recent part.
        regime: nats that another regime costs, less while little is remembered.
    """
    every = [*search.moves(), *(_shifts(search) if "parameters" in search.sorts else ())]
    moves = [move for move in every if search.settled(move)]
    rivals = Counter(move.name for move in moves)
    regions = [region for region in (search.region(move) for move in moves) if region is not None]
    search.roughly(regions, mixed=True)
    priced: list[tuple[float, Region]] = []
    for region in regions:
        weight = math.log(2.0 * len(rivals) * rivals[region.move.name])
        deep = search.effort.margin if region.move.deep else 0.0
        priced.append((region.gain - weight - deep, region))
    priced.sort(key=lambda entry: -entry[0])
    together: list[tuple[float, Region]] = []
    seen: set[str] = set()
    for price, region in priced:
        names = region.names
        if price > 0.0 and seen.isdisjoint(names):
            seen |= names
            together.append((price, region))
    total = math.fsum(price for price, _ in together)
    cost = regime * min(1.0, search.bench.looks / _LONG)
    share = 1.0 - cost / total if total > 0.0 else 0.0
    return [search.candidate(region, price * share) for price, region in together]


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
