"""Response models against the formulas as they are printed, and draws against their own densities."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import sostruct as ss
from sostruct.networks.hgf.inference.responses import (
    AbstractResponse,
    BinarySoftmax,
    CustomResponse,
    GaussianResponse,
    UnitSquareSigmoid,
    ValueSoftmax,
)
from sostruct.networks.hgf.trace import Trace
from sostruct.numerics import double_precision

CHANCE = np.array([0.05, 0.3, 0.5, 0.8, 0.97])
SEEN = np.zeros((5, 1))


def believing(chance: np.ndarray) -> Trace:
    """A trace of an input "u" that is expected with these chances."""
    with double_precision():
        own = {"u": jnp.asarray(chance)}
        ones = {"u": jnp.ones(len(chance))}
        return Trace(own, ones, own, ones, jnp.zeros(len(chance)), jnp.asarray(True), jnp.asarray(0.0))


def density(model: AbstractResponse, responses: np.ndarray, values: dict[str, float]) -> np.ndarray:
    with double_precision():
        return np.asarray(model.log_density(jnp.asarray(responses), believing(CHANCE), jnp.asarray(SEEN), values))


def unit_square(m: np.ndarray, z: float) -> np.ndarray:
    """Mathys et al. 2011, equation 18."""
    return m**z / (m**z + (1 - m) ** z)


def softmax(m: np.ndarray, beta: float, rewards: tuple[float, float], bias: float) -> np.ndarray:
    """exp(beta q_1 + bias) / (exp(beta q_1 + bias) + exp(beta q_0))."""
    one, zero = np.exp(beta * rewards[1] * m + bias), np.exp(beta * rewards[0] * (1 - m))
    return one / (one + zero)


CHOICES = {
    "binary softmax": (BinarySoftmax("u"), {}, CHANCE),
    "unit square": (UnitSquareSigmoid("u"), {"inverse_temperature": 3.0}, unit_square(CHANCE, 3.0)),
    "value softmax": (
        ValueSoftmax("u", rewards=(2.0, 0.5)),
        {"inverse_temperature": 1.7, "bias": 0.2},
        softmax(CHANCE, 1.7, (2.0, 0.5), 0.2),
    ),
}


@pytest.mark.parametrize("name", CHOICES)
def test_choices_follow_the_printed_formulas(name: str) -> None:
    model, values, chance = CHOICES[name]
    np.testing.assert_allclose(density(model, np.ones(5), values), np.log(chance), rtol=1e-8)
    np.testing.assert_allclose(density(model, np.zeros(5), values), np.log1p(-chance), rtol=1e-8)


@pytest.mark.parametrize("name", CHOICES)
def test_choices_are_drawn_as_often_as_they_are_probable(name: str) -> None:
    model, values, chance = CHOICES[name]
    with double_precision():
        draw = jax.vmap(lambda key: model.sample(key, believing(CHANCE), jnp.asarray(SEEN), values))
        drawn = np.asarray(draw(jax.random.split(jax.random.key(0), 4000)))
    assert set(np.unique(drawn)) <= {0.0, 1.0}
    off = (drawn.mean(0) - chance) / np.sqrt(chance * (1 - chance) / 4000)
    assert np.abs(off).max() < 3.5


def test_the_unit_square_at_one_is_probability_matching() -> None:
    one = density(UnitSquareSigmoid("u"), np.ones(5), {"inverse_temperature": 1.0})
    np.testing.assert_allclose(one, density(BinarySoftmax("u"), np.ones(5), {}), rtol=1e-12)


def test_one_lapse_does_not_cost_infinitely_much() -> None:
    worst = density(UnitSquareSigmoid("u"), np.ones(5), {"inverse_temperature": 1e6})
    assert np.isfinite(worst).all()
    assert worst.min() == pytest.approx(math.log(1e-12))


def test_a_gaussian_response() -> None:
    model, responses = GaussianResponse("u"), np.linspace(0.0, 1.0, 5)
    values = {"sd": 0.3, "intercept": 0.1, "slope": 2.0}
    expected = scipy.stats.norm(0.1 + 2.0 * CHANCE, 0.3).logpdf(responses)
    np.testing.assert_allclose(density(model, responses, values), expected, rtol=1e-12)
    with double_precision():
        draw = jax.vmap(lambda key: model.sample(key, believing(CHANCE), jnp.asarray(SEEN), values))
        drawn = np.asarray(draw(jax.random.split(jax.random.key(0), 2000)))
    standard = ((drawn - 0.1 - 2.0 * CHANCE) / 0.3).ravel()
    assert scipy.stats.kstest(standard, "norm").pvalue > 0.01


def test_a_response_of_ones_own() -> None:
    def log_density(responses, trace, inputs, values):
        return jax.scipy.stats.norm.logpdf(responses, values["gain"] * trace.mean["u"] + inputs[:, 0], 1.0)

    model = CustomResponse(log_density, {"gain": 2.0})
    found = density(model, np.zeros(5), {"gain": 2.0})
    np.testing.assert_allclose(found, scipy.stats.norm(2.0 * CHANCE, 1.0).logpdf(0.0), rtol=1e-12)
    with pytest.raises(ss.ConfigError, match="no way to draw"):
        model.sample(jax.random.key(0), believing(CHANCE), jnp.asarray(SEEN), {"gain": 2.0})
    drawing = CustomResponse(log_density, {}, lambda key, trace, inputs, values: trace.mean["u"])
    with double_precision():
        np.testing.assert_allclose(drawing.sample(jax.random.key(0), believing(CHANCE), jnp.asarray(SEEN), {}), CHANCE)


def test_what_cannot_be_a_response() -> None:
    assert BinarySoftmax("u").refusal(np.array([0.0, 1.0, 2.0])) == "2.0 is not 0 or 1"
    assert BinarySoftmax("u").refusal(np.array([0.0, 1.0])) is None
    assert GaussianResponse("u").refusal(np.array([0.5, math.inf])) == "inf is not a finite number"
    with pytest.raises(ss.ConfigError, match="a node has no such belief"):
        GaussianResponse("u", "surprise")


def test_models_that_differ_in_numbers_alone_are_compiled_once() -> None:
    assert UnitSquareSigmoid("u", 2.0).identity == UnitSquareSigmoid("u", ss.priors.Gamma()).identity
    assert UnitSquareSigmoid("u").identity != UnitSquareSigmoid("v").identity
    assert UnitSquareSigmoid("u").identity != BinarySoftmax("u").identity
    assert ValueSoftmax("u", rewards=(1.0, 2.0)).identity != ValueSoftmax("u").identity

    def one(responses, trace, inputs, values):
        return responses

    def other(responses, trace, inputs, values):
        return -responses

    assert CustomResponse(one, {"gain": 1.0}).identity == CustomResponse(one, {"gain": 3.0}).identity
    assert CustomResponse(one).identity != CustomResponse(other).identity
