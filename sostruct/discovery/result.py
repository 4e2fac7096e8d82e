"""What a discovery found: a graph, its evidence, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sostruct.control.history import SignalHistory
from sostruct.discovery.contemporaneous import mark_of
from sostruct.discovery.converters.causal_learn import EndpointGraph, to_causal_learn
from sostruct.discovery.converters.lingam import to_lingam
from sostruct.discovery.converters.tigramite import to_tigramite
from sostruct.discovery.explanation import Explanation, explain
from sostruct.discovery.forecast import Forecast, predicted, series_like
from sostruct.discovery.intervention import Intervention, intervene
from sostruct.discovery.posterior import Posterior
from sostruct.discovery.scores import compare
from sostruct.errors import ConfigError
from sostruct.graph import Journal
from sostruct.networks.lagged.terms import CURVE, LINE, PRODUCT
from sostruct.networks.lagged.weighted import KINDS, by_target

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = ("cause", "effect", "lag", "weight", "weight_sd", "nats", "probability", "function", "mark")
"""Columns of `edges` and `scores`."""

_FUNCTIONS = {LINE: "identity", CURVE: CURVE}
"""Functions of the graph's edges; with a product in it, that is what an edge is called."""


@dataclass(frozen=True, eq=False)
class Discovery:
    """A causal graph found in a time series, with the evidence for and against every edge.

    Attributes:
        posterior: the regressions behind everything below.
        journal: every edit considered, with its price; `journal.replay(epoch)` is the graph at any epoch.
        history: surprise of every node at every epoch.
        settled: whether the search reached a fixed point: no single addition, removal or replacement of an edge raises
            the evidence of the graph.
    """

    posterior: Posterior
    journal: Journal
    history: SignalHistory
    settled: bool

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Every candidate edge, in the order of cause, effect and lag.

        Columns: `cause`, `effect`, `lag` (steps), `weight` (effect units per cause unit: the mean slope, also of a
        curve or a product) and `weight_sd` (posterior mean and standard deviation; for an edge that is not in the
        graph, what they would be if it entered as a line), `nats` (log evidence with the edge minus without it, prior
        odds included, the rest of the graph as found), `function` ("line", "curve", "product", or several, joined by
        " + "; empty for an edge that is not in the graph; `interactions` has the products) and
        `probability` (that the edge belongs in the graph, over all graphs; 1 for required and 0 for forbidden edges;
        `docs/evidence.md`). `nats` say what the search decided by, `probability` how sure to be of it.
        """
        return self._table(np.ones_like(self.posterior.active))

    @cached_property
    def edges(self) -> pd.DataFrame:
        """The edges of the graph, strongest evidence first; columns as in `scores`.

        Effects within a step have lag 0. Where their direction is not known, `mark` is "undirected", cause and effect
        are named in the more probable order, `weight` is the partial correlation, and the edge stands once; where
        neither direction is probable, or both are forbidden, it is "bidirected": a hidden common cause.
        """
        edges = self._table(self.posterior.active, strongest_first=True)
        pairs = self._pairs()
        if pairs.empty:
            return edges
        return pd.concat([edges, pairs], ignore_index=True).sort_values(
            "nats", ascending=False, kind="stable", ignore_index=True
        )

    @cached_property
    def summary(self) -> pd.DataFrame:
        """Evidence for an edge at any lag [cause x effect], nats over all lags together.

        For a cause in the graph, what the evidence would lose without all of its lags; for any other, the log odds
        that exactly one of its lags enters. Where some residuals are correlated, it is the log odds, over all graphs,
        of any lag or an effect of this direction within the step.
        """
        return self._by_pair(self.posterior.summary)

    @cached_property
    def summary_probability(self) -> pd.DataFrame:
        """Posterior probability of an edge at any lag [cause x effect], over all graphs."""
        return self._by_pair(self.posterior.summary_probability)

    @cached_property
    def interactions(self) -> pd.DataFrame:
        """The products in the graph, by effect.

        Columns: `effect`, `cause_1`, `lag_1`, `cause_2`, `lag_2`, `coefficient` and `coefficient_sd` (of the product of
        the two causes, each centered at its mean and in units of its standard deviation; effect units).
        """
        posterior = self.posterior
        table = posterior.terms
        rows = []
        scales = by_target(posterior.term_scale, len(posterior.variables)).tolist()
        for effect, slots, coefficient, inverse, noise, scale in zip(
            posterior.variables,
            posterior.slots.tolist(),
            posterior.coefficient.tolist(),
            posterior.inverse,
            posterior.noise_sd.tolist(),
            scales,
            strict=True,
        ):
            for place, (slot, value) in enumerate(zip(slots, coefficient, strict=True)):
                if slot >= table.layout.lines and 0 <= slot < table.layout.singles and table.layout.blocks:
                    links = table.terms[slot].links
                    spread = float(np.sqrt(inverse[place, place])) * noise / scale[slot]
                    rows.append((effect, *links[0], *links[-1], value, spread))
        return pd.DataFrame(
            rows, columns=["effect", "cause_1", "lag_1", "cause_2", "lag_2", "coefficient", "coefficient_sd"]
        )

    @cached_property
    def noise(self) -> pd.DataFrame:
        """What the noise of every series is like, by series; Gaussian where nothing else was considered.

        Columns: `kind` ("gaussian", "student", "volatile"), `student_nats` and `volatile_nats` (log evidence of those
        kinds over Gaussian noise; NaN where not considered), `freedom` (degrees of freedom of the tails, inf if
        Gaussian), `sd` (root of the mean variance), `sd_quiet` and `sd_strong` (5 % and 95 % quantiles over the rows;
        `volatility` has all rows) and `rows` (how many rows the evidence counts). `docs/noise.md` says what follows.
        """
        posterior = self.posterior
        size, asked, moving = len(posterior.variables), len(posterior.noise_kind), len(posterior.row_sd)
        nats = np.where(np.isinf(posterior.noise_nats), np.nan, posterior.noise_nats)
        nats = nats if asked else np.full((size, len(KINDS)), np.nan)
        sd = posterior.noise_sd
        quiet, strong = np.quantile(posterior.row_sd, [0.05, 0.95], axis=0) if moving else (sd, sd)
        return pd.DataFrame(
            {
                "kind": [KINDS[number] for number in posterior.noise_kind] if asked else [KINDS[0]] * size,
                "student_nats": nats[:, 1],
                "volatile_nats": nats[:, 2],
                "freedom": posterior.freedom if asked else np.full(size, np.inf),
                "sd": sd,
                "sd_quiet": quiet,
                "sd_strong": strong,
                "rows": [posterior.rows_of(target) for target in range(size)],
            },
            index=pd.Index(posterior.variables, name="series", dtype="object"),
        )

    @cached_property
    def volatility(self) -> pd.DataFrame:
        """Standard deviation of the noise at every row that has a complete past, of all realizations one after the
        other [row x series], in the series' units; constant, one row, where all rows count alike."""
        posterior = self.posterior
        rows = posterior.row_sd if len(posterior.row_sd) else posterior.noise_sd[None]
        return pd.DataFrame(rows, columns=list(posterior.variables), index=pd.RangeIndex(len(rows), name="row"))

    @property
    def treatment(self) -> tuple[str, ...]:
        """What was done to the series before they were searched, one sentence each; weights and standard deviations
        are those of the series after it, predictions are in the user's units."""
        return self.posterior.treatment.steps

    @property
    def expected_false_edges(self) -> float:
        """Expected number of edges in the graph that do not belong there: the sum of 1 - `probability` over them."""
        posterior = self.posterior
        certain = posterior.probability[posterior.active].sum() + self._pairs()["probability"].sum()
        return float(len(self.edges) - certain)

    def edges_at(self, false_discovery: float) -> pd.DataFrame:
        """The edges to report when a given share of them may be false, most probable first; columns as in `scores`.

        The largest set of candidates, in the graph or not, whose mean 1 - `probability`, the expected share of false
        ones, is at most `false_discovery` (Muller, Parmigiani & Rice 2007, Bayesian Statistics 8).

        Raises:
            ConfigError: a level outside [0, 1).
        """
        if not 0 <= false_discovery < 1:
            raise ConfigError(
                f"Cannot use false_discovery={false_discovery!r}. This is because it is a share of edges. Try 0.05."
            )
        ranked = self.scores.sort_values(["probability", "nats"], ascending=False, kind="stable", ignore_index=True)
        share = np.cumsum(1 - ranked["probability"]) / np.arange(1, len(ranked) + 1)
        return ranked.head(int(np.searchsorted(share, false_discovery, side="right")))

    @cached_property
    def graph(self) -> nx.MultiDiGraph:
        """The graph: nodes with `intercept` and `noise_sd`, edges with `lag`, `weight`, `weight_sd`, `nats` and
        `probability`. It follows the schema (`strength` is the weight), so any network of ours accepts it."""
        graph = nx.MultiDiGraph()
        posterior = self.posterior
        for name, intercept, noise in zip(
            posterior.variables, posterior.intercept.tolist(), posterior.noise_sd.tolist(), strict=True
        ):
            graph.add_node(name, kind="series", intercept=intercept, noise_sd=noise)
        for row in pd.concat([self._table(posterior.active), self._pairs()]).itertuples(index=False):
            graph.add_edge(
                row.cause,
                row.effect,
                key=f"value:{row.lag}",
                coupling="value",
                lag=row.lag,
                mark=row.mark,
                strength=row.weight,
                weight=row.weight,
                weight_sd=row.weight_sd,
                nats=row.nats,
                probability=row.probability,
                function=_FUNCTIONS.get(str(row.function), PRODUCT),
            )
        return graph

    def predict(self, frame: pd.DataFrame | Any, steps: int = 1) -> Forecast:
        """Predictions `steps` ahead along `frame` and beyond its end, with their held-out log score.

        Args:
            frame: a series with the same columns [time x variable], in the same units, that the graph need not have
                seen; or several realizations, each of which is predicted by itself.
            steps: how many rows ahead.

        Raises:
            DataError: other columns, missing or infinite values, too few rows.
        """
        return predicted(self.posterior, series_like(frame, self.posterior.variables), steps)

    def explain(self, cause: str, effect: str, lag: int | None = None) -> Explanation:
        """The evidence for and against an edge: what it gains and costs, competing parents, what would change it.

        Args:
            cause, effect: names of series.
            lag: which edge of the pair; the strongest when None, those in the graph first.

        Raises:
            ConfigError: an unknown series, or a lag that was not looked at.
        """
        return explain(self, cause, effect, lag)

    def intervene(
        self,
        values: Mapping[str, Any],
        steps: int,
        *,
        against: Mapping[str, Any] | None = None,
        start: pd.DataFrame | Any = None,
        noise: pd.DataFrame | Any = None,
        samples: int = 500,
        seed: int = 0,
    ) -> Intervention:
        """What happens if some series are held at given values: `found.intervene({"a": 1.0}, 10).effect`.

        Held series forget their mechanisms; all others follow theirs, lines, curves and products, effects within a step
        along their order, with noise of the found size. Coefficients are drawn from their posterior, the graph is taken
        as given (a result keeps the probabilities of edges, not the graphs behind them). Pairs that are linked within
        the step without a direction share their noise, and holding one does not move the other in the same step; where
        one direction is forbidden, it does. Series that a season was taken off or that were transformed as counts are
        held and told in their own units.

        Args:
            values: series -> the value it is held at, or one for every step; data units.
            steps: how many rows.
            against: the intervention to compare with, of the same form: the effect is the difference between the two;
                that to no intervention when None.
            start: rows that the courses go on from, with the same columns; the means of the series when None.
            noise: rows whose residuals, drawn row by row, are the noise: those that the graph was found on, where tails
                matter or series share more than pairs; Gaussian when None.
            samples: number of courses.
            seed: of coefficients and noise.

        Raises:
            ConfigError: an unknown series, or none.
            DataError: values that are not finite or not as many as steps, too few or unusable rows to start from
                or to draw noise from, numbers that are not positive, courses that run away, a season without rows to
                start from, a count below 0.
        """
        return intervene(
            self.posterior,
            self._pairs(),
            values,
            steps,
            against=against,
            start=start,
            noise=noise,
            samples=samples,
            seed=seed,
        )

    def to_tigramite(self) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
        """The graph as tigramite's results: `graph`, `val_matrix`, `p_matrix` [cause, effect, lag], lags from 0
        (`converters.tigramite` says what stands in them); what its plotting functions take."""
        posterior = self.posterior
        return to_tigramite(self.scores, self.edges, posterior.variables, posterior.max_lag, posterior.count)

    def to_lingam(self) -> NDArray[np.float64]:
        """The weights as lingam's `adjacency_matrices_` [lag, effect, cause], lags from 0 (`converters.lingam`)."""
        return to_lingam(self.edges, self.posterior.variables, self.posterior.max_lag)

    def to_causal_learn(self) -> EndpointGraph:
        """The graph as causal-learn's matrix of ends, over series at lags (`converters.causal_learn`)."""
        return to_causal_learn(self.edges, self.posterior.variables, self.posterior.max_lag)

    def compare(self, truth: nx.DiGraph) -> pd.DataFrame:
        """Agreement with a known graph (see `scores.compare`)."""
        within = self.posterior.pair_nats - np.logaddexp(0.0, -self.posterior.direction)
        return compare(self.scores, self.edges, self.summary, truth, within=self._by_pair(within))

    def plot(self, truth: nx.DiGraph | None = None, *, kind: str = "overview") -> Figure:
        """A figure of what was found.

        Args:
            truth: a known graph to judge by; the time-lag graph is drawn without.
            kind: "overview": the graph, with the truth beside it when given, and the evidence for every pair;
                "summary": series on a ring, arrows with their lags; "lags": the time-lag graph, series by steps;
                "evidence": nats for every cause and effect, all lags together; "noise": how strong the noise of every
                series is over the rows.

        Raises:
            ConfigError: another kind.
        """
        from sostruct.reports import figures
        from sostruct.reports.canvas import settings

        if kind == "overview":
            return figures.draw_found(self.graph, self.summary, truth)
        if kind == "lags":
            return figures.draw_lags(self.graph)
        if kind == "noise":
            from sostruct.reports.noise_figure import draw_noise

            return draw_noise(self.noise, self.volatility)
        if kind not in ("summary", "evidence"):
            raise ConfigError(
                f"Cannot plot kind={kind!r}. This is because it is one of overview, summary, lags, evidence, noise. "
                "Try 'overview'."
            )
        with settings():
            if kind == "summary":
                return figures.draw_graph(self.graph, truth)
            return figures.draw_evidence(self.summary, truth)

    def _by_pair(self, table: np.ndarray[Any, np.dtype[np.float64]]) -> pd.DataFrame:
        names = self.posterior.variables
        return pd.DataFrame(
            table.T,
            index=pd.Index(names, name="cause", dtype="object"),
            columns=pd.Index(names, name="effect", dtype="object"),
        )

    def _table(self, chosen: np.ndarray[Any, np.dtype[np.bool_]], *, strongest_first: bool = False) -> pd.DataFrame:
        posterior = self.posterior
        count, lags = len(posterior.variables), posterior.max_lag
        # [target, lag, cause] -> [cause, target, lag], the order of rows; lag 0, if any, stands last
        shift = int(posterior.instant)
        ordered = np.roll(chosen.reshape(count, lags + shift, count), shift, axis=1)
        cause, target, place = np.nonzero(ordered.transpose(2, 0, 1))
        lag = place + 1 - shift
        term = (lag - 1) % (lags + shift) * count + cause
        if strongest_first:
            order = np.argsort(-posterior.nats[target, term], kind="stable")
            cause, target, lag, term = cause[order], target[order], lag[order], term[order]
        names = np.array(posterior.variables, dtype=object)
        return pd.DataFrame(
            {
                "cause": pd.Series(names[cause], dtype="object"),
                "effect": pd.Series(names[target], dtype="object"),
                "lag": lag,
                "weight": posterior.weight[target, term],
                "weight_sd": posterior.weight_sd[target, term],
                "nats": posterior.nats[target, term],
                "probability": posterior.probability[target, term],
                "function": pd.Series(posterior.functions[target, term].astype(object), dtype="object"),
                "mark": pd.Series(["directed"] * len(term), dtype="object"),
            }
        )

    def _pairs(self) -> pd.DataFrame:
        """The pairs of series that are linked within the step without a direction, columns as in `edges`."""
        posterior = self.posterior
        names, direction = posterior.variables, posterior.direction
        rows = []
        linked = posterior.pair_nats > 0
        if posterior.instant:  # what has a direction is an edge already
            within = posterior.active[:, -len(names) :]
            linked = linked & ~(within | within.T)
        for one, other in np.argwhere(np.triu(linked)).tolist():
            forward, backward = direction[other, one], direction[one, other]
            cause, effect = (one, other) if forward >= backward else (other, one)
            nats = float(posterior.pair_nats[one, other])
            partial = float(posterior.partial[one, other])
            spread = float(np.sqrt((1 - partial**2) / posterior.count))
            chance = float(1 / (1 + np.exp(-nats)))
            mark = mark_of(forward, backward)
            if len(posterior.location) and min(forward, backward) > -np.inf:  # what shapes of single pairs say
                mark = "undirected"
            rows.append((names[cause], names[effect], 0, partial, spread, nats, chance, LINE, mark))
        table = pd.DataFrame(rows, columns=list(COLUMNS))
        return table.astype(dict.fromkeys(("cause", "effect", "function", "mark"), "object")) if rows else table

    def _weighted(self) -> list[str]:
        """What is to be known of the noise, in a line, where it is not Gaussian."""
        counts = self.noise["kind"].value_counts()
        told = {"student": "noise with heavy tails", "volatile": "noise of changing strength"}
        parts = [f"{counts[kind]} with {words}" for kind, words in told.items() if kind in counts]
        return [f"Rows are weighted, by series: {', '.join(parts)}."] if parts else []

    def __repr__(self) -> str:
        posterior = self.posterior
        state = "settled" if self.settled else "not settled"
        done = "".join(f"\n  {step}" for step in (*self.treatment, *self._weighted()))
        return (
            f"Discovery: {len(self.edges)} edges among {len(posterior.variables)} series, lags 1 to "
            f"{posterior.max_lag} ({self.expected_false_edges:.1f} expected to be false), {posterior.count:g} rows, "
            f"{len(self.history)} epochs, {state}{done}"
        )
