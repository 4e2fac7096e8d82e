"""A mixture in plain Python, one number at a time: what the arrays must agree with."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from scipy import stats


@dataclass
class Seen:
    """Weighted statistics of one component in one dimension."""

    count: float
    mean: float
    square: float = 0.0


@dataclass
class Settings:
    center: list[float]
    precision: list[float]
    spread: list[float]
    concentration: float = 1.0
    freedom: float = 4.0
    keep: float = 1.0


@dataclass
class Mixture:
    settings: Settings
    weights: list[float]
    seen: list[list[Seen]]
    evidence: float = 0.0
    densities: list[float] = field(default_factory=list)
    shares: list[list[float]] = field(default_factory=list)

    def predictive(self, dim: int, own: Seen):
        """The Student-t of the next point of a component."""
        s = self.settings
        noise = 1.0 / s.precision[dim]
        start = noise / s.spread[dim] ** 2
        kappa, nu = start + own.count, s.freedom + own.count
        mean = (start * s.center[dim] + own.count * own.mean) / kappa
        square = s.freedom * noise + own.square + start * own.count / kappa * (own.mean - s.center[dim]) ** 2
        return stats.t(nu, loc=mean, scale=math.sqrt(square * (kappa + 1) / (kappa * nu)))

    def density(self, component: list[Seen], point: list[float]) -> float:
        product = 1.0
        for dim, value in enumerate(point):
            if not math.isnan(value):
                product *= self.predictive(dim, component[dim]).pdf(value)
        return product

    def step(self, point: list[float]) -> None:
        alpha, total = self.settings.concentration, sum(self.weights)
        parts = [
            weight / (alpha + total) * self.density(component, point)
            for weight, component in zip(self.weights, self.seen, strict=True)
        ]
        nobody = [Seen(0.0, 0.0) for _ in point]
        whole = sum(parts) + alpha / (alpha + total) * self.density(nobody, point)
        shares = [part / whole for part in parts]
        if all(math.isnan(value) for value in point):
            shares = [0.0 for _ in parts]  # a point that is missing is nobody's
        self.densities.append(math.log(whole))
        self.evidence += math.log(whole)
        self.shares.append(shares)
        keep = self.settings.keep
        for number, share in enumerate(shares):
            self.weights[number] = keep * self.weights[number] + share
            for dim, value in enumerate(point):
                own = self.seen[number][dim]
                own.count *= keep
                own.square *= keep
                if not math.isnan(value):
                    after = own.count + share
                    apart = value - own.mean
                    own.square += own.count * share / after * apart**2
                    own.mean += share / after * apart
                    own.count = after


def log_marginal(settings: Settings, dim: int, points: list[float]) -> float:
    """Log density of points under one component, point by point: what the closed form must equal."""
    mixture = Mixture(settings, [], [])
    total = 0.0
    for number, value in enumerate(points):
        before = np.array(points[:number] or [0.0])
        own = Seen(float(number), float(before.mean()), float(((before - before.mean()) ** 2).sum()))
        total += float(mixture.predictive(dim, own).logpdf(value))
    return total
