"""Run folders as a run would leave them, made by a small search of their own.

A sparse vector autoregression is simulated, and its parents are found by greedy evidence written out in numpy from the
equations (no code is shared with the package), so every number in the files is one that a run could have produced.
"""

import json
import math
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from sostruct.graph import AddEdge, Edge, Entry, Journal, Node, RemoveEdge, Topology

MAX_LAG = 3


def write_run(
    folder: Path,
    *,
    variables: int = 10,
    rows: int = 300,
    seed: int = 0,
    names: Sequence[str] | None = None,
    truth: bool = True,
    simulated: bool = True,
    strength: float = 0.3,
) -> Path:
    """Write every file of a finished run except `done.json` and the report."""
    names = list(names) if names is not None else [f"x{place}" for place in range(variables)]
    rng = np.random.default_rng(seed)
    weights = _weights(rng, len(names), strength)
    series = _simulate(rng, weights, rows)
    search = Search(names, series)
    folder.mkdir(parents=True, exist_ok=True)
    search.run()
    _write_tables(folder, search)
    true_edges = [
        (names[cause], names[effect], int(lag) + 1) for lag, effect, cause in zip(*np.nonzero(weights), strict=True)
    ]
    _json(folder / "graph.json", _node_link(names, search.found()))
    if truth:
        _json(
            folder / "truth.json",
            _node_link(names, [{"cause": a, "effect": b, "lag": lag} for a, b, lag in true_edges]),
        )
    metrics: dict[str, Any] = {"epochs": search.epoch + 1, "edges": len(search.found()), "rows": rows, "settled": True}
    if truth:
        metrics["summary"] = _scores(names, search, true_edges)
    _json(folder / "metrics.json", metrics)
    _json(
        folder / "environment.json",
        {
            "command": f"sostruct task=var task.nodes={len(names)} seed={seed}",
            "commit": f"{rng.integers(16**10):010x}",
            "device": "cpu",
            "schema": 1,
            "seed": seed,
            "threads": 2,
            "versions": {"sostruct": "0.1.0", "jax": "0.10.0", "numpy": np.__version__, "python": "3.11.2"},
            "task": {
                "name": "var" if simulated else "my_series",
                "description": f"Sparse vector autoregression, {len(names)} variables, lags up to {MAX_LAG}",
                "provenance": f"Simulated with seed {seed}." if simulated else "Read from a file of the user.",
                "truth_lags": True,
            },
        },
    )
    (folder / "config.yaml").write_text(
        "task:\n  _target_: sostruct.tasks.SparseVAR\n"
        f"  nodes: {len(names)}\n  steps: {rows}\n  max_lag: {MAX_LAG}\n"
        f"growth:\n  _target_: sostruct.growth.evidence\n  expected_parents: 2.0\nseed: {seed}\n"
    )
    return folder


def _weights(rng: np.random.Generator, size: int, strength: float) -> np.ndarray:
    """Lag x effect x cause; stable because the absolute row sums stay below one."""
    weights = np.zeros((MAX_LAG, size, size))
    for effect in range(size):
        weights[0, effect, effect] = 0.3
        for cause in rng.choice(size, size=min(rng.poisson(2.0), size - 1), replace=False):
            if cause != effect:
                weights[rng.integers(MAX_LAG), effect, cause] = rng.choice([-1, 1]) * strength * rng.uniform(0.4, 1.0)
    total = np.abs(weights).sum(axis=(0, 2), keepdims=True)
    return weights * np.minimum(1.0, 0.9 / total)


def _simulate(rng: np.random.Generator, weights: np.ndarray, rows: int) -> np.ndarray:
    series = rng.normal(size=(rows + 100, weights.shape[1]))
    for t in range(MAX_LAG, len(series)):
        series[t] += sum(weights[lag] @ series[t - lag - 1] for lag in range(MAX_LAG))
    return series[100:]


