"""Random belief networks of every kind, and data drawn from them, so that tests meet graphs nobody thought of.

Parameters are moderate: state-to-state couplings are damped by autoconnections below one and volatility chains are
short, since deep chains of integrators diverge in the equations themselves, and then there is nothing to compare.
"""

from __future__ import annotations

from collections.abc import Sequence

import networkx as nx
import numpy as np
from scipy.special import expit

from tests.networks.hgf.reference_parts import BELIEF, explicit, links

DEEPEST = 4  # value levels above an input
HIGHEST = 2  # volatility levels above a state


def random_graph(
    rng: np.random.Generator,
    nodes: int,
    kinds: Sequence[str] = ("continuous", "binary", "constant", "volatile"),
    functions: Sequence[str] = ("identity", "tanh", "sigmoid", "relu"),
    several_parents: bool = False,
) -> tuple[nx.MultiDiGraph, list[str]]:
    """A random valid network in which every latent has an input below it, and its inputs in a random order.

    Args:
        rng: the source of every choice.
        nodes: how many; at least 2, at most 100. The inputs are about a third of them.
        kinds: the kinds that may occur; "continuous" always does.
        functions: the coupling functions that may occur.
        several_parents: whether a node may have more than one value parent that is not constant.
    """
    builder = _Builder(rng, nodes, tuple(kinds), tuple(functions), several_parents)
    return builder.graph, builder.inputs


