"""Groups of lags: every price against the difference of two marginal likelihoods, and systems that need them."""

import itertools
import math

import equinox as eqx
import jax
import numpy as np
import pytest

from sostruct.control.controller import Controller
from sostruct.control.run import run
from sostruct.graph import AddEdge, Edge, RemoveEdge, Rewire
from sostruct.growth.accept import PositiveEvidence
from sostruct.growth.catalogue import evidence
from sostruct.growth.rule import GrowthRule
from sostruct.growth.score import Evidence
from sostruct.growth.trigger import Every
from sostruct.networks.base import _epoch
from sostruct.networks.lagged.curved import CurvedTerms
from sostruct.networks.lagged.fixed_point import searched
from sostruct.networks.lagged.groups import groups
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.networks.lagged.settling import settled
from sostruct.networks.lagged.terms import LinearTerms
from sostruct.numerics import double_precision
from sostruct.tasks import SparseVAR

from .reference import design, score, series

KEY = jax.random.key(0)
NAMES = ("a", "b", "c")
EVERY = frozenset({"add", "prune", "rewire", "group"})


def difference(seed=0, lags=(1, 3), rows=400):
    """c follows the change of a, a slow series, over some steps; b is by itself."""
    generator = np.random.default_rng(seed)
    values = np.zeros((rows + 50, 3))
    for row, shocks in enumerate(generator.normal(size=values.shape)):
        values[row] = shocks
        if row >= 3:
            values[row] += (0.98, 0.5, 0.3) * values[row - 1]
            values[row, 2] += 0.4 * (values[row - lags[0], 0] - values[row - lags[1], 0])
    return values[50:]


def edges(network):
    return {(edge.source, edge.target, edge.lag) for edge in network.topology.edges}


def rows(network):
    mask, active = np.asarray(network.packed.mask), np.asarray(network.packed.active)
    return [active[target][used].tolist() for target, used in enumerate(mask)]


def settle(values, lags=3, moves=("add", "prune", "rewire"), **settings):
    """A fixed point of single edits, and its epoch."""
    network = LaggedNetwork.bare(NAMES, lags, **settings)
    rule = GrowthRule(Every(1), Evidence(moves), PositiveEvidence(1e-6))
    finished = run(network, values, Controller(rule))
    return *finished.network.epoch(finished.data, key=KEY), finished


def expected(values, lags, present, ridge=1.0):
    """Price of every group of two lags or all, by target: terms entering or leaving, from two n x n covariances."""
    targets, table = design(values, lags)
    share = min(2 / table.shape[1], 0.5)
    odds = math.log(share / (1 - share))
    found = {}
    for target, active in enumerate(present):
        base = score(targets[:, target], table, active, odds, ridge)
        for cause in range(3):
            own = [(lag - 1) * 3 + cause for lag in range(1, lags + 1)]
            for there, enters in ((False, True), (True, False)):
                members = [term for term in own if (term in active) == there]
                for block in {*itertools.combinations(members, 2), *([tuple(members)] if len(members) > 2 else [])}:
                    other = sorted(set(active) ^ set(block))
                    nats = score(targets[:, target], table, other, odds, ridge) - base
                    found[target, enters, len(block) > 2, block] = nats
    return found


@pytest.mark.parametrize("lags", [2, 3, 5])
@pytest.mark.parametrize("ridge", [1.0, 0.3])
def test_the_best_groups_have_the_prices_of_two_likelihoods(lags, ridge):
    values = series(5, 3, 60)
    network, signals, _ = settle(values, lags, ridge=ridge)
    more = {("b", "a", lag) for lag in range(1, lags)} - edges(network)
    crowded = network.edited([AddEdge(Edge(cause, effect, lag=lag)) for cause, effect, lag in sorted(more)], key=KEY)
    for own in (network, crowded):
        own, signals = own.epoch(own.prepare(values), key=KEY)
        prices = expected(values, lags, rows(own), ridge)
        found = {(one.target, one.enters, len(one.terms) > 2, one.terms): one.nats for one in every_group(own, signals)}
        for key, nats in found.items():
            assert nats == pytest.approx(prices[key], abs=1e-7)
        for target, enters, many in {key[:3] for key in prices}:
            if enters:
                best = max(nats for key, nats in prices.items() if key[:3] == (target, enters, many))
                assert any(abs(nats - best) < 1e-7 for key, nats in found.items() if key[:3] == (target, enters, many))
            else:
                best = max(nats for key, nats in prices.items() if key[:2] == (target, False))
                assert any(abs(nats - best) < 1e-7 for key, nats in found.items() if key[:2] == (target, False))


