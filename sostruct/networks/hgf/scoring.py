"""What follows from a series of unrolled steps, for all of them at once: surprises, and the beliefs of the inputs.

The scan of the unrolled schedule keeps only what hidden states believe. Everything else is arithmetic on whole columns
[time], which costs a fraction of the same arithmetic inside the loop.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sostruct.networks.hgf.couplings import FUNCTIONS, Real
from sostruct.networks.hgf.evidence import Upward, of_input, one_after_another, pass_on
from sostruct.networks.hgf.kinds import KINDS
from sostruct.networks.hgf.kinds.base import AbstractInput, AbstractLatent, Clock
from sostruct.networks.hgf.layout import invalid_code
from sostruct.networks.hgf.nodes import Step, UnrolledSchedule
from sostruct.networks.hgf.updates import Prediction


class Score(NamedTuple):
    """What follows from a series of steps; numbers by input or node are tuples of [time].

    Attributes:
        joint: joint surprise [time].
        marginal: surprise of every input by itself; empty unless wanted.
        entropy: its expectation; empty unless wanted.
        beliefs: of every node.
        mean: mh of every node.
        variance: 1 / ph of every node.
        invalid: codes of `layout.CAUSES` of every node, None where it cannot fail.
    """

    joint: Real
    marginal: tuple[Real, ...]
    entropy: tuple[Real, ...]
    beliefs: tuple[dict[str, Real], ...]
    mean: tuple[Real, ...]
    variance: tuple[Real, ...]
    invalid: tuple[Array | None, ...]


def score(schedule: UnrolledSchedule, steps: Step, inputs: Array, clock: Clock, detail: bool) -> Score:
    """What follows from a series of steps [time] over these inputs [time, input]."""
    hidden = [place.slot for place in schedule.latents]
    mean = dict(zip(hidden, steps.mean, strict=True))
    variance = dict(zip(hidden, steps.variance, strict=True))
    conditional = dict(zip(hidden, steps.conditional, strict=True)) if schedule.options.relaxed else variance
    beliefs = dict(zip(hidden, steps.latents, strict=True))
    zero = jnp.zeros_like(inputs[:, 0])
    invalid: dict[int, Array | None]
    if schedule.hold:
        invalid = dict(zip(hidden, steps.invalid, strict=True))
    else:
        invalid = {slot: _invalid(schedule, slot, mean[slot], variance[slot], beliefs[slot]) for slot in hidden}
    slopes = {
        (link.row, link.column): schedule.weight(link, place.observed, clock)
        * FUNCTIONS[link.function].slope(mean[link.other])
        for place in schedule.places
        for link in place.parents
        if not link.volatility
    }
    spread: dict[int, Real] = {}
    for place in reversed(schedule.places):
        inherited = (
            slopes[link.row, link.column] ** 2 * spread[link.other] for link in place.parents if not link.volatility
        )
        spread[place.slot] = sum(inherited, zero if place.observed else conditional[place.slot])
    joint = zero
    marginals, entropies = [], []
    below: dict[int, Upward] = {}
    rows: list[tuple[AbstractInput, Prediction, Real, Real]] = []
    for place in schedule.places:
        slot = place.slot
        if not place.observed:
            tilted = [
                (slopes[link.row, link.column], below[link.other]) for link in place.children if not link.volatility
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
        drive = schedule.drive(place, mean, variance, zero)
        kept = steps.inputs[slot]
        if kept is None:
            prediction = kind.predict_input(schedule.parameters[slot], {}, drive, clock, schedule.options)
            value = jnp.where(news, inputs[:, slot], prediction.mean)
            seen = kind.observe(schedule.parameters[slot], {}, prediction, value, schedule.options)
            held = kind.held({}, prediction)
            invalid[slot] = None
            beliefs[slot] = (
                seen if schedule.complete else {name: jnp.where(news, seen[name], held[name]) for name in held}
            )
        else:
            beliefs[slot], expected, noise, cause = kept
            prediction = Prediction(expected, noise, noise, noise, zero, zero, zero, zero, {})
            value = jnp.where(news, inputs[:, slot], expected)
            inside = {name: beliefs[slot][name] for name in kind.state}
            invalid[slot] = cause if schedule.hold else invalid_code(expected, noise, inside)
        mean[slot], variance[slot] = prediction.mean, prediction.variance
        rows.append((kind, prediction, value, drive.value))
        marginal = kind.observation(
            prediction, drive.value, steps.covariance[:, slot, slot] if schedule.dense else spread[slot], value
        )
        marginals.append(-counts * marginal.log_density)
        entropies.append(counts * marginal.entropy)
        alone = Upward(zero, zero, marginal.log_density)
        if kind.gaussian:
            alone = of_input(kind.observation(prediction, drive.value, zero, value))
        below[slot] = Upward(*(counts * part for part in alone))
        joint = joint - below[slot].log_density
    if schedule.dense:
        joint = _joint(rows, steps.covariance, ~jnp.isnan(inputs))
    slots = [place.slot for place in schedule.places]
    return Score(
        joint,
        tuple(marginals) if detail else (),
        tuple(entropies) if detail else (),
        tuple(beliefs[slot] for slot in slots),
        tuple(mean[slot] for slot in slots),
        tuple(variance[slot] for slot in slots),
        tuple(invalid[slot] for slot in slots),
    )


def _invalid(
    schedule: UnrolledSchedule, slot: int, mean: Real, variance: Real, belief: dict[str, Real]
) -> Array | None:
    """Codes of `layout.CAUSES` of a hidden state, from what was kept of it."""
    kind = next(KINDS[place.kind] for place in schedule.latents if place.slot == slot)
    if isinstance(kind, AbstractLatent) and not kind.varies:
        return None
    return invalid_code(mean, variance, {name: belief[name] for name in ("mean", "precision", *kind.state)})


def _joint(rows: list[tuple[AbstractInput, Prediction, Real, Real]], covariance: Array, news: Array) -> Real:
    """Joint surprise [time]; kinds in the order of their names, Gaussian ones first."""
    kinds = sorted({kind.name: kind for kind, *_ in rows}.values(), key=lambda kind: (not kind.gaussian, kind.name))
    chosen = [jnp.asarray([own.name == kind.name for own, *_ in rows]) for kind in kinds]
    zero = jnp.zeros(len(news))
    variance = jnp.stack([prediction.variance + zero for _, prediction, *_ in rows], -1)
    expected = jnp.stack([prediction.mean + zero for _, prediction, *_ in rows], -1)
    value = jnp.stack([value + zero for *_, value, _ in rows], -1)
    linear = jnp.stack([linear + zero for *_, linear in rows], -1)

    def surprise(variance: Array, expected: Array, value: Array, linear: Array, spread: Array, news: Array) -> Array:
        none = jnp.zeros_like(value)
        all = Prediction(expected, variance, variance, variance, none, none, none, none, {})

        def density(kind: AbstractInput, number: Array, mean: Array, variance: Array) -> Any:
            own: Prediction = jax.tree.map(lambda part: part[number], all)
            return kind.observation(own, mean, variance, value[number])

        densities: list[tuple[Array, object]] = [
            (own, partial(density, kind)) for own, kind in zip(chosen, kinds, strict=True)
        ]
        return -one_after_another(linear, spread, densities, news)

    return jax.vmap(surprise)(variance, expected, value, linear, covariance, news)
