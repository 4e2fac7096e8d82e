"""The edit algebra: every change a graph can undergo, applied in batches and exactly invertible.

Design note. An edit is a small frozen value, so it can be priced, refused, written to a journal and read back. Each
class says in one file what it does to a draft, how it undoes itself, what it is in JSON and what it is called;
`apply` and `invert` run the same code, which is why they cannot disagree. `Rewire` is one edit and not two because a
controller prices it as one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeAlias, final

from sostruct.errors import GraphError
from sostruct.graph.draft import Draft, MisfitError
from sostruct.graph.elements import Edge, EdgeKey, Node, checked_key, key_text
from sostruct.graph.records import edge_attributes, read_edge
from sostruct.graph.schema import checked_name, finite_number, function_names, is_function_name, node_kind, quoted
from sostruct.graph.topology import Topology, cycle_text


class AbstractEdit(ABC):
    """One change of a graph: frozen, hashable, invertible."""

    __slots__ = ()
    op: ClassVar[str]

    @abstractmethod
    def carry_out(self, draft: Draft) -> tuple[AbstractEdit, ...]:
        """Change the draft, and return the edits that undo it; a MisfitError if it cannot be done."""

    @abstractmethod
    def arguments(self) -> dict[str, Any]:
        """The edit's content, ready for JSON."""

    @classmethod
    @abstractmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> AbstractEdit:
        """The edit that has this content."""


Edits: TypeAlias = AbstractEdit | tuple[AbstractEdit, ...]
"""One edit, or several that are decided together."""


def edits_of(edit: Edits) -> tuple[AbstractEdit, ...]:
    """The edits as a tuple, whether it is one or several."""
    return (edit,) if isinstance(edit, AbstractEdit) else edit


@final
@dataclass(frozen=True, slots=True, init=False)
class AddNode(AbstractEdit):
    """Add a node without edges.

    Args:
        name: a name that is not taken.
        kind: a registered node kind.
        parameters: those that differ from the kind's defaults; stored complete, as sorted pairs.

    Raises:
        GraphError: see `Node`.
    """

    op: ClassVar[str] = "add_node"
    name: str
    kind: str
    parameters: tuple[tuple[str, float], ...]

    def __init__(
        self, name: str, kind: str, parameters: Mapping[str, float] | Iterable[tuple[str, float]] = ()
    ) -> None:
        node = Node(name, kind, parameters)
        object.__setattr__(self, "name", node.name)
        object.__setattr__(self, "kind", node.kind)
        object.__setattr__(self, "parameters", node.parameters)

    def carry_out(self, draft: Draft) -> tuple[AbstractEdit, ...]:
        draft.add_node(Node(self.name, self.kind, self.parameters))
        return (RemoveNode(self.name),)

    def arguments(self) -> dict[str, Any]:
        return {"name": self.name, "kind": self.kind, "parameters": dict(self.parameters)}

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> AddNode:
        return cls(**arguments)

    def __str__(self) -> str:
        return f"add node {self.name} ({self.kind})"


@final
@dataclass(frozen=True, slots=True)
class RemoveNode(AbstractEdit):
    """Remove a node and every edge at it.

    Args:
        name: a node that is there.
    """

    op: ClassVar[str] = "remove_node"
    name: str

    def __post_init__(self) -> None:
        checked_name(self.name, "node")

    def carry_out(self, draft: Draft) -> tuple[AbstractEdit, ...]:
        node = draft.node(self.name)
        edges = draft.incident(self.name)
        for edge in edges:
            draft.remove_edge(edge.key)
        draft.remove_node(self.name)
        return (AddNode(node.name, node.kind, node.parameters), *(AddEdge(edge) for edge in edges))

    def arguments(self) -> dict[str, Any]:
        return {"name": self.name}

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> RemoveNode:
        return cls(**arguments)

    def __str__(self) -> str:
        return f"remove node {self.name}"


@final
@dataclass(frozen=True, slots=True)
class AddEdge(AbstractEdit):
    """Add an edge between nodes that are there.

    Args:
        edge: its (source, target, coupling, lag) must not be taken.
    """

    op: ClassVar[str] = "add_edge"
    edge: Edge

    def carry_out(self, draft: Draft) -> tuple[AbstractEdit, ...]:
        draft.add_edge(self.edge, cause=self)
        return (RemoveEdge(*self.edge.key),)

    def arguments(self) -> dict[str, Any]:
        return {"source": self.edge.source, "target": self.edge.target, **edge_attributes(self.edge)}

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> AddEdge:
        attributes = dict(arguments)
        edge, notes = read_edge(attributes.pop("source"), attributes.pop("target"), attributes)
        if notes:
            raise TypeError(f"unexpected {quoted(notes)}")
        return cls(edge)

    def __str__(self) -> str:
        return f"add {self.edge}"


