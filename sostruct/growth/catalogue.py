"""The rules by name: surprise-driven growth and the controls it must beat.

`evidence` is for lagged networks, `residual` and `counterfactual` are for belief networks, `crp` for mixtures.
`natural_expansion`, `gradmax`, `cascade`, `pruned`, `grown_and_pruned`, `rigl` and `set_rewiring` are for layered
networks (`growth/layered/catalogue.py`). `aged` and `dormant` grow as `residual` does and control for how it prunes.
Each control differs from `evidence` in the part it controls for: `random` in where, `every` in when and accept, `none`
in everything. Controls that cannot say when to stop are given a budget of parents per target.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from sostruct.growth.accept import Always, PositiveEvidence
from sostruct.growth.crp import CRP
from sostruct.growth.grid import Grid
from sostruct.growth.layered.catalogue import (
    cascade,
    gradmax,
    grown_and_pruned,
    natural_expansion,
    pruned,
    rigl,
    set_rewiring,
)
from sostruct.growth.residual import Residual
from sostruct.growth.restraint import Budget
from sostruct.growth.retirement import Aged, Dormant
from sostruct.growth.rule import GrowthRule
from sostruct.growth.score import Evidence, Random
from sostruct.growth.several import Several
from sostruct.growth.trigger import Every, Never


def evidence(threshold: float = 1e-6) -> GrowthRule:
    """Add, prune and rewire, also several lags of a cause together, wherever the log evidence rises: the graph is the
    fixed point."""
    return GrowthRule(Every(1), Evidence(), PositiveEvidence(threshold))


def residual(threshold: float = 1e-6) -> GrowthRule:
    """Belief networks: grow where the errors that are left show what is missing, and change whatever raises the
    evidence: the graph is the fixed point."""
    return GrowthRule(Every(1), Residual(), PositiveEvidence(threshold))


def counterfactual(threshold: float = 1e-6) -> GrowthRule:
    """Belief networks: every edit on a grid of parameters, side by side, and nothing new fitted."""
    return GrowthRule(Every(1), Grid(), PositiveEvidence(threshold))


def aged(epochs: int = 20) -> Several:
    """Belief networks: growth by errors, and parents that go by age in place of their price."""
    return Several((_without_prunes(), GrowthRule(Every(1), Aged(epochs), Always())))


def dormant(effect: float = 0.1) -> Several:
    """Belief networks: growth by errors, and parents that go when they do little, in place of their price."""
    return Several((_without_prunes(), GrowthRule(Every(1), Dormant(effect), Always())))


def _without_prunes() -> GrowthRule:
    return GrowthRule(Every(1), Residual(without=("prune",)), PositiveEvidence())


def random(parents: int = 2) -> GrowthRule:
    """Uniformly drawn additions, all accepted, until every target has `parents` of them."""
    return GrowthRule(Every(1), Random(), Always(), (Budget(parents),))


def every(epochs: int = 2, parents: int = 2) -> GrowthRule:
    """The best-scoring addition every `epochs` epochs, accepted whatever its price, until `parents` per target."""
    return GrowthRule(Every(epochs), Evidence(moves=("add",)), Always(), (Budget(parents),))


def none() -> GrowthRule:
    """No edits."""
    return GrowthRule(Never(), Evidence(), PositiveEvidence())


def crp(threshold: float = 1e-6) -> GrowthRule:
    """Components of a mixture are born, die, split and merge wherever the log evidence rises."""
    return GrowthRule(Every(1), CRP(), PositiveEvidence(threshold))


__all__ = [
    "aged",
    "all_rules",
    "cascade",
    "counterfactual",
    "crp",
    "dormant",
    "every",
    "evidence",
    "gradmax",
    "grown_and_pruned",
    "natural_expansion",
    "none",
    "pruned",
    "random",
    "residual",
    "rigl",
    "set_rewiring",
]

all_rules: Mapping[str, Callable[[], GrowthRule]] = MappingProxyType(
    {"evidence": evidence, "random": random, "every": every, "none": none}
)
"""The rules that a lagged network grows by, by name; the contract tests run over all of them."""
