"""Runs that grow mixtures through the command line: files, numbers, resumption, sweeps, refusals."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from sostruct import cli, load
from sostruct.app.configuration import register
from sostruct.app.workflows import workflow_of
from sostruct.clusters.result import Mixture
from sostruct.errors import DataError
from sostruct.graph import Journal, read_graph
from sostruct.growth.catalogue import crp
from sostruct.reports.citations import citations
from sostruct.tasks import DriftingMixture

from .helpers import RECORD, SAVE, contents, interruption, refused

FILES = {
    "config.yaml",
    "environment.json",
    "components.csv",
    "points.csv",
    "edges.csv",
    "nodes.csv",
    "graph.json",
    "graph.graphml",
    "mixture.eqx",
    "journal.jsonl",
    "signals.csv",
    "checkpoint.eqx",
    "metrics.json",
    "done.json",
}
"""Files of every run folder of a mixture, besides figures/ and report.html."""

RANDOM = ("growth=random", "restraint.budget.nodes=3")
"""Settings under which there are three edits, and nothing but epochs to compile."""


@pytest.fixture
def grown(small):
    """A small quick run of the preset."""

    def call(folder, *arguments, **named):
        chosen = ("experiment=mixture", "task.steps=120", "task.heldout=60", "task.events=[]", "task.wander=0")
        return small(folder, *chosen, *arguments, **{"task": "mixture", **named})

    return call


def numbers(folder):
    return json.loads((folder / "metrics.json").read_text())


def test_growth_by_price(grown, workplace):
    """The preset: the clusters are found, and every file and the page say so."""
    folder = workplace / "run"
    done = grown(folder, "run.report=true")
    assert done.code == 0, done.err
    assert done.err == []
    assert {path.name for path in folder.iterdir()} == FILES | {"report.html", "figures"}
    assert done.out[-1] == str(folder / "report.html")
    told = numbers(folder)
    assert (told["rows"], told["components"], told["clusters"], told["settled"]) == (120, 3, 3, True)
    assert told["adjusted_rand_index"] > 0.9
    assert told["heldout_adjusted_rand_index"] > 0.9
    for name in ("surprise_per_step", "heldout_surprise_per_step"):
        assert told[name] < told[f"{name}_before"]
    assert any("adjusted Rand index" in line for line in done.out)
    assert any(line.startswith("component_2") for line in done.out)
    with (folder / "points.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == 120
    found = load(folder)
    assert isinstance(found, Mixture)
    task = DriftingMixture(steps=120, heldout=60, events=(), wander=0.0).load(0)
    assert found.surprise_per_step(task.frame) == pytest.approx(told["surprise_per_step"], rel=1e-12)
    assert found.heldout_surprise_per_step(task.heldout) == told["heldout_surprise_per_step"]
    journal = Journal.read(folder / "journal.jsonl")
    assert journal.final.to_networkx().edges == found.graph.edges == read_graph(folder / "graph.json").edges
    page = (folder / "report.html").read_text("utf-8")
    for words in ("The components", "true clusters", "component_3", "components.csv", "The rows", "The network grew"):
        assert words in page.replace("<wbr>", ""), words
    assert "volatility" not in page.partition("<main>")[2].partition("<script")[0]
    assert "hidden" not in page.partition("<h2>How to read this page")[2].partition("<h2>")[0]
    assert "blackwell1973ferguson" in citations(folder).bibtex


@pytest.mark.parametrize(
    ("name", "after", "settings"),
    [
        (RECORD, 2, RANDOM),
        (SAVE, 3, RANDOM),
        ("sostruct.clusters.store.write_results", 0, RANDOM),
        (RECORD, 1, ()),
        (SAVE, 8, ("growth=random", "restraint.budget.nodes=9")),  # in twice the capacity it began with
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
    settings = ("launcher=basic", "growth=none,random,every", f"hydra.sweep.dir={sweep}")
    done = grown(None, "-m", *settings)
    assert done.code == 0, done.err
    assert len(list(sweep.glob("*/done.json"))) == 3
    table = "".join(path.read_text() for path in (sweep / "tables").glob("*.csv"))
    assert "adjusted_rand_index" in table
    for folder in sweep.glob("*/"):
        if (folder / "done.json").exists():
            more = numbers(folder)["components"] - 1
            assert (more == 0) if "growth=none" in folder.name else (1 <= more <= 4), folder.name


def test_ones_own_rows_with_gaps(small, workplace, series):
    series.iloc[3:6, 1] = np.nan
    series.iloc[8] = np.nan
    series.to_csv(workplace / "series.csv", index=False)
    done = small(workplace / "run", "network=mixture", "growth=none", "task.path=series.csv", task="csv")
    assert done.code == 0, done.err
    told = numbers(workplace / "run")
    assert told["rows"] == 60
    assert not {name for name in told if name.startswith(("adjusted", "clusters", "heldout_"))}
    found = load(workplace / "run")
    assert found.inputs == tuple("abcde")
    assert found.labels[8] == ""


def test_a_run_goes_on_from_the_graph_of_another(grown, workplace):
    grown(workplace / "first", *RANDOM)
    done = grown(workplace / "second", "growth=none", "network.start=first/graph.json")
    assert done.code == 0, done.err
    first, second = numbers(workplace / "first"), numbers(workplace / "second")
    assert second["components"] == first["components"] == 4
    assert second["log_evidence"] == first["log_evidence"]


def test_settings_of_the_network_reach_it(grown, workplace):
    settings = ("network.center=[1,2]", "network.noise=0.5", "network.spread=9", "network.memory=50")
    assert grown(workplace / "run", "growth=none", *settings).code == 0
    prior = load(workplace / "run").network.packed.prior
    np.testing.assert_array_equal(prior.center, [1.0, 2.0])
    np.testing.assert_array_equal(prior.spread, [9.0, 9.0])
    np.testing.assert_allclose(prior.precision, 4.0)
    assert prior.keep == pytest.approx(np.exp(-1 / 50))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["network.noise=-1"], ["noise=-1", "positive"]),
        (["network.center=left"], ["center='left'", "2 inputs"]),
        (["network.spread=[1,2,3]"], ["spread=[1, 2, 3]", "2 inputs"]),
        (["network.memory=0.5"], ["memory=0.5"]),
        (["network.memory=long"], ["long"]),
        (["network.freedom=2"], ["freedom=2"]),
        (["network.ridge=1"], ["network.ridge"]),
        (["network.start=nowhere.json"], ["nowhere.json"]),
        (["growth=evidence"], ["growth=crp"]),
        (["growth=residual"], ["no belief network"]),
        (["growth=crp", "growth.scorer.births=-1"], ["-1 births"]),
        (["task.events=[split]"], ["'split'"]),
        (["controller.epochs=0"], ["0 epochs"]),
    ],
)
def test_bad_settings_are_refused_before_work(grown, workplace, arguments, words):
    added = [f"+{word}" if word.startswith("growth.scorer") else word for word in arguments]
    refused(grown(workplace / "run", *added), *words)
    assert not (workplace / "run").exists()


@pytest.mark.parametrize("network", ["lagged", "belief"])
def test_other_networks_have_no_components(small, workplace, network):
    refused(small(workplace / "run", f"network={network}", "growth=crp"), "growth=crp", "network=mixture")
    assert not (workplace / "run").exists()


def test_rows_that_cannot_be_sorted_are_refused(small, workplace, series):
    series.assign(c=4.25).to_csv(workplace / "series.csv", index=False)
    refused(small(workplace / "run", "network=mixture", "task.path=series.csv", task="csv"), "'c'", "constant")
    assert not (workplace / "run").exists()


def test_labels_of_other_rows_are_refused():
    task = DriftingMixture(steps=120, heldout=60, every=50, glide=10).load(0)
    register()
    with initialize_config_dir(str(Path(cli.__file__).parent.parent / "conf"), version_base="1.3"):
        config = compose("config", overrides=["network=mixture"])
    workflow = workflow_of(config)
    assert workflow.estimator(config, task, crp(), 1).get_params()["memory"] is None
    with pytest.raises(DataError, match="120, and 180 rows"):
        workflow.estimator(config, replace(task, labels=task.labels[:120]), crp(), 1)


def test_it_is_in_the_help(sostruct):
    page = "\n".join(sostruct("--help").out)
    for words in ("experiment=mixture", "network=mixture", "crp"):
        assert words in page, words
