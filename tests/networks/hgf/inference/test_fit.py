"""Fits against an optimizer that knows nothing but `filter` and scipy's priors, and against fits of less data."""

from __future__ import annotations

import math

import jax
import numpy as np
import pandas as pd
import pytest
import scipy.optimize
import scipy.stats

import sostruct as ss

PRIORS = {"x2": {"tonic_volatility": ss.priors.Normal(-3.0, 1.5)}}
SIGMOID = ss.responses.UnitSquareSigmoid("u", ss.priors.LogNormal(math.log(3.0), 0.5))


def network() -> ss.HGF:
    return ss.HGF(ss.binary_hgf(levels=2, omega=-2.0))


@pytest.fixture(scope="module")
def outcomes() -> np.ndarray:
    """Three subjects, 50 outcomes each."""
    chances = np.where(np.arange(50) // 25 % 2, 0.8, 0.25)
    return (np.random.default_rng(0).random((3, 50)) < chances).astype(float)


@pytest.fixture(scope="module")
def choices(outcomes: np.ndarray) -> np.ndarray:
    """What three subjects did who follow the last outcomes more or less."""
    generator = np.random.default_rng(1)
    lagged = np.concatenate([np.full((3, 1), 0.5), outcomes[:, :-1]], 1)
    found = (generator.random((3, 50)) < 0.2 + 0.6 * lagged).astype(float)
    found[0, [4, 9]] = np.nan
    return found


@pytest.fixture(scope="module")
def fitted(outcomes: np.ndarray, choices: np.ndarray) -> ss.Fit:
    return network().fit(outcomes[..., None], choices, PRIORS, SIGMOID, starts=4)


def log_posterior(z: np.ndarray, seen: np.ndarray, done: np.ndarray) -> float:
    """log p(choices, z), written from the formulas with the filter's own beliefs."""
    volatility, log_inverse_temperature = z
    temperature = math.exp(log_inverse_temperature)
    beliefs = network().with_parameters({"x2": {"tonic_volatility": float(volatility)}}).filter(seen)
    m = beliefs.frame("expected_mean")["u"].to_numpy()
    chance = m**temperature / (m**temperature + (1 - m) ** temperature)
    there = ~np.isnan(done)
    likelihood = np.log(np.where(done == 1.0, chance, 1 - chance))[there].sum()
    prior = scipy.stats.norm(-3.0, 1.5).logpdf(volatility)
    return float(likelihood + prior + scipy.stats.norm(math.log(3.0), 0.5).logpdf(log_inverse_temperature))


@pytest.mark.parametrize("number", [0, 2])
def test_the_mode_is_what_another_optimizer_finds(
    fitted: ss.Fit, outcomes: np.ndarray, choices: np.ndarray, number: int
) -> None:
    peer = scipy.optimize.minimize(
        lambda z: -log_posterior(z, outcomes[number], choices[number]), np.array([-3.0, 1.0]), method="Nelder-Mead"
    )
    assert fitted.log_posterior[number] == pytest.approx(-peer.fun, abs=1e-5)
    np.testing.assert_allclose(fitted.points[number], peer.x, atol=2e-3)
    assert fitted.converged[number]
    volatility, temperature = fitted.parameters.loc[number]
    assert (volatility, math.log(temperature)) == pytest.approx(tuple(fitted.points[number]))


def test_curvature_and_evidence(fitted: ss.Fit, outcomes: np.ndarray, choices: np.ndarray) -> None:
    mode, h = fitted.points[1], 1e-3

    def value(one: float, other: float) -> float:
        return log_posterior(mode + np.array([one, other]), outcomes[1], choices[1])

    curvature = np.empty((2, 2))
    curvature[0, 0] = -(value(h, 0) + value(-h, 0) - 2 * value(0, 0)) / h**2
    curvature[1, 1] = -(value(0, h) + value(0, -h) - 2 * value(0, 0)) / h**2
    curvature[0, 1] = curvature[1, 0] = -(value(h, h) + value(-h, -h) - value(h, -h) - value(-h, h)) / (4 * h**2)
    np.testing.assert_allclose(fitted.curvature[1], curvature, rtol=1e-3, atol=1e-3)
    sd = np.sqrt(np.diag(np.linalg.inv(curvature)))
    np.testing.assert_allclose(fitted.sd.loc[1], sd * [1.0, math.exp(mode[1])], rtol=1e-3)
    expected = value(0, 0) + math.log(2 * math.pi) - 0.5 * np.linalg.slogdet(curvature)[1]
    assert fitted.log_evidence[1] == pytest.approx(expected, abs=1e-3)
    interval = fitted.intervals(0.9).loc[(1, "response", "inverse_temperature")]
    reach = scipy.stats.norm.ppf(0.95) * sd[1]
    assert tuple(interval) == pytest.approx((math.exp(mode[1] - reach), math.exp(mode[1] + reach)), rel=1e-3)


def test_without_responses_the_evidence_is_fitted(outcomes: np.ndarray) -> None:
    found = network().fit(outcomes[0], priors=PRIORS, starts=3)

    def loss(volatility: float) -> float:
        own = network().with_parameters({"x2": {"tonic_volatility": float(volatility)}})
        return -own.filter(outcomes[0]).log_evidence - scipy.stats.norm(-3.0, 1.5).logpdf(volatility)

    peer = scipy.optimize.minimize_scalar(loss, bounds=(-8.0, 0.0), method="bounded", options={"xatol": 1e-6})
    assert found.log_posterior == pytest.approx(-peer.fun, abs=1e-7)
    assert found.parameters["x2", "tonic_volatility"] == pytest.approx(peer.x, abs=1e-3)
    assert found.log_likelihood == pytest.approx(found.beliefs().log_evidence)
    assert found.converged is True
    assert found.agreement == 3
    assert found.aic == pytest.approx(2 - 2 * found.log_likelihood)
    assert found.bic == pytest.approx(math.log(50) - 2 * found.log_likelihood)
    assert found.network().topology.node("x2").parameters != network().topology.node("x2").parameters


def test_subjects_do_not_disturb_each_other(fitted: ss.Fit, outcomes: np.ndarray, choices: np.ndarray) -> None:
    alone = network().fit(outcomes[1], choices[1], PRIORS, SIGMOID, starts=4)
    np.testing.assert_allclose(alone.parameters, fitted.parameters.loc[1], rtol=1e-6)
    assert alone.log_evidence == pytest.approx(fitted.log_evidence[1], abs=1e-8)


@pytest.mark.parametrize("levels", [2, 3])
def test_unequal_lengths(outcomes: np.ndarray, choices: np.ndarray, levels: int) -> None:
    net = ss.HGF(ss.binary_hgf(levels=levels, kappa=1.0) if levels == 3 else ss.binary_hgf(levels=2))
    lengths = {"long": 50, "short": 30}
    inputs = {name: outcomes[number, :length] for number, (name, length) in enumerate(lengths.items())}
    done = {name: choices[number, :length] for number, (name, length) in enumerate(lengths.items())}
    for responses, model in ((done, SIGMOID), (None, None)):
        both = net.fit(inputs, responses, PRIORS, model, starts=2)
        for name in lengths:
            own = None if responses is None else responses[name]
            alone = net.fit(inputs[name], own, PRIORS, model, starts=2)
            np.testing.assert_allclose(both.parameters.loc[name], alone.parameters, rtol=1e-6)
            assert both.log_evidence[name] == pytest.approx(alone.log_evidence, abs=1e-7)
            assert len(both.beliefs(name).frame("mean")) == lengths[name]


def test_the_same_starts_every_time_unless_a_key_is_given(outcomes: np.ndarray) -> None:
    ends = [network().fit(outcomes[0], priors=PRIORS, starts=3).ends for _ in range(2)]
    np.testing.assert_array_equal(*ends)
    assert network().fit(outcomes[0], priors=PRIORS, starts=3, key=jax.random.key(7)).points.shape == (1, 1)


def test_a_fit_in_words(fitted: ss.Fit) -> None:
    assert repr(fitted).startswith("Fit (map) of 3 subjects: x2 tonic_volatility, response inverse_temperature; ")
    assert "Converged." in fitted.summary()
    assert list(fitted.frame().columns) == ["value", "sd", "lower", "upper"]
    assert fitted.frame().index.names == ["subject", "place", "parameter"]
    assert isinstance(fitted.parameters, pd.DataFrame)
    with pytest.raises(ss.ConfigError, match="none was named"):
        fitted.network()
    with pytest.raises(ss.ConfigError, match="no such subject"):
        fitted.beliefs(5)
    with pytest.raises(ss.ConfigError, match="between 0 and 1"):
        fitted.intervals(95)


def unsound(density: object) -> ss.responses.CustomResponse:
    return ss.responses.CustomResponse(density, {"a": ss.priors.Normal(0.0, 1.0)})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("density", "words"),
    [
        (lambda responses, trace, inputs, values: -abs(values["a"] - 1.0) + 0.0 * responses, "one more step promised"),
        (lambda responses, trace, inputs, values: values["a"] ** 2 + 0.0 * responses, "it is no peak"),
    ],
)
def test_what_did_not_converge_is_told(outcomes: np.ndarray, density: object, words: str) -> None:
    """A kink where the slope is never 0, and a density that rises without end."""
    with pytest.warns(ss.FitWarning, match=words):
        found = network().fit(outcomes[0], outcomes[0], response=unsound(density), starts=2)
    assert not found.converged
    assert words in found.reason
    assert "Not converged" in found.summary()
    if words == "it is no peak":
        assert math.isnan(found.log_evidence)
        assert np.isnan(found.sd).all()


