"""Triggers on surprise that changes: sequential tests on the excess surprise of each node.

Both sum what is left of a node's excess, in standard errors per epoch, after a drift is taken off, restart at 0, and
fire at a threshold: for independent errors of a right model the mean time to a false alarm is exponential in the
threshold, the delay of a true one proportional to it. They are for streams: epochs over the same data do not change.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import final

from sostruct.errors import ConfigError
from sostruct.growth.base import State
from sostruct.growth.memory import scores
from sostruct.growth.trigger import AbstractTrigger
from sostruct.networks.base import AbstractNetwork
from sostruct.surprise import Signals


class AbstractChange(AbstractTrigger):
    """A sequential test at every node; it starts afresh at the nodes where it fired.

    A node's state is a dict of numbers, "up" and "down" among them, the statistics for a rise and a fall, and "last",
    the score it was updated with.
    """

    @abc.abstractmethod
    def updated(self, score: float, own: State | None) -> State:
        """A node's state after an epoch with this score; None before its first."""

    @abc.abstractmethod
    def alarmed(self, own: State) -> bool:
        """Whether a node's statistics call for an alarm."""


def _fire(test: AbstractChange, network: AbstractNetwork, signals: Signals, state: State) -> tuple[bool, State]:
    """One epoch of a test at every node."""
    after: State = {}
    fired, still = False, True
    for name, score in zip(network.nodes, scores(signals).tolist(), strict=True):
        before = state["nodes"].get(name)
        own = test.updated(score, before)
        alarmed = test.alarmed(own)
        risen = before is None or own["up"] > before["up"] or own["down"] > before["down"]
        still = still and not alarmed and not risen and before is not None and before["last"] == score
        fired = fired or alarmed
        if not alarmed:
            after[name] = own
    return fired, {"nodes": after, "still": still}


def _check(threshold: float, drift: float) -> None:
    if not (threshold > 0.0 and drift >= 0.0):
        raise ConfigError(
            f"Cannot watch for changes with threshold {threshold} and drift {drift}. This is because a sum of what "
            "exceeds the drift is compared with the threshold. Try threshold=5, drift=0.5."
        )


@final
@dataclass(frozen=True)
class Cusum(AbstractChange):
    """Fires when surprise has moved away from what the network expects of itself (Page 1954, "Continuous inspection
    schemes", Biometrika 41).

    up <- max(0, up + z - drift), down <- max(0, down - z - drift), z the excess surprise in standard errors; an alarm
    above `threshold`. Filters that are never quite calibrated need a larger drift, or `PageHinkley`.

    Attributes:
        threshold: in standard errors; 5 with drift .5 gives a false alarm at a node in about 900 epochs.
        drift: half the shift to be found soonest, in standard errors.
        two_sided: whether a fall of surprise counts too.
    """

    threshold: float = 5.0
    drift: float = 0.5
    two_sided: bool = False

    def __post_init__(self) -> None:
        _check(self.threshold, self.drift)

    def init(self) -> State:
        """No epoch seen."""
        return {"nodes": {}, "still": False}

    def updated(self, score: float, own: State | None) -> State:
        """See the class."""
        up, down = (0.0, 0.0) if own is None else (own["up"], own["down"])
        return {
            "up": max(0.0, up + score - self.drift),
            "down": max(0.0, down - score - self.drift),
            "last": score,
        }

    def alarmed(self, own: State) -> bool:
        """Whether a statistic that counts is above the threshold."""
        return bool(own["up"] > self.threshold or (self.two_sided and own["down"] > self.threshold))

    def fire(self, network: AbstractNetwork, signals: Signals, state: State) -> tuple[bool, State]:
        """Whether some node is alarmed."""
        return _fire(self, network, signals, state)

    def exhausted(self, state: State) -> bool:
        """When the last epoch was that before, and no statistic rose."""
        return bool(state["still"])


@final
@dataclass(frozen=True)
class PageHinkley(AbstractChange):
    """Fires when surprise has moved away from its own mean: what has always been surprising is no change (Page 1954;
    Hinkley 1971, "Inference about the change-point from cumulative sum tests", Biometrika 58).

    With mean_t the mean of z_1 .. z_t, up is m_t - min m, m_t = sum (z - mean - drift), and down likewise of -z; an
    alarm above `threshold`. Recursively, up <- max(0, up + z - mean_t - drift).

    Attributes:
        threshold: in standard errors.
        drift: change that is tolerated, in standard errors.
        two_sided: whether a fall of surprise counts too.
        forget: least weight of the latest epoch in the mean; 0 forgets nothing.
    """

    threshold: float = 5.0
    drift: float = 0.5
    two_sided: bool = False
    forget: float = 0.0

    def __post_init__(self) -> None:
        _check(self.threshold, self.drift)
        if not 0.0 <= self.forget < 1.0:
            raise ConfigError(
                f"Cannot forget with weight {self.forget}. This is because it is a share. Try 0, or a number below 1."
            )

    def init(self) -> State:
        """No epoch seen."""
        return {"nodes": {}, "still": False}

    def updated(self, score: float, own: State | None) -> State:
        """See the class."""
        own = {"count": 0, "mean": 0.0, "up": 0.0, "down": 0.0} if own is None else own
        count = own["count"] + 1
        mean = own["mean"] + max(1.0 / count, self.forget) * (score - own["mean"])
        return {
            "count": count,
            "mean": mean,
            "up": max(0.0, own["up"] + score - mean - self.drift),
            "down": max(0.0, own["down"] - score + mean - self.drift),
            "last": score,
        }

    def alarmed(self, own: State) -> bool:
        """Whether a statistic that counts is above the threshold."""
        return bool(own["up"] > self.threshold or (self.two_sided and own["down"] > self.threshold))

    def fire(self, network: AbstractNetwork, signals: Signals, state: State) -> tuple[bool, State]:
        """Whether some node is alarmed."""
        return _fire(self, network, signals, state)

    def exhausted(self, state: State) -> bool:
        """When the last epoch was that before, and no statistic rose."""
        return bool(state["still"])
