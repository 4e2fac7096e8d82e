"""VARs with gaps: the process is the one without them, and so much is missing as was asked for."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sostruct.errors import ConfigError
from sostruct.tasks import GappedVAR, SparseVAR

from .refusals import refused


def runs(missing: np.ndarray) -> list[int]:
    """Lengths of the stretches of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], missing.astype(int), [0]])))
    return (edges[1::2] - edges[::2]).tolist()


def test_what_is_left_is_the_process_without_gaps() -> None:
    task, plain = GappedVAR(nodes=5, steps=200, missing=0.3), SparseVAR(nodes=5, steps=200)
    gapped, full = task.load(6), plain.load(6)
    seen = gapped.frame.notna().to_numpy()
    np.testing.assert_array_equal(gapped.frame.to_numpy()[seen], full.frame.to_numpy()[seen])
    np.testing.assert_array_equal(task.complete(6).frame, full.frame)
    assert nx.utils.graphs_equal(gapped.truth, full.truth)


def test_the_share_that_is_missing_one_by_one() -> None:
    task = GappedVAR(nodes=10, steps=20_000, missing=0.4)
    absent = task.load(0).frame.isna().to_numpy()
    np.testing.assert_allclose(absent.mean(axis=0), 0.4, atol=0.015)
    # independent of each other and of the values
    assert np.abs(np.corrcoef(absent.T) - np.eye(10)).max() < 0.03
    assert abs(np.mean(absent[1:] & absent[:-1]) - 0.16) < 0.01
    full = task.complete(0).frame.to_numpy()
    assert abs(full[absent].mean() - full[~absent].mean()) < 0.02
    assert full[absent].std() == pytest.approx(full[~absent].std(), rel=0.02)


@settings(max_examples=60, deadline=None)
@given(
    stretches=st.integers(0, 4),
    length=st.integers(1, 12),
    spare=st.integers(0, 30),
    together=st.booleans(),
    seed=st.integers(0, 2**40),
)
def test_stretches_are_as_many_and_as_long_as_asked_for(
    stretches: int, length: int, spare: int, together: bool, seed: int
) -> None:
    task = GappedVAR(
        nodes=4,
        steps=stretches * (length + 1) + spare + 1,
        missing=0.0,
        stretches=stretches,
        stretch_length=length,
        together=together,
        burn_in=0,
    )
    absent = task.load(seed).frame.isna().to_numpy()
    for series in absent.T:
        assert runs(series) == [length] * stretches
        if together:
            np.testing.assert_array_equal(series, absent[:, 0])


def test_stretches_lie_anywhere_and_apart_where_series_pause_alone() -> None:
    together = GappedVAR(nodes=3, steps=100, missing=0.0, stretches=1, stretch_length=10)
    firsts = [int(together.load(seed).frame["x0"].isna().argmax()) for seed in range(300)]
    assert np.mean(firsts) == pytest.approx(45, abs=5)
    tight = GappedVAR(nodes=4, steps=13, missing=0.0, stretches=1, stretch_length=10, burn_in=0)
    firsts = [int(tight.load(seed).frame["x0"].isna().argmax()) for seed in range(60)]
    assert set(firsts) == {0, 1, 2, 3}
    alone = GappedVAR(nodes=3, steps=100, missing=0.0, stretches=1, stretch_length=10, together=False).load(0)
    assert len(set(alone.frame.isna().to_numpy().argmax(axis=0))) == 3


def test_stretches_come_on_top_of_single_values() -> None:
    absent = GappedVAR(nodes=8, steps=4000, missing=0.2, stretches=10, stretch_length=100).load(1).frame.isna()
    assert absent.to_numpy().mean() == pytest.approx(0.25 + 0.75 * 0.2, abs=0.01)
    assert sum(length >= 100 for length in runs(absent.to_numpy().all(axis=1))) == 10


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("missing", 1.0),
        ("missing", -0.1),
        ("stretches", 30),
        ("stretches", 1.5),
        ("stretch_length", 0),
        ("together", "no"),
    ],
)
def test_wrong_settings_are_named(setting: str, value: object) -> None:
    with refused(ConfigError, setting):
        GappedVAR(**{setting: value})  # type: ignore[arg-type]
