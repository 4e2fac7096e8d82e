"""The controller: from a rule's proposals to edits that are made together.

It holds no mathematics. It settles conflicts (edits of one epoch touch no common node, so that the prices of all edits
made together are exact: a series' evidence depends on its own parents only, a belief's on its connected component), and
decides what is worth recording.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

from jaxtyping import PRNGKeyArray

from sostruct.errors import ConfigError, GraphError
from sostruct.graph import AbstractEdit
from sostruct.growth.base import AbstractGrowthRule, Proposal, together
from sostruct.networks.base import AbstractNetwork


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

        The best priced wanted proposal wins the nodes it touches; others that touch them are refused for this epoch.
        Proposals without a price come last, in their order.
        """
        wanted = [proposal for proposal in proposals if proposal.wanted]
        taken = together(sorted(wanted, key=_dearest))
        if self.edits_per_epoch is not None and len(taken) > self.edits_per_epoch:
            taken = taken[: self.edits_per_epoch]
        else:
            targets = [proposal.target for proposal in wanted]
            taken.sort(key=lambda proposal: targets.index(proposal.target))
        chosen = {id(proposal) for proposal in taken}
        refused: dict[str, list[Proposal]] = {}
        for proposal in proposals:
            if id(proposal) not in chosen:
                kept = refused.setdefault(proposal.target, [])
                if len(kept) < self.refused_per_target:
                    kept.append(_lost(proposal) if proposal.wanted else proposal)
        return taken, [proposal for kept in refused.values() for proposal in kept]


def made(
    network: AbstractNetwork, taken: Sequence[Proposal], key: PRNGKeyArray
) -> tuple[AbstractNetwork, list[Proposal], list[Proposal]]:
    """The network with the edits of settled proposals, those that were made, and those that were not.

    Proposals that name all they touch fit together. Where some do not, the best priced are made and the others are
    refused for this epoch.

    Raises:
        GraphError: a proposal that does not fit the graph even by itself.
    """
    try:
        return network.edited(_edits(taken), key=key), list(taken), []
    except GraphError:
        for one in taken:
            network.edited(one.edits, key=key)
    fitting: list[Proposal] = []
    for one in sorted(taken, key=_dearest):
        try:
            network.edited(_edits([*fitting, one]), key=key)
        except GraphError:
            continue
        fitting.append(one)
    lost = [_lost(one) for one in taken if all(one is not other for other in fitting)]
    return network.edited(_edits(fitting), key=key), fitting, lost


def _edits(proposals: Sequence[Proposal]) -> tuple[AbstractEdit, ...]:
    return tuple(edit for one in proposals for edit in one.edits)


def _dearest(proposal: Proposal) -> tuple[bool, float]:
    """Sorts by price, the highest first and those without one last."""
    return math.isnan(proposal.nats), -proposal.nats


def _lost(proposal: Proposal) -> Proposal:
    return replace(proposal, wanted=False, reason="another edit went first this epoch")
