"""One graph for all that data cannot tell apart: what two belief graphs are brought to before they are compared.

Design note. Hidden nodes can be rearranged, and some be added or left out, without any change in what a series may look
like. Two graphs are compared for what they say about series, so each is first reduced to a canonical one. The
reductions, repeated until none applies, are

1. *Nothing observed below.* A hidden node without an input among its descendants predicts nothing: it goes.
2. *No influence.* An edge of strength 0 goes. So does a volatility edge that drives a log variance of sd |kap| sd(c) <
   .05, and a value edge whose parent moves its child by |w| sd(b) < .05 of the child's own noise: at such sizes
   thousands of steps hold about one nat.
3. *No influence beside another.* Of the edges of one parent to several children those go that move their child, on its
   own scale, by less than a tenth of what the strongest does: a shared parent with one loading near 0 is not shared.
4. *White parents.* With |lam| < .1 a parent has no memory: it is noise of its only child, and tonic volatility or input
   precision can say so (unless the noise of either depends on a volatility parent). Its own value parents move on to
   the child.
5. *Twins.* Two parents of one child that have no other child, no parents and the same lam are one: sums of
   autoregressions with one root are such autoregressions.
6. *A sum is a chain.* Let x = s + f with (1 - mu L) s = a_t and (1 - lam L) f = b_t, 0 < lam < mu, L the lag. Then (1 -
   mu L)(1 - lam L) x is a moving average of order 1 with autocovariances a (1 + lam^2) + b (1 + mu^2) and -(a lam + b
   mu), a and b the variances. The chain (1 - lam L) x = s' + e_t, (1 - mu L) s' = n_t has n + e (1 + mu^2) and -mu e.
   They agree for e = b + a lam / mu and n = a (mu - lam)(1 - lam mu) / mu, both positive: every sum of two private
   parents of one child, through either coupling, is a chain in which the slow one is the value parent of the fast one.
   (The converse holds where n is small enough, so the chain is the canonical form.) In a chain the two may also change
   places: a random walk with a slow drift is an autoregression whose drift is a random walk; the shape is the same.

Loadings against scales (kap against the sd of its parent) and signs are no part of the shape.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias, final

import networkx as nx

from sostruct.errors import GraphError
from sostruct.graph import Edge, Node, Topology
from sostruct.graph.schema import quoted
from sostruct.tasks.moments import stationary_variances

Arrow: TypeAlias = tuple[str, str, str]
"""(source, target, coupling)."""

NIL = 0.05
"""Least sd of a log variance, or of a drift in its child's noise, that counts as influence."""

MINOR = 0.1
"""Least influence on a child beside that on the parent's strongest."""

WHITE = 0.1
"""Least |lam| that counts as memory."""


@final
@dataclass
class _Reduction:
    """A topology being reduced: changed step by step, and read as a topology where moments are needed."""

    nodes: dict[str, Node]
    edges: dict[Arrow, float]
    inputs: frozenset[str]
    moved: bool = field(default=True)

    def value(self, name: str, parameter: str) -> float:
        return dict(self.nodes[name].parameters).get(parameter, 0.0)

    def into(self, name: str) -> list[Arrow]:
        return [arrow for arrow in self.edges if arrow[1] == name]

    def out(self, name: str) -> list[Arrow]:
        return [arrow for arrow in self.edges if arrow[0] == name]

    def drop(self, arrow: Arrow) -> None:
        del self.edges[arrow]
        self.moved = True

    def topology(self) -> Topology:
        edges = (Edge(*arrow, strength=strength) for arrow, strength in self.edges.items())
        return Topology(tuple(self.nodes.values()), tuple(edges))

    def set(self, name: str, **parameters: float) -> None:
        node = self.nodes[name]
        self.nodes[name] = Node(name, node.kind, {**dict(node.parameters), **parameters})


def canonical(graph: nx.MultiDiGraph | Topology, inputs: Sequence[str]) -> Topology:
    """The graph that stands for all that the inputs cannot tell from this one; see the design note of this module.

    Args:
        graph: a belief graph.
        inputs: its observed leaves; all other nodes are hidden.

    Raises:
        GraphError: an input is not a leaf of the graph.
    """
    topology = graph if isinstance(graph, Topology) else Topology.from_networkx(graph)
    for name in inputs:
        if name not in topology or topology.children(name):
            raise GraphError(
                f"Cannot compare this graph at the input {name!r}. This is because that is not one of its leaves. "
                f"Try some of {quoted(leaf for leaf in topology.names if not topology.children(leaf))}."
            )
    work = _Reduction(
        {node.name: node for node in topology.nodes},
        {edge.key[:3]: edge.strength for edge in topology.edges},
        frozenset(inputs),
    )
    while work.moved:
        work.moved = False
        _unobserved(work)
        _without_influence(work)
        for name in sorted(work.nodes.keys() - work.inputs):
            if name in work.nodes and not work.moved:
                _white(work, name)
        for name in sorted(work.nodes):
            if not work.moved:
                _sums(work, name)
    return work.topology()


def _unobserved(work: _Reduction) -> None:
    above = nx.DiGraph()
    above.add_nodes_from(work.nodes)
    above.add_edges_from((target, source) for source, target, _ in work.edges)
    seen = set(work.inputs).union(*(nx.descendants(above, name) for name in work.inputs))
    for name in work.nodes.keys() - seen:
        for arrow in (*work.into(name), *work.out(name)):
            work.drop(arrow)
        del work.nodes[name]
        work.moved = True


