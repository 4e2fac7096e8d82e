"""Laplace's approximation: a posterior as the Gaussian that has its mode and its curvature there.

    log p(y) = log p(y, z) + d/2 log 2 pi - 1/2 log det H,    H = -d^2 log p(y, z) / dz^2 at the mode z

It is exact where log p(y, z) is quadratic. Where H is not positive definite there is no such Gaussian, and all that
follows from it is nan.

References:
    D. J. C. MacKay, "Information Theory, Inference, and Learning Algorithms", chapter 27, Cambridge 2003.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def positive_definite(curvature: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which matrices [subject, parameter, parameter] are."""
    finite = np.atleast_1d(np.isfinite(curvature).all(axis=(1, 2)))
    safe = np.where(finite[:, None, None], curvature, np.eye(curvature.shape[-1]))
    found: NDArray[np.bool_] = finite & (np.linalg.eigvalsh(0.5 * (safe + safe.swapaxes(1, 2)))[:, 0] > 0.0)
    return found


def laplace(joint: NDArray[np.float64], curvature: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log evidence, nats [subject]; nan where the curvature is not positive definite."""
    peaked = positive_definite(curvature)
    safe = np.where(peaked[:, None, None], curvature, np.eye(curvature.shape[-1]))
    determinant = np.linalg.slogdet(safe)[1]
    found = joint + 0.5 * curvature.shape[-1] * math.log(2.0 * math.pi) - 0.5 * determinant
    return np.where(peaked, found, np.nan)
