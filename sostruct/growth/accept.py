"""Which candidates to ask for: the part of a rule that compares a price with what it costs to be wrong.

Closed-form evidence has paid for its complexity and may be accepted in sample; every other score is accepted on data it
has not seen, or by running the counterfactual.
"""

from __future__ import annotations

import abc
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

from sostruct.errors import ConfigError
from sostruct.graph import SetParameters
from sostruct.growth.base import Evaluate, Proposal
from sostruct.networks.base import Candidate


class AbstractAccept(abc.ABC):
    """Turns candidates into proposals with a verdict."""

    @property
    @abc.abstractmethod
    def seen(self) -> float:
        """The share of the data, from its start, that scorers may see: less than 1 where the rest is to judge."""

    @abc.abstractmethod
    def judge(self, candidates: Sequence[Candidate], *, evaluate: Evaluate) -> Sequence[Proposal]:
        """One proposal per candidate, in the same order."""


@final
@dataclass(frozen=True)
class PositiveEvidence(AbstractAccept):
    """Accepts what raises the log evidence by more than `threshold` nats.

    Closed-form evidence has paid for its complexity and may be accepted in sample. The default threshold only keeps
    rounding from undoing and redoing an edit of no worth.
    """

    threshold: float = 1e-6

    @property
    def seen(self) -> float:
        """All of it."""
        return 1.0

    def judge(self, candidates: Sequence[Candidate], *, evaluate: Evaluate) -> Sequence[Proposal]:
        """Wanted iff nats > threshold; a candidate without a price (nan) is not."""
        threshold = self.threshold
        return [
            Proposal.of(candidate, True, "raises the evidence")
            if candidate.nats > threshold
            else Proposal.of(candidate, False, f"not above {threshold:g} nats")
            for candidate in candidates
        ]


@final
@dataclass(frozen=True)
class Counterfactual(AbstractAccept):
    """Re-prices every candidate by running it: evidence of an epoch with the edit minus an epoch without.

    The price of any rule that has none of its own. Choosing among the K candidates of a target costs log K, which is
    taken off every price; `threshold` comes on top.
    """

    threshold: float = 1e-6

    @property
    def seen(self) -> float:
        """All of it."""
        return 1.0

    def judge(self, candidates: Sequence[Candidate], *, evaluate: Evaluate) -> Sequence[Proposal]:
        """Wanted iff the counterfactual nats, less log K, exceed `threshold`."""
        if not candidates:
            return []
        nats = evaluate([candidate.edits for candidate in candidates])
        rivals = Counter(candidate.target for candidate in candidates)
        repriced = [
            replace(candidate, nats=float(gain) - math.log(rivals[candidate.target]))
            for candidate, gain in zip(candidates, nats, strict=True)
        ]
        return PositiveEvidence(self.threshold).judge(repriced, evaluate=evaluate)


@final
@dataclass(frozen=True)
class HeldOut(AbstractAccept):
    """Accepts what raises the log predictive density of rows that nobody fitted to.

    Scorers, and the parameters they fit, see the first `1 - share` of the rows; an edit is worth the evidence of all
    rows minus that of those, with it less without it. What a scorer itself prices at nothing or less is not tried; what
    it has no price for is. An edit of parameters alone is an estimate, and is taken as the seen rows have it.
    """

    share: float = 0.3
    threshold: float = 1e-6

    def __post_init__(self) -> None:
        if not 0.0 < self.share < 1.0:
            raise ConfigError(
                f"Cannot hold out a share of {self.share} of the rows. This is because it is a part of the whole. Try "
                "0.3."
            )

    @property
    def seen(self) -> float:
        """1 - share."""
        return 1.0 - self.share

    def judge(self, candidates: Sequence[Candidate], *, evaluate: Evaluate) -> Sequence[Proposal]:
        """Wanted iff the nats of the unseen rows exceed `threshold`."""
        wanted = [one for one in candidates if not one.nats <= 0.0 and not _estimates(one)]
        if not wanted:
            return PositiveEvidence(self.threshold).judge(candidates, evaluate=evaluate)
        bundles = [candidate.edits for candidate in wanted]
        unseen = evaluate(bundles) - evaluate.first(self.seen)(bundles)
        nats = {id(candidate): float(gain) for candidate, gain in zip(wanted, unseen, strict=True)}
        repriced = [replace(one, nats=nats.get(id(one), one.nats)) for one in candidates]
        return PositiveEvidence(self.threshold).judge(repriced, evaluate=evaluate)


def _estimates(candidate: Candidate) -> bool:
    return all(isinstance(edit, SetParameters) for edit in candidate.edits)


@final
@dataclass(frozen=True)
class Always(AbstractAccept):
    """Accepts everything, whatever its price: the control for *accept*."""

    @property
    def seen(self) -> float:
        """All of it."""
        return 1.0

    def judge(self, candidates: Sequence[Candidate], *, evaluate: Evaluate) -> Sequence[Proposal]:
        """All wanted."""
        return [Proposal.of(candidate, True, "always accepted (control)") for candidate in candidates]
