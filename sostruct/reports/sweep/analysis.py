"""From the table of jobs to the statistics of a report.

Conditions are compared with a baseline: the condition that shares all other factors and has the baseline's levels. So
with `growth=evidence,none task=var,lorenz96`, evidence on var meets none on var. Rankings treat the factors of the
baseline as methods, and every combination of the others with a replicate as a block.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from sostruct.errors import RunError
from sostruct.reports.sweep.collect import Sweep, condition_name
from sostruct.reports.sweep.jobs import natural
from sostruct.reports.sweep.options import SweepOptions, chosen_metrics, higher_is_better
from sostruct.reports.sweep.statistics import Paired, Ranks, friedman, holm, mean_interval, paired

COMPARISON_COLUMNS = (
    "metric",
    "condition",
    "baseline",
    "n",
    "difference",
    "low",
    "high",
    "t",
    "p_t",
    "p_t_holm",
    "w",
    "p_w",
    "p_w_holm",
    "note",
)


@dataclass(frozen=True, slots=True)
class Ranking:
    """Average ranks of methods in one metric.

    Attributes:
        methods: levels of the factors of the baseline, as conditions are named.
        result: the test.
    """

    methods: tuple[str, ...]
    result: Ranks


@dataclass(frozen=True, slots=True)
class Analysis:
    """Everything a report says about a sweep in numbers.

    Attributes:
        sweep: what was read.
        options: what was asked for.
        metrics: the metrics compared, the most important first.
        baseline: factor -> level of the baseline; empty where there is nothing to compare.
        labels: condition or method -> its name in figures and tables.
        means: metric, condition, n, mean, sd, low, high, best. `best` marks the best mean among conditions that differ
            only in the factors of the baseline, if it differs from each of them: paired t-test (Wilcoxon where that has
            no p), Holm-corrected over all pairs of the metric.
        comparisons: one row per metric and condition other than its baseline, columns `COMPARISON_COLUMNS`; p_t_holm
            and p_w_holm are corrected over all rows of the metric.
        rankings: metric -> ranking; metrics without a direction and without a complete block are not there.
    """

    sweep: Sweep
    options: SweepOptions
    metrics: tuple[str, ...]
    baseline: Mapping[str, str]
    labels: Mapping[str, str]
    means: pd.DataFrame
    comparisons: pd.DataFrame
    rankings: Mapping[str, Ranking]

    def values(self, metric: str, condition: str) -> pd.Series:
        """The values of a metric by replicate, known ones only."""
        return _values(self.sweep, metric, condition)

    @property
    def grouping(self) -> tuple[str, ...]:
        """The factors that are not the baseline's: conditions that differ in them are not set against each other."""
        return tuple(factor for factor in self.sweep.factors if factor not in self.baseline)

    def strata(self) -> list[list[str]]:
        """Conditions that differ in nothing but the factors of the baseline, together."""
        return _strata(self.sweep, self.baseline)

    def method_of(self, condition: str) -> str:
        """The levels of a condition in the factors of the baseline, named as conditions are."""
        return condition_name(_project(self.sweep.levels(condition), self.baseline))

    def methods(self) -> tuple[str, ...]:
        """Every method, in the order of the sweeps."""
        return tuple(dict.fromkeys(map(self.method_of, self.sweep.conditions)))

    @property
    def baseline_method(self) -> str | None:
        """The method that is the baseline; None where there is nothing to compare."""
        return condition_name(_project(self.baseline, self.sweep.factors)) if self.baseline else None

    def row(self, metric: str, condition: str) -> pd.Series:
        """The row of `means` of a metric and a condition."""
        frame = self.means
        return frame[(frame["metric"] == metric) & (frame["condition"] == condition)].iloc[0]


def analyze(sweep: Sweep, options: SweepOptions | None = None) -> Analysis:
    """Work out means, comparisons and rankings of a sweep.

    Raises:
        RunError: a metric is in no run, or the baseline names no condition; the messages list what there is.
    """
    options = SweepOptions() if options is None else options
    metrics = chosen_metrics(options, sweep.metrics)
    baseline = _baseline(sweep, options.baseline)
    return Analysis(
        sweep=sweep,
        options=options,
        metrics=metrics,
        baseline=baseline,
        labels=_labels(sweep, baseline),
        means=_means(sweep, metrics, baseline, options),
        comparisons=_comparisons(sweep, metrics, baseline, options),
        rankings={
            metric: found
            for metric in metrics
            if (found := _ranking(sweep, metric, baseline, options.confidence)) is not None
        },
    )


def _values(sweep: Sweep, metric: str, condition: str) -> pd.Series:
    frame = sweep.frame[sweep.frame["condition"] == condition]
    return frame.set_index(sweep.replicate)[metric].dropna()


def _baseline(sweep: Sweep, given: str | None) -> dict[str, str]:
    levels = {factor: tuple(dict.fromkeys(sweep.frame[factor])) for factor in sweep.factors}
    if given is None:
        # The rule is what sweeps are about; the data are what it is judged on.
        ordered = sorted(levels, key=lambda factor: (factor != "growth", factor.partition(".")[0] == "task"))
        for factor in ordered:
            if "none" in levels[factor]:
                return {factor: "none"}
        return {ordered[0]: levels[ordered[0]][0]} if ordered else {}
    found: dict[str, str] = {}
    for part in given.split(","):
        name, equals, level = part.strip().rpartition("=")
        matching = [factor for factor in levels if (not equals or factor == name) and level in levels[factor]]
        if len(matching) != 1:
            raise RunError(
                f"Cannot use {given!r} as the baseline. This is because {part.strip()!r} names "
                f"{'several factors' if matching else 'no condition of this sweep'}. Try one of "
                f"{', '.join(f'{factor}={level}' for factor in levels for level in levels[factor]) or 'none at all'}."
            )
        found[matching[0]] = level
    return found


