"""The test that a regime is over: prices, errors where nothing has changed, what is found where something has."""

from __future__ import annotations

import math

import jax
import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp

import sostruct as ss
from sostruct.graph import AddEdge, AddNode, Edge, SetParameters, apply
from sostruct.growth.anatomy import Anatomy
from sostruct.growth.base import State
from sostruct.growth.catalogue import residual
from sostruct.growth.counterfactual import Pricing
from sostruct.growth.grid import Grid
from sostruct.growth.marks import shape
from sostruct.growth.regimes import recent
from sostruct.growth.residual import MOVES, Residual
from sostruct.growth.search import Effort, Search
from sostruct.networks.hgf.components import components
from sostruct.networks.hgf.network import HGF
from sostruct.structure.compare import compare_beliefs
from sostruct.tasks.regimes import RegimeSwitch
from tests.control.test_history import filter_of

KEY = jax.random.key(0)
ROWS = 60
SINGLE = ("parameters", "drift", "volatility")


def walk(seed: int, rows: int = ROWS, factor: float = 1.0) -> pd.DataFrame:
    """Two series as `filter_of` has them, whose steps are `factor` times as long in the first."""
    rng = np.random.default_rng(seed)
    steps = math.exp(-0.5) * rng.normal(size=(rows, 2)) * [factor, 1.0]
    start = rng.normal(size=2)  # a state begins with precision 1
    values = start + np.cumsum(steps, 0) + rng.normal(size=(rows, 2)) / math.sqrt(2.0)
    return pd.DataFrame(values, columns=["a", "b"])


def search_over(frame: pd.DataFrame, moves: tuple[str, ...] = MOVES, looks: int = 8, age: int = 8) -> Search:
    network = filter_of("a", "b")
    data = network.prepare(frame)
    after, signals = network.epoch(data, key=KEY)
    assert isinstance(after, HGF)
    pricing = Pricing(network, data, KEY, "recent", running=True, since=1, looks=looks)
    return Search(Effort(), moves, after, signals, pricing.bench, known(network, age))


def known(network: HGF, age: int = 8) -> State:
    """The state of a search in which every component of a graph has been fitted."""
    parts = components(network.topology, network.inputs)
    return Search.nothing() | {"known": {shape(one.topology): age for one in parts}}


def log_evidence(network: HGF, frame: pd.DataFrame) -> float:
    return float(network.filter(frame).log_evidence)


def test_a_price_is_a_mixture_over_the_grid_less_the_weight() -> None:
    frame = walk(0, factor=3.0)
    found = {one.target: one for one in recent(search_over(frame, SINGLE), 0.0)}
    (best,) = (edit for edit in found["a_state"].edits[:1])
    assert isinstance(best, SetParameters)
    network = filter_of("a", "b")
    before = log_evidence(network, frame)
    shifted = []
    for change in (-1.4, -0.7, 0.7, 1.4):
        edits = [SetParameters("a_state", {"tonic_volatility": -1.0 + change})]
        shifted.append(log_evidence(HGF(apply(network.topology, edits), schedule="packed"), frame) - before)
    shifts, sorts = 4, 3  # of two states and two inputs; beside drifts and volatility parents
    expected = logsumexp(shifted) - math.log(4) - math.log(2 * sorts * shifts)
    assert found["a_state"].nats == pytest.approx(expected, abs=1e-8)
    likeliest = (-1.4, -0.7, 0.7, 1.4)[int(np.argmax(shifted))]
    last = found["a_state"].edits[-1]
    assert isinstance(last, SetParameters)
    assert dict(last.parameters)["tonic_volatility"] == -1.0 + likeliest


def test_prices_of_components_add_up_and_pay_for_the_regime_once() -> None:
    frame = walk(1, factor=4.0)
    frame["b"] = walk(2, factor=4.0)["a"]
    free = recent(search_over(frame, SINGLE), 0.0)
    paid = recent(search_over(frame, SINGLE), 5.0)
    assert len(free) == len(paid) == 2
    assert not free[0].touches & free[1].touches
    assert sum(one.nats for one in paid) == pytest.approx(sum(one.nats for one in free) - 5.0)
    assert all(one.nats > 0.0 for one in paid)
    dear = recent(search_over(frame, SINGLE), 1e4)
    assert all(one.nats < 0.0 for one in dear)


