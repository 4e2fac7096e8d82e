"""Sweeps: every job once, whatever happens in between; failures are recorded; nothing collides."""

from __future__ import annotations

import errno
import fcntl
import json
from pathlib import Path

import pytest

from tests.app.helpers import RECORD, contents, interruption, refused

SIZE = ("task.nodes=4", "task.steps=60", "task.max_lag=1", "launcher=basic", "run.report=false", "run.progress=false")


@pytest.fixture
def swept(sostruct, workplace):
    """A small sweep into a folder below the workplace; returns what the command did and the folder."""

    def call(*words, folder="sweep"):
        place = workplace / folder
        return sostruct("-m", *words, *SIZE, f"hydra.sweep.dir={place}"), place

    return call


def jobs(folder: Path) -> dict[str, Path]:
    return {path.parent.name: path.parent for path in sorted(folder.glob("*/done.json"))}


def test_every_combination_has_a_folder_of_its_own(swept) -> None:
    finished, folder = swept("growth=evidence,none", "seed=0,1")
    assert finished.code == 0
    assert len(jobs(folder)) == 4
    for name, place in jobs(folder).items():
        assert name.startswith("growth=")
        overrides = json.loads((place / "job.json").read_text())["overrides"]
        assert {"seed=0", "seed=1"} & set(overrides)
        assert "launcher=basic" not in name
        assert json.loads((place / "timing.json").read_text())["to_first_epoch"] > 0
    (plan,) = folder.glob("sweep-*.json")
    planned = json.loads(plan.read_text())
    assert {job["folder"] for job in planned["jobs"]} == set(jobs(folder))
    assert planned["command"].startswith("sostruct -m growth=evidence,none")


def test_a_job_equals_the_run_by_itself(swept, sostruct, workplace) -> None:
    _, folder = swept("growth=random", "seed=1,2")
    alone = workplace / "alone"
    assert sostruct("growth=random", "seed=2", *SIZE, f"hydra.run.dir={alone}").code == 0
    (own,) = (place for name, place in jobs(folder).items() if "seed=2" in name)
    extra = {"job.json", "timing.json", ".lock"}
    assert {name: data for name, data in contents(own).items() if name not in extra} == contents(alone)


def test_finished_jobs_are_left_alone(swept, monkeypatch) -> None:
    _, folder = swept("seed=0,1")
    before = {name: place.stat().st_mtime_ns for name, place in jobs(folder).items()}
    begun = []
    original = __import__("sostruct.app.session", fromlist=["begin"]).begin
    monkeypatch.setattr("sostruct.app.session.begin", lambda *a, **k: begun.append(a[1].name) or original(*a, **k))
    finished, _ = swept("seed=0,1,2")
    assert finished.code == 0
    assert len(begun) == 1
    assert "seed=2" in begun[0]
    after = jobs(folder)
    assert {name: after[name].stat().st_mtime_ns for name in before} == before


def test_an_interrupted_sweep_goes_on_where_it_was(swept, monkeypatch) -> None:
    whole = {name: contents(place) for name, place in jobs(swept("seed=0,1", folder="whole")[1]).items()}
    with interruption(monkeypatch, RECORD, after=1):
        swept("seed=0,1")
    finished, folder = swept("seed=0,1")
    assert finished.code == 0
    found = {name: contents(place) for name, place in jobs(folder).items()}
    for one in (*whole.values(), *found.values()):
        one.pop("timing.json")
    assert found == whole


def test_a_failure_is_recorded_and_the_rest_goes_on(swept, monkeypatch) -> None:
    from sostruct.tasks.var import SparseVAR

    original = SparseVAR.load

    def fragile(self, seed):
        if seed == 1:
            raise ZeroDivisionError("out of order")
        return original(self, seed)

    monkeypatch.setattr(SparseVAR, "load", fragile)
    finished, folder = swept("seed=0,1,2")
    assert finished.code == 1
    assert any("out of order" in line for line in finished.err)
    assert len(jobs(folder)) == 2
    (failed,) = folder.glob("*/failed.json")
    told = json.loads(failed.read_text())
    assert told["error"] == "ZeroDivisionError: out of order"
    assert "fragile" in told["traceback"]
    monkeypatch.setattr(SparseVAR, "load", original)
    assert swept("seed=0,1,2")[0].code == 0
    assert not failed.exists()
    assert len(jobs(folder)) == 3


