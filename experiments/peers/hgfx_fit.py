"""Runs hgfx on one job, as a program of its own in its own environment.

    experiments/peers/.venv_hgfx/bin/python experiments/peers/hgfx_fit.py job.npz answer.json

A job is an .npz with `inputs` and `responses` [subject, time], outcomes and choices 0 or 1, and `repeats`. Subjects are
fitted by hgfx's batch fit of its standard binary filter and unit-square sigmoid at its own priors and starting point.
The answer has wall seconds without imports, `first` and `repeated` calls, and what the last call found by subject:
`log_posterior` (minus its objective), `free` (om2, om3 and log zeta) and `success`.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np


def main() -> None:
    if len(sys.argv) != 3:
        raise SystemExit("usage: hgfx_fit.py job.npz answer.json")
    import hgfx
    from hgfx.gpu.batch_engine import fit_hgf_binary_unitsq_batch

    hgfx.enable_x64()
    with np.load(sys.argv[1], allow_pickle=False) as archive:
        inputs, responses, repeats = archive["inputs"], archive["responses"], int(archive["repeats"])
    seconds = []
    for _ in range(1 + repeats):
        start = time.perf_counter()
        found = fit_hgf_binary_unitsq_batch(list(responses), list(inputs))
        values = [np.asarray(subject.objective_values) for subject in found.subjects]
        seconds.append(time.perf_counter() - start)
    best = [int(np.argmin(own)) for own in values]
    subjects = list(zip(found.subjects, best, strict=True))
    answer = {
        "first": seconds[0],
        "repeated": seconds[1:],
        "log_posterior": [-float(own[at]) for own, at in zip(values, best, strict=True)],
        "free": [np.asarray(subject.free_parameters)[at].tolist() for subject, at in subjects],
        "success": [bool(np.asarray(subject.successes)[at]) for subject, at in subjects],
        "versions": {"python": platform.python_version()}
        | {package: version(package) for package in ("hgfx", "jax", "numpy")},
    }
    Path(sys.argv[2]).write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main()
