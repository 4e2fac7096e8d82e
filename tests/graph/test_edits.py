"""The edit algebra against a plain-dictionary model: apply, invert, refusal, JSON, words."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sostruct.errors import GraphError
from sostruct.graph import (
    AddEdge,
    AddNode,
    Edge,
    Node,
    RemoveEdge,
    RemoveNode,
    Rewire,
    SetParameters,
    Topology,
    apply,
    describe,
    edit_from_dict,
    edit_to_dict,
    invert,
)

from .strategies import random_batch, random_topology, seeded, topologies_and_batches

SEQUENCES = 3000


@given(topologies_and_batches())
@settings(max_examples=200, deadline=None)
def test_a_batch_does_what_the_model_does_and_can_be_undone(case):
    topology, batch, expected = case
    before = topology.to_json()
    after = apply(topology, batch)
    assert after == expected
    assert apply(after, invert(topology, batch)) == topology
    assert topology.to_json() == before


def test_thousands_of_random_sequences():
    """As above, in bulk: also bytes, hashes, caches that edits carry along, and undoing an undo."""
    edits = 0
    for rng in seeded(SEQUENCES):
        topology = random_topology(rng)
        if topology.names and rng.random() < 0.5:
            topology.parents(topology.names[0])
        batch, expected = random_batch(rng, topology)
        after = apply(topology, batch)
        edits += len(batch)
        assert after == expected
        assert (hash(after), after.to_json()) == (hash(expected), expected.to_json())
        assert after.names == expected.names
        assert all(after.parents(name) == expected.parents(name) for name in expected.names)
        assert all(after.edge(edge.key) == edge for edge in expected.edges)
        undo = invert(topology, batch)
        assert apply(after, undo) == topology
        assert apply(apply(after, undo), invert(after, undo)) == after
        one_by_one = topology
        for edit in batch:
            one_by_one = apply(one_by_one, [edit])
        assert one_by_one == after
    assert edits > SEQUENCES


@given(topologies_and_batches(), st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_one_edit_that_does_not_fit_stops_the_batch(case, rng):
    topology, batch, expected = case
    bad = [RemoveNode("nowhere"), RemoveEdge("nowhere", "a"), SetParameters("nowhere", {"mean": 1.0})]
    bad += [AddEdge(Edge("nowhere", name, lag=1)) for name in expected.names]
    bad += [AddNode(name, "series") for name in expected.names]
    bad += [AddEdge(Edge(*edge.key)) for edge in expected.edges if edge.mark == "directed"]
    wrong = rng.choice(bad)
    before = topology.to_json()
    for make in (apply, invert):
        with pytest.raises(GraphError) as raised:
            make(topology, (*batch, wrong))
        assert str(raised.value).startswith(f"Cannot {wrong}. This is because ")
    assert topology.to_json() == before
    assert apply(topology, batch) == expected


@given(topologies_and_batches())
@settings(max_examples=150, deadline=None)
def test_edits_round_trip_through_json(case):
    for edit in case[1]:
        text = json.dumps(edit_to_dict(edit), sort_keys=True, allow_nan=False)
        back = edit_from_dict(json.loads(text))
        assert back == edit
        assert hash(back) == hash(edit)
        assert json.dumps(edit_to_dict(back), sort_keys=True) == text


def test_no_edits_give_the_same_object(small):
    assert apply(small, ()) is small
    assert apply(small, []) == small
    assert invert(small, iter(())) == ()


def test_removing_a_node_takes_its_edges_and_its_inverse_brings_them_back(small):
    batch = (RemoveNode("volume"),)
    after = apply(small, batch)
    assert after.names == ("level", "price", "turbulence")
    assert [edge.key for edge in after.edges] == [
        ("level", "price", "value", 0),
        ("turbulence", "level", "volatility", 0),
    ]
    undo = invert(small, batch)
    assert undo[0] == AddNode("volume", "continuous")
    assert len(undo) == 4
    assert apply(after, undo) == small


def test_setting_parameters_keeps_the_others_and_undoes_only_what_was_set(small):
    batch = (SetParameters("level", {"mean": 3.0}),)
    assert dict(apply(small, batch).node("level").parameters)["tonic_volatility"] == -4.0
    assert invert(small, batch) == (SetParameters("level", {"mean": 0.5}),)
    key = ("level", "volume", "value", 0)
    batch = (SetParameters(key, {"function": "identity"}),)
    edge = apply(small, batch).edge(key)
    assert (edge.strength, edge.function) == (-0.4, "identity")
    assert invert(small, batch) == (SetParameters(key, {"function": "tanh"}),)


def test_an_edge_is_turned_around_by_a_rewire_or_in_any_order_of_a_batch(small):
    turned = Edge("price", "level")
    rewire = (Rewire(RemoveEdge("level", "price"), AddEdge(turned)),)
    expected = apply(small, rewire)
    assert expected.has_edge(turned.key)
    assert not expected.has_edge(("level", "price", "value", 0))
    assert apply(small, (AddEdge(turned), RemoveEdge("level", "price"))) == expected
    assert invert(small, rewire) == (Rewire(RemoveEdge("price", "level"), AddEdge(Edge("level", "price"))),)


def test_the_edit_that_closes_a_cycle_is_named(small, refusal):
    harmless = AddEdge(Edge("turbulence", "volume"))
    with pytest.raises(GraphError) as raised:
        apply(
            small,
            (harmless, AddEdge(Edge("price", "turbulence")), harmless_lag := AddEdge(Edge("price", "level", lag=1))),
        )
    refusal(raised, "level -> price -> turbulence -> level")
    assert str(raised.value).startswith("Cannot add price -> turbulence.")
    assert str(harmless_lag) not in str(raised.value)
    with pytest.raises(GraphError) as raised:
        apply(small, (Rewire(RemoveEdge("price", "volume", lag=2), AddEdge(Edge("price", "turbulence"))),))
    assert str(raised.value).startswith("Cannot rewire price -> volume (lag 2) to price -> turbulence.")


def test_the_last_edit_of_a_cycle_made_in_one_batch_is_named():
    topology = Topology([Node(name, "series") for name in "abc"])
    with pytest.raises(GraphError, match="Cannot add b -> c"):
        apply(topology, [AddEdge(Edge(*pair)) for pair in ("ca", "ab", "bc")])


def test_an_edge_that_came_went_and_came_again_counts_from_when_it_came_last():
    topology = Topology([Node(name, "series") for name in "abc"], [Edge("a", "b")])
    back = AddEdge(Edge("b", "c", strength=2.0))
    with pytest.raises(GraphError, match="Cannot add b -> c"):
        apply(topology, [AddEdge(Edge("b", "c")), RemoveEdge("b", "c"), AddEdge(Edge("c", "a")), back])


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (AddNode("price", "series"), ["'price'", "already"]),
        (RemoveNode("prise"), ["'prise'"]),
        (AddEdge(Edge("level", "prise")), ["'prise'"]),
        (AddEdge(Edge("prise", "level")), ["'prise'"]),
        (AddEdge(Edge("level", "price", strength=3.0)), ["level -> price", "already"]),
        (RemoveEdge("level", "price", lag=1), ["level -> price (lag 1)"]),
        (RemoveEdge("price", "level"), ["price -> level", "level -> price"]),
        (Rewire(RemoveEdge("level", "prise"), AddEdge(Edge("price", "level", lag=3))), ["level -> prise"]),
        (Rewire(RemoveEdge("level", "price"), AddEdge(Edge("level", "volume"))), ["level -> volume", "already"]),
        (SetParameters("prise", {"mean": 1.0}), ["'prise'"]),
        (SetParameters("price", {"maen": 1.0}), ["price", "'maen'", "'mean'"]),
        (SetParameters("price", {"precision": 0.0}), ["price", "precision", "greater than zero"]),
        (SetParameters("price", {"mean": "high"}), ["price", "mean", "'high'"]),
        (SetParameters(("level", "price", "value", 0), {"mark": "bidirected"}), ["level -> price", "'mark'", "Rewire"]),
        (SetParameters(("level", "price", "value", 0), {"function": "sin"}), ["level -> price", "'sin'", "'tanh'"]),
        (SetParameters(("level", "price", "value", 0), {"strength": "big"}), ["level -> price", "strength", "'big'"]),
        (SetParameters(("level", "price", "value", 9), {"strength": 1.0}), ["level -> price (lag 9)"]),
    ],
)
def test_an_edit_that_does_not_fit_is_refused_by_name(small, edit, named, refusal):
    before = small.to_json()
    for make in (apply, invert):
        with pytest.raises(GraphError) as raised:
            make(small, [edit])
        refusal(raised, f"Cannot {edit}.", *named)
    assert small.to_json() == before


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: AddNode("a", "continuos"), ["'a'", "'continuos'"]),
        (lambda: AddNode("a", "continuous", {"precision": -1.0}), ["'a'", "precision"]),
        (lambda: RemoveNode(3), ["3", "int"]),
        (lambda: RemoveEdge("a", "b", lag=-1), ["a -> b", "-1"]),
        (lambda: RemoveEdge("a", "b", "values"), ["a -> b", "'values'"]),
        (lambda: SetParameters("a", {}), ["a", "none is named"]),
        (lambda: SetParameters("a", {"mean": math.nan}), ["a", "mean", "nan"]),
        (lambda: SetParameters(("a", "b"), {"strength": 1.0}), ["('a', 'b')", "edge.key"]),
        (lambda: SetParameters(3, {"strength": 1.0}), ["3", "edge.key"]),
        (lambda: edit_from_dict({"op": "add"}), ["'add_edge'"]),
        (lambda: edit_from_dict({"op": ["add_edge"]}), ["'add_edge'"]),
        (lambda: edit_from_dict([]), ["'op'"]),
        (lambda: edit_from_dict("add"), ["'op'"]),
        (lambda: edit_from_dict({"op": "remove_node"}), ["'remove_node'", "name"]),
        (lambda: edit_from_dict({"op": "remove_node", "name": "a", "why": 1}), ["'remove_node'", "why"]),
        (lambda: edit_from_dict({"op": "add_edge", "source": "a"}), ["'add_edge'", "target"]),
        (lambda: edit_from_dict({"op": "add_edge", "source": "a", "target": "b", "nats": 1}), ["'add_edge'", "nats"]),
        (lambda: edit_from_dict({"op": "add_edge", "source": "a", "target": "b", "delay": 1}), ["a -> b", "'delay'"]),
        (lambda: edit_from_dict({"op": "rewire", "remove": {}, "add": 3}), ["'rewire'"]),
        (lambda: edit_from_dict({"op": "set_parameters", "parameters": {"mean": 1}}), ["'set_parameters'", "edge"]),
        (lambda: edit_from_dict({"op": "set_parameters", "node": "a", "parameters": 3}), ["'set_parameters'"]),
    ],
)
def test_an_edit_that_makes_no_sense_is_refused_when_it_is_made(make, named, refusal):
    with pytest.raises(GraphError) as raised:
        make()
    refusal(raised, *named)


def test_equal_edits_are_equal_and_ready_for_json():
    assert AddNode("a", "continuous") == AddNode("a", "continuous", {"mean": 0})
    edit = SetParameters("a", {"precision": np.float32(0.5), "mean": -0.0})
    assert edit == SetParameters("a", [("mean", 0), ("precision", 0.5)])
    assert json.dumps(edit_to_dict(edit)) == (
        '{"op": "set_parameters", "node": "a", "parameters": {"mean": 0.0, "precision": 0.5}}'
    )
    assert json.dumps(edit_to_dict(RemoveEdge("a", "b", lag=np.int64(2)))) == (
        '{"op": "remove_edge", "source": "a", "target": "b", "coupling": "value", "lag": 2}'
    )


def test_the_words_for_people():
    add, remove = AddEdge(Edge("a", "b", lag=2)), RemoveEdge("c", "b", "volatility")
    assert describe(add) == "add a -> b (lag 2)"
    assert describe(remove) == "remove c -> b (volatility)"
    assert describe(Rewire(remove, add)) == "rewire c -> b (volatility) to a -> b (lag 2)"
    assert describe(AddNode("a", "series")) == "add node a (series)"
    assert describe(RemoveNode("a")) == "remove node a"
    assert describe(SetParameters("a", {"mean": 1, "precision": 2})) == "set mean = 1, precision = 2 of a"
    assert describe(SetParameters(("a", "b", "value", 1), {"strength": 0.5})) == "set strength = 0.5 of a -> b (lag 1)"
    assert describe((add, remove)) == "add a -> b (lag 2); remove c -> b (volatility)"


@pytest.mark.parametrize(
    "edit", [RemoveNode("a"), RemoveEdge("a", "b"), AddEdge(Edge("a", "b")), AddNode("a", "series")]
)
def test_edits_are_frozen(edit):
    with pytest.raises((AttributeError, TypeError)):
        edit.name = "b"
    assert len({edit, edit}) == 1
