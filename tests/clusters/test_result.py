"""What a mixture says of itself, and that its numbers depend on graph, settings and rows alone."""

from __future__ import annotations

import jax
import numpy as np
import pandas as pd
import pytest

from sostruct.clusters.estimator import learn_mixture
from sostruct.clusters.result import follow
from sostruct.errors import DataError
from sostruct.graph import Topology
from sostruct.growth import catalogue


def test_tables_are_the_graph(found):
    graph = found.graph
    assert len(found.edges) == graph.number_of_edges() == 6
    for row in found.edges.itertuples(index=False):
        assert graph.edges[row.source, row.target, f"{row.coupling}:0"]["strength"] == row.strength
    nodes = found.nodes.set_index("node")
    assert set(nodes.index) == set(graph)
    assert set(nodes.index[nodes["observed"]]) == set(found.inputs)
    for name, attributes in graph.nodes(data=True):
        assert nodes.loc[name, "kind"] == attributes["kind"]
        own = {"component": ("count",), "continuous": ("mean", "precision")}[attributes["kind"]]
        assert nodes.loc[name, list(own)].tolist() == [attributes[one] for one in own]


def test_components_are_those_of_the_network(found, task):
    table = found.components.set_index("component")
    pd.testing.assert_frame_equal(table, found.network.table().rename_axis("component"))
    assert table["weight"].sum() == pytest.approx(120 + 3, abs=3.0)
    for cluster in range(3):
        rows = task.frame[task.labels[:120] == cluster].mean()
        nearest = (table[["x0 mean", "x1 mean"]].to_numpy() - rows.to_numpy()) ** 2
        assert np.sqrt(nearest.sum(axis=1).min()) < 1.0


def test_points_are_predicted_before_they_are_learned(found, task):
    first, start = task.frame[:60], found.network.reset()
    alone = -start.log_density(first)
    assert found.points["surprise"][0] == pytest.approx(alone[0], rel=1e-9)
    assert found.points["surprise"][:60].sum() < alone.sum() - 10.0
    assert found.points["share"].between(0.0, 1.0).all()


def test_evidence_is_surprise_and_the_places_of_the_components(found, task):
    total = found.points["surprise"].sum()
    assert found.log_evidence < -total, "places cost something"
    assert found.surprise_per_step(task.frame) == pytest.approx(total / 120, rel=1e-12)


def test_rows_that_follow_go_on_where_the_others_ended(found, task):
    first = follow(found.network.reset(), task.frame[:60])
    then = follow(first.network, task.frame[60:])
    surprise = np.concatenate([first.points["surprise"], then.points["surprise"]])
    np.testing.assert_allclose(surprise, found.points["surprise"], rtol=1e-9)
    assert first.log_evidence + then.log_evidence == pytest.approx(found.log_evidence, rel=1e-9)
    later = found.follow(task.heldout)
    assert later.log_evidence == pytest.approx(-later.points["surprise"].sum(), rel=1e-9), "places are paid for once"
    assert found.heldout_surprise_per_step(task.heldout) == later.points["surprise"].mean()
    assert later.points["surprise"][0] == pytest.approx(-found.network.log_density(task.heldout)[0], rel=1e-9)


def test_a_result_does_not_know_how_the_run_came_to_its_graph(found, task):
    """Capacities never shrink in a run; numbers must not depend on how far they grew."""
    more = learn_mixture(task.frame, start=found.graph, growth=catalogue.none())
    wide = more.network.at_capacity(more.network.afresh(_crowd(found)).packed.capacity)
    assert wide.packed.capacity != more.network.packed.capacity
    again = type(found).of(wide, task.frame, found.journal, found.history, True)
    pd.testing.assert_frame_equal(again.points, found.points, check_exact=True)
    assert again.log_evidence == found.log_evidence


def _crowd(found) -> Topology:
    """The graph of more components than there is room for."""
    network = found.network
    for seed in range(8):
        (birth,) = network.draw(key=jax.random.key(seed))
        network = network.edited(birth.edits, key=jax.random.key(0))
    return network.topology


def test_agreement_with_known_clusters(found, task):
    labels = task.labels[:120]
    assert found.compare(labels) == found.compare([f"cluster {label}" for label in labels])
    assert found.compare(found.labels.astype(str)) == 1.0
    with pytest.raises(DataError, match="120 rows"):
        found.compare(labels[:5])


def test_it_is_shown(found):
    assert repr(found).startswith("Mixture: 3 components over 2 inputs, 120 rows, ")
