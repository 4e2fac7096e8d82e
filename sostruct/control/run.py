"""The loop: an epoch reports surprise, the controller turns it into edits, until nothing is worth
editing.

A run is deterministic given network, data, controller and key: the key of epoch e is `fold_in(key, e)`, so a resumed
run draws what an uninterrupted one would have drawn.

The loop itself is a generator that asks for its epochs: `run` carries them out one by one, `run_population` those of
many runs together.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

import jax
import networkx as nx
import numpy as np
from jaxtyping import PRNGKeyArray, PyTree

from sostruct.control.checkpoint import CHECKPOINT, Header, fingerprint
from sostruct.control.controller import Controller
from sostruct.control.history import SignalHistory
from sostruct.control.recorder import Recorder
from sostruct.errors import ConfigError
from sostruct.graph import Edits, Entry, Journal
from sostruct.growth.base import Proposal
from sostruct.growth.counterfactual import Pricing
from sostruct.networks.base import AbstractNetwork
from sostruct.surprise import Signals

_fold_in = jax.jit(jax.random.fold_in)

_Refused = TypeVar("_Refused", Entry, Proposal)

_Refusal = tuple[Edits, float, str]
"""Edit, price and reason; a price of nan equals none, so what has no price is always news."""


@dataclass(frozen=True)
class EpochReport:
    """What a progress display may show after an epoch."""

    epoch: int
    epochs: int
    surprise: float
    edits: int
    edges: int


@dataclass(frozen=True)
class Run:
    """A finished or paused run.

    Attributes:
        network: the network after the last epoch.
        data: the prepared data it ran on.
        journal: every decision; `journal.frame()` is a table of them, `journal.replay(epoch)` the graph after that
            epoch's edits.
        history: the signals of every epoch.
        epochs: epochs completed.
        signals: what the last epoch reported; None when a resumed run had nothing left to do.
        settled: whether the last epoch was a fixed point: nothing was worth editing and nothing was being waited for.
    """

    network: AbstractNetwork
    data: PyTree
    journal: Journal
    history: SignalHistory
    epochs: int
    signals: Signals | None
    settled: bool

    def graph_at(self, epoch: int) -> nx.MultiDiGraph:
        """The graph after the edits of this epoch and those before it, for networkx; -1 gives the start."""
        return self.journal.graph_at(epoch)


@dataclass(frozen=True)
class Request:
    """The epoch a run needs next: `network.epoch(data, key=key)`, by whatever route."""

    network: AbstractNetwork
    data: PyTree
    key: PRNGKeyArray


Answer = tuple[AbstractNetwork, Signals]
"""What an epoch gives: the network after it, and its signals."""

Loop = Generator[Request, Answer, Run]
"""A run that has to be driven: it yields the epochs it needs, is sent what they gave, and returns the run."""


def run(
    network: AbstractNetwork,
    task: Any,
    controller: Controller,
    *,
    epochs: int = 100,
    key: PRNGKeyArray | None = None,
    folder: Path | None = None,
    on_epoch: Callable[[EpochReport], None] | None = None,
) -> Run:
    """Runs epochs and edits until a fixed point, or for `epochs` epochs.

    Args:
        network: where the graph starts.
        task: a `tasks.Task`, a DataFrame or an array: whatever `network.prepare` takes, or an object with a `frame`.
        controller: the growth rule and its limits.
        epochs: most epochs to run.
        key: random key of the whole run; `jax.random.key(0)` when not given.
        folder: where to keep journal, signals and checkpoint. A folder with a checkpoint is continued from it.
        on_epoch: called after every epoch.

    Raises:
        ConfigError: `epochs` is not positive.
        RunError: the folder cannot be written or continued.
    """
    wanted = loop(network, task, controller, epochs=epochs, key=key, folder=folder, on_epoch=on_epoch)
    try:
        request = next(wanted)
        while True:
            request = wanted.send(request.network.epoch(request.data, key=request.key))
    except StopIteration as end:
        finished: Run = end.value
    return finished


def loop(
    network: AbstractNetwork,
    task: Any,
    controller: Controller,
    *,
    epochs: int,
    key: PRNGKeyArray | None,
    folder: Path | None,
    on_epoch: Callable[[EpochReport], None] | None,
) -> Loop:
    """The loop of `run`, its arguments included, for somebody else to drive. Nothing happens before the first `next`.

    Raises:
        ConfigError, RunError: see `run`; from `next` or `send`.
    """
    if epochs < 1:
        raise ConfigError(f"Cannot run {epochs} epochs. This is because a run needs at least one. Try epochs=100.")
    key = jax.random.key(0) if key is None else key
    data = network.prepare(getattr(task, "frame", task))
    state = controller.growth.init(network)
    journal, history = Journal(network.topology), SignalHistory()
    recorder, start, settled, mark = None, 0, False, ""
    if folder is not None:
        mark = fingerprint(data)
        if (folder / CHECKPOINT).exists():
            recorder, network, header, journal, history = Recorder.resumed(folder, network, mark, _key_data(key))
            state, start, settled = dict(header.rule), header.epoch, header.settled
        else:
            recorder = Recorder.fresh(folder, network)
    remembered, signals = _Refusals(journal), None
    for epoch in range(start, epochs):
        if settled:
            break
        own = _fold_in(key, epoch)
        network, signals = yield Request(network.begun(), data, own)
        history.record(network.nodes, signals)
        pricing = Pricing(network, data, own, mark)
        proposals, state = controller.growth.propose(network, signals, state, evaluate=pricing, key=own)
        taken, refused = controller.settle(proposals)
        network = network.edited([edit for proposal in taken for edit in proposal.edits], key=own) if taken else network
        settled = not taken and not controller.growth.waiting(state)
        entries = [_entry(epoch, one, True) for one in taken]
        entries += [_entry(epoch, one, False) for one in remembered.news(refused)]
        journal.extend(entries)
        if recorder is not None:
            recorder.record(network, entries, history, Header(epoch + 1, settled, state, {}, mark, _key_data(key)))
        if on_epoch is not None:
            edges = len(network.topology.edges)
            on_epoch(EpochReport(epoch, epochs, history.total(epoch), len(taken), edges))
    return Run(network, data, journal, history, len(history), signals, settled)


class _Refusals:
    """Refusals per target as last recorded: the journal repeats none whose edit, price and reason have not changed."""

    def __init__(self, journal: Journal) -> None:
        self._last: dict[str, list[_Refusal]] = {}
        for _, entries in groupby(journal, key=attrgetter("epoch")):
            self.news([entry for entry in entries if not entry.accepted])

    def news(self, refused: Sequence[_Refused]) -> list[_Refused]:
        """The refusals of an epoch without those that only repeat what the journal says."""
        by_target: dict[str, list[_Refusal]] = {}
        for one in refused:
            by_target.setdefault(one.target, []).append((one.edit, one.nats, one.reason))
        repeated = {target for target, own in by_target.items() if self._last.get(target) == own}
        self._last.update(by_target)
        return [one for one in refused if one.target not in repeated]


def _entry(epoch: int, proposal: Proposal, accepted: bool) -> Entry:
    return Entry(epoch, proposal.edit, proposal.nats, accepted, proposal.reason, proposal.target)


def _key_data(key: PRNGKeyArray) -> tuple[int, ...]:
    return tuple(int(word) for word in np.asarray(jax.random.key_data(key)).ravel())
