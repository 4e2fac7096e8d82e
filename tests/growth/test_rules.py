"""The contract every growth rule keeps, over the whole catalogue, and what sets each rule apart."""

import json
import math
from itertools import pairwise

import jax
import numpy as np
import pytest

from sostruct.control.controller import Controller
from sostruct.control.run import run
from sostruct.errors import ConfigError
from sostruct.graph import AddEdge, RemoveEdge, Rewire
from sostruct.growth.accept import Always, Counterfactual, PositiveEvidence
from sostruct.growth.catalogue import all_rules
from sostruct.growth.counterfactual import Pricing
from sostruct.growth.restraint import Budget, Cooldown
from sostruct.growth.rule import GrowthRule
from sostruct.growth.score import Evidence, Random
from sostruct.growth.trigger import Every, Never
from sostruct.networks.lagged.network import LaggedNetwork
from tests.networks.reference import series

KEY = jax.random.key(0)
NAMES = ("a", "b", "c", "d")
VALUES = series(3, 4, 300)


@pytest.fixture(scope="module")
def case():
    network = LaggedNetwork.bare(NAMES, 2)
    data = network.prepare(VALUES)
    believed, signals = network.epoch(data, key=KEY)
    return believed, data, signals


def priced(network, data):
    return Pricing(network, data, KEY)


@pytest.fixture(params=sorted(all_rules))
def rule(request: pytest.FixtureRequest) -> GrowthRule:
    return all_rules[request.param]()


def test_proposals_fit_the_graph_and_change_nothing(rule: GrowthRule, case) -> None:
    network, data, signals = case
    before = network.topology
    state = rule.init(network)
    for _ in range(3):
        proposals, state = rule.propose(network, signals, state, evaluate=priced(network, data), key=KEY)
        for proposal in proposals:
            assert proposal.target in NAMES
            assert proposal.reason
            network.edited([proposal.edit], key=KEY)
    assert network.topology == before


def test_states_are_json_and_survive_it(rule: GrowthRule, case) -> None:
    network, data, signals = case
    state = rule.init(network)
    for _ in range(3):
        assert json.loads(json.dumps(state)) == state
        again = json.loads(json.dumps(state))
        first, after = rule.propose(network, signals, state, evaluate=priced(network, data), key=KEY)
        second, _ = rule.propose(network, signals, again, evaluate=priced(network, data), key=KEY)
        assert [one.edit for one in first] == [one.edit for one in second], "a rule is pure"
        state = after


def test_every_rule_comes_to_an_end(rule: GrowthRule) -> None:
    finished = run(LaggedNetwork.bare(NAMES, 2), VALUES, Controller(rule), epochs=50)
    assert finished.settled
    assert finished.epochs < 50


def test_evidence_ends_where_no_single_edit_helps(case) -> None:
    finished = run(LaggedNetwork.bare(NAMES, 2), VALUES, Controller(all_rules["evidence"]()))
    _, signals = finished.network.epoch(finished.data, key=KEY)
    assert (np.asarray(signals.reducible) <= 1e-6).all()
    taken = [entry for entry in finished.journal if entry.accepted]
    assert len(taken) >= 4
    assert all(entry.nats > 0 for entry in taken)


def test_evidence_rises_by_exactly_the_prices_paid() -> None:
    start = LaggedNetwork.bare(NAMES, 2)
    data = start.prepare(VALUES)
    finished = run(start, VALUES, Controller(all_rules["evidence"]()))
    (_, before), (_, after) = start.epoch(data, key=KEY), finished.network.epoch(data, key=KEY)
    paid = math.fsum(entry.nats for entry in finished.journal if entry.accepted)
    assert float(after.evidence - before.evidence) == pytest.approx(paid, abs=1e-7)


