"""The two networks the literature calls the HGF, and the bare one that structure learning starts from, as graphs.

A graph built here is nothing special: rename its nodes, add parents and inputs, and hand it to `HGF`. Of the
literature's networks the names of parameters are those of the papers, level by level, so that published values can be
typed in as they are printed; the node attributes they become are in the docstrings.

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
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from numbers import Integral, Real
from typing import TypeAlias

import networkx as nx
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sostruct.errors import ConfigError, DataError
from sostruct.graph import Edge, Node, Topology
from sostruct.tasks.base import listed
from sostruct.tasks.checks import check_names, check_numbers

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
    check_levels("continuous_hgf", levels)
    given = {"mu_0": mu_0, "sigma_0": sigma_0, "rho": rho, "kappa": kappa, "omega": omega}
    precision = level_numbers("pi_u", pi_u, ("u",), (1e4,))[0]
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
    check_levels("binary_hgf", levels)
    given = {"mu_0": mu_0, "sigma_0": sigma_0, "rho": rho, "kappa": kappa, "omega": omega}
    return _chain(Node("u", "binary"), ("x2", "x3")[: levels - 1], given, _REFERENCE)


def bare_hgf(
    data: pd.DataFrame | Iterable[str],
    *,
    tonic_volatility: Levels | None = None,
    precision: Levels | None = None,
    autoconnection: Levels = 1.0,
    binary: Collection[str] = (),
) -> nx.MultiDiGraph:
    """Every series by itself: an input named as the column, and a hidden state of its own, "{column}_state".

    `u ~ N(x, 1 / precision)`, `x ~ N(lam x', exp(om))` with x' the step before. Learners of structure start here.

    Given a frame, its numbers set what is left out. With s the robust size of a step of the column (1.4826 times the
    median of |u_t - u_(t-1)|), half of its variance goes to the state, om = log(s^2 / 2), and the rest to the noise of
    two observations, precision = 4 / s^2. The state is first believed at the first observation, within 10 s.

    Args:
        data: names of the series, or a frame with a column for each; NaN where a value is missing.
        tonic_volatility: om of each state, or one for all; -4 where only names are given.
        precision: of each continuous input, or one for all; 1 where only names are given.
        autoconnection: lam of each state, or one for all.
        binary: names of the series that are outcomes 0 or 1; their states are log odds, believed at 0 first.

    Raises:
        ConfigError: there is no name; a name in `binary` is not among them; or there is a wrong number of values, or
            one that is not finite or, where it must be, not positive.
        DataError: two columns share a name, or one has none, is not numeric or is infinite somewhere.
        GraphError: a state's name is a column's too.
    """
    if isinstance(data, str):
        raise ConfigError(
            f"Cannot build a bare network of {data!r}. This is because it is one string, and names come in a list. "
            f"Try [{data!r}]."
        )
    frame = data if isinstance(data, pd.DataFrame) else pd.DataFrame(columns=list(data), dtype=np.float64)
    columns = list(check_names(frame.columns))
    unknown = [name for name in binary if name not in columns]
    if not columns or unknown:
        why = f"binary names {listed(unknown)}, which are not among the series" if columns else "there are no series"
        raise ConfigError(
            f"Cannot build a bare network. This is because {why}. Try {listed(columns) if columns else 'some names'}."
        )
    values = check_numbers(frame, columns)
    means, sizes = zip(*(_size(name, values[:, place]) for place, name in enumerate(columns)), strict=True)
    seen = [math.nan if name in binary else size for name, size in zip(columns, sizes, strict=True)]
    log_steps = tuple(-4.0 if math.isnan(size) else math.log(size**2 / 2.0) for size in seen)
    sharpness = tuple(1.0 if math.isnan(size) else 4.0 / size**2 for size in seen)
    nodes, edges = [], []
    for name, mean, size, log_step, lam, sharp in zip(
        columns,
        means,
        seen,
        level_numbers("tonic_volatility", tonic_volatility, columns, log_steps),
        level_numbers("autoconnection", autoconnection, columns, (1.0,) * len(columns)),
        level_numbers("precision", precision, columns, sharpness),
        strict=True,
    ):
        believed = {} if math.isnan(size) else {"mean": mean, "precision": 0.01 / size**2}
        state = Node(f"{name}_state", "continuous", {**believed, "tonic_volatility": log_step, "autoconnection": lam})
        seen_as = Node(name, "binary") if name in binary else Node(name, "continuous", {"precision": sharp})
        nodes += [seen_as, state]
        edges.append(Edge(state.name, name))
    return Topology(tuple(nodes), tuple(edges)).to_networkx()


def _size(name: str, column: NDArray[np.float64]) -> tuple[float, float]:
    """The first observation and the robust size of a step; (0, nan) of a column without numbers.

    A column that mostly stands still has steps of the size of its standard deviation, and a constant one of 1.

    Raises:
        DataError: an observation is infinite.
    """
    there = column[~np.isnan(column)]
    if not np.isfinite(there).all():
        raise DataError(
            f"Cannot use column {name!r}. This is because it is infinite in row "
            f"{int(np.argmax(np.isinf(column)))} (counting from 0). Try replacing such values by NaN."
        )
    if not there.size:
        return 0.0, math.nan
    size = 1.4826 * float(np.median(np.abs(np.diff(there)))) if there.size > 1 else 0.0
    return float(there[0]), size or float(np.std(there)) or 1.0


def check_levels(builder: str, levels: object) -> None:
    """Refuse another number of levels than 2 or 3.

    Raises:
        ConfigError: it is another.
    """
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
        parameter: level_numbers(parameter, given[parameter], above if parameter == "kappa" else names, default)
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


def level_numbers(
    parameter: str, given: Levels | None, owners: Sequence[str], default: tuple[float, ...]
) -> list[float]:
    """One checked number for each owner.

    Raises:
        ConfigError: a wrong number of values, or one that is not finite or, where it must be, not positive.
    """
    if given is None:
        return list(default[: len(owners)])
    values = [given] * len(owners) if isinstance(given, Real) else list(given)  # type: ignore[arg-type]
    if len(values) != len(owners):
        raise ConfigError(
            f"Cannot use {parameter}={given!r}. This is because it has {len(values)} values and is for {len(owners)}"
            f"{': ' if owners else ''}{listed(owners)}. Try one for each, or one number for all."
        )
    positive = parameter in ("sigma_0", "pi_u", "precision")
    for owner, value in zip(owners, values, strict=True):
        number = float(value) if isinstance(value, Real) else math.nan
        if not math.isfinite(number) or (positive and number <= 0.0):
            wanted = "a positive finite number" if positive else "a finite number"
            raise ConfigError(
                f"Cannot use {parameter}={given!r}. This is because its value for {owner!r} is {value!r}, which is "
                f"not {wanted}. Try {default[0]}."
            )
    return [float(value) for value in values]
