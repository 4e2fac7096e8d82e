"""How much of a known belief graph was found: edges compared once hidden nodes are matched.

Design note. Two numbers, because one flatters. Of a graph with two secrets, four of six edges join an input to its own
state, and whoever finds nothing has those four right: an F1 of .8. `edges` therefore counts every edge, and `hidden`
leaves out those that both graphs have from a private state to its one input: it is 0 for whoever finds nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import networkx as nx

from sostruct.graph import Topology
from sostruct.structure.equivalence import Arrow, canonical
from sostruct.structure.matching import best_matching, image


@final
@dataclass(frozen=True)
class Agreement:
    """Counts of edges.

    Attributes:
        hits: in both graphs.
        found: in the found graph.
        truth: in the true graph.
    """

    hits: int
    found: int
    truth: int

    @property
    def precision(self) -> float:
        """hits / found; 1 where nothing was found."""
        return self.hits / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        """hits / truth; 1 where there was nothing to find."""
        return self.hits / self.truth if self.truth else 1.0

    @property
    def f1(self) -> float:
        """2 hits / (found + truth), the harmonic mean of both; 1 where both graphs have no edge."""
        return 2.0 * self.hits / (self.found + self.truth) if self.found + self.truth else 1.0


@final
@dataclass(frozen=True)
class Comparison:
    """A found graph beside the true one, both in canonical form.

    Attributes:
        edges: agreement of all edges.
        hidden: agreement of the edges that a bare network does not have: without those from a state to an input where,
            in both graphs, neither has another such edge.
        matching: hidden node of the found graph -> hidden node of the truth, of those that share an edge.
        missing: edges (source, target, coupling) of the truth that were not found, in its names.
        spurious: edges of the found graph that the truth does not have, in the found graph's names.
    """

    edges: Agreement
    hidden: Agreement
    matching: Mapping[str, str]
    missing: tuple[Arrow, ...]
    spurious: tuple[Arrow, ...]

    @property
    def precision(self) -> float:
        """Of all edges found, the part that is true."""
        return self.edges.precision

    @property
    def recall(self) -> float:
        """Of all true edges, the part that was found."""
        return self.edges.recall

    @property
    def f1(self) -> float:
        """2 hits / (found + true) of all edges."""
        return self.edges.f1


def compare_beliefs(
    found: nx.MultiDiGraph | Topology, truth: nx.MultiDiGraph | Topology, inputs: Sequence[str]
) -> Comparison:
    """Edges that two belief graphs over the same inputs share.

    Both are brought to the form that stands for everything the inputs cannot tell from them (`canonical`); then hidden
    nodes are matched so that the most edges (source, target, coupling) coincide.

    Args:
        found: the graph to judge.
        truth: the graph that is right.
        inputs: the observed leaves of both; all other nodes are hidden, and their names mean nothing.

    Raises:
        GraphError: an input is not a leaf of both graphs.
    """
    mine, theirs = ({edge.key[:3] for edge in canonical(graph, inputs).edges} for graph in (found, truth))
    matching = best_matching(mine, theirs, inputs)
    images = {arrow: image(arrow, matching, inputs) for arrow in mine}
    hits = {arrow: there for arrow, there in images.items() if there in theirs}
    private = sum(
        _private(one, mine, inputs) and _private(other, theirs, inputs) for one, other in hits.items() if other
    )
    return Comparison(
        edges=Agreement(len(hits), len(mine), len(theirs)),
        hidden=Agreement(len(hits) - private, len(mine) - private, len(theirs) - private),
        matching=matching,
        missing=tuple(sorted(theirs - set(hits.values()))),
        spurious=tuple(sorted(mine - hits.keys())),
    )


def _private(arrow: Arrow, edges: Collection[Arrow], inputs: Sequence[str]) -> bool:
    """Whether an edge is the only value edge into its input and its parent's only edge to an input."""
    source, target, coupling = arrow
    if target not in inputs or coupling != "value":
        return False
    beside = [
        edge for edge in edges if edge[2] == "value" and edge[1] in inputs and (edge[0] == source or edge[1] == target)
    ]
    return beside == [arrow]
