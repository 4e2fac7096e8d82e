"""Runs pyhgf's Dirichlet process node on streams, as a program of its own in its own environment.

    experiments/peers/.venv_pyhgf/bin/python experiments/peers/pyhgf_mixture.py job.json answer.npz

A job is a JSON object: `data`, an .npz of streams [time, 1]; `ends`, the rows after which the state is read; `pool`,
how many clusters there may be. The network is a node of kind "dp-state" with `pool` value parents of kind "ef-state",
all at their defaults (alpha 1, clusters of width 1, so streams come in units of a cluster's standard deviation). It
takes one number per step. Every stream begins from the network's first attributes. The answer holds, per stream, `n`,
`mean` and `sigma` [end, cluster] and the `seconds` of the filter; the first stream's have its compilation in them. Only
the public interface is used: `Network`, `add_nodes`, `attributes`, `input_data` and `node_trajectories`.
"""

from __future__ import annotations

import copy
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from pyhgf.model import Network


def main() -> None:
    """Reads the job, filters every stream, writes the answer."""
    job = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    rows = np.asarray(job["ends"]) - 1
    found: dict[str, np.ndarray] = {"version": np.asarray(version("pyhgf"))}
    network = Network().add_nodes(kind="dp-state", batch_size=job["pool"])
    network = network.add_nodes(kind="ef-state", n_nodes=job["pool"], value_children=0)
    first = copy.deepcopy(network.attributes)
    with np.load(job["data"], allow_pickle=False) as archive:
        for name in archive.files:
            start = time.perf_counter()
            network.attributes = copy.deepcopy(first)
            network.input_data(input_data=archive[name][:, 0])
            trajectory = network.node_trajectories[0]
            for ours, theirs in (("n", "n"), ("mean", "expected_means"), ("sigma", "expected_sigmas")):
                found[f"{name}/{ours}"] = np.asarray(trajectory[theirs])[rows]
            found[f"{name}/seconds"] = np.asarray(time.perf_counter() - start)
    np.savez_compressed(sys.argv[2], **found)


if __name__ == "__main__":
    main()
