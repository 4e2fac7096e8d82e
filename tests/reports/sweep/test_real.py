"""A small sweep of real runs, from `CausalDiscovery` to the page."""

import json
from itertools import product
from pathlib import Path

import pytest

from sostruct.control.finished import DONE
from sostruct.discovery.estimator import CausalDiscovery
from sostruct.discovery.store import metrics, write_results
from sostruct.growth.catalogue import all_rules
from sostruct.reports.sweep import analyze, read_sweep, write_sweep_report
from sostruct.tasks import SparseVAR

from ..test_page import Page
from .fake import begin_job, write_json


@pytest.mark.slow
def test_real_runs_become_a_report(tmp_path: Path) -> None:
    found = {}
    for rule, seed in product(("evidence", "none"), range(2)):
        overrides = [f"growth={rule}", f"seed={seed}"]
        folder = begin_job(tmp_path / ",".join(overrides), overrides)
        task = SparseVAR(nodes=4, steps=120, max_lag=2).load(seed)
        estimator = CausalDiscovery(2, growth=all_rules[rule](), seed=seed).fit(task.frame, folder=folder)
        result = found[folder.name] = estimator.result_
        write_results(folder, result, metrics(result, task.truth), task.truth)
        write_json(folder / DONE, {"schema": 2, "settled": result.settled})
    sweep = read_sweep(tmp_path)
    assert sweep.complete
    for name, result in found.items():
        row = sweep.frame.set_index("job").loc[name]
        assert row["edges"] == result.posterior.active.sum()
        assert row["summary.auroc"] == json.loads((tmp_path / name / "metrics.json").read_text())["summary"]["auroc"]
        own = sweep.curves[sweep.curves["job"] == name]
        assert len(own) == len(result.history)
        assert own["surprise"].iloc[-1] == pytest.approx(result.history.total(len(result.history) - 1))
        assert own["surprise_per_step"].iloc[-1] == pytest.approx(row["surprise_per_step"])
        assert own["edges"].iloc[-1] == row["edges"]  # a settled run ends with an epoch without edits
        assert own["edits"].sum() == row["edits"]
    assert dict(analyze(sweep).baseline) == {"growth": "none"}
    made = Page(write_sweep_report(tmp_path))
    assert "4 of 4" not in made.text
    assert made.elements["svg"] > 4
