"""What was done to series before they were searched, kept with what was found in them.

Design note. `treated` is the one door through which data reach causal discovery: adapters, irregular rows, refusals,
checks, transforms of counts, seasons, in this order. What it did is a `Treatment`: plain settings that go with the
network into the result, so that new data are treated alike and predictions come back in the user's units.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Self, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sostruct.errors import ConfigError
from sostruct.tasks.adapters import gathered, realizations
from sostruct.tasks.advice import advise
from sostruct.tasks.checks import check_frame
from sostruct.tasks.clock import Clock
from sostruct.tasks.discrete import COUNT, destabilized, log_slope, recognized, restored, stabilized
from sostruct.tasks.resampling import resampled
from sostruct.tasks.season import Season

IRREGULAR = ("refuse", "resample")
"""What may be done with rows at unequal distances in time."""


@final
@dataclass(frozen=True)
class Treatment:
    """What was done to every series, in order.

    Args:
        kinds: of the series that were transformed: "count", or "" for one that was not; empty where none was
            [variable].
        season: what was taken off, or None.
        realizations: how many there were.
        resampled: what was done to irregular rows, in words; empty where nothing was.
    """

    kinds: tuple[str, ...] = ()
    season: Season | None = None
    realizations: int = 1
    resampled: str = ""

    @property
    def changes_values(self) -> bool:
        """Whether treated series are in other units than those that were handed in."""
        return bool(self.kinds) or self.season is not None

    @property
    def spent(self) -> int:
        """Degrees of freedom of what was taken off: rows that evidence has fewer."""
        return 0 if self.season is None else self.season.terms

    @property
    def steps(self) -> tuple[str, ...]:
        """What was done, one sentence each."""
        found = [self.resampled] if self.resampled else []
        if self.realizations > 1:
            found.append(f"{self.realizations} realizations were searched together.")
        if any(self.kinds):
            found.append(f"{sum(map(bool, self.kinds))} series of counts were searched as 2 sqrt(x + 3/8).")
        if self.season is not None:
            periods = ", ".join(f"{period:g}" for period in self.season.periods)
            found.append(f"A season of {periods} rows, {self.spent} terms, was taken off every series.")
        return tuple(found)

    def applied(self, frame: pd.DataFrame) -> pd.DataFrame:
        """A frame of the same series treated alike."""
        values = self._transformed(frame.to_numpy(np.float64))
        if self.season is not None:
            values = values - self.season.along(frame)
        return pd.DataFrame(values, index=frame.index, columns=frame.columns)

    def undone(
        self, mean: NDArray[np.float64], sd: NDArray[np.float64], steps: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation in the user's units of predictions of treated series.

        Args:
            mean, sd: [row, variable].
            steps: of the rows, on the clock of the season [row].
        """
        if self.season is not None:
            mean = mean + self.season.at(steps)
        counts = self._counts
        if counts.any():
            mean, sd = mean.copy(), sd.copy()
            mean[:, counts], sd[:, counts] = restored(mean[:, counts], sd[:, counts])
        return mean, sd

    def inward(self, values: NDArray[np.float64], steps: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values in the user's units as those of treated series [row, variable].

        Args:
            values: [row, variable].
            steps: of the rows, on the clock of the season [row].
        """
        found = self._transformed(values)
        return found if self.season is None else found - self.season.at(steps)

    def outward(self, values: NDArray[np.float64], steps: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values of treated series in the user's units: what `inward` takes back, one by one.

        Args:
            values: [row, ..., variable].
            steps: of the rows, on the clock of the season [row].
        """
        if self.season is not None:
            season = self.season.at(steps)
            values = values + season.reshape(len(season), *[1] * (values.ndim - 2), -1)
        counts = self._counts
        if counts.any():
            values = values.copy()
            values[..., counts] = destabilized(values[..., counts])
        return values

    def log_slopes(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean over rows of the log derivative of every transform, nats [variable].

        Args:
            values: in the user's units [row, variable].
        """
        found = np.zeros(values.shape[1])
        counts = self._counts
        if counts.any() and len(values):
            found[counts] = log_slope(values[:, counts]).mean(axis=0)
        return found

    @property
    def clock(self) -> Clock:
        """The clock of the season; that of rows without one."""
        return Clock() if self.season is None else self.season.clock

    @property
    def _counts(self) -> NDArray[np.bool_]:
        return np.array([kind == COUNT for kind in self.kinds], bool)

    def _transformed(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        counts = self._counts
        if counts.any():
            values = values.copy()
            values[:, counts] = stabilized(values[:, counts])
        return values

    def to_json(self) -> str:
        """All of it as text."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What `to_json` wrote.

        Raises:
            ValueError, KeyError, TypeError: the text is something else.
        """
        given: dict[str, Any] = json.loads(text)
        season = given.pop("season")
        kinds = tuple(given.pop("kinds"))
        if season is None:
            return cls(kinds=kinds, **given)
        clock, coefficients = Clock(**season.pop("clock")), tuple(map(tuple, season.pop("coefficients")))
        found = Season(coefficients=coefficients, clock=clock, **{name: tuple(value) for name, value in season.items()})
        return cls(kinds=kinds, season=found, **given)


UNTREATED = Treatment()
"""Series as they were handed in."""


def treated(
    data: Any,
    max_lag: int,
    *,
    season: Any = None,
    harmonics: int | None = None,
    irregular: str = "refuse",
    discrete: str = "transform",
) -> tuple[pd.DataFrame, Treatment]:
    """Series that can be searched, and what was done to them.

    Args:
        data: whatever `adapters.gathered` takes.
        max_lag: the largest lag, in rows.
        season, harmonics: see `Season.fitted`; None for no season.
        irregular: "refuse" or "resample" rows at unequal distances in time (`resampling`).
        discrete: "transform" or "keep" counts, or "refuse" them and binary series (`discrete`).

    Returns:
        a float64 frame [time x series], of several realizations with an index (realization, time); the treatment.

    Raises:
        DataError: data that cannot be used; the message names the column.
        ConfigError: settings that do not exist or do not fit the data.

    Warns:
        DataWarning: whatever may mislead (`advice`), and whatever was changed.
    """
    if irregular not in IRREGULAR:
        raise ConfigError(
            f"Cannot use irregular={irregular!r}. This is because it is one of {', '.join(IRREGULAR)}. Try 'resample', "
            "which puts rows on equal steps and says what it did."
        )
    frame, done = gathered(data), ""
    if irregular == "resample":
        frame, done = resampled(frame)
    frame = check_frame(frame, max_lag, gaps=True)
    values, names = frame.to_numpy(np.float64), list(frame.columns)
    kinds = recognized(values, names, discrete)
    pieces = [piece.to_numpy(np.float64) for _, piece in realizations(frame)]
    treatment = Treatment(kinds if any(kinds) else (), None, len(pieces), done)
    frame = treatment.applied(frame)
    if season is not None:
        found = Season.fitted(frame, season, harmonics)
        treatment = Treatment(treatment.kinds, found, len(pieces), done)
        frame = pd.DataFrame(frame.to_numpy() - found.along(frame), index=frame.index, columns=frame.columns)
        check_frame(frame, max_lag, gaps=True)  # a series that is nothing but its season leaves rounding errors
    advise([piece.to_numpy(np.float64) for _, piece in realizations(frame)], names)
    return frame, treatment
