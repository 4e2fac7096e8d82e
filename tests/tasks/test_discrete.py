"""Counts and binary series: which are recognized, and what a transform does to their distribution."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sostruct.errors import ConfigError, DataError, DataWarning
from sostruct.tasks.discrete import kinds_of, log_slope, restored, stabilized
from sostruct.tasks.treatment import treated

from .refusals import refused

GENERATOR = np.random.default_rng(0)
COLUMNS = {
    "count": GENERATOR.poisson(3, 300).astype(float),
    "gaps": np.where(GENERATOR.random(300) < 0.1, np.nan, GENERATOR.poisson(1, 300)),
    "switch": GENERATOR.integers(0, 2, 300).astype(float),
    "sign": GENERATOR.choice([-1.5, 1.5], 300),
    "rating": GENERATOR.integers(1, 6, 300).astype(float),
    "real": GENERATOR.normal(size=300),
    "rounded": np.round(GENERATOR.normal(size=300), 1),
    "large": GENERATOR.poisson(300, 300).astype(float),
    "signed": GENERATOR.integers(-3, 4, 300).astype(float),
    "high": GENERATOR.integers(95, 101, 300).astype(float),
}


def test_what_is_recognized() -> None:
    kinds = dict(zip(COLUMNS, kinds_of(np.column_stack(list(COLUMNS.values()))), strict=True))
    expected = {"count": "count", "gaps": "count", "rating": "count", "switch": "binary", "sign": "binary"}
    assert kinds == dict.fromkeys(COLUMNS, "") | expected


def test_the_transform_makes_noise_equal_and_predictions_counts() -> None:
    for mean in (2.0, 6.0, 20.0):
        drawn = np.random.default_rng(1).poisson(mean, 200_000).astype(float)
        assert stabilized(drawn).var() == pytest.approx(1.0, abs=0.15)
    np.testing.assert_allclose(restored(stabilized(np.arange(9.0)), np.zeros(9))[0], np.arange(9.0), atol=1e-12)
    normal = np.random.default_rng(2).normal(3.0, 0.7, 400_000)
    mean, sd = restored(np.array([3.0]), np.array([0.7]))
    back = normal**2 / 4 - 0.375
    assert mean[0] == pytest.approx(back.mean(), abs=0.01)
    assert sd[0] == pytest.approx(back.std(), abs=0.01)
    step = 1e-6
    slope = (stabilized(np.array([4 + step])) - stabilized(np.array([4.0]))) / step
    assert log_slope(np.array([4.0]))[0] == pytest.approx(np.log(slope[0]), abs=1e-5)
    assert (np.diff(stabilized(np.linspace(-3, 3, 50))) > 0).all()


@pytest.mark.parametrize("discrete", ["transform", "keep"])
def test_what_is_done_is_said(discrete: str) -> None:
    frame = pd.DataFrame(COLUMNS)[["count", "switch", "real"]]
    with pytest.warns(DataWarning) as told:
        found, treatment = treated(frame, 2, discrete=discrete)
    counts, binary = (str(one.message) for one in told)
    assert "'count'" in counts
    assert ("2 sqrt(x + 3/8)" in counts) == (discrete == "transform")
    assert "'switch'" in binary
    assert "probability" in binary
    expected = 2 * np.sqrt(frame["count"] + 0.375) if discrete == "transform" else frame["count"]
    np.testing.assert_allclose(found["count"], expected)
    pd.testing.assert_frame_equal(found[["switch", "real"]], frame[["switch", "real"]])
    assert treatment.kinds == (("count", "", "") if discrete == "transform" else ())
    assert len(treatment.steps) == (discrete == "transform")


def test_they_may_be_refused() -> None:
    frame = pd.DataFrame(COLUMNS)[["count", "switch", "real"]]
    with refused(DataError, "'count', 'switch'", "discrete='refuse'"):
        treated(frame, 2, discrete="refuse")
    with refused(ConfigError, "discrete='round'"):
        treated(frame, 2, discrete="round")
    treated(frame[["real"]].assign(other=COLUMNS["rounded"]), 2, discrete="refuse")


def test_log_scores_are_densities_of_counts() -> None:
    """Density of x by change of variables: normal in y = 2 sqrt(x + 3/8) times dy/dx integrates to one."""
    grid = np.linspace(0, 60, 200_001)
    density = stats.norm.pdf(stabilized(grid), 5.0, 1.0) * np.exp(log_slope(grid))
    assert np.trapezoid(density, grid) == pytest.approx(1.0, abs=1e-3)
