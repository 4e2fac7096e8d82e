"""The unrolled schedule: one step of a filter, written out node by node over scalars.

For a small graph that stays as it is, the fastest loop has no tables: every node's numbers are scalars in the carry of
the scan, and the compiler sees straight-line code. The graph is a static `Blueprint` of slots, so networks of the same
shape share their compilation whatever their names and parameters. The mathematics is that of `kinds` and `updates`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeVar, final

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sostruct.graph import Packing
from sostruct.networks.hgf.blocks import settled
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
    AbstractLatent,
    Clock,
    Drive,
    ValueMessage,
    latent_message,
)
from sostruct.networks.hgf.layout import COPARENTS, INPUT_COPARENTS, TANGLED, Wiring, invalid_code
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
    below: dict[int, list[int]] = {}
    for position in (packing.child_edge >= 0).nonzero()[0]:
        below.setdefault(int(packing.child_source[position]), []).append(int(position))
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
                int(packing.child_target[position]),
                int(packing.child_target[position]),
                int(packing.child_column[position]),
                bool(packing.child_coupling[position] == 1),
                functions[packing.child_function[position]],
            )
            for position in below.get(slot, ())
        )
        observed = slot < len(packing.inputs)
        places.append(Place(slot, kinds[packing.kind[slot]], observed, parents, children))
    return Blueprint(tuple(places), len(packing.inputs))


class _Told(NamedTuple):
    """What a settled node tells its parents."""

    message: ValueMessage
    volatility: VolatilityMessage
    news: Real


class Step(NamedTuple):
    """What one step, or a series of them, left behind. Little is kept: the rest follows from it afterwards.

    Attributes:
        latents: beliefs of the hidden states, in the order of `UnrolledSchedule.latents`.
        mean: their mh.
        variance: their 1 / ph.
        conditional: their 1 / pc, in the relaxed filter; else empty.
        invalid: codes of `layout.CAUSES`, where predictions are held; else empty.
        inputs: of every input whose kind has beliefs of its own, those beliefs, mh and 1 / ph; None for others.
        covariance: of the inputs' linear predictors, where they need to be assimilated one after another; else empty.
    """

    latents: tuple[_State, ...]
    mean: tuple[Real, ...]
    variance: tuple[Real, ...]
    conditional: tuple[Real, ...]
    invalid: tuple[Array, ...]
    inputs: tuple[tuple[_State, Real, Real] | None, ...]
    covariance: Array


class Score(NamedTuple):
    """What follows from a series of steps; numbers by input or node are tuples of [time].

    Attributes:
        joint: joint surprise [time].
        marginal: surprise of every input by itself; empty unless wanted.
        entropy: its expectation; empty unless wanted.
        beliefs: of every node.
        mean: mh of every node.
        variance: 1 / ph of every node.
        invalid: codes of `layout.CAUSES` of every node.
    """

    joint: Real
    marginal: tuple[Real, ...]
    entropy: tuple[Real, ...]
    beliefs: tuple[_State, ...]
    mean: tuple[Real, ...]
    variance: tuple[Real, ...]
    invalid: tuple[Array, ...]


@final
class UnrolledSchedule:
    """One step over a `Wiring` whose graph is a `Blueprint`, and the score of a series of steps.

    Args:
        wiring: the network.
        drawn: its graph.
        hold: whether a node whose posterior is invalid holds its prediction; without it, what follows is meaningless.
        complete: whether no input is ever missing.
    """

    def __init__(self, wiring: Wiring, drawn: Blueprint, hold: bool, complete: bool) -> None:
        self.options, self.places, self.inputs = wiring.options, drawn.places, drawn.inputs
        self.hold, self.complete = hold, complete
        self.parameters = {
            place.slot: {name: jnp.asarray(numbers[place.slot]) for name, numbers in wiring.parameters.items()}
            for place in drawn.places
        }
        strength = jnp.asarray(wiring.strength)
        links = sorted({(link.row, link.column) for place in drawn.places for link in place.parents})
        self.strength = {place: strength[place] for place in links}
        traits = wiring.capacity.traits
        self.shared = wiring.options.joint and COPARENTS in traits
        self.correlated = wiring.options.joint and INPUT_COPARENTS in traits
        self.dense = bool(traits & {COPARENTS, INPUT_COPARENTS, TANGLED})
        self.latents = [place for place in drawn.places if not place.observed]
        self.number = {place.slot: number for number, place in enumerate(self.latents)}
        self.corner = jnp.ix_(*[jnp.asarray([place.slot - wiring.capacity.input_width for place in self.latents])] * 2)
        self.informed: dict[int, bool] = {}
        for place in self.places:
            self.informed[place.slot] = place.observed or any(self.informed[link.other] for link in place.children)

    def split(self, state: Mapping[str, Array]) -> tuple[_State, ...]:
        """Beliefs by slot as scalars by node."""
        return tuple({name: numbers[place.slot] for name, numbers in state.items()} for place in self.places)

    def join(self, nodes: tuple[_State, ...], template: Mapping[str, Array]) -> dict[str, Array]:
        """The inverse of `split`; padding keeps its numbers."""
        slots = jnp.asarray([place.slot for place in self.places])
        return {
            name: jnp.asarray(numbers).at[slots].set(jnp.stack([node[name] for node in nodes]))
            for name, numbers in template.items()
        }

    def step(
        self, state: tuple[_State, ...], carried: Array, value: Array, news: Array, clock: Clock
    ) -> tuple[tuple[_State, ...], Array, Step]:
        """Predict, observe, update; see `PackedSchedule.step`."""
        before = {place.slot: own for place, own in zip(self.places, state, strict=True)}
        nodes: dict[int, Prediction] = {}
        explained: dict[int, Real] = {}
        for place in reversed(self.places):
            nodes[place.slot], explained[place.slot] = self._predict(place, before, nodes, clock)
        values = {
            place.slot: value[place.slot]
            if self.complete
            else jnp.where(news[place.slot], value[place.slot], nodes[place.slot].mean)
            for place in self.places[: self.inputs]
        }
        linear, inner = None, carried
        if self.correlated:
            decay = jnp.stack([nodes[place.slot].decay for place in self.latents])
            inner = carried[self.corner] * decay[:, None] * decay[None, :]
            linear = self._linear(inner, before, nodes, values, news)
        told: dict[int, _Told] = {}
        after: dict[int, _State] = {}
        invalid = []
        for place in self.places:
            slot = place.slot
            if place.observed:
                after[slot], told[slot] = self._observe(place, before[slot], nodes[slot], values[slot], news[slot])
            else:
                children = _Listed(self, place, nodes, told, explained, clock, linear)
                after[slot], told[slot], cause = self._update(place, before[slot], nodes[slot], children)
                invalid.append(cause)
        covariance = self._covariance(nodes, inner, clock) if self.dense else jnp.zeros((0, 0))
        hidden = [place.slot for place in self.latents]
        if linear is not None:
            precision = jnp.stack([after[slot]["precision"] for slot in hidden])
            carried = carried.at[self.corner].set(settled(linear.covariance, precision))
        report = Step(
            tuple(after[slot] for slot in hidden),
            tuple(nodes[slot].mean for slot in hidden),
            tuple(nodes[slot].variance for slot in hidden),
            tuple(nodes[slot].conditional for slot in hidden) if self.options.relaxed else (),
            tuple(invalid) if self.hold else (),
            tuple(
                (after[place.slot], nodes[place.slot].mean, nodes[place.slot].variance)
                if KINDS[place.kind].state
                else None
                for place in self.places[: self.inputs]
            ),
            covariance,
        )
        return tuple(after[place.slot] for place in self.places), carried, report

    def score(self, steps: Step, inputs: Array, clock: Clock, detail: bool) -> Score:
        """What follows from a series of steps [time] over these inputs [time, input]."""
        hidden = [place.slot for place in self.latents]
        mean = dict(zip(hidden, steps.mean, strict=True))
        variance = dict(zip(hidden, steps.variance, strict=True))
        conditional = dict(zip(hidden, steps.conditional, strict=True)) if self.options.relaxed else variance
        beliefs = dict(zip(hidden, steps.latents, strict=True))
        zero = jnp.zeros_like(inputs[:, 0])
        none = zero.astype(jnp.int32)
        if self.hold:
            invalid = dict(zip(hidden, steps.invalid, strict=True))
        else:
            invalid = {slot: self._invalid(slot, mean[slot], variance[slot], beliefs[slot]) for slot in hidden}
        slopes = {
            (link.row, link.column): self._weight(link, place.observed, clock)
            * FUNCTIONS[link.function].slope(mean[link.other])
            for place in self.places
            for link in place.parents
            if not link.volatility
        }
        spread: dict[int, Real] = {}
        for place in reversed(self.places):
            inherited = (
                slopes[link.row, link.column] ** 2 * spread[link.other]
                for link in place.parents
                if not link.volatility
            )
            spread[place.slot] = sum(inherited, zero if place.observed else conditional[place.slot])
        joint = zero
        marginals, entropies = [], []
        below: dict[int, Upward] = {}
        rows: list[tuple[AbstractInput, Prediction, Real, Real]] = []
        for place in self.places:
            slot = place.slot
            if not place.observed:
                tilted = [
                    (slopes[link.row, link.column], below[link.other])
                    for link in place.children
                    if not link.volatility
                ]
                precision = sum((slope**2 * other.precision for slope, other in tilted), zero)
                error = sum((slope * other.error for slope, other in tilted), zero)
                below[slot] = pass_on(precision, error, conditional[slot])
                joint = joint - below[slot].log_density
                continue
            kind = KINDS[place.kind]
            assert isinstance(kind, AbstractInput)
            news = ~jnp.isnan(inputs[:, slot])
            counts = news.astype(zero.dtype)
            drive = self._drive(place, mean, variance, zero)
            kept = steps.inputs[slot]
            if kept is None:
                prediction = kind.predict_input(self.parameters[slot], {}, drive, clock, self.options)
                value = jnp.where(news, inputs[:, slot], prediction.mean)
                seen = kind.observe(self.parameters[slot], {}, prediction, value, self.options)
                held = kind.held({}, prediction)
                beliefs[slot] = seen if self.complete else {name: jnp.where(news, seen[name], held[name]) for name in held}
            else:
                beliefs[slot], expected, noise = kept
                prediction = Prediction(expected, noise, noise, noise, zero, zero, zero, zero, {})
                value = jnp.where(news, inputs[:, slot], expected)
            mean[slot], variance[slot], invalid[slot] = prediction.mean, prediction.variance, none
            rows.append((kind, prediction, value, drive.value))
            marginal = kind.observation(
                prediction, drive.value, steps.covariance[:, slot, slot] if self.dense else spread[slot], value
            )
            marginals.append(-counts * marginal.log_density)
            entropies.append(counts * marginal.entropy)
            alone = Upward(zero, zero, marginal.log_density)
            if kind.gaussian:
                alone = of_input(kind.observation(prediction, drive.value, zero, value))
            below[slot] = Upward(*(counts * part for part in alone))
            joint = joint - below[slot].log_density
        if self.dense:
            joint = self._one_after_another(rows, steps.covariance, ~jnp.isnan(inputs))
        slots = [place.slot for place in self.places]
        return Score(
            joint,
            tuple(marginals) if detail else (),
            tuple(entropies) if detail else (),
            *(tuple(found[slot] for slot in slots) for found in (beliefs, mean, variance, invalid)),
        )

    def _invalid(self, slot: int, mean: Real, variance: Real, belief: _State) -> Array:
        """Codes of `layout.CAUSES` of a hidden state, from what was kept of it."""
        kind = next(KINDS[place.kind] for place in self.latents if place.slot == slot)
        if isinstance(kind, AbstractLatent) and not kind.varies:
            return jnp.zeros(mean.shape, jnp.int32)
        return invalid_code(mean, variance, {name: belief[name] for name in ("mean", "precision", *kind.state)})

    def _weight(self, link: Link, into_input: bool, clock: Clock) -> Real:
        """A value coupling as it enters predictions: w into an input, dt w into a state."""
        strength = self.strength[link.row, link.column]
        return strength if into_input or clock.regular else clock.dt * strength

    def _predict(
        self, place: Place, before: dict[int, _State], nodes: dict[int, Prediction], clock: Clock
    ) -> tuple[Prediction, Real]:
        own = before[place.slot]
        zero = jnp.zeros_like(own["mean"])
        mean = {slot: node.mean for slot, node in nodes.items()}
        variance = {slot: node.variance for slot, node in nodes.items()}
        drive = self._drive(place, mean, variance, zero)
        explained = zero
        if self.shared:
            for link in place.parents:
                if not link.volatility:
                    point = self.options.point(before[link.other]["mean"], mean[link.other])
                    slope = self._weight(link, place.observed, clock) * FUNCTIONS[link.function].slope(point)
                    explained = explained + slope**2 * variance[link.other]
        kind, parameters = KINDS[place.kind], self.parameters[place.slot]
        if place.observed:
            assert isinstance(kind, AbstractInput)
            return kind.predict_input(parameters, own, drive, clock, self.options), explained
        assert isinstance(kind, AbstractLatent)
        expected = kind.expect(parameters, own, drive.value, clock)
        return kind.predict(parameters, own, expected, drive, clock, self.options), explained

    def _drive(self, place: Place, mean: dict[int, Real], variance: dict[int, Real], zero: Real) -> Drive:
        """What the parents contribute to a node's prediction."""
        value = spread = volatility = zero
        parents = 0
        for link in place.parents:
            strength = self.strength[link.row, link.column]
            if link.volatility:
                parents += 1
                volatility = volatility + strength * mean[link.other]
                if self.options.relaxed:
                    volatility = volatility + 0.5 * strength**2 * variance[link.other]
                continue
            function = FUNCTIONS[link.function]
            value = value + strength * function.value(mean[link.other])
            if self.options.relaxed:
                spread = spread + (strength * function.slope(mean[link.other])) ** 2 * variance[link.other]
        return Drive(value, spread, volatility, jnp.asarray(float(parents), zero.dtype))

    def _observe(
        self, place: Place, own: _State, prediction: Prediction, value: Real, news: Array
    ) -> tuple[_State, _Told]:
        kind = KINDS[place.kind]
        assert isinstance(kind, AbstractInput)
        after = kind.observe(self.parameters[place.slot], own, prediction, value, self.options)
        message, counts = kind.input_message(prediction, value), jnp.ones_like(value)
        if not self.complete:
            held = kind.held(own, prediction)
            after = {name: jnp.where(news, after[name], held[name]) for name in held}
            counts = news.astype(value.dtype)
            message = ValueMessage(*(counts * part for part in message))
        variance = self.options.observed_variance(after["precision"])
        told = volatility_message(prediction, after["mean"], variance, counts)
        return {**own, **after}, _Told(message, told, counts)

    def _update(
        self, place: Place, own: _State, prediction: Prediction, children: _Listed
    ) -> tuple[_State, _Told, Array]:
        kind = KINDS[place.kind]
        assert isinstance(kind, AbstractLatent)
        held = kind.held(own, prediction)
        news, cause = jnp.zeros_like(own["mean"]), jnp.zeros((), jnp.int32)
        after = held
        if self.informed[place.slot] or self.correlated:
            after, news = kind.posterior(own, prediction, children, self.options), news + 1.0
            told = children.news > 0.0
            if self.hold and kind.varies:
                cause = invalid_code(prediction.mean, prediction.variance, after)
                cause = jnp.where(told | (cause == 3), cause, 0)
            if self.hold or not self.complete:
                learnt = told & (cause == 0)
                fallback = {name: jnp.where(cause == 3, own[name], held[name]) for name in held} if self.hold else held
                after = {name: jnp.where(learnt, after[name], fallback[name]) for name in held}
                news = learnt.astype(news.dtype)
        if not kind.varies:
            prediction = prediction._replace(variance=jnp.ones_like(prediction.variance))
        message = latent_message(prediction, after["mean"], after["precision"], self.options)
        if self.hold or not self.complete or not self.informed[place.slot]:
            message = ValueMessage(*(news * part for part in message))
        volatility = volatility_message(prediction, after["mean"], 1.0 / after["precision"], news)
        return {**own, **after}, _Told(message, volatility, news), cause

    def _linear(
        self,
        carried: Array,
        before: dict[int, _State],
        nodes: dict[int, Prediction],
        values: dict[int, Real],
        news: Array,
    ) -> LinearUpdate:
        """The exact update of latents from inputs."""
        messages, rows = [], []
        for place in self.places[: self.inputs]:
            kind = KINDS[place.kind]
            assert isinstance(kind, AbstractInput)
            messages.append(kind.input_message(nodes[place.slot], values[place.slot]))
            row = [jnp.zeros_like(values[place.slot])] * len(self.latents)
            for link in place.parents:
                if not link.volatility:
                    point = self.options.point(before[link.other]["mean"], nodes[link.other].mean)
                    slope = self.strength[link.row, link.column] * FUNCTIONS[link.function].slope(point)
                    row[self.number[link.other]] = slope
            rows.append(jnp.stack(row))
        variance = jnp.stack([nodes[place.slot].variance for place in self.latents])
        precision = jnp.stack([message.precision for message in messages])
        error = jnp.stack([message.error for message in messages])
        return linear_update(carried + jnp.diag(variance), jnp.stack(rows), precision, error, news[: self.inputs])

    def _covariance(self, nodes: dict[int, Prediction], carried: Array, clock: Clock) -> Array:
        """Of the inputs' linear predictors."""
        unit = jnp.eye(self.inputs, dtype=nodes[0].mean.dtype)
        reach: dict[int, Array] = {}
        for place in self.places:
            if place.observed:
                reach[place.slot] = unit[place.slot]
                continue
            reach[place.slot] = jnp.zeros_like(unit[0])
            for link in place.children:
                if not link.volatility:
                    slope = FUNCTIONS[link.function].slope(nodes[place.slot].mean)
                    weight = self._weight(link, link.other < self.inputs, clock)
                    reach[place.slot] = reach[place.slot] + weight * slope * reach[link.other]
        table = jnp.stack([reach[place.slot] for place in self.latents])
        own = jnp.stack([nodes[place.slot].conditional for place in self.latents])
        covariance = table.T @ (own[:, None] * table)
        return covariance + table.T @ (carried @ table) if self.correlated else covariance

    def _one_after_another(
        self, rows: list[tuple[AbstractInput, Prediction, Real, Real]], covariance: Array, news: Array
    ) -> Real:
        """Joint surprise [time]; kinds in the order of their names, Gaussian ones first."""
        kinds = sorted({kind.name: kind for kind, *_ in rows}.values(), key=lambda kind: (not kind.gaussian, kind.name))
        chosen = [jnp.asarray([own.name == kind.name for own, *_ in rows]) for kind in kinds]
        variance = jnp.stack([prediction.variance for _, prediction, *_ in rows], -1)
        expected = jnp.stack([prediction.mean for _, prediction, *_ in rows], -1)
        value = jnp.stack([value for *_, value, _ in rows], -1)
        linear = jnp.stack([linear for *_, linear in rows], -1)

        def surprise(variance: Array, expected: Array, value: Array, linear: Array, spread: Array, news: Array) -> Array:
            none = jnp.zeros_like(value)
            all = Prediction(expected, variance, variance, variance, none, none, none, none, {})

            def density(kind: AbstractInput, number: Array, mean: Array, variance: Array) -> Any:
                return kind.observation(Prediction(*(part[number] for part in all[:-1]), {}), mean, variance, value[number])

            densities = [(own, partial(density, kind)) for own, kind in zip(chosen, kinds, strict=True)]
            return -one_after_another(linear, spread, densities, news)

        return jax.vmap(surprise)(variance, expected, value, linear, covariance, news)


