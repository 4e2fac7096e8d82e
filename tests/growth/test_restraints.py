"""Every restraint keeps the contract; what each holds back, and when it lets go."""

import json
import math
from collections.abc import Callable
from dataclasses import replace

import jax
import networkx as nx
import pytest

from sostruct.control.controller import Controller
from sostruct.control.run import run
from sostruct.errors import ConfigError
from sostruct.graph import (
    AbstractEdit,
    AddEdge,
    AddNode,
    Edge,
    RemoveEdge,
    RemoveNode,
    Rewire,
    SetParameters,
    apply,
)
from sostruct.growth.accept import PositiveEvidence
from sostruct.growth.base import Proposal
from sostruct.growth.footprint import change, couplings, elements
from sostruct.growth.restraint import AbstractRestraint, Budget, Cooldown
from sostruct.growth.restraint_limits import Budgets, Reachability
from sostruct.growth.restraint_stability import Hysteresis, MinimumAge, Oscillation
from sostruct.growth.rule import GrowthRule
from sostruct.growth.score import Evidence
from sostruct.growth.trigger import Every
from sostruct.networks.hgf.network import HGF
from sostruct.networks.lagged.network import LaggedNetwork
from tests.networks.reference import series

KEY = jax.random.key(0)
RESTRAINTS: dict[str, Callable[[], AbstractRestraint]] = {
    "budget": lambda: Budget(1),
    "cooldown": lambda: Cooldown(2),
    "minimum_age": lambda: MinimumAge(3),
    "hysteresis": lambda: Hysteresis(3.0),
    "oscillation": lambda: Oscillation(5, 1.0),
    "budgets": lambda: Budgets(nodes=7, edges=6, parameters=60, edits=1),
    "reachability": Reachability,
}


@pytest.fixture(params=sorted(RESTRAINTS))
def restraint(request: pytest.FixtureRequest) -> AbstractRestraint:
    return RESTRAINTS[request.param]()


def bare(*names: str) -> HGF:
    graph = nx.MultiDiGraph()
    for name in names:
        graph.add_node(name, kind="continuous", precision=2.0)
        graph.add_node(f"{name}_state", kind="continuous", tonic_volatility=-1.0)
        graph.add_edge(f"{name}_state", name, coupling="value", strength=1.0)
    return HGF(graph)


def volatility(name: str, *children: str) -> tuple[AbstractEdit, ...]:
    """A bundle that adds a volatility parent."""
    return (AddNode(name, "continuous"), *(AddEdge(Edge(name, child, "volatility")) for child in children))


GROW = volatility("volatility_1", "a_state")
SHRINK = RemoveNode("volatility_1")


def wants(edit: AbstractEdit | tuple[AbstractEdit, ...], nats: float = 10.0, target: str = "a_state") -> Proposal:
    return Proposal(target, edit, nats, True, "wanted")


class Loop:
    """A restraint and the graph that it watches."""

    def __init__(self, restraint: AbstractRestraint, network: HGF | None = None) -> None:
        self.restraint, self.state = restraint, restraint.init()
        self.network = network or bare("a", "b")
        self.pending = False

    def holds(self, *proposals: Proposal) -> list[str]:
        """The reasons for which proposals are refused in an epoch, "" where they pass; all that pass are made."""
        held, self.pending, self.state = self.restraint.hold(proposals, self.network, self.state)
        self.state = json.loads(json.dumps(self.state))
        for proposal in held:
            if proposal.wanted:
                self.network = self.network.edited(proposal.edits, key=KEY)
        return ["" if proposal.wanted else proposal.reason for proposal in held]

    def passes(self, edit: AbstractEdit | tuple[AbstractEdit, ...], nats: float = 10.0) -> bool:
        return self.holds(wants(edit, nats)) == [""]

    def rests(self, epochs: int) -> None:
        for _ in range(epochs):
            self.state = self.restraint.rest(self.state)


def steps() -> list[tuple[AbstractEdit | tuple[AbstractEdit, ...], ...]]:
    return [
        (GROW, volatility("volatility_2", "b_state")),
        (SHRINK, SetParameters("b_state", {"tonic_volatility": -2.0})),
        (GROW, RemoveEdge("volatility_2", "b_state", "volatility")),
        (SHRINK, RemoveNode("b_state")),
        (),
    ]


def test_a_restraint_refuses_with_a_reason_and_changes_nothing_else(restraint: AbstractRestraint) -> None:
    network, state = bare("a", "b"), restraint.init()
    for edits in steps():
        edits = [edit for edit in edits if fits(network, edit)]
        proposals = [wants(edit, 5.0) for edit in edits]
        proposals += [replace(one, wanted=False, reason="too dear") for one in proposals]
        before = json.loads(json.dumps(state))
        held, pending, after = restraint.hold(proposals, network, state)
        assert state == before, "a restraint is pure"
        assert json.loads(json.dumps(after)) == after
        assert isinstance(pending, bool)
        assert len(held) == len(proposals)
        for one, other in zip(proposals, held, strict=True):
            assert replace(other, wanted=one.wanted, reason=one.reason) == one
            assert one.wanted or other == one
            assert other.reason
        assert json.loads(json.dumps(restraint.rest(after))) == restraint.rest(after)
        state = after
        taken = [edit for one in proposals[:1] for edit in one.edits]
        network = network.edited(taken, key=KEY) if taken else network


