"""The host side of a lagged network: edits, capacity, constraints, candidates."""

import jax
import numpy as np
import pytest

from sostruct.errors import ConfigError, GraphError
from sostruct.graph import AddEdge, AddNode, Edge, RemoveEdge, Rewire, Topology
from sostruct.networks.lagged import packed
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.numerics import double_precision

from .reference import series

KEY = jax.random.key(0)
NAMES = ("b", "a", "c")
"""Not in the canonical order, on purpose."""


def link(cause: str, effect: str, lag: int = 1) -> AddEdge:
    return AddEdge(Edge(cause, effect, lag=lag))


@pytest.fixture
def network() -> LaggedNetwork:
    return LaggedNetwork.bare(NAMES, 4).edited([link("a", "b"), link("c", "b", 3), link("b", "a", 2)], key=KEY)


def test_rows_follow_the_data_and_terms_ascend(network: LaggedNetwork) -> None:
    assert network.nodes == NAMES
    packed = network.packed
    assert packed.active[0, :2].tolist() == [1, 8]
    assert packed.mask.sum(axis=1).tolist() == [2, 1, 0]


def test_untouched_targets_keep_their_beliefs_bit_for_bit(network: LaggedNetwork) -> None:
    believed, _ = network.epoch(network.prepare(series(1, 3, 60)), key=KEY)
    edited = believed.edited([link("a", "b", 2)], key=KEY)
    np.testing.assert_array_equal(edited.packed.weight[1:], believed.packed.weight[1:])
    np.testing.assert_array_equal(edited.packed.inverse[1:], believed.packed.inverse[1:])
    np.testing.assert_array_equal(edited.packed.inverse[0][np.ix_([0, 2], [0, 2])], believed.packed.inverse[0, :2, :2])
    before = dict(zip(believed.packed.active[0, :2].tolist(), believed.packed.weight[0, :2].tolist(), strict=True))
    after = dict(zip(edited.packed.active[0, :3].tolist(), edited.packed.weight[0, :3].tolist(), strict=True))
    assert {term: after[term] for term in before} == before
    assert after[4] == 0.0, "a new edge starts with weight 0: no prediction changes before the next epoch"


def test_an_edit_and_its_inverse_give_the_same_evidence(network: LaggedNetwork) -> None:
    data = network.prepare(series(2, 3, 60))
    _, before = network.epoch(data, key=KEY)
    there = network.edited([Rewire(RemoveEdge("a", "b", lag=1), link("b", "b"))], key=KEY)
    back = there.edited([Rewire(RemoveEdge("b", "b", lag=1), link("a", "b"))], key=KEY)
    assert back.topology == network.topology
    _, after = back.epoch(data, key=KEY)
    np.testing.assert_array_equal(after.surprise, before.surprise)


def test_outgrowing_the_slots_doubles_them_and_changes_no_number() -> None:
    network = LaggedNetwork.bare(NAMES, 4)
    edges = [link(cause, "a", lag) for cause in NAMES for lag in (1, 2, 3, 4)]
    grown = network.edited(edges, key=KEY)
    assert network.packed.capacity.degree == 8
    assert grown.packed.capacity.degree == 16
    small = network.edited(edges[:3], key=KEY)
    wide = small.at_capacity(grown.packed.capacity)
    data = network.prepare(series(3, 3, 60))
    (_, one), (_, other) = small.epoch(data, key=KEY), wide.epoch(data, key=KEY)
    np.testing.assert_allclose(one.surprise, other.surprise, rtol=1e-13)
    np.testing.assert_allclose(one.gains.add, other.gains.add, rtol=1e-9)
    assert wide.edited([RemoveEdge("b", "a", lag=1)], key=KEY).packed.capacity.degree == 16, "it never shrinks"


def test_at_topology_is_editing(network: LaggedNetwork) -> None:
    target = Topology(network.topology.nodes, (Edge("c", "c", lag=2),))
    moved = network.at_topology(target)
    assert moved.topology == target
    assert moved.packed.mask.sum() == 1


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (AddNode("d", "series"), "add or remove series"),
        (link("a", "b", 5), "lag 1 to 4"),
        (AddEdge(Edge("c", "a", lag=1, mark="bidirected")), "bidirected"),
        (RemoveEdge("a", "c", lag=1), "a"),
    ],
)
def test_edits_that_do_not_fit_are_refused(network: LaggedNetwork, edit: object, told: str) -> None:
    with pytest.raises(GraphError, match=told):
        network.edited([edit], key=KEY)


def test_forbidden_edges_have_no_price_and_cannot_be_added() -> None:
    network = LaggedNetwork.bare(NAMES, 3, forbidden=[("a", "b"), ("c", "a", 2)])
    _, signals = network.epoch(network.prepare(series(4, 3, 60)), key=KEY)
    add = np.asarray(signals.gains.add)
    assert (add[0, 1::3] == -np.inf).all()
    assert np.isneginf(add[1]).nonzero()[0].tolist() == [5]
    with pytest.raises(GraphError, match="a -> b at lag 1"):
        network.edited([link("a", "b")], key=KEY)


