"""A whole series through the packed schedule: one scan, with or without its trajectory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from sostruct.networks.hgf.blocks import PackedSchedule
from sostruct.networks.hgf.errors import ErrorSums, errors
from sostruct.networks.hgf.kinds.base import Clock
from sostruct.networks.hgf.layout import Outcome, Wiring
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
    """Every belief at every step: packed by slot, unrolled by node of the blueprint."""

    beliefs: Mapping[str, Numbers]
    expected_mean: Numbers
    expected_precision: Numbers
    surprise: Numbers
    marginal: Numbers
    entropy: Numbers
    spread: Numbers


@final
class Totals(eqx.Module):
    """Sums over a series, by slot; see `Signals`. Errors are summed where single inputs are."""

    surprise: Float[Array, ""]
    marginal: Float[Array, " input"]
    entropy: Float[Array, " input"]
    misfit: Float[Array, " slot"]
    squared: Float[Array, " slot"]
    sharpness: Float[Array, " slot"]
    count: Float[Array, " slot"]
    errors: ErrorSums | None


def marked(tally: Tally, invalid: Int[Array, ...], step: Int[Array, ""]) -> Tally:
    """A tally after one more step, from codes of `layout.CAUSES`."""
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
    detail: bool = False,
    bounded: bool = False,
) -> tuple[BeliefState, Trajectory, Tally]:
    """Filter a series and keep every belief.

    Args:
        wiring: the network.
        start: beliefs before the first step.
        inputs: by input slot; NaN where missing.
        time_steps: elapsed time before each step, or None where it is 1.
        detail: whether the inputs' marginal surprises and the variances of their linear predictors are wanted; without
            it they come back empty.
        bounded: see `PackedSchedule`.
    """
    wiring, start = _arrays((wiring, start))
    inputs = jnp.asarray(inputs, start.beliefs["mean"].dtype)

    def report(_: None, state: dict[str, Array], outcome: Outcome, number: Array) -> Trajectory:
        del number
        return Trajectory(state, *_reported(outcome))

    return _scan(PackedSchedule(wiring, detail, bounded), start, inputs, time_steps, report)


def totals(
    wiring: Wiring,
    start: BeliefState,
    inputs: Float[Array, "time input"],
    time_steps: Float[Array, " time"] | None,
    detail: bool = False,
    bounded: bool = False,
) -> tuple[BeliefState, Totals, Tally]:
    """Filter a series and keep sums only; without `detail` none of single inputs."""
    wiring, start = _arrays((wiring, start))
    inputs = jnp.asarray(inputs, start.beliefs["mean"].dtype)
    schedule = PackedSchedule(wiring, detail, bounded)
    slots, width = schedule.capacity.slots, schedule.capacity.input_width
    zero = jnp.zeros((), inputs.dtype)
    nodes, observed = jnp.zeros(slots, inputs.dtype), jnp.zeros(width if detail else 0, inputs.dtype)
    blank = ErrorSums.before(inputs.shape[0], slots, inputs.dtype) if detail else None
    empty = Totals(zero, observed, observed, nodes, nodes, nodes, nodes, blank)
    gaussian = schedule.gaussian()

    def add(sums: Totals, state: dict[str, Array], outcome: Outcome, number: Array) -> Totals:
        error = state["mean"] - outcome.expected_mean
        variance = jnp.where(outcome.expected_variance > 0.0, outcome.expected_variance, 1.0)
        misfit = (1.0 / state["precision"] + error**2) / variance - 1.0
        after = None
        if sums.errors is not None:
            excess = outcome.marginal - outcome.entropy
            now = errors(error, misfit, variance, excess, gaussian, outcome.news)
            after = sums.errors.after(now, outcome.news, number)
        return Totals(
            sums.surprise + outcome.surprise,
            sums.marginal + outcome.marginal,
            sums.entropy + outcome.entropy,
            sums.misfit + outcome.news * misfit,
            sums.squared + outcome.news * error**2,
            sums.sharpness + outcome.news / variance,
            sums.count + outcome.news,
            after,
        )

    return _scan(schedule, start, inputs, time_steps, add, empty)


def log_evidence(
    wiring: Wiring,
    start: BeliefState,
    inputs: Float[Array, "time input"],
    time_steps: Float[Array, " time"] | None,
) -> Float[Array, ""]:
    """Minus the summed joint surprise of a series, nats; nan where a belief is invalid at any step."""
    _, sums, tally = totals(wiring, start, inputs, time_steps, bounded=True)
    return jnp.where(jnp.sum(tally.count) > 0, jnp.nan, -sums.surprise)


def _scan(
    schedule: PackedSchedule,
    start: BeliefState,
    inputs: Array,
    time_steps: Array | None,
    report: Any,
    sums: Any = None,
) -> tuple[BeliefState, Any, Tally]:
    """Scan the packed schedule: stack what `report` returns, or carry it along where `sums` is what it begins with."""
    regular = time_steps is None
    one = jnp.ones((), inputs.dtype)

    def body(carry: Any, row: Any) -> tuple[Any, Any]:
        state, covariance, tally, number, sums = carry
        value, elapsed = row
        news: Bool[Array, " input"] = ~jnp.isnan(value)
        clock = Clock(one if regular else elapsed, regular)
        state, covariance, outcome = schedule.step(state, covariance, jnp.where(news, value, 0.0), news, clock)
        tally = marked(tally, outcome.invalid, number)
        reported = report(sums, state, outcome, number)
        if sums is None:
            return (state, covariance, tally, number + 1, None), reported
        return (state, covariance, tally, number + 1, reported), None

    none = jnp.zeros(start.beliefs["mean"].shape, jnp.int32)
    carry = (start.beliefs, start.covariance, Tally(none, none - 1, none), jnp.zeros((), jnp.int32), sums)
    elapsed = None if time_steps is None else jnp.asarray(time_steps, inputs.dtype)
    (state, covariance, tally, _, sums), kept = jax.lax.scan(body, carry, (inputs, elapsed))
    return BeliefState(state, covariance), kept if sums is None else sums, tally


def _reported(outcome: Outcome) -> tuple[Any, ...]:
    return (
        outcome.expected_mean,
        1.0 / outcome.expected_variance,
        outcome.surprise,
        outcome.marginal,
        outcome.entropy,
        outcome.spread,
    )


def _arrays(tree: _T) -> _T:
    """Everything as device arrays of one floating type."""
    number = jnp.result_type(float)

    def array(leaf: Numbers) -> Array:
        found = jnp.asarray(leaf)
        return found.astype(number) if jnp.issubdtype(found.dtype, jnp.floating) else found

    made: _T = jax.tree.map(array, tree)
    return made
