"""Packing: every edge is recovered from either table, levels agree with networkx, blocks cut levels into windows of
edges, capacities form a semilattice."""

from __future__ import annotations

import random
from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sostruct.errors import GraphError
from sostruct.graph import AddEdge, Capacity, Edge, Node, Topology, apply, node_kinds, pack
from sostruct.graph.packing import BLOCK, power_of_two
from sostruct.graph.schema import COUPLINGS

from .strategies import capacities, random_batch, random_topology, seeded, topologies

directed = topologies(directed_only=True)
SIZES = ("input_width", "latent_width", "blocks", "degree", "edges", "window", "fan")


def levels_by_networkx(topology, inputs=None):
    """Longest path at lag 0 below every node; a leaf that is not among the inputs counts as if one stood below it."""
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
    """The edges as (source, target, coupling, lag, strength, function), once from each table."""
    names, functions = packing.names, packing.capacity.function_names
    from_parents = [
        (
            names[packing.parent_source[at]],
            names[at[0]],
            COUPLINGS[packing.parent_coupling[at]],
            int(packing.parent_lag[at]),
            float(packing.parent_strength[at]),
            functions[packing.parent_function[at]],
        )
        for at in map(tuple, np.argwhere(packing.parent_mask))
    ]
    from_children = []
    for at in np.flatnonzero(packing.child_edge >= 0):
        row = packing.child_target[at], packing.child_column[at]
        from_children.append(
            (
                names[packing.child_source[at]],
                names[packing.child_target[at]],
                COUPLINGS[packing.child_coupling[at]],
                int(packing.parent_lag[row]),
                float(packing.parent_strength[row]),
                functions[packing.child_function[at]],
            )
        )
    return sorted(from_parents), sorted(from_children)


def check(topology, packing, inputs=None):
    capacity = packing.capacity
    edges = sorted((e.source, e.target, e.coupling, e.lag, e.strength, e.function) for e in topology.edges)
    assert unpack(packing) == (edges, edges)

    level = levels_by_networkx(topology, inputs)
    first = [name for name in topology.names if level[name] == 0] if inputs is None else list(inputs)
    others = sorted(set(topology.names) - set(first), key=lambda name: (level[name], name))
    assert packing.inputs == tuple(first)
    starts = [*range(len(first)), *range(capacity.input_width, capacity.input_width + len(others))]
    assert packing.slot == dict(zip([*first, *others], starts, strict=True))

    assert len(packing.names) == capacity.slots
    assert packing.mask.tolist() == [name is not None for name in packing.names]
    for slot, name in enumerate(packing.names):
        if name is None:
            assert packing.kind[slot] == -1
        else:
            assert packing.slot[name] == slot
            assert capacity.kind_names[packing.kind[slot]] == topology.node(name).kind
            given_here = dict(topology.node(name).parameters)
            assert {key: packing.parameters[key][slot] for key in given_here} == given_here

    check_tables(topology, packing)
    check_blocks(packing, [level[name] for name in others])


def check_tables(topology, packing):
    """Padding, and the order of the edges."""
    capacity, there = packing.capacity, packing.child_edge >= 0
    for field in ("edge", "source", "lag", "mask", "strength", "coupling", "function"):
        assert getattr(packing, f"parent_{field}").shape == (capacity.slots, capacity.degree)
    for field in ("edge", "source", "target", "column", "coupling", "function"):
        assert getattr(packing, f"child_{field}").shape == (capacity.edges + capacity.window,)
    for side, present, zero in (
        ("parent", packing.parent_mask, ("source", "lag", "strength")),
        ("child", there, ("source", "target", "column")),
    ):
        for field in zero:
            assert not getattr(packing, f"{side}_{field}")[~present].any()
        for field in ("edge", "coupling", "function"):
            assert (getattr(packing, f"{side}_{field}")[~present] == -1).all()
    # Rows of parents are filled from the left, in canonical order of the edges.
    assert not (np.diff(packing.parent_mask.astype(int), axis=1) > 0).any()
    assert all(sorted(row[row >= 0]) == list(row[row >= 0]) for row in packing.parent_edge)
    # The list of children is filled from the front, by the slot of the parent and then in canonical order.
    assert there.tolist() == [True] * len(topology.edges) + [False] * (len(there) - len(topology.edges))
    order = list(zip(packing.child_source[there], packing.child_edge[there], strict=True))
    assert order == sorted(order)
    found = packing.parent_edge[packing.child_target, packing.child_column]
    assert (found == packing.child_edge)[there].all()


