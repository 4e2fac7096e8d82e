"""Choices between several options, each of which has an input of its own: the bandit's response model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from numpy.typing import NDArray

from sostruct.errors import ConfigError
from sostruct.networks.hgf.inference.priors import LogNormal
from sostruct.networks.hgf.inference.responses import AbstractResponse, Number, Values
from sostruct.networks.hgf.trace import Trace

_TINY = 1e-12
_TEMPERATURE = LogNormal(math.log(5.0), 1.0)


@final
@dataclass(frozen=True, slots=True)
class ArmSoftmax(AbstractResponse):
    """P(k) = exp(b mh_k) / sum_j exp(b mh_j): the softmax of what each of several options is expected to pay.

    Responses are whole numbers, 0 for the first option. Of a binary input mh is the chance of a reward of 1, of a
    continuous one the expected reward (Daw et al., "Cortical substrates for exploratory decisions in humans", Nature
    441:876-879, 2006).

    Args:
        arms: the options, two or more nodes: inputs, or states above them.
        inverse_temperature: b, in 1 / (units of reward).
    """

    arms: tuple[str, ...]
    inverse_temperature: Number = _TEMPERATURE

    def __post_init__(self) -> None:
        single: object = self.arms
        arms = () if isinstance(single, str) else tuple(self.arms)
        if len(arms) < 2 or len(set(arms)) < len(arms):
            raise ConfigError(
                f"Cannot choose between {self.arms!r}. This is because a choice is between two or more different "
                "options. Try ArmSoftmax(network.inputs)."
            )
        object.__setattr__(self, "arms", arms)

    @property
    def parameters(self) -> Mapping[str, Number]:
        """Its inverse temperature."""
        return {"inverse_temperature": self.inverse_temperature}

    def log_probabilities(self, trace: Trace, values: Values) -> Float[Array, "time arm"]:
        """log P(k) of every option at every step, nats."""
        worth = jnp.stack([trace.expected_mean[arm] for arm in self.arms], -1)
        return jax.nn.log_softmax(values["inverse_temperature"] * worth, -1)

    def log_density(
        self, responses: Float[Array, " time"], trace: Trace, inputs: Float[Array, "time input"], values: Values
    ) -> Float[Array, " time"]:
        """log P(response), nats."""
        every = self.log_probabilities(trace, values)
        place = jnp.clip(jnp.nan_to_num(responses), 0, len(self.arms) - 1).astype(jnp.int32)
        chosen = jnp.take_along_axis(every, place[:, None], -1)[:, 0]
        return jnp.maximum(chosen, math.log(_TINY))

    def sample(
        self, key: PRNGKeyArray, trace: Trace, inputs: Float[Array, "time input"], values: Values
    ) -> Float[Array, " time"]:
        """Choices 0, 1, ..."""
        every = self.log_probabilities(trace, values)
        return jax.random.categorical(key, every, -1).astype(every.dtype)

    def nodes(self) -> tuple[str, ...]:
        """The options."""
        return self.arms

    def refusal(self, responses: NDArray[np.float64]) -> str | None:
        """Choices are the numbers of options."""
        known = np.isin(responses, np.arange(len(self.arms)))
        bad = responses[~known]
        return f"{bad[0]} is not one of 0 to {len(self.arms) - 1}" if bad.size else None