def test_irregular_steps(outcomes: np.ndarray) -> None:
    """Time enters a fit as it enters the filter, for subjects of unequal length too."""
    steps = np.random.default_rng(2).uniform(0.2, 2.0, 50)
    inputs = {"ann": outcomes[0], "bob": outcomes[1, :30]}
    elapsed = {"ann": steps, "bob": steps[:30]}
    both = network().fit(inputs, priors=PRIORS, starts=2, time_steps=elapsed)
    for name, data in inputs.items():
        alone = network().fit(data, priors=PRIORS, starts=2, time_steps=elapsed[name])
        np.testing.assert_allclose(both.parameters.loc[name], alone.parameters, rtol=1e-6)
        assert alone.log_likelihood == pytest.approx(alone.network().filter(data, elapsed[name]).log_evidence)
        assert both.beliefs(name).log_evidence == pytest.approx(both.log_likelihood[name], abs=1e-7)


def test_a_negative_autoconnection_has_padded_steps_as_long_as_any(outcomes: np.ndarray) -> None:
    prior = {"x2": {"autoconnection": ss.priors.Normal(-0.3, 0.2)}}
    inputs = {"ann": outcomes[0], "bob": outcomes[1, :30]}
    both = network().fit(inputs, priors=prior, starts=2)
    alone = network().fit(outcomes[1, :30], priors=prior, starts=2)
    np.testing.assert_allclose(both.parameters.loc["bob"], alone.parameters, rtol=1e-6)


