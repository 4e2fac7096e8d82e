"""Predictions: every population's units sum what their parents send, all rows at once.

z_j = b_j + sum over edges W' g(z_parent), g the function of the edge; an input sends what it observes. In a population
with an edge to itself units act on those after them, one after another: a cascade (Fahlman & Lebiere 1990), whose
weights are one strictly upper triangular matrix, so that a unit more is no population more. Units and connections that
are not there have weights of exactly 0 and need no mask here; learning keeps them so.
"""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from sostruct.networks.hgf.couplings import FUNCTIONS
from sostruct.networks.layered.plan import Plan
from sostruct.numerics import Numbers


class Parameters(eqx.Module):
    """What is learned.

    Attributes:
        weights: by arrow of the plan [source slot, target slot].
        biases: by node of the plan [slot]; of inputs, empty.
    """

    weights: tuple[Shaped[Numbers, "_ _"], ...]
    biases: tuple[Shaped[Numbers, " _"], ...]


def sums(
    plan: Plan,
    parameters: Parameters,
    inputs: Sequence[Float[Array, "row _"]],
    nudges: Sequence[Float[Array, "row _"]] | None = None,
) -> list[Float[Array, "row _"]]:
    """The weighted sum z of every node [row, slot], in the order of the plan; of inputs, what they observe.

    Args:
        plan: which populations feed which.
        parameters: weights and biases.
        inputs: what each input node observes.
        nudges: added to the sum of every node, zeros: slopes are taken with respect to them.
    """
    found: list[Array] = []
    given = iter(inputs)
    for place, kind in enumerate(plan.kinds):
        if kind == "input":
            found.append(next(given))
            continue
        z = jnp.broadcast_to(jnp.asarray(parameters.biases[place]), (inputs[0].shape[0], plan.slots(place)))
        for at in plan.into(place):
            sent = FUNCTIONS[plan.arrows[at].function].value(found[plan.arrows[at].source])
            z = z + sent @ parameters.weights[at]
        if nudges is not None:
            z = z + nudges[place]
        own = plan.within(place)
        found.append(z if own is None else _cascade(z, parameters.weights[own], plan.arrows[own].function))
    return found


def sent(plan: Plan, at: int, z: Sequence[Float[Array, "row _"]]) -> Float[Array, "row _"]:
    """What an arrow carries before its weights [row, source slot]."""
    return FUNCTIONS[plan.arrows[at].function].value(z[plan.arrows[at].source])


def _cascade(z: Float[Array, "row slot"], weights: Numbers, function: str) -> Float[Array, "row slot"]:
    """Units in their order, each adding to the sums of those after it."""
    value = FUNCTIONS[function].value

    def unit(z: Array, at: tuple[Array, Array]) -> tuple[Array, None]:
        place, row = at
        return z + value(jax.lax.dynamic_index_in_dim(z, place, 1)) * row, None

    return jax.lax.scan(unit, z, (jnp.arange(z.shape[1]), jnp.asarray(weights)))[0]
