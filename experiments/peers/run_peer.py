"""Runs one peer on a batch of series, as a program of its own in its own environment.

    experiments/peers/.venv/bin/python experiments/peers/run_peer.py pcmci --input in.npz --output out.npz --max-lag 3

The input is an .npz of arrays [time, node], fitted in the order of their names, or one .csv with a header row. The
output .npz holds, per series, what `methods/outcome.py` describes (`<series>/edges/<reading>` and so on), the wall
seconds of every fit without imports (`<series>/seconds`; the first series' is a first call), `repeat_seconds` of
`--repeat` more fits of the first series, and `about`, a JSON text with versions.

`--serve` takes its orders from standard input, one fit per line, so that another program can interleave several methods
fairly: `{"input": "one.npz", "max_lag": 3}` is answered with `{"seconds": ..., "peak_mib": ...}`.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import platform
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "var_ftest": ("var_ftest", {}),
    "var_ftest_statsmodels": ("var_ftest_statsmodels", {}),
    "lasso_cv": ("lasso_cv", {}),
    "lasso_cv_blocked": ("lasso_cv", {"blocked": True}),
    "varlingam": ("varlingam", {}),
    "varlingam_all_lags": ("varlingam", {"all_lags": True}),
    "varlingam_unpruned": ("varlingam", {"all_lags": True, "prune": False}),
    "pcmci": ("pcmci", {}),
    "pcmci_05": ("pcmci", {"pc_alpha": 0.05}),
    "pcmci_auto": ("pcmci", {"pc_alpha": None}),
}
"""Method name -> file in methods/ and its settings; a bare name is the package's default."""

PACKAGES = ("lingam", "numpy", "pandas", "scikit-learn", "scipy", "statsmodels", "tigramite")


def load(path: Path) -> dict[str, np.ndarray]:
    """The batch at `path` by name, each [time, node] in float64."""
    if path.suffix == ".csv":
        return {"series": np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)}
    with np.load(path, allow_pickle=False) as archive:
        return {name: np.asarray(archive[name], dtype=np.float64) for name in sorted(archive.files)}


def method(name: str) -> Callable[[np.ndarray, int], Any]:
    """The `fit` of a method, imported."""
    module, settings = METHODS[name]
    return partial(importlib.import_module(f"methods.{module}").fit, **settings)


def timed(fit: Callable[[np.ndarray, int], Any], series: np.ndarray, max_lag: int) -> tuple[Any, float]:
    """The outcome of one fit and its wall seconds."""
    start = time.perf_counter()
    outcome = fit(series, max_lag)
    return outcome, time.perf_counter() - start


def peak_mib() -> float:
    """The largest resident memory this process has had, in MiB (nan where the system does not say)."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), float("nan"))


def serve(fit: Callable[[np.ndarray, int], Any]) -> None:
    """Answers every line `{"input": path, "max_lag": L}` on standard input with the seconds of one more fit."""
    print(json.dumps({"ready": 1}), flush=True)
    loaded: dict[str, np.ndarray] = {}
    for line in sys.stdin:
        request = json.loads(line)
        source = request["input"]
        if source not in loaded:
            loaded = {source: next(iter(load(Path(source)).values()))}
        seconds = timed(fit, loaded[source], request["max_lag"])[1]
        print(json.dumps({"seconds": seconds, "peak_mib": peak_mib()}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("method", choices=sorted(METHODS))
    parser.add_argument("--input", type=Path)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--max-lag", type=int)
    parser.add_argument("--repeat", type=int, default=0, help="more fits of the first series, for timing")
    parser.add_argument("--serve", action="store_true", help="time one fit per order on standard input")
    arguments = parser.parse_args()

    warnings.filterwarnings("ignore")  # convergence notes of the packages, one per target
    fit = method(arguments.method)
    if arguments.serve:
        serve(fit)
        return
    if None in (arguments.input, arguments.output, arguments.max_lag):
        parser.error("--input, --output and --max-lag are required without --serve")
    batch = load(arguments.input)

    arrays: dict[str, np.ndarray] = {}
    for name, series in batch.items():
        outcome, seconds = timed(fit, series, arguments.max_lag)
        arrays |= {f"{name}/{key}": array for key, array in outcome.flat().items()}
        arrays[f"{name}/seconds"] = np.asarray(seconds)
    first = next(iter(batch.values()))
    arrays["repeat_seconds"] = np.array([timed(fit, first, arguments.max_lag)[1] for _ in range(arguments.repeat)])
    about = {"method": arguments.method, "python": platform.python_version()}
    about |= {package: importlib.metadata.version(package) for package in PACKAGES}
    arrays["about"] = np.asarray(json.dumps(about))
    np.savez_compressed(arguments.output, **arrays)


if __name__ == "__main__":
    main()
