"""What a subject did, given what it believed: response models.

A response at a step is made on the predictions of that step, before its outcome is seen, as in the literature's tasks.
A model says how probable a response is and draws one; its parameters are numbers where they are known and priors where
they are to be fitted. Responses that are NaN are missing: the fit leaves them out.

References:
    J. Daunizeau et al., "Observing the observer (I)", PLoS ONE 5(12):e15554, 2010.
    C. Mathys et al., "A Bayesian foundation for individual learning under uncertainty", Frontiers in Human
    Neuroscience 5:39, 2011 (the unit-square sigmoid).
"""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, TypeAlias, final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from numpy.typing import NDArray

from sostruct.errors import ConfigError
from sostruct.networks.hgf.inference.priors import AbstractPrior, LogNormal
from sostruct.networks.hgf.trace import QUANTITIES, Trace
from sostruct.tasks.base import listed

Number: TypeAlias = float | AbstractPrior
"""A parameter of a response model: known, or to be fitted."""

Values: TypeAlias = Mapping[str, Any]
"""Numbers of a response model's parameters, plain or traced."""

_TEMPERATURE = LogNormal(math.log(5.0), 1.0)
_SPREAD = LogNormal(0.0, 1.0)

_TINY = 1e-12
"""Least probability of a response: one lapse must not cost infinitely much."""


class AbstractResponse(abc.ABC):
    """A response model."""

    @property
    @abc.abstractmethod
    def parameters(self) -> Mapping[str, Number]:
        """Its parameters by name: numbers, and priors where they are to be fitted."""

    @abc.abstractmethod
    def log_density(
        self, responses: Float[Array, " time"], trace: Trace, inputs: Float[Array, "time input"], values: Values
    ) -> Float[Array, " time"]:
        """Log probability or density of every response, nats.

        Args:
            responses: none is NaN; what stands where one is missing is arbitrary, and so is the result there.
            trace: what the subject believed.
            inputs: what it saw, NaN where nothing.
            values: of all parameters.
        """

    @abc.abstractmethod
    def sample(
        self, key: PRNGKeyArray, trace: Trace, inputs: Float[Array, "time input"], values: Values
    ) -> Float[Array, " time"]:
        """Responses drawn from the model."""

    @property
    def positive(self) -> frozenset[str]:
        """Its parameters that must be greater than zero."""
        return frozenset()

    def nodes(self) -> tuple[str, ...]:
        """The nodes it reads, which a network must have."""
        return ()

    @property
    def identity(self) -> Hashable:
        """What its mathematics depends on beside the values of its parameters: equal ones share compiled code."""
        model: Any = self
        if not is_dataclass(model):
            return self
        own = tuple((one.name, getattr(self, one.name)) for one in fields(model) if one.name not in self.parameters)
        return type(self), own

    def refusal(self, responses: NDArray[np.float64]) -> str | None:
        """Why one of `responses` (no NaN among them) cannot be a response, as "... is not ...", or None."""
        bad = responses[~np.isfinite(responses)]
        return f"{bad[0]} is not a finite number" if bad.size else None


class AbstractChoice(AbstractResponse):
    """A response model of a choice between 0 and 1."""

    @abc.abstractmethod
    def log_odds(self, trace: Trace, inputs: Float[Array, "time input"], values: Values) -> Float[Array, " time"]:
        """Log odds of the choice 1."""

    def log_density(
        self, responses: Float[Array, " time"], trace: Trace, inputs: Float[Array, "time input"], values: Values
    ) -> Float[Array, " time"]:
        """log P(choice), nats."""
        odds = self.log_odds(trace, inputs, values)
        return jnp.maximum(jax.nn.log_sigmoid(jnp.where(responses > 0.5, odds, -odds)), math.log(_TINY))

    def sample(
        self, key: PRNGKeyArray, trace: Trace, inputs: Float[Array, "time input"], values: Values
    ) -> Float[Array, " time"]:
        """Choices 0 or 1."""
        odds = self.log_odds(trace, inputs, values)
        return jax.random.bernoulli(key, jax.nn.sigmoid(odds)).astype(odds.dtype)

    def refusal(self, responses: NDArray[np.float64]) -> str | None:
        """Choices are 0 or 1."""
        bad = responses[(responses != 0.0) & (responses != 1.0)]
        return f"{bad[0]} is not 0 or 1" if bad.size else None


def _log_odds(chance: Array) -> Array:
    safe = jnp.clip(chance, 1e-9, 1.0 - 1e-9)
    return jnp.log(safe) - jnp.log1p(-safe)


@final
@dataclass(frozen=True, slots=True)
class BinarySoftmax(AbstractChoice):
    """P(1) = mh: the chance of a choice is the belief, "probability matching".

    Args:
        node: a binary input.
    """

    node: str

    @property
    def parameters(self) -> Mapping[str, Number]:
        """None."""
        return {}

    def log_odds(self, trace: Trace, inputs: Float[Array, "time input"], values: Values) -> Float[Array, " time"]:
        """logit(mh)."""
        return _log_odds(trace.expected_mean[self.node])

    def nodes(self) -> tuple[str, ...]:
        """The input."""
        return (self.node,)


