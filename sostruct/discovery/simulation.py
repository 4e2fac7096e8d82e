r"""The found mechanisms, run forward: what forecasts and interventions share.

A *course* is a series that goes on from some past: every row is what the mechanisms make of the rows before it, plus
noise. Forecasts use mean coefficients and many pasts; interventions draw coefficients, one set per course, and clamp
series (`intervention.py`).

Within a step, series follow each other in the order of the graph's effects of lag 0. Pairs that are linked within the
step without a direction share their noise: with P their partial correlations, the noise has the correlations of
`(I - P)^-1`. Where one direction of a pair is forbidden, the other stands; of the noise u, with Sigma its covariance,

    u_j = Sigma_jP Sigma_PP^-1 u_P + e_j,    P the series that act on j so,

and what clamping changes in u_P is passed on.

Noise is Gaussian, or the residuals of given rows, drawn by whole rows (Efron & Tibshirani 1986, Stat. Sci. 1) and put
to the found size: tails, skewness and whatever series share within a step are then those of the rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import networkx as nx
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sostruct.discovery.posterior import Posterior
from sostruct.networks.lagged.weighted import by_target

Table = NDArray[np.float64]

_LARGEST = 0.95
"""Largest eigenvalue of the partial correlations P: those of neighboring pairs are estimated apart, and need not
belong to one distribution."""


def linear(posterior: Posterior) -> bool:
    """Whether every mechanism is a line."""
    return posterior.terms.layout.blocks == 0


def links_of(past: Table) -> Table:
    """Values of all lagged links [..., link] from the last rows [..., lag, variable], the oldest first."""
    return past[..., ::-1, :].reshape(*past.shape[:-2], -1)


def followed(past: Table, row: Table) -> Table:
    """The past [..., lag, variable] one step later, when `row` [..., variable] has come."""
    return np.concatenate([past[..., 1:, :], row[..., None, :]], axis=-2)


@dataclass(frozen=True, eq=False)
class WithinStep:
    """What acts within a step.

    Attributes:
        order: series, by their place in the order of effects within the step.
        passed: coefficients of the noise of causes in the noise of targets, where a direction is known because the
            other is forbidden [target, cause].
        factor: noise of unit variance is this times independent noise [series, series]; None where none is shared.
        shared: pairs of series that share their noise, with no known direction or a hidden cause.
    """

    order: tuple[NDArray[np.int64], ...]
    passed: Table | None
    factor: Table | None
    shared: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, posterior: Posterior, pairs: pd.DataFrame) -> WithinStep:
        """Reads it off a posterior and its pairs: columns cause, effect, mark and weight, the partial correlation."""
        names = posterior.variables
        count = len(names)
        number = {name: place for place, name in enumerate(names)}
        graph = nx.DiGraph()
        graph.add_nodes_from(range(count))
        if posterior.instant:
            graph.add_edges_from(
                (cause, target) for target, cause in np.argwhere(posterior.active[:, -count:]).tolist()
            )
        cause, effect = (pairs[name].map(number).to_numpy(np.int64) for name in ("cause", "effect"))
        directed = pairs["mark"].eq("directed").to_numpy(bool)
        known = nx.DiGraph(graph)
        known.add_edges_from(zip(cause[directed].tolist(), effect[directed].tolist(), strict=True))
        if not nx.is_directed_acyclic_graph(known):
            known, directed = graph, np.zeros_like(directed)
        order = tuple(np.array(sorted(generation)) for generation in nx.topological_generations(known))
        shared = tuple((names[a], names[b]) for a, b in zip(cause[~directed], effect[~directed], strict=True))
        if not len(pairs):
            return cls(order, None, None, shared)
        partial = np.zeros((count, count))
        partial[cause, effect] = partial[effect, cause] = pairs["weight"].to_numpy(np.float64)
        partial *= min(1.0, _LARGEST / float(np.linalg.eigvalsh(partial)[-1]))
        covariance = np.linalg.inv(np.eye(count) - partial)
        scale = np.sqrt(np.diag(covariance))
        correlation = covariance / scale[:, None] / scale
        passed = np.zeros((count, count))
        for target in np.unique(effect[directed]):
            causes = cause[directed & (effect == target)]
            sd = posterior.noise_sd[target] / posterior.noise_sd[causes]
            passed[target, causes] = (
                np.linalg.solve(correlation[np.ix_(causes, causes)], correlation[causes, target]) * sd
            )
        factor = np.asarray(np.linalg.cholesky(correlation), np.float64)
        return cls(order, passed if directed.any() else None, factor, shared)


def residuals(posterior: Posterior, values: Table) -> Table:
    """What the mechanisms leave of every row that has a past [row, target], as of what they are: with effects within
    the step taken off.

    Args:
        posterior: its mean coefficients are used.
        values: [row, variable].
    """
    lags, rows = posterior.max_lag, len(values) - posterior.max_lag
    past = np.stack([values[lag : rows + lag] for lag in range(lags)], axis=1)
    links = links_of(past)
    if posterior.instant:
        links = np.concatenate([links, values[lags:]], axis=1)
    used, place = np.unique(np.maximum(posterior.slots, 0), return_inverse=True)
    terms = posterior.terms.columns(links, used)[:, place.reshape(posterior.slots.shape)]
    return np.asarray(values[lags:] - posterior.intercept - np.sum(posterior.coefficient * terms, axis=-1))


@dataclass(frozen=True, eq=False)
class Mechanisms:
    """The regressions with one draw of their coefficients and noise variance per course.

    Attributes:
        posterior: what they are drawn from: `s^2 = rss / chi^2_n`, `w | s^2 ~ N(b, s^2 A_S^-1)`, and the level at the
            mean of the terms with variance `s^2 / n`.
        within: what acts within a step.
        level: of every target where its terms are at their means [course, target].
        coefficient: of the column in each slot [course, target, slot].
        noise_sd: of every target [course, target].
        shapes: rows of noise, of mean 0 and variance 1, to draw from [row, target]; None for Gaussian noise.
    """

    posterior: Posterior
    within: WithinStep
    level: Table
    coefficient: Table
    noise_sd: Table
    shapes: Table | None = None

    @classmethod
    def drawn(
        cls,
        posterior: Posterior,
        within: WithinStep,
        courses: int,
        generator: np.random.Generator,
        errors: Table | None = None,
    ) -> Mechanisms:
        """Draws them; `errors` are rows of residuals whose shape the noise has [row, target]."""
        shapes = None
        if errors is not None:
            spread = errors.std(axis=0)
            shapes = (errors - errors.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        used = posterior.slots >= 0
        slots = np.where(used, posterior.slots, 0)
        size = len(posterior.variables)
        count = posterior.count
        noise_sd = posterior.noise_sd * np.sqrt((count - 2) / generator.chisquare(count, (courses, size)))
        both = used[:, :, None] & used[:, None, :]
        values, vectors = np.linalg.eigh(np.where(both, posterior.inverse, 0.0))
        root = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]  # cholesky would refuse weights that are certain
        standard = np.einsum("tsm,ctm->cts", root, generator.standard_normal((courses, *slots.shape)))
        own = np.arange(size)[:, None]
        mean, scale = (by_target(table, size)[own, slots] for table in (posterior.term_mean, posterior.term_scale))
        spread = np.where(used, 1 / scale, 0.0)
        level = posterior.intercept + np.sum(posterior.coefficient * mean, axis=1)
        return cls(
            posterior=posterior,
            within=within,
            level=level + noise_sd * generator.standard_normal((courses, size)) / np.sqrt(count),
            coefficient=posterior.coefficient + standard * spread * noise_sd[:, :, None],
            noise_sd=noise_sd,
            shapes=shapes,
        )

    def noise(self, generator: np.random.Generator) -> Table:
        """Noise of one step [course, target]: whole rows of residuals, or with the tails that were found; noise of
        changing strength at its mean variance."""
        if self.shapes is not None:
            return self.noise_sd * self.shapes[generator.integers(len(self.shapes), size=len(self.noise_sd))]
        standard = generator.standard_normal(self.noise_sd.shape)
        freedom = self.posterior.freedom
        if np.isfinite(freedom).any():
            nu = np.where(np.isfinite(freedom), freedom, 1e9)
            standard *= np.sqrt((nu - 2) / generator.chisquare(nu, standard.shape))
        return self.noise_sd * (standard if self.within.factor is None else standard @ self.within.factor.T)

    def row(self, past: Table, noise: Table, clamped: Mapping[int, float]) -> Table:
        """The next row of every course [..., course, variable].

        Args:
            past: the last rows [..., course, lag, variable], the oldest first.
            noise: of this step [course, variable].
            clamped: values that series are held at, by number.
        """
        posterior, count = self.posterior, len(self.posterior.variables)
        links = links_of(past)
        lagged = links.shape[-1]
        if posterior.instant:  # the effects within the step are added below, in their order
            links = np.concatenate([links, np.zeros((*links.shape[:-1], count))], axis=-1)
        used, place = np.unique(np.maximum(posterior.slots, 0), return_inverse=True)
        place = place.reshape(posterior.slots.shape)
        mean = by_target(posterior.term_mean, count)[np.arange(count)[:, None], np.maximum(posterior.slots, 0)]
        terms = posterior.terms.columns(links, used)[..., place] - mean
        base = self.level + np.sum(self.coefficient * terms, axis=-1)
        row: Table = np.zeros_like(base)
        shift = np.zeros_like(base)
        for targets in self.within.order:
            expected = base[..., targets]
            if posterior.instant:
                source = np.maximum(posterior.slots[targets] - lagged, 0)
                own = np.where(posterior.slots[targets] >= lagged, self.coefficient[:, targets], 0.0)
                expected = expected + np.sum(own * row[..., source], axis=-1)
            natural = expected + noise[:, targets]
            if self.within.passed is not None:
                shift[..., targets] = shift @ self.within.passed[targets].T
            row[..., targets] = natural + shift[..., targets]
            for place_of, target in enumerate(targets.tolist()):
                if target in clamped:
                    row[..., target] = clamped[target]
                    shift[..., target] = clamped[target] - natural[..., place_of]
        return row
