"""Several belief networks over the same data in one compiled call.

Networks of different graphs become members of one population by joining their capacities: then they agree in every
shape and differ in their arrays alone. Small members run side by side; large ones one after another inside the same
program, which is faster there because a level of a large graph keeps the processor busy by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, reduce
from typing import Any

import jax
import numpy as np

from sostruct.errors import ConfigError
from sostruct.networks.hgf import passes
from sostruct.networks.hgf.beliefs import Beliefs
from sostruct.networks.hgf.network import HGF
from sostruct.numerics import double_precision

_LARGE = 64
"""Nodes from which members run one after another."""


def filter_population(
    networks: Sequence[HGF], inputs: Any, time_steps: Any = None, *, strict: bool = True
) -> list[Beliefs]:
    """What each network's `filter` returns, from one compiled call on the packed schedule.

    Args:
        networks: belief networks with the same inputs and settings; their graphs, parameters and beliefs may differ.
        inputs: as in `HGF.filter`, the same for all.
        time_steps: as in `HGF.filter`, the same for all.
        strict: as in `HGF.filter`; a refusal says which network it was.

    Raises:
        ConfigError: there is no network, or two differ in their inputs or settings.
        DataError: see `HGF.filter`.
        GraphError: see `HGF.filter`.
        BeliefError: see `HGF.filter`.
    """
    members = list(networks)
    _check(members)
    capacity = reduce(lambda joined, one: joined.join(one.packed.capacity), members, members[0].packed.capacity)
    runners = [one.at_capacity(capacity)._with(drawn=None)._runner for one in members]
    series = runners[0].read(inputs, time_steps)
    if series.time_steps is not None:
        for one in runners[1:]:
            passes.check_time(one.packing, one.packed.wiring.parameters)
    wiring, start = jax.tree.map(
        lambda *own: np.stack(own), *((one.packed.wiring, one.packed.state) for one in runners)
    )
    axes = passes.axes_of(runners[0].packed.state, series.values, series.time_steps)
    large = max(one.topology.size for one in members) > _LARGE
    with double_precision(members[0].needs_double):
        done = passes.population(wiring, start, series.values, series.time_steps, axes, large)
    done = jax.tree.map(np.asarray, done)
    found = []
    for number, one in enumerate(runners):
        last, kept, tally = jax.tree.map(partial(_own, number), done)
        found.append(
            one.beliefs(series, one.packed.state, partial(_given, last), kept, tally, strict, f" of network {number}")
        )
    return found


def _given(last: Any) -> Any:
    return last


def _own(number: int, stacked: Any) -> Any:
    return stacked[number]


def _check(members: Sequence[HGF]) -> None:
    if not members:
        raise ConfigError("Cannot filter an empty population. This is because there is no network. Try at least one.")
    first = members[0]
    for number, one in enumerate(members):
        for what, mine, others in (
            ("inputs", one.inputs, first.inputs),
            ("settings", one.options, first.options),
            ("dtype", one.dtype, first.dtype),
        ):
            if mine != others:
                raise ConfigError(
                    f"Cannot filter these networks together. This is because network {number} has the {what} {mine} "
                    f"and network 0 has {others}. Try one population for each."
                )
