"""Where simulated agents live: what follows from an action, and what of it is seen.

An environment is settings and one method. Its numbers are data to compiled code, so other reward probabilities compile
nothing; what evolves is a state that goes in and comes out, and every agent has its own.
"""

# no `from __future__ import annotations` here: equinox reads AbstractVar off annotations that are not strings
import abc
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from equinox import AbstractVar
from jaxtyping import Array, Float, Int, PRNGKeyArray

from sostruct.errors import ConfigError
from sostruct.networks.hgf.admission import check_choice
from sostruct.numerics import Numbers
from sostruct.tasks.base import number, whole


class Outcome(NamedTuple):
    """What follows from an action.

    Attributes:
        seen: what the network observes, in the order of its inputs; NaN for what it does not see [input].
        reward: what the agent earned.
        state: of the environment at the next step.
        facts: what the experimenter would note, by name: numbers, or one for each option.
    """

    seen: Float[Array, " input"]
    reward: Float[Array, ""]
    state: Any
    facts: Mapping[str, Array]


class AbstractEnvironment(eqx.Module):
    """What an agent acts in. One's own is a subclass with a `start` (such as `()`) and `respond`.

    Attributes:
        start: its state before the first step: arrays, or a tree of them.
    """

    start: AbstractVar[Any]

    @abc.abstractmethod
    def respond(self, key: PRNGKeyArray, action: Float[Array, ""], step: Int[Array, ""], state: Any) -> Outcome:
        """What follows from an action; written with jax.numpy.

        Args:
            key: for this step.
            action: a response as the response model draws it, a float also where it is a whole number.
            step: counting from 0.
            state: of the environment; `start` at the first step.
        """

    @property
    def horizon(self) -> int | None:
        """The most steps it can be lived in, or None."""
        return None


@final
class Bandit(AbstractEnvironment):
    """k options, each with a reward of its own; the action is the number of one.

    The chance of a reward of 1 (binary) is sigmoid(logit(p_k) + y_k), the expected reward (Gaussian) m_k + y_k, with
    y_k = decay y_k' + N(0, drift^2) from 0: fixed options at drift 0, given ones where p or m are a schedule.

    Args:
        options: chances or expected rewards, [option], or [time, option] where they follow a schedule.
        rewards: "binary" or "gaussian".
        sd: of Gaussian rewards around what is expected.
        drift: sd per step of y.
        decay: of y, from 0 to 1.
        shows: whether the reward of the option "chosen" is seen, or those of "all".

    Raises:
        ConfigError: a setting is not one of its choices, or a chance is not inside (0, 1).
    """

    options: Numbers
    sd: Numbers
    drift: Numbers
    decay: Numbers
    start: Numbers
    rewards: str = eqx.field(static=True)
    shows: str = eqx.field(static=True)

    def __init__(
        self,
        options: Any,
        *,
        rewards: str = "binary",
        sd: float = 1.0,
        drift: float = 0.0,
        decay: float = 1.0,
        shows: str = "chosen",
    ) -> None:
        check_choice("rewards", rewards, ("binary", "gaussian"))
        check_choice("shows", shows, ("chosen", "all"))
        table = np.asarray(options, np.float64)
        if table.ndim not in (1, 2) or table.shape[-1] < 2 or not table.size:
            raise ConfigError(
                f"Cannot make a bandit of options of shape {table.shape}. This is because a choice needs two or more, "
                "[option] or [time, option]. Try Bandit([0.2, 0.8])."
            )
        inside = (table > 0.0) & (table < 1.0) if rewards == "binary" else np.isfinite(table)
        if not inside.all():
            wanted = "a chance inside (0, 1)" if rewards == "binary" else "a finite reward"
            raise ConfigError(
                f"Cannot make a bandit. This is because {table[~inside][0]} is not {wanted}. Try rewards="
                f"{'gaussian' if rewards == 'binary' else 'binary'!r}, or other options."
            )
        self.options = table
        self.sd = np.asarray(number("a bandit", "sd", sd, 0.0, math.inf))
        self.drift = np.asarray(number("a bandit", "drift", drift, 0.0, math.inf))
        self.decay = np.asarray(number("a bandit", "decay", decay, 0.0, 1.0))
        self.start = np.zeros(table.shape[-1])
        self.rewards, self.shows = rewards, shows

    def respond(self, key: PRNGKeyArray, action: Float[Array, ""], step: Int[Array, ""], state: Any) -> Outcome:
        """The reward of the option chosen."""
        pay, wander = jax.random.split(key)
        given = jnp.asarray(self.options)
        given = given if given.ndim == 1 else given[step]
        if self.rewards == "binary":
            level = jax.nn.sigmoid(jnp.log(given) - jnp.log1p(-given) + state)
            drawn = (jax.random.uniform(pay, level.shape, level.dtype) < level).astype(level.dtype)
        else:
            level = given + state
            drawn = level + self.sd * jax.random.normal(pay, level.shape, level.dtype)
        place = action.astype(jnp.int32)
        taken = jnp.arange(len(level)) == place
        seen = drawn if self.shows == "all" else jnp.where(taken, drawn, jnp.nan)
        moved = self.decay * state + self.drift * jax.random.normal(wander, state.shape, state.dtype)
        best = jnp.argmax(level)
        facts = {"level": level, "best": best, "correct": place == best}
        return Outcome(seen, drawn[place], moved, facts)

    @property
    def horizon(self) -> int | None:
        """The length of a schedule."""
        return self.options.shape[0] if self.options.ndim == 2 else None


