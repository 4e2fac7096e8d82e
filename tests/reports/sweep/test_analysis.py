"""From the table of jobs to the numbers of a report."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from sostruct.errors import RunError
from sostruct.reports.palette import LIGHT
from sostruct.reports.sweep import SweepOptions, analyze, read_sweep
from sostruct.reports.sweep.options import metric_label
from sostruct.reports.sweep.statistics import mean_interval, paired
from sostruct.reports.sweep.style import styles

from .fake import write_sweep


def test_means_are_those_of_the_files(sweep_folder: Path) -> None:
    analysis = analyze(read_sweep(sweep_folder))
    assert analysis.metrics == ("summary.auroc", "summary.f1", "edges", "surprise_per_step")
    files = sorted(sweep_folder.glob("growth=every,seed=*/metrics.json"))
    values = [json.loads(path.read_text())["summary"]["auroc"] for path in files]
    row = analysis.row("summary.auroc", "growth=every")
    expected = mean_interval(values)
    assert row["n"] == 10
    assert (row["mean"], row["low"], row["high"]) == pytest.approx((expected.mean, expected.low, expected.high))


def test_the_baseline_is_the_condition_without_edits(sweep_folder: Path) -> None:
    analysis = analyze(read_sweep(sweep_folder))
    assert dict(analysis.baseline) == {"growth": "none"}
    own = analysis.comparisons[analysis.comparisons["metric"] == "summary.auroc"]
    assert list(own["condition"]) == ["growth=evidence", "growth=every", "growth=random"]
    assert set(own["baseline"]) == {"growth=none"}
    expected = paired(analysis.values("summary.auroc", "growth=every"), analysis.values("summary.auroc", "growth=none"))
    row = own[own["condition"] == "growth=every"].iloc[0]
    assert (row["difference"], row["t"], row["p_t"], row["p_w"]) == pytest.approx(
        (expected.difference.mean, expected.t, expected.p_t, expected.p_w)
    )
    assert row["p_w"] == pytest.approx(2 / 2**10)  # ten wins of ten
    assert own["p_w_holm"].tolist() == pytest.approx([6 / 2**10] * 3)


def test_pairs_are_shared_replicates(copied: Path) -> None:
    (copied / "growth=none,seed=3" / "done.json").unlink()
    (copied / "growth=every,seed=4" / "done.json").unlink()
    analysis = analyze(read_sweep(copied))
    own = analysis.comparisons[analysis.comparisons["metric"] == "edges"].set_index("condition")
    assert own["n"].to_dict() == {"growth=evidence": 9, "growth=every": 8, "growth=random": 9}
    assert analysis.row("edges", "growth=every")["n"] == 9
    assert analysis.rankings["summary.auroc"].result.blocks == 8


def test_another_baseline(sweep_folder: Path) -> None:
    sweep = read_sweep(sweep_folder)
    for given in ("random", "growth=random"):
        analysis = analyze(sweep, SweepOptions(baseline=given))
        assert set(analysis.comparisons["baseline"]) == {"growth=random"}
    for given in ("nothing", "task=none", "growth=nothing"):
        with pytest.raises(RunError, match="growth=evidence, growth=every, growth=random, growth=none"):
            analyze(sweep, SweepOptions(baseline=given))


def test_the_first_condition_where_none_is_called_none(tmp_path: Path) -> None:
    analysis = analyze(read_sweep(write_sweep(tmp_path, {"growth": ["every", "random"]}, seeds=range(3))))
    assert dict(analysis.baseline) == {"growth": "every"}


def test_conditions_meet_the_baseline_of_their_own_task(tmp_path: Path) -> None:
    factors = {"task": ["var", "lorenz96"], "growth": ["evidence", "every", "none"]}
    analysis = analyze(read_sweep(write_sweep(tmp_path, factors, seeds=range(5))))
    assert dict(analysis.baseline) == {"growth": "none"}
    own = analysis.comparisons[analysis.comparisons["metric"] == "edges"]
    assert list(zip(own["condition"], own["baseline"], strict=True)) == [
        (f"task={task},growth={rule}", f"task={task},growth=none")
        for task in ("var", "lorenz96")
        for rule in ("evidence", "every")
    ]
    ranking = analysis.rankings["summary.auroc"]
    assert ranking.methods == ("growth=evidence", "growth=every", "growth=none")
    assert ranking.result.blocks == 10  # two tasks, five seeds
    assert analysis.labels["task=var,growth=every"] == "var, every"
    assert analysis.labels["growth=every"] == "every"
    exact = analyze(analysis.sweep, SweepOptions(baseline="task=var,growth=none"))
    assert set(exact.comparisons["baseline"]) == {"task=var,growth=none"}
    assert len(exact.rankings["summary.auroc"].methods) == 6


def test_numbers_are_named_by_their_setting(tmp_path: Path) -> None:
    factors = {"growth": ["every"], "task.nodes": ["5", "10"]}
    analysis = analyze(read_sweep(write_sweep(tmp_path, factors, seeds=range(2))))
    assert analysis.sweep.factors == ("task.nodes",)
    assert analysis.labels["task.nodes=10"] == "nodes=10"


def test_the_best_is_marked_only_where_it_differs_from_all(sweep_folder: Path, tmp_path: Path) -> None:
    means = analyze(read_sweep(sweep_folder)).means
    best = means[means["best"]]
    assert list(zip(best["metric"], best["condition"], strict=True))[:2] == [
        ("summary.auroc", "growth=evidence"),
        ("summary.f1", "growth=evidence"),
    ]
    assert "edges" not in set(best["metric"])  # neither many nor few are better
    few = analyze(read_sweep(write_sweep(tmp_path / "few", {"growth": ["evidence", "every"]}, seeds=range(1)))).means
    assert not few["best"].any()


def test_a_tie_for_the_best_is_not_marked(copied: Path) -> None:
    for seed in range(10):
        twin = json.loads((copied / f"growth=evidence,seed={seed}" / "metrics.json").read_text())
        (copied / f"growth=every,seed={seed}" / "metrics.json").write_text(json.dumps(twin))
    analysis = analyze(read_sweep(copied))
    assert not analysis.means["best"].any()
    own = analyze(analysis.sweep, SweepOptions(baseline="every")).comparisons
    row = own[(own["condition"] == "growth=evidence") & (own["metric"] == "summary.f1")].iloc[0]
    assert (row["p_t"], row["p_w"], row["note"]) == (1.0, 1.0, "no difference in any pair")


def test_metrics_without_a_direction_are_compared_and_not_ranked(sweep_folder: Path) -> None:
    analysis = analyze(read_sweep(sweep_folder), SweepOptions(metrics=("edges", "summary.shd")))
    assert set(analysis.rankings) == {"summary.shd"}
    assert set(analysis.comparisons["metric"]) == {"edges", "summary.shd"}


def test_an_unknown_metric_is_refused(sweep_folder: Path) -> None:
    with pytest.raises(RunError, match=r"accuracy.*summary\.auroc"):
        analyze(read_sweep(sweep_folder), SweepOptions(metrics=("accuracy",)))


def test_nothing_finished_is_no_error(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path, seeds=range(2))
    for path in folder.glob("*/done.json"):
        path.unlink()
    analysis = analyze(read_sweep(folder), SweepOptions(metrics=("edges",)))
    assert analysis.metrics == ()
    assert analysis.comparisons.empty


def test_undefined_scores_are_left_out(copied: Path) -> None:
    path = copied / "growth=every,seed=0" / "metrics.json"
    written = json.loads(path.read_text())
    written["summary"]["auroc"] = None
    path.write_text(json.dumps(written))
    analysis = analyze(read_sweep(copied))
    assert analysis.row("summary.auroc", "growth=every")["n"] == 9
    assert analysis.row("summary.f1", "growth=every")["n"] == 10


def test_a_sweep_over_seeds_alone(tmp_path: Path) -> None:
    analysis = analyze(read_sweep(write_sweep(tmp_path, {"growth": ["every"]}, seeds=range(4))))
    assert analysis.sweep.conditions == ("all",)
    assert not analysis.baseline
    assert analysis.comparisons.empty
    assert not analysis.rankings


def test_a_sweep_without_replicates(tmp_path: Path) -> None:
    analysis = analyze(read_sweep(write_sweep(tmp_path, seeds=[0])))
    assert (analysis.means["n"] == 1).all()
    assert analysis.means["low"].isna().all()
    assert set(analysis.comparisons["note"]) == {"one pair: no test"}
    assert analysis.comparisons["p_t_holm"].isna().all()


@pytest.mark.parametrize("confidence", [0.0, 1.0, -1.0, math.nan])
def test_a_confidence_is_a_probability(confidence: float) -> None:
    with pytest.raises(RunError, match="confidence"):
        SweepOptions(confidence=confidence)


def test_no_metric_is_refused() -> None:
    with pytest.raises(RunError, match="metric"):
        SweepOptions(metrics=())


def test_metrics_in_words() -> None:
    assert metric_label("summary.auroc") == "AUROC, summary graph"
    assert metric_label("lag_by_lag.f1") == "F1, lag by lag"
    assert metric_label("surprise_per_step") == "surprise per step, nats"
    assert metric_label("surprise_per_step", unit=False) == "surprise per step"


def test_ranks_add_up(sweep_folder: Path) -> None:
    for ranking in analyze(read_sweep(sweep_folder)).rankings.values():
        assert np.sum(ranking.result.ranks) == pytest.approx(10.0)


def test_styles_tell_every_condition_from_the_others(tmp_path: Path) -> None:
    rules = [f"rule{place}" for place in range(12)] + ["none"]
    for factors in (
        {"growth": rules},
        {"task": ["var", "lorenz96", "nonlinear"], "growth": ["evidence", "every", "none"]},
    ):
        folder = tmp_path / str(len(factors))
        analysis = analyze(read_sweep(write_sweep(folder, factors, seeds=range(1))))
        found = styles(analysis)
        assert set(found) == set(analysis.sweep.conditions)
        assert len({(look.color, look.marker, str(look.line)) for look in found.values()}) == len(found)
    assert {found[f"task={task},growth=every"].color for task in ("var", "lorenz96")} == {LIGHT["vermilion"]}
    assert found["task=var,growth=none"].color == LIGHT["muted"]
