"""Where variants of a network's components are filtered, many at once.

A `Trial` is one component with some of its numbers taken from a table, a row per variant. Trials of equal size share
batches of a fixed number of lanes, so a whole search over structures and parameters meets a handful of compiled
programs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from sostruct.errors import ConfigError
from sostruct.graph import AbstractEdit, EdgeKey, Topology, apply
from sostruct.graph.packing import power_of_two
from sostruct.networks.hgf import dense
from sostruct.networks.hgf.components import Component, Floats, Sketch, components, sketch
from sostruct.networks.hgf.kinds import KINDS
from sostruct.networks.hgf.kinds.base import AbstractVariable
from sostruct.networks.hgf.layout import INPUT_COPARENTS, VOLATILITY
from sostruct.networks.hgf.packed import Observations
from sostruct.numerics import Numbers, double_precision

if TYPE_CHECKING:
    from sostruct.networks.hgf.network import HGF

LANES = (16, 8)
"""Variants per compiled call, of narrow and of wide components: enough to fill the vector units, few enough to stay in
the cache, and one number each, so that a size is compiled once."""

_WIDE = 8
"""Inputs from which a component is wide."""

_SHORTEST = 128
"""Steps to which the shortest streams are padded."""

Knob: TypeAlias = tuple[str | EdgeKey, str]
"""A number of a graph: (node, parameter) or (edge, "strength")."""


@final
@dataclass(frozen=True, eq=False)
class Trial:
    """Variants of one component.

    Attributes:
        sketch: the component.
        knobs: the numbers that vary.
        values: a row per variant [variant, knob].
    """

    sketch: Sketch
    knobs: tuple[Knob, ...]
    values: Floats


@final
class Workbench:
    """A belief network's components over one series.

    Args:
        network: whose settings and inputs hold; beliefs are taken from its state where `running`.
        data: as `HGF.prepare` makes it.
        mark: says which data these are.
        running: whether passes continue from the network's beliefs rather than begin afresh. Data then grow, and are
            padded to powers of two so that few lengths are compiled.
        recent: whether the data are but the recent part of what is remembered.
        looks: how often the data have been looked at while they came.

    Raises:
        ConfigError: the network filters in a way that the dense schedule does not offer.
    """

    def __init__(
        self,
        network: HGF,
        data: Observations,
        *,
        mark: str = "",
        running: bool = False,
        recent: bool = False,
        looks: int = 1,
    ) -> None:
        why = unsuitable(network)
        if why is not None:
            raise ConfigError(
                f"Cannot price the components of this network. This is because {why}. Try a filter with "
                "mean_field=True and linear couplings, or a rule that prices edits by whole epochs "
                "(accept=counterfactual)."
            )
        self.network, self.mark = network, mark
        self.running, self.recent, self.looks = running, recent, looks
        self.inputs = np.asarray(data.inputs, np.float64)
        time_steps = None if data.time_steps is None else np.asarray(data.time_steps, np.float64)
        more = power_of_two(self.steps, _SHORTEST) - self.steps if running else 0
        self._series = np.pad(self.inputs, ((0, more), (0, 1)), constant_values=np.nan)
        self._series[:, -1] = np.nan
        self._time_steps = None if time_steps is None else np.pad(time_steps, (0, more), constant_values=1.0)
        self.columns = {name: number for number, name in enumerate(network.inputs)}
        self.believed = believed(network) if running else {}
        self.filtered = 0
        self._known: dict[Topology, float] = {}

    @property
    def steps(self) -> int:
        """Length of the series."""
        return len(self.inputs)

    def components(self, topology: Topology) -> tuple[Component, ...]:
        """The components of a graph over the network's inputs."""
        return components(topology, self.network.inputs)

    def sketch(self, component: Component, size: int | None = None) -> Sketch:
        """A component, laid out."""
        kinds = tuple(sorted({"continuous"} | {node.kind for node in self.network.topology.nodes}))
        return sketch(component, component.size if size is None else size, kinds, self.believed)

    def evidence(self, parts: Sequence[Component]) -> Floats:
        """Log evidence of components, nats [component]; nan where a belief is invalid. Repeated questions are free."""
        new = [one for one in dict.fromkeys(parts) if one.topology not in self._known]
        trials = [Trial(self.sketch(one), (), np.zeros((1, 0))) for one in new]
        for one, found in zip(new, self.filter(trials), strict=True):
            self._known[one.topology] = float(found[0])
        return np.array([self._known[one.topology] for one in parts])

    def gains(self, bundles: Sequence[Sequence[AbstractEdit]]) -> Floats:
        """Log evidence with each bundle of edits minus log evidence without, nats [bundle].

        Raises:
            GraphError: an edit does not fit the graph.
        """
        before = self.components(self.network.topology)
        after = [self.components(apply(self.network.topology, bundle)) for bundle in bundles]
        self.evidence([one for parts in (before, *after) for one in parts])
        base = float(np.sum(self.evidence(before)))
        return np.array([float(np.sum(self.evidence(parts))) - base for parts in after])

    def filter(self, trials: Sequence[Trial]) -> list[Floats]:
        """Log evidence of every variant of every trial, nats: [variant] each; nan where a belief is invalid."""
        found = [np.full(len(trial.values), np.nan) for trial in trials]
        groups: dict[tuple[int, frozenset[str]], list[int]] = {}
        for number, trial in enumerate(trials):
            own = trial.sketch.traits - {VOLATILITY}
            groups.setdefault((trial.sketch.width, own), []).append(number)
        for (width, traits), members in groups.items():
            lanes = LANES[width >= _WIDE]
            owner = np.concatenate([np.full(len(trials[number].values), number) for number in members])
            place = np.concatenate([np.arange(len(trials[number].values)) for number in members])
            for start in range(0, len(owner), lanes):
                chunk = slice(start, start + lanes)
                evidence = self._batch(trials, owner[chunk], place[chunk], traits, lanes)
                for number, row, nats in zip(owner[chunk], place[chunk], evidence, strict=False):
                    found[number][row] = nats
            self.filtered += len(owner)
        return found

    def _batch(
        self,
        trials: Sequence[Trial],
        owner: NDArray[np.int_],
        place: NDArray[np.int_],
        traits: frozenset[str],
        lanes: int,
    ) -> Floats:
        """One compiled call; lanes that are not needed repeat the last variant."""
        owner = np.append(owner, np.full(lanes - len(owner), owner[-1]))
        place = np.append(place, np.full(lanes - len(place), place[-1]))
        distinct = list(dict.fromkeys(owner.tolist()))
        sketches = [trials[number].sketch for number in distinct]
        which = np.array([distinct.index(number) for number in owner.tolist()])

        def stacked(arrays: Iterable[NDArray[Any]]) -> NDArray[Any]:
            return np.stack(list(arrays), -1)[..., which]

        first = sketches[0]
        parameters: dict[str, Numbers] = {
            name: stacked(one.parameters[name] for one in sketches) for name in first.parameters
        }
        beliefs: dict[str, Numbers] = {name: stacked(one.beliefs[name] for one in sketches) for name in first.beliefs}
        tables = {
            name: stacked(getattr(one, name) for one in sketches) for name in ("value", "volatility", "coupled", "kind")
        }
        for number, own in zip(distinct, sketches, strict=True):
            mine = np.flatnonzero(owner == number)
            rows = trials[number].values[place[mine]]
            for column, (at, name) in enumerate(trials[number].knobs):
                if isinstance(at, str):
                    target, where = parameters[name], (own.slot[at],)
                else:
                    target, where = tables[at[2]], own.place(at)
                target[(*where, mine)] = rows[:, column]
        hidden = first.value.shape[0] if INPUT_COPARENTS in traits else 0
        columns = np.array(
            [[self.columns[name] for name in one.inputs] + [-1] * (one.width - len(one.inputs)) for one in sketches]
        )
        series = self._series[:, columns[which].T]
        lanes_of = dense.Lanes(
            parameters,
            beliefs=beliefs,
            covariance=stacked(self._covariance(one, hidden) for one in sketches),
            kinds=first.kinds,
            options=self.network.options,
            traits=traits,
            **tables,
        )
        with double_precision(self.network.needs_double):
            return np.asarray(dense.log_evidence(lanes_of, series, self._time_steps), np.float64)

    def _covariance(self, own: Sketch, hidden: int) -> Floats:
        """Between hidden nodes before the first step [hidden, hidden]; nodes that are new are correlated with none."""
        covariance = np.zeros((hidden, hidden))
        known = np.asarray(self.network.state.covariance)
        if self.running and hidden and known.size:
            width, slot = self.network.packed.capacity.input_width, self.network.packing.slot
            shared = [name for name, place in own.slot.items() if place >= own.width and name in slot]
            here = [own.slot[name] - own.width for name in shared]
            there = [slot[name] - width for name in shared]
            covariance[np.ix_(here, here)] = known[np.ix_(there, there)]
        return covariance


def unsuitable(network: HGF) -> str | None:
    """Why the dense schedule does not filter a network, or None."""
    if network.options.relaxed:
        return "its filter is relaxed"
    for edge in network.topology.edges:
        if edge.function != "identity":
            return f"the edge {edge} has the function {edge.function!r}"
    for name in network.inputs:
        kind = network.topology.node(name).kind
        if isinstance(KINDS[kind], AbstractVariable):
            return f"the density of an input of the kind {kind!r}, {name!r}, is not that of its component"
    return None


def believed(network: HGF) -> Mapping[str, Mapping[str, float]]:
    """The network's current beliefs by node."""
    names, slot = network.topology.names, network.packing.slot
    beliefs = {name: np.asarray(values) for name, values in network.state.beliefs.items()}
    return {node: {name: float(values[slot[node]]) for name, values in beliefs.items()} for node in names}
