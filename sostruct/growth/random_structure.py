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

from sostruct.errors import ConfigError
from sostruct.growth.base import Evaluate, State
from sostruct.growth.score import AbstractScorer
from sostruct.growth.search import Effort, Search
from sostruct.networks.base import AbstractNetwork, Candidate
from sostruct.networks.hgf.network import HGF
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
        object.__setattr__(self, "additions", tuple(self.additions))
        unknown = sorted(set(self.additions) - set(ADDITIONS))
        if unknown or not self.additions:
            raise ConfigError(
                f"Cannot draw additions of the sorts {unknown or list(self.additions)}. This is because they are "
                f"{', '.join(ADDITIONS)}. Try some of them."
            )

    def init(self) -> State:
        """Nothing is fitted."""
        return Search.nothing()

    def score(
        self, network: AbstractNetwork, signals: Signals, state: State, *, evaluate: Evaluate, key: PRNGKeyArray
    ) -> tuple[Sequence[Candidate], State]:
        """Better parameters where there are any, else one addition.

        Raises:
            ConfigError: the network is no belief network, or one that cannot be priced by components.
        """
        if not isinstance(network, HGF):
            raise ConfigError(
                "Cannot draw random structure. This is because the network is no belief network. Try scorer=random."
            )
        search = Search(Effort(), ("parameters", *self.additions), network, signals, evaluate.bench, state)
        fitted = search.parameters()
        if fitted:
            return fitted, search.remembered()
        drawn = search.drawn(np.random.default_rng(np.asarray(jax.random.key_data(key))))
        return ([] if drawn is None else [drawn]), search.remembered()
