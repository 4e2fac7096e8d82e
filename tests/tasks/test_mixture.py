"""Streams of clusters: how many there are, where they are, and that they are apart."""

from __future__ import annotations

import numpy as np
import pytest

from sostruct.errors import ConfigError
from sostruct.tasks import DriftingMixture

from .refusals import refused


def test_clusters_come_and_go_when_they_are_said_to() -> None:
    task = DriftingMixture(clusters=3, steps=100, events=("birth", "birth", "merge", "death"), every=20, glide=5)
    for seed in range(5):
        labels = task.labels(seed)
        assert labels["clusters"].tolist() == [3] * 20 + [4] * 20 + [5] * 20 + [4] * 20 + [3] * 20
        there = ~np.isnan(task.means(seed)[:, :, 0])
        np.testing.assert_array_equal(there.sum(axis=1), labels["clusters"])
        assert there[np.arange(100), labels["cluster"]].all()


def test_points_scatter_around_the_mean_of_their_cluster() -> None:
    task = DriftingMixture(clusters=4, dims=3, steps=20_000, events=())
    labels, means = task.labels(2), task.means(2)
    errors = task.load(2).frame.to_numpy() - means[np.arange(20_000), labels["cluster"]]
    np.testing.assert_allclose(np.cov(errors.T), np.eye(3), atol=0.05)
    np.testing.assert_allclose(errors.mean(axis=0), 0.0, atol=0.03)
    np.testing.assert_allclose(np.bincount(labels["cluster"]) / 20_000, 0.25, atol=0.02)


def test_means_wander_around_homes_that_are_apart() -> None:
    task = DriftingMixture(clusters=5, steps=40_000, events=(), wander=0.5)
    means = task.means(3)
    np.testing.assert_allclose(means.std(axis=0), 0.5, rtol=0.35)
    steps = np.diff(means, axis=0)
    np.testing.assert_allclose(steps.std(axis=0), 0.5 * np.sqrt(2 * (1 - 0.995)), rtol=0.05)
    still = DriftingMixture(clusters=5, steps=2, events=(), wander=0.0)
    for seed in range(10):
        homes = still.means(seed)[0]
        distances = np.sqrt(((homes[:, None] - homes) ** 2).sum(axis=-1))[np.triu_indices(5, 1)]
        assert distances.min() >= 8.0
        assert distances.min() < 40.0


def test_what_merges_gets_there_without_a_jump_and_meets_no_third() -> None:
    task = DriftingMixture(clusters=5, steps=400, events=("merge",), every=300, glide=150, wander=0.3)
    for seed in range(10):
        means = task.means(seed)
        (gone,) = np.flatnonzero(np.isnan(means[-1, :, 0]))
        apart = np.sqrt(((means[299] - means[299, gone]) ** 2).sum(axis=-1))
        kept = int(np.argsort(apart)[1])
        assert apart[kept] < 0.5
        between = np.sqrt(((means[:300] - means[:300, [gone]]) ** 2).sum(axis=-1))
        others = [number for number in range(5) if number not in (gone, kept)]
        assert between[:, others].min() > 4.0
        assert between[:150, kept].min() > 4.0
        assert np.abs(np.diff(means[:300, gone], axis=0)).max() < 1.0


def test_a_longer_stream_begins_with_the_shorter_one_and_rows_are_held_out() -> None:
    short, long = (DriftingMixture(steps=steps, every=50, glide=10) for steps in (120, 300))
    np.testing.assert_array_equal(short.load(4).frame, long.load(4).frame.iloc[:120])
    task = DriftingMixture(steps=120, heldout=180, every=50, glide=10).load(4)
    np.testing.assert_array_equal(task.heldout, long.load(4).frame.iloc[120:])
    assert len(task.frame) == 120


def test_a_task_says_whose_its_rows_are() -> None:
    task = DriftingMixture(steps=120, heldout=30, every=50, glide=10)
    np.testing.assert_array_equal(task.load(4).labels, task.labels(4)["cluster"])
    assert len(task.load(4).labels) == 150


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"clusters": 0}, ["clusters"]),
        ({"dims": 1.5}, ["dims"]),
        ({"events": ("birth", "split")}, ["'split'", "'merge'"]),
        ({"clusters": 1, "events": ("merge",)}, ["leaves no cluster"]),
        ({"every": 10, "glide": 11}, ["glide", "11"]),
        ({"separation": -1.0}, ["separation"]),
        ({"wander": "much"}, ["wander"]),
    ],
)
def test_refuses_impossible_settings(settings: dict[str, object], words: list[str]) -> None:
    with refused(ConfigError, "drifting mixture", *words):
        DriftingMixture(**settings)  # type: ignore[arg-type]