@final
@dataclass(frozen=True, slots=True)
class RemoveEdge(AbstractEdit):
    """Remove the edge with that key.

    Args:
        source: as in `Edge`.
        target: as in `Edge`.
        coupling: as in `Edge`.
        lag: as in `Edge`.
    """

    op: ClassVar[str] = "remove_edge"
    source: str
    target: str
    coupling: str = "value"
    lag: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "lag", checked_key(self.source, self.target, self.coupling, self.lag)[3])

    @property
    def key(self) -> EdgeKey:
        """The key of the edge to remove."""
        return (self.source, self.target, self.coupling, self.lag)

    def carry_out(self, draft: Draft) -> tuple[AbstractEdit, ...]:
        return (AddEdge(draft.remove_edge(self.key)),)

    def arguments(self) -> dict[str, Any]:
        return {"source": self.source, "target": self.target, "coupling": self.coupling, "lag": self.lag}

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> RemoveEdge:
        return cls(**arguments)

    def __str__(self) -> str:
        return f"remove {key_text(self.key)}"


@final
@dataclass(frozen=True, slots=True)
class Rewire(AbstractEdit):
    """Remove one edge and add another, as one decision.

    Args:
        remove: the edge that goes.
        add: the edge that comes; its key may be the same, which turns or re-marks the edge.
    """

    op: ClassVar[str] = "rewire"
    remove: RemoveEdge
    add: AddEdge

    def carry_out(self, draft: Draft) -> tuple[AbstractEdit, ...]:
        removed = draft.remove_edge(self.remove.key)
        draft.add_edge(self.add.edge, cause=self)
        return (Rewire(RemoveEdge(*self.add.edge.key), AddEdge(removed)),)

    def arguments(self) -> dict[str, Any]:
        return {"remove": self.remove.arguments(), "add": self.add.arguments()}

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> Rewire:
        parts = dict(arguments)
        remove, add = parts.pop("remove"), parts.pop("add")
        return cls(RemoveEdge.from_arguments(remove), AddEdge.from_arguments(add), **parts)

    def __str__(self) -> str:
        return f"rewire {key_text(self.remove.key)} to {self.add.edge}"


@final
@dataclass(frozen=True, slots=True, init=False)
class SetParameters(AbstractEdit):
    """Give a node other parameter values, or an edge another strength or function.

    Args:
        target: the name of a node, or the (source, target, coupling, lag) of an edge.
        parameters: the new values by name; what is not named stays. Stored as sorted pairs.

    Raises:
        GraphError: no parameter is named.
    """

    op: ClassVar[str] = "set_parameters"
    target: str | EdgeKey
    parameters: tuple[tuple[str, float | str], ...]

    def __init__(
        self,
        target: str | EdgeKey,
        parameters: Mapping[str, float | str] | Iterable[tuple[str, float | str]],
    ) -> None:
        if isinstance(target, str):
            place: str | EdgeKey = checked_name(target, "node")
        else:
            try:
                place = checked_key(*target)
            except TypeError:
                raise GraphError(
                    f"Cannot set parameters of {target!r}. This is because it is neither the name of a node nor the "
                    f"(source, target, coupling, lag) of an edge. Try `edge.key`."
                ) from None
        task = f"set parameters of {_place(place)}"
        values = {
            name: value if isinstance(value, str) else finite_number(value, task, name)
            for name, value in dict(parameters).items()
        }
        if not values:
            raise GraphError(f"Cannot {task}. This is because none is named. Try at least one.")
        object.__setattr__(self, "target", place)
        object.__setattr__(self, "parameters", tuple(sorted(values.items())))

    def carry_out(self, draft: Draft) -> tuple[AbstractEdit, ...]:
        changes = dict(self.parameters)
        if isinstance(self.target, str):
            node = draft.node(self.target)
            before: dict[str, float | str] = dict(node.parameters)
            complete = node_kind(node.kind).complete(str(self), before | changes)
            draft.replace_node(Node(node.name, node.kind, complete))
            return (SetParameters(self.target, {name: before[name] for name in changes}),)
        edge = draft.edge(self.target)
        foreign = changes.keys() - {"strength", "function"}
        if foreign:
            raise MisfitError(
                f"{quoted(foreign)} is not a parameter of an edge",
                "'strength' or 'function'; what else an edge has changes with a Rewire",
            )
        strength = finite_number(changes.get("strength", edge.strength), str(self), "strength")
        function = str(changes.get("function", edge.function))
        if not is_function_name(function):
            raise MisfitError(f"the function {function!r} is unknown", f"one of {quoted(function_names())}")
        draft.replace_edge(replace(edge, strength=strength, function=function))
        return (SetParameters(self.target, {name: getattr(edge, name) for name in changes}),)

    def arguments(self) -> dict[str, Any]:
        if isinstance(self.target, str):
            return {"node": self.target, "parameters": dict(self.parameters)}
        return {"edge": list(self.target), "parameters": dict(self.parameters)}

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> SetParameters:
        parts = dict(arguments)
        target = parts.pop("node") if "node" in parts else tuple(parts.pop("edge"))
        return cls(target, **parts)

    def __str__(self) -> str:
        values = ", ".join(f"{name} = {_short(value)}" for name, value in self.parameters)
        return f"set {values} of {_place(self.target)}"


