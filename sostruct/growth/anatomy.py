"""What the nodes of a belief graph are to each other: who drives what, on which scale, and what goes when one goes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import final

from sostruct.graph import Edge, Topology
from sostruct.networks.hgf.workbench import Knob

_MOVED = 0.2
"""Nats of log variance from which a parent has brought its child elsewhere."""


@final
class Anatomy:
    """A belief graph read for its parts.

    Args:
        topology: the graph.
        inputs: its inputs.
        levels: where nodes were believed to be, some moments each, if they are not where they are expected.

    Attributes:
        hidden: its continuous hidden nodes.
        volatility_parents: those that drive nothing but log variances.
        value_parents: those that drive a mean.
        states: those that an input sees.
        drifts: value parents that no input sees.
        parameters: of every node, by name.
    """

    def __init__(
        self, topology: Topology, inputs: Sequence[str], levels: Mapping[str, tuple[float, ...]] | None = None
    ) -> None:
        self.topology, self.inputs = topology, frozenset(inputs)
        self.levels = levels or {}
        self.hidden = [
            node.name for node in topology.nodes if node.name not in self.inputs and node.kind == "continuous"
        ]
        self.parameters = {node.name: dict(node.parameters) for node in topology.nodes}
        self.volatility_parents = [
            name for name in self.hidden if self.drives(name, "volatility") and not self.drives(name, "value")
        ]
        self.value_parents = [name for name in self.hidden if self.drives(name, "value")]
        self.states = [
            name for name in self.value_parents if any(edge.target in self.inputs for edge in topology.children(name))
        ]
        self.drifts = [name for name in self.value_parents if name not in self.states]

    def fresh(self, stem: str) -> str:
        """A name that is not taken: the stem and the next number."""
        number = 1
        while f"{stem}_{number}" in self.topology:
            number += 1
        return f"{stem}_{number}"

    def drives(self, name: str, coupling: str) -> bool:
        """Whether a node has a child by this coupling."""
        return any(edge.coupling == coupling for edge in self.topology.children(name))

    def parents(self, name: str, coupling: str) -> list[Edge]:
        """The edges into a node by this coupling."""
        return [edge for edge in self.topology.parents(name) if edge.coupling == coupling]

    def above(self, ancestor: str, name: str) -> bool:
        """Whether `ancestor` is `name` or above it."""
        return ancestor == name or any(self.above(ancestor, edge.source) for edge in self.topology.parents(name))

    def orphans(self, name: str) -> list[str]:
        """Hidden nodes that would lose their last child with a node."""
        found: list[str] = []
        for edge in self.topology.parents(name):
            if len(self.topology.children(edge.source)) == 1:
                found += [edge.source, *self.orphans(edge.source)]
        return found

    def log_step(self, name: str) -> float:
        """om, log variance of a node's own steps."""
        return self.parameters[name]["tonic_volatility"]

    def variance(self, name: str) -> float:
        """Log stationary variance, or log variance of a step of a random walk."""
        decay = self.parameters[name]["autoconnection"]
        return self.log_step(name) - (math.log(1.0 - decay**2) if abs(decay) < 1.0 else 0.0)

    def loading(self, parent: str, name: str, coupling: str, size: float) -> float:
        """A loading that makes the parent act on a node as it acts on its first child, times `size`."""
        first = self.topology.children(parent)[0]
        if coupling == "volatility":
            return held_off(size * abs(first.strength))
        ratio = math.exp(0.5 * (self.log_step(name) - self.log_step(first.target)))
        return held_off(size * ratio * abs(first.strength))

    def lowered(self, parent: str, name: str, coupling: str, size: float) -> tuple[dict[Knob, float], float]:
        """The tonic level of a child that gets a parent, and its loading."""
        loading = self.loading(parent, name, coupling, size)
        variance = loading**2 * math.exp(self.variance(parent))
        fall = 0.35 * variance if coupling == "volatility" else math.log1p(variance / math.exp(self.log_step(name)))
        return {(name, "tonic_volatility"): self.log_step(name) - fall}, loading

    def raised(self, edge: Edge) -> dict[Knob, float]:
        """The tonic level of a child that loses a parent."""
        variance = edge.strength**2 * math.exp(self.variance(edge.source))
        if edge.target in self.inputs:
            if self.topology.node(edge.target).kind != "continuous":
                return {}
            noise = 1.0 / self.parameters[edge.target]["precision"]
            added = (
                math.exp(min(self.parameters[edge.source]["mean"] + 0.5 * variance, 30.0))
                if edge.coupling == "volatility"
                else variance
            )
            return {(edge.target, "precision"): 1.0 / (noise + added)}
        rise = (
            0.35 * variance
            if edge.coupling == "volatility"
            else math.log1p(variance / math.exp(self.log_step(edge.target)))
        )
        return {(edge.target, "tonic_volatility"): self.log_step(edge.target) + rise}

    def left(self, edges: Sequence[Edge]) -> list[dict[Knob, float]]:
        """The tonic levels of children that lose a volatility parent and stay where it had brought them."""
        rows: list[dict[Knob, float]] = []
        for moment in range(max((len(self.levels.get(edge.source, ())) for edge in edges), default=0)):
            row: dict[Knob, float] = {}
            for edge in edges:
                change = edge.strength * self.levels[edge.source][moment]
                if edge.coupling != "volatility" or abs(change) < _MOVED:
                    continue
                if edge.target not in self.inputs:
                    row[(edge.target, "tonic_volatility")] = self.log_step(edge.target) + change
                elif "precision" in self.parameters[edge.target]:
                    noise = 1.0 / self.parameters[edge.target]["precision"] + math.exp(min(change, 30.0))
                    row[(edge.target, "precision")] = 1.0 / noise
            rows += [row] if row and row not in rows else []
        return rows


def held_off(strength: float) -> float:
    """A loading that is free: not exactly 1, nor 0."""
    return strength if abs(strength - 1.0) > 1e-6 and strength != 0.0 else 0.999
