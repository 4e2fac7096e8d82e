"""Samples of belief graphs against the closed forms of the processes they are."""

from __future__ import annotations

import math
from typing import Any

import networkx as nx
import numpy as np
import pytest

from sostruct.errors import ConfigError, GraphError
from sostruct.tasks import sample_beliefs
from sostruct.tasks.moments import marginal_step_variance, stationary_variances

from .refusals import refused


def graph(nodes: dict[str, dict[str, Any]], edges: list[tuple[str, str, str, float]]) -> nx.MultiDiGraph:
    drawn = nx.MultiDiGraph()
    for name, parameters in nodes.items():
        drawn.add_node(name, **{"kind": "continuous", **parameters})
    for source, target, coupling, strength in edges:
        drawn.add_edge(source, target, coupling=coupling, strength=strength)
    return drawn


def ar(lam: float, variance: float) -> dict[str, float]:
    """An autoregression of this stationary variance."""
    return {"autoconnection": lam, "tonic_volatility": math.log(variance * (1.0 - lam**2))}


def autocovariance(x: np.ndarray, lag: int) -> float:
    return float(np.mean(x[lag:] * x[: len(x) - lag]))


def many(drawn: nx.MultiDiGraph, steps: int, count: int, name: str) -> np.ndarray:
    """`count` independent series of one node [series x time]."""
    rng = np.random.default_rng(5)
    return np.array([_both(drawn, steps, rng)[name] for _ in range(count)])


