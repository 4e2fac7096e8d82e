"""The packed schedule: one step of a filter, block by block, over padded tables.

Means sweep down from the top of the graph, posteriors sweep up from the inputs; what does not depend on the order of
levels (variances of the mean-field filter, messages of the inputs) is computed for all nodes at once. Nothing here
depends on which edges exist, so editing a graph within its capacity runs the same compiled program. The mathematics is
that of `kinds`, `updates` and `evidence`; this file moves numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, final

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sostruct.networks.hgf.evidence import (
    Candidates,
    LinearUpdate,
    linear_update,
    one_after_another,
    pass_on,
    settled,
    shared_out,
)
from sostruct.networks.hgf.gathering import (
    Gathered,
    Rows,
    at,
    by_code,
    by_kind,
    edges_of,
    entangled,
    from_inputs,
    functions_of,
    parents_of,
    weights,
    window,
)
from sostruct.networks.hgf.kinds import KINDS
from sostruct.networks.hgf.kinds.base import (
    AbstractInput,
    AbstractLatent,
    Clock,
    Drive,
    Observation,
    ValueMessage,
    latent_message,
)
from sostruct.networks.hgf.layout import (
    COPARENTS,
    INPUT_COPARENTS,
    NO_DISTRIBUTION,
    TANGLED,
    VOLATILITY,
    Down,
    Outcome,
    Wiring,
    admitted,
)
from sostruct.networks.hgf.updates import Prediction, VolatilityMessage, volatility_message

_T = TypeVar("_T")
_Beliefs = dict[str, Array]

_ROW = 8
"""Columns of one table: XLA puts rows of up to so many together inside the loop's own arithmetic, others by copies."""


class _Block(NamedTuple):
    """First slot and number of nodes of a block, first position and number of its edges."""

    first: Array
    size: Array
    edge: Array
    edges: Array


class _Row(NamedTuple):
    """What a settled node leaves for its parents: one row of a table."""

    message: ValueMessage
    told: VolatilityMessage
    explained: Array
    upward: tuple[Array, Array]


class _Settled(NamedTuple):
    """The upward sweep so far.

    Attributes:
        beliefs: by name [slot].
        table: rows of `_Row`, as several [slot, column].
        below: precision and error that the inputs below each node bring it [slot]; see `evidence.Upward`.
        news: [slot].
        invalid: [slot].
    """

    beliefs: _Beliefs
    table: tuple[Array, ...]
    below: tuple[Array, Array]
    news: Array
    invalid: Array


