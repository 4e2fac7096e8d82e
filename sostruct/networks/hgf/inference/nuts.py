"""Draws from the posterior of every subject by the no-U-turn sampler of blackjax.

Every chain moves in coordinates w in which the posterior is nearly round: z = z_0 + L w, z_0 the mode that a search
found and L L' the inverse curvature there. Chains start apart, at twice the spread of that Gaussian, and warm up as in
Stan: the step size, and a dense metric of w in windows that double.

Subjects and chains are axes of one compiled program, whose numbers go in as arrays: other data, priors or networks of
one shape compile nothing. It makes a block of transitions, of warmup or of draws alike, so that other numbers of these
compile nothing either.

Where beliefs break down the log joint is -inf. A trajectory that gets there ends, and the half of it that did is not
drawn from; the half before it is. What is left is a no-U-turn sampler of prior times likelihood over the region where
there are beliefs: exact, though slow where much of the posterior lies at the edge. Such transitions are told apart from
those that diverge because steps are too long for the curvature, after which draws are not to be trusted.

References:
    M. D. Hoffman and A. Gelman, "The No-U-Turn Sampler", Journal of Machine Learning Research 15:1593, 2014.
    M. Betancourt, "A conceptual introduction to Hamiltonian Monte Carlo", arXiv:1701.02434, 2017.
    A. Cabezas et al., "BlackJAX: Composable Bayesian inference in JAX", arXiv:2402.10797, 2024.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray
from numpy.typing import NDArray

from sostruct.networks.hgf.inference.chains import Chains, Sampling
from sostruct.networks.hgf.inference.extras import extra
from sostruct.networks.hgf.inference.objective import Model, Subject
from sostruct.numerics import Numbers, double_precision

LANES = 16
"""Chains that go through one call together."""

BLOCK = 50
"""Transitions that one call makes of every chain."""

_SPREAD = 2.0
"""Chains start at this many times the spread of the Laplace approximation."""

_TRIES = 16
"""Points at which a chain may start: those at which beliefs break down are passed over, the mode is the last."""

_WIDEST = 10.0
"""Largest spread that a flat mode is taken to have, in units of z."""


class _Frame(NamedTuple):
    """Coordinates w of a subject: z = center + scale w."""

    center: Numbers
    scale: Numbers


class _Tuning(NamedTuple):
    """How long steps of a chain are, in which metric, and what both are learned from.

    Attributes:
        step_size: of the next transition.
        metric: the inverse mass matrix [parameter, parameter], and the moments of this window.
        averaging: the state of dual averaging.
    """

    step_size: Any
    metric: Any
    averaging: Any


_FAST, _SLOW, _LAST, _DONE = range(4)
"""Stages of a transition: the step size is adapted, the metric as well, it is the last of a window, neither is."""


def draw(
    model: Model,
    subjects: Subject,
    modes: NDArray[np.float64],
    curvature: NDArray[np.float64],
    sampling: Sampling,
    key: PRNGKeyArray,
    watch: Callable[[float], None] = lambda share: None,
) -> Chains:
    """Chains of every subject.

    Args:
        model: what explains each.
        subjects: their data, with a leading axis.
        modes: z where chains start around, with a finite log joint [subject, parameter].
        curvature: minus the second derivatives of the log joint there [subject, parameter, parameter].
        sampling: how.
        key: of everything that is random.
        watch: told the share of the work that is done, from 0 to 1.

    Raises:
        ConfigError: blackjax is not installed.
    """
    blackjax = extra("blackjax", "draw from a posterior")
    count = len(modes)
    size = math.ceil(count / math.ceil(count * sampling.chains / LANES))
    firsts = range(0, count, size)
    frames, stages = _Frame(modes, _scales(curvature)), _stages(blackjax, sampling)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, np.arange(count))
    found = []
    for turn, first in enumerate(firsts):
        own = np.minimum(np.arange(first, first + size), count - 1)
        chunk, frame = jax.tree.map(lambda numbers, own=own: numbers[own], (subjects, frames))

        def told(share: float, turn: int = turn) -> None:
            watch((turn + share) / len(firsts))

        with double_precision():
            made = _chains(blackjax, (model, chunk, frame, keys[own]), stages, sampling, told)
        found.append(jax.tree.map(lambda numbers, first=first: numbers[: count - first], made))
    whole: Chains = jax.tree.map(lambda *parts: np.concatenate(parts), *found)
    return whole


def _chains(
    blackjax: Any,
    run: tuple[Model, Subject, _Frame, PRNGKeyArray],
    stages: NDArray[np.int32],
    sampling: Sampling,
    watch: Callable[[float], None],
) -> Chains:
    """Chains of the subjects that go through together."""
    warmup, numbers = math.ceil(sampling.warmup / BLOCK), np.arange(len(stages))
    acceptance = np.asarray(sampling.acceptance)
    state, tuning = _started(*run, blackjax, sampling.chains)
    parts = []
    for block, here in enumerate(np.split(numbers, len(stages) // BLOCK)):
        watch(block * BLOCK / len(stages))
        if block == warmup:
            tuning = tuning._replace(step_size=jnp.exp(tuning.averaging.log_step_size_avg))
        state, tuning, part = _block(*run, blackjax, state, tuning, stages[here], here, acceptance)
        if block >= warmup:
            parts.append(jax.tree.map(np.asarray, part))
    watch(1.0)
    joined = [np.concatenate(own, 2)[:, :, : sampling.draws] for own in zip(*parts, strict=True)]
    return Chains._make([*joined, np.asarray(tuning.step_size)])


def _stages(blackjax: Any, sampling: Sampling) -> NDArray[np.int32]:
    """The stage of every transition, in whole blocks: a warmup as in Stan, then draws."""
    plan = np.asarray(blackjax.adaptation.window_adaptation.build_schedule(sampling.warmup)).astype(np.int32)
    blocks = math.ceil(sampling.warmup / BLOCK) + math.ceil(sampling.draws / BLOCK)
    stages = np.full(blocks * BLOCK, _DONE, np.int32)
    stages[: len(plan)] = np.where(plan[:, 1] > 0, _LAST, np.where(plan[:, 0] > 0, _SLOW, _FAST))
    return stages


def _scales(curvature: NDArray[np.float64]) -> NDArray[np.float64]:
    """L with L L' the inverse curvature [subject, parameter, parameter]; along flat axes `_WIDEST`."""
    finite = np.isfinite(curvature).all((1, 2))
    safe = np.where(np.expand_dims(finite, (1, 2)), curvature, np.eye(curvature.shape[-1]))
    sizes, axes = np.linalg.eigh(safe)
    widths = 1.0 / np.sqrt(np.maximum(np.abs(sizes), _WIDEST**-2.0))
    found: NDArray[np.float64] = axes * np.expand_dims(widths, 1)
    return found


