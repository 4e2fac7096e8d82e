"""The score of one unrolled step: the joint surprise of its inputs, and that of each input by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sostruct.networks.hgf.blueprint import Blueprint, Link, Place
from sostruct.networks.hgf.couplings import Real
from sostruct.networks.hgf.evidence import Candidates, Upward, of_input, one_after_another, pass_on
from sostruct.networks.hgf.kinds import KINDS
from sostruct.networks.hgf.kinds.base import AbstractInput, AbstractVariable
from sostruct.networks.hgf.updates import Prediction
from sostruct.networks.hgf.variables.groups import Group, tabulated

_T = TypeVar("_T")


class Score(NamedTuple):
    """Surprises of one step, nats.

    Attributes:
        joint: of all inputs together.
        marginal: of every input by itself; empty unless wanted.
        entropy: its expectation; empty unless wanted.
        spread: variance of the linear predictor of every input; empty unless wanted.
        sound: of inputs that are parts of variables, whether those are distributions, by slot.
    """

    joint: Real
    marginal: tuple[Real, ...]
    entropy: tuple[Real, ...]
    spread: tuple[Real, ...]
    sound: dict[int, Array]


class Seen(NamedTuple):
    """An input in one step: its value, or what was expected where it is missing; 1 where it is not; and the linear
    predictor that its value parents make."""

    value: Real
    counts: Real
    linear: Real


def score(
    drawn: Blueprint,
    nodes: Mapping[int, Prediction],
    slopes: Mapping[tuple[int, int], Real],
    inputs: Sequence[Seen],
    covariance: Array | None,
    detail: bool,
) -> Score:
    """Surprises of one step.

    Args:
        drawn: the graph.
        nodes: their predictions, by slot.
        slopes: of every value coupling, by row and column of its strength, at the prediction of the parent.
        inputs: in the order of their slots.
        covariance: of the inputs' linear predictors, where they must be assimilated one after another.
        detail: whether single inputs are wanted.
    """
    places, zero = drawn.places, jnp.zeros_like(inputs[0].value)
    spread: dict[int, Real] = {}
    for place in reversed(places):
        inherited = (
            slopes[link.row, link.column] ** 2 * spread[link.other] for link in place.parents if not link.volatility
        )
        spread[place.slot] = sum(inherited, zero if place.observed else nodes[place.slot].conditional)
    if covariance is not None:
        spread |= {slot: covariance[slot, slot] for slot in range(drawn.inputs)}
    whole, sound = _whole(drawn, nodes, inputs, spread)
    joint = zero
    marginals, entropies = [], []
    below: dict[int, Upward] = {}
    for place in places:
        slot = place.slot
        if not place.observed:
            own = [_seen_from(link, slopes, below) for link in place.children if not link.volatility]
            below[slot] = Upward(zero, zero, zero)
            if own:
                precision, error = (sum(parts, zero) for parts in zip(*own, strict=True))
                below[slot] = pass_on(precision, error, nodes[slot].conditional)
                joint = joint - below[slot].log_density
            continue
        kind, seen = _input(place), inputs[slot]
        if detail or not kind.gaussian:
            log_density, entropy = whole[slot] if slot in whole else _alone(kind, nodes[slot], seen, spread[slot])
            marginals.append(-seen.counts * log_density)
            entropies.append(seen.counts * entropy)
            alone = Upward(zero, zero, log_density)
        if kind.gaussian:
            alone = of_input(kind.observation(nodes[slot], seen.linear, zero, seen.value))
        below[slot] = Upward(*(seen.counts * part for part in alone))
        joint = joint - below[slot].log_density
    if covariance is not None:
        joint = _joint(drawn, nodes, inputs, covariance)
    if not detail:
        return Score(joint, (), (), (), sound)
    return Score(joint, tuple(marginals), tuple(entropies), tuple(spread[slot] for slot in range(drawn.inputs)), sound)


def _alone(kind: AbstractInput, prediction: Prediction, seen: Seen, variance: Real) -> tuple[Real, Real]:
    marginal = kind.observation(prediction, seen.linear, variance, seen.value)
    return marginal.log_density, marginal.entropy


def _whole(
    drawn: Blueprint, nodes: Mapping[int, Prediction], inputs: Sequence[Seen], spread: Mapping[int, Real]
) -> tuple[dict[int, tuple[Real, Real]], dict[int, Array]]:
    """Log density and entropy of variables, shared out among their parts, and whether they are distributions."""
    shares, sound = {}, {}
    for name, group in drawn.variables:
        slots, place = group.parts, {slot: position for position, slot in enumerate(group.parts)}
        kind = KINDS[name]
        assert isinstance(kind, AbstractVariable)
        second = tuple(tuple(place[slot] for slot in row) for row in group.second)
        local = Group(tuple(range(len(slots))), tuple(place[slot] for slot in group.first), second)
        value, _, linear = _stacked([inputs[slot] for slot in slots])
        variance = jnp.stack([spread[slot] for slot in slots])
        prediction = _stacked([nodes[slot]._replace(inner={}) for slot in slots])
        parts = tabulated([local], len(slots), max(1, len(group.first)))
        found = kind.density(parts, prediction, linear, variance, value)
        for slot, position in place.items():
            shares[slot] = found.log_density[position], found.entropy[position]
            sound[slot] = found.sound[position]
    return shares, sound


def _input(place: Place) -> AbstractInput:
    kind = KINDS[place.kind]
    assert isinstance(kind, AbstractInput)
    return kind


def _seen_from(link: Link, slopes: Mapping[tuple[int, int], Real], below: Mapping[int, Upward]) -> tuple[Real, Real]:
    """What a child's inputs say about the deviation of its parent: precision and error."""
    slope = slopes[link.row, link.column]
    return slope**2 * below[link.other].precision, slope * below[link.other].error


def _joint(drawn: Blueprint, nodes: Mapping[int, Prediction], inputs: Sequence[Seen], covariance: Array) -> Real:
    """Joint surprise of correlated inputs; kinds in the order of their names, Gaussian ones first."""
    kinds = [_input(place) for place in drawn.places if place.observed]
    all = _stacked([nodes[slot]._replace(inner={}) for slot in range(drawn.inputs)])
    value, counts, linear = _stacked(inputs)
    groups = [group for _, group in drawn.variables]
    parts = tabulated(groups, drawn.inputs, max([1, *(len(group.first) for group in groups)])) if groups else None
    candidates = [
        Candidates(jnp.asarray([own.name == kind.name for own in kinds]), kind, all)
        for kind in sorted(
            {kind.name: kind for kind in kinds}.values(), key=lambda kind: (not kind.gaussian, kind.name)
        )
    ]
    return -one_after_another(linear, covariance, candidates, value, counts > 0.0, parts)


def _stacked(parts: Sequence[_T]) -> _T:
    """Scalars of several nodes as arrays."""
    stacked: _T = jax.tree.map(lambda *own: jnp.stack(own), *parts)
    return stacked
