"""The arrays of a layered network with padding, from a graph and what is known without it."""

from __future__ import annotations

import jax
import numpy as np
from jaxtyping import PRNGKeyArray
from numpy.typing import NDArray

from sostruct.graph import Capacity, Edge, Topology, decode_connections
from sostruct.networks.layered.forward import Parameters
from sostruct.networks.layered.learning import Learning
from sostruct.networks.layered.moving import Loose, padded, state_with
from sostruct.networks.layered.packed import PackedLayered, Units
from sostruct.networks.layered.plan import edges_of, nodes_of, plan_of, width
from sostruct.numerics import double_precision


def assembled(
    loose: Loose, capacity: Capacity, learning: Learning, units: Units, before: PackedLayered | None = None
) -> PackedLayered:
    """The arrays of a graph with padding, at the beginning of learning or with what `loose` brings along."""
    topology = loose.topology
    plan = plan_of(topology, capacity.latent_width)
    names = nodes_of(topology)
    sizes = [(plan.slots(arrow.source), plan.slots(arrow.target)) for arrow in plan.arrows]
    empty = [np.zeros(0, np.float32)] * loose.copies
    places = range(loose.copies)
    weights = [[padded(loose.weights[edge.key][copy], size) for copy in places] for edge, size in _zip(topology, sizes)]
    biases = [
        [padded(own[copy], (plan.slots(place),)) for copy in places] if (own := loose.biases.get(name)) else empty
        for place, name in enumerate(names)
    ]
    masks = [
        padded(
            decode_connections(
                edge.connections,
                width(topology, edge.source),
                width(topology, edge.target),
                edge.source == edge.target,
            ),
            size,
        )
        for edge, size in _zip(topology, sizes)
    ]
    alive = [
        np.arange(plan.slots(place)) < width(topology, name) if name in loose.biases else np.zeros(0, np.bool_)
        for place, name in enumerate(names)
    ]
    now, best = (Parameters(tuple(own[copy] for own in weights), tuple(own[copy] for own in biases)) for copy in (0, 1))
    if before is not None and before.plan == plan and loose.copies > 2:
        fresh = before.state
    else:
        with double_precision(False):
            fresh = learning.optimizer.init(now)
    if before is not None and loose.copies > 2:
        moments = [own[2:] for own in (*weights, *biases)]
        fresh = state_with(before.state, fresh, moments)
    out = plan.widths[plan.output]
    noise = np.ones(out, np.float32)
    return PackedLayered(
        parameters=now,
        there=Parameters(tuple(masks), tuple(alive)),
        state=fresh,
        noise=noise,
        best=(best, noise),
        best_surprise=np.array(np.inf, np.float32),
        quiet=np.array(0, np.int32),
        units=units,
        plan=plan,
        learning=learning,
        capacity=capacity,
    )


def _zip(topology: Topology, sizes: list[tuple[int, int]]) -> list[tuple[Edge, tuple[int, int]]]:
    return list(zip(edges_of(topology), sizes, strict=True))


def generator_of(key: PRNGKeyArray) -> np.random.Generator:
    """NumPy's generator of a key."""
    return np.random.default_rng(np.asarray(jax.random.key_data(key)))


def spread(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation of every column, 1 where it is constant."""
    wide = values.std(axis=0, dtype=np.float64)
    constant = wide < 1e-7 * np.maximum(np.abs(values).max(axis=0), 1.0)
    return values.mean(axis=0, dtype=np.float64).astype(np.float32), np.where(constant, 1.0, wide).astype(np.float32)
