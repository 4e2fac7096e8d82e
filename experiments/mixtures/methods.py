"""Mixtures that follow a stream, chunk by chunk: ours, scikit-learn's refitted, and pyhgf's as a program.

A follower is asked for the log density of a chunk before it learns it; afterwards for the number of its clusters and
for the cluster of every row of the chunk.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import BayesianGaussianMixture

import sostruct as ss
from experiments.common import ROOT, child_environment
from sostruct.growth.catalogue import crp
from sostruct.networks.mixture.network import MixtureNetwork

LEAST = 0.02
"""Share of points above which a component of a fixed pool counts as a cluster: empty ones are always there."""

POOL = 12
"""Components of the fixed pools."""

PEERS = ROOT / "experiments" / "peers"


class Follower(ABC):
    """A mixture that learns a stream."""

    @abstractmethod
    def learn(self, chunk: np.ndarray) -> None:
        """Take in the next rows."""

    @abstractmethod
    def count(self) -> int:
        """Clusters now."""

    @abstractmethod
    def labels(self, chunk: np.ndarray) -> np.ndarray:
        """The cluster of every row."""

    @abstractmethod
    def log_density(self, chunk: np.ndarray) -> np.ndarray:
        """Log predictive density of every row, nats."""


class Grown(Follower):
    """Ours: a live stream that remembers the last `window` rows, every chunk observed once."""

    def __init__(self, first: np.ndarray, memory: float | None, window: int) -> None:
        frame = pd.DataFrame(first, columns=[f"x{number}" for number in range(first.shape[1])])
        self.network = MixtureNetwork.suited(frame, memory=memory)
        self.live = ss.stream(self.network, ss.Controller(crp()), limit=window)

    def learn(self, chunk: np.ndarray) -> None:
        self.live.observe(chunk)
        assert isinstance(self.live.network, MixtureNetwork)
        self.network = self.live.network

    def count(self) -> int:
        return len(self.network.components)

    def labels(self, chunk: np.ndarray) -> np.ndarray:
        return self.network.share(chunk).argmax(axis=1)

    def log_density(self, chunk: np.ndarray) -> np.ndarray:
        return self.network.log_density(chunk)


class Refitted(Follower):
    """scikit-learn's variational Dirichlet process, fitted anew after every chunk to the last `window` rows.

    Its default prior expects a component to be as wide as the data; `informed` has ours instead: diagonal, and a fifth
    as wide as the first chunk in every dimension.
    """

    def __init__(self, window: int | None, seed: int, *, informed: bool = False) -> None:
        self.window, self.seed, self.seen, self.informed = window, seed, np.zeros((0, 0)), informed
        self.settings: dict[str, Any] = {}
        self.model: BayesianGaussianMixture | None = None

    def learn(self, chunk: np.ndarray) -> None:
        self.seen = np.concatenate([self.seen, chunk]) if self.seen.size else chunk
        rows = self.seen if self.window is None else self.seen[-self.window :]
        if self.informed and not self.settings:
            self.settings = {"covariance_type": "diag", "covariance_prior": (chunk.std(axis=0) / 5.0) ** 2}
        self.model = BayesianGaussianMixture(n_components=POOL, max_iter=200, random_state=self.seed, **self.settings)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.model.fit(rows)

    def count(self) -> int:
        assert self.model is not None
        return int(np.sum(self.model.weights_ > LEAST))

    def labels(self, chunk: np.ndarray) -> np.ndarray:
        assert self.model is not None
        return np.asarray(self.model.predict(chunk))

    def log_density(self, chunk: np.ndarray) -> np.ndarray:
        assert self.model is not None
        # of the expected parameters: `score_samples` is of expected logarithms and integrates to less than one
        spreads = self.model.covariances_
        logs = [
            np.log(weight) + multivariate_normal(mean, spread).logpdf(chunk)
            for weight, mean, spread in zip(self.model.weights_, self.model.means_, spreads, strict=True)
        ]
        return np.asarray(logsumexp(np.array(logs), axis=0))


class Recorded(Follower):
    """pyhgf's Dirichlet process node with a pool of exponential-family parents, as its program reported it.

    It gives no predictive density. A row belongs to the activated cluster under which it is likeliest.
    """

    def __init__(self, answer: Mapping[str, np.ndarray], least: float) -> None:
        self.answer, self.least, self.row = answer, least, -1

    def learn(self, chunk: np.ndarray) -> None:
        self.row += 1

    def count(self) -> int:
        own = self.answer["n"][self.row]
        return int(np.sum(own > self.least * own.sum()))

    def labels(self, chunk: np.ndarray) -> np.ndarray:
        count, mean, sigma = (self.answer[name][self.row] for name in ("n", "mean", "sigma"))
        with np.errstate(divide="ignore"):
            logs = np.log(count) - np.log(sigma) - 0.5 * ((chunk - mean) / sigma) ** 2
        return np.asarray(logs.argmax(axis=1))

    def log_density(self, chunk: np.ndarray) -> np.ndarray:
        return np.full(len(chunk), np.nan)


@dataclass(frozen=True)
class PyhgfAnswer:
    """What pyhgf's program said of all streams, by name: `n`, `mean`, `sigma` [chunk, cluster] and `seconds`."""

    streams: Mapping[str, Mapping[str, np.ndarray]]
    version: str


def pyhgf(streams: Mapping[str, np.ndarray], ends: Sequence[int]) -> PyhgfAnswer:
    """Every stream [time, 1] filtered by pyhgf, read after the rows `ends`."""
    python = PEERS / ".venv_pyhgf" / "bin" / "python"
    if not python.exists():
        raise SystemExit(
            "Cannot run pyhgf. This is because experiments/peers/.venv_pyhgf does not exist. Try `bash "
            "experiments/peers/install_pyhgf.sh`, or --no-peers."
        )
    with tempfile.TemporaryDirectory() as folder:
        job, data, answer = (Path(folder, name) for name in ("job.json", "in.npz", "out.npz"))
        np.savez(data, allow_pickle=False, **dict(streams))
        job.write_text(json.dumps({"data": str(data), "ends": list(ends), "pool": POOL}), encoding="utf-8")
        command = [str(python), str(PEERS / "pyhgf_mixture.py"), str(job), str(answer)]
        subprocess.run(command, cwd=ROOT, env=child_environment(), check=True)
        found: dict[str, dict[str, Any]] = {name: {} for name in streams}
        with np.load(answer, allow_pickle=False) as archive:
            version = str(archive["version"])
            for name in streams:
                found[name] = {part: archive[f"{name}/{part}"] for part in ("n", "mean", "sigma", "seconds")}
    return PyhgfAnswer(found, version)
