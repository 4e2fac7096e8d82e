"""A belief network as arrays: beliefs, parameters, coupling strengths and index tables by slot.

Everything compiled code may know about the graph is here as data; what it is compiled for is the `Capacity`, whose
traits name the few ways in which graphs differ for a filter: whether any coupling is a volatility coupling, whether a
state or an input has several uncertain value parents, and whether inputs that are not Gaussian share ancestors.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import reduce
from typing import NamedTuple, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool
from numpy.typing import NDArray

from sostruct.graph import Capacity, Packing, Topology, pack
from sostruct.networks.hgf.couplings import Real
from sostruct.networks.hgf.kinds import KINDS
from sostruct.networks.hgf.kinds.base import AbstractInput, AbstractKind, AbstractLatent, AbstractVariable
from sostruct.networks.hgf.updates import Options, Prediction, largest_exponent
from sostruct.networks.hgf.variables.groups import Parts, tabulated
from sostruct.networks.hgf.variables.names import variables_of
from sostruct.numerics import Numbers

VOLATILITY = "volatility couplings"
COPARENTS = "states with several value parents"
INPUT_COPARENTS = "inputs with several value parents"
TANGLED = "correlated inputs that are not Gaussian"
COLUMNS = {f"variables of up to {1 << power} columns": 1 << power for power in range(1, 7)}
"""Traits of graphs with variables of several columns, by the number of columns that are compiled for."""


@final
class Tables(eqx.Module):
    """Who is connected to whom, by slot; padding is 0 or 0.0. Masks are numbers, so that they multiply.

    Attributes:
        kind: [slot] position of the kind in the capacity's names, -1 in padding.
        parent: [slot, degree] slot of the parent.
        parent_value: [slot, degree] 1 where the edge is a value coupling.
        parent_volatility: likewise for volatility couplings.
        parent_function: [slot, degree] position of the function in the capacity's names.
        volatility_parents: [slot] number of volatility parents in the graph.
        child: [edge] slot of the child, edges by the slot of the parent.
        child_parent: [edge] slot of the parent.
        child_row: [edge] the parent's place in its block.
        child_column: [edge] where the edge stands in the child's row of parents.
        child_value: [edge] 1 where the edge is a value coupling.
        child_volatility: [edge] likewise for volatility couplings.
        child_function: [edge] as `parent_function`.
        last: [slot] position of the node's last edge among the edges of its block.
        has_child: [slot] 1 where it has any.
        volatile: [slot] whether the node has a volatility child.
        block_first: [block] first slot of every block.
        block_count: [block] how many nodes it has, as a number; 0 in padding.
        block_edge: [block] first of its edges.
        block_edges: [block] how many edges it has, as a number.
        parts: which inputs are parts of one variable; None where no kind has variables of several parts.
    """

    kind: Numbers
    parent: Numbers
    parent_value: Numbers
    parent_volatility: Numbers
    parent_function: Numbers
    volatility_parents: Numbers
    child: Numbers
    child_parent: Numbers
    child_row: Numbers
    child_column: Numbers
    child_value: Numbers
    child_volatility: Numbers
    child_function: Numbers
    last: Numbers
    has_child: Numbers
    volatile: Numbers
    block_first: Numbers
    block_count: Numbers
    block_edge: Numbers
    block_edges: Numbers
    parts: Parts | None


def traits(topology: Topology, inputs: tuple[str, ...]) -> frozenset[str]:
    """What a filter over this graph must be able to do; see the module's docstring."""
    found = set()
    observed = frozenset(inputs)
    uncertain = {
        node.name: not (isinstance(kind := KINDS[node.kind], AbstractLatent) and not kind.varies)
        for node in topology.nodes
    }
    for node in topology.nodes:
        parents = topology.parents(node.name)
        if any(edge.coupling == "volatility" for edge in parents):
            found.add(VOLATILITY)
        if sum(edge.coupling == "value" and uncertain[edge.source] for edge in parents) > 1:
            found.add(INPUT_COPARENTS if node.name in observed else COPARENTS)
    if _tangled(topology, inputs, uncertain):
        found.add(TANGLED)
    kinds = {name: KINDS[topology.node(name).kind] for name in inputs}
    if any(isinstance(kind, AbstractVariable) for kind in kinds.values()):
        most = max(len(variable.columns) for variable in variables_of(inputs, _observed(kinds)))
        found |= {next(name for name, number in COLUMNS.items() if number >= most)} if most > 1 else set()
    return frozenset(found)


def columns_in(capacity: Capacity) -> int:
    """The most columns of a variable that a capacity is compiled for."""
    return max((number for name, number in COLUMNS.items() if name in capacity.traits), default=1)


