"""Lines, curves and products: every price against the difference of two marginal likelihoods by brute force."""

from __future__ import annotations

import math

import jax
import numpy as np
import pytest

from sostruct.errors import GraphError
from sostruct.graph import AddEdge, AddNode, Edge, RemoveEdge, RemoveNode, Topology
from sostruct.networks.lagged.curved import CURVE_RIDGE, NOISE_FLOOR, CurvedTerms
from sostruct.networks.lagged.mechanisms import active_terms, additions
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.networks.lagged.terms import CURVE, LINE, PRODUCT, Term

from .reference import series

NAMES, LAGS = ("a", "b", "c"), 2
KEY = jax.random.key(0)
ACTIVE = {
    "a": [Term(LINE, (("b", 1),)), Term(CURVE, (("c", 2),)), Term(PRODUCT, (("a", 1), ("b", 2)))],
    "b": [],
    "c": [Term(CURVE, (("a", 1),)), Term(CURVE, (("b", 1),)), Term(LINE, (("c", 1),)), Term(PRODUCT, (("b", 1),))],
}
MOVES = frozenset({"add", "prune", "rewire"})


@pytest.fixture(scope="module")
def values():
    found = series(21, 3, 80)
    found[1:, 0] += np.sin(found[:-1, 1]) * found[:-1, 2] / 3
    return found


@pytest.fixture(scope="module")
def network(values):
    table = CurvedTerms.fitted(NAMES, LAGS, values)
    bare = LaggedNetwork.bare(NAMES, LAGS, terms=table)
    edits = [edit for name, own in ACTIVE.items() for term in own for edit in additions(term, name)]
    return bare.edited(edits, key=KEY)


@pytest.fixture(scope="module")
def epoch(network, values):
    data = network.prepare(values)
    return *network.epoch(data, key=KEY), data


def columns(table: CurvedTerms, values: np.ndarray, term: Term) -> np.ndarray:
    """Standardized columns of one term, from the definitions."""

    def link(name: str, lag: int) -> np.ndarray:
        place = table.variables.index(name)
        standard = (values[:, place] - values[:, place].mean()) / values[:, place].std()
        return standard[LAGS - lag : len(values) - lag]

    factors = [link(*one) for one in term.links]
    if term.kind == PRODUCT:
        found = [factors[0] * factors[-1]]
    elif term.kind == LINE:
        found = [factors[0]]
    else:
        place = table.variables.index(term.links[0][0])
        bumps = zip(table.centers[place], strict=True)
        found = [factors[0], *(np.exp(-((factors[0] - c) ** 2) / (2 * table.width[place] ** 2)) for (c,) in bumps)]
    design = np.stack(found, axis=1)
    return (design - design.mean(axis=0)) / design.std(axis=0)


class Scores:
    """Log evidence and structure prior of any set of terms, by the n x n covariance of the data."""

    def __init__(self, network: LaggedNetwork, values: np.ndarray) -> None:
        self.table, self.values = network.terms, values
        self.targets = dict(zip(NAMES, values[LAGS:].T, strict=True))
        kinds = [term.kind for term in network.terms.terms]
        self.odds = {kind: math.log(2 / (kinds.count(kind) - 2)) for kind in set(kinds)}

    def __call__(self, name: str, active: list[Term]) -> float:
        target = (self.targets[name] - self.targets[name].mean()) / self.targets[name].std()
        count = len(target)
        covariance = np.eye(count)
        for term in active:
            own = columns(self.table, self.values, term)
            covariance += own @ own.T / (CURVE_RIDGE if term.kind == CURVE else 1.0)
        power = target @ np.linalg.solve(covariance, target) + count * NOISE_FLOOR
        evidence = math.lgamma(count / 2) - count / 2 * math.log(math.pi * power)
        return evidence - np.linalg.slogdet(covariance)[1] / 2 + sum(self.odds[term.kind] for term in active)


@pytest.fixture(scope="module")
def scores(network, values):
    return Scores(network, values)


def excluded(term: Term, active: list[Term]) -> bool:
    return any(other.links == term.links and {other.kind, term.kind} == {LINE, CURVE} for other in active)


def test_surprise_and_evidence_are_those_of_the_terms(epoch, scores):
    _, signals, _ = epoch
    for place, (name, active) in enumerate(ACTIVE.items()):
        structure = sum(scores.odds[term.kind] for term in active)
        assert -float(signals.surprise[place]) == pytest.approx(scores(name, active) - structure, abs=1e-8)
    assert float(signals.evidence) == pytest.approx(sum(scores(*item) for item in ACTIVE.items()), abs=1e-8)


def test_every_addition_has_its_price(epoch, scores):
    network, signals, _ = epoch
    for place, (name, active) in enumerate(ACTIVE.items()):
        base = scores(name, active)
        for term, nats in zip(network.terms.terms, np.asarray(signals.gains.add)[place], strict=True):
            if term in active or excluded(term, active):
                assert nats == -np.inf
            else:
                assert nats == pytest.approx(scores(name, [*active, term]) - base, abs=1e-8), term


