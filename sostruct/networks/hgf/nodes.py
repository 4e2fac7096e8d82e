"""The unrolled schedule: one step of a filter, written out node by node over scalars.

For a small graph that stays as it is, the fastest loop has no tables: every node's numbers are scalars in the carry of
the scan, and the compiler sees straight-line code. The graph is a static `Blueprint` of slots, so networks of the same
shape share their compilation whatever their names and parameters. The mathematics is that of `kinds` and `updates`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeVar, final

import jax.numpy as jnp
from jaxtyping import Array

from sostruct.graph import Packing
from sostruct.networks.hgf.couplings import FUNCTIONS, CouplingFunction, Real
from sostruct.networks.hgf.evidence import (
    LinearUpdate,
    Upward,
    linear_update,
    of_input,
    one_after_another,
    pass_on,
)
from sostruct.networks.hgf.kinds import KINDS
from sostruct.networks.hgf.kinds.base import (
    AbstractInput,
    AbstractKind,
    AbstractLatent,
    Clock,
    Drive,
    ValueMessage,
    latent_message,
)
from sostruct.networks.hgf.layout import COPARENTS, INPUT_COPARENTS, TANGLED, Outcome, Wiring, invalid_code
from sostruct.networks.hgf.updates import AbstractChildren, Prediction, VolatilityMessage, volatility_message

_T = TypeVar("_T")
_State = dict[str, Real]


@final
@dataclass(frozen=True, slots=True)
class Link:
    """An edge by slots: the other end, and where its strength stands in `Wiring.strength`."""

    other: int
    row: int
    column: int
    volatility: bool
    function: str


@final
@dataclass(frozen=True, slots=True)
class Place:
    """A node by slot, with its edges in canonical order."""

    slot: int
    kind: str
    observed: bool
    parents: tuple[Link, ...]
    children: tuple[Link, ...]


@final
@dataclass(frozen=True, slots=True)
class Blueprint:
    """A graph as the unrolled schedule compiles it, children before parents."""

    places: tuple[Place, ...]
    inputs: int


def blueprint(packing: Packing) -> Blueprint:
    """The static shape of a packed graph."""
    functions, kinds = packing.capacity.function_names, packing.capacity.kind_names
    places = []
    for slot in sorted(packing.slot.values()):
        parents = tuple(
            Link(
                int(packing.parent_source[slot, column]),
                slot,
                int(column),
                bool(packing.parent_coupling[slot, column] == 1),
                functions[packing.parent_function[slot, column]],
            )
            for column in packing.parent_mask[slot].nonzero()[0]
        )
        children = tuple(
            Link(
                int(packing.child_target[slot, column]),
                int(packing.child_target[slot, column]),
                int(packing.child_column[slot, column]),
                bool(packing.child_coupling[slot, column] == 1),
                functions[packing.child_function[slot, column]],
            )
            for column in packing.child_mask[slot].nonzero()[0]
        )
        observed = slot < len(packing.inputs)
        places.append(Place(slot, kinds[packing.kind[slot]], observed, parents, children))
    return Blueprint(tuple(places), len(packing.inputs))


class _Node(NamedTuple):
    """What a step knows about one node so far."""

    prediction: Prediction
    linear: Real
    spread: Real
    explained: Real


class _Told(NamedTuple):
    """What a settled node tells its parents."""

    message: ValueMessage
    volatility: VolatilityMessage
    upward: Upward
    news: Real


@final
class UnrolledSchedule:
    """One step over a `Wiring` whose graph is a `Blueprint`."""

    def __init__(self, wiring: Wiring, drawn: Blueprint) -> None:
        self.options, self.places, self.inputs = wiring.options, drawn.places, drawn.inputs
        self.parameters = {
            place.slot: {name: jnp.asarray(numbers[place.slot]) for name, numbers in wiring.parameters.items()}
            for place in drawn.places
        }
        strength = jnp.asarray(wiring.strength)
        links = {(link.row, link.column) for place in drawn.places for link in place.parents}
        self.strength = {place: strength[place] for place in sorted(links)}
        traits = wiring.capacity.traits
        self.correlated = wiring.options.joint and INPUT_COPARENTS in traits
        self.shared = wiring.options.joint and COPARENTS in traits
        self.dense = bool(traits & {COPARENTS, INPUT_COPARENTS, TANGLED})
        self.latents = [place for place in drawn.places if not place.observed]
        self.input_width = wiring.capacity.input_width
        self.index = [place.slot - self.input_width for place in self.latents]

    def split(self, state: dict[str, Array]) -> tuple[_State, ...]:
        """Beliefs by slot as scalars by node."""
        return tuple({name: numbers[place.slot] for name, numbers in state.items()} for place in self.places)

    def join(self, nodes: tuple[_State, ...], template: dict[str, Array]) -> dict[str, Array]:
        """The inverse of `split`; padding keeps its numbers."""
        slots = jnp.asarray([place.slot for place in self.places])
        return {
            name: jnp.asarray(numbers).at[slots].set(jnp.stack([node[name] for node in nodes]))
            for name, numbers in template.items()
        }

    def step(
        self, state: tuple[_State, ...], carried: Array, value: Array, news: Array, clock: Clock
    ) -> tuple[tuple[_State, ...], Array, Outcome]:
        """Predict, observe, update; see `PackedSchedule.step`. Numbers by node are tuples in the order of `places`."""
        before = {place.slot: own for place, own in zip(self.places, state, strict=True)}
        nodes: dict[int, _Node] = {}
        for place in reversed(self.places):
            nodes[place.slot] = self._predict(place, before[place.slot], before, nodes, clock)
        values = {
            place.slot: jnp.where(news[place.slot], value[place.slot], nodes[place.slot].prediction.mean)
            for place in self.places
            if place.observed
        }
        linear = None
        if self.correlated:
            # padding of the carried matrix stays zero: only rows of nodes are ever written
            decay = jnp.stack([nodes[place.slot].prediction.decay for place in self.latents])
            inner = carried[jnp.ix_(jnp.asarray(self.index), jnp.asarray(self.index))]
            inner = inner * decay[:, None] * decay[None, :]
            linear = self._linear(inner, before, nodes, values, news)
        covariance = self._covariance(nodes, inner if linear is not None else None, clock) if self.dense else None
        told: dict[int, _Told] = {}
        after: dict[int, _State] = {}
        invalid: dict[int, Array] = {}
        marginal, entropy = [], []
        for place in self.places:
            slot = place.slot
            if place.observed:
                spread = nodes[slot].spread if covariance is None else covariance[slot, slot]
                after[slot], told[slot], seen = self._observe(
                    place, before[slot], nodes[slot], values[slot], news[slot], spread
                )
                invalid[slot] = jnp.zeros((), jnp.int32)
                marginal.append(seen[0])
                entropy.append(seen[1])
            else:
                after[slot], told[slot], invalid[slot] = self._update(place, before, nodes, told, clock, linear)
        if covariance is None:
            surprise = -sum((one.upward.log_density for one in told.values()), jnp.zeros(()))
        else:
            surprise = self._dense(nodes, covariance, values, news)
        if linear is not None:
            known = jnp.diagonal(linear.covariance)
            precision = jnp.stack([after[place.slot]["precision"] for place in self.latents])
            scale = jnp.where(known > 0.0, jnp.sqrt(1.0 / (precision * known)), 0.0)
            inner = linear.covariance * scale[:, None] * scale[None, :] * (1.0 - jnp.eye(len(self.latents)))
            carried = carried.at[jnp.ix_(jnp.asarray(self.index), jnp.asarray(self.index))].set(inner)
        outcome = Outcome(
            expected_mean=tuple(nodes[place.slot].prediction.mean for place in self.places),
            expected_variance=tuple(nodes[place.slot].prediction.variance for place in self.places),
            news=tuple(told[place.slot].news for place in self.places),
            surprise=surprise,
            marginal=tuple(marginal),
            entropy=tuple(entropy),
            invalid=tuple(invalid[place.slot] for place in self.places),
        )
        return tuple(after[place.slot] for place in self.places), carried, outcome

    def _weight(self, link: Link, into_input: bool, clock: Clock) -> Real:
        """A value coupling as it enters predictions: w into an input, dt w into a state."""
        strength = self.strength[link.row, link.column]
        return strength if into_input or clock.regular else clock.dt * strength

    def _predict(
        self, place: Place, own: _State, before: dict[int, _State], nodes: dict[int, _Node], clock: Clock
    ) -> _Node:
        zero = jnp.zeros_like(own["mean"])
        value = variance = volatility = spread = explained = zero
        parents = 0
        for link in place.parents:
            other, strength = nodes[link.other], self.strength[link.row, link.column]
            if link.volatility:
                parents += 1
                volatility = volatility + strength * other.prediction.mean
                if self.options.relaxed:
                    volatility = volatility + 0.5 * strength**2 * other.prediction.variance
                continue
            function = FUNCTIONS[link.function]
            value = value + strength * function.value(other.prediction.mean)
            slope = function.slope(other.prediction.mean)
            weight = self._weight(link, place.observed, clock)
            variance = variance + (strength * slope) ** 2 * other.prediction.variance
            spread = spread + (weight * slope) ** 2 * other.spread
            if self.shared:
                point = self.options.point(before[link.other]["mean"], other.prediction.mean)
                explained = explained + (weight * function.slope(point)) ** 2 * other.prediction.variance
        drive = Drive(value, variance, volatility, zero + parents)
        kind = KINDS[place.kind]
        parameters = self.parameters[place.slot]
        if place.observed:
            assert isinstance(kind, AbstractInput)
            return _Node(
                kind.predict_input(parameters, own, drive, clock, self.options), value, spread, explained
            )
        assert isinstance(kind, AbstractLatent)
        prediction = kind.predict(parameters, own, drive, clock, self.options)
        return _Node(prediction, value, prediction.conditional + spread, explained)

    def _observe(
        self, place: Place, own: _State, node: _Node, value: Real, news: Array, spread: Real
    ) -> tuple[_State, _Told, tuple[Real, Real]]:
        kind = KINDS[place.kind]
        assert isinstance(kind, AbstractInput)
        seen = kind.observe(self.parameters[place.slot], own, node.prediction, value, self.options)
        held = kind.held(own, node.prediction)
        after = {**own, **{name: jnp.where(news, seen[name], held[name]) for name in seen}}
        counts = news.astype(value.dtype)
        marginal = kind.observation(node.prediction, node.linear, spread, value)
        zero = jnp.zeros_like(value)
        if kind.gaussian:
            upward = of_input(kind.observation(node.prediction, node.linear, zero, value))
        else:
            upward = Upward(zero, zero, marginal.log_density)
        told = _told(node.prediction, after, kind.input_message(node.prediction, value), upward, counts)
        return after, told, (-counts * marginal.log_density, counts * marginal.entropy)

    def _update(
        self,
        place: Place,
        before: dict[int, _State],
        nodes: dict[int, _Node],
        told: dict[int, _Told],
        clock: Clock,
        linear: LinearUpdate | None,
    ) -> tuple[_State, _Told, Array]:
        kind, own, node = KINDS[place.kind], before[place.slot], nodes[place.slot]
        assert isinstance(kind, AbstractLatent)
        zero = jnp.zeros_like(own["mean"])
        prediction = node.prediction
        news = zero
        precision = error = zero
        for link in place.children:
            below = told[link.other]
            news = jnp.maximum(news, below.news)
            if not link.volatility:
                slope = self._weight(link, link.other < self.inputs, clock) * FUNCTIONS[link.function].slope(
                    prediction.mean
                )
                precision = precision + slope**2 * below.upward.precision
                error = error + slope * below.upward.error
        number = None
        if linear is not None:
            number = self.index.index(place.slot - self.input_width)
            news = jnp.maximum(news, linear.news[number].astype(news.dtype))
        children = _Listed(self, place, nodes, told, clock, linear, number)
        posterior = kind.posterior(own, prediction, children, self.options)
        held = kind.held(own, prediction)
        cause = invalid_code(prediction, posterior) if kind.varies else jnp.zeros((), jnp.int32)
        cause = jnp.where((news > 0.0) | (cause == 3), cause, 0)
        after = {
            **own,
            **{
                name: jnp.where(
                    (news > 0.0) & (cause == 0), posterior[name], jnp.where(cause == 3, own[name], held[name])
                )
                for name in posterior
            },
        }
        upward = pass_on(precision, error, prediction.conditional)
        if kind.varies:
            message = latent_message(prediction, after["mean"], after["precision"], self.options)
        else:
            message = ValueMessage(zero, zero, zero)
            prediction = prediction._replace(variance=zero + 1.0)
        return after, _told(prediction, after, message, upward, news), cause

    def _linear(
        self,
        carried: Array,
        before: dict[int, _State],
        nodes: dict[int, _Node],
        values: dict[int, Real],
        news: Array,
    ) -> LinearUpdate:
        """The exact update of latents from inputs."""
        messages = []
        zero = jnp.zeros_like(carried[0, 0])
        rows = []
        for place in self.places[: self.inputs]:
            kind = KINDS[place.kind]
            assert isinstance(kind, AbstractInput)
            messages.append(kind.input_message(nodes[place.slot].prediction, values[place.slot]))
            row = [zero] * len(self.latents)
            for link in place.parents:
                if not link.volatility:
                    point = self.options.point(before[link.other]["mean"], nodes[link.other].prediction.mean)
                    at = self.index.index(link.other - self.input_width)
                    row[at] = row[at] + self.strength[link.row, link.column] * FUNCTIONS[link.function].slope(point)
            rows.append(jnp.stack(row))
        variance = jnp.stack([nodes[place.slot].prediction.variance for place in self.latents])
        message = _stacked(messages)
        return linear_update(
            carried + jnp.diag(variance), jnp.stack(rows), message.precision, message.error, news[: self.inputs]
        )

    def _covariance(self, nodes: dict[int, _Node], carried: Array | None, clock: Clock) -> Array:
        """Of the inputs' linear predictors."""
        zero = jnp.zeros_like(nodes[0].linear)
        reach: dict[int, Array] = {}
        unit = jnp.eye(self.inputs, dtype=zero.dtype)
        for place in self.places:
            if place.observed:
                reach[place.slot] = unit[place.slot]
                continue
            total = jnp.zeros(self.inputs, zero.dtype)
            for link in place.children:
                if not link.volatility:
                    slope = FUNCTIONS[link.function].slope(nodes[place.slot].prediction.mean)
                    total = total + self._weight(link, link.other < self.inputs, clock) * slope * reach[link.other]
            reach[place.slot] = total
        table = jnp.stack([reach[place.slot] for place in self.latents])
        own = jnp.stack([nodes[place.slot].prediction.conditional for place in self.latents])
        covariance = table.T @ (own[:, None] * table)
        return covariance if carried is None else covariance + table.T @ (carried @ table)

    def _dense(self, nodes: dict[int, _Node], covariance: Array, values: dict[int, Real], news: Array) -> Array:
        """Joint surprise, inputs one after another; kinds in the order of their names, Gaussian ones first."""
        inputs = self.places[: self.inputs]
        groups: dict[str, list[int]] = {}
        for place in inputs:
            groups.setdefault(place.kind, []).append(place.slot)
        predictions = _stacked([nodes[place.slot].prediction._replace(inner={}) for place in inputs])
        value = jnp.stack([values[place.slot] for place in inputs])

        def density(kind: AbstractKind, number: Array, mean: Array, variance: Array) -> Any:
            assert isinstance(kind, AbstractInput)
            own = Prediction(*(part[number] for part in predictions[:-1]), inner={})
            return kind.observation(own, mean, variance, value[number])

        densities: list[tuple[Array, object]] = []
        for name in sorted(groups):
            kind = KINDS[name]
            assert isinstance(kind, AbstractInput)
            chosen = jnp.asarray([place.kind == name for place in inputs])
            densities.insert(0 if kind.gaussian else len(densities), (chosen, partial(density, kind)))
        mean = jnp.stack([nodes[place.slot].linear for place in inputs])
        return -one_after_another(mean, covariance, densities, news[: self.inputs])


