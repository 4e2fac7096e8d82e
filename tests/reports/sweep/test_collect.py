"""From folders to tables: what is read, and what is refused."""

import json
import math
from pathlib import Path

import pytest

from sostruct.errors import RunError
from sostruct.reports.sweep import read_sweep
from sostruct.reports.sweep.jobs import Status, natural, split_override

from .fake import begin_job, fail_job, write_job, write_json, write_order, write_sweep


def test_one_row_per_job_with_its_factors_and_numbers(sweep_folder: Path) -> None:
    sweep = read_sweep(sweep_folder)
    assert sweep.factors == ("growth",)
    assert sweep.conditions == ("growth=evidence", "growth=every", "growth=random", "growth=none")
    assert len(sweep.frame) == 40
    assert sweep.complete
    row = sweep.frame[sweep.frame["job"] == "growth=every,seed=7"].iloc[0]
    written = json.loads((sweep_folder / "growth=every,seed=7" / "metrics.json").read_text())
    assert (row["growth"], row["seed"], row["status"], row["error"]) == ("every", "7", "finished", "")
    assert row["summary.auroc"] == written["summary"]["auroc"]
    assert row["edges"] == written["edges"]
    assert row["settled"] == 1.0
    assert set(sweep.metrics) == {
        *("series", "rows", "edges", "epochs", "edits", "settled", "surprise_per_step", "surprise_per_step_before"),
        *(f"summary.{name}" for name in ("auroc", "auprc", "f1", "shd", "edges")),
    }


def test_replicates_stand_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    sweep = read_sweep(write_sweep(tmp_path, {"growth": ["every", "none"]}, seeds=(10, 9, 2)))
    assert list(sweep.frame["seed"]) == ["2", "9", "10"] * 2


def test_curves_follow_signals_and_journal(sweep_folder: Path) -> None:
    sweep = read_sweep(sweep_folder)
    own = sweep.curves[sweep.curves["job"] == "growth=evidence,seed=0"]
    size = int(sweep.frame.set_index("job").loc["growth=evidence,seed=0", "edges"])
    assert list(own["epoch"]) == list(range(math.ceil(size / 3) + 1))
    assert list(own["edges"]) == [min(size, 3 * epoch) for epoch in range(len(own))]  # before the edits of the epoch
    assert own["edits"].sum() == size
    assert own["edits"].iloc[-1] == 0
    metrics = json.loads((sweep_folder / "growth=evidence,seed=0" / "metrics.json").read_text())
    assert own["surprise_per_step"].iloc[0] == pytest.approx(metrics["surprise_per_step_before"], rel=1e-12)
    assert own["surprise_per_step"].iloc[-1] == pytest.approx(metrics["surprise_per_step"], rel=1e-12)


def test_a_half_finished_sweep_says_what_is_missing(copied: Path) -> None:
    (copied / "growth=none,seed=3" / "done.json").unlink()
    fail_job(copied / "growth=random,seed=4", "No space left\non device")
    for path in (copied / "growth=every,seed=5").iterdir():
        path.unlink()
    sweep = read_sweep(copied)
    assert not sweep.complete
    assert len(sweep.having(Status.FINISHED)) == 37
    (failed,) = sweep.having(Status.FAILED)
    assert (failed.name, failed.error) == ("growth=random,seed=4", "No space left on device")
    assert [job.name for job in sweep.having(Status.UNFINISHED)] == ["growth=none,seed=3"]
    assert [job.name for job in sweep.having(Status.MISSING)] == ["growth=every,seed=5"]
    lost = sweep.frame.set_index("job").loc["growth=none,seed=3"]
    assert math.isnan(lost["summary.auroc"])
    assert "growth=none,seed=3" not in set(sweep.curves["job"])


def test_a_finished_job_that_once_failed_is_finished(copied: Path) -> None:
    write_json(copied / "growth=none,seed=3" / "failed.json", {"error": "killed"})
    assert read_sweep(copied).complete


def test_several_sweeps_of_a_folder_are_joined(tmp_path: Path) -> None:
    write_sweep(tmp_path, {"growth": ["every", "none"]}, seeds=range(2))
    write_sweep(tmp_path, {"growth": ["every", "random"]}, seeds=range(3))
    sweep = read_sweep(tmp_path)
    assert len(sweep.orders) == 2
    assert len(sweep.jobs) == 8
    assert set(sweep.conditions) == {"growth=every", "growth=none", "growth=random"}


def test_jobs_are_found_without_a_list(copied: Path) -> None:
    for path in copied.glob("sweep-*.json"):
        path.unlink()
    assert len(read_sweep(copied).jobs) == 40


