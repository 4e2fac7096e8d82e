"""Densities of the exponential family: normalized, conjugate, and exact where pseudo-counts are large."""

from __future__ import annotations

import itertools

import jax
import numpy as np
import pytest
import scipy.special
from scipy import stats

import sostruct as ss
from sostruct.networks.hgf.kinds import KINDS
from sostruct.networks.hgf.kinds.base import AbstractVariable, Drive
from sostruct.networks.hgf.updates import UPDATES, Options
from sostruct.networks.hgf.variables.groups import Group, tabulated
from sostruct.networks.hgf.variables.special import digamma_rise, expected_log_choices, log_rising
from sostruct.numerics import double_precision

OPTIONS = Options(UPDATES["ehgf"], False, True, True, True)
ONE = {"normal": 2, "bernoulli": 1, "poisson": 1, "exponential": 1}


def density(family: str, xi: list[float], nu: float, seen: np.ndarray) -> tuple[np.ndarray, float]:
    """Log densities of values [value, statistic], and the entropy."""
    kind = KINDS[family]
    assert isinstance(kind, AbstractVariable)
    count = len(xi)
    group = Group((0, 1), (0,), ((1,),)) if family == "normal" else Group((0,))
    with double_precision():
        mean = jax.numpy.asarray(xi, float)
        none = jax.numpy.zeros(count)
        clock: object = None
        drive = Drive(mean, none, none, none)
        prediction = kind.predict_input({"precision": none + 2.0}, {}, drive, clock, OPTIONS)  # type: ignore[arg-type]
        parts = tabulated([group], count, 1)
        one = jax.jit(jax.vmap(lambda value: kind.density(parts, prediction, mean, none + 0.5 / nu, value)))
        found = one(jax.numpy.asarray(seen, float))
    assert np.asarray(found.sound).all()
    return np.asarray(found.log_density).sum(-1), float(np.asarray(found.entropy)[0].sum())


@pytest.mark.parametrize(("xi", "nu"), [([0.3, 1.4], 4.0), ([-2.0, 4.01], 0.5), ([0.0, 1.0], 1e7)])
def test_a_normal_variable_is_predicted_by_students_t(xi: list[float], nu: float) -> None:
    points, weights = np.polynomial.legendre.leggauss(4000)
    angle = 0.5 * np.pi * points
    scale = np.sqrt(xi[1] - xi[0] ** 2)
    x = xi[0] + 3.0 * scale * np.tan(angle)
    found, entropy = density("normal", xi, nu, np.stack([x, x**2], -1))
    mass = np.exp(found) * weights * 0.5 * np.pi * 3.0 * scale / np.cos(angle) ** 2
    assert mass.sum() == pytest.approx(1.0, abs=1e-6)
    assert -(mass * np.where(mass > 0.0, found, 0.0)).sum() == pytest.approx(entropy, abs=1e-4)
    law = stats.t(nu + 1.0, xi[0], scale)
    close = np.abs(x - xi[0]) < 30.0 * scale
    np.testing.assert_allclose(found[close], law.logpdf(x)[close], rtol=1e-8)
    assert entropy == pytest.approx(float(law.entropy()), rel=1e-6)


@pytest.mark.parametrize(("xi", "nu"), [(0.4, 0.3), (3.0, 5.0), (60.0, 2.0), (200.0, 1e6), (1e-3, 1.0)])
def test_counts_are_predicted_by_the_negative_binomial(xi: float, nu: float) -> None:
    counts = np.arange(6000.0)
    found, entropy = density("poisson", [xi], nu, counts[:, None])
    law = stats.nbinom(nu * xi, nu / (1 + nu)) if nu < 1e5 else stats.poisson(xi)
    np.testing.assert_allclose(found[:500], law.logpmf(counts[:500]), rtol=1e-9 if nu < 1e5 else 1e-3)
    assert np.exp(found).sum() == pytest.approx(1.0, abs=1e-8)
    assert -(np.exp(found) * found).sum() == pytest.approx(entropy, abs=1e-8)


@pytest.mark.parametrize(("xi", "nu"), [(0.4, 3.0), (30.0, 50.0), (2.0, 1e9)])
def test_durations_are_predicted_by_the_lomax_distribution(xi: float, nu: float) -> None:
    law = stats.lomax(nu + 1.0, scale=nu * xi)
    x = law.ppf(np.linspace(0.001, 0.999, 50))
    found, entropy = density("exponential", [xi], nu, x[:, None])
    np.testing.assert_allclose(found, law.logpdf(x), rtol=1e-6, atol=1e-6)
    assert entropy == pytest.approx(float(law.entropy()), rel=1e-7)
    assert law.mean() == pytest.approx(xi)


