"""Series with a hidden structure: drawn from belief graphs that are known, for learners that start from bare inputs.

Design note. Each family of graphs keeps one secret, so that what a learner misses has a name; "mixed" keeps many. The
truth is the graph with the parameters that made the series, `start` the same inputs each with a state of its own and
nothing else, its parameters wrong on purpose: a learner that mistakes a wrong parameter for missing structure is found
out here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from sostruct.errors import ConfigError
from sostruct.graph import Edge, Node, Topology
from sostruct.tasks.base import AbstractTask, Task, listed, number, series_names, streams, whole
from sostruct.tasks.belief import parameter, sample_beliefs
from sostruct.tasks.moments import marginal_step_variance, stationary_variances
from sostruct.tasks.motifs import FAMILIES, MIXED, grow
from sostruct.tasks.scaffold import Scaffold

_NOISE = (0.3, 1.0)
_DEFAULT_SIGNAL = {"volatility": 1.0, "drift": 0.5, "fast": 4.0}
_MEASURE = {
    "volatility": "volatility",
    "shared_volatility": "volatility",
    "volatility_chain": "volatility",
    "drift": "drift",
    "drifts": "drift",
    "shared_drift": "drift",
    "drift_chain": "drift",
    "coparents": "fast",
}


@final
@dataclass(frozen=True)
class HiddenStructure(AbstractTask):
    """Series drawn from a belief graph that keeps a secret.

    Families:
        none: every input is its own random walk seen through noise.
        volatility: two states have a volatility parent each.
        shared_volatility: two to four states have one volatility parent.
        drift, drifts: one state, or two states, have a slow drift (a value parent) each.
        shared_drift: two states have one drift.
        shared_state: two inputs see one state.
        coparents: one input sees the sum of two states, a slow and a fast one.
        volatility_chain: a state's volatility parent has a volatility parent.
        drift_chain: a state's drift has a drift.
        mixed: random motifs among these until the graph has `nodes` nodes.

    Which inputs are concerned, every autoconnection, noise, sign and loading are drawn from the seed. Hidden parents
    have autoconnections from .9 to .98 (of a fast state .5 to .8), so all of them stay bounded; under a chain the state
    has one too, from .9 to .97.

    Args:
        family: one of the above.
        inputs: number of series, at least 1 (2 where something is shared).
        signal: how strong the secret is. Of a volatility parent: stationary sd of the log variance it drives, 1 by
            default; up to about 1.2 the approximate filters keep up. Of a drift: its sd in steps of its child, .5 by
            default. Of a fast state: its sd in steps of the slow one, 4 by default. Families "none" and "shared_state"
            have none, "mixed" the defaults.
        steps: number of rows.
        heldout: number of further rows, held out.
        wrong: the largest error of every tonic volatility and log precision in `start`, nats of log variance.
        nodes: size of a "mixed" graph, inputs and states counted, from 2 inputs + 1 to 3 inputs; 3 inputs by default.
        autoconnection: of the states under the inputs; 1 makes them random walks.

    Raises:
        ConfigError: a setting is of the wrong type or out of range, or one that the family does not have.
    """

    family: str = "volatility"
    inputs: int = 4
    signal: float | None = None
    steps: int = 2000
    heldout: int = 2000
    wrong: float = 2.0
    nodes: int | None = None
    autoconnection: float = 1.0

    def __post_init__(self) -> None:
        owner = "a hidden structure"
        if self.family not in (*FAMILIES, "mixed"):
            raise ConfigError(
                f"Cannot build {owner}. This is because family is {self.family!r}, which is none. Try one of "
                f"{listed((*FAMILIES, 'mixed'), 20)}."
            )
        shared = self.family in ("volatility", "drifts", "mixed") or self.family.startswith("shared")
        inputs = whole(owner, "inputs", self.inputs, 2 if shared else 1)
        checked: dict[str, int | float] = {
            "inputs": inputs,
            "steps": whole(owner, "steps", self.steps, 1),
            "heldout": whole(owner, "heldout", self.heldout, 0),
            "wrong": number(owner, "wrong", self.wrong, 0.0, 10.0),
            "autoconnection": number(owner, "autoconnection", self.autoconnection, 0.0, 1.0),
        }
        if self.signal is not None:
            if self.family not in _MEASURE:
                raise ConfigError(
                    f"Cannot build {owner}. This is because signal is {self.signal!r} and the family {self.family!r} "
                    f"has no one signal. Try leaving it out."
                )
            checked["signal"] = number(owner, "signal", self.signal, 0.0, 10.0)
        if self.nodes is not None:
            nodes = whole(owner, "nodes", self.nodes, 2)
            if self.family != "mixed" or not 2 * inputs < nodes <= 3 * inputs:
                raise ConfigError(
                    f"Cannot build {owner}. This is because nodes is {nodes}, and only the family 'mixed' takes a "
                    f"number, from {2 * inputs + 1} to {3 * inputs} for inputs={inputs}. Try family='mixed' with "
                    f"nodes={3 * inputs}, or other inputs."
                )
            checked["nodes"] = nodes
        for setting, value in checked.items():
            object.__setattr__(self, setting, value)

    def load(self, seed: int = 0) -> Task:
        """Graph and noise drawn from the seed.

        Raises:
            ConfigError: the seed is not a whole number of at least 0.
        """
        structure, noise = streams(seed)
        names = series_names(self.inputs)
        truth = self._truth(structure, names)
        frame, _ = sample_beliefs(truth, self.steps + self.heldout, noise)
        after = frame.iloc[self.steps :]
        return Task(
            name="structure",
            frame=frame.iloc[: self.steps].copy(),
            truth=truth.to_networkx(),
            truth_lags=False,
            description=f"{self.inputs} series over {self.steps} steps from a belief graph of family {self.family}.",
            provenance=f"Simulated by sostruct.tasks.{self!r} with seed {seed}.",
            heldout=after.copy() if self.heldout else None,
            start=misjudged(bare(truth, names), self.wrong, structure).to_networkx(),
        )

    def _truth(self, rng: np.random.Generator, names: Sequence[str]) -> Topology:
        strengths = dict(_DEFAULT_SIGNAL)
        if self.signal is not None:
            strengths[_MEASURE[self.family]] = self.signal
        noise = dict(zip(names, rng.uniform(*_NOISE, size=len(names)), strict=True))

        def fresh() -> Scaffold:
            return Scaffold(rng, names, autoconnection=self.autoconnection, **strengths)

        if self.family == "mixed":
            return grow(fresh, MIXED, 3 * self.inputs if self.nodes is None else self.nodes).topology(noise)
        scaffold = fresh()
        for motif in FAMILIES[self.family]:
            motif(scaffold)
        return scaffold.topology(noise)


def bare(truth: Topology, inputs: Sequence[str]) -> Topology:
    """Every input with a state of its own, which moves and is seen as in `truth` but depends on nothing else.

    The tonic volatility is the log of the variance of one step of what the input sees, given its last value alone, and
    autoconnection, first belief and noise are those of the first state under the input.
    """
    variances = stationary_variances(truth)
    nodes, edges = [], []
    for name in inputs:
        parents = [edge for edge in truth.parents(name) if edge.coupling == "value"]
        own = next((edge for edge in parents if edge.source == f"{name}_state"), parents[0])
        step = sum(edge.strength**2 * marginal_step_variance(truth, edge.source, variances) for edge in parents)
        state = f"{name}_state"
        parameters = {
            "tonic_volatility": math.log(step),
            "autoconnection": parameter(truth.node(own.source), "autoconnection"),
            "precision": parameter(truth.node(own.source), "precision") / own.strength**2,
        }
        nodes += [truth.node(name), Node(state, "continuous", parameters)]
        edges.append(Edge(state, name))
    return Topology(tuple(nodes), tuple(edges))


def misjudged(topology: Topology, wrong: float, rng: np.random.Generator) -> Topology:
    """A bare graph whose tonic volatilities and noise log precisions are each off by uniform(-wrong, wrong)."""
    nodes = []
    for node in topology.nodes:
        parameters: Mapping[str, float] = dict(node.parameters)
        error = float(rng.uniform(-wrong, wrong))
        if topology.children(node.name):
            off = {"tonic_volatility": parameters["tonic_volatility"] + error}
        else:
            off = {"precision": parameters["precision"] * math.exp(error)}
        nodes.append(Node(node.name, node.kind, {**parameters, **off}))
    return Topology(tuple(nodes), topology.edges)
