"""Mixtures as users call them: one function, and the estimator behind it.

`MixtureLearning` follows scikit-learn's habits (`control.estimator`) without depending on scikit-learn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias, final

import networkx as nx
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sostruct.clusters.result import Mixture
from sostruct.control.estimator import AbstractEstimator
from sostruct.control.run import Run
from sostruct.errors import ConfigError
from sostruct.growth import catalogue
from sostruct.growth.base import AbstractGrowthRule
from sostruct.growth.rule import GrowthRule
from sostruct.growth.score import Evidence
from sostruct.networks.mixture.admission import each
from sostruct.networks.mixture.network import MixtureNetwork
from sostruct.tasks.gapped import check_series

PerColumn: TypeAlias = float | Sequence[float]
"""One number, or one for each column, in their order."""


@final
class MixtureLearning(AbstractEstimator[Mixture]):
    """Sorts the rows of a table into clusters, and finds out how many there are.

    Learning starts from one component. Every epoch goes through all rows, each predicted before it is learned; then the
    birth, split, merge or death of components, or the other expected width, that raises the log evidence most is made,
    while there is one.

    What this assumes: in every cluster columns are independent and about Gaussian, of a width of their own. Rows come
    in an order, which matters only where `memory` lets clusters drift. Missing values (NaN) are left out.

    Args:
        start: the graph to start from, such as that of another run, with the columns of the data as inputs; one
            component if None.
        center: where components are expected, in the units of the columns; their means if None.
        spread: standard deviation of the components' centers about `center`; that of the columns if None.
        noise: standard deviation of points about their component, as expected before any is seen; a fifth of the
            columns' standard deviation if None. Every component learns its own, and what is expected is edited like the
            rest where that pays, so it is a beginning: it says how small a group of points is still worth a component.
        concentration: alpha of the Dirichlet process: the larger, the more components are expected.
        freedom: how many points `noise` is worth (more than 2).
        memory: steps over which what was seen fades, for clusters that drift; None forgets nothing.
        growth: a growth rule; `growth.catalogue.crp()` when None.
        epochs: most epochs to run, with an edit each.
        edits_per_epoch: most edits per epoch; None for no limit. Every component competes for every row, so the rules
            here make one.
        seed: of rules that draw at random; the default rule does not.
    """

    def __init__(
        self,
        start: nx.MultiDiGraph | None = None,
        *,
        center: PerColumn | None = None,
        spread: PerColumn | None = None,
        noise: PerColumn | None = None,
        concentration: float = 1.0,
        freedom: float = 4.0,
        memory: float | None = None,
        growth: AbstractGrowthRule | None = None,
        epochs: int = 100,
        edits_per_epoch: int | None = None,
        seed: int = 0,
    ) -> None:
        self.start = start
        self.center = center
        self.spread = spread
        self.noise = noise
        self.concentration = concentration
        self.freedom = freedom
        self.memory = memory
        self.growth = growth
        self.epochs = epochs
        self.edits_per_epoch = edits_per_epoch
        self.seed = seed

    def starting(self, data: pd.DataFrame | Any) -> tuple[pd.DataFrame, MixtureNetwork]:
        """The rows, gaps and all, and the mixture that they are first met with.

        Raises:
            DataError: a column that holds no numbers, infinite ones, or always the same.
            GraphError: the starting graph is no mixture's, or lacks a column.
            ConfigError: a setting is out of its range, or a growth rule for networks of another kind.
        """
        _check_rule(self.growth)
        frame = check_series(data)
        given = {
            name: each(name, value, tuple(frame.columns), positive=name != "center").tolist()
            for name in ("center", "spread", "noise")
            if (value := getattr(self, name)) is not None
        }
        shared = {name: getattr(self, name) for name in ("concentration", "freedom", "memory")}
        if self.start is None:
            return frame, MixtureNetwork.suited(frame, **given, **shared)
        twice = [name for name in ("center", "noise") if name in given]
        if twice:
            raise ConfigError(
                f"Cannot use {twice[0]}={getattr(self, twice[0])!r} with a graph to start from. This is because its "
                "inputs say where components are expected and how wide (`mean` and `precision`). Try one of the two."
            )
        spread = given.get("spread", frame.std(ddof=0).tolist())
        return frame, MixtureNetwork.of(self.start, inputs=tuple(frame.columns), spread=spread, **shared)

    def default_rule(self) -> AbstractGrowthRule:
        """Births, splits, merges and deaths by price."""
        return catalogue.crp()

    def result_of(self, finished: Run) -> Mixture:
        """What a finished run of an assembled network found."""
        final = finished.network
        assert isinstance(final, MixtureNetwork)
        return Mixture.of(final, finished.data.values, finished.journal, finished.history, finished.settled)

    @property
    def graph_(self) -> nx.MultiDiGraph:
        """The found graph."""
        return self.result_.graph

    @property
    def labels_(self) -> NDArray[np.object_]:
        """The component of every fitted row by name, or "new" [time]."""
        return self.result_.labels

    def predict(self, X: pd.DataFrame | Any) -> NDArray[np.object_]:
        """The component that each of other rows is most likely of by name, or "new" [time]; nothing is learned.

        Raises:
            DataError: other columns, or values that cannot be observed.
        """
        return self.result_.predict(X)

    def predict_proba(self, X: pd.DataFrame | Any) -> NDArray[np.float64]:
        """Probability that each of other rows is of each component, then of a new one [time, component + 1]."""
        return self.result_.network.share(X)

    def score(self, X: pd.DataFrame | Any, y: None = None) -> float:
        """Mean log predictive density of rows that follow the fitted ones, nats per row. Higher is better."""
        return -self.result_.heldout_surprise_per_step(X)


def learn_mixture(frame: pd.DataFrame | Any, **settings: Any) -> Mixture:
    """The clusters that the rows of a table fall into.

    `ss.learn_mixture(frame).components` is a table of them, `.labels` says whose each row is, `.network` tells for any
    other. `settings` are those of `MixtureLearning`, which says what is assumed and what they mean.

    Raises:
        DataError, ConfigError, GraphError: see `MixtureLearning.fit`.
        TypeError: a setting that does not exist.
    """
    return MixtureLearning(**settings).fit(frame).result_


def _check_rule(rule: AbstractGrowthRule | None) -> None:
    """A rule that asks for prices which a mixture does not have would find nothing and say nothing."""
    if not isinstance(rule, GrowthRule) or not isinstance(rule.scorer, Evidence):
        return
    if not rule.trigger.exhausted(rule.trigger.init()):
        raise ConfigError(
            "Cannot grow a mixture by growth=evidence. This is because only merges have a closed-form price in it, and "
            "births have none. Try growth=crp, which prices all edits by running them."
        )