def _labels(sweep: Sweep, baseline: Mapping[str, str]) -> dict[str, str]:
    """Short names: words stand alone, numbers with the last part of their key. Full names where two would be alike."""
    full = {condition: sweep.levels(condition) for condition in sweep.conditions}
    methods = {condition_name(part): part for levels in full.values() if (part := _project(levels, baseline))}
    labels: dict[str, str] = {}
    for group in (methods, full):
        short = {name: ", ".join(_short(*item) for item in levels.items()) or name for name, levels in group.items()}
        labels |= short if len(set(short.values())) == len(short) else {name: name for name in group}
    return labels


def _short(factor: str, level: str) -> str:
    wordy = any(letter.isalpha() for letter in level) and level.lower() not in ("true", "false", "null", "default")
    return level if wordy and natural(level)[0][0] != 0 else f"{factor.rpartition('.')[2]}={level}"


def _project(levels: Mapping[str, str], factors: Iterable[str]) -> dict[str, str]:
    return {factor: levels[factor] for factor in factors if factor in levels}


def _strata(sweep: Sweep, baseline: Mapping[str, str]) -> list[list[str]]:
    """Conditions that differ in nothing but the factors of the baseline, together."""
    groups: dict[str, list[str]] = {}
    for condition in sweep.conditions:
        rest = {factor: level for factor, level in sweep.levels(condition).items() if factor not in baseline}
        groups.setdefault(condition_name(rest), []).append(condition)
    return list(groups.values())


def _means(sweep: Sweep, metrics: Sequence[str], baseline: Mapping[str, str], options: SweepOptions) -> pd.DataFrame:
    rows = []
    for metric in metrics:
        best = _best(sweep, metric, baseline, options)
        for condition in sweep.conditions:
            found = mean_interval(_values(sweep, metric, condition).to_numpy(), options.confidence)
            rows.append(
                {
                    "metric": metric,
                    "condition": condition,
                    "n": found.n,
                    "mean": found.mean,
                    "sd": found.sd,
                    "low": found.low,
                    "high": found.high,
                    "best": condition in best,
                }
            )
    columns = ["metric", "condition", "n", "mean", "sd", "low", "high", "best"]
    return pd.DataFrame(rows, columns=columns)


def _best(sweep: Sweep, metric: str, baseline: Mapping[str, str], options: SweepOptions) -> set[str]:
    """The best condition of every stratum, where it differs from every other one there."""
    higher = higher_is_better(metric)
    if higher is None:
        return set()
    strata, p_values = [], {}
    for stratum in _strata(sweep, baseline):
        known = {condition: values for condition in stratum if len(values := _values(sweep, metric, condition))}
        strata.append(known)
        for one, other in combinations(known, 2):
            p_values[frozenset((one, other))] = _compare(known[one], known[other], options.confidence).p
    corrected = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    best = set()
    for known in strata:
        if len(known) > 1:
            top = (max if higher else min)(known, key=lambda condition: float(known[condition].mean()))
            if all(corrected[frozenset((top, other))] < options.level for other in known if other != top):
                best.add(top)
    return best


def _compare(one: pd.Series, other: pd.Series, confidence: float) -> Paired:
    shared = [replicate for replicate in one.index if replicate in other.index]
    return paired(one.loc[shared].to_numpy(), other.loc[shared].to_numpy(), confidence)


def _comparisons(
    sweep: Sweep, metrics: Sequence[str], baseline: Mapping[str, str], options: SweepOptions
) -> pd.DataFrame:
    rows = []
    for metric in metrics:
        own = []
        for condition in sweep.conditions:
            other = condition_name({**sweep.levels(condition), **baseline})
            if other == condition or other not in sweep.conditions:
                continue
            found = _compare(_values(sweep, metric, condition), _values(sweep, metric, other), options.confidence)
            spread = found.difference
            own.append(
                {
                    "metric": metric,
                    "condition": condition,
                    "baseline": other,
                    "n": spread.n,
                    "difference": spread.mean,
                    "low": spread.low,
                    "high": spread.high,
                    "t": found.t,
                    "p_t": found.p_t,
                    "w": found.w,
                    "p_w": found.p_w,
                    "note": found.note,
                }
            )
        for test in ("p_t", "p_w"):
            for row, corrected in zip(own, holm([float(str(row[test])) for row in own]), strict=True):
                row[f"{test}_holm"] = corrected
        rows += own
    return pd.DataFrame(rows, columns=list(COMPARISON_COLUMNS))


def _ranking(sweep: Sweep, metric: str, baseline: Mapping[str, str], confidence: float) -> Ranking | None:
    """Methods ranked in every block in which all of them have finished."""
    higher = higher_is_better(metric)
    if higher is None or not baseline:
        return None
    blocks: dict[tuple[str, str], dict[str, float]] = {}
    methods: dict[str, None] = {}
    for condition in sweep.conditions:
        levels = sweep.levels(condition)
        method = condition_name(_project(levels, baseline))
        rest = condition_name({factor: level for factor, level in levels.items() if factor not in baseline})
        methods[method] = None
        for replicate, value in _values(sweep, metric, condition).items():
            blocks.setdefault((rest, str(replicate)), {})[method] = float(value)
    complete = [block for block in blocks.values() if len(block) == len(methods)]
    if len(methods) < 2 or not complete:
        return None
    table = np.array([[block[method] for method in methods] for block in complete])
    return Ranking(tuple(methods), friedman(table, higher_is_better=higher, confidence=confidence))
