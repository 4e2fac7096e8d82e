"""Resampled rows against rows that are written out, and the block length against its closed form for AR(1)."""

import equinox as eqx
import jax
import numpy as np
import pytest

from sostruct.networks.lagged.curved import CurvedTerms
from sostruct.networks.lagged.resampling import block_counts, block_length, weighted
from sostruct.networks.lagged.terms import LinearTerms

from .reference import design, series


def autoregressive(coefficient, rows, seed=0):
    generator = np.random.default_rng(seed)
    values = np.zeros(rows + 200)
    for row, shock in enumerate(generator.normal(size=len(values))):
        values[row] = coefficient * values[row - 1] + shock if row else shock
    return values[200:, None]


@pytest.mark.parametrize("block", [1, 7, 50, 93])
def test_every_resample_has_as_many_rows_as_the_series(block):
    counts = block_counts(93, block, 200, seed=4)
    assert counts.shape == (200, 93)
    assert (counts.sum(axis=1) == 93).all()
    assert counts.min() == 0 or block == 93


def test_rows_come_in_blocks_each_as_likely_as_any_other():
    counts = block_counts(60, 6, 4000, seed=0)
    assert abs(counts.mean(axis=0) - 1).max() < 0.1
    # each of 10 blocks has a row with probability 1/10, and one d rows on as well with (6 - d) / 60
    correlation = np.corrcoef(counts.T)
    for distance in (1, 3, 5, 6, 20):
        expected = (max(6 - distance, 0) / 60 - 0.01) / 0.09
        assert np.diag(correlation, distance).mean() == pytest.approx(expected, abs=0.02)
    assert correlation[0, -1] == pytest.approx((5 / 60 - 0.01) / 0.09, abs=0.05)  # around the end


def test_the_same_seed_draws_the_same_rows():
    one, other, third = (block_counts(40, 5, 10, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, other)
    assert (one != third).any()


@pytest.mark.parametrize("coefficient", [0.3, 0.5, 0.8, -0.5])
def test_the_block_length_is_that_of_the_formula_for_an_autoregression(coefficient):
    rows = 20000
    # sum of |k| a^|k| over sum of a^|k|: 2 a / (1 - a)^2 over (1 + a) / (1 - a)
    ratio = 2 * coefficient / (1 - coefficient) ** 2 / ((1 + coefficient) / (1 - coefficient))
    expected = (2 * ratio**2 / (4 / 3)) ** (1 / 3) * rows ** (1 / 3)
    found = np.mean([block_length(autoregressive(coefficient, rows, seed)) for seed in range(3)])
    assert found == pytest.approx(expected, rel=0.3)


def test_noise_has_short_blocks_and_a_walk_the_longest():
    generator = np.random.default_rng(0)
    assert block_length(generator.normal(size=(500, 5))) <= 3
    walk = np.cumsum(generator.normal(size=(500, 3)), axis=0)
    assert 30 <= block_length(walk) <= 67  # 3 sqrt(500)
    assert block_length(np.arange(6.0)[:, None]) in (1, 2)


def test_statistics_of_counted_rows_are_those_of_the_rows_repeated():
    values = series(3, 3, 70)
    terms = LinearTerms(("a", "b", "c"), 2)
    data = terms.prepared(values)
    targets, table = design(values, 2)
    counts = block_counts(68, 9, 1, seed=2)[0]
    found = weighted(data, table, targets, counts)
    rows = np.repeat(np.arange(68), counts)
    links, effects = terms.lagged(values)[rows], values[2:][rows]
    standard = (links - links.mean(axis=0)) / links.std(axis=0)
    response = (effects - effects.mean(axis=0)) / effects.std(axis=0)
    np.testing.assert_allclose(found.gram, standard.T @ standard, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.cross, response.T @ standard, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.targets, response.T @ response, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.term_mean, links.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(found.term_scale, links.std(axis=0), rtol=1e-9)
    np.testing.assert_allclose(found.target_mean, effects.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(found.target_scale, effects.std(axis=0), rtol=1e-9)
    np.testing.assert_array_equal(found.power, 68.0)


def test_counting_every_row_once_changes_nothing():
    values = series(5, 3, 90)
    table = CurvedTerms.fitted(("a", "b", "c"), 2, values)
    data = table.prepared(values)
    columns = table.columns(table.lagged(values), np.arange(table.layout.columns))
    columns = (columns - np.asarray(data.term_mean)) / np.asarray(data.term_scale)
    targets = (values[2:] - data.target_mean) / data.target_scale
    found = weighted(data, columns, targets, np.ones(88, int))
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-7), found, data)
    assert eqx.tree_equal(jax.tree.structure(found), jax.tree.structure(data))


def test_a_column_that_a_resample_does_not_vary_in_explains_nothing():
    values = series(5, 2, 40)
    terms = LinearTerms(("a", "b"), 1)
    data = terms.prepared(values)
    targets, table = design(values, 1)
    table[:, 0] = np.where(np.arange(39) < 20, 1.0, -1.0)
    found = weighted(data, table, targets, np.where(np.arange(39) < 20, 2, 0))
    assert not np.asarray(found.gram)[0].any()
    assert not np.asarray(found.cross)[:, 0].any()
    assert np.isfinite(np.asarray(found.gram)).all()