def test_where_nothing_changes_prices_are_e_values() -> None:
    totals = [sum(one.nats for one in recent(search_over(walk(seed)), 0.0)) for seed in range(150)]
    for nats in (1.0, 2.0, 3.0):
        expected = math.exp(-nats)
        share = float(np.mean(np.array(totals) > nats))
        assert share <= expected + 3.0 * math.sqrt(expected * (1.0 - expected) / len(totals)), nats
    changed = [sum(one.nats for one in recent(search_over(walk(seed, factor=3.0)), 0.0)) for seed in range(10)]
    assert np.median(changed) > 7.0


def test_what_outlived_a_regime_is_cheaper_to_doubt_while_little_is_remembered() -> None:
    frame = walk(0, factor=3.0)

    def total(looks: int, age: int) -> float:
        return sum(one.nats for one in recent(search_over(frame, SINGLE, looks, age), 8.0))

    full = total(8, 8)
    assert total(2, 2) == pytest.approx(full), "what came with these rows pays in full"
    assert total(2, 3) == pytest.approx(full + 8.0 - 2.0), "a quarter of it with two chunks of eight"
    assert total(9, 10) == pytest.approx(full)


def test_children_of_a_parent_that_goes_may_stay_where_it_had_brought_them() -> None:
    graph = apply(
        filter_of("a", "b").topology,
        [AddNode("v", "continuous", {"autoconnection": 0.9})]
        + [AddEdge(Edge("v", f"{name}_state", "volatility", strength=size)) for name, size in (("a", 1.0), ("b", 0.1))],
    )
    anatomy = Anatomy(graph, ("a", "b"), {"v": (-3.0, 1.0, -3.0)})
    tonic = ("a_state", "tonic_volatility"), ("b_state", "tonic_volatility")
    assert anatomy.left(graph.children("v")) == [
        {tonic[0]: -4.0, tonic[1]: -1.3},
        {tonic[0]: 0.0},
    ]
    assert Anatomy(graph, ("a", "b")).left(graph.children("v")) == []


@pytest.mark.parametrize("scorer", [Residual(), Grid()])
def test_scorers_ask_over_recent_parts_what_the_test_asks(scorer: Residual | Grid) -> None:
    frame = walk(3, factor=3.0)
    network = filter_of("a", "b")
    data = network.prepare(frame)
    after, signals = network.epoch(data, key=KEY)
    pricing = Pricing(network, data, KEY, "recent", running=True, since=1, looks=8)
    state = scorer.init(after) | known(after)
    found, again = scorer.score(after, signals, state, evaluate=pricing, key=KEY)
    assert again == state, "what is refused over a part says nothing about the whole"
    expected = sum(one.nats for one in recent(search_over(frame), scorer.regime))
    assert sum(one.nats for one in found) == pytest.approx(expected)
    assert not scorer.score(after, signals, scorer.init(after), evaluate=pricing, key=KEY)[0], "nothing was fitted yet"


@pytest.mark.slow
def test_a_parent_that_moves_to_other_children_is_followed() -> None:
    task = RegimeSwitch(kind="drift", steps=400, heldout=0, signal=1.0)
    loaded, (first, second, _) = task.load(3), task.regimes(3)
    assert loaded.start is not None
    live = ss.stream(ss.HGF(loaded.start, schedule="packed"), ss.Controller(residual()), limit=500)
    scores = []
    for start in range(0, 800, 50):
        live.observe(loaded.frame.iloc[start : start + 50])
        graph = (first if start < 400 else second).graph
        scores.append(compare_beliefs(live.network.graph, graph, loaded.frame.columns).f1)
    assert scores[7] == 1.0
    assert scores[8] < 1.0
    assert 1.0 in scores[9:12], "within 200 rows"
    assert scores[-1] == 1.0
    assert live.stream is not None
    assert sum(live.stream.lengths) <= 400, "the first regime is forgotten"
