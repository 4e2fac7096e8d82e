"""Populations: every member runs as if it were alone, and few programs are compiled for all of them."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
import pytest

from sostruct.control.checkpoint import CHECKPOINT
from sostruct.control.controller import Controller
from sostruct.control.population import Member, run_population
from sostruct.control.recorder import JOURNAL, SIGNALS, Recorder
from sostruct.control.run import Run, run
from sostruct.errors import ConfigError, GraphError, RunError
from sostruct.growth.base import AbstractGrowthRule
from sostruct.growth.catalogue import all_rules
from sostruct.networks import together
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.networks.together import Together
from tests.networks.reference import series

FILES = (JOURNAL, SIGNALS, CHECKPOINT)


def member(
    seed: int = 0,
    folder: Path | None = None,
    *,
    nodes: int = 5,
    steps: int = 200,
    rule: AbstractGrowthRule | str = "evidence",
) -> Member:
    names = tuple(f"x{number}" for number in range(nodes))
    growth = all_rules[rule]() if isinstance(rule, str) else rule
    network = LaggedNetwork.bare(names, 2)
    return Member(network, series(seed, nodes, steps), Controller(growth), jax.random.key(seed), folder)


def alone(one: Member, folder: Path | None = None) -> Run:
    return run(one.network, one.task, one.controller, key=one.key, folder=folder)


def assert_same(found: object, wanted: Run) -> None:
    assert isinstance(found, Run)
    assert found.journal.entries == wanted.journal.entries
    assert found.network.topology == wanted.network.topology
    assert found.history.frame().equals(wanted.history.frame())
    assert (found.epochs, found.settled) == (wanted.epochs, wanted.settled)
    ours, theirs = (jax.tree.leaves((one.network.packed, one.signals)) for one in (found, wanted))
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(mine, other)
        assert mine.dtype == other.dtype


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the compiled calls, as they are made."""
    sizes: list[int] = []
    whole = together._group
    monkeypatch.setattr(together, "_group", lambda members, room: sizes.append(len(members)) or whole(members, room))
    return sizes


@pytest.mark.parametrize("rule", ["evidence", "random", "every"])
def test_every_member_runs_as_if_alone(tmp_path: Path, rule: str, groups: list[int]) -> None:
    members = [member(seed, tmp_path / f"member{seed}", rule=rule) for seed in range(5)]
    for seed, found in enumerate(run_population(members)):
        assert_same(found, alone(members[seed], tmp_path / f"alone{seed}"))
        assert contents(tmp_path / f"member{seed}") == contents(tmp_path / f"alone{seed}")
    assert groups[0] == 5


def test_seeds_give_different_graphs() -> None:
    first, second = run_population([member(0), member(1)])
    assert isinstance(first, Run)
    assert isinstance(second, Run)
    assert first.network.topology != second.network.topology


def test_the_same_data_with_different_keys_are_drawn_differently() -> None:
    members = [member(3, rule="random"), member(3, rule="random")]
    members[1] = Member(members[1].network, members[1].task, members[1].controller, jax.random.key(99))
    first, second = run_population(members)
    assert_same(first, alone(members[0]))
    assert_same(second, alone(members[1]))
    assert isinstance(first, Run)
    assert isinstance(second, Run)
    assert first.network.topology != second.network.topology


def test_members_of_different_shapes_form_groups(groups: list[int]) -> None:
    members = [
        member(0),
        member(1, steps=150),  # another length has statistics of the same shape
        member(2, nodes=3),
        member(3, nodes=3, rule="every"),
        member(4, nodes=4),
    ]
    found = run_population(members)
    assert groups[:2] == [2, 2]
    for one, own in zip(found, members, strict=True):
        assert_same(one, alone(own))


def test_a_member_that_outgrows_its_group_joins_another(groups: list[int]) -> None:
    crowded = [all_rules["random"](parents=parents) for parents in (2, 9, 9, 9)]
    members = [member(seed, nodes=6, rule=rule) for seed, rule in enumerate(crowded)]
    found = run_population(members)
    assert [one.network.packed.capacity.degree for one in found if isinstance(one, Run)] == [8, 16, 16, 16]
    assert groups[0] == 4
    assert groups[-1] == 3
    for one, own in zip(found, members, strict=True):
        assert_same(one, alone(own))


class _Stumbling(AbstractGrowthRule):
    """Grows by evidence, and is refused once the graph has an edge."""

    rule = all_rules["evidence"]()

    def init(self, network: Any) -> Any:
        return self.rule.init(network)

    def propose(self, network: Any, signals: Any, state: Any, **named: Any) -> Any:
        if network.topology.edges:
            raise GraphError("Cannot go on. This is because the test says so. Try another test.")
        return self.rule.propose(network, signals, state, **named)

    def waiting(self, state: Any) -> bool:
        return self.rule.waiting(state)


def test_one_that_fails_is_recorded_and_the_others_go_on(tmp_path: Path) -> None:
    members = [member(0), member(1, tmp_path, rule=_Stumbling()), member(2)]
    first, second, third = run_population(members)
    assert isinstance(second, GraphError)
    assert_same(first, alone(members[0]))
    assert_same(third, alone(members[2]))
    assert (tmp_path / CHECKPOINT).exists(), "its epochs before the failure stay"


def test_one_whose_folder_is_another_run_s_is_refused(tmp_path: Path) -> None:
    alone(member(7), tmp_path)
    before = contents(tmp_path)
    refused, fine = run_population([member(1, tmp_path), member(2)])
    assert isinstance(refused, RunError)
    assert "other data" in str(refused)
    assert isinstance(fine, Run)
    assert contents(tmp_path) == before


