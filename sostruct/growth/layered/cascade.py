"""Cascade correlation: the next unit is the one that goes best with the errors that are left.

A unit sees all inputs and all units before it. Of a pool of candidates each is trained, by gradient ascent, to
maximize S = sum over outputs of |sum over rows (V - mean V) (E - mean E)|, V what it sends and E the slope of a row's
surprise at the output (Fahlman & Lebiere 1990, "The cascade-correlation learning architecture"), here over the size of
both; the best one is installed and sends by weights of 0. Unlike there, what a unit receives is not frozen afterwards:
one program learns all weights, and a unit more is no program more, since the units of a population are one triangular
matrix.

S ranks; a candidate's price is the quadratic gain of the best weights to send by (`gain.py`), as of other rules that
add units. What training all weights makes of a candidate is another matter, and none of the two says it: so several are
proposed, and the rule of this name runs an epoch with each of them and takes the one that has learned most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import final

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from sostruct.errors import ConfigError
from sostruct.graph.packing import power_of_two
from sostruct.growth.base import Evaluate, State
from sostruct.growth.layered.common import arrival, candidate, drawing, layered, places, rows_of
from sostruct.growth.layered.gain import units_gain
from sostruct.growth.score import AbstractScorer
from sostruct.networks.base import AbstractNetwork, Candidate
from sostruct.networks.hgf.couplings import FUNCTIONS
from sostruct.networks.layered.plan import UNITS_FLOOR
from sostruct.networks.layered.statistics import statistics
from sostruct.numerics import double_precision
from sostruct.surprise import Signals


@final
@dataclass(frozen=True)
class Cascade(AbstractScorer):
    """The candidate unit with the largest correlation, at the end of a cascade.

    Attributes:
        pool: candidates trained side by side.
        tried: of these, how many are proposed, the best first: more than one for a rule that prices them by running.
        steps: of their training.
        rate: its learning rate (Adam).
        function: of the units of a cascade that is yet to be born.
    """

    pool: int = 64
    tried: int = 32
    steps: int = 200
    rate: float = 0.05
    function: str = "tanh"

    def __post_init__(self) -> None:
        if not 1 <= self.tried <= self.pool or self.steps < 0 or not self.rate > 0.0:
            raise ConfigError(
                f"Cannot train {self.pool} candidates, {self.tried} of them to be tried, in {self.steps} steps at the "
                f"rate {self.rate}. This is because these are counts, the second at most the first, and a positive "
                "number. Try pool=64, tried=32, steps=200, rate=0.05."
            )
        if self.function not in FUNCTIONS:
            raise ConfigError(
                f"Cannot grow units that send {self.function!r}. This is because no coupling function has that name. "
                f"Try one of {', '.join(sorted(FUNCTIONS))}."
            )

    def init(self, network: AbstractNetwork) -> State:
        """Nothing to remember.

        Raises:
            ConfigError: the network is not layered.
        """
        layered(network, "growth=cascade")
        return {}

    def score(
        self, network: AbstractNetwork, signals: Signals, state: State, *, evaluate: Evaluate, key: PRNGKeyArray
    ) -> tuple[Sequence[Candidate], State]:
        """The best candidates of each cascade."""
        own, data = layered(network, "growth=cascade"), rows_of(evaluate)
        rows, generator, found = statistics(own, data), drawing(key), []
        for place in places(own, function=self.function, cascade=True):
            if not place.cascade:
                continue
            parts = [rows.sent(name, function) for name, function in place.into]
            if place.width:
                parts.append(rows.sent(place.name, place.function))
            seen = np.concatenate(parts, axis=1)
            errors = np.concatenate([rows.slopes[name] for name in place.out], axis=1)
            cuts = np.cumsum([part.shape[1] for part in parts])[:-1]
            names = [name for name, _ in place.into] + ([place.name] if place.width else [])
            for weights, bias in self._trained(seen, errors, place.function, generator):
                incoming = dict(zip(names, np.split(weights, cuts), strict=True))
                gain = units_gain(own, data, place, incoming, bias)
                found.append(candidate(own, place, arrival(place, incoming, bias), gain))
        return found, state

    def _trained(
        self, seen: np.ndarray, errors: np.ndarray, function: str, generator: np.random.Generator
    ) -> list[tuple[np.ndarray, float]]:
        """Weights and biases of the best candidates, the best first."""
        count = seen.shape[1]
        # columns to a power of two, so that a unit more is no program more
        width = power_of_two(count, UNITS_FLOOR)
        start = np.zeros((self.pool, width + 1), np.float32)
        start[:, :count] = generator.normal(size=(self.pool, count)) / np.sqrt(count)
        start[:, -1] = generator.normal(size=self.pool)
        wide = np.pad(seen, ((0, 0), (0, width - count))).astype(np.float32)
        away = (errors - errors.mean(axis=0)).astype(np.float32)
        with double_precision(False):
            weights, score = _ascended(start, wide, away, function, self.steps, np.float32(self.rate))
        order = np.argsort(-np.asarray(score), kind="stable")[: self.tried]
        best = np.asarray(weights, np.float64)[order]
        return [(own[:count], float(own[-1])) for own in best]


@partial(jax.jit, static_argnames=("function", "steps"))
def _ascended(
    start: Float[Array, "pool weight"],
    seen: Float[Array, "row column"],
    errors: Float[Array, "row output"],
    function: str,
    steps: int,
    rate: Float[Array, ""],
) -> tuple[Float[Array, "pool weight"], Float[Array, " pool"]]:
    """Candidates after gradient ascent of their correlation with the errors, relative to the size of both."""
    value = FUNCTIONS[function].value
    size = jnp.sqrt(jnp.sum(errors**2, axis=0)) + 1e-12

    def correlation(weights: Float[Array, " weight"]) -> Float[Array, ""]:
        sent = value(seen @ weights[:-1] + weights[-1])
        away = sent - jnp.mean(sent)
        return jnp.sum(jnp.abs(away @ errors)) / jnp.sum(size) / (jnp.sqrt(jnp.sum(away**2)) + 1e-6)

    def loss(pool: Float[Array, "pool weight"]) -> Float[Array, ""]:
        return -jnp.sum(jax.vmap(correlation)(pool))

    optimizer = optax.scale_by_adam()

    def step(carry: tuple[Array, optax.OptState], _: None) -> tuple[tuple[Array, optax.OptState], None]:
        pool, state = carry
        update, state = optimizer.update(jax.grad(loss)(pool), state)
        return (pool - rate * update, state), None

    (pool, _), _ = jax.lax.scan(step, (start, optimizer.init(start)), None, length=steps)
    return pool, jax.vmap(correlation)(pool)
