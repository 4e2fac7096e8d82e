"""A series through the unrolled schedule: one scan that writes a few rows of numbers per step.

Everything a step leaves behind goes into these rows, the surprise included: the loop waits for its own beliefs most of
the time, so arithmetic beside them costs next to nothing, while every output and every operation after the loop is a
buffer to fill and a function to compile. Columns of the rows get their meaning on the host.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import NDArray

from sostruct.networks.hgf.blueprint import Blueprint
from sostruct.networks.hgf.filtering import BeliefState, Tally, Trajectory, marked
from sostruct.networks.hgf.kinds.base import Clock
from sostruct.networks.hgf.nodes import Scalars, Step, UnrolledSchedule, beliefs_of
from sostruct.networks.hgf.updates import Options
from sostruct.numerics import Numbers


@final
@dataclass(frozen=True, slots=True)
class Program:
    """What an unrolled pass is compiled for.

    Args:
        drawn: the graph.
        names: of the beliefs.
        options: how the filter approximates.
        traits: of the graph; see `layout`.
        hold: whether a node whose posterior is invalid holds its prediction. Without it, a pass only says whether
            there was one, and everything after it is meaningless.
        complete: whether no input is missing.
        detail: whether the surprise of every input by itself is wanted.
    """

    drawn: Blueprint
    names: tuple[str, ...]
    options: Options
    traits: frozenset[str]
    hold: bool
    complete: bool
    detail: bool = False


class Record(NamedTuple):
    """What a pass leaves behind.

    Attributes:
        rows: several [time, column]; `trajectory_of` names the columns.
        covariance: between hidden states after the last step, where they are correlated.
        tally: invalid updates by node, where predictions are held; else whether there was none.
    """

    rows: tuple[Numbers, ...]
    covariance: Numbers
    tally: Any


def record(
    program: Program, network: Scalars, inputs: Float[Array, "time input"], time_steps: Float[Array, " time"] | None
) -> Record:
    """Filter a series and keep every belief."""

    def rows(step: Step) -> tuple[Array, ...]:
        zero = jnp.zeros_like(step.score.joint)
        tables: dict[str, tuple[Any, ...]] = {
            name: tuple(node.get(name, zero) for node in step.nodes) for name in program.names
        }
        tables |= {
            _MEAN: step.mean,
            _PRECISION: tuple(1.0 / own for own in step.variance),
            _SURPRISE: (step.score.joint,),
        }
        tables |= {_MARGINAL: step.score.marginal, _ENTROPY: step.score.entropy, _SPREAD: step.score.spread}
        return tuple(jnp.stack([number for name in group for number in tables[name]]) for group in _groups(program))

    (_, covariance, tally, _), kept = _scan(program, network, inputs, time_steps, rows)
    return Record(kept, covariance, tally)


def log_evidence(
    program: Program, network: Scalars, inputs: Float[Array, "time input"], time_steps: Float[Array, " time"] | None
) -> Float[Array, ""]:
    """Minus the summed joint surprise of a series, nats; nan where a belief is invalid at any step."""
    (_, _, sound, surprise), _ = _scan(program, network, inputs, time_steps, None)
    return jnp.where(sound, -surprise, jnp.nan)


def _scan(program: Program, network: Scalars, inputs: Array, time_steps: Array | None, row: Any) -> Any:
    number = jnp.asarray(network.nodes[0]["mean"]).dtype
    network = jax.tree.map(lambda leaf: jnp.asarray(leaf, number), network)
    schedule = UnrolledSchedule(
        network,
        program.drawn,
        program.options,
        program.traits,
        program.hold,
        program.complete,
        program.detail,
    )
    regular = time_steps is None
    one = jnp.ones((), number)

    def body(carry: Any, given: Any) -> tuple[Any, Any]:
        nodes, covariance, tally, count = carry
        value, elapsed = given
        news = ~jnp.isnan(value)
        known = value if program.complete else jnp.where(news, value, 0.0)
        clock = Clock(one if regular else elapsed, regular)
        nodes, covariance, step = schedule.step(nodes, covariance, known, news, clock)
        causes = [cause for cause in step.invalid if cause is not None]
        tally = marked(tally, jnp.stack(causes), count) if program.hold else reduce(_and_not, causes, tally)
        if row is None:
            return (nodes, covariance, tally, count + step.score.joint), None
        return (nodes, covariance, tally, count + 1), row(step)

    places = len(program.drawn.places)
    none = jnp.zeros(places, jnp.int32)
    tally: Any = Tally(none, none - 1, none) if program.hold else jnp.ones((), jnp.bool_)
    elapsed = None if time_steps is None else jnp.asarray(time_steps, number)
    start = jnp.zeros((), jnp.int32) if row is not None else jnp.zeros((), number)
    return jax.lax.scan(body, (network.nodes, network.covariance, tally, start), (jnp.asarray(inputs, number), elapsed))


def _and_not(sound: Array, broken: Array) -> Array:
    return sound & ~broken


_MEAN, _PRECISION, _SURPRISE = "expected mean", "expected precision", "surprise"
_MARGINAL, _ENTROPY, _SPREAD = "marginal", "entropy", "spread"
_ROW = 8
"""Numbers in a row: XLA puts up to so many together inside the loop's own arithmetic, others by copies."""


