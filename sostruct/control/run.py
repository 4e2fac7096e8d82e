"""The loop: an epoch reports surprise, the controller turns it into edits, until nothing is worth
editing.

A run is deterministic given network, data, controller and key: the key of epoch e is `fold_in(key, e)`, so a resumed
run draws what an uninterrupted one would have drawn.

The loop itself is a generator that asks for its epochs: `run` carries them out one by one, `run_population` those of
many runs together.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

import jax
import networkx as nx
import numpy as np
from jaxtyping import PRNGKeyArray, PyTree

from sostruct.control.checkpoint import CHECKPOINT, Header, fingerprint
from sostruct.control.controller import Controller, made
from sostruct.control.history import SignalHistory
from sostruct.control.recorder import Recorder
from sostruct.control.stream import Stream, cut, joined, length
from sostruct.errors import ConfigError
from sostruct.graph import Edits, Entry, Journal
from sostruct.growth.base import Proposal, State
from sostruct.growth.counterfactual import Pricing
from sostruct.networks.base import AbstractNetwork
from sostruct.surprise import Signals

_fold_in = jax.jit(jax.random.fold_in)

_REMEMBERED = 1000
"""Epochs and decisions of a stream that stay in memory."""

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


@dataclass
class Run:
    """A finished or paused run, which may go on with a stream (`observe`).

    Attributes:
        network: the network after the last epoch.
        data: the prepared data it ran on.
        journal: every decision; `journal.frame()` is a table of them, `journal.replay(epoch)` the graph after that
            epoch's edits.
        history: the signals of every epoch.
        epochs: epochs completed.
        signals: what the last epoch reported; None when a resumed run had nothing left to do.
        settled: whether the last epoch was a fixed point: nothing was worth editing and nothing was being waited for.
        controller: the growth rule and its limits.
        rule: the growth rule's state.
        key: random key of the whole run.
        recorder: keeps its folder, or None.
        stream: the remembered end of the stream it observes, or None before the first chunk.
    """

    network: AbstractNetwork
    data: PyTree
    journal: Journal
    history: SignalHistory
    epochs: int
    signals: Signals | None
    settled: bool
    controller: Controller = field(repr=False)
    rule: State = field(repr=False)
    key: PRNGKeyArray = field(repr=False)
    recorder: Recorder | None = field(default=None, repr=False)
    stream: Stream | None = field(default=None, repr=False)

    def observe(self, chunk: Any, *, waves: int = 4, on_epoch: Callable[[EpochReport], None] | None = None) -> Run:
        """Goes on with the next rows of a live stream: one epoch over them, and edits where they are worth it.

        Evidence accumulates: edits are priced over all rows that are remembered (`Stream`), those of the run before the
        first chunk among them, or over recent ones alone where the past is over. What is kept in memory is bounded;
        with a folder, every decision is on disk, and `stream(..., folder=...)` goes on after a restart. Chunks of equal
        length share a compiled program.

        Args:
            chunk: rows as `network.prepare` takes them, in the order of time.
            waves: how often edits may follow after one chunk: what an edit makes possible, or reveals, does not wait
                for the next. To the growth rule, a wave that follows edits is another epoch.
            on_epoch: called after the epoch.

        Returns:
            This run, with network, journal, history and signals as they are now.

        Raises:
            ConfigError: the network cannot follow a stream, or there is to be no wave.
            DataError: the chunk cannot be used; nothing has changed then.
        """
        if waves < 1:
            raise ConfigError(f"Cannot edit in {waves} waves. This is because it is a count. Try 1 or more.")
        data = self.network.prepare(getattr(chunk, "frame", chunk))
        if self.stream is None:
            self.stream = _following(self)
        own = _fold_in(self.key, self.epochs)
        nodes = self.network.nodes
        signals = self.stream.take(data, own)
        self.history.record(nodes, signals)
        entries, rule = self._waves(waves, own)
        self.journal.extend(entries)
        self.network, self.data, self.signals, self.rule = self.stream.network, data, signals, rule
        self.epochs, self.settled = self.epochs + 1, False
        if self.recorder is not None:
            header = Header(self.epochs, False, rule, {}, "", _key_data(self.key), tuple(self.stream.lengths))
            remembered = joined(self.stream.chunks)
            self.recorder.record(self.stream.starts[0], entries, self.history, header, remembered)
        self.history.forget(_REMEMBERED)
        self.journal.forget(_REMEMBERED)
        if on_epoch is not None:
            edges, count = len(self.network.topology.edges), sum(entry.accepted for entry in entries)
            on_epoch(EpochReport(self.epochs - 1, self.epochs, self.history.total(self.epochs - 1), count, edges))
        return self

    def _waves(self, waves: int, key: PRNGKeyArray) -> tuple[list[Entry], State]:
        """Edits after a chunk, wave by wave: journal entries, and the rule's state."""
        assert self.stream is not None
        rule = self.rule
        entries: list[Entry] = []
        for wave in range(waves):
            pricing = self.stream.pricing(key, str(self.epochs) if wave == 0 else f"{self.epochs}.{wave}")
            network, signals = self.stream.network, self.stream.signals[-1]
            proposals, rule = self.controller.growth.propose(network, signals, rule, evaluate=pricing, key=key)
            taken, refused = self.controller.settle(proposals)
            if taken:
                since = taken[0].since
                begun, taken, lost = made(self.stream.starts[since], taken, key)
                self.stream.replay(begun, self.stream.chunks[since:], key)
                refused = [*refused, *lost]
            entries += [_entry(self.epochs, one, True) for one in taken]
            entries += [_entry(self.epochs, one, False) for one in refused]
            if not taken:
                break
        return entries, rule

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
            restored = Recorder.resumed(folder, network, mark, _key_data(key))
            recorder, network, header, journal, history, _ = restored
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
        if taken:
            network, taken, lost = made(network, taken, own)
            refused = [*refused, *lost]
        settled = not taken and not controller.growth.waiting(state) and network.at_rest
        entries = [_entry(epoch, one, True) for one in taken]
        entries += [_entry(epoch, one, False) for one in remembered.news(refused)]
        journal.extend(entries)
        if recorder is not None:
            recorder.record(network, entries, history, Header(epoch + 1, settled, state, {}, mark, _key_data(key)))
        if on_epoch is not None:
            edges = len(network.topology.edges)
            on_epoch(EpochReport(epoch, epochs, history.total(epoch), len(taken), edges))
    return Run(network, data, journal, history, len(history), signals, settled, controller, state, key, recorder)


