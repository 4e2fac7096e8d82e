"""Categorical variables and the exponential family: agreement with plain filters, closed forms and pyhgf; calibration.

.venv/bin/python experiments/hgf_kinds/run.py
.venv/bin/python experiments/hgf_kinds/run.py --seeds 0:3 --graphs 4 --no-write
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
from scipy.special import softmax

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from experiments.common import (
    REFERENCE,
    ROOT,
    child_environment,
    markdown_table,
    mean_and_error,
    seed_range,
    versions,
    versions_line,
    with_error,
    write_csv,
    write_markdown,
)

PYHGF = ROOT / "experiments" / "peers" / ".venv_pyhgf" / "bin" / "python"
PROGRAM = ROOT / "experiments" / "peers" / "pyhgf_filter.py"
STEPS, LABELS = 600, ("a", "b", "c", "d")
FORGETTING = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)
VOLATILITY = (-7.0, -6.0, -5.0, -4.0, -3.0, -2.0, -1.0, 0.0)
PSEUDO_COUNTS = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
Row = dict[str, Any]
Method = Callable[[float], np.ndarray]


def largest(found: np.ndarray, wanted: np.ndarray) -> float:
    """Largest deviation relative to the largest number of the series."""
    return float(np.nanmax(np.abs(found - wanted)) / np.nanmax(np.abs(wanted)))


def agreement(graphs: int) -> list[Row]:
    """Random graphs with variables of every kind, mixed with all others, against the plain filter."""
    from tests.networks.hgf.schedules import Settings, deviations, filtered, steady, worst
    from tests.networks.hgf.test_kinds import NEW, SHARED, drawn

    choices = [(kind,) for kind in NEW if kind != "average"] + [NEW]
    rows = []
    for number, chosen in enumerate(choices):
        for schedule in ("packed", "unrolled"):
            off, steps, compared = 0.0, 0, graphs if schedule == "packed" else min(2, graphs)
            for graph in range(compared):
                nodes = 3 + 4 * graph if schedule == "packed" else 2
                system = drawn(1000 * number + graph, nodes, chosen, entangled=graph % 2 == 0)
                truth = system.truth(Settings())
                known = np.isfinite(truth.surprise)
                until = min(steady(truth), int(np.argmin(known)) if not known.all() else len(known))
                run = filtered(system, Settings(), schedule, at_least=SHARED if schedule == "packed" else None)
                off, steps = max(off, worst(deviations(run, truth), until)[0]), steps + until
            name = "all together" if chosen == NEW else chosen[0]
            rows.append(
                {
                    "kinds added": name,
                    "schedule": schedule,
                    "graphs": compared,
                    "steps": steps,
                    "largest relative difference": off,
                }
            )
    return rows


def conjugate() -> list[Row]:
    """Averages that count against conjugate posteriors, observation by observation."""
    import sostruct as ss
    from tests.networks.hgf.variables.test_families import posterior, values

    rows = []
    for family in ("normal", "bernoulli", "poisson", "exponential"):
        start = {"normal": (0.5, 1.5), "bernoulli": (0.4,), "poisson": (2.0,), "exponential": (1.5,)}[family]
        labels = ("u", "u*u") if family == "normal" else ("u",)
        graph = ss.exponential_family_hgf(family, nu=2.5, growth=1.0, xi_0=dict(zip(labels, start, strict=True)))
        x = values(family, 200)
        wanted = -np.array(posterior(family, x, 2.5, np.array(start)))
        for schedule in ("packed", "unrolled"):
            for dtype in ("float64", "float32"):
                found = ss.HGF(graph, schedule=schedule, dtype=dtype).filter(x)
                rows.append(
                    {
                        "family": family,
                        "schedule": schedule,
                        "dtype": dtype,
                        "surprise, largest relative difference": largest(found.surprise, wanted),
                        "log evidence": found.log_evidence,
                        "closed form": -float(wanted.sum()),
                    }
                )
    return rows


def pyhgf_beliefs(
    graph: nx.MultiDiGraph, inputs: list[str], data: np.ndarray
) -> tuple[Mapping[str, np.ndarray], Mapping[str, str]]:
    """What pyhgf believes, under our names, and the versions that ran."""
    nodes = [{"id": name, **attributes} for name, attributes in graph.nodes(data=True)]
    edges = [{"source": source, "target": target, **own} for source, target, own in graph.edges(data=True)]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        np.savez(place / "data.npz", inputs=data)
        job = {
            "task": "filter",
            "graph": {"nodes": nodes, "edges": edges},
            "inputs": inputs,
            "data": str(place / "data.npz"),
            "repeats": 1,
            "trajectories": str(place / "beliefs.npz"),
        }
        (place / "job.json").write_text(json.dumps(job), encoding="utf-8")
        command = [str(PYHGF), str(PROGRAM), str(place / "job.json"), str(place / "answer.json")]
        subprocess.run(command, check=True, capture_output=True, env=child_environment())
        answer = json.loads((place / "answer.json").read_text("utf-8"))
        with np.load(place / "beliefs.npz", allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}, answer["versions"]


def published() -> list[Row]:
    """pyhgf on the same parts: a label is one of its binary nodes, a statistic one of its continuous ones."""
    import sostruct as ss

    literature: dict[str, Any] = {"carry": "literature", "assimilate": "separate", "linearize": "previous"}
    rng = np.random.default_rng(0)
    rows = []
    for name, graph, data in (
        ("categorical, 2 levels", ss.categorical_hgf(LABELS, 2), rng.choice(LABELS, 200)),
        (
            "categorical, 3 levels",
            ss.categorical_hgf(LABELS, 3, kappa=1.0, omega=(-3.0, -4.0)),
            rng.choice(LABELS, 200),
        ),
        ("normal, 1 level", ss.exponential_family_hgf("normal", levels=1), rng.normal(size=200)),
        ("normal, 2 levels", ss.exponential_family_hgf("normal", levels=2, shared=False), rng.normal(size=200)),
        ("Poisson, 2 levels", ss.exponential_family_hgf("poisson", levels=2, xi_0=2.0), rng.poisson(2.0, 200)),
    ):
        network = ss.HGF(graph, **literature)
        found = network.filter(data, strict=False)
        plain = {"category": "binary", "normal": "continuous", "poisson": "continuous"}
        other = nx.MultiDiGraph(graph)
        for node in other:
            other.nodes[node]["kind"] = plain.get(other.nodes[node]["kind"], other.nodes[node]["kind"])
        theirs, own = pyhgf_beliefs(other, list(network.inputs), found.series.values)
        off = [
            largest(found.frame(quantity)[node].to_numpy(), theirs[f"{node}/{quantity}"])
            for node in network.nodes
            for quantity in ("mean", "precision", "expected_mean", "expected_precision")
            if node not in network.inputs
        ]
        row = {"network": name, "states": len(off) // 4, "largest relative difference of beliefs": max(off)}
        rows.append(row | {"pyhgf": own["pyhgf"]})
    return rows


def categories(world: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of labels drawn from probabilities that stand still, drift, or are dealt anew every 100 steps."""
    size = (STEPS, len(LABELS))
    if world == "drifting":
        log_odds = rng.normal(size=len(LABELS)) + np.cumsum(rng.normal(0.0, 0.12, size), 0)
    elif world == "jumping":
        log_odds = np.repeat(1.5 * rng.normal(size=(STEPS // 100, len(LABELS))), 100, 0)
    else:
        log_odds = np.tile(rng.normal(size=len(LABELS)), (STEPS, 1))
    chances = softmax(log_odds, -1)
    drawn = (rng.random((STEPS, 1)) > np.cumsum(chances, -1)).sum(-1)
    return np.minimum(drawn, len(LABELS) - 1), chances


def counted(drawn: np.ndarray, keep: float) -> np.ndarray:
    """Probabilities by counts, one each at first, of which a share is kept every step: Dirichlet-multinomial at 1."""
    seen = np.zeros(len(LABELS))
    found = np.zeros((len(drawn), len(LABELS)))
    for step, label in enumerate(drawn):
        found[step] = (seen + 1.0) / (seen + 1.0).sum()
        seen *= keep
        seen[label] += 1.0
    return found


def filtered(levels: int, drawn: np.ndarray, volatility: float) -> np.ndarray:
    """Probabilities of the categorical filter; `volatility` is that of its log odds."""
    network = _networks(levels).with_parameters({f"x2={label}": {"tonic_volatility": volatility} for label in LABELS})
    stated = network.filter(np.array(LABELS)[drawn], strict=False).probabilities("u").to_numpy()
    return np.maximum(stated, np.finfo(float).tiny)


def _networks(levels: int, kept: dict[int, Any] = {}) -> Any:  # noqa: B006
    import sostruct as ss

    if levels not in kept:
        graph = ss.categorical_hgf(LABELS, levels, kappa=1.0, omega=(-4.0, -4.0)[: levels - 1])
        kept[levels] = ss.HGF(graph)
    return kept[levels]


def calibration_error(stated: np.ndarray, drawn: np.ndarray) -> float:
    """Mean distance of stated probabilities from shares, in ten equally filled bins of all labels."""
    chances, hits = stated.ravel(), (drawn[:, None] == np.arange(len(LABELS))).ravel()
    bins = np.array_split(np.argsort(chances), 10)
    return float(np.mean([abs(chances[own].mean() - hits[own].mean()) for own in bins]))


def drifting_categories(seeds: range) -> list[Row]:
    """Nats per step over the truth, and calibration, on second halves."""
    half, rows = STEPS // 2, []
    methods: dict[str, tuple[tuple[float, ...], Callable[..., np.ndarray]]] = {
        "categorical filter, 2 levels": (VOLATILITY, partial(filtered, 2)),
        "categorical filter, 3 levels": (VOLATILITY, partial(filtered, 3)),
        "counts with forgetting": (FORGETTING, counted),
        "Dirichlet-multinomial": ((1.0,), counted),
    }
    for world in ("still", "drifting", "jumping"):
        for seed in seeds:
            drawn, truth = categories(world, np.random.default_rng([seed, len(world)]))
            places = np.arange(STEPS), drawn
            for name, (numbers, method) in methods.items():
                tried = [method(drawn, number) for number in numbers]
                best = max(tried, key=lambda stated: np.log(stated[places])[:half].sum())
                surplus = np.log(truth[places]) - np.log(best[places])
                rows += [
                    {"part": "categories", "world": world, "method": name, "seed": seed} | measured
                    for measured in (
                        {"metric": "nats per step over the truth", "value": surplus[half:].mean()},
                        {"metric": "calibration error", "value": calibration_error(best[half:], drawn[half:])},
                    )
                ]
    return rows


def moving(family: str, rng: np.random.Generator) -> np.ndarray:
    """Data whose moments jump every 100 steps."""
    level = np.repeat(rng.normal(size=STEPS // 100), 100)
    if family == "normal":
        return 2.0 * level + np.exp(0.5 * np.repeat(rng.normal(size=STEPS // 100), 100)) * rng.normal(size=STEPS)
    if family == "poisson":
        return rng.poisson(4.0 * np.exp(0.7 * level)).astype(float)
    return rng.exponential(2.0 * np.exp(0.7 * level))


def moving_moments(seeds: range) -> list[Row]:
    """Nats per step on second halves: nu fixed, tracked, and counting all there is."""
    import sostruct as ss

    half, rows = STEPS // 2, []
    for family in ("normal", "poisson", "exponential"):
        start = {"normal": {"u*u": 6.0}, "poisson": 4.0, "exponential": 2.0}[family]
        build = partial(ss.exponential_family_hgf, family, xi_0=start)
        settings: dict[str, Any] = {"update": "unbounded"}
        methods: dict[str, list[Any]] = {
            "nu fixed": [ss.HGF(build(nu=nu)) for nu in PSEUDO_COUNTS],
            "nu tracked, 2 levels": [ss.HGF(build(nu=nu, levels=2), **settings) for nu in PSEUDO_COUNTS],
            "conjugate posterior": [ss.HGF(build(nu=1.0, growth=1.0))],
        }
        for seed in seeds:
            x = moving(family, np.random.default_rng([seed, 7]))
            for name, networks in methods.items():
                tried = [network.filter(x, strict=False).surprise for network in networks]
                best = min(tried, key=lambda surprise: surprise[:half].sum())
                rows.append(
                    {"part": "moments", "world": family, "method": name, "seed": seed, "metric": "nats per step"}
                    | {"value": best[half:].mean()}
                )
    return rows


def summary(rows: list[Row], part: str) -> list[Row]:
    """Mean and standard error over seeds, a column for every metric."""
    table = pd.DataFrame(rows)
    found = []
    for (world, method), group in table[table["part"] == part].groupby(["world", "method"], sort=False):
        cells = {
            metric: with_error(*mean_and_error(own["value"])) for metric, own in group.groupby("metric", sort=False)
        }
        found.append({"series": world, "method": method} | cells)
    return found


def shown(rows: list[Row]) -> list[Row]:
    """Numbers as text."""
    digits = {key: 6 if "evidence" in key or "closed" in key else 3 for key in rows[0]}
    return [
        {key: f"{value:.{digits[key]}g}" if isinstance(value, float) else value for key, value in row.items()}
        for row in rows
    ]


def main() -> None:
    """Measures, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=seed_range, default=range(1000, 1020), help="FIRST:END, default 1000:1020")
    parser.add_argument("--graphs", type=int, default=6, help="random graphs of every kind (6)")
    parser.add_argument("--no-write", action="store_true", help="print the tables only")
    choice = parser.parse_args()
    agreed, closed = agreement(choice.graphs), conjugate()
    rows = drifting_categories(choice.seeds) + moving_moments(choice.seeds)
    page = [
        "Random graphs with variables of each kind among all other kinds, some sharing parents, a tenth to a fifth of "
        "the values missing, irregular steps: largest difference of any belief, surprise or entropy from a filter in "
        "plain Python, relative to the largest of its series (precisions: to themselves).",
        markdown_table(shown(agreed)),
        "Averages that count (growth 1) against conjugate posteriors, 200 observations:",
        markdown_table(shown(closed)),
    ]
    if PYHGF.exists():
        compared = published()
        page += ["Beliefs in the states above labels and statistics, against pyhgf:", markdown_table(shown(compared))]
    else:
        compared = []
        page.append("pyhgf: not at hand, left out.")
    page += [
        f"Categorical series of {len(LABELS)} labels and {STEPS} steps whose log odds stand still, drift by .12 a step "
        f"or are drawn anew every 100 steps; {len(choice.seeds)} seeds, mean ± standard error. Every method has one "
        "number (volatility of log odds, forgetting) chosen on the first half and is scored on the second: surprise "
        "minus that under the true probabilities, and the mean distance of stated probabilities from shares in ten "
        "bins.",
        markdown_table(summary(rows, "categories")),
        "Series whose mean (and variance) is drawn anew every 100 steps; nu chosen on the first half. Where the noise "
        "of a statistic grows with its level, as that of counts and durations does, a volatility parent takes it for "
        "change:",
        markdown_table(summary(rows, "moments")),
        versions_line(versions(("jax", "equinox", "numpy", "scipy"))),
    ]
    if choice.no_write:
        print("\n\n".join(page))
        return
    write_markdown(REFERENCE / "hgf_kinds.md", "Categorical variables and the exponential family", page)
    parts = [("agreement", agreed), ("conjugate", closed), ("pyhgf", compared)]
    tables = [pd.DataFrame(own).assign(part=name) for name, own in parts if own] + [pd.DataFrame(rows)]
    write_csv(REFERENCE / "hgf_kinds.csv", pd.concat(tables))


if __name__ == "__main__":
    main()