class Search:
    """Greedy search for parents: F(S) = -n/2 log(rss/n) - 1/2 log|Z'Z + I| + q |S|, one edit per effect and epoch."""

    def __init__(self, names: Sequence[str], series: np.ndarray) -> None:
        self.names = list(names)
        self.terms = list(product(range(len(names)), range(1, MAX_LAG + 1)))
        count = len(series) - MAX_LAG
        lagged = [series[MAX_LAG - lag : MAX_LAG - lag + count, cause] for cause, lag in self.terms]
        self.inputs = np.stack(lagged, axis=1)
        self.inputs = (self.inputs - self.inputs.mean(0)) / self.inputs.std(0)
        self.targets = series[MAX_LAG:]
        self.targets = (self.targets - self.targets.mean(0)) / self.targets.std(0)
        self.scale = series.std(0)
        self.prior = math.log(min(2 / len(self.terms), 0.5) / (1 - min(2 / len(self.terms), 0.5)))
        self.parents: list[set[int]] = [set() for _ in names]
        self.epoch = -1
        self.journal: list[dict[str, Any]] = []
        self.signals: list[tuple[int, str, float, float, float]] = []

    def evidence(self, effect: int, parents: set[int]) -> tuple[float, float]:
        chosen, target = self.inputs[:, sorted(parents)], self.targets[:, effect]
        count = len(target)
        precision = chosen.T @ chosen + np.eye(len(parents))
        moment = chosen.T @ target
        rest = target @ target - (moment @ np.linalg.solve(precision, moment) if parents else 0.0)
        log_volume = np.linalg.slogdet(precision)[1] if parents else 0.0
        value = -count / 2 * math.log(rest / count) - log_volume / 2 + self.prior * len(parents)
        return float(value), float(rest / count)

    def gain(self, effect: int, term: int) -> float:
        """Evidence of the graph with the term minus without it, everything else as it is."""
        parents = self.parents[effect]
        return self.evidence(effect, parents | {term})[0] - self.evidence(effect, parents - {term})[0]

    def run(self) -> None:
        moved = True
        while moved:
            self.epoch += 1
            moved = sum(self._step(effect) for effect in range(len(self.names))) > 0

    def _step(self, effect: int) -> bool:
        parents = self.parents[effect]
        moves = [
            (-self.gain(effect, term) if term in parents else self.gain(effect, term), term)
            for term in range(len(self.terms))
        ]
        moves.sort(reverse=True)
        count = len(self.targets)
        variance = self.evidence(effect, parents)[1]
        surprise = count / 2 * (math.log(2 * math.pi * variance) + 1) + count * math.log(self.scale[effect])
        self.signals.append((self.epoch, self.names[effect], surprise, surprise - 0.5, moves[0][0]))
        taken = moves[0][0] > 0
        for place, (nats, term) in enumerate(moves[:4]):
            accepted = taken and place == 0
            reason = (
                "best of its target"
                if accepted
                else ("another edit went first" if nats > 0 else "costs more than it saves")
            )
            self._record(effect, term, nats, accepted, reason)
        if taken:
            parents ^= {moves[0][1]}
        return taken

    def _record(self, effect: int, term: int, nats: float, accepted: bool, reason: str) -> None:
        cause, lag = self.terms[term]
        ends = (self.names[cause], self.names[effect])
        there = term in self.parents[effect]
        edit = RemoveEdge(*ends, lag=lag) if there else AddEdge(Edge(*ends, lag=lag))
        entry = {"epoch": self.epoch, "edit": edit, "nats": nats, "accepted": accepted, "reason": reason}
        self.journal.append({**entry, "target": ends[1]})

    def row(self, effect: int, term: int) -> dict[str, Any]:
        cause, lag = self.terms[term]
        parents = sorted(self.parents[effect] | {term})
        chosen = self.inputs[:, parents]
        covariance = np.linalg.inv(chosen.T @ chosen + np.eye(len(parents)))
        place, unit = parents.index(term), self.scale[effect] / self.scale[cause]
        nats = self.gain(effect, term)
        return {
            "cause": self.names[cause],
            "effect": self.names[effect],
            "lag": lag,
            "weight": float((covariance @ chosen.T @ self.targets[:, effect])[place] * unit),
            "weight_sd": float(math.sqrt(covariance[place, place] * self.evidence(effect, set(parents))[1]) * unit),
            "nats": nats,
            "probability": 1 / (1 + math.exp(-nats)),
        }

    def found(self) -> list[dict[str, Any]]:
        rows = [self.row(effect, term) for effect, parents in enumerate(self.parents) for term in parents]
        return sorted(rows, key=lambda row: -row["nats"])


