"""What would happen if some series were held at given values: the do-operator on the found mechanisms.

A series that is held forgets its own mechanism: nothing acts on it any more, its causes and its noise included (Pearl
2009, Causality). All others follow theirs. Every course is simulated twice, with the same coefficients and the same
noise, once with the series held and once without (or held at other values), so the difference is the effect of holding
them and nothing else.

Series that were treated before the search are held, simulated and told in the user's units: a value is put on the scale
of the mechanisms at the step at which it is held, and every course is put back by itself. The phase of a season is that
of the rows to go on from.

The answer is as good as the graph: it takes every edge in it for a cause, and no other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sostruct.discovery.forecast import next_index, series_like
from sostruct.discovery.posterior import Posterior
from sostruct.discovery.simulation import Mechanisms, WithinStep, followed, residuals
from sostruct.errors import ConfigError, DataError
from sostruct.networks.lagged.weighted import by_target
from sostruct.tasks.adapters import realizations
from sostruct.tasks.base import listed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INTERVAL = (0.05, 0.95)
"""Quantiles between which nine courses of ten are."""

FAR = 4.0
"""Standard deviations from its mean beyond which a series was hardly ever seen."""

_FEWEST = 10
"""Residuals to draw noise from."""

Table = NDArray[np.float64]


@final
@dataclass(frozen=True, eq=False)
class Intervention:
    """The courses of all series with some of them held, and without; all tables [step x variable], data units.

    Attributes:
        held: the series that are held, and at what [step x held variable].
        mean, sd: over courses: noise, and coefficients that the data leave open.
        lower, upper: 5 % and 95 % quantiles of the courses.
        reference: mean of the same courses without the intervention, or with the one it is compared with.
        effect: mean of the difference between the two, course by course.
        effect_sd: its standard deviation over courses: the doubt about coefficients, the graph taken as given, and what
            the held series would have done by themselves. Between two interventions on one linear system the noise
            cancels, and the doubt is left.
        notes: what to know before using this.
    """

    held: pd.DataFrame
    mean: pd.DataFrame
    sd: pd.DataFrame
    lower: pd.DataFrame
    upper: pd.DataFrame
    reference: pd.DataFrame
    effect: pd.DataFrame
    effect_sd: pd.DataFrame
    notes: tuple[str, ...]

    def plot(self, series: Sequence[str] | None = None) -> Figure:
        """The courses of the given series, those that are moved most when None, with and without the intervention."""
        from sostruct.reports.courses_figure import draw_courses

        return draw_courses(self.mean, self.lower, self.upper, self.reference, tuple(self.held.columns), series)

    def __repr__(self) -> str:
        last = self.effect.drop(columns=self.held.columns).iloc[-1]
        order = last.abs().sort_values(ascending=False, kind="stable").index[:3]
        moved = ", ".join(f"{name} by {last[name]:.3g} +- {self.effect_sd[name].iloc[-1]:.2g}" for name in order)
        held = ", ".join(f"{name} at {_shown(self.held[name].to_numpy())}" for name in self.held)
        lines = [f"Intervention: {held} for {len(self.mean)} steps; after the last, most moved: {moved or 'none'}"]
        return "\n  ".join([*lines, *self.notes])


def intervene(
    posterior: Posterior,
    pairs: pd.DataFrame,
    values: Mapping[str, Any],
    steps: int,
    *,
    against: Mapping[str, Any] | None = None,
    start: pd.DataFrame | Any = None,
    noise: pd.DataFrame | Any = None,
    samples: int = 500,
    seed: int = 0,
) -> Intervention:
    """Simulates the found mechanisms with some series held (`Discovery.intervene` says how).

    Args:
        posterior: the mechanisms.
        pairs: pairs that are linked within the step without being a mechanism (`WithinStep.of`).
        values, steps, against, start, noise, samples, seed: as of `Discovery.intervene`.

    Raises:
        ConfigError, DataError: as of `Discovery.intervene`.
    """
    steps, samples = (_counted(name, value) for name, value in (("steps", steps), ("samples", samples)))
    held = _held(values, posterior.variables, steps)
    other = {} if against is None else _held(against, posterior.variables, steps)
    center, spread = _seen(posterior)
    index: pd.Index = pd.RangeIndex(1, steps + 1, name="step")
    rows = np.tile(center, (posterior.max_lag, 1))
    treatment, ahead = posterior.treatment, np.arange(1.0, steps + 1)
    if start is None and treatment.season is not None:
        raise DataError(
            "Cannot intervene without rows to start from. This is because a season was taken off these series, and "
            "their values depend on when they are held. Try start=frame: the rows to go on from."
        )
    if start is not None:
        frame = series_like(start, posterior.variables)
        if isinstance(frame.index, pd.MultiIndex):
            raise DataError(
                "Cannot go on from several realizations. This is because courses go on from the last rows of one. Try "
                "the rows of one realization."
            )
        if len(frame) < posterior.max_lag:
            raise DataError(
                f"Cannot go on from {len(frame)} rows. This is because the graph looks back {posterior.max_lag} rows. "
                f"Try at least {posterior.max_lag}, or no start: the means of the series."
            )
        rows, index = treatment.applied(frame).to_numpy()[-posterior.max_lag :], next_index(frame.index, steps)
        ahead = treatment.clock.steps(frame.index)[-1] + ahead
    within = WithinStep.of(posterior, pairs)
    generator = np.random.default_rng(seed)
    errors = None if noise is None else _errors(posterior, noise)
    mechanisms = Mechanisms.drawn(posterior, within, samples, generator, errors)
    number = {name: place for place, name in enumerate(posterior.variables)}
    worlds = [_inward(posterior, course, ahead) for course in (held, other)]
    courses = np.empty((steps, 2, samples, len(number)))
    past = np.broadcast_to(rows, (2, samples, *rows.shape))
    with np.errstate(over="ignore", invalid="ignore"):
        for step in range(steps):
            drawn = mechanisms.noise(generator)
            for world, clamped in enumerate(worlds):
                values_now = {number[name]: float(course[step]) for name, course in clamped.items()}
                courses[step, world] = mechanisms.row(past[world], drawn, values_now)
            past = followed(past, courses[step])
            if not np.isfinite(courses[step]).all():
                raise DataError(
                    f"Cannot simulate {steps} steps. This is because the found mechanisms run away at step {step + 1}: "
                    "they are used outside the values that they were found on. Try fewer steps, or values nearer to "
                    "those seen."
                )
    courses = treatment.outward(courses, ahead)
    forced, reference = courses[:, 0], courses[:, 1]
    names = list(posterior.variables)

    def table(array: Table) -> pd.DataFrame:
        return pd.DataFrame(array, index=index, columns=names)

    lower, upper = np.quantile(forced, INTERVAL, axis=1)
    return Intervention(
        held=pd.DataFrame(held, index=index),
        mean=table(forced.mean(axis=1)),
        sd=table(forced.std(axis=1)),
        lower=table(lower),
        upper=table(upper),
        reference=table(reference.mean(axis=1)),
        effect=table((forced - reference).mean(axis=1)),
        effect_sd=table((forced - reference).std(axis=1)),
        notes=_notes(worlds, within, number, center, spread),
    )


def _counted(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise DataError(f"Cannot simulate with {name}={value!r}. This is because it is a number. Try 1 or more.")
    return int(value)


def _held(values: Mapping[str, Any], variables: Sequence[str], steps: int) -> dict[str, Table]:
    """The value of every held series at every step."""
    if not isinstance(values, Mapping) or not values:
        raise ConfigError(
            f"Cannot intervene with {values!r}. This is because it says not which series is held at which value. Try "
            f"{{{variables[0]!r}: 0.0}}."
        )
    held = {}
    for name, value in values.items():
        if name not in variables:
            raise ConfigError(
                f"Cannot hold {name!r}. This is because the graph has no such series. Try one of: {listed(variables)}."
            )
        try:
            course = np.asarray(value, np.float64)
        except (TypeError, ValueError):
            raise DataError(f"Cannot hold {name!r} at {value!r}. This is because it is no number. Try 0.0.") from None
        if course.ndim > 1 or (course.ndim == 1 and len(course) != steps):
            raise DataError(
                f"Cannot hold {name!r} at values of shape {course.shape}. This is because there are {steps} steps. Try "
                f"one number, or {steps} of them."
            )
        if not np.isfinite(course).all():
            raise DataError(
                f"Cannot hold {name!r} at {value!r}. This is because it is missing or infinite. Try finite numbers."
            )
        held[str(name)] = np.broadcast_to(course, (steps,)).copy()
    return held


def _inward(posterior: Posterior, held: Mapping[str, Table], ahead: Table) -> dict[str, Table]:
    """The held courses on the scale of the mechanisms, at steps `ahead` of the season's clock."""
    treatment, names = posterior.treatment, posterior.variables
    if not treatment.changes_values:
        return dict(held)
    for name, kind in zip(names, treatment.kinds, strict=False):
        if kind and name in held and held[name].min() < 0:
            raise DataError(
                f"Cannot hold {name!r} at {held[name].min():.4g}. This is because it is a series of counts. Try 0 or "
                "more."
            )
    values = np.zeros((len(ahead), len(names)))
    for name, course in held.items():
        values[:, names.index(name)] = course
    found = treatment.inward(values, ahead)
    return {name: found[:, names.index(name)] for name in held}


