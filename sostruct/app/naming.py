"""Names of run folders: by time for single runs, by their settings for the jobs of a sweep.

A job's folder must be the same whenever the same job is asked for, so that a restarted sweep finds what it has done,
and another for any other settings, so that two sweeps in one folder do not collide.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from datetime import datetime

from omegaconf import OmegaConf

_OUTSIDE = ("run.", "hydra", "launcher", "report.", "jax.cache")
"""Beginnings of the settings that change how a job is carried out and not what it finds."""

_LONGEST = 120


def register_resolvers() -> None:
    """Makes `${run_id:}` and `${job_folder:...}` known to configs."""
    OmegaConf.register_new_resolver("run_id", run_id, use_cache=True, replace=True)
    OmegaConf.register_new_resolver("job_folder", job_folder, replace=True)


def run_id() -> str:
    """The time, and four letters against collisions."""
    return f"{datetime.now():%Y-%m-%d_%H-%M-%S}-{secrets.token_hex(2)}"


def job_folder(overrides: Iterable[str]) -> str:
    """The folder of a job below that of its sweep.

    Args:
        overrides: what was typed and swept over, as `key=value`, in any order.
    """
    wanted = ",".join(sorted(word.lstrip("+") for word in settings_of(overrides))) or "default"
    name = re.sub(r"[^\w=,.+-]", "_", wanted, flags=re.ASCII)
    if name == wanted and len(name) <= _LONGEST and not name.startswith("."):
        return name
    mark = hashlib.sha256(wanted.encode()).hexdigest()[:8]
    return f"{name[:_LONGEST].lstrip('.')}-{mark}"


def settings_of(overrides: Iterable[str]) -> list[str]:
    """Those overrides that change what a job finds, and not only how it is carried out."""
    return [word for word in overrides if not key_of(word).startswith(_OUTSIDE)]


def key_of(override: str) -> str:
    """What stands before the first `=`, without marks."""
    return override.partition("=")[0].lstrip("+~")