def _strong(numbers: Any) -> Array:
    """The same without a weak type."""
    array = jnp.asarray(numbers)
    return jax.lax.convert_element_type(array, array.dtype)


def _density(model: Model, subject: Subject, frame: _Frame) -> Callable[[Array], Array]:
    """The log joint, of w."""
    return lambda inside: model.log_joint(jnp.asarray(frame.center) + jnp.asarray(frame.scale) @ inside, subject)


@eqx.filter_jit
def _started(
    model: Model, subjects: Subject, frames: _Frame, keys: PRNGKeyArray, blackjax: Any, chains: int
) -> tuple[Any, _Tuning]:
    """Where every chain starts, and how."""
    averaging = blackjax.adaptation.step_size.dual_averaging_adaptation(0.8)[0]
    metric = blackjax.adaptation.mass_matrix.mass_matrix_adaptation(False)[0]

    def of_subject(subject: Subject, frame: _Frame, key: PRNGKeyArray) -> Any:
        density, dimensions = _density(model, subject, frame), frame.center.shape[0]

        def of_chain(key: PRNGKeyArray) -> Any:
            tries = _SPREAD * jax.random.normal(key, (_TRIES, dimensions))
            tries = tries.at[-1].set(0.0)
            states = jax.vmap(lambda place: blackjax.nuts.init(place, density))(tries)
            state = jax.tree.map(lambda numbers: numbers[jnp.argmax(jnp.isfinite(states.logdensity))], states)
            first = jnp.ones(())
            tuning = _Tuning(first, metric(dimensions), averaging(first))
            # numbers of weak type would compile the first block anew
            return jax.tree.map(_strong, (state, tuning))

        return jax.vmap(of_chain)(jax.random.split(jax.random.fold_in(key, 0), chains))

    found: tuple[Any, _Tuning] = jax.vmap(of_subject)(subjects, frames, keys)
    return found


