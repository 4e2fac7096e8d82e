"""The category: one label of a categorical variable, which is observed to be this one (1) or another (0).

A categorical variable of K labels is K leaves named `variable=label`, each with a filter of its own on its log odds, as
a binary input has it (Legrand et al. 2024, arXiv 2410.09206, section 5). Its K chances need not sum to 1, so the
predictive probability of a label is its share in their sum.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, final

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from sostruct.errors import GraphError
from sostruct.networks.hgf.couplings import Real
from sostruct.networks.hgf.kinds.base import (
    AbstractVariable,
    Clock,
    Drive,
    Noise,
    Observation,
    Scored,
    register,
    zeros,
)
from sostruct.networks.hgf.kinds.outcome import AbstractOutcome, bernoulli, expected_chance
from sostruct.networks.hgf.updates.base import Prediction
from sostruct.networks.hgf.variables.groups import Group, Parts


@final
class Category(AbstractOutcome, AbstractVariable):
    """A label that is observed or not.

    To its parents it is a binary input. With p_k the chance of label k,
    the sigmoid integrated over its parents' Gaussian, the variable's probabilities are P_k = p_k / sum_j p_j: a proper
    distribution, and calibrated where the p_j are. With two labels whose log odds mirror each other it is the binary
    input.
    """

    name: ClassVar[str] = "category"
    labeled: ClassVar[bool] = True

    def observation(self, prediction: Prediction, mean: Real, variance: Real, value: Real) -> Observation:
        """The pull and shrink of a binary input."""
        del prediction
        seen = bernoulli(mean, variance, value)
        return seen._replace(log_density=zeros(value), entropy=zeros(value))

    def refusal(self, values: NDArray[np.float64]) -> str | None:
        """Labels are checked where they are read."""
        del values
        return None

    def columns(self, name: str, labels: tuple[str, ...]) -> tuple[str, ...]:
        """One, of labels."""
        if labels == ("",):
            raise GraphError(
                f"Cannot observe {name!r}. This is because its kind 'category' is one label of a variable, and its "
                f"name does not say which. Try the name '{name}=LABEL', one node for each label."
            )
        if len(labels) < 2:
            raise GraphError(
                f"Cannot observe {name!r}. This is because it has one label, {labels[0]!r}, and nothing can be learnt "
                f"of what is always the same. Try a node '{name}=LABEL' for each of its labels."
            )
        return (name,)

    def group(self, positions: tuple[int, ...], labels: tuple[str, ...]) -> Group:
        """Every label is alike."""
        del labels
        return Group(positions)

    def spread(self, values: Any, labels: tuple[str, ...]) -> list[Any]:
        """1 at the label that is observed, 0 at the others; `values` are its `keys`."""
        return [(values[..., 0] == key) + 0.0 * values[..., 0] for key in keys(labels)]

    def generate(
        self,
        parameters: Mapping[str, Real],
        values: Mapping[str, Real],
        drive: Drive,
        clock: Clock,
        noise: Noise,
        observed: bool,
    ) -> dict[str, Real]:
        """Its chance; what is observed of it is drawn for whole variables."""
        del parameters, values, clock, noise, observed
        return {"mean": jax.nn.sigmoid(drive.value)}

    def gather(self, values: Any, labels: tuple[str, ...]) -> list[Any]:
        """The number that stands for the label that is observed."""
        numbers = np.asarray(keys(labels))[np.argmax(np.nan_to_num(np.asarray(values)), -1)]
        return [np.where(np.isnan(values).any(-1), np.nan, numbers)]

    def drawn(self, parts: Parts, expected: Real, noise: Noise) -> Real:
        """1 at one label of each variable, with the chance of its share, and 0 at the others (Gumbel, 1954)."""
        leader = jnp.asarray(parts.leader)
        score = jnp.log(expected) - jnp.log(-jnp.log(noise.uniform))
        rivals = jnp.where(leader[:, None] == leader[None, :], score[None, :], -jnp.inf)
        return (score >= jnp.max(rivals, -1)).astype(expected.dtype)

    def density(self, parts: Parts, prediction: Prediction, mean: Real, variance: Real, value: Real) -> Scored:
        """log P of the label that is observed, at its part; -P_k log P_k."""
        del prediction
        tiny = np.finfo(mean.dtype).tiny
        chance = jnp.maximum(expected_chance(mean, variance), tiny)
        share = jnp.maximum(chance / parts.sums(chance), tiny)
        log_share = jnp.log(share)
        return Scored(value * log_share, -share * log_share, jnp.ones_like(value, bool))


def keys(labels: tuple[str, ...]) -> tuple[float, ...]:
    """The numbers that stand for labels: themselves where all are whole numbers, else their places."""
    try:
        numbers = tuple(int(label) for label in labels)
    except ValueError:
        numbers = ()
    if tuple(map(str, numbers)) != labels:
        numbers = tuple(range(len(labels)))
    return tuple(map(float, numbers))


register(Category())
