"""The fixed point of the default rule on many data sets at once: compiled searches, with groups of lags between them.

Single edits are searched on the device (`ascent.py`). Groups of lags (`groups.py`) are priced on the host where single
edits end, as in a run, and searches go on from those that pay.

Slots are few; where a search would need more, all are run again with twice as many: O(log) programs, whatever is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import jax
import numpy as np
from numpy.typing import NDArray

from sostruct.graph.packing import power_of_two
from sostruct.networks.lagged.ascent import LEAST, ascended
from sostruct.networks.lagged.groups import Group, groups
from sostruct.networks.lagged.moments import LaggedData
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.networks.lagged.packed import PackedLagged, with_rows

_BYTES = 2**28
"""Room for the statistics of the data sets of one call."""


@dataclass(frozen=True, eq=False)
class Settled:
    """Where the searches ended.

    Attributes:
        active: active columns, ascending, 0 where masked [data set, target, slot].
        mask: slots in use [data set, target, slot].
        weight: posterior means of their weights, standardized units of each data set [data set, target, slot].
    """

    active: NDArray[np.int64]
    mask: NDArray[np.bool_]
    weight: NDArray[np.float64]


def settled(network: LaggedNetwork, datas: Sequence[LaggedData]) -> Settled:
    """The fixed point of the best edit per target on every data set, each from the network's own graph.

    Args:
        network: where every search begins, and what may be in a graph.
        datas: statistics of the same shapes.
    """
    packed = network.packed
    starts = [_rows(np.asarray(packed.active), np.asarray(packed.mask))] * len(datas)
    width, last = 0, None
    while True:
        width = power_of_two(max(len(row) for rows in starts for row in rows), max(width, packed.capacity.degree))
        packed = network.at_capacity(replace(packed.capacity, degree=width)).packed
        found, crowded = _searched(packed, datas, starts)
        if crowded:
            width *= 2
            continue
        ends = [_rows(active, mask) for active, mask in zip(found.active, found.mask, strict=True)]
        there = network.with_packed(packed)
        waiting = range(len(datas)) if last is None else [n for n, end in enumerate(ends) if end != last[n]]
        last, starts = ends, list(ends)
        for number in waiting:
            starts[number] = _grouped(there, datas[number], ends[number])
        if starts == ends:
            return found


Row = list[int]


def _rows(active: NDArray[np.int64], mask: NDArray[np.bool_]) -> list[Row]:
    """Active columns of every target."""
    return [own[used].tolist() for own, used in zip(active, mask, strict=True)]


def _grouped(network: LaggedNetwork, data: LaggedData, rows: list[Row]) -> list[Row]:
    """The rows with the best group of lags that pays made at every target."""
    there = network.with_packed(with_rows(network.packed, dict(enumerate(rows))))
    there, signals = there.epoch(data, key=jax.random.key(0))
    best: dict[int, Group] = {}
    for group in groups(there.packed, signals):
        if group.nats > max(LEAST, best[group.target].nats if group.target in best else -np.inf):
            best[group.target] = group
    return [sorted(set(row) ^ set(best[target].terms)) if target in best else row for target, row in enumerate(rows)]


def _searched(packed: PackedLagged, datas: Sequence[LaggedData], starts: Sequence[list[Row]]) -> tuple[Settled, bool]:
    """Where single edits lead from the starts, and whether any search ran out of slots."""
    width = packed.mask.shape[1]
    size = np.asarray(datas[0].gram).nbytes + np.asarray(datas[0].cross).nbytes
    room = min(len(datas), max(1, _BYTES // size))
    parts = []
    for start in range(0, len(datas), room):
        members = list(zip(datas, starts, strict=True))[start : start + room]
        padded = [*members, *[members[0]] * (room - len(members))]
        mask = np.array([[np.arange(width) < len(row) for row in rows] for _, rows in padded])
        active = np.zeros(mask.shape, np.int64)
        active[mask] = [column for _, rows in padded for row in rows for column in row]
        ends = ascended(packed, [data for data, _ in padded], active, mask)
        leaves = (ends.active, ends.mask, ends.weight, ends.crowded)
        parts.append([np.asarray(leaf)[: len(members)] for leaf in leaves])
    active, mask, weight, crowded = (np.concatenate(leaves) for leaves in zip(*parts, strict=True))
    return Settled(active, mask, weight), bool(crowded.any())
