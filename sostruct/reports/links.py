"""A lagged graph seen as arrows between variables, and how two such graphs differ.

A `networkx.MultiDiGraph` has one edge per lag; a reader sees one arrow per pair of variables. A `Link` is that arrow:
all lags of one pair, with their evidence summed. Comparing a found graph with a known one gives every link a
`Verdict`, which figures, tables and the headline share so that they can never disagree.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import networkx as nx

Pair = tuple[str, str]

SIGNS = {"directed": "\N{RIGHTWARDS ARROW}", "undirected": "\N{EN DASH}", "bidirected": "\N{LEFT RIGHT ARROW}"}
"""Signs of marks beside a lag."""


class Verdict(Enum):
    """What a known graph says about a link."""

    UNKNOWN = "unknown"
    HIT = "true"
    OTHER_LAG = "true pair, other lag"
    FALSE = "false"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class Term:
    """One lag of a link: weight in the data's own units, evidence in nats; NaN where the graph does not say."""

    lag: int
    weight: float
    weight_sd: float
    nats: float
    probability: float
    mark: str = "directed"


@dataclass(frozen=True, slots=True)
class Link:
    """All lags by which one variable leads another, sorted by lag."""

    source: str
    target: str
    mark: str
    terms: tuple[Term, ...]

    @property
    def pair(self) -> Pair:
        return (self.source, self.target)

    @property
    def own_past(self) -> bool:
        return self.source == self.target

    @property
    def lags(self) -> tuple[int, ...]:
        return tuple(term.lag for term in self.terms)

    @property
    def lag_label(self) -> str:
        """Lags as printed beside the arrow; an instantaneous link has no label. A lag whose mark is not that of the
        arrow says so: "0\N{EN DASH}" has no direction, "0\N{LEFT RIGHT ARROW}" is a hidden common cause."""
        if self.lags == (0,):
            return ""
        return ",".join(f"{term.lag}{'' if term.mark == self.mark else SIGNS[term.mark]}" for term in self.terms)

    @property
    def nats(self) -> float:
        """Evidence of all lags together; NaN when the graph carries none."""
        known = [term.nats for term in self.terms if not math.isnan(term.nats)]
        return math.fsum(known) if known else math.nan

    @property
    def weight(self) -> float:
        """Weight of the lag with the strongest evidence."""
        return max(self.terms, key=lambda term: -math.inf if math.isnan(term.nats) else term.nats).weight

    @property
    def description(self) -> str:
        """The link in words, one line per lag: what a reader sees on hovering over the arrow."""
        lines = [f"{self.source} {SIGNS[self.mark]} {self.target}"]
        for term in self.terms:
            parts = [] if term.lag == 0 else [f"lag {term.lag}"]
            if not math.isnan(term.weight):
                spread = "" if math.isnan(term.weight_sd) else f" ± {term.weight_sd:.2g}"
                parts.append(f"weight {term.weight:.3g}{spread}")
            if not math.isnan(term.nats):
                parts.append(f"{term.nats:.1f} nats")
            if parts:
                lines.append(", ".join(parts))
        return "\n".join(lines)


def links(graph: nx.Graph) -> dict[Pair, Link]:
    """Collect the edges of a graph into one link per ordered pair, strongest evidence first."""
    terms: dict[Pair, list[Term]] = {}
    for source, target, data in graph.edges(data=True):
        terms.setdefault((str(source), str(target)), []).append(_term(data))
    collected = [
        Link(pair[0], pair[1], _mark(found), tuple(sorted(found, key=lambda term: term.lag)))
        for pair, found in terms.items()
    ]
    collected.sort(key=lambda link: (-_strength(link), link.pair))
    return {link.pair: link for link in collected}


def _term(data: Mapping[str, Any]) -> Term:
    def number(name: str) -> float:
        value = data.get(name)
        return math.nan if value is None else float(value)

    return Term(
        lag=int(data.get("lag", 0)),
        weight=number("weight"),
        weight_sd=number("weight_sd"),
        nats=number("nats"),
        probability=number("probability"),
        mark=str(data.get("mark", "directed")),
    )


def _mark(terms: Collection[Term]) -> str:
    """That of an arrow that stands for all of them: directed if one is."""
    marks = [term.mark for term in terms]
    return "directed" if "directed" in marks else marks[-1]


def _strength(link: Link) -> float:
    return 0.0 if math.isnan(link.nats) else link.nats


def knows_lags(truth: nx.Graph) -> bool:
    """Whether lags of a known graph mean something.

    Some systems (a sampled flow, say) have true links but no true lags; their graphs put every edge at lag 1. The
    graph attribute `truth_lags` settles it, and without one, a truth with a single lag is not held to it.
    """
    stated = truth.graph.get("truth_lags")
    if stated is not None:
        return bool(stated)
    return len({int(data.get("lag", 0)) for _, _, data in truth.edges(data=True)}) > 1


@dataclass(frozen=True, slots=True)
class Comparison:
    """A found graph and, when it is known, the truth: link by link.

    Attributes:
        names: every variable of either graph, in the found graph's order.
        found: links of the found graph, strongest evidence first.
        true: links of the truth; None when there is none.
        judged: verdict on every found link, and `MISSED` for the true links that are not among them.
        strict: whether the truth has lags to be held to.
    """

    names: tuple[str, ...]
    found: Mapping[Pair, Link]
    true: Mapping[Pair, Link] | None
    judged: Mapping[Pair, Verdict]
    strict: bool

    def verdict(self, source: str, target: str, lag: int) -> Verdict:
        """Verdict on one found edge, its lag included where the truth has lags."""
        pair = (source, target)
        if self.strict and self.true is not None and pair in self.true:
            return Verdict.HIT if lag in self.true[pair].lags else Verdict.OTHER_LAG
        return self.judged.get(pair, Verdict.UNKNOWN if self.true is None else Verdict.FALSE)


def compare(graph: nx.Graph, truth: nx.Graph | None = None) -> Comparison:
    """Judge every link of a found graph by a known one, and list the true links that it lacks.

    Edges of the known graph with the mark "bidirected" say that two variables have a hidden cause in common, and not
    that one causes the other: as in the scores, they are no links to be found.
    """
    found = links(graph)
    names = dict.fromkeys(str(name) for name in graph.nodes)
    if truth is None:
        return Comparison(tuple(names), found, None, dict.fromkeys(found, Verdict.UNKNOWN), False)
    causes = nx.MultiDiGraph(edge for edge in truth.edges(data=True) if edge[2].get("mark") != "bidirected")
    true, strict = links(causes), knows_lags(truth)
    judged: dict[Pair, Verdict] = {}
    for pair, link in found.items():
        if pair not in true:
            judged[pair] = Verdict.FALSE
        elif strict and not set(link.lags) & set(true[pair].lags):
            judged[pair] = Verdict.OTHER_LAG
        else:
            judged[pair] = Verdict.HIT
    judged.update((pair, Verdict.MISSED) for pair in true if pair not in found)
    names.update(dict.fromkeys(str(name) for name in truth.nodes))
    return Comparison(tuple(names), found, true, judged, strict)
