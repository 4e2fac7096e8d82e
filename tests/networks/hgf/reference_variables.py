"""Densities of whole variables for the reference filter: what scipy says of distributions written down in the papers.

A categorical variable is the leaves "NAME=LABEL", a normal one the leaves "NAME=COLUMN" and "NAME=COLUMN*COLUMN"; other
members of the exponential family are one leaf. What is expected may be no distribution: then the nearest is taken, by
the bounds below, which are the library's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from scipy import stats
from scipy.special import expit

from tests.networks.hgf.reference_parts import ABSCISSAE, WEIGHTS

BINARY = ("binary", "category")
STATISTICS = ("normal", "bernoulli", "poisson", "exponential")
LEAST = 1e-6


def groups(kinds: Mapping[str, str], inputs: list[str]) -> dict[str, list[str]]:
    """The leaves of every variable, by the name of the first of them."""
    found: dict[str, list[str]] = {}
    for name in inputs:
        if kinds[name] in ("category", "normal"):
            found.setdefault(name.partition("=")[0], []).append(name)
        elif kinds[name] in STATISTICS:
            found[name] = [name]
    return {leaves[0]: leaves for leaves in found.values()}


def chance(mean: float, variance: float) -> float:
    """E[sigmoid(eta)] by the quadrature of the binary input."""
    return float(WEIGHTS / WEIGHTS.sum() @ expit(mean + math.sqrt(max(variance, 0.0)) * ABSCISSAE))


def categorical(mean: list[float], variance: list[float]) -> np.ndarray:
    """P_k = p_k / sum_j p_j."""
    chances = np.array([chance(m, v) for m, v in zip(mean, variance, strict=True)])
    return chances / chances.sum()


def student(leaves: list[str], xi: Mapping[str, float], nu: float) -> tuple[object, list[str], bool]:
    """The predictive distribution of a normal variable, its columns, and whether its covariance is one."""
    labels = {leaf: leaf.partition("=")[2] for leaf in leaves}
    columns = [label for label in labels.values() if "*" not in label]
    center = np.array([next(xi[leaf] for leaf in leaves if labels[leaf] == column) for column in columns])
    moment = np.zeros((len(columns), len(columns)))
    for leaf in leaves:
        if "*" in labels[leaf]:
            row, column = (columns.index(one) for one in labels[leaf].split("*"))
            moment[row, column] = moment[column, row] = xi[leaf]
    scale = moment - np.outer(center, center)
    sound = bool(np.linalg.eigvalsh(scale).min() > 0.0)
    if not sound:
        return None, columns, False
    return stats.multivariate_t(center, scale, df=nu + 1.0), columns, True


def predicted(
    kind: str,
    leaves: list[str],
    mean: Mapping[str, float],
    variance: Mapping[str, float],
    noise: Mapping[str, float],
    value: Mapping[str, float],
) -> tuple[float, float, bool]:
    """(surprise, entropy, soundness) of a variable; nan where a normal one's expected covariance is none."""
    if kind == "category":
        shares = categorical([mean[leaf] for leaf in leaves], [variance[leaf] for leaf in leaves])
        seen = np.array([value[leaf] for leaf in leaves]) > 0.5
        return -math.log(shares[seen][0]), float(-(shares * np.log(shares)).sum()), True
    nu = float(np.mean([noise[leaf] / max(variance[leaf], np.finfo(float).eps * noise[leaf]) for leaf in leaves]))
    if kind == "normal":
        law, columns, sound = student(leaves, mean, nu)
        if not sound:
            return math.nan, math.nan, False
        point = [value[next(leaf for leaf in leaves if leaf.partition("=")[2] == column)] for column in columns]
        return -float(law.logpdf(point)), float(law.entropy()), True
    (leaf,) = leaves
    xi, x = mean[leaf], value[leaf]
    if kind == "bernoulli":
        p = min(max(xi, LEAST), 1.0 - LEAST)
        return -math.log(p if x > 0.5 else 1.0 - p), float(stats.bernoulli(p).entropy()), 0.0 <= xi <= 1.0
    rate = max(xi, LEAST)
    if kind == "poisson":
        law = stats.nbinom(nu * rate, nu / (1.0 + nu))
        return -float(law.logpmf(x)), float(law.entropy()), xi > 0.0
    law = stats.lomax(nu + 1.0, scale=nu * rate)
    return -float(law.logpdf(x)), float(law.entropy()), xi > 0.0
