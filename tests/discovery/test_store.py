"""A result as files and back."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pandas as pd
import pytest

import sostruct
from sostruct.control.finished import DONE
from sostruct.discovery.estimator import CausalDiscovery
from sostruct.discovery.store import load, metrics, write_results
from sostruct.errors import RunError
from sostruct.graph import read_graph
from sostruct.graph.files import SCHEMA

from .conftest import MAX_LAG

NAMES = ["NA", "a, b", 'the "index"', "007", "ünit €"]
"""Names that careless readers of CSV take for something else."""


@pytest.fixture(scope="module")
def named(frame):
    return frame.set_axis(NAMES, axis=1)


@pytest.fixture(scope="module")
def stored(named, task, tmp_path_factory):
    """A result and the folder it was written to, finished."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "config.yaml").write_text("name: test\n")
    forbidden = [("NA", "a, b"), ("007", "007", 1)]
    found = CausalDiscovery(MAX_LAG, forbidden=forbidden).fit(named, folder=folder).result_
    write_results(folder, found, metrics(found, None), task.truth)
    (folder / DONE).write_text(json.dumps({"schema": SCHEMA, "settled": found.settled}))
    return found, folder


@pytest.fixture
def copied(stored, tmp_path):
    """A copy of the stored run to damage."""
    return shutil.copytree(stored[1], tmp_path / "copy")


def test_loading_gives_back_what_was_found(stored, named):
    found, folder = stored
    for place in (folder, str(folder)):
        back = load(place)
        for name in ("edges", "scores", "summary", "summary_probability"):
            pd.testing.assert_frame_equal(getattr(back, name), getattr(found, name), check_exact=True)
        pd.testing.assert_frame_equal(back.history.frame(), found.history.frame(), check_exact=True)
        assert list(back.journal) == list(found.journal)
        assert back.journal.start == found.journal.start
        assert back.settled is found.settled
        assert repr(back) == repr(found)
        assert list(back.graph.nodes(data=True)) == list(found.graph.nodes(data=True))
        assert list(back.graph.edges(keys=True, data=True)) == list(found.graph.edges(keys=True, data=True))
    ahead, again = found.predict(named, 2), back.predict(named, 2)
    pd.testing.assert_frame_equal(again.future_sd, ahead.future_sd, check_exact=True)
    pd.testing.assert_series_equal(again.log_score, ahead.log_score, check_exact=True)
    assert repr(sostruct.load(folder)) == repr(found)


def cells(path):
    """A CSV file as text, by columns: what pandas makes of numbers depends on its version."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    return dict(zip(header, zip(*rows, strict=True), strict=True))


@pytest.mark.parametrize("table", ["edges", "scores"])
def test_tables_in_files_are_the_tables(stored, table):
    found, folder = stored
    read, expected = cells(folder / f"{table}.csv"), getattr(found, table)
    assert list(read) == list(expected.columns)
    for name, column in read.items():
        convert = {"cause": str, "effect": str, "lag": int, "function": str, "mark": str}.get(name, float)
        assert list(map(convert, column)) == expected[name].tolist(), name


def test_the_summary_in_a_file_is_the_summary(stored):
    found, folder = stored
    read = cells(folder / "summary.csv")
    assert list(read.pop("cause")) == list(read) == NAMES
    for name, column in read.items():
        assert list(map(float, column)) == found.summary[name].tolist(), name


def test_graphs_in_files_are_the_graphs(stored, task):
    found, folder = stored
    graph = read_graph(folder / "graph.json")
    edges = {(*edge[:3], *sorted(edge[3].items())) for edge in graph.edges(keys=True, data=True)}
    assert edges >= {
        (cause, effect, key, *sorted(attributes.items()))
        for cause, effect, key, attributes in _defaulted(found.graph).edges(keys=True, data=True)
    }
    truth = read_graph(folder / "truth.json")
    assert set(truth.edges(keys=True)) == set(task.truth.edges(keys=True))


def _defaulted(graph):
    """With the schema's defaults spelled out, as every file has them."""
    for *_, attributes in graph.edges(keys=True, data=True):
        attributes.setdefault("mark", "directed")
        attributes.setdefault("function", "identity")
    return graph


def test_equal_results_are_equal_files(stored, named, task, tmp_path):
    folder = tmp_path / "again"
    forbidden = [("NA", "a, b"), ("007", "007", 1)]
    found = CausalDiscovery(MAX_LAG, forbidden=forbidden).fit(named, folder=folder).result_
    write_results(folder, found, metrics(found, None), task.truth)
    written = sorted(path.name for path in folder.iterdir())
    assert set(written) == {path.name for path in stored[1].iterdir()} - {"config.yaml", DONE}
    for name in written:
        assert (folder / name).read_bytes() == (stored[1] / name).read_bytes(), name


def test_nothing_is_pickled(stored):
    folder = stored[1]
    with np.load(folder / "posterior.npz", allow_pickle=False) as archive:
        assert all(archive[name].dtype != object for name in archive)


