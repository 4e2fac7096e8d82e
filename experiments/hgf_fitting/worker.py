"""Our side of the race, in a process of its own: the model, priors and data that hgfx is given.

    .venv/bin/python -m experiments.hgf_fitting.worker job.npz answer.json

Job and answer as in `experiments/peers/hgfx_fit.py`; `starts` is how many starts a fit has. JAX's compilation cache on
disk is off.
"""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path

import numpy as np

import sostruct as ss

ss.native_loops()

import sostruct.networks.hgf.inference.estimate  # noqa: E402 (imports are nobody's first call)

PRIORS = {
    "x2": {"tonic_volatility": ss.priors.Normal(-3.0, 4.0)},
    "x3": {"tonic_volatility": ss.priors.Normal(-6.0, 4.0)},
}
"""hgfx's defaults: variances of 16; zeta is log-normal around 48."""


def network() -> ss.HGF:
    """hgfx's default perceptual model: the standard three-level binary filter, sigma_0 .1 and 1, mu_3 1, kappa 1."""
    graph = ss.binary_hgf(levels=3, mu_0=(0.0, 1.0), sigma_0=(0.1, 1.0), kappa=1.0, omega=(-3.0, -6.0))
    return ss.HGF(graph, update="standard")


def response() -> ss.responses.AbstractResponse:
    """hgfx's default observation model."""
    return ss.responses.UnitSquareSigmoid("u", ss.priors.LogNormal(math.log(48.0), 1.0))


def main() -> None:
    with np.load(sys.argv[1], allow_pickle=False) as archive:
        inputs, responses = archive["inputs"], archive["responses"]
        repeats, starts = int(archive["repeats"]), int(archive["starts"])
    seconds = []
    for _ in range(1 + repeats):
        start = time.perf_counter()
        found = network().fit(inputs[..., None], responses, PRIORS, response(), starts=starts)
        seconds.append(time.perf_counter() - start)
    answer = {
        "first": seconds[0],
        "repeated": seconds[1:],
        "log_posterior": found.log_posterior.tolist(),
        "free": found.points.tolist(),
        "success": found.converged.tolist(),
    }
    Path(sys.argv[2]).write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main()
