"""Several growth rules at work on one graph: one that adds, say, and one that takes away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast, final

from jaxtyping import PRNGKeyArray

from sostruct.errors import ConfigError
from sostruct.growth.base import AbstractGrowthRule, Evaluate, Proposal, State
from sostruct.networks.base import AbstractNetwork
from sostruct.surprise import Signals


@final
@dataclass(frozen=True)
class Several(AbstractGrowthRule):
    """Every rule proposes after every epoch; the controller lets the best priced win the nodes they touch.

    Where a rule declares the past of a stream over, the others wait: their prices are about that past.

    Args:
        rules: by name, or in a row.
    """

    rules: Sequence[AbstractGrowthRule] | Mapping[str, AbstractGrowthRule]

    def __post_init__(self) -> None:
        given = self.rules
        object.__setattr__(self, "rules", tuple(given.values() if isinstance(given, Mapping) else given))
        if not self.rules:
            raise ConfigError("Cannot grow by no rule. This is because `rules` is empty. Try growth=none.")

    @property
    def _rules(self) -> tuple[AbstractGrowthRule, ...]:
        return tuple(cast(Sequence[AbstractGrowthRule], self.rules))

    def init(self, network: AbstractNetwork) -> State:
        """The states of the rules."""
        return {"rules": [rule.init(network) for rule in self._rules]}

    def propose(
        self, network: AbstractNetwork, signals: Signals, state: State, *, evaluate: Evaluate, key: PRNGKeyArray
    ) -> tuple[Sequence[Proposal], State]:
        """What the rules propose, in their order."""
        proposals: list[Proposal] = []
        states: list[State] = []
        for rule, own in zip(self._rules, state["rules"], strict=True):
            found, after = rule.propose(network, signals, own, evaluate=evaluate, key=key)
            proposals += found
            states.append(after)
        since = max((one.since for one in proposals if one.wanted), default=0)
        if since:
            proposals = [
                replace(one, wanted=False, reason="another rule declared the past over")
                if one.wanted and one.since != since
                else one
                for one in proposals
            ]
        return proposals, {"rules": states}

    def waiting(self, state: State) -> bool:
        """Whether any rule is."""
        return any(rule.waiting(own) for rule, own in zip(self._rules, state["rules"], strict=True))
