"""What a finished lagged network believes, in the data's own units, as plain arrays.

The one object behind the result's tables, its forecasts and its files: everything here is numpy, so it can be written
without a network and read without JAX.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import jax
import numpy as np
from numpy.typing import NDArray

from sostruct.networks.lagged.conclusions import conclude
from sostruct.networks.lagged.curved import CurvedTerms
from sostruct.networks.lagged.moments import LaggedData
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.networks.lagged.sampling import given_the_graph, probabilities
from sostruct.networks.lagged.terms import AbstractTerms, LinearTerms
from sostruct.surprise import Signals


@dataclass(frozen=True, eq=False)
class Posterior:
    """Student-t posteriors of every regression; link k is variable k mod p at lag 1 + k div p.

    Attributes:
        variables: names of the series [target].
        max_lag: L.
        count: rows n behind every posterior, also its degrees of freedom.
        weight, weight_sd: mean and standard deviation of the mean slope along every link, in effect units per cause
            unit [target, link]; of a link that is not in the graph, what they would be if it entered as a line.
        nats: evidence for every candidate edge [target, link].
        summary: evidence for an edge at any lag [target, cause].
        probability: posterior probability of every candidate edge, over graphs [target, link].
        summary_probability: posterior probability of an edge at any lag [target, cause].
        active: links in the graph [target, link].
        functions: how each acts: "line", "curve", "product", joined by " + "; empty where it does not [target, link].
        required: links that had to be [target, link].
        intercept: of every regression [target], in the target's units.
        noise_sd: standard deviation of the prediction error, `sqrt(rss / (n - 2))` [target], in the target's units.
        slots: active columns of the term table by slot, -1 where unused [target, slot].
        coefficient: of the column in each slot, in the target's units [target, slot].
        inverse: A_S^-1 by slot, standardized [target, slot, slot].
        term_mean, term_scale: of every column over the rows used [column].
        location, scale, centers, width, products: those of `CurvedTerms`; empty where all terms are lines.
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
    functions: np.ndarray[Any, np.dtype[Any]]
    required: NDArray[np.bool_]
    intercept: NDArray[np.float64]
    noise_sd: NDArray[np.float64]
    slots: NDArray[np.int64]
    coefficient: NDArray[np.float64]
    inverse: NDArray[np.float64]
    term_mean: NDArray[np.float64]
    term_scale: NDArray[np.float64]
    location: NDArray[np.float64]
    scale: NDArray[np.float64]
    centers: NDArray[np.float64]
    width: NDArray[np.float64]
    products: bool

    @classmethod
    def of(
        cls,
        network: LaggedNetwork,
        data: LaggedData,
        signals: Signals | None = None,
        *,
        averaged: bool = True,
        seed: int = 0,
    ) -> Posterior:
        """The posterior of a network on `data`.

        Args:
            network: its graph is what the posterior is of.
            data: what `network.prepare` returned.
            signals: what an epoch reported on exactly this graph, beliefs in `network` included; None to run one.
            averaged: whether probabilities are averages over graphs, where they can be.
            seed: of the chains that estimate probabilities.
        """
        if signals is None:
            network, signals = network.epoch(data, key=jax.random.key(0))
        packed, terms = network.packed, network.terms
        conclusions = conclude(network, signals, data)
        links = len(terms.links)
        required = np.asarray(packed.prior.required)[:, :links]
        if terms.layout.blocks or not averaged:
            chances = given_the_graph(conclusions, required, np.asarray(packed.prior.required_cause))
        else:
            chances = probabilities(packed, conclusions.gains, data, seed=seed)
        mask, slots = np.asarray(packed.mask), np.asarray(packed.active)
        term_mean, term_scale = np.asarray(data.term_mean), np.asarray(data.term_scale)
        target_scale = np.asarray(data.target_scale)[:, None]
        scale = target_scale * np.asarray(data.slope)[:links, 0] / term_scale[:links]
        coefficient = np.where(mask, np.asarray(packed.weight) * target_scale / term_scale[slots], 0.0)
        curved = terms if isinstance(terms, CurvedTerms) else None
        return cls(
            variables=terms.variables,
            max_lag=terms.max_lag,
            count=float(data.count),
            weight=conclusions.weight * scale,
            weight_sd=conclusions.weight_sd * scale,
            nats=conclusions.nats,
            summary=conclusions.summary,
            probability=chances.term,
            summary_probability=chances.cause,
            active=conclusions.active,
            functions=conclusions.functions,
            required=required,
            intercept=np.asarray(data.target_mean) - np.sum(coefficient * term_mean[slots], axis=1),
            noise_sd=np.asarray(data.target_scale) * conclusions.noise_sd,
            slots=np.where(mask, slots, -1),
            coefficient=coefficient,
            inverse=np.asarray(packed.inverse),
            term_mean=term_mean,
            term_scale=term_scale,
            location=np.array(curved.location if curved else ()),
            scale=np.array(curved.scale if curved else ()),
            centers=np.array(curved.centers if curved else ()),
            width=np.array(curved.width if curved else ()),
            products=bool(curved and curved.products),
        )

    @cached_property
    def terms(self) -> AbstractTerms:
        """The term table."""
        if not len(self.location):
            return LinearTerms(self.variables, self.max_lag)
        return CurvedTerms(
            variables=self.variables,
            max_lag=self.max_lag,
            location=tuple(self.location.tolist()),
            scale=tuple(self.scale.tolist()),
            centers=tuple(tuple(row) for row in self.centers.tolist()),
            width=tuple(self.width.tolist()),
            products=self.products,
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
        arrays["products"] = bool(arrays["products"])
        return cls(**arrays)
