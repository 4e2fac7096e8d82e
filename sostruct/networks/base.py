"""What every network shares: a topology for people, packed arrays for the machine.

`AbstractNetwork` is what users and controllers hold: it knows node names and the graph. `AbstractPacked` is what
compiled code sees: arrays plus a static `Capacity`. One module-level jitted function, `_epoch`, runs every epoch of
every network, so the compilation cache is keyed by the packed module's class, capacity and shapes and by nothing else
(`together.py` is its counterpart for many networks at once).
The lagged network (`networks/lagged`) is the worked instance: `prepare` turns a series into sufficient statistics once,
`epoch` prices every candidate edit, `candidates` turns the prices back into edits with the user's names, `edited` moves
everything to the new graph.
"""

# no `from __future__ import annotations` here: equinox reads AbstractVar off annotations that are not strings
import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import equinox as eqx
import jax
import networkx as nx
from jaxtyping import PRNGKeyArray, PyTree

from sostruct.graph import AbstractEdit, Capacity, Edits, Topology, edits_of
from sostruct.numerics import double_precision
from sostruct.surprise import Signals


class AbstractPacked(eqx.Module):
    """The arrays of a network: a pytree whose static part is its `Capacity`."""

    capacity: eqx.AbstractVar[Capacity]

    @property
    @abc.abstractmethod
    def at_rest(self) -> bool:
        """Whether more epochs over the same data would find what the last one found: true where an epoch knows all at
        once, and of a network that learns by small steps only when these have come to an end. Not traceable."""

    @abc.abstractmethod
    def epoch(self, data: PyTree, *, key: PRNGKeyArray) -> "tuple[AbstractPacked, Signals]":
        """One pass over `data`: beliefs and parameters after it, and where it was surprised, by slot. Traceable."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An edit with its price.

    Attributes:
        target: the node whose prediction the edit changes.
        edit: the edit, or a tuple of edits that stand or fall together.
        nats: log evidence with the edit minus log evidence without; nan where the proposer has no price.
        touches: the nodes that the price depends on: edits that touch a common node are not made together. Empty where
            that is the target alone.
    """

    target: str
    edit: Edits
    nats: float
    touches: frozenset[str] = frozenset()

    @property
    def edits(self) -> tuple[AbstractEdit, ...]:
        """The edits as a tuple."""
        return edits_of(self.edit)


_Network = TypeVar("_Network", bound="AbstractNetwork")


class AbstractNetwork(eqx.Module):
    """A graph that predicts."""

    topology: eqx.AbstractVar[Topology]
    packed: eqx.AbstractVar[AbstractPacked]

    @property
    @abc.abstractmethod
    def needs_double(self) -> bool:
        """Whether epochs run in double precision; if not, in single, whatever the caller's flag."""

    @property
    @abc.abstractmethod
    def sequential(self) -> bool:
        """Whether prepared data are arrays with a row per step, so that an epoch over a chunk of a stream goes on where
        the one before ended; if not, they sum a whole series up."""

    @property
    def at_rest(self) -> bool:
        """Whether more epochs over the same data would find what the last one found (`AbstractPacked.at_rest`)."""
        return self.packed.at_rest

    @property
    @abc.abstractmethod
    def nodes(self) -> tuple[str, ...]:
        """Names of the rows of `Signals`, in order."""

    @property
    def graph(self) -> nx.MultiDiGraph:
        """The network's graph as a fresh networkx graph: changing it does not change the network."""
        return self.topology.to_networkx()

    def epoch(self: _Network, data: PyTree, *, key: PRNGKeyArray) -> tuple[_Network, Signals]:
        """One jitted pass over prepared data. No edit within a capacity retraces it."""
        with double_precision(self.needs_double):
            packed, signals = _epoch(self.packed, data, key)
            return self.with_packed(packed), self.reported(signals)

    @abc.abstractmethod
    def begun(self: _Network) -> _Network:
        """The network as a pass over a whole data set begins: what it knows from earlier passes of the same is not
        used again."""

    @abc.abstractmethod
    def reported(self, signals: Signals) -> Signals:
        """What `packed.epoch` reports by slot, as rows of `nodes`: padding has a size, and a graph has none."""

    @abc.abstractmethod
    def with_packed(self: _Network, packed: Any) -> _Network:
        """The same network holding these arrays, which stand for the same graph."""

    @abc.abstractmethod
    def prepare(self, data: Any) -> PyTree:
        """What `epoch` consumes, computed once per run from the user's data.

        A sequential network takes back the arrays of what it returned, one argument each.
        """

    @abc.abstractmethod
    def edited(self, edits: Sequence[AbstractEdit], *, key: PRNGKeyArray) -> "AbstractNetwork":
        """This network on the edited graph: untouched parts bit for bit, new parts function-preserving."""

    @abc.abstractmethod
    def at_topology(self, topology: Topology) -> "AbstractNetwork":
        """This network on a whole other graph, moved as `edited` moves it: how a checkpoint is restored."""

    @abc.abstractmethod
    def at_capacity(self, capacity: Capacity) -> "AbstractNetwork":
        """The same network padded to at least `capacity`."""

    @abc.abstractmethod
    def candidates(self, signals: Signals, *, best: int, moves: frozenset[str]) -> Sequence[Candidate]:
        """The `best` candidates of every target among the `moves` ("add", "prune", "rewire", "group"), best first per
        target."""

    @abc.abstractmethod
    def draw(self, *, key: PRNGKeyArray) -> Sequence[Candidate]:
        """One legal addition per target, drawn uniformly and without a price: what random growth proposes."""


@jax.jit
def _epoch(packed: AbstractPacked, data: PyTree, key: PRNGKeyArray) -> tuple[AbstractPacked, Signals]:
    return packed.epoch(data, key=key)
