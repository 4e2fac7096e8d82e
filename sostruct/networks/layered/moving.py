"""How the arrays of a layered network follow its graph: what is learned, and what the optimizer remembers of it.

Edits are carried out on the host, on arrays without padding. What is learned, its best values so far and every moment
of the optimizer have one shape, and are moved by one code: rows and columns that no edit names stay bit for bit, those
of units that go are cut out, and those of new ones are put in. New units begin so that nothing that is predicted
changes: what they receive is drawn, or set by `SetWeights`, and what they send has weight 0. Their moments are 0; the
optimizer's count of steps goes on, for one that starts anew forgets the direction of everything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from sostruct.errors import GraphError
from sostruct.graph import (
    AbstractEdit,
    AddConnections,
    AddEdge,
    AddNode,
    AddUnits,
    Edge,
    EdgeKey,
    RemoveConnections,
    RemoveEdge,
    RemoveNode,
    RemoveUnits,
    Rewire,
    SetParameters,
    SetWeights,
    Topology,
    apply,
    decode_connections,
    width_of,
)
from sostruct.networks.hgf.couplings import FUNCTIONS
from sostruct.networks.layered.forward import Parameters
from sostruct.networks.layered.plan import DENSE, edges_of, nodes_of, shape, width

Copies = list[NDArray[Any]]
"""One array as it is learned, as it was best, and the optimizer's moments of it."""

_GROWTH = (AddNode, AddUnits, AddEdge, AddConnections, SetWeights)
"""Edits that can leave every prediction as it is."""


@dataclass
class Loose:
    """The arrays of a network by name and without padding, to be edited in place.

    Attributes:
        topology: the graph they belong to.
        weights: of every edge [source unit, target unit].
        biases: of every node but inputs [unit].
        copies: how many there are of each array.
        generator: draws what new units receive.
        same: whether predictions are as they were.
    """

    topology: Topology
    weights: dict[EdgeKey, Copies]
    biases: dict[str, Copies]
    copies: int
    generator: np.random.Generator
    same: bool = True
    _new: set[str] = field(default_factory=set)

    @classmethod
    def blank(cls, topology: Topology, copies: int, generator: np.random.Generator) -> Loose:
        """Arrays of a checked graph as learning begins with them: weights drawn with variance 1 / units of the source
        (LeCun et al. 1998), biases 0."""
        loose = cls(topology, {}, {}, copies, generator)
        for name in nodes_of(topology):
            if topology.parents(name):
                loose.biases[name] = loose._zeros((width(topology, name),))
        for edge in edges_of(topology):
            loose.weights[edge.key] = loose._drawn(*shape(topology, edge.key))
        loose.mask()
        return loose

    def carry_out(self, edits: Iterable[AbstractEdit]) -> None:
        """Edits in order, on a graph that they fit."""
        edits = tuple(edits)
        self.same = all(isinstance(edit, _GROWTH) for edit in edits)
        for edit in edits:
            before, self.topology = self.topology, _applied(self.topology, edit)
            self._one(edit, before)
        self.mask()

    def _one(self, edit: AbstractEdit, before: Topology) -> None:
        match edit:
            case AddNode():
                self.biases[edit.name] = self._zeros((int(dict(edit.parameters).get("width", 0)),))
                self._new.add(edit.name)
            case RemoveNode():
                self.biases.pop(edit.name, None)
                self.weights = {key: own for key, own in self.weights.items() if edit.name not in key[:2]}
            case AddEdge():
                self._join(edit.edge)
            case RemoveEdge():
                del self.weights[edit.key]
            case Rewire():
                del self.weights[edit.remove.key]
                self._join(edit.add.edge)
            case AddUnits():
                self._widen(edit, before)
            case RemoveUnits():
                self.biases[edit.name] = [np.delete(one, edit.units) for one in self.biases[edit.name]]
                for axis, key in self._at(edit.name):
                    self.weights[key] = [np.delete(one, edit.units, axis) for one in self.weights[key]]
            case AddConnections() | RemoveConnections():
                rows, columns = np.array(edit.pairs).T
                for one in self.weights[edit.key]:
                    one[rows, columns] = 0.0
            case SetWeights():
                self._set(edit)
            case SetParameters(target=str(name)) if "width" in dict(edit.parameters):
                raise GraphError(
                    f"Cannot {edit}. This is because a width does not say which units of {name} come or go. Try "
                    "AddUnits and RemoveUnits."
                )
            case _:
                pass

    def _join(self, edge: Edge) -> None:
        rows, columns = (width_of(self.topology.node(end)) or 0 for end in (edge.source, edge.target))
        new = edge.target in self._new
        self.weights[edge.key] = self._drawn(rows, columns) if new else self._zeros((rows, columns))

    def _widen(self, edit: AddUnits, before: Topology) -> None:
        """Room for new units: what they receive is drawn, what they send is 0."""
        places = np.array(edit.units) - np.arange(len(edit.units))
        self.biases[edit.name] = [np.insert(one, places, 0.0) for one in self.biases[edit.name]]
        for axis, key in self._at(edit.name):
            if axis == 0:
                self.weights[key] = [np.insert(one, places, 0.0, 0) for one in self.weights[key]]
                continue
            drawn = self._drawn(len(self.weights[key][0]), len(places))
            own = [np.insert(one, places, new, 1) for one, new in zip(self.weights[key], drawn, strict=True)]
            self.weights[key] = own

    def _at(self, name: str) -> list[tuple[int, EdgeKey]]:
        """Edges at a population, with the axis that its units are on: those it sends by first, so that what new units
        of a cascade receive from one another is not 0."""
        found = [(axis, key) for key in sorted(self.weights) for axis in (0, 1) if key[axis] == name]
        return sorted(found)

    def _set(self, edit: SetWeights) -> None:
        """Weights of a unit, as learned and as best."""
        for copies in range(min(2, self.copies)):
            for other, values in edit.incoming:
                column = self.weights[(other, edit.name, "value", int(other == edit.name))][copies][:, edit.unit]
                column[:] = values
            for other, values in edit.outgoing:
                self.weights[(edit.name, other, "value", int(other == edit.name))][copies][edit.unit] = values
            if edit.bias is not None:
                self.biases[edit.name][copies][edit.unit] = edit.bias
        if self.same and not self._silent(edit.name, edit.unit):
            self.same = False

    def _silent(self, name: str, unit: int) -> bool:
        """Whether a unit sends nothing: by its weights, or because it is 0 itself."""
        out = [key for key in self.weights if key[0] == name]
        if not any(self.weights[key][0][unit].any() for key in out):
            return True
        into = [key for key in self.weights if key[1] == name]
        zero = not self.biases[name][0][unit] and not any(self.weights[key][0][:, unit].any() for key in into)
        return zero and all(_vanishes(self.topology.edge(key).function) for key in out)

    def mask(self) -> None:
        """Weights of connections that are not there are 0."""
        for edge in edges_of(self.topology):
            if edge.connections or edge.source == edge.target:
                rows, columns = self.weights[edge.key][0].shape
                mask = decode_connections(edge.connections, rows, columns, edge.source == edge.target)
                for one in self.weights[edge.key]:
                    one[~mask] = 0.0

    def _zeros(self, size: tuple[int, ...]) -> Copies:
        return [np.zeros(size, np.float32) for _ in range(self.copies)]

    def _drawn(self, rows: int, columns: int) -> Copies:
        found = self._zeros((rows, columns))
        drawn = self.generator.normal(size=(rows, columns)) / np.sqrt(max(rows, 1))
        for one in found[:2]:
            one[:] = drawn
        return found


