r"""What may mislead in series that can be searched: looked for before work, and said in warnings with advice.

Design note. None of this makes a search fail; all of it makes what is found easy to misread. One warning per kind names
the columns, so that `warnings.simplefilter("ignore", sostruct.DataWarning)` or a filter on its first words silences it.
Costs are a few passes over the data and one product of their columns.

*Near-duplicates.* |correlation| above `DUPLICATE` at the same row: which of the two acts is not in the data.

*Dependent columns.* A column that is a linear combination of others at the same row: with C the correlation matrix,
`1 / (C^-1)_jj` is the share of x_j's variance that no combination of the others gives; below `DEPENDENT`, the columns
that share such a combination (partial correlations `-P_jk / sqrt(P_jj P_kk)`, P = C^-1) are named together.

*Unit roots and trends.* Of every column that moves slowly, the augmented Dickey-Fuller regression

    x(t) - x(t-1) = a + r x(t-1) + sum over k = 1..K of g_k (x(t-k) - x(t-k-1)) + e,    K = 4 (T / 100)^(1/4),

with estimate r and standard error s. Failing to reject r = 0 is no evidence for it, and rejecting it takes many rows;
so the two are weighed: a unit root against any 1 + r in (0, 1) alike, which by the Gaussian likelihood has log odds

    -(r / s)^2 / 2 - log(s sqrt(2 pi) Phi(-r / s)),

is reported from `ROOT` on, given `ROOTED` rows (10 to 1; Sims 1988, J. Econ. Dyn. Control 12, 463; Dickey & Fuller
1979, JASA 74). A trend is reported where a line explains more than `TREND` of the variance and its slope has |t| above
`SLOPE`, what is left of the column taken for an autoregression of order 1 (its correlation q with the last row raised
by its bias, (2 + 4 q) / T, and errors of the slope by sqrt((1 + q) / (1 - q))).

*Constant stretches.* A value that a nearly continuous series holds for `STRETCH` rows on end: a sensor that was stuck,
a record that was filled forward.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack
from scipy.special import log_ndtr

from sostruct.errors import DataWarning
from sostruct.tasks.base import listed
from sostruct.tasks.discrete import kinds_of

DUPLICATE = 0.999
DEPENDENT = 1e-4
ROOT = math.log(10.0)
ROOTED = 150
TREND = 0.5
SLOPE = 7.0
STRETCH = 10

_SHARED = 0.1  # partial correlation from which two dependent columns belong to the same combination
_SLOW = 0.1  # von Neumann ratio below which a column moves slowly: 2 (1 - r) with r its correlation with the last row
_LONG = 0.02  # share of the rows that a constant stretch has at least

Table = NDArray[np.float64]


def advise(segments: Sequence[Table], names: Sequence[str]) -> None:
    """Warns of what may mislead.

    Args:
        segments: checked series [time, variable] of every realization, NaN where a value is missing.
        names: of the columns.

    Warns:
        DataWarning: one per kind, as in the module's docstring.
    """
    every = segments[0] if len(segments) == 1 else np.concatenate(segments)
    gaps = bool(np.isnan(every).any())
    duplicates, dependent = _alike(_complete(every) if gaps else every)
    if duplicates:
        shown = "; ".join(f"{names[one]!r} and {names[other]!r} ({value:+.5f})" for one, other, value in duplicates[:8])
        more = f" and {len(duplicates) - 8} more" if len(duplicates) > 8 else ""
        _warn(
            f"Near-duplicates: {shown}{more} are correlated almost perfectly at the same row. Which of them acts is "
            "not in the data, and evidence may go to either. Try leaving one of each pair out."
        )
    if dependent:
        groups = "; ".join(listed(names[column] for column in group) for group in dependent[:4])
        _warn(
            f"Dependent columns: {groups}: each is a linear combination of the others of its group at the same row (a "
            "sum and its parts, say). Effects of one cannot be told from effects of the others. Try leaving one of "
            "each group out."
        )
    rooted, trending = _wandering(segments if not gaps else [_filled(table) for table in segments])
    if rooted:
        _warn(
            f"Unit roots: {listed(names[column] for column in rooted)} wander like random walks. Regressions among "
            "such series find effects that are not there. Try `frame.diff().iloc[1:]`, or growth rates, of these "
            "columns."
        )
    if trending:
        _warn(
            f"Strong trends: {listed(names[column] for column in trending)} rise or fall steadily with time, which "
            "makes them cause each other in appearance. Try taking a line off them, or `frame.diff().iloc[1:]`."
        )
    stuck = _stuck(segments)
    if stuck:
        shown = ", ".join(f"{names[column]!r} ({length} rows)" for column, length in stuck[:12])
        more = f" and {len(stuck) - 12} more" if len(stuck) > 12 else ""
        _warn(
            f"Constant stretches: {shown}{more} hold one value for long on end, which is predicted without error and "
            "inflates evidence. If a sensor was stuck or gaps were filled forward, try NaN there: missing values are "
            "handled."
        )


def _warn(text: str) -> None:
    warnings.warn(text, DataWarning, stacklevel=4)


def _complete(values: Table) -> Table:
    """The rows without gaps if they are many; else all, with means in the gaps, which hides likeness but makes none."""
    absent = np.isnan(values)
    whole = ~absent.any(axis=1)
    if whole.sum() >= 50 + 2 * values.shape[1]:
        return values[whole]
    return np.where(absent, np.nanmean(values, axis=0), values)


def _filled(table: Table) -> Table:
    """Gaps closed by the last value that is there, the first ones by the next: what keeps a wandering series one."""
    absent = np.isnan(table)
    rows = np.arange(len(table))[:, None]
    last = np.maximum.accumulate(np.where(absent, 0, rows), axis=0)
    forward = np.take_along_axis(table, last, axis=0)
    start = np.argmax(~np.isnan(forward), axis=0)
    return np.where(np.isnan(forward), forward[start, np.arange(table.shape[1])], forward)


def _alike(values: Table) -> tuple[list[tuple[int, int, float]], list[list[int]]]:
    """Near-duplicates with their correlations, and groups of columns that are linear combinations of each other."""
    rows, count = values.shape
    unit = values - values.mean(axis=0)
    scale = np.sqrt(np.einsum("tj,tj->j", unit, unit))
    unit /= np.where(scale > 0, scale, 1.0)
    correlation = unit.T @ unit
    ones, others = np.nonzero(np.triu(np.abs(correlation) > DUPLICATE, 1))
    pairs = [(int(one), int(other), float(correlation[one, other])) for one, other in zip(ones, others, strict=True)]
    kept = np.setdiff1d(np.arange(count), others)
    if rows <= 2 * len(kept) or len(kept) < 3:
        return pairs, []
    own = correlation[np.ix_(kept, kept)] + 1e-10 * np.eye(len(kept))
    factor, failed = lapack.dpotrf(own, lower=0)
    if failed:  # not even positive to rounding: take the ridge that makes it so
        factor, _ = lapack.dpotrf(own + 1e-8 * np.eye(len(kept)), lower=0)
    inverse = np.triu(lapack.dpotri(factor, lower=0)[0])
    precision = inverse + np.triu(inverse, 1).T
    left = 1 / np.diag(precision) * (rows - 1) / (rows - len(kept))
    members = np.flatnonzero(left < DEPENDENT)
    if not len(members):
        return pairs, []
    block = precision[np.ix_(members, members)]
    partial = np.abs(block) / np.sqrt(np.outer(np.diag(block), np.diag(block)))
    graph = nx.from_numpy_array(partial > _SHARED)
    groups = sorted(sorted(kept[members[list(group)]].tolist()) for group in nx.connected_components(graph))
    return pairs, [group for group in groups if len(group) > 1]


def _wandering(segments: Sequence[Table]) -> tuple[list[int], list[int]]:
    """Columns with a unit root, and others with a trend."""
    rows = sum(map(len, segments))
    lags = int(4 * (rows / 100) ** 0.25)
    centered = [table - table.mean(axis=0) for table in segments]
    squares = np.sum([(table**2).sum(axis=0) for table in centered], axis=0)
    moves = np.sum([(np.diff(table, axis=0) ** 2).sum(axis=0) for table in centered], axis=0)
    times = [np.arange(len(table), dtype=np.float64) - (len(table) - 1) / 2 for table in segments]
    length = sum(float(own @ own) for own in times)
    slopes = np.sum([own @ table for own, table in zip(times, centered, strict=True)], axis=0) / length
    explained = slopes**2 * length / squares
    trending = [
        column
        for column in np.flatnonzero(explained > TREND).tolist()
        if abs(_trend([table[:, column] for table in centered], times, float(slopes[column]))) > SLOPE
    ]
    long = [table for table in segments if len(table) > lags + 2]
    if sum(len(table) - lags - 1 for table in long) < ROOTED:
        return [], trending
    slow = np.setdiff1d(np.flatnonzero(moves < _SLOW * squares), trending)
    return [column for column in slow.tolist() if _root([table[:, column] for table in long], lags) > ROOT], trending


def _trend(series: Sequence[Table], times: Sequence[Table], slope: float) -> float:
    """t statistic of the slope of centered series."""
    left = [one - slope * own for one, own in zip(series, times, strict=True)]
    rows, square = sum(map(len, left)), sum(float(one @ one) for one in left)
    correlation = sum(float(one[1:] @ one[:-1]) for one in left) / max(square, 1e-300)
    correlation = min(max(correlation + (2 + 4 * correlation) / rows, 0.0), 1 - 1 / rows)
    error = math.sqrt(max(square, 1e-300) / rows / sum(float(own @ own) for own in times))
    return slope / (error * math.sqrt((1 + correlation) / (1 - correlation)))


def _root(series: Sequence[Table], lags: int) -> float:
    """Log odds of a unit root."""
    designs, changes = [], []
    for one in series:
        steps = np.diff(one)
        past = [steps[lags - lag : len(steps) - lag] for lag in range(1, lags + 1)]
        designs.append(np.stack([one[lags:-1], *past], axis=1))
        changes.append(steps[lags:])
    # one intercept for every realization: each has a level of its own
    design = np.concatenate([table - table.mean(axis=0) for table in designs])
    change = np.concatenate([own - own.mean() for own in changes])
    estimate, error = _estimated(design, change, len(series))
    ratio = estimate / error
    return -(ratio**2) / 2 - math.log(error * math.sqrt(2 * math.pi)) - float(log_ndtr(-ratio))


def _estimated(design: Table, response: Table, spent: int) -> tuple[float, float]:
    """Coefficient of the first column and its standard error; `spent` degrees of freedom are gone already."""
    scale = np.sqrt((design**2).sum(axis=0))
    scale = np.where(scale > 0, scale, 1.0)
    own = design / scale
    inverse = np.linalg.pinv(own.T @ own, hermitian=True)
    weights = inverse @ (own.T @ response)
    left = response - own @ weights
    variance = max(float(left @ left) / (len(left) - design.shape[1] - spent), 1e-300)
    error = math.sqrt(max(variance * float(inverse[0, 0]), 1e-300))
    return float(weights[0] / scale[0]), float(error / scale[0])


def _stuck(segments: Sequence[Table]) -> list[tuple[int, int]]:
    """Nearly continuous columns that hold a value for long, and for how many rows."""
    rows = sum(map(len, segments))
    least = max(STRETCH, int(_LONG * rows))
    longest = np.zeros(segments[0].shape[1], np.int64)
    for table in segments:
        same = table[1:] == table[:-1]
        for column in np.flatnonzero(same.sum(axis=0) >= least - 1).tolist():
            breaks = np.flatnonzero(~same[:, column])
            run = int(np.diff(np.concatenate([[-1], breaks, [len(same)]])).max())
            longest[column] = max(longest[column], run)
    suspects = np.flatnonzero(longest >= least)
    if not len(suspects):
        return []
    every = np.concatenate(segments)[:, suspects]
    return [
        (int(column), int(longest[column])) for column, kind in zip(suspects, kinds_of(every), strict=True) if not kind
    ]
