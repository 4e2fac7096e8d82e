"""The rules for layered networks by name, and what they must beat."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from sostruct.growth.accept import Always, Counterfactual, PositiveEvidence
from sostruct.growth.layered.cascade import Cascade
from sostruct.growth.layered.expansion import NaturalExpansion
from sostruct.growth.layered.gradmax import GradMax
from sostruct.growth.layered.limits import Units
from sostruct.growth.layered.pruning import AbstractMeasure, DormantUnits, Fisher, Magnitude, Prune
from sostruct.growth.layered.rewiring import RewireConnections
from sostruct.growth.rule import GrowthRule
from sostruct.growth.score import Random
from sostruct.growth.several import Several
from sostruct.growth.trigger import Every
from sostruct.growth.trigger_plateau import Plateau
from sostruct.growth.trigger_span import During


def random(units: int = 16, epochs: int = 5) -> GrowthRule:
    """The control for where: a unit with drawn weights every few epochs, until there are `units`."""
    return GrowthRule(Every(epochs), Random(), Always(), (Units(units),))


def every(units: int = 16, epochs: int = 5) -> GrowthRule:
    """The control for when and accept: the unit with the largest gain every few epochs, whatever its price."""
    return GrowthRule(Every(epochs), NaturalExpansion(), Always(), (Units(units),))


def natural_expansion(units: int = 64, epochs: int = 5, threshold: float = 1e-6) -> GrowthRule:
    """The unit with the largest gain on rows it has not seen, while that pays for the choice."""
    return GrowthRule(Every(epochs), NaturalExpansion(), PositiveEvidence(threshold), (Units(units),))


def cascade(units: int = 30, epochs: int = 2, tau: float = 1.0, enough: float = 0.02, loss: float = 5.0) -> GrowthRule:
    """A unit more in a cascade whenever training has come to a stand and the surprise per row is not small enough: of
    several candidates the one that an epoch of training makes most of, which may be `loss` nats less than nothing, for
    first units may pay only together."""
    return GrowthRule(Plateau(epochs, tau, enough), Cascade(), Counterfactual(-loss), (Units(units),))


def gradmax(units: int = 16, epochs: int = 5) -> GrowthRule:
    """The unit with the largest gradient every few epochs, until there are `units`."""
    return GrowthRule(Every(epochs), GradMax(), Always(), (Units(units),))


def pruned(
    sparsity: float = 0.5, epochs: int = 50, begin: int = 0, measure: AbstractMeasure | None = None
) -> GrowthRule:
    """Connections go by a schedule, the ones that do least first."""
    scorer = Prune(sparsity, epochs, begin, measure=Magnitude() if measure is None else measure)
    return GrowthRule(Every(1), scorer, Always())


def dormant_units(share: float = 0.025, epochs: int = 5) -> GrowthRule:
    """Units that hardly answer go."""
    return GrowthRule(Every(epochs), DormantUnits(share), Always())


def rigl(share: float = 0.3, epochs: int = 75, every: int = 3) -> GrowthRule:
    """Connections move to where the slope of the surprise is largest."""
    return GrowthRule(Every(1), RewireConnections("gradient", share, epochs, every), Always())


def set_rewiring(share: float = 0.3, epochs: int = 75, every: int = 3) -> GrowthRule:
    """Connections move anywhere."""
    return GrowthRule(Every(1), RewireConnections("random", share, epochs, every), Always())


def grown_and_pruned(
    units: int = 31,
    growing: int = 30,
    sparsity: float = 0.54,
    pruning: int = 70,
    begin: int = 35,
    measure: AbstractMeasure | None = None,
) -> Several:
    """First a unit after every epoch, the one with the largest gain, until there are `units`; then connections go by a
    schedule."""
    measure = Fisher() if measure is None else measure
    growth = GrowthRule(During(growing), NaturalExpansion(), Always(), (Units(units),))
    return Several((growth, pruned(sparsity, pruning, begin, measure)))


layered_rules: Mapping[str, Callable[[], GrowthRule | Several]] = MappingProxyType(
    {
        "random": random,
        "every": every,
        "natural_expansion": natural_expansion,
        "cascade": cascade,
        "gradmax": gradmax,
        "pruned": pruned,
        "dormant_units": dormant_units,
        "rigl": rigl,
        "set_rewiring": set_rewiring,
        "grown_and_pruned": grown_and_pruned,
    }
)
"""The rules that a layered network grows by, by name; the contract tests run over all of them."""
