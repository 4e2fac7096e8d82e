"""The log joint of one subject, as a pure function of unbounded coordinates z.

    log p(y, z) = log p(z) + log p(y | x(z))

Without responses y are the inputs, and log p(y | x) is the log evidence that the filter assigns them. With responses y
are the responses, and log p(y | x) is the sum of their log densities given what a subject with parameters x believed:
the inputs are then given, and their evidence does not enter (Daunizeau et al. 2010, "observing the observer").

Compilation. A `Model` is split: what compiled code depends on is its `Specification`, which holds shapes, slots and
functions and is compared by value; every number (parameters that are not fitted, the moments of priors, data) is an
array that goes in. Networks of one shape, priors of one family and data of one size therefore share one program,
however often a network, a prior or an objective is made anew.

Derivatives are taken forward, d tangents beside the value: for the few parameters of a belief network this costs less
than going back through time and keeps no record of it. `jax.grad` and `jax.hessian` get them by themselves.

Where beliefs break down, or a density is nan, the log joint is -inf and its derivatives are 0.
"""

from __future__ import annotations

import abc
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from sostruct.networks.hgf import passes
from sostruct.networks.hgf.blueprint import Blueprint
from sostruct.networks.hgf.inference.priors import AbstractPrior, Support, outward
from sostruct.networks.hgf.inference.responses import AbstractResponse
from sostruct.networks.hgf.moving import Spot, assigned_at
from sostruct.networks.hgf.packed import PackedHGF
from sostruct.networks.hgf.trace import Trace, named
from sostruct.numerics import Numbers

_BOUNDS = frozenset({"lower", "upper"})
"""Fields of a prior that shape its support, and with it compiled code."""


class Subject(NamedTuple):
    """What is known of a subject; with a leading axis, of several.

    Attributes:
        inputs: what it saw, NaN where missing [time, input].
        time_steps: elapsed time before each step [time], or None where it is 1.
        responses: what it did [time], or None where inputs are what is explained; a missing one holds any valid value.
        present: 1 where there is a response [time], or None.
    """

    inputs: Numbers
    time_steps: Numbers | None
    responses: Numbers | None
    present: Numbers | None


@final
@dataclass(frozen=True)
class Behavior:
    """A response model as compiled code knows it: two are equal that differ in numbers alone.

    Attributes:
        response: the model; its numbers are not read.
        key: what the compiled code depends on.
        free: its parameters that are fitted, in order.
        columns: names of the columns of what a pass records.
    """

    response: AbstractResponse = field(compare=False, repr=False)
    key: Hashable
    free: tuple[str, ...]
    columns: tuple[str, ...]

    @classmethod
    def of(cls, response: AbstractResponse, free: Sequence[str], columns: Sequence[str]) -> Behavior:
        """A response model over a network whose passes record these columns."""
        return cls(response, response.identity, tuple(free), tuple(columns))


@final
@dataclass(frozen=True)
class Specification:
    """What an objective is compiled for.

    Attributes:
        drawn: the graph for the unrolled schedule, or None for the packed one.
        spots: where the network's fitted parameters stand, and their names, first in z.
        supports: of every coordinate of z.
        behavior: the response model, or None.
        complete: whether no input is missing.
    """

    drawn: Blueprint | None
    spots: tuple[tuple[Spot, str], ...]
    supports: tuple[Support, ...]
    behavior: Behavior | None
    complete: bool


class AbstractPoint(eqx.Module):
    """A prior density of a point z."""

    @abc.abstractmethod
    def log_density(self, point: Float[Array, " parameter"]) -> Float[Array, ""]:
        """log p(z), nats."""


