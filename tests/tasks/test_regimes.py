"""A structure that changes and returns: where, to what, and what the change is worth."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from sostruct.errors import ConfigError
from sostruct.graph import Topology
from sostruct.networks.hgf.network import HGF
from sostruct.tasks import RegimeSwitch
from sostruct.tasks.belief import parameter

from .refusals import refused


def parents(graph: nx.MultiDiGraph, kind: str) -> set[str]:
    return {target for _, target in graph.out_edges(f"{kind}_1")}


@pytest.mark.parametrize("kind", ["drift", "volatility"])
class TestBothKinds:
    def test_the_parent_moves_to_the_other_half_and_back(self, kind: str) -> None:
        for seed in range(5):
            task = RegimeSwitch(kind=kind, inputs=5, steps=10, heldout=5)
            first, second, third = task.regimes(seed)
            assert [regime.first for regime in (first, second, third)] == [0, 10, 20]
            assert nx.utils.graphs_equal(first.graph, third.graph)
            halves = parents(first.graph, kind), parents(second.graph, kind)
            assert not halves[0] & halves[1]
            assert halves[0] | halves[1] == {f"x{number}_state" for number in range(5)}
            loaded = task.load(seed)
            assert nx.utils.graphs_equal(loaded.truth, third.graph)
            assert (len(loaded.frame), len(loaded.heldout)) == (30, 5)

    def test_inputs_and_steps_of_states_stay_the_same(self, kind: str) -> None:
        first, second, _ = (
            Topology.from_networkx(regime.graph) for regime in RegimeSwitch(kind=kind, steps=2).regimes(3)
        )
        for name in ("x0", "x1", "x2", "x3"):
            assert first.node(name) == second.node(name)
            assert parameter(first.node(f"{name}_state"), "autoconnection") == 1.0

    def test_the_right_graph_is_worth_a_tenth_of_a_nat_per_step(self, kind: str) -> None:
        for seed in range(3):
            task = RegimeSwitch(kind=kind, steps=1000, heldout=0)
            frame = task.load(seed).frame
            first, second, _ = (regime.graph for regime in task.regimes(seed))
            surprise = [
                HGF(graph, inputs=list(frame.columns), schedule="packed").filter(frame).surprise
                for graph in (first, second)
            ]
            worth = (surprise[1] - surprise[0]).reshape(3, 1000).mean(axis=1) * [1, -1, 1]
            assert (worth > 0.1).all(), (seed, worth)

    def test_states_go_on_across_a_change(self, kind: str) -> None:
        task = RegimeSwitch(kind=kind, steps=400, heldout=0)
        for seed in range(4):
            frame = task.load(seed).frame
            steps = frame.diff().abs()
            at_changes = steps.loc[[400, 800]].to_numpy()
            assert (at_changes < 8.0 * steps.quantile(0.9).to_numpy()).all()
            assert frame.abs().max().max() > 8.0 * steps.quantile(0.9).min()

    def test_start_is_bare_and_heldout_goes_on(self, kind: str) -> None:
        task = RegimeSwitch(kind=kind, steps=20, heldout=10).load(1)
        longer = RegimeSwitch(kind=kind, steps=20, heldout=30).load(1)
        assert set(task.start) == {*task.frame.columns, *(f"{name}_state" for name in task.frame.columns)}
        np.testing.assert_array_equal(task.frame, longer.frame)
        np.testing.assert_array_equal(task.heldout, longer.heldout.iloc[:10])
        assert task.heldout.index[0] == 60


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"kind": "wind"}, ["'wind'", "volatility"]),
        ({"inputs": 3}, ["inputs", "4"]),
        ({"steps": 0}, ["steps"]),
        ({"signal": -1.0}, ["signal"]),
        ({"heldout": 1.5}, ["heldout"]),
    ],
)
def test_refuses_impossible_settings(settings: dict[str, object], words: list[str]) -> None:
    with refused(ConfigError, "regimes", *words):
        RegimeSwitch(**settings)  # type: ignore[arg-type]