def _without_influence(work: _Reduction) -> None:
    for arrow in [arrow for arrow, strength in work.edges.items() if strength == 0.0]:
        work.drop(arrow)
    variances = stationary_variances(work.topology())
    noise = {name: _noise(work, name, variances) for name in work.nodes}
    for arrow, strength in list(work.edges.items()):
        source, target, coupling = arrow
        scale = 1.0 if coupling == "volatility" else noise[target]
        if work.nodes[source].kind == "continuous" and abs(strength) * math.sqrt(variances[source]) < NIL * scale:
            work.drop(arrow)
    for name in work.nodes.keys() - work.inputs:
        groups: dict[tuple[str, bool], dict[Arrow, float]] = {}
        for arrow in work.out(name):
            size = _influence(work, arrow, noise)
            groups.setdefault((arrow[2], arrow[1] in work.inputs), {})[arrow] = size
        for group in groups.values():
            for arrow, size in group.items():
                if size < MINOR * max(group.values()):
                    work.drop(arrow)


def _noise(work: _Reduction, name: str, variances: dict[str, float]) -> float:
    """sd of a node's own noise, averaged over volatility parents that have a long run."""
    kind = work.nodes[name].kind
    if kind != "continuous":
        return math.pi / math.sqrt(3.0)  # of the logistic noise behind a binary input
    exponent = sum(
        0.5 * work.edges[arrow] ** 2 * variances[arrow[0]]
        for arrow in work.into(name)
        if arrow[2] == "volatility" and math.isfinite(variances[arrow[0]])
    )
    if name not in work.inputs:
        return math.exp(0.5 * min(work.value(name, "tonic_volatility") + exponent, 700.0))
    volatile = any(arrow[2] == "volatility" for arrow in work.into(name))
    return math.sqrt(1.0 / work.value(name, "precision") + (math.exp(min(exponent, 700.0)) if volatile else 0.0))


def _influence(work: _Reduction, arrow: Arrow, noise: dict[str, float]) -> float:
    """How much an edge moves its child, on the child's scale, up to a factor that the parent's edges share.

    Of an input it is the part of one step's variance that the parent explains, as an sd; the others are unbounded.
    """
    source, target, coupling = arrow
    strength = abs(work.edges[arrow])
    if coupling == "volatility":
        return strength
    if target not in work.inputs:
        return strength / noise[target]
    parts = [
        (work.edges[other] * noise[other[0]]) ** 2
        for other in work.into(target)
        if other[2] == "value" and work.nodes[other[0]].kind == "continuous"
    ]
    return strength * noise[source] / math.sqrt(sum(parts) + noise[target] ** 2)


def _white(work: _Reduction, name: str) -> None:
    children, parents = work.out(name), work.into(name)
    if work.nodes[name].kind != "continuous" or abs(work.value(name, "autoconnection")) >= WHITE:
        return
    if len(children) != 1 or children[0][2] != "value" or any(arrow[2] == "volatility" for arrow in parents):
        return
    child = children[0][1]
    if work.nodes[child].kind != "continuous":
        return
    if child not in work.inputs and any(arrow[2] == "volatility" for arrow in work.into(child)):
        return
    strength = work.edges[children[0]]
    added = strength**2 * math.exp(work.value(name, "tonic_volatility"))
    if child in work.inputs:
        work.set(child, precision=1.0 / (1.0 / work.value(child, "precision") + added))
    else:
        work.set(child, tonic_volatility=math.log(math.exp(work.value(child, "tonic_volatility")) + added))
    for arrow in parents:
        moved = (arrow[0], child, "value")
        work.edges[moved] = work.edges.get(moved, 0.0) + strength * work.edges[arrow]
        work.drop(arrow)
    work.drop(children[0])
    del work.nodes[name]


def _sums(work: _Reduction, name: str) -> None:
    for coupling in ("value", "volatility"):
        private = [
            arrow
            for arrow in work.into(name)
            if arrow[2] == coupling and work.nodes[arrow[0]].kind == "continuous"
            if len(work.out(arrow[0])) == 1 and not work.into(arrow[0])
        ]
        roots = {arrow[0]: work.value(arrow[0], "autoconnection") for arrow in private}
        ranked = sorted(private, key=lambda arrow: (-roots[arrow[0]], arrow[0]))
        twins = [pair for pair in pairwise(ranked) if roots[pair[0][0]] == roots[pair[1][0]]]
        if twins:
            _join(work, *twins[0])
            return
        if len(ranked) == 2 and roots[ranked[1][0]] > 0.0 and roots[ranked[0][0]] <= 1.0:
            _chain(work, *ranked)
            return


def _join(work: _Reduction, kept: Arrow, gone: Arrow) -> None:
    """The variances of the steps of both, on the scale of the first."""
    relative = (work.edges[gone] / work.edges[kept]) ** 2
    steps = [math.exp(work.value(arrow[0], "tonic_volatility")) for arrow in (kept, gone)]
    work.set(kept[0], tonic_volatility=math.log(steps[0] + relative * steps[1]))
    work.drop(gone)
    del work.nodes[gone[0]]


def _chain(work: _Reduction, slow: Arrow, fast: Arrow) -> None:
    """The slow parent moves above the fast one, both on the scale of the fast one; equation 6."""
    mu, lam = work.value(slow[0], "autoconnection"), work.value(fast[0], "autoconnection")
    a = math.exp(work.value(slow[0], "tonic_volatility")) * (work.edges[slow] / work.edges[fast]) ** 2
    b = math.exp(work.value(fast[0], "tonic_volatility"))
    work.set(fast[0], tonic_volatility=math.log(b + a * lam / mu))
    work.set(slow[0], tonic_volatility=math.log(a * (mu - lam) * (1.0 - lam * mu) / mu))
    work.drop(slow)
    work.edges[slow[0], fast[0], "value"] = 1.0
