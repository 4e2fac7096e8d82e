r"""Noise whose strength changes: a belief network filters every series' residuals, and predicts their log variance.

The network is one *volatile* node per series, an input whose noise variance e^h has a belief of its own,

    r_t ~ N(0, s2 e^{h_t}),    h_t ~ N(m + lam (h_{t-1} - m), e^om),

with the unbounded update (`networks.hgf`). Persistence lam and tonic volatility om are averaged over `GRID`, each
weighed by the density that its one-step predictions give the residuals: prequential evidence, which is what tells
whether the noise changes at all. m makes the variance 1 on average.

**Which prediction weighs a row.** Not the posterior after it: a row that is surprising would lower its own weight, and
every fit would look better than it is. And not the prediction from the past alone, which sees a burst only when it has
begun. The filter runs over the rows forward and backward, and h_t is the mean of both predictions of row t, from all
rows before it and from all after it, neither of which has seen it. On simulated bursts, regressions with these weights
come to about .8 of the precision that knowing h would give; with the forward predictions alone, .7; without weights, .3
(`experiments/noise`).

**Bursts or outliers.** One outlier would start a burst. So the network is asked twice: the second time it sees
`sqrt(v_t) r_t` with the weights v_t of Student-t tails around the first prediction (`tails.py`), as a filter for
Student-t noise does (Harvey 2013, Dynamic Models for Volatility and Heavy Tails).

Whether it is asked at all, `changing` says: correlation of squared residuals with their own smoothed past, which costs
nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from sostruct.discovery.tails import Tails, gaussian_density, tails
from sostruct.networks.hgf.network import HGF

GRID = tuple((persistence, tonic) for persistence in (1.0, 0.97, 0.9) for tonic in (-6.0, -4.5, -3.0, -1.5))
"""Persistence lam and tonic volatility om of the log variance, equally probable beforehand."""

_TOGETHER = (4, 16)
"""Series per network, the least of these numbers that is enough, or the largest again and again: a size is compiled
once for every length of series."""

_DECAYS = (0.8, 0.95, 0.99)
_HINT = 3.0
"""Standard errors of correlation from which residuals are filtered: under constant noise, one series in 250."""

_SHARP = 1e4
_CLIPPED = 9.0

Table = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Volatility:
    """How the strength of noise changes.

    Attributes:
        predicted: h_t from the rows before t [row, series].
        weighing: h_t from the rows before t and those after it [row, series].
        tails: Student-t fit of the residuals around `predicted`.
        around: the same around `weighing`.
        evidence: log density of all rows by one-step predictions, nats, tails averaged out [series].
        setting: the most probable member of `GRID` [series].
    """

    predicted: Table
    weighing: Table
    tails: Tails
    around: Tails
    evidence: Table
    setting: NDArray[np.int64]


def changing(residuals: Table) -> NDArray[np.bool_]:
    """Whether squared residuals go with those before them [series]."""
    square = residuals**2 / np.mean(residuals**2, axis=0)
    square = np.minimum(square / np.maximum(np.median(square, axis=0) / 0.455, 1e-12), _CLIPPED)
    square = square - square.mean(axis=0)
    found = np.zeros(square.shape[1], bool)
    for decay in _DECAYS:
        past = lfilter([1 - decay], [1, -decay], square, axis=0)[:-1]
        now = square[1:]
        size = np.sqrt((past**2).sum(axis=0) * (now**2).sum(axis=0))
        together = (past * now).sum(axis=0) / np.maximum(size, 1e-300)
        found |= together * math.sqrt(len(now)) > _HINT
    return found


def volatility(residuals: Table, lengths: tuple[int, ...] = ()) -> Volatility:
    """The changing strength of noise (module docstring).

    Args:
        residuals: around 0 [row, series].
        lengths: rows of each realization, in order; the filter begins anew at every one. One when empty.
    """
    scale = np.sqrt(np.mean(residuals**2, axis=0))
    series = residuals / scale
    lengths = lengths or (len(series),)
    forward, _, _ = _averaged(series, series, lengths)
    first = tails(series, forward)
    seen = series * np.sqrt(first.weights(series, forward) * np.exp(forward))
    seen = seen / np.sqrt(np.mean(seen**2, axis=0))
    forward, evidence, setting = _averaged(seen, series, lengths)
    backward, _, _ = _averaged(seen[::-1], series[::-1], lengths[::-1])
    weighing = (forward + backward[::-1]) / 2
    ahead, around = (tails(series, own) for own in (forward, weighing))
    unit = -len(series) * np.log(scale)
    return Volatility(
        predicted=forward,
        weighing=weighing,
        tails=Tails(ahead.freedom, ahead.scale * scale, ahead.evidence + unit),
        around=Tails(around.freedom, around.scale * scale, around.evidence + unit),
        evidence=evidence + unit,
        setting=setting,
    )


def predictions(seen: Table, grid: tuple[tuple[float, float], ...] = GRID) -> Table:
    """Log variance that every member of the grid predicts for every row from those before [row, series, member]."""
    found = []
    count = seen.shape[1]
    size = next((number for number in _TOGETHER if number >= count), _TOGETHER[-1])
    network = HGF(_nodes(size, grid), update="unbounded")
    for start in range(0, count, size):
        own = np.zeros((len(seen), size))
        own[:, : min(size, count - start)] = seen[:, start : start + size]
        beliefs = network.filter(np.repeat(own, len(grid), axis=1), strict=False)
        found.append(-np.log(beliefs.expected_precision).reshape(*own.shape, len(grid)))
    return np.concatenate(found, axis=1)[:, :count]


def _piecewise(seen: Table, lengths: tuple[int, ...]) -> Table:
    """`predictions` within every realization, all at once: padded behind, which nothing before it notices."""
    if len(lengths) == 1:
        return predictions(seen)
    ends = np.cumsum(lengths)
    pieces = np.split(seen, ends[:-1])
    padded = [np.pad(piece, ((0, max(lengths) - len(piece)), (0, 0))) for piece in pieces]
    found = np.split(predictions(np.concatenate(padded, axis=1)), len(pieces), axis=1)
    return np.concatenate([piece[:length] for piece, length in zip(found, lengths, strict=True)])


def _nodes(series: int, grid: tuple[tuple[float, float], ...]) -> nx.MultiDiGraph:
    """A volatile input for every series and member, in order."""
    graph = nx.MultiDiGraph()
    for one in range(series):
        for number, (persistence, tonic) in enumerate(grid):
            spread = math.exp(tonic) / (1 - persistence**2) if persistence < 1 else 1.0
            mean = -spread / 2 if persistence < 1 else 0.0
            graph.add_node(
                f"{one:03d} {number:03d}",
                kind="volatile",
                precision=_SHARP,
                volatility_tonic_volatility=tonic,
                volatility_mean=mean,
                volatility_precision=1 / spread,
                volatility_autoconnection=persistence,
                volatility_tonic_drift=(1 - persistence) * mean,
            )
    return graph


def _averaged(seen: Table, series: Table, lengths: tuple[int, ...]) -> tuple[Table, Table, NDArray[np.int64]]:
    """One-step predictions of the log variance from what is `seen`, averaged by how well they predict the `series`
    [row, series]; their evidence, and the best member of the grid [series]."""
    members = _piecewise(seen, lengths)
    density = []
    for number in range(members.shape[2]):
        own = members[:, :, number]
        density.append(np.logaddexp(tails(series, own).evidence, gaussian_density(series, own)) - math.log(2.0))
    table = np.stack(density, axis=1)
    evidence = np.logaddexp.reduce(table, axis=1)
    share = np.exp(table - evidence[:, None])
    averaged: Table = (members * share).sum(axis=2)
    return averaged, evidence - math.log(members.shape[2]), table.argmax(axis=1)
