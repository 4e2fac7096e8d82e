"""What a sampler is told, and what it returns: settings that are checked, and plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from sostruct.errors import ConfigError

_LEAST_WARMUP = 20
"""Steps below which a warmup adapts no metric."""


@final
@dataclass(frozen=True, slots=True)
class Sampling:
    """How posteriors are drawn from.

    Args:
        draws: of every chain, after the warmup.
        warmup: steps of every chain that adapt it and are thrown away.
        chains: of every subject.
        acceptance: the acceptance rate that step sizes are adapted to; closer to 1 for posteriors that curve strongly.
        progress: show a bar.
    """

    draws: int = 1000
    warmup: int = 1000
    chains: int = 4
    acceptance: float = 0.8
    progress: bool = False

    def __post_init__(self) -> None:
        for name, least, usual in (("draws", 4, 1000), ("warmup", _LEAST_WARMUP, 1000), ("chains", 1, 4)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigError(
                    f"Cannot sample with {name}={value!r}. This is because it is not a whole number of at least "
                    f"{least}. Try {name}={usual}."
                )
        if not isinstance(self.acceptance, float) or not 0.0 < self.acceptance < 1.0:
            raise ConfigError(
                f"Cannot sample with acceptance={self.acceptance!r}. This is because it is not a rate between 0 and 1. "
                "Try 0.8, or 0.95 where transitions diverge."
            )


class Chains(NamedTuple):
    """What was drawn, [subject, chain, draw] and further axes.

    Attributes:
        points: z [..., parameter].
        joint: log p(y, z) there, nats.
        divergent: whether the transition's energy error exceeded 1000 nats where there are beliefs.
        broken: whether it ended where there are none.
        acceptance: mean acceptance rate along the trajectory.
        steps: points of the trajectory.
        depth: how often it was doubled.
        energy: of the point drawn, nats.
        step_size: of w [subject, chain].
    """

    points: NDArray[np.float64]
    joint: NDArray[np.float64]
    divergent: NDArray[np.bool_]
    broken: NDArray[np.bool_]
    acceptance: NDArray[np.float64]
    steps: NDArray[np.int64]
    depth: NDArray[np.int64]
    energy: NDArray[np.float64]
    step_size: NDArray[np.float64]
