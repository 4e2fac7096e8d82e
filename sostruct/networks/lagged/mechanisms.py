"""How the terms of a target stand in the graph: from edits to terms, and from terms to edits.

A line is a directed value edge with a lag, a curve such an edge with the function "curve". A product of two links is a
node of kind "product": its parents are the two links, and it acts on its target within the step. So every mechanism is
a piece of the graph, and the terms of a target are a function of the graph alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache

from sostruct.errors import GraphError
from sostruct.graph import AbstractEdit, AddEdge, AddNode, Edge, RemoveEdge, RemoveNode, Rewire, Topology
from sostruct.networks.lagged.terms import CURVE, LINE, PRODUCT, AbstractTerms, Term

_FUNCTIONS = {LINE: "identity", CURVE: CURVE}
_KINDS = {function: kind for kind, function in _FUNCTIONS.items()}


@lru_cache(maxsize=2**15)
def additions(term: Term, target: str) -> tuple[AbstractEdit, ...]:
    """The edits that give a target a term."""
    if term.kind != PRODUCT:
        return (AddEdge(_edge(term, target)),)
    name = product_name(term, target)
    inputs = (AddEdge(Edge(source, name, lag=lag)) for source, lag in term.links)
    return (AddNode(name, PRODUCT), *inputs, AddEdge(Edge(name, target)))


@lru_cache(maxsize=2**15)
def removals(term: Term, target: str) -> tuple[AbstractEdit, ...]:
    """The edits that take it away."""
    if term.kind == PRODUCT:
        return (RemoveNode(product_name(term, target)),)
    (source, lag) = term.links[0]
    return (RemoveEdge(source, target, lag=lag),)


def replacements(goes: Term, comes: Term, target: str) -> tuple[AbstractEdit, ...]:
    """The edits that put one term in another's place: one where both are edges."""
    removal, addition = removals(goes, target), additions(comes, target)
    if isinstance(removal[0], RemoveEdge) and isinstance(addition[0], AddEdge):
        return (Rewire(removal[0], addition[0]),)
    return (*removal, *addition)


def product_name(term: Term, target: str) -> str:
    """The name of a product's node, e.g. "x1(t-1) x2(t-3) -> x5"."""
    factors = [f"{source}(t-{lag})" for source, lag in term.links]
    return f"{' '.join(factors)}{'^2' if len(factors) == 1 else ''} -> {target}"


def active_terms(topology: Topology, target: str, terms: AbstractTerms) -> list[int]:
    """Numbers of the terms of a target, ascending.

    Raises:
        GraphError: an edge or a node that the table has no term for.
    """
    found = []
    for edge in topology.parents(target):
        if topology.node(edge.source).kind != PRODUCT:
            found.append(
                _number(edge, Term(_KINDS.get(edge.function, edge.function), ((edge.source, edge.lag),)), terms)
            )
            continue
        inputs = topology.parents(edge.source)
        order = terms.link_numbers
        links = sorted(((own.source, own.lag) for own in inputs), key=lambda link: order.get(link, -1))
        plain = edge.lag == 0 and all(own.function == "identity" for own in (edge, *inputs))
        found.append(_number(edge, Term(PRODUCT if plain else "", tuple(links)), terms))
    return sorted(found)


def touched_targets(
    edits: Iterable[AbstractEdit], before: Topology, after: Topology, terms: AbstractTerms
) -> Collection[str]:
    """The series whose terms a batch of edits may change.

    Raises:
        GraphError: an edit that a lagged network has no meaning for.
    """
    named: dict[str, None] = {}
    for edit in edits:
        match edit:
            case AddEdge():
                check_edge(edit.edge)
                named[edit.edge.target] = None
            case RemoveEdge():
                named[edit.target] = None
            case Rewire():
                check_edge(edit.add.edge)
                named[edit.remove.target] = None
                named[edit.add.edge.target] = None
            case AddNode() | RemoveNode():
                named[edit.name] = None
            case _:
                raise GraphError(
                    f"Cannot apply {type(edit).__name__} to a lagged network. This is because its nodes are the "
                    "columns of its data and its weights are learned. Try AddEdge, RemoveEdge or Rewire."
                )
    touched: dict[str, None] = {}
    for name in named:
        for topology in (before, after):
            product = name in topology and topology.node(name).kind == PRODUCT
            for child in [edge.target for edge in topology.children(name)] if product else [name]:
                if child in after and after.node(child).kind != PRODUCT:
                    touched[child] = None
    return touched


def _edge(term: Term, target: str) -> Edge:
    (source, lag) = term.links[0]
    return Edge(source, target, lag=lag, function=_FUNCTIONS[term.kind])


def check_edge(edge: Edge) -> None:
    """Refuses an edge that no term can stand for.

    Raises:
        GraphError: it is not a directed value edge.
    """
    if edge.coupling != "value" or edge.mark != "directed":
        raise GraphError(
            f"Cannot use the edge {edge} ({edge.coupling}, {edge.mark}) in a lagged network. This is because it "
            "predicts through directed value edges. Try such an edge."
        )


def _number(edge: Edge, term: Term, terms: AbstractTerms) -> int:
    number = terms.numbers.get(term)
    if number is None:
        raise GraphError(
            f"Cannot use the edge {edge} ({edge.function}) in a lagged network. This is because it predicts through "
            f"edges of lag 1 to {terms.max_lag} and the functions of its term table. Try such an edge."
        )
    return number
