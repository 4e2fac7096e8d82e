"""Populations: one compiled call returns what every network returns by itself."""

import jax
import networkx as nx
import numpy as np
import pytest

from sostruct.errors import BeliefError, ConfigError, DataError, GraphError
from sostruct.graph import AddEdge, AddNode, Edge
from sostruct.networks.hgf import passes, population
from sostruct.networks.hgf.network import HGF
from sostruct.networks.hgf.population import filter_population

KEY = jax.random.key(0)


def pair(**settings: object) -> HGF:
    graph = nx.DiGraph([("x", "u"), ("x", "w")])
    nx.set_node_attributes(graph, {name: {"kind": "continuous", "precision": 5.0} for name in graph})
    return HGF(graph, **settings)


def members() -> list[HGF]:
    """A network, its beliefs after an epoch, and two other graphs, one of them beyond its capacity."""
    first = pair()
    moved, _ = first.epoch(first.prepare(data()), key=KEY)
    volatile = first.edited([AddNode("v", "continuous"), AddEdge(Edge("v", "x", "volatility"))], key=KEY)
    crowd = [AddNode(f"n{number}", "continuous", {"autoconnection": 0.5}) for number in range(9)]
    wide = first.edited([*crowd, *(AddEdge(Edge(node.name, "u", strength=0.1)) for node in crowd)], key=KEY)
    return [first, moved, volatile, wide]


def data(steps: int = 25) -> np.ndarray:
    series = np.cumsum(np.random.default_rng(0).normal(size=(steps, 2)), axis=0)
    series[3:6, 0] = np.nan
    return series


@pytest.mark.parametrize("large", [0, 64])
def test_every_member_is_filtered_as_if_alone(large: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(population, "_LARGE", large)
    elapsed = np.random.default_rng(1).uniform(0.5, 1.5, 25)
    networks = members()
    for one, together in zip(networks, filter_population(networks, data(), elapsed), strict=True):
        alone = one.filter(data(), elapsed)
        assert together.nodes == alone.nodes
        for quantity in ("mean", "precision", "expected_mean", "expected_precision", "surprise", "composite"):
            np.testing.assert_allclose(
                getattr(together, quantity), getattr(alone, quantity), rtol=1e-8, atol=1e-10, err_msg=quantity
            )
        assert together.log_evidence == pytest.approx(alone.log_evidence, abs=1e-9)


def test_it_is_one_compiled_call(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    whole = passes.population
    monkeypatch.setattr(passes, "population", lambda *arguments: calls.append(1) or whole(*arguments))
    filter_population(members(), data())
    assert calls == [1]


def test_subjects_are_members_of_members() -> None:
    subjects = np.stack([data(), data() + 1.0])
    networks = members()[:2]
    together = filter_population(networks, subjects)
    for one, beliefs in zip(networks, together, strict=True):
        np.testing.assert_allclose(beliefs.mean, one.filter(subjects).mean, rtol=1e-9, atol=1e-12)


def test_a_failure_names_the_network() -> None:
    wild = data()
    wild[10] = 1e4
    calm = pair(update="standard")
    jumpy = [AddNode("v", "continuous", {"precision": 0.1}), AddEdge(Edge("v", "x", "volatility"))]
    networks = [calm, calm.edited(jumpy, key=KEY)]
    with pytest.raises(BeliefError, match=r"'v' of network 1 at step 1\d"):
        filter_population(networks, wild)
    held = filter_population(networks, wild, strict=False)
    assert held[1].held["v"] > 0
    assert held[0].held.sum() == 0


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(ConfigError, match="empty population"):
        filter_population([], data())
    with pytest.raises(ConfigError, match=r"network 1 has the inputs \('w', 'u'\) and network 0"):
        filter_population([pair(), pair(inputs=["w", "u"])], data())
    with pytest.raises(ConfigError, match="network 1 has the settings"):
        filter_population([pair(), pair(mean_field=False)], data())
    with pytest.raises(ConfigError, match="network 1 has the dtype float32"):
        filter_population([pair(), pair(dtype="float32")], data())
    with pytest.raises(DataError, match="3 columns"):
        filter_population([pair()], np.zeros((5, 3)))
    backwards = pair().with_parameters({"x": {"autoconnection": -0.5}})
    with pytest.raises(GraphError, match=r"'x' has autoconnection -0\.5"):
        filter_population([pair(), backwards], data(), np.full(25, 2.0))
