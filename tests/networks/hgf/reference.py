"""A plain-Python hierarchical Gaussian filter, written from the equations node by node, for tests to compare with.

Slow on purpose: dictionaries keyed by the names of nodes, one loop per equation, no JAX. The library may share none of
this code, so that a mistake in one of the two shows. In comments and short names: m and p are the posterior mean and
precision, mh and ph the predicted ones, w and kap strengths of value and volatility couplings.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import networkx as nx
import numpy as np
from scipy.special import expit, wrightomega

from tests.networks.hgf.reference_parts import BELIEF, Belief, Link, explicit, links
from tests.networks.hgf.reference_scores import score
from tests.networks.hgf.reference_variables import BINARY

CAP = 1e10
LARGEST_LOG_STEP = 0.4 * math.log(np.finfo(float).max)


class NoBeliefError(Exception):
    """A posterior that is no belief."""


@dataclass(frozen=True)
class Result:
    """What a run returns; every array is [time]. A volatile node's own volatility level is called NAME/volatility."""

    mean: dict[str, np.ndarray]
    precision: dict[str, np.ndarray]
    expected_mean: dict[str, np.ndarray]
    expected_precision: dict[str, np.ndarray]
    surprise: np.ndarray
    composite: np.ndarray
    first_level: np.ndarray
    excess: dict[str, np.ndarray]
    held: dict[str, int]


