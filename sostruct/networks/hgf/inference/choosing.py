"""Response models by name: which one is meant, and whether the network has what it reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sostruct.errors import ConfigError
from sostruct.graph import Topology
from sostruct.networks.hgf.inference.responses import (
    AbstractChoice,
    AbstractResponse,
    BinarySoftmax,
    CustomResponse,
    GaussianResponse,
    UnitSquareSigmoid,
    ValueSoftmax,
)
from sostruct.tasks.base import listed

NAMED: dict[str, Callable[[str], AbstractResponse]] = {
    "binary_softmax": BinarySoftmax,
    "unit_square_sigmoid": UnitSquareSigmoid,
    "value_softmax": ValueSoftmax,
    "gaussian": GaussianResponse,
}
"""Response models that need the name of an input and nothing else."""


def chosen(
    topology: Topology,
    inputs: tuple[str, ...],
    response: AbstractResponse | str | Callable[..., Any] | None,
    given: bool,
) -> AbstractResponse | None:
    """The response model that is meant, or None.

    Args:
        topology: the graph.
        inputs: its inputs.
        response: a model, the name of one, or a density.
        given: whether there are responses.

    Raises:
        ConfigError: there are responses and no model or the other way round, it is unknown, a name does not say
            which input is meant, or the network lacks a node that the model reads.
    """
    if response is None:
        if given:
            raise ConfigError(
                "Cannot fit responses without a response model. This is because it says how beliefs became responses. "
                f"Try response= one of {listed(NAMED)}, or an object of `ss.responses`."
            )
        return None
    if not given:
        raise ConfigError(
            "Cannot fit a response model without responses. This is because they are what it explains. Try "
            "fit(inputs, responses, ...), or leaving response out, which fits the evidence of the inputs."
        )
    if isinstance(response, str):
        return _named(topology, inputs, response)
    if isinstance(response, AbstractResponse):
        _check_nodes(topology, response)
        return response
    if callable(response):
        return CustomResponse(response)
    raise ConfigError(
        f"Cannot use response={response!r}. This is because it is no response model. Try one of {listed(NAMED)}, an "
        "object of `ss.responses`, or a function of (responses, trace, inputs, values)."
    )


def _named(topology: Topology, inputs: tuple[str, ...], name: str) -> AbstractResponse:
    if name not in NAMED:
        raise ConfigError(
            f"Cannot use response={name!r}. This is because there is no response model of that name. Try one of "
            f"{listed(NAMED)}."
        )
    choice = name != "gaussian"
    suited = [one for one in inputs if not choice or topology.node(one).kind == "binary"]
    if len(suited) != 1:
        kind = "binary input" if choice else "input"
        why = f"the network has {len(suited)} {kind}s ({listed(suited)})" if suited else f"the network has no {kind}"
        cls = getattr(NAMED[name], "__name__", name)
        raise ConfigError(
            f"Cannot use response={name!r}. This is because {why}, and the name alone means the only one. "
            f"Try ss.responses.{cls}({(suited or inputs)[0]!r})"
            + (" or another input." if suited else ", or a response model of your own.")
        )
    return NAMED[name](suited[0])


def _check_nodes(topology: Topology, response: AbstractResponse) -> None:
    for node in response.nodes():
        if node not in topology:
            raise ConfigError(
                f"Cannot use {type(response).__name__} of {node!r}. This is because the network has no such node. Try "
                f"one of {listed(topology.names)}."
            )
        kind = topology.node(node).kind
        if isinstance(response, AbstractChoice) and kind != "binary":
            raise ConfigError(
                f"Cannot use {type(response).__name__} of {node!r}. This is because it is a {kind} node, whose "
                "prediction is no probability. Try a binary input."
            )
