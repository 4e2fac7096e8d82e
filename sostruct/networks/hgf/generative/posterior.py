"""A fit as several networks: draws from the Laplace approximation of one subject's posterior."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jaxtyping import PRNGKeyArray
from numpy.typing import NDArray

from sostruct.errors import ConfigError
from sostruct.networks.hgf.inference import coordinates
from sostruct.networks.hgf.inference.parameters import RESPONSE, Free
from sostruct.networks.hgf.inference.result import Fit
from sostruct.networks.hgf.inputs import Series
from sostruct.networks.hgf.network import HGF
from sostruct.numerics import double_precision


def drawn_from(
    fit: Fit, draws: int, key: PRNGKeyArray, subject: Any = None
) -> tuple[list[HGF], dict[str, NDArray[np.float64]]]:
    """Networks with parameters drawn from a posterior, and the response model's by name [draw].

    The posterior of z, the parameters without their bounds, is N(mode, inverse curvature).

    Raises:
        ConfigError: the mode is no peak, so that there is no Gaussian to draw from; or see `Fit.network`.
    """
    number = place_of(fit, subject)
    covariance = fit.covariance[number]
    if not np.isfinite(covariance).all():
        raise ConfigError(
            "Cannot draw from the posterior of this fit. This is because its mode is no peak, so that there is no "
            "Gaussian to draw from. Try fit.network(...), which is its best guess, or narrower priors."
        )
    with double_precision():
        noise = np.asarray(jax.random.normal(key, (draws, len(fit.free)), np.float64))
    points = fit.points[number] + noise @ np.linalg.cholesky(covariance).T
    values = coordinates.outward([free.prior.support for free in fit.free], points)
    return networks_with(fit.base, fit.free, values)


def networks_with(
    base: HGF, free: tuple[Free, ...], values: NDArray[np.float64]
) -> tuple[list[HGF], dict[str, NDArray[np.float64]]]:
    """A network with each row of values of its free parameters, and the response model's by name [row]."""
    networks = []
    for own in values:
        places: dict[Any, dict[str, float]] = {}
        for one, value in zip(free, own, strict=True):
            if one.place != RESPONSE:
                places.setdefault(one.place, {})[one.name] = float(value)
        networks.append(base.with_parameters(places))
    return networks, {one.name: values[:, column] for column, one in enumerate(free) if one.place == RESPONSE}


def data_of(fit: Fit, subject: Any = None) -> tuple[Series, Any]:
    """What one subject saw, as a filter reads it, and did (or None)."""
    number = place_of(fit, subject)
    panel = fit.panel
    done = None if panel.responses is None else panel.responses[number, : panel.lengths[number]]
    return panel.series(number), done


def place_of(fit: Fit, subject: Any) -> int:
    """The number of a subject.

    Raises:
        ConfigError: see `Fit.network`.
    """
    fit.parameter_values(subject)
    return 0 if fit.subjects is None else fit.subjects.index(subject)
