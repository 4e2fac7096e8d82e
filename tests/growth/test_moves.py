"""Moves on belief graphs: all of them fit, and together they reach every structure that is looked for."""

from __future__ import annotations

import math

import jax
import numpy as np
import pytest

from sostruct.errors import ConfigError, GraphError
from sostruct.graph import AddEdge, AddNode, RemoveNode, SetParameters, Topology, apply
from sostruct.growth.accept import HeldOut, PositiveEvidence
from sostruct.growth.counterfactual import Pricing
from sostruct.growth.grid import Grid
from sostruct.growth.moves import Move, Moves
from sostruct.growth.random_structure import ADDITIONS, RandomStructure
from sostruct.growth.residual import MOVES, Residual
from sostruct.growth.rule import GrowthRule
from sostruct.growth.score import AbstractScorer, Evidence
from sostruct.growth.search import Effort, Search
from sostruct.growth.trigger import Every
from sostruct.networks.hgf.builders import bare_hgf
from sostruct.networks.hgf.fitting import free_knobs
from sostruct.networks.hgf.network import HGF
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.structure.compare import compare_beliefs
from sostruct.tasks.hidden import HiddenStructure
from tests.networks.reference import series

KEY = jax.random.key(0)
INPUTS = ("a", "b", "c")
BARE = Topology.from_networkx(bare_hgf(INPUTS, tonic_volatility=-1.0, precision=4.0))
SCALE = dict.fromkeys(INPUTS, 1.0)


def every_move(topology: Topology) -> list:
    moves = Moves(topology, INPUTS, SCALE, {(one, other): (0.9, 1.1) for one in INPUTS for other in INPUTS})
    return [*moves.single(), *(move for tie in moves.pairs() for move in tie.moves())]


def fitting(topology: Topology, move: Move) -> Topology | None:
    """The graph after a move, or None where the move would close a cycle."""
    try:
        return apply(topology, move.edits)
    except GraphError as error:
        if "cycle" not in str(error):
            raise
        return None


def twice(topology: Topology) -> set[str]:
    """Nodes with more than one volatility parent."""
    driven = [edge.target for edge in topology.edges if edge.coupling == "volatility"]
    return {name for name in driven if driven.count(name) > 1}


def wander(steps: int, seed: int) -> list[Topology]:
    """Graphs along a random walk of moves from the bare one."""
    generator = np.random.default_rng(seed)
    graphs = [BARE]
    for _ in range(steps):
        moves = every_move(graphs[-1])
        for place in generator.permutation(len(moves)).tolist():
            after = fitting(graphs[-1], moves[place])
            if after is not None:
                graphs.append(after)
                break
    return graphs


@pytest.mark.parametrize("seed", range(6))
def test_moves_fit_wherever_they_lead(seed: int) -> None:
    seen = set()
    for topology in wander(8, seed):
        HGF(topology, inputs=INPUTS)
        for move in every_move(topology):
            assert move.name in MOVES
            seen.add(move.name)
            after = fitting(topology, move)
            if after is None:
                continue
            HGF(after, inputs=INPUTS)
            for row in move.grid:
                for place, name in row:
                    if isinstance(place, str):
                        assert name in dict(after.node(place).parameters)
                    else:
                        assert after.has_edge(place)
                assert all(math.isfinite(value) for value in row.values())
            assert twice(after) <= twice(topology)
    assert len(seen) >= 8


def test_every_sort_of_edit_occurs() -> None:
    found = {move.name for seed in range(12) for topology in wander(8, seed) for move in every_move(topology)}
    assert found >= set(MOVES) - {"parameters", "state"}
    blind = apply(BARE, [RemoveNode("a_state")])
    assert "state" in {move.name for move in every_move(blind)}


def test_a_loading_that_is_to_be_found_is_free() -> None:
    for move in every_move(BARE):
        if move.name in ("shared volatility", "shared drift"):
            after = apply(BARE, move.edits)
            new = next(edit.name for edit in move.edits if isinstance(edit, AddNode))
            first, second = after.children(new)
            assert first.strength == 1.0 or second.strength == 1.0
            assert first.strength != second.strength


def hidden(family: str, steps: int = 700, inputs: int = 2, seed: int = 0, **settings: object) -> tuple:
    task = HiddenStructure(family=family, steps=steps, heldout=0, inputs=inputs, **settings).load(seed)
    network = HGF(task.start, schedule="packed")
    return network, network.prepare(task.frame[list(network.inputs)]), task


def grown(network: HGF, data: object, scorer: object, epochs: int = 12) -> tuple[HGF, list]:
    """A plain loop, without what `run` adds."""
    rule = GrowthRule(Every(1), scorer, PositiveEvidence())
    state, taken = rule.init(network), []
    for epoch in range(epochs):
        network, signals = network.begun().epoch(data, key=KEY)
        proposals, state = rule.propose(network, signals, state, evaluate=Pricing(network, data, KEY), key=KEY)
        touched: set[str] = set()
        edits = []
        for proposal in sorted(proposals, key=lambda one: -one.nats):
            if proposal.wanted and not touched & proposal.touches:
                touched |= proposal.touches
                edits += proposal.edits
                taken.append((epoch, proposal))
        if not edits:
            return network, taken
        network = network.edited(edits, key=KEY)
    return network, taken


