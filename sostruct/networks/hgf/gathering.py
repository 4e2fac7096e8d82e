"""Neighbours of nodes in packed arrays: parents as padded rows, children as a window of an edge list.

Sums over children are segmented scans: edges of one parent stand together, so adding to every number the one 1, 2, 4
and so on places before it, where that has the same parent, leaves the sum at the parent's last edge. These are vector
operations, exact up to the order of addition. A scatter is no vector operation, nor does the compiler keep it inside a
native loop; padded rows of children do ten times the arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any, NamedTuple, TypeVar, final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from sostruct.graph.packing import BLOCK
from sostruct.networks.hgf.couplings import FUNCTIONS, CouplingFunction, Real
from sostruct.networks.hgf.evidence import LinearUpdate
from sostruct.networks.hgf.kinds import KINDS
from sostruct.networks.hgf.kinds.base import AbstractLatent, Clock, ValueMessage
from sostruct.networks.hgf.layout import Wiring
from sostruct.networks.hgf.updates import AbstractChildren, VolatilityMessage

_T = TypeVar("_T")


class Parents(NamedTuple):
    """Padded rows of parents [slot, degree]: where they are, and coupling strengths by coupling, 0 elsewhere."""

    slot: Array
    into_state: Array
    into_input: Array
    volatility: Array
    function: Array


class Edges(NamedTuple):
    """A list of edges to children [edge], as `Parents`.

    Attributes:
        row: the parent's place in its block.
        same: [edge] per power of two, 1 where the edge that many places before has the same parent.
    """

    child: Array
    row: Array
    same: tuple[Array, ...]
    into_state: Array
    into_input: Array
    volatility: Array
    function: Array


def weights(into_state: Array, into_input: Array, clock: Clock) -> Array:
    """Value couplings as predictions feel them: w into an input, dt w into a state."""
    return into_state + into_input if clock.regular else clock.dt * into_state + into_input


def parents_of(wiring: Wiring) -> Parents:
    """The rows of parents of a wiring, masks multiplied out."""
    tables = wiring.tables
    value = wiring.strength * tables.parent_value
    observed = (jnp.arange(wiring.capacity.slots) < wiring.capacity.input_width)[:, None]
    return Parents(
        jnp.asarray(tables.parent),
        jnp.where(observed, 0.0, value),
        jnp.where(observed, value, 0.0),
        jnp.asarray(wiring.strength * tables.parent_volatility),
        jnp.asarray(tables.parent_function),
    )


def edges_of(wiring: Wiring) -> Edges:
    """The edge list of a wiring."""
    tables = wiring.tables
    place = jnp.asarray(tables.child) * wiring.capacity.degree + jnp.asarray(tables.child_column)
    strength = at(jnp.ravel(jnp.asarray(wiring.strength)), place)
    value = strength * tables.child_value
    observed = jnp.asarray(tables.child) < wiring.capacity.input_width
    parent = jnp.asarray(tables.child_parent)
    steps = [1 << step for step in range((wiring.capacity.fan - 1).bit_length())]
    return Edges(
        jnp.asarray(tables.child),
        jnp.asarray(tables.child_row),
        tuple((parent == jnp.roll(parent, step)).astype(value.dtype).at[:step].set(0.0) for step in steps),
        jnp.where(observed, 0.0, value),
        jnp.where(observed, value, 0.0),
        strength * tables.child_volatility,
        jnp.asarray(tables.child_function),
    )


def window(edges: Edges, start: Array, count: Array, width: int) -> Edges:
    """The edges of one block, from position `start`; what lies behind `count` gets strength 0."""
    cut: Edges = jax.tree.map(lambda part: jax.lax.dynamic_slice_in_dim(part, start, width), edges)
    live = jnp.arange(width, dtype=count.dtype) < count
    return cut._replace(
        child=jnp.where(live, cut.child, 0),
        row=jnp.where(live, cut.row, BLOCK),
        into_state=jnp.where(live, cut.into_state, 0.0),
        into_input=jnp.where(live, cut.into_input, 0.0),
        volatility=jnp.where(live, cut.volatility, 0.0),
    )


def entangled(wiring: Wiring, parents: Parents) -> Array:
    """Whether any input of this graph has several uncertain value parents."""
    known = [
        code
        for code, name in enumerate(wiring.capacity.kind_names)
        if isinstance(kind := KINDS[name], AbstractLatent) and not kind.varies
    ]
    uncertain = ~jnp.isin(at(jnp.asarray(wiring.tables.kind), parents.slot), jnp.asarray(known, jnp.int32))
    several = jnp.sum(wiring.tables.parent_value * uncertain, -1) > 1.0
    return jnp.any(several & (jnp.arange(wiring.capacity.slots) < wiring.capacity.input_width))


def at(numbers: Array, places: Array) -> Array:
    """Entries at places that are known to be in range."""
    return jnp.take(numbers, places, axis=0, mode="clip")


def by_kind(kind_of: Array, kinds: list[tuple[int, Any]], results: list[_T]) -> _T:
    """Results of several kinds, merged by the kind that each slot has."""
    merged = results[0]
    for (code, _), result in zip(kinds[1:], results[1:], strict=True):
        chosen = kind_of == code
        merged = jax.tree.map(lambda old, new, chosen=chosen: jnp.where(chosen, new, old), merged, result)
    return merged


def functions_of(wiring: Wiring) -> tuple[CouplingFunction, ...]:
    """The coupling functions in the order of their codes."""
    return tuple(FUNCTIONS[name] for name in wiring.capacity.function_names)


def by_code(codes: Array, parts: list[Array]) -> Array:
    """Per edge, the part that its function's code names."""
    return reduce(
        lambda chosen, coded: jnp.where(codes == coded[0], coded[1], chosen), enumerate(parts[1:], 1), parts[0]
    )


