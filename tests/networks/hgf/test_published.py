"""Published runs of the literature's filter: every belief, both schedules, double and single precision."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest

from sostruct.networks.hgf.network import HGF

FOLDER = Path(__file__).parents[4] / "shared" / "oracles"
CASES = sorted(path.stem for path in FOLDER.glob("*.json"))
BELIEFS = ("mean", "precision", "expected_mean", "expected_precision")

THREE_LEVELS = {
    "nodes": [
        {"id": "n0", "kind": "continuous", "precision": 10000.0},
        {"id": "n1", "kind": "continuous", "mean": 1.04, "precision": 10000.0, "tonic_volatility": -13.0},
        {"id": "n2", "kind": "continuous", "mean": 1.0, "precision": 10.0, "tonic_volatility": -2.0},
    ],
    "edges": [{"source": "n1", "target": "n0"}, {"source": "n2", "target": "n1", "coupling": "volatility"}],
    "inputs": ["n0"],
    "update": "ehgf",
    "mean_field": True,
}
"""The three-level continuous filter; its first steps on exchange rates 1.0357, 1.0319, 1.0359 are published."""


def network(case: dict[str, Any], schedule: str, dtype: str = "float64") -> HGF:
    graph = nx.MultiDiGraph()
    for node in case["nodes"]:
        graph.add_node(node["id"], **{name: value for name, value in node.items() if name != "id"})
    for edge in case["edges"]:
        ends = edge["source"], edge["target"]
        graph.add_edge(*ends, **{name: value for name, value in edge.items() if name not in ("source", "target")})
    return HGF(
        graph,
        inputs=case["inputs"],
        update=case["update"],
        mean_field=case["mean_field"],
        carry="literature",
        assimilate="separate",
        linearize="previous",
        schedule=schedule,
        dtype=dtype,
    )


@pytest.mark.parametrize("schedule", ["packed", "unrolled"])
def test_the_first_steps_of_a_three_level_filter(schedule):
    beliefs = network(THREE_LEVELS, schedule).filter([1.0357, 1.0319, 1.0359])
    np.testing.assert_allclose(beliefs.frame("mean")["n1"], [1.03778592, 1.03563437, 1.03571378], atol=5e-9)
    np.testing.assert_allclose(beliefs.frame("mean")["n2"], [0.99680744, 0.99120002, 0.98046983], atol=5e-9)
    expected = beliefs.frame("expected_precision")
    np.testing.assert_allclose(expected["n1"], [9421.14485405, 17356.62181636, 23449.6269708], atol=5e-6)
    np.testing.assert_allclose(beliefs.frame("precision")["n2"], [4.26288353, 2.72076791, 2.01366811], atol=5e-9)


@pytest.mark.skipif(not CASES, reason="the published runs are not beside this checkout")
@pytest.mark.parametrize("schedule", ["packed", "unrolled"])
@pytest.mark.parametrize("name", CASES or ["none"])
def test_every_belief_of_a_published_run(name, schedule):
    case, truth = json.loads((FOLDER / f"{name}.json").read_text("utf-8")), np.load(FOLDER / f"{name}.npz")
    beliefs = network(case, schedule).filter(truth["inputs"])
    moved = np.where(np.arange(len(truth["inputs"]))[:, None] % 2, 1e-7, -1e-7)
    near = (
        network(case, schedule).filter(truth["inputs"] * (1 + moved)) if case["nodes"][0]["kind"] != "binary" else None
    )
    single = network(case, schedule, "float32").filter(truth["inputs"])
    for quantity in BELIEFS:
        for node in beliefs.nodes:
            exact = beliefs.frame(quantity)[node].to_numpy()
            np.testing.assert_allclose(exact, truth[f"{node}/{quantity}"], rtol=1e-6, err_msg=f"{node} {quantity}")
            if not np.isfinite(exact).all():
                continue
            # single precision: within 100 times the change by inputs that are off by a relative 1e-7
            change = np.finfo(np.float32).eps * np.abs(exact).max()
            if near is not None:
                change = max(change, np.abs(near.frame(quantity)[node].to_numpy() - exact).max())
            off = np.abs(single.frame(quantity)[node].to_numpy() - exact).max()
            assert off <= 100 * change, f"{node} {quantity}: {off / change:.0f} times"
    if "first_level_gaussian" in case["scalars"]:
        assert beliefs.first_level.sum() == pytest.approx(case["scalars"]["first_level_gaussian"], rel=1e-6)
    if "first_level_binary" in case["scalars"]:
        assert beliefs.first_level.sum() == pytest.approx(case["scalars"]["first_level_binary"], rel=1e-6)
