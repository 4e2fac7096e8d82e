"""A linear system of which values are missing: one by one, and in stretches in which nothing was recorded.

Design note. What is missing is drawn from a stream of its own, after the series: the values that are left are those of
`SparseVAR` with the same settings and seed, so that a method meets the same system with and without gaps. Nothing about
a value says whether it is missing (missing completely at random).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from sostruct.errors import ConfigError
from sostruct.tasks.base import AbstractTask, Task, number, streams, whole
from sostruct.tasks.var import SparseVAR, settle


@final
@dataclass(frozen=True)
class GappedVAR(AbstractTask):
    """A sparse vector autoregression with NaN where a value is missing.

    Of a longer series the same values are missing one by one; its stretches lie elsewhere.

    Args:
        nodes: number of series, at least 2.
        steps: number of rows.
        max_lag: largest lag, in steps.
        parents: expected number of other nodes that act on a node, at most nodes - 1.
        missing: probability that a value is missing, independently of all others.
        stretches: number of stretches in which nothing was recorded, anywhere, with rows between them.
        stretch_length: number of rows of each stretch.
        together: whether all series pause at once; else each has as many stretches, at rows of its own.
        strength: range of |coefficient|, self links included; signs are random.
        radius: limit on the largest |eigenvalue| of the companion matrix, below 1. Draws beyond it are scaled onto it.
        noise: standard deviation of the innovations.
        burn_in: rows simulated before the first one kept.

    Raises:
        ConfigError: a setting is of the wrong type or out of range.

    Reference: R. J. A. Little and D. B. Rubin, "Statistical Analysis with Missing Data", 3rd edition, Wiley (2019).
    """

    nodes: int = 10
    steps: int = 500
    max_lag: int = 3
    parents: float = 2.0
    missing: float = 0.4
    stretches: int = 0
    stretch_length: int = 20
    together: bool = True
    strength: tuple[float, float] = (0.2, 0.5)
    radius: float = 0.95
    noise: float = 1.0
    burn_in: int = 200

    def __post_init__(self) -> None:
        owner = "a VAR with gaps"
        steps = whole(owner, "steps", self.steps, 1)
        stretches = whole(owner, "stretches", self.stretches, 0)
        length = whole(owner, "stretch_length", self.stretch_length, 1)
        if type(self.together) is not bool:
            raise ConfigError(
                f"Cannot build {owner}. This is because together is {self.together!r}, which is neither True nor "
                f"False. Try together=True."
            )
        if steps - stretches * length < stretches:
            raise ConfigError(
                f"Cannot build {owner}. This is because stretches={stretches} of stretch_length={length}, with a row "
                f"between any two, do not fit into steps={steps}. Try fewer or shorter stretches, or more steps."
            )
        settle(
            self,
            owner,
            missing=number(owner, "missing", self.missing, 0.0, 0.95),
            stretches=stretches,
            stretch_length=length,
            together=self.together,
        )

    def load(self, seed: int = 0) -> Task:
        """Coefficients, noise and gaps drawn from the seed.

        Raises:
            ConfigError: the seed is not a whole number of at least 0.
        """
        full = self.complete(seed)
        absent = self._absent(streams(seed)[1])
        return replace(
            full,
            name="gaps",
            frame=full.frame.mask(absent),
            description=(
                f"Sparse vector autoregression of {self.nodes} series over {self.steps} steps, with "
                f"{absent.mean():.0%} of the values missing."
            ),
            provenance=f"Simulated by sostruct.tasks.{self!r} with seed {seed}.",
        )

    def complete(self, seed: int = 0) -> Task:
        """The task with this seed before anything was lost: a `SparseVAR`.

        Raises:
            ConfigError: the seed is not a whole number of at least 0.
        """
        return SparseVAR(
            nodes=self.nodes,
            steps=self.steps,
            max_lag=self.max_lag,
            parents=self.parents,
            strength=self.strength,
            radius=self.radius,
            noise=self.noise,
            burn_in=self.burn_in,
        ).load(seed)

    def _absent(self, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Where a value is missing [time x node]."""
        single, joint = rng.spawn(2)
        absent: NDArray[np.bool_] = single.random((self.steps, self.nodes)) < self.missing
        free = self.steps - self.stretches * self.stretch_length
        everyone = slice(0, self.nodes)
        for paused in [everyone] if self.together else [slice(node, node + 1) for node in range(self.nodes)]:
            # a stretch goes before one of the rows that are left, or after the last of them
            before = np.sort(joint.choice(free + 1, size=self.stretches, replace=False))
            for stretch, kept in enumerate(before.tolist()):
                first = kept + stretch * self.stretch_length
                absent[first : first + self.stretch_length, paused] = True
        return absent
