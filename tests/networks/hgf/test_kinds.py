"""Categorical variables and the exponential family among all other kinds: both schedules against the plain reference.

Graphs are random ones to which variables are added whose parts hang below states of their own and below states that are
there, so that they are correlated with one another and with inputs of every other kind.
"""

from __future__ import annotations

from dataclasses import replace

import networkx as nx
import numpy as np
import pytest

from sostruct.graph import Capacity, Topology
from sostruct.networks.hgf import layout
from tests.networks.hgf.reference_parts import BELIEF
from tests.networks.hgf.schedules import (
    FUNCTIONS,
    KINDS,
    PAIRS,
    TRAITS,
    Settings,
    System,
    deviations,
    filtered,
    held,
    random_system,
    steady,
    worst,
)

NEW = ("average", "bernoulli", "category", "exponential", "normal", "poisson")
ALL_KINDS = frozenset({*KINDS, *NEW})
SHARED = Capacity(
    32, 64, 32, 8, 128, 32, 32, ALL_KINDS, frozenset(FUNCTIONS), frozenset({*TRAITS, *list(layout.COLUMNS)[:1]})
)
SIMPLE = replace(SHARED, traits=frozenset({layout.VOLATILITY, *list(layout.COLUMNS)[:1]}))
"""No input is correlated with another through value parents."""


def with_variables(rng: np.random.Generator, system: System, chosen: tuple[str, ...], entangled: bool) -> System:
    """A system with one more variable of each kind; `entangled` hangs some of their parts below states that are there.

    What single statistics start from is far inside their range, and states of their own are slow, so that most of what
    is expected is a distribution.
    """
    graph, inputs, data = nx.MultiDiGraph(system.graph), list(system.inputs), [system.data]
    steps = len(system.data)
    latents = [name for name in graph if name not in inputs and graph.nodes[name]["kind"] in ("continuous", "volatile")]

    def add(name: str, kind: str, start: float, own: str) -> None:
        graph.add_node(name, kind=kind, **({} if kind == "category" else {"precision": rng.uniform(1.0, 4.0)}))
        inputs.append(name)
        above = f"above {name}"
        if own == "average":
            graph.add_node(above, kind=own, mean=start, precision=rng.uniform(5.0, 20.0), growth=rng.choice([0.0, 1.0]))
        else:
            slow = {"tonic_volatility": -6.0, "precision": rng.uniform(20.0, 40.0)}
            graph.add_node(above, kind="continuous", **(BELIEF | slow | {"mean": start}))
        graph.add_edge(above, name, coupling="value")
        if entangled and latents and rng.random() < 0.5:
            shared = str(rng.choice(latents))
            graph.add_edge(shared, name, coupling="value", strength=0.1 * rng.normal(), function="tanh")

    if "category" in chosen:
        labels = ["a", "b", "c"]
        for label in labels:
            add(f"choice={label}", "category", -np.log(2.0), "continuous")
        graph.add_node("volatility", kind="continuous", tonic_volatility=-3.0)
        for label in labels[:2]:
            graph.add_edge("volatility", f"above choice={label}", coupling="volatility", strength=0.7)
        data.append(np.eye(3)[rng.integers(3, size=steps)])
    if "normal" in chosen:
        x = rng.normal(size=(steps, 2))
        for label, start in (("y*y", 1.0), ("x", 0.0), ("x*y", 0.2), ("y", 0.1), ("x*x", 1.5)):
            add(f"point={label}", "normal", start, "average")
        data.append(np.stack([x[:, 1] ** 2, x[:, 0], x[:, 0] * x[:, 1], x[:, 1], x[:, 0] ** 2], -1))
    for kind, start in (("bernoulli", 0.5), ("poisson", 3.0), ("exponential", 2.0)):
        if kind in chosen:
            add(f"one {kind}", kind, start, str(rng.choice(["average", "continuous"])))
            draws = {"bernoulli": rng.integers(2, size=steps), "poisson": rng.poisson(3.0, steps)}
            data.append(np.asarray(draws.get(kind, rng.exponential(2.0, steps)), float)[:, None])
    together = np.concatenate(data, -1)
    for names in (["choice=a", "choice=b", "choice=c"], [name for name in inputs if name.startswith("point=")]):
        places = [inputs.index(name) for name in names if name in inputs]
        if places:
            together[np.ix_(rng.random(steps) < 0.2, places)] = np.nan
    return System(graph, tuple(inputs), together, system.time_steps)


def drawn(seed: int, nodes: int, chosen: tuple[str, ...] = NEW, entangled: bool = True, steps: int = 12) -> System:
    rng = np.random.default_rng((7, seed))
    base = random_system(rng, nodes, steps, missing=0.1, irregular=True, several_parents=entangled)
    return with_variables(rng, base, chosen, entangled)


def compare(system: System, settings: Settings, schedule: str, at_least: Capacity | None = None) -> bool:
    """Whether the whole series could be compared: it ends where the reference has no density or runs away."""
    truth = system.truth(settings)
    run = filtered(system, settings, schedule, at_least=at_least)
    known = np.isfinite(truth.surprise)
    steps = min(steady(truth), int(np.argmin(known)) if not known.all() else len(known))
    off, where = worst(deviations(run, truth), steps)
    assert off < 1e-8, f"{where} is off by {off} within the first {steps} steps"
    if steps == len(system.data):
        assert held(run) == held(truth)
    return steps == len(system.data)


@pytest.mark.parametrize("settings", PAIRS[:1], ids=str)
def test_packed_graphs_in_one_capacity(settings: Settings) -> None:
    whole = [compare(drawn(seed, 3 + 4 * seed), settings, "packed", SHARED) for seed in range(8)]
    assert sum(whole) >= 5


@pytest.mark.slow
@pytest.mark.parametrize("settings", PAIRS[1:], ids=str)
def test_packed_graphs_under_other_settings(settings: Settings) -> None:
    whole = [compare(drawn(seed + 100, 3 + 4 * seed), settings, "packed", SHARED) for seed in range(8)]
    assert sum(whole) >= 4


def test_packed_graphs_whose_inputs_share_no_value_parent() -> None:
    def apart(system: System) -> bool:
        return layout.traits(Topology.from_networkx(system.graph), system.inputs) <= SIMPLE.traits

    systems = [system for seed in range(40) if apart(system := drawn(seed, 4, entangled=False))][:4]
    assert len(systems) == 4
    assert all(compare(system, Settings(), "packed", SIMPLE) for system in systems)


@pytest.mark.parametrize("entangled", [False, True])
def test_unrolled_graphs(entangled: bool) -> None:
    """And the packed schedule beside it, to rounding."""
    system = drawn(int(entangled), 2, ("category", "normal", "poisson"), entangled)
    settings = Settings()
    assert compare(system, settings, "unrolled")
    one, other = (filtered(system, settings, schedule) for schedule in ("packed", "unrolled"))
    np.testing.assert_allclose(one.surprise, other.surprise, rtol=1e-11, atol=1e-12)
    for name, marginal in one.marginal.items():
        np.testing.assert_allclose(marginal, other.marginal[name], rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(one.entropy[name], other.entropy[name], rtol=1e-10, atol=1e-11)