@final
class Independent(AbstractPoint):
    """One prior for each coordinate; their numbers are arrays, so that others of the same kinds compile nothing.

    Attributes:
        numbers: of every prior, in the order of its fields.
        kinds: class, and the fields that are part of the compiled code.
    """

    numbers: tuple[tuple[Numbers, ...], ...]
    kinds: tuple[Any, ...] = eqx.field(static=True)

    def __init__(self, priors: Sequence[AbstractPrior]) -> None:
        split = [_split(prior) for prior in priors]
        self.numbers = tuple(numbers for numbers, _ in split)
        self.kinds = tuple(kind for _, kind in split)

    def log_density(self, point: Float[Array, " parameter"]) -> Float[Array, ""]:
        """See `AbstractPoint`."""
        terms = [
            _joined(numbers, kind).log_density_inside(point[place])
            for place, (numbers, kind) in enumerate(zip(self.numbers, self.kinds, strict=True))
        ]
        return jnp.sum(jnp.stack(terms))

    def draw(self, key: PRNGKeyArray, count: int) -> Float[Array, "draw parameter"]:
        """Points z from the prior."""
        columns = []
        for own, numbers, kind in zip(jax.random.split(key, len(self.kinds)), self.numbers, self.kinds, strict=True):
            prior = _joined(numbers, kind)
            columns.append(prior.inward(prior.sample(own, (count,))))
        return jnp.stack(columns, -1)


@final
class GaussianPoint(AbstractPoint):
    """z ~ N(mean, covariance): what a group says about one of its members.

    Attributes:
        mean: [parameter].
        precision: the inverse covariance [parameter, parameter].
        log_determinant: of the covariance.
    """

    mean: Numbers
    precision: Numbers
    log_determinant: Numbers

    def log_density(self, point: Float[Array, " parameter"]) -> Float[Array, ""]:
        """See `AbstractPoint`."""
        off = point - self.mean
        return -0.5 * (off @ (self.precision @ off) + self.log_determinant + off.shape[0] * jnp.log(2.0 * jnp.pi))


@final
class Model(eqx.Module):
    """What explains the data of a subject, up to the parameters that are fitted.

    Attributes:
        packed: the network, with its other parameters and the beliefs a subject starts with.
        prior: of z.
        known: the response model's parameters that are not fitted.
        specification: what is compiled.
    """

    packed: PackedHGF
    prior: AbstractPoint
    known: Mapping[str, Numbers]
    specification: Specification = eqx.field(static=True)

    @property
    def size(self) -> int:
        """Number of parameters."""
        return len(self.specification.supports)

    def values(self, point: Float[Array, " parameter"]) -> Float[Array, " parameter"]:
        """x(z): the parameters in their own units."""
        supports = self.specification.supports
        return jnp.stack([jnp.asarray(outward(support, point[place])) for place, support in enumerate(supports)])

    def log_prior(self, point: Float[Array, " parameter"]) -> Float[Array, ""]:
        """log p(z), nats."""
        return self.prior.log_density(point)

    def log_likelihood(self, point: Float[Array, " parameter"], subject: Subject) -> Float[Array, ""]:
        """log p(y | x(z)), nats; -inf where beliefs break down."""
        plain = _log_likelihood(self, subject, point)
        return jnp.where(jnp.isnan(plain), -jnp.inf, plain)

    def log_joint(self, point: Float[Array, " parameter"], subject: Subject) -> Float[Array, ""]:
        """log p(y, z), nats; -inf with derivatives 0 where beliefs break down."""
        joint: Array = _log_joint(point, self, subject)
        return joint

    def trace(self, point: Float[Array, " parameter"], subject: Subject) -> Trace:
        """What a subject with these parameters believed; wanted by response models alone."""
        behavior = self.specification.behavior
        assert behavior is not None
        return _trace(self._at(self.values(point)), behavior, self.specification, subject)

    def response_values(self, numbers: Float[Array, " parameter"]) -> dict[str, Any]:
        """The response model's parameters by name, the fitted ones among x."""
        behavior = self.specification.behavior
        assert behavior is not None
        first = len(self.specification.spots)
        return {**self.known, **{name: numbers[first + place] for place, name in enumerate(behavior.free)}}

    def _at(self, numbers: Float[Array, " parameter"]) -> PackedHGF:
        spots = self.specification.spots
        return assigned_at(self.packed, [(at, name, numbers[place]) for place, (at, name) in enumerate(spots)])