def fits(network: HGF, edit: AbstractEdit | tuple[AbstractEdit, ...]) -> bool:
    try:
        apply(network.topology, edit if isinstance(edit, tuple) else (edit,))
    except Exception:
        return False
    return True


def test_a_rule_with_it_comes_to_an_end(restraint: AbstractRestraint) -> None:
    rule = GrowthRule(Every(1), Evidence(), PositiveEvidence(), (restraint,))
    finished = run(LaggedNetwork.bare(("a", "b", "c"), 1), series(3, 3, 200), Controller(rule), epochs=60)
    assert finished.settled
    assert finished.epochs < 60
    assert any(entry.accepted for entry in finished.journal)


def test_all_of_them_together_come_to_an_end() -> None:
    rule = GrowthRule(Every(1), Evidence(), PositiveEvidence(), tuple(build() for build in RESTRAINTS.values()))
    assert run(LaggedNetwork.bare(("a", "b", "c"), 1), series(3, 3, 200), Controller(rule), epochs=60).settled


def test_what_is_young_is_not_removed() -> None:
    loop = Loop(MinimumAge(3))
    assert loop.passes(GROW)
    assert loop.holds(wants(SHRINK)) == ["volatility_1 is 1 of 3 epochs old"]
    assert loop.pending
    assert loop.holds(wants(RemoveEdge("volatility_1", "a_state", "volatility"))) != [""]
    assert loop.passes(SHRINK)
    assert loop.passes(RemoveEdge("b_state", "b")), "what was there at the start is of age"


def test_age_counts_epochs_in_which_nothing_was_considered() -> None:
    loop = Loop(MinimumAge(3))
    assert loop.passes(GROW)
    loop.rests(2)
    assert loop.passes(SHRINK)


def test_age_is_that_of_the_node_and_not_of_its_name() -> None:
    loop = Loop(MinimumAge(2))
    assert loop.passes(GROW)
    loop.holds()
    assert loop.passes(SHRINK)
    assert loop.passes(GROW)
    assert not loop.passes(SHRINK)
    assert loop.passes(SHRINK)


def test_an_edge_that_a_bundle_replaces_is_not_removed() -> None:
    loop = Loop(MinimumAge(5))
    assert loop.passes(GROW)
    edge = Edge("volatility_1", "a_state", "volatility", strength=0.5)
    assert loop.passes((RemoveEdge(*edge.key), AddEdge(edge)))


def test_the_way_back_costs_more() -> None:
    loop = Loop(Hysteresis(3.0))
    assert loop.passes(GROW, 0.5)
    assert loop.holds(wants(SHRINK, 2.5)) == ["takes back an edit for 2.50 of 3 nats"]
    assert not loop.pending
    assert loop.passes(SHRINK, 3.5)
    assert not loop.passes(volatility("volatility_9", "a_state"), 2.5), "the same coupling under another name"
    assert loop.passes(volatility("volatility_1", "b_state"), 0.5), "another coupling under the same name"
    assert loop.passes(volatility("volatility_2", "a_state"), 3.5)


def test_a_price_that_nobody_states_does_not_buy_the_way_back() -> None:
    loop = Loop(Hysteresis(0.0))
    assert loop.passes(GROW, math.nan)
    assert not loop.passes(SHRINK, math.nan)


def test_what_was_refused_by_others_was_not_made() -> None:
    restraint = Hysteresis(3.0)
    network = bare("a", "b")
    _, _, state = restraint.hold([wants(GROW)], network, restraint.init())
    held, _, state = restraint.hold([wants(RemoveEdge("a_state", "a"), 0.1)], network, state)
    assert held[0].wanted
    network = network.edited(GROW, key=KEY)
    held, _, _ = restraint.hold([wants(SHRINK, 0.1)], network, state)
    assert not held[0].wanted


def test_oscillation_doubles_the_price_each_time() -> None:
    loop, edits = Loop(Oscillation(epochs=2, nats=1.0)), (GROW, SHRINK)
    assert loop.passes(GROW, 0.1)
    assert loop.passes(SHRINK, 0.1), "the first time costs nothing"
    for times, edit in enumerate((*edits, *edits), start=1):
        assert not loop.passes(edit, 2.0**times)
        assert loop.passes(edit, 2.0**times + 0.01)


def test_slow_changes_are_no_oscillation() -> None:
    loop = Loop(Oscillation(epochs=2, nats=1.0))
    for edit in (GROW, SHRINK, GROW, SHRINK):
        assert loop.passes(edit, 0.1)
        loop.rests(2)


