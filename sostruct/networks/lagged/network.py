"""The lagged network: every observed series predicted from the past of its parents.

`LaggedNetwork` translates between a `Topology` whose edges carry lags >= 1 and the packed arrays of `packed.py`. Two
choices matter: the rows of active terms are a pure function of the topology (terms ascending), so a resumed run rounds
exactly as an uninterrupted one; and an edit rewrites only the rows of the targets it touches.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from sostruct.errors import ConfigError, GraphError
from sostruct.graph import AbstractEdit, AddEdge, Capacity, Edge, Node, RemoveEdge, Rewire, Topology, apply
from sostruct.graph.packing import power_of_two
from sostruct.networks.base import AbstractNetwork, Candidate
from sostruct.networks.lagged.constraints import constraints
from sostruct.networks.lagged.evidence import TargetPrior
from sostruct.networks.lagged.moments import LaggedData, moments, standardized
from sostruct.networks.lagged.packed import LaggedGains, PackedLagged, with_rows
from sostruct.networks.lagged.terms import LinearTerms
from sostruct.surprise import Signals

_DEGREE = 8
"""Fewest parent slots per target: most targets need no more, so most runs compile once."""


class LaggedNetwork(AbstractNetwork):
    """Observed series whose parents are their own and each other's past.

    Attributes:
        topology: nodes of kind "series", directed value edges with lag 1..max_lag.
        packed: the same as arrays.
        terms: the term table; its variables fix the order of nodes in every array.
    """

    topology: Topology
    packed: PackedLagged
    terms: LinearTerms = eqx.field(static=True)

    @classmethod
    def bare(
        cls,
        variables: Sequence[str],
        max_lag: int,
        *,
        expected_parents: float = 2.0,
        ridge: float = 1.0,
        forbidden: Iterable[Sequence[Any]] = (),
        required: Iterable[Sequence[Any]] = (),
    ) -> LaggedNetwork:
        """A network that has only its required edges.

        Args:
            variables: names of the series, in the order of the data's columns.
            max_lag: the largest lag L an edge may have, in steps.
            expected_parents: prior expected number of terms per target; with K terms each has prior probability
                `pi = min(expected_parents / K, 1/2)` and log odds `q = log(pi / (1 - pi))`.
            ridge: prior precision of a standardized weight in units of the noise precision (1: unit information).
            forbidden: (cause, effect) or (cause, effect, lag) that may never be in the graph.
            required: (cause, effect, lag) that must be, or (cause, effect) of which at least one lag must be.

        Raises:
            ConfigError: an unknown name, a lag outside 1..max_lag, an edge both forbidden and required, or a
                setting out of its range.
        """
        if not expected_parents > 0 or not np.isfinite(expected_parents):
            raise ConfigError(
                f"Cannot use expected_parents={expected_parents!r}. This is because it is a number of parents. "
                "Try a positive number such as 2."
            )
        if not ridge > 0 or not np.isfinite(ridge):
            raise ConfigError(f"Cannot use ridge={ridge!r}. This is because a prior precision is positive. Try 1.")
        terms = LinearTerms(tuple(variables), max_lag)
        count, size = len(terms.variables), terms.size
        share = min(expected_parents / size, 0.5)
        rules = constraints(terms, forbidden, required)
        edges = [
            Edge(source, terms.variables[effect], lag=lag)
            for effect, term in zip(*np.nonzero(rules.start), strict=True)
            for source, lag in [terms.links[term]]
        ]
        topology = Topology(tuple(Node(name, "series") for name in terms.variables), ())
        prior = TargetPrior(
            log_odds=np.full((count, size), np.log(share / (1 - share))),
            allowed=rules.allowed,
            required=rules.required,
            required_cause=rules.required_cause,
        )
        packed = _blank(_capacity(topology), terms, prior, ridge)
        bare = cls(topology, packed, terms)
        return bare.edited([AddEdge(edge) for edge in edges], key=jax.random.key(0)) if edges else bare

    @property
    def needs_double(self) -> bool:
        """Always: prices are small differences of large numbers."""
        return True

    @property
    def nodes(self) -> tuple[str, ...]:
        """The series, in the order of the data's columns."""
        return self.terms.variables

    @property
    def sequential(self) -> bool:
        """False: its data are sufficient statistics."""
        return False

    def begun(self) -> LaggedNetwork:
        """Itself: an epoch computes everything from the data."""
        return self

    def with_packed(self, packed: PackedLagged) -> LaggedNetwork:
        """The same network holding other beliefs."""
        return LaggedNetwork(self.topology, packed, self.terms)

    def reported(self, signals: Signals) -> Signals:
        """The same: the slots are the series, without padding."""
        return signals

    def prepare(self, data: Any) -> LaggedData:
        """Standardized sufficient statistics of a complete series [time, variable], float64."""
        return standardized(moments(np.asarray(data, np.float64), self.terms.max_lag))

    def at_capacity(self, capacity: Capacity) -> LaggedNetwork:
        """The same network with at least `capacity.degree` parent slots per target."""
        joined = replace(self.packed.capacity, degree=max(self.packed.capacity.degree, capacity.degree))
        width = joined.degree
        extra = width - self.packed.mask.shape[1]

        def widen(array: Any) -> Any:
            room = ((0, 0), *((0, extra),) * (array.ndim - 1))
            return np.pad(np.asarray(array), room) if extra else array

        packed = self.packed
        grown = PackedLagged(
            active=widen(packed.active),
            mask=widen(packed.mask),
            weight=widen(packed.weight),
            inverse=widen(packed.inverse),
            noise=packed.noise,
            ridge=packed.ridge,
            cause=packed.cause,
            prior=packed.prior,
            capacity=joined,
        )
        return self.with_packed(grown)

    def edited(self, edits: Sequence[AbstractEdit], *, key: PRNGKeyArray) -> LaggedNetwork:
        """The network on the edited graph; a new edge starts with weight 0, so no prediction changes until an epoch.

        Deterministic: `key` is unused.

        Raises:
            GraphError: an edit that does not fit the graph, or that leaves what a lagged network can express.
        """
        del key
        return _moved(self, apply(self.topology, edits), _touched_targets(edits, self.terms))

    def at_topology(self, topology: Topology) -> LaggedNetwork:
        """The network on another graph over the same series; edges it has in common keep their weights."""
        for edge in topology.edges:
            _term_of(edge, self.terms)
        return _moved(self, topology, self.terms.variables)

    def candidates(self, signals: Signals, *, best: int, moves: frozenset[str]) -> Sequence[Candidate]:
        """The `best` priced edits of every target, best first, ties in the order add, prune, rewire and by term."""
        gains = signals.gains
        if not isinstance(gains, LaggedGains):
            raise TypeError("signals do not come from a lagged network")
        add, prune, rewire, replacement = (
            np.asarray(table) for table in (gains.add, gains.prune, gains.rewire, gains.replacement)
        )
        tables = [
            table if move in moves else np.full_like(table, -np.inf)
            for move, table in (("add", add), ("prune", prune), ("rewire", rewire))
        ]
        prices = np.concatenate(tables, axis=1)
        kept = min(best, prices.shape[1])
        top = np.argpartition(-prices, kept - 1, axis=1)[:, :kept]
        top.sort(axis=1)
        values = np.take_along_axis(prices, top, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        top, values = np.take_along_axis(top, order, axis=1), np.take_along_axis(values, order, axis=1)
        active = np.asarray(self.packed.active)
        terms, slots, links = self.terms.size, active.shape[1], self.terms.links
        found = []
        for name, own, other, places, nats in zip(
            self.terms.variables, active, replacement, top.tolist(), values.tolist(), strict=True
        ):
            for place, gain in zip(places, nats, strict=True):
                if gain == -np.inf:
                    break
                if place < terms:
                    edit: AbstractEdit = _addition(links[place], name)
                else:
                    removal, slot = divmod(place - terms, slots)
                    source, lag = links[own[slot]]
                    edit = RemoveEdge(source, name, lag=lag)
                    if removal == 1:
                        edit = Rewire(edit, _addition(links[other[slot]], name))
                found.append(Candidate(name, edit, gain))
        return found

    def draw(self, *, key: PRNGKeyArray) -> Sequence[Candidate]:
        """One addition per target, uniform over its allowed absent terms."""
        generator = np.random.default_rng(np.asarray(jax.random.key_data(key)))
        absent = np.array(self.packed.prior.allowed)
        mask = np.asarray(self.packed.mask)
        absent[np.nonzero(mask)[0], np.asarray(self.packed.active)[mask]] = False
        scores = np.where(absent, generator.random(absent.shape), -1.0)
        links, names = self.terms.links, self.terms.variables
        return [
            Candidate(names[target], _addition(links[term], names[target]), float("nan"))
            for target, term in enumerate(scores.argmax(axis=1))
            if absent[target, term]
        ]


def _moved(network: LaggedNetwork, topology: Topology, touched: Collection[str]) -> LaggedNetwork:
    """The network on `topology`, which differs from its own in the parents of the `touched` targets."""
    terms = network.terms
    number = {name: index for index, name in enumerate(terms.variables)}
    if set(topology.names) != number.keys():
        raise GraphError(
            "Cannot add or remove nodes of a lagged network. This is because its nodes are the columns of its data. "
            "Try edits of edges, or a network on other columns."
        )
    rows = {number[name]: sorted(_term_of(edge, terms) for edge in topology.parents(name)) for name in touched}
    if max(map(len, rows.values()), default=0) > network.packed.mask.shape[1]:
        network = network.at_capacity(_capacity(topology))
    allowed = np.asarray(network.packed.prior.allowed)
    for target, row in rows.items():
        if not allowed[target, row].all():
            barred = next(term for term in row if not allowed[target, term])
            raise _forbidden(terms.variables[target], terms.links[barred])
    _check_required(network, rows)
    return LaggedNetwork(topology, with_rows(network.packed, rows), terms)


@lru_cache(maxsize=2**15)
def _addition(link: tuple[str, int], target: str) -> AddEdge:
    return AddEdge(Edge(link[0], target, lag=link[1]))


def _check_required(network: LaggedNetwork, rows: Mapping[int, Sequence[int]]) -> None:
    """Refuses active terms (by changed target) that leave out what must be a parent of the target."""
    terms = network.terms
    required, pairs = (
        np.asarray(mask) for mask in (network.packed.prior.required, network.packed.prior.required_cause)
    )
    if not required.any() and not pairs.any():
        return
    causes = terms.causes
    for target, row in rows.items():
        lost = [terms.links[term] for term in np.flatnonzero(required[target]) if term not in row]
        present = set(causes[row].tolist())
        gone = [(terms.variables[cause], None) for cause in np.flatnonzero(pairs[target]) if cause not in present]
        for source, lag in (*lost, *gone):
            where = "" if lag is None else f" at lag {lag}"
            raise GraphError(
                f"Cannot do without the edge {source} -> {terms.variables[target]}{where}. This is because it is "
                "required. Try another edit, or take it off the list of required ones."
            )


def _forbidden(target: str, link: tuple[str, int]) -> GraphError:
    return GraphError(
        f"Cannot have the edge {link[0]} -> {target} at lag {link[1]}. This is because it is forbidden. Try another "
        "edge, or take it off the list of forbidden ones."
    )


def _term_of(edge: Edge, terms: LinearTerms) -> int:
    term = terms.numbers.get((edge.source, edge.lag))
    if term is None or edge.coupling != "value" or edge.mark != "directed":
        raise GraphError(
            f"Cannot use the edge {edge} ({edge.coupling}, {edge.mark}) in a lagged network. This is because it "
            f"predicts through directed value edges of lag 1 to {terms.max_lag}. Try such an edge."
        )
    return term


def _touched_targets(edits: Iterable[AbstractEdit], terms: LinearTerms) -> Collection[str]:
    touched: dict[str, None] = {}
    for edit in edits:
        match edit:
            case AddEdge():
                _term_of(edit.edge, terms)
                touched[edit.edge.target] = None
            case RemoveEdge():
                touched[edit.target] = None
            case Rewire():
                _term_of(edit.add.edge, terms)
                touched[edit.remove.target] = None
                touched[edit.add.edge.target] = None
            case _:
                raise GraphError(
                    f"Cannot apply {type(edit).__name__} to a lagged network. This is because its nodes are the "
                    "columns of its data and its weights are learned. Try AddEdge, RemoveEdge or Rewire."
                )
    return touched


def _capacity(topology: Topology) -> Capacity:
    """What a lagged network compiles for: parents per target. No other size of the graph reaches its programs."""
    parents = max((len(topology.parents(name)) for name in topology.names), default=0)
    return Capacity(1, 1, 1, power_of_two(parents, _DEGREE), 1, 1, 1, frozenset({"series"}), frozenset({"identity"}))


def _blank(capacity: Capacity, terms: LinearTerms, prior: TargetPrior, ridge: float) -> PackedLagged:
    count, width = len(terms.variables), capacity.degree
    return PackedLagged(
        active=np.zeros((count, width), np.int64),
        mask=np.zeros((count, width), bool),
        weight=np.zeros((count, width)),
        inverse=np.zeros((count, width, width)),
        noise=np.ones(count),
        ridge=np.full(terms.size, float(ridge)),
        cause=terms.causes,
        prior=prior,
        capacity=capacity,
    )
