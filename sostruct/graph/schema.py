"""What a graph may hold: kinds of node, couplings, marks, functions and annotations, each known by its name.

Design note. Everything that reads a graph (validation, edits, JSON, packing) asks these registries and nothing else, so
a new kind of node is one `register_kind` call beside the network that predicts with it, and a new coupling function is
one `register_function_name` call beside its mathematics. Names live here, mathematics never does: this floor has no
JAX.

A registry only grows. Registering the same thing twice is harmless; registering a different thing under a name that is
taken is refused, because graphs on disk already mean the first one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from numbers import Real
from types import MappingProxyType
from typing import Literal, final

from sostruct.errors import GraphError

COUPLINGS = ("value", "volatility")
MARKS = ("directed", "undirected", "bidirected")
EDGE_ATTRIBUTES = ("coupling", "lag", "mark", "strength", "function", "connections")
RESERVED = frozenset({"id", "kind", "name", "key", "source", "target", *EDGE_ATTRIBUTES})

_kinds: dict[str, NodeKind] = {}
_functions: set[str] = set()
_annotations: dict[str, frozenset[str]] = {"node": frozenset(), "edge": frozenset()}

ANNOTATIONS: Mapping[str, frozenset[str]] = MappingProxyType(_annotations)
"""The results that nodes ("node") and edges ("edge") may carry: a live view of what is registered."""


@final
@dataclass(frozen=True, slots=True)
class NodeKind:
    """A kind of node: the parameters it has, their defaults, and which of them must be positive.

    Args:
        name: how graphs refer to the kind, e.g. "continuous".
        parameters: parameter name -> default value.
        positive: the parameters that must be greater than zero.

    Raises:
        GraphError: a default is not finite, breaks its own constraint, or a parameter takes a reserved name.
    """

    name: str
    parameters: Mapping[str, float] = field(default_factory=dict, hash=False)
    positive: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        checked_name(self.name, "node kind")
        for parameter in sorted(self.parameters):
            if parameter in RESERVED:
                raise GraphError(
                    f"Cannot define the node kind {self.name!r}. This is because its parameter {parameter!r} takes a "
                    f"name that graphs use themselves. Try another name than {quoted(RESERVED)}."
                )
        for parameter in sorted(self.positive - self.parameters.keys()):
            raise GraphError(
                f"Cannot define the node kind {self.name!r}. This is because {parameter!r} is to be positive but is "
                f"not among its parameters. Try naming one of {quoted(self.parameters)}."
            )
        task = f"define the node kind {self.name!r}"
        defaults = {p: self._checked(task, p, self.parameters[p]) for p in sorted(self.parameters)}
        object.__setattr__(self, "parameters", MappingProxyType(defaults))

    def _checked(self, task: str, parameter: str, value: object) -> float:
        number = finite_number(value, task, parameter)
        if parameter in self.positive and number <= 0.0:
            raise GraphError(
                f"Cannot {task}. This is because its {parameter} is {number!r} and must be greater than zero. "
                f"Try a positive number."
            )
        return number

    def complete(self, task: str, given: Mapping[str, object]) -> tuple[tuple[str, float], ...]:
        """All parameters of a node of this kind, sorted by name, with the defaults filled in.

        Args:
            task: what is being done to which node, for the error message: "Cannot {task}. This is because ...".
            given: the parameters that differ from the defaults.

        Raises:
            GraphError: a parameter is unknown, not a finite number, or must be positive and is not.
        """
        if not given.keys() <= self.parameters.keys():
            unknown = sorted(str(key) for key in given.keys() - self.parameters.keys())
            has = f"has {quoted(self.parameters)}" if self.parameters else "has no parameters"
            raise GraphError(
                f"Cannot {task}. This is because {quoted(unknown)} is not a parameter of its kind "
                f"{self.name!r}. Try another kind or name: {self.name!r} {has}."
            )
        return tuple(
            (parameter, self._checked(task, parameter, given[parameter]) if parameter in given else default)
            for parameter, default in self.parameters.items()
        )


def register_kind(kind: NodeKind) -> NodeKind:
    """Make a kind of node known to every graph, and return it.

    Raises:
        GraphError: another kind of that name is registered already.
    """
    if _kinds.setdefault(kind.name, kind) != kind:
        raise GraphError(
            f"Cannot register the node kind {kind.name!r}. This is because another kind has that name and graphs "
            f"already refer to it. Try another name."
        )
    return kind


def node_kind(name: str) -> NodeKind:
    """The registered kind of that name.

    Raises:
        GraphError: there is none; the message lists the kinds there are.
    """
    try:
        return _kinds[name]
    except (KeyError, TypeError):
        raise GraphError(
            f"Cannot find the node kind {name!r}. This is because no such kind is registered. "
            f"Try one of {quoted(_kinds)}, or register it with `register_kind`."
        ) from None


def node_kinds() -> tuple[NodeKind, ...]:
    """Every registered kind of node, sorted by name."""
    return tuple(_kinds[name] for name in sorted(_kinds))


def register_function_name(name: str) -> str:
    """Let edges name a coupling function; what it computes is the business of the network that uses it.

    Raises:
        GraphError: the name is not a non-empty string.
    """
    _functions.add(checked_name(name, "function"))
    return name


def is_function_name(name: object) -> bool:
    """Whether edges may name this coupling function."""
    return isinstance(name, str) and name in _functions


def function_names() -> tuple[str, ...]:
    """Every coupling function an edge may name, sorted."""
    return tuple(sorted(_functions))


def register_annotation(owner: Literal["node", "edge"], name: str) -> str:
    """Let graphs carry a result on their nodes or edges that is no part of the structure.

    An annotation is a number that a method reports (an edge's weight, a node's noise). Files keep it, a `Topology`
    drops it.

    Raises:
        GraphError: the name is one that graphs use themselves.
    """
    if checked_name(name, "annotation") in RESERVED:
        raise GraphError(
            f"Cannot register the {owner} annotation {name!r}. This is because graphs use that name themselves. "
            f"Try another name than {quoted(RESERVED)}."
        )
    _annotations[owner] |= {name}
    return name


def quoted(names: Iterable[str]) -> str:
    """Names for a message: sorted, quoted, separated by commas."""
    return ", ".join(repr(name) for name in sorted(names))


def checked_name(name: object, what: str) -> str:
    """A name as a plain string.

    Raises:
        GraphError: it is not a string, is empty, or holds half a surrogate pair, which no file can store.
    """
    if type(name) is str and name and name.isascii():
        return name
    if not isinstance(name, str):
        raise GraphError(
            f"Cannot use {name!r} as the name of a {what}. This is because it is of type {type(name).__name__}, and "
            f"names are strings. Try {str(name)!r}."
        )
    if not name:
        raise GraphError(
            f"Cannot use an empty string as the name of a {what}. This is because messages and files could not "
            f"refer to it. Try any non-empty string."
        )
    if not name.isascii():
        try:
            name.encode()
        except UnicodeEncodeError:
            raise GraphError(
                f"Cannot use {name!r} as the name of a {what}. This is because it is not valid Unicode and could not "
                f"be written to a file. Try decoding the name with the right encoding."
            ) from None
    return str(name)


def finite_number(value: object, task: str, attribute: str) -> float:
    """A finite number as a plain float, minus zero as zero, so that equal numbers are equal bytes.

    Raises:
        GraphError: it is not a real number, or is NaN or infinite; the message is "Cannot {task}. This is because its
            {attribute} is ...".
    """
    if type(value) is float and -math.inf < value < math.inf:
        return value + 0.0
    if isinstance(value, bool) or not isinstance(value, Real):
        raise GraphError(
            f"Cannot {task}. This is because its {attribute} is {value!r} of type {type(value).__name__}, "
            f"and must be a number. Try a float."
        )
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise GraphError(
            f"Cannot {task}. This is because its {attribute} is {value!r}, which is not a finite number. "
            f"Try a finite one."
        )
    return number + 0.0


_BELIEF = {"mean": 0.0, "precision": 1.0, "tonic_volatility": -4.0, "tonic_drift": 0.0, "autoconnection": 1.0}

register_kind(NodeKind("series"))
register_kind(NodeKind("continuous", _BELIEF, positive=frozenset({"precision"})))
register_kind(
    NodeKind(
        "volatile",
        {**_BELIEF, **{f"volatility_{name}": value for name, value in _BELIEF.items()}},
        positive=frozenset({"precision", "volatility_precision"}),
    )
)
register_kind(NodeKind("binary"))
register_kind(NodeKind("category"))
for _name in ("normal", "bernoulli", "poisson", "exponential"):
    register_kind(NodeKind(_name, {"precision": 1.0}, positive=frozenset({"precision"})))
register_kind(NodeKind("average", {"mean": 0.0, "precision": 1.0, "growth": 0.0}, positive=frozenset({"precision"})))
register_kind(NodeKind("constant"))
register_kind(NodeKind("product"))
register_kind(NodeKind("component", {"count": 1.0}, positive=frozenset({"count"})))
for _name in ("input", "dense", "regression", "classification"):
    register_kind(NodeKind(_name, {"width": 1.0}, positive=frozenset({"width"})))

for _name in ("identity", "relu", "sigmoid", "tanh", "curve", "product"):
    register_function_name(_name)
for _name in ("intercept", "noise_sd", "level"):
    register_annotation("node", _name)
for _name in ("weight", "weight_sd", "nats", "probability"):
    register_annotation("edge", _name)
