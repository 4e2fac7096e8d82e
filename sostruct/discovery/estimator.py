"""Causal discovery as users call it: one function, and the estimator behind it.

`CausalDiscovery` follows scikit-learn's habits (`control.estimator`) without depending on scikit-learn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, final

import networkx as nx
import numpy as np
import pandas as pd

from sostruct.control.estimator import AbstractEstimator
from sostruct.control.run import Run
from sostruct.discovery.contemporaneous import offered
from sostruct.discovery.dictionary import chosen, horizons
from sostruct.discovery.noise import reweighted, still_curved
from sostruct.discovery.posterior import Posterior
from sostruct.discovery.result import Discovery
from sostruct.errors import ConfigError
from sostruct.growth import catalogue
from sostruct.growth.base import AbstractGrowthRule
from sostruct.networks.lagged.curved import MOST_COLUMNS, CurvedTerms
from sostruct.networks.lagged.fixed_point import Search
from sostruct.networks.lagged.network import LaggedNetwork
from sostruct.networks.lagged.segments import segments_of
from sostruct.networks.lagged.weighted import KINDS, MOST_NUMBERS, Noise, fits
from sostruct.tasks.treatment import treated

NOISES = ("auto", *KINDS)
"""What noise may be like."""

FUNCTIONS = ("auto", "linear", "curved")
"""What mechanisms may look like."""


@final
class CausalDiscovery(AbstractEstimator[Discovery]):
    """Finds which series drives which, at which lag, and how sure that is.

    Every series is a Bayesian regression on the past of its parents (exact normal-inverse-gamma evidence).
    Starting from no edges, every epoch prices all additions, removals and replacements of one edge per series in nats
    of log evidence and makes the best; the graph is the fixed point.

    What this assumes: effects at lags 1..max_lag that add up, of one series or of the product of two; no hidden common
    causes, and a system that does not change over the rows. Effects within a step are found where residuals are
    correlated, and have a direction, or a hidden common cause, where the data tell (`discovery.contemporaneous`).

    Data may be a frame or an array, several realizations of one system or labeled arrays of xarray
    (`tasks.adapters.gathered`); whatever may mislead in them is warned of (`tasks.advice`).

    Values may be missing, in single rows or whole stretches: no row is dropped, and what is not known is not counted as
    evidence (`networks.lagged.missing`). With gaps, mechanisms are lines, effects within a step are undirected, and
    probabilities are averages over the missing values too.

    Args:
        max_lag: the largest lag, in rows.
        forbidden: (cause, effect) or (cause, effect, lag) that may not be in the graph.
        required: (cause, effect, lag) that must be, or (cause, effect) of which at least one lag must be.
        exogenous: series that only their own past acts on.
        prior_odds: (cause, effect, factor) or (cause, effect, lag, factor): the prior odds of that edge, at each of its
            lags, times the factor; 1 changes nothing.
        expected_parents: prior expected number of parents per series over all lags.
        ridge: prior precision of a standardized weight, in units of the noise precision.
        functions: "linear"; "curved": every link may be a line or a curve, and every two may interact
            (`networks.lagged.curved`); "auto": so if the data ask for it (`discovery.dictionary`) and the table has
            room for all series and lags.
        contemporaneous: whether effects within a step are looked for.
        noise: "gaussian": every row counts alike; "student": outlying rows of a series count less; "volatile": so do
            rows where its noise is strong, as a belief network predicts it; "auto": as the data ask for, series by
            series (`discovery.noise`). With gaps, in graphs of curves, or with more than
            `networks.lagged.weighted.MOST_NUMBERS` statistics, "auto" is Gaussian.
        probabilities: whether to average over graphs; else `probability` is that given the found graph, and too sure.
        season: a period in rows, "day", "week" or "year" where rows carry timestamps, or a list of such: means that
            depend on the place in it are taken off every series, and forecasts put them back (`tasks.season`).
        harmonics: of every period; None for a mean per place of periods up to 24 rows, and 12 of longer ones.
        irregular: what to do with rows at unequal distances in time: "refuse", or "resample" them onto the median step,
            each to the nearest point and none invented (`tasks.resampling`).
        discrete: what to do with counts: "transform" them to a scale of equal noise, "keep" them, or "refuse" them and
            binary series (`tasks.discrete`).
        growth: a growth rule; `growth.catalogue.evidence()` when None.
        epochs: most epochs to run.
        edits_per_epoch: most edits per epoch over all series; None for no limit.
        seed: of the chains behind the probabilities, of what is drawn for missing values, and of rules that draw at
            random (the default rule does not).
    """

    def __init__(
        self,
        max_lag: int = 3,
        *,
        forbidden: Iterable[Sequence[Any]] = (),
        required: Iterable[Sequence[Any]] = (),
        exogenous: Iterable[str] = (),
        prior_odds: Iterable[Sequence[Any]] = (),
        expected_parents: float = 2.0,
        ridge: float = 1.0,
        functions: str = "auto",
        contemporaneous: bool = True,
        noise: str = "auto",
        probabilities: bool = True,
        season: Any = None,
        harmonics: int | None = None,
        irregular: str = "refuse",
        discrete: str = "transform",
        growth: AbstractGrowthRule | None = None,
        epochs: int = 100,
        edits_per_epoch: int | None = None,
        seed: int = 0,
    ) -> None:
        self.max_lag = max_lag
        self.forbidden = tuple(forbidden) if isinstance(forbidden, Iterator) else forbidden
        self.required = tuple(required) if isinstance(required, Iterator) else required
        self.exogenous = tuple(exogenous) if isinstance(exogenous, Iterator) else exogenous
        self.prior_odds = tuple(prior_odds) if isinstance(prior_odds, Iterator) else prior_odds
        self.expected_parents = expected_parents
        self.ridge = ridge
        self.functions = functions
        self.contemporaneous = contemporaneous
        self.noise = noise
        self.probabilities = probabilities
        self.season = season
        self.harmonics = harmonics
        self.irregular = irregular
        self.discrete = discrete
        self.growth = growth
        self.epochs = epochs
        self.edits_per_epoch = edits_per_epoch
        self.seed = seed

    def starting(self, data: pd.DataFrame | Any) -> tuple[pd.DataFrame, LaggedNetwork]:
        """The equally spaced series, treated (`tasks.treatment`), and the bare network: no edges but the required ones.

        Raises:
            DataError: data that cannot be used; the message names the column.
            ConfigError: settings that do not fit the data.
        """
        if self.noise not in NOISES:
            raise ConfigError(
                f"Cannot use noise={self.noise!r}. This is because it is one of {', '.join(NOISES)}. Try 'auto', which "
                "lets the data decide."
            )
        if self.functions not in FUNCTIONS:
            raise ConfigError(
                f"Cannot use functions={self.functions!r}. This is because it is one of {', '.join(FUNCTIONS)}. Try "
                "'auto', which lets the data decide."
            )
        frame, treatment = treated(
            data,
            self.max_lag,
            season=self.season,
            harmonics=self.harmonics,
            irregular=self.irregular,
            discrete=self.discrete,
        )
        names = tuple(frame.columns)
        settings: dict[str, Any] = {
            "expected_parents": self.expected_parents,
            "ridge": self.ridge,
            "forbidden": (*self.forbidden, *self._spared(names)),
            "required": self.required,
            "prior_odds": self.prior_odds,
            "treatment": treatment,
        }
        values = segments_of(frame)
        choice = None
        gaps = any(np.isnan(table).any() for table in values)
        if gaps and self.functions == "curved":
            raise ConfigError(
                "Cannot use functions='curved' with missing values. This is because gaps are filled by a linear "
                "process. Try functions='auto' or 'linear', or series without gaps."
            )
        if gaps and self.noise not in ("auto", "gaussian"):
            raise ConfigError(
                f"Cannot use noise={self.noise!r} with missing values. This is because gaps are filled by a Gaussian "
                "process. Try noise='auto' or 'gaussian', or series without gaps."
            )
        lines = Search(values, LaggedNetwork.bare(names, self.max_lag, seed=self.seed, **settings))
        if self.functions == "auto" and not gaps:
            choice = chosen(lines, settings)
            if choice is not None and self.noise != "gaussian":
                choice = choice if still_curved(values, choice, lines.network, settings) else None
        elif self.functions == "curved":
            table = CurvedTerms.fitted(names, self.max_lag, values)
            if table is None:
                raise ConfigError(
                    f"Cannot use functions='curved' with {len(names)} series and max_lag={self.max_lag}. This is "
                    f"because their table would have more than {MOST_COLUMNS} columns. Try fewer series or lags, or "
                    "functions='linear'."
                )
            curved = LaggedNetwork.bare(names, self.max_lag, terms=table, **settings)
            choice = table, horizons(curved.prepare(values), table, settings)[0]
        terms, search = None, lines
        if choice is not None:
            terms, reach = choice
            given = settings | {"terms": terms, "horizon": reach, "seed": self.seed}
            search = Search(values, LaggedNetwork.bare(names, self.max_lag, **given))
        if self.noise not in ("auto", "gaussian") and not fits(search.network.terms):
            raise ConfigError(
                f"Cannot use noise={self.noise!r} with {len(names)} series and max_lag={self.max_lag}. This is because "
                f"statistics of every series' own would be more than {MOST_NUMBERS:.0e} numbers. Try noise='auto' or "
                "'gaussian', or fewer series or lags."
            )
        weigh = self.noise in ("student", "volatile") or (self.noise == "auto" and choice is None and not gaps)
        kinds: Noise | None = None
        if weigh:
            search, kinds = reweighted(search, self.noise)
        if not self.contemporaneous or gaps:
            return frame, search.network.weighted(search.network.weights, kinds)
        network = offered(search, terms, settings)
        if weigh and network.terms != search.network.terms:
            within, kinds = reweighted(Search(values, network), self.noise)
            network = within.network
        return frame, network.weighted(network.weights, kinds)

    def check(self, X: pd.DataFrame | Any) -> None:
        """Raises what `fit` would raise about data and settings, without doing the work."""
        searches: dict[str, Any] = {"contemporaneous": False}  # what is offered raises no error of its own
        if self.functions == "auto":  # lines raise the same errors
            searches["functions"] = "linear"
        if self.noise == "auto":
            searches["noise"] = "gaussian"
        super(CausalDiscovery, CausalDiscovery(**(self.get_params() | searches))).check(X)

    def _spared(self, names: Sequence[str]) -> list[tuple[str, str]]:
        """The edges that would act on exogenous series."""
        if isinstance(self.exogenous, str):
            raise ConfigError(
                f"Cannot use exogenous={self.exogenous!r}. This is because it is a list of names. Try "
                f"[{self.exogenous!r}]."
            )
        for name in self.exogenous:
            if name not in names:
                raise ConfigError(
                    f"Cannot use {name!r} in exogenous. This is because the data have no such column. Try one of: "
                    f"{', '.join(names[:20])}."
                )
        return [(cause, effect) for effect in self.exogenous for cause in names if cause != effect]

    def default_rule(self) -> AbstractGrowthRule:
        """Surprise-driven growth: the graph is the fixed point."""
        return catalogue.evidence()

    def result_of(self, finished: Run) -> Discovery:
        """What a finished run of an assembled network found."""
        final = finished.network
        assert isinstance(final, LaggedNetwork)
        signals = finished.signals if finished.settled else None
        posterior = Posterior.of(
            final,
            finished.data,
            signals,
            averaged=self.probabilities,
            contemporaneous=self.contemporaneous,
            seed=self.seed,
        )
        return Discovery(posterior, finished.journal, finished.history, finished.settled)

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


def discover(frame: pd.DataFrame | Any, max_lag: int = 3, **settings: Any) -> Discovery:
    """The causal graph of a time series.

    `ss.discover(frame, max_lag=3).edges` is a table of cause, effect, lag, weight, its posterior standard deviation,
    nats and probability. `settings` are those of `CausalDiscovery`, which says what is assumed and what they mean.

    Raises:
        DataError, ConfigError: see `CausalDiscovery.fit`.
        TypeError: a setting that does not exist.
    """
    return CausalDiscovery(max_lag, **settings).fit(frame).result_