def stream(
    network: AbstractNetwork,
    controller: Controller,
    *,
    limit: int = 1000,
    shortest: int = 100,
    key: PRNGKeyArray | None = None,
    folder: Path | None = None,
) -> Run:
    """A run without data of its own, to `observe` a stream from its first row, or from where its folder left off.

    Args:
        network: where the graph starts.
        controller: the growth rule and its limits.
        limit: most rows remembered.
        shortest: fewest rows over which an edit is priced.
        key: as in `run`.
        folder: as in `run`.

    Raises:
        ConfigError: the network cannot follow a stream, or the limits do not fit each other.
        RunError: the folder cannot be written or continued.
    """
    key = jax.random.key(0) if key is None else key
    live, state = Stream(network, limit, shortest), controller.growth.init(network)
    journal, history, recorder = Journal(network.topology), SignalHistory(), None
    if folder is not None and (folder / CHECKPOINT).exists():
        restored = Recorder.resumed(folder, network, "", _key_data(key))
        recorder, network, header, journal, history, arrays = restored
        assert header.stream is not None
        live.replay(network, cut(network.prepare(*arrays), header.stream), _fold_in(key, header.epoch))
        state = dict(header.rule)
        history.forget(_REMEMBERED)
        journal.forget(_REMEMBERED)
    elif folder is not None:
        recorder = Recorder.fresh(folder, network)
    return Run(live.network, None, journal, history, len(history), None, False, controller, state, key, recorder, live)


def _following(finished: Run) -> Stream:
    """The remembered end of a run over one data set, in chunks."""
    live = Stream(finished.network.begun())
    size = live.shortest
    rows = length(finished.data)
    sizes = [rows % size] * (rows % size > 0) + [size] * (rows // size)
    for chunk in cut(finished.data, sizes):
        live.take(chunk, finished.key)
    return live


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
