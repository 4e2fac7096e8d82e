"""Subjects as members of a group: empirical Bayes, by expectation maximization on Laplace approximations.

    z_i ~ N(m, S),    m, S = argmax sum_i log p(y_i | m, S) + log p(m)

in unbounded coordinates z, S diagonal or full. E: every subject's mode z_i and curvature H_i under the group as it
stands. M: m = mean of z_i, drawn a little towards its prior, S = mean of (z_i - m)(z_i - m)' + H_i^-1. Where the
likelihoods are Gaussian, this is exact EM for the normal-normal model. EM creeps where the data say little, so its
steps are lengthened for as long as the evidence rises (Salakhutdinov & Roweis 2003), S along its logarithm.

The priors that users give become the prior of m, as normal densities of z with their center and sd; without it, a group
that tells nothing of a parameter would drift away. Modes are followed from round to round, and looked for anew from
many starts drawn from the group when EM has come to rest; if a better one turns up, EM goes on.

A variance never falls below a ten-thousandth of that of the users' prior: of parameters that subjects share exactly, or
that the data do not determine, the maximum is at 0, where no density would be left.

References:
    Q. J. M. Huys et al., "Disentangling the roles of approach, activation and valence in instrumental and Pavlovian
    responding", PLoS Computational Biology 7(4):e1002028, 2011.
    D. J. C. MacKay, "Information Theory, Inference, and Learning Algorithms", Cambridge 2003.
    R. Salakhutdinov and S. Roweis, "Adaptive overrelaxed bound optimization methods", ICML 2003.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import final

import equinox as eqx
import numpy as np
from numpy.typing import NDArray

from sostruct.networks.hgf.inference.laplace import laplace
from sostruct.networks.hgf.inference.objective import GaussianPoint, Model, Subject
from sostruct.networks.hgf.inference.search import Floats, Found, Meter, polish, search

_ROUNDS = 400
"""Most rounds of EM."""

_REST = 1e-4
"""Nats of the group's evidence that a round must gain for EM to go on."""

_LOOKS = 3
"""How often modes are looked for anew."""

_BETTER = 1e-3
"""Nats by which a mode must be higher to count as another one."""

_LENGTHENED, _LONGEST = 1.3, 20.0
"""How much longer each step of EM is than the one before, and how much longer than EM's own it may be."""

_LEAST_VARIANCE = 1e-4
"""Least variance of the group, in variances of the users' prior."""


@final
@dataclass(frozen=True, eq=False)
class Level:
    """The group as EM left it, in unbounded coordinates.

    Attributes:
        mean: m [parameter].
        covariance: S [parameter, parameter].
        evidence: sum of the subjects' Laplace evidences, nats.
        rounds: of EM.
        rested: whether the last round gained next to nothing.
        correlated: whether S is full.
    """

    mean: Floats
    covariance: Floats
    evidence: float
    rounds: int
    rested: bool
    correlated: bool

    @property
    def prior(self) -> GaussianPoint:
        """What it says of a member."""
        determinant = np.asarray(np.linalg.slogdet(self.covariance)[1])
        return GaussianPoint(self.mean, np.linalg.inv(self.covariance), determinant)


def climb(
    model: Model,
    subjects: Subject,
    found: Found,
    center: Floats,
    scale: Floats,
    starts: int,
    key: np.random.Generator,
    *,
    correlated: bool,
) -> tuple[Level, Found]:
    """The group that explains its members best, and the members under it.

    Args:
        model: what explains each subject; its prior is replaced.
        subjects: their data, with a leading axis.
        found: their modes under the users' priors.
        center: of the users' prior of z [parameter].
        scale: sd of it [parameter].
        starts: how many, when modes are looked for anew.
        key: of the draws of these.
        correlated: whether S is full.
    """
    rounds = 0
    begun = Level(center, np.diag(scale**2), np.nan, 0, False, correlated)
    level = _updated(begun, found, center, scale)
    for look in range(_LOOKS):
        level, found, rounds = _rest(model, subjects, level, found, center, scale, rounds)
        drawn = key.multivariate_normal(level.mean, level.covariance, size=4 * starts)
        candidates = np.concatenate([level.mean[None], drawn])
        again = search(_under(model, level), subjects, candidates, starts, scale)
        higher = again.value > found.value + _BETTER
        found = _higher(higher, again, found)
        if not higher.any() or look == _LOOKS - 1:
            break
    return level, found


