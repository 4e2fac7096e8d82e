"""Where and with what a run was made: environment.json.

Everything that may change a number's last digits and nothing that is a result: versions, device, threads, commit,
command.
"""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sostruct.errors import ConfigError

_PACKAGES = ("sostruct", "jax", "jaxlib", "equinox", "numpy", "networkx", "pandas", "hydra-core", "matplotlib")


def describe_environment(schema: int, seed: int, overrides: Sequence[str], task: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON-ready description.

    Args:
        schema: version of the run folder's files.
        seed: the run's seed.
        overrides: what was typed after `sostruct`.
        task: name, description and provenance of the data.
    """
    import jax

    device = jax.devices()[0]
    return {
        "schema": schema,
        "command": shlex.join(["sostruct", *overrides]),
        "seed": seed,
        "task": dict(task),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": package_versions(),
        "platform": platform.platform(),
        "device": f"{device.platform}: {device.device_kind}",
        "threads": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "commit": commit(),
    }


def package_versions() -> dict[str, str | None]:
    """Versions of what numbers depend on."""
    return {name: _version(name) for name in _PACKAGES} | {"python": platform.python_version()}


def limit_threads(threads: int, job: int = 0) -> None:
    """Confines this process to `threads` processors, before any library starts its pools.

    Args:
        threads: how many.
        job: number of the job in its sweep: neighbouring jobs get different processors.

    Raises:
        ConfigError: the number is not positive, exceeds what is there, or the platform cannot do it.
    """
    if not hasattr(os, "sched_setaffinity"):
        raise ConfigError(
            "Cannot set run.threads. This is because this platform does not let a process choose its processors. Try "
            "leaving it out."
        )
    available = _processors()
    if not 1 <= threads <= len(available):
        raise ConfigError(
            f"Cannot run on {threads} threads. This is because this machine offers 1 to {len(available)}. Try "
            "run.threads=1."
        )
    os.sched_setaffinity(0, {available[(job * threads + number) % len(available)] for number in range(threads)})


@cache
def _processors() -> list[int]:
    """What this process might use when it was first asked: a launcher's processes run one job after another."""
    return sorted(os.sched_getaffinity(0))


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def commit() -> str | None:
    """The commit of the checkout this package runs from, "+" appended when files differ from it; None outside one."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(here), *arguments], capture_output=True, text=True, timeout=10, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    if git("ls-files", "--error-unmatch", str(here / "environment.py")) is None:
        return None
    head, changes = git("rev-parse", "HEAD"), git("status", "--porcelain", "--untracked-files=no")
    return None if head is None else head + ("+" if changes else "")
