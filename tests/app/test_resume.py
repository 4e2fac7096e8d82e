"""Runs that are broken off and continued: the files end up as if nothing had happened."""

from __future__ import annotations

import json
import shutil

import pytest

from sostruct.control.recorder import JOURNAL

from .helpers import RECORD, SAVE, contents, interruption, refused

SEARCH = ("controller.edits_per_epoch=2",)
"""Settings under which the small system takes several epochs."""


@pytest.fixture(scope="module")
def finished():
    """The files of uninterrupted runs by their settings, and one unfinished run, each made once."""
    return {}


@pytest.fixture
def whole(finished, small, tmp_path):
    """The files of an uninterrupted run."""

    def make(*settings):
        if settings not in finished:
            assert small(tmp_path / "whole", *settings).code == 0
            finished[settings] = contents(tmp_path / "whole")
        return finished[settings]

    return make


MOMENTS = [
    *((RECORD, epochs, SEARCH) for epochs in (0, 1, 4)),
    *((SAVE, epochs, SEARCH) for epochs in (0, 3)),
    *((RECORD, epochs, ("growth=random", "seed=7")) for epochs in (1, 2)),
    (SAVE, 3, ("growth=every",)),
    ("sostruct.discovery.store.write_results", 0, SEARCH),
    ("sostruct.app.console.show_result", 0, SEARCH),
]


@pytest.mark.parametrize(("name", "after", "settings"), MOMENTS)
def test_a_run_broken_off_anywhere_ends_in_the_same_bytes(
    small, sostruct, whole, workplace, monkeypatch, name, after, settings
):
    expected, folder = whole(*settings), workplace / "run"
    with interruption(monkeypatch, name, after):
        small(folder, *settings)
    assert (folder / "config.yaml").is_file()
    if name.endswith("show_result"):
        assert (folder / "done.json").is_file(), "done.json is written last of all files"
        assert contents(folder) == expected
        return
    assert not (folder / "done.json").exists()
    done = sostruct(f"run.resume={folder}")
    assert done.code == 0
    assert done.out[-1] == str(folder)
    assert {path.name for path in workplace.iterdir() if any(path.iterdir())} == {"run"}
    assert contents(folder) == expected


def test_a_run_broken_off_twice(small, sostruct, whole, workplace, monkeypatch):
    expected, folder = whole(*SEARCH), workplace / "run"
    with interruption(monkeypatch, RECORD, 2):
        small(folder, *SEARCH)
    with interruption(monkeypatch, SAVE, 2):
        sostruct(f"run.resume={folder}")
    assert sostruct(f"run.resume={folder}").code == 0
    assert contents(folder) == expected


def test_a_run_broken_off_in_its_report(small, sostruct, workplace, monkeypatch):
    folder = workplace / "run"
    with interruption(monkeypatch, "sostruct.reports.write_report", 0):
        small(folder, "run.report=true")
    done = sostruct(f"run.resume={folder}")
    assert done.code == 0
    assert done.out[-1] == str(folder / "report.html")
    assert (folder / "report.html").is_file()
    assert (folder / "done.json").is_file()


def test_broken_off_before_it_was_a_run(small, sostruct, whole, workplace, monkeypatch):
    """Without its config.yaml a folder cannot be resumed; the same command starts again in it."""
    expected, folder = whole(*SEARCH), workplace / "run"
    with interruption(monkeypatch, "sostruct.graph.write_atomically", 1):
        small(folder, *SEARCH)
    refused(sostruct(f"run.resume={folder}"), "not a run folder")
    assert small(folder, *SEARCH).code == 0
    assert contents(folder) == expected


def test_the_journal_is_cut_back_to_what_is_vouched_for(small, sostruct, whole, workplace, monkeypatch):
    expected, folder = whole(*SEARCH), workplace / "run"
    with interruption(monkeypatch, RECORD, 2):
        small(folder, *SEARCH)
    with (folder / JOURNAL).open("ab") as file:
        file.write(b'{"epoch": 2, "edit": {"op": "add_ed')
    sostruct(f"run.resume={folder}")
    assert contents(folder) == expected


