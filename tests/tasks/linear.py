"""Linear processes from their known graphs, in plain loops: what simulators are held against."""

from __future__ import annotations

import networkx as nx
import numpy as np


def coefficients(truth: nx.MultiDiGraph, max_lag: int) -> np.ndarray:
    """A [lag x effect x cause], lag 1 first, of the directed edges of a truth."""
    place = {name: position for position, name in enumerate(truth)}
    dense = np.zeros((max_lag, len(place), len(place)))
    for cause, effect, data in truth.edges(data=True):
        if data["mark"] == "directed":
            dense[data["lag"] - 1, place[effect], place[cause]] = data["strength"]
    return dense


def autoregression(weights: list[np.ndarray], innovations: np.ndarray) -> np.ndarray:
    """x from x = 0, with coefficients of its own [lag x effect x cause] at every step."""
    series = np.zeros_like(innovations)
    for step, dense in enumerate(weights):
        series[step] = innovations[step]
        for lag, matrix in enumerate(dense, start=1):
            if step >= lag:
                series[step] += matrix @ series[step - lag]
    return series


def lagged(values: np.ndarray, max_lag: int) -> np.ndarray:
    """The rows before every row [time - max_lag x lag * node]."""
    return np.hstack([values[max_lag - lag : len(values) - lag] for lag in range(1, max_lag + 1)])


def refit(values: np.ndarray, max_lag: int) -> tuple[np.ndarray, np.ndarray]:
    """Least squares on all lags of all series: A [lag x effect x cause], and what is left [time - max_lag x node]."""
    design = lagged(values, max_lag)
    solution, *_ = np.linalg.lstsq(design, values[max_lag:], rcond=None)
    nodes = values.shape[1]
    return solution.reshape(max_lag, nodes, nodes).transpose(0, 2, 1), values[max_lag:] - design @ solution
