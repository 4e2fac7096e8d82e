"""Packing: every edge is recovered from either table, levels agree with networkx, capacities form a semilattice."""

from __future__ import annotations

import random
from functools import reduce

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sostruct.errors import GraphError
from sostruct.graph import AddEdge, Capacity, Edge, Node, Topology, apply, node_kinds, pack
from sostruct.graph.packing import power_of_two
from sostruct.graph.schema import COUPLINGS

from .strategies import capacities, random_batch, random_topology, seeded, topologies

directed = topologies(directed_only=True)


def levels_by_networkx(topology, inputs=None):
    """Longest path at lag 0 below every node, and where the slots of a packing must put it."""
    graph = nx.DiGraph()
    graph.add_nodes_from(topology.names)
    graph.add_edges_from((edge.source, edge.target) for edge in topology.edges if edge.lag == 0)
    level = {}
    for name in reversed(list(nx.topological_sort(graph))):
        leaf = 1 if inputs is not None and name not in inputs else 0
        level[name] = max((level[child] + 1 for child in graph.successors(name)), default=leaf)
    if inputs is None:
        for name in graph:
            below = graph.subgraph({name, *nx.descendants(graph, name)})
            assert level[name] == nx.dag_longest_path_length(below)
    return level


def unpack(packing):
    """The edges as (source, target, lag, strength, coupling, function), once from each table."""
    names, functions = packing.names, packing.capacity.function_names
    from_parents, from_children = [], []
    for slot, column in np.argwhere(packing.parent_mask):
        at = (slot, column)
        from_parents.append(
            (
                names[packing.parent_source[at]],
                names[slot],
                COUPLINGS[packing.parent_coupling[at]],
                int(packing.parent_lag[at]),
                float(packing.parent_strength[at]),
                functions[packing.parent_function[at]],
            )
        )
    for slot, column in np.argwhere(packing.child_mask):
        at = (slot, column)
        from_children.append(
            (
                names[slot],
                names[packing.child_target[at]],
                COUPLINGS[packing.child_coupling[at]],
                int(packing.child_lag[at]),
                float(packing.child_strength[at]),
                functions[packing.child_function[at]],
            )
        )
    return sorted(from_parents), sorted(from_children)


def check(topology, packing, inputs=None):
    capacity = packing.capacity
    edges = sorted((e.source, e.target, e.coupling, e.lag, e.strength, e.function) for e in topology.edges)
    assert unpack(packing) == (edges, edges)

    level = levels_by_networkx(topology, inputs)
    assert packing.slot.keys() == set(topology.names)
    for name, slot in packing.slot.items():
        assert packing.names[slot] == name
        part = capacity.level_slice(level[name])
        assert part.start <= slot < part.stop
    first = [name for name in topology.names if level[name] == 0] if inputs is None else list(inputs)
    assert [packing.slot[name] for name in first] == list(range(len(first)))
    assert packing.inputs == tuple(first)

    assert len(packing.names) == capacity.slots
    assert packing.mask.tolist() == [name is not None for name in packing.names]
    for slot, name in enumerate(packing.names):
        if name is None:
            assert packing.kind[slot] == -1
        else:
            assert capacity.kind_names[packing.kind[slot]] == topology.node(name).kind
            given_here = dict(topology.node(name).parameters)
            assert {key: packing.parameters[key][slot] for key in given_here} == given_here

    assert packing.parent_edge.shape == (capacity.slots, capacity.degree)
    assert packing.child_edge.shape == (capacity.slots, capacity.children_degree)
    for side, zero in (("parent", ["source"]), ("child", ["target", "column"])):
        mask = getattr(packing, f"{side}_mask")
        for field in (*zero, "lag", "strength"):
            assert not getattr(packing, f"{side}_{field}")[~mask].any()
        for field in ("edge", "coupling", "function"):
            assert (getattr(packing, f"{side}_{field}")[~mask] == -1).all()
        # Rows are packed to the left, in canonical order of the edges.
        assert not (np.diff(mask.astype(int), axis=1) > 0).any()
        table = getattr(packing, f"{side}_edge")
        assert all(sorted(row[row >= 0]) == list(row[row >= 0]) for row in table)
    found = packing.parent_edge[packing.child_target, packing.child_column]
    assert (found == packing.child_edge)[packing.child_mask].all()


