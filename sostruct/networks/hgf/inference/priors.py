"""Priors of parameters: densities with a support, and the unbounded coordinates in which a fit moves.

A fit looks for the mode, and approximates the posterior, in coordinates z without bounds: z = x on the real line,
log(x - lower) above a bound, logit((x - lower) / (upper - lower)) between two. The density that is maximized is that of
z, log p(x(z)) + log |dx/dz|, as in the estimation space of the HGF toolbox (Frässle et al. 2021) and in Stan
(Carpenter et al. 2017). Of a Normal both are the same; a log-normal is a Normal of z, and so is a logit-normal.

References:
    S. Frässle et al., "TAPAS: an open-source software package for translational neuromodeling and computational
    psychiatry", Frontiers in Psychiatry 12:680811, 2021.
    B. Carpenter et al., "Stan: a probabilistic programming language", Journal of Statistical Software 76(1), 2017.
"""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass, fields
from typing import TypeAlias, final

import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

from sostruct.errors import ConfigError
from sostruct.networks.hgf.couplings import Real

REAL = (-math.inf, math.inf)
POSITIVE = (0.0, math.inf)


Support: TypeAlias = tuple[float, float]
"""An open interval; either end may be infinite."""


def outward(support: Support, point: Real) -> Real:
    """x of an unbounded coordinate z."""
    lower, upper = support
    if math.isinf(lower) and math.isinf(upper):
        return point
    if math.isinf(upper):
        return lower + jnp.exp(point)
    if math.isinf(lower):
        return upper - jnp.exp(point)
    return lower + (upper - lower) * jax.nn.sigmoid(point)


class AbstractPrior(abc.ABC):
    """A prior density of one number."""

    @property
    def support(self) -> Support:
        """The open interval in which a value may lie."""
        return REAL

    @abc.abstractmethod
    def log_density(self, value: Real) -> Real:
        """log p(x), nats; meaningless outside the support."""

    @abc.abstractmethod
    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Array:
        """Draws."""

    @property
    @abc.abstractmethod
    def center(self) -> float:
        """The value at which the density of z is largest: where a fit starts."""

    def outward(self, point: Real) -> Real:
        """x of an unbounded coordinate z."""
        return outward(self.support, point)

    def inward(self, value: Real) -> Real:
        """z of a value inside the support."""
        lower, upper = self.support
        if math.isinf(lower) and math.isinf(upper):
            return value
        if math.isinf(upper):
            return jnp.log(value - lower)
        if math.isinf(lower):
            return jnp.log(upper - value)
        return jnp.log(value - lower) - jnp.log(upper - value)

    def log_density_inside(self, point: Real) -> Real:
        """log p(z) = log p(x(z)) + log |dx/dz|, nats."""
        lower, upper = self.support
        density = self.log_density(self.outward(point))
        if math.isinf(lower) and math.isinf(upper):
            return density
        if math.isinf(lower) or math.isinf(upper):
            return density + point
        return density + math.log(upper - lower) + jax.nn.log_sigmoid(point) + jax.nn.log_sigmoid(-point)

    def _check(self, *positive: str) -> None:
        for field in fields(self):  # type: ignore[arg-type]
            number = getattr(self, field.name)
            if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
                self._refuse(field.name, number, "is not a finite number", "a finite float")
            if field.name in positive and number <= 0.0:
                self._refuse(field.name, number, "is not greater than 0", "a positive number")

    def _refuse(self, name: str, number: object, why: str, remedy: str) -> None:
        raise ConfigError(
            f"Cannot make the prior {type(self).__name__}. This is because its {name} is {number!r}, which {why}. "
            f"Try {remedy}."
        )


@final
@dataclass(frozen=True, slots=True)
class Normal(AbstractPrior):
    """N(mean, sd^2)."""

    mean: float = 0.0
    sd: float = 1.0

    def __post_init__(self) -> None:
        self._check("sd")

    @property
    def center(self) -> float:
        """The mean."""
        return self.mean

    def log_density(self, value: Real) -> Real:
        """See `AbstractPrior`."""
        return jax.scipy.stats.norm.logpdf(value, self.mean, self.sd)

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Array:
        """See `AbstractPrior`."""
        return self.mean + self.sd * jax.random.normal(key, shape)


