"""A belief graph in the making: one state behind every input, and the bookkeeping that hidden parents need.

Design note. Every addition keeps the scale of what it acts on. A volatility parent of log variance s^2 lowers its
child's tonic volatility by s^2 / 2, so the child's expected step stays what it was; a drift is measured in steps of its
child, and noise in steps of the state that it hides.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import final

import numpy as np

from sostruct.graph import Edge, Node, Topology
from sostruct.tasks.moments import stationary_variances

_LOADING = (0.7, 1.1)
_LOG_STEP = (-3.0, -1.0)


@final
class Scaffold:
    """A belief graph under construction: one random walk behind every input, and whatever motifs add.

    Args:
        rng: where every draw comes from.
        inputs: names of the series.
        autoconnection: of the states under the inputs.
        volatility: stationary sd of the log variance that a volatility parent drives.
        drift: sd of a drift in steps of its child.
        fast: stationary sd of a second, fast state of an input in steps of its first.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        inputs: Sequence[str],
        *,
        autoconnection: float,
        volatility: float,
        drift: float,
        fast: float,
    ) -> None:
        self.rng = rng
        self.inputs = tuple(inputs)
        self.volatility, self.drift, self.fast = volatility, drift, fast
        self.edges: list[Edge] = []
        self.lam: dict[str, float] = {}
        self.log_step: dict[str, float] = {}
        for name in inputs:
            state = f"{name}_state"
            self.add_state(state, autoconnection, rng.uniform(*_LOG_STEP))
            self.edges.append(Edge(state, name))
        self._scale = dict(self.log_step)

    def add_state(self, name: str, lam: float, log_step: float) -> None:
        """A hidden node with a step of expected log variance `log_step`."""
        self.lam[name], self.log_step[name] = lam, log_step

    def add_parent(self, motif: str, lam: float, variance: float) -> str:
        """A hidden autoregression named after its motif, of this stationary variance."""
        number = sum(name.startswith(f"{motif}_") for name in self.lam) + 1
        name = f"{motif}_{number}"
        self.add_state(name, lam, math.log(variance * (1.0 - lam**2)))
        return name

    def drive(self, parent: str, child: str, coupling: str, strength: float) -> None:
        """Let a parent act on a state; a volatility keeps the state's expected step."""
        self.edges.append(Edge(parent, child, coupling, strength=strength))
        if coupling == "volatility":
            self.log_step[child] -= 0.5 * (strength * self.volatility) ** 2

    def step(self, state: str) -> float:
        """Expected sd of a step of a state under an input, before any motif."""
        return math.exp(0.5 * self._scale[state])

    def states(self, coupling: str, count: int) -> list[str]:
        """States to act on: without a parent of this coupling, those with the fewest parents first, else at random.

        States that share an input with another are left alone: the other's steps would hide what moves them.
        """
        parents = {state: [edge for edge in self.edges if edge.target == state] for state in self._scale}
        crowded = [edge.target for edge in self.edges if edge.target in self.inputs]
        hidden = {edge.source for edge in self.edges if crowded.count(edge.target) > 1}
        free = [
            state
            for state in parents
            if state in self.lam and state not in hidden and all(edge.coupling != coupling for edge in parents[state])
        ]
        order = self.rng.permutation(len(free))
        return sorted((free[place] for place in order), key=lambda state: len(parents[state]))[:count]

    def private(self, count: int) -> list[str]:
        """Random inputs whose only value parent is their own state, which has no parents."""
        driven = {edge.target for edge in self.edges if edge.target in self.lam}
        value = [edge.target for edge in self.edges if edge.target in self.inputs]
        free = [
            name
            for name in self.inputs
            if value.count(name) == 1 and f"{name}_state" in self.lam and f"{name}_state" not in driven
        ]
        return [free[place] for place in self.rng.permutation(len(free))[:count]]

    def loading(self) -> float:
        """A second loading of a shared parent, whose first is 1: of either sign."""
        return float(self.rng.uniform(*_LOADING) * self.rng.choice([-1.0, 1.0]))

    @property
    def size(self) -> int:
        """Number of nodes, inputs included."""
        return len(self.inputs) + len(self.lam)

    def topology(self, noise: Mapping[str, float]) -> Topology:
        """The graph, with noise on every input of this sd in steps of the first state under it.

        Before the first step a state with an autoconnection below 1 is believed to be where it is in the long run, and
        a random walk within a step of 0.
        """
        nodes = []
        for name in self.inputs:
            first = next(edge for edge in self.edges if edge.target == name)
            size = noise[name] * abs(first.strength) * self.step(first.source)
            nodes.append(Node(name, "continuous", {"precision": size**-2}))
        latent = {
            name: {"tonic_volatility": self.log_step[name], "autoconnection": lam} for name, lam in self.lam.items()
        }
        free = [Node(name, "continuous", parameters) for name, parameters in latent.items()]
        for name, variance in stationary_variances(Topology((*nodes, *free), tuple(self.edges))).items():
            spread = variance if math.isfinite(variance) else self.step(name) ** 2
            nodes.append(Node(name, "continuous", {**latent[name], "precision": 1.0 / spread}))
        return Topology(tuple(nodes), tuple(self.edges))
