"""What a graph says about every candidate edge, from the tables its last epoch left: arithmetic on the host.

Nothing is factorized again. A link's evidence is what the graph would lose without all active terms that touch it (the
block form of the prune price in `prices.py`), and a cause's, what it would lose without all that touch any of its lags.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sostruct.networks.lagged.moments import LaggedData
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.networks.lagged.packed import LaggedGains
from sostruct.networks.lagged.weighted import by_target
from sostruct.surprise import Signals

Table = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Conclusions:
    """Posterior and evidence of every candidate link, standardized units, rows by target.

    Attributes:
        weight: posterior mean of the effect's slope along each link, averaged over the rows: of a line, its weight. Of
            an absent link, the weight it would have as a line if it entered [target, link].
        weight_sd: posterior standard deviation of the same: Student-t with n degrees of freedom,
            `sqrt(rss / (n - 2) V)` with V = f' A_S^-1 f for slopes f, or 1 / d_k for a line that would enter.
        nats: what pruning every active term of the link together would lose; of an absent one, the log odds that
            exactly one of its terms enters, prior odds included; -inf for a forbidden link [target, link].
        summary: the same for all lags of a cause [target, cause].
        active: whether the link is in the graph [target, link].
        functions: kinds of its active terms, e.g. "line" or "line + product"; empty where there are none
            [target, link].
        noise_sd: standard deviation of the prediction error, `sqrt(rss / (n - 2))` without the noise floor [target].
        gains: the prices that all of this comes from.
    """

    weight: Table
    weight_sd: Table
    nats: Table
    summary: Table
    active: NDArray[np.bool_]
    functions: np.ndarray[Any, np.dtype[Any]]
    noise_sd: Table
    gains: LaggedGains


def conclude(network: LaggedNetwork, signals: Signals, data: LaggedData) -> Conclusions:
    """Conclusions from a network and the signals of its last epoch on `data`.

    Raises:
        TypeError: the signals are not those of a lagged network.
    """
    gains = signals.gains
    if not isinstance(gains, LaggedGains):
        raise TypeError("signals do not come from a lagged network")
    packed, terms = network.packed, network.terms
    layout, variables, links = terms.layout, len(terms.variables), len(terms.links)
    count = np.broadcast_to(np.asarray(data.count), packed.noise.shape)
    scale = by_target(data.term_scale, len(count))
    rss = np.asarray(packed.noise) * count
    unexplained = np.maximum(rss - count * float(data.floor), 0.0)
    mask, columns = np.asarray(packed.mask), np.asarray(packed.active)
    weights, inverse = np.asarray(packed.weight), np.asarray(packed.inverse)
    slot_term = layout.term_of(columns)
    first = mask & (columns == layout.first[slot_term])
    entry = np.log(np.asarray(packed.ridge))[columns] / 2
    entry += np.where(first, np.take_along_axis(np.asarray(packed.prior.log_odds), slot_term, axis=1), 0.0)

    def removal(target: NDArray[np.int64], block: NDArray[np.int64]) -> Table:
        """Nats lost with the slots `block` [case, member] of the `target` [case]."""
        own = target[:, None]
        mean = weights[own, block]
        spread = inverse[own[..., None], block[:, :, None], block[:, None, :]]
        released = np.einsum("cm,cm->c", mean, np.linalg.solve(spread, mean[..., None])[..., 0])
        determinant = np.linalg.slogdet(spread)[1]
        gained = determinant / 2 + entry[own, block].sum(axis=1)
        lost: Table = count[target] / 2 * np.log1p(released / rss[target]) + gained
        return lost

    touched = terms.touched
    ends = _distinct(touched)
    line = scale[:, :links] / np.asarray(data.slope)[:links, 0]
    entering = 1 / np.asarray(gains.schur)[:, :links]
    moment = np.asarray(gains.residual_moment)[:, :links]
    weight = moment * entering
    remaining = np.maximum(unexplained[:, None] - moment * weight, 0.0)
    freedom = count - 2
    weight_sd = np.sqrt(remaining * entering / freedom[:, None])
    nats = _either(np.asarray(gains.add), touched, ends, links)
    active = np.zeros(nats.shape, bool)
    causes = touched % variables
    summary = _either(np.asarray(gains.add), causes, _distinct(causes), variables)

    by_link: dict[tuple[int, int], list[tuple[int, float]]] = {}
    by_cause: dict[tuple[int, int], list[int]] = {}
    kinds: dict[tuple[int, int], set[str]] = {}
    slope = np.asarray(data.slope)
    for target, slot in np.argwhere(mask).tolist():
        term, column = slot_term[target, slot], columns[target, slot]
        for end, counts in ends:
            if counts[term]:
                link = int(touched[term, end])
                by_link.setdefault((target, link), []).append(
                    (slot, float(slope[column, end] / scale[target, column] * line[target, link]))
                )
                kinds.setdefault((target, link), set()).add(terms.terms[term].kind)
        for cause in {int(link) % variables for link in touched[term]}:
            by_cause.setdefault((target, cause), []).append(slot)
    _fill(nats, {pair: [slot for slot, _ in block] for pair, block in by_link.items()}, removal)
    _fill(summary, by_cause, removal)
    functions = np.full(nats.shape, "", dtype="<U24")
    for (target, link), block in by_link.items():
        slots, factors = [slot for slot, _ in block], np.array([factor for _, factor in block])
        active[target, link] = True
        functions[target, link] = " + ".join(sorted(kinds[target, link]))
        weight[target, link] = factors @ weights[target, slots]
        variance = factors @ inverse[target][np.ix_(slots, slots)] @ factors
        weight_sd[target, link] = np.sqrt(unexplained[target] * variance / freedom[target])
    return Conclusions(weight, weight_sd, nats, summary, active, functions, np.sqrt(unexplained / freedom), gains)


def _fill(
    table: Table,
    members: dict[tuple[int, int], list[int]],
    removal: Callable[[NDArray[np.int64], NDArray[np.int64]], Table],
) -> None:
    """Puts what removing each block of slots would lose in its place, blocks of one size at a time."""
    for size in sorted({len(block) for block in members.values()}):
        pairs = np.array([pair for pair, block in members.items() if len(block) == size])
        blocks = np.array([block for block in members.values() if len(block) == size])
        table[pairs[:, 0], pairs[:, 1]] = removal(pairs[:, 0], blocks)


def _distinct(touched: NDArray[np.int64]) -> list[tuple[int, NDArray[np.bool_]]]:
    return [(0, np.ones(len(touched), bool)), (1, touched[:, 0] != touched[:, 1])]


def _either(nats: Table, touched: NDArray[np.int64], ends: list[tuple[int, NDArray[np.bool_]]], size: int) -> Table:
    """log sum of exp nats over the terms that touch each of `size` places; -inf where every term is forbidden."""
    summed = np.full((len(nats), size), -np.inf)
    for end, counts in ends:
        rows = np.arange(len(nats))[:, None]
        np.logaddexp.at(summed, (rows, touched[counts, end]), nats[:, counts])
    return summed
