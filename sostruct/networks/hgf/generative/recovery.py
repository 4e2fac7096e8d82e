"""Recovery: whether a design gives parameters and models back.

Before subjects are measured, simulate them: draw parameters from the priors, let networks with these act (or be
observed), fit every candidate model to what they did, and see what comes back (Wilson & Collins 2019). What cannot be
recovered from simulated subjects cannot be read off real ones.

References:
    R. C. Wilson and A. G. E. Collins, "Ten simple rules for the computational modeling of behavioral data", eLife
    8:e49547, 2019.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import jax
import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray
from numpy.typing import NDArray

from sostruct.errors import BeliefError, ConfigError
from sostruct.networks.hgf.generative.environments import AbstractEnvironment
from sostruct.networks.hgf.generative.posterior import networks_with
from sostruct.networks.hgf.generative.sampling import read_key
from sostruct.networks.hgf.generative.simulation import simulate
from sostruct.networks.hgf.inference import coordinates
from sostruct.networks.hgf.inference.choosing import chosen
from sostruct.networks.hgf.inference.objective import Independent
from sostruct.networks.hgf.inference.parameters import Free, free_parameters
from sostruct.networks.hgf.inference.responses import AbstractResponse
from sostruct.networks.hgf.inference.result import Fit
from sostruct.networks.hgf.inference.selection import Comparison, compare_models
from sostruct.networks.hgf.network import HGF
from sostruct.numerics import double_precision
from sostruct.tasks.base import listed, whole

_TRIES = 50
"""Draws of a subject's parameters until its beliefs hold."""

Column = tuple[str, str]
"""Place and name of a parameter."""