@final
class ReversalLearning(AbstractEnvironment):
    """Two options, one of them better, until they change places; the action is 0 or 1.

    At every step the better option wins with a given probability, and otherwise the other; the winner pays 1.

    Args:
        probability: that the better option wins.
        blocks: steps between two reversals, over and over; or the lengths of the blocks, of which the last goes on.
        hazard: chance of a further reversal before every step but the first.
        first: the option that is better at first, 0 or 1.
        shows: "outcome", one input that is the number of the winner, so that both outcomes are seen; "both" or
            "chosen", two inputs that are what each option pays, or that of the one chosen alone.

    Raises:
        ConfigError: a setting is not one of its choices, or a block is not a whole number of steps.
    """

    probability: Numbers
    period: Numbers
    ends: Numbers
    hazard: Numbers
    first: Numbers
    start: Numbers
    shows: str = eqx.field(static=True)

    def __init__(
        self,
        probability: float = 0.8,
        *,
        blocks: int | Sequence[int] = 40,
        hazard: float = 0.0,
        first: int = 1,
        shows: str = "outcome",
    ) -> None:
        check_choice("shows", shows, ("outcome", "both", "chosen"))
        check_choice("first", first, (1, 0))
        several = isinstance(blocks, Sequence)
        lengths = [whole("a reversal task", "a block", one, 1) for one in (blocks if several else [blocks])]  # type: ignore[union-attr]
        self.period = np.asarray(np.iinfo(np.int32).max if several else lengths[0], np.int32)
        self.ends = np.cumsum(lengths)[:-1].astype(np.int32) if several else np.zeros(0, np.int32)
        self.probability = np.asarray(number("a reversal task", "probability", probability, 0.5, 1.0))
        self.hazard = np.asarray(number("a reversal task", "hazard", hazard, 0.0, 1.0))
        self.first = np.asarray(first, np.int32)
        self.start = np.zeros((), np.int32)
        self.shows = shows

    def respond(self, key: PRNGKeyArray, action: Float[Array, ""], step: Int[Array, ""], state: Any) -> Outcome:
        """What the options pay."""
        win, turn = jax.random.split(key)
        flips = state + step // self.period + jnp.sum(step >= self.ends, dtype=jnp.int32)
        better = (self.first + flips) % 2
        number = action.dtype
        winner = jnp.where(jax.random.uniform(win, (), number) < self.probability, better, 1 - better)
        pays = (jnp.arange(2) == winner).astype(number)
        place = action.astype(jnp.int32)
        if self.shows == "outcome":
            seen = winner.astype(number)[None]
        else:
            seen = pays if self.shows == "both" else jnp.where(jnp.arange(2) == place, pays, jnp.nan)
        moved = state + (jax.random.uniform(turn, (), number) < self.hazard).astype(jnp.int32)
        facts = {"better": better, "winner": winner, "correct": place == better}
        return Outcome(seen, pays[place], moved, facts)
