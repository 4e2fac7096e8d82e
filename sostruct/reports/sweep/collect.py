"""A sweep folder as tables: one row per job, and the learning curve of each finished job.

Factors are the override keys whose value differs between jobs. One of them, the replicate (seed), numbers repetitions;
every combination of the others is a condition. A sweep need not have finished.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pandas as pd

from sostruct.errors import RunError
from sostruct.graph import Journal
from sostruct.reports.sweep.jobs import Job, Order, Status, is_sweep, natural, read_jobs, read_orders, schema_of
from sostruct.reports.tables import read_file, signal_table

ABSENT: Final = "default"
"""Value of a factor that a job does not override."""

CURVE_COLUMNS: Final = ("job", "epoch", "surprise", "surprise_per_step", "edges", "edits")

_HOW: Final = ("run.", "hydra", "launcher", "report.", "jax.cache")
"""Beginnings of settings of how a sweep is carried out: no factors unless jobs differ in nothing else."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep folder, read.

    Attributes:
        folder: where it is.
        orders: the commands that worked in it.
        jobs: every job, in the order of the sweeps.
        factors: override keys whose values make the conditions, as the jobs name them.
        replicate: the override key that numbers replicates.
        frame: one row per job: job, condition, the factors, the replicate, status, error, then every metric, dotted,
            NaN where the job has not finished.
        curves: one row per finished job and epoch: surprise (nats over the epoch), surprise_per_step (nats per row of
            data; NaN where the number of rows is not recorded), edges of the graph it belongs to, and the number of
            edits accepted after it.
    """

    folder: Path
    orders: tuple[Order, ...]
    jobs: tuple[Job, ...]
    factors: tuple[str, ...]
    replicate: str
    frame: pd.DataFrame
    curves: pd.DataFrame

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every metric that a finished job has."""
        known = {*self.factors, self.replicate, "job", "condition", "status", "error"}
        return tuple(str(column) for column in self.frame.columns if column not in known)

    @property
    def conditions(self) -> tuple[str, ...]:
        """Every condition, in the order of the sweeps."""
        return tuple(dict.fromkeys(self.frame["condition"]))

    def levels(self, condition: str) -> dict[str, str]:
        """The factors of a condition."""
        row = self.frame.loc[self.frame["condition"] == condition].iloc[0]
        return {factor: str(row[factor]) for factor in self.factors}

    def having(self, status: Status) -> tuple[Job, ...]:
        """The jobs of a status."""
        return tuple(job for job in self.jobs if job.status is status)

    @property
    def complete(self) -> bool:
        """Whether every job has finished."""
        return all(job.status is Status.FINISHED for job in self.jobs)


def read_sweep(folder: Path, replicate: str = "seed") -> Sweep:
    """Read a sweep folder.

    Args:
        folder: what `sostruct -m` wrote, e.g. `results/growth_rules/sweep`.
        replicate: the override key that numbers replicates.

    Raises:
        RunError: it is no sweep, its runs are of different schema versions, the replicate key is in no job, two jobs
            are the same, or a file is damaged (the message names it).
    """
    if not is_sweep(folder):
        what = "it holds no runs of a sweep" if folder.is_dir() else "it is not a folder"
        raise RunError(
            f"Cannot report on the sweep {str(folder)!r}. This is because {what}. Try the folder that `sostruct -m` "
            "wrote, e.g. results/NAME/sweep."
        )
    orders = read_orders(folder)
    jobs = read_jobs(folder, orders)
    if not jobs:
        raise RunError(
            f"Cannot report on the sweep {str(folder)!r}. This is because it lists no job. Try sweeping over "
            "something, e.g. seed=0,1."
        )
    _check_schema(folder, jobs)
    if replicate != "seed" and all(replicate not in job.settings for job in jobs):
        keys = dict.fromkeys(key for job in jobs for key in job.settings)
        raise RunError(
            f"Cannot use {replicate!r} as the replicate. This is because no job sets it. Try one of {', '.join(keys)}."
        )
    factors = _factors(jobs, replicate)
    frame = _frame(jobs, factors, replicate)
    curves = [_curve(job) for job in jobs if job.status is Status.FINISHED]
    joined = pd.concat(curves, ignore_index=True) if curves else pd.DataFrame(columns=list(CURVE_COLUMNS))
    return Sweep(folder, orders, jobs, factors, replicate, frame, joined)