@eqx.filter_jit
def _block(
    model: Model,
    subjects: Subject,
    frames: _Frame,
    keys: PRNGKeyArray,
    blackjax: Any,
    states: Any,
    tunings: _Tuning,
    stages: Numbers,
    numbers: Numbers,
    acceptance: Numbers,
) -> tuple[Any, _Tuning, tuple[Array, ...]]:
    """The next transitions of every chain, by their stages and numbers; what they drew comes last."""
    kernel = blackjax.nuts.build_kernel()

    def of_subject(subject: Subject, frame: _Frame, key: PRNGKeyArray, states: Any, tunings: _Tuning) -> Any:
        density = _density(model, subject, frame)

        def of_chain(key: PRNGKeyArray, state: Any, tuning: _Tuning) -> Any:
            def step(carry: tuple[Any, _Tuning], this: tuple[Array, Array]) -> Any:
                (state, tuning), (stage, number) = carry, this
                own = jax.random.fold_in(key, number)
                new, info = kernel(own, state, density, tuning.step_size, tuning.metric.inverse_mass_matrix)
                ends = info.trajectory_leftmost_state.logdensity, info.trajectory_rightmost_state.logdensity
                broken = info.is_divergent & jnp.isneginf(jnp.minimum(*ends))
                made = (
                    frame.center + frame.scale @ new.position,
                    new.logdensity,
                    info.is_divergent & ~broken,
                    broken,
                    info.acceptance_rate,
                    info.num_integration_steps,
                    info.num_trajectory_expansions,
                    info.energy,
                )
                return (new, _tuned(blackjax, tuning, stage, new.position, info.acceptance_rate, acceptance)), made

            (state, tuning), made = jax.lax.scan(step, (state, tuning), (jnp.asarray(stages), jnp.asarray(numbers)))
            return state, tuning, made

        own = jax.random.split(jax.random.fold_in(key, 1), tunings.step_size.shape[0])
        return jax.vmap(of_chain)(own, states, tunings)

    found: tuple[Any, _Tuning, tuple[Array, ...]] = jax.vmap(of_subject)(subjects, frames, keys, states, tunings)
    return found


def _tuned(blackjax: Any, tuning: _Tuning, stage: Array, position: Array, rate: Array, acceptance: Numbers) -> _Tuning:
    """What a transition teaches a chain; the stage is the same for all chains."""
    begin, average, end = blackjax.adaptation.step_size.dual_averaging_adaptation(acceptance)
    _, moments, settle = blackjax.adaptation.mass_matrix.mass_matrix_adaptation(False)

    def fast() -> _Tuning:
        averaging = average(tuning.averaging, rate)
        return _Tuning(jnp.exp(averaging.log_step_size), tuning.metric, averaging)

    def slow() -> _Tuning:
        return fast()._replace(metric=moments(tuning.metric, position))

    def last() -> _Tuning:
        learned = slow()
        averaging = begin(end(learned.averaging))
        return _Tuning(jnp.exp(averaging.log_step_size), settle(learned.metric), averaging)

    found: _Tuning = jax.lax.switch(stage, [fast, slow, last, lambda: tuning])
    return found
