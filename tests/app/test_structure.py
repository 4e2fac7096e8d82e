"""Runs that grow belief networks through the command line: files, numbers, resumption, sweeps, refusals."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from sostruct import load
from sostruct.graph import Journal, read_graph
from sostruct.structure.result import Structure
from sostruct.tasks import HiddenStructure

from .helpers import RECORD, SAVE, contents, interruption, refused

FILES = {
    "config.yaml",
    "environment.json",
    "edges.csv",
    "nodes.csv",
    "graph.json",
    "graph.graphml",
    "network.eqx",
    "journal.jsonl",
    "signals.csv",
    "checkpoint.eqx",
    "metrics.json",
    "done.json",
}
"""Files of every run folder of a belief network, besides figures/ and report.html."""

RANDOM = ("growth=random", "controller.edits_per_epoch=1", "controller.epochs=4")
"""Settings under which there are several epochs with an edit each."""


@pytest.fixture
def grown(small):
    """A small quick run of the preset."""

    def call(folder, *arguments, **named):
        chosen = ("experiment=structure", "task.inputs=2", "task.steps=60", "task.heldout=30", "task.wrong=0")
        return small(folder, *chosen, *arguments, **{"task": "structure", **named})

    return call


def numbers(folder):
    return json.loads((folder / "metrics.json").read_text())


def test_a_run(grown, workplace):
    folder = workplace / "run"
    done = grown(folder, *RANDOM, "seed=3")
    assert done.code == 0
    assert done.err == []
    assert {path.name for path in folder.iterdir()} == FILES | {"truth.json"}
    assert done.out[-1] == str(folder)
    assert any("held out" in line for line in done.out)
    assert any("known graph" in line for line in done.out)
    found, task = load(folder), HiddenStructure(inputs=2, steps=60, heldout=30, wrong=0.0).load(3)
    assert type(found) is Structure
    assert found.rows == 60
    told = numbers(folder)
    assert told["epochs"] == 4
    assert told["edits"] >= 2
    assert told["edges"] == len(pd.read_csv(folder / "edges.csv")) > task.start.number_of_edges()
    assert told["surprise_per_step"] == pytest.approx(found.surprise_per_step(task.frame))
    assert told["heldout_surprise_per_step"] == pytest.approx(found.heldout_surprise_per_step(task.heldout))
    assert 0.0 <= told["edge_f1"] <= 1.0
    assert told["settled"] is False
    assert Journal.read(folder / "journal.jsonl").final == found.network.topology
    assert set(read_graph(folder / "truth.json")) == set(task.truth)


def test_the_control_that_never_edits(grown, workplace):
    folder = workplace / "run"
    assert grown(folder, "growth=none").code == 0
    told = numbers(folder)
    assert (told["edits"], told["epochs"], told["hidden_f1"]) == (0, 1, 0.0)
    for name in ("surprise_per_step", "heldout_surprise_per_step"):
        assert told[name] == told[f"{name}_before"]


def test_settings_reach_the_network_and_the_task(grown, workplace):
    folder = workplace / "run"
    assert grown(folder, "growth=none", "task.family=shared_drift", "network.update=unbounded").code == 0
    assert load(folder).network.options.update.name == "unbounded"
    assert "shared_drift" in json.loads((folder / "environment.json").read_text())["task"]["description"]


def test_a_run_goes_on_from_a_graph(grown, workplace):
    assert grown(workplace / "first", *RANDOM).code == 0
    place = workplace / "first" / "graph.json"
    assert grown(workplace / "second", "growth=none", f"network.start={place}").code == 0
    assert numbers(workplace / "second")["surprise_per_step"] == numbers(workplace / "first")["surprise_per_step"]


def test_growth_by_surprise(grown, workplace):
    """The preset alone: a hidden parent of both series is found, and the page shows how."""
    folder = workplace / "run"
    settings = ("task.family=shared_drift", "task.signal=1", "task.steps=300", "task.wrong=1", "run.report=true")
    done = grown(folder, *settings)
    assert done.code == 0, done.err
    assert done.out[-1] == str(folder / "report.html")
    told = numbers(folder)
    assert told["edge_f1"] == told["hidden_f1"] == 1.0
    assert told["settled"] is True
    assert told["diverged"] is False
    for name in ("surprise_per_step", "heldout_surprise_per_step"):
        assert told[name] < told[f"{name}_before"]
    assert "drift_1" in (folder / "report.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "after", "settings"),
    [
        (RECORD, 0, RANDOM),
        (RECORD, 2, RANDOM),
        (SAVE, 3, RANDOM),
        ("sostruct.structure.store.write_results", 0, RANDOM),
        (RECORD, 1, ("task.wrong=2", "seed=1")),
    ],
)
def test_a_run_broken_off_anywhere_ends_in_the_same_bytes(
    grown, sostruct, workplace, monkeypatch, name, after, settings
):
    grown(workplace / "whole", *settings)
    with interruption(monkeypatch, name, after):
        grown(workplace / "run", *settings)
    assert not (workplace / "run" / "done.json").exists()
    assert sostruct(f"run.resume={workplace / 'run'}").code == 0
    assert contents(workplace / "run") == contents(workplace / "whole")
    assert (workplace / "run" / "checkpoint.eqx").read_bytes() == (workplace / "whole" / "checkpoint.eqx").read_bytes()


def test_populations_are_separate_runs(grown, workplace):
    sweep = workplace / "sweep"
    words = ("-m", *RANDOM, "seed=0,1", f"hydra.sweep.dir={sweep}", "report.at_end=false")
    assert grown(None, *words, "run.population=2").code == 0
    jobs = sorted(path.parent for path in sweep.glob("*/done.json"))
    assert len(jobs) == 2
    for seed, job in enumerate(jobs):
        assert f"seed={seed}" in job.name
        grown(workplace / f"alone{seed}", *RANDOM, f"seed={seed}")
        own = {name: data for name, data in contents(job).items() if name not in ("job.json", "timing.json", ".lock")}
        assert own == contents(workplace / f"alone{seed}")


def test_a_sweep_over_rules_ends_with_tables(grown, workplace):
    sweep = workplace / "sweep"
    done = grown(None, "-m", "launcher=basic", "growth=none,random", "seed=0,1", f"hydra.sweep.dir={sweep}")
    assert done.code == 0, done.err
    assert len(list(sweep.glob("*/done.json"))) == 4
    table = "".join(path.read_text() for path in (sweep / "tables").glob("*.csv"))
    assert "heldout_surprise_per_step" in table
    assert "edge_f1" in table


def test_ones_own_series_with_gaps(small, workplace, series):
    series.iloc[3:6, 1] = np.nan
    series.to_csv(workplace / "series.csv", index=False)
    done = small(workplace / "run", "network=belief", "growth=none", "task.path=series.csv", task="csv")
    assert done.code == 0, done.err
    told = numbers(workplace / "run")
    assert told["rows"] == 60
    assert not {name for name in told if name.startswith(("edge_", "hidden_", "heldout_"))}
    assert "truth.json" not in {path.name for path in (workplace / "run").iterdir()}
    assert set(load(workplace / "run").inputs) == set("abcde")


def test_a_single_series(small, workplace, series):
    series[["a"]].to_csv(workplace / "series.csv", index=False)
    done = small(workplace / "run", "network=belief", "growth=none", "task.path=series.csv", task="csv")
    assert done.code == 0, done.err
    assert load(workplace / "run").inputs == ("a",)


def test_a_truth_of_the_other_kind_is_no_truth(small, workplace):
    """Links with lags say nothing about hidden states, nor the other way round."""
    assert small(workplace / "one", "network=belief", "growth=none").code == 0
    assert "edge_f1" not in numbers(workplace / "one")
    assert small(workplace / "other", "task.steps=60", task="structure").code == 0
    assert "summary" not in numbers(workplace / "other")
    for name in ("one", "other"):
        assert not (workplace / name / "truth.json").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["network.update=ehfg"], ["update='ehfg'", "'ehgf'"]),
        (["network.updat=ehgf"], ["network.updat"]),
        (["network.mean_field=perhaps"], ["perhaps"]),
        (["network.mean_field=false", "growth=residual"], ["mean_field=True"]),
        (["network.ridge=1"], ["network.ridge"]),
        (["network._target_=sostruct.networks.lagged.network.LaggedNetwork"], ["network=belief"]),
        (["network.start=nowhere.json"], ["nowhere.json"]),
        (["growth=evidence"], ["growth=residual"]),
        (["task.family=secret"], ["'secret'", "shared_drift"]),
        (["controller.epochs=0"], ["0 epochs"]),
    ],
)
def test_bad_settings_are_refused_before_work(grown, workplace, arguments, words):
    refused(grown(workplace / "run", *arguments), *words)
    assert not (workplace / "run").exists()


def test_series_that_cannot_be_filtered_are_refused(small, workplace, series):
    series.assign(c=4.25).to_csv(workplace / "series.csv", index=False)
    refused(small(workplace / "run", "network=belief", "task.path=series.csv", task="csv"), "'c'", "constant")
    assert not (workplace / "run").exists()
