"""Priors against scipy's distributions, and the densities of unbounded coordinates against quadrature."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.stats

import sostruct as ss
from sostruct.networks.hgf.inference import coordinates
from sostruct.networks.hgf.inference.priors import (
    AbstractPrior,
    Beta,
    Gamma,
    LogitNormal,
    LogNormal,
    Normal,
    Uniform,
    outward,
)
from sostruct.numerics import double_precision

CASES = {
    "normal": (Normal(-3.0, 2.0), scipy.stats.norm(-3.0, 2.0)),
    "log-normal": (LogNormal(0.5, 0.7), scipy.stats.lognorm(0.7, scale=math.exp(0.5))),
    "gamma": (Gamma(3.0, 2.0), scipy.stats.gamma(3.0, scale=0.5)),
    "beta": (Beta(2.0, 5.0), scipy.stats.beta(2.0, 5.0)),
    "uniform": (Uniform(-1.0, 3.0), scipy.stats.uniform(-1.0, 4.0)),
}
ALL = {name: prior for name, (prior, _) in CASES.items()} | {
    "logit-normal": LogitNormal(0.4, 1.2),
    "logit-normal between bounds": LogitNormal(-0.5, 0.8, lower=-1.0, upper=2.0),
}


def inside(prior: AbstractPrior, point: float) -> float:
    with double_precision():
        return float(prior.log_density_inside(jnp.asarray(point)))


@pytest.mark.parametrize("name", CASES)
def test_densities_are_scipys(name: str) -> None:
    prior, peer = CASES[name]
    values = peer.ppf(np.linspace(0.02, 0.98, 25))
    with double_precision():
        ours = np.asarray(prior.log_density(jnp.asarray(values)))
    np.testing.assert_allclose(ours, peer.logpdf(values), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("low", [0.0, -1.0])
def test_a_logit_normal_is_a_transformed_normal(low: float) -> None:
    prior = LogitNormal(0.3, 0.9, lower=low, upper=2.0)
    width = 2.0 - low

    def cumulative(value: float) -> float:
        return float(scipy.stats.norm(0.3, 0.9).cdf(math.log(value - low) - math.log(2.0 - value)))

    for value in (low + 0.2 * width, low + 0.5 * width, low + 0.9 * width):
        slope = (cumulative(value + 1e-6) - cumulative(value - 1e-6)) / 2e-6
        with double_precision():
            assert math.exp(float(prior.log_density(jnp.asarray(value)))) == pytest.approx(slope, rel=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_the_density_of_z_integrates_to_one(name: str) -> None:
    prior = ALL[name]
    grid = np.linspace(-30.0, 30.0, 30001)
    with double_precision():
        density = np.exp(np.asarray(jax.vmap(prior.log_density_inside)(jnp.asarray(grid))))
    assert scipy.integrate.simpson(density, x=grid) == pytest.approx(1.0, abs=1e-7)


@pytest.mark.parametrize("name", ALL)
def test_coordinates_go_there_and_back(name: str) -> None:
    prior = ALL[name]
    points = np.linspace(-5.0, 5.0, 11)
    with double_precision():
        values = prior.outward(jnp.asarray(points))
        lower, upper = prior.support
        assert ((values > lower) & (values < upper)).all()
        np.testing.assert_allclose(prior.inward(values), points, rtol=1e-10, atol=1e-12)
        slopes = jax.vmap(jax.grad(prior.outward))(jnp.asarray(points))
    np.testing.assert_allclose(coordinates.outward([prior.support], points[:, None])[:, 0], values, rtol=1e-12)
    np.testing.assert_allclose(
        coordinates.inward([prior.support], np.asarray(values)[:, None])[:, 0], points, rtol=1e-9
    )
    np.testing.assert_allclose(
        coordinates.slopes([prior.support], np.asarray(values)[:, None])[:, 0], np.abs(slopes), rtol=1e-9
    )


def test_an_upper_bound_alone() -> None:
    support = (-math.inf, 2.0)
    with double_precision():
        values = np.asarray(outward(support, jnp.linspace(-3.0, 3.0, 5)))
    np.testing.assert_allclose(values, coordinates.outward([support], np.linspace(-3.0, 3.0, 5)[:, None])[:, 0])
    np.testing.assert_allclose(coordinates.slopes([support], values[:, None])[:, 0], 2.0 - values)
    np.testing.assert_allclose(coordinates.inward([support], values[:, None])[:, 0], np.linspace(-3.0, 3.0, 5))


@pytest.mark.parametrize("name", ALL)
def test_the_center_is_where_the_density_of_z_is_largest(name: str) -> None:
    prior = ALL[name]
    with double_precision():
        middle = float(prior.inward(jnp.asarray(prior.center)))
        slope = float(jax.grad(prior.log_density_inside)(jnp.asarray(middle)))
    assert slope == pytest.approx(0.0, abs=1e-9)
    assert inside(prior, middle) > max(inside(prior, middle - 0.3), inside(prior, middle + 0.3))


@pytest.mark.parametrize("name", CASES)
def test_samples_come_from_the_density(name: str) -> None:
    prior, peer = CASES[name]
    with double_precision():
        drawn = np.asarray(prior.sample(jax.random.key(1), (2000,)))
    assert scipy.stats.kstest(drawn, peer.cdf).pvalue > 0.01


def test_samples_of_a_logit_normal() -> None:
    prior = LogitNormal(0.4, 1.2, lower=-1.0, upper=2.0)
    with double_precision():
        drawn = np.asarray(prior.inward(prior.sample(jax.random.key(1), (2000,))))
    assert scipy.stats.kstest(drawn, scipy.stats.norm(0.4, 1.2).cdf).pvalue > 0.01


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Normal(0.0, 0.0), "its sd is 0.0, which is not greater than 0"),
        (lambda: Normal(math.nan), "mean is nan, which is not a finite number"),
        (lambda: LogNormal(sd=-1.0), "sd is -1.0"),
        (lambda: Gamma(0.0), "shape is 0.0"),
        (lambda: Beta(1.0, math.inf), "b is inf"),
        (lambda: Uniform(2.0, 1.0), "not above its lower, 2.0"),
        (lambda: LogitNormal(lower=1.0, upper=1.0), "not above its lower, 1.0"),
        (lambda: Normal("0"), "is not a finite number"),
        (lambda: Normal(True), "is not a finite number"),
    ],
)
def test_a_prior_that_is_none_is_refused(make: object, words: str) -> None:
    with pytest.raises(ss.ConfigError, match=words):
        make()


def test_priors_are_a_module_of_the_package() -> None:
    assert ss.priors.Normal is Normal
