"""Which edges may, must and must not be in a lagged graph, from the user's lists to masks over terms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sostruct.errors import ConfigError
from sostruct.networks.lagged.terms import AbstractTerms


@dataclass(frozen=True)
class Constraints:
    """Masks over [target, term] (and [target, cause] for `required_cause` and `instant`, the effects within a step that
    are not forbidden, whether the table has them or not); `start` holds the terms a search begins with."""

    allowed: NDArray[np.bool_]
    required: NDArray[np.bool_]
    required_cause: NDArray[np.bool_]
    start: NDArray[np.bool_]
    instant: NDArray[np.bool_]


def constraints(
    terms: AbstractTerms, forbidden: Iterable[Sequence[Any]], required: Iterable[Sequence[Any]]
) -> Constraints:
    """Masks of the two lists; a pair without a lag stands for all lags (forbidden) or for at least one (required).

    Raises:
        ConfigError: an unknown name, a lag outside 1..max_lag, or an edge both forbidden and required.
    """
    count, size = len(terms.variables), len(terms.terms)
    touched = terms.touched
    allowed = np.ones((count, size), bool)
    pinned = np.zeros((count, size), bool)
    pinned_cause = np.zeros((count, count), bool)
    instant = ~np.eye(count, dtype=bool)
    for cause, effect, lags in _read("forbidden", forbidden, terms, least=0):
        if 0 in lags:
            instant[effect, cause] = False
        barred = [_link(terms, cause, lag) for lag in lags if lag in terms.lags]
        allowed[effect, np.isin(touched, barred).any(axis=1)] = False
    for cause, effect, lags in _read("required", required, terms, least=min(terms.lags)):
        numbers = [_link(terms, cause, lag) for lag in lags]
        if not allowed[effect, numbers].any():
            raise ConfigError(
                f"Cannot require the edge {terms.variables[cause]} -> {terms.variables[effect]} (lag "
                f"{', '.join(map(str, lags))}). This is because it is also forbidden. Try removing it from one of the "
                "two lists."
            )
        if len(lags) == 1:
            pinned[effect, numbers] = True
        else:
            pinned_cause[effect, cause] = True
    start = pinned.copy()
    for effect, cause in np.argwhere(pinned_cause).tolist():
        column = np.flatnonzero((terms.causes == cause) & allowed[effect])
        if not start[effect, column].any():
            start[effect, column[0]] = True
    return Constraints(allowed, pinned, pinned_cause, start, instant)


def favored(terms: AbstractTerms, prior_odds: Iterable[Sequence[Any]]) -> NDArray[np.float64]:
    """Log factors on the prior odds of every term [target, term]; a term of two links has those of both.

    Args:
        terms: the term table.
        prior_odds: (cause, effect, factor) for all lags or (cause, effect, lag, factor).

    Raises:
        ConfigError: an unknown name, a lag that the table does not have, or a factor outside (0, inf).
    """
    found = np.zeros((len(terms.variables), len(terms.terms)))
    for entry in prior_odds:
        if isinstance(entry, str) or not isinstance(entry, Sequence) or len(entry) not in (3, 4):
            raise ConfigError(
                f"Cannot read the entry {entry!r} of prior_odds. This is because it is (cause, effect, factor) or "
                "(cause, effect, lag, factor). Try a list of such tuples."
            )
        factor = entry[-1]
        if isinstance(factor, bool) or not isinstance(factor, int | float | np.number) or not 0 < factor < np.inf:
            raise ConfigError(
                f"Cannot use the prior odds {factor!r} of {entry[0]} -> {entry[1]}. This is because odds are "
                "multiplied by a number between 0 and infinity. Try 10 for an edge that is more likely than others, or "
                "forbidden and required for one that is certain."
            )
        for cause, effect, lags in _read("prior_odds", [tuple(entry[:-1])], terms, least=min(terms.lags)):
            own = [_link(terms, cause, lag) for lag in lags]
            ends = np.isin(terms.touched, own)
            ends[:, 1] &= terms.touched[:, 0] != terms.touched[:, 1]
            found[effect] += ends.sum(axis=1) * np.log(float(factor))
    return found


def _link(terms: AbstractTerms, cause: int, lag: int) -> int:
    """A link's number, which is also that of its line."""
    return terms.link_numbers[terms.variables[cause], lag]


def _read(
    setting: str, edges: Iterable[Sequence[Any]], terms: AbstractTerms, *, least: int
) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    number = {name: index for index, name in enumerate(terms.variables)}
    for entry in edges:
        if isinstance(entry, str) or not isinstance(entry, Sequence) or len(entry) not in (2, 3):
            raise ConfigError(
                f"Cannot read the entry {entry!r} of {setting}. This is because an edge is (cause, effect) or "
                "(cause, effect, lag). Try a list of such tuples."
            )
        cause, effect = str(entry[0]), str(entry[1])
        for name in (cause, effect):
            if name not in number:
                known = ", ".join(terms.variables[:20]) + (", ..." if len(terms.variables) > 20 else "")
                raise ConfigError(
                    f"Cannot use {name!r} in {setting}. This is because the data have no such column. "
                    f"Try one of: {known}."
                )
        every = tuple(range(least, terms.max_lag + 1))
        lags = every if len(entry) == 2 else (_lag(setting, entry, least, terms.max_lag),)
        yield number[cause], number[effect], lags


def _lag(setting: str, entry: Sequence[Any], least: int, max_lag: int) -> int:
    lag = entry[2]
    if isinstance(lag, bool) or not isinstance(lag, int | np.integer) or not least <= lag <= max_lag:
        raise ConfigError(
            f"Cannot use lag {lag!r} of {entry[0]} -> {entry[1]} in {setting}. This is because lags are whole steps "
            f"from {least} to max_lag={max_lag}. Try a lag in that range or a larger max_lag."
        )
    return int(lag)
