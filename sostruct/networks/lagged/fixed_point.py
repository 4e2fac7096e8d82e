"""The search of the default rule without its journal: for questions that are asked before, or inside, a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax

from sostruct.networks.lagged.moments import LaggedData
from sostruct.surprise import Signals

if TYPE_CHECKING:
    from sostruct.networks.lagged.network import LaggedNetwork

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
