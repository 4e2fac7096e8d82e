r"""Statistics of a series with gaps: expected ones, with no row dropped and nothing interpolated for good.

The moments that all evidence comes from are averages over completed series, drawn together with graph and weights
(`augmentation.py`); a first graph to start from has every moment from the rows where both of its values are there. The
probabilities of edges are a by-product, and ride along with the moments: they cannot be had from them.

**How many rows these moments are worth.** What was filled in is not evidence. With r the share of the series' variance
that is known, `1 - var(x_i | observed) / var(x_i)` averaged over rows and series, all statistics are scaled to n r rows
before any evidence is computed: an approximation, since how much is known differs from weight to weight. The
probabilities do not need it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import equinox as eqx
import numpy as np
from numpy.typing import NDArray

from sostruct.errors import DataError
from sostruct.networks.lagged import augmentation
from sostruct.networks.lagged.augmentation import augmented
from sostruct.networks.lagged.fixed_point import searched
from sostruct.networks.lagged.gaps import Process
from sostruct.networks.lagged.moments import Chances, LaggedData, Moments, standardized
from sostruct.networks.lagged.segments import Series, joined, segments_of
from sostruct.networks.lagged.turns import Gaps

if TYPE_CHECKING:
    from sostruct.networks.lagged.network import LaggedNetwork

MOST_NUMBERS = 4e8
"""That a pass over all rows may keep: 3 GB."""

MOST_WORK = 2e11
"""Operations of all draws together, beyond which there are fewer of them: some minutes."""

FEWEST_DRAWS = 20

_LEAST_NOISE = 1e-6
_LEAST_SPREAD = 0.02

Table = NDArray[np.float64]


def expected(series: Series, network: LaggedNetwork) -> LaggedData:
    """Expected statistics of a series with gaps, worth the rows that are known, and probabilities of edges.

    Args:
        series: the values [time, variable], NaN where a value is missing; or one per realization.
        network: a lagged network with lines only, in the state a search begins from.

    Raises:
        DataError: what the draws keep of all rows would not fit into `MOST_NUMBERS`.
    """
    lags, variables = network.terms.max_lag, len(network.terms.variables)
    instant = 0 in network.terms.lags
    segments, values = segments_of(series), joined(series)
    if len(values) * variables**2 * (lags + 1) > MOST_NUMBERS:
        raise DataError(
            f"Cannot fill the gaps of {variables} series over {len(values)} rows with max_lag={lags}. This is because "
            f"what is known of the missing values would be more than {MOST_NUMBERS:.0e} numbers. Try fewer series, "
            "lags or rows, or series without gaps."
        )
    observed = ~np.isnan(values)
    center, scale = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    gaps = Gaps(
        seen=np.where(observed, (values - center) / scale, 0.0),
        observed=observed,
        predicted=np.concatenate([np.arange(len(segment)) >= lags for segment in segments]),
    )
    first = scaled(standardized(_available(gaps, lags), instant=instant), float(observed.mean()))
    active, process = _started(searched(network, first)[0], first)
    chains, draws = _affordable(len(values), variables, lags)
    found = augmented(gaps, network.packed, active, process, lags, seed=network.seed, draws=draws, chains=chains)
    unit = np.tile(scale, lags + 1)
    raw = Moments(float(gaps.predicted.sum()), found.first * unit, found.second * np.outer(unit, unit), center, lags)
    data = scaled(standardized(raw, instant=instant), found.share)
    chances = Chances(found.chances.term, found.chances.cause)
    whole: LaggedData = eqx.tree_at(lambda one: one.chances, data, chances, is_leaf=lambda part: part is None)
    return whole


def _affordable(rows: int, variables: int, lags: int) -> tuple[int, int]:
    """Chains, and draws of each: all of them if work and memory allow."""
    work, kept = rows * variables**3 * lags**2, rows * variables**2 * (lags + 1)
    most = min(MOST_WORK / (work * augmentation.DRAWS), MOST_NUMBERS / kept)
    chains = int(np.clip(most, 1, augmentation.CHAINS))
    return chains, int(np.clip(MOST_WORK / (work * chains), FEWEST_DRAWS, augmentation.DRAWS))


def _available(gaps: Gaps, lags: int) -> Moments:
    """Moments by the mean over what is there of each pair of columns, the nearest that are a covariance."""
    size = gaps.seen.shape[1]
    past, there = (
        np.concatenate([np.roll(table, lag, axis=0) for lag in range(lags + 1)], axis=1)[gaps.predicted].astype(float)
        for table in (gaps.seen, gaps.observed)
    )
    mean = past.T @ past / np.maximum(there.T @ there, 1.0)
    values, vectors = np.linalg.eigh(mean)
    second: Table = len(past) * (vectors * np.maximum(values, _LEAST_SPREAD)) @ vectors.T
    return Moments(float(len(past)), np.zeros(len(second)), second, np.zeros(size), lags)


def scaled(data: LaggedData, share: float) -> LaggedData:
    """The same statistics, worth a share of their rows."""
    parts = (data.gram, data.cross, data.power, data.targets, data.count)
    less = tuple(np.asarray(part) * share for part in parts)
    found: LaggedData = eqx.tree_at(lambda one: (one.gram, one.cross, one.power, one.targets, one.count), data, less)
    return found


def _started(network: LaggedNetwork, data: LaggedData) -> tuple[NDArray[np.bool_], Process]:
    """Graph [target, term] and process of a network, in the units of the data."""
    packed = network.packed
    mask = np.asarray(packed.mask)
    place = np.nonzero(mask)[0], np.asarray(packed.active)[mask]
    weights: Table = np.zeros((len(mask), len(np.asarray(data.term_scale))))
    weights[place] = np.asarray(packed.weight)[mask]
    active = np.zeros(weights.shape, bool)
    active[place] = True
    scale = np.asarray(data.target_scale)
    weights *= scale[:, None] / np.asarray(data.term_scale)
    shift = np.asarray(data.target_mean) - weights @ np.asarray(data.term_mean)
    return active, Process(weights, scale * np.sqrt(np.maximum(np.asarray(packed.noise), _LEAST_NOISE)), shift)
