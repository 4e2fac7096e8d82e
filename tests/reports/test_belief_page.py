"""The page of a belief network, and what its slider has to work with."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from sostruct.errors import RunError
from sostruct.graph import Journal
from sostruct.reports import facts, read_run, write_report
from sostruct.reports.tables import REQUIRED, REQUIRED_OF_BELIEFS, is_belief

from .beliefs import bare, history, signals, write_beliefs
from .test_page import Page

ODD = ("<b>\"&'", "</script><script>x")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = write_beliefs(tmp_path_factory.mktemp("beliefs") / "run")
    write_report(made)
    return made


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return Page(folder / "report.html")


def data_of(page: Page) -> dict:
    return json.loads(page.scripts[0])


def test_the_page_has_its_parts(page: Page, folder: Path) -> None:
    for title in ("The network", "The run, epoch by epoch", "Surprise, epoch by epoch", "Nodes and edges"):
        assert title in page.text
    for title in ("Every edit", "Refused, but close", "Metrics", "How to read this page", "Repeat this run"):
        assert title in page.text
    grown = "The network grew 2 hidden nodes (drift_1, volatility_1) and gained 3 edges, in 7 accepted edits."
    assert grown in page.text
    assert "by \N{MINUS SIGN}0.750 nats per step, 1.500 before" in page.text
    assert "edge F1 0.875" in page.text
    assert page.elements["svg"] == 5, "found, true, replay, curve, surprise"
    assert page.elements["input"] == 1
    names = sorted(path.name for path in (folder / "figures").iterdir())
    assert names == [f"{name}.{kind}" for name in ("graph", "surprise", "truth") for kind in ("png", "svg")]


def test_nothing_is_fetched(page: Page, folder: Path) -> None:
    content = (folder / "report.html").read_text(encoding="utf-8")
    assert "http" not in content
    assert page.elements["link"] == page.elements["iframe"] == page.elements["img"] == 0
    assert not [key for _, key, _ in page.attributes if key.startswith("on") or key == "src"]
    identifiers = [value for _, key, value in page.attributes if key == "id"]
    assert len(identifiers) == len(set(identifiers))


def test_the_slider_has_a_frame_per_epoch(page: Page) -> None:
    data = data_of(page)
    assert data["epochs"] == list(range(7))
    assert data["edits"] == [1, 1, 1, 2, 1, 1, 0]
    ranges = {key: value for tag, key, value in page.attributes if tag == "input"}
    assert (ranges["type"], ranges["min"], ranges["max"], ranges["value"]) == ("range", "0", "6", "6")
    assert ranges["aria-label"] == "Epoch"
    assert {len(data[name]) for name in ("states", "fills", "texts", "rows", "x", "y")} == {7}
    assert data["x"] == sorted(data["x"])
    assert data["y"] == sorted(data["y"]), "surprise falls, and the axis of a drawing points down"


def test_every_decision_is_on_the_page_with_its_price_and_reason(page: Page) -> None:
    for entry in history():
        assert entry.reason in page.text
    spelled = page.text.replace("_ state", "_state")  # names may break after an underscore
    assert "add drift_1 → rate_state +9.50 nats" in spelled
    assert "no price" in page.text
    made = next(place for place, row in enumerate(page.cells) if row[:2] == ["epoch", "edit"])
    rows = page.cells[made + 1 : made + 8]
    assert [row[0] for row in rows] == ["0", "1", "2", "3", "3", "4", "5"]
    assert rows[0][1:] == ["set tonic_volatility = -2 of price_state", "+41.50", "parameters first"]


def test_the_page_as_it_lies_shows_the_last_epoch(page: Page, folder: Path) -> None:
    """What a reader without scripts sees: parts and texts of the last frame, one list of decisions, a note."""
    data = data_of(page)
    content = (folder / "report.html").read_text(encoding="utf-8")
    for number, letter in enumerate(data["states"][-1]):
        word = {".": "absent", "o": "there", "n": "new", "t": "tuned", "g": "gone"}[letter]
        assert f'<g data-part="{number}" data-role="halo" class="{word}' in content or (
            f'<g data-part="{number}" class="{word}' in content
        )
    hidden = [value for tag, key, value in page.attributes if (tag, key) == ("div", "hidden")]
    assert len(hidden) == 6
    shown = data["rows"][-1][0]
    assert any(row[1:4] == shown[:3] for row in page.cells)
    assert shown[2] in data["texts"][-1]["0"]
    assert "read without scripts" in page.text


def test_beliefs_lie_within_the_whiskers_of_the_run(page: Page) -> None:
    for frame in data_of(page)["rows"]:
        for row in filter(None, frame):
            left, width, middle = map(float, row[3].split())
            assert -0.1 <= left <= middle <= left + width <= 100.1
            assert middle == pytest.approx(left + width / 2, abs=0.11)


def test_surprise_is_that_of_the_inputs(folder: Path) -> None:
    tables = read_run(folder)
    own = facts.observed_signals(tables)
    assert set(own["node"]) == {"price", "rate"} == set(facts.inputs(tables))
    first = signals(history(), 1)
    total = first[first["node"].isin(["price", "rate"])]["surprise"].sum()
    assert f"{total / 400:.3f}" in (folder / "report.html").read_text(encoding="utf-8")


def test_names_cannot_break_out_of_the_page(tmp_path: Path) -> None:
    folder = write_beliefs(tmp_path / "odd", names=ODD, truth=False)
    made = Page(write_report(folder))
    assert made.elements["script"] == 2
    assert made.elements["b"] == 0
    assert all(name in made.text for name in ODD)
    assert len(data_of(made)["epochs"]) == 7
    assert made.elements["svg"] == 4
    assert "edge F1" not in made.text[: made.text.index("How to read")]


def test_runs_that_recorded_no_beliefs_have_a_page(tmp_path: Path) -> None:
    folder = write_beliefs(tmp_path / "plain", beliefs=False)
    frame = pd.read_csv(folder / "nodes.csv").drop(columns="observed")
    frame.to_csv(folder / "nodes.csv", index=False)
    made = Page(write_report(folder))
    assert "belief, mean ± sd" not in made.text
    assert {len(row) for frame in data_of(made)["rows"] for row in frame if row} == {2}
    assert facts.inputs(read_run(folder)) == ("price", "rate")


def test_a_run_without_edits_has_a_page(tmp_path: Path) -> None:
    folder = write_beliefs(tmp_path / "still", journal=Journal(bare()), epochs=1)
    (folder / "metrics.json").write_text("{}")
    made = Page(write_report(folder))
    assert "No edit was made: the graph stays as it was, with 2 edges." in made.text
    assert "No edit was made." in made.text
    assert "Nothing new was decided." in made.text


def test_a_run_without_epochs_has_a_page(tmp_path: Path) -> None:
    folder = write_beliefs(tmp_path / "none", journal=Journal(bare()), epochs=1)
    path = folder / "signals.csv"
    path.write_text(path.read_text().splitlines()[0] + "\n")
    assert "This run recorded no epoch." in Page(write_report(folder)).text


def test_long_runs_say_what_is_left_out(tmp_path: Path) -> None:
    made = Page(write_report(write_beliefs(tmp_path / "long", epochs=90)))
    assert "Of 90 epochs 60 are shown" in made.text
    assert len(data_of(made)["epochs"]) == 60


def test_the_kind_of_a_run_is_read_off_its_files(tmp_path: Path, run_folder: Path) -> None:
    folder = write_beliefs(tmp_path / "run")
    assert is_belief(folder)
    assert not is_belief(run_folder)
    assert not is_belief(tmp_path)
    (folder / "nodes.csv").unlink()
    assert is_belief(folder)
    with pytest.raises(RunError, match=r"it lacks nodes.csv, so the run did not finish"):
        read_run(folder)
    assert set(REQUIRED) ^ set(REQUIRED_OF_BELIEFS) == {"scores.csv", "summary.csv", "nodes.csv"}


@pytest.mark.parametrize("name", ["edges.csv", "nodes.csv", "signals.csv", "graph.json"])
def test_damaged_files_are_named(tmp_path: Path, name: str) -> None:
    folder = write_beliefs(tmp_path / "run")
    (folder / name).write_text("what,is,this\n1,2,3\n")
    with pytest.raises(RunError, match=name):
        write_report(folder)
    assert not (folder / "report.html").exists()


def test_the_same_run_gives_the_same_bytes_in_any_process(folder: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(folder, tmp_path / "copy", ignore=shutil.ignore_patterns("*.html", "figures")))
    program = (
        "import sys; from pathlib import Path; from sostruct.reports import write_report; "
        "write_report(Path(sys.argv[1])); assert not {'matplotlib.pyplot', 'jax'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, str(other)], check=True, env={**os.environ, "PYTHONHASHSEED": "77"})
    for path in [folder / "report.html", *(folder / "figures").iterdir()]:
        assert (other / path.relative_to(folder)).read_bytes() == path.read_bytes(), path.name
