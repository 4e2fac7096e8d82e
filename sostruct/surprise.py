"""What an epoch reports about a graph, in nats.

Two quantities that must not be confused live here side by side. *Excess* surprise (observed minus expected under the
node's own prediction) says that a node is miscalibrated: an alarm. *Reducible* surprise (evidence of the best
candidate minus evidence now) says that structure is missing: it is what a controller spends. A node whose noise
variance is estimated has almost no excess whatever its parents are, so excess is never a precondition for scoring.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import NDArray

_Array: TypeAlias = Array | np.ndarray
"""On the device as epochs leave it, or on the host as networks report it."""

_ByNode: TypeAlias = Float[np.ndarray, " node"]
_ByPair: TypeAlias = Float[np.ndarray, "node node"]


class AbstractGains(eqx.Module):
    """Closed-form prices of the candidates a network can score by itself; the layout is the network's own."""

    reducible: eqx.AbstractVar[Float[Array, " node"]]
    """Nats of the best candidate at each node, floored at 0."""


ERROR_MEMORY = 10.0
"""Steps over which the errors of belief networks are smoothed before those of two nodes are compared."""

ERROR_STRIDE = 5
"""Steps from one kept value of the smoothed errors to the next: closer ones would say almost the same."""


class ErrorSignals(eqx.Module):
    """The errors of the nodes of a belief network over one epoch, and what the nodes believe after it.

    z is a node's standardized value error d sqrt(ph), D its volatility error ph / p + ph d^2 - 1, expected to be 0
    under its own prediction. Steps without news count as 0. What is not explained by the graph shows as a pattern:
    mean or autocorrelated D, a volatility parent is missing; autocorrelated z, a drift; errors of two nodes that go
    together, a parent they share.

    Attributes:
        value: sum of z [node].
        value_squared: sum of z^2 [node].
        value_lagged: sum of z times that of the step before [node].
        volatility: sum of D [node].
        volatility_squared: sum of D^2 [node].
        volatility_lagged: sum of D times that of the step before [node].
        count: steps with news [node].
        pairs: steps with news that follow a step with news [node].
        smooth_value: z smoothed exponentially over `ERROR_MEMORY` steps, every `ERROR_STRIDE` steps [sample, node].
        smooth_volatility: likewise of D [sample, node].
        belief_mean: mean of the belief after the epoch [node].
        belief_variance: its variance [node].
    """

    value: Float[_Array, " node"]
    value_squared: Float[_Array, " node"]
    value_lagged: Float[_Array, " node"]
    volatility: Float[_Array, " node"]
    volatility_squared: Float[_Array, " node"]
    volatility_lagged: Float[_Array, " node"]
    count: Float[_Array, " node"]
    pairs: Float[_Array, " node"]
    smooth_value: Float[_Array, "sample node"]
    smooth_volatility: Float[_Array, "sample node"]
    belief_mean: Float[_Array, " node"]
    belief_variance: Float[_Array, " node"]

    @property
    def mean_value(self) -> _ByNode:
        """Mean z [node]: far from 0, the node is led by a drift it does not know."""
        return _ratio(self.value, self.count)

    @property
    def mean_volatility(self) -> _ByNode:
        """Mean D [node]: twice the excess surprise per step."""
        return _ratio(self.volatility, self.count)

    @property
    def value_autocorrelation(self) -> _ByNode:
        """Lag-1 autocorrelation of z about 0, its expectation [node]; 0 where there is none."""
        return _ratio(_ratio(self.value_lagged, self.pairs), _ratio(self.value_squared, self.count))

    @property
    def volatility_autocorrelation(self) -> _ByNode:
        """Lag-1 autocorrelation of D about 0, its expectation [node]; 0 where there is none."""
        return _ratio(_ratio(self.volatility_lagged, self.pairs), _ratio(self.volatility_squared, self.count))

    @property
    def value_products(self) -> _ByPair:
        """Mean product of the smoothed z of two nodes [node, node]."""
        return _products(self.smooth_value)

    @property
    def volatility_products(self) -> _ByPair:
        """Mean product of the smoothed D of two nodes [node, node]."""
        return _products(self.smooth_volatility)

    @property
    def value_correlation(self) -> _ByPair:
        """Correlation about 0 of the smoothed z of two nodes [node, node]; 0 where a node has no errors."""
        return _correlation(self.value_products)

    @property
    def volatility_correlation(self) -> _ByPair:
        """Correlation about 0 of the smoothed D of two nodes [node, node]; 0 where a node has no errors."""
        return _correlation(self.volatility_products)

    @property
    def excess_error(self) -> _ByNode:
        """Standard error of the epoch's excess surprise [node], nats; 0 where there is no news.

        Excess is the sum of D / 2 over n steps. D that follow each other are alike where volatility is missed: n of
        them are worth n (1 - r) / (1 + r) independent ones, r their autocorrelation about their mean (Bartlett 1946,
        for an autoregression of order 1), here at most .95; a negative r counts as 0.
        """
        mean = self.mean_volatility
        variance = np.maximum(_ratio(self.volatility_squared, self.count) - mean**2, 0.0)
        alike = np.clip(_ratio(_ratio(self.volatility_lagged, self.pairs) - mean**2, variance), 0.0, 0.95)
        effective = np.asarray(self.count, np.float64) * (1.0 + alike) / (1.0 - alike)
        error: NDArray[np.float64] = 0.5 * np.sqrt(variance * effective)
        return error


