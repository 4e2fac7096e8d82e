"""A restraint on what a layered network may become, counted in units and in trainable numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

from sostruct.errors import ConfigError
from sostruct.graph import Topology, apply
from sostruct.growth.base import Proposal, State
from sostruct.growth.restraint import AbstractRestraint
from sostruct.networks.base import AbstractNetwork
from sostruct.networks.layered.network import LayeredNetwork
from sostruct.networks.layered.plan import DENSE, size_of, width


@final
@dataclass(frozen=True)
class Units(AbstractRestraint):
    """At most so many units in all dense populations together, and so many trainable numbers; None for no limit.

    What makes the network no larger in a limited respect is never refused for it.
    """

    units: int | None = 16
    parameters: int | None = None

    def __post_init__(self) -> None:
        for name in ("units", "parameters"):
            limit = getattr(self, name)
            if limit is not None and limit < 0:
                raise ConfigError(
                    f"Cannot use a budget of {limit} {name}. This is because it is a count. Try 0 or more, or null for "
                    "no limit."
                )

    def check(self, network: LayeredNetwork) -> None:
        """Raises where a network is too large to begin with.

        Raises:
            ConfigError: it has more units or trainable numbers than the budget.
        """
        for name, has in _sizes(network.topology).items():
            limit = getattr(self, name)
            if limit is not None and has > limit:
                raise ConfigError(
                    f"Cannot start with {has} {name}. This is because the budget is {limit}. Try a larger budget, or a "
                    "smaller network to start from."
                )

    def init(self) -> State:
        """Nothing to remember: the graph itself is the account."""
        return {}

    def hold(
        self, proposals: Sequence[Proposal], network: AbstractNetwork, state: State
    ) -> tuple[Sequence[Proposal], bool, State]:
        """Refuses what would exceed a limit."""
        now, held = _sizes(network.topology), []
        for proposal in proposals:
            if proposal.wanted:
                after = _sizes(apply(network.topology, proposal.edits))
                full = [
                    name
                    for name in after
                    if (limit := getattr(self, name)) is not None and now[name] < after[name] > limit
                ]
                if full:
                    reason = f"budget of {getattr(self, full[0])} {full[0]} spent"
                    proposal = replace(proposal, wanted=False, reason=reason)
            held.append(proposal)
        return held, False, state

    def rest(self, state: State) -> State:
        """Unchanged."""
        return state


def _sizes(topology: Topology) -> dict[str, int]:
    units = sum(width(topology, node.name) for node in topology.nodes if node.kind == DENSE)
    return {"units": units, "parameters": size_of(topology)}
