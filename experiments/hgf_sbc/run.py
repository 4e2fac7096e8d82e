"""Are posteriors what they claim to be? Simulation-based calibration of NUTS and of Laplace's approximation.

    .venv/bin/python experiments/hgf_sbc/run.py                          # 240 data sets of every family
    .venv/bin/python experiments/hgf_sbc/run.py --seeds 0:40 --no-write

Parameters are drawn from their priors, data from the network with these parameters, and both methods are fitted with
the same priors. Where posteriors are right, the rank of the true value among draws from them is uniform (Talts et al.
2018). What subjects saw is given, and their responses are drawn from what a network with their parameters believes;
parameters with which beliefs break down on what a subject saw are drawn again, since the posterior is of those that
give beliefs.

References:
    S. Talts, M. Betancourt, D. Simpson, A. Vehtari and A. Gelman, "Validating Bayesian inference algorithms with
    simulation-based calibration", arXiv:1804.06788, 2018.
    T. Säilynoja, P.-C. Bürkner and A. Vehtari, "Graphical test for discrete uniformity and its applications in
    goodness-of-fit evaluation and multiple sample comparison", Statistics and Computing 32:32, 2022.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import scipy.stats

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from experiments.common import (
    REFERENCE,
    markdown_table,
    seed_range,
    versions,
    versions_line,
    write_csv,
    write_markdown,
    write_svg,
)

TRIALS, FEW = 160, 16
RANKS = 99
"""Thinned draws: a rank is one of 100 numbers."""

BINS = 20
LEVEL = 0.99
NUTS = {"draws": 250, "warmup": 200, "chains": 2}
METHODS = ("NUTS", "Laplace")


@dataclass(frozen=True)
class Family:
    """A network, the parameters that are drawn, and how data come about.

    Attributes:
        name: in the tables.
        network: with the numbers that are not drawn.
        priors: as `HGF.fit` takes them.
        response: the response model, or None.
        simulate: (generator, values by place) -> (inputs, responses or None); None where beliefs break down.
    """

    name: str
    network: Any
    priors: dict[str, dict[str, Any]]
    response: Any
    simulate: Callable[[np.random.Generator, dict[str, dict[str, float]]], Any]


def choices() -> Family:
    """A three-level network that learns from outcomes whose chances are reversed, and a subject that acts on it."""
    import jax

    import sostruct as ss
    from sostruct.numerics import double_precision

    network = ss.HGF(ss.binary_hgf(levels=3, kappa=1.0))
    temperature = ss.priors.LogNormal(math.log(3.0), 0.5)
    response = ss.responses.UnitSquareSigmoid("u", temperature)
    priors = {
        "x2": {"tonic_volatility": ss.priors.Normal(-3.0, 1.0)},
        "x3": {"tonic_volatility": ss.priors.Normal(-3.0, 1.0)},
        "response": {"inverse_temperature": temperature},
    }
    chances = np.where(np.arange(TRIALS) // 40 % 2, 0.8, 0.2)

    def simulate(generator: np.random.Generator, values: dict[str, dict[str, float]]) -> Any:
        seen = (generator.random(TRIALS) < chances).astype(float)
        own = {place: numbers for place, numbers in values.items() if place != "response"}
        key = jax.random.key(int(generator.integers(2**31)))
        with double_precision():
            trace = network.with_parameters(own).trace(seen)
            if not bool(trace.sound):
                return None
            return seen, np.asarray(response.sample(key, trace, seen[:, None], values["response"]))

    return Family(f"binary, 3 levels, {TRIALS} choices", network, priors, response, simulate)


def level(trials: int = TRIALS) -> Family:
    """A local level with forgetting, whose filter is exact, seen through noise of unknown precision."""
    import sostruct as ss

    graph = nx.MultiDiGraph()
    graph.add_node("u", kind="continuous")
    graph.add_node("x1", kind="continuous")
    graph.add_edge("x1", "u")
    priors = {
        "x1": {"tonic_volatility": ss.priors.Normal(-2.0, 1.0), "autoconnection": ss.priors.Beta(8.0, 2.0)},
        "u": {"precision": ss.priors.LogNormal(math.log(4.0), 0.7)},
    }

    def simulate(generator: np.random.Generator, values: dict[str, dict[str, float]]) -> Any:
        steps = math.exp(0.5 * values["x1"]["tonic_volatility"]) * generator.normal(size=trials)
        state, states = generator.normal(), np.empty(trials)
        for trial, step in enumerate(steps):
            state = values["x1"]["autoconnection"] * state + step
            states[trial] = state
        return states + generator.normal(size=trials) / math.sqrt(values["u"]["precision"]), None

    return Family(f"continuous, 1 level, {trials} steps", ss.HGF(graph), priors, None, simulate)


FAMILIES = (choices, level, partial(level, FEW))


def drawn(family: Family, seed: int) -> tuple[list[float], Any, int]:
    """True values in the order of the priors, data, and how often the values had to be drawn again."""
    import jax

    generator = np.random.default_rng(seed)
    for tries in range(100):
        keys = jax.random.split(jax.random.key(int(generator.integers(2**31))), 8)
        pairs = [(place, name, prior) for place, own in family.priors.items() for name, prior in own.items()]
        numbers = [float(prior.sample(key)) for key, (_, _, prior) in zip(keys, pairs, strict=False)]
        values: dict[str, dict[str, float]] = {}
        for (place, name, _), number in zip(pairs, numbers, strict=True):
            values.setdefault(place, {})[name] = number
        data = family.simulate(generator, values)
        if data is not None:
            return numbers, data, tries
    raise ValueError(
        "Cannot simulate. This is because beliefs break down with nearly all parameters. Try other priors."
    )


def ranks(family: Family, seeds: range) -> tuple[pd.DataFrame, dict[str, str]]:
    """The rank of every true value by both methods, and what drawing was like."""
    import jax

    from sostruct.errors import FitWarning

    sets = [drawn(family, seed) for seed in seeds]
    truths = np.array([numbers for numbers, _, _ in sets])
    inputs = np.stack([seen for _, (seen, _), _ in sets])[..., None]
    responses = None if family.response is None else np.stack([done for _, (_, done), _ in sets])
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        found = family.network.fit(
            inputs, responses, family.priors, family.response, method="nuts", key=jax.random.key(seeds.start), **NUTS
        )
    seconds = time.perf_counter() - started
    values = found.values.reshape(len(seeds), -1, truths.shape[1])
    thinned = values[:, np.linspace(0, values.shape[1] - 1, RANKS).round().astype(int)]
    by_nuts = (thinned < truths[:, None]).sum(1)
    inside = np.array(
        [[float(free.prior.inward(x)) for free, x in zip(found.mode.free, row, strict=True)] for row in truths]
    )
    sds = np.sqrt(np.diagonal(found.mode.covariance, axis1=1, axis2=2))
    by_laplace = np.floor((RANKS + 1) * scipy.stats.norm.cdf((inside - found.mode.points) / sds))
    rows = [
        {"family": family.name, "parameter": f"{free.label} {free.name}", "method": method, "seed": seed, "rank": rank}
        for method, table in (("NUTS", by_nuts), ("Laplace", by_laplace))
        for seed, row in zip(seeds, table, strict=True)
        for free, rank in zip(found.mode.free, row, strict=True)
    ]
    ess = found.ess["bulk"].to_numpy()
    told = {
        "family": family.name,
        "data sets": f"{len(seeds)}",
        "values drawn again": f"{sum(tries for _, _, tries in sets)}",
        "effective draws, median (least)": f"{np.median(ess):.0f} ({ess.min():.0f})",
        "R-hat, median (largest)": f"{np.median(found.r_hat):.3f} ({found.r_hat.to_numpy().max():.3f})",
        "diverged": f"{int(found.divergences.sum())}",
        "ended at breakdowns": f"{int(found.breakdowns.sum())}",
        "modes without a peak": f"{int(np.isnan(sds).any(1).sum())}",
        "seconds": f"{seconds:.0f}",
    }
    return pd.DataFrame(rows), told


def uniformity(own: pd.Series, widest: float) -> dict[str, str]:
    """Pearson's chi-square over bins, and the largest distance of the ECDF from its expectation, beside its band."""
    known = own.dropna().to_numpy()
    counts = np.bincount((known * BINS // (RANKS + 1)).astype(int), minlength=BINS)
    test = scipy.stats.chisquare(counts)
    off = float(np.abs(difference(known)).max())
    low, high = np.quantile(known, [0.05, 0.95]) if len(known) else (math.nan, math.nan)
    return {
        "chi-square (19 df)": f"{test.statistic:.1f}",
        "p": f"{test.pvalue:.3f}",
        "largest ECDF difference": f"{off:.3f}",
        "99 % limit": f"{widest:.3f}",
        "uniform": "yes" if off <= widest and test.pvalue > 0.01 else "no",
        "truth in the central 90 %": f"{((known >= 5) & (known < 95)).mean():.3f}",
        "mean rank / 99": f"{known.mean() / RANKS:.3f}",
        "ranks at 5 and 95 %": f"{low:.0f}, {high:.0f}",
    }


def difference(known: np.ndarray) -> np.ndarray:
    """The ECDF of ranks minus that of uniform ones, at every rank."""
    at = np.arange(RANKS + 1)
    return np.searchsorted(np.sort(known), at, side="right") / len(known) - (at + 1) / (RANKS + 1)


def band(count: int, times: int = 4000) -> tuple[float, np.ndarray]:
    """How far the ECDF of `count` uniform ranks gets from its expectation in 99 of 100 cases: at its farthest, and rank
    by rank such that all ranks together hold 99 %."""
    generator = np.random.default_rng(0)
    off = np.stack([difference(generator.integers(0, RANKS + 1, count)) for _ in range(times)])
    at = (np.arange(RANKS + 1) + 1) / (RANKS + 1)
    spread = np.sqrt(np.maximum(at * (1 - at), 1e-12) / count)
    reach = np.quantile((np.abs(off) / np.maximum(spread, 1e-9))[:, :-1].max(1), LEVEL)
    return float(np.quantile(np.abs(off).max(1), LEVEL)), reach * spread


def picture(table: pd.DataFrame) -> Any:
    """ECDF differences of every parameter, both methods, with the simultaneous band."""
    import matplotlib.pyplot as plt

    from sostruct.networks.hgf.palette import BAND, BLUE, HAIR, INK, MUTED, VERMILION

    pairs = list(dict.fromkeys(zip(table["family"], table["parameter"], strict=True)))
    figure, axes = plt.subplots(
        len(FAMILIES), 3, figsize=(10.0, 2.4 * len(FAMILIES)), sharex=True, sharey=True, layout="constrained"
    )
    at = (np.arange(RANKS + 1) + 1) / (RANKS + 1)
    for ax, (family, parameter) in zip(axes.flat, pairs, strict=True):
        own = table[(table["family"] == family) & (table["parameter"] == parameter)]
        _, reach = band(own["seed"].nunique())
        ax.fill_between(at, -reach, reach, color=BAND, linewidth=0)
        ax.axhline(0.0, color=HAIR, linewidth=0.8)
        for method, color, style in (("Laplace", VERMILION, (0, (4, 2))), ("NUTS", BLUE, "-")):
            known = own.loc[own["method"] == method, "rank"].dropna().to_numpy()
            ax.plot(at, difference(known), color=color, linestyle=style, linewidth=1.3, label=method)
        ax.set_title(parameter, loc="left", fontsize=10, color=INK, pad=18)
        ax.annotate(
            family, (0, 1), (0, 6), xycoords="axes fraction", textcoords="offset points", fontsize=8, color=MUTED
        )
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
        ax.tick_params(labelsize=8, colors=MUTED, color=HAIR)
    axes.flat[0].legend(frameon=False, fontsize=8, loc="lower right")
    for ax in axes[:, 0]:
        ax.set_ylabel("ECDF minus uniform", fontsize=8, color=MUTED)
    for ax in axes[-1]:
        ax.set_xlabel("rank of the true value", fontsize=8, color=MUTED)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seeds", type=seed_range, default=range(1000, 1240), help="FIRST:END, default 1000:1240")
    parser.add_argument("--no-write", action="store_true", help="show the page, leave results/reference/ as it is")
    arguments = parser.parse_args()

    tables, told = [], []
    for family in FAMILIES:
        table, line = ranks(family(), arguments.seeds)
        print(line, file=sys.stderr, flush=True)
        tables.append(table)
        told.append(line)
    table = pd.concat(tables, ignore_index=True)
    widest, _ = band(len(arguments.seeds))
    lines = [
        {"family": family, "parameter": parameter, "method": method} | uniformity(own["rank"], widest)
        for (family, parameter, method), own in table.groupby(["family", "parameter", "method"], sort=False)
    ]
    lines.sort(key=lambda line: METHODS.index(line["method"]))
    uniform = {method: [line["uniform"] for line in lines if line["method"] == method] for method in METHODS}
    page = [
        f"{len(arguments.seeds)} data sets of every family: parameters from the priors, data from the network. Ranks "
        f"of the true value among {RANKS} draws, in {BINS} bins for chi-square. Uniform: p > .01, and the "
        "largest ECDF difference within what 99 of 100 uniform samples stay in.",
        markdown_table(lines),
        "What drawing was like:",
        markdown_table(told),
        "Goal, ranks uniform: "
        + ", ".join(f"{name} {own.count('yes')} of {len(own)} parameters" for name, own in uniform.items())
        + ".",
        versions_line(versions(("jax", "equinox", "blackjax", "arviz", "numpy"))),
    ]
    print("\n\n".join(page))
    if not arguments.no_write:
        write_csv(REFERENCE / "hgf_sbc.csv", table)
        write_markdown(REFERENCE / "hgf_sbc.md", "Simulation-based calibration of belief networks", page)
        write_svg(REFERENCE / "hgf_sbc.svg", picture(table))


if __name__ == "__main__":
    main()
