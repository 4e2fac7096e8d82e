"""A belief network as arrays: its wiring and where its beliefs stand.

The rows of an epoch's signals are slots, padding included, so that members of a population agree in shape; the network
picks the rows of its nodes. Everything here is numpy on the host until compiled code takes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from sostruct.graph import Capacity, Packing
from sostruct.networks.base import AbstractPacked
from sostruct.networks.hgf import filtering
from sostruct.networks.hgf.filtering import BeliefState, Totals
from sostruct.networks.hgf.kinds import KINDS
from sostruct.networks.hgf.layout import INPUT_COPARENTS, Wiring, tables
from sostruct.networks.hgf.updates import Options
from sostruct.numerics import Numbers
from sostruct.surprise import Signals

_SMALL = 64
"""Slots of hidden nodes up to which a graph counts as small."""


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
        capacity: that of the wiring.
    """

    wiring: Wiring
    state: BeliefState
    capacity: Capacity = eqx.field(static=True)

    def __init__(self, wiring: Wiring, state: BeliefState) -> None:
        self.wiring, self.state, self.capacity = wiring, state, wiring.capacity

    @property
    def at_rest(self) -> bool:
        """True: an epoch begins anew, and finds the same."""
        return True

    def epoch(self, data: Observations, *, key: PRNGKeyArray) -> tuple[PackedHGF, Signals]:
        """Filter a series from where the beliefs stand. Deterministic: `key` is unused.

        A node whose posterior is invalid at some step holds its prediction there, which is a predictive density too:
        the evidence stays comparable. The surprise of an input is its marginal one and is expected to equal its
        entropy; a hidden state observes nothing, and its row is its excess (ph / p + ph d^2 - 1) / 2 with 0 expected.
        """
        del key
        inputs = widened(data.inputs, self.capacity.input_width)
        elapsed = None if data.time_steps is None else jnp.asarray(data.time_steps)
        # small graphs are vmapped by counterfactuals, where a sweep that stops early costs more than a whole one
        small = self.capacity.latent_width <= _SMALL
        state, sums, _ = filtering.totals(self.wiring, self.state, inputs, elapsed, detail=True, bounded=small)
        return PackedHGF(self.wiring, state), _signals(sums, state)


def widened(inputs: Numbers, width: int) -> Float[Array, "time slot"]:
    """A series [time, input] in the columns of the input slots, the last of which are missing."""
    values = jnp.asarray(inputs)
    return jnp.pad(values, ((0, 0), (0, width - values.shape[1])), constant_values=jnp.nan)


def fresh(packing: Packing, options: Options) -> PackedHGF:
    """A packed graph before its first step."""
    wiring = Wiring({**packing.parameters}, packing.parent_strength, tables(packing), packing.capacity, options)
    return PackedHGF(wiring, initial(packing, packing.parameters, options))


def initial(packing: Packing, parameters: Mapping[str, Numbers], options: Options) -> BeliefState:
    """Beliefs before the first step, from parameters by slot. Padding believes in N(0, 1)."""
    capacity = packing.capacity
    names = {"mean", "precision"}.union(*(KINDS[name].state for name in capacity.kind_names))
    beliefs: dict[str, Numbers] = {}
    for name in sorted(names):
        beliefs[name] = np.full(capacity.slots, 1.0 if name.endswith("precision") else 0.0)
    for code, name in enumerate(capacity.kind_names):
        slots = np.flatnonzero(packing.kind == code)
        own = {parameter: np.asarray(values)[slots] for parameter, values in parameters.items()}
        for belief, values in KINDS[name].initial(own).items():
            beliefs[belief][slots] = np.asarray(values)
    latents = capacity.slots - capacity.input_width if options.joint and INPUT_COPARENTS in capacity.traits else 0
    return BeliefState(beliefs, np.zeros((latents, latents)))


def _signals(sums: Totals, after: BeliefState) -> Signals:
    """Sums over a series, and the beliefs after it, as signals by slot."""
    mean, variance = jnp.asarray(after.beliefs["mean"]), 1.0 / jnp.asarray(after.beliefs["precision"])
    hidden = jnp.zeros_like(sums.misfit[sums.marginal.shape[0] :])
    seen = jnp.where(sums.count > 0.0, sums.count, 1.0)
    return Signals(
        surprise=jnp.concatenate([sums.marginal, 0.5 * sums.misfit[sums.marginal.shape[0] :]]),
        expected=jnp.concatenate([sums.entropy, hidden]),
        error=jnp.sqrt(sums.squared / seen),
        precision=sums.sharpness / seen,
        count=sums.count,
        evidence=-sums.surprise,
        gains=None,
        errors=None if sums.errors is None else sums.errors.signals(sums.count, mean, variance),
    )