def test_required_edges_are_there_and_cannot_leave() -> None:
    network = LaggedNetwork.bare(NAMES, 3, required=[("a", "b", 2)])
    assert [edge.key for edge in network.topology.edges] == [("a", "b", "value", 2)]
    _, signals = network.epoch(network.prepare(series(4, 3, 60)), key=KEY)
    assert (np.asarray(signals.gains.prune) == -np.inf).all()
    assert (np.asarray(signals.gains.rewire) == -np.inf).all()


def test_a_required_pair_may_change_its_lag_and_nothing_else() -> None:
    network = LaggedNetwork.bare(NAMES, 3, required=[("a", "b")], forbidden=[("a", "b", 1)])
    assert [edge.lag for edge in network.topology.edges] == [2]
    _, signals = network.epoch(network.prepare(series(4, 3, 60)), key=KEY)
    assert float(signals.gains.prune[0, 0]) == -np.inf
    assert int(signals.gains.replacement[0, 0]) == 7, "lag 3 of a is the only other way"
    both = network.edited([link("a", "b", 3)], key=KEY)
    _, signals = both.epoch(both.prepare(series(4, 3, 60)), key=KEY)
    assert np.isfinite(signals.gains.prune[0, :2]).all(), "either lag may leave while the other stays"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"forbidden": [("a", "z")]}, "'z' in forbidden"),
        ({"required": [("z", "a", 1)]}, "'z' in required"),
        ({"required": [("a", "b", 4)]}, "lag 4"),
        ({"required": [("a", "b", 0)]}, "lag 0"),
        ({"forbidden": [("a", "b", -1)]}, "lag -1"),
        ({"forbidden": [("a",)]}, r"\('a',\)"),
        ({"forbidden": ["ab"]}, "'ab'"),
        ({"required": [("a", "b", 1)], "forbidden": [("a", "b")]}, "a -> b"),
        ({"expected_parents": 0.0}, "expected_parents=0.0"),
        ({"ridge": -1.0}, "ridge=-1.0"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        LaggedNetwork.bare(NAMES, 3, **settings)


def test_candidates_are_the_best_prices_in_order(network: LaggedNetwork) -> None:
    data = network.prepare(series(6, 3, 60))
    believed, signals = network.epoch(data, key=KEY)
    everything = believed.candidates(signals, best=10_000, moves=frozenset({"add", "prune", "rewire"}))
    few = believed.candidates(signals, best=4, moves=frozenset({"add", "prune", "rewire"}))
    for name in NAMES:
        prices = [candidate.nats for candidate in everything if candidate.target == name]
        assert prices == sorted(prices, reverse=True)
        assert [candidate.nats for candidate in few if candidate.target == name] == prices[:4]
    kinds = {type(candidate.edit) for candidate in believed.candidates(signals, best=99, moves=frozenset({"prune"}))}
    assert kinds == {RemoveEdge}
    finite = int(np.isfinite(signals.gains.add).sum() + 2 * np.isfinite(signals.gains.prune).sum())
    assert len(everything) == finite


def test_every_candidate_can_be_made_and_is_worth_its_price(network: LaggedNetwork) -> None:
    data = network.prepare(series(7, 3, 60))
    believed, signals = network.epoch(data, key=KEY)
    for candidate in believed.candidates(signals, best=6, moves=frozenset({"add", "prune", "rewire"})):
        _, after = believed.edited([candidate.edit], key=KEY).epoch(data, key=KEY)
        assert float(after.evidence - signals.evidence) == pytest.approx(candidate.nats, abs=1e-8)


def test_draws_are_legal_uniform_and_seeded() -> None:
    network = LaggedNetwork.bare(NAMES, 2, forbidden=[("a", "b")]).edited([link("b", "b")], key=KEY)
    counts: dict[tuple[str, int], int] = {}
    for seed in range(600):
        for candidate in network.draw(key=jax.random.key(seed)):
            if candidate.target == "b":
                edge = candidate.edit.edge
                counts[edge.source, edge.lag] = counts.get((edge.source, edge.lag), 0) + 1
    assert set(counts) == {("b", 2), ("c", 1), ("c", 2)}
    assert min(counts.values()) > 150
    assert [one.edit for one in network.draw(key=KEY)] == [one.edit for one in network.draw(key=KEY)]


@pytest.mark.parametrize("elements", [1, 150, 10_000])
def test_chunks_of_targets_change_no_number(elements: int, monkeypatch: pytest.MonkeyPatch) -> None:
    network = LaggedNetwork.bare(NAMES, 4).edited([link("a", "b"), link("c", "b", 3)], key=KEY)
    data = network.prepare(series(9, 3, 60))
    _, expected = network.epoch(data, key=KEY)
    monkeypatch.setattr(packed, "_CHUNK_ELEMENTS", elements)
    with double_precision():
        _, signals = network.packed.epoch(data, key=KEY)
    np.testing.assert_allclose(signals.surprise, expected.surprise, rtol=1e-13)
    np.testing.assert_allclose(signals.gains.add, expected.gains.add, rtol=1e-9)


@pytest.mark.parametrize("required", [("a", "b", 2), ("a", "b")])
def test_an_edit_that_drops_a_required_edge_is_refused(required: tuple) -> None:
    network = LaggedNetwork.bare(NAMES, 3, required=[required])
    (edge,) = network.topology.edges
    with pytest.raises(GraphError, match="a -> b"):
        network.edited([RemoveEdge("a", "b", lag=edge.lag)], key=KEY)
