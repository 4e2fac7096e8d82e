"""The loop: fixed points, journal, resuming, compilation."""

from itertools import pairwise
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
import pytest

from sostruct.control.checkpoint import CHECKPOINT
from sostruct.control.controller import Controller
from sostruct.control.recorder import JOURNAL, SIGNALS, Recorder
from sostruct.control.run import EpochReport, run
from sostruct.errors import ConfigError, RunError
from sostruct.graph import Journal
from sostruct.graph.files import SCHEMA
from sostruct.growth.catalogue import all_rules
from sostruct.networks import base
from sostruct.networks.lagged.network import LaggedNetwork
from tests.networks.reference import series

NAMES = tuple("abcdef")
VALUES = series(8, 6, 400)
FILES = (JOURNAL, SIGNALS)


def bare() -> LaggedNetwork:
    return LaggedNetwork.bare(NAMES, 3)


def controller(name: str = "evidence", **settings: int) -> Controller:
    return Controller(all_rules[name](), **settings)


def test_the_journal_replays_to_the_live_graph_at_every_epoch() -> None:
    graphs = []
    finished = run(bare(), VALUES, controller(edits_per_epoch=2), on_epoch=lambda report: graphs.append(report.edges))
    assert finished.journal.final == finished.network.topology
    assert [len(finished.journal.replay(epoch).edges) for epoch in range(finished.epochs)] == graphs
    assert finished.journal.replay(-1) == bare().topology
    assert [finished.graph_at(epoch).number_of_edges() for epoch in range(finished.epochs)] == graphs


def test_one_edit_per_target_and_epoch() -> None:
    finished = run(bare(), VALUES, controller())
    seen = [(entry.epoch, entry.target) for entry in finished.journal if entry.accepted]
    assert len(seen) == len(set(seen))
    assert len(seen) > len(NAMES), "the case must have targets that are edited more than once"


def test_refusals_are_the_best_three_and_not_repeated() -> None:
    finished = run(bare(), VALUES, controller())
    refused: dict[tuple[int, str], list[float]] = {}
    for entry in finished.journal:
        if not entry.accepted:
            refused.setdefault((entry.epoch, entry.target), []).append(entry.nats)
    assert max(map(len, refused.values())) == 3
    assert all(prices == sorted(prices, reverse=True) for prices in refused.values())
    for target in NAMES:
        groups = [prices for (_, own), prices in sorted(refused.items()) if own == target]
        assert all(one != other for one, other in pairwise(groups))


def test_edits_per_epoch_takes_the_best_priced_first() -> None:
    one = run(bare(), VALUES, controller(edits_per_epoch=1))
    free = run(bare(), VALUES, controller())
    assert one.network.topology == free.network.topology
    taken = [entry for entry in one.journal if entry.accepted]
    assert [entry.epoch for entry in taken] == list(range(len(taken)))
    first = max((entry for entry in free.journal if entry.accepted and entry.epoch == 0), key=lambda one: one.nats)
    assert taken[0].edit == first.edit


def test_reports_tell_surprise_and_edits() -> None:
    reports: list[EpochReport] = []
    finished = run(bare(), VALUES, controller(), on_epoch=reports.append)
    assert [report.epoch for report in reports] == list(range(finished.epochs))
    assert reports[-1].edits == 0
    assert reports[0].surprise > reports[-1].surprise
    frame = finished.history.frame()
    assert list(frame.columns) == ["epoch", "node", "surprise", "expected", "reducible"]
    assert frame.groupby("epoch")["surprise"].sum().iloc[0] == pytest.approx(reports[0].surprise)
    assert (frame["surprise"] > frame["expected"]).all(), "learning its parameters costs surprise"
    assert frame.loc[frame["epoch"] == finished.epochs - 1, "reducible"].max() <= 1e-6


def test_a_run_that_is_cut_short_says_so() -> None:
    assert not run(bare(), VALUES, controller(), epochs=1).settled
    with pytest.raises(ConfigError, match="0 epochs"):
        run(bare(), VALUES, controller(), epochs=0)


