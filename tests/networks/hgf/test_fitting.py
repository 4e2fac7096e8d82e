"""Fits against a library's optimizer on networks that are linear, and the conventions of what is free."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from scipy.optimize import minimize

from sostruct.graph import AddEdge, AddNode, Edge, SetParameters, Topology, apply
from sostruct.networks.hgf.builders import bare_hgf
from sostruct.networks.hgf.components import Component
from sostruct.networks.hgf.fitting import Problem, fit, free_knobs, starts, value_of
from sostruct.networks.hgf.network import HGF
from sostruct.networks.hgf.workbench import Workbench


def local_level(volatility: float, noise: float, steps: int = 300, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    state = np.cumsum(rng.normal(0.0, np.exp(volatility / 2), steps))
    return (state + rng.normal(0.0, np.sqrt(noise), steps))[:, None]


def prepared(data: np.ndarray, volatility: float, precision: float) -> tuple[Workbench, Component]:
    network = HGF(bare_hgf(["u"], tonic_volatility=volatility, precision=precision), schedule="packed")
    bench = Workbench(network, network.prepare(data))
    return bench, bench.components(network.topology)[0]


def problem(bench: Workbench, own: Component) -> Problem:
    knobs = free_knobs(own)
    return Problem(bench.sketch(own), knobs, np.array([value_of(own, knob) for knob in knobs]))


def test_it_finds_the_maximum_that_a_library_finds() -> None:
    data = local_level(-1.0, 0.5)
    bench, own = prepared(data, 1.0, 0.3)
    (found,) = fit(bench, [problem(bench, own)], tolerance=1e-6)

    def surprise(point: np.ndarray) -> float:
        """Of a local level by the scalar Kalman recursion."""
        step, noise = np.exp(point)
        mean, variance, total = 0.0, 1.0 / dict(own.topology.node("u_state").parameters)["precision"], 0.0
        for u in data[:, 0]:
            variance += step
            spread = variance + noise
            total += 0.5 * (np.log(2 * np.pi * spread) + (u - mean) ** 2 / spread)
            mean, variance = mean + variance / spread * (u - mean), variance * noise / spread
        return float(total)

    best = minimize(surprise, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10})
    assert found.converged
    np.testing.assert_allclose(found.evidence, -best.fun, atol=1e-5)
    values = dict(zip(free_knobs(own), found.values.tolist(), strict=True))
    np.testing.assert_allclose(values["u_state", "tonic_volatility"], best.x[0], atol=1e-2)
    np.testing.assert_allclose(-np.log(values["u", "precision"]), best.x[1], atol=1e-2)


def test_fits_do_not_touch_each_other() -> None:
    bench, own = prepared(local_level(-1.0, 0.5), 1.0, 0.3)
    one = problem(bench, own)
    other = Problem(one.sketch, one.knobs[:1], one.start[:1])
    alone = [fit(bench, [each])[0] for each in (one, other)]
    together = fit(bench, [one, other, one])
    assert [each.evidence for each in together] == [alone[0].evidence, alone[1].evidence, alone[0].evidence]
    np.testing.assert_array_equal(together[1].values, alone[1].values)


def test_a_fit_never_ends_worse_than_it_began() -> None:
    for seed in range(3):
        bench, own = prepared(local_level(-2.0, 1.0, 60, seed), 3.0, 50.0)
        (found,) = fit(bench, [problem(bench, own)], rounds=seed)
        assert found.evidence >= float(bench.evidence([own])[0]) - 1e-9


def test_what_is_held_by_convention() -> None:
    start = Topology.from_networkx(bare_hgf(["u", "w"]))
    more = (
        AddNode("v", "continuous", {"autoconnection": 0.9, "tonic_drift": 0.1}),
        AddEdge(Edge("v", "u_state", "volatility")),
        AddEdge(Edge("v", "w_state", "volatility", strength=0.7)),
    )
    own = Component(apply(start, more), ("u", "w"))
    assert set(free_knobs(own)) == {
        ("u", "precision"),
        ("w", "precision"),
        ("u_state", "tonic_volatility"),
        ("w_state", "tonic_volatility"),
        ("v", "tonic_volatility"),
        ("v", "autoconnection"),
        ("v", "tonic_drift"),
        (("v", "w_state", "volatility", 0), "strength"),
    }
    with pytest.raises(KeyError):
        value_of(own, ("u", "nothing"))
    swinging = Component(apply(own.topology, [SetParameters("v", {"autoconnection": -0.5})]), own.inputs)
    assert ("v", "autoconnection") not in free_knobs(swinging)


@pytest.mark.parametrize(("volatility", "precision", "away"), [(0.0, 1e6, True), (-9.0, 1.0, True), (0.0, 2.0, False)])
def test_corners_are_left(volatility: float, precision: float, away: bool) -> None:
    bench, own = prepared(local_level(-1.0, 0.5), volatility, precision)
    begun = starts(own, free_knobs(own), {})
    assert len(begun) == 1 + away
    best, *_ = sorted(
        fit(bench, [Problem(bench.sketch(own), free_knobs(own), point) for point in begun]),
        key=lambda one: -one.evidence,
    )
    other, found = prepared(local_level(-1.0, 0.5), -1.0, 2.0)
    (expected,) = fit(other, [problem(other, found)])
    np.testing.assert_allclose(best.evidence, expected.evidence, atol=0.05)


def test_an_invalid_start_is_said_to_be_one() -> None:
    data = local_level(-1.0, 0.5, 50)
    network = HGF(bare_hgf(["u"]), schedule="packed").edited(
        [SetParameters("u_state", {"tonic_volatility": 400.0})], key=jax.random.key(0)
    )
    bench = Workbench(network, network.prepare(data))
    own = bench.components(network.topology)[0]
    (found,) = fit(bench, [Problem(bench.sketch(own), (), np.zeros(0))])
    assert found.evidence == -np.inf
    assert found.converged
