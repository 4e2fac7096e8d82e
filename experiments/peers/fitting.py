"""One fit of a peer, and the seconds that it took: all of `run_peer.py` that a kept fit depends on.

Wall seconds say what a user waits for on the machine as it is; processor seconds are what the same fit takes of an idle
core, whatever else runs, and so the ones to compare when a machine is shared.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

Fit = Callable[[np.ndarray, int], Any]


def load(path: Path) -> dict[str, np.ndarray]:
    """The batch at `path` by name, each [time, node] in float64."""
    if path.suffix == ".csv":
        return {"series": np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)}
    with np.load(path, allow_pickle=False) as archive:
        return {name: np.asarray(archive[name], dtype=np.float64) for name in sorted(archive.files)}


def method(module: str, settings: dict[str, Any]) -> Fit:
    """The `fit` of `methods/<module>.py`, imported."""
    return partial(importlib.import_module(f"methods.{module}").fit, **settings)


def timed(fit: Fit, series: np.ndarray, max_lag: int) -> tuple[Any, float, float]:
    """The outcome of one fit, its wall seconds, and its processor seconds (all threads together)."""
    wall, processor = time.perf_counter(), time.process_time()
    outcome = fit(series, max_lag)
    return outcome, time.perf_counter() - wall, time.process_time() - processor
