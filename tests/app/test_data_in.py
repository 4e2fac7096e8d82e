"""What the command line does with realizations, seasons, irregular rows and data that may mislead."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import sostruct as ss
from sostruct.tasks import SparseVAR

from .helpers import refused


@pytest.fixture
def subjects(workplace):
    """Two subjects of one system, seen every hour, with a daily wave."""
    frame = SparseVAR(nodes=3, steps=240, max_lag=1).load(1).frame
    frame += 3 * np.sin(2 * np.pi * np.arange(240)[:, None] / 24)
    parts = {"u": frame.iloc[:130], "v": frame.iloc[130:]}
    hours = pd.date_range("2020-01-01", periods=240, freq="h")
    named = [part.assign(who=name, hour=hours[part.index]) for name, part in parts.items()]
    path = workplace / "subjects.csv"
    pd.concat(named).to_csv(path, index=False)
    return path


def test_subjects_with_a_season_are_one_run(small, subjects, tmp_path):
    own = (f"task.path={subjects}", "task.realization=who", "task.max_lag=1")
    done = small(tmp_path / "run", *own, "network.season=[24]", task="csv")
    assert (done.code, done.err) == (0, [])
    found = ss.load(tmp_path / "run")
    assert found.posterior.count == 240 - 2 - 23
    assert found.treatment == (
        "2 realizations were searched together.",
        "A season of 24 rows, 23 terms, was taken off every series.",
    )
    assert any("A season of 24 rows" in line for line in done.out)
    named = small(tmp_path / "named", *own, "network.season=day", task="csv")
    assert named.code == 0
    assert (tmp_path / "named" / "edges.csv").read_bytes() == (tmp_path / "run" / "edges.csv").read_bytes()


def test_irregular_rows_are_refused_or_resampled(small, subjects, tmp_path):
    frame = pd.read_csv(subjects).query("who == 'u'").drop(columns="who").drop(index=[20, 21, 50])
    frame.to_csv(subjects, index=False)
    own = (f"task.path={subjects}", "task.max_lag=1")
    refused(small(tmp_path / "no", *own, task="csv"), "unequal distances", "irregular='resample'")
    done = small(tmp_path / "run", *own, "network.irregular=resample", task="csv")
    assert done.code == 0
    assert len(done.err) == 1, done.err  # once, though data are looked at twice
    assert done.err[0].startswith(
        "sostruct: 127 rows at unequal distances were put on 130 equal steps of 0 days 01:00:00"
    )
    assert "3 steps left missing" in done.err[0]
    assert ss.load(tmp_path / "run").treatment[0] in done.err[0]


def test_what_may_mislead_is_said(small, csv, series, tmp_path):
    clicks = np.random.default_rng(0).poisson(2.0, len(series))
    series.assign(e=series["a"] + 0.001 * series["e"], f=clicks).to_csv(csv, index=False)
    done = small(tmp_path / "run", f"task.path={csv}", "task.max_lag=1", "network.discrete=keep", task="csv")
    assert done.code == 0
    assert [line.split(":")[1] for line in done.err] == [" Counts", " Near-duplicates"]
    refused(small(tmp_path / "no", f"task.path={csv}", "network.discrete=refuse", task="csv"), "'f'", "counts")


def test_realizations_are_for_causes_alone(small, subjects, tmp_path):
    own = (f"task.path={subjects}", "task.realization=who", "network=belief", "growth=residual")
    refused(small(tmp_path / "run", *own, task="csv"), "several levels")