@final
@dataclass(frozen=True, slots=True)
class UnitSquareSigmoid(AbstractChoice):
    """P(1) = mh^z / (mh^z + (1 - mh)^z): the log odds of a choice are z times those of the belief.

    Args:
        node: a binary input.
        inverse_temperature: z; 1 matches probabilities, a large one always takes the likelier outcome.
    """

    node: str
    inverse_temperature: Number = _TEMPERATURE

    @property
    def parameters(self) -> Mapping[str, Number]:
        """Its inverse temperature."""
        return {"inverse_temperature": self.inverse_temperature}

    def log_odds(self, trace: Trace, inputs: Float[Array, "time input"], values: Values) -> Float[Array, " time"]:
        """z logit(mh)."""
        odds: Array = values["inverse_temperature"] * _log_odds(trace.expected_mean[self.node])
        return odds

    def nodes(self) -> tuple[str, ...]:
        """The input."""
        return (self.node,)


@final
@dataclass(frozen=True, slots=True)
class ValueSoftmax(AbstractChoice):
    """P(1) = sigmoid(b (r_1 mh - r_0 (1 - mh)) + bias): the softmax of the expected values of two options.

    Args:
        node: a binary input.
        inverse_temperature: b, in 1 / (units of reward).
        rewards: (r_0, r_1), what the two outcomes are worth to who chose them.
        bias: log odds of the choice 1 between equal values.
    """

    node: str
    inverse_temperature: Number = _TEMPERATURE
    rewards: tuple[float, float] = (1.0, 1.0)
    bias: Number = 0.0

    @property
    def parameters(self) -> Mapping[str, Number]:
        """Its inverse temperature and bias."""
        return {"inverse_temperature": self.inverse_temperature, "bias": self.bias}

    def log_odds(self, trace: Trace, inputs: Float[Array, "time input"], values: Values) -> Float[Array, " time"]:
        """b (r_1 mh - r_0 (1 - mh)) + bias."""
        chance = trace.expected_mean[self.node]
        worth = self.rewards[1] * chance - self.rewards[0] * (1.0 - chance)
        odds: Array = values["inverse_temperature"] * worth + values["bias"]
        return odds

    def nodes(self) -> tuple[str, ...]:
        """The input."""
        return (self.node,)


@final
@dataclass(frozen=True, slots=True)
class GaussianResponse(AbstractResponse):
    """response ~ N(intercept + slope q, sd^2), q a belief.

    Args:
        node: whose belief.
        quantity: "mean", "precision", "expected_mean" or "expected_precision"; predictions are what a response made
            before the outcome can know.
        sd: of the responses, in their units.
        intercept: added.
        slope: of the belief.
    """

    node: str
    quantity: str = "expected_mean"
    sd: Number = _SPREAD
    intercept: Number = 0.0
    slope: Number = 1.0

    def __post_init__(self) -> None:
        if self.quantity not in QUANTITIES:
            raise ConfigError(
                f"Cannot make a response of {self.quantity!r}. This is because a node has no such belief. "
                f"Try one of {listed(QUANTITIES)}."
            )

    @property
    def parameters(self) -> Mapping[str, Number]:
        """Its sd, intercept and slope."""
        return {"sd": self.sd, "intercept": self.intercept, "slope": self.slope}

    @property
    def positive(self) -> frozenset[str]:
        """The sd."""
        return frozenset({"sd"})

    def _mean(self, trace: Trace, values: Values) -> Array:
        belief: Array = getattr(trace, self.quantity)[self.node]
        mean: Array = values["intercept"] + values["slope"] * belief
        return mean

    def log_density(
        self, responses: Float[Array, " time"], trace: Trace, inputs: Float[Array, "time input"], values: Values
    ) -> Float[Array, " time"]:
        """log N(response; mean, sd^2), nats."""
        return jax.scipy.stats.norm.logpdf(responses, self._mean(trace, values), values["sd"])

    def sample(
        self, key: PRNGKeyArray, trace: Trace, inputs: Float[Array, "time input"], values: Values
    ) -> Float[Array, " time"]:
        """Responses drawn around the belief."""
        mean = self._mean(trace, values)
        drawn: Array = mean + values["sd"] * jax.random.normal(key, mean.shape, mean.dtype)
        return drawn

    def nodes(self) -> tuple[str, ...]:
        """The node."""
        return (self.node,)


@final
@dataclass(frozen=True, slots=True)
class CustomResponse(AbstractResponse):
    """A response model of one's own.

    Args:
        density: function of (responses, trace, inputs, values) written with jax.numpy; see
            `AbstractResponse.log_density`.
        given: its parameters by name: numbers, and priors where they are to be fitted.
        draw: function of (key, trace, inputs, values) that draws responses; without it, none can be simulated.
    """

    density: Callable[[Any, Trace, Any, Values], Any]
    given: Mapping[str, Number] = field(default_factory=dict)
    draw: Callable[[PRNGKeyArray, Trace, Any, Values], Any] | None = None

    @property
    def parameters(self) -> Mapping[str, Number]:
        """As given."""
        return self.given

    @property
    def identity(self) -> Hashable:
        """The functions."""
        return type(self), self.density, self.draw

    def log_density(
        self, responses: Float[Array, " time"], trace: Trace, inputs: Float[Array, "time input"], values: Values
    ) -> Float[Array, " time"]:
        """What the function says."""
        return jnp.asarray(self.density(responses, trace, inputs, values))

    def sample(
        self, key: PRNGKeyArray, trace: Trace, inputs: Float[Array, "time input"], values: Values
    ) -> Float[Array, " time"]:
        """What the function draws.

        Raises:
            ConfigError: there is none.
        """
        if self.draw is None:
            raise ConfigError(
                "Cannot draw responses. This is because this response model has a density and no way to draw from it. "
                "Try CustomResponse(density, parameters, draw=...)."
            )
        return jnp.asarray(self.draw(key, trace, inputs, values))
