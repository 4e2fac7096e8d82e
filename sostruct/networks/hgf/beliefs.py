"""What a filter returned: every belief at every step, under the user's names.

Design note. A filter leaves its trajectory on the device, in the columns of whichever schedule ran. Here columns become
nodes, in the order of `nodes`, and become numpy arrays when they are first asked for: a fit that reads nothing but the
log evidence copies nothing else. What costs a second pass of the filter (`composite` and `excess`, which need the
predictive density of each input by itself) is computed on first use and kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Protocol, final, runtime_checkable

import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy.typing import NDArray

from sostruct.errors import ConfigError
from sostruct.graph import Topology
from sostruct.networks.hgf.couplings import FUNCTIONS
from sostruct.networks.hgf.inputs import Series
from sostruct.networks.hgf.kinds.category import Category
from sostruct.networks.hgf.kinds.statistic import AbstractStatistic
from sostruct.networks.hgf.variables import reported
from sostruct.numerics import double_precision
from sostruct.tasks.base import listed

QUANTITIES = ("mean", "precision", "expected_mean", "expected_precision")
"""What `Beliefs.frame` knows of every node: the posterior, and the prediction before it."""


@runtime_checkable
class AbstractTrajectory(Protocol):
    """What a filter recorded: arrays [time, column] or [subject, time, column]."""

    @property
    def beliefs(self) -> Mapping[str, Any]:
        """Posteriors by name, "mean" and "precision" among them."""

    @property
    def expected_mean(self) -> Any:
        """mh."""

    @property
    def expected_precision(self) -> Any:
        """ph; infinite for a constant."""

    @property
    def surprise(self) -> Any:
        """Joint surprise of each step, nats."""


@final
@dataclass(frozen=True, eq=False, repr=False)
class Beliefs:
    """Beliefs of a network along one series or several: arrays [time, node], or [subject, time, node].

    Attributes:
        nodes: names of the nodes, sorted: the last axis of every array.
        inputs: names of the inputs, in the order of the data's columns.
        columns: where each node stands among the trajectory's columns [node].
        trajectory: what the filter recorded.
        series: the observations.
        failures: by column, at how many steps a posterior was invalid, with an axis of subjects where there are
            several; None where it never was.
        ended: makes `last`.
        detail: runs the filter for (marginal surprise, its entropy, variance of the linear predictor) of each input,
            each [time, input].
        topology: the graph with the strengths the filter ran with.
    """

    nodes: tuple[str, ...]
    inputs: tuple[str, ...]
    columns: NDArray[np.integer[Any]]
    trajectory: AbstractTrajectory
    series: Series
    failures: NDArray[np.integer[Any]] | None
    ended: Callable[[], Any]
    detail: Callable[[], tuple[Any, Any, Any]]
    topology: Topology

    @cached_property
    def last(self) -> Any:
        """Where the filter stands after the last step; `net.filter(more, start=beliefs.last)` goes on from there."""
        return self.ended()

    @cached_property
    def held(self) -> pd.Series:
        """By node, at how many steps a posterior was invalid and the prediction was held (`strict=False`)."""
        count = np.zeros(len(self.nodes), np.int64)
        if self.failures is not None:
            count = self.failures[..., self.columns].astype(np.int64)
        return pd.Series(count if count.ndim == 1 else count.sum(0), index=pd.Index(self.nodes, dtype="object"))

    @cached_property
    def mean(self) -> Float[np.ndarray, "*subject time node"]:
        """Posterior means m; an observed input's is what was observed."""
        return self._by_node(self.trajectory.beliefs["mean"])

    @cached_property
    def precision(self) -> Float[np.ndarray, "*subject time node"]:
        """Posterior precisions p; an observed continuous input's is its noise precision."""
        return self._by_node(self.trajectory.beliefs["precision"])

    @cached_property
    def expected_mean(self) -> Float[np.ndarray, "*subject time node"]:
        """Predicted means mh, before the step's data; of a binary input, the probability of a 1."""
        return self._by_node(self.trajectory.expected_mean)

    @cached_property
    def expected_precision(self) -> Float[np.ndarray, "*subject time node"]:
        """Predicted precisions ph; infinite for a constant. An input's is that of its noise alone."""
        return self._by_node(self.trajectory.expected_precision)

    @cached_property
    def surprise(self) -> Float[np.ndarray, "*subject time"]:
        """Joint predictive surprise of each step, nats: `-log p(inputs now | inputs before)`; 0 where all are missing.

        Summed over a series it is minus the log evidence, and two graphs can be compared by it.
        """
        return _frozen(np.array(self.trajectory.surprise))

    @property
    def log_evidence(self) -> float:
        """`-sum(surprise)` over all steps and subjects, nats."""
        return -float(self.surprise.sum(dtype=np.float64))

    @cached_property
    def composite(self) -> Float[np.ndarray, "*subject time"]:
        """Sum of the inputs' marginal surprises, nats: counts whatever they share once for each of them."""
        return _frozen(self._details[0].sum(-1))

    @cached_property
    def first_level(self) -> Float[np.ndarray, "*subject time"]:
        """The literature's surprise, nats, for comparison with it and not for choosing graphs.

        A continuous input is scored under its value parents' prediction alone, `N(u; mh, sum_b (w g'(mh_b))^2 / ph_b)`,
        without its own noise (where no parent is uncertain, under the noise); a binary one by its predicted mean,
        `-log mh` or `-log(1 - mh)`, without its parents' uncertainty (Mathys et al. 2011; Legrand et al. 2024), and a
        categorical one likewise, by its predicted means over their sum. Variables of the exponential family have no
        density but the predictive one.
        """
        places = self._places(self.inputs)
        expected = self.expected_mean[..., places].astype(np.float64)
        noise = 1.0 / self.expected_precision[..., places].astype(np.float64)
        variance = np.where(self.input_variance > 0.0, self.input_variance, noise)
        gaussian = 0.5 * (np.log(2.0 * np.pi * variance) + (self.series.values - expected) ** 2 / variance)
        with np.errstate(divide="ignore", invalid="ignore"):
            plug_in = -np.log(np.where(self.series.values > 0.5, expected, 1.0 - expected))
        scored = np.where([self.topology.node(name).kind == "binary" for name in self.inputs], plug_in, gaussian)
        for variable in reported.variables(self).values():
            own = list(variable.positions)
            if isinstance(variable.kind, AbstractStatistic):
                scored[..., own] = self._details[0][..., own]
            elif isinstance(variable.kind, Category):
                share = expected[..., own] / expected[..., own].sum(-1, keepdims=True)
                scored[..., own] = -self.series.values[..., own] * np.log(share)
        return _frozen(np.where(np.isnan(self.series.values), 0.0, scored).sum(-1))

    @cached_property
    def input_variance(self) -> Float[np.ndarray, "*subject time input"]:
        """What value parents' uncertainty adds to each input's linear predictor: `sum_b (w g'(mh_b))^2 / ph_b`."""
        total = np.zeros(self.series.values.shape)
        place = {name: number for number, name in enumerate(self.nodes)}
        variance = self._expected_variance
        with double_precision():
            for column, name in enumerate(self.inputs):
                for edge in self.topology.parents(name):
                    if edge.coupling == "value" and edge.lag == 0:
                        parent = place[edge.source]
                        expected = jnp.asarray(self.expected_mean[..., parent], jnp.float64)
                        slope = edge.strength * np.asarray(FUNCTIONS[edge.function].slope(expected))
                        total[..., column] += slope**2 * variance[..., parent]
        return _frozen(total)

    @cached_property
    def spread(self) -> Float[np.ndarray, "*subject time input"]:
        """Variance of each input's linear predictor under its prediction, as it was scored, ancestors included."""
        return _frozen(self._details[2])

    def probabilities(self, variable: str) -> pd.DataFrame:
        """Predicted probability of every label of a categorical variable, before each step's data [time x label].

        Raises:
            ConfigError: there is no categorical variable of that name.
        """
        found = reported.categorical(self, variable)
        return self._framed(reported.probabilities(self, found), found.labels)

    def concentration(self, variable: str) -> pd.DataFrame:
        """Concentrations of the Dirichlet distribution that predicts a categorical variable [time x label].

        Raises:
            ConfigError: there is no categorical variable of that name.
        """
        found = reported.categorical(self, variable)
        return self._framed(reported.concentration(self, found), found.labels)

    def divergence(self, variable: str) -> pd.DataFrame:
        """How far each step moved what is believed of a categorical variable, nats [time x variable]: the divergence of
        the Dirichlet distribution after it from that before it, 0 where it was missing (Bayesian surprise).

        Raises:
            ConfigError: there is no categorical variable of that name.
        """
        found = reported.categorical(self, variable)
        before, after = (reported.concentration(self, found, when) for when in ("before", "after"))
        missing = np.isnan(self.series.values[..., found.positions[0]])
        return self._framed(np.where(missing, 0.0, reported.divergence(after, before))[..., None], (variable,))

    def pseudo_count(self, variable: str) -> pd.DataFrame:
        """nu of a variable of the exponential family, before each step's data [time x variable]: how many observations
        its prediction is worth.

        Raises:
            ConfigError: there is no such variable.
        """
        return self._framed(reported.worth(self, variable)[..., None], (variable,))

    @property
    def excess(self) -> pd.DataFrame:
        """How much more each node was surprised than it expected [time x node], nats; 0 where it saw nothing.

        Of a state, `(ph / p + ph (m - mh)^2 - 1) / 2`; of an input, its marginal surprise minus the entropy of its
        own predictive distribution. Near 0 on average where a node is calibrated.
        """
        return self._framed(self._excess)

    def frame(self, quantity: str) -> pd.DataFrame:
        """One quantity as a table [time x node], with the steps of the data as index; subjects make it a MultiIndex.

        Args:
            quantity: "mean", "precision", "expected_mean" or "expected_precision"; where there are volatile nodes also
                "volatility_mean" and "volatility_precision", the posterior of the level inside each of them.

        Raises:
            ConfigError: there is no such quantity.
        """
        if quantity in QUANTITIES:
            return self._framed(getattr(self, quantity))
        inner = [name for name in self.trajectory.beliefs if name not in QUANTITIES] if self.volatile else []
        if quantity not in inner:
            raise ConfigError(
                f"Cannot make a frame of {quantity!r}. This is because a filter reports no such quantity of a node. "
                f"Try one of {listed((*QUANTITIES, *sorted(inner)))}."
            )
        return self._framed(self.inside(quantity), self.volatile)

    def inside(self, quantity: str) -> Float[np.ndarray, "*subject time volatile"]:
        """A belief of the levels inside volatile nodes, in the order of `volatile`; names as in `frame`."""
        return _frozen(_taken(self.trajectory.beliefs[quantity], self.columns[self._places(self.volatile)]))

    @property
    def volatile(self) -> tuple[str, ...]:
        """The nodes that have a volatility level inside."""
        return tuple(node.name for node in self.topology.nodes if node.kind == "volatile")

    def to_xarray(self) -> Any:
        """The same as an `xarray.Dataset` with the dimensions time, node and input, and subject where there are any.

        Variables: "mean", "precision", "expected_mean", "expected_precision", "surprise", "observed" (the data) and
        "held"; the attribute "log_evidence".

        Raises:
            ConfigError: xarray is not installed.
        """
        try:
            import xarray as xr
        except ImportError:
            raise ConfigError(
                "Cannot make an xarray.Dataset. This is because xarray is not installed. "
                "Try `pip install 'sostruct[xarray]'`, or frame(...), which needs pandas alone."
            ) from None
        lead = ("time",) if self.series.subjects is None else ("subject", "time")
        index = self.series.index
        labels: dict[str, Any] = {
            "time": index.to_timestamp() if isinstance(index, pd.PeriodIndex) else index.rename(None),
            "node": list(self.nodes),
            "input": list(self.inputs),
        }
        if self.series.subjects is not None:
            labels["subject"] = list(self.series.subjects)
        variables: dict[str, Any] = {name: ((*lead, "node"), getattr(self, name)) for name in QUANTITIES}
        variables["surprise"] = (lead, self.surprise)
        variables["observed"] = ((*lead, "input"), self.series.values)
        variables["held"] = (("node",), self.held.reindex(list(self.nodes)).to_numpy())
        return xr.Dataset(variables, coords=labels, attrs={"log_evidence": self.log_evidence})

    def plot(self, nodes: Iterable[str] | None = None, **options: Any) -> NDArray[np.object_]:
        """Beliefs over time, one panel a node and one for surprise; see `figures.draw_beliefs`."""
        from sostruct.networks.hgf.figures import draw_beliefs

        return draw_beliefs(self, nodes, **options)

    def plot_network(self, **options: Any) -> Any:
        """The network with what is believed in its nodes; see `network_figure.draw_network`. Returns the axes."""
        from sostruct.networks.hgf.network_figure import draw_network

        return draw_network(self, **options)

    def plot_correlations(self, quantity: str = "mean", **options: Any) -> Any:
        """How the nodes' beliefs move together; see `correlations_figure.draw_correlations`. Returns the axes."""
        from sostruct.networks.hgf.correlations_figure import draw_correlations

        return draw_correlations(self, quantity, **options)

    @cached_property
    def _details(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """(marginal surprise, entropy, variance of the linear predictor) of each input; a packed filter pads them."""
        first = np.arange(len(self.inputs))
        marginal, entropy, spread = (_taken(part, first).astype(np.float64) for part in self.detail())
        return marginal, entropy, spread

    @cached_property
    def _excess(self) -> NDArray[np.float64]:
        variance = self._expected_variance
        precision, error = self.precision.astype(np.float64), self.mean.astype(np.float64) - self.expected_mean
        with np.errstate(divide="ignore", invalid="ignore"):
            share = 1.0 / (variance * precision)
            excess = 0.5 * (share + error**2 / variance - 1.0)
        rounding = 8.0 * np.finfo(self.mean.dtype).eps
        unmoved = (error == 0.0) & (np.abs(share - 1.0) < rounding)  # no news: the prediction is the posterior
        unmoved |= (variance == 0.0) | np.isinf(variance) | ~np.isfinite(excess)
        excess = np.where(unmoved, 0.0, excess)
        marginal, entropy, _ = self._details
        excess[..., self._places(self.inputs)] = marginal - entropy
        return excess

    @cached_property
    def _in_order(self) -> bool:
        return bool((self.columns == np.arange(len(self.columns))).all())

    @property
    def _expected_variance(self) -> NDArray[np.float64]:
        """1 / ph; 0 for a constant."""
        with np.errstate(divide="ignore"):
            found: NDArray[np.float64] = 1.0 / self.expected_precision.astype(np.float64)
        return found

    def _places(self, names: tuple[str, ...]) -> list[int]:
        return [self.nodes.index(name) for name in names]

    def _by_node(self, numbers: Any) -> Float[np.ndarray, "*subject time node"]:
        if self._in_order and numbers.shape[-1] == len(self.columns):  # nothing to move, so nothing to copy
            return _frozen(np.asarray(numbers).view())
        return _frozen(_taken(numbers, self.columns))

    def _framed(self, numbers: Float[np.ndarray, "*subject time some"], nodes: tuple[str, ...] = ()) -> pd.DataFrame:
        index = self.series.index
        if self.series.subjects is not None:
            names = ["subject", index.name or "time"]
            index = pd.MultiIndex.from_product([list(self.series.subjects), index], names=names)
            numbers = numbers.reshape(-1, numbers.shape[-1])
        return pd.DataFrame(numbers, index=index, columns=pd.Index(nodes or self.nodes, dtype="object"), copy=True)

    def __getstate__(self) -> dict[str, Any]:
        """Fields alone, with what they compute computed, so that beliefs travel between processes."""
        state = {field.name: getattr(self, field.name) for field in fields(self)}
        return state | {"detail": _Known(self._details), "ended": _Known(self.last)}

    def __repr__(self) -> str:
        subjects, held = self.series.subjects, int(self.held.sum())
        many = "" if subjects is None else f" of {len(subjects)} subjects"
        holds = f", {held} prediction{'' if held == 1 else 's'} held" if held else ""
        return (
            f"Beliefs: {len(self.nodes)} nodes, {len(self.series.index)} steps{many}, log evidence "
            f"{self.log_evidence:.6g} nats{holds}"
        )


def place_of_subject(beliefs: Beliefs, subject: Any) -> tuple[int, ...]:
    """The leading index of one subject: (), or (its number,).

    Raises:
        ConfigError: there is no such subject.
    """
    subjects = beliefs.series.subjects
    if subjects is None:
        if subject is None:
            return ()
        raise ConfigError(
            f"Cannot draw subject {subject!r}. This is because the beliefs are those of one series. "
            f"Try leaving subject out."
        )
    if subject is None:
        return (0,)
    if subject not in subjects:
        raise ConfigError(
            f"Cannot draw subject {subject!r}. This is because there is no such subject. Try one of {listed(subjects)}."
        )
    return (subjects.index(subject),)


@final
@dataclass(frozen=True, slots=True)
class _Known:
    """Something that has been computed."""

    found: Any

    def __call__(self) -> Any:
        return self.found


def _taken(recorded: Any, columns: NDArray[np.integer[Any]]) -> NDArray[Any]:
    """Chosen columns of an array [..., column]."""
    found: NDArray[Any] = np.take(np.asarray(recorded), columns, axis=-1)
    return found


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array
