"""A grown mixture as files and back."""

from __future__ import annotations

import csv
import json
import shutil

import jax
import numpy as np
import pandas as pd
import pytest

import sostruct
from sostruct.clusters.estimator import MixtureLearning
from sostruct.clusters.store import NETWORK, load, metrics, write_results
from sostruct.control.finished import DONE, mark_finished
from sostruct.errors import RunError
from sostruct.graph import read_graph
from sostruct.growth import catalogue

NAMES = ["NA", 'a, "b" €']
"""Names that careless readers of CSV take for something else."""


def learned(task, folder):
    """A run into a folder, with its results; a row of it holds nothing."""
    frame, heldout = task.frame.set_axis(NAMES, axis=1), task.heldout.set_axis(NAMES, axis=1)
    frame.iloc[7] = np.nan
    found = MixtureLearning(growth=catalogue.random(1), epochs=2, seed=1).fit(frame, folder=folder).result_
    write_results(folder, found, metrics(found, frame, heldout=heldout, labels=task.labels))
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
        for table in ("components", "points", "edges", "nodes"):
            pd.testing.assert_frame_equal(getattr(back, table), getattr(found, table), check_exact=True)
        pd.testing.assert_frame_equal(back.history.frame(), found.history.frame(), check_exact=True)
        assert list(back.journal) == list(found.journal)
        assert (back.log_evidence, back.settled) == (found.log_evidence, found.settled)
        assert back.network.topology == found.network.topology
        for one, other in zip(jax.tree.leaves(back.network), jax.tree.leaves(found.network), strict=True):
            np.testing.assert_array_equal(one, other)
        rows = task.heldout.set_axis(NAMES, axis=1)
        assert back.heldout_surprise_per_step(rows) == found.heldout_surprise_per_step(rows)


@pytest.mark.parametrize("table", ["components", "points", "edges", "nodes"])
def test_tables_in_files_are_the_tables(stored, table):
    found, folder = stored
    expected = getattr(found, table)
    with (folder / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    if table == "points":
        assert [row.pop(0) for row in rows] == [str(row) for row in range(120)]
        assert header.pop(0) == "row"
    assert header == list(expected.columns)
    for row, other in zip(rows, expected.itertuples(index=False), strict=True):
        for cell, value in zip(row, other, strict=True):
            assert cell == "" if value != value else type(value)(cell) == value or cell == str(value)


def test_graphs_in_files_are_the_graphs(stored):
    found, folder = stored
    for name in ("graph.json", "graph.graphml"):
        graph = read_graph(folder / name)
        assert dict(graph.nodes(data=True)) == dict(found.graph.nodes(data=True)), name
        assert {edge[:3] for edge in graph.edges} == {edge[:3] for edge in found.graph.edges}, name


def test_equal_results_are_equal_files(stored, task, tmp_path):
    learned(task, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in stored[1].iterdir()}
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (stored[1] / path.name).read_bytes(), path.name


def test_metrics_count(found, task):
    numbers = metrics(found, task.frame, heldout=task.heldout, labels=task.labels)
    assert (numbers["inputs"], numbers["rows"], numbers["components"], numbers["clusters"]) == (2, 120, 3, 3)
    assert numbers["epochs"] == len(found.history) > 1
    assert numbers["edits"] == sum(entry.accepted for entry in found.journal) > 0
    assert numbers["settled"] is found.settled is True
    assert numbers["log_evidence"] == found.log_evidence
    assert numbers["surprise_per_step"] == pytest.approx(found.surprise_per_step(task.frame), rel=1e-12)
    assert numbers["heldout_surprise_per_step"] == found.heldout_surprise_per_step(task.heldout)
    assert numbers["adjusted_rand_index"] == found.compare(task.labels[:120])
    assert numbers["heldout_adjusted_rand_index"] > 0.9
    bare = MixtureLearning(growth=catalogue.none()).fit(task.frame).result_
    assert numbers["log_evidence_before"] == bare.log_evidence
    assert numbers["surprise_per_step_before"] == pytest.approx(bare.surprise_per_step(task.frame), rel=1e-12)
    assert numbers["heldout_surprise_per_step_before"] == bare.heldout_surprise_per_step(task.heldout)
    assert json.loads(json.dumps(numbers)) == numbers


def test_prices_add_up_to_the_evidence(found, task):
    """What edits were worth, and what they paid besides, is what the evidence rose by."""
    numbers = metrics(found, task.frame)
    paid = sum(entry.nats for entry in found.journal if entry.accepted)
    assert 0.0 < paid <= numbers["log_evidence"] - numbers["log_evidence_before"] + 1e-6


def test_unknown_clusters_and_rows_are_not_scored(found, task):
    numbers = metrics(found, task.frame)
    assert not {name for name in numbers if name.startswith(("adjusted", "clusters", "heldout_"))}


def test_what_is_not_a_finished_run_is_refused(copied):
    (copied / DONE).unlink()
    with pytest.raises(RunError, match="not a run folder"):
        load(copied)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (NETWORK, b""),
        (NETWORK, b"{}\n"),
        (NETWORK, b"not json\n"),
        (DONE, b"[]"),
        ("signals.csv", b"epoch\n"),
        ("points.csv", b"row,component\n0,a\n"),
        ("points.csv", b"row,component,share,surprise\n0,component_1,1.0,2.0\n"),
        ("points.csv", b"row,component,share,surprise\n0,component_1,much,2.0\n"),
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
