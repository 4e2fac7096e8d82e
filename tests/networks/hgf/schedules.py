"""Both schedules on a graph as users write it, without the network class, and their results beside the reference's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

import jax
import networkx as nx
import numpy as np

from sostruct.graph import Capacity, Packing, Topology
from sostruct.networks.hgf import filtering, layout, passes, unrolled
from sostruct.networks.hgf.blueprint import blueprint
from sostruct.networks.hgf.filtering import BeliefState
from sostruct.networks.hgf.nodes import as_scalars
from sostruct.networks.hgf.packed import PackedHGF, fresh
from sostruct.networks.hgf.updates import UPDATES, Options
from sostruct.numerics import double_precision
from tests.networks.hgf import reference
from tests.networks.hgf.graphs import random_graph, series

QUANTITIES = ("mean", "precision", "expected_mean", "expected_precision")
KINDS = ("binary", "constant", "continuous", "volatile")
FUNCTIONS = ("identity", "relu", "sigmoid", "tanh")
TRAITS = (layout.VOLATILITY, layout.COPARENTS, layout.INPUT_COPARENTS, layout.TANGLED)

SHARED = Capacity(32, 64, 32, 8, 128, 32, 32, frozenset(KINDS), frozenset(FUNCTIONS), frozenset(TRAITS))
"""Holds every graph of up to 60 nodes of `graphs.random_graph`, so that all of them run one compiled program."""

QUICK = {"xla_backend_optimization_level": 0}
"""Compiles in half the time; these tests spend theirs on compiling. Others run what users run."""

trajectory = jax.jit(filtering.trajectory, static_argnames=("detail", "bounded"), compiler_options=QUICK)
totals = jax.jit(filtering.totals, static_argnames=("detail", "bounded"), compiler_options=QUICK)
evidence = jax.jit(passes.evidence, static_argnames=("drawn", "axes"), compiler_options=QUICK)
record = jax.jit(unrolled.record, static_argnames="program", compiler_options=QUICK)


@dataclass(frozen=True)
class Settings:
    """How a filter approximates, in the words of `reference.run`."""

    update: str = "ehgf"
    mean_field: bool = True
    carry: str = "exact"
    linearize: str = "prediction"
    assimilate: str = "joint"

    @property
    def options(self) -> Options:
        exact, at_prediction, joint = self.carry == "exact", self.linearize == "prediction", self.assimilate == "joint"
        return Options(UPDATES[self.update], not self.mean_field, exact, at_prediction, joint)

    def __str__(self) -> str:
        approximation = "mean field" if self.mean_field else "relaxed"
        return "-".join((self.update, approximation, self.carry, self.linearize, self.assimilate))


CHOICES: tuple[tuple[Any, ...], ...] = (
    ("ehgf", "standard", "unbounded"),
    (True, False),
    ("exact", "literature"),
    ("prediction", "previous"),
    ("joint", "separate"),
)
ALL = [Settings(*chosen) for chosen in product(*CHOICES)]
"""Every combination of settings: 48."""

PAIRS = [
    Settings(update, *(options[number ^ flip] for options, number in zip(CHOICES[1:], numbers, strict=True)))
    for update, numbers in zip(CHOICES[0], [(0, 0, 0, 0), (0, 0, 1, 1), (0, 1, 0, 1)], strict=True)
    for flip in (0, 1)
]
"""Six of them, in which every two choices of different settings occur together."""


@dataclass(frozen=True)
class System:
    """A graph, the names of its inputs in the order of the columns, and data [time, input]."""

    graph: nx.MultiDiGraph
    inputs: tuple[str, ...]
    data: np.ndarray
    time_steps: np.ndarray | None = None

    def cut(self, steps: slice) -> System:
        time_steps = None if self.time_steps is None else self.time_steps[steps]
        return replace(self, data=self.data[steps], time_steps=time_steps)

    def packing(self, at_least: Capacity | None = None) -> Packing:
        return layout.packing(Topology.from_networkx(self.graph), self.inputs, at_least)

    def truth(self, settings: Settings, data: np.ndarray | None = None) -> reference.Result:
        data = self.data if data is None else data
        return reference.run(self.graph, list(self.inputs), data, self.time_steps, **asdict(settings), strict=False)


def random_system(
    rng: np.random.Generator,
    nodes: int,
    steps: int,
    *,
    missing: float = 0.0,
    irregular: bool = False,
    several_parents: bool = False,
    **vocabulary: Sequence[str],
) -> System:
    """A random graph of up to that many nodes with data drawn from it.

    Beyond `graphs.random_graph`, some continuous inputs become volatile ones, and in some graphs one is not observed.
    """
    graph, inputs = random_graph(rng, nodes, several_parents=several_parents, **vocabulary)
    kinds = vocabulary.get("kinds", KINDS)
    for name in inputs:
        if graph.nodes[name]["kind"] == "continuous" and "volatile" in kinds and rng.random() < 0.15:
            own = {"volatility_mean": rng.normal(-2.0, 0.3), "volatility_tonic_volatility": rng.uniform(-6.0, -3.5)}
            graph.nodes[name].update(own, kind="volatile", volatility_autoconnection=rng.uniform(0.7, 1.0))
    if len(inputs) > 1 and rng.random() < 0.2:
        hidden = [name for name in inputs if graph.nodes[name]["kind"] == "continuous"]
        inputs = [name for name in inputs if name not in hidden[:1]] or inputs
    time_steps = rng.uniform(0.5, 2.0, steps) if irregular else None
    return System(graph, tuple(inputs), series(rng, graph, inputs, steps, missing, time_steps), time_steps)


def everything() -> nx.MultiDiGraph:
    """Every kind and coupling, nonlinear ones, and several value parents of an input and of a state: seven nodes.

    The inputs are "seen" and "chosen".
    """
    graph = nx.MultiDiGraph()
    graph.add_node("seen", kind="continuous", precision=4.0)
    graph.add_node("chosen", kind="binary")
    graph.add_node("a", kind="continuous", autoconnection=0.9, tonic_volatility=-2.0, tonic_drift=0.01)
    graph.add_node("b", kind="volatile", autoconnection=0.8, tonic_volatility=-2.0, volatility_mean=-0.5)
    graph.add_node("c", kind="continuous", autoconnection=0.7, tonic_volatility=-3.0)
    graph.add_node("noise", kind="continuous", precision=4.0, autoconnection=0.95)
    graph.add_node("one", kind="constant")
    graph.add_edge("a", "seen", coupling="value")
    graph.add_edge("b", "seen", coupling="value", strength=0.5, function="tanh")
    graph.add_edge("a", "chosen", coupling="value", strength=1.5)
    graph.add_edge("b", "a", coupling="value", strength=0.3)
    graph.add_edge("c", "a", coupling="value", strength=0.3, function="sigmoid")
    graph.add_edge("one", "a", coupling="value", strength=0.1)
    graph.add_edge("noise", "a", coupling="volatility", strength=0.5)
    graph.add_edge("noise", "seen", coupling="volatility", strength=0.5)
    return graph


def example(steps: int = 30, *, missing: float = 0.2, irregular: bool = True, seed: int = 0) -> System:
    """`everything` with data drawn from it."""
    rng, graph, inputs = np.random.default_rng(seed), everything(), ("seen", "chosen")
    time_steps = rng.uniform(0.5, 2.0, steps) if irregular else None
    return System(graph, inputs, series(rng, graph, inputs, steps, missing, time_steps), time_steps)


@dataclass(frozen=True)
class Run:
    """What a schedule returned, by the names of `reference.Result`.

    Attributes:
        beliefs: quantity -> node -> [time]. A volatile node NAME has a level NAME/volatility, which predicts nothing.
        surprise: joint [time].
        marginal: by input [time].
        entropy: by input [time].
        held: by node.
        last: where the filter stands.
    """

    beliefs: dict[str, dict[str, np.ndarray]]
    surprise: np.ndarray
    marginal: dict[str, np.ndarray]
    entropy: dict[str, np.ndarray]
    held: dict[str, int]
    last: BeliefState


def network(system: System, settings: Settings, at_least: Capacity | None = None) -> tuple[PackedHGF, Packing]:
    """The graph as arrays, and where they hold what."""
    packing = system.packing(at_least)
    return fresh(packing, settings.options), packing


def padded(data: np.ndarray, packing: Packing) -> np.ndarray:
    """Data in the columns of the input slots."""
    missing = packing.capacity.input_width - data.shape[1]
    return np.pad(data, ((0, 0), (0, missing)), constant_values=np.nan)


def filtered(
    system: System,
    settings: Settings,
    schedule: str = "packed",
    *,
    at_least: Capacity | None = None,
    start: BeliefState | None = None,
    double: bool = True,
    **passed: bool,
) -> Run:
    """Run a schedule in float64 (or float32); `passed` goes to `filtering.trajectory` or `unrolled.Program`."""
    net, packing = network(system, settings, at_least)
    passed = {"detail": True, **passed}
    begin = start or net.state
    order = list(packing.names)
    drawn = blueprint(packing) if schedule == "unrolled" else None
    with double_precision(double):
        if drawn is None:
            done = trajectory(net.wiring, begin, padded(system.data, packing), system.time_steps, **passed)
            last, found, tally = jax.tree.map(np.asarray, done)
        else:
            order = [packing.names[place.slot] for place in drawn.places]
            program = passes.program_of(drawn, net.wiring, begin, **{"hold": True, "complete": False, **passed})
            scalars = as_scalars(net.wiring, begin.beliefs, begin.covariance, drawn)
            scalars = jax.tree.map(lambda leaf: np.asarray(leaf, float if double else np.float32), scalars)
            kept = jax.tree.map(np.asarray, record(program, scalars, system.data, system.time_steps))
            found, tally = unrolled.trajectory_of(program, kept.rows), kept.tally
            last = unrolled.last_of(program, kept, begin, packing.capacity.input_width)

    beliefs: dict[str, dict[str, np.ndarray]] = {quantity: {} for quantity in QUANTITIES}
    for place, name in enumerate(order):
        if name is None:
            continue
        beliefs["mean"][name] = found.beliefs["mean"][:, place]
        beliefs["precision"][name] = found.beliefs["precision"][:, place]
        beliefs["expected_mean"][name] = found.expected_mean[:, place]
        beliefs["expected_precision"][name] = found.expected_precision[:, place]
        if system.graph.nodes[name]["kind"] == "volatile":
            for quantity in ("mean", "precision"):
                beliefs[quantity][f"{name}/volatility"] = found.beliefs[f"volatility_{quantity}"][:, place]
    # a pass that holds nothing says only whether there was something to hold
    count = np.full(len(order), not tally) if isinstance(tally, np.ndarray) else tally.count
    held = {name: int(count[place]) for place, name in enumerate(order) if name is not None}
    scores = [
        {name: part[:, place] for place, name in enumerate(system.inputs)} if passed["detail"] else {}
        for part in (found.marginal, found.entropy)
    ]
    return Run(beliefs, found.surprise, *scores, held, last)


def deviation(own: np.ndarray, true: np.ndarray, scale: np.ndarray | float) -> np.ndarray:
    """By step: how far off, relative to `scale`; inf where one of the two is no number and the other is."""
    with np.errstate(invalid="ignore"):
        off = np.abs(own - true) / scale
    same = (own == true) | (np.isnan(own) & np.isnan(true))
    return np.where(same, 0.0, np.where(np.isnan(off), np.inf, off))


def deviations(run: Run, truth: reference.Result) -> dict[str, np.ndarray]:
    """Every quantity's deviation [time]: precisions relative to themselves, others to the largest of their series."""

    def largest(numbers: np.ndarray) -> float:
        return max(1e-6, float(np.max(np.abs(numbers), where=np.isfinite(numbers), initial=0.0)))

    found = {}
    for quantity, columns in run.beliefs.items():
        for name, own in columns.items():
            true = getattr(truth, quantity)[name]
            found[f"{quantity} of {name}"] = deviation(own, true, true if "precision" in quantity else largest(true))
    found["surprise"] = deviation(run.surprise, truth.surprise, largest(truth.surprise))
    if run.marginal:
        composite = np.sum(list(run.marginal.values()), 0)
        found["composite"] = deviation(composite, truth.composite, largest(truth.composite))
    for name, marginal in run.marginal.items():
        true = truth.excess[name]
        found[f"excess of {name}"] = deviation(marginal - run.entropy[name], true, max(1.0, largest(true)))
    return found


def steady(truth: reference.Result) -> int:
    """The number of steps before the reference diverges: a mean or a predictive variance passes 1e4.

    Some random graphs run away in the equations themselves, a volatility parent having learnt that anything is
    possible. Rounding errors grow as fast then, and after a few steps two correct filters have nothing in common.
    """
    limit, count = 1e4, len(truth.surprise)
    for name in truth.mean:
        with np.errstate(divide="ignore"):
            columns = truth.mean[name], truth.expected_mean[name], 1.0 / truth.expected_precision[name]
        away = ~np.all([np.abs(column) < limit for column in columns], axis=0)
        count = min(count, int(np.argmax(away)) if away.any() else count)
    return count


def held(run: Run | reference.Result) -> dict[str, int]:
    """Steps at which predictions were held, by node; those of the level inside a volatile node are its own."""
    counts: dict[str, int] = {}
    for name, count in run.held.items():
        node = name.removesuffix("/volatility")
        counts[node] = counts.get(node, 0) + count
    return counts


def worst(found: Mapping[str, np.ndarray], steps: int | None = None) -> tuple[float, str]:
    """The largest deviation within the first steps, and where it is."""
    return max((float(np.max(own[:steps], initial=0.0)), name) for name, own in found.items())
