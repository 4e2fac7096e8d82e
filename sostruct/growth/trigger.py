"""When to consider edits: a trigger looks at the signals of an epoch and says whether the rule is to act on it.

Surprise need not fire a trigger: excess surprise is an alarm, while whether structure is missing is decided by the
prices. The triggers here know no signals; those that do stand in `trigger_alarm.py` (surprise that lasts),
`trigger_change.py` (surprise that changes) and `trigger_plateau.py` (evidence that does not).
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import final

from sostruct.errors import ConfigError
from sostruct.growth.base import State
from sostruct.networks.base import AbstractNetwork
from sostruct.surprise import Signals


class AbstractTrigger(abc.ABC):
    """Says after each epoch whether edits are considered."""

    @abc.abstractmethod
    def init(self) -> State:
        """State before the first epoch."""

    @abc.abstractmethod
    def fire(self, network: AbstractNetwork, signals: Signals, state: State) -> tuple[bool, State]:
        """Whether to consider edits now.

        Args:
            network: after the epoch; `network.nodes` names the rows of the signals.
            signals: what the epoch reported.
            state: by node names where it is by node, since graphs change.
        """

    @abc.abstractmethod
    def exhausted(self, state: State) -> bool:
        """Whether it will never fire again if epochs go on as the last one."""


@final
@dataclass(frozen=True)
class Every(AbstractTrigger):
    """Fires every `epochs` epochs. With 1 the price alone decides; with more it is the control that surveys find hard
    to beat (Evci et al. 2022, GradMax; Maile et al. 2022)."""

    epochs: int = 1

    def __post_init__(self) -> None:
        if isinstance(self.epochs, bool) or not isinstance(self.epochs, int) or self.epochs < 1:
            raise ConfigError(
                f"Cannot trigger every {self.epochs!r} epochs. This is because it is a count of epochs. Try a whole "
                "number >= 1."
            )

    def init(self) -> State:
        """No epochs seen."""
        return {"seen": 0}

    def fire(self, network: AbstractNetwork, signals: Signals, state: State) -> tuple[bool, State]:
        """True on epochs number `epochs`, `2 epochs`, ..."""
        seen = state["seen"] + 1
        return seen % self.epochs == 0, {"seen": seen}

    def exhausted(self, state: State) -> bool:
        """Never."""
        return False


@final
@dataclass(frozen=True)
class Never(AbstractTrigger):
    """Never fires: the control that measures what structure buys."""

    def init(self) -> State:
        """Nothing to remember."""
        return {}

    def fire(self, network: AbstractNetwork, signals: Signals, state: State) -> tuple[bool, State]:
        """False."""
        return False, state

    def exhausted(self, state: State) -> bool:
        """Always."""
        return True
