"""What the estimators that users call have in common: scikit-learn's habits around one run of the loop.

Settings are the arguments of `__init__` and nothing else, `fit` returns self, learned attributes end in an underscore;
scikit-learn itself is not needed. An estimator says what it runs (`assembled`) and what came of it (`result_of`), so
that somebody else may drive the run: a population does.
"""

from __future__ import annotations

import abc
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, NamedTuple, Self, TypeVar

import jax
import pandas as pd
from jaxtyping import PRNGKeyArray

from sostruct.control.controller import Controller
from sostruct.control.run import EpochReport, Run, run
from sostruct.errors import ConfigError
from sostruct.growth.base import AbstractGrowthRule
from sostruct.networks.base import AbstractNetwork

Result = TypeVar("Result")


class Assembled(NamedTuple):
    """What a fit runs: the checked series, the network that the run starts from, the controller and the random key."""

    frame: pd.DataFrame
    network: AbstractNetwork
    controller: Controller
    key: PRNGKeyArray


class AbstractEstimator(abc.ABC, Generic[Result]):
    """An estimator whose fit is one run of the loop."""

    growth: AbstractGrowthRule | None
    epochs: int
    edits_per_epoch: int | None
    seed: int
    result_: Result

    @abc.abstractmethod
    def starting(self, data: Any) -> tuple[pd.DataFrame, AbstractNetwork]:
        """The checked series, and the network that learning starts from.

        Raises:
            DataError, ConfigError, GraphError: data or settings cannot be used.
        """

    @abc.abstractmethod
    def default_rule(self) -> AbstractGrowthRule:
        """The growth rule where none was given."""

    @abc.abstractmethod
    def result_of(self, finished: Run) -> Result:
        """What a finished run of an assembled network found."""

    def fit(
        self,
        X: pd.DataFrame | Any,
        y: Any = None,
        *,
        folder: Path | None = None,
        on_epoch: Callable[[EpochReport], None] | None = None,
    ) -> Self:
        """Finds the graph of a series.

        Args:
            X: DataFrame or array [time x variable], rows in order of time; what it may hold is in `starting`.
            y: ignored, where an estimator does not say what it is.
            folder: where to keep the journal, the signals and a checkpoint after every epoch; continued if it has one.
            on_epoch: called after every epoch.

        Returns:
            self, with `result_`, `n_features_in_` and `feature_names_in_`.

        Raises:
            DataError: data that cannot be used; the message names the column.
            ConfigError: settings that do not fit the data.
        """
        frame, network, controller, key = self.assembled(X)
        finished = run(network, frame, controller, epochs=self.epochs, key=key, folder=folder, on_epoch=on_epoch)
        self.result_ = self.result_of(finished)
        self.n_features_in_ = len(frame.columns)
        self.feature_names_in_ = list(frame.columns)
        return self

    def check(self, X: pd.DataFrame | Any) -> None:
        """Raises what `fit` would raise about data and settings, without doing the work."""
        self.assembled(X)

    def assembled(self, data: pd.DataFrame | Any) -> Assembled:
        """What `fit` runs.

        Raises:
            DataError, ConfigError: see `fit`.
        """
        if self.epochs < 1:
            raise ConfigError(f"Cannot run {self.epochs} epochs. This is because a run needs at least one. Try 100.")
        controller = Controller(self.default_rule() if self.growth is None else self.growth, self.edits_per_epoch)
        frame, network = self.starting(data)
        controller.growth.init(network)  # refuses networks that the rule cannot edit, before any work starts
        return Assembled(frame, network, controller, jax.random.key(self.seed))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The settings by name."""
        return {name: getattr(self, name) for name in self._settings()}

    def set_params(self, **settings: Any) -> Self:
        """Changes settings by name.

        Raises:
            ConfigError: a setting that does not exist.
        """
        known = self._settings()
        for name, value in settings.items():
            if name not in known:
                raise ConfigError(
                    f"Cannot set {name!r}. This is because {type(self).__name__} has no such setting. Try one of: "
                    f"{', '.join(known)}."
                )
            setattr(self, name, value)
        return self

    @classmethod
    def _settings(cls) -> tuple[str, ...]:
        return tuple(inspect.signature(cls).parameters)

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self)).parameters
        changed = {name: value for name, value in self.get_params().items() if value != defaults[name].default}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in changed.items())})"
