"""The adjusted Rand index: known values, and what no renaming of clusters may change."""

from __future__ import annotations

import numpy as np
import pytest

from sostruct.clusters.agreement import adjusted_rand_index
from sostruct.errors import DataError


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([0, 0, 1, 1], [0, 0, 1, 1], 1.0),
        ([0, 0, 1, 1], ["b", "b", "a", "a"], 1.0),
        ([0, 0, 1, 2], [0, 0, 1, 1], 4 / 7),
        ([0, 0, 1, 1], [0, 1, 0, 1], -0.5),
        ([0, 0, 0, 0], [0, 1, 2, 3], 0.0),
        ([0, 0, 0, 0], [5, 5, 5, 5], 1.0),
        ([0, 1, 2, 3], [3, 2, 1, 0], 1.0),
        ([7], [1], 1.0),
        # 6 rows, table [[2, 1], [0, 3]]: 4 pairs agree of 6 and 7, 2.8 by chance
        ([0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 1, 1], (4 - 2.8) / (6.5 - 2.8)),
    ],
)
def test_known_values(one, other, expected):
    assert adjusted_rand_index(one, other) == pytest.approx(expected, abs=1e-12)
    assert adjusted_rand_index(other, one) == pytest.approx(expected, abs=1e-12)


def test_it_is_that_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    generator = np.random.default_rng(0)
    for clusters in (2, 3, 8):
        one, other = generator.integers(clusters, size=(2, 50))
        mixed = np.where(generator.random(50) < 0.7, one, other)
        assert adjusted_rand_index(one, mixed) == pytest.approx(metrics.adjusted_rand_score(one, mixed), abs=1e-12)


def test_shuffled_labels_agree_by_chance_alone():
    generator = np.random.default_rng(1)
    labels = generator.integers(4, size=200)
    values = [adjusted_rand_index(labels, generator.permutation(labels)) for _ in range(200)]
    assert abs(np.mean(values)) < 3e-3


@pytest.mark.parametrize(("one", "other"), [([0, 1], [0]), ([], [])])
def test_labels_of_other_rows_are_refused(one, other):
    with pytest.raises(DataError, match=f"{len(one)} rows .* of {len(other)}"):
        adjusted_rand_index(one, other)
