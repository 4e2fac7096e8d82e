"""The maximum of a log joint from many starts at once, and its curvature there.

What is compiled is one function alone: value and gradient of the log joint for a fixed number of lanes. Lanes are
(subject, point) pairs of whoever has to be measured next, so that a start that takes long keeps no other waiting, and
one program serves any number of subjects and starts. Everything else is a few numbers a lane and stays on the host.

Every start climbs by BFGS within a trust region (Nocedal & Wright 2006, chapters 4 and 6), in units of the prior's sd:
the region is a box along the axes of the curvature, so that a flat direction takes no room from the others. The best
start of every subject is then polished by Newton's method, with second derivatives from differences of exact gradients,
which the Laplace approximation needs anyway, until one more step promises less than a hundred-millionth of a nat.

(Vmapped `optimistix.BFGS` and Newton's method with exact second derivatives were tried: every lane waits for the
slowest, second derivatives cost ten gradients, and both compile several times longer.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias, final

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array
from numpy.typing import NDArray

from sostruct.networks.hgf.inference.objective import Model, Subject
from sostruct.numerics import double_precision

Floats: TypeAlias = NDArray[np.float64]

PROMISE = 1e-6
"""Nats that one more Newton step may promise where a fit has converged."""

_WIDTHS = (8, 32, 64)
"""Lanes of a call: the least that holds all, or the last."""

_CLIMB = 60
"""Most points measured from one start."""

_POLISH = 20
"""Most Newton steps."""

_ENOUGH = 1e-7
"""Nats that a quasi-Newton step must promise for a climb to go on."""

_FIRST, _FARTHEST = 0.5, 2.0
"""Radius of the trust region at first and at most, in sds of the prior."""

_STUCK, _LEAST = 1e-4, 1e-7
"""Radius at which a climb gives up, and at which a polish does, in the same units."""

_FLAT = 1e-6
"""Least absolute curvature that is believed, in the same units."""

_DIFFERENCE = 1e-4
"""Step of the differences of gradients, in the same units."""


@final
@dataclass(frozen=True, eq=False)
class Found:
    """What a search found, by subject.

    Attributes:
        point: z of the best mode [subject, parameter].
        value: log joint there, nats [subject].
        prior: log prior there, nats [subject].
        slope: the gradient there [subject, parameter].
        curvature: minus the second derivatives there [subject, parameter, parameter].
        promise: what one more Newton step would gain, nats [subject]; nan where the curvature is not positive definite.
        ends: log joint at the end of every start [subject, start], nats; -inf where beliefs broke down.
    """

    point: Floats
    value: Floats
    prior: Floats
    slope: Floats
    curvature: Floats
    promise: Floats
    ends: Floats


@final
class Meter:
    """Measures the log joint of subjects at points.

    Args:
        model: what explains each subject.
        subjects: their data, with a leading axis.
        lanes: how many points will be measured together, at most.
    """

    def __init__(self, model: Model, subjects: Subject, lanes: int) -> None:
        self.model, self.subjects = model, subjects
        self.width = next((width for width in _WIDTHS if width >= lanes), _WIDTHS[-1])

    def __call__(self, rows: NDArray[np.intp], points: Floats) -> Measured:
        """Log joint, its gradient and the log prior of subjects `rows` [lane] at `points` [lane, parameter]."""
        waiting = []
        with double_precision():
            for first in range(0, len(rows), self.width):
                own = np.minimum(np.arange(first, first + self.width), len(rows) - 1)
                data = jax.tree.map(lambda numbers, own=own: numbers[rows[own]], self.subjects)
                waiting.append(_measured(self.model, data, points[own]))
            parts = [[np.asarray(part) for part in done] for done in waiting]
        return Measured(*(np.concatenate(part)[: len(rows)] for part in zip(*parts, strict=True)))


class Measured(NamedTuple):
    """What a meter says of every lane.

    Attributes:
        value: log joint, nats [lane].
        slope: its gradient [lane, parameter].
        prior: log prior, nats [lane].
    """

    value: Floats
    slope: Floats
    prior: Floats


@eqx.filter_jit
def _measured(model: Model, subjects: Subject, points: Any) -> tuple[Array, Array, Array]:
    def one(subject: Subject, point: Array) -> tuple[Array, Array, Array]:
        value, slope = jax.value_and_grad(lambda own: model.log_joint(own, subject))(point)
        return value, slope, model.log_prior(point)

    found: tuple[Array, Array, Array] = jax.vmap(one)(subjects, points)
    return found


def search(model: Model, subjects: Subject, candidates: Floats, starts: int, scale: Floats) -> Found:
    """The best maximum of every subject.

    Args:
        model: what explains each.
        subjects: their data, with a leading axis.
        candidates: z to start from [candidate, parameter]: each subject takes the first ones where its beliefs do not
            break down.
        starts: how many.
        scale: sd of the prior of z [parameter].
    """
    count = len(subjects.inputs)
    meter = Meter(model, subjects, count * starts)
    begun = _begin(meter, candidates, starts, count)
    climbs = _climb(meter, begun, scale)
    ends = climbs.value.reshape(count, starts)
    best = ends.argmax(1) + np.arange(count) * starts
    return polish(meter, climbs.point[best], scale, ends)


@final
@dataclass(eq=False)
class _Climbs:
    """Climbs on their way, by lane; points in z.

    Attributes:
        rows: whose.
        point: where each stands.
        value: log joint there.
        slope: its gradient.
    """

    rows: NDArray[np.intp]
    point: Floats
    value: Floats
    slope: Floats


def _begin(meter: Meter, candidates: Floats, starts: int, count: int) -> _Climbs:
    """The first candidates of every subject at which beliefs hold; broken ones where there are too few."""
    size = candidates.shape[1]
    rows = np.repeat(np.arange(count), starts)
    lanes = _Climbs(rows, np.zeros((len(rows), size)), np.full(len(rows), -np.inf), np.zeros((len(rows), size)))
    filled = np.zeros(count, np.intp)
    for first in range(0, len(candidates), starts):
        lacking = np.flatnonzero(filled < starts)
        if not lacking.size:
            break
        block = candidates[first : first + starts]
        own, points = np.repeat(lacking, len(block)), np.tile(block, (len(lacking), 1))
        found = meter(own, points)
        for lane in np.flatnonzero(np.isfinite(found.value)):
            subject = own[lane]
            if filled[subject] < starts:
                place = subject * starts + filled[subject]
                lanes.point[place], lanes.value[place] = points[lane], found.value[lane]
                lanes.slope[place] = found.slope[lane]
                filled[subject] += 1
    return lanes


def _climb(meter: Meter, lanes: _Climbs, scale: Floats) -> _Climbs:
    """BFGS within a trust region, all lanes side by side; coordinates inside are z / scale."""
    count, size = lanes.point.shape
    curvature = np.broadcast_to(np.eye(size), (count, size, size)).copy()
    radius, left = np.full(count, _FIRST), np.full(count, _CLIMB)
    active = np.flatnonzero(np.isfinite(lanes.value))
    while active.size:
        slope = lanes.slope[active] * scale
        step, promise, expected = _box_step(curvature[active], slope, radius[active])
        going = (promise > _ENOUGH) & (radius[active] > _STUCK) & (left[active] > 0)
        active, slope, step, expected = active[going], slope[going], step[going], expected[going]
        if not active.size:
            break
        points = lanes.point[active] + step * scale
        found = meter(lanes.rows[active], points)
        change = slope - found.slope * scale
        curvature[active] = _bfgs(curvature[active], step, np.where(np.isfinite(found.value)[:, None], change, 0.0))
        gain = found.value - lanes.value[active]
        radius[active] = _radius(radius[active], step, gain / expected)
        left[active] -= 1
        better = gain > 1e-4 * expected
        moved = active[better]
        lanes.point[moved], lanes.value[moved] = points[better], found.value[better]
        lanes.slope[moved] = found.slope[better]
    return lanes


def polish(meter: Meter, points: Floats, scale: Floats, ends: Floats | None = None) -> Found:
    """Newton's method to the top, one point of every subject.

    Args:
        meter: measures them.
        points: z [subject, parameter].
        scale: sd of the prior of z [parameter].
        ends: what the starts reached, to go into the result; by default what the polish reaches.
    """
    count, size = points.shape
    rows = np.arange(count)
    now = meter(rows, points)
    point, value, slope, prior = points.copy(), now.value.copy(), now.slope.copy(), now.prior.copy()
    curvature = np.broadcast_to(np.eye(size), (count, size, size)).copy()
    promise, radius = np.full(count, np.nan), np.full(count, _FARTHEST)
    active, fresh = np.flatnonzero(np.isfinite(value)), np.ones(count, bool)
    for _ in range(_POLISH):
        measure = active[fresh[active]]
        if measure.size:
            curvature[measure] = _curvature(meter, measure, point[measure], scale)
            fresh[measure] = False
        step, _, expected = _box_step(curvature[active], slope[active] * scale, radius[active])
        promise[active] = _promise(curvature[active], slope[active] * scale)
        going = ~(promise[active] <= 0.01 * PROMISE) & (radius[active] > _LEAST)
        active, step, expected = active[going], step[going], expected[going]
        if not active.size:
            break
        trial = point[active] + step * scale
        found = meter(active, trial)
        gain = found.value - value[active]
        radius[active] = _radius(radius[active], step, gain / expected)
        better = gain > 0.0
        moved = active[better]
        point[moved], value[moved], slope[moved] = trial[better], found.value[better], found.slope[better]
        prior[moved], fresh[moved] = found.prior[better], True
    stale = active[fresh[active]] if active.size else active
    if stale.size:
        curvature[stale] = _curvature(meter, stale, point[stale], scale)
        promise[stale] = _promise(curvature[stale], slope[stale] * scale)
    curvature = curvature / (scale[:, None] * scale)
    return Found(point, value, prior, slope, curvature, promise, value[:, None] if ends is None else ends)


def _curvature(meter: Meter, rows: NDArray[np.intp], points: Floats, scale: Floats) -> Floats:
    """Minus the second derivatives by central differences of gradients, in units of the scale."""
    count, size = points.shape
    steps = _DIFFERENCE * np.concatenate([np.eye(size), -np.eye(size)]) * scale
    found = meter(np.repeat(rows, 2 * size), (points[:, None] + steps).reshape(-1, size))
    up, down = np.split((found.slope * scale).reshape(count, 2 * size, size), 2, axis=1)
    curvature = (down - up) / (2.0 * _DIFFERENCE)
    return 0.5 * (curvature + curvature.swapaxes(1, 2))


def _box_step(curvature: Floats, slope: Floats, radius: Floats) -> tuple[Floats, Floats, Floats]:
    """Newton's step with absolute curvatures, cut at the radius along each axis of the curvature.

    Returns:
        The step, what an uncut one would gain, and what this one would.
    """
    sizes, axes = np.linalg.eigh(curvature)
    sizes = np.maximum(np.abs(sizes), _FLAT)
    along = np.einsum("lij,li->lj", axes, slope)
    newton = along / sizes
    inside = np.clip(newton, -radius[:, None], radius[:, None])
    step: Floats = np.einsum("lij,lj->li", axes, inside)
    return step, 0.5 * (along * newton).sum(1), (along * inside - 0.5 * sizes * inside**2).sum(1)


def _promise(curvature: Floats, slope: Floats) -> Floats:
    """What Newton's step would gain; nan where the curvature is not positive definite."""
    sizes, axes = np.linalg.eigh(curvature)
    along = np.einsum("lij,li->lj", axes, slope)
    peaked = sizes[:, 0] > 0.0
    return np.where(peaked, 0.5 * (along**2 / np.where(sizes > 0.0, sizes, 1.0)).sum(1), np.nan)


def _radius(radius: Floats, step: Floats, ratio: Floats) -> Floats:
    went = np.abs(step).max(1)
    wider = np.where((ratio > 0.75) & (went > 0.5 * radius), np.minimum(2.0 * radius, _FARTHEST), radius)
    return np.where(ratio > 0.25, wider, 0.25 * went)


def _bfgs(curvature: Floats, step: Floats, change: Floats) -> Floats:
    """The curvature after a step along which the gradient fell by `change`; left alone where it did not fall."""
    along = (step * change).sum(1)
    usable = along > 1e-12
    pushed = np.einsum("lij,lj->li", curvature, step)
    size = (step * pushed).sum(1)
    grown = change[:, :, None] * change[:, None] / np.where(usable, along, 1.0)[:, None, None]
    shrunk = pushed[:, :, None] * pushed[:, None] / size[:, None, None]
    return np.where(usable[:, None, None], curvature + grown - shrunk, curvature)
