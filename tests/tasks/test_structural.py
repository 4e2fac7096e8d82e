"""Structural vector autoregressions against least squares on what they say they are."""

import networkx as nx
import numpy as np
import pytest
from scipy import stats

from sostruct.errors import ConfigError
from sostruct.tasks import StructuralVAR


@pytest.mark.parametrize("shape", ["laplace", "uniform", "student", "gaussian"])
def test_least_squares_find_the_coefficients(shape):
    task = StructuralVAR(nodes=4, steps=40_000, max_lag=2, shape=shape, noise=2.0)
    weights = task.coefficients(3)
    values = task.load(3).frame.to_numpy()
    past = np.hstack([values[1:-1], values[:-2]])
    left = []
    for effect in range(4):
        causes = np.flatnonzero(weights[0, effect])
        design = np.hstack([values[2:, causes], past])
        solution, *_ = np.linalg.lstsq(design, values[2:, effect], rcond=None)
        np.testing.assert_allclose(solution[: len(causes)], weights[0, effect, causes], atol=0.03)
        np.testing.assert_allclose(solution[len(causes) :], weights[1:, effect].ravel(), atol=0.03)
        left.append(values[2:, effect] - design @ solution)
    noise = np.array(left)
    np.testing.assert_allclose(np.cov(noise), 4.0 * np.eye(4), atol=0.15)
    if shape != "student":  # whose kurtosis is infinite
        excess = np.mean((noise / noise.std()) ** 4) - 3
        assert excess == pytest.approx({"laplace": 3.0, "uniform": -1.2, "gaussian": 0.0}[shape], abs=0.4)
    laws = {
        "laplace": stats.laplace(scale=0.5**0.5),
        "uniform": stats.uniform(-(3**0.5), 2 * 3**0.5),
        "student": stats.t(4, scale=0.5**0.5),
        "gaussian": stats.norm(),
    }
    for other, law in laws.items():
        distance = stats.kstest(noise.ravel() / 2.0, law.cdf).statistic
        assert (distance < 0.006) == (other == shape), (other, distance)


def test_the_truth_has_every_coefficient_and_no_cycle_within_a_step():
    task = StructuralVAR(nodes=6)
    for seed in range(5):
        truth, weights = task.load(seed).truth, task.coefficients(seed)
        found = {
            (data["lag"], int(effect[1:]), int(cause[1:])): data["strength"]
            for cause, effect, data in truth.edges(data=True)
        }
        assert found == {tuple(place): weights[tuple(place)] for place in np.argwhere(weights).tolist()}
        within = [(cause, effect) for cause, effect, lag in truth.edges(data="lag") if lag == 0]
        assert within
        assert nx.is_directed_acyclic_graph(nx.DiGraph(within))


def test_a_longer_series_begins_with_the_shorter():
    short, long = (StructuralVAR(nodes=3, steps=steps).load(1).frame for steps in (50, 80))
    np.testing.assert_array_equal(long.iloc[:50], short)


def test_the_largest_eigenvalue_is_the_radius_at_most():
    task = StructuralVAR(nodes=5, strength=(1.0, 2.0), radius=0.5, max_lag=2)
    weights = task.coefficients(0)
    reduced = np.linalg.inv(np.eye(5) - weights[0]) @ weights[1:]
    companion = np.block([[reduced[0], reduced[1]], [np.eye(5), np.zeros((5, 5))]])
    assert np.abs(np.linalg.eigvals(companion)).max() == pytest.approx(0.5)


@pytest.mark.parametrize("wrong", [{"shape": "cauchy"}, {"within": 5.0}, {"instant": (0.8, 0.3)}, {"nodes": 1}])
def test_wrong_settings_are_named(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        StructuralVAR(**wrong)
