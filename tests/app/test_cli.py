"""Runs through the command line: what they leave in their folder, what they print, and that they can be repeated."""

from __future__ import annotations

import json
from pathlib import Path

import jax
import pandas as pd
import pytest
from omegaconf import OmegaConf

from sostruct import load
from sostruct.graph import Journal, read_graph

from .helpers import contents

ALWAYS = {
    "config.yaml",
    "environment.json",
    "edges.csv",
    "scores.csv",
    "graph.json",
    "journal.jsonl",
    "signals.csv",
    "metrics.json",
    "done.json",
}
"""Files of every run folder, besides figures/ and report.html."""

CONFIGS = Path(__file__).parents[2] / "conf"


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_a_run_with_its_report(small, workplace):
    folder = workplace / "run"
    done = small(folder, "run.report=true")
    assert done.code == 0
    assert done.err == []
    assert names(folder) >= ALWAYS | {"report.html", "figures", "summary.csv", "truth.json"}
    assert done.out[-1] == str(folder / "report.html")
    page = (folder / "report.html").read_text("utf-8")
    assert "<svg" in page
    assert not {"http://", "https://"} & {word for word in page.split('"') if word.startswith(("http:", "https:"))}
    drawings = list((folder / "figures").iterdir())
    assert {path.suffix for path in drawings} >= {".svg"}
    assert all(path.stat().st_size > 500 for path in drawings)
    assert not any("tmp" in path.name for path in folder.rglob("*")), "a temporary file was left"


def test_what_a_run_leaves_says_what_was_run(small, workplace):
    folder = workplace / "run"
    done = small(folder, "seed=3", "name=mine")
    assert done.code == 0
    assert names(folder) >= ALWAYS | {"truth.json"}
    assert not {"report.html", "figures"} & names(folder)
    assert done.out[-1] == str(folder)

    config = OmegaConf.load(folder / "config.yaml")
    assert (config.seed, config.name, config.task.nodes, config.task.steps) == (3, "mine", 5, 120)
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["seed"] == 3
    assert environment["versions"].keys() >= {"python", "jax", "numpy", "sostruct"}
    assert environment.keys() >= {"device", "threads", "commit", "command", "schema"}
    assert environment["device"].startswith("cpu")
    assert "task.nodes=5" in environment["command"]
    assert json.loads((folder / "done.json").read_text())["settled"] is True

    found = load(folder)
    edges = pd.read_csv(folder / "edges.csv")
    assert list(edges.columns) == [
        "cause",
        "effect",
        "lag",
        "weight",
        "weight_sd",
        "nats",
        "probability",
        "function",
        "mark",
    ]
    pd.testing.assert_frame_equal(edges, found.edges, check_dtype=False, rtol=1e-14)
    assert len(pd.read_csv(folder / "scores.csv")) == 5 * 5 * 3
    graph, truth = read_graph(folder / "graph.json"), read_graph(folder / "truth.json")
    assert graph.number_of_edges() == len(edges)
    assert set(truth.nodes) == set(graph.nodes)
    numbers = json.loads((folder / "metrics.json").read_text())
    assert numbers["edges"] == len(edges)
    assert numbers["summary"].keys() >= {"auroc", "auprc", "f1", "shd"}
    signals = pd.read_csv(folder / "signals.csv")
    assert list(signals["epoch"].unique()) == list(range(numbers["epochs"]))


def test_the_journal_has_every_decision_and_three_refusals_per_target(small, workplace):
    folder = workplace / "run"
    small(folder)
    journal = Journal.read(folder / "journal.jsonl")
    graph = read_graph(folder / "graph.json")
    assert {(edge.source, edge.target, edge.lag) for edge in journal.final.edges} == set(graph.edges(data="lag"))
    refused = {}
    for line in (folder / "journal.jsonl").read_text().splitlines()[1:]:
        entry = json.loads(line)
        assert entry.keys() >= {"epoch", "edit", "nats", "accepted", "reason"}
        assert entry["reason"]
    for entry in journal:
        if not entry.accepted and entry.epoch == 0:
            target = entry.edits[0].edge.target  # before the first edit there is nothing to prune
            refused[target] = refused.get(target, 0) + 1
    assert refused == dict.fromkeys(["x0", "x1", "x2", "x3", "x4"], 3)


def test_the_table_at_the_end_is_short_and_about_different_series(small, workplace):
    folder = workplace / "run"
    done = small(folder)
    found = load(folder)
    others = found.edges[found.edges["cause"] != found.edges["effect"]]
    top = others.iloc[0]
    rows = [line.split() for line in done.out]
    assert [top["cause"], top["effect"], str(top["lag"])] in [row[:3] for row in rows]
    assert any("known graph" in line for line in done.out)
    assert len(done.out) < 25


