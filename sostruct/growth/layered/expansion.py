"""Natural expansion: add the unit that would gain most, where it gains more than training what is there would.

Candidate units receive by random combinations of what their population's parents send. Each is worth the quadratic gain
of the best weights to send by, on rows that did not choose them (`gain.py`, with its source). The best one is proposed
where that gain is `ratio` times what training the outgoing weights of the population could still gain by the same
formula: else it is too early. The price is the gain in nats over all learned rows, less ln K for the choice among K.

The curvature must be that of single rows. A diagonal one made from the mean gradient itself, F_i = g_i^2, gives every
weight the gain g_i^2 / (g_i^2 + eps), which is 1 wherever g_i^2 is well above eps: it measures the size of gradients
and not what a unit would gain, and is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import PRNGKeyArray

from sostruct.errors import ConfigError
from sostruct.growth.base import Evaluate, State
from sostruct.growth.layered.common import arrival, candidate, drawing, layered, places, rows_of
from sostruct.growth.layered.gain import gains, trainable
from sostruct.growth.score import AbstractScorer
from sostruct.networks.base import AbstractNetwork, Candidate
from sostruct.networks.hgf.couplings import FUNCTIONS
from sostruct.networks.layered.plan import width
from sostruct.surprise import Signals


@final
@dataclass(frozen=True)
class NaturalExpansion(AbstractScorer):
    """The unit with the largest gain on rows it has not seen, in any population.

    Attributes:
        pool: candidate units per population.
        ratio: how many times what training could still gain a unit must; 0 asks for nothing.
        function: of the units of a population that is yet to be born.
        curvature: "kronecker", of single rows. The degenerate "diagonal" of the mean gradient is refused.
    """

    pool: int = 256
    ratio: float = 0.0
    function: str = "tanh"
    curvature: str = "kronecker"

    def __post_init__(self) -> None:
        if self.curvature != "kronecker":
            raise ConfigError(
                f"Cannot price units with the curvature {self.curvature!r}. This is because a diagonal curvature made "
                "from the mean gradient gives g^2 / (g^2 + eps), about 1 for every weight: it measures the size of "
                "gradients, not what a unit gains. Try curvature=kronecker."
            )
        if self.pool < 1 or not self.ratio >= 0.0:
            raise ConfigError(
                f"Cannot choose among {self.pool} units at the ratio {self.ratio}. This is because these are a count "
                "and a factor. Try pool=256, ratio=0."
            )
        if self.function not in FUNCTIONS:
            raise ConfigError(
                f"Cannot grow units that send {self.function!r}. This is because no coupling function has that name. "
                f"Try one of {', '.join(sorted(FUNCTIONS))}."
            )

    def init(self, network: AbstractNetwork) -> State:
        """Nothing to remember.

        Raises:
            ConfigError: the network is not layered.
        """
        layered(network, "growth=natural_expansion")
        return {}

    def score(
        self, network: AbstractNetwork, signals: Signals, state: State, *, evaluate: Evaluate, key: PRNGKeyArray
    ) -> tuple[Sequence[Candidate], State]:
        """The best unit of every population, the best first; none where training would gain more."""
        own, data, generator = layered(network, "growth=natural_expansion"), rows_of(evaluate), drawing(key)
        found = []
        for place in places(own, function=self.function):
            sizes = {name: width(own.topology, name) for name, _ in place.into}
            total = sum(sizes.values())
            incoming = {
                name: generator.normal(size=(size, self.pool)) * np.sqrt(2.0 / total) for name, size in sizes.items()
            }
            bias = generator.normal(size=self.pool)
            nats = gains(own, data, place, incoming, bias)
            best = int(np.argmax(nats))
            if self.ratio and nats[best] < self.ratio * trainable(own, data, place):
                continue
            price = float(nats[best]) - float(np.log(self.pool))
            chosen = {name: values[:, best] for name, values in incoming.items()}
            found.append(candidate(own, place, arrival(place, chosen, float(bias[best])), price))
        return sorted(found, key=lambda one: -one.nats), state
