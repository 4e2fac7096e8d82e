"""What is warned of in series: planted cases are, and well-behaved systems are not."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from sostruct.errors import DataWarning
from sostruct.tasks import Lorenz96, Nonlinear, SparseVAR, StructuralVAR
from sostruct.tasks.advice import _root, advise

TASKS = (SparseVAR, Lorenz96, Nonlinear, StructuralVAR)


def noise(rows: int = 500, columns: int = 4, seed: int = 0) -> pd.DataFrame:
    values = np.random.default_rng(seed).normal(size=(rows, columns))
    return pd.DataFrame(values, columns=list("abcdefgh"[:columns]))


def told(*frames: pd.DataFrame) -> list[str]:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        advise([frame.to_numpy() for frame in frames], list(frames[0].columns))
    assert all(one.category is DataWarning for one in found)
    return [str(one.message) for one in found]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.__name__)
def test_well_behaved_systems_are_let_be(task: type) -> None:
    for seed in range(20):
        frame = task(nodes=8, steps=400).load(seed).frame
        assert told(frame) == []
        assert told(frame.iloc[:200], frame.iloc[200:]) == []


@pytest.mark.parametrize("gaps", [False, True])
def test_near_duplicates(gaps: bool) -> None:
    frame = noise()
    frame["e"] = -2 * frame["b"] + 0.02 * noise(seed=1)["a"]
    if gaps:
        frame = frame.mask(np.random.default_rng(2).random(frame.shape) < 0.05)
    (message,) = told(frame)
    assert message.startswith("Near-duplicates: 'b' and 'e' (-0.9999")
    frame["e"] += noise(seed=3)["b"]
    assert told(frame) == []


def test_sums_and_their_parts() -> None:
    frame = noise(columns=6)
    frame["g"] = frame["a"] + frame["b"] + 0.005 * noise(seed=1)["a"]
    frame["h"] = 2 * frame["c"] - frame["d"]
    (message,) = told(frame)
    assert message.startswith("Dependent columns: 'a', 'b', 'g'; 'c', 'd', 'h':")
    assert told(frame.drop(columns=["a", "h"])) == []
    assert told(frame.iloc[:14]) == []  # with as many rows as that, chance makes them


def walk(rows: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=rows).cumsum()


def test_random_walks() -> None:
    frame = noise(2000).assign(c=walk(2000, 1), d=walk(2000, 4))
    (message,) = told(frame)
    assert message.startswith("Unit roots: 'c', 'd' wander")
    assert "diff()" in message
    assert told(frame.diff().iloc[1:]) == []
    parts = [noise(500, seed=seed).assign(d=walk(500, seed) + 50 * seed) for seed in range(4)]
    (message,) = told(*parts)
    assert message.startswith("Unit roots: 'd'")


def test_odds_of_a_unit_root_are_evidence() -> None:
    """Averages over many series: in favor where there is one, against where there is not, more so with more rows."""
    generator = np.random.default_rng(0)
    means = {}
    for rows in (200, 1000):
        for root in (1.0, 0.9):
            odds = []
            for _ in range(40):
                noise_, series = generator.normal(size=rows + 100), np.zeros(rows + 100)
                for row in range(1, rows + 100):
                    series[row] = root * series[row - 1] + noise_[row]
                odds.append(_root([series[100:]], 3))
            means[rows, root] = np.mean(odds)
    assert means[200, 1.0] > 1 > means[200, 0.9]
    assert means[1000, 1.0] > means[200, 1.0] + 0.5
    assert means[1000, 0.9] < -10


@pytest.mark.parametrize("rows", [80, 500])
def test_trends(rows: int) -> None:
    frame = noise(rows)
    frame["b"] -= np.linspace(0, 8, rows)
    (message,) = told(frame)
    assert message.startswith("Strong trends: 'b' rise or fall")
    assert told(frame.diff().iloc[1:]) == []
    frame["b"] += np.linspace(0, 6.5, rows)
    assert told(frame) == []


def test_constant_stretches() -> None:
    frame = noise()
    frame.loc[100:130, "c"] = frame.loc[100, "c"]
    frame.loc[200:205, "a"] = 0.0
    (message,) = told(frame)
    assert message.startswith("Constant stretches: 'c' (31 rows)")
    frame["c"] = (frame["c"] > 0).astype(float)  # two values have stretches by nature
    assert told(frame) == []
    frame.loc[100:130, "a"] = np.nan
    assert told(frame) == []


def test_gaps_make_nothing_out_of_nothing() -> None:
    frame = SparseVAR(nodes=6, steps=400).load(0).frame
    assert told(frame.mask(np.random.default_rng(0).random(frame.shape) < 0.4)) == []
    frame.iloc[:50, 0] = np.nan
    assert told(frame) == []
