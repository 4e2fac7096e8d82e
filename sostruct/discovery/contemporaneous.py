r"""Effects within one step: found in what the lagged parents leave of every series.

Where series act on each other faster than they are sampled, or share a cause that is, the residuals u of the lagged
regressions are correlated. The data decide whether any of this is looked for: if a system in which one pair, any of
them, has correlated residuals is more probable than one without, by the prior log odds `CHARGE` of `dictionary.py`.

**Which pairs.** Every residual is regressed on the others, with the evidence and the search of the lagged network
(neighborhood selection: Meinshausen & Buhlmann 2006, Ann. Stat. 34). A pair's nats are the mean of its two prices; its
partial correlation is `sign(b_ij) sqrt(b_ij b_ji)` where both weights agree in sign.

**Which direction.** For every set of the series that a series is paired with, as its causes within the step, the best
lagged parents are searched (`networks/lagged/alternatives.py`); `mixed.py` finds the graph of directed effects and
hidden common causes that is most probable. Of each direction of a pair it keeps the log odds, against the reverse and a
hidden common cause together. Effects of the best graph whose direction has odds of a hundred to one are offered to the
search at lag 0, beside all lagged ones: the lagged graph changes with them, since a cause of a cause within the step is
no longer taken for a lagged one. Where neither direction has odds of one to twenty, a hidden common cause is proposed,
and the pair is bidirected; the others are undirected.

What it assumes: no feedback within a step, and hidden common causes without memory: one that persists acts through the
past of all its effects. With gaps, where mechanisms are curved, and in systems of thousands of series, pairs are
reported without directions; of curved ones, the shapes of single pairs say which is more probable.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from sostruct.discovery.dictionary import CHARGE
from sostruct.discovery.orientation import by_shapes, directions
from sostruct.networks.lagged.conclusions import conclude
from sostruct.networks.lagged.evidence import ALMOST_ALL
from sostruct.networks.lagged.fixed_point import Search, searched
from sostruct.networks.lagged.moments import LaggedData
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.networks.lagged.segments import Series, predicted_rows
from sostruct.networks.lagged.terms import AbstractTerms, LinearTerms
from sostruct.networks.lagged.weighted import of_target

SURE = math.log(100.0)
"""Log odds from which a direction within the step is known."""

EXCLUDED = math.log(20.0)
"""Log odds against both directions from which a hidden common cause is proposed."""

Table = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pairs:
    """What correlated residuals say of every pair of series, symmetric.

    Attributes:
        nats: log odds of a link within the step [series, series]; -inf on the diagonal.
        partial: partial correlation of the residuals given all others that are linked to either [series, series].
        alone: evidence for a correlation of the two, whatever others say: without prior odds [series, series].
    """

    nats: Table
    partial: Table
    alone: Table

    @property
    def linked(self) -> NDArray[np.bool_]:
        """The pairs that are more probably linked than not [series, series]."""
        return self.nats > 0


def pairs(network: LaggedNetwork, data: LaggedData) -> Pairs | None:
    """The pairs whose residuals are correlated; None if no pair's are, all pairs considered.

    Args:
        network: a lagged network after an epoch on `data`.
        data: standardized statistics.
    """
    products = _residual_products(network, data)
    count, size = float(data.count if network.weights is None else len(network.weights.rows)), len(products)
    scale = np.sqrt(np.diag(products) + count * float(data.floor))
    products = count * products / (scale[:, None] * scale)
    np.fill_diagonal(products, count)
    upper = np.triu_indices(size, 1)
    ridge = float(np.asarray(network.packed.ridge)[0])
    explained = np.minimum(products[upper] ** 2 / ((count + ridge) * count), ALMOST_ALL)
    each = -count / 2 * np.log1p(-explained) - math.log((count + ridge) / ridge) / 2
    if np.logaddexp.reduce(each) - math.log(len(each)) <= CHARGE:
        return None
    names = network.terms.variables
    others = LaggedData(
        gram=products,
        cross=products.copy(),
        power=np.full(size, count),
        targets=products.copy(),
        count=np.asarray(count),
        term_mean=np.zeros(size),
        term_scale=np.ones(size),
        target_mean=np.zeros(size),
        target_scale=np.ones(size),
        slope=np.tile([1.0, 0.0], (size, 1)),
        floor=np.asarray(0.0),
    )
    # the one link of every series here stands for its residual at the same step
    bare = LaggedNetwork.bare(names, 1, ridge=ridge, forbidden=[(name, name) for name in names])
    found = conclude(*searched(bare, others), others)
    weight = np.where(found.active, found.weight, 0.0)
    both = weight * weight.T
    partial = np.sign(weight) * np.sqrt(np.maximum(both, 0.0))
    nats = (found.nats + found.nats.T) / 2
    np.fill_diagonal(nats, -np.inf)
    alone = np.full(nats.shape, -np.inf)
    alone[upper] = each
    return Pairs(nats, np.clip(partial, -1.0, 1.0), np.maximum(alone, alone.T))


def _residual_products(network: LaggedNetwork, data: LaggedData) -> Table:
    """U'U of the residuals of standardized targets [target, target]: `Y'Y - W C' - C W' + W G W'`; where rows are
    weighted, of `sqrt(v) u` with the weights v of each series: outliers that fall together by chance, and bursts that
    two series share, do not make them correlated."""
    if network.weights is not None:
        left = residuals(network.weights.segments, network, data) * np.sqrt(network.weights.rows)
        own: Table = left.T @ left
        return own
    packed = network.packed
    mask = np.asarray(packed.mask)
    target = np.nonzero(mask)[0]
    cross = np.asarray(data.cross)
    weights = csr_array((np.asarray(packed.weight)[mask], (target, np.asarray(packed.active)[mask])), cross.shape)
    predicted = weights @ cross.T
    explained = weights @ (weights @ np.asarray(data.gram)).T
    products: Table = np.asarray(data.targets) - predicted - predicted.T + explained
    return products


def mark_of(forward: float, backward: float) -> str:
    """The mark of a link within the step, from the log odds of its two directions (-inf where one is forbidden).

    Directed where one direction has odds of a hundred to one, or is the only one allowed and has more than one to
    twenty; bidirected where neither has as much; undirected else.
    """
    if max(forward, backward) <= -EXCLUDED:
        return "bidirected"
    known = max(forward, backward) >= SURE or min(forward, backward) == -math.inf
    return "directed" if known else "undirected"


def toward(nats: Table, direction: Table) -> Table:
    """Evidence for an effect within the step: log odds of a link, of either direction or none, less what is to be said
    against this direction, from the log odds of the direction."""
    found: Table = nats - np.logaddexp(0.0, -direction)
    return found


def residuals(values: Series, network: LaggedNetwork, data: LaggedData) -> Table:
    """What the parents leave of every series, rows L..T-1 of every realization, standardized [row, series]."""
    left = unexplained(values, network, data)
    found: Table = (left - left.mean(axis=0)) / left.std(axis=0)
    return found


def unexplained(values: Series, network: LaggedNetwork, data: LaggedData) -> Table:
    """The same in units of the standardized targets, around the fitted means [row, series]."""
    terms, packed = network.terms, network.packed
    links = terms.lagged(values)
    left: Table = (predicted_rows(values, terms.max_lag) - np.asarray(data.target_mean)) / np.asarray(data.target_scale)
    rows = zip(np.asarray(packed.mask), np.asarray(packed.active), np.asarray(packed.weight), strict=True)
    for target, (mask, active, weight) in enumerate(rows):
        columns = active[mask]
        mean, scale = of_target(data.term_mean, target), of_target(data.term_scale, target)
        left[:, target] -= (terms.columns(links, columns) - mean[columns]) / scale[columns] @ weight[mask]
    return left


def offered(search: Search, terms: AbstractTerms | None, settings: Mapping[str, Any]) -> LaggedNetwork:
    """The network with the probable effects within the step at lag 0, if the data ask for them; and with what is known
    of directions.

    Args:
        search: from the bare network, with weights of rows or without.
        terms: the curved table that was chosen, or None.
        settings: as of `LaggedNetwork.bare`.
    """
    values, network, data, lagged = search.values, search.network, search.data, search.found
    found = pairs(lagged, data)
    if found is None or not found.linked.any():
        return network
    if terms is not None:
        return network.directed(by_shapes(residuals(values, lagged, data), found.linked))
    names, lags = network.terms.variables, network.terms.max_lag
    table = LinearTerms(names, lags, instant=True)
    every = ~np.eye(len(names), dtype=bool)
    free = LaggedNetwork.bare(names, lags, terms=table, precedes=every, **settings)
    direction, precedes = directions(values, found.nats, found.alone, lagged, free)
    precedes &= direction >= SURE
    if not precedes.any():
        return network.directed(direction)
    within = LaggedNetwork.bare(names, lags, terms=table, precedes=precedes, **settings)
    return within.weighted(network.weights, network.noise).directed(direction)
