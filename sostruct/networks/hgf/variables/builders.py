"""Networks of one categorical variable and of one variable of the exponential family, as graphs.

Like those of `builders` they are nothing special: rename nodes, add parents and inputs, and hand them to `HGF`.

References:
    N. Legrand et al., "pyhgf: A neural network library for predictive coding", arXiv 2410.09206, 2024, section 5.
    C. Mathys and L. Weber, "Hierarchical Gaussian filtering of sufficient statistic time series for active inference",
    IWAI 2020.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import TypeAlias

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from sostruct.errors import ConfigError
from sostruct.graph import Edge, Node, Topology
from sostruct.networks.hgf.builders import Levels, check_levels, level_numbers
from sostruct.tasks.base import listed

Floats: TypeAlias = NDArray[np.float64]

_FAMILIES = {"normal": 0.0, "bernoulli": 0.5, "poisson": 1.0, "exponential": 1.0}


def categorical_hgf(
    labels: Iterable[object],
    levels: int = 3,
    *,
    variable: str = "u",
    mu_0: Levels | None = None,
    sigma_0: Levels | None = None,
    rho: Levels | None = None,
    kappa: Levels | None = None,
    omega: Levels | None = None,
) -> nx.MultiDiGraph:
    """The HGF of a categorical variable: "x2=LABEL" is the log odds of each label, and "x3" sets the step size of all.

    Every label k is the binary HGF of "this one or another", `x2_k ~ N(x2_k' + rho_2, exp(kappa x3 + omega_2))`; the
    probability of k is sigmoid(x2_k) over the sum of all labels, their uncertainty integrated out. The inputs are named
    "VARIABLE=LABEL", and the data have one column, named as the variable, that holds labels.

    Args:
        labels: at least two; whole numbers and names alike.
        levels: 2 or 3, the outcome included; with 2 there is no "x3" and step sizes are constant.
        variable: name of the column of data.
        mu_0: means before the first step, by default -log(K - 1) of every "x2", where all labels are equally probable,
            and 0 of "x3".
        sigma_0: variances before the first step, by default 1.
        rho: drifts per unit of time, by default 0.
        kappa: the volatility coupling, by default 1.4.
        omega: log variances of a step per unit of time, by default -2.2 and log 0.5, as in `binary_hgf`.

    Raises:
        ConfigError: fewer than two labels, one twice or empty; or see `continuous_hgf`.
    """
    names = [str(label) for label in ([labels] if isinstance(labels, str) else labels)]
    if len(names) < 2 or len(set(names)) < len(names) or not all(names):
        why = "there are fewer than two" if len(names) < 2 else "one is empty or is there twice"
        raise ConfigError(
            f"Cannot build categorical_hgf({labels!r}). This is because {why}. Try at least two different labels, such "
            "as ['left', 'right'] or range(3)."
        )
    check_levels("categorical_hgf", levels)
    states = ("x2", "x3")[: levels - 1]
    means = level_numbers("mu_0", mu_0, states, (-math.log(len(names) - 1), 0.0))
    variances = level_numbers("sigma_0", sigma_0, states, (1.0, 1.0))
    drifts = level_numbers("rho", rho, states, (0.0, 0.0))
    steps = level_numbers("omega", omega, states, (-2.2, math.log(0.5)))
    coupling = level_numbers("kappa", kappa, ["x3 -> x2"][: levels - 2], (1.4,))
    given = [
        {"mean": mean, "precision": 1.0 / variance, "tonic_drift": drift, "tonic_volatility": step}
        for mean, variance, drift, step in zip(means, variances, drifts, steps, strict=True)
    ]
    nodes = [Node(f"{variable}={name}", "category") for name in names]
    nodes += [Node(f"x2={name}", "continuous", given[0]) for name in names]
    edges = [Edge(f"x2={name}", f"{variable}={name}") for name in names]
    if levels == 3:
        nodes.append(Node("x3", "continuous", given[1]))
        edges += [Edge("x3", f"x2={name}", "volatility", strength=coupling[0]) for name in names]
    return Topology(tuple(nodes), tuple(edges)).to_networkx()


def exponential_family_hgf(
    family: str,
    columns: Sequence[str] = ("u",),
    *,
    levels: int = 0,
    nu: float = 10.0,
    growth: float = 0.0,
    xi_0: float | Mapping[str, float] | None = None,
    precision: float | Mapping[str, float] | None = None,
    kappa: float = 1.0,
    omega: float = -4.0,
    shared: bool = True,
) -> nx.MultiDiGraph:
    """A variable of the exponential family: an input and a state for each of its sufficient statistics.

    Expected statistics move by `xi <- xi + (t(x) - xi) / (1 + nu)`. With `levels=0` each is an "average", whose nu is
    fixed or grows by `growth` with every observation: with growth 1 the belief is the conjugate posterior. With 1 to 3
    levels each is a random walk, and nu is what its variance says; volatility parents then make it go up and down.

    Args:
        family: "normal", "bernoulli", "poisson" or "exponential"; see `kinds` for each one's predictive density.
        columns: of the data: one, or several of a multivariate normal variable. The inputs of a normal variable are
            named "VARIABLE=COLUMN" and "VARIABLE=COLUMN*COLUMN", that of another as its column.
        levels: 0 for averages; else levels of continuous states above every input: 1, 2 with volatility parents "x2",
            3 with "x3" above these.
        nu: how many observations what is first believed is worth. Random walks have the step size that keeps it so
            while volatility parents are at 0: omega_1 = -log(nu (nu + 1) precision).
        growth: from 0 to 1, of averages.
        xi_0: expected statistics at first, by column and product of columns ("u*u"), or a number for all; by default 0
            and 1 of a normal variable (0 of products of two columns), 0.5 of a probability, 1 of a rate or a mean.
        precision: of the inputs, by statistic or a number for all; by default 1 / variance of t(x) under the
            distribution that is first expected. It matters to volatility parents alone.
        kappa: volatility couplings.
        omega: log variances of the steps of "x2" and "x3".
        shared: whether all statistics have one volatility parent, which keeps a normal variable's variance positive,
            or each has its own ("x2=COLUMN").

    Raises:
        ConfigError: an unknown family, a wrong number of columns or levels, numbers out of range, or statistics that
            are those of no distribution.
    """
    names = [columns] if isinstance(columns, str) else [str(column) for column in columns]
    _check(family, names, levels, nu, growth)
    pairs = [f"{one}*{two}" for place, one in enumerate(names) for two in names[place:]] if family == "normal" else []
    labels = [*names, *pairs]
    first = _first(family, names, labels, xi_0)
    sharp = _sharpness(family, names, first, precision)
    prefix = ",".join(names) + "=" if family == "normal" else ""
    nodes, edges = [], []
    for label in labels:
        nodes.append(Node(prefix + label, family, {"precision": sharp[label]}))
        own: dict[str, float] = {"mean": first[label], "precision": nu * sharp[label], "growth": growth}
        if levels:
            own = {"mean": first[label], "precision": (nu + 1.0) * sharp[label]}
            own["tonic_volatility"] = -math.log(nu * (nu + 1.0) * sharp[label])
        nodes.append(Node(f"x1={label}", "continuous" if levels else "average", own))
        edges.append(Edge(f"x1={label}", prefix + label))
    for level in range(2, levels + 1):
        for label in labels:
            parent, child = (f"x{level}" if shared else f"x{level}={label}"), f"x{level - 1}={label}"
            if shared and level > 2:
                child = f"x{level - 1}"
            if parent not in [node.name for node in nodes]:
                nodes.append(Node(parent, "continuous", {"tonic_volatility": omega}))
            edge = Edge(parent, child, "volatility", strength=kappa)
            edges += [] if edge in edges else [edge]
    return Topology(tuple(nodes), tuple(edges)).to_networkx()


def _check(family: object, columns: list[str], levels: object, nu: float, growth: float) -> None:
    why, remedy = "", ""
    if family not in _FAMILIES:
        why, remedy = f"there is no family {family!r}", f"one of {listed(_FAMILIES)}"
    elif not columns or not all(columns) or len(set(columns)) < len(columns):
        why, remedy = "its columns need different names", "columns=['u']"
    elif len(columns) > 1 and family != "normal":
        why, remedy = f"a variable of the family {family!r} has one column", "'normal', or one network for each column"
    elif isinstance(levels, bool) or not isinstance(levels, Integral) or levels not in (0, 1, 2, 3):
        why, remedy = f"it has no levels={levels!r}", "0, where nu is fixed or counts, or 1, 2 or 3"
    for name, number, most in (("nu", nu, math.inf), ("growth", growth, 1.0)):
        known = 0.0 <= number <= most and (0.0 < number < math.inf or name == "growth")
        if not why and not known:
            why, remedy = f"{name} is {number!r}", "a number from 0 to 1" if name == "growth" else "a positive number"
    if not why and growth and levels:
        why, remedy = "random walks do not count what they have seen", "growth=0, or levels=0"
    if why:
        raise ConfigError(f"Cannot build exponential_family_hgf({family!r}). This is because {why}. Try {remedy}.")


def _first(
    family: str, columns: list[str], labels: list[str], given: float | Mapping[str, float] | None
) -> dict[str, float]:
    """Expected statistics before the first step, checked to be those of a distribution."""
    squares = {f"{column}*{column}" for column in columns}
    found = _given("xi_0", {label: 1.0 if label in squares else _FAMILIES[family] for label in labels}, given)
    numbers = np.array([found[label] for label in labels])
    valid = bool(np.isfinite(numbers).all())
    if valid and family == "normal":
        valid = bool(np.linalg.eigvalsh(_moments(columns, found)[1]).min() > 0.0)
    elif valid:
        valid = bool(numbers[0] > 0.0) and (family != "bernoulli" or numbers[0] < 1.0)
    if not valid:
        raise ConfigError(
            f"Cannot use xi_0={given!r}. This is because these are no expected statistics of a {family} variable: a "
            "variance, rate or probability would be out of range. Try leaving it out, or for a mean m and a variance v "
            "m and v + m**2."
        )
    return found


def _sharpness(
    family: str, columns: list[str], first: dict[str, float], given: float | Mapping[str, float] | None
) -> dict[str, float]:
    """Precisions of the inputs: by default 1 / variance of their statistics under the distribution first expected.

    That of a product of two normal columns is S_ii S_jj + S_ij^2 + m_i^2 S_jj + m_j^2 S_ii + 2 m_i m_j S_ij.
    """
    spread: dict[str, float] = {}
    if family == "normal":
        m, S = _moments(columns, first)
        for row, one in enumerate(columns):
            spread[one] = float(S[row, row])
            for place, two in enumerate(columns[row:], row):
                own = S[row, row] * S[place, place] + S[row, place] ** 2 + 2.0 * m[row] * m[place] * S[row, place]
                spread[f"{one}*{two}"] = float(own + m[row] ** 2 * S[place, place] + m[place] ** 2 * S[row, row])
    else:
        (label,) = columns
        xi = first[label]
        spread[label] = {"bernoulli": xi * (1.0 - xi), "poisson": xi, "exponential": xi**2}[family]
    found = _given("precision", {label: 1.0 / spread[label] for label in first}, given)
    if not all(0.0 < number < math.inf for number in found.values()):
        raise ConfigError(
            f"Cannot use precision={given!r}. This is because it is to be positive and finite. Try leaving it out."
        )
    return found


def _moments(columns: list[str], found: Mapping[str, float]) -> tuple[Floats, Floats]:
    """Mean and covariance of expected normal statistics."""
    center = np.array([found[column] for column in columns])
    moment = np.diag([found[f"{column}*{column}"] for column in columns])
    for row, one in enumerate(columns):
        for column, two in enumerate(columns[row + 1 :], row + 1):
            moment[row, column] = moment[column, row] = found[f"{one}*{two}"]
    return center, moment - np.outer(center, center)


def _given(name: str, default: dict[str, float], given: float | Mapping[str, float] | None) -> dict[str, float]:
    """Numbers by statistic, of which some or all are given."""
    if given is None:
        return default
    if not isinstance(given, Mapping):
        return dict.fromkeys(default, float(given))
    unknown = [str(label) for label in given if label not in default]
    if unknown:
        raise ConfigError(
            f"Cannot use {name}={given!r}. This is because {listed(unknown)} is no statistic of the variable. Try some "
            f"of {listed(default)}."
        )
    return default | {str(label): float(number) for label, number in given.items()}
