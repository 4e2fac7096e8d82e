"""Sweep folders as the command line would leave them, written by hand: no run takes place.

Scores are drawn from (rule, seed), with a part that conditions of a seed share, as jobs on the same data do.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from sostruct.graph import AddEdge, Edge, Entry, Journal, Node, Topology

NAMES = tuple("abcdef")
ROWS = 297
LEVEL = {"evidence": 0.94, "every": 0.86, "random": 0.68, "none": 0.52}
SIZE = {"evidence": 11, "every": 12, "random": 12, "none": 0}
ENVIRONMENT: dict[str, Any] = {
    "schema": 2,
    "started": "2026-01-31T12:00:00+00:00",
    "versions": {"sostruct": "0.1.0", "jax": "0.10.2", "python": "3.11.2"},
    "platform": "Linux-6.1-x86_64",
    "device": "cpu: cpu",
    "threads": 1,
    "commit": "23f8724c0ffee23f8724c0ffee23f8724c0ffee0",
}
PARTS = {
    "evidence": ("trigger.Every", "epochs: 1"),
    "every": ("trigger.Every", "epochs: 2"),
    "random": ("trigger.Every", "epochs: 1"),
    "none": ("trigger.Never", ""),
}


def write_sweep(
    folder: Path,
    factors: Mapping[str, Sequence[str]] | None = None,
    *,
    seeds: Iterable[int] = range(10),
    skip: Iterable[str] = (),
) -> Path:
    """Write a sweep over these factors and seeds; the jobs whose folders are in `skip` are listed and not there."""
    factors = {"growth": tuple(LEVEL)} if factors is None else factors
    folder.mkdir(parents=True, exist_ok=True)
    jobs = []
    for *levels, seed in product(*factors.values(), seeds):
        overrides = [f"{key}={level}" for key, level in zip(factors, levels, strict=True)] + [f"seed={seed}"]
        jobs.append({"folder": ",".join(overrides), "overrides": overrides})
    command = "sostruct -m " + " ".join(f"{key}={','.join(levels)}" for key, levels in factors.items())
    write_order(folder, command, jobs)
    for job in jobs:
        if job["folder"] not in skip:
            write_job(folder / str(job["folder"]), job["overrides"])
    return folder


def write_order(folder: Path, command: str, jobs: Sequence[Mapping[str, Any]]) -> Path:
    """The list of jobs of one sweep command."""
    content = {
        "schema": 1,
        "command": command,
        "commit": ENVIRONMENT["commit"],
        "versions": ENVIRONMENT["versions"],
        "jobs": list(jobs),
    }
    path = folder / f"sweep-{hashlib.sha256(command.encode()).hexdigest()[:8]}.json"
    path.write_text(json.dumps(content))
    return path


def write_job(folder: Path, overrides: Sequence[str], **environment: Any) -> Path:
    """One finished job."""
    settings = dict(override.split("=", 1) for override in overrides)
    rule, seed = settings.get("growth", "evidence"), int(settings.get("seed", 0))
    begin_job(folder, overrides, **environment)
    own = np.random.default_rng([seed, sum(map(ord, rule)), sum(map(ord, settings.get("task", "")))])
    shared = np.random.default_rng(seed).normal(scale=0.03)
    size = max(0, SIZE.get(rule, 8) + int(own.integers(-2, 3))) if rule != "none" else 0
    epochs = write_record(folder, size, per_epoch=3 if rule == "evidence" else 2, start=9.4 + shared, gain=0.06)
    auroc = float(np.clip(LEVEL.get(rule, 0.7) + shared + own.normal(scale=0.02), 0, 1))
    metrics = {
        "series": len(NAMES),
        "rows": ROWS,
        "edges": size,
        "epochs": epochs,
        "edits": size,
        "settled": True,
        "surprise_per_step": 9.4 + shared - 0.06 * size,
        "surprise_per_step_before": 9.4 + shared,
        "summary": {"auroc": auroc, "auprc": auroc**2, "f1": max(0.0, 1.6 * auroc - 0.7), "shd": 14 - size, "edges": 9},
    }
    write_json(folder / "metrics.json", metrics)
    write_json(folder / "done.json", {"schema": ENVIRONMENT["schema"], "settled": True})
    return folder


def begin_job(folder: Path, overrides: Sequence[str], **environment: Any) -> Path:
    """A job that has begun and no more."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = dict(override.split("=", 1) for override in overrides)
    trigger, setting = PARTS.get(settings.get("growth", "evidence"), PARTS["evidence"])
    task = {"lorenz96": "Lorenz96"}.get(settings.get("task", "var"), "SparseVAR")
    write_json(folder / "job.json", {"overrides": list(overrides)})
    about = ENVIRONMENT | {
        "command": f"sostruct {' '.join(overrides)}",
        "seed": int(settings.get("seed", 0)),
        "task": {"name": "var", "provenance": f"Simulated with seed {settings.get('seed', 0)}."},
    }
    write_json(folder / "environment.json", about | environment)
    (folder / "config.yaml").write_text(
        f"seed: {settings.get('seed', 0)}\ntask:\n  _target_: sostruct.tasks.{task}\n  nodes: 6\n"
        "network:\n  ridge: 1.0\n"
        f"growth:\n  _target_: sostruct.growth.rule.GrowthRule\n  trigger:\n    _target_: sostruct.growth.{trigger}\n"
        + (f"    {setting}\n" if setting else "")
    )
    return folder


def fail_job(folder: Path, error: str) -> Path:
    """Turn a job into one that failed."""
    for name in ("done.json", "metrics.json"):
        (folder / name).unlink(missing_ok=True)
    write_json(folder / "failed.json", {"error": error, "traceback": "Traceback ..."})
    return folder


def write_record(folder: Path, size: int, *, per_epoch: int, start: float, gain: float) -> int:
    """Journal and signals of a run that adds `size` edges, some per epoch; gives the number of epochs."""
    pairs = [(a, b) for a in NAMES for b in NAMES if a != b][:size]
    entries = [
        Entry(place // per_epoch, AddEdge(Edge(a, b, lag=1)), 4.0, True, "raises the evidence", b)
        for place, (a, b) in enumerate(pairs)
    ]
    epochs = math.ceil(size / per_epoch) + 1
    refused = Entry(epochs - 1, AddEdge(Edge("f", "e", lag=2)), -1.5, False, "not above 1e-06 nats", "e")
    Journal(Topology(tuple(Node(name, "series") for name in NAMES), ()), [*entries, refused]).write(
        folder / "journal.jsonl"
    )
    lines = ["epoch,node,surprise,expected,reducible"]
    for epoch in range(epochs):
        total = ROWS * (start - gain * min(size, epoch * per_epoch))
        lines += [f"{epoch},{name},{total / len(NAMES)!r},nan,0.0" for name in NAMES]
    (folder / "signals.csv").write_text("\n".join(lines) + "\n")
    return epochs


def write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content))
