"""Layered networks as users call them: `LayeredClassifier` and `LayeredRegressor`.

They follow scikit-learn's habits (`control.estimator`) without depending on scikit-learn. Everything that makes a fit
is a setting of plain values or one object (an optimizer of optax, a growth rule), so a fit is a function of settings
and data.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, final

import jax
import networkx as nx
import numpy as np
import optax
import pandas as pd
from numpy.typing import NDArray

from sostruct.control.estimator import AbstractEstimator
from sostruct.control.run import EpochReport, Run
from sostruct.errors import ConfigError, DataError
from sostruct.growth.base import AbstractGrowthRule
from sostruct.growth.catalogue import none
from sostruct.growth.layered.limits import Units
from sostruct.growth.rule import GrowthRule
from sostruct.networks.hgf.couplings import FUNCTIONS
from sostruct.networks.layered.building import feedforward
from sostruct.networks.layered.learning import Learning, adam
from sostruct.networks.layered.network import LayeredNetwork
from sostruct.networks.layered.plan import CLASSIFICATION, REGRESSION
from sostruct.networks.layered.reading import Label, Reading, classes_of, framed, plain
from sostruct.prediction.result import Predictor
from sostruct.tasks.base import listed

_TARGETS = "targets"
"""Where a table that was joined says which of its columns are targets."""


class AbstractLayered(AbstractEstimator[Predictor]):
    """What both have in common.

    Settings that both take:
        hidden: widths of the dense populations to start with; () for a linear network.
        function: what their units send: the name of a coupling function ("tanh", "relu", "sigmoid", "identity", or one
            registered by `register_function`).
        skip: whether the input also feeds the output directly.
        start: the graph to start from instead (`LayeredNetwork.of`); `hidden`, `function` and `skip` play no part then.
        target: the column of X that is predicted, where y is not given.
        growth: a growth rule; None keeps the graph as it is.
        epochs: most epochs, each `passes` over the rows.
        optimizer: any `optax.GradientTransformation`; `optax.adam(rate)` when None.
        rate: learning rate of the default optimizer.
        anneal: whether it falls to 0, as half a cosine, over all `epochs` (Loshchilov & Hutter 2017).
        batch: rows per step.
        passes, decay, noise, smoothing, patience: see `networks.layered.learning.Learning`.
        validation: share of the rows held out of learning, which say when to stop and which parameters were best; 0 for
            none.
        standardize: whether features are standardized; if not, they are taken as they are.
        edits_per_epoch: most edits per epoch; None for no limit. Every edit changes what all others are worth, so the
            rules here make one.
        seed: of the first weights, the order of rows, noise, and which rows are held out.
    """

    hidden: Sequence[int]
    function: str
    skip: bool
    start: nx.MultiDiGraph | None
    target: str | Sequence[str] | None
    optimizer: optax.GradientTransformation | None
    rate: float
    anneal: bool
    batch: int
    passes: int
    decay: float
    noise: float
    smoothing: float
    patience: int | None
    validation: float
    standardize: bool

    @abc.abstractmethod
    def _classes(self, frame: pd.DataFrame, targets: tuple[str, ...]) -> tuple[Label, ...]:
        """The classes to tell apart; none for a regression."""

    @abc.abstractmethod
    def _output(self, classes: tuple[Label, ...], targets: tuple[str, ...]) -> tuple[str, int]:
        """Kind and width of the output."""

    def fit(
        self,
        X: pd.DataFrame | Any,
        y: Any = None,
        *,
        folder: Path | None = None,
        on_epoch: Callable[[EpochReport], None] | None = None,
    ) -> Self:
        """Learns, and grows where there is a growth rule.

        Args:
            X: DataFrame or array of features [row, column], numbers without gaps.
            y: labels or values [row], or [row, target]; None where they are columns of X (`target`).
            folder: where to keep journal, signals and a checkpoint after every epoch; continued if it has one.
            on_epoch: called after every epoch.

        Returns:
            self, with `result_`, `n_features_in_`, `feature_names_in_`, `n_iter_` (epochs).

        Raises:
            DataError: data that cannot be used; the message names the column.
            ConfigError: settings that do not fit the data.
            GraphError: the starting graph is not that of a layered network.
        """
        super().fit(self.joined(X, y), folder=folder, on_epoch=on_epoch)
        self.feature_names_in_ = list(self.result_.network.reading.features)
        self.n_features_in_ = len(self.feature_names_in_)
        self.n_iter_ = len(self.result_.history)
        return self

    def joined(self, X: pd.DataFrame | Any, y: Any) -> pd.DataFrame:
        """Features and targets as one table.

        Raises:
            DataError: there are no targets, or not one for each row.
        """
        frame = framed(X)
        if y is None:
            if self.target is None:
                raise DataError(
                    "Cannot fit without y. This is because no column of X is named as the target. Try fit(X, y), or "
                    "target= the name of a column."
                )
            return frame
        values = np.asarray(y)
        values = values[:, None] if values.ndim == 1 else values
        if values.ndim != 2 or len(values) != len(frame):
            raise DataError(
                f"Cannot use y of shape {np.shape(y)}. This is because X has {len(frame)} rows. Try a target for each."
            )
        names = self._named(values.shape[1])
        taken = [name for name in names if name in frame.columns]
        if taken:
            raise DataError(
                f"Cannot name the target {taken[0]!r}. This is because a feature has that name. Try target= another "
                "name."
            )
        columns = {name: values[:, place] for place, name in enumerate(names)}
        table = pd.concat([frame, pd.DataFrame(columns, index=frame.index)], axis=1)
        table.attrs[_TARGETS] = names
        return table

    def _named(self, count: int | None = None) -> tuple[str, ...]:
        """The columns of the targets."""
        if self.target is None:
            return ("y",) if count in (1, None) else tuple(f"y{place}" for place in range(count or 0))
        names = (self.target,) if isinstance(self.target, str) else tuple(self.target)
        if count is not None and len(names) != count:
            raise DataError(
                f"Cannot use {count} columns of y. This is because target={self.target!r} names {len(names)}. Try a "
                "name for each."
            )
        return names

    def starting(self, data: pd.DataFrame | Any) -> tuple[pd.DataFrame, LayeredNetwork]:
        """The rows with their targets, and the network that learning starts from.

        Args:
            data: features and targets as one table (`joined`).

        Raises:
            DataError: a column is missing, holds no numbers or gaps, or labels outside the classes.
            GraphError: the starting graph is not that of a layered network.
            ConfigError: a setting is out of its range.
        """
        frame = framed(data)
        targets = self._named() if self.target is not None else tuple(frame.attrs.get(_TARGETS, ("y",)))
        features = tuple(name for name in frame.columns if name not in targets)
        missing = [name for name in targets if name not in frame.columns]
        if missing or not features:
            raise DataError(
                f"Cannot predict {listed(targets)}. This is because the table has the columns {listed(frame.columns)}. "
                "Try target= one of them, with others as features."
            )
        classes = self._classes(frame, targets)
        reading = Reading(features, targets, classes, self.validation, self.seed)
        data = reading.data(frame)
        network = LayeredNetwork.of(
            self._graph(len(features), classes, targets),
            learning=self._learning(len(data.target)),
            reading=reading,
            key=jax.random.key(self.seed),
        )
        for restraint in self.growth.restraints if isinstance(self.growth, GrowthRule) else ():
            if isinstance(restraint, Units):
                restraint.check(network)
        return frame, network.standardized(data, inputs=self.standardize)

    def _graph(self, columns: int, classes: tuple[Label, ...], targets: tuple[str, ...]) -> Any:
        if self.start is not None:
            return self.start
        if self.function not in FUNCTIONS:
            raise ConfigError(
                f"Cannot use function={self.function!r}. This is because no coupling function has that name. Try one "
                f"of {listed(sorted(FUNCTIONS))}, or register_function."
            )
        if not all(isinstance(wide, int) and not isinstance(wide, bool) and wide > 0 for wide in self.hidden):
            raise ConfigError(
                f"Cannot use hidden={self.hidden!r}. This is because populations have whole numbers of units. Try "
                "hidden=(32,)."
            )
        kind, units = self._output(classes, targets)
        return feedforward(columns, self.hidden, kind, units, function=self.function, skip=self.skip)

    def _learning(self, rows: int) -> Learning:
        if self.optimizer is None and not (isinstance(self.rate, (int, float)) and self.rate > 0.0):
            raise ConfigError(
                f"Cannot learn at rate={self.rate!r}. This is because a learning rate is positive. Try rate=0.003."
            )
        learning = Learning(
            adam() if self.optimizer is None else self.optimizer,
            self.batch,
            self.passes,
            self.decay,
            self.noise,
            self.smoothing,
            self.patience,
        )
        if self.optimizer is not None:
            return learning
        steps = self.epochs * learning.passes * -(-rows // min(learning.batch, rows)) if self.anneal else None
        return replace(learning, optimizer=adam(float(self.rate), steps))

    def default_rule(self) -> AbstractGrowthRule:
        """No edits: the graph stays as it is."""
        return none()

    def result_of(self, finished: Run) -> Predictor:
        """What a finished run of an assembled network found."""
        final = finished.network
        assert isinstance(final, LayeredNetwork)
        rows = len(finished.data.target) + len(finished.data.heldout_target)
        return Predictor(final.at_best(), rows, finished.journal, finished.history, finished.settled)

    @property
    def graph_(self) -> nx.MultiDiGraph:
        """The found graph."""
        return self.result_.graph

    def predict(self, X: pd.DataFrame | Any) -> NDArray[Any]:
        """The likeliest class of each row, or its predicted value.

        Raises:
            DataError: features are missing, or values are missing or no numbers.
        """
        return self.result_.predict(X)


@final
class LayeredClassifier(AbstractLayered):
    """Tells classes apart by a network of populations that learns by backpropagation, and grows where it is told to.

    A network without growth: `LayeredClassifier(hidden=(32,)).fit(X, y)`. All settings but these are those of
    `AbstractLayered`.

    Args:
        classes: the labels there can be, in the order of `predict_proba`; those of y, sorted, when None.
    """

    def __init__(
        self,
        hidden: Sequence[int] = (32,),
        *,
        function: str = "tanh",
        skip: bool = False,
        start: nx.MultiDiGraph | None = None,
        target: str | Sequence[str] | None = None,
        classes: Sequence[Label] | None = None,
        growth: AbstractGrowthRule | None = None,
        epochs: int = 100,
        optimizer: optax.GradientTransformation | None = None,
        rate: float = 0.003,
        anneal: bool = False,
        batch: int = 32,
        passes: int = 1,
        decay: float = 0.0,
        noise: float = 0.0,
        smoothing: float = 0.0,
        patience: int | None = 20,
        validation: float = 0.15,
        standardize: bool = True,
        edits_per_epoch: int | None = None,
        seed: int = 0,
    ) -> None:
        self.hidden = hidden
        self.function = function
        self.skip = skip
        self.start = start
        self.target = target
        self.classes = classes
        self.growth = growth
        self.epochs = epochs
        self.optimizer = optimizer
        self.rate = rate
        self.anneal = anneal
        self.batch = batch
        self.passes = passes
        self.decay = decay
        self.noise = noise
        self.smoothing = smoothing
        self.patience = patience
        self.validation = validation
        self.standardize = standardize
        self.edits_per_epoch = edits_per_epoch
        self.seed = seed

    def _classes(self, frame: pd.DataFrame, targets: tuple[str, ...]) -> tuple[Label, ...]:
        if len(targets) != 1:
            raise DataError(
                f"Cannot tell classes apart by {len(targets)} columns of labels. This is because a row has one class. "
                "Try one column."
            )
        if self.classes is not None:
            if len(set(self.classes)) < max(len(self.classes), 2):
                raise ConfigError(
                    f"Cannot use classes={self.classes!r}. This is because there must be at least two, each named "
                    "once. Try the labels of y."
                )
            return tuple(plain(label) for label in self.classes)
        return classes_of(frame[targets[0]].tolist(), targets[0])

    def _output(self, classes: tuple[Label, ...], targets: tuple[str, ...]) -> tuple[str, int]:
        return CLASSIFICATION, 1 if len(classes) == 2 else len(classes)

    @property
    def classes_(self) -> NDArray[Any]:
        """The labels, in the order of `predict_proba`."""
        return np.array(self.result_.classes)

    def predict_proba(self, X: pd.DataFrame | Any) -> NDArray[np.float64]:
        """The probability of every class [row, class].

        Raises:
            DataError: see `predict`.
        """
        return self.result_.predict_proba(X)

    def score(self, X: pd.DataFrame | Any, y: Any = None) -> float:
        """Share of rows whose predicted class is theirs.

        Raises:
            DataError: see `predict`; or labels are none of the classes.
        """
        return self.result_.accuracy(self.joined(X, y))


@final
class LayeredRegressor(AbstractLayered):
    """Predicts values by a network of populations that learns by backpropagation, and grows where it is told to.

    Targets are Gaussian about the prediction, each with a variance of its own that is estimated from the learned rows.
    All settings are those of `AbstractLayered`.
    """

    def __init__(
        self,
        hidden: Sequence[int] = (32,),
        *,
        function: str = "tanh",
        skip: bool = False,
        start: nx.MultiDiGraph | None = None,
        target: str | Sequence[str] | None = None,
        growth: AbstractGrowthRule | None = None,
        epochs: int = 100,
        optimizer: optax.GradientTransformation | None = None,
        rate: float = 0.003,
        anneal: bool = False,
        batch: int = 32,
        passes: int = 1,
        decay: float = 0.0,
        noise: float = 0.0,
        patience: int | None = 20,
        validation: float = 0.15,
        standardize: bool = True,
        edits_per_epoch: int | None = None,
        seed: int = 0,
    ) -> None:
        self.hidden = hidden
        self.function = function
        self.skip = skip
        self.start = start
        self.target = target
        self.growth = growth
        self.epochs = epochs
        self.optimizer = optimizer
        self.rate = rate
        self.anneal = anneal
        self.batch = batch
        self.passes = passes
        self.decay = decay
        self.noise = noise
        self.smoothing = 0.0
        self.patience = patience
        self.validation = validation
        self.standardize = standardize
        self.edits_per_epoch = edits_per_epoch
        self.seed = seed

    def _classes(self, frame: pd.DataFrame, targets: tuple[str, ...]) -> tuple[Label, ...]:
        return ()

    def _output(self, classes: tuple[Label, ...], targets: tuple[str, ...]) -> tuple[str, int]:
        return REGRESSION, len(targets)

    def score(self, X: pd.DataFrame | Any, y: Any = None) -> float:
        """Coefficient of determination: the mean over targets of 1 minus squared errors over squared differences from
        the mean.

        Raises:
            DataError: see `predict`.
        """
        return self.result_.explained(self.joined(X, y))
