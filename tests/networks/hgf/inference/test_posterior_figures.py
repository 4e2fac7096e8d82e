"""Pictures show the numbers they should: densities against scipy, counts of lines, and what is refused."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import scipy.stats

import sostruct as ss
from sostruct.networks.hgf.inference.chains import Chains, Sampling
from sostruct.networks.hgf.inference.draws import Draws
from sostruct.networks.hgf.inference.marginals import marginal, prior_density, prior_range

PRIORS = {"x2": {"tonic_volatility": ss.priors.Normal(-3.0, 1.5)}}


@pytest.fixture(autouse=True)
def _no_windows() -> Iterator[None]:
    mpl.use("Agg")
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def fitted() -> ss.Fit:
    """Two subjects, a parameter on the real line and a positive one."""
    seen = (np.random.default_rng(0).random((2, 50)) < 0.7).astype(float)
    done = np.roll(seen, 1, 1)
    response = ss.responses.UnitSquareSigmoid("u", ss.priors.LogNormal(math.log(3.0), 0.5))
    return ss.HGF(ss.binary_hgf(levels=2)).fit(
        {"ann": seen[0], "bob": seen[1]}, {"ann": done[0], "bob": done[1]}, PRIORS, response
    )


@pytest.fixture(scope="module")
def drawn(fitted: ss.Fit) -> Draws:
    """What a perfect sampler would draw from the Laplace approximation."""
    generator = np.random.default_rng(1)
    points = np.stack(
        [
            generator.multivariate_normal(mode, covariance, (2, 2000))
            for mode, covariance in zip(fitted.points, fitted.covariance, strict=True)
        ]
    )
    nothing = np.zeros(points.shape[:3])
    chains = Chains(points, nothing, nothing > 1, nothing > 1, nothing, nothing, nothing, nothing, nothing[..., 0])
    return Draws(fitted, None, Sampling(chains=2, draws=2000), chains)  # type: ignore[arg-type]


def test_densities_in_the_parameters_own_units(fitted: ss.Fit, drawn: Draws) -> None:
    mode, sd = fitted.points[1, 1], math.sqrt(fitted.covariance[1, 1, 1])
    expected = scipy.stats.lognorm(s=sd, scale=math.exp(mode))
    exact, estimated = marginal(fitted, 1, 1, 0.9), marginal(drawn, 1, 1, 0.9)
    np.testing.assert_allclose(exact.density, expected.pdf(exact.at), rtol=1e-9)
    assert (exact.lower, exact.upper) == pytest.approx(tuple(expected.ppf([0.05, 0.95])))
    assert exact.center == pytest.approx(math.exp(mode))
    for curve in (exact, estimated):
        assert np.trapezoid(curve.density, curve.at) == pytest.approx(1.0, abs=0.01)
        assert (np.diff(curve.at) > 0).all()
    off = np.interp(exact.at, estimated.at, estimated.density) - exact.density
    assert np.abs(off).max() < 0.1 * exact.density.max()
    assert (estimated.lower, estimated.upper) == pytest.approx((exact.lower, exact.upper), rel=0.05)


def test_priors_in_their_own_units() -> None:
    at = np.array([-1.0, 0.0, 0.5, 3.0])
    np.testing.assert_allclose(
        prior_density(ss.priors.LogNormal(0.2, 0.5), at), scipy.stats.lognorm(s=0.5, scale=math.exp(0.2)).pdf(at)
    )
    np.testing.assert_allclose(prior_density(ss.priors.Uniform(-0.5, 1.0), at), [0.0, 1 / 1.5, 1 / 1.5, 0.0])
    low, high = prior_range(ss.priors.Normal(1.0, 2.0))
    assert (low, high) == pytest.approx((1.0 - 2.33 * 2.0, 1.0 + 2.33 * 2.0), abs=0.4)


@pytest.mark.parametrize("kind", ["fit", "draws"])
def test_one_panel_a_parameter(fitted: ss.Fit, drawn: Draws, kind: str) -> None:
    posterior = fitted if kind == "fit" else drawn
    one = posterior.plot(subject="bob", level=0.8)
    assert [ax.get_title(loc="left") for ax in one] == ["x2 tonic_volatility", "response inverse_temperature"]
    assert [text.get_text() for text in one[0].get_legend().get_texts()] == ["posterior", "prior"]
    note = one[1].texts[0].get_text()
    assert note.startswith("mode " if kind == "fit" else "median ")
    lower, upper = posterior.intervals(0.8).loc[("bob", "response", "inverse_temperature")]
    assert note.endswith(f"80 % {lower:.3g} to {upper:.3g}")
    both = posterior.plot()
    assert "2 subjects" in both[0].texts[0].get_text()
    assert len(both[0].lines) == 2 + 1 + 2, "two posteriors, a prior, two ticks"
    _, own = plt.subplots(1, 2)
    assert posterior.plot(axes=own)[1] is own[1]
    prior = next(line for line in own[1].lines if line.get_label() == "prior")
    at = np.asarray(prior.get_xdata(), float)
    np.testing.assert_allclose(prior.get_ydata(), scipy.stats.lognorm(s=0.5, scale=3.0).pdf(at), rtol=1e-6)


def test_a_mode_that_is_no_peak_has_no_curve(fitted: ss.Fit) -> None:
    flat = dataclasses.replace(fitted, curvature=fitted.curvature * np.array([1.0, -1.0])[:, None, None])
    axes = flat.plot()
    assert "1 without a peak" in axes[0].texts[0].get_text()
    assert "which is no peak" in flat.plot(subject="bob")[0].texts[0].get_text()
    with pytest.raises(ss.ConfigError, match=r"'bob'.*no peak"):
        flat.plot_pairs(subject="bob")


def test_pairs(fitted: ss.Fit, drawn: Draws) -> None:
    covariance = fitted.covariance[1]
    expected = covariance[0, 1] / math.sqrt(covariance[0, 0] * covariance[1, 1])
    axes = fitted.plot_pairs(subject="bob")
    assert axes.shape == (2, 2)
    assert axes[0, 1].texts[0].get_text().replace("\N{MINUS SIGN}", "-") == f"{expected:.2f}"
    wide = axes[1, 0].lines[0]
    off = np.stack([wide.get_xdata(), np.log(wide.get_ydata())], -1) - fitted.points[1]
    distances = np.einsum("ki,ij,kj->k", off, fitted.curvature[1], off)
    np.testing.assert_allclose(distances, scipy.stats.chi2(2).ppf(0.9), rtol=1e-6)
    axes = drawn.plot_pairs(subject="bob")
    assert float(axes[0, 1].texts[0].get_text().replace("\N{MINUS SIGN}", "-")) == pytest.approx(expected, abs=0.06)
    assert len(axes[1, 0].lines[0].get_xdata()) == 1500
    assert axes[0, 0].get_title(loc="left") == "subject bob"
    assert drawn.plot_pairs()[0, 0].get_title(loc="left") == "subject ann"


def test_what_is_refused(fitted: ss.Fit) -> None:
    with pytest.raises(ss.ConfigError, match="no such subject"):
        fitted.plot(subject="eve")
    with pytest.raises(ss.ConfigError, match="between 0 and 1"):
        fitted.plot(level=90)
    with pytest.raises(ss.ConfigError, match=r"3 axes.*2 parameters"):
        fitted.plot(axes=plt.subplots(1, 3)[1])
    lone = dataclasses.replace(fitted, free=fitted.free[:1])
    with pytest.raises(ss.ConfigError, match="there is one"):
        lone.plot_pairs()
