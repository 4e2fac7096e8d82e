"""The folders of a sweep, one by one: what each job was asked to do and what became of it."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from sostruct.errors import RunError
from sostruct.reports.facts import flat
from sostruct.reports.tables import json_object, read_file

JOB: Final = "job.json"
FAILED: Final = "failed.json"
DONE: Final = "done.json"
ENVIRONMENT: Final = "environment.json"
CONFIG: Final = "config.yaml"
PAGE: Final = "report.html"


class Status(StrEnum):
    """What became of a job."""

    FINISHED = "finished"
    FAILED = "failed"
    UNFINISHED = "unfinished"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Order:
    """One sweep command: the file `sweep-*.json`.

    Attributes:
        command: the command line.
        commit: of the checkout it ran from; None outside one.
        versions: of packages, by name.
        jobs: folder -> overrides, in the order of the sweep.
    """

    command: str
    commit: str | None
    versions: Mapping[str, Any]
    jobs: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Job:
    """One job of a sweep.

    Attributes:
        name: its folder's name in the sweep.
        folder: its folder.
        settings: override key -> value, both as typed.
        status: what became of it. An unfinished job is running, or was interrupted.
        error: what a failed job died of, in one line; else empty.
        environment: environment.json; empty if the job has not begun.
        metrics: finished jobs only: metrics.json, dotted; numbers and truth values (1 or 0), NaN for null.
        has_page: whether it has a report of its own.
    """

    name: str
    folder: Path
    settings: Mapping[str, str]
    status: Status
    error: str
    environment: Mapping[str, Any]
    metrics: Mapping[str, float]
    has_page: bool


def is_sweep(folder: Path) -> bool:
    """Whether a folder is that of a sweep: it holds a sweep's list of jobs, or folders of jobs."""
    if not folder.is_dir():
        return False
    return any(folder.glob("sweep-*.json")) or any(folder.glob(f"*/{JOB}"))


def is_run(folder: Path) -> bool:
    """Whether a folder is that of a single run, finished or not."""
    return (folder / CONFIG).is_file() or (folder / ENVIRONMENT).is_file()


def read_orders(folder: Path) -> tuple[Order, ...]:
    """Every sweep command that worked in a folder, in the order of their files' names.

    Raises:
        RunError: a list of jobs is damaged; the message names it.
    """
    return tuple(read_file(path, _order) for path in sorted(folder.glob("sweep-*.json")))


def _order(path: Path) -> Order:
    content = json_object(path)
    listed = content.get("jobs")
    if not isinstance(listed, list) or not all(isinstance(job, dict) and "folder" in job for job in listed):
        raise ValueError("it does not list its jobs")
    versions, commit = content.get("versions"), content.get("commit")
    return Order(
        command=str(content.get("command") or ""),
        commit=commit if isinstance(commit, str) else None,
        versions=versions if isinstance(versions, dict) else {},
        jobs={str(job["folder"]): _overrides(job) for job in listed},
    )


def _overrides(content: Mapping[str, Any]) -> tuple[str, ...]:
    given = content.get("overrides")
    if not isinstance(given, list) or not all(isinstance(override, str) for override in given):
        raise ValueError("its overrides are no list of strings")
    return tuple(given)


def read_jobs(folder: Path, orders: tuple[Order, ...]) -> tuple[Job, ...]:
    """Every job of a folder: those that its sweeps list, in their order, then folders that no list names.

    Raises:
        RunError: a file of a job is damaged, or finished without it; the message names it.
    """
    listed: dict[str, tuple[str, ...]] = {}
    for order in orders:
        for name, overrides in order.jobs.items():
            listed.setdefault(name, overrides)
    for path in sorted(folder.glob(f"*/{JOB}")):
        if path.parent.name not in listed:
            listed[path.parent.name] = read_file(path, lambda file: _overrides(json_object(file)))
    return tuple(_job(folder / name, name, overrides) for name, overrides in listed.items())


def _job(folder: Path, name: str, overrides: tuple[str, ...]) -> Job:
    status = job_status(folder)
    begun = (folder / ENVIRONMENT).is_file()
    if status is Status.FINISHED and not begun:
        raise RunError(
            f"Cannot read the run {str(folder)!r}. This is because it is finished and lacks {ENVIRONMENT}. Try "
            f"removing its {DONE} and sweeping again."
        )
    return Job(
        name=name,
        folder=folder,
        settings=dict(split_override(override) for override in overrides),
        status=status,
        error=_error(folder / FAILED) if status is Status.FAILED else "",
        environment=read_file(folder / ENVIRONMENT, json_object) if begun else {},
        metrics=read_file(folder / "metrics.json", _metrics) if status is Status.FINISHED else {},
        has_page=(folder / PAGE).is_file(),
    )


def job_status(folder: Path) -> Status:
    """What became of the job of a folder, by the files that are there."""
    for name, status in ((DONE, Status.FINISHED), (FAILED, Status.FAILED), (CONFIG, Status.UNFINISHED)):
        if (folder / name).is_file():
            return status
    return Status.MISSING


def split_override(override: str) -> tuple[str, str]:
    """Key and value of an override as Hydra takes it: marks before the key and quotes around the value go."""
    key, _, value = override.partition("=")
    value = value.strip()
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    return key.strip().lstrip("+~"), value


def _error(path: Path) -> str:
    """The error of a failed job; empty if it has been begun again since."""
    if not path.is_file():
        return ""
    content = read_file(path, json_object)
    return " ".join(str(content.get("error") or "no reason recorded").split())


def _metrics(path: Path) -> dict[str, float]:
    numbers = {}
    for name, value in flat(json_object(path)):
        if value is None:
            numbers[name] = math.nan
        elif isinstance(value, int | float):
            numbers[name] = float(value)
    return numbers


def schema_of(job: Job) -> int | None:
    """The schema version a job was written with; None if it has not begun or does not say."""
    done = job.folder / DONE
    stated = read_file(done, json_object).get("schema") if job.status is Status.FINISHED else None
    version = job.environment.get("schema") if stated is None else stated
    return version if isinstance(version, int) else None


def natural(value: str) -> tuple[tuple[int, float, str], ...]:
    """A key that sorts texts with the numbers in them as numbers: "seed 9" before "seed 10"."""
    parts = re.split(r"(\d+(?:\.\d+)?)", value)
    return tuple((0, float(part), "") if place % 2 else (1, 0.0, part) for place, part in enumerate(parts) if part)


def command_of(job: Job) -> str | None:
    """The command line that repeats one job alone; None if it has not begun or was started from Python."""
    given = job.environment.get("command")
    return given if isinstance(given, str) and given else None


def provenance_groups(jobs: tuple[Job, ...]) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """What finished jobs ran on (versions, commit, device, threads), each with the names of the jobs it holds for."""
    groups: dict[str, tuple[dict[str, Any], list[str]]] = {}
    for job in jobs:
        if job.status is Status.FINISHED:
            about = {key: job.environment.get(key) for key in ("versions", "commit", "platform", "device", "threads")}
            groups.setdefault(json.dumps(about, sort_keys=True, default=str), (about, []))[1].append(job.name)
    yield from groups.values()
