"""How the arrays of a mixture follow its graph.

Where components begin is rebuilt from the topology; what they have seen is carried over by name, bit for bit, except
that of components which merge, which is pooled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sostruct.graph import Capacity, Topology
from sostruct.graph.packing import power_of_two
from sostruct.networks.mixture.conjugate import Prior, Statistics
from sostruct.networks.mixture.moves import COMPONENT
from sostruct.networks.mixture.packed import PackedMixture

_SLOTS = 8
"""Fewest component slots: most mixtures need no more, so most runs compile once."""

_PARTS = ("weight", "seen", "mean", "square", "fresh")
"""What a component has seen, field by field; `overlap` is of two."""


def carried(
    before: Statistics,
    fresh: Statistics,
    old: Sequence[str],
    new: Sequence[str],
    begun: frozenset[str],
    heirs: Mapping[str, tuple[str, bool]],
) -> Statistics:
    """What components have seen, moved by name to the slots of another graph; heirs are pooled with who is gone."""
    source = {name: slot for slot, name in enumerate(old)}
    kept = [(source[name], slot) for slot, name in enumerate(new) if name in source and name not in begun]
    out, into = ([pair[end] for pair in kept] for end in (0, 1))
    parts = {part: np.array(getattr(fresh, part)) for part in (*_PARTS, "overlap")}
    theirs = {part: np.array(getattr(before, part)) for part in (*_PARTS, "overlap")}
    for gone, (heir, pooled) in heirs.items():
        if pooled:
            _pool(theirs, source[gone], source[heir])
        else:
            theirs["weight"][source[heir]] += theirs["weight"][source[gone]]
    for part in _PARTS:
        parts[part][into] = theirs[part][out]
    parts["overlap"][np.ix_(into, into)] = theirs["overlap"][np.ix_(out, out)]
    return Statistics(**parts)


def _pool(parts: dict[str, NDArray[Any]], gone: int, heir: int) -> None:
    """What one component has seen goes to another, in place (Chan, Golub & LeVeque 1983)."""
    one, other = parts["seen"][heir].copy(), parts["seen"][gone]
    total = np.where(one + other > 0.0, one + other, 1.0)
    apart = parts["mean"][gone] - parts["mean"][heir]
    parts["mean"][heir] += other / total * apart
    parts["square"][heir] += parts["square"][gone] + one * other / total * apart**2
    parts["seen"][heir] += other
    parts["weight"][heir] += parts["weight"][gone]
    parts["overlap"][heir] += parts["overlap"][gone]
    parts["overlap"][:, heir] += parts["overlap"][:, gone]
    parts["fresh"][heir] &= parts["fresh"][gone]


def components_of(topology: Topology) -> tuple[str, ...]:
    return tuple(node.name for node in topology.nodes if node.kind == COMPONENT)


def begins_alike(one: Topology, other: Topology, name: str) -> bool:
    """Whether a component begins alike in two graphs."""
    if name not in one or one.node(name) != other.node(name):
        return False
    return one.children(name) == other.children(name)


def needed_capacity(topology: Topology, inputs: Sequence[str]) -> Capacity:
    """What a mixture compiles for: slots of components. No other size of the graph reaches its programs."""
    slots = power_of_two(len(components_of(topology)), _SLOTS)
    kinds = frozenset({COMPONENT, "continuous"})
    return Capacity(power_of_two(len(inputs)), slots, 1, 1, 1, 1, 1, kinds, frozenset({"identity"}))


def seeded(topology: Topology, inputs: Sequence[str], prior: Prior, capacity: Capacity) -> PackedMixture:
    """The arrays of a graph before the first point."""
    names, slots, dims = components_of(topology), capacity.latent_width, len(inputs)
    weight, mean, mask = np.zeros(slots), np.zeros((slots, dims)), np.arange(slots) < len(names)
    for slot, name in enumerate(names):
        weight[slot] = dict(topology.node(name).parameters)["count"]
        mean[slot] = [topology.edge((name, into, "value", 0)).strength for into in inputs]
    own = [dict(topology.node(name).parameters) for name in inputs]
    prior = Prior(
        center=np.array([one["mean"] for one in own]),
        precision=np.array([one["precision"] for one in own]),
        spread=prior.spread,
        concentration=prior.concentration,
        freedom=prior.freedom,
        keep=prior.keep,
    )
    seen = np.where(mask[:, None], weight[:, None], np.zeros((slots, dims)))
    start = Statistics(
        weight=weight,
        seen=seen,
        mean=mean,
        square=np.zeros((slots, dims)),
        overlap=np.zeros((slots, slots)),
        fresh=mask,
    )
    return PackedMixture(mask=mask, start=start, state=start, prior=prior, capacity=capacity)
