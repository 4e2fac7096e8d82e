"""What a structure learner found: a belief network, how it came about, and how well it predicts.

Design note. The network here is built afresh from the final graph, so that it depends on the graph and on nothing else
the run went through: an interrupted run, a longer one and a loaded one give the same numbers to the last digit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, final

import jax
import networkx as nx
import numpy as np
import pandas as pd

from sostruct.control.history import SignalHistory
from sostruct.graph import Journal, Topology, edge_table
from sostruct.networks.hgf.beliefs import Beliefs
from sostruct.networks.hgf.filtering import BeliefState
from sostruct.networks.hgf.network import HGF

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sostruct.structure.compare import Comparison


@final
@dataclass(frozen=True, eq=False)
class Structure:
    """A belief network grown on a series.

    Attributes:
        network: the network before its first step: `network.filter(frame)` filters any series of these inputs.
        last: what it believes after the rows it was grown on.
        rows: how many these were.
        log_evidence: joint log predictive density of these rows, nats.
        journal: every edit considered, with its price; `journal.replay(epoch)` is the graph at any epoch.
        history: signals of every node at every epoch.
        settled: whether the run ended by itself: nothing was worth editing and nothing was being waited for.
    """

    network: HGF
    last: BeliefState
    rows: int
    log_evidence: float
    journal: Journal
    history: SignalHistory
    settled: bool

    @classmethod
    def of(cls, final: HGF, series: Any, journal: Journal, history: SignalHistory, settled: bool) -> Structure:
        """The result of a run.

        Args:
            final: the network after the run.
            series: what it ran on, [time, input] in the order of the network's inputs.
            journal, history, settled: the run's.
        """
        network = rebuilt(final.topology, final.inputs, settings_of(final))
        beliefs = network.filter(series, strict=False)
        last: BeliefState = jax.tree.map(np.asarray, beliefs.last)
        log_evidence = -len(series) * mean_surprise(beliefs)
        return cls(network, last, len(series), log_evidence, journal, history, settled)

    @property
    def graph(self) -> nx.MultiDiGraph:
        """The graph, from hidden parents to the inputs, with every parameter; a copy."""
        return self.network.graph

    @property
    def inputs(self) -> tuple[str, ...]:
        """The observed series, in the order of the columns."""
        return self.network.inputs

    @cached_property
    def edges(self) -> pd.DataFrame:
        """The couplings: `source` (the parent), `target`, `coupling` ("value" or "volatility"), `strength` and
        `function`."""
        return edge_table(self.network.topology)

    @cached_property
    def nodes(self) -> pd.DataFrame:
        """The nodes: `node`, `kind`, `observed`, then a column for every parameter, NaN where a kind has no such."""
        observed = frozenset(self.inputs)
        rows = [
            {"node": node.name, "kind": node.kind, "observed": node.name in observed, **dict(node.parameters)}
            for node in self.network.topology.nodes
        ]
        first = ["node", "kind", "observed"]
        return pd.DataFrame(rows, columns=[*first, *sorted({name for row in rows for name in row} - {*first})])

    def filter(self, rows: pd.DataFrame | Any) -> Beliefs:
        """Beliefs along rows that follow those it was grown on; `network.filter` starts any other series.

        A posterior that is no belief holds its prediction for that step; `Beliefs.held` counts these.

        Raises:
            DataError: other columns, or values that cannot be observed.
        """
        return self.network.filter(rows, start=self.last, strict=False)

    def predict(self, rows: pd.DataFrame | Any) -> pd.DataFrame:
        """The mean of every input before each of the rows that follow [time x input].

        Raises:
            DataError: see `filter`.
        """
        return self.filter(rows).frame("expected_mean")[list(self.inputs)]

    def surprise_per_step(self, frame: pd.DataFrame | Any) -> float:
        """Mean joint surprise of the rows of a series, filtered from its beginning, nats per step: minus the mean log
        predictive density. Rows without observations count as steps without surprise.

        Raises:
            DataError: see `filter`.
        """
        return mean_surprise(self.network.filter(frame, strict=False))

    def heldout_surprise_per_step(self, rows: pd.DataFrame | Any) -> float:
        """The same of rows that follow those it was grown on.

        Raises:
            DataError: see `filter`.
        """
        return mean_surprise(self.filter(rows))

    def compare(self, truth: nx.MultiDiGraph) -> Comparison:
        """Agreement with a known graph over the same inputs, hidden nodes matched as well as they can be."""
        from sostruct.structure.compare import compare_beliefs

        return compare_beliefs(self.graph, truth, self.inputs)

    def plot(self, ax: Axes | None = None) -> Axes:
        """The graph with the parameters of every node, drawn into `ax` or a figure of its own."""
        from sostruct.networks.hgf.network_figure import draw_network

        return draw_network(self.network, ax=ax)

    def __repr__(self) -> str:
        topology = self.network.topology
        state = "settled" if self.settled else "not settled"
        return (
            f"Structure: {topology.size} nodes and {len(topology.edges)} edges over {len(self.inputs)} inputs, "
            f"{self.rows} rows, {len(self.history)} epochs, {state}"
        )


def mean_surprise(beliefs: Beliefs) -> float:
    """Mean joint surprise, nats; infinite where a network diverges."""
    with np.errstate(over="ignore"):
        return float(beliefs.surprise.mean(dtype=np.float64))


def settings_of(network: HGF) -> dict[str, Any]:
    """The settings of a belief network by the names of `HGF`'s arguments."""
    options = network.options
    return {
        "update": options.update.name,
        "mean_field": not options.relaxed,
        "carry": "exact" if options.exact else "literature",
        "linearize": "prediction" if options.at_prediction else "previous",
        "assimilate": "joint" if options.joint else "separate",
        "dtype": network.dtype,
    }


def rebuilt(topology: Topology, inputs: tuple[str, ...], settings: dict[str, Any]) -> HGF:
    """The network of a graph, before its first step and in no larger capacity than it needs."""
    return HGF(topology, inputs=inputs, schedule="packed", **settings)
