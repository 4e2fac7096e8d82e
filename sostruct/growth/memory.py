"""What a rule remembers of a node's surprise from epoch to epoch: running statistics and habituation.

A node is remembered under its name, so memory survives every edit; a node that is gone is forgotten, and one that comes
is new. Updates are pure, and states are JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from sostruct.errors import ConfigError
from sostruct.growth.base import State
from sostruct.surprise import Signals

_STRENGTH = 1.05
"""How strongly a node recovers from habituation; it settles at 1 - 1 / 1.05 (Marsland et al. 2002)."""

HABITUATED = 1.0 - 1.0 / _STRENGTH
"""Where habituation ends."""


def scores(signals: Signals) -> NDArray[np.float64]:
    """Excess surprise of every node in standard errors [node]; 0 where it saw nothing.

    Where an epoch knows nothing of single steps, the standard error is that of Gaussian predictions: sqrt(count / 2).
    """
    count = np.asarray(signals.count, np.float64)
    error = np.sqrt(count / 2.0) if signals.errors is None else signals.excess_error
    excess = np.asarray(signals.excess, np.float64)
    found: NDArray[np.float64] = np.divide(excess, error, out=np.zeros_like(excess), where=error > 0.0)
    return found


@final
@dataclass(frozen=True)
class Memory:
    """Exponentially forgotten mean and variance of each node's excess surprise per step, and its habituation.

    An epoch with news moves the mean by a share a of its difference and the variance to (1 - a) (v + a difference^2);
    a is 1 / n in epoch n until that is less than `forget`. Habituation falls from 1 by rate (1 - 1.05 (1 - h)) an
    epoch, to .05: a node with much of it left has not been trained yet (Marsland, Shapiro & Nehmzow 2002, "A
    self-organising network that grows when required").

    Attributes:
        forget: weight of the latest epoch, in (0, 1].
        rate: of habituation, in (0, 1].
    """

    forget: float = 0.1
    rate: float = 0.3

    def __post_init__(self) -> None:
        for name, value in (("forget", self.forget), ("rate", self.rate)):
            if not 0.0 < value <= 1.0:
                raise ConfigError(
                    f"Cannot remember with {name}={value}. This is because it is a share of what is new. Try a number "
                    "above 0, at most 1."
                )

    def init(self) -> State:
        """No node is known."""
        return {}

    def update(self, nodes: Sequence[str], signals: Signals, state: State) -> State:
        """After one more epoch.

        Args:
            nodes: names of the rows of the signals.
            signals: what the epoch reported.
            state: name -> count (epochs with news), mean and variance (nats per step), habituation.
        """
        count = np.asarray(signals.count, np.float64)
        excess = np.asarray(signals.excess, np.float64) / np.where(count > 0.0, count, 1.0)
        after: State = {}
        for name, steps, own in zip(nodes, count.tolist(), excess.tolist(), strict=True):
            before = state.get(name, {"count": 0, "mean": 0.0, "variance": 0.0, "habituation": 1.0})
            if steps > 0.0:
                share = max(self.forget, 1.0 / (before["count"] + 1))
                off = own - before["mean"]
                before = {
                    "count": before["count"] + 1,
                    "mean": before["mean"] + share * off,
                    "variance": (1.0 - share) * (before["variance"] + share * off**2),
                    "habituation": before["habituation"]
                    - self.rate * (1.0 - _STRENGTH * (1.0 - before["habituation"])),
                }
            after[name] = before
        return after

    @staticmethod
    def restart(names: Sequence[str], state: State) -> State:
        """The same memory, in which these nodes are as little habituated as new ones."""
        fresh = set(names)
        return {name: {**own, "habituation": 1.0} if name in fresh else own for name, own in state.items()}
