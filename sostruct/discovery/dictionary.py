"""Which terms a target is offered: lines at all lags, or curves and products up to some lag. The data decide.

Most systems do with lines, and a search among hundreds of products that are not needed costs time and some accuracy. So
a graph of lines is found first. Then every curve and every product is priced beside it (`prices.py`: what it would
add). If the best of them raises the log evidence of some target by more than the prior log odds that a system is
linear, the system is taken to be nonlinear.

Lags are substitutes for functions where a flow is sampled finely, and a search that may use both at once gets stuck
among the wrong ones. So every target is searched with the terms up to lag 1, up to lag 2, ... and has the horizon with
the highest evidence, the number of terms to choose among included. The search proper starts from the bare graph again,
with the tables that were chosen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from sostruct.networks.lagged.curved import CurvedTerms
from sostruct.networks.lagged.evidence import ALMOST_ALL
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.surprise import Signals

CHARGE = math.log(20.0)
"""Prior log odds that a system is linear: of twenty, one is not."""

_MOST_EPOCHS = 100

Table = NDArray[np.float64]


def offered(
    values: Table,
    variables: Sequence[str],
    max_lag: int,
    settings: Mapping[str, Any],
) -> CurvedTerms | None:
    """The table of curves and products if the data ask for it and it is not too large.

    Args:
        values: the series [time, variable].
        variables, max_lag, settings: as of `LaggedNetwork.bare`.
    """
    table = CurvedTerms.fitted(variables, max_lag, values)
    if table is None or len(values) - max_lag <= 2 * (table.layout.size + 1):
        return None
    linear, _ = _searched(LaggedNetwork.bare(variables, max_lag, **settings), values)
    curved = LaggedNetwork.bare(variables, max_lag, terms=table, **settings)
    best = _best_beside(linear, curved, table, values)
    return table if best.max(initial=-np.inf) > CHARGE else None


def horizons(values: Table, table: CurvedTerms, settings: Mapping[str, Any]) -> tuple[int, ...]:
    """The largest lag of the terms of every target, by the evidence of the graphs that are found with it [target].

    Args:
        values: the series [time, variable].
        table: the terms.
        settings: as of `LaggedNetwork.bare`.
    """
    evidence = []
    for horizon in range(1, table.max_lag + 1):
        reach = [horizon] * len(table.variables)
        network = LaggedNetwork.bare(table.variables, table.max_lag, terms=table, horizon=reach, **settings)
        found, signals = _searched(network, values)
        held = np.zeros(found.packed.prior.log_odds.shape, bool)
        mask = np.asarray(found.packed.mask)
        held[np.nonzero(mask)[0], table.layout.term_of(np.asarray(found.packed.active)[mask])] = True
        structure = np.where(held, np.asarray(found.packed.prior.log_odds), 0.0).sum(axis=1)
        evidence.append(structure - np.asarray(signals.surprise))
    return tuple((np.argmax(evidence, axis=0) + 1).tolist())


def _searched(network: LaggedNetwork, values: Table) -> tuple[LaggedNetwork, Signals]:
    """The fixed point of the best edit per target, as the default rule finds it, and the signals of its last epoch."""
    data, key = network.prepare(values), jax.random.key(0)
    for _ in range(_MOST_EPOCHS):
        network, signals = network.epoch(data, key=key)
        found = network.candidates(signals, best=1, moves=frozenset({"add", "prune", "rewire"}))
        edits = [edit for candidate in found if candidate.nats > 1e-6 for edit in candidate.edits]
        if not edits:
            break
        network = network.edited(edits, key=key)
    return network, signals


def _best_beside(linear: LaggedNetwork, curved: LaggedNetwork, table: CurvedTerms, values: Table) -> Table:
    """Nats that the best term that is not a line would add to each target's lines."""
    layout, lag = table.layout, table.max_lag
    links = table.lagged(values)
    rows = len(links)
    places = np.arange(layout.columns)
    design = _standard(table.columns(links, places))
    targets = _standard(values[lag:])
    prior, ridge = curved.packed.prior, np.asarray(curved.packed.ridge)
    own = design[:, layout.singles :].reshape(rows, layout.blocks, layout.size)
    inner = np.einsum("tbm,tbk->bmk", own, own, optimize=True) + np.eye(layout.size) * ridge[-1]
    power = np.einsum("tk,tk->k", design, design)
    mask, active = np.asarray(linear.packed.mask), np.asarray(linear.packed.active)
    best = np.full(len(targets.T), -np.inf)
    for target, (used, slots) in enumerate(zip(mask, active, strict=True)):
        lines = slots[used]
        chosen = design[:, lines]
        outer = chosen.T @ design
        inverse = np.linalg.inv(outer[:, lines] + np.diag(ridge[lines]))
        series = targets[:, target]
        weight = inverse @ (chosen.T @ series)
        residual = series - chosen @ weight
        rss = rows * (1 + table.floor) - weight @ (chosen.T @ series)
        moment = residual @ design
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