def check_blocks(packing, levels):
    """Blocks partition the latents upwards, none spans two levels or more edges than fit, and none could be fuller.

    Args:
        packing: what is checked.
        levels: of the latents, by slot.
    """
    capacity, width = packing.capacity, packing.capacity.input_width
    assert packing.block_node.shape == packing.block_edge.shape == (capacity.blocks, 2)
    used = int((packing.block_node[:, 1] > 0).sum())
    assert (packing.block_node[used:] == [capacity.slots - BLOCK, 0]).all()
    assert not packing.block_edge[used:].any()
    children = np.bincount(packing.child_source[packing.child_edge >= 0], minlength=capacity.slots)
    position = 0
    for (start, size), (edge, count) in zip(packing.block_node[:used], packing.block_edge[:used], strict=True):
        assert start == width + position
        assert 1 <= size <= BLOCK
        own = np.arange(start, start + size)
        assert {levels[slot - width] for slot in own} == {levels[position]}
        # A window from the block's first edge holds all edges of its nodes, and ends inside the list.
        window = packing.child_source[edge : edge + capacity.window]
        assert len(window) == capacity.window
        assert count == children[own].sum() <= capacity.window
        assert (window[:count] == np.repeat(own, children[own])).all()
        position += size
        if position < len(levels) and levels[position] == levels[position - 1]:
            assert size == BLOCK or count + children[width + position] > capacity.window
    assert position == len(levels)


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
        assert again.capacity.join(Capacity.of(edited)) == packing.capacity.join(Capacity.of(edited))


