"""A growth rule assembled from parts: when, where and how, accept, restraint.

The parts are objects, not flags: a rule of one's own is a new part, and Hydra configs name parts by class.
Surprise-driven growth is `GrowthRule(Every(1), Evidence(), PositiveEvidence())`; every control differs from it in
exactly the part it controls for (`catalogue.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast, final

from jaxtyping import PRNGKeyArray

from sostruct.graph import SetParameters
from sostruct.growth.accept import AbstractAccept
from sostruct.growth.base import AbstractGrowthRule, Evaluate, Proposal, State, check_order, together
from sostruct.growth.restraint import AbstractRestraint
from sostruct.growth.score import AbstractScorer
from sostruct.growth.trigger import AbstractTrigger
from sostruct.networks.base import AbstractNetwork
from sostruct.surprise import Signals


@final
@dataclass(frozen=True)
class GrowthRule(AbstractGrowthRule):
    """When `trigger` fires, `scorer` names candidates, `accept` judges them, and each restraint may hold them back."""

    trigger: AbstractTrigger
    scorer: AbstractScorer
    accept: AbstractAccept
    restraints: Sequence[AbstractRestraint] | Mapping[str, AbstractRestraint] = ()

    def __post_init__(self) -> None:
        given = self.restraints
        object.__setattr__(self, "restraints", tuple(given.values() if isinstance(given, Mapping) else given))

    @property
    def _restraints(self) -> tuple[AbstractRestraint, ...]:
        return tuple(cast(Sequence[AbstractRestraint], self.restraints))

    def init(self, network: AbstractNetwork) -> State:
        """The states of the parts.

        Raises:
            ConfigError: a part cannot work with the network.
        """
        if self.accept.seen < 1.0:
            check_order(network)
        return {
            "trigger": self.trigger.init(),
            "scorer": self.scorer.init(network),
            "restraints": [restraint.init() for restraint in self._restraints],
            "waiting": True,
        }

    def propose(
        self, network: AbstractNetwork, signals: Signals, state: State, *, evaluate: Evaluate, key: PRNGKeyArray
    ) -> tuple[Sequence[Proposal], State]:
        """Candidates with the verdicts of `accept` and of every restraint, over those data, the whole or a recent part,
        over which what is wanted gains most."""
        fired, trigger = self.trigger.fire(network, signals, state["trigger"])
        if not fired:
            held = [restraint.rest(own) for restraint, own in zip(self._restraints, state["restraints"], strict=True)]
            waiting = not self.trigger.exhausted(trigger)
            return (), {**state, "trigger": trigger, "restraints": held, "waiting": waiting}
        views = (evaluate, *evaluate.narrower)
        considered = [self._considered(view, signals, state, network, key) for view in views]
        worth = [_worth(proposals) for proposals, *_ in considered]
        best = worth.index(max(worth))
        proposals, scorer, waiting, restrained = considered[best]
        if views[best].since:
            proposals = [_of_late(proposal, views[best].since) for proposal in proposals]
        return proposals, {"trigger": trigger, "scorer": scorer, "restraints": restrained, "waiting": waiting}

    def _considered(
        self, evaluate: Evaluate, signals: Signals, state: State, network: AbstractNetwork, key: PRNGKeyArray
    ) -> tuple[Sequence[Proposal], State, bool, list[State]]:
        """Proposals over some data, the scorer's state, whether anything waits, and the restraints' states."""
        seen = evaluate if self.accept.seen == 1.0 else evaluate.first(self.accept.seen)
        patterns = signals if evaluate.signals is None else evaluate.signals
        candidates, scorer = self.scorer.score(network, patterns, state["scorer"], evaluate=seen, key=key)
        proposals = self.accept.judge(candidates, evaluate=evaluate)
        waiting, restrained = False, []
        for restraint, own in zip(self._restraints, state["restraints"], strict=True):
            proposals, pending, after = restraint.hold(proposals, network, own)
            waiting = waiting or pending
            restrained.append(after)
        return proposals, scorer, waiting, restrained

    def waiting(self, state: State) -> bool:
        """True while the trigger has yet to fire or a restraint holds back something it will let go."""
        return bool(state["waiting"])


def _of_late(proposal: Proposal, since: int) -> Proposal:
    """The proposal as one that ends the past."""
    reason = f"{proposal.reason}; the past is over" if proposal.wanted else proposal.reason
    return replace(proposal, since=since, reason=reason)


def _worth(proposals: Sequence[Proposal]) -> tuple[bool, float]:
    """Whether edits of structure are wanted, which go before new numbers, and nats of the best that can be made
    together; what has no price adds nothing."""
    wanted = [one for one in proposals if one.wanted]
    structural = any(not isinstance(edit, SetParameters) for one in wanted for edit in one.edits)
    priced = sorted((one for one in wanted if not math.isnan(one.nats)), key=lambda one: -one.nats)
    return structural, math.fsum(one.nats for one in together(priced))
