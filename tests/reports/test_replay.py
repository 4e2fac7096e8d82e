"""The film of a run: which epochs it shows, and what every part of the drawing is in each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sostruct.errors import GraphError
from sostruct.graph import AddEdge, Edge, Entry, Journal
from sostruct.reports.canvas import inline_svg, settings
from sostruct.reports.links import links
from sostruct.reports.replay import MOST_FRAMES, choose, film, state
from sostruct.reports.replay_drawing import Changing, draw_film, measured_by
from sostruct.reports.replay_section import STATES, part_class
from sostruct.reports.tables import RunTables, read_run

from .beliefs import bare, history, write_beliefs


@pytest.fixture(scope="module")
def beliefs(tmp_path_factory: pytest.TempPathFactory) -> RunTables:
    return read_run(write_beliefs(tmp_path_factory.mktemp("beliefs") / "run"))


@pytest.fixture(scope="module")
def drawn(beliefs: RunTables) -> Changing:
    with settings():
        return draw_film(film(beliefs), beliefs)


@given(st.integers(1, 300), st.sets(st.integers(0, 299)), st.integers(2, 80))
def test_long_runs_show_their_ends_and_their_changes_first(epochs: int, changed: set[int], most: int) -> None:
    changed &= set(range(epochs))
    shown = choose(range(epochs), changed, most)
    assert list(shown) == sorted(set(shown))
    assert set(shown) <= set(range(epochs))
    assert len(shown) == min(epochs, most)
    assert {0, epochs - 1} <= set(shown)
    if len(changed - {0, epochs - 1}) <= most - 2:
        assert changed <= set(shown)
    elif most > 2:
        assert set(shown) <= changed | {0, epochs - 1}


def test_a_frame_is_the_graph_after_its_edits_and_the_signals_before_them(beliefs: RunTables) -> None:
    shown, journal = film(beliefs), history()
    assert [frame.epoch for frame in shown.frames] == list(range(7))
    for frame in shown.frames:
        assert frame.after == journal.replay(frame.epoch)
        assert frame.before == journal.replay(frame.epoch - 1)
        assert set(frame.signals) == set(frame.before.names)
        assert set(frame.decisions["epoch"]) == {frame.epoch}
    assert shown.frames[0].signals["price"]["surprise"] == 600.0
    assert shown.graphs[0] == bare()


def test_a_long_run_leaves_no_decision_out(tmp_path: Path) -> None:
    epochs = 4 * MOST_FRAMES
    entries = [
        Entry(
            epoch,
            AddEdge(Edge("price_state", "rate_state", coupling=("value", "volatility")[epoch == 70])),
            1.0,
            epoch in (7, 70),
            "",
        )
        for epoch in range(epochs)
    ]
    tables = read_run(write_beliefs(tmp_path / "run", journal=Journal(bare(), entries), epochs=epochs))
    shown = film(tables)
    assert (len(shown.frames), shown.epochs) == (MOST_FRAMES, epochs)
    assert {7, 70} <= {frame.epoch for frame in shown.frames}
    assert sum(len(frame.decisions) for frame in shown.frames) == epochs
    assert all(frame.before == before.after for before, frame in zip(shown.frames, shown.frames[1:], strict=False))


def test_epochs_are_those_with_signals_or_decisions(tmp_path: Path) -> None:
    tables = read_run(write_beliefs(tmp_path / "run", epochs=2))
    shown = film(tables)
    assert [frame.epoch for frame in shown.frames] == list(range(7))
    assert [bool(frame.signals) for frame in shown.frames] == [True, True] + 5 * [False]


def test_a_journal_that_does_not_fit_is_named(tmp_path: Path) -> None:
    journal = Journal(bare(), [Entry(0, AddEdge(Edge("price_state", "rate_state")), 1.0, True, "")] * 2)
    with pytest.raises(GraphError, match="epoch 0"):
        journal.replay(0)
    write_beliefs(tmp_path / "run")
    journal.write(tmp_path / "run" / "journal.jsonl")
    with pytest.raises(GraphError, match="epoch 0"):
        film(read_run(tmp_path / "run"))


def test_what_a_part_is(drawn: Changing) -> None:
    assert [state(None, None), state(None, 1), state(1, None), state(1, 1), state(1, 2)] == list(".ngot")
    nodes = dict(zip(drawn.nodes, zip(*drawn.states, strict=True), strict=False))
    assert "".join(nodes["price_state"]) == "toooooo"
    assert "".join(nodes["volatility_1"]) == ".nooooo"
    assert "".join(nodes["drift_1"]) == "..noooo"
    edges = sorted("".join(row) for row in list(zip(*drawn.states, strict=True))[len(drawn.nodes) :])
    against, turned, second = "...ng..", "....noo", "...nog."
    assert edges == sorted(["ooooooo", "ooooooo", ".nooooo", "..noooo", against, turned, second])


def test_a_box_is_filled_by_its_excess_and_a_new_one_not_at_all(drawn: Changing, beliefs: RunTables) -> None:
    assert drawn.measure == "excess"
    assert drawn.fills[1][drawn.nodes.index("volatility_1")] == "-"
    place = drawn.nodes.index("price")
    signal = film(beliefs).frames[0].signals["price"]
    assert measured_by("excess", signal) == pytest.approx(40.0)
    assert drawn.fills[0][place] == "4", "40 nats lie between 30 and 100"
    rate = drawn.nodes.index("volatility_1")
    assert drawn.fills[6][rate] == "d", "5.7 - 45 nats, less than expected by more than 30"


def test_what_is_reducible_is_never_negative() -> None:
    signal = {"surprise": 1.0, "expected": 3.0, "reducible": -2.0}
    assert measured_by("reducible", signal) == 0.0
    assert measured_by("excess", signal) == -2.0


def test_boxes_say_the_belief_of_the_epoch(drawn: Changing) -> None:
    price, grown = drawn.nodes.index("price"), drawn.nodes.index("volatility_1")
    assert [said[price] for said in drawn.texts[:2]] == ["0.00 ± 0.10", "\N{MINUS SIGN}0.10 ± 0.10"]
    assert drawn.texts[1][grown] == " "
    assert "±" in drawn.texts[2][grown]


def test_every_part_is_in_the_drawing_with_its_halo(drawn: Changing) -> None:
    text = inline_svg(drawn.figure, "p", "")
    found = set(re.findall(r'<g data-part="(\d+)" data-role="(\w+)">', text))
    everything = {str(number) for number in range(len(drawn.states[0]))}
    nodes = {str(number) for number in range(len(drawn.nodes))}
    assert {part for part, role in found if role == "halo"} == everything
    assert {part for part, role in found if role == "box"} == nodes
    assert {part for part, role in found if role == "ink"} == nodes
    assert {part for part, role in found if role == "line"} == everything - nodes
    assert "part: " not in text


def test_a_lagged_run_is_a_film_on_its_ring(tables: RunTables) -> None:
    shown = film(tables)
    with settings():
        drawn = draw_film(shown, tables)
    assert drawn.measure == "reducible"
    assert set(drawn.nodes) == set(tables.graph.nodes)
    count = len(drawn.nodes)
    assert {row[:count] for row in drawn.states} == {"o" * count}
    assert sum(letter in "ont" for letter in drawn.states[-1][count:]) == len(links(tables.graph))
    assert "n" in drawn.states[0]
    lags = {",".join(map(str, link.lags)) for link in links(tables.graph).values()}
    assert set(drawn.texts[-1].values()) == lags
    assert not set("abcdef") & set("".join(drawn.fills))
    text = inline_svg(drawn.figure, "p", "")
    parts = {int(part) for part in re.findall(r'data-part="(\d+)"', text)}
    assert parts == set(range(len(drawn.states[0])))


def test_classes_are_those_the_script_and_the_styles_know(drawn: Changing) -> None:
    program = Path(__file__).parents[2].joinpath("sostruct/reports/replay.js").read_text()
    listed = re.search(r"states = \{(.*?)\}", program)
    assert listed is not None
    pairs = re.findall(r'"?([.\w])"?: "(\w+)"', listed.group(1))
    assert dict(pairs) == STATES
    styles = Path(__file__).parents[2].joinpath("sostruct/reports/page.css").read_text()
    assert all(f".{word}" in styles for word in STATES.values() if word != "there")
    assert all(f".fill-{letter}" in styles for letter in "abcdef0123456")
    assert part_class(drawn, 2, drawn.nodes.index("drift_1")) == "new fill--"
    assert part_class(drawn, 0, len(drawn.nodes)) in set(STATES.values())
