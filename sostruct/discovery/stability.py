"""How stable a found graph is: what would be found in other series of the same system, by a block bootstrap.

Every resample (`networks.lagged.resampling`) is searched from the graph that the search itself began with, by the same
moves at the same prices, as one compiled call (`networks.lagged.settling`). What the data decided before that search,
the term table, lag horizons, the order within a step and the weights of rows, is kept as it was found in all rows.

A frequency is no probability. Resampled data have the evidence of n rows and the chance of n others on top, so that an
edge that barely pays is in about half of the graphs, and one that is not there in more of them than in graphs of fresh
data (Steck & Jaakkola 2003, NIPS 16). `found.edges` has probabilities; a frequency says what a result hangs on,
and it assumes less: with blocks, not that errors are independent, nor Gaussian, nor of one variance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import equinox as eqx
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sostruct.control.run import run
from sostruct.discovery.contemporaneous import pairs
from sostruct.discovery.estimator import CausalDiscovery
from sostruct.discovery.result import Discovery
from sostruct.errors import ConfigError, DataError
from sostruct.networks.lagged.moments import LaggedData, less
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.networks.lagged.resampling import block_counts, block_length, weighted
from sostruct.networks.lagged.segments import Series, joined, predicted_rows, segments_of
from sostruct.networks.lagged.settling import Settled, settled
from sostruct.networks.lagged.weighted import by_target
from sostruct.networks.lagged.weighted import weighted as weighted_by_target

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Graph = dict[tuple[str, str, int], float]
"""Weights by cause, effect and lag; NaN for a link within the step without a direction."""

_EDGE = ["cause", "effect", "lag"]


@final
@dataclass(frozen=True, eq=False)
class Stability:
    """How often every edge is found in resampled series.

    Attributes:
        found: the discovery from all rows.
        frequencies: every edge that was found in all rows or in any resample, most frequent first. Columns: `cause`,
            `effect`, `lag`, `found` (whether in the graph of all rows), `frequency` (share of the resamples whose graph
            has it), `weight` and `weight_sd` (mean and standard deviation over those; NaN without any, and for links
            within a step without a direction). Such a link stands once, named as in `found` or alphabetically.
        summary: share of the resamples with a link at any lag, or within the step [cause x effect]; one without a
            direction counts in both.
        distinct: number of different graphs among the resamples.
        jaccard: mean over resamples of the edges shared with the graph of all rows, over those of either: 1 if all are
            equal.
        sizes: number of edges in every resample [resample].
        block: rows of a block.
        seed: of the draw.
    """

    found: Discovery
    frequencies: pd.DataFrame
    summary: pd.DataFrame
    distinct: int
    jaccard: float
    sizes: NDArray[np.int64]
    block: int
    seed: int

    @property
    def resamples(self) -> int:
        """Their number."""
        return len(self.sizes)

    @property
    def edges(self) -> pd.DataFrame:
        """`found.edges`, in their order, with a column `frequency`."""
        frequency = self.frequencies.set_index(_EDGE)["frequency"]
        edges = self.found.edges
        own = frequency.reindex(pd.MultiIndex.from_frame(edges[_EDGE])).to_numpy()
        return edges.assign(frequency=own)

    def at_least(self, frequency: float) -> pd.DataFrame:
        """The edges in at least this share of the resamples: rows of `frequencies`.

        Raises:
            ConfigError: a share outside (0, 1].
        """
        if not 0 < frequency <= 1:
            raise ConfigError(
                f"Cannot use frequency={frequency!r}. This is because it is a share of resamples. Try 0.5."
            )
        return self.frequencies[self.frequencies["frequency"] >= frequency].reset_index(drop=True)

    def plot(self) -> Figure:
        """A heat map of `summary`, pairs of the found graph outlined."""
        from sostruct.reports.stability_figure import draw_stability

        linked = self.frequencies[self.frequencies["found"]]
        return draw_stability(self.summary, list(zip(linked["cause"], linked["effect"], strict=True)))

    def __repr__(self) -> str:
        sure = int((self.edges["frequency"] >= 0.9).sum())
        return (
            f"Stability: {self.resamples} resamples in blocks of {self.block} rows; {sure} of {len(self.found.edges)} "
            f"edges in 90 % of them, {self.distinct} different graphs, mean Jaccard {self.jaccard:.2f}"
        )


def stability(
    frame: pd.DataFrame | Any,
    max_lag: int = 3,
    *,
    resamples: int = 100,
    block: int | None = None,
    seed: int = 0,
    **settings: Any,
) -> Stability:
    """Finds the graph of a series, and how often each edge is found when the series is resampled in blocks.

    Args:
        frame: the series, complete; of several realizations, rows are drawn in the order of all, each with its past.
        max_lag: the largest lag, in rows.
        resamples: their number B; a frequency f has a standard error of `sqrt(f (1 - f) / B)`.
        block: rows of a block; None for the rule of Politis & White (`networks.lagged.resampling`).
        seed: of the resamples, and of the discovery.
        settings: of `CausalDiscovery`.

    Raises:
        DataError: data that cannot be used, missing values among them.
        ConfigError: settings that cannot.
        TypeError: a setting that does not exist.

    Reference: H. R. Kunsch, "The jackknife and the bootstrap for general stationary observations", Ann. Stat. 17
    (1989); N. Friedman, M. Goldszmidt and A. Wyner, "Data analysis with Bayesian networks: a bootstrap approach", UAI
    (1999).
    """
    if isinstance(resamples, bool) or not isinstance(resamples, int | np.integer) or resamples < 1:
        raise ConfigError(f"Cannot draw {resamples!r} resamples. This is because it is a number of them. Try 100.")
    estimator = CausalDiscovery(max_lag, seed=seed, **settings)
    if estimator.growth is not None:
        raise ConfigError(
            "Cannot resample with a growth rule of one's own. This is because resamples are searched by the default "
            "one, in compiled code. Try growth=None."
        )
    checked, network, controller, key = estimator.assembled(frame)
    assert isinstance(network, LaggedNetwork)
    segments = segments_of(checked)
    values = joined(segments)
    absent = np.asarray(np.isnan(values).any(axis=0))
    if absent.any():
        gaps = ", ".join(repr(name) for name in checked.columns[absent][:5])
        raise DataError(
            f"Cannot resample series with missing values ({gaps}). This is because what a smoother fills in is not "
            "drawn anew with its rows. Try the probabilities of `ss.discover`, or a stretch without gaps."
        )
    rows = len(predicted_rows(segments, network.terms.max_lag))
    if block is not None and (isinstance(block, bool) or not isinstance(block, int | np.integer)):
        raise ConfigError(f"Cannot use block={block!r}. This is because it is a number of rows. Try None.")
    length = block_length(values) if block is None else int(block)
    if not 1 <= length <= rows:
        raise ConfigError(
            f"Cannot use blocks of {length} rows. This is because there are {rows} rows beyond the first max_lag. Try "
            "None, which chooses by how long the series remember."
        )
    finished = run(network, checked, controller, epochs=estimator.epochs, key=key)
    found = estimator.result_of(finished)
    counts, weights = block_counts(rows, length, int(resamples), seed), network.weights
    drawn = list(_resampled(network, finished.data, segments, counts))
    ends = settled(network, drawn)
    graphs = []
    for number, own in enumerate(drawn):
        links = _links(network, own, ends, number)
        there = network if weights is None else network.weighted(weights.drawn(counts[number]), network.noise)
        graphs.append(links | _pairs(there, own, ends, number, found, links))
    return _counted(found, graphs, length, seed)


def _resampled(
    network: LaggedNetwork, data: LaggedData, values: Series, counts: NDArray[np.int64]
) -> Iterator[LaggedData]:
    terms, spent = network.terms, network.treatment.spent
    if network.weights is not None:
        drawn = (weighted_by_target(terms, network.weights.drawn(own)) for own in counts)
        return (less(one, spent) for one in drawn) if spent else drawn
    design = terms.columns(terms.lagged(values), np.arange(terms.layout.columns))
    design = (design - np.asarray(data.term_mean)) / np.asarray(data.term_scale)
    targets = (predicted_rows(values, terms.max_lag) - np.asarray(data.target_mean)) / np.asarray(data.target_scale)
    drawn = (weighted(data, design, targets, own) for own in counts)
    return (less(one, spent) for one in drawn) if spent else drawn


def _links(network: LaggedNetwork, data: LaggedData, ends: Settled, number: int) -> Graph:
    """The links of a resample's graph, and their mean slopes, effect units per cause unit."""
    terms = network.terms
    target, slot = np.nonzero(ends.mask[number])
    column = ends.active[number][target, slot]
    weight = ends.weight[number][target, slot] * np.asarray(data.target_scale)[target]
    weight /= by_target(data.term_scale, len(terms.variables))[target, column]
    slope = np.asarray(data.slope)[column] * weight[:, None]
    touched = terms.touched[terms.layout.term_of(column)]
    found: Graph = {}
    for own, links, parts in zip(target.tolist(), touched.tolist(), slope.tolist(), strict=True):
        for link, part in zip(dict.fromkeys(links), parts, strict=False):  # a square has one link
            cause, lag = terms.links[link]
            edge = (cause, terms.variables[own], lag)
            found[edge] = found.get(edge, 0.0) + part
    return found