# On the host: shapes are those of the graph, and compiled arithmetic would be compiled anew for every size of it.


def _ratio(one: _Array, other: _Array) -> NDArray[np.float64]:
    """One over the other, 0 where the other is 0."""
    above, below = np.asarray(one, np.float64), np.asarray(other, np.float64)
    with np.errstate(over="ignore", invalid="ignore"):  # a network that diverges has infinite sums
        ratio: NDArray[np.float64] = np.divide(above, below, out=np.zeros_like(above), where=below > 0.0)
    return ratio


def _products(smooth: _Array) -> _ByPair:
    numbers = np.asarray(smooth, np.float64)
    products: NDArray[np.float64] = numbers.T @ numbers / max(len(numbers), 1)
    return products


def _correlation(products: _ByPair) -> _ByPair:
    size = np.sqrt(np.diagonal(products))
    return _ratio(products, size[:, None] * size[None, :])


class Signals(eqx.Module):
    """Totals over one epoch. Padded nodes are not in here: every row is a node of the graph.

    Attributes:
        surprise: minus the log predictive density of what each node observed given the past, summed over the epoch
            [node], nats.
        expected: the same under the node's own fitted prediction (n times its differential entropy) [node], nats.
        error: root mean square prediction error [node], in the units the network predicts in.
        precision: inverse variance of the prediction [node].
        count: effective number of samples behind each row [node].
        evidence: log evidence of the whole graph, structure prior included; differences of it price edits. Scalar.
        gains: prices of the candidates the network can score in closed form, or None.
        errors: the errors behind the surprise of a belief network, or None.
    """

    surprise: Float[_Array, " node"]
    expected: Float[_Array, " node"]
    error: Float[_Array, " node"]
    precision: Float[_Array, " node"]
    count: Float[_Array, " node"]
    evidence: Float[_Array, ""]
    gains: AbstractGains | None
    errors: ErrorSignals | None = None

    @property
    def excess(self) -> Float[_Array, " node"]:
        """Observed minus expected surprise [node], nats over the epoch: the alarm."""
        return self.surprise - self.expected

    @property
    def excess_error(self) -> Float[np.ndarray, " node"]:
        """Standard error of `excess` [node], nats; nan where nothing is known of single steps."""
        return np.full(self.surprise.shape, np.nan) if self.errors is None else self.errors.excess_error

    @property
    def reducible(self) -> Float[_Array, " node"]:
        """Nats the best closed-form candidate would remove at each node [node]; zeros where there are no prices."""
        return np.zeros(self.surprise.shape) if self.gains is None else self.gains.reducible


def merged(parts: Sequence[Signals]) -> Signals:
    """The signals of several epochs over successive chunks as those of one; closed-form prices are the last one's.

    Args:
        parts: of one graph, in order; at least one.
    """
    if len(parts) == 1:
        return parts[0]

    def over(name: str, of: Sequence[Any] = parts) -> NDArray[np.float64]:
        return np.asarray(np.sum([np.asarray(getattr(one, name), np.float64) for one in of], 0))

    count = [np.asarray(one.count, np.float64) for one in parts]
    squared = np.sum([own * np.asarray(one.error) ** 2 for own, one in zip(count, parts, strict=True)], 0)
    sharp = np.sum([own * np.asarray(one.precision) for own, one in zip(count, parts, strict=True)], 0)
    found: Any = [one.errors for one in parts if one.errors is not None]
    errors: Any = None
    if found:
        sums: Any = {name: over(name, found) for name in _SUMMED}
        sums |= {name: np.concatenate([np.asarray(getattr(one, name)) for one in found]) for name in _SAMPLED}
        last = found[-1]
        errors = ErrorSignals(**sums, belief_mean=last.belief_mean, belief_variance=last.belief_variance)
    sums = {name: over(name) for name in ("surprise", "expected", "count", "evidence")}
    sums |= {"error": np.sqrt(_ratio(squared, sums["count"])), "precision": _ratio(sharp, sums["count"])}
    whole: Signals = Signals(**sums, gains=parts[-1].gains, errors=errors)
    return whole


_SUMMED = (
    "value",
    "value_squared",
    "value_lagged",
    "volatility",
    "volatility_squared",
    "volatility_lagged",
    "count",
    "pairs",
)
_SAMPLED = ("smooth_value", "smooth_volatility")
