"""A whole series through a filter: one scan over either schedule, with or without its trajectory."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from sostruct.networks.hgf.kinds.base import Clock
from sostruct.networks.hgf.layout import Outcome, Wiring
from sostruct.networks.hgf.levels import PackedSchedule
from sostruct.networks.hgf.nodes import Blueprint, UnrolledSchedule
from sostruct.numerics import Numbers

_T = TypeVar("_T")


@final
class BeliefState(eqx.Module):
    """Where a filter stands between two steps.

    Attributes:
        beliefs: name -> [slot], "mean" and "precision" among them.
        covariance: between states that share an observed child [latent, latent]; empty where none do.
    """

    beliefs: dict[str, Numbers]
    covariance: Numbers


class Tally(NamedTuple):
    """Steps at which a node could not be updated, by slot.

    Attributes:
        count: how many.
        first: the first, -1 where there is none.
        cause: position in `layout.CAUSES` of the first.
    """

    count: Int[Array, " slot"]
    first: Int[Array, " slot"]
    cause: Int[Array, " slot"]


class Trajectory(NamedTuple):
    """Every belief at every step, by slot; `marginal` and `entropy` by input slot."""

    beliefs: dict[str, Float[Array, "time slot"]]
    expected_mean: Float[Array, "time slot"]
    expected_variance: Float[Array, "time slot"]
    surprise: Float[Array, " time"]
    marginal: Float[Array, "time input"]
    entropy: Float[Array, "time input"]


class Totals(NamedTuple):
    """Sums over a series, by slot; see `Signals`."""

    surprise: Float[Array, ""]
    marginal: Float[Array, " input"]
    entropy: Float[Array, " input"]
    misfit: Float[Array, " slot"]
    squared: Float[Array, " slot"]
    sharpness: Float[Array, " slot"]
    count: Float[Array, " slot"]


def _mark(tally: Tally, invalid: Int[Array, "..."], step: Int[Array, ""]) -> Tally:
    bad = invalid > 0
    fresh = bad & (tally.count == 0)
    return Tally(
        tally.count + bad.astype(tally.count.dtype),
        jnp.where(fresh, step, tally.first),
        jnp.where(fresh, invalid, tally.cause),
    )


def _empty(like: Array) -> Tally:
    none = jnp.zeros(like.shape, jnp.int32)
    return Tally(none, none - 1, none)


def trajectory(
    wiring: Wiring,
    start: BeliefState,
    inputs: Float[Array, "time input"],
    time_steps: Float[Array, " time"] | None,
    drawn: Blueprint | None,
) -> tuple[BeliefState, Trajectory, Tally]:
    """Filter a series and keep every belief.

    Args:
        wiring: the network.
        start: beliefs before the first step.
        inputs: by input slot (packed) or input (unrolled); NaN where missing.
        time_steps: elapsed time before each step, or None where it is 1.
        drawn: the graph for the unrolled schedule, or None for the packed one.
    """
    wiring, start = _arrays((wiring, start))
    inputs = jnp.asarray(inputs, start.beliefs["mean"].dtype)
    if drawn is None:
        schedule = PackedSchedule(wiring)

        def report(state: dict[str, Array], outcome: Outcome) -> Trajectory:
            return Trajectory(state, *_reported(outcome))

        beliefs, covariance, kept, tally = _scan(
            schedule, start.beliefs, start.covariance, inputs, time_steps, report, start.beliefs["mean"]
        )
        return BeliefState(beliefs, covariance), kept, tally
    unrolled = UnrolledSchedule(wiring, drawn)

    def scalars(state: Any, outcome: Outcome) -> tuple[Any, ...]:
        return (state, *_reported(outcome))

    nodes = unrolled.split(start.beliefs)
    like = tuple(node["mean"] for node in nodes)
    nodes, covariance, kept, tally = _scan(
        unrolled, nodes, start.covariance, inputs, time_steps, scalars, like
    )
    beliefs, *numbers = kept
    stacked = {name: _columns([node[name] for node in beliefs]) for name in start.beliefs}
    mean, variance, surprise, marginal, entropy = numbers
    found = Trajectory(
        stacked, _columns(mean), _columns(variance), surprise, _columns(marginal), _columns(entropy)
    )
    tallies = Tally(*(jnp.stack([getattr(one, name) for one in tally]) for name in Tally._fields))
    return BeliefState(unrolled.join(nodes, start.beliefs), covariance), found, tallies


def totals(
    wiring: Wiring,
    start: BeliefState,
    inputs: Float[Array, "time input"],
    time_steps: Float[Array, " time"] | None,
) -> tuple[BeliefState, Totals, Tally]:
    """Filter a series with the packed schedule and keep sums only."""
    wiring, start = _arrays((wiring, start))
    inputs = jnp.asarray(inputs, start.beliefs["mean"].dtype)
    schedule = PackedSchedule(wiring)
    slots, width = schedule.capacity.slots, schedule.capacity.input_width
    zero = jnp.zeros((), inputs.dtype)
    nodes, observed = jnp.zeros(slots, inputs.dtype), jnp.zeros(width, inputs.dtype)
    empty = Totals(zero, observed, observed, nodes, nodes, nodes, nodes)

    def add(state: dict[str, Array], outcome: Outcome) -> Totals:
        error = (state["mean"] - outcome.expected_mean) ** 2
        variance = jnp.where(outcome.expected_variance > 0.0, outcome.expected_variance, 1.0)
        misfit = (1.0 / state["precision"] + error) / variance - 1.0
        return Totals(
            outcome.surprise,
            outcome.marginal,
            outcome.entropy,
            outcome.news * misfit,
            outcome.news * error,
            outcome.news / variance,
            outcome.news,
        )

    beliefs, covariance, sums, tally = _scan(
        schedule, start.beliefs, start.covariance, inputs, time_steps, add, start.beliefs["mean"], empty
    )
    return BeliefState(beliefs, covariance), sums, tally


def log_evidence(
    wiring: Wiring,
    start: BeliefState,
    inputs: Float[Array, "time input"],
    time_steps: Float[Array, " time"] | None,
    drawn: Blueprint | None,
) -> Float[Array, ""]:
    """Minus the summed joint surprise of a series, nats; nan where a belief is invalid at any step."""
    wiring, start = _arrays((wiring, start))
    inputs = jnp.asarray(inputs, start.beliefs["mean"].dtype)
    zero = jnp.zeros((), inputs.dtype)

    def surprise(state: Any, outcome: Outcome) -> Array:
        del state
        return outcome.surprise

    schedule: PackedSchedule | UnrolledSchedule
    if drawn is None:
        schedule, state, like = PackedSchedule(wiring), start.beliefs, start.beliefs["mean"]
    else:
        schedule = UnrolledSchedule(wiring, drawn)
        state = schedule.split(start.beliefs)
        like = tuple(node["mean"] for node in state)
    _, _, total, tally = _scan(schedule, state, start.covariance, inputs, time_steps, surprise, like, zero)
    held = sum(jnp.sum(leaf.count) for leaf in jax.tree.leaves(tally, is_leaf=lambda x: isinstance(x, Tally)))
    return jnp.where(held > 0, jnp.nan, -total)


def _scan(
    schedule: Any,
    state: Any,
    covariance: Array,
    inputs: Array,
    time_steps: Array | None,
    report: Any,
    like: Any,
    sums: Any = None,
) -> tuple[Any, Array, Any, Any]:
    """Scan a schedule over a series: stack what `report` returns, or add it up where `sums` is given."""
    regular = time_steps is None
    one = jnp.ones((), inputs.dtype)

    def body(carry: Any, row: Any) -> tuple[Any, Any]:
        state, covariance, tally, number, sums = carry
        value, elapsed = row
        news: Bool[Array, " input"] = ~jnp.isnan(value)
        value = jnp.where(news, value, 0.0)
        clock = Clock(one if regular else elapsed, regular)
        state, covariance, outcome = schedule.step(state, covariance, value, news, clock)
        tally = jax.tree.map(
            lambda tallied, invalid: _mark(tallied, invalid, number),
            tally,
            outcome.invalid,
            is_leaf=lambda leaf: isinstance(leaf, Tally),
        )
        reported = report(state, outcome)
        if sums is None:
            return (state, covariance, tally, number + 1, None), reported
        return (state, covariance, tally, number + 1, jax.tree.map(jnp.add, sums, reported)), None

    tally = jax.tree.map(_empty, like)
    start = (state, covariance, tally, jnp.zeros((), jnp.int32), sums)
    elapsed = None if time_steps is None else jnp.asarray(time_steps, inputs.dtype)
    (state, covariance, tally, _, sums), kept = jax.lax.scan(body, start, (inputs, elapsed))
    return state, covariance, kept if sums is None else sums, tally


def _reported(outcome: Outcome) -> tuple[Any, ...]:
    return (
        outcome.expected_mean,
        outcome.expected_variance,
        outcome.surprise,
        outcome.marginal,
        outcome.entropy,
    )


def _columns(columns: Any) -> Array:
    return jnp.stack(list(columns), -1)


def _arrays(tree: _T) -> _T:
    """Everything as device arrays of one floating type."""
    number = jnp.result_type(float)

    def array(leaf: Any) -> Array:
        leaf = jnp.asarray(leaf)
        return leaf.astype(number) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    return jax.tree.map(array, tree)  # type: ignore[no-any-return]