class _Builder:
    """A graph under construction, from the inputs upwards."""

    def __init__(
        self,
        rng: np.random.Generator,
        nodes: int,
        kinds: tuple[str, ...],
        functions: tuple[str, ...],
        several_parents: bool,
    ) -> None:
        self.rng, self.kinds, self.functions, self.several = rng, kinds, functions, several_parents
        self.graph = nx.MultiDiGraph()
        self.names = [f"n{number:02d}" for number in rng.permutation(nodes)]
        self.depth: dict[str, int] = {}  # value levels below
        self.height: dict[str, int] = {}  # volatility levels below
        self.inputs = [self.input() for _ in range(max(1, min(nodes // 2, round(nodes * rng.uniform(0.2, 0.4)))))]
        for child in self.inputs:
            shared = [name for name in self.latents() if rng.random() < 0.2]
            self.couple(str(rng.choice(shared)) if shared else self.latent(1, 0), child, "value")
        while self.names:
            self.grow()
        if several_parents:
            self.thicken()

    def latents(self) -> list[str]:
        return [name for name in self.graph if name not in self.inputs and self.kind(name) != "constant"]

    def kind(self, name: str) -> str:
        return str(self.graph.nodes[name]["kind"])

    def value_parents(self, name: str) -> list[str]:
        found = [source for source, _, data in self.graph.in_edges(name, data=True) if data["coupling"] == "value"]
        return [source for source in found if self.kind(source) != "constant"]

    def input(self) -> str:
        name = self.names.pop()
        if "binary" in self.kinds and self.rng.random() < 0.3:
            self.graph.add_node(name, kind="binary")
        else:
            self.graph.add_node(name, kind="continuous", precision=self.rng.uniform(1.0, 10.0))
        self.depth[name] = self.height[name] = 0
        return name

    def latent(self, depth: int, height: int) -> str:
        rng, name = self.rng, self.names.pop()
        low, high = (-6.0, -3.5) if height else (-4.5, -1.5)
        parameters = {
            "mean": rng.normal(0.0, 0.3),
            "precision": rng.uniform(3.0, 10.0) if height else rng.uniform(0.7, 4.0),
            "tonic_volatility": rng.uniform(low, high),
            "tonic_drift": rng.normal(0.0, 0.02) if rng.random() < 0.3 else 0.0,
            "autoconnection": rng.uniform(0.3, 0.95) if rng.random() < 0.7 or height else 1.0,
        }
        kind = "volatile" if "volatile" in self.kinds and rng.random() < 0.25 else "continuous"
        if kind == "volatile":
            parameters |= {
                "volatility_mean": rng.normal(0.0, 0.3),
                "volatility_precision": rng.uniform(3.0, 10.0),
                "volatility_tonic_volatility": rng.uniform(-6.0, -3.5),
                "volatility_tonic_drift": 0.0,
                "volatility_autoconnection": rng.uniform(0.7, 1.0),
            }
        self.graph.add_node(name, kind=kind, **parameters)
        self.depth[name], self.height[name] = depth, height
        return name

    def couple(self, parent: str, child: str, coupling: str) -> None:
        rng = self.rng
        if coupling == "volatility":
            self.graph.add_edge(parent, child, coupling=coupling, strength=rng.uniform(0.3, 1.0))
            return
        if self.kind(parent) == "constant":
            largest = 0.5 if child in self.inputs else 0.1
        else:
            largest = 1.2 if child in self.inputs else 0.6
            if child not in self.inputs:  # a driven state forgets, or means would run away
                node = self.graph.nodes[child]
                node["autoconnection"] = min(node["autoconnection"], rng.uniform(0.3, 0.95))
        function = str(rng.choice(self.functions))
        if function in ("tanh", "sigmoid"):  # curvature takes precision away, and may take all of it
            largest *= 0.5
        strength = float(rng.uniform(0.3, 1.0) * largest * rng.choice([-1.0, 1.0]))
        self.graph.add_edge(parent, child, coupling=coupling, strength=strength, function=function)

    def grow(self) -> None:
        """One more node, a parent of one or two nodes that are there."""
        rng = self.rng
        if "constant" in self.kinds and rng.random() < 0.1:
            name = self.names.pop()
            self.graph.add_node(name, kind="constant")
            self.couple(name, str(rng.choice([*self.inputs, *self.latents()])), "value")
            return
        coupling = "volatility" if rng.random() < 0.4 else "value"
        children = self.open(coupling)
        if not children:
            coupling = "value" if coupling == "volatility" else "volatility"
            children = self.open(coupling)
        if not children:
            coupling, children = "volatility", [name for name in self.latents() if self.height[name] < HIGHEST]
        count = min(len(children), 1 + int(rng.random() < 0.3))
        chosen = [str(name) for name in rng.choice(children, size=count, replace=False)]
        depth = max(self.depth[name] for name in chosen) + (coupling == "value")
        height = max(self.height[name] for name in chosen) + (coupling == "volatility")
        parent = self.latent(depth, height)
        for child in chosen:
            self.couple(parent, child, coupling)

    def open(self, coupling: str) -> list[str]:
        """The nodes that may get one more parent."""
        if coupling == "volatility":
            few = [name for name in self.graph if self.kind(name) in ("continuous", "volatile")]
            few = [name for name in few if self.height[name] < HIGHEST]
            taken = {child for _, child, data in self.graph.edges(data=True) if data["coupling"] == "volatility"}
            return [name for name in few if name not in taken or self.rng.random() < 0.1]
        most = 2 if self.several else 1
        places = [*self.inputs, *self.latents()]
        return [name for name in places if self.depth[name] < DEEPEST and len(self.value_parents(name)) < most]

    def thicken(self) -> None:
        """A few more value couplings, from latents that are there."""
        for child in [*self.inputs, *self.latents()]:
            above = [
                name
                for name in self.latents()
                if self.depth[name] > self.depth[child]
                and self.height[name] >= self.height[child]
                and not self.graph.has_edge(name, child)
                and len(self.value_parents(child)) < 3
                and not nx.has_path(self.graph, child, name)
            ]
            if above and self.rng.random() < 0.2:
                self.couple(str(self.rng.choice(above)), child, "value")


def series(
    rng: np.random.Generator,
    graph: nx.MultiDiGraph,
    inputs: Sequence[str],
    steps: int,
    missing: float = 0.0,
    time_steps: np.ndarray | None = None,
) -> np.ndarray:
    """Data [time, input] drawn from the network, with a fraction of the entries missing (NaN).

    Log variances are held within [-8, 1], so that a wild draw of a volatility does not end the test.
    """
    graph = explicit(graph)
    order = list(nx.lexicographical_topological_sort(graph))
    value = {name: graph.nodes[name].get("mean", BELIEF["mean"]) for name in order}
    value_links = {name: [link for link in links(graph, "value") if link.child == name] for name in order}
    volatility_links = {name: [link for link in links(graph, "volatility") if link.child == name] for name in order}
    data = np.empty((steps, len(inputs)))
    for step in range(steps):
        dt = 1.0 if time_steps is None else float(time_steps[step])
        for name in order:
            parameters = BELIEF | dict(graph.nodes[name])
            linear, log_variance, noisy = 0.0, 0.0, False
            for link in value_links[name]:
                linear += link.strength * link.g(value[link.parent])
            for link in volatility_links[name]:
                log_variance, noisy = log_variance + link.strength * value[link.parent], True
            if parameters["kind"] == "constant":
                value[name] = 1.0
            elif parameters["kind"] == "binary":
                value[name] = float(rng.random() < expit(linear))
            elif name in inputs:
                variance = 1.0 / parameters["precision"] + noisy * np.exp(np.clip(log_variance, -8.0, 1.0))
                value[name] = rng.normal(linear, np.sqrt(variance))
            else:
                log_variance = np.clip(log_variance + parameters["tonic_volatility"], -8.0, 1.0)
                mean = parameters["autoconnection"] ** dt * value[name] + dt * (parameters["tonic_drift"] + linear)
                value[name] = rng.normal(mean, np.sqrt(dt * np.exp(log_variance)))
        data[step] = [value[name] for name in inputs]
    data[rng.random(data.shape) < missing] = np.nan
    return data
