"""The contract of a growth rule, and what it hands to the controller.

A rule is pure and runs on the host between epochs: `init(network) -> state`, then `propose(...) -> (proposals, state)`.
State is JSON-compatible (dicts, lists, strings, numbers), keyed by node names, so that it survives every edit and sits
readably in a checkpoint. A rule never edits; the controller resolves conflicts between its proposals, edits, and keeps
the journal. The rule everyone uses is assembled from four small parts (`rule.py`); anything else that follows this
contract will do.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from jaxtyping import PRNGKeyArray, PyTree
from numpy.typing import NDArray

from sostruct.errors import ConfigError
from sostruct.graph import AbstractEdit, Edits, edits_of
from sostruct.networks.base import AbstractNetwork, Candidate
from sostruct.surprise import Signals

if TYPE_CHECKING:
    from sostruct.networks.hgf.workbench import Workbench

Edited = TypeVar("Edited")

State = dict[str, Any]


class Evaluate(abc.ABC):
    """The exact counterfactual, as rules are given it (`counterfactual.Pricing`).

    Attributes:
        data: the prepared data.
    """

    data: PyTree

    @abc.abstractmethod
    def __call__(self, bundles: Sequence[Sequence[AbstractEdit]]) -> NDArray[np.float64]:
        """Log evidence with each bundle of edits minus log evidence without [bundle], nats."""

    @property
    @abc.abstractmethod
    def bench(self) -> Workbench:
        """Where components of a belief network are filtered."""

    @property
    @abc.abstractmethod
    def signals(self) -> Signals | None:
        """What epochs over the same data reported, where that is not what the rule is given."""

    @property
    @abc.abstractmethod
    def narrower(self) -> Sequence[Evaluate]:
        """The same over ever more recent parts of a stream, for rules that know what another regime costs."""

    @property
    @abc.abstractmethod
    def since(self) -> int:
        """The remembered chunk of a stream with which these data begin."""

    @abc.abstractmethod
    def first(self, share: float) -> Evaluate:
        """The same on the first `share` of the data's steps."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """An edit, its price, and the rule's verdict.

    Attributes:
        target: the node whose prediction the edit changes.
        edit: the edit, or a tuple of edits that stand or fall together.
        nats: surprise it expects to remove, net of complexity; nan for a rule that cannot state a price (a control).
        wanted: whether the rule asks for it.
        reason: why, or why not, in words.
        touches: as in `Candidate`.
        since: the remembered chunk of a stream from which on it is meant: what came before is then forgotten.
    """

    target: str
    edit: Edits
    nats: float
    wanted: bool
    reason: str
    touches: frozenset[str] = frozenset()
    since: int = 0

    @classmethod
    def of(cls, candidate: Candidate, wanted: bool, reason: str) -> Proposal:
        """A candidate with a verdict."""
        return cls(candidate.target, candidate.edit, candidate.nats, wanted, reason, candidate.touches)

    @property
    def edits(self) -> tuple[AbstractEdit, ...]:
        """The edits as a tuple."""
        return edits_of(self.edit)


def check_order(network: AbstractNetwork) -> None:
    """Rows can be held out.

    Raises:
        ConfigError: the data of this network have no order of steps.
    """
    if not network.sequential:
        raise ConfigError(
            "Cannot hold out rows. This is because the data of this network have no order of steps. Try "
            "accept=evidence."
        )


def disjoint(ordered: Iterable[Edited], touched: Callable[[Edited], frozenset[str]]) -> list[Edited]:
    """Those that touch no node which one before them touches, in their order."""
    seen: set[str] = set()
    found: list[Edited] = []
    for one in ordered:
        if seen.isdisjoint(touched(one)):
            seen |= touched(one)
            found.append(one)
    return found


def together(proposals: Iterable[Proposal]) -> list[Proposal]:
    """Those that can be made together, the first going before the others."""
    return disjoint(proposals, lambda proposal: proposal.touches or frozenset({proposal.target}))


class AbstractGrowthRule(abc.ABC):
    """Decides which edits to ask for after an epoch. Settings are frozen; what evolves is the state."""

    @abc.abstractmethod
    def init(self, network: AbstractNetwork) -> State:
        """The rule's state before the first epoch, JSON-compatible."""

    @abc.abstractmethod
    def propose(
        self,
        network: AbstractNetwork,
        signals: Signals,
        state: State,
        *,
        evaluate: Evaluate,
        key: PRNGKeyArray,
    ) -> tuple[Sequence[Proposal], State]:
        """What the rule considered after an epoch, best first per target, wanted or not."""

    @abc.abstractmethod
    def waiting(self, state: State) -> bool:
        """Whether the rule may still act on the same signals in a later epoch: if not, a quiet epoch is a fixed
        point."""
