"""Beliefs along one series as JAX sees them: what a response is made of, differentiable and mappable.

`HGF.filter` returns numpy arrays under the users' names after checks that need concrete numbers. A fit, an agent or a
penalty of one's own needs the same beliefs inside compiled code: a `Trace` is that, by node name, without checks. Where
a belief broke down, `sound` is false and everything after it is meaningless.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import equinox as eqx
from jaxtyping import Array, Bool, Float

QUANTITIES = ("mean", "precision", "expected_mean", "expected_precision")
"""What a trace knows of every node: the posterior, and the prediction before it."""


@final
class Trace(eqx.Module):
    """Beliefs of a network along a series, by node name.

    Attributes:
        mean: posterior means m [time]; an observed input's is what was observed (its prediction where missing).
        precision: posterior precisions p [time].
        expected_mean: predictions mh before the step's data [time]; of a binary input, the probability of a 1.
        expected_precision: ph [time]; infinite for a constant.
        surprise: joint predictive surprise of each step, nats [time].
        sound: whether every belief at every step was one.
        log_evidence: minus the summed surprise, nats; nan where it is not sound.
    """

    mean: Mapping[str, Float[Array, " time"]]
    precision: Mapping[str, Float[Array, " time"]]
    expected_mean: Mapping[str, Float[Array, " time"]]
    expected_precision: Mapping[str, Float[Array, " time"]]
    surprise: Float[Array, " time"]
    sound: Bool[Array, ""]
    log_evidence: Float[Array, ""]