@final
class Rows:
    """A block of slots: reads and writes `BLOCK` of them from a first one, keeping those that are not its own."""

    def __init__(self, first: Array, count: Array) -> None:
        self.first = first
        self.own = jnp.arange(BLOCK, dtype=count.dtype) < count

    def read(self, numbers: _T) -> _T:
        """The block's part of every array of a tree."""
        part: _T = jax.tree.map(lambda all: jax.lax.dynamic_slice_in_dim(all, self.first, BLOCK), numbers)
        return part

    def write(self, numbers: _T, new: _T) -> _T:
        """Every array of a tree with the block's part replaced."""

        def put(all: Array, part: Array) -> Array:
            own = self.own.reshape((BLOCK,) + (1,) * (part.ndim - 1))
            part = jnp.where(own, part, jax.lax.dynamic_slice_in_dim(all, self.first, BLOCK))
            return jax.lax.dynamic_update_slice_in_dim(all, part, self.first, 0)

        written: _T = jax.tree.map(put, numbers, new)
        return written


class FromInputs(NamedTuple):
    """What an exact update of correlated states says about a block: see `evidence.LinearUpdate`.

    Attributes:
        replaces: whether it takes the place of what the inputs say themselves; in a graph that needs no such update,
            whose capacity is made for one that does, it does not.
    """

    replaces: Array
    precision: Array
    error: Array
    share: Array


def from_inputs(linear: LinearUpdate, replaces: Array, edges: Edges, hidden: Rows, message: ValueMessage) -> FromInputs:
    """The part of an exact update that a block needs, edge by edge and row by row."""
    inputs, states = linear.weight.shape
    place = jnp.minimum(edges.child, inputs - 1) * states + jnp.minimum(hidden.first + edges.row, states - 1)
    weight = at(jnp.ravel(linear.weight), place)
    return FromInputs(
        replaces,
        hidden.read(linear.precision),
        hidden.read(linear.error),
        weight / jnp.where(message.precision > 0.0, message.precision, 1.0),
    )


@final
class Gathered(AbstractChildren):
    """The children of a block of nodes, as a window of edges; `base` is where the nodes' couplings were linearized when
    `explained` was computed."""

    def __init__(
        self,
        edges: Edges,
        weight: Array,
        functions: tuple[CouplingFunction, ...],
        message: ValueMessage,
        told: VolatilityMessage | None,
        explained: Array | None,
        last: Array,
        has_child: Array,
        volatile: Array,
        from_inputs: FromInputs | None,
        base: Array,
    ) -> None:
        self.edges, self.weight, self.functions = edges, weight, functions
        self.message, self.told, self.explained = message, told, explained
        self._volatile, self.from_inputs = volatile, from_inputs
        self.last, self.has_child, self.base = last, has_child, base

    def total(self, *numbers: Array) -> tuple[Array, ...]:
        """Sums over the children of every node of the block."""
        sums = jnp.stack(numbers)
        for step, same in enumerate(self.edges.same):
            before = jnp.pad(sums[:, : -(1 << step)], ((0, 0), (1 << step, 0)))
            sums = sums + same * before
        return tuple(self.has_child * at(sums[row], self.last) for row in range(len(numbers)))

    @property
    def volatile(self) -> Bool[Array, ...]:
        return self._volatile

    def value_terms(self, point: Real, variance: Real) -> tuple[Real, Real]:
        linear = all(function.name == "identity" for function in self.functions)
        codes = self.edges.function
        slope = self.weight
        if not linear:
            slope = slope * by_code(codes, [self.each(function.slope(point)) for function in self.functions])
        sharp, error, curvature = self.message
        if self.explained is not None:
            own = self.weight * by_code(codes, [self.each(function.slope(self.base)) for function in self.functions])
            others = jnp.maximum(0.0, self.explained - own**2 * self.each(variance))
            share = 1.0 / (1.0 + sharp * others)
            sharp, error, curvature = sharp * share, error * share, curvature * share
        added, moved = slope**2 * sharp, slope * error
        if self.from_inputs is not None:
            apart = (self.edges.into_input == 0.0) | ~self.from_inputs.replaces
            added, moved = jnp.where(apart, added, 0.0), jnp.where(apart, moved, 0.0)
            curvature = jnp.where(apart, curvature, self.message.curvature * self.from_inputs.share)
        if not linear:
            bend = by_code(codes, [self.each(function.curvature(point)) for function in self.functions])
            added = added - self.weight * bend * curvature
        precision, shift = self.total(added, moved)
        if self.from_inputs is not None:
            precision = precision + jnp.where(self.from_inputs.replaces, self.from_inputs.precision, 0.0)
            shift = shift + jnp.where(self.from_inputs.replaces, self.from_inputs.error, 0.0)
        return precision, shift

    def sum(self, term: Callable[[Real, VolatilityMessage], Real]) -> Real:
        if self.told is None:
            return jnp.zeros(BLOCK, self.weight.dtype)
        return self.total(term(self.edges.volatility, self.told))[0]

    def fold(self, step: Callable[[_T, Real, VolatilityMessage], _T], start: _T) -> _T:
        if self.told is None:
            return start

        def body(carry: _T, edge: tuple[Array, Array, VolatilityMessage]) -> tuple[_T, None]:
            row, strength, told = edge
            own = jax.tree.map(lambda numbers: numbers[row], carry)
            return jax.tree.map(lambda numbers, new: numbers.at[row].set(new), carry, step(own, strength, told)), None

        return jax.lax.scan(body, start, (self.edges.row, self.edges.volatility, self.told))[0]

    def each(self, own: Real) -> Real:
        return at(own, self.edges.row)