def _both(drawn: nx.MultiDiGraph, steps: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    inputs, latents = sample_beliefs(drawn, steps, rng)
    return {name: frame[name].to_numpy() for frame in (inputs, latents) for name in frame}


def test_an_autoregression_has_its_autocovariances() -> None:
    """gamma(k) = lam^k sd^2, and the noise adds 1 / precision at lag 0 alone."""
    drawn = graph({"x": ar(0.8, 4.0), "u": {"precision": 0.5}}, [("x", "u", "value", 1.5)])
    drawn.nodes["x"]["tonic_drift"] = 0.6  # mean .6 / (1 - .8) = 3
    series = _both(drawn, 100_000, np.random.default_rng(1))
    assert series["x"].mean() == pytest.approx(3.0, abs=0.1)
    for lag in range(4):
        expected = 4.0 * 0.8**lag
        assert autocovariance(series["x"] - 3.0, lag) == pytest.approx(expected, abs=0.2)
        assert autocovariance(series["u"] - 4.5, lag) == pytest.approx(2.25 * expected + 2.0 * (lag == 0), abs=0.5)


def test_a_random_walk_has_independent_steps_of_its_variance() -> None:
    drawn = graph(
        {"x": {"tonic_volatility": math.log(0.3), "tonic_drift": 0.1, "mean": 7.0, "precision": 4.0}, "u": {}},
        [("x", "u", "value", 1.0)],
    )
    steps = np.diff(_both(drawn, 50_000, np.random.default_rng(2))["x"]) - 0.1
    assert steps.var() == pytest.approx(0.3, rel=0.03)
    assert autocovariance(steps, 1) == pytest.approx(0.0, abs=0.01)
    first = many(drawn, 1, 4000, "x")[:, 0]  # N(7, 1/4), one step of mean .1 and variance .3 later
    assert first.mean() == pytest.approx(7.1, abs=0.05)
    assert first.var() == pytest.approx(0.55, rel=0.08)


def test_autoregressions_are_stationary_from_the_first_row() -> None:
    drawn = graph({"x": ar(0.97, 9.0), "u": {}}, [("x", "u", "value", 1.0)])
    paths = many(drawn, 30, 4000, "x")
    np.testing.assert_allclose(paths.var(axis=0), 9.0, rtol=0.1)


def test_a_drift_enters_in_the_same_step() -> None:
    """x_t - x_(t-1) = w b_t + e_t: autocovariances w^2 sd^2 lam^k, and Omega more at lag 0."""
    drawn = graph(
        {"b": ar(0.9, 1.0), "x": {"tonic_volatility": math.log(0.5)}, "u": {}},
        [("b", "x", "value", -2.0), ("x", "u", "value", 1.0)],
    )
    series = _both(drawn, 200_000, np.random.default_rng(3))
    steps = np.diff(series["x"])
    for lag in range(3):
        assert autocovariance(steps, lag) == pytest.approx(4.0 * 0.9**lag + 0.5 * (lag == 0), abs=0.15)
    assert np.corrcoef(steps + 2.0 * series["b"][1:], series["b"][1:])[0, 1] == pytest.approx(0.0, abs=0.01)


def test_a_volatility_parent_sets_the_log_variance() -> None:
    """E log(step^2) = om + kap c + E log chi^2_1, given c; unconditionally Var log(step^2) = kap^2 sd^2 + pi^2 / 2."""
    drawn = graph(
        {"c": ar(0.95, 0.8), "x": {"tonic_volatility": -1.0}, "u": {}},
        [("c", "x", "volatility", 1.5), ("x", "u", "value", 1.0)],
    )
    series = _both(drawn, 200_000, np.random.default_rng(4))
    log_square = np.log(np.diff(series["x"]) ** 2)
    c = series["c"][1:]
    slope = np.cov(log_square, c)[0, 1] / c.var()
    assert slope == pytest.approx(1.5, abs=0.03)
    assert (log_square - 1.5 * c).mean() == pytest.approx(-1.0 - 1.2704, abs=0.03)
    assert log_square.var() == pytest.approx(1.5**2 * 0.8 + math.pi**2 / 2, rel=0.04)


def test_an_input_adds_its_volatility_to_its_noise() -> None:
    drawn = graph(
        {"x": ar(0.5, 1.0), "c": ar(0.5, 0.4), "u": {"precision": 4.0}},
        [("x", "u", "value", 1.0), ("c", "u", "volatility", 1.0)],
    )
    series = _both(drawn, 200_000, np.random.default_rng(5))
    noise = series["u"] - series["x"]
    assert noise.var() == pytest.approx(0.25 + math.exp(0.2), rel=0.03)
    loud = series["c"] > 0.5
    assert noise[loud].var() == pytest.approx(0.25 + np.exp(series["c"][loud]).mean(), rel=0.03)


def test_a_binary_input_has_the_odds_of_its_parents() -> None:
    drawn = graph(
        {"x": ar(0.9, 2.0), "one": {"kind": "constant"}, "u": {"kind": "binary"}},
        [("x", "u", "value", 1.0), ("one", "u", "value", -0.7)],
    )
    series = _both(drawn, 100_000, np.random.default_rng(6))
    assert set(series["u"]) == {0.0, 1.0}
    for low in (-2.0, -1.0, 0.0, 1.0):
        band = (series["x"] > low) & (series["x"] < low + 1.0)
        expected = (1.0 / (1.0 + np.exp(0.7 - series["x"][band]))).mean()
        assert series["u"][band].mean() == pytest.approx(expected, abs=0.02)


def test_moments_are_those_of_samples() -> None:
    drawn = graph(
        {"b": ar(0.9, 1.0), "c": ar(0.9, 0.5), "x": {"autoconnection": 0.7, "tonic_volatility": -0.5}, "u": {}},
        [("b", "x", "value", 0.8), ("c", "x", "volatility", 1.2), ("x", "u", "value", 1.0)],
    )
    variances = stationary_variances(drawn)
    series = _both(drawn, 400_000, np.random.default_rng(7))
    for name in "bcx":
        assert series[name].var() == pytest.approx(variances[name], rel=0.05), name
    from sostruct.graph import Topology

    step = series["x"][1:] - 0.7 * series["x"][:-1]
    expected = marginal_step_variance(Topology.from_networkx(drawn), "x", variances)
    assert step.var() == pytest.approx(expected, rel=0.05)
    drawn.nodes["b"]["autoconnection"] = 1.0
    assert math.isinf(stationary_variances(drawn)["x"])


def test_a_longer_series_begins_with_the_shorter_and_names_are_sorted() -> None:
    drawn = graph({"z": ar(0.9, 1.0), "v": {}, "b": {}}, [("z", "v", "value", 1.0), ("z", "b", "value", 2.0)])
    short, long = (sample_beliefs(drawn, steps, np.random.default_rng(8)) for steps in (20, 50))
    for one, other in zip(short, long, strict=True):
        np.testing.assert_array_equal(one, other.iloc[:20])
    assert list(short[0]) == ["b", "v"]
    assert list(short[1]) == ["z"]


def test_a_series_goes_on_from_given_values() -> None:
    drawn = graph({"x": {"tonic_volatility": -30.0}, "u": {}}, [("x", "u", "value", 1.0)])
    _, latents = sample_beliefs(drawn, 3, np.random.default_rng(9), start={"x": 12.0})
    np.testing.assert_allclose(latents["x"], 12.0, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda g: g.nodes["x"].update(kind="volatile"), ["'x'", "volatile"]),
        (lambda g: g.nodes["x"].update(kind="binary"), ["'x'", "has children"]),
        (lambda g: g.edges["x", "u", 0].update(function="tanh"), ["x -> u", "'tanh'"]),
        (lambda g: g.edges["x", "u", 0].update(lag=1), ["lag 1"]),
        (lambda g: g.nodes["x"].update(tonic_volatility=400.0), ["'x'", "400"]),
        (lambda g: g.nodes["x"].update(autoconnection=30.0), ["'x'", "autoconnection"]),
        (lambda g: g.remove_node("u"), ["no hidden node"]),
    ],
)
def test_what_is_refused(change: Any, words: list[str]) -> None:
    drawn = graph({"x": {}, "u": {}}, [("x", "u", "value", 1.0)])
    change(drawn)
    with refused(ConfigError if "no hidden node" in words else GraphError, *words):
        sample_beliefs(drawn, 400, np.random.default_rng(0))


def test_a_volatility_parent_of_a_binary_input_is_refused() -> None:
    drawn = graph(
        {"x": {}, "u": {"kind": "binary"}},
        [("x", "u", "value", 1.0), ("x", "u", "volatility", 1.0)],
    )
    with refused(GraphError, "'u'", "binary"):
        sample_beliefs(drawn, 4, np.random.default_rng(0))
    with refused(ConfigError, "steps"):
        sample_beliefs(drawn, 0, np.random.default_rng(0))
