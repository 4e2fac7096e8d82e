"""A posterior as several networks: draws of the sampler, or from the Laplace approximation of a fit."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jaxtyping import PRNGKeyArray
from numpy.typing import NDArray

from sostruct.errors import ConfigError
from sostruct.networks.hgf.inference import coordinates
from sostruct.networks.hgf.inference.draws import Draws
from sostruct.networks.hgf.inference.parameters import RESPONSE, Free
from sostruct.networks.hgf.inference.result import Fit
from sostruct.networks.hgf.inputs import Series
from sostruct.networks.hgf.network import HGF
from sostruct.numerics import double_precision


def drawn_from(
    posterior: Fit | Draws, draws: int, key: PRNGKeyArray, subject: Any = None
) -> tuple[list[HGF], dict[str, NDArray[np.float64]]]:
    """Networks with parameters drawn from one subject's posterior, and the response model's by name [draw].

    Of a fit, the posterior of z, the parameters without their bounds, is N(mode, inverse curvature). Of a sampler's
    draws, some are taken, each at most once more often than any other.

    Raises:
        ConfigError: the mode is no peak, so that there is no Gaussian to draw from; or see `Fit.network`.
    """
    if isinstance(posterior, Draws):
        mode = posterior.mode
        every = posterior.values[place_of(mode, subject)].reshape(-1, len(mode.free))
        rounds = -(-draws // len(every))
        order = np.concatenate(
            [np.asarray(jax.random.permutation(own, len(every))) for own in jax.random.split(key, rounds)]
        )
        return networks_with(mode.base, mode.free, every[order[:draws]])
    fit, number = posterior, place_of(posterior, subject)
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