def _stacked(records: list[Any]) -> Any:
    """Records of scalars as one record of arrays."""
    first = records[0]
    return type(first)(
        *(
            {} if isinstance(getattr(first, name), dict) else jnp.stack([getattr(one, name) for one in records])
            for name in first._fields
        )
    )


def _told(prediction: Prediction, after: _State, message: ValueMessage, upward: Upward, news: Real) -> _Told:
    return _Told(
        ValueMessage(*(news * part for part in message)),
        volatility_message(prediction, after["mean"], after["precision"], news),
        upward._replace(
            precision=news * upward.precision,
            error=news * upward.error,
            log_density=news * upward.log_density,
        ),
        news,
    )


@final
@dataclass(frozen=True, slots=True)
class _Listed(AbstractChildren):
    """The children of one node."""

    schedule: UnrolledSchedule
    place: Place
    nodes: dict[int, _Node]
    told: dict[int, _Told]
    clock: Clock
    linear: LinearUpdate | None
    number: int | None

    @property
    def volatile(self) -> Real:
        return jnp.asarray(any(link.volatility for link in self.place.children))

    def value_terms(self, point: Real, variance: Real) -> tuple[Real, Real]:
        precision = error = jnp.zeros_like(point)
        for link in self.place.children:
            if link.volatility:
                continue
            function: CouplingFunction = FUNCTIONS[link.function]
            into_input = link.other < self.schedule.inputs
            weight = self.schedule._weight(link, into_input, self.clock)
            slope = weight * function.slope(point)
            message = self.told[link.other].message
            if self.linear is not None and into_input:
                share = self.linear.weight[link.other, self.number] / jnp.where(
                    message.precision > 0.0, message.precision, 1.0
                )
                precision = precision - weight * function.curvature(point) * message.curvature * share
                continue
            share = jnp.ones_like(point)
            if self.schedule.shared:
                others = jnp.maximum(0.0, self.nodes[link.other].explained - slope**2 * variance)
                share = 1.0 / (1.0 + message.precision * others)
            precision = precision + share * (
                slope**2 * message.precision - weight * function.curvature(point) * message.curvature
            )
            error = error + share * slope * message.error
        if self.linear is not None:
            precision = precision + self.linear.precision[self.number]
            error = error + self.linear.error[self.number]
        return precision, error

    def sum(self, term: Callable[[Real, VolatilityMessage], Real]) -> Real:
        total = jnp.zeros_like(self.nodes[self.place.slot].prediction.mean)
        for link in self.place.children:
            if link.volatility:
                total = total + term(self.schedule.strength[link.row, link.column], self.told[link.other].volatility)
        return total

    def fold(self, step: Callable[[_T, Real, VolatilityMessage], _T], start: _T) -> _T:
        for link in self.place.children:
            if link.volatility:
                start = step(start, self.schedule.strength[link.row, link.column], self.told[link.other].volatility)
        return start

    def each(self, own: Real) -> Real:
        return own
