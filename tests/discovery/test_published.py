"""Published series with known graphs, where they are at hand: does the method travel?"""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import pandas as pd
import pytest

from sostruct.discovery.estimator import discover

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.mark.skipif(not DATA.is_dir(), reason="the published series are kept beside the repository, not in it")
def test_a_dense_weak_linear_system() -> None:
    """eSRU's VAR file S30, T 500: 20 links among 10 series; the literature's F-test reaches AUROC .997 and F1 .926."""
    frame = pd.read_csv(DATA / "var_S30_T500" / "series.csv")
    truth = nx.MultiDiGraph()
    truth.add_nodes_from(frame.columns)
    for link in pd.read_csv(DATA / "var_S30_T500" / "truth.csv").itertuples():
        truth.add_edge(link.cause, link.effect, lag=1)
    summary = discover(frame, max_lag=3).compare(truth).loc["summary"]
    assert summary["auroc"] >= 0.996
    assert summary["f1"] >= 0.926