@given(directed, st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_inputs_come_first_in_the_order_given_and_other_leaves_stand_above(topology, rng):
    leaves = [name for name, level in levels_by_networkx(topology).items() if level == 0]
    chosen = tuple(rng.sample(leaves, rng.randint(0, len(leaves))))
    check(topology, pack(topology, inputs=chosen), chosen)
    assert pack(topology, inputs=chosen).capacity == Capacity.of(topology, inputs=chosen)


@given(directed, capacities)
@settings(max_examples=80, deadline=None)
def test_at_least_joins_and_never_shrinks(topology, capacity):
    packing = pack(topology, at_least=capacity)
    check(topology, packing)
    most = capacity.join(Capacity.of(topology))
    assert pack(topology, at_least=most).capacity == most
    # A wider window takes fewer blocks.
    assert packing.capacity == replace(most, blocks=packing.capacity.blocks)
    assert capacity.blocks <= packing.capacity.blocks <= most.blocks


@given(capacities, capacities, capacities)
@settings(max_examples=150, deadline=None)
def test_join_is_commutative_associative_and_idempotent(a, b, c):
    assert a.join(b) == b.join(a)
    assert hash(a.join(b)) == hash(b.join(a))
    assert a.join(b).join(c) == a.join(b.join(c))
    assert a.join(a) == a
    assert a.join(b).join(a) == a.join(b)
    for size in SIZES:
        assert getattr(a.join(b), size) == max(getattr(a, size), getattr(b, size))
    for words in ("kinds", "functions", "traits"):
        assert getattr(a.join(b), words) == getattr(a, words) | getattr(b, words)
    assert a.join(b).slots == a.join(b).input_width + a.join(b).latent_width + BLOCK


@given(directed)
@settings(max_examples=80, deadline=None)
def test_capacity_is_the_smallest_power_of_two_above_the_floors(topology):
    inputs = sum(level == 0 for level in levels_by_networkx(topology).values())
    parents = [len(topology.parents(name)) for name in topology.names]
    children = [len(topology.children(name)) for name in topology.names]
    packing = pack(topology)
    hidden = [len(topology.children(name)) for name in topology.names if name not in packing.inputs]

    def fits(size, need, floor):
        assert size >= max(need, floor)
        assert size & (size - 1) == 0
        assert size == floor or size < 2 * need

    capacity = Capacity.of(topology)
    assert packing.capacity == capacity
    fits(capacity.input_width, inputs, 8)
    fits(capacity.latent_width, topology.size - inputs, 8)
    fits(capacity.blocks, (packing.block_node[:, 1] > 0).sum(), 1)
    fits(capacity.degree, max(parents, default=0), 4)
    fits(capacity.edges, len(topology.edges), 64)
    fits(capacity.window, max(hidden, default=0), 16)
    fits(capacity.fan, max(children, default=0), 4)
    assert capacity.kinds == {node.kind for node in topology.nodes}
    assert capacity.functions == {edge.function for edge in topology.edges}
    assert capacity.traits == frozenset()


def test_every_size_above_its_floor_counts_its_own_thing():
    """20 inputs under 2 latents, each the child of 9 others, and 40 past values of one input: no size can stand in for
    another."""
    inputs, middle, top = [f"u{i}" for i in range(20)], ["m0", "m1"], [f"t{i}" for i in range(9)]
    edges = [Edge("m0", name) for name in inputs] + [Edge("m1", "u0")]
    edges += [Edge(above, below) for above in top for below in middle]
    edges += [Edge("u0", name, lag=lag) for name in inputs for lag in (1, 2)]
    topology = Topology([Node(name, "continuous") for name in (*inputs, *middle, *top)], edges)
    capacity = Capacity.of(topology)
    assert {size: getattr(capacity, size) for size in SIZES} == {
        "input_width": 32,
        "latent_width": 16,
        "blocks": 4,  # the 2 below, 8 above and 1 more
        "degree": 16,
        "edges": 128,
        "window": 32,
        "fan": 64,
    }
    check(topology, pack(topology))


def test_a_wide_level_is_cut_where_its_edges_outgrow_the_window():
    """Five latents of one level with 6 children each: two of them fill a window of 16."""
    above, below = [f"m{i}" for i in range(5)], [f"u{i}" for i in range(6)]
    nodes = [Node(name, "continuous") for name in (*above, *below)]
    topology = Topology(nodes, [Edge(parent, child) for parent in above for child in below])
    packing = pack(topology)
    assert packing.capacity.window == 16
    assert packing.block_node[:3].tolist() == [[8, 2], [10, 2], [12, 1]]
    assert packing.block_edge[:3].tolist() == [[0, 12], [12, 12], [24, 6]]
    check(topology, packing)
    wide = pack(topology, at_least=replace(packing.capacity, window=32, blocks=1))
    assert wide.capacity.blocks == 1
    assert wide.block_node.tolist() == [[8, 5]]
    check(topology, wide)


def test_a_growing_graph_meets_few_capacities():
    """200 edits at one capacity each would be 200 compilations; with powers of two only doublings of a size are."""
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
    assert len(met) <= 16


def test_slots_of_a_small_graph(small):
    packing = pack(small, inputs=("volume", "price"))
    assert packing.capacity == Capacity(
        8, 8, 2, 4, 64, 16, 4, frozenset({"continuous"}), frozenset({"identity", "tanh"})
    )
    assert packing.capacity.slots == 24
    assert packing.slot == {"volume": 0, "price": 1, "level": 8, "turbulence": 9}
    # volume's parents: level (tanh), price at lag 2, itself at lag 1.
    assert packing.parent_source[0].tolist() == [8, 1, 0, 0]
    assert packing.parent_lag[0].tolist() == [0, 2, 1, 0]
    assert packing.parent_strength[0].tolist() == [-0.4, 1.0, 0.9, 0.0]
    assert packing.parent_function[0].tolist() == [1, 0, 0, -1]
    assert packing.parent_coupling[8, :2].tolist() == [1, -1]
    # By parent: volume and price into volume, level into price and volume, turbulence into level.
    assert packing.child_source[:6].tolist() == [0, 1, 8, 8, 9, 0]
    assert packing.child_target[:6].tolist() == [0, 0, 1, 0, 8, 0]
    assert packing.child_column[:6].tolist() == [2, 1, 0, 0, 0, 0]
    assert packing.child_coupling[:6].tolist() == [0, 0, 0, 0, 1, -1]
    assert packing.block_node.tolist() == [[8, 1], [9, 1]]
    assert packing.block_edge.tolist() == [[2, 2], [4, 1]]
    assert packing.parameters["precision"][[0, 1, 2]].tolist() == [1.0, 10.0, 1.0]
    assert packing.parameters["mean"][8] == 0.5


@pytest.mark.parametrize("kind", node_kinds(), ids=lambda kind: kind.name)
def test_every_kind_packs_with_valid_padding(kind):
    packing = pack(Topology([Node("n", kind.name)]))
    assert {name: column[-1] for name, column in packing.parameters.items()} == dict(kind.parameters)


def test_padding_of_a_mixed_graph_takes_defaults():
    packing = pack(Topology([Node("a", "continuous", {"precision": 5.0}), Node("b", "binary")]))
    assert packing.parameters["precision"].tolist() == [5.0] + [1.0] * 23


def test_an_empty_graph_packs():
    packing = pack(Topology())
    assert packing.capacity == Capacity(8, 8, 1, 4, 64, 16, 4, frozenset(), frozenset())
    assert not packing.mask.any()
    assert packing.inputs == ()
    assert pack(Topology(), inputs=()).slot == {}


def test_dtypes_and_immutability(small):
    packing = pack(small)
    floats, masks = {"parent_strength"}, {"mask", "parent_mask"}
    for name, value in vars(packing).items():
        if isinstance(value, np.ndarray):
            assert value.dtype == (np.float64 if name in floats else np.bool_ if name in masks else np.int32), name
            assert not value.flags.writeable, name
    with pytest.raises(ValueError, match="read-only"):
        packing.parameters["mean"][0] = 1.0
    assert repr(packing).startswith("Packing(4 nodes, Capacity(")


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
        (lambda t: Capacity(3, 8, 1, 4, 16, 16, 4, frozenset(), frozenset()), ["input_width", "3", "4"]),
        (lambda t: Capacity(8, 8, 0, 4, 16, 16, 4, frozenset(), frozenset()), ["blocks", "0", "1"]),
        (lambda t: Capacity(8, 8, 1, 4, 16, 12, 4, frozenset(), frozenset()), ["window", "12", "16"]),
    ],
)
def test_what_cannot_be_packed_is_refused_by_name(small, make, named, refusal):
    with pytest.raises(GraphError) as raised:
        make(small)
    refusal(raised, *named)
