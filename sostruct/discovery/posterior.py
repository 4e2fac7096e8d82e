"""What a finished lagged network believes, in the data's own units, as plain arrays.

The one object behind the result's tables, its forecasts and its files: everything here is numpy, so it can be written
without a network and read without JAX.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import jax
import numpy as np
from numpy.typing import NDArray

from sostruct.discovery.contemporaneous import pairs, toward, unexplained
from sostruct.discovery.tails import of_rows
from sostruct.networks.lagged.conclusions import conclude
from sostruct.networks.lagged.curved import CurvedTerms
from sostruct.networks.lagged.moments import Chances, LaggedData
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.networks.lagged.sampling import Probabilities, given_the_graph, probabilities
from sostruct.networks.lagged.terms import AbstractTerms, LinearTerms
from sostruct.networks.lagged.weighted import by_target
from sostruct.surprise import Signals
from sostruct.tasks.treatment import UNTREATED, Treatment

MOST_KEPT = 1000
"""Columns up to which a result keeps their moments (8 MB): what parent sets that were never tried would be worth."""

_ADDED = ("treatment",), ("kept", "gram", "cross", "ridge", "entry")
"""Fields that earlier versions did not write, as they came; without them, they are what they are by default."""


def _nothing() -> NDArray[np.float64]:
    return np.zeros((0, 0))


@dataclass(frozen=True, eq=False)
class Posterior:
    """Student-t posteriors of every regression; link k is variable k mod p at lag 1 + k div p, and of the last p, if
    effects within a step have directions, at lag 0.

    Attributes:
        variables: names of the series [target].
        max_lag: L.
        count: rows n behind every posterior, also its degrees of freedom.
        weight, weight_sd: mean and standard deviation of the mean slope along every link, in effect units per cause
            unit [target, link]; of a link that is not in the graph, what they would be if it entered as a line.
        nats: evidence for every candidate edge [target, link].
        summary: evidence for an edge at any lag [target, cause]; of a series with gaps, log odds of its probability.
        probability: posterior probability of every candidate edge, over graphs [target, link].
        summary_probability: posterior probability of an edge at any lag [target, cause].
        active: links in the graph [target, link].
        functions: how each acts: "line", "curve", "product", joined by " + "; empty where it does not [target, link].
        required: links that had to be [target, link].
        pair_nats, partial: log odds of a link within the step, of either direction or none, and partial correlation of
            what the parents leave [series, series], symmetric; -inf and 0 where residuals are not correlated.
        direction: log odds of cause -> target within the step, against the reverse and a hidden common cause together
            [target, cause]; -inf where forbidden, 0 where nothing is known.
        instant: whether links have lag 0.
        intercept: of every regression [target], in the target's units.
        noise_sd: standard deviation of the prediction error, `sqrt(rss / (n - 2))` [target], in the target's units;
            where rows are weighted, the root of the mean variance of its rows.
        slots: active columns of the term table by slot, -1 where unused [target, slot].
        coefficient: of the column in each slot, in the target's units [target, slot].
        inverse: covariance of the weights by slot over `noise_sd`^2, standardized [target, slot, slot]: A_S^-1, and
            where rows are weighted, times the variance of a row of weight 1 over `noise_sd`^2.
        term_mean, term_scale: of every column over the rows used [column]; weighted, [target, column].
        location, scale, centers, width, products: those of `CurvedTerms`; empty where all terms are lines.
        kept: the columns whose moments are kept, ascending: every link as a line and all that the graph uses; none if
            they are more than `MOST_KEPT` [kept].
        gram, cross: their products with each other [kept, kept], weighted [target, kept, kept], and with the targets
            [target, kept], standardized.
        ridge: their prior precisions [kept].
        entry: what their entry costs beside what it gains, `1/2 log lam` plus, at the first column of a term, its log
            prior odds [target, kept].
        treatment: what was done to the series beforehand: everything above is in the units of treated series.
        noise_kind: number of the kind of every target's noise (`networks.lagged.weighted.KINDS`) [target]; none where
            no other than Gaussian noise was considered.
        noise_nats: log evidence of every kind over Gaussian noise; -inf where it was not considered [target, kind].
        freedom: degrees of freedom of the tails, inf where they are Gaussian [target].
        row_sd: standard deviation of the noise at every row with a complete past, in the target's units [row, target];
            none where all rows count alike.
        worth: rows that the evidence of every target counts [target]; none where all rows count alike.
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
    pair_nats: NDArray[np.float64]
    partial: NDArray[np.float64]
    direction: NDArray[np.float64]
    instant: bool
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
    kept: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    gram: NDArray[np.float64] = field(default_factory=_nothing)
    cross: NDArray[np.float64] = field(default_factory=_nothing)
    ridge: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    entry: NDArray[np.float64] = field(default_factory=_nothing)
    treatment: Treatment = UNTREATED
    noise_kind: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    noise_nats: NDArray[np.float64] = field(default_factory=_nothing)
    freedom: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    row_sd: NDArray[np.float64] = field(default_factory=_nothing)
    worth: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def of(
        cls,
        network: LaggedNetwork,
        data: LaggedData,
        signals: Signals | None = None,
        *,
        averaged: bool = True,
        contemporaneous: bool = True,
        seed: int = 0,
    ) -> Posterior:
        """The posterior of a network on `data`.

        Args:
            network: its graph is what the posterior is of.
            data: what `network.prepare` returned.
            signals: what an epoch reported on exactly this graph, beliefs in `network` included; None to run one.
            averaged: whether probabilities are averages over graphs, where they can be.
            contemporaneous: whether correlated residuals are reported.
            seed: of the chains that estimate probabilities.
        """
        if signals is None:
            network, signals = network.epoch(data, key=jax.random.key(0))
        packed, terms = network.packed, network.terms
        conclusions = conclude(network, signals, data)
        links = len(terms.links)
        required = np.asarray(packed.prior.required)[:, :links]
        chances: Chances | Probabilities
        summary = conclusions.summary
        if averaged and data.chances is not None:
            chances = data.chances
            summary = _log_odds(np.asarray(chances.cause), summary)
        elif terms.layout.blocks or not averaged:
            chances = given_the_graph(conclusions, required, np.asarray(packed.prior.required_cause))
        else:
            chances = probabilities(packed, conclusions.gains, data, seed=seed)
        probability, summary_chance = np.asarray(chances.term), np.asarray(chances.cause)
        direction = np.asarray(packed.prior.direction)
        within = pairs(network, data) if contemporaneous else None
        if within is not None:
            summary, summary_chance = _or(summary, summary_chance, toward(within.nats, direction))
        if 0 in terms.lags:
            size = len(direction)
            link, active = conclusions.nats[:, -size:].T, conclusions.active[:, -size:].T
            against = np.where(active, toward(link, direction), -np.inf)
            summary, summary_chance = _or(summary, summary_chance, against)
        mask, slots = np.asarray(packed.mask), np.asarray(packed.active)
        own = np.arange(len(mask))[:, None]
        term_mean, term_scale = (by_target(table, len(mask)) for table in (data.term_mean, data.term_scale))
        target_scale = np.asarray(data.target_scale)[:, None]
        scale = target_scale * np.asarray(data.slope)[:links, 0] / term_scale[:, :links]
        coefficient = np.where(mask, np.asarray(packed.weight) * target_scale / term_scale[own, slots], 0.0)
        curved = terms if isinstance(terms, CurvedTerms) else None
        kept = np.union1d(np.arange(links), slots[mask])
        copies = len(mask) if np.ndim(data.gram) == 3 else 1
        kept = kept if copies * len(kept) ** 2 <= MOST_KEPT**2 else kept[:0]
        term = terms.layout.term_of(kept)
        odds = np.where(kept == terms.layout.first[term], np.asarray(packed.prior.log_odds)[:, term], 0.0)
        noise = network.noise
        noise_sd = np.asarray(data.target_scale) * conclusions.noise_sd
        row_sd, inverse = _nothing(), np.asarray(packed.inverse)
        if network.weights is not None and noise is not None:
            left = unexplained(network.weights.segments, network, data) * np.asarray(data.target_scale)
            row_sd = of_rows(left, network.weights.foreseen, noise.freedom)
            weighted, noise_sd = noise_sd, np.where(noise.kind > 0, np.sqrt(np.mean(row_sd**2, axis=0)), noise_sd)
            row_sd = np.where(noise.kind > 0, row_sd, noise_sd)
            inverse = inverse * ((weighted / noise_sd) ** 2)[:, None, None]
        return cls(
            variables=terms.variables,
            max_lag=terms.max_lag,
            count=float(data.count) if network.weights is None else float(len(network.weights.rows)),
            weight=conclusions.weight * scale,
            weight_sd=conclusions.weight_sd * scale,
            nats=conclusions.nats,
            summary=summary,
            probability=probability,
            summary_probability=summary_chance,
            active=conclusions.active,
            functions=conclusions.functions,
            required=required,
            pair_nats=np.full(direction.shape, -np.inf) if within is None else within.nats,
            partial=np.zeros(direction.shape) if within is None else within.partial,
            direction=direction,
            instant=0 in {lag for _, lag in terms.links},
            intercept=np.asarray(data.target_mean) - np.sum(coefficient * term_mean[own, slots], axis=1),
            noise_sd=noise_sd,
            slots=np.where(mask, slots, -1),
            coefficient=coefficient,
            inverse=inverse,
            term_mean=np.asarray(data.term_mean),
            term_scale=np.asarray(data.term_scale),
            location=np.array(curved.location if curved else ()),
            scale=np.array(curved.scale if curved else ()),
            centers=np.array(curved.centers if curved else ()),
            width=np.array(curved.width if curved else ()),
            products=bool(curved and curved.products),
            treatment=network.treatment,
            kept=kept,
            gram=np.asarray(data.gram)[..., kept[:, None], kept],
            cross=np.asarray(data.cross)[:, kept],
            ridge=np.asarray(packed.ridge)[kept],
            entry=np.log(np.asarray(packed.ridge)[kept]) / 2 + odds,
            noise_kind=np.zeros(0, np.int64) if noise is None else noise.kind,
            noise_nats=_nothing() if noise is None else noise.nats,
            freedom=np.zeros(0) if noise is None else noise.freedom,
            row_sd=row_sd,
            worth=np.zeros(0) if network.weights is None else np.asarray(data.count),
        )

    def rows_of(self, target: int) -> float:
        """Rows that the evidence of a target counts."""
        return float(self.worth[target]) if len(self.worth) else self.count

    def products_of(self, target: int) -> NDArray[np.float64]:
        """The products `gram` of a target [kept, kept]."""
        return self.gram[target] if self.gram.ndim == 3 else self.gram

    @cached_property
    def terms(self) -> AbstractTerms:
        """The term table."""
        if not len(self.location):
            return LinearTerms(self.variables, self.max_lag, self.instant)
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
        plain = [one.name for one in fields(self) if one.name != "treatment"]
        arrays = {name: np.asarray(getattr(self, name)) for name in plain}
        arrays["treatment"] = np.asarray(self.treatment.to_json())
        np.savez(file, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: Path) -> Posterior:
        """Reads what `save` wrote, also of versions that kept no moments or treated no series.

        Raises:
            OSError, EOFError, BadZipFile, ValueError, KeyError: the file is missing, damaged or of another version.
        """
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            absent = {name for part in _ADDED if not set(part) & set(archive.files) for name in part}
            arrays = {one.name: archive[one.name] for one in fields(cls) if one.name not in absent}
        arrays["variables"] = tuple(arrays["variables"].tolist())
        arrays["max_lag"], arrays["count"] = int(arrays["max_lag"]), float(arrays["count"])
        arrays["products"], arrays["instant"] = bool(arrays["products"]), bool(arrays["instant"])
        if "treatment" in arrays:
            arrays["treatment"] = Treatment.from_json(str(arrays["treatment"]))
        return cls(**arrays)


def _or(
    nats: NDArray[np.float64], chance: NDArray[np.float64], other: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Evidence and probability of a cause that acts with a lag or, with these log odds, within the step."""
    within = 1 / (1 + np.exp(-np.clip(other, -700, 700)))
    return np.logaddexp(_log_odds(chance, nats), other), 1 - (1 - chance) * (1 - within)


_SURE = 1 - 1e-9
"""Averages of probabilities beyond this have lost their digits."""


def _log_odds(chance: NDArray[np.float64], nats: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log odds of probabilities; of those that are next to 1, the evidence given the graph."""
    with np.errstate(divide="ignore"):
        odds = np.log(chance) - np.log1p(-np.minimum(chance, _SURE))
    return np.where(chance > _SURE, np.maximum(nats, odds), odds)
