"""The dense schedule: many small graphs side by side, one in each lane of the processor.

Pricing an edit means filtering one connected component of the graph again and again: other edits, other parameters,
the same few nodes. Here every number is an array over such variants, the last axis, and couplings are full matrices
whose zeros are absent edges, so structure is data and no index is looked up: a step is arithmetic on vectors of lanes
(components of two to four inputs over 2,000 steps take .3 to 1 ms, the packed schedule under vmap 4 ms). Hidden nodes
are settled one after another, children before parents; the mathematics is that of `kinds`, `updates` and `evidence`.
Full matrices grow with the square of the component, so this is for components of up to a few dozen nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeVar, cast, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from sostruct.networks.hgf.couplings import Real
from sostruct.networks.hgf.evidence import Candidates, LinearUpdate, linear_update, one_after_another, pass_on, settled
from sostruct.networks.hgf.gathering import by_kind
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
from sostruct.networks.hgf.layout import COPARENTS, INPUT_COPARENTS, TANGLED, admitted
from sostruct.networks.hgf.updates import AbstractChildren, Options, Prediction, VolatilityMessage, volatility_message
from sostruct.numerics import Numbers

_T = TypeVar("_T")
_Beliefs = dict[str, Array]


@final
class Lanes(eqx.Module):
    """Small graphs side by side. Slots are inputs, then hidden nodes, children before parents; padding has no edges.

    Attributes:
        parameters: name -> [slot, lane].
        value: strengths of value couplings [parent, slot, lane], 0 where there is none.
        volatility: likewise of volatility couplings.
        coupled: 1 where the volatility coupling is there [parent, slot, lane].
        kind: position of the node's kind in `kinds` [slot, lane].
        beliefs: before the first step, name -> [slot, lane].
        covariance: between hidden nodes before the first step [hidden, hidden, lane], or empty where no input has
            several uncertain parents.
        kinds: names of the kinds present.
        options: how the filter approximates.
        traits: see `layout`.
    """

    parameters: dict[str, Numbers]
    value: Numbers
    volatility: Numbers
    coupled: Numbers
    kind: Numbers
    beliefs: dict[str, Numbers]
    covariance: Numbers
    kinds: tuple[str, ...] = eqx.field(static=True)
    options: Options = eqx.field(static=True)
    traits: frozenset[str] = eqx.field(static=True)


@jax.jit
def log_evidence(
    lanes: Lanes, inputs: Float[Array, "time input lane"], time_steps: Float[Array, " time"] | None
) -> Float[Array, " lane"]:
    """Log predictive density of a series by lane, nats; nan where a belief is invalid at any step.

    Args:
        lanes: the graphs.
        inputs: the series that each of them sees; NaN where missing.
        time_steps: elapsed time before each step, or None where it is 1.
    """
    schedule = DenseSchedule(lanes)
    number = inputs.dtype
    regular = time_steps is None
    zero = jnp.zeros(inputs.shape[-1], number)

    def body(carry: Any, row: Any) -> tuple[Any, None]:
        beliefs, covariance, total, invalid = carry
        value, elapsed = row
        news = ~jnp.isnan(value)
        clock = Clock(jnp.ones((), number) if regular else elapsed, regular)
        step = schedule.step(beliefs, covariance, jnp.where(news, value, 0.0), news, clock)
        return (step.beliefs, step.covariance, total + step.surprise, invalid + step.invalid), None

    beliefs = {name: jnp.asarray(values, number) for name, values in lanes.beliefs.items()}
    start = (beliefs, jnp.asarray(lanes.covariance, number), zero, zero)
    (_, _, total, invalid), _ = jax.lax.scan(body, start, (inputs, time_steps))
    return jnp.where(invalid > 0.0, jnp.nan, -total)


class Stepped(NamedTuple):
    """What a step leaves behind: beliefs, covariance of hidden nodes, surprise and number of invalid nodes [lane]."""

    beliefs: _Beliefs
    covariance: Array
    surprise: Array
    invalid: Array


class _Told(NamedTuple):
    """What the nodes tell their parents, by slot; filled from the inputs up."""

    message: ValueMessage
    volatility: VolatilityMessage
    upward: tuple[Array, Array]


class _Up(NamedTuple):
    """The upward sweep so far."""

    beliefs: _Beliefs
    told: _Told
    surprise: Array
    invalid: Array


@final
class DenseSchedule:
    """One step over `Lanes`; built once per compiled pass."""

    def __init__(self, lanes: Lanes) -> None:
        self.options = lanes.options
        self.parameters = {name: jnp.asarray(values) for name, values in lanes.parameters.items()}
        self.value, self.volatility = jnp.asarray(lanes.value), jnp.asarray(lanes.volatility)
        self.coupled = jnp.asarray(lanes.coupled)
        self.hidden, self.slots, self.lanes = self.value.shape
        self.width = self.slots - self.hidden
        self.kind = jnp.asarray(lanes.kind)
        named = [(code, KINDS[name]) for code, name in enumerate(lanes.kinds)]
        self.input_kinds = [(code, kind) for code, kind in named if isinstance(kind, AbstractInput)]
        self.latent_kinds = [(code, kind) for code, kind in named if isinstance(kind, AbstractLatent)]
        self.shared = lanes.options.joint and COPARENTS in lanes.traits
        self.correlated = lanes.options.joint and INPUT_COPARENTS in lanes.traits
        gaussian = all(kind.gaussian for _, kind in self.input_kinds)
        self.dense = bool(lanes.traits & {COPARENTS, INPUT_COPARENTS, TANGLED}) or not gaussian
        self.downward = jnp.swapaxes(self.value, 0, 1)
        self.driving = jnp.swapaxes(self.volatility, 0, 1)
        self.drivers = jnp.sum(self.coupled, 0)
        self.volatile = jnp.sum(self.coupled, 1) > 0.0
        certain = [code for code, kind in self.latent_kinds if not kind.varies]
        uncertain = ~jnp.isin(self.kind[self.width :], jnp.asarray(certain, jnp.int32))
        several = jnp.sum((self.value[:, : self.width] != 0.0) & uncertain[:, None], 0) > 1
        self.entangled = jnp.any(several, 0)

    def step(self, state: _Beliefs, carried: Array, value: Array, news: Array, clock: Clock) -> Stepped:
        """Predict, observe, update; arguments as in `PackedSchedule.step`, with lanes last."""
        width = self.width
        mean = self._means(state, clock)
        linear = jnp.sum(self.downward[:width] * mean, 1)
        merged, latents, inputs = self._predicted(state, mean, linear, clock)
        value = jnp.where(news, value, merged.mean[:width])
        update, replaces = None, self.entangled
        if self.correlated:
            decay = merged.decay[width:]
            carried = carried * decay[:, None] * decay[None, :]
            replaces = replaces | jnp.any(carried != 0.0, (0, 1))
            update = self._linear(state, merged, inputs, carried, value, news)
        up = self._settle(state, merged, latents, inputs, linear, value, news, clock, update, replaces)
        surprise = up.surprise
        if self.dense:
            surprise = self._joint(merged, inputs, linear, carried, value, news, clock)
        if update is not None:
            carried = jax.vmap(settled, (-1, -1), -1)(update.covariance, up.beliefs["precision"][width:])
        return Stepped(up.beliefs, carried, surprise, up.invalid)

    def _own(self, tree: _T, hidden: bool) -> _T:
        part = slice(self.width, None) if hidden else slice(None, self.width)
        own: _T = jax.tree.map(lambda numbers: numbers[part], tree)
        return own

    # predictions

    def _means(self, state: _Beliefs, clock: Clock) -> Array:
        """mh of the hidden nodes, parents before children."""
        parameters, before = self._own((self.parameters, state), True)
        into = self.downward[self.width :]
        kind_of = self.kind[self.width :]

        def expect(turn: Array, mean: Array) -> Array:
            node = self.hidden - 1 - turn
            own, was, weights, code = _row((parameters, before, into, kind_of), node)
            driven = jnp.sum(weights * mean, 0)
            means = [kind.expect(own, was, driven, clock) for _, kind in self.latent_kinds]
            return _put(mean, node, by_kind(code, self.latent_kinds, means))

        means: Array = jax.lax.fori_loop(0, self.hidden, expect, jnp.zeros_like(before["mean"]))
        return means

    def _predicted(
        self, state: _Beliefs, mean: Array, linear: Array, clock: Clock
    ) -> tuple[Prediction, list[Prediction], list[Prediction]]:
        """Predictions of all slots, of the hidden ones by kind, and of the inputs by kind."""
        width = self.width
        drive = jnp.sum(self.driving * mean, 1)
        parameters, before = self._own((self.parameters, state), True)
        none = jnp.zeros_like(mean)
        full = Drive(none, none, drive[width:], self.drivers[width:])
        latents = [k.predict(parameters, before, mean, full, clock, self.options) for _, k in self.latent_kinds]
        parameters, before = self._own((self.parameters, state), False)
        seen = Drive(linear, jnp.zeros_like(linear), drive[:width], self.drivers[:width])
        inputs = [k.predict_input(parameters, before, seen, clock, self.options) for _, k in self.input_kinds]
        above = by_kind(self.kind[width:], self.latent_kinds, [one._replace(inner={}) for one in latents])
        below = by_kind(self.kind[:width], self.input_kinds, [one._replace(inner={}) for one in inputs])
        merged: Prediction = jax.tree.map(lambda first, second: jnp.concatenate([first, second]), below, above)
        return merged, latents, inputs

    def _weights(self, clock: Clock) -> Array:
        """Value couplings as predictions feel them [parent, slot, lane]: w into an input, dt w into a state."""
        if clock.regular:
            return self.value
        return self.value * jnp.where(jnp.arange(self.slots) < self.width, 1.0, clock.dt)[:, None]

    # posteriors

    def _observed(
        self, state: _Beliefs, inputs: list[Prediction], linear: Array, value: Array, news: Array
    ) -> tuple[_Beliefs, ValueMessage, Observation, Array]:
        """Beliefs of the inputs, what they tell their value parents, their densities given them, what is invalid."""
        own, before = self._own((self.parameters, state), False)
        after, messages, densities, causes = [], [], [], []
        for (_, kind), prediction in zip(self.input_kinds, inputs, strict=True):
            seen = kind.observe(own, before, prediction, value, self.options)
            seen, _, cause = admitted(kind, before, prediction, seen, news, True)
            after.append({**before, **seen})
            causes.append(cause)
            messages.append(kind.input_message(prediction, value))
            densities.append(kind.observation(prediction, linear, jnp.zeros_like(value), value))
        of = partial(by_kind, self.kind[: self.width], self.input_kinds)
        return of(after), of(messages), of(densities), of(causes)

    def _settle(
        self,
        state: _Beliefs,
        merged: Prediction,
        latents: list[Prediction],
        inputs: list[Prediction],
        linear: Array,
        value: Array,
        news: Array,
        clock: Clock,
        update: LinearUpdate | None,
        replaces: Array,
    ) -> _Up:
        width, options = self.width, self.options
        observed, message, density, invalid = self._observed(state, inputs, linear, value, news)
        counts = news.astype(value.dtype)
        seen = self._own(merged, False)
        told = volatility_message(seen, observed["mean"], options.observed_variance(observed["precision"]), counts)
        gaussian = counts * sum((self.kind[:width] == code) * 1.0 for code, kind in self.input_kinds if kind.gaussian)
        none = jnp.zeros((self.hidden, self.lanes), value.dtype)

        def all_slots(part: Array) -> Array:
            return jnp.concatenate([part, none])

        first = _Told(
            ValueMessage(*(all_slots(counts * part) for part in message)),
            VolatilityMessage(*(all_slots(part) for part in told)),
            (all_slots(gaussian * density.shrink), all_slots(gaussian * density.pull)),
        )
        weights = self._weights(clock)
        explained = jnp.sum(weights**2 * merged.variance[width:, None], 0) if self.shared else None
        start = _Up(
            {name: all.at[:width].set(observed[name]) for name, all in state.items()},
            first,
            -jnp.sum(counts * density.log_density, 0),
            jnp.sum((invalid > 0) * 1.0, 0),
        )
        own_parts = (self._own(state, True), latents, self._own(merged, True), self.kind[width:], self.volatile)
        own_edges = (weights, self.volatility, self.coupled)

        def settle(node: Array, up: _Up) -> _Up:
            (own, predictions, prediction, code, volatile), (weight, strength, coupled) = _row(
                (own_parts, own_edges), node
            )
            exact = None if update is None else _exact(update, replaces, width, node)
            children = _Children(weight, strength, up.told, explained, volatile, exact)
            informed = jnp.sum(((weight != 0.0) + coupled) * up.told.volatility.news, 0) > 0.0
            if update is not None:
                informed = informed | _row(update.news.T, node)
            results, learnt, causes = [], [], []
            for (_, kind), mine in zip(self.latent_kinds, predictions, strict=True):
                posterior = kind.posterior(own, mine, children, options)
                posterior, able, cause = admitted(kind, own, mine, posterior, informed, False)
                results.append({**own, **posterior})
                learnt.append(able)
                causes.append(cause)
            posterior, cause = (by_kind(code, self.latent_kinds, part) for part in cast(Any, (results, causes)))
            fresh = by_kind(code, self.latent_kinds, learnt).astype(value.dtype)
            safe = prediction._replace(variance=jnp.where(prediction.variance > 0.0, prediction.variance, 1.0))
            sent = latent_message(safe, posterior["mean"], posterior["precision"], options)
            upward = pass_on(
                jnp.sum(weight**2 * up.told.upward[0], 0),
                jnp.sum(weight * up.told.upward[1], 0),
                prediction.conditional,
            )
            left = _Told(
                ValueMessage(*(fresh * part for part in sent)),
                volatility_message(safe, posterior["mean"], 1.0 / posterior["precision"], fresh),
                (upward.precision, upward.error),
            )
            return _Up(
                {name: _put(all, width + node, posterior[name]) for name, all in up.beliefs.items()},
                jax.tree.map(lambda all, part: _put(all, width + node, part), up.told, left),
                up.surprise - upward.log_density,
                up.invalid + (cause > 0),
            )

        up: _Up = jax.lax.fori_loop(0, self.hidden, settle, start)
        return up

    def _linear(
        self,
        state: _Beliefs,
        merged: Prediction,
        inputs: list[Prediction],
        carried: Array,
        value: Array,
        news: Array,
    ) -> LinearUpdate:
        """The exact update of the hidden nodes that inputs see, their covariance included."""
        width = self.width
        _, message, _, _ = self._observed(state, inputs, merged.mean[:width], value, news)
        covariance = carried + jnp.eye(self.hidden)[:, :, None] * merged.variance[width:, None]
        parts = (covariance, self.downward[:width], message.precision, message.error, news)
        update: LinearUpdate = jax.vmap(linear_update, -1)(*parts)
        return update._replace(covariance=jnp.moveaxis(update.covariance, 0, -1))

    # the score

    def _joint(
        self,
        merged: Prediction,
        inputs: list[Prediction],
        linear: Array,
        carried: Array,
        value: Array,
        news: Array,
        clock: Clock,
    ) -> Array:
        """Joint surprise of inputs whose linear predictors are correlated."""
        width = self.width
        weights = self._weights(clock)
        unit = jnp.concatenate([jnp.eye(width), jnp.zeros((self.hidden, width))])
        reach = jnp.broadcast_to(unit[:, :, None], (self.slots, width, self.lanes)).astype(value.dtype)

        def climb(node: Array, reach: Array) -> Array:
            through = jnp.sum(_row(weights, node)[:, None] * reach, 0)
            return _put(reach, width + node, through)

        above = jax.lax.fori_loop(0, self.hidden, climb, reach)[width:]
        own = merged.conditional[width:, None] * above
        covariance = jnp.sum(above[:, :, None] * own[:, None, :], 0)
        if self.correlated:
            through = jnp.sum(carried[:, :, None] * above[None, :, :], 1)
            covariance = covariance + jnp.sum(above[:, :, None] * through[:, None, :], 0)

        def lane(mean: Array, covariance: Array, value: Array, news: Array, code: Array, own: Any) -> Array:
            found = [
                Candidates(code == place, kind, prediction)
                for (place, kind), prediction in zip(self.input_kinds, own, strict=True)
            ]
            found.sort(key=lambda one: not one.kind.gaussian)
            return -one_after_another(mean, covariance, found, value, news, None)

        plain = [one._replace(inner={}) for one in inputs]
        surprise: Array = jax.vmap(lane, -1)(linear, covariance, value, news, self.kind[:width], plain)
        return surprise


class _Exact(NamedTuple):
    """What an exact update of correlated nodes says about one of them: see `gathering.FromInputs`."""

    replaces: Array
    precision: Array
    error: Array
    states: Bool[Array, " slot"]


def _exact(update: LinearUpdate, replaces: Array, width: int, node: Array) -> _Exact:
    """`update` has lanes first, its covariance excepted."""
    states = jnp.arange(width + update.precision.shape[1]) >= width
    return _Exact(replaces, _row(update.precision.T, node), _row(update.error.T, node), states[:, None])


@final
class _Children(AbstractChildren):
    """Every slot as a possible child of one node; those that are none have strength 0.

    Volatility terms, most of the work of a step, are skipped where the node has no volatility child in any lane.
    """

    def __init__(
        self,
        weight: Array,
        strength: Array,
        told: _Told,
        explained: Array | None,
        volatile: Array,
        exact: _Exact | None,
    ) -> None:
        self.weight, self.strength, self.told = weight, strength, told
        self.explained, self._volatile, self.exact = explained, volatile, exact

    @property
    def volatile(self) -> Bool[Array, ...]:
        return self._volatile

    def value_terms(self, point: Real, variance: Real) -> tuple[Real, Real]:
        sharp, error, _ = self.told.message
        if self.explained is not None:
            others = jnp.maximum(0.0, self.explained - self.weight**2 * variance)
            share = 1.0 / (1.0 + sharp * others)
            sharp, error = sharp * share, error * share
        added, moved = self.weight**2 * sharp, self.weight * error
        if self.exact is None:
            return jnp.sum(added, 0), jnp.sum(moved, 0)
        apart = self.exact.states | ~self.exact.replaces
        precision, shift = (jnp.sum(jnp.where(apart, part, 0.0), 0) for part in (added, moved))
        return (
            precision + jnp.where(self.exact.replaces, self.exact.precision, 0.0),
            shift + jnp.where(self.exact.replaces, self.exact.error, 0.0),
        )

    def sum(self, term: Callable[[Real, VolatilityMessage], Real]) -> Real:
        total: Array = jax.lax.cond(
            jnp.any(self._volatile),
            lambda: jnp.sum(term(self.strength, self.told.volatility), 0),
            lambda: jnp.zeros_like(self.strength[0]),
        )
        return total

    def fold(self, step: Callable[[_T, Real, VolatilityMessage], _T], start: _T) -> _T:
        def body(carry: _T, child: tuple[Array, VolatilityMessage]) -> tuple[_T, None]:
            return step(carry, *child), None

        def all_children() -> _T:
            carry: _T = jax.lax.scan(body, start, (self.strength, self.told.volatility))[0]
            return carry

        folded: _T = jax.lax.cond(jnp.any(self._volatile), all_children, lambda: start)
        return folded

    def each(self, own: Real) -> Real:
        return own


def _row(tree: _T, place: Array) -> _T:
    row: _T = jax.tree.map(lambda all: jax.lax.dynamic_index_in_dim(all, place, 0, keepdims=False), tree)
    return row


def _put(numbers: Array, place: Array, row: Array) -> Array:
    written: Array = jax.lax.dynamic_update_index_in_dim(numbers, row, place, 0)
    return written
