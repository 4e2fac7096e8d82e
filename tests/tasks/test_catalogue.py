"""The contract of every task that loads with a seed alone."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import os
import subprocess
import sys

import networkx as nx
import numpy as np
import pandas as pd
import pytest

import sostruct.tasks as tasks
from sostruct.errors import ConfigError
from sostruct.graph import Topology
from sostruct.tasks import AbstractTask, Task, all_tasks, check_frame

from .refusals import refused

BELIEFS = {"structure", "regimes"}
"""Tasks whose truth is a belief graph: the columns are its inputs, and other nodes are hidden."""
GAPPED = {"gaps"}
"""Tasks of which values are missing."""
WITHIN = {"structural_var", "confounded"}
"""Tasks with effects within a step."""
LABELED = {"digits", "xor", "two_spirals"}
"""Tasks whose rows have labels: they are no series."""
RECORDED = {"us_macro", "nile", "sunspots", "oil_price", "exchange_rate"}
SIMULATED = sorted(set(all_tasks) - RECORDED - {"mixture"} - LABELED - BELIEFS)
"""Simulators of lagged systems; those of belief graphs and of mixtures have tests of their own."""


def digest(seed: int) -> str:
    """A fingerprint of every task's numbers, names and truth."""
    content = hashlib.sha256()
    for name in sorted(all_tasks):
        task = all_tasks[name]().load(seed)
        content.update(repr((name, list(task.frame.columns), [str(label) for label in task.frame.index[:3]])).encode())
        content.update(np.ascontiguousarray(task.frame.to_numpy()).tobytes())
        edges = [] if task.truth is None else [repr(edge) for edge in task.truth.edges(keys=True, data=True)]
        content.update("\n".join(edges).encode())
    return content.hexdigest()


@pytest.mark.parametrize("name", sorted(all_tasks))
class TestEveryTask:
    def test_gives_named_series_without_unannounced_gaps_that_pass_the_checks(self, name: str) -> None:
        task = all_tasks[name]().load(3)
        assert isinstance(task, Task)
        assert set(task.frame.dtypes) == {np.dtype(np.float64)}
        assert all(isinstance(column, str) for column in task.frame.columns)
        gaps = name in GAPPED
        assert task.frame.isna().to_numpy().any() == gaps
        assert not np.isinf(task.frame.to_numpy()).any()
        if len(task.frame.columns) > 1 and name not in LABELED:
            checked = check_frame(task.frame, max_lag=5, gaps=gaps)
            pd.testing.assert_frame_equal(checked, task.frame, check_freq=False)

    def test_rows_held_out_have_the_same_columns_and_come_after(self, name: str) -> None:
        task = all_tasks[name]().load(3)
        if task.heldout is not None:
            assert list(task.heldout.columns) == list(task.frame.columns)
            assert np.isfinite(task.heldout.to_numpy()).all()
            assert task.heldout.index[0] > task.frame.index[-1]

    def test_truth_follows_the_schema(self, name: str) -> None:
        task = all_tasks[name]().load(3)
        if task.truth is None:
            return
        assert isinstance(task.truth, nx.MultiDiGraph)
        topology = Topology.from_networkx(task.truth)
        assert len(topology.edges) == task.truth.number_of_edges()
        if name in BELIEFS:
            assert {node for node in topology.names if not topology.children(node)} == set(task.frame.columns)
            assert {edge.lag for edge in topology.edges} == {0}
            assert not task.truth_lags
            return
        assert list(task.truth.nodes) == list(task.frame.columns)
        assert {node.kind for node in topology.nodes} == {"series"}
        for _, _, key, data in task.truth.edges(keys=True, data=True):
            assert key == f"value:{data['lag']}"
            assert data["lag"] >= (0 if name in WITHIN else 1)
        assert any(lag == 0 for _, _, lag in task.truth.edges(data="lag")) == (name in WITHIN)
        assert any(mark != "directed" for _, _, mark in task.truth.edges(data="mark")) == (name == "confounded")
        if not task.truth_lags:
            assert {lag for _, _, lag in task.truth.edges(data="lag")} == {1}

    def test_says_what_it_is(self, name: str) -> None:
        task = all_tasks[name]().load(3)
        assert task.name == name
        assert task.description.endswith(".")
        assert task.provenance.endswith(".")

    def test_is_an_immutable_final_setting(self, name: str) -> None:
        kind = all_tasks[name]
        assert dataclasses.is_dataclass(kind)
        assert getattr(kind, "__final__", False)
        assert kind() == kind()
        assert hash(kind()) == hash(kind())
        for field in dataclasses.fields(kind):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(kind(), field.name, 1)

    def test_leaves_the_global_generator_alone(self, name: str) -> None:
        before = np.random.get_state()[1].copy()  # noqa: NPY002
        all_tasks[name]().load(3)
        np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002

    @pytest.mark.parametrize("seed", [-1, 1.5, True, "0", None])
    def test_refuses_what_is_no_seed(self, name: str, seed: object) -> None:
        with refused(ConfigError, "seed", repr(seed)):
            all_tasks[name]().load(seed)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", SIMULATED)
class TestEverySimulator:
    def test_seeds_give_different_series(self, name: str) -> None:
        one, other = (all_tasks[name]().load(seed).frame for seed in (0, 1))
        assert not np.allclose(one.fillna(0.0), other.fillna(0.0))

    def test_a_longer_series_begins_with_the_shorter_one(self, name: str) -> None:
        short, long = (all_tasks[name](steps=steps).load(7) for steps in (40, 90))  # type: ignore[call-arg]
        # switches come at shares of the length: there it is the first regime of the shorter one that they share
        rows = 20 if name == "switch" else 40
        np.testing.assert_array_equal(short.frame[:rows], long.frame[:rows])
        assert nx.utils.graphs_equal(short.truth, long.truth)

    def test_provenance_rebuilds_the_task(self, name: str) -> None:
        task = all_tasks[name](nodes=8, steps=30).load(5)  # type: ignore[call-arg]
        expression = task.provenance.removeprefix("Simulated by sostruct.tasks.").removesuffix(" with seed 5.")
        kind, _, arguments = expression.rstrip(")").partition("(")
        assert all_tasks[name].__name__ == kind
        assert "nodes=8" in arguments
        assert "steps=30" in arguments

    @pytest.mark.parametrize(
        ("setting", "value"),
        [("nodes", 1), ("nodes", 2.5), ("steps", 0), ("steps", True), ("burn_in", -1), ("noise", float("nan"))],
    )
    def test_refuses_impossible_settings(self, name: str, setting: str, value: object) -> None:
        with refused(ConfigError, setting, repr(value)):
            all_tasks[name](**{setting: value})


def test_equal_in_another_process() -> None:
    code = "from tests.tasks.test_catalogue import digest; import sys; sys.stdout.write(digest(11))"
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "PYTHONPATH": os.pathsep.join(sys.path)}
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    there = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment, cwd=root
    )
    assert there.stdout == digest(11)


def test_every_class_is_abstract_or_final() -> None:
    for name in tasks.__all__:
        kind = getattr(tasks, name)
        if inspect.isclass(kind):
            assert name.startswith("Abstract") == inspect.isabstract(kind), name
            assert name.startswith("Abstract") or getattr(kind, "__final__", False), name
            if issubclass(kind, AbstractTask) and kind is not AbstractTask:
                assert kind.__bases__ == (AbstractTask,)
