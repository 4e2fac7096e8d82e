r"""What the shapes of distributions say: how far residuals are from Gaussian, and whether they are independent.

Negentropy J = H(Gaussian) - H is approximated as by Hyvarinen (1998, NIPS 10), with his constants. What a linear
regression leaves is uncorrelated with its regressor x, and independent of it only if x is a cause and nothing hidden
acts on both (unless all is Gaussian; Shimizu et al. 2011, JMLR 12). Dependence that is left shows in correlations c of
odd curves of either,

    f(x) with r,    x with g(r),    f(x) with g(r),    f(x) = tanh x - (x' tanh x / x'x) x,    g(r) = tanh r - m r,

with m the mean of 1 - tanh(r)^2: that frees them of what the error of the slope brings into both. Under independence
n c^2 of each is chi-squared with one degree of freedom, so -n/2 log(1 - c^2) is a log likelihood ratio, nats. Even
curves would see more in heavy-tailed data; but series whose noise is loud at the same times are dependent in them too,
without any hidden cause.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.float64]


def negentropy(columns: Table) -> Table:
    """Approximate negentropy J of standardized columns [row, column], nats per row [column]."""
    curve = np.log(np.cosh(np.clip(columns, -300, 300))).mean(axis=0) - 0.37457
    bump = (columns * np.exp(-(columns**2) / 2)).mean(axis=0)
    found: Table = 79.047 * curve**2 + 7.4129 * bump**2
    return found


def dependence(regressor: Table, remainder: Table) -> float:
    """The most that a curve of either says of the other, nats over all rows.

    Args:
        regressor, remainder: standardized, uncorrelated [row].
    """
    one, other = np.tanh(regressor), np.tanh(remainder)
    bent = one - one.mean() - (one @ regressor) / (regressor @ regressor) * regressor
    left = other - other.mean() - np.mean(1 - other**2) * remainder
    cases = ((bent, remainder), (regressor, left), (bent, left))
    shared = max(float(first @ second) ** 2 / float((first @ first) * (second @ second)) for first, second in cases)
    return -len(regressor) / 2 * math.log1p(-min(shared, 1 - 1e-12))
