"""Restraints against going back and forth: what is new has to show itself, and what is undone has to be worth it.

A price changes a little whenever anything else in the graph does, so edits near zero nats can follow each other for
ever: each is right by its price, and together they are noise. None of these restraints forbids an edit for good; a
price that is high enough passes all of them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

from sostruct.errors import ConfigError
from sostruct.graph import apply
from sostruct.growth.base import Proposal, State
from sostruct.growth.footprint import Change, change, elements, followed, rested, unseen
from sostruct.growth.restraint import AbstractRestraint
from sostruct.networks.base import AbstractNetwork


@final
@dataclass(frozen=True)
class MinimumAge(AbstractRestraint):
    """Nodes and edges are not removed before the graph has had them for `epochs` epochs; those of the start graph are
    of age."""

    epochs: int = 3

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ConfigError(
                f"Cannot require an age of {self.epochs} epochs. This is because it is a count. Try 1 or more."
            )

    def init(self) -> State:
        """No graph seen."""
        return {"born": None, "clock": 0, "seen": 0}

    def hold(
        self, proposals: Sequence[Proposal], network: AbstractNetwork, state: State
    ) -> tuple[Sequence[Proposal], bool, State]:
        """Refuses, for now, proposals that remove something too young."""
        topology, clock = network.topology, state["clock"] + 1
        present = elements(topology)
        # what is not known came with the edits after the last epoch in which any were considered
        known = dict.fromkeys(present) if state["born"] is None else state["born"]
        born = {name: known.get(name, state["seen"]) for name in sorted(present)}
        young = {name: since for name, since in born.items() if since is not None and clock - since < self.epochs}
        held, pending = [], False
        for proposal in proposals:
            if proposal.wanted and young:
                gone = sorted((present - elements(apply(topology, proposal.edits))) & young.keys())
                if gone:
                    reason = f"{_named(gone[0])} is {clock - young[gone[0]]} of {self.epochs} epochs old"
                    proposal, pending = replace(proposal, wanted=False, reason=reason), True
            held.append(proposal)
        settled = {name: since if name in young else None for name, since in born.items()}
        return held, pending, {"born": settled, "clock": clock, "seen": clock}

    def rest(self, state: State) -> State:
        """Everybody grows older."""
        return {**state, "clock": state["clock"] + 1}


@final
@dataclass(frozen=True)
class Hysteresis(AbstractRestraint):
    """An edit that takes back one that was made must be worth more than `margin` nats: the price to come back exceeds
    the price to stay."""

    margin: float = 3.0

    def __post_init__(self) -> None:
        if not self.margin >= 0.0:
            raise ConfigError(
                f"Cannot use a margin of {self.margin} nats. This is because it is an amount. Try 0 or more."
            )

    def init(self) -> State:
        """No graph seen."""
        return {**unseen(), "made": {}}

    def hold(
        self, proposals: Sequence[Proposal], network: AbstractNetwork, state: State
    ) -> tuple[Sequence[Proposal], bool, State]:
        """Refuses proposals that take back too cheaply."""
        recent, _, after = followed(network.topology, state)
        made = {**state["made"], **dict.fromkeys(sorted(recent.added), 1), **dict.fromkeys(sorted(recent.removed), -1)}

        def back(own: Change) -> bool:
            return any(made.get(name) == 1 for name in own.removed) or any(made.get(name) == -1 for name in own.added)

        held = []
        for proposal in proposals:
            # a price of nan, which a control has, is not worth anything
            cheap = proposal.wanted and not proposal.nats > self.margin
            if made and cheap and back(change(network.topology, proposal.edits, set(after["start"]))):
                reason = f"takes back an edit for {proposal.nats:.2f} of {self.margin:g} nats"
                proposal = replace(proposal, wanted=False, reason=reason)
            held.append(proposal)
        return held, False, {**after, "made": made}

    def rest(self, state: State) -> State:
        """Time passes."""
        return rested(state)


@final
@dataclass(frozen=True)
class Oscillation(AbstractRestraint):
    """An edit that is taken back within `epochs` epochs doubles its price, each time: after k times it must be worth
    more than 2^k `nats`, in either direction."""

    epochs: int = 5
    nats: float = 1.0

    def __post_init__(self) -> None:
        if not (self.epochs >= 1 and self.nats > 0.0):
            raise ConfigError(
                f"Cannot double a price of {self.nats} nats within {self.epochs} epochs. This is because these are an "
                "amount and a count, both positive. Try epochs=5, nats=1."
            )

    def init(self) -> State:
        """No graph seen."""
        return {**unseen(), "flips": {}}

    def hold(
        self, proposals: Sequence[Proposal], network: AbstractNetwork, state: State
    ) -> tuple[Sequence[Proposal], bool, State]:
        """Refuses proposals that do not pay what their couplings have come to cost."""
        recent, when, after = followed(network.topology, state)
        flips = {
            name: own
            for name, own in state["flips"].items()
            if own["count"] or after["clock"] - own["at"] <= self.epochs
        }
        for name in sorted(recent.added | recent.removed):
            own = flips.get(name, {"at": None, "count": 0})
            soon = own["at"] is not None and when - own["at"] <= self.epochs
            flips[name] = {"at": when, "count": own["count"] + soon}
        held = []
        for proposal in proposals:
            if proposal.wanted and flips:
                asked = change(network.topology, proposal.edits, set(after["start"]))
                times = max((flips[name]["count"] for name in asked.added | asked.removed if name in flips), default=0)
                price = self.nats * 2.0**times
                if times and not proposal.nats > price:
                    reason = f"oscillated {times} times: worth {proposal.nats:.2f} of {price:g} nats"
                    proposal = replace(proposal, wanted=False, reason=reason)
            held.append(proposal)
        return held, False, {**after, "flips": flips}

    def rest(self, state: State) -> State:
        """Time passes."""
        return rested(state)


def _named(element: str) -> str:
    """An element for people."""
    name = json.loads(element)
    return str(name) if isinstance(name, str) else f"{name[0]} -> {name[1]}"