def _widths(program: Program) -> dict[str, int]:
    """Columns of every table that a record holds."""
    places, inputs = len(program.drawn.places), program.drawn.inputs if program.detail else 0
    widths = dict.fromkeys((*program.names, _MEAN, _PRECISION), places) | {_SURPRISE: 1}
    return widths | dict.fromkeys((_MARGINAL, _ENTROPY, _SPREAD), inputs) if inputs else widths


def _groups(program: Program) -> list[list[str]]:
    """The tables that share a row, in their order there."""
    groups: list[list[str]] = []
    room = 0
    for name, width in _widths(program).items():
        if width > room:
            groups.append([])
            room = _ROW
        groups[-1].append(name)
        room -= width
    return groups


def trajectory_of(program: Program, rows: tuple[Numbers, ...]) -> Trajectory:
    """The columns of a record under their names; nothing is copied from arrays on the host."""
    widths = _widths(program)
    tables: dict[str, Numbers] = {}
    for group, row in zip(_groups(program), rows, strict=True):
        end = 0
        for name in group:
            tables[name] = row[..., end : end + widths[name]]
            end += widths[name]
    none = rows[0][..., :0]
    return Trajectory(
        {name: tables[name] for name in program.names},
        tables[_MEAN],
        tables[_PRECISION],
        tables[_SURPRISE][..., 0],
        tables.get(_MARGINAL, none),
        tables.get(_ENTROPY, none),
        tables.get(_SPREAD, none),
    )


def last_of(program: Program, done: Record, start: BeliefState, input_width: int) -> BeliefState:
    """Where the filter stands after a record on the host, by slot.

    Args:
        program: what made the record.
        done: the record, of one series or of several subjects.
        start: where it began.
        input_width: number of input slots.
    """
    kept, places = trajectory_of(program, done.rows), program.drawn.places
    subjects = done.rows[0].shape[:-2]

    def copied(numbers: Numbers, axes: int) -> NDArray[Any]:
        return np.array(np.broadcast_to(numbers, (*subjects, *numbers.shape[numbers.ndim - axes :])))

    beliefs: dict[str, Numbers] = {}
    for name, numbers in start.beliefs.items():
        own = [number for number, place in enumerate(places) if name in beliefs_of(place)]
        beliefs[name] = copied(numbers, 1)
        beliefs[name][..., [places[number].slot for number in own]] = kept.beliefs[name][..., -1, own]
    covariance = copied(start.covariance, 2)
    if covariance.size:
        hidden = np.array([place.slot - input_width for place in places if not place.observed])
        covariance[..., hidden[:, None], hidden] = done.covariance
    return BeliefState(beliefs, covariance)
