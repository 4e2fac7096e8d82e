"""Runs one peer on a batch of series, as a program of its own in its own environment.

    experiments/peers/.venv/bin/python experiments/peers/run_peer.py pcmci --input in.npz --output out.npz --max-lag 3

`catalogue.py` names the methods and the environment of each.

The input is an .npz of arrays [time, node], fitted in the order of their names, or one .csv with a header row. The
output .npz holds, per series, what `methods/outcome.py` describes (`<series>/edges/<reading>` and so on), the wall
and processor seconds of every fit without imports (`<series>/seconds`, `<series>/processor_seconds`; the first series'
is a first call), `repeat_seconds` of `--repeat` more fits of the first series, and `about`, a JSON text with versions.

`--serve` takes its orders from standard input, one fit per line, so that another program can interleave several methods
fairly: `{"input": "one.npz", "max_lag": 3}` is answered with `{"seconds": ..., "peak_mib": ...}`.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import sys
import warnings
from pathlib import Path

import numpy as np
from catalogue import METHODS
from fitting import Fit, load, method, timed


def peak_mib() -> float:
    """The largest resident memory this process has had, in MiB (nan where the system does not say)."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), float("nan"))


def serve(fit: Fit) -> None:
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
    chosen = METHODS[arguments.method]
    fit = method(chosen.module, chosen.settings)
    if arguments.serve:
        serve(fit)
        return
    if None in (arguments.input, arguments.output, arguments.max_lag):
        parser.error("--input, --output and --max-lag are required without --serve")
    batch = load(arguments.input)

    arrays: dict[str, np.ndarray] = {}
    for name, series in batch.items():
        outcome, seconds, processor_seconds = timed(fit, series, arguments.max_lag)
        arrays |= {f"{name}/{key}": array for key, array in outcome.flat().items()}
        arrays[f"{name}/seconds"] = np.asarray(seconds)
        arrays[f"{name}/processor_seconds"] = np.asarray(processor_seconds)
    first = next(iter(batch.values()))
    arrays["repeat_seconds"] = np.array([timed(fit, first, arguments.max_lag)[1] for _ in range(arguments.repeat)])
    about = {"method": arguments.method, "python": platform.python_version()}
    about |= {package: importlib.metadata.version(package) for package in chosen.environment.packages}
    arrays["about"] = np.asarray(json.dumps(about))
    np.savez_compressed(arguments.output, **arrays)


if __name__ == "__main__":
    main()
