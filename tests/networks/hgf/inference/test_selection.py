"""Model selection against integrals on a grid, simulation, and what the papers say of special cases."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import scipy.special
import scipy.stats

import sostruct as ss
from sostruct.networks.hgf.inference.selection import exceedance, population


def table(evidence: object) -> pd.DataFrame:
    return pd.DataFrame(np.asarray(evidence), columns=list("ABCDE")[: np.asarray(evidence).shape[1]])


@pytest.fixture
def mixed() -> np.ndarray:
    """Sixteen subjects of whom most favor the first of two models."""
    generator = np.random.default_rng(0)
    return np.stack([np.where(np.arange(16) < 12, 3.0, -2.0) + generator.normal(size=16), np.zeros(16)], 1)


@pytest.mark.parametrize("alpha", [(3.0, 2.0), (1.0, 1.0), (12.5, 4.2), (80.0, 60.0), (400.0, 1.0)])
def test_exceedance_of_two_is_a_beta_probability(alpha: tuple[float, float]) -> None:
    expected = 1.0 - scipy.stats.beta(*alpha).cdf(0.5)
    np.testing.assert_allclose(exceedance(np.array(alpha)), [expected, 1.0 - expected], atol=1e-8)


def test_exceedance_of_four_is_what_simulation_says() -> None:
    alpha = np.array([2.5, 6.0, 4.0, 1.2])
    drawn = np.random.default_rng(0).dirichlet(alpha, size=200_000)
    shares = np.bincount(drawn.argmax(1), minlength=4) / len(drawn)
    np.testing.assert_allclose(exceedance(alpha), shares, atol=5e-3)


def exact(evidence: np.ndarray) -> tuple[float, np.ndarray]:
    """log p(y) and the posterior mean of r_1 for two models, by a sum over a grid of r_1 ~ uniform."""
    r = (np.arange(20000) + 0.5) / 20000
    like = np.logaddexp(evidence[:, :1] + np.log(r), evidence[:, 1:] + np.log1p(-r)).sum(0)
    weights = np.exp(like - like.max())
    mean = float((weights * r).sum() / weights.sum())
    return float(scipy.special.logsumexp(like) - math.log(20000)), np.array([mean, 1.0 - mean])


def test_variational_bayes_against_the_integral(mixed: np.ndarray) -> None:
    log_evidence, frequency = exact(mixed)
    found = population(mixed)
    assert found.bound <= log_evidence + 1e-9
    assert found.bound == pytest.approx(log_evidence, abs=0.4)
    np.testing.assert_allclose(found.alpha / found.alpha.sum(), frequency, atol=0.02)


def test_variational_bayes_is_exact_where_subjects_are_sure() -> None:
    """Attributions of 0 and 1: a Dirichlet with counts, and a multinomial's evidence."""
    evidence = np.where(np.eye(3)[[0, 0, 0, 1, 2, 0]] > 0, 0.0, -500.0)
    found = population(evidence)
    np.testing.assert_allclose(found.alpha, [5.0, 2.0, 2.0], atol=1e-6)
    counts = np.array([4.0, 1.0, 1.0])
    log_evidence = scipy.special.gammaln(3) - scipy.special.gammaln(9) + scipy.special.gammaln(counts + 1).sum()
    assert found.bound == pytest.approx(log_evidence, abs=1e-6)


def test_equal_evidence() -> None:
    """Nothing to choose between: frequencies are equal, and that all are equally frequent is likelier than not."""
    found = ss.compare_models(table(np.zeros((20, 3))))
    np.testing.assert_allclose(found.random["frequency"], 1 / 3)
    np.testing.assert_allclose(found.random["exceedance"], 1 / 3, atol=1e-9)
    np.testing.assert_allclose(found.random["protected_exceedance"], 1 / 3, atol=1e-9)
    np.testing.assert_allclose(found.fixed["posterior"], 1 / 3)
    assert found.omnibus_risk > 0.9
    assert 0.5 < ss.compare_models(table(np.zeros((1, 3)))).omnibus_risk < found.omnibus_risk


