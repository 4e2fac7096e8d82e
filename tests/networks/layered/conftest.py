"""Small networks and rows, and predictions written down in numpy, unit by unit."""

import jax
import networkx as nx
import numpy as np
import pytest

from sostruct.networks.layered.learning import Learning
from sostruct.networks.layered.network import LayeredNetwork

FUNCTIONS = {"identity": lambda x: x, "tanh": np.tanh, "relu": lambda x: np.maximum(x, 0.0)}


def winding(kind="classification", units=3):
    """Two inputs, a cascade, a population after it, and a connection past both."""
    graph = nx.MultiDiGraph()
    for name, width in (("a", 2), ("b", 1)):
        graph.add_node(name, kind="input", width=width)
    graph.add_node("first", kind="dense", width=3)
    graph.add_node("second", kind="dense", width=2)
    graph.add_node("y", kind=kind, width=units)
    graph.add_edge("a", "first")
    graph.add_edge("b", "first", function="tanh")
    graph.add_edge("first", "first", lag=1, function="tanh")
    graph.add_edge("first", "second", function="relu")
    graph.add_edge("a", "second")
    graph.add_edge("second", "y", function="tanh")
    graph.add_edge("first", "y", function="tanh")
    graph.add_edge("b", "y")
    return graph


def rows(count=40, kind="classification", seed=0):
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(count, 3)).astype(np.float32)
    if kind == "regression":
        return features, generator.normal(size=(count, 2)).astype(np.float32)
    return features, generator.integers(3, size=count)


def network(kind="classification", units=3, learning=None, key=0, graph=None):
    learning = Learning(batch=8) if learning is None else learning
    graph = winding(kind, units) if graph is None else graph
    return LayeredNetwork.of(graph, learning=learning, key=jax.random.key(key))


def trained(epochs=3, **settings):
    kind = settings.get("kind", "classification")
    net = network(**settings)
    data = net.prepare(rows(kind=kind))
    for epoch in range(epochs):
        net, _ = net.epoch(data, key=jax.random.key(epoch))
    return net, data


def by_hand(net, features):
    """The weighted sum of the output [row, unit], unit by unit."""
    topology = net.topology
    units = net.packed.units
    center, scale = (np.concatenate(part) for part in (units.center, units.scale))
    features = (np.asarray(features, np.float64) - center) / scale
    inputs = [name for name in topology.names if topology.node(name).kind == "input"]
    sent, begin = {}, 0
    for name in inputs:
        width = int(dict(topology.node(name).parameters)["width"])
        sent[name] = features[:, begin : begin + width]
        begin += width
    for name in topology.order:
        if name in inputs:
            continue
        width = int(dict(topology.node(name).parameters)["width"])
        total = np.tile(net.biases(name).astype(np.float64), (len(features), 1))
        for edge in topology.parents(name):
            if edge.source != name:
                total += FUNCTIONS[edge.function](sent[edge.source]) @ net.weights(edge.source, name)
        own = [edge for edge in topology.parents(name) if edge.source == name]
        for edge in own:
            for unit in range(width):
                for later in range(unit + 1, width):
                    total[:, later] += FUNCTIONS[edge.function](total[:, unit]) * net.weights(name, name)[unit, later]
        sent[name] = total
    return sent["y"]


@pytest.fixture
def features():
    return rows(7, seed=3)[0]
