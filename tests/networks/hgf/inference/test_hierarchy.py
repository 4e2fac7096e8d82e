"""Groups: against the closed form of the normal-normal model, and by recovery."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

import sostruct as ss

NOISE = 0.5
STEPS = 12
MEMBERS = 30


@pytest.fixture(scope="module")
def ratings() -> np.ndarray:
    """Members with means of their own, rating through known noise: the beliefs have nothing to do with it."""
    generator = np.random.default_rng(3)
    means = generator.normal(1.5, 0.6, MEMBERS)
    return means[:, None] + NOISE * generator.normal(size=(MEMBERS, STEPS))


@pytest.fixture(scope="module")
def fitted(ratings: np.ndarray) -> ss.Fit:
    response = ss.responses.GaussianResponse("u", sd=NOISE, slope=0.0, intercept=ss.priors.Normal(0.0, 3.0))
    return ss.HGF(ss.binary_hgf(levels=2)).fit(
        np.zeros((MEMBERS, STEPS, 1)), ratings, response=response, method="hierarchical", starts=2
    )


def test_the_group_is_that_of_the_closed_form(fitted: ss.Fit, ratings: np.ndarray) -> None:
    """Of y_ij ~ N(mu_i, s^2), mu_i ~ N(m, S), all of one length: m is the mean of the members' means, and S what their
    own noise leaves of their variance around it."""
    own, error = ratings.mean(1), NOISE**2 / STEPS
    middle, whole = own.mean(), own.var()
    for _ in range(50):  # the prior N(0, 3^2) of m draws it a little
        middle = (MEMBERS * own.mean() / whole) / (MEMBERS / whole + 1 / 9)
        whole = ((own - middle) ** 2).mean()
    between = whole - error
    group = fitted.group
    assert group is not None
    row = group.parameters.loc[("response", "intercept")]
    assert row["mean"] == pytest.approx(middle, abs=1e-4)
    assert row["sd"] == pytest.approx(math.sqrt(between), rel=1e-3)
    assert row["mean_se"] == pytest.approx(math.sqrt((between + error) / MEMBERS), rel=1e-3)
    share = error / (between + error)
    np.testing.assert_allclose(group.shrinkage, share, rtol=1e-2)
    np.testing.assert_allclose(
        fitted.parameters["response", "intercept"], share * middle + (1 - share) * own, atol=1e-3
    )
    covariance = NOISE**2 * np.eye(STEPS) + between
    evidence = sum(scipy.stats.multivariate_normal(np.full(STEPS, middle), covariance).logpdf(ratings))
    assert group.log_evidence == pytest.approx(evidence, abs=1e-4)
    assert fitted.log_evidence.sum() == pytest.approx(evidence, abs=1e-4)
    assert group.ibic == pytest.approx(2 * math.log(MEMBERS * STEPS) - 2 * evidence, abs=1e-3)
    assert "Group of 30" in fitted.summary()
    assert group.correlation.to_numpy() == pytest.approx(np.ones((1, 1)))


def test_members_without_differences_share_one_value() -> None:
    generator = np.random.default_rng(0)
    alike = 1.0 + NOISE * generator.normal(size=(8, 20))
    alike -= alike.mean(1, keepdims=True) - 1.0
    response = ss.responses.GaussianResponse("u", sd=NOISE, slope=0.0, intercept=ss.priors.Normal(0.0, 3.0))
    net = ss.HGF(ss.binary_hgf(levels=2))
    found = net.fit(np.zeros((8, 20, 1)), alike, response=response, method="hierarchical", starts=1)
    np.testing.assert_allclose(found.parameters, 1.0, atol=1e-3)
    assert found.group is not None
    assert found.group.parameters["sd"].iloc[0] < 0.1


def test_correlated_members() -> None:
    """Slope and intercept of ratings that follow a belief: their correlation across members is found."""
    generator = np.random.default_rng(5)
    outcomes = (generator.random((40, 60, 1)) < 0.5).astype(float)
    net = ss.HGF(ss.binary_hgf(levels=2, omega=-1.0))
    belief = np.asarray(net.trace(outcomes).expected_mean["u"])
    own = generator.multivariate_normal([0.2, 1.0], [[0.25, 0.2], [0.2, 0.25]], size=40)
    rated = own[:, :1] + own[:, 1:] * belief + 0.05 * generator.normal(size=belief.shape)
    response = ss.responses.GaussianResponse(
        "u", sd=0.05, intercept=ss.priors.Normal(0.0, 1.0), slope=ss.priors.Normal(0.0, 1.0)
    )
    given = {"response": response, "method": "hierarchical", "starts": 1}
    full = net.fit(outcomes, rated, correlated=True, **given)
    plain = net.fit(outcomes, rated, **given)
    assert full.group is not None
    assert plain.group is not None
    expected = np.corrcoef(own.T)[0, 1]
    assert full.group.correlation.iloc[0, 1] == pytest.approx(expected, abs=0.1)
    assert full.group.log_evidence > plain.group.log_evidence + 5.0
    np.testing.assert_allclose(plain.group.correlation, np.eye(2), atol=1e-12)


def test_what_is_no_group() -> None:
    net = ss.HGF(ss.binary_hgf(levels=2))
    priors = {"x2": {"tonic_volatility": ss.priors.Normal(-3.0, 1.0)}}
    with pytest.raises(ss.ConfigError, match="group of one"):
        net.fit(np.zeros(5), priors=priors, method="hierarchical")
    with pytest.raises(ss.ConfigError, match="Cannot fit correlations by method='map'"):
        net.fit(np.zeros((2, 5, 1)), priors=priors, correlated=True)
