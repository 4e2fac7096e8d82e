"""What predictive checks compare: numbers that summarize a series or a subject's choices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from sostruct.errors import ConfigError
from sostruct.tasks.base import listed

Floats: TypeAlias = NDArray[np.float64]

Statistic: TypeAlias = Callable[[Floats, Floats | None], float]
"""Of the inputs [time, input] and the responses [time] of one subject, NaN where missing: a number."""


def mean(series: Floats) -> float:
    """Mean of what is not missing."""
    return float(np.mean(_known(series)))


def variance(series: Floats) -> float:
    """Variance of what is not missing."""
    return float(np.var(_known(series)))


def autocorrelation(series: Floats) -> float:
    """Correlation of neighbors, of the pairs that are both there; 0 where nothing varies."""
    center = series - np.nanmean(series)
    pairs = center[1:] * center[:-1]
    power = float(np.nanmean(center**2))
    return float(np.nanmean(pairs)) / power if power > 0.0 and np.isfinite(pairs).any() else 0.0


def longest_run(series: Floats) -> float:
    """Steps in the longest run on one side of the mean, or of one value where there are two; gaps are passed over."""
    known = _known(series)
    return longest_stay(np.where(known > known.mean(), 1.0, 0.0))


def longest_stay(series: Floats) -> float:
    """Steps in the longest run of one value; gaps are passed over."""
    known = _known(series)
    changes = np.flatnonzero(np.diff(known))
    return float(np.max(np.diff(np.concatenate([[-1], changes, [len(known) - 1]]))))


def switch_rate(series: Floats) -> float:
    """Share of neighbors, both there, that differ."""
    pairs = np.diff(series)
    known = pairs[~np.isnan(pairs)]
    return float(np.mean(known != 0.0)) if known.size else 0.0


OF_INPUTS: Mapping[str, Callable[[Floats], float]] = {
    "mean": mean,
    "variance": variance,
    "autocorrelation": autocorrelation,
    "longest_run": longest_run,
}
"""Statistics of every input by itself, and of responses that are measured."""

OF_CHOICES: Mapping[str, Callable[[Floats], float]] = {
    "mean": mean,
    "variance": variance,
    "longest_run": longest_stay,
    "switch_rate": switch_rate,
}
"""Statistics of responses that are choices; "accuracy" is one more."""


def accuracy(column: int) -> Statistic:
    """Share of responses that equal an input, of the steps at which both are there."""

    def share(inputs: Floats, responses: Floats | None) -> float:
        assert responses is not None
        known = ~np.isnan(inputs[:, column]) & ~np.isnan(responses)
        return float(np.mean(responses[known] == inputs[known, column])) if known.any() else np.nan

    return share


def chosen(
    names: Sequence[str] | Mapping[str, Statistic] | None,
    inputs: tuple[str, ...],
    responses: str | None,
    told: str | None,
) -> dict[str, Statistic]:
    """Statistics by what a table calls them.

    Args:
        names: those that are known by name, or functions of one's own by name; None for all that apply.
        inputs: of the network.
        responses: "choices" or "measurements" where responses are compared, and None where inputs are.
        told: the input that responses should equal, for "accuracy", or None where there is no such.

    Raises:
        ConfigError: a name is unknown, or asks for what there is not.
    """
    if isinstance(names, Mapping):
        return dict(names)
    table = OF_CHOICES if responses == "choices" else OF_INPUTS
    known = [*table, *(["accuracy"] if told is not None else [])]
    found: dict[str, Statistic] = {}
    for name in known if names is None else ([names] if isinstance(names, str) else names):
        if name not in known:
            raise ConfigError(
                f"Cannot compare {name!r}. This is because no statistic of {responses or 'inputs'} "
                f"has that name here. Try some of {listed(known)}, or statistics={{'mine': function}}."
            )
        if name == "accuracy":
            found[name] = accuracy(inputs.index(str(told)))
        elif responses is not None:
            found[name] = _of_responses(table[name])
        else:
            for column, own in enumerate(inputs):
                found[f"{name} of {own}"] = _of_input(table[name], column)
    return found


def _of_responses(function: Callable[[Floats], float]) -> Statistic:
    def of(inputs: Floats, responses: Floats | None) -> float:
        del inputs
        assert responses is not None
        return function(responses)

    return of


def _of_input(function: Callable[[Floats], float], column: int) -> Statistic:
    def of(inputs: Floats, responses: Floats | None) -> float:
        del responses
        return function(inputs[:, column])

    return of


def _known(series: Floats) -> Floats:
    return series[~np.isnan(series)]
