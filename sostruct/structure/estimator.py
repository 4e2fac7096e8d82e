"""Structure learning as users call it: one function, and the estimator behind it.

`StructureLearning` follows scikit-learn's habits (`control.estimator`) without depending on scikit-learn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import networkx as nx
import pandas as pd

from sostruct.control.estimator import AbstractEstimator
from sostruct.control.run import Run
from sostruct.errors import ConfigError
from sostruct.growth import catalogue
from sostruct.growth.base import AbstractGrowthRule
from sostruct.growth.rule import GrowthRule
from sostruct.growth.score import Evidence
from sostruct.networks.hgf.beliefs import Beliefs
from sostruct.networks.hgf.builders import bare_hgf
from sostruct.networks.hgf.network import HGF
from sostruct.structure.result import Structure
from sostruct.tasks.gapped import check_series


@final
class StructureLearning(AbstractEstimator[Structure]):
    """Grows the belief network behind a set of series: which hidden states there are, and what each of them drives.

    Learning starts from inputs that have nothing in common, each the noisy view of a random walk of its own. Every
    epoch filters the whole series; where the errors that are left show a pattern (their size comes and goes, they
    follow one another, two inputs share them), the edit that would explain it is priced in nats of log evidence and
    made where that is positive: hidden parents of means and of volatilities, shared or single, pruned and split again.

    What this assumes: inputs that are continuous or binary, rows equally far apart, and a structure that does not
    change over the rows. Missing values (NaN) are left out.

    Args:
        start: the graph to start from, with the columns of the data as observed leaves; every input by itself if None.
        binary: columns of outcomes 0 and 1, where no graph is given that says so.
        growth: a growth rule; `growth.catalogue.residual()` when None.
        epochs: most epochs to run.
        edits_per_epoch: most edits per epoch; None for no limit.
        seed: of rules that draw at random; the default rule does not.
        update, mean_field, carry, linearize, assimilate, dtype: how the network filters, as in `HGF`.
    """

    def __init__(
        self,
        start: nx.DiGraph | None = None,
        *,
        binary: Sequence[str] = (),
        growth: AbstractGrowthRule | None = None,
        epochs: int = 100,
        edits_per_epoch: int | None = None,
        seed: int = 0,
        update: str = "ehgf",
        mean_field: bool = True,
        carry: str = "exact",
        linearize: str = "prediction",
        assimilate: str = "joint",
        dtype: str = "float64",
    ) -> None:
        self.start = start
        self.binary = binary
        self.growth = growth
        self.epochs = epochs
        self.edits_per_epoch = edits_per_epoch
        self.seed = seed
        self.update = update
        self.mean_field = mean_field
        self.carry = carry
        self.linearize = linearize
        self.assimilate = assimilate
        self.dtype = dtype

    def starting(self, data: pd.DataFrame | Any) -> tuple[pd.DataFrame, HGF]:
        """The series, gaps and all, and the network of the starting graph.

        Raises:
            DataError: a column that holds no numbers, infinite ones, or always the same; rows out of order.
            GraphError: the starting graph is none that can be filtered, or lacks a column.
            ConfigError: a setting is not one of its choices, or a growth rule for networks of another kind.
        """
        _check_rule(self.growth)
        frame = check_series(data)
        network = HGF(
            bare_hgf(frame, binary=self.binary) if self.start is None else self.start,
            inputs=tuple(frame.columns),
            update=self.update,
            mean_field=self.mean_field,
            carry=self.carry,
            linearize=self.linearize,
            assimilate=self.assimilate,
            schedule="packed",
            dtype=self.dtype,
        )
        network.prepare(frame)
        return frame, network

    def default_rule(self) -> AbstractGrowthRule:
        """Growth where the errors that are left show what is missing."""
        return catalogue.residual()

    def result_of(self, finished: Run) -> Structure:
        """What a finished run of an assembled network found."""
        final = finished.network
        assert isinstance(final, HGF)
        return Structure.of(final, finished.data.inputs, finished.journal, finished.history, finished.settled)

    @property
    def graph_(self) -> nx.MultiDiGraph:
        """The found graph."""
        return self.result_.graph

    def filter(self, X: pd.DataFrame | Any) -> Beliefs:
        """Beliefs along rows that follow the fitted ones (`result_.network.filter` starts any other series).

        Raises:
            DataError: other columns, or values that cannot be observed.
        """
        return self.result_.filter(X)

    def predict(self, X: pd.DataFrame | Any) -> pd.DataFrame:
        """The mean of every input before each of the rows that follow the fitted ones [time x input]."""
        return self.result_.predict(X)

    def score(self, X: pd.DataFrame | Any, y: None = None) -> float:
        """Mean joint log predictive density of rows that follow the fitted ones, nats per step. Higher is better."""
        return -self.result_.heldout_surprise_per_step(X)


def learn_structure(frame: pd.DataFrame | Any, **settings: Any) -> Structure:
    """The belief network behind a set of series.

    `ss.learn_structure(frame).graph` is a networkx graph from hidden parents to the columns of the frame; `.network`
    filters with it. `settings` are those of `StructureLearning`, which says what is assumed and what they mean.

    Raises:
        DataError, ConfigError, GraphError: see `StructureLearning.fit`.
        TypeError: a setting that does not exist.
    """
    return StructureLearning(**settings).fit(frame).result_


def _check_rule(rule: AbstractGrowthRule | None) -> None:
    """A rule that asks for prices which a belief network does not have would find nothing and say nothing."""
    if isinstance(rule, GrowthRule) and isinstance(rule.scorer, Evidence) and not _idle(rule):
        raise ConfigError(
            "Cannot grow a belief network by growth=evidence. This is because it has no closed-form price of an edit. "
            "Try growth=residual, which prices edits by filtering with them."
        )


def _idle(rule: GrowthRule) -> bool:
    return rule.trigger.exhausted(rule.trigger.init())