@final
@dataclass(frozen=True, slots=True)
class _Listed(AbstractChildren):
    """The children of one node."""

    schedule: UnrolledSchedule
    place: Place
    nodes: dict[int, Prediction]
    told: dict[int, _Told]
    explained: dict[int, Real]
    clock: Clock
    linear: LinearUpdate | None

    @property
    def news(self) -> Real:
        """Whether any child saw data."""
        found = [self.told[link.other].news for link in self.place.children]
        if self.linear is not None:
            found.append(self.linear.news[self.schedule.number[self.place.slot]].astype(self.linear.error.dtype))
        return sum(found, jnp.zeros_like(self.nodes[self.place.slot].mean))

    @property
    def volatile(self) -> Real:
        return jnp.asarray(any(link.volatility for link in self.place.children))

    def value_terms(self, point: Real, variance: Real) -> tuple[Real, Real]:
        number = self.schedule.number[self.place.slot]
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
                sharp = jnp.where(message.precision > 0.0, message.precision, 1.0)
                share = self.linear.weight[link.other, number] / sharp
                precision = precision - weight * function.curvature(point) * message.curvature * share
                continue
            share = jnp.ones_like(point)
            if self.schedule.shared:
                others = jnp.maximum(0.0, self.explained[link.other] - slope**2 * variance)
                share = 1.0 / (1.0 + message.precision * others)
            bend = weight * function.curvature(point) * message.curvature
            precision = precision + share * (slope**2 * message.precision - bend)
            error = error + share * slope * message.error
        if self.linear is not None:
            precision = precision + self.linear.precision[number]
            error = error + self.linear.error[number]
        return precision, error

    def sum(self, term: Callable[[Real, VolatilityMessage], Real]) -> Real:
        total = jnp.zeros_like(self.nodes[self.place.slot].mean)
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
