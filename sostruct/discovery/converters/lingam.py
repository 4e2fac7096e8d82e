"""The matrices of lingam's VARLiNGAM: `adjacency_matrices_[tau, effect, cause]`, the coefficients of

    x(t) = sum over tau = 0..k of B_tau x(t - tau) + e(t)

in the data's units, B_0 first (lingam's documentation of `VARLiNGAM`). causal-learn's VARLiNGAM has the same matrices.
The format holds directed lines: no probabilities, and no pair without a direction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sostruct.discovery.converters.reading import add_edge, places, series_graph, warn_of_loss
from sostruct.errors import DataError


def to_lingam(edges: pd.DataFrame, names: Sequence[str], max_lag: int) -> NDArray[np.float64]:
    """The weights of a found graph [lag, effect, cause], lags 0..max_lag, 0 where there is no edge.

    Of a curve or a product, the weight is its mean slope. Links without a direction are left out, with a warning.
    """
    matrices = np.zeros((max_lag + 1, len(names), len(names)))
    directed = edges["mark"] == "directed"
    warn_of_loss(edges[~directed], "lingam")
    cause, effect, lag = places(edges[directed], names)
    matrices[lag, effect, cause] = edges.loc[directed, "weight"].to_numpy(np.float64)
    return matrices


def from_lingam(matrices: ArrayLike | Any, names: Sequence[str]) -> nx.MultiDiGraph:
    """The graph of `model.adjacency_matrices_`: an edge wherever a coefficient is not zero.

    Args:
        matrices: [lag, effect, cause], the first of lag 0. Without pruning hardly any is zero: prune, or set small ones
            to zero, first.
        names: of the series, in the order of the matrices.

    Raises:
        DataError: arrays of another shape, values that are not finite, a series that acts on itself within the step.
    """
    array = np.asarray(matrices, np.float64)
    if array.ndim != 3 or array.shape[1] != array.shape[2]:
        raise DataError(
            f"Cannot read matrices of shape {array.shape}. This is because they are to be [lag, effect, cause]. Try "
            "`adjacency_matrices_` of a VARLiNGAM that was fitted."
        )
    if not np.isfinite(array).all():
        raise DataError("Cannot read these matrices. This is because some values are not finite. Try another fit.")
    graph = series_graph(names, array.shape[1], array.shape)
    labels = list(graph)
    if np.diag(array[0]).any():
        name = labels[int(np.flatnonzero(np.diag(array[0]))[0])]
        raise DataError(
            f"Cannot read these matrices. This is because {name} acts on itself at lag 0. Try matrices that begin with "
            "lag 0."
        )
    for lag, effect, cause in np.argwhere(array).tolist():
        add_edge(graph, labels[cause], labels[effect], lag, "directed", float(array[lag, effect, cause]))
    return graph
