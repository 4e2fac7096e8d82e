"""The search of the default rule without its journal: for questions that are asked before, or inside, a run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, final

import jax

from sostruct.networks.lagged.moments import LaggedData
from sostruct.surprise import Signals

if TYPE_CHECKING:
    from sostruct.networks.lagged.network import LaggedNetwork
    from sostruct.networks.lagged.segments import Series

_MOST_EPOCHS = 100
_MOVES = frozenset({"add", "prune", "rewire", "group"})


def searched(network: LaggedNetwork, data: LaggedData) -> tuple[LaggedNetwork, Signals]:
    """The fixed point of the best edit per target, as the default rule finds it, and the signals of its last epoch."""
    key = jax.random.key(0)
    for _ in range(_MOST_EPOCHS):
        network, signals = network.epoch(data, key=key)
        found = network.candidates(signals, best=1, moves=_MOVES)
        edits = [edit for candidate in found if candidate.nats > 1e-6 for edit in candidate.edits]
        if not edits:
            break
        network = network.edited(edits, key=key)
    return network, signals


@final
@dataclass(frozen=True, eq=False)
class Search:
    """One search on a series, made when its end is first asked for: several questions have the same answer.

    Attributes:
        values: the series [time, variable], or one per realization.
        network: where it begins.
    """

    values: Series
    network: LaggedNetwork

    @cached_property
    def data(self) -> LaggedData:
        """Statistics of the series, as the network takes them."""
        return self.network.prepare(self.values)

    @cached_property
    def end(self) -> tuple[LaggedNetwork, Signals]:
        """What `searched` returns."""
        return searched(self.network, self.data)

    @property
    def found(self) -> LaggedNetwork:
        """The network at the fixed point."""
        return self.end[0]
