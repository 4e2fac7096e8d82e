"""Surprise-driven growth of belief networks: errors name the edits, evidence prices them.

A network that misses structure makes errors with a pattern: volatility errors D that do not average 0 or follow each
other call for a volatility parent, autocorrelated value errors d for a drift, errors of two nodes that go together for
a parent they share. Patterns only order the candidates. What counts is the gain in the joint evidence of the components
that an edit touches, with the parameters of its neighbourhood fitted, less what it costs:

    price = log p(data | after, fitted) - log p(data | before, fitted) - cost(after) + cost(before) - ln K

with K the number of sorts of candidates times that of candidates of the same sort: the best of K is the best by chance,
too. A number that is fitted costs 1/2 ln T over T steps (Schwarz 1978); the numbers of hidden parents, of which a prior
knows how large they may be, cost what Laplace's approximation says (`networks/hgf/plausible.py`), and fits maximize the
posterior. What only takes away gives back the ln K that an addition paid. A mis-set tonic volatility looks like a
missing parent, so parameters come first: no structure is priced on a component whose parameters are not at their best.

On a stream, every chunk is another look, and the best of L looks costs ln L. Every number costs 1/2 ln T there, and
nothing is given back: a graph that is looked at again and again must hold on to what it has, or quiet spells take
parents away that the next rows bring back. What only the recent part of a stream asks for is priced another way
(`regimes.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from jaxtyping import PRNGKeyArray

from sostruct.errors import ConfigError
from sostruct.growth.base import Evaluate, State
from sostruct.growth.marks import signature
from sostruct.growth.regimes import REGIME, recent
from sostruct.growth.score import AbstractScorer
from sostruct.growth.search import Effort, Search, belief_network, checked_sorts
from sostruct.networks.base import AbstractNetwork, Candidate
from sostruct.surprise import Signals

MOVES = (
    "parameters",
    "volatility",
    "noise volatility",
    "drift",
    "state",
    "second state",
    "shared volatility",
    "shared drift",
    "one state",
    "see",
    "join",
    "merge",
    "rewire",
    "split",
    "detach",
    "prune",
    "autoconnection",
    "random walk",
    "tonic drift",
    "no tonic drift",
)
"""Every sort of edit that is considered; see `growth.moves`."""


@final
@dataclass(frozen=True)
class Residual(AbstractScorer):
    """Candidates by the patterns of a belief network's errors, priced by fitted counterfactuals.

    Args:
        moves: which sorts of edits to consider.
        pairs: how many pairs of nodes are tried per sort of tie, those with the most alike errors first.
        refined: how many candidates per component have their parameters fitted at a time.
        slack: nats by which a candidate may miss its price at its starting values and still be fitted.
        margin: nats that a volatility parent of anything but an input or its state must win by on top.
        tolerance: nats that new parameters must win by.
        regime: nats that the recent part of a stream must be ahead by for the past to be over; see `regimes.py`.
        without: sorts of edits that are not considered after all.

    Raises:
        ConfigError: a setting is not one there is.
    """

    moves: Sequence[str] = MOVES
    pairs: int = 24
    refined: int = 4
    slack: float = 30.0
    margin: float = 20.0
    tolerance: float = 0.2
    regime: float = REGIME
    without: Sequence[str] = ()

    def __post_init__(self) -> None:
        without = checked_sorts("without", self.without, MOVES) if self.without else ()
        left = tuple(sort for sort in checked_sorts("moves", self.moves, MOVES) if sort not in without)
        object.__setattr__(self, "moves", checked_sorts("moves", left, MOVES))
        object.__setattr__(self, "without", without)
        for name in ("pairs", "refined"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"Cannot score with {name}={getattr(self, name)}. This is because it is a count. Try 1 or more."
                )

    def init(self, network: AbstractNetwork) -> State:
        """Nothing is fitted, nothing refused."""
        belief_network(network)
        return Search.nothing() | {"quiet": ""}

    def score(
        self, network: AbstractNetwork, signals: Signals, state: State, *, evaluate: Evaluate, key: PRNGKeyArray
    ) -> tuple[Sequence[Candidate], State]:
        """Better parameters for components that have none of the best, and edits of the others.

        Raises:
            ConfigError: the network is no belief network, or one that cannot be priced by components.
        """
        network = belief_network(network)
        here = signature(network.topology, evaluate.bench.mark)
        if state["quiet"] == here:
            return (), state
        effort = Effort(self.pairs, self.refined, self.slack, self.margin, self.tolerance)
        search = Search(effort, self.moves, network, signals, evaluate.bench, state)
        if evaluate.since:
            return recent(search, self.regime), state
        found = [*search.parameters(), *search.structure()]
        after = search.remembered() | {"quiet": "" if any(one.nats > 0.0 for one in found) else here}
        return sorted(found, key=lambda one: -one.nats), after
