"""Counterfactual growth of belief networks: every edit there is, at every starting value, side by side.

The plainest way to price structure: K edited copies of the components that an edit touches are filtered over the same
data from the same beliefs, new nodes with their parameters on a small grid, and the best of K pays ln K. Nothing is
fitted but the parameters of the graph as it stands, and no pattern of errors decides what is tried. It shows what
`Residual` gains by fitting every neighbourhood, and loses by trying the most promising pairs only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from jaxtyping import PRNGKeyArray

from sostruct.growth.base import Evaluate, State
from sostruct.growth.regimes import REGIME, recent
from sostruct.growth.residual import MOVES
from sostruct.growth.score import AbstractScorer
from sostruct.growth.search import Effort, Search, belief_network, checked_sorts
from sostruct.networks.base import AbstractNetwork, Candidate
from sostruct.surprise import Signals

_ALL = 1_000_000


@final
@dataclass(frozen=True)
class Grid(AbstractScorer):
    """Every move on its grid, priced as `Residual` prices, without a fit.

    Args:
        moves: which sorts of edits to consider; see `residual.MOVES`.
        regime: as for `Residual`.
    """

    moves: Sequence[str] = MOVES
    regime: float = REGIME

    def __post_init__(self) -> None:
        object.__setattr__(self, "moves", checked_sorts("moves", self.moves, MOVES))

    def init(self, network: AbstractNetwork) -> State:
        """Nothing is fitted, nothing refused."""
        belief_network(network)
        return Search.nothing()

    def score(
        self, network: AbstractNetwork, signals: Signals, state: State, *, evaluate: Evaluate, key: PRNGKeyArray
    ) -> tuple[Sequence[Candidate], State]:
        """Better parameters for components that have none of the best, and edits of the others.

        Raises:
            ConfigError: the network is no belief network, or one that cannot be priced by components.
        """
        network = belief_network(network)
        search = Search(Effort(pairs=_ALL, refined=0), self.moves, network, signals, evaluate.bench, state)
        if evaluate.since:
            return recent(search, self.regime), state
        found = [*search.parameters(), *search.structure()]
        return sorted(found, key=lambda one: -one.nats), search.remembered()
