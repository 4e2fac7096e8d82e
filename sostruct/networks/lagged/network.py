"""The lagged network: every observed series predicted from the past of its parents.

`LaggedNetwork` translates between a `Topology` whose edges carry lags >= 1 and the packed arrays of `packed.py`. Two
choices matter: the rows of active terms are a pure function of the topology (terms ascending), so a resumed run rounds
exactly as an uninterrupted one; and an edit rewrites only the rows of the targets it touches.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PRNGKeyArray
from numpy.typing import NDArray

from sostruct.errors import ConfigError, DataError, GraphError
from sostruct.graph import AbstractEdit, Capacity, Node, Topology, apply
from sostruct.graph.packing import power_of_two
from sostruct.networks.base import AbstractNetwork, Candidate
from sostruct.networks.lagged.constraints import constraints, favored
from sostruct.networks.lagged.evidence import TargetPrior
from sostruct.networks.lagged.groups import Group, groups
from sostruct.networks.lagged.mechanisms import (
    active_terms,
    additions,
    check_edge,
    removals,
    replacements,
    touched_targets,
)
from sostruct.networks.lagged.missing import expected
from sostruct.networks.lagged.moments import LaggedData, less
from sostruct.networks.lagged.packed import LaggedGains, PackedLagged, with_rows
from sostruct.networks.lagged.segments import segments_of
from sostruct.networks.lagged.terms import PRODUCT, AbstractTerms, LinearTerms, Term
from sostruct.networks.lagged.weighted import Noise, Weights, weighted
from sostruct.surprise import Signals
from sostruct.tasks.treatment import UNTREATED, Treatment

_DEGREE = 8
"""Fewest slots per target: most targets need no more, so most runs compile once."""

_CURVED_DEGREE = 32
"""The same where terms may have several columns."""


class LaggedNetwork(AbstractNetwork):
    """Observed series whose parents are their own and each other's past.

    Attributes:
        topology: nodes of kind "series" and, for interactions, "product"; `mechanisms.py` says how terms stand in it.
        packed: the same as arrays.
        terms: the term table; its variables fix the order of nodes in every array.
        treatment: what was done to the series before they came here.
        weights: of the rows of the series it is prepared for, by target; None where all rows count alike.
        noise: what that of every series is like, as far as it was asked.
        seed: of what is drawn when data with gaps are prepared.
    """

    topology: Topology
    packed: PackedLagged
    terms: AbstractTerms = eqx.field(static=True)
    treatment: Treatment = eqx.field(static=True, default=UNTREATED)
    weights: Weights | None = eqx.field(static=True, default=None)
    noise: Noise | None = eqx.field(static=True, default=None)
    seed: int = eqx.field(static=True, default=0)

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
        prior_odds: Iterable[Sequence[Any]] = (),
        terms: AbstractTerms | None = None,
        horizon: Sequence[int] | None = None,
        precedes: NDArray[np.bool_] | None = None,
        treatment: Treatment = UNTREATED,
        seed: int = 0,
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
            prior_odds: (cause, effect, factor) or (cause, effect, lag, factor) by which the prior odds of an edge are
                multiplied.
            terms: the term table; lines only when None. With K terms of a kind, those of each kind have the odds of
                the formula above.
            horizon: largest lag of the terms of every target [target]; max_lag for all when None. A term counts among
                the K of its kind if it is within the target's horizon.
            precedes: where the table has lag 0, which series may act on which within a step [target, cause], acyclic.
            treatment: what was done to the series; evidence counts the rows that are left of it.
            seed: of what is drawn when data with gaps are prepared.

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
        terms = LinearTerms(tuple(variables), max_lag) if terms is None else terms
        names = terms.variables
        rules = constraints(terms, forbidden, required)
        reach = np.array([max(lag for _, lag in term.links) for term in terms.terms])
        within = reach <= np.asarray([max_lag] * len(names) if horizon is None else horizon)[:, None]
        if precedes is not None:
            within &= (reach > 0) | precedes[:, terms.touched[:, 0] % len(names)]
        _, kind = np.unique([term.kind for term in terms.terms], return_inverse=True)
        rivals = np.stack([np.sum(within & (kind == number), axis=1) for number in range(kind.max() + 1)], axis=1)
        rivals = np.maximum(rivals, 1)[:, kind]
        share = np.minimum(expected_parents / rivals, 0.5)
        edits = [
            edit
            for effect, term in zip(*np.nonzero(rules.start), strict=True)
            for edit in additions(terms.terms[term], names[effect])
        ]
        topology = Topology(tuple(Node(name, "series") for name in terms.variables), ())
        prior = TargetPrior(
            log_odds=np.log(share / (1 - share)) + favored(terms, prior_odds),
            allowed=rules.allowed & (within | rules.start),
            required=rules.required,
            required_cause=rules.required_cause,
            direction=np.where(rules.instant, 0.0, -np.inf),
        )
        packed = _blank(_capacity(0, terms), terms, prior, ridge)
        bare = cls(topology, packed, terms, treatment=treatment, seed=seed)
        return bare.edited(edits, key=jax.random.key(0)) if edits else bare

    def directed(self, direction: NDArray[np.float64]) -> LaggedNetwork:
        """The same network knowing more of the directions of effects within a step.

        Args:
            direction: log odds of cause -> target to the reverse, added to what is known [target, cause].
        """
        known = np.asarray(self.packed.prior.direction) + direction
        return self.with_packed(eqx.tree_at(lambda packed: packed.prior.direction, self.packed, known))

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
        return replace(self, packed=packed)

    def weighted(self, weights: Weights | None, noise: Noise | None = None) -> LaggedNetwork:
        """The same network for a series whose rows have these weights (`weighted.py`), because of this noise."""
        return replace(self, weights=weights, noise=noise)

    def reported(self, signals: Signals) -> Signals:
        """The same: the slots are the series, without padding."""
        return signals

    def prepare(self, data: Any) -> LaggedData:
        """Standardized sufficient statistics of a series [time, variable], float64, or of its realizations (a frame
        with an index (realization, time), or a sequence of tables); expected ones where values are missing
        (`missing.py`), found with this network as the state that searches begin from."""
        segments = segments_of(data)
        if self.weights is not None:
            _check_weighted(segments, self.weights)
            found = weighted(self.terms, self.weights)
        elif not any(np.isnan(table).any() for table in segments):
            found = self.terms.prepared(segments)
        else:
            found = expected(segments, self)
        return found if not self.treatment.spent else less(found, self.treatment.spent)

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
            layout=packed.layout,
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
        after = apply(self.topology, edits)
        return _moved(self, after, touched_targets(edits, self.topology, after, self.terms))

    def at_topology(self, topology: Topology) -> LaggedNetwork:
        """The network on another graph over the same series; edges it has in common keep their weights."""
        for edge in topology.edges:
            check_edge(edge)
        return _moved(self, topology, self.terms.variables)

    def candidates(self, signals: Signals, *, best: int, moves: frozenset[str]) -> Sequence[Candidate]:
        """The `best` priced edits of every target, best first, ties in the order add, prune, rewire, group and by term.
        Groups of lags are looked at once no single edit pays (`groups.py`)."""
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
        active = self.terms.layout.term_of(np.asarray(self.packed.active))
        table = self.terms.terms
        terms, slots = len(table), active.shape[1]
        grouped: dict[int, list[Group]] = {}
        for group in groups(self.packed, signals) if "group" in moves else []:
            grouped.setdefault(group.target, []).append(group)
        found: list[Candidate] = []
        for number, (name, own, other, places, nats) in enumerate(
            zip(self.terms.variables, active, replacement, top.tolist(), values.tolist(), strict=True)
        ):
            begin = len(found)
            for place, gain in zip(places, nats, strict=True):
                if gain == -np.inf:
                    break
                if place < terms:
                    edits = additions(table[place], name)
                else:
                    removal, slot = divmod(place - terms, slots)
                    goes = table[own[slot]]
                    edits = replacements(goes, table[other[slot]], name) if removal == 1 else removals(goes, name)
                found.append(Candidate(name, edits[0] if len(edits) == 1 else edits, gain))
            least = found[-1].nats if len(found) - begin == best else -np.inf
            better = (group for group in grouped.get(number, ()) if group.nats > least)
            found += [Candidate(name, _together(group, name, table), group.nats) for group in better]
            found[begin:] = sorted(found[begin:], key=lambda one: -one.nats)[:best]
        return found

    def draw(self, *, key: PRNGKeyArray) -> Sequence[Candidate]:
        """One addition per target, uniform over its allowed absent links, as lines."""
        generator = np.random.default_rng(np.asarray(jax.random.key_data(key)))
        links = len(self.terms.links)
        absent = np.array(self.packed.prior.allowed)[:, :links]
        mask = np.asarray(self.packed.mask)
        present = self.terms.layout.term_of(np.asarray(self.packed.active)[mask])
        target = np.nonzero(mask)[0]
        for link in self.terms.touched[present].T:
            absent[target, link] = False
        scores = np.where(absent, generator.random(absent.shape), -1.0)
        names = self.terms.variables
        return [
            Candidate(names[target], additions(self.terms.terms[term], names[target])[0], float("nan"))
            for target, term in enumerate(scores.argmax(axis=1))
            if absent[target, term]
        ]


def _check_weighted(segments: Sequence[NDArray[np.float64]], weights: Weights) -> None:
    if len(segments) != len(weights.segments) or not all(map(np.array_equal, segments, weights.segments)):
        raise DataError(
            "Cannot prepare this series. This is because the network weighs the rows of another one. Try the series "
            "that the weights were found on, or a network without: `network.weighted(None)`."
        )


def _together(group: Group, target: str, table: Sequence[Term]) -> tuple[AbstractEdit, ...]:
    change = additions if group.enters else removals
    return tuple(edit for term in group.terms for edit in change(table[term], target))


def _moved(network: LaggedNetwork, topology: Topology, touched: Collection[str]) -> LaggedNetwork:
    """The network on `topology`, which differs from its own in the parents of the `touched` targets."""
    terms = network.terms
    number = {name: index for index, name in enumerate(terms.variables)}
    kinds = {True: "series", False: PRODUCT}
    strange = any(node.kind != kinds[node.name in number] for node in topology.nodes)
    if strange or any(name not in topology for name in number):
        raise GraphError(
            "Cannot add or remove series of a lagged network. This is because they are the columns of its data. "
            "Try edits of edges, or a network on other columns."
        )
    active = {number[name]: active_terms(topology, name, terms) for name in touched}
    rows = {target: terms.columns_of(row) for target, row in active.items()}
    longest = max(map(len, rows.values()), default=0)
    if longest > network.packed.mask.shape[1]:
        network = network.at_capacity(_capacity(longest, terms))
    allowed = np.asarray(network.packed.prior.allowed)
    for target, row in active.items():
        if not allowed[target, row].all():
            barred = next(term for term in row if not allowed[target, term])
            raise _forbidden(terms.variables[target], terms.terms[barred].links[0])
    _check_required(network, active)
    return replace(network, topology=topology, packed=with_rows(network.packed, rows))


def _check_required(network: LaggedNetwork, rows: Mapping[int, Sequence[int]]) -> None:
    """Refuses rows of active terms (by changed target) that leave out what must be a parent of the target."""
    terms = network.terms
    required, pairs = (
        np.asarray(mask) for mask in (network.packed.prior.required, network.packed.prior.required_cause)
    )
    if not required.any() and not pairs.any():
        return
    causes = terms.causes
    for target, row in rows.items():
        lost = [terms.terms[term].links[0] for term in np.flatnonzero(required[target]) if term not in row]
        present = set(causes[list(row)].tolist())
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


def _capacity(columns: int, terms: AbstractTerms) -> Capacity:
    """What a lagged network compiles for: columns per target. No other size of the graph reaches its programs."""
    fewest = _DEGREE if terms.layout.size == 1 else _CURVED_DEGREE
    return Capacity(1, 1, 1, power_of_two(columns, fewest), 1, 1, 1, frozenset({"series"}), frozenset({"identity"}))


def _blank(capacity: Capacity, terms: AbstractTerms, prior: TargetPrior, ridge: float) -> PackedLagged:
    count, width = len(terms.variables), capacity.degree
    return PackedLagged(
        active=np.zeros((count, width), np.int64),
        mask=np.zeros((count, width), bool),
        weight=np.zeros((count, width)),
        inverse=np.zeros((count, width, width)),
        noise=np.ones(count),
        ridge=float(ridge) * terms.ridge,
        cause=terms.causes,
        prior=prior,
        layout=terms.layout,
        capacity=capacity,
    )
