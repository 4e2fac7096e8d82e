import json
import shutil
from pathlib import Path

import pytest

from sostruct.errors import RunError
from sostruct.graph import AddEdge, AddNode, Edge, Entry, Journal, RemoveEdge, Rewire, SetParameters, Topology
from sostruct.reports import read_run, write_report
from sostruct.reports.edit_words import summary
from sostruct.reports.tables import REQUIRED, RunTables, journal_table, kind_of

from .conftest import ODD_NAMES


@pytest.fixture
def copied(run_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run_folder, tmp_path / "copied", ignore=shutil.ignore_patterns("figures", "*.html")))


def test_tables_agree_with_each_other(tables: RunTables) -> None:
    assert tables.truth is not None
    assert len(tables.edges) == tables.graph.number_of_edges()
    assert set(tables.summary.index) == set(tables.summary.columns) == set(tables.graph.nodes)
    assert len(tables.journal[tables.journal["accepted"]]) == len(tables.edges)
    scores = tables.scores()
    assert len(scores) == 3 * len(tables.summary) ** 2
    merged = tables.edges.merge(scores, on=["cause", "effect", "lag"], suffixes=("", "_all"))
    assert (merged["nats"] == merged["nats_all"]).all()


def test_names_are_text_whatever_they_look_like(odd_tables: RunTables) -> None:
    assert list(odd_tables.summary.index) == ODD_NAMES
    assert list(odd_tables.summary.columns) == ODD_NAMES
    assert set(odd_tables.signals["node"]) == set(ODD_NAMES)
    assert set(odd_tables.edges["cause"]) <= set(ODD_NAMES)
    assert odd_tables.truth is None


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_file_is_named(copied: Path, name: str) -> None:
    (copied / name).unlink()
    with pytest.raises(RunError, match=name) as caught:
        write_report(copied)
    assert "did not finish" in str(caught.value)
    assert not (copied / "report.html").exists()


def test_all_missing_files_are_listed(copied: Path) -> None:
    lost = ["edges.csv", "summary.csv", "metrics.json"]
    for name in lost:
        (copied / name).unlink()
    with pytest.raises(RunError, match=r"lacks edges\.csv, summary\.csv, metrics\.json, so the run did not finish"):
        read_run(copied)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="lacks") as caught:
        read_run(tmp_path)
    assert "did not finish" not in str(caught.value)
    with pytest.raises(RunError, match="not a folder"):
        read_run(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metrics.json", "{"),
        ("metrics.json", "[1]"),
        ("environment.json", "\udcff".encode(errors="surrogateescape")),
        ("config.yaml", "a: [1"),
        ("edges.csv", "cause,effect\n"),
        ("edges.csv", ""),
        ("edges.csv", "cause,effect,lag,weight,weight_sd,nats,probability\na,b,1,much,1,1,1\n"),
        ("summary.csv", "cause,a,b\na,1\n"),
        ("summary.csv", "cause,a\na,high\n"),
        ("signals.csv", "epoch,node\n"),
        ("graph.json", "{}"),
        ("truth.json", '{"directed": true}'),
        ("journal.jsonl", '{"schema": 99}\n'),
    ],
)
def test_a_damaged_file_is_named(copied: Path, name: str, content: str | bytes) -> None:
    (copied / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RunError, match=name.replace(".", r"\.")):
        read_run(copied)


def test_the_run_says_whether_its_truth_has_lags(copied: Path) -> None:
    environment = json.loads((copied / "environment.json").read_text())
    environment["task"]["truth_lags"] = False
    (copied / "environment.json").write_text(json.dumps(environment))
    truth = read_run(copied).truth
    assert truth is not None
    assert truth.graph["truth_lags"] is False


def test_kinds_of_edits() -> None:
    add, remove = AddEdge(Edge("a", "b", lag=1)), RemoveEdge("a", "b", lag=1)
    assert kind_of((add,)) == "add"
    assert kind_of((remove, remove)) == "prune"
    assert kind_of((remove, add)) == "rewire"
    assert kind_of((Rewire(remove, add),)) == "rewire"
    assert kind_of((SetParameters("a", {"precision": 2.0}),)) == "tune"
    assert kind_of((SetParameters("a", {"precision": 2.0}), add)) == "add"


def test_a_bundle_of_edits_is_summed_up_by_its_structure() -> None:
    grown = (
        SetParameters("x", {"precision": 1.23456789, "mean": -2.0}),
        AddNode("drift_1", "continuous"),
        AddEdge(Edge("drift_1", "x")),
        SetParameters(("drift_1", "x", "value", 0), {"strength": 0.5}),
    )
    structure = "add node drift_1 (continuous); add drift_1 -> x"
    assert summary(grown[:3]) == f"{structure}; set mean = -2, precision = 1.2346 of x"
    fitted = (*grown, SetParameters("y", {"mean": 0.0}))
    assert summary(fitted) == f"{structure}; new parameters of x, y, drift_1 -> x"
    assert summary(grown[:1] * 3) == "new parameters of x"
    assert summary(()) == ""
    table = journal_table(Journal(Topology(), [Entry(0, fitted, 1.0, False, "")]))
    assert table.loc[0, "summary"] == summary(fitted)
    assert table.loc[0, "edit"].endswith("set mean = 0 of y")
