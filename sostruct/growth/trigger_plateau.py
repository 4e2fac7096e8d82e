"""The trigger on evidence that no longer improves: parameters have had their chance, now structure has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from sostruct.errors import ConfigError
from sostruct.growth.base import State
from sostruct.growth.trigger import AbstractTrigger
from sostruct.networks.base import AbstractNetwork
from sostruct.surprise import Signals


@final
@dataclass(frozen=True)
class Plateau(AbstractTrigger):
    """Fires when the log evidence has not risen by more than `tau` nats for `epochs` epochs, and then counts anew.

    The evidence of a filter is prequential: every step is predicted before it is seen. Epochs of other lengths, as the
    chunks of a stream have, are compared by the step and priced at the length of the last (the criterion of cascade
    correlation: Fahlman & Lebiere 1990).

    Attributes:
        epochs: how long to wait.
        tau: nats over the epoch that count as a rise.
        enough: surprise per step, nats, at which nothing more is asked for.
    """

    epochs: int = 3
    tau: float = 1.0
    enough: float | None = None

    def __post_init__(self) -> None:
        if isinstance(self.epochs, bool) or not isinstance(self.epochs, int) or self.epochs < 1 or not self.tau >= 0.0:
            raise ConfigError(
                f"Cannot wait {self.epochs!r} epochs for a rise of {self.tau} nats. This is because these are a count "
                "and an amount. Try epochs=3, tau=1."
            )

    def init(self) -> State:
        """No epoch seen."""
        return {"best": None, "since": 0, "last": None}

    def fire(self, network: AbstractNetwork, signals: Signals, state: State) -> tuple[bool, State]:
        """Whether the wait is over."""
        steps = max(float(np.max(np.asarray(signals.count), initial=0.0)), 1.0)
        now, best = float(signals.evidence) / steps, state["best"]
        if best is None or steps * (now - best) > self.tau:
            return False, {"best": now, "since": 0, "last": now}
        if state["since"] + 1 < self.epochs or self._enough(now):
            return False, {"best": best, "since": state["since"] + 1, "last": now}
        return True, {"best": now, "since": 0, "last": now}

    def _enough(self, evidence: float | None) -> bool:
        return self.enough is not None and evidence is not None and -evidence <= self.enough

    def exhausted(self, state: State) -> bool:
        """Where it is enough; else never: if nothing else happens, evidence stays where it is."""
        return self._enough(state["last"])
