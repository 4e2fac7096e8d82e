"""Every statistic against a published example, a closed form, or brute force."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sostruct.reports.sweep.statistics import (
    average_ranks,
    cliques,
    critical_difference,
    friedman,
    holm,
    mean_interval,
    paired,
    studentized_range,
    wilcoxon,
)

SLEEP = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
"""Student (1908): additional hours of sleep, second drug minus first, ten patients."""

DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.97501, 0.975],  # printed as equal, ranked 2 and 3 in the paper
        [0.957, 0.978, 0.946, 0.970],
    ]
)
"""Demsar (2006), table 6: AUC of C4.5, C4.5+m, C4.5+cf and C4.5+m+cf on 14 data sets."""

some = st.lists(st.floats(-1e6, 1e6).map(lambda value: round(value, 3)), min_size=2, max_size=9)
coarse = st.lists(st.integers(-4, 4), min_size=1, max_size=9)


def test_the_interval_of_a_mean_is_students() -> None:
    found = mean_interval(SLEEP)
    assert found.n == 10
    assert found.mean == pytest.approx(1.58)
    assert found.sd == pytest.approx(1.229995, abs=1e-6)
    assert (found.low, found.high) == pytest.approx((0.7001142, 2.4598858), abs=1e-7)


def test_other_confidences_are_wider_or_narrower() -> None:
    t_99 = 3.249836  # of 9 degrees of freedom, two-sided
    found = mean_interval(SLEEP, 0.99)
    assert (found.high - found.mean) / (found.sd / math.sqrt(10)) == pytest.approx(t_99, abs=1e-6)


@pytest.mark.parametrize(("values", "n"), [([], 0), ([2.5], 1), ([math.nan, 2.5], 1)])
def test_one_replicate_has_no_interval(values: list[float], n: int) -> None:
    found = mean_interval(values)
    assert found.n == n
    assert math.isnan(found.mean) == (n == 0)
    assert math.isnan(found.sd)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_the_paired_t_test_is_students() -> None:
    found = paired(SLEEP, [0.0] * 10)
    assert found.t == pytest.approx(4.0621, abs=5e-5)
    assert found.p_t == pytest.approx(0.002833, abs=5e-7)
    assert found.difference == mean_interval(SLEEP)
    assert found.note == "1 of 10 pairs without a difference"
    assert found.p == found.p_t


def test_pairs_with_a_missing_value_are_left_out() -> None:
    assert paired([*SLEEP, math.nan, 3.0], [*[0.0] * 11, math.nan]) == paired(SLEEP, [0.0] * 10)


def test_no_difference_at_all_is_said() -> None:
    found = paired([0.3, 1.7, 2.0], [0.1 + 0.2, 1.7, 2.0])
    assert (found.t, found.p_t, found.p_w) == (0.0, 1.0, 1.0)
    assert found.note == "no difference in any pair"


def test_equal_differences_have_no_t_test() -> None:
    found = paired([1.1, 2.1, 3.1, 4.1], [1.0, 2.0, 3.0, 4.0])
    assert math.isnan(found.t)
    assert math.isnan(found.p_t)
    assert found.p == found.p_w == pytest.approx(2 / 2**4)
    assert "all differences are equal" in found.note


def test_one_pair_and_none() -> None:
    assert paired([1.0], [0.0]).note == "one pair: no test"
    assert math.isnan(paired([1.0], [0.0]).p_t)
    assert paired([], []).note == "no replicate in common"


def test_wilcoxon_at_the_tabled_critical_value() -> None:
    # n = 10, two-sided level 0.05: 8 is the largest significant rank sum in the tables.
    signs = np.ones(10)
    signs[[0, 6]] = -1  # ranks 1 and 7
    assert wilcoxon(signs * np.arange(1, 11)) == (8.0, pytest.approx(0.048828125))
    signs[[0, 6, 7]] = 1, 1, -1  # rank 8 alone, the same sum
    assert wilcoxon(signs * np.arange(1, 11))[1] == pytest.approx(0.048828125)


def brute_force(differences: list[float]) -> tuple[float, float]:
    """The definition: all signs of the ranks, each as probable."""
    kept = [value for value in differences if value]
    if not kept:
        return 0.0, 1.0
    ranks = stats.rankdata([abs(value) for value in kept])
    observed = sum(rank for rank, value in zip(ranks, kept, strict=True) if value > 0)
    smaller = min(observed, sum(ranks) - observed)
    sums = [
        sum(rank for rank, sign in zip(ranks, signs, strict=True) if sign)
        for signs in product((0, 1), repeat=len(kept))
    ]
    return smaller, min(1.0, 2 * sum(value <= smaller for value in sums) / len(sums))


@given(coarse)
def test_wilcoxon_is_exact_with_ties_and_zeros(differences: list[int]) -> None:
    assert wilcoxon(differences) == pytest.approx(brute_force([float(value) for value in differences]))


def test_wilcoxon_of_demsars_example() -> None:
    differences = DEMSAR[:, 1] - DEMSAR[:, 0]
    # C4.5+m loses twice: ranks 1.5 and 5 among the 12 differences that are not zero.
    assert wilcoxon(differences) == pytest.approx(brute_force(np.round(differences, 3).tolist()))
    assert wilcoxon(differences)[0] == 6.5


def test_wilcoxon_without_ties_is_scipys() -> None:
    values = np.random.default_rng(0).normal(0.3, size=40)
    expected = stats.wilcoxon(values, method="exact")
    assert wilcoxon(values) == pytest.approx((expected.statistic, expected.pvalue))


@given(some)
def test_tests_do_not_care_for_order_direction_or_unit(values: list[float]) -> None:
    zero = [0.0] * len(values)
    one, other = paired(values, zero), paired(zero, values[::-1])
    assert other.difference.mean == pytest.approx(-one.difference.mean, nan_ok=True)
    assert other.p_t == pytest.approx(one.p_t, rel=1e-6, nan_ok=True)
    assert other.p_w == pytest.approx(one.p_w)
    assert 0.0 <= one.p_w <= 1.0
    doubled = paired([2 * value for value in values], zero)
    assert doubled.p_w == pytest.approx(one.p_w)
    assert doubled.p_t == pytest.approx(one.p_t, nan_ok=True)


def test_holm_is_the_textbooks() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.6]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


def test_holm_counts_tests_and_not_gaps() -> None:
    first, gap, second = holm([0.02, math.nan, 0.03])
    assert (first, second) == pytest.approx((0.04, 0.04))
    assert math.isnan(gap)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_the_order_and_lies_between_no_correction_and_bonferroni(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for (p, corrected), (q, other) in product(zip(p_values, adjusted, strict=True), repeat=2):
        assert p <= corrected <= min(1.0, len(p_values) * p) + 1e-15
        if p < q:
            assert corrected <= other


def test_ranks_of_demsars_example() -> None:
    found = friedman(DEMSAR, higher_is_better=True)
    assert found.ranks == pytest.approx((3.143, 2.0, 2.893, 1.964), abs=5e-4)
    assert found.blocks == 14
    assert found.critical_difference == pytest.approx(1.25, abs=5e-3)  # Demsar, p. 14
    plain = 12 * 14 / (4 * 5) * (sum(rank**2 for rank in found.ranks) - 4 * 25 / 4)
    assert plain == pytest.approx(9.28, abs=5e-3)  # Demsar, p. 14, without the correction for ties
    assert found.chi2 > plain
    expected = stats.friedmanchisquare(*DEMSAR.T)
    assert (found.chi2, found.p) == pytest.approx((expected.statistic, expected.pvalue))
    assert found.f == pytest.approx(13 * found.chi2 / (14 * 3 - found.chi2))
    assert found.p_f == pytest.approx(stats.f.sf(found.f, 3, 39))


def test_lower_is_better_turns_the_ranks_around() -> None:
    found = friedman(DEMSAR, higher_is_better=True)
    turned = friedman(-DEMSAR, higher_is_better=False)
    assert turned == found
    assert friedman(DEMSAR, higher_is_better=False).ranks == pytest.approx([5 - rank for rank in found.ranks])


def test_ties_everywhere_are_no_test() -> None:
    found = friedman(np.ones((5, 3)), higher_is_better=True)
    assert found.ranks == (2.0, 2.0, 2.0)
    assert math.isnan(found.chi2)
    assert math.isnan(found.p)
    assert math.isnan(found.p_f)


def test_the_same_order_in_every_block() -> None:
    found = friedman(np.tile([3.0, 2.0, 1.0], (6, 1)), higher_is_better=True)
    assert found.ranks == (1.0, 2.0, 3.0)
    assert found.chi2 == pytest.approx(12.0)  # N (k - 1), its largest value
    assert found.p == pytest.approx(math.exp(-6.0))  # chi-squared with 2 degrees of freedom
    assert found.p_f == 0.0


@pytest.mark.parametrize(
    ("methods", "q"),
    [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (7, 2.949), (8, 3.031), (9, 3.102), (10, 3.164)],
)
def test_nemenyis_critical_values(methods: int, q: float) -> None:
    assert studentized_range(methods, 0.95) / math.sqrt(2) == pytest.approx(q, abs=1.01e-3)  # Demsar, table 5a


def test_the_studentized_range_is_scipys() -> None:
    for methods, probability in ((3, 0.9), (12, 0.99), (40, 0.95)):
        expected = stats.studentized_range.ppf(probability, methods, np.inf)
        assert studentized_range(methods, probability) == pytest.approx(expected, rel=1e-6)


def test_two_methods_differ_as_two_normals() -> None:
    # The range of two standard normals is |N(0, 2)|.
    assert studentized_range(2, 0.95) == pytest.approx(math.sqrt(2) * stats.norm.ppf(0.975), rel=1e-9)
    assert critical_difference(2, 25) == pytest.approx(1.959964 / 5, abs=1e-6)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=8))
def test_average_ranks_are_scipys(values: list[int]) -> None:
    assert average_ranks(values) == pytest.approx(stats.rankdata(values))


def test_cliques_are_the_largest_groups_that_do_not_differ() -> None:
    assert cliques([3.143, 2.0, 2.893, 1.964], 1.25) == [(3, 1, 2, 0)]
    assert cliques([3.143, 2.0, 2.893, 1.964], 1.0) == [(3, 1, 2), (2, 0)]
    assert cliques([1.0, 2.0, 3.0], 1.0) == []
    assert cliques([1.0, 2.0, 3.0], 5.0) == [(0, 1, 2)]
    assert cliques([1.5, 1.5, 3.0], 0.1) == [(0, 1)]