@final
class PackedSchedule:
    """One step over a `Wiring`; built once per compiled pass.

    Args:
        wiring: the network.
        detail: whether marginal surprises of the inputs are wanted beside the joint one.
        bounded: whether sweeps run over all blocks of the capacity, so that reverse-mode differentiation and batches of
            different graphs work; otherwise they stop at the last block in use.
    """

    def __init__(self, wiring: Wiring, detail: bool, bounded: bool) -> None:
        capacity, tables = wiring.capacity, wiring.tables
        self.options, self.capacity = wiring.options, capacity
        self.width = capacity.input_width
        self.parameters = {name: jnp.asarray(value) for name, value in wiring.parameters.items()}
        self.kind = jnp.asarray(tables.kind)
        named = [(code, KINDS[name]) for code, name in enumerate(capacity.kind_names)]
        self.input_kinds = [(code, kind) for code, kind in named if isinstance(kind, AbstractInput)]
        self.latent_kinds = [(code, kind) for code, kind in named if isinstance(kind, AbstractLatent)]
        self.functions = functions_of(wiring)
        self.parents = parents_of(wiring)
        self.edges = edges_of(wiring)
        self.volatility_parents = jnp.asarray(tables.volatility_parents)
        self.volatile = jnp.asarray(tables.volatile)
        self.last, self.has_child = jnp.asarray(tables.last), jnp.asarray(tables.has_child)
        self.blocks = _Block(
            *map(jnp.asarray, (tables.block_first, tables.block_count, tables.block_edge, tables.block_edges))
        )
        self.used = jnp.sum(self.blocks.size > 0, dtype=jnp.int32)
        self.bounded = bounded
        traits = capacity.traits
        self.volatility = VOLATILITY in traits
        self.shared = wiring.options.joint and COPARENTS in traits
        self.correlated = wiring.options.joint and INPUT_COPARENTS in traits
        self.entangled = entangled(wiring, self.parents)
        self.dense = bool(traits & {COPARENTS, INPUT_COPARENTS, TANGLED})
        self.parts = tables.parts
        self.detail = detail
        self.marginals = detail or not all(kind.gaussian for _, kind in self.input_kinds)
        reads = (wiring.options.update.reads if self.volatility else frozenset()) | {"news"}
        bent = any(function.name != "identity" for function in self.functions)
        told = [name in reads for name in VolatilityMessage._fields]
        self.columns = [True, True, bent, *told, self.shared, not self.dense, not self.dense]
        """Which leaves of a `_Row` are read, in the order of its leaves."""

    def step(
        self, state: _Beliefs, carried: Array, value: Array, news: Array, clock: Clock
    ) -> tuple[_Beliefs, Array, Outcome]:
        """Predict, observe, update.

        Args:
            state: beliefs by name [slot].
            carried: covariances between latents that share an observed child [latent, latent], or empty.
            value: what the inputs show [input slot]; anything where `news` is false.
            news: which inputs were observed [input slot].
            clock: time since the step before.
        """
        return self.observe(state, carried, self.predict(state, clock), value, news, clock)

    def observe(
        self, state: _Beliefs, carried: Array, down: Down, value: Array, news: Array, clock: Clock
    ) -> tuple[_Beliefs, Array, Outcome]:
        """What `step` does once the predictions `down` are made: what an agent does after it has acted on them."""
        value = jnp.where(news, value, down.merged.mean[: self.width])
        linear, replaces = None, self.entangled
        if self.correlated:
            decay = down.merged.decay[self.width :]
            carried = carried * decay[:, None] * decay[None, :]
            replaces = replaces | jnp.any(carried != 0.0)
            linear = self._linear(state, down, carried, value, news)
        after = self._update(state, clock, down, value, news, linear, replaces)
        surprise, marginal, entropy, spread, sound = self._surprise(clock, down, after.below, carried, value, news)
        if sound is not None:
            broken = jnp.zeros_like(after.invalid, bool).at[: self.width].set(news & ~sound)
            after = after._replace(invalid=jnp.where(broken, NO_DISTRIBUTION, after.invalid))
        if linear is not None:
            carried = settled(linear.covariance, after.beliefs["precision"][self.width :])
        found = (down.merged.mean, down.merged.variance, after.news, surprise, marginal, entropy, spread, after.invalid)
        return after.beliefs, carried, Outcome(*found)

    def _sweep(self, body: Callable[[_T, _Block], _T], start: _T, up: bool) -> _T:
        """Carry something over the blocks, from the inputs up or from the top down."""
        if self.bounded:
            through = jax.lax.scan(lambda carry, block: (body(carry, block), None), start, self.blocks, reverse=not up)
            carried: _T = through[0]
            return carried

        def step(number: Array, carry: _T) -> _T:
            place = number if up else self.used - 1 - number
            return body(carry, jax.tree.map(lambda all: all[place], self.blocks))

        swept: _T = jax.lax.fori_loop(0, self.used, step, start)
        return swept

    # predictions

    def predict(self, state: _Beliefs, clock: Clock) -> Down:
        """The predictions of a step, from the beliefs before it."""
        parents, width, options = self.parents, self.width, self.options
        latent = (self.parameters, state, parents, self.kind, self.volatility_parents)

        def expect(mean: Array, block: _Block) -> Array:
            rows = Rows(block.first, block.size)
            own, before, above, kind, _ = rows.read(latent)
            through = by_code(above.function, [g.value(at(mean, above.slot)) for g in self.functions])
            value = jnp.sum(above.into_state * through, -1)
            means = [k.expect(own, before, value, clock) for _, k in self.latent_kinds]
            return rows.write(mean, by_kind(kind, self.latent_kinds, means))

        mean = self._sweep(expect, jnp.zeros_like(state["mean"]), up=False)
        above = at(mean, parents.slot)
        slopes = by_code(parents.function, [g.slope(above) for g in self.functions])
        through = by_code(parents.function[:width], [g.value(above[:width]) for g in self.functions])
        linear = jnp.sum(parents.into_input[:width] * through, -1)
        drives = jnp.sum(parents.volatility * above, -1)
        plain = (parents.into_state + parents.into_input) * slopes

        def predicted(
            parts: Any, mean: Array, value: Array, strength: Array, slope: Array, drive: Array, variance: Array
        ) -> tuple[Prediction, list[Prediction]]:
            own, before, _, kind, count = parts
            if options.relaxed:
                drive = drive + 0.5 * jnp.sum(strength**2 * variance, -1)
            full = Drive(value, jnp.sum(slope**2 * variance, -1), drive, count)
            each = [k.predict(own, before, mean, full, clock, options) for _, k in self.latent_kinds]
            return by_kind(kind, self.latent_kinds, [one._replace(inner={}) for one in each]), each

        variance = jnp.zeros_like(mean)
        if options.relaxed:

            def widen(variance: Array, block: _Block) -> Array:
                rows = Rows(block.first, block.size)
                parts = rows.read(latent)
                around = at(variance, parts[2].slot)
                merged, _ = predicted(
                    parts,
                    rows.read(mean),
                    jnp.zeros_like(rows.read(mean)),
                    parts[2].volatility,
                    rows.read(plain),
                    rows.read(drives),
                    around,
                )
                return rows.write(variance, merged.variance)

            variance = self._sweep(widen, variance, up=False)
        around = at(variance, parents.slot)
        hidden: Any = jax.tree.map(lambda all: all[width:], (latent, mean, parents.volatility, plain, drives, around))
        merged, latents = predicted(hidden[0], hidden[1], jnp.zeros_like(hidden[1]), *hidden[2:4], *hidden[4:])
        observed: Any = jax.tree.map(lambda all: all[:width], (latent, parents.volatility, plain, drives, around))
        (own, before, _, kind, count), strength, slope, drive, around = observed
        if options.relaxed:
            drive = drive + 0.5 * jnp.sum(strength**2 * around, -1)
        full = Drive(linear, jnp.sum(slope**2 * around, -1), drive, count)
        inputs = [k.predict_input(own, before, full, clock, options) for _, k in self.input_kinds]
        seen = by_kind(kind, self.input_kinds, [one._replace(inner={}) for one in inputs])
        both: Prediction = jax.tree.map(lambda first, second: jnp.concatenate([first, second]), seen, merged)
        explained = jnp.zeros_like(mean)
        if self.shared:
            point = above if options.at_prediction else at(state["mean"], parents.slot)
            bend = by_code(parents.function, [g.slope(point) for g in self.functions])
            weight = weights(parents.into_state, parents.into_input, clock)
            explained = jnp.sum((weight * bend) ** 2 * at(both.variance, parents.slot), -1)
        return Down(both, inputs, latents, slopes, linear, explained)

    # posteriors

    def _observed(
        self, state: _Beliefs, down: Down, value: Array, news: Array
    ) -> tuple[_Beliefs, ValueMessage, Observation, Array]:
        """Beliefs of the inputs, what they tell their value parents, their densities given them, what is invalid."""
        width = self.width
        own, before = jax.tree.map(lambda all: all[:width], (self.parameters, state))
        after, messages, densities, causes = [], [], [], []
        for (_, kind), prediction in zip(self.input_kinds, down.inputs, strict=True):
            seen = kind.observe(own, before, prediction, value, self.options)
            seen, _, cause = admitted(kind, before, prediction, seen, news, True)
            after.append({**before, **seen})
            causes.append(cause)
            messages.append(kind.input_message(prediction, value))
            densities.append(kind.observation(prediction, down.linear, jnp.zeros_like(value), value))
        kind_of = self.kind[:width]
        return (
            by_kind(kind_of, self.input_kinds, after),
            by_kind(kind_of, self.input_kinds, messages),
            by_kind(kind_of, self.input_kinds, densities),
            by_kind(kind_of, self.input_kinds, causes),
        )

    def _rows(self, row: _Row) -> tuple[Array, ...]:
        """Rows of the tables, of the columns that are read."""
        read = [part for part, read in zip(jax.tree.leaves(row), self.columns, strict=True) if read]
        return tuple(jnp.stack(read[first : first + _ROW], -1) for first in range(0, len(read), _ROW))

    def _below(self, table: tuple[Array, ...], child: Array) -> _Row:
        """Rows of children; what is never read is 0."""
        found = iter([column for part in table for column in jnp.moveaxis(at(part, child), -1, 0)])
        none = jnp.zeros(child.shape, table[0].dtype)
        parts = [next(found) if read else none for read in self.columns]
        told = 3 + len(VolatilityMessage._fields)
        message, volatility = ValueMessage(*parts[:3]), VolatilityMessage(*parts[3:told])
        return _Row(message, volatility, parts[told], (parts[told + 1], parts[told + 2]))

    def _update(
        self,
        state: _Beliefs,
        clock: Clock,
        down: Down,
        value: Array,
        news: Array,
        linear: LinearUpdate | None,
        replaces: Array,
    ) -> _Settled:
        width, options = self.width, self.options
        observed, message, density, invalid = self._observed(state, down, value, news)
        counts = news.astype(value.dtype)
        seen = jax.tree.map(lambda all: all[:width], down.merged)
        gaussian = counts * self.gaussian()
        first = _Row(
            ValueMessage(*(counts * part for part in message)),
            volatility_message(seen, observed["mean"], options.observed_variance(observed["precision"]), counts),
            down.explained[:width],
            (gaussian * density.shrink, gaussian * density.pull),
        )
        rows_of_inputs = self._rows(first)
        none = jnp.zeros(self.capacity.slots, value.dtype)
        start = _Settled(
            {name: all.at[:width].set(observed[name]) for name, all in state.items()},
            tuple(
                jnp.zeros((self.capacity.slots, part.shape[1]), value.dtype).at[:width].set(part)
                for part in rows_of_inputs
            ),
            (none, none),
            none.at[:width].set(counts),
            jnp.zeros(self.capacity.slots, jnp.int32).at[:width].set(invalid),
        )

        def settle(carry: _Settled, block: _Block) -> _Settled:
            rows, hidden = Rows(block.first, block.size), Rows(block.first - width, block.size)
            edges = window(self.edges, block.edge, block.edges, self.capacity.window)
            below = self._below(carry.table, edges.child)
            weight = weights(edges.into_state, edges.into_input, clock)
            own = rows.read(state)
            predictions, merged = hidden.read(down.latents), rows.read(down.merged)
            children = Gathered(
                edges,
                weight,
                self.functions,
                below.message,
                below.told if self.volatility else None,
                below.explained if self.shared else None,
                rows.read(self.last),
                rows.read(self.has_child),
                rows.read(self.volatile),
                None if linear is None else from_inputs(linear, replaces, edges, hidden, below.message),
                options.point(own["mean"], merged.mean),
            )
            slope = weight * by_code(edges.function, [children.each(g.slope(merged.mean)) for g in self.functions])
            informed, precision, error = children.total(
                below.told.news, slope**2 * below.upward[0], slope * below.upward[1]
            )
            told = informed > 0.0
            if linear is not None:
                told = told | hidden.read(linear.news)
            results, learnt, causes = [], [], []
            for (_, kind), prediction in zip(self.latent_kinds, predictions, strict=True):
                posterior = kind.posterior(own, prediction, children, options)
                posterior, able, cause = admitted(kind, own, prediction, posterior, told, False)
                results.append({**own, **posterior})
                learnt.append(able)
                causes.append(cause)
            kind_of = rows.read(self.kind)
            posterior = by_kind(kind_of, self.latent_kinds, results)
            cause = by_kind(kind_of, self.latent_kinds, causes)
            news = by_kind(kind_of, self.latent_kinds, learnt).astype(value.dtype)
            safe = merged._replace(variance=jnp.where(merged.variance > 0.0, merged.variance, 1.0))
            sent = latent_message(safe, posterior["mean"], posterior["precision"], options)
            upward = pass_on(precision, error, merged.conditional)
            row = _Row(
                ValueMessage(*(news * part for part in sent)),
                volatility_message(safe, posterior["mean"], 1.0 / posterior["precision"], news),
                rows.read(down.explained),
                (upward.precision, upward.error),
            )
            return rows.write(carry, _Settled(posterior, self._rows(row), (precision, error), news, cause))

        return self._sweep(settle, start, up=True)

    def _linear(self, state: _Beliefs, down: Down, carried: Array, value: Array, news: Array) -> LinearUpdate:
        """The exact update of the latents that inputs see, their covariance included."""
        width, parents = self.width, self.parents
        _, message, _, _ = self._observed(state, down, value, news)
        slopes = down.slopes[:width]
        if not self.options.at_prediction:
            before = at(state["mean"], parents.slot[:width])
            slopes = by_code(parents.function[:width], [g.slope(before) for g in self.functions])
        seen = jnp.zeros((width, self.capacity.slots), value.dtype)
        seen = seen.at[jnp.arange(width)[:, None], parents.slot[:width]].add(parents.into_input[:width] * slopes)
        covariance = carried + jnp.diag(down.merged.variance[width:])
        return linear_update(covariance, seen[:, width:], message.precision, message.error, news)

    # the score

    def _surprise(
        self, clock: Clock, down: Down, below: tuple[Array, Array], carried: Array, value: Array, news: Array
    ) -> tuple[Array, Array, Array, Array, Array | None]:
        """Joint surprise, and the surprise of every input by itself with its expectation where they are wanted.

        Then the variances of the inputs' linear predictors, where they are wanted, and whether the variables are
        distributions, where there are any with parts.
        """
        counts, sound = news.astype(value.dtype), None
        covariance = self._covariance(clock, down, carried) if self.dense else None
        if covariance is not None:
            spread = jnp.diagonal(covariance)
        else:
            spread = self._spread(clock, down) if self.marginals else jnp.zeros_like(value)
        marginal = self._density(down, spread, value)
        if self.parts is not None:
            marginal, sound = shared_out(self._densities(down, value), marginal, down.linear, spread, value, self.parts)
        if covariance is not None:
            joint = -one_after_another(down.linear, covariance, self._densities(down, value), value, news, self.parts)
        else:
            own = self._density(down, jnp.zeros_like(value), value).log_density
            own = jnp.where(self.gaussian() > 0.0, own, marginal.log_density)
            inner = pass_on(*below, down.merged.conditional).log_density
            joint = -jnp.sum(counts * own) - jnp.sum(inner[self.width :])
        if not self.detail:
            return joint, value[:0], value[:0], value[:0], sound
        return joint, -counts * marginal.log_density, counts * marginal.entropy, spread, sound

    def _density(self, down: Down, spread: Array, value: Array) -> Observation:
        each = [
            kind.observation(prediction, down.linear, spread, value)
            for (_, kind), prediction in zip(self.input_kinds, down.inputs, strict=True)
        ]
        return by_kind(self.kind[: self.width], self.input_kinds, each)

    def _densities(self, down: Down, value: Array) -> list[Candidates]:
        """Per kind of input, Gaussian ones first."""
        kinds, of = zip(self.input_kinds, down.inputs, strict=True), self.kind[: self.width]
        found = [Candidates(of == code, kind, prediction._replace(inner={})) for (code, kind), prediction in kinds]
        return sorted(found, key=lambda own: not own.kind.gaussian)

    def gaussian(self) -> Array:
        """1 where an input slot is of a Gaussian kind."""
        kind_of = self.kind[: self.width]
        return sum((kind_of == code) * 1.0 for code, kind in self.input_kinds if kind.gaussian) + jnp.zeros(self.width)

    def _spread(self, clock: Clock, down: Down) -> Array:
        """Variance of the linear predictors of the inputs, where no node has several uncertain value parents."""
        weight = weights(self.parents.into_state, self.parents.into_input, clock) * down.slopes

        def widen(spread: Array, block: _Block) -> Array:
            rows = Rows(block.first, block.size)
            inherited = jnp.sum(rows.read(weight) ** 2 * at(spread, rows.read(self.parents.slot)), -1)
            return rows.write(spread, rows.read(down.merged.conditional) + inherited)

        spread = self._sweep(widen, jnp.zeros_like(down.merged.mean), up=False)
        return jnp.sum(weight[: self.width] ** 2 * at(spread, self.parents.slot[: self.width]), -1)

    def _covariance(self, clock: Clock, down: Down, carried: Array) -> Array:
        """Covariance of the linear predictors of the inputs."""
        width = self.width
        unit = jnp.eye(self.capacity.slots, width, dtype=down.linear.dtype)

        def reach(table: Array, block: _Block) -> Array:
            rows = Rows(block.first, block.size)
            edges = window(self.edges, block.edge, block.edges, self.capacity.window)
            mean = rows.read(down.merged.mean)
            slope = by_code(edges.function, [at(g.slope(mean), edges.row) for g in self.functions])
            slope = slope * weights(edges.into_state, edges.into_input, clock)
            through = jnp.where(jnp.arange(len(mean))[:, None] == edges.row, slope, 0.0) @ at(table, edges.child)
            return rows.write(table, through)

        table = self._sweep(reach, unit, up=True)
        own = down.merged.conditional[width:]
        hidden = table[width:]
        covariance = hidden.T @ (own[:, None] * hidden)
        return covariance + hidden.T @ (carried @ hidden) if self.correlated else covariance