def every_group(network, signals):
    """Groups whatever single edits pay."""
    at_rest = eqx.tree_at(lambda one: one.gains.reducible, signals, np.zeros(3))
    return groups(network.packed, at_rest)


def test_a_change_is_found_where_neither_of_its_lags_is():
    values = difference()
    single, _, finished = settle(values)
    assert finished.settled
    assert not {("a", "c", 1), ("a", "c", 3)} & edges(single)
    both = run(LaggedNetwork.bare(NAMES, 3), values, Controller(evidence()))
    assert edges(both.network) == {("a", "a", 1), ("b", "b", 1), ("c", "c", 1), ("a", "c", 1), ("a", "c", 3)}
    assert both.settled


def test_evidence_rises_by_exactly_the_prices_paid_groups_included():
    values = difference(0)
    start = LaggedNetwork.bare(NAMES, 3)
    finished = run(start, values, Controller(evidence()))
    data = finished.data
    (_, before), (_, after) = start.epoch(data, key=KEY), finished.network.epoch(data, key=KEY)
    taken = [entry for entry in finished.journal if entry.accepted]
    assert float(after.evidence - before.evidence) == pytest.approx(sum(entry.nats for entry in taken), abs=1e-7)
    together = [entry for entry in taken if len(entry.edits) == 2]
    assert [{edit.edge.key for edit in entry.edits} for entry in together] == [
        {("a", "c", "value", 1), ("a", "c", "value", 3)}
    ]


def test_groups_wait_for_single_edits():
    values = difference()
    bare = LaggedNetwork.bare(NAMES, 3)
    network, signals = bare.epoch(bare.prepare(values), key=KEY)
    assert float(np.asarray(signals.reducible).max()) > 1
    assert groups(network.packed, signals) == []
    assert network.candidates(signals, best=3, moves=frozenset({"group"})) == []


def test_lags_leave_together():
    """Two lags of a cause of nothing, each of which makes up for the other: neither can leave alone."""
    values = difference(3)
    clean = run(LaggedNetwork.bare(NAMES, 3), values, Controller(evidence())).network
    data = clean.prepare(values)
    crowded = clean.edited([AddEdge(Edge("a", "b", lag=lag)) for lag in (1, 2)], key=KEY)
    crowded, signals = crowded.epoch(data, key=KEY)
    best = max((one for one in every_group(crowded, signals) if not one.enters), key=lambda one: one.nats)
    assert (NAMES[best.target], best.terms) == ("b", (0, 3))
    leaving = [RemoveEdge("a", "b", lag=lag) for lag in (1, 2)]
    _, after = crowded.edited(leaving, key=KEY).epoch(data, key=KEY)
    assert float(after.evidence - signals.evidence) == pytest.approx(best.nats, abs=1e-8)
    assert best.nats > 0


