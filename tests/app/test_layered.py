"""Runs of layered networks through the command line: the presets, their files and numbers, resumption, refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sostruct import load
from sostruct.prediction.result import Predictor
from sostruct.tasks import Digits

from .helpers import refused

FILES = {
    "config.yaml",
    "environment.json",
    "edges.csv",
    "nodes.csv",
    "graph.json",
    "graph.graphml",
    "layered.eqx",
    "journal.jsonl",
    "signals.csv",
    "checkpoint.eqx",
    "metrics.json",
    "done.json",
}


def numbers(folder):
    return json.loads((folder / "metrics.json").read_text())


def test_exclusive_or_needs_one_unit(small, tmp_path):
    folder = tmp_path / "run"
    assert small(folder, "experiment=xor", "run.report=true", task="xor").code == 0
    found = numbers(folder)
    assert (found["train_accuracy"], found["units"], found["parameters"]) == (1.0, 1, 7)
    assert {path.name for path in folder.iterdir()} == FILES | {"figures", "report.html"}
    assert "Populations of units" in (folder / "report.html").read_text()
    back = load(folder)
    assert isinstance(back, Predictor)
    assert back.network.units == 1


@pytest.mark.slow
def test_digits_are_grown_pruned_and_told_apart(small, tmp_path):
    quick = (
        "controller.epochs=24",
        "growth.rules.grow.restraints.units.units=12",
        "growth.rules.prune.scorer.begin=10",
        "growth.rules.prune.scorer.epochs=8",
    )
    folder = tmp_path / "run"
    assert small(folder, "experiment=digits", *quick, task="digits").code == 0
    found = numbers(folder)
    assert found["test_accuracy"] > 0.9
    assert found["parameters"] <= 0.47 * (64 * 12 + 12 * 10) + 22
    assert found["most_parameters"] == 64 * 12 + 12 * 10 + 22
    task = Digits().load()
    assert load(folder).accuracy(task.heldout) == found["test_accuracy"]
    assert np.mean(load(folder).predict(task.heldout) == task.heldout["label"]) == found["test_accuracy"]


def test_settings_that_do_not_fit_are_refused(sostruct):
    refused(sostruct("experiment=xor", "network.target=nothing"), "nothing", "Try")
    refused(sostruct("experiment=xor", "network.predicts=things"), "things", "network.predicts=classes")
    refused(sostruct("experiment=digits", "task.fold=5"), "fold")
    refused(sostruct("experiment=xor", "growth=crp"), "growth=crp", "network=mixture")
