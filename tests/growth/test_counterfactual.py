"""The generic counterfactual against closed-form prices: two roads to the same nats."""

import equinox as eqx
import jax
import numpy as np
import pytest

from sostruct.errors import GraphError
from sostruct.graph import AddEdge, Edge, RemoveEdge
from sostruct.growth import counterfactual
from sostruct.growth.counterfactual import evaluate
from sostruct.networks.lagged.network import LaggedNetwork
from tests.networks.reference import series

KEY = jax.random.key(0)
NAMES = ("a", "b", "c", "d")


@pytest.fixture(scope="module")
def case():
    network = LaggedNetwork.bare(NAMES, 2).edited([AddEdge(Edge("a", "b", lag=1))], key=KEY)
    data = network.prepare(series(1, 4, 70))
    believed, signals = network.epoch(data, key=KEY)
    return believed, data, signals


@pytest.mark.parametrize("large", [0, 64])
def test_it_equals_the_closed_form(case, large: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counterfactual, "_LARGE", large)
    network, data, signals = case
    candidates = network.candidates(signals, best=5, moves=frozenset({"add", "prune", "rewire"}))
    nats = evaluate(network, data, [(candidate.edit,) for candidate in candidates], key=KEY)
    np.testing.assert_allclose(nats, [candidate.nats for candidate in candidates], atol=1e-8)


def test_edits_at_different_targets_add_up(case) -> None:
    network, data, _ = case
    one, other = AddEdge(Edge("c", "a", lag=2)), AddEdge(Edge("d", "c", lag=1))
    apart = evaluate(network, data, [(one,), (other,), ()], key=KEY)
    (together,) = evaluate(network, data, [(one, other)], key=KEY)
    assert together == pytest.approx(apart[0] + apart[1], abs=1e-9)
    assert apart[2] == 0.0


def test_candidates_that_need_more_room_are_priced_alike(case) -> None:
    network, data, _ = case
    crowd = [AddEdge(Edge(cause, "d", lag=lag)) for cause in NAMES for lag in (1, 2)]
    wide = network.edited(crowd, key=KEY)
    more = AddEdge(Edge("b", "b", lag=2))
    beyond = [*crowd, more]
    (nats,) = evaluate(network, data, [beyond], key=KEY)
    (_, before), (_, after) = network.epoch(data, key=KEY), wide.edited([more], key=KEY).epoch(data, key=KEY)
    assert nats == pytest.approx(float(after.evidence - before.evidence), abs=1e-8)


def test_an_edit_that_does_not_fit_is_refused(case) -> None:
    network, data, _ = case
    with pytest.raises(GraphError, match="c -> d"):
        evaluate(network, data, [(RemoveEdge("c", "d", lag=1),)], key=KEY)


def test_nothing_to_evaluate(case) -> None:
    network, data, _ = case
    assert evaluate(network, data, [], key=KEY).shape == (0,)


def test_numbers_of_candidates_share_programs(case, monkeypatch: pytest.MonkeyPatch) -> None:
    network, data, signals = case
    once = eqx.debug.assert_max_traces(counterfactual._evidence.__wrapped__, max_traces=1)
    monkeypatch.setattr(counterfactual, "_evidence", eqx.filter_jit(once))
    edits = [(one.edit,) for one in network.candidates(signals, best=3, moves=frozenset({"add"}))]
    for size in (4, 5, 6, 7):
        evaluate(network, data, edits[:size], key=KEY)