def _short(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.5g}"


def _place(target: str | EdgeKey) -> str:
    return target if isinstance(target, str) else key_text(target)


_CLASSES: dict[str, type[AbstractEdit]] = {
    edit.op: edit for edit in (AddNode, RemoveNode, AddEdge, RemoveEdge, Rewire, SetParameters)
}


def register_edit(edit: type[AbstractEdit]) -> type[AbstractEdit]:
    """Lets journals hold a class of edits: a decorator."""
    _CLASSES[edit.op] = edit
    return edit


def apply(topology: Topology, edits: Iterable[AbstractEdit]) -> Topology:
    """The graph after a batch of edits, carried out in order; the graph it starts from is not changed.

    The directed edges at lag 0 must be acyclic at the end of the batch, not after every edit.

    Raises:
        GraphError: an edit does not fit; the message names it, and nothing is applied.
    """
    return _carry_out(topology, edits)[0].freeze()


def invert(topology: Topology, edits: Iterable[AbstractEdit]) -> tuple[AbstractEdit, ...]:
    """The batch that undoes a batch: `apply(apply(t, edits), invert(t, edits)) == t`, exactly.

    Args:
        topology: the graph before the edits.
        edits: a batch that fits it.

    Raises:
        GraphError: see `apply`.
    """
    undo = _carry_out(topology, edits)[1]
    return tuple(edit for steps in reversed(undo) for edit in steps)


def _carry_out(topology: Topology, edits: Iterable[AbstractEdit]) -> tuple[Draft, list[tuple[AbstractEdit, ...]]]:
    draft = Draft(topology)
    undo: list[tuple[AbstractEdit, ...]] = []
    for edit in edits:
        try:
            undo.append(edit.carry_out(draft))
        except MisfitError as misfit:
            raise GraphError(f"Cannot {edit}. This is because {misfit.why}. Try {misfit.remedy}.") from None
    cycle = draft.cycle()
    if cycle is not None:
        steps = set(zip(cycle, (*cycle[1:], cycle[0]), strict=True))
        closing = [edit for key, edit in draft.cause.items() if key[:2] in steps]
        raise GraphError(f"Cannot {closing[-1]}. {cycle_text(cycle)}")
    return draft, undo


def edit_to_dict(edit: AbstractEdit) -> dict[str, Any]:
    """An edit ready for JSON: `{"op": "add_edge", ...}`."""
    return {"op": edit.op, **edit.arguments()}


def edit_from_dict(data: Mapping[str, Any]) -> AbstractEdit:
    """The edit that `edit_to_dict` wrote.

    Raises:
        GraphError: it is no edit; the message says what is wrong.
    """
    try:
        arguments = dict(data)
        edit_class = _CLASSES[arguments.pop("op")]
    except (KeyError, TypeError, ValueError):
        raise GraphError(
            f"Cannot read the edit {data!r}. This is because it has no known 'op'. Try one of {quoted(_CLASSES)}."
        ) from None
    try:
        return edit_class.from_arguments(arguments)
    except (KeyError, TypeError, AttributeError) as error:
        raise GraphError(
            f"Cannot read the edit {data!r}. This is because its arguments are not those of {edit_class.op!r} "
            f"({error}). Try what `edit_to_dict` writes."
        ) from None


def describe(edit: Edits) -> str:
    """An edit for people, e.g. "add a -> b (lag 2)"; several are joined by "; "."""
    return str(edit) if isinstance(edit, AbstractEdit) else "; ".join(str(part) for part in edit)
