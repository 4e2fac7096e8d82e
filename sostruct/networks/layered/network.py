"""The layered network: populations of units between inputs and an output, on a graph of any shape without cycles.

`LayeredNetwork` translates between a `Topology` and the arrays of `packed.py`. An edge carries a matrix of weights and
a function, may skip populations, and tells which of its connections are there; an edge of lag 1 from a population to
itself makes a cascade of its units. So the graph holds all structure, down to the unit and the connection, and what is
learned is in the arrays. Learning goes on from epoch to epoch and through edits, until nothing has improved for a
while.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, final

import equinox as eqx
import jax
import networkx as nx
import numpy as np
import pandas as pd
from jaxtyping import Array, Float, PRNGKeyArray
from numpy.typing import NDArray

from sostruct.errors import DataError
from sostruct.graph import AbstractEdit, AddUnits, Capacity, Topology, apply
from sostruct.networks.base import AbstractNetwork, Candidate
from sostruct.networks.layered.admission import check_fixed, check_graph, check_sizes, default_reading
from sostruct.networks.layered.arrays import assembled, generator_of, spread
from sostruct.networks.layered.building import birth
from sostruct.networks.layered.forward import sums
from sostruct.networks.layered.learning import Learning
from sostruct.networks.layered.moving import Loose, hidden, moments_of
from sostruct.networks.layered.packed import LayeredData, PackedLayered, Units
from sostruct.networks.layered.plan import INPUT, OUTPUTS, edges_of, needed_capacity, nodes_of, plan_of, width
from sostruct.networks.layered.reading import Reading, framed
from sostruct.numerics import double_precision
from sostruct.surprise import Signals


@final
class LayeredNetwork(AbstractNetwork):
    """Populations of units with learned weights.

    Attributes:
        topology: nodes of the kinds "input", "dense" and one of "regression" and "classification", each with a `width`.
        packed: the same as arrays.
        reading: which columns of a table are which.
    """

    topology: Topology
    packed: PackedLayered
    reading: Reading = eqx.field(static=True)

    @classmethod
    def of(
        cls,
        graph: nx.MultiDiGraph | Topology,
        *,
        learning: Learning | None = None,
        reading: Reading | None = None,
        key: PRNGKeyArray,
    ) -> LayeredNetwork:
        """The network of a graph, before it has learned.

        Args:
            graph: populations and the edges between them (`admission.check_graph`). Columns of the data go to the
                inputs in the order of their names, to each as many as it is wide. A classification of width 1 tells two
                classes apart, one of width k > 1 tells k.
            learning: how parameters are learned; `Learning()` when None.
            reading: which columns are which; x0, x1, ... and "y", with classes 0, 1, ..., when None.
            key: draws the first weights.

        Raises:
            GraphError: the graph is not that of a layered network.
            DataError: the columns or classes are not as many as the graph has units for.
        """
        topology = graph if isinstance(graph, Topology) else Topology.from_networkx(graph)
        check_graph(topology)
        reading = default_reading(topology) if reading is None else reading
        check_sizes(topology, reading)
        learning = Learning() if learning is None else learning
        names = nodes_of(topology)
        out = width(topology, names[plan_of(topology, 1).output])
        columns = [width(topology, name) for name in names if topology.node(name).kind == INPUT]
        units = Units(
            center=tuple(np.zeros(count, np.float32) for count in columns),
            scale=tuple(np.ones(count, np.float32) for count in columns),
            target_center=np.zeros(out, np.float32),
            target_scale=np.ones(out, np.float32),
        )
        loose = Loose.blank(topology, 2, generator_of(key))
        with double_precision(False):
            return cls(topology, assembled(loose, needed_capacity(topology), learning, units), reading)

    def standardized(self, data: LayeredData, *, inputs: bool = True) -> LayeredNetwork:
        """The same network, in whose units the learned rows have mean 0 and standard deviation 1; columns that are
        constant are left as wide as they are.

        Args:
            data: rows.
            inputs: whether features are standardized too; if not, they are taken as they are.
        """
        units = self.packed.units
        if inputs:
            mean, wide = spread(np.asarray(data.inputs))
            cuts = np.cumsum([len(center) for center in units.center])[:-1]
            units = eqx.tree_at(
                lambda one: (one.center, one.scale), units, (tuple(np.split(mean, cuts)), tuple(np.split(wide, cuts)))
            )
        if not self.reading.classes:
            units = eqx.tree_at(
                lambda one: (one.target_center, one.target_scale), units, spread(np.asarray(data.target))
            )
        return self.with_packed(eqx.tree_at(lambda one: one.units, self.packed, units))

    @property
    def needs_double(self) -> bool:
        """Never: what is learned by steps in a random order has no digits to lose."""
        return False

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of the nodes, sorted."""
        return self.topology.names

    @property
    def sequential(self) -> bool:
        """False: rows have no order."""
        return False

    @property
    def alive(self) -> int:
        """How many trainable numbers there are: connections, and biases of units."""
        return sum(int(np.count_nonzero(one)) for one in jax.tree.leaves(self.packed.there))

    @property
    def nonzero(self) -> int:
        """How many trainable numbers are not 0."""
        return sum(int(np.count_nonzero(one)) for one in jax.tree.leaves(self.packed.parameters))

    @property
    def hidden(self) -> tuple[str, ...]:
        """The dense populations, parents before children."""
        return hidden(self.topology)

    @property
    def units(self) -> int:
        """How many units the dense populations have together."""
        return sum(width(self.topology, name) for name in self.hidden)

    def weights(self, source: str, target: str) -> NDArray[np.float32]:
        """The weights of an edge, 0 where no connection is [source unit, target unit].

        Raises:
            GraphError: there is no such edge.
        """
        edge = self.topology.edge((source, target, "value", int(source == target)))
        rows, columns = width(self.topology, source), width(self.topology, target)
        return np.array(self.packed.parameters.weights[edges_of(self.topology).index(edge)])[:rows, :columns]

    def biases(self, name: str) -> NDArray[np.float32]:
        """The biases of a population [unit]; none of an input.

        Raises:
            GraphError: there is no such node.
        """
        count = 0 if self.topology.node(name).kind == INPUT else width(self.topology, name)
        return np.array(self.packed.parameters.biases[nodes_of(self.topology).index(name)])[:count]

    def begun(self) -> LayeredNetwork:
        """Itself: learning goes on from pass to pass."""
        return self

    def at_best(self) -> LayeredNetwork:
        """The same network with the parameters that were best."""
        packed = self.packed
        if not np.isfinite(packed.best_surprise):
            return self
        parts = (packed.best[0], packed.best[1])
        return self.with_packed(eqx.tree_at(lambda one: (one.parameters, one.noise), packed, parts))

    def reported(self, signals: Signals) -> Signals:
        """The rows of the nodes, by name."""
        names = nodes_of(self.topology)
        order = np.array([names.index(name) for name in self.nodes])
        gains: Any = signals.gains
        rows = {
            part: np.asarray(getattr(signals, part))[order]
            for part in ("surprise", "expected", "error", "precision", "count")
        }
        own = eqx.tree_at(lambda one: one.reducible, gains, np.asarray(gains.reducible)[order])
        return Signals(**rows, evidence=signals.evidence, gains=own)

    def with_packed(self, packed: PackedLayered) -> LayeredNetwork:
        """The same network holding other arrays for the same graph."""
        return replace(self, packed=packed)

    def prepare(self, data: Any) -> LayeredData:
        """Inputs and targets of a table with the network's columns, or of (features, targets) in their order.

        Raises:
            DataError: columns are missing, values are missing or no numbers, or labels are none of the classes.
        """
        if isinstance(data, LayeredData):
            return data
        if isinstance(data, tuple):
            features, target = data
            table = framed(features, self.reading.features)
            targets = np.asarray(target).reshape(len(table), -1)
            if targets.shape[1] != len(self.reading.targets):
                raise DataError(
                    f"Cannot use {targets.shape[1]} targets. This is because the network predicts "
                    f"{len(self.reading.targets)}. Try one column for each."
                )
            columns = {name: targets[:, place] for place, name in enumerate(self.reading.targets)}
            data = pd.concat([table, pd.DataFrame(columns, index=table.index)], axis=1)
        return self.reading.data(framed(data))

    def mean(self, data: Any) -> NDArray[np.float64]:
        """What is predicted for rows: the values of a regression [row, target], or the probability of each class [row,
        class].

        Args:
            data: a table with the features, or an array of them in their order.

        Raises:
            DataError: see `prepare`.
        """
        inputs = self.reading.inputs(data)
        with double_precision(False):
            z = np.asarray(_mean(self.packed, inputs), np.float64)
        if self.reading.classes:
            return z
        units = self.packed.units
        return np.asarray(z * np.asarray(units.target_scale) + np.asarray(units.target_center))

    def surprise(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Minus the log density, or log probability, of the targets of rows given their features [row], nats.

        Raises:
            DataError: see `prepare`.
        """
        inputs, target = self.reading.inputs(frame), self.reading.target(framed(frame))
        with double_precision(False):
            return np.asarray(_surprise(self.packed, inputs, target), np.float64)

    def edited(self, edits: Sequence[AbstractEdit], *, key: PRNGKeyArray) -> LayeredNetwork:
        """The network on the edited graph. What no edit names keeps its weights and the optimizer's memory bit for bit;
        new units receive by drawn weights and send by weights of 0, so that no prediction changes until an epoch.

        The best parameters so far stay the best where no prediction changes, and are forgotten where some do.

        Raises:
            GraphError: an edit does not fit the graph, or leaves what a layered network can express.
        """
        edits = tuple(edits)
        after = apply(self.topology, edits)
        check_graph(after)
        check_fixed(self.topology, after)
        loose = self._loosened(generator_of(key))
        loose.carry_out(edits)
        return self._fastened(loose, self.packed.capacity.join(needed_capacity(after)))

    def at_topology(self, topology: Topology) -> LayeredNetwork:
        """The network on another graph between the same inputs and output; edges and populations of the same size keep
        what they have learned.

        Raises:
            GraphError: the graph is not that of a layered network, or of other inputs.
        """
        check_graph(topology)
        check_fixed(self.topology, topology)
        own = self._loosened(np.random.default_rng(0))
        loose = Loose.blank(topology, own.copies, own.generator)
        loose.same = topology == self.topology
        for key, mine in loose.weights.items():
            if key in own.weights and own.weights[key][0].shape == mine[0].shape:
                loose.weights[key] = own.weights[key]
        for name, bias in loose.biases.items():
            if name in own.biases and own.biases[name][0].shape == bias[0].shape:
                loose.biases[name] = own.biases[name]
        loose.mask()
        return self._fastened(loose, self.packed.capacity.join(needed_capacity(topology)))

    def at_capacity(self, capacity: Capacity) -> LayeredNetwork:
        """The same network with at least as many slots for the units of each population."""
        joined = self.packed.capacity.join(capacity)
        if joined.latent_width == self.packed.capacity.latent_width:
            return self.with_packed(replace(self.packed, capacity=joined))
        loose = self._loosened(np.random.default_rng(0))
        return self._fastened(loose, joined, rest=False)

    def candidates(self, signals: Signals, *, best: int, moves: frozenset[str]) -> Sequence[Candidate]:
        """None: no edit of a layered network has a closed-form price."""
        return ()

    def draw(self, *, key: PRNGKeyArray) -> Sequence[Candidate]:
        """One unit more in a dense population drawn at random, or the first one where there is none; no price."""
        generator, names = generator_of(key), self.hidden
        if not names:
            edits: tuple[AbstractEdit, ...] = birth(self.topology, 1)
            return [Candidate(self._output, edits, float("nan"), frozenset(self.nodes))]
        name = names[int(generator.integers(len(names)))]
        edits = (AddUnits(name, (width(self.topology, name),)),)
        return [Candidate(name, edits, float("nan"), frozenset(self.nodes))]

    @property
    def _output(self) -> str:
        return next(node.name for node in self.topology.nodes if node.kind in OUTPUTS)

    def _loosened(self, generator: np.random.Generator) -> Loose:
        """The arrays by name."""
        packed = self.packed
        moments = moments_of(packed.state, packed.parameters)
        learned = [[np.array(one) for one in jax.tree.leaves(part)] for part in (packed.parameters, packed.best[0])]
        leaves = [[now, best, *own] for now, best, own in zip(*learned, moments or [[]] * len(learned[0]), strict=True)]
        edges = edges_of(self.topology)
        loose = Loose(self.topology, {}, {}, len(leaves[0]), generator)
        for edge, own in zip(edges, leaves[: len(edges)], strict=True):
            rows, columns = width(self.topology, edge.source), width(self.topology, edge.target)
            loose.weights[edge.key] = [one[:rows, :columns].copy() for one in own]
        for name, own in zip(nodes_of(self.topology), leaves[len(edges) :], strict=True):
            if self.topology.node(name).kind != INPUT:
                loose.biases[name] = [one[: width(self.topology, name)].copy() for one in own]
        return loose

    def _fastened(self, loose: Loose, capacity: Capacity, *, rest: bool = True) -> LayeredNetwork:
        """The arrays of an edited graph with padding; `rest`: whether patience begins anew."""
        before = self.packed
        packed = assembled(loose, capacity, before.learning, before.units, before)
        keep = loose.same
        packed = replace(
            packed,
            noise=before.noise,
            best=(packed.best[0] if keep else packed.parameters, before.best[1] if keep else before.noise),
            best_surprise=before.best_surprise if keep else np.array(np.inf, np.float32),
            quiet=np.array(0, np.int32) if rest else before.quiet,
        )
        return LayeredNetwork(loose.topology, packed, self.reading)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {width(self.topology, name)}" for name in nodes_of(self.topology))
        return f"LayeredNetwork({sizes}; {self.alive} parameters)"


@jax.jit
def _mean(packed: PackedLayered, inputs: Float[Array, "row column"]) -> Float[Array, "row unit"]:
    z = sums(packed.plan, packed.parameters, packed.standardized(inputs))[packed.plan.output]
    return packed.output.mean(z)


@jax.jit
def _surprise(packed: PackedLayered, inputs: Float[Array, "row column"], target: Array) -> Float[Array, " row"]:
    z = sums(packed.plan, packed.parameters, packed.standardized(inputs))[packed.plan.output]
    own = packed.output.surprise(z, packed.standardized_target(target), jax.numpy.asarray(packed.noise))
    return own + packed.stretch