@given(directed)
@settings(max_examples=120, deadline=None)
def test_pack_then_unpack_recovers_the_graph(topology):
    check(topology, pack(topology))


def test_many_graphs_and_their_edits_pack():
    for rng in seeded(250):
        topology = random_topology(rng, 12, 40, directed_only=True)
        packing = pack(topology)
        check(topology, packing)
        edited = random_batch(rng, topology, directed_only=True)[1]
        again = pack(edited, at_least=packing.capacity)
        check(edited, again)
        assert again.capacity == packing.capacity.join(Capacity.of(edited))


@given(directed, st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_inputs_are_level_0_in_the_order_given_and_other_leaves_stand_above(topology, rng):
    leaves = [name for name, level in levels_by_networkx(topology).items() if level == 0]
    chosen = tuple(rng.sample(leaves, rng.randint(0, len(leaves))))
    check(topology, pack(topology, inputs=chosen), chosen)
    assert pack(topology, inputs=chosen).capacity == Capacity.of(topology, inputs=chosen)


@given(directed, capacities)
@settings(max_examples=80, deadline=None)
def test_at_least_joins_and_never_shrinks(topology, capacity):
    packing = pack(topology, at_least=capacity)
    assert packing.capacity == capacity.join(Capacity.of(topology))
    check(topology, packing)


@given(capacities, capacities, capacities)
@settings(max_examples=150, deadline=None)
def test_join_is_commutative_associative_and_idempotent(a, b, c):
    assert a.join(b) == b.join(a)
    assert hash(a.join(b)) == hash(b.join(a))
    assert a.join(b).join(c) == a.join(b.join(c))
    assert a.join(a) == a
    assert a.join(b).join(a) == a.join(b)
    for size in ("levels", "input_width", "hidden_width", "degree", "children_degree", "slots"):
        assert getattr(a.join(b), size) >= max(getattr(a, size), getattr(b, size))
    assert a.join(b).kinds == a.kinds | b.kinds
    assert a.join(b).functions == a.functions | b.functions


@given(directed)
@settings(max_examples=80, deadline=None)
def test_capacity_is_the_smallest_power_of_two_above_the_floors(topology):
    level = levels_by_networkx(topology)
    widths = np.bincount(list(level.values()), minlength=1)
    parents = [len(topology.parents(name)) for name in topology.names]
    children = [len(topology.children(name)) for name in topology.names]

    def fits(size, need, floor):
        assert size >= max(need, floor)
        assert size & (size - 1) == 0
        assert size == floor or size < 2 * need

    capacity = Capacity.of(topology)
    fits(capacity.levels, len(widths), 1)
    fits(capacity.input_width, widths[0], 8)
    fits(capacity.hidden_width, max(widths[1:], default=0), 8)
    fits(capacity.degree, max(parents, default=0), 8)
    fits(capacity.children_degree, max(children, default=0), 8)
    assert capacity.kinds == {node.kind for node in topology.nodes}
    assert capacity.functions == {edge.function for edge in topology.edges}


def test_every_size_above_its_floor_counts_its_own_thing():
    """20 inputs under 2 latents, each the child of 9 others: no size can stand in for another."""
    inputs, middle, top = [f"u{i}" for i in range(20)], ["m0", "m1"], [f"t{i}" for i in range(9)]
    edges = [Edge("m0", name) for name in inputs] + [Edge("m1", "u0")]
    edges += [Edge(above, below) for above in top for below in middle]
    topology = Topology([Node(name, "continuous") for name in (*inputs, *middle, *top)], edges)
    capacity = Capacity.of(topology)
    assert (capacity.levels, capacity.input_width, capacity.hidden_width) == (4, 32, 16)
    assert (capacity.degree, capacity.children_degree) == (16, 32)
    check(topology, pack(topology))


def test_a_growing_graph_meets_few_capacities():
    """50 edits at one capacity each would be 50 compilations; with shared powers of two it is a handful."""
    rng = random.Random(0)
    names = [f"n{i:02}" for i in range(40)]
    topology = Topology([Node(name, "continuous") for name in names])
    capacity, met = Capacity.of(topology), set()
    for _ in range(200):
        low, high = sorted(rng.sample(range(40), 2))
        edge = Edge(names[high], names[low])
        if not topology.has_edge(edge.key):
            topology = apply(topology, [AddEdge(edge)])
            capacity = pack(topology, at_least=capacity).capacity
            met.add(capacity)
    assert len(met) <= 10


def test_slots_of_a_small_graph(small):
    packing = pack(small, inputs=("volume", "price"))
    assert packing.capacity == Capacity(4, 8, 8, 8, frozenset({"continuous"}), frozenset({"identity", "tanh"}), 8)
    assert packing.capacity.slots == 32
    assert packing.slot == {"volume": 0, "price": 1, "level": 8, "turbulence": 16}
    # volume's parents: level (tanh), price at lag 2, itself at lag 1.
    assert packing.parent_source[0, :4].tolist() == [8, 1, 0, 0]
    assert packing.parent_lag[0, :4].tolist() == [0, 2, 1, 0]
    assert packing.parent_strength[0, :4].tolist() == [-0.4, 1.0, 0.9, 0.0]
    assert packing.parent_function[0, :4].tolist() == [1, 0, 0, -1]
    assert packing.parent_coupling[8, :2].tolist() == [1, -1]
    assert packing.child_target[8, :3].tolist() == [1, 0, 0]
    assert packing.child_mask[8].sum() == 2
    assert packing.parameters["precision"][[0, 1, 2]].tolist() == [1.0, 10.0, 1.0]
    assert packing.parameters["mean"][8] == 0.5


@pytest.mark.parametrize("kind", node_kinds(), ids=lambda kind: kind.name)
def test_every_kind_packs_with_valid_padding(kind):
    packing = pack(Topology([Node("n", kind.name)]))
    assert {name: column[-1] for name, column in packing.parameters.items()} == dict(kind.parameters)


def test_padding_of_a_mixed_graph_takes_defaults():
    packing = pack(Topology([Node("a", "continuous", {"precision": 5.0}), Node("b", "binary")]))
    assert packing.parameters["precision"].tolist() == [5.0] + [1.0] * 7


def test_an_empty_graph_packs():
    packing = pack(Topology())
    assert packing.capacity == Capacity(1, 8, 8, 8, frozenset(), frozenset())
    assert not packing.mask.any()
    assert packing.inputs == ()
    assert pack(Topology(), inputs=()).slot == {}


def test_dtypes_and_immutability(small):
    packing = pack(small)
    floats, masks = {"parent_strength", "child_strength"}, {"mask", "parent_mask", "child_mask"}
    for name, value in vars(packing).items():
        if isinstance(value, np.ndarray):
            assert value.dtype == (np.float64 if name in floats else np.bool_ if name in masks else np.int32), name
            assert not value.flags.writeable, name
    with pytest.raises(ValueError, match="read-only"):
        packing.parameters["mean"][0] = 1.0
    assert repr(packing).startswith("Packing(4 nodes, Capacity(")


def test_level_slices_tile_the_slots():
    capacity = reduce(Capacity.join, [Capacity(4, 16, 8, 8, frozenset(), frozenset())])
    slots = [slot for level in range(4) for slot in range(capacity.slots)[capacity.level_slice(level)]]
    assert slots == list(range(capacity.slots)) == list(range(40))


def test_powers_of_two():
    assert [power_of_two(count) for count in (0, 1, 2, 3, 4, 5, 1023, 1024, 1025)] == [
        1,
        1,
        2,
        4,
        4,
        8,
        1024,
        1024,
        2048,
    ]
    assert power_of_two(3, 8) == 8
    assert power_of_two(9, 8) == 16


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda t: pack(t, inputs=("price", "prise")), ["'prise'"]),
        (lambda t: pack(t, inputs=("price", "price")), ["'price'", "twice"]),
        (lambda t: pack(t, inputs=("level",)), ["'level'", "'price'", "lag 0"]),
        (lambda t: pack(apply(t, [AddEdge(Edge("price", "volume", mark="bidirected"))])), ["price <-> volume"]),
        (lambda t: Capacity(3, 8, 8, 8, frozenset(), frozenset()), ["levels", "3", "4"]),
        (lambda t: Capacity(1, 0, 8, 8, frozenset(), frozenset()), ["input_width", "0"]),
        (lambda t: Capacity(1, 8, 8, 8, frozenset(), frozenset(), 12), ["children_degree", "12", "16"]),
    ],
)
def test_what_cannot_be_packed_is_refused_by_name(small, make, named, refusal):
    with pytest.raises(GraphError) as raised:
        make(small)
    refusal(raised, *named)
