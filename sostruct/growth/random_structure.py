"""Random growth of belief networks: the control for where and how.

It makes the same sorts of additions as surprise-driven growth, at the same starting values and with the same fits of
their neighbourhoods, and differs in the choice alone: a sort of addition, then a place for it, both uniformly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from sostruct.growth.base import Evaluate, State
from sostruct.growth.score import AbstractScorer
from sostruct.growth.search import Effort, Search, belief_network, checked_sorts
from sostruct.networks.base import AbstractNetwork, Candidate
from sostruct.surprise import Signals

ADDITIONS = ("volatility", "drift", "second state", "shared volatility", "shared drift")
"""The sorts of additions that are drawn."""


@final
@dataclass(frozen=True)
class RandomStructure(AbstractScorer):
    """Fitted parameters first, then one random addition an epoch, wherever it may be.

    Its price is known, as that of any edit, and does not matter: accept it always, and limit how many there are.

    Args:
        additions: sorts of additions to draw from.
    """

    additions: Sequence[str] = ADDITIONS

    def __post_init__(self) -> None:
        object.__setattr__(self, "additions", checked_sorts("additions", self.additions, ADDITIONS))

    def init(self, network: AbstractNetwork) -> State:
        """Nothing is fitted."""
        belief_network(network)
        return Search.nothing()

    def score(
        self, network: AbstractNetwork, signals: Signals, state: State, *, evaluate: Evaluate, key: PRNGKeyArray
    ) -> tuple[Sequence[Candidate], State]:
        """Better parameters where there are any, else one addition.

        Raises:
            ConfigError: the network is no belief network, or one that cannot be priced by components.
        """
        network = belief_network(network)
        if evaluate.since:
            return (), state
        search = Search(Effort(), ("parameters", *self.additions), network, signals, evaluate.bench, state)
        fitted = search.parameters()
        if fitted:
            return fitted, search.remembered()
        drawn = search.drawn(np.random.default_rng(np.asarray(jax.random.key_data(key))))
        return ([] if drawn is None else [drawn]), search.remembered()