def test_what_another_process_works_on_is_left_to_it(swept) -> None:
    _, folder = swept("seed=0")
    name = next(iter(jobs(folder))).replace("seed=0", "seed=1")
    (folder / name).mkdir()
    with (folder / name / ".lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        finished, _ = swept("seed=0,1")
        assert finished.code == 1
        assert any(name in line and "another process" in line for line in finished.err)
        assert not (folder / name / "config.yaml").exists()
    assert swept("seed=0,1")[0].code == 0


def test_a_folder_with_other_settings_is_refused_and_kept(swept) -> None:
    _, folder = swept("seed=0")
    (place,) = jobs(folder).values()
    settings = place / "config.yaml"
    settings.write_text(settings.read_text().replace("steps: 60", "steps: 61"))
    before = contents(place)
    finished, _ = swept("seed=0")
    told = json.loads((place / "failed.json").read_text())["error"]
    assert "other settings (task)" in told
    (place / "failed.json").unlink()
    assert contents(place) == before
    assert finished.code == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("seed=range(0,0)",), ("seed=range(0,0)", "no value")),
        (("growth=evidence,nosuch", "seed=0,1"), ("nosuch",)),
        (("seed=0,1", "controller.epochs=many"), ("many",)),
        (("seed=0,1", "run.population=0"), ("population", "0")),
        (("growth=evidence,none", "run.population=4"), ("population", "nothing numeric")),
    ],
)
def test_bad_sweeps_are_refused_before_work_starts(swept, words, told) -> None:
    finished, folder = swept(*words)
    refused(finished, *told)
    assert not folder.exists()


def test_processes_give_what_one_process_gives(swept) -> None:
    """joblib beside basic."""
    one, folder = swept("growth=evidence,random", "seed=0,1")
    other, parallel = swept("growth=evidence,random", "seed=0,1", "launcher=joblib", folder="parallel")
    assert one.code == other.code == 0
    for name, place in jobs(folder).items():
        ours, theirs = contents(place), contents(parallel / name)
        for own in (ours, theirs):
            own.pop("timing.json")
        assert ours == theirs


def test_a_population_gives_what_single_jobs_give(swept) -> None:
    one, folder = swept("growth=evidence,random", "seed=range(0,3)")
    other, together = swept("growth=evidence,random", "seed=range(0,3)", "run.population=2", folder="together")
    assert one.code == other.code == 0
    assert set(jobs(folder)) == set(jobs(together))
    for name, place in jobs(folder).items():
        for table in ("journal.jsonl", "graph.json", "metrics.json"):
            if table != "metrics.json":
                assert (place / table).read_bytes() == (together / name / table).read_bytes()
        assert (
            json.loads((place / "metrics.json").read_text())["edges"]
            == (json.loads((together / name / "metrics.json").read_text())["edges"])
        )
    report = {"tables", "figures"}
    assert {path.name for path in together.iterdir() if path.is_dir()} - report == set(jobs(together))


def test_a_full_disk_stops_one_job(swept, monkeypatch) -> None:
    """What is there stays whole, the rest goes on, and the job goes on when there is room again."""
    import sostruct.discovery.store as store

    original = store.write_atomically

    def full(path, content):
        if "seed=1" in path.parent.name and path.name == "scores.csv":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return original(path, content)

    monkeypatch.setattr(store, "write_atomically", full)
    finished, folder = swept("seed=0,1,2")
    assert finished.code == 1
    assert any("No space left on device" in line for line in finished.err)
    assert len(jobs(folder)) == 2
    monkeypatch.setattr(store, "write_atomically", original)
    assert swept("seed=0,1,2")[0].code == 0
    assert len(jobs(folder)) == 3
    assert not list(folder.rglob("*.tmp"))


def test_a_defect_in_one_run_of_a_population_stops_no_other(swept, monkeypatch) -> None:
    import sostruct.control.population as population

    original = population.run_population

    def fragile(members, **settings):
        if any("seed=1" in member.folder.name for member in members):
            raise ZeroDivisionError("defect")
        return original(members, **settings)

    monkeypatch.setattr(population, "run_population", fragile)
    finished, folder = swept("seed=range(0,3)", "run.population=3", "report=none")
    assert finished.code == 1
    assert len(jobs(folder)) == 2
    (failed,) = folder.glob("*/failed.json")
    assert "seed=1" in failed.parent.name
    assert json.loads(failed.read_text())["error"] == "ZeroDivisionError: defect"
    assert not (folder / "report.html").exists()
    monkeypatch.setattr(population, "run_population", original)
    assert swept("seed=range(0,3)", "run.population=3", "report=none")[0].code == 0
    assert not list(folder.glob("*/failed.json"))
