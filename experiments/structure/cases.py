"""The cases of the recovery experiment, and the goals it is held to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import final

from sostruct.tasks import HiddenStructure
from sostruct.tasks.base import Task


@final
@dataclass(frozen=True)
class Case:
    """One hidden structure, of which each seed is a graph and a series.

    Attributes:
        family: of `HiddenStructure`.
        signal: how strong the secret is; None where the family has no one signal.
        inputs: number of series.
        nodes: of a mixed graph.
        steps: rows shown; as many are held out.
        update: the filter's update, of learner and truth alike.
    """

    family: str
    signal: float | None = None
    inputs: int = 4
    nodes: int | None = None
    steps: int = 2000
    update: str = "ehgf"

    def load(self, seed: int) -> Task:
        """The series of a seed, tonic volatilities and log precisions of its start wrong by up to 2."""
        return HiddenStructure(
            family=self.family,
            signal=self.signal,
            inputs=self.inputs,
            nodes=self.nodes,
            steps=self.steps,
            heldout=self.steps,
            wrong=2.0,
        ).load(seed)

    @property
    def key(self) -> dict[str, str]:
        """What tells it from other cases, as a table has it."""
        return {
            "family": self.family,
            "signal": "" if self.signal is None else f"{self.signal:g}",
            "inputs": str(self.inputs),
            "nodes": "" if self.nodes is None else str(self.nodes),
            "steps": str(self.steps),
            "update": self.update,
        }

    @property
    def label(self) -> str:
        """For people."""
        parts = [self.family.replace("_", " ")]
        if self.signal is not None:
            parts.append(f"{self.signal:g}")
        if self.nodes is not None:
            parts.append(f"of {self.nodes} nodes, {self.inputs} inputs")
        if self.family == "none":
            parts.append(f"T {self.steps}")
        return ", ".join([" ".join(parts), *([] if self.update == "ehgf" else [self.update])])


@final
@dataclass(frozen=True)
class Goal:
    """What a case must reach; None where nothing was promised.

    Attributes:
        median: of the gap closed over the seeds.
        worst: of the gap closed, of any seed.
        f1: of the edges, mean over the seeds.
    """

    median: float | None = None
    worst: float | None = None
    f1: float | None = None


_STRONG = Goal(0.95, 0.85, 0.95)

GOALS: Mapping[Case, Goal] = MappingProxyType(
    {
        Case("volatility", 1.0): _STRONG,
        Case("shared_volatility", 1.0): _STRONG,
        Case("drift", 0.5): _STRONG,
        Case("shared_drift", 0.5): _STRONG,
        Case("drifts", 0.5): _STRONG,
        Case("shared_state"): _STRONG,
        Case("volatility", 0.7): Goal(0.9, None, 0.9),
        Case("coparents"): Goal(None, None, 0.8),
    }
)
"""One secret at a time, and what has to come of it."""

MIXED = MappingProxyType(
    {
        Case("mixed", inputs=4, nodes=10): Goal(f1=0.85),
        Case("mixed", inputs=6, nodes=16): Goal(f1=0.85),
        Case("mixed", inputs=8, nodes=22): Goal(f1=0.85),
        Case("mixed", inputs=10, nodes=30): Goal(f1=0.85),
    }
)
"""Many secrets at once."""

NONE = (Case("none", steps=1000), Case("none", steps=3000))
"""Nothing to find: at most one addition in 40 series."""

CHAINS = tuple(
    replace(Case(family), update=update)
    for family in ("volatility_chain", "drift_chain")
    for update in ("ehgf", "unbounded")
)
"""Parents of parents, where the filter itself is the limit."""

CASES = (*GOALS, *MIXED, *NONE, *CHAINS)


def chosen(families: list[str]) -> list[Case]:
    """The cases of some families; `family:signal` (volatility:.7) and `family:nodes` (mixed:10) name a single one.

    Raises:
        ValueError: there is no such case.
    """
    found: list[Case] = []
    for word in families:
        family, _, which = word.partition(":")
        own = [
            case
            for case in CASES
            if family in (case.family, "all") and (not which or float(which) in (case.signal, case.nodes, case.steps))
        ]
        if not own:
            known = ", ".join(dict.fromkeys(case.family for case in CASES))
            raise ValueError(f"Cannot run {word!r}. This is because the families are {known}. Try one of them.")
        found += own
    return list(dict.fromkeys(found))
