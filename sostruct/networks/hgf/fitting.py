"""Parameters of components at the maximum of their posterior: many fits at once, each by a quasi-Newton method.

Derivatives come from central differences, whose passes fill the lanes of the workbench beside each other; that costs as
much as forward-mode differentiation and works wherever the filter does, kinks of the update included. All fits of a
call take their steps together: one batch for the derivatives, one for the lengths of the steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np

from sostruct.networks.hgf.components import Component, Floats, Sketch
from sostruct.networks.hgf.workbench import Knob, Trial, Workbench

_STEP = 1e-2
"""Of the central differences, in the units of the search: log variances, log precisions, logits, strengths."""

_LENGTHS = np.array([1.5, 1.0, 0.6, 0.3, 0.1, 0.02])
"""Lengths of steps tried, in quasi-Newton steps."""

_FARTHEST = 3.0
"""Largest change of one number in one step, in the units of the search."""

_CORNER = 3.5
"""Logarithm of the ratio of variances from which a fit is in a corner."""

_LOGIT = (-4.0, 7.0)
"""Autoconnections that a fit may reach, from .018 to .9991: nearer to 1 the start of the series decides."""


def free_knobs(component: Component) -> tuple[Knob, ...]:
    """What a fit of a component may turn: noise of inputs, tonic volatilities, and whatever is not held by convention.

    A strength of exactly 1, a tonic drift of exactly 0 and an autoconnection that is not between 0 and 1 are held: the
    loading that gives a parent its scale, a random walk without drift, and what a filter can hardly tell from others.
    """
    observed = frozenset(component.inputs)
    knobs: list[Knob] = []
    for node in component.topology.nodes:
        own = dict(node.parameters)
        if node.name in observed:
            knobs += [(node.name, "precision")] if node.kind == "continuous" else []
            continue
        if "tonic_volatility" in own:
            knobs.append((node.name, "tonic_volatility"))
        if 0.0 < own.get("autoconnection", 1.0) < 1.0:
            knobs.append((node.name, "autoconnection"))
        if own.get("tonic_drift", 0.0) != 0.0:
            knobs.append((node.name, "tonic_drift"))
    knobs += [(edge.key, "strength") for edge in component.topology.edges if edge.strength not in (0.0, 1.0)]
    return tuple(knobs)


def value_of(component: Component, knob: Knob) -> float:
    """The number of a component that a knob turns."""
    place, name = knob
    if isinstance(place, str):
        return dict(component.topology.node(place).parameters)[name]
    return component.topology.edge(place).strength


def starts(component: Component, knobs: tuple[Knob, ...], values: Mapping[Knob, float]) -> list[Floats]:
    """Where to start a fit: at the component's own numbers, and away from corners.

    The evidence is flat where an input's noise is nothing beside the steps of its state, or these beside the noise: a
    fit that was pushed there by what the graph lacked would stay. From there, noise and steps also start of a size.

    Args:
        component: what is fitted.
        knobs: what may be turned.
        values: numbers that replace those of the component.
    """
    own = np.array([values[knob] if knob in values else value_of(component, knob) for knob in knobs], np.float64)
    away = own.copy()
    place = {knob: number for number, knob in enumerate(knobs)}
    for column in component.inputs:
        noise = place.get((column, "precision"))
        above = [edge for edge in component.topology.parents(column) if edge.coupling == "value"]
        if noise is None or len(above) != 1:
            continue
        state = place.get((above[0].source, "tonic_volatility"))
        if state is None:
            continue
        step, seen = away[state] + 2.0 * math.log(abs(above[0].strength) + 1e-12), -math.log(away[noise])
        if seen < step - _CORNER:
            away[noise] = math.exp(-(step - 1.0))
            away[state] -= 0.7
        elif step < seen - 2.0 * _CORNER:
            away[state] += (seen - 2.0) - step
            away[noise] *= 1.15
    return [own] if np.array_equal(own, away) else [own, away]


def _flat(values: Floats) -> Floats:
    return np.zeros(len(values))


@final
@dataclass(frozen=True, eq=False)
class Problem:
    """A fit to be made.

    Attributes:
        sketch: the component.
        knobs: what may be turned.
        start: where from [knob].
        prior: log density of rows of numbers [variant, knob] -> [variant], nats, whatever its scale.
    """

    sketch: Sketch
    knobs: tuple[Knob, ...]
    start: Floats
    prior: Callable[[Floats], Floats] = _flat


@final
@dataclass(frozen=True, eq=False)
class Fit:
    """What a fit found.

    Attributes:
        values: of the knobs [knob].
        evidence: log evidence there, nats; -inf where even the start was invalid.
        posterior: the same with the prior, which is what is maximized.
        converged: whether the last step promised less than the tolerance.
    """

    values: Floats
    evidence: float
    posterior: float
    converged: bool


def fit(bench: Workbench, problems: Sequence[Problem], *, rounds: int = 25, tolerance: float = 0.02) -> list[Fit]:
    """Maximizes the log evidence of every problem, and the log density of its prior.

    Args:
        bench: filters the variants.
        problems: what to fit.
        rounds: most quasi-Newton steps.
        tolerance: nats that a step must promise for the fit to go on.
    """
    searches = [_Search(problem) for problem in problems]
    _measure(bench, searches, [search.point[None] for search in searches])
    for search, (first,) in zip(searches, [search.measured for search in searches], strict=True):
        search.best = first
        search.active = math.isfinite(first) and bool(search.problem.knobs)
    for _ in range(rounds):
        active = [search for search in searches if search.active]
        if not active:
            break
        _measure(bench, active, [search.around() for search in active])
        for search in active:
            search.learn()
        active = [search for search in active if search.active]
        _measure(bench, active, [search.ahead() for search in active])
        for search in active:
            search.advance(tolerance)
    return [one.found() for one in searches]


def _measure(bench: Workbench, searches: Sequence[_Search], points: Sequence[Floats]) -> None:
    trials = [
        Trial(search.problem.sketch, search.problem.knobs, outward(search.problem.knobs, own))
        for search, own in zip(searches, points, strict=True)
    ]
    for search, own, found in zip(searches, points, bench.filter(trials), strict=True):
        prior = search.problem.prior(outward(search.problem.knobs, own))
        search.points, search.measured = own, np.where(np.isfinite(found), found + prior, -np.inf)


@final
@dataclass(eq=False)
class _Search:
    """One maximization on its way, in unbounded coordinates (BFGS; Nocedal & Wright 2006, chapter 6)."""

    problem: Problem
    point: Floats = field(init=False)
    best: float = field(init=False, default=-math.inf)
    active: bool = field(init=False, default=True)
    points: Floats = field(init=False)
    measured: Floats = field(init=False)
    gradient: Floats | None = field(init=False, default=None)
    inverse: Floats = field(init=False)
    direction: Floats = field(init=False)
    promise: float = field(init=False, default=0.0)
    moved: Floats | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.point = inward(self.problem.knobs, self.problem.start)

    def found(self) -> Fit:
        """Where it is."""
        values = outward(self.problem.knobs, self.point)
        return Fit(values, self.best - float(self.problem.prior(values[None])[0]), self.best, not self.active)

    def around(self) -> Floats:
        """Two points along every axis."""
        steps = _STEP * np.eye(len(self.point))
        return np.concatenate([self.point + steps, self.point - steps])

    def learn(self) -> None:
        """Gradient, inverse curvature and direction from what `around` measured."""
        up, down = np.split(self.measured, 2)
        if not np.isfinite(self.measured).all():
            up, down = (np.where(np.isfinite(side), side, self.best - 1.0) for side in (up, down))
        gradient = (up - down) / (2.0 * _STEP)
        curvature = -(up + down - 2.0 * self.best) / _STEP**2
        scale = 1.0 / np.maximum(np.abs(curvature), 1.0)
        if self.gradient is None or self.moved is None:
            self.inverse = np.diag(scale)
        else:
            change = self.gradient - gradient
            along = float(self.moved @ change)
            if along > 1e-10:
                left = np.eye(len(scale)) - np.outer(self.moved, change) / along
                self.inverse = left @ self.inverse @ left.T + np.outer(self.moved, self.moved) / along
            else:
                self.inverse = np.diag(scale)
        self.gradient = gradient
        direction = self.inverse @ gradient
        if float(direction @ gradient) <= 0.0:
            self.inverse = np.diag(scale)
            direction = self.inverse @ gradient
        self.promise = float(direction @ gradient)
        self.direction = direction * min(1.0, _FARTHEST / max(float(np.abs(direction).max()), 1e-300))

    def ahead(self) -> Floats:
        """Points along the direction."""
        lengths: Floats = self.point + _LENGTHS[:, None] * self.direction
        return lengths

    def advance(self, tolerance: float) -> None:
        """To the best of what `ahead` measured, if that is better; done where little was promised or gained."""
        chosen = int(np.argmax(self.measured))
        gained = float(self.measured[chosen]) - self.best
        if gained > 0.0:
            inside = inward(self.problem.knobs, outward(self.problem.knobs, self.points[chosen]))
            self.moved = inside - self.point
            self.point, self.best = inside, float(self.measured[chosen])
        self.active = gained > 0.5 * tolerance and self.promise > tolerance


def inward(knobs: Sequence[Knob], values: Floats) -> Floats:
    """From numbers of a graph to coordinates of the search, by the last axis."""
    points = np.array(values, np.float64)
    for column, (_, name) in enumerate(knobs):
        own = points[..., column]
        if name == "precision":
            points[..., column] = np.log(own)
        elif name == "autoconnection":
            inside = np.clip(own, 1e-6, 1.0 - 1e-6)
            points[..., column] = np.clip(np.log(inside) - np.log1p(-inside), *_LOGIT)
    return points


def outward(knobs: Sequence[Knob], points: Floats) -> Floats:
    """From coordinates of the search to numbers of a graph, by the last axis."""
    values = np.array(points, np.float64)
    for column, (_, name) in enumerate(knobs):
        own = points[..., column]
        if name == "precision":
            values[..., column] = np.exp(np.clip(own, -40.0, 40.0))
        elif name == "autoconnection":
            values[..., column] = 1.0 / (1.0 + np.exp(-np.clip(own, *_LOGIT)))
        elif name == "tonic_volatility":
            values[..., column] = np.clip(own, -40.0, 40.0)
    return values