def test_a_refused_epoch_ends_its_member_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    members = [member(seed) for seed in range(3)]
    cursed = float(members[1].network.prepare(members[1].task).gram[0, 1])
    whole = Together.epochs

    def refusing(self: Together, networks: Sequence[Any], datas: Sequence[Any], keys: Sequence[Any]) -> Any:
        if any(float(data.gram[0, 1]) == cursed for data in datas):
            raise GraphError("Cannot go on. This is because the test says so. Try another test.")
        return whole(self, networks, datas, keys)

    monkeypatch.setattr(Together, "epochs", refusing)
    first, second, third = run_population(members)
    assert isinstance(second, GraphError)
    assert_same(first, alone(members[0]))
    assert_same(third, alone(members[2]))


def test_a_full_disk_ends_its_member_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = Recorder.record

    def full(self: Recorder, *arguments: Any) -> None:
        if self.folder.name == "full":
            raise OSError(28, "No space left on device")
        record(self, *arguments)

    monkeypatch.setattr(Recorder, "record", full)
    failed, fine = run_population([member(0, tmp_path / "full"), member(1, tmp_path / "fine")])
    assert isinstance(failed, RunError)
    assert "No space left" in str(failed)
    assert str(tmp_path / "full") in str(failed)
    assert isinstance(fine, Run)


def test_defects_are_not_hidden() -> None:
    def broken(place: int, report: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_population([member(0), member(1)], on_epoch=broken)


@pytest.mark.parametrize("rule", ["evidence", "random"])
@pytest.mark.parametrize("survived", [1, 5, 8])
def test_a_killed_population_resumes_to_the_same_bytes(tmp_path: Path, rule: str, survived: int) -> None:
    def members(where: str) -> list[Member]:
        return [member(seed, tmp_path / where / str(seed), rule=rule) for seed in range(3)]

    told = 0

    def dies(place: int, report: object) -> None:
        nonlocal told
        told += 1
        if told == survived:
            raise KeyboardInterrupt

    expected = run_population(members("whole"))
    with pytest.raises(KeyboardInterrupt):
        run_population(members("broken"), on_epoch=dies)
    with (tmp_path / "broken" / "0" / JOURNAL).open("ab") as journal:
        journal.write(b'{"half a li')
    for found, wanted in zip(run_population(members("broken")), expected, strict=True):
        assert isinstance(found, Run)
        assert isinstance(wanted, Run)
        assert found.journal.entries == wanted.journal.entries
    for seed in range(3):
        assert contents(tmp_path / "broken" / str(seed)) == contents(tmp_path / "whole" / str(seed))


def test_a_finished_population_is_not_run_again(tmp_path: Path) -> None:
    members = [member(seed, tmp_path / str(seed)) for seed in range(2)]
    run_population(members)
    again: list[int] = []
    found = run_population(members, on_epoch=lambda place, report: again.append(place))
    assert again == []
    assert all(isinstance(one, Run) and one.settled and one.signals is None for one in found)


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], int]]:
    """How many compiled epochs of several members have been traced so far."""
    counted = eqx.debug.assert_max_traces(together._epochs.__wrapped__, max_traces=None)
    monkeypatch.setattr(together, "_epochs", eqx.filter_jit(counted))
    return lambda: eqx.debug.get_num_traces(counted)


def test_no_edit_within_a_capacity_retraces(traces: Callable[[], int]) -> None:
    same_end = [member(seed, rule=all_rules["random"]()) for seed in range(5)]
    found = run_population(same_end)
    assert all(isinstance(one, Run) and one.epochs > 2 for one in found)
    assert traces() == 1
    run_population([member(seed, steps=120, rule="random") for seed in range(8)])
    assert traces() == 1, "five members and eight run in a program for eight"


def test_members_that_finish_compile_nothing(groups: list[int], traces: Callable[[], int]) -> None:
    found = run_population([member(seed, steps=100 + 40 * seed) for seed in range(7)])
    assert len({one.epochs for one in found if isinstance(one, Run)}) > 2, "they must finish at different rounds"
    assert groups[0] == 7
    assert groups[-1] <= 4, "half of them by themselves would need half the room"
    assert traces() == 1


def test_growing_members_compile_once_per_doubling(traces: Callable[[], int]) -> None:
    rule = all_rules["random"](parents=20)
    found = run_population([member(seed, nodes=12, rule=rule) for seed in range(2)])
    assert [one.network.packed.capacity.degree for one in found if isinstance(one, Run)] == [32, 32]
    assert traces() == 3


def test_epochs_are_told_with_their_member() -> None:
    told: list[tuple[int, int]] = []
    found = run_population([member(0), member(1)], on_epoch=lambda place, report: told.append((place, report.epoch)))
    for place, one in enumerate(found):
        assert isinstance(one, Run)
        assert [epoch for own, epoch in told if own == place] == list(range(one.epochs))


def test_a_population_that_is_cut_short_says_so() -> None:
    assert [one.settled for one in run_population([member(0), member(1)], epochs=1) if isinstance(one, Run)] == [
        False,
        False,
    ]


def test_what_cannot_be_a_population_is_refused(tmp_path: Path) -> None:
    assert run_population([]) == []
    with pytest.raises(ConfigError, match="0 epochs"):
        run_population([member(0)], epochs=0)
    with pytest.raises(ConfigError, match="2 members"):
        run_population([member(0, tmp_path / "one"), member(1, tmp_path / "two" / ".." / "one")])
    assert not any(tmp_path.iterdir())
