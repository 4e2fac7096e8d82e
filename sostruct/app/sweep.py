"""A sweep before it starts: which jobs it has, where they go, and whether every one of them can be composed.

Hydra expands a sweep, launches its jobs and knows nothing else about it. So that bad settings are refused before any
work, that a restart knows what is missing, and that seeds can run together, the same expansion is done here first and
written down in the sweep's folder.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig

from sostruct.app.foreign import composed
from sostruct.app.naming import job_folder, key_of, settings_of
from sostruct.errors import ConfigError
from sostruct.reports.sweep.options import SweepOptions

PLAN = "sweep-{}.json"
_INSPECTED = 100
"""Most combinations of choices that are composed before a sweep starts."""


@dataclass(frozen=True)
class Sweep:
    """A sweep that can start.

    Attributes:
        folder: where its jobs' folders are.
        jobs: the overrides of every job.
        names: the folder of every job, below `folder`.
        arguments: what Hydra is given: the command line, with jobs that run together made one.
        plan: the sweep's own file.
        report: what its report compares; None for no report.
        progress: whether to show how far it is.
    """

    folder: Path
    jobs: tuple[tuple[str, ...], ...]
    names: tuple[str, ...]
    arguments: tuple[str, ...]
    plan: Path
    report: SweepOptions | None
    progress: bool


def prepared(arguments: Sequence[str], configs: str) -> Sweep | None:
    """The sweep a command line asks for, or None where it asks for something else.

    Args:
        arguments: the command line after the program's name.
        configs: the folder of the shipped configs.

    Raises:
        ConfigError: it has no job, or a population that is no number of runs.
        HydraException: a job's settings do not compose.
    """
    given = get_args_parser().parse_args(list(arguments))
    asks = given.help or given.hydra_help or given.cfg or given.info or given.shell_completion
    if not given.multirun or asks or any(key_of(word) == "hydra/sweeper" for word in given.overrides):
        return None
    overrides = OverridesParser.create().parse_overrides(given.overrides)
    if any(one.key_or_group == "hydra.sweep.subdir" for one in overrides):
        raise ConfigError(
            "Cannot set hydra.sweep.subdir. This is because the jobs of a sweep have folders named by their settings, "
            "so that it can be continued. Try hydra.sweep.dir=DIR for the folder of the whole sweep."
        )
    jobs = _expanded(overrides)
    if not jobs:
        empty = next(one for one in overrides if one.is_sweep_override() and not _expanded([one]))
        raise ConfigError(
            f"Cannot sweep over nothing. This is because {empty.input_line} names no value. Try `{empty.key_or_group}="
            "range(0,10)` or a list such as `0,1,2`."
        )
    fixed = [str(one.input_line) for one in overrides if not one.is_sweep_override()]
    root = composed(given, fixed, configs)
    for job in _representatives(jobs, overrides):
        composed(given, job, configs)
    folder = Path(root.hydra.sweep.dir)
    names = tuple(map(job_folder, jobs))
    words = sorted(set(names))
    plan = folder / PLAN.format(hashlib.sha256(json.dumps(words).encode()).hexdigest()[:8])
    shown = root.report
    metrics = None if shown.metrics is None else tuple(shown.metrics)
    report = SweepOptions(metrics, shown.baseline, shown.replicate, shown.confidence)
    chosen = report if shown.at_end else None
    together, batches = _together(given, overrides, plan, root)
    content = {
        "command": shlex.join(["sostruct", *arguments]),
        "jobs": [{"folder": name, "overrides": settings_of(job)} for name, job in zip(names, jobs, strict=True)],
        "batches": batches,
    }
    _write(plan, content)
    return Sweep(folder, tuple(map(tuple, jobs)), names, tuple(together or arguments), plan, chosen, root.run.progress)


def members(plan: Path, batch: int) -> list[list[str]]:
    """The overrides of the runs that make up a batch."""
    found: list[list[str]] = json.loads(plan.read_text("utf-8"))["batches"][batch]
    return found


def _expanded(overrides: list[Override]) -> list[list[str]]:
    """Every combination, as Hydra's own sweeper makes them."""
    if not all(one.is_discrete_sweep() for one in overrides if one.is_sweep_override()):
        return [[str(one.input_line) for one in overrides]]  # refused by the sweeper in its own words
    chunks: list[list[list[str]]] = BasicSweeper.split_arguments(overrides, max_batch_size=None)
    return [job for chunk in chunks for job in chunk]


def _representatives(jobs: list[list[str]], overrides: list[Override]) -> list[list[str]]:
    """One job for every combination of choices that are not numbers."""
    numeric = {one.get_key_element() for one in overrides if _numeric(one)}
    seen: dict[tuple[str, ...], list[str]] = {}
    for job in jobs:
        seen.setdefault(tuple(word for word in job if word.partition("=")[0] not in numeric), job)
    return list(seen.values())[:_INSPECTED]


def _numeric(override: Override) -> bool:
    """Whether it sweeps over numbers."""
    if not override.is_sweep_override() or not override.is_discrete_sweep():
        return False
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in override.sweep_iterator())


def _together(
    given: Any, overrides: list[Override], plan: Path, root: DictConfig
) -> tuple[list[str], list[list[list[str]]]]:
    """The command line with runs that go together made one job, and which runs each such job has."""
    size = root.run.population
    if size is None:
        return [], []
    numeric = [one for one in overrides if _numeric(one)]
    if size < 1 or not numeric:
        raise ConfigError(
            f"Cannot run populations of {size}. This is because "
            + (
                "it is a number of runs. Try run.population=32."
                if size < 1
                else "nothing numeric is swept over: seeds and numbers are what runs together. Try seed=range(0,32)."
            )
        )
    runs = _expanded(numeric)
    batches = [runs[first : first + size] for first in range(0, len(runs), size)]
    rest = [str(one.input_line) for one in overrides if one not in numeric]
    words = [*rest, f"run.plan={plan.absolute()}", f"run.batch={','.join(map(str, range(len(batches))))}"]
    if len(batches) * len(_expanded([one for one in overrides if one not in numeric])) == 1 and not any(
        key_of(word) == "launcher" for word in rest
    ):
        words.append("launcher=basic")  # a process for one job alone would only take time to start
    flags = ["--multirun"]
    for name in ("config_dir", "config_name", "config_path"):
        if value := getattr(given, name):
            flags += [f"--{name.replace('_', '-')}", value]
    return [*flags, *words], batches


def _write(plan: Path, content: dict[str, Any]) -> None:
    from sostruct.app.environment import commit, package_versions
    from sostruct.graph import write_atomically
    from sostruct.graph.files import SCHEMA

    plan.parent.mkdir(parents=True, exist_ok=True)
    about = {"schema": SCHEMA, **content, "commit": commit(), "versions": package_versions()}
    write_atomically(plan, json.dumps(about, indent=2) + "\n")
