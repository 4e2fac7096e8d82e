r"""Effects within one step: found in what the lagged parents leave of every series.

Where series act on each other faster than they are sampled, or share a cause that is, the residuals u of the lagged
regressions are correlated. The data decide whether any of this is looked for: if a system in which one pair, any of
them, has correlated residuals is more probable than one without, by the prior log odds `CHARGE` of `dictionary.py`.

**Which pairs.** Every residual is regressed on the others, with the evidence and the search of the lagged network
(neighborhood selection: Meinshausen & Buhlmann 2006, Ann. Stat. 34). A pair's nats are the mean of its two prices; its
partial correlation is `sign(b_ij) sqrt(b_ij b_ji)` where both weights agree in sign.

**Which direction.** In Gaussian data either fits as well, and the pair is reported undirected. Otherwise, with the
approximation H of entropy by Hyvarinen (1998, NIPS 10) and r the correlation of two standardized residuals u_i and u_j,

    n [H(u_j) + H((u_i - r u_j) / s) - H(u_i) - H((u_j - r u_i) / s)],    s = sqrt(1 - r^2),

is about the log likelihood ratio of i -> j to j -> i, nats (Hyvarinen & Smith 2013, JMLR 14). Series that are connected
by pairs are ordered by it (DirectLiNGAM: Shimizu et al. 2011, JMLR 12), and the order is refined: one series after the
other is moved to where the likelihood of all is highest. If of every linked pair one at least is
distinctly not Gaussian, links at lag 0 are offered to the search along that order, beside all lagged ones: the lagged
graph changes with them, since a cause of a cause within the step is no longer taken for a lagged one.

What it assumes: no hidden common cause of series at the same step (its pair is taken for a link), and no feedback
within a step. Where mechanisms are curved, pairs are reported but not ordered.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from sostruct.discovery.dictionary import CHARGE
from sostruct.networks.lagged.conclusions import conclude
from sostruct.networks.lagged.evidence import ALMOST_ALL
from sostruct.networks.lagged.fixed_point import searched
from sostruct.networks.lagged.moments import LaggedData
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.networks.lagged.segments import Series, predicted_rows
from sostruct.networks.lagged.terms import AbstractTerms, LinearTerms
from sostruct.networks.lagged.weighted import of_target

DISTINCT = math.log(100.0)
"""Nats of negentropy, over all rows, from which a residual is distinctly not Gaussian: one in a hundred that is
Gaussian has more."""

_MOST_MOVED = 20
"""Series that a connected group may have for its order to be refined: that takes some of their cube in passes."""

_LEAST = 1e-9

Table = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pairs:
    """What correlated residuals say of every pair of series, symmetric.

    Attributes:
        nats: log odds of a link within the step [series, series]; -inf on the diagonal.
        partial: partial correlation of the residuals given all others that are linked to either [series, series].
    """

    nats: Table
    partial: Table

    @property
    def linked(self) -> NDArray[np.bool_]:
        """The pairs that are more probably linked than not [series, series]."""
        return self.nats > 0


@dataclass(frozen=True, eq=False)
class Directions:
    """What the shapes of residuals say of directions.

    Attributes:
        nats: log likelihood ratio of cause -> target to the reverse [target, cause].
        precedes: series that may act on which within a step [target, cause].
    """

    nats: Table
    precedes: NDArray[np.bool_]


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
    return Pairs(nats, np.clip(partial, -1.0, 1.0))


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


def directions(values: Series, network: LaggedNetwork, data: LaggedData) -> Directions | None:
    """Directions of effects within a step; None where residuals are not correlated.

    Args:
        values: the series [time, variable], or one per realization.
        network: a lagged network after an epoch on `data`.
        data: its statistics.
    """
    found = pairs(network, data)
    if found is None:
        return None
    left = residuals(values, network, data)
    ratio = np.zeros(found.nats.shape)
    precedes = np.zeros(found.nats.shape, bool)
    clusters = sorted(map(sorted, nx.connected_components(nx.from_numpy_array(found.linked))))
    for members in clusters:
        if len(members) == 1:
            continue
        own, linked = left[:, members], found.linked[np.ix_(members, members)]
        ratio[np.ix_(members, members)] = np.where(linked, len(own) * _ratios(own).T, 0.0)
        order, independent = _refined(own, _ordered(own))
        gaussian = len(own) * (_GAUSSIAN - _entropy(independent)) <= DISTINCT
        if not (linked & gaussian[:, None] & gaussian).any() and isinstance(network.terms, LinearTerms):
            rank = np.argsort(order)
            precedes[np.ix_(members, members)] = rank[:, None] > rank
    return Directions(ratio, precedes)


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


def offered(
    values: Series, terms: AbstractTerms | None, network: LaggedNetwork, settings: Mapping[str, Any]
) -> LaggedNetwork:
    """The network with links at lag 0 along the order of the series, if the data ask for them; and with what is known
    of directions.

    Args:
        values: the series [time, variable], or one per realization.
        terms: the curved table that was chosen, or None.
        network: the bare network, with weights of rows or without.
        settings: as of `LaggedNetwork.bare`.
    """
    data = network.prepare(values)
    found = directions(values, searched(network, data)[0], data)
    if found is None:
        return network
    names, lags = network.terms.variables, network.terms.max_lag
    if terms is not None or not found.precedes.any():
        return network.directed(found.nats)
    table = LinearTerms(names, lags, instant=True)
    ordered = LaggedNetwork.bare(names, lags, terms=table, precedes=found.precedes, **settings)
    return ordered.weighted(network.weights, network.noise).directed(found.nats)


_GAUSSIAN = (1 + math.log(2 * math.pi)) / 2


def _entropy(columns: Table) -> Table:
    """Approximate differential entropy of standardized columns, nats (Hyvarinen 1998, with his constants)."""
    curve = np.log(np.cosh(np.clip(columns, -300, 300))).mean(axis=0) - 0.37457
    bump = (columns * np.exp(-(columns**2) / 2)).mean(axis=0)
    entropy: Table = _GAUSSIAN - 79.047 * curve**2 - 7.4129 * bump**2
    return entropy


def _ratios(columns: Table) -> Table:
    """Log likelihood ratio per row of i -> j to j -> i, for standardized columns [i, j]."""
    correlation = np.clip(columns.T @ columns / len(columns), -ALMOST_ALL, ALMOST_ALL)
    entropy = _entropy(columns)
    found = np.zeros(correlation.shape)
    for one, own in enumerate(correlation):
        width = np.sqrt(1 - own**2)
        forward = _entropy((columns - columns[:, [one]] * own) / width)
        backward = _entropy((columns[:, [one]] - columns * own) / width)
        found[one] = entropy + backward - entropy[one] - forward
        found[one, one] = 0.0
    return found


def _refined(columns: Table, order: list[int]) -> tuple[list[int], Table]:
    """The order from which moving no single series raises the likelihood, and what each series has of its own under it,
    in the given order of columns, standardized.

    With e_j what the series before j leave of it, the log likelihood of an order is `-n sum_j H(e_j / sd)` and what all
    orders share: the product of the sds is the determinant of the covariance. The greedy order takes one series after
    the other and corrects nothing; beyond `_MOST_MOVED` series it is kept.
    """
    best = _entropy(_independent(columns, order)).sum()
    improved = len(order) <= _MOST_MOVED
    while improved:
        improved = False
        for series in range(len(order)):
            others = [other for other in order if other != series]
            for place in range(len(order)):
                moved = [*others[:place], series, *others[place:]]
                entropy = _entropy(_independent(columns, moved)).sum() if moved != order else best
                if entropy < best - _LEAST:
                    best, order, improved = entropy, moved, True
    found = np.empty(columns.shape)
    found[:, order] = _independent(columns, order)
    return order, found


def _independent(columns: Table, order: list[int]) -> Table:
    """What the columns before it leave of each, in that order, standardized (Gram-Schmidt)."""
    basis: Table = np.linalg.qr(columns[:, order])[0] * math.sqrt(len(columns))
    return basis


def _ordered(columns: Table) -> list[int]:
    """Causal order, first the series that none of the others acts on."""
    left = columns.copy()
    rest, order = list(range(columns.shape[1])), []
    while rest:
        ratios = _ratios(left[:, rest])
        first = rest.pop(int(np.argmin((np.minimum(ratios, 0.0) ** 2).sum(axis=1))))
        order.append(first)
        source = left[:, first]
        for other in rest:
            remainder = left[:, other] - (left[:, other] @ source) / (source @ source) * source
            left[:, other] = remainder / remainder.std()
    return order
