"""The log likelihood of every single response or step of inputs: what leave-one-out and posterior checks are made of.

    log p(y | x) = sum_t log p(y_t | y_1 .. y_(t-1), x)

of the responses given the inputs, or of all inputs of a step together given the past. Summed it is what an objective
maximizes; here it is kept apart, for many points z of one subject.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import NDArray

from sostruct.networks.hgf import passes
from sostruct.networks.hgf.inference.objective import Model, Subject
from sostruct.networks.hgf.inference.reading import Panel
from sostruct.numerics import Numbers, double_precision

_TOGETHER = 64
"""Points whose beliefs are held in memory at once."""


def scored_steps(panel: Panel) -> NDArray[np.bool_]:
    """The steps that have something to be explained [subject, time]."""
    there = ~np.isnan(panel.explained)
    return np.asarray(there.any(-1) if panel.responses is None else there)


def log_likelihoods(model: Model, subject: Subject, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log likelihood of every step at every point, nats [point, time]; 0 or meaningless where nothing is scored.

    Args:
        model: what explains the subject.
        subject: its data, without an axis of subjects.
        points: z [point, parameter].
    """
    with double_precision():
        return np.asarray(_of_points(model, subject, points))


@eqx.filter_jit
def _of_points(model: Model, subject: Subject, points: Numbers) -> Float[Array, "point time"]:
    specification = model.specification

    def one(point: Array) -> Array:
        numbers = model.values(point)
        if specification.behavior is not None:
            assert subject.responses is not None
            return specification.behavior.response.log_density(
                jnp.asarray(subject.responses),
                model.trace(point, subject),
                jnp.asarray(subject.inputs),
                model.response_values(numbers),
            )
        packed = model._at(numbers)
        kept, _, _ = passes.traced(
            packed.wiring,
            packed.state,
            subject.inputs,
            subject.time_steps,
            specification.drawn,
            passes.SINGLE,
            specification.complete,
        )
        return -jnp.asarray(kept.surprise)

    found: Array = jax.lax.map(one, points, batch_size=_TOGETHER)
    return found