def _pairs(
    network: LaggedNetwork, data: LaggedData, ends: Settled, number: int, found: Discovery, links: Graph
) -> Graph:
    """The links within the step without a direction; none where the residuals of all rows are not correlated."""
    if not np.isfinite(found.posterior.pair_nats).any():
        return {}
    regressions = eqx.tree_at(  # all that pairs reads: the graph is that of another resample
        lambda packed: (packed.active, packed.mask, packed.weight),
        network.packed,
        (ends.active[number], ends.mask[number], ends.weight[number]),
    )
    within = pairs(network.with_packed(regressions), data)
    if within is None:
        return {}
    names = network.terms.variables
    undirected = found.edges[found.edges["mark"] != "directed"]
    order = set(zip(undirected["cause"], undirected["effect"], strict=True))
    ends_of = [(names[one], names[other]) for one, other in np.argwhere(np.triu(within.linked)).tolist()]
    named = [(other, one) if (other, one) in order else (one, other) for one, other in ends_of]
    return {(*pair, 0): np.nan for pair in named if (*pair, 0) not in links and (*pair[::-1], 0) not in links}


def _counted(found: Discovery, graphs: list[Graph], block: int, seed: int) -> Stability:
    edges = found.edges
    own = [tuple(edge) for edge in edges[_EDGE].to_numpy().tolist()]
    whole = set(own)
    everywhere = dict.fromkeys([*own, *sorted({edge for graph in graphs for edge in graph})])
    rows = []
    for edge in everywhere:
        weights = [graph[edge] for graph in graphs if edge in graph]
        held = weights or [np.nan]
        spread = float(np.std(held))
        rows.append((*edge, edge in whole, len(weights) / len(graphs), float(np.mean(held)), spread))
    columns = [*_EDGE, "found", "frequency", "weight", "weight_sd"]
    frequencies = pd.DataFrame(rows, columns=columns).astype({"cause": "object", "effect": "object"})
    names = found.posterior.variables
    place = {name: number for number, name in enumerate(names)}
    counts = np.zeros((len(names), len(names)))
    for graph in graphs:
        linked = np.zeros(counts.shape, bool)
        for (cause, effect, lag), weight in graph.items():
            linked[place[cause], place[effect]] = True
            if lag == 0 and np.isnan(weight):
                linked[place[effect], place[cause]] = True
        counts += linked
    shared = [
        len(whole & graph.keys()) / max(len(whole | graph.keys()), 1) if whole or graph else 1.0 for graph in graphs
    ]
    return Stability(
        found=found,
        frequencies=frequencies.sort_values("frequency", ascending=False, kind="stable", ignore_index=True),
        summary=pd.DataFrame(
            counts / len(graphs),
            index=pd.Index(names, name="cause", dtype="object"),
            columns=pd.Index(names, name="effect", dtype="object"),
        ),
        distinct=len({frozenset(graph) for graph in graphs}),
        jaccard=float(np.mean(shared)),
        sizes=np.array([len(graph) for graph in graphs]),
        block=block,
        seed=seed,
    )
