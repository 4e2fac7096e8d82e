"""What was found in the rows of a table: components, whose each row is, how it came about, and how well it predicts.

Design note. The network here is built afresh from the final graph and led through the rows once, so that it depends on
the graph, the settings and the data, and on nothing else the run went through: an interrupted run, a longer one and a
loaded one give the same numbers to the last digit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, final

import jax
import networkx as nx
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sostruct.clusters.agreement import adjusted_rand_index
from sostruct.control.history import SignalHistory
from sostruct.graph import Journal, edge_table
from sostruct.networks.mixture.network import MixtureNetwork
from sostruct.networks.mixture.packed import MixtureGains

POINTS = ("component", "share", "surprise")
"""First columns of `Mixture.points`; the values of the inputs x follow, named "x value"."""

NEW = "new"
"""The label of a row that is rather of no component than of any."""

NOBODY = ""
"""The label of a row in which nothing was observed."""


class Followed(NamedTuple):
    """A mixture led through rows: the mixture after them, a table of them as `Mixture.points` is one, and their log
    evidence in nats, which is minus their surprise, less what new components paid for their places."""

    network: MixtureNetwork
    points: pd.DataFrame
    log_evidence: float


def follow(network: MixtureNetwork, rows: pd.DataFrame | ArrayLike) -> Followed:
    """Leads a mixture through rows, each of which is predicted before it is learned.

    Raises:
        DataError: other columns, or values that cannot be observed.
    """
    after, signals = network.epoch(network.prepare(rows), key=jax.random.key(0))
    gains = signals.gains
    assert isinstance(gains, MixtureGains)
    shares = np.asarray(gains.share, np.float64)
    shares = np.column_stack([shares, 1.0 - shares.sum(axis=1)])
    values = np.asarray(gains.points, np.float64)
    seen = np.asarray(~np.isnan(values).all(axis=1))
    points = {
        "component": _named(network, shares, seen),
        "share": np.where(seen, shares.max(axis=1), np.nan),
        "surprise": -np.asarray(gains.log_density, np.float64),
        **{f"{name} value": values[:, column] for column, name in enumerate(network.inputs)},
    }
    return Followed(after, pd.DataFrame(points), float(np.asarray(signals.evidence)))


@final
@dataclass(frozen=True, eq=False)
class Mixture:
    """A mixture grown on the rows of a table.

    Attributes:
        network: the mixture as the rows left it: `network.share` and `network.log_density` are about any other rows,
            and `network.reset()` is the mixture before it has seen one.
        points: of every row it was grown on, as it came in: `component`, whose it most likely is ("new" where it is
            rather of none, "" where nothing was observed); `share`, how likely; `surprise`, minus its log predictive
            density given the rows before, nats; and its value in every input x, "x value".
        log_evidence: of these rows, nats: minus their surprise, less what the components paid for their places.
        journal: every edit considered, with its price; `journal.replay(epoch)` is the graph at any epoch.
        history: signals of every node at every epoch.
        settled: whether the run ended by itself: nothing was worth editing and nothing was being waited for.
    """

    network: MixtureNetwork
    points: pd.DataFrame
    log_evidence: float
    journal: Journal
    history: SignalHistory
    settled: bool

    @classmethod
    def of(cls, final: MixtureNetwork, rows: Any, journal: Journal, history: SignalHistory, settled: bool) -> Mixture:
        """The result of a run.

        Args:
            final: the network after the run.
            rows: what it ran on, [time, input] in the order of the network's inputs.
            journal, history, settled: the run's.
        """
        followed = follow(final.afresh(final.topology), rows)
        return cls(followed.network, followed.points, followed.log_evidence, journal, history, settled)

    @property
    def graph(self) -> nx.MultiDiGraph:
        """The graph, from components to the inputs, with where each begins; a copy."""
        return self.network.graph

    @property
    def inputs(self) -> tuple[str, ...]:
        """The observed columns, in their order."""
        return self.network.inputs

    @property
    def labels(self) -> NDArray[np.object_]:
        """The column `component` of `points` [time]."""
        return self.points["component"].to_numpy()

    @cached_property
    def components(self) -> pd.DataFrame:
        """What is known of every component: `component`, `weight` (how many rows it remembers), then per input `mean`
        and `sd` of the next point it would make, named "x mean" and "x sd"."""
        return self.network.table().rename_axis("component").reset_index()

    @cached_property
    def edges(self) -> pd.DataFrame:
        """The edges of the graph: `source` (a component), `target` (an input), `coupling`, `strength` (where the
        component begins) and `function`."""
        return edge_table(self.network.topology)

    @cached_property
    def nodes(self) -> pd.DataFrame:
        """The nodes: `node`, `kind`, `observed`, then `mean` and `precision` of the inputs (where components are
        expected, and how narrow) and `count` of the components (how many points their beginning is worth)."""
        observed = frozenset(self.inputs)
        rows = []
        for node in self.network.topology.nodes:
            own = dict(node.parameters)
            about = {name: own.get(name, np.nan) for name in ("mean", "precision", "count")}
            rows.append({"node": node.name, "kind": node.kind, "observed": node.name in observed, **about})
        return pd.DataFrame(rows)

    def follow(self, rows: pd.DataFrame | ArrayLike) -> Followed:
        """Leads the mixture through rows that follow those it was grown on, as `points` describes them; this mixture
        does not change.

        Raises:
            DataError: other columns, or values that cannot be observed.
        """
        return follow(self.network, rows)

    def predict(self, rows: pd.DataFrame | ArrayLike) -> NDArray[np.object_]:
        """Whose each of other rows is most likely, given the mixture as it stands [time]; nothing is learned.

        Raises:
            DataError: see `follow`.
        """
        seen = ~np.isnan(np.asarray(self.network.prepare(rows).values)).all(axis=1)
        return _named(self.network, self.network.share(rows), seen)

    def surprise_per_step(self, rows: pd.DataFrame | ArrayLike) -> float:
        """Mean surprise of the rows of a table that the mixture meets from its beginning, nats per row: minus the mean
        log predictive density. Rows in which nothing was observed count as rows without surprise.

        Raises:
            DataError: see `follow`.
        """
        return mean_surprise(follow(self.network.reset(), rows))

    def heldout_surprise_per_step(self, rows: pd.DataFrame | ArrayLike) -> float:
        """The same of rows that follow those it was grown on.

        Raises:
            DataError: see `follow`.
        """
        return mean_surprise(self.follow(rows))

    def compare(self, labels: ArrayLike) -> float:
        """Agreement of the rows' components with known clusters: the adjusted Rand index, 1 where they are the same.

        Args:
            labels: the cluster of every row it was grown on.

        Raises:
            DataError: there is not one for each row.
        """
        return adjusted_rand_index(self.labels.astype(str), labels)

    def __repr__(self) -> str:
        count = len(self.network.components)
        state = "settled" if self.settled else "not settled"
        return (
            f"Mixture: {count} component{'' if count == 1 else 's'} over {len(self.inputs)} inputs, "
            f"{len(self.points)} rows, {len(self.history)} epochs, {state}"
        )


def mean_surprise(followed: Followed) -> float:
    """Mean surprise of rows that were followed, nats."""
    return float(followed.points["surprise"].mean())


def _named(network: MixtureNetwork, shares: NDArray[np.float64], seen: NDArray[np.bool_]) -> NDArray[np.object_]:
    names = np.array([*network.components, NEW], dtype=object)
    return np.where(seen, names[shares.argmax(axis=1)], NOBODY)
