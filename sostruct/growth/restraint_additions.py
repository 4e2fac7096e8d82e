"""A restraint on how much a graph may gain: what gives belief networks under a rule without a price their final size.

`Budgets` limits the whole graph. How many nodes it has at the start depends on the number of series, so a control that
is to add a little to any graph is limited by the difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from sostruct.errors import ConfigError
from sostruct.growth.base import Proposal, State
from sostruct.growth.restraint import AbstractRestraint
from sostruct.growth.restraint_limits import Budgets
from sostruct.networks.base import AbstractNetwork


@final
@dataclass(frozen=True)
class Additions(AbstractRestraint):
    """At most so many nodes and edges more than the graph had when edits were first considered.

    Args:
        nodes: hidden nodes; None for no limit.
        edges: couplings; None for no limit.

    Raises:
        ConfigError: a limit is negative.
    """

    nodes: int | None = 2
    edges: int | None = 4

    def __post_init__(self) -> None:
        for name in ("nodes", "edges"):
            limit = getattr(self, name)
            if limit is not None and limit < 0:
                raise ConfigError(
                    f"Cannot add at most {limit} {name}. This is because it is a count. Try 0 or more, or null for no "
                    "limit."
                )

    def init(self) -> State:
        """No graph seen."""
        return {"nodes": None, "edges": None}

    def hold(
        self, proposals: Sequence[Proposal], network: AbstractNetwork, state: State
    ) -> tuple[Sequence[Proposal], bool, State]:
        """Refuses what would add more, the best priced being served first."""
        topology = network.topology
        if state["nodes"] is None:
            state = {"nodes": topology.size, "edges": len(topology.edges)}
        limits = Budgets(
            nodes=None if self.nodes is None else state["nodes"] + self.nodes,
            edges=None if self.edges is None else state["edges"] + self.edges,
        )
        held, pending, _ = limits.hold(proposals, network, limits.init())
        return held, pending, state

    def rest(self, state: State) -> State:
        """Unchanged."""
        return state