def test_metrics_count(found):
    numbers = metrics(found, None)
    assert numbers["series"] == 5
    assert numbers["rows"] == 297
    assert numbers["edges"] == len(found.edges)
    assert numbers["epochs"] == len(found.history)
    assert numbers["edits"] == sum(entry.accepted for entry in found.journal)
    assert numbers["settled"] is True
    first, last = (found.history.frame().groupby("epoch")["surprise"].sum().iloc[place] for place in (0, -1))
    assert numbers["surprise_per_step_before"] == pytest.approx(first / 297)
    assert numbers["surprise_per_step"] == pytest.approx(last / 297)
    assert numbers["surprise_per_step"] < numbers["surprise_per_step_before"]
    assert not {"summary", "lag_by_lag"} & numbers.keys()


def test_metrics_score_against_a_truth(found, task):
    numbers = metrics(found, task.truth)
    table = found.compare(task.truth)
    assert numbers["summary"] == pytest.approx(dict(table.loc["summary"]))
    assert numbers["lag_by_lag"] == pytest.approx(dict(table.loc["lag_by_lag"]))
    assert type(numbers["summary"]["shd"]) is int
    assert "lag_by_lag" not in metrics(found, task.truth, lags_known=False)
    empty = task.truth.copy()
    empty.remove_edges_from(list(task.truth.edges(keys=True)))
    undefined = json.loads(json.dumps(metrics(found, empty), allow_nan=False))
    assert undefined["summary"]["auroc"] is None


def rewritten(folder, without):
    """The folder with some arrays left out of its posterior."""
    path = folder / "posterior.npz"
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    assert without <= set(arrays)
    np.savez(path, allow_pickle=False, **{name: array for name, array in arrays.items() if name not in without})


MOMENTS = {"kept", "gram", "cross", "ridge", "entry"}


@pytest.mark.parametrize("without", [MOMENTS, {"treatment"}, MOMENTS | {"treatment"}])
def test_runs_of_versions_that_kept_less_load(stored, copied, named, without):
    """All but what needs it is as it was; what does says so."""
    rewritten(copied, without)
    back, found = load(copied), stored[0]
    for name in ("edges", "scores", "summary", "summary_probability"):
        pd.testing.assert_frame_equal(getattr(back, name), getattr(found, name), check_exact=True)
    pd.testing.assert_frame_equal(back.predict(named).mean, found.predict(named).mean, check_exact=True)
    one, other = (result.intervene({"NA": 1.0}, 2, samples=5).mean for result in (back, found))
    pd.testing.assert_frame_equal(one, other, check_exact=True)
    assert back.treatment == ()
    told = back.explain("NA", "007")
    assert told.in_graph == found.explain("NA", "007").in_graph
    assert told.rivals.empty == bool(without & MOMENTS)
    assert ("does not keep the products of its columns" in repr(told)) == bool(without & MOMENTS)
    write_results(copied, back, metrics(back, None))
    pd.testing.assert_frame_equal(load(copied).scores, found.scores, check_exact=True)


@pytest.mark.parametrize("without", ["probability", "instant", "gram"])
def test_what_no_version_wrote_is_refused(copied, without):
    """Part of what belongs together is missing, or what every result has."""
    rewritten(copied, {without})
    with pytest.raises(RunError, match=str(copied)):
        load(copied)


# -------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("place", ["nowhere", "file.txt", "empty"])
def test_what_is_not_a_run_is_refused(tmp_path, place):
    (tmp_path / "file.txt").write_text("hello")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match=rf"{place}.*not a run folder"):
        load(tmp_path / place)


def test_an_unfinished_run_is_refused_with_what_to_do(copied):
    (copied / DONE).unlink()
    with pytest.raises(RunError, match=rf"has not finished.*run\.resume={copied}"):
        load(copied)


def test_another_schema_is_refused(copied):
    (copied / DONE).write_text(json.dumps({"schema": SCHEMA + 41, "settled": True}))
    with pytest.raises(RunError, match=rf"schema version {SCHEMA + 41}.*{SCHEMA}"):
        load(copied)


DAMAGES = [
    (name, damage)
    for name in (DONE, "posterior.npz", "signals.csv", "journal.jsonl")
    for damage in ("empty", "cut", "garbage", "gone")
    if (name, damage) != (DONE, "gone")  # that is an unfinished run
]


@pytest.mark.parametrize(("name", "damage"), DAMAGES)
def test_damaged_files_are_named_not_traced(copied, name, damage):
    path = copied / name
    content = path.read_bytes()
    match damage:
        case "empty":
            path.write_bytes(b"")
        case "cut":
            path.write_bytes(content[: len(content) * 2 // 3])
        case "garbage":
            path.write_bytes(b"[1, 2\n\xff")
        case "gone":
            path.unlink()
    with pytest.raises(RunError, match=str(copied)):
        load(copied)