@pytest.mark.parametrize(
    ("task", "settings", "scope"),
    [
        ("switch", ["task.nodes=4", "task.regimes=[0,1,0]"], " of the last regime, from row 80 on"),
        ("gaps", ["task.nodes=4", "task.missing=0.1", "task.stretches=1", "task.together=false"], ""),
        ("confounded", ["task.nodes=4"], " without hidden common causes"),
        ("bursts", ["task.nodes=4"], ""),
        ("lotka_volterra", ["task.nodes=4", "task.parents=1", "network.functions=linear"], ""),
        ("coupled_maps", ["task.nodes=4", "task.map=tent", "network.functions=linear"], ""),
    ],
)
def test_simulated_families_say_what_they_are_judged_by(small, workplace, task, settings, scope):
    folder = workplace / "run"
    done = small(folder, "task.steps=120", *settings, task=task)
    assert done.code == 0
    assert done.err == []
    assert any(line.startswith(f"against the known graph{scope}: F1") for line in done.out)
    numbers = json.loads((folder / "metrics.json").read_text())
    assert numbers["summary"].keys() >= {"auroc", "f1", "shd"}
    assert set(read_graph(folder / "truth.json").nodes) == set(read_graph(folder / "graph.json").nodes)


@pytest.mark.parametrize(
    ("task", "setting", "words"),
    [
        ("switch", "task.regimes=[1,1]", "regimes"),
        ("gaps", "network.functions=curved", "missing values"),
        ("gaps", "task.together=1", "together"),
        ("confounded", "task.children=9", "children"),
        ("bursts", "task.burst=0.1", "burst"),
        ("lotka_volterra", "task.nodes=9", "nodes=9"),
        ("coupled_maps", "task.map=circle", "circle"),
    ],
)
def test_what_a_family_cannot_be_is_refused_before_work_starts(small, workplace, task, setting, words):
    done = small(workplace / "run", setting, task=task)
    assert done.code == 2
    assert len(done.err) == 1
    assert words in done.err[0]
    assert not (workplace / "run").exists()


def test_without_a_folder_runs_land_in_results(small, workplace):
    one, other = small(None, "name=study"), small(None, "name=study")
    folders = list((workplace / "results" / "study").iterdir())
    assert len(folders) == 2
    assert {one.out[-1], other.out[-1]} == {str(folder) for folder in folders}
    assert names(workplace) == {"results"}, "something was written beside the results"


def test_the_last_line_is_the_path_whatever_it_looks_like(small, workplace):
    """Terminal libraries have markup and emoji of their own."""
    folder = workplace / "[red] a :bug:" / ("long" * 30)
    assert small(f'"{folder}"').out[-1] == str(folder)
    assert (folder / "done.json").is_file()


def test_ones_own_series(small, workplace, csv):
    (workplace / "truth.csv").write_text("cause,effect,lag\na,b,1\nb,c,2\n")
    folder = workplace / "run"
    done = small(folder, "task.path=series.csv", "task.truth=truth.csv", "task.max_lag=2", task="csv")
    assert done.code == 0
    found = load(folder)
    assert found.posterior.max_lag == 2
    assert {("a", "b", 1), ("b", "c", 2)} <= set(map(tuple, found.edges[["cause", "effect", "lag"]].to_numpy()))
    numbers = json.loads((folder / "metrics.json").read_text())
    assert numbers["lag_by_lag"]["recall"] == 1.0
    assert set(read_graph(folder / "truth.json").edges(data="lag")) == {("a", "b", 1), ("b", "c", 2)}


def test_ones_own_series_without_a_truth(small, workplace, csv):
    done = small(workplace / "run", "task.path=series.csv", task="csv")
    assert done.code == 0
    assert "truth.json" not in names(workplace / "run")
    assert "summary" not in json.loads((workplace / "run" / "metrics.json").read_text())
    assert not any("known graph" in line for line in done.out)


def test_a_truth_without_lags_is_compared_as_a_summary_alone(small, workplace, csv):
    (workplace / "truth.csv").write_text("cause,effect\na,b\nb,c\n")
    small(workplace / "run", "task.path=series.csv", "task.truth=truth.csv", task="csv")
    numbers = json.loads((workplace / "run" / "metrics.json").read_text())
    assert numbers["summary"]["recall"] == 1.0
    assert "lag_by_lag" not in numbers


