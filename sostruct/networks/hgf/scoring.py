"""The score of one unrolled step: the joint surprise of its inputs, and that of each input by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sostruct.networks.hgf.blueprint import Link, Place
from sostruct.networks.hgf.couplings import Real
from sostruct.networks.hgf.evidence import Upward, of_input, one_after_another, pass_on
from sostruct.networks.hgf.kinds import KINDS
from sostruct.networks.hgf.kinds.base import AbstractInput, Observation
from sostruct.networks.hgf.updates import Prediction


class Score(NamedTuple):
    """Surprises of one step, nats.

    Attributes:
        joint: of all inputs together.
        marginal: of every input by itself; empty unless wanted.
        entropy: its expectation; empty unless wanted.
    """

    joint: Real
    marginal: tuple[Real, ...]
    entropy: tuple[Real, ...]


class Seen(NamedTuple):
    """An input in one step: its value, or what was expected where it is missing; 1 where it is not; and the linear
    predictor that its value parents make."""

    value: Real
    counts: Real
    linear: Real


def score(
    places: Sequence[Place],
    nodes: Mapping[int, Prediction],
    slopes: Mapping[tuple[int, int], Real],
    inputs: Sequence[Seen],
    covariance: Array | None,
    detail: bool,
) -> Score:
    """Surprises of one step.

    Args:
        places: the nodes, inputs first, children before parents.
        nodes: their predictions, by slot.
        slopes: of every value coupling, by row and column of its strength, at the prediction of the parent.
        inputs: in the order of their slots.
        covariance: of the inputs' linear predictors, where they must be assimilated one after another.
        detail: whether single inputs are wanted.
    """
    zero = jnp.zeros_like(inputs[0].value)
    spread: dict[int, Real] = {}
    for place in reversed(places):
        inherited = (
            slopes[link.row, link.column] ** 2 * spread[link.other] for link in place.parents if not link.volatility
        )
        spread[place.slot] = sum(inherited, zero if place.observed else nodes[place.slot].conditional)
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
            variance = spread[slot] if covariance is None else covariance[slot, slot]
            marginal = kind.observation(nodes[slot], seen.linear, variance, seen.value)
            marginals.append(-seen.counts * marginal.log_density)
            entropies.append(seen.counts * marginal.entropy)
            alone = Upward(zero, zero, marginal.log_density)
        if kind.gaussian:
            alone = of_input(kind.observation(nodes[slot], seen.linear, zero, seen.value))
        below[slot] = Upward(*(seen.counts * part for part in alone))
        joint = joint - below[slot].log_density
    if covariance is not None:
        observed = [place for place in places if place.observed]
        kinds = [_input(place) for place in observed]
        joint = _joint(kinds, [nodes[place.slot] for place in observed], inputs, covariance)
    return Score(joint, tuple(marginals) if detail else (), tuple(entropies) if detail else ())


def _input(place: Place) -> AbstractInput:
    kind = KINDS[place.kind]
    assert isinstance(kind, AbstractInput)
    return kind


def _seen_from(link: Link, slopes: Mapping[tuple[int, int], Real], below: Mapping[int, Upward]) -> tuple[Real, Real]:
    """What a child's inputs say about the deviation of its parent: precision and error."""
    slope = slopes[link.row, link.column]
    return slope**2 * below[link.other].precision, slope * below[link.other].error


def _joint(
    kinds: Sequence[AbstractInput], predictions: Sequence[Prediction], inputs: Sequence[Seen], covariance: Array
) -> Real:
    """Joint surprise of correlated inputs; kinds in the order of their names, Gaussian ones first."""
    all: Prediction = jax.tree.map(lambda *parts: jnp.stack(parts), *(one._replace(inner={}) for one in predictions))
    value, counts, linear = (jnp.stack(parts) for parts in zip(*inputs, strict=True))

    def density(kind: AbstractInput, number: Array, mean: Array, variance: Array) -> Observation:
        own: Prediction = jax.tree.map(lambda part: part[number], all)
        return kind.observation(own, mean, variance, value[number])

    densities: list[tuple[Array, Any]] = [
        (jnp.asarray([own.name == kind.name for own in kinds]), partial(density, kind))
        for kind in sorted(
            {kind.name: kind for kind in kinds}.values(), key=lambda kind: (not kind.gaussian, kind.name)
        )
    ]
    return -one_after_another(linear, covariance, densities, counts > 0.0)