def test_the_settings_are_those_the_run_began_with(small, sostruct, workplace, csv, monkeypatch):
    settings = ("task.path=series.csv", "network.forbidden=[[a,b,1]]", "name=mine")
    assert small(workplace / "whole", *settings, task="csv").code == 0
    with interruption(monkeypatch, RECORD, 1):
        small(workplace / "run", *settings, task="csv")
    before = (workplace / "run" / "config.yaml").read_bytes()
    assert sostruct("run.resume=run").code == 0
    assert (workplace / "run" / "config.yaml").read_bytes() == before
    assert contents(workplace / "run") == contents(workplace / "whole")


# -------------------------------------------------------------------------------------------------------------- errors


@pytest.fixture
def unfinished(finished, small, workplace, csv, monkeypatch, tmp_path_factory):
    """An unfinished run on the csv file; made once, then copied."""
    folder = workplace / "run"
    if "unfinished" not in finished:
        with interruption(monkeypatch, RECORD, 1):
            small(folder, "task.path=series.csv", task="csv")
        finished["unfinished"] = shutil.copytree(folder, tmp_path_factory.mktemp("unfinished") / "run")
        return folder
    return shutil.copytree(finished["unfinished"], folder)


def test_other_data_than_it_began_with(sostruct, unfinished, csv, series):
    series.iloc[5, 1] += 1e-9
    series.to_csv(csv, index=False)
    before = contents(unfinished)
    refused(sostruct(f"run.resume={unfinished}"), str(unfinished), "other data")
    assert contents(unfinished) == before


def test_data_that_are_gone(sostruct, unfinished, csv):
    csv.unlink()
    refused(sostruct(f"run.resume={unfinished}"), "series.csv")


def test_another_schema_version(sostruct, unfinished):
    path = unfinished / "environment.json"
    environment = json.loads(path.read_text())
    path.write_text(json.dumps(environment | {"schema": 77}))
    refused(sostruct(f"run.resume={unfinished}"), str(unfinished), "77")


def test_a_checkpoint_of_another_schema_version(sostruct, unfinished):
    path = unfinished / "checkpoint.eqx"
    head, _, body = path.read_bytes().partition(b"\n")
    path.write_bytes(json.dumps(json.loads(head) | {"schema": 77}).encode() + b"\n" + body)
    refused(sostruct(f"run.resume={unfinished}"), str(unfinished), "77")


def test_a_finished_run(small, sostruct, workplace):
    folder = workplace / "run"
    small(folder)
    before = contents(folder)
    refused(sostruct(f"run.resume={folder}"), str(folder), "finished")
    refused(small(folder), str(folder), "finished")
    assert contents(folder) == before


def test_a_new_run_in_the_folder_of_an_unfinished_one(small, unfinished):
    before = contents(unfinished)
    refused(small(unfinished), str(unfinished), "unfinished", f"run.resume={unfinished}")
    assert contents(unfinished) == before


@pytest.mark.parametrize("place", ["nowhere", "empty", "series.csv"])
def test_what_is_not_a_run(sostruct, workplace, csv, place):
    (workplace / "empty").mkdir()
    refused(sostruct(f"run.resume={place}"), place, "not a run folder")
    assert (workplace / "empty").is_dir()


def test_other_settings_than_it_began_with(sostruct, unfinished):
    refused(sostruct(f"run.resume={unfinished}", "task.max_lag=2", "seed=1"), "task.max_lag=2", "seed=1")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("environment.json", b"{"),
        ("environment.json", b"[]"),
        ("environment.json", b"{}"),
        ("config.yaml", b"task: ["),
        ("config.yaml", b"- a"),
        ("config.yaml", b"nosuch: 1"),
        ("config.yaml", b"\xff"),
        ("checkpoint.eqx", b""),
        ("checkpoint.eqx", b"{}\n"),
        ("checkpoint.eqx", b"[1]\n"),
    ],
)
def test_damaged_files_are_told_and_not_traced(sostruct, unfinished, name, content):
    (unfinished / name).write_bytes(content)
    refused(sostruct(f"run.resume={unfinished}"), str(unfinished))


def test_a_checkpoint_cut_short(sostruct, unfinished):
    path = unfinished / "checkpoint.eqx"
    path.write_bytes(path.read_bytes()[:-100])
    refused(sostruct(f"run.resume={unfinished}"), str(unfinished))


def test_a_journal_shorter_than_vouched_for(sostruct, unfinished):
    path = unfinished / JOURNAL
    path.write_bytes(path.read_bytes()[:-50])
    refused(sostruct(f"run.resume={unfinished}"), str(unfinished), JOURNAL)