def _errors(posterior: Posterior, noise: Any) -> Table:
    """Residuals of given rows [row, target], of every realization from its own past."""
    frame = series_like(noise, posterior.variables)
    pieces = [piece.to_numpy(np.float64) for _, piece in realizations(posterior.treatment.applied(frame))]
    empty = np.zeros((0, len(posterior.variables)))
    parts = [residuals(posterior, piece) for piece in pieces if len(piece) > posterior.max_lag]
    errors = np.concatenate([empty, *parts])
    if len(errors) < _FEWEST:
        raise DataError(
            f"Cannot draw noise from {len(errors)} residuals. This is because fewer than {_FEWEST} have no shape. Try "
            "the rows that the graph was found on, or no noise: Gaussian."
        )
    return errors


def _seen(posterior: Posterior) -> tuple[Table, Table]:
    """Mean and standard deviation of every series."""
    if len(posterior.location):
        return posterior.location, posterior.scale
    count = len(posterior.variables)
    mean, scale = (by_target(table, count)[:, :count] for table in (posterior.term_mean, posterior.term_scale))
    own = np.arange(count)  # of weighted rows, by the weights of the series itself
    return mean[own, own], scale[own, own]


def _notes(
    worlds: Sequence[Mapping[str, Table]], within: WithinStep, number: Mapping[str, int], center: Table, spread: Table
) -> tuple[str, ...]:
    notes = []
    names = dict.fromkeys(name for held in worlds for name in held)
    for name in names:
        courses = np.concatenate([held[name] for held in worlds if name in held])
        far = float(np.max(np.abs(courses - center[number[name]]) / spread[number[name]]))
        if far > FAR:
            notes.append(
                f"{name} is held {far:.1f} standard deviations from its mean: its effects there are extrapolated."
            )
    for one, other in within.shared:
        if one in names or other in names:
            notes.append(
                f"{one} and {other} are linked within the step without a direction: they share their noise, and "
                "holding one does not move the other in the same step. Forbid one direction (lag 0) to have it passed "
                "on."
            )
    return tuple(notes)


def _shown(course: Table) -> str:
    low, high = course.min(), course.max()
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