def _observed(kinds: Mapping[str, AbstractKind]) -> dict[str, AbstractInput]:
    return {name: kind for name, kind in kinds.items() if isinstance(kind, AbstractInput)}


def _tangled(topology: Topology, inputs: tuple[str, ...], uncertain: Mapping[str, bool]) -> bool:
    """Whether an input that is not Gaussian shares an uncertain value ancestor with another input."""

    def gaussian(name: str) -> bool:
        kind = KINDS[topology.node(name).kind]
        return isinstance(kind, AbstractInput) and kind.gaussian

    if all(gaussian(name) for name in inputs):
        return False
    owners: dict[str, list[bool]] = {}
    for name in inputs:
        reached, waiting = set(), [name]
        while waiting:
            for edge in topology.parents(waiting.pop()):
                if edge.coupling == "value" and uncertain[edge.source] and edge.source not in reached:
                    reached.add(edge.source)
                    waiting.append(edge.source)
        for ancestor in reached:
            owners.setdefault(ancestor, []).append(gaussian(name))
    return any(len(seen) > 1 and not all(seen) for seen in owners.values())


def packing(topology: Topology, inputs: tuple[str, ...], at_least: Capacity | None = None) -> Packing:
    """The topology in slots, inputs first, in a capacity that carries its traits."""
    needed = Capacity(1, 1, 1, 1, 1, 1, 1, frozenset(), frozenset({"identity"}), traits(topology, inputs))
    return pack(topology, needed if at_least is None else needed.join(at_least), inputs)


def tables(packed: Packing) -> Tables:
    """Index tables of a packing."""

    def of(coupling: NDArray[np.int32], code: int) -> NDArray[np.float64]:
        found: NDArray[np.float64] = (coupling == code).astype(np.float64)
        return found

    # Places within blocks are made here and not in the loop: with batches of graphs, differences of 32-bit integers
    # inside a fused loop stop LLVM on AVX-512 ("Cannot select: X86ISD::SUBV_BROADCAST_LOAD").
    slots = packed.capacity.slots
    first, edge = np.zeros(slots, np.int32), np.zeros(slots, np.int32)
    for (start, count), (begin, _) in zip(packed.block_node, packed.block_edge, strict=True):
        first[start : start + count], edge[start : start + count] = start, begin
    edges = np.flatnonzero(packed.child_edge >= 0)
    last = np.zeros(slots, np.int32)
    last[packed.child_source[edges]] = edges - edge[packed.child_source[edges]]
    has_child = np.zeros(slots)
    has_child[packed.child_source[edges]] = 1.0
    volatile = np.zeros(slots, np.bool_)
    volatile[packed.child_source[packed.child_coupling == 1]] = True
    return Tables(
        kind=packed.kind,
        parent=packed.parent_source,
        parent_value=of(packed.parent_coupling, 0),
        parent_volatility=of(packed.parent_coupling, 1),
        parent_function=np.maximum(packed.parent_function, 0),
        volatility_parents=of(packed.parent_coupling, 1).sum(1),
        child=packed.child_target,
        child_parent=packed.child_source,
        child_row=packed.child_source - first[packed.child_source],
        child_column=packed.child_column,
        child_value=of(packed.child_coupling, 0),
        child_volatility=of(packed.child_coupling, 1),
        child_function=np.maximum(packed.child_function, 0),
        last=last,
        has_child=has_child,
        volatile=volatile,
        block_first=packed.block_node[:, 0].copy(),
        block_count=packed.block_node[:, 1].astype(np.float64),
        block_edge=packed.block_edge[:, 0].copy(),
        block_edges=packed.block_edge[:, 1].astype(np.float64),
        parts=_parts(packed),
    )


def _parts(packed: Packing) -> Parts | None:
    names = packed.capacity.kind_names
    if not any(isinstance(KINDS[name], AbstractVariable) for name in names):
        return None
    kinds = _observed({name: KINDS[names[packed.kind[packed.slot[name]]]] for name in packed.inputs})
    groups = [variable.group for variable in variables_of(packed.inputs, kinds)]
    return tabulated(groups, packed.capacity.input_width, columns_in(packed.capacity))


@final
class Wiring(eqx.Module):
    """What a belief network is between steps: parameters and couplings by slot.

    Attributes:
        parameters: name -> [slot].
        strength: [slot, degree] coupling strengths, 0 in padding.
        tables: index tables.
        capacity: sizes and vocabulary.
        options: how the filter approximates.
    """

    parameters: dict[str, Numbers]
    strength: Numbers
    tables: Tables
    capacity: Capacity = eqx.field(static=True)
    options: Options = eqx.field(static=True)