def test_a_factor_that_a_sweep_leaves_alone_is_at_its_default(tmp_path: Path) -> None:
    write_sweep(tmp_path, {"growth": ["every"]}, seeds=range(2))
    write_sweep(tmp_path, {"growth": ["every"], "task": ["lorenz96"]}, seeds=range(2))
    sweep = read_sweep(tmp_path)
    assert sweep.factors == ("task",)
    assert set(sweep.conditions) == {"task=default", "task=lorenz96"}


def test_how_a_sweep_is_carried_out_is_no_factor(tmp_path: Path) -> None:
    for seed in range(2):
        write_job(tmp_path / f"a{seed}", ["growth=every", f"seed={seed}", "run.progress=false", "launcher=basic"])
        write_job(tmp_path / f"b{seed}", ["growth=none", f"seed={seed}", "hydra.verbose=true"])
    assert read_sweep(tmp_path).factors == ("growth",)
    for seed in range(2):
        write_job(tmp_path / f"c{seed}", ["growth=none", f"seed={seed}", "run.threads=2"])
    assert "run.threads" in read_sweep(tmp_path).factors


def test_a_replicate_of_another_name(tmp_path: Path) -> None:
    for number in range(3):
        for rule in ("every", "none"):
            write_job(tmp_path / f"{rule}{number}", [f"growth={rule}", f"task.number={number}"])
    sweep = read_sweep(tmp_path, "task.number")
    assert sweep.factors == ("growth",)
    assert set(sweep.frame["task.number"]) == {"0", "1", "2"}
    with pytest.raises(RunError, match=r"task\.fold.*growth, task\.number"):
        read_sweep(tmp_path, "task.fold")


def test_the_same_job_twice_is_refused(tmp_path: Path) -> None:
    write_job(tmp_path / "one", ["growth=every", "seed=0"])
    write_job(tmp_path / "two", ["seed=0", "growth=every"])
    with pytest.raises(RunError, match="one and two are the same job"):
        read_sweep(tmp_path)


@pytest.mark.parametrize("make", ["nothing", "empty", "run"])
def test_a_folder_without_a_sweep_is_refused(tmp_path: Path, make: str) -> None:
    if make == "empty":
        (tmp_path / "place").mkdir()
    if make == "run":
        begin_job(tmp_path / "place", ["seed=0"])
    with pytest.raises(RunError, match="This is because"):
        read_sweep(tmp_path / "place")


def test_a_sweep_of_no_jobs_is_refused(tmp_path: Path) -> None:
    write_order(tmp_path, "sostruct -m", [])
    with pytest.raises(RunError, match="lists no job"):
        read_sweep(tmp_path)


def test_schema_versions_do_not_mix(copied: Path) -> None:
    write_json(copied / "growth=none,seed=9" / "done.json", {"schema": 3})
    with pytest.raises(RunError, match=r"2 \(growth=evidence,seed=0\) and 3 \(growth=none,seed=9\)"):
        read_sweep(copied)


def test_a_job_that_has_only_begun_counts_for_the_schema(copied: Path) -> None:
    (copied / "growth=none,seed=9" / "done.json").unlink()
    begin_job(copied / "growth=none,seed=9", ["growth=none", "seed=9"], schema=1)
    with pytest.raises(RunError, match=r"different schema versions: 1 .* and 2 "):
        read_sweep(copied)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metrics.json", "{"),
        ("metrics.json", "[1]"),
        ("environment.json", "nonsense"),
        ("done.json", "{"),
        ("signals.csv", "epoch,node\n"),
        ("signals.csv", ""),
        ("journal.jsonl", '{"schema": 99}\n'),
        ("metrics.json", None),
        ("signals.csv", None),
        ("journal.jsonl", None),
        ("environment.json", None),
    ],
)
def test_a_damaged_or_lost_file_is_named(copied: Path, name: str, content: str | None) -> None:
    path = copied / "growth=random,seed=2" / name
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(RunError, match=name.replace(".", r"\.")) as caught:
        read_sweep(copied)
    assert "growth=random,seed=2" in str(caught.value)


def test_a_damaged_list_of_jobs_is_named(copied: Path) -> None:
    (path,) = copied.glob("sweep-*.json")
    for content in ("{", '{"jobs": 3}', '{"jobs": [{"folder": "a"}]}'):
        path.write_text(content)
        with pytest.raises(RunError, match=path.name):
            read_sweep(copied)


def test_overrides_are_read_as_hydra_takes_them() -> None:
    assert split_override("+task.steps=200") == ("task.steps", "200")
    assert split_override("a.b='x=1,2'") == ("a.b", "x=1,2")
    assert split_override("~task") == ("task", "")


def test_numbers_in_names_sort_as_numbers() -> None:
    assert sorted(["10", "9", "default", "1.5", "a10", "a9"], key=natural) == ["1.5", "9", "10", "a9", "a10", "default"]
