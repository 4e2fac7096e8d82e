"""The journal: replay equals the live graph, files round-trip byte for byte, damage is named."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sostruct.errors import GraphError, RunError
from sostruct.graph import (
    AddEdge,
    AddNode,
    Edge,
    Entry,
    Journal,
    RemoveEdge,
    RemoveNode,
    Topology,
    apply,
    read_graph,
    to_lines,
)

from .strategies import random_batch, random_topology, seeded

HISTORIES = 300


def random_history(rng, epochs=5):
    """A journal, and the live graph after every epoch, which never went through the journal."""
    start = live = random_topology(rng)
    journal, graphs = Journal(start), {-1: start}
    for epoch in range(epochs):
        batch, after = random_batch(rng, live, most=4)
        entries = []
        while batch:
            size = rng.randint(1, len(batch))
            taken, batch = batch[:size], batch[size:]
            edit = taken if size > 1 or rng.random() < 0.3 else taken[0]
            entries.append(
                Entry(epoch, edit, rng.choice((0.5, -3.25, 0.1, math.nan)), True, "gain", rng.choice(("", "ü")))
            )
            if rng.random() < 0.5:
                entries.append(Entry(epoch, RemoveNode("refused"), -1.0, False, 'price "too" high\n'))
        journal.extend(entries)
        graphs[epoch] = live = after
    return journal, graphs


@given(st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_replay_equals_the_live_graph_at_every_moment(rng):
    journal, graphs = random_history(rng)
    for epoch in rng.sample(sorted(graphs), len(graphs)):
        assert journal.replay(epoch) == graphs[epoch]
    assert journal.final == graphs[4]
    assert journal.replay(999) == journal.final


def test_many_histories_replay_and_round_trip(tmp_path):
    path = tmp_path / "journal.jsonl"
    for rng in seeded(HISTORIES):
        journal, graphs = random_history(rng)
        assert journal.final == graphs[4]
        assert all(journal.replay(epoch) == graph for epoch, graph in graphs.items())
        text = journal.header() + "".join(to_lines(journal))
        path.write_text(text, encoding="utf-8")
        back = Journal.read(path)
        assert back.entries == journal.entries
        assert back.start == journal.start
        assert back.final == journal.final
        assert back.header() + "".join(to_lines(back.entries)) == text


def test_replay_sees_entries_recorded_after_an_earlier_replay(small):
    journal = Journal(small)
    assert journal.final is small
    journal.record(Entry(0, AddNode("new", "constant"), 1.0, True, ""))
    assert "new" in journal.final
    journal.record(Entry(0, RemoveNode("new"), 1.0, False, ""))
    journal.record(Entry(0, AddEdge(Edge("new", "level")), 1.0, True, ""))
    assert journal.replay(0).has_edge(("new", "level", "value", 0))
    journal.record(Entry(3, RemoveNode("new"), 1.0, True, ""))
    assert journal.replay(2) == journal.replay(0)
    assert journal.replay(3) == small
    assert journal.replay(-1) == small


def test_the_accepted_edits_of_an_epoch_are_one_batch(small):
    """An epoch may turn an edge around in either order, as the controller did."""
    journal = Journal(small)
    journal.record(Entry(0, AddEdge(Edge("price", "level")), 1.0, True, "turn"))
    journal.record(Entry(0, RemoveEdge("level", "price"), 1.0, True, "turn"))
    assert journal.final == apply(small, [RemoveEdge("level", "price"), AddEdge(Edge("price", "level"))])


def test_an_edit_that_does_not_fit_is_named_by_replay(small, refusal):
    journal = Journal(small, [Entry(2, RemoveNode("prise"), 1.0, True, "")])
    assert journal.replay(1) == small
    with pytest.raises(GraphError) as raised:
        journal.replay(2)
    refusal(raised, "epoch 2", "'prise'")


def test_entries_come_in_order_of_epochs(small, refusal):
    journal = Journal(small, [Entry(2, RemoveNode("price"), 1.0, False, "")])
    with pytest.raises(GraphError) as raised:
        journal.record(Entry(1, RemoveNode("volume"), 1.0, False, ""))
    refusal(raised, "remove node volume", "epoch 1", "epoch 2")
    assert len(journal) == 1


def test_a_journal_is_a_sequence_of_entries(small):
    entries = [Entry(epoch, RemoveNode("price"), 1.0, False, "no") for epoch in (0, 0, 3)]
    journal = Journal(small, entries)
    assert journal.entries == tuple(entries) == tuple(journal)
    assert len(journal) == 3
    assert journal.epochs == (0, 3)
    assert repr(journal) == "Journal(3 entries, 2 epochs)"
    assert Journal(small).epochs == ()


def test_an_entry_without_a_price_equals_itself():
    one, two = (Entry(0, RemoveNode("a"), nats, True, "") for nats in (math.nan, np.float64("nan")))
    assert one == two
    assert hash(one) == hash(two)
    assert one != Entry(0, RemoveNode("a"), 0.0, True, "")
    assert one != Entry(0, RemoveNode("a"), math.nan, True, "", target="a")
    assert one != "entry"


def test_an_entry_becomes_plain():
    entry = Entry(np.int64(3), [RemoveNode("a")], np.float32(0.5), np.bool_(True), "")
    assert (type(entry.epoch), type(entry.nats), type(entry.accepted)) == (int, float, bool)
    assert entry.edit == (RemoveNode("a"),)
    assert entry.edits == (RemoveNode("a"),)
    assert Entry(0, RemoveNode("a"), 0.0, True, "").edits == (RemoveNode("a"),)


@pytest.mark.parametrize(
    ("epoch", "nats", "named"),
    [(-1, 0.0, "-1"), (0, math.inf, "inf"), (0, -math.inf, "-inf"), (0.5, 0.0, "0.5"), (0, None, "None")],
)
def test_an_entry_without_a_moment_or_a_finite_price_is_refused(epoch, nats, named, refusal):
    with pytest.raises(GraphError) as raised:
        Entry(epoch, RemoveNode("a"), nats, True, "")
    refusal(raised, "remove node a", named)


def test_lines_are_these_bytes():
    start = Topology()
    entries = [
        Entry(0, AddNode("ü", "constant"), 1 / 3, True, "gain", target="a"),
        Entry(1, (RemoveNode("ü"),), math.nan, False, "no price"),
    ]
    assert Journal(start).header() == (
        '{"schema":1,"start":{"directed":true,"edges":[],"graph":{},"multigraph":true,"nodes":[]}}\n'
    )
    assert to_lines(entries) == [
        '{"accepted":true,"edit":{"kind":"constant","name":"\\u00fc","op":"add_node","parameters":{}},"epoch":0,'
        '"nats":0.3333333333333333,"reason":"gain","target":"a"}\n',
        '{"accepted":false,"edit":[{"name":"\\u00fc","op":"remove_node"}],"epoch":1,"nats":null,'
        '"reason":"no price","target":""}\n',
    ]


def test_a_line_is_one_line_for_every_reader():
    line = to_lines([Entry(0, AddNode("a\u2028b\x85c\nd", "series"), 0.0, True, "\u2029")])[0]
    assert len(line.splitlines()) == 1


def test_write_and_read(tmp_path, small):
    path = tmp_path / "journal.jsonl"
    journal = Journal(small, [Entry(0, RemoveNode("price"), 0.1, True, "because")])
    journal.write(path)
    assert path.read_text() == journal.header() + to_lines(journal)[0]
    assert Journal.read(str(path)).entries == journal.entries
    with pytest.raises(RunError, match="Cannot write"):
        journal.write(tmp_path / "missing" / "journal.jsonl")


def test_appended_lines_make_the_same_file(tmp_path, small):
    entries = [Entry(epoch, RemoveNode("price"), 0.1, False, "because") for epoch in range(4)]
    whole, appended = tmp_path / "whole.jsonl", tmp_path / "appended.jsonl"
    Journal(small, entries).write(whole)
    with open(appended, "w") as file:
        file.write(Journal(small).header())
        for entry in entries:
            file.writelines(to_lines([entry]))
    assert whole.read_bytes() == appended.read_bytes()


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda lines: [], ["line 1"]),
        (lambda lines: ["{}", *lines[1:]], ["schema 1"]),
        (lambda lines: ["[]", *lines[1:]], ["schema 1"]),
        (lambda lines: [lines[0].replace('"schema":1', '"schema":2'), *lines[1:]], ["schema 1", "version"]),
        (lambda lines: [lines[0].replace("continuous", "contnuous"), *lines[1:]], ["line 1", "'contnuous'"]),
        (lambda lines: ['{"schema":1}', *lines[1:]], ["line 1", "'nodes'"]),
        (lambda lines: [*lines[:2], lines[2][:20]], ["line 3", "not JSON"]),
        (lambda lines: [*lines[:2], lines[2].replace("nats", "price")], ["line 3", "nats"]),
        (lambda lines: [*lines[:2], lines[2].replace("0.1", "Infinity")], ["line 3", "Infinity"]),
        (lambda lines: [*lines[:2], "3"], ["line 3"]),
        (lambda lines: [*lines[:2], lines[2].replace("remove_node", "remove_all")], ["line 3", "remove_all"]),
        (lambda lines: [lines[0], lines[2], lines[1]], ["line 3", "epoch"]),
    ],
)
def test_damage_is_named_with_its_line(tmp_path, small, damage, named, refusal):
    path = tmp_path / "journal.jsonl"
    Journal(small, [Entry(epoch, RemoveNode("price"), 0.1, False, "") for epoch in (0, 1)]).write(path)
    path.write_text("\n".join(damage(path.read_text().splitlines())))
    with pytest.raises(RunError) as raised:
        Journal.read(path)
    refusal(raised, str(path), *named)


def test_a_missing_or_binary_file_is_named(tmp_path, refusal):
    with pytest.raises(RunError) as raised:
        Journal.read(tmp_path / "nothing.jsonl")
    refusal(raised, "nothing.jsonl")
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(RunError) as raised:
        Journal.read(tmp_path / "binary.jsonl")
    refusal(raised, "line 1")


def test_the_frame(small):
    journal = Journal(small, [Entry(0, AddEdge(Edge("price", "level", lag=1)), math.nan, True, "every", "level")])
    frame = journal.frame()
    assert list(frame.columns) == ["epoch", "target", "op", "edit", "nats", "accepted", "reason"]
    assert frame.loc[0, "edit"] == "add price -> level (lag 1)"
    assert frame.loc[0, "target"] == "level"
    assert math.isnan(frame.loc[0, "nats"])
    empty = Journal(small).frame()
    assert empty.empty
    assert empty.dtypes.to_dict() == frame.dtypes.to_dict()


def test_the_frame_can_be_filtered_by_the_kind_of_edit(small):
    grown = (AddNode("new", "constant"), AddEdge(Edge("new", "level")), AddEdge(Edge("new", "price")))
    journal = Journal(small, [Entry(0, grown, 1.0, True, ""), Entry(0, RemoveNode("price"), 1.0, False, "")])
    assert journal.frame()["op"].tolist() == ["add_node + add_edge", "remove_node"]
    assert journal.frame().query("op == 'remove_node'")["edit"].tolist() == ["remove node price"]


@given(st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_the_graphs_of_a_run_are_those_of_the_epochs_that_changed_it(rng):
    journal, live = random_history(rng)
    graphs = dict(journal.graphs())
    assert next(journal.graphs()) == (-1, journal.start)
    shown = journal.start
    for epoch in range(5):
        assert (epoch in graphs) == (live[epoch] != live[epoch - 1])
        shown = graphs.get(epoch, shown)
        assert shown == live[epoch]
        assert Topology.from_networkx(journal.graph_at(epoch)) == live[epoch]


def test_graphml_is_written_for_every_epoch_that_changed_the_graph(tmp_path, small):
    journal = Journal(small, [Entry(2, RemoveNode("price"), 1.0, True, ""), Entry(3, RemoveNode("x"), 1.0, False, "")])
    paths = journal.write_graphml(tmp_path / "run" / "graphs")
    assert [path.name for path in paths] == ["start.graphml", "epoch-0002.graphml"]
    assert [Topology.from_networkx(read_graph(path)) for path in paths] == [small, journal.final]
    chosen = journal.write_graphml(tmp_path, [12, np.int64(1), 1])
    assert [path.name for path in chosen] == ["epoch-0001.graphml", "epoch-0012.graphml"]
    assert [Topology.from_networkx(read_graph(path)) for path in chosen] == [small, journal.final]


def test_graphml_of_no_epoch_or_into_no_folder_is_refused(tmp_path, small, refusal):
    with pytest.raises(GraphError) as raised:
        Journal(small).write_graphml(tmp_path / "graphs", [-2])
    refusal(raised, "-2")
    assert not (tmp_path / "graphs").exists()
    (tmp_path / "graphs").write_text("in the way")
    with pytest.raises(RunError) as raised:
        Journal(small).write_graphml(tmp_path / "graphs")
    refusal(raised, "graphs")


def test_a_notebook_shows_the_table_with_names_as_they_are_spelled(small):
    entries = [Entry(epoch, AddNode("<b>", "constant"), math.nan, epoch == 0, "why & how") for epoch in range(60)]
    page = Journal(small, entries)._repr_html_()
    assert "60 decisions in 60 epochs, 1 accepted" in page
    assert "add node &lt;b&gt;" in page
    assert "why &amp; how" in page
    assert "<b>" not in page
    assert 40 <= page.count("<tr") < 50
    assert "0 decisions in 0 epochs" in Journal(small)._repr_html_()


def test_every_line_is_standard_json(small):
    for line in (Journal(small).header(), *to_lines([Entry(0, RemoveNode("a"), math.nan, True, "")])):
        json.loads(line, parse_constant=pytest.fail)
