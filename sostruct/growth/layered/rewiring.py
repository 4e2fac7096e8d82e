"""Sparse from beginning to end: connections move, and there are as many after an edit as before.

The share of connections of each edge that move after `every` epochs falls as a cosine, share / 2 (1 + cos(pi t)), over
`epochs` epochs. The smallest |w| go. New ones come at random (SET: Mocanu et al. 2018) or where the slope of the mean
surprise is largest (RigL: Evci et al. 2020); they begin at weight 0, and the optimizer remembers nothing of them. Both
rank.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import PRNGKeyArray

from sostruct.errors import ConfigError
from sostruct.graph import AbstractEdit, AddConnections, RemoveConnections
from sostruct.graph.connections import all_connections
from sostruct.graph.populations import pairs_of
from sostruct.growth.base import Evaluate, State
from sostruct.growth.layered.common import drawing, layered, rows_of
from sostruct.growth.layered.pruning import masks_of, weights_of
from sostruct.growth.score import AbstractScorer
from sostruct.networks.base import AbstractNetwork, Candidate
from sostruct.networks.layered.statistics import gradients
from sostruct.surprise import Signals


@final
@dataclass(frozen=True)
class RewireConnections(AbstractScorer):
    """Drops the smallest connections of every edge and grows as many.

    Attributes:
        by: "gradient" (RigL) or "random" (SET): where new ones come.
        share: of the connections that move at first.
        epochs: over which that falls to 0.
        every: epochs from one edit to the next.
    """

    by: str = "gradient"
    share: float = 0.3
    epochs: int = 75
    every: int = 3

    def __post_init__(self) -> None:
        if self.by not in ("gradient", "random"):
            raise ConfigError(
                f"Cannot grow connections by {self.by!r}. This is because it is neither by gradient (RigL) nor by "
                "random (SET). Try by=gradient."
            )
        if not 0.0 < self.share <= 1.0 or self.epochs < 1 or self.every < 1:
            raise ConfigError(
                f"Cannot move a share of {self.share} over {self.epochs} epochs, every {self.every}. This is because "
                "it is a share, and the others are counts. Try share=0.3, epochs=75, every=3."
            )

    def init(self, network: AbstractNetwork) -> State:
        """No epoch seen.

        Raises:
            ConfigError: the network is not layered.
        """
        layered(network, "rewiring")
        return {"seen": 0}

    def score(
        self, network: AbstractNetwork, signals: Signals, state: State, *, evaluate: Evaluate, key: PRNGKeyArray
    ) -> tuple[Sequence[Candidate], State]:
        """One candidate: all that moves now."""
        own, seen = layered(network, "rewiring"), state["seen"] + 1
        after = {"seen": seen}
        if seen % self.every or seen >= self.epochs:
            return (), after
        share = 0.5 * self.share * (1.0 + math.cos(math.pi * seen / self.epochs))
        generator, weights = drawing(key), weights_of(own)
        slopes = gradients(own, rows_of(evaluate)) if self.by == "gradient" else {}
        edits: list[AbstractEdit] = []
        for name, mask in masks_of(own).items():
            free = all_connections(mask.shape[0], mask.shape[1], name[0] == name[1]) & ~mask
            count = min(int(share * mask.sum()), int(free.sum()))
            if not count:
                continue
            size = np.where(mask, np.abs(weights[name]), np.inf)
            score = np.abs(slopes[name]) if slopes else generator.random(mask.shape)
            gone, come = np.zeros(mask.size, np.bool_), np.zeros(mask.size, np.bool_)
            gone[np.argsort(size, axis=None, kind="stable")[:count]] = True
            come[np.argsort(np.where(free, -score, np.inf), axis=None, kind="stable")[:count]] = True
            edits += [
                RemoveConnections(*name, pairs_of(gone.reshape(mask.shape))),
                AddConnections(*name, pairs_of(come.reshape(mask.shape))),
            ]
        target = next(name for name in own.nodes if not own.topology.children(name))
        return ([Candidate(target, tuple(edits), float("nan"), frozenset(own.nodes))] if edits else []), after
