"""Gradients of coupling strengths, and the compiled passes that follow them.

A local rule needs nothing but what both ends of a coupling believe. The child a predicted the mean mh_a, in which its
parents b have the part sum_b w_ab g(x_b), and was wrong by d_a = m_a - mh_a; the squared error falls along

    dw_ab = -u_a g(x_b),   u_a = d_a ("standard") or p_a d_a ("precision weighted"),

times dt where the child is a state, whose prediction scales its parents' sum by dt. The strength of a constant parent
is a bias. x_b is what the parent is believed to be: its prediction mh_b, which made the error, or its posterior m_b, as
in predictive coding. The posterior has been moved by the very error it is multiplied with: d g(m) is not 0 on average
at the true strength, which grows too large where a child says much about its parents. The prediction has not: d g(mh)
is 0 on average where the child is predicted without bias, at the true strength if g is straight, and near it if not.

Learning is online within the filter's scan, strengths and optimizer carried from step to step, or once for every pass.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from sostruct.networks.hgf.blocks import PackedSchedule
from sostruct.networks.hgf.blueprint import Blueprint
from sostruct.networks.hgf.filtering import BeliefState, Tally, marked
from sostruct.networks.hgf.gathering import by_code, functions_of
from sostruct.networks.hgf.kinds.base import Clock
from sostruct.networks.hgf.layout import Wiring
from sostruct.networks.hgf.packed import widened
from sostruct.networks.hgf.passes import Axes, evidence
from sostruct.numerics import Numbers


class Places(NamedTuple):
    """Where the strengths that are learnt stand in `Wiring.strength` [edge]."""

    row: Numbers
    column: Numbers


class Data(NamedTuple):
    """Series of several subjects.

    Attributes:
        inputs: NaN where missing [subject, time, input].
        time_steps: elapsed time before each step [subject, time], or None where it is 1.
    """

    inputs: Float[Array, "subject time input"]
    time_steps: Float[Array, "subject time"] | None


class Rule(NamedTuple):
    """A local rule: whether errors are weighted by precisions, and whether g is taken at the posterior."""

    weighted: bool
    posterior: bool


class Passed(NamedTuple):
    """What a pass over the data leaves.

    Attributes:
        weights: strengths after it [edge].
        memory: of the optimizer.
        surprise: summed over steps and subjects, nats.
        tally: updates of beliefs that failed, by subject and slot.
    """

    weights: Array
    memory: Any
    surprise: Array
    tally: Tally | None


def with_weights(wiring: Wiring, places: Places, weights: Float[Array, " edge"]) -> Wiring:
    """The wiring with other strengths."""
    strength = jnp.asarray(wiring.strength, weights.dtype).at[places.row, places.column].set(weights)
    return Wiring(wiring.parameters, strength, wiring.tables, wiring.capacity, wiring.options)


@partial(jax.jit, static_argnums=(5, 6, 7))
def local_pass(
    wiring: Wiring,
    start: BeliefState,
    places: Places,
    learning: tuple[Array, Any],
    data: Data,
    rule: Rule,
    optimizer: optax.GradientTransformation,
    online: bool,
) -> Passed:
    """One pass of a local rule; the gradient of a step is the mean over subjects, that of a pass the mean over steps.

    Args:
        wiring: the network.
        start: what it believes before the first step, of every subject.
        places: of the strengths.
        learning: strengths and the optimizer's memory.
        data: the series.
        rule: the rule.
        optimizer: turns gradients into steps.
        online: whether it takes a step after every step of the data, or one after all of them.
    """
    time_steps = data.time_steps
    inputs = jax.vmap(lambda own: widened(own, wiring.capacity.input_width))(data.inputs)
    number = inputs.dtype
    count = inputs.shape[0]
    one = jnp.ones((), number)

    def filtered(weights: Array, own: Any, value: Array, elapsed: Any, step: Array) -> Any:
        state, carried, tally = own
        now = with_weights(wiring, places, weights)
        clock = Clock(one if elapsed is None else elapsed, elapsed is None)
        news = ~jnp.isnan(value)
        schedule = PackedSchedule(now, detail=False, bounded=True)
        state, carried, outcome = schedule.step(state, carried, jnp.where(news, value, 0.0), news, clock)
        slope = gradient(now, places, rule, state, outcome.expected_mean, clock)
        return (state, carried, marked(tally, outcome.invalid, step)), slope, outcome.surprise

    def body(carry: Any, row: Any) -> tuple[Any, None]:
        (weights, memory), own, surprise, step, total = carry
        value, elapsed = row
        each = jax.vmap(filtered, in_axes=(None, 0, 0, None if elapsed is None else 0, None))
        own, slope, cost = each(weights, own, value, elapsed, step)
        mean = jnp.mean(slope, 0)
        if online:
            weights, memory = stepped(optimizer, mean, weights, memory)
        return ((weights, memory), own, surprise + jnp.sum(cost), step + 1, total + mean), None

    weights, memory = learning
    none = jnp.zeros(start.beliefs["mean"].shape, jnp.int32)
    beliefs = jax.tree.map(lambda leaf: jnp.asarray(leaf, number), (dict(start.beliefs), start.covariance))
    own = jax.tree.map(
        lambda leaf: jnp.broadcast_to(leaf, (count, *leaf.shape)), (*beliefs, Tally(none, none - 1, none))
    )
    carry = ((weights, memory), own, jnp.zeros((), number), jnp.zeros((), jnp.int32), jnp.zeros_like(weights))
    rows = (jnp.moveaxis(inputs, 1, 0), None if time_steps is None else jnp.moveaxis(time_steps, 1, 0))
    ((weights, memory), (_, _, tally), surprise, _, total), _ = jax.lax.scan(body, carry, rows)
    if not online:
        weights, memory = stepped(optimizer, total / inputs.shape[1], weights, memory)
    return Passed(weights, memory, surprise, tally)


def gradient(
    wiring: Wiring,
    places: Places,
    rule: Rule,
    state: dict[str, Array],
    expected: Float[Array, " slot"],
    clock: Clock,
) -> Float[Array, " edge"]:
    """What a step says of every strength; see the module's docstring.

    Args:
        state: beliefs after the step.
        expected: mh.
    """
    child = jnp.asarray(places.row)
    parent = jnp.asarray(wiring.tables.parent)[places.row, places.column]
    code = jnp.asarray(wiring.tables.parent_function)[places.row, places.column]
    point = (state["mean"] if rule.posterior else expected)[parent]
    through = by_code(code, [function.value(point) for function in functions_of(wiring)])
    error = (state["mean"] - expected)[child]
    if rule.weighted:
        error = error * state["precision"][child]
    elapsed = jnp.where(child < wiring.capacity.input_width, 1.0, clock.dt)
    return -error * through * elapsed


@partial(jax.jit, static_argnums=(5, 6))
def evidence_pass(
    wiring: Wiring,
    start: BeliefState,
    places: Places,
    learning: tuple[Array, Any],
    data: Data,
    optimizer: optax.GradientTransformation,
    drawn: Blueprint | None,
) -> Passed:
    """One step along the gradient of the log evidence, per step of the data; arguments as in `local_pass`, and the
    graph where the unrolled schedule runs it."""
    weights, memory = learning

    def cost(weights: Array) -> Array:
        return surprise(wiring, start, places, weights, data, drawn)

    total, slope = jax.value_and_grad(cost)(weights)
    weights, memory = stepped(optimizer, slope / data.inputs[..., 0].size, weights, memory)
    return Passed(weights, memory, total, None)


def surprise(
    wiring: Wiring, start: BeliefState, places: Places, weights: Array, data: Data, drawn: Blueprint | None
) -> Float[Array, ""]:
    """Joint surprise summed over steps and subjects, nats; nan where some belief is invalid."""
    own = with_weights(wiring, places, weights)
    axes = Axes(None, 0, None if data.time_steps is None else 0)
    return -evidence(own, start, data.inputs, data.time_steps, drawn, axes)


measured = jax.jit(surprise, static_argnums=(5,))
"""`surprise`, compiled."""


def stepped(optimizer: optax.GradientTransformation, slope: Array, weights: Array, memory: Any) -> tuple[Array, Any]:
    """Strengths and memory after one step of an optimizer."""
    moved, memory = optimizer.update(slope, memory, weights)
    after: Array = jnp.asarray(optax.apply_updates(weights, moved))
    return after, memory
