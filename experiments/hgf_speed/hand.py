"""The three-level eHGF as one would write it by hand for speed: every node a few scalars, one jitted scan.

This is the yardstick for the library's unrolled schedule. It knows one graph, one update, complete and equally spaced
data, and nothing of errors, names or frames.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

Carry = tuple[Array, Array, Array, Array]
CAP = 1e10


def step(values: Array, carry: Carry, u: Array) -> tuple[Carry, tuple[Array, ...]]:
    """One time step; `values` are those of `systems.SIX`. Records the beliefs in the states, then the surprise."""
    noise_precision, _, volatility_1, _, volatility_2, kappa = values
    m1, p1, m2, p2 = carry

    ph2 = 1.0 / (1.0 / p2 + jnp.exp(volatility_2))
    omega = jnp.exp(volatility_1 + kappa * m2)
    ph1 = 1.0 / (1.0 / p1 + omega)
    gamma = omega * ph1
    variance = 1.0 / noise_precision + 1.0 / ph1

    error = u - m1
    p1_new = jnp.minimum(ph1 + noise_precision, CAP)
    move = noise_precision * error / p1_new
    m1_new = m1 + move
    volatility_error = ph1 / p1_new + ph1 * move**2 - 1.0

    m2_new = m2 + 0.5 * kappa * gamma * volatility_error / ph2
    v = jnp.exp(kappa * m2_new + volatility_1)
    Q = 1.0 / (1.0 / p1 + v)
    G, W = v * Q, (v - 1.0 / p1) * Q
    E = (1.0 / p1_new + move**2) * Q - 1.0
    p2_new = jnp.minimum(ph2 + jnp.maximum(0.0, 0.5 * kappa**2 * G * (G + W * E)), CAP)

    surprise = 0.5 * (jnp.log(2.0 * jnp.pi * variance) + error**2 / variance)
    return (m1_new, p1_new, m2_new, p2_new), (m1_new, p1_new, m1, ph1, m2_new, p2_new, m2, ph2, surprise)


def start(values: Array) -> Carry:
    """Beliefs before the first step."""
    return values[1], jnp.full((), 1e4, values.dtype), values[3], jnp.full((), 10.0, values.dtype)


@jax.jit
def beliefs(values: Array, series: Array) -> tuple[Array, ...]:
    """Beliefs in both states and the surprise, each [time]."""
    return jax.lax.scan(lambda carry, u: step(values, carry, u), start(values), series)[1]


@jax.jit
def delivered(values: Array, series: Array) -> dict[str, Array]:
    """The same as the library delivers it: four tables [time, node] with the input's column, and the surprise."""
    m1, p1, mh1, ph1, m2, p2, mh2, ph2, surprise = beliefs(values, series)
    noise = jnp.full_like(series, values[0])
    tables = {"mean": (series, m1, m2), "precision": (noise, p1, p2), "expected_mean": (mh1, mh1, mh2)}
    tables["expected_precision"] = (noise, ph1, ph2)
    return {name: jnp.stack(columns, axis=1) for name, columns in tables.items()} | {"surprise": surprise}


def log_evidence(values: Array, series: Array) -> Array:
    """Minus the summed surprise, added up in the loop."""

    def add(carry: tuple[Carry, Array], u: Array) -> tuple[tuple[Carry, Array], None]:
        inner, total = carry
        inner, record = step(values, inner, u)
        return (inner, total - record[-1]), None

    return jax.lax.scan(add, (start(values), jnp.zeros((), values.dtype)), series)[0][1]


PROGRAMS: dict[str, Callable[..., Any]] = {"beliefs": beliefs, "delivered": delivered}
