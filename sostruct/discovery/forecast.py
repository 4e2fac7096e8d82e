"""Predicting a series with a found graph, and scoring the predictions on data it did not see."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from math import lgamma
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sostruct.discovery.posterior import Posterior
from sostruct.discovery.simulation import followed, linear, links_of
from sostruct.errors import DataError
from sostruct.networks.lagged.weighted import of_target
from sostruct.tasks.adapters import like, realizations
from sostruct.tasks.base import listed
from sostruct.tasks.checks import check_numbers

PATHS = 100
"""Simulated courses behind a forecast several steps ahead of a system that is not linear."""


@dataclass(frozen=True, eq=False)
class Forecast:
    """Predictions `steps` ahead of every row that has enough past, and beyond the end.

    Attributes:
        mean, sd: prediction of each row from the rows up to `steps` before it, and its standard deviation, in the
            data's units [time x variable]; rows without enough past are left out.
        log_score: mean log predictive density of each variable over those rows, nats per sample. Higher is better; on
            rows the graph was found on it is optimistic.
        future, future_sd: the `steps` rows after the last one.
    """

    mean: pd.DataFrame
    sd: pd.DataFrame
    log_score: pd.Series
    future: pd.DataFrame
    future_sd: pd.DataFrame


def series_like(data: Any, variables: Sequence[str]) -> pd.DataFrame:
    """New data as a frame with exactly the `variables` a graph was found on, in their order.

    Args:
        data: a DataFrame whose columns include the variables, or an array with one column per variable in their order;
            or several realizations of such (`tasks.adapters.gathered`).

    Raises:
        DataError: a column is missing or not numeric, the array has another width, or values are missing or infinite.
    """
    given = like(data, variables)
    frame = given.set_axis([str(label) for label in given.columns], axis=1)
    absent = [name for name in variables if name not in frame.columns]
    if absent:
        raise DataError(
            f"Cannot predict this frame. This is because it lacks the columns {listed(absent)}. Try the columns "
            "that the graph was found on."
        )
    frame = frame.loc[:, list(variables)]
    if frame.shape[1] > len(variables):
        raise DataError("Cannot predict this frame. This is because a column name occurs twice in it.")
    values = check_numbers(frame, tuple(variables))
    bad = ~np.isfinite(values)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise DataError(
            f"Cannot predict from column {variables[column]!r}. This is because it is missing or infinite in row {row} "
            "(counting from 0). Try rows without gaps."
        )
    return pd.DataFrame(values, index=frame.index, columns=list(variables))


def predicted(posterior: Posterior, frame: pd.DataFrame, steps: int) -> Forecast:
    """Predictions in the user's units, of every realization by itself: the treatment of the series the graph was found
    on is applied to the frame and undone on what comes of it.

    Args:
        posterior: what predicts.
        frame: as of `series_like`.
        steps: how many rows ahead.

    Raises:
        DataError: see `forecast`.
    """
    pieces = list(realizations(frame))
    found = [_in_units(posterior, piece, steps) for _, piece in pieces]
    if not isinstance(frame.index, pd.MultiIndex):
        return found[0]
    labels, names = [label for label, _ in pieces], list(frame.index.names)

    def stacked(part: str) -> pd.DataFrame:
        tables: list[pd.DataFrame] = [getattr(one, part) for one in found]
        return pd.concat(tables, keys=labels, names=names)

    scored = [(len(one.mean), one.log_score) for one in found if len(one.mean)]
    rows = sum(count for count, _ in scored)
    score = sum((count * own for count, own in scored), 0.0 * found[0].log_score.fillna(0.0))
    return Forecast(
        stacked("mean"),
        stacked("sd"),
        (score / rows if rows else found[0].log_score).rename("log_score"),
        stacked("future"),
        stacked("future_sd"),
    )


def _in_units(posterior: Posterior, frame: pd.DataFrame, steps: int) -> Forecast:
    treatment = posterior.treatment
    if not treatment.changes_values:
        return forecast(posterior, frame, steps)
    found = forecast(posterior, treatment.applied(frame), steps)
    clock = treatment.clock.steps(frame.index)
    ahead = clock[-1] + np.arange(1, steps + 1)
    first = len(frame) - len(found.mean)
    columns = found.mean.columns
    mean, sd = treatment.undone(found.mean.to_numpy(), found.sd.to_numpy(), clock[first:])
    future, future_sd = treatment.undone(found.future.to_numpy(), found.future_sd.to_numpy(), ahead)
    return Forecast(
        pd.DataFrame(mean, index=found.mean.index, columns=columns),
        pd.DataFrame(sd, index=found.mean.index, columns=columns),
        found.log_score + treatment.log_slopes(frame.to_numpy(np.float64)[first:]),
        pd.DataFrame(future, index=found.future.index, columns=columns),
        pd.DataFrame(future_sd, index=found.future.index, columns=columns),
    )


def forecast(posterior: Posterior, frame: pd.DataFrame, steps: int) -> Forecast:
    r"""Predicts every row `steps` ahead by iterating the regressions; those with curves or products by simulation.

    Each one-step prediction is Student-t with n degrees of freedom (or those of the noise's tails: then the standard
    deviation is as below, not the scale), mean `a_j + sum_k w_jk z_k` and squared scale
    `s_j^2 (1 + 1/n + z' A_S^-1 z)` with standardized terms z (Zellner 1971): noise and uncertain weights both count.
    Further ahead the noise of the steps between is carried by the impulse responses of the mean weights (`sum_i
    Psi_h[j, i]^2 s_i^2` per step, Luetkepohl 2005, 2.2), the uncertainty of the weights enters at the last step only,
    and the density is taken as Student-t again. Where a mechanism is not linear, `PATHS` courses of the steps between
    are simulated with the same noise for every row, and their mean and variance are reported.

    Raises:
        DataError: too few rows, or `steps` is not positive.
    """
    if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 1:
        raise DataError(f"Cannot predict steps={steps!r} ahead. This is because it is a number of rows. Try 1 or more.")
    lags, count = posterior.max_lag, len(posterior.variables)
    if len(frame) < lags:
        raise DataError(
            f"Cannot predict from {len(frame)} rows. This is because the graph looks back {lags} rows. Try at least "
            f"{lags}."
        )
    values = frame.to_numpy(np.float64)
    weights, response = _reduced(posterior)
    past = np.stack([values[lag : len(values) - lags + 1 + lag] for lag in range(lags)], axis=1)
    if linear(posterior) or steps == 1:
        for step in range(steps):
            terms = links_of(past)
            ahead = _next(posterior, terms)
            if step < steps - 1:
                past = followed(past, ahead)
        base = posterior.noise_sd**2 * (_one_step_factor(posterior, terms) - 1) @ (response**2).T
        sd = np.sqrt(base + _noise_variance(posterior, weights, response, steps)[-1])
    else:
        means, variances = _simulated(posterior, past, steps)
        ahead, sd = means[-1], np.sqrt(variances[-1])
    scored = max(len(values) - lags - steps + 1, 0)
    columns = list(posterior.variables)
    rows = frame.index[lags + steps - 1 :]
    mean = pd.DataFrame(ahead[:scored], index=rows, columns=columns)
    spread = pd.DataFrame(sd[:scored], index=rows, columns=columns)
    density = _student_t(values[lags + steps - 1 :], ahead[:scored], sd[:scored], _freedom(posterior))
    score = density.mean(axis=0) if scored else np.full(count, np.nan)
    future, future_sd = _continue(posterior, weights, response, values, steps)
    index = next_index(frame.index, steps)
    return Forecast(
        mean,
        spread,
        pd.Series(score, index=columns, name="log_score"),
        pd.DataFrame(future, index=index, columns=columns),
        pd.DataFrame(future_sd, index=index, columns=columns),
    )


def _reduced(posterior: Posterior) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights of the past [target, lagged link] and of the noise of the same step [target, source], effects within the
    step passed on: `(I - B_0)^-1 B` and `(I - B_0)^-1`."""
    count, lagged = len(posterior.variables), posterior.max_lag * len(posterior.variables)
    weights = np.where(posterior.active, posterior.weight, 0.0)
    if not posterior.instant:
        return weights, np.eye(count)
    response = np.linalg.inv(np.eye(count) - weights[:, lagged:]).astype(np.float64)
    return response @ weights[:, :lagged], response


