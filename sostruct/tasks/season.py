r"""Deterministic seasons: means that depend on where in a period a row stands, taken off every series.

With t the step of a row on the clock of the series, the season of x_j is

    s_j(t) = sum over f of a_jf (cos(2 pi f t) - mean) + b_jf (sin(2 pi f t) - mean),    f = h / P, h = 1..H,

of every period P, fitted jointly with the intercept by least squares over the rows where x_j is observed. The basis at
t - tau spans the same functions as at t, so regressing what is left on its own past is, up to the first rows, the
regression of the series on its past and the season together (Frisch & Waugh 1933, Econometrica 1; Lovell 1963, JASA
58), and the number of basis functions is what its evidence has fewer rows. A frequency above one half of a row is
another below it and left out, and one that two periods share counts once.

Periods of up to `SHORT` rows get all harmonics, which is the same as a mean for every place in the period; longer ones
the first `HARMONICS`, which resolve a quarter of the 24th part of the period and smooth over anything sharper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sostruct.errors import ConfigError, DataError
from sostruct.tasks.adapters import realizations
from sostruct.tasks.clock import Clock

SHORT = 24
"""Rows of a period up to which every place in it has a mean of its own."""

HARMONICS = 12
"""Harmonics of longer periods."""

_ROWS_PER_TERM = 4
_DAYS = {"day": 1.0, "week": 7.0, "year": 365.2425}
_BUSINESS_DAYS = {"week": 5.0, "year": 261.0}
_MONTHS = {"year": 12.0}


@final
@dataclass(frozen=True)
class Season:
    """A season as it was found.

    Args:
        periods: in rows.
        frequencies: of the basis, cycles per row: a cosine each, and a sine below one half.
        coefficients: of every basis function [function, variable].
        means: of the basis functions over the rows it was found on, so that the season leaves the level alone.
        clock: what t counts.
    """

    periods: tuple[float, ...]
    frequencies: tuple[float, ...]
    coefficients: tuple[tuple[float, ...], ...]
    means: tuple[float, ...]
    clock: Clock

    @classmethod
    def fitted(cls, frame: pd.DataFrame, season: Any, harmonics: int | None) -> Season:
        """The season of a checked frame.

        Args:
            frame: series, perhaps of several realizations, NaN where a value is missing.
            season: a period in rows, "day", "week" or "year" where rows carry timestamps, or a list of such.
            harmonics: of every period; None for the default.

        Raises:
            ConfigError: a period that is none, or that the rows are too few for.
            DataError: a series is not observed in enough places of a period.
        """
        pieces = [piece for _, piece in realizations(frame)]
        clock = Clock.of(piece.index for piece in pieces)
        periods = tuple(_period(one, clock) for one in _listed(season))
        if harmonics is not None and (isinstance(harmonics, bool) or not isinstance(harmonics, int) or harmonics < 1):
            raise ConfigError(
                f"Cannot use harmonics={harmonics!r}. This is because it counts the waves of a season. Try 3, or None."
            )
        for period in periods:
            if 2 * period > len(frame):
                raise ConfigError(
                    f"Cannot take off a season of {period:g} rows. This is because there are {len(frame)}, not two "
                    "periods. Try a shorter season, or more rows."
                )
        frequencies = _frequencies(periods, harmonics)
        steps = np.concatenate([clock.steps(piece.index) for piece in pieces])
        basis = _basis(frequencies, steps)
        if len(frame) < _ROWS_PER_TERM * basis.shape[1]:
            raise ConfigError(
                f"Cannot take off a season of {basis.shape[1]} terms. This is because there are {len(frame)} rows, not "
                f"{_ROWS_PER_TERM} for each. Try fewer harmonics, such as harmonics=2."
            )
        means = basis.mean(axis=0)
        values = frame.to_numpy(np.float64)
        coefficients = _regressed(values, basis - means, list(frame.columns))
        return cls(periods, frequencies, tuple(map(tuple, coefficients.tolist())), tuple(means.tolist()), clock)

    @property
    def terms(self) -> int:
        """Number of basis functions."""
        return len(self.coefficients)

    def at(self, steps: NDArray[np.float64]) -> NDArray[np.float64]:
        """The season at steps of its clock [step, variable]."""
        basis = _basis(self.frequencies, steps) - np.asarray(self.means)
        found: NDArray[np.float64] = basis @ np.asarray(self.coefficients)
        return found

    def along(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """The season at every row of a gathered frame [row, variable]."""
        return np.concatenate([self.at(self.clock.steps(piece.index)) for _, piece in realizations(frame)])


def _listed(season: Any) -> Sequence[Any]:
    found = [season] if isinstance(season, (str, Real)) else list(season)
    if not found:
        raise ConfigError("Cannot use season=[]. This is because it names no period. Try season=12, or None for none.")
    return found


def _period(given: Any, clock: Clock) -> float:
    """A period in rows."""
    if isinstance(given, str):
        units = {"microsecond": _DAYS, "day": _DAYS, "business day": _BUSINESS_DAYS, "month": _MONTHS}
        if given not in units.get(clock.unit, {}):
            raise ConfigError(
                f"Cannot use season={given!r}. This is because the rows carry no timestamps that say how long it is. "
                "Try its number of rows, or an index of dates and season='day', 'week' or 'year'."
            )
        period = units[clock.unit][given] * (86400e6 if clock.unit == "microsecond" else 1.0) / clock.step
        nearest = round(period)
        period = float(nearest) if abs(period - nearest) < 1e-3 else period
    elif isinstance(given, bool) or not isinstance(given, Real) or not np.isfinite(float(given)):
        raise ConfigError(f"Cannot use season={given!r}. This is because it is a period in rows. Try season=12.")
    else:
        period = float(given)
    if period < 2:
        raise ConfigError(
            f"Cannot use season={given!r}. This is because its period is {period:g} rows, and a season takes at least "
            "2. Try a longer one."
        )
    return period


def _frequencies(periods: Sequence[float], harmonics: int | None) -> tuple[float, ...]:
    found: dict[float, float] = {}
    for period in periods:
        most = int(period / 2 + 1e-9)
        wanted = (most if period <= SHORT else HARMONICS) if harmonics is None else harmonics
        for number in range(1, min(wanted, most) + 1):
            found.setdefault(round(number / period, 12), number / period)
    return tuple(found[key] for key in sorted(found))


def _basis(frequencies: Sequence[float], steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cosines and sines [step, function]."""
    angles = 2 * np.pi * np.asarray(steps)[:, None] * np.asarray(frequencies)
    sines = np.sin(angles[:, np.asarray(frequencies) < 0.5 - 1e-9])
    return np.concatenate([np.cos(angles), sines], axis=1)


def _regressed(values: NDArray[np.float64], basis: NDArray[np.float64], names: Sequence[str]) -> NDArray[np.float64]:
    """Coefficients of the basis beside an intercept, from the rows where each column is observed [function, column]."""
    design = np.concatenate([np.ones((len(basis), 1)), basis], axis=1)
    seen = ~np.isnan(values)
    found = np.empty((design.shape[1], values.shape[1]))
    patterns, which = np.unique(seen, axis=1, return_inverse=True)
    for number, there in enumerate(patterns.T):
        columns = np.flatnonzero(which.reshape(-1) == number)
        solution, _, rank, _ = np.linalg.lstsq(design[there], values[there][:, columns], rcond=1e-8)
        if rank < design.shape[1]:
            raise DataError(
                f"Cannot take the season off {names[columns[0]]!r}. This is because it is not observed in all parts of "
                "the period. Try fewer harmonics, or leaving the column out."
            )
        found[:, columns] = solution
    return found[1:]
