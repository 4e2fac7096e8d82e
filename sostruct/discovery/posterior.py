"""What a finished lagged network believes, in the data's own units, as plain arrays.

The one object behind the result's tables, its forecasts and its files: everything here is numpy, so it can be written
without a network and read without JAX.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import BinaryIO

import jax
import numpy as np
from numpy.typing import NDArray

from sostruct.networks.lagged.conclusions import conclude
from sostruct.networks.lagged.moments import LaggedData
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.networks.lagged.sampling import probabilities
from sostruct.surprise import Signals


@dataclass(frozen=True, eq=False)
class Posterior:
    """Student-t posteriors of every regression; term k is variable k mod p at lag 1 + k div p.

    Attributes:
        variables: names of the series [target].
        max_lag: L.
        count: rows n behind every posterior, also its degrees of freedom.
        weight, weight_sd: mean and standard deviation of every weight, in effect units per cause unit [target, term];
            of a term that is not in the graph, what they would be if it entered.
        nats: evidence for every candidate edge [target, term].
        summary: evidence for an edge at any lag [target, cause].
        probability: posterior probability of every candidate edge, over graphs [target, term].
        summary_probability: posterior probability of an edge at any lag [target, cause].
        active: terms in the graph [target, term].
        required: terms that had to be [target, term].
        intercept: of every regression [target], in the target's units.
        noise_sd: standard deviation of the prediction error, `sqrt(rss / (n - 2))` [target], in the target's units.
        slots: active terms by slot, -1 where unused [target, slot].
        inverse: A_S^-1 by slot, standardized [target, slot, slot].
        term_mean, term_scale: of every term over the rows used [term].
    """

    variables: tuple[str, ...]
    max_lag: int
    count: float
    weight: NDArray[np.float64]
    weight_sd: NDArray[np.float64]
    nats: NDArray[np.float64]
    summary: NDArray[np.float64]
    probability: NDArray[np.float64]
    summary_probability: NDArray[np.float64]
    active: NDArray[np.bool_]
    required: NDArray[np.bool_]
    intercept: NDArray[np.float64]
    noise_sd: NDArray[np.float64]
    slots: NDArray[np.int64]
    inverse: NDArray[np.float64]
    term_mean: NDArray[np.float64]
    term_scale: NDArray[np.float64]

    @classmethod
    def of(
        cls, network: LaggedNetwork, data: LaggedData, signals: Signals | None = None, *, seed: int = 0
    ) -> Posterior:
        """The posterior of a network on `data`.

        Args:
            network: its graph is what the posterior is of.
            data: what `network.prepare` returned.
            signals: what an epoch reported on exactly this graph, beliefs in `network` included; None to run one.
            seed: of the chains that estimate probabilities.
        """
        if signals is None:
            network, signals = network.epoch(data, key=jax.random.key(0))
        conclusions = conclude(network.packed, signals, data)
        chances = probabilities(network.packed, conclusions.gains, data, seed=seed)
        scale = np.asarray(data.target_scale)[:, None] / np.asarray(data.term_scale)
        weight = conclusions.weight * scale
        term_mean = np.asarray(data.term_mean)
        return cls(
            variables=network.terms.variables,
            max_lag=network.terms.max_lag,
            count=float(data.count),
            weight=weight,
            weight_sd=conclusions.weight_sd * scale,
            nats=conclusions.nats,
            summary=conclusions.summary,
            probability=chances.term,
            summary_probability=chances.cause,
            active=conclusions.active,
            required=np.asarray(network.packed.prior.required),
            intercept=np.asarray(data.target_mean) - np.where(conclusions.active, weight, 0.0) @ term_mean,
            noise_sd=np.asarray(data.target_scale) * conclusions.noise_sd,
            slots=np.where(np.asarray(network.packed.mask), np.asarray(network.packed.active), -1),
            inverse=np.asarray(network.packed.inverse),
            term_mean=term_mean,
            term_scale=np.asarray(data.term_scale),
        )

    def save(self, file: BinaryIO) -> None:
        """Writes every array to a NumPy archive (no pickles)."""
        arrays = {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}
        np.savez(file, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: Path) -> Posterior:
        """Reads what `save` wrote.

        Raises:
            OSError, EOFError, BadZipFile, ValueError, KeyError: the file is missing, damaged or of another version.
        """
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {field.name: archive[field.name] for field in fields(cls)}
        arrays["variables"] = tuple(arrays["variables"].tolist())
        arrays["max_lag"], arrays["count"] = int(arrays["max_lag"]), float(arrays["count"])
        return cls(**arrays)
