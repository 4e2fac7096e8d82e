"""The packed schedule: one step of a filter, level by level, over padded tables.

Predictions sweep from the top level down, posteriors from the inputs up; every level is a contiguous slice of the slots
and gathers from the levels it depends on. Nothing here depends on which edges exist, so editing a graph within its
capacity runs the same compiled program. The mathematics is that of `kinds` and `updates`; this file moves numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple, TypeVar, final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sostruct.networks.hgf.couplings import FUNCTIONS, CouplingFunction, Real
from sostruct.networks.hgf.evidence import LinearUpdate, linear_update, of_input, one_after_another, pass_on
from sostruct.networks.hgf.kinds import KINDS
from sostruct.networks.hgf.kinds.base import (
    AbstractInput,
    AbstractKind,
    AbstractLatent,
    Clock,
    Drive,
    ValueMessage,
    latent_message,
)
from sostruct.networks.hgf.layout import (
    COPARENTS,
    INPUT_COPARENTS,
    TANGLED,
    VOLATILITY,
    Outcome,
    Wiring,
    invalid_code,
)
from sostruct.networks.hgf.updates import (
    AbstractChildren,
    Prediction,
    VolatilityMessage,
    volatility_message,
)

_T = TypeVar("_T")
_State = dict[str, Float[Array, " slot"]]


class _Edges(NamedTuple):
    """Padded neighbours of every slot, masks multiplied out."""

    other: Array
    to_state: Array
    to_input: Array
    volatility: Array
    function: Array


@final
class PackedSchedule:
    """One step over a `Wiring`; built once per compiled pass."""

    def __init__(self, wiring: Wiring) -> None:
        tables, capacity = wiring.tables, wiring.capacity
        self.options = wiring.options
        self.capacity = capacity
        self.parameters = {name: jnp.asarray(value) for name, value in wiring.parameters.items()}
        self.kind = jnp.asarray(tables.kind)
        self.kinds: list[tuple[int, AbstractKind]] = [
            (code, KINDS[name]) for code, name in enumerate(capacity.kind_names)
        ]
        self.functions: list[CouplingFunction] = [FUNCTIONS[name] for name in capacity.function_names]
        width = capacity.input_width
        strength = jnp.asarray(wiring.strength)
        observed = (jnp.arange(capacity.slots) < width)[:, None]
        value = strength * tables.parent_value
        self.parents = _Edges(
            jnp.asarray(tables.parent),
            jnp.where(observed, 0.0, value),
            jnp.where(observed, value, 0.0),
            strength * tables.parent_volatility,
            jnp.asarray(tables.parent_function),
        )
        child = jnp.asarray(tables.child)
        downward = strength[child, jnp.asarray(tables.child_column)]
        value = downward * tables.child_value
        self.children = _Edges(
            child,
            jnp.where(child < width, 0.0, value),
            jnp.where(child < width, value, 0.0),
            downward * tables.child_volatility,
            jnp.asarray(tables.child_function),
        )
        self.has_child = jnp.asarray(tables.child_value) + jnp.asarray(tables.child_volatility)
        self.volatility_parents = jnp.asarray(tables.volatility_parents)
        self.volatile = jnp.asarray(tables.volatile)
        self.volatility = VOLATILITY in capacity.traits
        self.correlated = wiring.options.joint and INPUT_COPARENTS in capacity.traits
        self.shared = wiring.options.joint and COPARENTS in capacity.traits
        self.dense = bool(capacity.traits & {COPARENTS, INPUT_COPARENTS, TANGLED})

    def step(
        self, state: _State, carried: Array, value: Array, news: Array, clock: Clock
    ) -> tuple[_State, Array, Outcome]:
        """Predict, observe, update.

        Args:
            state: beliefs by name [slot].
            carried: covariances between latents that share an observed child [latent, latent], or empty.
            value: what the inputs show [input slot]; anything where `news` is false.
            news: which inputs were observed [input slot].
            clock: time since the step before.
        """
        levels = range(self.capacity.levels)
        predictor = _Predictor(self, state, clock)
        for level in reversed(levels):
            predictor.predict(level)
        predicted = predictor.merged
        linear: LinearUpdate | None = None
        upward = _Upward(self, state, clock, predictor, value, news)
        if self.correlated:
            carried = carried * predictor.decay[:, None] * predictor.decay[None, :]
            linear = upward.linear(carried)
        if self.dense:
            surprise, spread = upward.dense(carried if self.correlated else None)
        else:
            surprise, spread = None, predictor.spread[: self.capacity.input_width]
        marginal, entropy = upward.observe(spread)
        for level in levels[1:]:
            upward.update(level, linear)
        after = {name: jnp.concatenate(parts) for name, parts in upward.posterior.items()}
        if linear is not None:
            width = self.capacity.input_width
            scale = jnp.sqrt(1.0 / (after["precision"][width:] * jnp.diagonal(linear.covariance)))
            scale = jnp.where(jnp.diagonal(linear.covariance) > 0.0, scale, 0.0)
            carried = linear.covariance * scale[:, None] * scale[None, :]
            carried = jnp.where(jnp.eye(len(scale), dtype=bool), 0.0, carried)
        outcome = Outcome(
            expected_mean=jnp.concatenate([one.mean for one in predicted]),
            expected_variance=jnp.concatenate([one.variance for one in predicted]),
            news=upward.news,
            surprise=-upward.log_density if surprise is None else surprise,
            marginal=marginal,
            entropy=entropy,
            invalid=jnp.concatenate(upward.invalid),
        )
        return after, carried, outcome

    def weights(self, edges: _Edges, level: slice, clock: Clock) -> Array:
        """Value coupling strengths as they enter predictions: w into an input, dt w into a state."""
        if clock.regular:
            return edges.to_state[level] + edges.to_input[level]
        return clock.dt * edges.to_state[level] + edges.to_input[level]

    def by_function(self, codes: Array, parts: list[Array]) -> Array:
        """One number per edge, from one number per function and node."""
        return reduce(
            lambda chosen, coded: jnp.where(codes == coded[0], coded[1][..., None], chosen),
            enumerate(parts[1:], 1),
            jnp.broadcast_to(parts[0][..., None], codes.shape),
        )

    def roles(self, level: int) -> list[tuple[int, AbstractKind]]:
        """The kinds that can stand at a level, with their codes."""
        role = AbstractInput if level == 0 else AbstractLatent
        return [(code, kind) for code, kind in self.kinds if isinstance(kind, role)]

    def select(self, level: int, results: list[Any]) -> Any:
        """Results of every kind of `roles`, merged by the kind that each slot has."""
        own = self.kind[self.capacity.level_slice(level)]
        merged = results[0]
        for (code, _), result in zip(self.roles(level)[1:], results[1:], strict=True):
            merged = jax.tree.map(lambda old, new, code=code: jnp.where(own == code, new, old), merged, result)
        return merged


@final
class _Predictor:
    """The downward sweep."""

    def __init__(self, schedule: PackedSchedule, state: _State, clock: Clock) -> None:
        capacity = schedule.capacity
        self.schedule, self.state, self.clock = schedule, state, clock
        zeros = jnp.zeros(capacity.slots, state["mean"].dtype)
        self.mean, self.variance, self.spread = zeros, zeros, zeros
        count = len(schedule.functions)
        self.values = [zeros] * count
        self.slopes = [zeros] * count
        self.slopes_at_point = [zeros] * count
        self.by_kind: list[list[Prediction]] = [[] for _ in range(capacity.levels)]
        self.merged: list[Prediction] = [Prediction(*[zeros] * 8, {})] * capacity.levels
        self.explained: list[Array] = [zeros] * capacity.levels
        self.linear = zeros

    @property
    def decay(self) -> Array:
        return jnp.concatenate([one.decay for one in self.merged[1:]])

    def predict(self, level: int) -> None:
        schedule, clock, options = self.schedule, self.clock, self.schedule.options
        rows = schedule.capacity.level_slice(level)
        other = schedule.parents.other[rows]
        weight = schedule.weights(schedule.parents, rows, clock)
        codes = schedule.parents.function[rows]
        plain = schedule.parents.to_state[rows] + schedule.parents.to_input[rows]
        value = jnp.sum(plain * self._at(self.values, codes, other), -1)
        slope = self._at(self.slopes, codes, other)
        spread = jnp.sum((weight * slope) ** 2 * self.spread[other], -1)
        none = jnp.zeros_like(value)
        volatility, variance = none, none
        if schedule.volatility:
            strength = schedule.parents.volatility[rows]
            volatility = jnp.sum(strength * self.mean[other], -1)
            if options.relaxed:
                volatility = volatility + 0.5 * jnp.sum(strength**2 * self.variance[other], -1)
        if options.relaxed:
            variance = jnp.sum((plain * slope) ** 2 * self.variance[other], -1)
        if schedule.shared:
            at_point = slope if options.at_prediction else self._at(self.slopes_at_point, codes, other)
            self.explained[level] = jnp.sum((weight * at_point) ** 2 * self.variance[other], -1)
        drive = Drive(value, variance, volatility, schedule.volatility_parents[rows])
        parameters = {name: numbers[rows] for name, numbers in schedule.parameters.items()}
        state = {name: numbers[rows] for name, numbers in self.state.items()}
        for _, kind in schedule.roles(level):
            if level == 0 and isinstance(kind, AbstractInput):
                self.by_kind[level].append(kind.predict_input(parameters, state, drive, clock, options))
            elif isinstance(kind, AbstractLatent):
                self.by_kind[level].append(kind.predict(parameters, state, drive, clock, options))
        merged: Prediction = schedule.select(level, [one._replace(inner={}) for one in self.by_kind[level]])
        self.merged[level] = merged
        if level == 0:
            self.linear = value
            self.spread = self.spread.at[rows].set(spread)
            return
        self.mean = self.mean.at[rows].set(merged.mean)
        self.variance = self.variance.at[rows].set(merged.variance)
        self.spread = self.spread.at[rows].set(merged.conditional + spread)
        for number, function in enumerate(schedule.functions):
            self.values[number] = self.values[number].at[rows].set(function.value(merged.mean))
            self.slopes[number] = self.slopes[number].at[rows].set(function.slope(merged.mean))
            if not options.at_prediction:
                self.slopes_at_point[number] = (
                    self.slopes_at_point[number].at[rows].set(function.slope(state["mean"]))
                )

    def _at(self, parts: list[Array], codes: Array, other: Array) -> Array:
        if len(parts) == 1:
            return parts[0][other]
        return jnp.concatenate(parts)[codes * len(parts[0]) + other]


@final
class _Upward:
    """The upward sweep: inputs are observed, then every level learns from its children."""

    def __init__(
        self, schedule: PackedSchedule, state: _State, clock: Clock, predictor: _Predictor, value: Array, news: Array
    ) -> None:
        self.schedule, self.state, self.clock, self.predictor = schedule, state, clock, predictor
        self.value, self.seen = value, news
        zeros = jnp.zeros(schedule.capacity.slots, value.dtype)
        self.messages = ValueMessage(zeros, zeros, zeros)
        self.volatility = VolatilityMessage(zeros, zeros, zeros + 1.0, zeros + 1.0, zeros, zeros + 1.0, zeros)
        self.explained = zeros
        self.precision, self.error = zeros, zeros
        self.news = zeros
        self.log_density = jnp.zeros((), value.dtype)
        self.posterior: dict[str, list[Array]] = {name: [] for name in state}
        self.invalid: list[Array] = []

    def observe(self, spread: Array) -> tuple[Array, Array]:
        """Level 0: posteriors, messages and marginal densities of the inputs."""
        schedule, predictor = self.schedule, self.predictor
        rows = schedule.capacity.level_slice(0)
        parameters = {name: numbers[rows] for name, numbers in schedule.parameters.items()}
        state = {name: numbers[rows] for name, numbers in self.state.items()}
        counts = self.seen.astype(self.value.dtype)
        posteriors, messages, marginals, certain = [], [], [], []
        for (_, kind), prediction in zip(schedule.roles(0), predictor.by_kind[0], strict=True):
            assert isinstance(kind, AbstractInput)
            value = jnp.where(self.seen, self.value, prediction.mean)
            seen = kind.observe(parameters, state, prediction, value, schedule.options)
            held = kind.held(state, prediction)
            posteriors.append({**state, **_where(self.seen, seen, held)})
            messages.append(kind.input_message(prediction, value))
            marginals.append(kind.observation(prediction, predictor.linear, spread, value))
            upward = of_input(kind.observation(prediction, predictor.linear, jnp.zeros_like(spread), value))
            none = jnp.zeros_like(spread)
            certain.append(upward if kind.gaussian else upward._replace(precision=none, error=none, log_density=none))
        posterior = schedule.select(0, posteriors)
        message: ValueMessage = schedule.select(0, messages)
        marginal = schedule.select(0, marginals)
        upward = schedule.select(0, certain)
        gaussian = jnp.zeros_like(self.seen)
        for code, kind in schedule.roles(0):
            if isinstance(kind, AbstractInput) and kind.gaussian:
                gaussian = gaussian | (schedule.kind[rows] == code)
        self._settle(0, predictor.merged[0], posterior, message, counts)
        if not schedule.dense:
            self.precision = self.precision.at[rows].set(counts * upward.precision)
            self.error = self.error.at[rows].set(counts * upward.error)
            own = jnp.where(gaussian, upward.log_density, marginal.log_density)
            self.log_density = self.log_density + jnp.sum(counts * own)
        return -counts * marginal.log_density, counts * marginal.entropy

    def update(self, level: int, linear: LinearUpdate | None) -> None:
        """A hidden level: posteriors from the children's messages, and messages of its own."""
        schedule, predictor, options = self.schedule, self.predictor, self.schedule.options
        rows = schedule.capacity.level_slice(level)
        state = {name: numbers[rows] for name, numbers in self.state.items()}
        merged = predictor.merged[level]
        edges = _Edges(*(part[rows] for part in schedule.children))
        children = _Gathered(
            schedule,
            schedule.weights(schedule.children, rows, self.clock),
            edges,
            jax.tree.map(lambda numbers: numbers[edges.other], self.messages),
            jax.tree.map(lambda numbers: numbers[edges.other], self.volatility) if schedule.volatility else None,
            self.explained[edges.other] if schedule.shared else None,
            schedule.volatile[rows],
            self._from_inputs(level, linear, edges),
        )
        has = schedule.has_child[rows]
        news = jnp.max(has * self.news[edges.other], -1)
        if linear is not None:
            width = schedule.capacity.input_width
            news = jnp.maximum(news, linear.news[rows.start - width : rows.stop - width].astype(news.dtype))
        results = []
        invalid = []
        for (_, kind), prediction in zip(schedule.roles(level), predictor.by_kind[level], strict=True):
            assert isinstance(kind, AbstractLatent)
            posterior = kind.posterior(state, prediction, children, options)
            held = kind.held(state, prediction)
            cause = invalid_code(prediction, posterior)
            cause = jnp.where(news > 0.0, cause, jnp.where(cause == 3, cause, 0))
            fallback = _where(cause == 3, {name: state[name] for name in held}, held)
            results.append({**state, **_where((news > 0.0) & (cause == 0), posterior, fallback)})
            invalid.append(cause if kind.varies else jnp.zeros_like(cause))
        posterior = schedule.select(level, results)
        self._pass_up(level, edges)
        message = latent_message(
            merged._replace(variance=jnp.where(merged.variance > 0.0, merged.variance, 1.0)),
            posterior["mean"],
            posterior["precision"],
            options,
        )
        self._settle(level, merged, posterior, message, news, schedule.select(level, invalid))

    def linear(self, carried: Array) -> LinearUpdate:
        """The exact update of latents from inputs, whose messages it recomputes from the predictions."""
        schedule, predictor = self.schedule, self.predictor
        messages = [
            kind.input_message(prediction, jnp.where(self.seen, self.value, prediction.mean))
            for (_, kind), prediction in zip(schedule.roles(0), predictor.by_kind[0], strict=True)
            if isinstance(kind, AbstractInput)
        ]
        message: ValueMessage = schedule.select(0, messages)
        width = schedule.capacity.input_width
        rows = schedule.capacity.level_slice(0)
        other, codes = schedule.parents.other[rows], schedule.parents.function[rows]
        slopes = predictor.slopes if schedule.options.at_prediction else predictor.slopes_at_point
        slope = schedule.parents.to_input[rows] * predictor._at(slopes, codes, other)
        table = jnp.zeros((width, schedule.capacity.slots), slope.dtype)
        table = table.at[jnp.arange(width)[:, None], other].add(slope)[:, width:]
        covariance = carried + jnp.diag(predictor.variance[width:])
        return linear_update(covariance, table, message.precision, message.error, self.seen)

    def dense(self, carried: Array | None) -> tuple[Array, Array]:
        """Joint surprise through the covariance of the linear predictors, and that covariance's diagonal."""
        schedule, predictor = self.schedule, self.predictor
        width = schedule.capacity.input_width
        reach = jnp.zeros((schedule.capacity.slots, width), self.value.dtype)
        reach = reach.at[:width].set(jnp.eye(width, dtype=reach.dtype))
        for level in range(1, schedule.capacity.levels):
            rows = schedule.capacity.level_slice(level)
            slope = self._slopes(level, _Edges(*(part[rows] for part in schedule.children)))
            reach = reach.at[rows].set(jnp.einsum("sc,sci->si", slope, reach[schedule.children.other[rows]]))
        own = jnp.concatenate([one.conditional for one in predictor.merged[1:]])
        covariance = reach[width:].T @ (own[:, None] * reach[width:])
        if carried is not None:
            covariance = covariance + reach[width:].T @ (carried @ reach[width:])

        def density(kind: AbstractInput, prediction: Prediction) -> Callable[[Array, Array, Array], Any]:
            def at(number: Array, mean: Array, variance: Array) -> Any:
                mine = jax.tree.map(lambda numbers: numbers[number], prediction._replace(inner={}))
                value = jnp.where(self.seen[number], self.value[number], mine.mean)
                return kind.observation(mine, mean, variance, value)

            return at

        densities: list[tuple[Array, object]] = []
        for (code, kind), prediction in zip(schedule.roles(0), predictor.by_kind[0], strict=True):
            assert isinstance(kind, AbstractInput)
            entry = (schedule.kind[:width] == code, density(kind, prediction))
            densities.insert(0 if kind.gaussian else len(densities), entry)
        log_density = one_after_another(predictor.linear, covariance, densities, self.seen)
        return -log_density, jnp.diagonal(covariance)

    def _from_inputs(self, level: int, linear: LinearUpdate | None, edges: _Edges) -> tuple[Array, Array, Array] | None:
        """What a correlated update says about this level: precision, error, and q of every input child for the node."""
        if linear is None:
            return None
        width = self.schedule.capacity.input_width
        rows = self.schedule.capacity.level_slice(level)
        own = slice(rows.start - width, rows.stop - width)
        weight = linear.weight.T[own]
        from_input = jnp.where(edges.to_input != 0.0, edges.other, 0)
        return linear.precision[own], linear.error[own], jnp.take_along_axis(weight, from_input, 1)

    def _slopes(self, level: int, edges: _Edges) -> Array:
        """Derivatives of the children's linear predictors, at the prediction [slot of the level, child]."""
        rows = self.schedule.capacity.level_slice(level)
        slope = self.schedule.by_function(edges.function, [part[rows] for part in self.predictor.slopes])
        return self.schedule.weights(self.schedule.children, rows, self.clock) * slope

    def _pass_up(self, level: int, edges: _Edges) -> None:
        """Integrate this level's innovations out of the joint density."""
        if self.schedule.dense:
            return
        rows = self.schedule.capacity.level_slice(level)
        slope = self._slopes(level, edges)
        upward = pass_on(
            jnp.sum(slope**2 * self.precision[edges.other], -1),
            jnp.sum(slope * self.error[edges.other], -1),
            self.predictor.merged[level].conditional,
        )
        self.precision = self.precision.at[rows].set(upward.precision)
        self.error = self.error.at[rows].set(upward.error)
        self.log_density = self.log_density + jnp.sum(upward.log_density)

    def _settle(
        self,
        level: int,
        prediction: Prediction,
        posterior: dict[str, Array],
        message: ValueMessage,
        news: Array,
        invalid: Array | None = None,
    ) -> None:
        """Record a level's posterior and what it tells its parents."""
        rows = self.schedule.capacity.level_slice(level)
        for name, numbers in posterior.items():
            self.posterior[name].append(numbers)
        self.invalid.append(jnp.zeros(news.shape, jnp.int32) if invalid is None else invalid)
        self.news = self.news.at[rows].set(news)
        if level == self.schedule.capacity.levels - 1:
            return
        self.messages = jax.tree.map(lambda all, own: all.at[rows].set(news * own), self.messages, message)
        if self.schedule.shared:
            self.explained = self.explained.at[rows].set(self.predictor.explained[level])
        if self.schedule.volatility:
            safe = prediction._replace(variance=jnp.where(prediction.variance > 0.0, prediction.variance, 1.0))
            told = volatility_message(safe, posterior["mean"], posterior["precision"], news)
            self.volatility = jax.tree.map(lambda all, own: all.at[rows].set(own), self.volatility, told)


