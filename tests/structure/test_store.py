"""A grown network as files and back."""

from __future__ import annotations

import csv
import json
import shutil

import jax
import numpy as np
import pandas as pd
import pytest

import sostruct
from sostruct.control.finished import DONE, mark_finished
from sostruct.errors import RunError
from sostruct.graph import read_graph
from sostruct.growth import catalogue
from sostruct.structure.estimator import StructureLearning
from sostruct.structure.store import NETWORK, load, metrics, write_results

NAMES = ["NA", "a, b", "ünit €"]
"""Names that careless readers of CSV take for something else."""


def learned(task, folder):
    """A run into a folder, with its results."""
    frame = task.frame.set_axis(NAMES, axis=1)
    found = StructureLearning(growth=catalogue.random(1), epochs=2, seed=1).fit(frame, folder=folder).result_
    heldout = task.heldout.set_axis(NAMES, axis=1)
    write_results(folder, found, metrics(found, frame, heldout=heldout), found.graph)
    mark_finished(folder, settled=found.settled)
    return found


@pytest.fixture(scope="module")
def stored(task, tmp_path_factory):
    """A result and the folder it was written to, finished."""
    folder = tmp_path_factory.mktemp("run")
    return learned(task, folder), folder


@pytest.fixture
def copied(stored, tmp_path):
    """A copy of the stored run to damage."""
    return shutil.copytree(stored[1], tmp_path / "copy")


def test_loading_gives_back_what_was_found(stored, task):
    found, folder = stored
    for back in (load(str(folder)), sostruct.load(folder)):
        assert repr(back) == repr(found)
        pd.testing.assert_frame_equal(back.edges, found.edges, check_exact=True)
        pd.testing.assert_frame_equal(back.nodes, found.nodes, check_exact=True)
        pd.testing.assert_frame_equal(back.history.frame(), found.history.frame(), check_exact=True)
        assert list(back.journal) == list(found.journal)
        assert (back.rows, back.log_evidence, back.settled) == (found.rows, found.log_evidence, found.settled)
        assert back.network.topology == found.network.topology
        for one, other in zip(jax.tree.leaves(back.last), jax.tree.leaves(found.last), strict=True):
            np.testing.assert_array_equal(one, other)
        rows = task.heldout.set_axis(NAMES, axis=1)
        np.testing.assert_array_equal(back.filter(rows).surprise, found.filter(rows).surprise)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_settings_and_beliefs_survive_in_either_precision(task, tmp_path, dtype):
    learner = StructureLearning(
        task.start, growth=catalogue.none(), update="unbounded", carry="literature", dtype=dtype
    )
    found = learner.fit(task.frame, folder=tmp_path).result_
    write_results(tmp_path, found, {})
    mark_finished(tmp_path, settled=True)
    back = load(tmp_path)
    assert (back.network.options, back.network.dtype) == (found.network.options, dtype)
    assert {leaf.dtype for leaf in jax.tree.leaves(back.last)} == {np.dtype(dtype)}
    assert back.heldout_surprise_per_step(task.heldout) == found.heldout_surprise_per_step(task.heldout)


@pytest.mark.parametrize("table", ["edges", "nodes"])
def test_tables_in_files_are_the_tables(stored, table):
    found, folder = stored
    expected = getattr(found, table)
    with (folder / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == list(expected.columns)
    for row, other in zip(rows, expected.itertuples(index=False), strict=True):
        assert [
            type(value)(cell) if isinstance(value, float) else cell for cell, value in zip(row, other, strict=True)
        ] == [value if isinstance(value, float) else str(value) for value in other]


def test_graphs_in_files_are_the_graphs(stored):
    found, folder = stored
    for name in ("graph.json", "graph.graphml", "truth.json"):
        graph = read_graph(folder / name)
        assert dict(graph.nodes(data=True)) == dict(found.graph.nodes(data=True)), name
        assert {edge[:3] for edge in graph.edges} == {edge[:3] for edge in found.graph.edges}, name


def test_equal_results_are_equal_files(stored, task, tmp_path):
    learned(task, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in stored[1].iterdir()}
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (stored[1] / path.name).read_bytes(), path.name


def test_metrics_count(found, task):
    numbers = metrics(found, task.frame, heldout=task.heldout, truth=task.truth)
    assert (numbers["inputs"], numbers["rows"], numbers["nodes"]) == (3, 120, 6)
    assert numbers["edges"] == len(found.edges)
    assert numbers["epochs"] == len(found.history) == 2
    assert numbers["edits"] == sum(entry.accepted for entry in found.journal) > 0
    assert numbers["settled"] is found.settled
    assert numbers["surprise_per_step"] == pytest.approx(found.surprise_per_step(task.frame))
    assert numbers["heldout_surprise_per_step"] == found.heldout_surprise_per_step(task.heldout)
    bare = StructureLearning(task.start, growth=catalogue.none()).fit(task.frame).result_
    assert numbers["surprise_per_step_before"] == pytest.approx(bare.surprise_per_step(task.frame))
    assert numbers["heldout_surprise_per_step_before"] == pytest.approx(bare.heldout_surprise_per_step(task.heldout))
    assert numbers["held"] == found.network.filter(task.frame, strict=False).held.sum()
    assert json.loads(json.dumps(numbers)) == numbers


def test_agreement_is_scored_where_the_truth_is_known(found, task):
    bare = metrics(
        StructureLearning(task.start, growth=catalogue.none()).fit(task.frame).result_, task.frame, truth=task.truth
    )
    assert bare["hidden_f1"] == 0.0
    assert bare["edge_precision"] == 1.0
    assert 0.0 < bare["edge_recall"] < 1.0
    right = metrics(found, task.frame, truth=found.graph)
    assert right["edge_f1"] == right["hidden_f1"] == 1.0
    unknown = metrics(found, task.frame)
    assert not {name for name in unknown if name.startswith(("edge_", "hidden_", "heldout_"))}


def test_what_is_not_a_finished_run_is_refused(copied):
    (copied / DONE).unlink()
    with pytest.raises(RunError, match="not a run folder"):
        load(copied)
    with pytest.raises(RunError, match="nowhere"):
        sostruct.load(copied / "nowhere")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (NETWORK, b""),
        (NETWORK, b"{}\n"),
        (NETWORK, b"not json\n"),
        (DONE, b"[]"),
        ("signals.csv", b"epoch\n"),
    ],
)
def test_damaged_files_are_refused(copied, name, content):
    (copied / name).write_bytes(content)
    with pytest.raises(RunError, match="damaged"):
        load(copied)


def test_a_network_that_is_cut_off_is_refused(copied):
    whole = (copied / NETWORK).read_bytes()
    (copied / NETWORK).write_bytes(whole[:-20])
    with pytest.raises(RunError, match="damaged"):
        load(copied)


def test_another_version_is_refused(copied):
    (copied / DONE).write_text(json.dumps({"schema": 1, "settled": True}))
    with pytest.raises(RunError, match="schema version 1"):
        load(copied)