def test_outcomes_have_the_expected_probability() -> None:
    found, entropy = density("bernoulli", [0.3], 7.0, np.array([[0.0], [1.0]]))
    np.testing.assert_allclose(np.exp(found), [0.7, 0.3])
    assert entropy == pytest.approx(-0.3 * np.log(0.3) - 0.7 * np.log(0.7))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_differences_keep_their_digits(dtype: type) -> None:
    tolerance = 20 * np.finfo(dtype).eps
    start, steps = np.array(list(itertools.product([0.01, 1.0, 15.9, 16.1, 1e3, 1e7], [1.0, 3.0]))).T
    with double_precision(dtype is np.float64):
        rising = np.asarray(log_rising(jax.numpy.asarray(start, dtype), jax.numpy.asarray(steps, dtype)))
        rise = np.asarray(digamma_rise(jax.numpy.asarray(start, dtype), jax.numpy.asarray(steps, dtype)))
    three = np.log(start) + np.where(steps == 3.0, np.log1p(start) + np.log(start + 2.0), 0.0)
    np.testing.assert_allclose(rising, three, rtol=tolerance, atol=tolerance * 20)
    harmonic = 1.0 / start + np.where(steps == 3.0, 1.0 / (start + 1.0) + 1.0 / (start + 2.0), 0.0)
    np.testing.assert_allclose(rise, harmonic, rtol=tolerance * 20)


@pytest.mark.parametrize(("mean", "shape"), [(2.0, 0.1), (40.0, 3.0), (5.0, 1e5)])
def test_the_integral_of_the_expected_log_coefficient(mean: float, shape: float) -> None:
    k = np.arange(8000.0)
    chance = stats.nbinom(shape, shape / (shape + mean)).pmf(k)
    terms = scipy.special.gammaln(k + shape) - scipy.special.gammaln(shape) - scipy.special.gammaln(k + 1.0)
    with double_precision():
        found = float(expected_log_choices(jax.numpy.asarray(mean), jax.numpy.asarray(shape)))
    assert found == pytest.approx(float(chance @ terms), rel=1e-9)


def posterior(family: str, x: np.ndarray, nu: float, xi: np.ndarray) -> list[float]:
    """Log predictive density of every value by textbook conjugate updates, one observation after another."""
    found = []
    if family == "normal":
        mean, kappa, alpha, beta = xi[0], nu, 0.5 * (nu + 1.0), 0.5 * nu * (xi[1] - xi[0] ** 2)
        for u in x:
            scale = np.sqrt(beta * (kappa + 1.0) / (alpha * kappa))
            found.append(stats.t(2.0 * alpha, mean, scale).logpdf(u))
            beta += 0.5 * kappa * (u - mean) ** 2 / (kappa + 1.0)
            mean, kappa, alpha = (kappa * mean + u) / (kappa + 1.0), kappa + 1.0, alpha + 0.5
    elif family == "bernoulli":
        a, b = nu * xi[0], nu * (1.0 - xi[0])
        for u in x:
            found.append(stats.betabinom(1, a, b).logpmf(u))
            a, b = a + u, b + 1.0 - u
    else:
        a, b = (nu * xi[0], nu) if family == "poisson" else (nu + 1.0, nu * xi[0])
        for u in x:
            if family == "poisson":
                found.append(stats.nbinom(a, b / (1.0 + b)).logpmf(u))
                a, b = a + u, b + 1.0
            else:
                found.append(stats.lomax(a, scale=b).logpdf(u))
                a, b = a + 1.0, b + u
    return found


def values(family: str, steps: int = 30) -> np.ndarray:
    rng = np.random.default_rng(3)
    return {
        "normal": rng.normal(1.0, 2.0, steps),
        "bernoulli": rng.integers(2, size=steps).astype(float),
        "poisson": rng.poisson(4.0, steps).astype(float),
        "exponential": rng.exponential(2.0, steps),
    }[family]


