"""A hidden structure that changes and comes back: what a learner of structure must follow.

Design note. Two graphs differ only in where one shared parent acts: on the first half of the states or on the second.
Either has as many nodes as the other, so no count of nodes gives a regime away, and in both directions the change costs
whoever misses it the whole worth of a shared parent. The states themselves go on across a change: only what drives them
is new.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, final

import networkx as nx
import numpy as np
import pandas as pd

from sostruct.errors import ConfigError
from sostruct.graph import Topology
from sostruct.tasks.base import AbstractTask, Task, number, series_names, streams, whole
from sostruct.tasks.belief import sample_beliefs
from sostruct.tasks.hidden import bare, misjudged
from sostruct.tasks.motifs import add_drift, add_volatility
from sostruct.tasks.scaffold import Scaffold

_SIGNAL = {"drift": 0.6, "volatility": 1.0}


@final
class Regime(NamedTuple):
    """A graph and the first row it made, counting from 0."""

    first: int
    graph: nx.MultiDiGraph


@final
@dataclass(frozen=True)
class RegimeSwitch(AbstractTask):
    """Series whose belief graph changes from A to B and back to A.

    In A half of the states share a parent, in B the other half share one. At the defaults each change is worth .1 nats
    per step or more: so much more evidence per step has the right graph than the wrong one.

    Args:
        kind: what the parent is: "drift" or "volatility".
        inputs: number of series, at least 4.
        signal: strength of the parent as in `HiddenStructure`; .6 for a drift and 1 for a volatility
            by default.
        steps: number of rows of each of the three regimes.
        heldout: number of further rows, from the last regime, held out.
        wrong: the largest error of every tonic volatility and log precision in `start`, nats of log variance.

    Raises:
        ConfigError: a setting is of the wrong type or out of range.
    """

    kind: str = "drift"
    inputs: int = 4
    signal: float | None = None
    steps: int = 1000
    heldout: int = 1000
    wrong: float = 2.0

    def __post_init__(self) -> None:
        owner = "a switch of regimes"
        if self.kind not in _SIGNAL:
            raise ConfigError(
                f"Cannot build {owner}. This is because kind is {self.kind!r}. Try 'drift' or 'volatility'."
            )
        signal = _SIGNAL[self.kind] if self.signal is None else self.signal
        checked: dict[str, int | float] = {
            "inputs": whole(owner, "inputs", self.inputs, 4),
            "signal": number(owner, "signal", signal, 0.0, 10.0),
            "steps": whole(owner, "steps", self.steps, 1),
            "heldout": whole(owner, "heldout", self.heldout, 0),
            "wrong": number(owner, "wrong", self.wrong, 0.0, 10.0),
        }
        for setting, value in checked.items():
            object.__setattr__(self, setting, value)

    def load(self, seed: int = 0) -> Task:
        """Graphs and noise drawn from the seed; `truth` is the graph of the last regime.

        Raises:
            ConfigError: the seed is not a whole number of at least 0.
        """
        structure, noise = streams(seed)
        names = series_names(self.inputs)
        first, second = self._graphs(structure, names)
        parts: list[pd.DataFrame] = []
        last: dict[str, float] | None = None
        for graph, steps in ((first, self.steps), (second, self.steps), (first, self.steps + self.heldout)):
            part, latents = sample_beliefs(graph, steps, noise, start=last)
            parts.append(part)
            # the states go on; a parent begins anew
            last = {str(name): float(value) for name, value in latents.iloc[-1].items() if str(name).endswith("_state")}
        frame = pd.concat(parts, ignore_index=True)
        shown = 3 * self.steps
        return Task(
            name="regimes",
            frame=frame.iloc[:shown].copy(),
            truth=first.to_networkx(),
            truth_lags=False,
            description=(
                f"{self.inputs} series over {shown} steps whose belief graph changes at step {self.steps} and back at "
                f"step {2 * self.steps}."
            ),
            provenance=f"Simulated by sostruct.tasks.{self!r} with seed {seed}.",
            heldout=frame.iloc[shown:].copy() if self.heldout else None,
            start=misjudged(bare(first, names), self.wrong, structure).to_networkx(),
        )

    def regimes(self, seed: int = 0) -> tuple[Regime, Regime, Regime]:
        """The graph of every regime of the task with this seed, and the row from which it holds.

        Raises:
            ConfigError: the seed is not a whole number of at least 0.
        """
        first, second = self._graphs(streams(seed)[0], series_names(self.inputs))
        there, back = self.steps, 2 * self.steps
        return (
            Regime(0, first.to_networkx()),
            Regime(there, second.to_networkx()),
            Regime(back, first.to_networkx()),
        )

    def _graphs(self, rng: np.random.Generator, names: tuple[str, ...]) -> tuple[Topology, Topology]:
        """A and B: the same states and noise, each with a parent of its own."""
        assert self.signal is not None
        seed = int(rng.integers(2**63))
        order = [f"{names[place]}_state" for place in rng.permutation(len(names))]
        half = len(order) // 2
        noise = dict(zip(names, rng.uniform(0.3, 0.6, size=len(names)), strict=True))
        graphs = []
        for states in (order[:half], order[half:]):
            scaffold = Scaffold(
                np.random.default_rng(seed),
                names,
                autoconnection=1.0,
                volatility=self.signal,
                drift=self.signal,
                fast=0.0,
            )
            scaffold.rng = rng  # the states are the same, what drives them is drawn anew
            (add_drift if self.kind == "drift" else add_volatility)(scaffold, states)
            graphs.append(scaffold.topology(noise))
        return graphs[0], graphs[1]