def test_a_wrong_start_is_pruned_and_rewired() -> None:
    settled = run(LaggedNetwork.bare(NAMES, 2), VALUES, Controller(all_rules["evidence"]())).network
    right = {edge.key for edge in settled.topology.edges}
    absent = [one.edit for seed in range(3) for one in settled.draw(key=jax.random.key(seed))]
    wrong = LaggedNetwork.bare(NAMES, 2).edited(list(dict.fromkeys(absent)), key=KEY)
    finished = run(wrong, VALUES, Controller(all_rules["evidence"]()))
    assert {edge.key for edge in finished.network.topology.edges} == right
    kinds = {type(entry.edit) for entry in finished.journal if entry.accepted}
    assert RemoveEdge in kinds or Rewire in kinds


def test_controls_reach_their_budget_and_stop() -> None:
    for name in ("random", "every"):
        finished = run(LaggedNetwork.bare(NAMES, 2), VALUES, Controller(all_rules[name]()))
        assert {len(finished.network.topology.parents(target)) for target in NAMES} == {2}, name
        assert all(type(entry.edit) is AddEdge for entry in finished.journal)
    assert all(math.isnan(entry.nats) for entry in run_entries("random"))


def run_entries(name: str):
    return run(LaggedNetwork.bare(NAMES, 2), VALUES, Controller(all_rules[name]())).journal.entries


def test_none_edits_nothing() -> None:
    finished = run(LaggedNetwork.bare(NAMES, 2), VALUES, Controller(all_rules["none"]()))
    assert finished.epochs == 1
    assert len(finished.journal) == 0


def test_every_fires_on_its_epochs_only() -> None:
    epochs = {entry.epoch for entry in run_entries("every") if entry.accepted}
    assert epochs == {1, 3}


def test_random_growth_can_be_priced_by_counterfactual() -> None:
    rule = GrowthRule(Every(1), Random(), Counterfactual(), (Budget(3),))
    finished = run(LaggedNetwork.bare(NAMES, 2), VALUES, Controller(rule), epochs=3, key=jax.random.key(4))
    assert len(finished.journal)
    for entry in finished.journal:
        assert entry.accepted == (entry.nats > 1e-6)


def test_cooldown_spaces_edits_out_and_lets_them_go() -> None:
    rule = GrowthRule(Every(1), Evidence(), PositiveEvidence(), (Cooldown(2),))
    finished = run(LaggedNetwork.bare(NAMES, 2), VALUES, Controller(rule))
    free = run(LaggedNetwork.bare(NAMES, 2), VALUES, Controller(all_rules["evidence"]()))
    assert finished.network.topology == free.network.topology
    by_target: dict[str, list[int]] = {}
    for entry in finished.journal:
        if entry.accepted:
            by_target.setdefault(entry.edit.edge.target, []).append(entry.epoch)
    gaps = [later - sooner for epochs in by_target.values() for sooner, later in pairwise(epochs)]
    assert gaps
    assert min(gaps) > 2


@pytest.mark.parametrize(
    "build",
    [
        lambda: Every(0),
        lambda: Every(True),
        lambda: Evidence(moves=()),
        lambda: Evidence(moves=("grow",)),
        lambda: Evidence(best=0),
        lambda: Budget(-1),
        lambda: Cooldown(0),
    ],
)
def test_settings_out_of_range_are_refused(build) -> None:
    with pytest.raises(ConfigError, match="This is because"):
        build()


def test_a_rule_that_never_fires_is_not_waited_for(case) -> None:
    network, data, signals = case
    rule = GrowthRule(Never(), Evidence(), Always())
    _, state = rule.propose(network, signals, rule.init(network), evaluate=priced(network, data), key=KEY)
    assert not rule.waiting(state)


def test_a_counterfactual_price_pays_for_the_choice_among_candidates(case) -> None:
    network, data, signals = case
    candidates = network.candidates(signals, best=3, moves=frozenset({"add"}))
    proposals = Counterfactual().judge(candidates, evaluate=priced(network, data))
    for candidate, proposal in zip(candidates, proposals, strict=True):
        assert proposal.nats == pytest.approx(candidate.nats - math.log(3), abs=1e-8)
        assert proposal.wanted == (proposal.nats > 1e-6)