def _one_step_factor(posterior: Posterior, terms: NDArray[np.float64]) -> NDArray[np.float64]:
    if posterior.instant:
        terms = np.concatenate([terms, _next(posterior, terms)], axis=1)
    factor = np.full((len(terms), len(posterior.variables)), 1 + 1 / posterior.count)
    for target, slots in enumerate(posterior.slots):
        used = slots >= 0
        chosen = slots[used]
        mean, scale = of_target(posterior.term_mean, target), of_target(posterior.term_scale, target)
        own = (posterior.terms.columns(terms, chosen) - mean[chosen]) / scale[chosen]
        factor[:, target] += np.einsum("ti,ij,tj->t", own, posterior.inverse[target][np.ix_(used, used)], own)
    return factor


def _next(posterior: Posterior, links: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of every target given all lagged links [..., link]."""
    if linear(posterior):
        weights, response = _reduced(posterior)
        return np.asarray(links @ weights.T + response @ posterior.intercept)
    ahead = np.broadcast_to(posterior.intercept, (*links.shape[:-1], len(posterior.variables))).copy()
    for target, (slots, coefficient) in enumerate(zip(posterior.slots, posterior.coefficient, strict=True)):
        used = slots >= 0
        ahead[..., target] += posterior.terms.columns(links, slots[used]) @ coefficient[used]
    return ahead


def _simulated(
    posterior: Posterior, past: NDArray[np.float64], steps: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance 1..steps ahead [step, row, target] of courses that begin with `past` [row, lag, variable],
    the oldest first."""
    generator = np.random.default_rng(0)
    rows, _, count = past.shape
    paths = np.broadcast_to(past, (PATHS, *past.shape))
    means, variances = [], []
    for step in range(steps):
        links = links_of(paths).reshape(PATHS * rows, -1)
        ahead = _next(posterior, links).reshape(PATHS, rows, count)
        doubt = (_one_step_factor(posterior, links).reshape(ahead.shape).mean(axis=0)) * posterior.noise_sd**2
        means.append(ahead.mean(axis=0))
        variances.append(ahead.var(axis=0) + doubt)
        if step < steps - 1:
            noise = generator.standard_normal((PATHS, 1, count)) * posterior.noise_sd
            paths = followed(paths, ahead + noise)
    return np.stack(means), np.stack(variances)


def _noise_variance(
    posterior: Posterior, weights: NDArray[np.float64], response: NDArray[np.float64], steps: int
) -> NDArray[np.float64]:
    """Variance the noise of steps 1..h adds to a prediction h ahead [h, target]."""
    count = len(posterior.variables)
    by_lag = weights.reshape(count, posterior.max_lag, count).transpose(1, 0, 2)
    responses = [response]
    for step in range(1, steps):
        terms = (by_lag[lag] @ responses[step - 1 - lag] for lag in range(min(step, posterior.max_lag)))
        responses.append(np.sum(list(terms), axis=0))
    per_step = np.stack([response**2 @ posterior.noise_sd**2 for response in responses])
    return np.cumsum(per_step, axis=0)


def _continue(
    posterior: Posterior,
    weights: NDArray[np.float64],
    response: NDArray[np.float64],
    values: NDArray[np.float64],
    steps: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    path = values[-posterior.max_lag :]
    if not linear(posterior):
        means, variances = _simulated(posterior, path[None], steps)
        return means[:, 0], np.sqrt(variances[:, 0])
    weight_part = []
    for _ in range(steps):
        terms = links_of(path[-posterior.max_lag :])[None]
        weight_part.append(response**2 @ (posterior.noise_sd**2 * (_one_step_factor(posterior, terms)[0] - 1)))
        path = np.concatenate([path, _next(posterior, terms)])
    variance = _noise_variance(posterior, weights, response, steps) + np.stack(weight_part)
    return path[posterior.max_lag :], np.sqrt(variance)


def _freedom(posterior: Posterior) -> NDArray[np.float64]:
    """Degrees of freedom of predictions [target]: of the tails of the noise, else the rows."""
    count = np.full(len(posterior.variables), posterior.count)
    return np.minimum(posterior.freedom, count) if len(posterior.freedom) else count


def _student_t(
    values: NDArray[np.float64], mean: NDArray[np.float64], sd: NDArray[np.float64], freedom: NDArray[np.float64]
) -> NDArray[np.float64]:
    scale = sd * np.sqrt((freedom - 2) / freedom)
    gamma = np.array([lgamma((one + 1) / 2) - lgamma(one / 2) for one in freedom.tolist()])
    constant = gamma - np.log(freedom * np.pi) / 2
    squared = ((values - mean) / scale) ** 2
    return np.asarray(constant - np.log(scale) - (freedom + 1) / 2 * np.log1p(squared / freedom))


def next_index(index: pd.Index, steps: int) -> pd.Index:
    """The labels of the rows after the last one."""
    if isinstance(index, pd.DatetimeIndex):
        frequency = _frequency(index)
        if frequency is not None:
            return pd.date_range(index[-1], periods=steps + 1, freq=frequency)[1:]
    if isinstance(index, pd.PeriodIndex):
        return pd.period_range(index[-1] + 1, periods=steps)
    start = int(index[-1]) + 1 if isinstance(index, pd.RangeIndex) else len(index)
    return pd.RangeIndex(start, start + steps)


def _frequency(index: pd.DatetimeIndex) -> Any:
    """The calendar step of an index: its own, a constant one, or one that pandas recognizes."""
    if index.freq is not None or len(index) < 2:
        return index.freq
    gaps = index[1:] - index[:-1]
    if (gaps == gaps[0]).all():
        return gaps[0]
    if len(index) < 3:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas announces that it will return an object instead of a name
        return pd.infer_freq(index)
