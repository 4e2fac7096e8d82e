"""Triggers on surprise that lasts: excess surprise is an alarm, and these say when it is one.

Excess is counted in standard errors, so thresholds mean the same for every series and every length of it. A filter is
approximate: with strong volatility even data drawn from the model show some excess, and on long epochs it is many
standard errors. A trigger that fires too often costs time and nothing else, since edits are decided by their prices.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

from sostruct.errors import ConfigError
from sostruct.growth.base import State
from sostruct.growth.memory import HABITUATED, Memory, scores
from sostruct.growth.trigger import AbstractTrigger
from sostruct.networks.base import AbstractNetwork
from sostruct.surprise import Signals


@final
@dataclass(frozen=True)
class Excess(AbstractTrigger):
    """Fires while the excess surprise of some node is above `z` standard errors in `m` of the last `n` epochs.

    Attributes:
        z: standard errors; above 0.
        m: epochs with an alarm.
        n: epochs looked at.
        two_sided: whether surprise that is missing, below -z, is an alarm as well: noise is overestimated.
    """

    z: float = 3.0
    m: int = 1
    n: int = 1
    two_sided: bool = False

    def __post_init__(self) -> None:
        if not (self.z > 0.0 and 1 <= self.m <= self.n):
            raise ConfigError(
                f"Cannot trigger on excess above {self.z} standard errors in {self.m} of {self.n} epochs. This is "
                "because z must be positive, and m a count of at most n. Try z=3, m=2, n=3."
            )

    def init(self) -> State:
        """No epoch seen."""
        return {"alarms": {}, "scores": {}, "still": False}

    def fire(self, network: AbstractNetwork, signals: Signals, state: State) -> tuple[bool, State]:
        """Whether some node has `m` alarms."""
        alarms, now = {}, _by_name(network, signals)
        for name, score in now.items():
            alarm = (abs(score) if self.two_sided else score) > self.z
            alarms[name] = [*state["alarms"].get(name, []), alarm][-self.n :]
        fired = any(sum(own) >= self.m for own in alarms.values())
        still = now == state["scores"] and alarms == state["alarms"]
        return fired, {"alarms": alarms, "scores": now, "still": still}

    def exhausted(self, state: State) -> bool:
        """When nothing has changed since the epoch before."""
        return bool(state["still"])


@final
@dataclass(frozen=True)
class Habituated(AbstractTrigger):
    """Fires while some node is surprised although it is well trained: it needs structure, and not more training
    (Marsland, Shapiro & Nehmzow 2002).

    A node is trained by every epoch with news, and anew once its parents change.

    Attributes:
        z: excess surprise in standard errors from which a node is surprised; above 0.
        threshold: habituation below which it is trained; 1 before the first epoch, it falls to .05.
        rate: how fast it falls, see `Memory`.
    """

    z: float = 3.0
    threshold: float = 0.1
    rate: float = 0.3
    memory: Memory = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not (self.z > 0.0 and HABITUATED < self.threshold <= 1.0):
            raise ConfigError(
                f"Cannot trigger on excess above {self.z} standard errors at habituation below {self.threshold}. This "
                f"is because z must be positive, and habituation falls from 1 to {HABITUATED:.3f}. Try z=3, "
                "threshold=0.1."
            )
        object.__setattr__(self, "memory", Memory(rate=self.rate))

    def init(self) -> State:
        """No epoch seen."""
        return {"memory": self.memory.init(), "parents": {}, "scores": {}, "waiting": True}

    def fire(self, network: AbstractNetwork, signals: Signals, state: State) -> tuple[bool, State]:
        """Whether some surprised node is trained."""
        topology = network.topology
        parents = {name: [list(edge.key) for edge in topology.parents(name)] for name in network.nodes}
        changed = [
            name for name in network.nodes if name in state["parents"] and parents[name] != state["parents"][name]
        ]
        memory = self.memory.update(network.nodes, signals, self.memory.restart(changed, state["memory"]))
        now = _by_name(network, signals)
        surprised = [name for name, score in now.items() if score > self.z]
        fired = any(memory[name]["habituation"] < self.threshold for name in surprised)
        waiting = bool(surprised) or now != state["scores"]
        return fired, {"memory": memory, "parents": parents, "scores": now, "waiting": waiting}

    def exhausted(self, state: State) -> bool:
        """When nobody is surprised, and surprise has not changed since the epoch before."""
        return not state["waiting"]


def _by_name(network: AbstractNetwork, signals: Signals) -> dict[str, float]:
    return dict(zip(network.nodes, scores(signals).tolist(), strict=True))
