r"""Several lags of one cause that enter or leave together: moves for what no single lag pays for.

Where a series acts by its change, x(t-1) - x(t-2), and moves slowly, neither lag alone explains anything, and a search
by single edits ends before the first of them. So once no single edit raises the evidence of any target, groups are
priced: every two absent lags of a cause, and all of them, by the block form of `prices.py`,

    add B     -n/2 log(1 - r_B' D^-1 r_B / rss) - 1/2 log|D| + sum_B (1/2 log lam + q)
    prune B   -n/2 log(1 + b_B' P_BB^-1 b_B / rss) - 1/2 log|P_BB| - sum_B (1/2 log lam + q)

Each lag pays its own prior odds. Blocks D consist of the Schur complements d among an epoch's prices, and of those
between lags of one variable, `couplings` there. All of this is arithmetic on the host, at fixed points only. Another
lag in the place of one needs no group: it is a replacement like any other.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sostruct.networks.lagged.evidence import ALMOST_ALL
from sostruct.networks.lagged.packed import LaggedGains, PackedLagged
from sostruct.surprise import Signals

Table = NDArray[np.float64]

_PAYS = 1e-6
"""Nats from which a single edit pays, so that groups have to wait."""

_MOST = 2**22
"""Elements that blocks of all lags may have; in systems beyond it, groups have two lags."""


@dataclass(frozen=True, slots=True)
class Group:
    """Terms of one cause that enter a target, or leave it, together; nats of log evidence."""

    target: int
    terms: tuple[int, ...]
    enters: bool
    nats: float


def groups(packed: PackedLagged, signals: Signals) -> list[Group]:
    """The best groups of every target, of each sort one: two lags that enter, all lags, lags that leave; ascending by
    target. None while a single edit still pays somewhere, and none of blocks of columns.

    Args:
        packed: arrays after an epoch.
        signals: what the epoch reported.
    """
    gains = signals.gains
    assert isinstance(gains, LaggedGains)
    if packed.layout.blocks or float(np.max(np.asarray(gains.reducible))) > _PAYS:
        return []
    prices = _Prices(packed, signals, gains)
    found = [*prices.twos(), *prices.all_lags(), *prices.removals()]
    return sorted(found, key=lambda group: group.target)


class _Prices:
    """The tables of one epoch, on the host."""

    def __init__(self, packed: PackedLagged, signals: Signals, gains: LaggedGains) -> None:
        self.packed = packed
        self.variables = np.asarray(packed.prior.required_cause).shape[1]
        self.half = np.asarray(signals.count)[:, None] / 2
        self.rss = (np.asarray(signals.count) / np.asarray(signals.precision))[:, None]
        self.absent = np.isfinite(np.asarray(gains.add))
        self.schur, self.moment = np.asarray(gains.schur), np.asarray(gains.residual_moment)
        none = np.zeros((len(self.schur), 0))
        self.couplings = none if gains.couplings is None else np.asarray(gains.couplings)
        self.entry = np.log(np.asarray(packed.ridge)) / 2 + np.asarray(packed.prior.log_odds)

    def _distances(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], Table]]:
        """Pairs of terms of one cause, by distance of their lags: the earlier, the later, and their couplings."""
        terms, start = self.schur.shape[1], 0
        for shift in range(self.variables, terms, self.variables):
            one = np.arange(terms - shift)
            yield one, one + shift, self.couplings[:, start : start + len(one)]
            start += len(one)

    def twos(self) -> list[Group]:
        """The best two lags that enter together."""
        best = np.full(len(self.schur), -np.inf)
        pairs = np.zeros((len(best), 2), np.int64)
        rows = np.arange(len(best))
        for one, other, coupling in self._distances():
            first, second = self.schur[:, one], self.schur[:, other]
            left, right = self.moment[:, one], self.moment[:, other]
            determinant = first * second - coupling**2
            share = (second * left**2 - 2 * coupling * left * right + first * right**2) / determinant / self.rss
            nats = -self.half * np.log1p(-np.minimum(share, ALMOST_ALL)) - np.log(determinant) / 2
            nats += self.entry[:, one] + self.entry[:, other]
            nats = np.where(self.absent[:, one] & self.absent[:, other], nats, -np.inf)
            top = nats.argmax(axis=1)
            better = nats[rows, top] > best
            best = np.where(better, nats[rows, top], best)
            pairs[better] = np.stack([one[top], other[top]], axis=1)[better]
        return [
            Group(target, tuple(pairs[target].tolist()), True, float(best[target]))
            for target in np.flatnonzero(np.isfinite(best)).tolist()
        ]

    def all_lags(self) -> list[Group]:
        """The best cause of which all absent lags, three or more, enter together."""
        (targets, terms), variables = self.schur.shape, self.variables
        lags = terms // variables
        if lags < 3 or targets * terms * lags > _MOST:
            return []
        absent = self._by_cause(self.absent)
        blocks = np.zeros((targets, variables, lags, lags))
        place = np.arange(lags)
        blocks[..., place, place] = self._by_cause(self.schur)
        for distance, (_, _, coupling) in enumerate(self._distances(), start=1):
            near = place[: lags - distance]
            values = coupling.reshape(targets, len(near), variables).swapaxes(1, 2)
            blocks[..., near, near + distance] = blocks[..., near + distance, near] = values
        both = absent[..., :, None] & absent[..., None, :]
        blocks = np.where(both, blocks, np.eye(lags))
        moment = np.where(absent, self._by_cause(self.moment), 0.0)
        explained, halves = np.zeros((2, targets, variables))
        for lag in place:  # elimination: pivots multiply to the determinant, and each explains its share
            pivot = blocks[..., lag, lag]
            column = blocks[..., lag] / pivot[..., None]
            explained += moment[..., lag] ** 2 / pivot
            halves += np.log(pivot) / 2
            moment = moment - column * moment[..., lag, None]
            blocks = blocks - column[..., None] * blocks[..., lag, None, :]
        nats = -self.half * np.log1p(-np.minimum(explained / self.rss, ALMOST_ALL)) - halves
        nats += np.where(absent, self._by_cause(self.entry), 0.0).sum(axis=2)
        nats = np.where(absent.sum(axis=2) >= 3, nats, -np.inf)
        found = []
        for target, cause in enumerate(nats.argmax(axis=1).tolist()):
            if nats[target, cause] > -np.inf:
                members = (np.flatnonzero(absent[target, cause]) * variables + cause).tolist()
                found.append(Group(target, tuple(members), True, float(nats[target, cause])))
        return found

    def removals(self) -> list[Group]:
        """The best lags of one cause, two or all, that leave together."""
        packed = self.packed
        mask, active = np.asarray(packed.mask), np.asarray(packed.active)
        required, pinned = np.asarray(packed.prior.required), np.asarray(packed.prior.required_cause)
        members: dict[tuple[int, int], list[int]] = {}
        for target, slot in np.argwhere(mask).tolist():
            members.setdefault((target, int(active[target, slot]) % self.variables), []).append(slot)
        sized: dict[int, list[tuple[int, tuple[int, ...]]]] = {}
        for (target, cause), slots in members.items():
            free = [slot for slot in slots if not required[target, active[target, slot]]]
            for block in {*itertools.combinations(free, 2), tuple(free)}:
                if len(block) > 1 and not (pinned[target, cause] and len(block) == len(slots)):
                    sized.setdefault(len(block), []).append((target, block))
        best: dict[int, Group] = {}
        for size, cases in sorted(sized.items()):
            own = np.array([target for target, _ in cases])
            blocks = np.array([block for _, block in cases]).reshape(len(cases), size)
            terms = active[own[:, None], blocks].tolist()
            for target, group, nats in zip(own.tolist(), terms, self._removed(own, blocks).tolist(), strict=True):
                if target not in best or nats > best[target].nats:
                    best[target] = Group(target, tuple(group), False, nats)
        return list(best.values())

    def _removed(self, target: NDArray[np.int64], block: NDArray[np.int64]) -> Table:
        """Price of removing the slots `block` [case, member] of the `target` [case]."""
        packed, own = self.packed, target[:, None]
        weight = np.asarray(packed.weight)[own, block]
        spread = np.asarray(packed.inverse)[own[..., None], block[:, :, None], block[:, None, :]]
        released = np.einsum("cm,cm->c", weight, np.linalg.solve(spread, weight[..., None])[..., 0])
        entry = self.entry[own, np.asarray(packed.active)[own, block]].sum(axis=1)
        fit = self.half[target, 0] * np.log1p(released / self.rss[target, 0])
        nats: Table = -fit - np.linalg.slogdet(spread)[1] / 2 - entry
        return nats

    def _by_cause(self, table: NDArray[Any]) -> NDArray[Any]:
        """[target, term] as [target, cause, lag]."""
        return table.reshape(len(table), -1, self.variables).swapaxes(1, 2)
