"""What is fitted: parameters of a network and of a response model by name, each with its prior.

Everything users say about priors is read and checked here, before any array is touched: that the place exists and has
such a parameter, and that no value the prior allows is one the parameter cannot have.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, final

from sostruct.errors import ConfigError
from sostruct.graph import EdgeKey, Topology
from sostruct.graph.schema import node_kind
from sostruct.networks.hgf.inference.priors import POSITIVE, REAL, AbstractPrior, Support
from sostruct.networks.hgf.inference.responses import AbstractResponse
from sostruct.networks.hgf.settings import settings

RESPONSE = "response"
"""The place of a response model's parameters."""

Place: TypeAlias = str | EdgeKey
"""A node by name, an edge by key, or `RESPONSE`."""

Priors: TypeAlias = Mapping[Any, Mapping[str, AbstractPrior]]
"""Priors as users write them: node name or (parent, child), or "response" -> parameter -> prior."""


@final
@dataclass(frozen=True, slots=True)
class Free:
    """A parameter to be fitted.

    Attributes:
        place: whose parameter it is.
        name: which.
        prior: its prior.
        label: the place in words: a node's name, "parent -> child", or "response".
    """

    place: Place
    name: str
    prior: AbstractPrior
    label: str


def free_parameters(
    topology: Topology, priors: Priors | None, response: AbstractResponse | None, *, irregular: bool
) -> tuple[Free, ...]:
    """The parameters with a prior: the network's in the order given, then those of the response model.

    Args:
        topology: the graph.
        priors: as users write them; those of "response" replace the response model's own.
        response: the response model.
        irregular: whether time steps differ from 1.

    Raises:
        ConfigError: something is not a prior, a prior allows what its parameter cannot be, or nothing has a prior.
        GraphError: there is no such node, edge or parameter.
    """
    found: list[Free] = []
    given = dict(priors or {})
    own = given.pop(RESPONSE, {}) if response is not None else {}
    if response is not None and RESPONSE in topology:
        raise ConfigError(
            "Cannot tell parameters apart. This is because a node is named 'response', and so are the parameters of "
            "the response model. Try another name for the node."
        )
    for place, parameters in given.items():
        if not isinstance(parameters, Mapping):
            raise ConfigError(
                f"Cannot read the priors of {place!r}. This is because they are {parameters!r}, and must be a dict of "
                "parameter to prior. Try {" + f"{place!r}: " + "{'tonic_volatility': ss.priors.Normal(-4.0, 2.0)}}."
            )
        for name, prior in parameters.items():
            _check_prior(place, name, prior)
            ((key, _, _),) = settings(topology, {place: {name: 0.0}})
            label = key if isinstance(key, str) else _edge_label(topology, key)
            domain, why = _domain(topology, key, name, irregular)
            _check_support(label, name, prior, domain, why)
            found.append(Free(key, name, prior, label))
    if response is not None:
        found += _of_response(response, own)
    if not found:
        raise ConfigError(
            "Cannot fit a network without priors. This is because the parameters that have one are those that are "
            "fitted, and none has. Try priors={'x2': {'tonic_volatility': ss.priors.Normal(-4.0, 2.0)}}."
        )
    seen = [(free.place, free.name) for free in found]
    for number, pair in enumerate(seen):
        if pair in seen[:number]:
            raise ConfigError(
                f"Cannot fit the {pair[1]} of {found[number].label!r} twice. This is because two keys of the priors "
                "name the same edge. Try one of them."
            )
    return tuple(found)


def known_numbers(response: AbstractResponse | None, free: tuple[Free, ...]) -> dict[str, float]:
    """The parameters of a response model that are not fitted.

    Raises:
        ConfigError: one of them cannot have such a value.
    """
    if response is None:
        return {}
    fitted = {one.name for one in free if one.place == RESPONSE}
    numbers: dict[str, float] = {}
    for name, value in response.parameters.items():
        if name in fitted:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ConfigError(
                f"Cannot use the response model. This is because its {name} is {value!r}, which is neither a number "
                "nor a prior. Try a float, or one of `ss.priors`."
            )
        if name in response.positive and value <= 0.0:
            raise ConfigError(
                f"Cannot use the response model. This is because its {name} is {value!r} and must be greater than "
                "zero. Try a positive number."
            )
        numbers[name] = float(value)
    return numbers


def _of_response(response: AbstractResponse, given: Any) -> list[Free]:
    if not isinstance(given, Mapping):
        raise ConfigError(
            f"Cannot read the priors of the response model. This is because they are {given!r}, and must be a dict of "
            "parameter to prior. Try {'response': {'inverse_temperature': ss.priors.LogNormal(1.6, 1.0)}}."
        )
    unknown = [name for name in given if name not in response.parameters]
    if unknown:
        known = ", ".join(repr(name) for name in response.parameters) or "none"
        raise ConfigError(
            f"Cannot give the response model a prior of {unknown[0]!r}. This is because it has no such parameter. "
            f"Try one of its own: {known}."
        )
    found = []
    for name, own in response.parameters.items():
        prior = given.get(name, own)
        if name in given:
            _check_prior(RESPONSE, name, prior)
        if isinstance(prior, AbstractPrior):
            positive = name in response.positive
            _check_support(RESPONSE, name, prior, POSITIVE if positive else REAL, "it must be greater than zero")
            found.append(Free(RESPONSE, name, prior, RESPONSE))
    return found


def _edge_label(topology: Topology, key: EdgeKey) -> str:
    several = [edge for edge in topology.parents(key[1]) if edge.source == key[0]]
    return f"{key[0]} -> {key[1]}" + (f" ({key[2]})" if len(several) > 1 else "")


def _check_prior(place: Any, name: str, prior: object) -> None:
    if not isinstance(prior, AbstractPrior):
        number = isinstance(prior, int | float)
        remedy = f"network.with_parameters({{{place!r}: {{{name!r}: {prior!r}}}}}), which fixes it" if number else ""
        raise ConfigError(
            f"Cannot fit the {name} of {place!r}. This is because {prior!r} is not a prior. Try "
            f"{remedy or 'ss.priors.Normal(0.0, 1.0)'}."
        )


def _domain(topology: Topology, place: Place, name: str, irregular: bool) -> tuple[Support, str]:
    """The values a parameter can have, and why."""
    if isinstance(place, str):
        kind = node_kind(topology.node(place).kind)
        if name in kind.positive:
            return POSITIVE, "it must be greater than zero"
        if irregular and name.endswith("autoconnection"):
            return POSITIVE, "with irregular time steps it enters as a power, which a negative number has not"
    return REAL, ""


def _check_support(label: str, name: str, prior: AbstractPrior, domain: Support, why: str) -> None:
    (low, high), (lower, upper) = prior.support, domain
    if low >= lower and high <= upper:
        return
    remedy = "ss.priors.LogNormal, Gamma, or Uniform between two positive numbers"
    if name.endswith("autoconnection"):
        remedy = "ss.priors.LogitNormal or Beta, which stay between 0 and 1"
    raise ConfigError(
        f"Cannot use {prior!r} as the prior of the {name} of {label!r}. This is because it allows values in "
        f"({low:g}, {high:g}), and {why}. Try {remedy}."
    )