def _rest(
    model: Model, subjects: Subject, level: Level, found: Found, center: Floats, scale: Floats, rounds: int
) -> tuple[Level, Found, int]:
    """EM until a round gains next to nothing."""
    before, length, plain, last = -np.inf, 1.0, level, found
    while True:
        meter = Meter(_under(model, level), subjects, len(found.point))
        found = polish(meter, last.point, scale)
        evidence = _evidence(found)
        reached = evidence - 0.5 * float((((level.mean - center) / scale) ** 2).sum())
        if length > 1.0 and not reached >= before:
            level, length = plain, 1.0
            continue
        rested = abs(reached - before) < _REST
        if rested or rounds >= _ROUNDS:
            return replace(level, evidence=evidence, rounds=rounds, rested=rested), found, rounds
        before, rounds, last = reached, rounds + 1, found
        plain = _updated(level, found, center, scale)
        length = min(_LENGTHENED * length, _LONGEST)
        level = _lengthened(level, plain, scale, length)


def _lengthened(old: Level, new: Level, scale: Floats, length: float) -> Level:
    """A step of EM, `length` times as far."""
    before, after = _logarithm(old.covariance), _logarithm(new.covariance)
    sizes, axes = np.linalg.eigh(before + length * (after - before))
    covariance = (axes * np.exp(np.clip(sizes, -50.0, 50.0))) @ axes.T
    return replace(new, mean=old.mean + length * (new.mean - old.mean), covariance=_floored(covariance, scale))


def _logarithm(covariance: Floats) -> Floats:
    sizes, axes = np.linalg.eigh(covariance)
    return np.asarray((axes * np.log(sizes)) @ axes.T, np.float64)


def _floored(covariance: Floats, scale: Floats) -> Floats:
    missing = np.maximum(_LEAST_VARIANCE * scale**2 - np.diag(covariance), 0.0)
    return np.asarray(covariance + np.diag(missing), np.float64)


def _updated(level: Level, found: Found, center: Floats, scale: Floats) -> Level:
    """The M step: over the subjects whose modes are peaks."""
    usable = np.isfinite(found.value)
    points, curvature = found.point[usable], _peaked(found.curvature[usable])
    told, known = len(points) * np.linalg.inv(level.covariance), np.diag(scale**-2)
    mean = np.linalg.solve(told + known, told @ points.mean(0) + known @ center)
    off = points - mean
    covariance = (off[:, :, None] * off[:, None] + np.linalg.inv(curvature)).mean(0)
    if not level.correlated:
        covariance = np.diag(np.diag(covariance))
    return replace(level, mean=mean, covariance=_floored(covariance, scale))


def _under(model: Model, level: Level) -> Model:
    under: Model = eqx.tree_at(lambda whole: whole.prior, model, level.prior)
    return under


def _evidence(found: Found) -> float:
    return float(np.nansum(laplace(found.value, _peaked(found.curvature))))


def _peaked(curvature: Floats) -> Floats:
    """Curvatures with absolute eigenvalues: a member whose mode is no peak stays in the group, and is told of later."""
    sizes, axes = np.linalg.eigh(curvature)
    sizes = np.maximum(np.abs(sizes), 1e-9)
    return np.asarray((axes * sizes[:, None]) @ axes.swapaxes(1, 2), np.float64)


def _higher(higher: NDArray[np.bool_], again: Found, found: Found) -> Found:
    """The better mode of every subject, and where all starts ended."""

    def chosen(name: str) -> Floats:
        new, old = getattr(again, name), getattr(found, name)
        rows = higher.reshape(-1, *[1] * (old.ndim - 1))
        return np.asarray(np.where(rows, new, old), np.float64)

    names = [field.name for field in fields(Found) if field.name != "ends"]
    return Found(**{name: chosen(name) for name in names}, ends=again.ends)