@final
@dataclass(frozen=True, slots=True)
class _Gathered(AbstractChildren):
    """Children of a level as padded rows [slot of the level, child]."""

    schedule: PackedSchedule
    weight: Array
    edges: _Edges
    messages: ValueMessage
    told: VolatilityMessage | None
    explained: Array | None
    has_volatility_child: Array
    from_inputs: tuple[Array, Array, Array] | None

    @property
    def volatile(self) -> Real:
        return self.has_volatility_child

    def value_terms(self, point: Real, variance: Real) -> tuple[Real, Real]:
        functions, codes = self.schedule.functions, self.edges.function
        linear = all(function.name == "identity" for function in functions)
        slope = self.weight
        if not linear:
            slope = slope * self.schedule.by_function(codes, [function.slope(point) for function in functions])
        sharp, error, curvature = self.messages
        if self.explained is not None:
            others = jnp.maximum(0.0, self.explained - slope**2 * variance[..., None])
            if self.from_inputs is not None:
                others = jnp.where(self.edges.to_input != 0.0, 0.0, others)
            share = 1.0 / (1.0 + sharp * others)
            sharp, error, curvature = sharp * share, error * share, curvature * share
        added, moved = slope**2 * sharp, slope * error
        if self.from_inputs is not None:
            separate = self.edges.to_input == 0.0
            added, moved = jnp.where(separate, added, 0.0), jnp.where(separate, moved, 0.0)
            share = self.from_inputs[2] / jnp.where(self.messages.precision > 0.0, self.messages.precision, 1.0)
            curvature = jnp.where(separate, curvature, curvature * share)
        if not linear:
            bend = self.schedule.by_function(codes, [function.curvature(point) for function in functions])
            added = added - self.weight * bend * curvature
        precision, shift = jnp.sum(added, -1), jnp.sum(moved, -1)
        if self.from_inputs is not None:
            precision, shift = precision + self.from_inputs[0], shift + self.from_inputs[1]
        return precision, shift

    def sum(self, term: Callable[[Real, VolatilityMessage], Real]) -> Real:
        if self.told is None:
            return jnp.zeros(self.weight.shape[:-1], self.weight.dtype)
        return jnp.sum(term(self.edges.volatility, self.told), -1)

    def fold(self, step: Callable[[_T, Real, VolatilityMessage], _T], start: _T) -> _T:
        if self.told is None:
            return start
        columns = jax.tree.map(lambda part: jnp.moveaxis(part, -1, 0), (self.edges.volatility, self.told))

        def body(carry: _T, column: tuple[Array, VolatilityMessage]) -> tuple[_T, None]:
            return step(carry, *column), None

        return jax.lax.scan(body, start, columns)[0]

    def each(self, own: Real) -> Real:
        return own[..., None]


def _where(condition: Array, one: dict[str, Array], other: dict[str, Array]) -> dict[str, Array]:
    return {name: jnp.where(condition, one[name], other[name]) for name in one}
