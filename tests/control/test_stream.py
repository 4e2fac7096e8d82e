"""Streams: bounded memory, the same bytes after a restart at any chunk, refusals that change nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import jax
import numpy as np
import pandas as pd
import pytest
from jaxtyping import PRNGKeyArray

import sostruct as ss
from sostruct.control import run as loop
from sostruct.control.checkpoint import CHECKPOINT
from sostruct.control.controller import Controller
from sostruct.control.recorder import JOURNAL, SIGNALS, Recorder
from sostruct.control.run import EpochReport, Run, run, stream
from sostruct.control.stream import Stream, joined
from sostruct.errors import ConfigError, DataError, RunError
from sostruct.graph import Journal, SetParameters, apply
from sostruct.growth.accept import Always, PositiveEvidence
from sostruct.growth.base import Evaluate, State
from sostruct.growth.catalogue import all_rules
from sostruct.growth.residual import Residual
from sostruct.growth.restraint import Budget
from sostruct.growth.rule import GrowthRule
from sostruct.growth.score import AbstractScorer, Random
from sostruct.growth.trigger import Every
from sostruct.networks.base import AbstractNetwork, Candidate
from sostruct.networks.hgf.network import HGF
from sostruct.networks.hgf.packed import Observations
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.surprise import Signals
from tests.control.test_history import filter_of

FILES = (JOURNAL, SIGNALS, CHECKPOINT)
CHUNK, LIMIT, SHORTEST = 30, 120, 60
KEY = jax.random.key(7)


def walks(rows: int = 240, change: int = 150, seed: int = 0) -> pd.DataFrame:
    """Two random walks seen through noise; from the row `change` on their steps are six times as long."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(rows, 2)) * 0.5
    steps[change:] *= 6.0
    values = np.cumsum(steps, 0) + 0.5 * rng.normal(size=(rows, 2))
    values[40:43, 0] = np.nan
    return pd.DataFrame(values, columns=["a", "b"])


FRAME = walks()
CHUNKS = [FRAME.iloc[first : first + CHUNK] for first in range(0, len(FRAME), CHUNK)]


def growing() -> Controller:
    """Structure that appears and goes, and parameters, at the price of a few lanes."""
    scorer = Residual(moves=("parameters", "drift", "prune"), refined=1, slack=1.0)
    return Controller(GrowthRule(Every(1), scorer, PositiveEvidence()))


def erratic() -> Controller:
    """Random additions, all accepted: many edits at no price."""
    return Controller(GrowthRule(Every(2), Random(), Always(), (Budget(2),)), edits_per_epoch=1)


@final
@dataclass(frozen=True)
class Late(AbstractScorer):
    """Wants another noise of one input, but only where it is asked about a recent part of at least two chunks."""

    def init(self, network: AbstractNetwork) -> State:
        return {}

    def score(
        self, network: AbstractNetwork, signals: Signals, state: State, *, evaluate: Evaluate, key: PRNGKeyArray
    ) -> tuple[Sequence[Candidate], State]:
        if evaluate.since < 1:
            return [], state
        precision = 1.5 * dict(network.topology.node("a").parameters)["precision"]
        return [Candidate("a", SetParameters("a", {"precision": precision}), 1.0)], state


def late() -> Controller:
    return Controller(GrowthRule(Every(1), Late(), PositiveEvidence()))


def network() -> HGF:
    return filter_of("a", "b")


def begun(controller: Controller | None = None, folder: Path | None = None, **limits: int) -> Run:
    settings = {"limit": LIMIT, "shortest": SHORTEST} | limits
    return stream(network(), growing() if controller is None else controller, key=KEY, folder=folder, **settings)


def observed(controller: Controller | None = None, folder: Path | None = None, chunks: Sequence[Any] = CHUNKS) -> Run:
    found = begun(controller, folder)
    for chunk in chunks:
        found.observe(chunk)
    return found


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


def snapshot(one: Run) -> tuple[Any, ...]:
    """All that may differ between two streams."""
    assert one.stream is not None
    arrays = (one.network.packed, [start.packed for start in one.stream.starts], one.stream.chunks)
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(arrays)]
    return (
        one.epochs,
        one.journal.entries,
        one.network.topology,
        one.history.frame().to_csv(),
        one.stream.lengths,
        [(leaf.dtype, leaf.tobytes()) for leaf in leaves],
    )


def test_the_same_chunks_give_the_same_run() -> None:
    first, second = observed(), observed()
    assert snapshot(first) == snapshot(second)
    assert any(entry.accepted for entry in first.journal)
    assert first.journal.final == first.network.topology