def test_constraints_from_the_command_line(small, workplace, csv):
    folder = workplace / "run"
    done = small(
        folder, "task.path=series.csv", "network.forbidden=[[a,b]]", "network.required=[[d,a,3],[c,d]]", task="csv"
    )
    assert done.code == 0
    edges = set(map(tuple, load(folder).edges[["cause", "effect", "lag"]].to_numpy()))
    assert ("d", "a", 3) in edges
    assert {edge[:2] for edge in edges} >= {("c", "d")}
    assert ("a", "b") not in {edge[:2] for edge in edges}


@pytest.mark.parametrize("growth", ["random", "every", "none"])
def test_the_controls_run(small, workplace, growth):
    assert small(workplace / "run", f"growth={growth}").code == 0
    parents = pd.Series([edge.target for edge in Journal.read(workplace / "run" / "journal.jsonl").final.edges])
    assert set(parents.value_counts()) == (set() if growth == "none" else {2})


def test_a_run_that_is_stopped_early_says_so(small, workplace):
    done = small(workplace / "run", "controller.epochs=1")
    assert done.code == 0
    assert any("controller.epochs" in line for line in done.out)
    assert json.loads((workplace / "run" / "done.json").read_text())["settled"] is False


def test_same_seed_same_bytes(small, workplace):
    small(workplace / "one", "seed=2")
    small(workplace / "two", "seed=2")
    small(workplace / "other", "seed=4")
    one, two, other = (contents(workplace / name) for name in ("one", "two", "other"))
    assert one.keys() >= ALWAYS - {"config.yaml", "environment.json"}
    assert one == two
    assert one["edges.csv"] != other["edges.csv"]


def test_a_sweep(small, workplace):
    """Every job finishes in a folder of its own, the same whatever flag its process had before."""
    sweep = workplace / "sweep"
    done = small(None, "-m", "launcher=basic", "seed=0,1", "jax.enable_x64=true,false", f"hydra.sweep.dir={sweep}")
    assert done.code == 0
    jobs = sorted(path for path in sweep.iterdir() if (path / "done.json").is_file())
    assert len(jobs) == 4
    assert all(names(job) >= ALWAYS for job in jobs)
    own = {"job.json", "timing.json", ".lock"}
    seen = [
        (OmegaConf.load(job / "config.yaml").seed, {k: v for k, v in contents(job).items() if k not in own})
        for job in jobs
    ]
    small(workplace / "alone", "seed=1")
    alone = contents(workplace / "alone")
    assert [found == alone for seed, found in seen if seed == 1] == [True, True]
    assert [found["edges.csv"] == alone["edges.csv"] for seed, found in seen if seed == 0] == [False, False]


def test_a_sweep_without_a_folder_has_one_by_its_name(small, workplace):
    small(None, "-m", "launcher=basic", "seed=0,1", "name=study")
    (folder,) = (workplace / "results" / "study").iterdir()
    assert folder.name == "sweep"
    assert len(list(folder.glob("*/done.json"))) == 2


def test_flags_do_not_leak_between_runs(sostruct, monkeypatch):
    """Launchers reuse a process: every run sets every flag, whatever the run before had set."""
    seen = []

    def stop(config, *rest, **others):
        seen.append((config.jax.enable_x64, jax.config.jax_enable_x64, jax.config.jax_debug_nans))
        raise KeyboardInterrupt

    monkeypatch.setattr("sostruct.app.session._carry_out", stop)
    before = jax.config.jax_enable_x64
    try:
        for flags in (("jax.enable_x64=true", "jax.debug_nans=true"), ()):
            jax.config.update("jax_enable_x64", not flags)
            with pytest.raises(KeyboardInterrupt):
                sostruct("task.nodes=5", *flags)
    finally:
        jax.config.update("jax_enable_x64", before)
    assert seen == [(True, True, True), (False, False, False)]


def test_help_and_settings_can_be_asked_for(sostruct, workplace):
    shown = sostruct("--help")
    assert shown.code == 0
    text = "\n".join(shown.out)
    rules = "growth: " + ", ".join(sorted(path.stem for path in (CONFIGS / "growth").glob("*.yaml")))
    assert {"evidence", "random", "natural_expansion"} <= set(rules.split(": ")[1].split(", "))
    for word in ("task=csv task.path=", "run.resume=", rules, "hydra.run.dir", "-m"):
        assert word in text
    assert sostruct("--cfg", "job").code == 0
    assert names(workplace) == set()
