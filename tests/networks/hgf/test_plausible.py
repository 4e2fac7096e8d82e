"""The prior of hidden parents by hand, and what free numbers cost beside an integral."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

from sostruct.graph import AddEdge, AddNode, Edge, SetParameters, Topology, apply
from sostruct.networks.hgf.builders import bare_hgf
from sostruct.networks.hgf.components import Component
from sostruct.networks.hgf.fitting import Problem, fit, free_knobs, value_of
from sostruct.networks.hgf.network import HGF
from sostruct.networks.hgf.plausible import Plausible, complexity, effects, parents
from sostruct.networks.hgf.workbench import Knob, Trial, Workbench

VOLATILITY = ("v", "u_state", "volatility", 0)
OWN: tuple[Knob, ...] = (("v", "autoconnection"), ("v", "tonic_volatility"))
LEVEL: Knob = ("u_state", "tonic_volatility")


def logistic(logit: float) -> float:
    return 1.0 / (1.0 + math.exp(-logit))


def tonic(size: float, decay: float) -> float:
    """Of a node whose stationary sd is `size`."""
    return math.log(size**2 * (1.0 - decay**2))


def with_volatility(size: float = 0.8, decay: float = 0.9, level: float = -1.0) -> Component:
    start = Topology.from_networkx(bare_hgf(["u"], tonic_volatility=level, precision=4.0))
    own = {"autoconnection": decay, "tonic_volatility": tonic(size, decay), "mean": 0.0}
    return Component(
        apply(start, [AddNode("v", "continuous", own), AddEdge(Edge("v", "u_state", "volatility"))]), ("u",)
    )


def with_drift(scale: float) -> Component:
    """Two states led by one drift, in units of `scale`."""
    start = Topology.from_networkx(bare_hgf(["u", "w"], tonic_volatility=2.0 * math.log(scale), precision=1.0))
    own = {"autoconnection": 0.7, "tonic_volatility": tonic(0.5 * scale, 0.7)}
    edges = (AddEdge(Edge("d", "u_state", "value")), AddEdge(Edge("d", "w_state", "value", strength=-0.6)))
    return Component(apply(start, [AddNode("d", "continuous", own), *edges]), ("u", "w"))


def bench_of(own: Component, data: np.ndarray) -> Workbench:
    network = HGF(own.topology, inputs=own.inputs, schedule="packed")
    return Workbench(network, network.prepare(data))


def walk(steps: int, seed: int, volatile: float = 0.0) -> np.ndarray:
    """A random walk seen through noise; its log variance has a stationary sd of `volatile`."""
    rng = np.random.default_rng(seed)
    log_variance, state, rows = 0.0, 0.0, []
    for _ in range(steps):
        log_variance = 0.9 * log_variance + rng.normal(0.0, volatile * math.sqrt(1.0 - 0.9**2))
        state += rng.normal(0.0, math.exp(0.5 * (log_variance - 1.0)))
        rows.append(state + rng.normal(0.0, 0.5))
    return np.array(rows)[:, None]


def test_the_prior_is_what_its_table_says() -> None:
    own = with_volatility(0.8, 0.9)
    z = Plausible(own, ()).deviations(np.zeros((1, 0)))
    faint = math.log(math.hypot(1.0, 0.05))  # strengths are rounded off at 0
    np.testing.assert_allclose(z, [[(math.log(9.0) - 2.2) / 1.5, math.log(0.8) + faint + 0.2]], rtol=1e-12)

    drifting = with_drift(1.0)
    z = Plausible(drifting, ()).deviations(np.zeros((1, 0)))
    expected = [math.log(0.5) + math.log(math.hypot(size, 0.05)) + 0.5 for size in (1.0, 0.6)]
    np.testing.assert_allclose(z[0, 1:], expected, rtol=1e-12)
    assert float(Plausible(drifting, ())(np.zeros((1, 0)))[0]) == pytest.approx(-0.5 * float(np.sum(z**2)))


def test_numbers_that_vary_take_the_place_of_those_of_the_graph() -> None:
    own, other = with_volatility(0.8, 0.9), with_volatility(0.3, 0.6)
    row = np.array([[value_of(other, knob) for knob in OWN]])
    np.testing.assert_allclose(Plausible(own, OWN)(row), Plausible(other, ())(np.zeros((1, 0))), rtol=1e-12)


def test_no_unit_of_the_data_is_better_than_another() -> None:
    one, other = (Plausible(with_drift(scale), ())(np.zeros((1, 0))) for scale in (1.0, 1e-3))
    np.testing.assert_allclose(one, other, rtol=1e-9)
    assert effects(with_drift(1e3)) == pytest.approx({"d": 0.5 * math.hypot(1.0, 0.05)})


def test_it_speaks_of_stationary_parents_only() -> None:
    own = with_volatility()
    assert [one.name for one in parents(own)] == ["v"]
    walking = Component(apply(own.topology, [SetParameters("v", {"autoconnection": 1.0})]), own.inputs)
    assert list(parents(walking)) == []
    assert effects(walking) == {}
    seen = Component(apply(own.topology, [SetParameters("u_state", {"autoconnection": 0.9})]), own.inputs)
    assert [one.name for one in parents(seen)] == ["v"], "a state that an input sees is on the scale of the data"


def test_numbers_without_a_prior_cost_half_the_log_of_the_steps() -> None:
    own = Component(Topology.from_networkx(bare_hgf(["u"])), ("u",))
    bench = bench_of(own, walk(90, 0))
    assert complexity(bench, [own]) == [pytest.approx(0.5 * math.log(90.0) * len(free_knobs(own)))]
    assert complexity(bench, []) == []


@pytest.mark.parametrize(("steps", "volatile"), [(60, 0.0), (400, 1.0)])
def test_a_parent_costs_what_an_integral_over_its_numbers_says(steps: int, volatile: float) -> None:
    """log p(data) with the parent's numbers integrated over their prior, and the child's level over its own width."""
    own = with_volatility()
    bench = bench_of(own, walk(steps, 5, volatile))
    knobs = (*OWN, LEVEL)
    start = np.array([value_of(own, knob) for knob in knobs])
    (found,) = fit(bench, [Problem(bench.sketch(own), knobs, start, Plausible(own, knobs))], tolerance=1e-6)
    settings = [SetParameters(place, {name: value}) for (place, name), value in zip(knobs, found.values, strict=True)]
    best = Component(apply(own.topology, settings), own.inputs)
    free = 0.5 * math.log(steps) * (len(free_knobs(best)) - 2)
    cost = complexity(bench, [best])[0] - free

    # logit a and ln S are independent under the prior, with the sds of the table
    memory, size = np.linspace(2.2 - 6.0, 2.2 + 4.5, 22), np.linspace(-4.2, 2.8, 22)
    levels = found.values[2] + np.linspace(-1.5, 1.5, 13)
    points = [(logistic(a), tonic(math.exp(s), logistic(a)), level) for a, s, level in product(memory, size, levels)]
    nats = bench.filter([Trial(bench.sketch(best), knobs, np.array(points))])[0].reshape(22, 22, 13)
    prior = norm.logpdf(memory, 2.2, 1.5)[:, None] + norm.logpdf(size, -0.2, 1.0)[None, :]
    cell = math.log((memory[1] - memory[0]) * (size[1] - size[0]) * (levels[1] - levels[0]))
    total = float(logsumexp(np.nan_to_num(nats, nan=-1e9) + prior[:, :, None])) + cell
    here = bench.filter(
        [Trial(bench.sketch(best), (LEVEL,), found.values[2] + 0.1 * np.array([[0.0], [1.0], [-1.0]]))]
    )[0]
    width = 0.5 * math.log(2.0 * math.pi * 0.01 / (2.0 * here[0] - here[1] - here[2]))
    assert found.evidence - cost == pytest.approx(total - width, abs=0.35)


def test_parents_that_no_row_tells_anything_about_cost_hardly_anything() -> None:
    own = with_volatility(0.8, 0.9)
    few, many = (bench_of(own, walk(steps, 1, 1.0)) for steps in (4, 400))
    free = len(free_knobs(own)) - 2
    costs = [complexity(bench, [own])[0] - 0.5 * math.log(bench.steps) * free for bench in (few, many)]
    assert 0.0 < costs[0] < 0.5
    assert costs[1] > 1.5


def test_a_coupling_that_has_vanished_still_has_a_cost() -> None:
    start = Topology.from_networkx(bare_hgf(["u", "w"], tonic_volatility=-1.0, precision=4.0))
    own = {"autoconnection": 0.9, "tonic_volatility": tonic(0.8, 0.9)}
    edges = (AddEdge(Edge("v", "u_state", "volatility")), AddEdge(Edge("v", "w_state", "volatility", strength=1e-18)))
    faint = Component(apply(start, [AddNode("v", "continuous", own), *edges]), ("u", "w"))
    (cost,) = complexity(bench_of(faint, np.hstack([walk(60, 0), walk(60, 1)])), [faint])
    assert math.isfinite(cost)


class Blind:
    """A workbench on which every variant is invalid."""

    steps = 100

    def sketch(self, own: Component) -> Any:
        return own

    def filter(self, trials: Sequence[Trial]) -> list[np.ndarray]:
        return [np.full(len(one.values), np.nan) for one in trials]


def test_where_neighbours_are_invalid_numbers_are_counted() -> None:
    own = with_volatility()
    (cost,) = complexity(Blind(), [own])  # type: ignore[arg-type]
    far = -float(Plausible(own, ())(np.zeros((1, 0)))[0])
    assert cost == pytest.approx(0.5 * math.log(100.0) * len(free_knobs(own)) + far)


def test_it_keeps_fits_on_few_rows_away_from_corners() -> None:
    own, knobs = with_volatility(), (*OWN, LEVEL)
    start = np.array([value_of(own, knob) for knob in knobs])

    def sizes(data: np.ndarray) -> list[float]:
        bench = bench_of(own, data)
        drawn = bench.sketch(own)
        problems = [Problem(drawn, knobs, start, Plausible(own, knobs)), Problem(drawn, knobs, start)]
        found = fit(bench, problems)
        assert found[0].posterior <= found[0].evidence <= found[1].evidence + 0.05
        own_of = [dict(zip(knobs, one.values.tolist(), strict=True)) for one in found]
        return [math.exp(0.5 * one[OWN[1]]) / math.sqrt(1.0 - one[OWN[0]] ** 2) for one in own_of]

    kept, free = sizes(walk(100, 2))
    assert abs(math.log(free)) > 1.4
    assert abs(math.log(kept)) < 0.9
    kept, free = sizes(walk(1500, 2, 1.0))
    assert kept == pytest.approx(free, rel=0.1)
