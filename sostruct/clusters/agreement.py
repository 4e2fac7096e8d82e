"""How far two ways of sorting the same rows into clusters agree, whatever the clusters are called.

Reference: Hubert & Arabie 1985, Comparing partitions, Journal of Classification 2, 193-218.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sostruct.errors import DataError


def adjusted_rand_index(one: ArrayLike, other: ArrayLike) -> float:
    """Agreement of two labelings of the same rows: 1 where they are the same clusters, 0 on average where the labels of
    one were shuffled, less where they agree by less than that.

    Of all pairs of rows, a are together under both labelings, b under the first and c under the second. With
    e = b c / pairs, which shuffling would give on average, the index is (a - e) / ((b + c) / 2 - e); where both put
    all rows into one cluster, or each into a cluster of its own, it is 1.

    Args:
        one: a label per row: numbers or strings.
        other: likewise.

    Raises:
        DataError: the labelings are not of the same rows, or of none.
    """
    codes = [np.unique(np.asarray(labels), return_inverse=True)[1].ravel() for labels in (one, other)]
    if len(codes[0]) != len(codes[1]) or not len(codes[0]):
        raise DataError(
            f"Cannot compare labels of {len(codes[0])} rows with labels of {len(codes[1])}. This is because both must "
            "be of the same rows, and of at least one. Try one label for each row."
        )
    table = np.zeros([code.max() + 1 for code in codes], np.int64)
    np.add.at(table, tuple(codes), 1)
    both, first, second = (_pairs(counts) for counts in (table, table.sum(axis=1), table.sum(axis=0)))
    every = _pairs(np.asarray([len(codes[0])]))
    if first == second and first in (0, every):
        return 1.0
    chance = first * second / every
    return (both - chance) / ((first + second) / 2.0 - chance)


def _pairs(counts: NDArray[np.int64]) -> int:
    return int((counts * (counts - 1) // 2).sum())
