"""The index over everything that ran."""

from pathlib import Path

import pytest

from sostruct.errors import RunError
from sostruct.reports.sweep import write_index, write_sweep_report
from sostruct.reports.sweep.index import collect_items

from ..test_page import Page
from .fake import begin_job, fail_job, write_job, write_sweep


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two sweeps, three runs, and things that are neither."""
    root = tmp_path / "results"
    write_sweep_report(write_sweep(root / "rules" / "sweep", {"growth": ["every", "none"]}, seeds=range(2)))
    half = write_sweep(
        root / "half" / "sweep", {"growth": ["every", "none"]}, seeds=range(2), skip=["growth=none,seed=1"]
    )
    fail_job(half / "growth=none,seed=0", "no space left")
    write_job(root / "discovery" / "old", ["seed=0"], started="2025-01-01T00:00:00+00:00")
    write_job(root / "discovery" / "new", ["seed=1"], started="2026-06-01T10:30:59+00:00")
    (root / "discovery" / "new" / "report.html").write_text("<p>here</p>")
    begin_job(root / "discovery" / "killed", ["seed=2"], started="2025-06-01T00:00:00+00:00")
    for path in (root / "discovery").glob("*/job.json"):
        path.unlink()
    (root / "reference").mkdir()
    (root / "reference" / "accuracy.csv").write_text("a\n1\n")
    return root


def test_everything_is_listed_newest_first(results: Path) -> None:
    items = collect_items(results)
    assert [(item.path.as_posix(), item.words) for item in items] == [
        ("discovery/new", "finished"),
        ("half/sweep", "2 of 4 finished, 1 failed"),
        ("rules/sweep", "4 of 4 finished"),
        ("discovery/killed", "unfinished"),
        ("discovery/old", "finished"),
    ]
    assert items[0].date == "2026-06-01 10:30"
    assert items[0].command == "sostruct seed=1"


def test_the_index_links_the_reports_there_are(results: Path) -> None:
    made = Page(write_index(results))
    links = [value for tag, key, value in made.attributes if (tag, key) == ("a", "href")]
    assert links == ["rules/sweep/report.html", "discovery/new/report.html"]
    assert all((results / link).is_file() for link in links)
    assert made.elements["script"] == 0
    assert "sostruct -m growth=every,none" in made.text


def test_a_damaged_run_spoils_nothing(results: Path) -> None:
    (results / "discovery" / "old" / "environment.json").write_text("{")
    next((results / "rules" / "sweep").glob("sweep-*.json")).write_text("{")
    words = {item.path.as_posix(): item.words for item in collect_items(results)}
    assert words["discovery/old"] == words["rules/sweep"] == "damaged"
    assert words["discovery/new"] == "finished"


def test_the_same_results_give_the_same_bytes(results: Path) -> None:
    first = write_index(results).read_bytes()
    assert write_index(results).read_bytes() == first


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run and no sweep"):
        write_index(tmp_path)
