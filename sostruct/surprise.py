"""What an epoch reports about a graph, in nats.

Two quantities that must not be confused live here side by side. *Excess* surprise (observed minus expected under the
node's own prediction) says that a node is miscalibrated: an alarm. *Reducible* surprise (evidence of the best
candidate minus evidence now) says that structure is missing: it is what a controller spends. A node whose noise
variance is estimated has almost no excess whatever its parents are, so excess is never a precondition for scoring.
"""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float


class AbstractGains(eqx.Module):
    """Closed-form prices of the candidates a network can score by itself; the layout is the network's own."""

    reducible: eqx.AbstractVar[Float[Array, " node"]]
    """Nats of the best candidate at each node, floored at 0."""


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
    """

    surprise: Float[Array, " node"]
    expected: Float[Array, " node"]
    error: Float[Array, " node"]
    precision: Float[Array, " node"]
    count: Float[Array, " node"]
    evidence: Float[Array, ""]
    gains: AbstractGains | None

    @property
    def excess(self) -> Float[Array, " node"]:
        """Observed minus expected surprise [node], nats over the epoch: the alarm."""
        return self.surprise - self.expected

    @property
    def reducible(self) -> Float[Array, " node"]:
        """Nats the best closed-form candidate would remove at each node [node]; zeros where there are no prices."""
        return jnp.zeros_like(self.surprise) if self.gains is None else self.gains.reducible
