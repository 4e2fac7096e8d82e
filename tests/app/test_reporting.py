"""`sostruct-report` and `sostruct-cite`: what they print, where they write, and how they refuse."""

from __future__ import annotations

import json
import shutil

import pytest

from sostruct.app import citing, reporting
from sostruct.graph import Topology, read_graph

from ..reports.beliefs import history, write_beliefs
from ..reports.folders import write_run
from ..reports.sweep.fake import fail_job, write_json, write_sweep


@pytest.fixture
def report(capsys, monkeypatch):
    """Calls `sostruct-report`; gives exit code, standard output and standard error."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments, program=reporting.main):
        code = 0
        try:
            program([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def sweep(tmp_path):
    return write_sweep(tmp_path / "results" / "rules" / "sweep", seeds=range(6))


def test_a_sweep_is_printed_and_written(report, sweep):
    code, out, err = report(sweep)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "rules: growth: evidence, every, random, none; 6 replicates (seed)."
    header = next(line for line in lines if line.startswith("condition"))
    assert "AUROC, summary graph ↑" in header
    rows = [line.split() for line in lines if "±" in line and not line.startswith("mean")]
    assert [row[0] for row in rows] == ["evidence", "every", "random", "none"]
    assert {row[1] for row in rows} == {"6"}
    assert lines[-1] == str(sweep / "report.html")
    assert (sweep / "report.html").is_file()
    assert (sweep / "tables" / "means.tex").is_file()


def test_a_half_finished_sweep_is_said(report, sweep):
    fail_job(sweep / "growth=none,seed=0", "no space left on device")
    shutil.rmtree(sweep / "growth=none,seed=1")
    code, out, _ = report(sweep)
    assert code == 0
    assert "half-finished: 22 of 24 jobs have finished (1 failed, 1 not begun)" in out
    assert "failed: growth=none,seed=0: no space left on device" in out


def test_options_reach_the_report(report, sweep):
    code, out, _ = report(
        sweep, "--metric", "summary.shd", "--metric", "epochs", "--baseline", "random", "--confidence", "0.9"
    )
    assert code == 0
    assert "90 % interval" in out
    header = next(line for line in out.splitlines() if line.startswith("condition"))
    assert header.split()[2:] == ["SHD,", "summary", "graph", "↓", "epochs"]
    assert "growth=random" in (sweep / "tables" / "comparisons.csv").read_text()


def test_a_run_gets_its_own_page(report, tmp_path):
    run = write_run(tmp_path / "run", variables=3, rows=120)
    code, out, _ = report(run)
    assert (code, out) == (0, f"{run / 'report.html'}\n")
    assert "sostruct run report" in (run / "report.html").read_text()


def test_the_graphs_of_a_run_are_written_on_demand(report, tmp_path):
    run = write_beliefs(tmp_path / "run")
    code, out, _ = report(run)
    assert (code, out) == (0, f"{run / 'report.html'}\n")
    assert not (run / "graphs").exists()
    code, out, _ = report(run, "--graphml")
    assert (code, out) == (0, f"{run / 'graphs'}\n{run / 'report.html'}\n")
    names = sorted(path.name for path in (run / "graphs").iterdir())
    assert names == [*(f"epoch-000{epoch}.graphml" for epoch in range(6)), "start.graphml"]
    assert Topology.from_networkx(read_graph(run / "graphs" / "epoch-0005.graphml")) == history().final


def test_graphs_of_an_unfinished_run_can_be_had(report, tmp_path):
    run = write_beliefs(tmp_path / "run")
    (run / "metrics.json").unlink()
    code, out, err = report(run, "--graphml")
    assert (code, out) == (2, f"{run / 'graphs'}\n")
    assert "metrics.json" in err
    assert (run / "graphs" / "start.graphml").is_file()


def test_graphs_of_what_is_no_run_are_refused(report, sweep):
    code, out, err = report(sweep, "--graphml")
    assert (code, out) == (2, "")
    assert "journal.jsonl" in err
    assert not (sweep / "report.html").exists()


def test_a_folder_of_these_gets_an_index(report, sweep):
    results = sweep.parents[1]
    code, out, _ = report(sweep, results)
    assert code == 0
    assert out.splitlines()[-1] == str(results / "index.html")
    assert "rules/sweep/report.html" in (results / "index.html").read_text()


@pytest.mark.parametrize("arguments", [["nowhere"], ["empty"], ["file"]])
def test_a_folder_without_runs_is_refused(report, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    code, out, err = report(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("sostruct-report: Cannot ")
    assert "This is because" in err
    assert len(err.splitlines()) == 1
    assert arguments[0] in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--metric", "accuracy"], ["accuracy", "summary.auroc"]),
        (["--baseline", "nothing"], ["nothing", "growth=none"]),
        (["--replicate", "fold"], ["fold", "growth, seed"]),
        (["--confidence", "95"], ["95", "probability"]),
    ],
)
def test_options_that_fit_nothing_are_refused(report, sweep, arguments, words):
    code, out, err = report(sweep, *arguments)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert all(word in err for word in words)
    assert not (sweep / "report.html").exists()


def test_mixed_schema_versions_are_refused(report, sweep):
    done = sweep / "growth=none,seed=0" / "done.json"
    write_json(done, json.loads(done.read_text()) | {"schema": 7})
    code, _, err = report(sweep)
    assert code == 2
    assert "different schema versions: 2 (growth=evidence,seed=0) and 7 (growth=none,seed=0)" in err


def test_an_unfinished_run_is_refused_with_its_remedy(report, tmp_path):
    run = write_run(tmp_path / "run", variables=3, rows=120)
    (run / "metrics.json").unlink()
    code, _, err = report(run)
    assert code == 2
    assert "metrics.json" in err
    assert "run.resume" in err


def test_help_is_worth_reading(report):
    code, out, _ = report("--help")
    assert code == 0
    for words in ("index.html", "--baseline", "examples", "need not have finished", "Exit code 2"):
        assert words in out


def test_bibtex_is_printed(report, sweep):
    code, out, err = report(sweep, program=citing.main)
    assert (code, err) == (0, "")
    assert out.count("@") == out.count("\n}")
    assert "demsar2006statistical" in out


def test_parts_of_others_are_named_on_standard_error(report, sweep):
    (sweep / "growth=none,seed=0" / "config.yaml").write_text("growth:\n  _target_: mine.Rule\n")
    code, out, err = report(sweep, program=citing.main)
    assert code == 0
    assert "mine.Rule" in err
    assert "mine" not in out


def test_nothing_to_cite_is_refused(report, tmp_path):
    code, out, err = report(tmp_path, program=citing.main)
    assert (code, out) == (2, "")
    assert err.startswith("sostruct-cite: Cannot ")