def test_a_stream_believes_what_its_graph_would_have_come_to() -> None:
    found = observed()
    assert found.stream is not None
    start = found.stream.starts[0]
    whole, _ = start.epoch(joined(found.stream.chunks), key=KEY)
    for name, values in whole.packed.state.beliefs.items():
        np.testing.assert_allclose(found.network.packed.state.beliefs[name], values, rtol=1e-12)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_REMEMBERED", 5)
    found, journal = begun(erratic()), Journal(network().topology)
    for number in range(20):
        found.observe(CHUNKS[number % len(CHUNKS)])
        journal.extend(entry for entry in found.journal if entry.epoch == number)
        assert found.stream is not None
        held = found.stream
        assert sum(held.lengths) <= LIMIT
        assert sum(held.lengths) == min(LIMIT, CHUNK * (number + 1))
        assert len(held.chunks) == len(held.starts) == len(held.signals)
        assert len(found.history.frame()["epoch"].unique()) == min(5, number + 1)
        oldest = found.journal.entries[0].epoch if len(found.journal) else 0
        assert sum(entry.epoch > oldest for entry in found.journal) < 5, "whole epochs are forgotten"
        assert found.journal.final == found.network.topology
    assert found.epochs == len(found.history) == 20
    assert len(found.journal) < len(journal), "the case must have decisions to forget"
    assert journal.final == found.network.topology


@pytest.mark.parametrize(
    ("sizes", "lengths"),
    [
        ([50, 50, 50], [50, 50]),
        ([7, 30, 7, 30, 60], [7, 30, 60]),
        ([120, 1], [1]),
        ([10, 200], [200]),
        ([40, 40, 40], [40, 40, 40]),
    ],
)
def test_whole_chunks_are_forgotten(sizes: list[int], lengths: list[int]) -> None:
    held, start = Stream(network(), LIMIT, SHORTEST), 0
    for size in sizes:
        held.take(network().prepare(FRAME.iloc[start : start + size]), KEY)
        start += size
    assert held.lengths == lengths


def test_recent_parts_shrink_by_quarters_down_to_the_shortest() -> None:
    held = Stream(network(), 240, SHORTEST)
    for chunk in CHUNKS[:8]:
        held.take(network().prepare(chunk), KEY)
    whole = held.pricing(KEY, "now")
    parts = [whole, *whole.narrower]
    assert [len(part.data.inputs) for part in parts] == [240, 180, 120, 90, 60]
    assert [part.since for part in parts] == [0, 2, 4, 5, 6]
    assert len({part.mark for part in parts}) == 5
    for part in parts:
        assert part.network is held.starts[part.since]
        np.testing.assert_array_equal(part.data.inputs, joined(held.chunks[part.since :]).inputs)
        assert float(np.asarray(part.signals.count).max()) == sum(held.lengths[part.since :])
    few = Stream(network(), 240, SHORTEST)
    few.take(network().prepare(CHUNKS[0]), KEY)
    assert [len(part.data.inputs) for part in (few.pricing(KEY, ""), *few.pricing(KEY, "").narrower)] == [CHUNK]


def test_an_edit_since_a_chunk_forgets_the_past() -> None:
    found = observed(chunks=CHUNKS[:4])
    assert found.stream is not None
    kept, before = found.stream.chunks[2:], found.stream.starts[2]
    edits = [SetParameters("a", {"precision": 3.0})]
    found.stream.replay(before.edited(edits, key=KEY), kept, KEY)
    after = found.stream.starts[0]
    assert all(one is other for one, other in zip(found.stream.chunks, kept, strict=True))
    assert len(found.stream.signals) == len(found.stream.starts) == 2
    assert found.stream.network.topology == after.topology == apply(before.topology, edits)
    for name, place in before.packing.slot.items():
        for belief, values in before.packed.state.beliefs.items():
            if (name, belief) != ("a", "precision"):
                then = np.asarray(after.packed.state.beliefs[belief])[place]
                assert np.asarray(values)[place] == then, "what was believed then stays"


def test_what_only_the_recent_part_asks_for_ends_the_past() -> None:
    found = begun(late())
    remembered, wanted = [], []
    for chunk in CHUNKS:
        found.observe(chunk)
        assert found.stream is not None
        remembered.append(sum(found.stream.lengths))
        wanted.append(len(found.journal))
    assert remembered == [30, 60, 60, 60, 60, 60, 60, 60], "all but the last two chunks from the third on"
    assert wanted == [0, 0, 1, 2, 3, 4, 5, 6]
    assert found.journal.final == found.network.topology


