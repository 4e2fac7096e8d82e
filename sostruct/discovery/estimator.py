"""Causal discovery as users call it: one function, and the estimator behind it.

`CausalDiscovery` follows scikit-learn's habits (settings in `__init__` and nowhere else, `fit` returns self, learned
attributes end in an underscore) without depending on scikit-learn.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import jax
import networkx as nx
import pandas as pd
from jaxtyping import PRNGKeyArray

from sostruct.control.controller import Controller
from sostruct.control.run import EpochReport, Run, run
from sostruct.discovery.posterior import Posterior
from sostruct.discovery.result import Discovery
from sostruct.errors import ConfigError
from sostruct.growth import catalogue
from sostruct.growth.base import AbstractGrowthRule
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.tasks.checks import check_frame


class CausalDiscovery:
    """Finds which series drives which, at which lag, and how sure that is.

    Every series is a Bayesian linear regression on the past of its parents (exact normal-inverse-gamma evidence).
    Starting from no edges, every epoch prices all additions, removals and replacements of one edge per series in nats
    of log evidence and makes the best; the graph is the fixed point.

    What this assumes: linear effects at lags 1..max_lag, no hidden common causes, no effects faster than one step,
    and a system that does not change over the rows.

    Args:
        max_lag: the largest lag, in rows.
        forbidden: (cause, effect) or (cause, effect, lag) that may not be in the graph.
        required: (cause, effect, lag) that must be, or (cause, effect) of which at least one lag must be.
        expected_parents: prior expected number of parents per series over all lags.
        ridge: prior precision of a standardized weight, in units of the noise precision.
        growth: a growth rule; `growth.catalogue.evidence()` when None.
        epochs: most epochs to run.
        edits_per_epoch: most edits per epoch over all series; None for no limit.
        seed: of rules that draw at random; the default rule does not.
    """

    def __init__(
        self,
        max_lag: int = 3,
        *,
        forbidden: Iterable[Sequence[Any]] = (),
        required: Iterable[Sequence[Any]] = (),
        expected_parents: float = 2.0,
        ridge: float = 1.0,
        growth: AbstractGrowthRule | None = None,
        epochs: int = 100,
        edits_per_epoch: int | None = None,
        seed: int = 0,
    ) -> None:
        self.max_lag = max_lag
        self.forbidden = tuple(forbidden) if isinstance(forbidden, Iterator) else forbidden
        self.required = tuple(required) if isinstance(required, Iterator) else required
        self.expected_parents = expected_parents
        self.ridge = ridge
        self.growth = growth
        self.epochs = epochs
        self.edits_per_epoch = edits_per_epoch
        self.seed = seed

    def fit(
        self,
        X: pd.DataFrame | Any,
        y: None = None,
        *,
        folder: Path | None = None,
        on_epoch: Callable[[EpochReport], None] | None = None,
    ) -> Self:
        """Finds the graph of a series.

        Args:
            X: DataFrame or array [time x variable], rows in order of time and equally spaced, complete.
            y: ignored.
            folder: where to keep the journal, the signals and a checkpoint after every epoch; continued if it has one.
            on_epoch: called after every epoch.

        Returns:
            self, with `result_` (a `Discovery`), `graph_`, `n_features_in_` and `feature_names_in_`.

        Raises:
            DataError: data that cannot be used; the message names the column.
            ConfigError: settings that do not fit the data.
        """
        frame, network, controller, key = self.assembled(X)
        self.result_ = self.result_of(
            run(network, frame, controller, epochs=self.epochs, key=key, folder=folder, on_epoch=on_epoch)
        )
        self.n_features_in_ = len(frame.columns)
        self.feature_names_in_ = list(frame.columns)
        return self

    def check(self, X: pd.DataFrame | Any) -> None:
        """Raises what `fit` would raise about data and settings, without doing the work."""
        self.assembled(X)

    @staticmethod
    def result_of(finished: Run) -> Discovery:
        """What a finished run of an assembled network found."""
        final = finished.network
        assert isinstance(final, LaggedNetwork)
        posterior = Posterior.of(final, finished.data, finished.signals if finished.settled else None)
        return Discovery(posterior, finished.journal, finished.history, finished.settled)

    def assembled(self, data: pd.DataFrame | Any) -> tuple[pd.DataFrame, LaggedNetwork, Controller, PRNGKeyArray]:
        """What `fit` runs: the checked frame, the bare network, the controller and the random key.

        Raises:
            DataError, ConfigError: see `fit`.
        """
        if self.epochs < 1:
            raise ConfigError(f"Cannot run {self.epochs} epochs. This is because a run needs at least one. Try 100.")
        controller = Controller(catalogue.evidence() if self.growth is None else self.growth, self.edits_per_epoch)
        frame = check_frame(data, self.max_lag)
        network = LaggedNetwork.bare(
            tuple(frame.columns),
            self.max_lag,
            expected_parents=self.expected_parents,
            ridge=self.ridge,
            forbidden=self.forbidden,
            required=self.required,
        )
        return frame, network, controller, jax.random.key(self.seed)

    @property
    def graph_(self) -> nx.MultiDiGraph:
        """The found graph."""
        return self.result_.graph

    def predict(self, X: pd.DataFrame | Any, steps: int = 1) -> pd.DataFrame:
        """Mean predictions `steps` ahead (`Discovery.predict` has the rest)."""
        return self.result_.predict(X, steps).mean

    def score(self, X: pd.DataFrame | Any, y: None = None) -> float:
        """Mean one-step log predictive density over variables and rows, nats. Higher is better."""
        return float(self.result_.predict(X).log_score.mean())

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The settings by name."""
        return {name: getattr(self, name) for name in _settings()}

    def set_params(self, **settings: Any) -> Self:
        """Changes settings by name.

        Raises:
            ConfigError: a setting that does not exist.
        """
        known = _settings()
        for name, value in settings.items():
            if name not in known:
                raise ConfigError(
                    f"Cannot set {name!r}. This is because CausalDiscovery has no such setting. Try one of: "
                    f"{', '.join(known)}."
                )
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self)).parameters
        changed = {name: value for name, value in self.get_params().items() if value != defaults[name].default}
        return f"CausalDiscovery({', '.join(f'{name}={value!r}' for name, value in changed.items())})"


def _settings() -> tuple[str, ...]:
    return tuple(inspect.signature(CausalDiscovery).parameters)


def discover(frame: pd.DataFrame | Any, max_lag: int = 3, **settings: Any) -> Discovery:
    """The causal graph of a time series.

    `ss.discover(frame, max_lag=3).edges` is a table of cause, effect, lag, weight, its posterior standard deviation,
    nats and probability. `settings` are those of `CausalDiscovery`, which says what is assumed and what they mean.

    Raises:
        DataError, ConfigError: see `CausalDiscovery.fit`.
        TypeError: a setting that does not exist.
    """
    return CausalDiscovery(max_lag, **settings).fit(frame).result_
