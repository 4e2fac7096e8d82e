"""The controller: from a rule's proposals to edits that are made together.

It holds no mathematics. It asks the growth rule, settles conflicts (at most one edit per target and epoch, so that the
prices of all edits made together are exact: a target's evidence depends on its own parents only), and decides what is
worth recording.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

from sostruct.errors import ConfigError
from sostruct.growth.base import AbstractGrowthRule, Proposal


@final
@dataclass(frozen=True)
class Controller:
    """Settings of the loop.

    Attributes:
        growth: the rule.
        edits_per_epoch: most edits made after one epoch over all targets; None for no limit. The best priced go first.
        refused_per_target: how many refused proposals per target the journal keeps.
    """

    growth: AbstractGrowthRule
    edits_per_epoch: int | None = None
    refused_per_target: int = 3

    def __post_init__(self) -> None:
        if self.edits_per_epoch is not None and self.edits_per_epoch < 1:
            raise ConfigError(
                f"Cannot make {self.edits_per_epoch} edits per epoch. This is because nothing could ever change. Try 1 "
                "or more, or null for no limit."
            )
        if self.refused_per_target < 0:
            raise ConfigError(
                f"Cannot record {self.refused_per_target} refusals per target. This is because it is a count."
            )

    def settle(self, proposals: Sequence[Proposal]) -> tuple[list[Proposal], list[Proposal]]:
        """The proposals to carry out, and the refused ones to record.

        A target's best wanted proposal wins; its others are refused for this epoch, best priced first.
        """
        winners: dict[str, Proposal] = {}
        for proposal in proposals:
            incumbent = winners.get(proposal.target)
            if proposal.wanted and (incumbent is None or proposal.nats > incumbent.nats):
                winners[proposal.target] = proposal
        taken = list(winners.values())
        if self.edits_per_epoch is not None and len(taken) > self.edits_per_epoch:
            taken = sorted(taken, key=lambda proposal: -proposal.nats)[: self.edits_per_epoch]
        chosen = {id(proposal) for proposal in taken}
        refused: dict[str, list[Proposal]] = {}
        for proposal in proposals:
            if id(proposal) not in chosen:
                kept = refused.setdefault(proposal.target, [])
                if len(kept) < self.refused_per_target:
                    kept.append(_lost(proposal) if proposal.wanted else proposal)
        return taken, [proposal for kept in refused.values() for proposal in kept]


def _lost(proposal: Proposal) -> Proposal:
    return replace(proposal, wanted=False, reason="another edit went first this epoch")