def _write_tables(folder: Path, search: Search) -> None:
    everything = [search.row(e, t) for e in range(len(search.names)) for t in range(len(search.terms))]
    columns = ("cause", "effect", "lag", "weight", "weight_sd", "nats", "probability")
    for name, rows in (("edges.csv", search.found()), ("scores.csv", everything)):
        _csv(folder / name, columns, [[row[column] for column in columns] for row in rows])
    best: dict[tuple[str, str], float] = {}
    for row in everything:
        pair = (row["cause"], row["effect"])
        best[pair] = max(best.get(pair, -math.inf), row["nats"])
    table = [[cause, *(best[cause, effect] for effect in search.names)] for cause in search.names]
    _csv(folder / "summary.csv", ("cause", *search.names), table)
    _csv(folder / "signals.csv", ("epoch", "node", "surprise", "expected", "reducible"), search.signals)
    start = Topology(tuple(Node(name, "series") for name in search.names), ())
    Journal(start, (Entry(**entry) for entry in search.journal)).write(folder / "journal.jsonl")


def _csv(path: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    def cell(value: Any) -> str:
        text = repr(value) if isinstance(value, float) else str(value)
        return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\n') else text

    lines = [",".join(cell(value) for value in row) for row in (columns, *rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, sort_keys=True), encoding="utf-8")


def _node_link(names: Sequence[str], edges: Sequence[dict[str, Any]]) -> dict[str, Any]:
    common = {"coupling": "value", "mark": "directed", "strength": 1.0, "function": "identity"}
    return {
        "directed": True,
        "multigraph": True,
        "graph": {},
        "nodes": [{"id": name, "kind": "series"} for name in names],
        "edges": [
            {
                "source": edge["cause"],
                "target": edge["effect"],
                "key": f"value:{edge['lag']}",
                "lag": edge["lag"],
                **common,
            }
            | {name: edge[name] for name in ("weight", "weight_sd", "nats", "probability") if name in edge}
            for edge in edges
        ],
    }


def _scores(names: Sequence[str], search: Search, true_edges: Sequence[tuple[str, str, int]]) -> dict[str, float]:
    pairs = [(a, b) for a in names for b in names if a != b]
    true = {(a, b) for a, b, _ in true_edges}
    found = {(row["cause"], row["effect"]) for row in search.found()}
    hits = sum(pair in true and pair in found for pair in pairs)
    wrong = sum((pair in true) != (pair in found) for pair in pairs)
    best = dict.fromkeys(pairs, -math.inf)
    for effect, (term, (cause, _)) in product(range(len(names)), enumerate(search.terms)):
        pair = (names[cause], names[effect])
        if pair in best:
            best[pair] = max(best[pair], search.gain(effect, term))
    positive = [best[pair] for pair in pairs if pair in true]
    negative = [best[pair] for pair in pairs if pair not in true]
    ordered = sum((p > q) + 0.5 * (p == q) for p in positive for q in negative)
    return {
        "f1": 2 * hits / max(2 * hits + wrong, 1),
        "auroc": ordered / max(len(positive) * len(negative), 1),
        "shd": wrong,
    }