def test_frames_keep_their_labels(outcomes: np.ndarray) -> None:
    index = pd.date_range("2026-01-01", periods=50, freq="h")
    frame = pd.DataFrame({"u": outcomes[0]}, index=index)
    found = network().fit(frame, pd.Series(outcomes[1], index=index), PRIORS, "unit_square_sigmoid", starts=2)
    assert found.beliefs().frame("mean").index.equals(index)
    assert list(found.parameters.index) == [("x2", "tonic_volatility"), ("response", "inverse_temperature")]


def test_a_categorical_variable() -> None:
    """Its labels are read as by the filter; a step is one observation, however many labels there are."""
    net = ss.HGF(ss.categorical_hgf(["left", "right", "up"], variable="choice"))
    drawn = np.random.default_rng(0).choice(["left", "right", "up"], size=40, p=[0.6, 0.3, 0.1])
    frame = pd.DataFrame({"choice": drawn})
    moving = next(name for name in net.nodes if "tonic_volatility" in dict(net.topology.node(name).parameters))
    prior = {moving: {"tonic_volatility": ss.priors.Normal(-3.0, 1.0)}}
    found = net.fit({"ann": frame, "bob": frame[:25]}, priors=prior, starts=1)
    assert found.panel.scored.tolist() == [40.0, 25.0]
    assert found.beliefs("bob").log_evidence == pytest.approx(found.log_likelihood["bob"], abs=1e-7)
    assert found.beliefs("bob").probabilities("choice").shape == (25, 3)
