"""Where and how to edit: scorers name candidates, best first per target."""

from __future__ import annotations

import abc
from collections.abc import Sequence

import equinox as eqx
from jaxtyping import PRNGKeyArray

from sostruct.errors import ConfigError
from sostruct.growth.base import Evaluate
from sostruct.networks.base import AbstractNetwork, Candidate
from sostruct.surprise import Signals

MOVES = ("add", "prune", "rewire")


class AbstractScorer(eqx.Module):
    """Names candidate edits."""

    @abc.abstractmethod
    def score(
        self, network: AbstractNetwork, signals: Signals, *, evaluate: Evaluate, key: PRNGKeyArray
    ) -> Sequence[Candidate]:
        """Candidates of every target, best first."""


class Evidence(AbstractScorer):
    """The closed-form log-evidence gain of every absent and present edge, as the network prices it: nats, in sample,
    with complexity paid. The best `best` per target are named; the losers go into the journal as refusals."""

    moves: tuple[str, ...] = eqx.field(static=True)
    best: int = eqx.field(static=True)

    def __init__(self, moves: Sequence[str] = MOVES, best: int = 4) -> None:
        unknown = [move for move in moves if move not in MOVES]
        if unknown or not moves:
            raise ConfigError(
                f"Cannot score the moves {list(moves)}. This is because the moves are {', '.join(MOVES)}."
            )
        if best < 1:
            raise ConfigError(f"Cannot name the best {best} candidates. This is because there must be at least 1.")
        self.moves = tuple(moves)
        self.best = best

    def score(
        self, network: AbstractNetwork, signals: Signals, *, evaluate: Evaluate, key: PRNGKeyArray
    ) -> Sequence[Candidate]:
        """The network's own prices."""
        return network.candidates(signals, best=self.best, moves=frozenset(self.moves))


class Random(AbstractScorer):
    """One legal addition per target, uniformly drawn, without a price: the control for *where*. Published rules beat it
    by little, so no rule is worth its name without it."""

    def score(
        self, network: AbstractNetwork, signals: Signals, *, evaluate: Evaluate, key: PRNGKeyArray
    ) -> Sequence[Candidate]:
        """A uniform draw."""
        return network.draw(key=key)
