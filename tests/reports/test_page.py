import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from sostruct.errors import RunError
from sostruct.reports import facts, write_report
from sostruct.reports.links import compare
from sostruct.reports.markup import edit_text, fixed, number, text
from sostruct.reports.sections import closest_refused
from sostruct.reports.tables import RunTables, read_run
from sostruct.reports.typography import MINUS

from .conftest import ODD_NAMES
from .folders import write_run

VOID = {"meta", "wbr", "br", "link", "img", "hr", "input"}


class Page(HTMLParser):
    """A strict reading of a page: every element is closed in order."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self.cells: list[list[str]] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes += [(tag, key, value or "") for key, value in attrs]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.cells.append([])
        if tag in ("td", "th"):
            self.cells[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes += [(tag, key, value or "") for key, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["script"]:
            self.scripts.append(data)
        elif "style" not in self.open:
            self.words.append(data)
        if {"td", "th"} & set(self.open):
            self.cells[-1][-1] += data

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def page(run_folder: Path) -> Page:
    return Page(run_folder / "report.html")


@pytest.fixture(scope="module")
def odd_page(odd_folder: Path) -> Page:
    return Page(odd_folder / "report.html")


def test_the_page_has_its_parts(page: Page) -> None:
    assert page.elements["h1"] == 1
    assert page.elements["svg"] == 7
    assert page.elements["table"] == 5
    assert page.elements["details"] == 3
    for title in (
        "The graph",
        "The graph in time",
        "Surprise, epoch by epoch",
        "The evidence",
        "Refused, but close",
        "Metrics",
    ):
        assert title in page.text
    for title in ("The run, epoch by epoch", "Every edit"):
        assert title in page.text
    for title in ("How to read this page", "Repeat this run", "sostruct task=var task.nodes=8 seed=3"):
        assert title in page.text


def test_the_graph_in_time_has_every_series_at_every_step(run_folder: Path) -> None:
    drawing = (run_folder / "figures" / "lags.svg").read_text()
    tables = read_run(run_folder)
    words = re.findall(r"<text[^>]*>([^<]*)</text>", drawing)
    assert set(map(str, tables.graph)) <= set(words)
    deepest = max(lag for *_, lag in tables.graph.edges(data="lag"))
    assert {"t", *(f"t {MINUS} {back}" for back in range(1, deepest + 1))} <= set(words)


@pytest.mark.parametrize("name", ["page", "odd_page"])
def test_nothing_is_fetched_and_only_the_slider_runs(name: str, request: pytest.FixtureRequest) -> None:
    made: Page = request.getfixturevalue(name)
    assert made.elements["link"] == made.elements["iframe"] == made.elements["b"] == 0
    scripts = [(key, value) for tag, key, value in made.attributes if tag == "script"]
    assert made.elements["script"] == 2
    assert scripts == [("type", "application/json")], "one script is data, the other has no attributes"
    for tag, key, value in made.attributes:
        assert not key.startswith("on"), (tag, key)
        if key in ("src", "href", "xlink:href", "data"):
            assert value.startswith(("#", "data:")), (tag, key, value)
        assert "url(" not in value.replace("url(#", ""), (tag, key, value)
    identifiers = [value for _, key, value in made.attributes if key == "id"]
    assert len(identifiers) == len(set(identifiers))
    assert {value[1:] for _, key, value in made.attributes if key == "href" and value[0] == "#"} <= set(identifiers)


def test_the_style_sheet_fetches_nothing(run_folder: Path) -> None:
    content = (run_folder / "report.html").read_text(encoding="utf-8")
    style = content[content.index("<style>") : content.index("</style>")]
    assert "http" not in content
    assert "@import" not in style
    assert "url(" not in style


def test_names_are_shown_as_they_are_spelled(odd_page: Page, odd_tables: RunTables) -> None:
    first_two = {cell for row in odd_page.cells for cell in row[:2]}
    assert set(odd_tables.edges["cause"]) <= first_two
    assert all(name in odd_page.text for name in ODD_NAMES if len(name) < 10)


def test_the_headline_agrees_with_the_tables(page: Page, tables: RunTables) -> None:
    scores = tables.metrics["summary"]
    assert f"{scores['f1']:.3f}" in page.text
    assert f"{scores['auroc']:.3f}" in page.text
    compared = compare(tables.graph, tables.truth)
    wrong = sum(verdict.value in ("false", "missed") for (a, b), verdict in compared.judged.items() if a != b)
    assert wrong == scores["shd"]
    assert facts.finding(compared) in page.text


def test_the_strongest_evidence_is_listed_in_order(page: Page, tables: RunTables) -> None:
    start = next(place for place, row in enumerate(page.cells) if row[0] == "cause")
    rows = page.cells[start + 1 : start + 1 + min(25, len(tables.edges))]
    expected = tables.edges.sort_values("nats", ascending=False).head(25)
    assert [row[0] for row in rows] == expected["cause"].tolist()
    assert [row[4] for row in rows] == [f"{nats:,.1f}" for nats in expected["nats"]]
    assert {row[6] for row in rows} <= {"true", "false", "other lag"}


def test_refusals_shown_are_the_best_that_still_stand(page: Page, tables: RunTables) -> None:
    chosen = closest_refused(tables.journal)
    assert len(chosen) == 12
    assert chosen["nats"].is_monotonic_decreasing
    assert (chosen["nats"] <= 0).all()
    assert chosen["edit"].iloc[0].replace("->", "→") in page.text


def test_a_refusal_stands_until_its_target_is_considered_again() -> None:
    rows = [
        (0, "a", "add b -> a", 9.0, False),
        (0, "a", "add c -> a", 8.0, False),
        (1, "a", "add b -> a", 7.0, True),
        (2, "a", "add c -> a", -1.0, False),
        (2, "a", "remove b -> a", -7.0, False),
        (0, "d", "add b -> d", -0.5, False),
        (0, "d", "add c -> d", float("nan"), False),
    ]
    journal = pd.DataFrame(rows, columns=["epoch", "target", "edit", "nats", "accepted"])
    expected = ["add b -> d", "add c -> a", "remove b -> a", "add c -> d"]
    assert closest_refused(journal)["edit"].tolist() == expected
    assert closest_refused(journal, 1)["edit"].tolist() == expected[:1]
    assert closest_refused(journal[:0]).empty


def test_simulated_data_are_marked(page: Page, odd_page: Page) -> None:
    assert "Simulated data." in page.text
    assert "Simulated data." not in odd_page.text
    assert "Read from a file of the user." in odd_page.text


def test_without_a_truth_nothing_claims_one(odd_page: Page) -> None:
    assert odd_page.elements["svg"] == 6
    assert "F1 " not in odd_page.text[: odd_page.text.index("The graph")]
    assert "No true graph is known" in odd_page.text


def test_the_same_run_gives_the_same_bytes_in_any_process(run_folder: Path, tmp_path: Path) -> None:
    other = Path(
        shutil.copytree(run_folder, tmp_path / run_folder.name, ignore=shutil.ignore_patterns("*.html", "figures"))
    )
    program = (
        "import sys; from pathlib import Path; from sostruct.reports import write_report; "
        "write_report(Path(sys.argv[1])); assert 'matplotlib.pyplot' not in sys.modules"
    )
    seeded = {**os.environ, "PYTHONHASHSEED": "1234"}
    subprocess.run([sys.executable, "-c", program, str(other)], check=True, env=seeded)
    names = [
        "report.html",
        *(f"figures/{name}.{kind}" for name in ("graph", "lags", "evidence", "surprise") for kind in ("svg", "png")),
    ]
    for name in names:
        assert (other / name).read_bytes() == (run_folder / name).read_bytes(), name
    assert sorted(path.name for path in (other / "figures").iterdir()) == sorted(name[8:] for name in names[1:])


def test_a_run_that_found_nothing_has_a_page(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "nothing", variables=3, rows=120, seed=1, strength=0.0)
    header = "cause,effect,lag,weight,weight_sd,nats,probability\n"
    (folder / "edges.csv").write_text(header)
    graph = json.loads((folder / "graph.json").read_text())
    (folder / "graph.json").write_text(json.dumps(graph | {"edges": []}))
    journal = (folder / "journal.jsonl").read_text().splitlines()
    (folder / "journal.jsonl").write_text(journal[0] + "\n")
    made = Page(write_report(folder))
    assert "No link reached the evidence it needs: the 3 variables stay apart." in made.text
    assert "records no refused proposal" in made.text
    assert "The graph in time" not in made.text


def test_a_bare_environment_is_enough(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "bare", variables=2, rows=100)
    (folder / "environment.json").write_text("{}")
    (folder / "metrics.json").write_text("{}")
    made = Page(write_report(folder))
    assert "Origin not recorded." in made.text
    assert "started from Python" in made.text
    assert "SparseVAR" in made.text
    (folder / "config.yaml").write_text("")
    assert facts.task_name(read_run(folder)) == "bare"


def test_a_folder_that_cannot_be_written_is_refused(run_folder: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(run_folder, tmp_path / "copied", ignore=shutil.ignore_patterns("figures", "*.html")))
    (copied / "figures").write_text("in the way")
    with pytest.raises(RunError, match="figures"):
        write_report(copied)
    assert not (copied / "report.html").exists()
    assert stat.S_ISREG((copied / "figures").stat().st_mode)


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ({}, None),
        ({"provenance": "Simulated by a program."}, True),
        ({"provenance": "Bureau of Labor Statistics."}, False),
        ({"provenance": "Bureau of Labor Statistics.", "simulated": True}, True),
    ],
)
def test_simulated_is_stated_and_never_guessed(
    tables: RunTables, task: dict[str, str | bool], expected: bool | None
) -> None:
    assert facts.simulated(replace(tables, environment={"task": task})) is expected


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (3, "3"),
        (12345, "12,345"),
        (-2.0, "\N{MINUS SIGN}2"),
        (0.98765, "0.988"),
        (1e-9, "1.00e\N{MINUS SIGN}09"),
        (float("nan"), "\N{EN DASH}"),
    ],
)
def test_numbers_for_people(value: float, shown: str) -> None:
    assert number(value) == shown


def test_names_in_edits_may_break_and_numbers_not() -> None:
    assert edit_text("set mean = 0.25 of x_state -> <a>.b") == ("set mean = 0.25 of x_<wbr>state → &lt;a&gt;.<wbr>b")


def test_fixed_numbers_line_up() -> None:
    assert fixed(0.5, 3, sign=True) == "+0.500"
    assert fixed(-1234.5, 1) == "\N{MINUS SIGN}1,234.5"


def test_text_is_escaped_and_clean() -> None:
    assert text("<b>\"&'\x00") == "&lt;b&gt;&quot;&amp;&#x27;\ufffd"
