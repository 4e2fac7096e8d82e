"""The statistics of a comparison: intervals, paired tests, corrections, ranks. Numbers in, numbers out.

Every test is two-sided. Where a test says nothing (one replicate, no difference at all), its numbers are NaN or 1 and
its note says why, so that a table never shows a p-value that was not earned.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.special import chdtrc, fdtrc, ndtr, stdtr, stdtrit

_ROUNDING: Final = 1e-12
"""Differences below this share of the values compared are rounding, and count as none."""


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean with its interval.

    Attributes:
        n: number of values.
        mean: NaN without values.
        sd: standard deviation with n - 1; NaN for fewer than two values.
        low, high: ends of the confidence interval of the mean, Student t; NaN for fewer than two values.
    """

    n: int
    mean: float
    sd: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Paired:
    """A paired comparison.

    Attributes:
        difference: mean and interval of first minus second.
        t, p_t: paired t-test; NaN for fewer than two pairs and where all differences are one number other than zero.
        w, p_w: Wilcoxon signed-rank test: the smaller of the two rank sums, and its exact p-value given the ties.
        note: what keeps a test from speaking, in words; empty otherwise.
    """

    difference: Mean
    t: float
    p_t: float
    w: float
    p_w: float
    note: str

    @property
    def p(self) -> float:
        """The p-value a decision rests on: of the t-test, or of the Wilcoxon test where that has none."""
        return self.p_w if math.isnan(self.p_t) else self.p_t


@dataclass(frozen=True, slots=True)
class Ranks:
    """Friedman's test.

    Attributes:
        ranks: average rank of every method, 1 the best; ties share the mean of their ranks.
        blocks: number of data sets and replicates in which all methods were ranked.
        chi2, p: Friedman's statistic, corrected for ties, with k - 1 degrees of freedom.
        f, p_f: its form of Iman and Davenport, with k - 1 and (k - 1)(blocks - 1) degrees of freedom.
        critical_difference: of two average ranks, Nemenyi.
    """

    ranks: tuple[float, ...]
    blocks: int
    chi2: float
    p: float
    f: float
    p_f: float
    critical_difference: float


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Mean:
    """Mean, standard deviation and the Student t interval `mean +- t(1 - a/2, n - 1) sd / sqrt(n)`; NaN is left out."""
    known = _known(values)
    n = len(known)
    mean = math.fsum(known) / n if n else math.nan
    if n < 2:
        return Mean(n, mean, math.nan, math.nan, math.nan)
    sd = math.sqrt(math.fsum((value - mean) ** 2 for value in known) / (n - 1))
    half = float(stdtrit(n - 1, 0.5 + confidence / 2)) * sd / math.sqrt(n)
    return Mean(n, mean, sd, mean - half, mean + half)


def paired(first: ArrayLike, second: ArrayLike, confidence: float = 0.95) -> Paired:
    """Compare two conditions over the replicates they share.

    Args:
        first, second: values of the same replicates in the same order; pairs with a NaN are left out.
        confidence: of the interval of the mean difference.
    """
    one, other = np.asarray(first, np.float64), np.asarray(second, np.float64)
    difference = one - other
    difference[np.abs(difference) <= _ROUNDING * np.maximum(np.abs(one), np.abs(other))] = 0.0
    spread = mean_interval(difference, confidence)
    w, p_w = wilcoxon(difference)
    if spread.n == 0:
        return Paired(spread, math.nan, math.nan, math.nan, math.nan, "no replicate in common")
    if spread.n == 1:
        return Paired(spread, math.nan, math.nan, w, p_w, "one pair: no test")
    if spread.sd <= _ROUNDING * abs(spread.mean):
        if spread.mean == 0.0:
            return Paired(spread, 0.0, 1.0, w, p_w, "no difference in any pair")
        return Paired(spread, math.nan, math.nan, w, p_w, "all differences are equal: no t-test")
    t = spread.mean / (spread.sd / math.sqrt(spread.n))
    known = _known(difference)
    zeros, ties = len(known) - int(np.count_nonzero(known)), len(known) - len(np.unique(np.abs(known)))
    note = f"{zeros} of {len(known)} pairs without a difference" if zeros else ("tied differences" if ties else "")
    return Paired(spread, t, min(1.0, 2.0 * float(stdtr(spread.n - 1, -abs(t)))), w, p_w, note)


def wilcoxon(differences: ArrayLike) -> tuple[float, float]:
    """Wilcoxon signed-rank test: the smaller rank sum and the exact two-sided p-value.

    Zero differences are dropped (Wilcoxon 1945), tied magnitudes share the mean of their ranks, and the p-value comes
    from all 2^n signs of the ranks at hand, so it is exact with ties, too. Differences that agree to 12 digits of the
    largest are tied. NaN without differences, p = 1 where all are zero.
    """
    known = _known(differences)
    size = np.abs(known)
    if not len(known):
        return math.nan, math.nan
    grain = _ROUNDING * float(size.max())
    kept, size = known[size > grain], size[size > grain]
    if not len(kept):
        return 0.0, 1.0
    double = np.rint(2 * average_ranks(np.rint(size / grain))).astype(np.int64)  # midranks are halves: twice is whole
    total, positive = int(double.sum()), int(double[kept > 0].sum())
    share = np.zeros(total + 1)
    share[0] = 1.0
    for rank in double:
        share[rank:] += share[: total + 1 - rank].copy()
        share /= 2.0
    smaller = min(positive, total - positive)
    return smaller / 2, float(min(1.0, 2.0 * share[: smaller + 1].sum()))


