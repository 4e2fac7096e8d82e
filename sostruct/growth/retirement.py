"""Prunes by rank: what is old goes, or what does least, whatever it is worth.

Both are ways of the literature to keep a growing graph small without a price: edges that are not refreshed grow old and
go (Fritzke 1995, "A growing neural gas network learns topologies", NIPS 7), units that hardly act are dormant (Sokar
et al. 2023, "The dormant neuron phenomenon in deep reinforcement learning", arXiv 2302.12902). The levels of a parent's
children are fitted when it goes, so the journal has the price; with `accept=always` it does not decide. These are parts
of rules that grow in another way, see `several.py`, and controls for the prunes of `Residual`, which are priced.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from jaxtyping import PRNGKeyArray

from sostruct.errors import ConfigError
from sostruct.graph import RemoveNode
from sostruct.growth.base import Evaluate, State
from sostruct.growth.score import AbstractScorer
from sostruct.growth.search import Effort, Search, belief_network
from sostruct.networks.base import AbstractNetwork, Candidate
from sostruct.networks.hgf.components import Component
from sostruct.networks.hgf.network import HGF
from sostruct.networks.hgf.plausible import effects
from sostruct.surprise import Signals


class AbstractRetirement(AbstractScorer):
    """Names one hidden parent an epoch, of those that `Residual` may prune: the first by rank."""

    def init(self, network: AbstractNetwork) -> State:
        """Everybody is new.

        Raises:
            ConfigError: the network is no belief network, or one that cannot be priced by components.
        """
        belief_network(network)
        return {"ages": {}}

    def score(
        self, network: AbstractNetwork, signals: Signals, state: State, *, evaluate: Evaluate, key: PRNGKeyArray
    ) -> tuple[Sequence[Candidate], State]:
        """The prune of the first by rank with the levels of its children fitted; nothing where nobody is due."""
        network = belief_network(network)
        if evaluate.since:
            return (), state
        ages = {name: state["ages"].get(name, -1) + 1 for name in network.topology.names}
        due = self.due(network, ages)
        if not due:
            return (), {"ages": ages}
        search = Search(Effort(), ("prune",), network, signals, evaluate.bench, Search.nothing())
        prunes = {edit.name: move for move in search.moves() for edit in move.edits[:1] if isinstance(edit, RemoveNode)}
        tried = (search.tried(prunes[name]) for name in due if name in prunes)
        found = next((one for one in tried if one is not None), None)
        return (() if found is None else (found,)), {"ages": ages}

    @abc.abstractmethod
    def due(self, network: HGF, ages: Mapping[str, int]) -> Sequence[str]:
        """Nodes that are to go, the first first.

        Args:
            network: the network.
            ages: for how many epochs each node has been there.
        """


@final
@dataclass(frozen=True)
class Aged(AbstractRetirement):
    """Parents go `epochs` epochs, or chunks of a stream, after they came; the oldest first."""

    epochs: int = 20

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ConfigError(
                f"Cannot let parents live for {self.epochs} epochs. This is because it is a count. Try 1 or more."
            )

    def due(self, network: HGF, ages: Mapping[str, int]) -> Sequence[str]:
        """By age, those of equal age by name."""
        return sorted((name for name in ages if ages[name] >= self.epochs), key=lambda name: (-ages[name], name))


@final
@dataclass(frozen=True)
class Dormant(AbstractRetirement):
    """Stationary parents go that do less than `effect` to every child, the least first.

    What a parent does: |strength| times its stationary sd, which is the sd of a volatility child's log variance; of a
    value child's drift, it counts in the child's own steps.
    """

    effect: float = 0.1

    def __post_init__(self) -> None:
        if not self.effect > 0.0:
            raise ConfigError(
                f"Cannot call parents dormant below an effect of {self.effect}. This is because it is a size. Try 0.1."
            )

    def due(self, network: HGF, ages: Mapping[str, int]) -> Sequence[str]:
        """By what they do."""
        done = effects(Component(network.topology, network.inputs))
        return sorted((name for name in done if done[name] < self.effect), key=lambda name: (done[name], name))
