"""Noise of several shapes and one size: what enters a linear process at every step.

Design note. Every shape has mean 0 and standard deviation 1, so that another shape changes nothing that a
covariance shows. Draws are made value by value in the order of the rows: a longer series begins with the shorter one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sostruct.errors import ConfigError

SHAPES = ("laplace", "uniform", "student", "gaussian")
"""Distributions of the noise; "student" is Student's t with 4 degrees of freedom. Directions within a step show in all
but the last."""

_FREEDOM = 4.0  # degrees of freedom of "student": the fewest whole number with a finite third moment


def check_shape(owner: str, shape: object) -> str:
    """A setting that names a shape.

    Raises:
        ConfigError: it is none of `SHAPES`.
    """
    if isinstance(shape, str) and shape in SHAPES:
        return shape
    raise ConfigError(f"Cannot build {owner}. This is because shape is {shape!r}. Try one of {', '.join(SHAPES)}.")


def unit_noise(rng: np.random.Generator, shape: str, size: tuple[int, int]) -> NDArray[np.float64]:
    """Independent draws of standard deviation 1 [time x node].

    Args:
        rng: where the draws come from.
        shape: one of `SHAPES`.
        size: rows and columns.
    """
    if shape == "laplace":
        return rng.laplace(scale=np.sqrt(0.5), size=size)
    if shape == "uniform":
        return rng.uniform(-np.sqrt(3.0), np.sqrt(3.0), size=size)
    if shape == "student":
        drawn: NDArray[np.float64] = rng.standard_t(_FREEDOM, size=size) * np.sqrt(1.0 - 2.0 / _FREEDOM)
        return drawn
    return rng.standard_normal(size)
