r"""Statistics of a series with gaps: expectation-maximization, with no row dropped and nothing interpolated for good.

Given a graph and its weights, the series is a linear Gaussian process, and a Kalman smoother over the state
`s(t) = (x(t), x(t-1), ..., x(t-L))` gives mean m(t) and covariance P(t) of everything that was not observed, from all
that was, before and after. The lagged moments are then expected ones, `sum_t m(t) m(t)' + P(t)`; the graph is searched
again on them, by the same evidence; `ROUNDS` times (Shumway & Stoffer 1982, J. Time Ser. Anal. 3; the smoother is that
of Bryson & Frazier 1963 in the form of Bierman 1973, Automatica 9, which inverts the covariance of observed values
only).

**How many rows these moments are worth.** What was filled in is not evidence. With r the share of the series' variance
that is known, `1 - P_ii / var(x_i)` averaged over rows and series, all statistics are scaled to n r rows before any
evidence is computed: an approximation, since how much is known differs from weight to weight.

Realizations are smoothed one by one, and their moments added.

The first round takes every moment from the rows where both of its values are there. The state has p (L + 1) entries,
and a round takes of the order of T p^3 L^3 operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from numpy.typing import NDArray

from sostruct.errors import DataError
from sostruct.networks.lagged.evidence import invert
from sostruct.networks.lagged.fixed_point import searched
from sostruct.networks.lagged.moments import LaggedData, Moments, standardized
from sostruct.networks.lagged.segments import Series, joined, segments_of
from sostruct.numerics import Numbers, double_precision

if TYPE_CHECKING:
    from sostruct.networks.lagged.network import LaggedNetwork

ROUNDS = 12
"""Rounds of smoothing and searching."""

MOST_NUMBERS = 4e8
"""In the covariances of the states of all rows: 3 GB."""

_LEAST_NOISE = 1e-6
_LEAST_SPREAD = 0.02

Table = NDArray[np.float64]


def expected_moments(values: Series, network: LaggedNetwork) -> tuple[Moments, float]:
    """Expected raw moments of a series with gaps, and the share r of its rows that they are worth.

    Args:
        values: the series [time, variable], NaN where a value is missing; or one per realization.
        network: a lagged network with lines only, in the state a search begins from.

    Raises:
        DataError: the covariances of all rows' states would not fit into `MOST_NUMBERS`.
    """
    lags, variables = network.terms.max_lag, len(network.terms.variables)
    segments, every = segments_of(values), joined(values)
    if max(map(len, segments)) * (variables * (lags + 1)) ** 2 > MOST_NUMBERS:
        raise DataError(
            f"Cannot fill the gaps of {variables} series over {max(map(len, segments))} rows with max_lag={lags}. This "
            f"is because the covariances of what is missing would be more than {MOST_NUMBERS:.0e} numbers. Try fewer "
            "series, lags or rows, or series without gaps."
        )
    center, scale = np.nanmean(every, axis=0), np.nanstd(every, axis=0)
    there = [~np.isnan(table) for table in segments]
    pieces = [np.where(known, (table - center) / scale, 0.0) for table, known in zip(segments, there, strict=True)]
    rows, first, second = _available(pieces, there, lags)
    worth = float((~np.isnan(every)).mean())
    for _ in range(ROUNDS):
        moments = Moments(rows, first, second, np.zeros(variables), lags)
        data = scaled(standardized(moments, instant=0 in network.terms.lags), worth)
        weights, noise, shift = _reduced(searched(network, data)[0], data)
        first, second, doubt = np.zeros_like(first), np.zeros_like(second), np.zeros(variables)
        for seen, observed in zip(pieces, there, strict=True):
            with double_precision():
                smooth = _smoothed(seen, observed, weights, noise, shift)
            first, second = first + np.asarray(smooth[0]), second + np.asarray(smooth[1])
            doubt += np.asarray(smooth[2]) * (len(seen) / len(every))
        worth = float(np.mean(1 - doubt / np.maximum(np.diag(second)[:variables] / rows, doubt)))
    unit = np.tile(scale, lags + 1)
    restored = Moments(rows, first * unit, second * np.outer(unit, unit), center, lags)
    return restored, worth


def _available(seen: Sequence[Table], observed: Sequence[NDArray[np.bool_]], lags: int) -> tuple[float, Table, Table]:
    """Rows, and moments by the mean over what is there of each pair of columns, the nearest that are a covariance."""
    past, there = (
        np.concatenate(
            [
                np.concatenate([table[lags - lag : len(table) - lag] for lag in range(lags + 1)], axis=1)
                for table in tables
            ]
        ).astype(np.float64)
        for tables in (seen, observed)
    )
    rows = float(len(past))
    mean = past.T @ past / np.maximum(there.T @ there, 1.0)
    values, vectors = np.linalg.eigh(mean)
    second: Table = rows * (vectors * np.maximum(values, _LEAST_SPREAD)) @ vectors.T
    return rows, np.zeros(len(second)), second


def scaled(data: LaggedData, share: float) -> LaggedData:
    """The same statistics, worth a share of their rows."""
    parts = (data.gram, data.cross, data.power, data.targets, data.count)
    less = tuple(np.asarray(part) * share for part in parts)
    found: LaggedData = eqx.tree_at(lambda one: (one.gram, one.cross, one.power, one.targets, one.count), data, less)
    return found


def _reduced(network: LaggedNetwork, data: LaggedData) -> tuple[Table, Table, Table]:
    """Weights of the past [target, lagged link], covariance factor of the noise and intercepts, in the data's units;
    effects within a step passed on."""
    packed = network.packed
    variables = len(network.terms.variables)
    mask = np.asarray(packed.mask)
    columns = len(np.asarray(data.term_scale))
    dense: Table = np.zeros((variables, columns))
    dense[np.nonzero(mask)[0], np.asarray(packed.active)[mask]] = np.asarray(packed.weight)[mask]
    dense *= np.asarray(data.target_scale)[:, None] / np.asarray(data.term_scale)
    shift = np.asarray(data.target_mean) - dense @ np.asarray(data.term_mean)
    noise = np.asarray(data.target_scale) * np.sqrt(np.maximum(np.asarray(packed.noise), _LEAST_NOISE))
    lagged = variables * network.terms.max_lag
    response = np.linalg.inv(np.eye(variables) - dense[:, lagged:]) if columns > lagged else np.eye(variables)
    return response @ dense[:, :lagged], response * noise, response @ shift


class _Step(eqx.Module):
    """What the filter keeps of a row for the way back: predicted mean and covariance, gain, information, innovation."""

    mean: Float[Array, "*row state"]
    covariance: Float[Array, "*row state state"]
    gain: Float[Array, "*row state variable"]
    information: Float[Array, "*row variable variable"]
    innovation: Float[Array, "*row variable"]


@eqx.filter_jit
def _smoothed(
    seen: Float[Numbers, "row variable"],
    observed: Bool[Numbers, "row variable"],
    weights: Float[Numbers, "variable link"],
    noise: Float[Numbers, "variable source"],
    shift: Float[Numbers, " variable"],
) -> tuple[Float[Array, " state"], Float[Array, "state state"], Float[Array, " variable"]]:
    """Sums, over the rows L..T-1, of expected states and of their products; mean variance of every series
    given all that was observed."""
    variables, links = weights.shape[0], weights.shape[1]
    size = variables + links
    weights, shift = jnp.asarray(weights), jnp.asarray(shift)
    innovation_covariance = jnp.asarray(noise) @ jnp.asarray(noise).T
    onward = jnp.concatenate([weights, jnp.eye(links)])

    def forward(
        state: tuple[Float[Array, " state"], Float[Array, "state state"]],
        row: tuple[Float[Array, " variable"], Bool[Array, " variable"]],
    ) -> tuple[tuple[Float[Array, " state"], Float[Array, "state state"]], _Step]:
        mean, covariance = state
        value, there = row
        both = there[:, None] & there
        own = jnp.where(both, covariance[:variables, :variables], 0.0) + jnp.diag(jnp.where(there, 0.0, 1.0))
        information = jnp.where(both, invert(own)[0], 0.0)
        reach = jnp.where(there, covariance[:, :variables], 0.0)
        gain = reach @ information
        innovation = jnp.where(there, value - mean[:variables], 0.0)
        later = (mean + gain @ innovation)[:links]
        left = (covariance - gain @ reach.T)[:links, :links]
        ahead = onward @ left @ onward.T
        ahead = ahead.at[:variables, :variables].add(innovation_covariance)
        kept = _Step(mean, covariance, gain, information, innovation)
        return (onward @ later + jnp.zeros(size).at[:variables].set(shift), (ahead + ahead.T) / 2), kept

    def backward(
        adjoint: tuple[Float[Array, " state"], Float[Array, "state state"]], step: _Step
    ) -> tuple[tuple[Float[Array, " state"], Float[Array, "state state"]], tuple[Array, Array]]:
        pull, curvature = adjoint
        keep = jnp.eye(size).at[:, :variables].add(-step.gain)
        pull = keep.T @ pull
        pull = pull.at[:variables].add(-step.information @ step.innovation)
        curvature = keep.T @ curvature @ keep
        curvature = curvature.at[:variables, :variables].add(step.information)
        mean = step.mean - step.covariance @ pull
        covariance = step.covariance - step.covariance @ curvature @ step.covariance
        before = jnp.zeros(size).at[:links].set(onward.T @ pull)
        bent = jnp.zeros((size, size)).at[:links, :links].set(onward.T @ curvature @ onward)
        return (before, (bent + bent.T) / 2), (mean, covariance)

    start = (jnp.zeros(size), jnp.eye(size))
    _, steps = jax.lax.scan(forward, start, (jnp.asarray(seen), jnp.asarray(observed)))
    _, (means, covariances) = jax.lax.scan(backward, (jnp.zeros(size), jnp.zeros((size, size))), steps, reverse=True)
    past = links // variables
    used, spread = means[past:], covariances[past:]
    doubt = jnp.diagonal(covariances, axis1=1, axis2=2)[:, :variables].mean(axis=0)
    return used.sum(axis=0), used.T @ used + spread.sum(axis=0), doubt