def _applied(topology: Topology, edit: AbstractEdit) -> Topology:
    # a batch was found to fit as a whole; of cycles that close and open again within it nothing depends here
    return apply(topology, (edit,))


@lru_cache
def _vanishes(function: str) -> bool:
    """Whether a function of 0 is 0."""
    return float(FUNCTIONS[function].value(jnp.zeros(()))) == 0.0


def _parts(state: Any) -> tuple[list[Any], Any]:
    """A state's leaves, what has the structure of the parameters being one of them."""
    leaves, structure = jax.tree.flatten(state, is_leaf=lambda part: isinstance(part, Parameters))
    return leaves, structure


def moments_of(state: Any, parameters: Parameters) -> list[list[Any]] | None:
    """What an optimizer remembers of every array, by its place, in the order of the state; None where some of it is not
    of the shape of the array, and so cannot follow an edit."""
    shapes = [np.shape(leaf) for leaf in jax.tree.leaves(parameters)]
    kept = [jax.tree.leaves(part) for part in _parts(state)[0] if isinstance(part, Parameters)]
    if any(np.shape(one) != shape for own in kept for one, shape in zip(own, shapes, strict=True)):
        return None
    return [[np.array(own[place]) for own in kept] for place in range(len(shapes))]


def state_with(old: Any, fresh: Any, moments: Sequence[Sequence[Any]]) -> Any:
    """A state of these moments, with whatever else the old one has, such as a count of steps.

    Args:
        old: the state before.
        fresh: one of the new arrays.
        moments: by the place of the array, in the order of the state.
    """
    leaves, structure = _parts(fresh)
    before, number, parts = _parts(old)[0], 0, []
    for leaf, own in zip(leaves, before, strict=True):
        if not isinstance(leaf, Parameters):
            parts.append(own)
            continue
        parts.append(jax.tree.unflatten(jax.tree.structure(leaf), [one[number] for one in moments]))
        number += 1
    return jax.tree.unflatten(structure, parts)


def padded(array: NDArray[Any], size: tuple[int, ...]) -> NDArray[Any]:
    """An array with zeros, or false, to a size."""
    return np.pad(array, [(0, most - have) for have, most in zip(array.shape, size, strict=True)])


def hidden(topology: Topology) -> tuple[str, ...]:
    """The dense populations, parents before children."""
    return tuple(name for name in topology.order if topology.node(name).kind == DENSE)
