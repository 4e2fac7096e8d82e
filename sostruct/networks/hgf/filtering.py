"""A whole series through a filter: one scan over either schedule, with or without its trajectory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from sostruct.networks.hgf.blocks import PackedSchedule
from sostruct.networks.hgf.blueprint import Blueprint
from sostruct.networks.hgf.kinds.base import Clock
from sostruct.networks.hgf.layout import Outcome, Wiring
from sostruct.networks.hgf.nodes import Step, UnrolledSchedule
from sostruct.networks.hgf.scoring import score
from sostruct.numerics import Numbers

_T = TypeVar("_T")


@final
class BeliefState(eqx.Module):
    """Where a filter stands between two steps.

    Attributes:
        beliefs: name -> [slot], "mean" and "precision" among them.
        covariance: between states that share an observed child [latent, latent]; empty where none do.
    """

    beliefs: Mapping[str, Numbers]
    covariance: Numbers


@final
class Tally(eqx.Module):
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
    """Every belief at every step: packed, arrays [time, slot]; unrolled, tuples of columns [time] by node.

    Columns are not stacked where they are made: for a few nodes that takes a good part of the time of filtering.
    """

    beliefs: dict[str, Any]
    expected_mean: Any
    expected_variance: Any
    surprise: Float[Array, " time"]
    marginal: Any
    entropy: Any


@final
class Totals(eqx.Module):
    """Sums over a series, by slot; see `Signals`."""

    surprise: Float[Array, ""]
    marginal: Float[Array, " input"]
    entropy: Float[Array, " input"]
    misfit: Float[Array, " slot"]
    squared: Float[Array, " slot"]
    sharpness: Float[Array, " slot"]
    count: Float[Array, " slot"]


def _mark(tally: Tally, invalid: Int[Array, ...], step: Int[Array, ""]) -> Tally:
    bad = invalid > 0
    fresh = bad & (tally.count == 0)
    return Tally(
        tally.count + bad.astype(tally.count.dtype),
        jnp.where(fresh, step, tally.first),
        jnp.where(fresh, invalid, tally.cause),
    )


def trajectory(
    wiring: Wiring,
    start: BeliefState,
    inputs: Float[Array, "time input"],
    time_steps: Float[Array, " time"] | None,
    drawn: Blueprint | None,
    detail: bool = False,
    hold: bool = True,
    complete: bool = False,
    bounded: bool = False,
) -> tuple[BeliefState, Trajectory, Tally]:
    """Filter a series and keep every belief.

    Args:
        wiring: the network.
        start: beliefs before the first step.
        inputs: by input slot (packed) or input (unrolled); NaN where missing.
        time_steps: elapsed time before each step, or None where it is 1.
        drawn: the graph for the unrolled schedule, or None for the packed one.
        detail: whether the inputs' marginal surprises are wanted; without it they come back empty.
        hold: unrolled only: whether a node whose posterior is invalid holds its prediction. Without it the tally still
            finds the first such node and step, and everything after it is meaningless.
        complete: unrolled only: whether no input is missing.
        bounded: packed only: see `PackedSchedule`.
    """
    wiring, start = _arrays((wiring, start))
    inputs = jnp.asarray(inputs, start.beliefs["mean"].dtype)
    if drawn is None:
        schedule = PackedSchedule(wiring, detail, bounded)

        def report(state: dict[str, Array], outcome: Outcome) -> Trajectory:
            return Trajectory(state, *_reported(outcome))

        return _scan(schedule, start, inputs, time_steps, report)
    unrolled = UnrolledSchedule(wiring, drawn, hold, complete)
    nodes, covariance, steps = _unrolled(unrolled, start, inputs, time_steps)
    regular = time_steps is None
    clock = Clock(jnp.ones(()) if regular else jnp.asarray(time_steps, inputs.dtype), regular)
    scored = score(unrolled, steps, inputs, clock, detail)
    beliefs = {name: tuple(node[name] for node in scored.beliefs if name in node) for name in start.beliefs}
    found = Trajectory(beliefs, scored.mean, scored.variance, scored.joint, scored.marginal, scored.entropy)
    return BeliefState(unrolled.join(nodes, start.beliefs), covariance), found, _tallied(scored.invalid)


def totals(
    wiring: Wiring,
    start: BeliefState,
    inputs: Float[Array, "time input"],
    time_steps: Float[Array, " time"] | None,
    detail: bool = False,
    bounded: bool = False,
) -> tuple[BeliefState, Totals, Tally]:
    """Filter a series with the packed schedule and keep sums only; without `detail` none of single inputs."""
    wiring, start = _arrays((wiring, start))
    inputs = jnp.asarray(inputs, start.beliefs["mean"].dtype)
    schedule = PackedSchedule(wiring, detail, bounded)
    slots, width = schedule.capacity.slots, schedule.capacity.input_width
    zero = jnp.zeros((), inputs.dtype)
    nodes, observed = jnp.zeros(slots, inputs.dtype), jnp.zeros(width if detail else 0, inputs.dtype)
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

    return _scan(schedule, start, inputs, time_steps, add, empty)


def log_evidence(
    wiring: Wiring,
    start: BeliefState,
    inputs: Float[Array, "time input"],
    time_steps: Float[Array, " time"] | None,
    drawn: Blueprint | None,
) -> Float[Array, ""]:
    """Minus the summed joint surprise of a series, nats; nan where a belief is invalid at any step."""
    if drawn is not None:
        _, found, tally = trajectory(wiring, start, inputs, time_steps, drawn, hold=False)
        return jnp.where(jnp.sum(tally.count) > 0, jnp.nan, -jnp.sum(found.surprise))
    _, sums, tally = totals(wiring, start, inputs, time_steps, bounded=True)
    return jnp.where(jnp.sum(tally.count) > 0, jnp.nan, -sums.surprise)


def _unrolled(
    schedule: UnrolledSchedule, start: BeliefState, inputs: Array, time_steps: Array | None
) -> tuple[Any, Numbers, Step]:
    """Scan the unrolled schedule, keeping every step."""
    regular = time_steps is None
    one = jnp.ones((), inputs.dtype)

    def body(carry: Any, row: Any) -> tuple[Any, Step]:
        value, elapsed = row
        news = ~jnp.isnan(value)
        clock = Clock(one if regular else elapsed, regular)
        nodes, covariance = carry
        nodes, covariance, step = schedule.step(nodes, covariance, jnp.where(news, value, 0.0), news, clock)
        return (nodes, covariance), step

    elapsed = None if time_steps is None else jnp.asarray(time_steps, inputs.dtype)
    (nodes, covariance), steps = jax.lax.scan(
        body, (schedule.split(start.beliefs), start.covariance), (inputs, elapsed)
    )
    return nodes, covariance, steps


def _tallied(invalid: tuple[Int[Array, " time"] | None, ...]) -> Tally:
    """The tally of a series of unrolled steps, by node; None is a node that cannot fail."""
    none = jnp.zeros((), jnp.int32)
    count, first, cause = [], [], []
    for own in invalid:
        failed = none if own is None else jnp.sum(own > 0, dtype=jnp.int32)
        place = none if own is None else jnp.argmax(own > 0).astype(jnp.int32)
        count.append(failed)
        first.append(jnp.where(failed > 0, place, -1))
        cause.append(none if own is None else own[place])
    return Tally(jnp.stack(count), jnp.stack(first), jnp.stack(cause))


def _scan(
    schedule: PackedSchedule,
    start: BeliefState,
    inputs: Array,
    time_steps: Array | None,
    report: Any,
    sums: Any = None,
) -> tuple[BeliefState, Any, Tally]:
    """Scan the packed schedule: stack what `report` returns, or add it up where `sums` is given."""
    regular = time_steps is None
    one = jnp.ones((), inputs.dtype)

    def body(carry: Any, row: Any) -> tuple[Any, Any]:
        state, covariance, tally, number, sums = carry
        value, elapsed = row
        news: Bool[Array, " input"] = ~jnp.isnan(value)
        clock = Clock(one if regular else elapsed, regular)
        state, covariance, outcome = schedule.step(state, covariance, jnp.where(news, value, 0.0), news, clock)
        tally = _mark(tally, outcome.invalid, number)
        reported = report(state, outcome)
        if sums is None:
            return (state, covariance, tally, number + 1, None), reported
        return (state, covariance, tally, number + 1, jax.tree.map(jnp.add, sums, reported)), None

    none = jnp.zeros(start.beliefs["mean"].shape, jnp.int32)
    carry = (start.beliefs, start.covariance, Tally(none, none - 1, none), jnp.zeros((), jnp.int32), sums)
    elapsed = None if time_steps is None else jnp.asarray(time_steps, inputs.dtype)
    (state, covariance, tally, _, sums), kept = jax.lax.scan(body, carry, (inputs, elapsed))
    return BeliefState(state, covariance), kept if sums is None else sums, tally


def _reported(outcome: Outcome) -> tuple[Any, ...]:
    return (
        outcome.expected_mean,
        outcome.expected_variance,
        outcome.surprise,
        outcome.marginal,
        outcome.entropy,
    )


def _arrays(tree: _T) -> _T:
    """Everything as device arrays of one floating type."""
    number = jnp.result_type(float)

    def array(leaf: Numbers) -> Array:
        found = jnp.asarray(leaf)
        return found.astype(number) if jnp.issubdtype(found.dtype, jnp.floating) else found

    made: _T = jax.tree.map(array, tree)
    return made
