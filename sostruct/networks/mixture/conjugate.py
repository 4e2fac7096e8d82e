r"""One component of a mixture in closed form: the normal-inverse-gamma model of every dimension.

In dimension d a component has an unknown mean and variance,

    x | mu, s2 ~ N(mu, s2),   mu | s2 ~ N(center, s2 / kappa0),   s2 ~ inverse gamma(freedom / 2, freedom noise / 2),

with noise = 1 / precision and kappa0 = noise / spread^2, so that centers of components scatter with standard deviation
`spread` and points around them with variance `noise`. What it has seen is kept as weighted statistics: how much, its
mean, and its sum of squares about that mean. Everything else is a function of these:

    kappa = kappa0 + N,   nu = freedom + N,   m = (kappa0 center + N mean) / kappa,
    SS = freedom noise + square + kappa0 N / kappa (mean - center)^2,
    log Z = lgamma(nu / 2) - 1/2 log kappa - nu / 2 log(SS / 2),

the next point is Student-t with nu degrees of freedom around m, scale^2 = SS (kappa + 1) / (kappa nu), and data S have
the marginal density log m(S) = log Z(S) - log Z(nothing) - N / 2 log(2 pi). Statistics of two components add.

References: DeGroot 1970, Optimal Statistical Decisions, ch. 9; Murphy 2007, Conjugate Bayesian analysis of the
Gaussian distribution.
"""

from __future__ import annotations

import math

import equinox as eqx
import jax.numpy as jnp
from jax.scipy.special import gammaln
from jaxtyping import Array, Bool, Float

from sostruct.numerics import Numbers


class Prior(eqx.Module):
    """What components are like before they have seen anything, and how many there are.

    Attributes:
        center: expected center of a component [dim].
        precision: one over the expected variance of points around their center [dim].
        spread: standard deviation of the centers of components [dim].
        concentration: alpha of the Dirichlet process; with n points seen, the next is of a new component with
            probability alpha / (alpha + n).
        freedom: degrees of freedom of the expected variance: how many points it is worth.
        keep: share of every statistic that outlives a step; 1 forgets nothing, .99 remembers about 100 steps.
    """

    center: Float[Numbers, " dim"]
    precision: Float[Numbers, " dim"]
    spread: Float[Numbers, " dim"]
    concentration: Float[Numbers, ""]
    freedom: Float[Numbers, ""]
    keep: Float[Numbers, ""]


class Statistics(eqx.Module):
    """What components have seen; padded slots have seen nothing.

    Attributes:
        weight: points, each by the share it belongs to the component [slot].
        seen: the same, of those in which the dimension was not missing [slot, dim].
        mean: their weighted mean [slot, dim].
        square: their weighted sum of squares about it [slot, dim].
        overlap: nats of doubt as to which of two components a point of theirs belongs to, summed [slot, slot].
        fresh: whether there is nothing but a seed [slot]: such a component has yet to pay for its place.
    """

    weight: Float[Numbers, " slot"]
    seen: Float[Numbers, "slot dim"]
    mean: Float[Numbers, "slot dim"]
    square: Float[Numbers, "slot dim"]
    overlap: Float[Numbers, "slot slot"]
    fresh: Bool[Numbers, " slot"]


class Belief(eqx.Module):
    """Posterior of a component's mean and variance: m, kappa, nu and SS of the module's docstring [..., dim]."""

    mean: Float[Array, "*slot dim"]
    kappa: Float[Array, "*slot dim"]
    freedom: Float[Array, "*slot dim"]
    square: Float[Array, "*slot dim"]

    @property
    def scale(self) -> Float[Array, "*slot dim"]:
        """Squared scale of the predictive Student-t."""
        return self.square * (self.kappa + 1.0) / (self.kappa * self.freedom)

    @property
    def variance(self) -> Float[Array, "*slot dim"]:
        """Predictive variance, `scale nu / (nu - 2)`."""
        return self.scale * self.freedom / (self.freedom - 2.0)


