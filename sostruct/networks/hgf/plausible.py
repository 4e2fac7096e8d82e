"""How plausible the numbers of hidden parents are: a weak prior, and what it costs to have them free.

A hundred rows leave the likelihood of a volatility parent all but flat from some strength down, and its maximum often
lies at a parent that does nothing, or at one that explains every step. The prior speaks only of what a parent does to
its children, in units that no scale of the data changes. With S = exp(tonic volatility / 2) / sqrt(1 - a^2) the
stationary sd of a parent of autoconnection a, and k its strength:

    logit a                                    ~ N(2.2, 1.5)     memory of a stationary parent
    ln(|k| S)                                  ~ N(-0.2, 1)      sd of the log variance of a volatility child
    ln(|k| S) - tonic volatility of child / 2  ~ N(-0.5, 1)      drift of a hidden value child, in its steps

These are weakly informative priors (Gelman, Jakulin, Pittau & Su 2008, Annals of Applied Statistics 2(4)). With a
prior that can be normalized, the cost of free numbers is no matter of counting. Let z be the deviations above in
standard deviations, J their derivatives by the parent's own numbers, and H the curvature of -log p(data) by these, with
the levels of the children adjusted. By Laplace's approximation (MacKay 2003, chapter 28) a parent costs

    1/2 z'z + 1/2 ln det(1 + J^-T H J^-1)   nats:

hardly anything where the data say no more than the prior, and 1/2 ln of the data for each number that they settle.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from sostruct.graph import Edge
from sostruct.networks.hgf.components import Component, Floats
from sostruct.networks.hgf.fitting import free_knobs, inward, outward, value_of
from sostruct.networks.hgf.workbench import Knob, Trial, Workbench

_MEMORY = (2.2, 1.5)
_VOLATILITY = (-0.2, 1.0)
_DRIFT = (-0.5, 1.0)

_FAINT = 0.05
"""Strength below which a coupling is as good as none: the prior is flat around 0, so that a sign may change."""

_STEP = 0.1
"""Of the second differences, in the units of a fit: wide enough to see past the kinks of the update."""

_RIDGE = 0.1
"""Least curvature of the log evidence by the level of a child."""


_FLAT = 1e-9
"""Least curvature of the prior by a number of a parent: it is flat where a strength is 0."""


@final
@dataclass(frozen=True)
class Parent:
    """A stationary hidden node with hidden children, or with inputs whose noise it sets.

    Attributes:
        name: the node.
        edges: to its children.
    """

    name: str
    edges: tuple[Edge, ...]


def parents(component: Component) -> Iterator[Parent]:
    """The nodes whose numbers the prior speaks of."""
    observed = frozenset(component.inputs)
    own = {node.name: dict(node.parameters) for node in component.topology.nodes}
    stepping = {name for name in own if name not in observed and "tonic_volatility" in own[name]}
    for node in component.topology.nodes:
        edges = component.topology.children(node.name)
        decay = own[node.name].get("autoconnection", 1.0)
        if node.name not in stepping or not edges or not 0.0 < decay < 1.0:
            continue
        if all(edge.coupling == "volatility" or edge.target in stepping for edge in edges):
            yield Parent(node.name, tuple(edges))


@final
class Plausible:
    """The prior of a component's numbers where some of them vary.

    Args:
        component: whose parents are judged.
        knobs: what varies.
        only: one parent in place of all.
    """

    def __init__(self, component: Component, knobs: Sequence[Knob], only: Parent | None = None) -> None:
        self._component = component
        self._column = {knob: number for number, knob in enumerate(knobs)}
        self._parents = tuple(parents(component)) if only is None else (only,)

    def __call__(self, values: Floats) -> Floats:
        """Log density beside that at its mode, nats, of rows of numbers [variant, knob] -> [variant]."""
        found: Floats = -0.5 * np.sum(self.deviations(values) ** 2, -1)
        return found

    def deviations(self, values: Floats) -> Floats:
        """From what is expected, in standard deviations, of rows of numbers [variant, knob] -> [variant, deviation]."""
        rows = np.atleast_2d(values)
        found: list[Floats] = []
        for parent in self._parents:
            decay = np.clip(self._number(rows, (parent.name, "autoconnection")), 1e-9, 1.0 - 1e-9)
            found.append(_far(np.log(decay) - np.log1p(-decay), _MEMORY))
            for edge, size in zip(parent.edges, self.sizes(rows, parent), strict=True):
                found.append(_far(size, _VOLATILITY if edge.coupling == "volatility" else _DRIFT))
        return np.stack(found, -1) if found else np.zeros((len(rows), 0))

    def sizes(self, values: Floats, parent: Parent) -> list[Floats]:
        """Logarithm of what a parent does to each of its children: [variant] each."""
        rows = np.atleast_2d(values)
        decay = np.clip(self._number(rows, (parent.name, "autoconnection")), 1e-9, 1.0 - 1e-9)
        spread = 0.5 * self._number(rows, (parent.name, "tonic_volatility")) - 0.5 * np.log1p(-(decay**2))
        found: list[Floats] = []
        for edge in parent.edges:
            size = spread + np.log(np.hypot(self._number(rows, (edge.key, "strength")), _FAINT))
            if edge.coupling == "value":
                size = size - 0.5 * self._number(rows, (edge.target, "tonic_volatility"))
            found.append(size)
        return found

    def _number(self, rows: Floats, knob: Knob) -> Floats:
        column = self._column.get(knob)
        return np.full(len(rows), value_of(self._component, knob)) if column is None else rows[:, column]


def effects(component: Component) -> dict[str, float]:
    """The most that each stationary parent does to a child: sd of its log variance, or of its drift in own steps."""
    prior = Plausible(component, ())
    return {
        parent.name: math.exp(max(float(size[0]) for size in prior.sizes(np.zeros((1, 0)), parent)))
        for parent in parents(component)
    }


def complexity(bench: Workbench, fitted: Sequence[Component]) -> list[float]:
    """What the free numbers of components cost, nats [component], at the numbers they have.

    Numbers without a prior cost ln(steps) / 2 each (Schwarz 1978), those of parents what Laplace's approximation says.

    Args:
        bench: filters the variants.
        fitted: components with their numbers at the maximum of the posterior.
    """
    each = 0.5 * math.log(max(bench.steps, 2))
    looks = [(number, _Look(own, parent)) for number, own in enumerate(fitted) for parent in parents(own)]
    costs = [each * len(free_knobs(own)) for own in fitted]
    trials = [Trial(bench.sketch(fitted[number]), look.knobs, look.points) for number, look in looks]
    for (number, look), found in zip(looks, bench.filter(trials), strict=True):
        costs[number] += look.cost(found, each) - each * len(look.own)
    return costs


@final
class _Look:
    """The numbers of a parent and the levels of its children, around where they are."""

    def __init__(self, component: Component, parent: Parent) -> None:
        free = frozenset(free_knobs(component))
        strengths: list[Knob] = [(edge.key, "strength") for edge in parent.edges]
        levels: list[Knob] = [
            (edge.target, "precision" if edge.target in component.inputs else "tonic_volatility")
            for edge in parent.edges
        ]
        scale: Knob = (parent.name, "tonic_volatility")
        own: list[Knob] = [(parent.name, "autoconnection"), *strengths]
        (own if not free.issuperset(strengths) else levels).append(scale)
        self.own = tuple(knob for knob in own if knob in free)
        self.knobs = (*self.own, *(knob for knob in dict.fromkeys(levels) if knob in free))
        self._prior = Plausible(component, self.knobs, parent)
        values = np.array([value_of(component, knob) for knob in self.knobs], np.float64)
        centre = inward(self.knobs, values)
        steps = _STEP * np.eye(len(centre))
        self._pairs = [(row, column) for row in range(len(centre)) for column in range(row)]
        both = np.array([steps[row] + steps[column] for row, column in self._pairs]).reshape(-1, len(centre))
        offsets = np.concatenate([np.zeros((1, len(centre))), steps, -steps, both, -both])
        self.points = outward(self.knobs, centre + offsets)

    def cost(self, found: Floats, each: float) -> float:
        """Nats that the parent costs, from the log evidence at the points; `each` number, where that is invalid."""
        size, own = len(self.knobs), len(self.own)
        deviations = self._prior.deviations(self.points)
        start = 0.5 * float(np.sum(deviations[0] ** 2))
        if not np.isfinite(found).all():
            return start + each * own
        middle, up, down = found[0], found[1 : 1 + size], found[1 + size : 1 + 2 * size]
        ahead, behind = np.split(found[1 + 2 * size :], 2)
        curvature = np.diag((2.0 * middle - up - down) / _STEP**2)
        for number, (row, column) in enumerate(self._pairs):
            mixed = up[row] + down[row] + up[column] + down[column] - 2.0 * middle - ahead[number] - behind[number]
            curvature[row, column] = curvature[column, row] = 0.5 * mixed / _STEP**2
        levels = curvature[own:, own:]
        values, axes = np.linalg.eigh(levels)
        half = (axes.T @ curvature[own:, :own]) / np.sqrt(np.maximum(values, _RIDGE))[:, None]
        seen = curvature[:own, :own] - half.T @ half
        slopes = (deviations[1 : 1 + own] - deviations[1 + size : 1 + size + own]) / (2.0 * _STEP)
        known = slopes @ slopes.T + _FLAT * np.eye(own)
        root = np.linalg.inv(np.linalg.cholesky(known))
        gained = np.maximum(np.linalg.eigvalsh(root @ seen @ root.T), 0.0)
        return start + 0.5 * float(np.sum(np.log1p(gained)))


def _far(values: Floats, expected: tuple[float, float]) -> Floats:
    middle, spread = expected
    return (values - middle) / spread
