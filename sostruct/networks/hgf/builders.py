"""The two networks the literature calls the HGF, as ordinary graphs, under its own names of parameters.

A graph built here is nothing special: rename its nodes, add parents and inputs, and hand it to `HGF`. The names of
parameters are those of the papers, level by level, so that published values can be typed in as they are printed; the
node attributes they become are in the docstrings.

Defaults are published values too. Everything about the first continuous level is in the units of the data, so for other
data than the published example's it must be set; the binary network's states are log odds and log variances, which have
no units.

References:
    C. Mathys, J. Daunizeau, K. J. Friston and K. E. Stephan, "A Bayesian foundation for individual learning under
    uncertainty", Frontiers in Human Neuroscience 5:39, 2011.
    C. D. Mathys et al., "Uncertainty in perception and the Hierarchical Gaussian Filter", Frontiers in Human
    Neuroscience 8:825, 2014.
    S. Frässle et al., "TAPAS: an open-source software package for translational neuromodeling and computational
    psychiatry", Frontiers in Psychiatry 12:680811, 2021.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from numbers import Integral, Real
from typing import TypeAlias

import networkx as nx

from sostruct.errors import ConfigError
from sostruct.graph import Edge, Node, Topology
from sostruct.tasks.base import listed

Levels: TypeAlias = float | int | Iterable[float | int]
"""One number for every level, or one for each, lowest first."""

_EXCHANGE_RATE = {
    "mu_0": (1.04, 1.0, 1.0),
    "sigma_0": (1e-4, 0.1, 0.1),
    "rho": (0.0, 0.0, 0.0),
    "kappa": (1.0, 1.0),
    "omega": (-13.0, -2.0, -2.0),
}
_REFERENCE = {
    "mu_0": (0.0, 0.0),
    "sigma_0": (1.0, 1.0),
    "rho": (0.0, 0.0),
    "kappa": (1.4,),
    "omega": (-2.2, math.log(0.5)),
}


def continuous_hgf(
    levels: int = 2,
    *,
    mu_0: Levels | None = None,
    sigma_0: Levels | None = None,
    rho: Levels | None = None,
    kappa: Levels | None = None,
    omega: Levels | None = None,
    pi_u: float | int = 1e4,
) -> nx.MultiDiGraph:
    """The HGF of a continuous input: "u" sees "x1" through noise, "x2" sets the step size of "x1", "x3" that of "x2".

    `u ~ N(x1, 1 / pi_u)`, `x_i ~ N(x_i' + rho_i, exp(kappa_i x_(i+1) + omega_i))` with x_i' the step before, and
    `exp(omega_i)` alone at the top (theta in the papers).

    Args:
        levels: 2 or 3, the number of states.
        mu_0: means before the first step (`mean`), by default 1.04, 1 and 1.
        sigma_0: variances before the first step (`1 / precision`), by default 1e-4, 0.1 and 0.1.
        rho: drifts per unit of time (`tonic_drift`), by default 0.
        kappa: volatility couplings, one fewer than levels (`strength` of the edge from x_(i+1) to x_i), by default 1.
        omega: log variances of a step per unit of time (`tonic_volatility`), by default -13, -2 and -2.
        pi_u: precision of the input (`precision` of "u").

    Defaults are those of the published example of an exchange rate, a series near 1 that moves by some thousandths a
    step (model of Mathys et al. 2014; values of the HGF toolbox, Frässle et al. 2021). For data that vary by s around
    c try `mu_0=(c, 1)`, `sigma_0=(s**2, 0.1)`, `omega=(2 * log(s) - 2, -2)` and `pi_u=1 / s**2`.

    Raises:
        ConfigError: another number of levels, a wrong number of values, or a value that is not finite or, where it
            must be, not positive.
    """
    _check_levels("continuous_hgf", levels)
    given = {"mu_0": mu_0, "sigma_0": sigma_0, "rho": rho, "kappa": kappa, "omega": omega}
    precision = _numbers("pi_u", pi_u, ("u",), (1e4,))[0]
    observed = Node("u", "continuous", {"precision": precision})
    return _chain(observed, ("x1", "x2", "x3")[:levels], given, _EXCHANGE_RATE)


def binary_hgf(
    levels: int = 3,
    *,
    mu_0: Levels | None = None,
    sigma_0: Levels | None = None,
    rho: Levels | None = None,
    kappa: Levels | None = None,
    omega: Levels | None = None,
) -> nx.MultiDiGraph:
    """The HGF of a binary input: "x2" is the log odds of "u", and "x3" sets its step size.

    `P(u = 1) = sigmoid(x2)`, `x2 ~ N(x2' + rho_2, exp(kappa x3 + omega_2))`, `x3 ~ N(x3' + rho_3, exp(omega_3))` with
    x_i' the step before. The papers count the outcome itself as the first level, x1, which here is "u": states keep
    the papers' numbers, and sequences begin with x2.

    Args:
        levels: 2 or 3, the outcome included; with 2 there is no "x3" and the step size is constant.
        mu_0: means before the first step (`mean`), by default 0.
        sigma_0: variances before the first step (`1 / precision`), by default 1.
        rho: drifts per unit of time (`tonic_drift`), by default 0.
        kappa: the volatility coupling (`strength` of the edge from "x3" to "x2"), by default 1.4.
        omega: log variances of a step per unit of time (`tonic_volatility`), by default -2.2 and log 0.5; that of "x3"
            is the log of the papers' theta.

    Defaults are those of the reference simulation of Mathys et al. 2011.

    Raises:
        ConfigError: see `continuous_hgf`.
    """
    _check_levels("binary_hgf", levels)
    given = {"mu_0": mu_0, "sigma_0": sigma_0, "rho": rho, "kappa": kappa, "omega": omega}
    return _chain(Node("u", "binary"), ("x2", "x3")[: levels - 1], given, _REFERENCE)


def _check_levels(builder: str, levels: object) -> None:
    if isinstance(levels, bool) or not isinstance(levels, Integral) or levels not in (2, 3):
        raise ConfigError(
            f"Cannot build {builder}(levels={levels!r}). This is because it has 2 or 3 levels. Try levels=3, or for "
            f"more a graph of your own: states joined by volatility couplings."
        )


def _chain(
    observed: Node, names: Sequence[str], given: dict[str, Levels | None], like: dict[str, tuple[float, ...]]
) -> nx.MultiDiGraph:
    """An input, its value parent, and that one's volatility ancestors."""
    above = [f"{parent} -> {child}" for child, parent in pairwise(names)]
    values = {
        parameter: _numbers(parameter, given[parameter], above if parameter == "kappa" else names, default)
        for parameter, default in like.items()
    }
    states = [
        Node(
            name,
            "continuous",
            {"mean": mean, "precision": 1.0 / variance, "tonic_volatility": log_step, "tonic_drift": drift},
        )
        for name, mean, variance, log_step, drift in zip(
            names, values["mu_0"], values["sigma_0"], values["omega"], values["rho"], strict=True
        )
    ]
    edges = [Edge(names[0], observed.name)]
    for (child, parent), strength in zip(pairwise(names), values["kappa"], strict=True):
        edges.append(Edge(parent, child, "volatility", strength=strength))
    return Topology((observed, *states), tuple(edges)).to_networkx()


def _numbers(parameter: str, given: Levels | None, owners: Sequence[str], default: tuple[float, ...]) -> list[float]:
    """One checked number for each owner."""
    if given is None:
        return list(default[: len(owners)])
    values = [given] * len(owners) if isinstance(given, Real) else list(given)  # type: ignore[arg-type]
    if len(values) != len(owners):
        raise ConfigError(
            f"Cannot use {parameter}={given!r}. This is because it has {len(values)} values and is for {len(owners)}"
            f"{': ' if owners else ''}{listed(owners)}. Try one for each, or one number for all."
        )
    positive = parameter in ("sigma_0", "pi_u")
    for owner, value in zip(owners, values, strict=True):
        number = float(value) if isinstance(value, Real) else math.nan
        if not math.isfinite(number) or (positive and number <= 0.0):
            wanted = "a positive finite number" if positive else "a finite number"
            raise ConfigError(
                f"Cannot use {parameter}={given!r}. This is because its value for {owner!r} is {value!r}, which is "
                f"not {wanted}. Try {default[0]}."
            )
    return [float(value) for value in values]
