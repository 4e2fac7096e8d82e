"""Tables of comparisons: levels, paired differences, the strongest peer, goals, seconds.

Every comparison is one long table with a row per figure: `family`, `method`, `seed`, `metric`, `value`. Methods of one
family see the same series seed by seed, so differences are taken seed by seed; a peer that ran on fewer seeds is
compared with ours on those.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from experiments.common import mean_and_error, with_error

OURS = "sostruct"

Cells = dict[str, object]


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure as tables write it, and whether less of it is better."""

    name: str
    title: str
    digits: int = 3
    lower: bool = False

    def better(self, ours: float, other: float) -> bool:
        """Whether ours is strictly better."""
        return ours < other if self.lower else ours > other


GRAPH = (Metric("auroc", "AUROC"), Metric("auprc", "AUPRC"), Metric("f1", "F1"), Metric("shd", "SHD", 2, lower=True))
"""What `experiments.common.referee` scores."""

SECONDS = Metric("processor_seconds", "seconds of one core", 2, lower=True)


@dataclass(frozen=True, slots=True)
class Goal:
    """What ours should reach on a family: a value, or more than the methods of `ahead_of` reach in the same run."""

    family: str
    metric: Metric
    value: float = float("nan")
    ahead_of: tuple[str, ...] = ()


def figures(table: pd.DataFrame, family: str, method: str, metric: Metric) -> pd.Series:
    """The values of one cell, by seed."""
    chosen = (table["family"] == family) & (table["method"] == method) & (table["metric"] == metric.name)
    return table.loc[chosen].set_index("seed")["value"]


def levels(table: pd.DataFrame, metrics: Sequence[Metric], heading: str = "data") -> list[Cells]:
    """Mean ± standard error of every method on every family, and on how many seeds."""
    rows = []
    for family, method in _cells(table):
        row: Cells = {heading: family, "method": method}
        for metric in metrics:
            values = figures(table, family, method, metric)
            row[metric.title] = with_error(*mean_and_error(values), metric.digits) if len(values) else ""
            row["seeds"] = max(len(values), int(str(row.get("seeds", 0))))
        rows.append(row | {"seeds": row.pop("seeds")})
    return rows


def differences(table: pd.DataFrame, metrics: Sequence[Metric], heading: str = "data") -> list[Cells]:
    """Ours minus each other method, seed by seed."""
    rows = []
    for family, method in _cells(table):
        if method == OURS:
            continue
        row: Cells = {heading: family, "method": method}
        for metric in metrics:
            row[metric.title] = _difference(table, family, method, metric)
        rows.append(row)
    return rows


def strongest(table: pd.DataFrame, metrics: Sequence[Metric], heading: str = "data", peers: str = "") -> list[Cells]:
    """On every family and metric the peer with the best mean, and ours minus it; `peers` is how their names end."""
    rows = []
    for family in dict.fromkeys(table["family"]):
        for metric in metrics:
            means = {
                method: figures(table, family, method, metric).mean()
                for _, method in _cells(table.loc[table["family"] == family])
                if method != OURS and method.endswith(peers) and len(figures(table, family, method, metric))
            }
            if not means:
                continue
            best = min(means, key=lambda name: means[name] if metric.lower else -means[name])
            ours = figures(table, family, OURS, metric)
            rows.append(
                {
                    heading: family,
                    "metric": metric.title,
                    "strongest peer": best.removesuffix(peers),
                    "it": f"{means[best]:.{metric.digits}f}",
                    "ours": f"{ours.mean():.{metric.digits}f}",
                    "ours minus it": _difference(table, family, best, metric),
                }
            )
    return rows


def reached(table: pd.DataFrame, goals: Iterable[Goal], heading: str = "data") -> list[Cells]:
    """Every goal, what ours reached, and whether that is enough; families and rivals that did not run are left out."""
    rows = []
    for goal in goals:
        metric = goal.metric
        ours = figures(table, goal.family, OURS, metric)
        if ours.empty:
            continue
        sign = "<=" if metric.lower else ">="
        wanted = [(f"{sign} {goal.value:g}", goal.value, False)] if np.isfinite(goal.value) else []
        for rival in goal.ahead_of:
            its = figures(table, goal.family, rival, metric)
            if len(its):
                text = f"{'<' if metric.lower else '>'} {its.mean():.{metric.digits}f} ({rival})"
                wanted.append((text, float(its.mean()), True))
        mean, error = mean_and_error(ours)
        for text, value, strict in wanted:
            met = metric.better(mean, value) or (mean == value and not strict)
            row: Cells = {heading: goal.family, "metric": metric.title, "goal": text}
            rows.append(row | {"reached": with_error(mean, error, 4), "met": "yes" if met else "no"})
    return rows


def seconds(table: pd.DataFrame, heading: str = "data") -> list[Cells]:
    """The median processor seconds of one fit: methods as columns. (Medians: a first call may compile.)"""
    methods = list(dict.fromkeys(table.loc[table["metric"] == SECONDS.name, "method"]))
    rows = []
    for family in dict.fromkeys(table["family"]):
        row: Cells = {heading: family}
        for method in methods:
            values = figures(table, family, method, SECONDS)
            row[method] = f"{values.median():.2g}" if len(values) else ""
        rows.append(row)
    return rows


def _difference(table: pd.DataFrame, family: str, method: str, metric: Metric) -> str:
    gaps = (figures(table, family, OURS, metric) - figures(table, family, method, metric)).dropna()
    return with_error(*mean_and_error(gaps), metric.digits, sign=True) if len(gaps) else ""


def _cells(table: pd.DataFrame) -> list[tuple[str, str]]:
    pairs = zip(table["family"].astype(str), table["method"].astype(str), strict=True)
    return list(dict.fromkeys(pairs))
