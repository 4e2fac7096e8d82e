"""The `sostruct` command in this process: fast, and every call must leave the process as it found it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
from hydra.core.global_hydra import GlobalHydra

from sostruct import cli

FLAGS = (
    "jax_enable_x64",
    "jax_debug_nans",
    "jax_platforms",
    "jax_compilation_cache_dir",
    "jax_persistent_cache_min_compile_time_secs",
)


@dataclass(frozen=True)
class Finished:
    """What a call of the command left: exit code, and lines on both outputs."""

    code: int
    out: list[str]
    err: list[str]


Command = Callable[..., Finished]


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """An empty folder to work in."""
    place = tmp_path / "workplace"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def sostruct(workplace, monkeypatch, capsys) -> Command:
    """Calls the command with these arguments in the workplace; anything but an exit code is raised."""
    monkeypatch.setenv("HYDRA_FULL_ERROR", "")
    monkeypatch.delenv("HYDRA_FULL_ERROR")

    def call(*arguments: str) -> Finished:
        flags = {flag: getattr(jax.config, flag) for flag in FLAGS}
        monkeypatch.setattr(sys, "argv", ["sostruct", *arguments])
        capsys.readouterr()
        code = 0
        try:
            cli.main()
        except SystemExit as exit_:
            code = exit_.code or 0
        finally:
            for flag, value in flags.items():
                jax.config.update(flag, value)
            assert not GlobalHydra.instance().is_initialized(), "Hydra was not cleared: the next call would fail"
            assert Path.cwd() == workplace
        captured = capsys.readouterr()
        return Finished(code, captured.out.splitlines(), captured.err.splitlines())

    return call


@pytest.fixture
def small(sostruct):
    """A small quick run; further arguments override its settings."""
    cache = os.environ["JAX_COMPILATION_CACHE_DIR"]
    settings = ("task.nodes=5", "task.steps=120", "run.report=false", f"jax.cache={cache}")

    def call(folder: Path | None, *arguments: str, task: str = "var") -> Finished:
        chosen = settings if task == "var" else (f"task={task}", *settings[2:])
        place = () if folder is None else (f"hydra.run.dir={folder}",)
        flags = [argument for argument in arguments if argument.startswith("-")]  # Hydra takes them first
        return sostruct(*flags, *chosen, *place, *(argument for argument in arguments if argument not in flags))

    return call


@pytest.fixture
def series():
    """Sixty rows of five usable columns a, b, c, d, e."""
    values = np.random.default_rng(0).standard_normal((60, 5))
    values[1:, 1] += 0.9 * values[:-1, 0]
    values[2:, 2] -= 0.9 * values[:-2, 1]
    return pd.DataFrame(values, columns=list("abcde"))


@pytest.fixture
def csv(series, workplace):
    """The same as a file in the workplace."""
    path = workplace / "series.csv"
    series.to_csv(path, index=False)
    return path