@final
@dataclass(frozen=True, eq=False)
class Candidate:
    """A model that subjects may follow, and that is fitted to all of them.

    Args:
        network: with the numbers that are not fitted.
        priors: as in `HGF.fit`; subjects are drawn from them.
        response: how it acts, as in `HGF.fit`; None where its inputs are what is explained.
    """

    network: HGF
    priors: Mapping[Any, Mapping[str, Any]]
    response: Any = None

    @cached_property
    def model(self) -> AbstractResponse | None:
        """The response model that is meant.

        Raises:
            ConfigError: see `HGF.fit`.
        """
        return chosen(self.network.topology, self.network.inputs, self.response, self.response is not None)

    @cached_property
    def free(self) -> tuple[Free, ...]:
        """What is fitted.

        Raises:
            ConfigError: see `HGF.fit`.
            GraphError: see `HGF.fit`.
        """
        return free_parameters(self.network.topology, self.priors, self.model, irregular=False)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Recovery:
    """What came back of simulated subjects.

    Attributes:
        truths: parameters that subjects were given, by model [subject x (place, parameter)].
        fits: by (model that acted, model that was fitted).
        redrawn: by model, how many draws were replaced because beliefs broke down.
    """

    truths: Mapping[Any, pd.DataFrame]
    fits: Mapping[tuple[Any, Any], Fit]
    redrawn: Mapping[Any, int]

    @property
    def models(self) -> list[Any]:
        """Names of the models."""
        return list(self.truths)

    def parameters(self, level: float = 0.9) -> pd.DataFrame:
        """A row for each model and parameter, of the fits of the model that acted.

        Columns: "correlation" of true and fitted values; "bias" and root mean square "error"; "sd", of the truth;
        "coverage", the share of intervals of this `level` that hold the truth; "converged", the share of fits that did.

        Raises:
            ConfigError: the level is not between 0 and 1.
        """
        rows = {}
        for name, truth in self.truths.items():
            fit = self.fits[name, name]
            ends = fit.intervals(level)
            for column in truth.columns:
                true, found = truth[column].to_numpy(), fit.parameters[column].to_numpy()
                own = ends.xs(column, level=("place", "parameter"))
                rows[name, *column] = {
                    "correlation": float(np.corrcoef(true, found)[0, 1]),
                    "bias": float(np.mean(found - true)),
                    "error": float(np.sqrt(np.mean((found - true) ** 2))),
                    "sd": float(np.std(true)),
                    "coverage": float(np.mean((own["lower"].to_numpy() <= true) & (true <= own["upper"].to_numpy()))),
                    "converged": float(np.mean(fit.converged)),
                }
        table = pd.DataFrame.from_dict(rows, orient="index")
        table.index = pd.MultiIndex.from_tuples(rows, names=["model", "place", "parameter"])
        return table

    def evidence(self, acted: Any) -> pd.DataFrame:
        """Log evidences of every fitted model for the subjects of one, nats [subject x model]; nan where there is no
        peak."""
        return pd.DataFrame({name: self.fits[acted, name].log_evidence for name in self.models})

    @cached_property
    def confusion(self) -> pd.DataFrame:
        """The share of subjects of each model (rows) for whom each model (columns) has the highest evidence.

        Subjects of whom the evidence of some model is unknown are left out.
        """
        rows = {}
        for name in self.models:
            best = self.evidence(name).dropna().idxmax(axis=1)
            rows[name] = [float((best == other).mean()) if len(best) else float("nan") for other in self.models]
        return pd.DataFrame.from_dict(rows, orient="index", columns=self.models).rename_axis("acted")

    def comparison(self, acted: Any) -> Comparison:
        """Bayesian model selection over the subjects of one model, those left out of whom an evidence is unknown.

        Raises:
            ConfigError: there is no such model, or only one.
            DataError: nobody is left.
        """
        if acted not in self.truths:
            raise ConfigError(
                f"Cannot compare models of {acted!r}. This is because no model has that name. Try one of "
                f"{listed(self.models)}."
            )
        return compare_models(self.evidence(acted).dropna())

    def plot(self, **options: Any) -> NDArray[np.object_]:
        """True against fitted values of every parameter; see `recovery_figure.draw_recovery`. Returns the axes."""
        from sostruct.networks.hgf.generative.recovery_figure import draw_recovery

        return draw_recovery(self, **options)

    def plot_confusion(self, **options: Any) -> Any:
        """Which model was chosen; see `recovery_figure.draw_confusion`. Returns the axes."""
        from sostruct.networks.hgf.generative.recovery_figure import draw_confusion

        return draw_confusion(self, **options)

    def __repr__(self) -> str:
        table = self.parameters()
        worst = " ".join(str(part) for part in table.index[int(table["correlation"].argmin())])
        subjects = len(next(iter(self.truths.values())))
        least = f"least correlation {table['correlation'].min():.2f} ({worst})"
        told = ""
        if len(self.models) > 1:
            told = f", right model in {np.diagonal(self.confusion.to_numpy()).min():.0%} of subjects or more"
        return f"Recovery: {len(self.models)} models, {subjects} subjects each, {least}{told}"


def recover(
    models: Candidate | Mapping[Any, Candidate],
    steps: int,
    *,
    key: PRNGKeyArray,
    environment: AbstractEnvironment | None = None,
    subjects: int = 50,
    starts: int = 8,
) -> Recovery:
    """Simulates subjects of every model, fits every model to all of them, and says what came back.

        two = ss.Candidate(ss.HGF(ss.binary_hgf(levels=2)), priors, "unit_square_sigmoid")
        three = ss.Candidate(ss.HGF(ss.binary_hgf(levels=3)), more, "unit_square_sigmoid")
        study = ss.recover({"two": two, "three": three}, 320, environment=ss.ReversalLearning(0.8), key=key)
        study.parameters(), study.confusion

    Args:
        models: by name, or one; their networks see the same columns, and all have response models or none has.
        steps: of each subject.
        key: a random key.
        environment: where subjects with response models act; without them, inputs are drawn from the networks.
        subjects: of each model.
        starts: of each fit.

    Raises:
        ConfigError: models do not fit each other or the environment, or a number is not a whole one of at least 1; or
            see `HGF.fit` and `simulate`.
        GraphError: see `HGF.fit`.
        BeliefError: beliefs break down wherever a subject's parameters are drawn.
    """
    given = {"model": models} if isinstance(models, Candidate) else dict(models)
    _check(given, environment)
    steps, subjects = whole("a study", "steps", steps, 1), whole("a study", "subjects", subjects, 2)
    starts, key = whole("a study", "starts", starts, 1), read_key(key)
    truths, fits, redrawn = {}, {}, {}
    for number, (name, candidate) in enumerate(given.items()):
        own = jax.random.fold_in(key, number)
        truths[name], frames, responses, redrawn[name] = _subjects(candidate, steps, subjects, environment, own)
        for other, rival in given.items():
            fits[name, other] = rival.network.fit(
                frames, responses, rival.priors, rival.model, starts=starts, key=jax.random.fold_in(own, 1)
            )
    return Recovery(truths, fits, redrawn)