@final
@dataclass(frozen=True, slots=True)
class LogNormal(AbstractPrior):
    """A positive number whose logarithm is N(mean, sd^2)."""

    mean: float = 0.0
    sd: float = 1.0

    def __post_init__(self) -> None:
        self._check("sd")

    @property
    def support(self) -> Support:
        """(0, inf)."""
        return POSITIVE

    @property
    def center(self) -> float:
        """The median."""
        return math.exp(self.mean)

    def log_density(self, value: Real) -> Real:
        """See `AbstractPrior`."""
        logarithm = jnp.log(value)
        return jax.scipy.stats.norm.logpdf(logarithm, self.mean, self.sd) - logarithm

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Array:
        """See `AbstractPrior`."""
        return jnp.exp(self.mean + self.sd * jax.random.normal(key, shape))


@final
@dataclass(frozen=True, slots=True)
class LogitNormal(AbstractPrior):
    """A number between `lower` and `upper` whose logit is N(mean, sd^2)."""

    mean: float = 0.0
    sd: float = 1.0
    lower: float = 0.0
    upper: float = 1.0

    def __post_init__(self) -> None:
        self._check("sd")
        if self.upper <= self.lower:
            self._refuse("upper", self.upper, f"is not above its lower, {self.lower!r}", "bounds in order")

    @property
    def support(self) -> Support:
        """(lower, upper)."""
        return self.lower, self.upper

    @property
    def center(self) -> float:
        """The median."""
        return self.lower + (self.upper - self.lower) / (1.0 + math.exp(-self.mean))

    def log_density(self, value: Real) -> Real:
        """See `AbstractPrior`."""
        below, above = jnp.log(value - self.lower), jnp.log(self.upper - value)
        jacobian = math.log(self.upper - self.lower) - below - above
        return jax.scipy.stats.norm.logpdf(below - above, self.mean, self.sd) + jacobian

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Array:
        """See `AbstractPrior`."""
        return jnp.asarray(self.outward(self.mean + self.sd * jax.random.normal(key, shape)))


@final
@dataclass(frozen=True, slots=True)
class Gamma(AbstractPrior):
    """Gamma with `shape` and `rate`: mean shape / rate."""

    shape: float = 2.0
    rate: float = 1.0

    def __post_init__(self) -> None:
        self._check("shape", "rate")

    @property
    def support(self) -> Support:
        """(0, inf)."""
        return POSITIVE

    @property
    def center(self) -> float:
        """The mean, the mode of log x."""
        return self.shape / self.rate

    def log_density(self, value: Real) -> Real:
        """See `AbstractPrior`."""
        return jax.scipy.stats.gamma.logpdf(value, self.shape, scale=1.0 / self.rate)

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Array:
        """See `AbstractPrior`."""
        return jax.random.gamma(key, self.shape, shape) / self.rate


@final
@dataclass(frozen=True, slots=True)
class Beta(AbstractPrior):
    """Beta(a, b) on (0, 1)."""

    a: float = 1.0
    b: float = 1.0

    def __post_init__(self) -> None:
        self._check("a", "b")

    @property
    def support(self) -> Support:
        """(0, 1)."""
        return 0.0, 1.0

    @property
    def center(self) -> float:
        """The mean, the mode of logit x."""
        return self.a / (self.a + self.b)

    def log_density(self, value: Real) -> Real:
        """See `AbstractPrior`."""
        return jax.scipy.stats.beta.logpdf(value, self.a, self.b)

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Array:
        """See `AbstractPrior`."""
        return jax.random.beta(key, self.a, self.b, shape)


@final
@dataclass(frozen=True, slots=True)
class Uniform(AbstractPrior):
    """Uniform between two bounds."""

    lower: float = 0.0
    upper: float = 1.0

    def __post_init__(self) -> None:
        self._check()
        if self.upper <= self.lower:
            self._refuse("upper", self.upper, f"is not above its lower, {self.lower!r}", "bounds in order")

    @property
    def support(self) -> Support:
        """(lower, upper)."""
        return self.lower, self.upper

    @property
    def center(self) -> float:
        """The midpoint."""
        return 0.5 * (self.lower + self.upper)

    def log_density(self, value: Real) -> Real:
        """See `AbstractPrior`."""
        return jnp.zeros_like(value) - math.log(self.upper - self.lower)

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Array:
        """See `AbstractPrior`."""
        return jax.random.uniform(key, shape, minval=self.lower, maxval=self.upper)