class Down(NamedTuple):
    """The predictions of a step.

    Attributes:
        merged: every slot's.
        inputs: of the input slots, as each kind of input would make them.
        latents: of the other slots, likewise.
        slopes: [slot, degree] g' at the parents' predictions.
        linear: linear predictors of the inputs.
        explained: variance of every node's value parents, for joint assimilation.
    """

    merged: Prediction
    inputs: list[Prediction]
    latents: list[Prediction]
    slopes: Array
    linear: Array
    explained: Array


class Outcome(NamedTuple):
    """What a step reports.

    Attributes:
        expected_mean: mh [slot].
        expected_variance: 1 / ph [slot].
        news: whether the node saw data in this step [slot].
        surprise: joint, nats.
        marginal: surprise of each input by itself, 0 where it is missing [input slot].
        entropy: its expectation, 0 where it is missing [input slot].
        spread: variance of the linear predictor of each input [input slot].
        invalid: 0 where the posterior was valid, else a code of `CAUSES` [slot].
    """

    expected_mean: Real
    expected_variance: Real
    news: Real
    surprise: Real
    marginal: Real
    entropy: Real
    spread: Real
    invalid: Array


CAUSES = (
    "",
    "its posterior precision is not positive",
    "its posterior is not finite",
    "its prediction has diverged",
    "what is expected of its variable is no distribution",
)
"""Why a step could not be taken at a node; the node held its prediction instead. The last is said of inputs, and the
density nearest to what was expected was taken."""
NO_DISTRIBUTION = CAUSES.index("what is expected of its variable is no distribution")


_LEVEL = ("mean", "precision")


def invalid_code(mean: Real, variance: Real, posterior: Mapping[str, Real]) -> Array:
    """Position in `CAUSES`, elementwise: what is wrong with a posterior, or with the prediction before it.

    A prediction has diverged when it is not finite or its variance has reached the bound of `updates.bounded`, which
    happens when a volatility parent has run away.
    """
    predicted, finite, positive = _tests(mean, variance, posterior)
    return jnp.where(predicted, jnp.where(finite, jnp.where(positive, 0, 1), 2), 3).astype(jnp.int32)


def valid(mean: Real, variance: Real, posterior: Mapping[str, Real]) -> Bool[Array, ...]:
    """Whether `invalid_code` is 0."""
    predicted, finite, positive = _tests(mean, variance, posterior)
    return predicted & finite & positive


def _tests(mean: Real, variance: Real, posterior: Mapping[str, Real]) -> tuple[Array, Array, Array]:
    precisions = (numbers for name, numbers in posterior.items() if name.endswith("precision"))
    positive = reduce(jnp.logical_and, (numbers > 0.0 for numbers in precisions))
    finite = reduce(jnp.logical_and, (jnp.isfinite(numbers) for numbers in posterior.values()))
    largest = 0.99 * math.exp(largest_exponent(variance.dtype))
    return jnp.isfinite(mean) & (variance < largest), finite, positive


def admitted(
    kind: AbstractKind,
    before: Mapping[str, Real],
    prediction: Prediction,
    posterior: Mapping[str, Real],
    told: Array,
    observed: bool,
) -> tuple[dict[str, Real], Array, Array]:
    """Beliefs after a step, whether the node learnt from it, and the position in `CAUSES` of what was wrong with it.

    A node without news holds its prediction; so does one whose posterior is invalid, or its last belief where the
    prediction has diverged. A level inside a node is held by itself, as the node that it stands for would be.

    Args:
        kind: of the node.
        before: its beliefs before the step.
        prediction: its prediction.
        posterior: its beliefs if nothing is wrong with them.
        told: whether there is news.
        observed: whether the node is an input, whose own level is what was seen and cannot be invalid.
    """
    held = kind.held(before, prediction)
    cause = jnp.zeros(told.shape, jnp.int32)

    def chosen(names: tuple[str, ...], learnt: Array, cause: Array) -> dict[str, Real]:
        fallback = {name: jnp.where(cause == 3, before[name], held[name]) for name in names}
        return {name: jnp.where(learnt, posterior[name], fallback[name]) for name in names}

    if not observed and isinstance(kind, AbstractLatent) and kind.varies:
        cause = invalid_code(prediction.mean, prediction.variance, {name: posterior[name] for name in _LEVEL})
        cause = jnp.where(told | (cause == 3), cause, 0)
    learnt = told & (cause == 0)
    after = chosen(_LEVEL, learnt, cause)
    if kind.state:
        inner = prediction.inner
        inside = invalid_code(inner["mean"], inner["variance"], {name: posterior[name] for name in kind.state})
        inside = jnp.where(learnt | (inside == 3), inside, 0)
        after |= chosen(kind.state, learnt & (inside == 0), inside)
        cause = jnp.where(cause > 0, cause, inside)
    return after, learnt, cause
