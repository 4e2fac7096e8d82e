"""The Wright omega function against its own equation in extended precision, and its derivatives."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import wrightomega

from sostruct.networks.hgf.omega import wright_omega
from sostruct.numerics import double_precision

Z = np.unique(
    np.concatenate([np.linspace(-700.0, -30.0, 20001), np.linspace(-30.0, 30.0, 40001), np.geomspace(30.0, 1e6, 20001)])
)


def at(z: np.ndarray) -> np.ndarray:
    with double_precision():
        return np.asarray(wright_omega(jnp.asarray(z)))


@pytest.mark.skipif(np.finfo(np.longdouble).eps > 1e-18, reason="long double is no longer than double here")
def test_it_solves_its_equation() -> None:
    """w + log w = z: a residual r in it is a relative error r / (1 + w) in w."""
    omega = at(Z).astype(np.longdouble)
    error = (Z - omega - np.log(omega)) / (1.0 + omega)
    assert np.abs(error).max() < 1e-13


def test_it_is_lambert_w_of_the_exponential() -> None:
    np.testing.assert_allclose(at(Z), wrightomega(Z), rtol=1e-13)
    assert at(np.array(1.0)) == 1.0  # W(e) = 1
    assert at(np.array(0.0)) == pytest.approx(0.5671432904097838, rel=1e-15)  # the omega constant


def test_it_increases() -> None:
    assert (np.diff(at(Z)) > 0.0).all()


def test_it_underflows_to_zero() -> None:
    assert at(np.array([-1e4, -np.inf])).tolist() == [0.0, 0.0]
    with double_precision():
        assert jax.grad(wright_omega)(jnp.asarray(-np.inf)) == 0.0


def test_its_derivatives() -> None:
    """omega' = omega / (1 + omega) and omega'' = omega / (1 + omega)^3."""
    z = np.linspace(-40.0, 60.0, 2001)
    omega = wrightomega(z)
    with double_precision():
        slope = jax.vmap(jax.grad(wright_omega))(jnp.asarray(z))
        curvature = jax.vmap(jax.grad(jax.grad(wright_omega)))(jnp.asarray(z))
        _, tangent = jax.jvp(wright_omega, (jnp.asarray(z),), (jnp.ones_like(z),))
    np.testing.assert_allclose(slope, omega / (1.0 + omega), rtol=1e-13)
    np.testing.assert_allclose(tangent, slope, rtol=1e-15)
    np.testing.assert_allclose(curvature, omega / (1.0 + omega) ** 3, rtol=1e-12)


def test_in_single_precision_it_rounds() -> None:
    z = np.concatenate([np.linspace(-80.0, 30.0, 4001), np.geomspace(30.0, 1e6, 2001)]).astype(np.float32)
    with double_precision(False):
        omega = np.asarray(wright_omega(jnp.asarray(z)))
    assert omega.dtype == np.float32
    np.testing.assert_allclose(omega, wrightomega(z.astype(np.float64)), rtol=2e-6)