def _check_schema(folder: Path, jobs: Iterable[Job]) -> None:
    seen: dict[int, str] = {}
    for job in jobs:
        version = schema_of(job)
        if version is not None:
            seen.setdefault(version, job.name)
    if len(seen) > 1:
        (first, one), (second, other), *_ = sorted(seen.items())
        raise RunError(
            f"Cannot report on the sweep {str(folder)!r}. This is because its runs are of different schema versions: "
            f"{first} ({one}) and {second} ({other}). Try sweeping into another folder with one version of sostruct."
        )


def _factors(jobs: Sequence[Job], replicate: str) -> tuple[str, ...]:
    """Keys whose values differ; those that only say how a sweep is carried out if the others leave jobs alike."""
    keys = [
        key
        for key in dict.fromkeys(key for job in jobs for key in job.settings)
        if key != replicate and len({job.settings.get(key, ABSENT) for job in jobs}) > 1
    ]
    factors = [key for key in keys if not key.startswith(_HOW)]
    names = _alike(jobs, [*factors, replicate])
    if names is not None:
        factors = keys
        names = _alike(jobs, [*factors, replicate])
    if names is not None:
        raise RunError(
            f"Cannot report on the sweep {str(jobs[0].folder.parent)!r}. This is because {names[0]} and {names[1]} are "
            f"the same job: no factor and no {replicate} tells them apart. Try removing one of the two folders."
        )
    return tuple(factors)


def _alike(jobs: Sequence[Job], keys: Sequence[str]) -> tuple[str, str] | None:
    """Two jobs that agree in all these keys."""
    seen: dict[tuple[str, ...], str] = {}
    for job in jobs:
        values = tuple(job.settings.get(key, ABSENT) for key in keys)
        if values in seen:
            return seen[values], job.name
        seen[values] = job.name
    return None


def _frame(jobs: Sequence[Job], factors: Sequence[str], replicate: str) -> pd.DataFrame:
    metrics = dict.fromkeys(name for job in jobs for name in job.metrics)
    rows = []
    for job in jobs:
        levels = {factor: job.settings.get(factor, ABSENT) for factor in factors}
        row: dict[str, object] = {"job": job.name, "condition": condition_name(levels)}
        row |= {**levels, replicate: job.settings.get(replicate, ABSENT)}
        row |= {"status": str(job.status), "error": job.error}
        rows.append(row | {name: job.metrics.get(name) for name in metrics})
    frame = pd.DataFrame(rows).astype(dict.fromkeys(metrics, "float64"))
    order = {name: place for place, name in enumerate(dict.fromkeys(frame["condition"]))}
    sorting = sorted(
        range(len(frame)),
        key=lambda row: (order[frame["condition"].iloc[row]], natural(str(frame[replicate].iloc[row]))),
    )
    return frame.iloc[sorting].reset_index(drop=True)


def condition_name(levels: dict[str, str]) -> str:
    """A condition as it would be typed; "all" where nothing but the replicate differs."""
    return ",".join(f"{factor}={level}" for factor, level in levels.items()) or "all"


def _curve(job: Job) -> pd.DataFrame:
    path = job.folder / "signals.csv"
    totals = read_file(path, signal_table).groupby("epoch", sort=True)["surprise"].sum(min_count=1)
    journal = Journal.read(job.folder / "journal.jsonl")
    epochs = [int(epoch) for epoch in totals.index]
    accepted = pd.Series([entry.epoch for entry in journal.entries if entry.accepted], dtype="int64")
    counts = accepted.value_counts().reindex(epochs, fill_value=0)
    surprise = totals.to_numpy(dtype="float64")
    return pd.DataFrame(
        {
            "job": job.name,
            "epoch": epochs,
            "surprise": surprise,
            "surprise_per_step": surprise / (job.metrics.get("rows") or float("nan")),
            "edges": [len(journal.replay(epoch - 1).edges) for epoch in epochs],
            "edits": counts.to_numpy(dtype="int64"),
        }
    )
