"""Agents that act on their beliefs, as one compiled scan over steps, mapped over agents.

At every step the network predicts, a response model turns the predictions into an action, the environment answers, and
the network observes what it is shown of the answer. The filter's step is cut in two for it (`PackedSchedule.predict`
and `observe`); the graph is data, and so are all numbers of the response model and of the environment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple, NoReturn, final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, UInt32

from sostruct.errors import ConfigError
from sostruct.networks.hgf.blocks import PackedSchedule
from sostruct.networks.hgf.filtering import BeliefState, Tally, marked
from sostruct.networks.hgf.generative.environments import AbstractEnvironment
from sostruct.networks.hgf.inference.responses import AbstractResponse, Values
from sostruct.networks.hgf.kinds.base import Clock
from sostruct.networks.hgf.layout import Down, Wiring
from sostruct.networks.hgf.trace import QUANTITIES, Trace
from sostruct.networks.hgf.variables.names import Variable
from sostruct.networks.hgf.variables.reading import spread

_Columns = tuple[tuple[str, int], ...]


class Life(NamedTuple):
    """What became of an agent, or of several [agent, ...].

    Attributes:
        action: what it did [time].
        log_density: log probability or density of that, nats [time].
        reward: what it earned [time].
        seen: what it saw [time, column].
        facts: what else the environment said [time, ...].
        beliefs: by quantity, as in a trace [time, node].
        tally: updates that failed, by slot.
    """

    action: Array
    log_density: Array
    reward: Array
    seen: Array
    facts: Mapping[str, Array]
    beliefs: Mapping[str, Array]
    tally: Tally


@final
class Form:
    """A response model as compiled code depends on it: all of it but the numbers of its parameters."""

    def __init__(self, response: AbstractResponse) -> None:
        self.response = response

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Form) and self.response.identity == other.response.identity

    def __hash__(self) -> int:
        return hash(self.response.identity)


@partial(jax.jit, static_argnums=(7, 8, 9, 10, 11))
def lives(
    wiring: Wiring,
    start: BeliefState,
    environment: AbstractEnvironment,
    values: Values,
    key: PRNGKeyArray,
    numbers: UInt32[Array, " agent"],
    time_steps: Float[Array, "*agent time"] | None,
    form: Form,
    columns: _Columns,
    variables: tuple[Variable, ...],
    steps: int,
    several: bool,
) -> Life:
    """Lives of agents that share an environment's settings and nothing else [agent, ...].

    Args:
        wiring: the network of all of them; where there are several, stacked.
        start: what they believe before the first step, likewise.
        environment: what they act in.
        values: numbers of the response model by parameter [agent].
        key: for all; every agent's is folded from its number.
        numbers: of the agents.
        time_steps: elapsed time before each step, or None where it is 1.
        form: the response model.
        columns: names of the nodes and their slots.
        variables: what the environment shows something about.
        steps: how many.
        several: whether every agent has a network of its own.
    """
    own = 0 if several else None
    each = 0 if time_steps is not None and time_steps.ndim == 2 else None

    def one(wiring: Wiring, start: BeliefState, values: Values, number: UInt32[Array, ""], elapsed: Any) -> Life:
        drawn = jax.random.fold_in(key, number)
        return life(wiring, start, environment, form.response, values, drawn, elapsed, columns, variables, steps)

    found: Life = jax.vmap(one, in_axes=(own, own, 0, 0, each))(wiring, start, values, numbers, time_steps)
    return found


def life(
    wiring: Wiring,
    start: BeliefState,
    environment: AbstractEnvironment,
    response: AbstractResponse,
    values: Values,
    key: PRNGKeyArray,
    time_steps: Float[Array, " time"] | None,
    columns: _Columns,
    variables: tuple[Variable, ...],
    steps: int,
) -> Life:
    """The life of one agent; see `lives`."""
    number = jnp.result_type(float)
    wiring, start, environment = jax.tree.map(partial(_array, number), (wiring, start, environment))
    schedule = PackedSchedule(wiring, detail=False, bounded=True)
    one = jnp.ones((), number)
    slots = np.array([slot for _, slot in columns])

    def body(carry: Any, row: tuple[Array, Array | None]) -> tuple[Any, Life]:
        state, covariance, tally, world = carry
        step, elapsed = row
        clock = Clock(one if elapsed is None else elapsed, elapsed is None)
        down = schedule.predict(state, clock)
        choose, answer = jax.random.split(jax.random.fold_in(key, step))
        trace = foreseen(down, columns)
        blind = jnp.full((1, len(_inputs(columns, wiring))), jnp.nan, number)
        action = response.sample(choose, trace, blind, values)
        density = response.log_density(action, trace, blind, values)[0]
        outcome = environment.respond(answer, action[0], step, world)
        shown = outcome.seen.astype(number)
        value = spread(variables, shown)
        value = jnp.pad(value, (0, wiring.capacity.input_width - len(value)), constant_values=jnp.nan)
        news = ~jnp.isnan(value)
        state, covariance, after = schedule.observe(state, covariance, down, jnp.where(news, value, 0.0), news, clock)
        tally = marked(tally, after.invalid, step)
        believed = (state["mean"], state["precision"], after.expected_mean, 1.0 / after.expected_variance)
        beliefs = {name: own[slots] for name, own in zip(QUANTITIES, believed, strict=True)}
        done = Life(action[0], density, outcome.reward, shown, outcome.facts, beliefs, tally)
        return (state, covariance, tally, outcome.state), done._replace(tally=None)  # type: ignore[arg-type]

    world = jax.tree.map(partial(_array, number), environment.start)
    none = jnp.zeros(start.beliefs["mean"].shape, jnp.int32)
    carry = (dict(start.beliefs), start.covariance, Tally(none, none - 1, none), world)
    elapsed = None if time_steps is None else jnp.asarray(time_steps, number)
    (_, _, tally, _), done = jax.lax.scan(body, carry, (jnp.arange(steps, dtype=jnp.int32), elapsed))
    lived: Life = done._replace(tally=tally)
    return lived


def foreseen(down: Down, columns: _Columns) -> Trace:
    """What a response model may know when it acts: the predictions of one step."""
    nothing = jnp.full((1,), jnp.nan, down.merged.mean.dtype)
    return Trace(
        _NotYet(),
        _NotYet(),
        {name: down.merged.mean[slot][None] for name, slot in columns},
        {name: 1.0 / down.merged.variance[slot][None] for name, slot in columns},
        nothing,
        jnp.ones((), jnp.bool_),
        nothing[0],
    )


@final
class _NotYet(Mapping[str, Any]):
    """Beliefs that are made after the action."""

    def __getitem__(self, name: str) -> NoReturn:
        raise ConfigError(
            f"Cannot act on the posterior of {name!r}. This is because it is made by the outcome, which follows from "
            "the action. Try a response model that reads predictions, such as quantity='expected_mean'."
        )

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def _inputs(columns: _Columns, wiring: Wiring) -> list[int]:
    return [slot for _, slot in columns if slot < wiring.capacity.input_width]


def _array(number: Any, leaf: Any) -> Array:
    found = jnp.asarray(leaf)
    return found.astype(number) if jnp.issubdtype(found.dtype, jnp.floating) else found
