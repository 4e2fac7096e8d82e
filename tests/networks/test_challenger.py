"""Challengers of a stream's model: a plain loop over the written equations, what they learn, what they cannot."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sostruct.networks.lagged.challenger import (
    MEMORIES,
    PARENTS,
    STRIDE,
    Challenger,
    challenged,
    rebased,
    unchallenged,
    withdrawn,
)
from sostruct.numerics import double_precision

FREEDOM = 5.0


def after(error: np.ndarray, column: np.ndarray, scale: np.ndarray, start: Challenger | None = None) -> Challenger:
    """Challengers after errors [row, series] at columns [row, term]."""
    series = error.shape[1]
    begun = unchallenged(series, column.shape[1]) if start is None else start
    with double_precision():
        first = jax.tree.map(jnp.asarray, begun)
        ones, freedom, spread = jnp.ones(series), jnp.full(series, FREEDOM), jnp.asarray(scale)
        step = jax.jit(lambda held, row: (challenged(held, row[0], ones, freedom, row[1], spread, row[2]), None))
        return jax.tree.map(np.asarray, jax.lax.scan(step, first, (error, column, np.arange(len(error))))[0])


def plainly(error: np.ndarray, column: np.ndarray, scale: np.ndarray, memory: float) -> dict[str, np.ndarray]:
    """The module docstring, one number at a time, for one series."""
    terms = column.shape[1]
    gram, moment, shift = np.zeros((terms, terms)), np.zeros(terms), np.zeros(terms)
    evidence, since, information = 0.0, 0, (FREEDOM + 1) / (FREEDOM + 3)
    odds = math.log(terms / PARENTS - 1)
    for row, (e, x) in enumerate(zip(error, column, strict=True)):
        left = e - shift @ x
        if shift.any():
            gain = (FREEDOM + 1) / 2 * math.log((1 + e**2 / FREEDOM) / (1 + left**2 / FREEDOM))
            evidence = max(0.0, evidence + gain)
        else:
            evidence = 0.0
        since = since + 1 if evidence > 0 else 0
        gram = (1 - 1 / memory) * gram + np.outer(x, x)
        moment = (1 - 1 / memory) * moment + (FREEDOM + 3) * left / (FREEDOM + left**2) * x
        if row % STRIDE:
            continue
        gains, targets = [], []
        for k in range(terms):
            slope, curve = moment[k] + gram[k, k] * shift[k], gram[k, k] + scale[k] ** 2
            cost = math.log(curve / scale[k] ** 2) / 2 + odds
            best = information * slope**2 / (2 * curve) - cost
            now = information * (slope * shift[k] - curve * shift[k] ** 2 / 2) - (cost if shift[k] else 0.0)
            targets.append(slope / curve if best > 0 else 0.0)
            gains.append(max(best, 0.0) - now)
        k = int(np.argmax(gains))
        moment = moment - (targets[k] - shift[k]) * gram[k]
        shift[k] = targets[k]
    return {"gram": gram, "moment": moment, "shift": shift, "evidence": np.array(evidence), "since": np.array(since)}


@pytest.fixture(scope="module")
def shifted() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Errors of three series, of which the second has got another weight, at eight correlated columns."""
    generator = np.random.default_rng(1)
    column = generator.standard_normal((250, 8)) @ generator.uniform(-0.5, 1.0, (8, 8))
    error = generator.standard_t(FREEDOM, (250, 3))
    scale = column.std(axis=0)
    error[:, 1] += 0.7 * column[:, 4] / scale[4]
    return error, column, scale


def test_every_row_is_the_written_equations(shifted):
    error, column, scale = shifted
    found = after(error, column, scale)
    for place, memory in enumerate(MEMORIES):
        for series in range(3):
            plain = plainly(error[:, series], column, scale, memory)
            np.testing.assert_allclose(found.gram[place], plain["gram"], rtol=1e-10, atol=1e-10)
            for name in ("moment", "shift", "evidence", "since"):
                part = getattr(found, name)[place, series]
                np.testing.assert_allclose(part, plain[name], rtol=1e-8, atol=1e-9, err_msg=name)


def test_another_weight_is_learned_and_nothing_else(shifted):
    error, column, scale = shifted
    found = after(error, column, scale)
    assert (found.evidence[:, 1] > 16).all()
    np.testing.assert_allclose(found.shift[1, 1, 4] * scale[4], 0.7, atol=0.2)
    assert not np.delete(found.shift[1, 1], 4).any()
    assert (found.evidence[:, [0, 2]] < 5).all()


def test_errors_that_nothing_explains_rarely_have_a_challenger():
    generator = np.random.default_rng(0)
    error, column = generator.standard_t(FREEDOM, (3000, 30)), generator.standard_normal((3000, 30))
    with double_precision():
        ones = jnp.ones(30)
        step = jax.jit(
            lambda held, row: (
                (new := challenged(held, row[0], ones, FREEDOM * ones, row[1], ones, row[2])),
                new.evidence,
            )
        )
        first = jax.tree.map(jnp.asarray, unchallenged(30, 30))
        evidence = np.asarray(jax.lax.scan(step, first, (error, column, np.arange(3000)))[1])
    crossings = (np.diff((evidence > math.log(1000)).astype(int), axis=0) > 0).sum()
    assert crossings <= 30 * len(MEMORIES) * 3000 / 1000  # Lorden's bound for as many sums


def test_beside_another_model_it_predicts_the_same(shifted):
    error, column, scale = shifted
    found = after(error, column, scale)
    generator = np.random.default_rng(2)
    old, new, root = generator.standard_normal((3, 8)), generator.standard_normal((3, 8)), np.array([0.5, 2.0, 1.0])
    moved = rebased(found, old - new, root)
    for place in range(len(MEMORIES)):
        before = column @ (old + root[:, None] * found.shift[place]).T
        np.testing.assert_allclose(column @ (new + root[:, None] * moved.shift[place]).T, before, rtol=1e-10)


def test_a_withdrawn_one_leaves_what_the_model_leaves(shifted):
    error, column, scale = shifted
    found = after(error, column, scale)
    clean = withdrawn(found, 1)
    assert not clean.shift[:, 1].any()
    assert not clean.evidence[:, 1].any()
    for series in (0, 2):
        np.testing.assert_array_equal(clean.moment[:, series], found.moment[:, series])
    again = np.einsum("mt,mtk->mk", found.shift[:, 1], found.gram) + found.moment[:, 1]
    np.testing.assert_allclose(clean.moment[:, 1], again)
