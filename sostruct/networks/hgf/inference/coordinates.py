"""Unbounded coordinates on the host: many points at once, as numpy arrays [..., parameter].

`priors` has the same for one traced number; the two are tested against each other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sostruct.networks.hgf.inference.priors import Support


def outward(supports: Sequence[Support], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """x of z."""
    found = np.array(points)
    for column, (lower, upper) in enumerate(supports):
        own = points[..., column]
        if math.isinf(lower) and math.isinf(upper):
            continue
        if math.isinf(upper):
            found[..., column] = lower + np.exp(own)
        elif math.isinf(lower):
            found[..., column] = upper - np.exp(own)
        else:
            found[..., column] = lower + (upper - lower) / (1.0 + np.exp(-own))
    return found


def inward(supports: Sequence[Support], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """z of x."""
    found = np.array(values)
    for column, (lower, upper) in enumerate(supports):
        own = values[..., column]
        if math.isinf(lower) and math.isinf(upper):
            continue
        if math.isinf(upper):
            found[..., column] = np.log(own - lower)
        elif math.isinf(lower):
            found[..., column] = np.log(upper - own)
        else:
            found[..., column] = np.log(own - lower) - np.log(upper - own)
    return found


def slopes(supports: Sequence[Support], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """|dx/dz| where x is `values`."""
    found = np.ones_like(values)
    for column, (lower, upper) in enumerate(supports):
        below, above = values[..., column] - lower, upper - values[..., column]
        if math.isinf(lower) and math.isinf(upper):
            continue
        if math.isinf(upper):
            found[..., column] = below
        elif math.isinf(lower):
            found[..., column] = above
        else:
            found[..., column] = below * above / (upper - lower)
    return found
