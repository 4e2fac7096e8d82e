"""Random edits through the live controller, and what must hold whatever they are.

`sequence(seed)` makes a small belief network, a rule that proposes random bundles (the moves of growth by residuals,
and bundles of arbitrary edits that a filter can express) with random prices, random restraints, and runs it over a few
rows, at once or as a stream. After every epoch all invariants are checked; what is broken comes back in words.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any, final

import jax
import networkx as nx
import numpy as np
from jaxtyping import PRNGKeyArray

from sostruct.control.controller import Controller
from sostruct.control.run import Run, loop, stream
from sostruct.errors import GraphError
from sostruct.graph import (
    AbstractEdit,
    AddEdge,
    AddNode,
    Capacity,
    Edge,
    RemoveEdge,
    RemoveNode,
    Rewire,
    SetParameters,
    Topology,
    apply,
)
from sostruct.graph.schema import COUPLINGS
from sostruct.growth.accept import AbstractAccept, Always, PositiveEvidence
from sostruct.growth.base import Evaluate, State
from sostruct.growth.moves import Move, Moves
from sostruct.growth.restraint import AbstractRestraint, Budget, Cooldown
from sostruct.growth.restraint_additions import Additions
from sostruct.growth.restraint_limits import Budgets, Reachability
from sostruct.growth.restraint_stability import Hysteresis, MinimumAge, Oscillation
from sostruct.growth.rule import GrowthRule
from sostruct.growth.score import AbstractScorer
from sostruct.growth.trigger import Every
from sostruct.networks.base import AbstractNetwork, Candidate
from sostruct.networks.hgf.components import components
from sostruct.networks.hgf.layout import COPARENTS, INPUT_COPARENTS, VOLATILITY
from sostruct.networks.hgf.network import HGF
from sostruct.surprise import Signals

EPOCHS, CHUNK = 5, 3
MOST = 14
"""Nodes from which nothing is added, so that few capacities are compiled."""

ROOM = Capacity(
    *(4, 16, 8, 8, 64, 32, 16),
    frozenset({"continuous"}),
    frozenset({"identity"}),
    frozenset({VOLATILITY, COPARENTS, INPUT_COPARENTS}),
)
"""Of most networks here, which share one program; the others grow into capacities of their own."""

Generator = np.random.Generator


@final
@dataclass(frozen=True)
class Wild(AbstractScorer):
    """Up to three random bundles an epoch, each with a random price."""

    moves: float = 0.5

    def init(self, network: AbstractNetwork) -> State:
        return {"bundles": 0}

    def score(
        self, network: AbstractNetwork, signals: Signals, state: State, *, evaluate: Evaluate, key: PRNGKeyArray
    ) -> tuple[Sequence[Candidate], State]:
        assert isinstance(network, HGF)
        rng = np.random.default_rng([*np.asarray(jax.random.key_data(key)).tolist(), evaluate.since])
        found = []
        for _ in range(int(rng.integers(1, 4))):
            bundle = _move(network, rng) if rng.random() < self.moves else _bundle(network, rng)
            touches = _touched(network, bundle) if bundle and _fits(network, bundle) else frozenset()
            if touches:
                nats = float("nan") if rng.random() < 0.1 else float(rng.normal(2.0, 4.0))
                found.append(
                    Candidate(min(touches & set(network.nodes), default=network.nodes[0]), bundle, nats, touches)
                )
        return found, {"bundles": state["bundles"] + len(found)}


def _fits(network: HGF, bundle: tuple[AbstractEdit, ...]) -> bool:
    try:
        after = network.edited(bundle, key=jax.random.key(0))
    except GraphError:
        return False
    return after.topology.size <= max(MOST, network.topology.size)


def _touched(network: HGF, bundle: Sequence[AbstractEdit]) -> frozenset[str]:
    """Every node of the components that a bundle changes."""
    before, after = network.topology, apply(network.topology, bundle)
    graph = nx.Graph([(edge.source, edge.target) for one in (before, after) for edge in one.edges])
    graph.add_nodes_from((*before.names, *after.names))
    old, new = ({node.name: (node, one.parents(node.name)) for node in one.nodes} for one in (before, after))
    changed = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
    if changed:  # what an edit names is to be there, even where it changes nothing
        changed |= Move("", "", tuple(bundle)).named | {name for edit in bundle for name in _rewired(edit)}
    return frozenset().union(*(nx.node_connected_component(graph, name) for name in changed if name in graph))


def _rewired(edit: AbstractEdit) -> tuple[str, ...]:
    if not isinstance(edit, Rewire):
        return ()
    return (edit.remove.source, edit.remove.target, edit.add.edge.source, edit.add.edge.target)


def _move(network: HGF, rng: Generator) -> tuple[AbstractEdit, ...]:
    """One of the moves that growth by residuals would try, at one of its starting values."""
    slopes = dict.fromkeys(product(network.inputs, repeat=2), (0.9, -1.1))
    moves = Moves(network.topology, network.inputs, dict.fromkeys(network.inputs, 1.0), slopes)
    found = [*moves.single(), *(move for tie in moves.pairs() for move in tie.moves())]
    if not found:
        return ()
    move = found[int(rng.integers(len(found)))]
    try:
        after = apply(network.topology, move.edits)
    except GraphError:
        return ()
    places: dict[Any, dict[str, float]] = {}
    for (place, name), value in move.grid[int(rng.integers(len(move.grid)))].items():
        if place in after if isinstance(place, str) else after.has_edge(place):
            places.setdefault(place, {})[name] = value
    return (*move.edits, *(SetParameters(place, values) for place, values in places.items()))


def _bundle(network: HGF, rng: Generator) -> tuple[AbstractEdit, ...]:
    """One to three edits, whatever they are."""
    edits: list[AbstractEdit] = []
    topology = network.topology
    for _ in range(int(rng.integers(1, 4))):
        more = _edits(topology, network.inputs, rng)
        try:
            topology = apply(topology, more)
        except GraphError:
            continue
        edits += more
    return tuple(edits)


def _edits(topology: Topology, inputs: Sequence[str], rng: Generator) -> list[AbstractEdit]:
    hidden = [name for name in topology.names if name not in inputs]
    edges = topology.edges

    def one(names: Sequence[Any]) -> Any:
        return names[int(rng.integers(len(names)))]

    def edge(source: str) -> Edge:
        return Edge(source, one(topology.names), one(("value", "value", "volatility")), strength=_strength(rng))

    sort = one(("add", "add", "couple", "remove", "cut", "rewire", "set", "weigh"))
    if sort == "add":
        name = f"wild_{int(rng.integers(100))}"
        return [] if name in topology else [AddNode(name, "continuous", _parameters(rng)), AddEdge(edge(name))]
    if sort == "set":
        name = one(topology.names)
        return [SetParameters(name, {"precision": float(np.exp(rng.normal()))} if name in inputs else _parameters(rng))]
    if sort in ("couple", "remove") and hidden:
        name = one(hidden)
        try:
            return [AddEdge(edge(name))] if sort == "couple" else [RemoveNode(name)]
        except GraphError:  # a node is no parent of itself
            return []
    if edges and sort in ("cut", "rewire", "weigh"):
        old = one(edges)
        if sort == "weigh":
            return [SetParameters(old.key, {"strength": _strength(rng)})]
        try:
            return (
                [RemoveEdge(*old.key)] if sort == "cut" else [Rewire(RemoveEdge(*old.key), AddEdge(edge(old.source)))]
            )
        except GraphError:
            return []
    return []


def _parameters(rng: Generator) -> dict[str, float]:
    return {
        "tonic_volatility": float(rng.uniform(-6.0, 0.0)),
        "autoconnection": float(rng.choice([1.0, 0.9, 0.5])),
        "mean": float(rng.normal()),
        "precision": float(np.exp(rng.normal())),
        "tonic_drift": float(rng.choice([0.0, 0.0, 0.1])),
    }


def _strength(rng: Generator) -> float:
    return float(rng.choice([0.0, 1.0, -1.0, rng.normal()]))


def _restraints(rng: Generator) -> tuple[AbstractRestraint, ...]:
    known: tuple[AbstractRestraint, ...] = (
        Reachability(),
        Budgets(nodes=9, edges=12, edits=2),
        Additions(nodes=3, edges=6),
        Budget(2),
        Cooldown(1),
        MinimumAge(2),
        Hysteresis(),
        Oscillation(3),
    )
    return tuple(one for one in known if rng.random() < 0.35)


def _start(rng: Generator) -> HGF:
    """Two or three bare inputs."""
    graph = nx.MultiDiGraph()
    for name in "abc"[: int(rng.integers(2, 4))]:
        graph.add_node(name, kind="continuous", precision=float(np.exp(rng.normal())))
        graph.add_node(f"{name}_state", kind="continuous", tonic_volatility=float(rng.uniform(-3.0, 0.0)))
        graph.add_edge(f"{name}_state", name, coupling="value", strength=1.0)
    network = HGF(graph, schedule="packed")
    return network.at_capacity(ROOM) if rng.random() < 0.9 else network


@final
@dataclass
class Outcome:
    """What a sequence came to.

    Attributes:
        broken: every invariant that did not hold, in words.
        edits: bundles carried out, by the kinds of their edits.
        refused: bundles refused, by the first words of the reason.
        epochs: epochs run.
        capacities: how often the capacity grew.
    """

    broken: list[str]
    edits: Counter[str]
    refused: Counter[str]
    epochs: int
    capacities: int


def sequence(seed: int, epochs: int = EPOCHS) -> Outcome:
    """One random sequence of edits through the live controller, checked after every epoch."""
    rng = np.random.default_rng(seed)
    network, restraints = _start(rng), _restraints(rng)
    accept: AbstractAccept = Always() if rng.random() < 0.6 else PositiveEvidence()
    limit = None if rng.random() < 0.6 else int(rng.integers(1, 3))
    controller = Controller(GrowthRule(Every(1), Wild(), accept, restraints), edits_per_epoch=limit)
    data, key = rng.normal(size=(epochs * CHUNK, len(network.inputs))).cumsum(0), jax.random.key(seed)
    data[rng.random(data.shape) < 0.1] = np.nan
    networks: list[HGF] = [network]
    if rng.random() < 0.5:
        done = stream(network, controller, limit=2 * CHUNK, shortest=CHUNK, key=key)
        for first in range(0, len(data), CHUNK):
            done.observe(data[first : first + CHUNK])
            networks.append(_hgf(done.network))
    else:
        wanted = loop(network, data[:CHUNK], controller, epochs=epochs, key=key, folder=None, on_epoch=None)
        request = next(wanted)
        try:
            while True:
                request = wanted.send(request.network.epoch(request.data, key=request.key))
                networks.append(_hgf(request.network))
        except StopIteration as end:
            done = end.value
        networks.append(_hgf(done.network))
    broken = [f"seed {seed}, epoch {epoch}: {what}" for epoch, what in _violations(networks, done, restraints)]
    taken = [entry for entry in done.journal if entry.accepted]
    return Outcome(
        broken,
        Counter(type(edit).__name__ for entry in taken for edit in entry.edits),
        Counter(" ".join(entry.reason.split()[:2]) for entry in done.journal if not entry.accepted),
        done.epochs,
        sum(one.packed.capacity != other.packed.capacity for one, other in pairwise(networks)),
    )


def _hgf(network: AbstractNetwork) -> HGF:
    assert isinstance(network, HGF)
    return network


def _violations(
    networks: Sequence[HGF], done: Run, restraints: Sequence[AbstractRestraint]
) -> Iterator[tuple[int, str]]:
    """Invariants that do not hold after an epoch: (epoch, which)."""
    for epoch, (before, after) in enumerate(pairwise(networks)):
        if done.journal.replay(epoch) != after.topology:
            yield epoch, "the journal does not replay to the graph"
        if before.packed.capacity.join(after.packed.capacity) != after.packed.capacity:
            yield epoch, "the capacity shrank"
        for what in broken(after):
            yield epoch, what
        if any(isinstance(one, Reachability) for one in restraints):
            yield from ((epoch, what) for what in unreachable(after))
        for one in restraints:
            if isinstance(one, Budgets) and (after.topology.size > 9 or len(after.topology.edges) > 12):
                yield epoch, "a budget is overspent"
    state = json.loads(json.dumps(done.rule))
    if json.dumps(state, sort_keys=True) != json.dumps(done.rule, sort_keys=True):
        yield done.epochs, "the state of the rule is not JSON"
    rows = {epoch: list(own["node"]) for epoch, own in done.history.frame().groupby("epoch")}
    if rows != {epoch: list(one.nodes) for epoch, one in enumerate(networks[: done.epochs])}:
        yield done.epochs, "the signals are not those of the graphs"


def broken(network: HGF) -> Iterator[str]:
    """What a belief network must be at any time, and this one is not."""
    topology, packing, packed = network.topology, network.packing, network.packed
    graph = nx.MultiDiGraph([(edge.source, edge.target) for edge in topology.edges])
    if not nx.is_directed_acyclic_graph(graph):
        yield "the graph has a cycle"
    if list(topology.names) != sorted(topology.names) or list(network.nodes) != list(topology.names):
        yield "the nodes are not sorted"
    if any(name not in topology or topology.children(name) for name in network.inputs):
        yield "an input is gone or has children"
    if sorted(packing.slot) != list(topology.names) or len(set(packing.slot.values())) != topology.size:
        yield "the slots are not those of the nodes"
        return
    for name, place in packing.slot.items():
        if packing.names[place] != name or not packing.mask[place]:
            yield f"slot {place} is not that of {name}"
        for parameter, value in topology.node(name).parameters:
            if np.asarray(packed.wiring.parameters[parameter])[place] != value:
                yield f"{parameter} of {name} is not the graph's"
    if int(packing.mask.sum()) != topology.size:
        yield "there are nodes in the padding"
    found: Counter[tuple[str | None, str | None, str, float]] = Counter()
    strength = np.asarray(packed.wiring.strength)
    for row, column in zip(*np.nonzero(packing.parent_mask), strict=True):
        source, target = packing.names[packing.parent_source[row, column]], packing.names[row]
        coupling = COUPLINGS[packing.parent_coupling[row, column]]
        found[(source, target, coupling, float(strength[row, column]))] += 1
    if found != Counter((edge.source, edge.target, edge.coupling, edge.strength) for edge in topology.edges):
        yield "the packed edges are not the graph's"
    if strength[~packing.parent_mask].any():
        yield "there is strength in the padding"
    children = {
        (packing.names[packing.child_source[one]], packing.names[packing.child_target[one]])
        for one in np.flatnonzero(packing.child_edge >= 0)
    }
    if children != {(edge.source, edge.target) for edge in topology.edges}:
        yield "the packed children are not the graph's"
    for belief, values in packed.state.beliefs.items():
        own = np.asarray(values)[list(packing.slot.values())]
        if not np.isfinite(own).all() or (belief.endswith("precision") and (own <= 0.0).any()):
            yield f"a {belief} is no belief"
    if packed.capacity != packing.capacity or packed.wiring.capacity != packing.capacity:
        yield "the arrays have another capacity than the packing"
    if sum(len(one.inputs) for one in components(topology, network.inputs)) != len(network.inputs):
        yield "the components do not have every input once"


def unreachable(network: HGF) -> Iterator[str]:
    """Inputs without a value parent, and hidden nodes without an input below."""
    topology = network.topology
    graph = nx.MultiDiGraph([(edge.source, edge.target) for edge in topology.edges])
    graph.add_nodes_from(topology.names)
    for name in network.inputs:
        if not any(edge.coupling == "value" for edge in topology.parents(name)):
            yield f"the input {name} has no value parent"
    for name in set(topology.names) - set(network.inputs):
        if not nx.descendants(graph, name) & set(network.inputs):
            yield f"{name} reaches no input"
