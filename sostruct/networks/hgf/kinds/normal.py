"""The normal statistic: one of x and x x' of a normal variable, of one dimension or more, with unknown moments.

A variable of d columns is d leaves named `variable=column` and d (d + 1) / 2 named `variable=column*column`.
"""

from __future__ import annotations

from typing import Any, ClassVar, final

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from sostruct.errors import GraphError
from sostruct.networks.hgf.couplings import Real
from sostruct.networks.hgf.kinds.base import Noise, Scored, register
from sostruct.networks.hgf.kinds.continuous import finite_refusal
from sostruct.networks.hgf.kinds.statistic import AbstractStatistic, worth
from sostruct.networks.hgf.updates.base import Prediction
from sostruct.networks.hgf.variables.groups import Group, Parts, taken
from sostruct.networks.hgf.variables.special import digamma_rise, log_rising
from sostruct.tasks.base import listed


@final
class Normal(AbstractStatistic):
    """A statistic of a normal variable, t(x) = (x, lower triangle of x x').

    The conjugate prior exp(nu (eta(theta) . xi - b(theta))) over mean and precision matrix is normal-Wishart: mean
    xi_x worth nu observations, n = nu + d degrees of freedom and scale (nu S)^-1, where S = xi_xx - xi_x xi_x'. So x
    is predicted by Student's t with nu + 1 degrees of freedom, location xi_x and scale matrix S (in one dimension: eq.
    of Mathys and Weber 2020, whose base measure this is: uniform over mean and precision). The prior is one while S is
    positive definite: at the start that is for its states to say (those of `exponential_family_hgf` do), and later it
    stays so where all statistics move by the same share of their errors, as they do with equal parameters and
    volatility parents in common (until nu is so near 0 that one observation replaces all before it, and S is singular
    to rounding). Where it is not, pivots of S are raised to a rounding error in the density.

    Reference: C. Mathys and L. Weber, "Hierarchical Gaussian filtering of sufficient statistic time series for active
    inference", IWAI 2020.
    """

    name: ClassVar[str] = "normal"

    def columns(self, name: str, labels: tuple[str, ...]) -> tuple[str, ...]:
        """Those whose statistic is the column itself."""
        if labels == ("",):
            raise GraphError(
                f"Cannot observe {name!r}. This is because its kind 'normal' is one statistic of a variable, and its "
                f"name does not say which. Try the names '{name}={name}' and '{name}={name}*{name}' for a column "
                f"{name!r}."
            )
        found, pairs = _read(labels)
        missing = [_product(*pair) for pair in _pairs(found) if pair not in pairs]
        if not found or missing:
            absent = listed([f"{name}={one}" for one in missing]) if found else f"one like '{name}=COLUMN'"
            raise GraphError(
                f"Cannot observe {name!r}. This is because a normal variable is observed by every column and every "
                f"product of two, and there is no node {absent}. Try adding it."
            )
        return found

    def group(self, positions: tuple[int, ...], labels: tuple[str, ...]) -> Group:
        """Columns and products of two."""
        found, pairs = _read(labels)
        second = [[positions[labels.index(pairs[_ordered(found, one, two)])] for two in found] for one in found]
        return Group(positions, tuple(positions[labels.index(one)] for one in found), tuple(map(tuple, second)))

    def spread(self, values: Any, labels: tuple[str, ...]) -> list[Any]:
        """Columns and products of two."""
        found, pairs = _read(labels)
        known = 0.0 * sum(values[..., number] for number in range(len(found)))
        place = {name: number for number, name in enumerate(found)}
        factors = {label: pair for pair, label in pairs.items()}
        seen = []
        for label in labels:
            own = (label,) if label in place else factors[label]
            product = values[..., place[own[0]]]
            seen.append((product if len(own) == 1 else product * values[..., place[own[1]]]) + known)
        return seen

    def gather(self, values: Any, labels: tuple[str, ...]) -> list[Any]:
        """The parts that are columns."""
        found, _ = _read(labels)
        return [values[..., labels.index(column)] for column in found]

    def drawn(self, parts: Parts, expected: Real, noise: Noise) -> Real:
        """x ~ N(xi_x, xi_xx - xi_x xi_x') by the noise of the columns' parts, and its statistics."""
        real = jnp.asarray(parts.real, expected.dtype)
        both = real[:, :, None] * real[:, None, :]
        center = real * taken(expected, parts.first)
        moment = both * taken(expected, parts.second) + (1.0 - both) * jnp.eye(real.shape[-1], dtype=expected.dtype)
        root = jnp.linalg.cholesky(moment - center[:, :, None] * center[:, None, :])
        x = center + jnp.sum(root * (real * taken(noise.normal, parts.first))[:, None, :], -1)
        seen = expected
        for column in range(real.shape[-1]):
            seen = self._put(seen, parts.first[:, column], x[:, column], real[:, column])
        for row in range(real.shape[-1]):
            for column in range(real.shape[-1]):
                seen = self._put(seen, parts.second[:, row, column], x[:, row] * x[:, column], both[:, row, column])
        return seen

    def _put(self, seen: Real, places: Any, values: Real, real: Real) -> Real:
        """Values of variables at parts of theirs, where there are such."""
        nowhere = seen.shape[0]
        return seen.at[jnp.where(real > 0.0, places, nowhere)].set(values, mode="drop")

    def density(self, parts: Parts, prediction: Prediction, mean: Real, variance: Real, value: Real) -> Scored:
        """Student's t by elimination of one column after another; every part has an equal share of it."""
        number = mean.dtype
        count = parts.sums(jnp.ones_like(mean))
        nu = parts.sums(worth(prediction, variance)) / count
        real = jnp.asarray(parts.real, number)
        size, width = jnp.maximum(jnp.sum(real, -1), 1.0), real.shape[-1]
        error = real * (taken(value, parts.first) - taken(mean, parts.first))
        center, both = real * taken(mean, parts.first), real[:, :, None] * real[:, None, :]
        moment = both * taken(mean, parts.second) + (1.0 - both) * jnp.eye(width, dtype=number)
        scale = moment - center[:, :, None] * center[:, None, :]
        distance = log_volume = jnp.zeros_like(mean)
        sound = jnp.ones_like(mean, bool)
        for column in range(width):
            least = np.finfo(number).eps * jnp.abs(moment[:, column, column]) + np.finfo(number).tiny ** 0.5
            sound = sound & (scale[:, column, column] > least)
            pivot = jnp.maximum(scale[:, column, column], least)
            log_volume = log_volume + jnp.log(pivot)
            distance = distance + error[:, column] ** 2 / pivot
            share = scale[:, column] / pivot[:, None]
            error = error - share * error[:, column, None]
            scale = scale - share[:, :, None] * scale[:, column, None, :]
        freedom = nu + 1.0
        constant = log_rising(0.5 * freedom, 0.5 * size) - 0.5 * (size * jnp.log(jnp.pi * freedom) + log_volume)
        tails = 0.5 * (freedom + size)
        log_density = constant - tails * jnp.log1p(distance / freedom)
        entropy = tails * digamma_rise(0.5 * freedom, 0.5 * size) - constant
        lead = taken(jnp.stack([log_density, entropy]).T, parts.leader) / count[:, None]
        return Scored(lead[:, 0], lead[:, 1], taken(sound, parts.leader))

    def refusal(self, values: NDArray[np.float64]) -> str | None:
        """Any finite number can be observed."""
        return finite_refusal(values)


def _read(labels: tuple[str, ...]) -> tuple[tuple[str, ...], dict[tuple[str, str], str]]:
    """The columns, in the order of their labels, and the label of every product of two by its factors in that order."""
    products = {_product(one, two): (one, two) for one in labels for two in labels}
    found = tuple(label for label in labels if label not in products)
    named = {label: products[label] for label in labels if label in products}
    return found, {_ordered(found, *pair): label for label, pair in named.items() if set(pair) <= set(found)}


def _pairs(columns: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(one, two) for place, one in enumerate(columns) for two in columns[place:]]


def _ordered(columns: tuple[str, ...], one: str, two: str) -> tuple[str, str]:
    return (one, two) if columns.index(one) <= columns.index(two) else (two, one)


def _product(one: str, two: str) -> str:
    return f"{one}*{two}"


register(Normal())
