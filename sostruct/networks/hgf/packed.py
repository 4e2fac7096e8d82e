"""A belief network as arrays: its wiring, where its beliefs stand, and how both move when the graph is edited.

The rows of an epoch's signals are slots, padding included, so that members of a population agree in shape; the network
picks the rows of its nodes. An edit repacks the graph from its topology and then carries over, by name, whatever the
edit did not touch: parameters, coupling strengths, beliefs and the covariances between them, bit for bit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias, final

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from numpy.typing import NDArray

from sostruct.graph import Capacity, Packing, Topology
from sostruct.graph.elements import EdgeKey
from sostruct.networks.base import AbstractPacked
from sostruct.networks.hgf import filtering
from sostruct.networks.hgf.filtering import BeliefState, Totals
from sostruct.networks.hgf.kinds import KINDS
from sostruct.networks.hgf.layout import INPUT_COPARENTS, Wiring, tables
from sostruct.networks.hgf.updates import Options
from sostruct.numerics import Numbers
from sostruct.surprise import Signals

Place: TypeAlias = str | EdgeKey
"""A node by name or an edge by key: what has parameters."""


class Observations(NamedTuple):
    """A series as an epoch consumes it.

    Attributes:
        inputs: NaN where missing [time, input].
        time_steps: elapsed time before each step [time], or None where it is 1.
    """

    inputs: Numbers
    time_steps: Numbers | None


@final
class PackedHGF(AbstractPacked):
    """A belief network between two steps.

    Attributes:
        wiring: parameters, coupling strengths and index tables.
        state: beliefs.
    """

    wiring: Wiring
    state: BeliefState

    @property
    def capacity(self) -> Capacity:
        """That of the wiring."""
        return self.wiring.capacity

    def epoch(self, data: Observations, *, key: PRNGKeyArray) -> tuple[PackedHGF, Signals]:
        """Filter a series from where the beliefs stand. Deterministic: `key` is unused.

        A node whose posterior is invalid at some step holds its prediction there, which is a predictive density too:
        the evidence stays comparable. The surprise of an input is its marginal one and is expected to equal its
        entropy; a hidden state observes nothing, and its row is its excess (ph / p + ph d^2 - 1) / 2 with 0 expected.
        """
        del key
        inputs = widened(data.inputs, self.capacity.input_width)
        state, sums, _ = filtering.totals(self.wiring, self.state, inputs, data.time_steps)
        return PackedHGF(self.wiring, state), _signals(sums)


def widened(inputs: Numbers, width: int) -> Float[Array, "time slot"]:
    """A series [time, input] in the columns of the input slots, the last of which are missing."""
    values = jnp.asarray(inputs)
    return jnp.pad(values, ((0, 0), (0, width - values.shape[1])), constant_values=jnp.nan)


def fresh(packing: Packing, options: Options) -> PackedHGF:
    """A packed graph before its first step."""
    wiring = Wiring(packing.parameters, packing.parent_strength, tables(packing), packing.capacity, options)
    return PackedHGF(wiring, initial(packing, wiring))


def initial(packing: Packing, wiring: Wiring) -> BeliefState:
    """Beliefs before the first step, from the wiring's parameters."""
    beliefs = _blank_beliefs(packing.capacity)
    for code, name in enumerate(packing.capacity.kind_names):
        slots = np.flatnonzero(packing.kind == code)
        own = {parameter: np.asarray(values)[slots] for parameter, values in wiring.parameters.items()}
        for belief, values in KINDS[name].initial(own).items():
            beliefs[belief][slots] = values
    return BeliefState(beliefs, _blank_covariance(packing.capacity, wiring.options))


@final
@dataclass(frozen=True, slots=True)
class Change:
    """What an edit does to arrays beside moving them.

    Args:
        replaced: nodes and edges that went and came back: their numbers are the graph's.
        given: parameters that are set, in order.
    """

    replaced: Collection[Place]
    given: Iterable[tuple[Place, str]]


def moved(
    packed: PackedHGF, before: tuple[Topology, Packing], after: tuple[Topology, Packing], change: Change
) -> PackedHGF:
    """The arrays of a network on another graph or in another capacity.

    Args:
        packed: the network's arrays.
        before: the graph they stand for, and where it places them.
        after: the graph they are to stand for, and where it places them.
        change: what else becomes of them.
    """
    (old_topology, old), (topology, new) = before, after
    options = packed.wiring.options
    kept = [
        node.name
        for node in topology.nodes
        if node.name in old.slot and node.name not in change.replaced and old_topology.node(node.name).kind == node.kind
    ]
    source, target = _numbers(old.slot[name] for name in kept), _numbers(new.slot[name] for name in kept)

    def carried(into: Mapping[str, Any], numbers: Mapping[str, Numbers]) -> dict[str, Numbers]:
        """Numbers by slot: the kept nodes' old ones, `into` elsewhere."""
        result: dict[str, Numbers] = {}
        for name, values in into.items():
            result[name] = np.array(values, np.float64)
            if name in numbers:
                result[name][target] = np.asarray(numbers[name])[source]
        return result

    parameters = carried(new.parameters, packed.wiring.parameters)
    blank = Wiring(new.parameters, new.parent_strength, tables(new), new.capacity, options)
    state = initial(new, blank)
    beliefs = carried(state.beliefs, packed.state.beliefs)
    covariance, previous = np.asarray(state.covariance), np.asarray(packed.state.covariance)
    if covariance.size and previous.size:
        here = [slot >= new.capacity.input_width for slot in target]
        into, out_of = target[here] - new.capacity.input_width, source[here] - old.capacity.input_width
        covariance[np.ix_(into, into)] = previous[np.ix_(out_of, out_of)]
    strength = _carried_strength(packed.wiring.strength, before, after, set(kept), change.replaced)
    for place, name in change.given:
        if isinstance(place, str):
            values = parameters[name]
    return PackedHGF(
        Wiring(parameters, strength, blank.tables, new.capacity, options), BeliefState(beliefs, covariance)
    )
