"""Moments by block shifts against moments by definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sostruct.networks.lagged.moments import moments, standardized

from .reference import design, series


@given(seed=st.integers(0, 10_000), nodes=st.integers(2, 5), max_lag=st.integers(1, 6), extra=st.integers(8, 40))
def test_moments_are_sums_over_rows(seed: int, nodes: int, max_lag: int, extra: int) -> None:
    values = series(seed, nodes, max_lag + extra)
    raw = moments(values, max_lag)
    centered = values - values.mean(axis=0)
    columns = np.concatenate([centered[max_lag - lag : len(values) - lag] for lag in range(max_lag + 1)], axis=1)
    assert raw.count == extra
    np.testing.assert_allclose(raw.second, columns.T @ columns, rtol=1e-9, atol=1e-9 * extra)
    np.testing.assert_allclose(raw.first, columns.sum(axis=0), rtol=1e-9, atol=1e-9 * extra)


def test_standardized_statistics_are_those_of_standardized_columns() -> None:
    values = series(3, 4, 80)
    data = standardized(moments(values, 3))
    targets, terms = design(values, 3)
    np.testing.assert_allclose(data.gram, terms.T @ terms, atol=1e-9)
    np.testing.assert_allclose(data.cross, targets.T @ terms, atol=1e-9)
    np.testing.assert_allclose(data.power, np.full(4, 77.0))
    np.testing.assert_allclose(data.target_mean, values[3:].mean(axis=0))
    np.testing.assert_allclose(data.term_scale[:4], values[2:-1].std(axis=0))
    assert data.gram.dtype == np.float64


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_a_large_offset_costs_no_precision(offset: float) -> None:
    values = series(5, 3, 100)
    plain, moved = (standardized(moments(data, 2)) for data in (values, values + offset))
    np.testing.assert_allclose(moved.gram, plain.gram, rtol=0, atol=1e-6)
