"""Learning by backpropagation: settings, and one pass over the training rows in mini-batches.

The optimizer is any of optax. Its update, weight decay and whatever else it does apply to units and connections that
are there: those that are not keep weights and moments of exactly 0, so that a unit that comes later finds no trace of
another, and the number of nonzero weights is the number of connections.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, final

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, PRNGKeyArray

from sostruct.errors import ConfigError
from sostruct.networks.layered.forward import Parameters, sums
from sostruct.networks.layered.outputs import AbstractOutput
from sostruct.networks.layered.plan import Plan


@lru_cache
def adam(rate: float = 0.003, steps: int | None = None) -> optax.GradientTransformation:
    """Adam (Kingma & Ba 2015) with a learning rate, which falls to 0 over some steps as half a cosine where they are
    given: one object for equal settings, so that networks share compiled programs."""
    return optax.adam(rate if steps is None else optax.cosine_decay_schedule(rate, steps))


@final
@dataclass(frozen=True)
class Learning:
    """How parameters are learned between edits.

    Attributes:
        optimizer: any `optax.GradientTransformation`; programs are compiled for it, so networks that use the same
            object share them.
        batch: rows per step; at most all.
        passes: over the rows in an epoch, each in an order of its own; what is reported and edited is so after all.
        decay: weight decay: decay / 2 times the sum of squared weights, biases left out, is added to the mean surprise
            per row.
        noise: standard deviation of noise added to the inputs in every step, in standard deviations of the inputs
            (Bishop 1995).
        smoothing: share of every class label that is spread over all classes.
        patience: epochs without a better mean surprise of the held-out rows (of all, where none are held out) after
            which learning rests; None for never. The parameters that were best are kept.

    Raises:
        ConfigError: a setting is out of its range.
    """

    optimizer: optax.GradientTransformation = field(default_factory=adam)
    batch: int = 32
    passes: int = 1
    decay: float = 0.0
    noise: float = 0.0
    smoothing: float = 0.0
    patience: int | None = 20

    def __post_init__(self) -> None:
        for name in ("batch", "passes", "patience"):
            count = getattr(self, name)
            if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
                raise ConfigError(f"Cannot learn with {name}={count!r}. This is because it is a count. Try {name}=32.")
        for name, most in (("decay", math.inf), ("noise", math.inf), ("smoothing", 1.0)):
            amount = getattr(self, name)
            if not 0.0 <= amount < most:
                raise ConfigError(
                    f"Cannot learn with {name}={amount!r}. This is because it is a number of at least 0"
                    f"{' and below 1' if most == 1.0 else ''}. Try {name}=0.1."
                )
        if not isinstance(self.optimizer, optax.GradientTransformation):
            raise ConfigError(
                f"Cannot learn with optimizer={self.optimizer!r}. This is because it is none of optax. Try "
                "optax.adam(0.003)."
            )


def kept(parameters: Parameters, there: Parameters) -> Parameters:
    """Parameters, or updates of them, with exactly 0 where nothing is."""
    found: Parameters = jax.tree.map(lambda number, mask: jnp.where(mask, number, 0.0), parameters, there)
    return found


def masked_state(state: Any, there: Parameters) -> Any:
    """An optimizer's state that remembers nothing of what is not there."""

    def masked(part: Any) -> Any:
        return jax.tree.map(_masked, part, there) if isinstance(part, Parameters) else part

    return jax.tree.map(masked, state, is_leaf=lambda part: isinstance(part, Parameters))


def _masked(moment: Array, mask: Array) -> Array:
    # of several steps at once, each is masked; what is of another shape knows nothing of single weights
    return jnp.where(mask, moment, jnp.zeros_like(moment)) if moment.shape[-mask.ndim :] == mask.shape else moment


def learned(
    plan: Plan,
    output: AbstractOutput,
    learning: Learning,
    start: tuple[Parameters, Any],
    there: Parameters,
    inputs: tuple[Array, ...],
    target: Array,
    noise: Array,
    key: PRNGKeyArray,
) -> tuple[Parameters, Any]:
    """Parameters and the optimizer's state after an epoch: passes over the rows, each in an order of its own.

    Args:
        plan, output, learning: static.
        start: parameters and state before it.
        there: which parameters there are.
        inputs: what each input node observes [row, unit], standardized.
        target: [row] or [row, unit], standardized.
        noise: variance of the targets about the prediction [unit], standardized.
        key: of the order of the rows and of the input noise.
    """
    optimizer = optax.with_extra_args_support(learning.optimizer)
    rows = target.shape[0]
    batch = min(learning.batch, rows)
    steps = -(-rows // batch)

    def loss(parameters: Parameters, places: Array, own: PRNGKeyArray) -> Array:
        weight = (places < rows).astype(noise.dtype)
        some = [values[places % rows] for values in inputs]
        if learning.noise > 0.0:
            keys = jax.random.split(own, len(some))
            some = [
                values + learning.noise * jax.random.normal(key, values.shape, values.dtype)
                for values, key in zip(some, keys, strict=True)
            ]
        z = sums(plan, parameters, some)[plan.output]
        surprise = output.surprise(z, target[places % rows], noise, learning.smoothing)
        mean = jnp.sum(weight * surprise) / jnp.sum(weight)
        if learning.decay > 0.0:
            mean = mean + 0.5 * learning.decay * sum(jnp.sum(one**2) for one in parameters.weights)
        return mean

    def step(carry: tuple[Parameters, Any], at: tuple[Array, PRNGKeyArray]) -> tuple[tuple[Parameters, Any], None]:
        parameters, state = carry
        value, slope = jax.value_and_grad(loss)(parameters, *at)
        slope = kept(slope, there)
        # what some optimizers look along a line for; the others take no notice
        more = {"value": value, "grad": slope, "value_fn": lambda tried: loss(tried, *at)}
        update, state = optimizer.update(slope, state, parameters, **more)
        return (kept(optax.apply_updates(parameters, update), there), state), None

    def once(carry: tuple[Parameters, Any], own: PRNGKeyArray) -> tuple[tuple[Parameters, Any], None]:
        shuffling, drawing = jax.random.split(own)
        # the last batch may be short: places beyond the rows weigh nothing
        rest = jnp.full(steps * batch - rows, rows, jnp.int32)
        order = jnp.concatenate([jax.random.permutation(shuffling, rows), rest]).reshape(steps, batch)
        return jax.lax.scan(step, carry, (order, jax.random.split(drawing, steps)))[0], None

    (parameters, state), _ = jax.lax.scan(once, start, jax.random.split(key, learning.passes))
    return parameters, masked_state(state, there)
