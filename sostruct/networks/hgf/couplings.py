"""Coupling functions: what a parent's belief is passed through on its way to a child's prediction.

A coupling is `w g(x)` with g twice differentiable: predictions use g, errors travel back through g', and the curvature
of the error surface is g''. One registration by name makes a function usable on every edge, in files and on the command
line; derivatives come from automatic differentiation unless they are trivial.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias, final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sostruct.errors import GraphError
from sostruct.graph import register_function_name

Real: TypeAlias = Float[Array, "..."]
"""Numbers of any shape: mathematics of one node, applied to one node or to a level of them at once."""


@final
@dataclass(frozen=True, slots=True)
class CouplingFunction:
    """A function of one number with its first two derivatives, elementwise.

    Args:
        name: how edges refer to it.
        value: g.
        slope: g'.
        curvature: g''.
    """

    name: str
    value: Callable[[Real], Real]
    slope: Callable[[Real], Real]
    curvature: Callable[[Real], Real]


_functions: dict[str, CouplingFunction] = {}
FUNCTIONS = MappingProxyType(_functions)
"""Every registered coupling function by name: a live view."""


def register_function(name: str, value: Callable[[Real], Real]) -> CouplingFunction:
    """Let edges use a function: `register_function("softplus", jax.nn.softplus)`, then `function="softplus"`.

    Args:
        name: any name that is not taken. Compiled programs are told apart by it, so it means one function for good.
        value: elementwise, twice differentiable, written with jax.numpy.

    Raises:
        GraphError: the name means another function already, or the function is not elementwise.
    """
    known = _functions.get(name)
    if known is not None:
        if _same(known.value, value):
            return known
        raise GraphError(
            f"Cannot register the coupling function {name!r}. This is because another function has that name and "
            "compiled filters already use it. Try another name."
        )
    function = CouplingFunction(name, value, _derivative(value), _derivative(_derivative(value)))
    probe = jax.eval_shape(lambda: jnp.zeros(4))  # no numbers: registering must not start a backend
    try:
        shapes = [jax.eval_shape(part, probe).shape for part in (value, function.slope, function.curvature)]
    except TypeError as error:
        raise GraphError(
            f"Cannot register the coupling function {name!r}. This is because it does not take and return one array "
            f"({error}). Try a function such as jax.numpy.tanh."
        ) from error
    if any(shape != probe.shape for shape in shapes):
        raise GraphError(
            f"Cannot register the coupling function {name!r}. This is because it returns shape {shapes[0]} for an "
            f"argument of shape {probe.shape}, and it must be elementwise. Try a function such as jax.numpy.tanh."
        )
    _functions[register_function_name(name)] = function
    return function


def _derivative(function: Callable[[Real], Real]) -> Callable[[Real], Real]:
    def derivative(x: Real) -> Real:
        slope: Real = jax.jvp(function, (x,), (jnp.ones_like(x),))[1]
        return slope

    return derivative


def _same(one: Callable[[Real], Real], other: Callable[[Real], Real]) -> bool:
    """The same object, or the same source run again, as in a notebook."""
    if one is other:
        return True
    first, second = getattr(one, "__code__", None), getattr(other, "__code__", None)
    return first is not None and first == second and getattr(one, "__closure__", 0) is getattr(other, "__closure__", 1)


_functions["identity"] = CouplingFunction("identity", lambda x: x, jnp.ones_like, jnp.zeros_like)
for _name, _value in (("relu", jax.nn.relu), ("sigmoid", jax.nn.sigmoid), ("tanh", jnp.tanh)):
    register_function(_name, _value)
