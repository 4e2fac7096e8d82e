"""Who follows a stream whose graph changes: growth by residuals, its control, and those who know.

All are judged by what they predict before they see it: the surprise of a chunk is that of the graph and the parameters
as they were before the chunk.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, final

import jax
import pandas as pd
from jaxtyping import PRNGKeyArray

import sostruct as ss
from experiments.structure.learners import ADDITIONS
from sostruct.graph import AbstractEdit, SetParameters
from sostruct.growth.accept import Always, PositiveEvidence
from sostruct.growth.base import Evaluate, Proposal, State
from sostruct.growth.random_structure import RandomStructure
from sostruct.growth.residual import Residual
from sostruct.growth.restraint import AbstractRestraint
from sostruct.growth.rule import GrowthRule
from sostruct.growth.score import AbstractScorer
from sostruct.growth.trigger import Every
from sostruct.networks.base import AbstractNetwork, Candidate
from sostruct.structure.compare import compare_beliefs
from sostruct.surprise import Signals
from sostruct.tasks.regimes import Regime, RegimeSwitch

CHUNK, LIMIT = 50, 1000
PACE = 10
"""Chunks from one addition of a control to the next: about as many edits as growth by residuals makes."""

LEARNERS = ("residual", "every", "random", "parameters", "fixed", "late", "oracle")


class Line(NamedTuple):
    """A learner after one chunk.

    Attributes:
        rows: rows seen.
        regime: which regime the chunk came from.
        f1: of all edges, against the regime's graph.
        hidden_f1: of those edges that bare inputs do not have.
        parents: share of the regime's hidden edges that are there.
        surprise: of the chunk, before it was seen, nats per step.
        edits: structural edits made after the chunk.
        remembered: rows remembered.
        nodes: of the graph.
        seconds: wall time of the chunk.
    """

    rows: int
    regime: int
    f1: float
    hidden_f1: float
    parents: float
    surprise: float
    edits: int
    remembered: int
    nodes: int
    seconds: float


class Step(NamedTuple):
    """What a learner did with one chunk."""

    network: ss.HGF
    surprise: float
    edits: int = 0
    remembered: int = 0


def followed(task: RegimeSwitch, seed: int, rule: str) -> list[Line]:
    """A learner along the stream."""
    loaded, regimes = task.load(seed), task.regimes(seed)
    assert loaded.start is not None
    chunks = [loaded.frame.iloc[first : first + CHUNK] for first in range(0, len(loaded.frame), CHUNK)]
    bare = ss.HGF(loaded.start, schedule="packed")
    match rule:
        case "residual":
            steps = streamed(bare, GrowthRule(Every(1), Residual(), PositiveEvidence()), chunks)
        case "every":
            additions = Whole(Residual(moves=("parameters", *ADDITIONS)))
            steps = streamed(bare, GrowthRule(Every(1), additions, Always(), (Paced(PACE),)), chunks, seed, 1)
        case "random":
            steps = streamed(bare, GrowthRule(Every(1), RandomStructure(), Always(), (Paced(PACE),)), chunks, seed, 1)
        case "parameters":
            parameters = Residual(moves=("parameters",))
            steps = streamed(bare, GrowthRule(Every(1), parameters, PositiveEvidence()), chunks)
        case "fixed":
            steps = told(regimes[:1], chunks)
        case "late":
            steps = told((regimes[0], Regime(regimes[2].first, regimes[1].graph)), chunks)
        case _:
            steps = told(regimes, chunks)
    lines, begun, seen = [], time.perf_counter(), 0
    for chunk, step in zip(chunks, steps, strict=True):
        regime = max(number for number, one in enumerate(regimes) if one.first <= seen)
        seen += len(chunk)
        compared = compare_beliefs(step.network.graph, regimes[regime].graph, bare.inputs)
        hidden = compared.hidden
        numbers = (compared.f1, hidden.f1, hidden.recall, step.surprise)
        seconds = time.perf_counter() - begun
        begun += seconds
        lines.append(
            Line(
                seen,
                regime,
                *(round(number, 6) for number in numbers),
                step.edits,
                step.remembered,
                step.network.topology.size,
                round(seconds, 3),
            )
        )
    return lines


@final
@dataclass(frozen=True)
class Whole(AbstractScorer):
    """A scorer that looks at the whole of what is remembered only."""

    scorer: AbstractScorer

    def init(self, network: AbstractNetwork) -> State:
        """The scorer's."""
        return self.scorer.init(network)

    def score(
        self, network: AbstractNetwork, signals: Signals, state: State, *, evaluate: Evaluate, key: PRNGKeyArray
    ) -> tuple[Sequence[Candidate], State]:
        """Nothing over recent parts."""
        if evaluate.since:
            return (), state
        return self.scorer.score(network, signals, state, evaluate=evaluate, key=key)


@final
@dataclass(frozen=True)
class Paced(AbstractRestraint):
    """The best priced edit of structure after every `chunks` chunks, whatever its price; parameters are free."""

    chunks: int

    def init(self) -> State:
        """No chunk seen."""
        return {"since": 0}

    def hold(
        self, proposals: Sequence[Proposal], network: AbstractNetwork, state: State
    ) -> tuple[Sequence[Proposal], bool, State]:
        """Lets one pass when it is time and none waits for parameters."""
        since = state["since"] + 1
        wanted = [one for one in proposals if _structural(one.edits) and math.isfinite(one.nats)]
        due = since >= self.chunks and wanted
        chosen = max(wanted, key=lambda one: one.nats) if due else None
        held = [
            replace(one, wanted=False, reason="not its turn") if _structural(one.edits) and one is not chosen else one
            for one in proposals
        ]
        return held, True, {"since": 0 if chosen is not None else since}

    def rest(self, state: State) -> State:
        """Time passes."""
        return {"since": state["since"] + 1}


def streamed(
    network: ss.HGF, rule: GrowthRule, chunks: list[pd.DataFrame], seed: int = 0, waves: int = 4
) -> Iterator[Step]:
    """Growth, or fitting alone, on a live stream."""
    live = ss.stream(network, ss.Controller(rule), limit=LIMIT, key=jax.random.key(seed))
    for number, chunk in enumerate(chunks):
        live.observe(chunk, waves=waves)
        assert live.signals is not None
        assert live.stream is not None
        assert isinstance(live.network, ss.HGF)
        made = [entry for entry in live.journal if entry.accepted and entry.epoch == number]
        structural = sum(_structural(entry.edits) for entry in made)
        surprise = -float(live.signals.evidence) / len(chunk)
        yield Step(live.network, surprise, structural, sum(live.stream.lengths))


def told(regimes: tuple[Regime, ...], chunks: list[pd.DataFrame]) -> Iterator[Step]:
    """The true graphs with true parameters from the row on from which they hold; what is common to two keeps its
    beliefs."""
    network, seen = ss.HGF(regimes[0].graph, schedule="packed"), 0
    for chunk in chunks:
        for regime in regimes[1:]:
            if regime.first == seen:
                network = network.at_topology(ss.HGF(regime.graph).topology)
        columns = list(network.inputs)
        beliefs = network.filter(chunk[columns], strict=False)
        network = network.with_state(beliefs.last)
        seen += len(chunk)
        yield Step(network, -float(beliefs.log_evidence) / len(chunk))


def _structural(edits: Sequence[AbstractEdit]) -> bool:
    return any(not isinstance(edit, SetParameters) for edit in edits)