@pytest.mark.parametrize("schedule", ["packed", "unrolled"])
@pytest.mark.parametrize("family", list(ONE))
def test_an_average_that_counts_is_the_conjugate_posterior(family: str, schedule: str) -> None:
    """With a missing value, which changes nothing."""
    x, start = (
        values(family),
        {"normal": [0.5, 1.5], "bernoulli": [0.4], "poisson": [2.0], "exponential": [1.5]}[family],
    )
    labels = ("u", "u*u") if family == "normal" else ("u",)
    graph = ss.exponential_family_hgf(family, nu=2.5, growth=1.0, xi_0=dict(zip(labels, start, strict=True)))
    seen = np.insert(x, 10, np.nan)
    beliefs = ss.HGF(graph, schedule=schedule).filter(seen)
    expected = np.insert(posterior(family, x, 2.5, np.array(start)), 10, 0.0)
    np.testing.assert_allclose(-beliefs.surprise, expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(beliefs.composite, beliefs.surprise, rtol=1e-12)
    np.testing.assert_allclose(beliefs.pseudo_count("u")["u"], np.insert(2.5 + np.arange(30.0), 10, 12.5))


@pytest.mark.parametrize("levels", [0, 1])
@pytest.mark.parametrize("family", list(ONE))
def test_fixed_nu_moves_by_a_fixed_share_of_the_error(family: str, levels: int) -> None:
    """Of both an average and the random walk whose step size keeps nu where it is."""
    x = values(family)
    network = ss.HGF(ss.exponential_family_hgf(family, levels=levels, nu=4.0))
    beliefs = network.filter(x)
    xi = {"u": 0.0, "u*u": 1.0} if family == "normal" else {"u": {"bernoulli": 0.5}.get(family, 1.0)}
    for step, u in enumerate(x):
        for label in xi:
            leaf = f"u={label}" if family == "normal" else label
            assert beliefs.frame("expected_mean")[leaf].iloc[step] == pytest.approx(xi[label], rel=1e-10)
            xi[label] += ((u**2 if label == "u*u" else u) - xi[label]) / 5.0
    np.testing.assert_allclose(beliefs.pseudo_count("u"), 4.0, rtol=1e-10)


def test_several_columns_are_predicted_by_the_normal_wishart_prior() -> None:
    """n = nu + d degrees of freedom, scale (nu S)^-1: updated as textbooks do."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(25, 3)) @ rng.normal(size=(3, 3))
    nu, center, spread = 3.0, np.zeros(3), np.eye(3)
    network = ss.HGF(ss.exponential_family_hgf("normal", ["a", "b", "c"], nu=nu, growth=1.0))
    beliefs = network.filter(x)
    kappa, freedom, inverse = nu, nu + 3.0, nu * spread
    for step, u in enumerate(x):
        degrees = freedom - 2.0
        law = stats.multivariate_t(center, inverse * (kappa + 1.0) / (kappa * degrees), df=degrees)
        assert -beliefs.surprise[step] == pytest.approx(float(law.logpdf(u)), rel=1e-9)
        inverse = inverse + kappa / (kappa + 1.0) * np.outer(u - center, u - center)
        center, kappa, freedom = (kappa * center + u) / (kappa + 1.0), kappa + 1.0, freedom + 1.0
    shares = beliefs.excess.filter(like="a,b,c=")
    np.testing.assert_allclose(shares.to_numpy(), np.tile(shares.iloc[:, [0]], 9))


def test_nu_is_the_ratio_of_error_to_step_without_the_observation_itself() -> None:
    network = ss.HGF(ss.exponential_family_hgf("normal", levels=3, nu=6.0, omega=-2.0))
    beliefs = network.filter(values("normal") / 2.0)
    mean, expected = beliefs.frame("mean"), beliefs.frame("expected_mean")
    ratios = [
        (mean[f"u={label}"] - expected[f"u={label}"]) / (mean[f"x1={label}"] - expected[f"x1={label}"])
        for label in ("u", "u*u")
    ]
    np.testing.assert_allclose(sum(ratios) / 2.0 - 1.0, beliefs.pseudo_count("u")["u"], rtol=1e-9)
    assert beliefs.pseudo_count("u")["u"].std() > 0.1


def test_a_shared_volatility_parent_keeps_the_expected_covariance_one() -> None:
    """All statistics move by one share of their errors, so that expected moments stay those of a mixture."""
    rng = np.random.default_rng(5)
    x = 1.5 * rng.standard_t(3.0, size=(200, 2))
    graph = ss.exponential_family_hgf("normal", ["a", "b"], levels=2, nu=5.0)
    network = ss.HGF(graph, update="unbounded", schedule="packed")
    beliefs = network.filter(x)
    mean, expected = beliefs.frame("mean"), beliefs.frame("expected_mean")
    shares = np.stack(
        [
            (mean[f"x1={label}"] - expected[f"x1={label}"]) / (mean[f"a,b={label}"] - expected[f"a,b={label}"])
            for label in ("a", "b", "a*a", "a*b", "b*b")
        ]
    )
    np.testing.assert_allclose(shares, np.tile(shares[:1], (5, 1)), rtol=1e-6)
    assert shares[0].std() > 0.01