def average_ranks(values: ArrayLike) -> Float[np.ndarray, " n"]:
    """Ranks from 1, smallest first; equal values share the mean of their ranks."""
    _, place, counts = np.unique(np.asarray(values, np.float64), return_inverse=True, return_counts=True)
    ranks: Float[np.ndarray, " n"] = (np.cumsum(counts) - (counts - 1) / 2)[place.reshape(-1)]
    return ranks


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (1979): comparable with the level itself; NaN is no test and stays NaN."""
    tested = sorted((p, place) for place, p in enumerate(p_values) if not math.isnan(p))
    adjusted = [math.nan] * len(p_values)
    reached = 0.0
    for step, (p, place) in enumerate(tested):
        reached = max(reached, min(1.0, p * (len(tested) - step)))
        adjusted[place] = reached
    return adjusted


def friedman(values: Float[np.ndarray, "block method"], *, higher_is_better: bool, confidence: float = 0.95) -> Ranks:
    """Rank methods within every block and ask whether the average ranks could be chance (Demsar 2006, JMLR 7, 3.2).

    Args:
        values: no NaN; at least one block and two methods.
        higher_is_better: whether the highest value takes rank 1.
        confidence: 1 - level of the critical difference.
    """
    blocks, methods = values.shape
    table = np.stack([average_ranks(-row if higher_is_better else row) for row in values])
    ranks = table.mean(axis=0)
    spread = float(((table - (methods + 1) / 2) ** 2).sum()) / (blocks * (methods - 1))
    chi2, f = math.nan, math.nan
    if spread > 0.0:
        chi2 = blocks * float(((ranks - (methods + 1) / 2) ** 2).sum()) / spread
        rest = blocks * (methods - 1) - chi2
        if blocks > 1:
            f = (blocks - 1) * chi2 / rest if rest > _ROUNDING * chi2 else math.inf
    return Ranks(
        ranks=tuple(float(rank) for rank in ranks),
        blocks=blocks,
        chi2=chi2,
        p=_tail(chi2, lambda value: float(chdtrc(methods - 1, value))),
        f=f,
        p_f=_tail(f, lambda value: float(fdtrc(methods - 1, (methods - 1) * (blocks - 1), value))),
        critical_difference=critical_difference(methods, blocks, confidence),
    )


def critical_difference(methods: int, blocks: int, confidence: float = 0.95) -> float:
    """Nemenyi's critical difference of two average ranks: `q / sqrt(2) sqrt(k (k + 1) / (6 N))` (Demsar 2006, 3.2.2).

    q is the quantile of the studentized range of k methods with infinite degrees of freedom.
    """
    return studentized_range(methods, confidence) * math.sqrt(methods * (methods + 1) / (12 * blocks))


def studentized_range(methods: int, probability: float) -> float:
    """Quantile of the range of `methods` independent standard normal variables.

    `P(range <= q) = k integral of phi(z) (Phi(z) - Phi(z - q))^(k - 1) dz`, by the trapezoidal rule, which converges
    exponentially here; the error is below 1e-10.
    """
    z = np.linspace(-9.0, 9.0, 2001)
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)

    def below(q: float) -> float:
        return float(methods * np.sum(density * (ndtr(z) - ndtr(z - q)) ** (methods - 1)) * (z[1] - z[0]))

    low, high = 0.0, 18.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) < probability else (low, middle)
    return (low + high) / 2


def cliques(ranks: Sequence[float], difference: float) -> list[tuple[int, ...]]:
    """Largest groups of methods whose average ranks all lie closer together than `difference`, best first.

    Groups of one are left out, and so are groups inside a larger one.
    """
    order = sorted(range(len(ranks)), key=lambda place: ranks[place])
    found: list[tuple[int, ...]] = []
    reached = 0
    for start, place in enumerate(order):
        end = start
        while end + 1 < len(order) and ranks[order[end + 1]] - ranks[place] < difference:
            end += 1
        if end > start and end + 1 > reached:
            found.append(tuple(order[start : end + 1]))
            reached = end + 1
    return found


def _known(values: ArrayLike) -> Float[np.ndarray, " n"]:
    flat = np.asarray(values, np.float64).reshape(-1)
    known: Float[np.ndarray, " n"] = flat[~np.isnan(flat)]
    return known


def _tail(statistic: float, tail: Callable[[float], float]) -> float:
    if math.isnan(statistic):
        return math.nan
    return 0.0 if math.isinf(statistic) else tail(statistic)
