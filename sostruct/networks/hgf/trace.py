"""Beliefs along one series as JAX sees them: what a response is made of, differentiable and mappable.

`HGF.filter` returns numpy arrays under the users' names after checks that need concrete numbers. A fit, an agent or a
penalty of one's own needs the same beliefs inside compiled code: a `Trace` is that, by node name, without checks. Where
a belief broke down, `sound` is false and everything after it is meaningless.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from sostruct.networks.hgf.filtering import Trajectory

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


def named(names: Sequence[str], kept: Trajectory, sound: Array, evidence: Array) -> Trace:
    """What a pass recorded, by node name.

    Args:
        names: of the columns of what it recorded, "" in padding.
        kept: what it recorded.
        sound: whether all beliefs were valid.
        evidence: the log evidence.
    """

    def by_name(numbers: Any) -> dict[str, Array]:
        return {name: numbers[..., column] for column, name in enumerate(names) if name}

    return Trace(
        by_name(kept.beliefs["mean"]),
        by_name(kept.beliefs["precision"]),
        by_name(kept.expected_mean),
        by_name(kept.expected_precision),
        jnp.asarray(kept.surprise),
        sound,
        evidence,
    )
