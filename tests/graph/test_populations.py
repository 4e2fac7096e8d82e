"""Edits of units and connections: exact inverses, journals, and what they refuse. The oracle is a plain array per edge
that numpy deletes from and inserts into."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sostruct.errors import GraphError
from sostruct.graph import (
    AddConnections,
    AddUnits,
    Edge,
    Entry,
    Journal,
    Node,
    RemoveConnections,
    RemoveUnits,
    SetWeights,
    Topology,
    apply,
    decode_connections,
    describe,
    edit_from_dict,
    edit_to_dict,
    encode_connections,
    invert,
    read_graph,
    width_of,
    write_graph,
)

START = Topology(
    (Node("x", "input", {"width": 3}), Node("h", "dense", {"width": 4}), Node("y", "regression")),
    (Edge("x", "h"), Edge("h", "y", function="tanh"), Edge("h", "h", lag=1, function="tanh")),
)


def mask(topology, source, target):
    own = source == target
    edge = topology.edge((source, target, "value", int(own)))
    ends = [width_of(topology.node(name)) for name in (source, target)]
    return decode_connections(edge.connections, *ends, own)


@st.composite
def batches(draw):
    """A graph, and a batch of edits that fit it one after the other."""
    topology, edits = START, []
    for _ in range(draw(st.integers(1, 5))):
        width = width_of(topology.node("h"))
        source, target = draw(st.sampled_from([("x", "h"), ("h", "y"), ("h", "h")]))
        there = mask(topology, source, target)
        kind = draw(st.sampled_from(["add", "remove", "cut", "join"]))
        if kind == "add":
            places = draw(st.sets(st.integers(0, width + 1), min_size=2, max_size=2))
            edit = AddUnits("h", tuple(places))
        elif kind == "remove" and width > 1:
            count = draw(st.integers(1, width - 1))
            edit = RemoveUnits("h", tuple(draw(st.permutations(range(width)))[:count]))
        else:
            full = np.triu(np.ones_like(there), 1) if source == target else np.ones_like(there)
            able = there if kind == "cut" else full & ~there
            pairs = [tuple(pair) for pair in np.argwhere(able).tolist()]
            if not pairs:
                continue
            some = draw(st.lists(st.sampled_from(pairs), min_size=1, max_size=4, unique=True))
            change = RemoveConnections if kind == "cut" else AddConnections
            edit = change(source, target, "value", int(source == target), tuple(some))
        topology = apply(topology, [edit])
        edits.append(edit)
    return edits


@given(batches())
def test_a_batch_is_undone_exactly_and_read_back_as_it_was(edits):
    after = apply(START, edits)
    assert apply(after, invert(START, edits)) == START
    assert [edit_from_dict(edit_to_dict(edit)) for edit in edits] == edits
    assert Topology.from_json(after.to_json()) == after
    for edge in after.edges:
        assert edge.connections == encode_connections(mask(after, edge.source, edge.target), edge.source == edge.target)


def test_units_that_go_take_their_connections_with_them_and_the_others_move_up():
    cut = apply(START, [RemoveConnections("x", "h", "value", 0, ((0, 1), (2, 3)))])
    before = mask(cut, "x", "h")
    after = apply(cut, [RemoveUnits("h", (0, 2))])
    assert width_of(after.node("h")) == 2
    np.testing.assert_array_equal(mask(after, "x", "h"), np.delete(before, [0, 2], 1))
    back = apply(after, invert(cut, [RemoveUnits("h", (0, 2))]))
    np.testing.assert_array_equal(mask(back, "x", "h"), before)


def test_units_come_with_all_connections_where_they_are_said_to():
    cut = apply(START, [RemoveConnections("h", "h", "value", 1, ((0, 3),))])
    after = apply(cut, [AddUnits("h", (1, 5))])
    inner = np.insert(np.insert(mask(cut, "h", "h"), [1, 4], True, 0), [1, 4], True, 1)
    np.testing.assert_array_equal(mask(after, "h", "h"), np.triu(inner, 1))


def test_a_journal_replays_to_the_connection(tmp_path):
    edits = [
        RemoveConnections("x", "h", "value", 0, ((0, 0), (1, 2))),
        AddUnits("h", (4,)),
        SetWeights("h", 4, {"x": [1.0, 2.0, 3.0], "h": [0.0] * 5}, 0.5, {"y": [0.0]}),
        RemoveUnits("h", (1,)),
    ]
    journal = Journal(START, [Entry(epoch, edit, 1.0, True, "", "h") for epoch, edit in enumerate(edits)])
    journal.write(tmp_path / "journal.jsonl")
    again = Journal.read(tmp_path / "journal.jsonl")
    assert list(again) == list(journal)
    for epoch in range(4):
        assert again.replay(epoch) == apply(START, edits[: epoch + 1])
    assert again.replay(2) == again.replay(1), "weights are no part of a graph"
    for name in ("graph.json", "graph.graphml"):
        write_graph(again.final.graph, tmp_path / name)
        assert Topology.from_networkx(read_graph(tmp_path / name)) == again.final


def test_edits_in_words():
    words = describe((AddUnits("h", (4,)), RemoveConnections("x", "h", "value", 0, ((0, 0), (1, 2)))))
    assert words == "add 1 unit to h; remove 2 connections of x -> h"


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (AddUnits("h", (6,)), "there are 5 units afterwards"),
        (RemoveUnits("h", (4,)), "h has 4 units"),
        (RemoveUnits("h", (0, 1, 2, 3)), "no unit would be left"),
        (RemoveUnits("z", (0,)), "has no node 'z'"),
        (RemoveConnections("x", "y", "value", 0, ((0, 0),)), "no such edge"),
        (RemoveConnections("x", "h", "value", 0, ((3, 0),)), "there are 3 units with 4"),
        (AddConnections("x", "h", "value", 0, ((0, 0),)), "is there already"),
        (RemoveConnections("h", "h", "value", 1, ((2, 1),)), "on those after them only"),
        (SetWeights("h", 4), "h has 4 units"),
        (SetWeights("h", 0, {"x": [1.0]}), "x has 3 units and there are 1 weights"),
        (SetWeights("h", 0, {"y": [1.0]}), "no such edge"),
    ],
)
def test_an_edit_that_does_not_fit_says_why(edit, why):
    with pytest.raises(GraphError, match=r"Cannot .* This is because .* Try ") as told:
        apply(START, [edit])
    assert why in str(told.value)


def test_edits_that_make_no_sense_are_refused_where_they_are_made():
    for make in (
        lambda: AddUnits("h", ()),
        lambda: AddUnits("h", (0, 0)),
        lambda: RemoveUnits("h", (-1,)),
        lambda: RemoveConnections("x", "h", "value", 0, ()),
        lambda: RemoveConnections("x", "h", "value", 0, ((0, 1), (0, 1))),
        lambda: RemoveConnections("x", "h", "value", 0, ((0.5, 1),)),
        lambda: SetWeights("h", 0, {"x": [np.nan]}),
        lambda: Edge("x", "h", connections="zz"),
    ):
        with pytest.raises(GraphError):
            make()


def test_connections_of_other_sizes_are_refused():
    with pytest.raises(GraphError, match="2 characters and 4 are needed"):
        decode_connections("ff", 3, 4)
    with pytest.raises(GraphError, match="cannot be connected"):
        decode_connections("ff80", 3, 3, True)