def _trace(packed: PackedHGF, behavior: Behavior, specification: Specification, subject: Subject) -> Trace:
    kept, sound, evidence = passes.traced(
        packed.wiring,
        packed.state,
        subject.inputs,
        subject.time_steps,
        specification.drawn,
        passes.SINGLE,
        specification.complete,
    )
    return named(behavior.columns, kept, sound, evidence)


def _log_likelihood(model: Model, subject: Subject, point: Array) -> Array:
    """log p(y | x(z)); nan where beliefs break down."""
    numbers, specification = model.values(point), model.specification
    subject = jax.tree.map(jnp.asarray, subject)
    packed, behavior = model._at(numbers), specification.behavior
    if behavior is None:
        return passes.evidence(
            packed.wiring,
            packed.state,
            subject.inputs,
            subject.time_steps,
            specification.drawn,
            passes.SINGLE,
            specification.complete,
        )
    trace = _trace(packed, behavior, specification, subject)
    assert subject.responses is not None
    assert subject.present is not None
    terms = behavior.response.log_density(
        jnp.asarray(subject.responses), trace, jnp.asarray(subject.inputs), model.response_values(numbers)
    )
    return jnp.where(trace.sound, jnp.sum(jnp.where(subject.present, terms, 0.0)), jnp.nan)


def _plain(model: Model, subject: Subject, point: Array) -> Array:
    total = model.prior.log_density(point) + _log_likelihood(model, subject, point)
    return jnp.where(jnp.isnan(total), -jnp.inf, total)


@eqx.filter_custom_jvp
def _log_joint(point: Array, model: Model, subject: Subject) -> Array:
    return _plain(model, subject, point)


@_log_joint.def_jvp  # type: ignore[untyped-decorator]
def _forward(primals: Any, tangents: Any) -> Any:
    point, model, subject = primals
    direction, *others = tangents
    if any(one is not None for one in jax.tree.leaves(others)):
        raise TypeError(
            "Cannot differentiate the log joint by the model or the data. This is because its derivatives are taken by "
            "z alone. Try jax.grad in the point, or HGF.log_evidence, which is differentiable in everything."
        )

    def along(axis: Array) -> tuple[Array, Array]:
        value, slope = jax.jvp(lambda own: _plain(model, subject, own), (point,), (axis,))
        return value, slope

    value, slopes = jax.vmap(along, out_axes=(None, 0))(jnp.eye(point.shape[0], dtype=point.dtype))
    slopes = jnp.where(jnp.isfinite(value) & jnp.isfinite(slopes), slopes, 0.0)
    return value, jnp.zeros_like(value) if direction is None else slopes @ direction


def _split(prior: AbstractPrior) -> tuple[tuple[Numbers, ...], Any]:
    """The numbers of a prior, and what is left of it."""
    model: Any = prior
    if not is_dataclass(model):
        return (), (prior,)
    names = tuple(one.name for one in fields(model))
    moving = tuple(name for name in names if name not in _BOUNDS)
    fixed = tuple((name, getattr(prior, name)) for name in names if name in _BOUNDS)
    numbers = tuple(np.asarray(getattr(prior, name), np.float64) for name in moving)
    return numbers, (type(prior), moving, fixed)


def _joined(numbers: tuple[Numbers, ...], kind: Any) -> AbstractPrior:
    """A prior again, its numbers traced."""
    if len(kind) == 1:
        whole: AbstractPrior = kind[0]
        return whole
    cls, moving, fixed = kind
    prior: AbstractPrior = object.__new__(cls)
    for name, value in (*zip(moving, numbers, strict=True), *fixed):
        object.__setattr__(prior, name, value)
    return prior
