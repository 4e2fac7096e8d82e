"""The dense schedule against the packed one, and what the workbench makes of it."""

from __future__ import annotations

from dataclasses import asdict

import jax
import numpy as np
import pytest

from sostruct.errors import ConfigError, GraphError
from sostruct.graph import AddEdge, AddNode, Edge, RemoveNode, SetParameters, Topology
from sostruct.growth.counterfactual import evaluate
from sostruct.networks.hgf.builders import bare_hgf
from sostruct.networks.hgf.components import components, part
from sostruct.networks.hgf.network import HGF
from sostruct.networks.hgf.workbench import Trial, Workbench
from tests.networks.hgf.schedules import Settings, random_system

KEY = jax.random.key(0)
BASE = Topology.from_networkx(bare_hgf(["a", "b", "c"], tonic_volatility=-1.0, precision=4.0))
SHARED = (
    AddNode("v", "continuous", {"autoconnection": 0.9, "tonic_volatility": -2.0}),
    AddEdge(Edge("v", "a_state", "volatility")),
    AddEdge(Edge("v", "b_state", "volatility", strength=0.5)),
)


def series(steps: int = 60, columns: int = 3) -> np.ndarray:
    rng = np.random.default_rng(steps)
    data = np.cumsum(rng.normal(size=(steps, columns)), 0)
    data[rng.random(data.shape) < 0.1] = np.nan
    return data


CASES = [
    (Settings(), False, False),
    (Settings(carry="literature"), True, True),
    (Settings(update="unbounded", linearize="previous"), True, False),
    (Settings(update="standard", assimilate="separate"), True, True),
]


@pytest.mark.parametrize(("settings", "several", "irregular"), CASES, ids=str)
def test_it_agrees_with_the_equations(settings: Settings, several: bool, irregular: bool) -> None:
    compared = 0
    for seed in range(4):
        rng = np.random.default_rng((seed, several, irregular))
        system = random_system(
            rng, 7, 20, missing=0.2, irregular=irregular, several_parents=several, functions=("identity",)
        )
        own = asdict(settings)
        network = HGF(system.graph, inputs=list(system.inputs), schedule="packed", **own)
        bench = Workbench(network, network.prepare(system.data, system.time_steps))
        found = float(np.sum(bench.evidence(bench.components(network.topology))))
        truth = system.truth(settings)
        if any(truth.held.values()):
            assert not np.isfinite(found)
        else:
            np.testing.assert_allclose(found, -truth.surprise.sum(), rtol=1e-9)
            compared += 1
    assert compared


def test_components_share_nothing_and_add_up() -> None:
    network = HGF(BASE, schedule="packed").edited(SHARED, key=KEY)
    parts = components(network.topology, network.inputs)
    assert [one.inputs for one in parts] == [("a", "b"), ("c",)]
    assert parts[0].nodes == {"a", "b", "a_state", "b_state", "v"}
    assert part(network.topology, ["c", "c_state"]) == parts[1].topology
    bench = Workbench(network, network.prepare(series()))
    np.testing.assert_allclose(np.sum(bench.evidence(parts)), float(network.log_evidence(series())), rtol=1e-12)


def test_gains_are_those_of_whole_epochs() -> None:
    network = HGF(BASE, schedule="packed")
    data = network.prepare(series())
    bundles = [
        SHARED,
        (SetParameters("a", {"precision": 1.0}),),
        (RemoveNode("b_state"), AddEdge(Edge("a_state", "b", strength=0.5))),
        (AddNode("s", "continuous"), AddEdge(Edge("s", "c", strength=0.3))),
        (),
    ]
    np.testing.assert_allclose(
        Workbench(network, data).gains(bundles), evaluate(network, data, bundles, key=KEY), rtol=1e-9, atol=1e-9
    )
    with pytest.raises(GraphError, match="nobody"):
        Workbench(network, data).gains([(RemoveNode("nobody"),)])


def test_a_table_of_numbers_is_as_many_networks() -> None:
    network = HGF(BASE, schedule="packed").edited(SHARED, key=KEY)
    bench = Workbench(network, network.prepare(series()))
    own = bench.components(network.topology)[0]
    knobs = (("a", "precision"), ("v", "autoconnection"), (("v", "b_state", "volatility", 0), "strength"))
    values = np.random.default_rng(1).uniform(0.2, 0.9, (40, 3))
    (found,) = bench.filter([Trial(bench.sketch(own), knobs, values)])
    other = Workbench(network, network.prepare(series())).evidence(bench.components(network.topology)[1:])
    for row in (0, 17, 39):
        precision, decay, strength = values[row].tolist()
        changed = network.with_parameters(
            {"a": {"precision": precision}, "v": {"autoconnection": decay}, ("v", "b_state"): {"strength": strength}}
        )
        np.testing.assert_allclose(found[row] + other[0], float(changed.log_evidence(series())), rtol=1e-10)


@pytest.mark.parametrize("extra", [(), (AddNode("s", "continuous"), AddEdge(Edge("s", "a", strength=0.3)))])
def test_running_it_goes_on_from_the_beliefs(extra: tuple) -> None:
    network = HGF(BASE, schedule="packed").edited([*SHARED, *extra], key=KEY)
    data = series(80)
    ahead, _ = network.epoch(network.prepare(data[:50]), key=KEY)
    bench = Workbench(ahead, ahead.prepare(data[50:]), running=True)
    expected = -float(ahead.filter(data[50:]).surprise.sum())
    np.testing.assert_allclose(np.sum(bench.evidence(bench.components(ahead.topology))), expected, rtol=1e-10)


def test_few_programs_serve_many_graphs() -> None:
    from sostruct.networks.hgf import dense

    network = HGF(BASE, schedule="packed")
    bench = Workbench(network, network.prepare(series(33)))
    bench.gains([SHARED])
    before = dense.log_evidence._cache_size()
    bench.gains(
        [
            (AddNode("d", "continuous"), AddEdge(Edge("d", "a_state"))),
            (AddNode("w", "continuous"), AddEdge(Edge("w", "c", "volatility"))),
            (SetParameters("c", {"precision": 1.0}),),
        ]
    )
    assert dense.log_evidence._cache_size() == before


def test_filters_it_cannot_express_are_refused() -> None:
    data = series(20)
    relaxed = HGF(BASE, mean_field=False)
    with pytest.raises(ConfigError, match="relaxed"):
        Workbench(relaxed, relaxed.prepare(data))
    bent = HGF(BASE).edited([SetParameters(("a_state", "a", "value", 0), {"function": "tanh"})], key=KEY)
    with pytest.raises(ConfigError, match="tanh"):
        Workbench(bent, bent.prepare(data))