@pytest.mark.parametrize(("family", "scorer"), [("none", Residual()), ("shared_state", Residual()), ("none", Grid())])
def test_what_is_hidden_is_found(family: str, scorer: AbstractScorer) -> None:
    network, data, task = hidden(family)
    after, taken = grown(network, data, scorer)
    assert taken[0][0] == 0
    assert all(isinstance(edit, SetParameters) for edit in taken[0][1].edits)
    assert compare_beliefs(after.graph, task.truth, network.inputs).f1 == 1.0


def test_prices_are_what_the_evidence_gains_less_what_it_costs() -> None:
    network, data, _ = hidden("shared_state")
    network, _ = grown(network, data, Residual(moves=("parameters",)))
    network, signals = network.begun().epoch(data, key=KEY)
    pricing = Pricing(network, data, KEY)
    search = Search(Effort(), ("one state",), network, signals, pricing.bench, Search.nothing())
    assert not search.parameters()
    (best, *_) = search.structure()
    before = sum(len(free_knobs(one)) for one in pricing.bench.components(network.topology))
    after = sum(len(free_knobs(one)) for one in pricing.bench.components(apply(network.topology, best.edits)))
    (gain,) = pricing([best.edits])
    assert best.nats == pytest.approx(gain - 0.5 * math.log(700) * (after - before), abs=1e-6)


def test_refusals_are_remembered_as_long_as_nothing_changes() -> None:
    network, data, _ = hidden("none", steps=200)
    network, _ = grown(network, data, Residual())
    network, signals = network.begun().epoch(data, key=KEY)
    scorer, state = Residual(), Residual().init(network)
    _, state = scorer.score(network, signals, state, evaluate=Pricing(network, data, KEY), key=KEY)
    pricing = Pricing(network, data, KEY)
    candidates, again = scorer.score(network, signals, state, evaluate=pricing, key=KEY)
    assert not candidates
    assert again == state
    assert pricing.bench.filtered == 0
    _, other = scorer.score(network, signals, state, evaluate=Pricing(network, data, KEY, "other data"), key=KEY)
    assert other != state


def test_random_structure_is_uniform_over_sorts_and_fits_first() -> None:
    network, data, _ = hidden("none", steps=120)
    scorer = RandomStructure()
    network, signals = network.begun().epoch(data, key=KEY)
    first, _ = scorer.score(network, signals, scorer.init(network), evaluate=Pricing(network, data, KEY), key=KEY)
    assert all(isinstance(edit, SetParameters) for one in first for edit in one.edits)
    network, _ = grown(network, data, Residual(moves=("parameters",)))
    network, signals = network.begun().epoch(data, key=KEY)
    drawn = set()
    for number in range(12):
        own = jax.random.key(number)
        found, _ = scorer.score(network, signals, scorer.init(network), evaluate=Pricing(network, data, own), key=own)
        (one,) = found
        drawn.add(tuple(sorted(edit.edge.key for edit in one.edits if isinstance(edit, AddEdge))))
        HGF(apply(network.topology, one.edits), inputs=network.inputs)
    assert len(drawn) >= 5


def test_held_out_rows_judge_what_others_fitted() -> None:
    network, data, _ = hidden("shared_state")
    network, _ = grown(network, data, Residual(moves=("parameters",)))
    network, signals = network.begun().epoch(data, key=KEY)
    rule = GrowthRule(Every(1), Residual(moves=("parameters", "one state")), HeldOut(0.4))
    pricing = Pricing(network, data, KEY)
    state = rule.init(network)
    proposals, state = rule.propose(network, signals, state, evaluate=pricing, key=KEY)
    if not any(isinstance(edit, RemoveNode) for one in proposals for edit in one.edits):
        network = network.edited([edit for one in proposals if one.wanted for edit in one.edits], key=KEY)
        pricing = Pricing(network, data, KEY)
        proposals, state = rule.propose(network, signals, state, evaluate=pricing, key=KEY)
    best = max((one for one in proposals if one.wanted), key=lambda one: one.nats)
    unseen = pricing([best.edits])[0] - pricing.first(0.6)([best.edits])[0]
    assert best.nats == pytest.approx(unseen)


def test_settings_and_networks_that_do_not_fit_are_refused() -> None:
    for scorer in (Residual, RandomStructure, Grid):
        with pytest.raises(ConfigError, match="sprout"):
            scorer(("sprout",))
    with pytest.raises(ConfigError, match="pairs"):
        Residual(pairs=0)
    with pytest.raises(ConfigError, match="share"):
        HeldOut(1.0)
    assert set(ADDITIONS) < set(MOVES)
    lagged = LaggedNetwork.bare(("a", "b"), 1)
    data = lagged.prepare(series(1, 2, 50))
    _, signals = lagged.epoch(data, key=KEY)
    pricing = Pricing(lagged, data, KEY)
    for rule in (Residual(), RandomStructure(), Grid()):
        with pytest.raises(ConfigError, match="no belief network"):
            rule.init(lagged)
        with pytest.raises(ConfigError, match="no belief network"):
            rule.score(lagged, signals, Search.nothing() | {"quiet": ""}, evaluate=pricing, key=KEY)
    with pytest.raises(ConfigError, match="no belief network"):
        _ = pricing.bench
    with pytest.raises(ConfigError, match="hold out"):
        pricing.first(0.5)
    with pytest.raises(ConfigError, match="hold out"):
        GrowthRule(Every(1), Evidence(), HeldOut()).init(lagged)
