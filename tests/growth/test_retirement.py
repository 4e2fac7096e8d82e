"""Prunes by rank, and several rules at work on one graph."""

from __future__ import annotations

import json
import math
from typing import Any, final

import jax
import numpy as np
import pandas as pd
import pytest

import sostruct as ss
from sostruct.control.controller import Controller
from sostruct.errors import ConfigError
from sostruct.graph import AddEdge, AddNode, Edge, RemoveNode, SetParameters
from sostruct.growth import catalogue
from sostruct.growth.accept import Always
from sostruct.growth.base import AbstractGrowthRule, Proposal
from sostruct.growth.counterfactual import Pricing
from sostruct.growth.residual import MOVES
from sostruct.growth.retirement import Aged, Dormant
from sostruct.growth.rule import GrowthRule
from sostruct.growth.several import Several
from sostruct.growth.trigger import Every, Never
from sostruct.networks.hgf.components import Component
from sostruct.networks.hgf.plausible import effects
from tests.control.test_history import filter_of

KEY = jax.random.key(0)
STRONG, FAINT = "volatility_1", "volatility_2"


def with_parents() -> ss.HGF:
    """Two states whose volatility parents have stationary sds of 1 and of .05."""
    edits: list[Any] = []
    for name, child, spread in ((STRONG, "a_state", 1.0), (FAINT, "b_state", 0.05)):
        own = {"tonic_volatility": math.log(spread**2 * (1.0 - 0.9**2)), "autoconnection": 0.9, "mean": 0.0}
        edits += [AddNode(name, "continuous", own), AddEdge(Edge(name, child, "volatility"))]
    network = filter_of("a", "b").edited(edits, key=KEY)
    assert isinstance(network, ss.HGF)
    return network


def rows() -> pd.DataFrame:
    return pd.DataFrame(np.cumsum(np.random.default_rng(3).normal(size=(80, 2)), 0), columns=["a", "b"])


def proposed(rule: AbstractGrowthRule, network: ss.HGF, state: Any) -> tuple[list[Proposal], Any]:
    data = network.prepare(rows())
    after, signals = network.epoch(data, key=KEY)
    found, state = rule.propose(after, signals, state, evaluate=Pricing(network, data, KEY, "rows"), key=KEY)
    return list(found), json.loads(json.dumps(state))


def test_effects_are_what_parents_do_to_their_children_in_their_own_units() -> None:
    network = with_parents()
    found = effects(Component(network.topology, network.inputs))
    assert found[STRONG] == pytest.approx(math.hypot(1.0, 0.05), rel=1e-9)
    assert found[FAINT] == pytest.approx(0.05 * math.hypot(1.0, 0.05), rel=1e-9)

    drift = {"tonic_volatility": math.log(0.36 * (1.0 - 0.25)), "autoconnection": 0.5}
    edits = [AddNode("drift", "continuous", drift), AddEdge(Edge("drift", "a_state", "value", strength=2.0))]
    drifting = network.edited([*edits, SetParameters("a_state", {"tonic_volatility": math.log(4.0)})], key=KEY)
    own = effects(Component(drifting.topology, network.inputs))
    assert own["drift"] == pytest.approx(0.6, rel=1e-3), "sd .6, twice, in steps of 2"


def test_the_least_of_the_dormant_goes_with_its_price_in_the_journal() -> None:
    network, rule = with_parents(), GrowthRule(Every(1), Dormant(0.2), Always())
    found, _ = proposed(rule, network, rule.init(network))
    assert [(one.edits[0], one.wanted) for one in found] == [(RemoveNode(FAINT), True)]
    assert math.isfinite(found[0].nats)
    assert proposed(GrowthRule(Every(1), Dormant(0.01), Always()), network, rule.init(network))[0] == []


def test_the_oldest_goes_when_its_time_has_come() -> None:
    network, rule = with_parents(), GrowthRule(Every(1), Aged(2), Always())
    state = rule.init(network)
    for epoch in range(3):
        found, state = proposed(rule, network, state)
        assert bool(found) == (epoch == 2)
    assert isinstance(found[0].edits[0], RemoveNode)
    assert found[0].edits[0].name == STRONG, "of two that are equally old, the first by name"
    younger = state | {"scorer": {"ages": state["scorer"]["ages"] | {STRONG: -1}}}
    found, _ = proposed(rule, network, younger)
    assert found[0].edits[0] == RemoveNode(FAINT)


def test_each_rule_keeps_its_own_state_and_all_of_them_propose() -> None:
    network = with_parents()
    rule = Several(
        {"old": GrowthRule(Every(1), Aged(1), Always()), "idle": GrowthRule(Every(1), Dormant(0.2), Always())}
    )
    found, state = proposed(rule, network, rule.init(network))
    assert [one.edits[0] for one in found] == [RemoveNode(FAINT)]
    found, _ = proposed(rule, network, state)
    assert [one.edits[0] for one in found] == [RemoveNode(STRONG), RemoveNode(FAINT)]


def test_several_rules_wait_when_one_of_them_does() -> None:
    network = with_parents()
    never, each = GrowthRule(Never(), Dormant(), Always()), GrowthRule(Every(3), Dormant(0.01), Always())
    rule = Several((never, each))
    state = rule.init(network)
    for epoch in range(4):
        _, state = proposed(rule, network, state)
        own = [one.waiting(mine) for one, mine in zip((never, each), state["rules"], strict=True)]
        assert rule.waiting(state) == any(own), epoch


@final
class _Over(AbstractGrowthRule):
    """Declares the past over from a chunk on."""

    def __init__(self, node: str, since: int) -> None:
        self.node, self.since = node, since

    def init(self, network: Any) -> dict[str, Any]:
        return {}

    def propose(self, network: Any, signals: Any, state: Any, *, evaluate: Any, key: Any) -> Any:
        return [Proposal(self.node, RemoveNode(self.node), 3.0, True, "asked for", since=self.since)], state

    def waiting(self, state: Any) -> bool:
        return False


def test_where_the_past_is_over_prices_about_it_wait() -> None:
    rule = Several((_Over(STRONG, 0), _Over(FAINT, 4)))
    found, _ = proposed(rule, with_parents(), rule.init(with_parents()))
    assert [(one.target, one.wanted) for one in found] == [(STRONG, False), (FAINT, True)]


def test_a_run_ends_when_nobody_is_dormant() -> None:
    found = ss.run(with_parents(), rows(), Controller(GrowthRule(Every(1), Dormant(0.2), Always())), epochs=5)
    assert found.settled
    assert {STRONG} == {name for name in found.network.topology.names if name.startswith("volatility")}


@pytest.mark.parametrize("rule", [catalogue.aged, catalogue.dormant])
def test_they_grow_as_residual_does_and_never_prune_by_price(rule: Any) -> None:
    grow, prune = rule().rules
    assert set(MOVES) - set(grow.scorer.moves) == {"prune"}
    assert isinstance(prune.accept, Always)
    found = ss.run(with_parents(), rows(), Controller(rule()), epochs=12)
    assert found.settled
    assert found.journal.final == found.network.topology


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="0 epochs"):
        Aged(0)
    with pytest.raises(ConfigError, match="effect of 0"):
        Dormant(0.0)
    with pytest.raises(ConfigError, match="no rule"):
        Several(())
    with pytest.raises(ConfigError, match="structure of this network"):
        GrowthRule(Every(1), Aged(), Always()).init(ss.LaggedNetwork.bare(("a", "b"), 1))
