"""The process whose filter a belief network is, as one compiled scan over packed tables.

Within a step values run from parents to children, block by block from the top of the graph, and the inputs last. The
graph is data as it is for the packed filter: networks of one capacity share the program, whatever their edges,
parameters and beliefs. The mathematics is that of the kinds (`AbstractKind.generate`).

Every draw has its own random key, made from the key given, the number of the series, the name of the node and the
number of the step. So a longer series begins with the shorter one, more subjects begin with the fewer, and an edit or a
larger capacity leaves the draws of all other nodes as they are: two graphs are compared under the same noise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, UInt32
from numpy.typing import NDArray

from sostruct.networks.hgf.filtering import BeliefState
from sostruct.networks.hgf.gathering import Rows, at, by_code, by_kind, functions_of, parents_of
from sostruct.networks.hgf.kinds import KINDS
from sostruct.networks.hgf.kinds.base import AbstractInput, AbstractLatent, AbstractVariable, Clock, Drive, Noise
from sostruct.networks.hgf.layout import Wiring
from sostruct.numerics import Numbers

Values: TypeAlias = dict[str, Array]
"""Values by the names of the beliefs about them: "mean", and those of levels inside."""


def identities(names: Sequence[str | None]) -> NDArray[np.uint32]:
    """What tells the random numbers of nodes apart: 64 bits of each name [slot, 2]; padding is the empty name."""
    digests = [hashlib.blake2b((name or "").encode(), digest_size=8).digest() for name in names]
    return np.frombuffer(b"".join(digests), np.uint32).reshape(-1, 2)


@partial(jax.jit, static_argnums=(6,))
def drawn(
    wiring: Wiring,
    start: BeliefState,
    identity: UInt32[Array, "slot 2"],
    key: PRNGKeyArray,
    subjects: UInt32[Array, " subject"],
    time_steps: Float[Array, "*subject time"] | None,
    steps: int,
) -> Values:
    """Independent series of one network [subject, time, slot]; see `series`."""
    return _subjects(wiring, start, identity, key, subjects, time_steps, steps)


@partial(jax.jit, static_argnums=(6,))
def drawn_by_each(
    wiring: Wiring,
    start: BeliefState,
    identity: UInt32[Array, "slot 2"],
    keys: PRNGKeyArray,
    subjects: UInt32[Array, " subject"],
    time_steps: Float[Array, "*subject time"] | None,
    steps: int,
) -> Values:
    """`drawn` by several networks of one graph whose arrays are stacked, each with a key [network, ...]."""

    def one(wiring: Wiring, start: BeliefState, key: PRNGKeyArray) -> Values:
        return _subjects(wiring, start, identity, key, subjects, time_steps, steps)

    # index tables and all else that integers say are those of the graph, and the networks share it
    found: Values = jax.vmap(one)(wiring, start, keys)
    return found


def _subjects(
    wiring: Wiring, start: BeliefState, identity: Array, key: PRNGKeyArray, subjects: Array, elapsed: Any, steps: int
) -> Values:
    def one(number: Array, elapsed: Array | None) -> Values:
        return series(wiring, start, identity, jax.random.fold_in(key, number), elapsed, steps)

    own = 0 if elapsed is not None and elapsed.ndim == 2 else None
    found: Values = jax.vmap(one, in_axes=(0, own))(subjects, elapsed)
    return found


def series(
    wiring: Wiring,
    start: BeliefState,
    identity: UInt32[Array, "slot 2"],
    key: PRNGKeyArray,
    time_steps: Float[Array, " time"] | None,
    steps: int,
) -> Values:
    """One series [time, slot].

    Args:
        wiring: the network.
        start: what it believes before the first step; the values there are drawn from it.
        identity: see `identities`.
        key: of the series.
        time_steps: elapsed time before each step, or None where it is 1.
        steps: how many.
    """
    number = jnp.result_type(float)
    named = [(code, KINDS[name]) for code, name in enumerate(wiring.capacity.kind_names)]
    inputs = [(code, kind) for code, kind in named if isinstance(kind, AbstractInput)]
    latents = [(code, kind) for code, kind in named if isinstance(kind, AbstractLatent)]
    functions, parents, width = functions_of(wiring), parents_of(wiring), wiring.capacity.input_width
    tables = wiring.tables
    kind_of, count = jnp.asarray(tables.kind), jnp.asarray(tables.volatility_parents, number)
    parameters = {name: jnp.asarray(own, number) for name, own in wiring.parameters.items()}
    blocks = (jnp.asarray(tables.block_first), jnp.asarray(tables.block_count))
    keys = jax.vmap(lambda words: jax.random.fold_in(jax.random.fold_in(key, words[0]), words[1]))(identity)
    one = jnp.ones((), number)
    shared = (parameters, parents, kind_of, count)

    def stepped(kinds: Any, parts: Any, values: Values, noise: Noise, above: Array, clock: Clock, seen: bool) -> Values:
        parameters, parents, kind_of, count = parts
        through = by_code(parents.function, [function.value(above) for function in functions])
        weight = parents.into_input if seen else parents.into_state
        value = jnp.sum(weight * through, -1)
        drive = Drive(value, jnp.zeros_like(value), jnp.sum(parents.volatility * above, -1), count)
        each = [{**values, **kind.generate(parameters, values, drive, clock, noise, seen)} for _, kind in kinds]
        return by_kind(kind_of, kinds, each)

    def body(values: Values, row: tuple[Noise, Array | None]) -> tuple[Values, Values]:
        noise, elapsed = row
        clock = Clock(one if elapsed is None else elapsed, elapsed is None)

        def settle(values: Values, block: tuple[Array, Array]) -> tuple[Values, None]:
            rows = Rows(*block)
            parts, before, own = rows.read((shared, values, noise))
            after = stepped(latents, parts, before, own, at(values["mean"], parts[1].slot), clock, False)
            return rows.write(values, after), None

        values, _ = jax.lax.scan(settle, values, blocks, reverse=True)
        parts, before, own = jax.tree.map(lambda every: every[:width], (shared, values, noise))
        seen = stepped(inputs, parts, before, own, at(values["mean"], parts[1].slot), clock, True)
        for code, kind in inputs:
            if isinstance(kind, AbstractVariable):
                assert tables.parts is not None
                whole = kind.drawn(tables.parts, seen["mean"], own)
                seen = seen | {"mean": jnp.where(parts[2] == code, whole, seen["mean"])}
        values = {name: values[name].at[:width].set(seen[name]) for name in values}
        return values, values

    elapsed = None if time_steps is None else jnp.asarray(time_steps, number)
    noise = _noise(keys, steps + 1, number)
    before, during = (jax.tree.map(lambda part, own=own: part[own], noise) for own in (0, slice(1, None)))
    _, found = jax.lax.scan(body, _first(start, before, width, number), (during, elapsed))
    return found


def _noise(keys: PRNGKeyArray, steps: int, number: Any) -> Noise:
    """The draws of all steps [time, slot], every node's from its own key; made here because inside the scan they take
    seconds to compile."""

    def one(step: Array, key: PRNGKeyArray) -> Array:
        return jax.random.normal(jax.random.fold_in(key, step), (2,), number)

    over_slots = jax.vmap(one, in_axes=(None, 0))
    normal = jax.vmap(over_slots, in_axes=(0, None))(jnp.arange(steps, dtype=jnp.uint32), keys)
    return Noise(normal[..., 0], normal[..., 1], jax.scipy.special.ndtr(normal[..., 0]))


def _first(start: BeliefState, noise: Noise, width: int, number: Any) -> Values:
    """Values before the first step, drawn from the beliefs; states that are believed to be correlated are."""
    beliefs = {name: jnp.asarray(own, number) for name, own in start.beliefs.items()}
    values: Values = {}
    for name in (name for name in beliefs if name.endswith("mean")):
        sd = jax.lax.rsqrt(beliefs[name.removesuffix("mean") + "precision"])
        luck = noise.normal if name == "mean" else noise.inner
        values[name] = beliefs[name] + sd * luck
    covariance = jnp.asarray(start.covariance, number)
    if covariance.size:
        # the symmetric root, and not a triangular one: it does not depend on the order of the slots
        whole = covariance + jnp.diag(1.0 / beliefs["precision"][width:])
        size, axes = jnp.linalg.eigh(whole)
        root = (axes * jnp.sqrt(jnp.maximum(size, 0.0))) @ axes.T
        values["mean"] = values["mean"].at[width:].set(beliefs["mean"][width:] + root @ noise.normal[width:])
    return values


def stacked(networks: Sequence[tuple[Wiring, BeliefState]]) -> tuple[Wiring, BeliefState]:
    """The arrays of networks of one capacity, with an axis of networks."""
    found: tuple[Wiring, BeliefState] = jax.tree.map(lambda *own: np.stack([np.asarray(one) for one in own]), *networks)
    return found


def as_numbers(values: Values) -> dict[str, Numbers]:
    """On the host."""
    found: dict[str, Numbers] = jax.tree.map(np.asarray, values)
    return found