def test_every_removal_and_best_replacement_has_its_price(epoch, scores):
    network, signals, _ = epoch
    table, gains = network.terms, signals.gains
    for place, (name, active) in enumerate(ACTIVE.items()):
        base = scores(name, active)
        slots = np.asarray(network.packed.active)[place]
        first = {table.layout.columns_of(table.numbers[term])[0]: term for term in active}
        mask = np.asarray(network.packed.mask)[place]
        for slot, column in enumerate(slots.tolist()):
            prune, rewire = float(gains.prune[place, slot]), float(gains.rewire[place, slot])
            if not mask[slot] or column not in first:
                assert prune == rewire == -np.inf
                continue
            rest = [term for term in active if term != first[column]]
            assert prune == pytest.approx(scores(name, rest) - base, abs=1e-8)
            swaps = {
                term: scores(name, [*rest, term]) - base
                for term in table.terms
                if term not in active and not excluded(term, rest)
            }
            best = max(swaps, key=swaps.__getitem__)
            assert rewire == pytest.approx(swaps[best], abs=1e-8)
            assert table.terms[int(gains.replacement[place, slot])] == best


def test_every_candidate_can_be_made_and_is_worth_its_price(epoch):
    network, signals, data = epoch
    candidates = network.candidates(signals, best=6, moves=MOVES)
    kinds = {type(edit).__name__ for candidate in candidates for edit in candidate.edits}
    assert {"AddEdge", "AddNode", "RemoveNode", "Rewire"} <= kinds
    for candidate in candidates:
        _, after = network.edited(candidate.edits, key=KEY).epoch(data, key=KEY)
        assert float(after.evidence - signals.evidence) == pytest.approx(candidate.nats, abs=1e-7)


def test_terms_are_a_function_of_the_graph(network):
    again = LaggedNetwork.bare(NAMES, LAGS, terms=network.terms).at_topology(
        Topology.from_json(network.topology.to_json())
    )
    np.testing.assert_array_equal(again.packed.active, network.packed.active)
    np.testing.assert_array_equal(again.packed.mask, network.packed.mask)
    for name, active in ACTIVE.items():
        numbers = active_terms(network.topology, name, network.terms)
        assert {network.terms.terms[number] for number in numbers} == set(active)
    assert network.nodes == NAMES


def test_a_removed_product_leaves_no_trace(network):
    name = next(node.name for node in network.topology.nodes if node.kind == PRODUCT)
    assert name == "a(t-1) b(t-2) -> a"
    smaller = network.edited([RemoveNode(name)], key=KEY)
    assert smaller.packed.mask.sum() == network.packed.mask.sum() - 1
    assert name not in smaller.topology


@pytest.mark.parametrize(
    "edits",
    [
        [AddEdge(Edge("a", "b", lag=1, function="tanh"))],
        [AddEdge(Edge("a", "b", lag=3))],
        [AddNode("m", PRODUCT), AddEdge(Edge("a", "m", lag=1)), AddEdge(Edge("m", "b", lag=1))],
        [AddNode("m", PRODUCT), AddEdge(Edge("a", "m", lag=1, function="tanh")), AddEdge(Edge("m", "b"))],
        [
            AddNode("m", PRODUCT),
            *(AddEdge(Edge(name, "m", lag=1)) for name in NAMES),
            AddEdge(Edge("m", "b")),
        ],
        [AddNode("m", "continuous")],
        [RemoveNode("b")],
    ],
)
def test_what_no_term_stands_for_is_refused(network, edits):
    with pytest.raises(GraphError):
        network.edited(edits, key=KEY)


def test_products_need_their_table(values):
    linear = LaggedNetwork.bare(NAMES, LAGS)
    for term in (Term(PRODUCT, (("a", 1), ("b", 1))), Term(CURVE, (("a", 1),))):
        with pytest.raises(GraphError, match="term table"):
            linear.edited(additions(term, "b"), key=KEY)
    assert linear.edited([AddEdge(Edge("a", "b", lag=1))], key=KEY).edited([RemoveEdge("a", "b", lag=1)], key=KEY)


def test_slopes_are_mean_derivatives(network, values):
    table, step = network.terms, 1e-6
    links = table.lagged(values)
    slopes = table.slopes(links)
    places = np.arange(table.layout.columns)
    terms = table.layout.term_of(places)
    for end in (0, 1):
        for link in range(len(table.links)):
            moved = links.copy()
            moved[:, link] += step
            change = (table.columns(moved, places) - table.columns(links, places)).mean(axis=0) / step
            one, other = table.touched[terms].T
            looks = (one == link) if end == 0 else (other == link) & (one != other)
            np.testing.assert_allclose(slopes[looks, end], change[looks], atol=1e-4)


def test_a_series_that_hardly_moves_has_columns_that_explain_nothing():
    """Bumps far from all values are constant; a price stays a number."""
    generator = np.random.default_rng(0)
    spiky = np.where(generator.random((120, 2)) < 0.05, 50.0, 0.0) + 1e-3 * generator.normal(size=(120, 2))
    network = LaggedNetwork.bare(("u", "v"), 1, terms=CurvedTerms.fitted(("u", "v"), 1, spiky))
    _, signals = network.epoch(network.prepare(spiky), key=KEY)
    assert np.isfinite(np.asarray(signals.gains.add)).all()


def test_large_systems_do_without_products_and_larger_ones_without_curves():
    generator = np.random.default_rng(0)

    def fitted(count: int, max_lag: int) -> CurvedTerms | None:
        names = [f"x{number}" for number in range(count)]
        return CurvedTerms.fitted(names, max_lag, generator.normal(size=(50, count)))

    small, large, largest = fitted(10, 3), fitted(40, 3), fitted(150, 3)
    assert [table and table.products for table in (small, large, largest)] == [True, False, None]
