"""What a unit would be worth: the quadratic gain of the best weights to send by, in nats, on rows it has not seen.

A new unit sends a to nodes whose sums have slopes g. Weights v add v a to the sums; with Kronecker-factored curvature
the mean surprise per row changes by -v' b + 1/2 (v' S v) A, where b = -E[g a_r], S = E[g g'] the empirical Fisher
information of the sums (Martens & Grosse 2015) and A = E[a_r^2]. What units that are there send already explains part
of a; a_r is the rest, the residual of a regression on it, so that b is what training of their weights could not do
(natural expansion, Mitchell et al. 2023, arXiv 2307.04526: gain at least Tr[S^-1 E[g a_r'] A^-1 E[a_r g']] / 2).

Weights are estimated on learned rows, v = S^-1 b / A, and their gain is v' b - 1/2 (v' S v) A on held-out rows, with
their b, S and A. Where no rows are held out, halves of the learned ones estimate for each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from sostruct.growth.layered.common import Place
from sostruct.networks.hgf.couplings import FUNCTIONS
from sostruct.networks.layered.network import LayeredNetwork
from sostruct.networks.layered.packed import LayeredData
from sostruct.networks.layered.statistics import RowStatistics, statistics
from sostruct.numerics import double_precision

Matrix: TypeAlias = NDArray[np.float64]

DAMPING = 1e-3
"""Added to the curvature, as a share of its mean eigenvalue."""


def received(rows: RowStatistics, place: Place, incoming: Mapping[str, Matrix], bias: Matrix) -> Matrix:
    """What candidate units send [row, candidate], for weights [unit, candidate] from every parent."""
    z = np.asarray(bias)[None, :] + sum(
        rows.sent(name, function) @ incoming[name] for name, function in place.into if name in incoming
    )
    if place.width and place.name in incoming:
        z = z + rows.sent(place.name, place.function) @ incoming[place.name][: place.width]
    with double_precision(False):
        return np.asarray(FUNCTIONS[place.function].value(jnp.asarray(z, jnp.float32)), np.float64)


def known(rows: RowStatistics, network: LayeredNetwork, place: Place) -> Matrix:
    """What already is sent to the nodes that a population feeds, and a constant [row, regressor]."""
    count = len(next(iter(rows.sums.values())))
    parts = [np.ones((count, 1))]
    for child in place.out:
        parts += [
            rows.sent(edge.source, edge.function) for edge in network.topology.parents(child) if edge.source != child
        ]
    return np.concatenate(parts, axis=1)


def slopes(rows: RowStatistics, place: Place) -> Matrix:
    """Slopes of the nodes that a population feeds [row, unit]."""
    return np.concatenate([rows.slopes[child] for child in place.out], axis=1)


class Sample:
    """Products over some rows that a gain is made of.

    Args:
        sent: what candidates send [row, candidate].
        slopes: of the nodes they send to [row, unit].
    """

    def __init__(self, sent: Matrix, slopes: Matrix) -> None:
        count = max(len(sent), 1)
        self.b = -slopes.T @ sent / count
        fisher = slopes.T @ slopes / count
        self.S = fisher + (DAMPING * np.trace(fisher) / len(fisher) + 1e-12) * np.eye(len(fisher))
        self.A = (sent**2).mean(axis=0) + 1e-12

    @property
    def best(self) -> Matrix:
        """The best weights to send by [unit, candidate]."""
        return np.asarray(np.linalg.solve(self.S, self.b) / self.A)

    def gain(self, weights: Matrix) -> Matrix:
        """Gain of the mean surprise per row by weights [candidate], nats."""
        return np.asarray((weights * self.b).sum(axis=0) - 0.5 * (weights * (self.S @ weights)).sum(axis=0) * self.A)


def gains(
    network: LayeredNetwork, data: LayeredData, place: Place, incoming: Mapping[str, Matrix], bias: Matrix
) -> Matrix:
    """Nats that each candidate unit would gain over the learned rows, as rows that did not choose its weights have it.

    Args:
        network: before the unit.
        data: what it learns.
        place: where the unit would be.
        incoming: weights from every parent [unit, candidate].
        bias: of every candidate.
    """
    halves = halved(network, data)
    found = []
    for seen, unseen in halves:
        first, basis = received(seen, place, incoming, bias), known(seen, network, place)
        fit, *_ = np.linalg.lstsq(basis, first, rcond=1e-6)
        weights = Sample(first - basis @ fit, slopes(seen, place)).best
        other = received(unseen, place, incoming, bias) - known(unseen, network, place) @ fit
        found.append(Sample(other, slopes(unseen, place)).gain(weights))
    return np.asarray(len(data.target) * np.mean(found, axis=0))


def halved(network: LayeredNetwork, data: LayeredData) -> list[tuple[RowStatistics, RowStatistics]]:
    """Rows to choose by, and rows to judge by."""
    rows = statistics(network, data)
    if len(data.heldout_target):
        return [(rows, statistics(network, data, heldout=True))]
    order = np.random.default_rng(0).permutation(len(data.target))
    one, other = (rows.take(order[start::2]) for start in (0, 1))
    return [(one, other), (other, one)]


def units_gain(
    network: LayeredNetwork, data: LayeredData, place: Place, incoming: Mapping[str, Matrix], bias: float
) -> float:
    """`gains` of one unit."""
    columns = {name: np.asarray(values, np.float64)[:, None] for name, values in incoming.items()}
    return float(gains(network, data, place, columns, np.array([bias]))[0])


def trainable(network: LayeredNetwork, data: LayeredData, place: Place) -> float:
    """Nats that the weights which the population's units send by could still gain by the same formula, with all of
    them moved together: Tr[S^-1 B A^-1 B'] / 2 over the learned rows, of rows that did not choose the step."""
    if not place.width:
        return 0.0
    found = []
    for seen, unseen in halved(network, data):
        parts = []
        for rows in (seen, unseen):
            sent, own = rows.sent(place.name, place.function), slopes(rows, place)
            parts.append((Sample(sent, own), sent.T @ sent / len(sent)))
        (first, gram), (other, unseen_gram) = parts
        damped = gram + (DAMPING * np.trace(gram) / len(gram) + 1e-12) * np.eye(len(gram))
        steps = np.linalg.solve(first.S, first.b) @ np.linalg.inv(damped)
        curve = np.einsum("ia,ij,jb,ab->", steps, other.S, steps, unseen_gram)
        found.append(float((steps * other.b).sum() - 0.5 * curve))
    return len(data.target) * max(float(np.mean(found)), 0.0)
