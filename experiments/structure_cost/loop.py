"""What the loop costs at 50 nodes: epochs that change nothing, edits, and what is compiled for them.

Compiled calls are timed where the library makes them, their results waited for; what is left of an epoch was spent
outside. Time outside is that of the processor, in the thread of the loop: what else runs on the machine does not count.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import jax
import numpy as np
from jaxtyping import PRNGKeyArray
from numpy.typing import NDArray

import sostruct as ss
from sostruct.control.recorder import Recorder
from sostruct.control.run import Run, loop
from sostruct.errors import GraphError
from sostruct.graph import AbstractEdit, AddEdge, AddNode, Edge, RemoveNode, SetParameters
from sostruct.growth.accept import Always, PositiveEvidence
from sostruct.growth.base import AbstractGrowthRule, Evaluate, Proposal, State
from sostruct.growth.residual import Residual
from sostruct.growth.rule import GrowthRule
from sostruct.growth.score import AbstractScorer
from sostruct.growth.trigger import Every, Never
from sostruct.networks import base
from sostruct.networks.base import AbstractNetwork, Candidate
from sostruct.networks.hgf import dense
from sostruct.surprise import Signals
from sostruct.tasks.base import Task
from sostruct.tasks.hidden import HiddenStructure

NODES, INPUTS = 50, 17
CALLS = ((base, "_epoch"), (dense, "log_evidence"))
"""Where the library enters compiled code on this path."""


def task(steps: int, seed: int = 0) -> Task:
    """Series from a graph of 50 nodes."""
    return HiddenStructure(family="mixed", inputs=INPUTS, nodes=NODES, steps=steps, heldout=0).load(seed)


@final
@dataclass(frozen=True)
class Restless(AbstractGrowthRule):
    """A rule that is asked again however quiet it was: a run that has settled would end."""

    rule: GrowthRule

    def init(self, network: AbstractNetwork) -> State:
        return self.rule.init(network)

    def propose(
        self, network: AbstractNetwork, signals: Signals, state: State, *, evaluate: Evaluate, key: PRNGKeyArray
    ) -> tuple[Sequence[Proposal], State]:
        return self.rule.propose(network, signals, state, evaluate=evaluate, key=key)

    def waiting(self, state: State) -> bool:
        return True


@final
@dataclass(frozen=True)
class Scheduled(AbstractScorer):
    """Every fourth epoch one edit: parents come, share children, and go; numbers change. Nothing is priced."""

    every: int = 4

    def init(self, network: AbstractNetwork) -> State:
        return {"seen": 0}

    def score(
        self, network: AbstractNetwork, signals: Signals, state: State, *, evaluate: Evaluate, key: PRNGKeyArray
    ) -> tuple[Sequence[Candidate], State]:
        seen = state["seen"] + 1
        if seen % self.every:
            return [], {"seen": seen}
        rng = np.random.default_rng(seen)
        while True:
            bundle = _drawn(network, rng, seen)
            try:
                network.edited(bundle, key=key)
            except GraphError:
                continue
            return [Candidate(network.nodes[0], bundle, float("nan"), frozenset(network.nodes))], {"seen": seen}


def _drawn(network: AbstractNetwork, rng: np.random.Generator, number: int) -> tuple[AbstractEdit, ...]:
    """A new parent of one or two states, one of these going again, or another number."""
    topology = network.topology
    states = [name for name in topology.names if name.endswith("_state")]
    grown = [name for name in topology.names if name.startswith("grown_")]
    sort = rng.integers(4)
    if grown and sort == 0:
        return (RemoveNode(str(rng.choice(grown))),)
    if sort == 1:
        return (SetParameters(str(rng.choice(states)), {"tonic_volatility": float(rng.normal(-2.0, 0.3))}),)
    name, coupling = f"grown_{number}", str(rng.choice(["value", "volatility"]))
    children = rng.choice(states, int(rng.integers(1, 3)), replace=False)
    node = AddNode(name, "continuous", {"autoconnection": 0.9, "tonic_volatility": -3.0})
    return (node, *(AddEdge(Edge(name, str(child), coupling, strength=0.3)) for child in children))


@final
@dataclass
class Watch:
    """Time spent in what is watched, wall and processor [2]."""

    seconds: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, timed until its results are there."""

        def call(*arguments: Any, **named: Any) -> Any:
            begun = now()
            found = function(*arguments, **named)
            found = jax.block_until_ready(found) if name in COMPILED else found
            self.seconds[name] = self.spent(name) + now() - begun
            return found

        return call

    def spent(self, name: str) -> NDArray[np.float64]:
        """Time spent in one of them so far."""
        return self.seconds.get(name, np.zeros(2))


