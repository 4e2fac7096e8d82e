"""What holds wanted edits back: budgets and pauses, applied one after another to a rule's proposals.

A restraint may turn a wanted proposal into a refused one, never the other way, and says why in the journal. Those
against going back and forth stand in `restraint_stability.py`, those on what the graph may become in
`restraint_limits.py`.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

from sostruct.errors import ConfigError
from sostruct.graph import AddEdge
from sostruct.growth.base import Proposal, State
from sostruct.networks.base import AbstractNetwork


class AbstractRestraint(abc.ABC):
    """May turn a wanted proposal into a refused one; never the other way."""

    @abc.abstractmethod
    def init(self) -> State:
        """State before the first epoch."""

    @abc.abstractmethod
    def hold(
        self, proposals: Sequence[Proposal], network: AbstractNetwork, state: State
    ) -> tuple[Sequence[Proposal], bool, State]:
        """The proposals after restraint, and whether something is held back only for now."""

    @abc.abstractmethod
    def rest(self, state: State) -> State:
        """State after an epoch in which nothing was considered."""


@final
@dataclass(frozen=True)
class Budget(AbstractRestraint):
    """At most `parents` edges into any target: what gives a rule without a price its final size."""

    parents: int = 2

    def __post_init__(self) -> None:
        if self.parents < 0:
            raise ConfigError(
                f"Cannot use a budget of {self.parents} parents. This is because it is a count. Try 0 or more."
            )

    def init(self) -> State:
        """Nothing to remember: the graph itself is the account."""
        return {}

    def hold(
        self, proposals: Sequence[Proposal], network: AbstractNetwork, state: State
    ) -> tuple[Sequence[Proposal], bool, State]:
        """Refuses additions to nodes that have their share."""
        reason = f"budget of {self.parents} parents spent"
        topology = network.topology

        def full(proposal: Proposal) -> bool:
            children = [edit.edge.target for edit in proposal.edits if isinstance(edit, AddEdge)]
            return any(name in topology and len(topology.parents(name)) >= self.parents for name in children)

        held = [
            replace(proposal, wanted=False, reason=reason) if proposal.wanted and full(proposal) else proposal
            for proposal in proposals
        ]
        return held, False, state

    def rest(self, state: State) -> State:
        """Unchanged."""
        return state


@final
@dataclass(frozen=True)
class Cooldown(AbstractRestraint):
    """After an edit was asked for at a target, none there for `epochs` epochs."""

    epochs: int = 1

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ConfigError(
                f"Cannot cool down for {self.epochs} epochs. This is because it is a count. Try 1 or more."
            )

    def init(self) -> State:
        """Nobody cools."""
        return {}

    def hold(
        self, proposals: Sequence[Proposal], network: AbstractNetwork, state: State
    ) -> tuple[Sequence[Proposal], bool, State]:
        """Refuses proposals at cooling targets, and lets the targets of the others cool from now on."""
        held = [
            replace(proposal, wanted=False, reason=f"cooling for {state[proposal.target]} more epochs")
            if proposal.wanted and proposal.target in state
            else proposal
            for proposal in proposals
        ]
        pending = any(before.wanted and not after.wanted for before, after in zip(proposals, held, strict=True))
        cooling = self.rest(state)
        cooling.update({proposal.target: self.epochs for proposal in held if proposal.wanted})
        return held, pending, cooling

    def rest(self, state: State) -> State:
        """One epoch less for everybody."""
        return {target: left - 1 for target, left in state.items() if left > 1}