def _check(models: Mapping[Any, Candidate], environment: AbstractEnvironment | None) -> None:
    if not models or not all(isinstance(one, Candidate) for one in models.values()):
        raise ConfigError(
            "Cannot study recovery. This is because models are candidates by name. Try "
            "{'two levels': ss.Candidate(network, priors, response)}."
        )
    acting = {name: one.model is not None for name, one in models.items()}
    if len(set(acting.values())) > 1:
        raise ConfigError(
            f"Cannot study recovery of {listed(models)}. This is because some have a response model and some have "
            "none, so that they explain different data. Try a response model for all, or for none."
        )
    first = next(iter(models.values()))
    different = next((name for name, one in models.items() if one.network.columns != first.network.columns), None)
    if different is not None:
        raise ConfigError(
            f"Cannot study recovery of {listed(models)}. This is because {different!r} sees the columns "
            f"{listed(models[different].network.columns)} and the first model {listed(first.network.columns)}. Try "
            "networks of the same columns."
        )
    if any(acting.values()) != (environment is not None):
        raise ConfigError(
            "Cannot simulate subjects. This is because "
            + ("they act, and nothing says in what." if any(acting.values()) else "there is no model of how they act.")
            + " Try an environment (such as ss.ReversalLearning(0.8)) with response models, or neither."
        )
    for one in models.values():
        _ = one.free  # refuses priors before any work starts


def _subjects(
    candidate: Candidate, steps: int, count: int, environment: AbstractEnvironment | None, key: PRNGKeyArray
) -> tuple[pd.DataFrame, dict[int, pd.DataFrame], dict[int, pd.Series] | None, int]:
    """Subjects of one model: their parameters, what they saw and did, and how many draws broke down."""
    free = candidate.free
    with double_precision():
        points = np.asarray(Independent([one.prior for one in free]).draw(key, count * _TRIES), np.float64)
    values = coordinates.outward([one.prior.support for one in free], points)
    kept: list[NDArray[np.float64]] = []
    frames: dict[int, pd.DataFrame] = {}
    responses: dict[int, pd.Series] = {}
    failures: list[BeliefError] = []
    for tried, own in enumerate(values):
        if len(kept) == count:
            break
        (network,), acted = networks_with(candidate.network, free, own[None])
        life = jax.random.fold_in(key, tried + 1)
        try:
            if candidate.model is None:
                frame, done = network.sample(life, steps).frame, None
            else:
                assert environment is not None
                numbers = {name: float(value[0]) for name, value in acted.items()}
                lived = simulate(network, candidate.model, environment, steps, key=life, values=numbers)
                frame, done = lived.frame, lived.responses
        except BeliefError as error:
            failures.append(error)
            continue
        if done is not None:
            responses[len(kept)] = done
        frames[len(kept)] = frame
        kept.append(own)
    if len(kept) < count:
        raise BeliefError(
            f"Cannot simulate {count} subjects. This is because beliefs held in {len(kept)} of {len(values)} draws "
            f"from the priors; the last time: {failures[-1]} Try priors closer to values that work, or "
            "update='unbounded'."
        )
    columns = pd.MultiIndex.from_tuples([(one.label, one.name) for one in free], names=["place", "parameter"])
    truth = pd.DataFrame(np.stack(kept), columns=columns).rename_axis(index="subject")
    return truth, frames, responses if candidate.model is not None else None, len(failures)
