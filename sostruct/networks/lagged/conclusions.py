"""What a graph says about every candidate edge, from the tables its last epoch left: arithmetic on the host.

Nothing is factorized again. An active term's evidence is what pruning it would lose; a cause's, what pruning all of its
active terms together would lose (the block form of the prune price in `evidence.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sostruct.networks.lagged.moments import LaggedData
from sostruct.networks.lagged.packed import LaggedGains, PackedLagged
from sostruct.surprise import Signals

Table = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Conclusions:
    """Posterior and evidence of every candidate, standardized units, rows by target.

    Attributes:
        weight: posterior mean of each active weight; of an absent term, the mean it would have if it entered
            [target, term].
        weight_sd: posterior standard deviation of the same: Student-t with n degrees of freedom,
            `sqrt(rss / (n - 2) V)` with V = (A_S^-1)_ss, or 1 / d_k for a term that would enter.
        nats: what pruning an active term would lose, or what adding an absent one would gain, prior odds included;
            -inf for a forbidden term [target, term].
        summary: evidence for any edge from a cause, over all its lags: what removing its active terms together would
            lose; with none active, the log odds that exactly one of its lags enters [target, cause].
        active: whether the term is in the graph [target, term].
        noise_sd: standard deviation of the prediction error, `sqrt(rss / (n - 2))` [target].
        gains: the prices that all of this comes from.
    """

    weight: Table
    weight_sd: Table
    nats: Table
    summary: Table
    active: NDArray[np.bool_]
    noise_sd: Table
    gains: LaggedGains


def conclude(packed: PackedLagged, signals: Signals, data: LaggedData) -> Conclusions:
    """Conclusions from a network and the signals of its last epoch on `data`.

    Raises:
        TypeError: the signals are not those of a lagged network.
    """
    gains = signals.gains
    if not isinstance(gains, LaggedGains):
        raise TypeError("signals do not come from a lagged network")
    count = float(data.count)
    rss = np.asarray(packed.noise) * count
    mask, slots = np.asarray(packed.mask), np.asarray(packed.active)
    weights, inverse = np.asarray(packed.weight), np.asarray(packed.inverse)
    log_odds, causes = np.asarray(packed.prior.log_odds), np.asarray(packed.cause)
    entry = np.take_along_axis(np.log(np.asarray(packed.ridge)) / 2 + log_odds, slots, axis=1)
    target, slot = np.nonzero(mask)
    term = slots[target, slot]

    def removal(target: NDArray[np.int64], block: NDArray[np.int64]) -> Table:
        """Nats lost with the slots `block` [case, member] of the `target` [case]."""
        own = target[:, None]
        mean = weights[own, block]
        spread = inverse[own[..., None], block[:, :, None], block[:, None, :]]
        released = np.einsum("cm,cm->c", mean, np.linalg.solve(spread, mean[..., None])[..., 0])
        determinant = np.linalg.slogdet(spread)[1]
        lost: Table = count / 2 * np.log1p(released / rss[target]) + determinant / 2 + entry[own, block].sum(axis=1)
        return lost

    variance = np.diagonal(inverse, axis1=1, axis2=2)[target, slot]
    entering = 1 / np.asarray(gains.schur)
    weight = np.asarray(gains.residual_moment) * entering
    remaining = np.maximum(rss[:, None] - np.asarray(gains.residual_moment) * weight, 0.0)
    weight_sd = np.sqrt(remaining * entering / (count - 2))
    nats = np.array(gains.add)
    weight[target, term] = weights[target, slot]
    weight_sd[target, term] = np.sqrt(rss[target] * variance / (count - 2))
    nats[target, term] = removal(target, slot[:, None])
    active = np.zeros(nats.shape, bool)
    active[target, term] = True

    summary = _any_lag(np.asarray(gains.add), causes, packed.prior.required_cause.shape[1])
    members: dict[tuple[int, int], list[int]] = {}
    for own, place, cause in zip(target.tolist(), slot.tolist(), causes[term].tolist(), strict=True):
        members.setdefault((own, cause), []).append(place)
    for size in sorted({len(block) for block in members.values()}):
        pairs = np.array([pair for pair, block in members.items() if len(block) == size])
        blocks = np.array([block for block in members.values() if len(block) == size])
        summary[pairs[:, 0], pairs[:, 1]] = removal(pairs[:, 0], blocks)
    return Conclusions(weight, weight_sd, nats, summary, active, np.sqrt(rss / (count - 2)), gains)


def _any_lag(nats: Table, causes: NDArray[np.int64], variables: int) -> Table:
    """log sum over the terms of each cause of exp nats [target, cause]; -inf where every term is forbidden."""
    by_cause = np.argsort(causes, kind="stable").reshape(variables, -1)
    summed: Table = np.logaddexp.reduce(nats[:, by_cause], axis=2)
    return summed
