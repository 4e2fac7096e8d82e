"""Which terms a system is offered: lines at all lags, or curves and products up to some lag. The data decide.

Most systems do with lines, and a search among hundreds of products that are not needed costs time and some accuracy. So
a graph of lines is found first. Then every curve and every product is priced beside it (`prices.py`: what it would
add). If a system in which one series, any of them, has the best of these terms is more probable than one without, by
more than the prior log odds that a system is linear, nonlinear graphs are searched too.

Lags are substitutes for functions where a flow is sampled finely: lines at several lags leave little to a product. So
where lines explain nearly all of a series, the same is asked of lag 1 alone; and every target is searched with the
terms up to lag 1, up to lag 2, ..., and has the horizon with the highest evidence, the number of terms to choose among
included. Compared with linear graphs chosen alike, they must pass the same test.
The search proper starts from the bare graph again, with the tables that were chosen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import numpy as np
from numpy.typing import NDArray

from sostruct.networks.lagged.curved import CurvedTerms
from sostruct.networks.lagged.evidence import ALMOST_ALL
from sostruct.networks.lagged.fixed_point import Search, searched
from sostruct.networks.lagged.moments import LaggedData
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.networks.lagged.segments import Series, predicted_rows
from sostruct.networks.lagged.terms import AbstractTerms
from sostruct.surprise import Signals

CHARGE = math.log(20.0)
"""Prior log odds that a system is linear: of twenty, one is not."""

_SMOOTH = 0.1
"""Share of its variance that lines leave of a series, below which lags may stand for functions."""

Table = NDArray[np.float64]


def chosen(lines: Search, settings: Mapping[str, Any]) -> tuple[CurvedTerms, tuple[int, ...]] | None:
    """The table of curves and products and the horizon of every target, if the data ask for it and it is not too large.

    Args:
        lines: the search for a graph of lines, from the bare network.
        settings: as of `LaggedNetwork.bare`.
    """
    values, variables, max_lag = lines.values, lines.network.terms.variables, lines.network.terms.max_lag
    table = CurvedTerms.fitted(variables, max_lag, values)
    if table is None or len(predicted_rows(values, max_lag)) <= 2 * (table.layout.size + 1):
        return None
    curved = LaggedNetwork.bare(variables, max_lag, terms=table, **settings)
    data, linear = lines.data, lines.found
    wanted = _asked_for(linear, curved, table, values)
    if not wanted and max_lag > 1 and float(np.min(np.asarray(linear.packed.noise))) < _SMOOTH:
        reach = [1] * len(variables)
        near, _ = searched(LaggedNetwork.bare(variables, max_lag, horizon=reach, **settings), data)
        close = LaggedNetwork.bare(variables, max_lag, terms=table, horizon=reach, **settings)
        wanted = _asked_for(near, close, table, values)
    if not wanted:
        return None
    chosen_lags, evidence = horizons(curved.prepare(values), table, settings)
    floored = eqx.tree_at(lambda one: one.power, data, np.asarray(data.power) * (1 + table.floor))
    _, without = horizons(floored, linear.terms, settings)
    return (table, chosen_lags) if one_of(evidence - without) else None


def horizons(data: LaggedData, table: AbstractTerms, settings: Mapping[str, Any]) -> tuple[tuple[int, ...], Table]:
    """The largest lag of the terms of every target, by the evidence of the graphs that are found with it [target]; and
    the log evidence of every target with its own [target].

    Args:
        data: statistics of the series, by the table.
        table: the terms.
        settings: as of `LaggedNetwork.bare`.
    """
    found = []
    for horizon in range(1, table.max_lag + 1):
        reach = [horizon] * len(table.variables)
        network = LaggedNetwork.bare(table.variables, table.max_lag, terms=table, horizon=reach, **settings)
        found.append(evidence_by_target(*searched(network, data)))
    evidence = np.stack(found)
    return tuple((evidence.argmax(axis=0) + 1).tolist()), evidence.max(axis=0)


def evidence_by_target(network: LaggedNetwork, signals: Signals) -> Table:
    """Log evidence and structure prior of every target [target]."""
    log_odds, layout = np.asarray(network.packed.prior.log_odds), network.terms.layout
    mask, columns = np.asarray(network.packed.mask), np.asarray(network.packed.active)
    held = np.zeros(log_odds.shape, bool)
    held[np.nonzero(mask)[0], layout.term_of(columns[mask])] = True
    found: Table = np.where(held, log_odds, 0.0).sum(axis=1) - np.asarray(signals.surprise)
    return found


def _asked_for(linear: LaggedNetwork, curved: LaggedNetwork, table: CurvedTerms, values: Series) -> bool:
    return one_of(_best_beside(linear, curved, table, values))


def one_of(nats: Table) -> bool:
    """Whether one target, any of them with equal odds, being nonlinear is more probable than that none is."""
    return bool(np.logaddexp.reduce(nats) - math.log(len(nats)) > CHARGE)


def _best_beside(linear: LaggedNetwork, curved: LaggedNetwork, table: CurvedTerms, values: Series) -> Table:
    """Nats that the best term that is not a line would add to each target's lines: the additions of `prices.py`,
    without compiling a program for the whole table that linear systems never need."""
    layout, lag = table.layout, table.max_lag
    links = table.lagged(values)
    rows = len(links)
    places = np.arange(layout.columns)
    design = _standard(table.columns(links, places))
    targets = _standard(predicted_rows(values, lag))
    prior, ridge = curved.packed.prior, np.asarray(curved.packed.ridge)
    own = design[:, layout.singles :].reshape(rows, layout.blocks, layout.size)
    inner = np.einsum("tbm,tbk->bmk", own, own, optimize=True) + np.eye(layout.size) * ridge[-1]
    power = np.einsum("tk,tk->k", design, design)
    mask, active = np.asarray(linear.packed.mask), np.asarray(linear.packed.active)
    anywhere = np.unique(active[mask])
    products, moments = design[:, anywhere].T @ design, targets.T @ design
    best = np.full(len(targets.T), -np.inf)
    for target, (used, slots) in enumerate(zip(mask, active, strict=True)):
        lines = slots[used]
        outer = products[np.searchsorted(anywhere, lines)]
        inverse = np.linalg.inv(outer[:, lines] + np.diag(ridge[lines]))
        weight = inverse @ moments[target, lines]
        rss = rows * (1 + table.floor) - weight @ moments[target, lines]
        moment = moments[target] - weight @ outer
        schur = power + ridge - np.sum(outer * (inverse @ outer), axis=0)
        explained = np.minimum(moment**2 / (np.maximum(schur, ridge) * rss), ALMOST_ALL)
        single = -rows / 2 * np.log1p(-explained) - np.log(np.maximum(schur, ridge)) / 2 + np.log(ridge) / 2
        cross = outer[:, layout.singles :].reshape(len(lines), layout.blocks, layout.size)
        block = inner - np.einsum("sbm,st,tbk->bmk", cross, inverse, cross, optimize=True)
        left = moment[layout.singles :].reshape(layout.blocks, layout.size)
        share = np.einsum("bm,bm->b", left, np.linalg.solve(block, left[..., None])[..., 0]) / rss
        curve = -rows / 2 * np.log1p(-np.minimum(share, ALMOST_ALL)) - np.linalg.slogdet(block)[1] / 2
        curve += layout.size * np.log(ridge[-1]) / 2
        nats = np.concatenate([single[: layout.singles], curve]) + np.asarray(prior.log_odds)[target]
        nats = np.where(np.asarray(prior.allowed)[target], nats, -np.inf)[layout.lines :]
        best[target] = nats.max(initial=-np.inf)
    return best


def _standard(columns: Table) -> Table:
    scale = columns.std(axis=0)
    constant = scale < 1e-9
    return np.where(constant, 0.0, (columns - columns.mean(axis=0)) / np.where(constant, 1.0, scale))
