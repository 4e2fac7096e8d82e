"""What a network does with data: read it, run a compiled pass over it, and give the numbers their names.

A plain object beside the network: binding a method of an equinox module costs more than filtering a short series.
Whatever does not depend on the data is computed once and kept, the arrays on the device among it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property, partial
from typing import Any, cast, final

import jax
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import NDArray

from sostruct.errors import ConfigError
from sostruct.graph import Packing, Topology
from sostruct.networks.hgf import passes
from sostruct.networks.hgf.beliefs import Beliefs
from sostruct.networks.hgf.blueprint import Blueprint
from sostruct.networks.hgf.filtering import BeliefState, Tally, Trajectory
from sostruct.networks.hgf.inputs import Reader, Series, read_series
from sostruct.networks.hgf.kinds import KINDS
from sostruct.networks.hgf.kinds.base import AbstractInput
from sostruct.networks.hgf.layout import Wiring
from sostruct.networks.hgf.nodes import Scalars, as_scalars
from sostruct.networks.hgf.packed import PackedHGF
from sostruct.networks.hgf.passes import Axes
from sostruct.networks.hgf.trace import Trace, named
from sostruct.networks.hgf.unrolled import Program, Record, last_of, trajectory_of
from sostruct.numerics import Numbers, double_precision


@final
class Runner:
    """Passes of one network.

    Args:
        topology: its graph.
        packing: where the nodes stand.
        packed: its arrays.
        drawn: its graph for the unrolled schedule, or None for the packed one.
        double: whether it runs in double precision.
    """

    def __init__(
        self, topology: Topology, packing: Packing, packed: PackedHGF, drawn: Blueprint | None, double: bool
    ) -> None:
        self.topology, self.packing, self.packed, self.drawn, self.double = topology, packing, packed, drawn, double
        self.nodes, self.inputs = topology.names, packing.inputs

    def filter(self, inputs: Any, time_steps: Any, start: BeliefState | None, strict: bool) -> Beliefs:
        """See `HGF.filter`."""
        if self.traced:
            raise ConfigError(
                "Cannot filter while JAX traces the parameters. This is because beliefs come back as numpy arrays. "
                "Try `log_evidence`, which can be differentiated."
            )
        series = self.read(inputs, time_steps)
        wiring, own = self.arrays
        if start is None:
            start = own
        else:
            passes.check_start(start, self.packed, series)
        axes = passes.axes_of(start, series.values, series.time_steps)
        if self.drawn is not None:
            return self._unrolled(self.drawn, series, start, axes, strict)
        with double_precision(self.double):
            last, kept, tally = passes.trajectory(wiring, start, series.values, series.time_steps, axes)
        return self.beliefs(series, start, lambda: last, kept, tally, strict)

    def _unrolled(self, drawn: Blueprint, series: Series, start: BeliefState, axes: Axes, strict: bool) -> Beliefs:
        """Two loops fewer inside where nothing is held and nothing is missing; what breaks down is looked for when
        something did."""
        complete = _complete(series)
        program, done = self._recorded(drawn, series, start, axes, hold=not strict, complete=complete)
        tally = None
        if not strict:
            tally = done.tally
        elif not np.all(done.tally):
            tally = self._recorded(drawn, series, start, axes, hold=True, complete=complete)[1].tally
        kept = trajectory_of(program, done.rows)
        ended = partial(last_of, program, done, start, self.packed.capacity.input_width)
        return self.beliefs(series, start, ended, kept, tally, strict)

    def _recorded(
        self, drawn: Blueprint, series: Series, start: BeliefState, axes: Axes, **choices: bool
    ) -> tuple[Program, Record]:
        """A record on the host."""
        chosen = (axes, *choices.items())
        wiring, own = self.arrays
        if chosen not in self._programs:
            program = passes.program_of(drawn, wiring, start, **choices)
            self._programs[chosen] = program, passes.recorder(program, axes)
        program, compiled = self._programs[chosen]
        with double_precision(self.double):
            network = self._scalars if start is own else self._placed(drawn, start)
            done = compiled(network, series.values, series.time_steps)
        return program, jax.tree.map(np.asarray, done)

    @cached_property
    def _programs(self) -> dict[Any, tuple[Program, Any]]:
        """Compiled passes by what they were chosen for: looking one up among those of all networks takes longer."""
        return {}

    @cached_property
    def _scalars(self) -> Scalars:
        assert self.drawn is not None
        return self._placed(self.drawn, self.packed.state)

    def _placed(self, drawn: Blueprint, start: BeliefState) -> Scalars:
        """A network and beliefs node by node, in the working precision, on the device."""
        wiring, own = jax.tree.map(np.asarray, (self.packed.wiring, start))
        number = np.float64 if self.double else np.float32
        network = as_scalars(wiring, own.beliefs, own.covariance, drawn)
        network = jax.tree.map(lambda leaf: np.asarray(leaf, number), network)
        with double_precision(self.double):
            placed: Scalars = jax.device_put(network)
        return placed

    def log_evidence(self, inputs: Any, time_steps: Any) -> Float[Array, ""]:
        """See `HGF.log_evidence`."""
        evidence: Float[Array, ""] = self._differentiable(passes.log_evidence, inputs, time_steps)
        return evidence

    def trace(self, inputs: Any, time_steps: Any) -> Trace:
        """See `HGF.trace`."""
        kept, sound, evidence = self._differentiable(passes.traced, inputs, time_steps)
        return named(self.columns, kept, sound, evidence)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of a trajectory's columns, "" in padding."""
        return tuple(self._columns[0])

    def _differentiable(self, compiled: Any, inputs: Any, time_steps: Any) -> Any:
        """A pass from where the beliefs stand whose parameters or data may be traced, in the caller's precision."""
        wiring, start = self.packed.wiring, self.packed.state
        values: Numbers
        elapsed: Numbers | None
        context: AbstractContextManager[object] = nullcontext()
        complete = False
        if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((inputs, time_steps))):
            values, elapsed = passes.traced_series(self.reader.variables, inputs, time_steps)
        else:
            series = self.read(inputs, time_steps)
            values, elapsed = series.values, series.time_steps
            complete = _complete(series)
            if not self.traced:
                (wiring, start), context = self.arrays, double_precision(self.double)
        axes = passes.axes_of(start, values, elapsed)
        with context:
            return compiled(wiring, start, values, elapsed, self.drawn, axes, complete)

    def read(self, inputs: Any, time_steps: Any) -> Series:
        """Checked data; a series that has been read before comes back as it is."""
        series = inputs if isinstance(inputs, Series) else read_series(self.reader, inputs, time_steps)
        if series.time_steps is not None and not self.traced:
            passes.check_time(self.packing, self.packed.wiring.parameters)
        return series

    def beliefs(
        self,
        series: Series,
        start: BeliefState,
        ended: Callable[[], BeliefState],
        kept: Trajectory,
        tally: Tally | None,
        strict: bool,
        member: str = "",
    ) -> Beliefs:
        """What a pass returned, under the names of the nodes.

        Args:
            series: the data.
            start: the beliefs it started from.
            ended: makes the beliefs it ended with.
            kept: what it recorded.
            tally: the updates that failed, or None where there was none.
            strict: whether to refuse any of these.
            member: which network of a population, for the refusal.

        Raises:
            BeliefError: see `HGF.filter`.
        """
        names, columns = self._columns
        failures = None if tally is None else np.asarray(tally.count)
        if strict and failures is not None and failures.any():
            assert tally is not None
            raise passes.failure(tally, names, series, self.packed.wiring.options.update.name, member)
        return Beliefs(
            nodes=self.nodes,
            inputs=self.inputs,
            columns=columns,
            trajectory=kept,
            series=series,
            failures=failures,
            ended=ended,
            detail=partial(self._detail, start, series),
            topology=self.topology,
        )

    @cached_property
    def traced(self) -> bool:
        """Whether JAX traces some parameter."""
        return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(self.packed))

    @cached_property
    def arrays(self) -> tuple[Wiring, BeliefState]:
        """Wiring and beliefs in the working precision, on the device."""
        with double_precision(self.double), jax.ensure_compile_time_eval():
            placed: tuple[Wiring, BeliefState] = jax.device_put((self.packed.wiring, self.packed.state))
            return placed

    @cached_property
    def reader(self) -> Reader:
        """Reads the data."""
        kinds = {name: cast(AbstractInput, KINDS[self.topology.node(name).kind]) for name in self.inputs}
        return Reader.of(self.inputs, kinds)

    @cached_property
    def _columns(self) -> tuple[list[str], NDArray[np.intp]]:
        """The names of a trajectory's columns, "" in padding, and where each node stands among them."""
        names = [name or "" for name in self.packing.names]
        if self.drawn is not None:
            names = [names[place.slot] for place in self.drawn.places]
        number = {name: column for column, name in enumerate(names)}
        return names, np.array([number[name] for name in self.nodes], np.intp)

    def _detail(self, start: BeliefState, series: Series) -> tuple[Any, Any, Any]:
        axes = passes.axes_of(start, series.values, series.time_steps)
        if self.drawn is not None:
            complete = _complete(series)
            program, done = self._recorded(self.drawn, series, start, axes, hold=True, complete=complete, detail=True)
            kept = trajectory_of(program, done.rows)
            return kept.marginal, kept.entropy, kept.spread
        with double_precision(self.double):
            found: tuple[Any, Any, Any] = passes.detail(self.arrays[0], start, series.values, series.time_steps, axes)
        return found


def _complete(series: Series) -> bool:
    return not np.isnan(series.values).any()
