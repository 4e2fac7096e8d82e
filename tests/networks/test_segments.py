"""Realizations: no row of one is the past of another, and a list of one is the plain table."""

import numpy as np
import pandas as pd
import pytest

from sostruct.networks.lagged.curved import CurvedTerms
from sostruct.networks.lagged.moments import less, moments, standardized
from sostruct.networks.lagged.segments import joined, predicted_rows, segments_of
from sostruct.networks.lagged.terms import LinearTerms

NAMES = ("a", "b")


def tables(seed=0, lengths=(12, 20, 9)):
    generator = np.random.default_rng(seed)
    return [generator.normal(size=(rows, 2)) + generator.normal(size=2) for rows in lengths]


def lagged_rows(parts, lags):
    """Rows (x(t), x(t-1), ..., x(t-L)) of every table, written out."""
    places = [(table, row) for table in parts for row in range(lags, len(table))]
    return np.array([np.concatenate([table[row - lag] for lag in range(lags + 1)]) for table, row in places])


def test_a_frame_of_two_levels_is_split():
    parts = tables()
    frame = pd.concat([pd.DataFrame(part, columns=list(NAMES)) for part in parts], keys=["u", "v", "w"])
    for found, part in zip(segments_of(frame), parts, strict=True):
        np.testing.assert_array_equal(found, part)
    assert len(segments_of(frame.droplevel(0))) == 1
    np.testing.assert_array_equal(joined(parts), np.concatenate(parts))
    np.testing.assert_array_equal(predicted_rows(parts, 2), np.concatenate([part[2:] for part in parts]))


@pytest.mark.parametrize("lags", [1, 3])
def test_moments_add_over_realizations(lags):
    parts = tables()
    found, rows = moments(parts, lags), lagged_rows(parts, lags)
    centered = rows - np.tile(np.concatenate(parts).mean(axis=0), lags + 1)
    assert found.count == len(rows)
    np.testing.assert_allclose(found.first, centered.sum(axis=0), atol=1e-12)
    np.testing.assert_allclose(found.second, centered.T @ centered, atol=1e-10)


def test_a_list_of_one_is_the_table_to_the_last_bit():
    values = tables(lengths=(40,))[0]
    one, other = moments(values, 2), moments([values], 2)
    for name in ("first", "second", "offset", "count"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    curved = CurvedTerms.fitted(NAMES, 2, values)
    for table in (LinearTerms(NAMES, 2), curved):
        plain, listed = table.prepared(values), table.prepared([values])
        for name in ("gram", "cross", "power", "term_mean", "term_scale"):
            np.testing.assert_array_equal(getattr(plain, name), getattr(listed, name))


def test_designs_of_curves_cross_no_border():
    parts = tables(lengths=(30, 25))
    table = CurvedTerms.fitted(NAMES, 2, parts)
    rows = lagged_rows(parts, 2)
    np.testing.assert_array_equal(table.lagged(parts), rows[:, 2:])
    data = table.prepared(parts)
    design = table.columns(rows[:, 2:], np.arange(table.layout.columns))
    assert float(data.count) == len(rows)
    np.testing.assert_allclose(data.term_mean, design.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(data.target_mean, rows[:, :2].mean(axis=0), atol=1e-12)
    standard = (design - design.mean(axis=0)) / design.std(axis=0)
    np.testing.assert_allclose(data.gram, standard.T @ standard, atol=1e-8)


def test_fewer_rows_are_the_same_regression_with_more_noise():
    data = standardized(moments(tables(lengths=(50,)), 1))
    fewer = less(data, 10)
    assert float(fewer.count) == 39.0
    np.testing.assert_allclose(np.diag(np.asarray(fewer.gram)), 39.0)
    squares = np.asarray(data.target_scale) ** 2 * float(data.count)
    np.testing.assert_allclose(np.asarray(fewer.target_scale) ** 2 * 39.0, squares)
    weight = np.linalg.solve(np.asarray(data.gram), np.asarray(data.cross).T)
    np.testing.assert_allclose(np.linalg.solve(np.asarray(fewer.gram), np.asarray(fewer.cross).T), weight)
