"""What a sampler drew, under the users' names: numbers, how sure they are, and whether to believe them.

Tables look like those of a `Fit`. Whether chains have converged is judged for every parameter of every subject by the
rank-normalized split R-hat and by the bulk and tail effective sample sizes, with the limits of their authors: 1.01, and
100 draws for every chain. The functions are arviz's.

References:
    A. Vehtari et al., "Rank-normalization, folding, and localization: an improved R-hat for assessing convergence of
    MCMC", Bayesian Analysis 16(2):667, 2021.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sostruct.errors import ConfigError
from sostruct.networks.hgf.inference import coordinates
from sostruct.networks.hgf.inference.chains import Chains, Sampling
from sostruct.networks.hgf.inference.extras import extra
from sostruct.networks.hgf.inference.objective import Model
from sostruct.networks.hgf.inference.parameters import RESPONSE, Place
from sostruct.networks.hgf.inference.result import CONVERGED, Fit

if TYPE_CHECKING:
    from jaxtyping import PRNGKeyArray

    from sostruct.networks.hgf.beliefs import Beliefs
    from sostruct.networks.hgf.network import HGF

R_HAT = 1.01
"""Largest R-hat of chains that agree."""

ENOUGH = 100
"""Least effective draws for every chain."""

_CUT = 0.05
"""Share of transitions that end where beliefs break down from which on it is worth a warning."""


@final
@dataclass(frozen=True, eq=False, repr=False)
class Draws:
    """Draws from the posterior of every subject.

    There is no evidence among the results, which draws from a posterior do not tell; `mode.log_evidence` has Laplace's
    approximation of it.

    Attributes:
        mode: the fit that chains were started from.
        model: the log joint they were drawn from.
        sampling: how.
        chains: what was drawn, in unbounded coordinates, with the sampler's own numbers.
    """

    mode: Fit
    model: Model
    sampling: Sampling
    chains: Chains

    @property
    def subjects(self) -> tuple[Any, ...] | None:
        """Labels of the subjects, or None where there is one series."""
        return self.mode.subjects

    @cached_property
    def values(self) -> NDArray[np.float64]:
        """All draws in the parameters' own units [subject, chain, draw, parameter]."""
        found = coordinates.outward([free.prior.support for free in self.mode.free], self.chains.points)
        found.flags.writeable = False
        return found

    @property
    def parameters(self) -> pd.DataFrame | pd.Series:
        """Posterior means."""
        return self.mode._table(self._flat.mean(1))

    @property
    def median(self) -> pd.DataFrame | pd.Series:
        """Posterior medians."""
        return self.mode._table(np.median(self._flat, 1))

    @property
    def sd(self) -> pd.DataFrame | pd.Series:
        """Posterior standard deviations."""
        return self.mode._table(self._flat.std(1, ddof=1))

    def intervals(self, level: float = 0.9) -> pd.DataFrame:
        """Central posterior intervals, "lower" and "upper", of every subject and parameter: quantiles of the draws.

        Args:
            level: the probability they hold.

        Raises:
            ConfigError: it is not between 0 and 1.
        """
        if not 0.0 < level < 1.0:
            raise ConfigError(
                f"Cannot make intervals of level {level!r}. This is because a probability is between 0 and 1. Try 0.9."
            )
        ends = np.quantile(self._flat, [0.5 - 0.5 * level, 0.5 + 0.5 * level], axis=1)
        return pd.DataFrame(ends.reshape(2, -1).T, index=self.mode._rows, columns=["lower", "upper"])

    def frame(self, level: float = 0.9) -> pd.DataFrame:
        """One row for each subject and parameter: "mean", "sd", "lower", "upper", "r_hat", "ess_bulk", "ess_tail".

        Args:
            level: the probability between "lower" and "upper".

        Raises:
            ConfigError: see `intervals`.
        """
        table = self.intervals(level)
        table.insert(0, "mean", self._flat.mean(1).ravel())
        table.insert(1, "sd", self._flat.std(1, ddof=1).ravel())
        table["r_hat"] = self._judged[0].ravel()
        table["ess_bulk"], table["ess_tail"] = self._judged[1].ravel(), self._judged[2].ravel()
        return table

    def samples(self, subject: Any = None) -> pd.DataFrame:
        """One row for each draw, indexed by chain and draw (and subject, where there are several and none is named).

        Raises:
            ConfigError: there is no such subject.
        """
        columns = self.mode._columns
        own = self.values
        levels: dict[str, Any] = {"chain": range(own.shape[1]), "draw": range(own.shape[2])}
        if self.subjects is not None and subject is None:
            levels = {"subject": self.subjects, **levels}
        else:
            own = own[self.mode._number(subject)]
        index = pd.MultiIndex.from_product(list(levels.values()), names=list(levels))
        return pd.DataFrame(own.reshape(-1, len(columns)), index=index, columns=columns)

    @property
    def r_hat(self) -> pd.DataFrame | pd.Series:
        """Rank-normalized split R-hat: 1 where chains agree, nan of a single chain."""
        return self.mode._table(self._judged[0])

    @property
    def ess(self) -> pd.DataFrame:
        """How many independent draws these are worth, "bulk" for means and medians, "tail" for 90 % intervals."""
        numbers = np.stack([part.ravel() for part in self._judged[1:]], -1)
        return pd.DataFrame(numbers, index=self.mode._rows, columns=["bulk", "tail"])

    @property
    def divergences(self) -> Any:
        """Transitions with too long steps for the curvature of the posterior."""
        return self.mode._each(self.chains.divergent.sum((1, 2)))

    @property
    def breakdowns(self) -> Any:
        """Transitions that ended where beliefs break down, from which nothing was drawn."""
        return self.mode._each(self.chains.broken.sum((1, 2)))

    @property
    def acceptance(self) -> Any:
        """Mean acceptance rate of the transitions."""
        return self.mode._each(self.chains.acceptance.mean((1, 2)))

    @property
    def converged(self) -> Any:
        """Whether the draws can be trusted: see `reason`."""
        return self.mode._each(np.array([reason == CONVERGED for reason in self.reasons]))

    @property
    def reason(self) -> Any:
        """ "converged", or why not."""
        return self.mode._each(np.array(self.reasons, object))

    @property
    def log_evidence(self) -> NoReturn:
        """Not among the results.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(
            "Cannot tell the log evidence. This is because draws from a posterior do not. Try `mode.log_evidence`, "
            "Laplace's approximation of it."
        )

    def parameter_values(self, subject: Any = None) -> dict[Place, dict[str, float]]:
        """One subject's posterior means as `HGF.with_parameters` takes them; see `Fit.parameter_values`.

        Raises:
            ConfigError: see `network`.
        """
        found: dict[Place, dict[str, float]] = {}
        means = self._flat[self.mode._number(subject)].mean(0)
        for free, value in zip(self.mode.free, means, strict=True):
            found.setdefault(free.place, {})[free.name] = float(value)
        return found

    def network(self, subject: Any = None) -> HGF:
        """The network at one subject's posterior means.

        Args:
            subject: its label; left out where there is one series.

        Raises:
            ConfigError: there are several subjects and none was named, or there is no such subject.
        """
        values = self.parameter_values(subject)
        values.pop(RESPONSE, None)
        return self.mode.base.with_parameters(values)  # type: ignore[arg-type]

    def beliefs(self, subject: Any = None) -> Beliefs:
        """What the network at one subject's posterior means believes along the subject's inputs.

        Raises:
            ConfigError: see `network`.
        """
        return self.network(subject).filter(self.mode.panel.series(self.mode._number(subject)))

    def to_arviz(self, *, prior: int = 0, key: PRNGKeyArray | None = None) -> Any:
        """The same as an `arviz.InferenceData`; see `inference.exporting`.

        Groups: "posterior", "sample_stats", "log_likelihood" of every response or step of inputs, "observed_data"; and
        "prior", if asked.

        Args:
            prior: how many draws from the prior to add.
            key: of these; by default always the same ones.

        Raises:
            ConfigError: arviz is not installed.
        """
        from sostruct.networks.hgf.inference.exporting import to_arviz

        return to_arviz(self, prior, key)

    def plot(self, **options: Any) -> NDArray[np.object_]:
        """Prior and posterior of every parameter; see `posterior_figure.draw_posteriors`. Returns the axes."""
        from sostruct.networks.hgf.inference.posterior_figure import draw_posteriors

        return draw_posteriors(self, **options)

    def plot_pairs(self, **options: Any) -> NDArray[np.object_]:
        """Every pair of parameters; see `pairs_figure.draw_pairs`. Returns the axes."""
        from sostruct.networks.hgf.inference.pairs_figure import draw_pairs

        return draw_pairs(self, **options)

    def summary(self) -> str:
        """The draws in words and numbers."""
        made = math.prod(self.chains.joint.shape[1:])
        lines = [
            repr(self),
            f"{self.sampling.chains} chains of {self.sampling.draws} draws after {self.sampling.warmup} of warmup; "
            f"acceptance {self.chains.acceptance.mean():.2f}; {int(self.chains.divergent.sum())} transitions diverged, "
            f"{int(self.chains.broken.sum())} ended where beliefs break down (of {made * len(self.reasons)})",
            "",
            self.frame().to_string(float_format="{:.4g}".format),
            "",
        ]
        lost = [
            f"subject {label!r}: {reason}" if self.subjects is not None else reason
            for label, reason in zip(self.mode.panel.labels, self.reasons, strict=True)
            if reason != CONVERGED
        ]
        return "\n".join(lines + ([f"Not converged: {line}." for line in lost] or ["Converged."]))

    def __repr__(self) -> str:
        many = "" if self.subjects is None else f" of {len(self.subjects)} subjects"
        lost = sum(reason != CONVERGED for reason in self.reasons)
        state = "converged" if not lost else f"{lost} of {len(self.reasons)} not converged"
        names = ", ".join(f"{free.label} {free.name}" for free in self.mode.free)
        return f"Draws (nuts){many}: {names}; {self.sampling.chains} x {self.sampling.draws} draws; {state}"

    @cached_property
    def reasons(self) -> tuple[str, ...]:
        """Of every subject, "converged" or why not."""
        return tuple(self._reason(number) for number in range(len(self.mode.panel.labels)))

    def _reason(self, number: int) -> str:
        made = self.chains.joint[number].size
        diverged, broken = int(self.chains.divergent[number].sum()), int(self.chains.broken[number].sum())
        r_hat, bulk, tail = (part[number] for part in self._judged)
        names = [f"{free.label} {free.name}" for free in self.mode.free]
        if np.isnan(r_hat).any():
            return "one chain cannot show that it has converged" if self.sampling.chains == 1 else "a chain never moved"
        least = np.minimum(bulk, tail)
        causes = []
        if r_hat.max() > R_HAT:
            causes.append(f"chains disagree on {names[int(r_hat.argmax())]} (R-hat {r_hat.max():.3f})")
        if least.min() < ENOUGH * self.sampling.chains:
            causes.append(f"{names[int(least.argmin())]} has only {least.min():.0f} effective draws")
        if diverged:
            causes.append(f"{diverged} of {made} transitions diverged")
        if broken > _CUT * made:
            causes.append(
                f"the posterior is cut off where beliefs break down ({broken} of {made} transitions ended there)"
            )
        return "; ".join(causes) or CONVERGED

    @cached_property
    def _judged(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """R-hat, bulk and tail effective sample size [subject, parameter]."""
        arviz = extra("arviz", "judge whether chains have converged")
        subjects, parameters = len(self.values), self.values.shape[-1]
        found = np.full((3, subjects, parameters), np.nan)
        for subject, parameter in np.ndindex(subjects, parameters):
            own = np.ascontiguousarray(self.values[subject, :, :, parameter])
            if len(own) > 1:
                found[0, subject, parameter] = arviz.rhat(own)
            found[1, subject, parameter] = arviz.ess(own, method="bulk")
            found[2, subject, parameter] = arviz.ess(own, method="tail")
        return found[0], found[1], found[2]

    @property
    def _flat(self) -> NDArray[np.float64]:
        """Draws of all chains [subject, draw, parameter]."""
        return self.values.reshape(len(self.values), -1, self.values.shape[-1])
