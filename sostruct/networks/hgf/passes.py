"""Passes over data: the compiled programs of a belief network, and what is said when one of them breaks down.

Everything compiled is one of the functions below, at module level, so that networks share programs: the packed schedule
compiles once per capacity, the unrolled one once per graph. Several subjects are one vmapped pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Bool, Float

from sostruct.errors import BeliefError, DataError, GraphError
from sostruct.graph import Packing
from sostruct.networks.hgf import filtering, unrolled
from sostruct.networks.hgf.blueprint import Blueprint
from sostruct.networks.hgf.filtering import BeliefState, Tally, Trajectory
from sostruct.networks.hgf.inputs import Series
from sostruct.networks.hgf.layout import CAUSES, NO_DISTRIBUTION, Wiring
from sostruct.networks.hgf.nodes import Scalars, as_scalars
from sostruct.networks.hgf.packed import PackedHGF, widened
from sostruct.networks.hgf.unrolled import Program, Record
from sostruct.networks.hgf.variables.names import Variable, columns_of
from sostruct.networks.hgf.variables.reading import spread
from sostruct.numerics import Numbers


class Axes(NamedTuple):
    """Which arguments of a pass over several subjects have an axis of subjects: 0, or None."""

    start: int | None
    inputs: int | None
    time_steps: int | None


SINGLE = Axes(None, None, None)
"""One series."""


def axes_of(start: BeliefState, inputs: Any, time_steps: Any) -> Axes:
    """The axes of a call: beliefs are [slot], inputs [time, input], time steps [time] for one series."""
    if inputs.ndim == 2:
        return SINGLE
    return Axes(
        0 if start.beliefs["mean"].ndim == 2 else None,
        0,
        0 if time_steps is not None and time_steps.ndim == 2 else None,
    )


def _over(axes: Axes, one: Any, *arguments: Any) -> Any:
    """`one` over one series or over subjects."""
    return one(*arguments) if axes == SINGLE else jax.vmap(one, in_axes=tuple(axes))(*arguments)


def _packed(function: Any, wiring: Wiring, axes: Axes, *arguments: Any) -> Any:
    def one(start: BeliefState, inputs: Array, time_steps: Array | None) -> Any:
        return function(wiring, start, widened(inputs, wiring.capacity.input_width), time_steps)

    return _over(axes, one, *arguments)


def _unrolled(function: Any, network: Scalars, axes: Axes, inputs: Any, time_steps: Any) -> Any:
    def one(start: Any, inputs: Array, time_steps: Array | None) -> Any:
        return function(network._replace(nodes=start[0], covariance=start[1]), inputs, time_steps)

    return _over(axes, one, (network.nodes, network.covariance), inputs, time_steps)


@partial(jax.jit, static_argnums=4)
def trajectory(
    wiring: Wiring, start: BeliefState, inputs: Numbers, time_steps: Numbers | None, axes: Axes
) -> tuple[BeliefState, Trajectory, Tally]:
    """Every belief at every step, by slot."""
    found: tuple[BeliefState, Trajectory, Tally]
    found = _packed(filtering.trajectory, wiring, axes, start, inputs, time_steps)
    return found


@partial(jax.jit, static_argnums=4)
def detail(
    wiring: Wiring, start: BeliefState, inputs: Numbers, time_steps: Numbers | None, axes: Axes
) -> tuple[Numbers, Numbers, Numbers]:
    """Marginal surprise of every input slot at every step, its expectation, nats; variance of its linear predictor."""
    _, kept, _ = _packed(partial(filtering.trajectory, detail=True), wiring, axes, start, inputs, time_steps)
    return kept.marginal, kept.entropy, kept.spread


@cache
def recorder(program: Program, axes: Axes) -> Any:
    """The compiled function of (scalars, inputs, time steps) that makes a `Record`; networks of a shape share it."""

    def recorded(network: Scalars, inputs: Numbers, time_steps: Numbers | None) -> Record:
        found: Record = _unrolled(partial(unrolled.record, program), network, axes, inputs, time_steps)
        return found

    return jax.jit(recorded)


def evidence(
    wiring: Wiring,
    start: BeliefState,
    inputs: Numbers,
    time_steps: Numbers | None,
    drawn: Blueprint | None,
    axes: Axes,
    complete: bool = False,
) -> Float[Array, ""]:
    """Minus the joint surprise summed over steps and subjects, nats; nan where a belief is invalid at any step.

    `complete` promises that no input is missing.
    """
    if drawn is None:
        return jnp.sum(_packed(filtering.log_evidence, wiring, axes, start, inputs, time_steps))
    program = program_of(drawn, wiring, start, hold=False, complete=complete)
    network = as_scalars(wiring, start.beliefs, start.covariance, drawn)
    return jnp.sum(_unrolled(partial(unrolled.log_evidence, program), network, axes, inputs, time_steps))


@partial(jax.jit, static_argnums=(4, 5, 6))
def traced(
    wiring: Wiring,
    start: BeliefState,
    inputs: Numbers,
    time_steps: Numbers | None,
    drawn: Blueprint | None,
    axes: Axes,
    complete: bool = False,
) -> tuple[Trajectory, Bool[Array, "*subject"], Float[Array, "*subject"]]:
    """Every belief at every step, by the columns of the schedule; whether all of them are valid; the log evidence.

    `complete` promises that no input is missing.
    """
    if drawn is None:
        function = partial(filtering.trajectory, bounded=True)
        _, kept, tally = _packed(function, wiring, axes, start, inputs, time_steps)
        sound = jnp.all(tally.count == 0, -1)
        return kept, sound, jnp.where(sound, -jnp.sum(kept.surprise, -1), jnp.nan)
    program = program_of(drawn, wiring, start, hold=False, complete=complete)
    network = as_scalars(wiring, start.beliefs, start.covariance, drawn)
    done = _unrolled(partial(unrolled.record, program), network, axes, inputs, time_steps)
    kept = unrolled.trajectory_of(program, done.rows)
    return kept, done.tally, jnp.where(done.tally, -jnp.sum(kept.surprise, -1), jnp.nan)


log_evidence = jax.jit(evidence, static_argnums=(4, 5, 6))
"""`evidence`, compiled; networks of a shape share it."""


def program_of(drawn: Blueprint, wiring: Wiring, start: BeliefState, **choices: bool) -> Program:
    """What an unrolled pass over this network is compiled for."""
    return Program(drawn, tuple(sorted(start.beliefs)), wiring.options, wiring.capacity.traits, **choices)


@partial(jax.jit, static_argnums=(4, 5))
def population(
    wiring: Wiring, start: BeliefState, inputs: Numbers, time_steps: Numbers | None, axes: Axes, large: bool
) -> tuple[BeliefState, Trajectory, Tally]:
    """`trajectory` of several networks whose arrays are stacked, packed; one after another where they are large."""

    def member(own: tuple[Wiring, BeliefState]) -> Any:
        function = partial(filtering.trajectory, bounded=not large)
        return _packed(function, own[0], axes, own[1], inputs, time_steps)

    found: tuple[BeliefState, Trajectory, Tally]
    found = jax.lax.map(member, (wiring, start)) if large else jax.vmap(member)((wiring, start))
    return found


def check_start(start: BeliefState, packed: PackedHGF, series: Series) -> None:
    """Refuse beliefs that do not belong to the network or to the number of subjects.

    Raises:
        DataError: they do not.
    """
    shape = start.beliefs["mean"].shape
    slots, subjects = packed.capacity.slots, series.values.shape[:-2]
    if start.beliefs.keys() != packed.state.beliefs.keys() or shape not in ((slots,), (*subjects, slots)):
        raise DataError(
            "Cannot start from these beliefs. This is because they come from a network of another shape or from "
            f"another number of subjects: {shape[-1]} slots and {list(shape[:-1]) or 'no'} subjects, not {slots} and "
            f"{list(subjects) or 'no'}. Try the `last` of a filter of this network over as many subjects."
        )


def check_time(packing: Packing, parameters: dict[str, Numbers]) -> None:
    """Refuse a negative autoconnection, which irregular steps cannot have.

    Raises:
        GraphError: lam ** dt is not a real number for some node.
    """
    for name, values in parameters.items():
        if name.endswith("autoconnection"):
            # an input forgets nothing itself, only a level inside it does
            first = packing.capacity.input_width if name == "autoconnection" else 0
            negative = np.flatnonzero(
                (np.asarray(values) < 0.0) & packing.mask & (np.arange(len(packing.mask)) >= first)
            )
            if negative.size:
                slot = int(negative[0])
                raise GraphError(
                    f"Cannot filter with irregular time steps. This is because {packing.names[slot]!r} has {name} "
                    f"{float(values[slot])!r}, and a power of a negative number is not real. Try 0 or more, or "
                    "leaving the time steps out."
                )


def failure(tally: Tally, names: list[str], series: Series, update: str, member: str = "") -> BeliefError:
    """What to raise when a node could not be updated: the first one is named.

    Args:
        tally: by column, with an axis of subjects where there are several; some count is not 0.
        names: of the columns, children before parents; "" in padding.
        series: what was filtered.
        update: name of the posterior update.
        member: which network of a population, for the message.
    """
    count, first, cause = (np.asarray(part) for part in (tally.count, tally.first, tally.cause))
    subject = ""
    if count.ndim == 2:
        row = int(np.flatnonzero(count.any(axis=1))[0])
        subject = f" of subject {(series.subjects or range(len(count)))[row]!r}"
        count, first, cause = count[row], first[row], cause[row]
    step = int(first[count > 0].min())
    columns = np.flatnonzero((count > 0) & (first == step))
    # predictions run from parents to children and posteriors back, so this is where the step broke down
    unpredicted = columns[[CAUSES[code].startswith("its prediction") for code in cause[columns]]]
    column = int(unpredicted[-1] if unpredicted.size else columns[0])
    when = f"step {step}" if isinstance(series.index, pd.RangeIndex) else f"step {step} ({series.index[step]})"
    if CAUSES[int(cause[column])] == CAUSES[NO_DISTRIBUTION]:
        return BeliefError(
            f"Cannot predict {names[column]!r}{member} at {when}{subject}. This is because {CAUSES[NO_DISTRIBUTION]}: "
            "a variance, rate or probability would be negative. Try states that start at the statistics of a "
            "distribution, one volatility parent for all parts of the variable, or strict=False, which takes the "
            "nearest that is one."
        )
    remedy = "update=" + " or ".join(repr(name) for name in ("ehgf", "unbounded") if name != update)
    if unpredicted.size:
        calmer = "" if update == "unbounded" else "update='unbounded', "
        remedy = f"{calmer}an autoconnection below 1 or a weaker coupling"
    return BeliefError(
        f"Cannot update {names[column]!r}{member} at {when}{subject}. This is because {CAUSES[int(cause[column])]} "
        f"under update={update!r}. Try {remedy}, or strict=False, which holds its prediction for the step."
    )


def traced_series(variables: Sequence[Variable], data: Any, time_steps: Any) -> tuple[Array, Array | None]:
    """A series that JAX traces as the inputs see it: shapes are checked, values cannot be.

    Labels are numbers here: themselves where all labels of a variable are whole numbers, else their places among them.

    Raises:
        DataError: it is not [time, column], or [time] where there is one column.
    """
    values, columns = jnp.asarray(data), columns_of(variables)
    if values.ndim == 1 and len(columns) == 1:
        values = values[:, None]
    if values.ndim not in (2, 3) or values.shape[-1] != len(columns):
        raise DataError(
            f"Cannot read the series. This is because its shape is {values.shape} and the network has {len(columns)} "
            f"inputs. Try [time, input], or [subject, time, input]."
        )
    values = spread(variables, values)
    elapsed = None if time_steps is None else jnp.asarray(time_steps)
    if elapsed is not None and elapsed.shape not in (values.shape[:-1], values.shape[-2:-1]):
        raise DataError(
            f"Cannot read time_steps. This is because their shape is {elapsed.shape} and the series has "
            f"{values.shape[-2]} steps. Try one elapsed time for each step."
        )
    return values, elapsed