class Filter:
    """The state of one run: the belief in every node and, where inputs share parents, covariances between states."""

    def __init__(
        self,
        graph: nx.MultiDiGraph,
        inputs: Iterable[str],
        *,
        update: str,
        mean_field: bool,
        carry: str,
        linearize: str,
        assimilate: str,
        strict: bool,
    ) -> None:
        graph = explicit(graph)
        self.update, self.carry, self.linearize, self.joint = update, carry, linearize, assimilate == "joint"
        self.relaxed, self.strict, self.inputs = not mean_field, strict, list(inputs)
        self.kind = {name: graph.nodes[name]["kind"] for name in graph}
        self.parameters = {
            name: {key: np.float64(graph.nodes[name].get(key, default)) for key, default in BELIEF.items()}
            for name in graph
        }
        self.order = list(nx.lexicographical_topological_sort(graph))
        value, volatility = links(graph, "value"), links(graph, "volatility")
        self.value_parents = {name: [link for link in value if link.child == name] for name in graph}
        self.value_children = {name: [link for link in value if link.parent == name] for name in graph}
        self.volatility_parents = {name: [link for link in volatility if link.child == name] for name in graph}
        self.volatility_children = {name: [link for link in volatility if link.parent == name] for name in graph}
        latent = ("continuous", "average")
        self.states = [name for name in self.order if self.kind[name] in latent and name not in self.inputs]
        self.growth = {name: np.float64(graph.nodes[name].get("growth", 0.0)) for name in graph}
        self.belief = {name: Belief(p["mean"], p["precision"]) for name, p in self.parameters.items()}
        self.held = dict.fromkeys(self.order, 0)
        self.correlated = self.joint and any(len(self.uncertain_parents(name)) > 1 for name in self.inputs)
        self.covariance = np.zeros((len(self.states), len(self.states)))  # C: zero diagonal
        self.assimilated: dict[str, tuple[float, float, dict[str, float]]] = {}
        self.dt, self.step = 1.0, 0

    def uncertain_parents(self, name: str) -> list[Link]:
        return [link for link in self.value_parents[name] if self.kind[link.parent] != "constant"]

    def observes(self, name: str) -> bool:
        """Whether the node reads its parents off at one moment: time does not pass into it."""
        return name in self.inputs or self.kind[name] in BINARY

    def weight(self, link: Link) -> float:
        return link.strength * (1.0 if self.observes(link.child) else self.dt)

    def expected_slope(self, link: Link) -> float:
        return self.weight(link) * link.slope(self.belief[link.parent].expected_mean)

    # Predictions

    def log_added(self, name: str, without: str | None = None) -> float:
        """log Omega, or what of it does not depend on one of the volatility parents."""
        total = 0.0 if self.observes(name) else math.log(self.dt) + self.parameters[name]["tonic_volatility"]
        for link in self.volatility_parents[name]:
            if link.parent != without:
                parent = self.belief[link.parent]
                total += link.strength * parent.expected_mean
                if self.relaxed:
                    total += link.strength**2 / (2.0 * parent.expected_precision)
        return total

    def predict(self, name: str) -> None:
        b, parameters = self.belief[name], self.parameters[name]
        b.previous, b.news, b.value_error, b.volatility_error = b.mean, False, 0.0, 0.0
        linear = sum(
            link.strength * link.g(self.belief[link.parent].expected_mean) for link in self.value_parents[name]
        )
        if self.kind[name] == "constant":
            b.expected_mean, b.expected_precision, b.mean, b.precision = 1.0, math.inf, 1.0, 1.0
        elif self.kind[name] == "average":
            b.expected_mean, b.expected_precision, b.conditional_precision = b.mean, b.precision, b.precision
            b.carried, b.added = 1.0 / b.precision, 0.0
        elif self.kind[name] in BINARY:
            b.expected_mean = min(max(float(expit(linear)), 1e-6), 1.0 - 1e-6)
            b.expected_precision = b.expected_mean * (1.0 - b.expected_mean)
        elif name in self.inputs:
            b.expected_mean, b.carried, b.added = linear, 1.0 / parameters["precision"], 0.0
            if self.volatility_parents[name]:
                b.added = math.exp(min(self.log_added(name), LARGEST_LOG_STEP))
            b.expected_precision = 1.0 / (b.carried + b.added)
        else:
            decay = self.decay(name)
            b.expected_mean = decay * b.mean + self.dt * (parameters["tonic_drift"] + linear)
            b.carried = (decay**2 if self.carry == "exact" else 1.0) / b.precision
            b.added = math.exp(min(self.log_added(name), LARGEST_LOG_STEP))
            b.conditional_precision = 1.0 / (b.carried + b.added)
            variance = b.carried + b.added
            if self.relaxed:
                for link in self.value_parents[name]:
                    variance += self.expected_slope(link) ** 2 / self.belief[link.parent].expected_precision
            b.expected_precision = 1.0 / variance

    def decay(self, name: str) -> float:
        if self.kind[name] == "average":
            return 1.0
        return float(self.parameters[name]["autoconnection"] ** self.dt)

    # Observations and errors

    def observe(self, name: str, u: float) -> None:
        b = self.belief[name]
        b.mean, b.precision, b.news = b.expected_mean, b.expected_precision, not math.isnan(u)
        if b.news:
            b.mean = u
            b.precision = b.precision if self.kind[name] in BINARY else self.parameters[name]["precision"]
            self.errors(name)

    def errors(self, name: str) -> None:
        b = self.belief[name]
        b.value_error = b.mean - b.expected_mean
        surplus = b.expected_precision * self.spread(name) - 1.0
        b.volatility_error = surplus / max(1, len(self.volatility_parents[name]))

    def spread(self, name: str) -> float:
        """1/p + d^2. What was observed is certain; the literature has the noise variance 1/p there too."""
        b = self.belief[name]
        certain = name in self.inputs and self.carry == "exact"
        return (0.0 if certain else 1.0 / b.precision) + b.value_error**2

    # Messages from value children

    def point(self, name: str) -> float:
        """Where the couplings of a parent are linearized in its update."""
        return self.belief[name].expected_mean if self.linearize == "prediction" else self.belief[name].previous

    def gain(self, link: Link) -> tuple[float, float]:
        """(q, r) of a child as this parent sees it."""
        b = self.belief[link.child]
        q = r = b.expected_precision
        if self.kind[link.child] in BINARY:
            r = 1.0
        elif self.relaxed and not self.observes(link.child):
            y = b.precision - b.expected_precision
            q = b.conditional_precision * y / (b.conditional_precision + y)
            r = b.conditional_precision * b.precision / (b.conditional_precision + y)
        others = 0.0
        if self.joint:
            for other in self.uncertain_parents(link.child):
                if other != link:
                    slope = self.weight(other) * other.slope(self.point(other.parent))
                    others += slope**2 / self.belief[other.parent].expected_precision
        return q / (1.0 + q * others), r / (1.0 + q * others)

    def value_precision(self, name: str, x: float) -> float:
        """What the value children add to the precision of their parent, linearized at x."""
        total = self.assimilated[name][0] if self.correlated else 0.0
        for link in self.value_children[name]:
            child = self.belief[link.child]
            if not child.news:
                continue
            if self.correlated and link.child in self.inputs:
                q = self.assimilated[name][2][link.child]
            else:
                q = self.gain(link)[0]
                total += q * (self.weight(link) * link.slope(x)) ** 2
            if self.kind[link.child] not in BINARY:
                total -= q * self.weight(link) * link.curvature(x) * child.value_error
        return total

    def value_push(self, name: str, x: float) -> float:
        """What the value children add to the mean of their parent, before the division by its precision."""
        total = self.assimilated[name][1] if self.correlated else 0.0
        for link in self.value_children[name]:
            child = self.belief[link.child]
            if child.news and not (self.correlated and link.child in self.inputs):
                total += self.weight(link) * link.slope(x) * self.gain(link)[1] * child.value_error
        return total

    # Inputs that share parents: one exact linear update, whose covariances are carried to the next step

    def prior_covariance(self) -> np.ndarray:
        """P = diag(1/ph) + C."""
        return np.diag([1.0 / self.belief[name].expected_precision for name in self.states]) + self.covariance

    def loadings(self, seen: list[str]) -> np.ndarray:
        """A [seen input, state]: slopes of the inputs at the points of linearization."""
        A = np.zeros((len(seen), len(self.states)))
        for row, name in enumerate(seen):
            for link in self.uncertain_parents(name):
                A[row, self.states.index(link.parent)] = link.strength * link.slope(self.point(link.parent))
        return A

    def assimilate(self) -> None:
        """For every state what the inputs add to precision and mean, and the leave-one-out weights of its inputs."""
        seen = [name for name in self.inputs if self.belief[name].news]
        P, A = self.prior_covariance(), self.loadings(seen)
        noise = np.array([1.0 / self.belief[name].expected_precision for name in seen])
        errors = np.array([self.belief[name].value_error for name in seen])
        binary = np.array([self.kind[name] in BINARY for name in seen], dtype=bool)
        errors = np.where(binary, errors * noise, errors)
        AP = A @ P
        S = AP @ A.T + np.diag(noise)
        K = np.linalg.solve(S, AP).T
        shift, self.updated = K @ errors, P - K @ AP
        for column, name in enumerate(self.states):
            b = self.belief[name]
            b.news = bool(np.any(AP[:, column] != 0.0))
            leave_one_out = {
                child: 1.0 / (S[row, row] - AP[row, column] ** 2 / P[column, column]) for row, child in enumerate(seen)
            }
            variance = self.updated[column, column]
            self.assimilated[name] = (1.0 / variance - b.expected_precision, shift[column] / variance, leave_one_out)

    def carry_covariance(self) -> None:
        """C with the correlations that the inputs left and the variances that the whole update gave."""
        posterior = np.array([1.0 / self.belief[name].precision for name in self.states])
        scale = np.sqrt(posterior / np.diag(self.updated))
        self.covariance = self.updated * np.outer(scale, scale)
        np.fill_diagonal(self.covariance, 0.0)

    # Posteriors

    def standard(self, name: str) -> tuple[float, float]:
        """(mean, precision), the precision first."""
        b, x = self.belief[name], self.point(name)
        precision, push = b.expected_precision + self.value_precision(name, x), self.value_push(name, x)
        for link in self.volatility_children[name]:
            kap, child = link.strength, self.belief[link.child]
            if child.news:
                gamma, error = child.added * child.expected_precision, child.volatility_error
                precision += 0.5 * (kap * gamma) ** 2 * (1.0 + 2.0 * error) - 0.5 * kap**2 * gamma * error
                push += 0.5 * kap * gamma * error
        return b.expected_mean + push / precision, precision

    def volatility_facts(self, link: Link) -> tuple[float, float, float]:
        """Of a volatility child: log v0, log v without kap m, and 1/p + d^2."""
        b = self.belief[link.child]
        return np.log(b.carried), self.log_added(link.child, link.parent), self.spread(link.child)

    def ehgf(self, name: str) -> tuple[float, float]:
        """(mean, precision), the mean first."""
        b, x = self.belief[name], self.point(name)
        push = self.value_push(name, x)
        telling = [link for link in self.volatility_children[name] if self.belief[link.child].news]
        for link in telling:
            child = self.belief[link.child]
            push += 0.5 * link.strength * child.added * child.expected_precision * child.volatility_error
        mean = b.expected_mean + push / b.expected_precision
        precision = b.expected_precision + self.value_precision(name, x if self.linearize == "prediction" else mean)
        for link in telling:
            log_carried, others, square = self.volatility_facts(link)
            log_v = link.strength * mean + others
            G = expit(log_v - log_carried)
            W = 2.0 * G - 1.0
            E = square * np.exp(-np.logaddexp(log_carried, log_v)) - 1.0
            precision += max(0.0, 0.5 * link.strength**2 * G * (G + W * E))
        return mean, precision

    def unbounded(self, name: str) -> tuple[float, float]:
        """(mean, precision): value children first, then one volatility child after the other."""
        b, x = self.belief[name], self.point(name)
        precision = b.expected_precision + self.value_precision(name, x)
        mean = b.expected_mean + self.value_push(name, x) / precision
        for link in self.volatility_children[name]:
            if self.belief[link.child].news and precision > 0.0:
                mean, precision = self.two_expansions(link, mean, precision)
        return mean, precision

    def two_expansions(self, link: Link, mu: float, pi: float) -> tuple[float, float]:
        """N(mu, 1/pi) times the likelihood of one volatility child, expanded at the prior and at the far mode."""
        kap, child = link.strength, self.belief[link.child]
        log_carried, others, square = self.volatility_facts(link)

        def log_v(z: float) -> float:
            return kap * z + others

        def log_density(z: float) -> float:
            log_total = np.logaddexp(log_carried, log_v(z))
            return -0.5 * log_total - 0.5 * square * np.exp(-log_total) - 0.5 * pi * (z - mu) ** 2

        w1 = expit(log_v(mu) - log_carried)
        p1 = pi + 0.5 * kap**2 * w1 * (1.0 - w1)
        # The child's predictive variance if its parent were at mu instead of its own prediction.
        moved = np.exp(kap * (mu - self.belief[link.parent].expected_mean))
        variance = 1.0 / child.expected_precision - child.added + child.added * moved
        m1 = mu + kap * w1 * (square / variance - 1.0) / (2.0 * p1)

        h = pi / kap**2
        y = log_v(mu) - 0.5 / h + wrightomega(np.log(square * 0.5 / h) + 0.5 / h - log_v(mu))
        x = (y - others) / kap
        w2 = expit(y - log_carried)
        e2 = square * np.exp(-np.logaddexp(log_carried, y)) - 1.0
        p2 = pi + 0.5 * kap**2 * w2 * (w2 + (2.0 * w2 - 1.0) * e2)
        if p2 <= 0.0:
            p2 = pi + 0.5 * kap**2 * w2 * (1.0 - w2)
        m2 = x + (0.5 * kap * w2 * e2 - pi * (x - mu)) / p2
        if not (math.isfinite(m2) and math.isfinite(p2)):
            return m1, p1
        beta = expit(log_density(m2) - log_density(m1))
        variance = (1.0 - beta) / p1 + beta / p2 + beta * (1.0 - beta) * (m1 - m2) ** 2
        return (1.0 - beta) * m1 + beta * m2, 1.0 / variance

    def posterior(self, name: str) -> None:
        b, variance = self.belief[name], 1.0 / self.belief[name].expected_precision
        children = self.value_children[name] + self.volatility_children[name]
        b.news = (self.correlated and b.news) or any(self.belief[link.child].news for link in children)
        if not (math.isfinite(b.expected_mean) and variance < 0.99 * math.exp(LARGEST_LOG_STEP)):
            self.hold(name, f"predicted mean {b.expected_mean}, variance {variance}")
            return
        b.mean, b.precision = b.expected_mean, b.expected_precision
        if not b.news:
            return
        rule = getattr(self, self.update) if self.volatility_children[name] else self.standard
        mean, precision = rule(name)
        if self.kind[name] == "average":
            precision = b.expected_precision + self.growth[name] * (precision - b.expected_precision)
        if math.isfinite(mean) and math.isfinite(precision) and precision > 0.0:
            b.mean, b.precision = mean, min(precision, CAP)
            self.errors(name)
        else:
            self.hold(name, f"mean {mean}, precision {precision} ({self.update})")

    def hold(self, name: str, why: str) -> None:
        """Count a node that could not be updated; its parents hear nothing of it."""
        if self.strict:
            raise NoBeliefError(f"{name} at step {self.step}: {why}")
        self.held[name] += 1
        self.belief[name].news = False

    def advance(self, observed: dict[str, float], dt: float) -> tuple[float, float, float, dict[str, float]]:
        """One step: predictions, parents first; observations and scores; posteriors, children first."""
        self.dt = dt
        decays = np.array([self.decay(name) for name in self.states])
        self.covariance = self.covariance * np.outer(decays, decays)
        for name in self.order:
            self.predict(name)
        joint, composite, first_level, excess, unsound = score(self, observed)
        for name in unsound:
            self.held[name] += 1
            if self.strict:
                raise NoBeliefError(f"{name} at step {self.step}: expected statistics of no distribution")
        for name in self.order:
            if self.observes(name):
                self.observe(name, observed.get(name, math.nan))
        if self.correlated:
            self.assimilate()
        for name in reversed(self.order):
            if name in self.states:
                self.posterior(name)
                b = self.belief[name]
                excess[name] = 0.5 * b.volatility_error * max(1, len(self.volatility_parents[name]))
        if self.correlated:
            self.carry_covariance()
        self.step += 1
        return joint, composite, first_level, excess


