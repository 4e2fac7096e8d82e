"""Directions within the step: from pairs of correlated residuals to the log odds of what links them.

Given all others, two causes of one effect are correlated, and that may cancel a link of their own. So pairs that have a
linked series in common are candidates too where they are surely correlated by themselves. And residuals of a true graph
are independent, but for series with a hidden common cause: the best graph is asked which of its residuals are still
correlated, these pairs join the others, and the best graph is looked for again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from sostruct.discovery.mixed import BACKWARD, FORWARD, HIDDEN, NONE, Cases, Mixed, best_graph
from sostruct.discovery.shapes import negentropy
from sostruct.networks.lagged.alternatives import alternatives
from sostruct.networks.lagged.evidence import ALMOST_ALL
from sostruct.networks.lagged.moments import LaggedData
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.networks.lagged.segments import Series, predicted_rows
from sostruct.networks.lagged.terms import AbstractTerms

Table = NDArray[np.float64]
Mask = NDArray[np.bool_]

_MOST_CASES = 4096
"""Sets of causes of all series together. Larger systems get no directions."""

_MOST_VALUES = 2**25
"""Residuals of all of them, over all rows; likewise."""

_MOST_OF_ONE = 512
"""Of one series, where all together leave room for them."""

_CANCELED = math.log(100.0)
"""Log odds of a correlation from which it may be of a link that others cancel: none but strong ones are."""

_ROUNDS = 4
_LEAST = 1e-9


def directions(
    values: Series, nats: Table, alone: Table, lagged: LaggedNetwork, free: LaggedNetwork
) -> tuple[Table, Mask]:
    """Log odds of every direction within the step, against the reverse and a hidden common cause together, 0 where
    nothing is known; and the effects of the best graph [target, cause].

    Args:
        values: the series [time, variable], or one per realization.
        nats: log odds of a link of every pair, symmetric [series, series].
        alone: evidence for a correlation of every pair by itself, symmetric [series, series].
        lagged: a network of lagged links after its search.
        free: a bare network of all that may act on each other within the step as well. Its rows count alike, whatever
            the noise: the shapes of residuals are part of what is asked.
    """
    data = free.prepare(values)
    allowed = np.isfinite(np.asarray(free.packed.prior.direction))
    starts = [row[used] for row, used in zip(*map(np.asarray, (lagged.packed.active, lagged.packed.mask)), strict=True)]
    odds = float(np.median(np.asarray(free.packed.prior.log_odds)))
    direction, effects = np.zeros(nats.shape), np.zeros(nats.shape, bool)
    linked = nats > 0
    beside = linked.astype(float)
    canceled = ~linked & (beside @ beside > 0) & (alone + odds > _CANCELED)
    np.fill_diagonal(canceled, False)
    graphs: list[Mixed] = []
    for _ in range(_ROUNDS):
        sets = _sets(linked & allowed, canceled & allowed, int(data.count))
        if sets is None:
            return direction, effects
        cases = _cases(values, free, data, sets, starts, odds)
        graphs = _best_graphs(cases, linked | canceled, allowed)
        missed = _missed(cases, graphs, linked | canceled)
        if not missed.any():
            break
        linked = linked | missed
    for graph in graphs:
        for (one, other), price in graph.nats.items():
            known = [True, allowed[other, one], allowed[one, other], True]
            if all(np.isfinite(price[state]) for state in range(1, 4) if known[state]):
                direction[other, one] = price[FORWARD] - np.logaddexp(price[BACKWARD], price[HIDDEN])
                direction[one, other] = price[BACKWARD] - np.logaddexp(price[FORWARD], price[HIDDEN])
            # else it has no link, or larger sets than are considered: nothing is said of this pair
        for (one, other), state in graph.states.items():
            effects[other, one] = state == FORWARD
            effects[one, other] = state == BACKWARD
    return direction, effects


def by_shapes(residuals: Table, linked: Mask) -> Table:
    """Log odds of the directions of single pairs from the shapes of their residuals alone: other series are left out of
    account [target, cause].

    With J negentropy and r the correlation of two standardized residuals, `n [J(u_i) + J((u_j - r u_i) / s) - J(u_j) -
    J((u_i - r u_j) / s)]` is about the log likelihood ratio of i -> j to j -> i (Hyvarinen & Smith 2013, JMLR 14).

    Args:
        residuals: what lagged parents leave, standardized [row, series].
        linked: the pairs that are linked [series, series].
    """
    alone = negentropy(residuals)
    found = np.zeros(linked.shape)
    for one, other in np.argwhere(np.triu(linked)).tolist():
        pair = residuals[:, [one, other]]
        left = pair[:, ::-1] - (pair[:, 0] @ pair[:, 1] / len(pair)) * pair
        forward, backward = negentropy(left / np.maximum(left.std(axis=0), _LEAST))
        ratio = len(pair) * float(alone[one] + forward - alone[other] - backward)
        found[other, one], found[one, other] = ratio, -ratio
    return found


def _best_graphs(cases: Cases, linked: Mask, allowed: Mask) -> list[Mixed]:
    """The best graph of every connected group of linked pairs."""
    pairs = nx.Graph(np.argwhere(np.triu(linked)).tolist())
    found = []
    for members in sorted(map(sorted, nx.connected_components(pairs))):
        options = {}
        for one, other in sorted(map(sorted, pairs.subgraph(members).edges)):
            forward, backward = [FORWARD] * bool(allowed[other, one]), [BACKWARD] * bool(allowed[one, other])
            options[one, other] = (NONE, *forward, *backward, HIDDEN)
        found.append(best_graph(cases, options))
    return found


def _missed(cases: Cases, graphs: Sequence[Mixed], candidates: Mask) -> Mask:
    """The pairs that were no candidates, and whose residuals under the best graphs are probably linked
    [series, series]."""
    causes: list[set[int]] = [set() for _ in candidates]
    for graph in graphs:
        for (one, other), state in graph.states.items():
            if state in (FORWARD, BACKWARD):
                causes[other if state == FORWARD else one].add(one if state == FORWARD else other)
    own = cases.residuals[:, [cases.rows[target, frozenset(members)] for target, members in enumerate(causes)]]
    count = len(own)
    shared = np.minimum((own.T @ own / count) ** 2, ALMOST_ALL)
    np.fill_diagonal(shared, 0.0)
    nats = -count / 2 * np.log1p(-shared) - math.log((count + cases.ridge) / cases.ridge) / 2 + cases.odds
    found: Mask = ~candidates & (nats > 0)
    return found


def _sets(linked: Mask, canceled: Mask, rows: int) -> list[tuple[int, frozenset[int]]] | None:
    """The sets of causes within the step that are considered, for every series; None where there is no room for those
    of one cause.

    Args:
        linked: series that may act on each: all their sets, up to a size that keeps them few [target, cause].
        canceled: the same, of links that others may cancel: one at a time, beside each of these sets.
        rows: of the series.
    """
    near, hidden = ([np.flatnonzero(row).tolist() for row in mask] for mask in (linked, canceled))
    most = _MOST_OF_ONE
    while most:
        sets = []
        for target, (others, beside) in enumerate(zip(near, hidden, strict=True)):
            counts = np.cumsum([math.comb(len(others), size) for size in range(len(others) + 1)]) * (1 + len(beside))
            largest = max(int(np.searchsorted(counts, most, side="right")) - 1, min(1, len(others)))
            for size in range(largest + 1):
                for causes in map(frozenset, combinations(others, size)):
                    sets += [(target, causes), *((target, causes | {one}) for one in beside)]
        if len(sets) <= _MOST_CASES and len(sets) * rows <= _MOST_VALUES:
            return sets
        most //= 2
    return None


def _cases(
    values: Series,
    free: LaggedNetwork,
    data: LaggedData,
    sets: list[tuple[int, frozenset[int]]],
    starts: Sequence[NDArray[np.int64]],
    odds: float,
) -> Cases:
    """Prices and residuals of every series beside every set."""
    searches = alternatives(free, data, [(target, sorted(causes)) for target, causes in sets], starts)
    return Cases(
        rows={key: case for case, key in enumerate(sets)},
        nats=searches.nats,
        residuals=_residuals(values, free.terms, data, np.array([target for target, _ in sets]), searches.weight),
        odds=odds,
        ridge=float(np.asarray(free.packed.ridge)[0]),
    )


def _residuals(
    values: Series, terms: AbstractTerms, data: LaggedData, target: NDArray[np.int64], weight: Table
) -> Table:
    """What the weights of every case leave of its target, standardized [row, case]."""
    links = (terms.lagged(values) - np.asarray(data.term_mean)) / np.asarray(data.term_scale)
    own = (predicted_rows(values, terms.max_lag) - np.asarray(data.target_mean)) / np.asarray(data.target_scale)
    left: Table = own[:, target] - links @ weight.T
    left -= left.mean(axis=0)
    left /= np.maximum(left.std(axis=0), _LEAST)
    return left
