"""Simulated subjects: tasks, graphs, priors and response models, and data drawn from them.

Parameters are drawn from the priors that the fits use, so that intervals of level p should hold the truth a share p of
the time. Tasks last 320 trials.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np

import sostruct as ss
from sostruct.numerics import double_precision

TRIALS = 320
BLOCK = 40

RATING = ss.responses.GaussianResponse("u", sd=ss.priors.LogNormal(math.log(0.1), 0.3))
FINE_RATING = ss.responses.GaussianResponse("u", sd=ss.priors.LogNormal(math.log(0.05), 0.3))
CHOICE = ss.responses.UnitSquareSigmoid("u", ss.priors.LogNormal(math.log(5.0), 0.5))

TONIC = {"tonic_volatility": ss.priors.Normal(-3.0, 1.0)}
COUPLED: Mapping[Any, Mapping[str, ss.priors.AbstractPrior]] = {
    "x2": TONIC,
    ("x3", "x2"): {"strength": ss.priors.LogitNormal(0.0, 1.0, upper=2.0)},
}


class Subjects(NamedTuple):
    """Data of several subjects, and the truth.

    Attributes:
        inputs: [subject, time, input].
        responses: [subject, time].
        truth: place in words and parameter -> [subject].
    """

    inputs: np.ndarray
    responses: np.ndarray
    truth: dict[tuple[str, str], np.ndarray]


@dataclass(frozen=True)
class Design:
    """What is simulated and fitted.

    Attributes:
        name: in tables.
        levels: of the network.
        update: of the filter.
        priors: of what is fitted; everything else is known.
        response: how beliefs become responses.
        omega_3: tonic volatility of the top level where it is known.
        kappa: coupling strength where it is known.
    """

    name: str
    levels: int
    update: str
    priors: Mapping[Any, Mapping[str, ss.priors.AbstractPrior]]
    response: ss.responses.AbstractResponse
    omega_3: float = -3.0
    kappa: float = 1.0

    def network(self) -> ss.HGF:
        """The network that subjects have and that is fitted."""
        if self.levels == 2:
            return ss.HGF(ss.binary_hgf(levels=2, omega=-3.0), update=self.update)
        return ss.HGF(ss.binary_hgf(levels=3, kappa=self.kappa, omega=(-3.0, self.omega_3)), update=self.update)

    def fit(self, subjects: Subjects, **settings: Any) -> ss.Fit:
        """The fit of all of them."""
        return self.network().fit(subjects.inputs, subjects.responses, self.priors, self.response, **settings)

    def draw(self, seed: int, count: int) -> Subjects:
        """Subjects with parameters from the priors."""
        generator = np.random.default_rng(seed)
        network, drawn = self.network(), []
        while len(drawn) < count:
            inputs = outcomes(generator)
            own = {
                place: {name: _sample(prior, generator) for name, prior in given.items()}
                for place, given in self.priors.items()
            }
            acting = {
                name: value if isinstance(value, float) else _sample(value, generator)
                for name, value in self.response.parameters.items()
            }
            with double_precision():
                trace = network.with_parameters(own).trace(inputs)
                if not bool(trace.sound):
                    continue  # a subject whose beliefs break down cannot be simulated, nor can it exist
                key = jax.random.key(int(generator.integers(2**31)))
                responses = np.asarray(self.response.sample(key, trace, inputs, acting))
            truth = {
                (place if isinstance(place, str) else " -> ".join(place), name): value
                for place, given in own.items()
                for name, value in given.items()
            }
            free = {
                name: acting[name] for name, value in self.response.parameters.items() if not isinstance(value, float)
            }
            drawn.append((inputs, responses, truth | {("response", name): value for name, value in free.items()}))
        return Subjects(
            np.stack([one[0] for one in drawn]),
            np.stack([one[1] for one in drawn]),
            {key: np.array([one[2][key] for one in drawn]) for key in drawn[0][2]},
        )


def outcomes(generator: np.random.Generator) -> np.ndarray:
    """A reversal task [time, input]: the likelier outcome comes with probability .8.

    Calm and volatile blocks of 40 trials alternate; it reverses every seven trials in volatile ones, and with
    probability .5 where a calm one begins.
    """
    volatile = np.arange(TRIALS) // BLOCK % 2 == 1
    chance, chances = 0.8, np.empty(TRIALS)
    for trial in range(TRIALS):
        begins = trial % BLOCK == 0 and generator.random() < 0.5
        if trial % 7 == 0 if volatile[trial] else begins:
            chance = 1.0 - chance
        chances[trial] = chance
    return (generator.random((TRIALS, 1)) < chances[:, None]).astype(float)


def _sample(prior: ss.priors.AbstractPrior, generator: np.random.Generator) -> float:
    with double_precision():
        return float(prior.sample(jax.random.key(int(generator.integers(2**31)))))


RECOVERY = (
    Design("ratings, unbounded", 3, "unbounded", COUPLED, RATING),
    Design("choices, unbounded", 3, "unbounded", COUPLED, CHOICE),
    Design("ratings, eHGF", 3, "ehgf", COUPLED, RATING),
    Design("choices, eHGF", 3, "ehgf", COUPLED, CHOICE),
)
"""The first is the one to choose; the others show what is lost by choices and by an update that moves x3 little."""


def rivals(response: ss.responses.AbstractResponse) -> dict[str, Design]:
    """The two networks that model recovery is about."""
    three = {"x2": TONIC, "x3": {"tonic_volatility": ss.priors.Normal(-0.5, 0.7)}}
    return {
        "two levels": Design("two levels", 2, "ehgf", {"x2": TONIC}, response),
        "three levels": Design("three levels", 3, "ehgf", three, response, kappa=1.4),
    }