def believe(
    prior: Prior,
    seen: Float[Numbers, "*slot dim"],
    mean: Float[Numbers, "*slot dim"],
    square: Float[Numbers, "*slot dim"],
) -> Belief:
    """The posterior given weighted statistics; given nothing, the prior."""
    noise = 1.0 / jnp.asarray(prior.precision)
    start = noise / prior.spread**2
    kappa = start + seen
    return Belief(
        mean=(start * prior.center + seen * mean) / kappa,
        kappa=kappa,
        freedom=jnp.asarray(prior.freedom + seen),
        square=jnp.asarray(prior.freedom * noise + square + start * seen / kappa * (mean - prior.center) ** 2),
    )


def nothing(prior: Prior) -> Belief:
    """The belief of a component that has seen nothing [dim]."""
    zero = jnp.zeros_like(jnp.asarray(prior.center))
    return believe(prior, zero, zero, zero)


def log_density(belief: Belief, point: Float[Numbers, "*point dim"]) -> Float[Array, "*both dim"]:
    """Log predictive density of a point in every dimension, nats."""
    nu, spread = belief.freedom, belief.freedom * belief.scale
    front = gammaln((nu + 1.0) / 2.0) - gammaln(nu / 2.0) - 0.5 * jnp.log(math.pi * spread)
    return front - (nu + 1.0) / 2.0 * jnp.log1p((point - belief.mean) ** 2 / spread)


def log_partition(belief: Belief) -> Float[Array, "*slot dim"]:
    """log Z in every dimension."""
    nu = belief.freedom
    return gammaln(nu / 2.0) - 0.5 * jnp.log(belief.kappa) - nu / 2.0 * jnp.log(belief.square / 2.0)


def seed_price(
    prior: Prior, count: Float[Numbers, " slot"], place: Float[Numbers, "slot dim"]
) -> Float[Array, " slot"]:
    """What knowing where a component is costs [slot], nats, at most 0: `log m(seed) - log m(seed | seed)`.

    A component that starts as if it had seen `count` points at `place` predicts the points there better than one that
    has seen nothing; the difference, on the seed itself, is the log Occam factor of its place. It has no units.
    """
    once = jnp.broadcast_to(jnp.asarray(count)[:, None], place.shape)
    none = jnp.zeros_like(once)
    empty, one, two = (log_partition(believe(prior, times * once, place, none)) for times in (0.0, 1.0, 2.0))
    return jnp.sum(2.0 * one - two - empty, axis=1)


def pooled(statistics: Statistics) -> tuple[Float[Array, "slot slot dim"], ...]:
    """`seen`, `mean` and `square` of every two components together."""
    seen, mean, square = (jnp.asarray(part) for part in (statistics.seen, statistics.mean, statistics.square))
    one, other = seen[:, None], seen[None]
    both = one + other
    safe = jnp.where(both > 0.0, both, 1.0)
    apart = mean[:, None] - mean[None]
    return (
        both,
        (one * mean[:, None] + other * mean[None]) / safe,
        square[:, None] + square[None] + (one * other / safe) * apart**2,
    )


def merge_price(prior: Prior, statistics: Statistics) -> Float[Array, "slot slot"]:
    """Bayesian model reduction of two components to one [slot, slot], nats; what the diagonal says means nothing.

    `log m(A and B) - log m(A) - log m(B)` is what two lots of points lose or gain by having one mean and one variance.
    The labels are worth `lgamma(a + b) - lgamma(a) - lgamma(b) - log alpha` under the Chinese restaurant process, from
    which the doubt about them goes off: it is no evidence for two components that points might be of either.
    """
    own = log_partition(believe(prior, statistics.seen, statistics.mean, statistics.square))
    both = log_partition(believe(prior, *pooled(statistics)))
    points = jnp.sum(both - own[:, None] - own[None] + log_partition(nothing(prior)), axis=-1)
    weight = jnp.asarray(statistics.weight)
    count = jnp.maximum(weight, 1.0)  # less than a point is no table of its own
    together = jnp.maximum(weight[:, None] + weight[None], 1.0)
    labels = gammaln(together) - gammaln(count)[:, None] - gammaln(count)[None] - jnp.log(prior.concentration)
    return points + labels - statistics.overlap