@final
@dataclass(frozen=True)
class Stepwise(AbstractScorer):
    """Wants the noise of one input a little smaller, `steps` times over the stream."""

    steps: int = 6

    def init(self, network: AbstractNetwork) -> State:
        return {"left": self.steps}

    def score(
        self, network: AbstractNetwork, signals: Signals, state: State, *, evaluate: Evaluate, key: PRNGKeyArray
    ) -> tuple[Sequence[Candidate], State]:
        if evaluate.since or not state["left"]:
            return [], state
        precision = 1.1 * dict(network.topology.node("a").parameters)["precision"]
        wanted = Candidate("a", SetParameters("a", {"precision": precision}), 1.0)
        return [wanted], {"left": state["left"] - 1}


@pytest.mark.parametrize(("waves", "made"), [(1, [1, 2, 3]), (2, [2, 4, 6]), (4, [4, 6, 6])])
def test_edits_follow_edits_after_the_same_chunk(waves: int, made: list[int]) -> None:
    found, counts, reported = begun(Controller(GrowthRule(Every(1), Stepwise(), PositiveEvidence()))), [], []
    for chunk in CHUNKS[:3]:
        found.observe(chunk, waves=waves, on_epoch=reported.append)
        counts.append(len(found.journal))
    assert counts == made
    assert [one.edits for one in reported] == np.diff([0, *made]).tolist()
    assert [entry.epoch for entry in found.journal] == sorted(entry.epoch for entry in found.journal)
    assert found.journal.final == found.network.topology
    assert found.epochs == len(found.history.frame()["epoch"].unique()) == 3
    default = begun(Controller(GrowthRule(Every(1), Stepwise(), PositiveEvidence())))
    default.observe(CHUNKS[0])
    assert len(default.journal) == 4
    with pytest.raises(ConfigError, match="0 waves"):
        default.observe(CHUNKS[1], waves=0)


@pytest.mark.parametrize(
    ("controller", "moments"),
    [(growing, (1, 4, 6)), (erratic, range(9)), (late, range(9))],
    ids=["growing", "erratic", "late"],
)
def test_a_stream_restarted_after_any_chunk_ends_with_the_same_bytes(
    tmp_path: Path, controller: Callable[[], Controller], moments: Sequence[int]
) -> None:
    whole = observed(controller(), tmp_path / "whole")
    assert any(entry.accepted for entry in whole.journal)
    for survived in moments:
        folder = tmp_path / f"broken-{survived}"
        observed(controller(), folder, CHUNKS[:survived])
        again = begun(controller(), folder)
        assert again.epochs == survived
        for chunk in CHUNKS[survived:]:
            again.observe(chunk)
        assert contents(folder) == contents(tmp_path / "whole"), survived
        assert snapshot(again) == snapshot(whole), survived


def test_a_stream_killed_while_it_writes_loses_one_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    observed(None, tmp_path / "whole")
    record = Recorder.record

    def dies(self: Recorder, network: Any, entries: Any, history: Any, header: Any, remembered: Any = None) -> None:
        if header.epoch == dying:
            self._journal.append('{"half a li')
            self._signals.append("3,a,0.1")
            raise KeyboardInterrupt
        record(self, network, entries, history, header, remembered)

    for dying in (1, 6):
        folder = tmp_path / f"broken-{dying}"
        with monkeypatch.context() as patch:
            patch.setattr(Recorder, "record", dies)
            with pytest.raises(KeyboardInterrupt):
                observed(None, folder)
        again = begun(None, folder)
        assert again.epochs == dying - 1
        for chunk in CHUNKS[again.epochs :]:
            again.observe(chunk)
        assert contents(folder) == contents(tmp_path / "whole"), dying


def test_a_finished_run_goes_on_with_a_stream(tmp_path: Path) -> None:
    def batch(folder: Path | None = None) -> Run:
        return run(network(), FRAME.iloc[:100], growing(), key=KEY, epochs=3, folder=folder)

    found = batch(tmp_path)
    epochs, graph = found.epochs, found.network.topology
    reports: list[EpochReport] = []
    rest = [FRAME.iloc[first : first + CHUNK] for first in range(100, 220, CHUNK)]
    for chunk in rest[:2]:
        assert found.observe(chunk, on_epoch=reports.append) is found
    assert found.stream is not None
    assert sum(found.stream.lengths) == 100 + 60, "the rows of the run are remembered"
    assert [report.epoch for report in reports] == [epochs, epochs + 1]
    assert found.epochs == epochs + 2 == len(found.history)
    assert found.journal.start == network().topology
    assert found.journal.replay(epochs - 1) == graph
    again = stream(network(), growing(), key=KEY, folder=tmp_path)
    for chunk in rest[2:]:
        found.observe(chunk)
    alone = batch()
    for chunk in rest:
        alone.observe(chunk)
    assert snapshot(alone) == snapshot(found), "a folder changes nothing"
    assert again.epochs == epochs + 2
    assert again.stream is not None
    assert sum(again.stream.lengths) == 100 + 60


