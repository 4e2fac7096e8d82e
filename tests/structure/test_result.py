"""What a structure says of itself, and that its numbers depend on the graph alone."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd
import pytest

from sostruct.networks.hgf.network import HGF
from sostruct.structure.result import rebuilt, settings_of


def test_tables_are_the_graph(found):
    graph = found.graph
    assert list(found.edges.columns) == ["source", "target", "coupling", "strength", "function"]
    assert len(found.edges) == graph.number_of_edges()
    for row in found.edges.itertuples(index=False):
        attributes = graph.edges[row.source, row.target, f"{row.coupling}:0"]
        assert (attributes["strength"], attributes["coupling"]) == (row.strength, row.coupling)
    nodes = found.nodes.set_index("node")
    assert set(nodes.index) == set(graph)
    assert set(nodes.index[nodes["observed"]]) == set(found.inputs)
    for name, attributes in graph.nodes(data=True):
        assert nodes.loc[name, "kind"] == attributes["kind"]
        for parameter in ("tonic_volatility", "precision", "autoconnection"):
            assert nodes.loc[name, parameter] == attributes[parameter]


def test_tables_of_nodes_of_several_kinds(found):
    graph = found.graph
    graph.add_node("one", kind="constant")
    graph.add_edge("one", "x0_state", coupling="value", strength=0.5)
    table = type(found)(HGF(graph), found.last, 1, 0.0, found.journal, found.history, True).nodes.set_index("node")
    assert table.loc["one", "kind"] == "constant"
    assert pd.isna(table.loc["one", "tonic_volatility"])


def test_surprise_is_minus_the_log_predictive_density(found, task):
    assert found.surprise_per_step(task.frame) == pytest.approx(-found.log_evidence / found.rows, rel=1e-12)
    assert found.rows == len(task.frame)
    again = found.network.filter(task.frame, strict=False)
    assert found.log_evidence == pytest.approx(again.log_evidence, rel=1e-12)
    for name, numbers in found.last.beliefs.items():
        np.testing.assert_array_equal(numbers, np.asarray(again.last.beliefs[name]))
    assert found.heldout_surprise_per_step(task.heldout) == pytest.approx(
        found.filter(task.heldout).surprise.mean(), rel=1e-12
    )


def test_a_network_is_rebuilt_from_its_settings(found):
    network = HGF(
        found.graph,
        update="unbounded",
        mean_field=False,
        carry="literature",
        linearize="previous",
        assimilate="separate",
        dtype="float32",
    )
    again = rebuilt(network.topology, network.inputs, settings_of(network))
    assert again.options == network.options
    assert again.dtype == "float32"
    assert again.inputs == network.inputs
    assert settings_of(found.network) != settings_of(network)


def test_it_is_drawn_and_shown(found):
    matplotlib.use("Agg")
    assert {text.get_text() for text in found.plot().texts} >= set(found.inputs)
    assert repr(found).startswith(f"Structure: {len(found.nodes)} nodes and {len(found.edges)} edges over 3 inputs")