def now() -> NDArray[np.float64]:
    """Wall time, and processor time of this thread."""
    return np.array([time.perf_counter(), time.thread_time()])


COMPILED = tuple(name for _, name in CALLS)
HOST = ((ss.HGF, "edited"), (Recorder, "record"))


@contextmanager
def watched(watch: Watch) -> Iterator[None]:
    """While this lasts, compiled calls, edits and records are timed."""
    before = [(place, name, place.__dict__[name]) for place, name in (*CALLS, *HOST)]
    for place, name, function in before:
        plain = getattr(place, name) if not isinstance(place, type) else function
        setattr(place, name, watch.timed(name, plain))
    try:
        yield
    finally:
        for place, name, function in before:
            setattr(place, name, function)


@final
@dataclass(frozen=True)
class Epoch:
    """One epoch of a run, in seconds.

    Attributes:
        whole: wall time of all of it.
        compiled: wall time in compiled calls.
        recorded: wall time of writing to disk.
        edited: processor time in `edited`.
        outside: processor time outside compiled calls, `edited` and writing.
        waited: wall time outside them.
        edits: bundles made.
    """

    whole: float
    compiled: float
    recorded: float
    edited: float
    outside: float
    waited: float
    edits: int


def epochs_of(network: ss.HGF, data: Any, rule: AbstractGrowthRule, count: int, disk: bool) -> tuple[Run, list[Epoch]]:
    """The epochs of a run, each timed."""
    watch, marks, edits = Watch(), [], []

    def mark(made: int) -> None:
        inside = sum((watch.spent(name) for name in COMPILED), np.zeros(2))
        marks.append(np.stack([now(), inside, watch.spent("edited"), watch.spent("record")]))
        edits.append(made)

    with tempfile.TemporaryDirectory(prefix="sostruct-cost-") as folder, watched(watch):
        where = Path(folder) / "run" if disk else None
        wanted = loop(
            network,
            data,
            ss.Controller(rule),
            epochs=count,
            key=None,
            folder=where,
            on_epoch=lambda report: mark(report.edits),
        )
        try:
            request = next(wanted)
            mark(0)
            while True:
                request = wanted.send(request.network.epoch(request.data, key=request.key))
        except StopIteration as end:
            done: Run = end.value
    found = []
    for before, after, made in zip(marks[:-1], marks[1:], edits[1:], strict=True):
        whole, compiled, edited, recorded = after - before
        rest = whole - compiled - edited - recorded
        found.append(Epoch(whole[0], compiled[0], recorded[0], edited[1], rest[1], rest[0], made))
    return done, found


NEVER = GrowthRule(Never(), Residual(), PositiveEvidence())
RESIDUAL = GrowthRule(Every(1), Residual(), PositiveEvidence())
SCHEDULED = GrowthRule(Every(1), Scheduled(), Always())


def bare_calls(network: ss.HGF, data: Any, repeats: int) -> tuple[float, float]:
    """Median seconds of the compiled epoch by itself, its arguments on the device, with its signals and without.

    Without: the same program asked for beliefs and evidence only, so that the compiler leaves out what nobody reads.
    The two take turns.
    """
    with jax.enable_x64(True):
        packed, values = jax.device_put((network.packed, network.prepare(data)))
        key = jax.random.key(0)
        programs = (base._epoch, jax.jit(_silent))
        seconds: tuple[list[float], ...] = ([], [])
        for program in programs:
            jax.block_until_ready(program(packed, values, key))
        for _ in range(repeats):
            for program, own in zip(programs, seconds, strict=True):
                begun = time.perf_counter()
                jax.block_until_ready(program(packed, values, key))
                own.append(time.perf_counter() - begun)
    return statistics.median(seconds[0]), statistics.median(seconds[1])


def _silent(packed: Any, data: Any, key: Any) -> Any:
    after, signals = packed.epoch(data, key=key)
    return after, signals.evidence
