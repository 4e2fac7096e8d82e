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

from sostruct.errors import ConfigError
from sostruct.growth.base import Evaluate, State
from sostruct.growth.residual import MOVES
from sostruct.growth.score import AbstractScorer
from sostruct.growth.search import Effort, Search
from sostruct.networks.base import AbstractNetwork, Candidate
from sostruct.networks.hgf.network import HGF
from sostruct.surprise import Signals

_ALL = 1_000_000


@final
@dataclass(frozen=True)
class Grid(AbstractScorer):
    """Every move on its grid, priced as `Residual` prices, without a fit.

    Args:
        moves: which sorts of edits to consider; see `residual.MOVES`.
    """

    moves: Sequence[str] = MOVES

    def __post_init__(self) -> None:
        object.__setattr__(self, "moves", tuple(self.moves))
        unknown = sorted(set(self.moves) - set(MOVES))
        if unknown or not self.moves:
            raise ConfigError(
                f"Cannot try the moves {unknown or list(self.moves)}. This is because the moves are "
                f"{', '.join(MOVES)}. Try some of them."
            )

    def init(self) -> State:
        """Nothing is fitted, nothing refused."""
        return Search.nothing()

    def score(
        self, network: AbstractNetwork, signals: Signals, state: State, *, evaluate: Evaluate, key: PRNGKeyArray
    ) -> tuple[Sequence[Candidate], State]:
        """Better parameters for components that have none of the best, and edits of the others.

        Raises:
            ConfigError: the network is no belief network, or one that cannot be priced by components.
        """
        if not isinstance(network, HGF):
            raise ConfigError(
                "Cannot try edits on a grid. This is because the network is no belief network. Try scorer=evidence."
            )
        search = Search(Effort(pairs=_ALL, refined=0), self.moves, network, signals, evaluate.bench, state)
        found = [*search.parameters(), *search.structure()]
        return sorted(found, key=lambda one: -one.nats), search.remembered()