def test_protection_matters_where_evidence_is_weak(mixed: np.ndarray) -> None:
    strong, weak = ss.compare_models(table(mixed)), ss.compare_models(table(0.05 * mixed))
    for found, numbers in ((strong, mixed), (weak, 0.05 * mixed)):
        equal = (np.logaddexp(numbers[:, 0], numbers[:, 1]) - math.log(2.0)).sum()
        risk = 1.0 / (1.0 + math.exp(exact(numbers)[0] - equal))
        assert risk < found.omnibus_risk < risk + 0.3  # the bound is below the evidence it stands for
    assert weak.omnibus_risk > strong.omnibus_risk + 0.3
    assert weak.random.loc["A", "protected_exceedance"] < weak.random.loc["A", "exceedance"]
    assert strong.attribution["A"].iloc[0] > 0.95
    assert strong.random.loc["A", "exceedance"] > 0.95


def test_one_subject_that_decides_is_named() -> None:
    evidence = np.zeros((10, 2))
    evidence[:, 0] = 0.5
    evidence[7, 1] = 40.0
    found = ss.compare_models(table(evidence))
    assert found.fixed["posterior"].idxmax() == "B"
    assert found.fixed.loc["B", "log_bayes_factor"] == pytest.approx(40.0 - 5.0)
    assert found.dominated == [7]
    assert found.random["frequency"].idxmax() == "A"
    assert "without 7 another model is the best" in found.summary()
    assert found.influence.loc[7, "log_bayes_factor"] == pytest.approx(39.5)
    assert repr(found).startswith("Comparison of 2 models over 10 subjects: 'B'")


OUTCOMES = (np.random.default_rng(0).random((3, 40, 1)) < 0.7).astype(float)
PRIORS = {"x2": {"tonic_volatility": ss.priors.Normal(-3.0, 1.0)}}


def fit(levels: int, data: np.ndarray = OUTCOMES, **named: object) -> ss.Fit:
    return ss.HGF(ss.binary_hgf(levels=levels)).fit(data, priors=PRIORS, starts=1, **named)  # type: ignore[arg-type]


def test_fits_of_different_graphs() -> None:
    two, three = fit(2), fit(3)
    found = ss.compare_models({"two": two, "three": three})
    np.testing.assert_array_equal(found.evidence["two"], two.log_evidence)
    np.testing.assert_array_equal(found.evidence["three"], three.log_evidence)
    single = ss.compare_models({"two": fit(2, OUTCOMES[0]), "three": fit(3, OUTCOMES[0])})
    assert single.evidence.shape == (1, 2)
    assert single.dominated == []


def test_hierarchical_fits_pay_for_their_groups() -> None:
    two, three = fit(2, method="hierarchical"), fit(3, method="hierarchical")
    found = ss.compare_models({"two": two, "three": three})
    assert two.group is not None
    assert found.fixed.loc["two", "log_evidence"] == pytest.approx(-0.5 * two.group.ibic)
    with pytest.raises(ss.ConfigError, match="one is a hierarchical fit"):
        ss.compare_models({"two": two, "three": fit(3)})


def test_what_cannot_be_compared() -> None:
    two = fit(2)
    with pytest.raises(ss.DataError, match="they explain different numbers"):
        ss.compare_models({"two": two, "other": fit(2, 1.0 - OUTCOMES)})
    with pytest.raises(ss.DataError, match="the subjects of 'two' are 0, 1, 2 and those of 'other' 0, 1"):
        ss.compare_models({"two": two, "other": fit(2, OUTCOMES[:2])})
    choices = OUTCOMES[..., 0]
    acted = ss.HGF(ss.binary_hgf(levels=2)).fit(OUTCOMES, choices, PRIORS, "binary_softmax", starts=1)
    with pytest.raises(ss.DataError, match="one explains responses and the other inputs"):
        ss.compare_models({"two": two, "acted": acted})
    with pytest.raises(ss.ConfigError, match="Cannot compare 1 models"):
        ss.compare_models({"two": two})
    with pytest.raises(ss.ConfigError, match="models come with their names"):
        ss.compare_models([two, two])  # type: ignore[arg-type]
    gap = table(np.zeros((3, 2)))
    gap.iloc[1, 1] = math.nan
    with pytest.raises(ss.DataError, match="subject 1 under 'B' is nan"):
        ss.compare_models(gap)
