"""What a fit found, under the users' names: numbers, how sure they are, and whether to believe them.

Tables have a row for each subject, or are a Series where there is one; columns are (place, parameter), places in words:
a node's name, "parent -> child", or "response".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from sostruct.errors import ConfigError
from sostruct.networks.hgf.inference import coordinates
from sostruct.networks.hgf.inference.laplace import laplace, positive_definite
from sostruct.networks.hgf.inference.parameters import RESPONSE, Free, Place
from sostruct.networks.hgf.inference.priors import Support
from sostruct.networks.hgf.inference.reading import Panel
from sostruct.tasks.base import listed

if TYPE_CHECKING:
    from sostruct.networks.hgf.beliefs import Beliefs
    from sostruct.networks.hgf.inference.group import Group
    from sostruct.networks.hgf.inference.responses import AbstractResponse
    from sostruct.networks.hgf.network import HGF

AGREED = 1e-3
"""Nats below the best within which a start counts as having found the same mode."""

CONVERGED = "converged"


@final
@dataclass(frozen=True, eq=False, repr=False)
class Fit:
    """Parameters of every subject at the mode of their posterior, and its Laplace approximation.

    Attributes:
        base: the network that was fitted, with the numbers it had.
        response: the response model, or None where the inputs' evidence was fitted.
        free: the parameters.
        panel: the data.
        method: "map" or "hierarchical".
        points: the modes in unbounded coordinates z [subject, parameter].
        values: the same in the parameters' own units [subject, parameter].
        curvature: minus the second derivatives of the log joint there [subject, parameter, parameter].
        joint: log p(y, z) there, nats [subject].
        likelihood: log p(y | x) there, nats [subject].
        ends: log p(y, z) at the end of every start [subject, start], nats; -inf where a start broke down.
        reasons: of every subject, "converged" or why it did not.
        group: what a hierarchical fit says of the group, or None.
    """

    base: HGF
    response: AbstractResponse | None
    free: tuple[Free, ...]
    panel: Panel
    method: str
    points: NDArray[np.float64]
    values: NDArray[np.float64]
    curvature: NDArray[np.float64]
    joint: NDArray[np.float64]
    likelihood: NDArray[np.float64]
    ends: NDArray[np.float64]
    reasons: tuple[str, ...]
    group: Group | None = None

    @property
    def subjects(self) -> tuple[Any, ...] | None:
        """Labels of the subjects, or None where there is one series."""
        return self.panel.subjects

    @property
    def parameters(self) -> pd.DataFrame | pd.Series:
        """The fitted parameters."""
        return self._table(self.values)

    @property
    def sd(self) -> pd.DataFrame | pd.Series:
        """Their posterior standard deviations by the delta method, |dx/dz| sd(z); nan where the mode is no peak."""
        return self._table(self._sd_inside * coordinates.slopes(self._supports, self.values))

    @property
    def covariance(self) -> NDArray[np.float64]:
        """Of z [subject, parameter, parameter]: the inverse curvature; nan where the mode is no peak."""
        return self._covariance.copy()

    def intervals(self, level: float = 0.9) -> pd.DataFrame:
        """Central posterior intervals, "lower" and "upper", of every subject and parameter.

        They are z -+ q sd(z) in the parameters' own units, so that they respect their bounds and need not be symmetric.

        Args:
            level: the probability they hold.

        Raises:
            ConfigError: it is not between 0 and 1.
        """
        if not 0.0 < level < 1.0:
            raise ConfigError(
                f"Cannot make intervals of level {level!r}. This is because a probability is between 0 and 1. Try 0.9."
            )
        reach = float(ndtri(0.5 + 0.5 * level)) * self._sd_inside
        ends = np.stack([coordinates.outward(self._supports, self.points + side * reach) for side in (-1.0, 1.0)], -1)
        ends = np.sort(ends, -1).reshape(-1, 2)
        return pd.DataFrame(ends, index=self._rows, columns=["lower", "upper"])

    def frame(self, level: float = 0.9) -> pd.DataFrame:
        """One row for each subject and parameter: "value", "sd", "lower", "upper"."""
        table = self.intervals(level)
        table.insert(0, "value", self.values.ravel())
        table.insert(1, "sd", (self._sd_inside * coordinates.slopes(self._supports, self.values)).ravel())
        return table

    @property
    def log_posterior(self) -> Any:
        """log p(y, z) at the mode, nats: the prior is that of z."""
        return self._each(self.joint)

    @property
    def log_likelihood(self) -> Any:
        """log p(y | x) at the mode, nats: of the responses, or of the inputs where there were none."""
        return self._each(self.likelihood)

    @property
    def log_evidence(self) -> Any:
        """Laplace's approximation of log p(y), nats: log p(y, z) + d/2 log 2 pi - 1/2 log det of the curvature.

        nan where the curvature is not positive definite: there is no Gaussian to approximate the posterior by.
        """
        return self._each(self._evidence)

    @property
    def aic(self) -> Any:
        """2 d - 2 log p(y | x) at the mode of the posterior (not of the likelihood); smaller is better."""
        return self._each(2.0 * len(self.free) - 2.0 * self.likelihood)

    @property
    def bic(self) -> Any:
        """d log n - 2 log p(y | x) at the mode of the posterior, n the responses or inputs that were scored."""
        return self._each(len(self.free) * np.log(self.panel.scored) - 2.0 * self.likelihood)

    @property
    def converged(self) -> Any:
        """Whether the mode is a peak that one more step would not climb further."""
        done = np.array([reason == CONVERGED for reason in self.reasons])
        return self._each(done)

    @property
    def reason(self) -> Any:
        """ "converged", or why not."""
        return self._each(np.array(self.reasons, object))

    @property
    def agreement(self) -> Any:
        """How many starts ended within 1e-3 nats of the best mode: 1 of many says that it may not be the highest."""
        agreed = (self.ends >= self.joint[:, None] - AGREED).sum(-1)
        return self._each(agreed)

    def parameter_values(self, subject: Any = None) -> dict[Place, dict[str, float]]:
        """One subject's parameters as `HGF.with_parameters` takes them; those of the response model under "response".

        Raises:
            ConfigError: see `network`.
        """
        found: dict[Place, dict[str, float]] = {}
        for free, value in zip(self.free, self.values[self._number(subject)], strict=True):
            found.setdefault(free.place, {})[free.name] = float(value)
        return found

    def network(self, subject: Any = None) -> HGF:
        """The network with one subject's fitted parameters.

        Args:
            subject: its label; left out where there is one series.

        Raises:
            ConfigError: there are several subjects and none was named, or there is no such subject.
        """
        values = self.parameter_values(subject)
        values.pop(RESPONSE, None)
        return self.base.with_parameters(values)  # type: ignore[arg-type]

    def beliefs(self, subject: Any = None) -> Beliefs:
        """What the network with one subject's fitted parameters believes along the subject's inputs.

        Raises:
            ConfigError: see `network`.
        """
        number = self._number(subject)
        return self.network(subject).filter(self.panel.series(number))

    def plot(self, **options: Any) -> NDArray[np.object_]:
        """Prior and posterior of every parameter; see `posterior_figure.draw_posteriors`. Returns the axes."""
        from sostruct.networks.hgf.inference.posterior_figure import draw_posteriors

        return draw_posteriors(self, **options)

    def plot_pairs(self, **options: Any) -> NDArray[np.object_]:
        """Every pair of parameters; see `pairs_figure.draw_pairs`. Returns the axes."""
        from sostruct.networks.hgf.inference.pairs_figure import draw_pairs

        return draw_pairs(self, **options)

    def summary(self) -> str:
        """The fit in words and numbers."""
        what = "inputs" if self.response is None else "responses"
        count = len(self.panel.labels)
        scored = int(self.panel.scored.sum())
        lines = [
            repr(self),
            f"{len(self.free)} parameters, {scored} {what}, {self.ends.shape[1]} starts"
            + (f", {count} subjects" if self.subjects is not None else ""),
            "",
            self._table_of_parameters(),
            "",
        ]
        if self.group is not None:
            lines += [repr(self.group), self.group.parameters.to_string(float_format="{:.4g}".format), ""]
        lost = [
            f"subject {label!r}: {reason}" if self.subjects is not None else reason
            for label, reason in zip(self.panel.labels, self.reasons, strict=True)
            if reason != CONVERGED
        ]
        lines += [f"Not converged: {line}." for line in lost] or ["Converged."]
        lone = int((np.atleast_1d(self.agreement) == 1).sum()) if self.ends.shape[1] > 1 else 0
        if lone:
            who = f" of {lone} subjects" if self.subjects is not None else ""
            lines.append(f"The best mode{who} was found by one start alone: try more starts.")
        return "\n".join(lines)

    def __repr__(self) -> str:
        many = "" if self.subjects is None else f" of {len(self.subjects)} subjects"
        lost = sum(reason != CONVERGED for reason in self.reasons)
        state = "converged" if not lost else f"{lost} of {len(self.reasons)} not converged"
        names = ", ".join(f"{free.label} {free.name}" for free in self.free)
        evidence = float(self._evidence.sum())
        return f"Fit ({self.method}){many}: {names}; log evidence {evidence:.6g} nats; {state}"

    def _table_of_parameters(self) -> str:
        if self.subjects is None:
            return self.frame().to_string(float_format="{:.4g}".format)
        table = pd.DataFrame(self.values, columns=self._columns)
        shown = table.agg(["mean", "std", "min", "median", "max"]).T
        return shown.to_string(float_format="{:.4g}".format)

    @cached_property
    def _covariance(self) -> NDArray[np.float64]:
        found = np.full(self.curvature.shape, np.nan)
        for number, curvature in enumerate(self.curvature):
            if self._peaked[number]:
                found[number] = np.linalg.inv(curvature)
        return found

    @cached_property
    def _peaked(self) -> NDArray[np.bool_]:
        return positive_definite(self.curvature)

    @cached_property
    def _sd_inside(self) -> NDArray[np.float64]:
        found: NDArray[np.float64] = np.sqrt(np.diagonal(self._covariance, axis1=1, axis2=2))
        return found

    @cached_property
    def _evidence(self) -> NDArray[np.float64]:
        return laplace(self.joint, self.curvature)

    @property
    def _supports(self) -> tuple[Support, ...]:
        return tuple(free.prior.support for free in self.free)

    @property
    def _columns(self) -> pd.MultiIndex:
        pairs = [(free.label, free.name) for free in self.free]
        return pd.MultiIndex.from_tuples(pairs, names=["place", "parameter"])

    @property
    def _rows(self) -> pd.MultiIndex:
        pairs = [(free.label, free.name) for free in self.free]
        if self.subjects is None:
            return pd.MultiIndex.from_tuples(pairs, names=["place", "parameter"])
        triples = [(subject, *pair) for subject in self.subjects for pair in pairs]
        return pd.MultiIndex.from_tuples(triples, names=["subject", "place", "parameter"])

    def _table(self, numbers: NDArray[np.float64]) -> pd.DataFrame | pd.Series:
        if self.subjects is None:
            return pd.Series(numbers[0], index=self._columns)
        return pd.DataFrame(numbers, index=pd.Index(self.subjects, name="subject"), columns=self._columns)

    def _each(self, numbers: NDArray[Any]) -> Any:
        if self.subjects is None:
            return numbers[0].item() if isinstance(numbers[0], np.generic) else numbers[0]
        return pd.Series(numbers, index=pd.Index(self.subjects, name="subject"))

    def _number(self, subject: Any) -> int:
        if self.subjects is None:
            if subject is None:
                return 0
            raise ConfigError(
                f"Cannot find subject {subject!r}. This is because the fit is of one series. Try leaving subject out."
            )
        if subject not in self.subjects:
            why = "none was named" if subject is None else "there is no such subject"
            raise ConfigError(
                f"Cannot find {'a subject' if subject is None else f'subject {subject!r}'}. This is because {why}. "
                f"Try one of {listed(self.subjects)}."
            )
        return self.subjects.index(subject)