def test_budgets_serve_the_best_priced_first() -> None:
    proposals = [
        wants(volatility(f"volatility_{name}", f"{name}_state"), nats, name)
        for name, nats in zip("abc", (1.0, 3.0, 2.0), strict=True)
    ]
    network = bare("a", "b", "c")
    for limits, reason in (
        (Budgets(nodes=8), "budget of 8 nodes spent"),
        (Budgets(edges=5), "budget of 5 edges spent"),
        (Budgets(edits=2), "2 edits this epoch"),
    ):
        loop = Loop(limits, network)
        assert loop.holds(*proposals) == [reason, "", ""]
        assert loop.pending == (limits.edits is not None)


def test_budgets_count_parameters() -> None:
    network = bare("a")
    size = 1 + sum(len(node.parameters) for node in network.topology.nodes)
    grown = network.edited(GROW, key=KEY).topology
    more = 1 + len(grown.node("volatility_1").parameters)
    assert Loop(Budgets(parameters=size + more), network).passes(GROW)
    assert not Loop(Budgets(parameters=size + more - 1), network).passes(GROW)


def test_budgets_never_forbid_to_shrink_or_to_stay() -> None:
    loop = Loop(Budgets(nodes=0, edges=0, parameters=0))
    assert loop.passes(SetParameters("a_state", {"tonic_volatility": -2.0}))
    assert loop.passes(Rewire(RemoveEdge("b_state", "b"), AddEdge(Edge("a_state", "b"))))
    assert loop.passes(RemoveNode("b_state"))
    assert not loop.passes(AddNode("c", "continuous"))


def test_budget_counts_the_edges_in_a_bundle() -> None:
    loop = Loop(Budget(1))
    assert loop.passes(GROW)
    assert not loop.passes(volatility("volatility_2", "b_state", "a_state"))
    assert loop.passes(volatility("volatility_2", "b_state"))


@pytest.mark.parametrize(
    ("edits", "reason"),
    [
        ((RemoveNode("a_state"),), "would leave the input a without a value parent"),
        ((RemoveEdge("a_state", "a"),), "would leave the input a without a value parent"),
        ((RemoveNode("a"),), "would remove the input a"),
        ((AddNode("lost", "continuous"),), "would leave lost without an observed descendant"),
        ((RemoveEdge("a_state", "a"), AddEdge(Edge("b_state", "a"))), "would leave a_state without"),
        ((RemoveNode("a_state"), AddEdge(Edge("b_state", "a"))), ""),
        (GROW, ""),
        ((RemoveEdge("b_state", "b"), AddEdge(Edge("a_state", "b")), AddEdge(Edge("b_state", "a_state"))), ""),
    ],
)
def test_nothing_is_cut_off(edits: tuple[AbstractEdit, ...], reason: str) -> None:
    loop = Loop(Reachability())
    (found,) = loop.holds(wants(edits))
    assert found.startswith(reason) if reason else found == ""


def test_what_is_cut_off_already_may_stay_so() -> None:
    loop = Loop(Reachability())
    loop.holds()
    loop.network = loop.network.edited([AddNode("lost", "continuous")], key=KEY)
    assert loop.passes(GROW)
    assert loop.passes(RemoveNode("lost"))


def test_variables_of_a_lagged_network_are_all_observed() -> None:
    network = LaggedNetwork.bare(("a", "b"), 1).edited([AddEdge(Edge("a", "b", lag=1))], key=KEY)
    held, _, _ = Reachability().hold([wants(RemoveEdge("a", "b", lag=1))], network, Reachability().init())
    assert held[0].reason == "would leave the input b without a value parent"
    bare_start = Reachability().hold([], LaggedNetwork.bare(("a", "b"), 1), Reachability().init())[2]
    held, _, _ = Reachability().hold([wants(RemoveEdge("a", "b", lag=1))], network, bare_start)
    assert held[0].wanted


def test_footprints_know_grown_nodes_by_their_neighbors() -> None:
    network = bare("a", "b")
    start = network.topology.names
    first = network.edited(GROW, key=KEY).topology
    other = network.edited(volatility("another", "a_state"), key=KEY).topology
    assert couplings(first, start) == couplings(other, start) != couplings(network.topology, start)
    assert elements(first) != elements(other)
    back = change(first, (SHRINK,), start)
    assert back.removed == change(network.topology, GROW, start).added
    assert not back.added
    assert change(first, (AddNode("second", "continuous"),), start) == (frozenset(), frozenset())


@pytest.mark.parametrize(
    "build",
    [
        lambda: MinimumAge(0),
        lambda: Hysteresis(-1.0),
        lambda: Hysteresis(math.nan),
        lambda: Oscillation(0),
        lambda: Oscillation(nats=0.0),
        lambda: Budgets(nodes=-1),
        lambda: Budgets(edges=-1),
        lambda: Budgets(parameters=-1),
        lambda: Budgets(edits=0),
    ],
)
def test_settings_out_of_range_are_refused(build: Callable[[], object]) -> None:
    with pytest.raises(ConfigError, match="This is because"):
        build()
