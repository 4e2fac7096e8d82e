"""Which model: over graphs, priors or response models, and over subjects.

Fixed effects: all subjects use the same model, and evidences add up. Random effects: subjects differ in the model
they use; a model's frequency r_k in the population has a Dirichlet prior, and q(r) = Dirichlet(alpha) is found by
variational Bayes (Stephan et al. 2009):

    u_nk ~ exp(log p(y_n | m_k) + psi(alpha_k) - psi(sum alpha)),    alpha_k = 1 + sum_n u_nk

The exceedance probability of a model is that of being the most frequent one. All frequencies might as well be equal:
the Bayesian omnibus risk is the posterior probability of that, and protected exceedance probabilities allow for it
(Rigoux et al. 2014).

References:
    K. E. Stephan et al., "Bayesian model selection for group studies", NeuroImage 46:1004-1017, 2009.
    L. Rigoux et al., "Bayesian model selection for group studies: revisited", NeuroImage 84:971-985, 2014.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.special import digamma, gammaln, logsumexp, softmax
from scipy.stats import gamma

from sostruct.errors import ConfigError, DataError
from sostruct.networks.hgf.inference.result import Fit
from sostruct.tasks.base import listed

Floats: TypeAlias = NDArray[np.float64]

_ROUNDS = 10_000
"""Most rounds of variational Bayes."""


class Population(NamedTuple):
    """Variational Bayes over the frequencies of models.

    Attributes:
        alpha: of the Dirichlet posterior [model].
        attribution: probability that a subject uses a model [subject, model].
        bound: lower bound of the log evidence of "models have some frequencies", nats.
    """

    alpha: Floats
    attribution: Floats
    bound: float


@final
@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Models compared by their log evidences.

    Attributes:
        evidence: log p(y_n | m_k), nats [subject x model].
    """

    evidence: pd.DataFrame

    @property
    def models(self) -> list[Any]:
        """Names of the models."""
        return list(self.evidence.columns)

    @property
    def fixed(self) -> pd.DataFrame:
        """One row for each model, if all subjects use the same one.

        Columns: "log_evidence", the sum over subjects; "log_bayes_factor" against the best other model; "posterior",
        under equal prior probabilities.
        """
        total = self.evidence.sum().to_numpy()
        rest = np.array([np.delete(total, number).max() for number in range(len(total))])
        columns = {"log_evidence": total, "log_bayes_factor": total - rest, "posterior": softmax(total)}
        return pd.DataFrame(columns, index=self.evidence.columns)

    @property
    def influence(self) -> pd.DataFrame:
        """How much of the fixed-effects result is one subject's [subject].

        Columns: "log_bayes_factor", of the best model against the second within this subject; "without", the best
        model where the subject is left out.
        """
        first, second = self.evidence.sum().sort_values(ascending=False).index[:2]
        own = self.evidence[first] - self.evidence[second]
        rest = self.evidence.sum() - self.evidence
        without = rest.idxmax(axis=1) if len(self.evidence) > 1 else pd.Series(None, self.evidence.index, dtype=object)
        return pd.DataFrame({"log_bayes_factor": own, "without": without})

    @property
    def dominated(self) -> list[Any]:
        """The subjects without any one of whom another model would be the best of the fixed effects."""
        best = self.fixed["log_evidence"].idxmax()
        without = self.influence["without"].dropna()
        return list(without.index[without != best])

    @property
    def random(self) -> pd.DataFrame:
        """One row for each model, if subjects may differ.

        Columns: "alpha", of the Dirichlet posterior; "frequency", its mean; "exceedance", the probability of being the
        most frequent model; "protected_exceedance", the same where all may be equally frequent.
        """
        alpha = self._population.alpha
        above = exceedance(alpha)
        risk = self.omnibus_risk
        columns = {
            "alpha": alpha,
            "frequency": alpha / alpha.sum(),
            "exceedance": above,
            "protected_exceedance": above * (1.0 - risk) + risk / len(alpha),
        }
        return pd.DataFrame(columns, index=self.evidence.columns)

    @property
    def omnibus_risk(self) -> float:
        """Posterior probability that all models are equally frequent."""
        numbers = self.evidence.to_numpy(np.float64)
        equal = float((logsumexp(numbers, axis=1) - math.log(numbers.shape[1])).sum())
        return float(1.0 / (1.0 + np.exp(np.clip(self._population.bound - equal, -700.0, 700.0))))

    @property
    def attribution(self) -> pd.DataFrame:
        """Probability that a subject uses a model, given all subjects [subject x model]."""
        found = self._population.attribution
        return pd.DataFrame(found, index=self.evidence.index, columns=self.evidence.columns)

    def summary(self) -> str:
        """Both comparisons in words and numbers."""
        lines = [
            repr(self),
            "",
            "If all subjects use the same model:",
            self.fixed.to_string(float_format="{:.4g}".format),
        ]
        if self.dominated:
            lines.append(f"This hangs on single subjects: without {listed(self.dominated)} another model is the best.")
        lines += ["", "If subjects may differ:", self.random.to_string(float_format="{:.4g}".format)]
        lines.append(f"Probability that all are equally frequent: {self.omnibus_risk:.3g}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        fixed, random = self.fixed["posterior"], self.random["protected_exceedance"]
        return (
            f"Comparison of {len(self.models)} models over {len(self.evidence)} subjects: {fixed.idxmax()!r} is the "
            f"best for all alike (posterior {fixed.max():.3g}), {random.idxmax()!r} the most frequent (protected "
            f"exceedance {random.max():.3g})"
        )

    @cached_property
    def _population(self) -> Population:
        return population(self.evidence.to_numpy(np.float64))


def compare_models(fits: Mapping[Any, Fit] | pd.DataFrame) -> Comparison:
    """Compares models by their evidences for the same data.

        ss.compare_models({"two levels": two.fit(...), "three levels": three.fit(...)}).summary()

    Args:
        fits: name -> fit, all of the same subjects; or log evidences of other origin, nats [subject x model].

    Of hierarchical fits, the evidence of a subject is that under its group, less an equal share of the penalty of the
    group's own parameters: they sum to -iBIC / 2.

    Raises:
        ConfigError: there are fewer than two models, or fits of different kinds.
        DataError: fits are of different subjects or data, or an evidence is not finite.
    """
    if isinstance(fits, pd.DataFrame):
        table = fits.astype(np.float64)
    elif isinstance(fits, Mapping) and all(isinstance(fit, Fit) for fit in fits.values()):
        table = _table(fits)
    else:
        raise ConfigError(
            f"Cannot compare {type(fits).__name__} objects. This is because models come with their names. Try "
            "{'two levels': fit, 'three levels': other}, or a DataFrame of log evidences [subject x model]."
        )
    if table.shape[1] < 2 or not len(table):
        raise ConfigError(
            f"Cannot compare {table.shape[1]} models over {len(table)} subjects. This is because a comparison is "
            "between two or more, for at least one subject. Try adding another model."
        )
    bad = ~np.isfinite(table.to_numpy())
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise DataError(
            f"Cannot compare models. This is because the log evidence of subject {table.index[row]!r} under "
            f"{table.columns[column]!r} is {table.to_numpy()[row, column]}: the posterior has no peak there. Try more "
            "starts or narrower priors in that fit, or leaving the subject out of all."
        )
    return Comparison(table)


def population(evidence: Floats, prior: float = 1.0) -> Population:
    """Variational Bayes over the frequencies of models.

    Args:
        evidence: log p(y_n | m_k), nats [subject, model].
        prior: of the Dirichlet, the same for every model.
    """
    models = evidence.shape[1]
    alpha = np.full(models, prior)
    for _ in range(_ROUNDS):
        attribution = softmax(evidence + digamma(alpha), axis=1)
        after = prior + attribution.sum(0)
        moved = np.abs(after - alpha).max()
        alpha = after
        if moved < 1e-10:
            break
    expected = digamma(alpha) - digamma(alpha.sum())
    attribution = softmax(evidence + expected, axis=1)
    used = np.where(attribution > 0.0, attribution, 1.0)
    bound = float((attribution * (evidence + expected - np.log(used))).sum())
    bound += float(gammaln(models * prior) - models * gammaln(prior) + (prior - 1.0) * expected.sum())
    bound -= float(gammaln(alpha.sum()) - gammaln(alpha).sum() + ((alpha - 1.0) * expected).sum())
    return Population(alpha, attribution, bound)


def exceedance(alpha: Floats) -> Floats:
    """P(r_k is the largest) of r ~ Dirichlet(alpha), by one integral for each model.

    r is that of independent gamma variables x_k over their sum, so P = integral of p(x_k) prod_j P(x_j < x_k).
    """

    def density(value: float, own: int) -> float:
        others = np.delete(alpha, own)
        return float(gamma.pdf(value, alpha[own]) * np.prod(gamma.cdf(value, others)))

    def above(own: int) -> float:
        middle, spread = alpha[own], math.sqrt(alpha[own])
        far = middle + 12.0 * spread + 20.0
        marks = [point for point in (middle - 4.0 * spread, middle, middle + 4.0 * spread) if 0.0 < point < far]
        return float(quad(density, 0.0, far, args=(own,), points=marks, limit=200)[0])

    found = np.array([above(own) for own in range(len(alpha))], np.float64)
    return np.asarray(found / found.sum())


def _table(fits: Mapping[Any, Fit]) -> pd.DataFrame:
    """Evidences of every subject under every model."""
    columns: dict[Any, Floats] = {}
    first: tuple[Any, Fit] | None = None
    for name, fit in fits.items():
        if first is None:
            first = name, fit
        _check_alike(first, (name, fit))
        evidence = np.atleast_1d(np.asarray(fit.log_evidence, np.float64))
        if fit.group is not None:
            evidence = evidence - 0.5 * (fit.group.ibic + 2.0 * fit.group.log_evidence) / len(evidence)
        columns[name] = evidence
    labels = () if first is None else first[1].panel.labels
    return pd.DataFrame(columns, index=pd.Index(labels, name="subject"))


def _check_alike(first: tuple[Any, Fit], second: tuple[Any, Fit]) -> None:
    """Refuse fits of different data, whose evidences say nothing about each other.

    Raises:
        ConfigError: one is hierarchical and the other is not.
        DataError: they are of different data.
    """
    (one, mine), (other, own) = first, second
    if (mine.group is None) != (own.group is None):
        raise ConfigError(
            f"Cannot compare {one!r} with {other!r}. This is because one is a hierarchical fit and the other is not: "
            "their evidences condition on different priors. Try the same method for both."
        )
    why = ""
    if mine.panel.labels != own.panel.labels:
        why = (
            f"the subjects of {one!r} are {listed(mine.panel.labels)} and those of {other!r} {listed(own.panel.labels)}"
        )
    elif (mine.response is None) != (own.response is None):
        why = "one explains responses and the other inputs"
    elif not np.array_equal(mine.panel.explained, own.panel.explained, equal_nan=True):
        why = "they explain different numbers"
    if why:
        raise DataError(
            f"Cannot compare {one!r} with {other!r}. This is because {why}, and evidences can only be compared for the "
            "same data. Try fitting both to the same."
        )
