"""The draws behind the linear families, made again value by value: equal seeds give equal systems, in every version.

Reference tables name seeds, so the order in which a system is drawn is part of what they say. Here it is written down a
second time, without the package: self links first, then links between nodes in the order of their effects.
"""

from __future__ import annotations

import numpy as np
import pytest

from sostruct.tasks import BurstingVAR, ConfoundedVAR, GappedVAR, SparseVAR, StructuralVAR, SwitchingVAR

from .linear import coefficients


def drawn(rng: np.random.Generator, nodes: int, max_lag: int, parents: float, low: float, high: float) -> np.ndarray:
    """Coefficients [lag x effect x cause], lag 1 first, before they are made stable."""
    chance = rng.random((nodes, nodes))
    links = [(i, j) for i in range(nodes) for j in range(nodes) if i != j and chance[i, j] < parents / (nodes - 1)]
    lags = rng.integers(1, max_lag + 1, size=len(links))
    sizes = list(rng.uniform(low, high, size=nodes)) + list(rng.uniform(low, high, size=len(links)))
    signs = rng.choice([-1.0, 1.0], size=nodes + len(links))
    weights = np.zeros((max_lag, nodes, nodes))
    for place, (effect, cause) in enumerate([(i, i) for i in range(nodes)] + links):
        lag = 1 if place < nodes else lags[place - nodes]
        weights[lag - 1, effect, cause] = sizes[place] * signs[place]
    return weights


def stable(weights: np.ndarray, within: np.ndarray, limit: float) -> np.ndarray:
    """Lag by lag, scaled by powers of what brings the largest eigenvalue to the limit; `within` acts at lag 0."""
    lags, nodes, _ = weights.shape
    top = np.hstack([np.linalg.solve(np.eye(nodes) - within, matrix) for matrix in weights])
    companion = np.vstack([top, np.eye(nodes * lags)[: nodes * (lags - 1)]])
    scale = min(1.0, limit / np.abs(np.linalg.eigvals(companion)).max())
    return np.array([matrix * scale**lag for lag, matrix in enumerate(weights, start=1)])


@pytest.mark.parametrize("seed", [0, 7, 1000, 1019])
@pytest.mark.parametrize(("low", "high", "max_lag"), [(0.2, 0.5, 3), (0.6, 1.5, 2)])
@pytest.mark.parametrize("kind", [SparseVAR, BurstingVAR, ConfoundedVAR, GappedVAR])
def test_lagged_links_are_the_same_draw_in_every_linear_family(
    kind: type, low: float, high: float, max_lag: int, seed: int
) -> None:
    structure = np.random.default_rng(seed).spawn(2)[0]
    known = stable(drawn(structure, 10, max_lag, 2.0, low, high), np.zeros((10, 10)), 0.95)
    task = kind(nodes=10, steps=30, max_lag=max_lag, strength=(low, high))
    np.testing.assert_allclose(coefficients(task.load(seed).truth, max_lag), known, rtol=1e-9)


@pytest.mark.parametrize("seed", [0, 1000])
def test_every_regime_is_drawn_from_a_stream_of_its_own(seed: int) -> None:
    streams = np.random.default_rng(seed).spawn(2)[0].spawn(2)
    for regime, stream in zip(SwitchingVAR(regimes=(2, 4, 2)).graphs(seed), [*streams, streams[0]], strict=True):
        known = stable(
            drawn(np.random.default_rng(stream.bit_generator.seed_seq), 10, 3, 2.0, 0.2, 0.5), np.zeros((10, 10)), 0.95
        )
        np.testing.assert_allclose(coefficients(regime.graph, 3), known, rtol=1e-9)


@pytest.mark.parametrize("seed", [0, 1000])
@pytest.mark.parametrize("shape", ["laplace", "uniform", "gaussian"])
def test_structural_series_are_the_draws_of_their_reference_tables(shape: str, seed: int) -> None:
    structure, noise = np.random.default_rng(seed).spawn(2)
    free = drawn(structure, 6, 2, 2.0, 0.2, 0.5)
    order = structure.permutation(6).tolist()
    chance = structure.random((6, 6))
    sizes = structure.uniform(0.3, 0.8, size=(6, 6)) * structure.choice([-1.0, 1.0], size=(6, 6))
    within = np.zeros((6, 6))
    for effect in range(6):
        for cause in range(6):
            if order.index(cause) < order.index(effect) and chance[effect, cause] < 2 * 1.0 / 5:
                within[effect, cause] = sizes[effect, cause]
    weights = stable(free, within, 0.95)
    task = StructuralVAR(nodes=6, steps=25, max_lag=2, shape=shape, noise=1.5, burn_in=5)
    np.testing.assert_allclose(task.coefficients(seed), np.concatenate([within[None], weights]), rtol=1e-9)

    size = (30, 6)
    unit = {
        "laplace": lambda: noise.laplace(scale=0.5**0.5, size=size),
        "uniform": lambda: noise.uniform(-(3**0.5), 3**0.5, size=size),
        "gaussian": lambda: noise.standard_normal(size),
    }[shape]()
    rows = [np.zeros(6), np.zeros(6)]
    for innovation in 1.5 * unit:
        pushed = weights[0] @ rows[-1] + weights[1] @ rows[-2] + innovation
        rows.append(np.linalg.solve(np.eye(6) - within, pushed))
    np.testing.assert_allclose(task.load(seed).frame, rows[7:], rtol=1e-9, atol=1e-9)
