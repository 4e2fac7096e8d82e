"""The trigger on a span of epochs: a rule that grows first leaves the rest of a run to one that prunes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from sostruct.errors import ConfigError
from sostruct.growth.base import State
from sostruct.growth.trigger import AbstractTrigger
from sostruct.networks.base import AbstractNetwork
from sostruct.surprise import Signals


@final
@dataclass(frozen=True)
class During(AbstractTrigger):
    """Fires every `every` epochs of the first `epochs`, and never again.

    Attributes:
        epochs: how many.
        every: from one time to the next.
    """

    epochs: int = 30
    every: int = 1

    def __post_init__(self) -> None:
        for name in ("epochs", "every"):
            count = getattr(self, name)
            if isinstance(count, bool) or not isinstance(count, int) or count < 1:
                raise ConfigError(
                    f"Cannot trigger with {name}={count!r}. This is because it is a count of epochs. Try a whole "
                    "number >= 1."
                )

    def init(self) -> State:
        """No epochs seen."""
        return {"seen": 0}

    def fire(self, network: AbstractNetwork, signals: Signals, state: State) -> tuple[bool, State]:
        """True on epochs number `every`, `2 every`, ... up to `epochs`."""
        seen = state["seen"] + 1
        return seen <= self.epochs and seen % self.every == 0, {"seen": seen}

    def exhausted(self, state: State) -> bool:
        """When the span is over."""
        return bool(state["seen"] >= self.epochs)
