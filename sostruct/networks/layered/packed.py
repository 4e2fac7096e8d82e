"""The compiled half of a layered network: one pass over the data learns, and says how surprised the output is.

What is known of a row before it is learned is not asked here, as it is of a filter: parameters meet every row many
times. Surprise is therefore that of rows that are held out, which parameters never meet; where none are held out, that
of all rows after the pass. The parameters that were best so far, by that surprise, are kept beside those that go on.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, Shaped

from sostruct.graph import Capacity
from sostruct.networks.base import AbstractPacked
from sostruct.networks.layered.forward import Parameters, sums
from sostruct.networks.layered.learning import Learning, learned
from sostruct.networks.layered.outputs import AbstractOutput, GaussianOutput, output_of
from sostruct.networks.layered.plan import Plan
from sostruct.numerics import Numbers
from sostruct.surprise import AbstractGains, Signals

IMPROVEMENT = 1e-4
"""Nats per row by which surprise must fall to count: what learns by small steps falls by less and less for ever."""

NOISE_FLOOR = 1e-6
"""Least variance of a target about its prediction, in variances of the target: a table without noise has one."""


class LayeredData(eqx.Module):
    """Rows as they came, and those held out of learning.

    Attributes:
        inputs: features of the rows that are learned [row, column].
        target: what is to be predicted: classes by number [row], or values [row, unit].
        heldout_inputs: features of rows that are not [row, column].
        heldout_target: their targets; as many as there are rows, which may be none.
    """

    inputs: Float[Numbers, "row column"]
    target: Shaped[Numbers, row * unit]
    heldout_inputs: Float[Numbers, "heldout column"]
    heldout_target: Shaped[Numbers, heldout * unit]


class Units(eqx.Module):
    """In which units the data come; what is learned is learned of standardized numbers.

    Attributes:
        center: of the columns of each input node [column].
        scale: likewise, what one unit of a standardized number is.
        target_center: of the values of a regression [unit].
        target_scale: likewise.
    """

    center: tuple[Float[Numbers, " _"], ...]
    scale: tuple[Float[Numbers, " _"], ...]
    target_center: Float[Numbers, " unit"]
    target_scale: Float[Numbers, " unit"]


class LayeredGains(AbstractGains):
    """What an epoch says besides surprise.

    Attributes:
        reducible: zeros: a layered network has no closed-form prices [node].
        training: mean surprise per learned row after the pass, nats.
        quiet: epochs since the parameters were best.
    """

    reducible: Float[Array, " node"]
    training: Float[Numbers, ""]
    quiet: Int[Numbers, ""]


class PackedLayered(AbstractPacked):
    """Arrays of a layered network.

    Attributes:
        parameters: what is learned.
        there: which of them there are.
        state: the optimizer's.
        noise: variance of a regression's targets about the prediction, in variances of the targets [unit].
        best: the parameters that were best, and the noise with them.
        best_surprise: how surprised they were, mean per row, nats.
        quiet: epochs since.
        units: in which the data come.
        plan: which populations feed which.
        learning: how parameters are learned.
        capacity: the sizes compiled code depends on.
    """

    parameters: Parameters
    there: Parameters
    state: Any
    noise: Float[Numbers, " unit"]
    best: tuple[Parameters, Float[Numbers, " unit"]]
    best_surprise: Float[Numbers, ""]
    quiet: Int[Numbers, ""]
    units: Units
    plan: Plan = eqx.field(static=True)
    learning: Learning = eqx.field(static=True)
    capacity: Capacity = eqx.field(static=True)

    @property
    def output(self) -> AbstractOutput:
        """The likelihood of the output node."""
        return output_of(self.plan.kinds[self.plan.output], self.plan.widths[self.plan.output])

    @property
    def at_rest(self) -> bool:
        """Whether nothing has improved for as many epochs as learning is patient."""
        return self.learning.patience is not None and int(self.quiet) >= self.learning.patience

    def epoch(self, data: LayeredData, *, key: PRNGKeyArray) -> tuple[PackedLayered, Signals]:
        """One pass over the learned rows in mini-batches; then how surprised the output is by the held-out rows."""
        output, plan = self.output, self.plan
        inputs, target = self.standardized(data.inputs), self.standardized_target(data.target)
        start = jax.tree.map(jnp.asarray, (self.parameters, self.state))
        there = jax.tree.map(jnp.asarray, self.there)
        noise = jnp.asarray(self.noise)
        parameters, state = learned(plan, output, self.learning, start, there, inputs, target, noise, key)

        z = sums(plan, parameters, inputs)[plan.output]
        if isinstance(output, GaussianOutput):
            noise = jnp.maximum(jnp.mean(output.squared(z, target), axis=0), NOISE_FLOOR)
        training = jnp.mean(output.surprise(z, target, noise))
        if data.heldout_target.shape[0]:
            target = self.standardized_target(data.heldout_target)
            z = sums(plan, parameters, self.standardized(data.heldout_inputs))[plan.output]
        rows = target.shape[0]
        stretch = self.stretch
        surprise = jnp.sum(output.surprise(z, target, noise)) + rows * stretch
        mean = surprise / rows
        better = mean < self.best_surprise - IMPROVEMENT
        quiet = jnp.where(better, 0, self.quiet + 1)
        best = jax.tree.map(lambda new, old: jnp.where(better, new, jnp.asarray(old)), (parameters, noise), self.best)
        squared, scale = output.squared(z, target), jnp.asarray(self.units.target_scale)
        error = jnp.sqrt(jnp.mean(jnp.sum(squared * scale**2, axis=1)))
        here = jnp.arange(len(plan.kinds)) == plan.output

        def row(number: Array | float | int) -> Array:
            return jnp.where(here, jnp.asarray(number, noise.dtype), 0.0)

        signals = Signals(
            surprise=row(surprise),
            expected=row(jnp.sum(output.expected(z, noise)) + rows * stretch),
            error=row(error),
            precision=row(1.0 / jnp.maximum(error**2, 1e-30)),
            count=row(rows),
            evidence=-surprise,
            gains=LayeredGains(reducible=row(0.0), training=training + stretch, quiet=quiet),
        )
        after = PackedLayered(
            parameters=parameters,
            there=there,
            state=state,
            noise=noise,
            best=best,
            best_surprise=jnp.where(better, mean, self.best_surprise),
            quiet=quiet,
            units=self.units,
            plan=plan,
            learning=self.learning,
            capacity=self.capacity,
        )
        return after, signals

    @property
    def stretch(self) -> Float[Array, ""]:
        """ln of the units of a regression's targets, summed: what a density of standardized numbers lacks [nats]."""
        if not isinstance(self.output, GaussianOutput):
            return jnp.zeros(())
        return jnp.sum(jnp.log(jnp.asarray(self.units.target_scale)))

    def standardized(self, features: Float[Numbers, "row column"]) -> tuple[Float[Array, "row _"], ...]:
        """What each input node observes [row, unit]."""
        found, begin = [], 0
        for center, scale in zip(self.units.center, self.units.scale, strict=True):
            own = jnp.asarray(features)[:, begin : begin + center.shape[0]]
            found.append((own - center) / scale)
            begin += center.shape[0]
        return tuple(found)

    def standardized_target(self, target: Shaped[Numbers, row * unit]) -> Shaped[Array, row * unit]:
        """Targets as the output predicts them."""
        if not isinstance(self.output, GaussianOutput):
            return jnp.asarray(target)
        return (jnp.asarray(target) - self.units.target_center) / self.units.target_scale