def run(
    graph: nx.MultiDiGraph,
    inputs: list[str],
    data: np.ndarray,
    time_steps: np.ndarray | None = None,
    *,
    update: str = "ehgf",
    mean_field: bool = True,
    carry: str = "exact",
    linearize: str = "prediction",
    assimilate: str = "joint",
    strict: bool = True,
) -> Result:
    """Filter data [time, input], NaN where missing, with one positive time step per row (default 1).

    Raises:
        NoBeliefError: a posterior is not finite or its precision not positive, or a prediction has diverged, and
            `strict`.
    """
    table = np.asarray(data, dtype=float).reshape(len(data), len(inputs))
    steps = np.ones(len(table)) if time_steps is None else np.asarray(time_steps, dtype=float)
    state = Filter(
        graph,
        inputs,
        update=update,
        mean_field=mean_field,
        carry=carry,
        linearize=linearize,
        assimilate=assimilate,
        strict=strict,
    )
    fields = ("mean", "precision", "expected_mean", "expected_precision")
    beliefs = {field: {name: np.zeros(len(table)) for name in state.order} for field in fields}
    excess = {name: np.zeros(len(table)) for name in state.order}
    scores = np.zeros((3, len(table)))
    with np.errstate(all="ignore"):
        for row in range(len(table)):
            *scores[:, row], surpluses = state.advance(dict(zip(inputs, table[row], strict=True)), steps[row])
            for name in state.order:
                excess[name][row] = surpluses.get(name, 0.0)
                for field in fields:
                    beliefs[field][name][row] = getattr(state.belief[name], field)
    surprise, composite, first_level = scores
    return Result(
        **beliefs, surprise=surprise, composite=composite, first_level=first_level, excess=excess, held=state.held
    )
