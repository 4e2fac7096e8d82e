r"""What else could explain an effect, and how many rows it takes: the arithmetic behind an explanation.

Both are exact given the moments, or closed form: `explanation.py` has the formulas.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sostruct.discovery.parents import Balance, ParentSets

RIVALS = ("cause", "lag", "in_graph", "nats", "edge_nats", "change", "instead")
"""Columns of a table of rivals."""

SUBSTITUTES = ("cause", "instead")
"""Columns of a table of substitutes."""

_FEWEST_ROWS, _MOST_ROWS = 10.0, 1e9


def rivals_of(sets: ParentSets, link: int, block: list[int], without: list[int], price: float) -> pd.DataFrame:
    """Every other candidate of the effect, moved to the other side (columns as in `Explanation.rivals`).

    Args:
        sets: the parent sets of the effect.
        link: the edge.
        block, without: its columns, and those of the graph without it.
        price: of the edge as things are.
    """
    posterior, target = sets.posterior, sets.target
    terms = posterior.terms
    present = bool(sets.of_link(link))
    graph = float(sets.evidence([sets.found])[0])
    rows = []
    for rival, (name, lag) in enumerate(terms.links):
        own = [column for column in sets.of_link(rival) if column not in block]
        inside = bool(posterior.active[target, rival])
        if rival == link or (inside and not own) or (not inside and posterior.nats[target, rival] == -np.inf):
            continue
        rest = [column for column in without if column not in own] if inside else [*without, sets.line(rival)]
        changed = float(sets.evidence([[*rest, *block]])[0] - sets.evidence([rest])[0])
        instead = math.nan
        if inside != present:
            instead = float(sets.evidence([[*rest, *block] if inside else rest])[0]) - graph
        rows.append((name, lag, inside, float(posterior.nats[target, rival]), changed, changed - price, instead))
    table = pd.DataFrame(rows, columns=list(RIVALS))
    return table.sort_values("change", key=np.abs, ascending=False, kind="stable", ignore_index=True)


def substitutes_of(sets: ParentSets, source: int) -> pd.DataFrame:
    """Every other series in the place of a cause, all lags at once (columns as in `Explanation.substitutes`).

    A swap of one lag leaves the other lags of a cause where they are, so it does not say whether another series could
    do all that this one does.

    Args:
        sets: the parent sets of the effect.
        source: number of the cause.
    """
    posterior, target = sets.posterior, sets.target
    size = len(posterior.variables)
    links = [link for link in range(source, posterior.active.shape[1], size) if posterior.active[target, link]]
    left = {column for link in links for column in sets.of_link(link)}
    rest = [column for column in sets.found if column not in left]
    graph = float(sets.evidence([sets.found])[0])
    rows = []
    for other in range(size):
        places = [link - source + other for link in links]
        there = [any(column in rest for column in sets.of_link(place)) for place in places]
        barred = (posterior.nats[target, places] == -np.inf) & ~posterior.active[target, places]
        if other == source or not links or barred.any():
            continue
        enters = [sets.line(place) for place, inside in zip(places, there, strict=True) if not inside]
        rows.append((posterior.variables[other], float(sets.evidence([[*rest, *enters]])[0]) - graph))
    table = pd.DataFrame(rows, columns=list(SUBSTITUTES))
    return table.sort_values("instead", ascending=False, kind="stable", ignore_index=True)


def _growth(balance: Balance, count: float) -> float:
    """Nats per row beyond what chance gives."""
    left = min(1.0, (1 - balance.share) * count / (count - balance.columns))
    return -math.log(max(left, 1e-300)) / 2


def expected_nats(nats: float, balance: Balance, count: float, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Expected price of an edge of `nats` over `count` rows, over other numbers of rows of the same system."""
    growth = _growth(balance, count)
    return np.asarray(nats + (rows - count) * growth - balance.columns / 2 * np.log(rows / count))


def enough_rows(nats: float, balance: Balance, count: float) -> float:
    """Rows from which the expected price is above 0, by bisection where it rises."""
    growth = _growth(balance, count)
    if growth <= 0:
        return math.inf
    low, high = math.log(max(balance.columns / (2 * growth), _FEWEST_ROWS)), math.log(_MOST_ROWS)

    def price(log_rows: float) -> float:
        return float(expected_nats(nats, balance, count, np.array(math.exp(log_rows))))

    if price(low) > 0:
        return math.exp(low)
    if price(high) <= 0:
        return math.inf
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if price(middle) > 0 else (middle, high)
    return math.exp(high)