def test_chunks_of_any_length_and_with_gaps() -> None:
    rows = FRAME.iloc[:92].copy()
    rows.iloc[31:61] = np.nan  # nothing was seen
    rows.iloc[61:, 1] = np.nan
    found, start = begun(), 0
    for size in (1, 30, 30, 31):
        found.observe(rows.iloc[start : start + size])
        start += size
    assert found.epochs == 4
    assert found.stream is not None
    assert found.stream.lengths == [1, 30, 30, 31]
    frame = found.history.frame()
    assert np.isfinite(frame.to_numpy()[:, 2:].astype(float)).all()
    assert (frame.loc[frame["epoch"] == 2, "surprise"] == 0.0).all(), "nothing was seen, nothing is surprising"
    assert (frame.loc[frame["epoch"] == 3, "surprise"] != 0.0).any()


@pytest.mark.parametrize(
    "chunk",
    [
        FRAME.iloc[:30, :1],
        FRAME.iloc[:30].assign(c=1.0),
        FRAME.iloc[:30].replace(FRAME.iloc[3, 0], np.inf),
        FRAME.iloc[:30].assign(a="word"),
        np.zeros((30, 3)),
        FRAME.iloc[:0],
    ],
    ids=["column missing", "column too many", "infinite", "words", "width", "empty"],
)
def test_a_chunk_that_is_refused_changes_nothing(tmp_path: Path, chunk: Any) -> None:
    found = observed(None, tmp_path, CHUNKS[:3])
    before, files = snapshot(found), contents(tmp_path)
    with pytest.raises(DataError):
        found.observe(chunk)
    assert snapshot(found) == before
    assert contents(tmp_path) == files
    untouched = observed(chunks=CHUNKS[:4])
    found.observe(CHUNKS[3])
    assert snapshot(found) == snapshot(untouched)


def test_chunks_with_and_without_time_steps_do_not_mix() -> None:
    held = Stream(network(), LIMIT, SHORTEST)
    first = held.take(network().prepare(CHUNKS[0]), KEY)
    odd = Observations(np.asarray(CHUNKS[1], float), np.full(CHUNK, 2.0))
    with pytest.raises(DataError, match="time steps"):
        held.take(odd, KEY)
    assert held.lengths == [CHUNK]
    assert held.signals[0] is first


def test_networks_that_sum_their_data_up_are_refused() -> None:
    lagged = LaggedNetwork.bare(("a", "b"), 1)
    with pytest.raises(ConfigError, match="sums a whole series up"):
        stream(lagged, erratic())
    finished = run(lagged, FRAME.dropna(), Controller(all_rules["none"]()))
    with pytest.raises(ConfigError, match="sums a whole series up"):
        finished.observe(FRAME.iloc[100:130])
    assert finished.stream is None


@pytest.mark.parametrize(("limit", "shortest"), [(50, 100), (0, 0), (10, 0)])
def test_limits_that_do_not_fit_are_refused(limit: int, shortest: int) -> None:
    with pytest.raises(ConfigError, match="remember"):
        begun(limit=limit, shortest=shortest)


def test_a_folder_is_a_stream_s_or_a_run_s(tmp_path: Path) -> None:
    observed(erratic(), tmp_path / "stream", CHUNKS[:2])
    run(network(), FRAME, erratic(), key=KEY, epochs=1, folder=tmp_path / "run")
    before = [contents(tmp_path / name) for name in ("stream", "run")]
    with pytest.raises(RunError, match="a stream was observed there"):
        run(network(), FRAME, erratic(), key=KEY, folder=tmp_path / "stream")
    with pytest.raises(RunError, match="a run over one data set is there"):
        begun(erratic(), tmp_path / "run")
    with pytest.raises(RunError, match="another random key"):
        stream(network(), erratic(), key=jax.random.key(8), folder=tmp_path / "stream")
    assert [contents(tmp_path / name) for name in ("stream", "run")] == before


def test_the_public_name() -> None:
    assert ss.stream is stream
