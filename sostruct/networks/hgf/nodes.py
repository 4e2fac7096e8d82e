"""The unrolled schedule: one step of a filter, written out node by node over scalars.

For a small graph that stays as it is, the fastest loop has no tables: every node's numbers are scalars in the carry of
the scan, and the compiler sees straight-line code. The graph is a static `Blueprint` of slots, so networks of the same
shape share their compilation whatever their names and parameters. The mathematics is that of `kinds` and `updates`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar, final

import jax.numpy as jnp
from jaxtyping import Array, Bool

from sostruct.graph.schema import node_kind
from sostruct.networks.hgf.blueprint import Blueprint, Link, Place
from sostruct.networks.hgf.couplings import FUNCTIONS, CouplingFunction, Real
from sostruct.networks.hgf.evidence import LinearUpdate, linear_update, settled
from sostruct.networks.hgf.kinds import KINDS
from sostruct.networks.hgf.kinds.base import (
    AbstractInput,
    AbstractLatent,
    Clock,
    Drive,
    ValueMessage,
    latent_message,
)
from sostruct.networks.hgf.layout import (
    COPARENTS,
    INPUT_COPARENTS,
    NO_DISTRIBUTION,
    TANGLED,
    Wiring,
    admitted,
    valid,
)
from sostruct.networks.hgf.scoring import Score, Seen, score
from sostruct.networks.hgf.updates import AbstractChildren, Options, Prediction, VolatilityMessage, volatility_message

_T = TypeVar("_T")
_State = dict[str, Real]


class _Told(NamedTuple):
    """What a settled node tells its parents."""

    message: ValueMessage
    volatility: VolatilityMessage
    news: Real


class Scalars(NamedTuple):
    """A network and what it believes, node by node of a blueprint: what the unrolled schedule is compiled for.

    Attributes:
        parameters: of every node.
        strength: of every coupling, by row and column of the packed strengths.
        nodes: beliefs of every node.
        covariance: between the hidden states, where they are correlated; else empty.
    """

    parameters: tuple[dict[str, Any], ...]
    strength: tuple[Any, ...]
    nodes: tuple[dict[str, Any], ...]
    covariance: Any


class Step(NamedTuple):
    """What one step left behind, node by node of the blueprint.

    Attributes:
        nodes: beliefs.
        mean: mh.
        variance: 1 / ph.
        invalid: codes of `layout.CAUSES` where predictions are held, else whether there is a cause; None where there
            cannot be one.
        score: surprises.
    """

    nodes: tuple[_State, ...]
    mean: tuple[Real, ...]
    variance: tuple[Real, ...]
    invalid: tuple[Array | None, ...]
    score: Score


def as_scalars(wiring: Wiring, beliefs: Mapping[str, Any], covariance: Any, drawn: Blueprint) -> Scalars:
    """A wiring and beliefs by slot (of several subjects, [subject, slot]) as scalars by node."""
    hidden = [place.slot - wiring.capacity.input_width for place in drawn.places if not place.observed]
    return Scalars(
        tuple(
            {
                name: wiring.parameters[name][place.slot]
                for name in sorted(node_kind(place.kind).parameters)
                if name in wiring.parameters
            }
            for place in drawn.places
        ),
        tuple(wiring.strength[row, column] for row, column in _links(drawn)),
        tuple({name: beliefs[name][..., place.slot] for name in beliefs_of(place)} for place in drawn.places),
        covariance[..., hidden, :][..., hidden] if covariance.size else covariance,
    )


def _links(drawn: Blueprint) -> list[tuple[int, int]]:
    return sorted({(link.row, link.column) for place in drawn.places for link in place.parents})


def beliefs_of(place: Place) -> tuple[str, ...]:
    """Names of the beliefs that a node has."""
    return ("mean", "precision", *KINDS[place.kind].state)


@final
class UnrolledSchedule:
    """One step over a graph that is a `Blueprint`.

    Args:
        network: its parameters and couplings.
        drawn: the graph.
        options: how the filter approximates.
        traits: of the graph; see `layout`.
        hold: whether a node whose posterior is invalid holds its prediction; without it, what follows is meaningless.
        complete: whether no input is ever missing.
        detail: whether the surprise of every input by itself is wanted.
    """

    def __init__(
        self,
        network: Scalars,
        drawn: Blueprint,
        options: Options,
        traits: frozenset[str],
        hold: bool,
        complete: bool,
        detail: bool,
    ) -> None:
        self.options, self.drawn, self.places, self.inputs = options, drawn, drawn.places, drawn.inputs
        self.hold, self.complete, self.detail = hold, complete, detail
        self.parameters = {place.slot: own for place, own in zip(self.places, network.parameters, strict=True)}
        self.strength = dict(zip(_links(drawn), network.strength, strict=True))
        self.shared = options.joint and COPARENTS in traits
        self.correlated = options.joint and INPUT_COPARENTS in traits
        self.dense = bool(traits & {COPARENTS, INPUT_COPARENTS, TANGLED})
        self.latents = [place for place in drawn.places if not place.observed]
        self.number = {place.slot: number for number, place in enumerate(self.latents)}
        self.informed: dict[int, bool] = {}
        for place in self.places:
            self.informed[place.slot] = place.observed or any(self.informed[link.other] for link in place.children)

    def step(
        self, state: tuple[_State, ...], carried: Array, value: Array, news: Array, clock: Clock
    ) -> tuple[tuple[_State, ...], Array, Step]:
        """Predict, observe, update; see `PackedSchedule.step`."""
        before = {place.slot: own for place, own in zip(self.places, state, strict=True)}
        nodes: dict[int, Prediction] = {}
        explained: dict[int, Real] = {}
        linear: dict[int, Real] = {}
        for place in reversed(self.places):
            nodes[place.slot], explained[place.slot], linear[place.slot] = self._predict(place, before, nodes, clock)
        values = {
            place.slot: value[place.slot]
            if self.complete
            else jnp.where(news[place.slot], value[place.slot], nodes[place.slot].mean)
            for place in self.places[: self.inputs]
        }
        exact, inner = None, carried
        if self.correlated:
            decay = jnp.stack([nodes[place.slot].decay for place in self.latents])
            inner = carried * decay[:, None] * decay[None, :]
            exact = self._linear(inner, before, nodes, values, news)
        told: dict[int, _Told] = {}
        after: dict[int, _State] = {}
        invalid: dict[int, Array | None] = {}
        for place in self.places:
            slot = place.slot
            if place.observed:
                own = self._observe(place, before[slot], nodes[slot], values[slot], news[slot])
                after[slot], told[slot], invalid[slot] = own
            else:
                base = self.options.point(before[slot]["mean"], nodes[slot].mean)
                children = _Listed(self, place, nodes, told, explained, clock, exact, base)
                after[slot], told[slot], invalid[slot] = self._update(place, before[slot], nodes[slot], children)
        covariance = self._covariance(nodes, inner, clock) if self.dense else None
        seen = [
            Seen(values[place.slot], told[place.slot].news, linear[place.slot]) for place in self.places[: self.inputs]
        ]
        if exact is not None:
            carried = settled(exact.covariance, jnp.stack([after[place.slot]["precision"] for place in self.latents]))
        slots = [place.slot for place in self.places]
        scored = score(self.drawn, nodes, self._slopes(nodes, clock), seen, covariance, self.detail)
        for slot, sound in scored.sound.items():
            broken = told[slot].news.astype(bool) & ~sound
            invalid[slot] = jnp.where(broken, NO_DISTRIBUTION, 0).astype(jnp.int32) if self.hold else broken
        return (
            tuple(after[slot] for slot in slots),
            carried,
            Step(
                tuple(after[slot] for slot in slots),
                tuple(nodes[slot].mean for slot in slots),
                tuple(nodes[slot].variance for slot in slots),
                tuple(invalid[slot] for slot in slots),
                scored,
            ),
        )

    def _slopes(self, nodes: dict[int, Prediction], clock: Clock) -> dict[tuple[int, int], Real]:
        return {
            (link.row, link.column): self.weight(link, place.observed, clock)
            * FUNCTIONS[link.function].slope(nodes[link.other].mean)
            for place in self.places
            for link in place.parents
            if not link.volatility
        }

    def weight(self, link: Link, into_input: bool, clock: Clock) -> Real:
        """A value coupling as it enters predictions: w into an input, dt w into a state."""
        strength: Real = self.strength[link.row, link.column]
        return strength if into_input or clock.regular else clock.dt * strength

    def _predict(
        self, place: Place, before: dict[int, _State], nodes: dict[int, Prediction], clock: Clock
    ) -> tuple[Prediction, Real, Real]:
        """Its prediction, the variance its value parents explain, and their linear predictor."""
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
                    slope = self.weight(link, place.observed, clock) * FUNCTIONS[link.function].slope(point)
                    explained = explained + slope**2 * variance[link.other]
        kind, parameters = KINDS[place.kind], self.parameters[place.slot]
        if place.observed:
            assert isinstance(kind, AbstractInput)
            return kind.predict_input(parameters, own, drive, clock, self.options), explained, drive.value
        assert isinstance(kind, AbstractLatent)
        expected = kind.expect(parameters, own, drive.value, clock)
        return kind.predict(parameters, own, expected, drive, clock, self.options), explained, drive.value

    def _drive(self, place: Place, mean: dict[int, Real], variance: dict[int, Real], zero: Real) -> Drive:
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
    ) -> tuple[_State, _Told, Array | None]:
        kind = KINDS[place.kind]
        assert isinstance(kind, AbstractInput)
        after = kind.observe(self.parameters[place.slot], own, prediction, value, self.options)
        message, counts = kind.input_message(prediction, value), jnp.ones_like(value)
        cause = None
        if self.hold:
            after, _, cause = admitted(kind, own, prediction, after, news, True)
        elif not self.complete:
            held = kind.held(own, prediction)
            after = {name: jnp.where(news, after[name], held[name]) for name in held}
        if kind.state and not self.hold:
            cause = ~valid(prediction.mean, prediction.variance, {name: after[name] for name in kind.state})
        if not self.complete:
            counts = news.astype(value.dtype)
            message = ValueMessage(*(counts * part for part in message))
        variance = self.options.observed_variance(after["precision"])
        told = volatility_message(prediction, after["mean"], variance, counts)
        return {**own, **after}, _Told(message, told, counts), cause

    def _update(
        self, place: Place, own: _State, prediction: Prediction, children: _Listed
    ) -> tuple[_State, _Told, Array | None]:
        kind = KINDS[place.kind]
        assert isinstance(kind, AbstractLatent)
        after, learnt = kind.held(own, prediction), jnp.zeros((), jnp.bool_)
        cause = None
        held, certain = after, self.complete and not self.correlated
        if self.informed[place.slot] or self.correlated:
            after = kind.posterior(own, prediction, children, self.options)
            learnt = jnp.ones((), jnp.bool_) if certain and not self.hold else children.news > 0.0
        if self.hold:
            after, learnt, cause = admitted(kind, own, prediction, after, learnt, False)
        elif not certain:
            after = {name: jnp.where(learnt, after[name], held[name]) for name in held}
        if kind.varies and not self.hold:
            cause = ~valid(prediction.mean, prediction.variance, {name: after[name] for name in beliefs_of(place)})
        news = learnt.astype(prediction.mean.dtype)
        if not kind.varies:
            prediction = prediction._replace(variance=jnp.ones_like(prediction.variance))
        message = latent_message(prediction, after["mean"], after["precision"], self.options)
        if self.hold or not certain or not self.informed[place.slot]:
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
                    weight = self.weight(link, link.other < self.inputs, clock)
                    reach[place.slot] = reach[place.slot] + weight * slope * reach[link.other]
        table = jnp.stack([reach[place.slot] for place in self.latents])
        own = jnp.stack([nodes[place.slot].conditional for place in self.latents])
        covariance = table.T @ (own[:, None] * table)
        return covariance + table.T @ (carried @ table) if self.correlated else covariance


@final
@dataclass(frozen=True, slots=True)
class _Listed(AbstractChildren):
    """The children of one node; `base` is where its couplings were linearized when `explained` was computed."""

    schedule: UnrolledSchedule
    place: Place
    nodes: dict[int, Prediction]
    told: dict[int, _Told]
    explained: dict[int, Real]
    clock: Clock
    linear: LinearUpdate | None
    base: Real

    @property
    def news(self) -> Real:
        """Whether any child saw data."""
        found = [self.told[link.other].news for link in self.place.children]
        if self.linear is not None:
            found.append(self.linear.news[self.schedule.number[self.place.slot]].astype(self.linear.error.dtype))
        return sum(found, jnp.zeros_like(self.nodes[self.place.slot].mean))

    @property
    def volatile(self) -> Bool[Array, ...]:
        return jnp.asarray(any(link.volatility for link in self.place.children))

    def value_terms(self, point: Real, variance: Real) -> tuple[Real, Real]:
        number = self.schedule.number[self.place.slot]
        precision = error = jnp.zeros_like(point)
        for link in self.place.children:
            if link.volatility:
                continue
            function: CouplingFunction = FUNCTIONS[link.function]
            into_input = link.other < self.schedule.inputs
            weight = self.schedule.weight(link, into_input, self.clock)
            slope = weight * function.slope(point)
            message = self.told[link.other].message
            if self.linear is not None and into_input:
                sharp = jnp.where(message.precision > 0.0, message.precision, 1.0)
                share = self.linear.weight[link.other, number] / sharp
                precision = precision - weight * function.curvature(point) * message.curvature * share
                continue
            share = jnp.ones_like(point)
            if self.schedule.shared:
                own = weight * function.slope(self.base)
                others = jnp.maximum(0.0, self.explained[link.other] - own**2 * variance)
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
