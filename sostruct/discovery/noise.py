r"""What the noise of every series is like, and what that makes of its rows.

Bursts and outliers tell less about weights than quiet rows do, and counted alike they drown them. After a search with
all rows alike, the residuals of every series are compared under three kinds of noise, each at its best scale:

- *gaussian*: of one variance;
- *student*: of one scale, with heavy tails (`tails.py`);
- *volatile*: of a scale that a belief network predicts (`volatility.py`), with or without heavy tails.

The evidence is the density of the residuals, what is unknown of their noise averaged out; of volatile noise, by
one-step predictions. If a system in which the noise of one series, any of them, is not Gaussian is more probable than
one without, by the prior log odds `CHARGE` of `dictionary.py`, every series has the kind with the highest evidence, and
Gaussian noise unless that is ahead by as much.
Rows then get the weights that follow from it, the graph is searched again on weighted statistics
(`networks.lagged.weighted`), and so on from the new residuals, until the graph stands, `ROUNDS` times at most.
Weighting needs no more of the noise than roughly where it is strong; nothing else about the search changes.

Curves and products approximate a mechanism. What they leave of it is strong where they are poor, which looks like
changing noise and is none: weighting would believe them where they happen to fit. So with curves rows count alike,
unless the user says otherwise; but curves that only Gaussian noise asks for are not used (`still_curved`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import numpy as np
from numpy.typing import NDArray

from sostruct.discovery.contemporaneous import residuals
from sostruct.discovery.dictionary import CHARGE, evidence_by_target, horizons, one_of
from sostruct.discovery.tails import gaussian_density, tailed, tails
from sostruct.discovery.volatility import changing, volatility
from sostruct.networks.lagged.curved import CurvedTerms
from sostruct.networks.lagged.fixed_point import Search, searched
from sostruct.networks.lagged.moments import LaggedData
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.networks.lagged.segments import Series, segments_of
from sostruct.networks.lagged.weighted import KINDS, Noise, Weights, fits

ROUNDS = 4
"""Searches with weights, at most."""

Table = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RowNoise:
    """The noise of every series, and what its rows are worth.

    Attributes:
        noise: its kinds and their evidence.
        rows: weights of the rows [row, series].
        foreseen: the part of them that does not come from the row itself [row, series].
        share: what a row is worth of what its weight says [series].
    """

    noise: Noise
    rows: Table
    foreseen: Table
    share: Table

    @property
    def alike(self) -> bool:
        """Whether all rows are."""
        return not self.noise.kind.any()


def reweighted(search: Search, noise: str) -> tuple[Search, Noise | None]:
    """The search with the weights of the rows, if the data ask for any; and what the noise is like, where that was
    asked.

    Args:
        search: on complete series.
        noise: "auto", or the kind that every series is to have.
    """
    if noise == "gaussian" or not fits(search.network.terms):
        return search, None
    values, alike = search.values, search if search.network.weights is None else None
    lengths = _lengths(values, search.network)
    for _ in range(ROUNDS):
        now = fitted(residuals(values, search.found, search.data), noise, lengths)
        if now.alike:
            return alike or Search(values, search.network.weighted(None)), now.noise
        rows, foreseen = (own / own.mean(axis=0) for own in (now.rows, now.foreseen))
        weights = Weights(segments_of(values), rows, foreseen, now.share)
        before, search = search, Search(values, search.network.weighted(weights, now.noise))
        if search.found.topology == before.found.topology:
            break
    return search, now.noise


def still_curved(
    values: Series, choice: tuple[CurvedTerms, tuple[int, ...]], network: LaggedNetwork, settings: Mapping[str, Any]
) -> bool:
    """Whether curves and products that are asked for where all rows count alike pay as well on rows weighted by the
    noise of lines: outliers and bursts can look like curvature. Tables too large for weights are not asked again.

    Args:
        values: the complete series [time, variable], or one per realization.
        choice: as of `dictionary.chosen`.
        network: the bare network of lines.
        settings: as of `LaggedNetwork.bare`.
    """
    table, reach = choice
    if not fits(table):
        return True
    names, lags = network.terms.variables, network.terms.max_lag
    nearest, _ = horizons(_floored(network.prepare(values), table), network.terms, settings)
    near = Search(values, LaggedNetwork.bare(names, lags, horizon=nearest, **settings))
    lines = reweighted(near, "auto")[0].network
    if lines.weights is None:
        return True
    curves = LaggedNetwork.bare(names, lags, terms=table, horizon=reach, **settings).weighted(lines.weights)
    without = evidence_by_target(*searched(lines, _floored(lines.prepare(values), table)))
    return one_of(evidence_by_target(*searched(curves, curves.prepare(values))) - without)


def _floored(data: LaggedData, table: CurvedTerms) -> LaggedData:
    """The same statistics with the noise floor of the curves, so that evidence compares."""
    found: LaggedData = eqx.tree_at(lambda one: one.power, data, np.asarray(data.power) * (1 + table.floor))
    return found


def _lengths(values: Series, network: LaggedNetwork) -> tuple[int, ...]:
    """Rows with a complete past of every realization."""
    return tuple(len(table) - network.terms.max_lag for table in segments_of(values))


def fitted(left: Table, noise: str, lengths: tuple[int, ...] = ()) -> RowNoise:
    """The noise that residuals [row, series] come from, of realizations with so many rows each; of one when empty."""
    base, size = gaussian_density(left), left.shape[1]
    auto = noise == "auto"
    heavy = np.flatnonzero(tailed(left) if auto else np.full(size, noise == "student"))
    moving = np.flatnonzero(changing(left) if auto else np.full(size, noise == "volatile"))
    tail = tails(left[:, heavy]) if len(heavy) else None
    change = volatility(left[:, moving], lengths) if len(moving) else None
    nats = np.full((size, len(KINDS)), -np.inf)
    nats[:, 0] = 0.0
    if tail is not None:
        nats[heavy, 1] = tail.evidence - base[heavy]
    if change is not None:
        nats[moving, 2] = change.evidence - base[moving]
    if auto:
        either = np.logaddexp.reduce(nats[:, 1:], axis=1) - math.log(2.0)
        distinct = (nats.max(axis=1) > CHARGE) & one_of(either)
        kind = np.where(distinct, nats.argmax(axis=1), 0)
    else:
        kind = np.full(size, KINDS.index(noise))
    rows, foreseen, share = np.ones(left.shape), np.ones(left.shape), np.ones(size)
    freedom = np.full(size, np.inf)
    if tail is not None:
        chosen = kind[heavy] == KINDS.index("student")
        place = heavy[chosen]
        rows[:, place] = tail.weights(left[:, heavy])[:, chosen]
        share[place], freedom[place] = tail.share[chosen], tail.freedom[chosen]
    if change is not None:
        own = left[:, moving]
        around = change.around
        light = gaussian_density(own, change.weighing) > around.evidence
        calm = np.exp(-change.weighing)
        both = np.where(light, calm, around.weights(own, change.weighing))
        chosen = kind[moving] == KINDS.index("volatile")
        place = moving[chosen]
        rows[:, place], foreseen[:, place] = both[:, chosen], calm[:, chosen]
        share[place] = np.where(light, 1.0, around.share)[chosen]
        freedom[place] = np.where(light, np.inf, around.freedom)[chosen]
    return RowNoise(Noise(kind, nats, freedom), rows, foreseen, share)
