"""GradMax: new units whose outgoing weights make the gradient of what they will receive as large as possible.

A unit that receives by weights of 0 changes nothing, whatever it sends by, and the slope of the mean surprise with
respect to its incoming weights is M' u for outgoing weights u, M = E[g h'] with g the slopes of the nodes it feeds and
h what its parents send. Its norm, for u of a given size, is largest along the first left singular vector of M (Evci et
al. 2022, "GradMax: growing neural networks using gradient information"). It ranks; no price follows from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import PRNGKeyArray

from sostruct.errors import ConfigError
from sostruct.growth.base import Evaluate, State
from sostruct.growth.layered.common import arrival, candidate, layered, places, rows_of
from sostruct.growth.score import AbstractScorer
from sostruct.networks.base import AbstractNetwork, Candidate
from sostruct.networks.layered.statistics import slope_at_zero, statistics
from sostruct.surprise import Signals


@final
@dataclass(frozen=True)
class GradMax(AbstractScorer):
    """A unit that receives by 0 and sends along the first singular vector, in the population with the largest.

    Attributes:
        size: norm of what the unit sends by.
        function: of the units of a population that is yet to be born.
    """

    size: float = 1.0
    function: str = "tanh"

    def __post_init__(self) -> None:
        if not self.size > 0.0 or not np.isfinite(self.size):
            raise ConfigError(
                f"Cannot send by weights of norm {self.size}. This is because it is a size. Try a positive number."
            )
        self._check(self.function)

    def init(self, network: AbstractNetwork) -> State:
        """Nothing to remember.

        Raises:
            ConfigError: the network is not layered, or its units would neither be 0 nor learn.
        """
        for place in places(layered(network, "growth=gradmax"), function=self.function):
            self._check(place.function)
        return {}

    def score(
        self, network: AbstractNetwork, signals: Signals, state: State, *, evaluate: Evaluate, key: PRNGKeyArray
    ) -> tuple[Sequence[Candidate], State]:
        """A unit in every population, the one with the largest gradient first."""
        own, found = layered(network, "growth=gradmax"), []
        rows = statistics(own, rows_of(evaluate))
        for place in places(own, function=self.function):
            sent = np.concatenate([rows.sent(name, function) for name, function in place.into], axis=1)
            slopes = np.concatenate([rows.slopes[name] for name in place.out], axis=1)
            left, values, _ = np.linalg.svd(slopes.T @ sent / len(sent), full_matrices=False)
            cuts = np.cumsum([rows.slopes[name].shape[1] for name in place.out])[:-1]
            outgoing = dict(zip(place.out, np.split(self.size * left[:, 0], cuts), strict=True))
            nothing = {name: np.zeros(rows.sums[name].shape[1]) for name, _ in place.into}
            edits = arrival(place, nothing, 0.0, outgoing)
            found.append((float(values[0]), candidate(own, place, edits, float("nan"))))
        found.sort(key=lambda one: -one[0])
        return [one for _, one in found], state

    @staticmethod
    def _check(function: str) -> None:
        value, slope = slope_at_zero(function)
        if value != 0.0 or slope == 0.0:
            raise ConfigError(
                f"Cannot grow units that send {function!r} by gradmax. This is because they receive by weights of 0, "
                f"where that function is {value:g} with the slope {slope:g}: they would {_why(value)}. Try "
                "function=tanh, or growth=natural_expansion."
            )


def _why(value: float) -> str:
    return "change what is predicted" if value else "never learn"