def test_what_is_forbidden_does_not_enter_and_what_is_required_does_not_leave():
    values = difference()
    network, signals, _ = settle(values, forbidden=[("a", "c", 3)], required=[("b", "a", 1), ("b", "a", 2), ("a", "b")])
    more = {("a", "b", lag) for lag in (2, 3)} - edges(network)
    network = network.edited([AddEdge(Edge(cause, effect, lag=lag)) for cause, effect, lag in sorted(more)], key=KEY)
    network, signals = network.epoch(network.prepare(values), key=KEY)
    found = every_group(network, signals)
    assert any(one.enters for one in found)
    for one in found:
        links = {(NAMES[term % 3], NAMES[one.target], term // 3 + 1) for term in one.terms}
        assert ("a", "c", 3) not in links
        assert one.enters or links.isdisjoint({("b", "a", 1), ("b", "a", 2)})
        assert one.enters or one.target != 1, "one lag of a required pair stays"


def test_lag_0_is_a_lag_like_any_other():
    values = difference(2, lags=(1, 2))
    values[1:, 1] += 0.6 * (values[1:, 0] - values[:-1, 0])
    precedes = np.tril(np.ones((3, 3), bool), -1)
    table = LinearTerms(NAMES, 2, instant=True)
    bare = LaggedNetwork.bare(NAMES, 2, terms=table, precedes=precedes)
    found, _ = searched(bare, bare.prepare(values))
    assert {("a", "b", 0), ("a", "b", 1)} <= edges(found)


def test_tables_with_curves_have_no_groups():
    values = difference()
    table = CurvedTerms.fitted(NAMES, 2, values)
    network = LaggedNetwork.bare(NAMES, 2, terms=table)
    network, signals = network.epoch(network.prepare(values), key=KEY)
    assert signals.gains.couplings is None
    assert every_group(network, signals) == []


def test_candidates_of_a_target_are_its_best_single_edits_and_groups_in_order():
    values = difference()
    network, signals, _ = settle(values)
    found = network.candidates(signals, best=5, moves=EVERY)
    for name in NAMES:
        prices = [one.nats for one in found if one.target == name]
        assert prices == sorted(prices, reverse=True)
        assert len(prices) == 5
    best = max(found, key=lambda one: one.nats)
    assert len(best.edits) == 2
    assert best.nats > 10


def test_the_compiled_search_makes_the_same_groups():
    bare = LaggedNetwork.bare(NAMES, 3)
    datas = [bare.prepare(difference(seed)) for seed in range(4)]
    found = settled(bare, datas)
    for number, data in enumerate(datas):
        network, _ = searched(bare, data)
        ends = [row[mask].tolist() for row, mask in zip(found.active[number], found.mask[number], strict=True)]
        assert ends == rows(network)
        assert {0, 6} <= set(ends[2])


def test_a_lag_moves_in_one_edit():
    """The right cause at a wrong lag: one replacement, none of two steps through a worse graph."""
    values = SparseVAR(nodes=3, steps=400, max_lag=3).load(1).frame.to_numpy(copy=True)
    values[3:, 2] = 0.7 * values[:-3, 0] + np.random.default_rng(0).normal(size=397) * 0.5
    wrong = LaggedNetwork.bare(NAMES, 3).edited([AddEdge(Edge("a", "c", lag=1))], key=KEY)
    wrong, signals = wrong.epoch(wrong.prepare(values), key=KEY)
    best = next(one for one in wrong.candidates(signals, best=1, moves=frozenset({"rewire"})) if one.target == "c")
    assert best.edit == Rewire(RemoveEdge("a", "c", lag=1), AddEdge(Edge("a", "c", lag=3)))
    data = wrong.prepare(values)
    _, after = wrong.edited([best.edit], key=KEY).epoch(data, key=KEY)
    assert float(after.evidence - signals.evidence) == pytest.approx(best.nats, abs=1e-8)


def test_no_epoch_compiles_again_for_a_group():
    bare = LaggedNetwork.bare(NAMES, 3)
    searched(bare, bare.prepare(difference(0)))
    before = _epoch._cache_size()
    searched(bare, bare.prepare(difference(5)))
    assert _epoch._cache_size() == before


@pytest.mark.parametrize("lags", [1, 3])
@pytest.mark.parametrize("curved", [False, True])
def test_targets_in_chunks_have_the_numbers_of_all_at_once(monkeypatch, lags, curved):
    """Large systems go chunk by chunk, also where nothing couples lags: one lag, or terms of several columns."""
    values = series(4, 3, 90)
    network = LaggedNetwork.bare(NAMES, lags, terms=CurvedTerms.fitted(NAMES, lags, values) if curved else None)
    data = network.prepare(values)
    with double_precision():
        _, whole = network.packed.epoch(data, key=KEY)
        monkeypatch.setattr("sostruct.networks.lagged.packed._CHUNK_ELEMENTS", 1)
        _, parts = network.packed.epoch(data, key=KEY)
    assert (whole.gains.couplings is None) == (curved or lags == 1)
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9), whole, parts)
