"""The log joint: its derivatives, where it breaks down, and what makes it compile again."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import sostruct as ss
from sostruct.networks.hgf.inference import search
from sostruct.networks.hgf.inference.estimate import objective
from sostruct.networks.hgf.inference.objective import GaussianPoint, Model, Subject
from sostruct.networks.hgf.inference.parameters import free_parameters
from sostruct.networks.hgf.inference.reading import read_panel
from sostruct.numerics import double_precision

OUTCOMES = (np.random.default_rng(0).random(30) < 0.7).astype(float)
CHOICES = (np.random.default_rng(1).random(30) < 0.6).astype(float)
PRIORS = {
    "x2": {"tonic_volatility": ss.priors.Normal(-3.0, 1.0), "precision": ss.priors.Gamma(2.0, 2.0)},
    ("x3", "x2"): {"strength": ss.priors.LogitNormal(0.0, 1.0, upper=2.0)},
}
SIGMOID = ss.responses.UnitSquareSigmoid("u")


def made(net: ss.HGF, response: ss.responses.AbstractResponse | None) -> tuple[Model, Subject]:
    panel = read_panel(net._runner, OUTCOMES, None, CHOICES if response else None, response)
    free = free_parameters(net.topology, PRIORS, response, irregular=False)
    return objective(net, response, free, panel), jax.tree.map(lambda numbers: numbers[0], panel.arrays())


@pytest.mark.parametrize("schedule", ["unrolled", "packed"])
@pytest.mark.parametrize("response", [None, SIGMOID])
def test_values_and_derivatives(schedule: str, response: ss.responses.AbstractResponse | None) -> None:
    net = ss.HGF(ss.binary_hgf(levels=3, kappa=1.0), schedule=schedule)
    model, subject = made(net, response)
    z = np.array([-2.5, 0.3, -0.4, 1.2][: model.size])
    with double_precision():
        both = jax.jit(jax.value_and_grad(lambda point: model.log_joint(point, subject)))
        value, slope = both(jnp.asarray(z))
        for axis in range(model.size):
            step = 1e-5 * np.eye(model.size)[axis]
            rise = (both(jnp.asarray(z + step))[0] - both(jnp.asarray(z - step))[0]) / 2e-5
            assert float(slope[axis]) == pytest.approx(float(rise), rel=1e-5, abs=1e-7)
        prior = float(model.log_prior(jnp.asarray(z)))
        likelihood = float(model.log_likelihood(jnp.asarray(z), subject))
        numbers = np.asarray(model.values(jnp.asarray(z)))
    assert float(value) == pytest.approx(prior + likelihood)
    scale = 2.0 / (1.0 + math.exp(0.4))
    assert numbers[:3] == pytest.approx([-2.5, math.exp(0.3), scale])
    expected = scipy.stats.norm(-3.0, 1.0).logpdf(-2.5)
    expected += scipy.stats.gamma(2.0, scale=0.5).logpdf(math.exp(0.3)) + 0.3 + scipy.stats.norm().logpdf(-0.4)
    if response is None:
        own = net.with_parameters(
            {
                "x2": {"tonic_volatility": -2.5, "precision": math.exp(0.3)},
                ("x3", "x2"): {"strength": scale},
            }
        )
        assert likelihood == pytest.approx(own.filter(OUTCOMES).log_evidence, rel=1e-12)
    else:
        expected += scipy.stats.norm(math.log(5.0), 1.0).logpdf(1.2)
    assert prior == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("response", [None, SIGMOID])
def test_where_beliefs_break_down(response: ss.responses.AbstractResponse | None) -> None:
    net = ss.HGF(ss.binary_hgf(levels=3, omega=(4.0, 4.0)), update="standard")
    model, subject = made(net, response)
    with double_precision():
        value, slope = jax.jit(jax.value_and_grad(lambda point: model.log_joint(point, subject)))(
            jnp.asarray([4.0, 0.0, 3.0, 0.0][: model.size])
        )
    assert float(value) == -math.inf
    np.testing.assert_array_equal(slope, np.zeros(model.size))


def test_a_group_prior() -> None:
    mean, covariance = np.array([0.3, -1.0]), np.array([[1.0, 0.4], [0.4, 0.7]])
    with double_precision():
        prior = GaussianPoint(mean, np.linalg.inv(covariance), np.asarray(np.linalg.slogdet(covariance)[1]))
        found = float(prior.log_density(jnp.asarray([0.1, 0.2])))
    assert found == pytest.approx(scipy.stats.multivariate_normal(mean, covariance).logpdf([0.1, 0.2]))


def test_numbers_names_and_objects_compile_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    traced = []
    plain = Model.log_joint

    def counted(self: Model, *given: object) -> jax.Array:
        traced.append(1)
        return plain(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(Model, "log_joint", counted)
    first = ss.HGF(ss.binary_hgf(levels=2, omega=-2.0))
    net = first.with_parameters({"x2": {"tonic_drift": 0.01}})
    outcomes, choices = OUTCOMES[:17], CHOICES[:17]

    def go(net: ss.HGF, mean: float, temperature: float, seen: np.ndarray) -> ss.Fit:
        priors = {"x2": {"tonic_volatility": ss.priors.Normal(mean, 1.0)}}
        model = ss.responses.UnitSquareSigmoid("u", ss.priors.LogNormal(temperature, 0.5))
        return net.fit(seen, choices, priors, model, starts=2)

    go(first, -3.0, 1.0, outcomes)
    before = len(traced)
    assert before >= 1
    go(net, -2.0, 0.5, 1.0 - outcomes)
    go(ss.HGF(ss.binary_hgf(levels=2, omega=-1.0)), -4.0, 1.5, outcomes)
    assert len(traced) == before


def test_every_lane_is_measured() -> None:
    net = ss.HGF(ss.binary_hgf(levels=2))
    panel = read_panel(net._runner, np.stack([OUTCOMES, 1.0 - OUTCOMES])[..., None], None, None, None)
    free = free_parameters(
        net.topology, {"x2": {"tonic_volatility": ss.priors.Normal(-3.0, 1.0)}}, None, irregular=False
    )
    model = objective(net, None, free, panel)
    rows, points = np.array([0, 1] * 6), np.linspace(-4.0, 0.0, 12)[:, None]
    narrow = search.Meter(model, panel.arrays(), 3)
    assert narrow.width == 8
    found = narrow(rows, points)
    assert found.value.shape == (12,)
    for lane in (0, 7, 11):
        alone = narrow(rows[lane : lane + 1], points[lane : lane + 1])
        assert alone.value[0] == pytest.approx(found.value[lane], rel=1e-12)
