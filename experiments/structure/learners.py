"""What is compared: growth by residuals, its controls, and the true graph.

All of them fit parameters by the same method on the same rows. The controls are helped where that is possible: random
and every are told how many edits to make, and begin at the bare network with its parameters fitted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import jax
import networkx as nx

import sostruct as ss
from sostruct.graph import AbstractEdit, Entry, SetParameters
from sostruct.growth.accept import Always, PositiveEvidence
from sostruct.growth.base import Proposal, State
from sostruct.growth.random_structure import RandomStructure
from sostruct.growth.residual import Residual
from sostruct.growth.restraint import AbstractRestraint
from sostruct.growth.rule import GrowthRule
from sostruct.growth.trigger import Every
from sostruct.networks.base import AbstractNetwork
from sostruct.networks.hgf.settings import EdgeName
from sostruct.tasks.base import Task

ADDITIONS = (
    "volatility",
    "drift",
    "second state",
    "shared volatility",
    "shared drift",
    "one state",
    "see",
    "join",
)
"""Moves that add something: what *every* chooses from. Two states made one count, since a shared state is found so."""

_EPOCHS = 60
_FIT = GrowthRule(Every(1), Residual(moves=("parameters",)), PositiveEvidence())


@final
@dataclass(frozen=True, eq=False)
class Outcome:
    """What a learner arrived at.

    Attributes:
        network: the network, before its first step.
        edits: structural edits made on the way there.
        additions: of these, edits that add a node or an edge.
        epochs: passes over the series with decisions in between.
        seconds: wall time, compilation included where something had to be compiled.
        steps: the edits and their prices in words.
    """

    network: ss.HGF
    edits: int = 0
    additions: int = 0
    epochs: int = 0
    seconds: float = math.nan
    steps: tuple[str, ...] = ()


def grown(
    start: nx.MultiDiGraph | ss.HGF, task: Task, rule: GrowthRule, update: str = "ehgf", seed: int = 0
) -> Outcome:
    """A run of a growth rule to its end."""
    network = start if isinstance(start, ss.HGF) else ss.HGF(start, schedule="packed", update=update)
    begun = time.perf_counter()
    found = ss.run(network, task, ss.Controller(rule), epochs=_EPOCHS, key=jax.random.key(seed))
    seconds = time.perf_counter() - begun
    made = [entry for entry in found.journal if entry.accepted and _structural(entry.edits)]
    assert isinstance(found.network, ss.HGF)
    return Outcome(
        network=found.network.reset(),
        edits=len(made),
        additions=sum(_adds(entry.edits) for entry in made),
        epochs=found.epochs,
        seconds=seconds,
        steps=tuple(_words(entry) for entry in made),
    )


def residual(task: Task, update: str, seed: int) -> Outcome:
    """Growth by residuals from the bare network with wrong parameters."""
    assert task.start is not None
    return grown(task.start, task, GrowthRule(Every(1), Residual(), PositiveEvidence()), update, seed)


def fitted(graph: nx.MultiDiGraph | ss.HGF, task: Task, update: str = "ehgf") -> Outcome:
    """A graph with its parameters at the maximum of their evidence."""
    return grown(graph, task, _FIT, update)


def fitted_truth(task: Task, update: str, calmer: Sequence[float] = (0.0,)) -> Outcome:
    """The true graph, fitted from the true parameters and from others.

    Args:
        task: with a truth.
        update: of the filter.
        calmer: by how much tonic volatilities of parents of states are lowered at the start of each fit, for a filter
            that cannot follow the true ones; the best evidence counts.
    """
    assert task.truth is not None
    truth = ss.HGF(task.truth, schedule="packed", update=update)
    best, evidence = None, -math.inf
    for less in calmer:
        lowered: dict[str | EdgeName, dict[str, float]] = {
            node.name: {"tonic_volatility": dict(node.parameters)["tonic_volatility"] - less}
            for node in truth.topology.nodes
            if node.name not in truth.inputs and not _sees_input(truth, node.name)
        }
        found = fitted(truth.with_parameters(lowered) if less else truth, task, update)
        _, own = trained(found.network, task)
        if best is None or (math.isfinite(own) and own > evidence):
            best, evidence = found, own if math.isfinite(own) else -math.inf
    assert best is not None
    return best


def random(bare: ss.HGF, task: Task, edits: int, seed: int) -> Outcome:
    """As many random additions as the residual rule made: first a sort, then a place, both uniformly.

    Each is tried at the same starting values and fitted by the same fit as an addition of the residual rule.
    """
    rule = GrowthRule(Every(1), RandomStructure(), Always(), (BestOf(edits),))
    return grown(bare, task, rule, seed=seed)


def every(bare: ss.HGF, task: Task, edits: int, seed: int) -> Outcome:
    """The best-scored addition every two epochs, whatever its price, as many as the truth has."""
    scorer = Residual(moves=("parameters", *ADDITIONS))
    rule = GrowthRule(Every(2), scorer, Always(), (BestOf(edits),))
    return grown(bare, task, rule, seed=seed)


@final
@dataclass(frozen=True)
class BestOf(AbstractRestraint):
    """One addition at a time, the best priced, and not more than `edits` of them; parameters are free."""

    edits: int

    def init(self) -> State:
        """None made."""
        return {"made": 0}

    def hold(
        self, proposals: Sequence[Proposal], network: AbstractNetwork, state: State
    ) -> tuple[Sequence[Proposal], bool, State]:
        """Additions wait while parameters are still to be fitted."""
        fits = any(not _structural(one.edits) for one in proposals)
        wanted = sorted((one for one in proposals if _structural(one.edits)), key=lambda one: -one.nats)
        finite = [one for one in wanted if math.isfinite(one.nats)]
        left = state["made"] < self.edits
        chosen = finite[0] if left and not fits and finite else None
        held = [
            replace(one, wanted=False, reason="not its turn") if _structural(one.edits) and one is not chosen else one
            for one in proposals
        ]
        made = state["made"] + (chosen is not None)
        return held, made < self.edits and bool(proposals), {"made": made}

    def rest(self, state: State) -> State:
        """Unchanged."""
        return state


def needed(task: Task) -> int:
    """Additions from the bare graph to the truth: a state shared or beside another, a parent with its first two
    children, and every further child is one."""
    assert task.truth is not None
    assert task.start is not None
    truth, inputs = ss.HGF(task.truth).topology, ss.HGF(task.start).inputs
    count = 0
    for name in truth.names:
        if name in inputs or name.endswith("_state"):
            continue
        children = len(truth.children(name))
        count += max(children - 1, 1)
    return count


def trained(network: ss.HGF, task: Task) -> tuple[float, float]:
    """Steps of the rows shown at which a posterior was invalid, and their log evidence, nats."""
    beliefs = network.reset().filter(task.frame[list(network.inputs)], strict=False)
    return float(beliefs.held.sum()), float(beliefs.log_evidence)


def foreseen(network: ss.HGF, task: Task) -> float:
    """Log predictive density of the rows held out, beliefs continued from the rows shown, nats."""
    assert task.heldout is not None
    columns = list(network.inputs)
    last = network.reset().filter(task.frame[columns], strict=False).last
    return float(network.filter(task.heldout[columns], start=last, strict=False).log_evidence)


def dynamics(network: ss.HGF) -> int:
    """States that no longer are random walks without drift."""
    seen = [name for name in network.nodes if name not in network.inputs and _sees_input(network, name)]
    own = [dict(network.topology.node(name).parameters) for name in seen if name.endswith("_state")]
    return sum(one["autoconnection"] != 1.0 or one["tonic_drift"] != 0.0 for one in own)


def _sees_input(network: ss.HGF, name: str) -> bool:
    return any(edge.target in network.inputs for edge in network.topology.children(name))


def _structural(edits: Sequence[AbstractEdit]) -> bool:
    return any(not isinstance(edit, SetParameters) for edit in edits)


def _adds(edits: Sequence[AbstractEdit]) -> bool:
    return any(type(edit).__name__ in ("AddNode", "AddEdge") for edit in edits)


def _words(entry: Entry) -> str:
    edits = ", ".join(str(edit) for edit in entry.edits if not isinstance(edit, SetParameters))
    return f"{entry.epoch}: {edits} ({entry.nats:.1f})"