@pytest.mark.parametrize("rule", ["evidence", "random", "every"])
@pytest.mark.parametrize("survived", [0, 1, 2])
def test_a_killed_run_resumes_to_the_same_bytes(
    tmp_path: Path, rule: str, survived: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    key = jax.random.key(5)
    expected = run(bare(), VALUES, controller(rule), key=key, folder=whole)

    done = 0
    record = Recorder.record

    def dies(self: Recorder, *arguments: object) -> None:
        nonlocal done
        if done == survived:
            self._journal.append('{"half a li')
            raise KeyboardInterrupt
        done += 1
        record(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "record", dies)
        with pytest.raises(KeyboardInterrupt):
            run(bare(), VALUES, controller(rule), key=key, folder=broken)
    resumed = run(bare(), VALUES, controller(rule), key=key, folder=broken)
    assert resumed.network.topology == expected.network.topology
    assert resumed.journal.entries == expected.journal.entries
    np.testing.assert_array_equal(resumed.network.packed.weight, expected.network.packed.weight)
    for name in (*FILES, CHECKPOINT):
        assert (broken / name).read_bytes() == (whole / name).read_bytes(), name


def test_a_settled_run_is_not_run_again(tmp_path: Path) -> None:
    first = run(bare(), VALUES, controller(), folder=tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in (*FILES, CHECKPOINT)}
    again = run(bare(), VALUES, controller(), folder=tmp_path)
    assert again.settled
    assert again.epochs == first.epochs
    assert {name: (tmp_path / name).read_bytes() for name in (*FILES, CHECKPOINT)} == before
    assert again.history.frame().equals(first.history.frame())


def test_the_journal_on_disk_is_the_journal(tmp_path: Path) -> None:
    finished = run(bare(), VALUES, controller(), folder=tmp_path)
    assert Journal.read(tmp_path / JOURNAL).entries == finished.journal.entries


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda data: data.replace(f'"schema": {SCHEMA}'.encode(), b'"schema": 99'), "schema version 99"),
        (lambda data: b"not a checkpoint\n" + data, "is not a checkpoint"),
        (lambda data: data[: len(data) // 2], "damaged"),
    ],
)
def test_spoilt_checkpoints_are_refused(tmp_path: Path, spoil, told: str) -> None:
    run(bare(), VALUES, controller(), epochs=1, folder=tmp_path)
    path = tmp_path / CHECKPOINT
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(RunError, match=told):
        run(bare(), VALUES, controller(), folder=tmp_path)


def test_other_data_are_refused(tmp_path: Path) -> None:
    run(bare(), VALUES, controller(), epochs=1, folder=tmp_path)
    with pytest.raises(RunError, match="other data"):
        run(bare(), VALUES[:-1], controller(), folder=tmp_path)


def test_a_shortened_journal_is_refused(tmp_path: Path) -> None:
    run(bare(), VALUES, controller(), epochs=1, folder=tmp_path)
    journal = tmp_path / JOURNAL
    journal.write_bytes(journal.read_bytes()[:-5])
    with pytest.raises(RunError, match="shorter"):
        run(bare(), VALUES, controller(), folder=tmp_path)


def test_no_edit_within_a_capacity_retraces(monkeypatch: pytest.MonkeyPatch) -> None:
    once = eqx.debug.assert_max_traces(base._epoch.__wrapped__, max_traces=1)
    monkeypatch.setattr(base, "_epoch", eqx.filter_jit(once))
    finished = run(bare(), VALUES, controller(edits_per_epoch=1))
    assert finished.epochs > 6
    random = run(bare(), VALUES, controller("random"), key=jax.random.key(1))
    assert len(random.network.topology.edges) == 12


def test_a_growing_run_compiles_once_per_doubling(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = eqx.debug.assert_max_traces(base._epoch.__wrapped__, max_traces=3)
    monkeypatch.setattr(base, "_epoch", eqx.filter_jit(counted))
    crowded = LaggedNetwork.bare(tuple(f"v{index:02d}" for index in range(8)), 4)
    finished = run(crowded, series(2, 8, 300), Controller(all_rules["random"](parents=20)))
    assert finished.network.packed.capacity.degree == 32
    assert eqx.debug.get_num_traces(counted) == 3


def test_another_key_is_refused(tmp_path: Path) -> None:
    run(bare(), VALUES, controller("random"), epochs=1, key=jax.random.key(1), folder=tmp_path)
    with pytest.raises(RunError, match="another random key"):
        run(bare(), VALUES, controller("random"), key=jax.random.key(2), folder=tmp_path)
