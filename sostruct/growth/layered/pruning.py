"""Connections go, the ones that do least first, by a schedule: a network is pruned while it learns.

After `begin` epochs the share of connections that are gone follows a cubic, s = sparsity (1 - (1 - t)^3) with t from 0
to 1 over `epochs` epochs (Zhu & Gupta 2017, "To prune, or not to prune"), so that most go early, while others can still
take over; then nothing goes any more. Which go is said by an object:

- `Magnitude`: the smallest |w|. A control that is hard to beat; it ranks.
- `Saliency`: the smallest |w g|, g the slope of the mean surprise (Lee et al. 2019, SNIP; Molchanov et al. 2017); it
  ranks.
- `Fisher`: the smallest 1/2 F w^2, F the mean over rows of the squared slope of a row's surprise: what the mean
  surprise would rise by (LeCun et al. 1990, Optimal Brain Damage, with the empirical Fisher information for the
  Hessian; Singh & Alistarh 2020). Times the number of rows this is a price in nats.
- `Reduction`: the smallest gain of evidence lost, by Bayesian model reduction (`reduction_gain`).

Units whose connections have all gone, on one side, go with the rest. `DormantUnits` is about units.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
from jaxtyping import PRNGKeyArray
from numpy.typing import NDArray

from sostruct.errors import ConfigError
from sostruct.graph import AbstractEdit, EdgeKey, RemoveConnections, RemoveUnits, apply, decode_connections
from sostruct.graph.connections import Mask
from sostruct.graph.populations import pairs_of
from sostruct.growth.base import Evaluate, State
from sostruct.growth.layered.common import layered, rows_of
from sostruct.growth.score import AbstractScorer
from sostruct.networks.base import AbstractNetwork, Candidate
from sostruct.networks.layered.network import LayeredNetwork
from sostruct.networks.layered.packed import LayeredData
from sostruct.networks.layered.plan import edges_of, shape, width
from sostruct.networks.layered.statistics import gradients, squares, statistics
from sostruct.surprise import Signals

ByEdge: TypeAlias = Mapping[EdgeKey, NDArray[np.float64]]


class AbstractMeasure(abc.ABC):
    """How much a connection does: those with least go first."""

    @property
    @abc.abstractmethod
    def nats(self) -> bool:
        """Whether it is a rise of surprise in nats over all learned rows."""

    @abc.abstractmethod
    def measure(self, network: LayeredNetwork, data: LayeredData) -> ByEdge:
        """Of every connection that there could be [source unit, target unit], at least 0 where it ranks."""


def weights_of(network: LayeredNetwork) -> dict[EdgeKey, NDArray[np.float64]]:
    """Weights by edge [source unit, target unit]."""
    edges = edges_of(network.topology)
    return {edge.key: network.weights(edge.source, edge.target).astype(np.float64) for edge in edges}


def masks_of(network: LayeredNetwork) -> dict[EdgeKey, Mask]:
    """Which connections are there, by edge [source unit, target unit]."""
    topology = network.topology
    return {
        edge.key: decode_connections(edge.connections, *shape(topology, edge.key), edge.source == edge.target)
        for edge in edges_of(topology)
    }


@final
@dataclass(frozen=True)
class Magnitude(AbstractMeasure):
    """|w|."""

    @property
    def nats(self) -> bool:
        """No."""
        return False

    def measure(self, network: LayeredNetwork, data: LayeredData) -> ByEdge:
        """|w|."""
        return {key: np.abs(own) for key, own in weights_of(network).items()}


@final
@dataclass(frozen=True)
class Saliency(AbstractMeasure):
    """|w g|."""

    @property
    def nats(self) -> bool:
        """No: of the first order, and about 0 where learning has ended."""
        return False

    def measure(self, network: LayeredNetwork, data: LayeredData) -> ByEdge:
        """|w g|."""
        slope = gradients(network, data)
        return {key: np.abs(own * slope[key]) for key, own in weights_of(network).items()}


@final
@dataclass(frozen=True)
class Fisher(AbstractMeasure):
    """1/2 F w^2."""

    @property
    def nats(self) -> bool:
        """Yes, to the second order."""
        return True

    def measure(self, network: LayeredNetwork, data: LayeredData) -> ByEdge:
        """Times the rows."""
        curvature, count = squares(network, data), len(data.target)
        return {key: 0.5 * count * curvature[key] * own**2 for key, own in weights_of(network).items()}


@final
@dataclass(frozen=True)
class Reduction(AbstractMeasure):
    """Evidence lost with a weight, under a Gaussian prior of precision 1 / `variance`; below 0 it is gained.

    Attributes:
        variance: prior variance of a weight.
    """

    variance: float = 1.0

    def __post_init__(self) -> None:
        if not self.variance > 0.0 or not math.isfinite(self.variance):
            raise ConfigError(
                f"Cannot use a prior variance of {self.variance}. This is because it is one. Try a positive number."
            )

    @property
    def nats(self) -> bool:
        """Yes."""
        return True

    def measure(self, network: LayeredNetwork, data: LayeredData) -> ByEdge:
        """Minus `reduction_gain` of every weight, its posterior precision being n F + 1 / variance."""
        curvature, count = squares(network, data), len(data.target)
        return {
            key: -reduction_gain(own, count * curvature[key] + 1.0 / self.variance, self.variance)
            for key, own in weights_of(network).items()
        }


def reduction_gain(mean: NDArray[np.float64], precision: NDArray[np.float64], variance: float) -> NDArray[np.float64]:
    """Log evidence of a model without a weight minus with it, nats: ln N(0; mean, 1/precision) - ln N(0; 0, variance),
    the Savage-Dickey ratio of posterior to prior density at 0 (Friston & Penny 2011, "Post hoc Bayesian model
    selection").

    Above 0 iff precision mean^2 < ln(precision variance): the sign convention of this package is gain of the smaller
    model, as everywhere else gains of edits.
    """
    return np.asarray(0.5 * (np.log(precision * variance) - precision * mean**2))


@final
@dataclass(frozen=True)
class Prune(AbstractScorer):
    """The connections that do least, as many as the schedule asks for.

    Attributes:
        sparsity: share of the connections, of those there were when pruning began, that are gone in the end.
        epochs: over how many epochs.
        begin: epochs before the first go; what is there then is what the share is of.
        every: epochs from one edit to the next.
        measure: how much a connection does.
    """

    sparsity: float = 0.5
    epochs: int = 50
    begin: int = 0
    every: int = 1
    measure: AbstractMeasure = Magnitude()

    def __post_init__(self) -> None:
        if not 0.0 < self.sparsity < 1.0 or self.epochs < 1 or self.begin < 0 or self.every < 1:
            raise ConfigError(
                f"Cannot prune a share of {self.sparsity} over {self.epochs} epochs from epoch {self.begin} on, every "
                f"{self.every}. This is because it is a share between 0 and 1, and the others are counts. Try "
                "sparsity=0.5, epochs=50, begin=0, every=1."
            )

    def init(self, network: AbstractNetwork) -> State:
        """No epoch seen.

        Raises:
            ConfigError: the network is not layered.
        """
        layered(network, "pruning")
        return {"seen": 0, "start": None}

    def score(
        self, network: AbstractNetwork, signals: Signals, state: State, *, evaluate: Evaluate, key: PRNGKeyArray
    ) -> tuple[Sequence[Candidate], State]:
        """One candidate: all connections that go now."""
        own = layered(network, "pruning")
        masks = masks_of(own)
        there = sum(int(mask.sum()) for mask in masks.values())
        seen, start = state["seen"] + 1, state["start"]
        if start is None and seen > self.begin:
            start = there
        after = {"seen": seen, "start": start}
        done = min((seen - self.begin) / self.epochs, 1.0)
        if start is None or ((seen - self.begin) % self.every and done < 1.0):
            return (), after
        wanted = math.ceil(start * (1.0 - self.sparsity * (1.0 - (1.0 - done) ** 3)))
        if there <= wanted:
            return (), after
        data = rows_of(evaluate)
        amount = self.measure.measure(own, data)
        values = np.concatenate([np.where(mask, amount[name], np.inf).ravel() for name, mask in masks.items()])
        count = there - wanted
        gone = np.zeros(values.size, np.bool_)
        gone[np.argsort(values, kind="stable")[:count]] = True
        nats = -float(values[gone].sum()) if self.measure.nats else float("nan")
        edits, begin = [], 0
        for name, mask in masks.items():
            some = gone[begin : begin + mask.size].reshape(mask.shape)
            begin += mask.size
            if some.any():
                edits.append(RemoveConnections(*name, pairs_of(some)))
        bundle = (*edits, *dead_units(own, edits))
        return [Candidate(_output(own), bundle, nats, frozenset(own.nodes))], after


def dead_units(network: LayeredNetwork, edits: Sequence[AbstractEdit]) -> list[RemoveUnits]:
    """Units of dense populations that, after edits, receive nothing or send nothing; one stays in each.

    Units that go may leave others without connections; those go the next time.
    """
    topology, found = apply(network.topology, edits), []
    for name in network.hidden:
        received, sends = np.zeros(width(topology, name), np.int64), np.zeros(width(topology, name), np.int64)
        for edge in topology.edges:
            if name in edge.key[:2]:
                mask = decode_connections(edge.connections, *shape(topology, edge.key), edge.source == edge.target)
                if edge.target == name:
                    received += mask.sum(axis=0)
                if edge.source == name:
                    sends += mask.sum(axis=1)
        dead = np.flatnonzero((received == 0) | (sends == 0))
        dead = dead[: width(topology, name) - 1]
        if len(dead):
            found.append(RemoveUnits(name, tuple(dead.tolist())))
    return found


def _output(network: LayeredNetwork) -> str:
    return next(name for name in network.nodes if not network.topology.children(name))


@final
@dataclass(frozen=True)
class DormantUnits(AbstractScorer):
    """Units that hardly answer to rows: mean |a| below a share of the mean of their population (Sokar et al. 2023, "The
    dormant neuron phenomenon"). It ranks.

    Attributes:
        share: of the mean of the population, below which a unit goes.
    """

    share: float = 0.025

    def __post_init__(self) -> None:
        if not 0.0 < self.share < 1.0:
            raise ConfigError(
                f"Cannot call units dormant below a share of {self.share}. This is because it is a share of the mean. "
                "Try 0.025."
            )

    def init(self, network: AbstractNetwork) -> State:
        """Nothing to remember.

        Raises:
            ConfigError: the network is not layered.
        """
        layered(network, "growth=dormant_units")
        return {}

    def score(
        self, network: AbstractNetwork, signals: Signals, state: State, *, evaluate: Evaluate, key: PRNGKeyArray
    ) -> tuple[Sequence[Candidate], State]:
        """The dormant units of each population together."""
        own = layered(network, "growth=dormant_units")
        rows, found = statistics(own, rows_of(evaluate)), []
        for name in own.hidden:
            functions = {edge.function for edge in own.topology.children(name)}
            answers = np.max([np.abs(rows.sent(name, function)).mean(axis=0) for function in functions], axis=0)
            asleep = np.flatnonzero(answers < self.share * answers.mean())
            if len(asleep):
                edits = (RemoveUnits(name, tuple(asleep.tolist())),)
                found.append(Candidate(name, edits, float("nan"), frozenset(own.nodes)))
        return found, state
