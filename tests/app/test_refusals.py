"""Bad input: one line on standard error that names the cause, exit code 2, and nothing that looks like a run."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from .helpers import refused


@pytest.fixture
def refuses(sostruct, workplace):
    """Asserts that a call is refused with these words, and that its folder is not there afterwards."""

    def check(words, *arguments):
        before = {path: path.read_bytes() for path in workplace.rglob("*") if path.is_file()}
        place = workplace / "place" / "run"
        refused(sostruct(f"hydra.run.dir={place}", *arguments), *words)
        assert not place.exists()
        assert {path: path.read_bytes() for path in workplace.rglob("*") if path.is_file()} == before

    return check


# ---------------------------------------------------------------------------------------------------------------- data


def times(frame, stamps):
    frame.insert(0, "when", stamps)
    return frame


def swapped(stamps, one, other):
    stamps = list(stamps)
    stamps[one], stamps[other] = stamps[other], stamps[one]
    return stamps


DAYS = [str(day.date()) for day in pd.date_range("2020-01-01", periods=60)]

FRAMES = {
    "one column": (lambda frame: frame[["a"]], ["causes among 1 column", "two columns"]),
    "too few rows": (lambda frame: frame.head(15), ["15 rows", "16 rows", "max_lag=3"]),
    "no rows": (lambda frame: frame.head(0), ["series.csv", "no rows"]),
    "text": (lambda frame: frame.assign(c=["blue"] * 60), ["'c'", "blue", "not numeric"]),
    "infinite": (lambda frame: frame.mask(frame == frame.iloc[6, 3], np.inf), ["'d'", "infinite", "row 6"]),
    "constant": (lambda frame: frame.assign(c=4.25), ["'c'", "constant", "4.25"]),
    "identical": (lambda frame: frame.assign(c=frame["a"]), ["'a'", "'c'", "identical"]),
    "one name twice": (lambda frame: frame.set_axis(["a", "b", "a", "d", "e"], axis=1), ["'a'", "more than one"]),
    "missing": (lambda frame: frame.assign(d=np.nan), ["'d'", "all", "missing"]),
    "unsorted times": (lambda frame: times(frame, swapped(DAYS, 7, 8)), ["2020-01-08", "not in order"]),
    "a time twice": (lambda frame: times(frame, [*DAYS[:8], DAYS[7], *DAYS[9:]]), ["2020-01-08", "twice"]),
    "uneven times": (lambda frame: times(frame.head(59), DAYS[:30] + DAYS[31:]), ["2020-01-30", "unequal"]),
}


@pytest.mark.parametrize("case", FRAMES)
def test_series_that_cannot_be_searched(refuses, series, workplace, case):
    change, words = FRAMES[case]
    change(series.copy()).to_csv(workplace / "series.csv", index=False)
    refuses(words, "task=csv", "task.path=series.csv")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, ["'series.csv'", "no such file"]),
        (b"", ["'series.csv'", "empty"]),
        (b"\n\n", ["'series.csv'", "empty"]),
        (b"0.5,2\n3,4\n", ["'series.csv'", "first line holds numbers"]),
    ],
    ids=["missing", "empty", "blank", "no header"],
)
def test_files_that_hold_no_series(refuses, workplace, content, words):
    if content is not None:
        (workplace / "series.csv").write_bytes(content)
    refuses(words, "task=csv", "task.path=series.csv")


def test_a_folder_is_no_file(refuses, workplace):
    (workplace / "folder").mkdir()
    refuses(["'folder'", "is a folder"], "task=csv", "task.path=folder")


def test_a_path_must_be_given(refuses):
    refuses(["task.path"], "task=csv")


# ------------------------------------------------------------------------------------------------------------ settings


def _setting(value):
    return " ".join(value) if "=" in value[0] or value[0].startswith("~") else ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["task.max_lag=0"], ["max_lag=0"]),
        (["task.max_lag=-3"], ["max_lag=-3"]),
        (["task.max_lag=1.5"], ["max_lag=1.5"]),
        (["task.max_lag=26"], ["60 rows", "max_lag=26", "62 rows"]),
        (["network.forbidden=[[a,zebra]]"], ["'zebra'", "forbidden", "a, b, c, d, e"]),
        (["network.required=[[zebra,a,2]]"], ["'zebra'", "required"]),
        (["network.required=[[a,b,4]]"], ["a -> b", "lag 4", "max_lag=3"]),
        (["network.forbidden=[a,b]"], ["'a'", "forbidden"]),
        (["network.forbidden=[[a,b,1]]", "network.required=[[a,b,1]]"], ["a -> b", "forbidden"]),
        (["network.forbidden=[[a,b]]", "network.required=[[a,b]]"], ["a -> b", "forbidden"]),
        (["network.ridge=-2"], ["ridge=-2"]),
        (["controller.epochs=0"], ["0 epochs"]),
        (["controller.edits_per_epoch=0"], ["0 edits per epoch"]),
        (["growth.accept.threshold=lots"], ["lots"]),
        (["growth.scorer.moves=[jump]"], ["jump"]),
        (["task.time=zebra"], ["'zebra'", "series.csv"]),
        (["run.threads=100000"], ["100000 threads"]),
    ],
    ids=_setting,
)
def test_settings_that_do_not_fit_the_series(refuses, csv, arguments, words):
    refuses(words, "task=csv", "task.path=series.csv", *arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["task=nosuch"], ["task/nosuch", "lorenz96"]),
        (["growth=nosuch"], ["growth/nosuch", "evidence"]),
        (["experiment=nosuch"], ["experiment", "nosuch"]),
        (["nosuch=1"], ["nosuch"]),
        (["nosuch/group=1"], ["nosuch/group"]),
        (["task.nodez=3"], ["nodez"]),
        (["+task.nodez=3"], ["nodez"]),
        (["discovery.rigde=1"], ["rigde"]),
        (["seed=abc"], ["seed", "abc"]),
        (["seed=-1"], ["-1"]),
        (["task.nodes=1"], ["nodes", "1"]),
        (["task.steps=15"], ["15 rows", "16 rows"]),
        (["name=${nosuch}"], ["nosuch"]),
        (["task.nodes=[1"], ["[1"]),
        (["task=null"], ["task"]),
        (["~task"], ["task"]),
        (["growth=null"], ["growth"]),
        (["~growth"], ["growth"]),
    ],
    ids=_setting,
)
def test_settings_that_do_not_exist_or_compose(refuses, arguments, words):
    refuses(words, *arguments)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, ["'truth.csv'", "no such file"]),
        ("cause,effect,lag\na,zebra,1\n", ["'zebra'", "line 2"]),
        ("cause,effect,lag\na,b,7\n", ["a -> b", "lag 7", "0 to 3"]),
        ("cause,effect,lag\na,b,-1\n", ["'-1'", "line 2"]),
        ("from,to\na,b\n", ["'from, to'", "cause"]),
    ],
)
def test_a_truth_that_does_not_fit(refuses, workplace, csv, content, words):
    if content is not None:
        (workplace / "truth.csv").write_text(content)
    refuses(words, "task=csv", "task.path=series.csv", "task.truth=truth.csv")


# ------------------------------------------------------------------------------------------------------------- folders


def test_a_folder_below_a_file_cannot_be_written(sostruct, workplace):
    (workplace / "file").write_text("mine")
    for place in ("file", "file/run", "file/deeper/run"):
        refused(sostruct("task.nodes=5", f"hydra.run.dir={place}"), "file")
    assert (workplace / "file").read_text() == "mine"


def test_a_folder_that_was_there_is_there_afterwards(sostruct, workplace):
    """Cleaning up takes away what the refused run made, and nothing else: not even the folder it was called in."""
    refused(sostruct("hydra.run.dir=run", "task.nodes=1"))
    assert workplace.is_dir()
    (workplace / "mine").mkdir()
    refused(sostruct("hydra.run.dir=mine/run", "task.nodes=1"))
    assert [path.name for path in workplace.rglob("*")] == ["mine"]
    refused(sostruct("hydra.run.dir=mine", "task.nodes=1"))
    assert [path.name for path in workplace.rglob("*")] == ["mine"]


def test_by_default_nothing_is_left(sostruct, workplace):
    refused(sostruct("task.nodes=1"))
    assert not list(workplace.glob("results/*/*"))


def test_a_sweep_names_its_folders_itself(sostruct, workplace):
    refused(sostruct("-m", "seed=0,1", "hydra.sweep.subdir=other"), "hydra.sweep.subdir")
    assert not list(workplace.iterdir())


def test_the_next_call_is_not_disturbed(sostruct, small, workplace):
    refused(sostruct("task=nosuch"))
    refused(sostruct("task.nodes=1"))
    assert small(workplace / "run").code == 0


def test_a_defect_keeps_its_traceback(sostruct, monkeypatch):
    """Only what a user can mend is made one line: a defect of ours must not look like bad input."""

    def broken(*arguments, **settings):
        raise ZeroDivisionError("defect")

    monkeypatch.setattr("sostruct.tasks.var.SparseVAR.load", broken)
    with pytest.raises(ZeroDivisionError, match="defect"):
        sostruct("task.nodes=5")
