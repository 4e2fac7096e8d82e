"""`ss.discover` as a program that is told what to fit and answers with what it cost; the counterpart of run_peer.py.

    echo '{"input": "one.npz", "max_lag": 3}' | .venv/bin/python experiments/speed/worker.py

The first line it writes says what importing cost. Every answer has the wall seconds of one call on a DataFrame, what
the call compiled, the edges found, and the largest memory the process has had. A fresh worker's first answer is a first
call. With `--search`, lines are searched only and probabilities are not averaged over graphs.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

BACKEND_COMPILE = "/jax/core/compile/backend_compile_duration"
TRACE = "/jax/core/compile/jaxpr_trace_duration"


class CompileCounter:
    """Counts what JAX reports of its own compiling while it is listening."""

    def __init__(self) -> None:
        import jax.monitoring

        self.count: dict[str, int] = {}
        self.seconds: dict[str, float] = {}
        jax.monitoring.register_event_duration_secs_listener(self._record)

    def reset(self) -> None:
        """Forgets everything counted so far."""
        self.count.clear()
        self.seconds.clear()

    def _record(self, event: str, duration_secs: float, **_: str | int) -> None:
        self.count[event] = self.count.get(event, 0) + 1
        self.seconds[event] = self.seconds.get(event, 0.0) + duration_secs


def peak_mib() -> float:
    """The largest resident memory this process has had, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # unlike getrusage, this does not inherit the peak of the program that started us
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024 if sys.platform != "darwin" else peak / 1024**2


def load(path: str) -> pd.DataFrame:
    """The first array [time, node] of an .npz as a DataFrame with columns x0, x1, ..."""
    with np.load(path, allow_pickle=False) as archive:
        array = np.asarray(archive[sorted(archive.files)[0]], dtype=np.float64)
    return pd.DataFrame(array, columns=[f"x{index}" for index in range(array.shape[1])])


def main() -> None:
    start = time.perf_counter()
    import sostruct as ss

    discover = ss.discover  # the package is lazy: this imports what discovery needs
    imported = time.perf_counter() - start
    counter = CompileCounter()
    print(json.dumps({"ready": 1, "import_seconds": imported, "peak_mib": peak_mib()}), flush=True)

    settings = {"functions": "linear", "probabilities": False} if "--search" in sys.argv[1:] else {}
    name, frame = "", pd.DataFrame()
    for line in sys.stdin:
        request = json.loads(line)
        if request["input"] != name:
            name, frame = request["input"], load(request["input"])
        counter.reset()
        start = time.perf_counter()
        found = discover(frame, max_lag=request["max_lag"], **settings)
        edges = len(found.edges)
        seconds = time.perf_counter() - start
        del found  # else the next call would have to live beside it
        answer = {
            "seconds": seconds,
            "peak_mib": peak_mib(),
            "edges": edges,
            "compilations": counter.count.get(BACKEND_COMPILE, 0),
            "compile_seconds": counter.seconds.get(BACKEND_COMPILE, 0.0),
            "traces": counter.count.get(TRACE, 0),
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
