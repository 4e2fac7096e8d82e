"""What an edit leaves as it is, before any new data: beliefs, parameters and predictions, bit for bit.

A prediction depends on what is above a node and on nothing else, so an edit can change those of the nodes it touches
and of their descendants alone: nodes that are new, that got other parameters, or that have other parents. All others
predict what they predicted. An edge of strength 0 changes no prediction at all. As data come in, nodes that are not
connected to anything touched go on as they would have, up to rounding: they may stand in other slots. What cannot be
preserved is the prediction of a child that gets a parent at a strength other than 0, or loses one: that is what such an
edit is for.

All networks here have one capacity, so one compiled program predicts before and after; at the end the capacity grows.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache, reduce
from itertools import product

import jax
import networkx as nx
import numpy as np
import pytest

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
from sostruct.growth.moves import Moves
from sostruct.networks.hgf.network import HGF
from sostruct.tasks.hidden import HiddenStructure
from tests.networks.hgf.graphs import random_graph, series
from tests.networks.hgf.test_edits import numbers

KEY = jax.random.key(0)
Bundle = Sequence[AbstractEdit]


STEPS = 12


@cache
def drawn(seed: int) -> tuple[HGF, np.ndarray]:
    """A random network of two components or more, and data for it."""
    rng = np.random.default_rng(seed)
    graphs = [random_graph(rng, int(rng.integers(4, 8)), several_parents=True) for _ in range(2)]
    graph = nx.union(*(one for one, _ in graphs), rename=("a", "b"))
    inputs = [f"{prefix}{name}" for prefix, (_, own) in zip("ab", graphs, strict=True) for name in own]
    return HGF(graph, inputs=inputs, schedule="packed"), series(rng, graph, inputs, STEPS)


@cache
def hidden(seed: int) -> tuple[HGF, np.ndarray]:
    """A true graph with shared parents, which most moves fit, and data for it."""
    task = HiddenStructure(family="mixed", inputs=4, steps=STEPS, heldout=0).load(seed)
    network = HGF(task.truth, schedule="packed")
    return network, task.frame[list(network.inputs)].to_numpy()


@cache
def believing(made: Callable[[int], tuple[HGF, np.ndarray]], seed: int) -> tuple[HGF, np.ndarray]:
    """The network in a capacity that holds all networks here, with beliefs that have moved."""
    network, data = made(seed)
    network = network.at_capacity(room())
    return network.with_state(network.filter(data, strict=False).last), data


def edits_of_every_kind(network: HGF, rng: np.random.Generator) -> Iterator[tuple[str, Bundle]]:
    """One random edit of each kind, of those that fit."""
    topology = network.topology
    states = [name for name in network.nodes if name not in network.inputs]
    continuous = [name for name in states if topology.node(name).kind == "continuous"]
    yield "add node", (AddNode("new", "continuous", {"mean": 0.7, "autoconnection": 0.5}),)
    child = str(rng.choice(continuous))
    for coupling in ("value", "volatility"):
        yield f"add {coupling} parent", (AddNode("new", "continuous"), AddEdge(Edge("new", child, coupling)))
        for strength in (0.3, 0.0):
            for _ in range(20):
                parent, below = (str(name) for name in rng.choice(continuous, 2))
                edit = () if parent == below else (AddEdge(Edge(parent, below, coupling, strength=strength)),)
                if edit and fits(network, edit):
                    yield f"add {coupling} edge of strength {strength}", edit
                    break
    yield "remove node", (RemoveNode(str(rng.choice(states))),)
    edge = topology.edges[int(rng.integers(len(topology.edges)))]
    yield "remove edge", (RemoveEdge(*edge.key),)
    yield "turn strength", (SetParameters(edge.key, {"strength": 0.5 * edge.strength}),)
    yield "rewire", (Rewire(RemoveEdge(*edge.key), AddEdge(Edge(edge.source, edge.target, strength=0.1))),)
    name = str(rng.choice(continuous))
    yield "set parameters", (SetParameters(name, {"tonic_volatility": -3.3, "autoconnection": 0.7}),)
    yield "set belief", (SetParameters(name, {"mean": 1.5}),)


def bundles_of_moves(network: HGF, rng: np.random.Generator, most: int = 12) -> Iterator[tuple[str, Bundle]]:
    """Random bundles that growth by residuals would try, no sort more than once."""
    slopes = dict.fromkeys(product(network.inputs, repeat=2), (0.9, -1.1))
    moves = Moves(network.topology, network.inputs, dict.fromkeys(network.inputs, 1.0), slopes)
    found = [*moves.single(), *(move for tie in moves.pairs() for move in tie.moves())]
    seen: set[str] = set()
    for place in rng.permutation(len(found)):
        move = found[place]
        if move.name not in seen and len(seen) < most and fits(network, move.edits):
            seen.add(move.name)
            yield move.name, move.edits


def fits(network: HGF, edits: Bundle) -> bool:
    try:
        network.edited(edits, key=KEY)
    except GraphError:
        return False
    return True


CASES: list[tuple[Callable[[int], tuple[HGF, np.ndarray]], Callable[..., Iterator[tuple[str, Bundle]]], int]] = [
    *((drawn, edits_of_every_kind, seed) for seed in range(3)),
    *((hidden, bundles_of_moves, seed) for seed in range(3)),
]


@cache
def room() -> Capacity:
    """What all networks here fit in, after all edits."""
    found = []
    for made, edited, seed in CASES:
        network = made(seed)[0]
        found.append(network.packed.capacity)
        for _, edits in edited(network, np.random.default_rng(seed)):
            if fits(network, edits):
                found.append(network.edited(edits, key=KEY).packed.capacity)
    return reduce(Capacity.join, found)


def predicted(network: HGF, data: np.ndarray, steps: int = STEPS) -> dict[str, list[bytes]]:
    """Predicted means and precisions of every node for the next steps, as bytes."""
    beliefs = network.filter(data, strict=False)
    return {
        name: [one[:steps, place].tobytes() for one in (beliefs.expected_mean, beliefs.expected_precision)]
        for place, name in enumerate(beliefs.nodes)
    }


def touched(before: Topology, after: Topology) -> set[str]:
    """New nodes, and those with other parameters or other parents."""
    return {
        node.name
        for node in after.nodes
        if node.name not in before
        or before.node(node.name) != node
        or before.parents(node.name) != after.parents(node.name)
    }


def below(names: set[str], topology: Topology) -> set[str]:
    graph = topology.to_networkx()
    return names.union(*(nx.descendants(graph, name) for name in names))


def connected(names: set[str], *topologies: Topology) -> set[str]:
    """All that is in one component with any of the names, before or after."""
    graph = nx.Graph([(edge.source, edge.target) for one in topologies for edge in one.edges])
    graph.add_nodes_from(name for one in topologies for name in one.names)
    return set().union(*(nx.node_connected_component(graph, name) for name in names if name in graph))


def same(before: dict[str, list[bytes]], after: dict[str, list[bytes]], names: set[str]) -> None:
    assert {name: after[name] for name in names} == {name: before[name] for name in names}


@pytest.mark.parametrize(("made", "edited", "seed"), CASES)
def test_what_is_not_below_an_edit_predicts_what_it_predicted(
    made: Callable[[int], tuple[HGF, np.ndarray]],
    edited: Callable[[HGF, np.random.Generator], Iterator[tuple[str, Bundle]]],
    seed: int,
) -> None:
    network, data = believing(made, seed)
    was, later = predicted(network, data, 1), predicted(network, data)
    changed = 0
    for what, edits in edited(network, np.random.default_rng(seed)):
        if not fits(network, edits):
            continue
        after = network.edited(edits, key=KEY)
        assert after.packed.capacity == network.packed.capacity, "one program predicts before and after"
        topology = after.topology
        assert topology == apply(network.topology, edits)
        news = touched(network.topology, topology)
        gone = set(network.nodes) - set(topology.names)
        kept = set(network.nodes) & set(topology.names)
        # beliefs, parameters and strengths
        for old, new in zip(numbers(network), numbers(after), strict=True):
            for place in old.keys() & new.keys():
                if isinstance(place, str):
                    if network.topology.node(place) == topology.node(place):
                        assert {name: new[place][name] for name in old[place]} == old[place], (what, place)
                elif len(place) == 2 or network.topology.edge(place) == topology.edge(place):
                    assert new[place] == old[place], (what, place)
        # predictions right after the edit
        now, then = predicted(after, data, 1), predicted(after, data)
        same(was, now, kept - below(news, topology))
        if what.endswith("strength 0.0"):
            same(was, now, kept)
        changed += any(now[name] != was[name] for name in kept)
        # predictions from now on, of what no path leads to
        apart = kept - connected(news | gone, network.topology, topology)
        for name in apart:
            for mine, other in zip(later[name], then[name], strict=True):
                np.testing.assert_allclose(
                    np.frombuffer(other), np.frombuffer(mine), rtol=1e-9, err_msg=f"{what} {name}"
                )
    assert changed, "some edits must change some predictions"


def test_a_parent_of_strength_0_is_not_heard() -> None:
    network, data = believing(hidden, 1)
    child = next(name for name in network.nodes if name not in network.inputs)
    was, evidence = predicted(network, data), float(network.log_evidence(data))
    for coupling in ("value", "volatility"):
        added = (AddNode("new", "continuous"), AddEdge(Edge("new", child, coupling, strength=0.0)))
        silent = network.edited(added, key=KEY)
        same(was, predicted(silent, data), set(network.nodes))
        assert float(silent.log_evidence(data)) == evidence
        heard = silent.edited([SetParameters(("new", child, coupling, 0), {"strength": 1.0})], key=KEY)
        assert predicted(heard, data)[child] != was[child]


@pytest.mark.parametrize("seed", range(2))
def test_a_larger_capacity_changes_no_prediction(seed: int) -> None:
    network, data = drawn(seed)
    larger = network.at_capacity(room())
    assert larger.packed.capacity != network.packed.capacity
    for old, new in zip(numbers(network), numbers(larger), strict=True):
        assert old.items() <= new.items()
    same(predicted(network, data, 1), predicted(larger, data, 1), set(network.nodes))
    beliefs, again = (one.filter(data, strict=False) for one in (network, larger))
    for name in ("expected_mean", "expected_precision", "mean", "precision"):
        np.testing.assert_allclose(getattr(again, name), getattr(beliefs, name), rtol=1e-9, atol=1e-12)


def test_edits_that_come_and_go_leave_nothing_behind() -> None:
    network, data = believing(hidden, 2)
    was = predicted(network, data)
    for what, edits in bundles_of_moves(network, np.random.default_rng(5)):
        if all(isinstance(edit, AddNode | AddEdge) for edit in edits):
            edges = [edit.edge.key for edit in edits if isinstance(edit, AddEdge)]
            nodes = [edit.name for edit in edits if isinstance(edit, AddNode)]
            back = [*(RemoveEdge(*key) for key in edges), *(RemoveNode(name) for name in nodes)]
            again = network.edited(edits, key=KEY).edited(back, key=KEY)
            assert again.topology == network.topology, what
            same(was, predicted(again, data), set(network.nodes))
