"""Many searches of one system at once, each with other effects within the step held fixed.

Which lagged parents a series has depends on what acts on it within the step: beside the true cause, the lagged effects
that only pass through it are not paid for. So every set of instantaneous causes that is considered gets a search of its
own, from the lagged parents that were found without any; all run in one compiled call, a case a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import equinox as eqx
import jax
import numpy as np
from numpy.typing import NDArray

from sostruct.graph.packing import power_of_two
from sostruct.networks.lagged.ascent import Ends, ascended
from sostruct.networks.lagged.moments import LaggedData
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.networks.lagged.packed import PackedLagged

Table = NDArray[np.float64]


_ROOM = 4
"""Slots beyond those of the longest start: few searches add more."""

_FEWEST = 64
"""Cases that are compiled for at least."""


@dataclass(frozen=True, eq=False)
class Alternatives:
    """Where the searches ended.

    Attributes:
        nats: log evidence of the target given its parents, and their log prior odds [case].
        weight: posterior mean weights, standardized units [case, column].
    """

    nats: Table
    weight: Table


def alternatives(
    network: LaggedNetwork,
    data: LaggedData,
    cases: Sequence[tuple[int, Sequence[int]]],
    starts: Sequence[Sequence[int] | NDArray[np.int64]],
) -> Alternatives:
    """The best lagged parents of a target beside given causes within the step, for every case.

    Args:
        network: the bare network of a table with lines at lag 0.
        data: its statistics.
        cases: (target, causes within the step), numbers of series.
        starts: lagged terms that the searches of every target begin with.
    """
    variables, lagged = len(network.terms.variables), len(network.terms.variables) * network.terms.max_lag
    target = np.array([number for number, _ in cases])
    begin = [sorted([*map(int, starts[number]), *(lagged + cause for cause in causes)]) for number, causes in cases]
    within = np.zeros((len(cases), variables), bool)
    for case, (_, causes) in enumerate(cases):
        within[case, list(causes)] = True
    # rows of padding repeat the first case: the number of cases is part of what is compiled
    padded = np.concatenate([np.arange(len(cases)), np.zeros(power_of_two(len(cases), _FEWEST) - len(cases), np.int64)])
    target, within, begin = target[padded], within[padded], [begin[case] for case in padded]
    prior = jax.tree.map(lambda leaf: np.asarray(leaf)[target], network.packed.prior)
    fixed = [np.concatenate([leaf[:, :lagged], within], axis=1) for leaf in (prior.allowed, prior.required)]
    prior = eqx.tree_at(lambda rows: (rows.allowed, rows.required), prior, fixed)
    own = eqx.tree_at(
        lambda rows: (rows.cross, rows.power), data, (np.asarray(data.cross)[target], np.asarray(data.power)[target])
    )
    packed = eqx.tree_at(lambda rows: rows.prior, network.packed, prior)
    ends = _ended(packed, own, begin)
    count, weight = float(data.count), np.zeros((len(cases), packed.ridge.shape[0]))
    for case in range(len(cases)):
        used = ends.mask[case]
        weight[case, ends.active[case][used]] = ends.weight[case][used]
    nats: Table = np.asarray(ends.penalty - count / 2 * np.log(ends.rss / count))
    return Alternatives(nats[: len(cases)], weight)


def _ended(packed: PackedLagged, data: LaggedData, starts: Sequence[Sequence[int]]) -> Ends:
    """The fixed point of single edits of every row, in as many slots as that takes.

    Args:
        packed: what may be in a graph; its prior has a row per search.
        data: statistics whose `cross` and `power` have a row per search.
        starts: active columns that each search begins with, ascending.
    """
    width = power_of_two(max(map(len, starts)) + _ROOM, packed.capacity.degree)
    while True:
        mask = np.array([np.arange(width) < len(row) for row in starts])
        active = np.zeros(mask.shape, np.int64)
        active[mask] = [column for row in starts for column in row]
        ends = ascended(packed, [data], active[None], mask[None])
        if not ends.crowded.any():
            only: Ends = jax.tree.map(lambda leaf: leaf[0], ends)
            return only
        width *= 2
