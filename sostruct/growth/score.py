"""Where and how to edit: scorers name candidates, best first per target."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from jaxtyping import PRNGKeyArray

from sostruct.errors import ConfigError
from sostruct.growth.base import Evaluate, State
from sostruct.networks.base import AbstractNetwork, Candidate
from sostruct.surprise import Signals

MOVES = ("add", "prune", "rewire", "group")


class AbstractScorer(abc.ABC):
    """Names candidate edits."""

    @abc.abstractmethod
    def init(self, network: AbstractNetwork) -> State:
        """State before the first epoch.

        Raises:
            ConfigError: the network is none that it can score.
        """

    @abc.abstractmethod
    def score(
        self, network: AbstractNetwork, signals: Signals, state: State, *, evaluate: Evaluate, key: PRNGKeyArray
    ) -> tuple[Sequence[Candidate], State]:
        """Candidates of every target, best first, and the state after them.

        On a stream this is asked over the whole of what is remembered and over its recent parts (`evaluate.since` above
        0), each with the same state. What a recent part asks for ends the past: a scorer that does not charge for that
        (`regimes.py`) returns nothing there.
        """


@final
@dataclass(frozen=True)
class Evidence(AbstractScorer):
    """The closed-form log-evidence gain of every absent and present edge, as the network prices it: nats, in sample,
    with complexity paid. A "group" is several lags of one cause that enter or leave together. The best `best` per
    target are named; the losers go into the journal as refusals."""

    moves: Sequence[str] = MOVES
    best: int = 4

    def __post_init__(self) -> None:
        object.__setattr__(self, "moves", tuple(self.moves))
        if not self.moves or not set(self.moves) <= set(MOVES):
            raise ConfigError(
                f"Cannot score the moves {list(self.moves)}. This is because the moves are {', '.join(MOVES)}. Try "
                "some of them."
            )
        if self.best < 1:
            raise ConfigError(f"Cannot name the best {self.best} candidates. This is because it is a count. Try 4.")

    def init(self, network: AbstractNetwork) -> State:
        """Nothing to remember."""
        return {}

    def score(
        self, network: AbstractNetwork, signals: Signals, state: State, *, evaluate: Evaluate, key: PRNGKeyArray
    ) -> tuple[Sequence[Candidate], State]:
        """The network's own prices."""
        return network.candidates(signals, best=self.best, moves=frozenset(self.moves)), state


@final
@dataclass(frozen=True)
class Random(AbstractScorer):
    """One legal addition per target, uniformly drawn, without a price: the control for *where*. Published rules beat it
    by little, so no rule is worth its name without it."""

    def init(self, network: AbstractNetwork) -> State:
        """Nothing to remember."""
        return {}

    def score(
        self, network: AbstractNetwork, signals: Signals, state: State, *, evaluate: Evaluate, key: PRNGKeyArray
    ) -> tuple[Sequence[Candidate], State]:
        """A uniform draw."""
        return network.draw(key=key), state
