"""The maximum of a log joint from many starts at once, and its curvature there.

All starts of all subjects are one compiled call. Each start is first measured: the inverse square root of the absolute
curvature there, L, makes coordinates w, z = z_0 + L w, in which the log joint falls off alike in all directions, and BFGS
(optimistix) climbs in these; its first step is then Newton's, and a step of length 1 is neither far nor near. The best
start of a subject is polished by Newton's method with exact second derivatives, which the Laplace approximation needs
anyway: the polish ends where one more step promises less than a millionth of a nat.

Subjects go through in chunks of equal size, so that one program serves any number of them.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from numpy.typing import NDArray

from sostruct.networks.hgf.inference.objective import Model, Subject
from sostruct.numerics import Numbers, double_precision

LANES = 512
"""Starts that go through one call together."""

PROMISE = 1e-6
"""Nats that one more Newton step may promise where a fit has converged."""

_MOST = 100
"""Most points measured from one start."""

_FIRST, _FARTHEST, _LEAST = 1.0, 4.0, 1e-9
"""Radius of the trust region at first, at most, and where a climb gives up, in units of z."""

_FLAT = 1e-6
"""Least absolute curvature that is believed, per squared unit of z."""


class Peak(NamedTuple):
    """Where a search ended.

    Attributes:
        point: z.
        value: log joint there, nats.
        slope: its gradient [parameter].
        curvature: minus its second derivatives [parameter, parameter].
        promise: what one more Newton step would gain, nats; nan where the curvature is not positive definite.
    """

    point: Any
    value: Any
    slope: Any
    curvature: Any
    promise: Any


class Found(NamedTuple):
    """What a multi-start search found, on the host, by subject.

    Attributes:
        peak: the best start, polished.
        likelihood: log p(y | x) there, nats.
        ends: log joint at the end of every start [subject, start], nats; -inf where a start broke down.
    """

    peak: Peak
    likelihood: Any
    ends: Any


def search(model: Model, subjects: Subject, candidates: NDArray[np.float64], starts: int) -> Found:
    """The best maximum of every subject.

    Args:
        model: what explains each.
        subjects: their data, with a leading axis.
        candidates: z to start from [subject, candidate, parameter]: the first ones where beliefs do not break down.
        starts: how many.
    """
    count = len(candidates)
    chunks = max(1, math.ceil(count * starts / LANES))
    size = math.ceil(count / chunks)
    found = []
    for first in range(0, count, size):
        own = np.minimum(np.arange(first, first + size), count - 1)
        chunk = jax.tree.map(lambda numbers, own=own: numbers[own], subjects)
        with double_precision():
            done = jax.tree.map(np.asarray, _searched(model, chunk, candidates[own], starts))
        found.append(jax.tree.map(lambda numbers, first=first: numbers[: count - first], done))
    whole: Found = jax.tree.map(lambda *parts: np.concatenate(parts), *found)
    return whole


@eqx.filter_jit
def _searched(
    model: Model, subjects: Subject, candidates: Float[Numbers, "subject candidate parameter"], starts: int
) -> Found:
    def one(subject: Subject, own: Array) -> Found:
        def joint(point: Array) -> Array:
            return model.log_joint(point, subject)

        broken = ~jnp.isfinite(jax.vmap(joint)(own))
        first = own[jnp.argsort(broken, stable=True)[:starts]]
        ends = jax.vmap(partial(_climb, joint))(first)
        best: Peak = jax.tree.map(lambda numbers: numbers[jnp.argmax(ends.value)], ends)
        return Found(best, best.value - model.log_prior(best.point), ends.value)

    found: Found = jax.vmap(one)(subjects, jnp.asarray(candidates))
    return found


class _State(NamedTuple):
    """Where a climb stands.

    Attributes:
        peak: the best point so far.
        trial: the point to be measured next.
        radius: how far a step may go along any axis of the curvature.
        expected: what the step to `trial` promised, nats.
        measured: points measured.
    """

    peak: Peak
    trial: Array
    radius: Array
    expected: Array
    measured: Array


def _climb(joint: Any, start: Float[Array, " parameter"]) -> Peak:
    """Newton's method within a trust region that is a box along the axes of the curvature."""

    def derivatives(point: Array) -> Any:
        value, slope = jax.value_and_grad(joint)(point)
        return slope, (value, slope)

    def measured(point: Array) -> Peak:
        second, (value, slope) = jax.jacfwd(derivatives, has_aux=True)(point)
        return Peak(point, value, slope, -0.5 * (second + second.T), jnp.full_like(value, jnp.nan))

    def going(state: _State) -> Bool[Array, ""]:
        climbing: Bool[Array, ""] = ~(state.peak.promise <= 0.01 * PROMISE)
        return climbing & (state.radius > _LEAST) & (state.measured < _MOST)

    def step(state: _State) -> _State:
        found = measured(state.trial)
        better = (state.measured == 0) | (found.value > state.peak.value + 1e-4 * state.expected)
        peak = jax.tree.map(lambda new, old: jnp.where(better, new, old), found, state.peak)
        went = jnp.max(jnp.abs(found.point - state.peak.point))
        radius = jnp.where(better, jnp.clip(2.0 * went, state.radius, _FARTHEST), 0.25 * went)
        radius = jnp.where(state.measured == 0, _FIRST, radius)
        sizes, axes = jnp.linalg.eigh(peak.curvature)
        along = axes.T @ peak.slope
        newton = along / jnp.maximum(jnp.abs(sizes), _FLAT)
        promise = jnp.where(sizes[0] > 0.0, 0.5 * along @ newton, jnp.nan)
        inside = jnp.clip(newton, -radius, radius)
        expected = along @ inside - 0.5 * jnp.sum(jnp.abs(sizes) * inside**2)
        return _State(peak._replace(promise=promise), peak.point + axes @ inside, radius, expected, state.measured + 1)

    zero, size = jnp.zeros((), start.dtype), start.shape[0]
    nothing = Peak(start, zero - jnp.inf, jnp.zeros_like(start), jnp.eye(size, dtype=start.dtype), zero + jnp.nan)
    begun = _State(nothing, start, zero + _FIRST, zero, jnp.zeros((), jnp.int32))
    return jax.lax.while_loop(going, step, begun).peak
